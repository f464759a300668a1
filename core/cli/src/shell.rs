//! The interactive shell.

use crate::{
    complete::Daemon,
    console::{Console, Failure, Flow, Operator},
    editor::{Editor, Typed},
    grammar::Mode,
    terminal, words,
};
use std::{
    io::{self, IsTerminal},
    process::ExitCode,
    sync::Arc,
};

/// A person at a terminal.
struct Person {
    editor: Editor,
}

impl Operator for Person {
    fn confirm(&mut self, question: &str, enter: bool) -> io::Result<bool> {
        loop {
            match self.editor.line(question)? {
                Typed::Line(line) => match line.trim().to_lowercase().as_str() {
                    "" => return Ok(enter),
                    "y" | "ye" | "yes" => return Ok(true),
                    "n" | "no" => return Ok(false),
                    _ => {}
                },
                Typed::Interrupt => return Ok(false),
                Typed::End => return Ok(enter),
            }
        }
    }

    fn text(&mut self) -> io::Result<Option<String>> {
        // Between two lines the terminal would eat a Ctrl-D that comes with them, as programs send it.
        let _keys = terminal::Keys::take()?;
        let mut text = String::new();
        loop {
            match self.editor.line("")? {
                Typed::Line(line) => {
                    text.push_str(&line);
                    text.push('\n');
                }
                Typed::Interrupt => return Ok(None),
                Typed::End => return Ok(Some(text)),
            }
        }
    }
}

/// Reads and runs commands until the operator leaves. `first` is run before.
///
/// # Errors
/// There is no terminal.
pub(crate) fn run(console: &mut Console, first: Option<&str>) -> io::Result<ExitCode> {
    console.client.set_interactive();
    let mut person = Person { editor: Editor::new(Daemon(Arc::clone(&console.client)))? };
    let name = format!("{}@{}", terminal::user(), terminal::host());
    if let Some(first) = first {
        one(console, first, &mut person);
    }
    loop {
        let place = console.place();
        let (banner, prompt) = match place.mode {
            Mode::Operational => (String::new(), format!("{name}> ")),
            Mode::Configure if place.path.is_empty() => ("\n[edit]\n".to_owned(), format!("{name}# ")),
            Mode::Configure => (format!("\n[edit {}]\n", place.path), format!("{name}# ")),
        };
        let line = match person.editor.command(place, &banner, &prompt) {
            Ok(Typed::Line(line)) => line,
            Ok(Typed::Interrupt) => continue,
            Ok(Typed::End) => "exit".to_owned(),
            Err(error) => {
                // The terminal is gone: what is edited stays as the mode says.
                let _ = console.close();
                return Err(error);
            }
        };
        for (_, command) in words::commands(&line) {
            match one(console, &command, &mut person) {
                Some(Flow::Leave) => return Ok(ExitCode::SUCCESS),
                Some(Flow::Stay) => {}
                None => break,
            }
        }
    }
}

/// Runs one command and tells what is wrong with it. None where it failed.
fn one(console: &mut Console, command: &str, person: &mut Person) -> Option<Flow> {
    match console.execute(command, person) {
        Ok(flow) => Some(flow),
        Err(failure) => {
            if !failure.is_broken_pipe() {
                tell(&failure);
            }
            None
        }
    }
}

fn tell(failure: &Failure) {
    let text = failure.to_string();
    let red = io::stderr().is_terminal() && terminal::colour();
    let (begin, end) = if red { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
    // What the daemon says has its form already; one line of it has not.
    match failure.is_rendered() && (text.contains('\n') || text.starts_with("error")) {
        true => eprintln!("{}", text.trim_end()),
        false => eprintln!("{begin}error:{end} {text}"),
    }
}
