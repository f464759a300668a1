//! The routes that the engine wants, and what is known of each.

use crate::table::Table;
use bindery_engine::route::{Route, RouteError};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr, MacAddr};
use foldhash::fast::RandomState;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::num::NonZeroU32;

/// What names a route.
pub(crate) use bindery_engine::route::Destination as Key;

/// A wanted route, without its key. A million of them are in memory, so nothing stands here twice.
#[derive(Clone, Copy, Debug)]
struct Entry {
    link: IfIndex,
    via: Option<Ipv4Addr>,
    src: Option<Ipv4Addr>,
    neighbour: Option<MacAddr>,
    /// The sweep that last saw the route, and its neighbour, stand; or the one that ran when it was set.
    seen: u8,
    neighbour_seen: u8,
    /// It is in the repair queue.
    dirty: bool,
}

const _: () = assert!(size_of::<Option<Entry>>() <= 24);

impl Entry {
    fn route(&self, key: Key, marks: &HashMap<Key, Marks, RandomState>) -> Route {
        // Without a look where nobody has any.
        let marks = if marks.is_empty() { None } else { marks.get(&key) };
        let Marks { metric, tag, on_link } = marks.copied().unwrap_or_default();
        Route {
            instance: key.instance,
            table: key.table,
            dst: key.dst,
            len: key.len,
            link: self.link,
            via: self.via,
            on_link,
            src: self.src,
            neighbour: self.neighbour,
            metric,
            tag,
        }
    }
}

/// What few routes have.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Marks {
    metric: Option<u32>,
    tag: Option<u32>,
    on_link: bool,
}

impl Marks {
    fn of(route: &Route) -> Self {
        Self { metric: route.metric, tag: route.tag, on_link: route.on_link }
    }
}

/// What a wanted route looks like to a sweep.
pub(crate) enum Match {
    /// Nobody wants a route there.
    Unwanted,
    /// This one is wanted; it was set or seen while the sweep ran, so what the sweep sees now may be old.
    Fresh(Route),
    /// This one is wanted.
    Wanted(Route),
}

/// What is feared of a wanted route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Suspicion {
    /// Nothing.
    None,
    /// It may not stand.
    Doubtful,
    /// The kernel has flushed it.
    Lost,
}

/// The wanted routes.
#[derive(Default)]
pub(crate) struct Desired {
    routes: Table<Entry>,
    /// Those of the routes that have any.
    marks: HashMap<Key, Marks, RandomState>,
    /// Tables of the host routes that are not in their instance's: their neighbours carry no table.
    elsewhere: HashMap<(InstanceId, Ipv4Addr), NonZeroU32, RandomState>,
    /// Those that do not stand, and why. Empty on a healthy day.
    failed: HashMap<Key, RouteError, RandomState>,
    /// Keys to repair. Each wanted route is in it once at most, so it is bounded by their number.
    dirty: VecDeque<Key>,
    /// Number of the current or last sweep.
    sweep: u8,
    /// How often all wanted routes were looked through for link events.
    #[cfg(test)]
    pub(crate) scans: usize,
}

impl Desired {
    /// How many routes are wanted.
    pub(crate) fn len(&self) -> usize {
        self.routes.len()
    }

    pub(crate) fn clear(&mut self) {
        *self = Self { sweep: self.sweep, ..Self::default() };
    }

    /// Wants `route` and nothing else to its destination.
    pub(crate) fn set(&mut self, route: &Route) {
        let seen = self.sweep;
        self.routes.insert(route.destination(), entry(route, seen));
        self.keep_marks(route);
    }

    fn keep_marks(&mut self, route: &Route) {
        let key = route.destination();
        let marks = Marks::of(route);
        if marks != Marks::default() {
            self.marks.insert(key, marks);
        } else if !self.marks.is_empty() {
            self.marks.remove(&key);
        }
        if let (Some(table), 32) = (key.table, key.len) {
            self.elsewhere.insert((key.instance, key.dst), table);
        }
    }

    /// Wants `route` unless one to its destination is wanted already; for the records found at start.
    pub(crate) fn seed(&mut self, route: &Route) {
        let seen = self.sweep;
        if !self.routes.contains_key(&route.destination()) {
            self.routes.insert(route.destination(), entry(route, seen));
            self.keep_marks(route);
        }
    }

    /// Wants no route there any more.
    pub(crate) fn unset(&mut self, key: Key) {
        self.routes.remove(&key);
        self.failed.remove(&key);
        self.marks.remove(&key);
        let place = (key.instance, key.dst);
        if key.len == 32 && key.table.is_some() && self.elsewhere.get(&place).copied() == key.table {
            self.elsewhere.remove(&place);
        }
    }

    /// The keys that a neighbour entry may belong to.
    pub(crate) fn neighbour_keys(&self, instance: InstanceId, dst: Ipv4Addr) -> impl Iterator<Item = Key> + use<> {
        let key = Key::host(instance, dst);
        let elsewhere = self.elsewhere.get(&(instance, dst)).map(|table| Key { table: Some(*table), ..key });
        [Some(key), elsewhere].into_iter().flatten()
    }

    /// Notes why the wanted route does not stand, or that it does; what was known before.
    pub(crate) fn note(&mut self, key: Key, error: Option<RouteError>) -> Option<RouteError> {
        match error {
            Some(error) if self.routes.contains_key(&key) => self.failed.insert(key, error),
            _ => self.failed.remove(&key),
        }
    }

    /// How many wanted routes do not stand.
    pub(crate) fn failures(&self) -> usize {
        self.failed.len()
    }

    /// Puts a wanted route into the repair queue.
    pub(crate) fn mark_dirty(&mut self, key: Key) {
        if let Some(entry) = self.routes.get_mut(&key)
            && !entry.dirty
        {
            entry.dirty = true;
            self.dirty.push_back(key);
        }
    }

    /// Puts every wanted route of these routing instances into the repair queue.
    pub(crate) fn mark_dirty_in(&mut self, instances: &BTreeSet<InstanceId>) {
        for (key, entry) in self.routes.iter_mut() {
            if !entry.dirty && instances.contains(&key.instance) {
                entry.dirty = true;
                self.dirty.push_back(key);
            }
        }
    }

    /// Puts every wanted route that `suspect` has something to say of into the repair queue; the interfaces of the
    /// lost ones. `suspect` also gets to know whether the route failed when last tried. It looks at every route: call
    /// it once for many events.
    pub(crate) fn mark_dirty_where(&mut self, suspect: impl Fn(&Route, bool) -> Suspicion) -> BTreeSet<IfIndex> {
        #[cfg(test)]
        {
            self.scans += 1;
        }
        let mut links = BTreeSet::new();
        for (key, entry) in self.routes.iter_mut() {
            match suspect(&entry.route(key, &self.marks), self.failed.contains_key(&key)) {
                Suspicion::None => continue,
                Suspicion::Doubtful => {}
                Suspicion::Lost => drop(links.insert(entry.link)),
            }
            if !entry.dirty {
                entry.dirty = true;
                self.dirty.push_back(key);
            }
        }
        links
    }

    /// The next route to repair.
    pub(crate) fn pop_dirty(&mut self) -> Option<Route> {
        loop {
            let key = self.dirty.pop_front()?;
            if let Some(entry) = self.routes.get_mut(&key)
                && entry.dirty
            {
                entry.dirty = false;
                return Some(entry.route(key, &self.marks));
            }
        }
    }

    /// Whether nothing waits for repair.
    pub(crate) fn is_clean(&self) -> bool {
        self.dirty.is_empty()
    }

    /// Starts a sweep: nothing counts as seen.
    pub(crate) fn start_sweep(&mut self) {
        self.sweep = self.sweep.wrapping_add(1);
        // A number comes round after 256 sweeps. Whatever was not set or seen since then would count as seen by this
        // one; but each sweep sees or repairs every route, so no mark is that old.
    }

    /// What is wanted where a sweep found a route.
    pub(crate) fn route_found(&self, key: Key) -> Match {
        match self.routes.get(&key) {
            None => Match::Unwanted,
            Some(entry) if entry.seen == self.sweep => Match::Fresh(entry.route(key, &self.marks)),
            Some(entry) => Match::Wanted(entry.route(key, &self.marks)),
        }
    }

    /// What is wanted where a sweep found a neighbour.
    pub(crate) fn neighbour_found(&self, key: Key) -> Match {
        match self.routes.get(&key) {
            None => Match::Unwanted,
            Some(entry) if entry.neighbour_seen == self.sweep => Match::Fresh(entry.route(key, &self.marks)),
            Some(entry) => Match::Wanted(entry.route(key, &self.marks)),
        }
    }

    pub(crate) fn mark_route(&mut self, key: Key) {
        if let Some(entry) = self.routes.get_mut(&key) {
            entry.seen = self.sweep;
        }
    }

    pub(crate) fn mark_neighbour(&mut self, key: Key) {
        if let Some(entry) = self.routes.get_mut(&key) {
            entry.neighbour_seen = self.sweep;
        }
    }

    /// Ends a sweep: what it did not see goes into the repair queue. How many those are.
    pub(crate) fn finish_sweep(&mut self) -> usize {
        let (mut missing, sweep, dirty) = (0, self.sweep, &mut self.dirty);
        self.routes.visit_in_order(|key, entry| {
            let stands = entry.seen == sweep && (entry.neighbour.is_none() || entry.neighbour_seen == sweep);
            entry.seen = sweep;
            entry.neighbour_seen = sweep;
            if !stands {
                missing += 1;
                if !entry.dirty {
                    entry.dirty = true;
                    dirty.push_back(key);
                }
            }
        });
        missing
    }
}

fn entry(route: &Route, seen: u8) -> Entry {
    Entry {
        link: route.link,
        via: route.via,
        src: route.src,
        neighbour: route.neighbour,
        seen,
        neighbour_seen: seen,
        dirty: false,
    }
}
