//! A server as seen from here: what it is told, whether it lives, which identifiers are in use.

use super::request::{RequestId, SocketId};
use crate::config::{Options, ServerConfig};
use crate::packet::Secret;
use bindery_types::Mono;
use std::net::SocketAddr;
use std::time::Duration;

/// Counters of one port of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Requests sent, each once.
    pub requests: u64,
    /// Requests sent again.
    pub retransmissions: u64,
    /// Authentic answers.
    pub answers: u64,
    /// Requests that the server let time out.
    pub timeouts: u64,
    /// Datagrams that are not packets, or not the kind asked for.
    pub malformed: u64,
    /// Answers that are not authentic.
    pub bad_authenticators: u64,
    /// Answers without the Message-Authenticator that is required: the server has to be told to send one, or
    /// `no-message-authenticator` to be configured.
    pub unsigned: u64,
    /// Answers to nothing that waits.
    pub unexpected: u64,
}

/// Whether a server is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Life {
    /// It is. `silent_since`: when it first let a request time out after its last answer.
    Up { silent_since: Option<Mono> },
    /// It is not, until then; one request at a time probes it where no other server is left.
    Down { until: Mono, since: Mono, probe: Option<RequestId> },
}

/// An identifier in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slot {
    pub(super) socket: u16,
    pub(super) id: u8,
}

/// One port of a server: authentication or accounting.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) address: SocketAddr,
    pub(super) secret: Secret,
    pub(super) timeout: Duration,
    pub(super) tries: u8,
    pub(super) max_outstanding: u16,
    /// Answers must carry a Message-Authenticator.
    pub(super) signed: bool,
    pub(super) life: Life,
    pub(super) outstanding: u16,
    pub(super) counters: Counters,
    /// First socket and number of sockets that it may use.
    sockets: (u16, u16),
    /// Who uses an identifier: 256 entries a socket.
    owners: Vec<Option<RequestId>>,
    in_use: usize,
    cursor: usize,
}

impl Endpoint {
    pub(super) fn new(config: &ServerConfig, accounting: bool, sockets: (u16, u16)) -> Self {
        let timeout = match (accounting, config.accounting_timeout) {
            (true, secs) if secs != 0 => secs,
            _ => config.timeout,
        };
        let tries = match (accounting, config.accounting_retry) {
            (true, tries) if tries != 0 => tries,
            _ => config.retry,
        };
        let port = if accounting { config.accounting_port } else { config.port };
        Self {
            address: SocketAddr::new(config.address, port),
            secret: config.secret.clone(),
            timeout: Duration::from_secs(timeout.into()),
            tries,
            max_outstanding: config.max_outstanding,
            signed: !accounting && !config.no_message_authenticator,
            life: Life::Up { silent_since: None },
            outstanding: 0,
            counters: Counters::default(),
            sockets,
            owners: vec![None; usize::from(sockets.1) * 256],
            in_use: 0,
            cursor: 0,
        }
    }

    /// Whether it takes another request.
    pub(super) fn has_room(&self) -> bool {
        self.outstanding < self.max_outstanding && self.in_use < self.owners.len()
    }

    /// Whether it is worth sending a request to it once more.
    pub(super) fn is_worth_a_try(&self, id: RequestId) -> bool {
        match self.life {
            Life::Up { .. } => true,
            Life::Down { probe, .. } => probe == Some(id),
        }
    }

    /// Identifiers in use.
    #[cfg(test)]
    pub(super) fn in_use(&self) -> usize {
        self.in_use
    }

    /// Whether it is used by now; a dead one comes back after `revert-interval`.
    pub(super) fn is_up(&mut self, now: Mono) -> bool {
        if let Life::Down { until, since, .. } = self.life
            && until <= now
        {
            // It has been silent since then: the next timeout, without grace, sends it back.
            self.life = Life::Up { silent_since: Some(since) };
        }
        matches!(self.life, Life::Up { .. })
    }

    /// A request had no answer to any try.
    pub(super) fn timed_out(&mut self, now: Mono, options: &Options) {
        self.counters.timeouts += 1;
        let revert = Duration::from_secs(options.revert_interval.into());
        let grace = Duration::from_secs(options.timeout_grace.into());
        match &mut self.life {
            Life::Up { silent_since } => {
                let since = *silent_since.get_or_insert(now);
                if now.since(since) >= grace && !revert.is_zero() {
                    self.life = Life::Down { until: now.plus(revert), since, probe: None };
                }
            }
            // A probe, or a request that was under way when it died.
            Life::Down { .. } => {}
        }
    }

    /// An authentic answer came: it lives.
    pub(super) fn answered(&mut self) {
        self.counters.answers += 1;
        self.life = Life::Up { silent_since: None };
    }

    /// The request is done with this server: it probes it no more.
    pub(super) fn end_probe(&mut self, id: RequestId) {
        if let Life::Down { probe, .. } = &mut self.life
            && *probe == Some(id)
        {
            *probe = None;
        }
    }

    /// Takes an identifier that was free for longest; `None` when all are in use.
    pub(super) fn take_slot(&mut self, owner: RequestId) -> Option<Slot> {
        let length = self.owners.len();
        for _ in 0..length {
            let at = self.cursor;
            self.cursor = (self.cursor + 1) % length;
            if let Some(free) = self.owners.get_mut(at).filter(|owner| owner.is_none()) {
                *free = Some(owner);
                self.in_use += 1;
                return Some(Slot { socket: self.sockets.0 + (at / 256) as u16, id: (at % 256) as u8 });
            }
        }
        None
    }

    /// Gives an identifier back.
    pub(super) fn free_slot(&mut self, slot: Slot) {
        let at = self.index(SocketId(slot.socket), slot.id);
        if at.and_then(|at| self.owners.get_mut(at)).is_some_and(|owner| owner.take().is_some()) {
            self.in_use -= 1;
        }
    }

    /// Who waits for an answer with this identifier on this socket.
    pub(super) fn owner(&self, socket: SocketId, id: u8) -> Option<RequestId> {
        self.index(socket, id).and_then(|at| self.owners.get(at).copied().flatten())
    }

    /// Whether requests to it go out of this socket.
    pub(super) fn uses(&self, socket: SocketId) -> bool {
        self.index(socket, 0).is_some()
    }

    fn index(&self, socket: SocketId, id: u8) -> Option<usize> {
        let nth = socket.0.checked_sub(self.sockets.0).filter(|nth| *nth < self.sockets.1)?;
        Some(usize::from(nth) * 256 + usize::from(id))
    }
}

/// A server's state, for people.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerStatus {
    /// Address and port.
    pub address: SocketAddr,
    /// Whether it is its accounting port.
    pub accounting: bool,
    /// Whether it is used; a dead one is left alone for `revert-interval`.
    pub alive: bool,
    /// Requests that wait for its answer.
    pub outstanding: u16,
    /// Counters.
    pub counters: Counters,
}
