//! Configuration mode: changing the candidate, loading, saving, committing.

use crate::{
    client::{Ask, ClientError},
    console::{Console, Failure, Flow, Operator},
    grammar::{self, Action, Mistake, Parsed},
    pipe::Pipes,
    show,
};
use bindery_api::{
    Commit, Committed, Edit, Edited, Empty, Format, Load, LoadVerb, OfSession, PACE_DEFAULT, Rollback, ShowQuery, Text,
    Verb,
};
use std::{fs, path::Path};

/// Minutes until a commit rolls back where nothing is said (junos.md §14.6).
const CONFIRMED_DEFAULT: u32 = 10;

impl Console {
    /// Commands that need the candidate.
    ///
    /// # Errors
    /// [`Failure`].
    pub(crate) fn edit_or_commit(
        &mut self,
        command: &Parsed,
        pipes: &Pipes,
        operator: &mut dyn Operator,
    ) -> Result<Flow, Failure> {
        let of = OfSession { session: self.editing()?.session };
        match command.entry.action {
            Action::Edit(grammar::Edit::Edit) => return self.edit(command),
            Action::Edit(grammar::Edit::Command) => self.change(command, pipes, operator)?,
            Action::Show => self.show(command, pipes)?,
            Action::Load(verb) => self.load(verb, command, pipes, operator)?,
            Action::Save => self.save(command, pipes)?,
            Action::Rollback => {
                let to = command.value("rollback").unwrap_or("0").to_owned();
                let ask = Ask::of(Verb::ConfigurationRollback).body(&Rollback { session: of.session, to })?;
                self.reply(&ask, pipes, |_: &Empty| "load complete\n".to_owned())?;
            }
            Action::Update => {
                let ask = Ask::of(Verb::ConfigurationUpdate).body(&of)?;
                self.reply(&ask, pipes, |_: &Empty| "update complete\n".to_owned())?;
            }
            Action::Commit => self.commit(command, pipes)?,
            _ => return Err(Failure::Local(format!("`{}` has no meaning here", command.entry.words))),
        }
        Ok(Flow::Stay)
    }

    /// `set` and its like: the daemon reads the words behind the verb.
    fn change(&self, command: &Parsed, pipes: &Pipes, operator: &mut dyn Operator) -> Result<(), Failure> {
        let editing = self.editing()?;
        let all = command.entry.words == "delete" && command.tail.is_empty();
        if all && !operator.confirm("Delete everything under this level? [yes,no] (no) ", false)? {
            return Ok(());
        }
        let line = format!("{} {}", command.entry.words, command.tail);
        let commands = vec![line.trim_end().to_owned()];
        let edit = Edit { session: editing.session, path: editing.path.clone(), commands };
        self.reply(&Ask::of(Verb::ConfigurationEdit).body(&edit)?, pipes, |_: &Edited| String::new())?;
        Ok(())
    }

    fn show(&self, command: &Parsed, pipes: &Pipes) -> Result<(), Failure> {
        let editing = self.editing()?;
        let path = below(&editing.path, &command.tail);
        self.show_text(ShowQuery { path, session: Some(editing.session), ..ShowQuery::default() }, pipes)
    }

    fn load(
        &self,
        verb: LoadVerb,
        command: &Parsed,
        pipes: &Pipes,
        operator: &mut dyn Operator,
    ) -> Result<(), Failure> {
        let editing = self.editing()?;
        let source = command.value("source").unwrap_or_default();
        let text = match source {
            "terminal" => {
                if self.interactive {
                    self.say("[Type ^D at a new line to end input]")?;
                }
                operator.text()?.ok_or_else(|| Failure::Local("nothing is loaded".to_owned()))?
            }
            path => fs::read_to_string(path).map_err(|error| Failure::Local(format!("{path}: {error}")))?,
        };
        let format = match (command.has("json"), command.has("kdl")) {
            (true, _) => Some(Format::Json),
            (_, true) => Some(Format::Kdl),
            _ => None,
        };
        let path = if command.has("relative") { editing.path.clone() } else { String::new() };
        let load = Load { session: editing.session, path, verb, format, name: source.to_owned(), text };
        let ask = Ask::of(Verb::ConfigurationLoad).body(&load)?;
        let loaded = self.reply(&ask, pipes, |_: &Edited| "load complete\n".to_owned());
        loaded.map(drop).map_err(|failure| match (failure, wrong_verb(verb, &load.text)) {
            (Failure::Client(ClientError::Refused(text)), Some(hint)) => {
                Failure::Client(ClientError::Refused(format!("{}\n{hint}", text.trim_end())))
            }
            (failure, _) => failure,
        })
    }

    /// `save`: what `show` shows here, in a file. Secrets are not in it.
    fn save(&self, command: &Parsed, pipes: &Pipes) -> Result<(), Failure> {
        let editing = self.editing()?;
        let format = pipes.form.format.unwrap_or_default();
        let query =
            ShowQuery { path: editing.path.clone(), session: Some(editing.session), format, ..ShowQuery::default() };
        let text: Text = self.client.read(&Ask::of(Verb::ConfigurationShow).query(&query)?)?;
        let path = Path::new(command.value("file").unwrap_or_default());
        let told = |error| Failure::Local(format!("{}: {error}", path.display()));
        fs::write(path, &text.text).map_err(told)?;
        self.say(&format!("Wrote {} lines of configuration to '{}'", text.text.lines().count(), path.display()))
    }

    fn commit(&mut self, command: &Parsed, pipes: &Pipes) -> Result<(), Failure> {
        let order = order(self.editing()?.session, command)?;
        let ask = Ask::of(Verb::ConfigurationCommit).body(&order)?;
        if pipes.form.format == Some(Format::Json) {
            self.raw_reply(&ask, pipes)?;
        } else {
            self.reply(&ask, pipes, |committed: &Committed| show::committed(committed))?;
        }
        if order.renumber.is_some() && self.interactive {
            self.say("`run show commit progress` tells how far the renumbering is")?;
        }
        if command.has("and-quit") {
            self.close()?;
        }
        Ok(())
    }
}

/// What is to be typed where a text that was refused is of another kind than the verb takes. The first line tells.
fn wrong_verb(verb: LoadVerb, text: &str) -> Option<&'static str> {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'))?;
    let begins = |words: &[&str]| words.iter().any(|word| first.split_whitespace().next() == Some(word));
    let is = if begins(&["set", "delete", "activate", "deactivate", "annotate", "protect", "rename", "insert"]) {
        LoadVerb::Set
    } else if begins(&["[edit", "[edit]"]) {
        LoadVerb::Patch
    } else {
        LoadVerb::Merge
    };
    match (is, verb) {
        (LoadVerb::Set, LoadVerb::Set) | (LoadVerb::Patch, LoadVerb::Patch) => None,
        (LoadVerb::Set, _) => Some("The text has commands: `load set` reads those"),
        (LoadVerb::Patch, _) => Some("The text is a comparison: `load patch` reads those"),
        (_, LoadVerb::Set | LoadVerb::Patch) if first.ends_with(['{', ';', '}']) || begins(&["/*", "//"]) => {
            Some("The text has statements: `load merge` and `load override` read those")
        }
        _ => None,
    }
}

/// The words of a commit in the API's form.
fn order(session: u64, command: &Parsed) -> Result<Commit, Mistake> {
    let confirmed = match command.has("confirmed") {
        true => Some(command.number("confirmed")?.unwrap_or(CONFIRMED_DEFAULT)),
        false => None,
    };
    let renumber = match command.has("renumber") {
        true => Some(command.number("pace")?.unwrap_or(PACE_DEFAULT)),
        false => None,
    };
    if command.has("check") && command.has("and-quit") {
        return Err(Mistake::Pipe("a check commits nothing: leave out `check` or `and-quit`".to_owned()));
    }
    Ok(Commit {
        session,
        check: command.has("check"),
        confirmed,
        comment: command.value("comment").unwrap_or_default().to_owned(),
        at: command.value("at").map(str::to_owned),
        force: command.has("force"),
        renumber,
        sessions: command.has("sessions"),
    })
}

/// A path that begins at another.
fn below(base: &str, tail: &str) -> String {
    match (base, tail) {
        ("", tail) => tail.to_owned(),
        (base, "") => base.to_owned(),
        (base, tail) => format!("{base} {tail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grammar::{Mode, parse};

    fn ordered(line: &str) -> Result<Commit, Mistake> {
        parse(Mode::Configure, line).and_then(|command| order(7, &command))
    }

    #[test]
    fn commits_in_any_sensible_combination() {
        let plain = Commit { session: 7, ..Commit::default() };
        assert_eq!(ordered("commit"), Ok(plain.clone()));
        assert_eq!(ordered("commit confirmed"), Ok(Commit { confirmed: Some(10), ..plain.clone() }));
        let all = "commit and-quit comment \"a b\" confirmed 3 force sessions";
        let expected =
            Commit { confirmed: Some(3), comment: "a b".into(), force: true, sessions: true, ..plain.clone() };
        assert_eq!(ordered(all), Ok(expected));
        assert_eq!(ordered("commit renumber pace 5"), Ok(Commit { renumber: Some(5), ..plain.clone() }));
        assert_eq!(ordered("commit renumber"), Ok(Commit { renumber: Some(PACE_DEFAULT), ..plain.clone() }));
        assert_eq!(ordered("commit at 23:30"), Ok(Commit { at: Some("23:30".into()), ..plain.clone() }));
        assert_eq!(ordered("commit check"), Ok(Commit { check: true, ..plain }));
        for wrong in ["commit check and-quit", "commit force renumber", "commit pace 5", "commit confirmed 99999999999"]
        {
            assert!(ordered(wrong).is_err(), "{wrong}");
        }
    }
}
