//! Editing sessions that edit nothing: enough for every status that the verbs of the configuration have.

use bindery_api::{
    CommitEntry, CommitHistory, CommitProgress, Committed, Completion, CompletionList, ConfigurationReply as Reply,
    ConfigurationRequest as Request, Edited, EditingSession, EditingSessionList, Empty, Mode, Open, Text,
};
use bindery_control::{ConfigurationError as Error, Requestor};
use std::collections::BTreeMap;

/// Most sessions at once.
const SESSIONS_MAX: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Sessions {
    last: u64,
    open: BTreeMap<u64, EditingSession>,
}

impl Sessions {
    pub(crate) fn answer(&mut self, requestor: Requestor, request: Request) -> Result<Reply, Error> {
        Ok(match request {
            Request::Show(query) => {
                query.session.map_or(Ok(()), |session| self.known(session))?;
                Reply::Text(Text { text: "system {\n}\n".to_owned() })
            }
            Request::Open(open) => Reply::Session(self.open(requestor, open)?),
            Request::Close(of) => {
                self.known(of.session)?;
                self.open.remove(&of.session);
                Reply::Done(Empty {})
            }
            Request::Sessions => {
                Reply::Sessions(EditingSessionList { sessions: self.open.values().cloned().collect() })
            }
            Request::Edit(edit) => {
                self.known(edit.session)?;
                if let Some(command) = edit.commands.iter().find(|command| !command.starts_with("set ")) {
                    return Err(Error::Refused(format!("`{command}` is no command")));
                }
                Reply::Edited(Edited { changed: edit.commands.len() as u64, path: String::new() })
            }
            Request::Load(load) => {
                self.known(load.session)?;
                Reply::Edited(Edited { changed: load.text.len() as u64, path: String::new() })
            }
            Request::Rollback(rollback) => {
                self.known(rollback.session)?;
                let known = rollback.to == "0" || rollback.to == "rescue";
                known.then_some(()).ok_or_else(|| Error::Unknown("no such revision".to_owned()))?;
                Reply::Done(Empty {})
            }
            Request::Update(of) => {
                self.known(of.session)?;
                Reply::Done(Empty {})
            }
            Request::Complete(query) => {
                query.session.map_or(Ok(()), |session| self.known(session))?;
                let completion =
                    Completion { word: "system".to_owned(), help: "The router.".to_owned(), literal: true };
                let start = query.line.len() as u64;
                Reply::Completions(CompletionList { start, completions: vec![completion], ..Default::default() })
            }
            Request::Commit(commit) => {
                self.known(commit.session)?;
                let message = if commit.check { "configuration check succeeds" } else { "commit complete" };
                Reply::Committed(Committed { revision: 1, message: message.to_owned(), ..Default::default() })
            }
            Request::History => {
                Reply::History(CommitHistory { commits: vec![CommitEntry::default()], ..Default::default() })
            }
            Request::ClearPending => return Err(Error::Unknown("no commit waits".to_owned())),
            Request::Progress | Request::Stop => {
                Reply::Progress(CommitProgress { state: "none".to_owned(), ..Default::default() })
            }
            Request::Rescue(_) => Reply::Done(Empty {}),
        })
    }

    /// Every fourth number is a session that somebody opened: who guesses numbers meets some.
    fn known(&self, session: u64) -> Result<(), Error> {
        let known = self.open.contains_key(&session) || session.is_multiple_of(4);
        known.then_some(()).ok_or_else(|| Error::Unknown(format!("there is no editing session {session}")))
    }

    fn open(&mut self, requestor: Requestor, open: Open) -> Result<EditingSession, Error> {
        if open.mode == Mode::Exclusive && !self.open.is_empty() {
            return Err(Error::Conflict("somebody edits already".to_owned()));
        }
        while self.open.len() >= SESSIONS_MAX {
            self.open.pop_first();
        }
        self.last += 1;
        let session = EditingSession {
            session: self.last,
            user: requestor.uid.map_or_else(|| "unknown".to_owned(), |uid| uid.to_string()),
            terminal: open.terminal,
            pid: requestor.pid.unwrap_or_default(),
            mode: open.mode,
            ..EditingSession::default()
        };
        self.open.insert(session.session, session.clone());
        Ok(session)
    }
}
