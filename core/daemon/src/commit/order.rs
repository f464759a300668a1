//! What a commit is to do, and what it did.

use super::Blast;

/// Where the configuration comes from.
#[derive(Clone, Debug, Default)]
pub(crate) enum What {
    /// The file, loaded again.
    #[default]
    File,
    /// The candidate of an editing session.
    Candidate(u64),
    /// A text: a revision that comes back, or a commit whose time has come.
    Text {
        /// How messages call it.
        name: String,
        /// The text.
        text: String,
        /// The revision that comes back, with the plugins and tables that it had.
        revision: Option<u64>,
    },
}

/// A commit as it was asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    pub(crate) what: What,
    /// Who; empty for the daemon itself.
    pub(crate) by: String,
    /// How: cli, file, reload, at, confirm-expired.
    pub(crate) via: &'static str,
    /// Why.
    pub(crate) comment: String,
    /// Prepares only.
    pub(crate) check: bool,
    /// Confirms what waits for it.
    pub(crate) confirms: bool,
    /// Minutes until the configuration before it comes back.
    pub(crate) confirmed: Option<u32>,
    /// Whatever becomes of live sessions.
    pub(crate) force: bool,
    /// Sessions to be moved a second.
    pub(crate) renumber: Option<u32>,
    /// Whether the sessions that it touches are listed.
    pub(crate) sessions: bool,
}

/// What a commit did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// The revision that is active now.
    pub(crate) revision: u64,
    /// Sections that changed, in words; empty when nothing did.
    pub(crate) changes: Vec<String>,
    /// What it does to the live sessions.
    pub(crate) blast: Blast,
    /// What the operator should know.
    pub(crate) warnings: Vec<String>,
}
