//! What a reply may say, given what the client asked.

use crate::frame::{EVERYBODY, Mac};
use crate::message::{Kind, Reply, circuit, mac};

/// What a client knows about the reply that it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// The relay that the reply came through, 0 without one.
    pub giaddr: u32,
    /// The access node inserted option 82, so a server must echo it (RFC 3046 §2.2).
    pub option82: bool,
    /// The address that was requested; `None` while the client has requested none.
    pub address: Option<u32>,
}

impl Expected {
    /// What in the reply cannot be; `None` for a reply that a client may use. `to_mac` is where its frame went.
    #[must_use]
    pub fn contradiction(&self, reply: &Reply, to_mac: Option<Mac>) -> Option<&'static str> {
        let own = mac(reply.xid);
        if reply.mac != own {
            return Some("chaddr is another client's");
        }
        if to_mac.is_some_and(|to| to != own && to != EVERYBODY) {
            return Some("the frame went to another client");
        }
        if reply.giaddr != self.giaddr {
            return Some("giaddr is not the relay's");
        }
        if reply.server == 0 {
            return Some("no server identifier");
        }
        if self.option82 && reply.circuit != Some(circuit(reply.xid)) {
            return Some("option 82 is not echoed");
        }
        if reply.kind == Kind::Nak {
            return None;
        }
        if reply.yiaddr == 0 {
            return Some("no address");
        }
        if reply.lease == 0 {
            return Some("no lease time");
        }
        let asked = self.address.unwrap_or(reply.yiaddr);
        (reply.kind == Kind::Ack && reply.yiaddr != asked).then_some("the ACK is for another address than asked")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Expected = Expected { giaddr: 0x0a00_0002, option82: true, address: Some(0x0a10_0005) };

    fn ack() -> Reply {
        Reply {
            kind: Kind::Ack,
            xid: 9,
            yiaddr: 0x0a10_0005,
            giaddr: 0x0a00_0002,
            mac: mac(9),
            server: 1,
            lease: 7200,
            circuit: Some(circuit(9)),
        }
    }

    #[test]
    fn good_replies_pass() {
        assert_eq!(EXPECTED.contradiction(&ack(), None), None);
        assert_eq!(EXPECTED.contradiction(&ack(), Some(mac(9))), None);
        assert_eq!(EXPECTED.contradiction(&ack(), Some(EVERYBODY)), None);
        let nak = Reply { kind: Kind::Nak, yiaddr: 0, lease: 0, ..ack() };
        assert_eq!(EXPECTED.contradiction(&nak, None), None);
        let offer = Reply { kind: Kind::Offer, yiaddr: 77, ..ack() };
        assert_eq!(EXPECTED.contradiction(&offer, None), None, "an offer may be of any address");
    }

    #[test]
    fn each_contradiction_has_its_name() {
        let wrong = [
            (Reply { mac: mac(8), ..ack() }, None, "another client's"),
            (ack(), Some(mac(8)), "frame"),
            (Reply { giaddr: 3, ..ack() }, None, "giaddr"),
            (Reply { server: 0, ..ack() }, None, "server identifier"),
            (Reply { circuit: None, ..ack() }, None, "option 82"),
            (Reply { yiaddr: 0, ..ack() }, None, "no address"),
            (Reply { lease: 0, ..ack() }, None, "lease time"),
            (Reply { yiaddr: 0x0a10_0006, ..ack() }, None, "than asked"),
        ];
        for (reply, to, word) in wrong {
            let fault = EXPECTED.contradiction(&reply, to).unwrap_or("nothing");
            assert!(fault.contains(word), "{word}: {fault}");
        }
    }
}
