//! RADIUS in the API's words.

use crate::access::Asked;
use bindery_api::{AaaStatistics, Counter, RadiusServer, RadiusServerList};
use bindery_radius::{client::ServerStatus, dynamic, shell::Status};

fn counters<const N: usize>(rows: [(&str, &str, u64); N]) -> Vec<Counter> {
    let row =
        |(name, label, count): (&str, &str, u64)| Counter { name: name.to_owned(), label: label.to_owned(), count };
    rows.into_iter().map(row).collect()
}

/// The servers.
pub(crate) fn servers(status: &Status) -> RadiusServerList {
    RadiusServerList { servers: status.servers.iter().map(server).collect() }
}

fn server(status: &ServerStatus) -> RadiusServer {
    let of = &status.counters;
    RadiusServer {
        address: status.address.ip().to_string(),
        port: status.address.port(),
        service: if status.accounting { "accounting" } else { "authentication" }.to_owned(),
        state: if status.alive { "up" } else { "dead" }.to_owned(),
        outstanding: status.outstanding,
        requests: of.requests,
        timeouts: of.timeouts,
        counters: counters([
            ("requests", "Requests", of.requests),
            ("retransmissions", "Retransmissions", of.retransmissions),
            ("answers", "Answers", of.answers),
            ("timeouts", "Timeouts", of.timeouts),
            ("malformed", "Malformed answers", of.malformed),
            ("bad-authenticators", "Bad authenticators", of.bad_authenticators),
            ("unsigned", "No Message-Authenticator", of.unsigned),
            ("unexpected", "Unexpected answers", of.unexpected),
        ]),
    }
}

/// What was asked and answered.
pub(crate) fn statistics(status: &Status, asked: Asked, dynamic: dynamic::Counters) -> AaaStatistics {
    let records = &status.accounting;
    AaaStatistics {
        authentication: counters([
            ("requests", "Access requests", asked.requests),
            ("accepts", "Access accepts", asked.accepts),
            ("rejects", "Access rejects", asked.rejects),
            ("no-answer", "No answer", asked.failures),
            ("refused", "Not asked: overload", asked.refused),
            ("late", "Late answers", asked.late),
            ("lost", "Lost answers", status.lost_events),
            ("waiting", "Requests under way", status.requests as u64),
            ("strangers", "Packets of strangers", status.strangers),
            ("send-failures", "Send failures", status.send_failures),
        ]),
        accounting: counters([
            ("taken", "Records", records.taken),
            ("delivered", "Records delivered", records.delivered),
            ("waiting", "Records that wait", status.waiting_records as u64),
            ("dropped-interims", "Interim updates dropped", records.dropped_interims),
            ("dropped-others", "Other records dropped", records.dropped_others),
        ]),
        dynamic_requests: counters([
            ("disconnects", "Disconnect requests", dynamic.disconnects),
            ("coas", "CoA requests", dynamic.coas),
            ("acks", "ACK", dynamic.acks),
            ("naks", "NAK", dynamic.naks),
            ("repeated", "Repeated", dynamic.repeated),
            ("under-way", "Repeated while under way", dynamic.under_way),
            ("unknown-clients", "Unknown clients", dynamic.unknown_clients),
            ("malformed", "Malformed", dynamic.malformed),
            ("bad-authenticators", "Bad authenticators", dynamic.bad_authenticators),
            ("stale", "Stale", dynamic.stale),
            ("forgotten", "Forgotten early", dynamic.forgotten),
        ]),
        accounting_fault: status.accounting_fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bindery_radius::{accounting::QueueCounters, client::Counters};

    #[test]
    fn a_server_and_what_is_counted() {
        let counted = Counters { requests: 9, timeouts: 2, unsigned: 1, ..Counters::default() };
        let (address, alive) = ("192.0.2.1:1813".parse().unwrap(), false);
        let server = ServerStatus { address, accounting: true, alive, outstanding: 3, counters: counted };
        let accounting = QueueCounters { taken: 5, delivered: 4, ..QueueCounters::default() };
        let status = Status { servers: vec![server], accounting, waiting_records: 1, ..Status::default() };
        let shown = &servers(&status).servers[0];
        assert_eq!((shown.address.as_str(), shown.port, shown.service.as_str()), ("192.0.2.1", 1813, "accounting"));
        assert_eq!((shown.state.as_str(), shown.outstanding, shown.requests, shown.timeouts), ("dead", 3, 9, 2));

        let asked = Asked { requests: 7, rejects: 6, ..Asked::default() };
        let dynamic = dynamic::Counters { coas: 8, ..dynamic::Counters::default() };
        let shown = statistics(&status, asked, dynamic);
        let count = |rows: &[Counter], name: &str| rows.iter().find(|row| row.name == name).unwrap().count;
        assert_eq!((count(&shown.authentication, "requests"), count(&shown.authentication, "rejects")), (7, 6));
        assert_eq!((count(&shown.accounting, "delivered"), count(&shown.accounting, "waiting")), (4, 1));
        assert_eq!(count(&shown.dynamic_requests, "coas"), 8);
    }
}
