//! Plugins in JavaScript: componentize-js, which puts the SpiderMonkey engine into the component.
//!
//! componentize-qjs makes components of a tenth of the size, but gives no lent handle back before the call ends (0.4.5), so
//! that each call fails.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{WORLD_NAME, execute, one_source, tools, wit};

/// The npm package, pinned.
const PACKAGE: &str = "@bytecodealliance/componentize-js@0.23.0";

/// Build the project in `dir`.
pub(super) fn project(dir: &Path, component: &Path, install: bool) -> Result<()> {
    let tool = tool(install)?;
    let source = one_source(dir, "js")?;
    let wit = wit(dir)?;
    let component = std::path::absolute(component).context("the current directory cannot be found")?;
    let mut command = Command::new(tool);
    command.arg(source).arg("--wit").arg(wit).args(["--world-name", WORLD_NAME]);
    // What would need WASI at run time, which plugins do not get.
    command.args(["--disable", "stdio", "random", "clocks", "http", "fetch-event", "--out"]);
    command.arg(component).current_dir(dir).stdout(std::process::Stdio::null());
    execute(&mut command, "the plugin does not build")
}

fn tool(install: bool) -> Result<PathBuf> {
    let folder = tools()?.join("node");
    let tool = folder.join("node_modules/.bin/componentize-js");
    if tool.is_file() {
        return Ok(tool);
    }
    if !install {
        bail!(
            "plugins in JavaScript need {PACKAGE} from npm, which is not in {}: \
             `bindery plugin build --install` fetches it (some 390 MB) into that folder",
            folder.display()
        );
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    println!("installing {PACKAGE} from npm into {}", folder.display());
    let mut command = Command::new("npm");
    command.arg("install").arg("--prefix").arg(&folder).args(["--no-fund", "--no-audit", "--loglevel=error", PACKAGE]);
    execute(&mut command, "npm, which comes with Node.js 20 or newer, is needed")?;
    Ok(tool)
}
