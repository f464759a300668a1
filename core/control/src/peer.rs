//! Who is at the other end of a connection.

use crate::{backend::Requestor, limit::Limited};
use axum::{extract::connect_info::Connected, serve::IncomingStream};

/// The process at the other end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) Requestor);

impl Connected<IncomingStream<'_, Limited>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Limited>) -> Self {
        let Ok(credentials) = stream.io().stream().peer_cred() else { return Self(Requestor::default()) };
        Self(Requestor { uid: Some(credentials.uid()), pid: credentials.pid() })
    }
}
