//! DHCP clients: the state machine of RFC 2131 §4.4, and those that do not keep to it.

use crate::{
    audit::seals,
    clock::{Instant, SEC},
    plan::{TOKEN, client_mac},
    random::Random,
    rules::Rules,
};
use bindery_types::{Ipv4Addr, MacAddr};
use bindery_wire::v4::{
    MessageBuilder, MessageType, Op, OptionCode, Packet,
    authentication::{Authentication, HMAC_MD5, token_head},
};

/// Where a client is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// Position of the port.
    pub(crate) port: usize,
    /// Position of the relay, for a client behind one.
    pub(crate) relay: Option<usize>,
    /// Option 82 that a layer-2 access node inserts (giaddr stays 0).
    pub(crate) access_node: Option<Vec<u8>>,
}

/// A lease as the client has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    pub(crate) address: Ipv4Addr,
    pub(crate) server: Ipv4Addr,
    t1: Instant,
    t2: Instant,
    pub(crate) end: Instant,
}

/// RFC 2131 figure 5, and silence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Off,
    Selecting,
    Requesting,
    Rebooting,
    Bound,
    Renewing,
    Rebinding,
}

/// How a client behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Keeps to the rules.
    Honest,
    /// Falls silent at some moment, for good.
    Vanisher,
    /// Asks for what is not its own.
    Liar,
}

/// Which FORCERENEWs a client believes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trust {
    /// Those sealed with its nonce (RFC 6704).
    Nonce,
    /// Those with its token (RFC 3118 §4).
    Token,
    /// Any.
    Plain,
    /// None.
    Deaf,
}

/// A message on its way to the network.
pub(crate) struct Outgoing {
    pub(crate) message: MessageBuilder,
    pub(crate) src: Ipv4Addr,
    pub(crate) dst: Ipv4Addr,
}

/// A client.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) mac: MacAddr,
    pub(crate) client_id: Option<Vec<u8>>,
    pub(crate) place: Place,
    /// Grows when it is connected to another line.
    pub(crate) line: u8,
    /// It speaks BOOTP (RFC 951).
    pub(crate) bootp: bool,
    /// It asks for rapid commit (RFC 4039).
    rapid: bool,
    /// It sends option 60.
    vendor: bool,
    pub(crate) kind: Kind,
    pub(crate) trust: Trust,
    /// FORCERENEWs that it obeyed.
    pub(crate) obeyed: u64,
    /// Nonce and last replay value.
    nonce: Option<([u8; 16], u64)>,
    token_replay: u64,
    pub(crate) state: State,
    pub(crate) lease: Option<Lease>,
    /// When it wakes up next.
    pub(crate) timer: Option<Instant>,
    pub(crate) generation: u32,
    /// When its life takes a turn: release, reboot, move, silence.
    pub(crate) turn_at: Instant,
    broadcast: bool,
    asks: Option<u32>,
    same_xid: bool,
    stale_ciaddr: bool,
    option_50: bool,
    decline_permille: u64,
    xid: u32,
    first_sent: Instant,
    tries: u32,
    offered: Option<(Ipv4Addr, Ipv4Addr)>,
    /// Address remembered from before.
    former: Option<Ipv4Addr>,
}

const ANY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
const ALL: Ipv4Addr = Ipv4Addr::BROADCAST;

impl Client {
    pub(crate) fn new(n: u64, random: &mut Random, places: &[Place], kind: Kind) -> Self {
        let mac = client_mac(n);
        let client_id = random.chance(500).then(|| {
            let mut id = vec![1];
            id.extend_from_slice(&mac.0);
            id
        });
        Self {
            mac,
            client_id,
            place: places[random.below(places.len() as u64) as usize].clone(),
            line: 0,
            bootp: false,
            rapid: false,
            vendor: false,
            kind,
            trust: random.pick(&[Trust::Nonce, Trust::Nonce, Trust::Token, Trust::Plain, Trust::Deaf]),
            obeyed: 0,
            nonce: None,
            token_replay: 0,
            state: State::Off,
            lease: None,
            timer: Some(random.below(20 * SEC)),
            generation: 0,
            turn_at: random.range(20, 900) * SEC,
            broadcast: random.chance(300),
            asks: random.chance(200).then(|| random.pick(&[1, 60, 75, 600, 100_000, u32::MAX])),
            same_xid: random.chance(500),
            stale_ciaddr: random.chance(100),
            option_50: random.chance(500),
            decline_permille: if random.chance(200) { 150 } else { 0 },
            xid: random.next() as u32,
            first_sent: 0,
            tries: 0,
            offered: None,
            former: None,
        }
    }

    /// What it is by the rules of its seed.
    pub(crate) fn follow(&mut self, n: usize, rules: &Rules) {
        self.bootp = rules.bootp && n % 4 == 3 && self.kind == Kind::Honest;
        self.rapid = rules.rapid && n % 3 != 1;
        self.vendor = rules.discover_match.is_some();
        if self.bootp {
            self.client_id = None;
        }
    }

    /// Another device in its place.
    pub(crate) fn become_another(&mut self, now: Instant, mac: MacAddr) {
        self.forget();
        self.former = None;
        self.mac = mac;
        if let Some(id) = &mut self.client_id {
            *id = std::iter::once(1).chain(mac.0).collect();
        }
        let place = self.place.clone();
        self.go_to(now, place);
    }

    /// Whether it asks for a lease that `lease-time-validation` takes for too short.
    pub(crate) fn asks_little(&self) -> bool {
        self.asks.is_some_and(|secs| secs < 100)
    }

    fn base(&self, message: MessageType) -> MessageBuilder {
        let mut builder = MessageBuilder::new(message, self.mac).xid(self.xid);
        if let Some(id) = &self.client_id {
            builder = builder.client_id(id);
        }
        if let Some(info) = &self.place.access_node {
            builder = builder.option(OptionCode::RELAY_AGENT_INFORMATION, info);
        }
        if self.broadcast {
            builder = builder.broadcast();
        }
        if let Some(secs) = self.asks
            && matches!(message, MessageType::Discover | MessageType::Request)
        {
            builder = builder.lease_time(secs);
        }
        if matches!(message, MessageType::Discover | MessageType::Request) {
            builder = match self.trust {
                Trust::Nonce => builder.option(OptionCode::FORCERENEW_NONCE_CAPABLE, &[HMAC_MD5]),
                Trust::Token => builder.option(OptionCode::AUTHENTICATION, &token_head(0)),
                Trust::Plain | Trust::Deaf => builder,
            };
        }
        if self.vendor {
            builder = builder.option(OptionCode::VENDOR_CLASS, b"sim");
        }
        if self.rapid && message == MessageType::Discover {
            builder = builder.option(OptionCode::RAPID_COMMIT, &[]);
        }
        builder.option(OptionCode::PARAMETER_REQUEST_LIST, &[1, 3, 6, 51, 43])
    }

    fn out(message: MessageBuilder, src: Ipv4Addr, dst: Ipv4Addr) -> Option<Outgoing> {
        Some(Outgoing { message, src, dst })
    }

    /// A new exchange, or another try of the one under way.
    fn begin(&mut self, now: Instant, random: &mut Random, state: State) {
        let retry = self.state == state && self.tries > 0;
        if !retry || !self.same_xid {
            self.xid = random.next() as u32;
        }
        if !retry {
            self.tries = 0;
        }
        // The lease runs from the first request of this xid.
        if !retry || !self.same_xid {
            self.first_sent = now;
        }
        self.state = state;
        self.tries += 1;
    }

    fn backoff(&self, now: Instant, random: &mut Random) -> Option<Instant> {
        let secs = 2u64 << self.tries.min(4);
        Some(now + secs * SEC + random.below(2 * SEC))
    }

    /// Starts from nothing.
    pub(crate) fn init(&mut self, now: Instant, random: &mut Random) -> Option<Outgoing> {
        self.begin(now, random, State::Selecting);
        self.timer = self.backoff(now, random);
        if self.bootp {
            return Self::out(MessageBuilder::bootp(Op::BootRequest, self.mac).xid(self.xid), ANY, ALL);
        }
        let mut message = self.base(MessageType::Discover);
        if let Some(former) = self.former.filter(|_| self.option_50) {
            message = message.requested(former);
        }
        Self::out(message, ANY, ALL)
    }

    fn request(&mut self, now: Instant, random: &mut Random) -> Option<Outgoing> {
        let (address, server) = self.offered?;
        self.state = State::Requesting;
        self.tries += 1;
        self.timer = self.backoff(now, random);
        let mut message = self.base(MessageType::Request).requested(address).server(server);
        if let Some(former) = self.former.filter(|_| self.stale_ciaddr) {
            message = message.ciaddr(former);
        }
        Self::out(message, ANY, ALL)
    }

    fn reboot(&mut self, now: Instant, random: &mut Random) -> Option<Outgoing> {
        let Some(lease) = self.lease.filter(|_| !self.bootp) else {
            return self.init(now, random);
        };
        // Who boots has lost its nonce, and is told another.
        self.nonce = None;
        self.begin(now, random, State::Rebooting);
        self.timer = self.backoff(now, random);
        Self::out(self.base(MessageType::Request).requested(lease.address), ANY, ALL)
    }

    fn extend(&mut self, now: Instant, random: &mut Random, lease: Lease) -> Option<Outgoing> {
        let state = if now >= lease.t2 { State::Rebinding } else { State::Renewing };
        self.begin(now, random, state);
        let until = if state == State::Renewing { lease.t2 } else { lease.end };
        let wait = (until.saturating_sub(now) / 2).max(5 * SEC);
        self.timer = Some((now + wait).min(lease.end).max(now + SEC));
        let message = self.base(MessageType::Request).ciaddr(lease.address);
        let dst = if state == State::Renewing { lease.server } else { ALL };
        Self::out(message, lease.address, dst)
    }

    fn release(&mut self, random: &mut Random, lease: Lease) -> Option<Outgoing> {
        self.xid = random.next() as u32;
        self.forget();
        Self::out(
            self.base(MessageType::Release).ciaddr(lease.address).server(lease.server),
            lease.address,
            lease.server,
        )
    }

    /// The lease is gone.
    fn forget(&mut self) {
        self.nonce = None;
        self.former = self.lease.map(|l| l.address).or(self.former);
        self.lease = None;
        self.state = State::Off;
        self.tries = 0;
    }

    /// Its time has come.
    pub(crate) fn wake(&mut self, now: Instant, random: &mut Random, calm: bool) -> Option<Outgoing> {
        self.timer = None;
        if let Some(lease) = self.lease
            && now >= lease.end
        {
            self.forget();
        }
        if now >= self.turn_at && !calm {
            self.turn_at = now + random.range(30, 1_200) * SEC;
            if let Some(done) = self.turn(now, random) {
                return done;
            }
        }
        match (self.state, self.lease) {
            (State::Off, Some(_)) => self.reboot(now, random),
            (State::Off | State::Selecting, _) => self.init(now, random),
            (State::Requesting, _) if self.tries > 4 => {
                self.forget();
                self.init(now, random)
            }
            (State::Requesting, _) => self.request(now, random),
            (State::Rebooting, Some(_)) if self.tries <= 3 => self.reboot(now, random),
            // No answer: the lease goes on until its end (RFC 2131 §3.2).
            (State::Rebooting, Some(lease)) if lease.end > now && !calm => {
                self.state = State::Bound;
                self.tries = 0;
                self.timer = Some(lease.t1.max(now + 5 * SEC).min(lease.end));
                None
            }
            (State::Bound | State::Renewing | State::Rebinding, Some(lease)) => {
                if now < lease.t1 {
                    self.state = State::Bound;
                    self.timer = Some(lease.t1);
                    return None;
                }
                self.extend(now, random, lease)
            }
            _ => {
                self.forget();
                self.init(now, random)
            }
        }
    }

    /// Something happens in its life; `None`: it goes on as before.
    fn turn(&mut self, now: Instant, random: &mut Random) -> Option<Option<Outgoing>> {
        if self.kind == Kind::Vanisher && random.chance(500) {
            // Never seen again: its lease has to run out.
            self.state = State::Off;
            self.turn_at = Instant::MAX;
            return Some(None);
        }
        match random.below(6) {
            0 => {
                let lease = self.lease.filter(|_| !self.bootp)?;
                self.timer = Some(now + random.range(1, 200) * SEC);
                Some(self.release(random, lease))
            }
            1 => Some(self.reboot_after(now, random)),
            2 => {
                // Off for a while; the lease is remembered.
                self.state = State::Off;
                self.tries = 0;
                self.timer = Some(now + random.range(5, 400) * SEC);
                Some(None)
            }
            3 => {
                // It forgets its lease and begins anew.
                self.forget();
                Some(self.init(now, random))
            }
            _ => None,
        }
    }

    fn reboot_after(&mut self, now: Instant, random: &mut Random) -> Option<Outgoing> {
        self.state = State::Off;
        self.tries = 0;
        self.reboot(now, random)
    }

    /// Moves to another place; its lease goes along.
    pub(crate) fn go_to(&mut self, now: Instant, place: Place) {
        self.place = place;
        self.state = State::Off;
        self.tries = 0;
        self.timer = Some(now + SEC);
    }

    /// A reply came.
    pub(crate) fn hear(&mut self, now: Instant, random: &mut Random, packet: &Packet<'_>) -> Option<Outgoing> {
        if packet.xid().0 != self.xid || packet.hw_addr().mac() != Some(self.mac) {
            return None;
        }
        if self.bootp {
            return self.booted(now, packet);
        }
        let server = packet.address_option(OptionCode::SERVER_IDENTIFIER)?;
        match (packet.message_type()?, self.state) {
            (MessageType::Offer, State::Selecting) => {
                self.offered = Some((packet.yiaddr(), server));
                self.tries = 0;
                self.first_sent = now;
                self.request(now, random)
            }
            (MessageType::Ack, State::Requesting | State::Rebooting | State::Renewing | State::Rebinding) => {
                self.acked(now, random, packet, server)
            }
            (MessageType::Ack, State::Selecting) if self.rapid && packet.has(OptionCode::RAPID_COMMIT) => {
                self.acked(now, random, packet, server)
            }
            (MessageType::ForceRenew, State::Bound) => self.forced(now, random, packet),
            (MessageType::Nak, State::Requesting | State::Rebooting | State::Renewing | State::Rebinding) => {
                self.forget();
                self.timer = Some(now + random.range(1, 3) * SEC);
                None
            }
            _ => None,
        }
    }

    /// A BOOTREPLY: what it has from now on.
    fn booted(&mut self, now: Instant, packet: &Packet<'_>) -> Option<Outgoing> {
        if packet.message_type().is_none() && self.state == State::Selecting {
            let (address, end) = (packet.yiaddr(), Instant::MAX);
            self.lease = Some(Lease { address, server: packet.siaddr(), t1: end, t2: end, end });
            (self.state, self.tries) = (State::Bound, 0);
            // It boots again some day.
            self.timer = Some(self.turn_at.max(now + SEC)).filter(|at| *at != Instant::MAX);
        }
        None
    }

    /// Told to renew (RFC 3203 §3): as if T1 had come.
    fn forced(&mut self, now: Instant, random: &mut Random, packet: &Packet<'_>) -> Option<Outgoing> {
        let lease = self.lease.filter(|lease| now < lease.end)?;
        if !self.believes(packet) {
            return None;
        }
        self.obeyed += 1;
        let lease = Lease { t1: now, ..lease };
        self.lease = Some(lease);
        self.extend(now, random, lease)
    }

    fn believes(&mut self, packet: &Packet<'_>) -> bool {
        let value = packet.option(OptionCode::AUTHENTICATION);
        let proof = value.as_deref().and_then(Authentication::parse);
        match (self.trust, proof) {
            (Trust::Deaf, _) => false,
            (Trust::Plain, _) => true,
            (Trust::Token, Some(Authentication::Token { replay, token })) => {
                let fresh = token == TOKEN && replay > self.token_replay;
                self.token_replay = self.token_replay.max(replay);
                fresh
            }
            (Trust::Nonce, Some(Authentication::Digest { replay, digest })) => match &mut self.nonce {
                Some((nonce, last)) if *last < replay && seals(packet.bytes(), nonce, &digest) => {
                    *last = replay;
                    true
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Keeps the nonce, or the replay value of the token, of an OFFER or ACK.
    fn take_proof(&mut self, packet: &Packet<'_>) {
        let value = packet.option(OptionCode::AUTHENTICATION);
        match value.as_deref().and_then(Authentication::parse) {
            Some(Authentication::Nonce { replay, nonce }) => self.nonce = Some((nonce, replay)),
            Some(Authentication::Token { replay, .. }) => self.token_replay = self.token_replay.max(replay),
            _ => {}
        }
    }

    fn acked(&mut self, now: Instant, random: &mut Random, packet: &Packet<'_>, server: Ipv4Addr) -> Option<Outgoing> {
        let secs = packet.u32_option(OptionCode::IP_ADDRESS_LEASE_TIME)?;
        let address = packet.yiaddr();
        self.take_proof(packet);
        if self.state == State::Requesting && random.chance(self.decline_permille) {
            // Somebody else answers ARP for it (RFC 2131 §4.4.1).
            let message = self.base(MessageType::Decline).requested(address).server(server);
            self.forget();
            self.former = None;
            self.timer = Some(now + 10 * SEC);
            return Self::out(message, ANY, ALL);
        }
        let after = |secs: u64| self.first_sent + secs * SEC;
        let option = |code| packet.u32_option(code).map(u64::from);
        let length = u64::from(secs);
        let (t1, t2, end) = match secs {
            u32::MAX => (Instant::MAX, Instant::MAX, Instant::MAX),
            _ => (
                after(option(OptionCode::RENEWAL_TIME).unwrap_or(length / 2)),
                after(option(OptionCode::REBINDING_TIME).unwrap_or(length * 7 / 8)),
                after(length),
            ),
        };
        self.lease = Some(Lease { address, server, t1, t2, end });
        self.former = Some(address);
        self.state = State::Bound;
        self.tries = 0;
        // However short its lease is, it asks no more than once a second.
        let wake = t1.max(now + SEC).min(self.turn_at.max(now + SEC));
        self.timer = (wake != Instant::MAX).then_some(wake);
        None
    }

    /// From now on it behaves like a client on a quiet day.
    pub(crate) fn settle(&mut self) {
        self.decline_permille = 0;
        self.same_xid = true;
    }

    /// A request for the lease it has, in one of the states that have one.
    pub(crate) fn claims_again(&mut self, random: &mut Random) -> Option<Outgoing> {
        let lease = self.lease.filter(|_| !self.bootp)?;
        self.xid = random.next() as u32;
        let request = self.base(MessageType::Request);
        match random.below(3) {
            0 => Self::out(request.ciaddr(lease.address), lease.address, lease.server),
            1 => Self::out(request.ciaddr(lease.address), lease.address, ALL),
            _ => Self::out(request.requested(lease.address), ANY, ALL),
        }
    }

    /// A lie: something about `victim`, or an address that nobody gave it.
    pub(crate) fn lie(&mut self, now: Instant, random: &mut Random, victim: &Self) -> Option<Outgoing> {
        self.timer = Some(now + random.range(2, 60) * SEC);
        self.xid = random.next() as u32;
        let target = victim.lease.or(self.lease);
        let (address, server) = target.map(|l| (l.address, l.server)).or(self.offered)?;
        let mut me = self.clone();
        if random.chance(250) {
            me.client_id = victim.client_id.clone();
        }
        if random.chance(150) {
            me.mac = victim.mac;
        }
        let base = |message| me.base(message);
        match random.below(10) {
            0 => Self::out(base(MessageType::Discover).requested(address), ANY, ALL),
            1 => Self::out(base(MessageType::Request).requested(address).server(server), ANY, ALL),
            2 => Self::out(base(MessageType::Request).ciaddr(address), address, server),
            3 => Self::out(base(MessageType::Request).ciaddr(address), address, ALL),
            4 => Self::out(base(MessageType::Request).requested(address), ANY, ALL),
            5 => Self::out(base(MessageType::Release).ciaddr(address).server(server), address, server),
            6 => Self::out(base(MessageType::Decline).requested(address).server(server), ANY, ALL),
            7 => Self::out(base(MessageType::Inform).ciaddr(address), address, ALL),
            8 => {
                // Another server's offer is taken.
                let other = Ipv4Addr::new(10, 99, 0, 1);
                Self::out(base(MessageType::Request).requested(address).server(other), ANY, ALL)
            }
            _ => {
                // A crowd of one: it drains the pool with made-up addresses.
                me.mac = MacAddr([2, 1, 0, 0, 0, random.below(40) as u8]);
                me.client_id = None;
                Self::out(me.base(MessageType::Discover), ANY, ALL)
            }
        }
    }
}
