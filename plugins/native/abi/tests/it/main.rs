//! The committed header is the one that the definitions make, and it is C and C++.

use std::{path::Path, process::Command};

const HEADER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../include/bindery_plane.h");

/// After a change of the definitions: `UPDATE_EXPECT=1 cargo test -p bindery-plane-abi`.
#[test]
fn the_header_is_not_stale() {
    expect_test::expect_file![HEADER].assert_eq(&bindery_plane_abi::header());
}

/// The assertions in it compare each offset with what Rust laid out.
#[test]
fn compilers_lay_it_out_as_rust_does() {
    for (compiler, standard) in [("cc", "-std=c11"), ("c++", "-std=c++17")] {
        let language = if compiler == "cc" { "-xc" } else { "-xc++" };
        let compiled = Command::new(compiler)
            .args([standard, language])
            .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"])
            .arg(Path::new(HEADER))
            .output();
        let output = compiled.expect("the compilers are installed (cargo xtask setup)");
        assert!(output.status.success(), "{compiler}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
