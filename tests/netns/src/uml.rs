//! Another kernel for a test: a User-Mode Linux guest that runs the test again, inside.
//!
//! Some kernels lack what a test is about, such as VLAN devices. A guest sees the host's files read-only and has a tmpfs
//! for what it writes, so the same test program runs in it, with the whole kit. Nothing of the host's network is in reach.

use crate::process::{Process, which};
use crate::wait::{self, DEADLINE};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Set inside of a guest.
const INSIDE: &str = "BINDERY_UML";
/// The guest's line after its boot.
const UP: &str = "GUEST-UP";
/// The guest's line in place of [`UP`], with what is missing.
const LACKS: &str = "GUEST-LACKS";
/// The guest's line after the test, with the exit status.
const STATUS: &str = "GUEST-STATUS";
/// How long a guest may live, in all. The test inside gives up earlier by its own deadlines.
const LIFE: Duration = Duration::from_secs(180);

/// Runs `test`, which is called `name` (as the test harness calls it), under a kernel that has `modules`.
///
/// Where a guest cannot run, the line `SKIP uml: ...` says why and nothing is tested.
///
/// # Errors
/// When the test fails inside; its output is printed.
pub fn run(name: &str, modules: &[&str], test: impl FnOnce() -> Result<()>) -> Result<()> {
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let folder = tempfile::Builder::new().prefix("bindery-uml-").tempdir()?;
    match Guest::boot(folder.path(), name, modules)? {
        Ok(guest) => guest.finish(),
        Err(why) => {
            println!("SKIP uml: {why}");
            Ok(())
        }
    }
}

struct Guest {
    process: Process,
}

impl Guest {
    /// The guest when it is up, or why this machine cannot have one.
    fn boot(folder: &Path, name: &str, modules: &[&str]) -> Result<Result<Self, String>> {
        for program in ["linux.uml", "busybox", "modprobe", "unshare", "setpriv", "timeout"] {
            if which(program).is_none() {
                return Ok(Err(format!("{program} is not installed (cargo xtask setup)")));
            }
        }
        let init = folder.join("init");
        std::fs::write(&init, script(name, modules)?)?;
        make_executable(&init)?;
        let mut process = Process::spawn("the guest", &mut command(folder, &init))?;
        match process.wait_line(UP) {
            Ok(_) => Ok(Ok(Self { process })),
            Err(error) => {
                let text = error.to_string();
                let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
                Ok(Err(match lines.iter().find_map(|line| line.strip_prefix(LACKS)) {
                    Some(what) => format!("the guest lacks {}", what.trim()),
                    None => format!("no guest came up; the last that it said: {}", lines.last().unwrap_or(&"")),
                }))
            }
        }
    }

    /// Waits for the end of the test and passes on what it said.
    fn finish(mut self) -> Result<()> {
        let ended = |line: &String| line.strip_prefix(STATUS).map(|status| status.trim().to_string());
        let status = wait::until_within("the end of the test in the guest", LIFE + DEADLINE, || {
            // First whether it runs: what it printed is complete when it does not.
            let runs = self.process.runs().unwrap_or(false);
            self.process.lines().iter().find_map(ended).map(Some).or_else(|| (!runs).then_some(None))
        })?;
        let lines: Vec<String> = self.process.lines().iter().map(|line| line.trim_end().to_string()).collect();
        let passed = status.as_deref() == Some("0") && lines.iter().any(|line| line.contains("1 passed"));
        for line in &lines {
            match line.find("SKIP ") {
                // The harness begins a line with the name of the test, and a skip must begin its own.
                Some(at) => println!("{}", &line[at..]),
                None if !passed => println!("{line}"),
                None => {}
            }
        }
        ensure!(passed, "the test failed in the guest; its output is above");
        // It is switching itself off; a process that is waited for is surely gone.
        self.process.wait_end().map(drop)
    }
}

/// The guest in a process namespace of its own: whatever ends `unshare` ends every process of it.
fn command(folder: &Path, init: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    if !nix::unistd::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["timeout", "--signal=KILL", &LIFE.as_secs().to_string()]);
    command.args(["linux.uml", "mem=512M", "root=/dev/root", "rootfstype=hostfs", "ro", "quiet"]);
    command.args(["con=null", "con0=fd:0,fd:1"]);
    command.arg(format!("init={}", init.display())).arg(format!("uml_dir={}", folder.display()));
    command
}

/// What the guest's kernel runs first. The state goes to /dev/shm: a tmpfs there hides no file of the host.
fn script(name: &str, modules: &[&str]) -> Result<String> {
    let program = std::env::current_exe()?;
    let binaries = std::env::var_os("BINDERY_BIN_DIR").map(PathBuf::from);
    let binaries =
        binaries.map(|folder| std::path::absolute(folder).map(|folder| assignment("BINDERY_BIN_DIR", &folder)));
    let binaries = binaries.transpose()?.unwrap_or_default();
    let (program, modules) = (quoted(&program.display().to_string()), modules.join(" "));
    Ok(format!(
        "#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/
lacks() {{ echo {LACKS} $*; poweroff -f; }}
# For a plain user all files seem to be nobody's, and a set-user-id program such as mount would become nobody.
busybox mount -t proc proc /proc
busybox mount -o remount,ro,nosuid / || lacks a root file system without set-user-id programs
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
mkdir -p /dev/shm/modules/lib
ln -s /usr/lib/uml/modules /dev/shm/modules/lib/modules
modprobe -d /dev/shm/modules -a {modules} || lacks one of the modules {modules}
test -x {program} || lacks the test program, which is hidden by /dev, /proc, /run or /sys
echo {UP}
cd /dev/shm
{binaries} {INSIDE}=1 TMPDIR=/dev/shm RUST_BACKTRACE=0 {program} --exact {name} --nocapture
echo {STATUS} $?
poweroff -f
"
    ))
}

fn assignment(name: &str, value: &Path) -> String {
    format!("{name}={}", quoted(&value.display().to_string()))
}

/// As one word of the shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn make_executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", path.display()))
}
