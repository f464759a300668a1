//! @NAME@: the user name that RADIUS gets is the circuit that the access node names.

use bindery_plugin_sdk::authorize::{self, Attribute, Choice, Hook, Phase, Request, Verdict};

struct Plugin;

impl Hook for Plugin {
    fn authorize(phase: Phase, request: &Request, _username: String, _attributes: Vec<Attribute>) -> Verdict {
        match (phase, request.circuit_id()) {
            (Phase::Before, Some(circuit)) => Verdict::Choose(Choice {
                username: Some(String::from_utf8_lossy(&circuit).into_owned()),
                attributes: None,
                group: None,
                pool: None,
                class: None,
                address: None,
                lease_seconds: None,
            }),
            _ => Verdict::Continue,
        }
    }
}

authorize::export!(Plugin);
