//! Requests of whoever may open the control socket.
#![no_main]

use bindery_api::{ApiError, Method, Permission, Verb};
use bindery_api_check::{Connector, Daemon, memory};
use bindery_control::Requestor;
use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Runtime,
};

/// Longer than any request may take, but for a stream of events.
const PATIENCE: Duration = Duration::from_secs(700);

/// Most bytes of an answer that are looked at.
const ANSWER_MAX: usize = 1 << 20;

struct Server {
    runtime: Runtime,
    connector: Connector,
}

thread_local! {
    static SERVER: Server = {
        // On a clock that jumps: what waits for a time-out waits no time.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (listener, connector) = memory();
        let daemon = Daemon::new(Some(Permission::Configure));
        runtime.spawn(bindery_control::serve(listener, daemon, std::future::pending()));
        Server { runtime, connector }
    };
}

impl Server {
    fn exchange(&self, request: &[u8]) -> Vec<u8> {
        self.runtime.block_on(async {
            let (mut reader, mut writer) = tokio::io::split(self.connector.connect(Requestor::default()).await);
            let mut answer = Vec::new();
            let both = async {
                let write = async {
                    // It may be refused before it is read.
                    let _ = writer.write_all(request).await;
                };
                let read = async {
                    let mut page = [0; 4_096];
                    while let Ok(count @ 1..) = reader.read(&mut page).await
                        && answer.len() < ANSWER_MAX
                    {
                        answer.extend_from_slice(&page[..count]);
                    }
                };
                tokio::join!(write, read)
            };
            let _ = tokio::time::timeout(PATIENCE, both).await;
            answer
        })
    }
}

/// A request of a verb that is there: a query up to the first line feed, then the body.
fn request(verb: Verb, rest: &[u8]) -> Vec<u8> {
    let (query, body) = rest.split_at(rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()));
    let body = body.get(1..).unwrap_or_default();
    let query = query.iter().map(|byte| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'=' | b'&' | b'+' | b'%' | b'-' => char::from(*byte).to_string(),
        _ => format!("%{byte:02x}"),
    });
    let method = if verb.method() == Method::Get { "GET" } else { "POST" };
    let (path, query, length) = (verb.path(), query.collect::<String>(), body.len());
    let head = format!("{method} {path}?{query} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// The status and what is behind the head; interim answers are passed over.
fn first(answer: &[u8]) -> (u16, &[u8]) {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
    let (head, body) = (std::str::from_utf8(&answer[..end]).expect("text"), &answer[end + 4..]);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    if status < 200 && !body.is_empty() { first(body) } else { (status, body) }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let verb = Verb::ALL.get(usize::from(*choice)).copied();
    // A stream of events has no end.
    if verb == Some(Verb::Events) || rest.windows(6).any(|window| window == b"events") {
        return;
    }
    let sent = verb.map_or_else(|| rest.to_vec(), |verb| request(verb, rest));
    let answer = SERVER.with(|server| server.exchange(&sent));
    if answer.is_empty() {
        assert!(verb.is_none(), "no answer to a whole request");
        return;
    }
    let (status, body) = first(&answer);
    match status {
        200 => {}
        // What is no HTTP never gets to a verb, and the answer to HEAD has no body.
        400 | 414 | 431 if verb.is_none() && body.is_empty() => {}
        _ if sent.starts_with(b"HEAD ") => {}
        400 | 403 | 404 | 405 | 408 | 409 | 413 | 422 | 503 => {
            let mut errors = serde_json::Deserializer::from_slice(body).into_iter::<ApiError>();
            assert!(matches!(errors.next(), Some(Ok(_))), "{status}: {}", body.escape_ascii());
        }
        _ => panic!("{status}"),
    }
});
