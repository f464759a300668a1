//! `delay-offer` and `minimum-wait-time`: DISCOVERs that have to wait.

use super::{Outcome, Request, bootp, client_id, steer::Admission};
use crate::{
    Engine,
    classify::{Class, client_key},
    engine::Turn,
    event::DropReason,
    policy::Policy,
};
use alloc::sync::Arc;
use bindery_wire::v4::MessageType;
use core::time::Duration;

/// Most that are taken up in one turn; the next turn follows at once.
const DUE_MAX: usize = 256;

impl Engine {
    /// Whether a DISCOVER is held back from now on. A REQUEST of a client, whatever it says, withdraws the one that is
    /// held back: the client has found a server (RFC 2131 §3.1 step 3).
    ///
    /// # Errors
    /// Too many are held back.
    pub(super) fn holds_back4(&mut self, request: &Request<'_>) -> Result<bool, DropReason> {
        let packet = request.packet;
        match packet.message_type() {
            Some(MessageType::Discover) => {}
            Some(MessageType::Request) if self.delays.len() > 0 => {
                let id = client_id(packet);
                self.delays.withdraw(self.instance_of(&request.meta), &client_key(packet, Some(&id)));
                return Ok(false);
            }
            _ => return Ok(false),
        }
        let served = self.links.get(request.meta.link).and_then(|link| link.served);
        let overrides = served.and_then(|served| served.overrides(request.config));
        let Some(delay) = overrides.and_then(|o| o.delay_offer.as_deref()).filter(|delay| delay.holds(packet)) else {
            return Ok(false);
        };
        let due = request.turn.now.mono.plus(Duration::from_secs(u64::from(delay.secs)));
        let id = client_id(packet);
        let client = (self.instance_of(&request.meta), &client_key(packet, Some(&id)));
        let first = self.delays.hold(client, due, request.meta, packet.bytes()).ok_or(DropReason::Overload)?;
        self.counters.offer_delay.total += u64::from(first);
        if first { Ok(true) } else { Err(DropReason::Duplicate) }
    }

    /// Takes the DISCOVERs up whose time is over.
    pub(crate) fn take_up_delayed(&mut self, turn: Turn, policy: &mut dyn Policy) {
        for _ in 0..DUE_MAX {
            let Some(delayed) = self.delays.take_due(turn.now.mono) else { return };
            self.counters.offer_delay.delayed += 1;
            let config = Arc::clone(&self.config);
            self.begin_exchange(&delayed.meta);
            let outcome = match bootp::parse_again(&delayed.bytes) {
                Ok(packet) => {
                    self.know_packet(&packet);
                    let (meta, admission) = (delayed.meta, Admission::default());
                    let request = Request { packet: &packet, meta, turn, config: &config, admission, grant: None };
                    self.dispatch4(request, policy)
                }
                Err(error) => Err(DropReason::from(&error)),
            };
            if let Err(reason) = outcome {
                self.dropped_by(reason, policy.decider());
            }
        }
    }

    /// `minimum-wait-time`: whether the client has waited long enough by its own word (RFC 2131 §2, RFC 1542 §3.2).
    ///
    /// # Errors
    /// It has not.
    pub(super) fn waits_enough4(&self, request: &Request<'_>, class: &Class) -> Outcome {
        let least = class.served.overrides(request.config).map_or(0, |overrides| overrides.minimum_wait_secs);
        if request.packet.secs() < least { Err(DropReason::WaitTime) } else { Ok(()) }
    }
}
