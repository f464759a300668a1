//! What happens to the configuration without an operator: a commit that nobody confirmed is taken back, one whose time
//! has come is done, editing sessions whose owner has gone end.

use super::{CommitError, Order, What, commit};
use crate::{api::Daemon, clock, process, renumber};
use bindery_commit::EXPIRED;
use std::sync::Arc;
use tokio::time::{Duration, Instant, MissedTickBehavior};

/// How often the clocks are looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// How long to wait before what failed is tried again.
const RETRY: Duration = Duration::from_secs(10);

/// Watches for ever.
pub(crate) async fn watch(daemon: Arc<Daemon>) {
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut retry = Instant::now();
    loop {
        ticks.tick().await;
        let mut held = Arc::clone(&daemon.configuration).lock_owned().await;
        let wall = clock::now().wall.0;
        held.database.sweep(wall, &process::is_alive);
        if Instant::now() < retry {
            continue;
        }
        let over = held.window_is_over();
        let due = held.database.scheduled().is_some_and(|scheduled| scheduled.at <= wall);
        drop(held);
        let done = match (over, due) {
            (true, _) => take_back(&daemon).await,
            (false, true) => do_scheduled(&daemon).await,
            (false, false) => Ok(()),
        };
        if let Err(error) = done {
            tracing::error!("{error}; it is tried again in {} s", RETRY.as_secs());
            retry = Instant::now() + RETRY;
        }
    }
}

/// Nobody has confirmed: what was there before comes back, whatever becomes of sessions that only the other one serves.
async fn take_back(daemon: &Daemon) -> Result<(), CommitError> {
    let held = Arc::clone(&daemon.configuration).lock_owned().await;
    // It may have been confirmed meanwhile.
    let (true, Some((number, text))) = (held.window_is_over(), held.database.fallback()?) else { return Ok(()) };
    let order = Order {
        what: What::Text { name: format!("revision {number}"), text, revision: Some(number) },
        via: EXPIRED,
        comment: format!("nobody confirmed revision {}: back to revision {number}", held.revision()),
        force: true,
        ..Order::default()
    };
    let (held, outcome) = commit(held, &daemon.inbox, order).await?;
    tracing::warn!(
        revision = outcome.revision,
        moved = outcome.blast.counts.moved,
        dropped = outcome.blast.counts.dropped,
        "nobody confirmed the commit: the configuration before it, revision {number}, is active again"
    );
    daemon.told(&outcome.warnings);
    drop(held);
    Ok(())
}

/// The time of a scheduled commit has come. One that is refused now is not tried again.
async fn do_scheduled(daemon: &Arc<Daemon>) -> Result<(), CommitError> {
    let held = Arc::clone(&daemon.configuration).lock_owned().await;
    let Some(scheduled) = held.database.scheduled().cloned() else { return Ok(()) };
    let pace = scheduled.renumber;
    let order = Order {
        what: What::Text { name: "the scheduled commit".to_owned(), text: scheduled.text.clone(), revision: None },
        by: scheduled.user.clone(),
        via: "at",
        comment: scheduled.comment.clone(),
        force: scheduled.force,
        renumber: scheduled.renumber,
        ..Order::default()
    };
    // Taken away first: after a crash it is done already, or an operator is told that it is not there.
    let (held, taken) = super::blocking(held, |held| held.database.unschedule()).await;
    taken?;
    match commit(held, &daemon.inbox, order).await {
        Ok((mut held, outcome)) => {
            tracing::info!(revision = outcome.revision, changes = ?outcome.changes, "the scheduled commit is done");
            daemon.told(&outcome.warnings);
            renumber::begin_of(daemon, &mut held, &outcome, pace);
        }
        Err(error) => tracing::error!("the scheduled commit of {} is refused: {error}", scheduled.user),
    }
    Ok(())
}
