//! DHCPINFORM: RFC 2131 §4.3.5.

use super::{Draft, Outcome, Request, Then, reply};
use crate::{Engine, event::DropReason, policy::Policy};
use bindery_types::Ipv4Addr;
use bindery_wire::v4::MessageType;

impl Engine {
    /// Answers with the pool's parameters where `process-inform` is set: to ciaddr, without lease and yiaddr, and
    /// without a session.
    pub(super) fn inform4(&mut self, request: Request<'_>, policy: &mut dyn Policy) -> Outcome {
        let served = self.links.get(request.meta.link).and_then(|l| l.served).ok_or(DropReason::NoInterfaceCfg)?;
        let inform = served.overrides(request.config).and_then(|o| o.process_inform);
        let inform = inform.ok_or(DropReason::InformNotProcessed)?;
        let class = self.classify4(&request)?;
        let ciaddr = request.packet.ciaddr();
        let pool = inform.pool.unwrap_or(class.pool);
        let to = match (ciaddr.is_unspecified(), request.is_relayed()) {
            (true, true) => reply::to_relay(request),
            (is_missing, _) => {
                // RFC 2131 §3.4: the client fills ciaddr in. Of one that did not, its packet tells the address.
                let address = if is_missing { request.meta.src } else { ciaddr };
                if !self.links.is_anothers(class.instance, address) {
                    return Err(DropReason::BadOptions);
                }
                reply::to_address(address, self.source(&request, class.local), request.meta.link)
            }
        };
        let draft = Draft {
            message: MessageType::Ack,
            served,
            link: class.link,
            pool: self.pool_name(pool),
            server_id: class.server_id,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            ciaddr,
            lease_secs: None,
            session: None,
            to,
            auth: None,
            then: Then::Send,
        };
        self.shape4(request, draft, policy)
    }
}
