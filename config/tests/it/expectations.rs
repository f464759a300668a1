//! Folders of configurations with what must come of them: `tests/ui` is refused, `tests/good` is not.
//!
//! `UPDATE_EXPECT=1` writes the expectations anew.

use crate::examples::files;
use bindery_config::{HostTable, HostTableError, NoSources, SecretReference, Sources, load, load_with};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

/// Compares `got` with the file `expected`, or writes it.
pub(crate) fn expect(expected: &Path, got: &str) -> Result<(), String> {
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(expected, got).unwrap();
        return Ok(());
    }
    let want = std::fs::read_to_string(expected).unwrap_or_default();
    if want == got { Ok(()) } else { Err(format!("--- {}\n{got}", expected.display())) }
}

#[test]
fn faults_are_told_as_expected() {
    let files = files(&folder("ui"));
    assert!(files.len() >= 40, "{}", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        match load_with(&name, &text, &Tables) {
            Ok(_) => wrong.push(format!("{name} was not refused")),
            Err(errors) => {
                for located in errors.located() {
                    let line = text.split('\n').nth(located.line - 1);
                    assert!(line.is_some_and(|line| line.chars().count() + 1 >= located.column), "{name}: {located:?}");
                }
                wrong.extend(expect(&file.with_extension("err"), &format!("{errors}\n")).err());
            }
        }
    }
    assert!(wrong.is_empty(), "{}\n{} differ; UPDATE_EXPECT=1 accepts them", wrong.join("\n"), wrong.len());
}

/// What Junos has and this release has not is told as such, and never as unknown: `junos-*` are whole trees of junos.md.
#[test]
fn statements_of_junos_are_never_unknown() {
    let files = files(&folder("ui"));
    let named = |file: &Path| file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"junos-"));
    let mut count = 0;
    for file in files.iter().filter(|file| named(file)) {
        let errors = load_with("f", &std::fs::read_to_string(file).unwrap(), &Tables).unwrap_err();
        for fault in errors.faults() {
            assert!(!fault.message.starts_with("unknown"), "{}: {fault:?}", file.display());
            count += usize::from(fault.message.ends_with("is not in this release"));
        }
    }
    assert!(count > 80, "{count}");
}

#[test]
fn faultless_texts_resolve_as_expected() {
    let mut wrong = Vec::new();
    for file in files(&folder("good")) {
        let text = std::fs::read_to_string(&file).unwrap();
        let loaded = load_with(&file.display().to_string(), &text, &Tables).unwrap_or_else(|errors| panic!("{errors}"));
        let plugins: Vec<_> = loaded
            .plugins
            .iter()
            .map(|plugin| {
                (
                    &plugin.name,
                    &plugin.path,
                    plugin.deadline_ms,
                    plugin.memory_max,
                    plugin.output_max,
                    plugin.on_failure,
                )
            })
            .collect();
        let settings: Vec<_> =
            loaded.plugins.iter().flat_map(|plugin| bindery_config::flatten(&plugin.settings)).collect();
        let dump = format!("{:#?}\n{:#?}\n{plugins:#?}\n{settings:#?}\n", loaded.engine, loaded.system);
        wrong.extend(expect(&file.with_extension("dump"), &dump).err());
    }
    assert!(wrong.is_empty(), "{}\n{} differ; UPDATE_EXPECT=1 accepts them", wrong.join("\n"), wrong.len());
}

/// The tables of reservations in the folder `tables`.
pub(crate) struct Tables;

impl Sources for Tables {
    fn secret(&self, reference: &SecretReference) -> Result<Vec<u8>, String> {
        NoSources.secret(reference)
    }

    fn host_table(&self, path: &str) -> Result<Arc<HostTable>, HostTableError> {
        let bytes = std::fs::read(folder("tables").join(path));
        let bytes = bytes.map_err(|_| HostTableError::Unreadable("there is no such file".to_owned()))?;
        HostTable::parse(&bytes).map(Arc::new).map_err(HostTableError::Faulty)
    }
}

#[test]
fn the_tables_of_a_configuration_are_known_by_their_content() {
    let text = std::fs::read_to_string(folder("good").join("host-table.kdl")).unwrap();
    let refused = load("f.kdl", &text).unwrap_err();
    assert_eq!(refused.count(), 2, "{refused}");
    let loaded = load_with("f.kdl", &text, &Tables).unwrap();
    let told: Vec<_> =
        loaded.host_tables().map(|(pool, path, table)| (pool, path, table.len(), table.hash())).collect();
    let pool = |name: &str| format!("access address-assignment pool {name}");
    let hash = |name: &str| HostTable::hash_of(&std::fs::read(folder("tables").join(name)).unwrap());
    assert_eq!(
        told,
        [(pool("p"), "hosts.csv", 2, hash("hosts.csv")), (pool("q"), "hosts.json", 2, hash("hosts.json"))]
    );
    for (pool, (.., table)) in loaded.engine.pools.iter().zip(loaded.host_tables()) {
        assert!(Arc::ptr_eq(pool.host_table.as_ref().unwrap(), table.reservations()), "{}", pool.name);
    }
    assert_eq!(loaded.engine.pools[2].host_table, None);
}

#[test]
fn another_content_of_a_table_is_a_change_of_its_pool() {
    struct One(&'static str);
    impl Sources for One {
        fn secret(&self, reference: &SecretReference) -> Result<Vec<u8>, String> {
            NoSources.secret(reference)
        }

        fn host_table(&self, _: &str) -> Result<Arc<HostTable>, HostTableError> {
            let text = format!("hardware-address,ip-address\n02:00:00:00:00:01,{}\n", self.0);
            HostTable::parse(text.as_bytes()).map(Arc::new).map_err(HostTableError::Faulty)
        }
    }
    let text = "access { address-assignment { pool p { family inet { network \"192.0.2.0/24\"; host-table t } } } }";
    let [old, new, same] = ["192.0.2.1", "192.0.2.2", "192.0.2.2"].map(|to| load_with("f", text, &One(to)).unwrap());
    let told: Vec<String> = new.changes_since(&old).iter().map(ToString::to_string).collect();
    assert_eq!(told, ["changed: access address-assignment pool p"]);
    assert_eq!(same.changes_since(&new), []);
    assert!(old.engine != new.engine && new.engine == same.engine);
}

#[test]
fn faults_have_a_form_for_machines() {
    let errors = load("f.kdl", "policy {\n    shape-reply nobody\n}\n").unwrap_err();
    let located: Vec<_> = errors.located().collect();
    assert_eq!(located.len(), 1);
    assert_eq!((located[0].line, located[0].column), (2, 17));
    assert_eq!(located[0].fault.path, "policy shape-reply");
    assert_eq!(located[0].fault.message, "there is no plugin `nobody`");
}

#[test]
fn all_faults_are_counted_but_not_all_are_kept() {
    let errors = load("f.kdl", &"x\n".repeat(1000)).unwrap_err();
    assert!(errors.count() >= 1000 && errors.faults().len() == bindery_config::FAULTS_MAX);
    assert!(errors.to_string().contains("more, not shown"));
}

#[test]
fn changes_are_told_by_section() {
    let text = |limit: u32, pool: &str, plugins: &str| {
        format!(
            "system {{ services {{ dhcp-local-server {{ overrides {{ interface-client-limit {limit} }}; group g {{ interface eth0 }} }} }} }}
             access {{ address-assignment {{ {pool} }} }}
             plugins {{ {plugins} }}"
        )
    };
    let pool = |name: &str| format!("pool {name} {{ family inet {{ network \"192.0.2.0/24\" }} }}");
    let (a, b) = ("plugin a { path \"a\" }", "plugin b { path \"b\" }");
    let old = load("old", &text(1, &pool("p"), &format!("{a}; {b}"))).unwrap();
    let new = load("new", &text(2, &pool("q"), &format!("{b}; {a}"))).unwrap();
    let told: Vec<String> = new.changes_since(&old).iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "changed: system services dhcp-local-server overrides interface-client-limit",
            "added: access address-assignment pool q",
            "removed: access address-assignment pool p",
            "reordered: plugins",
        ]
    );
    assert_eq!(new.changes_since(&new), []);
    assert_ne!(old.hash, new.hash);
}

#[test]
fn a_plugin_is_refused_at_its_place() {
    let text = "plugins {\n    plugin x {\n        path \"x.wasm\"\n        settings { a { b 1 } }\n    }\n}\n";
    let loaded = load("f.kdl", text).unwrap();
    let plugin = &loaded.plugins[0];
    let whole = loaded.refuse_plugin(plugin, None, "there is no file x.wasm").to_string();
    assert!(whole.contains("f.kdl:3:14") && whole.contains("there is no file"), "{whole}");
    let setting = loaded.refuse_plugin(plugin, Some(1), "b is unknown").to_string();
    assert!(setting.contains("f.kdl:4:24") && setting.contains("plugin x settings"), "{setting}");
}
