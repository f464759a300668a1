//! Between the table and what the session database keeps.

use super::{
    identity::{Identity, IdentityBuf},
    names::Names,
    record::{Record, Slot},
    table::{Conflict, SessionTable},
};
use crate::record::{Bound, IdentityRecord, LeaseRecord, StoredSession};
use bindery_types::{InstanceId, IpAddr};
use core::fmt;

/// Why a session read at start was left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RestoreError {
    /// It does not fit beside one that is there.
    Conflict(Conflict),
    /// It binds no IPv4 address: a feature of a later release.
    Family,
    /// A part of its identity is longer than any packet.
    TooLong,
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(conflict) => conflict.fmt(f),
            Self::Family => f.write_str("the binding is not of DHCPv4"),
            Self::TooLong => super::identity::TooLong.fmt(f),
        }
    }
}

impl core::error::Error for RestoreError {}

impl Identity<'_> {
    /// The identity part as the database keeps it, for a session whose record is or becomes `record`. Allocates.
    /// `instance` is the name of its routing instance, empty for the default one.
    pub fn record(&self, record: &Record, instance: &str, names: &Names) -> IdentityRecord {
        IdentityRecord {
            hw: self.hw,
            client_id: self.client_id.into(),
            relay_info: self.relay_info.into(),
            vendor_class: self.vendor_class.into(),
            host_name: self.host_name.into(),
            subscriber: self.subscriber.into(),
            interface: names.name(record.link()).into(),
            group: names.name(record.group).into(),
            pool: names.name(record.pool).into(),
            instance: instance.into(),
        }
    }
}

impl SessionTable {
    /// The lease part as the database keeps it; `None` for an offer, which is memory only, or an empty slot.
    pub fn lease_record(&self, slot: Slot) -> Option<LeaseRecord> {
        self.get(slot)?.lease_record(self.nonce(slot), None)
    }

    /// The identity part as the database keeps it; `None` for an empty slot. Allocates.
    pub fn identity_record(&self, slot: Slot, instance: &str, names: &Names) -> Option<IdentityRecord> {
        Some(self.identity(slot)?.record(self.get(slot)?, instance, names))
    }

    /// Takes in a session read at start: one of `instance`, whatever number the record has.
    ///
    /// # Errors
    /// Another session has its id or holds its address, or it does not fit; nothing changed.
    pub fn insert_stored(
        &mut self,
        stored: &StoredSession,
        instance: InstanceId,
        names: &mut Names,
    ) -> Result<Slot, RestoreError> {
        let StoredSession { lease, identity } = stored;
        let (Bound::V4Address(address), IpAddr::V4(scope)) = (lease.bound, lease.scope) else {
            return Err(RestoreError::Family);
        };
        let mut bytes = IdentityBuf::new();
        bytes
            .set(&Identity {
                hw: identity.hw,
                client_id: &identity.client_id,
                relay_info: &identity.relay_info,
                vendor_class: &identity.vendor_class,
                host_name: &identity.host_name,
                subscriber: &identity.subscriber,
            })
            .map_err(|_| RestoreError::TooLong)?;
        let mut record = Record::new(lease.key.session, instance, scope, lease.state.into(), address)
            .on_link(names.intern(&identity.interface));
        record.start = lease.start;
        record.end = lease.end;
        record.cltt = lease.cltt;
        record.changed = lease.changed;
        record.change = lease.change;
        record.server_id = lease.server_id;
        record.giaddr = lease.giaddr;
        record.xid = lease.xid;
        record.route = lease.route;
        record.group = names.intern(&identity.group);
        record.pool = names.intern(&identity.pool);
        record.flags = lease.flags;
        record.index = lease.key.index;
        record.role = lease.role;
        // What has the same client stays beside it. It is left of a time when duplicates were allowed, perhaps in the same
        // place by now: the client that begins anew ends it (see `leftovers_of_client`), and a start ends no lease.
        let slot = self.insert_beside(record, &bytes, None).map_err(RestoreError::Conflict)?;
        self.set_nonce(slot, lease.nonce);
        Ok(slot)
    }
}
