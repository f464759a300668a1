//! Floods and clients that misbehave, beside real ones.

use crate::access::{Access, Config, SERVER};
use anyhow::{Context, Result, ensure};
use bindery_netns::{
    Client, ClientKind, Daemon, Lab,
    client::{Ability, Options},
    packet::{Envelope, Message, kind, option},
    raw::RawSocket,
    simclient::{SimClients, mac},
    until, wait,
};
use serde_json::Value;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// Renewals of the real client that a flood goes on for.
const RENEWALS: usize = 3;

/// A counter of `show dhcp server statistics`.
fn dropped(daemon: &Daemon, name: &str) -> Result<u64> {
    let shown = daemon.cli(&["show", "dhcp", "server", "statistics"])?;
    let counters = shown.get("packets-dropped").and_then(Value::as_array).context("no counters")?;
    let found = counters.iter().find(|counter| counter.get("name").and_then(Value::as_str) == Some(name));
    Ok(found.and_then(|counter| counter.get("count")).and_then(Value::as_u64).unwrap_or(0))
}

/// Frames of a flood: DISCOVERs of made-up clients, and garbage by broadcast and to the server.
fn flood_frame(number: u32, server_mac: [u8; 6]) -> Vec<u8> {
    let from = mac(number);
    let broadcast = Envelope::client_broadcast(from);
    match number % 4 {
        0 => broadcast.frame(&[0x63; 300]),
        1 => Envelope { to_mac: server_mac, from: [10, 0, 0, 251].into(), to: SERVER, ..broadcast }.frame(b"garbage"),
        _ => {
            broadcast.frame(&Message::request(kind::DISCOVER, from, number).with(option::PARAMETERS, &[1, 3]).encode())
        }
    }
}

/// While made-up clients and garbage come as fast as one sender can, a real client renews and loses nothing.
#[test]
fn a_flood_of_made_up_clients_leaves_a_real_ones_renewals() -> Result<()> {
    let Some(lab) = Lab::new(ClientKind::Dhclient.programs()) else { return Ok(()) };
    let (segment, server) = (lab.segment("seg")?, lab.namespace("srv")?);
    let (client, attacker) = (lab.namespace("cli")?, lab.namespace("att")?);
    lab.plug(&segment, "p-s", &server, "s0")?;
    lab.plug(&segment, "p-c", &client, "c0")?;
    lab.plug(&segment, "p-a", &attacker, "a0")?;
    server.address("s0", &format!("{SERVER}/24"))?;
    let config = Config::quick().text().replacen("group access", "overload { half-open-limit 64 }; group access", 1);
    let daemon = Daemon::start(&lab, &server, &config)?;
    let mut renewing = Client::start(&lab, ClientKind::Dhclient, &client, "c0", Options::default())?;
    let address = renewing.wait_address(&client)?;

    let stop = Arc::new(AtomicBool::new(false));
    let sent = Arc::new(AtomicU64::new(0));
    let socket = RawSocket::open(&attacker, "a0")?;
    let server_mac = server.mac("s0")?;
    let flood = std::thread::spawn({
        let (stop, sent) = (Arc::clone(&stop), Arc::clone(&sent));
        move || -> Result<()> {
            for number in 0u32.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                socket.send(&flood_frame(number, server_mac))?;
                sent.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }
    });
    let told = under_flood(&daemon, &mut renewing, &sent);
    stop.store(true, Ordering::Relaxed);
    flood.join().map_err(|_| anyhow::anyhow!("the flood has panicked"))??;
    let (requests, acks) = told?;
    ensure!(acks >= RENEWALS && requests == acks, "{requests} requests, {acks} acks: one was sent again");
    ensure!(daemon.binding(address)?.is_some_and(|binding| binding.is_bound()));
    println!("{} frames of flood, {acks} renewals", sent.load(Ordering::Relaxed));
    Ok(())
}

/// Waits for renewals under a flood that is felt; how many REQUESTs the client sent meanwhile, and ACKs it got.
fn under_flood(daemon: &Daemon, client: &mut Client, sent: &AtomicU64) -> Result<(usize, usize)> {
    until("DISCOVERs that are shed", || (dropped(daemon, "offer-limit").ok()? > 0).then_some(()))?;
    until("a long flood", || (sent.load(Ordering::Relaxed) > 10_000).then_some(()))?;
    let start = client.process().mark();
    let mut mark = start;
    for _ in 0..RENEWALS {
        client.process().wait_line_after(mark, "DHCPACK")?;
        let lines = client.process().lines();
        let at = lines.iter().enumerate().skip(mark).find(|(_, line)| line.contains("DHCPACK")).map(|(at, _)| at);
        mark = at.context("the line is gone")? + 1;
    }
    let lines = client.process().lines();
    let of = |what: &str| lines.iter().take(mark).skip(start).filter(|line| line.contains(what)).count();
    Ok((of("DHCPREQUEST"), of("DHCPACK")))
}

fn entries(daemon: &Daemon) -> Result<Vec<Value>> {
    let shown = daemon.cli(&["show", "dhcp", "server", "lockout-entries", "all"])?;
    Ok(shown.get("lockout-entries").and_then(Value::as_array).cloned().unwrap_or_default())
}

/// A real client that gives its lease back at once is locked out, and let in again when the operator says so.
#[test]
fn a_real_client_that_cycles_is_locked_out() -> Result<()> {
    let group = "interface s0; short-cycle-protection { lockout-min-time 3600; lockout-max-time 86400 }".to_owned();
    let config = Config { group, ..Config::default() };
    let Some(access) = Access::new(ClientKind::Dhclient.programs(), &config)? else { return Ok(()) };
    let mut client = Client::start(&access.lab, ClientKind::Dhclient, &access.client, "c0", Options::default())?;
    let address = client.wait_address(&access.client)?;
    access.agree(address, access.client.mac("c0")?)?;
    ensure!(client.release()? == Ability::Done);
    access.daemon.wait_unbound(address)?;
    client.stop();
    let entry = until("a lockout", || entries(&access.daemon).ok()?.pop())?;
    ensure!(entry.get("state").and_then(Value::as_str) == Some("lockout"), "{entry}");
    ensure!(entry.get("err-code").and_then(Value::as_str) == Some("released"), "{entry}");

    let mark = access.capture.mark()?;
    let mut again = Client::start(&access.lab, ClientKind::Dhclient, &access.client, "c0", Options::default())?;
    until("its DISCOVERs are dropped", || (dropped(&access.daemon, "short-cycle-protect").ok()? >= 2).then_some(()))?;
    let answered = access.capture.messages()?.iter().skip(mark).any(|sent| sent.message.op == 2);
    ensure!(!answered, "a client that is locked out was answered");
    // Others are served.
    SimClients::open(&access.client, "c0")?.lease(mac(7), 0x70)?;
    let index = entry.get("index").and_then(Value::as_u64).context("no index")?.to_string();
    let cleared = access.daemon.cli(&["clear", "dhcp", "server", "lockout-entries", "index", &index])?;
    ensure!(cleared.get("cleared").and_then(Value::as_u64) == Some(1), "{cleared}");
    let address = again.wait_address(&access.client)?;
    access.agree(address, access.client.mac("c0")?)?;
    wait::until("no entry", || entries(&access.daemon).ok()?.is_empty().then_some(()))?;
    access.capture.judge("udp.srcport == 67")
}
