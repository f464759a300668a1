//! Judging datagrams and making answers.

use super::replay::Replay;
use super::{ErrorCause, Kind};
use crate::config::{Config, DisconnectClient, Options};
use crate::packet::{self, AttributeList, Authenticator, Code, Packet, Type};
use bindery_types::{Mono, Wall};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// Requests that are remembered. A flood of authentic requests makes the oldest be forgotten sooner.
const REMEMBERED: usize = 32_768;

/// Bytes of an Error-Cause.
const ERROR_CAUSE_LEN: usize = 6;

/// Names a request: who sent it, its identifier and its authenticator, which covers all of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RequestKey {
    /// The client.
    pub client: IpAddr,
    /// Identifier.
    pub id: u8,
    /// Request authenticator.
    pub authenticator: Authenticator,
}

/// An authentic request that was not seen before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// What is asked.
    pub kind: Kind,
    /// Its attributes.
    pub attributes: AttributeList,
    /// What the answer needs.
    pub reply: Reply,
}

/// Where an answer goes and what it carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The request.
    pub key: RequestKey,
    /// Where it came from.
    pub source: SocketAddr,
    /// Our socket that it came to.
    pub local: SocketAddr,
    /// What was asked.
    pub kind: Kind,
    /// Proxy-State and, of a CoA-Request, State: they come back as they are (RFC 5176 §3.1, §3.3).
    pub state: AttributeList,
}

/// What is to be done with a datagram.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Carry it out, and answer by [`DynamicServer::answer`].
    Request(Request),
    /// It was answered before: send this again.
    Repeat(Arc<[u8]>),
    /// Nothing, in silence.
    Drop(DropReason),
}

/// Why a datagram is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DropReason {
    /// Its sender is not configured.
    UnknownClient,
    /// Not a packet.
    Malformed,
    /// Not a Disconnect-Request or CoA-Request.
    WrongCode,
    /// Not made with the client's secret.
    NotAuthentic,
    /// Its Event-Timestamp is too old or too new, is missing though required, or is malformed.
    Stale,
    /// It is being carried out; its answer will come.
    UnderWay,
}

/// Counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Disconnect-Requests to carry out.
    pub disconnects: u64,
    /// CoA-Requests to carry out.
    pub coas: u64,
    /// ACKs made.
    pub acks: u64,
    /// NAKs made.
    pub naks: u64,
    /// Retransmissions that got their answer again.
    pub repeated: u64,
    /// Retransmissions of what is being carried out.
    pub under_way: u64,
    /// From senders that are not configured.
    pub unknown_clients: u64,
    /// Not packets, or of other kinds.
    pub malformed: u64,
    /// Not authentic.
    pub bad_authenticators: u64,
    /// Dropped for their Event-Timestamp.
    pub stale: u64,
    /// Remembered requests that were forgotten before their time.
    pub forgotten: u64,
}

#[derive(Debug)]
struct Client {
    config: DisconnectClient,
    /// Requests with an Event-Timestamp up to this one may have been forgotten: they are not carried out any more.
    floor: u64,
}

/// The server's side of RFC 5176, without sockets and clocks.
#[derive(Debug)]
pub struct DynamicServer {
    clients: Vec<Client>,
    window: u64,
    require_timestamp: bool,
    replay: Replay,
    counters: Counters,
}

impl DynamicServer {
    /// A server of a checked configuration.
    pub fn new(config: &Config) -> Self {
        let Options { event_window, require_event_timestamp, .. } = config.options;
        // A request may be replayed while its Event-Timestamp is in the window, on either side of our clock.
        let life = Duration::from_secs(u64::from(event_window) * 2 + 1);
        let mut server = Self {
            clients: Vec::new(),
            window: event_window.into(),
            require_timestamp: require_event_timestamp,
            replay: Replay::new(REMEMBERED, life),
            counters: Counters::default(),
        };
        server.reconfigure(config);
        server
    }

    /// Takes other clients and options; what was answered stays remembered.
    pub fn reconfigure(&mut self, config: &Config) {
        self.window = config.options.event_window.into();
        self.require_timestamp = config.options.require_event_timestamp;
        let old = std::mem::take(&mut self.clients);
        let floor = |address| old.iter().find(|c| c.config.address == address).map_or(0, |client| client.floor);
        let clients = config.dynamic_clients().into_iter();
        self.clients = clients.map(|config| Client { floor: floor(config.address), config }).collect();
    }

    /// Judges a datagram that came from `source` to our socket `local`.
    pub fn judge(&mut self, now: Mono, wall: Wall, local: SocketAddr, source: SocketAddr, datagram: &[u8]) -> Verdict {
        let verdict = self.examine(now, wall, local, source, datagram);
        let counters = &mut self.counters;
        match &verdict {
            Verdict::Request(request) if request.kind == Kind::Disconnect => counters.disconnects += 1,
            Verdict::Request(_) => counters.coas += 1,
            Verdict::Repeat(_) => counters.repeated += 1,
            Verdict::Drop(DropReason::UnknownClient) => counters.unknown_clients += 1,
            Verdict::Drop(DropReason::Malformed | DropReason::WrongCode) => counters.malformed += 1,
            Verdict::Drop(DropReason::NotAuthentic) => counters.bad_authenticators += 1,
            Verdict::Drop(DropReason::Stale) => counters.stale += 1,
            Verdict::Drop(DropReason::UnderWay) => counters.under_way += 1,
        }
        verdict
    }

    fn examine(&mut self, now: Mono, wall: Wall, local: SocketAddr, source: SocketAddr, datagram: &[u8]) -> Verdict {
        let address = source.ip().to_canonical();
        let Some(client) = self.clients.iter().find(|client| client.config.address == address) else {
            return Verdict::Drop(DropReason::UnknownClient);
        };
        let Ok(packet) = Packet::decode(datagram) else {
            return Verdict::Drop(DropReason::Malformed);
        };
        let kind = match packet.code() {
            Code::DisconnectRequest => Kind::Disconnect,
            Code::CoaRequest => Kind::Coa,
            _ => return Verdict::Drop(DropReason::WrongCode),
        };
        if packet::verify_signed_request(&packet, &client.config.secret, false).is_err() {
            return Verdict::Drop(DropReason::NotAuthentic);
        }
        let key = RequestKey { client: address, id: packet.id(), authenticator: *packet.authenticator() };
        if let Some(entry) = self.replay.entry(&key) {
            return match &entry.answer {
                Some(answer) => Verdict::Repeat(Arc::clone(answer)),
                None => Verdict::Drop(DropReason::UnderWay),
            };
        }
        let Some(timestamp) = self.timestamp(&packet, wall, client.floor) else {
            return Verdict::Drop(DropReason::Stale);
        };
        for (forgotten, timestamp) in self.replay.insert(now, key, timestamp) {
            self.counters.forgotten += 1;
            if let Some(client) = self.clients.iter_mut().find(|client| client.config.address == forgotten.client) {
                client.floor = client.floor.max(timestamp);
            }
        }
        let reply = Reply { key, source, local, kind, state: state(&packet, kind) };
        Verdict::Request(Request { kind, attributes: packet.to_list(), reply })
    }

    /// The packet's Event-Timestamp, 0 for none; `None` where the packet is not to be carried out for it (RFC 5176
    /// §6.3).
    fn timestamp(&self, packet: &Packet<'_>, wall: Wall, floor: u64) -> Option<u64> {
        let Some(value) = packet.first(Type::EVENT_TIMESTAMP) else {
            return (!self.require_timestamp).then_some(0);
        };
        let at: u64 = u32::from_be_bytes(value.try_into().ok()?).into();
        (at.abs_diff(wall.0) <= self.window && at > floor).then_some(at)
    }

    /// Makes the answer: an ACK, or a NAK with a cause. It goes to [`Reply::source`] from
    /// [`Reply::local`]. `None` where the client is not configured any more.
    pub fn answer(&mut self, reply: &Reply, result: Result<(), ErrorCause>) -> Option<Arc<[u8]>> {
        let client = self.clients.iter().find(|client| client.config.address == reply.key.client)?;
        let mut attributes = reply.state.clone();
        if let Err(cause) = result {
            // There is room: see `state`.
            attributes.push_number(Type::ERROR_CAUSE, cause as u32).ok()?;
        }
        let code = reply.kind.answer(result.is_ok());
        let RequestKey { id, authenticator, .. } = &reply.key;
        let bytes: Arc<[u8]> =
            packet::response(code, *id, authenticator, &attributes, &client.config.secret, true).ok()?.into();
        match result {
            Ok(()) => self.counters.acks += 1,
            Err(_) => self.counters.naks += 1,
        }
        self.replay.answer(&reply.key, Arc::clone(&bytes));
        Some(bytes)
    }

    /// The request was not taken by whom it is for: its retransmission counts as new.
    pub fn forget(&mut self, reply: &Reply) {
        self.replay.forget(&reply.key);
    }

    /// Counters.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    #[cfg(test)]
    pub(super) fn remember(&mut self, limit: usize) {
        self.replay = Replay::new(limit, Duration::from_secs(self.window * 2 + 1));
    }
}

/// What an answer carries back. What does not fit beside an Error-Cause is left out, with the rest.
fn state(packet: &Packet<'_>, kind: Kind) -> AttributeList {
    let mut list = AttributeList::new();
    for attribute in packet.attributes() {
        let is_state = attribute.kind == Type::STATE && kind == Kind::Coa;
        if attribute.kind != Type::PROXY_STATE && !is_state {
            continue;
        }
        let length = list.as_bytes().len() + attribute.value.len() + 2 + ERROR_CAUSE_LEN;
        if length > AttributeList::CAPACITY || list.push(attribute.kind, attribute.value).is_err() {
            break;
        }
    }
    list
}
