//! The commands of configuration mode.

use super::table::{Action, Argument, Edit, Entry, Tail, Value, bare, flag, named, optional, plain};
use bindery_api::LoadVerb;

const LOAD: [Argument; 4] = [
    bare("source", Value::Source, "The file; `terminal` reads what is typed, up to Ctrl-D").of(1),
    flag("relative", "Statements begin where you are, not at the top"),
    flag("json", "The text is JSON").of(2),
    flag("kdl", "The text is KDL").of(2),
];

const COMMIT: [Argument; 9] = [
    flag("check", "Checks only; also confirms a commit that waits for it"),
    optional("confirmed", Value::Number, "Rolls back after so many minutes (10) unless confirmed"),
    named("comment", Value::Text, "Why"),
    named("at", Value::Time, "Later"),
    flag("and-quit", "Leaves configuration mode if it succeeds"),
    flag("force", "Also where live sessions lose their address or their server").of(2),
    flag("renumber", "Also then, and those sessions are moved").of(2),
    named("pace", Value::Number, "So many sessions a second").with("renumber"),
    flag("sessions", "Lists the sessions that it touches"),
];

const fn change(words: &'static str, help: &'static str) -> Entry {
    plain(words, Action::Edit(Edit::Command), help).tail(Tail::Statement)
}

const fn load(words: &'static str, verb: LoadVerb, help: &'static str) -> Entry {
    plain(words, Action::Load(verb), help).takes(&LOAD).needs(1)
}

/// What operators type at `user@host#`.
pub(crate) const CONFIGURE: &[Entry] = &[
    change("set", "Adds a statement, or changes its value"),
    change("delete", "Removes a statement and all in it"),
    plain("show", Action::Show, "The candidate configuration").tail(Tail::Statement),
    plain("edit", Action::Edit(Edit::Edit), "Goes to a statement, which need not be there yet").tail(Tail::Statement),
    plain("up", Action::Up, "Goes N levels up (1), or runs a command there")
        .takes(&[bare("levels", Value::Number, "Levels")])
        .tail(Tail::Configure),
    plain("top", Action::Top, "Goes to the top, or runs a command there").tail(Tail::Configure),
    plain("exit", Action::Exit, "Goes back to where the last `edit` came from; at the top, leaves configuration mode")
        .takes(&[flag("configuration-mode", "Leaves configuration mode")]),
    plain("quit", Action::Exit, "As exit").takes(&[flag("configuration-mode", "Leaves configuration mode")]),
    change("copy", "Copies a statement: copy A to B"),
    change("rename", "Gives a statement another name: rename A to B"),
    change("insert", "Moves a statement among its siblings: insert X before Y, insert X after Y"),
    change("activate", "Gives a statement its effect back"),
    change("deactivate", "Keeps a statement without effect"),
    change("annotate", "Puts a comment before a statement: annotate X \"text\""),
    change("protect", "No edit may change the statement"),
    change("unprotect", "Takes that away"),
    change("replace pattern", "Replaces text in names and values: replace pattern A with B [upto N]"),
    change("wildcard delete", "Removes all statements whose names match"),
    change("wildcard range set", "Sets a statement for each number of `[0-3,7,!2]` in a word"),
    plain("run", Action::Run, "Runs an operational command").tail(Tail::Operational),
    load("load merge", LoadVerb::Merge, "What is there and what is loaded hold both"),
    load("load override", LoadVerb::Override, "What is loaded takes the place of all"),
    load("load replace", LoadVerb::Replace, "As merge; what is marked `replace:` takes the place of what is there"),
    load("load update", LoadVerb::Update, "As override, but only what differs is changed"),
    load("load patch", LoadVerb::Patch, "The text is a comparison"),
    load("load set", LoadVerb::Set, "The text has commands"),
    plain("save", Action::Save, "Writes the candidate to a file")
        .takes(&[bare("file", Value::File, "The file").of(1)])
        .needs(1),
    plain("rollback", Action::Rollback, "Loads a configuration from before into the candidate").takes(&[bare(
        "rollback",
        Value::RollbackOrRescue,
        "Which; 0 (the active one) drops what is edited",
    )]),
    plain("commit", Action::Commit, "Makes the candidate the active configuration").takes(&COMMIT),
    plain("status", Action::Status, "Who edits the configuration"),
    plain("update", Action::Update, "Takes others' commits into a private candidate"),
    plain("help", Action::Help, "All commands"),
];
