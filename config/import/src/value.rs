//! Values: from how others write them to how they stand in a configuration here.

use bindery_config::schema::Type;
use bindery_config::tree::Value;
use bindery_config::value::{Mismatch, Typed, expected, typed};

/// A value that may be written.
pub(crate) struct Read {
    pub(crate) value: Value,
    /// What was changed in it.
    pub(crate) note: Option<String>,
    /// It is right, but this release does not act on it.
    pub(crate) later: bool,
}

/// Reads `text` as a `ty`.
///
/// # Errors
/// It is none: why.
pub(crate) fn read(ty: &Type, text: &str) -> Result<Read, String> {
    let (value, note) = form(ty, text);
    match typed(ty, &value) {
        Ok(_) => Ok(Read { value, note, later: false }),
        Err(Mismatch { later: true, .. }) => Ok(Read { value, note, later: true }),
        Err(mismatch) => Err(format!("takes {}; {}", expected(ty), mismatch.reason)),
    }
}

/// The value as it would be written here.
fn form(ty: &Type, text: &str) -> (Value, Option<String>) {
    let plain = || Value::Text(text.to_owned());
    match ty {
        Type::Integer(..) | Type::Seconds(..) | Type::Lease => {
            (text.parse::<i64>().map_or_else(|_| plain(), |number| Value::Integer(number.into())), None)
        }
        Type::Size(..) => (size(text), None),
        Type::Boolean => match text {
            "true" => (Value::Bool(true), None),
            "false" => (Value::Bool(false), None),
            _ => (plain(), None),
        },
        Type::Mac => (mac(text).map_or_else(plain, Value::Text), None),
        Type::Hex(..) => (Value::Text(text.strip_prefix("0x").unwrap_or(text).to_owned()), None),
        Type::Prefix4 => prefix(ty, text),
        Type::Interface => interface(text),
        _ => (plain(), None),
    }
}

/// `10m` is ten megabytes on Junos.
fn size(text: &str) -> Value {
    if let Ok(number) = text.parse::<i64>() {
        return Value::Integer(number.into());
    }
    for (short, long) in [('k', "KiB"), ('m', "MiB"), ('g', "GiB")] {
        if let Some(number) = text.strip_suffix([short, short.to_ascii_uppercase()]) {
            return Value::Text(format!("{number}{long}"));
        }
    }
    Value::Text(text.to_owned())
}

/// A MAC address with colons, whatever stood between its digits.
pub(crate) fn mac(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut digits = 0;
    for c in text.chars() {
        match c {
            ':' | '-' | '.' => {}
            c if c.is_ascii_hexdigit() => {
                if digits > 0 && digits % 2 == 0 {
                    out.push(':');
                }
                out.push(c.to_ascii_lowercase());
                digits += 1;
            }
            _ => return None,
        }
    }
    (digits == 12).then_some(out)
}

/// Host bits are cleared, and an address alone is a network of one.
fn prefix(ty: &Type, text: &str) -> (Value, Option<String>) {
    let written = if text.contains('/') { text.to_owned() } else { format!("{text}/32") };
    let value = Value::Text(written.clone());
    let Err(mismatch) = typed(ty, &value) else { return (value, None) };
    let meant = mismatch.help.as_deref().and_then(|help| help.split('"').nth(1)).map(str::to_owned);
    match meant.map(Value::Text) {
        Some(meant) if matches!(typed(ty, &meant), Ok(Typed::Prefix4(_))) => {
            let note = format!("{written} has bits behind its length; the network is written");
            (meant, Some(note))
        }
        _ => (value, None),
    }
}

/// Linux allows neither slash nor colon in the name of an interface.
fn interface(text: &str) -> (Value, Option<String>) {
    if !text.contains(['/', ':']) {
        return (Value::Text(text.to_owned()), None);
    }
    let name = text.replace(['/', ':'], "-");
    let note = format!("stands as {name}, since no interface here has a slash or a colon in its name; rename it");
    (Value::Text(name), Some(note))
}
