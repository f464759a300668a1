//! What the server says of its own work: counters by interface, and the history of sessions.

use super::{Auditor, Finding, request::Request};
use bindery_engine::record::DurableState;
use bindery_types::SessionId;
use bindery_wire::v4::MessageType;
use std::collections::{BTreeMap, BTreeSet};

/// What left by interface, since the server started.
#[derive(Debug, Default)]
pub(super) struct Tally {
    sent: BTreeMap<(String, MessageCode), u64>,
    /// Counters began anew, or an interface went: nothing is known.
    lost: bool,
}

/// Number of a message type.
type MessageCode = u8;

impl Auditor {
    /// A reply left that answers one of `requests`.
    pub(super) fn note_sent(&mut self, message: MessageType, request: &Request, requests: &[Request]) {
        let links: BTreeSet<_> = requests.iter().map(|r| r.link).collect();
        let Some(link) = self.site.links.get(&request.link).filter(|_| links.len() == 1) else {
            self.tally.lost = true;
            return;
        };
        *self.tally.sent.entry((link.name.clone(), message as MessageCode)).or_default() += 1;
    }

    /// Counters began anew, or an interface went with its counters.
    pub fn tally_lost(&mut self) {
        self.tally.lost = true;
    }

    pub(super) fn forget_tally(&mut self) {
        self.tally = Tally::default();
    }

    /// Whether counters by interface can be compared.
    pub fn tally_is_sure(&self) -> bool {
        !self.tally.lost
    }

    /// OFFERs and ACKs are counted at the interface of their requests. `sent` has the counter of an interface.
    ///
    /// # Errors
    /// A broken promise.
    pub fn tally_agrees(&self, sent: impl Fn(&str, MessageType) -> u64) -> Result<(), Finding> {
        for name in self.site.links.values().map(|link| &link.name) {
            for message in [MessageType::Offer, MessageType::Ack] {
                let left = self.tally.sent.get(&(name.clone(), message as MessageCode)).copied().unwrap_or(0);
                let counted = sent(name, message);
                if self.tally_is_sure() && left != counted {
                    return Err(format!("{left} {message:?}s left for {name}, {counted} are counted there"));
                }
            }
        }
        Ok(())
    }

    /// Bindings that began or ended since the server started, by acknowledged writes: session and what it became.
    pub fn changes(&self) -> impl Iterator<Item = (SessionId, DurableState)> + '_ {
        self.newcomers.facts.iter().map(|(key, state)| (key.session, *state))
    }
}
