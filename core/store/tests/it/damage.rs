//! Damage of every kind to every file: an error, or exactly what was committed. Never anything else.

use bindery_engine::record::{MetaRecord, StoredSession};
use bindery_store::{FjallStore, Storage, StoreError, Tuning, codec, contract, load_all};
use bindery_types::{LeaseTime, Wall};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Small enough that a few commits make tables.
const SMALL: Tuning = Tuning { memtable: 8 << 10 };

type Contents = (Vec<StoredSession>, Option<MetaRecord>);

/// A closed database with tables, a journal, and all kinds of records; and what is in it.
struct Specimen {
    directory: tempfile::TempDir,
    contents: Contents,
}

/// A place in memory, where there is one: these tests copy a lot.
fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn commit_some(store: &mut FjallStore, range: std::ops::Range<u64>) {
    for n in range {
        let meta = MetaRecord {
            lease_clock: LeaseTime(n),
            wall: Wall(n),
            sessions_made: n,
            change: n,
            in_order: n % 2 == 1,
            promises_from: n / 2,
        };
        let batch = [
            contract::put(n % 37, n),
            contract::put(n % 41 + 100, n),
            contract::delete(n % 29 + 100),
            bindery_engine::output::StoreOp::Meta(meta),
        ];
        store.commit(&batch).unwrap();
    }
}

fn specimen() -> Specimen {
    let directory = scratch();
    let mut store = FjallStore::open_with(directory.path(), SMALL).unwrap();
    // The engine writes tables when its threads get to it.
    let tables = |n| fs::read_dir(directory.path().join(format!("sessions/db/keyspaces/{n}/tables"))).unwrap().count();
    let mut next = 0;
    while tables(1) == 0 || tables(2) == 0 {
        commit_some(&mut store, next..next + 50);
        next += 50;
        assert!(next < 1_000_000, "no table was ever written");
    }
    let contents = load_all(&mut store).unwrap();
    drop(store);
    // The end of the journal is cut at an opening; what follows is written by appending.
    let mut store = FjallStore::open_with(directory.path(), Tuning::default()).unwrap();
    assert_eq!(load_all(&mut store).unwrap(), contents);
    commit_some(&mut store, next..next + 50);
    let contents = load_all(&mut store).unwrap();
    drop(store);
    Specimen { directory, contents }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            let _ = fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// All files below a directory, relative to it.
fn files(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![root.to_path_buf()]);
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path.strip_prefix(root).unwrap().to_path_buf()) }
        }
    }
    found.sort();
    found
}

fn read(state: &Path) -> Result<Contents, StoreError> {
    let mut store = FjallStore::open_with(state, Tuning::default())?;
    load_all(&mut store)
}

impl Specimen {
    /// Damages a copy, and checks what becomes of it.
    fn harm(&self, what: &str, harm: impl FnOnce(&Path)) -> Result<(), StoreError> {
        let copied = scratch();
        copy(self.directory.path(), copied.path());
        harm(copied.path());
        match read(copied.path()) {
            Ok(contents) => {
                assert!(contents == self.contents, "{what}: it opened with other contents");
                Ok(())
            }
            Err(error) => {
                let text = error.to_string();
                let place = copied.path().to_str().unwrap();
                assert!(text.contains(place), "{what}: the error names no file: {text}");
                assert!(
                    matches!(error, StoreError::Damaged { .. } | StoreError::Newer { .. } | StoreError::Engine { .. }),
                    "{what}: {text}"
                );
                Err(error)
            }
        }
    }
}

#[test]
fn the_specimen_has_all_kinds_of_files() {
    let specimen = specimen();
    let names = files(specimen.directory.path());
    let has = |part: &str| names.iter().any(|name| name.to_str().unwrap().contains(part));
    for part in ["format", "mark", ".jnl", "db/version", "keyspaces/1/tables/", "keyspaces/2/tables/", "1/current"] {
        assert!(has(part), "{part} is not among {names:?}");
    }
    specimen.harm("nothing", |_| ()).unwrap();
}

/// How often damage was reported, and how often it changed nothing. A stop leaves files behind that the engine would
/// have removed soon: older manifests, and tables that were compacted. Damage there is harmless.
#[derive(Default)]
struct Verdicts {
    seen: u32,
    harmless: Vec<String>,
}

impl Verdicts {
    fn add(&mut self, what: String, result: Result<(), StoreError>) {
        match result {
            Ok(()) => self.harmless.push(what),
            Err(_) => self.seen += 1,
        }
    }

    /// Nearly all was seen, and nothing in `always` was taken for harmless.
    fn check(self, always: &[&str]) {
        println!("{} were errors, {} harmless: {:?}", self.seen, self.harmless.len(), self.harmless);
        assert!(self.seen as usize > 3 * self.harmless.len());
        for part in always {
            assert!(!self.harmless.iter().any(|what| what.contains(part)), "{part}: {:?}", self.harmless);
        }
    }
}

#[test]
fn flipped_bits_are_seen_or_harmless() {
    let specimen = specimen();
    let mut verdicts = Verdicts::default();
    for name in files(specimen.directory.path()) {
        let len = fs::metadata(specimen.directory.path().join(&name)).unwrap().len();
        let places = 24.min(len);
        for place in 0..places {
            // Spread over the file, and over the eight bits.
            let at = (place * len / places + place % 7).min(len - 1) as usize;
            let what = format!("bit {} of byte {at} of {}", place % 8, name.display());
            let result = specimen.harm(&what, |root| {
                let mut bytes = fs::read(root.join(&name)).unwrap();
                bytes[at] ^= 1 << (place % 8);
                fs::write(root.join(&name), bytes).unwrap();
            });
            verdicts.add(what, result);
        }
    }
    verdicts.check(&[".jnl", "format", "current"]);
}

#[test]
fn cut_files_are_seen_or_harmless() {
    let specimen = specimen();
    let mut verdicts = Verdicts::default();
    for name in files(specimen.directory.path()) {
        let len = fs::metadata(specimen.directory.path().join(&name)).unwrap().len();
        for part in [0, 1, len / 3, len / 2, len.saturating_sub(100), len.saturating_sub(1)] {
            if part >= len {
                continue;
            }
            let what = format!("{} cut from {len} to {part} bytes", name.display());
            let result = specimen.harm(&what, |root| {
                fs::File::options().write(true).open(root.join(&name)).unwrap().set_len(part).unwrap();
            });
            verdicts.add(what, result);
        }
    }
    verdicts.check(&[".jnl", "format", "mark", "current", "db/version"]);
}

#[test]
fn missing_files_are_seen_or_harmless() {
    let specimen = specimen();
    let mut verdicts = Verdicts::default();
    for name in files(specimen.directory.path()) {
        let what = format!("{} missing", name.display());
        let result = specimen.harm(&what, |root| fs::remove_file(root.join(&name)).unwrap());
        if !name.ends_with("sessions.lock") {
            verdicts.add(what, result);
        }
    }
    for name in ["db", "db/keyspaces", "db/keyspaces/0", "db/keyspaces/1", "db/keyspaces/2", "db/keyspaces/1/tables"] {
        let result = specimen.harm(name, |root| fs::remove_dir_all(root.join("sessions").join(name)).unwrap());
        assert!(result.is_err(), "{name} missing: it opened");
    }
    verdicts.check(&[".jnl", "format", "mark", "current", "db/version"]);
}

#[test]
fn an_older_copy_of_anything_is_seen() {
    let specimen = specimen();
    let old = scratch();
    copy(specimen.directory.path(), old.path());
    // Two more commits: less than a table, so that only the end of the journal and the mark differ.
    let mut store = FjallStore::open_with(specimen.directory.path(), Tuning::default()).unwrap();
    let before = store.acknowledged();
    commit_some(&mut store, 200..202);
    let contents = load_all(&mut store).unwrap();
    drop(store);
    let specimen = Specimen { contents, ..specimen };
    let error = specimen
        .harm("an older database under the mark", |root| {
            fs::remove_dir_all(root.join("sessions/db")).unwrap();
            copy(&old.path().join("sessions/db"), &root.join("sessions/db"));
        })
        .unwrap_err();
    let told = format!("its journal ends at commit {before}, but {} was acknowledged", before + 2);
    assert!(error.to_string().contains(&told), "{error}");
}

/// Changes the database behind the store's back, by a batch whose head and checksums are all sound.
fn tamper(state: &Path, change: impl FnOnce(&mut fjall::OwnedWriteBatch, &fjall::Keyspace, &fjall::Keyspace)) {
    let db = fjall::Database::builder(state.join("sessions/db")).open().unwrap();
    let leases = db.keyspace("leases", fjall::KeyspaceCreateOptions::default).unwrap();
    let identities = db.keyspace("identities", fjall::KeyspaceCreateOptions::default).unwrap();
    let mut head = codec::decode_head(&leases.get(codec::HEAD_KEY).unwrap().unwrap()).unwrap();
    head.commit += 1;
    let mut value = Vec::new();
    codec::encode_head(&head, &mut value);
    let mut batch = db.batch();
    batch.insert(&leases, codec::HEAD_KEY, value);
    change(&mut batch, &leases, &identities);
    batch.commit().unwrap();
}

#[test]
fn a_record_that_is_lost_or_falls_back_is_seen() {
    let specimen = specimen();
    let last = specimen.contents.0.last().unwrap();
    let key = codec::encode_binding_key(last.lease.key);
    let session = codec::encode_session_key(last.lease.key.session);
    specimen.harm("no change", |root| tamper(root, |_, _, _| ())).unwrap();
    let seen = |what: &str, told: &str, harm: &dyn Fn(&Path)| {
        let error = specimen.harm(what, harm).unwrap_err();
        assert!(error.to_string().contains(told), "{what}: {error}");
    };
    seen("a lease is gone", "were found", &|root| tamper(root, |batch, leases, _| batch.remove(leases, key)));
    seen("an identity is gone", "lost its identity", &|root| tamper(root, |batch, _, ids| batch.remove(ids, session)));
    seen("a lease fell back", "fell back", &|root| {
        let old = bindery_engine::record::LeaseRecord { change: 1, ..last.lease };
        let mut value = Vec::new();
        codec::encode_lease(&old, &mut value);
        tamper(root, |batch, leases, _| batch.insert(leases, key, value));
    });
    seen("a lease came twice", "were found", &|root| {
        let key = bindery_engine::record::BindingKey { index: 9, ..last.lease.key };
        let mut value = Vec::new();
        codec::encode_lease(&bindery_engine::record::LeaseRecord { key, ..last.lease }, &mut value);
        tamper(root, |batch, leases, _| batch.insert(leases, codec::encode_binding_key(key), value));
    });
    seen("the facts are gone", "fell back", &|root| {
        tamper(root, |batch, leases, _| batch.remove(leases, codec::META_KEY))
    });
    seen("a stranger's record", "wrong length", &|root| {
        tamper(root, |batch, leases, _| batch.insert(leases, "xyz", "z"))
    });
    seen("no checksum", "checksum", &|root| tamper(root, |batch, leases, _| batch.insert(leases, key, "z")));
}

/// The journal as the engine would cut it: in front of the first byte that it cannot read.
#[test]
fn damage_in_the_middle_of_the_journal_changes_nothing() {
    let specimen = specimen();
    let journal = files(specimen.directory.path()).into_iter().find(|name| name.extension().is_some()).unwrap();
    let before = fs::read(specimen.directory.path().join(&journal)).unwrap();
    let used = before.iter().rposition(|&byte| byte != 0).unwrap();
    for at in [0, 13, used / 4, used / 2, used - 1] {
        let mut harmed = before.clone();
        harmed[at] ^= 0x40;
        let error = specimen.harm("journal", |root| fs::write(root.join(&journal), &harmed).unwrap()).unwrap_err();
        assert!(error.to_string().contains("nothing was changed"), "{error}");
        // Once more, to look at the file after the refusal.
        let copied = scratch();
        copy(specimen.directory.path(), copied.path());
        fs::write(copied.path().join(&journal), &harmed).unwrap();
        read(copied.path()).unwrap_err();
        assert!(fs::read(copied.path().join(&journal)).unwrap() == harmed, "byte {at}: the journal was changed");
    }
}

#[test]
fn a_torn_batch_that_nobody_was_told_of_is_cut_off() {
    let specimen = specimen();
    let journal = files(specimen.directory.path()).into_iter().find(|name| name.extension().is_some()).unwrap();
    let path = specimen.directory.path().join(&journal);
    let before = fs::read(&path).unwrap();
    let mark = fs::read(specimen.directory.path().join("sessions/mark")).unwrap();
    let mut store = FjallStore::open_with(specimen.directory.path(), Tuning::default()).unwrap();
    commit_some(&mut store, 500..501);
    drop(store);
    let after = fs::read(&path).unwrap();
    assert!(after.starts_with(&before) && after.len() > before.len() + 100);
    for len in before.len() + 1..after.len() {
        if len % 5 != 0 {
            continue;
        }
        specimen
            .harm("a torn batch", |root| {
                fs::write(root.join(&journal), &after[..len]).unwrap();
                // As after a power cut: the mark of the batch before.
                fs::write(root.join("sessions/mark"), &mark).unwrap();
            })
            .unwrap();
        let result = specimen.harm("an acknowledged batch that is torn", |root| {
            fs::write(root.join(&journal), &after[..len]).unwrap();
        });
        assert!(result.is_err(), "{len} bytes: it opened");
    }
}
