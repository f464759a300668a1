//! The grammar: words to a verb with its arguments (junos.md §10).

use bindery_api::{Selector, Verb};
use std::fmt::Write as _;

/// How much of a binding is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Level {
    /// One line.
    #[default]
    Brief,
    /// All of it.
    Detail,
}

/// A command that the daemon can be asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Command {
    pub(crate) verb: Verb,
    pub(crate) selector: Selector,
    pub(crate) level: Level,
    pub(crate) withdraw_routes: bool,
    /// Routes of this protocol only.
    pub(crate) protocol: Option<&'static str>,
    /// New options only.
    pub(crate) refresh: bool,
    /// Sessions a second.
    pub(crate) pace: Option<u32>,
}

/// The user's mistake, with what would be right.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Mistake {
    /// No words.
    #[error("say a command:\n{}", help())]
    Empty,
    /// A word that fits nowhere.
    #[error("`{word}` is no word after `{before}`: expected {expected}")]
    Unknown { word: String, before: String, expected: String },
    /// A beginning of several words.
    #[error("`{word}` is short for several words: {candidates}")]
    Ambiguous { word: String, candidates: String },
    /// The command goes on.
    #[error("`{before}` goes on with {expected}")]
    Incomplete { before: String, expected: String },
}

/// One command: its words, its arguments in words, what it does.
struct Entry {
    words: &'static [&'static str],
    arguments: Arguments,
    verb: Verb,
    help: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Arguments {
    None,
    /// `[brief | detail]`.
    Level,
    /// `[KEY | interface IFL] [brief | detail]`, or `summary`.
    Bindings,
    /// `KEY | interface IFL | all`.
    Clear,
    /// `KEY | interface IFL | all`, and how.
    Reconfigure,
    /// `[protocol (access-internal | access)]`.
    Route,
    /// `[withdraw-routes]`.
    Shutdown,
}

impl Arguments {
    const fn form(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Level => "[brief | detail]",
            Self::Bindings => "[ADDRESS | MAC | SESSION-ID | interface IFL] [brief | detail | summary]",
            Self::Clear => "(ADDRESS | MAC | SESSION-ID | interface IFL | all)",
            Self::Reconfigure => "(ADDRESS | MAC | SESSION-ID | interface IFL | all) [refresh] [pace N]",
            Self::Route => "[protocol (access-internal | access)]",
            Self::Shutdown => "[withdraw-routes]",
        }
    }
}

const ENTRIES: [Entry; 14] = [
    Entry {
        words: &["show", "dhcp", "server", "binding"],
        arguments: Arguments::Bindings,
        verb: Verb::Bindings,
        help: "bound clients of the local server",
    },
    Entry {
        words: &["show", "dhcp", "server", "statistics"],
        arguments: Arguments::None,
        verb: Verb::Statistics,
        help: "packets dropped by reason, messages by type",
    },
    Entry {
        words: &["show", "dhcp", "server", "reconfigure", "capability"],
        arguments: Arguments::None,
        verb: Verb::ReconfigureCapability,
        help: "how clients answer a FORCERENEW, by vendor class",
    },
    Entry {
        words: &["show", "network-access", "address-assignment", "pool"],
        arguments: Arguments::None,
        verb: Verb::Pools,
        help: "addresses in use by pool",
    },
    Entry {
        words: &["show", "network-access", "aaa", "radius-servers"],
        arguments: Arguments::Level,
        verb: Verb::RadiusServers,
        help: "RADIUS servers, whether they answer, what was asked of them",
    },
    Entry {
        words: &["show", "network-access", "aaa", "statistics"],
        arguments: Arguments::None,
        verb: Verb::AaaStatistics,
        help: "authentication, accounting and dynamic requests",
    },
    Entry { words: &["show", "route"], arguments: Arguments::Route, verb: Verb::Routes, help: "routes of subscribers" },
    Entry {
        words: &["show", "plugins"],
        arguments: Arguments::None,
        verb: Verb::Plugins,
        help: "plugins and their counters",
    },
    Entry {
        words: &["show", "version"],
        arguments: Arguments::None,
        verb: Verb::Version,
        help: "release and configuration revision",
    },
    Entry {
        words: &["clear", "dhcp", "server", "binding"],
        arguments: Arguments::Clear,
        verb: Verb::ClearBindings,
        help: "ends bindings; the clients get a NAK when they renew",
    },
    Entry {
        words: &["clear", "dhcp", "server", "statistics"],
        arguments: Arguments::None,
        verb: Verb::ClearStatistics,
        help: "sets the counters to zero",
    },
    Entry {
        words: &["request", "dhcp", "server", "reconfigure"],
        arguments: Arguments::Reconfigure,
        verb: Verb::Reconfigure,
        help: "moves clients to other addresses, or (refresh) tells them new options; N a second",
    },
    Entry {
        words: &["request", "system", "reload"],
        arguments: Arguments::None,
        verb: Verb::Reload,
        help: "loads the changed configuration file; no session is dropped",
    },
    Entry {
        words: &["request", "system", "shutdown"],
        arguments: Arguments::Shutdown,
        verb: Verb::Shutdown,
        help: "ends the daemon; bindings stay, and routes unless withdrawn",
    },
];

/// The commands, a line each, and what each does.
pub(crate) fn help() -> String {
    let mut text = String::new();
    for entry in &ENTRIES {
        let form = entry.arguments.form();
        let words = entry.words.join(" ");
        let gap = if form.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {words}{gap}{form}\n      {}", entry.help);
    }
    text.push_str("  plugin new|build|test|inspect ...\n      runs bindery-plugin\n");
    text
}

/// Reads a command.
///
/// # Errors
/// [`Mistake`].
pub(crate) fn parse(words: &[String]) -> Result<Command, Mistake> {
    if words.is_empty() {
        return Err(Mistake::Empty);
    }
    let mut live: Vec<&Entry> = ENTRIES.iter().collect();
    let mut at = 0;
    let entry = loop {
        if let Some(entry) = live.iter().find(|entry| entry.words.len() == at) {
            break *entry;
        }
        let mut next: Vec<&'static str> = live.iter().filter_map(|entry| entry.words.get(at).copied()).collect();
        next.dedup();
        let before = words[..at.min(words.len())].join(" ");
        let Some(word) = words.get(at) else {
            return Err(Mistake::Incomplete { before, expected: list(&next) });
        };
        let chosen = choose(word, &next, &before)?;
        live.retain(|entry| entry.words.get(at) == Some(&chosen));
        at += 1;
    };
    arguments(entry, &words[at..])
}

/// The word that `word` is, or is the unique beginning of.
fn choose(word: &str, next: &[&'static str], before: &str) -> Result<&'static str, Mistake> {
    let mut unique: Vec<&'static str> = Vec::new();
    for &candidate in next {
        if candidate == word {
            return Ok(candidate);
        }
        if candidate.starts_with(word) && !unique.contains(&candidate) {
            unique.push(candidate);
        }
    }
    match unique.as_slice() {
        [one] => Ok(one),
        [] => Err(Mistake::Unknown {
            word: word.to_owned(),
            before: if before.is_empty() { "bindery".to_owned() } else { before.to_owned() },
            expected: list(next),
        }),
        several => Err(Mistake::Ambiguous { word: word.to_owned(), candidates: list(several) }),
    }
}

fn list(words: &[&str]) -> String {
    let mut words = words.to_vec();
    words.sort_unstable();
    words.dedup();
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn arguments(entry: &Entry, words: &[String]) -> Result<Command, Mistake> {
    let before = entry.words.join(" ");
    let mut command = Command {
        verb: entry.verb,
        selector: Selector::default(),
        level: Level::Brief,
        withdraw_routes: false,
        protocol: None,
        refresh: false,
        pace: None,
    };
    let unknown = |word: &String| Mistake::Unknown {
        word: word.clone(),
        before: before.clone(),
        expected: match entry.arguments.form() {
            "" => "nothing more".to_owned(),
            form => form.to_owned(),
        },
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match (entry.arguments, word.as_str()) {
            (Arguments::Bindings | Arguments::Level, "brief") => command.level = Level::Brief,
            (Arguments::Bindings | Arguments::Level, "detail") => command.level = Level::Detail,
            (Arguments::Bindings, "summary") if command.selector == Selector::default() => {
                command.verb = Verb::BindingSummary;
            }
            (Arguments::Reconfigure, "refresh") => command.refresh = true,
            (Arguments::Reconfigure, "pace") => {
                let number = words.next().and_then(|word| word.parse().ok());
                command.pace = Some(number.ok_or_else(|| Mistake::Incomplete {
                    before: format!("{before} pace"),
                    expected: "a number of sessions a second".to_owned(),
                })?);
            }
            (Arguments::Clear | Arguments::Reconfigure, "all") => command.selector.all = true,
            (Arguments::Bindings | Arguments::Clear | Arguments::Reconfigure, "interface") => {
                let name = words.next().ok_or_else(|| Mistake::Incomplete {
                    before: format!("{before} interface"),
                    expected: "an interface name".to_owned(),
                })?;
                command.selector.interface = Some(name.clone());
            }
            (Arguments::Bindings | Arguments::Clear | Arguments::Reconfigure, key) => {
                key_argument(&mut command.selector, key).ok_or_else(|| unknown(word))?
            }
            (Arguments::Route, "protocol") => {
                command.protocol = Some(match words.next().map(String::as_str) {
                    Some("access-internal") => "access-internal",
                    Some("access") => "access",
                    _ => return Err(unknown(word)),
                });
            }
            (Arguments::Shutdown, "withdraw-routes") => command.withdraw_routes = true,
            _ => return Err(unknown(word)),
        }
    }
    if let Some((extra, _)) = command.selector.query().get(1) {
        let expected = format!("one of {}", entry.arguments.form());
        return Err(Mistake::Unknown { word: (*extra).to_owned(), before, expected });
    }
    if command.verb == Verb::BindingSummary && command.selector != Selector::default() {
        let expected = "nothing more".to_owned();
        return Err(Mistake::Unknown { word: "KEY".to_owned(), before: format!("{before} summary"), expected });
    }
    let wants_key = matches!(entry.arguments, Arguments::Clear | Arguments::Reconfigure);
    if wants_key && command.selector == Selector::default() {
        return Err(Mistake::Incomplete { before, expected: entry.arguments.form().to_owned() });
    }
    Ok(command)
}

/// `KEY`: an address has dots, a MAC address colons, a session id digits only.
fn key_argument(selector: &mut Selector, key: &str) -> Option<()> {
    if key.contains('.') && key.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        selector.address = Some(key.to_owned());
    } else if key.contains(':') && key.bytes().all(|b| b.is_ascii_hexdigit() || b == b':') {
        selector.mac = Some(key.to_owned());
    } else {
        selector.session = Some(key.parse().ok()?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Command, Mistake> {
        parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn every_verb_has_a_command() {
        for verb in Verb::ALL {
            let found = ENTRIES.iter().any(|e| e.verb == verb)
                || read("show dhcp server binding summary").unwrap().verb == verb;
            assert!(found, "{verb:?}");
        }
    }

    #[test]
    fn words_may_be_short_while_unique() {
        assert_eq!(read("sh d s b").unwrap().verb, Verb::Bindings);
        assert_eq!(read("show net aaa r detail").map(|c| (c.verb, c.level)), Ok((Verb::RadiusServers, Level::Detail)));
        assert_eq!(read("sh d s b det").unwrap_err().to_string().lines().count(), 1);
        assert!(matches!(read("re"), Err(Mistake::Incomplete { .. })));
        assert!(matches!(read("c d s"), Err(Mistake::Incomplete { .. })));
        assert!(matches!(read("show dhcp serverx"), Err(Mistake::Unknown { .. })));
    }

    #[test]
    fn keys_are_told_by_their_form() {
        let selector = |text: &str| read(text).unwrap().selector;
        assert_eq!(selector("show dhcp server binding 192.0.2.10").address.as_deref(), Some("192.0.2.10"));
        assert_eq!(
            selector("show dhcp server binding 02:00:00:00:00:01 detail").mac.as_deref(),
            Some("02:00:00:00:00:01")
        );
        assert_eq!(selector("clear dhcp server binding 7").session, Some(7));
        assert_eq!(selector("clear dhcp server binding interface eth1").interface.as_deref(), Some("eth1"));
        assert!(selector("clear dhcp server binding all").all);
        assert!(read("show dhcp server binding summary 192.0.2.1").is_err());
        assert!(read("clear dhcp server binding all interface eth1").is_err());
        assert!(read("clear dhcp server binding").is_err());
        assert!(read("show dhcp server binding nonsense").is_err());
        assert!(read("show version extra").is_err());
    }
}
