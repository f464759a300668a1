//! Which entry of a configuration an interface belongs to: exact names, ranges (`upto`), patterns, `exclude`.
//!
//! Built once for a configuration; a look-up happens when an interface appears, never for a packet.

use crate::{
    config::{Config, Interface},
    input::Link,
    instances::{Homes, NOWHERE},
};
use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};
use bindery_types::{GroupId, InstanceId};

/// The entries of a configuration by what they name.
#[derive(Debug, Default)]
pub(crate) struct Interfaces {
    /// By exact name. A name may be in one group and excluded from others.
    exact: BTreeMap<Box<str>, Vec<usize>>,
    /// By what stands before the trailing `*`.
    starts: BTreeMap<Box<str>, Vec<usize>>,
    /// By what stands before the trailing number, each with its first and last number.
    ranges: BTreeMap<Box<str>, Vec<(u64, u64, usize)>>,
    /// Entries that are excluded from their group, and the group.
    excludes: BTreeMap<usize, GroupId>,
    groups: Vec<GroupId>,
    /// The routing instance of each entry's group.
    instances: Vec<InstanceId>,
    homes: Homes,
}

impl Interfaces {
    /// The entries of `config`.
    pub(crate) fn new(config: &Config) -> Self {
        let instance = |entry: &Interface| config.group(entry.group).map_or(NOWHERE, |group| group.instance);
        let mut this = Self {
            groups: config.interfaces.iter().map(|entry| entry.group).collect(),
            instances: config.interfaces.iter().map(instance).collect(),
            homes: Homes::new(config),
            ..Self::default()
        };
        for (at, entry) in config.interfaces.iter().enumerate() {
            if entry.exclude {
                this.excludes.insert(at, entry.group);
            }
            match (range_of(entry), entry.pattern.strip_suffix('*')) {
                (Some((start, low, high)), _) => {
                    this.ranges.entry(start.into()).or_default().push((low, high, at));
                }
                (None, Some(start)) => this.starts.entry(start.into()).or_default().push(at),
                (None, None) => this.exact.entry(entry.pattern.clone()).or_default().push(at),
            }
        }
        this
    }

    /// Which routing instances interfaces belong to.
    pub(crate) const fn homes(&self) -> &Homes {
        &self.homes
    }

    /// The routing instance of an interface, and the entry that serves it there.
    pub(crate) fn of(&self, link: &Link) -> (InstanceId, Option<usize>) {
        let instance = self.homes.of(link);
        (instance, self.entry(&link.name, instance))
    }

    /// The entry of an interface that is not there now: in the instance that lists it, else in any that has one.
    pub(crate) fn absent(&self, name: &str) -> Option<usize> {
        match self.homes.listed(name) {
            Some(instance) => self.entry(name, instance),
            None => self.matching(name).find_map(|at| self.entry(name, *self.instances.get(at)?)),
        }
    }

    /// The entry that serves an interface of `instance`, by its place in the configuration: an exact name wins, then the
    /// shortest range, then the longest pattern; of a group that excludes the interface none.
    pub(crate) fn entry(&self, name: &str, instance: InstanceId) -> Option<usize> {
        let here = |at: &usize| self.instances.get(*at) == Some(&instance);
        let named: Vec<usize> = self.matching(name).filter(here).collect();
        let excluded: Vec<GroupId> = named.iter().filter_map(|at| self.excludes.get(at).copied()).collect();
        named.into_iter().find(|at| {
            !self.excludes.contains_key(at) && self.groups.get(*at).is_some_and(|group| !excluded.contains(group))
        })
    }

    /// All entries that match, the closest first.
    fn matching<'a>(&'a self, name: &'a str) -> impl Iterator<Item = usize> + use<'a> {
        let exact = self.exact.get(name).into_iter().flatten().copied();
        let ranges = split_number(name).map(|(start, number)| {
            let of_start = self.ranges.get(start).map_or(&[][..], Vec::as_slice);
            let mut found: Vec<(u64, usize)> = of_start
                .iter()
                .filter(|(low, high, _)| (*low..=*high).contains(&number))
                .map(|(low, high, at)| (high - low, *at))
                .collect();
            found.sort_unstable();
            found
        });
        let starts = (0..=name.len()).rev().filter_map(|len| self.starts.get(name.get(..len)?)).flatten().copied();
        exact.chain(ranges.into_iter().flatten().map(|(_, at)| at)).chain(starts)
    }
}

/// Whether some group serves an interface of a name, for those who make interfaces.
#[derive(Debug, Default)]
pub struct ServedNames(Interfaces);

impl ServedNames {
    /// The names that `config` serves.
    pub fn new(config: &Config) -> Self {
        Self(Interfaces::new(config))
    }

    /// Whether an interface called `name` would be served.
    pub fn contains(&self, name: &str) -> bool {
        self.0.absent(name).is_some()
    }
}

/// The range that an entry names: what stands before the number, and its first and last number.
fn range_of(entry: &Interface) -> Option<(&str, u64, u64)> {
    range(&entry.pattern, entry.upto.as_deref()?)
}

/// The range of interfaces from `low` to `high`: the same device, and a number that grows; what stands before the
/// number, and its first and last value.
///
/// ```
/// use bindery_engine::config::interface_range;
///
/// assert_eq!(interface_range("eth1.100", "eth1.199"), Some(("eth1.", 100, 199)));
/// assert_eq!(interface_range("eth1.100", "eth2.199"), None);
/// ```
pub fn interface_range<'a>(low: &'a str, high: &str) -> Option<(&'a str, u64, u64)> {
    range(low, high)
}

fn range<'a>(low: &'a str, high: &str) -> Option<(&'a str, u64, u64)> {
    let (start, first) = split_number(low)?;
    let (other, last) = split_number(high)?;
    (start == other && first < last).then_some((start, first, last))
}

/// A name before its trailing number, and the number; `None` where it has none, or one with a leading zero: there are
/// two names of that number then.
fn split_number(name: &str) -> Option<(&str, u64)> {
    let start = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = name.get(start.len()..).filter(|digits| *digits == "0" || !digits.starts_with('0'))?;
    Some((start, digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(pattern: &str, upto: Option<&str>, exclude: bool, group: u16) -> Interface {
        let upto = upto.map(Into::into);
        Interface { pattern: pattern.into(), upto, exclude, group: GroupId(group), ..Interface::default() }
    }

    fn found(entries: Vec<Interface>, name: &str) -> Option<usize> {
        let groups = (0..5).map(|_| crate::config::Group::default()).collect();
        Interfaces::new(&Config { interfaces: entries, groups, ..Config::default() }).entry(name, InstanceId(0))
    }

    #[test]
    fn the_closest_entry_serves() {
        let entries = || {
            alloc::vec![
                entry("*", None, false, 0),
                entry("eth1.*", None, false, 1),
                entry("eth1.1", Some("eth1.99"), false, 2),
                entry("eth1.10", Some("eth1.19"), false, 3),
                entry("eth1.12", None, false, 4),
            ]
        };
        for (name, wanted) in
            [("lo", 0), ("eth1.200", 1), ("eth1.01", 1), ("eth1.1", 2), ("eth1.99", 2), ("eth1.19", 3), ("eth1.12", 4)]
        {
            assert_eq!(found(entries(), name), Some(wanted), "{name}");
        }
    }

    #[test]
    fn what_a_group_excludes_is_another_groups() {
        let entries = |other: Vec<Interface>| {
            let mut entries = alloc::vec![
                entry("eth1.1", Some("eth1.99"), false, 0),
                entry("eth1.5", None, true, 0),
                entry("eth1.50", Some("eth1.59"), true, 0),
            ];
            entries.extend(other);
            entries
        };
        assert_eq!(found(entries(Vec::new()), "eth1.4"), Some(0));
        assert_eq!(found(entries(Vec::new()), "eth1.5"), None);
        assert_eq!(found(entries(Vec::new()), "eth1.55"), None);
        assert_eq!(found(entries(alloc::vec![entry("eth1.5", None, false, 1)]), "eth1.5"), Some(3));
        assert_eq!(found(entries(alloc::vec![entry("eth1.*", None, false, 1)]), "eth1.55"), Some(3));
    }

    #[test]
    fn ranges() {
        assert_eq!(range("ge-1-0-0.1", "ge-1-0-0.9"), Some(("ge-1-0-0.", 1, 9)));
        assert_eq!(range("eth1", "eth8"), Some(("eth", 1, 8)));
        for (low, high) in [("eth1", "eth1"), ("eth2", "eth1"), ("eth1", "wan2"), ("eth", "eth1"), ("eth01", "eth2")] {
            assert_eq!(range(low, high), None, "{low} {high}");
        }
    }
}
