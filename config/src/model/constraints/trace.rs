//! Trace files.

use crate::error::{Fault, Faults};
use crate::model::{Model, Trace};
use crate::tree::Span;
use std::collections::HashMap;

/// One file each, of its own, with an expression that is one.
pub(super) fn traces(model: &Model, faults: &mut Faults) {
    let mut files: HashMap<&str, Span> = HashMap::new();
    let servers = model.instances().map(|instance| (instance.server_path(), &instance.server.traces));
    for (at, traces) in std::iter::once(("system processes dhcp-service".to_owned(), &model.traces)).chain(servers) {
        for (name, trace) in [("traceoptions", &traces.all), ("interface-traceoptions", &traces.interface)] {
            let Some(trace) = trace else { continue };
            let path = format!("{at} {name} file");
            one(trace, &path, faults);
            let Some(file) = &trace.file else { continue };
            if let Some(first) = files.insert(&file.value, file.span) {
                let fault = Fault::new(format!("two traces write into `{}`", file.value), file.span, &*path);
                faults.push(fault.label("again here").other(first, "first here").help("give each a file of its own"));
            }
        }
    }
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
