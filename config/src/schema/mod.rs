//! The table of all statements: the single source for checking, defaults, ranges, help and the reference.
//!
//! One file per section. A statement of Junos that is not built yet stands in the table too ([`Statement::built`]),
//! so that nothing an operator writes is silently ignored.

mod access;
mod access_profile;
mod authentication;
mod check;
mod choosing;
mod client_attributes;
mod dhcp_local_server;
mod dhcp_relay;
mod interfaces;
mod later;
mod neighbour;
mod overrides;
mod plugins;
mod policy;
mod redact;
mod reference;
mod routing_instances;
mod routing_options;
mod rules;
mod system;
mod trace;

pub(crate) use check::{check, check_groups, fragment};
pub use redact::{HIDDEN, keep_hidden, redact};
pub(crate) use redact::{
    has_hidden, mask, mask_commands, mask_in, mask_json, mask_lines, may_be_secret, refers, stands_for_secret,
};
pub use reference::reference;

/// One statement: what may be written, and what it means.
#[derive(Debug)]
pub struct Statement {
    /// Its name.
    pub name: &'static str,
    /// What may follow the name.
    pub kind: Kind,
    /// What it does, one sentence. Empty only where it is not built.
    pub help: &'static str,
    /// Values for it, as they stand behind the name; empty for statements without values.
    pub example: &'static str,
    /// What holds where it is not written.
    pub default: Option<&'static str>,
    /// The clause it comes from, like `RFC 2131 §3.3`; empty if there is none.
    pub source: &'static str,
    /// What a change of it does to live sessions.
    pub apply: Apply,
    /// Whether this release acts on it. Everything below a statement that is not built is not built either.
    pub built: bool,
    /// Whether the statement around it is incomplete without it.
    pub mandatory: bool,
    /// Whether exactly one of the statements in it must be written.
    pub one_of: bool,
    /// Whether its instances stand in the order that the operator gives them; else they are sorted by name.
    pub ordered: bool,
    /// Whether what stands in it is part of a configuration: nothing is missing there, and names may be patterns.
    pub partial: bool,
}

/// What may follow a statement's name.
#[derive(Debug)]
pub enum Kind {
    /// Statements in braces, no value; may be empty.
    Container(&'static [Statement]),
    /// A name of its own, then statements in braces. May be written many times, with different names.
    Named(Type, &'static [Statement]),
    /// One of these words, then the statements of that word in braces. Each word once.
    Select(&'static [Statement]),
    /// One value.
    Leaf(Type),
    /// One or more values, all behind one name.
    LeafList(Type),
    /// Nothing: it is there or not.
    Flag,
    /// Anything: a plugin's own settings.
    Free,
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// A whole number from the first to the second.
    Integer(i64, i64),
    /// Text of this many bytes, from the first to the second.
    Text(usize, usize),
    /// Text that names something, 1 to this many characters, printable and without blanks.
    Name(usize),
    /// A secret of this many bytes, never shown; or `file:PATH` or `credential:NAME`, where it is kept.
    Secret(usize, usize),
    /// One printable ASCII character, no blank and no semicolon.
    Delimiter,
    /// An even number of hexadecimal digits, from the first to the second.
    Hex(usize, usize),
    /// An IPv4 address.
    Address4,
    /// An IPv6 address.
    Address6,
    /// An address of either family.
    Address,
    /// An IPv4 network without host bits.
    Prefix4,
    /// An IPv6 prefix.
    Prefix6,
    /// A MAC address.
    Mac,
    /// A time in seconds, from the first to the second: a number, or text like `90s`, `24h`, `1h30m`.
    Seconds(u32, u32),
    /// As `Seconds(1, 4294967294)`, or `infinite`.
    Lease,
    /// An amount of memory in bytes, from the first to the second: a number, or text like `16MiB`.
    Size(u64, u64),
    /// `#true` or `#false`, or one of the words true, false, on, off.
    Boolean,
    /// One of these words.
    Word(&'static [Word]),
    /// The name of an interface, or with a trailing `*` the beginning of names.
    Interface,
    /// A relative or absolute path of a file.
    Path,
}

/// One choice of [`Type::Word`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// The word.
    pub name: &'static str,
    /// Whether this release acts on it.
    pub built: bool,
}

/// What a change of a statement does to live sessions. None restarts the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apply {
    /// Holds from the next packet on, for all sessions.
    Hot,
    /// Holds for bindings made after the commit; a live session gets it when it renews, or never needs it.
    NewSessionsOnly,
    /// May end or change live sessions; a commit says which.
    AffectsSessions,
}

impl Apply {
    /// The class in words, as in the reference.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::NewSessionsOnly => "new sessions only",
            Self::AffectsSessions => "affects sessions",
        }
    }
}

impl Statement {
    /// A statement of this release.
    pub const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self {
            name,
            kind,
            help,
            example: "",
            default: None,
            source: "",
            apply: Apply::NewSessionsOnly,
            built: true,
            mandatory: false,
            one_of: false,
            ordered: false,
            partial: false,
        }
    }

    const fn container(name: &'static str, children: &'static [Self], help: &'static str) -> Self {
        Self::new(name, Kind::Container(children), help)
    }

    const fn named(name: &'static str, key: Type, children: &'static [Self], help: &'static str) -> Self {
        Self::new(name, Kind::Named(key, children), help)
    }

    const fn leaf(name: &'static str, ty: Type, example: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Leaf(ty), help).example(example)
    }

    const fn list(name: &'static str, ty: Type, example: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::LeafList(ty), help).example(example)
    }

    const fn flag(name: &'static str, help: &'static str) -> Self {
        Self::new(name, Kind::Flag, help)
    }

    const fn example(mut self, example: &'static str) -> Self {
        self.example = example;
        self
    }

    const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }

    const fn source(mut self, source: &'static str) -> Self {
        self.source = source;
        self
    }

    const fn apply(mut self, apply: Apply) -> Self {
        self.apply = apply;
        self
    }

    const fn mandatory(mut self) -> Self {
        self.mandatory = true;
        self
    }

    const fn one_of(mut self) -> Self {
        self.one_of = true;
        self
    }

    const fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }

    const fn partial(mut self) -> Self {
        self.partial = true;
        self
    }

    /// The same statement, not built yet.
    const fn later(mut self) -> Self {
        self.built = false;
        self
    }

    /// The statements that may stand in it; for [`Kind::Select`] its words.
    pub const fn children(&self) -> &'static [Self] {
        match self.kind {
            Kind::Container(children) | Kind::Named(_, children) | Kind::Select(children) => children,
            Kind::Leaf(_) | Kind::LeafList(_) | Kind::Flag | Kind::Free => &[],
        }
    }

    /// All statements that may stand in it, in the order in which they are kept; [`EVERYWHERE`] too.
    pub fn statements(&self) -> impl Iterator<Item = &'static Self> + use<> {
        self.everywhere().iter().chain(self.children())
    }

    /// The statement in it that has this name.
    pub fn child(&self, name: &str) -> Option<&'static Self> {
        let children = self.children().iter();
        children.chain(self.everywhere()).find(|child| child.name == name)
    }

    fn everywhere(&self) -> &'static [Self] {
        match self.kind {
            Kind::Container(_) | Kind::Named(..) => &EVERYWHERE,
            _ => &[],
        }
    }
}

/// What may stand in every block.
pub static EVERYWHERE: [Statement; 2] = [
    Statement::list(
        "apply-groups",
        Type::Name(254),
        "residential",
        "Groups whose statements are inherited here, unless they are written; of several the first wins.",
    )
    .apply(Apply::AffectsSessions),
    Statement::list(
        "apply-groups-except",
        Type::Name(254),
        "residential",
        "Groups named further out whose statements are not inherited here.",
    )
    .apply(Apply::AffectsSessions),
];

/// The top of the table; it has no name.
pub static ROOT: Statement = Statement::container(
    "",
    &[
        Statement::named(
            "groups",
            Type::Name(254),
            &[
                system::SYSTEM,
                access::ACCESS,
                routing_options::ROUTING_OPTIONS,
                plugins::PLUGINS,
                policy::POLICY,
                dhcp_relay::FORWARDING_OPTIONS,
                interfaces::INTERFACES,
                routing_instances::ROUTING_INSTANCES,
            ],
            "Part of a configuration that is inherited where apply-groups says so. A name like <*> or <ge-*> in it stands \
             for every instance whose name is like it: * is any text, ? any character, [a-c] one of these.",
        )
        .apply(Apply::AffectsSessions)
        .partial(),
        system::SYSTEM,
        access::ACCESS,
        routing_options::ROUTING_OPTIONS,
        plugins::PLUGINS,
        policy::POLICY,
        dhcp_relay::FORWARDING_OPTIONS,
        interfaces::INTERFACES,
        routing_instances::ROUTING_INSTANCES,
        later::named("logical-systems", Type::Name(63), later::INSTANCE),
        later::any("dynamic-profiles"),
        later::leaf("access-profile", Type::Name(128)),
    ],
    "The whole configuration.",
);
