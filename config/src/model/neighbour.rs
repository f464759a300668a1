//! What is asked of subscribers' segments: address probes and liveness detection.

use super::read::{At, Spanned};
use bindery_engine::config::{AddressProbe, FailureAction, Liveness};

/// `address-probe` in `at`, an `overrides`.
pub(super) fn address_probe(at: At<'_>) -> Option<AddressProbe> {
    let at = at.child("address-probe")?;
    let default = AddressProbe::default();
    Some(AddressProbe {
        timeout_millis: at.leaf("timeout").and_then(|leaf| leaf.value.integer()).unwrap_or(default.timeout_millis),
        attempts: at.leaf("attempts").and_then(|leaf| leaf.value.integer()).unwrap_or(default.attempts),
        returning: at.has("include-returning-clients"),
    })
}

/// `liveness-detection` in `at`, a server or a group.
pub(super) fn liveness(at: At<'_>) -> Option<Spanned<Liveness>> {
    let at = at.child("liveness-detection")?;
    let method = at.child("method").and_then(|method| method.child("layer2-liveness-detection"))?;
    let default = Liveness::default();
    let secs = method.leaf("transmit-interval").and_then(|leaf| leaf.value.seconds());
    let retries = method.leaf("max-consecutive-retries").and_then(|leaf| leaf.value.integer());
    let value = Liveness {
        action: match at.leaf("failure-action").and_then(|leaf| leaf.value.word()) {
            Some("clear-binding-if-interface-up") => FailureAction::ClearIfInterfaceUp,
            Some("log-only") => FailureAction::LogOnly,
            _ => FailureAction::Clear,
        },
        transmit_secs: secs.and_then(|secs| u16::try_from(secs).ok()).unwrap_or(default.transmit_secs),
        retries: retries.unwrap_or(default.retries),
    };
    Some(Spanned { value, span: at.span() })
}
