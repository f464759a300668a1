//! `remote-id-mismatch disconnect` (junos.md §2.4): a client that comes in over another line than its session's.
//!
//! Two remote-ids (RFC 3046 §2, sub-option 2) are compared where both are there; a renewal by unicast brings none, and a
//! session that began without one has nothing to differ from. A REQUEST is answered by a DHCPNAK, so that the client begins
//! anew at once; a DISCOVER is dropped, and the next one starts a new session. The binding ends first, with a tombstone
//! and news like any other that we end.

use super::{Outcome, Request};
use crate::{
    Engine,
    binding::BindingEvent,
    event::{DropReason, Event},
    history::Why,
    links::Served,
    session::{Slot, State},
};
use bindery_wire::v4::{OptionCode, RelayAgentInformation};

impl Engine {
    /// Whether a bound session's client came in with another remote-id, where the group of the session minds.
    pub(super) fn is_other_line4(&self, request: &Request<'_>, slot: Slot, served: Served) -> bool {
        let Some(record) = self.sessions.get(slot).filter(|record| record.state() == State::Bound) else {
            return false;
        };
        let served = self.served_of(request.config, record, served);
        if !request.config.group(served.group).is_some_and(|group| group.remote_id_mismatch) {
            return false;
        }
        let Some(info) = request.packet.option(OptionCode::RELAY_AGENT_INFORMATION) else { return false };
        let Some(identity) = self.sessions.identity(slot) else { return false };
        let now = RelayAgentInformation::new(&info).remote_id();
        let before = RelayAgentInformation::new(identity.relay_info).remote_id();
        matches!((now, before), (Some(now), Some(before)) if now != before)
    }

    /// Ends a session whose client came in over another line with a DISCOVER.
    pub(super) fn drop_other_line4(&mut self, request: &Request<'_>, slot: Slot) -> DropReason {
        self.because(Why::OtherLine);
        self.tell_other_line(slot);
        self.commit_end(request.turn, slot, BindingEvent::Clear, None, None);
        DropReason::RemoteIdMismatch
    }

    /// Ends a session whose client came in over another line with a REQUEST: it is told.
    pub(super) fn end_other_line4(
        &mut self,
        request: Request<'_>,
        slot: Slot,
        server_id: bindery_types::Ipv4Addr,
    ) -> Outcome {
        self.cannot_write().map_or(Ok(()), Err)?;
        self.because(Why::OtherLine);
        let answer = self.build_nak4(request, server_id)?;
        self.tell_other_line(slot);
        self.commit_end(request.turn, slot, BindingEvent::Clear, Some(answer), None);
        Ok(())
    }

    fn tell_other_line(&mut self, slot: Slot) {
        if let Some(record) = self.sessions.get(slot) {
            let event = Event::RemoteIdMismatch { session: record.id(), address: record.address() };
            self.outbox.events.push(event);
        }
    }
}
