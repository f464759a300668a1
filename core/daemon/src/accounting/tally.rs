//! What subscribers send and get, counted by nftables where no driver of the forwarding plane counts.
//!
//! All that changes who is counted goes through the one task of accounting, in the order of what happened. So a list of
//! the live sessions, gathered page by page, can be made the whole truth at its end ([`Tally::settle`]).

use bindery_counters::{CounterThread, Handle, PlaneSettings, ThreadError};
use bindery_engine::route::Counters;
use bindery_types::Ipv4Addr;
use std::{collections::HashSet, time::Duration};
use tokio::{
    sync::oneshot,
    task,
    time::{Instant, sleep_until},
};

/// How long it waits before it tries again to count what could not be counted.
const RETRY: Duration = Duration::from_secs(60);

/// The table and whose sessions are in it.
#[derive(Default)]
pub(super) struct Tally {
    thread: Option<CounterThread>,
    /// Live addresses, while the sessions are looked at.
    gathered: Option<HashSet<Ipv4Addr>>,
    /// Something is not counted that should be: the sessions are looked at again then.
    retry: Option<Instant>,
}

impl Tally {
    /// Whether it counts, or would if it could.
    pub(super) fn is_on(&self) -> bool {
        self.thread.is_some() || self.retry.is_some()
    }

    /// Counts from now on, or no longer; the sessions are about to be looked at.
    pub(super) async fn configure(&mut self, wanted: bool) {
        self.retry = None;
        self.gathered = None;
        if !wanted {
            if let Some(thread) = self.thread.take()
                && let Err(error) = off_the_runtime(move || thread.delete()).await
            {
                tracing::warn!("the table of counters stays: {error}");
            }
            return;
        }
        if self.thread.is_none() {
            match off_the_runtime(|| CounterThread::start(PlaneSettings::default()).map_err(ThreadError::from)).await {
                Ok(thread) => self.thread = Some(thread),
                Err(error) => return self.failed(error),
            }
        }
        self.gathered = Some(HashSet::new());
    }

    /// A live session that is to be counted.
    pub(super) fn gather(&mut self, address: Ipv4Addr) {
        if let Some(gathered) = &mut self.gathered {
            gathered.insert(address);
        }
    }

    /// All live sessions were gathered: exactly they are counted. Those of before a restart of the daemon go on.
    pub(super) async fn settle(&mut self) {
        let Some(live) = self.gathered.take() else { return };
        let live = live.into_iter().collect();
        if let Some(retained) = self.ask(|handle, done| handle.retain(live, done)).await {
            let (kept, removed, added) = (retained.kept, retained.removed, retained.added);
            tracing::info!(kept, removed, added, "subscribers whose packets and octets are counted");
        }
    }

    /// A session begins.
    pub(super) async fn begin(&mut self, address: Ipv4Addr) {
        self.gather(address);
        self.ask(|handle, done| handle.add(vec![address], done)).await;
    }

    /// A session ends: all that it has counted.
    pub(super) async fn end(&mut self, address: Ipv4Addr) -> Option<Counters> {
        if let Some(gathered) = &mut self.gathered {
            gathered.remove(&address);
        }
        let counted = self.ask(|handle, done| handle.remove(vec![address], done)).await?;
        counted.into_iter().next().flatten()
    }

    /// What each has counted so far; nothing at all where that cannot be read.
    pub(super) async fn read(&mut self, addresses: Vec<Ipv4Addr>) -> Vec<Option<Counters>> {
        self.ask(|handle, done| handle.read(addresses, done)).await.unwrap_or_default()
    }

    /// Ends when it is time to look at the sessions again.
    pub(super) async fn retry(&self) {
        match self.retry {
            Some(at) => sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    async fn ask<T: Send + 'static>(&mut self, ask: impl FnOnce(&Handle, Answer<T>)) -> Option<T> {
        let handle = self.thread.as_ref()?.handle();
        let (sender, answer) = oneshot::channel();
        ask(&handle, Box::new(move |result| _ = sender.send(result)));
        match answer.await.unwrap_or(Err(ThreadError::Ended)) {
            Ok(value) => Some(value),
            Err(error) => {
                self.failed(error);
                None
            }
        }
    }

    /// Tells it once a minute at most.
    fn failed(&mut self, error: ThreadError) {
        if self.retry.is_none() {
            tracing::error!("alarm: accounting goes on with time alone: {error}");
            self.retry = Some(Instant::now() + RETRY);
        }
    }
}

/// Takes the answer of the thread of the counters.
type Answer<T> = Box<dyn FnOnce(Result<T, ThreadError>) + Send>;

/// The kernel may load a module meanwhile.
async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ThreadError> + Send + 'static,
) -> Result<T, ThreadError> {
    // It is not cancelled, so what it has not ended with is a panic.
    task::spawn_blocking(work).await.unwrap_or(Err(ThreadError::Ended))
}
