//! What goes wrong outside: one clear line, the right exit status, nothing overwritten.

use crate::access::{Access, Config};
use anyhow::{Context, Result, ensure};
use bindery_netns::packet::{Envelope, Message, kind, option};
use bindery_netns::process::Process;
use bindery_netns::simclient::{SimClients, mac};
use bindery_netns::{Daemon, Lab, daemon, until};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Runs a daemon that must end by itself: its exit status and all that it printed.
pub(crate) fn outcome(command: &mut Command) -> Result<(Option<i32>, String)> {
    let mut process = Process::spawn("binderyd", command)?;
    let status = process.wait_end().with_context(|| format!("it runs on:\n{}", process.lines().join("\n")))?;
    // The last lines may still be on their way through the pipe.
    let text = until("its last words", || Some(process.lines().join("\n")).filter(|text| !text.is_empty()))?;
    Ok((status.code(), text))
}

/// A lab with one namespace, an interface `s0` with its address, and a daemon's folder.
fn scene(config: &str) -> Result<Option<(Lab, bindery_netns::Namespace, std::path::PathBuf)>> {
    let Some(lab) = Lab::new(&[]) else { return Ok(None) };
    let server = lab.namespace("srv")?;
    let peer = server.ip(&["link", "add", "name", "s0", "type", "veth", "peer", "name", "x0"]);
    peer?;
    server.ip(&["link", "set", "s0", "up"])?;
    server.address("s0", "10.0.0.1/24")?;
    let folder = daemon::folder(&lab, "daemon", config)?;
    Ok(Some((lab, server, folder)))
}

/// Every file below a folder with its content.
fn contents(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.file_type()?.is_file() {
                found.insert(entry.path().display().to_string(), std::fs::read(entry.path())?);
            }
        }
    }
    Ok(found)
}

/// Every fault at once, each with file and line, and exit status 2; `--check` says the same.
#[test]
fn a_bad_configuration_never_starts() -> Result<()> {
    let text = "system {\n  services {\n    dhcp-local-server {\n      grup access { interface s0 }\n    }\n  }\n}\n\
                access { address-assignment { pool p1 { family inet {\n  network \"10.0.0.0/33\"\n} } } }\n";
    let Some((_lab, server, folder)) = scene(text)? else { return Ok(()) };
    for check in [false, true] {
        let mut command = daemon::command(&server, &folder)?;
        if check {
            command.arg("--check");
        }
        let (status, text) = outcome(&mut command)?;
        ensure!(status == Some(2), "exit status {status:?}\n{text}");
        ensure!(text.contains("bindery.kdl:4:"), "file and line of the first fault\n{text}");
        ensure!(text.contains("group"), "the nearest name\n{text}");
        ensure!(text.contains("10.0.0.0/33"), "the second fault too\n{text}");
    }
    let made = contents(&folder.join("state"))?;
    ensure!(made.is_empty(), "files were made in the state directory: {:?}", made.keys());
    Ok(())
}

#[test]
fn a_good_configuration_passes_the_check() -> Result<()> {
    let Some((_lab, server, folder)) = scene(&Config::default().text())? else { return Ok(()) };
    let status = daemon::command(&server, &folder)?.arg("--check").status()?;
    ensure!(status.success(), "{status}");
    ensure!(std::fs::read_dir(folder.join("state"))?.next().is_none(), "a check changes nothing");
    Ok(())
}

#[test]
fn a_wrong_argument_is_a_usage_error() -> Result<()> {
    let Some((_lab, server, folder)) = scene(&Config::default().text())? else { return Ok(()) };
    let (status, text) = outcome(daemon::command(&server, &folder)?.arg("--no-such-thing"))?;
    ensure!(status == Some(2) && text.contains("--no-such-thing"), "{status:?}\n{text}");
    Ok(())
}

/// A database whose bytes are not what was written: a clear error that names the file, and nothing overwritten.
#[test]
fn a_damaged_database_is_refused() -> Result<()> {
    let Some(mut access) = Access::new(&[], &Config::default())? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    for number in 1..=20 {
        clients.lease(mac(number), number * 16)?;
    }
    access.daemon.kill();
    let state = access.daemon.folder().join("state");
    let (victim, bytes) =
        contents(&state)?.into_iter().max_by_key(|(_, bytes)| used(bytes)).context("an empty database")?;
    let mut damaged = bytes.clone();
    // In the middle of what was written, so that a torn tail is no explanation.
    let middle = used(&bytes) / 2;
    for byte in damaged.iter_mut().skip(middle).take(16) {
        *byte ^= 0x5a;
    }
    std::fs::write(&victim, &damaged)?;
    let before = contents(&state)?;
    let folder = access.daemon.folder().to_path_buf();
    let (status, text) = outcome(&mut daemon::command(&access.server, &folder)?)?;
    ensure!(status == Some(1), "exit status {status:?}\n{text}");
    ensure!(text.contains(&*state.to_string_lossy()), "the error names the file\n{text}");
    let after = contents(&state)?;
    for (file, bytes) in &before {
        ensure!(after.get(file) == Some(bytes), "{file} was changed");
    }
    // With its bytes put right, the daemon starts and has everything.
    std::fs::write(&victim, &bytes)?;
    access.daemon = Daemon::start_in(&access.server, folder)?;
    let bound = access.daemon.bindings()?.iter().filter(|binding| binding.is_bound()).count();
    ensure!(bound == 20, "{bound} bindings");
    access.database_is_kernel()
}

/// The length without trailing zeros: a preallocated file is mostly nothing.
fn used(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1)
}

/// Somebody else's files in the state directory are not taken for a database, nor removed.
#[test]
fn a_state_directory_that_is_a_file_is_refused() -> Result<()> {
    let Some((_lab, server, folder)) = scene(&Config::default().text())? else { return Ok(()) };
    std::fs::remove_dir(folder.join("state"))?;
    std::fs::write(folder.join("state"), "precious")?;
    let (status, text) = outcome(&mut daemon::command(&server, &folder)?)?;
    ensure!(status == Some(1) && text.contains("state"), "{status:?}\n{text}");
    ensure!(std::fs::read_to_string(folder.join("state"))? == "precious", "overwritten");
    Ok(())
}

#[test]
fn a_read_only_state_directory_is_refused() -> Result<()> {
    let Some((_lab, server, folder)) = scene(&Config::default().text())? else { return Ok(()) };
    let state = folder.join("state").display().to_string();
    let script =
        "mount --make-rprivate / && mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
    let mut command = server.command("unshare");
    command.args(["--mount", "sh", "-c", script, &state]).arg(daemon::program("binderyd")?);
    daemon::arguments(&mut command, &folder);
    let (status, text) = outcome(&mut command)?;
    ensure!(status == Some(1) && text.contains(&state), "{status:?}\n{text}");
    Ok(())
}

/// A second daemon on the control socket or the state directory of the first: it says so and goes, the first serves on.
#[test]
fn a_control_socket_or_state_directory_in_use_is_refused() -> Result<()> {
    let Some(access) = Access::new(&[], &Config::default())? else { return Ok(()) };
    // In a namespace of its own, where the ports are free.
    let other = access.lab.namespace("two")?;
    let (first, second) = (access.daemon.folder(), daemon::folder(&access.lab, "second", &Config::default().text())?);
    for (state, control, named) in [(&*second, first, "control.sock"), (first, &*second, "state")] {
        let mut command = other.command(&daemon::program("binderyd")?.display().to_string());
        command.arg("--config").arg(second.join("bindery.kdl"));
        command.arg("--state-dir").arg(state.join("state")).arg("--control").arg(control.join("control.sock"));
        let (status, text) = outcome(&mut command)?;
        ensure!(status == Some(1) && text.contains(named), "{status:?}\n{text}");
    }
    // And in the namespace of the first: the ports.
    let (status, text) = outcome(&mut daemon::command(&access.server, &second)?)?;
    ensure!(status == Some(1) && text.contains("67"), "{status:?}\n{text}");

    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 1)?;
    access.agree(lease.address, mac(1))
}

/// A socket that a killed daemon left behind is in nobody's way.
#[test]
fn a_stale_control_socket_is_replaced() -> Result<()> {
    let Some(mut access) = Access::new(&[], &Config::default())? else { return Ok(()) };
    access.daemon.kill();
    ensure!(access.daemon.folder().join("control.sock").exists(), "kill -9 leaves the socket");
    access.daemon.restart(&access.server)?;
    access.daemon.bindings().map(drop)
}

#[test]
fn missing_privileges_are_named() -> Result<()> {
    let Some((_lab, server, folder)) = scene(&Config::default().text())? else { return Ok(()) };
    for path in [folder.clone(), folder.join("state"), folder.join("bindery.kdl")] {
        nix::unistd::chown(&path, Some(65534.into()), Some(65534.into()))?;
    }
    let mut command = server.command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all"]);
    command.arg(daemon::program("binderyd")?);
    daemon::arguments(&mut command, &folder);
    let (status, text) = outcome(&mut command)?;
    ensure!(status == Some(1), "{status:?}\n{text}");
    ensure!(text.contains("CAP_NET_"), "the missing capability is named\n{text}");
    Ok(())
}

/// A full disk is silence, never a refusal; with room again the service is back.
#[test]
fn a_full_disk_is_silence() -> Result<()> {
    let Some(mut access) = Access::new(&[], &Config::default())? else { return Ok(()) };
    access.daemon.kill();
    // The daemon gets its state directory on a small file system, in a mount namespace of its own.
    let folder = access.daemon.folder().to_path_buf();
    let state = folder.join("state").display().to_string();
    let script = "mount --make-rprivate / && mount -t tmpfs -o size=192m tmpfs \"$0\" && exec \"$@\"";
    let mut command = access.server.command("unshare");
    command.args(["--mount", "sh", "-c", script, &state]).arg(daemon::program("binderyd")?);
    daemon::arguments(&mut command, &folder);
    command.env("BINDERY_LOG", "debug");
    access.daemon = Daemon::start_as(&access.server, folder, &mut command)?;
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 1)?;
    access.agree(lease.address, mac(1))?;

    // The root of the daemon's mount namespace, seen from here.
    let inside = format!("/proc/{}/root{state}/filler", access.daemon.process().pid());
    let full = Command::new("dd").args(["if=/dev/zero", "bs=64k", &format!("of={inside}")]).output()?;
    ensure!(!full.status.success(), "dd stops when the disk is full");

    let mut rebinding = Message::request(kind::REQUEST, mac(1), 900);
    rebinding.ciaddr = lease.address;
    let envelope = Envelope { from: lease.address, ..Envelope::client_broadcast(mac(1)) };
    let before = access.capture.mark()?;
    for _ in 0..200 {
        // Enough for any buffer that was allocated before.
        clients.socket().send(&envelope.frame(&rebinding.encode()))?;
    }
    access.daemon.bindings()?;
    let refused = |sent: &bindery_netns::Sent| sent.message.kind() == kind::NAK;
    ensure!(!access.seen()?.iter().skip(before).any(refused), "{}", access.capture.summary()?);
    ensure!(access.server.route(lease.address)?.is_some(), "the route stays");

    std::fs::remove_file(&inside)?;
    let later = clients.lease(mac(2), 0x1000)?;
    access.agree(later.address, mac(2))?;
    access.agree(lease.address, mac(1))?;
    ensure!(!access.seen()?.iter().any(refused), "{}", access.capture.summary()?);
    Ok(())
}

/// Malformed packets are counted by their reason and stop nobody.
#[test]
fn malformed_packets_are_counted_drops() -> Result<()> {
    let Some(access) = Access::new(&[], &Config::default())? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let good = Message::request(kind::DISCOVER, mac(9), 9).encode();
    let envelope = Envelope::client_broadcast(mac(9));
    let statistics = || access.daemon.cli(&["show", "dhcp", "server", "statistics"]);
    let before = total_drops(&statistics()?);
    let mut bad: Vec<Vec<u8>> = vec![
        good[..100].to_vec(),
        {
            let mut wrong_op = good.clone();
            wrong_op[0] = 7;
            wrong_op
        },
        {
            let mut wrong_length = good.clone();
            wrong_length[2] = 200;
            wrong_length
        },
        Message::request(99, mac(9), 9).encode(),
    ];
    // An option that runs past the end.
    let mut past = good[..240].to_vec();
    past.extend([53, 1, 1, 12, 200, 1]);
    bad.push(past);
    for payload in &bad {
        clients.socket().send(&envelope.frame(payload))?;
    }
    let count = bad.len() as u64;
    until("five counted drops", || (total_drops(&statistics().ok()?) >= before + count).then_some(()))
        .with_context(|| format!("{:?}", statistics()))?;
    ensure!(total_drops(&statistics()?) == before + count, "{}", statistics()?);
    let lease = clients.lease_with(mac(1), 1, |message| message.with(option::CLIENT_ID, &[1, 2, 3]))?;
    access.agree(lease.address, mac(1))
}

fn total_drops(value: &serde_json::Value) -> u64 {
    value.get("dropped-total").and_then(serde_json::Value::as_u64).unwrap_or_default()
}
