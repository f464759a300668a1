//! One plugin: a long-lived instance, its limits, and what it has done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::component::{ComponentExportIndex, InstancePre, TypedFunc};
use wasmtime::{Store, Trap};

use crate::breaker::{Breaker, BreakerState};
use crate::deadline::{Meter, ticks};
use crate::edits::{Edit, Edits};
use crate::error::{Failure, LoadReason};
use crate::host::Origin;
use crate::limits::Limits;
use crate::shape::{ShapeExchange, ShapeOutcome};
use crate::spec::{OnFailure, PluginSpec, Stage, Stages};
use crate::stats::{Latency, PluginStats};
use crate::ticker::Ticker;
use crate::v4;
use crate::view::View;
use crate::wit::{self, OutputExceeded, ShapeParams, ShapeResult, State, Verdict};

/// Longest text of a guest or of the engine that is kept, in characters.
const TEXT_MAX: usize = 400;

/// A loaded plugin. It belongs to one thread at a time; each thread that wants it loads its own.
pub struct Plugin {
    name: String,
    hash: [u8; 32],
    origin: Origin,
    stages: Stages,
    on_failure: OnFailure,
    settings: Vec<wit::Setting>,
    memory_max: usize,
    output_max: usize,
    deadline: Duration,
    /// Most time of a start; after the first start, what it took with room to spare.
    start_deadline: Duration,
    meter: Meter,
    pre: InstancePre<State>,
    configure: Option<ComponentExportIndex>,
    shape: Option<ComponentExportIndex>,
    live: Option<Live>,
    breaker: Breaker,
    counts: Counts,
    latency: Latency,
    _ticker: Arc<Ticker>,
}

/// An instance that can be called.
struct Live {
    store: Store<State>,
    shape: Option<TypedFunc<ShapeParams, ShapeResult>>,
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
struct Failed {
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
        let component = pre.component();
        let find = |interface: &str, function: &str| {
            let instance = component.get_export_index(None, interface)?;
            component.get_export_index(Some(&instance), function)
        };
        Plugin {
            name: spec.name.clone(),
            hash,
            origin,
            stages,
            on_failure: spec.on_failure,
            settings: spec.settings.iter().map(wit::Setting::from).collect(),
            memory_max: spec.memory_max_bytes,
            output_max: spec.output_max_bytes,
            deadline: spec.deadline,
            start_deadline,
            meter: Meter::default(),
            configure: find(wit::CONFIGURATION, "configure"),
            shape: find(wit::SHAPE_REPLY, "shape"),
            pre,
            live: None,
            breaker: Breaker::default(),
            counts: Counts::default(),
            latency: Latency::new(),
            _ticker: ticker,
        }
    }

    /// Start the first instance, whose failure is an error of the configuration.
    pub(crate) fn start_first(&mut self) -> Result<(), LoadReason> {
        if self.stages.contains(Stage::ShapeReply) && self.shape.is_none() {
            return Err(LoadReason::Mismatch("its hook has no function \"shape\"".into()));
        }
        if self.configure.is_none() && !self.settings.is_empty() {
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
            breaker: self.breaker.state(now),
            memory_bytes: self.live.as_ref().map_or(0, |live| live.store.data().limits.memory()),
            time_total: self.latency.total(),
            time_p50: self.latency.percentile(50),
            time_p99: self.latency.percentile(99),
        }
    }

    /// Let the plugin shape a reply. Two reads of the clock besides the call itself.
    ///
    /// The changes are made on `exchange` if the outcome is [`ShapeOutcome::Continue`], else none is. A plugin
    /// without this stage changes nothing.
    pub fn shape_reply(&mut self, exchange: &mut dyn ShapeExchange) -> ShapeOutcome {
        let started = Instant::now();
        let outcome = self.call_shape_reply(exchange, started, started);
        if !matches!(outcome, ShapeOutcome::Failed(Failure::BreakerOpen, _)) {
            self.latency.record(started.elapsed());
        }
        outcome
    }

    /// [`Plugin::shape_reply`] at the time `now` for the breaker, without measuring.
    pub fn shape_reply_at(&mut self, exchange: &mut dyn ShapeExchange, now: Instant) -> ShapeOutcome {
        self.call_shape_reply(exchange, now, Instant::now())
    }

    /// `now` is for the breaker, `started` for the deadline.
    fn call_shape_reply(&mut self, exchange: &mut dyn ShapeExchange, now: Instant, started: Instant) -> ShapeOutcome {
        if !self.stages.contains(Stage::ShapeReply) {
            return ShapeOutcome::Continue;
        }
        self.counts.calls += 1;
        if self.breaker.state(now) == BreakerState::Open {
            self.counts.failures[Failure::BreakerOpen.index()] += 1;
            return ShapeOutcome::Failed(Failure::BreakerOpen, self.on_failure);
        }
        match self.try_shape_reply(exchange, started) {
            Ok(Verdict::Continue) => {
                self.breaker.succeeded();
                ShapeOutcome::Continue
            }
            Ok(Verdict::Drop) => {
                self.breaker.succeeded();
                self.counts.drops += 1;
                ShapeOutcome::Drop
            }
            Err(failed) => {
                if failed.fatal {
                    self.live = None;
                }
                self.breaker.failed(now);
                self.counts.failures[failed.failure.index()] += 1;
                self.counts.last_failure = failed.detail;
                ShapeOutcome::Failed(failed.failure, self.on_failure)
            }
        }
    }

    fn try_shape_reply(&mut self, exchange: &mut dyn ShapeExchange, mut started: Instant) -> Result<Verdict, Failed> {
        if self.live.is_none() {
            self.restart()?;
            started = Instant::now();
        }
        let Some(Live { store, shape: Some(shape) }) = &mut self.live else {
            return Err(Failed::new(Failure::Trap, "the instance has no hook"));
        };
        let meta = exchange.meta();
        let state = store.data_mut();
        state.view.fill(exchange, meta.relay);
        state.edits.clear();
        state.deadline = self.meter.deadline(started, self.deadline);
        store.set_epoch_deadline(ticks(self.deadline));
        let called = shape.call(&mut *store, (wit::Meta::from(&meta), wit::exchange()));
        let state = store.data_mut();
        let refused_memory = state.limits.take_refused();
        let (verdict,) = called.map_err(|error| Failed::classify(&error, refused_memory))?;
        if let Some(code) = state.edits.forbidden() {
            return Err(Failed::new(Failure::BadVerdict, format!("option {code} may not be changed by a plugin")));
        }
        if verdict == Verdict::Continue {
            if !state.view.asked_for(v4::IPV6_ONLY_PREFERRED) {
                state.edits.leave_out(v4::IPV6_ONLY_PREFERRED);
            }
            apply(&state.edits, exchange)?;
        }
        Ok(verdict)
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

    fn start(&self) -> Result<Live, StartError> {
        let state = State {
            view: View::new(),
            edits: Edits::new(self.output_max),
            limits: Limits::new(self.memory_max),
            deadline: Meter::default().deadline(Instant::now(), self.start_deadline),
        };
        let mut store = Store::new(self.pre.engine(), state);
        store.limiter(|state| &mut state.limits);
        store.epoch_deadline_callback(|context| Ok(context.data().deadline.decide()));
        store.set_epoch_deadline(ticks(self.start_deadline));
        let instance = self.pre.instantiate(&mut store).map_err(|error| failed_start(&mut store, &error))?;
        if let Some(index) = &self.configure {
            let configure = instance
                .get_typed_func::<wit::ConfigureParams<'_>, wit::ConfigureResult>(&mut store, index)
                .map_err(|error| StartError::Mismatch(format!("{error:#}")))?;
            let (answer,) =
                configure.call(&mut store, (&self.settings,)).map_err(|error| failed_start(&mut store, &error))?;
            answer.map_err(StartError::Settings)?;
        }
        let shape = self
            .shape
            .as_ref()
            .map(|index| instance.get_typed_func(&mut store, index))
            .transpose()
            .map_err(|error| StartError::Mismatch(format!("{error:#}")))?;
        // What configuring left behind is no failure of the first call.
        store.data_mut().limits.take_refused();
        Ok(Live { store, shape })
    }
}

fn failed_start(store: &mut Store<State>, error: &wasmtime::Error) -> StartError {
    let refused_memory = store.data_mut().limits.take_refused();
    StartError::Failed(Failed::classify(error, refused_memory))
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

impl Failed {
    /// A failure that leaves the instance usable.
    fn new(failure: Failure, detail: impl Into<String>) -> Failed {
        Failed { failure, detail: detail.into(), fatal: false }
    }

    /// What an error of the engine means. The instance is of no use after any of them.
    fn classify(error: &wasmtime::Error, refused_memory: bool) -> Failed {
        let trap = error.downcast_ref::<Trap>().copied();
        let failure = if error.is::<OutputExceeded>() {
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
