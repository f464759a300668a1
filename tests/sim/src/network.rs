//! The network between clients and server: relays, loss, duplicates, delay, damage.

use crate::{
    audit::Towards,
    client::{Kind, Outgoing, State},
    clock::{Instant, MS, SEC},
    world::{Event, World},
};
use bindery_engine::input::RxMeta;
use bindery_types::Ipv4Addr;
use bindery_wire::v4::{Packet, ParseRules, SubOption};

impl World {
    /// Sets the client's next wake-up.
    pub(crate) fn arm(&mut self, client: usize) {
        let now = self.now;
        let Some(c) = self.clients.get_mut(client) else { return };
        c.generation += 1;
        let generation = c.generation;
        if let Some(at) = c.timer {
            self.push(at.saturating_sub(now), Event::Wake { client, generation });
        }
    }

    pub(crate) fn wake(&mut self, client: usize, generation: u32) {
        let victim = self.random.below(self.clients.len() as u64) as usize;
        let victim = self.clients[victim].clone();
        let (now, calm) = (self.now, self.calm);
        let c = &mut self.clients[client];
        if c.generation != generation || self.frozen {
            return;
        }
        let vanished = c.turn_at == Instant::MAX && c.state == State::Off;
        if vanished || (calm && c.kind == Kind::Liar) {
            return;
        }
        let lies = c.kind == Kind::Liar && self.random.chance(600);
        let out = if lies { c.lie(now, &mut self.random, &victim) } else { c.wake(now, &mut self.random, calm) };
        if c.timer.is_none() && c.kind == Kind::Liar {
            c.timer = Some(now + 20 * SEC);
        }
        self.arm(client);
        if let Some(out) = out {
            self.client_says(client, &out);
        }
    }

    pub(crate) fn client_hears(&mut self, client: usize, bytes: &[u8]) {
        let Ok(packet) = Packet::parse(bytes, ParseRules::default()) else {
            return;
        };
        if self.frozen {
            return;
        }
        let c = &mut self.clients[client];
        let out = c.hear(self.now, &mut self.random, &packet);
        self.arm(client);
        if let Some(out) = out {
            self.client_says(client, &out);
        }
    }

    /// A client's message sets out, through its relay where it is broadcast and the client has one.
    pub(crate) fn client_says(&mut self, client: usize, out: &Outgoing) {
        let c = &self.clients[client];
        let (place, mac) = (c.place.clone(), c.mac);
        let mut message = out.message.clone();
        let Some(port) = self.plan.ports.get(place.port) else { return };
        let mut meta = RxMeta { link: port.index, src: out.src, src_port: 68, dst: out.dst, src_mac: None };
        let relay = place.relay.and_then(|at| self.plan.relays.get(at)).copied();
        match relay {
            Some(relay) if out.dst.is_broadcast() => {
                message = message.giaddr(relay.giaddr).hops(1);
                if relay.inserts {
                    let circuit = [b'c', client as u8];
                    let selection = relay.selection.map(|s| s.octets());
                    let mut parts: Vec<(SubOption, &[u8])> = vec![(SubOption::CIRCUIT_ID, &circuit)];
                    let remote = [b'r', relay.giaddr.octets()[3], c.line];
                    if self.plan.remote_ids {
                        parts.push((SubOption::REMOTE_ID, &remote));
                    }
                    if let Some(selection) = &selection {
                        parts.push((SubOption::LINK_SELECTION, selection));
                    }
                    message = message.relay_agent(&parts);
                }
                (meta.src, meta.src_port, meta.dst) = (relay.giaddr, 67, relay.server);
            }
            Some(_) => {}
            None if out.dst.is_broadcast() => meta.src_mac = Some(mac),
            None => {}
        }
        if !meta.dst.is_broadcast() && !self.plan.site().is_own(meta.dst) {
            return;
        }
        self.carry(place.port, meta, &message.build());
    }

    /// Loses, doubles, delays and damages a packet on its way to the server.
    fn carry(&mut self, port: usize, meta: RxMeta, bytes: &[u8]) {
        if self.calm {
            let after = self.random.range(100, 3_000) * MS / 1_000;
            self.push(after, Event::ToServer { port, meta, bytes: bytes.to_vec() });
            return;
        }
        let copies = if self.random.chance(self.rates.duplicate) { 2 } else { 1 };
        for copy in 0..copies {
            if self.random.chance(self.rates.loss) {
                continue;
            }
            let after = self.latency(copy > 0);
            let bytes = if self.random.chance(self.rates.damage) { self.damaged(bytes) } else { bytes.to_vec() };
            self.push(after, Event::ToServer { port, meta, bytes });
        }
    }

    fn latency(&mut self, late: bool) -> Instant {
        if self.random.chance(if late { 300 } else { self.rates.late }) {
            self.random.range(100, 90_000) * MS
        } else {
            self.random.range(100, 30_000) * MS / 1_000
        }
    }

    fn damaged(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        match self.random.below(4) {
            0 => bytes.truncate(self.random.below(bytes.len() as u64) as usize),
            1 => bytes.extend((0..self.random.below(40)).map(|n| n as u8)),
            _ => {
                for _ in 0..self.random.range(1, 5) {
                    let at = self.random.below(bytes.len() as u64) as usize;
                    bytes[at] = self.random.next() as u8;
                }
            }
        }
        bytes
    }

    /// A packet of the server's sets out.
    pub(crate) fn carry_to_clients(&mut self, to: Towards, bytes: &[u8]) {
        let hw = bytes.get(28..34);
        let reached: Vec<usize> = (0..self.clients.len())
            .filter(|&at| {
                let c = &self.clients[at];
                let Some(port) = self.plan.ports.get(c.place.port) else { return false };
                let relay = c.place.relay.and_then(|at| self.plan.relays.get(at));
                let heard = match to {
                    Towards::Frame { link, mac, .. } => {
                        relay.is_none() && link == port.index && (mac == c.mac || mac.0 == [0xff; 6])
                    }
                    Towards::Udp { dst, port: 67 } => relay.is_some_and(|r| r.giaddr == dst),
                    Towards::Udp { dst, .. } => has_address(c.lease.map(|l| l.address), dst),
                };
                heard && port.up && !port.gone && hw == Some(c.mac.0.as_slice())
            })
            .collect();
        for client in reached {
            let copies = if !self.calm && self.random.chance(self.rates.duplicate) { 2 } else { 1 };
            for copy in 0..copies {
                if !self.calm && self.random.chance(self.rates.loss) {
                    continue;
                }
                let after = if self.calm { MS } else { self.latency(copy > 0) };
                self.push(after, Event::ToClient { client, bytes: bytes.to_vec() });
            }
        }
    }
}

fn has_address(own: Option<Ipv4Addr>, dst: Ipv4Addr) -> bool {
    own == Some(dst)
}
