//! schemathesis reads the document and sends what it allows, and what it does not.

use crate::document;
use bindery_api::Permission;
use bindery_api_check::{Daemon, Loopback};
use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};
use tokio::sync::oneshot;

/// From PyPI.
const RELEASE: &str = "4.32.5";

/// Seconds of random requests; those of the document's corners come on top.
const FUZZING_SECS: &str = "30";

/// An answer is one of the document's statuses, with its content type and schema; what the document forbids is refused,
/// other methods too. Not checked: that all it allows is taken, since what an address may be, it says in words.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance,\
    use_after_free";

#[test]
fn the_server_does_what_the_document_says() {
    let tool = match install() {
        Ok(tool) => tool,
        Err(why) => {
            println!("SKIP schemathesis: {why}");
            return;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let output = runtime.block_on(async {
        let (end, ended) = oneshot::channel::<()>();
        let (listener, port) = Loopback::open().await.unwrap();
        let daemon = Daemon::new(Some(Permission::Configure));
        let serving = tokio::spawn(bindery_control::serve(listener, daemon, async {
            let _ = ended.await;
        }));
        let output = tokio::task::spawn_blocking(move || run(&tool, port)).await.unwrap();
        drop(end);
        serving.await.unwrap().unwrap();
        output
    });
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    // It tells how many requests it has sent: none would be no proof.
    println!("{}", said.lines().rev().take(20).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n"));
}

fn run(tool: &Path, port: u16) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(tool);
    command.current_dir(&folder).args(["--no-color", "run"]).arg(document::path());
    command.arg(format!("--url=http://127.0.0.1:{port}")).arg(format!("--checks={CHECKS}"));
    // A stream of events has no end: the tests of the events read it.
    command.args(["--exclude-path=/v1/events", "--phases=examples,coverage,fuzzing,stateful"]);
    command.args(["--seed=1", "--max-examples=50", "--request-timeout=10", "--generation-database=none"]);
    command.arg(format!("--max-time={FUZZING_SECS}"));
    command.output().unwrap()
}

/// The program, in a virtual environment beside what cargo builds.
fn install() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("schemathesis-{RELEASE}"));
    let program = folder.join("bin/schemathesis");
    // Written by pip at the end.
    if program.is_file() {
        return Ok(program);
    }
    let step = |command: &mut Command| {
        let output = command.output().map_err(|error| format!("python3: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("failed").to_owned();
        output.status.success().then_some(()).ok_or(last)
    };
    step(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let pip = ["-m", "pip", "install", "--quiet", "--retries=1", "--timeout=20"];
    step(Command::new(folder.join("bin/python")).args(pip).arg(format!("schemathesis=={RELEASE}")))?;
    Ok(program)
}
