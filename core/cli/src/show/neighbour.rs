//! Foreign DHCP servers, and clients that do not answer.

use super::{push_line, time};
use bindery_api::{BindingList, RogueServerList};

/// `show dhcp server rogue-servers`.
pub(crate) fn rogue_servers(list: &RogueServerList) -> String {
    let mut text = String::new();
    if list.rogue_servers.is_empty() {
        return text;
    }
    push_line!(
        text,
        "{:<17} {:<19} {:<9} {:<17} {:<9} {:<25} {:<25} Interface",
        "Server address",
        "Hardware address",
        "Found by",
        "Offered address",
        "Messages",
        "First seen",
        "Last seen"
    );
    for server in &list.rogue_servers {
        push_line!(
            text,
            "{:<17} {:<19} {:<9} {:<17} {:<9} {:<25} {:<25} {}",
            server.server_address,
            server.mac_address.as_deref().unwrap_or("-"),
            server.evidence,
            server.offered_address.as_deref().unwrap_or("-"),
            server.count,
            time(server.first_seen_time),
            time(server.last_seen_time),
            server.interface_name
        );
    }
    text
}

/// `show system subscriber-management dhcpv4-liveness-detection`: clients that have not answered.
pub(crate) fn liveness(list: &BindingList) -> String {
    let mut text = String::new();
    if list.bindings.is_empty() {
        return text;
    }
    push_line!(text, "IP address        Session Id  Hardware address   State      Last packet               Interface");
    for row in &list.bindings {
        let state = row.liveness_detection_state.as_deref().unwrap_or("-").to_uppercase();
        push_line!(
            text,
            "{:<17} {:<11} {:<18} {state:<10} {:<25} {}",
            row.allocated_address,
            row.session_id,
            row.mac_address,
            time(row.last_packet_received_time),
            row.interface_name
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use bindery_api::RogueServer;

    #[test]
    fn a_client_that_is_silent() {
        let binding = crate::show::tests::binding();
        let silent = bindery_api::Binding { liveness_detection_state: Some("probing".into()), ..binding };
        let text = liveness(&BindingList { bindings: vec![silent] });
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("IP address        Session Id  Hardware address   State      Last packet"));
        assert!(lines[1].starts_with("192.0.2.10        7           02:00:00:00:00:01  PROBING    19"), "{text}");
        assert!(lines[1].ends_with(" eth1"));
        assert_eq!(liveness(&BindingList::default()), "");
    }

    #[test]
    fn a_server_that_was_heard_and_one_that_was_named() {
        let heard = RogueServer {
            interface_name: "eth1".into(),
            server_address: "10.0.0.66".into(),
            mac_address: Some("02:00:00:00:00:66".into()),
            evidence: "reply".into(),
            first_seen_time: 1_800_000_000,
            last_seen_time: 1_800_000_060,
            count: 3,
            offered_address: Some("10.0.0.150".into()),
        };
        let named =
            RogueServer { mac_address: None, evidence: "request".into(), offered_address: None, ..heard.clone() };
        let text = rogue_servers(&RogueServerList { rogue_servers: vec![heard, named] });
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("Server address    Hardware address    Found by  Offered address   Messages"));
        assert!(lines[1].starts_with("10.0.0.66         02:00:00:00:00:66   reply     10.0.0.150        3         20"));
        assert!(lines[2].starts_with("10.0.0.66         -                   request   -                 3         20"));
        assert!(lines.iter().skip(1).all(|line| line.ends_with(" eth1")));
        assert_eq!(rogue_servers(&RogueServerList::default()), "");
    }
}
