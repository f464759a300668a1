//! What the engine tells beside changes of bindings, for readers of the API's events: the newest in memory.

use bindery_api::Notice;
use bindery_control::Notices as Page;
use bindery_engine::{
    Engine,
    event::{Event, ExchangeId},
};
use bindery_types::{HwAddr, IfIndex, Ipv4Addr, Mono, Now, SessionId};
use std::{
    collections::{HashMap, VecDeque},
    mem::{Discriminant, discriminant},
    time::Duration,
};

/// Notices that are remembered, the newest ones. A reader that is further behind is told how many it missed.
const KEPT: usize = 1_024;

/// Notices of one kind in [`PERIOD`]; what is more is counted, and told with the next one. A thousand subscribers with the
/// same trouble must not wash out what else happened.
const MOST: u32 = 32;

/// See [`MOST`].
const PERIOD: Duration = Duration::from_secs(10);

/// The newest notices, in their order.
#[derive(Default)]
pub(crate) struct Notices {
    /// How many there were since the daemon's start.
    last: u64,
    kept: VecDeque<Notice>,
    budgets: HashMap<Discriminant<Event>, Budget>,
}

/// How many of one kind were told.
#[derive(Default)]
struct Budget {
    since: Option<Mono>,
    used: u32,
    left_out: u64,
}

impl Notices {
    /// Keeps what an event of the engine says. What is left out is not put into words: this is the packet thread.
    pub(crate) fn event(&mut self, now: Now, engine: &Engine, event: &Event) {
        let budget = self.budgets.entry(discriminant(event)).or_default();
        if budget.since.is_none_or(|since| now.mono.since(since) >= PERIOD) {
            (budget.since, budget.used) = (Some(now.mono), 0);
        }
        if budget.used >= MOST {
            budget.left_out += 1;
            return;
        }
        budget.used += 1;
        self.last += 1;
        if self.kept.len() >= KEPT {
            self.kept.pop_front();
        }
        let left_out = std::mem::take(&mut budget.left_out);
        self.kept.push_back(Notice { sequence: self.last, time: now.wall.0, left_out, ..notice(engine, event) });
    }

    /// Those behind `after`; for `None` nothing but where the order is now. What was forgotten is told first.
    pub(crate) fn since(&self, after: Option<u64>) -> Page {
        let Some(after) = after else { return Page { rows: Vec::new(), next: self.last } };
        let floor = self.kept.front().map_or(self.last, |oldest| oldest.sequence - 1);
        let forgotten = (after < floor).then(|| Notice {
            sequence: floor,
            name: "notices-forgotten".to_owned(),
            severity: "warning".to_owned(),
            message: format!("{} notices before are not remembered any more", floor - after),
            ..Notice::default()
        });
        let rest = self.kept.iter().filter(|notice| notice.sequence > after).cloned();
        Page { rows: forgotten.into_iter().chain(rest).collect(), next: self.last }
    }
}

/// What an event is about.
#[derive(Default)]
struct About {
    link: Option<IfIndex>,
    address: Option<Ipv4Addr>,
    hw: Option<HwAddr>,
    session: Option<SessionId>,
    pool: Option<String>,
}

impl About {
    fn link(link: IfIndex) -> Self {
        Self { link: Some(link), ..Self::default() }
    }

    fn session(session: SessionId, address: Ipv4Addr) -> Self {
        Self { session: Some(session), address: Some(address), ..Self::default() }
    }

    fn hw(self, hw: HwAddr) -> Self {
        Self { hw: Some(hw), ..self }
    }

    fn at(self, address: Ipv4Addr) -> Self {
        Self { address: Some(address).filter(|address| !address.is_unspecified()), ..self }
    }

    fn of(self, of: &ExchangeId) -> Self {
        Self { session: Some(of.session).filter(|session| session.0 != 0), ..self }
    }
}

const ALARM: &str = "alarm";
const WARNING: &str = "warning";
const INFO: &str = "info";

/// An event in the words of the API.
fn notice(engine: &Engine, event: &Event) -> Notice {
    let (name, severity, message, about) = of_clients(event).unwrap_or_else(|| of_the_whole(event));
    let interface = about.link.and_then(|link| engine.interface(link));
    Notice {
        name: name.to_owned(),
        severity: severity.to_owned(),
        message,
        interface_name: interface.map(|it| it.name.to_owned()),
        routing_instance: interface.map(|it| it.instance.to_owned()),
        address: about.address.map(|address| address.to_string()),
        mac_address: about.hw.map(|hw| hw.to_string()),
        session_id: about.session.map(|session| session.0),
        pool_name: about.pool,
        ..Notice::default()
    }
}

type Words = (&'static str, &'static str, String, About);

/// What is about one client, or another host on its segment.
fn of_clients(event: &Event) -> Option<Words> {
    Some(match event {
        Event::RouteFault { address, len, of, .. } => (
            "route-fault",
            ALARM,
            format!("no route to {address}/{len}: the request stays unanswered"),
            About::default().at(*address).of(of),
        ),
        Event::ExtraRouteRefused { session, network, len } => (
            "route-refused",
            ALARM,
            format!("no route to {network}/{len} via the subscriber: another one has the prefix"),
            About { session: Some(*session), ..About::default() },
        ),
        Event::Declined { hw, address, of, .. } => (
            "address-declined",
            WARNING,
            "the client found its address in use; it is quarantined".to_owned(),
            About::default().hw(*hw).at(*address).of(of),
        ),
        Event::AddressInUse { link, mac, address, .. } => (
            "address-in-use",
            WARNING,
            "a foreign host has the address; it is quarantined".to_owned(),
            About::link(*link).hw(HwAddr::from(*mac)).at(*address),
        ),
        Event::LivenessFailed { session, hw, address, cleared } => {
            let then = if *cleared { "its binding is cleared" } else { "its binding stays" };
            let message = format!("the subscriber answers no ARP request; {then}");
            ("liveness-failed", WARNING, message, About::session(*session, *address).hw(*hw))
        }
        Event::RogueServer { link, server, mac, offered } => {
            let offers = if offered.is_unspecified() { String::new() } else { format!("; it offered {offered}") };
            let message = format!("a foreign DHCP server, {server}, on a served interface{offers}");
            let about = About { hw: mac.map(HwAddr::from), ..About::link(*link).at(*server) };
            ("rogue-server", ALARM, message, about)
        }
        Event::LockedOut { link, hw, secs } => {
            let message = format!("the client is locked out for {secs} s by short-cycle-protection");
            ("client-locked-out", INFO, message, About::link(*link).hw(*hw))
        }
        Event::RemoteIdMismatch { session, address } => (
            "remote-id-mismatch",
            INFO,
            "a client came in with another remote-id; its session ends".to_owned(),
            About::session(*session, *address),
        ),
        Event::Superseded { session, address, by } => (
            "session-superseded",
            INFO,
            format!("{by} took the place of the subscriber's device; its session ends"),
            About::session(*session, *address),
        ),
        Event::RestoreConflict { session, address } => (
            "restore-conflict",
            ALARM,
            "a stored session does not fit beside another one and was left out".to_owned(),
            About::session(*session, *address),
        ),
        _ => return None,
    })
}

/// What is about an interface, a pool or the daemon.
fn of_the_whole(event: &Event) -> Words {
    let pool = |pool: &str| About { pool: Some(pool.to_owned()), ..About::default() };
    match event {
        Event::PoolUtilization { pool: name, high: true, percent } => (
            "pool-high-utilization",
            ALARM,
            format!("{percent} % of the pool are in use, above high-utilization"),
            pool(name),
        ),
        Event::PoolUtilization { pool: name, high: false, percent } => (
            "pool-abated-utilization",
            INFO,
            format!("{percent} % of the pool are in use, under abated-utilization again"),
            pool(name),
        ),
        Event::PoolExhausted { link, .. } => {
            ("pool-exhausted", WARNING, "no free address for a new client".to_owned(), About::link(*link))
        }
        Event::ClientLimitExceeded { link, limit } => (
            "client-limit-exceeded",
            ALARM,
            format!("interface-client-limit {limit} is reached: newcomers are dropped"),
            About::link(*link),
        ),
        Event::ClientLimitAbated { link, clients } => (
            "client-limit-abated",
            INFO,
            format!("{clients} clients, below interface-client-limit again"),
            About::link(*link),
        ),
        Event::LeaseTimeViolation { link, hw, lease_secs, count } => (
            "lease-time-violation",
            WARNING,
            format!("{count} leases shorter than lease-time-threshold, the last one of {lease_secs} s"),
            About::link(*link).hw(*hw),
        ),
        Event::ExcludedLoggedOut { sessions } => (
            "excluded-logged-out",
            WARNING,
            format!("{sessions} subscribers were logged out: their addresses are excluded now"),
            About::default(),
        ),
        Event::StoreFault { undone } => (
            "store-fault",
            ALARM,
            format!("the session database failed, {undone} writes are undone: no new answers until it is back"),
            About::default(),
        ),
        Event::StoreBack { repaired } => (
            "store-back",
            INFO,
            format!("the session database is back, {repaired} bindings were written again"),
            About::default(),
        ),
        Event::ClockBehind { secs } => (
            "clock-behind",
            ALARM,
            format!("the clock is {secs} s behind the last saved time: no lease expires until it has caught up"),
            About::default(),
        ),
        _ => ("clock-caught-up", INFO, "the clock has caught up: leases expire again".to_owned(), About::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bindery_engine::config::Config;
    use bindery_types::{EngineId, Wall};
    use std::sync::Arc;

    fn at(secs: u64) -> Now {
        Now { mono: Mono::from_secs(secs), wall: Wall(1_800_000_000 + secs) }
    }

    fn engine() -> Engine {
        Engine::new(EngineId(0), 7, at(0), Arc::new(Config::default()))
    }

    fn high(pool: &str) -> Event {
        Event::PoolUtilization { pool: pool.into(), high: true, percent: 91 }
    }

    #[test]
    fn a_reader_is_told_what_is_behind_its_position() {
        let (mut notices, engine) = (Notices::default(), engine());
        notices.event(at(1), &engine, &high("p"));
        assert_eq!(notices.since(None), Page { rows: Vec::new(), next: 1 });
        notices.event(at(2), &engine, &Event::StoreFault { undone: 3 });
        let page = notices.since(Some(1));
        assert_eq!((page.next, page.rows.len()), (2, 1));
        let told = &page.rows[0];
        assert_eq!((told.sequence, told.name.as_str(), told.severity.as_str()), (2, "store-fault", "alarm"));
        assert_eq!(told.time, 1_800_000_002);
        let first = &notices.since(Some(0)).rows[0];
        assert_eq!(first.pool_name.as_deref(), Some("p"));
        assert_eq!(first.message, "91 % of the pool are in use, above high-utilization");
    }

    #[test]
    fn a_flood_of_one_kind_leaves_the_others_and_is_counted() {
        let (mut notices, engine) = (Notices::default(), engine());
        (0..1_000).for_each(|_| notices.event(at(1), &engine, &high("p")));
        notices.event(at(1), &engine, &Event::ClockCaughtUp);
        assert_eq!(notices.since(Some(0)).rows.len(), MOST as usize + 1);
        notices.event(at(20), &engine, &high("p"));
        let rows = notices.since(Some(u64::from(MOST) + 1)).rows;
        assert_eq!((rows.len(), rows[0].left_out), (1, 1_000 - u64::from(MOST)));
    }

    #[test]
    fn the_ring_is_bounded_and_who_is_too_far_behind_is_told() {
        let (mut notices, engine) = (Notices::default(), engine());
        let all = KEPT as u64 + 5;
        (0..all).for_each(|number| notices.event(at(number * 10), &engine, &Event::ClockCaughtUp));
        let page = notices.since(Some(2));
        assert_eq!((page.rows.len(), page.next), (KEPT + 1, all));
        assert_eq!((page.rows[0].name.as_str(), page.rows[0].sequence), ("notices-forgotten", 5));
        assert!(page.rows[0].message.starts_with("3 notices"), "{:?}", page.rows[0]);
        assert_eq!(page.rows[1].sequence, 6);
        assert_eq!(notices.since(Some(all)).rows, []);
    }
}
