//! What goes wrong, and what operators do meanwhile.

use crate::{
    audit::{Changed, Cleared, Finding, Move},
    authority::{random_address, random_pool, user},
    clock::{MS, SEC},
    random::Random,
    world::{Event, Message, World},
};
use bindery_engine::{
    command::{AuthorizationChange, Cursor, DisconnectKeys, Filter, Verb},
    reconfigure::Purpose,
};
use bindery_types::IfIndex;

/// How much goes wrong, per thousand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rates {
    pub(crate) loss: u64,
    pub(crate) duplicate: u64,
    pub(crate) late: u64,
    pub(crate) damage: u64,
    pub(crate) store_fail: u64,
    pub(crate) store_slow_ms: u64,
    pub(crate) route_refuse: u64,
    pub(crate) route_slow_ms: u64,
    /// Crashes during a reconfiguration.
    pub(crate) crash_in_move: u64,
    /// Each of [`World::chaos`]'s kinds: 0 or its weight.
    weights: [u64; 12],
    /// Longest pause between two of them, seconds.
    every: u64,
    /// How long it goes on, seconds.
    pub(crate) secs: u64,
}

impl Rates {
    pub(crate) fn new(random: &mut Random) -> Self {
        let mut weights = [0; 12];
        for weight in &mut weights {
            *weight = if random.chance(500) { random.range(1, 5) } else { 0 };
        }
        Self {
            loss: random.pick(&[0, 20, 100, 300]),
            duplicate: random.pick(&[0, 50, 200]),
            late: random.pick(&[0, 10, 60]),
            damage: random.pick(&[0, 0, 30]),
            store_fail: random.pick(&[0, 20, 100, 250]),
            store_slow_ms: random.pick(&[2, 20, 400]),
            route_refuse: random.pick(&[0, 50, 250]),
            route_slow_ms: random.pick(&[1, 20, 500]),
            crash_in_move: random.pick(&[0, 100, 400]),
            weights,
            every: random.pick(&[15, 60, 200]),
            secs: random.range(150, 1_500),
        }
    }
}

impl World {
    /// Something goes wrong, or the operator does something; then again after a while.
    pub(crate) fn chaos(&mut self) -> Result<(), Finding> {
        if self.calm {
            return Ok(());
        }
        let wait = self.random.range(1, self.rates.every) * SEC;
        self.push(wait, Event::Chaos);
        let total: u64 = self.rates.weights.iter().sum();
        let mut chosen = self.random.below(total);
        let mut kind = usize::MAX;
        for (at, weight) in self.rates.weights.iter().enumerate() {
            if chosen < *weight {
                kind = at;
                break;
            }
            chosen -= weight;
        }
        match kind {
            0 => self.end_somehow(),
            1 => {
                self.step_wall();
                Ok(())
            }
            2 => {
                self.link_down();
                Ok(())
            }
            3 => {
                self.replace_link();
                Ok(())
            }
            4 => {
                self.meddle_with_routes();
                Ok(())
            }
            5 => {
                self.clear();
                Ok(())
            }
            6 => self.commit(),
            7 => {
                self.move_client();
                Ok(())
            }
            8 => self.look(),
            9 => {
                self.reconfigure();
                Ok(())
            }
            10 => {
                self.ask_by_radius();
                Ok(())
            }
            11 => {
                let wait = self.random.range(1, 150) * SEC;
                self.trace.note(self.now, || format!("the authority is dead for {} s", wait / SEC));
                self.authority.die(self.now + wait);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn end_somehow(&mut self) -> Result<(), Finding> {
        if self.random.chance(500) {
            self.die_in_flush = true;
            return Ok(());
        }
        let power = self.random.chance(500);
        self.end(power)
    }

    fn step_wall(&mut self) {
        if self.random.chance(300) {
            self.clocks.set_right(self.now);
            return;
        }
        let far = self.random.pick(&[3, 60, 4_000, 90_000, 40_000_000]);
        let secs = self.random.range(1, far) as i64;
        let back = self.random.chance(500);
        self.clocks.step(self.now, if back { -secs } else { secs });
        self.trace.note(self.now, || format!("the wall clock steps by {secs} s, back: {back}"));
    }

    fn port(&mut self) -> usize {
        self.random.range(1, self.plan.ports.len() as u64 - 1) as usize
    }

    fn link_down(&mut self) {
        let at = self.port();
        let port = &mut self.plan.ports[at];
        if !port.up || port.gone {
            return;
        }
        port.up = false;
        let (link, index) = (port.link(), port.index);
        self.trace.note(self.now, || format!("{} goes down", link.name));
        self.kernel.down.insert(index);
        self.flush_routes(index);
        self.tell_route(Message::LinkSet(at, link));
        self.tell_route(Message::RoutesLost(index));
        let wait =
            if self.random.chance(700) { self.random.range(1, 3_000) * MS } else { self.random.range(5, 90) * SEC };
        self.push(wait, Event::LinkUp { port: at });
    }

    fn flush_routes(&mut self, index: IfIndex) {
        for route in self.kernel.flush(index) {
            self.auditor.route_lost(route, Some(index));
        }
    }

    /// A link comes up, or comes back under another index.
    pub(crate) fn link_up(&mut self, at: usize) {
        let port = &mut self.plan.ports[at];
        (port.up, port.gone) = (true, false);
        let (link, index) = (port.link(), port.index);
        self.trace.note(self.now, || format!("{} is up, index {}", link.name, index.0));
        self.kernel.down.remove(&index);
        self.tell_route(Message::LinkSet(at, link));
        let boot = self.boot;
        self.push(self.rates.route_slow_ms * MS, Event::Reconcile { boot });
    }

    fn replace_link(&mut self) {
        let at = self.port();
        let port = &mut self.plan.ports[at];
        if !port.up || port.gone {
            return;
        }
        port.gone = true;
        let index = port.index;
        if self.random.chance(700) {
            port.index = IfIndex(port.index.0 + 10);
        }
        self.trace.note(self.now, || format!("interface {} is gone", index.0));
        self.kernel.down.insert(index);
        self.flush_routes(index);
        self.tell_route(Message::LinkGone(at, index));
        self.tell_route(Message::RoutesLost(index));
        let wait = self.random.range(1, 20_000) * MS;
        self.push(wait, Event::LinkUp { port: at });
    }

    fn meddle_with_routes(&mut self) {
        match self.random.below(3) {
            0 => {
                if let Some(at) = self.kernel.remove_one(&mut self.random) {
                    self.auditor.route_lost(at, None);
                    let boot = self.boot;
                    self.push(50 * MS, Event::Reconcile { boot });
                }
            }
            1 => {
                let pool = self.random.below(self.plan.pools.len() as u64) as usize;
                let pool = &self.plan.pools[pool];
                let last = self.random.range(u64::from(pool.low), u64::from(pool.high)) as u8;
                let at = (pool.instance, pool.address(last));
                if self.kernel.add_foreign(at) {
                    self.trace.note(self.now, || format!("a foreign route to {at:?}"));
                }
            }
            _ => self.kernel.remove_foreign(),
        }
    }

    /// Some of the clients, as a command names them.
    fn some_clients(&mut self) -> (Cleared, Filter) {
        let client = self.random.below(self.clients.len() as u64) as usize;
        let client = &self.clients[client];
        match (self.random.below(6), client.lease) {
            (0, _) => (Cleared::All, Filter::All),
            (1, _) => {
                let name = self.plan.ports[client.place.port].name;
                (Cleared::Interface(name.into()), Filter::Interface(name.into()))
            }
            (2 | 3, Some(lease)) => (Cleared::Address(lease.address), Filter::Address(lease.address)),
            _ => (Cleared::Mac(client.mac), Filter::Mac(client.mac)),
        }
    }

    fn clear(&mut self) {
        let (what, filter) = self.some_clients();
        self.trace.note(self.now, || format!("clear {what:?}"));
        if self.engine.is_some() {
            self.auditor.clear(what);
            let verb = Verb::ClearBindings { filter, cursor: Cursor::START };
            let boot = self.boot;
            self.push(0, Event::Inbox { boot, message: Message::Command(verb) });
        }
    }

    /// Operator or RADIUS want clients moved; often something goes wrong in the middle of it.
    fn reconfigure(&mut self) {
        let (what, filter) = self.some_clients();
        if self.engine.is_none() {
            return;
        }
        let cursor = Cursor::START;
        let (wanted, purpose) = match self.random.chance(700) {
            true => (Move::Renumber, Purpose::Renumber),
            false => (Move::Refresh, Purpose::Refresh),
        };
        let verb = match filter {
            Filter::Address(address) if self.random.chance(400) => {
                // A plugin may say either.
                self.auditor.clear(what.clone());
                self.auditor.asked(what.clone(), Move::Renumber);
                let keys = DisconnectKeys { address: Some(address), ..DisconnectKeys::default() };
                Verb::Disconnect { keys, attributes: Vec::new() }
            }
            filter => {
                self.auditor.asked(what.clone(), wanted);
                Verb::Reconfigure { filter, cursor, purpose, most: u32::MAX }
            }
        };
        self.trace.note(self.now, || format!("{verb:?}"));
        let boot = self.boot;
        self.push(0, Event::Inbox { boot, message: Message::Command(verb) });
        if self.random.chance(self.rates.crash_in_move) {
            let far = self.random.pick(&[20, 500, 20_000]);
            let (wait, power) = (self.random.below(far) * MS, self.random.chance(500));
            self.push(wait, Event::End { boot, power });
        }
    }

    /// RADIUS wants something of one subscriber, by a name of its own.
    fn ask_by_radius(&mut self) {
        if self.engine.is_none() {
            return;
        }
        let of = self.random.below(self.auditor.bound().count() as u64) as usize;
        let bound = self.auditor.bound().nth(of).map(|lease| (lease.key.session, lease.start));
        let (whose, mut keys) = match bound {
            Some((session, _)) if self.random.chance(300) => {
                (Cleared::Kin(session), DisconnectKeys { multi_session: Some(session), ..DisconnectKeys::default() })
            }
            _ => {
                let name = user(self.random.below(8));
                let username = Some(name.clone());
                (Cleared::User(name.into()), DisconnectKeys { username, ..DisconnectKeys::default() })
            }
        };
        if let Some((session, start)) = bound.filter(|_| self.random.chance(300)) {
            (keys.session, keys.start) = (Some(session), Some(start));
        }
        // A plugin may say either.
        self.auditor.clear(whose.clone());
        self.auditor.asked(whose.clone(), Move::Renumber);
        let verb = if self.random.chance(300) {
            Verb::Disconnect { keys, attributes: Vec::new() }
        } else {
            let change = self.random_change();
            let pool = change.pool.as_deref().map(str::to_owned);
            let (session_secs, address) = (change.session_secs, change.address);
            self.auditor.change(Changed { whose, session_secs, pool, address });
            Verb::ChangeAuthorization { keys, change, attributes: Vec::new() }
        };
        self.trace.note(self.now, || format!("{verb:?}"));
        let boot = self.boot;
        self.push(0, Event::Inbox { boot, message: Message::Command(verb) });
        if self.random.chance(self.rates.crash_in_move) {
            let far = self.random.pick(&[20, 500, 20_000]);
            let (wait, power) = (self.random.below(far) * MS, self.random.chance(500));
            self.push(wait, Event::End { boot, power });
        }
    }

    fn random_change(&mut self) -> AuthorizationChange {
        let random = &mut self.random;
        AuthorizationChange {
            session_secs: random.chance(500).then(|| random.pick(&[1, 30, 100, 400, 2_000])),
            pool: random.chance(350).then(|| random_pool(random, &self.plan)),
            address: random.chance(350).then(|| random_address(random, &self.plan)),
        }
    }

    fn commit(&mut self) -> Result<(), Finding> {
        let edit = self.plan.edit(&mut self.random);
        self.trace.note(self.now, || format!("commit: {edit}"));
        let plan = Box::new(self.plan.clone());
        let boot = self.boot;
        self.push(5 * MS, Event::Inbox { boot, message: Message::Configure(plan) });
        Ok(())
    }

    fn move_client(&mut self) {
        let client = self.random.below(self.clients.len() as u64) as usize;
        let place = self.random.below(self.places.len() as u64) as usize;
        let place = self.places[place].clone();
        let now = self.now;
        let line = &mut self.clients[client].line;
        *line = line.wrapping_add(u8::from(self.plan.remote_ids));
        self.clients[client].go_to(now, place);
        self.arm(client);
    }

    /// Commands that only look.
    fn look(&mut self) -> Result<(), Finding> {
        let cursor = Cursor::START;
        let verbs = [
            Verb::Summary,
            Verb::Statistics,
            Verb::ClearStatistics,
            Verb::Pools,
            Verb::Routes { cursor },
            Verb::Bindings { filter: Filter::All, cursor },
        ];
        let at = self.random.below(verbs.len() as u64) as usize;
        let verb = verbs[at].clone();
        if matches!(verb, Verb::ClearStatistics) {
            self.auditor.tally_lost();
        }
        self.command(verb).map(|_| ())
    }
}
