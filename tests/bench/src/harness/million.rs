//! Sessions by the million: what a start takes with them, what a packet costs among them, and a soak.

use crate::harness::api::Api;
use crate::harness::generator::{Asks, Way};
use crate::harness::process::{LOOK, cpu_seconds, output, rss_mib, thread_us};
use crate::harness::steps::{Bench, fault};
use crate::harness::variant::{Server, Variant};
use crate::harness::world::{RELAY, SECOND_SERVER_IFL, SERVER_IFL};
use crate::report::{Report, float};
use crate::routes::RoutesReport;
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

/// Sessions at which `flat` measures.
const LEVELS: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// DORA that `flat` measures at each level: so many at a time, which are few, so that they change the level by little...
const FLAT_DORA: u32 = 5_000;
/// ... and so many times, since those are over in a tenth of a second, in which a neighbour's work would tell.
const FLAT_TURNS: u32 = 8;
/// Renewals a second of `flat`, in an open loop, in multiples of `--rate`.
const FLAT_RATE: f64 = 5.0;
/// Number of the first client of the measured DORA.
const FRESH: u32 = 0x1000_0000;
/// Number of the first client of the share that the soak ends.
const ENDING: u32 = 0x2000_0000;
/// How often a long fill says how far it is.
const TELL: Duration = Duration::from_secs(10);
/// How often the kernel's routes are counted after a start. To count them the kernel walks all of them, beside whoever adds
/// some, and the bare rate is taken without that.
const COUNT: Duration = Duration::from_millis(250);
/// Longest wait for all routes, or for a server to come to rest.
const PATIENCE: Duration = Duration::from_mins(5);

impl Bench<'_> {
    /// Ends a filled server and starts it again: in order, killed with its routes left in the kernel, and killed with
    /// none left. `bound` clients have a lease.
    pub(crate) fn restart(
        &self,
        server: &mut Server<'_>,
        bound: u64,
        values: &mut BTreeMap<String, f64>,
    ) -> Result<Option<String>> {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        server.restart(Signal::SIGTERM, self.stop)?;
        values.insert("restart_ms".into(), ms(server.first_ack()));
        values.insert("rss_restarted_mib".into(), rss_mib(server.pid())?);
        let mut void = server.disagreement(bound)?;
        server.restart(Signal::SIGKILL, self.stop)?;
        values.insert("restart_killed_ms".into(), ms(server.first_ack()));
        if !server.variant().is_bindery() {
            return Ok(void);
        }
        void = void.or(server.disagreement(bound)?);
        let log = server.log_length()?;
        server.restart(Signal::SIGKILL, self.stop)?;
        let reconciled = server.await_reconciled(log, PATIENCE, self.stop)?;
        values.insert("kept_routes_ms".into(), ms(reconciled));
        void = void.or(server.disagreement(bound)?);
        server.kill()?;
        server.flush_routes();
        let bare = self.bare_routes(u32::try_from(bound)?)?;
        values.insert("bare_routes/s".into(), bare.rate);
        values.insert("bare_us".into(), bare.cpu_us);
        let mut standing = Standing::default();
        let began = Instant::now();
        server.start_again(self.stop, |server| standing.look(server, began))?;
        values.insert("no_routes_first_ack_ms".into(), ms(server.first_ack()));
        let wanted = bound + u64::from(server.probes());
        while standing.count < wanted {
            if began.elapsed() > PATIENCE {
                bail!("{} of {wanted} routes stand", standing.count);
            }
            self.pause(COUNT)?;
            standing.look(server, began)?;
        }
        values.insert("no_routes_all_ms".into(), ms(began.elapsed()));
        values.insert("routes/s".into(), standing.rate());
        values.insert("routes_ratio".into(), standing.rate() / bare.rate.max(1.0));
        Ok(void.or(server.disagreement(bound)?))
    }

    /// What netlink takes without a daemon, in the server's namespace and on its CPU.
    fn bare_routes(&self, count: u32) -> Result<RoutesReport> {
        let this = std::env::current_exe()?;
        let mut command = self.world.in_server(&this.display().to_string());
        command.args(["routes", SERVER_IFL, &RELAY.to_string(), "10.16.0.0", &count.to_string()]);
        Ok(serde_json::from_str(output(&mut command)?.trim())?)
    }

    /// Processor time of a renewal and of a DORA at each level of sessions, in one run of the server.
    pub(crate) fn flat(
        &self,
        variant: Variant,
        server: &Server<'_>,
        values: &mut BTreeMap<String, f64>,
    ) -> Result<Option<String>> {
        let told = server.directory().join("told");
        let mut first: BTreeMap<String, f64> = BTreeMap::new();
        let (mut filled, mut void) = (0, None);
        for level in LEVELS.into_iter().filter(|level| *level <= self.settings.sessions.min(variant.room())) {
            let more = level - filled;
            let mut asks = self.asks();
            asks.first = filled;
            asks.words(&format!("--clients {more} --count {more} --acked {}", told.display()));
            let report = self.fill_telling(&mut asks, server)?;
            void = void.or_else(|| fault(&report)).or(short(&report, more));
            filled += more;
            self.rest(server)?;
            let mut asks = self.asks();
            asks.first = filled - more;
            asks.words(&format!("--renew --clients {more} --leases {} --shuffle", told.display()));
            asks.words(&format!("--seconds {} --rate {}", self.settings.seconds, self.settings.rate * FLAT_RATE));
            let (report, spent) = self.cost(&asks, server)?;
            void = void.or_else(|| fault(&report));
            note(values, &mut first, "renew", level, &spent);
            self.rest(server)?;
            let (spent, fault) = self.flat_dora(server, filled)?;
            void = void.or(fault);
            note(values, &mut first, "dora", level, &spent);
            values.insert(format!("rss_mib[{level}]"), rss_mib(server.pid())?);
        }
        Ok(void.or(server.disagreement(u64::from(filled))?))
    }

    /// What a DORA of a new client on the second link costs beside `filled` sessions of the first; those that come of it are
    /// ended in between. And why that does not count.
    fn flat_dora(&self, server: &Server<'_>, filled: u32) -> Result<(BTreeMap<String, f64>, Option<String>)> {
        let (mut sum, mut void) = (BTreeMap::<String, f64>::new(), None);
        for turn in 0..FLAT_TURNS {
            let mut asks = Asks::of(self.world);
            asks.by(Way::RelayedSecond);
            asks.first = FRESH + filled + turn * FLAT_DORA;
            asks.words(&format!("--clients {FLAT_DORA} --count {FLAT_DORA} --seconds 600"));
            asks.words(&format!("--window {}", self.settings.window));
            let (report, spent) = self.cost(&asks, server)?;
            void = void.or_else(|| fault(&report)).or(short(&report, FLAT_DORA));
            for (thread, us) in spent {
                *sum.entry(thread).or_default() += us / f64::from(FLAT_TURNS);
            }
            server.clear_interface(SECOND_SERVER_IFL)?;
            self.await_routes(server, filled)?;
            self.rest(server)?;
        }
        Ok((sum, void))
    }

    /// Fills a server, renews, ends a tenth of the sessions, kills it, starts it and renews again; the addresses that
    /// clients were told, those of the bindings and those of the kernel's routes must be the same ones each time.
    pub(crate) fn soak(&self, server: &mut Server<'_>, values: &mut BTreeMap<String, f64>) -> Result<Option<String>> {
        let sessions = self.settings.sessions.min(server.variant().room());
        let (ending, staying) = (sessions / 10, sessions - sessions / 10);
        let at = |name: &str| server.directory().join(name);
        let (told, ended) = (at("told"), at("ended"));
        let mut asks = self.asks();
        asks.words(&format!("--clients {staying} --count {staying} --acked {}", told.display()));
        let report = self.fill_telling(&mut asks, server)?;
        let mut void = fault(&report).or(short(&report, staying));
        values.insert("fill_rate".into(), report.rate);
        let mut asks = Asks::of(self.world);
        asks.by(Way::RelayedSecond);
        asks.first = ENDING;
        asks.words(&format!("--clients {ending} --count {ending} --acked {}", ended.display()));
        let report = self.fill_telling(&mut asks, server)?;
        void = void.or_else(|| fault(&report)).or(short(&report, ending));
        values.insert("rss_mib".into(), rss_mib(server.pid())?);
        void = void.or(disagreement(server, &[&told, &ended])?);
        void = void.or(self.soak_renewals(staying, &told, "renewed/s", values)?);
        let began = Instant::now();
        server.clear_interface(SECOND_SERVER_IFL)?;
        values.insert("ended/s".into(), f64::from(ending) / began.elapsed().as_secs_f64());
        self.await_routes(server, staying)?;
        void = void.or(disagreement(server, &[&told])?);
        server.restart(Signal::SIGKILL, self.stop)?;
        values.insert("restart_killed_ms".into(), server.first_ack().as_secs_f64() * 1000.0);
        void = void.or(disagreement(server, &[&told])?);
        void = void.or(self.soak_renewals(staying, &told, "renewed_again/s", values)?);
        server.kill()?;
        server.flush_routes();
        let began = Instant::now();
        server.start_again(self.stop, |_| Ok(()))?;
        self.await_routes(server, staying)?;
        values.insert("routes_again_ms".into(), began.elapsed().as_secs_f64() * 1000.0);
        Ok(void.or(disagreement(server, &[&told])?))
    }

    /// Every client renews once.
    fn soak_renewals(
        &self,
        clients: u32,
        told: &Path,
        figure: &str,
        values: &mut BTreeMap<String, f64>,
    ) -> Result<Option<String>> {
        let mut asks = self.asks();
        asks.words(&format!("--renew --clients {clients} --count {clients} --leases {}", told.display()));
        asks.words(&format!("--seconds 600 --window {}", self.settings.window));
        let report = asks.run(self.stop, || Ok(()))?;
        values.insert(figure.into(), report.rate);
        let silent = u64::from(clients) - report.tally.acked;
        Ok(fault(&report).or_else(|| (silent > 0).then(|| format!("{silent} of {clients} clients did not renew"))))
    }

    fn await_routes(&self, server: &Server<'_>, clients: u32) -> Result<()> {
        let (began, wanted) = (Instant::now(), u64::from(clients + server.probes()));
        loop {
            let standing = server.count_routes()?;
            if standing == wanted {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                bail!("{standing} routes stand, wanted are {wanted}");
            }
            self.pause(COUNT)?;
        }
    }

    /// Lets the generator take leases, and says from time to time how far it is.
    pub(crate) fn fill_telling(&self, asks: &mut Asks<'_>, server: &Server<'_>) -> Result<Report> {
        asks.words(&format!("--seconds 1800 --window {}", self.settings.window));
        let mut generator = asks.start()?;
        let mut told = Instant::now();
        loop {
            if let Some(report) = generator.finished(self.stop)? {
                return Ok(report);
            }
            if told.elapsed() > TELL && server.variant().is_bindery() {
                told = Instant::now();
                eprintln!("bindery-bench: {} sessions", server.bindings()?);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until the server has nothing left to do: tables to write, renewals that are written behind.
    fn rest(&self, server: &Server<'_>) -> Result<()> {
        let began = Instant::now();
        // Longer than a renewal waits to be written.
        let look = Duration::from_secs(3);
        loop {
            let before = cpu_seconds(server.pid())?;
            self.pause(look)?;
            if cpu_seconds(server.pid())? - before < 0.1 || began.elapsed() > PATIENCE {
                return Ok(());
            }
        }
    }

    /// Runs a generator; what the server's threads spent on each of its exchanges, in microseconds, by thread.
    fn cost(&self, asks: &Asks<'_>, server: &Server<'_>) -> Result<(Report, BTreeMap<String, f64>)> {
        let mut before = None;
        let report = asks.run(self.stop, || {
            before = Some(thread_us(server.pid())?);
            Ok(())
        })?;
        let (before, after) = (before.context("nothing was counted")?, thread_us(server.pid())?);
        let each = |(name, us): (&String, &f64)| {
            let us = us - before.get(name).copied().unwrap_or(0.0);
            (name.clone(), us / float(report.tally.acked.max(1)))
        };
        let spent = after.iter().map(each).collect();
        Ok((report, spent))
    }

    /// Sleeps unless the harness is to end.
    fn pause(&self, time: Duration) -> Result<()> {
        if self.stop.load(std::sync::atomic::Ordering::Relaxed) {
            bail!("interrupted");
        }
        std::thread::sleep(time);
        Ok(())
    }
}

/// Notes what an exchange costs at a level: the packet thread, all threads, and the ratios to the first level.
fn note(
    values: &mut BTreeMap<String, f64>,
    first: &mut BTreeMap<String, f64>,
    what: &str,
    level: u32,
    spent: &BTreeMap<String, f64>,
) {
    let packets = spent.get("packets").copied().unwrap_or(0.0);
    for (part, us) in [("packets", packets), ("all", spent.values().sum())] {
        let name = format!("{what}_{part}");
        let least = *first.entry(name.clone()).or_insert(us);
        values.insert(format!("{name}_us[{level}]"), us);
        values.insert(format!("{name}_ratio[{level}]"), us / least.max(0.001));
    }
}

/// Why a fill does not count: not every client has its lease.
fn short(report: &Report, clients: u32) -> Option<String> {
    (report.bound != u64::from(clients)).then(|| format!("{} of {clients} clients have a lease", report.bound))
}

/// How many routes stood when, after a start.
#[derive(Debug, Default)]
struct Standing {
    looked: Option<Instant>,
    /// The first look that saw any, and how many: of one route the first client asks for itself.
    begun: Option<(f64, u64)>,
    ended: f64,
    count: u64,
}

impl Standing {
    /// Fewer than so many are those of clients that ask.
    const SOME: u64 = 1_000;

    fn look(&mut self, server: &Server<'_>, began: Instant) -> Result<()> {
        if self.looked.is_some_and(|looked| looked.elapsed() < COUNT) {
            return Ok(());
        }
        let (before, count) = (began.elapsed().as_secs_f64(), server.count_routes()?);
        self.looked = Some(Instant::now());
        if count >= Self::SOME && self.begun.is_none() {
            self.begun = Some((before, count));
        }
        if count > self.count {
            self.ended = before;
        }
        self.count = count;
        Ok(())
    }

    /// Routes set in a second, from the first look that saw some to the first that saw all.
    fn rate(&self) -> f64 {
        let Some((begun, count)) = self.begun else { return 0.0 };
        float(self.count.saturating_sub(count)) / (self.ended - begun).max(0.001)
    }
}

/// Why a soak does not count whose clients hold the addresses in these files.
fn disagreement(server: &Server<'_>, told: &[&Path]) -> Result<Option<String>> {
    let mut clients = BTreeSet::new();
    for path in told {
        let text = fs::read_to_string(path)?;
        let address = |line: &str| line.split_whitespace().next()?.parse::<Ipv4Addr>().ok();
        clients.extend(text.lines().filter_map(address));
    }
    let (bound, routed) = (Api::at(&server.control()).addresses()?, server.routed()?);
    let others = bound.difference(&clients).count();
    let agree = clients.is_subset(&bound) && bound == routed && others == usize::try_from(server.probes())?;
    let counts = (clients.len(), bound.len(), routed.len());
    Ok((!agree).then(|| format!("clients, bindings and routes {counts:?} are not the same addresses")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_to_the_first_level() {
        let (mut values, mut first) = (BTreeMap::new(), BTreeMap::new());
        let spent = |packets: f64| BTreeMap::from([("packets".to_owned(), packets), ("store".to_owned(), 1.0)]);
        note(&mut values, &mut first, "renew", 1_000, &spent(4.0));
        note(&mut values, &mut first, "renew", 10_000, &spent(5.0));
        assert_eq!(values["renew_packets_ratio[10000]"], 1.25);
        assert_eq!(values["renew_all_us[10000]"], 6.0);
        assert_eq!(values["renew_all_ratio[1000]"], 1.0);
    }

    #[test]
    fn the_rate_is_between_the_first_look_and_the_last() {
        let standing = Standing { looked: None, begun: Some((1.0, 1_000)), ended: 3.0, count: 201_000 };
        assert!((standing.rate() - 100_000.0).abs() < 0.1);
        assert!(Standing::default().rate().abs() < 0.1);
    }
}
