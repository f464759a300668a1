//! Disconnect-Requests of a RADIUS client that we did not write.

use crate::access::{Access, Config};
use anyhow::{Result, ensure};
use bindery_netns::client::Options;
use bindery_netns::packet::{Message, kind, mac_text};
use bindery_netns::simclient::{SimClients, mac};
use bindery_netns::{Client, ClientKind};
use std::net::Ipv4Addr;

fn config(group: &str) -> Config {
    Config {
        group: format!("interface s0; {group}"),
        access: "radius-disconnect \"127.0.0.1\" { secret testing123 }".into(),
        ..Config::default()
    }
}

/// What radclient says of a Disconnect-Request with these attributes.
fn disconnect(access: &Access, attributes: &str, secret: &str) -> Result<String> {
    let file = access.lab.file("disconnect", attributes)?;
    let mut command = access.server.command("radclient");
    // Two tries of a second: a silent server is silent soon.
    command.args(["-x", "-t", "1", "-r", "2", "-f"]).arg(file).args(["127.0.0.1:3799", "disconnect", secret]);
    let output = command.output()?;
    Ok(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

fn by_address(address: Ipv4Addr) -> String {
    format!("Framed-IP-Address = {address}\n")
}

#[test]
fn a_disconnect_ends_the_session() -> Result<()> {
    let Some(access) = Access::new(&["radclient"], &config(""))? else {
        return Ok(());
    };
    access.server.ip(&["link", "set", "lo", "up"])?;
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 0x100)?;
    let other = clients.lease(mac(2), 0x200)?;
    access.agree(lease.address, mac(1))?;
    let session = access.daemon.wait_bound(lease.address)?.session;

    let text = disconnect(&access, &by_address(lease.address), "wrong")?;
    ensure!(text.contains("No reply from server"), "{text}");
    let text = disconnect(&access, &by_address(Ipv4Addr::new(10, 0, 0, 200)), "testing123")?;
    ensure!(text.contains("Session-Context-Not-Found"), "{text}");
    let text = disconnect(&access, "Reply-Message = \"bye\"\n", "testing123")?;
    ensure!(text.contains("Missing-Attribute"), "{text}");
    // All that is given must match.
    let wrong = format!("{}Calling-Station-Id = \"{}\"\n", by_address(lease.address), mac_text(mac(2)));
    let text = disconnect(&access, &wrong, "testing123")?;
    ensure!(text.contains("Session-Context-Not-Found"), "{text}");
    access.agree(lease.address, mac(1))?;

    let right = format!(
        "Acct-Session-Id = \"{session}\"\nCalling-Station-Id = \"{}\"\nNAS-Port-Id = \"s0\"\n",
        mac_text(mac(1))
    );
    let text = disconnect(&access, &right, "testing123")?;
    ensure!(text.contains("Received Disconnect-ACK"), "{text}");
    access.gone(lease.address)?;
    access.agree(other.address, mac(2))?;
    // The client learns of it when it renews.
    let mut renewal = Message::request(kind::REQUEST, mac(1), 0x300);
    renewal.ciaddr = lease.address;
    let answer = clients.exchange(&renewal)?;
    ensure!(answer.message.kind() == kind::NAK, "{answer:?}");
    access.capture.judge("udp.srcport == 67")
}

#[test]
fn a_disconnect_moves_a_real_client() -> Result<()> {
    if !crate::plugins::built() {
        return Ok(());
    }
    let programs = [ClientKind::Dhcpcd.programs(), &["radclient"]].concat();
    let group = "reconfigure { trigger { radius-disconnect } }";
    let Some(access) = Access::new(&programs, &config(group))? else {
        return Ok(());
    };
    access.server.ip(&["link", "set", "lo", "up"])?;
    let mut client = Client::start(&access.lab, ClientKind::Dhcpcd, &access.client, "c0", Options::default())?;
    let before = client.wait_address(&access.client)?;
    access.daemon.wait_bound(before)?;
    let text = disconnect(&access, &by_address(before), "testing123")?;
    ensure!(text.contains("Received Disconnect-ACK"), "{text}");
    access.capture.wait("a FORCERENEW", 0, |sent| sent.message.kind() == kind::FORCERENEW)?;
    access.capture.wait("a NAK", 0, |sent| sent.message.kind() == kind::NAK)?;
    let ack = access.capture.wait("an ACK of another address", 0, |sent| {
        sent.message.kind() == kind::ACK && sent.message.yiaddr != before && !sent.message.yiaddr.is_unspecified()
    })?;
    access.agree(ack.message.yiaddr, ack.message.chaddr)?;
    access.gone(before)?;
    client.stop();
    access.capture.judge("udp.srcport == 67")
}
