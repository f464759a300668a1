//! Who is at the other end of a connection.

use crate::backend::Requestor;

/// The process at the other end; every request of its connection has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) Requestor);
