//! Disconnect- and CoA-Requests of RADIUS (RFC 5176): the sockets, and the way to the engine and back.

use crate::{
    clock,
    packet::{Inbox, Message},
};
use bindery_config::model::Model;
use bindery_engine::{
    command::{AuthorizationChange, DisconnectKeys, Disconnected, Reply as EngineReply, Verb},
    history::Actor,
    policy::Attribute,
};
use bindery_radius::{
    config::{Config, DisconnectClient, NasConfig},
    dynamic::{Change, Counters, DynamicServer, ErrorCause, Order, Reply, Request, Selector, Verdict, interpret},
    packet::Secret,
};
use bindery_types::{LeaseTime, SessionId};
use std::{
    future::poll_fn,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{
    io::ReadBuf,
    net::UdpSocket,
    sync::{mpsc, oneshot},
    task::JoinSet,
};

/// Requests that may wait for the engine at once. A further one gets a NAK: resources unavailable.
const WAITING_MAX: usize = 4_096;

/// Longest RADIUS packet (RFC 2865 §3), and a byte by which a longer one is seen.
const BUFFER: usize = 4_097;

/// What the task is told.
pub(crate) enum Told {
    /// A commit.
    Update(Update),
    /// Somebody wants to see the counters.
    Counters(oneshot::Sender<Counters>),
}

/// What a commit changes here.
pub(crate) struct Update {
    nas: NasConfig,
    ports: Vec<Port>,
}

/// A port that is to be listened on.
struct Port {
    number: u16,
    clients: Vec<DisconnectClient>,
    /// `None`: it is open already.
    socket: Option<std::net::UdpSocket>,
}

/// The configuration's end: it opens sockets while a commit can still be refused.
pub(crate) struct Dynamic {
    task: mpsc::UnboundedSender<Told>,
    open: Vec<u16>,
}

/// A socket that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("UDP port {port} of Disconnect- and CoA-Requests: {source}: is another program using this port?")]
pub(crate) struct PortError {
    port: u16,
    source: io::Error,
}

impl Dynamic {
    /// Nothing is open yet; [`run`] takes the other end.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Told>) {
        // One update a commit, and commits wait for each other, as those do who look.
        let (task, receiver) = mpsc::unbounded_channel();
        (Self { task, open: Vec::new() }, receiver)
    }

    /// Opens what `model` wants.
    ///
    /// # Errors
    /// A port is taken; nothing changes.
    pub(crate) fn prepare(&self, model: &Model, nas: &NasConfig) -> Result<Update, PortError> {
        let port = |number: u16| {
            let socket = match self.open.contains(&number) {
                true => None,
                false => Some(open(number).map_err(|source| PortError { port: number, source })?),
            };
            Ok(Port { number, clients: clients(model, number), socket })
        };
        let ports = model.dynamic_request_ports().into_iter().map(port).collect::<Result<_, _>>()?;
        Ok(Update { nas: nas.clone(), ports })
    }

    /// Puts it into effect. Cannot be refused.
    pub(crate) fn apply(&mut self, update: Update) {
        self.open = update.ports.iter().map(|port| port.number).collect();
        // The task has ended only when the daemon ends.
        let _ = self.task.send(Told::Update(update));
    }

    /// What was counted on the ports that are open; zeros when the daemon ends.
    pub(crate) fn counters(&self) -> impl Future<Output = Counters> + Send + use<> {
        let (sender, answer) = oneshot::channel();
        let _ = self.task.send(Told::Counters(sender));
        async { answer.await.unwrap_or_default() }
    }
}

/// Who may send requests to a port: `radius-disconnect` entries to theirs, servers to their `dynamic-request-port`.
/// The first entry of an address holds.
fn clients(model: &Model, port: u16) -> Vec<DisconnectClient> {
    let (entries, entries_port) = model.radius_disconnect();
    let entries = entries.iter().filter(|_| port == entries_port).map(|entry| (entry.address, &entry.secret));
    let servers = model.radius_servers.iter().filter(|server| server.dynamic_request_port == Some(port));
    let mut clients: Vec<DisconnectClient> = Vec::new();
    for (address, secret) in entries.chain(servers.map(|server| (server.address.value, &server.secret))) {
        if clients.iter().all(|client| client.address != address) {
            clients.push(DisconnectClient { address, secret: Secret::new(secret.as_bytes()) });
        }
    }
    clients
}

fn open(port: u16) -> io::Result<std::net::UdpSocket> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// An open port. Each remembers the requests that it has answered.
struct Listener {
    port: u16,
    socket: UdpSocket,
    server: DynamicServer,
}

/// What became of a request.
struct Done {
    port: u16,
    reply: Reply,
    result: Result<(), ErrorCause>,
}

/// Takes requests until the daemon ends.
pub(crate) async fn run(mut told: mpsc::UnboundedReceiver<Told>, inbox: Inbox) {
    let mut listeners: Vec<Listener> = Vec::new();
    let mut nas = Arc::new(NasConfig::default());
    let mut waiting: JoinSet<Done> = JoinSet::new();
    let mut buffer = vec![0; BUFFER];
    let mut turn = 0;
    loop {
        tokio::select! {
            told = told.recv() => match told {
                Some(Told::Update(update)) => {
                    nas = Arc::new(update.nas);
                    listeners = listen(listeners, update.ports);
                }
                Some(Told::Counters(reply)) => {
                    // The asker may have gone.
                    let _ = reply.send(sum(listeners.iter().map(|listener| listener.server.counters())));
                }
                None => return,
            },
            (at, len, source) = receive(&listeners, &mut turn, &mut buffer) => {
                let Some(listener) = listeners.get_mut(at) else { continue };
                let Ok(local) = listener.socket.local_addr() else { continue };
                let now = clock::now();
                let datagram = buffer.get(..len).unwrap_or_default();
                match listener.server.judge(now.mono, now.wall, local, source, datagram) {
                    Verdict::Request(request) if waiting.len() < WAITING_MAX => {
                        waiting.spawn(carry_out(listener.port, request, Arc::clone(&nas), inbox.clone()));
                    }
                    Verdict::Request(request) => {
                        answer(listener, &request.reply, Err(ErrorCause::ResourcesUnavailable)).await;
                    }
                    Verdict::Repeat(bytes) => send(&listener.socket, &bytes, source).await,
                    Verdict::Drop(reason) => tracing::debug!(%source, ?reason, "dynamic RADIUS request dropped"),
                }
            }
            Some(done) = waiting.join_next() => {
                if let Ok(Done { port, reply, result }) = done
                    && let Some(listener) = listeners.iter_mut().find(|listener| listener.port == port)
                {
                    answer(listener, &reply, result).await;
                }
            }
        }
    }
}

/// Those of `ports`; what is open stays as it is.
fn listen(mut old: Vec<Listener>, ports: Vec<Port>) -> Vec<Listener> {
    let mut listeners = Vec::with_capacity(ports.len());
    for Port { number, clients, socket } in ports {
        let config = Config { clients, ..Config::default() };
        let kept = old.iter().position(|listener| listener.port == number).map(|at| old.swap_remove(at));
        match (kept, socket.map(UdpSocket::from_std)) {
            (Some(mut listener), _) => {
                listener.server.reconfigure(&config);
                listeners.push(listener);
            }
            (None, Some(Ok(socket))) => {
                listeners.push(Listener { port: number, socket, server: DynamicServer::new(&config) });
            }
            (None, refused) => tracing::error!(port = number, ?refused, "no dynamic RADIUS requests on this port"),
        }
    }
    listeners
}

fn sum(all: impl Iterator<Item = Counters>) -> Counters {
    all.fold(Counters::default(), |sum, one| Counters {
        disconnects: sum.disconnects + one.disconnects,
        coas: sum.coas + one.coas,
        acks: sum.acks + one.acks,
        naks: sum.naks + one.naks,
        repeated: sum.repeated + one.repeated,
        under_way: sum.under_way + one.under_way,
        unknown_clients: sum.unknown_clients + one.unknown_clients,
        malformed: sum.malformed + one.malformed,
        bad_authenticators: sum.bad_authenticators + one.bad_authenticators,
        stale: sum.stale + one.stale,
        forgotten: sum.forgotten + one.forgotten,
    })
}

/// The next datagram: which listener's, its length, its sender. Each listener has its turn. An error of a socket is
/// about something that was sent before.
async fn receive(listeners: &[Listener], turn: &mut usize, buffer: &mut [u8]) -> (usize, usize, SocketAddr) {
    poll_fn(|context| poll_receive(listeners, turn, buffer, context)).await
}

fn poll_receive(
    listeners: &[Listener],
    turn: &mut usize,
    buffer: &mut [u8],
    context: &mut Context<'_>,
) -> Poll<(usize, usize, SocketAddr)> {
    for offset in 0..listeners.len() {
        let at = (*turn + offset) % listeners.len();
        let Some(listener) = listeners.get(at) else { continue };
        loop {
            let mut read = ReadBuf::new(buffer);
            match listener.socket.poll_recv_from(context, &mut read) {
                Poll::Ready(Ok(source)) => {
                    *turn = at + 1;
                    return Poll::Ready((at, read.filled().len(), source));
                }
                Poll::Ready(Err(_)) => {}
                Poll::Pending => break,
            }
        }
    }
    Poll::Pending
}

async fn answer(listener: &mut Listener, reply: &Reply, result: Result<(), ErrorCause>) {
    tracing::info!(source = %reply.source, kind = ?reply.kind, ?result, "dynamic RADIUS request");
    if let Some(bytes) = listener.server.answer(reply, result) {
        send(&listener.socket, &bytes, reply.source).await;
    }
}

async fn send(socket: &UdpSocket, bytes: &[u8], to: SocketAddr) {
    if let Err(error) = socket.send_to(bytes, to).await {
        // The client asks again, and is answered from what is remembered.
        tracing::debug!(%to, %error, "an answer to a dynamic RADIUS request could not be sent");
    }
}

/// Asks the engine; the answer comes when what was asked for is on storage.
async fn carry_out(port: u16, request: Request, nas: Arc<NasConfig>, inbox: Inbox) -> Done {
    let result = match interpret(&request, &nas).and_then(|order| verb(&request, order)) {
        Ok(verb) => {
            let (sender, outcome) = oneshot::channel();
            inbox.send(Message::Command(verb, Actor::Unknown, sender));
            match outcome.await {
                Ok(EngineReply::Disconnected(outcome)) => judged(outcome),
                _ => Err(ErrorCause::ResourcesUnavailable),
            }
        }
        Err(cause) => Err(cause),
    };
    Done { port, reply: request.reply, result }
}

/// What the engine is asked to do.
fn verb(request: &Request, Order { selector, change }: Order) -> Result<Verb, ErrorCause> {
    let keys = keys(selector).ok_or(ErrorCause::SessionContextNotFound)?;
    let attributes = request.attributes.flat().map(|attribute| Attribute {
        vendor: attribute.vendor,
        code: attribute.code,
        value: attribute.value.into(),
    });
    let attributes = attributes.collect();
    Ok(match change {
        None => Verb::Disconnect { keys, attributes },
        Some(Change { session_timeout, pool, address }) => {
            let change = AuthorizationChange { session_secs: session_timeout, pool, address };
            Verb::ChangeAuthorization { keys, change, attributes }
        }
    })
}

/// What the engine did, in words of RFC 5176 §3.5.
fn judged(outcome: Disconnected) -> Result<(), ErrorCause> {
    match outcome {
        Disconnected::Cleared | Disconnected::Reconfiguring | Disconnected::Changed => Ok(()),
        Disconnected::Unsupported => Err(ErrorCause::UnsupportedService),
        Disconnected::BadValue => Err(ErrorCause::InvalidAttributeValue),
        Disconnected::Ignored => Err(ErrorCause::AdministrativelyProhibited),
        Disconnected::NotFound => Err(ErrorCause::SessionContextNotFound),
        Disconnected::Several => Err(ErrorCause::MultipleSessionSelectionUnsupported),
        Disconnected::Failed => Err(ErrorCause::ResourcesUnavailable),
    }
}

/// What the engine looks for; `None` where an id is none of ours: no session can match. An Acct-Session-Id is
/// `SESSION-START`, or the session's id alone.
fn keys(selector: Selector) -> Option<DisconnectKeys> {
    let Selector { session_id, multi_session_id, username, address, mac, interface } = selector;
    let (session, start) = match session_id.as_deref().map(|id| id.split_once('-').unwrap_or((id, ""))) {
        None => (None, None),
        Some((id, "")) => (Some(SessionId(id.parse().ok()?)), None),
        Some((id, start)) => (Some(SessionId(id.parse().ok()?)), Some(LeaseTime(start.parse().ok()?))),
    };
    let multi_session = match multi_session_id {
        Some(id) => Some(SessionId(id.parse().ok()?)),
        None => None,
    };
    Some(DisconnectKeys { session, start, multi_session, username, address, mac, interface })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_records_name_sessions() {
        let of = |id: &str| keys(Selector { session_id: Some(id.into()), ..Selector::default() });
        let ids = |keys: DisconnectKeys| (keys.session, keys.start);
        assert_eq!(of("7").map(ids), Some((Some(SessionId(7)), None)));
        assert_eq!(of("7-5000").map(ids), Some((Some(SessionId(7)), Some(LeaseTime(5_000)))));
        for foreign in ["", "x", "7-x", "-5", "7-5-5", "99999999999999999999"] {
            assert_eq!(of(foreign), None, "{foreign}");
        }
        let multi = |id: &str| keys(Selector { multi_session_id: Some(id.into()), ..Selector::default() });
        assert_eq!(multi("3").map(|keys| keys.multi_session), Some(Some(SessionId(3))));
        assert_eq!(multi("3-1"), None);
        let named = keys(Selector { username: Some("alice".into()), ..Selector::default() });
        assert_eq!(named.and_then(|keys| keys.username).as_deref(), Some("alice"));
    }

    #[test]
    fn each_outcome_has_its_error_cause() {
        let causes = [
            (Disconnected::Cleared, 0),
            (Disconnected::Reconfiguring, 0),
            (Disconnected::Changed, 0),
            (Disconnected::Unsupported, 405),
            (Disconnected::BadValue, 407),
            (Disconnected::Ignored, 501),
            (Disconnected::NotFound, 503),
            (Disconnected::Several, 508),
            (Disconnected::Failed, 506),
        ];
        for (outcome, cause) in causes {
            assert_eq!(judged(outcome).map_or_else(|cause| cause as u32, |()| 0), cause, "{outcome:?}");
        }
    }

    #[test]
    fn a_port_hears_those_who_are_configured_for_it() {
        let text = "access {
            radius-server \"192.0.2.1\" { secret a; dynamic-request-port 3799 }
            radius-server \"192.0.2.2\" { secret b; dynamic-request-port 4000 }
            radius-server \"192.0.2.3\" { secret c }
            radius-disconnect \"192.0.2.9\" { secret d }
        }";
        let loaded = bindery_config::load("f.kdl", text).unwrap_or_else(|errors| panic!("{errors}"));
        let heard = |port| -> Vec<String> {
            clients(&loaded.model, port).iter().map(|client| client.address.to_string()).collect()
        };
        assert_eq!(loaded.model.dynamic_request_ports(), [3799, 4000]);
        assert_eq!(heard(3799), ["192.0.2.9", "192.0.2.1"]);
        assert_eq!(heard(4000), ["192.0.2.2"]);
    }
}
