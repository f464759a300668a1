//! What durable records may become: nobody's lease ends early, what we ended stays ended, quarantines last.

use super::{Auditor, Claim, Ended, Finding, Key, QUARANTINE_SECS, access::Stored, address, request::Request};
use crate::clock::SEC;
use bindery_engine::record::{BindingKey, DurableState, LeaseRecord};
use bindery_types::InstanceId;

/// Bit of `flags` in a record: the lease was given by BOOTP.
const BOOTP: u16 = 1 << 6;

impl Auditor {
    /// An acknowledged write, or what a restart found: the record becomes `lease`.
    pub(super) fn moved(&mut self, lease: LeaseRecord, key: Key) -> Result<(), Finding> {
        let before = self.known.insert(lease.key, (lease, key.clone())).map(|(before, _)| before);
        let at = (lease.instance, address(&lease));
        let who = format!("session {} ({key:?}, {})", lease.key.session, at.1);
        if Self::has_ended(&lease) {
            self.holds.remove(&at);
            self.freed.insert(at, self.now);
        }
        if let Some(before) = before
            && before.state == DurableState::Bound
            && address(&before) != at.1
        {
            return Err(format!("{who}: its live binding moved from {} in one write", address(&before)));
        }
        let repeated = before.is_some_and(|b| b.state == lease.state && address(&b) == at.1);
        self.note_fact(before.as_ref(), &lease, &key);
        match lease.state {
            DurableState::Bound => {
                self.run_is_fair(before.as_ref(), &lease, &key, &who)?;
                self.bound_is_fair(&lease, &key, &who)
            }
            // Written again, as it was: what a failed write left uncertain.
            _ if repeated => Ok(()),
            DurableState::Released => self.release_is_fair(at, &key, &who),
            DurableState::Expired => self.expiry_is_fair(at, &key, &who),
            DurableState::Cleared => self.clear_is_fair(before.as_ref(), &lease, &key, &who),
            DurableState::Declined => self.decline_is_fair(at, &key, &who),
        }
    }

    fn bound_is_fair(&mut self, lease: &LeaseRecord, key: &Key, who: &str) -> Result<(), Finding> {
        let at = (lease.instance, address(lease));
        if self.is_ended(at, key) && !self.tells_apart() {
            return Err(format!("{who}: bound again without an offer, though we ended it"));
        }
        if let Some(until) = self.quarantines.get(&at)
            && self.lease_clock() + SEC < *until
        {
            return Err(format!("{who}: bound during the quarantine of the address"));
        }
        self.end_bootp(at, key, lease);
        self.nobody_else_was_told(at, key, "bound")
    }

    /// Whether we ended the client's lease of the address, its promised end has not come, and the client has not
    /// begun anew since.
    pub(super) fn is_ended(&self, at: super::At, key: &Key) -> bool {
        // It is committed when its time comes, without an OFFER.
        let commits = |r: &Request| (r.rapid || r.bootp) && r.instance == at.0 && r.key == *key;
        if self.requests.iter().any(commits) {
            return false;
        }
        let began = self.discovers.get(&(at.0, key.clone()));
        self.ended.get(&(at, key.clone())).is_some_and(|ended| {
            self.lease_clock() + SEC < ended.until && began.is_none_or(|began| *began < ended.since)
        })
    }

    /// No other client goes by a lease of this address.
    pub(super) fn nobody_else_was_told(&self, at: super::At, key: &Key, what: &str) -> Result<(), Finding> {
        let now = self.lease_clock();
        let claims = self.claims.get(&at).map_or(&[][..], Vec::as_slice);
        match claims.iter().find(|c| c.key != *key && c.until > now) {
            Some(other) => Err(format!(
                "{} {what} for {key:?} while {:?} goes by a lease of it for {} s more",
                at.1,
                other.key,
                (other.until - now) / SEC
            )),
            None => Ok(()),
        }
    }

    fn release_is_fair(&mut self, at: super::At, key: &Key, who: &str) -> Result<(), Finding> {
        let released = self.recent(self.releases.get(&(at, key.clone())));
        let renegotiated = self.recent(self.discovers.get(&(at.0, key.clone()))) && self.renegotiated_lately();
        if !released && !renegotiated {
            return Err(format!("{who}: released, but the client never said so"));
        }
        self.end_claim(at, key);
        Ok(())
    }

    /// The override may have been in force when the DISCOVER came.
    fn renegotiated_lately(&self) -> bool {
        self.site.renegotiates || self.recent(self.renegotiates_until.as_ref())
    }

    fn expiry_is_fair(&mut self, at: super::At, key: &Key, who: &str) -> Result<(), Finding> {
        let now = self.lease_clock();
        let claim = self.claims.get(&at).and_then(|claims| claims.iter().find(|c| c.key == *key));
        if let Some(claim) = claim
            && claim.until > now
        {
            return Err(format!("{who}: expired {} s before the promised end", (claim.until - now).div_ceil(SEC)));
        }
        self.end_claim(at, key);
        Ok(())
    }

    /// Whether the client began anew as one of several that it was before a commit.
    fn is_superseded(&self, lease: &LeaseRecord, key: &Key) -> bool {
        let twin = |(other, of): &(LeaseRecord, Key)| {
            of == key && other.key != lease.key && other.scope == lease.scope && other.state == DurableState::Bound
        };
        self.recent(self.discovers.get(&(lease.instance, key.clone()))) && self.known.values().any(twin)
    }

    /// `remote-id-mismatch disconnect`.
    fn came_over_another_line(&self, lease: &LeaseRecord, key: &Key) -> bool {
        let since = self.other_lines.get(&(lease.instance, key.clone()));
        self.recent(since) && self.sites().any(|site| site.remote_id_mismatch)
    }

    fn clear_is_fair(
        &mut self,
        before: Option<&LeaseRecord>,
        lease: &LeaseRecord,
        key: &Key,
        who: &str,
    ) -> Result<(), Finding> {
        let at = (lease.instance, address(lease));
        let identity = self.identities.get(&lease.key.session);
        let asked = self.clears.iter().any(|clear| {
            let covered = identity.is_some_and(|i| clear.what.covers(lease, i));
            self.recent(Some(&clear.since)) && (covered || clear.sessions.contains(&lease.key.session))
        });
        let moved = before.is_some_and(|before| self.move_explains_end(before, key));
        // Its client asked for more time than was granted.
        let over = identity.is_some_and(|identity| Stored::read(&identity.subscriber).is_over(lease.changed));
        let asked = asked || self.is_superseded(lease, key) || self.came_over_another_line(lease, key);
        let asked = asked || self.is_silent(at) || self.was_displaced(lease, key);
        if !asked && !moved && !over && self.site.has(at.0, at.1) && !self.recent(self.moved_away.get(&at)) {
            return Err(format!("{who}: cleared, but nobody asked for it"));
        }
        self.forget_silence(at);
        if let Some(before) = before {
            self.note_end(before, key);
        }
        if let Some(until) = self.end_claim(at, key) {
            self.ended.insert((at, key.clone()), Ended { since: self.now, until });
        }
        Ok(())
    }

    fn decline_is_fair(&mut self, at: super::At, key: &Key, who: &str) -> Result<(), Finding> {
        let declined = self.recent(self.declines.get(&(at, key.clone())));
        let now = self.lease_clock();
        let told = self.claims.get(&at).is_some_and(|c| c.iter().any(|c| c.key == *key && c.until > now));
        if !declined && (told || !self.recent(self.foreign.get(&at))) {
            return Err(format!("{who}: in quarantine, but neither client nor kernel said so"));
        }
        let since = self.declines.get(&(at, key.clone())).copied().unwrap_or(self.now);
        let fresh = self.quarantines.get(&at).is_none_or(|until| *until <= now);
        if fresh {
            // The engine took the DECLINE no later than this write.
            let since = if declined { since } else { self.foreign.get(&at).copied().unwrap_or(since) };
            self.quarantines.insert(at, since + self.down_time.credit() + QUARANTINE_SECS * SEC);
        }
        self.end_claim(at, key);
        Ok(())
    }

    /// An acknowledged delete, or one that a restart found.
    pub(super) fn deleted(&mut self, key: BindingKey) -> Result<(), Finding> {
        let Some((lease, of)) = self.known.remove(&key) else {
            return Ok(());
        };
        let at = (lease.instance, address(&lease));
        self.forget_moves(&lease, &of);
        self.forget_access(key.session);
        self.freed.insert(at, self.now);
        let now = self.lease_clock();
        let who = format!("session {} ({of:?}, {})", key.session, at.1);
        match lease.state {
            DurableState::Bound => {
                // A lease that was never told may go: the write that made it was reported as failed.
                let told = self.claims.get(&at).is_some_and(|c| c.iter().any(|c| c.key == of && c.until > now));
                if told { Err(format!("{who}: a live binding was deleted")) } else { Ok(()) }
            }
            DurableState::Cleared => match self.ended.get(&(at, of.clone())) {
                // What was promised last stands in a newer record of the same client and address.
                Some(ended) if ended.until > now && !self.has_newer(&lease, &of) => {
                    Err(format!("{who}: its tombstone goes {} s before the promised end", (ended.until - now) / SEC))
                }
                Some(ended) if ended.until > now => Ok(()),
                _ => {
                    self.ended.remove(&(at, of));
                    Ok(())
                }
            },
            DurableState::Declined => match self.quarantines.remove(&at) {
                Some(until) if until > now + SEC && !self.is_drained(at) => {
                    Err(format!("{who}: its quarantine goes {} s early", (until - now) / SEC))
                }
                _ => Ok(()),
            },
            DurableState::Released | DurableState::Expired => Ok(()),
        }
    }

    /// Whether the client's address has a record on disk that was written after this one.
    fn has_newer(&self, lease: &LeaseRecord, key: &Key) -> bool {
        self.known.values().any(|(other, of)| {
            of == key
                && other.instance == lease.instance
                && address(other) == address(lease)
                && other.change > lease.change
        })
    }

    /// Whether the client's last session has just ended with its Session-Timeout: it is on its way back.
    pub(crate) fn is_between_sessions(&self, instance: InstanceId, key: &Key) -> bool {
        let of_client = self.known.values().filter(|(lease, of)| of == key && lease.instance == instance);
        let last = of_client.map(|(lease, _)| lease).max_by_key(|lease| lease.change);
        last.filter(|lease| lease.state != DurableState::Bound).is_some_and(|lease| {
            let identity = self.identities.get(&lease.key.session);
            identity.is_some_and(|identity| Stored::read(&identity.subscriber).is_over(lease.changed))
        })
    }

    fn end_claim(&mut self, at: super::At, key: &Key) -> Option<u64> {
        let claims = self.claims.get_mut(&at)?;
        let found = claims.iter().position(|c| c.key == *key)?;
        Some(claims.swap_remove(found).until)
    }

    /// The client was told of a lease until `until`. An earlier one counts on: it may be the one the client goes by.
    pub(super) fn claim(&mut self, at: super::At, key: &Key, (until, bootp): (u64, bool)) {
        let claims = self.claims.entry(at).or_default();
        match claims.iter_mut().find(|c| c.key == *key) {
            Some(claim) if claim.bootp && !bootp => (claim.until, claim.bootp) = (until, false),
            Some(claim) => {
                claim.until = claim.until.max(until);
                // By DHCP it may have had the lease before.
                (claim.bootp, claim.requested) = (bootp, false);
            }
            None => claims.push(Claim { key: key.clone(), until, bootp, requested: false }),
        }
    }

    /// What BOOTP told for ever is over once the lease of a client that asked by DHCP since is on disk as such, also where
    /// its ACK never left: a route was refused.
    fn end_bootp(&mut self, at: super::At, key: &Key, lease: &LeaseRecord) {
        let now = self.lease_clock();
        let own = self.claims.get_mut(&at).and_then(|claims| claims.iter_mut().find(|c| c.key == *key));
        if let Some(claim) = own.filter(|c| c.bootp && c.requested && lease.flags & BOOTP == 0) {
            (claim.until, claim.bootp) = (now, false);
        }
    }
}
