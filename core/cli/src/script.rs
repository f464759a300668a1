//! Commands from a text: `-c`, or standard input that is no terminal.

use crate::{
    EXIT_USAGE,
    console::{Console, Failure, Flow, Operator},
    words,
};
use std::{
    io::{self, BufRead},
    process::ExitCode,
};

/// Ends a text in a script, as Ctrl-D does at a terminal.
const END_OF_TEXT: &str = "\u{4}";

/// Nobody is there to be asked: texts are read from where the commands come from.
struct Script<R> {
    input: R,
    /// Lines of the input that were read.
    line: usize,
}

impl<R: BufRead> Operator for Script<R> {
    fn confirm(&mut self, _question: &str, _enter: bool) -> io::Result<bool> {
        Ok(true)
    }

    fn text(&mut self) -> io::Result<Option<String>> {
        let mut text = String::new();
        let mut line = String::new();
        while self.input.read_line(&mut line)? > 0 {
            self.line += 1;
            if line.trim_end_matches(['\r', '\n']) == END_OF_TEXT {
                break;
            }
            text.push_str(&line);
            line.clear();
        }
        Ok(Some(text))
    }
}

/// Runs the commands of `text`; texts that they load come from standard input.
pub(crate) fn text(console: &mut Console, text: &str) -> ExitCode {
    let mut script = Script { input: io::stdin().lock(), line: 0 };
    let many = text.trim_end().contains('\n');
    for (line, command) in words::commands(text) {
        match console.execute(&command, &mut script) {
            Ok(Flow::Stay) => {}
            Ok(Flow::Leave) => break,
            Err(failure) => return failed(console, &failure, many.then_some(line)),
        }
    }
    finish(console, &mut script)
}

/// Runs one command.
pub(crate) fn line(console: &mut Console, line: &str) -> ExitCode {
    let mut script = Script { input: io::stdin().lock(), line: 0 };
    match console.execute(line, &mut script) {
        Ok(_) => ExitCode::SUCCESS,
        Err(failure) => report(&failure, None),
    }
}

/// Runs the commands that come from standard input.
pub(crate) fn stdin(console: &mut Console) -> ExitCode {
    run(console, io::stdin().lock())
}

fn run(console: &mut Console, input: impl BufRead) -> ExitCode {
    let mut script = Script { input, line: 0 };
    let (mut chunk, mut begun) = (String::new(), 0);
    loop {
        let read = match script.input.read_line(&mut chunk) {
            Ok(read) => read,
            Err(error) => return failed(console, &error.into(), Some(script.line + 1)),
        };
        script.line += usize::from(read > 0);
        // A quote or a brace that is open goes on in the next line.
        if read > 0 && words::is_open(&chunk) {
            continue;
        }
        for (line, command) in words::commands(&std::mem::take(&mut chunk)) {
            match console.execute(&command, &mut script) {
                Ok(Flow::Stay) => {}
                Ok(Flow::Leave) => return finish(console, &mut script),
                Err(failure) => return failed(console, &failure, Some(begun + line)),
            }
        }
        if read == 0 {
            return finish(console, &mut script);
        }
        begun = script.line;
    }
}

fn finish(console: &mut Console, operator: &mut dyn Operator) -> ExitCode {
    if console.editing.is_none() {
        return ExitCode::SUCCESS;
    }
    match console.leave(operator) {
        Ok(_) => ExitCode::SUCCESS,
        Err(failure) => failed(console, &failure, None),
    }
}

/// Tells what is wrong, and what the exit status is.
fn failed(console: &mut Console, failure: &Failure, line: Option<usize>) -> ExitCode {
    let code = report(failure, line);
    if let Some(editing) = console.editing.take() {
        // The daemon ends the session with this process if it does not hear this.
        let of = bindery_api::OfSession { session: editing.session };
        if let Ok(ask) = crate::client::Ask::of(bindery_api::Verb::ConfigurationClose).body(&of) {
            let _ = console.client.bytes(&ask);
        }
    }
    code
}

/// Tells what is wrong, and what the exit status is.
pub(crate) fn report(failure: &Failure, line: Option<usize>) -> ExitCode {
    if failure.is_broken_pipe() {
        return ExitCode::SUCCESS;
    }
    let text = failure.to_string();
    let place = line.map(|line| format!(" line {line}:")).unwrap_or_default();
    // What the daemon says in several lines has its columns.
    let gap = if text.trim_end().contains('\n') && failure.is_rendered() { "\n" } else { " " };
    eprintln!("bindery:{place}{gap}{}", text.trim_end());
    match failure {
        Failure::Usage(_) => ExitCode::from(EXIT_USAGE),
        Failure::Client(_) | Failure::Local(_) => ExitCode::FAILURE,
    }
}
