//! RADIUS servers and statistics. Junos's own layouts are not known.

use super::push_line;
use bindery_api::{AaaStatistics, Counter, RadiusServer, RadiusServerList};

/// `show network-access aaa radius-servers`.
pub(crate) fn radius_servers(list: &RadiusServerList) -> String {
    let mut text = String::new();
    if list.servers.is_empty() {
        return text;
    }
    push_line!(text, "Server            Port   Service         State  Outstanding  Requests    Timeouts");
    for server in &list.servers {
        let RadiusServer { address, port, service, state, outstanding, requests, timeouts, counters: _ } = server;
        push_line!(
            text,
            "{address:<17} {port:<6} {service:<15} {state:<6} {outstanding:<12} {requests:<11} {timeouts}"
        );
    }
    text
}

/// `show network-access aaa radius-servers detail`.
pub(crate) fn radius_servers_detail(list: &RadiusServerList) -> String {
    let mut text = String::new();
    for server in &list.servers {
        if !text.is_empty() {
            text.push('\n');
        }
        let RadiusServer { address, port, service, state, outstanding, .. } = server;
        push_line!(text, "Server: {address}, port {port}, {service}");
        push_line!(text, "    {:<26} {state}", "State");
        push_line!(text, "    {:<26} {outstanding}", "Outstanding");
        rows(&mut text, &server.counters);
    }
    text
}

/// `show network-access aaa statistics`.
pub(crate) fn aaa_statistics(statistics: &AaaStatistics) -> String {
    let mut text = String::new();
    push_line!(text, "Authentication:");
    rows(&mut text, &statistics.authentication);
    push_line!(text, "\nAccounting:");
    rows(&mut text, &statistics.accounting);
    if statistics.accounting_fault {
        push_line!(text, "    the file of records cannot be written: they would not survive a restart");
    }
    push_line!(text, "\nDynamic requests:");
    rows(&mut text, &statistics.dynamic_requests);
    text
}

fn rows(text: &mut String, counters: &[Counter]) {
    for Counter { label, count, .. } in counters {
        push_line!(text, "    {label:<26} {count}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn counter(label: &str, count: u64) -> Counter {
        Counter { name: label.to_lowercase(), label: label.into(), count }
    }

    fn list() -> RadiusServerList {
        let server = |port, service: &str, state: &str| RadiusServer {
            address: "192.0.2.1".into(),
            port,
            service: service.into(),
            state: state.into(),
            outstanding: 1,
            requests: 12,
            timeouts: 3,
            counters: vec![counter("Requests", 12)],
        };
        RadiusServerList { servers: vec![server(1812, "authentication", "up"), server(1813, "accounting", "dead")] }
    }

    #[test]
    fn servers() {
        expect![[r"
            Server            Port   Service         State  Outstanding  Requests    Timeouts
            192.0.2.1         1812   authentication  up     1            12          3
            192.0.2.1         1813   accounting      dead   1            12          3
        "]]
        .assert_eq(&radius_servers(&list()));
        expect![[r"
            Server: 192.0.2.1, port 1812, authentication
                State                      up
                Outstanding                1
                Requests                   12

            Server: 192.0.2.1, port 1813, accounting
                State                      dead
                Outstanding                1
                Requests                   12
        "]]
        .assert_eq(&radius_servers_detail(&list()));
    }

    #[test]
    fn statistics() {
        let text = aaa_statistics(&AaaStatistics {
            authentication: vec![counter("Access accepts", 5)],
            accounting: vec![counter("Records that wait", 2)],
            dynamic_requests: vec![counter("NAK", 0)],
            accounting_fault: true,
        });
        expect![[r"
            Authentication:
                Access accepts             5

            Accounting:
                Records that wait          2
                the file of records cannot be written: they would not survive a restart

            Dynamic requests:
                NAK                        0
        "]]
        .assert_eq(&text);
    }
}
