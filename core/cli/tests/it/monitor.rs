//! `monitor dhcp server`.

use crate::fake::Fake;
use expect_test::expect;

const BINDING: &str = r#"{"session-id":7,"allocated-address":"192.0.2.10","mac-address":"02:00:00:00:00:01",
    "lease-state":"BOUND","lease-start-time":0,"last-packet-received-time":0,"interface-name":"eth1",
    "server-identifier":"192.0.2.1","pool-name":"res","group-name":"g","reconfigure-status":"none",
    "reconfigure-capability":"unknown","route-state":"installed"}"#;

fn event(id: u32, kind: &str, change: &str) -> String {
    let binding = BINDING.replace('\n', "");
    format!("id: r-{id}\nevent: {kind}\ndata: {{\"change\":\"{change}\",\"binding\":{binding}}}\n\n")
}

/// Ends the stream twice, then refuses.
fn fake() -> Fake {
    let mut times = 0;
    Fake::new(move |_| {
        times += 1;
        match times {
            1 => {
                let synced = "event: synced\ndata: {\"sequence\":1}\n\n";
                let text = [&event(1, "binding", "present"), synced, &event(2, "binding", "bound")].concat();
                (200, text)
            }
            2 => (200, event(3, "ended", "expired")),
            _ => (403, r#"{"error":"enough"}"#.to_owned()),
        }
    })
}

#[test]
fn events_go_on_where_the_stream_broke_off() {
    let fake = fake();
    let ended = fake.run(&["-c", "monitor dhcp server interface eth1 | trim 24"], "");
    expect![[r"
        BOUND       192.0.2.10 02:00:00:00:00:01 session 7 on eth1 pool res, never expires
        EXPIRED     192.0.2.10 02:00:00:00:00:01 session 7 on eth1 pool res
        -- stderr
        monitor: the stream broke off; taking it up again
        monitor: the stream broke off; taking it up again
        bindery: enough
        -- status 1
    "]]
    .assert_eq(&ended.shown());
    let heads = fake.heads();
    assert!(heads[0].starts_with("GET /v1/events?interface=eth1 ") && !heads[0].contains("last-event-id"));
    assert!(heads[1].contains("last-event-id: r-2\r\n"), "{}", heads[1]);
    assert!(heads[2].contains("last-event-id: r-3\r\n"), "{}", heads[2]);
}

#[test]
fn lines_are_chosen_and_pipes_that_want_an_end_are_refused() {
    let ended = fake().run(&["-c", "monitor dhcp server | match expired | trim 24"], "");
    assert_eq!(ended.out, "EXPIRED     192.0.2.10 02:00:00:00:00:01 session 7 on eth1 pool res\n");
    let ended = fake().run(&["-c", "monitor dhcp server | count"], "");
    assert_eq!(ended.status, 2, "{}", ended.err);
}

#[test]
fn json_is_the_stream_itself() {
    let ended = fake().run(&["--json", "monitor", "dhcp", "server"], "");
    assert!(ended.out.starts_with("id: r-1\nevent: binding\ndata: {"), "{}", ended.out);
}
