//! Accounting of packets and octets, counted by nftables.

use super::{OTHERS, REAL, Scene, Setup};
use anyhow::{Context, Result, ensure};
use bindery_netns::freeradius::Packet;
use bindery_netns::{Namespace, until};
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

/// Somebody behind the router.
const FAR: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
/// IPv4 and UDP headers.
const HEADERS: usize = 20 + 8;

/// Sends so many packets of so many octets (of IP), one on its way at a time, and sees them arrive.
fn transfer(from: (&Namespace, Ipv4Addr), to: (&Namespace, Ipv4Addr), packets: usize, octets: usize) -> Result<()> {
    let receiver = to.0.enter(move || UdpSocket::bind((to.1, 4_000)))?.context("receiver")?;
    receiver.set_read_timeout(Some(Duration::from_secs(30)))?;
    let sender = from.0.enter(move || UdpSocket::bind((from.1, 0)))?.context("sender")?;
    let (payload, mut buffer) = (vec![0; octets - HEADERS], vec![0; octets]);
    for _ in 0..packets {
        sender.send_to(&payload, (to.1, 4_000))?;
        ensure!(receiver.recv(&mut buffer).context("no packet came")? == payload.len());
    }
    Ok(())
}

/// Checks what a record says of (packets, octets) from the subscriber and to it.
fn tells(record: &Packet, [packets_in, octets_in, packets_out, octets_out]: [u64; 4]) -> Result<()> {
    let wanted = [
        ("Acct-Input-Packets", packets_in),
        ("Acct-Input-Octets", octets_in),
        ("Acct-Output-Packets", packets_out),
        ("Acct-Output-Octets", octets_out),
    ];
    for (name, value) in wanted {
        ensure!(record.has(name, &value.to_string()), "{name} is not {value}: {record}");
    }
    Ok(())
}

/// The table of counters as the program nft shows it; empty for none.
fn table(router: &Namespace) -> Result<String> {
    let output = router.command("nft").args(["list", "ruleset"]).output()?;
    Ok(String::from_utf8(output.stdout)?)
}

/// What a subscriber sent and got is in its Stop to the packet, also what went on while the daemon was dead; the next
/// one starts at zero; and where only the time is accounted nothing is counted.
#[test]
fn a_stop_tells_what_was_forwarded_over_a_kill() -> Result<()> {
    let mut setup = Setup::new(&[OTHERS.into()]);
    setup.profile = "accounting { statistics volume-time }".into();
    let Some(mut scene) = Scene::new(&["nft"], &setup)? else { return Ok(()) };
    let far = scene.access.lab.namespace("far")?;
    scene.access.lab.veth((&scene.access.server, "n0"), (&far, "f0"))?;
    scene.access.server.address("n0", "198.51.100.1/24")?;
    scene.access.server.sysctl("net/ipv4/ip_forward", "1")?;
    far.address("f0", &format!("{FAR}/24"))?;
    far.ip(&["route", "add", "default", "via", "198.51.100.1"])?;

    let clients = scene.clients()?;
    let address = clients.lease(REAL, 0x100)?.address;
    scene.access.client.address("c0", &format!("{address}/16"))?;
    scene.access.client.ip(&["route", "add", "default", "via", "10.0.0.1"])?;
    // Counting begins before the Start leaves.
    scene.record("Start", address)?;
    transfer((&scene.access.client, address), (&far, FAR), 5, 100)?;
    transfer((&far, FAR), (&scene.access.client, address), 3, 1_000)?;
    scene.access.daemon.kill();
    transfer((&scene.access.client, address), (&far, FAR), 2, 100)?;
    scene.access.daemon.restart(&scene.access.server)?;
    let access = &scene.access;
    access.daemon.cli(&["clear", "dhcp", "server", "binding", &address.to_string()])?;
    let stop = scene.record("Stop", address)?;
    tells(&stop, [7, 700, 3, 3_000])?;
    until("an empty table", || {
        let text = table(&access.server).ok()?;
        (text.contains("table ip bindery") && !text.contains("elements")).then_some(())
    })?;

    // It comes back to the same address: another session, and nothing of the first one.
    ensure!(clients.lease(REAL, 0x200)?.address == address);
    let second = |status: &str| {
        until(&format!("a second {status}"), || {
            let told = scene.radius.accounted().ok()?;
            told.into_iter().filter(|packet| super::is_record(packet, status, address)).nth(1)
        })
    };
    second("Start")?;
    transfer((&access.client, address), (&far, FAR), 1, 60)?;
    access.daemon.cli(&["clear", "dhcp", "server", "binding", &address.to_string()])?;
    tells(&second("Stop")?, [1, 60, 0, 0])?;
    access.gone(address)?;
    setup.profile = "accounting { statistics time }".into();
    scene.access.daemon.reload(&setup.text())?;
    until("no table", || table(&scene.access.server).ok()?.is_empty().then_some(()))?;
    scene.judge()
}
