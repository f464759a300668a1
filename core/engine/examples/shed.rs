//! What a packet of a flood costs: `valgrind --tool=callgrind` over `shed KIND COUNT [INSTANCES]` counts
//! instructions.
//!
//! KIND is `garbage`, `offered` (DISCOVERs of new clients, all answered), `guarded` (the same with half of the offers open:
//! nearly all are dropped unparsed), `limited` (one client beyond `per-client`) or `renewed`. With more than one routing
//! instance each has the same addresses and an interface of its own, and the packets come from them in turn.

use bindery_engine::{
    Engine, Input,
    config::{Config, Group, Instance, Interface, Overload, Pool, Range, Rate, Server},
    input::{Link, LinkAddress, RxMeta, StoreSeq},
    policy::NoPolicy,
    route::RouteSeq,
};
use bindery_types::{EngineId, GroupId, IfIndex, InstanceId, Ipv4Addr, MacAddr, Mono, Now, Wall};
use bindery_wire::v4::MessageBuilder;
use std::sync::Arc;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

fn config(overload: Overload, instances: u16) -> Config {
    let server = Server { overload, ..Server::default() };
    let mut config = Config::default();
    for number in 0..instances {
        let (instance, group, device) = (InstanceId(number), GroupId(number), device(number));
        let name = if number == 0 { "default".into() } else { format!("instance-{number}") };
        config.groups.push(Group { name: name.clone().into(), instance, ..Group::default() });
        config.interfaces.push(Interface { pattern: device.clone().into(), group, ..Interface::default() });
        config.pools.push(Pool {
            name: name.clone().into(),
            instance,
            network: "10.0.0.0/8".parse().unwrap_or_default(),
            ranges: vec![Range { name: "r".into(), low: [10, 1, 0, 0].into(), high: [10, 99, 0, 0].into() }],
            ..Pool::default()
        });
        let interfaces = if number == 0 { Vec::new() } else { vec![device.into()] };
        config.instances.push(Instance {
            name: name.into(),
            server: server.clone(),
            interfaces,
            ..Instance::default()
        });
    }
    config
}

fn device(number: u16) -> String {
    format!("eth{}", u32::from(number) + 1)
}

fn index(number: u16) -> IfIndex {
    IfIndex(7 + u32::from(number))
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().unwrap_or_else(|| "guarded".into());
    let count: u32 = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let instances: u16 = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(1).max(1);
    let overload = match kind.as_str() {
        "guarded" => Overload { half_open_limit: 1, ..Overload::DEFAULT },
        "limited" => Overload { per_client: Some(Rate { per_sec: 1, burst: 1 }), ..Overload::DEFAULT },
        _ => Overload { half_open_limit: 100_000, ..Overload::DEFAULT },
    };
    let now = Now { mono: Mono::from_secs(9), wall: Wall(1_800_000_000) };
    let mut engine = Engine::new(EngineId(0), 7, now, Arc::new(config(overload, instances)));
    engine.restore(now, None, []);
    for number in 0..instances {
        engine.handle(
            now,
            Input::LinkSet(Link {
                name: device(number).into(),
                mac: Some(MacAddr([2, 0, 0, 0, 0, 1])),
                addresses: vec![LinkAddress { address: SERVER, len: 8 }],
                ..Link::new(index(number))
            }),
            &mut NoPolicy,
        );
    }
    let any = Ipv4Addr::UNSPECIFIED;
    let mut meta = RxMeta { link: index(0), src: any, src_port: 68, dst: Ipv4Addr::BROADCAST, src_mac: None };
    let mut packet = MessageBuilder::discover(MacAddr([2, 9, 0, 0, 0, 0])).build();
    let first = [10, 1, 0, 0].into();
    match kind.as_str() {
        "garbage" => packet.fill(0x63),
        "renewed" => {
            let mac = MacAddr([2, 9, 0, 0, 0, 0]);
            let select = MessageBuilder::request_selecting(mac, first, SERVER).build();
            for link in (0..instances).map(index) {
                for bytes in [&packet, &select] {
                    engine.handle(now, Input::Datagram4 { meta: RxMeta { link, ..meta }, bytes }, &mut NoPolicy);
                }
            }
            engine.handle(now, Input::Durable { up_to: StoreSeq(u64::MAX) }, &mut NoPolicy);
            engine.handle(now, Input::Routed { up_to: RouteSeq(u64::MAX), failed: Vec::new() }, &mut NoPolicy);
            packet = MessageBuilder::request_renewing(mac, first).build();
            (meta.src, meta.dst) = (first, SERVER);
        }
        _ => {}
    }
    let made_up = matches!(kind.as_str(), "offered" | "guarded");
    for number in 0..count {
        if made_up && let Some(mac) = packet.get_mut(30..34) {
            mac.copy_from_slice(&number.to_be_bytes());
        }
        meta.link = IfIndex(index(0).0 + number % u32::from(instances));
        engine.handle(now, Input::Datagram4 { meta, bytes: &packet }, &mut NoPolicy);
        if engine.outbox().transmits.len() >= 64 {
            let sent: Vec<_> = engine.outbox().transmits.drain(..).collect();
            sent.into_iter().for_each(|transmit| engine.recycle(transmit.payload));
        }
        engine.outbox().mutations.clear();
    }
    println!("{kind}: {count} packets, {instances} instances, {} dropped", engine.dropped());
}
