//! The daemon dies at every step of a commit: before each call of the system that has to do with revisions or the
//! configuration file. After it starts again the old configuration holds or the new one, whole, and if the operator was told
//! "commit complete" it is the new one.

use crate::access::{Config, SERVER};
use anyhow::{Context, Result, ensure};
use bindery_netns::packet::option;
use bindery_netns::process::Process;
use bindery_netns::simclient::{SimClients, mac};
use bindery_netns::{Daemon, Lab, Namespace, daemon};
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Calls before each of which the daemon dies: they make, write, sync, rename and remove files. strace counts them by name
/// and thread, and a commit may be spread over threads in another way each time: what must hold is told by the trace.
const CALLS: &str = "openat,write,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,fchown,fchmod";

/// The commit: leases of 1200 seconds in place of 600.
const COMMIT: &str = "configure; set access address-assignment pool p1 family inet dhcp-attributes \
                      maximum-lease-time 1200; commit and-quit";

/// A server and a client, and the daemon's files of the moment.
struct Scene {
    server: Namespace,
    clients: SimClients,
    lab: Lab,
}

/// The `count`th call of this name, counted from when strace began to look.
type Call = (String, usize);

/// strace looks at a running daemon; it kills it before the call `kill_at`.
fn attach(daemon: &mut Daemon, trace: &Path, kill_at: Option<&Call>) -> Result<Process> {
    let mut command = Command::new("strace");
    command.args(["-f", "-e", &format!("trace={CALLS}"), "-o"]).arg(trace);
    if let Some((name, count)) = kill_at {
        command.args(["-e", &format!("inject={name}:signal=SIGKILL:when={count}")]);
    }
    for path in paths(daemon.folder()) {
        command.arg("-P").arg(path);
    }
    command.args(["-p", &daemon.process().pid().to_string()]);
    let mut strace = Process::spawn("strace", &mut command)?;
    strace.wait_line("attached")?;
    Ok(strace)
}

/// The files that a commit touches.
fn paths(folder: &Path) -> Vec<PathBuf> {
    let config = folder.join("state/config");
    let revision = [1, 2]
        .into_iter()
        .flat_map(|number| ["kdl", "record", "new"].map(|ending| config.join(format!("{number:08}.{ending}"))));
    let names = ["00000001.kdl.new", "00000001.record.new", "00000002.kdl.new", "00000002.record.new"];
    let unfinished = names.into_iter().map(|name| config.join(name));
    let file = ["bindery.kdl", "bindery.kdl.new"].into_iter().map(|name| folder.join(name));
    revision.chain(unfinished).chain(file).chain([config.clone()]).collect()
}

/// The calls of a trace, in their order.
fn calls(trace: &Path) -> Result<Vec<Call>> {
    let mut counts: HashMap<(String, String), usize> = HashMap::new();
    let text = std::fs::read_to_string(trace)?;
    let names = text.lines().filter_map(|line| {
        let (head, _) = line.split_once('(')?;
        let (thread, name) = head.split_once(char::is_whitespace)?;
        let name = name.trim();
        CALLS.split(',').any(|call| call == name).then(|| (thread.to_string(), name.to_string()))
    });
    Ok(names
        .map(|(thread, name)| {
            let count = counts.entry((thread, name.clone())).or_default();
            *count += 1;
            (name, *count)
        })
        .collect())
}

/// Whether the record of the second revision had its name before the daemon died.
fn recorded(trace: &Path) -> Result<bool> {
    let text = std::fs::read_to_string(trace)?;
    let named = |line: &str| line.contains("rename") && line.contains("00000002.record\"") && line.ends_with("= 0");
    Ok(text.lines().any(named))
}

/// The lease time that a new client is given.
fn granted(scene: &Scene, number: u32) -> Result<u32> {
    let lease = scene.clients.lease(mac(number), number * 16)?;
    let secs = lease.ack.message.option(option::LEASE_TIME).context("no lease time")?;
    Ok(u32::from_be_bytes(secs.try_into()?))
}

/// The newest revision, as the history has it.
fn newest(daemon: &Daemon) -> Result<u64> {
    let history = daemon.cli(&["show", "system", "commit"])?;
    history.pointer("/commits/0/revision").and_then(Value::as_u64).with_context(|| format!("no commits: {history}"))
}

/// One commit that ends before `call`: whether the new configuration holds after the next start.
fn survive(scene: &Scene, at: usize, call: &Call) -> Result<bool> {
    let folder = daemon::folder(&scene.lab, &format!("killed-{at}"), &Config::default().text())?;
    let trace = folder.join("trace");
    let mut killed = Daemon::start_in(&scene.server, folder.clone())?;
    let strace = attach(&mut killed, &trace, Some(call))?;
    let told = killed.script(COMMIT).is_ok_and(|said| said.contains("commit complete"));
    // Where the calls were spread in another way it may live.
    ensure!(told || !killed.process().wait_end()?.success(), "the commit failed and nobody died");
    killed.kill();
    drop(strace);
    let recorded = recorded(&trace)?;
    let mut daemon = Daemon::start_in(&scene.server, folder)?;
    let revision = newest(&daemon)?;
    let secs = granted(scene, 100 + u32::try_from(at)?)?;
    let expected = if recorded { (2, 1200) } else { (1, 600) };
    ensure!((revision, secs) == expected, "revision {revision}, leases of {secs} s, not {expected:?}");
    ensure!(!told || recorded, "`commit complete` without a record");
    daemon.script("configure; commit check; exit")?;
    daemon.terminate()?;
    Ok(recorded)
}

#[test]
fn a_commit_is_done_or_not_wherever_the_daemon_dies() -> Result<()> {
    let Some(lab) = Lab::new(&["strace"]) else { return Ok(()) };
    let (server, client) = (lab.namespace("srv")?, lab.namespace("cli")?);
    lab.veth((&server, "s0"), (&client, "c0"))?;
    server.address("s0", &format!("{SERVER}/24"))?;
    let scene = Scene { clients: SimClients::open(&client, "c0")?, server, lab };

    let folder = daemon::folder(&scene.lab, "whole", &Config::default().text())?;
    let mut daemon = Daemon::start_in(&scene.server, folder.clone())?;
    let trace = folder.join("trace");
    let strace = attach(&mut daemon, &trace, None)?;
    daemon.script(COMMIT)?;
    ensure!(granted(&scene, 1)? == 1200, "the commit does nothing");
    daemon.terminate()?;
    drop(strace);
    let calls = calls(&trace)?;
    let renamed = calls.iter().filter(|(name, _)| name.starts_with("rename")).count();
    ensure!(renamed >= 3, "text, record and file are renamed: {}", std::fs::read_to_string(&trace)?);

    let mut done = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        done.push(
            survive(&scene, at, call).with_context(|| format!("killed before {call:?}, number {at} of {calls:?}"))?,
        );
    }
    let new = done.iter().filter(|new| **new).count();
    println!("died before each of {} calls; after {new} of them the new configuration held", done.len());
    ensure!(new > 0 && new < done.len(), "the record is made somewhere between: {done:?}");
    ensure!(done.first() == Some(&false), "the first call records nothing: {done:?}");
    Ok(())
}
