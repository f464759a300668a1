//! Live data for completion: bounded in time and size, so that no key hangs.

use super::{Item, Live, Place};
use crate::{
    client::{Ask, Client},
    grammar::Value,
    show, words,
};
use bindery_api::{Binding, CommitHistory, CompleteQuery, CompletionList, PluginList, PoolList, Verb};
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// What an operator waits for a list without noticing much.
const PATIENCE: Duration = Duration::from_millis(700);

/// How much of a list of sessions is read: some hundreds of them.
const SESSIONS_BYTES: usize = 128 * 1024;

/// How much of any other answer is read.
const ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Most rows that are shown.
const ROWS_MAX: usize = 100;

/// Asks the daemon.
#[derive(Clone, Debug)]
pub(crate) struct Daemon(pub(crate) Arc<Client>);

impl Daemon {
    fn read<T: DeserializeOwned>(&self, ask: &Ask) -> Option<T> {
        serde_json::from_slice(&self.0.glance(ask, ANSWER_BYTES, PATIENCE).ok()?).ok()
    }

    /// The first sessions.
    fn bindings(&self) -> Vec<Binding> {
        let body = self.0.glance(&Ask::of(Verb::Bindings), SESSIONS_BYTES, PATIENCE).unwrap_or_default();
        first_bindings(&body)
    }
}

/// The whole bindings at the beginning of a list that may be cut off.
fn first_bindings(body: &[u8]) -> Vec<Binding> {
    let Some(begin) = body.iter().position(|byte| *byte == b'[') else { return Vec::new() };
    let mut rest = body.get(begin + 1..).unwrap_or_default();
    let mut bindings = Vec::new();
    loop {
        let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Binding>();
        let Some(Ok(binding)) = values.next() else { return bindings };
        bindings.push(binding);
        let read = values.byte_offset();
        rest = rest.get(read..).and_then(|rest| rest.strip_prefix(b",")).unwrap_or_default();
    }
}

impl Live for Daemon {
    fn values(&self, value: Value, begun: &str) -> Vec<Item> {
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        match value {
            Value::Pool => {
                let list: Option<PoolList> = self.read(&Ask::of(Verb::Pools));
                let pools = list.into_iter().flat_map(|list| list.pools);
                found.extend(pools.map(|pool| {
                    let help = format!("{} of {} addresses in use", pool.used, pool.total);
                    (pool.pool_name, help)
                }));
            }
            Value::Plugin => {
                let list: Option<PluginList> = self.read(&Ask::of(Verb::Plugins));
                let plugins = list.into_iter().flat_map(|list| list.plugins);
                found.extend(plugins.map(|plugin| (plugin.name, plugin.state)));
            }
            Value::Rollback | Value::RollbackOrRescue => {
                let list: Option<CommitHistory> = self.read(&Ask::of(Verb::CommitHistory));
                // A map sorts texts, not numbers.
                let commits = list.into_iter().flat_map(|list| list.commits);
                return commits
                    .map(|entry| Item::literal(entry.sequence_number.to_string(), show::commit_line(&entry)))
                    .filter(|item| item.begins(begun))
                    .collect();
            }
            Value::Key | Value::Address | Value::Mac | Value::Interface => {
                for binding in self.bindings() {
                    let Binding { allocated_address, mac_address, interface_name, session_id, .. } = binding;
                    let help = format!("{mac_address} session {session_id} on {interface_name}");
                    match value {
                        Value::Interface => drop(found.insert(interface_name, "Interface with clients".to_owned())),
                        Value::Mac => {
                            drop(found.insert(mac_address, format!("{allocated_address} on {interface_name}")))
                        }
                        Value::Address => drop(found.insert(allocated_address, help)),
                        _ if begun.contains(':') => drop(found.insert(mac_address, allocated_address)),
                        _ => drop(found.insert(allocated_address, help)),
                    }
                }
            }
            _ => {}
        }
        let fitting = found.into_iter().filter(|(word, _)| word.starts_with(begun));
        fitting.take(ROWS_MAX).map(|(word, help)| Item::literal(word, help)).collect()
    }

    fn statements(&self, place: &Place, line: &str) -> Option<CompletionList> {
        let query = CompleteQuery { session: place.session, path: place.path.clone(), line: line.to_owned() };
        self.read(&Ask::of(Verb::ConfigurationComplete).query(&query).ok()?)
    }
}

/// Files whose path begins with `begun`.
pub(super) fn files(begun: &str) -> Vec<Item> {
    let (folder, name) = match begun.rsplit_once('/') {
        Some((folder, name)) => (format!("{folder}/"), name),
        None => (String::new(), begun),
    };
    let shown = if folder.is_empty() { "." } else { &folder };
    let Ok(entries) = std::fs::read_dir(shown) else { return Vec::new() };
    let mut items: Vec<Item> = entries
        .take(10_000)
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let file = entry.file_name().into_string().ok()?;
            let hidden = file.starts_with('.') && !name.starts_with('.');
            let fits = file.starts_with(name) && !hidden;
            let slash = if entry.path().is_dir() { "/" } else { "" };
            fits.then(|| Item::literal(format!("{folder}{file}{slash}"), if slash.is_empty() { "" } else { "Folder" }))
        })
        .collect();
    items.sort_by(|a, b| a.word.cmp(&b.word));
    items.truncate(ROWS_MAX);
    items
}

/// No lists: what the tables and the configuration's schema say alone. The key that completes silently uses it.
#[derive(Clone, Debug)]
pub(crate) struct Schema(pub(crate) Daemon);

impl Live for Schema {
    fn values(&self, _value: Value, _begun: &str) -> Vec<Item> {
        Vec::new()
    }

    fn statements(&self, place: &Place, line: &str) -> Option<CompletionList> {
        // An open quote is a text; nobody knows how it goes on.
        (!words::is_quoted(line)).then(|| self.0.statements(place, line))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_cut_off_gives_what_is_whole() {
        let binding = crate::show::tests::binding();
        let row = serde_json::to_string(&binding).unwrap();
        let body = format!("{{\"bindings\":[{row},{row},{}", row.get(..40).unwrap());
        assert_eq!(first_bindings(body.as_bytes()), [binding.clone(), binding.clone()]);
        assert_eq!(first_bindings(format!("{{\"bindings\":[{row}]}}\n").as_bytes()), [binding]);
        assert_eq!(first_bindings(b"{\"bindings\":[]}"), []);
        assert_eq!(first_bindings(b""), []);
    }

    #[test]
    fn files_are_told_from_folders() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        for name in ["some", "other", ".some"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let begun = format!("{}/s", dir.path().display());
        let words: Vec<String> = files(&begun).into_iter().map(|item| item.word).collect();
        let dir = dir.path().display();
        assert_eq!(words, [format!("{dir}/some"), format!("{dir}/sub/")]);
    }
}
