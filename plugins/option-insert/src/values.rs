//! Option codes and typed values.

use std::fmt::Display;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Most bytes of one option (RFC 2132 §2).
pub const LENGTH_MAX: usize = 255;

/// The types, for messages.
pub const TYPES: &str = "flag, byte, short, unsigned-short, integer, unsigned-integer, hex, string, ip-address, \
                         ipv6-address";

/// An option code that a plugin may touch.
pub fn code(text: &str) -> Result<u16, String> {
    let code = text.parse::<u16>().ok().filter(|code| (1..=254).contains(code));
    let code = code.ok_or_else(|| format!("option code \"{text}\": it must be a number from 1 to 254"))?;
    if matches!(code, 50..=54 | 57..=59 | 61 | 82 | 90 | 145) {
        return Err(format!("option {code} belongs to the server: no plugin may set or remove it"));
    }
    Ok(code)
}

/// Append the wire form of one value.
pub fn append(kind: &str, text: &str, to: &mut Vec<u8>) -> Result<(), String> {
    match kind {
        "flag" => to.push(flag(text)?),
        "byte" => to.push(number::<u8>(text, u8::MIN, u8::MAX)?),
        "short" => to.extend(number::<i16>(text, i16::MIN, i16::MAX)?.to_be_bytes()),
        "unsigned-short" => to.extend(number::<u16>(text, u16::MIN, u16::MAX)?.to_be_bytes()),
        "integer" => to.extend(number::<i32>(text, i32::MIN, i32::MAX)?.to_be_bytes()),
        "unsigned-integer" => to.extend(number::<u32>(text, u32::MIN, u32::MAX)?.to_be_bytes()),
        "hex" | "hex-string" => to.extend(hex(text)?),
        "string" if text.is_empty() => {
            return Err("an empty string is no value: use hex=\"\" to send none".into());
        }
        "string" => to.extend(text.as_bytes()),
        "ip-address" => to.extend(address::<Ipv4Addr>(text, "IPv4")?.octets()),
        "ipv6-address" => to.extend(address::<Ipv6Addr>(text, "IPv6")?.octets()),
        other => {
            return Err(format!("unknown property \"{other}\": it must be mode or one of {TYPES}"));
        }
    }
    Ok(())
}

fn flag(text: &str) -> Result<u8, String> {
    match text {
        "true" | "on" => Ok(1),
        "false" | "off" => Ok(0),
        _ => Err(format!("flag \"{text}\": it must be true or false")),
    }
}

fn number<N: FromStr>(text: &str, least: impl Display, most: impl Display) -> Result<N, String> {
    text.parse().map_err(|_| format!("\"{text}\": it must be a number from {least} to {most}"))
}

fn address<A: FromStr>(text: &str, family: &str) -> Result<A, String> {
    text.parse().map_err(|_| format!("\"{text}\": it must be an {family} address"))
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.as_bytes();
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some((digit(*high)? << 4) | digit(*low)?),
        _ => None,
    });
    bytes
        .collect::<Option<Vec<u8>>>()
        .ok_or_else(|| format!("hex \"{text}\": it must be an even number of digits 0-9 and a-f"))
}

fn digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
