//! @NAME@: routes of sessions that came through a relay get a higher metric.

use bindery_plugin_sdk::route::{self, Choice, Facts, Hook, Session};

struct Plugin;

impl Hook for Plugin {
    fn choose(_facts: Facts, session: &Session) -> Option<Choice> {
        session.relay_address()?;
        Some(Choice { metric: Some(100), table: None, tag: None, extra: Vec::new() })
    }
}

route::export!(Plugin);
