//! Routes beside the access-internal ones: to prefixes that a plugin chose for a session, via its client or relay.

use super::{At, Auditor, Finding, KernelRoute, KernelRoutes, address};
use bindery_engine::record::{DurableState, IdentityRecord, LeaseRecord, RouteRecord};
use bindery_types::{Ipv4Addr, SessionId};
use std::collections::BTreeSet;

/// The parts of an identity's `subscriber` that are about routes, as they are stored: a tag, a length of two bytes, the
/// value.
const METRIC: u8 = 9;
const PREFIX: u8 = 12;

/// What was chosen for the routes of a session: their metric, and the prefixes.
pub(super) fn chosen(identity: &IdentityRecord) -> (Option<u32>, Vec<(Ipv4Addr, u8)>) {
    let (mut metric, mut prefixes) = (None, Vec::new());
    let mut rest = &*identity.subscriber;
    while let [tag, low, high, behind @ ..] = rest {
        let Some((value, after)) = behind.split_at_checked(usize::from(*low) | usize::from(*high) << 8) else { break };
        match (*tag, value) {
            (METRIC, &[a, b, c, d]) => metric = Some(u32::from_le_bytes([a, b, c, d])),
            (PREFIX, &[a, b, c, d, len]) => prefixes.push((Ipv4Addr::new(a, b, c, d), len)),
            _ => {}
        }
        rest = after;
    }
    (metric, prefixes)
}

impl Auditor {
    /// A binding is on disk: which prefixes its session wants.
    pub(super) fn note_prefixes(&mut self, lease: &LeaseRecord) {
        if lease.state != DurableState::Bound || lease.route == RouteRecord::None {
            return;
        }
        let wanted = self.identities.get(&lease.key.session).map(chosen).unwrap_or_default().1;
        for (network, _) in wanted {
            self.wanted_by.entry((lease.instance, network)).or_default().insert(lease.key.session);
        }
    }

    /// The routes beside its own that a bound session wants, as far as its interface is there.
    fn beside(&self, lease: &LeaseRecord) -> Vec<(At, KernelRoute)> {
        let wanted = self.identities.get(&lease.key.session).map(chosen).unwrap_or_default().1;
        let Some(own) = self.route_for(lease).filter(|_| !wanted.is_empty()) else { return Vec::new() };
        let via = own.via.or(Some(address(lease)));
        let route = |(network, len)| ((lease.instance, network), KernelRoute { len, via, neighbour: None, ..own });
        wanted.into_iter().map(route).collect()
    }

    /// Whether no other session ever wanted a prefix.
    fn is_hers_alone(&self, at: At, session: SessionId) -> bool {
        self.wanted_by.get(&at).is_some_and(|by| by.iter().all(|of| *of == session))
    }

    /// Before an ACK leaves, what nobody else wants stands.
    pub(super) fn prefixes_stand(&self, lease: &LeaseRecord, kernel: &KernelRoutes) -> Result<(), Finding> {
        if let Some(theft) = &self.theft {
            return Err(theft.clone());
        }
        for (at, wanted) in self.beside(lease) {
            if self.is_hers_alone(at, lease.key.session)
                && !self.disturbed.contains_key(&at)
                && kernel.get(&at) != Some(&wanted)
            {
                return Err(format!("to {} the kernel has {:?} and not {wanted:?}", at.1, kernel.get(&at)));
            }
        }
        Ok(())
    }

    /// At rest each of them is wanted by a live binding, and what only one session ever wanted stands.
    pub(super) fn prefixes_agree(&self, kernel: &KernelRoutes) -> Result<(), Finding> {
        if let Some(theft) = &self.theft {
            return Err(theft.clone());
        }
        let wanted: Vec<_> =
            self.bound().flat_map(|lease| self.beside(lease).into_iter().map(move |r| (lease, r))).collect();
        for (at, route) in kernel.iter().filter(|(_, route)| route.ours && route.len != 32) {
            if !wanted.iter().any(|(_, of)| *of == (*at, *route)) {
                return Err(format!("the kernel has {route:?} to {}/{}, which nobody wants", at.1, route.len));
            }
        }
        let alone = wanted.iter().filter(|(lease, (at, _))| self.is_hers_alone(*at, lease.key.session));
        match alone.into_iter().find(|(_, (at, _))| !kernel.contains_key(at)) {
            Some((_, (at, route))) => Err(format!("the kernel lacks {route:?} to {}/{}", at.1, route.len)),
            None => Ok(()),
        }
    }

    /// A route of ours came in the place of another one, or of none. Who came first keeps a prefix as long as it is
    /// bound and wants it; after a restart it is who began first.
    pub fn prefix_set(&mut self, at: At, route: KernelRoute, before: Option<KernelRoute>) {
        if route.len == 32 {
            return;
        }
        let before = before.filter(|before| self.set_in_life.contains(&at) && before.via != route.via);
        self.set_in_life.insert(at);
        let Some(before) = before else { return };
        let holder = self.bound().find(|lease| {
            (lease.instance, before.via) == (at.0, Some(address(lease))) && self.beside(lease).contains(&(at, before))
        });
        if let Some(holder) = holder {
            let session = holder.key.session;
            self.theft = Some(format!("{}/{} was session {session}'s and is now via {:?}", at.1, route.len, route.via));
        }
    }

    /// The server's memory is gone.
    pub(super) fn forget_prefixes(&mut self) {
        self.set_in_life = BTreeSet::new();
    }
}
