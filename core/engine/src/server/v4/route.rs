//! Stage `route`: plugins choose metric, table, tag and further routes of a binding.

use super::Request;
use crate::{
    Engine,
    commit::Change,
    links::Served,
    policy::{Policy, RouteQuestion, Stage, Subject},
    session::{Identity, IdentityBuf, Record, Slot, State},
    subscriber::{Subscriber, has_granted_route},
};

impl Engine {
    /// The identity to write with the lease of `slot`, from the identity buffer, when something of it has changed; its
    /// routes are decided anew then.
    pub(super) fn identity_anew4(
        &mut self,
        request: &Request<'_>,
        slot: Slot,
        (record, change): (&Record, &Change),
        served: Served,
        policy: &mut dyn Policy,
    ) -> Option<IdentityBuf> {
        let anew = record.state() != State::Bound
            || !self.sessions.same_identity(slot, &self.identity)
            || change.link != record.link()
            || change.pool != record.pool
            || change.group != record.group;
        let moved = change.route != record.route || change.giaddr != record.giaddr;
        let rerouted = (anew || moved) && self.choose_routes4(request, (record, change), served, policy);
        (anew || rerouted).then(|| self.identity.clone())
    }

    /// Asks the `route` chain and puts what it has chosen into the identity buffer; whether that changed it. It starts
    /// from what the authority has granted, so that nothing of an earlier decision stays.
    fn choose_routes4(
        &mut self,
        request: &Request<'_>,
        (record, change): (&Record, &Change),
        served: Served,
        policy: &mut dyn Policy,
    ) -> bool {
        let chain = served.chain(request.config, Stage::Route);
        let identity = self.identity.view();
        if chain.is_empty() && !has_granted_route(identity.subscriber) {
            return false;
        }
        let mut subscriber = Subscriber::decode(identity.subscriber);
        let granted = subscriber.granted_route.take().unwrap_or(subscriber.route);
        let mut choice = granted.clone();
        if !chain.is_empty() {
            let subject = Subject {
                session: record.id(),
                address: record.address(),
                hw: identity.hw,
                group: self.names.name(change.group),
                interface: self.names.name(change.link),
                pool: self.names.name(change.pool),
                giaddr: change.giaddr,
                client_id: identity.client_id,
                relay_info: identity.relay_info,
                vendor_class: identity.vendor_class,
                sessions: self.lookup(record.instance()),
            };
            policy.route(request.turn.now, chain, &RouteQuestion { subject }, &mut choice);
        }
        subscriber.granted_route = (choice != granted).then_some(granted);
        subscriber.route = choice;
        let stored = subscriber.encode();
        if *identity.subscriber == *stored {
            return false;
        }
        let mut decided = IdentityBuf::new();
        let fits = decided.set(&Identity { subscriber: &stored, ..identity }).is_ok();
        if fits {
            self.identity = decided;
        }
        fits
    }
}
