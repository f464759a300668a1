//! What the guest can ask of an exchange: a copy, made before the call into buffers that are used again.
//!
//! A store owns its data, so lending the caller's own exchange to host functions would need `unsafe`. The
//! copy costs less than one getter does.

use std::net::Ipv4Addr;

use bindery_engine::policy::Steer;
use bindery_wire::v4::Packet;

use crate::request;
use crate::shape::ShapeExchange;
use crate::v4;

/// Options by code. A code may stand more than once: one option in parts (RFC 3396 §7).
#[derive(Debug, Default)]
struct Options {
    entries: Vec<(u16, usize, usize)>,
    bytes: Vec<u8>,
}

impl Options {
    fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
    }

    fn push(&mut self, code: u16, value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.entries.push((code, start, self.bytes.len()));
    }

    fn get(&self, code: u16) -> Option<Vec<u8>> {
        let mut joined: Option<Vec<u8>> = None;
        for &(_, start, end) in self.entries.iter().filter(|entry| entry.0 == code) {
            let part = self.bytes.get(start..end).unwrap_or_default();
            joined.get_or_insert_with(|| Vec::with_capacity(part.len())).extend_from_slice(part);
        }
        joined
    }
}

/// The copy.
#[derive(Debug)]
pub(crate) struct View {
    request: Options,
    reply: Options,
    pub(crate) raw_request: Vec<u8>,
    pub(crate) group: String,
    pub(crate) interface: String,
    pub(crate) relay: Option<Ipv4Addr>,
    /// The choices so far, for the stages that steer.
    pub(crate) steer: Steer,
}

impl View {
    pub(crate) fn new() -> View {
        View {
            request: Options::default(),
            reply: Options::default(),
            raw_request: Vec::new(),
            group: String::new(),
            interface: String::new(),
            relay: None,
            steer: Steer::default(),
        }
    }

    fn clear(&mut self) {
        self.request.clear();
        self.reply.clear();
        self.raw_request.clear();
        self.group.clear();
        self.interface.clear();
    }

    /// A request that has no reply yet.
    pub(crate) fn fill_request(&mut self, packet: &Packet<'_>, group: &str, interface: &str, steer: &Steer) {
        self.clear();
        for (code, value) in packet.options() {
            self.request.push(u16::from(code.0), &value);
        }
        self.raw_request.extend_from_slice(&request::raw_options(packet));
        self.group.push_str(group);
        self.interface.push_str(interface);
        self.relay = Some(packet.giaddr()).filter(|giaddr| !giaddr.is_unspecified());
        self.steer.clone_from(steer);
    }

    pub(crate) fn fill(&mut self, exchange: &dyn ShapeExchange, relay: Option<Ipv4Addr>) {
        self.clear();
        exchange.visit_request_options(&mut |code, value| self.request.push(code, value));
        exchange.visit_reply_options(&mut |code, value| self.reply.push(code, value));
        self.raw_request.extend_from_slice(&exchange.raw_request_options());
        self.group.push_str(exchange.group());
        self.interface.push_str(exchange.interface_name());
        self.relay = relay;
    }

    pub(crate) fn request_option(&self, code: u16) -> Option<Vec<u8>> {
        self.request.get(code)
    }

    pub(crate) fn reply_option(&self, code: u16) -> Option<Vec<u8>> {
        self.reply.get(code)
    }

    pub(crate) fn suboption(&self, code: u8) -> Option<Vec<u8>> {
        let value = self.request.get(v4::RELAY_AGENT_INFORMATION)?;
        v4::suboption(&value, code).map(<[u8]>::to_vec)
    }

    /// Whether the client's parameter request list names `code`.
    pub(crate) fn asked_for(&self, code: u16) -> bool {
        let list = self.request_option(v4::PARAMETER_REQUEST_LIST).unwrap_or_default();
        list.iter().any(|asked| u16::from(*asked) == code)
    }
}
