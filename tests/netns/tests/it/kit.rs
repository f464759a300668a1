//! The kit against a server that is known good: if one of these fails, no other test means anything.

use anyhow::Result;
use bindery_netns::client::{Ability, Options, networkd_may_decline};
use bindery_netns::packet::kind;
use bindery_netns::{Capture, Client, ClientKind, Lab, server, wait};

/// A lease, a renewal and the end, against ISC dhcpd with leases of `SECS` seconds.
const SECS: u32 = 20;

fn against_dhcpd(kind_of_client: ClientKind) -> Result<()> {
    let programs = [kind_of_client.programs(), &["dhcpd"]].concat();
    let Some(lab) = Lab::new(&programs) else {
        return Ok(());
    };
    let (server, client) = (lab.namespace("srv")?, lab.namespace("cli")?);
    lab.veth((&server, "s0"), (&client, "c0"))?;
    server.address("s0", "10.77.0.1/24")?;
    let capture = Capture::start(&lab, &server, "s0")?;
    let _dhcpd = server::dhcpd(&lab, &server, "s0", SECS)?;
    let mut running = Client::start(&lab, kind_of_client, &client, "c0", Options::default())?;
    let address = running.wait_address(&client)?;
    assert!(address.octets().starts_with(&[10, 77, 0]), "{address}");
    capture.wait("the ACK", 0, |sent| sent.message.kind() == kind::ACK)?;

    let mark = capture.mark()?;
    let told = running.renew()?;
    let renewal = capture.wait("a renewal", mark, |sent| sent.message.kind() == kind::REQUEST)?;
    if told == Ability::Cannot {
        assert_eq!(renewal.message.ciaddr, address, "a renewal has ciaddr");
    }
    capture.wait("its ACK", mark, |sent| sent.message.kind() == kind::ACK)?;

    if running.release()? == Ability::Done {
        let release = capture.wait("a RELEASE", 0, |sent| sent.message.kind() == kind::RELEASE)?;
        assert_eq!(release.message.ciaddr, address);
    }
    running.stop();
    wait::until("the client's end", || (!running.process().runs().ok()?).then_some(()))?;
    capture.judge("udp.srcport == 67")
}

#[test]
fn dhclient_against_dhcpd() -> Result<()> {
    against_dhcpd(ClientKind::Dhclient)
}

#[test]
fn dhcpcd_against_dhcpd() -> Result<()> {
    against_dhcpd(ClientKind::Dhcpcd)
}

#[test]
fn udhcpc_against_dhcpd() -> Result<()> {
    against_dhcpd(ClientKind::Udhcpc)
}

#[test]
fn networkd_against_dhcpd() -> Result<()> {
    against_dhcpd(ClientKind::Networkd)
}

#[test]
fn network_manager_against_dhcpd() -> Result<()> {
    against_dhcpd(ClientKind::NetworkManager)
}

/// Which clients decline an address that somebody else has.
fn declines(kind_of_client: ClientKind) -> Result<()> {
    let programs = [kind_of_client.programs(), &["dhcpd"]].concat();
    let Some(lab) = Lab::new(&programs) else {
        return Ok(());
    };
    let (segment, server) = (lab.segment("seg")?, lab.namespace("srv")?);
    let (client, other) = (lab.namespace("cli")?, lab.namespace("oth")?);
    lab.plug(&segment, "p0", &server, "s0")?;
    lab.plug(&segment, "p1", &client, "c0")?;
    lab.plug(&segment, "p2", &other, "o0")?;
    server.address("s0", "10.77.0.1/24")?;
    for last in 100..150 {
        other.address("o0", &format!("10.77.0.{last}/24"))?;
    }
    let capture = Capture::start(&lab, &server, "s0")?;
    let _dhcpd = server::dhcpd(&lab, &server, "s0", SECS)?;
    if kind_of_client == ClientKind::Networkd {
        networkd_may_decline(&client, "c0", "10.77.0.100")?;
    }
    let _running = Client::start(&lab, kind_of_client, &client, "c0", Options { probe: true, ..Options::default() })?;
    capture.wait("a DECLINE", 0, |sent| sent.message.kind() == kind::DECLINE).map(drop)
}

#[test]
fn dhclient_declines() -> Result<()> {
    declines(ClientKind::Dhclient)
}
#[test]
fn dhcpcd_declines() -> Result<()> {
    declines(ClientKind::Dhcpcd)
}
#[test]
fn udhcpc_declines() -> Result<()> {
    declines(ClientKind::Udhcpc)
}
#[test]
fn networkd_declines() -> Result<()> {
    declines(ClientKind::Networkd)
}
#[test]
fn network_manager_declines() -> Result<()> {
    declines(ClientKind::NetworkManager)
}
