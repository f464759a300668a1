//! The verbs of the configuration: what the API asks, answered by the database of candidates and revisions.

use crate::{
    api::Daemon,
    clock,
    commit::{self, CommitError, Held, Order, Outcome, What, blocking},
    process, renumber, schedule,
};
use bindery_api::{
    Commit, CommitProgress, Committed, CompleteQuery, Completion, CompletionList, ConfigurationReply as Reply,
    ConfigurationRequest as Request, EditingSessionList, Empty, Impact, Rescue, RescueAction, Text,
};
use bindery_commit::{Database, EditError, Scheduled};
use bindery_config::edit;
use bindery_control::{ConfigurationError, Requestor};
use bindery_engine::impact::ImpactCounts;
use std::{io, sync::Arc};

/// Most minutes until a commit must be confirmed (junos.md §14.6).
const CONFIRMED_MAX: u32 = 65_535;

/// Most sessions that are moved a second.
const PACE_MAX: u32 = 100_000;

impl From<EditError> for Refused {
    fn from(error: EditError) -> Self {
        Self(match error {
            EditError::Refused(text) => ConfigurationError::Refused(text),
            EditError::Conflict(text) => ConfigurationError::Conflict(text),
            EditError::Unknown(text) => ConfigurationError::Unknown(text),
            EditError::Storage(error) => ConfigurationError::Unavailable(format!("the state directory: {error}")),
        })
    }
}

/// An error on its way to the API.
struct Refused(ConfigurationError);

impl From<CommitError> for Refused {
    fn from(error: CommitError) -> Self {
        let text = error.to_string();
        Self(match error {
            CommitError::Edit(error) => return error.into(),
            CommitError::Refused(_) | CommitError::Routes(_) | CommitError::Dynamic(_) => {
                ConfigurationError::Refused(format!("{text}\nerror: configuration check-out failed"))
            }
            CommitError::Sessions(_) => ConfigurationError::Refused(text),
            CommitError::Unconfirmed(_) => ConfigurationError::Conflict(text),
            CommitError::Record(_) | CommitError::Ending => ConfigurationError::Unavailable(text),
        })
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        EditError::Storage(error).into()
    }
}

fn refused(text: impl Into<String>) -> Refused {
    Refused(ConfigurationError::Refused(text.into()))
}

/// Answers `request` of `requestor`.
///
/// # Errors
/// [`ConfigurationError`]; nothing has changed.
pub(crate) async fn answer(
    daemon: &Arc<Daemon>,
    requestor: Requestor,
    request: Request,
) -> Result<Reply, ConfigurationError> {
    let mut held = Arc::clone(&daemon.configuration).lock_owned().await;
    let done = match request {
        Request::Commit(order) => {
            let request = Request::Commit(order.clone());
            admit(&mut held.database, requestor, &request).map_err(|Refused(error)| error)?;
            committed(daemon, held, requestor, order).await
        }
        Request::Progress => progress(daemon, held).await,
        Request::Stop => {
            let (held, stopped) = blocking(held, stop).await;
            stopped?;
            progress(daemon, held).await
        }
        // Trees and disks take their time: neither the API nor RADIUS waits for them.
        other => blocking(held, move |held| database(held, requestor, other)).await.1,
    };
    done.map_err(|Refused(error)| error)
}

/// The editing session that a request is about.
fn session_of(request: &Request) -> Option<u64> {
    match request {
        Request::Show(query) => query.session,
        Request::Complete(query) => query.session,
        Request::Close(of) | Request::Update(of) => Some(of.session),
        Request::Edit(edit) => Some(edit.session),
        Request::Load(load) => Some(load.session),
        Request::Rollback(to) => Some(to.session),
        Request::Commit(commit) => Some(commit.session),
        Request::Open(_)
        | Request::Sessions
        | Request::History
        | Request::ClearPending
        | Request::Progress
        | Request::Stop
        | Request::Rescue(_) => None,
    }
}

/// An editing session is used by whoever opened it, and ended by root too. It is in use then.
fn admit(database: &mut Database, requestor: Requestor, request: &Request) -> Result<(), Refused> {
    let wall = clock::now().wall.0;
    database.sweep(wall, &process::is_alive);
    let Some(session) = session_of(request) else { return Ok(()) };
    let owner = database.owner(session)?;
    let may = requestor.uid == Some(owner.uid) || requestor.uid == Some(0);
    if !may {
        return Err(refused(format!("editing session {session} is {}'s", owner.user)));
    }
    Ok(database.touch(session, wall)?)
}

/// What the database answers alone.
fn database(held: &mut commit::Configuration, requestor: Requestor, request: Request) -> Result<Reply, Refused> {
    let wall = clock::now().wall.0;
    let database = &mut held.database;
    admit(database, requestor, &request)?;
    let done = Ok(Reply::Done(Empty {}));
    Ok(match request {
        Request::Show(query) => Reply::Text(Text { text: database.show(&query)? }),
        Request::Open(open) => {
            let id = database.open_session(process::who(requestor), &open, wall)?;
            Reply::Session(database.session(id, wall)?)
        }
        Request::Close(of) => {
            database.close_session(of.session)?;
            return done;
        }
        Request::Sessions => Reply::Sessions(EditingSessionList { sessions: database.sessions(wall) }),
        Request::Edit(edit) => Reply::Edited(database.edit(&edit, wall)?),
        Request::Load(load) => Reply::Edited(database.load(&load, wall)?),
        Request::Rollback(to) => {
            database.rollback(to.session, &to.to, wall)?;
            return done;
        }
        Request::Update(of) => {
            database.update(of.session, wall)?;
            return done;
        }
        Request::Complete(query) => Reply::Completions(complete(database, &query)?),
        Request::History => Reply::History(database.history()),
        Request::ClearPending => {
            if !database.unschedule()? {
                return Err(refused("no commit waits for its time"));
            }
            return done;
        }
        Request::Rescue(Rescue { action: RescueAction::Save }) => {
            database.rescue_save()?;
            return done;
        }
        Request::Rescue(Rescue { action: RescueAction::Delete }) => {
            if !database.rescue_delete()? {
                return Err(refused("there is no rescue configuration"));
            }
            return done;
        }
        Request::Commit(_) | Request::Progress | Request::Stop => return Err(refused("no such verb")),
    })
}

/// How the line of an operator may go on.
fn complete(database: &Database, query: &CompleteQuery) -> Result<CompletionList, Refused> {
    let tree = match query.session {
        Some(session) => database.candidate(session)?,
        None => &database.active().tree,
    };
    let top = edit::Path::default();
    let base =
        edit::path(&query.path, &top).map_err(|fault| refused(edit::refusal(&query.path, &top, fault).to_string()))?;
    let found = edit::complete_command(tree, &base, &query.line);
    let completions = found.candidates.into_iter();
    let completions =
        completions.map(|found| Completion { word: found.text, help: found.help, literal: found.literal }).collect();
    Ok(CompletionList { start: found.start as u64, completions, cut: found.cut, complete: found.complete })
}

/// Ends the renumbering, for good.
fn stop(held: &mut commit::Configuration) -> Result<(), ConfigurationError> {
    if held.renumbering.stop("the operator has stopped it") {
        let revision = held.revision();
        held.database.finish_plan(revision, "stopped").map_err(|error| Refused::from(error).0)?;
        return Ok(());
    }
    Err(ConfigurationError::Refused("no renumbering is running".to_owned()))
}

/// How far the renumbering is.
async fn progress(daemon: &Daemon, held: Held) -> Result<Reply, Refused> {
    let mut progress: CommitProgress = held.renumbering.progress();
    if progress.revision.is_some() {
        let engine = Arc::clone(&held.active().engine);
        let blast = commit::blast_of(&daemon.inbox, &engine, None, false).await.ok_or(CommitError::Ending)?;
        progress.left = blast.hit();
    }
    Ok(Reply::Progress(progress))
}

/// `commit`.
async fn committed(daemon: &Arc<Daemon>, held: Held, requestor: Requestor, wanted: Commit) -> Result<Reply, Refused> {
    check(&wanted)?;
    if wanted.confirmed.is_some() {
        held.database.may_confirm(wanted.session)?;
    }
    // Names may come from a server on the network.
    let (held, by) = blocking(held, move |_| process::who(requestor).user).await;
    let order = Order {
        what: What::Candidate(wanted.session),
        by,
        via: "cli",
        comment: wanted.comment,
        check: wanted.check || wanted.at.is_some(),
        confirms: wanted.at.is_none(),
        confirmed: wanted.confirmed,
        force: wanted.force,
        renumber: wanted.renumber,
        sessions: wanted.sessions,
    };
    if let Some(at) = wanted.at {
        return scheduled(daemon, held, order, &at).await;
    }
    let (check, renumber) = (order.check, order.renumber);
    let (mut held, outcome) = commit::commit(held, &daemon.inbox, order).await?;
    if !check {
        tracing::info!(revision = outcome.revision, changes = ?outcome.changes, "committed");
        daemon.told(&outcome.warnings);
        renumber::begin_of(daemon, &mut held, &outcome, renumber);
    }
    // Where nothing has changed there is nothing to come back from.
    let confirmed = wanted.confirmed.filter(|_| held.database.window().is_some());
    let message = match (check, confirmed) {
        (true, _) => "configuration check succeeds".to_owned(),
        (false, Some(minutes)) => format!(
            "commit confirmed will be automatically rolled back in {minutes} minutes unless confirmed\ncommit complete"
        ),
        (false, None) => "commit complete".to_owned(),
    };
    Ok(Reply::Committed(told(outcome, message)))
}

/// Words that do not go together, and numbers that are out of range.
fn check(wanted: &Commit) -> Result<(), Refused> {
    if wanted.confirmed.is_some_and(|minutes| !(1..=CONFIRMED_MAX).contains(&minutes)) {
        return Err(refused(format!("confirmed: 1 to {CONFIRMED_MAX} minutes")));
    }
    if wanted.renumber.is_some_and(|pace| !(1..=PACE_MAX).contains(&pace)) {
        return Err(refused(format!("renumber pace: 1 to {PACE_MAX} sessions a second")));
    }
    if wanted.confirmed.is_some() && wanted.check {
        return Err(refused("a check changes nothing that could be rolled back: leave out `check` or `confirmed`"));
    }
    if wanted.at.is_some() && (wanted.check || wanted.confirmed.is_some()) {
        return Err(refused("a commit for later can neither be a mere check nor be confirmed"));
    }
    Ok(())
}

/// Checks now and keeps the candidate for later.
async fn scheduled(daemon: &Daemon, held: Held, order: Order, at: &str) -> Result<Reply, Refused> {
    let wall = clock::now().wall.0;
    let time = schedule::read(at, wall).map_err(refused)?;
    if let Some(window) = held.database.window() {
        // Its time would come before or after the end of that one, which it would confirm or undo.
        return Err(refused(format!(
            "revision {} waits to be confirmed: no commit is kept for later before: `commit` confirms it",
            window.revision
        )));
    }
    let What::Candidate(session) = order.what else { return Err(refused("no candidate")) };
    let (user, comment, force, renumber) = (order.by.clone(), order.comment.clone(), order.force, order.renumber);
    let (held, outcome) = commit::commit(held, &daemon.inbox, order).await?;
    if outcome.blast.counts.displaces() > 0 && !force && renumber.is_none() {
        return Err(CommitError::Sessions(outcome.blast.counts).into());
    }
    let (_held, kept) = blocking(held, move |held| -> Result<(), Refused> {
        let text = bindery_config::tree::print(&held.database.propose(session)?);
        held.database.schedule(Scheduled { at: time, user, comment, text, force, renumber })?;
        Ok(())
    })
    .await;
    kept?;
    let message = format!("configuration check succeeds\ncommit at will be executed at {}", schedule::text(time));
    Ok(Reply::Committed(told(outcome, message)))
}

/// The outcome in the API's words.
fn told(outcome: Outcome, message: String) -> Committed {
    let Outcome { revision, changes, blast, warnings } = outcome;
    let ImpactCounts { kept, changed, moved, dropped, displaced, reconfiguring } = blast.counts;
    let impact = Impact { kept, changed, moved, dropped, displaced, reconfiguring };
    let sessions = blast.sessions;
    Committed { revision, message, changes, impact, sessions, warnings }
}
