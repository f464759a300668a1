//! A large configuration: how long it takes to check it, to commit it, and to commit one line of it.

use crate::harness::api::Api;
use crate::harness::figures::spread;
use crate::harness::hosts::{hardware_address, kept, millis};
use crate::harness::process::output;
use crate::harness::steps::Bench;
use crate::harness::variant::{Server, Variant, bindery_configuration};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::time::Instant;

/// `host` statements of `config`: about 1 MB.
pub const HOSTS: u32 = 10_000;
/// Changes of one line.
const LINES: u32 = 20;
/// What is kept for a host whose address changes; outside of what [`kept`] gives.
const MOVED: u32 = 0x0a80_0000;

type Values = BTreeMap<String, f64>;

/// The daemon's configuration with so many hosts in its pool.
fn with_hosts(count: u32) -> String {
    let mut hosts = String::from("network \"10.0.0.0/8\"\n");
    for number in 0..count {
        // Writing to a string cannot fail.
        let _ok = write!(
            hosts,
            "        host customer-{number} {{\n          hardware-address \"{}\"\n          ip-address \"{}\"\n        }}\n",
            hardware_address(number),
            kept(number)
        );
    }
    bindery_configuration(None, false).replace("network \"10.0.0.0/8\"\n", &hosts)
}

/// One line that differs from what is there: by turns the address of a host and the lease time of all.
fn line(number: u32) -> String {
    let pool = "set access address-assignment pool bench family inet";
    match number % 2 {
        0 => format!("{pool} host customer-{number} ip-address {}", moved(number)),
        _ => format!("{pool} dhcp-attributes maximum-lease-time {}", 3600 + number),
    }
}

fn moved(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(MOVED.wrapping_add(number))
}

/// Median and maximum.
fn note(values: &mut Values, name: &str, times: Vec<f64>) {
    if let Some((median, _, most)) = spread(times) {
        values.insert(format!("{name}_p50_ms"), median);
        values.insert(format!("{name}_max_ms"), most);
    }
}

impl Bench<'_> {
    /// Checks and commits `--hosts` hosts while the server runs, then one line of them again and again. Afterwards the
    /// clients of a host that was changed and of one that was not get what is kept for them, or the round is void.
    pub(crate) fn config(&self, variant: Variant, server: &Server<'_>, values: &mut Values) -> Result<Option<String>> {
        let count = self.settings.hosts.max(2);
        values.insert("hosts".into(), f64::from(count));
        let first = match variant {
            Variant::Kea => {
                self.kea_config(server, count, values)?;
                kept(0)
            }
            _ => {
                self.bindery_config(server, count, values)?;
                moved(0)
            }
        };
        for (number, wanted) in [(0, first), (count - 1, kept(count - 1))] {
            let got = self.address_of(server, number)?;
            if got != wanted.to_string() {
                return Ok(Some(format!("client {number} has {got:?}, not {wanted}")));
            }
        }
        Ok(None)
    }

    fn bindery_config(&self, server: &Server<'_>, count: u32, values: &mut Values) -> Result<()> {
        let text = with_hosts(count);
        values.insert("kb".into(), f64::from(u32::try_from(text.len())?) / 1000.0);
        let file = server.directory().join("large.kdl");
        fs::write(&file, &text)?;
        let mut check = self.world.in_server(&self.places.binderyd.display().to_string());
        let began = Instant::now();
        output(check.arg("--check").arg("--config").arg(&file))?;
        values.insert("program_check_ms".into(), millis(began.elapsed()));
        let api = Api::at(&server.control());
        let editing = api.open()?;
        values.insert("load_ms".into(), millis(editing.load(&text)?));
        values.insert("check_ms".into(), millis(editing.commit(true)?.took));
        values.insert("commit_ms".into(), millis(editing.commit(false)?.took));
        let (mut edits, mut commits, mut lines) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..LINES.min(count - 1) {
            let edit = editing.edit(&[line(number)])?;
            let committed = editing.commit(false).with_context(|| line(number))?;
            edits.push(millis(edit));
            commits.push(millis(committed.took));
            lines.push(millis(edit + committed.took));
        }
        note(values, "line_edit", edits);
        note(values, "line_commit", commits);
        note(values, "line", lines);
        Ok(())
    }

    /// Kea knows no line: whoever changes one sends all of them again.
    fn kea_config(&self, server: &Server<'_>, count: u32, values: &mut Values) -> Result<()> {
        let check = server.kea("config-test", count)?;
        values.insert("check_ms".into(), millis(check));
        values.insert("commit_ms".into(), millis(server.kea("config-set", count)?));
        let again = (0..LINES).map(|_| server.kea("config-set", count).map(millis));
        note(values, "line", again.collect::<Result<_>>()?);
        Ok(())
    }

    /// What the client of this number is given, as text; empty without an answer.
    pub(crate) fn address_of(&self, server: &Server<'_>, number: u32) -> Result<String> {
        let acked = server.directory().join("acked");
        let mut asks = self.asks();
        asks.first = number;
        asks.words(&format!("--clients 1 --count 1 --seconds 60 --acked {}", acked.display()));
        asks.run(self.stop, || Ok(()))?;
        let held = fs::read_to_string(&acked).with_context(|| format!("read {}", acked.display()))?;
        Ok(held.split_whitespace().next().unwrap_or_default().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_a_megabyte() {
        let text = with_hosts(HOSTS);
        assert!((1_000_000..1_300_000).contains(&text.len()), "{}", text.len());
        assert_eq!(text.matches("ip-address").count(), 10_000);
    }

    #[test]
    fn lines_differ() {
        assert!(line(0).ends_with("customer-0 ip-address 10.128.0.0"), "{}", line(0));
        assert!(line(3).ends_with("maximum-lease-time 3603"), "{}", line(3));
    }
}
