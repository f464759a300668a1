//! Disconnect-Requests of RADIUS (RFC 5176): the socket, and the way to the engine and back.

use crate::{
    clock,
    packet::{Inbox, Message},
};
use bindery_config::Loaded;
use bindery_engine::{
    command::{DisconnectKeys, Disconnected, Reply as EngineReply, Verb},
    policy::Attribute,
};
use bindery_radius::{
    config::{Config, DisconnectClient},
    dynamic::{DynamicServer, ErrorCause, Kind, Order, Reply, Request, Verdict, interpret},
    packet::Secret,
};
use bindery_types::SessionId;
use std::{io, net::Ipv4Addr, sync::Arc};
use tokio::{
    net::UdpSocket,
    sync::{mpsc, oneshot},
    task::JoinSet,
};

/// Requests that may wait for the engine at once. A further one gets a NAK: resources unavailable.
const WAITING_MAX: usize = 4_096;

/// Longest RADIUS packet (RFC 2865 §3).
const PACKET_MAX: usize = 4_096;

/// What a commit changes here.
pub(crate) struct Update {
    config: Config,
    socket: NextSocket,
}

enum NextSocket {
    Keep,
    Close,
    Take(std::net::UdpSocket),
}

/// The configuration's end: it opens sockets while a commit can still be refused.
pub(crate) struct Dynamic {
    updates: mpsc::UnboundedSender<Update>,
    port: Option<u16>,
}

/// A socket that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("access radius-disconnect-port {port}: {source}: is another program using this port?")]
pub(crate) struct PortError {
    port: u16,
    source: io::Error,
}

impl Dynamic {
    /// Nothing is open yet; [`run`] takes the other end.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Update>) {
        // One update a commit, and commits wait for each other.
        let (updates, receiver) = mpsc::unbounded_channel();
        (Self { updates, port: None }, receiver)
    }

    /// Opens what `loaded` wants.
    ///
    /// # Errors
    /// The port is taken; nothing changes.
    pub(crate) fn prepare(&self, loaded: &Loaded) -> Result<Update, PortError> {
        let (clients, port) = loaded.model.radius_disconnect();
        let wanted = (!clients.is_empty()).then_some(port);
        let socket = match wanted {
            None => NextSocket::Close,
            Some(port) if self.port == Some(port) => NextSocket::Keep,
            Some(port) => NextSocket::Take(open(port).map_err(|source| PortError { port, source })?),
        };
        let clients = clients
            .iter()
            .map(|client| DisconnectClient { address: client.address, secret: Secret::new(client.secret.as_bytes()) });
        Ok(Update { config: Config { clients: clients.collect(), ..Config::default() }, socket })
    }

    /// Puts it into effect. Cannot be refused.
    pub(crate) fn apply(&mut self, update: Update, loaded: &Loaded) {
        let (clients, port) = loaded.model.radius_disconnect();
        self.port = (!clients.is_empty()).then_some(port);
        // The task has ended only when the daemon ends.
        let _ = self.updates.send(update);
    }
}

fn open(port: u16) -> io::Result<std::net::UdpSocket> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Takes requests until the daemon ends.
pub(crate) async fn run(mut updates: mpsc::UnboundedReceiver<Update>, inbox: Inbox) {
    let mut server = DynamicServer::new(&Config::default());
    let mut socket: Option<Arc<UdpSocket>> = None;
    let mut waiting: JoinSet<(Reply, Result<(), ErrorCause>)> = JoinSet::new();
    let mut buffer = vec![0; PACKET_MAX];
    loop {
        tokio::select! {
            update = updates.recv() => {
                let Some(update) = update else { return };
                server.reconfigure(&update.config);
                match update.socket {
                    NextSocket::Keep => {}
                    NextSocket::Close => socket = None,
                    NextSocket::Take(next) => socket = UdpSocket::from_std(next).ok().map(Arc::new),
                }
            }
            received = receive(socket.as_deref(), &mut buffer) => {
                let Ok((len, source)) = received else { continue };
                let Some(Ok(local)) = socket.as_deref().map(UdpSocket::local_addr) else { continue };
                let now = clock::now();
                let datagram = buffer.get(..len).unwrap_or_default();
                match server.judge(now.mono, now.wall, local, source, datagram) {
                    Verdict::Request(request) if waiting.len() < WAITING_MAX => {
                        waiting.spawn(carry_out(request, inbox.clone()));
                    }
                    Verdict::Request(request) => {
                        let busy = Err(ErrorCause::ResourcesUnavailable);
                        answer(socket.as_deref(), &mut server, &request.reply, busy).await;
                    }
                    Verdict::Repeat(bytes) => send(socket.as_deref(), &bytes, source).await,
                    Verdict::Drop(reason) => tracing::debug!(%source, ?reason, "dynamic RADIUS request dropped"),
                }
            }
            Some(done) = waiting.join_next() => {
                if let Ok((reply, result)) = done {
                    answer(socket.as_deref(), &mut server, &reply, result).await;
                }
            }
        }
    }
}

async fn receive(socket: Option<&UdpSocket>, buffer: &mut [u8]) -> io::Result<(usize, std::net::SocketAddr)> {
    match socket {
        Some(socket) => socket.recv_from(buffer).await,
        None => std::future::pending().await,
    }
}

async fn answer(socket: Option<&UdpSocket>, server: &mut DynamicServer, reply: &Reply, result: Result<(), ErrorCause>) {
    tracing::info!(source = %reply.source, kind = ?reply.kind, ?result, "dynamic RADIUS request");
    if let Some(bytes) = server.answer(reply, result) {
        send(socket, &bytes, reply.source).await;
    }
}

async fn send(socket: Option<&UdpSocket>, bytes: &[u8], to: std::net::SocketAddr) {
    if let Some(socket) = socket
        && let Err(error) = socket.send_to(bytes, to).await
    {
        // The client asks again, and is answered from what is remembered.
        tracing::debug!(%to, %error, "an answer to a dynamic RADIUS request could not be sent");
    }
}

/// Asks the engine; the answer comes when what was asked for is on storage.
async fn carry_out(request: Request, inbox: Inbox) -> (Reply, Result<(), ErrorCause>) {
    let result = match interpret(&request, &Config::default().nas) {
        Ok(order) => ask(&request, order, &inbox).await,
        Err(cause) => Err(cause),
    };
    (request.reply, result)
}

async fn ask(request: &Request, order: Order, inbox: &Inbox) -> Result<(), ErrorCause> {
    if request.kind == Kind::Coa {
        return Err(ErrorCause::UnsupportedService);
    }
    let keys = keys(&order).ok_or(ErrorCause::SessionContextNotFound)?;
    let attributes = request.attributes.flat().map(|attribute| Attribute {
        vendor: attribute.vendor,
        code: attribute.code,
        value: attribute.value.into(),
    });
    let verb = Verb::Disconnect { keys, attributes: attributes.collect() };
    let (sender, outcome) = oneshot::channel();
    inbox.send(Message::Command(verb, sender));
    match outcome.await {
        Ok(EngineReply::Disconnected(Disconnected::Cleared | Disconnected::Reconfiguring)) => Ok(()),
        Ok(EngineReply::Disconnected(Disconnected::Ignored)) => Err(ErrorCause::AdministrativelyProhibited),
        Ok(EngineReply::Disconnected(Disconnected::NotFound)) => Err(ErrorCause::SessionContextNotFound),
        Ok(EngineReply::Disconnected(Disconnected::Several)) => Err(ErrorCause::MultipleSessionSelectionUnsupported),
        _ => Err(ErrorCause::ResourcesUnavailable),
    }
}

/// What the engine looks for; `None` where no session can match, as none has a user name or a multi-session id.
fn keys(order: &Order) -> Option<DisconnectKeys> {
    let selector = &order.selector;
    if selector.username.is_some() || selector.multi_session_id.is_some() {
        return None;
    }
    let session = match &selector.session_id {
        Some(id) => Some(SessionId(id.parse().ok()?)),
        None => None,
    };
    Some(DisconnectKeys {
        session,
        address: selector.address,
        mac: selector.mac,
        interface: selector.interface.clone(),
        ..DisconnectKeys::default()
    })
}
