//! An interface is in one group only (junos.md §2.6), whatever names it there: its name, a range, or a pattern that stands
//! twice. A name or range wins over a pattern, so that those may overlap.

use crate::error::{Fault, Faults};
use crate::model::{Group, Interface, Model, RoutingInstance};
use crate::tree::Span;
use bindery_engine::config::interface_range;
use std::collections::HashMap;

/// Adds all faults of the `interface` statements of groups.
pub(super) fn interfaces(model: &Model, faults: &mut Faults) {
    for (instance, group) in model.groups() {
        for interface in &group.interfaces {
            alone(instance, group, interface, faults);
        }
    }
    twice(model, faults);
    ranges(model, faults);
}

fn path(instance: &RoutingInstance, group: &Group, interface: &Interface) -> String {
    format!("{} interface {}", instance.group_path(&group.name.value), interface.pattern.value)
}

/// What an entry has to say by itself.
fn alone(instance: &RoutingInstance, group: &Group, interface: &Interface, faults: &mut Faults) {
    let path = path(instance, group, interface);
    if let Some(upto) = &interface.upto {
        let low = &interface.pattern.value;
        let message = match () {
            () if low == &upto.value => Some(format!("the range ends where it begins, at `{low}`")),
            () if interface_range(low, &upto.value).is_none() => {
                Some(format!("there is no range of interfaces from `{low}` to `{}`", upto.value))
            }
            () => None,
        };
        let help = "both are of one device, and the number at the end grows: `interface eth1.100 { upto eth1.199 }`";
        if let Some(message) = message {
            faults.push(Fault::new(message, upto.span, format!("{path} upto")).help(help));
        }
    }
    if let Some(exclude) = interface.exclude {
        for beside in &interface.beside_exclude {
            let message = format!("`{}` says nothing of an interface that is excluded", beside.value);
            let fault = Fault::new(message, beside.span, format!("{path} {}", beside.value));
            faults.push(fault.other(exclude, "it is excluded here").help("keep one of them"));
        }
    }
}

/// A group, by its routing instance and its name.
type GroupName<'a> = (&'a str, &'a str);

/// The same name in two groups, or the same pattern in two groups of a routing instance: of another one it stands for other
/// interfaces.
fn twice(model: &Model, faults: &mut Faults) {
    let mut seen: HashMap<(&str, &str), (GroupName<'_>, Span)> = HashMap::new();
    for (instance, group, interface) in members(model).filter(|(.., interface)| interface.upto.is_none()) {
        let pattern = &interface.pattern;
        let within = if pattern.value.ends_with('*') { instance.name() } else { "" };
        let own = (instance.name(), group.name.value.as_str());
        match seen.get(&(within, pattern.value.as_str())) {
            Some((other, span)) if *other != own => faults.push(
                Fault::new(
                    format!("interface `{}` is in two groups", pattern.value),
                    pattern.span,
                    path(instance, group, interface),
                )
                .label("again here")
                .other(*span, format!("in group `{}`", other.1)),
            ),
            Some(_) => {}
            None => {
                seen.insert((within, &pattern.value), (own, pattern.span));
            }
        }
    }
}

/// A stretch of numbers of one device.
struct Stretch<'a> {
    low: u64,
    high: u64,
    group: GroupName<'a>,
    span: Span,
    path: String,
}

/// Ranges of two groups that have an interface in common, or a range and a name, which neither group excludes.
fn ranges(model: &Model, faults: &mut Faults) {
    let mut by_device: HashMap<&str, Vec<Stretch<'_>>> = HashMap::new();
    let mut excluded: HashMap<(&str, GroupName<'_>), Vec<(u64, u64)>> = HashMap::new();
    for (instance, group) in model.groups() {
        for interface in &group.interfaces {
            let Some((device, low, high)) = stretch(interface) else { continue };
            let group_name = (instance.name(), group.name.value.as_str());
            if interface.exclude.is_some() {
                excluded.entry((device, group_name)).or_default().push((low, high));
                continue;
            }
            let (span, path) = (interface.pattern.span, path(instance, group, interface));
            by_device.entry(device).or_default().push(Stretch { low, high, group: group_name, span, path });
        }
    }
    for (device, mut stretches) in by_device {
        stretches.sort_by_key(|stretch| (stretch.low, stretch.high));
        // The one that reaches furthest, and the furthest of another group: what overlaps overlaps one of them.
        let mut furthest: [Option<&Stretch<'_>>; 2] = [None, None];
        for stretch in &stretches {
            for other in furthest.into_iter().flatten() {
                let (low, high) = (stretch.low, stretch.high.min(other.high));
                let apart = other.group == stretch.group || low > high || low == high && both_names(stretch, other);
                let of = |group| excluded.get(&(device, group)).into_iter().flatten().copied();
                let without: Vec<_> = of(stretch.group).chain(of(other.group)).collect();
                if !apart && !covered(low, high, without) {
                    let message = format!("interface `{device}{low}` is in two groups");
                    let fault = Fault::new(message, stretch.span, stretch.path.clone()).label("again here");
                    let other_place = format!("in group `{}`", other.group.1);
                    faults.push(fault.other(other.span, other_place).help("`exclude` takes it out of one of them"));
                    break;
                }
            }
            note(&mut furthest, stretch);
        }
    }
}

/// Two exact names are told by their names already.
fn both_names(one: &Stretch<'_>, other: &Stretch<'_>) -> bool {
    one.low == one.high && other.low == other.high
}

/// Keeps the stretch that reaches furthest first, and the furthest one of another group behind it.
fn note<'a>(furthest: &mut [Option<&'a Stretch<'a>>; 2], stretch: &'a Stretch<'a>) {
    match *furthest {
        [Some(first), _] if first.group == stretch.group => {
            if stretch.high > first.high {
                furthest[0] = Some(stretch);
            }
        }
        [Some(first), _] if stretch.high > first.high => *furthest = [Some(stretch), Some(first)],
        [Some(_), Some(second)] if stretch.high <= second.high => {}
        [Some(_), _] => furthest[1] = Some(stretch),
        [None, _] => furthest[0] = Some(stretch),
    }
}

/// The numbers that an entry names; an exact name is a range of one.
fn stretch(interface: &Interface) -> Option<(&str, u64, u64)> {
    let name = interface.pattern.value.as_str();
    if let Some(upto) = &interface.upto {
        return interface_range(name, &upto.value);
    }
    let device = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = name.get(device.len()..).filter(|digits| *digits == "0" || !digits.starts_with('0'))?;
    let number = digits.parse().ok()?;
    Some((device, number, number))
}

/// Whether `without` takes out all of `low` to `high`.
fn covered(low: u64, high: u64, mut without: Vec<(u64, u64)>) -> bool {
    without.sort_unstable();
    let mut next = low;
    for (from, to) in without {
        if from <= next && to >= next {
            let Some(after) = to.checked_add(1) else { return true };
            next = after;
        }
    }
    next > high
}

fn members(model: &Model) -> impl Iterator<Item = (&RoutingInstance, &Group, &Interface)> {
    model.groups().flat_map(|(instance, group)| {
        let included = group.interfaces.iter().filter(|interface| interface.exclude.is_none());
        included.map(move |interface| (instance, group, interface))
    })
}

#[cfg(test)]
mod tests {
    use super::covered;

    #[test]
    fn what_is_taken_out() {
        assert!(covered(5, 9, vec![(7, 20), (1, 6)]));
        assert!(!covered(5, 9, vec![(1, 6), (8, 20)]));
        assert!(!covered(5, 9, Vec::new()));
        assert!(covered(5, 5, vec![(5, u64::MAX)]));
    }
}
