//! Which wanted routes a run of link events concerns.

use crate::{desired::Suspicion, links::LinkEvent};
use bindery_engine::route::Route;
use bindery_types::{IfIndex, Ipv4Addr};
use std::collections::BTreeSet;

/// The links and addresses of many events, so that the wanted routes, of which there may be a million, are looked
/// through once for all of them.
#[derive(Default)]
pub(crate) struct Touched {
    /// Links whose routes are all gone.
    lost_links: BTreeSet<IfIndex>,
    /// Source addresses whose routes are gone, on whatever link.
    lost_sources: BTreeSet<Ipv4Addr>,
    /// Links that came up: their routes are looked at.
    up: BTreeSet<IfIndex>,
    /// Addresses that came: routes with them as source are looked at.
    new_sources: BTreeSet<Ipv4Addr>,
    /// Links that got an address. With it may come the gateway that a failed route needs.
    addressed: BTreeSet<IfIndex>,
}

impl Touched {
    /// Takes in an event; `has_address` says whether a link has one now.
    pub(crate) fn note(&mut self, event: &LinkEvent, has_address: impl FnOnce(IfIndex) -> bool) {
        match event {
            LinkEvent::Set(link, true) => drop(self.up.insert(link.index)),
            LinkEvent::Gone(index) | LinkEvent::WasDown(index) => drop(self.lost_links.insert(*index)),
            LinkEvent::AddressLost(index, address) => {
                self.lost_sources.insert(*address);
                // The last address of a link takes all its routes with it.
                if !has_address(*index) {
                    self.lost_links.insert(*index);
                }
            }
            LinkEvent::AddressAdded(index, address) => {
                self.new_sources.insert(*address);
                self.addressed.insert(*index);
            }
            LinkEvent::Set(_, false) | LinkEvent::RouteTouched(..) | LinkEvent::Overrun => {}
        }
    }

    /// Whether no route can be concerned.
    pub(crate) fn is_empty(&self) -> bool {
        self.lost_links.is_empty()
            && self.lost_sources.is_empty()
            && self.up.is_empty()
            && self.new_sources.is_empty()
            && self.addressed.is_empty()
    }

    /// What the events say of a route that failed, or did not, when last tried.
    pub(crate) fn suspicion(&self, route: &Route, failing: bool) -> Suspicion {
        let has_source = |sources: &BTreeSet<Ipv4Addr>| route.src.is_some_and(|src| sources.contains(&src));
        if self.lost_links.contains(&route.link) || has_source(&self.lost_sources) {
            Suspicion::Lost
        } else if self.up.contains(&route.link)
            || has_source(&self.new_sources)
            || (failing && self.addressed.contains(&route.link))
        {
            Suspicion::Doubtful
        } else {
            Suspicion::None
        }
    }
}
