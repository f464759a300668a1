//! Commits by the operator's CLI: what clients get, the session database and the kernel agree through commit, rollback,
//! a confirmation that does not come, and `kill -9`.

use crate::access::{Access, Config};
use crate::reconfigure::{Subscriber, after, reconfigure};
use anyhow::{Context, Result, ensure};
use bindery_netns::client::Options;
use bindery_netns::packet::{Message, kind, option};
use bindery_netns::process::capture;
use bindery_netns::simclient::{SimClients, mac};
use bindery_netns::wait::until_within;
use bindery_netns::{Client, ClientKind, Daemon, Sent, until};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

/// The pool's attributes, as words of a command.
const ATTRIBUTES: &str = "access address-assignment pool p1 family inet dhcp-attributes";

/// The pool's range, as words of a command.
const RANGE: &str = "access address-assignment pool p1 family inet range r1";

/// The time to confirm, a minute, and a busy machine's own.
const CONFIRM: Duration = Duration::from_secs(240);

/// The lease time that a new client is given.
fn granted(clients: &SimClients, number: u32) -> Result<u32> {
    let lease = clients.lease(mac(number), number * 16)?;
    let secs = lease.ack.message.option(option::LEASE_TIME).context("no lease time")?;
    Ok(u32::from_be_bytes(secs.try_into()?))
}

/// A client asks for its address again, by broadcast: the kind of the answer.
fn rebind(clients: &SimClients, number: u32, address: Ipv4Addr, xid: u32) -> Result<u8> {
    let mut message = Message::request(kind::REQUEST, mac(number), xid);
    message.ciaddr = address;
    Ok(clients.exchange(&message)?.message.kind())
}

/// The newest entry of `show system commit`.
fn newest(daemon: &Daemon) -> Result<Value> {
    let history = daemon.cli(&["show", "system", "commit"])?;
    history.pointer("/commits/0").cloned().with_context(|| format!("no commits: {history}"))
}

/// How far the renumbering is.
fn progress(daemon: &Daemon) -> Result<Value> {
    daemon.cli(&["show", "system", "commit", "progress"])
}

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn a_commit_changes_what_clients_get_and_keeps_their_sessions() -> Result<()> {
    let Some(mut access) = Access::new(&[], &Config::default())? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 1)?;
    let before = access.daemon.wait_bound(lease.address)?;

    let said = access.daemon.script(&format!(
        "configure; set {ATTRIBUTES} maximum-lease-time 1200; show | compare; commit comment \"longer leases\" and-quit"
    ))?;
    ensure!(said.contains("-") && said.contains("maximum-lease-time 600;"), "the comparison: {said}");
    ensure!(said.contains("commit complete"), "{said}");
    ensure!(granted(&clients, 2)? == 1200, "the new lease time");
    ensure!(access.daemon.wait_bound(lease.address)?.session == before.session, "another session");
    let entry = newest(&access.daemon)?;
    ensure!(field(&entry, "comment") == "longer leases" && field(&entry, "user") == "root", "{entry}");
    let file = std::fs::read_to_string(access.daemon.folder().join("bindery.kdl"))?;
    ensure!(file.contains("maximum-lease-time 1200"), "the file was not written:\n{file}");
    access.agree_also_after_a_restart(lease.address, mac(1))?;
    ensure!(granted(&clients, 3)? == 1200, "a restart boots the newest revision");

    access.daemon.script("configure; rollback 1; commit and-quit")?;
    ensure!(granted(&clients, 4)? == 600, "the lease time before it");
    access.agree(lease.address, mac(1))?;
    access.database_is_kernel()
}

#[test]
fn a_commit_that_hurts_sessions_needs_force() -> Result<()> {
    let Some(mut access) = Access::new(&[], &Config::default().range("10.0.0.10", "10.0.0.19"))? else {
        return Ok(());
    };
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 1)?;
    access.agree(lease.address, mac(1))?;

    let change = format!("configure; set {RANGE} low 10.0.0.100 high 10.0.0.119");
    let refused = access.daemon.refused(&format!("{change}; commit"))?;
    ensure!(refused.contains("1 live session") && refused.contains("force"), "{refused}");
    ensure!(rebind(&clients, 1, lease.address, 100)? == kind::ACK, "nothing has changed");

    let listed = access.daemon.script(&format!("{change}; commit check sessions; rollback 0; exit"))?;
    ensure!(listed.contains(&lease.address.to_string()), "the session is not listed: {listed}");
    ensure!(listed.contains("configuration check succeeds"), "{listed}");

    let done = access.daemon.script(&format!("{change}; commit force and-quit"))?;
    ensure!(done.contains("commit complete"), "{done}");
    ensure!(rebind(&clients, 1, lease.address, 101)? == kind::NAK, "its address is in no range any more");
    access.gone(lease.address)?;
    let moved = clients.lease(mac(1), 102)?;
    ensure!(moved.address.octets()[3] >= 100, "{}", moved.address);
    access.agree_also_after_a_restart(moved.address, mac(1))?;
    access.database_is_kernel()
}

/// The configuration before an unconfirmed commit comes back although the daemon dies meanwhile, and takes the pool away
/// that new leases are in.
#[test]
fn what_nobody_confirms_is_taken_back_over_kill_9() -> Result<()> {
    let Some(mut access) = Access::new(&[], &Config::default().range("10.0.0.10", "10.0.0.19"))? else {
        return Ok(());
    };
    let clients = SimClients::open(&access.client, "c0")?;
    let kept = clients.lease(mac(1), 1)?;
    let said = access.daemon.script(&format!(
        "configure; set {RANGE} low 10.0.0.10 high 10.0.0.10; \
         set access address-assignment pool p1 family inet range r2 low 10.0.0.100 high 10.0.0.119; \
         commit confirmed 1 and-quit"
    ))?;
    ensure!(said.contains("automatically rolled back in 1 minutes unless confirmed"), "{said}");
    let lease = clients.lease(mac(2), 2)?;
    ensure!(lease.address.octets()[3] >= 100, "{}", lease.address);
    access.agree_also_after_a_restart(lease.address, mac(2))?;

    until_within("the configuration before it to come back", CONFIRM, || {
        (field(&newest(&access.daemon).ok()?, "client") == "confirm-expired").then_some(())
    })?;
    ensure!(rebind(&clients, 2, lease.address, 200)? == kind::NAK, "its range is gone");
    access.gone(lease.address)?;
    let moved = clients.lease(mac(2), 201)?;
    ensure!(moved.address.octets()[3] < 100, "{}", moved.address);
    ensure!(rebind(&clients, 1, kept.address, 202)? == kind::ACK, "the other client is not touched");
    access.agree_also_after_a_restart(kept.address, mac(1))?;
    access.agree(moved.address, mac(2))?;
    access.database_is_kernel()
}

#[test]
fn a_confirmed_commit_stays() -> Result<()> {
    let Some(mut access) = Access::new(&[], &Config::default())? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    access
        .daemon
        .script(&format!("configure; set {ATTRIBUTES} maximum-lease-time 1200; commit confirmed 1 and-quit"))?;
    let refused = access.daemon.reload(&Config::default().text()).err().map(|error| format!("{error:#}"));
    ensure!(refused.as_ref().is_some_and(|text| text.contains("waits to be confirmed")), "{refused:?}");
    access.daemon.script("configure; commit and-quit")?;
    let entry = newest(&access.daemon)?;
    ensure!(entry.get("confirm-by").is_none_or(Value::is_null), "{entry}");
    access.daemon.kill();
    access.daemon.restart(&access.server)?;
    ensure!(granted(&clients, 1)? == 1200, "the confirmed one boots");
    Ok(())
}

/// dhcpcd is asked to move, by the paced plan of a commit that takes its address away.
#[test]
fn a_paced_commit_moves_clients() -> Result<()> {
    let config = reconfigure("attempts 4").range("10.0.0.10", "10.0.0.19");
    let Some(access) = Access::new(&["dhcpcd"], &config)? else { return Ok(()) };
    let client = Client::start(&access.lab, ClientKind::Dhcpcd, &access.client, "c0", Options::default())?;
    let mac = access.client.mac("c0")?;
    let ack =
        access.capture.wait("an ACK", 0, |sent| sent.message.kind() == kind::ACK && sent.message.chaddr == mac)?;
    let address = ack.message.yiaddr;
    access.agree(address, mac)?;
    access
        .daemon
        .script(&format!("configure; set {RANGE} low 10.0.0.100 high 10.0.0.119; commit renumber pace 50 and-quit"))?;
    let subscriber = Subscriber::direct(&access, address)?;
    let renewal = subscriber.renewal(&ack)?;
    let moved = subscriber.moves(&renewal)?;
    ensure!(moved.octets()[3] >= 100, "{moved}");
    until("the renumbering to be complete", || {
        let progress = access.daemon.cli(&["show", "system", "commit", "progress"]).ok()?;
        (field(&progress, "state") == "complete" && progress.get("left") == Some(&Value::from(0))).then_some(())
    })?;
    access.agree(moved, mac)?;
    access.database_is_kernel()?;
    drop(client);
    Ok(())
}

#[test]
fn a_broken_edit_of_the_file_keeps_nothing_from_booting() -> Result<()> {
    let Some(mut access) = Access::new(&[], &Config::default())? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    access.daemon.script(&format!("configure; set {ATTRIBUTES} maximum-lease-time 1200; commit and-quit"))?;
    let lease = clients.lease(mac(1), 1)?;
    let file = access.daemon.folder().join("bindery.kdl");
    std::fs::write(&file, "system { servises }")?;
    access.daemon.kill();
    access.daemon.restart(&access.server)?;
    ensure!(granted(&clients, 2)? == 1200, "the newest revision boots");
    access.agree(lease.address, mac(1))?;
    ensure!(std::fs::read_to_string(&file)? == "system { servises }", "the edit is not lost");
    let refused = access.daemon.cli(&["request", "system", "reload"]).err().map(|error| format!("{error:#}"));
    ensure!(refused.as_ref().is_some_and(|text| text.contains("did you mean `services`")), "{refused:?}");

    let said =
        access.daemon.script(&format!("configure; set {ATTRIBUTES} maximum-lease-time 1300; commit and-quit"))?;
    ensure!(said.contains("bindery.kdl.edited"), "where the edit went is told: {said}");
    ensure!(granted(&clients, 3)? == 1300, "the commit");
    Ok(())
}

#[test]
fn a_commit_for_later_is_done_then_over_kill_9() -> Result<()> {
    let Some(mut access) = Access::new(&["date"], &Config::default())? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let time = capture(Command::new("date").args(["-d", "+8 seconds", "+%F %T"]))?;
    let said = access
        .daemon
        .script(&format!("configure; set {ATTRIBUTES} maximum-lease-time 1200; commit at \"{}\"; exit", time.trim()))?;
    ensure!(said.contains("commit at will be executed at"), "{said}");
    let history = access.daemon.cli(&["show", "system", "commit"])?;
    ensure!(history.pointer("/pending/user").and_then(Value::as_str) == Some("root"), "{history}");
    let refused = access.daemon.refused("configure; commit")?;
    ensure!(refused.contains("waits for its time"), "{refused}");
    access.daemon.kill();
    access.daemon.restart(&access.server)?;
    until("the scheduled commit", || (field(&newest(&access.daemon).ok()?, "client") == "at").then_some(()))?;
    ensure!(granted(&clients, 1)? == 1200, "the new lease time");
    Ok(())
}

/// The plan of a renumbering stands in the record: a restart goes on with it.
#[test]
fn a_paced_commit_goes_on_after_kill_9() -> Result<()> {
    let config = reconfigure("attempts 8").range("10.0.0.10", "10.0.0.19");
    let Some(mut access) = Access::new(&[], &config)? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    for number in 1..=5 {
        clients.lease(mac(number), number * 16)?;
    }
    access
        .daemon
        .script(&format!("configure; set {RANGE} low 10.0.0.100 high 10.0.0.119; commit renumber pace 1 and-quit"))?;
    access.daemon.kill();
    access.daemon.restart(&access.server)?;
    let asked = |sent: &Sent| sent.message.kind() == kind::FORCERENEW;
    for number in 1..=5 {
        access.capture.wait("a FORCERENEW", 0, |sent| asked(sent) && sent.message.chaddr == mac(number))?;
    }
    until("all to be asked", || (field(&progress(&access.daemon).ok()?, "state") == "complete").then_some(()))?;
    let all = progress(&access.daemon)?;
    ensure!(all.get("left") == Some(&Value::from(5)), "nobody has moved: {all}");
    // A further start does not begin anew.
    access.daemon.kill();
    access.daemon.restart(&access.server)?;
    let none = progress(&access.daemon)?;
    ensure!(field(&none, "state") == "none", "{none}");
    // They are told to move and are served until they do.
    ensure!(access.server.routes()?.len() == 5, "{:?}", access.server.routes()?);
    Ok(())
}

/// A commit, and the daemon's death behind it, take nothing from a client that is being moved.
#[test]
fn a_commit_during_a_reconfiguration_lets_it_go_on() -> Result<()> {
    let Some(mut access) = Access::new(&[], &reconfigure("attempts 8"))? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 1)?;
    let forced = |sent: &Sent| sent.message.kind() == kind::FORCERENEW;
    access.daemon.cli(&["request", "dhcp", "server", "reconfigure", "all"])?;
    let first = access.capture.wait("a FORCERENEW", 0, forced)?;
    access.daemon.script(&format!("configure; set {ATTRIBUTES} maximum-lease-time 1200; commit and-quit"))?;
    let second = after(&access.capture, "the next attempt", &first, forced)?;
    access.daemon.kill();
    access.daemon.restart(&access.server)?;
    after(&access.capture, "the attempt after it", &second, forced)?;
    let nak = rebind(&clients, 1, lease.address, 300)?;
    ensure!(nak == kind::NAK, "its renewal is the success, and moves it: {nak}");
    access.gone(lease.address)?;
    let moved = clients.lease(mac(1), 301)?;
    ensure!(moved.address != lease.address, "{} again", moved.address);
    access.agree(moved.address, mac(1))?;
    access.database_is_kernel()
}
