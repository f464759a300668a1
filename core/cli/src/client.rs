//! The way to the daemon: HTTP on its UNIX socket.

use bindery_api::{ApiError, Method, Verb};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HOST, HeaderName},
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};
use tokio::{net::UnixStream, runtime::Runtime};

/// How long the daemon may take to begin its answer. A clear of a million bindings takes seconds.
const ANSWER_MAX: Duration = Duration::from_secs(300);

/// After this an operator at a terminal is told that work is going on.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is to be done where nobody could be asked.
fn unreached(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::PermissionDenied => "the socket is for its owner and its group: become one of them",
        _ => "is binderyd running? Its socket is given by --control",
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nobody listens.
    #[error("{}: {source}: {}", path.display(), unreached(source))]
    Connect { path: PathBuf, source: io::Error },
    /// The daemon refused.
    #[error("{0}")]
    Refused(String),
    /// The connection broke.
    #[error("the daemon's answer was cut off: {0}")]
    Broken(#[from] hyper::Error),
    /// It took too long.
    #[error("the daemon did not answer in {} s", .0.as_secs_f32())]
    Late(Duration),
    /// The operator did not want to wait.
    #[error("interrupted")]
    Interrupted,
    /// The answer is no answer of this API.
    #[error("the daemon's answer is not understood: {0}")]
    Form(#[from] serde_json::Error),
    /// Standard output is closed or the runtime could not start.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The verb's parameters make no request.
    #[error("the request cannot be made: {0}")]
    Request(#[from] hyper::http::Error),
}

/// Query parameters, values not yet escaped.
pub(crate) type Parameters = Vec<(String, String)>;

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    path: &'static str,
    method: Method,
    query: Parameters,
    body: Vec<u8>,
    header: Option<(&'static str, String)>,
}

impl Ask {
    /// A verb without anything along.
    pub(crate) fn of(verb: Verb) -> Self {
        Self { path: verb.path(), method: verb.method(), query: Vec::new(), body: Vec::new(), header: None }
    }

    /// With these parameters too.
    pub(crate) fn with(mut self, query: impl IntoIterator<Item = (impl Into<String>, String)>) -> Self {
        self.query.extend(query.into_iter().map(|(name, value)| (name.into(), value)));
        self
    }

    /// With the fields of `query`, a flat structure, as parameters.
    ///
    /// # Errors
    /// It is not flat.
    pub(crate) fn query(self, query: &impl Serialize) -> Result<Self, ClientError> {
        let serde_json::Value::Object(fields) = serde_json::to_value(query)? else { return Ok(self) };
        Ok(self.with(fields.into_iter().filter_map(|(name, value)| match value {
            serde_json::Value::Null => None,
            serde_json::Value::String(text) => Some((name, text)),
            other => Some((name, other.to_string())),
        })))
    }

    /// With `body` as JSON.
    ///
    /// # Errors
    /// It has no JSON form.
    pub(crate) fn body(mut self, body: &impl Serialize) -> Result<Self, ClientError> {
        self.body = serde_json::to_vec(body)?;
        Ok(self)
    }

    /// With a header.
    pub(crate) fn header(mut self, name: &'static str, value: String) -> Self {
        self.header = Some((name, value));
        self
    }

    fn uri(&self) -> String {
        let mut uri = self.path.to_owned();
        for (i, (name, value)) in self.query.iter().enumerate() {
            uri.push(if i == 0 { '?' } else { '&' });
            uri.push_str(name);
            uri.push('=');
            for byte in value.bytes() {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    uri.push(char::from(byte));
                } else {
                    // Writing to a string cannot fail.
                    let _ = write!(uri, "%{byte:02X}");
                }
            }
        }
        uri
    }
}

/// Asks the daemon, one request at a time.
#[derive(Debug)]
pub(crate) struct Client {
    socket: PathBuf,
    runtime: Runtime,
    /// An operator sits there: Ctrl-C ends the waiting, not the program.
    interactive: AtomicBool,
    /// Something prints its own progress: no word of waiting then.
    quiet: AtomicBool,
}

impl Client {
    /// A client of the daemon that listens on `socket`. It connects when it asks.
    ///
    /// # Errors
    /// The system gives no event queue.
    pub(crate) fn new(socket: &Path) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (interactive, quiet) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Self { socket: socket.into(), runtime, interactive, quiet })
    }

    /// From now on Ctrl-C ends the waiting for an answer, not the program.
    pub(crate) fn set_interactive(&self) {
        self.interactive.store(true, Ordering::Relaxed);
    }

    /// Whether waiting is told on a terminal.
    pub(crate) fn set_quiet(&self, quiet: bool) {
        self.quiet.store(quiet, Ordering::Relaxed);
    }

    /// Asks and hands every piece of the body to `take`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn stream(&self, ask: &Ask, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> Result<(), ClientError> {
        self.waiting(ANSWER_MAX, async {
            let mut body = self.send(ask).await?.into_body();
            while let Some(frame) = body.frame().await {
                if let Ok(data) = frame?.into_data() {
                    take(&data)?;
                }
            }
            Ok(())
        })
    }

    /// Asks and gives the whole body.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn bytes(&self, ask: &Ask) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        self.stream(ask, |data| {
            body.extend_from_slice(data);
            Ok(())
        })?;
        Ok(body)
    }

    /// Asks and reads the answer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn read<T: DeserializeOwned>(&self, ask: &Ask) -> Result<T, ClientError> {
        Ok(serde_json::from_slice(&self.bytes(ask)?)?)
    }

    /// Asks for at most `bytes` of the body and waits no longer than `patience`, for completion: what came until then
    /// is the answer.
    ///
    /// # Errors
    /// [`ClientError`]; nothing came in time.
    pub(crate) fn glance(&self, ask: &Ask, bytes: usize, patience: Duration) -> Result<Vec<u8>, ClientError> {
        let mut seen = Vec::new();
        let asked = async {
            let mut body = self.send(ask).await?.into_body();
            while let Some(frame) = body.frame().await {
                if let Ok(data) = frame?.into_data() {
                    seen.extend_from_slice(&data);
                }
                if seen.len() >= bytes {
                    break;
                }
            }
            Ok(())
        };
        let done = self.runtime.block_on(async { tokio::time::timeout(patience, asked).await });
        match done {
            Ok(Err(error)) => Err(error),
            Err(_) if seen.is_empty() => Err(ClientError::Late(patience)),
            _ => Ok(seen),
        }
    }

    /// Asks for a body that goes on for ever, and hands its pieces to `take` until it says `false`, the body ends,
    /// or Ctrl-C (`Interrupted`).
    ///
    /// # Errors
    /// [`ClientError`].
    pub(crate) fn follow(&self, ask: &Ask, mut take: impl FnMut(&[u8]) -> io::Result<bool>) -> Result<(), ClientError> {
        let asked = async {
            let mut body = tokio::time::timeout(ANSWER_MAX, self.send(ask))
                .await
                .map_err(|_| ClientError::Late(ANSWER_MAX))??
                .into_body();
            while let Some(frame) = body.frame().await {
                if let Ok(data) = frame?.into_data()
                    && !take(&data)?
                {
                    break;
                }
            }
            Ok(())
        };
        self.runtime.block_on(async {
            tokio::select! {
                done = asked => done,
                _ = tokio::signal::ctrl_c() => Err(ClientError::Interrupted),
            }
        })
    }

    /// Waits, unless Ctrl-C comes (`Interrupted`).
    ///
    /// # Errors
    /// [`ClientError::Interrupted`].
    pub(crate) fn pause(&self, time: Duration) -> Result<(), ClientError> {
        self.runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(time) => Ok(()),
                _ = tokio::signal::ctrl_c() => Err(ClientError::Interrupted),
            }
        })
    }

    fn waiting<T>(
        &self,
        most: Duration,
        asked: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        let told = io::stderr().is_terminal() && !self.quiet.load(Ordering::Relaxed);
        let interactive = self.interactive.load(Ordering::Relaxed);
        let mut shown = false;
        let done = self.runtime.block_on(async {
            tokio::pin!(asked);
            let begun = tokio::time::Instant::now();
            loop {
                let interrupt = async {
                    match interactive {
                        true => drop(tokio::signal::ctrl_c().await),
                        false => std::future::pending().await,
                    }
                };
                tokio::select! {
                    done = &mut asked => return done,
                    () = interrupt => return Err(ClientError::Interrupted),
                    () = tokio::time::sleep(PATIENCE) => {
                        let gone = begun.elapsed();
                        if gone > most {
                            return Err(ClientError::Late(most));
                        }
                        if told {
                            shown = true;
                            eprint!("\rthe daemon is at it: {} s ", gone.as_secs());
                        }
                    }
                }
            }
        });
        if shown {
            eprint!("\r\x1b[K");
            // Nothing can be done about a closed terminal.
            let _ = io::stderr().flush();
        }
        done
    }

    async fn send(&self, ask: &Ask) -> Result<Response<Incoming>, ClientError> {
        let connected = UnixStream::connect(&self.socket).await;
        let stream = connected.map_err(|source| ClientError::Connect { path: self.socket.clone(), source })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the answer: the body holds its other half.
        drop(tokio::spawn(connection));
        let method = match ask.method {
            Method::Get => "GET",
            Method::Post => "POST",
        };
        let mut request = Request::builder().method(method).uri(ask.uri()).header(HOST, "binderyd");
        if !ask.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some((name, value)) = &ask.header {
            request = request.header(HeaderName::from_static(name), value);
        }
        let request = request.body(Full::new(Bytes::from(ask.body.clone())))?;
        let response = sender.send_request(request).await?;
        match response.status() {
            StatusCode::OK => Ok(response),
            status => Err(refusal(status, response.into_body()).await),
        }
    }
}

async fn refusal(status: StatusCode, body: Incoming) -> ClientError {
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    match serde_json::from_slice::<ApiError>(&bytes) {
        Ok(error) => ClientError::Refused(error.error),
        Err(_) => ClientError::Refused(format!("the daemon answered {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bindery_api::ShowQuery;

    #[test]
    fn values_are_escaped() {
        let ask = Ask::of(Verb::Bindings).with([("interface", "eth1 *&x".to_owned()), ("all", "true".to_owned())]);
        assert_eq!(ask.uri(), "/v1/dhcp/server/bindings?interface=eth1%20%2A%26x&all=true");
    }

    #[test]
    fn a_query_is_flat() {
        let query = ShowQuery { path: "access".into(), session: Some(7), ..ShowQuery::default() };
        let ask = Ask::of(Verb::ConfigurationShow).query(&query).unwrap();
        assert_eq!(ask.uri(), "/v1/configuration?format=braced&path=access&session=7");
    }
}
