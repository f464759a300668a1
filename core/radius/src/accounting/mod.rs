//! Accounting (RFC 2866): the records, the queue of those that no server has yet, and its file.

mod journal;
mod queue;
mod record;
#[cfg(test)]
mod tests;

pub use journal::{Journal, Recovered};
pub use queue::{Operation, Queue, QueueCounters, Sequence};
pub use record::{Record, Session, Status, TerminateCause, Usage, Volume};
