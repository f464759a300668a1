//! What the segments of direct clients tell beside DHCP: who answers for an address (ARP, RFC 826), and which other
//! servers are there.
//!
//! `probe` asks for an address before it is offered (RFC 2131 §4.4.1, RFC 5227 §2.1), `liveness` asks whether bound
//! clients are still there, `rogue` notes foreign DHCP servers. What is asked leaves by `Outbox::probes`, what is heard
//! comes as `Input::Arp` and `Input::ServerMessage4`.

pub mod liveness;
pub(crate) mod probe;
pub mod rogue;
pub mod settings;

use crate::{Engine, engine::Turn, policy::Policy};
use bindery_types::{IfIndex, Ipv4Addr, MacAddr, Mono};
use core::time::Duration;
pub use probe::PROBES_MAX;

/// An ARP request to send (RFC 826). Its target hardware address is zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Probe {
    /// Outgoing interface.
    pub link: IfIndex,
    /// Receiver of the frame: broadcast, or the client.
    pub to: MacAddr,
    /// Our hardware address on the interface.
    pub sender_mac: MacAddr,
    /// Our address; 0.0.0.0 in a probe (RFC 5227 §2.1.1), which enters nobody's ARP cache.
    pub sender_ip: Ipv4Addr,
    /// Whom it asks for.
    pub target: Ipv4Addr,
}

/// What an ARP packet on a served interface said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arp {
    /// Ingress interface.
    pub link: IfIndex,
    /// Whom it is from; 0.0.0.0 in another host's probe.
    pub sender_ip: Ipv4Addr,
    /// Its sender hardware address.
    pub sender_mac: MacAddr,
    /// Whom it asks for, or answers to.
    pub target_ip: Ipv4Addr,
}

/// Counts of this module, since start or `clear dhcp server statistics`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NeighbourCounters {
    /// ARP probes sent before an OFFER.
    pub address_probes: u64,
    /// Addresses that another host answered for: quarantined, not offered.
    pub addresses_in_use: u64,
    /// OFFERs that left without a probe because the table of those that wait was full.
    pub probes_skipped: u64,
    /// ARP requests sent to bound clients by `liveness-detection`.
    pub liveness_probes: u64,
    /// Clients that answered none of their requests.
    pub liveness_failures: u64,
    /// Of those: bindings that were ended.
    pub liveness_cleared: u64,
    /// Messages of foreign DHCP servers, and requests of clients that name one.
    pub foreign_server_messages: u64,
}

impl NeighbourCounters {
    /// All of them by name, in the order in which they are shown, with the words of `show dhcp server statistics`.
    pub const fn rows(&self) -> [(&'static str, &'static str, u64); 7] {
        [
            ("address-probes", "Address probes sent", self.address_probes),
            ("addresses-in-use", "Addresses found in use", self.addresses_in_use),
            ("probes-skipped", "Address probes skipped", self.probes_skipped),
            ("liveness-probes", "Liveness probes sent", self.liveness_probes),
            ("liveness-failures", "Liveness failures", self.liveness_failures),
            ("liveness-cleared", "Bindings cleared by liveness detection", self.liveness_cleared),
            ("foreign-server-messages", "Foreign server messages", self.foreign_server_messages),
        ]
    }
}

/// The tables of this module.
#[derive(Debug, Default)]
pub(crate) struct Neighbours {
    pub(crate) probing: probe::Probing,
    pub(crate) liveness: liveness::Watch,
    pub(crate) rogues: rogue::Rogues,
    /// For the events of liveness detection.
    pub(crate) budget: Budget,
}

impl Neighbours {
    /// Earliest instant at which a tick has work; `None` for never.
    pub(crate) fn next(&self, store_down: bool) -> Option<Mono> {
        let liveness = if store_down { None } else { self.liveness.next() };
        [self.probing.next_deadline(), liveness].into_iter().flatten().min()
    }

    /// Panics where a rule between the tables is broken: for tests and simulation.
    pub(crate) fn check_invariants(&self) {
        self.probing.check_invariants();
        self.liveness.check_invariants();
        self.rogues.check_invariants();
    }
}

/// Bounds the events of one kind, so that a segment that fails does not flood the log: what is more is only counted.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    since: Option<Mono>,
    used: u32,
}

impl Budget {
    /// Events in one period.
    pub(crate) const MAX: u32 = 32;
    const PERIOD: Duration = Duration::from_secs(10);

    /// Whether another event may be told.
    pub(crate) fn take(&mut self, now: Mono) -> bool {
        if self.since.is_none_or(|since| now.since(since) >= Self::PERIOD) {
            (self.since, self.used) = (Some(now), 0);
        }
        self.used = self.used.saturating_add(1);
        self.used <= Self::MAX
    }
}

impl Engine {
    /// Counts something of a segment: in all, and by interface.
    pub(crate) fn count_neighbour(&mut self, link: IfIndex, count: fn(&mut NeighbourCounters) -> &mut u64) {
        *count(&mut self.counters.neighbours) += 1;
        if let Some(counters) = self.links.tally(link) {
            *count(&mut counters.neighbours) += 1;
        }
    }

    /// Somebody on a served interface has sent an ARP packet.
    pub(crate) fn arp(&mut self, turn: Turn, arp: Arp, policy: &mut dyn Policy) {
        let Some(served) = self.links.get(arp.link).and_then(|link| link.served) else { return };
        self.probe_answered4(turn, arp, policy);
        self.heard(served.instance, arp);
    }
}
