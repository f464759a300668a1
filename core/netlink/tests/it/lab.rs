//! A network namespace for each test: a thread that left the process's namespace, so nothing needs cleaning up.

use anyhow::{Context, Result, ensure};
use bindery_engine::route::{Destination, Route};
use bindery_netlink::{Plane, PlaneSettings, RouteEvent, RouteThread, RouteThreadSettings};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr, MacAddr};
use nix::{
    net::if_::if_nametoindex,
    sched::{CloneFlags, unshare},
};
use std::{
    num::NonZeroU32,
    process::Command,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

type Job = Box<dyn FnOnce() + Send>;

/// No test waits longer than this for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A sweep interval that is longer than any test.
const NEVER: Duration = Duration::from_secs(3600);

pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
pub(crate) const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

/// A namespace with the gateway address on `lo`, two unnumbered interfaces `s0` and `s1`, and 192.0.2.1/24 on a third,
/// `r0`, behind which a relay 192.0.2.2 could be.
pub(crate) struct Lab {
    jobs: mpsc::Sender<Job>,
}

impl Lab {
    /// `None`, and a line that says that `test` is skipped, without the privilege.
    pub(crate) fn new(test: &str) -> Option<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (started, start) = mpsc::channel();
        thread::spawn(move || {
            let entered = unshare(CloneFlags::CLONE_NEWNET);
            let stays = entered.is_ok();
            let _ = started.send(entered);
            if stays {
                inbox.iter().for_each(|job| job());
            }
        });
        if let Err(errno) = start.recv().ok()? {
            println!("SKIP {test}: no network namespace ({errno}); run as root");
            return None;
        }
        let lab = Self { jobs };
        lab.sh("ip link set lo up; ip addr add 10.0.0.1/32 dev lo
            for n in s0 s1 r0; do ip link add $n type veth peer name p$n; ip link set p$n up; ip link set $n up; done
            ip addr add 192.0.2.1/24 dev r0");
        Some(lab)
    }

    /// Runs `job` in the namespace; a panic in it is one here.
    pub(crate) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, result) = mpsc::channel();
        self.jobs
            .send(Box::new(move || {
                let _ = done.send(job());
            }))
            .expect("the namespace's thread is there");
        result.recv().expect("the job did not panic")
    }

    /// Runs lines of shell in the namespace; they must succeed.
    pub(crate) fn sh(&self, lines: &str) -> String {
        let owned = format!("set -e\n{lines}");
        self.run(move || shell(&owned)).unwrap_or_else(|error| panic!("{error:#}"))
    }

    pub(crate) fn index(&self, name: &'static str) -> IfIndex {
        IfIndex(self.run(move || if_nametoindex(name)).expect("the interface is there"))
    }

    pub(crate) fn plane(&self) -> Plane {
        self.plane_with(PlaneSettings::default())
    }

    pub(crate) fn plane_with(&self, settings: PlaneSettings) -> Plane {
        self.run(move || Plane::open(settings)).expect("the plane opens")
    }

    /// A direct route with a neighbour, by `s0`.
    pub(crate) fn route(&self, number: u32) -> Route {
        let route = Route::host(InstanceId(0), subscriber(number), self.index("s0"));
        Route { src: Some(GATEWAY), neighbour: Some(MAC), ..route }
    }

    /// What `ip route` says of a destination, one route a line.
    pub(crate) fn show(&self, number: u32) -> String {
        self.sh(&format!("ip route show exact {}/32", subscriber(number)))
            .lines()
            .map(str::trim_end)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// How many routes of our protocol there are.
    pub(crate) fn count(&self) -> usize {
        self.sh("ip route show table all proto 201").lines().count()
    }

    /// Waits until so many routes and neighbour entries of our protocol stand.
    ///
    /// The kernel's neighbour table is one for all namespaces, and a dump misses entries while another test makes the
    /// table grow; so one look is not enough.
    pub(crate) fn until_standing(&self, routes: usize, neighbours: usize) {
        until("routes and neighbours", || (self.count(), self.count_neighbours()) == (routes, neighbours));
    }

    /// How many neighbour entries of our protocol a dump shows.
    pub(crate) fn count_neighbours(&self) -> usize {
        self.sh("ip neigh show").lines().filter(|line| line.contains("proto 201")).count()
    }

    /// The route of our protocol to `dst`, with its neighbour, as `ip` shows it.
    pub(crate) fn observe(&self, dst: Ipv4Addr) -> Option<Route> {
        self.observe_at(Destination::host(InstanceId(0), dst))
    }

    /// The same for any destination.
    pub(crate) fn observe_at(&self, at: Destination) -> Option<Route> {
        let Destination { table, dst, len, .. } = at;
        let in_table = table.map_or(254, NonZeroU32::get);
        let text = self.sh(&format!("ip route show table {in_table} exact {dst}/{len} proto 201 || true"));
        assert!(text.lines().count() <= 1, "{text}");
        let words: Vec<&str> = text.split_whitespace().collect();
        let after = |name: &str| words.iter().skip_while(|word| **word != name).nth(1).copied();
        let dev = after("dev")?;
        let link = self.named(dev);
        let neighbour = self
            .sh(&format!("ip neigh get {dst} dev {dev} || true"))
            .lines()
            .find(|line| line.contains("proto 201") && line.contains("PERMANENT"))
            .and_then(|line| line.split_whitespace().skip_while(|word| *word != "lladdr").nth(1)?.parse().ok());
        let via: Option<Ipv4Addr> = after("via").and_then(|via| via.parse().ok());
        assert!(via.is_some() || after("scope") == Some("link"), "{text}");
        Some(Route {
            len,
            via,
            on_link: words.contains(&"onlink"),
            src: after("src").and_then(|src| src.parse().ok()),
            neighbour: neighbour.filter(|_| len == 32),
            metric: after("metric").and_then(|metric| metric.parse().ok()),
            table,
            tag: after("realm").and_then(|realm| realm.parse().ok()),
            ..Route::host(InstanceId(0), dst, link)
        })
    }

    fn named(&self, name: &str) -> IfIndex {
        let name = name.to_owned();
        IfIndex(self.run(move || if_nametoindex(name.as_str())).expect("the interface is there"))
    }

    /// Starts a route thread that reconciles of itself only where the test says so.
    pub(crate) fn start(&self) -> Routes {
        self.start_with(RouteThreadSettings { sweep_interval: NEVER, ..RouteThreadSettings::default() })
    }

    pub(crate) fn start_with(&self, settings: RouteThreadSettings) -> Routes {
        let (sender, events) = mpsc::channel();
        self.start_telling(settings, events, move |event| {
            let _ = sender.send(event);
        })
    }

    /// Starts a route thread that stands still after each event that `stop_at` chooses until it is sent something.
    pub(crate) fn start_stepwise(
        &self,
        stop_at: impl Fn(&RouteEvent) -> bool + Send + 'static,
    ) -> (Routes, mpsc::Sender<()>) {
        let (sender, events) = mpsc::channel();
        let (go_on, gate) = mpsc::channel();
        let settings = RouteThreadSettings { sweep_interval: NEVER, ..RouteThreadSettings::default() };
        let routes = self.start_telling(settings, events, move |event| {
            let stop = stop_at(&event);
            let _ = sender.send(event);
            if stop {
                let _ = gate.recv();
            }
        });
        (routes, go_on)
    }

    fn start_telling(
        &self,
        settings: RouteThreadSettings,
        events: mpsc::Receiver<RouteEvent>,
        tell: impl FnMut(RouteEvent) + Send + 'static,
    ) -> Routes {
        let thread = self.run(move || RouteThread::start(settings, tell)).expect("the thread starts");
        Routes { thread, events }
    }
}

/// A running route thread and what it tells.
pub(crate) struct Routes {
    pub(crate) thread: RouteThread,
    pub(crate) events: mpsc::Receiver<RouteEvent>,
}

impl Routes {
    /// Skips events until `choose` takes something from one.
    pub(crate) fn wait<T>(&self, what: &str, mut choose: impl FnMut(RouteEvent) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(event) = self.events.recv_timeout(left) else { panic!("waited for {what}") };
            if let Some(chosen) = choose(event) {
                return chosen;
            }
        }
    }
}

/// Asks again and again until `holds`; for what the kernel alone can tell.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited for {what}");
        thread::yield_now();
    }
}

/// The `number`th subscriber, from 10.1.0.0 on.
pub(crate) fn subscriber(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 1, 0, 0).to_bits() + number)
}

fn shell(lines: &str) -> Result<String> {
    let output = Command::new("sh").arg("-c").arg(lines).output().context("running sh")?;
    ensure!(output.status.success(), "{lines}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
