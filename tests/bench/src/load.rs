//! The clients: a flat table indexed by transaction number, and the loop that drives them.
//!
//! One thread does all. A turn of the loop starts the exchanges that are due, sends again what got no answer, hands
//! the batch to the kernel, takes what came, and answers it. Nothing is allocated for a packet.

use crate::clock::{Clock, cpu_us, unix_us};
use crate::expect::Expected;
use crate::ledger::{Claim, Ledger};
use crate::link::{Arrival, Link};
use crate::message::{Fields, Kind, Reply, Style, Template, mac};
use crate::plan::{Pace, Plan, Work, scheduled};
use crate::report::{Latency, Report, Tally, float};
use crate::stamps::Stamps;
use anyhow::{Result, bail};
use std::collections::VecDeque;
use std::io::Write;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Exchanges begun in one turn at most, so that receiving is never starved.
const BURST: u32 = 256;
/// Batches taken from one socket in one turn at most.
const DRAIN: usize = 4;
/// Messages sent between two looks at the kernel's stamps: a look takes the two of each exchange, and costs one call.
const STAMPS: u64 = 32;
/// Clients from one turn to the next of a shuffled run: a prime, so that every client has its turn.
const STRIDE: u64 = 7_368_787;
/// REQUESTs sent in a tolerant run before the client starts over with a DISCOVER, as RFC 2131 §3.1.5 lets it.
const REQUESTS: u16 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Selecting,
    Requesting,
    Renewing,
    Bound,
    Failed,
}

#[derive(Debug, Clone, Copy)]
struct Client {
    /// When the exchange began or should have begun.
    began: u64,
    /// When the last message of a new kind was first sent.
    asked: u64,
    address: u32,
    server: u32,
    /// Counts messages: a timer whose stamp is older is void.
    stamp: u32,
    tries: u16,
    state: State,
}

#[derive(Debug, Clone, Copy)]
struct Timer {
    due: u64,
    client: u32,
    stamp: u32,
}

struct Templates {
    discover: Template,
    request: Template,
    renew: Template,
}

/// The clients and all that is counted about them.
pub struct Load<'a> {
    plan: Plan,
    link: Link,
    clock: Clock,
    templates: Templates,
    clients: Vec<Client>,
    ledger: Ledger,
    timers: VecDeque<Timer>,
    tally: Tally,
    whole: Latency,
    offers: Latency,
    acks: Latency,
    open: u64,
    next: u64,
    first_fault: String,
    log: Option<&'a mut dyn Write>,
    stamps: Option<Stamps>,
    stop: &'a AtomicBool,
}

/// One stretch of load: getting leases, or renewing them.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    work: Work,
    pace: Pace,
    limit: Duration,
    count: u64,
}

impl<'a> Load<'a> {
    /// Prepares the clients. Every ACK is written to `log` as `XID MAC ADDRESS SERVER LEASE UNIX_US`, one a line,
    /// and flushed before the loop sleeps. When `stop` becomes true nothing more begins,
    /// and the run reports what it has.
    ///
    /// # Errors
    /// A plan that cannot be run: no clients, or renewals on a link that has no way to the server.
    pub fn new(plan: Plan, link: Link, log: Option<&'a mut dyn Write>, stop: &'a AtomicBool) -> Result<Load<'a>> {
        if plan.clients == 0 {
            bail!("there must be at least one client");
        }
        if plan.first.checked_add(plan.clients).is_none() {
            bail!("client numbers end at {}", u32::MAX);
        }
        if plan.work == Work::Renew && !link.can_renew() {
            bail!("direct clients renew by unicast: --server-mac is needed");
        }
        let style = Style { framed: link.is_direct(), ..plan.style };
        let relayed = !link.is_direct();
        let idle = Client { began: 0, asked: 0, address: 0, server: 0, stamp: 0, tries: 0, state: State::Idle };
        let clients = vec![idle; plan.clients as usize];
        Ok(Load {
            templates: Templates {
                discover: Template::new(Kind::Discover, false, style, relayed),
                request: Template::new(Kind::Request, true, style, relayed),
                renew: Template::new(Kind::Request, false, style, relayed),
            },
            plan,
            link,
            clock: Clock::start(),
            clients,
            ledger: Ledger::new(),
            timers: VecDeque::with_capacity(1 << 20),
            tally: Tally::default(),
            whole: Latency::new()?,
            offers: Latency::new()?,
            acks: Latency::new()?,
            open: 0,
            next: 0,
            first_fault: String::new(),
            log,
            stamps: None,
            stop,
        })
    }

    /// Clients have these leases already: address and client number, as an earlier run of other clients or these left them.
    /// Then [`Load::prepare`] takes none.
    pub fn assume(&mut self, leases: impl IntoIterator<Item = (Ipv4Addr, u32)>) {
        for (address, number) in leases {
            let index = number.wrapping_sub(self.plan.first);
            if let Some(client) = self.clients.get_mut(index as usize) {
                (client.address, client.state) = (address.to_bits(), State::Bound);
                self.ledger.claim(address.to_bits(), index);
            }
        }
    }

    /// For [`Work::Renew`]: takes a lease for each client, in a closed loop that is not counted. Nothing for other work.
    ///
    /// # Errors
    /// As [`Load::measure`], and a client that got no lease, unless the run is tolerant.
    pub fn prepare(&mut self) -> Result<()> {
        if self.plan.work != Work::Renew || self.clients.iter().any(|client| client.state == State::Bound) {
            return Ok(());
        }
        let take = Stretch {
            work: Work::Dora,
            pace: Pace::Window(32),
            limit: Duration::from_secs(600),
            count: u64::from(self.plan.clients),
        };
        self.stretch(take)?;
        let complete = self.tally.acked == u64::from(self.plan.clients);
        let right = self.tally.wrong + self.tally.duplicates == 0;
        if !(complete && right || self.plan.tolerate) {
            bail!("taking the leases failed: {:?} {}", self.tally, self.first_fault);
        }
        self.tally = Tally::default();
        self.whole = Latency::new()?;
        self.offers = Latency::new()?;
        self.acks = Latency::new()?;
        self.next = 0;
        Ok(())
    }

    /// Reports latencies by the kernel's stamps too; between [`Load::prepare`] and [`Load::measure`].
    pub fn watch(&mut self, stamps: Stamps) {
        self.stamps = Some(stamps);
    }

    /// Offers the load of the plan and counts; after [`Load::prepare`].
    ///
    /// # Errors
    /// A socket that fails in another way than losing packets, or a log that cannot be written.
    pub fn measure(&mut self) -> Result<Report> {
        self.stretch(Stretch {
            work: self.plan.work,
            pace: self.plan.pace,
            limit: self.plan.limit,
            count: self.plan.count,
        })
    }

    /// Every address a client was told it has, with the client's number.
    pub fn held(&self) -> impl Iterator<Item = (Ipv4Addr, u32)> + '_ {
        self.ledger.held().map(|(address, client)| (address, self.plan.first + client))
    }

    fn stretch(&mut self, stretch: Stretch) -> Result<Report> {
        let began = self.clock.now();
        let cpu_before = cpu_us();
        let end = began.saturating_add(nanos(stretch.limit));
        let mut finish = None;
        loop {
            let now = self.clock.now();
            if finish.is_none() && (now >= end || self.is_done(&stretch)) {
                finish = Some((now, cpu_us() - cpu_before, self.tally.acked));
            }
            if let Some((at, _, _)) = finish
                && (self.has_settled(at, now))
            {
                break;
            }
            if finish.is_none() {
                self.start_due(&stretch, began, now)?;
            }
            self.expire(now)?;
            self.link.flush()?;
            if !self.receive()? {
                self.link.wait(self.nap(&stretch, began, finish.map_or(end, |_| u64::MAX)))?;
            }
        }
        let (at, cpu, acked) = finish.unwrap_or((self.clock.now(), 0, 0));
        self.tally.lost += self.open;
        self.open = 0;
        self.timers.clear();
        if let Some(stamps) = &mut self.stamps {
            while stamps.take()? > 0 {}
        }
        Ok(self.report(&stretch, at - began, cpu, acked))
    }

    /// Nothing further will begin; in a closed loop, and for tolerant clients, the last exchange has ended too.
    fn is_done(&self, stretch: &Stretch) -> bool {
        if self.stop.load(Ordering::Relaxed) {
            return true;
        }
        let all = self.tally.started >= self.quota(stretch);
        let by_schedule = matches!(stretch.pace, Pace::Rate(_)) && !self.plan.tolerate;
        all && (self.open == 0 || by_schedule)
    }

    fn quota(&self, stretch: &Stretch) -> u64 {
        match stretch.work {
            Work::Dora => stretch.count.min(u64::from(self.plan.clients)),
            Work::Renew => stretch.count,
        }
    }

    /// The load ended at `at`: have the open exchanges ended too, or is it time to give them up?
    fn has_settled(&self, at: u64, now: u64) -> bool {
        // Without a server that may be away, the answers to what was sent are soon there, and no packet counts as lost that
        // was not.
        if self.stop.load(Ordering::Relaxed) && self.plan.tolerate {
            return true;
        }
        let patience = match self.plan.tolerate {
            true => self.plan.hold,
            false => self.plan.timeout * u32::from(self.plan.tries.saturating_add(1)) * 2,
        };
        if self.open > 0 {
            return now >= at.saturating_add(nanos(patience.max(self.plan.hold)));
        }
        now >= at.saturating_add(nanos(self.plan.hold))
    }

    /// How long to sleep when nothing came: until the next timer, the next scheduled exchange or the end.
    fn nap(&self, stretch: &Stretch, began: u64, end: u64) -> Duration {
        let now = self.clock.now();
        let mut until = now.saturating_add(5_000_000).min(end);
        if let Some(timer) = self.timers.front() {
            until = until.min(timer.due);
        }
        if let Pace::Rate(rate) = stretch.pace
            && end != u64::MAX
        {
            until = until.min(scheduled(began, self.tally.started + self.tally.skipped, rate));
        }
        Duration::from_nanos(until.saturating_sub(now))
    }

    fn start_due(&mut self, stretch: &Stretch, began: u64, now: u64) -> Result<()> {
        let quota = self.quota(stretch);
        for _ in 0..BURST {
            let begun = self.tally.started + self.tally.skipped;
            if self.tally.started >= quota {
                break;
            }
            let due = match stretch.pace {
                Pace::Window(window) if self.open < u64::from(window) => now,
                Pace::Window(_) => break,
                Pace::Rate(rate) => match scheduled(began, begun, rate) {
                    due if due <= now => due,
                    _ => break,
                },
            };
            self.start_next(stretch, due, now)?;
        }
        Ok(())
    }

    /// Begins the exchange of the client whose turn it is.
    fn start_next(&mut self, stretch: &Stretch, due: u64, now: u64) -> Result<()> {
        let turn = if self.plan.shuffle { self.next.wrapping_mul(STRIDE) } else { self.next };
        let index = u32::try_from(turn % u64::from(self.plan.clients)).unwrap_or(0);
        self.next += 1;
        let Some(client) = self.clients.get_mut(index as usize) else {
            return Ok(());
        };
        let ready = match stretch.work {
            Work::Dora => client.state == State::Idle,
            Work::Renew => client.state == State::Bound,
        };
        if !ready {
            self.tally.skipped += u64::from(matches!(stretch.pace, Pace::Rate(_)));
            return Ok(());
        }
        client.began = due;
        client.tries = 0;
        let state = match stretch.work {
            Work::Dora => State::Selecting,
            Work::Renew => State::Renewing,
        };
        self.tally.started += 1;
        self.open += 1;
        self.enter(index, state, now)
    }

    /// Moves a client to a state in which it waits for an answer, and sends the question.
    fn enter(&mut self, index: u32, state: State, now: u64) -> Result<()> {
        if let Some(client) = self.clients.get_mut(index as usize) {
            client.state = state;
            client.tries = 0;
            client.asked = now;
        }
        self.ask(index, now)
    }

    /// Sends the message of the client's state and arms its timer.
    fn ask(&mut self, index: u32, now: u64) -> Result<()> {
        let Some(client) = self.clients.get_mut(index as usize) else {
            return Ok(());
        };
        client.tries = client.tries.saturating_add(1);
        client.stamp = client.stamp.wrapping_add(1);
        let number = self.plan.first + index;
        let mut fields = Fields { xid: number, mac: mac(number), ..Fields::default() };
        let template = match client.state {
            State::Selecting => &self.templates.discover,
            State::Requesting => {
                fields.requested = client.address;
                fields.server = client.server;
                &self.templates.request
            }
            State::Renewing => {
                fields.ciaddr = client.address;
                &self.templates.renew
            }
            State::Idle | State::Bound | State::Failed => return Ok(()),
        };
        let timer = Timer { due: now.saturating_add(nanos(self.plan.timeout)), client: index, stamp: client.stamp };
        self.timers.push_back(timer);
        self.tally.sent += 1;
        if self.tally.sent.is_multiple_of(STAMPS)
            && let Some(stamps) = &mut self.stamps
        {
            stamps.take()?;
        }
        self.tally.retransmitted += u64::from(client.tries > 1);
        self.link.send(index as usize % self.link.ports().max(1), template, &fields)
    }

    /// Sends again, or gives up, what got no answer. All timeouts are equal, so the timers are in order.
    fn expire(&mut self, now: u64) -> Result<()> {
        while let Some(timer) = self.timers.front().copied() {
            let live = self.clients.get(timer.client as usize).is_some_and(|client| {
                client.stamp == timer.stamp
                    && matches!(client.state, State::Selecting | State::Requesting | State::Renewing)
            });
            if live && timer.due > now {
                break;
            }
            self.timers.pop_front();
            if live {
                self.unanswered(timer.client, now)?;
            }
        }
        Ok(())
    }

    fn unanswered(&mut self, index: u32, now: u64) -> Result<()> {
        let Some(client) = self.clients.get_mut(index as usize) else {
            return Ok(());
        };
        if self.plan.tolerate {
            if client.state == State::Requesting && client.tries >= REQUESTS {
                return self.enter(index, State::Selecting, now);
            }
            return self.ask(index, now);
        }
        if client.tries < self.plan.tries {
            return self.ask(index, now);
        }
        client.state = State::Failed;
        self.tally.lost += 1;
        self.open = self.open.saturating_sub(1);
        Ok(())
    }

    /// Takes what came. True when anything did.
    fn receive(&mut self) -> Result<bool> {
        let mut any = false;
        for port in 0..self.link.ports() {
            for _ in 0..DRAIN {
                let (taken, more) = self.link.take(port)?;
                let now = self.clock.now();
                for at in 0..taken {
                    self.arrived(port, at, now)?;
                }
                any |= taken > 0;
                if !more {
                    break;
                }
            }
        }
        if any && let Some(log) = self.log.as_mut() {
            log.flush()?;
        }
        Ok(any)
    }

    fn arrived(&mut self, port: usize, at: usize, now: u64) -> Result<()> {
        let Some(Arrival { message, to_mac }) = self.link.arrival(port, at) else {
            self.tally.unreadable += 1;
            return Ok(());
        };
        let Some(reply) = Reply::read(message) else {
            self.tally.unreadable += 1;
            return Ok(());
        };
        let index = reply.xid.wrapping_sub(self.plan.first);
        let Some(client) = self.clients.get(index as usize).copied() else {
            self.tally.stray += 1;
            return Ok(());
        };
        let waits = matches!(client.state, State::Requesting | State::Renewing);
        let expected = Expected {
            giaddr: self.link.giaddr(port),
            option82: self.plan.style.option82,
            address: waits.then_some(client.address),
        };
        if let Some(fault) = expected.contradiction(&reply, to_mac) {
            self.fault(&reply, fault);
            return Ok(());
        }
        match (client.state, reply.kind) {
            (State::Selecting, Kind::Offer) => self.offered(index, &reply, now),
            (State::Requesting | State::Renewing, Kind::Ack) => self.acked(index, &reply, now),
            (State::Requesting | State::Renewing, Kind::Nak) => self.refused(index, now),
            _ => {
                self.tally.stray += 1;
                Ok(())
            }
        }
    }

    fn fault(&mut self, reply: &Reply, what: &str) {
        self.tally.wrong += 1;
        self.note(reply, what);
    }

    fn note(&mut self, reply: &Reply, what: &str) {
        if self.first_fault.is_empty() {
            let address = Ipv4Addr::from_bits(reply.yiaddr);
            self.first_fault = format!("{what} (xid {:#010x}, {:?}, {address})", reply.xid, reply.kind);
        }
    }

    fn offered(&mut self, index: u32, reply: &Reply, now: u64) -> Result<()> {
        if let Some(client) = self.clients.get_mut(index as usize) {
            self.offers.add(client.asked, now);
            client.address = reply.yiaddr;
            client.server = reply.server;
        }
        self.enter(index, State::Requesting, now)
    }

    fn acked(&mut self, index: u32, reply: &Reply, now: u64) -> Result<()> {
        if let Claim::Taken(other) = self.ledger.claim(reply.yiaddr, index) {
            self.tally.duplicates += 1;
            let holder = self.plan.first + other;
            self.note(reply, &format!("the address is that of client {holder:#010x}"));
        }
        let Some(client) = self.clients.get_mut(index as usize) else {
            return Ok(());
        };
        client.state = State::Bound;
        self.acks.add(client.asked, now);
        self.whole.add(client.began, now);
        self.tally.acked += 1;
        self.open = self.open.saturating_sub(1);
        if let Some(log) = self.log.as_mut() {
            let [a, b, c, d, e, f] = reply.mac;
            let (address, server) = (Ipv4Addr::from_bits(reply.yiaddr), Ipv4Addr::from_bits(reply.server));
            writeln!(
                log,
                "{:08x} {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x} {address} {server} {} {}",
                reply.xid,
                reply.lease,
                unix_us()
            )?;
        }
        Ok(())
    }

    fn refused(&mut self, index: u32, now: u64) -> Result<()> {
        self.tally.nak += 1;
        let Some(client) = self.clients.get_mut(index as usize) else {
            return Ok(());
        };
        self.ledger.release(client.address, index);
        if self.plan.tolerate {
            return self.enter(index, State::Selecting, now);
        }
        client.state = State::Failed;
        self.open = self.open.saturating_sub(1);
        Ok(())
    }

    fn report(&self, stretch: &Stretch, took: u64, cpu: u64, acked: u64) -> Report {
        let seconds = float(took) / 1e9;
        let wire = |of: fn(&Latency) -> f64| self.stamps.as_ref().map_or(0.0, |stamps| of(stamps.taken()));
        let share = |part: f64| if seconds > 0.0 { part / seconds } else { 0.0 };
        let bound = self.clients.iter().filter(|client| matches!(client.state, State::Bound | State::Renewing)).count();
        Report {
            work: match stretch.work {
                Work::Dora => "dora".into(),
                Work::Renew => "renew".into(),
            },
            mode: if self.link.is_direct() { "direct".into() } else { "relayed".into() },
            rate: share(float(acked)).round(),
            seconds: (seconds * 1000.0).round() / 1000.0,
            p50_us: self.whole.us(0.5),
            p99_us: self.whole.us(0.99),
            p999_us: self.whole.us(0.999),
            max_us: self.whole.max_us(),
            offer_p50_us: self.offers.us(0.5),
            offer_p99_us: self.offers.us(0.99),
            ack_p50_us: self.acks.us(0.5),
            ack_p99_us: self.acks.us(0.99),
            wire_p50_us: wire(|wire| wire.us(0.5)),
            wire_p99_us: wire(|wire| wire.us(0.99)),
            wire_max_us: wire(Latency::max_us),
            wire_count: self.stamps.as_ref().map_or(0, |stamps| stamps.taken().count()),
            tally: self.tally.clone(),
            bound: u64::try_from(bound).unwrap_or(u64::MAX),
            cpu_us: cpu,
            cpu_percent: share(float(cpu) / 1e6 * 100.0).round(),
            first_fault: self.first_fault.clone(),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
