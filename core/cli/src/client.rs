//! The way to the daemon: HTTP on its UNIX socket.

use bindery_api::{ApiError, Method, Verb};
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, StatusCode,
    body::{Bytes, Incoming},
    header::HOST,
};
use hyper_util::rt::TokioIo;
use std::{
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::net::UnixStream;

/// How long the daemon may take to begin its answer. A clear of a million bindings takes seconds.
const ANSWER_MAX: Duration = Duration::from_secs(300);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// Nobody listens.
    #[error("{}: {source}: is binderyd running? Its socket is given by --control", path.display())]
    Connect { path: PathBuf, source: io::Error },
    /// The daemon refused.
    #[error("{0}")]
    Refused(String),
    /// The connection broke.
    #[error("the daemon's answer was cut off: {0}")]
    Broken(#[from] hyper::Error),
    /// It took too long.
    #[error("the daemon did not answer in {} s", ANSWER_MAX.as_secs())]
    Late,
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

/// Asks and hands every piece of the body to `take`.
///
/// # Errors
/// [`ClientError`].
pub(crate) async fn ask(
    socket: &Path,
    verb: Verb,
    query: &[(&str, String)],
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<(), ClientError> {
    let connected = UnixStream::connect(socket).await;
    let stream = connected.map_err(|source| ClientError::Connect { path: socket.into(), source })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::task::spawn_local(connection);
    let method = match verb.method() {
        Method::Get => "GET",
        Method::Post => "POST",
    };
    let request =
        Request::builder().method(method).uri(uri(verb, query)).header(HOST, "binderyd").body(Empty::<Bytes>::new())?;
    let sent = tokio::time::timeout(ANSWER_MAX, sender.send_request(request)).await;
    let response = sent.map_err(|_| ClientError::Late)??;
    let status = response.status();
    let mut body = response.into_body();
    if status != StatusCode::OK {
        return Err(refusal(status, body).await);
    }
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            take(&data)?;
        }
    }
    driver.abort();
    Ok(())
}

async fn refusal(status: StatusCode, body: Incoming) -> ClientError {
    let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    match serde_json::from_slice::<ApiError>(&bytes) {
        Ok(error) => ClientError::Refused(error.error),
        Err(_) => ClientError::Refused(format!("the daemon answered {status}")),
    }
}

fn uri(verb: Verb, query: &[(&str, String)]) -> String {
    let mut uri = verb.path().to_owned();
    for (i, (name, value)) in query.iter().enumerate() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped() {
        let query = [("interface", "eth1 *&x".to_owned()), ("all", "true".to_owned())];
        assert_eq!(uri(Verb::Bindings, &query), "/v1/dhcp/server/bindings?interface=eth1%20%2A%26x&all=true");
    }
}
