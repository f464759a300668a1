//! The grammar: what words a command has, in one table a mode (junos.md §10, §14).
//!
//! [`parse`] reads a command by it, completion and help read it too, so that none of them knows a word of its own.

mod configure;
mod operational;
mod read;
mod table;

pub(crate) use configure::CONFIGURE;
pub(crate) use operational::OPERATIONAL;
pub(crate) use read::{Mistake, Parsed, arguments, open, parse, walk};
pub(crate) use table::{Action, Argument, Edit, Entry, Foreign, Kind, Tail, Value};

/// Where commands are typed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Mode {
    /// `user@host>`.
    #[default]
    Operational,
    /// `user@host#`.
    Configure,
}

impl Mode {
    /// Its commands.
    pub(crate) const fn table(self) -> &'static [Entry] {
        match self {
            Self::Operational => OPERATIONAL,
            Self::Configure => CONFIGURE,
        }
    }
}

/// The commands of a mode, a line each, and what each does.
pub(crate) fn help(mode: Mode) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for entry in mode.table() {
        let form = entry.form();
        let gap = if form.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {}{gap}{form}\n      {}", entry.words, entry.help);
    }
    text
}

/// What stands behind a beginning of several commands, for help.
pub(crate) fn words_help(words: &str) -> Option<&'static str> {
    const HELP: &[(&str, &str)] = &[
        ("clear", "Ends sessions, resets counters"),
        ("clear dhcp", "DHCP clients and counters"),
        ("clear dhcp server", "The local server"),
        ("clear system", "Of the system"),
        ("config", "Configurations of other programs"),
        ("config import", "Reads one, prints ours; needs no daemon"),
        ("load", "Reads statements from a file or the terminal"),
        ("monitor", "Shows events as they happen"),
        ("monitor dhcp", "DHCP"),
        ("replace", "Replaces text in names and values"),
        ("request", "Asks the daemon to do something"),
        ("request dhcp", "DHCP"),
        ("request dhcp server", "The local server"),
        ("request system", "The daemon itself"),
        ("request system commit", "Commits that are under way"),
        ("request system configuration", "Configurations that are kept"),
        ("request system configuration rescue", "The rescue configuration"),
        ("sessions", "Sessions of other programs"),
        ("sessions import", "Takes leases over"),
        ("set", "Sets what the shell does"),
        ("set cli", "The shell"),
        ("show", "Shows something"),
        ("show commit", "Commits"),
        ("show dhcp", "DHCP"),
        ("show dhcp server", "The local server"),
        ("show dhcp server reconfigure", "Dynamic reconfiguration"),
        ("show interfaces", "Interfaces that are made for clients"),
        ("show network-access", "Authentication, accounting, addresses"),
        ("show network-access aaa", "RADIUS"),
        ("show network-access address-assignment", "Address pools"),
        ("show system", "The daemon and its commits"),
        ("show system configuration", "Configurations that are kept, and who edits"),
        ("show system configuration database", "Who edits"),
        ("show system subscriber-management", "What watches over subscribers"),
        ("wildcard", "Commands for all whose names match"),
        ("wildcard range", "Commands for a range of numbers"),
    ];
    HELP.iter().find(|(of, _)| *of == words).map(|(_, help)| *help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bindery_api::Verb;

    #[test]
    fn every_verb_has_a_command() {
        // These are asked by the shell itself or by a command with an action of its own.
        let elsewhere = [
            Verb::BindingSummary,
            Verb::ConfigurationClose,
            Verb::ConfigurationComplete,
            Verb::ConfigurationShow,
            Verb::ConfigurationOpen,
            Verb::ConfigurationSessions,
            Verb::ConfigurationEdit,
            Verb::ConfigurationLoad,
            Verb::ConfigurationRollback,
            Verb::ConfigurationUpdate,
            Verb::ConfigurationCommit,
            Verb::Rescue,
            Verb::ImportBindings,
            Verb::Events,
        ];
        for verb in Verb::ALL {
            let found = OPERATIONAL.iter().any(|entry| entry.action == Action::Ask(verb));
            assert!(found != elsewhere.contains(&verb), "{verb:?}");
        }
    }

    #[test]
    fn every_beginning_has_help() {
        for entry in OPERATIONAL.iter().chain(CONFIGURE) {
            let words: Vec<&str> = entry.words.split(' ').collect();
            for at in 1..words.len() {
                let beginning = words[..at].join(" ");
                let whole = OPERATIONAL.iter().chain(CONFIGURE).any(|entry| entry.words == beginning);
                assert!(whole || words_help(&beginning).is_some(), "{beginning}");
            }
        }
    }

    #[test]
    fn tables_have_each_command_once() {
        for table in [OPERATIONAL, CONFIGURE] {
            for (i, entry) in table.iter().enumerate() {
                assert!(table[..i].iter().all(|other| other.words != entry.words), "{}", entry.words);
            }
        }
    }
}
