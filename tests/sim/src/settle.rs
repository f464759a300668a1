//! The end of a run: faults stop, clients get what they need, and everything must agree.

use crate::{
    audit::{Cleared, Finding, Key},
    client::{Client, Kind, Outgoing, State},
    clock::{Instant, MS, SEC},
    world::{Event, World},
};
use bindery_engine::command::{Cursor, Filter, Reply, Verb};
use bindery_types::{Ipv4Addr, MacAddr, SessionId};
use bindery_wire::v4::MessageBuilder;

/// How long clients have to find their way, seconds.
const FIND_SECS: u64 = 260;

/// An offer is held for a minute.
const OFFER_SECS: u64 = 65;

impl World {
    /// Faults stop; checks that everyone is served and that all views agree, then that all of it goes away in time.
    pub(crate) fn settle(&mut self) -> Result<(), Finding> {
        self.become_calm();
        self.start()?;
        self.run(self.now + FIND_SECS * SEC)?;
        if let Err(finding) = self.everyone_is_served() {
            // For the trace.
            for verb in [
                Verb::Pools,
                Verb::Statistics,
                Verb::Summary,
                Verb::Bindings { filter: Filter::All, cursor: Cursor::START },
            ] {
                let id = self.command(verb)?;
                let reply = self.take_reply(id);
                self.trace.note(self.now, || format!("{reply:?}"));
            }
            return Err(finding);
        }
        // Nobody is asked while the store is down, and an outage may last into the quiet day.
        self.auditor.nobody_is_silent(self.calm_since.max(self.store_back))?;
        self.frozen = true;
        self.run(self.now + 25 * SEC)?;
        let boot = self.boot;
        self.push(0, Event::Reconcile { boot });
        self.run(self.now + 2 * SEC)?;
        self.all_agree()?;
        self.auditor.no_move_stands_still()?;
        // The server looks at what it held back within a minute of the clock's catching up.
        let held = self.auditor.expiry_held_until();
        if held.is_none_or(|until| self.clocks.now(self.now).wall.0 > until + 70) {
            self.auditor.nothing_outlives_its_end()?;
        }
        self.bound_clients_need_no_authority()?;
        self.ended_clients_are_told()?;
        self.strangers_ask();
        // Those that are probed for wait before they are made.
        let wait = if self.plan.rules.probe.is_some() { 12 } else { 0 };
        self.run(self.now + (OFFER_SECS + wait) * SEC)?;
        self.offers_are_gone()?;
        // A clock that was wrong once, and written down so, holds expiry until it is reached.
        self.clocks.set_right(self.now);
        if let Some(wall) = self.auditor.expiry_held_until() {
            self.clocks.catch_up(self.now, wall + 1);
        }
        // Leases and quarantines run out, then tombstones. A lease may be kept for twice its time.
        for secs in [4_000, 200_500, 90_000] {
            self.now += secs * SEC;
            self.auditor.at(self.now);
            self.run(self.now + 45 * SEC)?;
        }
        self.push(0, Event::Reconcile { boot });
        self.run(self.now + 2 * SEC)?;
        self.auditor.nothing_lingers()?;
        self.auditor.no_move_runs_for_ever()?;
        self.all_agree()
    }

    fn become_calm(&mut self) {
        self.trace.note(self.now, || "calm".into());
        self.calm = true;
        self.calm_since = self.now;
        self.segments_calm();
        self.die_in_flush = false;
        self.hooks.calm = true;
        self.authority.calm = true;
        self.authority.die(self.now);
        (self.store.fail_permille, self.store.slow_ms) = (0, 2);
        (self.kernel.refuse_permille, self.kernel.slow_ms) = (0, 1);
        self.lose_packets();
        self.kernel.remove_foreign();
        // Some machines never hear the right time: everything but expiry works there too.
        if self.random.chance(500) {
            self.clocks.set_right(self.now);
        }
        for port in 0..self.plan.ports.len() {
            if !self.plan.ports[port].up || self.plan.ports[port].gone {
                self.link_up(port);
            }
        }
        for at in 0..self.clients.len() {
            let now = self.now;
            let wait = self.random.range(100, 30_000) * MS;
            let client = &mut self.clients[at];
            let vanished = client.turn_at == Instant::MAX && client.state == State::Off;
            if vanished || client.kind == Kind::Liar {
                continue;
            }
            let place = client.place.clone();
            client.go_to(now, place);
            client.settle();
            client.timer = Some(now + wait);
            self.arm(at);
        }
    }

    fn everyone_is_served(&mut self) -> Result<(), Finding> {
        for client in &self.clients {
            let vanished = client.turn_at == Instant::MAX && client.state == State::Off;
            if vanished || client.kind == Kind::Liar {
                continue;
            }
            let port = &self.plan.ports[client.place.port];
            let relay = client.place.relay.and_then(|at| self.plan.relays.get(at));
            let selector = relay.map(|r| r.selection.filter(|_| r.inserts).unwrap_or(r.giaddr));
            let key = Key::new(client.client_id.as_deref().unwrap_or(&[]), client.mac.into());
            let leased = client.lease.is_some_and(|l| self.auditor.has_lease(port.instance, &key, l.address));
            let bound = matches!(client.state, State::Bound | State::Renewing | State::Rebinding);
            let served = (bound && leased) || self.is_disputed(client);
            if !served
                && self.auditor.is_free(port.instance, &key)
                && !self.auditor.is_between_sessions(port.instance, &key)
                && let Some(free) = self.auditor.room(port.index, selector, client.mac, &key)
            {
                return Err(format!(
                    "{key:?} at {} is {:?} with {:?} (on disk: {leased}) though {free} is free",
                    port.name,
                    client.state,
                    client.lease.map(|l| l.address)
                ));
            }
        }
        Ok(())
    }

    /// Whether the client may be served late or never: others are on its line, or it asks for less than is granted.
    fn is_disputed(&self, client: &Client) -> bool {
        let rules = &self.plan.rules;
        let line = rules.discover_match.is_some() && client.place.relay.is_none();
        line || (rules.strict && client.asks_little())
    }

    /// The authority is dead, and whoever has a lease goes on with it.
    fn bound_clients_need_no_authority(&mut self) -> Result<(), Finding> {
        self.authority.die(Instant::MAX);
        for at in (0..self.clients.len()).filter(|&at| self.holds_lease(at)).collect::<Vec<_>>() {
            let Some(out) = self.clients[at].claims_again(&mut self.random) else { continue };
            let answers = self.auditor.acks + self.auditor.naks;
            self.client_says(at, &out);
            for _ in 0..60 {
                if self.auditor.acks + self.auditor.naks == answers {
                    self.run(self.now + 100 * MS)?;
                }
            }
            if self.auditor.acks + self.auditor.naks == answers {
                let lease = self.clients[at].lease.map(|l| l.address);
                return Err(format!("{:?} renews {lease:?} and hears nothing", self.clients[at].mac));
            }
        }
        self.authority.die(self.now);
        Ok(())
    }

    /// The operator ends every lease, and whoever then asks for its own is refused: one lost NAK strands nobody
    /// (design §2.2).
    fn ended_clients_are_told(&mut self) -> Result<(), Finding> {
        let leased: Vec<usize> = (0..self.clients.len()).filter(|&at| self.holds_lease(at)).collect();
        self.auditor.clear(Cleared::All);
        self.command(Verb::ClearBindings { filter: Filter::All, cursor: Cursor::START })?;
        self.run(self.now + 2 * SEC)?;
        for at in leased {
            let Some(out) = self.clients[at].claims_again(&mut self.random) else { continue };
            let naks = self.auditor.naks;
            self.client_says(at, &out);
            self.run(self.now + 100 * MS)?;
            if self.auditor.naks == naks {
                let lease = self.clients[at].lease.map(|l| l.address);
                return Err(format!(
                    "{:?} asks for {lease:?}, which we ended, and hears nothing",
                    self.clients[at].mac
                ));
            }
        }
        Ok(())
    }

    /// Clients that nobody saw before ask once and take nothing.
    fn strangers_ask(&mut self) {
        for n in 0..3 {
            let at = self.random.below(self.clients.len() as u64) as usize;
            let message = MessageBuilder::discover(MacAddr([2, 9, 0, 0, 0, n])).xid(self.random.next() as u32);
            let out = Outgoing { message, src: Ipv4Addr::UNSPECIFIED, dst: Ipv4Addr::BROADCAST };
            self.client_says(at, &out);
        }
    }

    /// Offers that nobody took are over in time, whatever the wall clock shows: they would hold the pool.
    fn offers_are_gone(&mut self) -> Result<(), Finding> {
        let id = self.command(Verb::Summary)?;
        match self.take_reply(id) {
            Some(Reply::Summary(summary)) if summary.selecting == 0 => Ok(()),
            other => Err(format!("long after the last DISCOVER the summary is {other:?}")),
        }
    }

    /// Whether the client goes by a lease that is on disk, in a place that is served.
    fn holds_lease(&self, at: usize) -> bool {
        let client = &self.clients[at];
        let port = &self.plan.ports[client.place.port];
        let relay = client.place.relay.and_then(|at| self.plan.relays.get(at));
        let selector = relay.map(|r| r.selection.filter(|_| r.inserts).unwrap_or(r.giaddr));
        let key = Key::new(client.client_id.as_deref().unwrap_or(&[]), client.mac.into());
        let served = self.auditor.site.pool_at(port.index, selector).is_some();
        let live = client.lease.filter(|l| l.end > self.now + 30 * SEC);
        // With option 82 it may be another client than the one that has none.
        let marked = client.place.relay.is_some() || client.place.access_node.is_some();
        let sure = !(marked && self.auditor.site.tells_apart);
        let here = |address| self.auditor.has_lease_on(port.name, port.instance, &key, address);
        served && sure && live.is_some_and(|l| here(l.address))
    }

    /// Disk, memory and kernel say the same, and nothing is under way.
    fn all_agree(&mut self) -> Result<(), Finding> {
        // The clocks are written every ten seconds: that write may be under way.
        for _ in 0..5 {
            if self.store.depth() > 0 {
                self.run(self.now + SEC)?;
            }
        }
        if self.store.depth() + self.kernel.depth() + self.open_commands() > 0 {
            let (store, routes, commands) = (self.store.depth(), self.kernel.depth(), self.open_commands());
            return Err(format!("at rest {store} writes, {routes} routes and {commands} commands wait"));
        }
        if self.auditor.routes_agree(&self.kernel.routes).is_err() {
            // A lease ran out this very moment, and its route is just being taken away.
            self.run(self.now + SEC)?;
        }
        self.auditor.routes_agree(&self.kernel.routes)?;
        let mut rows = self.bindings()?;
        if self.auditor.view_agrees(&rows).is_err() {
            // A lease ran out this very moment: the disk knows, and the server is just being told.
            self.run(self.now + SEC)?;
            rows = self.bindings()?;
        }
        self.auditor.view_agrees(&rows)?;
        self.read_feed()?;
        self.pools_add_up(true)?;
        self.auditor.all_is_written()?;
        self.auditor.all_is_told()?;
        self.auditor.nobody_is_excluded()?;
        self.auditor.foreigners_are_told()?;
        self.tallies_agree()?;
        self.history_agrees()?;
        let id = self.command(Verb::Summary)?;
        match self.take_reply(id) {
            Some(Reply::Summary(s)) if s.requesting + s.renewing + s.releasing == 0 => Ok(()),
            other => Err(format!("at rest the summary is {other:?}")),
        }
    }

    fn bindings(&mut self) -> Result<Vec<(SessionId, Ipv4Addr)>, Finding> {
        let mut all = Vec::new();
        let mut cursor = Some(Cursor::START);
        while let Some(at) = cursor {
            let id = self.command(Verb::Bindings { filter: Filter::All, cursor: at })?;
            let Some(Reply::Bindings { rows, next }) = self.take_reply(id) else {
                return Err("no answer to a look at the bindings".into());
            };
            all.extend(rows.iter().map(|row| (row.session, row.address)));
            cursor = next;
        }
        Ok(all)
    }

    fn take_reply(&mut self, id: u64) -> Option<Reply> {
        let at = self.replies.iter().position(|(of, _)| *of == id)?;
        Some(self.replies.swap_remove(at).1)
    }
}
