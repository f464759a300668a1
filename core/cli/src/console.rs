//! One operator at work: runs commands, keeps the mode, prints.

use crate::{
    client::{Ask, Client, ClientError},
    complete::Place,
    grammar::{Action, Mistake, Mode, Parsed, parse},
    pager,
    pipe::Pipes,
    terminal, words,
};
use bindery_api::Format;
use serde::de::DeserializeOwned;
use std::{
    io::{self, IsTerminal, Write},
    sync::Arc,
};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It is no command.
    #[error(transparent)]
    Usage(#[from] Mistake),
    /// The daemon did not do it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// This machine did not do it.
    #[error("{0}")]
    Local(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Client(ClientError::Io(error))
    }
}

impl Failure {
    /// Whether nobody reads what is printed: no fault of anyone.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Client(ClientError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether the text is the daemon's own and has its form already.
    pub(crate) const fn is_rendered(&self) -> bool {
        matches!(self, Self::Client(ClientError::Refused(_)))
    }
}

/// Whether the shell goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flow {
    /// The next command.
    Stay,
    /// The operator has left.
    Leave,
}

/// Whoever can be asked for more than a command.
pub(crate) trait Operator {
    /// Asks a question; `enter` is what Enter means.
    ///
    /// # Errors
    /// The terminal is gone.
    fn confirm(&mut self, question: &str, enter: bool) -> io::Result<bool>;

    /// Reads a text up to its end (Ctrl-D). None where it was broken off.
    ///
    /// # Errors
    /// It cannot be read.
    fn text(&mut self) -> io::Result<Option<String>>;
}

/// The editing session that is open.
#[derive(Clone, Debug)]
pub(crate) struct Editing {
    /// Its number.
    pub(crate) session: u64,
    /// How it edits.
    pub(crate) mode: bindery_api::Mode,
    /// The statement that is edited, as words.
    pub(crate) path: String,
    /// Where `edit` came from, the last one last.
    pub(crate) before: Vec<String>,
}

/// One operator at work.
#[derive(Debug)]
pub(crate) struct Console {
    pub(crate) client: Arc<Client>,
    /// Prints exactly the API's replies.
    pub(crate) json: bool,
    /// A person sits there.
    pub(crate) interactive: bool,
    pub(crate) editing: Option<Editing>,
    /// Lines of a page; none for those of the terminal.
    pub(crate) screen_length: Option<usize>,
}

impl Console {
    /// A console in operational mode.
    pub(crate) fn new(client: Arc<Client>, json: bool, interactive: bool) -> Self {
        Self { client, json, interactive, editing: None, screen_length: None }
    }

    /// Where the operator is.
    pub(crate) fn place(&self) -> Place {
        match &self.editing {
            None => Place::default(),
            Some(editing) => {
                Place { mode: Mode::Configure, session: Some(editing.session), path: editing.path.clone() }
            }
        }
    }

    /// Runs one command with its pipes.
    ///
    /// # Errors
    /// [`Failure`]; the mode is as before.
    pub(crate) fn execute(&mut self, line: &str, operator: &mut dyn Operator) -> Result<Flow, Failure> {
        self.execute_in(self.place().mode, line, operator)
    }

    fn execute_in(&mut self, mode: Mode, line: &str, operator: &mut dyn Operator) -> Result<Flow, Failure> {
        let parts = words::parts(line);
        let mut parts = parts.iter().map(|(_, part)| *part);
        let command = parse(mode, parts.next().unwrap_or_default())?;
        let pipes = Pipes::read(parts)?;
        check_form(&command, &pipes)?;
        self.run(&command, &pipes, operator)
    }

    fn run(&mut self, command: &Parsed, pipes: &Pipes, operator: &mut dyn Operator) -> Result<Flow, Failure> {
        match command.entry.action {
            Action::Ask(verb) => self.ask(verb, command, pipes)?,
            Action::ShowConfiguration => self.show_configuration(command, pipes)?,
            Action::ShowRollback => self.show_rollback(command, pipes)?,
            Action::ShowRescue => self.show_rescue(pipes)?,
            Action::Status => self.status(pipes)?,
            Action::Rescue(action) => self.rescue(action, pipes)?,
            Action::Monitor => crate::monitor::run(self, command, pipes)?,
            Action::ImportConfiguration(foreign) => crate::import::configuration(self, foreign, command, pipes)?,
            Action::ImportSessions => crate::import::sessions(self, command)?,
            Action::ShowCli => {
                let length = self.page().0;
                self.print(format!("CLI screen length set to {length}\n"), pipes)?;
            }
            Action::ScreenLength => {
                self.screen_length = command.number("lines")?;
                self.print(format!("Screen length set to {}\n", self.page().0), pipes)?;
            }
            Action::Help => {
                let text = crate::grammar::help(self.place().mode);
                self.print(text, pipes)?;
            }
            Action::Configure => self.configure(command, pipes)?,
            Action::Exit if self.editing.is_some() => return self.exit(command, operator),
            Action::Exit => return Ok(Flow::Leave),
            Action::Run => {
                // The pipes of the line go with the command that is run.
                let inner = parse(Mode::Operational, &command.tail)?;
                if matches!(inner.entry.action, Action::Configure | Action::Exit) {
                    return Err(Failure::Local(format!("`run {}` has no meaning here", inner.entry.words)));
                }
                check_form(&inner, pipes)?;
                return self.run(&inner, pipes, operator);
            }
            Action::Up => return self.up(command, pipes, operator),
            Action::Top => return self.top(command, pipes, operator),
            _ => return self.edit_or_commit(command, pipes, operator),
        }
        Ok(Flow::Stay)
    }

    /// Runs a command of configuration mode that stands behind `top` or `up`.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn run_tail(&mut self, tail: &str, pipes: &Pipes, operator: &mut dyn Operator) -> Result<Flow, Failure> {
        let inner = parse(Mode::Configure, tail)?;
        check_form(&inner, pipes)?;
        self.run(&inner, pipes, operator)
    }

    /// Asks and prints the answer: as it is, or as `render` writes it.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn reply<T: DeserializeOwned>(
        &self,
        ask: &Ask,
        pipes: &Pipes,
        render: impl FnOnce(&T) -> String,
    ) -> Result<T, Failure> {
        let bytes = self.client.bytes(ask)?;
        let read: T = serde_json::from_slice(&bytes).map_err(ClientError::from)?;
        let text = if self.json { raw(&bytes) } else { render(&read) };
        self.print(text, pipes)?;
        Ok(read)
    }

    /// Asks and prints exactly what is answered; as it comes, if no pipe wants all of it.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn raw_reply(&self, ask: &Ask, pipes: &Pipes) -> Result<(), Failure> {
        if !pipes.filters.is_empty() || self.interactive {
            return self.print(raw(&self.client.bytes(ask)?), pipes);
        }
        let mut out = io::stdout().lock();
        let mut last = b'\n';
        self.client.set_quiet(true);
        let done = self.client.stream(ask, |data| {
            last = data.last().copied().unwrap_or(last);
            out.write_all(data)
        });
        self.client.set_quiet(false);
        done?;
        if last != b'\n' {
            writeln!(out)?;
        }
        Ok(())
    }

    /// Whether a command prints the API's reply.
    pub(crate) fn is_json(&self, pipes: &Pipes) -> bool {
        self.json || pipes.form.format == Some(Format::Json)
    }

    /// Prints through pipes, page by page for a person.
    ///
    /// # Errors
    /// Standard output, or a file of a pipe, cannot be written.
    pub(crate) fn print(&self, text: String, pipes: &Pipes) -> Result<(), Failure> {
        let page = self.page();
        let text = pipes.apply(text, page.0.saturating_sub(1))?;
        let paint = pipes.form.compare.is_some() && terminal::colour();
        let text = if paint { terminal::painted(&text) } else { text };
        if self.interactive && pipes.is_paged() && page.0 > 0 && io::stdout().is_terminal() {
            return Ok(pager::show(&text, page)?);
        }
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    /// Prints a line of the shell's own; nothing where only the API's replies are wanted.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub(crate) fn say(&self, text: &str) -> Result<(), Failure> {
        match self.json {
            true => Ok(()),
            false => self.print(format!("{text}\n"), &Pipes::default()),
        }
    }

    /// Lines and columns of a page.
    fn page(&self) -> (usize, usize) {
        let (rows, columns) = terminal::size();
        (self.screen_length.unwrap_or(rows), columns)
    }
}

/// `| compare` and most of `| display` are for configurations.
fn check_form(command: &Parsed, pipes: &Pipes) -> Result<(), Mistake> {
    let action = command.entry.action;
    let words = command.entry.words;
    let whole = matches!(action, Action::ShowConfiguration | Action::Show);
    if pipes.form.compare.is_some() && !whole && action != Action::Run && !matches!(action, Action::Top | Action::Up) {
        return Err(Mistake::Pipe(format!(
            "`| compare` does not go with `{words}`: it is for `show` of a configuration"
        )));
    }
    let shown =
        whole || matches!(action, Action::ShowRollback | Action::ShowRescue | Action::Run | Action::Top | Action::Up);
    match pipes.form.format {
        Some(Format::Set | Format::Kdl | Format::Inheritance) if !shown => {
            let text =
                format!("`{words}` has no other form than its own and json: `| display` goes with configurations");
            Err(Mistake::Pipe(text))
        }
        Some(Format::Json) if !shown && !matches!(action, Action::Ask(_) | Action::Status | Action::Commit) => {
            Err(Mistake::Pipe(format!("`| display json` does not go with `{words}`")))
        }
        _ => Ok(()),
    }
}

/// A reply as a text that ends its line.
pub(crate) fn raw(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
