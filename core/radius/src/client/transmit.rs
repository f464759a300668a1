//! The sending half: whom a request goes to, when it goes out again, when it is given up.

use super::request::{Failure, Kind, RequestId, SocketId, Transmit};
use super::server::{Life, Slot};
use super::{Client, Sent};
use crate::packet::{self, AttributeList, Authenticator, Code, EncodeError, Secret, Type};
use bindery_types::Mono;
use std::sync::Arc;
use std::time::Duration;

/// Whom the first request of a lane goes to.
enum Choice {
    /// This endpoint.
    Send(usize),
    /// A living one, once it has room.
    Wait,
    /// Nobody.
    Fail(Failure),
}

impl Client {
    /// The next datagram to send; `None` when there is none by now. Call it after everything else, until it is `None`.
    pub fn poll_transmit(&mut self, now: Mono) -> Option<Transmit> {
        self.expire(now);
        self.held_until = None;
        loop {
            let ready = self.bucket.ready(now);
            if ready > now {
                if !self.resend.is_empty() || self.lanes.iter().any(|lane| !lane.waiting.is_empty()) {
                    self.held_until = Some(ready);
                }
                return None;
            }
            if let Some(id) = self.resend.pop_front() {
                if let Some(transmit) = self.retransmit(now, id) {
                    self.bucket.take();
                    return Some(transmit);
                }
                continue;
            }
            let transmit = (0..self.lanes.len()).find_map(|_| {
                self.next_lane = (self.next_lane + 1) % self.lanes.len();
                self.serve_lane(now, self.next_lane)
            });
            if transmit.is_some() {
                self.bucket.take();
            }
            return transmit;
        }
    }

    /// When [`Client::poll_transmit`] has to be called though nothing else happened; `None`: never.
    pub fn next_timeout(&self) -> Option<Mono> {
        let timer = self.timers.first().map(|(due, _)| *due);
        match (timer, self.held_until) {
            (Some(timer), Some(held)) => Some(timer.min(held)),
            (timer, held) => timer.or(held),
        }
    }

    /// Looks at the requests that have waited long enough: another try, or another server.
    fn expire(&mut self, now: Mono) {
        while let Some((due, id)) = self.timers.first().copied() {
            if due > now {
                return;
            }
            self.timers.remove(&(due, id));
            let Some(pending) = self.requests.get_mut(&id) else { continue };
            let Some(sent) = &pending.sent else { continue };
            let Some(endpoint) = self.endpoints.get_mut(sent.endpoint) else { continue };
            if sent.tries < endpoint.tries && endpoint.is_worth_a_try(id) {
                self.resend.push_back(id);
                continue;
            }
            // One that died meanwhile is left at once, tries or not.
            endpoint.timed_out(now, &self.options);
            pending.tried.push(sent.endpoint);
            let lane = pending.lane;
            self.leave_server(id);
            // It has waited for longest: it goes before the others.
            self.lanes[lane].waiting.push_front(id);
        }
    }

    /// Sends the first request of a lane that can be sent; ends those before it that cannot.
    fn serve_lane(&mut self, now: Mono, lane: usize) -> Option<Transmit> {
        loop {
            let id = *self.lanes.get(lane)?.waiting.front()?;
            let Some(pending) = self.requests.get(&id) else {
                self.lanes[lane].waiting.pop_front();
                continue;
            };
            let request = &pending.request;
            let waited = now.since(pending.submitted);
            if pending.tried.is_empty() && request.patience.is_some_and(|patience| waited > patience) {
                self.lanes[lane].waiting.pop_front();
                self.fail(id, Failure::Stale);
                continue;
            }
            let interim = request.kind == Kind::Interim;
            if interim {
                let ready = self.interim_bucket.ready(now);
                if ready > now {
                    self.held_until = Some(self.held_until.map_or(ready, |held| held.min(ready)));
                    return None;
                }
            }
            match self.choose(now, lane, id) {
                Choice::Wait => return None,
                Choice::Fail(failure) => {
                    self.lanes[lane].waiting.pop_front();
                    self.fail(id, failure);
                }
                Choice::Send(endpoint) => {
                    if interim {
                        self.interim_bucket.take();
                    }
                    self.lanes[lane].waiting.pop_front();
                    if let Some(transmit) = self.send(now, id, endpoint) {
                        return Some(transmit);
                    }
                }
            }
        }
    }

    fn choose(&mut self, now: Mono, lane: usize, id: RequestId) -> Choice {
        let Some(pending) = self.requests.get(&id) else { return Choice::Fail(Failure::NoServer) };
        let (mut full, mut dead) = (false, None);
        for at in self.lanes[lane].endpoints.iter().copied().filter(|at| !pending.tried.contains(at)) {
            let Some(endpoint) = self.endpoints.get_mut(at).filter(|endpoint| endpoint.max_outstanding > 0) else {
                continue;
            };
            if endpoint.is_up(now) {
                if endpoint.has_room() {
                    return Choice::Send(at);
                }
                full = true;
            } else if dead.is_none() && matches!(endpoint.life, Life::Down { probe: None, .. }) && endpoint.has_room() {
                dead = Some(at);
            }
        }
        match dead {
            _ if full => Choice::Wait,
            Some(at) => {
                if let Life::Down { probe, .. } = &mut self.endpoints[at].life {
                    *probe = Some(id);
                }
                Choice::Send(at)
            }
            None if pending.tried.is_empty() => Choice::Fail(Failure::NoServer),
            None => Choice::Fail(Failure::Timeout),
        }
    }

    /// Sends a request to a server for the first time.
    fn send(&mut self, now: Mono, id: RequestId, at: usize) -> Option<Transmit> {
        let pending = self.requests.get_mut(&id)?;
        let endpoint = self.endpoints.get_mut(at)?;
        let delay = delay(pending.request.age, pending.submitted, now);
        let Some(slot) = endpoint.take_slot(id) else {
            // Not so while it has room, as it was chosen for.
            endpoint.end_probe(id);
            self.fail(id, Failure::NoServer);
            return None;
        };
        match encode(&pending.request, slot, delay, &endpoint.secret, &mut self.entropy) {
            Ok((bytes, authenticator)) => {
                let due = now.plus(endpoint.timeout);
                endpoint.outstanding += 1;
                endpoint.counters.requests += 1;
                self.timers.insert((due, id));
                let transmit = Transmit { id, socket: SocketId(slot.socket), destination: endpoint.address, bytes };
                let slots = vec![(slot, authenticator)];
                let bytes = Arc::clone(&transmit.bytes);
                pending.sent = Some(Sent { endpoint: at, slots, bytes, delay, tries: 1, due });
                Some(transmit)
            }
            Err(_) => {
                endpoint.free_slot(slot);
                endpoint.end_probe(id);
                self.fail(id, Failure::Malformed);
                None
            }
        }
    }

    /// Sends a request again: the same bytes (RFC 2865 §2.5), but where Acct-Delay-Time has changed a new packet with a
    /// new identifier (RFC 2866 §4.1).
    fn retransmit(&mut self, now: Mono, id: RequestId) -> Option<Transmit> {
        let pending = self.requests.get_mut(&id)?;
        let delay = delay(pending.request.age, pending.submitted, now);
        let sent = pending.sent.as_mut()?;
        let endpoint = self.endpoints.get_mut(sent.endpoint)?;
        if pending.request.kind != Kind::Access
            && delay != sent.delay
            && let Some(slot) = endpoint.take_slot(id)
        {
            match encode(&pending.request, slot, delay, &endpoint.secret, &mut self.entropy) {
                Ok((bytes, authenticator)) => {
                    sent.slots.push((slot, authenticator));
                    sent.bytes = bytes;
                    sent.delay = delay;
                }
                Err(_) => endpoint.free_slot(slot),
            }
        }
        sent.tries = sent.tries.saturating_add(1);
        sent.due = now.plus(endpoint.timeout);
        self.timers.insert((sent.due, id));
        endpoint.counters.retransmissions += 1;
        let (slot, _) = *sent.slots.last()?;
        let bytes = Arc::clone(&sent.bytes);
        Some(Transmit { id, socket: SocketId(slot.socket), destination: endpoint.address, bytes })
    }
}

/// Acct-Delay-Time: whole seconds since the event.
fn delay(age: Duration, submitted: Mono, now: Mono) -> u32 {
    u32::try_from((age + now.since(submitted)).as_secs()).unwrap_or(u32::MAX)
}

fn encode(
    request: &super::Request,
    slot: Slot,
    delay: u32,
    secret: &Secret,
    entropy: &mut super::Entropy,
) -> Result<(Arc<[u8]>, Authenticator), EncodeError> {
    if request.kind == Kind::Access {
        let mut authenticator = [0; 16];
        entropy(&mut authenticator);
        let password = request.password.as_deref();
        let bytes = packet::access_request(slot.id, &authenticator, &request.attributes, password, secret)?;
        return Ok((bytes.into(), authenticator));
    }
    let mut attributes: AttributeList = request.attributes.clone();
    attributes.push_number(Type::ACCT_DELAY_TIME, delay).map_err(|_| EncodeError::TooLong)?;
    let bytes = packet::signed_request(Code::AccountingRequest, slot.id, &attributes, secret, false)?;
    let mut authenticator = [0; 16];
    authenticator.copy_from_slice(&bytes[4..20]);
    Ok((bytes.into(), authenticator))
}
