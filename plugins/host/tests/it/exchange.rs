//! A reply in memory, to lend to plugins.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use bindery_plugin_host::{ClientState, Edit, EditRefused, Edits, ShapeExchange, ShapeMeta};

/// An exchange whose reply starts with options 1, 12 and 51.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) meta: ShapeMeta,
    pub(crate) group: String,
    pub(crate) request: Vec<(u16, Vec<u8>)>,
    pub(crate) reply: Vec<(u16, Vec<u8>)>,
    /// Most option bytes of the reply; more is refused as a whole.
    pub(crate) room: usize,
}

impl Exchange {
    pub(crate) fn new() -> Exchange {
        Exchange {
            meta: ShapeMeta {
                address: Ipv4Addr::new(192, 0, 2, 10),
                relay: Some(Ipv4Addr::new(192, 0, 2, 1)),
                request_type: 3,
                reply_type: 5,
                state: ClientState::Renewing,
                mac: [2, 0, 0, 0, 0, 7],
                xid: 0x1234_5678,
                session: 99,
                lease_seconds: 3600,
            },
            group: "residential".into(),
            request: vec![
                (53, vec![3]),
                (55, vec![1, 3, 6]),
                (60, b"ven".to_vec()),
                (60, b"dor".to_vec()),
                (82, vec![1, 2, b'c', b'i', 2, 3, b'r', b'i', b'd']),
            ],
            reply: vec![(1, vec![255, 255, 255, 0]), (12, b"host".to_vec()), (51, vec![0, 0, 14, 16])],
            room: usize::MAX,
        }
    }

    pub(crate) fn reply_option(&self, code: u16) -> Option<&[u8]> {
        self.reply.iter().find(|(found, _)| *found == code).map(|(_, value)| value.as_slice())
    }
}

impl ShapeExchange for Exchange {
    fn meta(&self) -> ShapeMeta {
        self.meta
    }

    fn group(&self) -> &str {
        &self.group
    }

    fn interface_name(&self) -> &'static str {
        "eth0.7"
    }

    fn raw_request_options(&self) -> Cow<'_, [u8]> {
        let mut raw = Vec::new();
        for (code, value) in &self.request {
            raw.push(u8::try_from(*code).unwrap());
            raw.push(u8::try_from(value.len()).unwrap());
            raw.extend(value);
        }
        Cow::Owned(raw)
    }

    fn visit_request_options(&self, visit: &mut dyn FnMut(u16, &[u8])) {
        self.request.iter().for_each(|(code, value)| visit(*code, value));
    }

    fn visit_reply_options(&self, visit: &mut dyn FnMut(u16, &[u8])) {
        self.reply.iter().for_each(|(code, value)| visit(*code, value));
    }

    fn check(&self, edits: &Edits) -> Result<(), EditRefused> {
        let bytes: usize = edits.iter().map(|edit| if let Edit::Set(_, value) = edit { value.len() } else { 0 }).sum();
        if bytes > self.room { Err(EditRefused("the reply is full".into())) } else { Ok(()) }
    }

    fn set_option(&mut self, code: u16, value: &[u8]) {
        self.remove_option(code);
        self.reply.push((code, value.to_vec()));
    }

    fn remove_option(&mut self, code: u16) {
        self.reply.retain(|(found, _)| *found != code);
    }
}
