//! The steps, in their order: cheap and telling ones first.

use super::{Context, binaries, edges, tidy};
use crate::setup::{self, Purpose};
use crate::shell;
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One check of the CI.
pub(crate) struct Step {
    /// The word for `--only`.
    pub(crate) name: &'static str,
    /// What it proves.
    pub(crate) about: &'static str,
    /// Runs it.
    pub(crate) run: fn(&mut Context) -> Result<()>,
}

const fn step(name: &'static str, about: &'static str, run: fn(&mut Context) -> Result<()>) -> Step {
    Step { name, about, run }
}

/// Every step, in the order in which they run.
pub(crate) const STEPS: &[Step] = &[
    step("setup", "what the checks need is installed", |_| setup::run(Purpose::Test)),
    step("fmt", "every source is formatted", fmt),
    step("tidy", "file sizes, leftovers, plain text", tidy::sources),
    step("wit", "released WIT packages are unchanged", tidy::frozen_wit),
    step("edges", "the crates depend on each other one way", edges::check),
    step("deny", "licences, duplicate crates, sources", deny),
    step("purity", "types, wire and engine build with core and alloc alone", purity),
    step("clippy", "no lint in any crate or test", clippy),
    step("doc", "the documentation builds, private items too", doc),
    step("guests", "the plugins build from source", guests),
    step("unit", "the tests of every crate", unit),
    step("api", "the API does what its OpenAPI document says", api),
    step("sim", "the simulator's seeds and mutants", sim),
    step("crash", "the store survives a cut at each write and sync", crash),
    step("netns", "real clients and relays in network namespaces; VLANs in a User-Mode Linux guest", netns),
    step("fuzz", "every decoder against random bytes", fuzz),
    step("bench", "the bench harness runs", bench),
];

/// Crates whose tests have a step of their own.
const OWN_STEP: &[&str] = &["bindery-api-check", "bindery-sim", "bindery-crash", "bindery-netns"];

const PURE: &[&str] = &["bindery-types", "bindery-wire", "bindery-engine"];

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments);
    command
}

/// The workspaces beside the main one: their target or their compiler flags differ.
fn other_workspaces() -> Vec<PathBuf> {
    [
        "plugins/guests",
        "plugins/option-insert",
        "plugins/deferred-nak",
        "plugins/radius-disconnect",
        "plugins/restricted-requestor",
        "plugins/fixtures",
        "plugins/sdk",
        "examples/plugins/rust-vendor-options",
        "plugins/host/tests/fixtures/frozen-1.0.0",
        "tests/fuzz",
    ]
    .map(PathBuf::from)
    .into_iter()
    .filter(|folder| folder.join("Cargo.toml").is_file())
    .collect()
}

fn fmt(context: &mut Context) -> Result<()> {
    context.run(&mut cargo(&["fmt", "--all", "--check"]))?;
    for folder in other_workspaces() {
        context.run(cargo(&["fmt", "--all", "--check"]).current_dir(folder))?;
    }
    Ok(())
}

fn deny(context: &mut Context) -> Result<()> {
    match setup::cargo_tool("cargo-deny") {
        Some(tool) => context.run(Command::new(tool).args(["--workspace", "check", "licenses", "bans", "sources"])),
        None => {
            context.skip("deny", "cargo-deny is not installed (cargo xtask setup)");
            Ok(())
        }
    }
}

fn clippy(context: &mut Context) -> Result<()> {
    context.run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny=warnings"]))?;
    // Guests are built for wasm32 by another compiler; what lints say of their sources does not depend on that.
    let target = shell::target_dir().join("guest-lints");
    let mut guests = cargo(&["clippy", "--workspace", "--lib", "--examples", "--locked", "--", "--deny=warnings"]);
    context.run(guests.current_dir("plugins/guests").env("CARGO_TARGET_DIR", target))
}

fn doc(context: &mut Context) -> Result<()> {
    let mut command = cargo(&["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"]);
    context.run(command.env("RUSTDOCFLAGS", "--deny=warnings"))
}

fn purity(context: &mut Context) -> Result<()> {
    for package in PURE {
        let source = sources(package).join("lib.rs");
        let text = std::fs::read_to_string(&source).with_context(|| format!("cannot read {}", source.display()))?;
        if !text.lines().any(|line| line.trim() == "#![no_std]") {
            bail!("{} is not #![no_std]", source.display());
        }
        no_foreign_functions(package)?;
    }
    let compiler = Path::new("/usr/bin/rustc");
    let sysroot = shell::capture(Command::new(compiler).args(["--print", "sysroot"])).unwrap_or_default();
    if !Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core").is_dir() {
        context.skip("purity", "needs Debian's rustc-web and rust-web-src to build for wasm32");
        return Ok(());
    }
    // Only core and alloc are built: whatever else these crates or their dependencies name does not exist there.
    let target = shell::target_dir().join("purity");
    let mut command =
        cargo(&["build", "--release", "--locked", "--target=wasm32-unknown-unknown", "-Zbuild-std=core,alloc"]);
    command.args(PURE.iter().map(|package| format!("--package={package}")));
    command.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", compiler).env("CARGO_TARGET_DIR", &target);
    context.run(&mut command)?;
    Ok(())
}

/// The folder of a pure crate's sources.
fn sources(package: &str) -> PathBuf {
    Path::new("core").join(package.trim_start_matches("bindery-")).join("src")
}

/// A function that a host would have to supply needs a foreign block, whatever the target.
fn no_foreign_functions(package: &str) -> Result<()> {
    for path in shell::files(&sources(package), "rs")? {
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if let Some(index) = text.lines().position(|line| line.contains("extern \"")) {
            bail!("{}:{}: a foreign function in a pure crate", path.display(), index + 1);
        }
    }
    Ok(())
}

fn guests(context: &mut Context) -> Result<()> {
    if shell::which("wasm-ld-19").is_none() {
        context.skip("guests", "needs Debian's rustc-web, rust-web-src and lld-19");
        return Ok(());
    }
    binaries::build()?;
    let out = shell::target_dir().join("plugins");
    let mut command = Command::new(shell::build_dir().join("bindery-plugin"));
    command.args(["build", "--all"]);
    if context.long {
        // The samples whose toolchains are large come from npm and PyPI.
        command.args(["--languages", "--install"]);
    }
    context.run(command.arg("--out").arg(out))?;
    // The daemon embeds those that ship: what tests find is one that does.
    binaries::build()?;
    Ok(())
}

fn unit(context: &mut Context) -> Result<()> {
    // Built by the step `guests`; the daemon's build makes the folder too, an empty one.
    let guests = shell::target_dir().join("plugins");
    let mut environment: Vec<_> = guests
        .join("option-insert.wasm")
        .is_file()
        .then(|| ("BINDERY_GUESTS", guests.display().to_string()))
        .into_iter()
        .collect();
    if context.long {
        environment.push(("BINDERY_LANGUAGES", "1".to_owned()));
    }
    binaries::run(context, |package| !OWN_STEP.contains(&package), &environment)?;
    context.run(&mut cargo(&["test", "--workspace", "--doc", "--locked", "--quiet"]))
}

fn api(context: &mut Context) -> Result<()> {
    binaries::run(context, |package| package == "bindery-api-check", &[])
}

fn sim(context: &mut Context) -> Result<()> {
    binaries::run(context, |package| package == "bindery-sim", &[])?;
    if context.long {
        context.run(Command::new(shell::build_dir().join("bindery-sim")).args(["--seeds", "20000"]))?;
    }
    // Bugs that were planted on purpose: each must be caught within the seeds of the CI.
    let mut mutants = Command::new(shell::build_dir().join("mutants"));
    if !context.long {
        // Each costs a build of the engine. Commits take turns, so that every bug is planted every few of them.
        let commits = shell::capture(Command::new("git").args(["rev-list", "--count", "HEAD"])).unwrap_or_default();
        let share = commits.trim().parse::<usize>().unwrap_or_default() % MUTANT_SHARES;
        mutants.arg(format!("{share}/{MUTANT_SHARES}"));
    }
    context.run(&mut mutants)
}

/// Of so many planted bugs one is planted by default, all of them with `--long`.
const MUTANT_SHARES: usize = 3;

fn crash(context: &mut Context) -> Result<()> {
    let long = if context.long { vec![("BINDERY_CRASH_LONG", "1".to_string())] } else { Vec::new() };
    binaries::run(context, |package| package == "bindery-crash", &long)
}

fn netns(context: &mut Context) -> Result<()> {
    // These tests wait for clients' timers most of the time: more of them than processors run side by side.
    binaries::run(context, |package| package == "bindery-netns", &[("RUST_TEST_THREADS", "6".to_string())])
}

/// Seconds that all fuzz targets share in the CI.
const FUZZ_SECS: u64 = 120;
/// Seconds for each target with `--long`.
const FUZZ_LONG_SECS: u64 = 600;

fn fuzz(context: &mut Context) -> Result<()> {
    let folder = Path::new("tests/fuzz");
    let Some(tool) = setup::cargo_tool("cargo-fuzz") else {
        context.skip("fuzz", "cargo-fuzz is not installed (cargo xtask setup)");
        return Ok(());
    };
    let listed = shell::capture(Command::new(&tool).args(["fuzz", "list", "--fuzz-dir"]).arg(folder))?;
    let targets: Vec<&str> = listed.split_whitespace().collect();
    if targets.is_empty() {
        bail!("there is no fuzz target in {}", folder.display());
    }
    let each = if context.long { FUZZ_LONG_SECS } else { (FUZZ_SECS / targets.len() as u64).max(5) };
    for target in targets {
        let mut command = Command::new(&tool);
        // The stable compiler has libFuzzer's hooks behind this variable; no sanitizer, which would need a nightly std.
        command
            .env("RUSTC_BOOTSTRAP", "1")
            .args(["fuzz", "run", "--sanitizer=none", "--fuzz-dir"])
            .arg(folder)
            .arg(target);
        command.args([
            "--",
            &format!("-max_total_time={each}"),
            "-rss_limit_mb=2048",
            "-timeout=5",
            "-verbosity=0",
            "-print_final_stats=1",
        ]);
        context.run(&mut command)?;
    }
    Ok(())
}

fn bench(context: &mut Context) -> Result<()> {
    binaries::build()?;
    let mut command = Command::new(shell::build_dir().join("bindery-bench"));
    command.arg("--plugin").arg(shell::target_dir().join("plugins/option-insert.wasm"));
    command.arg(if context.long { "--quick" } else { "--smoke" });
    context.run(&mut command)
}
