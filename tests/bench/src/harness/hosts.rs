//! Reservations by the million: how long a server takes to take them over, and what they cost in memory.

use crate::harness::process::rss_mib;
use crate::harness::steps::Bench;
use crate::harness::variant::{Server, Variant};
use crate::message::mac;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Reservations of `host-table`.
pub const RESERVATIONS: u32 = 1_000_000;
/// Kea gets one of so many: each takes 2.7 KB there.
const KEA_SHARE: u32 = 10;
/// What the first client keeps; the others follow. Outside of every range.
const FIRST: u32 = 0x0a40_0000;

/// What is kept for client `number` of the generator.
pub(crate) fn kept(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(FIRST.wrapping_add(number))
}

/// The hardware address of client `number`.
pub(crate) fn hardware_address(number: u32) -> String {
    let [a, b, c, d, e, f] = mac(number);
    format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
}

/// The table of `count` reservations as CSV.
pub(crate) fn csv(count: u32) -> String {
    let mut text = String::from("hardware-address,ip-address,name\n");
    for number in 0..count {
        // Writing to a string cannot fail.
        let _ok = writeln!(text, "{},{},customer-{number}", hardware_address(number), kept(number));
    }
    text
}

/// The same as Kea takes it.
pub(crate) fn kea(count: u32) -> Vec<serde_json::Value> {
    let host = |number| serde_json::json!({"hw-address": hardware_address(number), "ip-address": kept(number)});
    (0..count).map(host).collect()
}

impl Bench<'_> {
    /// Takes `--reservations` over while the server runs, then once more with another lease time, and asks for the last
    /// of them: its client gets the address that is kept for it, or the round is void.
    pub(crate) fn host_table(
        &self,
        variant: Variant,
        server: &Server<'_>,
        values: &mut BTreeMap<String, f64>,
    ) -> Result<Option<String>> {
        let count = match variant {
            Variant::Kea => self.settings.reservations / KEA_SHARE,
            _ => self.settings.reservations,
        }
        .max(1);
        let empty = rss_mib(server.pid())?;
        let first = server.reserve(count)?;
        let full = rss_mib(server.pid())?;
        values.insert("reservations".into(), f64::from(count));
        values.insert("load_ms".into(), millis(first));
        values.insert("us_each".into(), first.as_secs_f64() * 1e6 / f64::from(count));
        values.insert("bytes_each".into(), (full - empty) * 1_048_576.0 / f64::from(count));
        if variant.is_bindery() {
            values.insert("commit_again_ms".into(), millis(server.change_lease_time()?));
            values.insert("bytes_each_again".into(), (rss_mib(server.pid())? - empty) * 1_048_576.0 / f64::from(count));
        }
        let acked = server.directory().join("acked");
        let mut asks = self.asks();
        asks.first = count - 1;
        asks.words("--clients 1 --count 1 --seconds 60");
        asks.words(&format!("--acked {}", acked.display()));
        let report = asks.run(self.stop, || Ok(()))?;
        values.insert("reserved_dora_us".into(), report.max_us);
        let held = fs::read_to_string(&acked).with_context(|| format!("read {}", acked.display()))?;
        let wanted = kept(count - 1).to_string();
        let got = held.split_whitespace().next().unwrap_or_default();
        Ok((got != wanted).then(|| format!("client {} has {got:?}, not {wanted}", count - 1)))
    }
}

/// Milliseconds.
pub(crate) fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let text = csv(300);
        let line = text.lines().nth(300).expect("a line for each");
        assert_eq!(line, "02:be:00:00:01:2b,10.64.1.43,customer-299");
        let host = kea(300).pop().expect("one for each");
        assert_eq!(host, serde_json::json!({"hw-address": "02:be:00:00:01:2b", "ip-address": "10.64.1.43"}));
    }
}
