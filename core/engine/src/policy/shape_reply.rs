//! Stage `shape-reply`: the options of a reply that is about to be sent.

use super::{Lookup, Token};
use alloc::borrow::Cow;
use bindery_types::{HwAddr, Ipv4Addr, SessionId, Xid};
use bindery_wire::v4::{MessageType, OptionCode, OptionList, Packet};

/// What a `shape-reply` plugin sees and may change.
#[derive(Debug)]
pub struct ShapeReply<'a> {
    /// The request as received.
    pub request: &'a Packet<'a>,
    /// Whether the request came to our unicast address: a REQUEST with ciaddr is then RENEWING, else REBINDING.
    pub unicast: bool,
    /// Type of the reply.
    pub message: MessageType,
    /// The group that serves the client.
    pub group: &'a str,
    /// The client's interface.
    pub interface: &'a str,
    /// The session; `None` for INFORM.
    pub session: Option<SessionId>,
    /// The address offered or leased; 0.0.0.0 in a NAK.
    pub address: Ipv4Addr,
    /// Lease time of the reply, seconds; 0 where it has none.
    pub lease_secs: u32,
    /// Name this exchange by it when answering `Pending`.
    pub token: Token,
    /// The other sessions.
    pub sessions: Lookup<'a>,
    pub(crate) options: &'a mut OptionList,
}

impl<'a> ShapeReply<'a> {
    /// Xid of the exchange.
    pub fn xid(&self) -> Xid {
        self.request.xid()
    }

    /// The client's hardware address.
    pub fn hw_addr(&self) -> HwAddr {
        self.request.hw_addr()
    }

    /// An option of the request, instances concatenated.
    pub fn request_option(&self, code: OptionCode) -> Option<Cow<'_, [u8]>> {
        self.request.option(code)
    }

    /// The options of the reply as they stand.
    pub fn reply_options(&self) -> impl Iterator<Item = (OptionCode, &[u8])> {
        self.options.iter()
    }

    /// An option of the reply as it stands.
    pub fn reply_option(&self, code: OptionCode) -> Option<&[u8]> {
        self.options.get(code)
    }

    /// Inserts or replaces an option of the reply.
    ///
    /// # Errors
    /// The option is not the plugin's to touch, or the reply is full; nothing changed.
    pub fn set_option(&mut self, code: OptionCode, value: &[u8]) -> Result<(), EditRefused> {
        edit_refusal(self.request, code)?;
        self.options.set(code, value).map_err(|_| EditRefused::TooLarge)
    }

    /// Removes an option of the reply, if it is there.
    ///
    /// # Errors
    /// The option is not the plugin's to touch.
    pub fn remove_option(&mut self, code: OptionCode) -> Result<(), EditRefused> {
        edit_refusal(self.request, code)?;
        self.options.remove(code);
        Ok(())
    }
}

/// Why an edit was not made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EditRefused {
    /// The protocol owns this option (design §5).
    Forbidden,
    /// Option 108 goes only to a client that asked for it (RFC 8925 §3.3).
    NotRequested,
    /// The options no longer fit.
    TooLarge,
}

/// Judges an edit of `code` in a reply to `request`.
///
/// # Errors
/// Why it may not be made.
pub fn edit_refusal(request: &Packet<'_>, code: OptionCode) -> Result<(), EditRefused> {
    match code.0 {
        0 | 50..=54 | 57..=59 | 61 | 82 | 90 | 145 | 255 => Err(EditRefused::Forbidden),
        108 => {
            let asked = request.option(OptionCode::PARAMETER_REQUEST_LIST).is_some_and(|list| list.contains(&108));
            if asked { Ok(()) } else { Err(EditRefused::NotRequested) }
        }
        _ => Ok(()),
    }
}
