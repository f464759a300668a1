//! The generator against the responder, and against Kea where it is installed, in namespaces of their own.
//!
//! Root is needed; without it each test prints `SKIP` and its reason.

use bindery_bench::echo::EchoReport;
use bindery_bench::harness::generator::{Asks, Way};
use bindery_bench::harness::process::{Process, output};
use bindery_bench::harness::variant::{Places, Server, Variant};
use bindery_bench::harness::world::{SERVER, World};
use bindery_bench::report::Report;
use nix::sys::signal::Signal;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Longest wait for anything; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(60);
/// The names of the namespaces follow from the process id, so the tests of this binary take turns.
static TURN: Mutex<()> = Mutex::new(());

fn in_world(test: &str, body: impl FnOnce(&World)) {
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !nix::unistd::geteuid().is_root() {
        println!("SKIP {test}: needs root for network namespaces");
        return;
    }
    let world = World::new("0-1", "0-1", None).expect("two namespaces");
    body(&world);
}

fn responder(world: &World, room: u32) -> Process {
    let program = world.program("dhcpresp").display().to_string();
    let mut command = world.in_server(&program);
    command.arg(SERVER.to_string()).arg(room.to_string());
    Process::start(command).expect("the responder starts")
}

fn run(asks: &Asks<'_>) -> anyhow::Result<Report> {
    asks.run(&AtomicBool::new(false), || Ok(()))
}

/// Waits for `done`, looking again whenever a millisecond has passed.
fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "waited for {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[test]
fn every_client_gets_its_lease() {
    in_world("every_client_gets_its_lease", |world| {
        let _server = responder(world, 1 << 20);
        let acked = world.scratch().join("acked");
        let mut asks = Asks::of(world);
        asks.first = 1000;
        asks.words("--clients 5000 --count 5000 --option82 --client-id --tolerate-silence --seconds 60");
        asks.words(&format!("--acked {}", acked.display()));
        let report = run(&asks).expect("a clean run");
        assert_eq!((report.tally.acked, report.bound), (5000, 5000), "{report:?}");
        assert_eq!(report.tally.wrong + report.tally.duplicates + report.tally.lost, 0, "{report:?}");
        assert!(report.p50_us > 0.0 && report.p50_us <= report.p99_us && report.p99_us <= report.max_us);
        let text = std::fs::read_to_string(&acked).expect("the list");
        assert_eq!(text.lines().count(), 5000);
        assert_eq!(text.lines().next(), Some("10.16.3.232 02:be:00:00:03:e8"));
    });
}

#[test]
fn one_address_for_two_clients_is_an_error() {
    in_world("one_address_for_two_clients_is_an_error", |world| {
        let _server = responder(world, 4);
        let mut asks = Asks::of(world);
        asks.words("--clients 8 --count 8 --tolerate-silence --seconds 60");
        let error = run(&asks).expect_err("four addresses for eight clients").to_string();
        assert!(error.contains("exit status: 1") && error.contains("\"duplicates\":4"), "{error}");
    });
}

#[test]
fn a_dead_server_is_losses() {
    in_world("a_dead_server_is_losses", |world| {
        let mut asks = Asks::of(world);
        asks.words("--clients 10 --count 10 --timeout-ms 10 --tries 3 --seconds 30");
        let report = run(&asks).expect("silence is no failure of the generator");
        assert_eq!((report.tally.lost, report.tally.acked), (10, 0));
        assert_eq!((report.tally.sent, report.tally.retransmitted), (30, 20));
    });
}

#[test]
fn open_loop_keeps_its_schedule() {
    in_world("open_loop_keeps_its_schedule", |world| {
        let _server = responder(world, 1 << 20);
        let mut asks = Asks::of(world);
        asks.words("--clients 600 --count 600 --rate 1000 --seconds 60 --tolerate-silence");
        let report = run(&asks).expect("a clean run");
        assert_eq!(report.tally.acked, 600);
        assert!(report.seconds >= 0.599, "600 exchanges at 1000/s take 0.6 s: {}", report.seconds);
    });
}

#[test]
fn a_late_generator_is_latency() {
    in_world("a_late_generator_is_latency", |world| {
        let _server = responder(world, 1 << 20);
        let log = world.scratch().join("log");
        let mut asks = Asks::of(world);
        asks.words("--clients 2000 --count 2000 --rate 1000 --seconds 60 --tolerate-silence");
        asks.words(&format!("--log {}", log.display()));
        let stop = AtomicBool::new(false);
        let mut generator = asks.start().expect("the generator starts");
        until("the first ACKs", || lines(&log) > 100);
        generator.signal(Signal::SIGSTOP);
        let stopped = Instant::now();
        until("300 scheduled exchanges", || stopped.elapsed() > Duration::from_millis(300));
        generator.signal(Signal::SIGCONT);
        let mut report = None;
        until("the report", || {
            report = generator.finished(&stop).expect("it runs");
            report.is_some()
        });
        let report = report.expect("just seen");
        assert_eq!(report.tally.acked, 2000);
        // The exchange that was due first after the stop waited all of it. Measured from the send it would not show.
        assert!(report.max_us >= 290_000.0, "{report:?}");
    });
}

#[test]
fn tolerant_clients_outlast_a_killed_server() {
    in_world("tolerant_clients_outlast_a_killed_server", |world| {
        let log = world.scratch().join("log");
        let mut asks = Asks::of(world);
        // An open loop, so that clients remain to be served after the kill however fast the server is.
        asks.words("--clients 3000 --count 3000 --rate 3000 --tolerate-silence --timeout-ms 50 --seconds 60");
        asks.words(&format!("--hold 60 --log {}", log.display()));
        let stop = AtomicBool::new(false);
        let mut generator = asks.start().expect("the generator starts");
        let mut server = responder(world, 1 << 20);
        until("the first ACKs in the log", || lines(&log) > 100);
        server.stop(Signal::SIGKILL).expect("it is ours");
        let before = lines(&log);
        assert!(before < 3000, "killed too late to show anything");
        let _server = responder(world, 1 << 20);
        until("every client's ACK", || lines(&log) == 3000);
        assert!(generator.finished(&stop).expect("it still runs").is_none());
        let text = std::fs::read_to_string(&log).expect("the log");
        let mut clients: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
        clients.sort_unstable();
        clients.dedup();
        assert_eq!(clients.len(), 3000, "each client once");
        let fields: Vec<&str> = text.lines().next().expect("a line").split(' ').collect();
        assert_eq!(fields.len(), 6, "{fields:?}");
    });
}

#[test]
fn renewals_keep_their_addresses() {
    in_world("renewals_keep_their_addresses", |world| {
        let _server = responder(world, 1 << 20);
        let mut asks = Asks::of(world);
        asks.words("--renew --clients 200 --count 2000 --tolerate-silence --seconds 60");
        let report = run(&asks).expect("a clean run");
        assert_eq!((report.work.as_str(), report.tally.acked, report.bound), ("renew", 2000, 200));
        assert_eq!(report.tally.wrong + report.tally.duplicates, 0);
    });
}

#[test]
fn echo_round_trips() {
    in_world("echo_round_trips", |world| {
        let program = world.program("udpecho").display().to_string();
        let address = SERVER.to_string();
        let mut command = world.in_server(&program);
        command.args(["serve", &address]);
        let _server = Process::start(command).expect("the echo starts");
        until("an echo", || {
            let text = output(world.in_client(&program).args(["load", &address, "0.1", "4"])).expect("a run");
            serde_json::from_str::<EchoReport>(text.trim()).expect("its line").rate > 0.0
        });
    });
}

#[test]
fn direct_clients_lease_and_renew_from_kea() {
    in_world("direct_clients_lease_and_renew_from_kea", |world| {
        let release = world.program("binderyd").parent().map(std::path::Path::to_path_buf).unwrap_or_default();
        let places = Places::in_release(&release);
        if Variant::Kea.program(&places).is_none() {
            println!("SKIP direct_clients_lease_and_renew_from_kea: kea-dhcp4 is not installed");
            return;
        }
        let stop = AtomicBool::new(false);
        let server = Server::start(world, &places, Variant::Kea, Way::Direct, &stop).expect("Kea serves");
        for words in ["--clients 300 --count 300", "--clients 50 --first 5000 --count 500 --renew"] {
            let mut asks = Asks::of(world);
            asks.by(Way::Direct);
            asks.words(words);
            asks.words("--seconds 60");
            let report = run(&asks).expect("a clean run");
            assert_eq!(report.mode, "direct");
            assert!(report.tally.acked >= 300, "{report:?}");
            assert_eq!(report.tally.lost + report.tally.nak + report.tally.wrong, 0, "{report:?}");
        }
        server.stop().expect("it ends");
    });
}

#[test]
fn a_bench_leaves_nothing_behind() {
    in_world("a_bench_leaves_nothing_behind", |world| {
        let mut command = Command::new(world.program("bindery-bench"));
        command.args(["dora", "--variant", "responder", "--rounds", "1", "--seconds", "0.2"]);
        let table = output(&mut command).expect("no void round");
        for word in ["| responder | 1 |", "| udp-echo | 1 |", "2 x DORA/s of the responder / echo"] {
            assert!(table.contains(word), "{word} in {table}");
        }
        let left = output(Command::new("ip").args(["netns", "list"])).expect("ip netns");
        let own = format!("bbench{}-", std::process::id());
        let parents = |name: &str| name.starts_with("bbench") && !name.starts_with(&own);
        // Other runs of this harness may be going on: only names whose process is gone are left-overs.
        let orphans: Vec<&str> = left
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| parents(name))
            .filter(|name| {
                let pid: String = name.chars().filter(char::is_ascii_digit).collect();
                !Path::new("/proc").join(pid).exists()
            })
            .collect();
        assert!(orphans.is_empty(), "{orphans:?}");
    });
}
