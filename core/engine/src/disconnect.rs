//! RADIUS asks to end a session (RFC 5176 §3): a plugin may say otherwise.

use crate::{
    Engine,
    binding::BindingEvent,
    command::{AuthorizationChange, DisconnectKeys, Disconnected, PAGE_MAX, Reply},
    commit::COMMITS_MAX,
    engine::Turn,
    input::CommandId,
    policy::{Attribute, Disconnect, DisconnectCause, DisconnectVerdict, Policy, Stage},
    reconfigure::{Action, Happening, Purpose, Started, action},
    session::{Identity, IdentityBuf, Record, Slot, State},
    subscriber::{Subscriber, username_in},
};
use alloc::{sync::Arc, vec::Vec};
use bindery_types::{HwAddr, SessionId};

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
            let asked = self.ask_disconnect(turn, slot, DisconnectCause::Disconnect, attributes, policy);
            let verdict = asked.unwrap_or(DisconnectVerdict::Clear);
            self.carry_out(turn, id, slot, verdict)
        });
        match outcome {
            Ok(outcome) => self.await_disconnect(id, outcome),
            Err(outcome) => self.outbox.replies.push((id, Reply::Disconnected(outcome))),
        }
    }

    /// Bound sessions that match all that is given.
    fn sessions_of(&self, keys: &DisconnectKeys) -> Vec<Slot> {
        // Whoever means one of two routing instances says more than an address.
        let by_address = keys.address.map(|address| self.at_address(address).collect::<Vec<_>>());
        let by_id = keys.session.map(|session| self.sessions.find_by_id(session).into_iter().collect());
        let mut slots: Vec<Slot> = match (by_id.or(by_address), keys.mac, &keys.username, keys.multi_session) {
            (Some(found), ..) => found,
            (None, Some(mac), ..) => self.sessions.by_hw(&HwAddr::from(mac)).take(PAGE_MAX).collect(),
            (None, None, Some(name), _) => self.sessions.by_username(name).take(PAGE_MAX).collect(),
            (None, None, None, Some(first)) => self.kin_of(first),
            // Whoever names an interface alone would end all its clients.
            (None, None, None, None) => Vec::new(),
        };
        slots.retain(|slot| self.sessions.get(*slot).is_some_and(|record| self.matches(*slot, record, keys)));
        slots
    }

    /// The sessions of the client that had this one first.
    fn kin_of(&self, first: SessionId) -> Vec<Slot> {
        let first = self.sessions.find_by_id(first);
        let hw = first.and_then(|slot| self.sessions.identity(slot)).map(|identity| identity.hw);
        hw.map_or_else(Vec::new, |hw| self.sessions.by_hw(&hw).take(PAGE_MAX).collect())
    }

    fn matches(&self, slot: Slot, record: &Record, keys: &DisconnectKeys) -> bool {
        let Some(identity) = self.sessions.identity(slot) else { return false };
        let mac = identity.hw.mac();
        record.state() == State::Bound
            && keys.session.is_none_or(|session| session == record.id())
            && keys.start.is_none_or(|start| start == record.start)
            && keys.username.as_deref().is_none_or(|name| name == username_in(identity.subscriber))
            && keys
                .multi_session
                .is_none_or(|first| first == Subscriber::decode(identity.subscriber).follows.unwrap_or(record.id()))
            && keys.address.is_none_or(|address| address == record.address())
            && keys.mac.is_none_or(|wanted| Some(wanted) == mac)
            && keys.interface.as_deref().is_none_or(|name| name == self.names.name(record.link()))
    }

    fn ask_disconnect(
        &self,
        turn: Turn,
        slot: Slot,
        cause: DisconnectCause,
        attributes: &[Attribute],
        policy: &mut dyn Policy,
    ) -> Option<DisconnectVerdict> {
        let config = Arc::clone(&self.config);
        let record = self.sessions.get(slot);
        let served = record.and_then(|record| self.served_by_name(&config, record));
        let chain = served.map(|served| served.chain(&config, Stage::Disconnect)).unwrap_or_default();
        let can_reconfigure = served.is_some_and(|served| served.reconfigure(&config).is_some());
        let (Some(subject), false) = (self.subject_of(slot), chain.is_empty()) else {
            return None;
        };
        let question = Disconnect { subject, cause, can_reconfigure, attributes };
        policy.disconnect(turn.now, chain, &question)
    }

    /// Carries out a CoA-Request (RFC 5176 §3.2): a new end of service, or a move to another pool or address. Answers
    /// at once, or when it is on storage. Plugins of stage `disconnect` may keep the session as it is, or end it.
    pub(crate) fn change_authorization(
        &mut self,
        turn: Turn,
        id: CommandId,
        (keys, change): (&DisconnectKeys, AuthorizationChange),
        attributes: &[Attribute],
        policy: &mut dyn Policy,
    ) {
        let outcome = match self.sessions_of(keys).as_slice() {
            [] => Err(Disconnected::NotFound),
            [one] => self.reauthorize(turn, id, *one, change, attributes, policy),
            _ => Err(Disconnected::Several),
        };
        match outcome {
            Ok(outcome) => self.await_disconnect(id, outcome),
            Err(outcome) => self.outbox.replies.push((id, Reply::Disconnected(outcome))),
        }
    }

    fn reauthorize(
        &mut self,
        turn: Turn,
        id: CommandId,
        slot: Slot,
        change: AuthorizationChange,
        attributes: &[Attribute],
        policy: &mut dyn Policy,
    ) -> Result<Disconnected, Disconnected> {
        if self.rings.store_down || !self.rings.has_room() {
            return Err(Disconnected::Failed);
        }
        match self.ask_disconnect(turn, slot, DisconnectCause::ChangeOfAuthorization, attributes, policy) {
            Some(DisconnectVerdict::Ignore) => return Err(Disconnected::Ignored),
            Some(DisconnectVerdict::Clear) => return self.carry_out(turn, id, slot, DisconnectVerdict::Clear),
            Some(DisconnectVerdict::Reconfigure) | None => {}
        }
        let config = Arc::clone(&self.config);
        let record = *self.sessions.get(slot).ok_or(Disconnected::NotFound)?;
        // Its exchange is running: the server asks again.
        if record.pending != 0 {
            return Err(Disconnected::Failed);
        }
        let in_pool = |address| self.pools.pool_of(record.instance(), address).is_some();
        let is_here = |pool: &crate::config::Pool| pool.instance == record.instance();
        if change.pool.as_ref().is_some_and(|name| !config.pools.iter().any(|p| p.name == *name && is_here(p)))
            || change.address.is_some_and(|address| !in_pool(address))
        {
            return Err(Disconnected::BadValue);
        }
        let moves = (change.pool.is_some() || change.address.is_some()) && change.address != Some(record.address());
        let asks = self.served_by_name(&config, &record).is_some_and(|served| served.asks_authority(&config));
        if moves && (!asks || self.reconfigure_of(&config, &record).is_none()) {
            return Err(Disconnected::Unsupported);
        }
        let identity = self.sessions.identity(slot).ok_or(Disconnected::NotFound)?;
        let mut subscriber = Subscriber::decode(identity.subscriber);
        if let Some(secs) = change.session_secs {
            subscriber.ends = Some(turn.lease.plus_secs(u64::from(secs)));
        }
        if moves {
            (subscriber.next_pool, subscriber.next_address) = (change.pool, change.address);
        }
        let stored = subscriber.encode();
        let mut buf = IdentityBuf::new();
        buf.set(&Identity { subscriber: &stored, ..identity }).map_err(|_| Disconnected::BadValue)?;
        // One write for both, so that a client is never moved without the wish.
        if moves && action(&record, Happening::Trigger) == Action::Start {
            self.commit_attempt(turn, slot, &record, (Purpose::Renumber, 1), Some(buf), Some(id));
            return Ok(Disconnected::Reconfiguring);
        }
        self.commit_subscriber(turn, slot, &record, buf, id);
        Ok(Disconnected::Changed)
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
