//! RENEWING and REBINDING (RFC 2131 §4.3.2, §4.4.5), and what is kept of bindings that ended.

use super::{
    OF_ONE_HW_MAX, Outcome, Request, reply,
    request::{ClientState, Grant},
};
use crate::{
    Engine,
    access::Granted,
    binding::BindingEvent,
    choose::NOWHERE,
    classify::{Class, server_id_override},
    event::DropReason,
    history::Why,
    policy::Policy,
    reconfigure::{Action, Happening, Phase, action, attempts, flag, flags_of_tombstone},
    session::{ClientKey, NameId, Record, Slot, State, Whereabouts},
};
use bindery_types::{HwAddr, InstanceId, Ipv4Addr, PoolId};
use bindery_wire::v4::OptionCode;

/// How soon after a FORCERENEW a REQUEST counts as its answer, seconds: clients that obey do so at once, our sync may not be.
const ANSWER_SECS: u64 = 5;

impl Engine {
    /// RENEWING and REBINDING: the client extends the lease of its ciaddr.
    pub(super) fn extend4(
        &mut self,
        request: Request<'_>,
        key: &ClientKey<'_>,
        (state, address): (ClientState, Ipv4Addr),
        policy: &mut dyn Policy,
    ) -> Outcome {
        let instance = self.instance_of(&request.meta);
        let seen = self.seen(&request);
        // A broadcast, or a relay, tells where the client is: one with the same key elsewhere may be another client.
        let located = request.is_relayed() || matches!(state, ClientState::Rebinding { .. });
        let found = self.session_at(instance, address, key);
        let found = found.filter(|slot| !located || self.sessions.is_at(*slot, seen.at()));
        if let Some(named) = request.packet.address_option(OptionCode::SERVER_IDENTIFIER)
            && !self.is_our_server_id(&request, named, found)
        {
            return Err(DropReason::InvalidServerAddress);
        }
        // Storage is there, or it has all that this client can be told.
        if let Some(reason) = self.cannot_write()
            && !found.is_some_and(|slot| self.may_renew_at_once(slot))
        {
            return Err(reason);
        }
        let Some(slot) = found else {
            return self.extend_unknown4(request, key, (state, address), policy);
        };
        let record = *self.sessions.get(slot).ok_or(DropReason::ClientLookup)?;
        if record.pending != 0 {
            return Err(DropReason::Duplicate);
        }
        if record.state() != State::Bound {
            // An offer is no lease yet: the client cannot renew it.
            return Err(DropReason::ClientLookup);
        }
        let moves = action(&record, Happening::Request) == Action::NakAndEnd;
        let grant = match self.extension4(request, state, &record) {
            // Nobody serves it any more, and it was told to go.
            Err(DropReason::NoInterfaceCfg) if moves => {
                let server_id = self.nak_server_id(&request, Some(&record)).ok_or(DropReason::NoInterfaceCfg)?;
                return self.end_moved4(request, slot, server_id);
            }
            grant => grant?,
        };
        if moves {
            return self.end_moved4(request, slot, grant.server_id);
        }
        if self.pool_of(request.config, &record).is_none() {
            return self.end_outside4(request, slot, grant.server_id);
        }
        if self.is_other_line4(&request, slot, grant.served) {
            return self.end_other_line4(request, slot, grant.server_id);
        }
        if located && self.has_left_network4(&request, &record) {
            self.because(Why::WrongNetwork);
            return self.nak4(request, grant.server_id);
        }
        self.grant4(request, key, slot, grant, policy)
    }

    /// Whether a bound client asks from another network than that of its address (RFC 2131 §4.3.2). Its binding stays: who
    /// pretends to be it elsewhere ends nothing. An interface that lost its address, and a pool that was chosen for the
    /// client, are no reason to refuse it.
    fn has_left_network4(&self, request: &Request<'_>, record: &Record) -> bool {
        let link = self.links.get(request.meta.link).map_or(NameId::EMPTY, |link| link.name);
        let is_here = record.giaddr == request.packet.giaddr() && (request.is_relayed() || record.link() == link);
        // Where an imported session was nobody knew, and an interface may have another name now.
        let known = self.links.by_name(record.link()).is_some();
        if is_here || !known || record.flags & flag::STEERED != 0 {
            return false;
        }
        let Ok(class) = self.classify4(request) else { return false };
        class.pool != NOWHERE && !class.steered && !self.is_on_network(&class, record.address())
    }

    /// No pool has the client's address any more: we end the binding, then say so.
    pub(super) fn end_outside4(&mut self, request: Request<'_>, slot: Slot, server_id: Ipv4Addr) -> Outcome {
        self.because(Why::NoPool);
        let answer = self.build_nak4(request, server_id)?;
        if self.sessions.get(slot).is_some_and(|record| record.state() == State::Bound) {
            self.cannot_write().map_or(Ok(()), Err)?;
            self.commit_end(request.turn, slot, BindingEvent::Clear, Some(answer), None);
        } else {
            self.lapse_offer(slot);
            self.send(answer);
        }
        Ok(())
    }

    /// The client was told to renew, or is refused at last (junos.md §8.3, §8.4): a NAK, and the binding ends.
    pub(super) fn end_moved4(&mut self, request: Request<'_>, slot: Slot, server_id: Ipv4Addr) -> Outcome {
        self.cannot_write().map_or(Ok(()), Err)?;
        let record = *self.sessions.get(slot).ok_or(DropReason::ClientLookup)?;
        self.because(Why::Moved);
        let answer = self.build_nak4(request, server_id)?;
        let flags = self.answered(&request, slot, &record, flags_of_tombstone(record.flags, true));
        self.commit_end_as(request.turn, slot, BindingEvent::Clear, flags, Some(answer), None);
        Ok(())
    }

    /// `flags` with what is now known of the client: it answered a FORCERENEW, if its REQUEST came right after one. Later
    /// in the pause it is taken for a renewal of the client's own.
    pub(super) fn answered(&self, request: &Request<'_>, slot: Slot, record: &Record, flags: u16) -> u16 {
        let reconfigure = self.reconfigure_of(request.config, record);
        let (Phase::Reconfiguring(_), Some(due)) = (Phase::of(record.flags), self.schedule.due(slot)) else {
            return flags;
        };
        let pause = reconfigure.map_or(0, |reconfigure| reconfigure.pause_secs(attempts(record.flags)));
        let late = request.turn.lease.plus_secs(pause) > due.plus_secs(ANSWER_SECS);
        if late { flags } else { self.method_of(slot, reconfigure).store(flags) }
    }

    /// A renewal of an address that this client does not hold.
    fn extend_unknown4(
        &mut self,
        request: Request<'_>,
        key: &ClientKey<'_>,
        (state, address): (ClientState, Ipv4Addr),
        policy: &mut dyn Policy,
    ) -> Outcome {
        let instance = self.instance_of(&request.meta);
        if let Some(slot) = self.promise_of(instance, request, key, address) {
            let server_id = self.nak_server_id(&request, self.sessions.get(slot));
            return self.nak_promised4(request, slot, server_id.ok_or(DropReason::NoLocalAddress)?);
        }
        let pool = self.pools.match_network(instance, address);
        let seen = self.seen(&request);
        let known =
            pool.and_then(|pool| self.sessions.find_by_client(instance, self.pools.scope(pool), key, seen.at()));
        let known = known.or_else(|| self.tombstone_of(instance, request.packet.hw_addr(), key, address));
        let record = known.and_then(|slot| self.sessions.get(slot)).copied();
        let pool = record.map_or(pool, |record| self.pools.match_network(instance, record.scope()));
        if record.is_some_and(|r| r.pending != 0) {
            return Err(DropReason::Duplicate);
        }
        let server_id = self.nak_server_id(&request, record.as_ref());
        match record.map(|r| (r, r.state())) {
            // We gave it another address.
            Some((record, State::Bound)) if record.address() != address => {
                self.because(Why::NotTheClients);
                return self.nak4(request, server_id.ok_or(DropReason::NoLocalAddress)?);
            }
            // The client's lease ran out unseen, or it came back after a release: it may go on while nobody else has
            // the address. A unicast packet does not say where the client is: behind a relay it must rebind first.
            Some((record, State::Released | State::Expired))
                if record.address() == address
                    && (matches!(state, ClientState::Rebinding { .. }) || record.giaddr.is_unspecified()) =>
            {
                let class = self.class_of_pool(request, pool)?;
                return self.judge4(request, &class, key, (known, address), policy);
            }
            _ => {}
        }
        let taken = self.sessions.find_by_address(instance, address).and_then(|slot| self.sessions.get(slot));
        let overrides = self.links.get(request.meta.link).and_then(|l| l.served?.overrides(request.config));
        let wanted = match state {
            ClientState::Renewing { .. } => overrides.is_some_and(|o| o.nak_unknown_renew),
            _ => overrides.is_some_and(|o| o.nak_unknown_rebind),
        };
        // Two clients on one address: the one that we did not give it to must stop.
        if wanted || taken.is_some_and(|r| r.state() == State::Bound) {
            self.because(if wanted { Why::UnknownBinding } else { Why::NotTheClients });
            return self.nak4(request, server_id.ok_or(DropReason::NoInterfaceCfg)?);
        }
        Err(if overrides.is_some() { DropReason::ClientLookup } else { DropReason::NoInterfaceCfg })
    }

    /// What is left of the client's lease of `address` under another scope than the address's own network: it came
    /// from a linked pool, or its pool is gone.
    pub(super) fn tombstone_of(
        &self,
        instance: InstanceId,
        hw: HwAddr,
        key: &ClientKey<'_>,
        address: Ipv4Addr,
    ) -> Option<Slot> {
        let is_it = |slot: &Slot| {
            let record = self.sessions.get(*slot);
            let same = record.is_some_and(|r| r.instance() == instance && r.address() == address);
            let ended = record.is_some_and(|r| r.state().is_the_clients() && !r.state().is_live());
            same && ended && self.sessions.identity(*slot).is_some_and(|identity| identity.key() == *key)
        };
        self.sessions.by_hw(&hw).take(OF_ONE_HW_MAX).find(is_it)
    }

    /// Option 54 for a NAK: what the relay wants (RFC 5107 §4), what the session was given, else our address on the
    /// ingress interface.
    fn nak_server_id(&self, request: &Request<'_>, record: Option<&Record>) -> Option<Ipv4Addr> {
        let info = request.packet.option(OptionCode::RELAY_AGENT_INFORMATION).filter(|_| request.is_relayed());
        let wanted = info.and_then(|info| server_id_override(&info));
        let given = wanted.or(record.map(|r| r.server_id).filter(|id| !id.is_unspecified()));
        let classified = || self.classify4(request).ok();
        let own = Some(request.meta.dst).filter(|_| self.links.is_to_us(&request.meta));
        given.or_else(|| classified().map(|c| c.server_id)).or(own)
    }

    /// The classification of a renewal whose session is a tombstone: its pool follows from its address.
    fn class_of_pool(&self, request: Request<'_>, pool: Option<bindery_types::PoolId>) -> Result<Class, DropReason> {
        let class = self.classify4(&request)?;
        if request.grant.is_some_and(Granted::chooses) {
            return Ok(class);
        }
        Ok(Class { pool: pool.ok_or(DropReason::InvalidSubnet)?, ..class })
    }

    /// How a renewal of a live session is answered. The session supplies group and relay where the packet came by
    /// unicast through routers and says nothing of them (design §3).
    fn extension4(&self, request: Request<'_>, state: ClientState, record: &Record) -> Result<Grant, DropReason> {
        let ciaddr = request.packet.ciaddr();
        let arrived = self.links.get(request.meta.link);
        // A broadcast, or a relay, tells where the client is now; a unicast packet may have been routed here.
        let located = request.is_relayed() || matches!(state, ClientState::Rebinding { .. });
        let steered = |served| self.served_of(request.config, record, self.admitted(served, &request));
        let here = arrived.and_then(|link| Some((link, steered(link.served?))));
        let located =
            located || arrived.and_then(|link| link.served?.pool).is_some_and(|pool| self.settles(record, pool));
        if located && let Some((link, served)) = here {
            let class = self.classify4(&request)?;
            let to = match request.is_relayed() {
                true => reply::to_relay(request),
                false => reply::to_address(ciaddr, self.source(&request, class.local), request.meta.link),
            };
            let server_id = class.server_id;
            let (link, index) = (link.name, Some(class.index));
            return Ok(Grant { served, link, index, local: class.local, server_id, to, ciaddr });
        }
        let served = self.served_by_name(request.config, record).or(here.map(|(_, served)| served));
        let served = steered(served.ok_or(DropReason::NoInterfaceCfg)?);
        // Also from an interface that is not known yet: a relay hears on giaddr alone (RFC 2131 §4.1).
        let to = match request.is_relayed() {
            true => reply::to_relay(request),
            false => reply::to_address(ciaddr, self.source(&request, record.server_id), request.meta.link),
        };
        let link = record.link();
        // An imported session may never have had one of ours.
        let named = Some(record.server_id).filter(|given| !given.is_unspecified());
        let server_id = named.or(Some(request.meta.dst).filter(|_| self.links.is_to_us(&request.meta)));
        let server_id = server_id.ok_or(DropReason::NoLocalAddress)?;
        Ok(Grant { served, link, index: None, local: server_id, server_id, to, ciaddr })
    }

    /// Whether a packet from an interface of `pool` tells where a direct client is: nobody knew yet, since its session was
    /// imported, or where it was is no interface any more, as after a renaming; and its address is of that network.
    fn settles(&self, record: &Record, pool: PoolId) -> bool {
        let own = self.pools.pool_of(record.instance(), record.address());
        (record.link() == NameId::EMPTY || self.links.by_name(record.link()).is_none())
            && record.giaddr.is_unspecified()
            && own.is_some_and(|own| self.pools.in_chain(pool, own))
    }

    /// A source address that the kernel lets us send from: the one that the client wrote to, else ours towards it.
    pub(super) fn source(&self, request: &Request<'_>, local: Ipv4Addr) -> Ipv4Addr {
        let instance = self.instance_of(&request.meta);
        let own = [request.meta.dst, local].into_iter().find(|address| self.links.is_own(instance, *address));
        own.unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// The tombstone of a binding that we ended and whose promised time is not over: whatever the pools and networks
    /// are by now, a REQUEST for it is refused (design §2.2). Also one that a running offer covers.
    pub(super) fn promise_of(
        &self,
        instance: InstanceId,
        request: Request<'_>,
        key: &ClientKey<'_>,
        address: Ipv4Addr,
    ) -> Option<Slot> {
        let now = request.turn.lease;
        // Under another scope it may have been given the address again since.
        let holder = self.session_at(instance, address, key).and_then(|slot| self.sessions.get(slot));
        if holder.is_some_and(|record| record.state().is_live()) {
            return None;
        }
        let promised = |record: &Record| {
            record.state() == State::Cleared
                && record.instance() == instance
                && record.address() == address
                && now < record.end
        };
        let hw = request.packet.hw_addr();
        let pool = self.pools.match_network(instance, address);
        let seen = self.seen(&request);
        let of_key =
            pool.and_then(|pool| self.sessions.find_by_client(instance, self.pools.scope(pool), key, seen.at()));
        of_key.into_iter().chain(self.sessions.by_hw(&hw).take(OF_ONE_HW_MAX)).find(|slot| {
            let covered = self.shadows.get(slot).is_some_and(|shadow| promised(&shadow.record));
            // An offer of that very address is a new start: the client may take it.
            let record = self.sessions.get(*slot).filter(|r| promised(r) || (covered && r.address() != address));
            record.is_some() && self.sessions.identity(*slot).is_some_and(|identity| identity.key() == *key)
        })
    }

    /// Refuses again what was refused before.
    pub(super) fn nak_promised4(&mut self, request: Request<'_>, slot: Slot, server_id: Ipv4Addr) -> Outcome {
        if self.sessions.get(slot).is_some_and(|record| record.pending != 0) {
            return Err(DropReason::Duplicate);
        }
        self.because(Why::EndedBefore);
        self.nak4(request, server_id)
    }

    /// The client's session of an address that a commit has taken from the pools, on this interface. It has no place
    /// any more: whoever begins anew goes on from it.
    fn find_displaced(&self, class: &Class, key: &ClientKey<'_>, hw: HwAddr, at: Whereabouts<'_>) -> Option<Slot> {
        self.sessions.by_hw(&hw).take(OF_ONE_HW_MAX).find(|slot| {
            let record = self.sessions.get(*slot).filter(|r| r.state() == State::Bound);
            record.is_some_and(|r| {
                r.instance() == class.instance
                    && r.link() == class.link
                    && self.sessions.is_at(*slot, at)
                    && self.pools.pool_of(r.instance(), r.address()).is_none()
            }) && self.sessions.identity(*slot).is_some_and(|identity| identity.key() == *key)
        })
    }

    /// The client's session for a packet of this class: by its key in the pool's subnet, else one of the same key
    /// whose address belongs to the pool or those linked to it, made when the networks were others.
    pub(super) fn find_client(&self, class: &Class, key: &ClientKey<'_>, request: &Request<'_>) -> Option<Slot> {
        let (seen, hw) = (self.seen(request), request.packet.hw_addr());
        let at = seen.at();
        let found = self.sessions.find_by_client(class.instance, self.pools.scope(class.pool), key, at);
        let live = found.and_then(|slot| self.sessions.get(slot)).is_some_and(|record| record.state().is_live());
        // What is left of a session here hides no live one in a pool that was chosen, or in one that is gone.
        let elsewhere = || self.find_steered(class, key, hw, at).or_else(|| self.find_displaced(class, key, hw, at));
        let found = if live { found } else { elsewhere().or(found) };
        found.or_else(|| {
            self.sessions.by_hw(&hw).take(OF_ONE_HW_MAX).find(|slot| {
                let record = self.sessions.get(*slot).filter(|r| r.state() == State::Bound);
                let pool = record.and_then(|r| self.pools.pool_of(r.instance(), r.address()));
                pool.is_some_and(|pool| self.pools.in_chain(class.pool, pool))
                    && self.sessions.is_at(*slot, at)
                    && self.sessions.identity(*slot).is_some_and(|identity| identity.key() == *key)
            })
        })
    }
}
