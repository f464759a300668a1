//! DHCPDECLINE: RFC 2131 §4.3.3.

use super::{Outcome, Request, client_id};
use crate::{
    Engine,
    binding::BindingEvent,
    classify::client_key,
    event::{DropReason, Event, ExchangeId},
    history::Why,
    session::State,
};
use bindery_wire::v4::OptionCode;

impl Engine {
    /// Puts the address that the client found in use into quarantine. Only its holder may: another client could
    /// drain the pool. There is no answer.
    pub(super) fn decline4(&mut self, request: Request<'_>) -> Outcome {
        let packet = request.packet;
        let id = client_id(packet);
        let key = client_key(packet, Some(&id));
        let instance = self.instance_of(&request.meta);
        // systemd-networkd names the address in ciaddr, against RFC 2131 table 5. It can only mean its own binding.
        let named = packet.address_option(OptionCode::REQUESTED_IP_ADDRESS);
        let ciaddr = Some(packet.ciaddr()).filter(|address| !address.is_unspecified());
        let address = named.or(ciaddr).ok_or(DropReason::BadOptions)?;
        let found = self.session_at(instance, address, &key);
        if let Some(named) = packet.address_option(OptionCode::SERVER_IDENTIFIER)
            && !self.is_our_server_id(&request, named, found)
        {
            return Err(DropReason::InvalidServerAddress);
        }
        // A DECLINE is a broadcast: a client with the same key elsewhere says nothing about this one's address.
        let seen = self.seen(&request);
        let slot = found.filter(|slot| self.sessions.is_at(*slot, seen.at())).ok_or(DropReason::ClientLookup)?;
        let record = self.sessions.get(slot).ok_or(DropReason::ClientLookup)?;
        if record.pending != 0 {
            return Err(DropReason::Duplicate);
        }
        // RFC 2131 §4.4.1: a client declines what it was ACKed. An offer that could be declined would let one client
        // drain a pool two packets at a time.
        if record.state() != State::Bound {
            return Err(DropReason::ClientLookup);
        }
        if self.rings.store_down {
            return Err(DropReason::StoreFault);
        }
        if !self.rings.has_room() {
            return Err(DropReason::Overload);
        }
        let session = record.id();
        self.because(Why::Client);
        let until = self.commit_end(request.turn, slot, BindingEvent::Decline, None, None);
        let of = ExchangeId { session, ..self.exchange_id() };
        self.outbox.events.push(Event::Declined { hw: packet.hw_addr(), address, until, of });
        Ok(())
    }
}
