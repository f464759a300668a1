//! Sessions by client key (RFC 2131 §4.2), and what tells clients with one key apart.
//!
//! The index knows the key in its routing instance and scope alone. Where a routing instance allows duplicate clients
//! several sessions stand under one key, and the place of each (its record's interface, or option 82 in its identity)
//! decides whose it is. So who does not use the statement pays nothing, a restart finds everything again, and a commit
//! that changes it moves nothing: sessions that were two stay two until they end, and a client that begins anew finds
//! the one of its place, else the one that was heard last. A look-up takes as long as there are sessions under the key.

use super::{
    identity::{ClientKey, Identity},
    record::{Record, Slot},
    table::SessionTable,
};
use crate::{config::DuplicateClients, session::NameId};
use alloc::vec::Vec;
use bindery_types::{InstanceId, Ipv4Addr};
use bindery_wire::v4::RelayAgentInformation;

/// Where a client is, as far as it tells clients apart. The default is a place that is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Whereabouts<'a> {
    /// The interface that its packets come in on; [`NameId::EMPTY`] where it is not known.
    pub link: NameId,
    /// Option 82.
    pub relay_info: &'a [u8],
}

impl<'a> Whereabouts<'a> {
    /// Whether two clients with one key are one.
    pub fn is_same(&self, other: &Whereabouts<'_>, rule: DuplicateClients) -> bool {
        let unknown = |at: &Whereabouts<'_>| at.link == NameId::EMPTY && at.relay_info.is_empty();
        match rule {
            DuplicateClients::One => true,
            // An imported session may be of any place.
            _ if unknown(self) || unknown(other) => true,
            DuplicateClients::IncomingInterface => self.link == other.link,
            DuplicateClients::Option82 => self.line() == other.line(),
        }
    }

    /// Circuit id and remote id: the rest of option 82 may differ from packet to packet (RFC 3046 §3.1, §3.2).
    pub(crate) fn line(&self) -> (&'a [u8], &'a [u8]) {
        let info = RelayAgentInformation::new(self.relay_info);
        (info.circuit_id().unwrap_or_default(), info.remote_id().unwrap_or_default())
    }
}

impl SessionTable {
    /// Says what tells clients apart, by routing instance. Those that are not named have one session a client.
    pub fn set_duplicate_clients(&mut self, rules: impl IntoIterator<Item = DuplicateClients>) {
        self.duplicates = rules.into_iter().collect();
        let last = self.duplicates.iter().rposition(|rule| *rule != DuplicateClients::One);
        self.duplicates.truncate(last.map_or(0, |last| last + 1));
    }

    /// What tells clients of a routing instance apart.
    pub fn duplicate_clients(&self, instance: InstanceId) -> DuplicateClients {
        self.duplicates.get(usize::from(instance.0)).copied().unwrap_or_default()
    }

    /// The session of a client: live or a tombstone, not a quarantine. Of several that it may be, the live one, then
    /// the one of exactly its place, then the one that changed last.
    pub fn find_by_client(
        &self,
        instance: InstanceId,
        scope: Ipv4Addr,
        key: &ClientKey<'_>,
        at: Whereabouts<'_>,
    ) -> Option<Slot> {
        let rule = self.duplicate_clients(instance);
        let own = |slot: &Slot| rule == DuplicateClients::One || self.is_at(*slot, at);
        self.all_of_client(instance, scope, key).filter(own).max_by_key(|slot| {
            let record = self.get(*slot);
            record.map(|record| (record.state.is_live(), record.link == at.link, record.change))
        })
    }

    /// All sessions of a client key, wherever the clients are.
    pub fn all_of_client<'t>(
        &'t self,
        instance: InstanceId,
        scope: Ipv4Addr,
        key: &ClientKey<'t>,
    ) -> impl Iterator<Item = Slot> + use<'t> {
        let hash = self.hashes.client(instance, scope, key);
        let key = *key;
        self.clients.all(hash).filter(move |&slot| {
            self.get(slot).is_some_and(|record| {
                record.client_hash == hash && record.instance == instance && record.scope == scope
            }) && self.identity(slot).is_some_and(|identity| identity.key() == key)
        })
    }

    /// Whether the session in `slot` may be that of a client with its key at `at`.
    pub fn is_at(&self, slot: Slot, at: Whereabouts<'_>) -> bool {
        let Some(record) = self.get(slot) else { return false };
        let rule = self.duplicate_clients(record.instance);
        rule == DuplicateClients::One || self.whereabouts(slot).is_some_and(|own| own.is_same(&at, rule))
    }

    /// Where the client of a session is.
    pub fn whereabouts(&self, slot: Slot) -> Option<Whereabouts<'_>> {
        Some(Self::whereabouts_of(self.get(slot)?, &self.identity(slot)?))
    }

    pub(super) fn whereabouts_of<'a>(record: &Record, identity: &Identity<'a>) -> Whereabouts<'a> {
        Whereabouts { link: record.link, relay_info: identity.relay_info }
    }

    /// Another session that a session with these keys may not stand beside.
    pub(super) fn rival(&self, record: &Record, identity: &Identity<'_>, except: Option<Slot>) -> Option<Slot> {
        let at = Self::whereabouts_of(record, identity);
        let mut others = self.all_of_client(record.instance, record.scope, &identity.key());
        others.find(|slot| Some(*slot) != except && self.is_at(*slot, at))
    }

    /// Live sessions under a client's key and scope beside `own` that are its own too by the rule in force: they are
    /// left of a time when duplicates were allowed.
    pub fn leftovers_of_client(&self, own: Slot) -> Vec<Slot> {
        let (Some(record), Some(identity)) = (self.get(own), self.identity(own)) else { return Vec::new() };
        let at = Self::whereabouts_of(record, &identity);
        let all = self.all_of_client(record.instance, record.scope, &identity.key());
        let left = |slot: &Slot| *slot != own && self.get(*slot).is_some_and(|other| other.state.is_live());
        all.filter(|slot| left(slot) && self.is_at(*slot, at)).collect()
    }
}
