//! What is on the segments beside DHCP clients: ARP, hosts that take addresses, foreign servers, floods; and operators who
//! turn routes off.

use crate::{
    audit::{ArpSeen, Finding},
    client::State,
    clock::{Instant, MS, SEC},
    random::Random,
    world::{Event, Message, World},
};
use bindery_engine::{
    Input,
    config::RouteSuppression,
    event::Event as EngineEvent,
    input::RxMeta,
    neighbour::{Arp, Probe},
    route::{RouteChange, RouteOp},
};
use bindery_types::{IfIndex, Ipv4Addr, MacAddr};
use bindery_wire::v4::{MessageBuilder, MessageType};
use std::collections::BTreeSet;

/// Packets of a flood.
const FLOOD: u64 = 14;

/// The segments.
#[derive(Debug)]
pub(crate) struct Segments {
    random: Random,
    /// Hosts that have an address by their own will: port and address.
    squatters: BTreeSet<(usize, Ipv4Addr)>,
    /// Client devices that were changed.
    devices: u64,
}

impl Segments {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed ^ 0x7365_676d_656e), squatters: BTreeSet::new(), devices: 0 }
    }
}

impl World {
    /// The server asks for an address; whoever has it answers, as a rule.
    pub(crate) fn arp_asks(&mut self, probe: &Probe) -> Result<(), Finding> {
        self.trace
            .note(self.now, || format!("ARP on {}: who has {} ({})", probe.link.0, probe.target, probe.sender_ip));
        self.auditor.arp_asked(probe.link, probe.target, probe.sender_ip)?;
        let Some(port) = self.plan.ports.iter().position(|p| p.index == probe.link && p.up && !p.gone) else {
            return Ok(());
        };
        let mut hosts = Vec::new();
        if self.segments.squatters.contains(&(port, probe.target)) {
            hosts.push(squatter(probe.target));
        }
        for client in &self.clients {
            let vanished = client.turn_at == Instant::MAX && client.state == State::Off;
            let here = client.place.port == port && client.place.relay.is_none() && !vanished;
            let has = client.lease.is_some_and(|lease| lease.address == probe.target && lease.end > self.now);
            let hears = probe.to == MacAddr::BROADCAST || probe.to == client.mac;
            if here && has && hears && (self.calm || client.state != State::Off) {
                hosts.push(client.mac);
            }
        }
        for mac in hosts {
            let random = &mut self.segments.random;
            if !self.calm && random.chance(200) {
                continue;
            }
            let late = !self.calm && random.chance(100);
            let after = if late { random.range(400, 5_000) * MS } else { random.range(1, 40) * MS };
            let arp = Arp { link: probe.link, sender_ip: probe.target, sender_mac: mac, target_ip: probe.sender_ip };
            self.push(after, Event::Arp { port, arp });
        }
        Ok(())
    }

    /// An ARP packet reaches the server.
    pub(crate) fn arp_comes(&mut self, port: usize, arp: Arp) -> Result<(), Finding> {
        if !self.hears_on(port, arp.link) {
            return Ok(());
        }
        self.trace.note(self.now, || format!("ARP: {} is at {}, to {}", arp.sender_ip, arp.sender_mac, arp.target_ip));
        let has = !arp.sender_ip.is_unspecified();
        let claimed = if has { arp.sender_ip } else { arp.target_ip };
        self.auditor.arp_heard(ArpSeen { link: arp.link, claimed, mac: arp.sender_mac, has });
        self.step(Input::Arp(arp))
    }

    fn hears_on(&self, port: usize, link: IfIndex) -> bool {
        let there = self.plan.ports.get(port).is_some_and(|p| p.up && !p.gone && p.index == link);
        there && self.engine.is_some()
    }

    /// A message of a server reaches us.
    pub(crate) fn server_comes(
        &mut self,
        port: usize,
        meta: RxMeta,
        server: Ipv4Addr,
        bytes: &[u8],
    ) -> Result<(), Finding> {
        if !self.hears_on(port, meta.link) {
            return Ok(());
        }
        self.trace
            .note(self.now, || format!("a server {server} on {}: {}", meta.link.0, crate::trace::describe(bytes)));
        self.auditor.foreigner_heard(meta.link, server, meta.src_mac);
        self.step(Input::ServerMessage4 { meta, bytes })
    }

    /// What is told of foreign servers.
    pub(crate) fn told_of(&mut self, event: &EngineEvent) -> Result<(), Finding> {
        match *event {
            EngineEvent::RogueServer { link, server, mac, .. } => self.auditor.foreigner_told(link, server, mac),
            _ => Ok(()),
        }
    }

    /// Route operations that leave.
    pub(crate) fn routes_leave(&mut self, routes: &[RouteOp]) -> Result<(), Finding> {
        for op in routes {
            if let RouteChange::Set(route) = op.change
                && route.len == 32
            {
                self.auditor.route_ordered((route.instance, route.dst), route.neighbour.is_some())?;
            }
        }
        Ok(())
    }

    /// Something happens on a segment; then again after a while.
    pub(crate) fn mischief(&mut self) {
        if self.calm {
            return;
        }
        let wait = self.segments.random.range(2, 40) * SEC;
        self.push(wait, Event::Mischief);
        match self.segments.random.below(8) {
            0 | 1 => self.squat(),
            2 => self.segments.squatters.clear(),
            3 => self.foreign_server(),
            4 => self.flood(),
            5 => self.change_device(),
            6 => self.gratuitous(),
            _ => self.suppress(),
        }
    }

    /// Quiet days: nobody takes addresses.
    pub(crate) fn segments_calm(&mut self) {
        self.segments.squatters.clear();
    }

    /// A host takes some addresses of a pool for its own.
    fn squat(&mut self) {
        let random = &mut self.segments.random;
        let pool = &self.plan.pools[random.below(self.plan.pools.len() as u64) as usize];
        for _ in 0..random.range(1, 3) {
            let address = pool.address(random.range(u64::from(pool.low), u64::from(pool.high)) as u8);
            let port = random.range(1, self.plan.ports.len() as u64 - 1) as usize;
            self.segments.squatters.insert((port, address));
        }
    }

    /// A host says by itself what it has: one that took an address, or a client.
    fn gratuitous(&mut self) {
        let random = &mut self.segments.random;
        let client = &self.clients[random.below(self.clients.len() as u64) as usize];
        let (mut port, mut mac) = (client.place.port, client.mac);
        let mut address = client.lease.map_or(Ipv4Addr::UNSPECIFIED, |lease| lease.address);
        if let Some((at, taken)) = self.segments.squatters.first().filter(|_| random.chance(500)) {
            (port, address, mac) = (*at, *taken, squatter(*taken));
        }
        let Some(link) = self.plan.ports.get(port).map(|port| port.index) else { return };
        let arp = Arp { link, sender_ip: address, sender_mac: mac, target_ip: address };
        self.push(MS, Event::Arp { port, arp });
    }

    /// Another server answers somebody, or a relay hands a reply of ours on.
    fn foreign_server(&mut self) {
        let random = &mut self.segments.random;
        let port = random.range(1, self.plan.ports.len() as u64 - 1) as usize;
        let own = self.plan.ports[port].addresses.first().map(|(own, _)| *own).filter(|_| random.chance(200));
        let server = own.unwrap_or(Ipv4Addr::new(10, 77, 0, random.range(1, 3) as u8));
        let kind = random.pick(&[MessageType::Offer, MessageType::Ack, MessageType::Nak]);
        let mac = MacAddr([2, 0xdd, 0, 0, 0, server.octets()[3]]);
        let client = MacAddr([2, 0, 0, 0, 0, random.below(4) as u8]);
        let message =
            MessageBuilder::new(kind, client).server(server).yiaddr(Ipv4Addr::new(10, 0, 0, 9)).lease_time(600);
        let (link, dst) = (self.plan.ports[port].index, Ipv4Addr::BROADCAST);
        let meta = RxMeta { link, src: server, src_port: 67, dst, src_mac: Some(mac) };
        self.push(MS, Event::ServerMessage { port, meta, server, bytes: message.build() });
    }

    /// One made-up client sends more than it may.
    fn flood(&mut self) {
        let random = &mut self.segments.random;
        let port = random.range(1, self.plan.ports.len() as u64 - 1) as usize;
        let mac = MacAddr([2, 2, 0, 0, 0, port as u8]);
        let link = self.plan.ports[port].index;
        let meta =
            RxMeta { link, src: Ipv4Addr::UNSPECIFIED, src_port: 68, dst: Ipv4Addr::BROADCAST, src_mac: Some(mac) };
        for n in 0..FLOOD {
            let xid = self.segments.random.next() as u32;
            let bytes = MessageBuilder::discover(mac).xid(xid).build();
            self.push(n * MS, Event::ToServer { port, meta, bytes });
        }
    }

    /// A subscriber gets another device, on the same line.
    fn change_device(&mut self) {
        let at = self.segments.random.below(self.clients.len() as u64) as usize;
        self.segments.devices += 1;
        let now = self.now;
        let rules = &self.plan.rules;
        if rules.discover_match.is_none() || self.clients[at].bootp {
            return;
        }
        let mac = MacAddr([2, 3, 0, self.segments.devices as u8, at as u8, 0]);
        self.clients[at].become_another(now, mac);
        self.arm(at);
    }

    /// A commit turns routes off, or on.
    fn suppress(&mut self) {
        if !self.plan.rules.suppresses {
            return;
        }
        let kinds = [None, Some(RouteSuppression::AccessInternal), Some(RouteSuppression::Destination)];
        let kind = self.segments.random.pick(&kinds);
        self.plan.rules.suppression = kind;
        self.trace.note(self.now, || format!("commit: route-suppression {kind:?}"));
        let (boot, plan) = (self.boot, Box::new(self.plan.clone()));
        self.push(5 * MS, Event::Inbox { boot, message: Message::Configure(plan) });
    }
}

fn squatter(address: Ipv4Addr) -> MacAddr {
    MacAddr([2, 0xee, 0, 0, address.octets()[2], address.octets()[3]])
}
