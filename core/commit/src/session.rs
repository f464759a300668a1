//! Editing sessions: who edits, how, and since when.

use crate::Database;
use crate::candidate::Candidate;
use crate::error::{EditError, refused};
use bindery_api::{EditingSession, Mode, Open};
use bindery_config::edit::Path;
use bindery_config::tree::Tree;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Seconds after which a session ends that nobody uses.
pub const IDLE_MAX: u64 = 600;

/// Most sessions at once: each may hold a configuration.
pub const SESSIONS_MAX: usize = 64;

/// Seconds between two looks at the clock that are no passing of time but another setting of it.
const STEP: u64 = 60;

/// Who edits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// The user's name.
    pub user: String,
    /// The user's number.
    pub uid: u32,
    /// The process; 0 where it is not known.
    pub pid: i32,
    /// What tells that process from a later one of the same number.
    pub mark: u64,
}

/// An editing session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) who: Who,
    pub(crate) mode: Mode,
    terminal: String,
    hold: bool,
    start: u64,
    /// When it was used last.
    last: u64,
    /// Where it edits.
    pub(crate) path: Path,
    /// Its own candidate; none where it edits the shared one.
    candidate: Option<Candidate>,
}

impl Session {
    /// Who it is, as Junos says it.
    fn owner(&self) -> String {
        let mut owner = self.who.user.clone();
        if !self.terminal.is_empty() {
            owner.push_str(" terminal ");
            owner.push_str(&self.terminal);
        }
        if self.who.pid > 0 {
            owner.push_str(&format!(" (pid {})", self.who.pid));
        }
        owner
    }

    fn idle(&self, wall: u64) -> u64 {
        wall.saturating_sub(self.last)
    }

    /// Whether its owner is gone, or has not used it for long.
    fn is_over(&self, wall: u64, alive: &dyn Fn(i32, u64) -> bool) -> bool {
        if self.hold && self.who.pid > 0 { !alive(self.who.pid, self.who.mark) } else { self.idle(wall) >= IDLE_MAX }
    }
}

/// All editing sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    all: BTreeMap<u64, Session>,
    /// The number of the last one.
    last: u64,
    /// When the clock was looked at last; 0 before the first time.
    seen: u64,
}

fn unknown(id: u64) -> EditError {
    EditError::Unknown(format!("editing session {id} is over"))
}

impl Sessions {
    pub(crate) fn of(&self, id: u64) -> Result<&Session, EditError> {
        self.all.get(&id).ok_or_else(|| unknown(id))
    }

    pub(crate) fn used(&mut self, id: u64, wall: u64) -> Result<&mut Session, EditError> {
        let session = self.all.get_mut(&id).ok_or_else(|| unknown(id))?;
        session.last = wall;
        Ok(session)
    }

    /// The candidate of a private session.
    pub(crate) fn private_mut(&mut self, id: u64) -> Option<&mut Candidate> {
        self.all.get_mut(&id)?.candidate.as_mut()
    }

    fn exclusive(&self) -> Option<(&u64, &Session)> {
        self.all.iter().find(|(_, session)| session.mode == Mode::Exclusive)
    }

    /// That no other session has the lock.
    pub(crate) fn unlocked(&self, id: u64) -> Result<(), EditError> {
        match self.exclusive() {
            Some((holder, session)) if *holder != id => Err(locked(session)),
            _ => Ok(()),
        }
    }

    /// A clock that was set is no reason to end a session.
    fn follow_clock(&mut self, wall: u64) {
        let step = wall.saturating_sub(self.seen);
        if self.seen != 0 && (step > STEP || wall < self.seen) {
            for session in self.all.values_mut() {
                let idle = self.seen.saturating_sub(session.last);
                session.last = wall.saturating_sub(idle);
            }
        }
        self.seen = wall;
    }
}

fn locked(holder: &Session) -> EditError {
    refused(format!("configuration database locked by {}, who edits it exclusively", holder.owner()))
}

impl Database {
    /// Opens an editing session; its number. Numbers begin at the time, so that one of before a restart is none after
    /// it.
    ///
    /// # Errors
    /// There are too many; an exclusive one while another one has the lock or the shared candidate has changes.
    pub fn open_session(&mut self, who: Who, open: &Open, wall: u64) -> Result<u64, EditError> {
        if self.sessions.all.len() >= SESSIONS_MAX {
            return Err(refused(format!("{SESSIONS_MAX} editing sessions are open already: close one")));
        }
        if open.mode == Mode::Exclusive {
            if let Some((_, holder)) = self.sessions.exclusive() {
                return Err(locked(holder));
            }
            if self.shared.is_changed() {
                return Err(refused(
                    "configuration database modified: commit or discard the changes before you edit it exclusively",
                ));
            }
        }
        let id = wall.max(self.sessions.last.saturating_add(1));
        let candidate = (open.mode == Mode::Private).then(|| Candidate::new(Arc::clone(&self.tree)));
        let session = Session {
            who,
            mode: open.mode,
            terminal: open.terminal.clone(),
            hold: open.hold,
            start: wall,
            last: wall,
            path: Path::default(),
            candidate,
        };
        self.sessions.last = id;
        self.sessions.all.insert(id, session);
        Ok(id)
    }

    /// Ends a session. What an exclusive or private one has not committed is gone.
    ///
    /// # Errors
    /// There is no such session.
    pub fn close_session(&mut self, id: u64) -> Result<(), EditError> {
        let session = self.sessions.all.remove(&id).ok_or_else(|| unknown(id))?;
        if session.mode == Mode::Exclusive {
            self.shared = Candidate::new(Arc::clone(&self.tree));
        }
        Ok(())
    }

    /// Ends the sessions whose owner is gone: those that hold end with their process, which `alive` knows by number and
    /// [`Who::mark`]; others are unused for [`IDLE_MAX`].
    pub fn sweep(&mut self, wall: u64, alive: &dyn Fn(i32, u64) -> bool) {
        self.sessions.follow_clock(wall);
        let over = self.sessions.all.iter().filter(|(_, session)| session.is_over(wall, alive));
        let over: Vec<u64> = over.map(|(id, _)| *id).collect();
        for id in over {
            // It is there.
            let _ = self.close_session(id);
        }
    }

    /// That the session is used: it is not idle.
    ///
    /// # Errors
    /// There is no such session.
    pub fn touch(&mut self, id: u64, wall: u64) -> Result<(), EditError> {
        self.sessions.used(id, wall).map(|_| ())
    }

    /// Who opened the session.
    ///
    /// # Errors
    /// There is no such session.
    pub fn owner(&self, id: u64) -> Result<&Who, EditError> {
        Ok(&self.sessions.of(id)?.who)
    }

    /// All sessions, by number.
    pub fn sessions(&self, wall: u64) -> Vec<EditingSession> {
        self.sessions.all.iter().map(|(id, session)| self.told(*id, session, wall)).collect()
    }

    /// A session, with what its owner should know.
    ///
    /// # Errors
    /// There is no such session.
    pub fn session(&self, id: u64, wall: u64) -> Result<EditingSession, EditError> {
        let session = self.sessions.of(id)?;
        let mut told = self.told(id, session, wall);
        told.warnings = self.warnings(id, session, wall);
        Ok(told)
    }

    fn told(&self, id: u64, session: &Session, wall: u64) -> EditingSession {
        EditingSession {
            session: id,
            user: session.who.user.clone(),
            terminal: session.terminal.clone(),
            pid: session.who.pid,
            mode: session.mode,
            start: session.start,
            idle: session.idle(wall),
            path: session.path.to_string(),
            changed: session.candidate.as_ref().unwrap_or(&self.shared).is_changed(),
            warnings: Vec::new(),
        }
    }

    fn warnings(&self, id: u64, session: &Session, wall: u64) -> Vec<String> {
        let mut lines = Vec::new();
        for (other, editor) in self.sessions.all.iter().filter(|(other, _)| **other != id) {
            let how = match editor.mode {
                Mode::Shared => "",
                Mode::Exclusive => ", exclusive: nobody else can change or commit",
                Mode::Private => ", private",
            };
            let (owner, idle, path) = (editor.owner(), editor.idle(wall), &editor.path);
            let top = if path.is_top() { String::new() } else { format!(", at [edit {path}]") };
            lines.push(format!("{owner} edits too (session {other}{how}), idle {idle} s{top}"));
        }
        match session.mode {
            Mode::Shared if self.shared.is_changed() => {
                lines.push("the configuration has been changed but not committed".to_owned());
            }
            Mode::Shared => {}
            Mode::Private if self.shared.is_changed() => lines.push(
                "the shared configuration has changes that are not committed: nothing private can be committed before"
                    .to_owned(),
            ),
            Mode::Exclusive | Mode::Private => {
                lines.push("uncommitted changes will be discarded on exit".to_owned());
            }
        }
        if let Some(window) = self.window() {
            let left = window.remaining(wall);
            lines.push(format!("revision {} waits to be confirmed: it is taken back in {left} s", window.revision));
        }
        if let Some(scheduled) = self.scheduled() {
            lines.push(format!("a commit of {} waits for its time: no other is done before it", scheduled.user));
        }
        lines
    }

    /// What the session edits.
    ///
    /// # Errors
    /// There is no such session.
    pub fn candidate(&self, id: u64) -> Result<&Tree, EditError> {
        Ok(self.candidate_of(id)?.tree())
    }

    pub(crate) fn candidate_of(&self, id: u64) -> Result<&Candidate, EditError> {
        Ok(self.sessions.of(id)?.candidate.as_ref().unwrap_or(&self.shared))
    }

    /// The candidate of a session, which is used and may edit.
    pub(crate) fn open_candidate(&mut self, id: u64, wall: u64) -> Result<&mut Candidate, EditError> {
        self.sessions.used(id, wall)?;
        self.sessions.unlocked(id)?;
        Ok(self.sessions.private_mut(id).unwrap_or(&mut self.shared))
    }
}
