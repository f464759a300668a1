//! `kill -9` under load.

use crate::access::{Access, Config, all_bound, database_is_kernel};
use anyhow::{Context, Result, ensure};
use bindery_netns::packet::kind;
use bindery_netns::simclient::{SimClients, mac};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How often the daemon dies.
const KILLS: u32 = 20;

/// Clients take leases all the time; the daemon dies twenty times, each time after a different number of further ACKs.
/// Whatever a client was told is in the database afterwards, every binding has its route, and no route is left over.
#[test]
fn kill_9_under_load_twenty_times() -> Result<()> {
    let config = Config {
        pool: "network \"10.0.0.0/16\"; range r1 { low \"10.0.1.0\"; high \"10.0.255.250\" }".into(),
        ..Config::default()
    };
    let Some(mut access) = Access::new(&[], &config)? else {
        return Ok(());
    };
    let clients = SimClients::open(&access.client, "c0")?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let load = std::thread::spawn(move || -> Result<u32> {
        let mut number = 0;
        while !stopped.load(Ordering::Relaxed) {
            number += 1;
            clients.lease(mac(number), number.wrapping_mul(4)).with_context(|| format!("client {number}"))?;
        }
        Ok(number)
    });
    let verdict = kill_often(&mut access);
    stop.store(true, Ordering::Relaxed);
    let served = load.join().map_err(|_| anyhow::anyhow!("the load generator panicked"))??;
    verdict?;
    ensure!(served >= KILLS, "only {served} leases were taken");
    all_bound(&access.daemon, &acked(&access)?)?;
    access.database_is_kernel()?;
    println!("{served} leases over {KILLS} kills");
    Ok(())
}

fn kill_often(access: &mut Access) -> Result<()> {
    for round in 0..KILLS {
        // A different moment each time: after 1, 4, 7 ... further ACKs.
        let wanted = acked(access)?.len() + 1 + (round as usize * 7) % 20;
        access.capture.wait("more leases", 0, |_| acked(access).is_ok_and(|acked| acked.len() >= wanted))?;
        access.daemon.kill();
        // The capture is complete: who would still send?
        let told = acked(access)?;
        access.daemon.restart(&access.server).with_context(|| format!("start after kill {round}"))?;
        all_bound(&access.daemon, &told).with_context(|| format!("after kill {round}"))?;
        database_is_kernel(&access.daemon, &access.server).with_context(|| format!("after kill {round}"))?;
    }
    Ok(())
}

fn acked(access: &Access) -> Result<Vec<Ipv4Addr>> {
    let messages = access.capture.messages()?;
    Ok(messages.iter().filter(|sent| sent.message.kind() == kind::ACK).map(|sent| sent.message.yiaddr).collect())
}
