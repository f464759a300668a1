//! How a text is written, where nobody says so.

use bindery_api as api;
use bindery_config::edit::{Format, Path};
use bindery_config::{form, tree};

/// How the text is written. What may be KDL or braces is told by the first line that can only be one of them, and where
/// there is none by trying, as statements of the block at `base`.
pub(crate) fn told(name: &str, text: &str, base: &Path) -> Format {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim_start().starts_with('{') {
        return Format::Json;
    }
    if let Some(format) = text.lines().find_map(|line| of_line(line.trim())) {
        return format;
    }
    let braced = || form::from_braced_below(name, text, base).is_ok();
    if tree::parse(name, text).is_err() && braced() { Format::Braced } else { Format::Kdl }
}

/// What this line can only be; none where it may be either.
fn of_line(line: &str) -> Option<Format> {
    let braced = ["inactive:", "protect:", "replace:", "delete:", "#", "/* "];
    if ["//", "/-", "("].iter().any(|start| line.starts_with(start)) {
        Some(Format::Kdl)
    } else if line.ends_with(';') || braced.iter().any(|start| line.starts_with(start)) {
        Some(Format::Braced)
    } else {
        None
    }
}

/// A format that can be read, as it was asked for.
pub(crate) fn said(format: api::Format) -> Option<Format> {
    match format {
        api::Format::Kdl => Some(Format::Kdl),
        api::Format::Json => Some(Format::Json),
        api::Format::Braced => Some(Format::Braced),
        // Commands are a verb of their own; what was inherited would become written.
        api::Format::Set | api::Format::Inheritance => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_tells_how_it_is_written() {
        let forms = [
            ("", Format::Kdl),
            (" {\"policy\": {}}", Format::Json),
            ("policy {\n    admit a\n}\n", Format::Kdl),
            ("// note;\npolicy {\n    admit a\n}\n", Format::Kdl),
            ("(inactive)policy {\n    admit a;\n}\n", Format::Kdl),
            ("policy {\n    admit a;\n}\n", Format::Braced),
            ("inactive: policy {\n}\n", Format::Braced),
            ("/* note */\npolicy {\n}\n", Format::Braced),
            ("policy { admit [ a b ]; }", Format::Braced),
            ("policy { admit a b; }", Format::Kdl),
        ];
        for (text, format) in forms {
            assert_eq!(told("t", text, &Path::default()), format, "{text}");
        }
        let below =
            bindery_config::edit::path("access address-assignment pool p family inet", &Path::default()).unwrap();
        let range = "range r { low 192.0.2.5; high 192.0.2.6; }";
        assert_eq!((told("t", range, &below), told("t", range, &Path::default())), (Format::Braced, Format::Kdl));
    }
}
