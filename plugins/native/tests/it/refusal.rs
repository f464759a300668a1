//! What does not fit is refused before anything in it is called, and the words name the file.

use crate::build::Built;
use bindery_plugin_native::Library;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

/// The refusal of a driver that leaves a trace in each of its functions.
fn refused(flags: &[&str]) -> String {
    let traces = tempfile::tempdir().unwrap();
    let trace = traces.path().join("called");
    let define = format!("-DTRACE=\"{}\"", trace.display());
    let driver = Built::odd(&[flags, &[define.as_str()]].concat());
    let words = refuse(&driver.path());
    assert!(!trace.exists(), "something was called");
    words
}

/// The words of a refusal, without the file's name, which they must begin with.
fn refuse(path: &Path) -> String {
    let error = Library::load(path).err().expect("it is refused").to_string();
    let rest = error.strip_prefix(&format!("{}: ", path.display()));
    rest.unwrap_or_else(|| panic!("the file is not named: {error}")).to_owned()
}

#[test]
fn another_magic_is_refused() {
    let words = refused(&["-DODD_MAGIC=0x1122334455667788"]);
    assert!(words.contains("0x1122334455667788") && words.contains("is no descriptor"), "{words}");
}

#[test]
fn another_major_version_is_refused() {
    for major in ["1", "3"] {
        let words = refused(&[&format!("-DODD_MAJOR={major}"), "-DODD_MINOR=4"]);
        assert!(words.starts_with(&format!("it was built for version {major}.4 of the interface")), "{words}");
    }
}

#[test]
fn a_smaller_descriptor_is_refused() {
    let words = refused(&["-DODD_SIZE=72"]);
    assert_eq!(words, "its descriptor has 72 octets, the shortest of version 2.0 has 80");
}

#[test]
fn a_missing_function_or_name_is_refused() {
    assert_eq!(refused(&["-DODD_NO_APPLY"]), "its descriptor has no function apply");
    assert_eq!(refused(&["-DODD_NAME=\"\""]), "its descriptor has no name that can be read");
    assert_eq!(refused(&["-DODD_NAME=NULL"]), "its descriptor has no name that can be read");
    assert_eq!(refused(&["-DODD_NAME=\"\\377\""]), "its descriptor has no name that can be read");
}

#[test]
fn a_library_that_is_no_driver_is_refused() {
    let words = refused(&["-DODD_SYMBOL"]);
    assert!(words.starts_with("it exports no bindery_plane_driver_v2"), "{words}");
}

#[test]
fn what_is_no_library_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("driver.so");
    assert!(refuse(&path).contains("No such file"), "a missing file");
    fs::write(&path, "hello").unwrap();
    let words = refuse(&path);
    assert!(words.starts_with("it is no library that can be loaded: ") && words.len() > 60, "{words}");
}

#[test]
fn what_others_can_write_is_refused() {
    let driver = Built::odd(&[]);
    let refused = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let refused =
            Library::load(&driver.path()).is_err_and(|error| error.to_string().contains("must belong to root"));
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        refused
    };
    assert!(refused(&driver.path(), 0o757));
    assert!(refused(driver.folder(), 0o777));
    assert!(!refused(driver.folder(), 0o1777), "in a sticky directory nobody replaces the file of another");
    assert!(!refused(&driver.path(), 0o755));
}

/// The linker would hand out the old code under the old name.
#[test]
fn a_replaced_file_is_refused_and_taken_under_another_name() {
    let (old, new) = (Built::odd(&[]), Built::odd(&["-DODD_NAME=\"new\""]));
    for _ in 0..2 {
        assert_eq!(Library::load(&old.path()).unwrap().name(), "odd");
    }
    let beside = old.folder().join("driver-2.so");
    fs::copy(new.path(), &beside).unwrap();
    fs::rename(new.path(), old.path()).unwrap();
    assert!(refuse(&old.path()).starts_with("this process has loaded another version of the file"));
    assert_eq!(Library::load(&beside).unwrap().name(), "new");
}

/// Older and newer minor versions are taken.
#[test]
fn a_newer_minor_version_is_taken() {
    let library = Library::load(&Built::odd(&["-DODD_NEWER"]).path()).unwrap();
    assert_eq!((library.name(), library.version()), ("newer", "9"));
    library.open(&[], |_| {}).unwrap();
}
