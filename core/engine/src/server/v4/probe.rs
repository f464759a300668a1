//! The address probe before a DHCPOFFER: RFC 2131 §2.2, §3.1 step 2 and §4.4.1, in the form of RFC 5227 §2.1.1.
//!
//! Only direct clients are probed for: ARP reaches no client behind a relay. Renewals never are.

use super::{Request, steer::Admission};
use crate::{
    Engine,
    classify::Class,
    commit::{Change, Purpose},
    config::AddressProbe,
    engine::{QUARANTINE_SECS, Turn},
    event::{DropReason, Event},
    exchange::ExchangeState,
    history::Why,
    neighbour::{Arp, Probe, probe::Waiting},
    policy::Policy,
    reconfigure::flag,
    session::{ClientKey, Identity, IdentityBuf, Record, Slot, State},
};
use alloc::sync::Arc;
use bindery_types::{HwAddr, IfIndex, Ipv4Addr, MacAddr};
use bindery_wire::v4::{Packet, ParseRules};

/// Addresses that may be found in use for one DISCOVER; then its client has to come again.
const TRIES_MAX: u8 = 4;

/// Most waits that end in one turn; the next turn follows at once.
const ENDS_MAX: usize = 256;

impl Engine {
    /// What the client held before its DISCOVER was looked at; `None` where its group probes no addresses.
    pub(super) fn before_probe4(
        &self,
        request: &Request<'_>,
        class: &Class,
        key: &ClientKey<'_>,
    ) -> Option<(AddressProbe, Option<(State, Ipv4Addr)>)> {
        let probe = class.served.overrides(request.config)?.address_probe.filter(|_| !request.is_relayed())?;
        let found = self.find_client(class, key, request);
        let held = found.and_then(|slot| self.sessions.get(slot)).map(|record| (record.state(), record.address()));
        Some((probe, held))
    }

    /// Whether the OFFER of `slot` waits for an answer about its address; a retransmission joins one that waits.
    ///
    /// # Errors
    /// It is dropped: the OFFER under way serves it too.
    pub(super) fn probes4(
        &mut self,
        request: &Request<'_>,
        class: &Class,
        slot: Slot,
        (probe, held): (AddressProbe, Option<(State, Ipv4Addr)>),
    ) -> Result<bool, DropReason> {
        let (Some(handle), Some(record)) = (self.sessions.handle(slot), self.sessions.get(slot)) else {
            return Err(DropReason::ClientLookup);
        };
        let (state, address) = (record.state(), record.address());
        if self.neighbours.probing.join(handle, address, request.meta, request.packet.bytes()) {
            return Err(DropReason::Duplicate);
        }
        if let Some((before, at)) = held
            && at == address
            && (before.is_live() || !probe.returning)
        {
            return Ok(false);
        }
        if state != State::Offered || self.sender_on(class.index).is_none() {
            return Ok(false);
        }
        let waiting = Waiting {
            handle,
            link: class.index,
            address,
            client: request.packet.hw_addr().mac(),
            meta: request.meta,
            request: request.packet.bytes().into(),
            grant: request.grant.cloned(),
            probe,
            sent: 1,
            deadline: request.turn.now.mono.plus(probe.timeout()),
            tries: self.neighbours.probing.tries,
            why: self.origin.why,
        };
        if !self.neighbours.probing.insert(waiting) {
            self.count_neighbour(class.index, |counters| &mut counters.probes_skipped);
            return Ok(false);
        }
        self.ask_for(class.index, address);
        Ok(true)
    }

    /// Our hardware address on an interface.
    fn sender_on(&self, link: IfIndex) -> Option<MacAddr> {
        self.links.get(link)?.link.mac
    }

    /// Sends an ARP probe (RFC 5227 §2.1.1: sender address 0.0.0.0, broadcast).
    fn ask_for(&mut self, link: IfIndex, target: Ipv4Addr) {
        let Some(sender_mac) = self.sender_on(link) else { return };
        let (to, sender_ip) = (MacAddr::BROADCAST, Ipv4Addr::UNSPECIFIED);
        self.count_neighbour(link, |counters| &mut counters.address_probes);
        self.outbox.probes.push(Probe { link, to, sender_mac, sender_ip, target });
    }

    /// Ends the waits that are over: another request is sent, or nobody has answered and the OFFER leaves.
    pub(crate) fn expire_probes(&mut self, turn: Turn, policy: &mut dyn Policy) {
        for _ in 0..ENDS_MAX {
            let Some(slot) = self.neighbours.probing.first_due(turn.now.mono) else { return };
            if let Some((link, address)) = self.neighbours.probing.again(slot, turn.now.mono) {
                self.ask_for(link, address);
            } else if let Some(waiting) = self.neighbours.probing.take(slot) {
                match self.waits_still(&waiting) {
                    Some(_) => self.resume_probed4(turn, &waiting, policy),
                    None => {
                        self.begin_exchange(&waiting.meta);
                        self.dropped_for(DropReason::ClientLookup);
                    }
                }
            }
        }
    }

    /// The offer of an exchange that waits, as long as it is that: it may have been bound, taken back or cleared.
    fn waits_still(&self, waiting: &Waiting) -> Option<(Slot, Record)> {
        let slot = self.sessions.resolve(waiting.handle)?;
        let record = *self.sessions.get(slot)?;
        let waits = record.state() == State::Offered && record.pending == 0 && record.address() == waiting.address;
        waits.then_some((slot, record))
    }

    /// An ARP packet may be the answer to a probe: another host has the address, or probes for it too
    /// (RFC 5227 §2.1.1). The client itself may have kept it.
    pub(crate) fn probe_answered4(&mut self, turn: Turn, arp: Arp, policy: &mut dyn Policy) {
        if self.neighbours.probing.is_empty() {
            return;
        }
        let claimed = if arp.sender_ip.is_unspecified() { arp.target_ip } else { arp.sender_ip };
        let Some(waiting) = self.neighbours.probing.about(arp.link, claimed) else { return };
        if waiting.client == Some(arp.sender_mac) || self.sender_on(arp.link) == Some(arp.sender_mac) {
            return;
        }
        let slot = waiting.handle.slot;
        let Some(waiting) = self.neighbours.probing.take(slot) else { return };
        self.begin_exchange(&waiting.meta);
        self.because(Why::AddressInUse);
        let Some((slot, record)) = self.waits_still(&waiting) else {
            return self.dropped_for(DropReason::ClientLookup);
        };
        self.lapse_offer(slot);
        // Whoever had it before its lease ran out does not get it back.
        self.forget_grace(slot);
        if self.rings.store_down {
            return self.dropped_for(DropReason::StoreFault);
        }
        if !self.rings.has_room() {
            return self.dropped_for(DropReason::Overload);
        }
        self.quarantine_of(turn, &record, arp);
        if waiting.tries + 1 >= TRIES_MAX {
            return self.dropped_for(DropReason::AddressInUse);
        }
        self.neighbours.probing.tries = waiting.tries + 1;
        self.resume_probed4(turn, &waiting, policy);
        self.neighbours.probing.tries = 0;
    }

    /// Takes the DISCOVER up again from its start.
    fn resume_probed4(&mut self, turn: Turn, waiting: &Waiting, policy: &mut dyn Policy) {
        let config = Arc::clone(&self.config);
        // It parsed once; the rules only decide about a missing end option.
        let outcome = match Packet::parse(&waiting.request, ParseRules { allow_no_end_option: true }) {
            Ok(packet) => {
                let (admission, grant) = (Admission::default(), waiting.grant.as_ref());
                self.begin_exchange(&waiting.meta);
                self.know_packet(&packet);
                let request = Request { packet: &packet, meta: waiting.meta, turn, config: &config, admission, grant };
                self.neighbours.probing.why = Some(waiting.why);
                let outcome = self.dispatch4(request, policy);
                self.neighbours.probing.why = None;
                outcome
            }
            Err(error) => Err(DropReason::from(&error)),
        };
        if let Err(reason) = outcome {
            self.dropped_by(reason, policy.decider());
        }
    }

    /// Holds an address that a foreign host has, as after a DHCPDECLINE (RFC 2131 §4.3.3): under the host's hardware
    /// address, so that the operator sees whom to look for.
    fn quarantine_of(&mut self, turn: Turn, offer: &Record, arp: Arp) {
        let until = turn.lease.plus_secs(QUARANTINE_SECS);
        let (instance, address) = (offer.instance(), offer.address());
        let id = self.next_session_id();
        let mut record = Record::new(id, instance, offer.scope(), State::Declined, address).on_link(offer.link());
        (record.start, record.changed, record.cltt) = (turn.lease, turn.lease, turn.lease);
        (record.end, record.pool, record.group, record.server_id) = (until, offer.pool, offer.group, offer.server_id);
        record.flags = flag::OF_A_HOST;
        let hw = HwAddr::from(arp.sender_mac);
        let mut identity = IdentityBuf::new();
        let placed = identity
            .set(&Identity { hw, ..Identity::default() })
            .ok()
            .and_then(|()| self.sessions.insert(record, &identity).ok());
        // The table is full, at worst: the address is free again, and found in use again.
        let Some(slot) = placed else { return };
        self.pools.quarantine(instance, address);
        self.sessions.schedule(slot, until);
        let wait = (ExchangeState::AwaitCommit, None, None);
        self.commit(turn, Purpose::End, slot, Change::of(&record), Some(identity), wait);
        self.count_neighbour(arp.link, |counters| &mut counters.addresses_in_use);
        let of = self.exchange_id();
        self.outbox.events.push(Event::AddressInUse { link: arp.link, mac: arp.sender_mac, address, until, of });
    }
}
