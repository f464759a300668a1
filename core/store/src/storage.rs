//! What every backend does.

use crate::StoreError;
use bindery_engine::{
    output::StoreOp,
    record::{MetaRecord, StoredSession},
};

/// A session database. One writer, group commit, read only at start.
///
/// Every backend passes the same contract suite ([`crate::contract`]).
pub trait Storage: Send {
    /// Writes all of `batch`, in order, or nothing; it is on stable storage when this returns.
    ///
    /// A key may come up several times; the last operation on it counts. Deleting what is not there does nothing.
    ///
    /// # Errors
    /// Whether the batch is there is then unknown, and the storage takes nothing more until [`Storage::reopen`].
    fn commit(&mut self, batch: &[StoreOp]) -> Result<(), StoreError>;

    /// Reads the facts alone (`None` when none were ever written), for whoever needs them before the bindings. A
    /// [`Storage::load`] that follows checks them with everything else.
    ///
    /// # Errors
    /// The record is damaged or cannot be read.
    fn facts(&mut self) -> Result<Option<MetaRecord>, StoreError>;

    /// Reads the whole database: every binding, ordered by [`bindery_engine::record::BindingKey`], then the facts
    /// (`None` when none were ever written).
    ///
    /// # Errors
    /// What was handed to `each` must not be used: the database is damaged or cannot be read.
    fn load(&mut self, each: &mut dyn FnMut(StoredSession)) -> Result<Option<MetaRecord>, StoreError>;

    /// Opens the database again after a failed commit. What was committed is there; the failed batch is wholly there
    /// or wholly absent.
    ///
    /// # Errors
    /// It is still closed; try again later.
    fn reopen(&mut self) -> Result<(), StoreError>;
}

/// Reads the whole database into memory: [`Storage::load`] for tests and tools.
///
/// # Errors
/// As [`Storage::load`].
pub fn load_all(storage: &mut dyn Storage) -> Result<(Vec<StoredSession>, Option<MetaRecord>), StoreError> {
    let mut sessions = Vec::new();
    let meta = storage.load(&mut |session| sessions.push(session))?;
    Ok((sessions, meta))
}
