//! The life of a binding: one total function over states and events.
//!
//! ```text
//!            Offer            Bind             Release
//!   (none) --------> Offered ------> Bound ---------------> Released
//!                       |              |  \---- Expire ----> Expired
//!                  Lapse| (gone)       |   \--- Clear -----> Cleared
//!                       |              |    \-- Decline ---> Declined
//! ```
//! `Offered` is memory only; the change to any other state happens when storage has it.

use crate::{record::DurableState, session::State};

/// What happens to a binding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BindingEvent {
    /// A DHCPOFFER names the address.
    Offer,
    /// A DHCPREQUEST is granted: first lease or renewal (RFC 2131 §4.3.2).
    Bind,
    /// DHCPRELEASE (RFC 2131 §4.3.4).
    Release,
    /// DHCPDECLINE (RFC 2131 §4.3.3), or a foreign route stands where the new binding's route belongs.
    Decline,
    /// The hold of an offer or the lease of a binding has run out; the horizon of a tombstone has passed.
    Expire,
    /// The operator, or the server itself, ends it.
    Clear,
}

impl BindingEvent {
    /// All events, for tables over the full product.
    pub const ALL: [Self; 6] = [Self::Offer, Self::Bind, Self::Release, Self::Decline, Self::Expire, Self::Clear];
}

/// Where an event leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transition {
    /// To this state.
    To(State),
    /// The record goes away.
    Gone,
    /// Nothing changes: the event does not concern a binding in this state.
    Ignored,
}

/// The state after `event`.
pub const fn next(state: State, event: BindingEvent) -> Transition {
    use BindingEvent as E;
    use State as S;
    use Transition::{Gone, Ignored, To};
    match (state, event) {
        (S::Offered, E::Offer) => To(S::Offered),
        (S::Bound, E::Offer) => Ignored,
        // A tombstone is not revived by an offer: the offer is a record of its own until it is bound.
        (S::Released | S::Expired | S::Cleared | S::Declined, E::Offer) => Ignored,
        (S::Offered | S::Bound | S::Released | S::Expired, E::Bind) => To(S::Bound),
        // We ended it, or the address is in quarantine: the client must start anew (design §2.2).
        (S::Cleared | S::Declined, E::Bind) => Ignored,
        (S::Bound, E::Release) => To(S::Released),
        (S::Offered, E::Release) => Gone,
        (S::Released | S::Expired | S::Cleared | S::Declined, E::Release) => Ignored,
        (S::Bound, E::Decline) => To(S::Declined),
        (S::Offered | S::Released | S::Expired | S::Cleared | S::Declined, E::Decline) => Ignored,
        (S::Offered, E::Expire) => Gone,
        (S::Bound, E::Expire) => To(S::Expired),
        (S::Released | S::Expired | S::Cleared | S::Declined, E::Expire) => Gone,
        (S::Offered, E::Clear) => Gone,
        (S::Bound, E::Clear) => To(S::Cleared),
        (S::Released | S::Expired | S::Cleared | S::Declined, E::Clear) => Ignored,
    }
}

/// The durable form of a state; `None` for `Offered`.
pub const fn durable(state: State) -> Option<DurableState> {
    match state {
        State::Offered => None,
        State::Bound => Some(DurableState::Bound),
        State::Released => Some(DurableState::Released),
        State::Expired => Some(DurableState::Expired),
        State::Cleared => Some(DurableState::Cleared),
        State::Declined => Some(DurableState::Declined),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BindingEvent as E;
    use State as S;
    use Transition::{Gone, Ignored, To};

    #[test]
    fn full_product() {
        let rows: [(S, [Transition; 6]); 6] = [
            //            Offer           Bind          Release           Decline           Expire           Clear
            (S::Offered, [To(S::Offered), To(S::Bound), Gone, Ignored, Gone, Gone]),
            (S::Bound, [Ignored, To(S::Bound), To(S::Released), To(S::Declined), To(S::Expired), To(S::Cleared)]),
            (S::Released, [Ignored, To(S::Bound), Ignored, Ignored, Gone, Ignored]),
            (S::Expired, [Ignored, To(S::Bound), Ignored, Ignored, Gone, Ignored]),
            (S::Cleared, [Ignored, Ignored, Ignored, Ignored, Gone, Ignored]),
            (S::Declined, [Ignored, Ignored, Ignored, Ignored, Gone, Ignored]),
        ];
        for (state, wanted) in rows {
            for (event, wanted) in E::ALL.into_iter().zip(wanted) {
                assert_eq!(next(state, event), wanted, "{state:?} on {event:?}");
            }
        }
    }

    #[test]
    fn what_we_ended_is_never_bound_again() {
        assert_eq!(next(S::Cleared, E::Bind), Ignored);
        assert_eq!(durable(S::Offered), None);
    }
}
