//! The arrows between the crates, as a table that the build checks.
//!
//! `types <- wire <- engine <- {store, net, netlink, config, plugin host} <- daemon`, `api <- {cli, control}`. A new edge
//! is the rarest kind of change; it is made by editing this table, where a reviewer sees it.

use super::Context;
use crate::shell;
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::process::Command;

/// A crate, and the workspace crates that it may name in `[dependencies]` or `[build-dependencies]`.
const ALLOWED: &[(&str, &[&str])] = &[
    ("bindery-types", &[]),
    ("bindery-wire", &["bindery-types"]),
    ("bindery-engine", &["bindery-types", "bindery-wire"]),
    ("bindery-store", PURE),
    ("bindery-net", PURE),
    ("bindery-netlink", PURE),
    ("bindery-counters", &["bindery-types", "bindery-engine"]),
    ("bindery-trace", &["bindery-types", "bindery-wire", "bindery-engine"]),
    ("bindery-radius", &["bindery-types"]),
    ("bindery-config", PURE),
    ("bindery-import", &["bindery-config"]),
    ("bindery-commit", &["bindery-api", "bindery-config"]),
    ("bindery-plugin-host", PURE),
    ("bindery-plane-abi", &[]),
    ("bindery-plane-rust", &["bindery-plane-abi"]),
    ("bindery-plugin-native", &["bindery-types", "bindery-engine", "bindery-plane-abi"]),
    ("bindery-api", &["bindery-types"]),
    ("bindery-control", &["bindery-types", "bindery-wire", "bindery-engine", "bindery-api", "bindery-config"]),
    ("bindery-cli", &["bindery-types", "bindery-api", "bindery-import"]),
    (
        "bindery-plugin-tool",
        &["bindery-types", "bindery-wire", "bindery-engine", "bindery-plugin-host", "bindery-config"],
    ),
    ("bindery-daemon", EVERYTHING),
    ("bindery-sim", &["bindery-types", "bindery-wire", "bindery-engine"]),
    ("bindery-crash", &["bindery-types", "bindery-wire", "bindery-engine", "bindery-store"]),
    ("bindery-api-check", &["bindery-types", "bindery-engine", "bindery-config", "bindery-api", "bindery-control"]),
    ("bindery-netns", &["bindery-types", "bindery-wire"]),
    ("bindery-bench", &["bindery-types", "bindery-wire"]),
    ("bindery-xtask", &[]),
];

const PURE: &[&str] = &["bindery-types", "bindery-wire", "bindery-engine"];

const EVERYTHING: &[&str] = &[
    "bindery-types",
    "bindery-wire",
    "bindery-engine",
    "bindery-store",
    "bindery-net",
    "bindery-netlink",
    "bindery-counters",
    "bindery-trace",
    "bindery-radius",
    "bindery-config",
    "bindery-commit",
    "bindery-plugin-host",
    "bindery-plugin-native",
    "bindery-api",
    "bindery-control",
];

/// The pure crates may use these and no other foreign crate: all of them are `no_std` and touch nothing outside.
const PURE_FOREIGN: &[&str] = &["arrayvec", "hashbrown", "foldhash", "hmac", "md-5", "slab"];

/// A foreign crate (or the start of a family's name), and the only crates that may name it.
const OWNERS: &[(&str, &[&str])] = &[
    ("wasmtime", &["bindery-plugin-host"]),
    ("libloading", &["bindery-plugin-native"]),
    ("wit-component", &["bindery-plugin-tool"]),
    ("fjall", &["bindery-store"]),
    ("netlink-", &["bindery-netlink", "bindery-counters"]),
    ("rtnetlink", &[]),
    ("kdl", &["bindery-config"]),
    ("tokio", &["bindery-control", "bindery-daemon", "bindery-cli", "bindery-radius", "bindery-api-check"]),
    ("axum", &["bindery-control"]),
    ("dhcproto", &[]),
];

/// What must be nowhere in the CLI's whole tree: it is a client of the API and nothing more. What reads configurations
/// is there only by way of the import, which is offline.
const NOT_IN_CLI: &[&str] = &["wasmtime", "axum", "fjall", "netlink-", "bindery-commit", "bindery-store"];

/// Reads the edges from cargo and compares them with the tables.
///
/// # Errors
/// Every edge that is not allowed, all at once.
pub(crate) fn check(_context: &mut Context) -> Result<()> {
    let tree = cargo_tree(&["--workspace", "--depth=1", "--prefix=depth"])?;
    let mut faults = faults(&direct(&tree));
    let cli = cargo_tree(&["--package=bindery-cli", "--prefix=none"])?;
    for name in cli.lines().filter_map(|line| line.split_whitespace().next()) {
        if NOT_IN_CLI.iter().any(|banned| names(banned, name)) {
            faults.push(format!("bindery-cli: {name} is in its tree; the CLI talks to the API and links nothing else"));
        }
    }
    faults.sort();
    faults.dedup();
    if faults.is_empty() {
        return Ok(());
    }
    bail!("edges that the table in tests/xtask/src/test/edges.rs does not allow:\n      {}", faults.join("\n      "))
}

fn cargo_tree(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("cargo");
    command.args(["tree", "--locked", "--edges=normal,build", "--no-dedupe", "--format={p}"]).args(arguments);
    shell::capture(&mut command)
}

/// Crate to the crates that it names itself, from lines such as `0bindery-wire v0.1.0 (...)` and `1arrayvec v0.7.6`.
fn direct(tree: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut edges: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut current = None;
    for line in tree.lines() {
        let Some(word) = line.split_whitespace().next() else {
            continue;
        };
        if let Some(name) = word.strip_prefix('0') {
            edges.entry(name).or_default();
            current = Some(name);
        } else if let (Some(from), Some(name)) = (current, word.strip_prefix('1')) {
            edges.entry(from).or_default().push(name);
        }
    }
    edges
}

/// Whether `name` is the crate or, for a pattern that ends in a dash, of the family.
fn names(pattern: &str, name: &str) -> bool {
    if pattern.ends_with('-') { name.starts_with(pattern) } else { name == pattern }
}

fn faults(edges: &BTreeMap<&str, Vec<&str>>) -> Vec<String> {
    let mut faults = Vec::new();
    for (from, targets) in edges {
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| name == from) else {
            faults.push(format!("{from}: a new crate; say in the table what it may depend on"));
            continue;
        };
        for target in targets {
            if target.starts_with("bindery-") {
                if !allowed.contains(target) {
                    faults.push(format!("{from} -> {target}"));
                }
                continue;
            }
            if PURE.contains(from) && !PURE_FOREIGN.contains(target) {
                faults.push(format!("{from} -> {target}: a pure crate uses {} only", PURE_FOREIGN.join(", ")));
            }
            if let Some((_, owners)) = OWNERS.iter().find(|(pattern, _)| names(pattern, target))
                && !owners.contains(from)
            {
                faults.push(format!("{from} -> {target}: only {owners:?} may name it"));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_refuses_what_it_does_not_name() {
        let tree = "0bindery-wire v0.1.0 (/x)\n1bindery-engine v0.1.0 (/x)\n1serde v1.0.0\n\n0bindery-store v0.1.0\n1fjall v3.0.0\n\
                    1bindery-engine v0.1.0\n0bindery-cli v0.1.0\n1netlink-sys v0.8.0\n0bindery-odd v0.1.0\n";
        let faults = faults(&direct(tree));
        let starts: Vec<&str> = faults.iter().map(|fault| fault.split(':').next().unwrap_or(fault)).collect();
        assert_eq!(
            starts,
            ["bindery-cli -> netlink-sys", "bindery-odd", "bindery-wire -> bindery-engine", "bindery-wire -> serde"]
        );
    }

    #[test]
    fn every_crate_of_the_workspace_keeps_to_the_arrows_of_the_table() {
        // The table itself must be acyclic, or it proves nothing.
        let mut done: Vec<&str> = Vec::new();
        while done.len() < ALLOWED.len() {
            let next = ALLOWED
                .iter()
                .find(|(name, targets)| !done.contains(name) && targets.iter().all(|target| done.contains(target)));
            done.push(next.expect("the table has a circle").0);
        }
    }
}
