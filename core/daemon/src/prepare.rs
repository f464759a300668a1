//! First step of a commit: everything that can refuse it (design §6).
//!
//! What comes out cannot be refused any more; dropping it is the abort.

use crate::{
    copies::Kept,
    file::ConfigFile,
    policy::Plugins,
    radius::{self, Aaa, RadiusError},
    shipped,
};
use bindery_config::{Loaded, OnFailure, Sources};
use bindery_engine::{
    config::{Chains, PluginId},
    policy::Stage,
};
use bindery_plugin_host::{
    Grants, Host, Kv, Level, LoadError, LoadReason, LogSink, Plugin, PluginSpec, Setting, Source, Stages,
};
use std::{
    borrow::Cow,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Who observes runs on a thread of its own, where no packet waits for it.
const OBSERVES: &str = "it is bound to stage session-events, and so to no other: configure the component a second time, \
                        under another name, for the other stages";

/// A configuration that can be applied: checked, its plugins compiled and asked.
pub(crate) struct Prepared {
    pub(crate) loaded: Loaded,
    pub(crate) plugins: Plugins,
    /// How subscribers are authenticated and accounted.
    pub(crate) aaa: Arc<Aaa>,
    /// Name, file and SHA-256 of each plugin, for the revision record.
    pub(crate) components: Vec<Component>,
}

/// A plugin as it was prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Component {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    pub(crate) hash: [u8; 32],
}

/// Why a configuration cannot be applied. The operator's doing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The file cannot be read.
    #[error("{}: {source}: give the configuration file by --config", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// How it failed.
        source: io::Error,
    },
    /// The copy of a plugin's component cannot be stored.
    #[error("the component of plugin {name} cannot be copied to the state directory: {source}")]
    Copy {
        /// The plugin.
        name: String,
        /// How it failed.
        source: io::Error,
    },
    /// A plugin's store cannot be opened.
    #[error("the store of plugin {name} cannot be used: {source}")]
    Store {
        /// The plugin.
        name: String,
        /// How it failed.
        source: io::Error,
    },
    /// RADIUS cannot be spoken so.
    #[error(transparent)]
    Radius(#[from] RadiusError),
    /// Faults of the text, or of a plugin it names; each with its place.
    #[error("{0}")]
    Faults(Box<bindery_config::Errors>),
}

impl From<bindery_config::Errors> for Refusal {
    fn from(errors: bindery_config::Errors) -> Self {
        Self::Faults(Box::new(errors))
    }
}

/// Reads the configuration in `file`.
///
/// # Errors
/// [`Refusal`]: everything that is wrong, with its place.
pub(crate) fn read(file: &ConfigFile, sources: &dyn Sources) -> Result<Loaded, Refusal> {
    let text = file.read().map_err(|source| Refusal::Read { path: file.path().into(), source })?;
    Ok(bindery_config::load_with(&file.path().display().to_string(), &text, sources)?)
}

/// Prepares `loaded`, whose relative paths start at `base`. Components are copied to `kept`, and come from there if their
/// file is gone and the text is a recorded one.
///
/// # Errors
/// [`Refusal`]: everything that is wrong, with its place.
pub(crate) fn prepare(host: &Host, loaded: Loaded, base: &Path, kept: Option<Kept<'_>>) -> Result<Prepared, Refusal> {
    let (mut plugins, mut components, mut observers) = (Vec::new(), Vec::new(), Vec::new());
    for (id, (plugin, file)) in loaded.plugin_paths(base).enumerate() {
        let (source, path) = match plugin.shipped {
            None => (Source::File(file.clone()), file),
            Some(shipped) => match shipped::component(shipped.name()) {
                Some(component) => (Source::Embedded(component.into()), format!("(shipped) {}", shipped.name()).into()),
                None => return Err(Refusal::Faults(Box::new(loaded.refuse_plugin(plugin, None, shipped::ABSENT)))),
            },
        };
        let mut spec = spec(&loaded, id, plugin, source);
        spec.grants = grants(plugin, kept).map_err(|source| Refusal::Store { name: plugin.name.clone(), source })?;
        let (ready, bytes) = load(host, &loaded, &spec, kept).map_err(|error| refuse(&loaded, plugin, &error))?;
        if let (Some(kept), None) = (kept, plugin.shipped) {
            let copied = kept.copies.keep(&ready.hash(), &bytes);
            copied.map_err(|source| Refusal::Copy { name: plugin.name.clone(), source })?;
        }
        if spec.stages.contains(Stage::SessionEvents) {
            if spec.stages != Stages::NONE.with(Stage::SessionEvents) {
                return Err(Refusal::Faults(Box::new(loaded.refuse_plugin(plugin, None, OBSERVES))));
            }
            observers.extend(u16::try_from(id).ok().map(PluginId));
        }
        components.push(Component { name: plugin.name.clone(), path, hash: ready.hash() });
        plugins.push(ready);
    }
    let aaa = Aaa::of(&loaded.model, radius::nas());
    // A mere check may be of another machine's configuration: whose addresses these are is not asked then.
    if kept.is_some() {
        aaa.check()?;
    }
    Ok(Prepared { plugins: Plugins::new(plugins).observing(observers), aaa: Arc::new(aaa), components, loaded })
}

/// Loads a plugin; from the copy of its component, if the file is gone but the text is a recorded one, or if that
/// revision comes back.
fn load(
    host: &Host,
    loaded: &Loaded,
    spec: &PluginSpec,
    kept: Option<Kept<'_>>,
) -> Result<(Plugin, Cow<'static, [u8]>), LoadError> {
    let copy = || kept.and_then(|kept| kept.component(loaded.hash, &spec.name));
    let of_copy = |copy: Vec<u8>| PluginSpec { source: Source::Embedded(copy.into()), ..spec.clone() };
    let comes_back = kept.is_some_and(|kept| kept.revision.is_some()) && matches!(spec.source, Source::File(_));
    if let Some(copy) = comes_back.then(copy).flatten() {
        return host.load_with_bytes(&of_copy(copy));
    }
    let error = match host.load_with_bytes(spec) {
        Err(error) if matches!(error.reason, LoadReason::NotFound(_) | LoadReason::Io { .. }) => error,
        done => return done,
    };
    let Some(copy) = copy() else { return Err(error) };
    tracing::warn!("{error}; its copy in the state directory is used");
    host.load_with_bytes(&of_copy(copy))
}

/// A plugin's configuration as the host takes it.
fn spec(loaded: &Loaded, id: usize, plugin: &bindery_config::PluginConfig, source: Source) -> PluginSpec {
    let mut spec = PluginSpec::new(plugin.name.clone(), source);
    spec.stages = bound_stages(loaded, id);
    spec.deadline = Duration::from_millis(u64::from(plugin.deadline_ms));
    spec.memory_max_bytes = usize::try_from(plugin.memory_max).unwrap_or(usize::MAX);
    spec.output_max_bytes = usize::try_from(plugin.output_max).unwrap_or(usize::MAX);
    spec.on_failure = match plugin.on_failure {
        OnFailure::Continue => bindery_plugin_host::OnFailure::Continue,
        OnFailure::Drop => bindery_plugin_host::OnFailure::Drop,
    };
    spec.settings = bindery_config::flatten(&plugin.settings)
        .into_iter()
        .map(|s| Setting { parent: s.parent, name: s.name, arguments: s.arguments, properties: s.properties })
        .collect();
    spec
}

/// What the configuration grants. A mere check uses a store that is not kept.
fn grants(plugin: &bindery_config::PluginConfig, kept: Option<Kept<'_>>) -> io::Result<Grants> {
    let wanted = plugin.grants;
    let kv = match kept {
        _ if !wanted.kv => None,
        Some(kept) => Some(kept.stores.of(&plugin.name)?),
        None => Some(Kv::volatile()),
    };
    let log: LogSink = Arc::new(|level, plugin, line| match level {
        Level::Debug => tracing::debug!(target: "bindery_plugin", plugin, "{line}"),
        Level::Info => tracing::info!(target: "bindery_plugin", plugin, "{line}"),
        Level::Warning => tracing::warn!(target: "bindery_plugin", plugin, "{line}"),
        Level::Error => tracing::error!(target: "bindery_plugin", plugin, "{line}"),
    });
    Ok(Grants {
        log: wanted.log.then_some(log),
        counters: wanted.counters,
        kv,
        session_lookup: wanted.session_lookup,
        request_reconfigure: wanted.request_reconfigure,
    })
}

/// The stages to which some group or interface binds the plugin.
fn bound_stages(loaded: &Loaded, id: usize) -> Stages {
    let config = &loaded.engine;
    let chains = config.groups.iter().map(|g| &g.chains).chain(config.interfaces.iter().map(|i| &i.chains));
    let names = |chain: &[PluginId]| chain.iter().any(|bound| usize::from(bound.0) == id);
    let bound = chains.flat_map(Chains::iter).filter(|(_, chain)| names(chain));
    bound.fold(Stages::NONE, |stages, (stage, _)| stages.with(stage))
}

/// A refusal of the host, shown at the statement that caused it.
fn refuse(loaded: &Loaded, plugin: &bindery_config::PluginConfig, error: &LoadError) -> Refusal {
    let setting = match &error.reason {
        LoadReason::Settings { setting, .. } => setting.and_then(|at| u32::try_from(at).ok()),
        _ => None,
    };
    Refusal::Faults(Box::new(loaded.refuse_plugin(plugin, setting, &error.reason.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{copies::Copies, sources::FileSources};
    use bindery_commit::{Database, Directory, KeptFile, Recording};
    use bindery_plugin_host::HostConfig;
    use std::fs;

    /// A component that needs no other compiler: the frozen fixture of stages `admit` and `shape-reply`.
    const COMPONENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/host/tests/fixtures/frozen-1.0.0.wasm");

    const CONFIGURATION: &str = r#"
system { services { dhcp-local-server { group g { interface eth0 } } } }
access { address-assignment { pool p { family inet { network "10.0.0.0/16" } } } }
plugins { plugin one { path "one.wasm" } }
policy { admit one; shape-reply one }
"#;

    /// A folder with a configuration, its component and a state directory.
    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            let place = Self(tempfile::tempdir().unwrap());
            fs::write(place.config(), CONFIGURATION).unwrap();
            fs::copy(COMPONENT, place.component()).unwrap();
            place
        }

        fn config(&self) -> PathBuf {
            self.0.path().join("bindery.kdl")
        }

        fn component(&self) -> PathBuf {
            self.0.path().join("one.wasm")
        }

        fn copies(&self) -> PathBuf {
            crate::copies::dir(&self.0.path().join("state"))
        }

        /// What a start does up to the record.
        fn start(&self) -> Result<(u64, [u8; 32]), Refusal> {
            self.start_with(None)
        }

        /// The same where that revision comes back.
        fn start_with(&self, revision: Option<u64>) -> Result<(u64, [u8; 32]), Refusal> {
            let state = self.0.path().join("state");
            fs::create_dir_all(&state).unwrap();
            let host = Host::new(HostConfig { cache_dir: Some(self.copies()), ..HostConfig::default() }).unwrap();
            let mut database = Database::open(Box::new(Directory::open(&state.join("config")).unwrap())).unwrap();
            let copies = Copies::new(self.copies());
            let stores = crate::copies::stores(&state).unwrap();
            let file = ConfigFile::new(self.config());
            let loaded = read(&file, &FileSources::new(file.base(), None))?;
            let kept = Kept { copies: &copies, stores: &stores, database: &database, revision };
            let prepared = prepare(&host, loaded, file.base(), Some(kept))?;
            let plugin = |component: &Component| KeptFile {
                kind: "plugin".to_owned(),
                name: component.name.clone(),
                hash: component.hash,
                path: component.path.display().to_string(),
            };
            let files = prepared.components.iter().map(plugin).collect();
            let recording = Recording { via: "file".to_owned(), files, ..Recording::default() };
            let revision = database.record(&prepared.loaded, recording).unwrap();
            Ok((revision, prepared.components[0].hash))
        }
    }

    #[test]
    fn a_deleted_component_does_not_break_a_restart() {
        let place = Place::new();
        let first = place.start().unwrap();
        fs::remove_file(place.component()).unwrap();
        assert_eq!(place.start().unwrap(), first, "the same revision with the same component");
        // A file that cannot be read is as good as none.
        fs::create_dir(place.component()).unwrap();
        assert_eq!(place.start().unwrap(), first);
        fs::remove_dir(place.component()).unwrap();

        // Another text is another matter: its author is told.
        fs::write(place.config(), format!("{CONFIGURATION}// changed\n")).unwrap();
        let refused = place.start().unwrap_err().to_string();
        assert!(refused.contains("no component at") && refused.contains("one.wasm"), "{refused}");
        fs::write(place.config(), CONFIGURATION).unwrap();
        assert_eq!(place.start().unwrap(), first);

        let copy = place.copies().join(crate::copies::hex(&first.1)).with_extension("wasm");
        fs::write(copy, "damaged").unwrap();
        assert!(place.start().is_err());
    }

    #[test]
    fn what_comes_back_has_the_component_that_it_had() {
        let place = Place::new();
        let (first, hash) = place.start().unwrap();
        // Another component with the same hooks: a custom section of one empty name is behind it.
        let mut other = fs::read(COMPONENT).unwrap();
        other.extend([0, 1, 0]);
        fs::write(place.component(), other).unwrap();
        let (second, other) = place.start().unwrap();
        assert!(second > first && other != hash);
        assert_eq!(place.start_with(Some(first)).unwrap(), (second + 1, hash));
        fs::write(place.component(), "no component").unwrap();
        assert_eq!(place.start_with(Some(first)).unwrap().1, hash, "whatever its file holds by now");
    }

    #[test]
    fn a_component_that_does_not_load_is_no_reason_for_the_copy() {
        let place = Place::new();
        place.start().unwrap();
        fs::write(place.component(), "no component").unwrap();
        let refused = place.start().unwrap_err().to_string();
        assert!(refused.contains("not a WASM component"), "{refused}");
    }

    #[test]
    fn every_bound_stage_is_asked_of_the_component() {
        let place = Place::new();
        fs::write(place.config(), CONFIGURATION.replace("admit one", "leasequery one")).unwrap();
        let refused = place.start().unwrap_err().to_string();
        assert!(refused.contains("no hook for stage leasequery"), "{refused}");
    }

    #[test]
    fn who_observes_does_nothing_else() {
        let place = Place::new();
        fs::write(place.config(), CONFIGURATION.replace("admit one", "admit one; session-events one")).unwrap();
        let refused = place.start().unwrap_err().to_string();
        // The frozen component has no hook for the stage, which is said first.
        assert!(refused.contains("no hook for stage session-events"), "{refused}");
    }

    #[test]
    fn statements_bind_what_ships() {
        let place = Place::new();
        let statements = "reconfigure { defer-nack-on-abort; trigger { radius-disconnect } }\n\
                          allow-leasequery { restricted-requestor }";
        let text = CONFIGURATION.replace("group g {", &format!("{statements}\ngroup g {{"));
        fs::write(place.config(), text).unwrap();
        let done = place.start();
        if ["deferred-nak", "radius-disconnect", "restricted-requestor"]
            .iter()
            .all(|name| shipped::component(name).is_some())
        {
            done.unwrap();
        } else {
            println!("SKIP statements_bind_what_ships: the plugins are not built (cargo xtask test --only guests)");
            let refused = done.unwrap_err().to_string();
            assert!(refused.contains("cargo xtask test --only guests"), "{refused}");
        }
    }
}
