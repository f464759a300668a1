//! DHCPLEASEQUERY: RFC 4388, one query by UDP. It reads the session table and changes nothing.
//!
//! Told are durable bindings only: an offer is none. The query's giaddr is where the answer goes, and no more than that
//! (RFC 4388 §6.3); who may know what is up to the groups and their `leasequery` chains. The options that are not
//! sensitive (RFC 4388 §6.4.2) are those of the pool, and of what the client and its relay sent 60, 61 and 82.

use super::{Outcome, Request, reply};
use crate::{
    Engine,
    commit::Answer,
    config::{Config, Group, Pool},
    event::DropReason,
    policy::{Leasequery, LeasequeryVerdict, Policy, QueryKey, Stage},
    session::{ClientKey, Identity, Record, Slot, State},
};
use alloc::borrow::Cow;
use bindery_types::{HwAddr, InstanceId, Ipv4Addr, LeaseTime};
use bindery_wire::v4::{MessageType, OptionCode, Packet, Reply};

/// Most addresses in option 92: the most recently used ones.
const ASSOCIATED_MAX: usize = 16;

/// Most bindings of one client that are asked about, the most recently used ones: each costs a call of the chain.
const CANDIDATES_MAX: usize = 64;

/// Most sessions of one hardware address that are looked at, the youngest ones: broken devices share an address.
const VISITS_MAX: usize = 1_024;

/// What a query asks about. Exactly one of the three (RFC 4388 §6.3).
enum Key<'p> {
    Address(Ipv4Addr),
    Mac(HwAddr),
    ClientId(Cow<'p, [u8]>),
}

impl Key<'_> {
    const fn kind(&self) -> QueryKey {
        match self {
            Self::Address(_) => QueryKey::Address,
            Self::Mac(_) => QueryKey::Mac,
            Self::ClientId(_) => QueryKey::ClientId,
        }
    }
}

/// What the requestor is told (RFC 4388 §6.4).
enum Told {
    Active(Slot, Associated),
    Unassigned,
    Unknown,
}

/// The value of option 92, built without allocation.
struct Associated {
    bytes: [u8; 4 * ASSOCIATED_MAX],
    len: usize,
}

impl Associated {
    const fn new() -> Self {
        Self { bytes: [0; 4 * ASSOCIATED_MAX], len: 0 }
    }

    fn push(&mut self, address: Ipv4Addr) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + 4) {
            room.copy_from_slice(&address.octets());
            self.len += 4;
        }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Bindings of one client, the most recently used first; the oldest give way.
struct Candidates {
    kept: [Option<(LeaseTime, u64, Slot)>; CANDIDATES_MAX],
}

impl Candidates {
    const fn new() -> Self {
        Self { kept: [None; CANDIDATES_MAX] }
    }

    fn add(&mut self, record: &Record, slot: Slot) {
        if self.iter().any(|known| known == slot) {
            return;
        }
        // Two of one second: the later change wins.
        let mut new = Some((record.cltt, record.change, slot));
        for place in &mut self.kept {
            if *place < new {
                core::mem::swap(place, &mut new);
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = Slot> + '_ {
        self.kept.iter().map_while(|kept| kept.map(|(_, _, slot)| slot))
    }
}

impl Engine {
    /// Answers a query, whatever interface it comes in on and whether or not storage works: memory is what it has.
    pub(super) fn leasequery4(&mut self, request: Request<'_>, policy: &mut dyn Policy) -> Outcome {
        let instance = self.instance_of(&request.meta);
        if !request.config.groups.iter().any(|group| group.instance == instance && group.allow_leasequery) {
            return Err(DropReason::LeasequeryNotAllowed);
        }
        // RFC 4388 §6.4.3: without giaddr the server must not reply.
        if !request.is_relayed() {
            return Err(DropReason::LeasequeryNoGiaddr);
        }
        let key = query_key(request.packet)?;
        let local = self.local_to_requestor(&request)?;
        let told = self.look_up4(&request, instance, &key, policy);
        let mut reply = core::mem::take(&mut self.reply);
        let built = self.tell(&request, &told, local, &mut reply).and_then(|()| self.encode(&reply, request.packet));
        self.reply = reply;
        let message = message_of(&told);
        self.send(Answer { to: reply::to_relay(request), also_to: None, message: Some(message), payload: built? });
        Ok(())
    }

    /// Our address as the requestor knows it.
    fn local_to_requestor(&self, request: &Request<'_>) -> Result<Ipv4Addr, DropReason> {
        if self.links.is_to_us(&request.meta) {
            return Ok(request.meta.dst);
        }
        let link = self.links.get(request.meta.link).ok_or(DropReason::NoLocalAddress)?;
        let served = link.served.and_then(|served| served.local);
        served.or_else(|| link.link.addresses.first().map(|a| a.address)).ok_or(DropReason::NoLocalAddress)
    }

    /// Finds what to tell: RFC 4388 §6.4.1.
    fn look_up4(&self, request: &Request<'_>, instance: InstanceId, key: &Key<'_>, policy: &mut dyn Policy) -> Told {
        let mut candidates = Candidates::new();
        let live = |slot: Slot| self.live_binding(request, instance, slot).map(|record| (slot, record));
        match key {
            Key::Address(address) => match self.sessions.find_by_address(instance, *address).and_then(live) {
                Some((slot, record)) => candidates.add(record, slot),
                None if self.pools.pool_of(instance, *address).is_some() => return Told::Unassigned,
                None => return Told::Unknown,
            },
            Key::Mac(hw) => {
                let known = self.sessions.by_hw(hw).take(VISITS_MAX).filter_map(live);
                known.for_each(|(slot, record)| candidates.add(record, slot));
            }
            Key::ClientId(id) => {
                for slot in self.of_client_id(request.config, instance, id) {
                    if let Some((slot, record)) = live(slot) {
                        candidates.add(record, slot);
                    }
                }
            }
        }
        let mut told = None;
        let mut others = Associated::new();
        for slot in candidates.iter().filter(|slot| self.may_know(request, *slot, key.kind(), policy)) {
            if told.is_none() {
                told = Some(slot);
            } else if let Some(record) = self.sessions.get(slot) {
                others.push(record.address());
            }
            if others.len == others.bytes.len() {
                break;
            }
        }
        told.map_or(Told::Unknown, |slot| Told::Active(slot, others))
    }

    /// The sessions of a client identifier, which is unique in each network only; one session may come up twice, where
    /// linked pools share a network. A network that the configuration no longer has is not looked in.
    fn of_client_id<'s>(
        &'s self,
        config: &'s Config,
        instance: InstanceId,
        id: &'s [u8],
    ) -> impl Iterator<Item = Slot> + 's {
        let here = config.pools.iter().filter(move |pool| pool.instance == instance);
        let key = ClientKey::ClientId(id);
        here.flat_map(move |pool| self.sessions.all_of_client(instance, pool.network.address(), &key))
    }

    /// The record of a binding of this instance that is in force. One that has run out and waits for its write is not.
    fn live_binding(&self, request: &Request<'_>, instance: InstanceId, slot: Slot) -> Option<&Record> {
        let record = self.sessions.get(slot)?;
        let over = self.clock.may_expire() && record.end < request.turn.lease;
        (record.instance() == instance && record.state() == State::Bound && !over).then_some(record)
    }

    /// Whether the requestor may know of a binding: its group allows leasequery, and the chain does not refuse.
    fn may_know(&self, request: &Request<'_>, slot: Slot, key: QueryKey, policy: &mut dyn Policy) -> bool {
        let (Some(record), Some(subject)) = (self.sessions.get(slot), self.subject_of(slot)) else {
            return false;
        };
        let Some((at, group)) = self.group_of(request.config, record) else {
            return false;
        };
        if !group.allow_leasequery {
            return false;
        }
        // The interface's own chain stands in for the group's, as at every stage.
        let served = self.links.by_name(record.link()).and_then(|link| link.served);
        let served = served.filter(|served| usize::from(served.group.0) == at);
        let chain = match served {
            Some(served) => served.chain(request.config, Stage::Leasequery),
            None => group.chains.get(Stage::Leasequery).unwrap_or_default(),
        };
        if chain.is_empty() {
            return true;
        }
        let question = Leasequery { subject, requestor: request.packet.giaddr(), source: request.meta.src, key };
        policy.leasequery(request.turn.now, chain, &question) == LeasequeryVerdict::Answer
    }

    /// The configured group that serves a session, with its number.
    fn group_of<'c>(&self, config: &'c Config, record: &Record) -> Option<(usize, &'c Group)> {
        let id = *self.group_ids.get(&(record.instance(), record.group))?;
        Some((usize::from(id.0), config.group(id)?))
    }

    /// Header and options of the answer (RFC 4388 §6.4.2).
    fn tell(&self, request: &Request<'_>, told: &Told, local: Ipv4Addr, reply: &mut Reply) -> Outcome {
        let packet = request.packet;
        reply::begin(reply, packet, message_of(told), local)?;
        // What the binding has, not what the query said: LEASEUNASSIGNED and LEASEUNKNOWN have no other options.
        reply.options.remove(OptionCode::CLIENT_IDENTIFIER);
        reply.options.remove(OptionCode::RELAY_AGENT_INFORMATION);
        reply.ciaddr = packet.ciaddr();
        let Told::Active(slot, others) = told else {
            return Ok(());
        };
        let record = self.sessions.get(*slot).ok_or(DropReason::ClientLookup)?;
        let identity = self.sessions.identity(*slot).ok_or(DropReason::ClientLookup)?;
        let pool = self.pool_named(request.config, record.instance(), record.pool);
        reply.ciaddr = record.address();
        reply.chaddr = identity.hw;
        if !record.server_id.is_unspecified() {
            // RFC 4388 §6.4.2: the values that the client was given.
            set(reply, OptionCode::SERVER_IDENTIFIER, &record.server_id.octets())?;
        }
        set_known(reply, OptionCode::CLIENT_IDENTIFIER, identity.client_id)?;
        // RFC 4388 §6.4.2: option 92 goes whether or not it was asked for.
        set_known(reply, OptionCode::ASSOCIATED_IP, others.bytes())?;
        let binding = Binding { record, identity, pool, now: request.turn.lease };
        match packet.option(OptionCode::PARAMETER_REQUEST_LIST) {
            Some(asked) => asked.iter().try_for_each(|code| binding.set(reply, OptionCode(*code))),
            None => binding.set_default(reply),
        }
    }
}

/// A binding as it is told.
struct Binding<'a> {
    record: &'a Record,
    identity: Identity<'a>,
    /// Where its address came from, when the configuration still has that.
    pool: Option<&'a Pool>,
    now: LeaseTime,
}

impl Binding<'_> {
    /// Sets an option of the query's option 55, if there is a value for it and the requestor may have it.
    fn set(&self, reply: &mut Reply, code: OptionCode) -> Outcome {
        match code {
            OptionCode::IP_ADDRESS_LEASE_TIME => set(reply, code, &self.lease_secs().to_be_bytes()),
            OptionCode::RENEWAL_TIME | OptionCode::REBINDING_TIME => match self.timer_secs(code) {
                Some(secs) => set(reply, code, &secs.to_be_bytes()),
                None => Ok(()),
            },
            OptionCode::CLIENT_LAST_TRANSACTION_TIME => {
                let ago = u32::try_from(self.record.cltt.secs_until(self.now)).unwrap_or(u32::MAX);
                set(reply, code, &ago.to_be_bytes())
            }
            OptionCode::RELAY_AGENT_INFORMATION => set_known(reply, code, self.identity.relay_info),
            OptionCode::VENDOR_CLASS if self.pool_option(code).is_none() => {
                set_known(reply, code, self.identity.vendor_class)
            }
            OptionCode::SUBNET_MASK => match self.pool {
                Some(pool) => set(reply, code, &pool.network.mask().octets()),
                None => Ok(()),
            },
            // They stand in every answer, and are not the pool's to say.
            OptionCode::DHCP_MESSAGE_TYPE
            | OptionCode::SERVER_IDENTIFIER
            | OptionCode::CLIENT_IDENTIFIER
            | OptionCode::ASSOCIATED_IP => Ok(()),
            _ => match self.pool_option(code) {
                Some(value) => set(reply, code, value),
                None => Ok(()),
            },
        }
    }

    /// Without option 55: what a client's DHCPREQUEST without one gets (RFC 4388 §6.2), with option 82 as its relay got
    /// it, and the time of the last transaction, by which answers of several servers are compared (RFC 4388 §6.8).
    fn set_default(&self, reply: &mut Reply) -> Outcome {
        let codes = [
            OptionCode::IP_ADDRESS_LEASE_TIME,
            OptionCode::RENEWAL_TIME,
            OptionCode::REBINDING_TIME,
            OptionCode::SUBNET_MASK,
            OptionCode::CLIENT_LAST_TRANSACTION_TIME,
            OptionCode::RELAY_AGENT_INFORMATION,
        ];
        codes.into_iter().try_for_each(|code| self.set(reply, code))?;
        let options = self.pool.map_or(&[][..], |pool| &pool.attributes.options);
        // RFC 8925 §3.3: option 108 goes only to whoever asks for it.
        let unasked = options.iter().filter(|(code, _)| *code != OptionCode::IPV6_ONLY_PREFERRED);
        unasked.into_iter().try_for_each(|(code, _)| self.set(reply, *code))
    }

    fn pool_option(&self, code: OptionCode) -> Option<&[u8]> {
        let options = &self.pool?.attributes.options;
        let at = options.binary_search_by_key(&code, |(code, _)| *code).ok()?;
        options.get(at).map(|(_, value)| &**value)
    }

    /// Seconds left of the lease.
    fn lease_secs(&self) -> u32 {
        match self.record.end {
            LeaseTime::NEVER => u32::MAX,
            end => u32::try_from(self.now.secs_until(end)).unwrap_or(u32::MAX - 1),
        }
    }

    /// Seconds left until T1 or T2, counted from the last ACK; `None` when that is past (RFC 4388 §6.4.2).
    fn timer_secs(&self, code: OptionCode) -> Option<u32> {
        let attributes = &self.pool?.attributes;
        let timer = if code == OptionCode::RENEWAL_TIME { attributes.t1 } else { attributes.t2 };
        // An infinite lease has more seconds than fit, and no timers.
        let granted = u32::try_from(self.record.cltt.secs_until(self.record.end)).ok()?;
        let due = self.record.cltt.plus_secs(u64::from(timer.secs_of(granted)?));
        u32::try_from(self.now.secs_until(due)).ok().filter(|left| *left > 0)
    }
}

/// What the query asks about.
fn query_key<'p>(packet: &Packet<'p>) -> Result<Key<'p>, DropReason> {
    let address = Some(packet.ciaddr()).filter(|address| !address.is_unspecified());
    // Some requestors fill in type and length of an address of zeros.
    let mac = Some(packet.hw_addr()).filter(|hw| hw.as_bytes().iter().any(|byte| *byte != 0));
    match (address, mac, packet.option(OptionCode::CLIENT_IDENTIFIER)) {
        (Some(address), None, None) => Ok(Key::Address(address)),
        (None, Some(hw), None) => Ok(Key::Mac(hw)),
        (None, None, Some(id)) if !id.is_empty() => Ok(Key::ClientId(id)),
        _ => Err(DropReason::LeasequeryMalformed),
    }
}

const fn message_of(told: &Told) -> MessageType {
    match told {
        Told::Active(..) => MessageType::LeaseActive,
        Told::Unassigned => MessageType::LeaseUnassigned,
        Told::Unknown => MessageType::LeaseUnknown,
    }
}

fn set(reply: &mut Reply, code: OptionCode, value: &[u8]) -> Outcome {
    reply.options.set(code, value).map_err(|_| DropReason::EncodeError)
}

/// Sets an option that the client or its relay may not have sent.
fn set_known(reply: &mut Reply, code: OptionCode, value: &[u8]) -> Outcome {
    if value.is_empty() { Ok(()) } else { set(reply, code, value) }
}
