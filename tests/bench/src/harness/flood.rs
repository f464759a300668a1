//! Renewals of bound clients, quiet and then under a flood.

use crate::flood::FloodReport;
use crate::harness::process::Process;
use crate::harness::steps::{Bench, fault};
use crate::harness::variant::{Server, Variant};
use crate::harness::world::{CLIENT_IFL, SERVER};
use crate::report::{Report, float};
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use std::collections::BTreeMap;
use std::io::Read;
use std::process::Stdio;

/// Bound clients that renew.
const CLIENTS: u32 = 10_000;

impl Bench<'_> {
    /// Latency of renewals at a fixed rate without and with a flood, on the generator's processor and behind it; targets: none
    /// lost, and p99 within three times the quiet one. `wire` is what lies between the request and the reply on the clients'
    /// interface by the kernel's stamps: without what the generator waited for its processor.
    pub(crate) fn flood(
        &self,
        variant: Variant,
        server: &Server<'_>,
        values: &mut BTreeMap<String, f64>,
    ) -> Result<Option<String>> {
        let quiet = self.timed_renewals(variant, || Ok(()))?;
        let mut flood = None;
        let flooded = self.timed_renewals(variant, || {
            flood = Some(self.start_flood()?);
            Ok(())
        })?;
        let mut flood = flood.context("no flood was started")?;
        flood.signal(Signal::SIGTERM);
        let mut text = String::new();
        flood.stdout().context("no standard output")?.read_to_string(&mut text)?;
        let sent: FloodReport = serde_json::from_str(text.trim()).with_context(|| format!("dhcpflood: {text:?}"))?;
        for (name, report) in [("quiet", &quiet), ("flooded", &flooded)] {
            values.insert(format!("{name}_p50_us"), report.p50_us);
            values.insert(format!("{name}_p99_us"), report.p99_us);
            values.insert(format!("{name}_max_us"), report.max_us);
            values.insert(format!("{name}_wire_p50_us"), report.wire_p50_us);
            values.insert(format!("{name}_wire_p99_us"), report.wire_p99_us);
            values.insert(format!("{name}_wire_max_us"), report.wire_max_us);
            values.insert(format!("{name}_lost"), float(report.tally.lost));
            values.insert(format!("{name}_again"), float(report.tally.retransmitted));
        }
        values.insert("p99_ratio".into(), flooded.p99_us / quiet.p99_us.max(0.1));
        values.insert("wire_p99_ratio".into(), flooded.wire_p99_us / quiet.wire_p99_us.max(0.1));
        values.insert("flood/s".into(), sent.rate);
        Ok(fault(&quiet).or_else(|| fault(&flooded)).or(server.disagreement(flooded.bound)?))
    }

    fn timed_renewals(&self, variant: Variant, begun: impl FnMut() -> Result<()>) -> Result<Report> {
        let mut asks = self.asks();
        let clients = CLIENTS.min(variant.room());
        asks.words(&format!("--renew --clients {clients} --seconds {}", self.settings.seconds));
        asks.words(&format!("--rate {} --stamps {CLIENT_IFL}", self.settings.rate));
        asks.run(self.stop, begun)
    }

    fn start_flood(&self) -> Result<Process> {
        let mut command = self.world.in_client_behind(&self.world.program("dhcpflood").display().to_string());
        let [a, b, c, d, e, f] = self.world.server_mac()?;
        let mac = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
        let seconds = (self.settings.seconds + 60.0).to_string();
        command.args([CLIENT_IFL, &mac, &SERVER.to_string(), &seconds]).stdout(Stdio::piped());
        Process::start(command)
    }
}
