//! The interfaces as the engine knows them: which group serves each, and by which address of ours.

use crate::{
    config::{Config, Overrides, PluginId, Reconfigure, RouteSuppression},
    event::Counters,
    input::{Link, RxMeta},
    instances::NOWHERE,
    interfaces::Interfaces,
    output::{Destination, InstanceTable},
    policy::Stage,
    pool::Pools,
    session::{NameId, Names},
    tally::Tallies,
};
use alloc::{collections::BTreeSet, vec::Vec};
use bindery_types::{GroupId, IfIndex, InstanceId, Ipv4Addr, PoolId, Prefix4};
use hashbrown::{HashMap, HashSet};

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
    /// The routing instance it is in; [`NOWHERE`] for one of a VRF that is no instance.
    pub(crate) instance: InstanceId,
    /// Place of its counters, once it has any.
    tally: Option<u32>,
    /// Whether the shell was told to drop what passes through from here to other servers.
    drops_snooped: bool,
    /// `overload per-interface`.
    pub(crate) bucket: crate::overload::Bucket,
}

impl LinkState {
    /// Notes for the shell where `forward-snooped-clients` says something else of this interface than before.
    fn tell_snooped(&mut self, config: &Config, changes: &mut Vec<(IfIndex, bool)>) {
        let rule = config.server(self.instance).forward_snooped;
        let drops = rule.is_some_and(|rule| rule.drops(self.served.is_some()));
        if core::mem::replace(&mut self.drops_snooped, drops) != drops {
            changes.push((self.link.index, drops));
        }
    }
}

/// What the configuration says of an interface that is in a group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
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

    /// The group's `route-suppression`.
    pub(crate) fn route_suppression(&self, config: &Config) -> Option<RouteSuppression> {
        config.group(self.group)?.route_suppression
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
    own: HashMap<(InstanceId, Ipv4Addr), IfIndex, State>,
    /// First and last addresses of our networks: all hosts of one listen there (RFC 1122 §3.3.6).
    network_ends: HashSet<(InstanceId, Ipv4Addr), State>,
    /// Where routes and packets of each routing instance but the default one go.
    tables: Vec<InstanceTable>,
    /// Routing instances beside the default one that have our addresses of the default one too.
    sharing: BTreeSet<InstanceId>,
    /// The last epoch given to an interface.
    epochs: u32,
    /// Addresses on loopbacks with their routing instances, ascending: gateways of unnumbered interfaces.
    loopback: Vec<(InstanceId, Ipv4Addr)>,
    /// Counters by interface.
    tallies: Tallies,
    /// The entries of the configuration.
    interfaces: Interfaces,
    /// Something changed since the last [`Links::settle`] that concerns other interfaces too.
    dirty: bool,
    /// Interfaces that changed since then and concern themselves alone: of thousands of VLAN devices each is looked at once.
    changed: Vec<IfIndex>,
    /// Interfaces that are in another routing instance than before.
    moved: Vec<NameId>,
    /// What the shell is to be told: [`crate::output::Outbox::snooped`].
    snooped: Vec<(IfIndex, bool)>,
}

impl Links {
    /// Stores the state of an interface. Returns whether it is new, under this index or this name.
    pub(crate) fn set(&mut self, link: Link, names: &mut Names) -> bool {
        if self.by_index.get(&link.index).is_some_and(|known| known.link == link) {
            return false;
        }
        let name = names.intern(&link.name);
        let index = link.index;
        let old = self.by_index.remove(&index);
        if self.is_alone(&link) && old.as_ref().is_none_or(|old| self.is_alone(&old.link)) {
            self.changed.push(index);
        } else {
            self.dirty = true;
        }
        // Its former name is nobody's, unless another interface has it by now.
        if let Some(former) = old.as_ref().map(|old| old.name).filter(|former| *former != name)
            && self.by_name.get(&former) == Some(&index)
        {
            self.by_name.remove(&former);
        }
        let epoch = old.as_ref().filter(|l| l.name == name).map(|l| l.route_epoch).unwrap_or_else(|| self.next_epoch());
        let known = old.as_ref().is_some_and(|l| l.name == name);
        let bucket = old.as_ref().map(|old| old.bucket).unwrap_or_default();
        // Where it was, until it is known where it is.
        let instance = old.as_ref().filter(|_| known).map_or(NOWHERE, |old| old.instance);
        let drops_snooped = old.as_ref().is_some_and(|old| old.drops_snooped);
        let mut tally = old.and_then(|old| old.tally);
        if let Some(at) = tally.filter(|_| !known) {
            self.tallies.close(at);
            tally = None;
        }
        self.by_name.insert(name, index);
        let (route_epoch, served) = (epoch, None);
        let state = LinkState { link, name, route_epoch, bucket, served, instance, tally, drops_snooped };
        self.by_index.insert(index, state);
        !known
    }

    /// Forgets an interface.
    pub(crate) fn remove(&mut self, index: IfIndex) {
        let old = self.by_index.remove(&index);
        self.dirty |= old.as_ref().is_some_and(|old| !self.is_alone(&old.link));
        if let Some(at) = old.as_ref().and_then(|old| old.tally) {
            self.tallies.close(at);
        }
        if old.as_ref().is_some_and(|old| old.drops_snooped) {
            self.snooped.push((index, false));
        }
        if let Some(old) = old
            && self.by_name.get(&old.name) == Some(&index)
        {
            self.by_name.remove(&old.name);
        }
    }

    /// Whether an interface lends no other one an address and is no VRF device.
    fn is_alone(&self, link: &Link) -> bool {
        let is_device = link.table.is_some() || self.interfaces.homes().is_device(&link.name);
        link.addresses.is_empty() && !link.loopback && !is_device
    }

    /// Whether [`Links::settle`] has work: many changes in a row are resolved once.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty || !self.changed.is_empty()
    }

    /// Works out what the configuration says of interfaces that changed.
    pub(crate) fn settle(&mut self, config: &Config, pools: &mut Pools) {
        if self.dirty {
            return self.resolve(config, pools);
        }
        for index in core::mem::take(&mut self.changed) {
            let Some(state) = self.by_index.get_mut(&index) else { continue };
            let (instance, entry) = self.interfaces.of(&state.link);
            if core::mem::replace(&mut state.instance, instance) != instance {
                self.moved.push(state.name);
            }
            state.served = entry.and_then(|entry| serve(config, entry, pools, &state.link, &self.loopback));
            state.tell_snooped(config, &mut self.snooped);
        }
    }

    /// On which interfaces requests to other servers are to be dropped from now on, or no longer, since the last call.
    pub(crate) fn take_snooped(&mut self) -> Vec<(IfIndex, bool)> {
        core::mem::take(&mut self.snooped)
    }

    /// The interfaces that have gone to another routing instance since the last call; new ones among them.
    pub(crate) fn take_moved(&mut self) -> Vec<NameId> {
        core::mem::take(&mut self.moved)
    }

    /// Panics where what is known of an interface is not what the configuration says: for tests and simulation.
    pub(crate) fn check_invariants(&self, config: &Config, pools: &Pools) {
        if self.is_dirty() {
            return;
        }
        for (index, state) in &self.by_index {
            let (instance, entry) = self.interfaces.of(&state.link);
            let served = entry.and_then(|entry| serve(config, entry, pools, &state.link, &self.loopback));
            assert_eq!((state.instance, state.served), (instance, served), "interface {index:?}");
        }
    }

    /// Works out anew what the configuration says of every interface, after either changed.
    pub(crate) fn resolve(&mut self, config: &Config, pools: &mut Pools) {
        self.dirty = false;
        self.changed.clear();
        self.interfaces = Interfaces::new(config);
        let homes = self.interfaces.homes();
        let of = |l: &LinkState| homes.of(&l.link);
        let own = |l: &LinkState| {
            let (instance, index) = (of(l), l.link.index);
            let addresses: Vec<Ipv4Addr> = l.link.addresses.iter().map(|a| a.address).collect();
            addresses.into_iter().map(move |address| ((instance, address), index))
        };
        self.own = self.by_index.values().flat_map(own).collect();
        self.network_ends =
            self.by_index.values().flat_map(|l| network_ends(&l.link).map(move |e| (of(l), e))).collect();
        pools.exclude_own(self.own.keys().copied());
        self.sharing = (1..u16::MAX)
            .map(InstanceId)
            .zip(config.instances.iter().skip(1))
            .filter_map(|(id, instance)| instance.vrf.is_none().then_some(id))
            .collect();
        self.tables = self.tables_of(config);
        self.loopback = self
            .by_index
            .values()
            .filter(|l| l.link.loopback || homes.is_device(&l.link.name))
            .flat_map(own)
            .map(|(own, _)| own)
            .filter(|(_, address)| !address.is_loopback())
            .collect();
        self.loopback.sort_unstable();
        for state in self.by_index.values_mut() {
            let (instance, entry) = self.interfaces.of(&state.link);
            if core::mem::replace(&mut state.instance, instance) != instance {
                self.moved.push(state.name);
            }
            state.served = entry.and_then(|interface| serve(config, interface, pools, &state.link, &self.loopback));
            state.tell_snooped(config, &mut self.snooped);
        }
    }

    /// What another configuration, whose entries are `interfaces`, says of an interface that is there: its routing
    /// instance and its service.
    pub(crate) fn serve_as(
        &self,
        name: NameId,
        config: &Config,
        interfaces: &Interfaces,
        pools: &Pools,
    ) -> Option<(InstanceId, Option<Served>)> {
        let link = &self.by_name(name)?.link;
        let (instance, entry) = interfaces.of(link);
        Some((instance, entry.and_then(|entry| serve(config, entry, pools, link, &self.loopback))))
    }

    /// What each routing instance of `config` but the default one is in the kernel now.
    fn tables_of(&self, config: &Config) -> Vec<InstanceTable> {
        let devices: HashMap<&str, &Link, State> = self
            .by_index
            .values()
            .filter(|state| state.link.table.is_some())
            .map(|state| (&*state.link.name, &state.link))
            .collect();
        let instances = (1..u16::MAX).map(InstanceId).zip(config.instances.iter().skip(1));
        let table = |(instance, configured): (InstanceId, &crate::config::Instance)| {
            let device = configured.vrf.as_deref().and_then(|name| devices.get(name));
            InstanceTable {
                instance,
                table: device.map_or(configured.table, |device| device.table),
                device: device.map(|device| device.index),
            }
        };
        instances.map(table).collect()
    }

    /// Where routes and packets of each routing instance but the default one go, ascending.
    pub(crate) fn tables(&self) -> &[InstanceTable] {
        &self.tables
    }

    /// The same destination as it leaves: a datagram whose interface tells its routing instance is routed in the
    /// VRF device of that; in an instance without one, by that interface, so that rules may tell it by it.
    pub(crate) fn routed(&self, to: Destination) -> Destination {
        let Destination::Udp { link, src, dst, port } = to else { return to };
        let link = match self.instance_of(link) {
            InstanceId(0) => IfIndex(0),
            instance => {
                let at = self.tables.binary_search_by_key(&instance, |table| table.instance).ok();
                at.and_then(|at| self.tables.get(at)?.device).unwrap_or(link)
            }
        };
        Destination::Udp { link, src, dst, port }
    }

    /// The routing instance of an interface.
    pub(crate) fn instance_of(&self, index: IfIndex) -> InstanceId {
        self.get(index).map_or(InstanceId(0), |state| state.instance)
    }

    /// The counters of an interface; `None` where there is no such interface.
    pub(crate) fn tally(&mut self, index: IfIndex) -> Option<&mut Counters> {
        let state = self.by_index.get_mut(&index)?;
        let at = match state.tally {
            Some(at) => at,
            None => *state.tally.insert(self.tallies.open(index)),
        };
        self.tallies.get_mut(at)
    }

    /// The same to look at; `None` where nothing was counted yet.
    pub(crate) fn counted(&self, state: &LinkState) -> Option<&Counters> {
        self.tallies.get(state.tally?)
    }

    /// The counters of all interfaces.
    pub(crate) const fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    /// Sets the counters of all interfaces to zero.
    pub(crate) fn clear_tallies(&mut self) {
        self.tallies.clear();
    }

    /// All interfaces that are there.
    pub(crate) fn all(&self) -> impl Iterator<Item = &LinkState> {
        self.by_index.values()
    }

    /// The entry of an interface that need not be there.
    pub(crate) fn entry(&self, name: &str) -> Option<usize> {
        self.interfaces.absent(name)
    }

    pub(crate) fn get(&self, index: IfIndex) -> Option<&LinkState> {
        self.by_index.get(&index)
    }

    pub(crate) fn get_mut(&mut self, index: IfIndex) -> Option<&mut LinkState> {
        self.by_index.get_mut(&index)
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

    /// Whether `address` is one of ours in a routing instance. What is for one of the default instance is delivered in
    /// every other that is no VRF device too.
    pub(crate) fn is_own(&self, instance: InstanceId, address: Ipv4Addr) -> bool {
        self.own.contains_key(&(instance, address))
            || (self.sharing.contains(&instance) && self.own.contains_key(&(InstanceId(0), address)))
    }

    /// Whether `address` is one that another host may have, as a relay its giaddr (RFC 2131 §2): none of ours in a routing
    /// instance, and not the first or last of a network of ours, where everybody would hear.
    pub(crate) fn is_anothers(&self, instance: InstanceId, address: Ipv4Addr) -> bool {
        let is_end = |instance| self.network_ends.contains(&(instance, address));
        let shares = || self.sharing.contains(&instance) && is_end(InstanceId(0));
        is_host_address(address) && !self.is_own(instance, address) && !is_end(instance) && !shares()
    }

    /// Whether a datagram was sent to an address of ours.
    pub(crate) fn is_to_us(&self, meta: &RxMeta) -> bool {
        self.is_own(self.instance_of(meta.link), meta.dst)
    }

    /// The interface in a group with `address` on-link; `None` where no or more than one has it.
    pub(crate) fn serving_one(&self, address: Ipv4Addr) -> Option<&LinkState> {
        let mut found = self.by_index.values().filter(|l| l.served.is_some() && self.is_on_link(l.link.index, address));
        found.next().filter(|_| found.next().is_none())
    }

    /// Whether `address` is on-link at the interface: a gateway there can be used in a route.
    pub(crate) fn is_on_link(&self, index: IfIndex, address: Ipv4Addr) -> bool {
        self.get(index).is_some_and(|state| {
            state
                .link
                .addresses
                .iter()
                .any(|a| Prefix4::containing(a.address, a.len).is_some_and(|p| a.len < 32 && p.contains(address)))
        })
    }
}

/// Whether an address is one that a host may have: no answer goes to any other, whatever a request says of itself.
pub(crate) fn is_host_address(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first != 0 && !address.is_loopback() && !address.is_multicast() && !address.is_broadcast()
}

/// First and last address of each network that an interface is in; those of two addresses and of one have none to spare
/// (RFC 3021 §2.1).
fn network_ends(link: &Link) -> impl Iterator<Item = Ipv4Addr> + '_ {
    let networks = link.addresses.iter().filter(|a| a.len < 31);
    networks
        .filter_map(|a| Prefix4::containing(a.address, a.len))
        .flat_map(|network| [network.address(), network.last()])
}

/// What entry `interface` says of an interface.
fn serve(
    config: &Config,
    interface: usize,
    pools: &Pools,
    link: &Link,
    loopback: &[(InstanceId, Ipv4Addr)],
) -> Option<Served> {
    let entry = config.interfaces.get(interface)?;
    let instance = config.group(entry.group)?.instance;
    let matched = |address: Ipv4Addr| Some((address, pools.match_network(instance, address)?));
    // ip-address-first: the interface's own address, else (unnumbered) the gateway address on a loopback.
    let own = link.addresses.iter().map(|a| a.address);
    // Of the instance; where it is no VRF device, also of the default one.
    let shared = config.shares_addresses(instance);
    let loopbacks = || {
        let mine = loopback.iter().filter(|(of, _)| *of == instance);
        let shared = loopback.iter().filter(|(of, _)| shared && instance != InstanceId(0) && *of == InstanceId(0));
        mine.chain(shared).map(|(_, address)| *address)
    };
    let (local, pool) = match own.clone().find_map(matched).or_else(|| loopbacks().find_map(matched)) {
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
