//! A RADIUS client without sockets and clocks: requests go in, datagrams and outcomes come out.
//!
//! A request goes to the first living server of its profile that has room, up to `retry` times with the same identifier
//! and authenticator, then to the next one. Identifiers are an octet, so a client with more than 256 requests under way
//! uses several sockets ([`Client::sockets`]); every server has the identifiers of every socket to itself.
//!
//! A server is dead when it lets requests time out for longer than `timeout-grace`, and is left alone for
//! `revert-interval`. Where all servers of a list are dead, one request at a time probes each of them and all others
//! fail at once: a dead list is noticed at once, and so is its return.

mod bucket;
mod datagram;
mod request;
mod server;
#[cfg(test)]
mod tests;
mod transmit;

pub use request::{Answer, Dropped, Failure, Kind, Outcome, Request, RequestId, SocketId, SubmitError, Transmit};
pub use server::{Counters, ServerStatus};

use crate::config::{Config, Options};
use crate::packet::Authenticator;
use bindery_types::Mono;
use bucket::Bucket;
use server::{Endpoint, Slot};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// A socket that the shell has to bind, on any free port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SocketSpec {
    /// Address to bind; an unspecified one leaves the choice to the kernel.
    pub source: IpAddr,
}

/// Fills bytes with what nobody can predict.
pub type Entropy = Box<dyn FnMut(&mut [u8]) + Send>;

/// See the module.
pub struct Client {
    options: Options,
    endpoints: Vec<Endpoint>,
    by_address: HashMap<SocketAddr, usize>,
    sockets: Vec<SocketSpec>,
    lanes: Vec<Lane>,
    profiles: HashMap<Arc<str>, [usize; 2]>,
    requests: HashMap<RequestId, Pending>,
    /// When a request that was sent has waited long enough.
    timers: BTreeSet<(Mono, RequestId)>,
    /// Requests whose time has come and that wait for the rate.
    resend: VecDeque<RequestId>,
    outcomes: VecDeque<Outcome>,
    bucket: Bucket,
    interim_bucket: Bucket,
    /// The rate holds something back until then.
    held_until: Option<Mono>,
    next_lane: usize,
    last_id: u64,
    entropy: Entropy,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoints", &self.endpoints).field("requests", &self.requests.len()).finish()
    }
}

/// Requests to one list of servers that wait to be sent for the first time to one of them.
#[derive(Debug)]
struct Lane {
    endpoints: Vec<usize>,
    waiting: VecDeque<RequestId>,
}

/// A request under way.
#[derive(Debug)]
struct Pending {
    request: Request,
    submitted: Mono,
    lane: usize,
    /// Endpoints that let it time out.
    tried: Vec<usize>,
    sent: Option<Sent>,
}

/// What was sent of a request to the server that is asked now.
#[derive(Debug)]
struct Sent {
    endpoint: usize,
    /// Identifiers in use: more than one where Acct-Delay-Time changed in between. An answer to any of them counts.
    slots: Vec<(Slot, Authenticator)>,
    bytes: Arc<[u8]>,
    /// Acct-Delay-Time in it.
    delay: u32,
    tries: u8,
    /// In `timers`.
    due: Mono,
}

impl Client {
    /// A client of a checked configuration. `entropy` makes request authenticators and must be unpredictable
    /// (RFC 2865 §3).
    pub fn new(config: &Config, entropy: Entropy) -> Self {
        let mut client = Self {
            options: config.options,
            endpoints: Vec::new(),
            by_address: HashMap::new(),
            sockets: Vec::new(),
            lanes: Vec::new(),
            profiles: HashMap::new(),
            requests: HashMap::new(),
            timers: BTreeSet::new(),
            resend: VecDeque::new(),
            outcomes: VecDeque::new(),
            bucket: Bucket::new(config.options.request_rate),
            interim_bucket: Bucket::new(config.options.interim_rate),
            held_until: None,
            next_lane: 0,
            last_id: 0,
            entropy,
        };
        client.build(config);
        client
    }

    fn build(&mut self, config: &Config) {
        let mut pools: Vec<(IpAddr, u16, u16)> = Vec::new();
        for server in &config.servers {
            let source = source(server.source_address, server.address);
            let count = server.max_outstanding.div_ceil(256).max(1) + 1;
            match pools.iter_mut().find(|(other, ..)| *other == source) {
                Some((_, most, _)) => *most = count.max(*most),
                None => pools.push((source, count, 0)),
            }
        }
        for (source, count, first) in &mut pools {
            *first = self.sockets.len() as u16;
            self.sockets.extend((0..*count).map(|_| SocketSpec { source: *source }));
        }
        let mut places: HashMap<IpAddr, usize> = HashMap::new();
        for server in &config.servers {
            let source = source(server.source_address, server.address);
            let (_, count, first) =
                pools.iter().find(|(other, ..)| *other == source).copied().unwrap_or((source, 0, 0));
            places.insert(server.address, self.endpoints.len());
            for accounting in [false, true] {
                let endpoint = Endpoint::new(server, accounting, (first, count));
                self.by_address.entry(endpoint.address).or_insert(self.endpoints.len());
                self.endpoints.push(endpoint);
            }
        }
        for profile in &config.profiles {
            let lane = |list: &[IpAddr], offset: usize| Lane {
                endpoints: list.iter().filter_map(|address| places.get(address)).map(|at| at + offset).collect(),
                waiting: VecDeque::new(),
            };
            let first = self.lanes.len();
            self.lanes.push(lane(&profile.authentication, 0));
            self.lanes.push(lane(&profile.accounting, 1));
            self.profiles.insert(profile.name.clone(), [first, first + 1]);
        }
    }

    /// Takes another configuration. Requests under way start anew with the servers of their profile; those whose
    /// profile is gone fail. What is known of a server that stays is kept. The sockets are others: bind them anew.
    pub fn reconfigure(&mut self, config: &Config) {
        let old = std::mem::take(&mut self.endpoints);
        self.options = config.options;
        self.by_address.clear();
        self.sockets.clear();
        self.lanes.clear();
        self.profiles.clear();
        self.timers.clear();
        self.resend.clear();
        self.bucket = Bucket::new(config.options.request_rate);
        self.interim_bucket = Bucket::new(config.options.interim_rate);
        self.held_until = None;
        self.next_lane = 0;
        self.build(config);
        for endpoint in &mut self.endpoints {
            if let Some(old) = old.iter().find(|old| old.address == endpoint.address && old.secret == endpoint.secret) {
                endpoint.counters = old.counters;
                endpoint.life = match old.life {
                    server::Life::Down { until, since, .. } => server::Life::Down { until, since, probe: None },
                    up => up,
                };
            }
        }
        let mut ids: Vec<RequestId> = self.requests.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let Some(pending) = self.requests.get_mut(&id) else { continue };
            pending.sent = None;
            pending.tried.clear();
            match self.profiles.get(&pending.request.profile) {
                Some(lanes) => {
                    pending.lane = lanes[usize::from(pending.request.kind != Kind::Access)];
                    self.lanes[pending.lane].waiting.push_back(id);
                }
                None => self.fail(id, Failure::NoServer),
            }
        }
    }

    /// The sockets that [`SocketId`]s name. At least one for every source address.
    pub fn sockets(&self) -> &[SocketSpec] {
        &self.sockets
    }

    /// Takes a request.
    ///
    /// # Errors
    /// The queue is full, or there is no such profile; nothing will come of it.
    pub fn submit(&mut self, now: Mono, request: Request) -> Result<RequestId, SubmitError> {
        let lanes = self.profiles.get(&request.profile).ok_or(SubmitError::NoProfile)?;
        if self.requests.len() >= self.options.queue_limit {
            return Err(SubmitError::Full);
        }
        let lane = lanes[usize::from(request.kind != Kind::Access)];
        self.last_id += 1;
        let id = RequestId(self.last_id);
        self.requests.insert(id, Pending { request, submitted: now, lane, tried: Vec::new(), sent: None });
        self.lanes[lane].waiting.push_back(id);
        Ok(id)
    }

    /// Forgets a request: nobody waits for its answer any more. There will be no outcome.
    pub fn cancel(&mut self, id: RequestId) {
        if let Some(pending) = self.requests.get(&id) {
            let lane = pending.lane;
            self.lanes[lane].waiting.retain(|other| *other != id);
            self.leave_server(id);
            self.requests.remove(&id);
        }
    }

    /// The next outcome.
    pub fn take_outcome(&mut self) -> Option<Outcome> {
        self.outcomes.pop_front()
    }

    /// Requests under way, waiting ones included.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether no request is under way.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// State of every port of every server. Servers come in the order of the configuration, authentication first.
    pub fn status(&self) -> Vec<ServerStatus> {
        let one = |(at, endpoint): (usize, &Endpoint)| ServerStatus {
            address: endpoint.address,
            accounting: at % 2 == 1,
            alive: matches!(endpoint.life, server::Life::Up { .. }),
            outstanding: endpoint.outstanding,
            counters: endpoint.counters,
        };
        self.endpoints.iter().enumerate().map(one).collect()
    }

    /// Ends a request without an answer.
    fn fail(&mut self, id: RequestId, failure: Failure) {
        self.finish(id, Answer::Failed(failure), None);
    }

    fn finish(&mut self, id: RequestId, answer: Answer, server: Option<SocketAddr>) {
        self.leave_server(id);
        if self.requests.remove(&id).is_some() {
            self.outcomes.push_back(Outcome { id, answer, server });
        }
    }

    /// The request is done with the server that it was sent to: its identifiers are free, its timer is gone.
    fn leave_server(&mut self, id: RequestId) -> Option<usize> {
        let sent = self.requests.get_mut(&id)?.sent.take()?;
        self.timers.remove(&(sent.due, id));
        let endpoint = self.endpoints.get_mut(sent.endpoint)?;
        for (slot, _) in sent.slots {
            endpoint.free_slot(slot);
        }
        endpoint.outstanding = endpoint.outstanding.saturating_sub(1);
        endpoint.end_probe(id);
        Some(sent.endpoint)
    }
}

/// Address to bind for requests to a server.
fn source(configured: Option<IpAddr>, server: IpAddr) -> IpAddr {
    configured.unwrap_or(if server.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) })
}
