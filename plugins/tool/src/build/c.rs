//! Plugins in C: bindings from the world, clang, wasi-libc.
//!
//! The target is WASI's reactor, for its C library. A component that asks for WASI at run time is refused: `printf`, files
//! and clocks are not there.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::Resolve;

use super::{WORLD_NAME, execute, sources, wit};
use crate::encode;

/// The compiler of Debian 12 that has a matching linker for wasm32.
const CLANG: &str = "clang-19";
/// Names another compiler.
const CLANG_VARIABLE: &str = "BINDERY_GUEST_CLANG";
const LINKER: &str = "/usr/bin/wasm-ld-19";
/// What to do about a missing compiler.
pub(super) const INSTALL: &str =
    "install what plugins in C need: apt-get install -y clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32";

fn clang() -> Command {
    Command::new(std::env::var_os(CLANG_VARIABLE).unwrap_or_else(|| CLANG.into()))
}

/// Whether the compiler, the linker and the C library are there.
pub(super) fn is_installed() -> bool {
    let runs = clang().arg("--version").output().is_ok_and(|output| output.status.success());
    runs && Path::new(LINKER).exists() && Path::new("/usr/lib/wasm32-wasi/libc.a").exists()
}

/// Build the project in `dir`.
pub(super) fn project(dir: &Path, component: &Path) -> Result<()> {
    if !is_installed() {
        bail!("clang-19, wasm-ld-19 or wasi-libc is missing; {INSTALL}");
    }
    let build = dir.join("build");
    let wit = wit(dir)?;
    bindings(&wit, &build)?;
    let core = build.join("core.wasm");
    let mut command = clang();
    command
        .args(["--target=wasm32-wasi", "-O2", "-Wall", "-Wextra", "-Werror=implicit-function-declaration"])
        .args(["-mexec-model=reactor", "-Wl,--strip-all"])
        .arg(format!("-fuse-ld={LINKER}"))
        .arg("-I")
        .arg(&build)
        .args(sources(dir, "c")?)
        .arg(build.join(format!("{WORLD_NAME}.c")))
        .arg(build.join(format!("{WORLD_NAME}_component_type.o")))
        .arg("-o")
        .arg(&core);
    execute(&mut command, "the plugin does not compile")?;
    encode::file(&core, component)
        .context("a plugin in C may use no function that needs the system, as printf, fopen, time or exit do")?;
    Ok(())
}

/// `plugin.h`, `plugin.c` and the object that carries the interfaces.
fn bindings(wit: &Path, build: &Path) -> Result<()> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit)?;
    let world = resolve.select_world(&[package], Some(WORLD_NAME))?;
    let mut files = Files::default();
    // A handle that was lent goes back by itself when the hook returns.
    let options = wit_bindgen_c::Opts { autodrop_borrows: wit_bindgen_c::Enabled::Yes, ..Default::default() };
    options.build().generate(&mut resolve, world, &mut files)?;
    for (name, content) in files.iter() {
        let path = build.join(name);
        fs::write(&path, content).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}
