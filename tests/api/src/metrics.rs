//! A strict reader of the text format 0.0.4 of Prometheus.

use std::collections::{BTreeMap, BTreeSet};

/// The samples by name and labels, as `name{a="b"}`, labels in the order in which they stand.
#[derive(Debug, Default)]
pub struct Exposition(BTreeMap<String, f64>);

impl Exposition {
    /// Reads a text.
    ///
    /// # Errors
    /// What does not follow the format, or what a metric of ours does not do: a sample behind the head of another
    /// metric, one that comes twice, a name or label that is none, a counter whose name does not end in `_total`.
    pub fn read(text: &str) -> Result<Self, String> {
        let (mut samples, mut seen) = (BTreeMap::new(), BTreeSet::new());
        let (mut helped, mut metric): (Option<&str>, Option<&str>) = (None, None);
        if !text.ends_with('\n') {
            return Err("the last line has no end".to_owned());
        }
        for line in text.lines() {
            let wrong = |why: &str| Err(format!("{why}: {line}"));
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let Some((name, help)) = rest.split_once(' ') else { return wrong("no help") };
                if !is_name(name) || help.trim().is_empty() || !seen.insert(name) {
                    return wrong("a head that is none, or comes twice");
                }
                (helped, metric) = (Some(name), None);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let Some((name, kind)) = rest.split_once(' ') else { return wrong("no type") };
                let fits = match kind {
                    "counter" => name.ends_with("_total"),
                    "gauge" => !name.ends_with("_total"),
                    _ => false,
                };
                if helped.take() != Some(name) || !fits {
                    return wrong("a type that does not fit its head");
                }
                metric = Some(name);
            } else {
                let (name, labels, value) = sample(line).ok_or_else(|| format!("no sample: {line}"))?;
                if Some(name) != metric {
                    return wrong("a sample of another metric");
                }
                if samples.insert(format!("{name}{labels}"), value).is_some() {
                    return wrong("the same sample again");
                }
            }
        }
        Ok(Self(samples))
    }

    /// The value of a sample, as `name{a="b"}`.
    pub fn get(&self, sample: &str) -> Option<f64> {
        self.0.get(sample).copied()
    }

    /// All samples.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn is_name(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(letter) && text.chars().all(|c| letter(c) || c.is_ascii_digit())
}

/// Name, labels as they stand, value.
fn sample(line: &str) -> Option<(&str, &str, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, value) = match rest.strip_prefix('{') {
        None => ("", rest.strip_prefix(' ')?),
        Some(inner) => {
            let inside = labels_len(inner)?;
            let close = 1 + inside;
            (rest.get(..=close)?, rest.get(close + 1..)?.strip_prefix(' ')?)
        }
    };
    let plain = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    (is_name(name) && plain).then_some(())?;
    Some((name, labels, value.parse().ok()?))
}

/// Where the labels end: the place of `}` behind them.
fn labels_len(text: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        let name = rest.find('=')?;
        if !is_name(rest.get(..name)?) {
            return None;
        }
        at += name + 1;
        at += quoted_len(text.get(at..)?)?;
        match text.as_bytes().get(at)? {
            b',' => at += 1,
            b'}' => return Some(at),
            _ => return None,
        }
    }
}

/// The length of a value in quotes.
fn quoted_len(text: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    if chars.next()?.1 != '"' {
        return None;
    }
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some(at + 1),
            '\\' if !matches!(chars.next()?.1, '\\' | '"' | 'n') => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Exposition;

    #[test]
    fn what_follows_the_format_is_read() {
        let text = "# HELP a_total A.\n# TYPE a_total counter\na_total{x=\"q\\\"}\",y=\"\"} 3\na_total 4\n";
        let read = Exposition::read(text).unwrap();
        assert_eq!(read.get("a_total{x=\"q\\\"}\",y=\"\"}"), Some(3.0));
        assert_eq!(read.get("a_total"), Some(4.0));
        assert_eq!(read.names().count(), 2);
    }

    #[test]
    fn what_does_not_is_refused() {
        for text in [
            "a 1\n",
            "# HELP a A.\n# TYPE a gauge\na 1",
            "# HELP a A.\n# TYPE a counter\na 1\n",
            "# HELP a A.\n# TYPE a gauge\na x\n",
            "# HELP a A.\n# TYPE a gauge\na 1\na 1\n",
            "# HELP a A.\n# TYPE a gauge\nb 1\n",
            "# HELP a A.\n# TYPE a gauge\na{x=\"1} 1\n",
            "# HELP a A.\n# TYPE a gauge\na{x=\"\\q\"} 1\n",
            "# HELP a A.\n# TYPE a gauge\na{x} 1\n",
            "# HELP a A.\n# TYPE a gauge\n# HELP a A.\n# TYPE a gauge\n",
        ] {
            assert!(Exposition::read(text).is_err(), "{text}");
        }
    }
}
