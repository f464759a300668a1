//! Secrets as Junos writes them.

/// What stands in the place of a secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Secret {
    /// The secret itself.
    Plain(String),
    /// It was obfuscated, and can be read.
    Obfuscated(String),
    /// It cannot be read: encrypted or hashed, or not as it should be.
    Unreadable,
}

/// `$9$` hides a secret from a glance and nothing more: there is no key in it.
pub(super) fn read(text: &str) -> Secret {
    if let Some(hidden) = text.strip_prefix("$9$") {
        return reveal(hidden).map_or(Secret::Unreadable, Secret::Obfuscated);
    }
    // Hashes of crypt(3), and what is encrypted with the router's master password.
    if ["$1$", "$5$", "$6$", "$8$", "$sha1$"].iter().any(|start| text.starts_with(start)) {
        return Secret::Unreadable;
    }
    Secret::Plain(text.to_owned())
}

/// The characters, in four families: the first of a secret says by its family how many behind it are noise.
const FAMILIES: [&str; 4] = ["QzF3n6/9CAtpu0O", "B1IREhcSyrleKvMW8LXx", "7N-dVbwsY2g4oaJZGUDj", "iHkq.mPf5T"];

/// How many characters of all families there are.
const ALPHABET: usize = 65;

/// What the distances between neighbouring characters count, byte by byte, again and again.
const WEIGHTS: [&[usize]; 7] =
    [&[1, 4, 32], &[1, 16, 32], &[1, 8, 32], &[1, 64], &[1, 32], &[1, 4, 16, 128], &[1, 32, 64]];

/// Number of the character among all, and the number of its family.
fn number(wanted: char) -> Option<(usize, usize)> {
    let all = FAMILIES.iter().enumerate().flat_map(|(family, chars)| chars.chars().map(move |c| (c, family)));
    all.enumerate().find(|(_, (c, _))| *c == wanted).map(|(number, (_, family))| (number, family))
}

fn reveal(hidden: &str) -> Option<String> {
    let mut chars = hidden.chars();
    let (mut before, family) = number(chars.next()?)?;
    for _ in 0..3 - family {
        chars.next()?;
    }
    let mut bytes = Vec::new();
    for weights in WEIGHTS.iter().cycle() {
        let mut byte = 0usize;
        for (at, weight) in weights.iter().enumerate() {
            let Some(c) = chars.next() else {
                let whole = at == 0 && !bytes.is_empty();
                return String::from_utf8(bytes).ok().filter(|text| whole && !text.contains(char::is_control));
            };
            let (next, _) = number(c)?;
            // Two neighbours are never the same: a distance of none would be 64 steps around.
            byte += weight * ((next + ALPHABET - before - 1) % ALPHABET);
            before = next;
        }
        bytes.push(u8::try_from(byte % 256).ok()?);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hides a secret, with noise of one kind: the other direction, so that a slip in one of them is seen.
    fn hide(secret: &str, salt: char) -> String {
        let all: Vec<char> = FAMILIES.concat().chars().collect();
        let (mut before, family) = number(salt).unwrap();
        let mut out = format!("$9${salt}{}", "x".repeat(3 - family));
        for (byte, weights) in secret.bytes().zip(WEIGHTS.iter().cycle()) {
            let mut left = usize::from(byte);
            let mut distances: Vec<usize> = Vec::new();
            for weight in weights.iter().rev() {
                distances.insert(0, left / weight);
                left %= weight;
            }
            for distance in distances {
                before = (before + distance + 1) % ALPHABET;
                out.push(all[before]);
            }
        }
        out
    }

    #[test]
    fn the_alphabet_has_no_character_twice() {
        let mut all: Vec<char> = FAMILIES.concat().chars().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), ALPHABET);
    }

    #[test]
    fn obfuscated_secrets_are_read() {
        // Published pairs.
        assert_eq!(read("$9$LbHX-wg4Z"), Secret::Obfuscated("lc".into()));
        assert_eq!(read("$9$ReqcyKY2aHqf"), Secret::Obfuscated("foo".into()));
        for salt in FAMILIES.concat().chars() {
            let secret = "Radius secret of 25 bytes";
            assert_eq!(read(&hide(secret, salt)), Secret::Obfuscated(secret.into()), "{salt}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_guessed() {
        for bad in ["$9$", "$9$L", "$9$LbHX-wg4", "$9$LbHX-wg4Z!", "$9$LbH\u{e9}", "$6$salt$hash", "$8$crypt-algo$x"] {
            assert_eq!(read(bad), Secret::Unreadable, "{bad}");
        }
        assert_eq!(read("plain"), Secret::Plain("plain".into()));
    }
}
