//! The line editor: keys that complete and help, and what is kept of what was typed.

use crate::{
    complete::{self, Completions, Daemon, Live, Place, Schema},
    history::History,
    pager, terminal, words,
};
use rustyline::{
    Cmd, ConditionalEventHandler, Config, Editor as Rusty, Event, EventContext, EventHandler, KeyCode, KeyEvent,
    Modifiers, RepeatCount, error::ReadlineError, history::MemHistory,
};
use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// What was typed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Typed {
    /// A line.
    Line(String),
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D, or the terminal is gone.
    End,
}

/// What the keys share with the shell.
#[derive(Debug)]
struct Shared {
    place: Mutex<Place>,
    /// The line and the place of the cursor where help was wanted, with the help.
    asked: Mutex<Option<(usize, String)>>,
    /// A text or an answer is typed, no command: keys mean themselves.
    plain: AtomicBool,
    daemon: Daemon,
}

impl Shared {
    fn complete(&self, line: &str, live: &dyn Live) -> Completions {
        let begin = words::last_command(line);
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut found = complete::complete(line.get(begin..).unwrap_or_default(), &place, live);
        found.start += begin;
        found
    }

    fn ask(&self, pos: usize, found: &Completions) -> Cmd {
        let help = found.help(terminal::size().1);
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some((pos, help));
        Cmd::AcceptLine
    }
}

/// A key with a meaning of its own.
#[derive(Clone, Copy, Debug)]
enum Key {
    /// `?`.
    Help,
    /// Tab.
    Tab,
    /// A blank ends a word, and makes it whole if it is the beginning of only one.
    Space,
}

/// A key, bound.
struct Bound {
    key: Key,
    shared: Arc<Shared>,
}

impl ConditionalEventHandler for Bound {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let (line, pos) = (context.line(), context.pos());
        let typed = line.get(..pos)?;
        if self.shared.plain.load(Ordering::Relaxed) {
            return matches!(self.key, Key::Tab).then(|| Cmd::Insert(1, "\t".to_owned()));
        }
        let quoted = words::is_quoted(typed);
        match self.key {
            Key::Help if quoted => None,
            Key::Help => Some(self.shared.ask(pos, &self.shared.complete(typed, &self.shared.daemon))),
            Key::Tab => {
                let found = self.shared.complete(typed, &self.shared.daemon);
                let text = found.extension(typed);
                let typed = text.and_then(|text| missing(typed, found.start, &text));
                Some(typed.unwrap_or_else(|| self.shared.ask(pos, &found)))
            }
            Key::Space => {
                let at_word = pos == line.len() && !quoted && !typed.ends_with(char::is_whitespace) && pos > 0;
                let found = at_word.then(|| self.shared.complete(typed, &Schema(self.shared.daemon.clone())))?;
                let text = found.extension(typed)?;
                // What is only longer, not whole, is no word yet: the blank stays a blank.
                text.ends_with(' ').then(|| missing(typed, found.start, &text))?
            }
        }
    }
}

/// What is missing of `text`, which takes the place of what is typed from `start` on. None where that begins otherwise:
/// without the quotes that the word needs.
fn missing(typed: &str, start: usize, text: &str) -> Option<Cmd> {
    let rest = text.strip_prefix(typed.get(start..)?)?;
    (!rest.is_empty()).then(|| Cmd::Insert(1, rest.to_owned()))
}

/// The line editor.
pub(crate) struct Editor {
    rusty: Rusty<(), MemHistory>,
    shared: Arc<Shared>,
    history: History,
    /// What stands in the line at the beginning: left and right of the cursor.
    initial: (String, String),
}

impl Editor {
    /// An editor on the terminal.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn new(daemon: Daemon) -> io::Result<Self> {
        let config = Config::builder().max_history_size(1_000).map_err(told)?.auto_add_history(false).build();
        let memory = MemHistory::with_config(&config);
        let mut rusty = Rusty::with_history(config, memory).map_err(told)?;
        let shared = Arc::new(Shared {
            place: Mutex::new(Place::default()),
            asked: Mutex::new(None),
            plain: AtomicBool::new(false),
            daemon,
        });
        let keys = [(KeyCode::Char('?'), Key::Help), (KeyCode::Tab, Key::Tab), (KeyCode::Char(' '), Key::Space)];
        for (code, key) in keys {
            let bound = Bound { key, shared: Arc::clone(&shared) };
            rusty.bind_sequence(KeyEvent(code, Modifiers::NONE), EventHandler::Conditional(Box::new(bound)));
        }
        let history = History::open();
        for line in history.lines() {
            rusty.add_history_entry(line).map_err(told)?;
        }
        Ok(Self { rusty, shared, history, initial: Default::default() })
    }

    /// Reads a command. `banner` stands on lines of its own above the prompt.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn command(&mut self, place: Place, banner: &str, prompt: &str) -> io::Result<Typed> {
        *self.shared.place.lock().unwrap_or_else(PoisonError::into_inner) = place;
        loop {
            print!("{banner}");
            let (left, right) = std::mem::take(&mut self.initial);
            let line = match self.rusty.readline_with_initial(prompt, (&left, &right)) {
                Ok(line) => line,
                Err(error) => return end(error),
            };
            let asked = self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some((pos, help)) = asked else {
                if self.history.add(&line) {
                    self.rusty.add_history_entry(&line).map_err(told)?;
                }
                return Ok(Typed::Line(line));
            };
            pager::show(&help, terminal::size())?;
            let (left, right) = line.split_at_checked(pos).unwrap_or((&line, ""));
            self.initial = (left.to_owned(), right.to_owned());
        }
    }

    /// Reads a line that is no command.
    ///
    /// # Errors
    /// The terminal is gone.
    pub(crate) fn line(&mut self, prompt: &str) -> io::Result<Typed> {
        self.shared.plain.store(true, Ordering::Relaxed);
        let line = self.rusty.readline(prompt);
        self.shared.plain.store(false, Ordering::Relaxed);
        match line {
            Ok(line) => Ok(Typed::Line(line)),
            Err(error) => end(error),
        }
    }
}

fn end(error: ReadlineError) -> io::Result<Typed> {
    match error {
        ReadlineError::Eof => Ok(Typed::End),
        ReadlineError::Interrupted => Ok(Typed::Interrupt),
        other => Err(told(other)),
    }
}

fn told(error: ReadlineError) -> io::Error {
    match error {
        ReadlineError::Io(error) => error,
        other => io::Error::other(other.to_string()),
    }
}
