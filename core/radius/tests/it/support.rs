//! A task under test, and a small RADIUS server.

use bindery_radius::accounting::{Record, Session, Usage};
use bindery_radius::client::Answer;
use bindery_radius::config::{Config, NasConfig, ProfileConfig, ServerConfig};
use bindery_radius::packet::{self, AttributeList, Code, Packet, Secret, Type};
use bindery_radius::shell::{Event, Handle, Settings, SpawnError, spawn};
use bindery_radius::{access::Subscriber, accounting::TerminateCause};
use bindery_types::Wall;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// Longer than anything takes; a test that waits as long has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) const SECRET: &str = "s3cret-of-tests";

pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(crate) struct Radius {
    pub(crate) handle: Handle,
    pub(crate) events: mpsc::Receiver<Event>,
}

impl Radius {
    pub(crate) fn start(config: Config, accounting_file: Option<PathBuf>) -> Self {
        Self::try_start(config, accounting_file).unwrap()
    }

    pub(crate) fn try_start(config: Config, accounting_file: Option<PathBuf>) -> Result<Self, SpawnError> {
        let (sender, events) = mpsc::channel(2048);
        let runtime = tokio::runtime::Handle::current();
        let settings = Settings { config, accounting_file };
        let handle = spawn(&runtime, settings, move |event| sender.try_send(event).is_ok())?;
        Ok(Self { handle, events })
    }

    pub(crate) async fn event(&mut self) -> Event {
        tokio::time::timeout(DEADLINE, self.events.recv()).await.expect("an event in time").expect("the task runs")
    }

    pub(crate) async fn access(&mut self) -> (u64, Answer) {
        match self.event().await {
            Event::Access { tag, answer, .. } => (tag, answer),
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the status is as wanted.
    pub(crate) async fn until(&self, what: &str, wanted: impl Fn(&bindery_radius::shell::Status) -> bool) {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        let looks = async {
            while !wanted(&self.handle.status().await.unwrap()) {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(DEADLINE, looks).await.unwrap_or_else(|_| panic!("not in time: {what}"));
    }
}

/// One server on loopback in profile "p". Tries are many: a busy machine may lose or delay some.
pub(crate) fn config(port: u16, accounting_port: u16) -> Config {
    let mut server = ServerConfig::new(LOOPBACK, SECRET.into());
    (server.port, server.accounting_port) = (port, accounting_port);
    (server.timeout, server.retry) = (1, 5);
    let (authentication, accounting) = (vec![LOOPBACK], vec![LOOPBACK]);
    let profile = ProfileConfig { name: "p".into(), authentication, accounting, ..ProfileConfig::default() };
    let mut config = Config { servers: vec![server], profiles: vec![profile], nas: nas(), ..Config::default() };
    config.options.request_rate = 4000;
    config
}

pub(crate) fn nas() -> NasConfig {
    NasConfig { identifier: "bng-1".into(), address: Some(Ipv4Addr::new(192, 0, 2, 7)) }
}

pub(crate) fn user(name: &str) -> AttributeList {
    let subscriber = Subscriber { username: name, session_id: "s1", interface: "eth1", ..Subscriber::default() };
    subscriber.access_attributes(&nas()).unwrap()
}

pub(crate) fn wall() -> Wall {
    Wall(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs())
}

pub(crate) fn start(id: &str) -> Record {
    Record::start("p".into(), &nas(), &session(id), wall()).unwrap()
}

pub(crate) fn interim(id: &str, usage: Usage) -> Record {
    Record::interim("p".into(), &nas(), &session(id), wall(), &usage).unwrap()
}

pub(crate) fn stop(id: &str, usage: Usage) -> Record {
    Record::stop("p".into(), &nas(), &session(id), wall(), &usage, TerminateCause::USER_REQUEST).unwrap()
}

fn session(id: &str) -> Session<'_> {
    let subscriber = Subscriber { username: "alice", session_id: id, interface: "eth1", ..Subscriber::default() };
    Session { subscriber, address: Some(Ipv4Addr::new(10, 0, 0, 1)), ..Session::default() }
}

/// A server that answers by user name: `reject` is rejected, `silent` ignored, everybody else accepted. Accounting
/// records go to `records` as (session, status).
pub(crate) struct Small {
    pub(crate) port: u16,
    pub(crate) accounting_port: u16,
    pub(crate) records: mpsc::UnboundedReceiver<(String, u32)>,
}

impl Small {
    pub(crate) async fn start() -> Self {
        Self::at(LOOPBACK).await.unwrap()
    }

    pub(crate) async fn at(address: IpAddr) -> std::io::Result<Self> {
        Ok(Self::on(UdpSocket::bind((address, 0)).await?, UdpSocket::bind((address, 0)).await?))
    }

    pub(crate) fn on(socket: UdpSocket, accounting: UdpSocket) -> Self {
        let (port, accounting_port) = (socket.local_addr().unwrap().port(), accounting.local_addr().unwrap().port());
        let (sender, records) = mpsc::unbounded_channel();
        tokio::spawn(serve(socket, None));
        tokio::spawn(serve(accounting, Some(sender)));
        Self { port, accounting_port, records }
    }

    pub(crate) async fn record(&mut self) -> (String, u32) {
        tokio::time::timeout(DEADLINE, self.records.recv()).await.expect("a record in time").unwrap()
    }
}

async fn serve(socket: UdpSocket, records: Option<mpsc::UnboundedSender<(String, u32)>>) {
    let secret = Secret::from(SECRET);
    let mut buffer = [0; 4096];
    loop {
        let (length, source) = socket.recv_from(&mut buffer).await.unwrap();
        let packet = Packet::decode(&buffer[..length]).unwrap();
        let mut attributes = AttributeList::new();
        let code = match (&records, packet.code()) {
            (None, Code::AccessRequest) => {
                packet::verify_access_request(&packet, &secret).unwrap();
                match packet.first(Type::USER_NAME) {
                    Some(b"silent") => continue,
                    Some(b"reject") => Code::AccessReject,
                    _ => {
                        attributes.push_address(Type::FRAMED_IP_ADDRESS, Ipv4Addr::new(10, 0, 0, 9)).unwrap();
                        Code::AccessAccept
                    }
                }
            }
            (Some(records), Code::AccountingRequest) => {
                packet::verify_signed_request(&packet, &secret, false).unwrap();
                let id = String::from_utf8(packet.first(Type::ACCT_SESSION_ID).unwrap().to_vec()).unwrap();
                let status = packet.attributes().find(|a| a.kind == Type::ACCT_STATUS_TYPE).unwrap().number().unwrap();
                let _ = records.send((id, status));
                Code::AccountingResponse
            }
            other => panic!("{other:?}"),
        };
        let reply = packet::response(code, packet.id(), packet.authenticator(), &attributes, &secret, true).unwrap();
        socket.send_to(&reply, source).await.unwrap();
    }
}

/// Two free ports. Somebody else may take them before they are used; nobody here binds fixed ones.
pub(crate) async fn free_ports() -> (u16, u16) {
    let first = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    let second = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
    (first.local_addr().unwrap().port(), second.local_addr().unwrap().port())
}

/// A client of dynamic requests.
pub(crate) struct Admin {
    socket: UdpSocket,
    server: SocketAddr,
}

impl Admin {
    pub(crate) async fn of(radius: &Radius) -> Self {
        let socket = UdpSocket::bind((LOOPBACK, 0)).await.unwrap();
        Self { socket, server: radius.handle.listening()[0] }
    }

    pub(crate) async fn send(&self, bytes: &[u8]) {
        self.socket.send_to(bytes, self.server).await.unwrap();
    }

    pub(crate) async fn receive(&self) -> Vec<u8> {
        let mut buffer = vec![0; 4096];
        let length = tokio::time::timeout(DEADLINE, self.socket.recv(&mut buffer)).await.unwrap().unwrap();
        buffer.truncate(length);
        buffer
    }
}
