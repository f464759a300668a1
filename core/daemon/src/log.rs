//! Log lines: the engine's events in words.

use bindery_engine::{
    Engine,
    event::{Event, ExchangeId},
    route::RouteError,
};
use bindery_netlink::{RouteEvent, SweepReport};
use bindery_types::{IfIndex, Ipv4Addr, Now, Xid};
use std::{collections::HashMap, mem::Discriminant};
use tracing_subscriber::EnvFilter;

/// Lines a second and kind of event; what is more is counted and told with the next second's first line. A thousand
/// subscribers with the same trouble must not hold up the packet thread.
const LINES_MAX: u32 = 20;

/// Lets the first lines of a second through.
#[derive(Default)]
pub(crate) struct Limiter {
    second: u64,
    lines: u32,
    left_out: u64,
}

impl Limiter {
    /// Whether another line may be written at `second`.
    pub(crate) fn allows(&mut self, second: u64) -> bool {
        if self.second != second {
            if self.left_out > 0 {
                tracing::warn!(lines = self.left_out, "more of the same was left out");
            }
            *self = Self { second, ..Self::default() };
        }
        self.lines += 1;
        let allowed = self.lines <= LINES_MAX;
        self.left_out += u64::from(!allowed);
        allowed
    }
}

/// The packet thread's log, limited: a flood of one kind of event hides none of another.
#[derive(Default)]
pub(crate) struct Log {
    events: HashMap<Discriminant<Event>, Limiter>,
    routes: HashMap<Discriminant<RouteEvent>, Limiter>,
    /// The first reconciliation was told.
    reconciled: bool,
}

impl Log {
    /// Writes an event of the engine, with the names that interfaces have there.
    pub(crate) fn event(&mut self, now: Now, event: &Event, engine: &Engine) {
        if self.allows(now, event) {
            // One that is gone has no name any more.
            write_event(event, |link| engine.interface_name(link).map_or_else(|| link.0.to_string(), str::to_owned));
        }
    }

    fn allows(&mut self, now: Now, event: &Event) -> bool {
        self.events.entry(std::mem::discriminant(event)).or_default().allows(now.mono.secs())
    }

    /// Writes what the route thread tells.
    pub(crate) fn route_event(&mut self, now: Now, event: &RouteEvent) {
        if let (RouteEvent::Swept(report), false) = (event, self.reconciled) {
            // Once it is told even where nothing was to do: from here on the kernel has what the database wants.
            self.reconciled = true;
            return reconciled(report);
        }
        if self.routes.entry(std::mem::discriminant(event)).or_default().allows(now.mono.secs()) {
            route_event(event);
        }
    }
}

fn write_event(event: &Event, name: impl Fn(IfIndex) -> String) {
    match event {
        Event::RouteFault { session: _, address, len, error, of } => {
            let ExchangeId { exchange, xid, session } = of;
            let (address, why, xid) = (prefix(*address, *len), why(*error), hex(*xid));
            tracing::warn!(exchange, xid, %session, address, why, "alarm: no route for the subscriber, its request stays unanswered");
        }
        Event::ExtraRouteRefused { session, network, len } => {
            let network = prefix(*network, *len);
            tracing::warn!(%session, network, "alarm: no route via the subscriber, another one has the prefix");
        }
        Event::Declined { hw, address, until: _, of } => {
            let (ExchangeId { exchange, session, .. }, xid) = (of, hex(of.xid));
            tracing::warn!(exchange, xid, %session, %hw, %address, "the client found its address in use; it is quarantined");
        }
        Event::AddressInUse { link, mac, address, until: _, of } => {
            let (exchange, xid, interface) = (of.exchange, hex(of.xid), name(*link));
            tracing::warn!(exchange, xid, interface, %mac, %address, "a foreign host has the address; it is quarantined");
        }
        Event::LivenessFailed { session, hw, address, cleared } => {
            tracing::warn!(%session, %hw, %address, cleared, "the subscriber answers no ARP request");
        }
        Event::RogueServer { link, server, mac, offered } => {
            let (interface, mac) = (name(*link), mac.map(|mac| mac.to_string()));
            tracing::warn!(interface, %server, mac, %offered, "alarm: a foreign DHCP server on a served interface");
        }
        Event::StoreFault { undone } => {
            tracing::error!(undone, "alarm: the session database failed; requests stay unanswered until it is back");
        }
        Event::StoreBack { repaired } => tracing::info!(repaired, "the session database is back"),
        Event::ClockBehind { secs } => {
            tracing::warn!(
                secs,
                "the clock stands before the last saved time: no lease expires until it has caught up"
            );
        }
        Event::ClockCaughtUp => tracing::info!("the clock has caught up; leases expire again"),
        Event::PoolUtilization { pool, high: true, percent } => {
            tracing::warn!(%pool, percent, "alarm: the pool's use is above high-utilization");
        }
        Event::PoolUtilization { pool, high: false, percent } => {
            tracing::info!(%pool, percent, "the pool's use is under abated-utilization again");
        }
        Event::ExcludedLoggedOut { sessions } => {
            tracing::warn!(sessions, "subscribers were logged out: their addresses are excluded now");
        }
        Event::PoolExhausted { link, of } => {
            let (exchange, xid) = (of.exchange, hex(of.xid));
            tracing::warn!(exchange, xid, interface = name(*link), "no free address for a new client");
        }
        Event::Superseded { session, address, by } => {
            tracing::info!(%session, %address, %by, "another device took the place of a subscriber's; its session ends");
        }
        Event::ClientLimitExceeded { .. }
        | Event::ClientLimitAbated { .. }
        | Event::LockedOut { .. }
        | Event::LeaseTimeViolation { .. } => limit_event(event, name),
        Event::RemoteIdMismatch { session, address } => {
            tracing::info!(%session, %address, "a client came in with another remote-id; its session ends");
        }
        Event::RestoreConflict { session, address } => {
            tracing::error!(%session, %address, "a stored session does not fit beside another one and was left out");
        }
    }
}

/// Writes what limits do to newcomers.
fn limit_event(event: &Event, name: impl Fn(IfIndex) -> String) {
    match event {
        Event::ClientLimitExceeded { link, limit } => {
            tracing::warn!(
                interface = name(*link),
                limit,
                "alarm: interface-client-limit is reached, newcomers are dropped"
            );
        }
        Event::ClientLimitAbated { link, clients } => {
            tracing::info!(interface = name(*link), clients, "the interface is below interface-client-limit again");
        }
        Event::LockedOut { link, hw, secs } => {
            tracing::info!(interface = name(*link), %hw, secs, "the client is locked out by short-cycle-protection");
        }
        Event::LeaseTimeViolation { link, hw, lease_secs, count } => {
            let interface = name(*link);
            tracing::warn!(interface, %hw, lease_secs, count, "leases are shorter than lease-time-threshold");
        }
        _ => {}
    }
}

/// Writes to the log what the route thread tells beside answers to the engine.
fn route_event(event: &RouteEvent) {
    match event {
        RouteEvent::RouteChanged { at, error: Some(error) } => {
            let why = why(*error);
            tracing::warn!(address = %at, why, "alarm: a subscriber's route does not stand");
        }
        RouteEvent::RouteChanged { at, error: None } => {
            tracing::info!(address = %at, "a subscriber's route stands again");
        }
        RouteEvent::Swept(report) if report.removed + report.neighbours_removed + report.missing > 0 => {
            reconciled(report);
        }
        RouteEvent::Faulted(why) => tracing::error!(why, "alarm: netlink is out of order; route operations wait"),
        RouteEvent::Recovered => tracing::info!("netlink works again"),
        RouteEvent::Swept(_)
        | RouteEvent::Routed { .. }
        | RouteEvent::RoutesLost(_)
        | RouteEvent::LinkSet(_)
        | RouteEvent::LinkGone(_) => {}
    }
}

fn reconciled(report: &SweepReport) {
    tracing::info!(
        wanted = report.wanted,
        missing = report.missing,
        removed = report.removed,
        neighbours_removed = report.neighbours_removed,
        "routes reconciled"
    );
}

/// An xid as captures show it.
fn hex(xid: Xid) -> String {
    format!("0x{:08x}", xid.0)
}

/// An address, or a prefix where it is shorter.
fn prefix(address: Ipv4Addr, len: u8) -> String {
    if len == 32 { address.to_string() } else { format!("{address}/{len}") }
}

fn why(error: RouteError) -> String {
    match error {
        RouteError::Foreign => "a foreign route stands there and stays".to_owned(),
        RouteError::LinkDown => "the interface is down".to_owned(),
        RouteError::Refused(errno) => format!("the kernel refused it: errno {errno}"),
    }
}

/// Starts the log on stderr, filtered by `BINDERY_LOG` (default `info`).
pub(crate) fn start() {
    let wanted = std::env::var("BINDERY_LOG").unwrap_or_else(|_| "info".to_owned());
    let (filter, fault) = filter(&wanted);
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(terminal).init();
    if let Some(fault) = fault {
        tracing::warn!("BINDERY_LOG={wanted}: {fault}; it is logged as for `info`");
    }
}

/// What `BINDERY_LOG` says, or why it says nothing that can be followed.
fn filter(wanted: &str) -> (EnvFilter, Option<String>) {
    match EnvFilter::try_new(wanted) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new("info"), Some(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_lines_is_cut_and_the_next_second_is_heard() {
        let mut limiter = Limiter::default();
        let allowed = (0..1_000).filter(|_| limiter.allows(7)).count();
        assert_eq!(allowed, LINES_MAX as usize);
        assert!(limiter.allows(8));
    }

    #[test]
    fn a_flood_of_one_kind_hides_none_of_another() {
        let mut log = Log::default();
        let now = Now { mono: bindery_types::Mono::from_secs(7), wall: bindery_types::Wall(0) };
        let flood = Event::ClientLimitExceeded { link: IfIndex(1), limit: 1 };
        assert_eq!((0..1_000).filter(|_| log.allows(now, &flood)).count(), LINES_MAX as usize);
        assert!(log.allows(now, &Event::StoreBack { repaired: 1 }));
    }

    #[test]
    fn a_filter_that_is_none_is_told() {
        assert!(filter("info,exchange=debug").1.is_none());
        assert!(filter("").1.is_none());
        assert!(filter("info,exchange=debgu").1.is_some());
    }
}
