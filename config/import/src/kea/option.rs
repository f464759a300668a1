//! `option-data`, as the statements of `dhcp-attributes`.

use super::definitions::{Definition, Definitions, Field};
use super::json::Json;
use crate::build::Built;
use crate::note::Notes;
use bindery_config::tree::Value;
use std::net::{Ipv4Addr, Ipv6Addr};

/// An option with its value.
#[derive(Clone, Debug)]
pub(super) struct OptionData {
    pub(super) code: u8,
    line: u32,
    /// Kea's name for it, else its code: for notes.
    name: String,
    content: Content,
}

#[derive(Clone, Debug)]
enum Content {
    /// The form's name, its values, and whether several are allowed.
    Values(&'static str, Vec<Value>, bool),
    Bytes(Vec<u8>),
}

/// Reads one entry of `option-data`; what cannot be taken over is told.
pub(super) fn read(json: &Json, definitions: &Definitions, path: &str, notes: &mut Notes) -> Option<OptionData> {
    let name = json.text_of("name");
    let code = json.member("code").and_then(Json::integer);
    let shown = name.map_or_else(|| code.unwrap_or(0).to_string(), str::to_owned);
    let path = format!("{path} option-data {shown}");
    let mut refuse = |text: &str| {
        notes.add(json.line, &path, text);
        None
    };
    if let Some(space) = json.text_of("space").filter(|space| *space != "dhcp4") {
        return refuse(&format!("an option of the space {space}: left out"));
    }
    let code = code.and_then(|code| u8::try_from(code).ok());
    let definition = name.and_then(|name| definitions.by_name(name)).or_else(|| definitions.by_code(code?));
    let Some(code) = code.or_else(|| definition.as_ref().map(|definition| definition.code)) else {
        return refuse("the name is unknown here: left out");
    };
    if let Some(why) = made_here(code) {
        return refuse(&format!("{why}: left out"));
    }
    if json.member("never-send").and_then(Json::boolean) == Some(true) {
        return refuse("`never-send`: left out");
    }
    let data = json.member("data").and_then(Json::text).unwrap_or_default();
    let csv = json.member("csv-format").and_then(Json::boolean).unwrap_or(definition.is_some());
    let content = match definition.filter(|_| csv) {
        Some(definition) => content(&definition, data),
        None => hex(data).map(Content::Bytes),
    };
    let Some(content) = content.filter(|content| !content.is_empty()) else {
        return refuse("its data cannot be read: left out");
    };
    if json.member("always-send").and_then(Json::boolean) == Some(true) {
        notes.once(json.line, &path, "`always-send`: here a client that asks for options gets those it asks for");
    }
    for (member, value) in json.members() {
        if matches!(member.as_str(), "client-classes") {
            notes.add(value.line, &path, "here it is sent to clients of every class");
        }
    }
    Some(OptionData { code, line: json.line, name: shown, content })
}

/// Why an option is not to be set: it has its own statement, or the server makes it.
fn made_here(code: u8) -> Option<&'static str> {
    Some(match code {
        0 | 255 => "it is no option",
        1 => "the mask follows from the network",
        50 | 52 | 53 | 55 | 57 | 61 => "the server makes it itself, or it is the client's",
        51 => "the lease time comes from `valid-lifetime`",
        58 | 59 => "the timers come from `renew-timer` and `rebind-timer`",
        82 => "the relay agent makes it",
        90 | 145 => "it belongs to authentication",
        _ => return None,
    })
}

impl Content {
    fn is_empty(&self) -> bool {
        match self {
            Self::Values(_, values, _) => values.is_empty(),
            Self::Bytes(bytes) => bytes.is_empty(),
        }
    }
}

/// Values between commas; `\,` is a comma of a value.
fn split(data: &str) -> Vec<String> {
    let mut values = vec![String::new()];
    let mut chars = data.chars();
    while let Some(c) = chars.next() {
        let last = values.last_mut();
        match (c, last) {
            (',', _) => values.push(String::new()),
            ('\\', Some(last)) => match chars.next() {
                Some(',') => last.push(','),
                other => {
                    last.push('\\');
                    last.extend(other);
                }
            },
            (c, Some(last)) => last.push(c),
            (_, None) => {}
        }
    }
    values.into_iter().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()).collect()
}

fn content(definition: &Definition, data: &str) -> Option<Content> {
    let [field] = definition.fields.as_slice() else { return record(definition, data) };
    let array = definition.array;
    if *field == Field::Text && !array {
        let text = data.replace("\\,", ",");
        return Some(Content::Values("string", vec![Value::Text(text)], false).filter_empty_text());
    }
    let values = split(data);
    let all = |form, values: Option<Vec<Value>>| Some(Content::Values(form, values?, array));
    let values = values.iter();
    match field {
        Field::Address => all("ip-address", values.map(|it| it.parse::<Ipv4Addr>().ok().map(text_of)).collect()),
        Field::Address6 => all("ipv6-address", values.map(|it| it.parse::<Ipv6Addr>().ok().map(text_of)).collect()),
        Field::Boolean => all("flag", values.map(|it| boolean(it).map(Value::Bool)).collect()),
        Field::Integer(width, signed) => {
            let form = match (width, signed) {
                (1, false) => "byte",
                (2, false) => "unsigned-short",
                (2, true) => "short",
                (4, true) => "integer",
                (4, false) => "unsigned-integer",
                _ => return record(definition, data),
            };
            all(form, values.map(|it| integer(it, *width, *signed).map(|it| Value::Integer(it.into()))).collect())
        }
        Field::Text | Field::Domain => record(definition, data),
        Field::Binary => hex(data).map(Content::Bytes),
        Field::Empty => None,
    }
}

impl Content {
    fn filter_empty_text(self) -> Self {
        match self {
            Self::Values(form, values, array) => {
                let values = values.into_iter().filter(|value| value.as_text() != Some("")).collect();
                Self::Values(form, values, array)
            }
            bytes => bytes,
        }
    }
}

fn text_of(value: impl std::fmt::Display) -> Value {
    Value::Text(value.to_string())
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// A number, decimal or with `0x` before it, that fits its width.
fn integer(text: &str, width: usize, signed: bool) -> Option<i64> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok()?,
        None => text.parse().ok()?,
    };
    let bits = 8 * u32::try_from(width).ok()?;
    let (low, high) = if signed { (-(1i64 << (bits - 1)), (1i64 << (bits - 1)) - 1) } else { (0, (1i64 << bits) - 1) };
    (low..=high).contains(&number).then_some(number)
}

/// Several fields one behind the other, as bytes.
fn record(definition: &Definition, data: &str) -> Option<Content> {
    let tokens = split(data);
    let mut bytes = Vec::new();
    let last = definition.fields.last()?;
    if tokens.len() < definition.fields.len() || (tokens.len() > definition.fields.len() && !definition.array) {
        return None;
    }
    let fields = definition.fields.iter().chain(std::iter::repeat(last));
    for (token, field) in tokens.iter().zip(fields) {
        match field {
            Field::Empty => {}
            Field::Binary => bytes.extend(hex(token)?),
            Field::Boolean => bytes.push(boolean(token)?.into()),
            Field::Integer(width, signed) => {
                let number = integer(token, *width, *signed)?.to_be_bytes();
                bytes.extend(number.iter().skip(number.len() - width));
            }
            Field::Address => bytes.extend(token.parse::<Ipv4Addr>().ok()?.octets()),
            Field::Address6 => bytes.extend(token.parse::<Ipv6Addr>().ok()?.octets()),
            Field::Text => bytes.extend(token.bytes()),
            Field::Domain => bytes.extend(labels(token)?),
        }
    }
    Some(Content::Bytes(bytes))
}

/// A domain name without compression (RFC 1035 §3.1).
fn labels(name: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for label in name.strip_suffix('.').unwrap_or(name).split('.') {
        let len = u8::try_from(label.len()).ok().filter(|len| (1..=63).contains(len))?;
        out.push(len);
        out.extend(label.bytes());
    }
    out.push(0);
    (out.len() <= 255).then_some(out)
}

/// Hexadecimal digits, with or without blanks, colons or `0x`; or text in single quotes.
fn hex(data: &str) -> Option<Vec<u8>> {
    let data = data.trim();
    if let Some(text) = data.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        return Some(text.bytes().collect());
    }
    let data = data.strip_prefix("0x").or_else(|| data.strip_prefix("0X")).unwrap_or(data);
    let mut digits = Vec::new();
    for c in data.chars().filter(|c| !matches!(c, ' ' | ':')) {
        digits.push(u8::try_from(c.to_digit(16)?).ok()?);
    }
    if digits.len() % 2 == 1 {
        digits.insert(0, 0);
    }
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}

fn digits(bytes: &[u8]) -> Value {
    Value::Text(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Most bytes of one statement; Kea and we send longer ones in parts, but a statement does not take them.
const BYTES_MAX: usize = 255;

/// Writes the option into `dhcp-attributes`.
pub(super) fn write(option: &OptionData, attributes: &mut Built, path: &str, notes: &mut Notes) {
    let line = option.line;
    match (option.code, &option.content) {
        (3, Content::Values("ip-address", values, _)) => attributes.leaf("router", values.iter().cloned(), line),
        (6, Content::Values("ip-address", values, _)) => attributes.leaf("name-server", values.iter().cloned(), line),
        (44, Content::Values("ip-address", values, _)) => attributes.leaf("wins-server", values.iter().cloned(), line),
        (15, Content::Values("string", values, _)) => attributes.leaf("domain-name", values.iter().cloned(), line),
        (54, Content::Values("ip-address", values, _)) => {
            attributes.leaf("server-identifier", values.iter().take(1).cloned(), line);
        }
        (code, Content::Values(form, values, array)) => {
            let mut at = attributes.named("option", &Value::Integer(code.into()), line);
            if *array && values.len() > 1 {
                at = at.block("array", line);
            }
            let few = if *array { values.len() } else { 1 };
            at.leaf(form, values.iter().take(few).cloned(), line);
        }
        (_, Content::Bytes(bytes)) if bytes.len() > BYTES_MAX => {
            let text = format!("it has more than {BYTES_MAX} bytes: left out");
            notes.once(line, &format!("{path} option-data {}", option.name), &text);
        }
        (code, Content::Bytes(bytes)) => {
            attributes.named("option", &Value::Integer(code.into()), line).leaf("hex-string", [digits(bytes)], line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_are_split_at_commas_that_are_not_escaped() {
        assert_eq!(split(r"a, b\,c ,\d"), ["a", "b,c", r"\d"]);
        assert!(split(" , ").is_empty());
    }

    #[test]
    fn digits_stand_with_anything_between_them() {
        for text in ["0x0a0b", "0a:0b", "0A 0B", "a0b"] {
            assert_eq!(hex(text), Some(vec![10, 11]), "{text}");
        }
        assert_eq!(hex("'a'"), Some(vec![b'a']));
        assert_eq!(hex("0g"), None);
    }

    #[test]
    fn numbers_fit_their_width() {
        assert_eq!(integer("255", 1, false), Some(255));
        assert_eq!(integer("256", 1, false), None);
        assert_eq!(integer("-128", 1, true), Some(-128));
        assert_eq!(integer("0xffffffff", 4, false), Some(0xffff_ffff));
        assert_eq!(integer("-2147483649", 4, true), None);
    }

    #[test]
    fn records_are_bytes() {
        let definition =
            |fields: &[Field], array| Definition { code: 1, name: String::new(), fields: fields.to_vec(), array };
        let mixed = definition(&[Field::Integer(1, false), Field::Boolean, Field::Domain], false);
        let Some(Content::Bytes(bytes)) = record(&mixed, "7, true, a.bc.") else { panic!() };
        assert_eq!(bytes, b"\x07\x01\x01a\x02bc\0");
        assert!(record(&mixed, "7, true").is_none());
        let shorts = definition(&[Field::Integer(1, true)], true);
        let Some(Content::Bytes(bytes)) = record(&shorts, "-1, 1") else { panic!() };
        assert_eq!(bytes, [255, 1]);
    }
}
