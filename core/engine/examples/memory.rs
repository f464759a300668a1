//! What a session takes in memory: `memory KIND COUNT` binds COUNT clients (a million) and prints bytes a session.
//!
//! KIND is `plain` (relayed clients that send nothing about themselves, as the bench's), `access` (each with options 12, 60,
//! 61 and 82, as an access network has them) or `churn` (as `access`, and every third client is replaced by a new one).
//! The parts are what the table counts itself; the rest of resident memory is pools, rings and what the allocator adds.

use bindery_engine::{
    Engine, Input,
    config::{Config, Group, Instance, Interface, Overload, Pool, Range, Server},
    input::{Link, LinkAddress, RxMeta, StoreSeq},
    policy::NoPolicy,
    route::RouteSeq,
};
use bindery_types::{EngineId, GroupId, IfIndex, Ipv4Addr, MacAddr, Mono, Now, Wall};
use bindery_wire::v4::{MessageBuilder, OptionCode, SubOption};
use std::{sync::Arc, time::Instant};

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const RELAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// First address of the range; clients get them in order.
const FIRST: u32 = 0x0a10_0000;

fn config() -> Config {
    let overload = Overload { half_open_limit: 100_000, ..Overload::DEFAULT };
    Config {
        groups: vec![Group { name: "access".into(), ..Group::default() }],
        interfaces: vec![Interface { pattern: "eth1".into(), group: GroupId(0), ..Interface::default() }],
        pools: vec![Pool {
            name: "pool".into(),
            network: "10.0.0.0/8".parse().unwrap_or_default(),
            ranges: vec![Range { name: "r".into(), low: Ipv4Addr::from_bits(FIRST), high: [10, 99, 0, 0].into() }],
            ..Pool::default()
        }],
        instances: vec![Instance {
            name: "default".into(),
            server: Server { overload, ..Server::default() },
            ..Instance::default()
        }],
        ..Config::default()
    }
}

/// Resident memory in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kib| kib.parse::<usize>().ok()).unwrap_or(0) * 1024
}

fn mac(number: u32) -> MacAddr {
    let [a, b, c, d] = number.to_be_bytes();
    MacAddr([2, 9, a, b, c, d])
}

/// What the client sends about itself, and its relay about it.
fn dressed(message: MessageBuilder, kind: &str, number: u32) -> Vec<u8> {
    let message = message.giaddr(RELAY).hops(1).xid(number);
    if kind == "plain" {
        return message.build();
    }
    let MacAddr(hw) = mac(number);
    let mut client_id = vec![1];
    client_id.extend_from_slice(&hw);
    let circuit = format!("olt-{:02}/1/{}/{}", number >> 16, number >> 8 & 255, number & 255);
    let remote = format!("FHTT{number:08X}");
    message
        .client_id(&client_id)
        .option(OptionCode::HOST_NAME, b"router")
        .option(OptionCode::VENDOR_CLASS, b"cpe-series-7")
        .relay_agent(&[(SubOption::CIRCUIT_ID, circuit.as_bytes()), (SubOption::REMOTE_ID, remote.as_bytes())])
        .build()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().unwrap_or_else(|| "plain".into());
    let count: u32 = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let mut now = Now { mono: Mono::from_secs(9), wall: Wall(1_800_000_000) };
    let mut engine = Engine::new(EngineId(0), 7, now, Arc::new(config()));
    engine.restore(now, None, []);
    let link = Link {
        name: "eth1".into(),
        mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
        addresses: vec![LinkAddress { address: SERVER, len: 8 }],
        ..Link::new(IfIndex(7))
    };
    engine.handle(now, Input::LinkSet(link), &mut NoPolicy);
    let meta = RxMeta { link: IfIndex(7), src: RELAY, src_port: 67, dst: SERVER, src_mac: None };
    let (before, began) = (resident(), Instant::now());
    for number in 0..count {
        // A quarter of an hour for a million clients: deadlines differ.
        if number % 1000 == 0 {
            now = Now { mono: Mono::from_secs(9 + u64::from(number / 1000)), ..now };
        }
        // A client that comes where another one was: that one has gone for good.
        if kind == "churn" && number % 3 == 0 && number > 100_000 {
            let gone = number - 100_000;
            let message = MessageBuilder::release(mac(gone), Ipv4Addr::from_bits(FIRST + gone), SERVER);
            exchange(&mut engine, now, meta, &dressed(message, &kind, gone));
        }
        let address = Ipv4Addr::from_bits(FIRST + number);
        exchange(&mut engine, now, meta, &dressed(MessageBuilder::discover(mac(number)), &kind, number));
        let select = MessageBuilder::request_selecting(mac(number), address, SERVER);
        exchange(&mut engine, now, meta, &dressed(select, &kind, number));
    }
    report(&kind, &engine, resident() - before, began);
}

/// One packet and all that the world does about it.
fn exchange(engine: &mut Engine, now: Now, meta: RxMeta, bytes: &[u8]) {
    engine.handle(now, Input::Datagram4 { meta, bytes }, &mut NoPolicy);
    engine.handle(now, Input::Durable { up_to: StoreSeq(u64::MAX) }, &mut NoPolicy);
    engine.handle(now, Input::Routed { up_to: RouteSeq(u64::MAX), failed: Vec::new() }, &mut NoPolicy);
    let outbox = engine.outbox();
    let sent: Vec<_> = outbox.transmits.drain(..).collect();
    outbox.mutations.clear();
    outbox.routes.clear();
    sent.into_iter().for_each(|transmit| engine.recycle(transmit.payload));
}

fn report(kind: &str, engine: &Engine, grown: usize, began: Instant) {
    let memory = engine.memory();
    let sessions = f64::from(engine.live_on("eth1"));
    println!("{kind}: {sessions} sessions, {} packets dropped, {:?}", engine.dropped(), began.elapsed());
    let parts = [
        ("records", memory.records),
        ("identities", memory.identities),
        ("indexes", memory.indexes),
        ("deadlines", memory.deadlines),
        ("table", memory.total()),
        ("resident", grown),
    ];
    for (part, bytes) in parts {
        println!("{part:>12} {:7.1}", bytes as f64 / sessions);
    }
}
