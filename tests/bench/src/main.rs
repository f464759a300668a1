//! The comparison: see `bindery-bench --help`.

use anyhow::{Context, Result, bail};
use bindery_bench::args::parse_seconds;
use bindery_bench::harness::commits::COMMITS;
use bindery_bench::harness::configuration::HOSTS;
use bindery_bench::harness::figures::Figures;
use bindery_bench::harness::generator::Way;
use bindery_bench::harness::hosts::RESERVATIONS;
use bindery_bench::harness::machine::{self, describe, favour};
use bindery_bench::harness::steps::{Bench, SESSIONS, Settings, Step, peer_versions, ratios};
use bindery_bench::harness::variant::{Places, Variant};
use bindery_bench::harness::world::World;
use bindery_bench::routes;
use lexopt::ValueExt;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const HELP: &str = "\
bindery-bench [STEP...] [options]     (root; steps: dora renew latency rss restart plugin reconfigure hooks
                                       engines replace misbehave host-table commits config flood flat soak profile;
                                       all but the last three when none is named)
  compares binderyd with its peers and with the bare limits, round by round, in namespaces of its own;
  progress goes to stderr, markdown tables to stdout

  --rounds N            rounds (3)
  --seconds S           load of one measurement (3)
  --quick               one round of one second
  --smoke               a fraction of a second of every step, to see that the harness works and the views agree
  --window N            exchanges in flight in closed loops (32)
  --rate R              DORA/s of the open loop (2000)
  --sessions N          sessions of rss, restart and soak, the most of flat (100000)
  --reservations N      reservations of host-table (1000000; Kea gets a tenth)
  --commits N           commits of commits (100)
  --hosts N             host statements of config (10000)
  --direct              clients on the server's link, by frames (default: relayed, by UDP)
  --variant NAME        only this server; may be repeated: bindery bindery-no-plugin kea-memfile isc-dhcpd responder,
                        and with --before: bindery-before bindery-before-no-plugin
  --before DIR          release directory of an older build (with ../plugins beside it), to compare with
  --server-cpu LIST     CPUs of the server (0)
  --load-cpu LIST       CPUs of the generator (1)
  --scratch DIR         where servers keep their state: the disk under test (the system's temporary directory)
  --rows FILE           every row as a JSON line
  --perf FILE           where `profile` leaves what perf(1) recorded (not kept)
  --binderyd, --bindery, --plugin PATH    our programs and the component (beside this program)
exit status: 0, 1 when a round was void or the run failed, 2 for a bad command line
";

struct Options {
    steps: Vec<Step>,
    settings: Settings,
    server_cpu: String,
    load_cpu: String,
    scratch: Option<PathBuf>,
    rows: Option<PathBuf>,
    places: Places,
    /// A try of the harness: without root it is skipped.
    smoke: bool,
}

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args_os().collect();
    if args.get(1).is_some_and(|word| word == "disk") {
        return finish(args.get(2).context("bindery-bench disk DIR").and_then(|path| disk(Path::new(path))));
    }
    if args.get(1).is_some_and(|word| word == "group-commit") {
        return finish(group_commit(args.get(2..).unwrap_or_default()));
    }
    if args.get(1).is_some_and(|word| word == "routes") {
        return finish(bare_routes(args.get(2..).unwrap_or_default()));
    }
    match parse(lexopt::Parser::from_env()) {
        Ok(Some(options)) => finish(run(&options)),
        Ok(None) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bindery-bench: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn finish(result: Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bindery-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The disk's own rate, run by the harness on the server's CPU.
fn disk(directory: &Path) -> Result<bool> {
    let report = machine::disk(directory, Duration::from_secs(1))?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(true)
}

/// The disk's latency at a rate, run by the harness on the server's CPU: directory, records a second, seconds.
fn group_commit(words: &[std::ffi::OsString]) -> Result<bool> {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let [directory, rate, seconds] = words[..] else { bail!("bindery-bench group-commit DIR RATE SECONDS") };
    let limit = Duration::from_secs_f64(seconds.parse()?);
    let report = machine::group_commit(Path::new(directory), rate.parse()?, limit)?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(true)
}

/// The kernel's own rate of routes, run by the harness in the server's namespace: interface, gateway, first destination,
/// how many.
fn bare_routes(words: &[std::ffi::OsString]) -> Result<bool> {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let [ifl, gateway, first, count] = words[..] else { bail!("bindery-bench routes IFL GATEWAY FIRST COUNT") };
    let report = routes::measure(ifl, gateway.parse()?, first.parse()?, count.parse()?)?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(true)
}

fn places() -> Result<Places> {
    let this = std::env::current_exe()?;
    let beside = this.parent().context("no directory of programs")?;
    Ok(Places::in_release(beside))
}

fn variant(name: &str) -> Result<Variant> {
    let all = [
        Variant::Bindery,
        Variant::BinderyNoPlugin,
        Variant::Before,
        Variant::BeforeNoPlugin,
        Variant::Kea,
        Variant::Isc,
        Variant::Responder,
    ];
    all.into_iter()
        .find(|variant| variant.name() == name)
        .with_context(|| format!("there is no variant {name:?}; see --help"))
}

fn parse(mut parser: lexopt::Parser) -> Result<Option<Options>> {
    let mut options = Options {
        steps: Vec::new(),
        settings: Settings {
            rounds: 3,
            seconds: 3.0,
            window: 32,
            rate: 2000.0,
            sessions: SESSIONS,
            reservations: RESERVATIONS,
            commits: COMMITS,
            hosts: HOSTS,
            way: Way::Relayed,
            variants: Vec::new(),
            perf: None,
        },
        server_cpu: "0".to_owned(),
        load_cpu: "1".to_owned(),
        scratch: None,
        rows: None,
        places: places()?,
        smoke: false,
    };
    while let Some(arg) = parser.next()? {
        match arg {
            lexopt::Arg::Long("help") => return Ok(None),
            lexopt::Arg::Long(name) => {
                let name = name.to_owned();
                take(&mut options, &name, &mut parser)?;
            }
            lexopt::Arg::Value(word) => {
                let step = Step::ALL.into_iter().find(|step| word == step.name());
                options.steps.push(step.with_context(|| format!("there is no step {}", word.display()))?);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    if options.steps.is_empty() {
        let left_out = [Step::Flat, Step::Soak, Step::Profile];
        options.steps.extend(Step::ALL.into_iter().filter(|step| !left_out.contains(step)));
    }
    Ok(Some(options))
}

fn take(options: &mut Options, name: &str, parser: &mut lexopt::Parser) -> Result<()> {
    let settings = &mut options.settings;
    match name {
        "rounds" => settings.rounds = parser.value()?.parse()?,
        "seconds" => settings.seconds = parse_seconds(&parser.value()?.string()?)?.as_secs_f64(),
        "quick" => (settings.rounds, settings.seconds) = (1, 1.0),
        "smoke" => {
            options.smoke = true;
            (settings.rounds, settings.seconds, settings.sessions, settings.rate) = (1, 0.3, 2000, 500.0);
            (settings.reservations, settings.commits, settings.hosts) = (20_000, 40, 500);
            settings.variants = vec![Variant::Responder, Variant::Bindery];
        }
        "window" => settings.window = parser.value()?.parse()?,
        "rate" => settings.rate = parser.value()?.parse()?,
        "sessions" => settings.sessions = parser.value()?.parse()?,
        "reservations" => settings.reservations = parser.value()?.parse()?,
        "commits" => settings.commits = parser.value()?.parse()?,
        "hosts" => settings.hosts = parser.value()?.parse()?,
        "direct" => settings.way = Way::Direct,
        "variant" => settings.variants.push(variant(&parser.value()?.string()?)?),
        "server-cpu" => options.server_cpu = parser.value()?.string()?,
        "load-cpu" => options.load_cpu = parser.value()?.string()?,
        "scratch" => options.scratch = Some(parser.value()?.into()),
        "perf" => settings.perf = Some(parser.value()?.into()),
        "rows" => options.rows = Some(parser.value()?.into()),
        "binderyd" => options.places.binderyd = parser.value()?.into(),
        "bindery" => options.places.bindery = parser.value()?.into(),
        "before" => {
            let directory: PathBuf = parser.value()?.into();
            options.places.before = Some(Box::new(Places::in_release(&directory)));
        }
        "plugin" => options.places.plugin = parser.value()?.into(),
        _ => bail!("there is no option --{name}; see --help"),
    }
    Ok(())
}

/// True when no round was void.
fn run(options: &Options) -> Result<bool> {
    if options.smoke && !nix::unistd::geteuid().is_root() {
        println!("SKIP bench: needs root for network namespaces");
        return Ok(true);
    }
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).context("catch signals")?;
    }
    favour();
    let world = World::new(&options.server_cpu, &options.load_cpu, options.scratch.as_deref())?;
    let machine = describe(world.scratch());
    eprintln!("{machine}");
    let mut bench = Bench {
        world: &world,
        places: &options.places,
        settings: &options.settings,
        stop: &stop,
        figures: Figures::default(),
    };
    let result = bench.run(&options.steps);
    let settings = &options.settings;
    println!("Machine: {machine}. Peers: {}.", peer_versions());
    println!(
        "{} rounds of {} s, {} in flight, {} clients, server on CPU {}, load on CPU {}.",
        settings.rounds,
        settings.seconds,
        settings.window,
        if settings.way == Way::Direct { "direct" } else { "relayed" },
        options.server_cpu,
        options.load_cpu
    );
    print!("{}{}", bench.figures.markdown(), ratios(&bench.figures));
    if let Some(path) = &options.rows {
        let mut file = File::create(path).with_context(|| format!("create {}", path.display()))?;
        for row in bench.figures.rows() {
            writeln!(file, "{}", serde_json::to_string(row)?)?;
        }
    }
    result?;
    Ok(!bench.figures.any_void())
}
