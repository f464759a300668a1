//! Engines beside each other: each owns all that it works with, so that none needs a lock and none notices another.

use crate::lab::{LINK, SERVER, config, ip, link};
use bindery_engine::{
    Engine, Input,
    config::Range,
    input::{RxMeta, StoreSeq},
    output::Mutation,
    policy::NoPolicy,
    route::{RouteOp, RouteSeq},
};
use bindery_types::{EngineId, Ipv4Addr, MacAddr, Mono, Now, Wall};
use bindery_wire::v4::MessageBuilder;
use std::{
    sync::{Arc, Barrier},
    thread,
};

/// All that leaves an engine.
#[derive(Debug, Default, PartialEq)]
struct Output {
    packets: Vec<Vec<u8>>,
    mutations: Vec<Mutation>,
    routes: Vec<RouteOp>,
}

/// An engine in which 200 clients take leases and renew them, from a moment on that `begin` waits for.
fn serve(begin: &Barrier) -> Output {
    let now = Now { mono: Mono::from_secs(9), wall: Wall(1_800_000_000) };
    let mut config = config();
    config.pools[0].ranges = vec![Range { name: "r".into(), low: ip(10), high: ip(250) }];
    let mut engine = Engine::new(EngineId(0), 7, now, Arc::new(config));
    engine.restore(now, None, []);
    engine.handle(now, Input::LinkSet(link(LINK, "eth1", &[(SERVER, 24)])), &mut NoPolicy);
    let mut output = Output::default();
    begin.wait();
    for last in 0..200 {
        let (mac, address) = (MacAddr([2, 9, 0, 0, 0, last]), ip(10 + last));
        let messages = [
            (MessageBuilder::discover(mac), Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST),
            (MessageBuilder::request_selecting(mac, address, SERVER), Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST),
            (MessageBuilder::request_renewing(mac, address), address, SERVER),
        ];
        for (message, src, dst) in messages {
            let meta = RxMeta { link: LINK, src, src_port: 68, dst, src_mac: None };
            engine.handle(now, Input::Datagram4 { meta, bytes: &message.build() }, &mut NoPolicy);
            engine.handle(now, Input::Durable { up_to: StoreSeq(u64::MAX) }, &mut NoPolicy);
            engine.handle(now, Input::Routed { up_to: RouteSeq(u64::MAX), failed: Vec::new() }, &mut NoPolicy);
            let outbox = engine.outbox();
            output.packets.extend(outbox.transmits.drain(..).map(|transmit| transmit.payload));
            output.mutations.append(&mut outbox.mutations);
            output.routes.append(&mut outbox.routes);
        }
    }
    output
}

#[test]
fn an_engine_does_the_same_alone_and_beside_another() {
    let alone = serve(&Barrier::new(1));
    assert_eq!(alone.packets.len(), 600, "an OFFER and two ACKs for each");
    assert_eq!(alone.routes.len(), 200);
    let begin = Barrier::new(2);
    let both = thread::scope(|scope| {
        let threads = [(), ()].map(|()| scope.spawn(|| serve(&begin)));
        threads.map(|thread| thread.join().expect("an engine"))
    });
    for beside in both {
        assert!(beside == alone, "an engine has seen the other one");
    }
}

/// An engine may go to a thread of its own with all that it has: this compiles, or it borrows or shares something.
#[test]
fn an_engine_owns_what_it_has() {
    fn moves<T: Send + 'static>() {}
    moves::<Engine>();
}
