//! What a plugin may call beside its stage, and what it has done by it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::kv::{Change, Kv, Refusal};
use crate::requests::{Full, Request, Requests};
use crate::wit;

/// Most counters of one plugin.
pub const COUNTERS_MAX: usize = 64;
/// Longest name of a counter, in bytes.
const COUNTER_NAME_MAX: usize = 64;
/// Most lines of one plugin in the log within a second.
const LINES_MAX: u32 = 10;
/// Longest line, in characters.
const LINE_MAX: usize = 400;

/// How much a line of a plugin matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// For the plugin's author.
    Debug,
    /// Of interest.
    Info,
    /// Should be looked at.
    Warning,
    /// Is wrong.
    Error,
}

/// Takes a plugin's line: level, the plugin's name, text on one line.
pub type LogSink = Arc<dyn Fn(Level, &str, &str) + Send + Sync>;

/// What the configuration grants to a plugin.
#[derive(Clone, Default)]
pub struct Grants {
    /// `bindery:host/log`.
    pub log: Option<LogSink>,
    /// `bindery:host/counters`.
    pub counters: bool,
    /// `bindery:host/kv`.
    pub kv: Option<Arc<Kv>>,
    /// `bindery:host/session-lookup`.
    pub session_lookup: bool,
    /// `bindery:host/request-reconfigure`; [`Plugin::requests`](crate::Plugin::requests) has what was asked.
    pub request_reconfigure: bool,
}

impl Grants {
    /// Whether an interface of `bindery:host` is granted.
    pub(crate) fn has(&self, interface: &str) -> bool {
        match interface {
            "log" => self.log.is_some(),
            "counters" => self.counters,
            "kv" => self.kv.is_some(),
            "session-lookup" => self.session_lookup,
            "request-reconfigure" => self.request_reconfigure,
            _ => false,
        }
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = wit::offers(wit::HOST).iter().filter(|name| self.has(name));
        f.debug_list().entries(names).finish()
    }
}

/// Counters by name.
pub(crate) type Counters = BTreeMap<String, u64>;

/// What a plugin uses of its grants. It moves from a dead instance to the next.
#[derive(Debug, Default)]
pub(crate) struct Used {
    grants: Grants,
    plugin: String,
    counters: Counters,
    requests: Option<Arc<Requests>>,
    /// Changes of the call at hand.
    pending: Vec<Change>,
    /// Requests of the call at hand.
    asked: Vec<Request>,
    lines: u32,
    left_out: u64,
    second: Option<Instant>,
}

impl Used {
    pub(crate) fn new(grants: Grants, plugin: &str) -> Used {
        let requests = grants.request_reconfigure.then(Arc::default);
        Used { grants, plugin: plugin.to_owned(), requests, ..Used::default() }
    }

    pub(crate) const fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(crate) fn log(&mut self, level: Level, message: &str) {
        let Some(sink) = &self.grants.log else { return };
        let now = Instant::now();
        if self.second.is_none_or(|second| now.saturating_duration_since(second) >= Duration::from_secs(1)) {
            if self.left_out > 0 {
                sink(Level::Warning, &self.plugin, &format!("{} lines were left out", self.left_out));
            }
            (self.second, self.lines, self.left_out) = (Some(now), 0, 0);
        }
        if self.lines >= LINES_MAX {
            self.left_out += 1;
            return;
        }
        self.lines += 1;
        let line: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LINE_MAX).collect();
        sink(level, &self.plugin, &line);
    }

    pub(crate) fn count(&mut self, name: &str, by: u64) {
        if !self.grants.counters || name.is_empty() || name.len() > COUNTER_NAME_MAX || name.contains(char::is_control)
        {
            return;
        }
        if let Some(count) = self.counters.get_mut(name) {
            *count = count.saturating_add(by);
        } else if self.counters.len() < COUNTERS_MAX {
            self.counters.insert(name.to_owned(), by);
        }
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.pending.iter().rev().find(|(changed, _)| changed == key) {
            Some((_, value)) => value.clone(),
            None => self.grants.kv.as_ref()?.get(key),
        }
    }

    pub(crate) fn set(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), Refusal> {
        let kv = self.grants.kv.as_ref().ok_or(Refusal::Full)?;
        kv.judge(&self.pending, &key, &value)?;
        self.pending.push((key, Some(value)));
        Ok(())
    }

    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        // What cannot be a key is not there; and a call that deletes without end has to stop somewhere.
        if !key.is_empty() && key.len() <= crate::kv::KEY_MAX && self.pending.len() < crate::kv::KEYS_MAX {
            self.pending.push((key, None));
        }
    }

    pub(crate) const fn requests(&self) -> Option<&Arc<Requests>> {
        self.requests.as_ref()
    }

    pub(crate) fn ask(&mut self, request: Request) -> Result<(), Full> {
        self.requests.as_ref().ok_or(Full)?.judge(&mut self.asked, request)
    }

    /// The call ended, well or not: what it changed and asked for is kept or forgotten.
    pub(crate) fn ended(&mut self, well: bool) {
        if !self.pending.is_empty() {
            match &self.grants.kv {
                Some(kv) if well => kv.keep(self.pending.drain(..)),
                _ => self.pending.clear(),
            }
        }
        if !self.asked.is_empty() {
            match &self.requests {
                Some(requests) if well => requests.keep(&mut self.asked),
                _ => self.asked.clear(),
            }
        }
    }
}
