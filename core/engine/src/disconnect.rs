//! RADIUS asks to end a session (RFC 5176 §3): a plugin may say otherwise.

use crate::{
    Engine,
    binding::BindingEvent,
    command::{DisconnectKeys, Disconnected, PAGE_MAX, Reply},
    commit::COMMITS_MAX,
    engine::Turn,
    input::CommandId,
    policy::{Attribute, Disconnect, DisconnectCause, DisconnectVerdict, Policy, Stage},
    reconfigure::{Purpose, Started},
    session::{Record, Slot, State},
};
use alloc::{sync::Arc, vec::Vec};
use bindery_types::{HwAddr, InstanceId};

impl Engine {
    /// Answers at once, or when the end or the reconfiguration of the session is on storage.
    pub(crate) fn disconnect(
        &mut self,
        turn: Turn,
        id: CommandId,
        keys: &DisconnectKeys,
        attributes: &[Attribute],
        policy: &mut dyn Policy,
    ) {
        let found = match self.sessions_of(keys).as_slice() {
            [] => Err(Disconnected::NotFound),
            [one] => Ok(*one),
            _ => Err(Disconnected::Several),
        };
        let outcome = found.and_then(|slot| {
            let room = self.rings.commits.len() + PAGE_MAX <= COMMITS_MAX;
            if self.rings.store_down || !room {
                return Err(Disconnected::Failed);
            }
            let verdict = self.ask_disconnect(turn, slot, attributes, policy);
            self.carry_out(turn, id, slot, verdict)
        });
        match outcome {
            Ok(outcome) => self.await_disconnect(id, outcome),
            Err(outcome) => self.outbox.replies.push((id, Reply::Disconnected(outcome))),
        }
    }

    /// Bound sessions that match all that is given.
    fn sessions_of(&self, keys: &DisconnectKeys) -> Vec<Slot> {
        let by_address = keys.address.map(|address| self.sessions.find_by_address(InstanceId(0), address));
        let by_id = keys.session.map(|session| self.sessions.find_by_id(session));
        let mut slots: Vec<Slot> = match (by_id.or(by_address), keys.mac) {
            (Some(one), _) => one.into_iter().collect(),
            (None, Some(mac)) => self.sessions.by_hw(&HwAddr::from(mac)).take(PAGE_MAX).collect(),
            // Whoever names an interface alone would end all its clients.
            (None, None) => Vec::new(),
        };
        slots.retain(|slot| self.sessions.get(*slot).is_some_and(|record| self.matches(*slot, record, keys)));
        slots
    }

    fn matches(&self, slot: Slot, record: &Record, keys: &DisconnectKeys) -> bool {
        let mac = self.sessions.identity(slot).and_then(|identity| identity.hw.mac());
        record.state() == State::Bound
            && keys.session.is_none_or(|session| session == record.id())
            && keys.address.is_none_or(|address| address == record.address())
            && keys.mac.is_none_or(|wanted| Some(wanted) == mac)
            && keys.interface.as_deref().is_none_or(|name| name == self.names.name(record.link()))
    }

    fn ask_disconnect(
        &self,
        turn: Turn,
        slot: Slot,
        attributes: &[Attribute],
        policy: &mut dyn Policy,
    ) -> DisconnectVerdict {
        let config = Arc::clone(&self.config);
        let record = self.sessions.get(slot);
        let served = record.and_then(|record| self.served_by_name(&config, record));
        let chain = served.map(|served| served.chain(&config, Stage::Disconnect)).unwrap_or_default();
        let can_reconfigure = served.is_some_and(|served| served.reconfigure(&config).is_some());
        let (Some(subject), false) = (self.subject_of(slot), chain.is_empty()) else {
            return DisconnectVerdict::Clear;
        };
        let cause = DisconnectCause::Disconnect;
        let question = Disconnect { subject, cause, can_reconfigure, attributes };
        policy.disconnect(turn.now, chain, &question).unwrap_or(DisconnectVerdict::Clear)
    }

    fn carry_out(
        &mut self,
        turn: Turn,
        id: CommandId,
        slot: Slot,
        verdict: DisconnectVerdict,
    ) -> Result<Disconnected, Disconnected> {
        match verdict {
            DisconnectVerdict::Ignore => return Err(Disconnected::Ignored),
            DisconnectVerdict::Reconfigure => match self.trigger(turn, slot, Purpose::Renumber, id) {
                Started::Waiting => return Ok(Disconnected::Reconfiguring),
                // It is on its way already.
                Started::Ignored => return Err(Disconnected::Reconfiguring),
                Started::Cleared => return Err(Disconnected::Cleared),
                Started::NotConfigured => {}
            },
            DisconnectVerdict::Clear => {}
        }
        let pending = self.sessions.get(slot).is_some_and(|record| record.pending != 0);
        match self.sessions.handle(slot) {
            Some(handle) if pending => self.wanted.push((handle, None, id)),
            _ => {
                self.commit_end(turn, slot, BindingEvent::Clear, None, Some(id));
            }
        }
        Ok(Disconnected::Cleared)
    }
}
