//! The engine's views in the API's words.

use bindery_api::{
    Binding, BindingSummary, Capability, Counter, HistoryEntry, Lockout, Pool, PoolList, RogueServer, Route,
    RouteProtocol, Statistics,
};
use bindery_engine::{
    command::{BindingView, CapabilityRow, LockoutView, PoolView, PublicState, RouteState, RouteView, Summary},
    event::{Counters, DropReason},
    history::HistoryView,
    neighbour::{
        liveness::LivenessState,
        rogue::{Evidence, RogueView},
    },
    reconfigure::{Capability as Reconfigurable, Phase, Purpose},
    record::DurableState,
};
use bindery_types::{Ipv4Addr, MacAddr, Xid};
use bindery_wire::v4::{MessageType, NodeIdentifier, RelayAgentInformation};
use std::{
    fmt::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Seconds since 1970 by the wall clock of now.
pub(crate) fn wall() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs())
}

/// A binding; times of the lease clock are told relative to `wall`, the wall clock of now.
pub(crate) fn binding(view: &BindingView, wall: u64) -> Binding {
    let node = NodeIdentifier::read(&view.client_id);
    let (tags, relay_info) = (vlan_tags(&view.interface), RelayAgentInformation::new(&view.relay_info));
    Binding {
        session_id: view.session.0,
        allocated_address: view.address.to_string(),
        mac_address: view.hw.to_string(),
        lease_state: state(view.state).to_owned(),
        lease_expires: view.expires_in,
        protocol_used: Some(if view.bootp { "BOOTP" } else { "DHCP" }.to_owned()),
        lease_end_time: view.expires_in.map(|secs| wall.saturating_add(secs)),
        lease_start_time: wall.saturating_sub(view.started_ago),
        last_packet_received_time: wall.saturating_sub(view.last_packet_ago),
        interface_name: view.interface.to_string(),
        routing_instance: view.instance.to_string(),
        svlan_id: tags.0,
        vlan_id: tags.1,
        server_identifier: view.server_id.to_string(),
        bootp_relay_address: some_address(view.giaddr),
        pool_name: view.pool.to_string(),
        group_name: view.group.to_string(),
        client_id: some_hex(&view.client_id),
        client_iaid: node.map(|node| node.iaid),
        client_duid: node.map(|node| node.duid.to_string()),
        option_82: some_hex(&view.relay_info),
        circuit_id: relay_info.circuit_id().and_then(text_or_hex),
        remote_id: relay_info.remote_id().and_then(text_or_hex),
        vendor_class: some_text(&view.vendor_class),
        host_name: some_text(&view.host_name),
        user_name: some_text(view.subscriber.username.as_bytes()),
        t1_renewal_time: view.timers[0],
        t2_rebinding_time: view.timers[1],
        hardware_type: Some(view.hw.htype),
        xid: Some(format!("0x{:08x}", view.xid.0)),
        session_timeout: view.subscriber.ends.map(|ends| view.start.plus_secs(view.started_ago).secs_until(ends)),
        accounting_session_id: Some(format!("{}-{}", view.session.0, view.start.0)),
        multi_accounting_session_id: (view.multi_session != view.session).then(|| view.multi_session.0.to_string()),
        lease_time_violated: view.lease_time_violated,
        reconfigure_status: match view.reconfigure.phase {
            Phase::Idle => "none",
            Phase::Reconfiguring(Purpose::Renumber) => "reconfiguring",
            Phase::Reconfiguring(Purpose::Refresh) => "refreshing",
            Phase::DeferredNak => "deferred-nack",
        }
        .to_owned(),
        reconfigure_attempts: Some(view.reconfigure.attempts).filter(|attempts| *attempts > 0),
        reconfigure_next: view.reconfigure.next_in,
        reconfigure_capability: match view.reconfigure.capability {
            Reconfigurable::Unknown => "unknown",
            Reconfigurable::Nonce => "nonce",
            Reconfigurable::Token => "token",
            Reconfigurable::Plain => "plain",
            Reconfigurable::Deaf => "nothing",
        }
        .to_owned(),
        liveness_detection_state: view.liveness.map(|state| liveness(state).to_owned()),
        liveness_detection_method: view.liveness.map(|_| "layer2-liveness-detection".to_owned()),
        route_state: route_state(view.state, view.route).to_owned(),
    }
}

/// Of an offer and of what has ended nobody asks why there is no route.
const fn route_state(state: PublicState, route: RouteState) -> &'static str {
    match (route, state) {
        (RouteState::NotOnLink, PublicState::Selecting | PublicState::Ended(_)) => "none",
        (RouteState::NotOnLink, _) => "relay-not-on-link",
        (RouteState::Suppressed, _) => "suppressed",
        (RouteState::Pending, _) => "pending",
        (RouteState::Installed, _) => "installed",
    }
}

const fn liveness(state: LivenessState) -> &'static str {
    match state {
        LivenessState::Up => "up",
        LivenessState::Probing(_) => "probing",
        LivenessState::Down => "down",
    }
}

/// A client of `short-cycle-protection`.
pub(crate) fn lockout(view: &LockoutView, wall: u64) -> Lockout {
    let client = some_hex(&view.client_id).unwrap_or_else(|| view.hw.to_string());
    let circuit = text_or_hex(&view.circuit_id).map(|circuit| format!(" circuit {circuit}")).unwrap_or_default();
    let (state, left) = match view.locked_for {
        Duration::ZERO => ("grace", view.forgotten_in),
        locked => ("lockout", locked),
    };
    // A part of a second is still locked.
    let left = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    Lockout {
        index: view.index,
        key: format!("{client} on {}{circuit}", view.interface),
        mac_address: view.hw.to_string(),
        interface_name: view.interface.to_string(),
        state: state.to_owned(),
        expiry_time: wall.saturating_add(left),
        expiry_relative_time: left,
        elapsed_time: view.elapsed.as_secs(),
        count: view.count,
        next_time: view.next_secs,
        min_time: view.min_secs,
        max_time: view.max_secs,
        err_code: view.cause.name().to_owned(),
    }
}

/// A foreign server.
pub(crate) fn rogue_server(view: &RogueView, wall: u64) -> RogueServer {
    RogueServer {
        interface_name: view.interface.to_string(),
        server_address: view.server.to_string(),
        mac_address: view.mac.map(|mac| mac.to_string()),
        evidence: match view.evidence {
            Evidence::Reply => "reply",
            Evidence::Request => "request",
        }
        .to_owned(),
        first_seen_time: wall.saturating_sub(view.first_seen_ago),
        last_seen_time: wall.saturating_sub(view.last_seen_ago),
        count: view.count,
        offered_address: some_address(view.offered),
    }
}

/// Outer and inner VLAN tag, as the name of a VLAN device has them: `eth1.7`, `eth1.100.7`.
fn vlan_tags(interface: &str) -> (Option<u16>, Option<u16>) {
    let tag = |part: Option<&str>| part?.parse().ok().filter(|tag| (1..=4_094).contains(tag));
    let mut parts = interface.rsplitn(3, '.');
    let (last, before) = (parts.next(), parts.next());
    let Some(inner) = tag(last).filter(|_| before.is_some()) else { return (None, None) };
    match (tag(before), parts.next()) {
        (Some(outer), Some(_)) => (Some(outer), Some(inner)),
        _ => (None, Some(inner)),
    }
}

/// What a relay has put into a sub-option: text where it is printable, else hexadecimal digits behind `0x`.
fn text_or_hex(bytes: &[u8]) -> Option<String> {
    let printable = bytes.iter().all(|byte| (0x20..0x7f).contains(byte));
    (!bytes.is_empty())
        .then(|| if printable { some_text(bytes).unwrap_or_default() } else { format!("0x{}", hex(bytes)) })
}

/// An entry of somebody's history.
pub(crate) fn history(view: &HistoryView) -> HistoryEntry {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let message = view.message.map(|message| message.name().to_owned());
    HistoryEntry {
        time: view.at,
        exchange: view.exchange,
        what: view.what.name().to_owned(),
        why: some(view.why.name()),
        dropped: view.dropped.map(|reason| reason.name().to_owned()),
        message,
        times: view.times,
        session_id: view.session.map(|id| id.0),
        mac_address: (view.mac != MacAddr::default()).then(|| view.mac.to_string()),
        address: some_address(view.address),
        interface_name: some(&view.interface),
        xid: (view.xid != Xid(0)).then(|| format!("0x{:08x}", view.xid.0)),
        pool_name: some(&view.pool),
        plugin: some(&view.plugin),
        operator: view.operator,
        revision: view.revision,
        text: view.to_string(),
    }
}

/// Public states of Junos (junos.md §12.1); ended sessions say how they ended.
fn state(state: PublicState) -> &'static str {
    match state {
        PublicState::Selecting => "SELECTING",
        PublicState::Requesting => "REQUESTING",
        PublicState::Bound => "BOUND",
        PublicState::Renewing => "RENEWING",
        PublicState::Reconfiguring => "RECONFIGURE",
        PublicState::Releasing => "RELEASE",
        PublicState::Ended(DurableState::Bound) => "BOUND",
        PublicState::Ended(DurableState::Released) => "RELEASED",
        PublicState::Ended(DurableState::Expired) => "EXPIRED",
        PublicState::Ended(DurableState::Cleared) => "CLEARED",
        PublicState::Ended(DurableState::Declined) => "DECLINED",
    }
}

fn some_address(address: Ipv4Addr) -> Option<String> {
    (!address.is_unspecified()).then(|| address.to_string())
}

fn some_hex(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| hex(bytes))
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What a client sent, as text that a terminal can show: anything else than printable ASCII is escaped.
fn some_text(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| bytes.escape_ascii().to_string())
}

pub(crate) fn summary(summary: &Summary) -> BindingSummary {
    let &Summary { init, bound, selecting, requesting, renewing, releasing, reconfiguring, restoring: _ } = summary;
    let clients = init + bound + selecting + requesting + renewing + releasing;
    BindingSummary { clients, init, bound, selecting, requesting, renewing, releasing, reconfiguring }
}

/// A row of the census.
pub(crate) fn capability(row: &CapabilityRow) -> Capability {
    Capability {
        vendor_class: some_text(&row.vendor_class),
        clients: row.clients,
        offer_nonce: row.offer_nonce,
        nonce: row.nonce,
        token: row.token,
        plain: row.plain,
        nothing: row.deaf,
        unknown: row.unknown,
    }
}

pub(crate) fn protocol(view: &RouteView) -> RouteProtocol {
    if view.access_internal { RouteProtocol::AccessInternal } else { RouteProtocol::Access }
}

pub(crate) fn route(view: &RouteView) -> Route {
    let (protocol, preference) = match protocol(view) {
        RouteProtocol::AccessInternal => ("Access-internal", 12),
        RouteProtocol::Access => ("Access", 13),
    };
    Route {
        destination: format!("{}/{}", view.dst, view.len),
        routing_instance: view.instance.to_string(),
        protocol: protocol.to_owned(),
        preference,
        age: view.age_secs,
        interface_name: view.interface.to_string(),
        gateway: view.via.map(|via| via.to_string()),
        source: view.src.map(|src| src.to_string()),
        metric: view.metric,
        table: view.table,
        tag: view.tag,
        session_id: view.session.0,
        installed: view.installed,
    }
}

pub(crate) fn pools(views: Vec<PoolView>) -> PoolList {
    let pool = |view: PoolView| Pool {
        used: view.used(),
        pool_name: view.name.into(),
        routing_instance: view.instance_name.into(),
        total: view.total,
        quarantined: view.quarantined,
        free: view.free,
        offered: view.offered,
        bound: view.bound,
        held: view.held,
        percent: view.percent,
        utilization: if view.high { "high" } else { "normal" }.to_owned(),
        high_utilization: view.thresholds.map(|(high, _)| high),
        abated_utilization: view.thresholds.map(|(_, abated)| abated),
        drain: match (view.active_drain, view.hold_down) {
            (true, _) => "active-drain",
            (false, true) => "hold-down",
            (false, false) => "none",
        }
        .to_owned(),
        network: view.network.to_string(),
        link: view.link.map(String::from),
    };
    PoolList { pools: views.into_iter().map(pool).collect() }
}

/// What a server receives and sends, in Junos's order (junos.md §11.4).
const RECEIVED: [MessageType; 6] = [
    MessageType::Decline,
    MessageType::Discover,
    MessageType::Inform,
    MessageType::Release,
    MessageType::Request,
    MessageType::LeaseQuery,
];
const SENT: [MessageType; 7] = [
    MessageType::Offer,
    MessageType::Ack,
    MessageType::Nak,
    MessageType::ForceRenew,
    MessageType::LeaseUnassigned,
    MessageType::LeaseUnknown,
    MessageType::LeaseActive,
];

pub(crate) fn statistics(counters: &Counters) -> Statistics {
    let drops = DropReason::ALL.into_iter().zip(counters.dropped);
    let packets_dropped: Vec<Counter> = drops
        .map(|(reason, count)| Counter { name: reason.name().to_owned(), label: reason.label().to_owned(), count })
        .collect();
    let by_type = |counts: &[u64], types: &[MessageType]| -> Vec<Counter> {
        let row = |message: &MessageType| Counter {
            name: message.name().to_lowercase(),
            label: message.name().to_owned(),
            count: counts.get(*message as usize).copied().unwrap_or(0),
        };
        types.iter().map(row).collect()
    };
    let total = |label: &str, counts: &[u64]| Counter {
        name: label.to_lowercase(),
        label: label.to_owned(),
        count: counts.iter().sum(),
    };
    let mut messages_received = vec![total("BOOTREQUEST", &counters.received)];
    messages_received.extend(by_type(&counters.received, &RECEIVED));
    let mut messages_sent = vec![total("BOOTREPLY", &counters.sent)];
    messages_sent.extend(by_type(&counters.sent, &SENT));
    let row =
        |(name, label, count): (&str, &str, u64)| Counter { name: name.to_owned(), label: label.to_owned(), count };
    let neighbours = counters.neighbours.rows().map(row).to_vec();
    let offer_delay = counters.offer_delay.rows().map(row).to_vec();
    let dropped_total = counters.dropped.iter().sum();
    Statistics { dropped_total, packets_dropped, messages_received, messages_sent, offer_delay, neighbours }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send_cannot_steer_a_terminal() {
        assert_eq!(some_text(b"ok\x1b[2J\xff"), Some("ok\\x1b[2J\\xff".to_owned()));
        assert_eq!(some_text(b""), None);
    }

    #[test]
    fn tags_are_read_from_names_of_vlan_devices() {
        assert_eq!(vlan_tags("eth1"), (None, None));
        assert_eq!(vlan_tags("eth1.7"), (None, Some(7)));
        assert_eq!(vlan_tags("ge-0/0/1.100.7"), (Some(100), Some(7)));
        assert_eq!(vlan_tags("eth1.5000"), (None, None));
        assert_eq!(vlan_tags("7"), (None, None));
    }

    #[test]
    fn what_has_no_lease_lacks_no_route() {
        let quarantined = PublicState::Ended(DurableState::Declined);
        assert_eq!(route_state(quarantined, RouteState::NotOnLink), "none");
        assert_eq!(route_state(PublicState::Selecting, RouteState::NotOnLink), "none");
        assert_eq!(route_state(PublicState::Bound, RouteState::NotOnLink), "relay-not-on-link");
    }

    #[test]
    fn every_drop_reason_is_a_row() {
        let mut counters = Counters::default();
        for reason in DropReason::ALL {
            counters.drop(reason);
        }
        let statistics = statistics(&counters);
        assert_eq!(statistics.dropped_total, DropReason::ALL.len() as u64);
        assert!(statistics.packets_dropped.iter().all(|row| row.count == 1));
    }
}
