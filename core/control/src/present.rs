//! The engine's views in the API's words.

use bindery_api::{Binding, BindingSummary, Capability, Counter, Pool, PoolList, Route, RouteProtocol, Statistics};
use bindery_engine::{
    command::{BindingView, CapabilityRow, PoolView, PublicState, RouteState, RouteView, Summary},
    event::{Counters, DropReason},
    reconfigure::{Capability as Reconfigurable, Phase, Purpose},
    record::DurableState,
};
use bindery_types::Ipv4Addr;
use bindery_wire::v4::MessageType;
use std::{
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

/// Seconds since 1970 by the wall clock of now.
pub(crate) fn wall() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs())
}

/// A binding; times of the lease clock are told relative to `wall`, the wall clock of now.
pub(crate) fn binding(view: &BindingView, wall: u64) -> Binding {
    Binding {
        session_id: view.session.0,
        allocated_address: view.address.to_string(),
        mac_address: view.hw.to_string(),
        lease_state: state(view.state).to_owned(),
        lease_expires: view.expires_in,
        lease_end_time: view.expires_in.map(|secs| wall.saturating_add(secs)),
        lease_start_time: wall.saturating_sub(view.started_ago),
        last_packet_received_time: wall.saturating_sub(view.last_packet_ago),
        interface_name: view.interface.to_string(),
        server_identifier: view.server_id.to_string(),
        bootp_relay_address: some_address(view.giaddr),
        pool_name: view.pool.to_string(),
        group_name: view.group.to_string(),
        client_id: some_hex(&view.client_id),
        option_82: some_hex(&view.relay_info),
        vendor_class: some_text(&view.vendor_class),
        host_name: some_text(&view.host_name),
        user_name: some_text(view.subscriber.username.as_bytes()),
        session_timeout: view.subscriber.ends.map(|ends| view.start.plus_secs(view.started_ago).secs_until(ends)),
        accounting_session_id: Some(format!("{}-{}", view.session.0, view.start.0)),
        multi_accounting_session_id: (view.multi_session != view.session).then(|| view.multi_session.0.to_string()),
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
        route_state: match view.route {
            RouteState::NotOnLink => "relay-not-on-link",
            RouteState::Pending => "pending",
            RouteState::Installed => "installed",
        }
        .to_owned(),
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
        pool_name: view.name.into(),
        total: view.total,
        used: view.used,
        quarantined: view.quarantined,
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
    Statistics { dropped_total: counters.dropped.iter().sum(), packets_dropped, messages_received, messages_sent }
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
