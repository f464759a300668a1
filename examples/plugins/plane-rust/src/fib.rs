//! Routes in memory.

use crate::{EAFNOSUPPORT, EOPNOTSUPP};
use bindery_plane_abi as abi;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

const PACKET_OCTETS: u64 = 1000;

/// A route and what it pretends to have carried.
struct Standing {
    entry: abi::Entry,
    packets: u64,
}

/// All routes. They are ordered by instance and destination, which makes a dump that goes on after a change easy.
#[derive(Default)]
pub(crate) struct Fib {
    routes: BTreeMap<u64, Standing>,
    links: BTreeSet<u32>,
    foreign: BTreeSet<Ipv4Addr>,
    traffic: u64,
}

/// Instance and destination as one number; instances are less than 2^16, so that one can be added to it.
fn number(instance: u32, dst: [u8; 16]) -> u64 {
    let [a, b, c, d, ..] = dst;
    u64::from(instance) << 32 | u64::from(u32::from_be_bytes([a, b, c, d]))
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
        if entry.family != abi::IPV4 || entry.dst_len != 32 || entry.instance > u32::from(u16::MAX) {
            return EAFNOSUPPORT;
        }
        let number = number(entry.instance, entry.dst);
        match op.kind {
            abi::SET => {
                let refusal = self.refusal(entry);
                if refusal == abi::OK {
                    let packets = self.routes.get(&number).map_or(0, |standing| standing.packets);
                    self.routes.insert(number, Standing { entry: *entry, packets });
                } else {
                    // A failure leaves nothing of ours there.
                    self.routes.remove(&number);
                }
                refusal
            }
            abi::REMOVE => {
                self.routes.remove(&number);
                abi::OK
            }
            _ => EOPNOTSUPP,
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
        let Some(standing) = self.routes.get_mut(&number(key.instance, key.dst)) else {
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
