//! What happens to sessions, for those who observe them: accounting, and plugins of stage `session-events`.

use crate::{
    Engine,
    engine::Turn,
    event::{SessionChange, SessionNews},
    policy::Stage,
    reconfigure::flag,
    session::{Slot, State},
};
use alloc::{boxed::Box, sync::Arc};

impl Engine {
    /// Tells of a change that is on storage, when anybody observes the session's group.
    pub(crate) fn tell_session(&mut self, turn: Turn, slot: Slot, change: SessionChange) {
        if !self.observed {
            return;
        }
        let config = Arc::clone(&self.config);
        let Some(record) = self.sessions.get(slot) else { return };
        let Some(served) = self.served_by_name(&config, record) else { return };
        let served = self.served_of(&config, record, served);
        let observers = served.chain(&config, Stage::SessionEvents);
        let account = config.group(served.group).is_some_and(|group| group.account);
        if observers.is_empty() && !account {
            return;
        }
        let moved = record.flags & flag::MOVED != 0;
        let Some(session) = self.view(turn, slot).map(Box::new) else { return };
        self.outbox.sessions.push(SessionNews { change, account, observers: observers.into(), moved, session });
    }

    /// Tells of the end of a binding.
    pub(crate) fn tell_end(&mut self, turn: Turn, slot: Slot, state: State) {
        let change = match state {
            State::Released => SessionChange::Released,
            State::Expired => SessionChange::Expired,
            State::Declined => SessionChange::Declined,
            State::Offered | State::Bound | State::Cleared => SessionChange::Cleared,
        };
        self.tell_session(turn, slot, change);
    }
}
