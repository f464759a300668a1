//! Overload and abuse: what is shed before it costs anything.
//!
//! A packet passes up to three token buckets before it is parsed: of its client, of its circuit, of its interface. Of the
//! interface's bucket the last quarter is for REQUEST, DECLINE and RELEASE, so that a flood of DISCOVERs leaves room
//! for renewals. None of them is on by default.
//!
//! Offers are what a flood of made-up clients costs memory and addresses for. They are bounded, per interface and in all;
//! the oldest lapses for a new one, since its client has most likely gone: a REQUEST that comes late still gets the address
//! where nobody else has it. From half of an interface's bound on, its DISCOVERs are taken at [`GUARD`]'s rate alone,
//! and the rest is dropped unparsed.

mod bucket;
mod offers;
mod peek;

use crate::{
    Engine,
    classify::Class,
    config::{Config, Rate},
    engine::Turn,
    event::DropReason,
    input::RxMeta,
    session::{Slot, State},
};
pub(crate) use bucket::Bucket;
use bucket::Buckets;
use offers::{Offer, Offers};
pub use peek::is_urgent;
use peek::{Kind, peek};

/// Most offers of all interfaces together.
pub const OFFERS_MAX: u32 = 131_072;

/// DISCOVERs of one interface that are taken while half of its offers are open.
pub const GUARD: Rate = Rate { per_sec: 500, burst: 64 };

/// Oldest offers that are looked at to make room for one: those whose exchange is running stay.
const LAPSE_TRIES: usize = 8;

/// What is shed, and the offers.
#[derive(Debug)]
pub(crate) struct Overload {
    hash_seed: u64,
    /// Made when first needed.
    clients: Option<Buckets>,
    circuits: Option<Buckets>,
    offers: Offers,
}

impl Overload {
    pub(crate) fn new(hash_seed: u64) -> Self {
        Self { hash_seed, clients: None, circuits: None, offers: Offers::default() }
    }

    /// Makes the tables that `config` needs, so that no packet has to.
    pub(crate) fn configure(&mut self, config: &Config) {
        let any = |wants: fn(&crate::config::Overload) -> bool| {
            config.instances.iter().any(|instance| wants(&instance.server.overload))
        };
        let seed = self.hash_seed;
        let keep = |table: &mut Option<Buckets>, wanted: bool, salt: u64| match wanted {
            true if table.is_none() => *table = Some(Buckets::new(seed ^ salt)),
            true => {}
            false => *table = None,
        };
        keep(&mut self.clients, any(|o| o.per_client.is_some()), 1);
        keep(&mut self.circuits, any(|o| o.per_circuit.is_some()), 2);
    }
}

impl Engine {
    /// Sheds what is too much, before it is parsed.
    ///
    /// # Errors
    /// The packet is dropped.
    pub(crate) fn shed4(&mut self, turn: Turn, meta: RxMeta, bytes: &[u8], config: &Config) -> Result<(), DropReason> {
        let link = self.links.get(meta.link);
        let name = link.filter(|link| link.served.is_some()).map(|link| link.name);
        let limits = &config.server(self.instance_of(&meta)).overload;
        let guarded = name.filter(|name| self.sessions.offered_on_link(*name) > limits.half_open_limit / 2);
        if !limits.has_rates() && guarded.is_none() {
            return Ok(());
        }
        let now = turn.now.mono.0;
        let seen = peek(bytes, limits.per_circuit.is_some());
        if let Some(seen) = seen {
            if let (Some(rate), Some(table)) = (limits.per_client, &mut self.overload.clients)
                && !table.take((meta.link, seen.giaddr, seen.hw), now, rate)
            {
                return Err(DropReason::RateClient);
            }
            let has_circuit = seen.giaddr != [0; 4] || !seen.circuit_id.is_empty();
            if let (Some(rate), Some(table), true) = (limits.per_circuit, &mut self.overload.circuits, has_circuit)
                && !table.take((meta.link, seen.giaddr, seen.circuit_id), now, rate)
            {
                return Err(DropReason::RateCircuit);
            }
        }
        let kind = seen.map_or(Kind::Other, |seen| seen.kind);
        if let Some(rate) = limits.per_interface {
            let reserve = if kind == Kind::Urgent { 0 } else { rate.burst / 4 };
            let bucket = self.links.get_mut(meta.link).map(|link| &mut link.bucket);
            if bucket.is_some_and(|bucket| !bucket.take(now, rate, reserve)) {
                return Err(DropReason::RateInterface);
            }
        }
        if let (Some(name), Kind::Discover) = (guarded, kind)
            && !self.overload.offers.guard(name).take(now, GUARD, 0)
        {
            return Err(DropReason::OfferLimit);
        }
        Ok(())
    }

    /// Makes room for one more offer: the oldest lapses where there are too many.
    ///
    /// # Errors
    /// All that could lapse are being answered.
    pub(crate) fn make_room_for_offer(&mut self, config: &Config, class: &Class) -> Result<(), DropReason> {
        let limit = config.server(class.instance).overload.half_open_limit.max(1);
        if self.sessions.offered_on_link(class.link) >= limit && !self.lapse_oldest(Some(class.link)) {
            return Err(DropReason::OfferLimit);
        }
        if self.sessions.count_of(State::Offered) >= OFFERS_MAX && !self.lapse_oldest(None) {
            return Err(DropReason::OfferLimit);
        }
        Ok(())
    }

    /// Ends the oldest offer; whether there was one that could end.
    fn lapse_oldest(&mut self, link: Option<crate::session::NameId>) -> bool {
        let mut tries = 0;
        while tries < LAPSE_TRIES
            && let Some(offer) = self.overload.offers.pop(link)
        {
            let Some(slot) = self.offered(&offer) else { continue };
            if self.sessions.get(slot).is_some_and(|record| record.pending == 0) {
                self.lapse_offer(slot);
                return true;
            }
            tries += 1;
        }
        false
    }

    /// The session of an offer that still stands.
    fn offered(&self, (handle, made): &Offer) -> Option<Slot> {
        let slot = self.sessions.resolve(*handle)?;
        let record = self.sessions.get(slot)?;
        (record.state() == State::Offered && record.start == *made).then_some(slot)
    }

    /// Remembers a new offer.
    pub(crate) fn remember_offer(&mut self, slot: Slot) {
        let (Some(handle), Some(record)) = (self.sessions.handle(slot), self.sessions.get(slot)) else { return };
        let (link, offer) = (record.link(), (handle, record.start));
        let of_link = self.sessions.offered_on_link(link) as usize;
        let counts = (self.sessions.count_of(State::Offered) as usize, of_link);
        let mut offers = core::mem::take(&mut self.overload.offers);
        offers.push(link, offer, counts, |offer| self.offered(offer).is_some());
        self.overload.offers = offers;
    }

    /// Panics where the bounds of this module are broken: for tests and simulation.
    pub(crate) fn check_offers(&self) {
        let offered = self.sessions.count_of(State::Offered);
        assert!(offered <= OFFERS_MAX, "too many offers");
        assert!(self.overload.offers.len() <= 2 * OFFERS_MAX as usize + 65, "stale offers are not forgotten");
    }
}
