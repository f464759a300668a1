//! What the client is asked, and what it answers.

use crate::packet::AttributeList;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Names a request; never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);

/// Names a socket: an index in [`super::Client::sockets`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SocketId(pub u16);

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// Access-Request.
    Access,
    /// Accounting-Request: Start, Stop, On, Off.
    Accounting,
    /// Accounting-Request: Interim-Update, which has a rate of its own.
    Interim,
}

/// A request to the servers of a profile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// What is asked.
    pub kind: Kind,
    /// Whose servers are asked.
    pub profile: Arc<str>,
    /// Attributes without those that the client adds: User-Password, Message-Authenticator, Acct-Delay-Time.
    pub attributes: AttributeList,
    /// Password, hidden with the secret of each server; Access-Requests only. RFC 2865 §4.1 wants one in each of them,
    /// though most servers take a request without; an empty one is hidden like any other.
    pub password: Option<Box<[u8]>>,
    /// How long ago the recorded event was, when the request was submitted; Accounting-Requests only.
    pub age: Duration,
    /// How long it may wait before it is first sent; then nobody waits for the answer any more. `None`: for ever.
    pub patience: Option<Duration>,
}

impl Request {
    /// An Access-Request without a password.
    pub fn access(profile: Arc<str>, attributes: AttributeList) -> Self {
        Self { kind: Kind::Access, profile, attributes, password: None, age: Duration::ZERO, patience: None }
    }
}

/// Why there is no answer. None of these says anything about the subscriber.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Failure {
    /// No server answered.
    Timeout,
    /// The profile has no server of this kind, or all are dead.
    NoServer,
    /// `queue_limit` requests were under way.
    Full,
    /// Nothing was sent within [`Request::patience`].
    Stale,
    /// The packet cannot be made: its attributes or password are too long.
    Malformed,
}

/// What came of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Access-Accept.
    Accept(AttributeList),
    /// Access-Reject, or an Access-Challenge, which a NAS without a challenge treats as one (RFC 2865 §4.4).
    Reject(AttributeList),
    /// Accounting-Response: the server has the record.
    Recorded(AttributeList),
    /// No answer.
    Failed(Failure),
}

/// The end of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The request.
    pub id: RequestId,
    /// What came of it.
    pub answer: Answer,
    /// Who answered.
    pub server: Option<SocketAddr>,
}

/// A datagram to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transmit {
    /// The request; a retransmission names it again.
    pub id: RequestId,
    /// From which socket.
    pub socket: SocketId,
    /// Where to.
    pub destination: SocketAddr,
    /// The packet.
    pub bytes: Arc<[u8]>,
}

/// A request was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
pub enum SubmitError {
    /// `queue_limit` requests are under way.
    #[error("the queue of RADIUS requests is full")]
    Full,
    /// There is no such profile.
    #[error("no such access profile")]
    NoProfile,
}

/// Why a datagram was passed over. Counted, and nothing else happens (RFC 2865 §3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Dropped {
    /// Not a packet.
    Malformed,
    /// Not from a server, or not to a socket of requests to it.
    Stranger,
    /// No request with this identifier waits: mostly a late answer.
    Unexpected,
    /// Not an answer to what was asked.
    WrongCode,
    /// Not signed with the secret.
    NotAuthentic,
    /// Without the Message-Authenticator that is required. Servers of before 2024 answer so unless they are told
    /// otherwise; `no-message-authenticator` takes them as they are.
    Unsigned,
}
