//! DHCPREQUEST: RFC 2131 §4.3.2, in all four client states.

use super::{Auth, Draft, Outcome, Request, Then, access::is_as_granted, client_id, discover::pool_client, reply};
use crate::{
    Engine,
    binding::{self, BindingEvent, Transition},
    classify::{Class, client_key},
    commit::{Answer, Change},
    config::{Config, Pool},
    event::DropReason,
    history::Why,
    links::{Served, is_host_address},
    output::Destination,
    policy::Policy,
    reconfigure::{Action, Happening, action, flag},
    record::RouteRecord,
    session::{ClientKey, NameId, Record, Slot, State},
};
use bindery_types::{IfIndex, InstanceId, Ipv4Addr, LeaseTime};
use bindery_wire::v4::{MessageType, OptionCode};

/// What state the client is in, as its REQUEST tells (RFC 2131 §4.3.2 and table 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ClientState {
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
pub(super) struct Grant {
    pub(super) served: Served,
    pub(super) link: NameId,
    /// Ingress interface where the route belongs; `None` where the session's own stays.
    pub(super) index: Option<IfIndex>,
    pub(super) local: Ipv4Addr,
    pub(super) server_id: Ipv4Addr,
    pub(super) to: Destination,
    pub(super) ciaddr: Ipv4Addr,
}

impl Grant {
    /// How a client without an address is answered that is given `address`.
    pub(super) fn of_newcomer(request: Request<'_>, class: &Class, address: Ipv4Addr) -> Self {
        Self {
            served: class.served,
            link: class.link,
            index: Some(class.index),
            local: class.local,
            server_id: class.server_id,
            to: reply::to_newcomer(request, class, address),
            ciaddr: Ipv4Addr::UNSPECIFIED,
        }
    }
}

impl Engine {
    pub(super) fn request4(&mut self, request: Request<'_>, policy: &mut dyn Policy) -> Outcome {
        let state = self.client_state(&request)?;
        // A renewal may need no write; any other REQUEST does.
        let extends = matches!(state, ClientState::Renewing { .. } | ClientState::Rebinding { .. });
        if let Some(reason) = self.cannot_write().filter(|_| !extends) {
            return Err(reason);
        }
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

    pub(super) fn client_state(&self, request: &Request<'_>) -> Result<ClientState, DropReason> {
        let packet = request.packet;
        let server_id = packet.address_option(OptionCode::SERVER_IDENTIFIER);
        let requested = packet.address_option(OptionCode::REQUESTED_IP_ADDRESS);
        let ciaddr = packet.ciaddr();
        match (server_id, requested) {
            (Some(server_id), Some(address)) => Ok(ClientState::Selecting { server_id, address }),
            (None, Some(address)) => Ok(ClientState::InitReboot { address }),
            (_, None) if !is_host_address(ciaddr) => Err(DropReason::BadOptions),
            (_, None) if self.links.is_to_us(&request.meta) && !request.is_relayed() => {
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
        let class = self.classify4(&request)?;
        let found = self.find_client(&class, key, &request);
        if !self.is_our_server_id(&request, server_id, found) {
            // RFC 2131 §3.1 step 4: a REQUEST for another server declines our offer.
            self.because(Why::OtherServer);
            if let Some(slot) = found {
                self.lapse_offer(slot);
            }
            self.foreign_choice4(request.turn, request.meta.link, server_id, request.packet);
            return Err(DropReason::InvalidServerAddress);
        }
        let live = |record: &Record| record.state().is_live();
        if !found.and_then(|slot| self.sessions.get(slot)).is_some_and(live)
            && let Some(slot) = self.promise_of(class.instance, request, key, address)
        {
            // Another pool was chosen for the client when we ended it. That this one has the address too revives nothing.
            return self.nak_promised4(request, slot, class.server_id);
        }
        let offered = |record: &Record| record.state() == State::Offered && record.pending == 0;
        if found.and_then(|slot| self.sessions.get(slot)).is_some_and(offered) {
            // As at its DISCOVER: a write that failed has taken the end of its line's former device back.
            self.end_former_device4(&request, &class, found)?;
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
        let class = self.classify4(&request)?;
        if let Some(slot) = self.promise_of(class.instance, request, key, address) {
            return self.nak_promised4(request, slot, class.server_id);
        }
        // Our own record comes first: an interface that lost its address matches another pool, and that is no reason
        // to refuse a client with a valid binding (design §2.2).
        let here = self.session_at(class.instance, address, key).filter(|slot| self.is_here(*slot, &class, &request));
        if here.is_some() {
            return self.judge4(request, &class, key, (here, address), policy);
        }
        class.check_choice()?;
        let found = self.find_client(&class, key, &request);
        let record = found.and_then(|slot| self.sessions.get(slot)).copied();
        // Who has a binding here asks us, whatever it remembers of other networks.
        if record.is_none_or(|r| r.state() != State::Bound) {
            self.check_requested(&request, &class, address)?;
        }
        // RFC 2131 §4.3.2: a client on the wrong network is told so.
        if !self.is_on_network(&class, address) {
            self.because(Why::WrongNetwork);
            return self.refuse4(request, class.server_id);
        }
        // RFC 2131 §4.3.2: without a record of the client the server must remain silent. An offer, or a lease that
        // ended by itself, of another address says nothing about this one.
        if !record.is_some_and(|r| r.state() == State::Bound || r.address() == address) {
            return Err(DropReason::ClientLookup);
        }
        self.judge4(request, &class, key, (found, address), policy)
    }

    /// Decides about a client that names `address`, by what is known of it.
    pub(super) fn judge4(
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
                if record.state() == State::Bound && action(&record, Happening::Request) == Action::NakAndEnd =>
            {
                return self.end_moved4(request, slot, class.server_id);
            }
            (Some(slot), Some(_)) if self.is_other_line4(&request, slot, class.served) => {
                return self.end_other_line4(request, slot, class.server_id);
            }
            (Some(slot), Some(record))
                if may_bind(&record, address, request.turn.lease) || is_selecting(&request, &record) =>
            {
                self.ensure_held(request, class, key, slot, address)?
            }
            (Some(_), Some(_)) => None,
            _ if !is_as_granted(&request, address) => None,
            // Offers are not stored: after a restart the REQUEST is judged anew.
            _ => {
                self.check_forgotten4(&request, class, None)?;
                match self.take_chosen(class, None, address, pool_client(&request, key)) {
                    Ok(pool) => Some(self.place_offer(request, class, key, (pool, address), None)?),
                    Err(_) => None,
                }
            }
        };
        let Some(slot) = slot else {
            self.because(Why::NotTheClients);
            return self.refuse4(request, class.server_id);
        };
        if self.sessions.get(slot).is_some_and(|record| self.pool_of(request.config, record).is_none()) {
            return self.end_outside4(request, slot, class.server_id);
        }
        let served = self.sessions.get(slot).map(|record| self.served_of(request.config, record, class.served));
        let grant = Grant {
            served: served.unwrap_or(class.served),
            link: class.link,
            index: Some(class.index),
            local: class.local,
            server_id: class.server_id,
            to: reply::to_newcomer(request, class, address),
            // RFC 2131 §4.3.1 table 3: of a client that names its address in ciaddr; a stale one is not echoed.
            ciaddr: match request.packet.has(OptionCode::REQUESTED_IP_ADDRESS) {
                true => Ipv4Addr::UNSPECIFIED,
                false => request.packet.ciaddr(),
            },
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
    ) -> Result<Option<Slot>, DropReason> {
        if self.sessions.get(slot).is_some_and(|record| record.state().is_live()) {
            return Ok(Some(slot));
        }
        if !is_as_granted(&request, address) {
            return Ok(None);
        }
        self.check_forgotten4(&request, class, Some(slot))?;
        match self.take_chosen(class, Some(slot), address, pool_client(&request, key)) {
            Ok(pool) => self.place_offer(request, class, key, (pool, address), Some(slot)).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// What a DISCOVER was judged by, for a client that names an address and has no offer; `tombstone` is its own.
    fn check_forgotten4(&mut self, request: &Request<'_>, class: &Class, tombstone: Option<Slot>) -> Outcome {
        self.check_lockout(request.turn, request.meta, request.packet, request.config)?;
        if request.packet.has(OptionCode::SERVER_IDENTIFIER) {
            // The restart that made us forget its offer may have been before the end of its line's former device was
            // written.
            self.end_former_device4(request, class, tombstone)?;
        }
        self.check_client_limit(request.config, class.served, (class.link, class.index))?;
        class.check_choice()
    }

    /// Whether `address` is of the network that the packet came from: that of its pool or of one linked to it.
    pub(super) fn is_on_network(&self, class: &Class, address: Ipv4Addr) -> bool {
        let contains = |pool: &Pool| pool.network.contains(address);
        self.pools.chain(class.pool).any(|id| self.config.pool(id).is_some_and(contains))
    }

    /// Whether a session's client is where the packet came from: on its interface, or behind its relay.
    fn is_here(&self, slot: Slot, class: &Class, request: &Request<'_>) -> bool {
        self.sessions.get(slot).is_some_and(|record| {
            record.state() == State::Bound
                && record.giaddr == request.packet.giaddr()
                && (request.is_relayed() || record.link() == class.link)
                && self.sessions.is_at(slot, self.seen(request).at())
        })
    }

    /// Grants the lease: first or extended. The ACK leaves when the binding is durable and the route stands.
    pub(super) fn grant4(
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
        if record.state() == State::Bound && self.is_over(&request, slot) {
            self.cannot_write().map_or(Ok(()), Err)?;
            // Asking often keeps nobody: the client starts anew, and is asked about.
            let answer = self.refusal4(request, grant.server_id)?;
            self.because(Why::ServiceOver);
            self.commit_end(request.turn, slot, BindingEvent::Clear, answer, None);
            return Ok(());
        }
        if let Some(index) = grant.index {
            self.check_limit_of_move(request.config, grant.served, (grant.link, index), &record)?;
        }
        let pool = self.pool_of(request.config, &record).ok_or(DropReason::InvalidSubnet)?;
        let lease_secs = self.validated_lease4(&request, slot, grant.served, pool)?;
        let record = *self.sessions.get(slot).ok_or(DropReason::ClientLookup)?;
        let mut change = Change::of(&record).to_state(state, request.turn.lease);
        (change.start, change.end) = self.times4(&request, slot, &record, lease_secs);
        let told_secs = reply::told_secs(request.config, grant.served, lease_secs);
        if told_secs < lease_secs && record.state() == State::Bound {
            change.end = long_end(&record, request.turn.lease, (told_secs, lease_secs), change.end);
        }
        change.kept = self.kept_until(&request, slot, (lease_secs, change.end));
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
        self.set_identity_scratch(&request, key, Some(slot))?;
        let fresh = record.state() != State::Bound;
        let identity = self.identity_anew4(&request, slot, (&record, &change), grant.served, policy);
        change.flags = self.answered(&request, slot, &record, record.flags & !flag::OF_A_RUN);
        let reconfigure = grant.served.reconfigure(request.config);
        let auth = reconfigure.and_then(|reconfigure| {
            let starts = fresh || !matches!(self.client_state(&request), Ok(ClientState::Renewing { .. }));
            self.authenticate4(packet, slot, reconfigure, starts)
        });
        match packet.message_type() {
            Some(_) => change.flags &= !flag::BOOTP,
            None => change.flags |= flag::BOOTP,
        }
        match auth {
            Some(Auth::Token(_)) => change.flags |= flag::TOKEN,
            Some(Auth::Nonce { nonce, .. }) => change.nonce = Some(nonce),
            _ => {}
        }
        let (reference, session) = self.session_ref(slot).ok_or(DropReason::ClientLookup)?;
        let draft = Draft {
            message: MessageType::Ack,
            served: grant.served,
            link: grant.link,
            pool: change.pool,
            server_id: grant.server_id,
            yiaddr: record.address(),
            ciaddr: grant.ciaddr,
            lease_secs: Some(told_secs),
            session: Some((reference, session)),
            to: grant.to,
            auth,
            then: Then::Bind { slot: reference, change, identity },
        };
        self.shape4(request, draft, policy)
    }

    /// When a session that is granted a lease of `lease_secs` begins, and when the lease ends.
    fn times4(&self, request: &Request<'_>, slot: Slot, record: &Record, lease_secs: u32) -> (LeaseTime, LeaseTime) {
        let now = request.turn.lease;
        let end = match lease_secs {
            u32::MAX => LeaseTime::NEVER,
            secs => now.plus_secs(u64::from(secs)),
        };
        if record.state() == State::Offered {
            // A client that comes back keeps its session id: the start tells its sessions apart, also in one second.
            let former = self.shadows.get(&slot).map(|shadow| shadow.record.start.plus_secs(1));
            return (former.map_or(now, |former| former.max(now)), end);
        }
        // The ACK may be lost, and the client then goes by the one before: no renewal shortens a promise.
        let keeps = record.flags & flag::BOOTP == 0 || request.packet.message_type().is_none();
        (record.start, if keeps { end.max(record.end) } else { end })
    }

    /// The DHCPNAK of a REQUEST. BOOTP knows no refusal, nor does a client that selects by rapid commit (RFC 2131 §4.4.1).
    fn refusal4(&mut self, request: Request<'_>, server_id: Ipv4Addr) -> Result<Option<Answer>, DropReason> {
        let is_request = request.packet.message_type() == Some(MessageType::Request);
        is_request.then(|| self.build_nak4(request, server_id)).transpose()
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

/// `asymmetric-lease-time`: the end of the long lease stands while it covers what the client is told, until half of it is
/// over; then it begins anew and ends at `anew`.
fn long_end(record: &Record, now: LeaseTime, (told_secs, long_secs): (u32, u32), anew: LeaseTime) -> LeaseTime {
    let left = if record.end == LeaseTime::NEVER { u64::MAX } else { now.secs_until(record.end) };
    let covers = left >= u64::from(told_secs) && left >= u64::from(long_secs / 2);
    // For ever in place of what ends, or the other way round, is another lease.
    let same_kind = (record.end == LeaseTime::NEVER) == (long_secs == u32::MAX);
    if covers && same_kind { record.end } else { anew }
}

/// Whether the client may have `address` by its own record. What we ended stays ended (design §2.2).
pub(super) fn may_bind(record: &Record, address: Ipv4Addr, now: LeaseTime) -> bool {
    let ended_by_us = record.state() == State::Cleared && now < record.end;
    record.address() == address && !ended_by_us
}

/// Whether a client takes an offer that a restart made us forget: all that is left of it is a tombstone, of another
/// address.
fn is_selecting(request: &Request<'_>, record: &Record) -> bool {
    let forgotten = matches!(record.state(), State::Released | State::Expired);
    forgotten && request.packet.has(OptionCode::SERVER_IDENTIFIER)
}
