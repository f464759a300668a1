//! Where connections come from.

use crate::backend::Requestor;
use std::{future::Future, io};
use tokio::io::{AsyncRead, AsyncWrite};

/// Accepts connections, each with who is at its other end. A transport of its own (a UNIX socket, later TCP with mutual
/// TLS) is a listener of its own: nothing behind it knows how the bytes came.
pub trait Listener: Send + 'static {
    /// A connection.
    type Connection: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Makes ready to accept; called once, in the runtime.
    ///
    /// # Errors
    /// The transport's: nothing is served then.
    fn start(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// The next connection. A call that is dropped loses none. What takes long, like a handshake, is a connection's
    /// own matter: nobody else is accepted meanwhile.
    ///
    /// # Errors
    /// The transport's. The next call tries anew.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Connection, Requestor)>> + Send;
}
