//! The API as its readers see it, against a daemon in memory, over connections in memory, on a clock that jumps.

mod gate;
mod observe;
mod time;

use bindery_api::{ApiError, Permission};
use bindery_api_check::{Connector, Daemon, memory};
use bindery_control::Requestor;
use std::sync::Arc;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::oneshot,
};

/// A daemon that serves.
struct Served {
    daemon: Arc<Daemon>,
    connector: Connector,
    end: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Served {
    fn new(permission: Option<Permission>) -> Self {
        let daemon = Daemon::new(permission);
        let (listener, connector) = memory();
        let (end, ended) = oneshot::channel();
        let serving = tokio::spawn(bindery_control::serve(listener, Arc::clone(&daemon) as _, async {
            let _ = ended.await;
        }));
        Self { daemon, connector, end, serving }
    }

    async fn connect(&self) -> DuplexStream {
        self.connector.connect(Requestor { uid: Some(1_000), pid: Some(7) }).await
    }

    /// Sends `request`, and takes all until the other side closes.
    async fn exchange(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        // The other side may have refused before it has read all.
        let _ = stream.write_all(request).await;
        read_answer(stream).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.exchange(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await
    }

    async fn post(&self, path: &str, body: &[u8]) -> Answer {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
        self.exchange(&[head.as_bytes(), body].concat()).await
    }
}

async fn read_answer(mut stream: DuplexStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

impl Answer {
    /// The text of an answer that must have this status and be an error as the API writes one.
    fn error(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert!(self.head.contains("content-type: application/json"), "{self:?}");
        serde_json::from_str::<ApiError>(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}")).error
    }
}
