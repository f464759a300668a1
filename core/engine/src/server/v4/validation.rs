//! `lease-time-validation` (junos.md §2.4): a lease that is too short is a violation.
//!
//! What is judged is the lease by pool and client: `maximum-lease-time`, or option 51 where that is shorter. What an
//! authority grants is not: where a Session-Timeout ends the service the lease is as short as what is left, and neither
//! refused nor made longer, for no lease outlives its service.

use super::{Request, reply};
use crate::{
    Engine,
    attributes::Effective,
    config::{LeaseValidation, Pool},
    event::DropReason,
    links::Served,
    reconfigure::flag,
    session::Slot,
};

impl Engine {
    /// The lease of `secs` by pool and client as it is granted, and the session's flag for it.
    ///
    /// # Errors
    /// It is too short, and `strict`.
    pub(super) fn validated_lease4(
        &mut self,
        request: &Request<'_>,
        slot: Slot,
        served: Served,
        pool: &Pool,
    ) -> Result<u32, DropReason> {
        let secs = reply::lease_secs(&Effective::of(request.config, served, pool), request.packet);
        let config = request.config;
        let rule: Option<LeaseValidation> = config.group(served.group).and_then(|group| group.lease_validation);
        let (granted, violated) = rule.map_or((Some(secs), false), |rule| rule.judge(secs));
        if let Some(record) = self.sessions.get_mut(slot) {
            record.flags &= !flag::LEASE_TIME_VIOLATED;
            if violated {
                record.flags |= flag::LEASE_TIME_VIOLATED;
            }
        }
        if violated {
            self.note_violation(request.turn, request.meta.link, request.packet.hw_addr(), secs, config);
        }
        let Some(secs) = granted else {
            // An address that is never granted is not held either.
            self.lapse_offer(slot);
            return Err(DropReason::LeaseTimeViolation);
        };
        Ok(self.cut_lease(request, slot, secs))
    }
}
