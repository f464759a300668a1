//! What the figures were measured on, and the bare rate of its disk.

use crate::clock::Clock;
use crate::report::{Latency, float};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// One line about the machine, and the load on it before the run.
#[must_use]
pub fn describe(scratch: &Path) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let field = |text: &str, name: &str| {
        text.lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split_once(':'))
            .map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let cpus = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let filesystem = Command::new("stat")
        .args(["-f", "-c", "%T"])
        .arg(scratch)
        .output()
        .map_or_else(|_| "unknown".to_owned(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    format!(
        "{cpus} x {}; memory {}; Linux {}; scratch on {filesystem}; load average before {}",
        field(&cpuinfo, "model name"),
        field(&read("/proc/meminfo"), "MemTotal"),
        read("/proc/sys/kernel/osrelease").trim(),
        load_average(),
    )
}

/// The three load averages.
#[must_use]
pub fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// Raises the priority of this process and of those it starts, so that other work on the machine does not take half of
/// each CPU. A refusal leaves things as they are; the load average in the output then tells.
pub fn favour() {
    let own = std::process::id().to_string();
    let _refused = Command::new("renice").args(["-n", "-15", "-p", &own]).output();
}

/// Durable appends to a growing file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DiskReport {
    /// Appends of 4 KiB with fdatasync in a second.
    pub rate: f64,
    /// Median of one append and sync in microseconds.
    pub p50_us: f64,
    /// 99 of 100 took no longer.
    pub p99_us: f64,
}

/// Appends 4 KiB and syncs, again and again.
///
/// # Errors
/// The file cannot be made or written.
pub fn disk(directory: &Path, limit: Duration) -> Result<DiskReport> {
    let path = directory.join("sync.tmp");
    let mut file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    let block = [0x5a; 4096];
    let mut latency = Latency::new()?;
    let clock = Clock::start();
    let end = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
    let mut before = 0;
    while before < end {
        file.write_all(&block)?;
        file.sync_data()?;
        let now = clock.now();
        latency.add(before, now);
        before = now;
    }
    fs::remove_file(&path)?;
    Ok(DiskReport {
        rate: (float(latency.count()) / (float(before) / 1e9)).round(),
        p50_us: latency.us(0.5),
        p99_us: latency.us(0.99),
    })
}

/// What a record takes in [`group_commit`]: about that of a session.
const RECORD: usize = 300;

/// Records that come at a fixed rate, all that wait in one append and fdatasync: the floor of a durable answer's latency,
/// counted from when a record was due.
///
/// # Errors
/// The file cannot be made or written.
pub fn group_commit(directory: &Path, rate: f64, limit: Duration) -> Result<GroupCommitReport> {
    let path = directory.join("group.tmp");
    let mut file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
    let mut latency = Latency::new()?;
    let clock = Clock::start();
    let due = |number: u64| Duration::from_secs_f64(float(number) / rate.max(1.0));
    let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let (mut next, mut commits) = (0, 0);
    while due(next) < limit {
        let now = clock.now();
        let first = next;
        while nanos(due(next)) <= now {
            next += 1;
        }
        if first == next {
            std::thread::sleep(Duration::from_nanos(nanos(due(next)).saturating_sub(now)));
            continue;
        }
        file.write_all(&vec![0x5a; RECORD * usize::try_from(next - first)?])?;
        file.sync_data()?;
        commits += 1;
        let now = clock.now();
        (first..next).for_each(|number| latency.add(nanos(due(number)), now));
    }
    fs::remove_file(&path)?;
    Ok(GroupCommitReport {
        rate: float(latency.count()) / limit.as_secs_f64(),
        commits: float(commits) / limit.as_secs_f64(),
        p50_us: latency.us(0.5),
        p99_us: latency.us(0.99),
        p999_us: latency.us(0.999),
    })
}

/// Records that came at a fixed rate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupCommitReport {
    /// Records a second.
    pub rate: f64,
    /// Appends with fdatasync a second.
    pub commits: f64,
    /// Median in microseconds from when a record was due until it was durable.
    pub p50_us: f64,
    /// 99 of 100 took no longer.
    pub p99_us: f64,
    /// 999 of 1,000 took no longer.
    pub p999_us: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk_is_measured_and_cleaned() {
        let directory = tempfile::tempdir().expect("a directory");
        let report = disk(directory.path(), Duration::from_millis(20)).expect("a disk");
        assert!(report.rate > 0.0);
        assert_eq!(fs::read_dir(directory.path()).expect("it is there").count(), 0);
    }

    #[test]
    fn every_record_that_is_due_is_committed() {
        let directory = tempfile::tempdir().expect("a directory");
        let report = group_commit(directory.path(), 1_000.0, Duration::from_millis(50)).expect("a disk");
        assert!(report.rate >= 1_000.0 && report.commits > 0.0, "{report:?}");
        assert!(report.p50_us <= report.p99_us, "{report:?}");
        assert_eq!(fs::read_dir(directory.path()).expect("it is there").count(), 0);
    }

    #[test]
    fn the_machine_has_a_kernel() {
        assert!(describe(Path::new("/")).contains("Linux "));
    }
}
