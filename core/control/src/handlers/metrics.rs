//! `GET /metrics`: the text format 0.0.4 of Prometheus. Its cost grows with interfaces, pools, plugins and RADIUS servers,
//! never with sessions.

use super::{Ask, Cursor, Refused, Reply, Server, State, ending, header};
use axum::response::{IntoResponse, Response};
use bindery_api::{AaaStatistics, Counter, Plugin, RadiusServer, VlanDevice};
use bindery_engine::{
    command::{Gauges, LinkStatistics, PoolView},
    event::{Counters, DropReason},
};
use bindery_wire::v4::MessageType;
use std::{collections::BTreeMap, fmt::Write as _, future::Future, time::Duration};

/// How long anybody but the engine is waited for: while a commit runs, the numbers of plugins and RADIUS are left out.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn metrics(State(server): State<Server>) -> Result<Response, Refused> {
    let mut text = Metrics::default();
    let version = env!("CARGO_PKG_VERSION");
    text.gauge("bindery_build_info", "The release that runs.").sample(&[("version", version)], 1);
    text.gauge("bindery_configuration_revision", "The active configuration revision.")
        .sample(&[], server.backend.revision().await);
    text.gauge("bindery_uptime_seconds", "Seconds since the daemon began to serve.")
        .sample(&[], server.started.elapsed().as_secs());
    let Reply::Gauges(gauges) = server.ask(Ask::Gauges).await? else { return Err(ending()) };
    engine(&mut text, &gauges);
    let mut links = Vec::new();
    let mut cursor = Some(Cursor::START);
    while let Some(at) = cursor {
        let ask = Ask::LinkStatistics { interface: None, cursor: at };
        let Reply::LinkStatistics { rows, next } = server.ask(ask).await? else { return Err(ending()) };
        links.extend(rows);
        cursor = next;
    }
    interfaces(&mut text, &links);
    if let Some(list) = soon(server.backend.plugins()).await {
        plugins(&mut text, &list);
    }
    if let Some(list) = soon(server.backend.radius_servers()).await {
        radius_servers(&mut text, &list.servers);
    }
    if let Some(counted) = soon(server.backend.aaa_statistics()).await {
        aaa(&mut text, &counted);
    }
    if let Some(devices) = soon(server.backend.vlan_devices()).await {
        vlan_devices(&mut text, &devices);
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text.text).into_response())
}

async fn soon<T>(answer: impl Future<Output = Option<T>>) -> Option<T> {
    tokio::time::timeout(PATIENCE, answer).await.ok().flatten()
}

/// The text as it grows: a head for each metric, then its samples.
#[derive(Default)]
struct Metrics {
    text: String,
    name: &'static str,
}

impl Metrics {
    fn head(&mut self, name: &'static str, kind: &str, help: &str) -> &mut Self {
        self.name = name;
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        self
    }

    fn gauge(&mut self, name: &'static str, help: &str) -> &mut Self {
        self.head(name, "gauge", help)
    }

    fn counter(&mut self, name: &'static str, help: &str) -> &mut Self {
        self.head(name, "counter", help)
    }

    fn sample(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) -> &mut Self {
        self.text.push_str(self.name);
        for (at, (name, value)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{name}=\"{}\"", if at == 0 { '{' } else { ',' }, Escaped(value));
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
        self
    }
}

/// A label's value as the format wants it.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            other => f.write_char(other),
        })
    }
}

/// Message types by their names, with those of BOOTP.
fn by_message<'a>(counts: &'a [u64], bootp: &'static str) -> impl Iterator<Item = (&'static str, u64)> + use<'a> {
    let of = move |at: usize| counts.get(at).copied().unwrap_or(0);
    core::iter::once((bootp, of(0))).chain(MessageType::ALL.into_iter().map(move |m| (m.name(), of(m as usize))))
}

fn engine(text: &mut Metrics, gauges: &Gauges) {
    let counters = &gauges.counters;
    text.counter("bindery_packets_dropped_total", "Packets that ended without an answer, by reason.");
    for (reason, count) in DropReason::ALL.into_iter().zip(counters.dropped) {
        text.sample(&[("reason", reason.name())], count);
    }
    text.counter("bindery_messages_received_total", "Messages that could be parsed, by type.");
    for (message, count) in by_message(&counters.received, "BOOTREQUEST") {
        text.sample(&[("type", message)], count);
    }
    text.counter("bindery_messages_sent_total", "Messages handed to the socket, by type.");
    for (message, count) in by_message(&counters.sent, "BOOTREPLY") {
        text.sample(&[("type", message)], count);
    }
    text.counter("bindery_late_policy_answers_total", "Answers of plugins and authorities that found nobody waiting.")
        .sample(&[], counters.late_policy_answers);
    text.counter("bindery_offers_delayed_total", "DISCOVERs that delay-offer has held back.")
        .sample(&[], counters.offer_delay.total);
    text.gauge("bindery_offers_in_progress", "DISCOVERs that delay-offer holds back now.")
        .sample(&[], counters.offer_delay.in_progress);
    text.counter("bindery_neighbours_total", "Address probes, liveness detection, foreign DHCP servers.");
    for (name, _, count) in counters.neighbours.rows() {
        text.sample(&[("kind", name)], count);
    }
    text.gauge("bindery_sessions", "Records of sessions, by state.");
    for (state, count) in &gauges.sessions {
        text.sample(&[("state", state)], count);
    }
    text.gauge("bindery_sessions_reconfiguring", "Sessions that are being reconfigured; they count as bound too.")
        .sample(&[], gauges.reconfiguring);
    pools(text, &gauges.pools);
    text.gauge("bindery_queue_length", "What waits: for storage, for a route, for a plugin, for an authority.");
    for (queue, length) in
        [("store", gauges.storing), ("route", gauges.routing), ("plugin", gauges.parked), ("authority", gauges.asking)]
    {
        text.sample(&[("queue", queue)], length);
    }
    text.gauge("bindery_store_up", "1 while the session database can be written.")
        .sample(&[], u8::from(gauges.store_up));
}

/// Two routing instances may have pools of one name.
fn pools(text: &mut Metrics, pools: &[PoolView]) {
    let mut each = |name, help, of: fn(&PoolView) -> u64| {
        text.gauge(name, help);
        for pool in pools {
            text.sample(&[("pool", &pool.name), ("routing_instance", &pool.instance_name)], of(pool));
        }
    };
    each("bindery_pool_addresses", "Addresses of a pool that can be leased.", |pool| pool.total);
    each("bindery_pool_addresses_used", "Addresses of a pool in a live binding or offered.", PoolView::used);
    each("bindery_pool_addresses_quarantined", "Addresses of a pool in quarantine.", |pool| pool.quarantined);
    each("bindery_pool_addresses_held", "Addresses of a pool that are kept for their last client.", |pool| pool.held);
    each("bindery_pool_addresses_free", "Addresses of a pool that nobody holds.", |pool| pool.free);
    each("bindery_pool_utilization_high", "1 from high-utilization up until abated-utilization down.", |pool| {
        u64::from(pool.high)
    });
}

/// Devices are as many as clients may be: they are counted by the interface under them.
fn vlan_devices(text: &mut Metrics, devices: &[VlanDevice]) {
    let mut counts: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for device in devices {
        *counts.entry((&device.underlying_interface, &device.state)).or_default() += 1;
    }
    text.gauge("bindery_vlan_devices", "VLAN devices made for clients, by the interface under them.");
    for ((interface, state), count) in counts {
        text.sample(&[("interface", interface), ("state", state)], count);
    }
}

/// Of interfaces only what is not zero: reasons and types times interfaces are many.
fn interfaces(text: &mut Metrics, links: &[LinkStatistics]) {
    text.counter("bindery_interface_packets_dropped_total", "Packets dropped, by interface and reason.");
    for LinkStatistics { interface, counters } in links {
        for (reason, count) in DropReason::ALL.into_iter().zip(counters.dropped).filter(|(_, count)| *count > 0) {
            text.sample(&[("interface", interface), ("reason", reason.name())], count);
        }
    }
    text.counter("bindery_interface_neighbours_total", "Address probes, liveness detection, foreign DHCP servers.");
    for LinkStatistics { interface, counters } in links {
        for (name, _, count) in counters.neighbours.rows().into_iter().filter(|(.., count)| *count > 0) {
            text.sample(&[("interface", interface), ("kind", name)], count);
        }
    }
    let mut messages = |name, help, bootp, of: fn(&Counters) -> &[u64]| {
        text.counter(name, help);
        for LinkStatistics { interface, counters } in links {
            for (message, count) in by_message(of(counters), bootp).filter(|(_, count)| *count > 0) {
                text.sample(&[("interface", interface), ("type", message)], count);
            }
        }
    };
    messages(
        "bindery_interface_messages_received_total",
        "Messages received, by interface and type.",
        "BOOTREQUEST",
        |counters| &counters.received,
    );
    messages(
        "bindery_interface_messages_sent_total",
        "Messages sent, by interface of the request and type.",
        "BOOTREPLY",
        |counters| &counters.sent,
    );
}

fn plugins(text: &mut Metrics, plugins: &[Plugin]) {
    let mut each = |name, help, of: fn(&Plugin) -> u64| {
        text.counter(name, help);
        for plugin in plugins {
            text.sample(&[("plugin", &plugin.name)], of(plugin));
        }
    };
    each("bindery_plugin_calls_total", "Calls of a plugin.", |plugin| plugin.calls);
    each("bindery_plugin_drops_total", "Packets that a plugin dropped.", |plugin| plugin.drops);
    each("bindery_plugin_restarts_total", "Instances of a plugin that were made anew.", |plugin| plugin.restarts);
    text.counter("bindery_plugin_failures_total", "Calls of a plugin that failed, by how.");
    for plugin in plugins {
        for failure in &plugin.failures {
            text.sample(&[("plugin", &plugin.name), ("failure", &failure.name)], failure.count);
        }
    }
    text.counter("bindery_plugin_counter_total", "A plugin's own counters.");
    for plugin in plugins {
        for Counter { name, count, .. } in &plugin.counters {
            text.sample(&[("plugin", &plugin.name), ("name", name)], count);
        }
    }
    text.gauge("bindery_plugin_memory_bytes", "Memory of a plugin.");
    for plugin in plugins {
        text.sample(&[("plugin", &plugin.name)], plugin.memory_bytes);
    }
    text.gauge("bindery_plugin_running", "1 while a plugin is called on the packet thread.");
    for plugin in plugins {
        text.sample(&[("plugin", &plugin.name)], u8::from(plugin.state == "running"));
    }
}

fn radius_servers(text: &mut Metrics, servers: &[RadiusServer]) {
    let port = |server: &RadiusServer| server.port.to_string();
    text.gauge("bindery_radius_server_up", "1 unless a RADIUS server is left alone because it did not answer.");
    for server in servers {
        let labels = [("address", &*server.address), ("port", &port(server)), ("service", &server.service)];
        text.sample(&labels, u8::from(server.state == "up"));
    }
    text.gauge("bindery_radius_server_outstanding", "Requests that wait for a RADIUS server's answer.");
    for server in servers {
        let labels = [("address", &*server.address), ("port", &port(server)), ("service", &server.service)];
        text.sample(&labels, server.outstanding);
    }
    text.counter("bindery_radius_server_total", "What was counted of a RADIUS server.");
    for server in servers {
        for Counter { name, count, .. } in &server.counters {
            let labels = [
                ("address", &*server.address),
                ("port", &port(server)),
                ("service", &server.service),
                ("counter", name),
            ];
            text.sample(&labels, count);
        }
    }
}

fn aaa(text: &mut Metrics, counted: &AaaStatistics) {
    let kinds = [
        ("authentication", &counted.authentication),
        ("accounting", &counted.accounting),
        ("dynamic-requests", &counted.dynamic_requests),
    ];
    text.counter("bindery_aaa_total", "Authentication, accounting and dynamic requests.");
    for (kind, counters) in kinds {
        for Counter { name, count, .. } in counters {
            text.sample(&[("kind", kind), ("counter", name)], count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bindery_types::{InstanceId, Ipv4Addr, Prefix4};

    #[test]
    fn a_sample_is_a_line_and_labels_are_escaped() {
        let mut text = Metrics::default();
        text.gauge("a", "What it is.").sample(&[], 1).sample(&[("x", "q\"\\\n"), ("y", "")], 2);
        assert_eq!(text.text, "# HELP a What it is.\n# TYPE a gauge\na 1\na{x=\"q\\\"\\\\\\n\",y=\"\"} 2\n");
    }

    /// Prometheus refuses a whole page with a sample that comes twice.
    #[test]
    fn pools_of_one_name_in_two_instances_are_two_samples() {
        let of = |instance: &str| PoolView {
            name: "p".into(),
            instance: InstanceId(0),
            instance_name: instance.into(),
            network: Prefix4::containing(Ipv4Addr::new(10, 0, 0, 0), 24).unwrap(),
            link: None,
            total: 0,
            free: 0,
            offered: 0,
            bound: 0,
            quarantined: 0,
            held: 0,
            percent: 0,
            high: false,
            thresholds: None,
            hold_down: false,
            active_drain: false,
        };
        let mut text = Metrics::default();
        pools(&mut text, &[of("default"), of("red")]);
        let samples: Vec<&str> = text.text.lines().collect();
        let distinct: std::collections::BTreeSet<&str> = samples.iter().copied().collect();
        assert_eq!(samples.len(), distinct.len(), "{}", text.text);
        assert!(
            text.text.contains("\nbindery_pool_addresses{pool=\"p\",routing_instance=\"red\"} 0\n"),
            "{}",
            text.text
        );
    }

    #[test]
    fn every_drop_reason_is_a_sample() {
        let mut text = Metrics::default();
        engine(&mut text, &Gauges::default());
        for reason in DropReason::ALL {
            assert!(text.text.contains(&format!("bindery_packets_dropped_total{{reason=\"{}\"}} 0\n", reason.name())));
        }
    }
}
