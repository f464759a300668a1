//! OFFERs that wait until nobody answers for their address (RFC 2131 §3.1 step 2).
//!
//! The table only; `server/v4/probe.rs` decides. The request is kept, and taken up again from its start when the wait is
//! over: so all that could have happened meanwhile is judged anew.

use crate::session::Slot;
use crate::{access::Granted, config::AddressProbe, engine::State64, history::Why, input::RxMeta, session::SlotRef};
use alloc::{boxed::Box, collections::BTreeSet};
use bindery_types::{IfIndex, Ipv4Addr, MacAddr, Mono};
use hashbrown::HashMap;

/// Most OFFERs that wait at once. When it is full, a further one leaves without a probe and is counted: a client is better
/// served late in finding a conflict (RFC 2131 §3.1 step 5, DHCPDECLINE) than not at all.
pub const PROBES_MAX: usize = 4_096;

/// An OFFER that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) handle: SlotRef,
    /// Where it was asked.
    pub(crate) link: IfIndex,
    pub(crate) address: Ipv4Addr,
    /// The client's own hardware address: its answer is no conflict.
    pub(crate) client: Option<MacAddr>,
    pub(crate) meta: RxMeta,
    pub(crate) request: Box<[u8]>,
    pub(crate) grant: Option<Granted>,
    pub(crate) probe: AddressProbe,
    /// Requests sent so far.
    pub(crate) sent: u8,
    pub(crate) deadline: Mono,
    /// Addresses found in use for this DISCOVER before.
    pub(crate) tries: u8,
    /// Why it is this address.
    pub(crate) why: Why,
}

/// Those that wait, one a session.
#[derive(Debug, Default)]
pub(crate) struct Probing {
    entries: HashMap<Slot, Waiting, State64>,
    by_address: HashMap<(IfIndex, Ipv4Addr), Slot, State64>,
    deadlines: BTreeSet<(Mono, Slot)>,
    /// Addresses found in use for the DISCOVER that is being taken up again.
    pub(crate) tries: u8,
    /// Why the address of that DISCOVER was chosen: its offer was made before the probe, and goes on with it.
    pub(crate) why: Option<Why>,
}

impl Probing {
    /// Puts one in; whether there was room.
    pub(crate) fn insert(&mut self, waiting: Waiting) -> bool {
        let slot = waiting.handle.slot;
        self.take(slot);
        let at = (waiting.link, waiting.address);
        // An address has one holder: whose offer waited for it before has lost it meanwhile.
        if let Some(former) = self.by_address.get(&at).copied() {
            self.take(former);
        }
        if self.entries.len() >= PROBES_MAX {
            return false;
        }
        self.by_address.insert(at, slot);
        self.deadlines.insert((waiting.deadline, slot));
        self.entries.insert(slot, waiting);
        true
    }

    /// Takes one out.
    pub(crate) fn take(&mut self, slot: Slot) -> Option<Waiting> {
        let waiting = self.entries.remove(&slot)?;
        self.by_address.remove(&(waiting.link, waiting.address));
        self.deadlines.remove(&(waiting.deadline, slot));
        Some(waiting)
    }

    /// A retransmission takes the place of what the client sent before: it goes by its newest xid. Whether one waits for
    /// `address`: who waited for another one has lost that offer meanwhile.
    pub(crate) fn join(&mut self, handle: SlotRef, address: Ipv4Addr, meta: RxMeta, request: &[u8]) -> bool {
        let same = |waiting: &&mut Waiting| waiting.handle == handle && waiting.address == address;
        match self.entries.get_mut(&handle.slot).filter(same) {
            Some(waiting) => {
                waiting.request = request.into();
                waiting.meta = meta;
                true
            }
            None => false,
        }
    }

    /// The one that waits for an answer about `address`.
    pub(crate) fn about(&self, link: IfIndex, address: Ipv4Addr) -> Option<&Waiting> {
        self.entries.get(self.by_address.get(&(link, address))?)
    }

    /// The one whose deadline has passed longest ago.
    pub(crate) fn first_due(&self, now: Mono) -> Option<Slot> {
        let (at, slot) = self.deadlines.first()?;
        (*at <= now).then_some(*slot)
    }

    /// Counts another request of `slot` and waits for its answer; `None` when it has sent all of them.
    pub(crate) fn again(&mut self, slot: Slot, now: Mono) -> Option<(IfIndex, Ipv4Addr)> {
        let waiting = self.entries.get_mut(&slot).filter(|waiting| waiting.sent < waiting.probe.attempts)?;
        waiting.sent += 1;
        self.deadlines.remove(&(waiting.deadline, slot));
        waiting.deadline = now.plus(waiting.probe.timeout());
        self.deadlines.insert((waiting.deadline, slot));
        Some((waiting.link, waiting.address))
    }

    pub(crate) fn next_deadline(&self) -> Option<Mono> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Panics where a rule is broken: for tests and simulation.
    pub(crate) fn check_invariants(&self) {
        assert!(self.entries.len() <= PROBES_MAX);
        assert_eq!(self.entries.len(), self.by_address.len(), "one entry an address");
        assert_eq!(self.entries.len(), self.deadlines.len(), "one deadline an entry");
    }
}
