//! The receiving half: which request a datagram answers.

use super::request::{Answer, Dropped, Kind, RequestId, SocketId};
use super::{Client, server::Endpoint};
use crate::packet::{self, Code, Packet, VerifyError};
use std::net::SocketAddr;

impl Client {
    /// Takes a datagram that came from `source` to a socket of ours. An answer ends its request; see
    /// [`Client::take_outcome`].
    ///
    /// # Errors
    /// Why it was passed over; the request goes on waiting (RFC 2865 §3).
    pub fn handle_datagram(
        &mut self,
        socket: SocketId,
        source: SocketAddr,
        bytes: &[u8],
    ) -> Result<RequestId, Dropped> {
        let at = *self.by_address.get(&source).ok_or(Dropped::Stranger)?;
        let endpoint = self.endpoints.get_mut(at).filter(|e| e.uses(socket)).ok_or(Dropped::Stranger)?;
        let found = (|| {
            let packet = Packet::decode(bytes).map_err(|_| Dropped::Malformed)?;
            let id = endpoint.owner(socket, packet.id()).ok_or(Dropped::Unexpected)?;
            let pending = self.requests.get(&id).ok_or(Dropped::Unexpected)?;
            let answer = answer(&packet, pending.request.kind).ok_or(Dropped::WrongCode)?;
            let slots = pending.sent.iter().flat_map(|sent| &sent.slots);
            let (_, authenticator) = slots
                .copied()
                .find(|(slot, _)| slot.socket == socket.0 && slot.id == packet.id())
                .ok_or(Dropped::Unexpected)?;
            packet::verify_response(&packet, &authenticator, &endpoint.secret, endpoint.signed).map_err(|error| {
                match error {
                    VerifyError::Unsigned => Dropped::Unsigned,
                    _ => Dropped::NotAuthentic,
                }
            })?;
            Ok((id, answer))
        })();
        match found {
            Ok((id, answer)) => {
                endpoint.answered();
                let server = endpoint.address;
                self.finish(id, answer, Some(server));
                Ok(id)
            }
            Err(dropped) => {
                count(endpoint, dropped);
                Err(dropped)
            }
        }
    }
}

/// What a packet says to a request of this kind.
fn answer(packet: &Packet<'_>, kind: Kind) -> Option<Answer> {
    match (packet.code(), kind) {
        (Code::AccessAccept, Kind::Access) => Some(Answer::Accept(packet.to_list())),
        // RFC 2865 §4.4: a NAS without challenge and response treats a challenge as a reject.
        (Code::AccessReject | Code::AccessChallenge, Kind::Access) => Some(Answer::Reject(packet.to_list())),
        (Code::AccountingResponse, Kind::Accounting | Kind::Interim) => Some(Answer::Recorded(packet.to_list())),
        _ => None,
    }
}

fn count(endpoint: &mut Endpoint, dropped: Dropped) {
    let counters = &mut endpoint.counters;
    match dropped {
        Dropped::Malformed | Dropped::WrongCode => counters.malformed += 1,
        Dropped::NotAuthentic => counters.bad_authenticators += 1,
        Dropped::Unsigned => counters.unsigned += 1,
        Dropped::Unexpected | Dropped::Stranger => counters.unexpected += 1,
    }
}
