//! `kill -9` under load.

use crate::access::{Access, Config, all_bound};
use anyhow::{Context, Result, anyhow, ensure};
use bindery_netns::packet::kind;
use bindery_netns::simclient::{SimClients, mac};
use bindery_netns::{Sent, until};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;

/// How often the daemon dies.
const KILLS: u32 = 20;

/// Clients that take one lease after the other until they are told to stop, with pauses when they are told to wait.
struct Load {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    pause: AtomicBool,
    paused: AtomicBool,
    served: AtomicU32,
}

impl Load {
    fn start(clients: SimClients) -> Self {
        let shared = Arc::new(Shared::default());
        let inner = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            while !inner.stop.load(Ordering::Relaxed) {
                let pause = inner.pause.load(Ordering::Relaxed);
                inner.paused.store(pause, Ordering::Relaxed);
                if pause {
                    std::thread::yield_now();
                    continue;
                }
                let number = inner.served.load(Ordering::Relaxed) + 1;
                clients.lease(mac(number), number * 4).with_context(|| format!("client {number}"))?;
                inner.served.store(number, Ordering::Relaxed);
            }
            Ok(())
        });
        Self { shared, thread }
    }

    fn pause(&self, pause: bool) -> Result<()> {
        self.shared.pause.store(pause, Ordering::Relaxed);
        until("the load to follow", || {
            (self.shared.paused.load(Ordering::Relaxed) == pause || self.thread.is_finished()).then_some(())
        })
    }

    fn served(&self) -> u32 {
        self.shared.served.load(Ordering::Relaxed)
    }

    fn stop(self) -> Result<()> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the load generator panicked"))?
    }
}

/// Clients take leases all the time; the daemon dies twenty times, each time after a different number of further leases.
/// Whatever a client was told is in the database afterwards, every binding has its route, and no route is left over.
#[test]
fn kill_9_under_load_twenty_times() -> Result<()> {
    let config = Config {
        pool: "network \"10.0.0.0/16\"; range r1 { low \"10.0.1.0\"; high \"10.0.255.250\" }".into(),
        ..Config::default()
    };
    let Some(mut access) = Access::new(&[], &config)? else { return Ok(()) };
    let load = Load::start(SimClients::open(&access.client, "c0")?);
    let verdict = kill_often(&mut access, &load);
    let served = load.served();
    load.stop().and(verdict)?;
    println!("{served} leases over {KILLS} kills");
    Ok(())
}

fn kill_often(access: &mut Access, load: &Load) -> Result<()> {
    for round in 0..KILLS {
        let wanted = load.served() + 1 + (round * 37) % 101;
        until("more leases", || (load.served() >= wanted || load.thread.is_finished()).then_some(()))?;
        access.daemon.kill();
        let told = acked(&access.seen()?);
        access.daemon.restart(&access.server).with_context(|| format!("start after kill {round}"))?;
        load.pause(true)?;
        all_bound(&access.daemon, &told).with_context(|| format!("after kill {round}"))?;
        access.database_is_kernel().with_context(|| format!("after kill {round}"))?;
        let told = acked(&access.seen()?);
        all_bound(&access.daemon, &told).with_context(|| format!("after kill {round}, the later ones"))?;
        load.pause(false)?;
    }
    let told = acked(&access.seen()?);
    ensure!(told.len() >= KILLS as usize, "only {} leases were taken", told.len());
    Ok(())
}

/// Storage keeps a lease for longer than its client was told. After SIGTERM it ends when the client was told all the same,
/// after `kill -9` it is kept, since a renewal may have been answered and not written.
#[test]
fn a_restart_in_order_keeps_the_promised_end() -> Result<()> {
    let Some(mut access) = Access::new(&[], &Config::default())? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 4)?;
    access.daemon.wait_bound(lease.address)?;
    access.daemon.terminate()?;
    access.daemon.restart(&access.server).context("start after SIGTERM")?;
    let left = seconds_left(&access, lease.address)?;
    ensure!(left <= 600, "the client was told 600 s, {left} s are left");
    // Its ACK tells that storage knows of the run that goes on.
    clients.lease(mac(2), 8)?;
    access.daemon.kill();
    access.daemon.restart(&access.server).context("start after kill")?;
    let left = seconds_left(&access, lease.address)?;
    ensure!(left > 600, "only {left} s are left: a client that renewed just before would have more");
    Ok(())
}

fn seconds_left(access: &Access, address: Ipv4Addr) -> Result<u64> {
    let binding = access.daemon.binding(address)?.context("the binding is gone")?;
    binding.all.get("lease-expires").and_then(serde_json::Value::as_u64).context("no lease-expires")
}

fn acked(seen: &[Sent]) -> Vec<Ipv4Addr> {
    seen.iter().filter(|sent| sent.message.kind() == kind::ACK).map(|sent| sent.message.yiaddr).collect()
}
