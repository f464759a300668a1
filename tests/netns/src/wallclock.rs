//! A daemon with clocks of its own.
//!
//! A time namespace moves the monotonic clocks only, and only at its start, so the C library's readings are intercepted: see `clock_shim.c`.

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
    boot: PathBuf,
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
        let boot = lab.file("boot-offset", "0")?;
        Ok(Self { library, file, boot })
    }

    /// Sets the clock to `secs` after 1970; it goes on from there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set(&self, secs: u64) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        write(&self.file, i64::try_from(secs)? - i64::try_from(now)?)
    }

    /// Both clocks stand `secs` ahead of the machine's, as if it had been suspended for so long: leases age by that.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn ahead(&self, secs: u32) -> Result<()> {
        write(&self.file, secs.into())?;
        write(&self.boot, secs.into())
    }

    /// Sets the clock right.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn correct(&self) -> Result<()> {
        write(&self.file, 0)
    }

    /// The command of a daemon that has this clock.
    ///
    /// # Errors
    /// When the daemon is not built.
    pub fn command(&self, namespace: &Namespace, folder: &Path) -> Result<Command> {
        let mut command = namespace.command("env");
        command.arg(format!("LD_PRELOAD={}", self.library.display()));
        command.arg(format!("CLOCK_SHIM={}", self.file.display()));
        command.arg(format!("BOOT_SHIM={}", self.boot.display()));
        command.arg("BINDERY_LOG=debug").arg(daemon::program("binderyd")?);
        daemon::arguments(&mut command, folder);
        Ok(command)
    }
}

fn write(file: &Path, offset: i64) -> Result<()> {
    // A new file in the old one's place: a reader never sees half of it.
    let fresh = file.with_extension("new");
    std::fs::write(&fresh, offset.to_string())?;
    std::fs::rename(&fresh, file).context("cannot set the clock")
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
