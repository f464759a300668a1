//! Who sent a request: what tells clients with one key apart, and clients whose device was changed.

use super::{Outcome, Request};
use crate::{
    Engine,
    binding::BindingEvent,
    classify::Class,
    config::{Config, DiscoverMatch, DuplicateClients},
    event::{DropReason, Event},
    history::Why,
    input::RxMeta,
    lines::Line,
    session::{NameId, Slot, SlotRef, State, Whereabouts},
};
use alloc::{borrow::Cow, vec::Vec};
use bindery_wire::v4::{OptionCode, Packet};

/// Most sessions of one line that a newcomer ends at once: the rest goes at its next DISCOVER.
const OF_ONE_LINE_MAX: usize = 64;

/// Where a request came from, as far as it tells clients apart.
#[derive(Debug)]
pub(super) struct Seen<'p> {
    link: NameId,
    /// Option 82, where it counts.
    relay_info: Cow<'p, [u8]>,
}

impl Seen<'_> {
    pub(super) fn at(&self) -> Whereabouts<'_> {
        Whereabouts { link: self.link, relay_info: &self.relay_info }
    }
}

impl Engine {
    /// Where a request came from: nothing is read of it where one client has one session.
    pub(super) fn seen<'p>(&self, request: &Request<'p>) -> Seen<'p> {
        self.seen_of(request.packet, &request.meta)
    }

    pub(super) fn seen_of<'p>(&self, packet: &'p Packet<'p>, meta: &RxMeta) -> Seen<'p> {
        let link = self.links.get(meta.link).map_or(NameId::EMPTY, |state| state.name);
        let rule = self.sessions.duplicate_clients(self.instance_of(meta));
        let info = || packet.option(OptionCode::RELAY_AGENT_INFORMATION).unwrap_or_default();
        let relay_info = if rule == DuplicateClients::Option82 { info() } else { Cow::default() };
        Seen { link, relay_info }
    }

    /// Ends what is left of a time when duplicate clients were allowed: the client that begins anew is all of them now.
    pub(super) fn end_leftovers4(&mut self, request: &Request<'_>, slot: Slot) {
        for other in self.sessions.leftovers_of_client(slot) {
            self.supersede4(request, other);
        }
    }

    /// `client-discover-match` (junos.md §2.4): the newcomer's line has had another device, or another stage of its boot
    /// with an identifier of its own (RFC 4361 §7), whose session ends, so that it neither lingers nor counts.
    ///
    /// # Errors
    /// A session of the line is being written, other than its end: the client tries again.
    pub(super) fn end_former_device4(&mut self, request: &Request<'_>, class: &Class, own: Option<Slot>) -> Outcome {
        let Some(rule) = discover_match(request.config, class) else { return Ok(()) };
        let packet = request.packet;
        let vendor_class = packet.option(OptionCode::VENDOR_CLASS).unwrap_or_default();
        let relay_info = packet.option(OptionCode::RELAY_AGENT_INFORMATION).unwrap_or_default();
        let line = Line {
            instance: class.instance,
            link: class.link,
            giaddr: packet.giaddr(),
            vendor_class: &vendor_class,
            relay_info: &relay_info,
        };
        let Some(hash) = line.hash(rule, &self.lines) else { return Ok(()) };
        let noted: Vec<SlotRef> = self.lines.of(hash).take(OF_ONE_LINE_MAX).collect();
        let mut busy = false;
        // Whose end is being written is as good as gone: what follows is written behind it.
        for handle in noted {
            let slot = self.sessions.resolve(handle).filter(|slot| self.is_on_line(*slot, rule, &line));
            match slot {
                Some(slot) if Some(slot) == own || self.is_ending(slot) => {}
                // Not forgotten: a write that fails takes its end back.
                Some(slot) => busy |= !self.supersede4(request, slot),
                // It has ended or moved.
                None => self.lines.forget(hash, handle),
            }
        }
        if busy { Err(DropReason::Duplicate) } else { Ok(()) }
    }

    /// Whether a live session is on `line`.
    fn is_on_line(&self, slot: Slot, rule: DiscoverMatch, line: &Line<'_>) -> bool {
        let (Some(record), Some(identity)) = (self.sessions.get(slot), self.sessions.identity(slot)) else {
            return false;
        };
        record.state().is_live() && Line::of(record, &identity).is_same(line, rule)
    }

    /// Ends a live session for the sake of another client, or of itself elsewhere. Returns whether that was possible.
    fn supersede4(&mut self, request: &Request<'_>, slot: Slot) -> bool {
        let Some(record) = self.sessions.get(slot).copied().filter(|record| record.pending == 0) else {
            return false;
        };
        match record.state() {
            State::Bound if self.rings.has_room() => {
                let (session, address) = (record.id(), record.address());
                self.because(Why::Superseded);
                self.commit_end(request.turn, slot, BindingEvent::Clear, None, None);
                self.because(Why::Unknown);
                self.outbox.events.push(Event::Superseded { session, address, by: request.packet.hw_addr() });
                true
            }
            State::Offered => {
                self.lapse_offer(slot);
                true
            }
            _ => false,
        }
    }

    /// Remembers which line a session is on, where its group asks for that.
    pub(crate) fn note_line(&mut self, config: &Config, slot: Slot) {
        if !self.lines.is_used() {
            return;
        }
        let (Some(record), Some(identity)) = (self.sessions.get(slot), self.sessions.identity(slot)) else { return };
        let served = self.served_by_name(config, record);
        let overrides = served.and_then(|served| served.overrides(config));
        let Some(rule) = overrides.and_then(|overrides| overrides.client_discover_match) else { return };
        let Some(hash) = Line::of(record, &identity).hash(rule, &self.lines) else { return };
        let Some(handle) = self.sessions.handle(slot) else { return };
        let sessions = &self.sessions;
        let lives = |handle| {
            let slot = sessions.resolve(handle);
            slot.and_then(|slot| sessions.get(slot)).is_some_and(|record| record.state().is_live())
        };
        let live = sessions.count_of(State::Bound) as usize + sessions.count_of(State::Offered) as usize;
        self.lines.note(hash, handle, live, lives);
    }

    /// The same after a commit, where it changed who is on which line.
    pub(crate) fn retrace_lines(&mut self, former: &Config) {
        let config = alloc::sync::Arc::clone(&self.config);
        let same = config.groups == former.groups
            && config.interfaces == former.interfaces
            && config.instances == former.instances;
        if !same {
            self.trace_lines(&config);
        }
    }

    /// Finds the lines of all live sessions anew, where the configuration begins to ask for them, and forgets them where
    /// it does not any more. Walks all sessions.
    pub(crate) fn trace_lines(&mut self, config: &Config) {
        self.lines.begin(asks_for_lines(config));
        if !self.lines.is_used() {
            return;
        }
        let mut from = Some(0);
        let mut slots = Vec::new();
        while let Some(start) = from {
            slots.clear();
            from = self.sessions.page(start, 4_096, &mut slots);
            for slot in &slots {
                if self.sessions.get(*slot).is_some_and(|record| record.state().is_live()) {
                    self.note_line(config, *slot);
                }
            }
        }
    }
}

/// The `client-discover-match` in force for a packet.
fn discover_match(config: &Config, class: &Class) -> Option<DiscoverMatch> {
    class.served.overrides(config)?.client_discover_match
}

/// Whether any group or interface has a `client-discover-match`.
fn asks_for_lines(config: &Config) -> bool {
    let groups = config.groups.iter().map(|group| &group.overrides);
    let interfaces = config.interfaces.iter().filter_map(|interface| interface.overrides.as_ref());
    groups.chain(interfaces).any(|overrides| overrides.client_discover_match.is_some())
}
