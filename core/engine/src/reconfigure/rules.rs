//! What happens to a client that is being moved: one total function over phases and events (junos.md §8.1, §8.4).

use crate::session::Record;

/// Bits of `flags` in a record that belong to reconfiguration; the session database keeps them.
pub(crate) mod flag {
    /// A FORCERENEW was or is about to be sent.
    pub(crate) const RECONFIGURING: u16 = 1 << 0;
    /// The purpose of it is new options; else it is another address.
    pub(crate) const REFRESH: u16 = 1 << 1;
    /// The next renewal gets a NAK.
    pub(crate) const DEFERRED_NAK: u16 = 1 << 2;
    /// Of a tombstone: the client was moved away from its address, and gets another one.
    pub(crate) const MOVED: u16 = 1 << 3;
    /// The client authenticates by a configuration token (RFC 3118 §4).
    pub(crate) const TOKEN: u16 = 1 << 4;
    /// Group and pool were chosen by an authority or a plugin, and hold for the session.
    pub(crate) const STEERED: u16 = 1 << 5;
    /// The lease was too short for `lease-time-validation` at the last request.
    pub(crate) const LEASE_TIME_VIOLATED: u16 = 1 << 7;
    /// The client speaks BOOTP: it was told of no lease, and the one that it has is for ever.
    pub(crate) const BOOTP: u16 = 1 << 6;
    /// Attempts made so far, four bits.
    pub(crate) const ATTEMPTS_SHIFT: u16 = 8;
    pub(crate) const ATTEMPTS: u16 = 0xf << ATTEMPTS_SHIFT;
    /// What is known of the client's answers, three bits: [`super::Capability`].
    pub(crate) const CAPABILITY_SHIFT: u16 = 12;
    pub(crate) const CAPABILITY: u16 = 0x7 << CAPABILITY_SHIFT;
    /// No client ever had the session: it holds an address that was found in use, under the name of the host that has it.
    pub(crate) const OF_A_HOST: u16 = 1 << 15;
    /// What ends with the binding or with a renewal.
    pub(crate) const OF_A_RUN: u16 = RECONFIGURING | REFRESH | DEFERRED_NAK | MOVED | ATTEMPTS;
}

/// Why a client is reconfigured.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Purpose {
    /// It shall get another address: its renewal gets a NAK.
    Renumber,
    /// Its options changed: its renewal gets an ACK with the new ones.
    Refresh,
}

/// How a client was seen to answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Capability {
    /// It was never asked.
    Unknown = 0,
    /// It renews at a FORCERENEW authenticated by its nonce (RFC 6704).
    Nonce = 1,
    /// It renews at one with the configuration token (RFC 3118 §4).
    Token = 2,
    /// It renews at one without authentication.
    Plain = 3,
    /// It answered no attempt.
    Deaf = 4,
}

impl Capability {
    pub(crate) const fn of(flags: u16) -> Self {
        match (flags & flag::CAPABILITY) >> flag::CAPABILITY_SHIFT {
            1 => Self::Nonce,
            2 => Self::Token,
            3 => Self::Plain,
            4 => Self::Deaf,
            _ => Self::Unknown,
        }
    }

    pub(crate) const fn store(self, flags: u16) -> u16 {
        (flags & !flag::CAPABILITY) | ((self as u16) << flag::CAPABILITY_SHIFT)
    }
}

/// How far a bound client is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Phase {
    /// Not at all.
    Idle,
    /// FORCERENEWs run.
    Reconfiguring(Purpose),
    /// It answered none; its next renewal gets a NAK.
    DeferredNak,
}

impl Phase {
    /// All of them, for tables over the full product.
    pub const ALL: [Self; 4] =
        [Self::Idle, Self::Reconfiguring(Purpose::Renumber), Self::Reconfiguring(Purpose::Refresh), Self::DeferredNak];

    pub(crate) const fn of(flags: u16) -> Self {
        if flags & flag::RECONFIGURING != 0 {
            let refresh = flags & flag::REFRESH != 0;
            Self::Reconfiguring(if refresh { Purpose::Refresh } else { Purpose::Renumber })
        } else if flags & flag::DEFERRED_NAK != 0 {
            Self::DeferredNak
        } else {
            Self::Idle
        }
    }
}

/// What happens to a bound client.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Happening {
    /// Operator, RADIUS or a commit wants it moved.
    Trigger,
    /// REQUEST in any client state, for the address that it holds.
    Request,
    /// DISCOVER.
    Discover,
    /// RELEASE, DECLINE, expiry, clear.
    End,
}

impl Happening {
    /// All of them, for tables over the full product.
    pub const ALL: [Self; 4] = [Self::Trigger, Self::Request, Self::Discover, Self::End];
}

/// What follows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// A reconfiguration begins.
    Start,
    /// Nothing.
    Ignore,
    /// It is answered as any client.
    Serve,
    /// NAK, and the binding ends: this is success where it is being moved.
    NakAndEnd,
    /// The packet is dropped and the binding ends; the client's next DISCOVER starts anew.
    DropAndEnd,
    /// The binding ends as the event says.
    End,
}

/// The table.
pub const fn next(phase: Phase, happening: Happening) -> Action {
    use Action as A;
    use Happening as H;
    use Phase as P;
    match (phase, happening) {
        (P::Idle | P::DeferredNak, H::Trigger) => A::Start,
        (P::Reconfiguring(_), H::Trigger) => A::Ignore,
        (P::Idle | P::Reconfiguring(Purpose::Refresh), H::Request) => A::Serve,
        (P::Reconfiguring(Purpose::Renumber) | P::DeferredNak, H::Request) => A::NakAndEnd,
        (P::Idle, H::Discover) => A::Serve,
        (P::Reconfiguring(_) | P::DeferredNak, H::Discover) => A::DropAndEnd,
        (_, H::End) => A::End,
    }
}

/// What a bound client's record says of a happening.
pub(crate) const fn action(record: &Record, happening: Happening) -> Action {
    next(Phase::of(record.flags), happening)
}

/// The flags of a record whose binding ends because of us while it is in `flags`: a client that is being moved away
/// gets another address.
pub(crate) const fn flags_of_tombstone(flags: u16, by_us: bool) -> u16 {
    let moved = by_us && matches!(Phase::of(flags), Phase::Reconfiguring(Purpose::Renumber) | Phase::DeferredNak);
    (flags & !flag::OF_A_RUN) | if moved { flag::MOVED } else { 0 }
}

/// Attempts made.
pub(crate) const fn attempts(flags: u16) -> u8 {
    ((flags & flag::ATTEMPTS) >> flag::ATTEMPTS_SHIFT) as u8
}

/// The flags of attempt `number` for `purpose`.
pub(crate) const fn attempting(flags: u16, purpose: Purpose, number: u8) -> u16 {
    let refresh = if matches!(purpose, Purpose::Refresh) { flag::REFRESH } else { 0 };
    let number = ((number as u16) << flag::ATTEMPTS_SHIFT) & flag::ATTEMPTS;
    (flags & !flag::OF_A_RUN) | flag::RECONFIGURING | refresh | number
}

#[cfg(test)]
mod tests {
    use super::*;
    use Action as A;

    #[test]
    fn full_product() {
        let rows = [
            //                                        Trigger    Request       Discover       End
            (Phase::Idle, [A::Start, A::Serve, A::Serve, A::End]),
            (Phase::Reconfiguring(Purpose::Renumber), [A::Ignore, A::NakAndEnd, A::DropAndEnd, A::End]),
            (Phase::Reconfiguring(Purpose::Refresh), [A::Ignore, A::Serve, A::DropAndEnd, A::End]),
            (Phase::DeferredNak, [A::Start, A::NakAndEnd, A::DropAndEnd, A::End]),
        ];
        assert_eq!(rows.map(|(phase, _)| phase), Phase::ALL);
        for (phase, wanted) in rows {
            for (happening, wanted) in Happening::ALL.into_iter().zip(wanted) {
                assert_eq!(next(phase, happening), wanted, "{phase:?} on {happening:?}");
            }
        }
    }

    #[test]
    fn flags_read_back() {
        for purpose in [Purpose::Renumber, Purpose::Refresh] {
            for number in 0..=10 {
                let flags = attempting(flag::TOKEN | flag::DEFERRED_NAK, purpose, number);
                assert_eq!((Phase::of(flags), attempts(flags)), (Phase::Reconfiguring(purpose), number));
                let ended = flags_of_tombstone(flags, true);
                assert_eq!(ended & flag::MOVED != 0, purpose == Purpose::Renumber);
                assert_eq!(ended & !flag::MOVED, flag::TOKEN);
                assert_eq!(flags_of_tombstone(flags, false), flag::TOKEN);
            }
        }
        use Capability as C;
        for capability in [C::Unknown, C::Nonce, C::Token, C::Plain, C::Deaf] {
            assert_eq!(Capability::of(capability.store(0xffff)), capability);
            assert_eq!(capability.store(0xffff) | flag::CAPABILITY, 0xffff);
        }
    }
}
