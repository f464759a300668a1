//! The trip of one request: one total function over states and events.
//!
//! ```text
//! Classified -> (AwaitHook) -> Shaped -> AwaitCommit -> AwaitRoute -> Replied
//!      \____________\____________\___________\_____________\-------> Dropped
//! ```

use crate::event::DropReason;

/// Where an exchange stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExchangeState {
    /// Group, pool and session are known; the reply is being built.
    Classified,
    /// A plugin answers later; it has a deadline.
    AwaitHook,
    /// The reply is encoded.
    Shaped,
    /// The binding is on its way to storage.
    AwaitCommit,
    /// The binding is durable; its route is on its way to the forwarding plane.
    AwaitRoute,
    /// The reply was handed to the socket.
    Replied,
    /// It ended in silence.
    Dropped(DropReason),
}

/// What moves an exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExchangeEvent {
    /// The stage answered `Pending`.
    HookPending,
    /// The stage answered `Continue`, or none is bound.
    HookDone,
    /// The stage answered `Drop`.
    HookRefused,
    /// The deadline of a pending stage passed.
    HookTimeout,
    /// A mutation was handed to the store.
    CommitSent,
    /// It is on stable storage.
    Durable,
    /// The write failed.
    StoreFailed,
    /// A route operation was handed to the forwarding plane.
    RouteSent,
    /// The route stands.
    RouteStands,
    /// The route does not stand.
    RouteFailed,
    /// The reply leaves.
    Reply,
}

impl ExchangeEvent {
    /// All events, for tables over the full product.
    pub const ALL: [Self; 11] = [
        Self::HookPending,
        Self::HookDone,
        Self::HookRefused,
        Self::HookTimeout,
        Self::CommitSent,
        Self::Durable,
        Self::StoreFailed,
        Self::RouteSent,
        Self::RouteStands,
        Self::RouteFailed,
        Self::Reply,
    ];
}

/// An event that cannot come in a state: a defect of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IllegalTransition {
    /// The state.
    pub state: ExchangeState,
    /// The event.
    pub event: ExchangeEvent,
}

/// The state after `event`.
///
/// # Errors
/// The event cannot come in that state.
pub const fn next(state: ExchangeState, event: ExchangeEvent) -> Result<ExchangeState, IllegalTransition> {
    use ExchangeEvent as E;
    use ExchangeState as S;
    Ok(match (state, event) {
        (S::Classified, E::HookPending) => S::AwaitHook,
        (S::Classified | S::AwaitHook, E::HookDone) => S::Shaped,
        (S::Classified | S::AwaitHook, E::HookRefused) => S::Dropped(DropReason::Policy),
        (S::AwaitHook, E::HookTimeout) => S::Dropped(DropReason::PolicyTimeout),
        // An OFFER, a NAK, an answer to INFORM: nothing is bound.
        (S::Shaped, E::Reply) => S::Replied,
        (S::Shaped, E::CommitSent) => S::AwaitCommit,
        // Durable, and the state stays until either the route is asked for or the reply leaves.
        (S::AwaitCommit, E::Durable) => S::AwaitRoute,
        (S::AwaitCommit, E::StoreFailed) => S::Dropped(DropReason::StoreFault),
        (S::AwaitRoute, E::RouteSent) => S::AwaitRoute,
        (S::AwaitRoute, E::RouteStands | E::Reply) => S::Replied,
        (S::AwaitRoute, E::RouteFailed) => S::Dropped(DropReason::RouteFault),
        (
            S::Classified | S::AwaitHook | S::Shaped | S::AwaitCommit | S::AwaitRoute | S::Replied | S::Dropped(_),
            E::HookPending
            | E::HookDone
            | E::HookRefused
            | E::HookTimeout
            | E::CommitSent
            | E::Durable
            | E::StoreFailed
            | E::RouteSent
            | E::RouteStands
            | E::RouteFailed
            | E::Reply,
        ) => return Err(IllegalTransition { state, event }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ExchangeEvent as E;
    use ExchangeState as S;

    #[test]
    fn full_product() {
        let legal = [
            (S::Classified, E::HookPending, S::AwaitHook),
            (S::Classified, E::HookDone, S::Shaped),
            (S::Classified, E::HookRefused, S::Dropped(DropReason::Policy)),
            (S::AwaitHook, E::HookDone, S::Shaped),
            (S::AwaitHook, E::HookRefused, S::Dropped(DropReason::Policy)),
            (S::AwaitHook, E::HookTimeout, S::Dropped(DropReason::PolicyTimeout)),
            (S::Shaped, E::Reply, S::Replied),
            (S::Shaped, E::CommitSent, S::AwaitCommit),
            (S::AwaitCommit, E::Durable, S::AwaitRoute),
            (S::AwaitCommit, E::StoreFailed, S::Dropped(DropReason::StoreFault)),
            (S::AwaitRoute, E::RouteSent, S::AwaitRoute),
            (S::AwaitRoute, E::RouteStands, S::Replied),
            (S::AwaitRoute, E::Reply, S::Replied),
            (S::AwaitRoute, E::RouteFailed, S::Dropped(DropReason::RouteFault)),
        ];
        let states = [
            S::Classified,
            S::AwaitHook,
            S::Shaped,
            S::AwaitCommit,
            S::AwaitRoute,
            S::Replied,
            S::Dropped(DropReason::Policy),
        ];
        for state in states {
            for event in E::ALL {
                let wanted = legal.iter().find(|(s, e, _)| *s == state && *e == event).map(|(_, _, to)| *to);
                assert_eq!(next(state, event).ok(), wanted, "{state:?} on {event:?}");
            }
        }
    }

    #[test]
    fn nothing_is_sent_before_it_is_durable() {
        assert!(next(S::AwaitCommit, E::Reply).is_err());
    }
}
