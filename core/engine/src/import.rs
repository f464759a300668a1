//! Sessions taken over from another server: they become bound as if they had been leased here.
//!
//! A row goes the way of a lease: its address is taken, a session is made that is memory only, and it is bound when
//! storage has it. Where the client is may be unknown (a lease file of another server says nothing of interfaces):
//! then it has no route until its first packet.

use crate::{
    Engine,
    command::{ImportRefusal, ImportedBinding, PAGE_MAX, Reply},
    commit::{COMMITS_MAX, Change, Committing, Purpose},
    config::Config,
    engine::{OFFER_HOLD_SECS, Shadow, Turn},
    event::SessionChange,
    exchange::ExchangeState,
    input::CommandId,
    links::LinkState,
    pool::{Client, Refusal},
    reconfigure::flag,
    record::RouteRecord,
    session::{ClientKey, Identity, IdentityBuf, NameId, Record, Slot, State},
};
use alloc::{sync::Arc, vec::Vec};
use bindery_types::{GroupId, InstanceId, Ipv4Addr, LeaseTime, PoolId};

/// Where an imported client is.
#[derive(Clone, Copy, Debug)]
struct Whereabouts {
    instance: InstanceId,
    /// The interface; empty where it is not known.
    link: NameId,
    group: NameId,
    /// The pool that its packets will be classified to, where that is known.
    pool: Option<PoolId>,
    server_id: Ipv4Addr,
    route: RouteRecord,
}

impl Engine {
    /// Imports one page. The answer comes when it is durable.
    pub(crate) fn import_page(&mut self, turn: Turn, id: CommandId, rows: &[ImportedBinding]) {
        let room = self.rings.commits.len() + PAGE_MAX <= COMMITS_MAX;
        if self.rings.store_down || !room {
            let reply = Reply::Imported { imported: 0, refused: Vec::new(), failed: true };
            self.outbox.replies.push((id, reply));
            return;
        }
        let config = Arc::clone(&self.config);
        let (mut imported, mut refused) = (0, Vec::new());
        for (index, row) in (0..).zip(rows) {
            let outcome = match (index as usize) < PAGE_MAX {
                true => self.import(turn, id, &config, row),
                false => Err(ImportRefusal::TooMany),
            };
            match outcome {
                Ok(()) => imported += 1,
                Err(reason) => refused.push((index, reason)),
            }
        }
        self.await_import(id, imported, refused);
    }

    fn import(
        &mut self,
        turn: Turn,
        command: CommandId,
        config: &Config,
        row: &ImportedBinding,
    ) -> Result<(), ImportRefusal> {
        if row.expires_in == Some(0) {
            return Err(ImportRefusal::Over);
        }
        let mut at = self.whereabouts(config, row)?;
        let owner = self.pools.pool_of(at.instance, row.address).ok_or(ImportRefusal::NotInPool)?;
        let identifier = config.pool(at.pool.unwrap_or(owner)).and_then(|pool| pool.attributes.server_identifier);
        at.server_id = identifier.unwrap_or(at.server_id);
        let key = ClientKey::new(&row.client_id, row.hw);
        // The network that the client's packets will be classified to, where its pool is linked to that one.
        let chained = at.pool.filter(|pool| self.pools.in_chain(*pool, owner));
        let scope = self.pools.scope(chained.unwrap_or(owner));
        let slot = match self.import_slot(&at, scope, &key, row)? {
            Some(slot) if self.sessions.get(slot).is_some_and(|record| record.state().is_live()) => slot,
            tombstone => {
                let client = Client { mac: row.hw.mac(), client_id: &row.client_id, user_name: "" };
                self.take_for(tombstone, owner, row.address, client).map_err(refusal)?;
                let placed = self.place_import(turn, (&at, owner, scope), row, tombstone);
                if placed.is_err() {
                    self.give_back(tombstone, at.instance, row.address);
                }
                placed?
            }
        };
        let record = *self.sessions.get(slot).ok_or(ImportRefusal::Busy)?;
        let change = self.import_change(turn, slot, &record, &at, row);
        // An offer is not on storage, so its identity is not either.
        let identity = if record.state() == State::Offered { self.identity_of(slot) } else { None };
        let wait = (ExchangeState::AwaitCommit, None, Some(command));
        self.commit(turn, Purpose::Import, slot, change, identity, wait);
        Ok(())
    }

    /// The session that the row is about, if the client has one: live with this very address, or a tombstone.
    fn import_slot(
        &self,
        at: &Whereabouts,
        scope: Ipv4Addr,
        key: &ClientKey<'_>,
        row: &ImportedBinding,
    ) -> Result<Option<Slot>, ImportRefusal> {
        let is_his = |slot: Slot| self.sessions.identity(slot).is_some_and(|identity| identity.key() == *key);
        let slot = match self.sessions.find_by_address(at.instance, row.address) {
            Some(slot) => {
                let record = self.sessions.get(slot).ok_or(ImportRefusal::Taken)?;
                if !record.state().is_the_clients() || !is_his(slot) {
                    return Err(ImportRefusal::Taken);
                }
                Some(slot)
            }
            None => self.sessions.find_by_client(
                at.instance,
                scope,
                key,
                crate::session::Whereabouts { link: at.link, relay_info: &[] },
            ),
        };
        let Some(record) = slot.and_then(|slot| self.sessions.get(slot)) else { return Ok(None) };
        if record.pending != 0 {
            return Err(ImportRefusal::Busy);
        }
        if record.state().is_live() && record.address() != row.address {
            return Err(ImportRefusal::HasAnother);
        }
        Ok(slot)
    }

    /// A session that holds the address and is memory only, as an offer is: it lapses where it cannot be written.
    fn place_import(
        &mut self,
        turn: Turn,
        (at, owner, scope): (&Whereabouts, PoolId, Ipv4Addr),
        row: &ImportedBinding,
        tombstone: Option<Slot>,
    ) -> Result<Slot, ImportRefusal> {
        let identity =
            Identity { hw: row.hw, client_id: &row.client_id, host_name: &row.host_name, ..Identity::default() };
        let mut buf = IdentityBuf::new();
        buf.set(&identity).map_err(|_| ImportRefusal::TooLong)?;
        let slot = match tombstone {
            Some(slot) => {
                let saved = *self.sessions.get(slot).ok_or(ImportRefusal::Busy)?;
                let former = self.identity_of(slot).map(alloc::boxed::Box::new);
                self.sessions.transition(slot, State::Offered, row.address).map_err(|_| ImportRefusal::Taken)?;
                self.shadows.insert(slot, Shadow { record: saved, identity: former });
                self.sessions.set_nonce(slot, None);
                // Cannot fail: the client key is the one it was found by.
                let kept = self.sessions.set_identity(slot, &buf);
                debug_assert!(kept.is_ok(), "{kept:?}");
                slot
            }
            None => {
                let id = self.next_session_id();
                let record = Record::new(id, at.instance, scope, State::Offered, row.address).on_link(at.link);
                self.sessions.insert(record, &buf).map_err(|_| ImportRefusal::Taken)?
            }
        };
        let (pool, until) = (self.pool_name(owner), turn.lease.plus_secs(OFFER_HOLD_SECS));
        if let Some(record) = self.sessions.get_mut(slot) {
            record.start = turn.lease;
            record.changed = turn.lease;
            record.cltt = turn.lease;
            record.end = until;
            record.pool = pool;
            record.group = at.group;
            record.route = RouteRecord::None;
            record.route_epoch = 0;
            record.flags = 0;
        }
        self.sessions.set_link(slot, at.link);
        self.sessions.schedule(slot, until);
        Ok(slot)
    }

    fn import_change(
        &self,
        turn: Turn,
        slot: Slot,
        record: &Record,
        at: &Whereabouts,
        row: &ImportedBinding,
    ) -> Change {
        let fresh = record.state() == State::Offered;
        let mut change = Change::of(record).to_state(State::Bound, turn.lease);
        let end = row.expires_in.map_or(LeaseTime::NEVER, |secs| turn.lease.plus_secs(u64::from(secs)));
        if fresh {
            // A client that comes back keeps its session id: the start tells its sessions apart.
            let former = self.shadows.get(&slot).map(|shadow| shadow.record.start.plus_secs(1));
            change.start = former.map_or(turn.lease, |former| former.max(turn.lease));
            change.end = end;
        } else {
            // No import shortens a promise of ours.
            change.end = end.max(record.end);
            change.due = self.schedule.due(slot).filter(|_| record.flags & flag::RECONFIGURING != 0);
        }
        if fresh || record.link() == NameId::EMPTY {
            change.link = at.link;
            change.group = at.group;
            change.giaddr = row.giaddr;
            change.server_id = at.server_id;
            change.route = at.route;
        }
        change
    }

    /// An imported session is durable. Its route is asked for, and nobody waits for it: a renewal looks whether it
    /// stands.
    pub(crate) fn imported(&mut self, turn: Turn, slot: Slot, entry: Committing) {
        let Some(before) = self.sessions.get(slot).copied() else { return };
        let Some(change) = entry.change else { return };
        self.apply(slot, &change, entry.identity.as_ref());
        self.shadows.remove(&slot);
        self.settle(slot, &before);
        let fresh = before.state() != State::Bound;
        self.note_session(crate::history::What::Imported, slot);
        self.tell_session(turn, slot, if fresh { SessionChange::Bound } else { SessionChange::Renewed });
        if (fresh || before.route != change.route)
            && let Some(route) = self.desired_route(slot)
        {
            self.set_routes(slot, route, false);
        }
        if let Some(command) = entry.command {
            self.command_done(command, true);
        }
    }

    /// Where the client of a row is: on the interface that it names, else behind the relay that it names, else on the
    /// one interface that has the network of its address.
    fn whereabouts(&mut self, config: &Config, row: &ImportedBinding) -> Result<Whereabouts, ImportRefusal> {
        let relayed = !row.giaddr.is_unspecified();
        let link = match &row.interface {
            Some(name) => self.names.find(name).and_then(|name| self.links.by_name(name)),
            None => self.links.serving_one(if relayed { row.giaddr } else { row.address }),
        };
        if let Some((link, served)) = link.and_then(|link| Some((link, link.served?))) {
            let local = served.local.or_else(|| link.link.addresses.first().map(|a| a.address));
            let pool = if relayed { self.pools.match_network(served.instance, row.giaddr) } else { served.pool };
            return Ok(Whereabouts {
                instance: served.instance,
                link: link.name,
                group: self.configured_group(served.group),
                pool,
                server_id: local.unwrap_or(Ipv4Addr::UNSPECIFIED),
                route: self.import_route(link, row, served.overrides(config).is_some_and(|o| o.no_arp)),
            });
        }
        let pool = |instance| self.pools.match_network(instance, row.giaddr).filter(|_| relayed);
        let (server_id, mut route) = (Ipv4Addr::UNSPECIFIED, RouteRecord::None);
        let Some(name) = &row.interface else {
            let instance = InstanceId(0);
            let (link, group) = (NameId::EMPTY, NameId::EMPTY);
            return Ok(Whereabouts { instance, link, group, pool: pool(instance), server_id, route });
        };
        // An interface that is not there now, as after a restart: its routes come with it.
        let entry = self.links.entry(name).and_then(|entry| config.interfaces.get(entry));
        let entry = entry.ok_or(ImportRefusal::NoGroup)?;
        let group = config.group(entry.group).ok_or(ImportRefusal::NoGroup)?;
        let no_arp = entry.overrides.as_ref().unwrap_or(&group.overrides).no_arp;
        if !relayed {
            route = RouteRecord::Link { src: Ipv4Addr::UNSPECIFIED, neighbour: !no_arp };
        }
        let pool = pool(group.instance);
        let link = self.names.intern(name);
        Ok(Whereabouts {
            instance: group.instance,
            link,
            group: self.configured_group(entry.group),
            pool,
            server_id,
            route,
        })
    }

    fn import_route(&self, link: &LinkState, row: &ImportedBinding, no_arp: bool) -> RouteRecord {
        if row.giaddr.is_unspecified() {
            let src = link.served.and_then(|served| served.local).unwrap_or(Ipv4Addr::UNSPECIFIED);
            return RouteRecord::Link { src, neighbour: !no_arp };
        }
        match self.links.is_on_link(link.link.index, row.giaddr) {
            true => RouteRecord::Via { src: Ipv4Addr::UNSPECIFIED },
            false => RouteRecord::None,
        }
    }

    fn configured_group(&self, group: GroupId) -> NameId {
        self.group_names.get(usize::from(group.0)).copied().unwrap_or_default()
    }
}

const fn refusal(refusal: Refusal) -> ImportRefusal {
    match refusal {
        Refusal::NotOurs => ImportRefusal::NotInPool,
        Refusal::Reserved => ImportRefusal::Reserved,
        Refusal::Taken => ImportRefusal::Taken,
        Refusal::HoldDown => ImportRefusal::HoldDown,
    }
}
