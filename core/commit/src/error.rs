//! Why something is refused. No message has a secret in it.

use std::io;

/// Why an editing session or a text cannot be had. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// What is asked for is at fault, or not allowed now: the faults as they are shown to an operator, or a sentence.
    #[error("{0}")]
    Refused(String),
    /// Two sides changed the same statements: a line for each.
    #[error("{0}")]
    Conflict(String),
    /// There is no such editing session, revision or rescue configuration.
    #[error("{0}")]
    Unknown(String),
    /// The state directory cannot be read or written.
    #[error("the state directory: {0}")]
    Storage(#[from] io::Error),
}

/// Why the recorded configurations cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The storage cannot be read.
    #[error("the recorded configurations cannot be read: {0}")]
    Storage(#[from] io::Error),
    /// A file is not what was written.
    #[error("{place} is damaged: {reason}: {help}")]
    Damaged {
        /// The file.
        place: String,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        help: String,
    },
}

/// Faults of a command or text as an operator is told of them.
pub(crate) fn refused(told: impl ToString) -> EditError {
    EditError::Refused(told.to_string())
}
