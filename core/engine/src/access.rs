//! Newcomers that wait for an authority's word: RADIUS, or plugins of stage `authorize`, asked by the shell.
//!
//! The request itself is kept, and taken up again from its start when the answer is there: so all that could have
//! happened meanwhile is judged anew. A client's retransmissions take the place of what it sent before.

use crate::{
    Engine,
    config::PluginId,
    engine::Turn,
    event::DropReason,
    history::Origin,
    input::RxMeta,
    policy::{Policy, Steer},
    subscriber::{Authorization, Grant, Subscriber},
};
use alloc::{boxed::Box, collections::BTreeSet, vec::Vec};
use bindery_types::Mono;
use core::time::Duration;
use hashbrown::HashMap;

/// Most newcomers that wait at once. When it is full, a further one is dropped as `overload`: it tries again.
pub const WAITING_MAX: usize = 16_384;

/// How long an answer is waited for: longer than a server list takes to fail with the defaults, and as long as a
/// client's longest pause (RFC 2131 §4.1).
pub const PATIENCE: Duration = Duration::from_secs(64);

/// A question to the authority. Everything else is in the packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessQuestion {
    /// Comes back with the answer; never used twice.
    pub tag: u64,
    /// Routing instance of the client; `default` for the default one.
    pub instance: Box<str>,
    /// Group that serves the client.
    pub group: Box<str>,
    /// The client's interface.
    pub interface: Box<str>,
    /// Plugins of stage `authorize`, to be asked before and after RADIUS.
    pub chain: Box<[PluginId]>,
    /// Where the request came from.
    pub meta: RxMeta,
    /// The request, as it came.
    pub request: Box<[u8]>,
}

/// A newcomer.
#[derive(Debug)]
struct Waiting {
    /// See [`client_of`].
    client: Box<[u8]>,
    meta: RxMeta,
    request: Box<[u8]>,
    deadline: Mono,
    /// The exchange, for what comes of it.
    origin: Origin,
}

/// Those who wait, by tag; one entry a client.
#[derive(Debug, Default)]
pub(crate) struct Lobby {
    entries: HashMap<u64, Waiting, crate::engine::State64>,
    clients: HashMap<Box<[u8]>, u64, crate::engine::State64>,
    deadlines: BTreeSet<(Mono, u64)>,
    tags: u64,
}

impl Lobby {
    pub(crate) fn new(hash_seed: u64) -> Self {
        let hasher = crate::engine::State64::with_seed(hash_seed);
        Self { clients: HashMap::with_hasher(hasher), ..Self::default() }
    }

    fn take(&mut self, tag: u64) -> Option<Waiting> {
        let waiting = self.entries.remove(&tag)?;
        self.clients.remove(&waiting.client);
        self.deadlines.remove(&(waiting.deadline, tag));
        Some(waiting)
    }

    pub(crate) fn next_deadline(&self) -> Option<Mono> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Panics where a rule is broken: for tests and simulation.
    pub(crate) fn check_invariants(&self) {
        assert!(self.entries.len() <= WAITING_MAX);
        assert_eq!(self.entries.len(), self.clients.len(), "one entry a client");
        assert_eq!(self.entries.len(), self.deadlines.len(), "one deadline an entry");
    }
}

/// A grant as a request carries it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Granted {
    pub(crate) steer: Steer,
    /// The subscriber in its stored form.
    pub(crate) subscriber: Vec<u8>,
}

impl Granted {
    /// What is kept with a session that goes on and had `known`: the grant, the name in accounting, and what a
    /// Change-of-Authorization wished.
    pub(crate) fn going_on(&self, known: &[u8]) -> Vec<u8> {
        let known = Subscriber::decode(known);
        let (follows, next_pool, next_address) = (known.follows, known.next_pool, known.next_address);
        Subscriber { follows, next_pool, next_address, ..Subscriber::decode(&self.subscriber) }.encode()
    }

    /// Whether it says where the address is to come from.
    pub(crate) fn chooses(&self) -> bool {
        self.steer.pool.is_some() || self.steer.address.is_some()
    }
}

/// What makes a request the same as one that waits: all of it but xid and secs (RFC 2131 §2), so that nobody gets an
/// answer to a question that was about somebody else, or about another line.
fn client_of(meta: RxMeta, request: &[u8]) -> Box<[u8]> {
    let mut client = Vec::with_capacity(request.len() + 4);
    client.extend_from_slice(request);
    client.iter_mut().skip(4).take(6).for_each(|byte| *byte = 0);
    client.extend_from_slice(&meta.link.0.to_be_bytes());
    client.into_boxed_slice()
}

impl Engine {
    /// Keeps a newcomer's request and asks for it.
    pub(crate) fn ask_authority(
        &mut self,
        turn: Turn,
        meta: RxMeta,
        request: &[u8],
        (group, interface, chain): (Box<str>, Box<str>, Box<[PluginId]>),
    ) -> Result<(), DropReason> {
        let client = client_of(meta, request);
        let known = self.lobby.clients.get(&client).and_then(|tag| self.lobby.entries.get_mut(tag));
        if let Some(waiting) = known {
            // The client goes by its newest xid.
            waiting.request = request.into();
            waiting.origin = self.origin;
            return Err(DropReason::Duplicate);
        }
        if self.lobby.len() >= WAITING_MAX {
            return Err(DropReason::Overload);
        }
        self.lobby.tags += 1;
        let tag = self.lobby.tags;
        let deadline = turn.now.mono.plus(PATIENCE);
        self.lobby.clients.insert(client.clone(), tag);
        self.lobby.deadlines.insert((deadline, tag));
        self.lobby
            .entries
            .insert(tag, Waiting { client, meta, request: request.into(), deadline, origin: self.origin });
        let instance = self.config.instance_name(self.instance_of(&meta)).into();
        let question = AccessQuestion { tag, instance, group, interface, chain, meta, request: request.into() };
        self.outbox.questions.push(question);
        Ok(())
    }

    /// An authority has answered.
    pub(crate) fn access_done(&mut self, turn: Turn, tag: u64, answer: Authorization, policy: &mut dyn Policy) {
        let Some(waiting) = self.lobby.take(tag) else {
            self.counters.late_policy_answers += 1;
            return;
        };
        self.origin = waiting.origin;
        match answer {
            Authorization::Accepted(grant) => self.resume4(turn, waiting.meta, &waiting.request, *grant, policy),
            Authorization::Rejected => {
                self.dropped_for(DropReason::AccessRejected);
                self.note_rejected(turn, waiting.meta, &waiting.request);
            }
            Authorization::Unavailable => self.dropped_for(DropReason::AccessTimeout),
        }
    }

    /// Gives up on answers that do not come.
    pub(crate) fn expire_questions(&mut self, turn: Turn) {
        while let Some(&(deadline, tag)) = self.lobby.deadlines.first()
            && deadline <= turn.now.mono
        {
            let waiting = self.lobby.take(tag);
            self.origin = waiting.map(|waiting| waiting.origin).unwrap_or_default();
            self.dropped_for(DropReason::AccessTimeout);
        }
    }

    /// A grant with what the engine knows of the client: the session that it goes on from, and what a
    /// Change-of-Authorization wished for it.
    pub(crate) fn granted(turn: Turn, grant: Grant, former: Option<(bindery_types::SessionId, Subscriber)>) -> Granted {
        let Grant { mut steer, mut subscriber, session_secs } = grant;
        subscriber.ends = session_secs.map(|secs| turn.lease.plus_secs(u64::from(secs)));
        (subscriber.next_pool, subscriber.next_address, subscriber.follows) = (None, None, None);
        subscriber.lease_secs = steer.lease_secs.or(subscriber.lease_secs);
        if let Some((session, former)) = former {
            subscriber.follows = Some(former.follows.unwrap_or(session));
            if former.next_pool.is_some() || former.next_address.is_some() {
                (steer.pool, steer.address) = (former.next_pool, former.next_address);
            }
        }
        Granted { steer, subscriber: subscriber.encode() }
    }
}
