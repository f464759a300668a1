//! Routes in memory.

use crate::{EAFNOSUPPORT, EOPNOTSUPP};
use bindery_plane_abi as abi;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
    net::Ipv4Addr,
};

const PACKET_OCTETS: u64 = 1000;

/// A route and what it pretends to have carried.
struct Standing {
    entry: abi::Entry,
    packets: u64,
}

/// All routes. Each destination has a number from its first route to its last, which makes a dump that goes on after a
/// change easy.
#[derive(Default)]
pub(crate) struct Fib {
    routes: BTreeMap<u64, Standing>,
    numbers: HashMap<abi::Key, u64>,
    last_number: u64,
    links: BTreeSet<u32>,
    foreign: BTreeSet<Ipv4Addr>,
    traffic: u64,
}

/// What names a route.
fn key(entry: &abi::Entry) -> abi::Key {
    let abi::Entry { instance, family, dst_len, table, dst, .. } = *entry;
    abi::Key { instance, family, dst_len, table, dst }
}

impl Fib {
    /// An empty one.
    pub(crate) fn new<'a>(settings: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Result<Self, String> {
        let mut fib = Self::default();
        for (key, value) in settings {
            let bad = || format!("{key} {value}: not a value of this setting");
            match &*key {
                "link" => drop(fib.links.insert(value.parse().map_err(|_| bad())?)),
                "foreign" => drop(fib.foreign.insert(value.parse().map_err(|_| bad())?)),
                "traffic" => fib.traffic = value.parse::<u32>().map_err(|_| bad())?.into(),
                _ => return Err(format!("{key}: no such setting; there are link, foreign, traffic")),
            }
        }
        Ok(fib)
    }

    /// Carries out one operation; its result.
    pub(crate) fn apply(&mut self, op: &abi::Op) -> i32 {
        let entry = &op.entry;
        if entry.family != abi::IPV4 || entry.dst_len > 32 || entry.instance > u32::from(u16::MAX) {
            return EAFNOSUPPORT;
        }
        match op.kind {
            abi::SET => {
                let refusal = self.refusal(entry);
                if refusal == abi::OK {
                    self.set(entry);
                } else {
                    // A failure leaves nothing of ours there.
                    self.remove(entry);
                }
                refusal
            }
            abi::REMOVE => {
                self.remove(entry);
                abi::OK
            }
            _ => EOPNOTSUPP,
        }
    }

    fn set(&mut self, entry: &abi::Entry) {
        let number = *self.numbers.entry(key(entry)).or_insert_with(|| {
            self.last_number += 1;
            self.last_number
        });
        let packets = self.routes.get(&number).map_or(0, |standing| standing.packets);
        self.routes.insert(number, Standing { entry: *entry, packets });
    }

    fn remove(&mut self, entry: &abi::Entry) {
        if let Some(number) = self.numbers.remove(&key(entry)) {
            self.routes.remove(&number);
        }
    }

    fn refusal(&self, entry: &abi::Entry) -> i32 {
        let [a, b, c, d, ..] = entry.dst;
        if self.foreign.contains(&Ipv4Addr::new(a, b, c, d)) {
            abi::FOREIGN
        } else if !self.links.is_empty() && !self.links.contains(&entry.link) {
            abi::LINK_DOWN
        } else {
            abi::OK
        }
    }

    /// What a route has carried so far.
    pub(crate) fn count(&mut self, key: &abi::Key) -> abi::Counters {
        let number = self.numbers.get(key).copied();
        let Some(standing) = number.and_then(|number| self.routes.get_mut(&number)) else {
            return abi::Counters::default();
        };
        standing.packets += self.traffic;
        let (packets, octets) = (standing.packets, standing.packets * PACKET_OCTETS);
        abi::Counters {
            flags: abi::COUNTED,
            reserved: 0,
            packets_in: packets,
            octets_in: octets,
            packets_out: packets,
            octets_out: octets,
        }
    }

    /// Tells routes from `cursor` on; how many, and where to go on, 0 at the end.
    pub(crate) fn dump(&self, cursor: u64, into: &mut [abi::Entry]) -> (usize, u64) {
        let mut rest = self.routes.range(cursor..);
        let mut told = 0;
        for (place, (_, standing)) in into.iter_mut().zip(rest.by_ref()) {
            *place = standing.entry;
            told += 1;
        }
        // Zipping takes nothing from `rest` once the places are used up.
        (told, rest.next().map_or(0, |(number, _)| *number))
    }
}
