//! Hook stages: synchronous calls out of the engine (design §3).
//!
//! The engine calls only the stages that the group has bound. A verdict is untrusted input: edits pass
//! [`edit_refusal`] whoever made them.

mod lookup;
mod session;
mod shape_reply;
mod steer;

pub use lookup::{FOUND_MAX, Found, Lookup};
pub use session::{
    Attribute, Disconnect, DisconnectCause, DisconnectVerdict, EXTRA_ROUTES_MAX, Exhausted, ExhaustedVerdict,
    ExtraRoute, Leasequery, LeasequeryVerdict, QueryKey, RouteChoice, RouteQuestion, Subject,
};
pub use shape_reply::{EditRefused, ShapeReply, edit_refusal};
pub use steer::{Admit, Authorize, Phase, SelectAddress, Steer};

use crate::config::PluginId;
use alloc::vec::Vec;
use bindery_types::{Mono, Now};
use bindery_wire::v4::OptionCode;

/// Runs the plugins of a stage. Implemented by the daemon (WASM, native, built-in) and by the simulator.
///
/// `chain` is never empty. A stage that an implementation does not have answers as if no plugin were bound.
pub trait Policy {
    /// `shape-reply`: the chain edits the options of a reply that is about to be sent.
    fn shape_reply(&mut self, now: Now, chain: &[PluginId], exchange: &mut ShapeReply<'_>) -> Hook;

    /// `admit`: a request is seen. The chain may drop it, or choose group, pool or class.
    fn admit(&mut self, _now: Now, _chain: &[PluginId], _exchange: &mut Admit<'_>) -> Hook {
        Hook::Done(Verdict::Continue)
    }

    /// `authorize`: a newcomer, before RADIUS is asked and after it has answered.
    fn authorize(&mut self, _now: Now, _chain: &[PluginId], _exchange: &mut Authorize<'_>) -> Hook {
        Hook::Done(Verdict::Continue)
    }

    /// `select-address`: a newcomer is about to get an address.
    fn select_address(&mut self, _now: Now, _chain: &[PluginId], _exchange: &mut SelectAddress<'_>) -> Hook {
        Hook::Done(Verdict::Continue)
    }

    /// `disconnect`: RADIUS asks to end or change a session. The first plugin that does not pass decides; `None` when
    /// all pass: the default holds.
    fn disconnect(&mut self, _now: Now, _chain: &[PluginId], _question: &Disconnect<'_>) -> Option<DisconnectVerdict> {
        None
    }

    /// `reconfigure-exhausted`: a client has not answered any attempt. The first plugin that does not pass decides.
    /// A failure is [`ExhaustedVerdict::Restore`].
    fn reconfigure_exhausted(&mut self, _now: Now, _chain: &[PluginId], _question: &Exhausted<'_>) -> ExhaustedVerdict {
        ExhaustedVerdict::Restore
    }

    /// `leasequery`: may this requestor be told of this binding? One plugin that refuses is enough; so is a failure.
    fn leasequery(&mut self, _now: Now, _chain: &[PluginId], _question: &Leasequery<'_>) -> LeasequeryVerdict {
        LeasequeryVerdict::Answer
    }

    /// `route`: metric, table, tag and extra routes of a new binding, and of one whose client, interface or group
    /// changed. `choice` is what the authority has granted; a later plugin overrides an earlier one. What it becomes is
    /// kept with the session.
    fn route(&mut self, _now: Now, _chain: &[PluginId], _question: &RouteQuestion<'_>, _choice: &mut RouteChoice) {}

    /// Name of the plugin that dropped a packet last, for the history; empty where that is not known.
    fn decider(&self) -> &str {
        ""
    }
}

/// A point on a packet's way, or in a session's life, at which plugins are asked (design §5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Stage {
    /// A request was seen.
    Admit = 0,
    /// Before and after RADIUS.
    Authorize = 1,
    /// A newcomer gets an address.
    SelectAddress = 2,
    /// The options of a reply.
    ShapeReply = 3,
    /// RADIUS asks to end or change a session.
    Disconnect = 4,
    /// A client answered no FORCERENEW.
    ReconfigureExhausted = 5,
    /// A requestor asks about a binding.
    Leasequery = 6,
    /// The routes of a binding.
    Route = 7,
    /// Observes what happens to sessions; delays nobody.
    SessionEvents = 8,
}

impl Stage {
    /// All of them, by number.
    pub const ALL: [Self; 9] = [
        Self::Admit,
        Self::Authorize,
        Self::SelectAddress,
        Self::ShapeReply,
        Self::Disconnect,
        Self::ReconfigureExhausted,
        Self::Leasequery,
        Self::Route,
        Self::SessionEvents,
    ];

    /// The stage's name in the configuration and in its WIT package.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Authorize => "authorize",
            Self::SelectAddress => "select-address",
            Self::ShapeReply => "shape-reply",
            Self::Disconnect => "disconnect",
            Self::ReconfigureExhausted => "reconfigure-exhausted",
            Self::Leasequery => "leasequery",
            Self::Route => "route",
            Self::SessionEvents => "session-events",
        }
    }
}

/// A policy without plugins.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoPolicy;

impl Policy for NoPolicy {
    fn shape_reply(&mut self, _: Now, _: &[PluginId], _: &mut ShapeReply<'_>) -> Hook {
        Hook::Done(Verdict::Continue)
    }
}

/// What a stage answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hook {
    /// The verdict of the whole chain.
    Done(Verdict),
    /// The answer comes later as `Input::PolicyDone` with [`ShapeReply::token`]; at `deadline` the exchange ends
    /// in silence.
    Pending {
        /// Monotonic time.
        deadline: Mono,
    },
}

/// Whether the exchange goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Go on with the edits made.
    Continue,
    /// Send nothing: silence, never a NAK.
    Drop,
}

/// Names a parked exchange; a token is never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Token {
    /// Which engine ([`bindery_types::EngineId`]).
    pub engine: u8,
    /// Slot among the parked exchanges.
    pub slot: u32,
    /// Use of that slot.
    pub generation: u32,
}

/// The late answer of a `Pending` stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyAnswer {
    /// The exchange.
    pub token: Token,
    /// The verdict.
    pub verdict: Verdict,
    /// Option edits in order: `None` removes.
    pub edits: Vec<(OptionCode, Option<Vec<u8>>)>,
}
