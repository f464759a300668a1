//! Log lines: the engine's events in words.

use bindery_engine::{event::Event, route::RouteError};

/// Writes an event to the log.
pub(crate) fn event(event: &Event) {
    match event {
        Event::RouteFault { session, address, error } => {
            let why = match error {
                RouteError::Foreign => "a foreign route stands there and stays".to_owned(),
                RouteError::LinkDown => "the interface is down".to_owned(),
                RouteError::Refused(errno) => format!("the kernel refused it: errno {errno}"),
            };
            tracing::warn!(%session, %address, why, "alarm: no route for the subscriber, its request stays unanswered");
        }
        Event::Declined { hw, address, until: _ } => {
            tracing::warn!(%hw, %address, "the client found its address in use; it is quarantined");
        }
        Event::StoreFault { undone } => {
            tracing::error!(undone, "alarm: the session database failed; requests stay unanswered until it is back");
        }
        Event::StoreBack { repaired } => tracing::info!(repaired, "the session database is back"),
        Event::ClockBehind { secs } => {
            tracing::warn!(secs, "the clock stands before the last saved time: no lease expires until it has caught up");
        }
        Event::ClockCaughtUp => tracing::info!("the clock has caught up; leases expire again"),
        Event::PoolExhausted { link } => tracing::warn!(ifindex = link.0, "no free address for a new client"),
        Event::RestoreConflict { session, address } => {
            tracing::error!(%session, %address, "a stored session does not fit beside another one and was left out");
        }
    }
}
