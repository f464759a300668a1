//! Against the small server of this test.

use crate::support::{Admin, DEADLINE, LOOPBACK, Radius, SECRET, Small, config, free_ports, start, stop, user};
use bindery_radius::access::Grant;
use bindery_radius::accounting::Usage;
use bindery_radius::client::{Answer, Failure, Request};
use bindery_radius::config::{DYNAMIC_PORT, DisconnectClient};
use bindery_radius::dynamic::{ErrorCause, Kind};
use bindery_radius::packet::{self, AttributeList, Code, Packet, Secret, Type};
use bindery_radius::shell::{Event, SpawnError};
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::UdpSocket;

#[tokio::test]
async fn requests_are_accepted_rejected_or_time_out() {
    let server = Small::start().await;
    let mut radius = Radius::start(config(server.port, server.accounting_port), None);
    for (tag, name) in [(1, "alice"), (2, "reject"), (3, "silent")] {
        radius.handle.access(tag, Request::access("p".into(), user(name))).unwrap();
    }
    radius.handle.access(4, Request::access("nobody".into(), user("x"))).unwrap();
    let mut answers = HashMap::new();
    for _ in 0..4 {
        let (tag, answer) = radius.access().await;
        answers.insert(tag, answer);
    }
    let Answer::Accept(list) = &answers[&1] else { panic!("{answers:?}") };
    assert_eq!(Grant::read(list).address, Some(Ipv4Addr::new(10, 0, 0, 9)));
    assert!(matches!(answers[&2], Answer::Reject(_)));
    assert_eq!(answers[&3], Answer::Failed(Failure::Timeout));
    assert_eq!(answers[&4], Answer::Failed(Failure::NoServer));
    let status = radius.handle.status().await.unwrap();
    assert_eq!(status.send_failures, 0);
    assert_eq!((status.servers[0].counters.timeouts, status.servers[0].counters.answers), (1, 2));
}

#[tokio::test]
async fn more_than_256_requests_are_under_way_at_once() {
    let server = Small::start().await;
    let mut settings = config(server.port, server.accounting_port);
    settings.servers[0].retry = 100;
    let mut radius = Radius::start(settings, None);
    for tag in 0..600 {
        let name = if tag < 400 { "silent" } else { "alice" };
        radius.handle.access(tag, Request::access("p".into(), user(name))).unwrap();
    }
    let mut accepted = HashSet::new();
    while accepted.len() < 200 {
        if let (tag, Answer::Accept(_)) = radius.access().await {
            accepted.insert(tag);
        }
    }
    assert!(accepted.iter().all(|tag| *tag >= 400));
}

#[tokio::test]
async fn records_outlive_a_dead_server_and_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("accounting");
    let socket = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    let accounting = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    let settings = config(socket.local_addr().unwrap().port(), accounting.local_addr().unwrap().port());
    // Nobody reads from these sockets yet: the server is dead.
    let radius = Radius::start(settings.clone(), Some(file.clone()));
    for id in ["a", "b"] {
        radius.handle.account(start(id)).unwrap();
        radius.handle.account(stop(id, Usage::default())).unwrap();
    }
    radius.until("both Starts went out", |status| status.servers[1].counters.requests == 2).await;
    radius.handle.stop().await;
    assert!(radius.handle.status().await.is_none());
    // What the first life sent is in the kernel's buffer; a server that comes back with it would answer that, too.
    let mut lost = [0; 4096];
    while accounting.try_recv(&mut lost).is_ok() {}

    let mut server = Small::on(socket, accounting);
    let mut radius = Radius::start(settings.clone(), Some(file.clone()));
    let recovered = Event::AccountingRecovered { records: 4, torn: 0, damaged: 0 };
    assert_eq!(radius.event().await, recovered);
    let mut seen: HashMap<String, Vec<u32>> = HashMap::new();
    while seen.values().map(Vec::len).sum::<usize>() < 4 {
        let (id, status) = server.record().await;
        let line = seen.entry(id).or_default();
        if line.last() != Some(&status) {
            line.push(status);
        }
    }
    assert!(seen.values().all(|line| *line == [1, 2]), "{seen:?}");
    radius.until("all delivered", |status| status.waiting_records == 0).await;
    radius.handle.stop().await;
    let mut radius = Radius::start(settings, Some(file));
    radius.handle.access(1, Request::access("p".into(), user("alice"))).unwrap();
    assert!(matches!(radius.event().await, Event::Access { .. }), "nothing was left to recover");
}

#[tokio::test]
async fn a_record_that_no_server_took_is_sent_again_later() {
    let socket = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    let accounting = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    let mut settings = config(socket.local_addr().unwrap().port(), accounting.local_addr().unwrap().port());
    settings.servers[0].accounting_retry = 1;
    let radius = Radius::start(settings, None);
    radius.handle.account(start("a")).unwrap();
    radius.handle.account(stop("a", Usage::default())).unwrap();
    radius.until("the server let one time out", |status| status.servers[1].counters.timeouts == 1).await;
    let mut lost = [0; 4096];
    accounting.recv(&mut lost).await.unwrap();
    let mut server = Small::on(socket, accounting);
    assert_eq!(server.record().await, ("a".into(), 1));
    radius.until("all delivered", |status| status.accounting.delivered == 2).await;
    assert_eq!(radius.handle.status().await.unwrap().accounting.dropped_others, 0);
}

fn dynamic_config(port: u16) -> bindery_radius::config::Config {
    let mut config = config(port, port + 1);
    config.servers.clear();
    config.profiles.clear();
    config.clients.push(DisconnectClient { address: LOOPBACK, secret: SECRET.into() });
    config.listen.push(SocketAddr::new(LOOPBACK, 0));
    config
}

fn disconnect(id: u8, session: &str, secret: &str) -> Vec<u8> {
    let mut attributes = AttributeList::new();
    attributes.push(Type::ACCT_SESSION_ID, session.as_bytes()).unwrap();
    packet::signed_request(Code::DisconnectRequest, id, &attributes, &secret.into(), true).unwrap()
}

async fn asked(radius: &mut Radius) -> (bindery_radius::dynamic::Request, String) {
    match radius.event().await {
        Event::Dynamic { request, order } => (request, order.selector.session_id.unwrap().into()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_disconnect_is_asked_once_answered_once_and_repeated() {
    let mut radius = Radius::start(dynamic_config(1), None);
    let admin = Admin::of(&radius).await;
    admin.send(&disconnect(1, "s1", "wrong")).await;
    admin.send(b"noise").await;
    let good = disconnect(2, "s1", SECRET);
    admin.send(&good).await;
    admin.send(&good).await;
    let (request, session) = asked(&mut radius).await;
    assert_eq!((request.kind, session.as_str()), (Kind::Disconnect, "s1"));
    radius.until("the retransmission is seen", |status| status.dynamic.under_way == 1).await;
    radius.handle.answer(request.reply, Err(ErrorCause::SessionContextNotFound)).unwrap();
    let first = admin.receive().await;
    let answer = Packet::decode(&first).unwrap();
    assert_eq!((answer.code(), answer.id()), (Code::DisconnectNak, 2), "the wrong secret got no answer");
    let authenticator = Packet::decode(&good).unwrap().authenticator();
    packet::verify_response(&answer, authenticator, &Secret::from(SECRET), true).unwrap();
    admin.send(&good).await;
    assert_eq!(admin.receive().await, first);
    let counters = radius.handle.status().await.unwrap().dynamic;
    assert_eq!((counters.disconnects, counters.repeated, counters.naks), (1, 1, 1));
    assert_eq!((counters.bad_authenticators, counters.malformed), (1, 1));
}

#[tokio::test]
async fn a_request_that_cannot_be_understood_gets_its_nak_without_asking() {
    let radius = Radius::start(dynamic_config(1), None);
    let admin = Admin::of(&radius).await;
    let none = AttributeList::new();
    let bytes = packet::signed_request(Code::CoaRequest, 1, &none, &SECRET.into(), true).unwrap();
    admin.send(&bytes).await;
    let answer = admin.receive().await;
    let answer = Packet::decode(&answer).unwrap();
    assert_eq!(answer.code(), Code::CoaNak);
    assert_eq!(answer.first(Type::ERROR_CAUSE), Some(&402u32.to_be_bytes()[..]));
}

#[tokio::test]
async fn a_request_that_the_receiver_has_no_room_for_may_come_again() {
    let mut full = true;
    let (sender, mut events) = tokio::sync::mpsc::channel(4);
    let settings = bindery_radius::shell::Settings { config: dynamic_config(1), accounting_file: None };
    let tell = move |event| !std::mem::take(&mut full) && sender.try_send(event).is_ok();
    let handle = bindery_radius::shell::spawn(&tokio::runtime::Handle::current(), settings, tell).unwrap();
    let admin = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    let bytes = disconnect(1, "s1", SECRET);
    for _ in 0..2 {
        admin.send_to(&bytes, handle.listening()[0]).await.unwrap();
    }
    let event = tokio::time::timeout(DEADLINE, events.recv()).await.unwrap();
    assert!(matches!(event, Some(Event::Dynamic { .. })));
    assert_eq!(handle.status().await.unwrap().lost_events, 1);
}

#[tokio::test]
async fn a_new_configuration_is_taken_while_requests_are_under_way() {
    let (port, accounting_port) = free_ports().await;
    let mut old = config(port, accounting_port);
    (old.servers[0].timeout, old.servers[0].retry) = (1000, 100);
    old.listen.push(SocketAddr::new(LOOPBACK, 0));
    let mut radius = Radius::start(old.clone(), None);
    let bound = radius.handle.listening()[0];
    radius.handle.access(1, Request::access("p".into(), user("alice"))).unwrap();
    radius.until("it is sent", |status| status.servers[0].counters.requests == 1).await;

    let mut bad = old.clone();
    bad.servers[0].retry = 0;
    assert!(matches!(radius.handle.reconfigure(bad).await, Err(SpawnError::Config(_))));
    let taken = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    let mut bad = old.clone();
    bad.listen.push(taken.local_addr().unwrap());
    assert!(matches!(radius.handle.reconfigure(bad).await, Err(SpawnError::Bind { .. })));

    let server = Small::start().await;
    let mut new = config(server.port, server.accounting_port);
    new.listen = old.listen;
    new.clients.push(DisconnectClient { address: LOOPBACK, secret: SECRET.into() });
    radius.handle.reconfigure(new).await.unwrap();
    assert!(matches!(radius.access().await, (1, Answer::Accept(_))));
    let admin = Admin::of(&radius).await;
    admin.send(&disconnect(1, "s1", SECRET)).await;
    let (request, _) = asked(&mut radius).await;
    assert_eq!(request.reply.local, bound, "the listener was kept");
}

#[tokio::test]
async fn records_go_out_though_the_file_fails() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    let file = inner.join("accounting");
    let mut server = Small::start().await;
    let settings = config(server.port, server.accounting_port);
    let refused = Radius::try_start(settings.clone(), Some(file.clone()));
    assert!(matches!(refused.err(), Some(SpawnError::File { .. })), "the folder is not there");
    std::fs::create_dir(&inner).unwrap();
    let mut radius = Radius::start(settings.clone(), Some(file.clone()));
    // With its folder gone, the file cannot be written anew, which is due after some hundred records.
    std::fs::remove_dir_all(&inner).unwrap();
    let mut given = 0;
    let fault = loop {
        radius.handle.account(start(&given.to_string())).unwrap();
        given += 1;
        server.record().await;
        if let Ok(event) = radius.events.try_recv() {
            break event;
        }
    };
    assert!(matches!(fault, Event::AccountingFault(_)), "{fault:?}");
    radius.handle.account(stop("last", Usage::default())).unwrap();
    radius.until("all delivered", |status| status.accounting.delivered == given + 1).await;
    assert!(radius.handle.status().await.unwrap().accounting_fault);
    std::fs::create_dir(&inner).unwrap();
    assert_eq!(radius.event().await, Event::AccountingRestored);
    assert!(!radius.handle.status().await.unwrap().accounting_fault);
    radius.handle.stop().await;
    assert!(file.exists());
}

#[tokio::test]
async fn servers_may_have_an_address_of_ipv6_and_clients_too() {
    let loopback = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let server = match Small::at(loopback).await {
        Ok(server) => server,
        Err(error) => return println!("SKIP radius-ipv6: no IPv6 on loopback ({error})"),
    };
    let mut settings = config(server.port, server.accounting_port);
    settings.servers[0].address = loopback;
    settings.servers[0].dynamic_request_port = Some(DYNAMIC_PORT);
    settings.profiles[0].authentication = vec![loopback];
    settings.profiles[0].accounting.clear();
    settings.listen = vec![SocketAddr::new(LOOPBACK, 0), SocketAddr::new(loopback, 0)];
    let mut radius = Radius::start(settings, None);
    radius.handle.access(1, Request::access("p".into(), user("alice"))).unwrap();
    assert!(matches!(radius.access().await, (1, Answer::Accept(_))));
    let admin = UdpSocket::bind((loopback, 0)).await.unwrap();
    admin.send_to(&disconnect(1, "s1", SECRET), radius.handle.listening()[1]).await.unwrap();
    let (request, _) = asked(&mut radius).await;
    assert_eq!(request.reply.local, radius.handle.listening()[1]);
    radius.handle.answer(request.reply, Ok(())).unwrap();
    let mut buffer = [0; 4096];
    let (length, from) = tokio::time::timeout(DEADLINE, admin.recv_from(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(from, radius.handle.listening()[1]);
    assert_eq!(Packet::decode(&buffer[..length]).unwrap().code(), Code::DisconnectAck);
}

#[tokio::test]
async fn requests_come_from_the_source_address() {
    let server = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    let port = server.local_addr().unwrap().port();
    let mut settings = config(port, port ^ 1);
    let source = Ipv4Addr::new(127, 0, 0, 2);
    settings.servers[0].source_address = Some(source.into());
    let radius = Radius::start(settings, None);
    radius.handle.access(1, Request::access("p".into(), user("alice"))).unwrap();
    let mut buffer = [0; 4096];
    let (_, from) = tokio::time::timeout(DEADLINE, server.recv_from(&mut buffer)).await.unwrap().unwrap();
    assert_eq!(from.ip(), source);
}

#[tokio::test]
async fn a_flood_of_disconnects_is_answered_one_by_one() {
    const COUNT: usize = 3000;
    let mut radius = Radius::start(dynamic_config(1), None);
    let admin = Admin::of(&radius).await;
    let mut answered = HashSet::new();
    // Never more under way than a socket buffer holds for sure.
    for round in 0..COUNT / 100 {
        for nth in 0..100 {
            let session = format!("s{}", round * 100 + nth);
            admin.send(&disconnect(nth as u8, &session, SECRET)).await;
        }
        for _ in 0..100 {
            let (request, session) = asked(&mut radius).await;
            radius.handle.answer(request.reply, Ok(())).unwrap();
            assert!(answered.insert(session));
            let answer = admin.receive().await;
            assert_eq!(Packet::decode(&answer).unwrap().code(), Code::DisconnectAck);
        }
    }
    assert_eq!(radius.handle.status().await.unwrap().dynamic.acks, COUNT as u64);
}
