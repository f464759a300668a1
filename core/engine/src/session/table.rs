//! The table itself.

use super::{
    arena::Pages,
    cells::{Cell, Cells},
    deadlines::Deadlines,
    identity::{Identity, IdentityBuf, Kept, nonce_bytes, with_nonce},
    index::{Hashes, Index},
    names::NameId,
    record::{Record, Slot, SlotRef, State},
};
use crate::{config::DuplicateClients, pool::Hold, record::Nonce, subscriber::username_in};
use alloc::{boxed::Box, vec::Vec};
use bindery_types::{HwAddr, InstanceId, Ipv4Addr, LeaseTime, SessionId};
use core::{fmt, iter};

/// Why the table cannot take a change. Nothing changed then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Conflict {
    /// This other record has the same client key.
    Client(Slot),
    /// This other record holds the address.
    Address(Slot),
    /// This other record has the same session id.
    Id(Slot),
    /// The slot is empty, or has another session by now.
    Vacant,
    /// The table has as many sessions as it may have.
    Full,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client(_) => "another session has the same client key",
            Self::Address(_) => "another session holds the address",
            Self::Id(_) => "another session has the same id",
            Self::Vacant => "the session is gone",
            Self::Full => "the session table is full",
        })
    }
}

impl core::error::Error for Conflict {}

/// Bytes in use by part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MemoryUse {
    /// Pages of records.
    pub records: usize,
    /// Pages of identities.
    pub identities: usize,
    /// The five indexes.
    pub indexes: usize,
    /// Deadlines.
    pub deadlines: usize,
}

impl MemoryUse {
    /// All of it.
    pub const fn total(&self) -> usize {
        self.records + self.identities + self.indexes + self.deadlines
    }
}

/// Every session of an engine.
///
/// Three keys are unique: the session id; the client key in its routing instance and scope, among all records but
/// those in quarantine (with what tells duplicate clients apart, see [`super::Whereabouts`]); and the address in its routing instance, among the records that hold one (offered, bound,
/// in quarantine). A tombstone keeps its client key and holds no address. The table refuses whatever would break
/// that, so design §2.3 (no address twice) holds in memory whatever its callers do.
#[derive(Debug)]
pub struct SessionTable {
    pub(super) records: Pages<Record>,
    pub(super) identities: Cells,
    pub(super) hashes: Hashes,
    pub(super) clients: Index,
    pub(super) addresses: Index,
    pub(super) ids: Index,
    /// The first record of each hardware address; the others follow by `hw_next`.
    pub(super) hw: Index,
    /// Sessions with a user name, by it: several may have the same.
    pub(super) users: Index,
    /// What tells clients apart, by routing instance; shorter where the rest has the default.
    pub(super) duplicates: Vec<DuplicateClients>,
    pub(super) deadlines: Deadlines,
    /// First free slot; the others follow by `hw_next`.
    pub(super) free: Slot,
    pub(super) len: u32,
    limit: u32,
    pub(super) counts: [u32; State::ALL.len()],
    /// Live sessions by [`NameId`] of their interface, and those of them that are offers.
    pub(super) live_on_link: Vec<[u32; 2]>,
}

impl SessionTable {
    /// An empty table. `hash_seed` keeps clients from choosing keys that collide.
    pub fn new(hash_seed: u64) -> Self {
        Self::with_limit(hash_seed, u32::MAX)
    }

    /// An empty table of at most `limit` sessions.
    pub fn with_limit(hash_seed: u64, limit: u32) -> Self {
        Self {
            records: Pages::new(),
            identities: Cells::new(),
            hashes: Hashes::new(hash_seed),
            clients: Index::new(),
            addresses: Index::new(),
            ids: Index::new(),
            hw: Index::new(),
            users: Index::new(),
            duplicates: Vec::new(),
            deadlines: Deadlines::new(),
            free: Slot::NONE,
            len: 0,
            limit,
            counts: [0; State::ALL.len()],
            live_on_link: Vec::new(),
        }
    }

    /// Makes room in the indexes of an empty table for so many sessions. Fewer or more may come.
    pub fn reserve(&mut self, sessions: u32) {
        for index in [&mut self.clients, &mut self.addresses, &mut self.ids, &mut self.hw] {
            index.reserve(sessions.min(self.limit));
        }
    }

    /// Adds a session.
    ///
    /// # Errors
    /// A unique key is taken, or the table is full.
    pub fn insert(&mut self, record: Record, identity: &IdentityBuf) -> Result<Slot, Conflict> {
        let rival = match record.state.is_the_clients() {
            true => self.rival(&record, &identity.view(), None),
            false => None,
        };
        self.insert_beside(record, identity, rival)
    }

    /// The same; `rival` is the session of the same client, where there is one.
    pub(super) fn insert_beside(
        &mut self,
        record: Record,
        identity: &IdentityBuf,
        rival: Option<Slot>,
    ) -> Result<Slot, Conflict> {
        let view = identity.view();
        let mut record = record;
        record.client_hash = self.hashes.client(record.instance, record.scope, &view.key());
        record.hw_hash = self.hashes.hw(&view.hw);
        record.has_nonce = false;
        if let Some(other) = self.find_by_id(record.id) {
            return Err(Conflict::Id(other));
        }
        if let Some(other) = rival {
            return Err(Conflict::Client(other));
        }
        if let Some(address) = record.held()
            && let Some(other) = self.find_by_address(record.instance, address)
        {
            return Err(Conflict::Address(other));
        }
        if self.len >= self.limit {
            return Err(Conflict::Full);
        }
        record.cell = self.identities.put(identity.as_bytes()).ok_or(Conflict::Full)?;
        let slot = self.place(record).ok_or(Conflict::Full)?;
        self.index_id(slot, record.id);
        if record.state.is_the_clients() {
            self.index_client(slot);
        }
        if let Some(address) = record.held() {
            self.index_address(slot, record.instance, address);
        }
        self.link_hw(slot, record.hw_hash, &view.hw);
        self.index_user(slot);
        self.count(record.state, record.link);
        self.len += 1;
        Ok(slot)
    }

    /// Removes a session with its deadline and returns its record; `None` when the slot is empty.
    pub fn remove(&mut self, slot: Slot) -> Option<Record> {
        let record = *self.get(slot)?;
        self.deadlines.cancel(slot);
        self.ids.remove(self.hashes.id(record.id), slot);
        if record.state.is_the_clients() {
            self.clients.remove(record.client_hash, slot);
        }
        if let Some(address) = record.held() {
            self.addresses.remove(self.hashes.address(record.instance, address), slot);
        }
        self.unlink_hw(slot);
        self.unindex_user(slot);
        self.uncount(record.state, record.link);
        self.identities.free(record.cell);
        let free = self.free;
        if let Some(entry) = self.records.get_mut(slot.0) {
            entry.cell = Cell::NOWHERE;
            entry.generation = entry.generation.wrapping_add(1);
            entry.hw_next = free;
        }
        self.free = slot;
        self.len -= 1;
        Some(record)
    }

    /// How many sessions there are, tombstones and quarantines counted.
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The record in `slot`; `None` when it is empty.
    pub fn get(&self, slot: Slot) -> Option<&Record> {
        self.records.get(slot.0).filter(|record| record.is_occupied())
    }

    /// The record in `slot`, to change its public fields. Do not assign a whole record: the indexes would not
    /// follow (see [`SessionTable::apply`]).
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut Record> {
        self.records.get_mut(slot.0).filter(|record| record.is_occupied())
    }

    /// A name for the session in `slot` that is told from its successors; `None` when it is empty.
    pub fn handle(&self, slot: Slot) -> Option<SlotRef> {
        self.get(slot).map(|record| SlotRef { slot, generation: record.generation })
    }

    /// The slot of `handle`; `None` when that session was removed.
    pub fn resolve(&self, handle: SlotRef) -> Option<Slot> {
        self.get(handle.slot).filter(|record| record.generation == handle.generation).map(|_| handle.slot)
    }

    /// The session that holds an address: offered, bound, or in quarantine.
    pub fn find_by_address(&self, instance: InstanceId, address: Ipv4Addr) -> Option<Slot> {
        self.addresses.find(self.hashes.address(instance, address), |slot| {
            self.get(slot).is_some_and(|record| record.instance == instance && record.held() == Some(address))
        })
    }

    /// The session of an id.
    pub fn find_by_id(&self, id: SessionId) -> Option<Slot> {
        self.ids.find(self.hashes.id(id), |slot| self.get(slot).is_some_and(|record| record.id == id))
    }

    /// All sessions of a hardware address, tombstones and quarantines too, the newest first.
    pub fn by_hw(&self, hw: &HwAddr) -> impl Iterator<Item = Slot> + use<'_> {
        self.chain(self.find_hw(self.hashes.hw(hw), hw))
    }

    /// The same from `slot` on; from the first when `slot` is no longer of this hardware address.
    pub fn by_hw_from(&self, slot: Slot, hw: &HwAddr) -> impl Iterator<Item = Slot> + use<'_> {
        let still = self.identity(slot).is_some_and(|identity| identity.hw == *hw);
        self.chain(if still { Some(slot) } else { self.find_hw(self.hashes.hw(hw), hw) })
    }

    /// Looks at `visits` slots from number `from` on and appends the occupied ones to `out`. Returns where to go on,
    /// or `None` at the end.
    pub fn page(&self, from: u32, visits: u32, out: &mut Vec<Slot>) -> Option<u32> {
        let end = from.saturating_add(visits).min(self.records.len());
        out.extend((from..end).map(Slot).filter(|&slot| self.get(slot).is_some()));
        (end < self.records.len()).then_some(end)
    }

    /// Numbers of slots are below this.
    pub const fn slots(&self) -> u32 {
        self.records.len()
    }

    /// Every address that is held and by what, in no order: what `Pools::rebuild` asks for.
    pub fn holders(&self) -> impl Iterator<Item = (InstanceId, Ipv4Addr, Hold)> + use<'_> {
        let records = (0..self.records.len()).filter_map(|slot| self.get(Slot(slot)));
        records.filter_map(|record| Some((record.instance, record.held()?, record.state.hold()?)))
    }

    /// How many sessions are in `state`.
    pub const fn count_of(&self, state: State) -> u32 {
        self.counts[state as usize]
    }

    /// Offered and bound sessions whose client logged in on `link`.
    pub fn live_on_link(&self, link: NameId) -> u32 {
        self.live_on_link.get(link.index()).map_or(0, |[live, _]| *live)
    }

    /// Offered sessions whose client came in on `link`.
    pub fn offered_on_link(&self, link: NameId) -> u32 {
        self.live_on_link.get(link.index()).map_or(0, |[_, offered]| *offered)
    }

    /// Changes the state; the address stays.
    ///
    /// # Errors
    /// See [`SessionTable::transition`].
    pub fn set_state(&mut self, slot: Slot, state: State) -> Result<(), Conflict> {
        let address = self.get(slot).ok_or(Conflict::Vacant)?.address;
        self.transition(slot, state, address)
    }

    /// Changes state and address together. What the state says about holding the address, and about being what the
    /// client key finds, is so afterwards.
    ///
    /// # Errors
    /// The address is held by another, or (when leaving [`State::Declined`]) the client has another session.
    pub fn transition(&mut self, slot: Slot, state: State, address: Ipv4Addr) -> Result<(), Conflict> {
        let old = *self.get(slot).ok_or(Conflict::Vacant)?;
        let new = Record { state, address, ..old };
        let rejoins = state.is_the_clients() && !old.state.is_the_clients();
        if rejoins && let Some(other) = self.other_of_client(slot) {
            return Err(Conflict::Client(other));
        }
        if new.held() != old.held()
            && let Some(address) = new.held()
            && let Some(other) = self.find_by_address(old.instance, address)
        {
            return Err(Conflict::Address(other));
        }
        if old.state.is_the_clients() && !state.is_the_clients() {
            self.clients.remove(old.client_hash, slot);
        }
        if new.held() != old.held()
            && let Some(address) = old.held()
        {
            self.addresses.remove(self.hashes.address(old.instance, address), slot);
        }
        if let Some(record) = self.records.get_mut(slot.0) {
            *record = new;
        }
        if rejoins {
            self.index_client(slot);
        }
        if new.held() != old.held()
            && let Some(address) = new.held()
        {
            self.index_address(slot, old.instance, address);
        }
        self.uncount(old.state, old.link);
        self.count(state, old.link);
        Ok(())
    }

    /// Makes the record what `after` says: a changed copy of it. Id, instance, scope and identity stay what they are;
    /// state, address and interface go through the same checks as [`SessionTable::transition`].
    ///
    /// # Errors
    /// The session is another one by now, or see [`SessionTable::transition`].
    pub fn apply(&mut self, slot: Slot, after: &Record) -> Result<(), Conflict> {
        let current = self.get(slot).ok_or(Conflict::Vacant)?;
        if current.id != after.id || current.generation != after.generation {
            return Err(Conflict::Vacant);
        }
        self.transition(slot, after.state, after.address)?;
        self.set_link(slot, after.link);
        if let Some(record) = self.records.get_mut(slot.0) {
            *record = Record {
                instance: record.instance,
                scope: record.scope,
                has_nonce: record.has_nonce,
                cell: record.cell,
                client_hash: record.client_hash,
                hw_hash: record.hw_hash,
                hw_prev: record.hw_prev,
                hw_next: record.hw_next,
                ..*after
            };
        }
        Ok(())
    }

    /// Changes the interface that the client logged in on.
    pub fn set_link(&mut self, slot: Slot, link: NameId) {
        let Some(&Record { state, link: old, .. }) = self.get(slot) else {
            return;
        };
        self.uncount(state, old);
        self.count(state, link);
        if let Some(record) = self.records.get_mut(slot.0) {
            record.link = link;
        }
    }

    /// The identity of the session in `slot`; `None` when it is empty.
    pub fn identity(&self, slot: Slot) -> Option<Identity<'_>> {
        Some(self.kept(slot)?.identity())
    }

    fn kept(&self, slot: Slot) -> Option<Kept<'_>> {
        let record = self.get(slot)?;
        Some(Kept::new(self.identities.get(record.cell), record.has_nonce))
    }

    /// Whether `identity` is, byte for byte, what is stored: without allocation.
    pub fn same_identity(&self, slot: Slot, identity: &IdentityBuf) -> bool {
        self.kept(slot).is_some_and(|kept| kept.is(identity))
    }

    /// Stores another identity and tells whether it differs from the one before. The indexes follow.
    ///
    /// # Errors
    /// The client key changed to one that another session has, the slot is empty, or there is no room.
    pub fn set_identity(&mut self, slot: Slot, identity: &IdentityBuf) -> Result<bool, Conflict> {
        if self.same_identity(slot, identity) {
            return Ok(false);
        }
        let old = *self.get(slot).ok_or(Conflict::Vacant)?;
        let nonce = self.nonce(slot);
        let before = self.identity(slot).unwrap_or_default();
        let after = identity.view();
        let (rekeyed, moved) = (before.key() != after.key(), before.hw != after.hw);
        let client_hash = self.hashes.client(old.instance, old.scope, &after.key());
        let hw_hash = self.hashes.hw(&after.hw);
        let indexed = rekeyed && old.state.is_the_clients();
        if indexed && let Some(other) = self.rival(&old, &after, Some(slot)) {
            return Err(Conflict::Client(other));
        }
        let cell = self.put_identity(identity.as_bytes(), nonce).ok_or(Conflict::Full)?;
        if indexed {
            self.clients.remove(old.client_hash, slot);
        }
        if moved {
            self.unlink_hw(slot);
        }
        self.unindex_user(slot);
        self.identities.free(old.cell);
        self.edit(slot, |record| (record.cell, record.client_hash, record.hw_hash) = (cell, client_hash, hw_hash));
        self.index_user(slot);
        if indexed {
            self.index_client(slot);
        }
        if moved {
            self.link_hw(slot, hw_hash, &after.hw);
        }
        Ok(true)
    }

    /// The forcerenew nonce of the session, when it has one.
    pub fn nonce(&self, slot: Slot) -> Option<Nonce> {
        self.kept(slot)?.nonce()
    }

    /// Changes the forcerenew nonce. A new value in place of an old one costs no allocation. A first one that there is no
    /// room for (2^26 identities of one length) is not kept.
    pub fn set_nonce(&mut self, slot: Slot, nonce: Option<Nonce>) {
        let Some(&Record { cell, has_nonce, .. }) = self.get(slot) else {
            return;
        };
        match nonce {
            None if !has_nonce => {}
            Some(nonce) if has_nonce => {
                if let Some(place) = self.identities.get_mut(cell).first_chunk_mut() {
                    *place = nonce_bytes(nonce);
                }
            }
            _ => {
                let mut identity = IdentityBuf::new();
                let whole = identity.set(&Kept::new(self.identities.get(cell), has_nonce).identity()).is_ok();
                if whole && let Some(new) = self.put_identity(identity.as_bytes(), nonce) {
                    self.identities.free(cell);
                    self.edit(slot, |record| (record.cell, record.has_nonce) = (new, nonce.is_some()));
                }
            }
        }
    }

    fn put_identity(&mut self, identity: &[u8], nonce: Option<Nonce>) -> Option<Cell> {
        match nonce {
            None => self.identities.put(identity),
            Some(nonce) => self.identities.put(&with_nonce(nonce, identity)),
        }
    }

    /// Sees to it that the session comes up at `at` or before: see [`Deadlines::schedule`]. Nothing when the slot is
    /// empty.
    pub fn schedule(&mut self, slot: Slot, at: LeaseTime) {
        if self.get(slot).is_some() {
            self.deadlines.schedule(slot, at);
        }
    }

    /// Takes the session that has been due longest out of the deadlines. The caller looks at the record: what is due
    /// later by now is scheduled again.
    pub fn pop_due(&mut self, now: LeaseTime) -> Option<Slot> {
        self.deadlines.pop_due(now)
    }

    /// The earliest deadline; what is due then may have moved to later.
    pub fn next_due(&self) -> Option<LeaseTime> {
        self.deadlines.next_due()
    }

    /// The deadlines, to look at.
    pub const fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// Bytes in use.
    pub fn memory(&self) -> MemoryUse {
        MemoryUse {
            records: self.records.bytes(),
            identities: self.identities.bytes(),
            indexes: [&self.clients, &self.addresses, &self.ids, &self.hw, &self.users].map(Index::bytes).iter().sum(),
            deadlines: self.deadlines.bytes(),
        }
    }

    fn place(&mut self, mut record: Record) -> Option<Slot> {
        if self.free == Slot::NONE {
            return self.records.push(record).map(Slot);
        }
        let slot = self.free;
        let entry = self.records.get_mut(slot.0)?;
        self.free = entry.hw_next;
        record.generation = entry.generation;
        *entry = record;
        Some(slot)
    }

    /// Another record that its client key finds, for a record that is not in the index.
    fn other_of_client(&self, slot: Slot) -> Option<Slot> {
        let record = self.get(slot)?;
        self.rival(record, &self.identity(slot)?, Some(slot))
    }

    fn index_client(&mut self, slot: Slot) {
        let records = &self.records;
        let rehash = |slot: Slot| records.get(slot.0).map_or(0, |record| record.client_hash);
        self.clients.insert(rehash(slot), slot, rehash);
    }

    fn index_id(&mut self, slot: Slot, id: SessionId) {
        let (records, hashes) = (&self.records, &self.hashes);
        self.ids.insert(hashes.id(id), slot, |slot| records.get(slot.0).map_or(0, |record| hashes.id(record.id)));
    }

    fn index_address(&mut self, slot: Slot, instance: InstanceId, address: Ipv4Addr) {
        let (records, hashes) = (&self.records, &self.hashes);
        self.addresses.insert(hashes.address(instance, address), slot, |slot| {
            records.get(slot.0).map_or(0, |record| hashes.address(record.instance, record.address))
        });
    }

    /// Sessions of a user name, tombstones included.
    pub fn by_username(&self, name: &str) -> impl Iterator<Item = Slot> + use<'_> {
        let hash = self.hashes.user(name);
        let name: Box<str> = name.into();
        self.users.all(hash).filter(move |slot: &Slot| self.username(*slot) == Some(&*name))
    }

    /// The user name of a session that has one.
    fn username(&self, slot: Slot) -> Option<&str> {
        Some(username_in(self.identity(slot)?.subscriber)).filter(|name| !name.is_empty())
    }

    fn index_user(&mut self, slot: Slot) {
        let Some(hash) = self.username(slot).map(|name| self.hashes.user(name)) else { return };
        let (records, identities, hashes) = (&self.records, &self.identities, &self.hashes);
        self.users.insert(hash, slot, |slot| {
            records.get(slot.0).map_or(0, |record| {
                let kept = Kept::new(identities.get(record.cell), record.has_nonce);
                hashes.user(username_in(kept.identity().subscriber))
            })
        });
    }

    fn unindex_user(&mut self, slot: Slot) {
        if let Some(hash) = self.username(slot).map(|name| self.hashes.user(name)) {
            self.users.remove(hash, slot);
        }
    }

    fn find_hw(&self, hash: u32, hw: &HwAddr) -> Option<Slot> {
        self.hw.find(hash, |slot| {
            self.get(slot).is_some_and(|record| record.hw_hash == hash)
                && self.identity(slot).is_some_and(|identity| identity.hw == *hw)
        })
    }

    fn chain(&self, first: Option<Slot>) -> impl Iterator<Item = Slot> + use<'_> {
        iter::successors(first, |&slot| self.get(slot).map(|record| record.hw_next).filter(|&next| next != Slot::NONE))
    }

    /// Puts a record before the others of its hardware address.
    fn link_hw(&mut self, slot: Slot, hash: u32, hw: &HwAddr) {
        let head = self.find_hw(hash, hw);
        match head {
            Some(head) => {
                self.hw.replace(hash, head, slot);
                self.edit(head, |record| record.hw_prev = slot);
            }
            None => {
                let records = &self.records;
                self.hw.insert(hash, slot, |slot| records.get(slot.0).map_or(0, |record| record.hw_hash));
            }
        }
        self.edit(slot, |record| (record.hw_prev, record.hw_next) = (Slot::NONE, head.unwrap_or(Slot::NONE)));
    }

    fn unlink_hw(&mut self, slot: Slot) {
        let Some(&Record { hw_hash, hw_prev, hw_next, .. }) = self.get(slot) else {
            return;
        };
        self.edit(hw_next, |next| next.hw_prev = hw_prev);
        if hw_prev != Slot::NONE {
            self.edit(hw_prev, |prev| prev.hw_next = hw_next);
        } else if hw_next != Slot::NONE {
            self.hw.replace(hw_hash, slot, hw_next);
        } else {
            self.hw.remove(hw_hash, slot);
        }
    }

    fn edit(&mut self, slot: Slot, change: impl FnOnce(&mut Record)) {
        if let Some(record) = self.records.get_mut(slot.0) {
            change(record);
        }
    }

    fn count(&mut self, state: State, link: NameId) {
        self.counts[state as usize] += 1;
        if state.is_live() {
            if self.live_on_link.len() <= link.index() {
                self.live_on_link.resize(link.index() + 1, [0; 2]);
            }
            let [live, offered] = &mut self.live_on_link[link.index()];
            *live += 1;
            *offered += u32::from(state == State::Offered);
        }
    }

    fn uncount(&mut self, state: State, link: NameId) {
        self.counts[state as usize] -= 1;
        if state.is_live()
            && let Some([live, offered]) = self.live_on_link.get_mut(link.index())
        {
            *live -= 1;
            *offered -= u32::from(state == State::Offered);
        }
    }
}
