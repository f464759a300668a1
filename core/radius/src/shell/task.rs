//! The loop: what came in, what goes out, when to wake up.

use super::sockets::{Place, Sockets};
use super::writer::{Report, Writer};
use super::{Command, Event, SpawnError, Status};
use crate::accounting::{Queue, Recovered, Sequence};
use crate::client::{Answer, Client, Dropped, Failure, Outcome, Request, RequestId, SocketId, SubmitError};
use crate::config::Config;
use crate::dynamic::{DynamicServer, Verdict, interpret};
use bindery_types::{Mono, Wall};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Accounting records under way at once; the rest waits in its own queue, behind no Access-Request.
const RECORDS_UNDER_WAY: usize = 256;

/// How long the records of a profile wait after none of its servers took one.
const RECORD_PAUSE: Duration = Duration::from_secs(5);

/// How long a file that failed is left alone.
const FILE_PAUSE: Duration = Duration::from_secs(5);

/// Commands taken at once.
const BATCH: usize = 64;

type Events = Box<dyn FnMut(Event) -> bool + Send>;

/// Who wants to know of a request.
#[derive(Debug)]
enum Origin {
    Access(u64),
    Record(Sequence, Arc<str>),
}

pub(super) struct Task {
    started: Instant,
    sockets: Sockets,
    client: Client,
    dynamic: DynamicServer,
    config: Config,
    queue: Queue,
    writer: Writer,
    /// Number of the last record in the batch under way.
    writing: Sequence,
    wants_rewrite: bool,
    /// The file fails; it is tried again then.
    file_fault: Option<Mono>,
    origins: HashMap<RequestId, Origin>,
    tags: HashMap<u64, RequestId>,
    records_under_way: usize,
    /// Profiles whose servers took no record, until then.
    paused: HashMap<Arc<str>, Mono>,
    events: Events,
    status: Status,
}

impl Task {
    pub(super) fn new(
        config: &Config,
        sockets: Sockets,
        writer: Writer,
        recovered: Recovered,
        mut events: Events,
    ) -> Result<Self, SpawnError> {
        let client = Client::new(config, Box::new(entropy));
        let sockets = sockets.rebind(client.sockets(), &config.listen)?;
        if recovered != Recovered::default() {
            let Recovered { torn, damaged, .. } = recovered;
            events(Event::AccountingRecovered { records: recovered.records.len(), torn, damaged });
        }
        Ok(Self {
            started: Instant::now(),
            sockets,
            client,
            dynamic: DynamicServer::new(config),
            config: config.clone(),
            queue: Queue::new(config.options.accounting_limit, recovered.records),
            writer,
            writing: 0,
            wants_rewrite: false,
            file_fault: None,
            origins: HashMap::new(),
            tags: HashMap::new(),
            records_under_way: 0,
            paused: HashMap::new(),
            events,
            status: Status::default(),
        })
    }

    pub(super) fn listening(&self) -> Vec<SocketAddr> {
        self.sockets.listening()
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Command>) {
        // A datagram of a longer packet is malformed, and seen to be.
        let mut buffer = vec![0; crate::packet::MAX_LEN + 1];
        let mut commands = Vec::with_capacity(BATCH);
        let stopped = loop {
            self.pump();
            let wake = self.next_wake().map(|wake| self.started + Duration::from_nanos(wake.0));
            tokio::select! {
                count = inbox.recv_many(&mut commands, BATCH) => {
                    if count == 0 {
                        break None;
                    }
                    let stop = commands.drain(..).find_map(|command| self.command(command));
                    if stop.is_some() {
                        break stop;
                    }
                }
                (place, source, length) = self.sockets.receive(&mut buffer) => {
                    self.datagram(place, source, &buffer[..length]);
                }
                report = self.writer.report() => self.written(report),
                () = sleep_until(wake) => {}
            }
        };
        self.flush().await;
        if let Some(stopped) = stopped {
            // Whoever asked may have gone.
            let _ = stopped.send(());
        }
    }

    fn now(&self) -> Mono {
        Mono(u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Carries out a command; the end is the caller's to carry out. What comes after it in a batch is not wanted.
    fn command(&mut self, command: Command) -> Option<oneshot::Sender<()>> {
        match command {
            Command::Access { tag, request } => self.access(tag, request),
            Command::Cancel { tag } => {
                if let Some(id) = self.tags.remove(&tag) {
                    self.origins.remove(&id);
                    self.client.cancel(id);
                }
            }
            Command::Account(record) => _ = self.queue.push(record),
            Command::Answer { reply, result } => {
                if let Some(bytes) = self.dynamic.answer(&reply, result) {
                    self.answer(reply.local, &bytes, reply.source);
                }
            }
            // Whoever asked may have gone.
            Command::Reconfigure(config, answer) => _ = answer.send(self.reconfigure(&config)),
            Command::Status(answer) => _ = answer.send(self.status()),
            Command::Stop(done) => return Some(done),
        }
        None
    }

    fn access(&mut self, tag: u64, request: Request) {
        match self.client.submit(self.now(), request) {
            Ok(id) => {
                self.origins.insert(id, Origin::Access(tag));
                self.tags.insert(tag, id);
            }
            Err(error) => {
                let failure = match error {
                    SubmitError::Full => Failure::Full,
                    SubmitError::NoProfile => Failure::NoServer,
                };
                self.tell(Event::Access { tag, answer: Answer::Failed(failure), server: None });
            }
        }
    }

    fn reconfigure(&mut self, config: &Config) -> Result<(), SpawnError> {
        if *config == self.config {
            return Ok(());
        }
        config.check()?;
        // The sockets are the only thing that can fail: they come first.
        let probe = Client::new(config, Box::new(entropy));
        self.sockets = self.sockets.rebind(probe.sockets(), &config.listen)?;
        self.client.reconfigure(config);
        self.dynamic.reconfigure(config);
        self.config = config.clone();
        self.queue.set_limit(config.options.accounting_limit);
        self.paused.clear();
        Ok(())
    }

    fn status(&self) -> Status {
        Status {
            servers: self.client.status(),
            dynamic: self.dynamic.counters(),
            accounting: self.queue.counters(),
            waiting_records: self.queue.len(),
            requests: self.client.len(),
            accounting_fault: self.file_fault.is_some(),
            ..self.status.clone()
        }
    }

    fn datagram(&mut self, place: Place, source: SocketAddr, bytes: &[u8]) {
        let now = self.now();
        match place {
            Place::Client(socket) => {
                let heard = self.client.handle_datagram(SocketId(socket), source, bytes);
                self.status.strangers += u64::from(heard == Err(Dropped::Stranger));
            }
            Place::Listener(at) => match self.dynamic.judge(now, wall(), self.sockets.local(at), source, bytes) {
                Verdict::Request(request) => match interpret(&request, &self.config.nas) {
                    Ok(order) => {
                        let reply = request.reply.clone();
                        if !self.tell(Event::Dynamic { request, order }) {
                            self.dynamic.forget(&reply);
                        }
                    }
                    Err(cause) => {
                        if let Some(bytes) = self.dynamic.answer(&request.reply, Err(cause)) {
                            self.send(place, &bytes, source);
                        }
                    }
                },
                Verdict::Repeat(bytes) => self.send(place, &bytes, source),
                Verdict::Drop(_) => {}
            },
        }
    }

    /// Sends an answer from the socket that the request came to, if it is still there.
    fn answer(&mut self, local: SocketAddr, bytes: &[u8], to: SocketAddr) {
        match self.sockets.listener(local) {
            Some(place) => self.send(place, bytes, to),
            None => self.status.send_failures += 1,
        }
    }

    fn send(&mut self, place: Place, bytes: &[u8], to: SocketAddr) {
        if self.sockets.send(place, bytes, to).is_err() {
            self.status.send_failures += 1;
        }
    }

    fn tell(&mut self, event: Event) -> bool {
        let told = (self.events)(event);
        self.status.lost_events += u64::from(!told);
        told
    }

    /// Everything that can go on goes on.
    fn pump(&mut self) {
        let now = self.now();
        self.pump_file(now);
        loop {
            self.pump_records(now);
            while let Some(transmit) = self.client.poll_transmit(now) {
                self.send(Place::Client(transmit.socket.0), &transmit.bytes, transmit.destination);
            }
            let mut any = false;
            while let Some(outcome) = self.client.take_outcome() {
                any = true;
                self.outcome(now, outcome);
            }
            if !any {
                break;
            }
        }
        self.pump_file(now);
    }

    fn pump_records(&mut self, now: Mono) {
        self.paused.retain(|_, until| *until > now);
        while self.records_under_way < RECORDS_UNDER_WAY {
            let paused = &self.paused;
            let Some((sequence, record)) = self.queue.take_next(|profile| !paused.contains_key(profile)) else {
                return;
            };
            match self.client.submit(now, record.request(wall())) {
                Ok(id) => {
                    self.records_under_way += 1;
                    self.origins.insert(id, Origin::Record(sequence, Arc::clone(&record.profile)));
                }
                // Full, or the profile is not there now; it may come back.
                Err(_) => self.put_back(now, sequence, &record.profile),
            }
        }
    }

    fn put_back(&mut self, now: Mono, sequence: Sequence, profile: &Arc<str>) {
        self.queue.returned(sequence);
        self.paused.insert(Arc::clone(profile), now.plus(RECORD_PAUSE));
    }

    fn outcome(&mut self, now: Mono, outcome: Outcome) {
        match self.origins.remove(&outcome.id) {
            Some(Origin::Access(tag)) => {
                self.tags.remove(&tag);
                self.tell(Event::Access { tag, answer: outcome.answer, server: outcome.server });
            }
            Some(Origin::Record(sequence, profile)) => {
                self.records_under_way -= 1;
                match outcome.answer {
                    Answer::Failed(Failure::Malformed) => self.queue.discard(sequence),
                    Answer::Failed(_) => self.put_back(now, sequence, &profile),
                    _ => self.queue.delivered(sequence),
                }
            }
            None => {}
        }
    }

    /// Gives the file what it has to learn.
    fn pump_file(&mut self, now: Mono) {
        if !self.writer.has_file() {
            self.queue.release();
            self.queue.clear_operations();
            return;
        }
        if self.file_fault.is_some() {
            self.queue.release();
            self.queue.clear_operations();
        }
        if self.writer.is_busy() || self.file_fault.is_some_and(|again| now < again) {
            return;
        }
        self.writing = self.queue.last();
        if self.file_fault.is_some() || self.wants_rewrite {
            self.wants_rewrite = false;
            self.writer.rewrite(self.queue.snapshot());
        } else if !self.queue.is_written() {
            self.writer.write(self.queue.take_operations());
        }
        if !self.writer.has_file() {
            self.tell(Event::AccountingFault("its thread has ended".into()));
        }
    }

    fn written(&mut self, report: Report) {
        self.wants_rewrite = report.wants_rewrite;
        match report.result {
            Ok(()) => {
                self.queue.durable_up_to(self.writing);
                if self.file_fault.take().is_some() {
                    self.tell(Event::AccountingRestored);
                }
            }
            Err(error) => {
                if self.file_fault.is_none() {
                    self.tell(Event::AccountingFault(error.to_string()));
                }
                self.file_fault = Some(self.now().plus(FILE_PAUSE));
            }
        }
    }

    fn next_wake(&self) -> Option<Mono> {
        let file = self.file_fault.filter(|_| !self.writer.is_busy() && self.writer.has_file());
        let waking = self.client.next_timeout().into_iter().chain(file);
        waking.chain(self.paused.values().copied()).min()
    }

    /// The file learns what it does not know yet; a file that fails gets one more chance.
    async fn flush(&mut self) {
        self.file_fault = self.file_fault.map(|_| Mono::default());
        for _ in 0..3 {
            let now = self.now();
            self.pump_file(now);
            if !self.writer.is_busy() {
                return;
            }
            let report = self.writer.report().await;
            self.written(report);
        }
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

/// Request authenticators must be unpredictable (RFC 2865 §3). Where the kernel gives no randomness at all, nothing
/// that is sent can be trusted, and the hasher's keys, which come from the same source, are what is left.
fn entropy(bytes: &mut [u8]) {
    use std::hash::{BuildHasher, RandomState};
    if getrandom::fill(bytes).is_err() {
        for (at, chunk) in bytes.chunks_mut(8).enumerate() {
            let word = RandomState::new().hash_one(at).to_ne_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

fn wall() -> Wall {
    Wall(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}
