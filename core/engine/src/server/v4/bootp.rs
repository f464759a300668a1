//! BOOTP clients: requests without option 53 (RFC 951, RFC 1542, RFC 1534 §2), where `bootp-support` is set.
//!
//! A BOOTP client sends one message and takes the answer as it is: address, boot fields and options of its pool, for
//! ever. So the answer is a binding at once, with an infinite lease; it ends at an operator's word, or when the client
//! has come to speak DHCP and its lease has ended. Reservations and addresses of ranges are given alike: the statement
//! is the operator's word for both (RFC 1534 §2).

use super::{Draft, Outcome, Request, Then, client_id, reply, request::Grant};
use crate::{
    Engine,
    attributes::Effective,
    classify::{Class, client_key},
    config::Config,
    engine::Turn,
    event::DropReason,
    input::RxMeta,
    policy::Policy,
    server::v4::steer::Admission,
    session::Record,
};
use bindery_types::Ipv4Addr;
use bindery_wire::v4::{DecodeError, HEADER_LEN, MessageType, Packet, ParseRules, Reply};

impl Engine {
    /// Whether BOOTP clients are served where the packet came in.
    pub(super) fn serves_bootp4(&self, request: &Request<'_>) -> bool {
        let served = self.links.get(request.meta.link).and_then(|link| link.served);
        served.is_some_and(|served| served.overrides(request.config).is_some_and(|o| o.bootp_support))
    }

    /// A message without a magic cookie: of a BOOTP client that knows no vendor extensions, or nothing of ours.
    pub(super) fn plain_bootp4(
        &mut self,
        (turn, meta, config): (Turn, RxMeta, &Config),
        bytes: &[u8],
        policy: &mut dyn Policy,
    ) -> Outcome {
        let packet = Packet::parse_without_options(bytes).map_err(|_| DropReason::NoOptions)?;
        let admission = Admission::default();
        let request = Request { packet: &packet, meta, turn, config, admission, grant: None };
        if self.serves_bootp4(&request) { self.message4(request, policy) } else { Err(DropReason::NoOptions) }
    }

    /// BOOTREQUEST (RFC 951 §7.3, RFC 1542 §5).
    pub(super) fn bootp4(&mut self, request: Request<'_>, policy: &mut dyn Policy) -> Outcome {
        let mut class = self.classify4(&request)?;
        self.waits_enough4(&request, &class)?;
        let pool = request.config.pool(class.pool).ok_or(DropReason::InvalidSubnet)?;
        if asks_another(request.packet, &Effective::of(request.config, class.served, pool)) {
            return Err(DropReason::InvalidServerAddress);
        }
        if !request.packet.ciaddr().is_unspecified() {
            return self.boot_parameters4(request, &class, policy);
        }
        if self.rings.store_down {
            return Err(DropReason::StoreFault);
        }
        if !self.rings.has_room_for_discover() {
            return Err(DropReason::Overload);
        }
        let id = client_id(request.packet);
        let key = client_key(request.packet, Some(&id));
        let before = self.before_probe4(&request, &class, &key);
        let slot = self.offer_session(request, &mut class, &key, policy)?;
        let record = *self.sessions.get(slot).ok_or(DropReason::ClientLookup)?;
        class.served = self.served_of(request.config, &record, class.served);
        if let Some(before) = before
            && self.probes4(&request, &class, slot, before)?
        {
            return Ok(());
        }
        let grant = Grant::of_newcomer(request, &class, Record::address(&record));
        self.grant4(request, &key, slot, grant, policy)
    }

    /// A client that knows its address asks for the rest (RFC 951 §7.3, RFC 1542 §5.3): no binding, and the answer goes
    /// to that address.
    fn boot_parameters4(&mut self, request: Request<'_>, class: &Class, policy: &mut dyn Policy) -> Outcome {
        let ciaddr = request.packet.ciaddr();
        if !self.links.is_anothers(class.instance, ciaddr) {
            return Err(DropReason::BadOptions);
        }
        let draft = Draft {
            message: MessageType::Ack,
            served: class.served,
            link: class.link,
            pool: self.pool_name(class.pool),
            server_id: class.server_id,
            yiaddr: Ipv4Addr::UNSPECIFIED,
            ciaddr,
            lease_secs: None,
            session: None,
            to: reply::to_address(ciaddr, self.source(&request, class.local), request.meta.link),
            auth: None,
            then: Then::Send,
        };
        self.shape4(request, draft, policy)
    }
}

/// Whether a client names another server in `sname` (RFC 951 §7.3): ours is `boot-server`.
fn asks_another(packet: &Packet<'_>, attributes: &Effective<'_>) -> bool {
    let named = packet.sname_field().split(|byte| *byte == 0).next().unwrap_or_default();
    !named.is_empty() && attributes.boot_server() != Some(named)
}

/// Makes a filled reply one that a BOOTP client expects: no option about leases, and in `siaddr` always a server
/// (RFC 951 §3).
pub(super) fn fill(reply: &mut Reply, packet: &Packet<'_>, server_id: Ipv4Addr) -> Outcome {
    reply.to_bootp();
    reply.secs = packet.secs();
    if reply.siaddr.is_unspecified() {
        reply.siaddr = server_id;
    }
    Ok(())
}

/// For a client that sent no magic cookie: the vendor field is no list of options.
pub(super) fn clear_vendor(payload: &mut [u8]) {
    if let Some(vendor) = payload.get_mut(HEADER_LEN..) {
        vendor.fill(0);
    }
}

/// Reads a request that was read before: the rules only decide about a missing end option.
///
/// # Errors
/// None that can come.
pub(super) fn parse_again(bytes: &[u8]) -> Result<Packet<'_>, DecodeError> {
    match Packet::parse(bytes, ParseRules { allow_no_end_option: true }) {
        Err(DecodeError::NoOptions) => Packet::parse_without_options(bytes),
        parsed => parsed,
    }
}
