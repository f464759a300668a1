//! What is told once about limits: an interface that reaches its `interface-client-limit` and leaves it, and leases that
//! are too short.

use crate::{Engine, config::Config, engine::Turn, event::Event, session::NameId};
use alloc::{sync::Arc, vec::Vec};
use bindery_types::{HwAddr, IfIndex, LeaseTime};

/// Seconds between two log lines about leases that are too short, where `ltv-syslog-interval` says nothing.
pub const LTV_LOG_SECS: u32 = 600;

/// What was told.
#[derive(Debug, Default)]
pub(crate) struct Crossings {
    /// Interfaces at their limit: told, and not yet told to be below it. One entry an interface.
    limited: Vec<(NameId, IfIndex)>,
    /// Violations of lease times since the last log line, and when the next one may come.
    violations: u32,
    quiet_until: LeaseTime,
}

impl Engine {
    /// A client was refused at `interface-client-limit`: told once until the interface is below it again.
    pub(crate) fn note_limit(&mut self, (name, link): (NameId, IfIndex), limit: u32) {
        if !self.crossings.limited.iter().any(|(told, _)| *told == name) {
            self.crossings.limited.push((name, link));
            self.outbox.events.push(Event::ClientLimitExceeded { link, limit });
        }
    }

    /// Tells of the interfaces that are below their limit again.
    pub(crate) fn abate_limits(&mut self) {
        if self.crossings.limited.is_empty() {
            return;
        }
        let config = Arc::clone(&self.config);
        let (links, sessions, events) = (&self.links, &self.sessions, &mut self.outbox.events);
        self.crossings.limited.retain(|&(name, link)| {
            let served = links.by_name(name).and_then(|link| link.served);
            let limit = served.and_then(|served| served.overrides(&config)?.interface_client_limit);
            let live = sessions.live_on_link(name);
            let still = limit.is_some_and(|limit| live >= limit);
            if !still {
                events.push(Event::ClientLimitAbated { link, clients: live });
            }
            still
        });
    }

    /// A lease was too short for `lease-time-validation`: counted, and logged now and then.
    pub(crate) fn note_violation(&mut self, turn: Turn, link: IfIndex, hw: HwAddr, lease_secs: u32, config: &Config) {
        self.crossings.violations = self.crossings.violations.saturating_add(1);
        if turn.lease < self.crossings.quiet_until {
            return;
        }
        let every = config.ltv_log_secs.unwrap_or(LTV_LOG_SECS);
        self.crossings.quiet_until = turn.lease.plus_secs(u64::from(every));
        let count = core::mem::take(&mut self.crossings.violations);
        self.outbox.events.push(Event::LeaseTimeViolation { link, hw, lease_secs, count });
    }
}
