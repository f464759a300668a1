//! Access-Requests and what the answers grant.

use super::{CLASS, OTHERS, REAL, Scene, Setup, accept, in_gold, is_record, lease_secs, renew, user};
use crate::access::Config;
use crate::relayed;
use anyhow::{Context, Result, ensure};
use bindery_netns::client::Options;
use bindery_netns::freeradius::{PROGRAMS, SECRET};
use bindery_netns::packet::{Envelope, Message, kind, mac_text};
use bindery_netns::simclient::mac;
use bindery_netns::{Client, ClientKind, FreeRadius, Route, relay, until};
use std::net::Ipv4Addr;

/// Pool, end of service and class of the Access-Accept; what the server was asked and told.
#[test]
fn a_newcomer_gets_what_radius_grants() -> Result<()> {
    const SECS: u32 = 100;
    let granted = ["Framed-Pool = \"gold\"", "Session-Timeout = 100", CLASS];
    let mut setup = Setup::new(&[accept(&user(mac(1)), &granted), OTHERS.into()]);
    setup.profile = "session-options { client-session-timeout 1 }".into();
    let Some(scene) = Scene::new(&[], &setup)? else { return Ok(()) };
    let clients = scene.clients()?;
    let lease = clients.lease(mac(1), 0x100)?;
    ensure!(in_gold(lease.address), "{} is not of the pool", lease.address);
    scene.access.agree(lease.address, mac(1))?;
    // Everybody else has the pool of the interface, and the profile's end of service.
    let other = clients.lease(mac(2), 0x200)?;
    ensure!(!in_gold(other.address) && (1..=60).contains(&lease_secs(&other.ack)?), "{other:?}");
    scene.access.agree(other.address, mac(2))?;

    let asked = scene.radius.wait_asked("the Access-Request", |packet| packet.has("User-Name", &user(mac(1))))?;
    for (name, value) in [
        ("User-Password", "s3cret"),
        ("Calling-Station-Id", &*mac_text(mac(1))),
        ("NAS-Port-Id", "s0"),
        ("NAS-Port-Type", "Ethernet"),
    ] {
        ensure!(asked.has(name, value), "{name} is not {value}: {asked}");
    }
    ensure!(!asked.value("NAS-Identifier").is_empty() || !asked.value("NAS-IP-Address").is_empty(), "{asked}");
    ensure!(!asked.value("Message-Authenticator").is_empty(), "{asked}");
    let start = scene.record("Start", lease.address)?;
    ensure!(start.has("User-Name", &user(mac(1))) && start.has("Class", "0x676f6c6400ff"), "{start}");
    // The operator reads the names that RADIUS knows.
    let binding = scene.access.daemon.wait_bound(lease.address)?;
    let shown = |key: &str| binding.all.get(key).and_then(serde_json::Value::as_str).unwrap_or_default().to_string();
    ensure!(shown("user-name") == user(mac(1)), "{binding:?}");
    ensure!(shown("accounting-session-id") == start.value("Acct-Session-Id"), "{start} {binding:?}");

    // The lease is cut to what is granted, and no renewal goes beyond.
    let ack = |xid| {
        scene.access.capture.wait("an ACK", 0, |sent| sent.message.kind() == kind::ACK && sent.message.xid == xid)
    };
    let first = ack(0x101)?;
    ensure!((1..=SECS).contains(&lease_secs(&first)?), "{first:?}");
    let end = first.at_nanos / 1_000_000_000 + u64::from(SECS);
    let mut xid = 0x300;
    let last = until("a second to pass", || {
        xid += 1;
        renew(&clients, mac(1), xid, lease.address)
            .ok()
            .filter(|sent| lease_secs(sent).is_ok_and(|secs| secs < SECS - 1))
    })?;
    let last = ack(last.message.xid)?;
    ensure!(last.at_nanos / 1_000_000_000 + u64::from(lease_secs(&last)?) <= end + 1, "{first:?} {last:?}");
    scene.judge()
}

/// The address that RADIUS chose, for a real client.
#[test]
fn a_newcomer_gets_the_address_that_radius_chose() -> Result<()> {
    let chosen = Ipv4Addr::new(10, 0, 2, 77);
    let setup = Setup::new(&[accept(&user(REAL), &["Framed-IP-Address = 10.0.2.77"])]);
    let Some(scene) = Scene::new(ClientKind::Udhcpc.programs(), &setup)? else { return Ok(()) };
    let access = &scene.access;
    let mut client = Client::start(&access.lab, ClientKind::Udhcpc, &access.client, "c0", Options::default())?;
    let address = client.wait_address(&access.client)?;
    ensure!(address == chosen, "{address}");
    access.agree(address, REAL)?;
    scene.record("Start", address)?;
    let mark = access.capture.mark()?;
    client.renew()?;
    access.capture.wait("an ACK", mark, |sent| sent.message.kind() == kind::ACK && sent.message.yiaddr == chosen)?;
    ensure!(scene.radius.asked()?.len() == 1, "a renewal was asked about");
    client.stop();
    scene.judge()
}

/// A rejected client hears nothing, and nobody else is worse off.
#[test]
fn a_rejected_newcomer_hears_nothing() -> Result<()> {
    let setup = Setup::new(&[format!("{} Auth-Type := Reject\n\n", user(mac(1))), OTHERS.into()]);
    let Some(scene) = Scene::new(&[], &setup)? else { return Ok(()) };
    let clients = scene.clients()?;
    let frame = |xid| {
        let discover = Message::request(kind::DISCOVER, mac(1), xid);
        Envelope::client_broadcast(mac(1)).frame(&discover.encode())
    };
    clients.socket().send(&frame(0x100))?;
    scene.wait_dropped("access-rejected", 1)?;
    // It may ask again, and is judged again.
    clients.socket().send(&frame(0x101))?;
    scene.wait_dropped("access-rejected", 2)?;
    let lease = clients.lease(mac(2), 0x200)?;
    scene.access.agree(lease.address, mac(2))?;
    scene.silent(mac(1))?;
    let names: Vec<String> = scene.radius.asked()?.iter().map(|packet| packet.value("User-Name").into()).collect();
    ensure!(names == [user(mac(1)), user(mac(1)), user(mac(2))], "{names:?}");
    scene.record("Start", lease.address)?;
    ensure!(scene.radius.accounted()?.iter().all(|packet| !packet.has("User-Name", &user(mac(1)))), "it is accounted");
    scene.judge()
}

/// What a relay says of the line reaches the server in the DSL Forum's attribute, and in the user name.
#[test]
fn option_82_reaches_radius() -> Result<()> {
    let authentication =
        "authentication { password s3cret; username-include { option-82 { circuit-id }; domain-name isp } }";
    let config = Config {
        group: format!("interface s0; access-profile isp; {authentication}"),
        pool: "network \"10.1.0.0/24\"; range r1 { low \"10.1.0.130\"; high \"10.1.0.250\" }".into(),
        attributes: "maximum-lease-time 600; router \"10.1.0.3\"".into(),
        access: format!(
            "radius-server \"127.0.0.1\" {{ secret {SECRET}; timeout 1 }}\n\
             profile isp {{ radius {{ authentication-server \"127.0.0.1\"; accounting-server \"127.0.0.1\" }} }}"
        ),
        ..Config::default()
    };
    let programs = [&PROGRAMS[..], &["busybox", "dhcrelay"]].concat();
    let Some(scene) = relayed::Scene::new(&programs, &config)? else { return Ok(()) };
    let users = accept("r0@isp", &[CLASS]);
    let radius = FreeRadius::start(&scene.lab, &scene.server, super::FIRST, &users)?;
    let giaddr = Ipv4Addr::new(10, 1, 0, 3);
    scene.relay.address("r0", &format!("{giaddr}/32"))?;
    scene.relay.ip(&["route", "add", "10.1.0.128/25", "dev", "r0"])?;
    scene.relay.sysctl("net/ipv4/conf/r0/proxy_arp", "1")?;
    let _relay = relay::dhcrelay(&scene.relay, "r0", "r1", relayed::SERVER)?;
    let mut client = Client::start(&scene.lab, ClientKind::Udhcpc, &scene.client, "c0", Options::default())?;
    let address = client.wait_address(&scene.client)?;
    let binding = scene.daemon.wait_bound(address)?;
    ensure!(binding.mac == mac_text(scene.client.mac("c0")?), "{binding:?}");
    let route = until("the route", || scene.server.route(address).ok()?)?;
    ensure!(route.via == Some(giaddr.to_string()), "{route:?}");
    let asked = radius.asked()?.into_iter().next().context("nobody was asked")?;
    ensure!(asked.has("User-Name", "r0@isp"), "{asked}");
    // FreeRADIUS shows it as text or as bytes.
    ensure!(["r0", "0x7230"].contains(&asked.value("ADSL-Agent-Circuit-Id")), "{asked}");
    radius
        .wait_accounted("a Start", |packet| is_record(packet, "Start", address) && packet.has("User-Name", "r0@isp"))?;
    client.stop();
    scene.capture.judge("udp.srcport == 67 && ip.src == 10.1.0.1")
}

/// A network behind the client is routed to it for as long as it has its lease.
#[test]
fn a_framed_route_leads_to_the_client() -> Result<()> {
    let setup = Setup::new(&[accept(&user(mac(1)), &["Framed-Route = \"10.77.0.0/24 0.0.0.0 1\""])]);
    let Some(mut scene) = Scene::new(&[], &setup)? else { return Ok(()) };
    let clients = scene.clients()?;
    let address = clients.lease(mac(1), 0x100)?.address;
    scene.access.agree(address, mac(1))?;
    let behind = |scene: &Scene| -> Result<Option<Route>> {
        let routes = scene.access.server.routes()?;
        Ok(routes.into_iter().find(|route| route.destination == "10.77.0.0/24"))
    };
    let route = until("the route", || behind(&scene).ok()?)?;
    ensure!(route.via == Some(address.to_string()) && route.interface == "s0", "{route:?}");
    scene.access.agree_also_after_a_restart(address, mac(1))?;
    let after = until("the route", || behind(&scene).ok()?)?;
    ensure!(after == route, "{route:?} became {after:?}");
    scene.acknowledged("disconnect", &[&format!("User-Name = \"{}\"", user(mac(1)))])?;
    scene.access.gone(address)?;
    until("the end of the route", || behind(&scene).ok()?.is_none().then_some(()))?;
    scene.judge()
}

/// A pool that is not configured: no other one will do, so the client hears nothing. A rejected client hears nothing
/// either. Both have a Stop where the profile wants one.
#[test]
fn who_cannot_be_served_hears_nothing() -> Result<()> {
    let users = [
        accept(&user(mac(1)), &["Framed-Pool = \"nowhere\""]),
        format!("{} Auth-Type := Reject\n\n", user(mac(2))),
        OTHERS.into(),
    ];
    let mut setup = Setup::new(&users);
    setup.profile = "accounting { accounting-stop-on-failure; accounting-stop-on-access-deny }".into();
    let Some(scene) = Scene::new(&[], &setup)? else { return Ok(()) };
    let clients = scene.clients()?;
    for (number, counter) in [(1, "invalid-subnet"), (2, "access-rejected")] {
        let discover = Message::request(kind::DISCOVER, mac(number), number << 8);
        clients.socket().send(&Envelope::client_broadcast(mac(number)).frame(&discover.encode()))?;
        scene.wait_dropped(counter, 1)?;
        scene.silent(mac(number))?;
        let stop = scene.radius.wait_accounted("a Stop", |packet| packet.has("User-Name", &user(mac(number))))?;
        ensure!(
            stop.has("Acct-Status-Type", "Stop") && stop.has("Calling-Station-Id", &mac_text(mac(number))),
            "{stop}"
        );
        ensure!(!stop.value("Acct-Session-Id").is_empty() && stop.value("Framed-IP-Address").is_empty(), "{stop}");
    }
    let lease = clients.lease(mac(3), 0x300)?;
    scene.access.agree(lease.address, mac(3))?;
    scene.record("Start", lease.address)?;
    scene.judge()
}

/// A plugin of stage `authorize` changes name and attributes of the question, and chooses address and lease time.
#[test]
fn a_plugin_judges_before_and_after_radius() -> Result<()> {
    if !crate::plugins::built() {
        return Ok(());
    }
    let path = crate::plugins::component("fixture-stages.wasm")?;
    let mut setup = Setup::new(&[accept("first", &["Session-Timeout = 30"])]);
    setup.rest = format!(
        "plugins {{ plugin one {{ path \"{}\"; on-failure drop; settings {{ answer first }} }} }}\npolicy {{ authorize one }}",
        path.display()
    );
    let Some(scene) = Scene::new(&[], &setup)? else { return Ok(()) };
    let lease = scene.clients()?.lease(mac(1), 0x100)?;
    ensure!(lease.address == Ipv4Addr::new(192, 0, 2, 1), "{lease:?}");
    // The plugin has put its own attributes in place of what RADIUS granted.
    ensure!(lease_secs(&lease.ack)? == 60, "{lease:?}");
    scene.access.agree(lease.address, mac(1))?;
    let asked = scene.radius.asked()?.into_iter().next().context("nobody was asked")?;
    ensure!(asked.has("User-Name", "first") && asked.has("Cisco-AVPair", "one"), "{asked}");
    ensure!(asked.has("User-Password", "s3cret") && asked.value("NAS-Port-Id").is_empty(), "{asked}");
    let start = scene.record("Start", lease.address)?;
    ensure!(start.has("User-Name", "first"), "{start}");
    scene.judge()
}
