//! Reading statements: values with their types, and faults with their line.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, anyhow, bail};
use bindery_config::tree::{Node, Tree, Value, parse};

/// A file of statements.
pub(super) struct File {
    pub(super) name: String,
    text: String,
    pub(super) tree: Tree,
}

impl File {
    /// Read and parse a KDL file.
    pub(super) fn open(path: &Path) -> Result<File> {
        let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let name = path.display().to_string();
        let tree = parse(&name, &text).map_err(|errors| anyhow!("{errors}"))?;
        Ok(File { name, text, tree })
    }

    /// A fault at a statement.
    pub(super) fn fault(&self, node: &Node, message: impl std::fmt::Display) -> anyhow::Error {
        let line = self.text.bytes().take(node.span.start).filter(|byte| *byte == b'\n').count() + 1;
        anyhow!("{}:{line}: {}: {message}", self.name, node.name)
    }
}

/// The text of a value, as a plugin would get it.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null => "null".to_owned(),
    }
}

/// A property by its name, as text.
pub(super) fn property(node: &Node, name: &str) -> Option<String> {
    node.properties.iter().find(|property| property.name == name).map(|property| text(&property.value))
}

/// A property of a type that is read from text.
pub(super) fn parsed<T: FromStr>(node: &Node, name: &str, what: &str) -> Result<Option<T>> {
    let parse = |text: String| text.parse().map_err(|_| anyhow!("{name}={text}: it must be {what}"));
    property(node, name).map(parse).transpose()
}

/// The only argument, as text.
pub(super) fn argument(node: &Node, what: &str) -> Result<String> {
    match node.arguments.as_slice() {
        [only] => Ok(text(&only.value)),
        _ => bail!("it takes {what}"),
    }
}

/// Refuse properties that nobody would read.
pub(super) fn only(node: &Node, known: &[&str]) -> Result<()> {
    match node.properties.iter().find(|property| !known.contains(&property.name.as_str())) {
        Some(unknown) if known.is_empty() => bail!("it takes no property {}", unknown.name),
        Some(unknown) => bail!("unknown property {}: it must be one of {}", unknown.name, known.join(", ")),
        None => Ok(()),
    }
}

/// The only argument, as an option code.
pub(super) fn code(node: &Node) -> Result<u8> {
    let text = argument(node, "an option code")?;
    text.parse()
        .ok()
        .filter(|code| (1..=254).contains(code))
        .with_context(|| format!("option code {text}: it must be 1 to 254"))
}

/// `option CODE TYPE=VALUE...`: code and bytes. Several values stand one behind the other.
pub(super) fn option(node: &Node) -> Result<(u8, Vec<u8>)> {
    let code = code(node)?;
    if node.properties.is_empty() {
        bail!("option {code} has no value: it must have one of {TYPES}");
    }
    let mut bytes = Vec::new();
    for property in &node.properties {
        append(&property.name, &text(&property.value), &mut bytes)?;
    }
    Ok((code, bytes))
}

const TYPES: &str = "hex, string, ip-address, ipv6-address, byte, unsigned-short, unsigned-integer";

fn append(kind: &str, text: &str, to: &mut Vec<u8>) -> Result<()> {
    let number = |what: &str| anyhow!("{kind}={text}: it must be {what}");
    match kind {
        "hex" => to.extend(hex(text)?),
        "string" => to.extend(text.as_bytes()),
        "ip-address" => to.extend(text.parse::<Ipv4Addr>().map_err(|_| number("an IPv4 address"))?.octets()),
        "ipv6-address" => to.extend(text.parse::<Ipv6Addr>().map_err(|_| number("an IPv6 address"))?.octets()),
        "byte" => to.push(text.parse().map_err(|_| number("0 to 255"))?),
        "unsigned-short" => to.extend(text.parse::<u16>().map_err(|_| number("0 to 65535"))?.to_be_bytes()),
        "unsigned-integer" => to.extend(text.parse::<u32>().map_err(|_| number("0 to 4294967295"))?.to_be_bytes()),
        other => bail!("unknown type {other}: it must be one of {TYPES}"),
    }
    Ok(())
}

/// Bytes of hexadecimal digits; blanks and colons part them at will.
pub(super) fn hex(text: &str) -> Result<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b':').collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some((digit(*high)? << 4) | digit(*low)?),
        _ => None,
    });
    bytes.collect::<Option<Vec<u8>>>().context("hexadecimal text must be an even number of digits 0-9 and a-f")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> Node {
        parse("t", text).unwrap().nodes.remove(0)
    }

    #[test]
    fn options_have_types() {
        for (text, wanted) in [
            ("option 43 hex=\"01 02:0a\"", &[1, 2, 10][..]),
            ("option 43 string=ab", b"ab"),
            ("option 43 ip-address=\"192.0.2.1\"", &[192, 0, 2, 1]),
            ("option 43 byte=7", &[7]),
            ("option 43 unsigned-short=1400", &[5, 120]),
            ("option 43 unsigned-integer=1", &[0, 0, 0, 1]),
            ("option 43 byte=7 string=a", &[7, b'a']),
        ] {
            assert_eq!(option(&node(text)).unwrap(), (43, wanted.to_vec()), "{text}");
        }
        for wrong in [
            "option 43",
            "option",
            "option 0 byte=1",
            "option 255 byte=1",
            "option x byte=1",
            "option 43 byte=256",
            "option 43 hex=\"012\"",
            "option 43 hex=\"0g\"",
            "option 43 word=1",
        ] {
            assert!(option(&node(wrong)).is_err(), "{wrong}");
        }
    }
}
