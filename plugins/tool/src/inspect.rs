//! What a component is: stages, imports, size, hash, and whether this version takes it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use bindery_plugin_host::{Host, HostConfig, LoadReason, PluginSpec, Source, Stage, sha256};
use wit_bindgen_core::wit_parser::{Resolve, WorldItem, WorldKey};
use wit_component::DecodedWasm;

use crate::{grants, packages};

/// What there is to say of a file.
pub(crate) struct Report {
    /// The text for the terminal.
    pub(crate) text: String,
    /// Whether this version would take it.
    pub(crate) accepted: bool,
}

/// Read the component in `path` and let the host judge it.
pub(crate) fn run(path: &Path) -> Result<Report> {
    let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut text = String::new();
    let hash: String = sha256(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let _ = writeln!(text, "{}\n  size     {} bytes\n  sha256   {hash}", path.display(), bytes.len());
    match interfaces(&bytes) {
        Ok(Interfaces { exports, imports }) => {
            list(&mut text, "exports", exports.iter().map(|name| (name.as_str(), export(name))));
            list(&mut text, "imports", imports.iter().map(|name| (name.as_str(), import(name))));
        }
        Err(error) => {
            let _ = writeln!(text, "  its interfaces cannot be read: {error:#}");
        }
    }
    let host = Host::new(HostConfig::default())?;
    let mut spec = PluginSpec::new("inspected", Source::File(path.to_owned()));
    spec.grants = grants::all(grants::silent());
    let accepted = match host.load(&spec) {
        Ok(plugin) => {
            let stages: Vec<&str> = plugin.stages().iter().map(Stage::name).collect();
            let _ = writeln!(text, "  accepted: it can be bound to {}", stages.join(", "));
            true
        }
        Err(error) => match error.reason {
            LoadReason::Settings { message, .. } => {
                let _ = writeln!(text, "  accepted, but not without settings: {message}");
                true
            }
            reason => {
                let _ = writeln!(text, "  refused: {reason}");
                false
            }
        },
    };
    Ok(Report { text, accepted })
}

struct Interfaces {
    exports: Vec<String>,
    imports: Vec<String>,
}

fn interfaces(bytes: &[u8]) -> Result<Interfaces> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(bytes)? else {
        anyhow::bail!("it is a WIT package, not a component");
    };
    let world = resolve.worlds.get(world).context("the component has no world")?;
    let names = |items: &mut dyn Iterator<Item = (&WorldKey, &WorldItem)>| -> Vec<String> {
        items.map(|(key, item)| name(&resolve, key, item)).collect()
    };
    Ok(Interfaces { exports: names(&mut world.exports.iter()), imports: names(&mut world.imports.iter()) })
}

fn name(resolve: &Resolve, key: &WorldKey, item: &WorldItem) -> String {
    let kind = match item {
        WorldItem::Interface { .. } => "",
        WorldItem::Function(_) => "function ",
        WorldItem::Type { .. } => "type ",
    };
    format!("{kind}{}", resolve.name_world_key(key))
}

fn list<'a>(text: &mut String, title: &str, items: impl Iterator<Item = (&'a str, String)>) {
    let mut title = title;
    for (name, note) in items {
        let _ = writeln!(text, "  {title:<8} {name}{}{note}", if note.is_empty() { "" } else { ": " });
        title = "";
    }
    if !title.is_empty() {
        let _ = writeln!(text, "  {title:<8} nothing");
    }
}

/// `bindery:NAME/INTERFACE@VERSION`, in parts.
fn parts(name: &str) -> Option<(&str, &str, &str)> {
    let (path, version) = name.strip_prefix("bindery:")?.split_once('@')?;
    let (package, interface) = path.split_once('/')?;
    Some((package, interface, version))
}

fn export(name: &str) -> String {
    let Some((package, interface, version)) = parts(name) else {
        return "not of Bindery; nobody calls it".to_owned();
    };
    let note = match (package, interface) {
        ("types", "configuration") => "it takes settings".to_owned(),
        (stage, "hook") => format!("stage {stage}"),
        _ => return "not known to this version; nobody calls it".to_owned(),
    };
    format!("{note}{}", standing(package, version))
}

fn import(name: &str) -> String {
    match parts(name) {
        Some(("host", interface, version)) => format!("needs `grants {interface}`{}", standing("host", version)),
        Some((package, _, version)) if packages::package(package).is_some() => {
            standing(package, version).trim_start_matches(", ").to_owned()
        }
        _ => "REFUSED: plugins do not get this (no WASI, no host functions beside wit/)".to_owned(),
    }
}

/// How long an interface of this version will be understood.
fn standing(package: &str, version: &str) -> String {
    match packages::packages().find(|known| known.name == package && known.version == version) {
        Some(known) if known.is_released() => String::new(),
        Some(_) => ", not released: other versions of Bindery refuse it".to_owned(),
        None => {
            let wanted = packages::package(package).map_or("no such package", |known| known.version);
            format!(", REFUSED: this version has {wanted}")
        }
    }
}
