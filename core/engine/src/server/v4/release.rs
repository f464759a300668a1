//! DHCPRELEASE: RFC 2131 §4.3.4.

use super::{Outcome, Request, client_id};
use crate::{Engine, binding::BindingEvent, classify::client_key, event::DropReason, history::Why, session::State};
use bindery_wire::v4::OptionCode;

impl Engine {
    /// Ends the binding of ciaddr, when it is this client's. There is no answer.
    pub(super) fn release4(&mut self, request: Request<'_>) -> Outcome {
        let packet = request.packet;
        let id = client_id(packet);
        let key = client_key(packet, Some(&id));
        let instance = self.instance_of(&request.meta);
        let found = self.session_at(instance, packet.ciaddr(), &key);
        if let Some(named) = packet.address_option(OptionCode::SERVER_IDENTIFIER)
            && !self.is_our_server_id(&request, named, found)
        {
            return Err(DropReason::InvalidServerAddress);
        }
        let slot = found.ok_or(DropReason::ClientLookup)?;
        let record = self.sessions.get(slot).ok_or(DropReason::ClientLookup)?;
        if record.pending != 0 {
            return Err(DropReason::Duplicate);
        }
        if self.rings.store_down {
            return Err(DropReason::StoreFault);
        }
        if !self.rings.has_room() {
            return Err(DropReason::Overload);
        }
        let bound = record.state() == State::Bound;
        self.because(Why::Client);
        if !bound {
            self.lapse_offer(slot);
            return Ok(());
        }
        self.commit_end(request.turn, slot, BindingEvent::Release, None, None);
        Ok(())
    }
}
