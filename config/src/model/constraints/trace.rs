//! Trace files.

use crate::error::{Fault, Faults};
use crate::model::Model;

/// One file each, with an expression that is one.
pub(super) fn traces(model: &Model, faults: &mut Faults) {
    let traces = &model.traces;
    for (name, trace) in [("traceoptions", &traces.all), ("interface-traceoptions", &traces.interface)] {
        let Some(trace) = trace else { continue };
        let path = format!("system processes dhcp-service {name} file");
        if let Some(span) = trace.second {
            faults.push(Fault::new("a second file", span, &*path).help("name one"));
        }
        if let Some(span) = trace.both {
            faults.push(Fault::new("`world-readable` and `no-world-readable`", span, &*path).help("leave one out"));
        }
        if let Some(expression) = &trace.expression
            && let Err(error) = regex::Regex::new(&expression.value)
        {
            let text = error.to_string();
            let why = text.lines().last().unwrap_or_default().trim();
            faults.push(Fault::new(format!("this is no regular expression: {why}"), expression.span, &*path));
        }
    }
}
