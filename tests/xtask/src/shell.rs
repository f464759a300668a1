//! Other programs: finding them, running them, and saying clearly what failed.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;

/// The folder with the workspace's `Cargo.toml`.
///
/// # Errors
/// When cargo cannot say where it is (no cargo, or called outside of the checkout by hand).
pub(crate) fn workspace_root() -> Result<PathBuf> {
    let manifest = capture(Command::new("cargo").args(["locate-project", "--workspace", "--message-format", "plain"]))
        .context("cargo could not find the workspace; run this inside of the checkout")?;
    let manifest = PathBuf::from(manifest.trim());
    Ok(manifest.parent().context("the workspace manifest has no folder")?.to_path_buf())
}

/// The folder where cargo puts what it builds for the `dev` profile.
pub(crate) fn build_dir() -> PathBuf {
    target_dir().join("debug")
}

/// cargo's target folder, absolute.
pub(crate) fn target_dir() -> PathBuf {
    let folder = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    std::path::absolute(&folder).unwrap_or(folder)
}

/// Builds the plugins of this repository by `tool`, the program `bindery-plugin`, into the folder `out`.
///
/// # Errors
/// When their compiler is not installed, or they do not compile.
pub(crate) fn build_plugins(tool: &Path, out: &Path) -> Result<()> {
    run(Command::new(tool).args(["build", "--all", "--out"]).arg(out))
}

/// Whether the process may make network namespaces and install packages.
pub(crate) fn is_root() -> bool {
    capture(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// The full path of a program, also in the folders that a plain user's `PATH` leaves out.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.exists());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// A command as a person would type it, for messages.
pub(crate) fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Runs to the end with our own output streams.
///
/// # Errors
/// When the program cannot be started or its exit status is not 0; the text names the command.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let text = shown(command);
    let status = command.status().with_context(|| format!("could not start: {text}"))?;
    if !status.success() {
        bail!("failed ({status}): {text}");
    }
    Ok(())
}

/// Runs to the end and returns what it printed.
///
/// # Errors
/// As [`run`]; the text has what the program wrote to its standard error.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let text = shown(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("could not start: {text}"))?;
    if !output.status.success() {
        bail!("failed ({}): {text}\n{}", output.status, String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs to the end, shows each line as it comes and keeps them all.
///
/// The flag is whether the exit status was 0. Both streams end up in one list, each line whole.
///
/// # Errors
/// Only when the program cannot be started.
pub(crate) fn watch(command: &mut Command) -> Result<(bool, Vec<String>)> {
    let text = shown(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start: {text}"))?;
    let (sender, lines) = mpsc::sync_channel(256);
    let readers = [
        child.stdout.take().map(|stream| forward(stream, sender.clone())),
        child.stderr.take().map(|stream| forward(stream, sender)),
    ];
    let mut kept = Vec::new();
    for line in lines {
        // A closed terminal must not stop the test run.
        let _ = writeln!(std::io::stdout(), "{line}");
        kept.push(line);
    }
    for reader in readers.into_iter().flatten() {
        let _ = reader.join();
    }
    Ok((child.wait()?.success(), kept))
}

fn forward(stream: impl Read + Send + 'static, sender: mpsc::SyncSender<String>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
        }
    })
}

/// Every file below `folder` with this extension, without `target` and dot-folders; sorted.
///
/// # Errors
/// When a folder cannot be read.
pub(crate) fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let entry = entry?;
            let name = entry.file_name();
            let hidden = name.to_string_lossy().starts_with('.');
            if entry.file_type()?.is_dir() {
                if !hidden && name != "target" {
                    folders.push(entry.path());
                }
            } else if entry.path().extension().is_some_and(|found| found == extension) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}
