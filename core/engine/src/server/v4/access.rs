//! Newcomers of groups that ask an authority: who has to wait, and how a request goes on with a grant.
//!
//! A client with a live session never waits, whatever becomes of RADIUS: it renews, reboots and rebinds by its record.

use super::{OF_ONE_HW_MAX, Outcome, Request, bootp, client_id, request::ClientState, steer::Admission};
use crate::{
    Engine,
    access::Granted,
    choose::{NOWHERE, Span},
    classify::{Class, Word, client_key},
    engine::Turn,
    event::DropReason,
    input::RxMeta,
    policy::{Policy, Stage},
    reconfigure::flag,
    session::{ClientKey, Record, Slot, State, Whereabouts},
    subscriber::{Grant, Limits, Subscriber},
};
use alloc::sync::Arc;
use bindery_types::{HwAddr, Ipv4Addr, LeaseTime, SessionId};
use bindery_wire::v4::{MessageType, Packet};

impl Engine {
    /// The request as it goes on; `None`: it waits for an authority from now on.
    ///
    /// # Errors
    /// It is dropped.
    pub(super) fn authorized4<'p>(
        &mut self,
        request: Request<'p>,
        asks: bool,
    ) -> Result<Option<Request<'p>>, DropReason> {
        let unasked = Request { grant: None, ..request };
        if request.grant.is_none() {
            return Ok(if asks && self.waits4(&request)? { None } else { Some(request) });
        }
        // Two of its requests were asked about, and the other one was answered first: that grant holds.
        Ok(Some(if self.is_newcomer4(&unasked)? { request } else { unasked }))
    }

    /// Whether the request waits for an authority from now on.
    ///
    /// # Errors
    /// It is dropped.
    fn waits4(&mut self, request: &Request<'_>) -> Result<bool, DropReason> {
        let Some((name, served)) = self.links.get(request.meta.link).and_then(|link| Some((link.name, link.served?)))
        else {
            return Ok(false);
        };
        let served = self.admitted(served, request);
        let chain = served.chain(request.config, Stage::Authorize);
        if !served.asks_authority(request.config) || !self.is_newcomer4(request)? {
            return Ok(false);
        }
        if self.rings.store_down {
            return Err(DropReason::StoreFault);
        }
        if !self.rings.has_room_for_discover() {
            return Err(DropReason::Overload);
        }
        let about = (self.group_name_of(served.group).into(), self.names.name(name).into(), chain.into());
        self.check_lockout(request.turn, request.meta, request.packet, request.config)?;
        self.ask_authority(request.turn, request.meta, request.packet.bytes(), about)?;
        Ok(true)
    }

    /// Whether the request would bind a client that has no live session here.
    fn is_newcomer4(&self, request: &Request<'_>) -> Result<bool, DropReason> {
        let packet = request.packet;
        let id = client_id(packet);
        let key = client_key(packet, Some(&id));
        let live = |slot: Slot| self.sessions.get(slot).is_some_and(|record| record.state().is_live());
        let find = || self.classify4(request).map(|class| self.find_client(&class, &key, request));
        let state = match packet.message_type() {
            Some(MessageType::Discover) | None => return Ok(!find()?.is_some_and(live)),
            Some(MessageType::Request) => self.client_state(request)?,
            _ => return Ok(false),
        };
        let address = match state {
            // Also one that a restart made us forget, as long as it is to us.
            ClientState::Selecting { server_id, .. } => {
                let found = find()?;
                return Ok(!found.is_some_and(live) && self.is_our_server_id(request, server_id, found));
            }
            ClientState::InitReboot { address }
            | ClientState::Renewing { address }
            | ClientState::Rebinding { address } => address,
        };
        let instance = self.instance_of(&request.meta);
        // By its own record first: who holds a lease goes on wherever the packet came in.
        if self.session_at(instance, address, &key).is_some_and(live)
            || self.promise_of(instance, *request, &key, address).is_some()
        {
            return Ok(false);
        }
        // What is left of a binding may come alive again, where the client is now or where the address belongs;
        // without it the answer is silence or a NAK.
        let here = find().ok().flatten();
        if here.is_some_and(live) && matches!(state, ClientState::InitReboot { .. }) {
            return Ok(false);
        }
        let pool = self.pools.match_network(instance, address);
        let seen = self.seen(request);
        let there =
            pool.and_then(|pool| self.sessions.find_by_client(instance, self.pools.scope(pool), &key, seen.at()));
        let left = [here, there, self.tombstone_of(instance, packet.hw_addr(), &key, address)];
        let is_left = |slot: Slot| self.sessions.get(slot).is_some_and(|record| record.address() == address);
        Ok(left.into_iter().flatten().any(|slot| !live(slot) && is_left(slot)))
    }

    /// Takes a request up again that waited.
    pub(crate) fn resume4(&mut self, turn: Turn, meta: RxMeta, bytes: &[u8], grant: Grant, policy: &mut dyn Policy) {
        let config = Arc::clone(&self.config);
        let outcome = match bootp::parse_again(bytes) {
            Ok(packet) => {
                let former = self.moved_from(&packet, &meta);
                let granted = Self::granted(turn, grant, former);
                let admission = Admission::default();
                let request =
                    Request { packet: &packet, meta, turn, config: &config, admission, grant: Some(&granted) };
                self.dispatch4(request, policy)
            }
            Err(error) => Err(DropReason::from(&error)),
        };
        if let Err(reason) = outcome {
            self.dropped_by(reason, policy.decider());
        }
    }

    /// The session that a client was moved away from, and what was granted to it: the one that began last, so that
    /// neither a wish nor the name in accounting outlives the session that followed.
    fn moved_from(&self, packet: &Packet<'_>, meta: &RxMeta) -> Option<(SessionId, Subscriber)> {
        let (instance, seen) = (self.instance_of(meta), self.seen_of(packet, meta));
        let id = client_id(packet);
        let key = client_key(packet, Some(&id));
        let own = self.sessions.by_hw(&packet.hw_addr()).take(OF_ONE_HW_MAX).filter_map(|slot| {
            let identity = self.sessions.identity(slot)?;
            // An offer is no session yet, but it may cover what is left of one.
            let shadow = self.shadows.get(&slot);
            let record = shadow.map_or(self.sessions.get(slot)?, |shadow| &shadow.record);
            let under = shadow.and_then(|shadow| shadow.identity.as_deref()).map(|under| under.view().subscriber);
            let is_it = record.state() != State::Offered
                && !is_of_a_host(record)
                && record.instance() == instance
                && identity.key() == key
                && self.sessions.is_at(slot, seen.at());
            is_it.then_some((record, under.unwrap_or(identity.subscriber)))
        });
        let (record, subscriber) = own.max_by_key(|(record, _)| (record.start, record.change))?;
        is_moved(record).then(|| (record.id(), Subscriber::decode(subscriber)))
    }

    /// What an authority has said of the client's pool. One that is not configured is no pool, which is not the same as
    /// having named none.
    pub(super) fn word_of(&self, meta: &RxMeta, granted: &Granted) -> Word {
        let instance = self.instance_of(meta);
        let name = granted.steer.pool.as_deref();
        let named = name.map(|name| self.pool_called(instance, Some(name)).unwrap_or(NOWHERE));
        Word { named, is_final: true }
    }

    /// `class` as the authority wants it: the pool was chosen with its word, an address comes before any pool.
    ///
    /// # Errors
    /// A pool or address that is not to be had: silence, for no other will do.
    pub(super) fn steer4(&self, class: &mut Class, granted: &Granted) -> Outcome {
        if let Some(address) = granted.steer.address {
            let named = granted.steer.pool.as_deref();
            let pool = match named {
                Some(name) => self.pool_called(class.instance, Some(name)),
                None => self.pools.pool_of(class.instance, address),
            };
            class.pool = pool.ok_or(DropReason::InvalidSubnet)?;
            class.span = Span::Whole;
        }
        class.steered |= granted.chooses() || granted.steer.group.is_some();
        if class.pool == NOWHERE { Err(DropReason::InvalidSubnet) } else { Ok(()) }
    }

    /// The client's live session in a pool that was chosen for it: its own pool would not find it.
    pub(super) fn find_steered(
        &self,
        class: &Class,
        key: &ClientKey<'_>,
        hw: HwAddr,
        at: Whereabouts<'_>,
    ) -> Option<Slot> {
        self.sessions.by_hw(&hw).take(OF_ONE_HW_MAX).find(|slot| {
            let record = self.sessions.get(*slot);
            record.is_some_and(|r| {
                r.flags & flag::STEERED != 0
                    && matches!(r.state(), State::Bound | State::Offered)
                    && r.instance() == class.instance
                    && r.link() == class.link
                    && self.sessions.is_at(*slot, at)
            }) && self.sessions.identity(*slot).is_some_and(|identity| identity.key() == *key)
        })
    }

    /// Whether the time that the session was granted is over.
    pub(super) fn is_over(&self, request: &Request<'_>, slot: Slot) -> bool {
        let identity = self.sessions.identity(slot).filter(|_| request.grant.is_none());
        identity.is_some_and(|identity| Limits::of(identity.subscriber).is_over(request.turn.lease))
    }

    /// Until when storage keeps a lease that is promised until `end`: as long again, so that the next renewals need no
    /// write first; not beyond the end of the service.
    pub(super) fn kept_until(&self, request: &Request<'_>, slot: Slot, (secs, end): (u32, LeaseTime)) -> LeaseTime {
        if end == LeaseTime::NEVER {
            return end;
        }
        let identity = self.sessions.identity(slot);
        let stored = request.grant.map(|granted| granted.subscriber.as_slice());
        let stored = stored.or(identity.map(|identity| identity.subscriber)).unwrap_or_default();
        let (now, twice) = (request.turn.lease, 2 * u64::from(secs));
        let twice = if stored.is_empty() { twice } else { Limits::of(stored).within_service(twice, now) };
        now.plus_secs(twice).max(end)
    }

    /// A lease of `secs` as far as it is granted.
    pub(super) fn cut_lease(&self, request: &Request<'_>, slot: Slot, secs: u32) -> u32 {
        let identity = self.sessions.identity(slot);
        let stored = request.grant.map(|granted| granted.subscriber.as_slice());
        let stored = stored.or(identity.map(|identity| identity.subscriber)).unwrap_or_default();
        if stored.is_empty() { secs } else { Limits::of(stored).cut(secs, request.turn.lease) }
    }
}

/// Whether the record tells of a client that was moved away.
const fn is_moved(record: &Record) -> bool {
    record.flags & flag::MOVED != 0
}

/// Whether no client ever had the session.
const fn is_of_a_host(record: &Record) -> bool {
    record.flags & flag::OF_A_HOST != 0
}

/// Whether the client asks for what its authority has granted.
pub(super) fn is_as_granted(request: &Request<'_>, address: Ipv4Addr) -> bool {
    request.grant.and_then(|granted| granted.steer.address).is_none_or(|granted| granted == address)
}
