//! What can go wrong with the host, with a plugin's start, and with a call.

use std::fmt;
use std::io;
use std::path::PathBuf;

use bindery_engine::policy::Stage;

/// Why a call of a plugin had no effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// It ran past its deadline and was stopped.
    Deadline,
    /// It trapped: a panic, a bad access, a violation of the calling convention.
    Trap,
    /// It wanted more memory than it may have.
    Memory,
    /// It gave more than it may: options, bytes, attributes, routes.
    Output,
    /// Its answer is not allowed: an option that no plugin may touch, a change that the reply cannot hold, a name
    /// that is none.
    BadVerdict,
    /// It was not called, because it failed too often lately.
    BreakerOpen,
    /// It was not called, because too many calls wait for it: it is deferred.
    QueueFull,
    /// It was not called, because it is deferred and the stage cannot wait.
    Deferred,
}

impl Failure {
    /// Every kind.
    pub const ALL: [Failure; 8] = [
        Failure::Deadline,
        Failure::Trap,
        Failure::Memory,
        Failure::Output,
        Failure::BadVerdict,
        Failure::BreakerOpen,
        Failure::QueueFull,
        Failure::Deferred,
    ];

    /// The kind's name, for counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Failure::Deadline => "deadline",
            Failure::Trap => "trap",
            Failure::Memory => "memory",
            Failure::Output => "output",
            Failure::BadVerdict => "bad-verdict",
            Failure::BreakerOpen => "breaker-open",
            Failure::QueueFull => "queue-full",
            Failure::Deferred => "deferred",
        }
    }

    /// Its place in [`Failure::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Failure::Deadline => "ran past its deadline",
            Failure::Trap => "trapped",
            Failure::Memory => "wanted more memory than its limit",
            Failure::Output => "gave more output than its limit",
            Failure::BadVerdict => "gave an answer that is not allowed",
            Failure::BreakerOpen => "failed too often and is suspended",
            Failure::QueueFull => "is deferred and has too many calls waiting",
            Failure::Deferred => "is deferred and the stage cannot wait",
        })
    }
}

/// The host cannot start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The WASM engine refused its configuration on this machine.
    #[error("the plugin engine does not start: {0}")]
    Engine(String),
    /// The thread that measures deadlines cannot be started.
    #[error("the plugin deadline thread does not start: {0}")]
    Thread(io::Error),
    /// The cache directory cannot be made or read.
    #[error("plugin cache directory {}: {source}", path.display())]
    CacheIo {
        /// The directory.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// Others may write to the cache directory, so its content cannot be trusted.
    #[error(
        "plugin cache directory {} must belong to user {wanted_uid} with mode 0700, \
         but belongs to {uid} with mode {mode:04o}: correct it or remove the directory",
        path.display()
    )]
    CacheNotOurs {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        uid: u32,
        /// The user that we run as.
        wanted_uid: u32,
        /// Its permission bits.
        mode: u32,
    },
}

/// A plugin cannot be used. The message names the plugin and says what to do.
#[derive(Debug, thiserror::Error)]
#[error("plugin {plugin}: {reason}")]
pub struct LoadError {
    /// The plugin's name in the configuration.
    pub plugin: String,
    /// Why.
    #[source]
    pub reason: LoadReason,
}

/// Why a plugin cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadReason {
    /// There is no such file.
    #[error("no component at {}: correct its path, which is relative to the configuration file", .0.display())]
    NotFound(PathBuf),
    /// The file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What failed.
        source: io::Error,
    },
    /// The file is larger than a component may be.
    #[error("the component has more than {max} bytes, the most that is accepted: strip it, or build it for size")]
    TooLarge {
        /// The limit, in bytes.
        max: u64,
    },
    /// The file is no WASM component, or a damaged one.
    #[error("not a WASM component: {0}")]
    NotAComponent(String),
    /// A precompiled file is machine code without a sandbox, and this one could have been written by others.
    #[error("{} is precompiled machine code and cannot be trusted: {why}", path.display())]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// This build of the program has no compiler.
    #[error("this build takes precompiled components (.cwasm) only: precompile it with the same version")]
    NoCompiler,
    /// A precompiled file was made by another version or for other settings.
    #[error("precompiled for another version or machine: precompile it again ({0})")]
    Incompatible(String),
    /// It was built for a version of an interface that this host does not have.
    #[error("it needs {package}@{found}, this version has {package}@{wanted}: build it for that, or upgrade")]
    WrongVersion {
        /// The WIT package.
        package: String,
        /// The version that the component names.
        found: String,
        /// The version that the host has.
        wanted: String,
    },
    /// It does not export the stage to which the configuration binds it.
    #[error("it has no hook for stage {0}: it must export bindery:{0}/hook, or be bound elsewhere", .stage.name())]
    MissingExport {
        /// The stage.
        stage: Stage,
    },
    /// It exports no hook at all.
    #[error("it exports no hook that this version knows, so there is nothing to bind it to")]
    NoHook,
    /// It imports something that plugins do not get.
    #[error("it imports {0}, which plugins do not get: build it without (no WASI; see wit/)")]
    ForbiddenImport(String),
    /// It imports something that plugins get if the configuration grants it.
    #[error("it imports bindery:host/{0}, which is not granted to it: add `grants {0}` to the plugin, or use another")]
    NotGranted(String),
    /// The names are right, but the types behind them are not those in `wit/`.
    #[error("its interfaces differ from those in wit/: build it again from these ({0})")]
    Mismatch(String),
    /// The deadline is zero or no whole number of milliseconds.
    #[error("its deadline must be a whole number of milliseconds from 1 to 60000")]
    Deadline,
    /// The plugin refused its settings.
    #[error("settings: {message}")]
    Settings {
        /// Index of the setting at fault, if it is one.
        setting: Option<usize>,
        /// The plugin's own words, on one line.
        message: String,
    },
    /// The plugin failed while it was started.
    #[error("it {failure} while it was started: {detail}")]
    Start {
        /// In which way.
        failure: Failure,
        /// The engine's words.
        detail: String,
    },
}
