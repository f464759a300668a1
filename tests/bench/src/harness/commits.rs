//! Commits under load: every apply class again and again while clients renew, none of whom may notice.

use crate::harness::api::{Api, Editing};
use crate::harness::figures::spread;
use crate::harness::generator::{Asks, Way};
use crate::harness::hosts::millis;
use crate::harness::plugins::{note, unserved};
use crate::harness::process::LOOK;
use crate::harness::steps::Bench;
use crate::harness::variant::Server;
use crate::report::{Report, float};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

/// Commits of a whole run.
pub const COMMITS: u32 = 100;
/// Renewals for one of `--rate`: 5,000 a second.
const LOAD: f64 = 2.5;
/// From one commit to the next, unless one takes longer.
const COMMIT_EVERY: Duration = Duration::from_millis(100);
/// One change of so many is checked first.
const CHECK_EVERY: u32 = 4;
/// Number of the first client that holds a lease and does not renew: they are `--sessions`.
const IDLE: u32 = 1_000_000;
/// Shortest calm before the commits, seconds.
const SECONDS_MIN: f64 = 1.0;

/// What stands for the beginning of a path in [`CHANGES`].
const SHORT: [(&str, &str); 4] = [
    ("SERVER", "system services dhcp-local-server"),
    ("GROUP", "system services dhcp-local-server group bench"),
    ("POOLS", "access address-assignment pool"),
    ("POOL", "access address-assignment pool bench family inet"),
];

/// Changes of every class, and how each is taken back: commands, apart by a semicolon, or none for `rollback 1`. None of
/// them takes an address or its server from a session.
const CHANGES: [(Class, &str, &str); 19] = [
    (Class::Hot, "set SERVER overrides no-arp", "delete SERVER overrides"),
    (Class::Hot, "set GROUP overrides nak-unknown-renew", "delete GROUP overrides"),
    (Class::Hot, "set GROUP reconfigure attempts 5", ""),
    (Class::Hot, "set plugins plugin option-insert deadline-ms 6", "set plugins plugin option-insert deadline-ms 5"),
    (Class::Hot, "delete policy", ""),
    (Class::Hot, "set access radius-disconnect 127.0.0.1 secret bench", "delete access radius-disconnect 127.0.0.1"),
    (Class::Hot, "set routing-options access-internal reconcile-interval 20", "delete routing-options"),
    (
        Class::NewSessions,
        "set POOL dhcp-attributes maximum-lease-time 3600",
        "set POOL dhcp-attributes maximum-lease-time 7200",
    ),
    (Class::NewSessions, "delete POOL dhcp-attributes router; set POOL dhcp-attributes router 10.0.0.9", ""),
    (
        Class::NewSessions,
        "set POOL dhcp-attributes name-server 10.0.0.54",
        "delete POOL dhcp-attributes name-server 10.0.0.54",
    ),
    (
        Class::NewSessions,
        "set POOL dhcp-attributes option 66 string boot.example",
        "delete POOL dhcp-attributes option 66",
    ),
    (
        Class::NewSessions,
        "set POOLS next family inet network 192.168.0.0/16; set POOLS bench link next",
        "delete POOLS bench link; delete POOLS next",
    ),
    (Class::NewSessions, "set POOLS bench hold-down", "delete POOLS bench hold-down"),
    (
        Class::AffectsSessions,
        "set POOLS spare family inet network 192.168.0.0/16; \
         set POOLS spare family inet range r1 low 192.168.0.10; \
         set POOLS spare family inet range r1 high 192.168.255.250",
        "delete POOLS spare",
    ),
    (
        Class::AffectsSessions,
        "set POOL range r2 low 10.32.0.0; set POOL range r2 high 10.39.255.255",
        "delete POOL range r2",
    ),
    (Class::AffectsSessions, "set POOL excluded-address 10.23.255.255", "delete POOL excluded-address 10.23.255.255"),
    (
        Class::AffectsSessions,
        "set POOL host newcomer hardware-address 02:ff:00:00:00:01; set POOL host newcomer ip-address 10.64.0.1",
        "delete POOL host newcomer",
    ),
    (
        Class::AffectsSessions,
        "set SERVER group second interface ws; set POOLS second family inet network 172.16.0.0/12; \
         set POOLS second family inet range r1 low 172.20.0.0; set POOLS second family inet range r1 high 172.23.255.255",
        "delete SERVER group second; delete POOLS second",
    ),
    (
        Class::AffectsSessions,
        "set groups more POOLS <*> family inet dhcp-attributes t2-percentage 80; set apply-groups more",
        "",
    ),
];

/// When a change takes effect (`config/reference.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Hot,
    NewSessions,
    AffectsSessions,
}

impl Class {
    fn name(self) -> &'static str {
        match self {
            Class::Hot => "hot",
            Class::NewSessions => "new_sessions",
            Class::AffectsSessions => "affects_sessions",
        }
    }
}

/// The commands of a text of [`CHANGES`].
fn commands(text: &str) -> Vec<String> {
    let long = |word: &str| {
        let found = SHORT.iter().find(|(short, _)| *short == word);
        found.map_or(word, |(_, long)| long).to_owned()
    };
    let command = |command: &str| command.split_whitespace().map(long).collect::<Vec<_>>().join(" ");
    text.split(';').map(command).filter(|command| !command.is_empty()).collect()
}

/// Durations of one kind in milliseconds.
#[derive(Debug, Default)]
struct Times(BTreeMap<String, Vec<f64>>);

impl Times {
    fn add(&mut self, name: &str, took: Duration) {
        self.0.entry(name.to_owned()).or_default().push(millis(took));
    }

    /// Median and maximum of each kind.
    fn note(self, values: &mut BTreeMap<String, f64>) {
        for (name, times) in self.0 {
            if let Some((median, _, most)) = spread(times) {
                values.insert(format!("{name}_p50_ms"), median);
                values.insert(format!("{name}_max_ms"), most);
            }
        }
    }
}

/// Commits one behind the other, and what they said.
struct Commits<'a> {
    editing: Editing<'a>,
    done: u32,
    revision: u64,
    /// Most sessions of which a commit said that they get other values.
    changed: u64,
    times: Times,
    /// Why the round does not count.
    void: Option<String>,
}

impl Commits<'_> {
    /// The next commit: a change, or the way back from it.
    fn next(&mut self) -> Result<()> {
        let number = self.done / 2;
        let at = usize::try_from(number)? % CHANGES.len();
        let (class, does, undoes) = CHANGES.get(at).context("no change")?;
        let back = self.done % 2 == 1;
        let text = if back { undoes } else { does };
        let edited = match commands(text) {
            none if none.is_empty() => self.editing.rollback(1)?,
            commands => self.editing.edit(&commands).with_context(|| format!("edit {text}"))?,
        };
        self.times.add("edit", edited);
        if !back && number.is_multiple_of(CHECK_EVERY) {
            self.times.add("check", self.editing.commit(true)?.took);
        }
        let what = || format!("commit {} ({})", self.done, if text.is_empty() { "rollback 1" } else { text });
        let committed = self.editing.commit(false).with_context(what)?;
        self.times.add("commit", committed.took);
        self.times.add(class.name(), committed.took);
        self.changed = self.changed.max(committed.impact("changed"));
        let hit = committed.impact("moved") + committed.impact("dropped");
        if hit > 0 || (self.done > 0 && committed.revision() != self.revision + 1) {
            let why = format!("{}: {} behind revision {}", what(), committed.reply, self.revision);
            self.void.get_or_insert(why);
        }
        self.revision = committed.revision();
        self.done += 1;
        Ok(())
    }
}

impl Bench<'_> {
    /// Renewals beside `--sessions` that are silent, while nothing is committed, then while commits follow each other.
    pub(crate) fn commits(&self, server: &Server<'_>, values: &mut BTreeMap<String, f64>) -> Result<Option<String>> {
        let (idle, acked) = (server.directory().join("idle"), server.directory().join("acked"));
        self.fill_idle(&idle)?;
        let seconds = self.settings.seconds.max(SECONDS_MIN);
        let calm = self.renewers(&format!("--seconds {seconds}")).run(self.stop, || Ok(()))?;
        let api = Api::at(&server.control());
        let before = api.active()?;
        let mut commits =
            Commits { editing: api.open()?, done: 0, revision: 0, changed: 0, times: Times::default(), void: None };
        let report = self.load_during(&mut commits, &format!("--acked {}", acked.display()))?;
        // What was changed is taken back again.
        let wanted = self.settings.commits.next_multiple_of(2);
        let Commits { done, changed, times, void, .. } = commits;
        values.insert("commits".into(), f64::from(done));
        values.insert("renewing".into(), float(report.bound));
        values.insert("sessions_changed".into(), float(changed));
        times.note(values);
        note(values, "calm", &calm);
        note(values, "load", &report);
        values.insert("p99_ratio".into(), report.p99_us / calm.p99_us.max(1.0));
        let after = api.active()?;
        let other = (before != after).then(|| format!("the configuration is another one:\n{before}\n{after}"));
        let few = (done != wanted).then(|| format!("{done} of {wanted} commits"));
        let void = void.or(few).or(other).or_else(|| unserved(&calm)).or_else(|| unserved(&report));
        Ok(void.or(disagreement(server, &(fs::read_to_string(&idle)? + &fs::read_to_string(&acked)?))?))
    }

    /// Clients that take a lease and are silent then; their addresses go to `acked`.
    fn fill_idle(&self, acked: &Path) -> Result<()> {
        let (sessions, window) = (self.settings.sessions.max(1), self.settings.window);
        let mut asks = self.asks();
        asks.first = IDLE;
        asks.words(&format!("--clients {sessions} --count {sessions} --seconds 600 --window {window}"));
        asks.words(&format!("--acked {}", acked.display()));
        let report = asks.run(self.stop, || Ok(()))?;
        if report.bound != u64::from(sessions) {
            bail!("{} of {sessions} clients have a lease", report.bound);
        }
        Ok(())
    }

    /// The load while there are commits to do; it ends with them.
    fn load_during(&self, commits: &mut Commits<'_>, words: &str) -> Result<Report> {
        let wanted = self.settings.commits.next_multiple_of(2);
        let mut generator = self.renewers(&format!("--seconds 600 {words}")).start()?;
        let mut due = Instant::now();
        let mut ending = false;
        loop {
            if let Some(report) = generator.finished(self.stop)? {
                return Ok(report);
            }
            if commits.done >= wanted && !ending {
                generator.signal(Signal::SIGTERM);
                ending = true;
            }
            if generator.has_begun() && !ending && Instant::now() >= due {
                due = Instant::now() + COMMIT_EVERY;
                commits.next()?;
                continue;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Clients each of whom renews every two seconds.
    fn renewers(&self, words: &str) -> Asks<'_> {
        let mut asks = Asks::of(self.world);
        asks.by(Way::Relayed);
        let rate = self.settings.rate * LOAD;
        asks.words(&format!("--renew --clients {:.0} --rate {rate} {words}", (rate * 2.0).ceil()));
        asks
    }
}

/// Why a round does not count whose clients hold these addresses, a line each; `None` when database and kernel have the
/// same ones, and beside them only those of the harness's own clients.
fn disagreement(server: &Server<'_>, acked: &str) -> Result<Option<String>> {
    let clients: BTreeSet<Ipv4Addr> =
        acked.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect();
    let (bound, routed) = (server.addresses()?, server.routed()?);
    let others = bound.difference(&clients).count();
    let agree = clients.is_subset(&bound) && bound == routed && others == usize::try_from(server.probes())?;
    let counts = (clients.len(), bound.len(), routed.len());
    Ok((!agree).then(|| format!("clients, bindings and routes {counts:?} are not the same addresses")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::world::SECOND_SERVER_IFL;

    #[test]
    fn every_class_is_there_and_rollback_too() {
        let classes: BTreeSet<Class> = CHANGES.iter().map(|(class, ..)| *class).collect();
        assert_eq!(classes.len(), 3);
        assert!(CHANGES.iter().any(|(_, _, undoes)| undoes.is_empty()));
        assert!(COMMITS as usize > 4 * CHANGES.len(), "each is committed twice at least");
    }

    #[test]
    fn short_words_become_long_ones() {
        let long = ["delete access address-assignment pool bench link", "delete access address-assignment pool next"];
        assert_eq!(commands("delete POOLS bench link; delete POOLS next"), long);
        assert!(commands("").is_empty());
    }

    #[test]
    fn the_second_group_is_on_the_second_link() {
        assert!(CHANGES.iter().any(|(_, does, _)| does.contains(&format!("interface {SECOND_SERVER_IFL};"))));
    }

    #[test]
    fn times_are_in_milliseconds() {
        let mut times = Times::default();
        times.add("commit", Duration::from_millis(3));
        times.add("commit", Duration::from_millis(1));
        let mut values = BTreeMap::new();
        times.note(&mut values);
        assert_eq!(values.get("commit_p50_ms"), Some(&2.0));
        assert_eq!(values.get("commit_max_ms"), Some(&3.0));
    }
}
