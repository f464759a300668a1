//! DHCPDISCOVER: RFC 2131 §4.3.1.

use super::{Draft, Outcome, Request, Then, access::is_as_granted, client_id, reply, request::Grant};
use crate::{
    Engine,
    binding::BindingEvent,
    choose::Span,
    classify::{Class, client_key},
    config::Config,
    engine::{OFFER_HOLD_SECS, Shadow, Turn},
    event::{DropReason, Event},
    history::Why,
    links::Served,
    policy::Policy,
    pool::{Client, Hold, Pools},
    reconfigure::{Action, Happening, action, flag},
    session::{ClientKey, NameId, Record, Slot, State},
    subscriber::username_in,
};
use bindery_types::{IfIndex, Ipv4Addr, LeaseTime, PoolId};
use bindery_wire::v4::{MessageType, OptionCode};

/// How long nothing more is said about exhausted pools, seconds.
const EXHAUSTED_QUIET_SECS: u64 = 10;

impl Engine {
    pub(super) fn discover4(&mut self, request: Request<'_>, policy: &mut dyn Policy) -> Outcome {
        if self.rings.store_down {
            return Err(DropReason::StoreFault);
        }
        if !self.rings.has_room_for_discover() {
            return Err(DropReason::Overload);
        }
        let mut class = self.classify4(&request)?;
        self.waits_enough4(&request, &class)?;
        if let Some(draft) = self.without_address4(&request, &class) {
            return self.shape4(request, draft, policy);
        }
        let id = client_id(request.packet);
        let key = client_key(request.packet, Some(&id));
        let before = self.before_probe4(&request, &class, &key);
        let slot = self.offer_session(request, &mut class, &key, policy)?;
        if let Some(record) = self.sessions.get(slot) {
            class.served = self.served_of(request.config, record, class.served);
        }
        if let Some(before) = before
            && self.probes4(&request, &class, slot, before)?
        {
            return Ok(());
        }
        let rapid = request.packet.has(OptionCode::RAPID_COMMIT)
            && class.served.overrides(request.config).is_some_and(|o| o.rapid_commit);
        if rapid {
            // RFC 4039 §3.1: committed at once, and answered by an ACK.
            let address = self.sessions.get(slot).map_or(Ipv4Addr::UNSPECIFIED, Record::address);
            let grant = Grant::of_newcomer(request, &class, address);
            return self.grant4(request, &key, slot, grant, policy);
        }
        self.offer4(request, &class, slot, policy)
    }

    /// The session to offer: the client's own, or a new one with a free address.
    pub(super) fn offer_session(
        &mut self,
        request: Request<'_>,
        class: &mut Class,
        key: &ClientKey<'_>,
        policy: &mut dyn Policy,
    ) -> Result<Slot, DropReason> {
        let found = self.find_client(class, key, &request);
        let record = found.and_then(|slot| Some((slot, *self.sessions.get(slot)?)));
        match record {
            Some((_, record)) if record.pending != 0 => Err(DropReason::Duplicate),
            Some((slot, record)) if record.state() == State::Bound => {
                let renegotiates =
                    class.served.overrides(request.config).is_some_and(|o| o.delete_binding_on_renegotiation);
                if action(&record, Happening::Discover) == Action::DropAndEnd {
                    // junos.md §8.4; the client's next DISCOVER starts anew.
                    self.because(Why::DiscoverWhileMoved);
                    self.commit_end(request.turn, slot, BindingEvent::Clear, None, None);
                    return Err(DropReason::ClientLookup);
                }
                if self.is_other_line4(&request, slot, class.served) {
                    return Err(self.drop_other_line4(&request, slot));
                }
                if renegotiates {
                    // The old binding ends first; the client's next DISCOVER finds it gone.
                    self.because(Why::Renegotiated);
                    self.commit_end(request.turn, slot, BindingEvent::Release, None, None);
                    return Err(DropReason::ClientLookup);
                }
                if self.pool_of(request.config, &record).is_none() {
                    // A commit took the address from the pools: the client gets another one at its next DISCOVER.
                    self.because(Why::NoPool);
                    self.commit_end(request.turn, slot, BindingEvent::Clear, None, None);
                    return Err(DropReason::ClientLookup);
                }
                if !self.is_in_place4(class, &record, pool_client(&request, key)) {
                    // The line that it has moved to has a range of its own, or none.
                    self.because(Why::OptionMatch);
                    self.commit_end(request.turn, slot, BindingEvent::Clear, None, None);
                    return Err(DropReason::ClientLookup);
                }
                self.check_limit_of_move(request.config, class.served, (class.link, class.index), &record)?;
                self.end_leftovers4(&request, slot);
                self.because(Why::OwnSession);
                Ok(slot)
            }
            Some((slot, record)) if record.state() == State::Offered => {
                let in_place = self.is_in_place4(class, &record, pool_client(&request, key))
                    && is_as_granted(&request, record.address());
                if self.pool_of(request.config, &record).is_none() || !in_place {
                    self.lapse_offer(slot);
                    if request.grant.is_none() && class.served.asks_authority(request.config) {
                        // What was granted is gone with the offer: the client's next DISCOVER is asked about.
                        return Err(DropReason::ClientLookup);
                    }
                    return self.offer_session(request, class, key, policy);
                }
                self.check_limit_of_move(request.config, class.served, (class.link, class.index), &record)?;
                if request.grant.is_some() {
                    // It was asked about anew, at another place than where it was offered this: the last word counts.
                    self.set_identity_scratch(&request, key, Some(slot))?;
                    self.sessions.set_identity(slot, &self.identity).map_err(|_| DropReason::ClientLookup)?;
                    self.note_choice(slot, class);
                }
                // A write that failed has taken the end of its line's former device back, or it is being written.
                let _ = self.end_former_device4(&request, class, Some(slot));
                self.hold_offer(slot, request.turn.lease.plus_secs(OFFER_HOLD_SECS), &request, class);
                // An offer that was only put off by its probe keeps the reason of its address.
                self.because(self.neighbours.probing.why.unwrap_or(Why::OwnSession));
                Ok(slot)
            }
            tombstone => self.new_offer(request, class, key, tombstone.map(|(slot, _)| slot), policy),
        }
    }

    /// Offers an address to a client without a binding. Order of addresses as RFC 2131 §4.3.1: reservation, the
    /// client's former one (its tombstone's), the one it asks for, the next free one.
    fn new_offer(
        &mut self,
        request: Request<'_>,
        class: &mut Class,
        key: &ClientKey<'_>,
        tombstone: Option<Slot>,
        policy: &mut dyn Policy,
    ) -> Result<Slot, DropReason> {
        class.check_choice()?;
        self.end_former_device4(&request, class, tombstone)?;
        self.check_client_limit(request.config, class.served, (class.link, class.index))?;
        self.make_room_for_offer(request.config, class)?;
        let ended = tombstone.and_then(|slot| self.sessions.get(slot));
        let former = ended.map(|r| r.address());
        // A client that was moved away gets another address, whatever it asks for.
        let avoid = ended.filter(|r| r.flags & flag::MOVED != 0).map(|r| r.address());
        let wished = request.packet.address_option(OptionCode::REQUESTED_IP_ADDRESS);
        // Also where an authority chose another pool now, which may lead back to the old one.
        let elsewhere = || self.tombstone_of(class.instance, request.packet.hw_addr(), key, wished?);
        let moved = |slot: Slot| self.sessions.get(slot).is_some_and(|r| r.flags & flag::MOVED != 0);
        let avoid = avoid.or_else(|| elsewhere().filter(|slot| moved(*slot)).and(wished));
        let [former, wished] = [former, wished].map(|wish| wish.filter(|address| Some(*address) != avoid));
        let chosen = self.select_address4(&request, class, former.or(wished), policy)?;
        let wishes = [chosen, former, wished];
        let client = pool_client(&request, key);
        if let Some(address) = request.grant.and_then(|granted| granted.steer.address) {
            // That one is not to be had, which says nothing about the rest of its pool.
            let taken = self.take_for(tombstone, class.pool, address, client);
            let pool = taken.map_err(|_| DropReason::NoAddresses)?;
            self.because(Why::Granted);
            return self.place_offer(request, class, key, (pool, address), tombstone);
        }
        let Some((pool, address)) = self.allocate(class, tombstone, client, wishes, avoid) else {
            self.give_up_quarantine(request.turn, class.pool);
            self.tell_exhausted(request.turn, class);
            return Err(DropReason::NoAddresses);
        };
        self.place_offer(request, class, key, (pool, address), tombstone)
    }

    /// Says that a pool is exhausted; a flood of DISCOVERs does not flood the log.
    fn tell_exhausted(&mut self, turn: Turn, class: &Class) {
        if turn.lease >= self.exhausted_quiet_until {
            self.exhausted_quiet_until = turn.lease.plus_secs(EXHAUSTED_QUIET_SECS);
            let of = self.exchange_id();
            self.outbox.events.push(Event::PoolExhausted { link: class.index, of });
        }
    }

    /// `interface-client-limit` (junos.md §2.4).
    pub(super) fn check_client_limit(&mut self, config: &Config, served: Served, link: (NameId, IfIndex)) -> Outcome {
        let limit = served.overrides(config).and_then(|o| o.interface_client_limit);
        match limit {
            Some(limit) if self.sessions.live_on_link(link.0) >= limit => {
                self.note_limit(link, limit);
                Err(DropReason::ClientLimit)
            }
            _ => Ok(()),
        }
    }

    /// The same for a live session whose client is on `link` now: who comes from another interface is one more here. Of an
    /// imported session nobody knew where it is.
    pub(super) fn check_limit_of_move(
        &mut self,
        config: &Config,
        served: Served,
        link: (NameId, IfIndex),
        record: &Record,
    ) -> Outcome {
        let moves = record.link() != link.0 && record.link() != NameId::EMPTY;
        if moves { self.check_client_limit(config, served, link) } else { Ok(()) }
    }

    fn allocate(
        &mut self,
        class: &Class,
        tombstone: Option<Slot>,
        client: Client<'_>,
        wishes: [Option<Ipv4Addr>; 3],
        avoid: Option<Ipv4Addr>,
    ) -> Option<(PoolId, Ipv4Addr)> {
        let reserved = self.pools.reservation(class.pool, client);
        if let Some((_, address)) = reserved
            && let Ok(pool) = self.take_for(tombstone, class.pool, address, client)
        {
            self.because(Why::Reservation);
            return Some((pool, address));
        }
        if let [Some(chosen), ..] = wishes
            && let Ok(pool) = self.take_chosen(class, tombstone, chosen, client)
        {
            self.because(Why::PluginChoice);
            return Some((pool, chosen));
        }
        // The client's range first; where that has nothing and need not be, the rest of the pool.
        for preferred in [true, false] {
            for address in wishes.into_iter().flatten() {
                if class.span.prefers(&self.pools, address) == preferred
                    && let Ok(pool) = self.take_chosen(class, tombstone, address, client)
                {
                    let former = wishes.get(1) == Some(&Some(address));
                    self.because(if former { Why::FormerAddress } else { Why::RequestedAddress });
                    return Some((pool, address));
                }
            }
            if let Some(next) = self.take_next(class, preferred, avoid) {
                let in_range = preferred && matches!(class.span, Span::Narrowed { .. });
                self.because(if in_range { Why::NextInRange } else { Why::NextFree });
                return Some(next);
            }
        }
        None
    }

    /// The next address in turn, of the client's range or of all that it may have; not `avoid` where there is another.
    fn take_next(&mut self, class: &Class, preferred: bool, avoid: Option<Ipv4Addr>) -> Option<(PoolId, Ipv4Addr)> {
        let next = self.take_anothers(class, preferred)?;
        if Some(next.1) != avoid {
            return Some(next);
        }
        // The last free address is better than none.
        let Some(other) = self.take_anothers(class, preferred) else {
            return Some(next);
        };
        self.pools.free(class.instance, next.1, Hold::Offered);
        Some(other)
    }

    /// The next address in turn that is not the relay's own (RFC 2131 §2.2).
    fn take_anothers(&mut self, class: &Class, preferred: bool) -> Option<(PoolId, Ipv4Addr)> {
        let take = |pools: &mut Pools| match class.span {
            Span::Narrowed { pool, range, .. } if preferred => pools.take_next_in(pool, range).ok(),
            Span::Narrowed { strict: false, .. } => pools.take_next(class.pool).ok(),
            Span::Whole if preferred => pools.take_next(class.pool).ok(),
            _ => None,
        };
        let next = take(&mut self.pools)?;
        if next.1 != class.relay {
            return Some(next);
        }
        let other = take(&mut self.pools);
        self.pools.free(class.instance, next.1, Hold::Offered);
        other
    }

    /// Makes the offered session of an address that was just taken from its pool: a new one, or the client's
    /// tombstone, which is kept in the shadow until the offer is bound or has lapsed.
    pub(super) fn place_offer(
        &mut self,
        request: Request<'_>,
        class: &Class,
        key: &ClientKey<'_>,
        (pool, address): (PoolId, Ipv4Addr),
        tombstone: Option<Slot>,
    ) -> Result<Slot, DropReason> {
        let placed = match tombstone {
            Some(slot) => self.cover_tombstone(request, key, slot, address),
            None => self.insert_offer(request, class, key, address),
        };
        let Ok(slot) = placed else {
            self.give_back(tombstone, class.instance, address);
            return placed;
        };
        let pool = self.pool_name(pool);
        if let Some(record) = self.sessions.get_mut(slot) {
            record.start = request.turn.lease;
            record.changed = request.turn.lease;
            record.cltt = request.turn.lease;
            record.pool = pool;
            record.route = crate::record::RouteRecord::None;
            record.route_epoch = 0;
        }
        self.note_choice(slot, class);
        self.hold_offer(slot, request.turn.lease.plus_secs(OFFER_HOLD_SECS), &request, class);
        self.note_line(request.config, slot);
        self.remember_offer(slot);
        Ok(slot)
    }

    /// The group that serves an offer, and whether its place was chosen for the client.
    fn note_choice(&mut self, slot: Slot, class: &Class) {
        let group = self.group_names.get(usize::from(class.served.group.0)).copied().unwrap_or_default();
        let steered = if class.steered { flag::STEERED } else { 0 };
        if let Some(record) = self.sessions.get_mut(slot) {
            record.group = group;
            record.flags = record.flags & !flag::STEERED | steered;
        }
    }

    fn insert_offer(
        &mut self,
        request: Request<'_>,
        class: &Class,
        key: &ClientKey<'_>,
        address: Ipv4Addr,
    ) -> Result<Slot, DropReason> {
        self.set_identity_scratch(&request, key, None)?;
        let id = self.next_session_id();
        let scope = self.pools.scope(class.pool);
        let record = Record::new(id, class.instance, scope, State::Offered, address).on_link(class.link);
        self.sessions.insert(record, &self.identity).map_err(|_| DropReason::ClientLookup)
    }

    fn cover_tombstone(
        &mut self,
        request: Request<'_>,
        key: &ClientKey<'_>,
        slot: Slot,
        address: Ipv4Addr,
    ) -> Result<Slot, DropReason> {
        let saved = *self.sessions.get(slot).ok_or(DropReason::ClientLookup)?;
        // What was granted before ended with the binding: to be told while the record is still a tombstone.
        let had = self.sessions.identity(slot).is_some_and(|identity| !identity.subscriber.is_empty());
        let renewed = had || request.grant.is_some();
        let former = if renewed { self.identity_of(slot) } else { None };
        if renewed {
            self.set_identity_scratch(&request, key, Some(slot))?;
        }
        self.sessions.transition(slot, State::Offered, address).map_err(|_| DropReason::ClientLookup)?;
        self.shadows.insert(slot, Shadow { record: saved, identity: former.map(alloc::boxed::Box::new) });
        // A client that starts anew has lost the nonce it had, and may be told none now.
        self.sessions.set_nonce(slot, None);
        if renewed {
            self.sessions.set_identity(slot, &self.identity).map_err(|_| DropReason::ClientLookup)?;
        }
        Ok(slot)
    }

    fn hold_offer(&mut self, slot: Slot, until: LeaseTime, request: &Request<'_>, class: &Class) {
        if let Some(record) = self.sessions.get_mut(slot) {
            record.end = until;
            record.xid = request.packet.xid();
            record.server_id = class.server_id;
            record.giaddr = request.packet.giaddr();
        }
        self.sessions.set_link(slot, class.link);
        self.sessions.schedule(slot, until);
    }

    fn offer4(&mut self, request: Request<'_>, class: &Class, slot: Slot, policy: &mut dyn Policy) -> Outcome {
        let record = *self.sessions.get(slot).ok_or(DropReason::ClientLookup)?;
        // The pool may have another name than when the session was made: its address tells.
        let id = self.pools.pool_of(record.instance(), record.address()).ok_or(DropReason::InvalidSubnet)?;
        let pool = request.config.pool(id).ok_or(DropReason::InvalidSubnet)?;
        let lease_secs = self.validated_lease4(&request, slot, class.served, pool)?;
        let draft = Draft {
            message: MessageType::Offer,
            served: class.served,
            link: class.link,
            pool: self.pool_name(id),
            server_id: class.server_id,
            yiaddr: record.address(),
            ciaddr: Ipv4Addr::UNSPECIFIED,
            lease_secs: Some(reply::told_secs(request.config, class.served, lease_secs)),
            session: self.session_ref(slot),
            to: reply::to_newcomer(request, class, record.address()),
            auth: request
                .config
                .group(class.served.group)
                .and_then(|group| group.reconfigure.as_ref())
                .and_then(|reconfigure| self.announce4(request.packet, reconfigure)),
            then: Then::Send,
        };
        self.shape4(request, draft, policy)
    }

    /// Fills the identity buffer from a packet; what it lacks is taken from the session's identity: a renewal by
    /// unicast has no option 82, and its absence never erases the stored one.
    pub(super) fn set_identity_scratch(
        &mut self,
        request: &Request<'_>,
        key: &ClientKey<'_>,
        stored: Option<Slot>,
    ) -> Outcome {
        let packet = request.packet;
        let relay_info = packet.option(OptionCode::RELAY_AGENT_INFORMATION);
        let vendor_class = packet.option(OptionCode::VENDOR_CLASS);
        let host_name = packet.option(OptionCode::HOST_NAME);
        let known = stored.and_then(|slot| self.sessions.identity(slot)).unwrap_or_default();
        let state = stored.and_then(|slot| self.sessions.get(slot)).map(Record::state);
        let merged;
        let subscriber = match request.grant {
            // A client that came to another place was asked about anew, and goes on with its session there.
            Some(granted) if state == Some(State::Bound) => {
                merged = granted.going_on(known.subscriber);
                merged.as_slice()
            }
            Some(granted) => granted.subscriber.as_slice(),
            // Of a live session it was granted before, and this request was not asked about.
            None if state.is_some_and(State::is_live) => known.subscriber,
            None => &[],
        };
        let client_id = match key {
            ClientKey::ClientId(id) => *id,
            ClientKey::Hw(_) => &[],
        };
        self.identity
            .set(&crate::session::Identity {
                hw: packet.hw_addr(),
                client_id,
                relay_info: relay_info.as_deref().unwrap_or(known.relay_info),
                vendor_class: vendor_class.as_deref().unwrap_or(known.vendor_class),
                host_name: host_name.as_deref().unwrap_or(known.host_name),
                subscriber,
            })
            .map_err(|_| DropReason::BadOptions)
    }
}

/// What a client is known by in pools: also the name that its authority has just given it.
pub(super) fn pool_client<'a>(request: &'a Request<'_>, key: &ClientKey<'a>) -> Client<'a> {
    let client_id = match key {
        ClientKey::ClientId(id) => *id,
        ClientKey::Hw(_) => &[],
    };
    let user_name = request.grant.map_or("", |granted| username_in(&granted.subscriber));
    Client { mac: request.packet.hw_addr().mac(), client_id, user_name }
}
