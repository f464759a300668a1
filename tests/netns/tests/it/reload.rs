//! A changed configuration is applied without dropping a session; a bad one is not applied.

use crate::access::{Access, Config};
use anyhow::{Result, ensure};
use bindery_netns::packet::option;
use bindery_netns::simclient::{SimClients, mac};
use bindery_netns::until;
use nix::sys::signal::Signal;

fn longer() -> Config {
    Config { attributes: "maximum-lease-time 1200; router \"10.0.0.1\"".into(), ..Config::default() }
}

/// The lease time that a new client is given.
fn granted(clients: &SimClients, number: u32) -> Result<Option<Vec<u8>>> {
    let lease = clients.lease(mac(number), number * 16)?;
    Ok(lease.ack.message.option(option::LEASE_TIME).map(<[u8]>::to_vec))
}

#[test]
fn a_reload_keeps_sessions() -> Result<()> {
    let Some(mut access) = Access::new(&[], &Config::default())? else {
        return Ok(());
    };
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 1)?;
    let before = access.daemon.wait_bound(lease.address)?;
    access.daemon.reload(&longer().text())?;
    ensure!(granted(&clients, 2)? == Some(1200_u32.to_be_bytes().to_vec()), "the new lease time");
    let after = access.daemon.wait_bound(lease.address)?;
    ensure!(before.session == after.session, "{before:?} {after:?}");
    access.agree_also_after_a_restart(lease.address, mac(1))
}

#[test]
fn sighup_reloads() -> Result<()> {
    let Some(mut access) = Access::new(&[], &Config::default())? else {
        return Ok(());
    };
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 1)?;
    std::fs::write(access.daemon.folder().join("bindery.kdl"), longer().text())?;
    access.daemon.process().signal(Signal::SIGHUP)?;
    let mut number = 100;
    until("the new lease time", || {
        number += 1;
        (granted(&clients, number).ok()? == Some(1200_u32.to_be_bytes().to_vec())).then_some(())
    })?;
    access.agree(lease.address, mac(1))
}

#[test]
fn a_bad_configuration_is_not_applied() -> Result<()> {
    let Some(mut access) = Access::new(&[], &Config::default())? else {
        return Ok(());
    };
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 1)?;
    let bad = Config { attributes: "maximum-lease-tyme 1200".into(), ..Config::default() };
    let refused = access.daemon.reload(&bad.text()).err().map(|error| format!("{error:#}")).unwrap_or_default();
    ensure!(refused.contains("maximum-lease-time"), "a hint at the right name: {refused}");
    ensure!(granted(&clients, 2)? == Some(600_u32.to_be_bytes().to_vec()), "the old lease time");
    access.agree(lease.address, mac(1))
}
