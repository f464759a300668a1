//! What comes from elsewhere: other servers' configurations and leases, tables of reservations, secrets in files, users.

use crate::access::{Access, Config, SERVER};
use anyhow::{Context, Result, ensure};
use bindery_netns::daemon::program;
use bindery_netns::packet::{Envelope, Message, kind, mac_text, option};
use bindery_netns::process::capture;
use bindery_netns::simclient::{SimClients, mac};
use bindery_netns::{Capture, Daemon, Lab, until};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A Kea server of one subnet, whose option is not that of the Junos one.
const KEA: &str = r#"{ "Dhcp4": {
    // Comments are read over.
    "interfaces-config": { "interfaces": [ "s0" ] },
    "valid-lifetime": 700,
    "option-data": [ { "name": "domain-name", "data": "kea.example" } ],
    "subnet4": [ { "id": 1, "subnet": "10.0.0.0/24", "pools": [ { "pool": "10.0.0.10 - 10.0.0.250" } ],
        "option-data": [ { "name": "routers", "data": "10.0.0.1" } ],
        "reservations": [ { "hw-address": "02:0c:00:00:00:05", "ip-address": "10.0.0.5" } ] } ]
} }
"#;

/// The same of Junos.
const JUNOS: &str = "system { services { dhcp-local-server { group access { interface s0; } } } }
access { address-assignment { pool p1 { family inet {
    network 10.0.0.0/24;
    range r1 { low 10.0.0.10; high 10.0.0.250; }
    host h { hardware-address 02:0c:00:00:00:05; ip-address 10.0.0.5; }
    dhcp-attributes { maximum-lease-time 700; domain-name junos.example; router { 10.0.0.1; } }
} } } }
";

/// Runs `bindery` to its end.
fn bindery(words: &[&str]) -> Result<Output> {
    Command::new(program("bindery")?).args(words).output().with_context(|| format!("bindery {}", words.join(" ")))
}

fn told(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Imports a configuration, has it checked, and serves with it.
fn served_as_imported(foreign: &str, text: &str) -> Result<()> {
    let Some(lab) = Lab::new(&[]) else { return Ok(()) };
    let (server, client) = (lab.namespace("srv")?, lab.namespace("cli")?);
    lab.veth((&server, "s0"), (&client, "c0"))?;
    server.address("s0", &format!("{SERVER}/24"))?;
    let folder = bindery_netns::daemon::folder(&lab, "imported", "")?;
    let (file, output) = (lab.file("foreign.conf", text)?, folder.join("bindery.kdl"));
    let (file, output) = (file.display().to_string(), output.display().to_string());
    let imported = bindery(&["config", "import", foreign, &file, "output", &output])?;
    ensure!(imported.status.success(), "{}", told(&imported));
    let mut check = Command::new(program("binderyd")?);
    capture(check.args(["--check", "--config", &output]))?;

    let capture = Capture::start(&lab, &server, "s0")?;
    let daemon = Daemon::start_in(&server, folder)?;
    let access = Access { daemon, capture, server, client, lab };
    let clients = SimClients::open(&access.client, "c0")?;
    let asks = |message: Message| message.with(option::PARAMETERS, &[1, 3, 15, 51]);
    let lease = clients.lease_with(mac(1), 1, asks)?;
    let ack = &lease.ack.message;
    ensure!(ack.option(option::LEASE_TIME) == Some(700_u32.to_be_bytes().as_slice()), "the lease time: {ack:?}");
    let domain = format!("{foreign}.example");
    ensure!(ack.option(15).is_some_and(|name| name.starts_with(domain.as_bytes())), "option 15: {ack:?}");
    ensure!(ack.address_option(3) == Some(SERVER), "the router: {ack:?}");
    access.agree(lease.address, mac(1))?;
    let reserved = clients.lease(mac(5), 0x50)?;
    ensure!(reserved.address == Ipv4Addr::new(10, 0, 0, 5), "{}", reserved.address);
    access.agree(reserved.address, mac(5))?;
    access.database_is_kernel()?;
    access.capture.judge("udp.srcport == 67")
}

#[test]
fn a_configuration_of_kea_is_served() -> Result<()> {
    served_as_imported("kea", KEA)
}

#[test]
fn a_configuration_of_junos_is_served() -> Result<()> {
    served_as_imported("junos", JUNOS)
}

/// The kind of the answer to a client that asks for its address again, by broadcast.
fn rebind(clients: &SimClients, number: u32, address: Ipv4Addr, xid: u32) -> Result<u8> {
    let mut message = Message::request(kind::REQUEST, mac(number), xid);
    message.ciaddr = address;
    Ok(clients.exchange(&message)?.message.kind())
}

/// The same, sent to the server alone, as it is half of the lease before.
fn renew(access: &Access, clients: &SimClients, number: u32, address: Ipv4Addr, xid: u32) -> Result<u8> {
    let mut message = Message::request(kind::REQUEST, mac(number), xid);
    message.ciaddr = address;
    let envelope = Envelope {
        to_mac: access.server.mac("s0")?,
        from: address,
        to: SERVER,
        ..Envelope::client_broadcast(mac(number))
    };
    let frame = envelope.frame(&message.encode());
    until("an answer to a renewal", || {
        clients.socket().send(&frame).ok()?;
        let answer =
            clients.socket().wait(Duration::from_secs(2), |sent| sent.message.op == 2 && sent.message.xid == xid);
        Some(answer.ok()??.message.kind())
    })
}

#[test]
fn leases_of_kea_go_on() -> Result<()> {
    let Some(mut access) = Access::new(&[], &Config::default())? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (first, second) = (Ipv4Addr::new(10, 0, 0, 77), Ipv4Addr::new(10, 0, 0, 78));
    let file = access.lab.file(
        "kea-leases4.csv",
        &format!(
            "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n\
             {first},{one},,3600,{},1,0,0,one,0,\n\
             {second},{two},,3600,{},1,0,0,,0,\n\
             {first},{one},,3600,{},1,0,0,one,0,\n\
             10.0.0.79,{three},,3600,{},1,0,0,,0,\n\
             172.16.0.9,{four},,3600,{},1,0,0,,0,\n",
            now + 100,
            now + 3600,
            now + 3600,
            now - 5,
            now + 3600,
            one = mac_text(mac(1)),
            two = mac_text(mac(2)),
            three = mac_text(mac(3)),
            four = mac_text(mac(4)),
        ),
    )?;
    let control = access.daemon.folder().join("control.sock").display().to_string();
    let words = ["--control", &control, "sessions", "import", "kea", &file.display().to_string()];
    let done = bindery(&words)?;
    // Two are taken over; one had ended; one has no pool, which is said, and is no success.
    let text = told(&done);
    ensure!(text.contains("2 sessions imported, 1 refused, 1 had ended"), "{text}");
    ensure!(text.contains("172.16.0.9: ") && done.status.code() == Some(1), "{}: {text}", done.status);
    access.database_is_kernel()?;

    let before = access.daemon.wait_bound(first)?;
    ensure!(rebind(&clients, 1, first, 0x100)? == kind::ACK, "a rebinding");
    ensure!(renew(&access, &clients, 2, second, 0x200)? == kind::ACK, "a renewal");
    access.agree_also_after_a_restart(first, mac(1))?;
    access.agree(second, mac(2))?;
    ensure!(access.daemon.wait_bound(first)?.session == before.session, "another session");
    ensure!(renew(&access, &clients, 1, first, 0x101)? == kind::ACK, "a renewal after the restart");
    ensure!(rebind(&clients, 2, second, 0x201)? == kind::ACK, "a rebinding after the restart");
    // Nobody else gets them, and they can be imported again.
    let other = clients.lease(mac(9), 0x900)?;
    ensure!(other.address != first && other.address != second, "{}", other.address);
    let text = told(&bindery(&words)?);
    ensure!(text.contains("2 sessions imported, 1 refused"), "{text}");
    access.agree(first, mac(1))?;
    access.database_is_kernel()?;
    access.capture.judge("udp.srcport == 67")
}

/// An imported lease that no client ever renewed is there after a crash.
#[test]
fn what_is_imported_is_durable() -> Result<()> {
    let Some(mut access) = Access::new(&[], &Config::default())? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let address = Ipv4Addr::new(10, 0, 0, 99);
    let expire = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 3600;
    let head = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state";
    let row = format!("{address},{},,3600,{expire},1,0,0,,0", mac_text(mac(1)));
    let file = access.lab.file("kea-leases4.csv", &format!("{head}\n{row}\n"))?;
    access.daemon.script(&format!("sessions import kea {}", file.display()))?;
    access.daemon.kill();
    access.daemon.restart(&access.server)?;
    access.daemon.wait_bound(address)?;
    access.database_is_kernel()?;
    ensure!(renew(&access, &clients, 1, address, 0x100)? == kind::ACK, "its renewal");
    access.agree(address, mac(1))
}

/// A pool whose reservations are in a file.
fn with_table() -> Config {
    let mut config = Config::default();
    config.pool.push_str("; host-table \"hosts.csv\"");
    config
}

/// Writes the file, of a line for each client.
fn table(folder: &Path, rows: &[(u32, u8)]) -> Result<()> {
    let mut text = String::from("hardware-address,ip-address,name\n");
    for (number, last) in rows {
        text.push_str(&format!("{},10.0.0.{last},client-{number}\n", mac_text(mac(*number))));
    }
    Ok(std::fs::write(folder.join("hosts.csv"), text)?)
}

#[test]
fn reservations_come_from_a_file() -> Result<()> {
    let Some(mut access) = Access::new(&[], &Config::default())? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let folder = access.daemon.folder().to_path_buf();
    table(&folder, &[(1, 5), (2, 6)])?;
    access.daemon.reload(&with_table().text())?;
    let fifth = Ipv4Addr::new(10, 0, 0, 5);
    let lease = clients.lease(mac(1), 0x10)?;
    ensure!(lease.address == fifth, "{}", lease.address);
    access.agree(fifth, mac(1))?;

    // Another content counts from the next commit on, and hurts whom it moves.
    table(&folder, &[(1, 7), (2, 6)])?;
    ensure!(rebind(&clients, 1, fifth, 0x11)? == kind::ACK, "nothing was committed");
    let refused = access.daemon.refused("configure; commit")?;
    ensure!(refused.contains("1 live session") && refused.contains("force"), "{refused}");
    access.daemon.script("configure; commit force and-quit")?;
    ensure!(rebind(&clients, 1, fifth, 0x12)? == kind::NAK, "it is kept for nobody any more");
    access.gone(fifth)?;
    let moved = clients.lease(mac(1), 0x13)?;
    let seventh = Ipv4Addr::new(10, 0, 0, 7);
    ensure!(moved.address == seventh, "{}", moved.address);
    access.agree_also_after_a_restart(seventh, mac(1))?;

    // A faulty file is refused with the line, and what is active stays.
    let good = std::fs::read_to_string(folder.join("hosts.csv"))?;
    std::fs::write(folder.join("hosts.csv"), format!("{good}02:0c:00:00:00:03,10.0.0.nine,client-3\n"))?;
    for refused in [access.daemon.refused("configure; commit check")?, access.daemon.refused("request system reload")?]
    {
        ensure!(refused.contains("hosts.csv") && refused.contains("line 4"), "{refused}");
    }
    ensure!(rebind(&clients, 1, seventh, 0x14)? == kind::ACK, "what is active stays");

    // Without the file, the copy serves a new start.
    std::fs::remove_file(folder.join("hosts.csv"))?;
    access.agree_also_after_a_restart(seventh, mac(1))?;
    ensure!(rebind(&clients, 1, seventh, 0x15)? == kind::ACK, "after a start without the file");
    let sixth = clients.lease(mac(2), 0x20)?;
    ensure!(sixth.address == Ipv4Addr::new(10, 0, 0, 6), "from the copy: {}", sixth.address);
    access.agree(sixth.address, mac(2))?;
    access.database_is_kernel()
}

/// What radclient says of a Disconnect-Request for an address.
fn disconnect(access: &Access, address: Ipv4Addr, secret: &str) -> Result<String> {
    let file = access.lab.file("disconnect", &format!("Framed-IP-Address = {address}\n"))?;
    let mut command = access.server.command("radclient");
    command.args(["-x", "-t", "1", "-r", "2", "-f"]).arg(file).args(["127.0.0.1:3799", "disconnect", secret]);
    Ok(told(&command.output()?))
}

#[test]
fn a_secret_stays_in_its_file() -> Result<()> {
    const ONE: &str = "blue-whale-41";
    const TWO: &str = "grey-goose-97";
    let Some(mut access) = Access::new(&["radclient"], &Config::default())? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let folder = access.daemon.folder().to_path_buf();
    let config = Config {
        access: "radius-disconnect \"127.0.0.1\" { secret \"file:radius.secret\" }".into(),
        ..Config::default()
    };
    std::fs::write(folder.join("bindery.kdl"), config.text())?;
    let missing = access.daemon.refused("request system reload")?;
    ensure!(missing.contains("radius.secret") && missing.contains("No such file"), "{missing}");
    std::fs::write(folder.join("radius.secret"), format!("{ONE}\n"))?;
    access.daemon.reload(&config.text())?;
    let lease = clients.lease(mac(1), 0x10)?;
    access.daemon.wait_bound(lease.address)?;
    let text = disconnect(&access, lease.address, TWO)?;
    ensure!(text.contains("No reply from server"), "{text}");

    // Another secret in the file is taken at the next commit.
    std::fs::write(folder.join("radius.secret"), format!("{TWO}\n"))?;
    access.daemon.script("configure; commit and-quit")?;
    let text = disconnect(&access, lease.address, ONE)?;
    ensure!(text.contains("No reply from server"), "the former secret: {text}");
    let text = disconnect(&access, lease.address, TWO)?;
    ensure!(text.contains("Received Disconnect-ACK"), "{text}");
    access.gone(lease.address)?;

    // A secret that is no secret: an empty one.
    std::fs::write(folder.join("radius.secret"), "\n")?;
    let empty = access.daemon.refused("configure; commit check")?;
    std::fs::write(folder.join("radius.secret"), format!("{TWO}\n"))?;
    let plain = access.daemon.script(
        "configure; set system services dhcp-local-server reconfigure token green-frog-13; show | compare; \
         show | display set; commit and-quit; show configuration; show configuration | display set; \
         show configuration | display json; show system rollback 0; show system rollback 0 compare 1",
    )?;
    ensure!(plain.contains("file:radius.secret"), "where it is kept is shown: {plain}");
    let wrong =
        access.daemon.refused("configure; set system services dhcp-local-server reconfigure tokens green-frog-13")?;
    let log = access.daemon.process().lines().join("\n");
    for (what, text) in [("missing", missing), ("empty", empty), ("shown", plain), ("refused", wrong), ("the log", log)]
    {
        for secret in [ONE, TWO, "green-frog-13"] {
            // What the operator typed comes back to the one who typed it, and to nobody else.
            ensure!(what == "refused" || !text.contains(secret), "{what} has {secret}:\n{text}");
        }
    }
    Ok(())
}

#[test]
fn users_may_do_what_their_class_may() -> Result<()> {
    /// `nobody` of Debian.
    const NOBODY: &str = "65534";
    let Some(access) = Access::new(&["setpriv"], &Config::default())? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 0x10)?;
    access.daemon.wait_bound(lease.address)?;
    // The group of the socket, as an administrator would let operators in.
    let copy = access.lab.folder().join("bindery");
    std::fs::copy(program("bindery")?, &copy)?;
    let control = access.daemon.folder().join("control.sock");
    let run = |user: &str, commands: &str| -> Result<(bool, String)> {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", user, "--regid", "0", "--clear-groups"]).arg(&copy);
        let output = command.arg("--control").arg(&control).args(["-c", commands]).output()?;
        Ok((output.status.success(), told(&output)))
    };
    let login = |class: &str| {
        access.daemon.script(&format!("configure; set system login user nobody class {class}; commit and-quit"))
    };
    let clear = format!("clear dhcp server binding {}", lease.address);
    let commit = "configure; set access address-assignment pool p1 family inet dhcp-attributes maximum-lease-time 99; \
                  commit and-quit";
    let denied = |(done, text): (bool, String), needs: &str| -> Result<()> {
        ensure!(!done && text.contains("permission denied") && text.contains(needs), "{text}");
        Ok(())
    };

    login("read-only")?;
    let (done, text) = run(NOBODY, "show dhcp server binding; show configuration")?;
    ensure!(done && text.contains(&lease.address.to_string()) && text.contains("read-only"), "{text}");
    denied(run(NOBODY, &clear)?, "clear")?;
    denied(run(NOBODY, commit)?, "configure")?;
    denied(run(NOBODY, "request system reload")?, "configure")?;
    // Whoever is not named may look.
    let (done, text) = run("65533", "show version")?;
    ensure!(done, "{text}");
    denied(run("65533", &clear)?, "clear")?;
    access.agree(lease.address, mac(1))?;

    login("unauthorized")?;
    denied(run(NOBODY, "show version")?, "view")?;

    login("operator")?;
    let (done, text) = run(NOBODY, &clear)?;
    ensure!(done, "{text}");
    access.gone(lease.address)?;
    denied(run(NOBODY, commit)?, "configure")?;

    login("super-user")?;
    let (done, text) = run(NOBODY, commit)?;
    ensure!(done && text.contains("commit complete"), "{text}");
    let history = access.daemon.script("show system commit")?;
    ensure!(history.lines().any(|line| line.starts_with("0 ") && line.contains("nobody")), "{history}");
    access.database_is_kernel()
}
