//! DHCPv4 local server (RFC 2131 §4.3): one file a message, `reply.rs` builds what goes back.

mod access;
mod bootp;
mod choose;
mod decline;
mod delay;
mod discover;
mod extend;
mod identity;
mod inform;
mod ipv6_only;
mod leasequery;
mod line;
mod probe;
mod release;
mod reply;
mod request;
mod route;
mod steer;
mod validation;

use crate::{
    Engine,
    access::Granted,
    classify::{client_key, server_id_override},
    commit::Answer,
    config::{Config, Pool},
    engine::Turn,
    event::DropReason,
    history::Why,
    input::RxMeta,
    lockout::Cause,
    output::Destination,
    policy::Policy,
    reconfigure,
    session::{ClientKey, NameId, Record, Slot},
};
use alloc::{sync::Arc, vec::Vec};
use bindery_types::{InstanceId, Ipv4Addr};
use bindery_wire::v4::{DecodeError, MessageType, Op, OptionCode, Packet, ParseRules};
pub(crate) use reply::{Auth, Draft, Then, longest_lease, told_secs};
use steer::Admission;

/// Most relays a request may have passed (RFC 1542 §4.1.1).
const HOPS_MAX: u8 = 16;

/// Most sessions of one hardware address that are looked at: who makes more of them gains nothing.
const OF_ONE_HW_MAX: usize = 16;

/// Ended in silence, with the counter that says why.
pub(crate) type Outcome = Result<(), DropReason>;

/// A parsed request with where it came from.
#[derive(Clone, Copy)]
pub(crate) struct Request<'p> {
    pub(crate) packet: &'p Packet<'p>,
    pub(crate) meta: RxMeta,
    pub(crate) turn: Turn,
    pub(crate) config: &'p Config,
    /// What stage `admit` has chosen.
    pub(crate) admission: Admission,
    /// What its authority has granted, when it was asked.
    pub(crate) grant: Option<&'p Granted>,
}

impl Request<'_> {
    /// Whether it came through a relay.
    pub(crate) fn is_relayed(&self) -> bool {
        !self.packet.giaddr().is_unspecified()
    }
}

impl Engine {
    /// Takes a datagram: parses, counts, dispatches.
    pub(crate) fn datagram4(&mut self, turn: Turn, meta: RxMeta, bytes: &[u8], policy: &mut dyn Policy) {
        let config = Arc::clone(&self.config);
        self.begin_exchange(&meta);
        if let Err(reason) = self.shed4(turn, meta, bytes, &config) {
            return self.dropped_for(reason);
        }
        let rules = ParseRules { allow_no_end_option: self.allows_no_end_option(&config, &meta) };
        let outcome = match Packet::parse(bytes, rules) {
            Ok(packet) => self.message4(
                Request { packet: &packet, meta, turn, config: &config, admission: Admission::default(), grant: None },
                policy,
            ),
            Err(DecodeError::NoOptions) => self.plain_bootp4((turn, meta, &config), bytes, policy),
            Err(error) => Err(DropReason::from(&error)),
        };
        if let Err(reason) = outcome {
            self.dropped_by(reason, policy.decider());
        }
    }

    fn allows_no_end_option(&self, config: &Config, meta: &RxMeta) -> bool {
        let served = self.links.get(meta.link).and_then(|l| l.served);
        served.is_some_and(|s| s.overrides(config).is_some_and(|o| o.allow_no_end_option))
    }

    fn message4(&mut self, request: Request<'_>, policy: &mut dyn Policy) -> Outcome {
        let packet = request.packet;
        self.know_packet(packet);
        if packet.op() != Op::BootRequest {
            return Err(DropReason::BadBootpOpcode);
        }
        self.count_received(packet.message_type());
        if packet.message_type().is_none() && !self.serves_bootp4(&request) {
            return Err(DropReason::BootpPacket);
        }
        if packet.hops() > HOPS_MAX {
            return Err(DropReason::HopLimit);
        }
        let giaddr = packet.giaddr();
        // An answer to one of ours would come back to us, and a route by it would lead nowhere.
        if request.is_relayed() && !self.links.is_anothers(self.instance_of(&request.meta), giaddr) {
            return Err(DropReason::BadGiAddress);
        }
        if is_nobody(packet) {
            return Err(DropReason::BadHardware);
        }
        if self.holds_back4(&request)? {
            return Ok(());
        }
        self.dispatch4(request, policy)
    }

    /// What happens with a packet that is whole: at once, or when its authority has answered.
    fn dispatch4(&mut self, request: Request<'_>, policy: &mut dyn Policy) -> Outcome {
        let message = request.packet.message_type();
        if matches!(message, None | Some(MessageType::Discover)) {
            self.check_lockout(request.turn, request.meta, request.packet, request.config)?;
        }
        // The end of a binding is no plugin's to refuse.
        let asks = matches!(message, None | Some(MessageType::Discover | MessageType::Request | MessageType::Inform));
        let admission = if asks { self.admit4(&request, policy)? } else { Admission::default() };
        let request = Request { admission, ..request };
        let request = match self.authorized4(request, asks)? {
            Some(request) => request,
            None => return Ok(()),
        };
        let Some(message) = message else {
            return self.bootp4(request, policy);
        };
        match message {
            MessageType::Discover => self.discover4(request, policy),
            MessageType::Request => self.request4(request, policy),
            MessageType::Decline => self.decline4(request),
            MessageType::Release => self.release4(request),
            MessageType::Inform => self.inform4(request, policy),
            MessageType::LeaseQuery => self.leasequery4(request, policy),
            _ => Err(DropReason::BadDhcpOpcode),
        }
    }

    /// Whether option 54 names this server: the id that the session was given, what the relay has put in its place
    /// (RFC 5107 §4), an address of ours, or a `server-identifier` of the configuration.
    pub(crate) fn is_our_server_id(&self, request: &Request<'_>, named: Ipv4Addr, session: Option<Slot>) -> bool {
        let given = session.and_then(|slot| self.sessions.get(slot)).map(|r| r.server_id);
        let overridden = || {
            let info = request.packet.option(OptionCode::RELAY_AGENT_INFORMATION).filter(|_| request.is_relayed());
            info.and_then(|info| server_id_override(&info)) == Some(named)
        };
        given == Some(named) || self.names_us(self.instance_of(&request.meta), named) || overridden()
    }

    /// Whether an address is one by which clients of a routing instance name this server, whoever they are.
    pub(crate) fn names_us(&self, instance: InstanceId, named: Ipv4Addr) -> bool {
        self.links.is_own(instance, named) || self.server_identifiers.contains(&named)
    }

    /// The session that holds `address`, when it is this client's.
    pub(crate) fn session_at(&self, instance: InstanceId, address: Ipv4Addr, key: &ClientKey<'_>) -> Option<Slot> {
        let slot = self.sessions.find_by_address(instance, address)?;
        let identity = self.sessions.identity(slot)?;
        let record = self.sessions.get(slot)?;
        (record.state().is_the_clients() && identity.key() == *key).then_some(slot)
    }

    /// The instance of the ingress interface.
    pub(crate) fn instance_of(&self, meta: &RxMeta) -> InstanceId {
        self.links.instance_of(meta.link)
    }

    /// The configured pool of this name.
    pub(crate) fn pool_named<'c>(&self, config: &'c Config, instance: InstanceId, name: NameId) -> Option<&'c Pool> {
        config.pool(*self.pool_ids.get(&(instance, name))?)
    }

    /// Answers with a DHCPNAK at once: nothing of the session database changes by it (RFC 2131 §4.3.2).
    pub(crate) fn nak4(&mut self, request: Request<'_>, server_id: Ipv4Addr) -> Outcome {
        let answer = self.build_nak4(request, server_id)?;
        self.send(answer);
        Ok(())
    }

    /// The same for a client that asks for what it cannot have: a cycle of `short-cycle-protection`.
    pub(crate) fn refuse4(&mut self, request: Request<'_>, server_id: Ipv4Addr) -> Outcome {
        self.note_refusal(request.turn, request.meta, request.packet, request.config, Cause::Refused);
        self.nak4(request, server_id)
    }

    /// Builds a DHCPNAK (RFC 2131 §4.3.1 table 3: no addresses, no options but 53, 54, 56, 61, 82; and 90 for a client
    /// that takes no message without its token).
    pub(crate) fn build_nak4(&mut self, request: Request<'_>, server_id: Ipv4Addr) -> Result<Answer, DropReason> {
        let link = self.links.get(request.meta.link);
        let served = link.and_then(|l| l.served);
        let echoes = served.is_some_and(|s| s.overrides(request.config).is_some_and(|o| o.option_82_in_nak));
        let holder = self.holder_of(&request);
        // A direct client is on its link, also once its route is gone.
        let is_here = holder.is_some_and(|r| r.giaddr.is_unspecified() && link.is_some_and(|l| l.name == r.link()));
        let token = self.token_for(request, holder.as_ref());
        let why = match self.origin.why {
            Why::Unknown => "refused",
            why => why.label(),
        };
        let mut reply = core::mem::take(&mut self.reply);
        let built = reply::begin(&mut reply, request.packet, MessageType::Nak, server_id).and_then(|()| {
            // A relay drops a reply without the option that it put in (RFC 3046 §2.2), so it gets it back in any
            // case; an access node that is no relay, where `include-option-82 nak` says so.
            if !request.is_relayed() && !echoes {
                reply.options.remove(OptionCode::RELAY_AGENT_INFORMATION);
            }
            // RFC 2131 §4.3.2: through a relay the client may not have the address any more, so the relay is told
            // to broadcast.
            if request.is_relayed() {
                reply.set_broadcast(true);
            }
            // RFC 2131 §4.3.1 table 3: a NAK says why.
            reply.options.set(OptionCode::MESSAGE, why.as_bytes()).map_err(|_| DropReason::EncodeError)?;
            if let Some(token) = &token {
                reply.options.set(OptionCode::AUTHENTICATION, token).map_err(|_| DropReason::EncodeError)?;
            }
            self.encode(&reply, request.packet)
        });
        self.reply = reply;
        let payload = built?;
        let (to, also_to) = nak_destinations(request, server_id, self.source(&request, server_id), is_here);
        Ok(Answer { to, also_to, message: Some(MessageType::Nak), payload })
    }

    /// The client's session of its ciaddr, live or what is left of it.
    fn holder_of(&self, request: &Request<'_>) -> Option<Record> {
        let (packet, instance) = (request.packet, self.instance_of(&request.meta));
        let id = client_id(packet);
        let key = client_key(packet, Some(&id));
        let is_it = |slot: &Slot| self.sessions.identity(*slot).is_some_and(|identity| identity.key() == key);
        let of_hw = self.sessions.by_hw(&packet.hw_addr()).take(OF_ONE_HW_MAX).filter(is_it);
        let mut records = of_hw.filter_map(|slot| self.sessions.get(slot));
        records.find(|record| record.instance() == instance && record.address() == packet.ciaddr()).copied()
    }

    /// Option 90 for a client that authenticates by a token (RFC 3118 §4).
    fn token_for(&mut self, request: Request<'_>, holder: Option<&Record>) -> Option<Vec<u8>> {
        if !reconfigure::offers_token(request.packet) {
            return None;
        }
        let served = self.links.get(request.meta.link).and_then(|l| l.served);
        let of_session = holder.and_then(|record| self.reconfigure_of(request.config, record));
        let reconfigure = of_session.or_else(|| served?.reconfigure(request.config))?;
        let token = reconfigure.token.as_deref()?;
        Some(reconfigure::token_value(self.next_replay(), token))
    }
}

/// Where a NAK goes. RFC 2131 §4.1 broadcasts it when giaddr is zero; a client that renews listens on its address
/// alone, so it gets the same message there too.
fn nak_destinations(
    request: Request<'_>,
    server_id: Ipv4Addr,
    source: Ipv4Addr,
    is_here: bool,
) -> (Destination, Option<Destination>) {
    let packet = request.packet;
    let link = request.meta.link;
    if request.is_relayed() {
        return (reply::to_relay(request), None);
    }
    let broadcast =
        Destination::Frame { link, mac: bindery_types::MacAddr::BROADCAST, src: server_id, dst: Ipv4Addr::BROADCAST };
    let ciaddr = packet.ciaddr();
    if ciaddr.is_unspecified() || packet.has(OptionCode::SERVER_IDENTIFIER) {
        return (broadcast, None);
    }
    let unicast = reply::to_address(ciaddr, source, link);
    let direct = match (request.meta.src_mac, packet.hw_addr().mac()) {
        // On the client's own link the frame needs neither route nor neighbour entry.
        (seen, Some(mac)) if seen == Some(mac) || (seen.is_none() && is_here) => {
            Destination::Frame { link, mac, src: server_id, dst: ciaddr }
        }
        _ => unicast,
    };
    (direct, Some(broadcast))
}

/// Whether a client says nothing that tells it from others: one without hardware address has an identifier
/// (RFC 4390 §2.1). A leasequery is of no client.
fn is_nobody(packet: &Packet<'_>) -> bool {
    packet.hw_addr().as_bytes().is_empty()
        && client_id(packet).is_empty()
        && packet.message_type() != Some(MessageType::LeaseQuery)
}

/// Option 61 of a request, in a buffer that outlives the packet's borrow.
pub(crate) fn client_id(packet: &Packet<'_>) -> Vec<u8> {
    packet.option(OptionCode::CLIENT_IDENTIFIER).map_or_else(Vec::new, alloc::borrow::Cow::into_owned)
}
