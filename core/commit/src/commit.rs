//! The steps of a commit that are done here, and what may follow it: confirmation, renumbering, history.

use crate::candidate::Candidate;
use crate::error::{EditError, refused};
use crate::record::{Plan, Window};
use crate::ring::{EXPIRED, Recording};
use crate::{Database, Scheduled};
use bindery_api::{CommitEntry, CommitHistory, Mode, PendingCommit};
use bindery_config::Loaded;
use bindery_config::edit::canonical;
use bindery_config::tree::Tree;
use std::io;
use std::sync::Arc;

impl Database {
    /// That `active` runs now: what booted, recorded if it was no revision yet.
    pub fn started(&mut self, active: Arc<Loaded>) {
        self.started = true;
        self.follow(active);
        self.shared.rebase(&self.tree);
    }

    /// Makes it the active one; candidates are as they were.
    fn follow(&mut self, active: Arc<Loaded>) {
        let mut tree = active.tree.clone();
        canonical(&mut tree);
        self.tree = Arc::new(tree);
        self.active = active;
    }

    /// Whether a session's candidate has changes that can be committed. Where it has none, [`Database::propose`] gives
    /// the active configuration in canonical order, whose text may be another than the file's.
    ///
    /// # Errors
    /// There is no such session.
    pub fn is_changed(&self, id: u64) -> Result<bool, EditError> {
        Ok(self.candidate_of(id)?.is_changed())
    }

    /// What a commit of this session would make the configuration: its candidate, and where that is private its changes
    /// made to the active one.
    ///
    /// # Errors
    /// There is no such session; another one has the lock, or a commit waits for its time; statements that both this
    /// private candidate and others have changed; a private candidate while the shared one has changes.
    pub fn propose(&self, id: u64) -> Result<Tree, EditError> {
        let session = self.sessions.of(id)?;
        self.sessions.unlocked(id)?;
        if let Some(Scheduled { user, .. }) = &self.scheduled {
            return Err(refused(format!(
                "a commit of {user} waits for its time: no other is done before it; `clear system commit` takes it away"
            )));
        }
        if session.mode != Mode::Private {
            return Ok(Tree::clone(self.shared.tree()));
        }
        if self.shared.is_changed() {
            return Err(refused(
                "the shared configuration database has changes that are not committed: commit or discard them before \
                 a private one",
            ));
        }
        self.candidate_of(id)?.merged(&self.tree).map_err(conflicts)
    }

    /// Whether this session may commit for a time only.
    ///
    /// # Errors
    /// There is no such session; its candidate is private.
    pub fn may_confirm(&self, id: u64) -> Result<(), EditError> {
        match self.sessions.of(id)?.mode {
            Mode::Private => Err(refused("`commit confirmed` is not possible from a private candidate")),
            Mode::Shared | Mode::Exclusive => Ok(()),
        }
    }

    /// The second step: the revision is on stable storage when this returns its number.
    ///
    /// It confirms the one before it: an open window is closed, or with [`Recording::confirmed`] begins anew with the same
    /// way back. Before [`Database::started`], where nobody can have confirmed, an open window stays open. Nothing waits
    /// that would go back to what is there.
    ///
    /// What is the newest revision already is not recorded again and confirms nothing ([`Database::confirm`] does); an
    /// open window begins anew with `confirmed`, and ends with [`EXPIRED`].
    ///
    /// # Errors
    /// The storage's; the old revision is the newest one.
    pub fn record(&mut self, loaded: &Loaded, recording: Recording) -> io::Result<u64> {
        let carry = !self.started && recording.via != EXPIRED;
        self.ring.record(loaded, recording, carry)
    }

    /// The fourth step: `active` runs. Candidates follow: the shared one keeps its changes, unless they are what was
    /// committed; the private one that was committed has none now, others are as they were.
    pub fn committed(&mut self, session: Option<u64>, active: Arc<Loaded>) {
        self.follow(active);
        self.shared.rebase(&self.tree);
        let private = session.and_then(|id| self.sessions.private_mut(id));
        if let Some(candidate) = private {
            *candidate = Candidate::new(Arc::clone(&self.tree));
        }
    }

    /// The time in which the newest revision must be confirmed; none if it need not be.
    pub fn window(&self) -> Option<Window> {
        self.ring.window()
    }

    /// Confirms the newest revision; its number if it waited for that.
    ///
    /// # Errors
    /// The storage's: it still waits.
    pub fn confirm(&mut self, by: &str, wall: u64) -> io::Result<Option<u64>> {
        self.ring.confirm(by, wall)
    }

    /// Number and text of the revision that comes back unless the newest one is confirmed.
    ///
    /// # Errors
    /// It is gone or damaged.
    pub fn fallback(&self) -> Result<Option<(u64, String)>, EditError> {
        let Some(window) = self.window() else { return Ok(None) };
        Ok(Some((window.fallback, self.ring.text(window.fallback)?)))
    }

    /// The renumbering that the newest revision asked for, while it is not at its end.
    pub fn plan(&self) -> Option<Plan> {
        self.ring.plan()
    }

    /// How that ended, `complete` or `stopped`; no restart goes on with it. That of an older revision has ended already.
    ///
    /// # Errors
    /// The storage's: a restart goes on with it.
    pub fn finish_plan(&mut self, revision: u64, state: &str) -> io::Result<()> {
        self.ring.finish_plan(revision, state)
    }

    /// The revisions that can be rolled back to, and what waits.
    pub fn history(&self) -> CommitHistory {
        let entry = |(sequence_number, record): (u64, &crate::record::Record)| CommitEntry {
            sequence_number,
            revision: record.number,
            date_time: record.at,
            user: record.by.clone(),
            client: record.via.clone(),
            comment: record.comment.clone(),
            // That of an older one was over when the next was committed.
            confirm_by: record.window.filter(|_| sequence_number == 0).map(|window| window.deadline_wall),
        };
        CommitHistory {
            commits: (0..).zip(self.ring.newest_first()).map(entry).collect(),
            pending: self.scheduled.as_ref().map(|Scheduled { at, user, comment, .. }| PendingCommit {
                at: *at,
                user: user.clone(),
                comment: comment.clone(),
            }),
            rescue: self.rescue,
        }
    }
}

/// Conflicts in words, a line each.
pub(crate) fn conflicts(conflicts: Vec<bindery_config::edit::Conflict>) -> EditError {
    let lines = conflicts.into_iter().map(|conflict| format!("\n  {}", conflict.path));
    EditError::Conflict(format!(
        "others have changed the same statements meanwhile; take your changes of them back, then `update`:{}",
        lines.collect::<String>()
    ))
}
