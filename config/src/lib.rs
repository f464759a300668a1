//! The configuration: from KDL text to what the engine runs on, and every fault on the way with its place.
//!
//! `KDL text -> tree -> check against the schema -> model -> engine configuration`. What this crate never does: no
//! file is read here and no plugin loaded; it does not know what is running. Read [`load`] first, then [`schema`].

mod compare;
pub mod edit;
mod error;
pub mod form;
pub mod groups;
pub mod host_table;
pub mod model;
mod nearest;
mod pattern;
pub mod schema;
mod sources;
pub mod tree;
pub mod value;

pub use compare::{Change, ChangeKind, changes};
pub use error::{Errors, FAULTS_MAX, Fault, Located};
pub use host_table::{HostTable, HostTableError, HostTables, TableFault};
pub use sources::{NoSources, SecretReference, Sources};

pub use model::{
    Driver, FlatSetting, Grants, KernelInstance, KernelTable, OnFailure, PluginConfig, Setting, Shipped, System,
    flatten,
};

use bindery_engine::config::Config;
use error::Faults;
use model::Model;
use sha2::{Digest, Sha256};
use sources::Secrets;
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tree::Tree;

/// A configuration without a fault. `Debug` shows only which one it is: its text has secrets.
#[derive(Clone)]
pub struct Loaded {
    /// What was written, statement by statement.
    pub tree: Tree,
    /// The same with what is inherited from groups; none where there is no group.
    expanded: Option<Tree>,
    /// What was written, typed.
    pub model: Model,
    /// What the engine runs on.
    pub engine: Arc<Config>,
    /// The plugins to load; [`PluginId`](bindery_engine::config::PluginId) is an index in it.
    pub plugins: Vec<PluginConfig>,
    /// What concerns the daemon itself.
    pub system: System,
    /// The hash of the text.
    pub hash: Hash,
    name: String,
    text: Arc<str>,
    secrets: Arc<Secrets>,
}

/// Reads the configuration `text`; `name` is how messages call it, the file's name.
///
/// ```
/// let text = "access { address-assignment { pool p { family inet { network \"192.0.2.0/24\" } } } }";
/// let loaded = bindery_config::load("bindery.kdl", text)?;
/// assert_eq!(&*loaded.engine.pools[0].name, "p");
/// # Ok::<(), bindery_config::Errors>(())
/// ```
///
/// # Errors
/// All faults at once, each with its place. A reference to a secret that is kept elsewhere is one.
pub fn load(name: &str, text: &str) -> Result<Loaded, Errors> {
    load_with(name, text, &NoSources)
}

/// As [`load`], with what `sources` have of what the configuration refers to.
///
/// # Errors
/// All faults at once, each with its place.
pub fn load_with(name: &str, text: &str, sources: &dyn Sources) -> Result<Loaded, Errors> {
    build(name, tree::parse(name, text)?, text.into(), sources)
}

/// The configuration `tree`, whose places are those of `text`.
fn build(name: &str, tree: Tree, text: Arc<str>, sources: &dyn Sources) -> Result<Loaded, Errors> {
    let mut faults = Faults::default();
    let expanded = groups::has_groups(&tree).then(|| {
        schema::check_groups(&tree, &mut faults);
        let (expanded, inheritance) = groups::expand(&tree);
        if inheritance.is_cut() {
            faults.push(Fault::new("too much is inherited from groups", tree::Span::default(), "groups"));
        }
        expanded
    });
    let effective = expanded.as_ref().unwrap_or(&tree);
    schema::check(effective, &mut faults);
    let secrets = sources::secrets(effective, sources, &mut faults);
    let mut model = Model::read(effective, &secrets);
    model::read_host_tables(&mut model, sources, &mut faults);
    model::constraints(&model, &mut faults);
    if !faults.is_empty() {
        return Err(Errors::new(name, schema::mask(&tree, &text).into(), faults));
    }
    Ok(Loaded {
        engine: Arc::new(model.resolve()),
        plugins: model.plugins.clone(),
        system: model.system(),
        hash: hash(&text),
        name: name.to_owned(),
        tree,
        expanded,
        model,
        text,
        secrets: Arc::new(secrets),
    })
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("name", &self.name).field("hash", &self.hash).finish_non_exhaustive()
    }
}

impl Loaded {
    /// The configuration that an edited tree is. No text is read for it: its text is the canonical one, and every place
    /// in the tree becomes the place in that text.
    ///
    /// # Errors
    /// All faults at once, each with its place in the canonical text.
    pub fn from_tree(name: &str, mut tree: Tree, sources: &dyn Sources) -> Result<Self, Errors> {
        let text = tree::print_placed(&mut tree);
        if let Err(message) = tree::fits(&tree.nodes, text.len()) {
            return Err(Errors::new(name, "".into(), vec![Fault::new(message, tree::Span::default(), "")]));
        }
        build(name, tree, text.into(), sources)
    }

    /// The text it was made from, or the canonical one if it was made from a tree.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What holds: what was written with what is inherited from groups.
    pub fn effective(&self) -> &Tree {
        self.expanded.as_ref().unwrap_or(&self.tree)
    }

    /// The tables of reservations, pool by pool: path of the pool, path as it is written, table.
    pub fn host_tables(&self) -> impl Iterator<Item = (String, &str, &Arc<HostTable>)> {
        self.model.pools().filter_map(|(instance, pool)| {
            let table = pool.host_table.as_ref()?;
            Some((instance.pool_path(pool), table.path.value.as_str(), table.table.as_ref()?))
        })
    }

    /// The components to load: relative paths start at `base`, the folder of the configuration file.
    pub fn plugin_paths<'a>(&'a self, base: &'a Path) -> impl Iterator<Item = (&'a PluginConfig, PathBuf)> {
        self.plugins.iter().map(move |plugin| (plugin, base.join(&plugin.path)))
    }

    /// A refusal that only the daemon can find, shown like the others: a plugin's file that is missing, a setting
    /// that the plugin does not take.
    pub fn refuse(&self, fault: Fault) -> Errors {
        Errors::new(&self.name, schema::mask(&self.tree, &self.text).into(), vec![fault])
    }

    /// A refusal of `plugin` as a whole, or of one of its settings by its index in [`flatten`].
    pub fn refuse_plugin(&self, plugin: &PluginConfig, setting: Option<u32>, message: &str) -> Errors {
        let settings = flatten(&plugin.settings);
        let setting = setting.and_then(|index| settings.get(usize::try_from(index).ok()?));
        let (span, within) = setting.map_or((plugin.path_span, ""), |setting| (setting.span, " settings"));
        let path = format!("plugins plugin {}{within}", plugin.name);
        self.refuse(Fault::new(format!("plugin `{}`: {message}", plugin.name), span, path))
    }

    /// The secrets kept elsewhere that both refer to, and that have changed there.
    pub fn changed_secrets<'a>(&'a self, old: &'a Self) -> impl Iterator<Item = &'a SecretReference> {
        self.secrets.changed(&old.secrets)
    }

    /// The sections in which this differs from `old`; a pool whose table of reservations has another content is one.
    pub fn changes_since(&self, old: &Self) -> Vec<Change> {
        let mut found = changes(&old.tree, &self.tree);
        let before: HashMap<(String, &str), Hash> =
            old.host_tables().map(|(pool, path, table)| ((pool, path), table.hash())).collect();
        for (section, path, table) in self.host_tables() {
            let differs = before.get(&(section.clone(), path)).is_some_and(|hash| *hash != table.hash());
            if differs && !found.iter().any(|change| change.path == section) {
                found.push(Change { path: section, kind: ChangeKind::Changed });
            }
        }
        found
    }
}

/// SHA-256 of a configuration text: tells whether a file changed since a revision was recorded.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The hash of a configuration text, byte for byte.
pub fn hash(text: &str) -> Hash {
    Hash(Sha256::digest(text.as_bytes()).into())
}
