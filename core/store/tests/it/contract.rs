//! Both backends keep the contract.

use bindery_store::{Faults, FjallStore, MemoryStore, Storage, contract, load_all};
use std::path::PathBuf;

struct Disk {
    root: tempfile::TempDir,
    current: PathBuf,
    made: u32,
}

impl contract::Bench for Disk {
    fn fresh(&mut self) -> Box<dyn Storage> {
        self.made += 1;
        self.current = self.root.path().join(self.made.to_string());
        Box::new(FjallStore::open(&self.current).unwrap())
    }

    fn restart(&mut self, storage: Box<dyn Storage>) -> Box<dyn Storage> {
        drop(storage);
        Box::new(FjallStore::open(&self.current).unwrap())
    }
}

#[test]
fn fjall_keeps_the_contract() {
    let root = tempfile::tempdir().unwrap();
    contract::check(&mut Disk { current: root.path().into(), root, made: 0 });
}

/// A store in memory has nothing to restart; what it reads back is all that can be compared.
struct Memory;

impl contract::Bench for Memory {
    fn fresh(&mut self) -> Box<dyn Storage> {
        Box::new(MemoryStore::new(Faults::default()))
    }

    fn restart(&mut self, storage: Box<dyn Storage>) -> Box<dyn Storage> {
        storage
    }
}

#[test]
fn memory_keeps_the_contract() {
    contract::check(&mut Memory);
}

#[test]
fn memory_fails_on_command() {
    for keep in [false, true] {
        let faults = Faults::default();
        let mut store = MemoryStore::new(faults.clone());
        faults.fail_after(1, keep);
        faults.fail_reopen(1);
        store.commit(&[contract::put(1, 1)]).unwrap();
        store.commit(&[contract::put(2, 2), contract::put(3, 3)]).unwrap_err();
        store.commit(&[contract::put(4, 4)]).unwrap_err();
        store.reopen().unwrap_err();
        store.reopen().unwrap();
        assert_eq!(load_all(&mut store).unwrap().0.len(), if keep { 3 } else { 1 });
        store.commit(&[contract::put(5, 5)]).unwrap();
        assert_eq!((faults.commits(), faults.reopenings()), (2, 2));
    }
}
