//! `wildcard range set`: one command for many names.

/// Most commands that one stands for.
pub(crate) const RANGE_MAX: usize = 1000;

/// The lines that `line` stands for: `[0-3,7,!2]` right in a word is each of these numbers.
///
/// # Errors
/// A range is none, or there are too many numbers.
pub(crate) fn ranges(line: &str) -> Result<Vec<String>, String> {
    let mut lines = vec![String::new()];
    let mut rest = line;
    while let Some((before, range, behind)) = first(rest) {
        let numbers = numbers(range)?;
        if numbers.is_empty() {
            return Err(format!("`[{range}]` is no number"));
        }
        if lines.len() * numbers.len() > RANGE_MAX {
            return Err(format!("the ranges stand for more than {RANGE_MAX} commands"));
        }
        let with = |line: &String| numbers.iter().map(|number| format!("{line}{before}{number}")).collect::<Vec<_>>();
        lines = lines.iter().flat_map(with).collect();
        rest = behind;
    }
    lines.iter_mut().for_each(|line| line.push_str(rest));
    Ok(lines)
}

/// The first range, and what stands before and behind it. A list of values has blanks in its brackets.
fn first(text: &str) -> Option<(&str, &str, &str)> {
    for (open, _) in text.match_indices('[') {
        let (before, inner) = (text.get(..open)?, text.get(open + 1..)?);
        let Some((range, behind)) = inner.split_once(']') else { continue };
        if !range.is_empty() && range.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ',' | '!')) {
            return Some((before, range, behind));
        }
    }
    None
}

/// The numbers of a range, in order, each once.
fn numbers(range: &str) -> Result<Vec<u32>, String> {
    let wrong = || format!("`[{range}]` is no range: write it like [0-3,7,!2]");
    let (mut with, mut without) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    for part in range.split(',') {
        let (set, part) = part.strip_prefix('!').map_or((&mut with, part), |part| (&mut without, part));
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        let (low, high): (u32, u32) = (low.parse().map_err(|_| wrong())?, high.parse().map_err(|_| wrong())?);
        if high < low || usize::try_from(high - low).map_or(true, |count| count >= RANGE_MAX) {
            return Err(wrong());
        }
        set.extend(low..=high);
    }
    Ok(with.difference(&without).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn a_range_is_each_of_its_numbers() {
        assert_eq!(ranges("a b").unwrap(), ["a b"]);
        assert_eq!(ranges("a[0-3,7,!2] [ x ]").unwrap(), ["a0 [ x ]", "a1 [ x ]", "a3 [ x ]", "a7 [ x ]"]);
        assert_eq!(ranges("a[1-2]b[8]").unwrap(), ["a1b8", "a2b8"]);
        for wrong in ["a[3-1]", "a[1,]", "a[-]", "a[!1]", "a[0-999999]", "a[0-99]b[0-99]", "a[99999999999]"] {
            assert!(ranges(wrong).is_err(), "{wrong}");
        }
    }
}
