//! Statistics, routes, plugins, pools, the daemon.

use super::push_line;
use bindery_api::{Counter, PluginList, Reloaded, Route, RouteList, Statistics, Version};
use std::collections::BTreeMap;

/// `show dhcp server statistics`: junos.md §11.4. Drop rows that are zero are left out.
pub(crate) fn statistics(statistics: &Statistics) -> String {
    let mut text = String::new();
    push_line!(text, "Packets dropped:");
    row(&mut text, "Total", statistics.dropped_total);
    for Counter { label, count, .. } in statistics.packets_dropped.iter().filter(|counter| counter.count > 0) {
        row(&mut text, label, *count);
    }
    let blocks = [
        ("Messages received:", &statistics.messages_received),
        ("Messages sent:", &statistics.messages_sent),
        ("Offer Delay:", &statistics.offer_delay),
    ];
    for (title, counters) in blocks.into_iter().filter(|(_, counters)| !counters.is_empty()) {
        push_line!(text, "\n{title}");
        for Counter { label, count, .. } in counters {
            row(&mut text, label, *count);
        }
    }
    if statistics.neighbours.iter().any(|counter| counter.count > 0) {
        push_line!(text, "\nNeighbours:");
        for Counter { label, count, .. } in statistics.neighbours.iter().filter(|counter| counter.count > 0) {
            row(&mut text, label, *count);
        }
    }
    text
}

/// `show dhcp statistics summary`: the sums alone.
pub(crate) fn statistics_summary(statistics: &Statistics) -> String {
    let mut text = String::new();
    let sum = |counters: &[Counter]| counters.first().map_or(0, |counter| counter.count);
    push_line!(text, "Packets dropped:");
    row(&mut text, "Total", statistics.dropped_total);
    push_line!(text, "\nMessages received:");
    row(&mut text, "Total", sum(&statistics.messages_received));
    push_line!(text, "\nMessages sent:");
    row(&mut text, "Total", sum(&statistics.messages_sent));
    text
}

fn row(text: &mut String, label: &str, count: u64) {
    push_line!(text, "    {label:<26} {count}");
}

/// `show route`: junos.md §11.6, a table for each routing instance that has a route, the default one first.
pub(crate) fn routes(list: &RouteList) -> String {
    let mut text = String::new();
    let mut tables: BTreeMap<Option<&str>, Vec<&Route>> = BTreeMap::from([(None, Vec::new())]);
    for route in &list.routes {
        // An older daemon names none.
        let instance = Some(route.routing_instance.as_str()).filter(|name| !matches!(*name, "" | "default"));
        tables.entry(instance).or_default().push(route);
    }
    for (instance, routes) in tables {
        if let Some(instance) = instance {
            push_line!(text, "");
            text.push_str(instance);
            text.push('.');
        }
        table(&mut text, routes);
    }
    text
}

/// The routes of one routing instance.
fn table(text: &mut String, mut routes: Vec<&Route>) {
    let (total, active) = (routes.len(), routes.iter().filter(|route| route.installed).count());
    push_line!(
        text,
        "inet.0: {total} destinations, {total} routes ({active} active, 0 holddown, {} hidden)",
        total - active
    );
    push_line!(text, "+ = Active Route, - = Last Active, * = Both\n");
    routes.sort_by_key(|route| route.destination.split('/').next().and_then(|a| a.parse::<std::net::Ipv4Addr>().ok()));
    for route in routes {
        let mark = if route.installed { '*' } else { ' ' };
        let marks = [("metric", route.metric), ("tag", route.tag), ("table", route.table)];
        let marks: String =
            marks.iter().filter_map(|(name, number)| Some(format!(", {name} {}", (*number)?))).collect();
        push_line!(
            text,
            "{:<18} {mark}[{}/{}] {}{marks}",
            route.destination,
            route.protocol,
            route.preference,
            age(route.age)
        );
        match &route.gateway {
            Some(gateway) => push_line!(text, "                    > to {gateway} via {}", route.interface_name),
            None => push_line!(text, "                    > via {}", route.interface_name),
        }
    }
}

/// `hh:mm:ss`, with days and weeks before it when there are any.
fn age(secs: u64) -> String {
    let clock = format!("{:02}:{:02}:{:02}", secs / 3600 % 24, secs / 60 % 60, secs % 60);
    match (secs / 604_800, secs / 86_400 % 7) {
        (0, 0) => clock,
        (0, days) => format!("{days}d {clock}"),
        (weeks, days) => format!("{weeks}w{days}d {clock}"),
    }
}

/// `show plugins`.
pub(crate) fn plugins(list: &PluginList) -> String {
    let mut text = String::new();
    if list.plugins.is_empty() {
        return text;
    }
    let width = list.plugins.iter().map(|plugin| plugin.name.len()).max().unwrap_or(0).max(17);
    push_line!(text, "{:<width$} State     Calls       Failed    Restarts  p50 us  p99 us  Memory KiB", "Plugin");
    for plugin in &list.plugins {
        push_line!(
            text,
            "{:<width$} {:<9} {:<11} {:<9} {:<9} {:<7.1} {:<7.1} {}",
            plugin.name,
            plugin.state,
            plugin.calls,
            plugin.failed,
            plugin.restarts,
            nanos(plugin.p50_ns),
            nanos(plugin.p99_ns),
            plugin.memory_bytes / 1024
        );
        if !plugin.last_failure.is_empty() {
            push_line!(text, "    last failure: {}", plugin.last_failure);
        }
        for Counter { label, count, .. } in plugin.failures.iter().filter(|counter| counter.count > 0) {
            push_line!(text, "    {label:<26} {count}");
        }
        for Counter { label, count, .. } in &plugin.counters {
            push_line!(text, "    {label:<26} {count}");
        }
    }
    text
}

fn nanos(nanos: u64) -> f64 {
    // Shown with one digit behind the point: the loss of an f64 is far below.
    std::time::Duration::from_nanos(nanos).as_secs_f64() * 1e6
}

/// `show version`.
pub(crate) fn version(version: &Version) -> String {
    format!(
        "{} {}\nAPI version: {}\nConfiguration revision: {}\nUptime: {}\n",
        version.name,
        version.version,
        version.api,
        version.revision,
        age(version.uptime)
    )
}

/// `request system reload`.
pub(crate) fn reloaded(reloaded: &Reloaded) -> String {
    let mut text = String::new();
    if reloaded.changes.is_empty() {
        push_line!(text, "no change; revision {} stays active", reloaded.revision);
        return text;
    }
    push_line!(text, "revision {} is active", reloaded.revision);
    for change in &reloaded.changes {
        push_line!(text, "    {change}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn statistics_leave_out_zero_drops_only() {
        let counter = |label: &str, count| Counter { name: label.to_lowercase(), label: label.into(), count };
        let text = statistics(&Statistics {
            dropped_total: 2,
            packets_dropped: vec![counter("Bad options", 2), counter("Hop limit", 0)],
            messages_received: vec![counter("BOOTREQUEST", 9)],
            messages_sent: vec![counter("DHCPNAK", 0)],
            offer_delay: vec![counter("DELAYED", 0), counter("INPROGRESS", 1), counter("TOTAL", 1)],
            neighbours: vec![counter("Address probes sent", 0)],
        });
        expect![[r"
            Packets dropped:
                Total                      2
                Bad options                2

            Messages received:
                BOOTREQUEST                9

            Messages sent:
                DHCPNAK                    0

            Offer Delay:
                DELAYED                    0
                INPROGRESS                 1
                TOTAL                      1
        "]]
        .assert_eq(&text);
    }

    #[test]
    fn a_route() {
        let own = Route {
            destination: "198.51.100.15/32".into(),
            routing_instance: "default".into(),
            protocol: "Access-internal".into(),
            preference: 12,
            age: 192,
            interface_name: "eth1".into(),
            gateway: None,
            source: None,
            metric: None,
            table: None,
            tag: None,
            session_id: 1,
            installed: true,
        };
        let behind = Route {
            destination: "10.9.0.0/24".into(),
            protocol: "Access".into(),
            preference: 13,
            gateway: Some("198.51.100.15".into()),
            metric: Some(10),
            table: Some(7),
            tag: Some(3),
            installed: false,
            ..own.clone()
        };
        let red = Route { routing_instance: "red".into(), ..own.clone() };
        let text = routes(&RouteList { routes: vec![red, own, behind] });
        expect![[r"
            inet.0: 2 destinations, 2 routes (1 active, 0 holddown, 1 hidden)
            + = Active Route, - = Last Active, * = Both

            10.9.0.0/24         [Access/13] 00:03:12, metric 10, tag 3, table 7
                                > to 198.51.100.15 via eth1
            198.51.100.15/32   *[Access-internal/12] 00:03:12
                                > via eth1

            red.inet.0: 1 destinations, 1 routes (1 active, 0 holddown, 0 hidden)
            + = Active Route, - = Last Active, * = Both

            198.51.100.15/32   *[Access-internal/12] 00:03:12
                                > via eth1
        "]]
        .assert_eq(&text);
    }

    #[test]
    fn ages() {
        assert_eq!(age(59), "00:00:59");
        assert_eq!(age(90_061), "1d 01:01:01");
        assert_eq!(age(694_861), "1w1d 01:01:01");
    }
}
