//! Routes per second, and the CPU time of the process per route (the kernel's work included), in a network namespace of its own: `cargo run --release -p bindery-netlink --example route_rates`.

use anyhow::{Context, Result, ensure};
use bindery_engine::route::{ForwardingPlane, Route, RouteChange, RouteOp, RouteSeq};
use bindery_netlink::{Plane, PlaneSettings, RouteEvent, RouteThread, RouteThreadSettings};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr, MacAddr};
use nix::{
    net::if_::if_nametoindex,
    sched::{CloneFlags, unshare},
    time::{ClockId, clock_gettime},
};
use std::{
    process::Command,
    sync::mpsc,
    time::{Duration, Instant},
};

const COUNT: u32 = 100_000;

fn main() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("making a network namespace; run as root")?;
    let lines = "ip link add s0 type veth peer name c0; ip link set c0 up; ip link set s0 up";
    ensure!(Command::new("sh").args(["-ec", lines]).status()?.success());
    let link = IfIndex(if_nametoindex("s0")?);
    for (what, neighbour) in [("without neighbours", None), ("with neighbours", Some(MacAddr([2, 0, 0, 0, 0, 1])))] {
        let routes: Vec<_> = (0..COUNT)
            .map(|number| Ipv4Addr::from_bits(0x0a00_0000 + number))
            .map(|dst| Route { neighbour, ..Route::host(InstanceId(0), dst, link) })
            .collect();
        plane(what, &routes)?;
        thread(what, routes)?;
    }
    Ok(())
}

fn plane(what: &str, routes: &[Route]) -> Result<()> {
    let mut plane = Plane::open(PlaneSettings::default())?;
    let set = routes.iter().map(|route| RouteChange::Set(*route));
    let unset = routes.iter().map(|route| RouteChange::Unset(route.destination()));
    timed(&mut plane, &format!("add, {what}"), set.clone())?;
    timed(&mut plane, &format!("add again, {what}"), set)?;
    timed(&mut plane, &format!("remove, {what}"), unset)
}

fn timed(plane: &mut Plane, what: &str, changes: impl Iterator<Item = RouteChange>) -> Result<()> {
    let ops: Vec<_> =
        (0..).zip(changes).map(|(seq, change)| RouteOp { seq: RouteSeq(seq), urgent: false, change }).collect();
    let mut failed = Vec::new();
    let watch = Watch::start()?;
    plane.apply(&ops, &mut failed)?;
    watch.print(what)?;
    ensure!(failed.is_empty(), "{} failed", failed.len());
    Ok(())
}

/// Wall time and CPU time.
struct Watch {
    start: Instant,
    cpu: Duration,
}

impl Watch {
    fn start() -> Result<Self> {
        Ok(Self { start: Instant::now(), cpu: cpu()? })
    }

    fn print(&self, what: &str) -> Result<()> {
        let rate = f64::from(COUNT) / self.start.elapsed().as_secs_f64();
        let cost = (cpu()? - self.cpu).as_secs_f64() / f64::from(COUNT) * 1e6;
        println!("{rate:>9.0}/s {cost:>6.2} us CPU  {what}");
        Ok(())
    }
}

fn cpu() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

fn thread(what: &str, routes: Vec<Route>) -> Result<()> {
    let (sender, events) = mpsc::channel();
    let thread = RouteThread::start(RouteThreadSettings::default(), move |event| {
        let _ = sender.send(event);
    })?;
    let handle = thread.handle();
    let mut ops: Vec<_> = (1..)
        .zip(&routes)
        .map(|(seq, route)| RouteOp { seq: RouteSeq(seq), urgent: true, change: RouteChange::Set(*route) })
        .collect();
    let last = RouteSeq(u64::from(COUNT));
    let watch = Watch::start()?;
    handle.submit(&mut ops);
    while !matches!(events.recv()?, RouteEvent::Routed { up_to, .. } if up_to == last) {}
    watch.print(&format!("add by the thread, {what}"))?;
    let watch = Watch::start()?;
    handle.seed(routes);
    while !matches!(events.recv()?, RouteEvent::Swept(report) if report.missing == 0) {}
    watch.print(&format!("sweep that finds nothing, {what}"))?;
    ensure!(handle.withdraw() == Some(COUNT as usize));
    Ok(())
}
