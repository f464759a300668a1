//! What cannot be loaded, and what the operator is told.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use bindery_plugin_host::{Failure, Host, HostConfig, LoadReason, Origin, PluginSpec, Setting, Source, Stage, Stages};

use crate::text::{self, Guest};

/// Load and fail; the message names the plugin.
#[track_caller]
fn refused(spec: &PluginSpec) -> LoadReason {
    let Err(error) = text::host().load(spec) else { panic!("it loaded") };
    let message = error.to_string();
    assert!(message.starts_with("plugin tested: "), "{message}");
    assert!(!message.contains('\n'), "{message}");
    error.reason
}

fn embedded(text: &str) -> PluginSpec {
    let bytes = wat::parse_str(text).unwrap();
    let mut spec = PluginSpec::new("tested", Source::Embedded(bytes.into()));
    spec.stages = Stages::NONE.with(Stage::ShapeReply);
    spec
}

/// A good guest with one word replaced.
fn altered(from: &str, to: &str) -> PluginSpec {
    let text = Guest::new(text::GOOD).text();
    assert!(text.contains(from));
    embedded(&text.replace(from, to))
}

#[test]
fn files() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| PluginSpec::new("tested", Source::File(dir.path().join(name)));
    assert!(matches!(refused(&file("absent.wasm")), LoadReason::NotFound(path) if path.ends_with("absent.wasm")));
    assert!(matches!(refused(&file(".")), LoadReason::Io { .. }));
    for (content, word) in [(&b"hello, world"[..], "does not start"), (b"", "does not start")] {
        fs::write(dir.path().join("text.wasm"), content).unwrap();
        assert!(matches!(refused(&file("text.wasm")), LoadReason::NotAComponent(why) if why.contains(word)));
    }
    fs::write(dir.path().join("core.wasm"), wat::parse_str("(module)").unwrap()).unwrap();
    assert!(matches!(refused(&file("core.wasm")), LoadReason::NotAComponent(why) if why.contains("encode")));
    let mut cut = Guest::new(text::GOOD).binary();
    cut.truncate(cut.len() - 3);
    fs::write(dir.path().join("cut.wasm"), cut).unwrap();
    assert!(matches!(refused(&file("cut.wasm")), LoadReason::NotAComponent(_)));
    fs::write(dir.path().join("good.wasm"), Guest::new(text::GOOD).binary()).unwrap();
    let plugin = text::host().load(&file("good.wasm")).unwrap();
    assert!(plugin.stages().contains(Stage::ShapeReply));
}

#[test]
fn too_large() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.wasm");
    let binary = Guest::new(text::GOOD).binary();
    fs::write(&path, &binary).unwrap();
    let spec = PluginSpec::new("tested", Source::File(path));
    let load = |max: usize| {
        let config = HostConfig { component_max_bytes: max as u64, ..HostConfig::default() };
        Host::new(config).unwrap().load(&spec)
    };
    assert!(load(binary.len()).is_ok());
    assert!(matches!(load(binary.len() - 1).map(|_| ()).unwrap_err().reason, LoadReason::TooLarge { .. }));
}

#[test]
fn versions() {
    let wrong = |spec: &PluginSpec, package: &str, version: &str| match refused(spec) {
        LoadReason::WrongVersion { package: found_package, found, wanted } => {
            assert_eq!((found_package.as_str(), found.as_str(), wanted.as_str()), (package, version, "1.0.0"));
        }
        other => panic!("{other}"),
    };
    let hook = "bindery:shape-reply/hook@";
    for version in ["2.0.0", "0.9.0", "1.0.1", "1.1.0", "1.0.0-rc.1"] {
        let spec = altered(&format!("{hook}1.0.0"), &format!("{hook}{version}"));
        wrong(&spec, "bindery:shape-reply", version);
    }
    wrong(&altered("bindery:shape-reply/hook@1.0.0", "bindery:shape-reply/hook"), "bindery:shape-reply", "unversioned");
    wrong(
        &altered("bindery:shape-reply/exchanges@1.0.0", "bindery:shape-reply/exchanges@1.2.0"),
        "bindery:shape-reply",
        "1.2.0",
    );
    wrong(&altered("bindery:types/types@1.0.0", "bindery:types/types@2.0.0"), "bindery:types", "2.0.0");
}

#[test]
fn exports() {
    let no_hook = refused(&altered("bindery:shape-reply/hook@1.0.0", "bindery:other-stage/hook@1.0.0"));
    assert!(matches!(no_hook, LoadReason::MissingExport { stage: Stage::ShapeReply }), "{no_hook}");
    let mut unbound = altered("bindery:shape-reply/hook@1.0.0", "bindery:other-stage/hook@1.0.0");
    unbound.stages = Stages::NONE;
    assert!(matches!(refused(&unbound), LoadReason::NoHook));
    assert!(matches!(refused(&embedded("(component)")), LoadReason::MissingExport { .. }));
}

#[test]
fn imports() {
    let names =
        ["wasi:clocks/monotonic-clock@0.2.0", "wasi:cli/environment@0.2.3", "some-name", "bindery:store/keys@1.0.0"];
    for name in names {
        let text = Guest::new(text::GOOD).text();
        let import = format!("(component (import \"{name}\" (instance (export \"now\" (func))))");
        let spec = embedded(&text.replacen("(component", &import, 1));
        match refused(&spec) {
            LoadReason::ForbiddenImport(found) => assert_eq!(found, name),
            other => panic!("{other}"),
        }
    }
    // An interface of ours that only guests export.
    let text = Guest::new(text::GOOD).text();
    let import = "(component (import \"bindery:types/configuration@1.0.0\" (instance))";
    let spec = embedded(&text.replacen("(component", import, 1));
    assert!(matches!(refused(&spec), LoadReason::ForbiddenImport(_)));
}

#[test]
fn types_that_differ() {
    let narrower = refused(&altered("(param \"code\" u16)", "(param \"code\" u32)"));
    assert!(matches!(narrower, LoadReason::Mismatch(_)), "{narrower}");
    let fewer = refused(&altered("(enum \"continue\" \"drop\")", "(enum \"continue\" \"refuse\")"));
    assert!(matches!(fewer, LoadReason::Mismatch(_)), "{fewer}");
    let spec = embedded(
        "(component (component $hook) (instance $hook (instantiate $hook))
            (export \"bindery:shape-reply/hook@1.0.0\" (instance $hook)))",
    );
    let empty = refused(&spec);
    assert!(matches!(empty, LoadReason::Mismatch(_)), "{empty}");
}

#[test]
fn deadlines() {
    for wrong in [Duration::ZERO, Duration::from_micros(1500), Duration::from_micros(999), Duration::from_secs(61)] {
        let mut spec = Guest::new(text::GOOD).spec();
        spec.deadline = wrong;
        assert!(matches!(refused(&spec), LoadReason::Deadline), "{wrong:?}");
    }
}

fn setting(name: &str) -> Setting {
    Setting { name: name.into(), ..Setting::default() }
}

#[test]
fn settings() {
    let mut spec = Guest::new(text::GOOD).spec();
    spec.settings = vec![setting("one")];
    match refused(&spec) {
        LoadReason::Settings { setting: None, message } => assert!(message.contains("takes none")),
        other => panic!("{other}"),
    }
    let guest = Guest { configure: Some(text::REFUSE), ..Guest::new(text::GOOD) };
    let mut spec = guest.spec();
    spec.settings = vec![setting("one"), setting("two")];
    match refused(&spec) {
        LoadReason::Settings { setting, message } => {
            assert_eq!((setting, message.as_str()), (Some(1), "no such thing"));
        }
        other => panic!("{other}"),
    }
    // An index beyond the list points nowhere.
    spec.settings.truncate(1);
    assert!(matches!(refused(&spec), LoadReason::Settings { setting: None, .. }));
    let guest = Guest { configure: Some(text::ACCEPT), ..Guest::new(text::GOOD) };
    let mut spec = guest.spec();
    spec.settings = vec![setting("one")];
    assert!(text::host().load(&spec).is_ok());
}

#[test]
fn a_start_that_fails() {
    let failure = |guest: &Guest| {
        let config = HostConfig { start_deadline: Duration::from_millis(50), ..HostConfig::default() };
        match Host::new(config).unwrap().load(&guest.spec()).map(|_| ()).unwrap_err().reason {
            LoadReason::Start { failure, .. } => failure,
            other => panic!("{other}"),
        }
    };
    let guest = |configure| Guest { configure: Some(configure), ..Guest::new(text::GOOD) };
    assert_eq!(failure(&guest("(unreachable)")), Failure::Trap);
    assert_eq!(failure(&guest("(loop (br 0)) (unreachable)")), Failure::Deadline);
    // One page more than 16 MiB.
    assert_eq!(failure(&Guest { pages: 257, ..Guest::new(text::GOOD) }), Failure::Memory);
    assert!(text::host().load(&Guest { pages: 256, ..Guest::new(text::GOOD) }.spec()).is_ok());
    // A start function, which runs before anything is asked for.
    let start = Guest {
        extra: "(core module $s (func (loop (br 0))) (start 0)) (core instance (instantiate $s))",
        ..Guest::new(text::GOOD)
    };
    assert_eq!(failure(&start), Failure::Deadline);
}

#[test]
fn precompiled_files_need_leave_and_a_safe_place() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("cache");
    let with_cache = HostConfig { cache_dir: Some(cache.clone()), ..HostConfig::default() };
    Host::new(with_cache).unwrap().load(&Guest::new(text::GOOD).spec()).unwrap();
    let entry = fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let place = dir.path().join("place");
    fs::create_dir(&place).unwrap();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    let path = place.join("good.cwasm");
    // The entry's own digest comes first.
    fs::write(&path, &fs::read(entry).unwrap()[32..]).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let spec = PluginSpec::new("tested", Source::File(path.clone()));
    assert!(matches!(refused(&spec), LoadReason::Untrusted { .. }));

    let host = Host::new(HostConfig { precompiled: true, ..HostConfig::default() }).unwrap();
    assert_eq!(*host.load(&spec).unwrap().origin(), Origin::Precompiled);
    for (what, mode) in [(&path, 0o664), (&path, 0o646), (&place, 0o777)] {
        let before = fs::metadata(what).unwrap().permissions();
        fs::set_permissions(what, fs::Permissions::from_mode(mode)).unwrap();
        let reason = host.load(&spec).map(|_| ()).unwrap_err().reason;
        assert!(matches!(reason, LoadReason::Untrusted { .. }), "{what:?} {mode:o}: {reason}");
        fs::set_permissions(what, before).unwrap();
    }
    let mut bytes = fs::read(&path).unwrap();
    // wasmtime's major version, behind its length.
    let version = bytes.windows(3).position(|window| window == b"\x0248").unwrap();
    bytes[version + 1] = b'3';
    fs::write(&path, bytes).unwrap();
    let reason = host.load(&spec).map(|_| ()).unwrap_err().reason;
    assert!(matches!(reason, LoadReason::Incompatible(_)), "{reason}");
}
