//! When the Interim-Update of each session is due.

use bindery_types::SessionId;
use std::collections::{BTreeSet, HashMap};

/// Shortest interval, seconds (RFC 2869 §5.16).
const SHORTEST: u64 = 60;

/// One time a session, in seconds of the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    due: BTreeSet<(u64, SessionId)>,
    of: HashMap<SessionId, u64>,
}

impl Schedule {
    /// The session's next one is due then.
    pub(super) fn set(&mut self, session: SessionId, due: u64) {
        if let Some(old) = self.of.insert(session, due) {
            self.due.remove(&(old, session));
        }
        self.due.insert((due, session));
    }

    /// The session has no further one.
    pub(super) fn remove(&mut self, session: SessionId) {
        if let Some(due) = self.of.remove(&session) {
            self.due.remove(&(due, session));
        }
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<u64> {
        self.due.first().map(|(due, _)| *due)
    }

    /// A session whose one is due by `now`; it has none any more.
    pub(super) fn take_due(&mut self, now: u64) -> Option<SessionId> {
        let (_, session) = self.due.first().copied().filter(|(due, _)| *due <= now)?;
        self.remove(session);
        Some(session)
    }
}

/// The interval of a session, seconds: what its Access-Accept says wins over the profile's minutes, and 0 means none.
pub(super) fn interval(granted_secs: Option<u32>, profile_minutes: Option<u16>) -> Option<u64> {
    match granted_secs {
        Some(0) => None,
        Some(secs) => Some(u64::from(secs).max(SHORTEST)),
        None => profile_minutes.map(|minutes| u64::from(minutes) * 60).filter(|secs| *secs > 0),
    }
}

/// Seconds until the next one of a session of this age, at least 1. Those of many sessions that began together are
/// spread: each comes up to `tolerance` earlier, but never more than half an interval.
pub(super) fn due_in(session: SessionId, interval: u64, tolerance: u64, age: u64) -> u64 {
    // Neighbouring ids are far apart: the multiplier is odd and its bits are mixed.
    let mixed = session.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let early = mixed % (tolerance.min(interval / 2) + 1);
    let nth = (age + early) / interval + 1;
    nth * interval - early - age
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_session_has_one_time() {
        let mut schedule = Schedule::default();
        schedule.set(SessionId(1), 10);
        schedule.set(SessionId(2), 5);
        schedule.set(SessionId(1), 7);
        assert_eq!(schedule.next(), Some(5));
        assert_eq!(schedule.take_due(4), None);
        assert_eq!((schedule.take_due(7), schedule.take_due(7)), (Some(SessionId(2)), Some(SessionId(1))));
        assert_eq!(schedule.take_due(100), None);
        schedule.set(SessionId(3), 1);
        schedule.remove(SessionId(3));
        assert!(schedule.next().is_none() && schedule.of.is_empty());
    }

    #[test]
    fn what_is_granted_wins() {
        assert_eq!(interval(None, None), None);
        assert_eq!(interval(None, Some(10)), Some(600));
        assert_eq!(interval(Some(900), Some(10)), Some(900));
        assert_eq!(interval(Some(0), Some(10)), None);
        assert_eq!(interval(Some(5), None), Some(60), "no shorter one is allowed");
    }

    #[test]
    fn they_come_in_step_and_spread() {
        let mut first = BTreeSet::new();
        for id in 1..=1_000 {
            let id = SessionId(id);
            let due = due_in(id, 600, 60, 0);
            assert!((540..=600).contains(&due), "{due}");
            assert_eq!(due_in(id, 600, 60, due), 600, "the next one follows an interval later");
            assert_eq!(due_in(id, 600, 60, 6_000 + 3), due - 3, "a restart changes nothing");
            assert!((30..=60).contains(&due_in(id, 60, 600, 0)), "at least half an interval");
            first.insert(due);
        }
        assert!(first.len() > 50, "{}", first.len());
    }
}
