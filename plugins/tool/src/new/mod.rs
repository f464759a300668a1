//! `bindery plugin new`: a small project that builds and, where a stage can be replayed, passes its test.

mod templates;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use bindery_plugin_host::Stage;

use crate::language::Language;
use crate::packages;

/// Longest name of a project.
const NAME_MAX: usize = 60;

/// What to make.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) name: String,
    pub(crate) language: Language,
    pub(crate) stage: Stage,
}

/// The stage of that name.
pub(crate) fn stage(name: &str) -> Result<Stage> {
    Stage::ALL.into_iter().find(|stage| stage.name() == name).with_context(|| {
        let all: Vec<&str> = Stage::ALL.into_iter().map(Stage::name).collect();
        format!("unknown stage {name}: it must be one of {}", all.join(", "))
    })
}

/// Make the project in the current directory and say what comes next.
pub(crate) fn run(request: &Request) -> Result<()> {
    let dir = Path::new(&request.name);
    make(request, dir)?;
    println!("{}/ has a plugin in {} for stage {}", request.name, request.language.name(), request.stage.name());
    println!("next:");
    println!("  bindery plugin build {}", request.name);
    if has_test(request.stage) {
        println!("  bindery plugin test {0}/{0}.wasm --exchanges {0}/test.kdl", request.name);
    } else {
        println!("  bindery plugin inspect {0}/{0}.wasm", request.name);
    }
    Ok(())
}

/// Whether `bindery plugin test` replays the stage.
fn has_test(stage: Stage) -> bool {
    matches!(stage, Stage::Admit | Stage::ShapeReply)
}

fn make(request: &Request, dir: &Path) -> Result<()> {
    check_name(&request.name)?;
    if dir.exists() {
        bail!("{} is there already: choose another name, or move it away", dir.display());
    }
    fs::create_dir(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    let write = |name: &str, text: &str| packages::file(&dir.join(name), &fill(text, request));
    let source = templates::source(request.language, request.stage);
    match request.language {
        Language::Rust => {
            write("Cargo.toml", templates::CARGO)?;
            write("src/lib.rs", source)?;
            // The SDK is in no registry: the project carries it, and the interfaces that it is made from.
            packages::write_sdk(&dir.join("vendor/sdk"))?;
            packages::write_wit(&dir.join("wit"))?;
        }
        language => {
            write("world.wit", templates::WORLD)?;
            write(&format!("plugin.{}", language.extension()), source)?;
        }
    }
    if has_test(request.stage) {
        write("test.kdl", templates::test(request.stage))?;
    }
    write("README.md", if has_test(request.stage) { templates::README_TEST } else { templates::README })?;
    write(".gitignore", "/build\n/target\n*.wasm\n")
}

/// Put the project's words into a template.
fn fill(text: &str, request: &Request) -> String {
    let stage = request.stage.name();
    let version = packages::package(stage).map_or("", |package| package.version);
    text.replace("@NAME@", &request.name).replace("@STAGE@", stage).replace("@VERSION@", version)
}

/// A name that is a package in every language: lower-case words of letters and digits, parted by single hyphens.
fn check_name(name: &str) -> Result<()> {
    let word = |word: &str| {
        word.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    if name.len() > NAME_MAX || !name.split('-').all(word) {
        bail!(
            "\"{name}\" is no name for a plugin: words of lower-case letters and digits, parted by hyphens, each starting \
             with a letter; {NAME_MAX} characters at most"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "my-policy", "option82-rules"] {
            check_name(good).unwrap();
        }
        for wrong in ["", "-a", "a-", "a--b", "A", "a_b", "a/b", "../a", "1a", "a-1", &"a".repeat(61)] {
            assert!(check_name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_language_has_every_stage() {
        let dir = tempfile::tempdir().unwrap();
        for language in Language::ALL {
            for stage in Stage::ALL {
                let name = format!("{}-{}", language.name(), stage.name());
                let request = Request { name: name.clone(), language, stage };
                make(&request, &dir.path().join(&name)).unwrap();
                let again = format!("{:#}", make(&request, &dir.path().join(&name)).unwrap_err());
                assert!(again.contains("is there already"), "{again}");
                let readme = fs::read_to_string(dir.path().join(&name).join("README.md")).unwrap();
                assert!(readme.contains(&name) && !readme.contains('@'), "{readme}");
            }
        }
        let world = fs::read_to_string(dir.path().join("c-admit/world.wit")).unwrap();
        assert!(world.contains("include bindery:admit/plugin@1.0.0;"), "{world}");
        assert!(dir.path().join("rust-route/vendor/sdk/Cargo.toml").is_file());
        assert!(dir.path().join("rust-route/wit/types@1.0.0/types.wit").is_file());
    }
}
