//! A daemon that answers what it is told to, and remembers what it was asked.

use std::{
    io::{BufRead, BufReader, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

/// A request: `GET /v1/version`, and its body.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) body: String,
    pub(crate) head: String,
}

/// Status and body.
pub(crate) type Answer = (u16, String);

type Answers = Box<dyn FnMut(&Request) -> Answer + Send>;

/// A listening daemon. Its thread ends with the process.
pub(crate) struct Fake {
    _dir: tempfile::TempDir,
    socket: PathBuf,
    asked: Arc<Mutex<Vec<Request>>>,
}

/// What the program printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) status: i32,
}

impl Ended {
    /// All of it, for expectations.
    pub(crate) fn shown(&self) -> String {
        let Self { out, err, status } = self;
        format!("{out}-- stderr\n{err}-- status {status}\n")
    }
}

impl Fake {
    pub(crate) fn new(answers: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("control.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        let mut answers: Answers = Box::new(answers);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                serve(stream, &seen, &mut answers);
            }
        });
        Self { _dir: dir, socket, asked }
    }

    /// What it was asked since the last look: a line each, with the body.
    pub(crate) fn asked(&self) -> String {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        let line = |request: Request| format!("{} {}", request.line, request.body).trim_end().to_owned() + "\n";
        asked.into_iter().map(line).collect()
    }

    /// The heads of what it was asked.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|request| request.head.clone()).collect()
    }

    /// Runs the program with `input` on its standard input.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bindery"));
        command.arg("--control").arg(&self.socket).args(arguments).env("TZ", "UTC");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A program that fails early does not read all of it.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { out: text(output.stdout), err: text(output.stderr), status: output.status.code().unwrap() }
    }
}

fn serve(stream: UnixStream, seen: &Mutex<Vec<Request>>, answers: &mut Answers) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:").map(str::to_owned));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    reader.read_exact(&mut body).unwrap();
    let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    let request = Request { line, body: String::from_utf8(body).unwrap(), head };
    let (status, text) = answers(&request);
    seen.lock().unwrap().push(request);
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", text.len());
    // A client that has gone wants no answer.
    let _ = (&stream).write_all((head + &text).as_bytes());
}

/// A daemon with a candidate: the lines that were set.
pub(crate) fn configuring() -> Fake {
    let mut lines: Vec<String> = Vec::new();
    Fake::new(move |request| answer(request, &mut lines))
}

fn answer(request: &Request, lines: &mut Vec<String>) -> Answer {
    let ok = |text: &str| (200, text.to_owned());
    let body = request.body.as_str();
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let path = request.line.split(['?', ' ']).nth(1).unwrap();
    let session = |changed: bool| {
        format!(
            r#"{{"session":7,"user":"ann","terminal":"","pid":1,"mode":"shared","start":0,"idle":0,"path":"","changed":{changed}}}"#
        )
    };
    match path {
        "/v1/configuration/sessions/open" => (200, session(false)),
        "/v1/configuration/sessions" => (200, format!(r#"{{"sessions":[{}]}}"#, session(!lines.is_empty()))),
        "/v1/configuration/edit" => {
            let command = json["commands"][0].as_str().unwrap();
            let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
            let whole = format!("{} {rest}", json["path"].as_str().unwrap_or_default()).trim().to_owned();
            match verb {
                "edit" if whole.ends_with("group") => (422, r#"{"error":"`group` needs a name behind it"}"#.to_owned()),
                "edit" => (200, format!(r#"{{"changed":0,"path":"{whole}"}}"#)),
                "set" => {
                    lines.push(whole);
                    ok(r#"{"changed":1}"#)
                }
                _ => (422, r#"{"error":"line 1, column 8:\n  delete nothing\n         ^^^^^^^"}"#.to_owned()),
            }
        }
        "/v1/configuration" => {
            let text: String = lines.iter().map(|line| format!("{line};\n")).collect();
            (200, serde_json::json!({ "text": text }).to_string())
        }
        "/v1/configuration/commit" => {
            lines.clear();
            ok(r#"{"revision":8,"message":"commit complete","changes":[],"impact":
                {"kept":3,"changed":0,"moved":0,"dropped":1,"displaced":0,"reconfiguring":0}}"#)
        }
        "/v1/configuration/load" if body.contains("refused") => {
            (422, r#"{"error":"error: it is refused\n\n1 error"}"#.to_owned())
        }
        "/v1/configuration/load" => ok(r#"{"changed":3}"#),
        "/v1/version" => ok(r#"{"name":"binderyd","version":"1","api":1,"revision":4,"uptime":9}"#),
        "/v1/configuration/sessions/close" | "/v1/configuration/rollback" | "/v1/system/configuration/rescue" => {
            ok("{}")
        }
        _ => (404, r#"{"error":"no such verb"}"#.to_owned()),
    }
}
