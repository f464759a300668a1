//! The history of a subscriber: our own layout, Junos has none.

use super::{binding::time, push_line};
use bindery_api::{HistoryEntry, HistoryList};

/// `show dhcp server history`.
pub(crate) fn subscriber_history(list: &HistoryList) -> String {
    let mut text = String::new();
    if list.left_out > 0 {
        push_line!(text, "{} older entries are left out", list.left_out);
    }
    for HistoryEntry { time: at, text: what, mac_address, exchange, revision, .. } in &list.entries {
        let mac = mac_address.as_deref().unwrap_or("-");
        push_line!(text, "{}  {mac}  {what}, revision {revision}, exchange {exchange}", time(*at));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_line() {
        let entry = HistoryEntry {
            exchange: 42,
            revision: 3,
            mac_address: Some("02:00:00:00:00:01".into()),
            text: "bound 192.0.2.10; DHCPREQUEST on eth1, xid 0x00000007, pool res, session 6".into(),
            ..HistoryEntry::default()
        };
        let text = subscriber_history(&HistoryList { entries: vec![entry], left_out: 5 });
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "5 older entries are left out");
        assert!(lines[1].starts_with("1970-01-01 ") || lines[1].starts_with("1969-12-31 "), "{text}");
        assert!(
            lines[1].ends_with(
                "02:00:00:00:00:01  bound 192.0.2.10; DHCPREQUEST on eth1, xid 0x00000007, pool res, session 6, revision 3, \
                 exchange 42"
            ),
            "{text}"
        );
    }
}
