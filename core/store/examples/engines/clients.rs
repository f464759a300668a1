//! An engine with its clients: whole DORAs, a bounded number of them open, and each reply looked at.

use crate::Anything;
use bindery_engine::{
    Engine, Input,
    config::{Config, Group, Instance, Interface, Pool, Range},
    input::{Link, LinkAddress, RxMeta, StoreSeq},
    policy::NoPolicy,
    route::RouteSeq,
};
use bindery_store::{StoreEvent, Writer};
use bindery_types::{EngineId, GroupId, IfIndex, InstanceId, Ipv4Addr, MacAddr, Mono, Now, Wall};
use bindery_wire::v4::{MessageBuilder, MessageType, Packet, ParseRules};
use crossbeam_channel::Receiver;
use std::{
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// DORAs that are open at any time: enough that a store that commits never leaves an engine without work.
pub(crate) const WINDOW: u32 = 1024;
/// Packets in one turn, as the daemon takes them from its sockets.
const BATCH: u32 = 64;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// Where a DHCP message has its client's number: the last four octets of chaddr.
const CLIENT: std::ops::Range<usize> = 30..34;
/// The same of yiaddr.
const YIADDR: std::ops::Range<usize> = 16..20;

/// The configuration of `count` routing instances beside the default one, the first of them number `first` of all. Each has
/// an interface, a group and a pool of its own; they all have the same addresses.
pub(crate) fn config(first: u16, count: u16) -> Arc<Config> {
    let numbers = (0..count).map(|at| (at, InstanceId(at + 1), GroupId(at), interface(first + at)));
    let mut config =
        Config { instances: vec![Instance { name: "default".into(), ..Instance::default() }], ..Config::default() };
    for (at, instance, group, link) in numbers {
        let name = format!("isp-{}", first + at);
        config.instances.push(Instance {
            name: name.clone().into(),
            interfaces: vec![link.clone().into()],
            ..Instance::default()
        });
        config.groups.push(Group { name: name.clone().into(), instance, ..Group::default() });
        config.interfaces.push(Interface { pattern: link.into(), group, ..Interface::default() });
        config.pools.push(Pool {
            name: name.into(),
            instance,
            network: "10.0.0.0/8".parse().unwrap_or_default(),
            ranges: vec![Range { name: "r".into(), low: [10, 1, 0, 0].into(), high: [10, 99, 0, 0].into() }],
            ..Pool::default()
        });
    }
    Arc::new(config)
}

fn interface(number: u16) -> String {
    format!("ge-{number}")
}

fn index(number: u16) -> IfIndex {
    IfIndex(10 + u32::from(number))
}

/// Where an engine's writes go.
pub(crate) enum Store {
    /// What is handed over is durable.
    AtOnce,
    /// A session database with its thread, and what that says.
    Thread(Writer, Receiver<StoreEvent>),
}

/// An engine and its clients.
pub(crate) struct Clients {
    engine: Engine,
    store: Store,
    began: Instant,
    /// Interfaces: the first one's number, and how many.
    interfaces: (u16, u16),
    /// Clients so far; each is new.
    made: u32,
    open: u32,
    told: u64,
    discover: Vec<u8>,
    request: Vec<u8>,
    /// Where `request` has the address that it asks for.
    requested: std::ops::Range<usize>,
    /// Clients with an offer, and what was offered.
    offered: Vec<(u32, [u8; 4])>,
    /// What is to be told the engine in the next turn.
    durable: Option<StoreSeq>,
    routed: Option<RouteSeq>,
}

impl Clients {
    /// Engine `number` for the routing instances of `config`.
    pub(crate) fn new(number: u8, config: Arc<Config>, interfaces: (u16, u16), store: Store) -> Anything<Self> {
        let began = Instant::now();
        let now = clock(began)?;
        let mut engine = Engine::new(EngineId(number), 7 + u64::from(number), now, config);
        let (first, count) = interfaces;
        for number in first..first + count {
            let link = Link {
                name: interface(number).into(),
                mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
                addresses: vec![LinkAddress { address: SERVER, len: 8 }],
                ..Link::new(index(number))
            };
            engine.handle(now, Input::LinkSet(link), &mut NoPolicy);
        }
        engine.restore(now, None, []);
        let mac = MacAddr([2, 9, 0, 0, 0, 0]);
        let marker = Ipv4Addr::new(171, 205, 239, 18);
        let request = MessageBuilder::request_selecting(mac, marker, SERVER).build();
        let at = request.windows(4).position(|four| four == marker.octets()).ok_or("a REQUEST without an address")?;
        Ok(Self {
            engine,
            store,
            began,
            interfaces,
            made: 0,
            open: 0,
            told: 0,
            discover: MessageBuilder::discover(mac).build(),
            request,
            requested: at..at + 4,
            offered: Vec::new(),
            durable: None,
            routed: None,
        })
    }

    /// Clients with an ACK.
    pub(crate) const fn told(&self) -> u64 {
        self.told
    }

    /// One turn: new clients while there is room, what was offered is asked for, and what stores and routes have said. With
    /// `last` no client is new. Whether anything is open.
    pub(crate) fn turn(&mut self, last: bool) -> Anything<bool> {
        let now = clock(self.began)?;
        let new = if last { 0 } else { (WINDOW - self.open).min(BATCH) };
        let wanted: Vec<(u32, [u8; 4])> = self.offered.drain(..self.offered.len().min(BATCH as usize)).collect();
        let idle = new == 0 && wanted.is_empty() && self.durable.is_none() && self.routed.is_none();
        for (client, address) in wanted {
            put(&mut self.request, CLIENT, client.to_be_bytes())?;
            put(&mut self.request, self.requested.clone(), address)?;
            let input = Input::Datagram4 { meta: self.meta(client), bytes: &self.request };
            self.engine.handle(now, input, &mut NoPolicy);
        }
        for client in self.made..self.made + new {
            put(&mut self.discover, CLIENT, client.to_be_bytes())?;
            let input = Input::Datagram4 { meta: self.meta(client), bytes: &self.discover };
            self.engine.handle(now, input, &mut NoPolicy);
        }
        self.made += new;
        self.open += new;
        if let Some(up_to) = self.durable.take() {
            self.engine.handle(now, Input::Durable { up_to }, &mut NoPolicy);
        }
        if let Some(up_to) = self.routed.take() {
            self.engine.handle(now, Input::Routed { up_to, failed: Vec::new() }, &mut NoPolicy);
        }
        self.hear(now, idle && self.open > 0)?;
        if now.mono >= self.engine.next_timeout() {
            self.engine.handle(now, Input::Tick, &mut NoPolicy);
        }
        self.flush()?;
        Ok(self.open > 0)
    }

    /// Ends: how many sessions the engine has, and its store thread.
    pub(crate) fn end(self) -> (u64, Store) {
        let (first, count) = self.interfaces;
        let live = (first..first + count).map(|number| u64::from(self.engine.live_on(&interface(number)))).sum();
        (live, self.store)
    }

    /// Clients take turns on the interfaces.
    fn meta(&self, client: u32) -> RxMeta {
        let (first, count) = self.interfaces;
        // Less than `count`.
        let link = index(first + u16::try_from(client % u32::from(count)).unwrap_or(0));
        RxMeta { link, src: Ipv4Addr::UNSPECIFIED, src_port: 68, dst: Ipv4Addr::BROADCAST, src_mac: None }
    }

    /// What the store thread says; `wait`: there is nothing else to do.
    fn hear(&mut self, now: Now, wait: bool) -> Anything<()> {
        let Store::Thread(_, events) = &self.store else { return Ok(()) };
        let first = if wait { Some(events.recv()?) } else { None };
        for event in first.into_iter().chain(events.try_iter()) {
            match event {
                StoreEvent::Durable { up_to } => self.engine.handle(now, Input::Durable { up_to }, &mut NoPolicy),
                StoreEvent::Failed(error) => return Err(error.into()),
                StoreEvent::Ready => {}
            }
        }
        Ok(())
    }

    /// Takes what the engine has said: replies to their clients, writes to the store, routes are set.
    fn flush(&mut self) -> Anything<()> {
        let mut transmits = std::mem::take(&mut self.engine.outbox().transmits);
        for transmit in transmits.drain(..) {
            let packet = Packet::parse(&transmit.payload, ParseRules::default())?;
            let client = u32::from_be_bytes(four(&transmit.payload, CLIENT)?);
            match packet.message_type() {
                Some(MessageType::Offer) => self.offered.push((client, four(&transmit.payload, YIADDR)?)),
                Some(MessageType::Ack) => {
                    self.open -= 1;
                    self.told += 1;
                }
                other => return Err(format!("a reply of type {other:?}").into()),
            }
            self.engine.recycle(transmit.payload);
        }
        let outbox = self.engine.outbox();
        outbox.transmits = transmits;
        match &self.store {
            Store::AtOnce => {
                self.durable = outbox.mutations.last().map(|mutation| mutation.seq);
                outbox.mutations.clear();
            }
            Store::Thread(writer, _) => writer.submit(&mut outbox.mutations)?,
        }
        self.routed = outbox.routes.last().map(|route| route.seq);
        outbox.routes.clear();
        outbox.events.clear();
        outbox.sessions.clear();
        Ok(())
    }
}

/// The engine's clocks.
fn clock(began: Instant) -> Anything<Now> {
    let mono = Mono(u64::try_from(began.elapsed().as_nanos())?);
    Ok(Now { mono, wall: Wall(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs()) })
}

fn put(message: &mut [u8], at: std::ops::Range<usize>, octets: [u8; 4]) -> Anything<()> {
    message.get_mut(at).ok_or("a short message")?.copy_from_slice(&octets);
    Ok(())
}

fn four(message: &[u8], at: std::ops::Range<usize>) -> Anything<[u8; 4]> {
    Ok(message.get(at).ok_or("a short reply")?.try_into()?)
}
