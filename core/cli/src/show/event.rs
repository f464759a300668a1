//! Events as `monitor` shows them, a line each.

use super::time;
use bindery_api::{BindingChange, Event, Notice};

/// What happened, in one word.
const fn word(change: BindingChange) -> &'static str {
    match change {
        BindingChange::Present => "PRESENT",
        BindingChange::Bound => "BOUND",
        BindingChange::Renewed => "RENEWED",
        BindingChange::Reconfiguring => "RECONFIGURE",
        BindingChange::Released => "RELEASED",
        BindingChange::Expired => "EXPIRED",
        BindingChange::Cleared => "CLEARED",
        BindingChange::Declined => "DECLINED",
        BindingChange::Left => "LEFT",
    }
}

/// One event. `now` is the wall clock, seconds since 1970.
pub(crate) fn event(event: &Event, now: u64) -> String {
    let binding = &event.binding;
    let expires = match (event.change, binding.lease_expires) {
        (BindingChange::Present | BindingChange::Bound | BindingChange::Renewed, Some(secs)) => {
            format!(", expires in {secs} s")
        }
        (BindingChange::Present | BindingChange::Bound | BindingChange::Renewed, None) => ", never expires".to_owned(),
        _ => String::new(),
    };
    format!(
        "{} {:<11} {} {} session {} on {} pool {}{expires}\n",
        time(now),
        word(event.change),
        binding.allocated_address,
        binding.mac_address,
        binding.session_id,
        binding.interface_name,
        binding.pool_name
    )
}

/// Something else that happened: its severity in place of a change, its words, and what it is about.
pub(crate) fn notice(notice: &Notice) -> String {
    let session = notice.session_id.map(|id| id.to_string());
    let about = [
        ("address", &notice.address),
        ("hardware address", &notice.mac_address),
        ("session", &session),
        ("on", &notice.interface_name),
        ("pool", &notice.pool_name),
    ];
    let about = about.into_iter().filter_map(|(label, value)| Some(format!("{label} {}", value.as_ref()?)));
    let about = about.collect::<Vec<_>>().join(", ");
    let about = if about.is_empty() { about } else { format!(" ({about})") };
    let left_out = match notice.left_out {
        0 => String::new(),
        count => format!("; {count} more like it were left out"),
    };
    let severity = notice.severity.to_uppercase();
    format!("{} {severity:<11} {}: {}{about}{left_out}\n", time(notice.time), notice.name, notice.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_lines() {
        let high = Notice {
            name: "pool-high-utilization".into(),
            severity: "alarm".into(),
            message: "91 % of the pool are in use".into(),
            pool_name: Some("res".into()),
            ..Notice::default()
        };
        let text = notice(&high);
        assert!(
            text.ends_with(" ALARM       pool-high-utilization: 91 % of the pool are in use (pool res)\n"),
            "{text}"
        );
        let text = notice(&Notice { pool_name: None, left_out: 3, ..high.clone() });
        assert!(text.ends_with("are in use; 3 more like it were left out\n"), "{text}");
        let about = Notice { interface_name: Some("eth1".into()), session_id: Some(7), pool_name: None, ..high };
        assert!(notice(&about).ends_with("are in use (session 7, on eth1)\n"));
    }

    #[test]
    fn events_are_lines() {
        let mut binding = crate::show::tests::binding();
        binding.lease_expires = Some(60);
        let bound = Event { sequence: Some(3), change: BindingChange::Bound, binding };
        let text = event(&bound, 0);
        assert!(
            text.ends_with(" BOUND       192.0.2.10 02:00:00:00:00:01 session 7 on eth1 pool res, expires in 60 s\n"),
            "{text}"
        );
        let text = event(&Event { change: BindingChange::Cleared, ..bound }, 0);
        assert!(text.contains(" CLEARED ") && text.ends_with("pool res\n"), "{text}");
    }
}
