//! Reservations by the million: addresses kept for hardware addresses, in a few flat arrays that never change.
//!
//! About 19 bytes a reservation: address and hardware address in the order of the addresses (10), a hash table of
//! indexes by hardware address, half full (8), and the beginnings of stretches of addresses (1).

use alloc::{boxed::Box, vec::Vec};
use bindery_types::{Ipv4Addr, MacAddr};
use core::{fmt, hash::BuildHasher, ops::Range};

/// Most reservations of one table: as many as a /8 has addresses.
pub const RESERVATIONS_MAX: usize = 1 << 24;

/// Most repetitions that are told.
const REPEATS_MAX: usize = 64;

/// Marks a slot without a reservation: no index is that high.
const EMPTY: u32 = u32::MAX;

/// Addresses that share a beginning in `starts`, on average.
const BUCKET: usize = 4;

/// The reservations of a `host-table`: each address once, each hardware address once.
///
/// Two tables are equal when they keep the same addresses for the same clients.
#[derive(Default)]
pub struct HostTable {
    /// Ascending.
    addresses: Box<[u32]>,
    /// Whom each of `addresses` is kept for.
    macs: Box<[MacAddr]>,
    /// Indexes by the hash of the hardware address, with linear probing.
    slots: Box<[u32]>,
    /// Index of the first address at or behind `addresses[0] + (n << shift)`.
    starts: Box<[u32]>,
    shift: u32,
}

/// Why there is no table of some reservations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TableError {
    /// More than [`RESERVATIONS_MAX`].
    TooMany,
    /// Something is kept twice: the first 64 cases, by the place of the later one.
    Repeats(Vec<Repeat>),
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => write!(f, "more than {RESERVATIONS_MAX} reservations"),
            Self::Repeats(_) => f.write_str("an address or a hardware address is in two reservations"),
        }
    }
}

impl core::error::Error for TableError {}

/// Two reservations that exclude each other, by their indexes in the list that the table was to be made of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Repeat {
    /// The later one.
    pub again: u32,
    /// The earlier one.
    pub first: u32,
    /// Both are of one hardware address; else both are of one address.
    pub of_mac: bool,
}

impl HostTable {
    /// The table of `reservations`, in any order. With it, for each of the table's indexes the index in `reservations`.
    ///
    /// # Errors
    /// There are too many, or two are of one address or one hardware address.
    pub fn new(reservations: &[(Ipv4Addr, MacAddr)]) -> Result<(Self, Vec<u32>), TableError> {
        if reservations.len() > RESERVATIONS_MAX {
            return Err(TableError::TooMany);
        }
        // Sorted by address, then by place: one number is sorted faster than a pair.
        let mut keys: Vec<u64> =
            (0u64..).zip(reservations).map(|(at, (address, _))| u64::from(address.to_bits()) << 32 | at).collect();
        keys.sort_unstable();
        let order: Vec<u32> = keys.iter().map(|key| *key as u32).collect();
        let addresses: Box<[u32]> = keys.iter().map(|key| (key >> 32) as u32).collect();
        drop(keys);
        let mac = |at: &u32| reservations.get(*at as usize).map(|(_, mac)| *mac).unwrap_or_default();
        let macs: Box<[MacAddr]> = order.iter().map(mac).collect();
        let mut repeats = Vec::new();
        for (pair, places) in addresses.windows(2).zip(order.windows(2)) {
            if let ([one, other], &[first, again]) = (pair, places)
                && one == other
            {
                repeats.push(Repeat { again, first, of_mac: false });
            }
        }
        let (slots, twice) = hash(&macs);
        for (one, other) in twice {
            let place = |index: u32| order.get(index as usize).copied().unwrap_or_default();
            let (one, other) = (place(one), place(other));
            repeats.push(Repeat { again: one.max(other), first: one.min(other), of_mac: true });
        }
        if !repeats.is_empty() {
            repeats.sort_unstable();
            repeats.truncate(REPEATS_MAX);
            return Err(TableError::Repeats(repeats));
        }
        let (starts, shift) = starts(&addresses);
        Ok((Self { addresses, macs, slots, starts, shift }, order))
    }

    /// How many reservations there are.
    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// All of them, ascending by address.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Ipv4Addr, MacAddr)> {
        self.addresses.iter().zip(&self.macs).map(|(address, mac)| (Ipv4Addr::from_bits(*address), *mac))
    }

    /// The reservation at an index, in the order of the addresses.
    pub fn at(&self, index: u32) -> Option<(Ipv4Addr, MacAddr)> {
        let index = index as usize;
        Some((Ipv4Addr::from_bits(*self.addresses.get(index)?), *self.macs.get(index)?))
    }

    /// The index of the reservation of `address`.
    pub fn index_of(&self, address: Ipv4Addr) -> Option<u32> {
        let address = address.to_bits();
        let bucket = (address.checked_sub(*self.addresses.first()?)? >> self.shift) as usize;
        let (from, to) = (*self.starts.get(bucket)?, *self.starts.get(bucket + 1)?);
        let found = self.addresses.get(from as usize..to as usize)?.binary_search(&address).ok()?;
        Some(from + found as u32)
    }

    /// The index of the reservation for `mac`.
    pub fn index_of_mac(&self, mac: MacAddr) -> Option<u32> {
        let mut slot = slot_of(mac, self.slots.len());
        loop {
            let index = *self.slots.get(slot)?;
            if index == EMPTY {
                return None;
            }
            if self.macs.get(index as usize) == Some(&mac) {
                return Some(index);
            }
            slot = if slot + 1 == self.slots.len() { 0 } else { slot + 1 };
        }
    }

    /// Whom `address` is kept for.
    pub fn mac_of(&self, address: Ipv4Addr) -> Option<MacAddr> {
        Some(self.at(self.index_of(address)?)?.1)
    }

    /// What is kept for `mac`.
    pub fn address_of(&self, mac: MacAddr) -> Option<Ipv4Addr> {
        Some(self.at(self.index_of_mac(mac)?)?.0)
    }

    /// The indexes of the addresses from `low` to `high`, both included.
    pub fn indexes(&self, low: Ipv4Addr, high: Ipv4Addr) -> Range<u32> {
        let from = self.addresses.partition_point(|address| *address < low.to_bits());
        let to = self.addresses.partition_point(|address| *address <= high.to_bits());
        // No index is above RESERVATIONS_MAX.
        from as u32..to.max(from) as u32
    }

    /// The addresses that are in both tables, ascending. Quick where the tables lie apart.
    pub fn shared<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Ipv4Addr> + use<'a> {
        let (mut one, mut two) = (&*self.addresses, &*other.addresses);
        core::iter::from_fn(move || {
            loop {
                let (&a, &b) = (one.first()?, two.first()?);
                if a == b {
                    one = one.get(1..)?;
                    two = two.get(1..)?;
                    return Some(Ipv4Addr::from_bits(a));
                }
                if a < b {
                    one = one.get(first_from(one, b)..)?;
                } else {
                    two = two.get(first_from(two, a)..)?;
                }
            }
        })
    }

    /// Bytes that the table takes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&*self.addresses)
            + size_of_val(&*self.macs)
            + size_of_val(&*self.slots)
            + size_of_val(&*self.starts)
    }
}

impl PartialEq for HostTable {
    fn eq(&self, other: &Self) -> bool {
        self.addresses == other.addresses && self.macs == other.macs
    }
}

impl Eq for HostTable {}

impl fmt::Debug for HostTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostTable({} reservations)", self.len())
    }
}

/// Where the first address at or above `wanted` is, looked for with growing steps: what is near is found at once.
fn first_from(addresses: &[u32], wanted: u32) -> usize {
    let mut step = 1;
    while addresses.get(step).is_some_and(|address| *address < wanted) {
        step *= 2;
    }
    let (from, to) = (step / 2, addresses.len().min(step + 1));
    from + addresses.get(from..to).unwrap_or_default().partition_point(|address| *address < wanted)
}

/// The slot at which the search for `mac` begins.
fn slot_of(mac: MacAddr, slots: usize) -> usize {
    let [a, b, c, d, e, f] = mac.0;
    let hash = foldhash::fast::FixedState::default().hash_one(u64::from_be_bytes([0, 0, a, b, c, d, e, f]));
    ((u128::from(hash) * slots as u128) >> 64) as usize
}

/// The slots of `macs`, and pairs of indexes that are of one of them.
fn hash(macs: &[MacAddr]) -> (Box<[u32]>, Vec<(u32, u32)>) {
    let mut slots = alloc::vec![EMPTY; macs.len() * 2].into_boxed_slice();
    let mut twice = Vec::new();
    for (index, mac) in (0u32..).zip(macs) {
        let mut at = slot_of(*mac, slots.len());
        // Half of the slots stay empty, so that the walk ends.
        while let Some(slot) = slots.get_mut(at) {
            if *slot == EMPTY {
                *slot = index;
                break;
            }
            if macs.get(*slot as usize) == Some(mac) {
                twice.push((*slot, index));
                break;
            }
            at = if at + 1 == macs.len() * 2 { 0 } else { at + 1 };
        }
    }
    (slots, twice)
}

/// The beginnings of stretches of `1 << shift` addresses, and the end.
fn starts(addresses: &[u32]) -> (Box<[u32]>, u32) {
    let (Some(first), Some(last)) = (addresses.first(), addresses.last()) else {
        return (Box::default(), 0);
    };
    let most = (addresses.len() / BUCKET).max(1);
    let mut shift = 0;
    while shift < 31 && ((last - first) >> shift) as usize >= most {
        shift += 1;
    }
    let buckets = ((last - first) >> shift) as usize + 1;
    let mut starts = Vec::with_capacity(buckets + 1);
    for (index, address) in (0u32..).zip(addresses) {
        let bucket = ((address - first) >> shift) as usize;
        if starts.len() <= bucket {
            starts.resize(bucket + 1, index);
        }
    }
    starts.push(addresses.len() as u32);
    (starts.into_boxed_slice(), shift)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;
    use std::{collections::BTreeMap, vec};

    fn mac(n: u32) -> MacAddr {
        let [a, b, c, d] = n.to_be_bytes();
        MacAddr([2, 0, a, b, c, d])
    }

    fn table(of: &[(u32, u32)]) -> Result<(HostTable, Vec<u32>), TableError> {
        let list: Vec<_> = of.iter().map(|&(address, n)| (Ipv4Addr::from_bits(address), mac(n))).collect();
        HostTable::new(&list)
    }

    #[test]
    fn an_empty_table_knows_nobody() {
        let (empty, order) = table(&[]).unwrap();
        assert!(empty.is_empty() && order.is_empty());
        assert_eq!((empty.index_of(Ipv4Addr::UNSPECIFIED), empty.index_of_mac(mac(0))), (None, None));
        assert_eq!(empty.indexes(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST), 0..0);
        assert_eq!(HostTable::default(), empty);
    }

    #[test]
    fn what_is_kept_twice_is_told_by_its_places() {
        let twice = table(&[(9, 1), (5, 2), (9, 3), (7, 2), (9, 4)]).unwrap_err();
        let repeat = |again, first, of_mac| Repeat { again, first, of_mac };
        assert_eq!(twice, TableError::Repeats(vec![repeat(2, 0, false), repeat(3, 1, true), repeat(4, 2, false)]));
        let many: Vec<_> = (0..1000).map(|n| (n, 1)).collect();
        let Err(TableError::Repeats(repeats)) = table(&many) else { panic!("a table") };
        assert_eq!(repeats.len(), REPEATS_MAX);
    }

    #[test]
    fn both_ends_of_the_address_space_are_found() {
        let (ends, _) = table(&[(u32::MAX, 1), (0, 2)]).unwrap();
        assert_eq!(ends.mac_of(Ipv4Addr::UNSPECIFIED), Some(mac(2)));
        assert_eq!(ends.mac_of(Ipv4Addr::BROADCAST), Some(mac(1)));
        assert_eq!(ends.mac_of(Ipv4Addr::from_bits(77)), None);
    }

    #[test]
    fn a_reservation_takes_twenty_bytes() {
        let dense: Vec<_> = (0..100_000).map(|n| (0x0a00_0000 + n, n)).collect();
        let sparse: Vec<_> = (0..100_000).map(|n| (n * 42_000, n)).collect();
        for list in [dense, sparse] {
            let (table, _) = table(&list).unwrap();
            assert!(table.bytes() <= 20 * list.len() + 200, "{} bytes", table.bytes());
        }
    }

    proptest! {
        #[test]
        fn finds_what_a_map_finds(
            list in prop::collection::btree_map(0u32..400, 0u32..1_000_000, 0..100),
            scale in prop_oneof![Just(1u32), Just(7), Just(10_000_000)],
            other in prop::collection::btree_set(0u32..400, 0..100),
        ) {
            let mut by_mac = BTreeMap::new();
            for (address, n) in &list {
                by_mac.entry(*n).or_insert(address * scale);
            }
            // As they come by hardware address, so that addresses are in no order.
            let listed: Vec<(u32, u32)> = by_mac.iter().map(|(n, address)| (*address, *n)).collect();
            let (table, order) = table(&listed).unwrap();
            let by_address: BTreeMap<u32, u32> = listed.iter().copied().collect();
            let want: Vec<_> = by_address.iter().map(|(a, n)| (Ipv4Addr::from_bits(*a), mac(*n))).collect();
            prop_assert_eq!(table.iter().collect::<Vec<_>>(), want);
            for (index, place) in (0u32..).zip(&order) {
                prop_assert_eq!(table.at(index).unwrap().0.to_bits(), listed[*place as usize].0);
            }
            for address in (0..400u32).map(|n| n * scale).flat_map(|a| [a, a + 1]) {
                let found = table.mac_of(Ipv4Addr::from_bits(address));
                prop_assert_eq!(found, by_address.get(&address).map(|n| mac(*n)));
                let below = table.indexes(Ipv4Addr::UNSPECIFIED, Ipv4Addr::from_bits(address));
                prop_assert_eq!(below.len(), by_address.range(..=address).count());
            }
            for n in listed.iter().flat_map(|(_, n)| [*n, n + 1]) {
                let found = table.address_of(mac(n)).map(Ipv4Addr::to_bits);
                prop_assert_eq!(found, by_mac.get(&n).copied());
            }
            let others: Vec<(u32, u32)> = other.iter().map(|a| (a * scale, *a)).collect();
            let (second, _) = self::table(&others).unwrap();
            let shared: Vec<u32> = table.shared(&second).map(Ipv4Addr::to_bits).collect();
            let both: Vec<u32> = others.iter().map(|(a, _)| *a).filter(|a| by_address.contains_key(a)).collect();
            prop_assert_eq!(shared, both);
        }
    }
}
