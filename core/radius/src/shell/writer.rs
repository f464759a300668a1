//! The thread that writes the accounting file: a sync takes milliseconds, and the task must not wait for it.

use super::SpawnError;
use crate::accounting::{Journal, Operation, Record, Recovered, Sequence};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc as std_mpsc;
use std::thread;
use tokio::sync::mpsc;

/// What is to be written.
enum Batch {
    Operations(Vec<Operation>),
    Rewrite(Vec<(Sequence, Arc<Record>)>),
}

/// A batch is written, or not.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) result: io::Result<()>,
    pub(super) wants_rewrite: bool,
}

/// The file, seen from the task. One batch is under way at a time, so that what comes meanwhile makes one batch.
#[derive(Debug)]
pub(super) struct Writer {
    batches: Option<std_mpsc::SyncSender<Batch>>,
    reports: mpsc::Receiver<Report>,
    busy: bool,
}

impl Writer {
    /// Opens the file and starts the thread; without a file there is nothing to start.
    ///
    /// # Errors
    /// The file cannot be opened, or the thread cannot start.
    pub(super) fn start(path: Option<PathBuf>) -> Result<(Self, Recovered), SpawnError> {
        let (answers, reports) = mpsc::channel(1);
        let Some(path) = path else {
            return Ok((Self { batches: None, reports, busy: false }, Recovered::default()));
        };
        let fault = |error| SpawnError::File { path: path.clone(), error };
        let (mut journal, recovered) = Journal::open(&path).map_err(fault)?;
        let (batches, inbox) = std_mpsc::sync_channel(1);
        let work = move || {
            for batch in inbox {
                let result = match batch {
                    Batch::Operations(operations) => journal.apply(&operations),
                    Batch::Rewrite(records) => journal.rewrite(&records),
                };
                let report = Report { result, wants_rewrite: journal.wants_rewrite() };
                if answers.blocking_send(report).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("radius-journal".into()).spawn(work).map_err(fault)?;
        Ok((Self { batches: Some(batches), reports, busy: false }, recovered))
    }

    /// Whether there is a file.
    pub(super) fn has_file(&self) -> bool {
        self.batches.is_some()
    }

    /// Whether a batch is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    pub(super) fn write(&mut self, operations: Vec<Operation>) {
        self.send(Batch::Operations(operations));
    }

    pub(super) fn rewrite(&mut self, records: Vec<(Sequence, Arc<Record>)>) {
        self.send(Batch::Rewrite(records));
    }

    fn send(&mut self, batch: Batch) {
        // There is room: no other batch is under way. So a batch is refused only by a thread that has ended, and with it
        // the file is gone.
        self.busy = self.batches.as_ref().is_some_and(|batches| batches.try_send(batch).is_ok());
        if !self.busy {
            self.batches = None;
        }
    }

    /// The next report; never, while no batch is under way.
    pub(super) async fn report(&mut self) -> Report {
        if !self.busy {
            return std::future::pending().await;
        }
        let report = self.reports.recv().await;
        self.busy = false;
        report.unwrap_or_else(|| {
            self.batches = None;
            Report { result: Err(io::Error::other("its thread has ended")), wants_rewrite: false }
        })
    }
}
