//! The program as its users run it: new projects, the samples of the repository, captures, refusals.
//!
//! `BINDERY_GUESTS` names the folder of built plugins and samples; without it, what needs them is skipped and says so.

mod replay;
mod samples;
/// The SDK is built for wasm32 only. This part of it is plain Rust, and its tests run here.
#[path = "../../../sdk/src/value.rs"]
#[expect(unreachable_pub, reason = "it is public in the SDK")]
mod sdk_value;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a run of the program gave.
struct Run {
    good: bool,
    text: String,
}

/// Run `bindery-plugin` in a folder.
fn run(dir: &Path, arguments: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_bindery-plugin")).args(arguments).current_dir(dir).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    Run { good: output.status.success(), text: String::from_utf8_lossy(&text).into_owned() }
}

/// This repository.
fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A component that the step `guests` has built; none, said aloud, if it has not.
fn built(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("BINDERY_GUESTS").map(|dir| PathBuf::from(dir).join(name).with_extension("wasm"));
    let path = path.filter(|path| path.is_file());
    if path.is_none() {
        // Not by `eprintln!`, which is shown for failed tests only.
        let _ = writeln!(std::io::stderr(), "SKIP sample {name}: BINDERY_GUESTS names no folder that has it");
    }
    path
}

#[test]
fn a_new_project_is_never_made_over_an_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let made = run(dir.path(), &["new", "my-policy", "--lang", "c", "--stage", "admit"]);
    assert!(made.good, "{}", made.text);
    assert!(made.text.contains("bindery plugin build my-policy"), "{}", made.text);
    let again = run(dir.path(), &["new", "my-policy"]);
    assert!(!again.good && again.text.contains("is there already"), "{}", again.text);
    let wrong = run(dir.path(), &["new", "My_Policy"]);
    assert!(!wrong.good && wrong.text.contains("no name for a plugin"), "{}", wrong.text);
}

#[test]
fn a_missing_tool_is_told_and_nothing_is_fetched() {
    let dir = tempfile::tempdir().unwrap();
    for (language, package) in [("js", "npm"), ("python", "PyPI")] {
        let name = format!("{language}-policy");
        assert!(run(dir.path(), &["new", &name, "--lang", language]).good);
        let mut command = Command::new(env!("CARGO_BIN_EXE_bindery-plugin"));
        command.args(["build", &name]).current_dir(dir.path()).env("BINDERY_PLUGIN_TOOLS", dir.path().join("tools"));
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && text.contains(package) && text.contains("--install"), "{text}");
        assert!(!dir.path().join("tools").exists());
    }
}

#[test]
fn inspect_tells_and_refuses() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("core.wasm"), b"\0asm\x01\0\0\0").unwrap();
    let core = run(dir.path(), &["inspect", "core.wasm"]);
    assert!(!core.good && core.text.contains("refused: not a WASM component"), "{}", core.text);
    let none = run(dir.path(), &["inspect", "absent.wasm"]);
    assert!(!none.good && none.text.contains("absent.wasm cannot be read"), "{}", none.text);
    let inspect = |name: &str| Some(run(dir.path(), &["inspect", built(name)?.to_str()?]));
    let (Some(good), Some(settings), Some(version)) =
        (inspect("option-insert"), inspect("rust-vendor-options"), inspect("fixture-wrong-version"))
    else {
        return;
    };
    assert!(good.good && good.text.contains("bindery:shape-reply/hook@1.0.0: stage shape-reply"), "{}", good.text);
    assert!(good.text.contains("accepted: it can be bound to shape-reply"), "{}", good.text);
    assert!(settings.good && settings.text.contains("not without settings: no vendor"), "{}", settings.text);
    assert!(!version.good && version.text.contains("refused: it needs bindery:"), "{}", version.text);
    let granted = inspect("fixture-sessions").unwrap();
    assert!(granted.good && granted.text.contains("needs `grants session-lookup`, not released"), "{}", granted.text);
}
