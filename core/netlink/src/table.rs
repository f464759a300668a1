//! A table of the wanted routes, by destination.
//!
//! The addresses of subscribers lie side by side in their pools, so host routes stand in pages of neighbours: an entry
//! costs little more than itself, where a hash table of a million would cost its key and as much again in free places.

use crate::desired::Key;
use bindery_types::Ipv4Addr;
use foldhash::fast::RandomState;
use std::collections::HashMap;

/// Addresses of a page. A page of which one address is left costs less than a kilobyte, so no more.
const PAGE: u32 = 32;

/// Neighbouring host routes.
#[derive(Debug)]
struct Page<V> {
    entries: [Option<V>; PAGE as usize],
    used: u32,
}

/// Values by destination.
#[derive(Debug)]
pub(crate) struct Table<V> {
    /// Host routes, by the first address of the page. None is empty.
    pages: HashMap<Key, Box<Page<V>>, RandomState>,
    /// Routes to networks.
    networks: HashMap<Key, V, RandomState>,
    hosts: usize,
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self { pages: HashMap::default(), networks: HashMap::default(), hosts: 0 }
    }
}

/// The page of a host route, and its place there.
fn place(key: &Key) -> (Key, usize) {
    let bits = key.dst.to_bits();
    let at = bits % PAGE;
    (Key { dst: Ipv4Addr::from_bits(bits - at), ..*key }, at as usize)
}

impl<V> Table<V> {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.hosts + self.networks.len()
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&V> {
        if key.len != 32 {
            return self.networks.get(key);
        }
        let (page, at) = place(key);
        self.pages.get(&page)?.entries.get(at)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, key: &Key) -> Option<&mut V> {
        if key.len != 32 {
            return self.networks.get_mut(key);
        }
        let (page, at) = place(key);
        self.pages.get_mut(&page)?.entries.get_mut(at)?.as_mut()
    }

    pub(crate) fn contains_key(&self, key: &Key) -> bool {
        self.get(key).is_some()
    }

    /// Puts a value there; the one that was.
    pub(crate) fn insert(&mut self, key: Key, value: V) -> Option<V> {
        if key.len != 32 {
            return self.networks.insert(key, value);
        }
        let (page, at) = place(&key);
        let empty = || Box::new(Page { entries: [const { None }; PAGE as usize], used: 0 });
        let page = self.pages.entry(page).or_insert_with(empty);
        let before = page.entries.get_mut(at)?.replace(value);
        if before.is_none() {
            page.used += 1;
            self.hosts += 1;
        }
        before
    }

    /// Takes the value out.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<V> {
        if key.len != 32 {
            return self.networks.remove(key);
        }
        let (first, at) = place(key);
        let page = self.pages.get_mut(&first)?;
        let before = page.entries.get_mut(at)?.take()?;
        page.used -= 1;
        self.hosts -= 1;
        if page.used == 0 {
            self.pages.remove(&first);
        }
        Some(before)
    }

    /// All of them, in the order of addresses: the kernel takes routes faster whose neighbours it has just handled.
    pub(crate) fn visit_in_order(&mut self, mut visit: impl FnMut(Key, &mut V)) {
        let mut firsts: Vec<Key> = self.pages.keys().copied().collect();
        firsts.sort_unstable();
        for first in firsts {
            let Some(page) = self.pages.get_mut(&first) else { continue };
            for (at, entry) in (0..PAGE).zip(&mut page.entries) {
                if let Some(entry) = entry {
                    visit(Key { dst: Ipv4Addr::from_bits(first.dst.to_bits() + at), ..first }, entry);
                }
            }
        }
        for (key, value) in &mut self.networks {
            visit(*key, value);
        }
    }

    /// All of them, in no order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut V)> {
        let hosts = self.pages.iter_mut().flat_map(|(first, page)| {
            let keys = (0..PAGE).map(|at| Key { dst: Ipv4Addr::from_bits(first.dst.to_bits() + at), ..*first });
            page.entries.iter_mut().zip(keys).filter_map(|(entry, key)| Some((key, entry.as_mut()?)))
        });
        hosts.chain(self.networks.iter_mut().map(|(key, value)| (*key, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bindery_types::InstanceId;
    use std::collections::BTreeMap;

    fn key(instance: u16, dst: u32, len: u8) -> Key {
        Key { len, ..Key::host(InstanceId(instance), Ipv4Addr::from_bits(dst)) }
    }

    #[test]
    fn it_is_a_map() {
        let (mut table, mut model) = (Table::default(), BTreeMap::new());
        let mut state = 7u32;
        for step in 0..20_000u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Around the ends of the address space too: the last page ends with it.
            let dst =
                if state & 1 == 0 { 0x0a00_0000 + ((state >> 8) & 0xff) } else { u32::MAX - ((state >> 8) & 0x3f) };
            let len = if (state >> 20).is_multiple_of(4) { 24 } else { 32 };
            let key = key(((state >> 24) & 1) as u16, dst, len);
            match (state >> 26) % 3 {
                0 => assert_eq!(table.remove(&key), model.remove(&key)),
                _ => assert_eq!(table.insert(key, step), model.insert(key, step)),
            }
            assert_eq!(table.get(&key), model.get(&key));
            assert_eq!(table.len(), model.len());
        }
        let mut all: Vec<(Key, u32)> = table.iter_mut().map(|(key, value)| (key, *value)).collect();
        all.sort_unstable();
        let mut in_order = Vec::new();
        table.visit_in_order(|key, value| in_order.push((key, *value)));
        let hosts = |all: &[(Key, u32)]| all.iter().filter(|(key, _)| key.len == 32).copied().collect::<Vec<_>>();
        assert_eq!(hosts(&in_order), hosts(&all));
        in_order.sort_unstable();
        assert_eq!(in_order, all);
        assert_eq!(all, model.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_page_goes() {
        let mut table = Table::default();
        table.insert(key(0, 0x0a00_0001, 32), 1);
        table.insert(key(0, 0x0a00_0002, 32), 2);
        assert_eq!(table.pages.len(), 1);
        table.remove(&key(0, 0x0a00_0001, 32));
        table.remove(&key(0, 0x0a00_0002, 32));
        assert_eq!((table.pages.len(), table.len()), (0, 0));
    }
}
