//! @NAME@: counts the sessions that are bound.

use std::cell::Cell;

use bindery_plugin_sdk::session_events::{self, Event, Facts, Hook, Session};

thread_local! {
    static BOUND: Cell<u64> = const { Cell::new(0) };
}

struct Plugin;

impl Hook for Plugin {
    fn observe(event: Event, _facts: Facts, _session: &Session) {
        match event {
            Event::Bound => BOUND.set(BOUND.get().saturating_add(1)),
            Event::Renewed => {}
            Event::Released | Event::Expired | Event::Cleared => BOUND.set(BOUND.get().saturating_sub(1)),
        }
    }
}

session_events::export!(Plugin);
