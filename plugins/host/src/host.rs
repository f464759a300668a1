//! The engine, and the way from a file to a plugin.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bindery_engine::policy::Stage;
use sha2::{Digest, Sha256};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Precompiled};

use crate::cache::{self, Cache, Distrust, Lookup};
use crate::error::{HostError, LoadError, LoadReason};
use crate::grants::Grants;
use crate::plugin::Plugin;
use crate::spec::{PluginSpec, Source, Stages};
use crate::ticker::Ticker;
use crate::wit::{self, State};

/// How the host is set up.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Directory for compiled components, made if absent; none means that each start compiles.
    pub cache_dir: Option<PathBuf>,
    /// Largest component that is accepted, in bytes.
    pub component_max_bytes: u64,
    /// Take precompiled components from files, if only root or we can have written them. They are machine code
    /// without a sandbox; meant for builds without a compiler.
    pub precompiled: bool,
    /// Most time for an instance to start and take its settings.
    pub start_deadline: Duration,
}

impl Default for HostConfig {
    /// No cache, 64 MiB, no precompiled files, 2 s.
    fn default() -> HostConfig {
        HostConfig {
            cache_dir: None,
            component_max_bytes: 64 << 20,
            precompiled: false,
            start_deadline: Duration::from_secs(2),
        }
    }
}

/// Where a plugin's machine code came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Compiled now; there is no cache, or the code is in the cache from now on.
    Compiled,
    /// From the cache.
    Cached,
    /// Compiled now, because the cache's entry was bad for this reason. It has been replaced.
    Recompiled(String),
    /// Compiled now; storing it in the cache failed for this reason.
    NotCached(String),
    /// A precompiled file.
    Precompiled,
}

/// The plugin engine. Plugins outlive it.
pub struct Host {
    engine: Engine,
    linker: Linker<State>,
    ticker: Arc<Ticker>,
    cache: Option<Cache>,
    config: HostConfig,
}

impl Host {
    /// Start the engine and its deadline thread, and open the cache.
    ///
    /// # Errors
    /// The engine, the thread or the cache directory; the message says what to do.
    pub fn new(config: HostConfig) -> Result<Host, HostError> {
        let failed = |error: wasmtime::Error| HostError::Engine(format!("{error:#}"));
        let engine = Engine::new(&engine_config()).map_err(failed)?;
        let linker = wit::linker(&engine).map_err(failed)?;
        let cache = config.cache_dir.as_deref().map(|dir| Cache::open(dir, &engine)).transpose()?;
        let ticker = Ticker::start(engine.clone()).map_err(HostError::Thread)?;
        Ok(Host { engine, linker, ticker: Arc::new(ticker), cache, config })
    }

    /// Load a component, check it against `wit/`, start an instance and give it its settings.
    ///
    /// Compiles unless the cache has it: 0.1 s for a small plugin, many seconds for one with a language runtime.
    ///
    /// # Errors
    /// Everything that makes the plugin unusable; the message names it and says what to do.
    pub fn load(&self, spec: &PluginSpec) -> Result<Plugin, LoadError> {
        self.load_with_bytes(spec).map(|(plugin, _)| plugin)
    }

    /// [`Host::load`], and the component that was read, for a copy of it.
    ///
    /// # Errors
    /// Those of [`Host::load`].
    pub fn load_with_bytes(&self, spec: &PluginSpec) -> Result<(Plugin, Cow<'static, [u8]>), LoadError> {
        self.prepare(spec).map_err(|reason| LoadError { plugin: spec.name.clone(), reason })
    }

    fn prepare(&self, spec: &PluginSpec) -> Result<(Plugin, Cow<'static, [u8]>), LoadReason> {
        let whole = spec.deadline.subsec_nanos().is_multiple_of(1_000_000);
        if !whole || spec.deadline.is_zero() || spec.deadline > Duration::from_secs(60) {
            return Err(LoadReason::Deadline);
        }
        let (path, bytes) = match &spec.source {
            Source::File(path) => {
                (Some(path.as_path()), Cow::Owned(read_component(path, self.config.component_max_bytes)?))
            }
            Source::Embedded(bytes) => (None, bytes.clone()),
        };
        let hash = sha256(&bytes);
        let (component, origin) = self.compile(path, &bytes, &hash)?;
        let stages = self.inspect(&component, &spec.grants)?;
        if let Some(stage) = spec.stages.iter().find(|stage| !stages.contains(*stage)) {
            return Err(LoadReason::MissingExport { stage });
        }
        if stages.is_empty() {
            return Err(LoadReason::NoHook);
        }
        let pre =
            self.linker.instantiate_pre(&component).map_err(|error| LoadReason::Mismatch(format!("{error:#}")))?;
        let mut plugin =
            Plugin::new(spec, pre, stages, hash, origin, Arc::clone(&self.ticker), self.config.start_deadline);
        plugin.start_first()?;
        Ok((plugin, bytes))
    }

    fn compile(&self, path: Option<&Path>, bytes: &[u8], hash: &[u8; 32]) -> Result<(Component, Origin), LoadReason> {
        if Engine::detect_precompiled(bytes) == Some(Precompiled::Component) {
            return self.precompiled(path, bytes);
        }
        check_header(bytes)?;
        let bad = match self.cache.as_ref().map(|cache| cache.load(&self.engine, hash)) {
            Some(Lookup::Hit(component)) => return Ok((component, Origin::Cached)),
            Some(Lookup::Bad(reason)) => Some(reason),
            Some(Lookup::Miss) | None => None,
        };
        let component = compile(&self.engine, bytes)?;
        let Some(cache) = &self.cache else {
            return Ok((component, Origin::Compiled));
        };
        let stored = component
            .serialize()
            .map_err(|error| format!("{error:#}"))
            .and_then(|artifact| cache.store(hash, &artifact).map_err(|error| error.to_string()));
        let origin = match (stored, bad) {
            (Err(reason), _) => Origin::NotCached(reason),
            (Ok(()), Some(reason)) => Origin::Recompiled(reason),
            (Ok(()), None) => Origin::Compiled,
        };
        Ok((component, origin))
    }

    fn precompiled(&self, path: Option<&Path>, bytes: &[u8]) -> Result<(Component, Origin), LoadReason> {
        let Some(path) = path else {
            return Err(LoadReason::NotAComponent("it is precompiled machine code".into()));
        };
        let untrusted = |why: String| LoadReason::Untrusted { path: path.to_owned(), why };
        if !self.config.precompiled {
            return Err(untrusted("give the component (.wasm) itself".into()));
        }
        match cache::deserialize_trusted(&self.engine, path, bytes) {
            Ok(component) => Ok((component, Origin::Precompiled)),
            Err(Distrust::Owner(why)) => Err(untrusted(why)),
            Err(Distrust::Engine(why)) => Err(LoadReason::Incompatible(why)),
        }
    }

    /// The stages that a component exports, if it imports nothing that it may not have.
    fn inspect(&self, component: &Component, grants: &Grants) -> Result<Stages, LoadReason> {
        let ty = component.component_type();
        for (name, import) in ty.imports(&self.engine) {
            // A type that is imported by name is no capability.
            if !matches!(import.ty, ComponentItem::Type(_)) {
                check_import(name, grants)?;
            }
        }
        let mut stages = Stages::NONE;
        for (name, _) in ty.exports(&self.engine) {
            let Some(interface) = Interface::parse(name) else {
                continue;
            };
            let Some(package) = interface.package() else {
                continue;
            };
            if interface.version != package.version {
                return Err(interface.wrong_version(package));
            }
            if let Some(stage) = Stage::ALL.into_iter().find(|stage| wit::hook(*stage).0 == name) {
                stages = stages.with(stage);
            }
        }
        Ok(stages)
    }
}

/// The SHA-256 by which a component is known.
#[must_use]
pub fn sha256(component: &[u8]) -> [u8; 32] {
    Sha256::digest(component).into()
}

/// Settings that keep guests deterministic and bounded. Any change makes the cache's entries stale by itself.
fn engine_config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.wasm_relaxed_simd(false);
    config.wasm_memory64(false);
    config
}

#[cfg(feature = "jit")]
fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, LoadReason> {
    Component::from_binary(engine, bytes).map_err(|error| LoadReason::NotAComponent(format!("{error:#}")))
}

#[cfg(not(feature = "jit"))]
fn compile(_: &Engine, _: &[u8]) -> Result<Component, LoadReason> {
    Err(LoadReason::NoCompiler)
}

fn read_component(path: &Path, max: u64) -> Result<Vec<u8>, LoadReason> {
    let io = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => LoadReason::NotFound(path.to_owned()),
        _ => LoadReason::Io { path: path.to_owned(), source },
    };
    let file = File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > max {
        return Err(LoadReason::TooLarge { max });
    }
    Ok(bytes)
}

/// The first eight bytes of a binary tell a component from a core module (component model, Binary.md).
fn check_header(bytes: &[u8]) -> Result<(), LoadReason> {
    let what = match bytes.get(..8) {
        Some([0, b'a', b's', b'm', 0x0d, 0, 1, 0]) => return Ok(()),
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => {
            "it is a core module: make a component of it by `bindery-plugin encode`"
        }
        Some([0, b'a', b's', b'm', ..]) => "its format version is unknown",
        _ => "it does not start as WASM does",
    };
    Err(LoadReason::NotAComponent(what.into()))
}

/// `namespace:package/interface@version`.
struct Interface<'a> {
    package: &'a str,
    name: &'a str,
    version: &'a str,
}

impl<'a> Interface<'a> {
    fn parse(text: &'a str) -> Option<Interface<'a>> {
        let (path, version) = text.split_once('@').unwrap_or((text, ""));
        let (package, name) = path.split_once('/')?;
        Some(Interface { package, name, version })
    }

    fn package(&self) -> Option<&'static wit::Package> {
        wit::PACKAGES.iter().find(|package| package.name == self.package)
    }

    fn wrong_version(&self, package: &wit::Package) -> LoadReason {
        let found = if self.version.is_empty() { "unversioned" } else { self.version };
        LoadReason::WrongVersion {
            package: self.package.to_owned(),
            found: found.to_owned(),
            wanted: package.version.to_owned(),
        }
    }
}

fn check_import(text: &str, grants: &Grants) -> Result<(), LoadReason> {
    let forbidden = || LoadReason::ForbiddenImport(text.to_owned());
    let interface = Interface::parse(text).ok_or_else(forbidden)?;
    let package = interface.package().ok_or_else(forbidden)?;
    if interface.version != package.version {
        return Err(interface.wrong_version(package));
    }
    if !package.offers.contains(&interface.name) {
        return Err(forbidden());
    }
    if package.name == wit::HOST && !grants.has(interface.name) {
        return Err(LoadReason::NotGranted(interface.name.to_owned()));
    }
    Ok(())
}
