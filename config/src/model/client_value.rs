//! Bytes that a client or its relay sends, as an operator writes them: text, or hexadecimal digits after `0x`.

/// The bytes of `text`.
///
/// # Errors
/// What stands behind `0x` is no even number of hexadecimal digits, or more than 255 bytes are meant.
pub(crate) fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let bytes = match text.strip_prefix("0x") {
        None => text.as_bytes().to_vec(),
        Some(digits) => {
            let nibbles: Option<Vec<u8>> =
                digits.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
            let nibbles = nibbles.filter(|nibbles| !nibbles.is_empty() && nibbles.len() % 2 == 0);
            let nibbles =
                nibbles.ok_or_else(|| format!("`{text}` is no even number of hexadecimal digits after 0x"))?;
            nibbles.chunks(2).map(|pair| pair.iter().fold(0, |byte, nibble| byte << 4 | nibble)).collect()
        }
    };
    if bytes.len() > 255 { Err(format!("`{text}` has {} bytes; no more than 255 fit", bytes.len())) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn text_and_digits() {
        assert_eq!(bytes("eth1"), Ok(b"eth1".to_vec()));
        assert_eq!(bytes("0x00fF"), Ok(vec![0, 255]));
        assert_eq!(bytes("0"), Ok(b"0".to_vec()));
        for bad in ["0x", "0x0", "0xzz", &format!("0x{}", "00".repeat(256)), &"a".repeat(256)] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }
}
