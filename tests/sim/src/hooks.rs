//! Plugins that answer from the seed: edits, allowed or not, drops, late answers and none at all.

use crate::{
    clock::{Instant, MS},
    random::Random,
};
use bindery_engine::{
    config::PluginId,
    policy::{
        Disconnect, DisconnectVerdict, Exhausted, ExhaustedVerdict, ExtraRoute, Hook, Policy, PolicyAnswer,
        RouteChoice, RouteQuestion, ShapeReply, Verdict,
    },
};
use bindery_types::{Ipv4Addr, Now, SessionId};
use bindery_wire::v4::OptionCode;

/// The simulated chain of plugins.
#[derive(Debug)]
pub(crate) struct Hooks {
    random: Random,
    /// Whether they behave.
    pub(crate) calm: bool,
    drop_permille: u64,
    pending_permille: u64,
    /// Answers that come later, with their delay.
    pub(crate) later: Vec<(Instant, PolicyAnswer)>,
    /// What is said of every client that answers nothing; none: one or the other.
    abort: Option<ExhaustedVerdict>,
    /// What was said of those so far.
    pub(crate) aborted: Vec<(SessionId, ExhaustedVerdict)>,
}

const ABORTS: [ExhaustedVerdict; 3] = [ExhaustedVerdict::Restore, ExhaustedVerdict::Clear, ExhaustedVerdict::Defer];

/// Options that a plugin may not touch (design §5), with a value that would show.
const FORBIDDEN: [(u8, &[u8]); 9] = [
    (50, &[203, 0, 113, 9]),
    (51, &[0, 0, 0, 1]),
    (53, &[6]),
    (54, &[203, 0, 113, 254]),
    (57, &[2, 64]),
    (58, &[0xff, 0, 0, 0]),
    (61, b"nobody"),
    (82, b"\x01\x04evil"),
    (108, &[0, 0, 4, 0]),
];

impl Hooks {
    pub(crate) fn new(mut random: Random) -> Self {
        let drop_permille = random.pick(&[0, 0, 20, 150]);
        let pending_permille = random.pick(&[0, 150, 500]);
        let abort = random.chance(600).then(|| random.pick(&ABORTS));
        Self { random, calm: false, drop_permille, pending_permille, later: Vec::new(), abort, aborted: Vec::new() }
    }

    fn late_answer(&mut self, exchange: &ShapeReply<'_>) {
        // Never; in time; too late.
        if self.random.chance(150) {
            return;
        }
        let delay = self.random.range(1, 4_000) * MS;
        let verdict = if self.random.chance(50) { Verdict::Drop } else { Verdict::Continue };
        let mut edits = vec![(OptionCode(43), Some(vec![1, 2, 3]))];
        if self.random.chance(100) {
            let (code, value) = self.random.pick(&FORBIDDEN);
            edits.push((OptionCode(code), self.random.chance(700).then(|| value.to_vec())));
        }
        self.later.push((delay, PolicyAnswer { token: exchange.token, verdict, edits }));
    }
}

impl Policy for Hooks {
    fn shape_reply(&mut self, now: Now, _: &[PluginId], exchange: &mut ShapeReply<'_>) -> Hook {
        if self.calm {
            return Hook::Done(Verdict::Continue);
        }
        if self.random.chance(self.drop_permille) {
            return Hook::Done(Verdict::Drop);
        }
        if self.random.chance(self.pending_permille) {
            self.late_answer(exchange);
            let wait = self.random.range(200, 3_000);
            return Hook::Pending { deadline: now.mono.plus(std::time::Duration::from_millis(wait)) };
        }
        // What is refused stays as it was; the auditor looks at the reply.
        let _ = exchange.set_option(OptionCode(43), &[9, 9]);
        let (code, value) = self.random.pick(&FORBIDDEN);
        let _ = exchange.set_option(OptionCode(code), value);
        if self.random.chance(300) {
            let _ = exchange.remove_option(OptionCode(self.random.pick(&[3, 6, 51, 54, 61, 82])));
        }
        Hook::Done(Verdict::Continue)
    }

    fn reconfigure_exhausted(&mut self, _: Now, _: &[PluginId], question: &Exhausted<'_>) -> ExhaustedVerdict {
        let verdict = self.abort.unwrap_or_else(|| self.random.pick(&ABORTS));
        self.aborted.push((question.subject.session, verdict));
        verdict
    }

    /// Some clients have a network behind them, some of those the same one; which it is hangs on where they are.
    fn route(&mut self, _: Now, _: &[PluginId], question: &RouteQuestion<'_>, choice: &mut RouteChoice) {
        let client = question.subject.hw.as_bytes().last().copied().unwrap_or(0);
        let place = question.subject.interface.bytes().fold(client, u8::wrapping_add) % 12;
        choice.metric = Some(u32::from(client % 3)).filter(|metric| *metric != 0);
        let networks = [(client % 2 == 0).then_some(place), (client % 5 == 0).then_some(place + 1)];
        choice.extra = networks
            .into_iter()
            .flatten()
            .map(|third| ExtraRoute { network: Ipv4Addr::new(10, 200, third, 0), len: 24 })
            .collect();
    }

    fn disconnect(&mut self, _: Now, _: &[PluginId], _: &Disconnect<'_>) -> Option<DisconnectVerdict> {
        use DisconnectVerdict as V;
        self.random.pick(&[None, Some(V::Clear), Some(V::Reconfigure), Some(V::Reconfigure), Some(V::Ignore)])
    }
}
