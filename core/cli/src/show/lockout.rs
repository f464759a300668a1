//! `show dhcp server lockout-entries`: junos.md §11.5.

use super::{push_line, time};
use bindery_api::{Cleared, LockoutList};

/// One line each.
pub(crate) fn lockouts(list: &LockoutList) -> String {
    let mut text = String::new();
    if list.lockout_entries.is_empty() {
        return text;
    }
    push_line!(text, "Index  State    Expires(s)  Elapsed(s)  Count  Key");
    for entry in &list.lockout_entries {
        push_line!(
            text,
            "{:<6} {:<8} {:<11} {:<11} {:<6} {}",
            entry.index,
            entry.state,
            entry.expiry_relative_time,
            entry.elapsed_time,
            entry.count,
            entry.key
        );
    }
    text
}

/// All that is known of one.
pub(crate) fn lockouts_detail(list: &LockoutList) -> String {
    let mut text = String::new();
    for entry in &list.lockout_entries {
        let mut field = |label: &str, value: String| push_line!(text, "{:<24}{value}", format!("{label}:"));
        field("Index", entry.index.to_string());
        field("Key", entry.key.clone());
        field("State", entry.state.clone());
        field("Expiry time", time(entry.expiry_time));
        field("Expiry relative time", format!("{} seconds", entry.expiry_relative_time));
        field("Count", entry.count.to_string());
        field("Next time", format!("{} seconds", entry.next_time));
        field("Min time", format!("{} seconds", entry.min_time));
        field("Max time", format!("{} seconds", entry.max_time));
        field("Error code", entry.err_code.clone());
    }
    text
}

/// `clear dhcp server lockout-entries`.
pub(crate) fn cleared_lockouts(cleared: Cleared) -> String {
    match cleared.cleared {
        1 => "1 entry cleared\n".to_owned(),
        count => format!("{count} entries cleared\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bindery_api::Lockout;

    #[test]
    fn the_layouts() {
        let entry = Lockout {
            index: 3,
            key: "02:00:00:00:00:01 on eth1".into(),
            state: "lockout".into(),
            expiry_relative_time: 7,
            elapsed_time: 1,
            count: 2,
            next_time: 16,
            min_time: 4,
            max_time: 300,
            err_code: "rejected".into(),
            ..Lockout::default()
        };
        let list = LockoutList { lockout_entries: vec![entry] };
        let line = "3      lockout  7           1           2      02:00:00:00:00:01 on eth1\n";
        assert!(lockouts(&list).ends_with(line), "{}", lockouts(&list));
        let detail = lockouts_detail(&list);
        assert!(detail.contains("Next time:              16 seconds\n") && detail.contains("rejected"), "{detail}");
        assert_eq!(lockouts(&LockoutList::default()), "");
    }
}
