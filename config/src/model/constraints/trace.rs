//! Trace files.

use crate::error::{Fault, Faults};
use crate::model::{Model, Trace};
use crate::tree::Span;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// One file each, of its own, with an expression that is one.
pub(super) fn traces(model: &Model, faults: &mut Faults) {
    let mut files: BTreeMap<PathBuf, &Trace> = BTreeMap::new();
    let servers = model.instances().map(|instance| (instance.server_path(), &instance.server.traces));
    for (at, traces) in std::iter::once(("system processes dhcp-service".to_owned(), &model.traces)).chain(servers) {
        for (name, trace) in [("traceoptions", &traces.all), ("interface-traceoptions", &traces.interface)] {
            let Some(trace) = trace else { continue };
            let path = format!("{at} {name} file");
            one(trace, &path, faults);
            shared(&mut files, trace, &path, faults);
        }
    }
}

/// That no other trace writes into one of its files: `NAME`, and `NAME.0` and so on that it rolls to.
fn shared<'a>(files: &mut BTreeMap<PathBuf, &'a Trace>, trace: &'a Trace, path: &str, faults: &mut Faults) {
    let own = plain(&trace.path);
    if let Some(first) = files.get(&own).copied() {
        let fault = Fault::new(format!("two traces write into `{}`", own.display()), place(trace), path);
        faults.push(fault.label("again here").other(place(first), "first here").help("give each a file of its own"));
        return;
    }
    let rolled = rolled_from(&own).and_then(|(base, number)| Some((*files.get(&base)?, number)));
    let before = rolled.filter(|(first, number)| keeps(first, *number)).map(|(first, _)| (first, &own));
    let after = files.iter().find_map(|(other, first)| {
        let (base, number) = rolled_from(other)?;
        (base == own && keeps(trace, number)).then_some((*first, other))
    });
    if let Some((first, file)) = before.or(after) {
        let text = format!("`{}` is a file of two traces: one of them rolls its own to it", file.display());
        let fault = Fault::new(text, place(trace), path).label("the second one");
        faults.push(fault.other(place(first), "the first one").help("give each a file of its own"));
    }
    files.insert(own, trace);
}

/// Whether a trace rolls to the file of this number.
const fn keeps(trace: &Trace, number: u32) -> bool {
    number + 1 < trace.files
}

/// `NAME` and N of `NAME.N`.
fn rolled_from(path: &Path) -> Option<(PathBuf, u32)> {
    let (base, digits) = path.to_str()?.rsplit_once('.')?;
    let number = digits.parse().ok().filter(|number: &u32| number.to_string() == digits && *number < 1_000)?;
    Some((base.into(), number))
}

/// Without `.`, `..` and doubled slashes. What links lead to is not looked at: no file is read here.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

fn place(trace: &Trace) -> Span {
    trace.file.as_ref().map_or(trace.span, |file| file.span)
}

fn one(trace: &Trace, path: &str, faults: &mut Faults) {
    if let Some(span) = trace.second {
        faults.push(Fault::new("a second file", span, path).help("name one"));
    }
    if let Some(span) = trace.both {
        faults.push(Fault::new("`world-readable` and `no-world-readable`", span, path).help("leave one out"));
    }
    if let Some(expression) = &trace.expression
        && let Err(error) = regex::Regex::new(&expression.value)
    {
        let text = error.to_string();
        let why = text.lines().last().unwrap_or_default().trim();
        faults.push(Fault::new(format!("this is no regular expression: {why}"), expression.span, path));
    }
}
