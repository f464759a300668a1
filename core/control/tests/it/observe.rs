//! Statistics by interface, the history, and the numbers for Prometheus.

use crate::Served;
use bindery_api::{HistoryList, Permission, Statistics};
use bindery_api_check::Exposition;

/// The interface of the daemon in memory, which is in no group.
const INTERFACE: &str = "eth1";

fn dropped(statistics: &Statistics, name: &str) -> u64 {
    statistics.packets_dropped.iter().find(|counter| counter.name == name).map_or(0, |counter| counter.count)
}

#[tokio::test(start_paused = true)]
async fn statistics_of_one_interface_and_of_all() {
    let served = Served::new(Some(Permission::Clear));
    served.daemon.receive(b"short");
    for path in ["/v1/dhcp/statistics", "/v1/dhcp/statistics?interface=eth1", "/v1/dhcp/server/statistics"] {
        let statistics: Statistics = serde_json::from_str(&served.get(path).await.body).unwrap();
        assert_eq!((statistics.dropped_total, dropped(&statistics, "too-short")), (1, 1), "{path}");
    }
    let text = served.get("/v1/dhcp/statistics?interface=eth9").await.error(404);
    assert_eq!(text, "there is no interface `eth9`");
    served.get("/v1/dhcp/statistics?interface=eth*").await.error(400);
    served.post("/v1/dhcp/statistics/clear?interface=eth9", b"").await.error(404);
    assert_eq!(served.post("/v1/dhcp/statistics/clear?interface=eth1", b"").await.status, 200);
    let of = async |path: &str| -> u64 {
        serde_json::from_str::<Statistics>(&served.get(path).await.body).unwrap().dropped_total
    };
    assert_eq!(of("/v1/dhcp/statistics?interface=eth1").await, 0);
    assert_eq!(of("/v1/dhcp/statistics").await, 1, "the totals stay");
    assert_eq!(served.post("/v1/dhcp/statistics/clear", b"").await.status, 200);
    assert_eq!(of("/v1/dhcp/statistics").await, 0);
}

#[tokio::test(start_paused = true)]
async fn the_history_of_a_client() {
    let served = Served::new(Some(Permission::Clear));
    let of = async |query: &str| -> HistoryList {
        serde_json::from_str(&served.get(&format!("/v1/dhcp/server/history?{query}")).await.body).unwrap()
    };
    let list = of("address=10.0.0.7").await;
    let what: Vec<&str> = list.entries.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!((what, list.left_out), (vec!["imported"], 0));
    assert_eq!(served.post("/v1/dhcp/server/bindings/clear?address=10.0.0.7", b"").await.status, 200);
    let session = list.entries[0].session_id.unwrap();
    let mac = list.entries[0].mac_address.clone().unwrap();
    for query in ["address=10.0.0.7".to_owned(), format!("session={session}"), format!("mac={mac}")] {
        let list = of(&query).await;
        let last = list.entries.last().unwrap();
        assert_eq!((last.what.as_str(), last.why.as_deref()), ("cleared", Some("operator")), "{query}");
        assert_eq!(last.operator, Some(1_000), "whoever is at the other end");
        assert_eq!(last.text, format!("cleared 10.0.0.7, by an operator (uid 1000), session {session}"));
    }
    for (query, why) in [
        ("", "give one of address, mac, session, client-id"),
        ("mac=02:00:00:00:00:01&session=1", "give one of address, mac, session, client-id"),
        ("client-id=0", "`0` is not an even number of hexadecimal digits"),
        ("address=nowhere", "`nowhere` is no IPv4 address"),
    ] {
        assert_eq!(served.get(&format!("/v1/dhcp/server/history?{query}")).await.error(400), why);
    }
    assert!(of("client-id=01ff").await.entries.is_empty());
}

#[tokio::test(start_paused = true)]
async fn numbers_for_prometheus() {
    let served = Served::new(Some(Permission::View));
    served.daemon.receive(b"short");
    let answer = served.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
    let read = Exposition::read(&answer.body).unwrap_or_else(|why| panic!("{why}"));
    for (sample, value) in [
        ("bindery_sessions{state=\"bound\"}", 300.0),
        ("bindery_pool_addresses_used{pool=\"p\",routing_instance=\"default\"}", 300.0),
        ("bindery_packets_dropped_total{reason=\"too-short\"}", 1.0),
        ("bindery_packets_dropped_total{reason=\"hop-limit\"}", 0.0),
        ("bindery_interface_packets_dropped_total{interface=\"eth1\",reason=\"too-short\"}", 1.0),
        ("bindery_queue_length{queue=\"store\"}", 0.0),
        ("bindery_store_up", 1.0),
    ] {
        assert_eq!(read.get(sample), Some(value), "{sample} in {}", answer.body);
    }
    for start in ["bindery_plugin_calls_total{", "bindery_radius_server_up{", "bindery_aaa_total{"] {
        assert!(read.names().any(|name| name.starts_with(start)), "{start}");
    }
    let zeros = read.names().filter(|name| name.starts_with("bindery_interface_")).count();
    assert_eq!(zeros, 1, "of {INTERFACE} only what is not zero");
}
