//! Dynamic reconfiguration: FORCERENEW with back-off, and what follows (RFC 3203, junos.md §8).
//!
//! Each attempt is written to the session database first and sent when it is durable, so that the schedule survives
//! a restart: the number of attempts and the time of the next one stand in the record.

mod rules;
mod schedule;

pub use rules::{Action, Capability, Happening, Phase, Purpose, next};
pub(crate) use rules::{action, attempts, flag, flags_of_tombstone};
pub(crate) use schedule::{Entry, Schedule};

use crate::{
    Engine,
    binding::BindingEvent,
    commit::{self, Answer, Change, Committing},
    config::{Config, Reconfigure},
    engine::Turn,
    event::SessionChange,
    exchange::ExchangeState,
    input::CommandId,
    output::Destination,
    policy::{Exhausted, ExhaustedVerdict, Policy, Stage, Subject},
    record::Nonce,
    session::{IdentityBuf, Record, Slot, State},
};
use alloc::sync::Arc;
use bindery_types::{IfIndex, Ipv4Addr, Mono};
use bindery_wire::v4::{EncodeLimits, MessageType, OptionCode, Packet, authentication};
use core::time::Duration;

/// Most attempts handled in one turn; the next turn follows at once.
const DUE_MAX: usize = 64;

/// Pause between two clients whose attempts came due while the daemon was down: no burst at start.
const OVERDUE_PAUSE: Duration = Duration::from_millis(5);

/// When a client is looked at again whose attempt could not be written.
const AGAIN: Duration = Duration::from_secs(1);

/// When an attempt is looked at again whose write is under way.
const WRITING: Duration = Duration::from_secs(30);

/// What became of a trigger for one client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Started {
    /// The command is told when it is durable.
    Waiting,
    /// A client that is reconfiguring already.
    Ignored,
    /// It had only an offer: that was taken back.
    Cleared,
    /// Its group has no `reconfigure`.
    NotConfigured,
}

impl Engine {
    /// Begins to move a client (junos.md §8.1): one that is reconfiguring already is left alone, one that is not
    /// bound is cleared.
    pub(crate) fn trigger(&mut self, turn: Turn, slot: Slot, purpose: Purpose, command: CommandId) -> Started {
        let config = Arc::clone(&self.config);
        let Some(record) = self.sessions.get(slot).copied() else {
            return Started::Ignored;
        };
        match record.state() {
            State::Offered if record.pending == 0 => {
                self.lapse_offer(slot);
                return Started::Cleared;
            }
            State::Bound | State::Offered => {}
            State::Released | State::Expired | State::Cleared | State::Declined => return Started::Ignored,
        }
        if self.reconfigure_of(&config, &record).is_none() {
            return Started::NotConfigured;
        }
        if action(&record, Happening::Trigger) == Action::Ignore {
            return Started::Ignored;
        }
        if record.pending != 0 {
            let Some(handle) = self.sessions.handle(slot) else { return Started::Ignored };
            self.wanted.push((handle, Some(purpose), command));
            return Started::Waiting;
        }
        self.commit_attempt(turn, slot, &record, (purpose, 1), None, Some(command));
        Started::Waiting
    }

    /// What holds for the client's group; for the server where no group serves it.
    pub(crate) fn reconfigure_of<'c>(&self, config: &'c Config, record: &Record) -> Option<&'c Reconfigure> {
        self.regime(config).reconfigure_of(record)
    }

    /// Writes attempt `number`; it is sent when it is durable.
    pub(crate) fn commit_attempt(
        &mut self,
        turn: Turn,
        slot: Slot,
        record: &Record,
        (purpose, number): (Purpose, u8),
        identity: Option<IdentityBuf>,
        command: Option<CommandId>,
    ) {
        let config = Arc::clone(&self.config);
        let pause = self.reconfigure_of(&config, record).map_or(0, |reconfigure| reconfigure.pause_secs(number));
        let mut change = Change::of(record);
        change.flags = rules::attempting(record.flags, purpose, number);
        change.due = Some(turn.lease.plus_secs(pause));
        let wait = (ExchangeState::AwaitCommit, None, command);
        self.commit(turn, commit::Purpose::Reconfigure, slot, change, identity, wait);
    }

    /// Writes what was granted anew to a session. A reconfiguration that runs goes on.
    pub(crate) fn commit_subscriber(
        &mut self,
        turn: Turn,
        slot: Slot,
        record: &Record,
        identity: IdentityBuf,
        command: CommandId,
    ) {
        let mut change = Change::of(record);
        change.due = self.schedule.due(slot).filter(|_| record.flags & flag::RECONFIGURING != 0);
        let wait = (ExchangeState::AwaitCommit, None, Some(command));
        self.commit(turn, commit::Purpose::Reauthorize, slot, change, Some(identity), wait);
    }

    /// What was granted anew is durable: no attempt was made.
    pub(crate) fn reauthorized(&mut self, turn: Turn, slot: Slot, entry: Committing) {
        let Some(change) = entry.change else { return };
        self.apply(slot, &change, entry.identity.as_ref());
        self.tell_session(turn, slot, SessionChange::Reauthorized);
        if let Some(command) = entry.command {
            self.command_done(command, true);
        }
    }

    /// An attempt, or its end, is durable.
    pub(crate) fn attempted(&mut self, turn: Turn, slot: Slot, entry: Committing) {
        let Some(change) = entry.change else { return };
        self.apply(slot, &change, entry.identity.as_ref());
        if entry.identity.is_some() {
            self.tell_session(turn, slot, SessionChange::Reauthorized);
        }
        match change.due {
            Some(due) => {
                let at = turn.now.mono.plus(Duration::from_secs(turn.lease.secs_until(due)));
                self.schedule.set(Entry { slot: entry.slot, at, due });
                self.send_forcerenew(slot);
            }
            None => self.schedule.remove(slot),
        }
        if let Some(command) = entry.command {
            self.command_done(command, true);
        }
    }

    /// Does the attempts that are due.
    pub(crate) fn reconfigure_due(&mut self, turn: Turn, policy: &mut dyn Policy) {
        for _ in 0..DUE_MAX {
            let Some(entry) = self.schedule.first_due(turn.now.mono) else { return };
            self.begin_event(crate::history::Why::Unknown);
            let slot = entry.slot.slot;
            let record = self.sessions.resolve(entry.slot).and_then(|slot| self.sessions.get(slot)).copied();
            let Some(record) = record.filter(|r| r.state() == State::Bound) else {
                self.schedule.remove(slot);
                continue;
            };
            let Phase::Reconfiguring(purpose) = Phase::of(record.flags) else {
                self.schedule.remove(slot);
                continue;
            };
            if record.pending != 0 || !self.rings.has_room() {
                self.schedule.set(Entry { at: turn.now.mono.plus(AGAIN), ..entry });
                continue;
            }
            // Until it is durable, or its write has failed.
            self.schedule.set(Entry { at: turn.now.mono.plus(WRITING), ..entry });
            let made = attempts(record.flags);
            let config = Arc::clone(&self.config);
            match self.reconfigure_of(&config, &record).map(|reconfigure| reconfigure.attempts) {
                Some(most) if made < most => self.commit_attempt(turn, slot, &record, (purpose, made + 1), None, None),
                Some(_) => self.exhausted(turn, slot, &record, purpose, policy),
                // A commit has taken the feature from the group: the client stays as it was.
                None => self.commit_rest(turn, slot, &record, record.flags & !flag::OF_A_RUN),
            }
        }
    }

    /// No attempt was answered: a plugin says what follows (junos.md §8.3).
    fn exhausted(&mut self, turn: Turn, slot: Slot, record: &Record, purpose: Purpose, policy: &mut dyn Policy) {
        let config = Arc::clone(&self.config);
        let chain = self
            .served_by_name(&config, record)
            .map(|served| served.chain(&config, Stage::ReconfigureExhausted))
            .unwrap_or_default();
        let verdict = match self.subject_of(slot) {
            Some(subject) if !chain.is_empty() => {
                let question = Exhausted {
                    subject,
                    attempts: attempts(record.flags),
                    has_nonce: self.sessions.nonce(slot).is_some(),
                };
                policy.reconfigure_exhausted(turn.now, chain, &question)
            }
            _ => ExhaustedVerdict::Restore,
        };
        let rest = Capability::Deaf.store(record.flags & !flag::OF_A_RUN);
        match verdict {
            ExhaustedVerdict::Clear => {
                let flags = Capability::Deaf.store(flags_of_tombstone(record.flags, true));
                self.begin_event(crate::history::Why::Exhausted);
                self.commit_end_as(turn, slot, BindingEvent::Clear, flags, None, None);
            }
            // New options are no reason to refuse anybody.
            ExhaustedVerdict::Defer if purpose == Purpose::Renumber => {
                self.commit_rest(turn, slot, record, rest | flag::DEFERRED_NAK);
            }
            ExhaustedVerdict::Defer | ExhaustedVerdict::Restore => self.commit_rest(turn, slot, record, rest),
        }
    }

    fn commit_rest(&mut self, turn: Turn, slot: Slot, record: &Record, flags: u16) {
        let mut change = Change::of(record);
        change.flags = flags;
        self.commit(turn, commit::Purpose::Reconfigure, slot, change, None, (ExchangeState::AwaitCommit, None, None));
    }

    /// Takes up what the last process left: each client at its next attempt, those overdue one after the other.
    pub(crate) fn resume_reconfigurations(&mut self, due: &[(Slot, bindery_types::LeaseTime)], now: Mono) {
        let lease = self.clock.at(now);
        let mut overdue = 0;
        for (slot, due) in due {
            let Some(handle) = self.sessions.handle(*slot) else { continue };
            let at = if *due > lease {
                now.plus(Duration::from_secs(lease.secs_until(*due)))
            } else {
                overdue += 1;
                now.plus(OVERDUE_PAUSE * overdue)
            };
            self.schedule.set(Entry { slot: handle, at, due: *due });
        }
    }

    /// How the client is told that a FORCERENEW is from us.
    pub(crate) fn method_of(&self, slot: Slot, reconfigure: Option<&Reconfigure>) -> Capability {
        if self.sessions.nonce(slot).is_some() {
            Capability::Nonce
        } else if reconfigure.is_some_and(|reconfigure| reconfigure.token.is_some()) {
            Capability::Token
        } else {
            Capability::Plain
        }
    }

    /// DHCPFORCERENEW (RFC 3203 §3), unicast to the leased address: it is routed past a relay, so giaddr and hops are
    /// zero. The xid is the one of the client's last exchange: clients drop any other.
    fn send_forcerenew(&mut self, slot: Slot) {
        let config = Arc::clone(&self.config);
        let Some(record) = self.sessions.get(slot).copied() else { return };
        self.origin.index = self.index_of(record.link());
        self.origin.session = record.id();
        self.origin.address = record.address();
        self.origin.hw = self.sessions.identity(slot).map(|identity| identity.hw);
        let reconfigure = self.reconfigure_of(&config, &record);
        let nonce = self.sessions.nonce(slot);
        // Not that of the attempt's own change: a NAK may have left since with a later one.
        let replay = self.next_replay();
        let mut reply = core::mem::take(&mut self.reply);
        reply.reset();
        reply.xid = record.xid;
        if let Some(identity) = self.sessions.identity(slot) {
            reply.chaddr = identity.hw;
        }
        let token = reconfigure.and_then(|reconfigure| reconfigure.token.as_deref());
        let mut set = |code, value: &[u8]| reply.options.set(code, value).is_ok();
        let mut whole = set(OptionCode::DHCP_MESSAGE_TYPE, &[MessageType::ForceRenew as u8])
            && set(OptionCode::SERVER_IDENTIFIER, &record.server_id.octets());
        // `include-option-82 forcerenew`: an access node on the way looks for its own.
        let served = self.served_by_name(&config, &record).map(|served| self.served_of(&config, &record, served));
        if served.and_then(|served| served.overrides(&config)).is_some_and(|o| o.option_82_in_forcerenew)
            && let Some(identity) = self.sessions.identity(slot).filter(|identity| !identity.relay_info.is_empty())
        {
            whole &= set(OptionCode::RELAY_AGENT_INFORMATION, identity.relay_info);
        }
        match (&nonce, token) {
            (Some(_), _) => whole &= set(OptionCode::AUTHENTICATION, &authentication::unsealed(replay)),
            (None, Some(token)) => whole &= set(OptionCode::AUTHENTICATION, &token_value(replay, token)),
            (None, None) => {}
        }
        let mut payload = self.buffer();
        whole &= reply.encode(EncodeLimits::default(), &mut payload).is_ok();
        self.reply = reply;
        if let Some(Nonce { value, .. }) = &nonce {
            whole &= authentication::seal(&mut payload, value);
        }
        if !whole {
            self.dropped_for(crate::event::DropReason::EncodeError);
            return self.recycle(payload);
        }
        let src = if self.links.is_own(record.instance(), record.server_id) {
            record.server_id
        } else {
            Ipv4Addr::UNSPECIFIED
        };
        let link = self.links.by_name(record.link()).map_or(IfIndex(0), |state| state.link.index);
        let to = Destination::Udp { link, src, dst: record.address(), port: 68 };
        self.send(Answer { to, also_to: None, message: Some(MessageType::ForceRenew), payload });
    }

    /// A session as the stages see it.
    pub(crate) fn subject_of(&self, slot: Slot) -> Option<Subject<'_>> {
        let instance = self.sessions.get(slot)?.instance();
        self.lookup(instance).found(slot).map(|found| found.subject)
    }

    /// A replay value that grows with each message, across restarts and clock steps: it hangs on the change order.
    pub(crate) fn next_replay(&mut self) -> u64 {
        if self.replays.0 != self.change {
            self.replays = (self.change, 0);
        }
        self.replays.1 = self.replays.1.saturating_add(1);
        replay_of(self.change, self.replays.1)
    }

    /// The nonce that an ACK gives a client that offers RFC 6704, and whether it is new: it must be told then
    /// (RFC 6704 §3.1.3). A client that starts anew has lost the one it had.
    pub(crate) fn nonce_for(&self, slot: Slot, packet: &Packet<'_>, starts: bool) -> Option<(Nonce, bool)> {
        if !offers_nonce(packet) {
            return None;
        }
        let known = self.sessions.nonce(slot);
        if !starts && let Some(known) = known {
            return Some((known, false));
        }
        let record = self.sessions.get(slot)?;
        let replay = replay_of(self.change + 1, 0);
        // The same exchange again, retransmitted or doubled: the client may have taken the first ACK and ignore this.
        if record.state() == State::Bound
            && record.xid == packet.xid()
            && let Some(Nonce { value, .. }) = known
        {
            return Some((Nonce { value, replay }, true));
        }
        let mut seed = [0; 20];
        seed[..8].copy_from_slice(&record.id().0.to_be_bytes());
        seed[8..16].copy_from_slice(&self.change.to_be_bytes());
        seed[16..].copy_from_slice(&packet.xid().0.to_be_bytes());
        let value = authentication::hmac_md5(&self.nonce_key, &seed);
        Some((Nonce { value, replay }, true))
    }
}

/// The replay value of message `number` behind change `change`.
pub(crate) const fn replay_of(change: u64, number: u16) -> u64 {
    (change << 16) | number as u64
}

/// Whether a client offers the Forcerenew nonce with the algorithm that we know (RFC 6704 §3.1.1).
pub(crate) fn offers_nonce(packet: &Packet<'_>) -> bool {
    packet
        .option(OptionCode::FORCERENEW_NONCE_CAPABLE)
        .is_some_and(|algorithms| algorithms.contains(&authentication::HMAC_MD5))
}

/// Whether a client authenticates by a configuration token (RFC 3118 §4).
pub(crate) fn offers_token(packet: &Packet<'_>) -> bool {
    packet.option(OptionCode::AUTHENTICATION).is_some_and(|value| {
        matches!(authentication::Authentication::parse(&value), Some(authentication::Authentication::Token { .. }))
    })
}

/// Option 90 with a token.
pub(crate) fn token_value(replay: u64, token: &[u8]) -> alloc::vec::Vec<u8> {
    let mut value = authentication::token_head(replay).to_vec();
    value.extend_from_slice(token);
    value
}
