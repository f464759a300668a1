//! A paced renumbering: clients whose address is not served any more are asked to move, so many a second.
//!
//! The plan stands in the revision's record, so that a restart goes on with it.

use crate::{
    api::Daemon,
    commit::{Held, Outcome},
    packet::{Inbox, Message},
};
use bindery_api::CommitProgress;
use bindery_engine::{
    command::{Cursor, Filter, Reply, Verb},
    history::Actor,
    reconfigure::Purpose,
};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::{sync::oneshot, time::Duration};

/// The renumbering of the last commit that asked for one.
#[derive(Debug, Default)]
pub(crate) struct Renumbering {
    progress: CommitProgress,
    /// Set to end the task that runs.
    stop: Arc<AtomicBool>,
}

/// Why it ended.
enum End {
    /// Every client was asked.
    Complete,
    /// It goes no further.
    Stopped(String),
    /// Another commit, the operator or the end of the daemon has ended it.
    Ended,
}

impl Renumbering {
    /// How far it is; what is left must be counted by the engine.
    pub(crate) fn progress(&self) -> CommitProgress {
        let mut progress = self.progress.clone();
        if progress.state.is_empty() {
            "none".clone_into(&mut progress.state);
        }
        progress
    }

    /// Ends it; whether it ran.
    pub(crate) fn stop(&mut self, reason: &str) -> bool {
        let running = self.progress.state == "running";
        self.stop.store(true, Ordering::Relaxed);
        if running {
            "stopped".clone_into(&mut self.progress.state);
            reason.clone_into(&mut self.progress.reason);
        }
        running
    }

    fn begin(&mut self, revision: u64, pace: u32, total: u64) -> Arc<AtomicBool> {
        self.stop.store(true, Ordering::Relaxed);
        self.stop = Arc::default();
        let state = "running".to_owned();
        self.progress = CommitProgress { revision: Some(revision), state, pace, total, ..CommitProgress::default() };
        Arc::clone(&self.stop)
    }
}

/// Begins to move the sessions that a commit displaces, where it asked for that: `pace` of them a second.
pub(crate) fn begin_of(daemon: &Arc<Daemon>, held: &mut Held, outcome: &Outcome, pace: Option<u32>) {
    let hit = outcome.blast.hit();
    if let Some(pace) = pace.filter(|_| hit > 0) {
        begin(daemon, &mut held.renumbering, (outcome.revision, pace, hit));
    }
}

/// Begins to move `total` sessions, `pace` a second, on behalf of `revision`.
fn begin(daemon: &Arc<Daemon>, renumbering: &mut Renumbering, (revision, pace, total): (u64, u32, u64)) {
    let stop = renumbering.begin(revision, pace, total);
    let daemon = Arc::clone(daemon);
    tokio::spawn(async move {
        let end = run(&daemon, revision, pace, &stop).await;
        let (state, reason) = match end {
            End::Complete => ("complete", String::new()),
            End::Stopped(reason) => ("stopped", reason),
            End::Ended => return,
        };
        tracing::info!(revision, state, reason, "renumbering");
        let held = Arc::clone(&daemon.configuration).lock_owned().await;
        let (mut held, kept) =
            crate::commit::blocking(held, move |held| held.database.finish_plan(revision, state)).await;
        if let Err(error) = kept {
            tracing::error!(%error, "the end of the renumbering cannot be recorded: a restart begins it anew");
        }
        if held.renumbering.progress.revision == Some(revision) {
            state.clone_into(&mut held.renumbering.progress.state);
            held.renumbering.progress.reason = reason;
        }
    });
}

/// Goes on with what a restart has interrupted.
pub(crate) async fn go_on(daemon: &Arc<Daemon>) {
    let mut held = Arc::clone(&daemon.configuration).lock_owned().await;
    let Some(plan) = held.database.plan() else { return };
    let engine = Arc::clone(&held.active().engine);
    let Some(blast) = crate::commit::blast_of(&daemon.inbox, &engine, None, false).await else { return };
    begin(daemon, &mut held.renumbering, (plan.revision, plan.pace, blast.hit()));
}

/// Asks one page after the other, until all were asked or something is in the way.
async fn run(daemon: &Daemon, revision: u64, pace: u32, stop: &AtomicBool) -> End {
    let began = tokio::time::Instant::now();
    let (mut cursor, mut touched) = (Some(Cursor::START), 0_u64);
    while let Some(at) = cursor {
        if stop.load(Ordering::Relaxed) {
            return End::Ended;
        }
        match free(&daemon.inbox).await {
            None => return End::Ended,
            Some(0) => return End::Stopped("no pool has a free address: the clients would get none".to_owned()),
            Some(_) => {}
        }
        // Ten times a second, so that clients do not come back in one burst.
        let most = pace.div_ceil(10);
        let verb = Verb::Reconfigure { filter: Filter::Displaced, cursor: at, purpose: Purpose::Renumber, most };
        let Some(Reply::Reconfigured(page)) = ask(&daemon.inbox, verb).await else { return End::Ended };
        if page.failed {
            return End::Stopped("the session database cannot be written".to_owned());
        }
        touched += u64::from(page.started);
        cursor = page.next;
        {
            let mut held = daemon.configuration.lock().await;
            let progress = &mut held.renumbering.progress;
            if progress.revision == Some(revision) {
                progress.asked += u64::from(page.started);
                progress.deferred += u64::from(page.not_configured);
            }
        }
        if cursor.is_some() {
            tokio::time::sleep_until(began + Duration::from_secs(touched) / pace).await;
        }
    }
    End::Complete
}

/// Addresses that can be leased.
async fn free(inbox: &Inbox) -> Option<u64> {
    let Some(Reply::Pools(pools)) = ask(inbox, Verb::Pools).await else { return None };
    Some(pools.iter().map(|pool| pool.free).sum())
}

async fn ask(inbox: &Inbox, verb: Verb) -> Option<Reply> {
    let (sender, answer) = oneshot::channel();
    inbox.send(Message::Command(verb, Actor::Unknown, sender));
    answer.await.ok()
}
