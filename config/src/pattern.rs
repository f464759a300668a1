//! Patterns for names: of groups' statements and of `wildcard delete`.

/// Whether `pattern` is one: in angle brackets, like `<ge-*>`.
pub(crate) fn is_wildcard(pattern: &str) -> bool {
    pattern.starts_with('<') && pattern.ends_with('>') && pattern.len() > 2
}

/// Whether `text` matches `pattern`, with angle brackets around it or without: `*` is any text, `?` any character,
/// `[a-c]` one of these, `[!a-c]` one that is none of these.
///
/// It takes at most as many steps as the product of the lengths.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let pattern = if is_wildcard(pattern) { pattern.get(1..pattern.len() - 1).unwrap_or_default() } else { pattern };
    let tokens = tokens(pattern);
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = text.get(from) {
        match tokens.get(at) {
            Some(Token::Any) => {
                star = Some((at + 1, from));
                at += 1;
            }
            Some(Token::One(set)) if set.has(*c) => (at, from) = (at + 1, from + 1),
            _ => match star {
                Some((after, tried)) => {
                    (at, from) = (after, tried + 1);
                    star = Some((after, tried + 1));
                }
                None => return false,
            },
        }
    }
    tokens.get(at..).is_some_and(|rest| rest.iter().all(|token| matches!(token, Token::Any)))
}

enum Token {
    Any,
    One(Set),
}

enum Set {
    All,
    Only(char),
    Ranges(bool, Vec<(char, char)>),
}

impl Set {
    fn has(&self, c: char) -> bool {
        match self {
            Self::All => true,
            Self::Only(only) => *only == c,
            Self::Ranges(other, ranges) => ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *other,
        }
    }
}

fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Any,
            '?' => Token::One(Set::All),
            '[' => match set(&mut chars) {
                Some(set) => Token::One(set),
                None => Token::One(Set::Only('[')),
            },
            c => Token::One(Set::Only(c)),
        });
    }
    tokens
}

/// What stands behind `[`; none, and nothing is read, where no `]` follows.
fn set(chars: &mut std::str::Chars<'_>) -> Option<Set> {
    let (inside, rest) = chars.as_str().split_once(']')?;
    let (other, inside) = inside.strip_prefix('!').map_or((false, inside), |inside| (true, inside));
    let mut ranges = Vec::new();
    let inside: Vec<char> = inside.chars().collect();
    let mut left = inside.as_slice();
    loop {
        left = match left {
            [low, '-', high, rest @ ..] => {
                ranges.push((*low, *high));
                rest
            }
            [only, rest @ ..] => {
                ranges.push((*only, *only));
                rest
            }
            [] => break,
        };
    }
    *chars = rest.chars();
    Some(Set::Ranges(other, ranges))
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text) in [
            ("<*>", ""),
            ("<*>", "x"),
            ("<ge-*>", "ge-0"),
            ("a*b*c", "aXbbYc"),
            ("h?", "h1"),
            ("<ge-[0-3]>", "ge-2"),
            ("[!0-3]", "a"),
            ("[a-]", "-"),
            ("a[", "a["),
            ("**", "abc"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("<ge-*>", "xe-0"),
            ("h?", "h"),
            ("h?", "h12"),
            ("[0-3]", "4"),
            ("[!0-3]", "1"),
            ("a*b", "ab c"),
            ("", "a"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
        assert!(!matches(&"a*".repeat(50), &"a".repeat(49)));
        assert!(!matches(&format!("{}b", "*a".repeat(50)), &"a".repeat(5000)), "and that soon");
    }
}
