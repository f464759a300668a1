//! A daemon whose engine has no network and whose writers answer at once.

use crate::configuration;
use bindery_api::{
    AaaStatistics, ConfigurationReply, ConfigurationRequest, Counter, Notice, Permission, Plugin, RadiusServer,
    RadiusServerList, Reloaded, VlanDevice,
};
use bindery_control::{Answer, Backend, ConfigurationError, Notices, ReloadError, Requestor};
use bindery_engine::{
    Engine, Input,
    command::{ImportedBinding, Reply, Verb},
    history::Actor,
    input::{CommandId, Link, RxMeta},
    policy::NoPolicy,
};
use bindery_types::{EngineId, HwAddr, IfIndex, Ipv4Addr, MacAddr, Mono, Now, Wall};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

/// What its engine runs on.
const CONFIGURATION: &str = r#"
access { address-assignment {
    pool p { family inet { network "10.0.0.0/16"; range r { low "10.0.0.1"; high "10.0.250.1" } } }
    pool q { family inet { network "10.1.0.0/16"; range r { low "10.1.0.1"; high "10.1.0.9" } } }
} }
"#;

/// Bindings that it begins with: addresses 10.0.0.1 and on.
const BINDINGS: u32 = 300;

/// It answers as the daemon does, from memory.
#[derive(Debug)]
pub struct Daemon {
    engine: Mutex<Engine>,
    permission: Option<Permission>,
    hangs: AtomicBool,
    configuration: Mutex<configuration::Sessions>,
}

impl Daemon {
    /// It has 300 bindings; every requestor has `permission`.
    pub fn new(permission: Option<Permission>) -> Arc<Self> {
        let config = bindery_config::load("api", CONFIGURATION).map(|loaded| loaded.engine).unwrap_or_default();
        let mut engine = Engine::new(EngineId(0), 7, now(), config);
        engine.restore(now(), None, []);
        engine.handle(now(), Input::LinkSet(link()), &mut NoPolicy);
        let (engine, hangs) = (Mutex::new(engine), AtomicBool::new(false));
        let daemon = Self { engine, permission, hangs, configuration: Mutex::default() };
        for first in (1..=BINDINGS).step_by(100) {
            daemon.ask(Verb::Import { rows: (first..first + 100).map(row).collect() });
        }
        Arc::new(daemon)
    }

    /// It receives a datagram on its one interface, which is in no group.
    pub fn receive(&self, bytes: &[u8]) {
        let meta = RxMeta {
            link: IfIndex(1),
            src: Ipv4Addr::UNSPECIFIED,
            src_port: 68,
            dst: Ipv4Addr::BROADCAST,
            src_mac: None,
        };
        if let Ok(mut engine) = self.engine.lock() {
            engine.handle(now(), Input::Datagram4 { meta, bytes }, &mut NoPolicy);
        }
    }

    /// From now on no request is answered.
    pub fn hang(&self) {
        self.hangs.store(true, Ordering::Relaxed);
    }

    fn ask(&self, verb: Verb) -> Option<Reply> {
        let mut engine = self.engine.lock().ok()?;
        engine.handle(now(), Input::Command { id: CommandId(1), verb }, &mut NoPolicy);
        let up_to = engine.outbox().mutations.drain(..).next_back().map(|mutation| mutation.seq);
        if let Some(up_to) = up_to {
            engine.handle(now(), Input::Durable { up_to }, &mut NoPolicy);
        }
        Some(engine.outbox().replies.pop()?.1)
    }

    /// `answer`, unless it hangs.
    fn later<'a, T: Send + 'a>(&'a self, answer: impl FnOnce() -> T + Send + 'a) -> Answer<'a, T> {
        Box::pin(async move {
            if self.hangs.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            answer()
        })
    }
}

fn link() -> Link {
    Link { name: "eth1".into(), up: true, ..Link::new(IfIndex(1)) }
}

fn now() -> Now {
    Now { mono: Mono::from_secs(100), wall: Wall(1_800_000_000) }
}

fn row(n: u32) -> ImportedBinding {
    let [_, a, b, c] = n.to_be_bytes();
    ImportedBinding {
        address: Ipv4Addr::from_bits(0x0a00_0000 + n),
        hw: HwAddr::from(MacAddr([2, 0, 0, a, b, c])),
        client_id: Box::default(),
        expires_in: Some(3_600),
        interface: None,
        giaddr: Ipv4Addr::UNSPECIFIED,
        host_name: Box::from(*b"host"),
    }
}

fn counters() -> Vec<Counter> {
    vec![Counter { name: "requests".to_owned(), label: "Requests".to_owned(), count: 1 }]
}

impl Backend for Daemon {
    fn engine(&self, verb: Verb) -> Answer<'_, Option<Reply>> {
        self.later(|| self.ask(verb))
    }

    fn engine_for(&self, requestor: Requestor, verb: Verb) -> Answer<'_, Option<Reply>> {
        let actor = requestor.uid.map_or(Actor::Unknown, Actor::Operator);
        self.later(move || {
            self.engine.lock().ok()?.set_actor(actor);
            self.ask(verb)
        })
    }

    fn plugins(&self) -> Answer<'_, Option<Vec<Plugin>>> {
        self.later(|| {
            Some(vec![Plugin {
                name: "a".to_owned(),
                path: "a.wasm".to_owned(),
                sha256: "00".repeat(32),
                state: "running".to_owned(),
                calls: 1,
                drops: 0,
                failed: 0,
                failures: counters(),
                counters: Vec::new(),
                restarts: 0,
                last_failure: String::new(),
                p50_ns: 1,
                p99_ns: 1,
                memory_bytes: 65_536,
            }])
        })
    }

    fn radius_servers(&self) -> Answer<'_, Option<RadiusServerList>> {
        self.later(|| {
            let server = RadiusServer {
                address: "192.0.2.1".to_owned(),
                port: 1812,
                service: "authentication".to_owned(),
                state: "up".to_owned(),
                outstanding: 0,
                requests: 1,
                timeouts: 0,
                counters: counters(),
            };
            Some(RadiusServerList { servers: vec![server] })
        })
    }

    fn aaa_statistics(&self) -> Answer<'_, Option<AaaStatistics>> {
        self.later(|| Some(AaaStatistics { authentication: counters(), ..AaaStatistics::default() }))
    }

    fn notices(&self, after: Option<u64>) -> Answer<'_, Option<Notices>> {
        let notice = Notice { sequence: 1, name: "pool-exhausted".to_owned(), ..Notice::default() };
        self.later(move || {
            Some(Notices { rows: after.filter(|after| *after < 1).map(|_| notice).into_iter().collect(), next: 1 })
        })
    }

    fn vlan_devices(&self) -> Answer<'_, Option<Vec<VlanDevice>>> {
        self.later(|| {
            Some(vec![VlanDevice {
                interface_name: "eth1.100".to_owned(),
                underlying_interface: "eth1".to_owned(),
                protocol: "802.1Q".to_owned(),
                vlan_id: 100,
                state: "present".to_owned(),
                sessions: 1,
            }])
        })
    }

    fn permission(&self, _: Requestor) -> Answer<'_, Option<Permission>> {
        Box::pin(async { self.permission })
    }

    fn configuration(
        &self,
        requestor: Requestor,
        request: ConfigurationRequest,
    ) -> Answer<'_, Result<ConfigurationReply, ConfigurationError>> {
        self.later(move || match self.configuration.lock() {
            Ok(mut sessions) => sessions.answer(requestor, request),
            Err(_) => Err(ConfigurationError::Unavailable("a request panicked".to_owned())),
        })
    }

    fn reload(&self, force: bool) -> Answer<'_, Result<Reloaded, ReloadError>> {
        self.later(move || match force {
            true => Ok(Reloaded { revision: 1, changes: Vec::new() }),
            false => Err(ReloadError("live sessions would be dropped: use force".to_owned())),
        })
    }

    fn revision(&self) -> Answer<'_, u64> {
        self.later(|| 1)
    }

    fn shutdown(&self, _: bool) -> Answer<'_, ()> {
        self.later(|| ())
    }
}
