//! Values of options: from the text of a setting to bytes, and suboptions.

use std::net::Ipv4Addr;

/// Most bytes of one option (RFC 2132 §2).
pub const LENGTH_MAX: usize = 255;

/// The bytes of an even number of hexadecimal digits.
///
/// # Errors
/// What is wrong with the text, for the operator.
pub fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digit = |character: u8| char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some((digit(*high)? << 4) | digit(*low)?),
        _ => None,
    });
    let bytes: Option<Vec<u8>> = bytes.collect();
    bytes.ok_or_else(|| format!("\"{text}\": it must be an even number of digits 0-9 and a-f"))
}

/// An IPv4 address as the four bytes of an option.
///
/// # Errors
/// What is wrong with the text, for the operator.
pub fn ipv4(text: &str) -> Result<[u8; 4], String> {
    text.parse::<Ipv4Addr>()
        .map(|address| address.octets())
        .map_err(|_| format!("\"{text}\": it must be an IPv4 address"))
}

/// Append a suboption to the value of an encapsulating option such as 43 (RFC 2132 §8.4).
///
/// # Errors
/// The value has more than 255 bytes.
pub fn push_suboption(to: &mut Vec<u8>, code: u8, value: &[u8]) -> Result<(), String> {
    let length = u8::try_from(value.len()).map_err(|_| format!("suboption {code} has more than {LENGTH_MAX} bytes"))?;
    to.extend([code, length]);
    to.extend(value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_bytes() {
        assert_eq!(hex("01aF").unwrap(), [1, 0xaf]);
        assert_eq!(hex("").unwrap(), []);
        assert!(hex("1").is_err() && hex("0g").is_err());
        assert_eq!(ipv4("192.0.2.1").unwrap(), [192, 0, 2, 1]);
        assert!(ipv4("192.0.2").is_err());
    }

    #[test]
    fn suboptions_are_framed() {
        let mut value = Vec::new();
        push_suboption(&mut value, 1, b"ab").unwrap();
        push_suboption(&mut value, 2, &[]).unwrap();
        assert_eq!(value, [1, 2, b'a', b'b', 2, 0]);
        assert!(push_suboption(&mut value, 3, &[0; 256]).is_err());
    }
}
