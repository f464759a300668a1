//! RADIUS datagrams from anyone, attributes from a server or a dynamic client, and what is kept of a grant.
#![no_main]

use bindery_engine::subscriber::Subscriber;
use bindery_radius::{
    access::Grant,
    config::{Config, DisconnectClient},
    dynamic::{DynamicServer, Verdict, interpret},
    packet::{AttributeList, Code, Packet, Secret, signed_request},
};
use bindery_types::{Mono, Wall};
use libfuzzer_sys::fuzz_target;
use std::net::SocketAddr;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(packet) = Packet::decode(bytes) {
        let list = packet.to_list();
        assert!(list.as_bytes().len() <= packet.bytes().len());
        let _ = Grant::read(&list);
    }
    // What was written once is written so again.
    let written = Subscriber::decode(bytes).encode();
    assert_eq!(Subscriber::decode(&written).encode(), written);
    let Some((kind, attributes)) = bytes.split_first() else { return };
    let Some(list) = AttributeList::from_bytes(attributes) else { return };
    let _ = Grant::read(&list);
    assert!(list.flat().count() <= attributes.len());
    dynamic(*kind, &list);
});

/// The attributes in a request that is authentic: else a fuzzer never sees what lies behind the check.
fn dynamic(kind: u8, list: &AttributeList) {
    let secret = Secret::new(b"secret");
    let client: SocketAddr = ([192, 0, 2, 5], 4_000).into();
    let config = Config {
        clients: vec![DisconnectClient { address: client.ip(), secret: secret.clone() }],
        ..Config::default()
    };
    let mut server = DynamicServer::new(&config);
    let code = if kind & 1 == 0 { Code::DisconnectRequest } else { Code::CoaRequest };
    let Ok(datagram) = signed_request(code, kind, list, &secret, kind & 2 == 0) else { return };
    let local = ([192, 0, 2, 1], 3_799).into();
    if let Verdict::Request(request) = server.judge(Mono::from_secs(9), Wall(1_000_000), local, client, &datagram) {
        let _ = interpret(&request, &config.nas);
        assert!(server.answer(&request.reply, Ok(())).is_some());
    }
}
