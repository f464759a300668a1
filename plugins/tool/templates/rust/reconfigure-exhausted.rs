//! @NAME@: a client that might have understood gets a NAK at its next renewal; any other stays as it was.

use bindery_plugin_sdk::reconfigure_exhausted::{self, Facts, Hook, Session, Verdict};

struct Plugin;

impl Hook for Plugin {
    fn decide(_facts: Facts, _session: &Session, _attempts: u8, has_nonce: bool) -> Verdict {
        if has_nonce { Verdict::Defer } else { Verdict::Restore }
    }
}

reconfigure_exhausted::export!(Plugin);
