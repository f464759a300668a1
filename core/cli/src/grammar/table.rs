//! The form of the tables.

use bindery_api::{LoadVerb, RescueAction, Verb};

/// One command: its words, what goes behind them, what it does.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The words it begins with.
    pub(crate) words: &'static str,
    /// What may follow, in any order.
    pub(crate) arguments: &'static [Argument],
    /// What the rest of the line is.
    pub(crate) tail: Tail,
    /// The class of arguments of which one must be there; 0 for none.
    pub(crate) needs: u8,
    /// What it does.
    pub(crate) action: Action,
    /// What it does, in words.
    pub(crate) help: &'static str,
}

/// What stands behind the words and arguments of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tail {
    /// Nothing.
    None,
    /// Words of a configuration statement: the daemon knows them.
    Statement,
    /// An operational command.
    Operational,
    /// A command of configuration mode, or nothing.
    Configure,
}

/// A value that an argument takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Value {
    /// Address, MAC address or session id.
    Key,
    /// IPv4 address of a client.
    Address,
    /// MAC address of a client.
    Mac,
    /// Interface that clients are on.
    Interface,
    /// Address pool.
    Pool,
    /// Plugin.
    Plugin,
    /// A number.
    Number,
    /// A text.
    Text,
    /// A file.
    File,
    /// A file, or `terminal`.
    Source,
    /// Number of a configuration in the history.
    Rollback,
    /// The same, or `rescue`.
    RollbackOrRescue,
    /// A point in time.
    Time,
}

impl Value {
    /// How help calls it.
    pub(crate) const fn hint(self) -> &'static str {
        match self {
            Self::Key => "<address | mac | session-id>",
            Self::Address => "<address>",
            Self::Mac => "<mac>",
            Self::Interface => "<interface>",
            Self::Pool => "<pool>",
            Self::Plugin => "<plugin>",
            Self::Number => "<number>",
            Self::Text => "<text>",
            Self::File => "<file>",
            Self::Source => "<file | terminal>",
            Self::Rollback => "<0..49>",
            Self::RollbackOrRescue => "<0..49 | rescue>",
            Self::Time => "<hh:mm[:ss] | \"yyyy-mm-dd hh:mm[:ss]\">",
        }
    }

    /// Whether `word` may be one.
    pub(crate) fn accepts(self, word: &str) -> bool {
        let digits = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
        match self {
            Self::Key => digits(word) || Self::Address.accepts(word) || Self::Mac.accepts(word),
            Self::Address => word.contains('.') && word.bytes().all(|b| b.is_ascii_digit() || b == b'.'),
            Self::Mac => word.contains(':') && word.bytes().all(|b| b.is_ascii_hexdigit() || b == b':'),
            Self::Number | Self::Rollback => digits(word),
            Self::RollbackOrRescue => digits(word) || word == "rescue",
            Self::Time => word.starts_with(|c: char| c.is_ascii_digit()),
            _ => true,
        }
    }
}

/// How an argument is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Its name alone.
    Flag,
    /// Its name and a value.
    Named(Value),
    /// Its name and perhaps a value.
    Optional(Value),
    /// A value alone.
    Bare(Value),
}

/// Something behind the words of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Argument {
    /// Its keyword; of a bare value, how the program calls it.
    pub(crate) name: &'static str,
    /// How it is written.
    pub(crate) kind: Kind,
    /// Of arguments of one class only one may be there; 0 is no class.
    pub(crate) class: u8,
    /// It goes only with this one, said before it.
    pub(crate) after: &'static str,
    /// What it is.
    pub(crate) help: &'static str,
}

/// An argument that is its name.
pub(crate) const fn flag(name: &'static str, help: &'static str) -> Argument {
    Argument { name, kind: Kind::Flag, class: 0, after: "", help }
}

/// An argument with a value behind its name.
pub(crate) const fn named(name: &'static str, value: Value, help: &'static str) -> Argument {
    Argument { name, kind: Kind::Named(value), class: 0, after: "", help }
}

/// An argument with perhaps a value behind its name.
pub(crate) const fn optional(name: &'static str, value: Value, help: &'static str) -> Argument {
    Argument { name, kind: Kind::Optional(value), class: 0, after: "", help }
}

/// An argument that is only a value.
pub(crate) const fn bare(name: &'static str, value: Value, help: &'static str) -> Argument {
    Argument { name, kind: Kind::Bare(value), class: 0, after: "", help }
}

impl Argument {
    /// In this class.
    pub(crate) const fn of(mut self, class: u8) -> Self {
        self.class = class;
        self
    }

    /// Only with that one.
    pub(crate) const fn with(mut self, name: &'static str) -> Self {
        self.after = name;
        self
    }

    /// How it is written.
    pub(crate) fn form(&self) -> String {
        match self.kind {
            Kind::Flag => self.name.to_owned(),
            Kind::Named(value) => format!("{} {}", self.name, value.hint()),
            Kind::Optional(value) => format!("{} [{}]", self.name, value.hint()),
            Kind::Bare(value) => value.hint().to_owned(),
        }
    }
}

/// A command that takes nothing more.
pub(crate) const fn plain(words: &'static str, action: Action, help: &'static str) -> Entry {
    Entry { words, arguments: &[], tail: Tail::None, needs: 0, action, help }
}

impl Entry {
    /// With these arguments.
    pub(crate) const fn takes(mut self, arguments: &'static [Argument]) -> Self {
        self.arguments = arguments;
        self
    }

    /// One of this class must be there.
    pub(crate) const fn needs(mut self, class: u8) -> Self {
        self.needs = class;
        self
    }

    /// With this tail.
    pub(crate) const fn tail(mut self, tail: Tail) -> Self {
        self.tail = tail;
        self
    }

    /// What may stand behind the words, in the notation of manuals.
    pub(crate) fn form(&self) -> String {
        let mut forms: Vec<String> = Vec::new();
        let mut classes: Vec<u8> = Vec::new();
        for argument in self.arguments {
            let class = argument.class;
            if class != 0 && classes.contains(&class) {
                continue;
            }
            classes.push(class);
            let same: Vec<String> = self
                .arguments
                .iter()
                .filter(|other| if class == 0 { other.name == argument.name } else { other.class == class })
                .map(Argument::form)
                .collect();
            let joined = same.join(" | ");
            forms.push(match (self.needs == class && class != 0, same.len()) {
                (true, 1) => joined,
                (true, _) => format!("({joined})"),
                (false, _) => format!("[{joined}]"),
            });
        }
        forms.extend(match self.tail {
            Tail::None => None,
            Tail::Statement if matches!(self.action, Action::Show | Action::ShowConfiguration) => {
                Some("[STATEMENT...]".to_owned())
            }
            Tail::Statement => Some("STATEMENT...".to_owned()),
            Tail::Operational => Some("COMMAND...".to_owned()),
            Tail::Configure => Some("[COMMAND...]".to_owned()),
        });
        forms.join(" ")
    }
}

/// Verbs that the daemon edits by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Edit {
    /// The command goes to the daemon as it is.
    Command,
    /// `edit`.
    Edit,
}

/// What a command does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// Asks the daemon and shows what it answers.
    Ask(Verb),
    /// `show configuration`.
    ShowConfiguration,
    /// `show system rollback`.
    ShowRollback,
    /// `show system configuration rescue`.
    ShowRescue,
    /// `show system configuration database status`, `status`.
    Status,
    /// `request system configuration rescue`.
    Rescue(RescueAction),
    /// `configure`.
    Configure,
    /// `monitor dhcp server`.
    Monitor,
    /// `config import junos|kea`: needs no daemon.
    ImportConfiguration(Foreign),
    /// `sessions import kea`.
    ImportSessions,
    /// `show cli`.
    ShowCli,
    /// `set cli screen-length`.
    ScreenLength,
    /// `help`.
    Help,
    /// `exit`, `quit`.
    Exit,
    /// A change of the candidate.
    Edit(Edit),
    /// `show` of configuration mode.
    Show,
    /// `up`.
    Up,
    /// `top`.
    Top,
    /// `run`.
    Run,
    /// `load`.
    Load(LoadVerb),
    /// `save`.
    Save,
    /// `rollback`.
    Rollback,
    /// `commit`.
    Commit,
    /// `update`.
    Update,
}

/// Programs whose configuration can be taken over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Foreign {
    /// Junos.
    Junos,
    /// Kea.
    Kea,
}
