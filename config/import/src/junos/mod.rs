//! A configuration of Junos, in braces or as `set` commands.

mod lexer;
mod place;
mod profile;
mod raw;
mod secret;

use crate::build::Built;
use crate::note::{Imported, Notes, Refused};
use crate::settle::settle;
use place::Placer;
use raw::{Verb, braced, is_set, set};
use std::collections::HashSet;

/// Takes over a Junos configuration: the whole of `show configuration`, or a part that begins at the top, in braces or,
/// if its first line is a command, as `show configuration | display set` shows it. `name` is how messages call it.
///
/// What is valid on Junos and not in this release is kept as `(inactive)`; what has no place here is left out. Both are
/// told, other hierarchies once each.
///
/// ```
/// let text = "access { address-assignment { pool p { family inet { network 192.0.2.0/24; } } } }";
/// let imported = bindery_import::junos("router.conf", text)?;
/// assert!(imported.notes.is_empty() && imported.kdl.contains("pool p"));
/// # Ok::<(), bindery_import::Refused>(())
/// ```
///
/// # Errors
/// The text is none: braces, lists, quotes or comments do not close. Or what comes of it is longer than a configuration
/// may be.
pub fn junos(name: &str, text: &str) -> Result<Imported, Refused> {
    let mut notes = Notes::default();
    let mut root = Built::default();
    if is_set(text) {
        let commands = set(name, text, &mut notes)?;
        let mut placer = Placer::new(&mut notes);
        for (verb, raw) in &commands {
            match verb {
                Verb::Set => placer.place_top(&mut root, raw),
                Verb::Deactivate => placer.mark(&mut root, raw, true),
                Verb::Protect => placer.mark(&mut root, raw, false),
            }
        }
    } else {
        let statements = braced(name, text, &mut notes)?;
        let mut placer = Placer::new(&mut notes);
        for raw in &statements {
            placer.place_top(&mut root, raw);
        }
    }
    finish_lists(&mut root, &mut Vec::new(), false, &mut notes);
    profile::adapt(&mut root, &mut notes);
    instances(&mut root, &mut notes);
    groups(&mut root, &mut notes);
    prune(&mut root);
    let kdl = settle(name, root.into_tree(), &mut notes)?;
    Ok(Imported { name: name.to_owned(), kdl, notes: notes.finish(), files: Vec::new() })
}

/// Values of a list that this release does not act on: they go where others stand beside them, else the list is kept.
fn finish_lists(built: &mut Built, path: &mut Vec<String>, quiet: bool, notes: &mut Notes) {
    for child in &mut built.children {
        let named = !child.children.is_empty() && !child.values.is_empty();
        path.push(if named { format!("{} {}", child.name, child.key()) } else { child.name.clone() });
        let quiet = quiet || child.inactive;
        if !child.later.is_empty() {
            let later = std::mem::take(&mut child.later);
            let names: Vec<String> = later.iter().map(|(value, _)| crate::build::plain(value)).collect();
            let line = later.first().map_or(child.line, |(_, line)| *line);
            // Without the methods before it, `none` would let everybody in.
            let opens = child.name == "authentication-order" && child.key() == "none";
            if child.values.is_empty() || opens {
                child.values.extend(later);
                if !quiet {
                    child.inactive = true;
                    notes.add(
                        line,
                        path.join(" "),
                        format!("{} is not in this release: kept as (inactive)", names.join(" ")),
                    );
                }
            } else {
                notes.add(
                    line,
                    path.join(" "),
                    format!("{} is not in this release: left out of the list", names.join(" ")),
                );
            }
        }
        finish_lists(child, path, quiet, notes);
        path.pop();
    }
}

/// Instances without anything of ours in them are none of ours.
fn instances(root: &mut Built, notes: &mut Notes) {
    const OURS: [&str; 4] = ["system", "access", "forwarding-options", "access-profile"];
    for section in ["routing-instances", "logical-systems"] {
        let mut first = None;
        let mut count = 0;
        root.retain(|child| {
            let ours = child.name != section || child.children.iter().any(|inner| OURS.contains(&inner.name.as_str()));
            if !ours {
                notes.forget(&format!("{section} {}", child.key()));
                first.get_or_insert(child.line);
                count += 1;
            }
            ours
        });
        if let Some(line) = first {
            notes.add(line, section, format!("{count} without DHCP in them are left out"));
        }
    }
}

/// Groups of which nothing is left, and where they are named.
fn groups(root: &mut Built, notes: &mut Notes) {
    fn apply(built: &mut Built, known: &HashSet<String>, path: &mut Vec<String>, notes: &mut Notes) {
        for child in &mut built.children {
            path.push(child.name.clone());
            if child.name.starts_with("apply-groups") {
                child.values.retain(|(value, line)| {
                    let name = crate::build::plain(value);
                    let kept = known.contains(&name);
                    if !kept {
                        let text = format!("nothing of the group `{name}` was taken over: left out");
                        notes.add(*line, path.join(" "), text);
                    }
                    kept
                });
            }
            apply(child, known, path, notes);
            path.pop();
        }
        built.retain(|child| !(child.name.starts_with("apply-groups") && child.values.is_empty()));
    }
    for child in root.children.iter_mut().filter(|child| child.name == "groups") {
        prune(child);
    }
    root.retain(|child| child.name != "groups" || !child.children.is_empty());
    let known: HashSet<String> = root.children.iter().filter(|child| child.name == "groups").map(Built::key).collect();
    apply(root, &known, &mut Vec::new(), notes);
}

/// Takes out blocks that only hold others, where they hold none.
fn prune(built: &mut Built) {
    const HOLDERS: [&str; 7] =
        ["system", "services", "processes", "access", "address-assignment", "routing-options", "forwarding-options"];
    for child in &mut built.children {
        prune(child);
    }
    let routing = built.name == "routing-options";
    built.retain(|child| {
        !child.children.is_empty()
            || !child.values.is_empty()
            || !(HOLDERS.contains(&child.name.as_str()) || routing && child.name == "access-internal")
    });
}
