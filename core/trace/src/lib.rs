//! Trace files: `traceoptions` and `interface-traceoptions`, of the daemon or of a local server (junos.md §2.2, §4).
//!
//! The packet thread hands over what it sees, raw; a thread of its own makes text of it, rotates the file and writes. The
//! queue between them is bounded: what does not fit is lost, counted, and told in the file. What this crate never does:
//! decide about a packet, block who traces.
//!
//! Read [`Tracer`] first.

mod file;
mod text;
mod tracer;

pub use tracer::{Place, Tracer};

use bindery_types::MacAddr;
use std::path::PathBuf;

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: [Self; [$(Self::$variant),*].len()] = [$(Self::$variant),*];

            /// Its name in the configuration.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The one of this name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|it| it.name() == name)
            }
        }
    };
}

named! {
    /// What is traced: `flag`.
    Flag {
        /// What becomes of sessions.
        State = "state",
        /// Each packet, one line.
        Packet = "packet",
        /// What is decided about packets.
        Flow = "flow",
        /// Each packet with its options.
        PacketOption = "packet-option",
        /// Writes to the session database, by their watermark.
        Database = "database",
        /// Whether the session database can be written.
        Persistent = "persistent",
        /// Clients that are locked out (short-cycle-protection).
        LockoutDb = "lockout-db",
        /// Interfaces that come, change and go.
        Interface = "interface",
        /// Routes, as the kernel has them.
        Rtsock = "rtsock",
        /// What sockets drop.
        Io = "io",
        /// Questions to an authority, and its answers.
        Auth = "auth",
        /// The time that turns of the packet thread take.
        Performance = "performance",
        /// The counters, each minute.
        Statistics = "statistics",
    }
}

named! {
    /// How much is traced: `level`. Each has what is before it.
    Level {
        /// Faults of the environment.
        Error = "error",
        /// Packets that are dropped.
        Warning = "warning",
        /// Refusals, and ends of bindings.
        Notice = "notice",
        /// What goes well.
        Info = "info",
        /// Options of packets, times.
        Verbose = "verbose",
        /// All of it.
        All = "all",
    }
}

/// Which of [`Flag`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags(u16);

impl Flags {
    /// `flag all`.
    pub const ALL: Self = Self(u16::MAX);

    /// With this one too.
    #[must_use]
    pub const fn with(self, flag: Flag) -> Self {
        Self(self.0 | 1 << flag as u8)
    }

    /// Whether it is among them.
    pub const fn has(self, flag: Flag) -> bool {
        self.0 & 1 << flag as u8 != 0
    }
}

/// Which packets and sessions a file is about; all of them by default.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scope {
    /// Those of this routing instance: the trace stands in its `dhcp-local-server`.
    pub instance: Option<Box<str>>,
    /// Those of interfaces whose group says `interface NAME trace`: `interface-traceoptions`.
    pub traced: bool,
}

impl Scope {
    /// Whether it has the interface `place`.
    fn covers(&self, place: Place<'_>) -> bool {
        (!self.traced || place.traced) && self.instance.as_deref().is_none_or(|name| name == place.instance)
    }
}

/// One trace file and what goes into it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The file.
    pub path: PathBuf,
    /// `size`: bytes at which it is rolled.
    pub size: u64,
    /// `files`: how many are kept in all, 2 to 1000.
    pub files: u32,
    /// `world-readable`.
    pub world_readable: bool,
    /// `match`: only lines in which the expression is found; empty for all.
    pub matching: String,
    /// `level`.
    pub level: Level,
    /// `flag`.
    pub flags: Flags,
    /// `client`: of packets and sessions only theirs; empty for all.
    pub clients: Vec<MacAddr>,
    /// Where it stands in the configuration.
    pub scope: Scope,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_fit_and_are_told_apart() {
        assert!(Flag::ALL.len() <= 16);
        let one = Flags::default().with(Flag::Packet);
        assert!(Flag::ALL.into_iter().all(|flag| one.has(flag) == (flag == Flag::Packet) && Flags::ALL.has(flag)));
        assert_eq!(Flag::named("packet-option"), Some(Flag::PacketOption));
        assert_eq!(Level::named("loud"), None);
    }
}
