//! DHCPv4 options under plugins: which none may touch, and which need the client's wish.

/// Whether a plugin may never set or remove `code` in a DHCPv4 reply.
///
/// These frame the message (0, 52, 255), bind the client and its lease (50, 51, 53, 54, 58, 59, 61, 145),
/// negotiate (57), or are signed or echoed (82, 90). RFC 2132 §9 and RFC 2131 §4.3.1 give most of them. Codes
/// above 255 do not exist.
#[must_use]
pub const fn is_forbidden(code: u16) -> bool {
    matches!(code, 0 | 50..=54 | 57..=59 | 61 | 82 | 90 | 145) || code >= 255
}

/// IPv6-Only Preferred (RFC 8925 §3.2): sent only to a client that asked for it.
pub(crate) const IPV6_ONLY_PREFERRED: u16 = 108;

/// Parameter Request List (RFC 2132 §9.8).
pub(crate) const PARAMETER_REQUEST_LIST: u16 = 55;

/// Relay Agent Information (RFC 3046 §2.0).
pub(crate) const RELAY_AGENT_INFORMATION: u16 = 82;
/// Its suboption Agent Circuit ID (RFC 3046 §3.1).
pub(crate) const CIRCUIT_ID: u8 = 1;
/// Its suboption Agent Remote ID (RFC 3046 §3.2).
pub(crate) const REMOTE_ID: u8 = 2;

/// Value of a suboption of option 82; none if it is absent or cut short.
pub(crate) fn suboption(value: &[u8], wanted: u8) -> Option<&[u8]> {
    let mut rest = value;
    while let [code, length, tail @ ..] = rest {
        let (body, next) = tail.split_at_checked(usize::from(*length))?;
        if *code == wanted {
            return Some(body);
        }
        rest = next;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_the_designs() {
        let forbidden: Vec<u16> = (0..=300).filter(|code| is_forbidden(*code)).collect();
        let mut wanted = vec![0, 50, 51, 52, 53, 54, 57, 58, 59, 61, 82, 90, 145];
        wanted.extend(255..=300);
        assert_eq!(forbidden, wanted);
        assert!(is_forbidden(u16::MAX));
    }

    #[test]
    fn suboptions_stop_at_the_end() {
        let value = [9, 0, 1, 2, b'a', b'b', 2, 1, b'c'];
        assert_eq!(suboption(&value, CIRCUIT_ID), Some(&b"ab"[..]));
        assert_eq!(suboption(&value, REMOTE_ID), Some(&b"c"[..]));
        assert_eq!(suboption(&value, 3), None);
        assert_eq!(suboption(&[2, 9, 1], REMOTE_ID), None);
        assert_eq!(suboption(&[2], REMOTE_ID), None);
    }
}
