//! What a DHCPv4 request tells a plugin beside its fields.

use std::borrow::Cow;

use bindery_wire::v4::{HEADER_LEN, MAGIC_COOKIE, MessageType, OptionCode, Packet};

use crate::shape::ClientState;

/// What the client is doing, as its request tells (RFC 2131 §4.3.2). `unicast`: the request came to our address.
#[must_use]
pub fn client_state(request: &Packet<'_>, unicast: bool) -> ClientState {
    let selects = request.has(OptionCode::SERVER_IDENTIFIER);
    let names = request.has(OptionCode::REQUESTED_IP_ADDRESS);
    match request.message_type() {
        Some(MessageType::Discover) => ClientState::Init,
        Some(MessageType::Inform) => ClientState::Informing,
        Some(MessageType::Request) if selects && names => ClientState::Selecting,
        Some(MessageType::Request) if names => ClientState::InitReboot,
        Some(MessageType::Request) if unicast => ClientState::Renewing,
        Some(MessageType::Request) => ClientState::Rebinding,
        _ => ClientState::Other,
    }
}

/// The options field behind the magic cookie; under overload also the fields that hold options (RFC 2131 §4.1).
#[must_use]
pub fn raw_options<'p>(request: &'p Packet<'_>) -> Cow<'p, [u8]> {
    let options = request.bytes().get(HEADER_LEN + MAGIC_COOKIE.len()..).unwrap_or_default();
    match request.overloaded_fields() {
        (false, false) => Cow::Borrowed(options),
        (file, sname) => {
            let mut all = options.to_vec();
            if file {
                all.extend_from_slice(request.file_field());
            }
            if sname {
                all.extend_from_slice(request.sname_field());
            }
            Cow::Owned(all)
        }
    }
}
