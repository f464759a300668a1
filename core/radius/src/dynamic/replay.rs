//! What was answered to whom, so that a request that comes twice is carried out once.

use super::server::RequestKey;
use bindery_types::Mono;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// A request that was seen.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) at: Mono,
    /// Its Event-Timestamp; 0 for none.
    pub(super) timestamp: u64,
    /// The answer, once there is one.
    pub(super) answer: Option<Arc<[u8]>>,
}

/// The cache. When it is full the oldest request is forgotten.
#[derive(Debug)]
pub(super) struct Replay {
    limit: usize,
    life: Duration,
    entries: HashMap<RequestKey, Entry>,
    /// By age.
    order: VecDeque<RequestKey>,
}

impl Replay {
    pub(super) fn new(limit: usize, life: Duration) -> Self {
        Self { limit, life, entries: HashMap::new(), order: VecDeque::new() }
    }

    pub(super) fn entry(&self, key: &RequestKey) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// Remembers a request that was not seen before. Returns those that had to be forgotten before their time.
    pub(super) fn insert(&mut self, now: Mono, key: RequestKey, timestamp: u64) -> Vec<(RequestKey, u64)> {
        let mut forgotten = Vec::new();
        while let Some(oldest) = self.order.front() {
            let Some(entry) = self.entries.get(oldest) else {
                self.order.pop_front();
                continue;
            };
            let old = now.since(entry.at) > self.life;
            if !old && self.entries.len() < self.limit {
                break;
            }
            let (key, timestamp) = (*oldest, entry.timestamp);
            self.entries.remove(&key);
            self.order.pop_front();
            if !old {
                forgotten.push((key, timestamp));
            }
        }
        self.entries.insert(key, Entry { at: now, timestamp, answer: None });
        self.order.push_back(key);
        forgotten
    }

    /// Keeps the answer for retransmissions.
    pub(super) fn answer(&mut self, key: &RequestKey, answer: Arc<[u8]>) {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.answer = Some(answer);
        }
    }

    /// As if the request had never come. Its place in the order is given up too: it may come again, and be younger.
    pub(super) fn forget(&mut self, key: &RequestKey) {
        self.entries.remove(key);
        self.order.retain(|other| other != key);
    }
}
