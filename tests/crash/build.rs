//! Builds the two shims that are loaded by `LD_PRELOAD`, with the C compiler that Rust links with anyway.

use std::{env, path::PathBuf, process::Command};

fn main() {
    println!("cargo::rerun-if-env-changed=CC");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let compiler = env::var("CC").unwrap_or_else(|_| "cc".into());
    for shim in ["trace", "clock"] {
        let source = format!("interposer/{shim}.c");
        println!("cargo::rerun-if-changed={source}");
        let status = Command::new(&compiler)
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(out.join(format!("lib{shim}.so")))
            .args([source.as_str(), "-ldl", "-pthread"])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "'{compiler}' cannot build {source}: install a C compiler"
        );
    }
}
