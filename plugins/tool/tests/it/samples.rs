//! Every sample of `examples/plugins` against the exchanges beside it.

use crate::{built, repository, run};

fn passes(name: &str) {
    let Some(component) = built(name) else { return };
    let folder = repository().join("examples/plugins").join(name);
    let component = component.display().to_string();
    // A machine under load must not decide; what is slow in earnest the benches tell.
    let arguments = ["test", &component, "--exchanges", "test.kdl", "--deadline-ms", "10000"];
    let tested = run(&folder, &arguments);
    assert!(tested.good && tested.text.contains("as expected"), "{}", tested.text);
    // The same exchanges must be able to fail.
    let dir = tempfile::tempdir().unwrap();
    let expect = dir.path().join("expect.kdl");
    std::fs::write(&expect, "exchange 1 { option 200 byte=1; }").unwrap();
    let failed = run(&folder, &[&arguments[..], &["--expect", expect.to_str().unwrap()]].concat());
    assert!(!failed.good && failed.text.contains("expected 01\n        found    none"), "{}", failed.text);
}

#[test]
fn rust() {
    passes("rust-vendor-options");
}

#[test]
fn c() {
    passes("c-access-line");
}

#[test]
fn javascript() {
    if std::env::var_os("BINDERY_LANGUAGES").is_some() {
        passes("js-boot-servers");
    }
}

#[test]
fn python() {
    if std::env::var_os("BINDERY_LANGUAGES").is_some() {
        passes("python-quiet-lines");
    }
}
