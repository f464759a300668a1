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

#[cfg(test)]
mod tests {
    use super::*;
    use bindery_engine::policy::{DisconnectCause, ExtraRoute, QueryKey, Stage, Steer, Subject, Token, Verdict};
    use bindery_plugin_host::{Host, HostConfig, PluginSpec, Setting, Source, Stages};
    use bindery_types::{HwAddr, Ipv4Addr, MacAddr, SessionId};
    use bindery_wire::v4::{MessageBuilder, MessageType, Packet, ParseRules};

    fn now() -> Now {
        crate::clock::now()
    }

    /// Plugins of the fixture of all stages, one for each word; none if guests have not been built.
    fn plugins(words: &[&str]) -> Option<Plugins> {
        let Some(dir) = std::env::var_os("BINDERY_GUESTS") else {
            println!("SKIP policy chains: BINDERY_GUESTS names no directory of built guests");
            return None;
        };
        let file = std::path::PathBuf::from(dir).join("fixture-stages.wasm");
        let host = Host::new(HostConfig::default()).unwrap();
        let load = |word: &&str| {
            let (word, on_failure) = match word.strip_suffix("-or-drop") {
                Some(word) => (word, OnFailure::Drop),
                None => (*word, OnFailure::Continue),
            };
            let mut spec = PluginSpec::new(word, Source::File(file.clone()));
            spec.stages =
                Stage::ALL.into_iter().filter(|stage| *stage != Stage::ShapeReply).fold(Stages::NONE, Stages::with);
            spec.on_failure = on_failure;
            spec.settings = vec![Setting { name: "answer".into(), arguments: vec![word.into()], ..Setting::default() }];
            host.load(&spec).unwrap()
        };
        Some(Plugins::new(words.iter().map(load).collect()))
    }

    /// The whole chain in configuration order.
    fn chain(plugins: &Plugins) -> Vec<PluginId> {
        (0_u16..).take(plugins.0.len()).map(PluginId).collect()
    }

    fn subject() -> Subject<'static> {
        Subject {
            session: SessionId(7),
            address: Ipv4Addr::new(192, 0, 2, 10),
            hw: HwAddr::from(MacAddr([2, 0, 0, 0, 0, 7])),
            group: "g",
            interface: "eth0",
            pool: "p",
            giaddr: Ipv4Addr::UNSPECIFIED,
            client_id: &[],
            relay_info: &[],
            vendor_class: &[],
        }
    }

    /// The verdict of a chain of stage `admit`, with what it chose.
    fn admit(words: &[&str]) -> Option<(Hook, Steer)> {
        let mut plugins = plugins(words)?;
        let chain = chain(&plugins);
        let bytes = MessageBuilder::new(MessageType::Discover, MacAddr([2, 0, 0, 0, 0, 7])).build();
        let request = Packet::parse(&bytes, ParseRules::default()).unwrap();
        let mut question = Admit {
            request: &request,
            unicast: false,
            group: "g",
            interface: "eth0",
            token: Token { engine: 0, slot: 0, generation: 0 },
            steer: Steer::default(),
        };
        let hook = plugins.admit(now(), &chain, &mut question);
        Some((hook, question.steer))
    }

    #[test]
    fn a_chain_on_the_packets_way_goes_on_until_one_drops() {
        let Some((hook, steer)) = admit(&["first", "trap", "second", "nothing"]) else { return };
        assert_eq!(hook, Hook::Done(Verdict::Continue));
        assert_eq!((steer.group.as_deref(), steer.class.as_deref()), (Some("second"), Some("gold")));
        for words in [&["first", "drop", "second"], &["first", "trap-or-drop", "second"]] {
            let (hook, steer) = admit(words).unwrap();
            assert_eq!((hook, steer.group.as_deref()), (Hook::Done(Verdict::Drop), Some("first")), "{words:?}");
        }
    }

    #[test]
    fn the_first_that_does_not_pass_decides() {
        let cause = DisconnectCause::Disconnect;
        let disconnect = Disconnect { subject: subject(), cause, can_reconfigure: true, attributes: &[] };
        let exhausted = Exhausted { subject: subject(), attempts: 8, has_nonce: false };
        for (words, ended, becomes) in [
            (&["nothing", "nothing"][..], None, ExhaustedVerdict::Restore),
            (&["nothing", "second", "first"], Some(DisconnectVerdict::Ignore), ExhaustedVerdict::Defer),
            (&["first", "second"], Some(DisconnectVerdict::Clear), ExhaustedVerdict::Clear),
            // A failure passes a RADIUS request on, but leaves a client as it was.
            (&["trap", "second"], Some(DisconnectVerdict::Ignore), ExhaustedVerdict::Restore),
        ] {
            let Some(mut plugins) = plugins(words) else { return };
            let chain = chain(&plugins);
            assert_eq!(plugins.disconnect(now(), &chain, &disconnect), ended, "{words:?}");
            assert_eq!(plugins.reconfigure_exhausted(now(), &chain, &exhausted), becomes, "{words:?}");
        }
    }

    #[test]
    fn one_that_refuses_or_fails_keeps_a_binding_secret() {
        let relay = Ipv4Addr::new(192, 0, 2, 1);
        let question = Leasequery { subject: subject(), requestor: relay, source: relay, key: QueryKey::Address };
        for (words, verdict) in [
            (&["nothing", "first"][..], LeasequeryVerdict::Answer),
            (&["nothing", "second", "first"], LeasequeryVerdict::Refuse),
            (&["nothing", "trap"], LeasequeryVerdict::Refuse),
        ] {
            let Some(mut plugins) = plugins(words) else { return };
            let chain = chain(&plugins);
            assert_eq!(plugins.leasequery(now(), &chain, &question), verdict, "{words:?}");
        }
    }

    #[test]
    fn a_later_route_choice_overrides_and_a_failed_one_is_none() {
        let Some(mut plugins) = plugins(&["first", "second", "bad", "trap"]) else { return };
        let chain = chain(&plugins);
        let mut choice = RouteChoice::default();
        plugins.route(now(), &chain, &RouteQuestion { subject: subject() }, &mut choice);
        let extra = |third| ExtraRoute { network: Ipv4Addr::new(10, 0, third, 0), len: 24 };
        let wanted = RouteChoice { metric: Some(2), table: Some(100), tag: None, extra: vec![extra(0), extra(1)] };
        assert_eq!(choice, wanted);
    }
}
