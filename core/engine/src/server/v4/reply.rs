//! Builds replies, runs the `shape-reply` stage over them, and hands them on.

use super::{Outcome, Request, bootp};
use crate::{
    Engine,
    attributes::Effective,
    binding::{self, BindingEvent, Transition},
    classify::Class,
    commit::{Answer, Change},
    config::{Config, Lease, Pool, Reconfigure},
    engine::Turn,
    event::DropReason,
    exchange::{self, ExchangeEvent, ExchangeState},
    history::Detail,
    links::Served,
    output::Destination,
    parked::Parked,
    policy::{Hook, Policy, PolicyAnswer, ShapeReply, Stage, Verdict, edit_refusal},
    reconfigure::{offers_nonce, offers_token, replay_of, token_value},
    record::Nonce,
    session::{NameId, Slot, SlotRef},
};
use alloc::vec::Vec;
use bindery_types::{HwAddr, IfIndex, Ipv4Addr, MacAddr, Prefix4, SessionId};
use bindery_wire::v4::{EncodeLimits, MessageType, OptionCode, Packet, Reply, authentication};

/// A lease that a client asks for in option 51 is no shorter than this, seconds: below it renewals are a flood.
pub(crate) const ASKED_LEASE_SECS_MIN: u32 = 60;

/// Infinite lease on the wire (RFC 2131 §3.3).
const INFINITE: u32 = u32::MAX;

/// Largest datagram we send, whatever option 57 says: one Ethernet frame.
const MTU: u16 = 1500;

/// A reply before its options are shaped, and what follows when it is.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) message: MessageType,
    pub(crate) served: Served,
    pub(crate) link: NameId,
    /// Whose attributes answer.
    pub(crate) pool: NameId,
    pub(crate) server_id: Ipv4Addr,
    pub(crate) yiaddr: Ipv4Addr,
    /// Echoed in an ACK (RFC 2131 §4.3.1 table 3).
    pub(crate) ciaddr: Ipv4Addr,
    /// Lease time on the wire; `None` for INFORM.
    pub(crate) lease_secs: Option<u32>,
    pub(crate) session: Option<(SlotRef, SessionId)>,
    pub(crate) to: Destination,
    /// What the reply says of authentication.
    pub(crate) auth: Option<Auth>,
    pub(crate) then: Then,
}

/// What a reply says of the authentication of a later FORCERENEW.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Auth {
    /// The token, to a client that uses one (RFC 3118 §4); the replay value.
    Token(u64),
    /// In an OFFER: that we know the nonce (RFC 6704 §3.1.1).
    Capable,
    /// In an ACK: the nonce (RFC 6704 §3.1.3), told where it is new.
    Nonce { nonce: Nonce, told: bool },
}

/// What happens with an encoded reply.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// It leaves at once.
    Send,
    /// It leaves when the change is durable and the route stands.
    Bind {
        /// The session.
        slot: SlotRef,
        /// What becomes of it.
        change: Change,
        /// Its identity, when that changed.
        identity: Option<crate::session::IdentityBuf>,
    },
}

impl Engine {
    /// Builds the reply of `draft`, runs the group's `shape-reply` chain, and hands the result on.
    pub(crate) fn shape4(&mut self, request: Request<'_>, draft: Draft, policy: &mut dyn Policy) -> Outcome {
        if let Some((_, session)) = draft.session {
            self.origin.session = session;
            self.origin.address = draft.yiaddr;
            self.origin.detail = Detail(draft.pool.number());
        }
        let chain = draft.served.chain(request.config, Stage::ShapeReply);
        let mut reply = core::mem::take(&mut self.reply);
        let built = self.fill(request.config, &draft, request.packet, &mut reply);
        if built.is_err() || chain.is_empty() {
            let outcome = built
                .and_then(|()| self.finish(request.turn, request.packet, draft, &reply, ExchangeState::Classified));
            self.reply = reply;
            return outcome;
        }
        let Some(token) = self.parking.next_token(self.id.0) else {
            self.reply = reply;
            return Err(DropReason::Overload);
        };
        let mut stage = ShapeReply {
            request: request.packet,
            unicast: self.links.is_to_us(&request.meta),
            message: draft.message,
            group: self.names.name(self.group_name(&draft)),
            interface: self.names.name(draft.link),
            session: draft.session.map(|(_, id)| id),
            address: draft.yiaddr,
            lease_secs: draft.lease_secs.unwrap_or(0),
            token,
            sessions: self.lookup(draft.served.instance),
            options: &mut reply.options,
        };
        let hook = policy.shape_reply(request.turn.now, chain, &mut stage);
        let outcome = match hook {
            Hook::Done(Verdict::Continue) => {
                self.finish(request.turn, request.packet, draft, &reply, ExchangeState::Classified)
            }
            Hook::Done(Verdict::Drop) => Err(DropReason::Policy),
            Hook::Pending { deadline } => {
                self.set_hook_busy(draft.session, true);
                let request = request.packet.bytes().into();
                self.parking.park(token, Parked { request, draft, deadline, origin: self.origin });
                Ok(())
            }
        };
        self.reply = reply;
        outcome
    }

    fn group_name(&self, draft: &Draft) -> NameId {
        self.group_names.get(usize::from(draft.served.group.0)).copied().unwrap_or(NameId::EMPTY)
    }

    /// Takes a parked exchange up again with the late answer of its plugin.
    pub(crate) fn policy_done(&mut self, turn: Turn, answer: &PolicyAnswer, policy: &dyn Policy) {
        let Some(parked) = self.parking.take(answer.token) else {
            self.counters.late_policy_answers += 1;
            return;
        };
        self.origin = parked.origin;
        self.set_hook_busy(parked.draft.session, false);
        if answer.verdict == Verdict::Drop {
            self.dropped_by(DropReason::Policy, policy.decider());
            return;
        }
        let config = alloc::sync::Arc::clone(&self.config);
        // A commit may have taken the address from the pools meanwhile: the client asks again, and is told.
        let record = parked.draft.session.and_then(|(session, _)| self.sessions.get(self.sessions.resolve(session)?));
        if record.is_some_and(|record| self.pool_of(&config, record).is_none()) {
            self.dropped_for(DropReason::InvalidSubnet);
            return;
        }
        let Ok(packet) = bootp::parse_again(&parked.request) else {
            self.dropped_for(DropReason::BadOptions);
            return;
        };
        let mut reply = core::mem::take(&mut self.reply);
        let outcome = self.fill(&config, &parked.draft, &packet, &mut reply).and_then(|()| {
            for (code, value) in &answer.edits {
                edit_refusal(&packet, *code).map_err(|_| DropReason::Policy)?;
                match value {
                    Some(value) => reply.options.set(*code, value).map_err(|_| DropReason::Policy)?,
                    None => {
                        reply.options.remove(*code);
                    }
                }
            }
            self.finish(turn, &packet, parked.draft, &reply, ExchangeState::AwaitHook)
        });
        self.reply = reply;
        if let Err(reason) = outcome {
            self.dropped_for(reason);
        }
    }

    /// Drops parked exchanges whose plugin missed its deadline.
    pub(crate) fn expire_parked(&mut self, turn: Turn) {
        while let Some(parked) = self.parking.take_overdue(turn.now.mono) {
            self.origin = parked.origin;
            self.set_hook_busy(parked.draft.session, false);
            if let Ok(ExchangeState::Dropped(reason)) =
                exchange::next(ExchangeState::AwaitHook, ExchangeEvent::HookTimeout)
            {
                self.dropped_for(reason);
            }
        }
    }

    /// Encodes the shaped reply; it leaves now, or waits for storage and route.
    fn finish(
        &mut self,
        turn: Turn,
        packet: &Packet<'_>,
        draft: Draft,
        reply: &Reply,
        state: ExchangeState,
    ) -> Outcome {
        let state = exchange::next(state, ExchangeEvent::HookDone).map_err(|_| DropReason::Policy)?;
        match draft.then {
            Then::Send => {
                // While an offer was parked its session may have ended: nothing holds the address then.
                if let Some((session, _)) = draft.session {
                    let record = self.sessions.resolve(session).and_then(|slot| self.sessions.get(slot));
                    record
                        .filter(|r| r.state().is_live() && r.address() == draft.yiaddr)
                        .ok_or(DropReason::ClientLookup)?;
                }
                let payload = self.encode(reply, packet)?;
                self.send(Answer {
                    to: draft.to,
                    also_to: None,
                    message: packet.message_type().map(|_| draft.message),
                    payload,
                });
                Ok(())
            }
            Then::Bind { slot, change, identity } => {
                // While the exchange was parked the session may have ended, or storage may have failed.
                let slot = self.sessions.resolve(slot).ok_or(DropReason::ClientLookup)?;
                let record = self.sessions.get(slot).ok_or(DropReason::ClientLookup)?;
                if record.pending != 0 {
                    return Err(DropReason::Duplicate);
                }
                if !matches!(binding::next(record.state(), BindingEvent::Bind), Transition::To(_)) {
                    return Err(DropReason::ClientLookup);
                }
                let covered = self.is_covered(slot, &change, identity.as_ref());
                if let Some(reason) = self.cannot_write().filter(|_| !covered) {
                    return Err(reason);
                }
                let payload = self.encode(reply, packet)?;
                let message = packet.message_type().map(|_| draft.message);
                let answer = Answer { to: draft.to, also_to: None, message, payload };
                if covered {
                    self.renew_at_once(turn, slot, &change, identity.as_ref(), (state, answer));
                } else {
                    self.commit_bind(turn, slot, change, identity, state, answer);
                }
                Ok(())
            }
        }
    }

    /// Encodes into a pooled buffer.
    pub(crate) fn encode(&mut self, reply: &Reply, packet: &Packet<'_>) -> Result<Vec<u8>, DropReason> {
        let mut payload = self.buffer();
        let limits = match packet.message_type() {
            Some(_) => EncodeLimits::of(packet, MTU),
            None => EncodeLimits::of_bootp(packet, MTU),
        };
        match reply.encode(limits, &mut payload) {
            Ok(_) => {
                if !packet.has_cookie() {
                    bootp::clear_vendor(&mut payload);
                }
                Ok(payload)
            }
            Err(_) => {
                self.recycle(payload);
                Err(DropReason::EncodeError)
            }
        }
    }

    /// Header and options of an OFFER or ACK (RFC 2131 §4.3.1 table 3), in the order of the client's option 55.
    fn fill(&self, config: &Config, draft: &Draft, packet: &Packet<'_>, reply: &mut Reply) -> Outcome {
        let pool = self.pool_named(config, draft.served.instance, draft.pool).ok_or(DropReason::InvalidSubnet)?;
        begin(reply, packet, draft.message, draft.server_id)?;
        reply.yiaddr = draft.yiaddr;
        reply.ciaddr = draft.ciaddr;
        if draft.yiaddr.is_unspecified() && draft.ciaddr.is_unspecified() && !packet.giaddr().is_unspecified() {
            // Its relay has no address to send it to.
            reply.set_broadcast(true);
        }
        let attributes = Effective::of(config, draft.served, pool);
        reply.siaddr = attributes.next_server().unwrap_or(Ipv4Addr::UNSPECIFIED);
        fill_field(&mut reply.file, attributes.boot_file());
        fill_field(&mut reply.sname, attributes.boot_server());
        if let Some(secs) = draft.lease_secs {
            set(reply, OptionCode::IP_ADDRESS_LEASE_TIME, &secs.to_be_bytes())?;
            let [t1, t2] = attributes.timers(secs);
            for (code, timer) in [(OptionCode::RENEWAL_TIME, t1), (OptionCode::REBINDING_TIME, t2)] {
                if let Some(secs) = timer {
                    set(reply, code, &secs.to_be_bytes())?;
                }
            }
        }
        set(reply, OptionCode::SUBNET_MASK, &self.network_of(config, draft, pool).mask().octets())?;
        fill_authentication(reply, config, draft)?;
        fill_parameters(reply, &attributes, packet)?;
        // RFC 3011 §2: an identical copy, asked for or not; not where the option is ignored.
        let selects = draft.served.overrides(config).is_some_and(|overrides| !overrides.subnet_selection.is_empty());
        if selects && let Some(subnet) = packet.option(OptionCode::SUBNET_SELECTION) {
            set(reply, OptionCode::SUBNET_SELECTION, &subnet)?;
        }
        match (packet.message_type(), draft.message) {
            // RFC 4039 §4: in an ACK that answers a DISCOVER.
            (Some(MessageType::Discover), MessageType::Ack) => set(reply, OptionCode::RAPID_COMMIT, &[]),
            (None, _) => bootp::fill(reply, packet, draft.server_id),
            _ => Ok(()),
        }
    }

    /// The client's network. Who asks for parameters alone is in its own, whatever pool lends them (`process-inform pool`).
    fn network_of(&self, config: &Config, draft: &Draft, pool: &Pool) -> Prefix4 {
        if !draft.yiaddr.is_unspecified() || draft.ciaddr.is_unspecified() {
            return pool.network;
        }
        let own = self.pools.match_network(draft.served.instance, draft.ciaddr);
        own.and_then(|own| config.pool(own)).map_or(pool.network, |own| own.network)
    }

    /// What an OFFER says to a client that offers the nonce, or a token.
    pub(super) fn announce4(&mut self, packet: &Packet<'_>, reconfigure: &Reconfigure) -> Option<Auth> {
        if reconfigure.token.is_some() && offers_token(packet) {
            return Some(Auth::Token(self.next_replay()));
        }
        offers_nonce(packet).then_some(Auth::Capable)
    }

    /// What an ACK says; `starts`: the client has no nonce of us any more.
    pub(super) fn authenticate4(
        &mut self,
        packet: &Packet<'_>,
        slot: Slot,
        reconfigure: &Reconfigure,
        starts: bool,
    ) -> Option<Auth> {
        if reconfigure.token.is_some() && offers_token(packet) {
            return Some(Auth::Token(replay_of(self.change + 1, 0)));
        }
        let (nonce, told) = self.nonce_for(slot, packet, starts)?;
        Some(Auth::Nonce { nonce, told })
    }

    /// Marks a session whose exchange is parked: other requests of the client wait for it.
    fn set_hook_busy(&mut self, session: Option<(SlotRef, SessionId)>, busy: bool) {
        let slot = session.and_then(|(slot, _)| self.sessions.resolve(slot));
        if let Some(record) = slot.and_then(|slot| self.sessions.get_mut(slot)) {
            if busy {
                record.pending |= crate::engine::BUSY_HOOK;
            } else {
                record.pending &= !crate::engine::BUSY_HOOK;
            }
        }
    }

    /// The session's reference for a draft.
    pub(crate) fn session_ref(&self, slot: Slot) -> Option<(SlotRef, SessionId)> {
        Some((self.sessions.handle(slot)?, self.sessions.get(slot)?.id()))
    }
}

/// What every reply has: echoes, message type, server identifier.
pub(crate) fn begin(reply: &mut Reply, packet: &Packet<'_>, message: MessageType, server_id: Ipv4Addr) -> Outcome {
    reply.begin(packet, message).map_err(|_| DropReason::EncodeError)?;
    set(reply, OptionCode::SERVER_IDENTIFIER, &server_id.octets())
}

fn set(reply: &mut Reply, code: OptionCode, value: &[u8]) -> Outcome {
    reply.options.set(code, value).map_err(|_| DropReason::EncodeError)
}

/// Options 90 and 145 (RFC 3118 §4, RFC 6704 §3.1).
fn fill_authentication(reply: &mut Reply, config: &Config, draft: &Draft) -> Outcome {
    match draft.auth {
        None => Ok(()),
        Some(Auth::Capable) => set(reply, OptionCode::FORCERENEW_NONCE_CAPABLE, &[authentication::HMAC_MD5]),
        Some(Auth::Nonce { nonce, told: true }) => {
            set(reply, OptionCode::AUTHENTICATION, &authentication::nonce(nonce.replay, &nonce.value))
        }
        Some(Auth::Nonce { told: false, .. }) => Ok(()),
        Some(Auth::Token(replay)) => match draft.served.reconfigure(config).and_then(|r| r.token.as_deref()) {
            Some(token) => set(reply, OptionCode::AUTHENTICATION, &token_value(replay, token)),
            None => Ok(()),
        },
    }
}

/// The pool's options: those the client asked for, in its order (RFC 2132 §9.8); all of them when it has no
/// option 55.
fn fill_parameters(reply: &mut Reply, attributes: &Effective<'_>, packet: &Packet<'_>) -> Outcome {
    let Some(asked) = packet.option(OptionCode::PARAMETER_REQUEST_LIST) else {
        // RFC 8925 §3.3: option 108 goes only to a client that asked for it.
        for (code, value) in attributes.options().filter(|(code, _)| *code != OptionCode::IPV6_ONLY_PREFERRED) {
            set(reply, code, value)?;
        }
        return Ok(());
    };
    // RFC 3442: who gets option 121 is to get neither option 3 nor 33 beside it.
    let classless = asked.contains(&OptionCode::CLASSLESS_STATIC_ROUTE.0)
        && attributes.option(OptionCode::CLASSLESS_STATIC_ROUTE).is_some();
    let is_in_it = |code| matches!(code, OptionCode::ROUTER | OptionCode::STATIC_ROUTE);
    for code in asked.iter().copied().map(OptionCode).filter(|code| !(classless && is_in_it(*code))) {
        if let Some(value) = attributes.asked_option(code) {
            set(reply, code, value)?;
        }
    }
    Ok(())
}

fn fill_field(field: &mut [u8], value: Option<&[u8]>) {
    if let Some(value) = value
        && let Some(room) = field.get_mut(..value.len())
    {
        room.copy_from_slice(value);
    }
}

/// The lease of an attribute set on the wire.
pub(crate) fn longest_lease(attributes: &Effective<'_>) -> u32 {
    match attributes.lease() {
        Lease::Infinite => INFINITE,
        Lease::Secs(secs) => secs,
    }
}

/// The lease for a client: the pool's, or what it asked for when that is shorter (RFC 2131 §4.3.1).
pub(crate) fn lease_secs(attributes: &Effective<'_>, packet: &Packet<'_>) -> u32 {
    // RFC 1534 §2: a BOOTP client knows of no lease, so its address is for ever.
    if packet.message_type().is_none() {
        return INFINITE;
    }
    let longest = longest_lease(attributes);
    match packet.u32_option(OptionCode::IP_ADDRESS_LEASE_TIME) {
        Some(asked) => longest.min(asked.max(ASKED_LEASE_SECS_MIN)),
        None => longest,
    }
}

/// What of a lease its client is told: `asymmetric-lease-time` where that is shorter (junos.md §2.4).
pub(crate) fn told_secs(config: &Config, served: Served, lease_secs: u32) -> u32 {
    let most = served.overrides(config).and_then(|overrides| overrides.asymmetric_lease_secs);
    most.map_or(lease_secs, |most| most.min(lease_secs))
}

/// To the relay that forwarded the request (RFC 2131 §4.1). As in [`to_address`], the interface tells the routing instance
/// until the reply is sent.
pub(crate) fn to_relay(request: Request<'_>) -> Destination {
    let src = if request.meta.dst.is_broadcast() { Ipv4Addr::UNSPECIFIED } else { request.meta.dst };
    Destination::Udp { link: request.meta.link, src, dst: request.packet.giaddr(), port: 67 }
}

/// To a client that has its address and listens on it (RFC 2131 §4.1).
pub(crate) fn to_address(address: Ipv4Addr, src: Ipv4Addr, link: IfIndex) -> Destination {
    Destination::Udp { link, src, dst: address, port: 68 }
}

/// To a client that has no address yet: its MAC address, or broadcast where it cannot take unicast
/// (RFC 2131 §4.1).
pub(crate) fn to_newcomer(request: Request<'_>, class: &Class, yiaddr: Ipv4Addr) -> Destination {
    if request.is_relayed() {
        return to_relay(request);
    }
    let (link, src) = (class.index, class.local);
    match unicast_mac(request.packet.hw_addr()) {
        Some(mac) if !request.packet.is_broadcast() => Destination::Frame { link, mac, src, dst: yiaddr },
        _ => Destination::Frame { link, mac: MacAddr::BROADCAST, src, dst: Ipv4Addr::BROADCAST },
    }
}

/// A MAC address that names one station.
fn unicast_mac(hw: HwAddr) -> Option<MacAddr> {
    hw.mac().filter(|mac| mac.0[0] & 1 == 0 && mac.0 != [0; 6])
}
