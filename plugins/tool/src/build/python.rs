//! Plugins in Python: componentize-py, which puts CPython into the component.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{WORLD_NAME, execute, one_source, tools, wit};

/// The PyPI package, pinned.
const PACKAGE: &str = "componentize-py==0.25.1";

/// Build the project in `dir`.
pub(super) fn project(dir: &Path, component: &Path, install: bool) -> Result<()> {
    let tool = tool(install)?;
    let source = one_source(dir, "py")?;
    let module = source.file_stem().and_then(OsStr::to_str).context("the source has no name")?.to_owned();
    let wit = wit(dir)?;
    let component = std::path::absolute(component).context("the current directory cannot be found")?;
    let mut command = Command::new(tool);
    command.arg("-d").arg(wit).args(["-w", WORLD_NAME, "componentize", "--stub-wasi"]).arg(module);
    command.arg("-o").arg(component).current_dir(dir);
    execute(&mut command, "the plugin does not build")
}

fn tool(install: bool) -> Result<PathBuf> {
    let folder = tools()?.join("python");
    let tool = folder.join("bin/componentize-py");
    if tool.is_file() {
        return Ok(tool);
    }
    if !install {
        bail!(
            "plugins in Python need {PACKAGE} from PyPI, which is not in {}: \
             `bindery plugin build --install` fetches it (some 70 MB) into that folder",
            folder.display()
        );
    }
    println!("installing {PACKAGE} from PyPI into {}", folder.display());
    execute(Command::new("python3").args(["-m", "venv"]).arg(&folder), "Python 3.10 or newer with venv is needed")?;
    let pip = folder.join("bin/pip");
    execute(Command::new(pip).args(["install", "--quiet", PACKAGE]), "the tool cannot be fetched")?;
    Ok(tool)
}
