//! Plugins in JavaScript: componentize-qjs, which puts the QuickJS engine into the component.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{WORLD_NAME, execute, one_source, tools, wit};

/// The npm package, pinned.
const PACKAGE: &str = "componentize-qjs@0.4.5";

/// Build the project in `dir`.
pub(super) fn project(dir: &Path, component: &Path, install: bool) -> Result<()> {
    let tool = tool(install)?;
    let source = one_source(dir, "js")?;
    let wit = wit(dir)?;
    let mut command = Command::new(tool);
    command.arg("--js").arg(source).arg("--wit").arg(wit).args(["--world", WORLD_NAME]);
    // Without WASI, and with the plain calling convention that the host speaks.
    command.args(["--stub-wasi", "--sync", "--minify", "--output"]).arg(component).current_dir(dir);
    execute(&mut command, "the plugin does not build")
}

fn tool(install: bool) -> Result<PathBuf> {
    let folder = tools()?.join("node");
    let tool = folder.join("node_modules/.bin/componentize-qjs");
    if tool.is_file() {
        return Ok(tool);
    }
    if !install {
        bail!(
            "plugins in JavaScript need {PACKAGE} from npm, which is not in {}: \
             `bindery plugin build --install` fetches it (some 10 MB) into that folder",
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
