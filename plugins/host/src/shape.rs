//! Stage `shape-reply` as its caller sees it.

use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::time::Instant;

use bindery_engine::policy::{Lookup, Stage};

use crate::edits::{Edit, Edits};
use crate::error::Failure;
use crate::plugin::{Failed, Live, Plugin};
use crate::spec::Outcome;
use crate::v4;
use crate::wit::shape::{Meta, Verdict, exchange};

/// What the client is doing (RFC 2131 §4.4); the same set as `client-state` in `wit/types@1.0.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientState {
    /// DHCPDISCOVER.
    Init,
    /// DHCPREQUEST that takes an offer.
    Selecting,
    /// DHCPREQUEST after a restart of the client.
    InitReboot,
    /// DHCPREQUEST by unicast, to the server that gave the lease.
    Renewing,
    /// DHCPREQUEST by broadcast, to any server.
    Rebinding,
    /// DHCPINFORM.
    Informing,
    /// None of these.
    Other,
}

/// The facts of an exchange that go to a plugin by value.
#[derive(Debug, Clone, Copy)]
pub struct ShapeMeta {
    /// Address that the reply gives (yiaddr); 0.0.0.0 if none.
    pub address: Ipv4Addr,
    /// Address of the relay agent (giaddr); none if it is 0.0.0.0.
    pub relay: Option<Ipv4Addr>,
    /// Option 53 of the request.
    pub request_type: u8,
    /// Option 53 of the reply.
    pub reply_type: u8,
    /// What the client is doing.
    pub state: ClientState,
    /// The client's Ethernet address; zero if it has none.
    pub mac: [u8; 6],
    /// Transaction identifier (xid).
    pub xid: u32,
    /// Identifier of the session; 0 if none.
    pub session: u64,
    /// Lease time in seconds; 0 if the reply gives no lease.
    pub lease_seconds: u32,
}

/// The reply cannot take the changes; the text says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EditRefused(pub Cow<'static, str>);

/// One request and its reply, lent to a plugin for one call.
///
/// The host reads all of it before the call and writes after it, so the guest never runs amid the caller's
/// data. Reading is cheap: a few hundred bytes into buffers that are used again.
pub trait ShapeExchange {
    /// The facts that go by value.
    fn meta(&self) -> ShapeMeta;

    /// Name of the client's group; empty if none.
    fn group(&self) -> &str;

    /// Name of the interface through which the request came.
    fn interface_name(&self) -> &str;

    /// The request's options field without the magic cookie, followed under option overload
    /// (RFC 2132 §9.3) by the `file` and `sname` fields that hold options.
    fn raw_request_options(&self) -> Cow<'_, [u8]>;

    /// Show each option of the request, without pad and end. A code that comes more than once is one option
    /// in parts (RFC 3396 §7).
    fn visit_request_options(&self, visit: &mut dyn FnMut(u16, &[u8]));

    /// Show each option of the reply, as it stands now.
    fn visit_reply_options(&self, visit: &mut dyn FnMut(u16, &[u8]));

    /// Whether the reply can take all these changes. After `Ok` they are all made, after an error none is.
    ///
    /// # Errors
    /// The reason; it counts as [`Failure::BadVerdict`].
    fn check(&self, edits: &Edits) -> Result<(), EditRefused> {
        let _ = edits;
        Ok(())
    }

    /// Set an option of the reply, in the place of any with this code. Never called for a code that
    /// [`is_forbidden`](crate::v4::is_forbidden).
    fn set_option(&mut self, code: u16, value: &[u8]);

    /// Remove an option of the reply if it is there. Never called for a forbidden code.
    fn remove_option(&mut self, code: u16);
}

impl Plugin {
    /// [`Plugin::shape_reply_among`] where no session can be looked up.
    pub fn shape_reply(&mut self, exchange: &mut dyn ShapeExchange) -> Outcome {
        self.shape_reply_among(exchange, Lookup::NONE)
    }

    /// Let the plugin shape a reply; it may look up `sessions` if that is granted. Two reads of the clock besides the
    /// call itself.
    ///
    /// The changes are made on `exchange` if the outcome is [`Outcome::Continue`], else none is. A plugin
    /// without this stage changes nothing.
    pub fn shape_reply_among(&mut self, exchange: &mut dyn ShapeExchange, sessions: Lookup<'_>) -> Outcome {
        if !self.stages().contains(Stage::ShapeReply) {
            return Outcome::Continue;
        }
        let verdict = self.timed(sessions, |live| shape(live, exchange));
        self.outcome(verdict.map(|verdict| verdict == Verdict::Continue))
    }

    /// [`Plugin::shape_reply`] at the time `now` for the breaker, without measuring.
    pub fn shape_reply_at(&mut self, exchange: &mut dyn ShapeExchange, now: Instant) -> Outcome {
        if !self.stages().contains(Stage::ShapeReply) {
            return Outcome::Continue;
        }
        let verdict = self.guarded(now, Instant::now(), |live| shape(live, exchange));
        self.outcome(verdict.map(|verdict| verdict == Verdict::Continue))
    }
}

fn shape(live: &mut Live, lent: &mut dyn ShapeExchange) -> Result<Verdict, Failed> {
    let meta = lent.meta();
    let state = live.store.data_mut();
    state.view.fill(lent, meta.relay);
    state.edits.clear();
    let (verdict,) = live.hooks.shape.call(&mut live.store, (Meta::from(&meta), exchange()))?;
    let state = live.store.data_mut();
    if let Some(code) = state.edits.forbidden() {
        return Err(Failed::new(Failure::BadVerdict, format!("option {code} may not be changed by a plugin")));
    }
    if verdict == Verdict::Continue {
        if !state.view.asked_for(v4::IPV6_ONLY_PREFERRED) {
            state.edits.leave_out(v4::IPV6_ONLY_PREFERRED);
        }
        apply(&state.edits, lent)?;
    }
    Ok(verdict)
}

/// Make the changes, all or none.
fn apply(edits: &Edits, exchange: &mut dyn ShapeExchange) -> Result<(), Failed> {
    if edits.is_empty() {
        return Ok(());
    }
    exchange.check(edits).map_err(|refused| Failed::new(Failure::BadVerdict, refused.0))?;
    for edit in edits.iter() {
        match edit {
            Edit::Set(code, value) => exchange.set_option(code, value),
            Edit::Remove(code) => exchange.remove_option(code),
        }
    }
    Ok(())
}
