//! Accounting: what FreeRADIUS wrote down of sessions.

use super::{CLASS, OTHERS, REAL, SECOND, Scene, Setup, accept, is_record, record, renew, user};
use anyhow::{Result, ensure};
use bindery_netns::client::Options;
use bindery_netns::freeradius::Packet;
use bindery_netns::packet::{kind, mac_text};
use bindery_netns::simclient::mac;
use bindery_netns::{Client, ClientKind, FreeRadius, until};
use std::net::Ipv4Addr;

/// Both are of one session: everything that names it is the same, and class is echoed.
fn same_session(one: &Packet, other: &Packet) -> Result<()> {
    ensure!(!one.value("Acct-Session-Id").is_empty(), "{one}");
    for name in ["Acct-Session-Id", "User-Name", "Framed-IP-Address", "Calling-Station-Id", "NAS-Port-Id", "Class"] {
        ensure!(one.values(name) == other.values(name), "{name}: {one} and {other}");
    }
    Ok(())
}

fn starts(radius: &FreeRadius, address: Ipv4Addr) -> Result<usize> {
    Ok(radius.accounted()?.iter().filter(|packet| is_record(packet, "Start", address)).count())
}

/// Start, Interim-Update and Stop, with the cause of each kind of end.
#[test]
fn records_tell_how_sessions_begin_and_end() -> Result<()> {
    let granted = [CLASS];
    let timed = ["Session-Timeout = 2", CLASS];
    let users = [
        accept(&user(REAL), &granted),
        accept(&user(mac(1)), &granted),
        accept(&user(mac(2)), &granted),
        accept(&user(mac(3)), &timed),
    ];
    let mut setup = Setup::new(&users);
    setup.profile = "accounting { immediate-update }".into();
    let Some(scene) = Scene::new(ClientKind::Udhcpc.programs(), &setup)? else { return Ok(()) };
    let access = &scene.access;
    let clients = scene.clients()?;
    let timed = clients.lease(mac(3), 0x300)?.address;
    let mut released = Client::start(&access.lab, ClientKind::Udhcpc, &access.client, "c0", Options::default())?;
    let real = released.wait_address(&access.client)?;
    let (cleared, disconnected) = (clients.lease(mac(1), 0x100)?.address, clients.lease(mac(2), 0x200)?.address);
    for (address, mac) in [(real, REAL), (cleared, mac(1)), (disconnected, mac(2)), (timed, mac(3))] {
        let start = scene.record("Start", address)?;
        ensure!(start.has("User-Name", &user(mac)) && start.has("Calling-Station-Id", &mac_text(mac)), "{start}");
        ensure!(start.has("NAS-Port-Id", "s0") && start.has("Class", "0x676f6c6400ff"), "{start}");
        let interim = scene.record("Interim-Update", address)?;
        same_session(&start, &interim)?;
        ensure!(!interim.value("Acct-Session-Time").is_empty(), "{interim}");
    }
    released.release()?;
    access.daemon.cli(&["clear", "dhcp", "server", "binding", &cleared.to_string()])?;
    scene.acknowledged("disconnect", &[&format!("Framed-IP-Address = {disconnected}")])?;
    for (address, cause) in
        [(real, "User-Request"), (cleared, "Admin-Reset"), (disconnected, "Admin-Reset"), (timed, "Session-Timeout")]
    {
        let stop = scene.record("Stop", address)?;
        ensure!(stop.has("Acct-Terminate-Cause", cause), "not {cause}: {stop}");
        ensure!(!stop.value("Acct-Session-Time").is_empty(), "{stop}");
        same_session(&scene.record("Start", address)?, &stop)?;
        access.gone(address)?;
    }
    let ids: std::collections::BTreeSet<String> =
        scene.radius.accounted()?.iter().map(|packet| packet.value("Acct-Session-Id").into()).collect();
    let sessions = scene.radius.accounted()?.iter().filter(|packet| packet.has("Acct-Status-Type", "Start")).count();
    ensure!(sessions == 4 && ids.len() >= 4, "{sessions} Starts, sessions {ids:?}");
    released.stop();
    scene.judge()
}

/// A session with a Session-Timeout ends in its time, however often its client renews; the client may begin another one,
/// about which RADIUS is asked again.
#[test]
fn a_session_ends_however_often_its_client_renews() -> Result<()> {
    let setup = Setup::new(&[accept(&user(mac(1)), &["Session-Timeout = 2"])]);
    let Some(scene) = Scene::new(&[], &setup)? else { return Ok(()) };
    let clients = scene.clients()?;
    let address = clients.lease(mac(1), 0x100)?.address;
    let start = scene.record("Start", address)?;
    let mut xid = 0x200;
    until("an answer that is no ACK", || {
        xid += 1;
        let answer = renew(&clients, mac(1), xid, address).ok()?;
        (answer.message.kind() == kind::NAK).then_some(())
    })?;
    let stop = scene.record("Stop", address)?;
    ensure!(stop.has("Acct-Terminate-Cause", "Session-Timeout"), "{stop}");
    same_session(&start, &stop)?;
    scene.judge()
}

/// A session survives `kill -9` of the daemon: it has one Start, and its Stop has the same Acct-Session-Id.
#[test]
fn a_session_goes_on_over_a_kill() -> Result<()> {
    let Some(mut scene) = Scene::new(&[], &Setup::new(&[OTHERS.into()]))? else { return Ok(()) };
    let clients = scene.clients()?;
    let address = clients.lease(mac(1), 0x100)?.address;
    let start = scene.record("Start", address)?;
    scene.access.agree_also_after_a_restart(address, mac(1))?;
    let other = clients.lease(mac(2), 0x200)?.address;
    scene.record("Start", other)?;
    scene.access.daemon.cli(&["clear", "dhcp", "server", "binding", &address.to_string()])?;
    let stop = scene.record("Stop", address)?;
    same_session(&start, &stop)?;
    ensure!(starts(&scene.radius, address)? == 1, "{:?}", scene.radius.accounted()?);
    scene.access.gone(address)?;
    scene.judge()
}

/// Waits until the daemon's own file has so many records of a client.
fn written(scene: &Scene, mac: [u8; 6], count: usize) -> Result<()> {
    let path = scene.access.daemon.folder().join("state").join("accounting");
    until(&format!("{count} records in {}", path.display()), || {
        let file = std::fs::read(&path).ok()?;
        let name = user(mac);
        (file.windows(name.len()).filter(|bytes| *bytes == name.as_bytes()).count() >= count).then_some(())
    })
}

/// The accounting server is down: records wait on storage, also over `kill -9` of the daemon, and come in their order.
#[test]
fn records_wait_for_a_dead_server_over_a_kill() -> Result<()> {
    let mut setup = Setup::new(&[OTHERS.into()]);
    setup.servers = ("\"127.0.0.1\"", "\"127.0.0.2\"");
    setup.access = "radius-options { revert-interval 1; timeout-grace 0 }".into();
    let Some(mut scene) = Scene::new(&[], &setup)? else { return Ok(()) };
    let mut accounts = FreeRadius::stopped(&scene.access.lab, &scene.access.server, SECOND, OTHERS)?;
    let clients = scene.clients()?;
    let ended = clients.lease(mac(1), 0x100)?.address;
    let lives = clients.lease(mac(2), 0x200)?.address;
    scene.access.daemon.cli(&["clear", "dhcp", "server", "binding", &ended.to_string()])?;
    // A record is written down right after what it tells of, not together with it: what dies in between is not told.
    written(&scene, mac(1), 2)?;
    written(&scene, mac(2), 1)?;
    scene.access.daemon.kill();
    scene.access.daemon.restart(&scene.access.server)?;
    scene.access.agree(lives, mac(2))?;
    accounts.restart(&scene.access.server)?;
    let stop = record(&accounts, "Stop", ended)?;
    ensure!(stop.has("Acct-Terminate-Cause", "Admin-Reset"), "{stop}");
    let start = record(&accounts, "Start", lives)?;
    ensure!(start.has("User-Name", &user(mac(2))), "{start}");
    let all = until("both records of the session that ended", || {
        let all = accounts.accounted().ok()?;
        (starts(&accounts, ended).ok()? > 0).then_some(all)
    })?;
    let place = |status: &str| all.iter().position(|packet| is_record(packet, status, ended));
    ensure!(place("Start") < place("Stop"), "{all:?}");
    same_session(&record(&accounts, "Start", ended)?, &stop)?;
    // Later records find the server as well.
    scene.access.daemon.cli(&["clear", "dhcp", "server", "binding", &lives.to_string()])?;
    same_session(&start, &record(&accounts, "Stop", lives)?)?;
    ensure!(starts(&accounts, lives)? == 1, "{all:?}");
    scene.judge()
}
