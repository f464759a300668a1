//! What is expected of a plugin, and how what came differs from it.

use std::fmt::Write as _;

use bindery_engine::policy::Steer;
use bindery_wire::v4::{OptionCode, OptionList};

/// What a plugin answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Continue,
    Drop,
    Failed,
}

impl Verdict {
    const ALL: [Verdict; 3] = [Verdict::Continue, Verdict::Drop, Verdict::Failed];

    const fn name(self) -> &'static str {
        match self {
            Verdict::Continue => "continue",
            Verdict::Drop => "drop",
            Verdict::Failed => "failed",
        }
    }

    /// The verdict of that name.
    pub(crate) fn of(name: &str) -> Option<Verdict> {
        Verdict::ALL.into_iter().find(|verdict| verdict.name() == name)
    }
}

/// What came of an exchange.
#[derive(Default)]
pub(crate) struct Seen {
    /// None: the stage was not called.
    pub(crate) admit: Option<Verdict>,
    pub(crate) shape: Option<Verdict>,
    pub(crate) steer: Steer,
    /// Number of changes.
    pub(crate) edits: usize,
    /// The reply's options afterwards.
    pub(crate) reply: Option<OptionList>,
}

/// One thing that must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// Verdict of `admit`.
    Admit(Verdict),
    /// Verdict of `shape-reply`.
    Shape(Verdict),
    /// What `admit` chose as `group`, `pool` or `class`; none: nothing.
    Chosen(&'static str, Option<String>),
    /// The reply has this option afterwards.
    Option(u8, Vec<u8>),
    /// The reply does not have it.
    NoOption(u8),
    /// The reply was not changed.
    Unchanged,
}

impl Expectation {
    /// Whether a failed call is what is expected.
    pub(crate) fn wants_failure(&self) -> bool {
        matches!(self, Expectation::Admit(Verdict::Failed) | Expectation::Shape(Verdict::Failed))
    }

    /// How `seen` differs; none if it is as expected.
    pub(crate) fn judge(&self, seen: &Seen) -> Option<String> {
        let differ = |what: String, wanted: &str, found: &str| {
            (wanted != found).then(|| format!("{what}\n        expected {wanted}\n        found    {found}"))
        };
        let verdict = |verdict: Option<Verdict>| verdict.map_or("no call", Verdict::name);
        let found = |wanted: u8| seen.reply.as_ref().and_then(|reply| reply.get(OptionCode(wanted)));
        let shown = |value: Option<&[u8]>| value.map_or_else(|| "none".to_owned(), hex);
        match self {
            Expectation::Admit(wanted) => differ("admit".into(), wanted.name(), verdict(seen.admit)),
            Expectation::Shape(wanted) => differ("shape-reply".into(), wanted.name(), verdict(seen.shape)),
            Expectation::Chosen(name, wanted) => {
                let chosen = match *name {
                    "group" => &seen.steer.group,
                    "pool" => &seen.steer.pool,
                    _ => &seen.steer.class,
                };
                let wanted = wanted.as_deref().unwrap_or("none");
                differ(format!("admit, {name}"), wanted, chosen.as_deref().unwrap_or("none"))
            }
            Expectation::Option(wanted, value) => differ(code(u16::from(*wanted)), &hex(value), &shown(found(*wanted))),
            Expectation::NoOption(wanted) => differ(code(u16::from(*wanted)), "none", &shown(found(*wanted))),
            Expectation::Unchanged => (seen.edits > 0)
                .then(|| format!("the reply\n        expected unchanged\n        found    {} changes", seen.edits)),
        }
    }
}

/// An option for people: number, name.
pub(crate) fn code(code: u16) -> String {
    let name = u8::try_from(code).ok().and_then(|code| OptionCode(code).name());
    format!("option {code}{}{}", if name.is_some() { " " } else { "" }, name.unwrap_or_default())
}

/// An option with its value.
pub(crate) fn option(number: u16, value: &[u8]) -> String {
    format!("{} = {}", code(number), hex(value))
}

/// Hexadecimal digits, and the text if it is one.
fn hex(value: &[u8]) -> String {
    if value.is_empty() {
        return "no bytes".to_owned();
    }
    let mut text: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
    if value.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        let _ = write!(text, " \"{}\"", String::from_utf8_lossy(value));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_told() {
        let mut reply = OptionList::new();
        reply.set(OptionCode(43), b"ab").unwrap();
        let steer = Steer { group: Some("gold".into()), ..Steer::default() };
        let seen = Seen { admit: Some(Verdict::Continue), shape: None, steer, edits: 1, reply: Some(reply) };
        for holds in [
            Expectation::Admit(Verdict::Continue),
            Expectation::Chosen("group", Some("gold".into())),
            Expectation::Chosen("pool", None),
            Expectation::Option(43, b"ab".to_vec()),
            Expectation::NoOption(12),
        ] {
            assert_eq!(holds.judge(&seen), None, "{holds:?}");
        }
        let told = |expectation: Expectation| expectation.judge(&seen).unwrap();
        assert_eq!(
            told(Expectation::Option(43, vec![1])),
            "option 43 vendor-specific\n        expected 01\n        found    6162 \"ab\""
        );
        assert!(told(Expectation::Option(12, vec![])).ends_with("expected no bytes\n        found    none"));
        assert!(told(Expectation::NoOption(43)).contains("expected none"));
        assert!(told(Expectation::Shape(Verdict::Drop)).ends_with("found    no call"));
        assert!(told(Expectation::Admit(Verdict::Failed)).ends_with("found    continue"));
        assert!(told(Expectation::Chosen("group", None)).ends_with("found    gold"));
        assert!(told(Expectation::Unchanged).ends_with("found    1 changes"));
    }
}
