//! The files of a new project; `@NAME@`, `@STAGE@` and `@VERSION@` stand for the project's words.

use bindery_plugin_host::Stage;

use crate::language::Language;

pub(super) const CARGO: &str = include_str!("../../templates/rust/manifest");
pub(super) const WORLD: &str = include_str!("../../templates/world.wit");
pub(super) const README: &str = include_str!("../../templates/readme");
pub(super) const README_TEST: &str = include_str!("../../templates/readme-test");

/// The exchanges to replay.
pub(super) fn test(stage: Stage) -> &'static str {
    match stage {
        Stage::Admit => include_str!("../../templates/test-admit.kdl"),
        _ => include_str!("../../templates/test-shape-reply.kdl"),
    }
}

macro_rules! sources {
    ($stage:expr, $folder:literal, $extension:literal) => {
        match $stage {
            Stage::Admit => include_str!(concat!("../../templates/", $folder, "/admit.", $extension)),
            Stage::Authorize => include_str!(concat!("../../templates/", $folder, "/authorize.", $extension)),
            Stage::SelectAddress => include_str!(concat!("../../templates/", $folder, "/select-address.", $extension)),
            Stage::ShapeReply => include_str!(concat!("../../templates/", $folder, "/shape-reply.", $extension)),
            Stage::Disconnect => include_str!(concat!("../../templates/", $folder, "/disconnect.", $extension)),
            Stage::ReconfigureExhausted => {
                include_str!(concat!("../../templates/", $folder, "/reconfigure-exhausted.", $extension))
            }
            Stage::Leasequery => include_str!(concat!("../../templates/", $folder, "/leasequery.", $extension)),
            Stage::Route => include_str!(concat!("../../templates/", $folder, "/route.", $extension)),
            Stage::SessionEvents => include_str!(concat!("../../templates/", $folder, "/session-events.", $extension)),
        }
    };
}

/// The source of a plugin that does something small.
pub(super) fn source(language: Language, stage: Stage) -> &'static str {
    match language {
        Language::Rust => sources!(stage, "rust", "rs"),
        Language::C => sources!(stage, "c", "c"),
        Language::JavaScript => sources!(stage, "js", "js"),
        Language::Python => sources!(stage, "python", "py"),
    }
}
