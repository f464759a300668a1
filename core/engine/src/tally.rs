//! Counters by interface: made when the first packet comes, gone with the interface.

use crate::{command::Cursor, event::Counters};
use alloc::{boxed::Box, vec::Vec};
use bindery_types::IfIndex;

/// The counters of all interfaces that have any, in places that are used again.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    places: Vec<Option<(IfIndex, Box<Counters>)>>,
    free: Vec<u32>,
}

impl Tallies {
    /// Gives an interface counters; their place.
    pub(crate) fn open(&mut self, index: IfIndex) -> u32 {
        let entry = Some((index, Box::default()));
        if let Some(at) = self.free.pop()
            && let Some(place) = self.places.get_mut(at as usize)
        {
            *place = entry;
            return at;
        }
        self.places.push(entry);
        // There are no 2^32 interfaces.
        u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
    }

    /// The interface is gone.
    pub(crate) fn close(&mut self, at: u32) {
        if let Some(place) = self.places.get_mut(at as usize)
            && place.take().is_some()
        {
            self.free.push(at);
        }
    }

    pub(crate) fn get(&self, at: u32) -> Option<&Counters> {
        self.places.get(at as usize)?.as_ref().map(|(_, counters)| &**counters)
    }

    pub(crate) fn get_mut(&mut self, at: u32) -> Option<&mut Counters> {
        self.places.get_mut(at as usize)?.as_mut().map(|(_, counters)| &mut **counters)
    }

    /// Sets all to zero.
    pub(crate) fn clear(&mut self) {
        self.places.iter_mut().flatten().for_each(|(_, counters)| **counters = Counters::default());
    }

    /// At most `most` places from `from` on, and where to go on.
    pub(crate) fn page(
        &self,
        from: Cursor,
        most: usize,
    ) -> (impl Iterator<Item = (IfIndex, &Counters)>, Option<Cursor>) {
        let from = from.0 as usize;
        let end = from.saturating_add(most).min(self.places.len());
        let next = (end < self.places.len()).then(|| u32::try_from(end).ok().map(Cursor)).flatten();
        let places = self.places.get(from..end).unwrap_or_default();
        (places.iter().flatten().map(|(index, counters)| (*index, &**counters)), next)
    }
}
