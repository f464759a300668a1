//! The clock shim works on a Rust program.

use bindery_crash::shim;
use std::{
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Runs in a process of its own under the shim: prints the year-1970 clock.
#[test]
fn a_process_lives_in_1970() {
    const INSIDE: &str = "BINDERY_CLOCK_TEST_INSIDE";
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    if std::env::var_os(INSIDE).is_some() {
        println!("clock={}", now.as_secs());
        return;
    }
    assert!(now > Duration::from_secs(1_000_000_000), "this machine itself lives in 1970");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "clock::a_process_lives_in_1970", "--nocapture"])
        .env(INSIDE, "1")
        .env("LD_PRELOAD", shim::clock())
        .env("BINDERY_CLOCK_OFFSET", format!("-{}", now.as_secs()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let shown = text.lines().find_map(|line| line.split_once("clock=")).unwrap().1;
    assert!(shown.trim().parse::<u64>().unwrap() < 3600, "{text}");
}
