//! The interfaces as the engine knows them: which group serves each, and by which address of ours.

use crate::{
    config::{Config, Interface, Overrides, PluginId, Reconfigure},
    input::Link,
    policy::Stage,
    pool::Pools,
    session::{NameId, Names},
};
use alloc::vec::Vec;
use bindery_types::{GroupId, IfIndex, InstanceId, Ipv4Addr, PoolId};
use hashbrown::HashMap;

type State = foldhash::fast::FixedState;

/// An interface with what the configuration says of it.
#[derive(Debug)]
pub(crate) struct LinkState {
    pub(crate) link: Link,
    pub(crate) name: NameId,
    /// Changes when the kernel flushed this interface's routes, or the interface came anew: a session whose route was
    /// set in another epoch has none. Never 0, so that a record read from the database has none either, and never
    /// the same twice, so that the routes of an interface that is gone do not count for its successor.
    pub(crate) route_epoch: u32,
    pub(crate) served: Option<Served>,
}

/// What the configuration says of an interface that is in a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Served {
    pub(crate) group: GroupId,
    pub(crate) instance: InstanceId,
    /// Index into `Config::interfaces`.
    pub(crate) interface: usize,
    /// Our address towards direct clients: option 54 and the route's source.
    pub(crate) local: Option<Ipv4Addr>,
    /// The pool whose network holds `local` (`ip-address-first`).
    pub(crate) pool: Option<PoolId>,
}

impl Served {
    /// The overrides in force: the interface's block takes the place of the group's (junos.md §1.1).
    pub(crate) fn overrides<'c>(&self, config: &'c Config) -> Option<&'c Overrides> {
        let own = config.interfaces.get(self.interface).and_then(|i| i.overrides.as_ref());
        own.or_else(|| config.group(self.group).map(|g| &g.overrides))
    }

    /// The chain of `stage` in force; empty when none is bound.
    pub(crate) fn chain<'c>(&self, config: &'c Config, stage: Stage) -> &'c [PluginId] {
        let own = config.interfaces.get(self.interface).and_then(|i| i.chains.get(stage));
        own.or_else(|| config.group(self.group).and_then(|g| g.chains.get(stage))).unwrap_or(&[])
    }

    /// Whether newcomers wait for an authority.
    pub(crate) fn asks_authority(&self, config: &Config) -> bool {
        config.group(self.group).is_some_and(|group| group.authenticate)
            || !self.chain(config, Stage::Authorize).is_empty()
    }

    /// The group's `reconfigure`, when it is enabled.
    pub(crate) fn reconfigure<'c>(&self, config: &'c Config) -> Option<&'c Reconfigure> {
        config.group(self.group)?.reconfigure.as_ref()
    }
}

/// All interfaces.
#[derive(Debug, Default)]
pub(crate) struct Links {
    by_index: HashMap<IfIndex, LinkState, State>,
    by_name: HashMap<NameId, IfIndex, State>,
    own: HashMap<Ipv4Addr, IfIndex, State>,
    /// The last epoch given to an interface.
    epochs: u32,
    /// Addresses on loopbacks, ascending: gateways of unnumbered interfaces.
    loopback: Vec<Ipv4Addr>,
    /// Something changed since the last [`Links::resolve`].
    dirty: bool,
}

impl Links {
    /// Stores the state of an interface. Returns whether it is new, under this index or this name.
    pub(crate) fn set(&mut self, link: Link, names: &mut Names) -> bool {
        if self.by_index.get(&link.index).is_some_and(|known| known.link == link) {
            return false;
        }
        self.dirty = true;
        let name = names.intern(&link.name);
        let index = link.index;
        let old = self.by_index.remove(&index);
        let epoch = old.as_ref().filter(|l| l.name == name).map(|l| l.route_epoch).unwrap_or_else(|| self.next_epoch());
        let known = old.is_some_and(|l| l.name == name);
        self.by_name.insert(name, index);
        self.by_index.insert(index, LinkState { link, name, route_epoch: epoch, served: None });
        !known
    }

    /// Forgets an interface.
    pub(crate) fn remove(&mut self, index: IfIndex) {
        self.dirty = true;
        if let Some(old) = self.by_index.remove(&index)
            && self.by_name.get(&old.name) == Some(&index)
        {
            self.by_name.remove(&old.name);
        }
    }

    /// Whether [`Links::resolve`] has work: many changes in a row are resolved once.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// Works out anew what the configuration says of every interface, after either changed.
    pub(crate) fn resolve(&mut self, config: &Config, pools: &mut Pools) {
        self.dirty = false;
        self.own =
            self.by_index.values().flat_map(|l| l.link.addresses.iter().map(|a| (a.address, l.link.index))).collect();
        pools.exclude_own(self.own.keys().copied());
        self.loopback = self
            .by_index
            .values()
            .filter(|l| l.link.loopback)
            .flat_map(|l| l.link.addresses.iter().map(|a| a.address))
            .filter(|a| !a.is_loopback())
            .collect();
        self.loopback.sort_unstable();
        for state in self.by_index.values_mut() {
            state.served = serving(config, &state.link.name)
                .and_then(|(interface, _)| serve(config, interface, pools, &state.link, &self.loopback));
        }
    }

    /// What another configuration says of an interface; `entry` finds its entry there.
    pub(crate) fn serve_as(
        &self,
        name: NameId,
        config: &Config,
        entry: impl Fn(&str) -> Option<usize>,
        pools: &Pools,
    ) -> Option<Served> {
        let link = &self.by_name(name)?.link;
        serve(config, entry(&link.name)?, pools, link, &self.loopback)
    }

    pub(crate) fn get(&self, index: IfIndex) -> Option<&LinkState> {
        self.by_index.get(&index)
    }

    pub(crate) fn by_name(&self, name: NameId) -> Option<&LinkState> {
        self.by_index.get(self.by_name.get(&name)?)
    }

    /// The kernel flushed the routes of `index`.
    pub(crate) fn routes_lost(&mut self, index: IfIndex) {
        let epoch = self.next_epoch();
        if let Some(state) = self.by_index.get_mut(&index) {
            state.route_epoch = epoch;
        }
    }

    fn next_epoch(&mut self) -> u32 {
        self.epochs = self.epochs.checked_add(1).unwrap_or(1);
        self.epochs
    }

    /// No route is known to stand on any interface.
    pub(crate) fn all_routes_lost(&mut self) {
        let epoch = self.next_epoch();
        for state in self.by_index.values_mut() {
            state.route_epoch = epoch;
        }
    }

    /// Whether `address` is one of ours.
    pub(crate) fn is_own(&self, address: Ipv4Addr) -> bool {
        self.own.contains_key(&address)
    }

    /// The interface in a group with `address` on-link; `None` where no or more than one has it.
    pub(crate) fn serving_one(&self, address: Ipv4Addr) -> Option<&LinkState> {
        let mut found = self.by_index.values().filter(|l| l.served.is_some() && self.is_on_link(l.link.index, address));
        found.next().filter(|_| found.next().is_none())
    }

    /// Whether `address` is on-link at the interface: a gateway there can be used in a route.
    pub(crate) fn is_on_link(&self, index: IfIndex, address: Ipv4Addr) -> bool {
        self.get(index).is_some_and(|state| {
            state.link.addresses.iter().any(|a| {
                bindery_types::Prefix4::containing(a.address, a.len).is_some_and(|p| a.len < 32 && p.contains(address))
            })
        })
    }
}

/// The entry of an interface, and where it stands: an exact name wins, then the longest pattern.
pub(crate) fn serving<'c>(config: &'c Config, name: &str) -> Option<(usize, &'c Interface)> {
    let entries = config.interfaces.iter().enumerate().filter(|(_, i)| pattern_matches(&i.pattern, name));
    entries.max_by_key(|(_, i)| (!i.pattern.ends_with('*'), i.pattern.len()))
}

/// What entry `interface` says of an interface.
fn serve(config: &Config, interface: usize, pools: &Pools, link: &Link, loopback: &[Ipv4Addr]) -> Option<Served> {
    let entry = config.interfaces.get(interface)?;
    let instance = config.group(entry.group)?.instance;
    let matched = |address: Ipv4Addr| Some((address, pools.match_network(instance, address)?));
    // ip-address-first: the interface's own address, else (unnumbered) the gateway address on a loopback.
    let own = link.addresses.iter().map(|a| a.address);
    let (local, pool) = match own.clone().find_map(matched).or_else(|| loopback.iter().copied().find_map(matched)) {
        Some((local, pool)) => (Some(local), Some(pool)),
        None => (own.clone().next(), None),
    };
    Some(Served { group: entry.group, instance, interface, local, pool })
}

/// Whether `name` is `pattern`, or begins with what stands before its trailing `*`.
pub(crate) fn pattern_matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::pattern_matches;

    #[test]
    fn patterns() {
        assert!(pattern_matches("eth1", "eth1"));
        assert!(!pattern_matches("eth1", "eth10"));
        assert!(pattern_matches("eth1.*", "eth1.42"));
        assert!(pattern_matches("*", "lo"));
    }
}
