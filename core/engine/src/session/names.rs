//! Names of interfaces, groups and pools, each kept once.

use alloc::{boxed::Box, vec::Vec};
use core::hash::BuildHasher;
use foldhash::quality::FixedState;
use hashbrown::HashTable;

/// Stands for a name of a [`Names`]; means nothing in another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct NameId(u32);

impl NameId {
    /// The empty name.
    pub const EMPTY: Self = Self(0);

    /// A small number, dense from 0: position in an array by name.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The same as it is kept where a name is one of several things.
    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    /// The name of that number.
    pub(crate) const fn of(number: u32) -> Self {
        Self(number)
    }
}

/// The names. They come from the configuration, the kernel and the session database, never from clients; a name
/// once seen stays.
#[derive(Debug)]
pub struct Names {
    names: Vec<Box<str>>,
    index: HashTable<u32>,
    hasher: FixedState,
}

impl Names {
    /// Only the empty name is in it.
    pub fn new(hash_seed: u64) -> Self {
        let mut names = Self { names: Vec::new(), index: HashTable::new(), hasher: FixedState::with_seed(hash_seed) };
        names.intern("");
        names
    }

    /// The id of `name`, made if need be.
    pub fn intern(&mut self, name: &str) -> NameId {
        if let Some(id) = self.find(name) {
            return id;
        }
        // The vector cannot hold 2^32 boxed names on any machine, so the count fits.
        let id = self.names.len() as u32;
        self.names.push(name.into());
        let Self { names, index, hasher } = self;
        let hash = |id: &u32| hasher.hash_one(names.get(*id as usize).map_or("", |name| name));
        index.insert_unique(hash(&id), id, hash);
        NameId(id)
    }

    /// The id of `name`, when it is known.
    pub fn find(&self, name: &str) -> Option<NameId> {
        let is_it = |id: &u32| self.names.get(*id as usize).is_some_and(|known| **known == *name);
        self.index.find(self.hasher.hash_one(name), is_it).copied().map(NameId)
    }

    /// The name; empty for an id of another [`Names`].
    pub fn name(&self, id: NameId) -> &str {
        self.names.get(id.index()).map_or("", |name| name)
    }

    /// How many there are, the empty one counted.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.names.len()
    }
}
