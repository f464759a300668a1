//! From outside: the sync's return and the route precede the ACK, over ten thousand leases.

use crate::access::{Config, SERVER};
use anyhow::{Context, Result, ensure};
use bindery_netns::packet::kind;
use bindery_netns::routewatch::RouteWatch;
use bindery_netns::simclient::{SimClients, mac};
use bindery_netns::{Capture, Daemon, Lab, daemon, until};
use std::collections::{HashMap, HashSet};
use std::path::Path;

const LEASES: u32 = 10_000;

/// A sync as strace saw it, in nanoseconds since 1970. The tracer writes down the end before the daemon learns of it.
#[derive(Clone, Copy, Debug)]
struct Sync {
    began: u64,
    ended: u64,
}

/// One client after the other, so that each ACK has a sync of its own: it must begin after the REQUEST was on the link and
/// end before the ACK was. The kernel's announcement of the route must be waiting when the client sees the ACK.
#[test]
fn sync_and_route_precede_every_ack() -> Result<()> {
    let Some(lab) = Lab::new(&["strace"]) else { return Ok(()) };
    let (server, client) = (lab.namespace("srv")?, lab.namespace("cli")?);
    lab.veth((&server, "s0"), (&client, "c0"))?;
    server.address("s0", &format!("{SERVER}/16"))?;
    let config = Config {
        pool: "network \"10.0.0.0/16\"; range r1 { low \"10.0.1.0\"; high \"10.0.255.250\" }".into(),
        ..Config::default()
    };
    let capture = Capture::start(&lab, &server, "s0")?;
    let folder = daemon::folder(&lab, "daemon", &config.text())?;
    let trace = lab.folder().join("trace");
    let mut command = server.command("strace");
    command.args(["-f", "--seccomp-bpf", "-e", "trace=fdatasync,fsync", "--syscall-times=ns"]);
    command
        .args(["--absolute-timestamps=format:unix,precision:ns", "-o"])
        .arg(&trace)
        .arg(daemon::program("binderyd")?);
    daemon::arguments(&mut command, &folder);
    let daemon = Daemon::start_as(&server, folder, &mut command)?;

    let watch = RouteWatch::open(&server)?;
    let clients = SimClients::open(&client, "c0")?;
    for number in 0..LEASES {
        let lease = clients.lease(mac(number), number * 2 + 1)?;
        let announced = watch.new_routes()?;
        ensure!(announced.contains(&lease.address), "{}: ACK before its route ({announced:?})", lease.address);
    }
    // The last ACK is in the file, and the database and the kernel have all of them.
    until("the capture to have every ACK", || (acks(&capture).ok()? == LEASES as usize).then_some(()))?;
    let bound = daemon.bindings()?.iter().filter(|binding| binding.is_bound()).count();
    ensure!(bound == LEASES as usize, "{bound} bindings");
    ensure!(server.routes()?.len() == LEASES as usize, "{} routes", server.routes()?.len());
    judge(&capture, &syncs(&trace)?)
}

/// How many clients have an ACK in the capture; one that asked twice on a busy machine may have two.
fn acks(capture: &Capture) -> Result<usize> {
    let messages = capture.messages()?;
    let acks = messages.iter().filter(|sent| sent.message.kind() == kind::ACK).map(|sent| sent.message.xid);
    Ok(acks.collect::<HashSet<_>>().len())
}

fn judge(capture: &Capture, syncs: &[Sync]) -> Result<()> {
    ensure!(!syncs.is_empty(), "strace saw no sync");
    let mut requested = HashMap::new();
    let mut checked = 0;
    for sent in capture.messages()? {
        match sent.message.kind() {
            kind::REQUEST => {
                requested.entry(sent.message.xid).or_insert(sent.at_nanos);
            }
            kind::ACK => {
                let began = *requested.get(&sent.message.xid).context("an ACK without a REQUEST")?;
                let within = syncs.iter().any(|sync| sync.began > began && sync.ended < sent.at_nanos);
                ensure!(within, "the ACK for {} was sent before any sync had returned", sent.message.yiaddr);
                checked += 1;
            }
            _ => {}
        }
    }
    println!("{checked} ACKs, {} syncs, each ACK after its sync and its route", syncs.len());
    Ok(())
}

/// Reads lines such as `12 1700000000.000000001 fdatasync(9) = 0 <0.000000900>`; a line in two parts has the second time.
fn syncs(trace: &Path) -> Result<Vec<Sync>> {
    let text = std::fs::read_to_string(trace).with_context(|| format!("cannot read {}", trace.display()))?;
    Ok(text.lines().filter_map(sync).collect())
}

fn sync(line: &str) -> Option<Sync> {
    let mut words = line.split_whitespace();
    let at = nanos(words.nth(1)?)?;
    if !line.contains(" = 0 <") {
        return None;
    }
    let took = nanos(line.rsplit_once('<')?.1.trim_end_matches('>'))?;
    // A resumed call is written at its end, a whole one at its start.
    Some(if line.contains("resumed>") {
        Sync { began: at - took, ended: at }
    } else {
        Sync { began: at, ended: at + took }
    })
}

fn nanos(text: &str) -> Option<u64> {
    let (secs, fraction) = text.split_once('.')?;
    Some(secs.parse::<u64>().ok()? * 1_000_000_000 + format!("{fraction:0<9}").parse::<u64>().ok()?)
}

#[test]
fn reads_both_forms_of_a_line() {
    let whole = sync("12 100.000000500 fdatasync(9) = 0 <0.000000300>").expect("a sync");
    assert_eq!((whole.began, whole.ended), (100_000_000_500, 100_000_000_800));
    let parts = sync("12 100.000000800 <... fdatasync resumed>) = 0 <0.000000300>").expect("a sync");
    assert_eq!((parts.began, parts.ended), (100_000_000_500, 100_000_000_800));
    assert!(sync("12 100.000000800 fdatasync(9 <unfinished ...>").is_none());
    assert!(sync("12 100.000000800 fdatasync(9) = -1 EIO (Input/output error) <0.000000300>").is_none());
}
