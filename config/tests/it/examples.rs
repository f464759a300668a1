//! Every configuration under `examples/` is without fault.

use bindery_config::model::Secret;
use bindery_config::{Loaded, load};
use bindery_types::GroupId;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// Every `.kdl` file below `folder`.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(folder) else { return found };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.ends_with("plugins") {
            // Files for `bindery plugin test`, in a language of their own.
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "kdl") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn example(name: &str) -> Loaded {
    let text = std::fs::read_to_string(root().join(name)).unwrap();
    load(name, &text).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn all_examples_load() {
    let files = files(&root());
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        if let Err(errors) = load(&file.display().to_string(), &text) {
            panic!("{errors}");
        }
    }
}

#[test]
fn the_quickstart_serves_the_demo() {
    let loaded = example("quickstart/bindery.kdl");
    let engine = &loaded.engine;
    assert_eq!(&*engine.interfaces[0].pattern, "dhcp0");
    assert_eq!(shaped(&engine.groups[0]), 1);
    assert!(engine.pools[0].network.contains("192.0.2.1".parse().unwrap()));
    assert_eq!(loaded.plugins[0].path, "option-insert.wasm");
    assert_eq!(loaded.plugins[0].settings.len(), 2);
    assert_eq!(loaded.system.route_protocol, 201);
}

#[test]
fn the_gateway_inherits_by_whole_blocks() {
    let engine = example("bng/bindery.kdl").engine;
    let (residential, business) = (&engine.groups[0], &engine.groups[1]);
    assert_eq!(residential.overrides.interface_client_limit, Some(8));
    assert_eq!(engine.interfaces[0].overrides, None);
    assert_eq!(engine.interfaces[1].overrides.as_ref().unwrap().interface_client_limit, Some(256));
    assert_eq!(business.overrides.interface_client_limit, None);
    assert!(business.overrides.nak_unknown_renew);
    assert_eq!((shaped(residential), shaped(business)), (1, 2));
}

#[test]
fn the_radius_example_binds_each_group_to_its_profile() {
    let model = example("radius/bindery.kdl").model;
    let bound = |group| {
        let binding = model.access_of_group(GroupId(group)).unwrap();
        let name = binding.include().and_then(|include| include.domain_name.as_deref());
        assert_eq!((binding.password().map(Secret::as_bytes), name), (Some(&b"not-checked"[..]), Some("isp.example")));
        let profile = binding.profile;
        (profile.name.value.as_str(), profile.asks_radius(), profile.takes_without_answer(), profile.accounts())
    };
    assert_eq!(bound(0), ("isp", true, false, true));
    assert_eq!(bound(1), ("business", true, true, true));
    assert_eq!(bound(2), ("nobody", false, true, false));
    assert_eq!((model.radius_servers.len(), model.radius_options.revert_interval_secs), (2, 300));
    assert_eq!(model.dynamic_request_ports(), [3799]);
}

/// Plugins that a group binds to `shape-reply`.
fn shaped(group: &bindery_engine::config::Group) -> usize {
    group.chains.get(bindery_engine::policy::Stage::ShapeReply).map_or(0, <[_]>::len)
}
