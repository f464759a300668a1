//! Editing a tree as on Junos: commands, loading, comparing, merging. Nothing here knows a file, a clock or a user.
//!
//! [`command()`] reads a command, [`apply()`] carries it out.

mod apply;
mod canonical;
mod command;
mod complete;
mod diff;
mod find;
mod identity;
mod load;
mod merge;
mod merge3;
mod missing;
mod patch;
mod path;
mod range;
mod replace;
mod resolve;
mod words;

pub use apply::{apply, apply_all};
pub use canonical::canonical;
pub use command::{Fragment, Operation, Place, command, path};
pub use complete::{CANDIDATES_MAX, Candidate, CandidateKind, Completions, Live, complete, complete_command};
pub use diff::{Diff, diff};
pub use find::{below, only};
pub use load::{Format, Source, Verb, load, refusal};
pub use merge3::{Conflict, merge3, rebase};
pub use path::{Path, Target};

pub(crate) use canonical::sort;
pub(crate) use command::text as annotation_text;
pub(crate) use find::block;
pub(crate) use identity::{Identity, identity, inside, inside_node, is_block, key, plain};
pub(crate) use load::braces;
pub(crate) use path::Step;
pub(crate) use resolve::{Resolver, named};
pub(crate) use words::{Word, WordKind, Words, print_word};
