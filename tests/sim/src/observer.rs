//! An operator who looks at counters and history: both agree with what was seen.

use crate::{audit::Finding, world::World};
use bindery_engine::{
    command::{Cursor, LinkStatistics, Reply, Verb},
    history::{HistoryCursor, HistoryKey, What},
    record::DurableState,
};
use bindery_types::SessionId;
use bindery_wire::v4::MessageType;
use std::collections::BTreeSet;

impl World {
    /// Counters by interface are what left there, and their sums the totals.
    pub(crate) fn tallies_agree(&mut self) -> Result<(), Finding> {
        let (mut rows, mut cursor) = (Vec::<LinkStatistics>::new(), Some(Cursor::START));
        while let Some(at) = cursor {
            let verb = Verb::LinkStatistics { interface: None, cursor: at };
            let Reply::LinkStatistics { rows: page, next } = self.asked_at_once(verb)? else {
                return Err("no answer to a look at counters".into());
            };
            rows.extend(page);
            cursor = next;
        }
        let Reply::Statistics(totals) = self.asked_at_once(Verb::Statistics)? else {
            return Err("no answer to a look at statistics".into());
        };
        let of = |name: &str| rows.iter().find(|row| *row.interface == *name);
        self.auditor.tally_agrees(|name, message| of(name).map_or(0, |row| row.counters.sent[message as usize]))?;
        for message in [MessageType::Discover, MessageType::Request, MessageType::Release] {
            let sum: u64 = rows.iter().map(|row| row.counters.received[message as usize]).sum();
            let total = totals.received[message as usize];
            if self.auditor.tally_is_sure() && sum != total {
                return Err(format!("{sum} {message:?}s are counted at interfaces, {total} in all"));
            }
        }
        Ok(())
    }

    /// Each binding that began or ended is in the history.
    pub(crate) fn history_agrees(&mut self) -> Result<(), Finding> {
        let changes: BTreeSet<(SessionId, u8)> =
            self.auditor.changes().map(|(session, state)| (session, what(state) as u8)).collect();
        for (session, wanted) in changes {
            let (mut found, mut cursor) = (false, Some(HistoryCursor::default()));
            while let Some(at) = cursor {
                let verb = Verb::History { key: HistoryKey::Session(session), cursor: at };
                let Reply::History { rows, next } = self.asked_at_once(verb)? else {
                    return Err("no answer to a look at the history".into());
                };
                found |= rows.iter().any(|row| row.what as u8 == wanted);
                cursor = next;
            }
            if !found {
                let wanted = What::ALL.into_iter().find(|what| *what as u8 == wanted);
                return Err(format!("session {session} was {wanted:?}, and its history does not say so"));
            }
        }
        Ok(())
    }
}

const fn what(state: DurableState) -> What {
    match state {
        DurableState::Bound => What::Bound,
        DurableState::Released => What::Released,
        DurableState::Expired => What::Expired,
        DurableState::Cleared => What::Cleared,
        DurableState::Declined => What::Declined,
    }
}
