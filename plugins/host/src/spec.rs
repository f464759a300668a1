//! What the configuration says of a plugin.

use std::borrow::Cow;
use std::path::PathBuf;
use std::time::Duration;

use bindery_engine::policy::Stage;

use crate::error::Failure;
use crate::grants::Grants;

/// A set of stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stages(u16);

impl Stages {
    /// No stage.
    pub const NONE: Stages = Stages(0);

    /// This set and `stage`.
    #[must_use]
    pub const fn with(self, stage: Stage) -> Stages {
        Stages(self.0 | bit(stage))
    }

    /// Whether `stage` is in the set.
    #[must_use]
    pub const fn contains(self, stage: Stage) -> bool {
        self.0 & bit(stage) != 0
    }

    /// Whether the set is empty.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The stages of the set.
    pub fn iter(self) -> impl Iterator<Item = Stage> {
        Stage::ALL.into_iter().filter(move |stage| self.contains(*stage))
    }
}

const fn bit(stage: Stage) -> u16 {
    1 << stage as u8
}

/// What becomes of an exchange after a plugin of a stage on the packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The changes are made; go on with the next plugin.
    Continue,
    /// The plugin wants nothing to be sent.
    Drop,
    /// The plugin failed and has changed nothing. Do what `on-failure` says.
    Failed(Failure, OnFailure),
}

/// What happens to the packet when a plugin fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// Go on as if the plugin were not there.
    #[default]
    Continue,
    /// Drop the packet.
    Drop,
}

/// Where a component comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// A component that is part of the program.
    Embedded(Cow<'static, [u8]>),
}

/// One statement of a plugin's `settings`, without assumption on what it means. See `wit/types@1.0.0`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Setting {
    /// Index in the list of the enclosing statement, which stands before this one.
    pub parent: Option<u32>,
    /// The statement's name.
    pub name: String,
    /// Values without a name, as text, in order.
    pub arguments: Vec<String>,
    /// Values with a name, as text, in order. A name may repeat.
    pub properties: Vec<(String, String)>,
}

/// A plugin as configured.
#[derive(Debug, Clone)]
pub struct PluginSpec {
    /// The name under which the configuration and the operator know the plugin.
    pub name: String,
    /// Its component.
    pub source: Source,
    /// Stages to which the configuration binds it. Loading fails if the component lacks one.
    pub stages: Stages,
    /// Processor time for one call: whole milliseconds, 1 ms or more. The guest gets at least this and is
    /// stopped within two ticks after it. Time in which its thread did not run is not held against it.
    pub deadline: Duration,
    /// Most linear memory of one instance, in bytes.
    pub memory_max_bytes: usize,
    /// Most option bytes that one call may set, with two bytes for each option's header.
    pub output_max_bytes: usize,
    /// What happens to the packet when the plugin fails.
    pub on_failure: OnFailure,
    /// Settings to hand over.
    pub settings: Vec<Setting>,
    /// What it may call beside its stages.
    pub grants: Grants,
}

impl PluginSpec {
    /// Time for one call unless configured: 5 ms.
    pub const DEADLINE: Duration = Duration::from_millis(5);
    /// Memory unless configured: 16 MiB.
    pub const MEMORY_MAX_BYTES: usize = 16 << 20;
    /// Output unless configured: 4 KiB, more than any DHCPv4 reply carries.
    pub const OUTPUT_MAX_BYTES: usize = 4096;

    /// A plugin with the default limits, no settings, and no stage bound.
    #[must_use]
    pub fn new(name: impl Into<String>, source: Source) -> PluginSpec {
        PluginSpec {
            name: name.into(),
            source,
            stages: Stages::NONE,
            deadline: PluginSpec::DEADLINE,
            memory_max_bytes: PluginSpec::MEMORY_MAX_BYTES,
            output_max_bytes: PluginSpec::OUTPUT_MAX_BYTES,
            on_failure: OnFailure::default(),
            settings: Vec::new(),
            grants: Grants::default(),
        }
    }
}
