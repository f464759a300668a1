//! One plugin: a long-lived instance, its limits, and what it has done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bindery_engine::policy::Lookup;
use wasmtime::component::InstancePre;
use wasmtime::{Store, Trap};

use crate::breaker::{Breaker, BreakerState};
use crate::budget::{Budget, CALL_MIN, Slow};
use crate::deadline::{Meter, ticks};
use crate::edits::Edits;
use crate::error::{Failure, LoadReason};
use crate::grants::Used;
use crate::hooks::{Hooks, Indexes};
use crate::host::Origin;
use crate::limits::Limits;
use crate::lookup;
use crate::requests::Requests;
use crate::session::SessionView;
use crate::spec::{OnFailure, Outcome, PluginSpec, Stages};
use crate::stats::{Latency, PluginStats};
use crate::ticker::Ticker;
use crate::view::View;
use crate::wit::{self, OutputExceeded, State};

/// Longest text of a guest or of the engine that is kept, in characters.
const TEXT_MAX: usize = 400;
/// How the engine says that a guest wants more copied than [`COPIED_MAX`]; it has no type for that.
const COPY_REFUSED: &str = "fuel allocated for hostcalls";
/// Most bytes that the host copies out of a guest in one answer or call, on top of the output limit.
const COPIED_MAX: usize = 64 << 10;

/// A loaded plugin. It belongs to one thread at a time; each thread that wants it loads its own.
pub struct Plugin {
    name: String,
    hash: [u8; 32],
    origin: Origin,
    stages: Stages,
    on_failure: OnFailure,
    settings: Vec<wit::Setting>,
    /// Its grants and what it did by them, while there is no instance to hold them.
    used: Used,
    requests: Option<Arc<Requests>>,
    session_lookup: bool,
    memory_max: usize,
    output_max: usize,
    deadline: Duration,
    /// Most time of a start; after the first start, what it took with room to spare.
    start_deadline: Duration,
    meter: Meter,
    pre: InstancePre<State>,
    indexes: Indexes,
    live: Option<Live>,
    breaker: Breaker,
    budget: Budget,
    slow: Option<Slow>,
    counts: Counts,
    latency: Latency,
    ticker: Arc<Ticker>,
}

/// An instance that can be called.
pub(crate) struct Live {
    pub(crate) store: Store<State>,
    pub(crate) hooks: Hooks,
}

#[derive(Default)]
struct Counts {
    calls: u64,
    drops: u64,
    failures: [u64; Failure::ALL.len()],
    restarts: u64,
    last_failure: String,
}

/// A failure with what was said of it.
pub(crate) struct Failed {
    failure: Failure,
    detail: String,
    /// Whether the instance can no longer be used.
    fatal: bool,
}

/// Why an instance could not be started.
enum StartError {
    Failed(Failed),
    Mismatch(String),
    Settings(wit::SettingError),
}

impl Plugin {
    pub(crate) fn new(
        spec: &PluginSpec,
        pre: InstancePre<State>,
        stages: Stages,
        hash: [u8; 32],
        origin: Origin,
        ticker: Arc<Ticker>,
        start_deadline: Duration,
    ) -> Plugin {
        let used = Used::new(spec.grants.clone(), &spec.name);
        Plugin {
            name: spec.name.clone(),
            hash,
            origin,
            stages,
            on_failure: spec.on_failure,
            settings: spec.settings.iter().map(wit::Setting::from).collect(),
            requests: used.requests().cloned(),
            session_lookup: spec.grants.session_lookup,
            used,
            memory_max: spec.memory_max_bytes,
            output_max: spec.output_max_bytes,
            deadline: spec.deadline,
            start_deadline,
            meter: Meter::default(),
            indexes: Indexes::find(&pre),
            pre,
            live: None,
            breaker: Breaker::default(),
            budget: Budget::default(),
            slow: None,
            counts: Counts::default(),
            latency: Latency::new(),
            ticker,
        }
    }

    /// Start the first instance, whose failure is an error of the configuration.
    pub(crate) fn start_first(&mut self) -> Result<(), LoadReason> {
        self.indexes.check(self.stages)?;
        if self.indexes.configure.is_none() && !self.settings.is_empty() {
            let message = "the plugin takes none: remove them".into();
            return Err(LoadReason::Settings { setting: None, message });
        }
        let started = Instant::now();
        match self.start() {
            Ok(live) => self.live = Some(live),
            Err(StartError::Mismatch(detail)) => return Err(LoadReason::Mismatch(detail)),
            Err(StartError::Settings(error)) => {
                let setting = error.setting.and_then(|index| usize::try_from(index).ok());
                let setting = setting.filter(|index| *index < self.settings.len());
                return Err(LoadReason::Settings { setting, message: one_line(&error.message) });
            }
            Err(StartError::Failed(failed)) => {
                return Err(LoadReason::Start { failure: failed.failure, detail: failed.detail });
            }
        }
        // A restart holds up the packet thread. It may take what this start took, with room to spare for a busy
        // moment, but never as long as a first start may.
        let usual = started.elapsed().saturating_mul(4).max(self.deadline);
        self.start_deadline = self.start_deadline.min(usual);
        Ok(())
    }

    /// The plugin's name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the component file.
    #[must_use]
    pub const fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Where the machine code came from.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The stages that the component exports.
    #[must_use]
    pub const fn stages(&self) -> Stages {
        self.stages
    }

    /// The counters. Whether the breaker is open is told as of now.
    #[must_use]
    pub fn stats(&self) -> PluginStats {
        self.stats_at(Instant::now())
    }

    /// [`Plugin::stats`], with the breaker as of `now`.
    #[must_use]
    pub fn stats_at(&self, now: Instant) -> PluginStats {
        PluginStats {
            calls: self.counts.calls,
            drops: self.counts.drops,
            failures: self.counts.failures,
            restarts: self.counts.restarts,
            last_failure: self.counts.last_failure.clone(),
            counters: self.live.as_ref().map_or(&self.used, |live| &live.store.data().used).counters().clone(),
            breaker: self.breaker.state(now),
            memory_bytes: self.live.as_ref().map_or(0, |live| live.store.data().limits.memory()),
            time_total: self.latency.total(),
            time_p50: self.latency.percentile(50),
            time_p99: self.latency.percentile(99),
        }
    }

    /// The reconfigurations that the plugin asks for; none without that grant. They are taken from here, wherever the
    /// plugin runs.
    #[must_use]
    pub const fn requests(&self) -> Option<&Arc<Requests>> {
        self.requests.as_ref()
    }

    /// [`Plugin::guarded`] as of now, its time taken. The plugin may look up `sessions` if that is granted.
    pub(crate) fn timed<T>(
        &mut self,
        sessions: Lookup<'_>,
        call: impl FnOnce(&mut Live) -> Result<T, Failed>,
    ) -> Result<T, Failure> {
        let started = Instant::now();
        let answer = if self.session_lookup {
            lookup::lend(sessions, || self.guarded(started, started, call))
        } else {
            self.guarded(started, started, call)
        };
        if !matches!(answer, Err(Failure::BreakerOpen)) {
            let ended = Instant::now();
            let took = ended.saturating_duration_since(started);
            self.latency.record(took);
            if took >= CALL_MIN && self.budget.charge(ended, self.meter.processor_part(took)) {
                self.slow.get_or_insert(Slow::Budget);
            }
        }
        answer
    }

    /// Whether the plugin is too slow for the packet thread, and why.
    #[must_use]
    pub const fn slow(&self) -> Option<Slow> {
        self.slow
    }

    /// What happens to the packet when the plugin fails.
    #[must_use]
    pub const fn on_failure(&self) -> OnFailure {
        self.on_failure
    }

    /// One call under deadline, limits and breaker. `now` is for the breaker, `started` for the deadline.
    pub(crate) fn guarded<T>(
        &mut self,
        now: Instant,
        started: Instant,
        call: impl FnOnce(&mut Live) -> Result<T, Failed>,
    ) -> Result<T, Failure> {
        self.counts.calls += 1;
        if self.breaker.state(now) == BreakerState::Open {
            self.counts.failures[Failure::BreakerOpen.index()] += 1;
            return Err(Failure::BreakerOpen);
        }
        let answer = self.attempt(started, call);
        if let Some(live) = &mut self.live {
            live.store.data_mut().used.ended(answer.is_ok());
        }
        match answer {
            Ok(answer) => {
                self.breaker.succeeded();
                Ok(answer)
            }
            Err(failed) => {
                if failed.fatal
                    && let Some(mut dead) = self.live.take()
                {
                    self.used = std::mem::take(&mut dead.store.data_mut().used);
                }
                self.breaker.failed(now);
                if failed.failure == Failure::Deadline {
                    self.slow = Some(Slow::Deadline);
                }
                self.counts.failures[failed.failure.index()] += 1;
                self.counts.last_failure = failed.detail;
                Err(failed.failure)
            }
        }
    }

    fn attempt<T>(
        &mut self,
        mut started: Instant,
        call: impl FnOnce(&mut Live) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        if self.live.is_none() {
            self.restart()?;
            started = Instant::now();
        }
        let Some(live) = &mut self.live else {
            return Err(Failed::new(Failure::Trap, "there is no instance"));
        };
        let _running = self.ticker.running();
        live.store.data_mut().deadline = self.meter.deadline(started, self.deadline);
        live.store.set_epoch_deadline(ticks(self.deadline));
        call(live)
    }

    /// What becomes of the exchange: `Ok(false)` is a verdict to drop it.
    pub(crate) fn outcome(&mut self, answer: Result<bool, Failure>) -> Outcome {
        match answer {
            Ok(true) => Outcome::Continue,
            Ok(false) => {
                self.counts.drops += 1;
                Outcome::Drop
            }
            Err(failure) => Outcome::Failed(failure, self.on_failure),
        }
    }

    /// Make a new instance if the last one failed.
    fn restart(&mut self) -> Result<(), Failed> {
        self.counts.restarts += 1;
        match self.start() {
            Ok(live) => {
                self.live = Some(live);
                Ok(())
            }
            Err(StartError::Failed(failed)) => Err(failed),
            Err(StartError::Mismatch(detail)) => Err(Failed::new(Failure::Trap, detail)),
            // It took the same settings before.
            Err(StartError::Settings(error)) => {
                let detail = format!("refused its settings after a restart: {}", error.message);
                Err(Failed::new(Failure::BadVerdict, one_line(&detail)))
            }
        }
    }

    fn start(&mut self) -> Result<Live, StartError> {
        let _running = self.ticker.running();
        let state = State {
            view: View::new(),
            session: SessionView::default(),
            used: std::mem::take(&mut self.used),
            edits: Edits::new(self.output_max),
            limits: Limits::new(self.memory_max),
            deadline: Meter::default().deadline(Instant::now(), self.start_deadline),
        };
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(self.output_max.saturating_add(COPIED_MAX));
        store.epoch_deadline_callback(|context| Ok(context.data().deadline.decide()));
        store.set_epoch_deadline(ticks(self.start_deadline));
        let begun = self.begin(&mut store);
        let state = store.data_mut();
        state.used.ended(begun.is_ok());
        match begun {
            Ok(hooks) => {
                // What configuring left behind is no failure of the first call.
                state.limits.take_refused();
                Ok(Live { store, hooks })
            }
            Err(error) => {
                self.used = std::mem::take(&mut state.used);
                Err(error)
            }
        }
    }

    /// Make an instance in `store` and give it its settings.
    fn begin(&self, store: &mut Store<State>) -> Result<Hooks, StartError> {
        let mismatch = |error: wasmtime::Error| StartError::Mismatch(format!("{error:#}"));
        let instance = self.pre.instantiate(&mut *store).map_err(|error| failed_start(store, &error))?;
        if let Some(index) = &self.indexes.configure {
            let configure = instance
                .get_typed_func::<wit::ConfigureParams<'_>, wit::ConfigureResult>(&mut *store, index)
                .map_err(mismatch)?;
            let called = configure.call(&mut *store, (&self.settings,));
            let (answer,) = called.map_err(|error| failed_start(store, &error))?;
            answer.map_err(StartError::Settings)?;
        }
        Hooks::find(&self.indexes, &instance, store).map_err(mismatch)
    }
}

fn failed_start(store: &mut Store<State>, error: &wasmtime::Error) -> StartError {
    let refused_memory = store.data_mut().limits.take_refused();
    StartError::Failed(Failed::classify(error, refused_memory))
}

impl Failed {
    /// A failure that leaves the instance usable.
    pub(crate) fn new(failure: Failure, detail: impl Into<String>) -> Failed {
        Failed { failure, detail: detail.into(), fatal: false }
    }

    /// What an error of the engine means. The instance is of no use after any of them.
    pub(crate) fn classify(error: &wasmtime::Error, refused_memory: bool) -> Failed {
        let trap = error.downcast_ref::<Trap>().copied();
        let failure = if error.is::<OutputExceeded>() || error.root_cause().to_string().contains(COPY_REFUSED) {
            Failure::Output
        } else if trap == Some(Trap::Interrupt) {
            Failure::Deadline
        } else if refused_memory {
            Failure::Memory
        } else {
            Failure::Trap
        };
        Failed { failure, detail: one_line(&format!("{error:#}")), fatal: true }
    }
}

/// Text from outside on one line of bounded length, without control characters.
fn one_line(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect()
}

// A plugin is prepared on one thread and used on another.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Plugin>();
};
