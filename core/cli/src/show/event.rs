//! Events as `monitor` shows them, a line each.

use super::time;
use bindery_api::{BindingChange, Event};

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

#[cfg(test)]
mod tests {
    use super::*;

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
