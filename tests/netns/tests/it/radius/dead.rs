//! A server that does not answer delays newcomers, and is nothing to those who are bound.

use super::{OTHERS, SECOND, Scene, Setup, record, renew, user};
use anyhow::{Context, Result, ensure};
use bindery_netns::packet::{Envelope, Message, kind, option};
use bindery_netns::simclient::mac;
use bindery_netns::{FreeRadius, until};
use serde_json::Value;

/// Waits until the operator is told this of the first server's authentication port.
fn wait_state(scene: &Scene, state: &str) -> Result<()> {
    let mut last = None;
    until(&format!("a server that is {state}"), || {
        let all = scene.access.daemon.cli(&["show", "network-access", "aaa", "radius-servers"]).ok()?;
        let server = all.get("servers").and_then(Value::as_array)?.first()?.clone();
        let found = server.get("address")?.as_str()? == "127.0.0.1"
            && server.get("service")?.as_str()? == "authentication"
            && server.get("state")?.as_str()? == state;
        last = Some(server);
        found.then_some(())
    })
    .with_context(|| format!("the last was {last:?}"))
}

/// The server dies: a bound client renews and reboots, a newcomer hears nothing. It comes back: the newcomer is served.
#[test]
fn a_dead_server_delays_newcomers_only() -> Result<()> {
    let mut setup = Setup::new(&[OTHERS.into()]);
    setup.access = "radius-options { revert-interval 1; timeout-grace 0 }".into();
    let Some(mut scene) = Scene::new(&[], &setup)? else { return Ok(()) };
    let clients = scene.clients()?;
    let bound = clients.lease(mac(1), 0x100)?;
    scene.radius.stop();

    let discover = Message::request(kind::DISCOVER, mac(2), 0x200);
    let frame = Envelope::client_broadcast(mac(2)).frame(&discover.encode());
    clients.socket().send(&frame)?;
    let renewed = renew(&clients, mac(1), 0x300, bound.address)?;
    ensure!(renewed.message.kind() == kind::ACK && renewed.message.yiaddr == bound.address, "{renewed:?}");
    let reboot = Message::request(kind::REQUEST, mac(1), 0x301).with(option::REQUESTED, &bound.address.octets());
    let answer = clients.exchange(&reboot)?;
    ensure!(answer.message.kind() == kind::ACK && answer.message.yiaddr == bound.address, "{answer:?}");
    scene.wait_dropped("access-timeout", 1)?;
    scene.silent(mac(2))?;
    wait_state(&scene, "dead")?;
    // Also one that is sure of its address.
    let renewed = renew(&clients, mac(1), 0x302, bound.address)?;
    ensure!(renewed.message.kind() == kind::ACK, "{renewed:?}");
    scene.access.agree(bound.address, mac(1))?;

    scene.radius.restart(&scene.access.server)?;
    let lease = clients.lease(mac(2), 0x210)?;
    scene.access.agree(lease.address, mac(2))?;
    scene.record("Start", lease.address)?;
    wait_state(&scene, "up")?;
    let naks = scene.access.seen()?.iter().filter(|sent| sent.message.kind() == kind::NAK).count();
    ensure!(naks == 0, "{naks} NAKs");
    scene.judge()
}

/// The first server of the list is dead: the second one is asked and told.
#[test]
fn the_second_server_takes_over() -> Result<()> {
    let mut setup = Setup::new(&[OTHERS.into()]);
    setup.servers = ("\"127.0.0.1\" \"127.0.0.2\"", "\"127.0.0.1\" \"127.0.0.2\"");
    let Some(mut scene) = Scene::new(&[], &setup)? else { return Ok(()) };
    let clients = scene.clients()?;
    let second = FreeRadius::start(&scene.access.lab, &scene.access.server, SECOND, OTHERS)?;
    let one = clients.lease(mac(1), 0x100)?;
    record(&scene.radius, "Start", one.address)?;
    scene.radius.stop();
    let two = clients.lease(mac(2), 0x200)?;
    scene.access.agree(two.address, mac(2))?;
    record(&second, "Start", two.address)?;
    let asked = second.asked()?;
    ensure!(asked.iter().any(|packet| packet.has("User-Name", &user(mac(2)))), "{asked:?}");
    ensure!(asked.iter().all(|packet| packet.has("User-Name", &user(mac(2)))), "{asked:?}");
    scene.judge()
}

/// An answer without Message-Authenticator can be forged: it is none, unless the configuration says otherwise.
#[test]
fn an_unsigned_answer_is_no_answer() -> Result<()> {
    let mut setup = Setup::new(&[OTHERS.into()]);
    setup.access = "radius-options { revert-interval 0 }".into();
    let Some(mut scene) = Scene::new(&[], &setup)? else { return Ok(()) };
    scene.radius.edit("Message-Authenticator := 0x00", "Reply-Message := \"unsigned\"")?;
    scene.radius.restart(&scene.access.server)?;
    let clients = scene.clients()?;
    let discover = Message::request(kind::DISCOVER, mac(1), 0x100);
    clients.socket().send(&Envelope::client_broadcast(mac(1)).frame(&discover.encode()))?;
    scene.wait_dropped("access-timeout", 1)?;
    scene.silent(mac(1))?;
    ensure!(!scene.wire.payloads("radius.code == 2")?.is_empty(), "the server has not answered");

    setup.server = "no-message-authenticator";
    scene.access.daemon.reload(&setup.text())?;
    let lease = clients.lease(mac(1), 0x110)?;
    scene.access.agree(lease.address, mac(1))?;
    scene.judge()
}

/// `authentication-order radius none`: where nobody answers, everybody is taken; a rejection is an answer.
#[test]
fn without_an_answer_everybody_is_taken_where_that_is_configured() -> Result<()> {
    let mut setup = Setup::new(&[format!("{} Auth-Type := Reject\n\n", user(mac(1))), OTHERS.into()]);
    setup.profile = "authentication-order radius none".into();
    let Some(mut scene) = Scene::new(&[], &setup)? else { return Ok(()) };
    let clients = scene.clients()?;
    let discover = Message::request(kind::DISCOVER, mac(1), 0x100);
    clients.socket().send(&Envelope::client_broadcast(mac(1)).frame(&discover.encode()))?;
    scene.wait_dropped("access-rejected", 1)?;
    scene.silent(mac(1))?;
    scene.radius.stop();
    let lease = clients.lease(mac(2), 0x200)?;
    scene.access.agree(lease.address, mac(2))?;
    scene.radius.restart(&scene.access.server)?;
    let start = scene.record("Start", lease.address)?;
    ensure!(start.has("User-Name", &user(mac(2))), "{start}");
    scene.judge()
}
