//! The daemon's API, as a client without a library sees it: one request for each connection to its UNIX socket.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_mins(5);

/// A daemon that listens.
#[derive(Debug, Clone)]
pub struct Api {
    socket: PathBuf,
}

/// What a commit said.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The whole reply.
    pub reply: Value,
    /// From the request's first byte to the answer's last one.
    pub took: Duration,
}

impl Committed {
    /// The active revision after it.
    pub fn revision(&self) -> u64 {
        self.reply.get("revision").and_then(Value::as_u64).unwrap_or_default()
    }

    /// Live sessions of which it says this: `changed`, `moved`, `dropped`...
    pub fn impact(&self, name: &str) -> u64 {
        let impact = self.reply.get("impact").and_then(|impact| impact.get(name));
        impact.and_then(Value::as_u64).unwrap_or_default()
    }
}

impl Api {
    /// The daemon whose control socket this is.
    pub fn at(socket: &Path) -> Api {
        Api { socket: socket.to_owned() }
    }

    /// The answer to a request, and how long it took.
    ///
    /// # Errors
    /// The daemon is away or refuses; the message has its answer.
    fn ask(&self, method: &str, path: &str, body: &str) -> Result<(Value, Duration)> {
        let began = Instant::now();
        let mut socket = UnixStream::connect(&self.socket).context("the daemon's socket")?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: bindery\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        socket.write_all(head.as_bytes())?;
        socket.write_all(body.as_bytes())?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).with_context(|| format!("the answer to {path}"))?;
        let took = began.elapsed();
        let (status, body) = parts(&answer).with_context(|| format!("the answer to {path} is none"))?;
        if status / 100 != 2 {
            bail!("{path}: {status}: {}", body.trim());
        }
        Ok((serde_json::from_str(body)?, took))
    }

    fn post(&self, path: &str, body: &Value) -> Result<(Value, Duration)> {
        self.ask("POST", path, &body.to_string())
    }

    /// The addresses of all bindings, read as they come: a million of them are half a gigabyte of text.
    ///
    /// # Errors
    /// The daemon is away or refuses, or an address is none.
    pub fn addresses(&self) -> Result<BTreeSet<Ipv4Addr>> {
        let mut socket = UnixStream::connect(&self.socket).context("the daemon's socket")?;
        socket.set_read_timeout(Some(PATIENCE))?;
        // Of this version, so that the answer comes in one piece.
        socket.write_all(b"GET /v1/dhcp/server/bindings HTTP/1.0\r\n\r\n")?;
        quoted(BufReader::new(socket), "allocated-address")?
            .iter()
            .map(|address| address.parse().with_context(|| format!("{address:?} is no address")))
            .collect()
    }

    /// Opens an editing session.
    ///
    /// # Errors
    /// As every request: the daemon is away or refuses.
    pub fn open(&self) -> Result<Editing<'_>> {
        let (reply, _) = self.post("/v1/configuration/sessions/open", &json!({}))?;
        let session = reply.get("session").and_then(Value::as_u64).context("no session")?;
        Ok(Editing { api: self, session })
    }

    /// The active configuration, one command a line.
    ///
    /// # Errors
    /// As [`Api::open`].
    pub fn active(&self) -> Result<String> {
        let (reply, _) = self.ask("GET", "/v1/configuration?format=set", "")?;
        Ok(reply.get("text").and_then(Value::as_str).context("no text")?.to_owned())
    }
}

/// An editing session.
#[derive(Debug)]
pub struct Editing<'a> {
    api: &'a Api,
    session: u64,
}

impl Editing<'_> {
    /// Carries out commands in the candidate.
    ///
    /// # Errors
    /// As [`Api::open`].
    pub fn edit<S: AsRef<str>>(&self, commands: &[S]) -> Result<Duration> {
        let commands: Vec<&str> = commands.iter().map(AsRef::as_ref).collect();
        let body = json!({"session": self.session, "commands": commands});
        Ok(self.api.post("/v1/configuration/edit", &body)?.1)
    }

    /// Puts a text in the candidate's place.
    ///
    /// # Errors
    /// As [`Api::open`].
    pub fn load(&self, text: &str) -> Result<Duration> {
        let body = json!({"session": self.session, "verb": "override", "format": "kdl", "text": text});
        Ok(self.api.post("/v1/configuration/load", &body)?.1)
    }

    /// Makes the revision before the active one, or `0` the active one, the candidate.
    ///
    /// # Errors
    /// As [`Api::open`].
    pub fn rollback(&self, to: u32) -> Result<Duration> {
        let body = json!({"session": self.session, "to": to.to_string()});
        Ok(self.api.post("/v1/configuration/rollback", &body)?.1)
    }

    /// Commits, or only checks.
    ///
    /// # Errors
    /// As [`Api::open`].
    pub fn commit(&self, check: bool) -> Result<Committed> {
        let body = json!({"session": self.session, "check": check});
        let (reply, took) = self.api.post("/v1/configuration/commit", &body)?;
        Ok(Committed { reply, took })
    }
}

/// The quoted values of one field wherever it stands in a text.
fn quoted(mut text: impl BufRead, field: &str) -> Result<Vec<String>> {
    let (mut values, mut piece, mut behind) = (Vec::new(), Vec::new(), u8::MAX);
    loop {
        piece.clear();
        if text.read_until(b'"', &mut piece)? == 0 {
            return Ok(values);
        }
        let word = piece.strip_suffix(b"\"").unwrap_or(&piece);
        behind = if word == field.as_bytes() { 0 } else { behind.saturating_add(1) };
        // The field, what is between the quotes, the value.
        if behind == 2 {
            values.push(String::from_utf8_lossy(word).into_owned());
        }
    }
}

/// Status and body of an answer whose connection is closed behind it; `None` when it is not whole.
fn parts(answer: &[u8]) -> Option<(u16, &str)> {
    let text = std::str::from_utf8(answer).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    (length == Some(body.len())).then_some((status, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_field_are_found() {
        let text = r#"{"a":[{"x":"x","at" : "1"},{"other":2,"at":"23"}]}"#;
        assert_eq!(quoted(text.as_bytes(), "at").expect("it is read"), ["1", "23"]);
    }

    #[test]
    fn an_answer_is_taken_apart() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        assert_eq!(parts(whole), Some((200, "{}")));
        assert_eq!(parts(&whole[..whole.len() - 1]), None, "cut off");
        assert_eq!(parts(b"HTTP/1.1 404 Not Found\r\n\r\n"), None, "no length");
    }
}
