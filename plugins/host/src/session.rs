//! The stages about a session: `disconnect`, `reconfigure-exhausted`, `leasequery`, `route`, `session-events`.

use std::net::{IpAddr, Ipv4Addr};

use bindery_engine::policy::{
    Disconnect, DisconnectVerdict, EXTRA_ROUTES_MAX, Exhausted, ExhaustedVerdict, ExtraRoute, Leasequery,
    LeasequeryVerdict, RouteChoice, RouteQuestion, Stage, Subject,
};
use bindery_types::Prefix4;

use crate::error::Failure;
use crate::plugin::{Failed, Live, Plugin};
use crate::wit::session as wit;

/// What happened to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// It is bound now.
    Bound,
    /// Its lease was extended.
    Renewed,
    /// Its client gave the address back.
    Released,
    /// Its lease ran out.
    Expired,
    /// It was ended by us.
    Cleared,
}

/// What the guest can ask of a session: a copy in buffers that are used again, as [`View`](crate::view::View) is.
#[derive(Debug, Default)]
pub(crate) struct SessionView {
    pub(crate) group: String,
    pub(crate) interface: String,
    pub(crate) pool: String,
    pub(crate) relay: Option<Ipv4Addr>,
    pub(crate) client_id: Vec<u8>,
    pub(crate) relay_info: Vec<u8>,
    pub(crate) vendor_class: Vec<u8>,
}

impl SessionView {
    fn fill(&mut self, subject: &Subject<'_>) {
        let text = |to: &mut String, from: &str| {
            to.clear();
            to.push_str(from);
        };
        text(&mut self.group, subject.group);
        text(&mut self.interface, subject.interface);
        text(&mut self.pool, subject.pool);
        self.relay = Some(subject.giaddr).filter(|giaddr| !giaddr.is_unspecified());
        let bytes = |to: &mut Vec<u8>, from: &[u8]| {
            to.clear();
            to.extend_from_slice(from);
        };
        bytes(&mut self.client_id, subject.client_id);
        bytes(&mut self.relay_info, subject.relay_info);
        bytes(&mut self.vendor_class, subject.vendor_class);
    }
}

impl Plugin {
    /// What the plugin makes of a RADIUS request; `None` passes it to the next plugin, as one without this stage
    /// does.
    ///
    /// # Errors
    /// The plugin failed: pass to the next.
    pub fn disconnect(&mut self, question: &Disconnect<'_>) -> Result<Option<DisconnectVerdict>, Failure> {
        if !self.stages().contains(Stage::Disconnect) {
            return Ok(None);
        }
        let verdict = self.timed(question.subject.sessions, |live| {
            let facts = lend(live, &question.subject);
            let request = wit::DisconnectRequest {
                cause: question.cause.into(),
                can_reconfigure: question.can_reconfigure,
                attributes: question.attributes.iter().map(crate::wit::Attribute::from).collect(),
            };
            live.hooks.disconnect.call(&mut live.store, (facts, wit::session(), request))
        });
        Ok(match verdict?.0 {
            wit::DisconnectVerdict::Pass => None,
            wit::DisconnectVerdict::Clear => Some(DisconnectVerdict::Clear),
            wit::DisconnectVerdict::Reconfigure => Some(DisconnectVerdict::Reconfigure),
            wit::DisconnectVerdict::Ignore => Some(DisconnectVerdict::Ignore),
        })
    }

    /// What becomes of a client that answered no attempt; `None` passes it to the next plugin, as one without this
    /// stage does.
    ///
    /// # Errors
    /// The plugin failed: the client stays as it was.
    pub fn reconfigure_exhausted(&mut self, question: &Exhausted<'_>) -> Result<Option<ExhaustedVerdict>, Failure> {
        if !self.stages().contains(Stage::ReconfigureExhausted) {
            return Ok(None);
        }
        let verdict = self.timed(question.subject.sessions, |live| {
            let facts = lend(live, &question.subject);
            let params = (facts, wit::session(), question.attempts, question.has_nonce);
            live.hooks.exhausted.call(&mut live.store, params)
        });
        Ok(match verdict?.0 {
            wit::ExhaustedVerdict::Pass => None,
            wit::ExhaustedVerdict::Restore => Some(ExhaustedVerdict::Restore),
            wit::ExhaustedVerdict::Clear => Some(ExhaustedVerdict::Clear),
            wit::ExhaustedVerdict::Defer => Some(ExhaustedVerdict::Defer),
        })
    }

    /// Whether a requestor may be told of a binding; a plugin without this stage has nothing against it.
    ///
    /// # Errors
    /// The plugin failed: the requestor is not told.
    pub fn leasequery(&mut self, question: &Leasequery<'_>) -> Result<LeasequeryVerdict, Failure> {
        if !self.stages().contains(Stage::Leasequery) {
            return Ok(LeasequeryVerdict::Answer);
        }
        let verdict = self.timed(question.subject.sessions, |live| {
            let facts = lend(live, &question.subject);
            let query = wit::Query {
                requestor: IpAddr::V4(question.requestor).into(),
                source: IpAddr::V4(question.source).into(),
                key: question.key.into(),
            };
            live.hooks.leasequery.call(&mut live.store, (facts, wit::session(), query))
        });
        Ok(match verdict?.0 {
            wit::LeasequeryVerdict::Answer => LeasequeryVerdict::Answer,
            wit::LeasequeryVerdict::Refuse => LeasequeryVerdict::Refuse,
        })
    }

    /// Let the plugin choose for the routes of a new binding; `choice` has what earlier plugins chose. A plugin
    /// without this stage changes nothing.
    ///
    /// # Errors
    /// The plugin failed; `choice` is as it was.
    pub fn route(&mut self, question: &RouteQuestion<'_>, choice: &mut RouteChoice) -> Result<(), Failure> {
        if !self.stages().contains(Stage::Route) {
            return Ok(());
        }
        self.timed(question.subject.sessions, |live| {
            let facts = lend(live, &question.subject);
            let (chosen,) = live.hooks.route.call(&mut live.store, (facts, wit::session()))?;
            chosen.map_or(Ok(()), |chosen| merge(&chosen, choice))
        })
    }

    /// Tell the plugin what happened to a session. A plugin without this stage is told nothing.
    ///
    /// # Errors
    /// The plugin failed.
    pub fn observe(&mut self, event: Event, subject: &Subject<'_>) -> Result<(), Failure> {
        if !self.stages().contains(Stage::SessionEvents) {
            return Ok(());
        }
        self.timed(subject.sessions, |live| {
            let facts = lend(live, subject);
            live.hooks.observe.call(&mut live.store, (event.into(), facts, wit::session()))
        })
    }
}

/// Copy the session to where the guest can ask for it.
fn lend(live: &mut Live, subject: &Subject<'_>) -> wit::Facts {
    live.store.data_mut().session.fill(subject);
    subject.into()
}

/// Judge what a plugin chose for the routes, and add it to `to`: all or nothing.
fn merge(chosen: &wit::RouteChoice, to: &mut RouteChoice) -> Result<(), Failed> {
    if chosen.table == Some(0) {
        return Err(Failed::new(Failure::BadVerdict, "table 0 is none"));
    }
    if to.extra.len() + chosen.extra.len() > EXTRA_ROUTES_MAX {
        let detail = format!("more than {EXTRA_ROUTES_MAX} extra routes for one session");
        return Err(Failed::new(Failure::Output, detail));
    }
    let mut extra = to.extra.clone();
    for prefix in &chosen.extra {
        let network = prefix.address.v4()?;
        if Prefix4::containing(network, prefix.length).is_none_or(|whole| whole.address() != network) {
            let detail = format!("{network}/{} is no prefix", prefix.length);
            return Err(Failed::new(Failure::BadVerdict, detail));
        }
        extra.push(ExtraRoute { network, len: prefix.length });
    }
    to.metric = chosen.metric.or(to.metric);
    to.table = chosen.table.or(to.table);
    to.tag = chosen.tag.or(to.tag);
    to.extra = extra;
    Ok(())
}
