//! Clients that are able to go without IPv4 (RFC 8925 §3.3).

use super::{Draft, Request, Then, reply};
use crate::{Engine, attributes::Effective, classify::Class, output::Destination};
use bindery_types::{Ipv4Addr, MacAddr};
use bindery_wire::v4::MessageType;

impl Engine {
    /// The OFFER to a client that asks for option 108, where its pool has it: no address is taken from the pool, and
    /// 0.0.0.0 is offered. A client that wants IPv4 nevertheless asks again without the option. Rapid commit is not
    /// honoured then, and a REQUEST is answered as ever.
    pub(super) fn without_address4(&self, request: &Request<'_>, class: &Class) -> Option<Draft> {
        let pool = request.config.pool(class.pool)?;
        let attributes = Effective::of(request.config, class.served, pool);
        if !attributes.prefers_ipv6(request.packet) {
            return None;
        }
        Some(Draft {
            message: MessageType::Offer,
            served: class.served,
            link: class.link,
            pool: self.pool_name(class.pool),
            server_id: class.server_id,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            ciaddr: Ipv4Addr::UNSPECIFIED,
            // RFC 2131 §4.3.1, table 3: an OFFER has one in any case.
            lease_secs: Some(reply::lease_secs(&attributes, request.packet)),
            session: None,
            to: to_nobody(*request, class),
            auth: None,
            then: Then::Send,
        })
    }
}

/// To a client that will have no address: its frame, and all of IP.
fn to_nobody(request: Request<'_>, class: &Class) -> Destination {
    match reply::to_newcomer(request, class, Ipv4Addr::BROADCAST) {
        Destination::Frame { link, mac, src, .. } => {
            let mac = if request.packet.is_broadcast() { MacAddr::BROADCAST } else { mac };
            Destination::Frame { link, mac, src, dst: Ipv4Addr::BROADCAST }
        }
        relay => relay,
    }
}
