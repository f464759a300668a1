//! The known name that a misspelt one was meant to be.

/// The candidate that `name` differs from in the fewest letters, if it is near enough to be a slip.
pub(crate) fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name: Vec<char> = name.chars().flat_map(char::to_lowercase).take(64).collect();
    let allowed = (name.len() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let known: Vec<char> = candidate.chars().flat_map(char::to_lowercase).take(64).collect();
            let distance =
                if known.len().abs_diff(name.len()) > allowed { usize::MAX } else { distance(&name, &known) };
            (distance <= allowed && distance < known.len()).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, delete, replace or swap with their neighbour to get from `a` to `b`.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&last, j) + usize::from(x != y)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["group", "interface", "overrides", "low", "high"];
        for (slip, meant) in [
            ("gruop", "group"),
            ("Group", "group"),
            ("interfaces", "interface"),
            ("overide", "overrides"),
            ("lo", "low"),
        ] {
            assert_eq!(nearest(slip, known), Some(meant), "{slip}");
        }
        for stranger in ["pool", "x", "", "interface-client-limit"] {
            assert_eq!(nearest(stranger, known), None, "{stranger}");
        }
    }
}
