//! From sources in any of the four languages to components.

mod c;
mod javascript;
mod python;
mod rust;
mod toolchain;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::language::Language;
use crate::packages;

/// Where the samples of this repository are.
const SAMPLES: &str = "examples/plugins";

/// What to build.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Guests of this repository, or Cargo packages, into a directory.
    Guests {
        /// The guests and the samples of this repository.
        all: bool,
        /// With `all`: the samples in JavaScript and Python too.
        languages: bool,
        /// Directories of Cargo packages.
        guests: Vec<PathBuf>,
        /// Directory for the components.
        out: PathBuf,
        /// Fetch a missing tool.
        install: bool,
    },
    /// The project in a directory.
    Project {
        /// The directory.
        dir: PathBuf,
        /// The component; none: NAME.wasm in the project.
        out: Option<PathBuf>,
        /// Fetch a missing tool.
        install: bool,
    },
}

/// Build everything that is asked for. Quick if nothing has changed.
pub(crate) fn run(request: &Request) -> Result<()> {
    match request {
        Request::Project { dir, out, install } => {
            let component = project(dir, out.as_deref(), *install)?;
            println!("{}", component.display());
            Ok(())
        }
        Request::Guests { all, languages, guests, out, install } => {
            rust::guests(*all, guests, out)?;
            if *all {
                samples(out, *languages, *install)?;
            }
            Ok(())
        }
    }
}

/// The samples of this repository; those whose tools are large only if they are wanted.
fn samples(out: &Path, languages: bool, install: bool) -> Result<()> {
    let here = std::env::current_dir().context("the current directory cannot be found")?;
    let Some(samples) = here.ancestors().map(|dir| dir.join(SAMPLES)).find(|dir| dir.is_dir()) else {
        return Ok(());
    };
    let entries = fs::read_dir(&samples).with_context(|| format!("{} cannot be read", samples.display()))?;
    let mut folders: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    folders.sort();
    for folder in folders {
        let name = folder.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let Some(language) = Language::ALL.into_iter().find(|known| name.starts_with(&format!("{}-", known.name())))
        else {
            continue;
        };
        match language {
            Language::JavaScript | Language::Python if !languages => continue,
            Language::C if !c::is_installed() => {
                println!("SKIP {name}: {}", c::INSTALL);
                continue;
            }
            _ => {}
        }
        let component = project(&folder, Some(&out.join(name).with_extension("wasm")), install)?;
        println!("{}", component.display());
    }
    Ok(())
}

/// Build the project in `dir`; the path of its component.
fn project(dir: &Path, out: Option<&Path>, install: bool) -> Result<PathBuf> {
    let dir = dir.canonicalize().with_context(|| format!("{} cannot be found", dir.display()))?;
    let name = dir.file_name().and_then(OsStr::to_str).context("the project's folder has no name")?.to_owned();
    let component = out.map_or_else(|| dir.join(&name).with_extension("wasm"), Path::to_owned);
    if let Some(folder) = component.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    match detect(&dir)? {
        Language::Rust => rust::project(&dir, &component)?,
        Language::C => c::project(&dir, &component)?,
        Language::JavaScript => javascript::project(&dir, &component, install)?,
        Language::Python => python::project(&dir, &component, install)?,
    }
    Ok(component)
}

/// The language of a project, as its files tell.
fn detect(dir: &Path) -> Result<Language> {
    if dir.join("Cargo.toml").is_file() {
        return Ok(Language::Rust);
    }
    if !dir.join(WORLD).is_file() {
        bail!(
            "{} is no plugin's project: it has neither Cargo.toml nor {WORLD}; `bindery plugin new NAME` makes one",
            dir.display()
        );
    }
    for language in [Language::C, Language::JavaScript, Language::Python] {
        if !sources(dir, language.extension())?.is_empty() {
            return Ok(language);
        }
    }
    bail!("{} has no source: a file that ends in .c, .js or .py beside {WORLD}", dir.display())
}

/// What the component exports and imports; for every language but Rust.
const WORLD: &str = "world.wit";
/// The world's name in it.
const WORLD_NAME: &str = "plugin";

/// Files in `dir` that end so, in order of their names.
fn sources(dir: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).with_context(|| format!("{} cannot be read", dir.display()))?;
    let files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut files: Vec<PathBuf> =
        files.filter(|path| path.is_file() && path.extension().is_some_and(|found| found == extension)).collect();
    files.sort();
    Ok(files)
}

/// The one source of a language whose tool takes one.
fn one_source(dir: &Path, extension: &str) -> Result<PathBuf> {
    let mut files = sources(dir, extension)?;
    match (files.pop(), files.pop()) {
        (Some(only), None) => Ok(only),
        (None, _) => bail!("{} has no file that ends in .{extension}", dir.display()),
        _ => {
            let wanted = dir.join("plugin").with_extension(extension);
            if wanted.is_file() {
                Ok(wanted)
            } else {
                bail!("several .{extension} files: name the first one plugin.{extension}")
            }
        }
    }
}

/// The project's world with the packages that it names, laid out as every WIT tool reads them.
fn wit(dir: &Path) -> Result<PathBuf> {
    let wit = dir.join("build/wit");
    let world = dir.join(WORLD);
    let text = fs::read_to_string(&world).with_context(|| format!("{} cannot be read", world.display()))?;
    packages::file(&wit.join(WORLD), &text)?;
    packages::write_wit(&wit.join("deps"))?;
    Ok(wit)
}

/// Run a tool to its end.
fn execute(command: &mut Command, what: &str) -> Result<()> {
    let program = command.get_program().display().to_string();
    let status = command.status().with_context(|| format!("{program} does not run"))?;
    if !status.success() {
        bail!("{what}: {program} failed ({status})");
    }
    Ok(())
}

/// Where fetched tools live: not in the project, not in the system.
pub(crate) fn tools() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("BINDERY_PLUGIN_TOOLS") {
        return Ok(PathBuf::from(folder));
    }
    let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share"));
    let data = data.or_else(home).context("neither XDG_DATA_HOME nor HOME says where to keep tools")?;
    Ok(data.join("bindery-plugin"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_told_by_files() {
        let dir = tempfile::tempdir().unwrap();
        let error = |dir: &Path| format!("{:#}", detect(dir).unwrap_err());
        assert!(error(dir.path()).contains("no plugin's project"));
        fs::write(dir.path().join(WORLD), "").unwrap();
        assert!(error(dir.path()).contains("has no source"));
        fs::write(dir.path().join("plugin.py"), "").unwrap();
        assert_eq!(detect(dir.path()).unwrap(), Language::Python);
        fs::write(dir.path().join("plugin.js"), "").unwrap();
        assert_eq!(detect(dir.path()).unwrap(), Language::JavaScript);
        fs::write(dir.path().join("main.c"), "").unwrap();
        assert_eq!(detect(dir.path()).unwrap(), Language::C);
        fs::write(dir.path().join("Cargo.toml"), "").unwrap();
        assert_eq!(detect(dir.path()).unwrap(), Language::Rust);
    }

    #[test]
    fn one_source_is_chosen() {
        let dir = tempfile::tempdir().unwrap();
        assert!(one_source(dir.path(), "js").is_err());
        fs::write(dir.path().join("a.js"), "").unwrap();
        assert!(one_source(dir.path(), "js").unwrap().ends_with("a.js"));
        fs::write(dir.path().join("b.js"), "").unwrap();
        assert!(one_source(dir.path(), "js").is_err());
        fs::write(dir.path().join("plugin.js"), "").unwrap();
        assert!(one_source(dir.path(), "js").unwrap().ends_with("plugin.js"));
    }
}
