//! Offers that wait for their REQUEST, in the order in which they were made: the oldest lapses for a new one.

use crate::session::{NameId, SlotRef};
use alloc::collections::VecDeque;
use bindery_types::LeaseTime;
use hashbrown::HashMap;

use super::bucket::Bucket;

/// Stale entries that may stand beside the good ones.
const SPARE: usize = 64;

/// An offer as it is remembered: the session, and when the offer was made, so that a later one is told from it.
pub(crate) type Offer = (SlotRef, LeaseTime);

/// The offers of one interface.
#[derive(Debug, Default)]
struct OfLink {
    order: VecDeque<Offer>,
    /// DISCOVERs that are taken while half of the limit is used.
    guard: Bucket,
}

/// All offers. Entries of offers that became bindings or have lapsed go before they are more than the others.
#[derive(Debug, Default)]
pub(crate) struct Offers {
    order: VecDeque<Offer>,
    links: HashMap<NameId, OfLink, foldhash::fast::FixedState>,
}

impl Offers {
    /// Remembers an offer on `link`. `lives` tells good entries; `counts` how many of them there are, in all and on the
    /// interface.
    pub(crate) fn push(&mut self, link: NameId, offer: Offer, counts: (usize, usize), lives: impl Fn(&Offer) -> bool) {
        let of_link = self.links.entry(link).or_default();
        for (order, count) in [(&mut self.order, counts.0), (&mut of_link.order, counts.1)] {
            if order.len() >= 2 * count + SPARE {
                order.retain(|entry| lives(entry));
            }
            order.push_back(offer);
        }
    }

    /// The oldest remembered offer, of `link` or of all; it is forgotten.
    pub(crate) fn pop(&mut self, link: Option<NameId>) -> Option<Offer> {
        match link {
            Some(link) => self.links.get_mut(&link)?.order.pop_front(),
            None => self.order.pop_front(),
        }
    }

    /// The guard of an interface.
    pub(crate) fn guard(&mut self, link: NameId) -> &mut Bucket {
        &mut self.links.entry(link).or_default().guard
    }

    /// Remembered offers, stale ones among them.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }
}
