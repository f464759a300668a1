//! @NAME@: a client that can be reconfigured moves; any other is decided by the next plugin, or the default.

use bindery_plugin_sdk::disconnect::{self, Cause, Facts, Hook, Request, Session, Verdict};

struct Plugin;

impl Hook for Plugin {
    fn decide(_facts: Facts, _session: &Session, request: Request) -> Verdict {
        match request.cause {
            Cause::Disconnect if request.can_reconfigure => Verdict::Reconfigure,
            _ => Verdict::Pass,
        }
    }
}

disconnect::export!(Plugin);
