//! Values: from what stands in the text to what it means, by the type in the schema.

use crate::nearest::nearest;
use crate::schema::{HIDDEN, Type};
use crate::sources::SecretReference;
use crate::tree::Value;
use bindery_types::{Ipv4Addr, Ipv6Addr, MacAddr, Prefix4};

/// A value that fits its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Typed {
    /// Of [`Type::Integer`].
    Integer(i64),
    /// Of the types that are text.
    Text(String),
    /// Of [`Type::Address4`] and [`Type::Address`].
    Address4(Ipv4Addr),
    /// Of [`Type::Address6`] and [`Type::Address`].
    Address6(Ipv6Addr),
    /// Of [`Type::Prefix4`].
    Prefix4(Prefix4),
    /// Of [`Type::Mac`].
    Mac(MacAddr),
    /// Of [`Type::Seconds`] and [`Type::Lease`].
    Seconds(u32),
    /// `infinite`.
    Infinite,
    /// Bytes, of [`Type::Size`].
    Size(u64),
    /// Of [`Type::Boolean`].
    Bool(bool),
    /// Of [`Type::Word`].
    Word(&'static str),
    /// Of [`Type::Hex`].
    Bytes(Vec<u8>),
}

/// Why a value does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What is wrong with it, to stand under the value.
    pub reason: String,
    /// How to mend it.
    pub help: Option<String>,
    /// The value is right, but this release does not act on it.
    pub later: bool,
}

impl Mismatch {
    fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), help: None, later: false }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// What a type takes, to stand behind "takes".
pub fn expected(ty: &Type) -> String {
    match ty {
        Type::Integer(min, max) => format!("a whole number from {min} to {max}"),
        Type::Text(min, max) if min == max => format!("text of {min} byte"),
        Type::Text(min, max) => format!("text of {min} to {max} bytes"),
        Type::Name(max) => format!("a name of 1 to {max} characters"),
        Type::Secret(min, max) => {
            format!("a secret of {min} to {max} bytes, or file:PATH or credential:NAME where it is kept")
        }
        Type::Delimiter => "one printable character, no blank and no semicolon".to_owned(),
        Type::Hex(min, max) => format!("an even number of {min} to {max} hexadecimal digits"),
        Type::Address4 => "an IPv4 address".to_owned(),
        Type::Address6 => "an IPv6 address".to_owned(),
        Type::Address => "an IP address".to_owned(),
        Type::Prefix4 => "an IPv4 network".to_owned(),
        Type::Prefix6 => "an IPv6 prefix".to_owned(),
        Type::Mac => "a MAC address".to_owned(),
        Type::Seconds(min, max) => format!("a time from {min} to {max} seconds"),
        Type::Lease => "a time from 1 to 4294967294 seconds, or infinite".to_owned(),
        Type::Size(min, max) => format!("a size from {} to {}", size(*min), size(*max)),
        Type::Boolean => "#true or #false".to_owned(),
        Type::Word(words) => {
            let any_built = words.iter().any(|word| word.built);
            let words = words.iter().filter(|word| word.built || !any_built);
            let words: Vec<&str> = words.map(|word| word.name).collect();
            match words.split_last() {
                Some((last, [])) => (*last).to_owned(),
                Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
                None => String::new(),
            }
        }
        Type::Interface => "the name of an interface, or the beginning of names and a *".to_owned(),
        Type::Path => "the path of a file".to_owned(),
    }
}

fn size(bytes: u64) -> String {
    for (unit, text) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{}{text}", bytes / unit);
        }
    }
    if bytes == 1 { "1 byte".to_owned() } else { format!("{bytes} bytes") }
}

/// Reads `value` as a `ty`.
///
/// # Errors
/// It is none.
pub fn typed(ty: &Type, value: &Value) -> Result<Typed, Mismatch> {
    match ty {
        Type::Integer(min, max) => integer(value, *min, *max),
        Type::Seconds(min, max) => seconds(value, *min, *max),
        Type::Lease if value.as_text() == Some("infinite") => Ok(Typed::Infinite),
        Type::Lease => seconds(value, 1, u32::MAX - 1),
        Type::Size(min, max) => bytes(value, *min, *max),
        Type::Boolean => boolean(value),
        _ => {
            let text = value
                .as_text()
                .ok_or_else(|| Mismatch::new(format!("this is {}", value.kind())).help("put it in quotes"))?;
            from_text(ty, text)
        }
    }
}

fn from_text(ty: &Type, text: &str) -> Result<Typed, Mismatch> {
    match ty {
        Type::Secret(..) if text == HIDDEN => {
            Err(Mismatch::new("this only stands for a secret that was not shown").help("write the secret itself"))
        }
        Type::Secret(..) if let Some(reference) = SecretReference::read(text) => {
            let wrong = |why| Mismatch::new(why).help("file:PATH and credential:NAME say where a secret is kept");
            reference.map(|_| Typed::Text(text.to_owned())).map_err(wrong)
        }
        Type::Text(min, max) | Type::Secret(min, max) => {
            length(text.len(), *min, *max, "bytes")?;
            if text.contains('\0') {
                return Err(Mismatch::new("this has a byte 0 in it"));
            }
            Ok(Typed::Text(text.to_owned()))
        }
        Type::Name(max) => {
            length(text.chars().count(), 1, *max, "characters")?;
            match text.chars().find(|c| c.is_whitespace() || c.is_control()) {
                Some(_) => Err(Mismatch::new("a name has no blanks in it")),
                None => Ok(Typed::Text(text.to_owned())),
            }
        }
        Type::Path => {
            length(text.len(), 1, 4095, "bytes")?;
            if text.chars().any(char::is_control) {
                Err(Mismatch::new("a path has no control characters in it"))
            } else {
                Ok(Typed::Text(text.to_owned()))
            }
        }
        Type::Interface => interface(text),
        Type::Delimiter => delimiter(text),
        Type::Hex(min, max) => hex(text, *min, *max),
        Type::Address4 => text.parse().map(Typed::Address4).map_err(|_| Mismatch::new("not like \"192.0.2.1\"")),
        Type::Address6 => text.parse().map(Typed::Address6).map_err(|_| Mismatch::new("not like \"2001:db8::1\"")),
        Type::Address => {
            let four = text.parse().map(Typed::Address4);
            four.or_else(|_| text.parse().map(Typed::Address6)).map_err(|_| Mismatch::new("not like \"192.0.2.1\""))
        }
        Type::Prefix4 => prefix4(text),
        Type::Prefix6 => prefix6(text),
        Type::Mac => text.parse().map(Typed::Mac).map_err(|_| Mismatch::new("not like \"00:00:5e:00:53:01\"")),
        Type::Word(words) => word(words, text),
        Type::Integer(..) | Type::Seconds(..) | Type::Lease | Type::Size(..) | Type::Boolean => {
            Err(Mismatch::new("this is text"))
        }
    }
}

fn length(len: usize, min: usize, max: usize, unit: &str) -> Result<(), Mismatch> {
    if (min..=max).contains(&len) { Ok(()) } else { Err(Mismatch::new(format!("this has {len} {unit}"))) }
}

fn integer(value: &Value, min: i64, max: i64) -> Result<Typed, Mismatch> {
    match value {
        Value::Integer(number) => match i64::try_from(*number) {
            Ok(number) if (min..=max).contains(&number) => Ok(Typed::Integer(number)),
            _ => Err(Mismatch::new(format!("{number} is out of range"))),
        },
        Value::Text(text) if text.parse::<i64>().is_ok() => {
            Err(Mismatch::new("this is text").help(format!("write the number without quotes: {text}")))
        }
        other => Err(Mismatch::new(format!("this is {}", other.kind()))),
    }
}

fn seconds(value: &Value, min: u32, max: u32) -> Result<Typed, Mismatch> {
    let number = match value {
        Value::Integer(number) => *number,
        Value::Text(text) => i128::from(duration(text).ok_or_else(|| {
            Mismatch::new("not like \"90s\", \"24h\" or \"1h30m\"")
                .help("the units are s, m, h, d and w; a bare number is seconds")
        })?),
        other => return Err(Mismatch::new(format!("this is {}", other.kind()))),
    };
    match u32::try_from(number) {
        Ok(number) if (min..=max).contains(&number) => Ok(Typed::Seconds(number)),
        _ => Err(Mismatch::new(format!("{number} seconds is out of range"))),
    }
}

/// `1h30m` and the like, in seconds; units from large to small, each once.
fn duration(text: &str) -> Option<u64> {
    const UNITS: [(char, u64); 5] = [('w', 604_800), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];
    let mut total = 0u64;
    let mut larger = u64::MAX;
    let mut digits = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() {
            digits.push(c);
            continue;
        }
        let (_, unit) = UNITS.into_iter().find(|(name, unit)| *name == c && *unit < larger)?;
        total = total.checked_add(digits.parse::<u64>().ok()?.checked_mul(unit)?)?;
        larger = unit;
        digits.clear();
    }
    (digits.is_empty() && !text.is_empty()).then_some(total)
}

fn bytes(value: &Value, min: u64, max: u64) -> Result<Typed, Mismatch> {
    let wrong = || {
        Mismatch::new("not like \"64KiB\" or \"16MiB\"").help("the units are KiB, MiB and GiB; a bare number is bytes")
    };
    let number = match value {
        Value::Integer(number) => {
            u64::try_from(*number).map_err(|_| Mismatch::new(format!("{number} is out of range")))?
        }
        Value::Text(text) => {
            let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
            let unit: u64 = match unit {
                "KiB" => 1 << 10,
                "MiB" => 1 << 20,
                "GiB" => 1 << 30,
                _ => return Err(wrong()),
            };
            digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit)).ok_or_else(wrong)?
        }
        other => return Err(Mismatch::new(format!("this is {}", other.kind()))),
    };
    if (min..=max).contains(&number) {
        Ok(Typed::Size(number))
    } else {
        Err(Mismatch::new(format!("{} is out of range", size(number))))
    }
}

fn boolean(value: &Value) -> Result<Typed, Mismatch> {
    match value {
        Value::Bool(truth) => Ok(Typed::Bool(*truth)),
        Value::Text(text) => match text.as_str() {
            "true" | "on" => Ok(Typed::Bool(true)),
            "false" | "off" => Ok(Typed::Bool(false)),
            _ => Err(Mismatch::new("this is other text")),
        },
        other => Err(Mismatch::new(format!("this is {}", other.kind()))),
    }
}

/// Linux allows 15 bytes (IFNAMSIZ), and no blank, slash or colon.
fn interface(text: &str) -> Result<Typed, Mismatch> {
    length(text.len(), 1, 15, "bytes")?;
    let name = text.strip_suffix('*').unwrap_or(text);
    if name.contains('*') {
        return Err(Mismatch::new("a * stands only at the end"));
    }
    if matches!(text, "." | "..") || name.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':'))
    {
        return Err(Mismatch::new("no interface can have this name"));
    }
    Ok(Typed::Text(text.to_owned()))
}

/// Junos takes no semicolon (junos.md §2.5).
fn delimiter(text: &str) -> Result<Typed, Mismatch> {
    match text.as_bytes() {
        [b';'] => Err(Mismatch::new("this is a semicolon")),
        [byte] if byte.is_ascii_graphic() => Ok(Typed::Text(text.to_owned())),
        [_] => Err(Mismatch::new("this cannot be printed")),
        bytes => Err(Mismatch::new(format!("this has {} bytes", bytes.len()))),
    }
}

fn hex(text: &str, min: usize, max: usize) -> Result<Typed, Mismatch> {
    if let Some(other) = text.chars().find(|c| !c.is_ascii_hexdigit()) {
        return Err(Mismatch::new(format!("{other:?} is no hexadecimal digit")));
    }
    length(text.len(), min, max, "digits")?;
    if !text.len().is_multiple_of(2) {
        return Err(Mismatch::new(format!("this has {} digits", text.len())));
    }
    let digits: Vec<u8> =
        text.chars().filter_map(|c| c.to_digit(16)).filter_map(|digit| u8::try_from(digit).ok()).collect();
    Ok(Typed::Bytes(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()))
}

fn prefix4(text: &str) -> Result<Typed, Mismatch> {
    match text.parse::<Prefix4>() {
        Ok(prefix) => Ok(Typed::Prefix4(prefix)),
        Err(bindery_types::ParsePrefixError::Form) => Err(Mismatch::new("not like \"192.0.2.0/24\"")),
        Err(bindery_types::ParsePrefixError::HostBits) => {
            let meant = text
                .split_once('/')
                .and_then(|(address, len)| Prefix4::containing(address.parse().ok()?, len.parse().ok()?));
            let mismatch = Mismatch::new("this has bits behind the prefix length");
            Err(match meant {
                Some(meant) => mismatch.help(format!("the network is \"{meant}\"")),
                None => mismatch,
            })
        }
    }
}

fn prefix6(text: &str) -> Result<Typed, Mismatch> {
    let right = text.split_once('/').is_some_and(|(address, len)| {
        address.parse::<Ipv6Addr>().is_ok() && len.parse::<u8>().is_ok_and(|len| len <= 128)
    });
    if right { Ok(Typed::Text(text.to_owned())) } else { Err(Mismatch::new("not like \"2001:db8::/56\"")) }
}

fn word(words: &'static [crate::schema::Word], text: &str) -> Result<Typed, Mismatch> {
    match words.iter().find(|word| word.name == text) {
        Some(word) if word.built => Ok(Typed::Word(word.name)),
        Some(_) => Err(Mismatch { later: true, ..Mismatch::new("not in this release") }),
        None => {
            let mismatch = Mismatch::new("this is none of them");
            Err(match nearest(text, words.iter().map(|word| word.name)) {
                Some(meant) => mismatch.help(format!("did you mean {meant}?")),
                None => mismatch,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units_from_large_to_small() {
        for (text, want) in [("24h", 86_400), ("1h30m", 5_400), ("2w1d", 1_296_000), ("0s", 0)] {
            assert_eq!(duration(text), Some(want), "{text}");
        }
        for text in ["", "h", "24", "30m1h", "1h1h", "1.5h", "-1h", "99999999999999999999s", "1y"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn hexadecimal_digits_come_in_pairs() {
        assert_eq!(hex("0aFF", 2, 510), Ok(Typed::Bytes(vec![0x0a, 0xff])));
        for bad in ["", "0", "0a0", "0x0a", "zz"] {
            assert!(hex(bad, 2, 510).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(bytes(&Value::Text("64KiB".into()), 0, u64::MAX), Ok(Typed::Size(65_536)));
        for bad in ["64", "64kb", "KiB", "99999999999999999999GiB", "18446744073709551615GiB"] {
            assert!(bytes(&Value::Text(bad.into()), 0, u64::MAX).is_err(), "{bad}");
        }
    }

    #[test]
    fn interface_names_fit_the_kernel() {
        for good in ["eth0", "eth0.100", "ge-*", "*", "a23456789012345"] {
            assert!(interface(good).is_ok(), "{good}");
        }
        for bad in ["", "a234567890123456", "et*h", "**", "a b", "a/b", "a:b", ".", ".."] {
            assert!(interface(bad).is_err(), "{bad}");
        }
    }
}
