//! First step of a commit: everything that can refuse it (design §6).
//!
//! What comes out cannot be refused any more; dropping it is the abort.

use crate::policy::Plugins;
use bindery_config::{Loaded, OnFailure};
use bindery_engine::config::{Chains, PluginId};
use bindery_plugin_host::{Host, LoadError, LoadReason, PluginSpec, Setting, Source, Stages};
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// A configuration that can be applied: checked, its plugins compiled and asked.
pub(crate) struct Prepared {
    pub(crate) loaded: Loaded,
    pub(crate) plugins: Plugins,
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
    /// Faults of the text, or of a plugin it names; each with its place.
    #[error("{0}")]
    Faults(Box<bindery_config::Errors>),
}

/// Reads and prepares the configuration in `path`.
///
/// # Errors
/// [`Refusal`]: everything that is wrong, with its place.
pub(crate) fn prepare(host: &Host, path: &Path) -> Result<Prepared, Refusal> {
    let text = std::fs::read_to_string(path).map_err(|source| Refusal::Read { path: path.into(), source })?;
    let loaded = bindery_config::load(&path.display().to_string(), &text).map_err(|e| Refusal::Faults(Box::new(e)))?;
    let base = path.parent().unwrap_or(Path::new("."));
    let (mut plugins, mut components) = (Vec::new(), Vec::new());
    for (id, (plugin, file)) in loaded.plugin_paths(base).enumerate() {
        let spec = spec(&loaded, id, plugin, &file);
        let ready = host.load(&spec).map_err(|error| refuse(&loaded, plugin, &error))?;
        components.push(Component { name: plugin.name.clone(), path: file, hash: ready.hash() });
        plugins.push(ready);
    }
    Ok(Prepared { plugins: Plugins::new(plugins), components, loaded })
}

/// A plugin's configuration as the host takes it.
fn spec(loaded: &Loaded, id: usize, plugin: &bindery_config::PluginConfig, file: &Path) -> PluginSpec {
    let mut spec = PluginSpec::new(plugin.name.clone(), Source::File(file.into()));
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
