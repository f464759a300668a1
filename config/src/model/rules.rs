//! Rules against clients that misbehave and against too many packets.

use super::read::{At, Spanned};
use bindery_engine::config::{LeaseValidation, Overload, Rate, ShortCycle, ViolationAction};

/// The rules of one level: a server, a group or an interface. Each statement takes the place of the outer level's.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// `short-cycle-protection`.
    pub short_cycle: Option<Spanned<ShortCycle>>,
    /// `lease-time-validation`.
    pub lease_validation: Option<LeaseValidation>,
    /// `remote-id-mismatch disconnect`.
    pub remote_id_mismatch: bool,
}

/// The rules written in `at`.
pub(super) fn rules(at: At<'_>) -> Rules {
    Rules {
        short_cycle: at.child("short-cycle-protection").map(short_cycle),
        lease_validation: at.child("lease-time-validation").and_then(lease_validation),
        remote_id_mismatch: at.child("remote-id-mismatch").is_some_and(|at| at.has("disconnect")),
    }
}

fn short_cycle(at: At<'_>) -> Spanned<ShortCycle> {
    let default = ShortCycle::default();
    let secs = |name| at.leaf(name).and_then(|leaf| leaf.value.seconds());
    let value = ShortCycle {
        min_secs: secs("lockout-min-time").unwrap_or(default.min_secs),
        max_secs: secs("lockout-max-time").unwrap_or(default.max_secs),
    };
    Spanned { value, span: at.span() }
}

fn lease_validation(at: At<'_>) -> Option<LeaseValidation> {
    let action = at.leaf("violation-action").and_then(|leaf| leaf.value.word());
    Some(LeaseValidation {
        threshold_secs: at.leaf("lease-time-threshold")?.value.seconds()?,
        action: match action {
            Some("override-lease") => ViolationAction::OverrideLease,
            _ => ViolationAction::Strict,
        },
    })
}

/// `overload` of a server.
pub(super) fn overload(at: At<'_>) -> Overload {
    let Some(at) = at.child("overload") else { return Overload::default() };
    let rate = |name| {
        let at = at.child(name)?;
        let number = |name| at.leaf(name)?.value.integer();
        Some(Rate { per_sec: number("rate")?, burst: number("burst")? })
    };
    Overload {
        per_interface: rate("per-interface"),
        per_client: rate("per-client"),
        per_circuit: rate("per-circuit"),
        half_open_limit: at
            .leaf("half-open-limit")
            .and_then(|leaf| leaf.value.integer())
            .unwrap_or(Overload::DEFAULT.half_open_limit),
    }
}

/// `system processes dhcp-service ltv-syslog-interval`, seconds.
pub(super) fn ltv_log_secs(system: Option<At<'_>>) -> Option<u32> {
    let interval = system?.child("processes")?.child("dhcp-service")?.child("ltv-syslog-interval")?;
    interval.leaf("syslog-interval")?.value.seconds()
}

/// The rules that an interface may have.
pub(super) fn of_interface(at: At<'_>) -> Rules {
    Rules { short_cycle: at.child("short-cycle-protection").map(short_cycle), ..Rules::default() }
}
