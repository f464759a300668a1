//! An exchange as it is lent to a plugin.

use std::borrow::Cow;

use bindery_plugin_host::{ClientState, Edit, EditRefused, Edits, ShapeExchange, ShapeMeta, client_state, raw_options};
use bindery_wire::v4::{OptionCode, OptionList, Packet};

use super::{Case, Reply};

/// One request and its reply.
pub(super) struct Lent<'a> {
    packet: &'a Packet<'a>,
    reply: &'a Reply,
    group: &'a str,
    interface: &'a str,
    state: ClientState,
    /// The reply's options, as they stand.
    pub(super) options: OptionList,
    /// What the plugin changed, in order; none is a removal.
    pub(super) edits: Vec<(u16, Option<Vec<u8>>)>,
}

impl<'a> Lent<'a> {
    pub(super) fn new(packet: &'a Packet<'a>, case: &'a Case, reply: &'a Reply, group: &'a str) -> Lent<'a> {
        Lent {
            packet,
            reply,
            group,
            interface: &case.interface,
            state: client_state(packet, case.unicast),
            options: reply.options.clone(),
            edits: Vec::new(),
        }
    }
}

/// A code that is no byte does not exist in DHCPv4; the host refuses it before it comes here.
fn byte(code: u16) -> OptionCode {
    OptionCode(u8::try_from(code).unwrap_or_default())
}

impl ShapeExchange for Lent<'_> {
    fn meta(&self) -> ShapeMeta {
        let giaddr = self.packet.giaddr();
        ShapeMeta {
            address: self.reply.address,
            relay: (!giaddr.is_unspecified()).then_some(giaddr),
            request_type: self.packet.message_type().map_or(0, |kind| kind as u8),
            reply_type: self.reply.message as u8,
            state: self.state,
            mac: self.packet.hw_addr().mac().map_or([0; 6], |mac| mac.0),
            xid: self.packet.xid().0,
            session: self.reply.session,
            lease_seconds: self.reply.lease_seconds,
        }
    }

    fn group(&self) -> &str {
        self.group
    }

    fn interface_name(&self) -> &str {
        self.interface
    }

    fn raw_request_options(&self) -> Cow<'_, [u8]> {
        raw_options(self.packet)
    }

    fn visit_request_options(&self, visit: &mut dyn FnMut(u16, &[u8])) {
        self.packet.options().for_each(|(code, value)| visit(u16::from(code.0), &value));
    }

    fn visit_reply_options(&self, visit: &mut dyn FnMut(u16, &[u8])) {
        self.options.iter().for_each(|(code, value)| visit(u16::from(code.0), value));
    }

    fn check(&self, edits: &Edits) -> Result<(), EditRefused> {
        let mut options = self.options.clone();
        for edit in edits.iter() {
            match edit {
                Edit::Set(code, value) => {
                    options.set(byte(code), value).map_err(|error| EditRefused(error.to_string().into()))?;
                }
                Edit::Remove(code) => {
                    options.remove(byte(code));
                }
            }
        }
        Ok(())
    }

    fn set_option(&mut self, code: u16, value: &[u8]) {
        // It has been checked.
        let _ = self.options.set(byte(code), value);
        self.edits.push((code, Some(value.to_vec())));
    }

    fn remove_option(&mut self, code: u16) {
        self.options.remove(byte(code));
        self.edits.push((code, None));
    }
}
