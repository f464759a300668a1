//! Runs the workload under the shim, and cuts the power at its every step.

use crate::{
    disk::{Disk, Share, Style},
    random::Random,
    shim,
    trace::{self, Event},
};
use anyhow::{Context, Result, ensure};
use std::{
    collections::HashSet,
    ops::Range,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A recorded run.
pub struct Recording {
    /// Where it ran; removed with this.
    directory: tempfile::TempDir,
    /// The disk before it began.
    before: Disk,
    /// What it did.
    pub events: Vec<Event>,
    /// What it printed.
    pub output: String,
}

/// What was done and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Moments at which the power was cut.
    pub cuts: u64,
    /// Different images that were opened and judged.
    pub images: u64,
}

/// A temporary directory, in memory where the system has one: the traced process must not wait for a disk.
///
/// # Errors
/// Those of the system.
pub fn scratch() -> Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.context("a temporary directory")
}

/// Runs `program MODE STATE_DIR NOTES SEED COUNT` under the shim with these faults, and reads its log. Before that, and
/// unseen, it runs in the mode `prepare`, unless that is empty.
///
/// # Errors
/// When it fails, or the log does not tell all that it did.
pub fn record(program: &Path, prepare: &str, mode: &str, seed: u64, count: u64, faults: &str) -> Result<Recording> {
    let directory = scratch()?;
    let root = directory.path().canonicalize()?;
    let (state, log, notes) = (root.join("state"), root.join("log"), root.join("notes"));
    std::fs::create_dir(&state)?;
    let command = |mode: &str| {
        let mut command = Command::new(program);
        command.args([mode.as_ref(), state.as_os_str(), notes.as_os_str()]);
        command.args([seed.to_string(), count.to_string()]).stdin(Stdio::null());
        command
    };
    if !prepare.is_empty() {
        finish(command(prepare), prepare)?;
    }
    let before = Disk::new(&state)?;
    let mut traced = command(mode);
    traced
        .env("LD_PRELOAD", shim::trace())
        .env("BINDERY_TRACE_DIR", &state)
        .env("BINDERY_TRACE_LOG", &log)
        .env("BINDERY_TRACE_ACK", &notes)
        .env("BINDERY_TRACE_FAULT", faults);
    let output = finish(traced, &format!("{mode} {faults}"))?;
    let recording = Recording { directory, before, events: trace::read(&log)?, output };
    recording.check_complete()?;
    Ok(recording)
}

/// Runs a command to its end and returns what it printed.
fn finish(mut command: Command, what: &str) -> Result<String> {
    let output = command.output().context("starting the workload")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{what}: {}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(text)
}

impl Recording {
    /// The directory that was traced.
    pub fn state(&self) -> PathBuf {
        // Only an absolute path without links matches the paths in the log; `record` made it so.
        self.directory.path().canonicalize().unwrap_or_else(|_| self.directory.path().into()).join("state")
    }

    /// The disk before the first event.
    pub fn disk(&self) -> Disk {
        self.before.clone()
    }

    /// Replays the whole log and compares the result with the directory: whatever went past the shim shows.
    fn check_complete(&self) -> Result<()> {
        let mut disk = self.disk();
        for event in &self.events {
            disk.apply(event)?;
        }
        disk.live().compare(&self.state()).context("the log does not tell all that was done")
    }

    /// Cuts the power after every `stride`th event that matters among those in `window`, and has every image judged
    /// that is new.
    ///
    /// # Errors
    /// The first verdict, with the place and the image that it is about.
    pub fn cut(&self, seed: u64, stride: u64, window: Range<usize>, judge: &mut dyn Judge) -> Result<Tally> {
        let mut disk = self.disk();
        let mut random = Random::new(seed);
        let mut seen = HashSet::new();
        let mut tally = Tally::default();
        let mut countdown = random.below(stride);
        for (place, event) in self.events.iter().enumerate() {
            disk.apply(event)?;
            if let Event::Note(note) = event {
                judge.note(note).with_context(|| format!("note {note} at event {place}"))?;
                continue;
            }
            if !event.matters() || !window.contains(&place) {
                continue;
            }
            if countdown > 0 {
                countdown -= 1;
                continue;
            }
            countdown = stride - 1;
            tally.cuts += 1;
            for style in STYLES {
                let image = disk.image(style, &mut random);
                if !seen.insert((image.digest(), judge.mark())) {
                    continue;
                }
                let directory = scratch()?;
                image.write(directory.path())?;
                tally.images += 1;
                judge
                    .judge(directory.path(), random.chance(8))
                    .with_context(|| format!("seed {seed}, event {place} ({}), {style:?}", brief(event)))?;
            }
        }
        Ok(tally)
    }
}

/// Every way to cut.
const STYLES: [Style; 8] = [
    Style::Synced { names: Share::None },
    Style::Synced { names: Share::All },
    Style::Whole { names: Share::None },
    Style::Whole { names: Share::All },
    Style::Torn,
    Style::Torn,
    Style::Sectors,
    Style::Sectors,
];

/// Who judges images.
pub trait Judge {
    /// Takes note of a line that the process wrote about itself.
    ///
    /// # Errors
    /// When that may not be.
    fn note(&mut self, note: &str) -> Result<()>;

    /// A number that changes with what is expected: the same image is judged anew then.
    fn mark(&self) -> u64;

    /// Judges the image in `path`; `further`: also whether work goes on from it.
    ///
    /// # Errors
    /// What is wrong.
    fn judge(&mut self, path: &Path, further: bool) -> Result<()>;
}

fn brief(event: &Event) -> String {
    let mut text = format!("{event:?}");
    text.truncate(text.char_indices().nth(150).map_or(text.len(), |(at, _)| at));
    text
}
