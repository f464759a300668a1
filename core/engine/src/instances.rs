//! Routing instances: numbers that stay what they are while the daemon runs, and which interface is whose.
//!
//! A configuration numbers its instances in order. What runs has numbers already, in sessions and in tables:
//! [`Config::following`] gives a configuration that takes its place the numbers of those names. Numbers mean nothing
//! after a restart: the session database has the names.

use crate::{
    config::{Config, Instance},
    input::Link,
};
use alloc::{boxed::Box, collections::BTreeMap, sync::Arc, vec::Vec};
use bindery_types::InstanceId;

/// The instance of interfaces that are in none: no session is there.
pub(crate) const NOWHERE: InstanceId = InstanceId(u16::MAX);

/// Name of the default instance.
pub const DEFAULT: &str = "default";

impl Config {
    /// This configuration with the numbers that `former` has for the same names. Instances that only `former` has stay
    /// behind without anything: their sessions are there until they end.
    ///
    /// Whoever hands a configuration over need not call it, but whoever makes a
    /// [`Prospect`](crate::impact::Prospect) of one does: both must number alike.
    #[must_use]
    pub fn following(self: &Arc<Self>, former: &Self) -> Arc<Self> {
        let is_same = |(at, old): (usize, &Instance)| self.instances.get(at).is_some_and(|new| new.name == old.name);
        if self.instances.is_empty() || former.instances.iter().enumerate().all(is_same) {
            return Arc::clone(self);
        }
        let numbers: BTreeMap<&str, usize> =
            former.instances.iter().enumerate().map(|(at, instance)| (&*instance.name, at)).collect();
        let gone = |old: &Instance| Instance { name: old.name.clone(), ..Instance::default() };
        let mut instances: Vec<Instance> = former.instances.iter().map(gone).collect();
        let mut mapped: Vec<InstanceId> = Vec::with_capacity(self.instances.len());
        for instance in &self.instances {
            let at = numbers.get(&*instance.name).copied().unwrap_or(instances.len());
            match instances.get_mut(at) {
                Some(slot) => *slot = instance.clone(),
                None => instances.push(instance.clone()),
            }
            mapped.push(number(at));
        }
        let mut config = Self::clone(self);
        let of = |id: InstanceId| mapped.get(usize::from(id.0)).copied().unwrap_or(id);
        config.groups.iter_mut().for_each(|group| group.instance = of(group.instance));
        config.pools.iter_mut().for_each(|pool| pool.instance = of(pool.instance));
        config.instances = instances;
        Arc::new(config)
    }

    /// The routing instance `id`, if it has a name here.
    pub fn instance(&self, id: InstanceId) -> Option<&Instance> {
        self.instances.get(usize::from(id.0))
    }

    /// The name of a routing instance: `default` for the default one, empty for one that has none.
    pub fn instance_name(&self, id: InstanceId) -> &str {
        match self.instance(id) {
            Some(instance) => &instance.name,
            None if id == InstanceId(0) => DEFAULT,
            None => "",
        }
    }

    /// The number of a routing instance.
    pub fn instance_called(&self, name: &str) -> Option<InstanceId> {
        let at = self.instances.iter().position(|instance| *instance.name == *name).map(number);
        at.or((name == DEFAULT).then_some(InstanceId(0)))
    }

    /// The number of the routing instance that a record names, made if need be; `number` where it has no name.
    ///
    /// `None` where so many instances were named already that no number is left.
    pub(crate) fn restored_instance(this: &mut Arc<Self>, name: &str, number: InstanceId) -> Option<InstanceId> {
        if name.is_empty() {
            return Some(number);
        }
        if let Some(id) = this.instance_called(name) {
            return Some(id);
        }
        let config = Arc::make_mut(this);
        if config.instances.is_empty() {
            config.instances.push(Instance { name: DEFAULT.into(), ..Instance::default() });
        }
        let id = u16::try_from(config.instances.len()).ok().map(InstanceId).filter(|id| *id != NOWHERE)?;
        config.instances.push(Instance { name: name.into(), ..Instance::default() });
        Some(id)
    }

    /// Whether the instance has no VRF device: our own addresses of the default instance are its own too, since the
    /// kernel delivers what is for them whatever interface it comes in on.
    pub(crate) fn shares_addresses(&self, id: InstanceId) -> bool {
        self.instance(id).is_none_or(|instance| instance.vrf.is_none())
    }
}

/// There are never more instances than numbers: configurations have 65,535 at most.
fn number(at: usize) -> InstanceId {
    u16::try_from(at).map_or(NOWHERE, InstanceId)
}

/// Which interface belongs to which routing instance.
#[derive(Debug, Default)]
pub(crate) struct Homes {
    exact: BTreeMap<Box<str>, InstanceId>,
    /// By what stands before the trailing `*`.
    starts: BTreeMap<Box<str>, InstanceId>,
    /// By VRF device.
    devices: BTreeMap<Box<str>, InstanceId>,
}

impl Homes {
    /// As `config` says.
    pub(crate) fn new(config: &Config) -> Self {
        let mut this = Self::default();
        for (id, instance) in (0..u16::MAX).map(InstanceId).zip(&config.instances) {
            for pattern in &instance.interfaces {
                match pattern.strip_suffix('*') {
                    Some(start) => this.starts.entry(start.into()).or_insert(id),
                    None => this.exact.entry(pattern.clone()).or_insert(id),
                };
            }
            if let Some(device) = &instance.vrf {
                this.devices.entry(device.clone()).or_insert(id);
            }
        }
        this
    }

    /// The instance of an interface: the one that lists it, by its name or by the longest pattern; else that of its VRF
    /// device; the default one where it is in no VRF. None for an interface of a VRF that is no instance.
    pub(crate) fn of(&self, link: &Link) -> InstanceId {
        if let Some(listed) = self.listed(&link.name) {
            return listed;
        }
        match &link.vrf {
            Some(device) => self.devices.get(device).copied().unwrap_or(NOWHERE),
            None => self.devices.get(&link.name).copied().unwrap_or_default(),
        }
    }

    /// The instance of an interface that is not there: the one that lists it.
    pub(crate) fn listed(&self, name: &str) -> Option<InstanceId> {
        let mut starts = (0..=name.len()).rev().filter_map(|len| self.starts.get(name.get(..len)?));
        self.exact.get(name).or_else(|| starts.next()).copied()
    }

    /// Whether an interface is the VRF device of an instance: its addresses are that instance's loopback addresses.
    pub(crate) fn is_device(&self, name: &str) -> bool {
        self.devices.contains_key(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Group, Pool};
    use alloc::vec;
    use bindery_types::IfIndex;

    fn config(names: &[&str]) -> Arc<Config> {
        let instances = names.iter().map(|name| Instance { name: (*name).into(), ..Instance::default() });
        let groups = (0u16..).zip(names).map(|(id, name)| Group {
            name: (*name).into(),
            instance: InstanceId(id),
            ..Group::default()
        });
        let pools = (0u16..).zip(names).map(|(id, name)| Pool {
            name: (*name).into(),
            instance: InstanceId(id),
            ..Pool::default()
        });
        Arc::new(Config {
            instances: instances.collect(),
            groups: groups.collect(),
            pools: pools.collect(),
            ..Config::default()
        })
    }

    fn names(config: &Config) -> Vec<&str> {
        config.instances.iter().map(|instance| &*instance.name).collect()
    }

    #[test]
    fn numbers_follow_names() {
        let first = config(&["default", "red", "blue"]);
        let second = config(&["default", "green", "blue"]).following(&first);
        assert_eq!(names(&second), ["default", "red", "blue", "green"]);
        for group in &second.groups {
            assert_eq!(second.instance_name(group.instance), &*group.name);
        }
        for pool in &second.pools {
            assert_eq!(second.instance_name(pool.instance), &*pool.name);
        }
        let third = config(&["default", "blue", "red"]).following(&second);
        assert_eq!(names(&third), ["default", "red", "blue", "green"]);
        assert_eq!(third.groups.iter().map(|group| group.instance.0).collect::<Vec<_>>(), [0, 2, 1]);
        let same = config(&["default", "red", "blue", "green", "new"]);
        assert!(Arc::ptr_eq(&same.following(&third), &same));
    }

    #[test]
    fn a_name_that_is_not_configured_has_a_number_of_its_own() {
        let mut config = config(&["default", "red"]);
        let lost = Config::restored_instance(&mut config, "lost", InstanceId(1)).unwrap();
        assert_eq!((lost, config.instance_name(lost)), (InstanceId(2), "lost"));
        assert_eq!(Config::restored_instance(&mut config, "lost", InstanceId(7)), Some(lost));
        assert_eq!(Config::restored_instance(&mut config, "red", InstanceId(7)), Some(InstanceId(1)));
        assert_eq!(Config::restored_instance(&mut config, "", InstanceId(0)), Some(InstanceId(0)));
        let mut none = Arc::new(Config::default());
        assert_eq!(Config::restored_instance(&mut none, "red", InstanceId(0)), Some(InstanceId(1)));
    }

    #[test]
    fn an_interface_is_its_lists_then_its_vrfs() {
        let instance = |name: &str, vrf: Option<&str>, interfaces: &[&str]| Instance {
            name: name.into(),
            vrf: vrf.map(Into::into),
            interfaces: interfaces.iter().map(|name| (*name).into()).collect(),
            ..Instance::default()
        };
        let homes = Homes::new(&Config {
            instances: vec![
                instance("default", None, &[]),
                instance("red", Some("vrf-red"), &[]),
                instance("blue", None, &["eth2", "eth3.*"]),
                instance("green", None, &["eth3.1*"]),
            ],
            ..Config::default()
        });
        let of = |name: &str, vrf: Option<&str>| {
            homes.of(&Link { name: name.into(), vrf: vrf.map(Into::into), ..Link::new(IfIndex(1)) }).0
        };
        assert_eq!(of("eth1", None), 0);
        assert_eq!(of("eth1", Some("vrf-red")), 1);
        assert_eq!(of("vrf-red", None), 1);
        assert_eq!(of("eth2", None), 2);
        assert_eq!(of("eth2", Some("vrf-red")), 2);
        assert_eq!((of("eth3.2", None), of("eth3.12", None)), (2, 3));
        assert_eq!(of("eth1", Some("vrf-other")), NOWHERE.0);
        assert!(homes.is_device("vrf-red") && !homes.is_device("eth2"));
    }
}
