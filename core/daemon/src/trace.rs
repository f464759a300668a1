//! What the packet thread tells trace files and the log of single exchanges. Off, it costs one branch a packet.

use bindery_config::{
    Loaded,
    model::{Trace as Written, Traces as Wanted},
};
use bindery_engine::{
    Engine, Outbox, TracedInterface, command::Reply, event::DropReason, history::HistoryView, input::RxMeta,
    output::StoreOp,
};
use bindery_netlink::RouteEvent;
use bindery_store::StoreEvent;
use bindery_trace::{Flag, Flags, Level, Place, Scope, Settings, Tracer};
use bindery_types::{Mono, Now};
use std::time::Duration;

/// How often the counters are traced.
const STATISTICS_EVERY: Duration = Duration::from_secs(60);

/// How often the longest turn is traced.
const PERFORMANCE_EVERY: Duration = Duration::from_secs(10);

/// Traces and the log of exchanges, on the packet thread.
#[derive(Default)]
pub(crate) struct Traces {
    tracer: Option<Tracer>,
    /// Whether `BINDERY_LOG` asks for exchanges (`exchange=debug`).
    logs: bool,
    /// Next lines of `statistics` and `performance`.
    due: [Mono; 2],
    /// Turns since the last line of `performance`, and the longest of them.
    turns: (u64, Duration),
}

impl Traces {
    pub(crate) fn new(tracer: Option<Tracer>) -> Self {
        Self { tracer, logs: tracing::enabled!(target: "exchange", tracing::Level::DEBUG), ..Self::default() }
    }

    /// Other files from now on.
    pub(crate) fn set(&mut self, engine: &mut Engine, tracer: Option<Tracer>) {
        self.tracer = tracer;
        self.arm(engine);
    }

    /// Tells the engine whether anybody listens.
    pub(crate) fn arm(&self, engine: &mut Engine) {
        engine.set_traced(self.logs || self.tracer.is_some());
    }

    /// Whether packets are traced.
    pub(crate) const fn is_on(&self) -> bool {
        self.tracer.is_some()
    }

    /// A packet that was received.
    pub(crate) fn received(&self, engine: &Engine, meta: &RxMeta, bytes: &[u8]) {
        if let Some(tracer) = &self.tracer {
            tracer.packet("received", place(engine.interface(meta.link)), bytes);
        }
    }

    /// The packets that are about to leave.
    pub(crate) fn sent(&self, engine: &mut Engine) {
        let links = std::mem::take(&mut engine.outbox().traced_links);
        let Some(tracer) = &self.tracer else { return };
        let transmits = std::mem::take(&mut engine.outbox().transmits);
        for (at, transmit) in transmits.iter().enumerate() {
            let link = links.get(at).copied().unwrap_or_default();
            tracer.packet("sent", place(engine.interface(link)), &transmit.payload);
        }
        engine.outbox().transmits = transmits;
    }

    /// What the engine has noted.
    pub(crate) fn noted(&self, engine: &mut Engine) {
        if engine.outbox().traces.is_empty() {
            return;
        }
        let mut views = std::mem::take(&mut engine.outbox().traces);
        for view in views.drain(..) {
            if self.logs {
                log(&view);
            }
            if let Some(tracer) = &self.tracer {
                tracer.history(&view, place(engine.interface_named(&view.interface)));
            }
        }
        engine.outbox().traces = views;
    }

    /// What goes to other threads.
    pub(crate) fn handed_on(&self, outbox: &Outbox) {
        let Some(tracer) = &self.tracer else { return };
        for question in &outbox.questions {
            let (tag, group, interface) = (question.tag, &question.group, &question.interface);
            tracer.line(Flag::Auth, Level::Info, || {
                format!("question {tag}: a newcomer of group {group} on {interface}")
            });
        }
        if let Some(last) = outbox.mutations.last() {
            let puts = outbox.mutations.iter().filter(|mutation| matches!(mutation.op, StoreOp::Put { .. })).count();
            let all = outbox.mutations.len();
            let up_to = last.seq.0;
            tracer.line(Flag::Database, Level::Info, || format!("{all} writes, {puts} of leases, up to {up_to}"));
        }
        if let Some(last) = outbox.routes.last() {
            let (all, up_to) = (outbox.routes.len(), last.seq.0);
            tracer.line(Flag::Rtsock, Level::Info, || format!("{all} route operations, up to {up_to}"));
        }
        for (id, reply) in &outbox.replies {
            if let Reply::Disconnected(outcome) = reply {
                tracer.line(Flag::Auth, Level::Notice, || format!("request {} of RADIUS: {outcome:?}", id.0));
            }
        }
    }

    /// What the store thread tells.
    pub(crate) fn store(&self, event: &StoreEvent) {
        let Some(tracer) = &self.tracer else { return };
        match event {
            StoreEvent::Durable { up_to } => {
                tracer.line(Flag::Database, Level::Info, || format!("on storage up to {}", up_to.0));
            }
            StoreEvent::Failed(error) => {
                tracer.line(Flag::Persistent, Level::Error, || {
                    format!("the session database cannot be written: {error}")
                });
            }
            StoreEvent::Ready => {
                tracer.line(Flag::Persistent, Level::Notice, || "the session database is open again".to_owned());
            }
        }
    }

    /// What the route thread tells.
    pub(crate) fn route(&self, event: &RouteEvent) {
        let Some(tracer) = &self.tracer else { return };
        match event {
            RouteEvent::Routed { up_to, failed } if failed.is_empty() => {
                tracer.line(Flag::Rtsock, Level::Info, || format!("tried up to {}", up_to.0));
            }
            RouteEvent::Routed { up_to, failed } => {
                let text = || format!("tried up to {}, of which these failed: {failed:?}", up_to.0);
                tracer.line(Flag::Rtsock, Level::Error, text);
            }
            RouteEvent::LinkSet(link) => {
                let addresses =
                    || link.addresses.iter().map(|a| format!(" {}/{}", a.address, a.len)).collect::<String>();
                let state = if link.up { "up" } else { "down" };
                let text = || format!("interface {} ({}) is {state}:{}", link.name, link.index.0, addresses());
                tracer.line(Flag::Interface, Level::Info, text);
            }
            RouteEvent::LinkGone(index) => {
                tracer.line(Flag::Interface, Level::Notice, || format!("interface {} is gone", index.0));
            }
            RouteEvent::RoutesLost(index) => {
                let text = || format!("the kernel has flushed the routes of interface {}", index.0);
                tracer.line(Flag::Rtsock, Level::Warning, text);
            }
            other => tracer.line(Flag::Rtsock, Level::Notice, || format!("{other:?}")),
        }
    }

    /// The answer of an authority.
    pub(crate) fn authorized(&self, tag: u64, text: impl FnOnce() -> String) {
        if let Some(tracer) = &self.tracer {
            tracer.line(Flag::Auth, Level::Info, || format!("question {tag}: {}", text()));
        }
    }

    /// A turn of the packet thread has ended: what sockets dropped in it, its time, and each minute the counters.
    pub(crate) fn turn_ended(&mut self, began: Now, ended: Now, engine: &Engine, dropped: &[(DropReason, u64)]) {
        let Some(tracer) = &self.tracer else { return };
        for (reason, packets) in dropped.iter().filter(|(_, packets)| *packets > 0) {
            tracer.line(Flag::Io, Level::Warning, || format!("{packets} packets: {}", reason.label()));
        }
        let time = ended.mono.since(began.mono);
        self.turns = (self.turns.0 + 1, self.turns.1.max(time));
        let [statistics, performance] = &mut self.due;
        if ended.mono >= *performance {
            *performance = ended.mono.plus(PERFORMANCE_EVERY);
            let (turns, longest) = std::mem::take(&mut self.turns);
            let text = || format!("{turns} turns, the longest took {} us", longest.as_micros());
            tracer.line(Flag::Performance, Level::Verbose, text);
        }
        if ended.mono >= *statistics {
            *statistics = ended.mono.plus(STATISTICS_EVERY);
            let sum = |counts: &[u64]| counts.iter().sum::<u64>();
            let counters = engine.counters();
            let (received, sent) = (sum(&counters.received), sum(&counters.sent));
            let text = || format!("received {received}, sent {sent}, dropped {}", sum(&counters.dropped));
            tracer.line(Flag::Statistics, Level::Info, text);
        }
    }
}

fn place(known: Option<TracedInterface<'_>>) -> Place<'_> {
    known.map_or(Place::UNKNOWN, |TracedInterface { name, traced, instance }| Place { name, traced, instance })
}

/// An exchange in the log: the same fields in each line, so that one grep finds them all.
fn log(view: &HistoryView) {
    let session = view.session.map_or(0, |session| session.0);
    let xid = format_args!("0x{:08x}", view.xid.0);
    tracing::debug!(target: "exchange", exchange = view.exchange, xid = %xid, session, hw = %view.mac, "{view}");
}

/// The trace files that the configuration wants, where they differ from `before`'s: `None` is no change.
pub(crate) fn changed(loaded: &Loaded, before: &Loaded) -> Option<Option<Tracer>> {
    (wanted(loaded) != wanted(before)).then(|| start(loaded))
}

/// Begins to write the trace files that the configuration wants.
pub(crate) fn start(loaded: &Loaded) -> Option<Tracer> {
    let wanted = wanted(loaded);
    if wanted.is_empty() {
        return None;
    }
    match Tracer::start(wanted) {
        Ok(tracer) => Some(tracer),
        Err(error) => {
            tracing::error!(%error, "no thread for traces: nothing is traced");
            None
        }
    }
}

/// The files of the daemon, then those of each local server.
fn wanted(loaded: &Loaded) -> Vec<Settings> {
    let of = |Wanted { all, interface }: &Wanted, instance: Option<&str>| {
        let scope = |traced| Scope { instance: instance.map(Into::into), traced };
        let all = all.as_ref().map(|it| settings(it, scope(false)));
        let interface = interface.as_ref().map(|it| settings(it, scope(true)));
        all.into_iter().chain(interface).collect::<Vec<_>>()
    };
    let servers = loaded.model.instances().flat_map(|it| of(&it.server.traces, Some(it.name())));
    of(&loaded.model.traces, None).into_iter().chain(servers).collect()
}

fn settings(written: &Written, scope: Scope) -> Settings {
    let flags = if written.flags.iter().any(|flag| flag == "all") {
        Flags::ALL
    } else {
        written.flags.iter().filter_map(|flag| Flag::named(flag)).fold(Flags::default(), Flags::with)
    };
    Settings {
        path: written.path.clone(),
        size: written.size,
        files: written.files,
        world_readable: written.world_readable == Some(true),
        matching: written.matching.clone(),
        level: Level::named(&written.level).unwrap_or(Level::Error),
        flags,
        clients: written.clients.clone(),
        scope,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_local_server_has_files_of_its_own() {
        let server =
            |file: &str| format!("services {{ dhcp-local-server {{ traceoptions {{ file {file}; flag all }} }} }}");
        let (own, red) = (server("own"), server("\"/tmp/red\""));
        let daemons = "processes { dhcp-service { interface-traceoptions } }";
        let text = format!(
            "system {{ {daemons}; {own} }}\nrouting-instances red {{ routing-table 7; interface eth1; system {{ {red} }} }}\n"
        );
        let loaded = bindery_config::load("f", &text).unwrap_or_else(|errors| panic!("{errors}"));
        let told: Vec<_> = wanted(&loaded).into_iter().map(|it| (it.path, it.scope)).collect();
        let of = |name: &str, instance: Option<&str>, traced| {
            (Path::new("/var/log").join(name), Scope { instance: instance.map(Into::into), traced })
        };
        let daemons = of("binderyd-interface", None, true);
        assert_eq!(told, [daemons, of("own", Some("default"), false), of("/tmp/red", Some("red"), false)]);
    }
}
