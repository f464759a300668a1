//! Each client's life: lease, renewal, rebinding, release, decline.

use crate::access::{Access, Config, SERVER};
use anyhow::{Context, Result, ensure};
use bindery_netns::client::{Ability, Options, networkd_may_decline};
use bindery_netns::packet::{kind, option};
use bindery_netns::{Client, ClientKind, until};
use std::net::Ipv4Addr;

/// The scene, the client in it, its address and its hardware address.
type Started = (Access, Client, Ipv4Addr, [u8; 6]);

fn started(client: ClientKind, config: &Config) -> Result<Option<Started>> {
    let Some(access) = Access::new(client.programs(), config)? else {
        return Ok(None);
    };
    let mac = access.client.mac("c0")?;
    let mut running = Client::start(&access.lab, client, &access.client, "c0", Options::default())?;
    let address = running.wait_address(&access.client)?;
    Ok(Some((access, running, address, mac)))
}

fn lease(client: ClientKind) -> Result<()> {
    let Some((mut access, _running, address, mac)) = started(client, &Config::default())? else {
        return Ok(());
    };
    ensure!(address == Ipv4Addr::new(10, 0, 0, 10), "the first address of the range, not {address}");
    access.agree_also_after_a_restart(address, mac)?;
    access.database_is_kernel()?;
    access.capture.judge("udp.srcport == 67")
}

fn renew(client: ClientKind) -> Result<()> {
    let Some((mut access, running, address, mac)) = started(client, &Config::quick())? else {
        return Ok(());
    };
    let before = access.daemon.wait_bound(address)?;
    let mark = access.capture.mark()?;
    running.renew()?;
    let request = access.capture.wait("a renewal", mark, |sent| {
        sent.message.kind() == kind::REQUEST && sent.message.ciaddr == address && sent.envelope.to == SERVER
    })?;
    ensure!(request.message.option(option::SERVER).is_none(), "a renewal has no option 54");
    let ack = access
        .capture
        .wait("its ACK", mark, |sent| sent.message.kind() == kind::ACK && sent.message.xid == request.message.xid)?;
    ensure!(ack.envelope.to == address && ack.message.yiaddr == address, "{ack:?}");
    ensure!(ack.envelope.to_mac == mac && ack.envelope.from == SERVER, "{ack:?}");
    let after = access.daemon.wait_bound(address)?;
    ensure!(before.session == after.session, "a renewal keeps its session");
    access.agree_also_after_a_restart(address, mac)?;
    access.capture.judge("udp.srcport == 67")
}

/// The server that gave the lease is not heard (what is sent to its address is lost), so the client broadcasts.
fn rebind(client: ClientKind) -> Result<()> {
    // udhcpc does not know T2: it rebinds at half of a lease shorter than two minutes.
    let Some((mut access, _running, address, mac)) = started(client, &Config::quick())? else {
        return Ok(());
    };
    access.server.nft(&format!(
        "table netdev absent {{ chain s0 {{ type filter hook ingress device s0 priority 0; \
         ip daddr {SERVER} udp dport 67 counter drop; }}; }}"
    ))?;
    let mark = access.capture.mark()?;
    let request = access.capture.wait("a rebinding", mark, |sent| {
        sent.message.kind() == kind::REQUEST
            && sent.message.ciaddr == address
            && sent.envelope.to == Ipv4Addr::BROADCAST
    })?;
    let ack = access
        .capture
        .wait("its ACK", mark, |sent| sent.message.kind() == kind::ACK && sent.message.xid == request.message.xid)?;
    ensure!(ack.message.yiaddr == address && ack.envelope.to == address, "{ack:?}");
    ensure!(ack.message.address_option(option::SERVER) == Some(SERVER), "{ack:?}");
    ensure!(access.client.addresses("c0")? == [address], "the client keeps its address");
    access.server.nft("delete table netdev absent")?;
    access.agree_also_after_a_restart(address, mac)?;
    access.capture.judge("udp.srcport == 67")
}

/// The daemon is killed right after the lease and comes back while the client rebinds.
fn absence(client: ClientKind) -> Result<()> {
    let Some((mut access, _running, address, mac)) = started(client, &Config::quick())? else {
        return Ok(());
    };
    access.agree(address, mac)?;
    access.daemon.kill();
    let mark = access.capture.mark()?;
    access.capture.wait("an unanswered REQUEST", mark, |sent| {
        sent.message.kind() == kind::REQUEST && sent.message.ciaddr == address
    })?;
    access.daemon.restart(&access.server)?;
    access.capture.wait("an ACK after the restart", mark, |sent| sent.message.kind() == kind::ACK)?;
    until("the client to have its address", || (access.client.addresses("c0").ok()? == [address]).then_some(()))?;
    access.agree(address, mac)?;
    access.database_is_kernel()
}

fn release(client: ClientKind) -> Result<()> {
    let Some((mut access, running, address, mac)) = started(client, &Config::default())? else {
        return Ok(());
    };
    access.agree(address, mac)?;
    if running.release()? == Ability::Cannot {
        println!("{client:?} never sends a RELEASE");
        return Ok(());
    }
    let release = access.capture.wait("a RELEASE", 0, |sent| sent.message.kind() == kind::RELEASE)?;
    ensure!(release.message.ciaddr == address && release.envelope.to == SERVER, "{release:?}");
    access.gone(address)?;
    access.daemon.kill();
    access.daemon.restart(&access.server)?;
    access.gone(address)?;
    access.database_is_kernel()
}

fn decline(client: ClientKind) -> Result<()> {
    // Two addresses, and somebody has the first: the client must end with the second.
    let (taken, free) = (Ipv4Addr::new(10, 0, 0, 10), Ipv4Addr::new(10, 0, 0, 11));
    let config = Config::default().range("10.0.0.10", "10.0.0.11");
    let Some((mut access, segment)) = Access::on_segment(client.programs(), &config)? else {
        return Ok(());
    };
    let other = access.lab.namespace("oth")?;
    access.lab.plug(&segment, "p-o", &other, "o0")?;
    other.address("o0", &format!("{taken}/24"))?;
    if client == ClientKind::Networkd {
        networkd_may_decline(&access.client, "c0", &taken.to_string())?;
    }
    let mac = access.client.mac("c0")?;
    let running =
        Client::start(&access.lab, client, &access.client, "c0", Options { probe: true, ..Options::default() })?;
    let decline = access.capture.wait("a DECLINE", 0, |sent| sent.message.kind() == kind::DECLINE)?;
    // networkd names the address in ciaddr, against table 5 of RFC 2131; there is no doubt which address it means.
    let named = decline.message.address_option(option::REQUESTED).unwrap_or(decline.message.ciaddr);
    ensure!(named == taken, "{decline:?}");
    let address =
        until("the second address", || access.client.addresses("c0").ok()?.into_iter().find(|found| *found == free))
            .with_context(|| access.capture.summary().unwrap_or_default())?;
    access.agree(address, mac)?;
    access.gone(taken)?;
    // The quarantine outlives the daemon: nobody gets the address that is in use.
    access.daemon.kill();
    access.daemon.restart(&access.server)?;
    access.agree(address, mac)?;
    access.gone(taken)?;
    let offers = access.seen()?.into_iter().filter(|sent| sent.message.kind() == kind::OFFER);
    let again = offers.filter(|sent| sent.at_nanos > decline.at_nanos && sent.message.yiaddr == taken).count();
    ensure!(again == 0, "{taken} was offered again");
    drop(running);
    access.capture.judge("udp.srcport == 67")
}

macro_rules! life {
    ($($name:ident: $kind:ident;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn lease() -> Result<()> {
                super::lease(ClientKind::$kind)
            }

            #[test]
            fn renew() -> Result<()> {
                super::renew(ClientKind::$kind)
            }

            #[test]
            fn rebind() -> Result<()> {
                super::rebind(ClientKind::$kind)
            }

            #[test]
            fn absence() -> Result<()> {
                super::absence(ClientKind::$kind)
            }

            #[test]
            fn release() -> Result<()> {
                super::release(ClientKind::$kind)
            }

            #[test]
            fn decline() -> Result<()> {
                super::decline(ClientKind::$kind)
            }
        }
    )*};
}

life! {
    dhclient: Dhclient;
    dhcpcd: Dhcpcd;
    udhcpc: Udhcpc;
    networkd: Networkd;
    network_manager: NetworkManager;
}

/// NetworkManager, told NAK, sends DISCOVER and the selecting REQUEST with the old address in ciaddr. A server that takes
/// "ciaddr is set" for a renewal refuses it for ever.
#[test]
fn network_manager_with_a_stale_ciaddr() -> Result<()> {
    let Some((access, mut running, old, mac)) = started(ClientKind::NetworkManager, &Config::quick())? else {
        return Ok(());
    };
    access.agree(old, mac)?;
    // The operator ends the binding; the client's next renewal is refused.
    access.daemon.cli(&["clear", "dhcp", "server", "binding", &old.to_string()])?;
    access.gone(old)?;
    access.capture.wait("a NAK", 0, |sent| sent.message.kind() == kind::NAK)?;
    let nak = access.seen()?.iter().position(|sent| sent.message.kind() == kind::NAK).unwrap_or(0);
    let request = access.capture.wait("a selecting REQUEST", nak, |sent| {
        sent.message.kind() == kind::REQUEST && sent.message.option(option::SERVER).is_some()
    })?;
    ensure!(request.message.ciaddr == old, "the client is no longer as it was: ciaddr {}", request.message.ciaddr);
    access
        .capture
        .wait("an ACK", nak, |sent| sent.message.kind() == kind::ACK && sent.message.xid == request.message.xid)?;
    let address = running.wait_address(&access.client)?;
    access.agree(address, mac)?;
    access.capture.judge("udp.srcport == 67")
}
