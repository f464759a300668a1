//! The configuration: candidates, commits, revisions (junos.md §14).
//!
//! Texts that are shown never have secrets in them; a loaded text in which a secret is hidden keeps the one that is
//! there. Paths are words of a command: `system services dhcp-local-server group g`.

use serde::{Deserialize, Serialize};

/// How statements are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Braces and semicolons, as Junos shows them.
    #[default]
    Braced,
    /// One command a line.
    Set,
    /// JSON.
    Json,
    /// KDL, as in the file.
    Kdl,
    /// Braced, with what is inherited from groups.
    Inheritance,
}

/// Which configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ShowQuery {
    /// What is below this statement; empty for all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// How.
    #[serde(default)]
    pub format: Format,
    /// The candidate of this editing session; none for the active configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// `0` for the active one, `1` to `49` for those before it, or `rescue`; in place of the candidate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<String>,
    /// Not the configuration but how it differs from this one, which is the older: named as `rollback`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare: Option<String>,
}

/// A text.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Text {
    /// The text.
    pub text: String,
}

/// How an editing session edits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// All edit one candidate.
    #[default]
    Shared,
    /// This one alone edits; what is not committed is gone at its end.
    Exclusive,
    /// A copy of its own, merged at commit.
    Private,
}

/// Body of `ConfigurationOpen`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Open {
    /// How it edits.
    #[serde(default)]
    pub mode: Mode,
    /// It ends with the process that opened it; else ten minutes after its last request.
    #[serde(default)]
    pub hold: bool,
    /// The terminal, for `status`; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub terminal: String,
}

/// An editing session: reply of `ConfigurationOpen`, and a row of `ConfigurationSessions`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct EditingSession {
    /// Its number.
    pub session: u64,
    /// Who.
    pub user: String,
    /// The terminal; empty where there is none.
    pub terminal: String,
    /// The process; 0 where it is not known.
    pub pid: i32,
    /// How it edits.
    pub mode: Mode,
    /// Seconds since 1970.
    pub start: u64,
    /// Seconds since its last request.
    pub idle: u64,
    /// Where it edits, as words; empty at the top.
    pub path: String,
    /// Whether its candidate differs from the active configuration.
    pub changed: bool,
    /// What the operator should know: who else edits. One line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Reply of `ConfigurationSessions`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct EditingSessionList {
    /// All editing sessions.
    pub sessions: Vec<EditingSession>,
}

/// Body of verbs that want nothing but an editing session.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OfSession {
    /// The editing session.
    pub session: u64,
}

/// Body of `ConfigurationEdit`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Edit {
    /// The editing session.
    pub session: u64,
    /// Where the commands begin.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// `set ...`, `delete ...` and the others. All are done or none. An `edit PATH` among them is not done but tells
    /// `status` where the operator is; it must be the only one.
    pub commands: Vec<String>,
}

/// Reply of `ConfigurationEdit`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Edited {
    /// Statements touched.
    pub changed: u64,
    /// The path as the schema writes it, after `edit PATH`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
}

/// What `load` does to what is there (junos.md §14.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LoadVerb {
    /// Both hold.
    #[default]
    Merge,
    /// What was there is gone.
    Override,
    /// As merge; a statement with the tag replace takes the place of the one there.
    Replace,
    /// As override.
    Update,
    /// The text has commands.
    Set,
    /// The text is a comparison.
    Patch,
}

/// Body of `ConfigurationLoad`. The text's format is told from its first bytes unless it is said.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Load {
    /// The editing session.
    pub session: u64,
    /// Where the text begins; empty for the top.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// What it does.
    #[serde(default)]
    pub verb: LoadVerb,
    /// How it is written: kdl, json or braced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// How messages call the text.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The text.
    pub text: String,
}

/// Body of `ConfigurationRollback`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rollback {
    /// The editing session.
    pub session: u64,
    /// `0` to `49`, or `rescue`.
    pub to: String,
}

/// Query of `ConfigurationComplete`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CompleteQuery {
    /// The candidate of this editing session; none for the active configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// Where the operator is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// The command up to the cursor, with its verb.
    pub line: String,
}

/// One way to go on.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Completion {
    /// The word; a hint like `<1..10>` where any value goes.
    pub word: String,
    /// What it is, one sentence.
    pub help: String,
    /// Whether it may be typed as it stands: a hint may not.
    pub literal: bool,
}

/// Reply of `ConfigurationComplete`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct CompletionList {
    /// Byte of the line where the word begins that they take the place of.
    pub start: u64,
    /// What may stand there.
    pub completions: Vec<Completion>,
    /// Whether there were more.
    pub cut: bool,
    /// Whether the command may end here.
    pub complete: bool,
}

/// Body of `ConfigurationCommit`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Commit {
    /// The editing session.
    pub session: u64,
    /// Checks only; also confirms a commit that waits for it.
    #[serde(default)]
    pub check: bool,
    /// Minutes, 1 to 65535, after which the configuration before it comes back unless this is confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<u32>,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// When: `hh:mm[:ss]` or `yyyy-mm-dd hh:mm[:ss]` in the daemon's time zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Also where live sessions lose their address or their server.
    #[serde(default)]
    pub force: bool,
    /// Also then, and those sessions are moved: so many a second, 1 to 100000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renumber: Option<u32>,
    /// List the sessions that it touches, up to 1,000.
    #[serde(default)]
    pub sessions: bool,
}

/// What a commit does to the live sessions, by exact count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Impact {
    /// Nothing changes for them.
    pub kept: u64,
    /// Get other values at their next renewal.
    pub changed: u64,
    /// Are refused at their next renewal and get another address, if there is one.
    pub moved: u64,
    /// Nobody serves them any more.
    pub dropped: u64,
    /// Of `moved` and `dropped`: those for which it was so before.
    pub displaced: u64,
    /// Of all: those whose running reconfiguration goes on by other rules, or ends.
    pub reconfiguring: u64,
}

/// A session that a commit touches.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct ImpactedSession {
    /// Its id.
    pub session_id: u64,
    /// Its address.
    pub allocated_address: String,
    /// Hardware address.
    pub mac_address: String,
    /// Pool.
    pub pool_name: String,
    /// Interface.
    pub interface_name: String,
    /// `changed`, `moved` or `dropped`.
    pub impact: String,
    /// Why.
    pub reason: String,
}

/// Reply of `ConfigurationCommit`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct Committed {
    /// Revision that is active now; the same as before after a check, or where nothing changed.
    pub revision: u64,
    /// What happened, as the operator is told: `commit complete`, `configuration check succeeds`...
    pub message: String,
    /// Sections that change.
    pub changes: Vec<String>,
    /// What it does to the live sessions.
    pub impact: Impact,
    /// The sessions it touches, where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sessions: Vec<ImpactedSession>,
    /// What the operator should know. One line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// A revision in the history.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct CommitEntry {
    /// 0 for the active one.
    pub sequence_number: u64,
    /// Revision.
    pub revision: u64,
    /// Seconds since 1970.
    pub date_time: u64,
    /// Who.
    pub user: String,
    /// How: cli, file, rollback, at...
    pub client: String,
    /// Why; empty if nothing was said.
    pub comment: String,
    /// Seconds since 1970 when it rolls back unless it is confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirm_by: Option<u64>,
}

/// A commit that waits for its time.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct PendingCommit {
    /// Seconds since 1970.
    pub at: u64,
    /// Who.
    pub user: String,
    /// Why.
    pub comment: String,
}

/// Reply of `CommitHistory`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct CommitHistory {
    /// Newest first.
    pub commits: Vec<CommitEntry>,
    /// The one that waits for its time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingCommit>,
    /// Whether there is a rescue configuration.
    pub rescue: bool,
}

/// Reply of `CommitProgress`: the paced renumbering of the last commit that asked for one.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub struct CommitProgress {
    /// Revision that asked for it; none where none did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// `running`, `complete`, `stopped` or `none`.
    pub state: String,
    /// Sessions a second.
    pub pace: u32,
    /// Sessions to be moved when it began.
    pub total: u64,
    /// Of those: asked to move.
    pub asked: u64,
    /// Of those: cannot be asked; they are refused when they renew.
    pub deferred: u64,
    /// Not moved yet.
    pub left: u64,
    /// Why it stopped; empty while it runs.
    pub reason: String,
}

/// What to do with the rescue configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RescueAction {
    /// The active configuration becomes it.
    #[default]
    Save,
    /// It goes.
    Delete,
}

/// Body of `Rescue`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rescue {
    /// What to do.
    pub action: RescueAction,
}

/// What can be asked about the configuration: a verb with what was sent along.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfigurationRequest {
    /// `ConfigurationShow`: answered by [`Text`].
    Show(ShowQuery),
    /// `ConfigurationOpen`: answered by [`EditingSession`].
    Open(Open),
    /// `ConfigurationClose`: answered by [`Empty`](crate::Empty).
    Close(OfSession),
    /// `ConfigurationSessions`: answered by [`EditingSessionList`].
    Sessions,
    /// `ConfigurationEdit`: answered by [`Edited`].
    Edit(Edit),
    /// `ConfigurationLoad`: answered by [`Edited`].
    Load(Load),
    /// `ConfigurationRollback`: answered by [`Empty`](crate::Empty).
    Rollback(Rollback),
    /// `ConfigurationUpdate`, of a private candidate: answered by [`Empty`](crate::Empty).
    Update(OfSession),
    /// `ConfigurationComplete`: answered by [`CompletionList`].
    Complete(CompleteQuery),
    /// `ConfigurationCommit`: answered by [`Committed`].
    Commit(Commit),
    /// `CommitHistory`: answered by [`CommitHistory`].
    History,
    /// `CommitClear`: answered by [`Empty`](crate::Empty).
    ClearPending,
    /// `CommitProgress`: answered by [`CommitProgress`].
    Progress,
    /// `CommitStop`, the renumbering: answered by [`CommitProgress`].
    Stop,
    /// `Rescue`: answered by [`Empty`](crate::Empty).
    Rescue(Rescue),
}

/// An answer to a [`ConfigurationRequest`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
pub enum ConfigurationReply {
    /// A text.
    Text(Text),
    /// An editing session.
    Session(EditingSession),
    /// All editing sessions.
    Sessions(EditingSessionList),
    /// What was edited.
    Edited(Edited),
    /// How to go on.
    Completions(CompletionList),
    /// What was committed.
    Committed(Committed),
    /// History.
    History(CommitHistory),
    /// Progress.
    Progress(CommitProgress),
    /// Done.
    Done(crate::Empty),
}
