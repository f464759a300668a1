//! The engine's hook stages, answered by the plugin host.

use bindery_engine::{
    config::PluginId,
    policy::{
        Admit, Authorize, Disconnect, DisconnectVerdict, EditRefused as EngineRefused, Exhausted, ExhaustedVerdict,
        Hook, Leasequery, LeasequeryVerdict, Policy, RouteChoice, RouteQuestion, SelectAddress, ShapeReply, Verdict,
        edit_refusal,
    },
};
use bindery_plugin_host::{
    Edit, EditRefused, Edits, OnFailure, Outcome, Plugin, PluginStats, ShapeExchange, ShapeMeta, client_state,
    raw_options,
};
use bindery_types::Now;
use bindery_wire::v4::OptionCode;
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

    /// Asks each plugin of a chain on the packet's way, in order, until one drops.
    fn ask(&mut self, chain: &[PluginId], mut call: impl FnMut(&mut Plugin) -> Outcome) -> Hook {
        for id in chain {
            // The configuration binds only plugins that it has.
            let Some(plugin) = self.0.get_mut(usize::from(id.0)) else { continue };
            match call(plugin) {
                Outcome::Continue | Outcome::Failed(_, OnFailure::Continue) => {}
                Outcome::Drop | Outcome::Failed(_, OnFailure::Drop) => return Hook::Done(Verdict::Drop),
            }
        }
        Hook::Done(Verdict::Continue)
    }

    /// What the first plugin of a chain says that says anything.
    fn first<T>(&mut self, chain: &[PluginId], mut call: impl FnMut(&mut Plugin) -> Option<T>) -> Option<T> {
        chain.iter().find_map(|id| self.0.get_mut(usize::from(id.0)).and_then(&mut call))
    }
}

impl Policy for Plugins {
    fn shape_reply(&mut self, _: Now, chain: &[PluginId], stage: &mut ShapeReply<'_>) -> Hook {
        self.ask(chain, |plugin| plugin.shape_reply(&mut Exchange(stage)))
    }

    fn admit(&mut self, _: Now, chain: &[PluginId], question: &mut Admit<'_>) -> Hook {
        self.ask(chain, |plugin| plugin.admit(question))
    }

    fn authorize(&mut self, _: Now, chain: &[PluginId], question: &mut Authorize<'_>) -> Hook {
        self.ask(chain, |plugin| plugin.authorize(question))
    }

    fn select_address(&mut self, _: Now, chain: &[PluginId], question: &mut SelectAddress<'_>) -> Hook {
        self.ask(chain, |plugin| plugin.select_address(question))
    }

    fn disconnect(&mut self, _: Now, chain: &[PluginId], question: &Disconnect<'_>) -> Option<DisconnectVerdict> {
        // A failure passes to the next.
        self.first(chain, |plugin| plugin.disconnect(question).unwrap_or_default())
    }

    fn reconfigure_exhausted(&mut self, _: Now, chain: &[PluginId], question: &Exhausted<'_>) -> ExhaustedVerdict {
        let decided = self.first(chain, |plugin| match plugin.reconfigure_exhausted(question) {
            Ok(verdict) => verdict,
            Err(_) => Some(ExhaustedVerdict::Restore),
        });
        decided.unwrap_or(ExhaustedVerdict::Restore)
    }

    fn leasequery(&mut self, _: Now, chain: &[PluginId], question: &Leasequery<'_>) -> LeasequeryVerdict {
        let refused = self.first(chain, |plugin| match plugin.leasequery(question) {
            Ok(LeasequeryVerdict::Answer) => None,
            Ok(LeasequeryVerdict::Refuse) | Err(_) => Some(LeasequeryVerdict::Refuse),
        });
        refused.unwrap_or(LeasequeryVerdict::Answer)
    }

    fn route(&mut self, _: Now, chain: &[PluginId], question: &RouteQuestion<'_>, choice: &mut RouteChoice) {
        for id in chain {
            let Some(plugin) = self.0.get_mut(usize::from(id.0)) else { continue };
            // One that failed has chosen nothing, and its counters tell.
            let _ = plugin.route(question, choice);
        }
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
