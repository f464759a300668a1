//! Bindings: junos.md §11.1 to §11.3.

use super::push_line;
use bindery_api::{Binding, BindingList, BindingSummary, CapabilityList, Cleared, Reconfigured};

/// `show dhcp server binding`.
pub(crate) fn bindings(list: &BindingList) -> String {
    let mut text = String::new();
    if list.bindings.is_empty() {
        return text;
    }
    push_line!(text, "IP address        Session Id  Hardware address   Expires     State      Interface");
    let mut rows: Vec<&Binding> = list.bindings.iter().collect();
    rows.sort_by_key(|row| address_key(&row.allocated_address));
    for row in rows {
        let expires = row.lease_expires.map_or_else(|| "never".to_owned(), |secs| secs.to_string());
        push_line!(
            text,
            "{:<17} {:<11} {:<18} {:<11} {:<10} {}",
            row.allocated_address,
            row.session_id,
            row.mac_address,
            expires,
            row.lease_state,
            row.interface_name
        );
    }
    text
}

fn address_key(address: &str) -> Option<std::net::Ipv4Addr> {
    address.parse().ok()
}

/// `show dhcp server binding detail`: labels and order of Junos.
pub(crate) fn bindings_detail(list: &BindingList) -> String {
    let mut text = String::new();
    let mut rows: Vec<&Binding> = list.bindings.iter().collect();
    rows.sort_by_key(|row| address_key(&row.allocated_address));
    for row in rows {
        if !text.is_empty() {
            text.push('\n');
        }
        detail(&mut text, row);
    }
    text
}

fn detail(text: &mut String, row: &Binding) {
    push_line!(text, "Client IP Address: {}", row.allocated_address);
    let mut field = |label: &str, value: &str| push_line!(text, "     {:<32}{value}", format!("{label}:"));
    field("Hardware Address", &row.mac_address);
    field("State", &format!("{0}(LOCAL_SERVER_STATE_{0})", row.lease_state));
    if let Some(protocol) = &row.protocol_used {
        field("Protocol-Used", protocol);
    }
    let ends = row.lease_end_time.map_or_else(|| "never".to_owned(), time);
    field("Lease Expires", &ends);
    if let Some(secs) = row.lease_expires {
        field("Lease Expires in", &format!("{secs} seconds"));
    }
    field("Lease Start", &time(row.lease_start_time));
    field("Lease time violated", if row.lease_time_violated { "yes" } else { "no" });
    field("Last Packet Received", &time(row.last_packet_received_time));
    field("Incoming Client Interface", &row.interface_name);
    for (label, tag) in [("Client Interface Svlan Id", row.svlan_id), ("Client Interface Vlan Id", row.vlan_id)] {
        if let Some(tag) = tag {
            field(label, &tag.to_string());
        }
    }
    field("Server Identifier", &row.server_identifier);
    if let Some(relay) = &row.bootp_relay_address {
        field("Bootp Relay Address", relay);
    }
    field("Session Id", &row.session_id.to_string());
    field("Client Pool Name", &row.pool_name);
    field("Reconfigure Status", &row.reconfigure_status);
    ours(text, row);
}

/// What has no place in Junos's text: fields that its XML alone has, then our own.
fn ours(text: &mut String, row: &Binding) {
    let mut field = |label: &str, value: &str| push_line!(text, "     {:<32}{value}", format!("{label}:"));
    if row.routing_instance != "default" {
        field("Routing Instance", &row.routing_instance);
    }
    field("Client Group Name", &row.group_name);
    let secs = |secs: Option<u64>| secs.map(|secs| format!("{secs} seconds"));
    let number = |number: Option<u8>| number.map(|number| number.to_string());
    let fields = [
        ("Hardware Type", number(row.hardware_type)),
        ("Client Id", row.client_id.clone()),
        ("Client IAID", row.client_iaid.map(|iaid| format!("0x{iaid:x}"))),
        ("Client DUID", row.client_duid.clone()),
        ("Option 82", row.option_82.clone()),
        ("Agent Circuit ID", row.circuit_id.clone()),
        ("Agent Remote ID", row.remote_id.clone()),
        ("Vendor Class", row.vendor_class.clone()),
        ("Host Name", row.host_name.clone()),
        ("T1 Renewal in", secs(row.t1_renewal_time)),
        ("T2 Rebinding in", secs(row.t2_rebinding_time)),
        ("Last Xid", row.xid.clone()),
        ("User Name", row.user_name.clone()),
        ("Session Timeout in", secs(row.session_timeout)),
        ("Accounting Session ID", row.accounting_session_id.clone()),
        ("Multi Accounting Session ID", row.multi_accounting_session_id.clone()),
        ("Reconfigure Attempts", number(row.reconfigure_attempts)),
        ("Reconfigure Next in", secs(row.reconfigure_next)),
    ];
    for (label, value) in fields {
        if let Some(value) = value {
            field(label, &value);
        }
    }
    if let (Some(state), Some(method)) = (&row.liveness_detection_state, &row.liveness_detection_method) {
        field("Liveness Detection State", &state.to_uppercase());
        field("Liveness Detection Method", method);
    }
    field("Reconfigure Capability", &row.reconfigure_capability);
    field("Access-internal Route", &row.route_state);
}

/// `YYYY-MM-DD hh:mm:ss TZ` in the time zone of the machine.
pub(crate) fn time(secs: u64) -> String {
    let stamp = i64::try_from(secs).ok().and_then(|secs| jiff::Timestamp::from_second(secs).ok());
    match stamp {
        Some(stamp) => {
            let zoned = stamp.to_zoned(jiff::tz::TimeZone::system());
            zoned.strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
        }
        None => secs.to_string(),
    }
}

/// `show dhcp server binding summary`.
pub(crate) fn summary(summary: &BindingSummary) -> String {
    let BindingSummary { clients, init, bound, selecting, requesting, renewing, releasing, reconfiguring } = summary;
    let also = if *reconfiguring > 0 { format!(", {reconfiguring} reconfiguring") } else { String::new() };
    format!(
        "{clients} clients, ({init} init, {bound} bound, {selecting} selecting, {requesting} requesting, {renewing} \
         renewing, {releasing} releasing{also})\n"
    )
}

/// `clear dhcp server binding`.
pub(crate) fn cleared(cleared: Cleared) -> String {
    format!("{} bindings cleared\n", cleared.cleared)
}

/// `request dhcp server reconfigure`.
pub(crate) fn reconfigured(done: Reconfigured) -> String {
    let mut text = format!("{} clients are being reconfigured\n", done.started);
    let also = [
        (done.ignored, "were so already, or had ended"),
        (done.cleared, "had only an offer, which was taken back"),
        (done.not_configured, "are in a group without `reconfigure`: nothing was done"),
    ];
    for (count, what) in also.into_iter().filter(|(count, _)| *count > 0) {
        push_line!(text, "{count} {what}");
    }
    text
}

/// `show dhcp server reconfigure capability`.
pub(crate) fn capability(list: &CapabilityList) -> String {
    let mut text = String::new();
    let head = ["Clients", "Offer nonce", "Nonce", "Token", "Plain", "Nothing", "Unknown"];
    let [clients, offer, nonce, token, plain, nothing, unknown] = head;
    push_line!(
        text,
        "{clients:>8}  {offer:>11}  {nonce:>8}  {token:>8}  {plain:>8}  {nothing:>8}  {unknown:>8}  Vendor class"
    );
    for row in &list.capabilities {
        let class = row.vendor_class.as_deref().unwrap_or("-");
        push_line!(
            text,
            "{:>8}  {:>11}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}  {class}",
            row.clients,
            row.offer_nonce,
            row.nonce,
            row.token,
            row.plain,
            row.nothing,
            row.unknown
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn binding() -> Binding {
        Binding {
            session_id: 6,
            allocated_address: "198.51.100.15".into(),
            mac_address: "00:00:5e:00:53:01".into(),
            lease_state: "BOUND".into(),
            lease_expires: Some(86180),
            lease_end_time: Some(1_800_086_180),
            lease_start_time: 1_800_000_000,
            last_packet_received_time: 1_800_000_000,
            interface_name: "ge-1/0/0.0".into(),
            server_identifier: "198.51.100.1".into(),
            protocol_used: Some("DHCP".into()),
            svlan_id: Some(100),
            vlan_id: Some(7),
            circuit_id: Some("port 1".into()),
            t1_renewal_time: Some(40_000),
            pool_name: "res".into(),
            group_name: "access".into(),
            routing_instance: "default".into(),
            option_82: Some("0106".into()),
            client_id: Some("ff0000000700030001020000000001".into()),
            client_iaid: Some(7),
            client_duid: Some("LL0x1-02:00:00:00:00:01".into()),
            user_name: Some("alice@isp.net".into()),
            session_timeout: Some(77),
            accounting_session_id: Some("6-1000".into()),
            reconfigure_status: "none".into(),
            reconfigure_capability: "unknown".into(),
            route_state: "installed".into(),
            ..Binding::default()
        }
    }

    #[test]
    fn brief() {
        let other = Binding {
            allocated_address: "198.51.100.2".into(),
            session_id: 1_234_567,
            lease_expires: None,
            ..binding()
        };
        let text = bindings(&BindingList { bindings: vec![binding(), other] });
        expect![[r"
            IP address        Session Id  Hardware address   Expires     State      Interface
            198.51.100.2      1234567     00:00:5e:00:53:01  never       BOUND      ge-1/0/0.0
            198.51.100.15     6           00:00:5e:00:53:01  86180       BOUND      ge-1/0/0.0
        "]]
        .assert_eq(&text);
    }

    #[test]
    fn detail_has_junos_labels() {
        let text = bindings_detail(&BindingList { bindings: vec![binding()] });
        for label in ["Client IP Address: 198.51.100.15", "State:", "BOUND(LOCAL_SERVER_STATE_BOUND)", "Session Id:"] {
            assert!(text.contains(label), "{text}");
        }
        for value in
            ["alice@isp.net", "77 seconds", "6-1000", "port 1", "40000 seconds", "0x7", "LL0x1-02:00:00:00:00:01"]
        {
            assert!(text.contains(value), "{text}");
        }
        assert!(!text.contains("Multi"), "{text}");
    }

    #[test]
    fn detail_has_the_order_of_junos() {
        let relayed = Binding { bootp_relay_address: Some("198.51.100.9".into()), ..binding() };
        let text = bindings_detail(&BindingList { bindings: vec![relayed] });
        let label = |line: &str| line.split(':').next().unwrap_or_default().trim().to_owned();
        let labels: Vec<String> = text.lines().map(label).collect();
        // junos.md §11.3.
        let junos = [
            "Client IP Address",
            "Hardware Address",
            "State",
            "Protocol-Used",
            "Lease Expires",
            "Lease Expires in",
            "Lease Start",
            "Lease time violated",
            "Last Packet Received",
            "Incoming Client Interface",
            "Client Interface Svlan Id",
            "Client Interface Vlan Id",
            "Server Identifier",
            "Bootp Relay Address",
            "Session Id",
            "Client Pool Name",
            "Reconfigure Status",
        ];
        let shown: Vec<&String> = labels.iter().filter(|label| junos.contains(&label.as_str())).collect();
        assert_eq!(shown, junos, "{text}");
        assert_eq!(labels[..junos.len()], junos, "ours come behind them: {text}");
    }

    #[test]
    fn summary_line() {
        let text = summary(&BindingSummary { clients: 3, bound: 3, ..BindingSummary::default() });
        expect![[r"
            3 clients, (0 init, 3 bound, 0 selecting, 0 requesting, 0 renewing, 0 releasing)
        "]]
        .assert_eq(&text);
    }
}
