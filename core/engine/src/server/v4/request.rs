//! DHCPREQUEST: RFC 2131 §4.3.2, in all four client states.

use super::{Draft, Outcome, Request, Then, client_id, reply};
use crate::{
    Engine,
    binding::{self, BindingEvent, Transition},
    classify::{Class, classify, client_key, selector},
    commit::Change,
    config::Config,
    event::DropReason,
    links::Served,
    output::Destination,
    policy::Policy,
    record::RouteRecord,
    session::{ClientKey, NameId, Record, Slot, State},
};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr, LeaseTime};
use bindery_wire::v4::{MessageType, OptionCode};

/// What state the client is in, as its REQUEST tells (RFC 2131 §4.3.2 and table 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ClientState {
    /// Options 54 and 50. Some clients leave a stale ciaddr in it: it is not looked at.
    Selecting { server_id: Ipv4Addr, address: Ipv4Addr },
    /// Option 50 without 54.
    InitReboot { address: Ipv4Addr },
    /// ciaddr, sent to our unicast address.
    Renewing { address: Ipv4Addr },
    /// ciaddr, broadcast or through a relay.
    Rebinding { address: Ipv4Addr },
}

/// Who a granted client is and how it is answered.
struct Grant {
    served: Served,
    link: NameId,
    /// Ingress interface where the route belongs; `None` where the session's own stays.
    index: Option<IfIndex>,
    local: Ipv4Addr,
    server_id: Ipv4Addr,
    to: Destination,
    ciaddr: Ipv4Addr,
}

impl Engine {
    pub(super) fn request4(&mut self, request: Request<'_>, policy: &mut dyn Policy) -> Outcome {
        if self.rings.store_down {
            return Err(DropReason::StoreFault);
        }
        if !self.rings.has_room() {
            return Err(DropReason::Overload);
        }
        let state = self.client_state(&request)?;
        let id = client_id(request.packet);
        let key = client_key(request.packet, Some(&id));
        match state {
            ClientState::Selecting { server_id, address } => {
                self.selecting4(request, &key, (server_id, address), policy)
            }
            ClientState::InitReboot { address } => self.init_reboot4(request, &key, address, policy),
            ClientState::Renewing { address } | ClientState::Rebinding { address } => {
                self.extend4(request, &key, (state, address), policy)
            }
        }
    }

    fn client_state(&self, request: &Request<'_>) -> Result<ClientState, DropReason> {
        let packet = request.packet;
        let server_id = packet.address_option(OptionCode::SERVER_IDENTIFIER);
        let requested = packet.address_option(OptionCode::REQUESTED_IP_ADDRESS);
        let ciaddr = packet.ciaddr();
        match (server_id, requested) {
            (Some(server_id), Some(address)) => Ok(ClientState::Selecting { server_id, address }),
            (None, Some(address)) => Ok(ClientState::InitReboot { address }),
            (_, None) if ciaddr.is_unspecified() => Err(DropReason::BadOptions),
            (_, None) if self.links.is_own(request.meta.dst) && !request.is_relayed() => {
                Ok(ClientState::Renewing { address: ciaddr })
            }
            (_, None) => Ok(ClientState::Rebinding { address: ciaddr }),
        }
    }

    /// SELECTING: the client takes one of the offers it got.
    fn selecting4(
        &mut self,
        request: Request<'_>,
        key: &ClientKey<'_>,
        (server_id, address): (Ipv4Addr, Ipv4Addr),
        policy: &mut dyn Policy,
    ) -> Outcome {
        let class = classify(request.config, &self.links, &self.pools, request.packet, &request.meta)?;
        let found = self.sessions.find_by_client(class.instance, self.pools.scope(class.pool), key);
        if !self.is_our_server_id(request.config, server_id, found) {
            // RFC 2131 §3.1 step 4: a REQUEST for another server declines our offer.
            if let Some(slot) = found {
                self.lapse_offer(slot);
            }
            return Err(DropReason::InvalidServerAddress);
        }
        self.judge4(request, &class, key, (found, address), policy)
    }

    /// INIT-REBOOT: the client remembers an address and asks whether it still holds.
    fn init_reboot4(
        &mut self,
        request: Request<'_>,
        key: &ClientKey<'_>,
        address: Ipv4Addr,
        policy: &mut dyn Policy,
    ) -> Outcome {
        let class = classify(request.config, &self.links, &self.pools, request.packet, &request.meta)?;
        // RFC 2131 §4.3.2: a client on the wrong network is told so.
        let on_network = |id| request.config.pool(id).is_some_and(|p| p.network.contains(address));
        if !self.pools.chain(class.pool).any(on_network) {
            return self.nak4(request, class.server_id);
        }
        let found = self.sessions.find_by_client(class.instance, self.pools.scope(class.pool), key);
        if found.is_none() {
            // RFC 2131 §4.3.2: without a record of the client the server must remain silent.
            return Err(DropReason::ClientLookup);
        }
        self.judge4(request, &class, key, (found, address), policy)
    }

    /// Decides about a client that names `address`, by what is known of it.
    fn judge4(
        &mut self,
        request: Request<'_>,
        class: &Class,
        key: &ClientKey<'_>,
        (found, address): (Option<Slot>, Ipv4Addr),
        policy: &mut dyn Policy,
    ) -> Outcome {
        let record = found.and_then(|slot| self.sessions.get(slot)).copied();
        let slot = match (found, record) {
            (Some(_), Some(record)) if record.pending != 0 => return Err(DropReason::Duplicate),
            (Some(slot), Some(record))
                if may_bind(&record, address, request.turn.lease) || is_selecting(&request, &record) =>
            {
                self.ensure_held(request, class, key, slot, address)
            }
            (Some(_), Some(_)) => None,
            // Offers are not stored: after a restart the REQUEST is judged anew.
            _ => {
                self.check_client_limit(request.config, class)?;
                let pool = self.pools.take(class.pool, address, request.packet.hw_addr().mac()).ok();
                pool.and_then(|pool| self.place_offer(request, class, key, (pool, address), None).ok())
            }
        };
        let Some(slot) = slot else {
            return self.nak4(request, class.server_id);
        };
        if self.sessions.get(slot).is_some_and(|record| self.pool_of(request.config, record).is_none()) {
            return self.end_outside4(request, slot, class.server_id);
        }
        let grant = Grant {
            served: class.served,
            link: class.link,
            index: Some(class.index),
            local: class.local,
            server_id: class.server_id,
            to: reply::to_newcomer(request, class, address),
            ciaddr: Ipv4Addr::UNSPECIFIED,
        };
        self.grant4(request, key, slot, grant, policy)
    }

    /// Takes the address for a tombstone's client again, when it is still free.
    fn ensure_held(
        &mut self,
        request: Request<'_>,
        class: &Class,
        key: &ClientKey<'_>,
        slot: Slot,
        address: Ipv4Addr,
    ) -> Option<Slot> {
        if self.sessions.get(slot)?.state().is_live() {
            return Some(slot);
        }
        let mac = request.packet.hw_addr().mac();
        let pool = self.pools.take(class.pool, address, mac).ok()?;
        self.place_offer(request, class, key, (pool, address), Some(slot)).ok()
    }

    /// RENEWING and REBINDING: the client extends the lease of its ciaddr.
    fn extend4(
        &mut self,
        request: Request<'_>,
        key: &ClientKey<'_>,
        (state, address): (ClientState, Ipv4Addr),
        policy: &mut dyn Policy,
    ) -> Outcome {
        let instance = self.instance_of(&request.meta);
        let found = self.session_at(instance, address, key);
        if let Some(named) = request.packet.address_option(OptionCode::SERVER_IDENTIFIER)
            && !self.is_our_server_id(request.config, named, found)
        {
            return Err(DropReason::InvalidServerAddress);
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
        let grant = self.extension4(request, state, &record)?;
        if self.pool_of(request.config, &record).is_none() {
            return self.end_outside4(request, slot, grant.server_id);
        }
        self.grant4(request, key, slot, grant, policy)
    }

    /// No pool has the client's address any more: we end the binding, then say so.
    fn end_outside4(&mut self, request: Request<'_>, slot: Slot, server_id: Ipv4Addr) -> Outcome {
        let answer = self.build_nak4(request, server_id)?;
        if self.sessions.get(slot).is_some_and(|record| record.state() == State::Bound) {
            self.commit_end(request.turn, slot, BindingEvent::Clear, Some(answer), None);
        } else {
            self.lapse_offer(slot);
            self.send(answer);
        }
        Ok(())
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
        let pool = self.pools.match_network(instance, address);
        let known = pool.and_then(|pool| self.sessions.find_by_client(instance, self.pools.scope(pool), key));
        let record = known.and_then(|slot| self.sessions.get(slot)).copied();
        if record.is_some_and(|r| r.pending != 0) {
            return Err(DropReason::Duplicate);
        }
        let server_id = self.nak_server_id(&request, record.as_ref());
        if let (Some(_), Some(record)) = (known, record) {
            // The client's lease ran out unseen, or it came back after a release: it may go on while nobody else
            // has the address.
            if may_bind(&record, address, request.turn.lease) && !record.state().is_live() {
                let class = self.class_of_pool(request, pool)?;
                return self.judge4(request, &class, key, (known, address), policy);
            }
            return self.nak4(request, server_id.ok_or(DropReason::NoLocalAddress)?);
        }
        let taken = self.sessions.find_by_address(instance, address).and_then(|slot| self.sessions.get(slot));
        let overrides = self.links.get(request.meta.link).and_then(|l| l.served?.overrides(request.config));
        let wanted = match state {
            ClientState::Renewing { .. } => overrides.is_some_and(|o| o.nak_unknown_renew),
            _ => overrides.is_some_and(|o| o.nak_unknown_rebind),
        };
        // Two clients on one address: the one that we did not give it to must stop.
        if wanted || taken.is_some_and(|r| r.state() == State::Bound) {
            return self.nak4(request, server_id.ok_or(DropReason::NoInterfaceCfg)?);
        }
        Err(if overrides.is_some() { DropReason::ClientLookup } else { DropReason::NoInterfaceCfg })
    }

    /// Option 54 for a NAK: what the session was given, else our address on the ingress interface.
    fn nak_server_id(&self, request: &Request<'_>, record: Option<&Record>) -> Option<Ipv4Addr> {
        let given = record.map(|r| r.server_id).filter(|id| !id.is_unspecified());
        let classified = || classify(request.config, &self.links, &self.pools, request.packet, &request.meta).ok();
        let own = Some(request.meta.dst).filter(|dst| self.links.is_own(*dst));
        given.or_else(|| classified().map(|c| c.server_id)).or(own)
    }

    /// The classification of a renewal whose session is a tombstone: its pool follows from its address.
    fn class_of_pool(&self, request: Request<'_>, pool: Option<bindery_types::PoolId>) -> Result<Class, DropReason> {
        let class = classify(request.config, &self.links, &self.pools, request.packet, &request.meta)?;
        Ok(Class { pool: pool.ok_or(DropReason::InvalidSubnet)?, ..class })
    }

    /// How a renewal of a live session is answered. The session supplies group and relay where the packet came by
    /// unicast through routers and says nothing of them (design §3).
    fn extension4(&self, request: Request<'_>, state: ClientState, record: &Record) -> Result<Grant, DropReason> {
        let ciaddr = request.packet.ciaddr();
        let arrived = self.links.get(request.meta.link);
        // A broadcast, or a relay, tells where the client is now; a unicast packet may have been routed here.
        let located = selector(request.packet).is_some() || matches!(state, ClientState::Rebinding { .. });
        let here = arrived.and_then(|link| Some((link, link.served?)));
        if located && let Some((link, served)) = here {
            let class = classify(request.config, &self.links, &self.pools, request.packet, &request.meta)?;
            let to = match request.is_relayed() {
                true => reply::to_relay(request),
                false => reply::to_address(ciaddr, record.server_id),
            };
            let server_id = class.server_id;
            let (link, index) = (link.name, Some(class.index));
            return Ok(Grant { served, link, index, local: class.local, server_id, to, ciaddr });
        }
        let served = self.served_by_name(request.config, record).or(here.map(|(_, served)| served));
        let served = served.ok_or(DropReason::NoInterfaceCfg)?;
        let to = reply::to_address(ciaddr, record.server_id);
        let (link, server_id) = (record.link(), record.server_id);
        Ok(Grant { served, link, index: None, local: server_id, server_id, to, ciaddr })
    }

    /// The service of the session's own interface, or of its group where the interface is gone.
    fn served_by_name(&self, config: &Config, record: &Record) -> Option<Served> {
        let by_link = self.links.by_name(record.link()).and_then(|l| l.served);
        by_link.or_else(|| {
            let name = self.names.name(record.group);
            let at = config.groups.iter().position(|g| *g.name == *name)?;
            let group = bindery_types::GroupId(u16::try_from(at).ok()?);
            let interface = usize::MAX;
            Some(Served { group, instance: record.instance(), interface, local: None, pool: None })
        })
    }

    /// The configured pool that has the session's address.
    pub(super) fn pool_of<'c>(&self, config: &'c Config, record: &Record) -> Option<&'c crate::config::Pool> {
        config.pool(self.pools.pool_of(record.instance(), record.address())?)
    }

    /// Grants the lease: first or extended. The ACK leaves when the binding is durable and the route stands.
    fn grant4(
        &mut self,
        request: Request<'_>,
        key: &ClientKey<'_>,
        slot: Slot,
        grant: Grant,
        policy: &mut dyn Policy,
    ) -> Outcome {
        let packet = request.packet;
        let record = *self.sessions.get(slot).ok_or(DropReason::ClientLookup)?;
        let Transition::To(state) = binding::next(record.state(), BindingEvent::Bind) else {
            return Err(DropReason::ClientLookup);
        };
        let pool = self.pool_of(request.config, &record).ok_or(DropReason::InvalidSubnet)?;
        let lease_secs = reply::lease_secs(pool, packet);
        let mut change = Change::of(&record).to_state(state, request.turn.lease);
        change.end = match lease_secs {
            u32::MAX => LeaseTime::NEVER,
            secs => request.turn.lease.plus_secs(u64::from(secs)),
        };
        if record.state() == State::Offered {
            change.start = request.turn.lease;
        } else {
            // The ACK may be lost, and the client then goes by the one before: no renewal shortens a promise.
            change.end = change.end.max(record.end);
        }
        change.cltt = request.turn.lease;
        change.xid = packet.xid();
        change.server_id = grant.server_id;
        change.link = grant.link;
        change.group = self.group_names.get(usize::from(grant.served.group.0)).copied().unwrap_or(record.group);
        change.pool = self.pool_ids_name(record.instance(), record.address()).unwrap_or(record.pool);
        if let Some(index) = grant.index {
            change.giaddr = packet.giaddr();
            change.route = self.decide_route(request.config, &grant, index, packet.giaddr());
        }
        self.set_identity_scratch(packet, key, Some(slot))?;
        let fresh = record.state() != State::Bound;
        let identity_changed = fresh || !self.sessions.same_identity(slot, &self.identity);
        let identity = (identity_changed || change.link != record.link() || change.pool != record.pool)
            .then(|| self.identity.clone());
        let slot_ref = self.session_ref(slot);
        let Some((reference, _)) = slot_ref else {
            return Err(DropReason::ClientLookup);
        };
        let draft = Draft {
            message: MessageType::Ack,
            served: grant.served,
            link: grant.link,
            pool: change.pool,
            server_id: grant.server_id,
            yiaddr: record.address(),
            ciaddr: grant.ciaddr,
            lease_secs: Some(lease_secs),
            session: slot_ref,
            to: grant.to,
            then: Then::Bind { slot: reference, change, identity },
        };
        self.shape4(request, draft, policy)
    }

    /// The access-internal route of a client: on-link behind its interface, or via its relay where that is on-link.
    fn decide_route(&self, config: &Config, grant: &Grant, index: IfIndex, giaddr: Ipv4Addr) -> RouteRecord {
        if giaddr.is_unspecified() {
            let no_arp = grant.served.overrides(config).is_some_and(|o| o.no_arp);
            return RouteRecord::Link { src: grant.local, neighbour: !no_arp };
        }
        if self.links.is_on_link(index, giaddr) {
            RouteRecord::Via { src: Ipv4Addr::UNSPECIFIED }
        } else {
            RouteRecord::None
        }
    }

    fn pool_ids_name(&self, instance: InstanceId, address: Ipv4Addr) -> Option<NameId> {
        self.pools.pool_of(instance, address).map(|pool| self.pool_name(pool))
    }
}

/// Whether the client may have `address` by its own record. What we ended stays ended (design §2.2).
fn may_bind(record: &Record, address: Ipv4Addr, now: LeaseTime) -> bool {
    let ended_by_us = record.state() == State::Cleared && now < record.end;
    record.address() == address && !ended_by_us
}

/// Whether a client takes an offer that a restart made us forget: all that is left of it is a tombstone, of another
/// address.
fn is_selecting(request: &Request<'_>, record: &Record) -> bool {
    let forgotten = matches!(record.state(), State::Released | State::Expired);
    forgotten && request.packet.has(OptionCode::SERVER_IDENTIFIER)
}
