//! Folders of texts with what must come of them: the notes, the configuration, the files. `UPDATE_EXPECT=1` writes the
//! expectations anew.

use bindery_import::{Imported, Refused};
use std::fmt::Write;
use std::path::Path;

/// Holds every `.conf` file of the folder against the `.out` file beside it. What is taken over must load.
pub(crate) fn check(folder: &str, import: fn(&str, &str) -> Result<Imported, Refused>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder);
    let entries = std::fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|it| it == "conf")).collect();
    files.sort();
    assert!(files.len() >= 3, "{files:?}");
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let got = match import(&name, &text) {
            Err(refused) => format!("{refused}\n"),
            Ok(imported) => {
                if let Err(errors) = bindery_config::load(&name, &imported.kdl) {
                    panic!("{errors}");
                }
                let lines = u32::try_from(text.lines().count()).unwrap();
                assert!(imported.notes.iter().all(|note| (1..=lines).contains(&note.line)), "{imported}");
                let mut got = format!("{imported}---\n{}", imported.kdl);
                for (name, content) in &imported.files {
                    let _ = write!(got, "--- {name}\n{content}");
                }
                got
            }
        };
        let expected = file.with_extension("out");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&expected, got).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != got {
            wrong.push(format!("=== {}\n{got}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\n{} differ; UPDATE_EXPECT=1 accepts them", wrong.join("\n"), wrong.len());
}
