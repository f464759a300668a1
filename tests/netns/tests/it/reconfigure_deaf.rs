//! Dynamic reconfiguration of clients that hear no FORCERENEW: their own renewal meets the NAK, or every attempt is in
//! vain and the abort policy says what follows (junos.md §8.3).

use crate::access::{Access, Config, SERVER};
use crate::reconfigure::{QUICK, Subscriber, after, field, judge, leased, reconfigure, request, wait_field};
use anyhow::{Context, Result, ensure};
use bindery_netns::client::{Ability, Options};
use bindery_netns::packet::{kind, mac_text, option};
use bindery_netns::{Client, ClientKind};
use serde_json::Value;
use std::net::Ipv4Addr;

/// A client that renews by itself while it is being moved hears the NAK that it gets, and comes back with another address.
fn renews_while_it_is_moved(kind_of_client: ClientKind) -> Result<()> {
    // Attempts go on for 31 seconds; each client renews before that. udhcpc knows no T1: it renews at half of the lease,
    // and takes any that is shorter than 30 seconds for one of 30.
    let attributes = match kind_of_client {
        ClientKind::Udhcpc => "maximum-lease-time 30; router \"10.0.0.1\"",
        _ => "maximum-lease-time 60; t1-renewal-time 5; t2-rebinding-time 50; router \"10.0.0.1\"",
    };
    let config = Config { attributes: attributes.into(), ..reconfigure("attempts 5; timeout 1") };
    let Some((access, _client, old)) = leased(kind_of_client, &config, Options::default())? else {
        return Ok(());
    };
    // The only client that would obey hears none either.
    access.client.lose_kind("c0", kind::FORCERENEW)?;
    let one = Subscriber::direct(&access, old)?;
    request(&access.daemon, &[&old.to_string()])?;
    let force = access.capture.wait("a FORCERENEW", 0, |sent| sent.message.kind() == kind::FORCERENEW)?;
    let moved = one.moves(&one.renewal(&force)?)?;
    // It heard the NAK where it listens while it renews: udhcpc is known to miss one now and then.
    let renewals = access.seen()?.into_iter().filter(|sent| {
        sent.at_nanos > force.at_nanos
            && sent.message.kind() == kind::REQUEST
            && sent.message.ciaddr == old
            && sent.message.option(option::SERVER).is_none()
    });
    let renewals: Vec<_> = renewals.map(|sent| sent.envelope.to).collect();
    ensure!(renewals.len() <= 2 && renewals.iter().all(|to| *to == SERVER), "{}", access.capture.summary()?);
    access.gone(old)?;
    access.agree(moved, one.mac)?;
    access.database_is_kernel()?;
    judge(&access.capture, "udp.srcport == 67")
}

macro_rules! nak_matrix {
    ($($name:ident: $kind:ident;)*) => {$(
        #[test]
        fn $name() -> Result<()> {
            renews_while_it_is_moved(ClientKind::$kind)
        }
    )*};
}

nak_matrix! {
    dhclient_renews_while_it_is_moved: Dhclient;
    dhcpcd_renews_while_it_is_moved: Dhcpcd;
    udhcpc_renews_while_it_is_moved: Udhcpc;
    networkd_renews_while_it_is_moved: Networkd;
    network_manager_renews_while_it_is_moved: NetworkManager;
}

/// udhcpc, which renews when it is told to, is asked in vain: two attempts, and the policy says what follows.
fn asked_in_vain(policy: &str) -> Result<Option<(Access, Client, Ipv4Addr)>> {
    if !policy.is_empty() && !crate::plugins::built() {
        return Ok(None);
    }
    let config = reconfigure(&format!("{QUICK}; {policy}"));
    let Some((access, client, address)) = leased(ClientKind::Udhcpc, &config, Options::default())? else {
        return Ok(None);
    };
    let mac = mac_text(access.client.mac("c0")?);
    request(&access.daemon, &[&mac])?;
    wait_field(&access.daemon, address, "reconfigure-status", "reconfiguring")?;
    let first = access.capture.wait("a FORCERENEW", 0, |sent| sent.message.kind() == kind::FORCERENEW)?;
    after(&access.capture, "another FORCERENEW", &first, |sent| sent.message.kind() == kind::FORCERENEW)?;
    Ok(Some((access, client, address)))
}

/// The client is told to renew, is refused, and comes back with another address.
fn refused(access: &Access, client: &Client, old: Ipv4Addr) -> Result<()> {
    let mark = access.seen()?.last().cloned().context("no mark")?;
    let one = Subscriber::direct(access, old)?;
    ensure!(client.renew()? == Ability::Done);
    let moved = one.moves(&one.renewal(&mark)?)?;
    access.gone(old)?;
    access.agree(moved, one.mac)?;
    access.database_is_kernel()?;
    let attempts = access.seen()?.iter().filter(|sent| sent.message.kind() == kind::FORCERENEW).count();
    ensure!(attempts == 2, "{attempts} attempts\n{}", access.capture.summary()?);
    judge(&access.capture, "udp.srcport == 67")
}

/// Seconds until a lease ends.
fn rest(access: &Access, address: Ipv4Addr) -> Result<u64> {
    let rest = field(&access.daemon, address, "lease-expires")?;
    rest.as_ref().and_then(Value::as_u64).with_context(|| format!("no time in {rest:?}"))
}

/// Neither statement: the client stays as it was, and its renewal is granted.
#[test]
fn restored() -> Result<()> {
    let Some((mut access, client, address)) = asked_in_vain("")? else { return Ok(()) };
    let (session, before) = (access.daemon.binding(address)?.context("no binding")?.session, rest(&access, address)?);
    wait_field(&access.daemon, address, "reconfigure-capability", "nothing")?;
    wait_field(&access.daemon, address, "reconfigure-status", "none")?;
    ensure!(rest(&access, address)? <= before, "an attempt has extended the lease");
    let mac = access.client.mac("c0")?;
    access.agree_also_after_a_restart(address, mac)?;
    ensure!(access.daemon.wait_bound(address)?.session == session, "another session");
    ensure!(field(&access.daemon, address, "reconfigure-attempts")?.is_none(), "attempts are left");
    let mark = access.seen()?.last().cloned().context("no mark")?;
    ensure!(client.renew()? == Ability::Done);
    let ack = after(&access.capture, "an answer", &mark, |sent| sent.message.op == 2)?;
    ensure!(ack.message.kind() == kind::ACK && ack.message.yiaddr == address, "{ack:?}");
    access.agree(address, mac)?;
    access.database_is_kernel()?;
    let attempts = access.seen()?.iter().filter(|sent| sent.message.kind() == kind::FORCERENEW).count();
    ensure!(attempts == 2, "{attempts} attempts\n{}", access.capture.summary()?);
    judge(&access.capture, "udp.srcport == 67")
}

/// The binding ends with the last attempt; the client learns of it when it renews.
#[test]
fn cleared() -> Result<()> {
    let Some((access, client, address)) = asked_in_vain("clear-on-abort")? else { return Ok(()) };
    access.gone(address)?;
    access.database_is_kernel()?;
    ensure!(access.client.addresses("c0")? == [address], "the client has heard something");
    refused(&access, &client, address)
}

/// Nothing changes but a mark on the binding, which outlives the daemon; the next renewal is refused.
#[test]
fn deferred() -> Result<()> {
    let Some((mut access, client, address)) = asked_in_vain("defer-nack-on-abort")? else { return Ok(()) };
    let mac = access.client.mac("c0")?;
    wait_field(&access.daemon, address, "reconfigure-status", "deferred-nack")?;
    wait_field(&access.daemon, address, "reconfigure-capability", "nothing")?;
    access.agree_also_after_a_restart(address, mac)?;
    wait_field(&access.daemon, address, "reconfigure-status", "deferred-nack")?;
    access.database_is_kernel()?;
    refused(&access, &client, address)
}
