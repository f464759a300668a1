//! The kernel's routes are a projection of the sessions, and foreign ones are never touched.

use crate::access::{Access, Config};
use anyhow::{Result, ensure};
use bindery_netns::client::Options;
use bindery_netns::packet::{Envelope, Message, kind, option};
use bindery_netns::simclient::{SimClients, mac};
use bindery_netns::wait::while_waiting;
use bindery_netns::{Client, ClientKind, until};
use std::net::Ipv4Addr;

/// A foreign /32 for an address of the pool: it stays, an alarm tells, and nobody is told that he has that address.
#[test]
fn a_foreign_route_in_the_way() -> Result<()> {
    let blocked = Ipv4Addr::new(10, 0, 0, 10);
    let Some(mut access) = Access::new(&[], &Config::default())? else {
        return Ok(());
    };
    access.server.ip(&["route", "add", "10.0.0.10/32", "dev", "lo", "proto", "static"])?;
    let clients = SimClients::open(&access.client, "c0")?;
    let offer = clients.exchange(&Message::request(kind::DISCOVER, mac(1), 1))?;
    ensure!(offer.message.yiaddr == blocked, "the first of the range: {offer:?}");
    let request = Message::request(kind::REQUEST, mac(1), 2)
        .with(option::REQUESTED, &blocked.octets())
        .with(option::SERVER, offer.message.option(option::SERVER).unwrap_or_default());
    clients.socket().send(&Envelope::client_broadcast(mac(1)).frame(&request.encode()))?;

    // While another client gets its lease, the first hears nothing: neither ACK nor NAK.
    let other = clients.lease(mac(2), 0x20)?;
    let answered = access.seen()?.into_iter().any(|sent| sent.message.op == 2 && sent.message.xid == 2);
    ensure!(!answered, "the exchange must be silent:\n{}", access.capture.summary()?);
    access.agree(other.address, mac(2))?;
    let foreign = access.server.routes_of("static")?;
    ensure!(foreign.iter().any(|route| route.destination == "10.0.0.10"), "the foreign route went: {foreign:?}");
    ensure!(access.server.route(blocked)?.is_none(), "a route of ours beside it");
    let alarm = |line: &str| line.contains("alarm") && line.contains("10.0.0.10");
    access.daemon.process().wait_line_where("alarm", 0, alarm)?;
    Ok(())
}

/// A link that goes down and up loses every route of the interface; they come back.
#[test]
fn a_link_flap() -> Result<()> {
    let Some(access) = Access::new(ClientKind::Dhclient.programs(), &Config::default())? else {
        return Ok(());
    };
    let mut client = Client::start(&access.lab, ClientKind::Dhclient, &access.client, "c0", Options::default())?;
    let address = client.wait_address(&access.client)?;
    let clients = SimClients::open(&access.client, "c0")?;
    for number in 1..20 {
        clients.lease(mac(number), number * 16)?;
    }
    access.database_is_kernel()?;
    ensure!(access.server.routes()?.len() == 20, "{:?}", access.server.routes()?);
    access.server.ip(&["link", "set", "s0", "down"])?;
    ensure!(access.server.routes()?.is_empty(), "the kernel flushes them");
    access.server.ip(&["link", "set", "s0", "up"])?;
    access.database_is_kernel()?;
    access.agree(address, access.client.mac("c0")?)
}

/// A route that somebody deletes by hand comes back.
#[test]
fn a_route_removed_by_hand() -> Result<()> {
    let Some(access) = Access::new(&[], &Config::default())? else {
        return Ok(());
    };
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 1)?;
    access.agree(lease.address, mac(1))?;
    access.server.ip(&["route", "del", &format!("{}/32", lease.address), "proto", "201"])?;
    until("the route to come back", || access.server.route(lease.address).ok()?)?;
    access.agree(lease.address, mac(1))
}

/// A route of the daemon's protocol that belongs to no session is left over from somewhere: it goes at the start.
#[test]
fn a_leftover_route_goes_at_the_start() -> Result<()> {
    let Some(mut access) = Access::new(&[], &Config::default())? else {
        return Ok(());
    };
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 1)?;
    access.daemon.kill();
    access.server.ip(&["route", "add", "10.0.0.99/32", "dev", "s0", "scope", "link", "proto", "201"])?;
    access.server.ip(&["route", "add", "10.0.0.98/32", "dev", "s0", "scope", "link", "proto", "static"])?;
    access.daemon.restart(&access.server)?;
    access.database_is_kernel()?;
    access.agree(lease.address, mac(1))?;
    ensure!(access.server.routes_of("static")?.len() == 1, "a foreign route is not ours to remove");
    Ok(())
}

/// SIGTERM is no reason to cut a subscriber off: bindings and routes stay.
#[test]
fn sigterm_leaves_the_routes() -> Result<()> {
    let Some(mut access) = Access::new(&[], &Config::default())? else {
        return Ok(());
    };
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 1)?;
    access.agree(lease.address, mac(1))?;
    access.daemon.terminate()?;
    ensure!(access.server.route(lease.address)?.is_some(), "the route went with the daemon");
    access.daemon.restart(&access.server)?;
    access.agree(lease.address, mac(1))
}

/// A lease that nobody renews ends: binding, route and neighbour, and not before its time.
#[test]
fn an_expired_lease_takes_its_route_along() -> Result<()> {
    let config = Config { attributes: "maximum-lease-time 5; router \"10.0.0.1\"".into(), ..Config::default() };
    let Some(access) = Access::new(&[], &config)? else {
        return Ok(());
    };
    let clients = SimClients::open(&access.client, "c0")?;
    let started = std::time::Instant::now();
    let lease = clients.lease(mac(1), 1)?;
    access.daemon.wait_bound(lease.address)?;
    while_waiting(
        "the end of the lease",
        || access.daemon.binding(lease.address).ok()?.is_none_or(|b| !b.is_bound()).then_some(()),
        || {
            let routed = access.server.route(lease.address)?.is_some();
            ensure!(routed || started.elapsed().as_secs() >= 5, "the route went before the lease's end");
            Ok(())
        },
    )?;
    access.gone(lease.address)
}

/// `no-arp`: the client is asked for its hardware address as any neighbour is.
#[test]
fn no_arp_leaves_the_neighbour_to_the_kernel() -> Result<()> {
    let config = Config { group: "overrides { no-arp }; interface s0".into(), ..Config::default() };
    let Some(access) = Access::new(&[], &config)? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 1)?;
    access.daemon.wait_bound(lease.address)?;
    ensure!(access.server.route(lease.address)?.is_some(), "the route is there all the same");
    let entries = access.server.neighbours("s0")?;
    ensure!(entries.iter().all(|entry| entry.state != "PERMANENT"), "{entries:?}");
    Ok(())
}
