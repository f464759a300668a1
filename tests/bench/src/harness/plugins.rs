//! What plugins cost and what they cannot break: nanoseconds of a hook, replacement under load, plugins that misbehave.

use crate::harness::generator::{Asks, Way};
use crate::harness::process::{LOOK, output};
use crate::harness::steps::{Bench, fault};
use crate::harness::variant::{Server, Variant, bindery_configuration, second_group};
use crate::report::{Report, float};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Renewals of `replace`, and of the group that a misbehaving plugin serves, for one of `--rate`: 10,000 a second.
const LOAD: f64 = 5.0;
/// Those of the other group: 1,000 a second.
const NEIGHBOURS: f64 = 0.5;
/// Seconds after which each client's turn to renew comes again: it has long had its answer.
const TURN: f64 = 2.0;
/// Number of the first client of the misbehaving plugin's group.
const SECOND: u32 = 1_000_000;
/// Shortest load, seconds: some commits must find room in it.
const SECONDS_MIN: f64 = 1.0;
/// From one commit to the next.
const COMMIT_EVERY: Duration = Duration::from_millis(100);
/// How the plugin of `misbehave` behaves, by the names of `plugins/fixtures`; the first is the measure of the others.
pub(crate) const BEHAVIOURS: [&str; 6] = ["good", "spin", "trap", "grow", "flood", "busy"];
/// Rounds that "busy" works: about 4.5 ms of a call's 5 ms.
const BUSY_ROUNDS: u32 = 9_000_000;

type Values = BTreeMap<String, f64>;

/// The rows of a program that prints `| name | median | least | most |`, or `| name | a call | an operation |`.
fn table(text: &str) -> Vec<(String, Vec<f64>)> {
    let row = |line: &str| {
        let mut cells = line.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim);
        let name = cells.next()?.to_owned();
        let values: Vec<f64> = cells.map(str::parse).collect::<Result<_, _>>().ok()?;
        (!values.is_empty()).then_some((name, values))
    };
    text.lines().filter_map(row).collect()
}

impl Bench<'_> {
    /// The rows of `hooks`: what the examples of the plugin crates print.
    pub(crate) fn hooks(&mut self, round: u32) -> Result<()> {
        let component = self.fixture();
        let wasm = self.world.program("examples/call_cost");
        let native = self.world.program("examples/cost");
        let mut programs = vec![(native, Vec::new())];
        if component.is_file() {
            programs.insert(0, (wasm, vec![component.display().to_string(), "behave cost".to_owned()]));
        } else {
            println!("SKIP bench-hooks: {} is not built", component.display());
        }
        for (program, words) in programs {
            if !program.is_file() {
                println!("SKIP bench-hooks: {} is not built", program.display());
                continue;
            }
            let mut command = self.world.in_server(&program.display().to_string());
            for (name, figures) in table(&output(command.args(words))?) {
                self.row("hooks", &name, round, |_, values| {
                    let names = if figures.len() == 3 { ["ns", "least", "most"] } else { ["ns", "ns_each", ""] };
                    values.extend(names.map(str::to_owned).into_iter().zip(figures));
                    Ok(None)
                })?;
            }
        }
        Ok(())
    }

    /// Renewals while nothing is committed, then while each commit puts another component in the plugin's place.
    pub(crate) fn replace(&self, server: &Server<'_>, values: &mut Values) -> Result<Option<String>> {
        let second = server.directory().join("second.wasm");
        another_component(&self.places.plugin, &second)?;
        let calm = self.renewals(Way::Relayed, 0, LOAD).run(self.stop, || Ok(()))?;
        let asks = self.renewals(Way::Relayed, 0, LOAD);
        let mut generator = asks.start()?;
        let (mut commits, mut longest, mut due) = (0_u32, Duration::ZERO, Instant::now());
        let moved = loop {
            if let Some(report) = generator.finished(self.stop)? {
                break report;
            }
            if generator.has_begun() && Instant::now() >= due {
                let path = if commits % 2 == 0 { &second } else { &self.places.plugin };
                let began = Instant::now();
                server.commit(&bindery_configuration(Some(path), false))?;
                longest = longest.max(began.elapsed());
                commits += 1;
                due = began + COMMIT_EVERY;
            }
            std::thread::sleep(LOOK);
        };
        values.insert("commits".into(), f64::from(commits));
        values.insert("longest_commit_ms".into(), longest.as_secs_f64() * 1000.0);
        note(values, "calm", &calm);
        note(values, "commits", &moved);
        let last = if commits % 2 == 1 { &second } else { &self.places.plugin };
        let plugin = server.plugin("option-insert")?;
        let path = plugin.get("path").and_then(serde_json::Value::as_str).unwrap_or_default();
        if commits == 0 || Path::new(path) != last {
            return Ok(Some(format!("{commits} commits; the plugin is {path}")));
        }
        // Its counters are its own: put in place by the last commit it may have had no call at all.
        if number(&plugin, "failed") > 0 {
            return Ok(Some(format!("the plugin has failed: {plugin}")));
        }
        Ok(unserved(&calm).or_else(|| unserved(&moved)))
    }

    /// A group whose plugin misbehaves, beside one that has nothing to do with it.
    pub(crate) fn misbehave(&self, behaviour: &str, values: &mut Values) -> Result<Option<String>> {
        let server = Server::start(self.world, self.places, Variant::Bindery, Way::Relayed, self.stop)?;
        let settings = match behaviour {
            "busy" => format!("behave busy rounds={BUSY_ROUNDS}"),
            other => format!("behave {other}"),
        };
        let own = bindery_configuration(Some(&self.places.plugin), false);
        server.commit(&second_group(&own, &self.fixture(), &settings))?;
        let load = self.renewals(Way::RelayedSecond, SECOND, LOAD);
        let neighbours = self.renewals(Way::Relayed, 0, NEIGHBOURS);
        let (mut load, mut neighbours) = (load.start()?, neighbours.start()?);
        let (mut theirs, mut ours) = (None, None);
        while theirs.is_none() || ours.is_none() {
            if theirs.is_none() {
                theirs = load.finished(self.stop)?;
            }
            if ours.is_none() {
                ours = neighbours.finished(self.stop)?;
            }
            std::thread::sleep(LOOK);
        }
        let (Some(theirs), Some(ours)) = (theirs, ours) else { bail!("a generator has no report") };
        note(values, "others", &ours);
        note(values, "its_group", &theirs);
        let plugin = server.plugin("misbehaving")?;
        for name in ["calls", "failed", "restarts"] {
            values.insert(format!("plugin_{name}"), float(number(&plugin, name)));
        }
        let state = plugin.get("state").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        eprintln!("misbehave {behaviour}: the plugin is {state}: {}", plugin.get("last-failure").unwrap_or_default());
        let void = unserved(&ours).or_else(|| fault(&theirs)).or_else(|| {
            let harmless = behaviour != "good" && number(&plugin, "failed") == 0 && state == "running";
            harmless.then(|| format!("the plugin did no harm: {plugin}"))
        });
        server.stop()?;
        Ok(void)
    }

    /// Renewals at `share` of the rate that was asked for.
    fn renewals(&self, way: Way, first: u32, share: f64) -> Asks<'_> {
        let mut asks = Asks::of(self.world);
        asks.by(way);
        asks.first = first;
        let rate = self.settings.rate * share;
        let seconds = self.settings.seconds.max(SECONDS_MIN);
        asks.words(&format!("--renew --clients {:.0} --rate {rate} --seconds {seconds}", (rate * TURN).ceil()));
        asks
    }

    /// The component that behaves as it is told.
    pub(crate) fn fixture(&self) -> PathBuf {
        self.places.plugin.with_file_name("fixture-behave.wasm")
    }
}

/// Writes the component `from` with a section that says nothing, so that it is another one.
fn another_component(from: &Path, to: &Path) -> Result<()> {
    let mut bytes = fs::read(from).with_context(|| format!("read {}", from.display()))?;
    bytes.extend_from_slice(b"\x00\x06\x05bench");
    fs::write(to, bytes).with_context(|| format!("write {}", to.display()))
}

pub(crate) fn note(values: &mut Values, of: &str, report: &Report) {
    values.insert(format!("{of}_rate"), report.rate);
    values.insert(format!("{of}_p50_us"), report.p50_us);
    values.insert(format!("{of}_p99_us"), report.p99_us);
    values.insert(format!("{of}_max_us"), report.max_us);
    values.insert(format!("{of}_lost"), float(report.tally.lost));
    values.insert(format!("{of}_retransmitted"), float(report.tally.retransmitted));
}

/// A packet that got no answer, though it was repeated with success, is one that was lost.
pub(crate) fn unserved(report: &Report) -> Option<String> {
    let tally = &report.tally;
    let missing = tally.lost + tally.retransmitted + tally.skipped;
    fault(report).or_else(|| (missing > 0).then(|| format!("packets without an answer: {tally:?}")))
}

fn number(plugin: &serde_json::Value, name: &str) -> u64 {
    plugin.get(name).and_then(serde_json::Value::as_u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read() {
        let text = "x\n| ns a call | median |\n|---|---|\n| wasm | 1000 | 900 | 2000 |\n| a b | 1.5 |\nload: 3\n";
        let expected = [("wasm".to_owned(), vec![1000.0, 900.0, 2000.0]), ("a b".to_owned(), vec![1.5])];
        assert_eq!(table(text), expected);
    }

    #[test]
    fn a_repeated_packet_was_lost() {
        let mut report = Report::default();
        assert_eq!(unserved(&report), None);
        report.tally.retransmitted = 1;
        assert!(unserved(&report).is_some());
    }
}
