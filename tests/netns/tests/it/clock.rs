//! Router images boot without a clock, and get the right time later, in one step.

use crate::access::{Access, Config};
use anyhow::{Result, ensure};
use bindery_netns::client::Options;
use bindery_netns::packet::kind;
use bindery_netns::simclient::{SimClients, mac};
use bindery_netns::wait::while_waiting;
use bindery_netns::wallclock::WallClock;
use bindery_netns::{Client, ClientKind, Daemon};
use std::time::{Duration, Instant};

/// The clock at the start of such an image, and the right one by a wide margin.
const BOOT: u64 = 30;

/// Starts the scene's daemon again, with a clock that stands in 1970.
fn restart_in_1970(access: &mut Access) -> Result<WallClock> {
    let clock = WallClock::new(&access.lab)?;
    clock.set(BOOT)?;
    restart_with(access, &clock)?;
    Ok(clock)
}

fn restart_with(access: &mut Access, clock: &WallClock) -> Result<()> {
    access.daemon.kill();
    let folder = access.daemon.folder().to_path_buf();
    let mut command = clock.command(&access.server, &folder)?;
    access.daemon = Daemon::start_as(&access.server, folder, &mut command)?;
    Ok(())
}

/// The database is from the right time, the clock is not: nothing expires until the clock has caught up.
#[test]
fn a_start_in_1970_expires_nobody() -> Result<()> {
    let config = Config { attributes: "maximum-lease-time 4; router \"10.0.0.1\"".into(), ..Config::default() };
    let Some(mut access) = Access::new(&["cc"], &config)? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 1)?;
    access.agree(lease.address, mac(1))?;
    let clock = restart_in_1970(&mut access)?;
    let started = Instant::now();
    // Twice the lease.
    while_waiting(
        "the lease's end, twice over",
        || (started.elapsed() > Duration::from_secs(8)).then_some(()),
        || {
            let bound = access.daemon.binding(lease.address)?.is_some_and(|binding| binding.is_bound());
            ensure!(bound && access.server.route(lease.address)?.is_some(), "the lease went");
            Ok(())
        },
    )?;
    access.agree(lease.address, mac(1))?;
    // With the right clock it ends as every lease.
    clock.correct()?;
    access.gone(lease.address)
}

/// A machine that has never had a clock: leases are given and renewed, and the step to the right time ends none.
#[test]
fn a_first_start_in_1970_and_the_step_to_now() -> Result<()> {
    let programs = [ClientKind::Dhclient.programs(), &["cc"]].concat();
    let Some(mut access) = Access::new(&programs, &Config::quick())? else { return Ok(()) };
    access.daemon.kill();
    let state = access.daemon.folder().join("state");
    std::fs::remove_dir_all(&state)?;
    std::fs::create_dir(&state)?;
    let clock = restart_in_1970(&mut access)?;
    let mut client = Client::start(&access.lab, ClientKind::Dhclient, &access.client, "c0", Options::default())?;
    let address = client.wait_address(&access.client)?;
    let client_mac = access.client.mac("c0")?;
    access.agree(address, client_mac)?;
    let before = access.daemon.wait_bound(address)?;

    clock.correct()?;
    // A renewal after the step is a renewal: same session.
    let mark = access.capture.mark()?;
    access.capture.wait("a renewal", mark, |sent| sent.message.kind() == kind::REQUEST)?;
    access.capture.wait("its ACK", mark, |sent| sent.message.kind() == kind::ACK && sent.message.yiaddr == address)?;
    let after = access.daemon.wait_bound(address)?;
    ensure!(before.session == after.session, "{before:?} {after:?}");
    access.agree(address, client_mac)?;
    restart_with(&mut access, &clock)?;
    access.agree(address, client_mac)
}

/// A step of the clock, forwards or back, ends no lease: they age by the monotonic clock.
#[test]
fn a_clock_step_expires_nobody() -> Result<()> {
    let Some(mut access) = Access::new(&["cc"], &Config::default())? else { return Ok(()) };
    let clock = WallClock::new(&access.lab)?;
    restart_with(&mut access, &clock)?;
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 1)?;
    for (number, secs) in [(2, 4_000_000_000), (3, BOOT)] {
        clock.set(secs)?;
        // The daemon has seen the new time once another client has its lease.
        let other = clients.lease(mac(number), number * 16)?;
        access.agree(other.address, mac(number))?;
        access.agree(lease.address, mac(1))?;
    }
    Ok(())
}
