//! What must hold between records, indexes and counts, told by walking all of it.

use super::{
    record::{Record, Slot, State},
    table::SessionTable,
};

impl SessionTable {
    /// Walks the whole table: for tests and the simulator.
    ///
    /// # Panics
    /// When a part does not agree with the records.
    pub fn check_invariants(&self) {
        let (mut len, mut held, mut keyed, mut heads) = (0u32, 0, 0, 0);
        let mut counts = [0u32; State::ALL.len()];
        let mut live = alloc::vec![[0u32; 2]; self.live_on_link.len()];
        for slot in (0..self.records.len()).map(Slot) {
            let Some(record) = self.get(slot) else {
                continue;
            };
            len += 1;
            counts[record.state as usize] += 1;
            if record.state.is_live() {
                let on_link = live.get_mut(record.link.index());
                let [live, offered] = on_link.expect("a live session on an interface without a count");
                *live += 1;
                *offered += u32::from(record.state == State::Offered);
            }
            held += usize::from(record.held().is_some());
            keyed += usize::from(record.state.is_the_clients());
            heads += usize::from(record.hw_prev == Slot::NONE);
            self.check_record(slot, record);
        }
        assert_eq!(len, self.len, "occupied slots and the number of sessions");
        assert_eq!(counts, self.counts, "sessions by state");
        assert_eq!(live, self.live_on_link, "live sessions by interface");
        assert_eq!(self.ids.len(), len as usize, "entries by id");
        assert_eq!(self.clients.len(), keyed, "entries by client key");
        assert_eq!(self.addresses.len(), held, "entries by address");
        assert_eq!(self.hw.len(), heads, "hardware addresses and the heads of their chains");
        self.check_free();
        self.deadlines.check_invariants();
    }

    fn check_record(&self, slot: Slot, record: &Record) {
        let identity = self.identity(slot).expect("a record without identity");
        assert_eq!(self.find_by_id(record.id), Some(slot), "{:?} by id", record.id);
        if record.state.is_the_clients() {
            let mut found = self.all_of_client(record.instance, record.scope, &identity.key());
            assert!(found.any(|other| other == slot), "{:?} by client key", record.id);
        }
        if let Some(address) = record.held() {
            assert_eq!(self.find_by_address(record.instance, address), Some(slot), "holder of {address}");
        }
        assert!(self.by_hw(&identity.hw).any(|other| other == slot), "{:?} by hardware address", record.id);
        if record.hw_next != Slot::NONE {
            let next = self.get(record.hw_next).expect("a chain runs through an empty slot");
            assert_eq!(next.hw_prev, slot, "a chain that does not go back");
            let hw = self.identity(record.hw_next).map(|identity| identity.hw);
            assert_eq!(hw, Some(identity.hw), "a chain of two hardware addresses");
        }
        assert_eq!(record.has_nonce, self.nonce(slot).is_some(), "nonce of {:?}", record.id);
    }

    fn check_free(&self) {
        let (mut slot, mut free) = (self.free, 0);
        while slot != Slot::NONE {
            let record = self.records.get(slot.0).expect("the free slots lead out of the table");
            assert!(!record.is_occupied(), "an occupied slot among the free ones");
            assert!(self.deadlines.of(slot).is_none(), "a free slot has a deadline");
            free += 1;
            assert!(free <= self.records.len(), "the free slots go round");
            slot = record.hw_next;
        }
        assert_eq!(free + self.len, self.records.len(), "free and occupied slots");
        assert_eq!(self.identities.len(), self.len as usize, "identities and sessions");
    }
}
