//! A daemon with a wall clock of its own.
//!
//! A time namespace moves the monotonic clocks only, so the C library's readings are intercepted: see `clock_shim.c`.

use crate::process::capture;
use crate::{Lab, Namespace, daemon};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

const SOURCE: &str = include_str!("clock_shim.c");

/// The clock, which the test can set at any time.
#[derive(Debug)]
pub struct WallClock {
    library: PathBuf,
    file: PathBuf,
}

impl WallClock {
    /// Compiles the shim into the lab's folder. The clock is right at first.
    ///
    /// # Errors
    /// When there is no C compiler (Rust itself needs one to link).
    pub fn new(lab: &Lab) -> Result<Self> {
        let source = lab.file("clock_shim.c", SOURCE)?;
        let library = lab.folder().join("clock_shim.so");
        capture(Command::new("cc").args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(&source))?;
        let file = lab.file("clock-offset", "0")?;
        Ok(Self { library, file })
    }

    /// Sets the clock to `secs` after 1970; it goes on from there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set(&self, secs: u64) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        self.write(i64::try_from(secs)? - i64::try_from(now)?)
    }

    /// Sets the clock right.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn correct(&self) -> Result<()> {
        self.write(0)
    }

    fn write(&self, offset: i64) -> Result<()> {
        // A new file in the old one's place: a reader never sees half of it.
        let fresh = self.file.with_extension("new");
        std::fs::write(&fresh, offset.to_string())?;
        std::fs::rename(&fresh, &self.file).context("cannot set the clock")
    }

    /// The command of a daemon that has this clock.
    ///
    /// # Errors
    /// When the daemon is not built.
    pub fn command(&self, namespace: &Namespace, folder: &Path) -> Result<Command> {
        let mut command = namespace.command("env");
        command.arg(format!("LD_PRELOAD={}", self.library.display()));
        command.arg(format!("CLOCK_SHIM={}", self.file.display()));
        command.arg("BINDERY_LOG=debug").arg(daemon::program("binderyd")?);
        daemon::arguments(&mut command, folder);
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_wall_clock_moves() -> Result<()> {
        let Some(lab) = Lab::new(&["cc", "date"]) else { return Ok(()) };
        let clock = WallClock::new(&lab)?;
        clock.set(42)?;
        let mut date = Command::new("date");
        date.arg("+%s").env("LD_PRELOAD", &clock.library).env("CLOCK_SHIM", &clock.file);
        let shown: u64 = capture(&mut date)?.trim().parse()?;
        assert!((42..100).contains(&shown), "{shown}");
        clock.correct()?;
        assert!(capture(&mut date)?.trim().parse::<u64>()? > 1_700_000_000);
        Ok(())
    }
}
