//! `cargo xtask test`: every check in the CI's order, with the time of each and a summary at the end.
//!
//! A step never ends the run: the later ones still say what they find. The exit status is 1 if any failed.

mod binaries;
mod edges;
mod skips;
mod steps;
mod tidy;

use crate::shell;
use anyhow::{Result, bail};
use skips::{Skip, Skips};
use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

/// What the command line asks for.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Only name the steps.
    pub(crate) list: bool,
    /// The steps to run; empty means all.
    pub(crate) only: Vec<String>,
    /// More seeds, longer fuzzing, full benches.
    pub(crate) long: bool,
}

/// What a step has at hand, and what it collects.
pub(crate) struct Context {
    /// See [`Plan::long`].
    pub(crate) long: bool,
    skips: Vec<Skip>,
    /// What failed commands said: shown again at the end, where a log that is cut short still has it.
    said: Vec<String>,
}

/// Lines of a failed command that are shown again.
const SAID_MAX: usize = 40;

impl Context {
    /// Runs a command, showing its lines; a line `SKIP name: why` is remembered.
    ///
    /// # Errors
    /// When the exit status is not 0.
    pub(crate) fn run(&mut self, command: &mut Command) -> Result<()> {
        println!("    $ {}", shell::shown(command));
        let (passed, lines) = shell::watch(command)?;
        self.skips.extend(lines.iter().filter_map(|line| Skip::parse(line)));
        if !passed {
            self.said.extend(gist(&lines));
            bail!("failed: {}", shell::shown(command));
        }
        Ok(())
    }

    /// Says that a check did not run. In the CI this fails the run unless `tests/SKIPS` has the name.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        println!("SKIP {name}: {why}");
        self.skips.push(Skip { name: name.to_string(), why: why.to_string() });
    }
}

/// The lines that say what went wrong: names of failed tests, panics with what follows them, errors; else the last ones.
fn gist(lines: &[String]) -> Vec<String> {
    let tells = |line: &String| {
        ["panicked at", "FAILED", "error", "assertion", "NO LONGER"].iter().any(|word| line.contains(word))
    };
    let mut chosen: Vec<String> = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let after_panic = lines[at.saturating_sub(6)..at].iter().any(|line| line.contains("panicked at"));
        if tells(line) || after_panic {
            chosen.push(line.clone());
        }
    }
    if chosen.is_empty() {
        chosen = lines.to_vec();
    }
    chosen.split_off(chosen.len().saturating_sub(SAID_MAX))
}

struct Outcome {
    name: &'static str,
    took: Duration,
    failure: Option<String>,
    skipped: usize,
    said: Vec<String>,
}

/// Runs the steps of `plan`.
///
/// # Errors
/// When a step failed, a step's name is unknown, or the CI met a skip that is not allowed.
pub(crate) fn run(plan: &Plan) -> Result<()> {
    if plan.list {
        for step in steps::STEPS {
            println!("{:<10} {}", step.name, step.about);
        }
        return Ok(());
    }
    if let Some(unknown) = plan.only.iter().find(|name| steps::STEPS.iter().all(|step| step.name != name.as_str())) {
        bail!("there is no step '{unknown}'; `cargo xtask test --list` names them");
    }
    let allowed = Skips::read()?;
    let chosen: Vec<_> = steps::STEPS
        .iter()
        .filter(|step| plan.only.is_empty() || plan.only.iter().any(|name| name == step.name))
        .collect();
    let mut context = Context { long: plan.long, skips: Vec::new(), said: Vec::new() };
    let mut outcomes = Vec::new();
    for (index, step) in chosen.iter().enumerate() {
        println!("==> {}/{} {}: {}", index + 1, chosen.len(), step.name, step.about);
        let (started, before) = (Instant::now(), context.skips.len());
        let failure = (step.run)(&mut context).err().map(|error| format!("{error:#}"));
        if let Some(text) = &failure {
            println!("    {} FAILED: {text}", step.name);
        }
        let skipped = context.skips.len() - before;
        let said = std::mem::take(&mut context.said);
        outcomes.push(Outcome { name: step.name, took: started.elapsed(), failure, skipped, said });
    }
    summary(&outcomes, &context.skips, &allowed)
}

fn summary(outcomes: &[Outcome], skips: &[Skip], allowed: &Skips) -> Result<()> {
    for outcome in outcomes.iter().filter(|outcome| outcome.failure.is_some()) {
        println!("\n==> {} failed; of what it said:", outcome.name);
        outcome.said.iter().for_each(|line| println!("    {line}"));
    }
    println!("\n==> summary");
    for outcome in outcomes {
        let state = if outcome.failure.is_some() { "FAILED" } else { "ok" };
        let skipped = if outcome.skipped == 0 { String::new() } else { format!("  {} skipped", outcome.skipped) };
        println!("    {:<10} {state:<7} {:>7.1} s{skipped}", outcome.name, outcome.took.as_secs_f64());
    }
    let total: Duration = outcomes.iter().map(|outcome| outcome.took).sum();
    println!("    {:<10} {:<7} {:>7.1} s", "total", "", total.as_secs_f64());
    let lines: BTreeSet<String> = skips.iter().map(|skip| format!("    SKIP {}: {}", skip.name, skip.why)).collect();
    for line in lines {
        println!("{line}");
    }
    let failed: Vec<&str> =
        outcomes.iter().filter(|outcome| outcome.failure.is_some()).map(|outcome| outcome.name).collect();
    if !failed.is_empty() {
        bail!("failed: {}; repeat one with: cargo xtask test --only {}", failed.join(", "), failed[0]);
    }
    let refused = allowed.refused(skips);
    if std::env::var_os("CI").is_some() && !refused.is_empty() {
        bail!("skipped without a reason in tests/SKIPS: {}", refused.join(", "));
    }
    Ok(())
}
