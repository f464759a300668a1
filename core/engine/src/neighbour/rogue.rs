//! Foreign DHCP servers on served interfaces: seen by their replies, or named by a client's REQUEST.

use super::Budget;
use crate::{
    Engine,
    engine::{State64, Turn},
    event::Event,
    input::RxMeta,
    session::NameId,
};
use alloc::{boxed::Box, vec::Vec};
use bindery_types::{IfIndex, Ipv4Addr, LeaseTime, MacAddr};
use bindery_wire::v4::{MessageType, Op, OptionCode, Packet, ParseRules};
use hashbrown::HashMap;

/// Most foreign servers remembered; one more takes the place of the one that was seen least recently.
pub const ROGUES_MAX: usize = 256;

/// How long nothing more is said about a server that was told of, seconds.
pub const QUIET_SECS: u64 = 3_600;

/// How a foreign server was found.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Evidence {
    /// Its own DHCPOFFER, DHCPACK or DHCPNAK.
    Reply,
    /// A client's broadcast DHCPREQUEST that names it (RFC 2131 §3.1 step 3).
    Request,
}

/// A foreign server as an operator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RogueView {
    /// Interface.
    pub interface: Box<str>,
    /// Option 54, or the source address of a reply without it.
    pub server: Ipv4Addr,
    /// Hardware address of its frames; `None` where only clients named it.
    pub mac: Option<MacAddr>,
    /// How it was found.
    pub evidence: Evidence,
    /// Seconds since it was first seen.
    pub first_seen_ago: u64,
    /// Seconds since it was last seen.
    pub last_seen_ago: u64,
    /// Messages.
    pub count: u64,
    /// The last address that it offered, or that a client took from it; 0.0.0.0 for none.
    pub offered: Ipv4Addr,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Key {
    link: NameId,
    server: Ipv4Addr,
    mac: Option<MacAddr>,
}

#[derive(Clone, Copy, Debug)]
struct Rogue {
    first: LeaseTime,
    last: LeaseTime,
    told: Option<LeaseTime>,
    count: u64,
    offered: Ipv4Addr,
}

/// All that were seen.
#[derive(Debug, Default)]
pub(crate) struct Rogues {
    seen: HashMap<Key, Rogue, State64>,
    budget: Budget,
}

impl Rogues {
    /// Panics where a rule is broken: for tests and simulation.
    pub(crate) fn check_invariants(&self) {
        assert!(self.seen.len() <= ROGUES_MAX);
    }
}

impl Engine {
    /// A message from a server to a client was seen on an interface.
    pub(crate) fn server_message4(&mut self, turn: Turn, meta: RxMeta, bytes: &[u8]) {
        let Some(name) = self.looks_for_rogues(meta.link) else { return };
        let Ok(packet) = Packet::parse(bytes, ParseRules { allow_no_end_option: true }) else { return };
        let offers = match packet.message_type() {
            Some(MessageType::Offer | MessageType::Ack) => packet.yiaddr(),
            Some(MessageType::Nak) => Ipv4Addr::UNSPECIFIED,
            _ => return,
        };
        if packet.op() != Op::BootReply {
            return;
        }
        let server = packet.address_option(OptionCode::SERVER_IDENTIFIER).unwrap_or(meta.src);
        // A relay of ours on this segment hands our own replies on.
        if self.names_us(self.instance_of(&meta), server) {
            return;
        }
        self.note_rogue(turn, (meta.link, name), (server, meta.src_mac), offers);
    }

    /// A client on a served interface takes the offer of another server.
    pub(crate) fn foreign_choice4(&mut self, turn: Turn, link: IfIndex, server: Ipv4Addr, packet: &Packet<'_>) {
        let Some(name) = self.looks_for_rogues(link).filter(|_| packet.giaddr().is_unspecified()) else { return };
        let taken = packet.address_option(OptionCode::REQUESTED_IP_ADDRESS).unwrap_or(Ipv4Addr::UNSPECIFIED);
        self.note_rogue(turn, (link, name), (server, None), taken);
    }

    /// The name of a served interface whose foreign servers are looked for.
    fn looks_for_rogues(&self, link: IfIndex) -> Option<NameId> {
        let link = self.links.get(link)?;
        let server = self.config.server(link.served?.instance);
        (!server.no_rogue_server_detection).then_some(link.name)
    }

    fn note_rogue(
        &mut self,
        turn: Turn,
        (link, name): (IfIndex, NameId),
        (server, mac): (Ipv4Addr, Option<MacAddr>),
        offered: Ipv4Addr,
    ) {
        self.count_neighbour(link, |counters| &mut counters.foreign_server_messages);
        let rogues = &mut self.neighbours.rogues;
        let key = Key { link: name, server, mac };
        if rogues.seen.len() >= ROGUES_MAX && !rogues.seen.contains_key(&key) {
            let oldest = rogues.seen.iter().min_by_key(|(_, rogue)| rogue.last).map(|(key, _)| *key);
            oldest.map(|key| rogues.seen.remove(&key));
        }
        let new = Rogue { first: turn.lease, last: turn.lease, told: None, count: 0, offered };
        let rogue = rogues.seen.entry(key).or_insert(new);
        rogue.last = turn.lease;
        rogue.count += 1;
        if !offered.is_unspecified() {
            rogue.offered = offered;
        }
        let quiet = rogue.told.is_some_and(|told| turn.lease < told.plus_secs(QUIET_SECS));
        if !quiet && rogues.budget.take(turn.now.mono) {
            rogue.told = Some(turn.lease);
            self.outbox.events.push(Event::RogueServer { link, server, mac, offered });
        }
    }

    /// All foreign servers, the one that was seen last first.
    pub(crate) fn rogue_servers(&self, turn: Turn) -> Vec<RogueView> {
        let view = |(key, rogue): (&Key, &Rogue)| RogueView {
            interface: self.names.name(key.link).into(),
            server: key.server,
            mac: key.mac,
            evidence: if key.mac.is_some() { Evidence::Reply } else { Evidence::Request },
            first_seen_ago: rogue.first.secs_until(turn.lease),
            last_seen_ago: rogue.last.secs_until(turn.lease),
            count: rogue.count,
            offered: rogue.offered,
        };
        let mut rows: Vec<RogueView> = self.neighbours.rogues.seen.iter().map(view).collect();
        rows.sort_by(|a, b| {
            (a.last_seen_ago, &a.interface, a.server, a.mac).cmp(&(b.last_seen_ago, &b.interface, b.server, b.mac))
        });
        rows
    }

    /// Forgets them; one that is still there is told of anew.
    pub(crate) fn forget_rogues(&mut self) {
        self.neighbours.rogues.seen.clear();
    }
}
