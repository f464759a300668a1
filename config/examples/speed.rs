//! How long a configuration of many `host` statements takes: `cargo run --release -p bindery-config --example speed`.
//!
//! An argument is the number of hosts, 10,000 without one. Times are the shortest of five.

use bindery_config::edit::{Path, apply, command, complete_command, diff};
use bindery_config::tree::{parse, print};
use bindery_config::{Loaded, NoSources, hash, load};
use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

fn main() {
    let hosts = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let text = text(hosts);
    let loaded = load("speed.kdl", &text).unwrap_or_else(|errors| panic!("{errors}"));
    let line = "set access address-assignment pool p family inet host h5000 ip-address 10.255.255.1";
    let operation = command(line, &Path::default()).unwrap_or_else(|fault| panic!("{fault}"));
    let mut edited = loaded.tree.clone();
    apply(&mut edited, &operation).unwrap_or_else(|fault| panic!("{fault}"));
    println!("{hosts} hosts, {} bytes", text.len());
    shortest("tree::parse", || parse("speed.kdl", &text));
    shortest("load", || load("speed.kdl", &text));
    shortest("clone of the tree", || edited.clone());
    shortest("apply of one set", || {
        let mut tree = edited.clone();
        (apply(&mut tree, &operation), tree)
    });
    shortest("diff", || diff(&loaded.tree, &edited));
    shortest("print", || print(&edited));
    shortest("hash", || hash(&text));
    shortest("Loaded::from_tree, clone included", || Loaded::from_tree("speed.kdl", edited.clone(), &NoSources));
    let grouped = format!("groups g {{ policy }}\napply-groups g\n{text}");
    let grouped = parse("speed.kdl", &grouped).unwrap_or_else(|errors| panic!("{errors}"));
    shortest("the same with a group", || Loaded::from_tree("speed.kdl", grouped.clone(), &NoSources));
    let base = Path::default();
    let begun = "set access address-assignment pool p family inet host h5";
    shortest("complete_command", || complete_command(&edited, &base, begun));
}

fn text(hosts: usize) -> String {
    let mut text = String::from("access {\n    address-assignment {\n        pool p {\n            family inet {\n");
    text += "                network \"10.0.0.0/8\"\n";
    for at in 0..hosts {
        let (a, b, c) = (at >> 16 & 255, at >> 8 & 255, at & 255);
        let _ = writeln!(
            text,
            "                host h{at} {{\n                    hardware-address \"02:00:00:{a:02x}:{b:02x}:{c:02x}\"\n                    \
             ip-address \"10.1{a}.{b}.{c}\"\n                }}"
        );
    }
    text + "            }\n        }\n    }\n}\n"
}

/// Prints the shortest of five times.
fn shortest<T>(what: &str, mut run: impl FnMut() -> T) {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        let result = run();
        best = best.min(start.elapsed());
        black_box(result);
    }
    println!("{:>10.2} ms  {what}", best.as_secs_f64() * 1000.0);
}
