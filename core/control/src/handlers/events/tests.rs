//! Streams of events against an engine whose writers answer at once, on a clock that jumps.

use super::*;
use crate::{Answer, Backend, ConfigurationError, ReloadError, Requestor, Socket};
use bindery_api::{
    AaaStatistics, Binding, ConfigurationReply, ConfigurationRequest, IMPORT_MAX, Import, Imported, ImportedBinding,
    Permission, Plugin, RadiusServerList, Reloaded, VlanDevice,
};
use bindery_engine::{
    Engine, Input,
    command::ImportedBinding as Row,
    config::{Config, Pool, Range},
    input::CommandId,
    policy::NoPolicy,
};
use bindery_types::{EngineId, HwAddr, InstanceId, Ipv4Addr, MacAddr, Mono, Now, Wall};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::watch,
};

/// An engine, and how often it was asked.
struct Fake {
    engine: Mutex<Engine>,
    asked: AtomicUsize,
    /// It answers nothing any more.
    gone: AtomicBool,
    notices: Mutex<Vec<Notice>>,
    permission: Permission,
}

fn ip(n: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0000 + n)
}

fn config() -> Config {
    let pool = |name: &str, network: &str, low: u32, high: u32| Pool {
        name: name.into(),
        instance: InstanceId(0),
        network: network.parse().unwrap(),
        ranges: vec![Range { name: "r".into(), low: ip(low), high: ip(high) }],
        hosts: Vec::new(),
        host_table: None,
        excluded: Vec::new(),
        link: None,
        ..Pool::default()
    };
    let pools = vec![pool("p", "10.0.0.0/16", 1, 60_000), pool("q", "10.1.0.0/16", 0x1_0001, 0x1_1000)];
    Config { pools, ..Config::default() }
}

fn now() -> Now {
    Now { mono: Mono::from_secs(100), wall: Wall(1_800_000_000) }
}

impl Fake {
    fn new() -> Arc<Self> {
        Self::with(Permission::Configure)
    }

    fn with(permission: Permission) -> Arc<Self> {
        let mut engine = Engine::new(EngineId(0), 7, now(), Arc::new(config()));
        engine.restore(now(), None, []);
        let (engine, asked, gone) = (Mutex::new(engine), AtomicUsize::new(0), AtomicBool::new(false));
        Arc::new(Self { engine, asked, gone, notices: Mutex::default(), permission })
    }

    fn ask(&self, verb: Ask) -> Reply {
        let mut engine = self.engine.lock().unwrap();
        engine.handle(now(), Input::Command { id: CommandId(1), verb }, &mut NoPolicy);
        let up_to = engine.outbox().mutations.drain(..).next_back().map(|mutation| mutation.seq);
        if let Some(up_to) = up_to {
            engine.handle(now(), Input::Durable { up_to }, &mut NoPolicy);
        }
        engine.outbox().replies.pop().expect("an answer").1
    }

    /// Binds client `n` to address `n`.
    fn bind(&self, n: u32) {
        let [_, a, b, c] = n.to_be_bytes();
        let row = Row {
            address: ip(n),
            hw: HwAddr::from(MacAddr([2, 0, 0, a, b, c])),
            client_id: Box::default(),
            expires_in: Some(3_600),
            interface: None,
            giaddr: Ipv4Addr::UNSPECIFIED,
            host_name: Box::default(),
        };
        let reply = self.ask(Ask::Import { rows: vec![row] });
        assert!(matches!(reply, Reply::Imported { imported: 1, failed: false, .. }), "{reply:?}");
    }

    fn clear(&self, n: u32) {
        let reply = self.ask(Ask::ClearBindings { filter: Filter::Address(ip(n)), cursor: Cursor::START });
        assert!(matches!(reply, Reply::ClearedBindings { count: 1, failed: false, .. }), "{reply:?}");
    }

    /// A notice about client `n`.
    fn notice(&self, n: u32) {
        let mut notices = self.notices.lock().unwrap();
        let sequence = notices.len() as u64 + 1;
        notices.push(Notice { sequence, address: Some(ip(n).to_string()), ..Notice::default() });
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Backend for Fake {
    fn engine(&self, verb: Ask) -> Answer<'_, Option<Reply>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move { (!self.gone.load(Ordering::Relaxed)).then(|| self.ask(verb)) })
    }

    fn plugins(&self) -> Answer<'_, Option<Vec<Plugin>>> {
        Box::pin(async { None })
    }

    fn radius_servers(&self) -> Answer<'_, Option<RadiusServerList>> {
        Box::pin(async { None })
    }

    fn aaa_statistics(&self) -> Answer<'_, Option<AaaStatistics>> {
        Box::pin(async { None })
    }

    fn notices(&self, after: Option<u64>) -> Answer<'_, Option<Notices>> {
        let notices = self.notices.lock().unwrap();
        let next = notices.len() as u64;
        let rows = notices.iter().filter(|it| after.is_some_and(|after| it.sequence > after)).cloned().collect();
        Box::pin(async move { Some(Notices { rows, next }) })
    }

    fn vlan_devices(&self) -> Answer<'_, Option<Vec<VlanDevice>>> {
        Box::pin(async { None })
    }

    fn permission(&self, _: Requestor) -> Answer<'_, Option<Permission>> {
        Box::pin(async { Some(self.permission) })
    }

    fn configuration(
        &self,
        _: Requestor,
        _: ConfigurationRequest,
    ) -> Answer<'_, Result<ConfigurationReply, ConfigurationError>> {
        Box::pin(async { Err(ConfigurationError::Unavailable(String::new())) })
    }

    fn reload(&self, _: bool) -> Answer<'_, Result<Reloaded, ReloadError>> {
        Box::pin(async { Err(ReloadError(String::new())) })
    }

    fn revision(&self) -> Answer<'_, u64> {
        Box::pin(async { 0 })
    }

    fn shutdown(&self, _: bool) -> Answer<'_, ()> {
        Box::pin(async {})
    }
}

/// What the streams share, and what ends them.
fn shared() -> (Events, watch::Sender<()>) {
    let (open, ending) = watch::channel(());
    (Events::new(ending), open)
}

fn reader(fake: &Arc<Fake>, events: &Events, filter: Filter, resume: Option<&str>) -> Reader {
    let backend: Back = Arc::clone(fake) as _;
    Reader::new(backend, events.clone(), filter, resume).ok().expect("room")
}

/// An event as a reader takes it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Told {
    id: Option<String>,
    event: String,
    data: String,
}

/// The events of a piece of the stream; what has no data is no event.
fn parse(text: &str) -> Vec<Told> {
    let mut events = Vec::new();
    for block in text.split("\n\n").filter(|block| !block.is_empty()) {
        let mut told = Told::default();
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("id", id)) => told.id = Some(id.to_owned()),
                Some(("event", event)) => event.clone_into(&mut told.event),
                Some(("data", data)) => data.clone_into(&mut told.data),
                Some(("", _)) => {}
                _ => panic!("{line}"),
            }
        }
        events.extend((!told.data.is_empty()).then_some(told));
    }
    events
}

/// A reader's table, as the API's documentation tells it to keep one.
#[derive(Default)]
struct Table {
    bindings: BTreeMap<u64, Binding>,
    id: Option<String>,
    synced: usize,
    resets: Vec<String>,
}

impl Table {
    fn take(&mut self, text: &str) {
        for told in parse(text) {
            let event = || serde_json::from_str::<Event>(&told.data).unwrap();
            match told.event.as_str() {
                "binding" => {
                    let event = event();
                    self.bindings.insert(event.binding.session_id, event.binding);
                }
                "ended" => {
                    self.bindings.remove(&event().binding.session_id);
                }
                "synced" => self.synced += 1,
                "reset" => {
                    self.bindings.clear();
                    self.resets.push(told.data.clone());
                }
                other => panic!("{other}"),
            }
            self.id = told.id.or(self.id.take());
        }
    }

    async fn until_synced(&mut self, reader: &mut Reader) {
        let before = self.synced;
        while self.synced == before {
            self.take(&reader.next().await.expect("more"));
        }
    }

    fn addresses(&self) -> Vec<&str> {
        self.bindings.values().map(|binding| binding.allocated_address.as_str()).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn the_full_state_then_changes() {
    let (fake, (events, _open)) = (Fake::new(), shared());
    [1, 2].into_iter().for_each(|n| fake.bind(n));
    let mut reader = reader(&fake, &events, Filter::All, None);
    let mut table = Table::default();
    let first = reader.next().await.unwrap();
    assert!(parse(&first).iter().all(|told| told.event == "binding" && told.id.is_none()), "{first}");
    assert!(first.contains(r#""change":"present""#) && !first.contains("sequence"), "{first}");
    table.take(&first);
    table.until_synced(&mut reader).await;
    assert_eq!(table.addresses(), ["10.0.0.1", "10.0.0.2"]);
    fake.bind(3);
    fake.clear(1);
    let changes = reader.next().await.unwrap();
    let told = parse(&changes);
    assert_eq!(told.iter().map(|told| told.event.as_str()).collect::<Vec<_>>(), ["binding", "ended"]);
    assert!(told.iter().all(|told| told.id.is_some()));
    let ended: Event = serde_json::from_str(&told[1].data).unwrap();
    assert_eq!((ended.change, ended.binding.lease_state.as_str()), (BindingChange::Cleared, "CLEARED"));
    assert_eq!(told[1].id, Some(events.id(ended.sequence.unwrap(), 0)));
    table.take(&changes);
    assert_eq!(table.addresses(), ["10.0.0.2", "10.0.0.3"]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_goes_on_at_any_id() {
    let (fake, (events, _open)) = (Fake::new(), shared());
    fake.bind(1);
    let mut first = reader(&fake, &events, Filter::All, None);
    let mut table = Table::default();
    table.until_synced(&mut first).await;
    let synced = table.id.clone().unwrap();
    drop(first);
    fake.bind(2);
    fake.bind(3);
    let mut again = reader(&fake, &events, Filter::All, Some(&synced));
    let told = parse(&again.next().await.unwrap());
    assert_eq!(told.len(), 2);
    let mut last = reader(&fake, &events, Filter::All, told[0].id.as_deref());
    table.take(&last.next().await.unwrap());
    assert_eq!(table.addresses(), ["10.0.0.1", "10.0.0.3"]);
    assert!(table.resets.is_empty());
}

#[tokio::test(start_paused = true)]
async fn ids_of_another_run_and_lost_ones_begin_anew() {
    let (fake, (events, _open)) = (Fake::new(), shared());
    fake.bind(1);
    for (resume, reason) in [
        ("0123456789abcdef-5".to_owned(), r#"{"reason":"other-run"}"#),
        ("nonsense".to_owned(), r#"{"reason":"other-run"}"#),
        // The engine's order begins far behind it.
        (events.id(1, 0), r#"{"reason":"lost"}"#),
    ] {
        let mut reader = reader(&fake, &events, Filter::All, Some(&resume));
        let mut table = Table::default();
        let first = reader.next().await.unwrap();
        assert_eq!(parse(&first)[0].event, "reset", "{resume}");
        table.take(&first);
        table.until_synced(&mut reader).await;
        assert_eq!(table.resets, [reason], "{resume}");
        assert_eq!(table.addresses(), ["10.0.0.1"], "{resume}");
    }
}

#[tokio::test(start_paused = true)]
async fn changes_between_pages_are_not_missed() {
    let (fake, (events, _open)) = (Fake::new(), shared());
    (1..=600).for_each(|n| fake.bind(n));
    let mut reader = reader(&fake, &events, Filter::All, None);
    let mut table = Table::default();
    table.take(&reader.next().await.unwrap());
    assert_eq!(table.bindings.len(), 256);
    // One that was told, one that is yet to come, one that takes a slot behind, one that comes and goes.
    fake.clear(10);
    fake.clear(590);
    fake.bind(601);
    fake.bind(602);
    fake.clear(602);
    table.until_synced(&mut reader).await;
    let mut wanted: Vec<String> =
        (1..=601).filter(|n| ![10, 590].contains(n)).map(|n: u32| ip(n).to_string()).collect();
    let mut told = table.addresses();
    told.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(told, wanted);
}

#[tokio::test(start_paused = true)]
async fn a_filter_shows_its_part_and_moves_on_with_the_rest() {
    let (fake, (events, _open)) = (Fake::new(), shared());
    [1, 0x1_0001].into_iter().for_each(|n| fake.bind(n));
    let mut reader = reader(&fake, &events, Filter::Pool("q".into()), None);
    let mut table = Table::default();
    table.until_synced(&mut reader).await;
    assert_eq!(table.addresses(), ["10.1.0.1"]);
    let before = table.id.clone();
    fake.bind(2);
    let quiet = reader.next().await.unwrap();
    assert!(quiet.starts_with(": keep-alive\n") && parse(&quiet).is_empty(), "{quiet}");
    let (_, id) = quiet.trim_end().split_once("\nid: ").unwrap();
    assert_ne!(Some(id.to_owned()), before, "a hidden change did not move the place to go on from");
    fake.bind(0x1_0002);
    table.take(&reader.next().await.unwrap());
    assert_eq!(table.addresses(), ["10.1.0.1", "10.1.0.2"]);
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_is_kept_alive_and_asks_at_its_pace() {
    let (fake, (events, _open)) = (Fake::new(), shared());
    let mut reader = reader(&fake, &events, Filter::All, None);
    Table::default().until_synced(&mut reader).await;
    let (began, asked) = (Instant::now(), fake.asked());
    assert!(reader.next().await.unwrap().starts_with(": keep-alive\n"));
    assert_eq!(began.elapsed(), KEEP_ALIVE);
    let asked = fake.asked() - asked;
    assert!((149..=152).contains(&asked), "{asked} questions in 15 s");
    // Nobody reads: nothing is asked.
    let asked = fake.asked();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(fake.asked(), asked);
}

#[tokio::test(start_paused = true)]
async fn streams_end_with_the_api_and_with_the_daemon() {
    let (fake, (events, open)) = (Fake::new(), shared());
    let mut idle = reader(&fake, &events, Filter::All, None);
    Table::default().until_synced(&mut idle).await;
    let waits = tokio::spawn(async move { idle.next().await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(open);
    assert_eq!(waits.await.unwrap(), None);
    assert_eq!(reader(&fake, &events, Filter::All, None).next().await, None);
    let (events, _open) = shared();
    fake.gone.store(true, Ordering::Relaxed);
    assert_eq!(reader(&fake, &events, Filter::All, None).next().await, None);
}

// Over the socket.

struct Site {
    path: PathBuf,
    _dir: tempfile::TempDir,
    _end: tokio::sync::oneshot::Sender<()>,
}

fn site(fake: &Arc<Fake>) -> Site {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let socket = Socket::open(&path).unwrap();
    let (end, ended) = tokio::sync::oneshot::channel();
    let backend: Arc<dyn Backend> = Arc::clone(fake) as _;
    tokio::spawn(crate::serve(socket, backend, async {
        let _ = ended.await;
    }));
    Site { path, _dir: dir, _end: end }
}

impl Site {
    async fn send(&self, request: &str) -> UnixStream {
        let mut stream = UnixStream::connect(&self.path).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn get(&self, target: &str, headers: &str) -> UnixStream {
        self.send(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")).await
    }

    async fn post(&self, target: &str, body: &str) -> String {
        let head = format!("POST {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ");
        let mut stream = self.send(&format!("{head}{}\r\n\r\n", body.len())).await;
        // A body that is too large is not taken: what was answered counts.
        let _ = stream.write_all(body.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// Reads until the text has `mark`; all that was read.
async fn read_until(stream: &mut UnixStream, mark: &str) -> String {
    let (mut text, mut piece) = (String::new(), vec![0; 65_536]);
    while !text.contains(mark) {
        let len = stream.read(&mut piece).await.unwrap();
        assert!(len > 0, "the stream ended: {text}");
        text.push_str(&String::from_utf8_lossy(&piece[..len]));
    }
    text
}

#[tokio::test(start_paused = true)]
async fn events_over_the_socket_outlive_the_time_of_a_request() {
    let fake = Fake::new();
    fake.bind(1);
    let site = site(&fake);
    let mut stream = site.get("/v1/events", "").await;
    let text = read_until(&mut stream, "event: synced").await;
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("content-type: text/event-stream\r\n"), "{text}");
    assert!(text.contains("event: binding\ndata: {\"change\":\"present\",\"binding\":{\"session-id\":"), "{text}");
    let began = Instant::now();
    while began.elapsed() < 2 * crate::REQUEST_MAX {
        read_until(&mut stream, ": keep-alive").await;
    }
    fake.bind(2);
    let text = read_until(&mut stream, "10.0.0.2").await;
    let id = text.split("id: ").last().unwrap().lines().next().unwrap().to_owned();
    // The header comes before the query.
    fake.bind(3);
    let mut again = site.get("/v1/events?resume=0-0&address=10.0.0.3", &format!("Last-Event-ID: {id}\r\n")).await;
    let text = read_until(&mut again, "10.0.0.3").await;
    assert!(text.contains(r#""change":"bound""#) && !text.contains("event: reset"), "{text}");
    let mut wrong = site.get("/v1/events?pool=p&all=true", "").await;
    read_until(&mut wrong, "400 Bad Request").await;
}

#[tokio::test(start_paused = true)]
async fn notices_are_told_once_each_across_resumes() {
    let fake = Fake::new();
    // What was before is nothing to a new reader.
    fake.notice(9);
    fake.bind(1);
    let site = site(&fake);
    let mut stream = site.get("/v1/events", "").await;
    let text = read_until(&mut stream, "event: synced").await;
    assert!(!text.contains("event: notice"), "{text}");
    fake.notice(1);
    let text = read_until(&mut stream, "10.0.0.1").await;
    assert!(text.contains("event: notice") && text.contains("\"sequence\":2"), "{text}");
    fake.bind(2);
    let text = read_until(&mut stream, "10.0.0.2").await;
    let id = text.split("id: ").last().unwrap().lines().next().unwrap().to_owned();
    drop(stream);
    fake.notice(2);
    fake.notice(3);
    let mut again = site.get(&format!("/v1/events?address=10.0.0.3&resume={id}"), "").await;
    let text = read_until(&mut again, "10.0.0.3").await;
    let [told, reset] = ["event: notice", "event: reset"].map(|kind| text.matches(kind).count());
    assert_eq!((told, reset), (1, 0), "of a selection only what it names: {text}");
    let id = text.split("id: ").last().unwrap().lines().next().unwrap().to_owned();
    fake.notice(3);
    let mut again = site.get("/v1/events", &format!("Last-Event-ID: {id}\r\n")).await;
    let text = read_until(&mut again, "10.0.0.3").await;
    assert!(text.contains("\"sequence\":5") && text.matches("event: notice").count() == 1, "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_is_cut_off_and_makes_room() {
    let fake = Fake::new();
    // More than the buffers of a connection hold.
    (1..=6_000).for_each(|n| fake.bind(n));
    let site = site(&fake);
    let mut readers = Vec::new();
    for _ in 0..READERS_MAX {
        let mut stream = site.get("/v1/events", "").await;
        read_until(&mut stream, "event: binding").await;
        readers.push(stream);
    }
    let mut refused = site.get("/v1/events", "").await;
    let text = read_until(&mut refused, "readers of events").await;
    assert!(text.starts_with("HTTP/1.1 503 "), "{text}");
    drop(refused);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let held = Arc::strong_count(&fake);
    // Nobody takes anything: what the engine is asked for comes to an end long before the last page.
    tokio::time::sleep(crate::limit::STALL_MAX - Duration::from_secs(2)).await;
    let asked = fake.asked();
    assert!(asked < READERS_MAX * 20, "{asked}");
    assert_eq!(Arc::strong_count(&fake), held, "cut off too early");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(Arc::strong_count(&fake) <= held - READERS_MAX, "not cut off");
    let mut rest = Vec::new();
    let _ = readers[0].read_to_end(&mut rest).await;
    assert!(!String::from_utf8_lossy(&rest).contains("event: synced"));
    // The places are free.
    let mut stream = site.get("/v1/events?mac=02:00:00:00:00:01", "").await;
    read_until(&mut stream, "event: synced").await;
}

#[tokio::test(start_paused = true)]
async fn import_over_the_socket() {
    let fake = Fake::new();
    let site = site(&fake);
    let row = |n: u32| ImportedBinding {
        allocated_address: ip(n).to_string(),
        mac_address: format!("02:00:00:00:{:02x}:{:02x}", n >> 8, n & 255),
        lease_expires: 600,
        host_name: Some("x".repeat(200)),
        ..ImportedBinding::default()
    };
    let mut bindings: Vec<ImportedBinding> = (1..=256).map(row).collect();
    bindings[3].mac_address = "nothing".to_owned();
    bindings[7].allocated_address = "192.0.2.1".to_owned();
    bindings[9] = ImportedBinding { mac_address: "02:ff:00:00:00:01".to_owned(), ..row(1) };
    let json = |bindings: &[ImportedBinding]| serde_json::to_string(&Import { bindings: bindings.to_vec() }).unwrap();
    let path = "/v1/dhcp/server/bindings/import";
    let answer = site.post(path, &json(&bindings)).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let imported: Imported = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(imported.imported, IMPORT_MAX as u64 - 3);
    let refused: Vec<_> = imported.refused.iter().map(|r| (r.index, r.reason.as_str())).collect();
    assert!(
        matches!(
            refused[..],
            [(3, _), (7, "the address is in no pool"), (9, "the address is in use or in quarantine")]
        ),
        "{refused:?}"
    );
    bindings.push(row(300));
    assert!(site.post(path, &json(&bindings)).await.starts_with("HTTP/1.1 400 "));
    assert!(site.post(path, "{").await.starts_with("HTTP/1.1 400 "));
    let large = " ".repeat(crate::IMPORT_BODY_MAX + 1);
    assert!(site.post(path, &large).await.starts_with("HTTP/1.1 413 "));
    let other = Fake::with(Permission::Clear);
    let denied = self::site(&other).post(path, &json(&[row(1)])).await;
    assert!(denied.starts_with("HTTP/1.1 403 ") && other.asked() == 0, "{denied}");
}
