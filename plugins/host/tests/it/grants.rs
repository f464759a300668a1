//! What a plugin may call beside its stage, if it is granted.

use std::path::Path;
use std::sync::{Arc, Mutex};

use bindery_engine::policy::{Exhausted, ExhaustedVerdict};
use bindery_plugin_host::{Failure, Grants, Level, LoadReason, Plugin, Stage, Stages, Stores};

use crate::guests::{Guest, guest};
use crate::stages::subject;

/// A directory of stores that can be opened again.
fn stores(dir: &Path) -> Stores {
    Stores::open(dir, |path, error| panic!("{}: {error}", path.display())).unwrap()
}

type Lines = Arc<Mutex<Vec<(Level, String, String)>>>;

fn grants(stores: &Stores, lines: &Lines) -> Grants {
    let lines = Arc::clone(lines);
    let log = move |level, plugin: &str, line: &str| lines.lock().unwrap().push((level, plugin.into(), line.into()));
    Grants { log: Some(Arc::new(log)), counters: true, kv: Some(stores.of("granted").unwrap()), ..Grants::default() }
}

fn load(guest: &Guest, grants: Grants) -> Result<Plugin, LoadReason> {
    let mut spec = guest.spec.clone();
    spec.stages = Stages::NONE.with(Stage::ReconfigureExhausted);
    spec.grants = grants;
    guest.host.load(&spec).map_err(|error| error.reason)
}

fn call(plugin: &mut Plugin, attempts: u8) -> Result<Option<ExhaustedVerdict>, Failure> {
    plugin.reconfigure_exhausted(&Exhausted { subject: subject(), attempts, has_nonce: false })
}

#[test]
fn a_store_outlives_traps_instances_and_the_host() {
    let Some(guest) = guest("fixture-granted") else { return };
    let dir = tempfile::tempdir().unwrap();
    let lines = Lines::default();
    let open = stores(dir.path());
    let mut plugin = load(&guest, grants(&open, &lines)).unwrap();
    assert_eq!(call(&mut plugin, 1), Ok(Some(ExhaustedVerdict::Restore)));
    assert_eq!(call(&mut plugin, 100), Err(Failure::Trap), "what this call changed is not kept");
    assert_eq!(call(&mut plugin, 1), Ok(Some(ExhaustedVerdict::Clear)), "{}", plugin.stats().last_failure);
    assert_eq!(plugin.stats().counters.get("calls"), Some(&3), "counters outlive the instance");
    let mut other = load(&guest, grants(&open, &lines)).unwrap();
    assert_eq!(call(&mut other, 1), Ok(Some(ExhaustedVerdict::Defer)), "the store is the plugin's, not the instance's");
    drop((plugin, other, open));

    let open = stores(dir.path());
    let mut again = load(&guest, grants(&open, &lines)).unwrap();
    assert_eq!(call(&mut again, 1), Ok(Some(ExhaustedVerdict::Defer)), "it was written");
    assert_eq!(call(&mut again, 102), Ok(None), "a value that is too large");
    assert_eq!(call(&mut again, 103), Ok(Some(ExhaustedVerdict::Defer)));
    assert_eq!(call(&mut again, 1), Ok(Some(ExhaustedVerdict::Restore)), "forgotten");
}

#[test]
fn lines_are_one_line_each_and_bounded() {
    let Some(guest) = guest("fixture-granted") else { return };
    let dir = tempfile::tempdir().unwrap();
    let lines = Lines::default();
    let mut plugin = load(&guest, grants(&stores(dir.path()), &lines)).unwrap();
    call(&mut plugin, 101).unwrap();
    let lines = lines.lock().unwrap();
    assert_eq!(lines[0], (Level::Warning, "fixture-granted".into(), "call 1 of many".into()));
    assert_eq!(lines.len(), 10, "a second of 21 lines: {lines:?}");
}

#[test]
fn what_is_not_granted_is_no_import() {
    let Some(guest) = guest("fixture-granted") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (open, lines) = (stores(dir.path()), Lines::default());
    for (without, grants) in [
        ("log", Grants { log: None, ..grants(&open, &lines) }),
        ("counters", Grants { counters: false, ..grants(&open, &lines) }),
        ("kv", Grants { kv: None, ..grants(&open, &lines) }),
    ] {
        match load(&guest, grants).map(|_| ()).unwrap_err() {
            LoadReason::NotGranted(what) => assert_eq!(what, without),
            other => panic!("{other}"),
        }
    }
}
