//! Configuration mode: entering, leaving, going about.

mod change;

use crate::{
    client::Ask,
    console::{Console, Editing, Failure, Flow, Operator, raw},
    grammar::Parsed,
    pipe::Pipes,
    terminal, words,
};
use bindery_api::{Edit, Edited, EditingSession, EditingSessionList, Empty, Mode, OfSession, Open, Verb};

impl Console {
    /// `configure`.
    pub(crate) fn configure(&mut self, command: &Parsed, pipes: &Pipes) -> Result<(), Failure> {
        let mode = match (command.has("exclusive"), command.has("private")) {
            (true, _) => Mode::Exclusive,
            (_, true) => Mode::Private,
            _ => Mode::Shared,
        };
        let open = Open { mode, hold: true, terminal: terminal::name() };
        let session =
            self.reply(&Ask::of(Verb::ConfigurationOpen).body(&open)?, pipes, |session: &EditingSession| {
                let mut text = String::new();
                for warning in &session.warnings {
                    text.push_str(&format!("{warning}\n"));
                }
                text + "Entering configuration mode\n"
            })?;
        let EditingSession { session, mode, .. } = session;
        self.editing = Some(Editing { session, mode, path: String::new(), before: Vec::new() });
        Ok(())
    }

    /// The editing session. Commands of configuration mode are read only where there is one.
    pub(crate) fn editing(&self) -> Result<&Editing, Failure> {
        self.editing.as_ref().ok_or_else(|| Failure::Local("this is not configuration mode".to_owned()))
    }

    /// `exit`, `quit`, Ctrl-D: back to where the last `edit` came from, or out.
    pub(crate) fn exit(&mut self, command: &Parsed, operator: &mut dyn Operator) -> Result<Flow, Failure> {
        if !command.has("configuration-mode")
            && let Some(before) = self.editing.as_mut().and_then(|editing| editing.before.pop())
        {
            let editing = self.editing()?.clone();
            if self.go(&before).is_err() {
                // Another operator may have ended what was there.
                self.editing = Some(Editing { path: String::new(), ..editing });
            }
            return Ok(Flow::Stay);
        }
        self.leave(operator)
    }

    /// Leaves configuration mode, if the operator wants to lose or leave behind what is not committed.
    ///
    /// # Errors
    /// The daemon does not answer; the mode is left nevertheless where no person could be asked again.
    pub(crate) fn leave(&mut self, operator: &mut dyn Operator) -> Result<Flow, Failure> {
        let editing = self.editing()?.clone();
        let known = self.client.read::<EditingSessionList>(&Ask::of(Verb::ConfigurationSessions));
        let changed =
            known.is_ok_and(|list| list.sessions.iter().any(|row| row.session == editing.session && row.changed));
        if changed {
            let text = "The configuration has been changed but not committed";
            if self.interactive {
                self.say(text)?;
                let question = match editing.mode {
                    Mode::Shared => "Exit with uncommitted changes? [yes,no] (yes) ",
                    Mode::Exclusive | Mode::Private => "Discard uncommitted changes? [yes,no] (yes) ",
                };
                if !operator.confirm(question, true)? {
                    return Ok(Flow::Stay);
                }
            } else {
                eprintln!("warning: {text}");
            }
        }
        self.close()?;
        Ok(Flow::Stay)
    }

    /// Ends the editing session.
    ///
    /// # Errors
    /// The daemon did not hear it: it ends the session with this process.
    pub(crate) fn close(&mut self) -> Result<(), Failure> {
        let Some(editing) = self.editing.take() else { return Ok(()) };
        let ask = Ask::of(Verb::ConfigurationClose).body(&OfSession { session: editing.session })?;
        let closed = self.reply(&ask, &Pipes::default(), |_: &Empty| "Exiting configuration mode\n".to_owned());
        closed.map(drop)
    }

    /// Goes to the statement `path`, words from the top.
    fn go(&mut self, path: &str) -> Result<String, Failure> {
        let editing = self.editing()?.clone();
        if path.is_empty() {
            // There is nothing to look up at the top, but `status` shows where the operator is.
            let edit = Edit { session: editing.session, path: String::new(), commands: vec!["edit".to_owned()] };
            let _ = self.client.bytes(&Ask::of(Verb::ConfigurationEdit).body(&edit)?);
            self.editing = Some(Editing { path: String::new(), ..editing });
            return Ok(String::new());
        }
        let edit = Edit { session: editing.session, path: String::new(), commands: vec![format!("edit {path}")] };
        let edited: Edited = self.client.read(&Ask::of(Verb::ConfigurationEdit).body(&edit)?)?;
        self.editing = Some(Editing { path: edited.path.clone(), ..editing });
        Ok(edited.path)
    }

    /// `edit`.
    pub(crate) fn edit(&mut self, command: &Parsed) -> Result<Flow, Failure> {
        let editing = self.editing()?.clone();
        if command.tail.is_empty() {
            return Ok(Flow::Stay);
        }
        let commands = vec![format!("edit {}", command.tail)];
        let edit = Edit { session: editing.session, path: editing.path.clone(), commands };
        let bytes = self.client.bytes(&Ask::of(Verb::ConfigurationEdit).body(&edit)?)?;
        let edited: Edited = serde_json::from_slice(&bytes).map_err(crate::client::ClientError::from)?;
        if self.json {
            self.print(raw(&bytes), &Pipes::default())?;
        }
        if let Some(editing) = &mut self.editing {
            editing.before.push(std::mem::replace(&mut editing.path, edited.path));
        }
        Ok(Flow::Stay)
    }

    /// `up`.
    pub(crate) fn up(&mut self, command: &Parsed, pipes: &Pipes, operator: &mut dyn Operator) -> Result<Flow, Failure> {
        let levels: usize = command.number("levels")?.unwrap_or(1);
        let here = self.editing()?.path.clone();
        for _ in 0..levels {
            self.one_up()?;
        }
        self.there(&here, command, pipes, operator)
    }

    /// One level up. A level has one word or two; only the daemon knows which, and takes no level that is none.
    fn one_up(&mut self) -> Result<(), Failure> {
        let path = self.editing()?.path.clone();
        let levels = words::words(&path);
        let ends = levels.iter().rev().skip(1).map(|word| word.end).take(2);
        for end in ends.collect::<Vec<_>>() {
            if self.go(path.get(..end).unwrap_or_default()).is_ok() {
                return Ok(());
            }
        }
        self.go("").map(drop)
    }

    /// `top`.
    pub(crate) fn top(
        &mut self,
        command: &Parsed,
        pipes: &Pipes,
        operator: &mut dyn Operator,
    ) -> Result<Flow, Failure> {
        let here = self.editing()?.path.clone();
        if command.tail.is_empty() {
            self.go("")?;
        } else if let Some(editing) = &mut self.editing {
            editing.path = String::new();
        }
        self.there(&here, command, pipes, operator)
    }

    /// Runs what stands behind `top` or `up`, and comes back to `here` unless that went elsewhere. Without a command
    /// the operator stays.
    fn there(
        &mut self,
        here: &str,
        command: &Parsed,
        pipes: &Pipes,
        operator: &mut dyn Operator,
    ) -> Result<Flow, Failure> {
        let there = self.editing()?.path.clone();
        if command.tail.is_empty() {
            if let Some(editing) = &mut self.editing {
                // `exit` goes back to the last `edit` that is still above.
                editing.before.retain(|before| before.len() < there.len() && there.starts_with(before.as_str()));
            }
            return Ok(Flow::Stay);
        }
        let done = self.run_tail(&command.tail, pipes, operator);
        let moved = self.editing.as_ref().is_none_or(|editing| editing.path != there);
        match &mut self.editing {
            Some(editing) if moved => {
                // `edit` noted where it was only for a moment.
                if let Some(last) = editing.before.last_mut() {
                    here.clone_into(last);
                }
            }
            Some(editing) if command.entry.words == "up" => {
                editing.path = here.to_owned();
                let _ = self.go(here);
            }
            Some(editing) => here.clone_into(&mut editing.path),
            None => {}
        }
        done
    }
}
