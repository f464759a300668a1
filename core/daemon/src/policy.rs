//! The engine's hook stages, answered by the plugin host.

use bindery_engine::{
    config::PluginId,
    policy::{EditRefused as EngineRefused, Hook, Policy, ShapeReply, Verdict, edit_refusal},
};
use bindery_plugin_host::{
    ClientState, Edit, EditRefused, Edits, OnFailure, Plugin, PluginStats, ShapeExchange, ShapeMeta, ShapeOutcome,
};
use bindery_types::Now;
use bindery_wire::v4::{HEADER_LEN, MAGIC_COOKIE, MessageType, OptionCode, Packet};
use std::borrow::Cow;

/// The plugins of one configuration, by [`PluginId`]; owned by the packet thread.
#[derive(Default)]
pub(crate) struct Plugins(Vec<Plugin>);

impl Plugins {
    /// Plugins in configuration order.
    pub(crate) fn new(plugins: Vec<Plugin>) -> Self {
        Self(plugins)
    }

    /// Counters of each, in configuration order.
    pub(crate) fn stats(&self) -> Vec<PluginStats> {
        self.0.iter().map(Plugin::stats).collect()
    }
}

impl Policy for Plugins {
    fn shape_reply(&mut self, _: Now, chain: &[PluginId], stage: &mut ShapeReply<'_>) -> Hook {
        for id in chain {
            // The configuration binds only plugins that it has.
            let Some(plugin) = self.0.get_mut(usize::from(id.0)) else { continue };
            match plugin.shape_reply(&mut Exchange(stage)) {
                ShapeOutcome::Continue | ShapeOutcome::Failed(_, OnFailure::Continue) => {}
                ShapeOutcome::Drop | ShapeOutcome::Failed(_, OnFailure::Drop) => return Hook::Done(Verdict::Drop),
            }
        }
        Hook::Done(Verdict::Continue)
    }
}

/// An exchange lent to a plugin.
struct Exchange<'s, 'a>(&'s mut ShapeReply<'a>);

impl ShapeExchange for Exchange<'_, '_> {
    fn meta(&self) -> ShapeMeta {
        let request = self.0.request;
        let giaddr = request.giaddr();
        ShapeMeta {
            address: self.0.address,
            relay: (!giaddr.is_unspecified()).then_some(giaddr),
            request_type: request.message_type().map_or(0, |m| m as u8),
            reply_type: self.0.message as u8,
            state: client_state(request, self.0.unicast),
            mac: request.hw_addr().mac().unwrap_or_default().0,
            xid: request.xid().0,
            session: self.0.session.map_or(0, |id| id.0),
            lease_seconds: self.0.lease_secs,
        }
    }

    fn group(&self) -> &str {
        self.0.group
    }

    fn interface_name(&self) -> &str {
        self.0.interface
    }

    fn raw_request_options(&self) -> Cow<'_, [u8]> {
        raw_options(self.0.request)
    }

    fn visit_request_options(&self, visit: &mut dyn FnMut(u16, &[u8])) {
        for (code, value) in self.0.request.options() {
            visit(u16::from(code.0), &value);
        }
    }

    fn visit_reply_options(&self, visit: &mut dyn FnMut(u16, &[u8])) {
        for (code, value) in self.0.reply_options() {
            visit(u16::from(code.0), value);
        }
    }

    fn check(&self, edits: &Edits) -> Result<(), EditRefused> {
        for edit in edits.iter() {
            let (Edit::Set(code, _) | Edit::Remove(code)) = edit;
            let code = u8::try_from(code).map_err(|_| EditRefused(Cow::Borrowed("no such DHCPv4 option")))?;
            edit_refusal(self.0.request, OptionCode(code)).map_err(|why| {
                EditRefused(Cow::Borrowed(match why {
                    EngineRefused::Forbidden => "the protocol owns this option",
                    EngineRefused::NotRequested => "the client did not ask for this option",
                    EngineRefused::TooLarge => "the options no longer fit",
                }))
            })?;
        }
        Ok(())
    }

    fn set_option(&mut self, code: u16, value: &[u8]) {
        if let Ok(code) = u8::try_from(code) {
            // `check` has judged the code; a reply that is full keeps what it has.
            let _ = self.0.set_option(OptionCode(code), value);
        }
    }

    fn remove_option(&mut self, code: u16) {
        if let Ok(code) = u8::try_from(code) {
            let _ = self.0.remove_option(OptionCode(code));
        }
    }
}

/// What the client is doing, as its request tells (RFC 2131 §4.3.2).
fn client_state(request: &Packet<'_>, unicast: bool) -> ClientState {
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
fn raw_options<'p>(request: &'p Packet<'_>) -> Cow<'p, [u8]> {
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
