//! What a stage may look up of other sessions while it is asked.

use super::Subject;
use crate::{
    Engine,
    input::RxMeta,
    session::{Names, SessionTable, Slot, State},
};
use bindery_types::{HwAddr, InstanceId, Ipv4Addr};
use core::{fmt, ptr};

/// Most sessions of one hardware address that are told.
pub const FOUND_MAX: usize = 16;

/// Most sessions of one hardware address that are looked at: who makes more of them delays nobody.
const VISITS_MAX: usize = 1_024;

/// The sessions of one routing instance as they stand while a stage is asked; none where the stage is asked elsewhere.
///
/// It is lent with each question and holds two references, so a stage that looks nothing up pays nothing.
#[derive(Clone, Copy, Default)]
pub struct Lookup<'a> {
    inner: Option<(&'a SessionTable, &'a Names, InstanceId)>,
}

impl Engine {
    /// The sessions of a routing instance.
    pub(crate) const fn lookup(&self, instance: InstanceId) -> Lookup<'_> {
        Lookup::new(&self.sessions, &self.names, instance)
    }

    /// The sessions of the routing instance that a request came in on: for a shell that asks stage `authorize`.
    pub fn lookup_for(&self, meta: &RxMeta) -> Lookup<'_> {
        self.lookup(self.instance_of(meta))
    }
}

/// A session that was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found<'a> {
    /// The session.
    pub subject: Subject<'a>,
    /// Its state.
    pub state: State,
}

impl<'a> Lookup<'a> {
    /// No sessions can be looked up here.
    pub const NONE: Self = Self { inner: None };

    /// The sessions of a routing instance.
    pub const fn new(sessions: &'a SessionTable, names: &'a Names, instance: InstanceId) -> Self {
        Self { inner: Some((sessions, names, instance)) }
    }

    /// Whether sessions can be looked up here: if not, that none is found says nothing.
    pub const fn is_available(&self) -> bool {
        self.inner.is_some()
    }

    /// The session that holds an address: offered, bound, or in quarantine.
    pub fn by_address(&self, address: Ipv4Addr) -> Option<Found<'a>> {
        let (sessions, _, instance) = self.inner?;
        self.found(sessions.find_by_address(instance, address)?)
    }

    /// The newest sessions of a hardware address, at most [`FOUND_MAX`]; tombstones and quarantines too.
    pub fn by_hw(&self, hw: &HwAddr) -> impl Iterator<Item = Found<'a>> + use<'a> {
        let this = *self;
        let slots = this.inner.map(|(sessions, ..)| sessions.by_hw(hw).take(VISITS_MAX));
        slots.into_iter().flatten().filter_map(move |slot| this.found(slot)).take(FOUND_MAX)
    }

    /// The session in `slot`; none of another routing instance.
    pub(crate) fn found(&self, slot: Slot) -> Option<Found<'a>> {
        let (sessions, names, instance) = self.inner?;
        let record = sessions.get(slot).filter(|record| record.instance() == instance)?;
        let identity = sessions.identity(slot)?;
        let subject = Subject {
            session: record.id(),
            address: record.address(),
            hw: identity.hw,
            group: names.name(record.group),
            interface: names.name(record.link()),
            pool: names.name(record.pool),
            giaddr: record.giaddr,
            client_id: identity.client_id,
            relay_info: identity.relay_info,
            vendor_class: identity.vendor_class,
            sessions: *self,
        };
        Some(Found { subject, state: record.state() })
    }
}

/// Two are equal that look into the same table.
impl PartialEq for Lookup<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.inner, other.inner) {
            (Some((table, names, instance)), Some((other_table, other_names, other_instance))) => {
                ptr::eq(table, other_table) && ptr::eq(names, other_names) && instance == other_instance
            }
            (None, None) => true,
            _ => false,
        }
    }
}

impl Eq for Lookup<'_> {}

impl fmt::Debug for Lookup<'_> {
    /// Not the table: it may have a million sessions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lookup").field(&self.inner.map(|(sessions, _, instance)| (sessions.len(), instance))).finish()
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::session::{Identity, IdentityBuf, Record};
    use bindery_types::SessionId;
    use std::vec::Vec;

    fn hw(last: u8) -> HwAddr {
        HwAddr::new(1, &[2, 0, 0, 0, 0, last]).unwrap()
    }

    fn table(names: &mut Names) -> SessionTable {
        let mut table = SessionTable::new(7);
        let (group, pool) = (names.intern("home"), names.intern("p1"));
        let mut add = |id: u64, instance, state, address: u8, hw: HwAddr| {
            let mut record = Record::new(
                SessionId(id),
                InstanceId(instance),
                Ipv4Addr::UNSPECIFIED,
                state,
                [10, 0, 0, address].into(),
            );
            (record.group, record.pool) = (group, pool);
            let (mut identity, client_id) = (IdentityBuf::new(), id.to_be_bytes());
            identity.set(&Identity { hw, client_id: &client_id, ..Identity::default() }).unwrap();
            table.insert(record, &identity).unwrap();
        };
        add(1, 0, State::Bound, 1, hw(1));
        add(2, 0, State::Released, 2, hw(1));
        add(3, 1, State::Bound, 3, hw(1));
        (10..40).for_each(|id| add(id, 0, State::Offered, id as u8, hw(9)));
        table
    }

    #[test]
    fn what_holds_an_address_is_found_in_its_instance_only() {
        let mut names = Names::new(7);
        let table = table(&mut names);
        let lookup = Lookup::new(&table, &names, InstanceId(0));
        let found = lookup.by_address(Ipv4Addr::new(10, 0, 0, 1)).unwrap();
        assert_eq!((found.subject.session, found.state), (SessionId(1), State::Bound));
        assert_eq!((found.subject.group, found.subject.pool, found.subject.hw), ("home", "p1", hw(1)));
        assert_eq!(found.subject.sessions, lookup);
        for none in [2, 3, 200] {
            assert_eq!(lookup.by_address(Ipv4Addr::new(10, 0, 0, none)), None, "{none}");
        }
        let other = Lookup::new(&table, &names, InstanceId(1));
        assert_ne!(other, lookup);
        assert!(other.by_address(Ipv4Addr::new(10, 0, 0, 3)).is_some());
    }

    #[test]
    fn of_a_hardware_address_the_newest_are_found() {
        let mut names = Names::new(7);
        let table = table(&mut names);
        let lookup = Lookup::new(&table, &names, InstanceId(0));
        let ids = |hw| lookup.by_hw(&hw).map(|found| found.subject.session.0).collect::<Vec<_>>();
        assert_eq!(ids(hw(1)), [2, 1]);
        assert_eq!(ids(hw(2)), []);
        assert_eq!(ids(hw(9)), (24..40).rev().collect::<Vec<_>>(), "16 of 30");
        assert!(!Lookup::NONE.is_available() && Lookup::NONE.by_hw(&hw(1)).next().is_none());
    }
}
