//! Exchanges that wait for a deferred plugin: a bounded table, a token each, a deadline each.

use crate::{history::Origin, policy::Token, server::v4::Draft};
use alloc::{boxed::Box, collections::BTreeSet, vec::Vec};
use bindery_types::Mono;

/// Most exchanges parked at once. When it is full, a further one is dropped as `overload`.
pub(crate) const PARKED_MAX: usize = 1_024;

/// A parked exchange.
#[derive(Debug)]
pub(crate) struct Parked {
    /// The request, kept to build the reply again.
    pub(crate) request: Box<[u8]>,
    /// The reply to build and what follows it.
    pub(crate) draft: Draft,
    pub(crate) deadline: Mono,
    /// The exchange, for what comes of it.
    pub(crate) origin: Origin,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Parking {
    entries: Vec<(u32, Option<Parked>)>,
    free: Vec<u32>,
    deadlines: BTreeSet<(Mono, u32)>,
}

impl Parking {
    /// The token that the next parked exchange will have; `None` when the table is full.
    pub(crate) fn next_token(&self, engine: u8) -> Option<Token> {
        match self.free.last() {
            Some(&slot) => {
                let generation = self.entries.get(slot as usize).map_or(0, |e| e.0);
                Some(Token { engine, slot, generation })
            }
            None if self.entries.len() < PARKED_MAX => {
                Some(Token { engine, slot: u32::try_from(self.entries.len()).ok()?, generation: 0 })
            }
            None => None,
        }
    }

    /// Parks an exchange under the token of [`Parking::next_token`].
    pub(crate) fn park(&mut self, token: Token, parked: Parked) {
        let deadline = parked.deadline;
        if self.free.last() == Some(&token.slot) {
            self.free.pop();
        }
        match self.entries.get_mut(token.slot as usize) {
            Some(entry) => entry.1 = Some(parked),
            None => self.entries.push((token.generation, Some(parked))),
        }
        self.deadlines.insert((deadline, token.slot));
    }

    /// Takes the exchange of `token`; `None` when it is gone (a late answer).
    pub(crate) fn take(&mut self, token: Token) -> Option<Parked> {
        let (generation, entry) = self.entries.get_mut(token.slot as usize)?;
        if *generation != token.generation {
            return None;
        }
        let parked = entry.take()?;
        *generation = generation.wrapping_add(1);
        self.free.push(token.slot);
        self.deadlines.remove(&(parked.deadline, token.slot));
        Some(parked)
    }

    /// Takes one exchange whose deadline has passed.
    pub(crate) fn take_overdue(&mut self, now: Mono) -> Option<Parked> {
        let &(deadline, slot) = self.deadlines.first()?;
        if deadline > now {
            return None;
        }
        let generation = self.entries.get(slot as usize)?.0;
        self.take(Token { engine: 0, slot, generation })
    }

    /// All drafts.
    pub(crate) fn drafts_mut(&mut self) -> impl Iterator<Item = &mut Draft> {
        self.entries.iter_mut().filter_map(|(_, parked)| Some(&mut parked.as_mut()?.draft))
    }

    /// The earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<Mono> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// How many are parked.
    pub(crate) fn len(&self) -> usize {
        self.deadlines.len()
    }
}
