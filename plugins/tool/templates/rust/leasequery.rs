//! @NAME@: a requestor is told of a binding by its address only.

use bindery_plugin_sdk::leasequery::{self, Facts, Hook, Query, QueryKey, Session, Verdict};

struct Plugin;

impl Hook for Plugin {
    fn decide(_facts: Facts, _session: &Session, query: Query) -> Verdict {
        match query.key {
            QueryKey::Address => Verdict::Answer,
            QueryKey::Mac | QueryKey::ClientId => Verdict::Refuse,
        }
    }
}

leasequery::export!(Plugin);
