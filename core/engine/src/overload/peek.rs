//! A look at a packet that is not parsed yet: fixed offsets, and the options only as far as they are needed.

use bindery_wire::v4::{MAGIC_COOKIE, OptionCode, RelayAgentInformation};

/// Options looked at; more make a packet one like any other.
const OPTIONS_MAX: usize = 64;

/// Where `giaddr`, `chaddr` and the magic cookie lie (RFC 2131 §2).
const GIADDR: usize = 24;
const CHADDR: usize = 28;
const COOKIE: usize = 236;

/// What a packet seems to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// DHCPDISCOVER.
    Discover,
    /// DHCPREQUEST, DHCPDECLINE or DHCPRELEASE: of a client that was told an address.
    Urgent,
    /// Anything else.
    Other,
}

/// What was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Peek<'p> {
    pub(crate) kind: Kind,
    /// The bytes of `giaddr`.
    pub(crate) giaddr: [u8; 4],
    /// All of `chaddr`.
    pub(crate) hw: &'p [u8],
    /// Sub-option 1 of option 82; empty for none, or where it was not looked for.
    pub(crate) circuit_id: &'p [u8],
}

/// Looks at a UDP payload; `None` for what is no BOOTREQUEST with a cookie. `circuits`: also for option 82.
pub(crate) fn peek(bytes: &[u8], circuits: bool) -> Option<Peek<'_>> {
    let (header, options) = bytes.split_at_checked(COOKIE + MAGIC_COOKIE.len())?;
    if *header.first()? != 1 || !header.ends_with(&MAGIC_COOKIE) {
        return None;
    }
    let giaddr = header.get(GIADDR..)?.first_chunk::<4>().copied()?;
    let hw = header.get(CHADDR..CHADDR + 16)?;
    let mut seen = Peek { kind: Kind::Other, giaddr, hw, circuit_id: &[] };
    let (mut rest, mut typed) = (options, false);
    for _ in 0..OPTIONS_MAX {
        let (code, value) = match rest {
            [0, tail @ ..] => {
                rest = tail;
                continue;
            }
            [code, len, tail @ ..] if *code != 255 && tail.len() >= usize::from(*len) => {
                let (value, tail) = tail.split_at(usize::from(*len));
                rest = tail;
                (OptionCode(*code), value)
            }
            _ => break,
        };
        if code == OptionCode::DHCP_MESSAGE_TYPE {
            seen.kind = match value {
                [1] => Kind::Discover,
                [3 | 4 | 7] => Kind::Urgent,
                _ => Kind::Other,
            };
            typed = true;
        } else if code == OptionCode::RELAY_AGENT_INFORMATION && circuits {
            seen.circuit_id = RelayAgentInformation::new(value).circuit_id().unwrap_or_default();
            // Relays put it last.
            if typed {
                break;
            }
        }
        if typed && !circuits {
            break;
        }
    }
    Some(seen)
}

/// Whether a datagram to port 67 seems to be a DHCPREQUEST, DHCPDECLINE or DHCPRELEASE: of a client that was told an
/// address. A shell that has taken several packets at once gives those first, so that DISCOVERs wait for renewals. Cheap;
/// says nothing about whether the packet is well-formed.
pub fn is_urgent(bytes: &[u8]) -> bool {
    peek(bytes, false).is_some_and(|seen| seen.kind == Kind::Urgent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bindery_types::{Ipv4Addr, MacAddr};
    use bindery_wire::v4::MessageBuilder;

    const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);

    #[test]
    fn the_kinds() {
        let address = Ipv4Addr::new(192, 0, 2, 9);
        let kind = |message: MessageBuilder| peek(&message.build(), false).map(|seen| seen.kind);
        assert_eq!(kind(MessageBuilder::discover(MAC)), Some(Kind::Discover));
        assert_eq!(kind(MessageBuilder::request_renewing(MAC, address)), Some(Kind::Urgent));
        assert!(is_urgent(&MessageBuilder::request_renewing(MAC, address).build()));
        assert!(!is_urgent(&MessageBuilder::discover(MAC).build()));
    }

    #[test]
    fn the_circuit() {
        let relay = Ipv4Addr::new(198, 51, 100, 1);
        let info = [1, 3, b'c', b'/', b'1', 2, 1, b'r'];
        let message =
            MessageBuilder::discover(MAC).giaddr(relay).option(OptionCode::RELAY_AGENT_INFORMATION, &info).build();
        let seen = peek(&message, true).unwrap();
        assert_eq!((seen.giaddr, seen.circuit_id), (relay.octets(), &b"c/1"[..]));
        assert_eq!(&seen.hw[..6], MAC.0);
        assert_eq!(peek(&message, false).unwrap().circuit_id, b"");
    }

    #[test]
    fn no_bytes_harm() {
        let message = MessageBuilder::discover(MAC).build();
        for len in 0..message.len() {
            let _ = peek(&message[..len], true);
        }
        assert_eq!(peek(&[0xff; 300], true), None);
        assert_eq!(peek(&[], true), None);
    }
}
