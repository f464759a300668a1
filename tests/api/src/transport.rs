//! Listeners for tests.

use bindery_control::{Listener, Requestor};
use std::io;
use tokio::{
    io::DuplexStream,
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// Bytes that a connection in memory holds either way.
const BUFFER: usize = 64 << 10;

/// Connections that wait.
const BACKLOG: usize = 256;

/// Accepts the connections that its other half makes.
#[derive(Debug)]
pub struct Memory(mpsc::Receiver<(DuplexStream, Requestor)>);

/// Makes connections.
#[derive(Clone, Debug)]
pub struct Connector(mpsc::Sender<(DuplexStream, Requestor)>);

/// A listener in memory, and what connects to it.
pub fn memory() -> (Memory, Connector) {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    (Memory(receiver), Connector(sender))
}

impl Connector {
    /// The other end of a new connection of `requestor`. Nobody may be listening any more: then it is closed.
    pub async fn connect(&self, requestor: Requestor) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        // A connection that nobody takes is dropped with the channel.
        let _ = self.0.send((theirs, requestor)).await;
        ours
    }
}

impl Listener for Memory {
    type Connection = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, Requestor)> {
        match self.0.recv().await {
            Some(accepted) => Ok(accepted),
            // Nobody can connect any more.
            None => std::future::pending().await,
        }
    }
}

/// TCP on loopback, for programs that speak nothing else. Who connects is not known.
#[derive(Debug)]
pub struct Loopback(TcpListener);

impl Loopback {
    /// Listens on a port that is free; tells which.
    ///
    /// # Errors
    /// The kernel's.
    pub async fn open() -> io::Result<(Self, u16)> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        Ok((Self(listener), port))
    }
}

impl Listener for Loopback {
    type Connection = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, Requestor)> {
        let (stream, _) = self.0.accept().await?;
        Ok((stream, Requestor::default()))
    }
}
