//! Routing instances: each has a name, a VRF device or table, and interfaces of its own.

use crate::error::{Fault, Faults};
use crate::model::{KernelTable, Model, RoutingInstance, Spanned};
use crate::tree::Span;
use std::collections::HashMap;

/// Most routing instances beside the default one: they are numbered by 16 bits.
const INSTANCES_MAX: usize = 65_533;

/// Names that mean something else where instances are named.
const RESERVED: [&str; 2] = ["default", "all"];

/// The kernel's tables that are no instance's: default, main and local.
const TABLES_TAKEN: std::ops::RangeInclusive<u32> = 253..=255;

/// Adds all faults of routing instances.
pub(super) fn instances(model: &Model, faults: &mut Faults) {
    if let Some(name) = model.routing_instances.get(INSTANCES_MAX).and_then(|instance| instance.name.as_ref()) {
        let message = format!("more than {INSTANCES_MAX} routing instances");
        faults.push(Fault::new(message, name.span, "routing-instances"));
    }
    for instance in &model.routing_instances {
        name(instance, faults);
        table(instance, faults);
    }
    tables(model, faults);
    let listed = interfaces(model, faults);
    groups(model, &listed, faults);
}

fn path(instance: &RoutingInstance, statement: &str) -> String {
    instance.path(statement).trim_end().to_owned()
}

fn name(instance: &RoutingInstance, faults: &mut Faults) {
    let Some(name) = instance.name.as_ref().filter(|name| RESERVED.contains(&name.value.as_str())) else { return };
    let message = format!("a routing instance cannot be called `{}`", name.value);
    let fault = Fault::new(message, name.span, path(instance, ""));
    faults.push(fault.help("`default` is what stands outside of routing-instances, `all` is every one of them"));
}

/// An instance is a VRF device or a table, and a table needs interfaces.
fn table(instance: &RoutingInstance, faults: &mut Faults) {
    let Some(table) = &instance.routing_table else { return };
    let at = path(instance, "routing-table");
    if let Some(device) = &instance.vrf_device {
        let fault = Fault::new("`routing-table` and `vrf-device` exclude each other", table.span, &*at);
        faults.push(fault.other(device.span, "the device").help("a VRF device has its table from the kernel"));
    }
    if TABLES_TAKEN.contains(&table.value) {
        let message = format!("table {} is one of the kernel's own", table.value);
        faults.push(Fault::new(message, table.span, &*at).help("253 to 255 are default, main and local"));
    }
    if instance.interfaces.is_empty() {
        let message = format!("routing instance `{}` has a table and no interface", instance.name());
        let fault = Fault::new(message, table.span, at);
        faults
            .push(fault.help("`interface NAME` in it says which are its own; without a VRF device nothing else does"));
    }
}

/// Two instances are not the same device or the same table.
fn tables(model: &Model, faults: &mut Faults) {
    let mut devices: HashMap<String, Span> = HashMap::new();
    let mut numbers: HashMap<u32, Span> = HashMap::new();
    for instance in &model.routing_instances {
        let (Some(name), Some(kernel)) = (&instance.name, instance.kernel()) else { continue };
        let (message, other, span, at) = match kernel.table {
            KernelTable::Vrf(device) => {
                let span = instance.vrf_device.as_ref().map_or(name.span, |device| device.span);
                let message = format!("VRF device `{device}` is two routing instances");
                let at = if instance.vrf_device.is_some() { "vrf-device" } else { "" };
                (message, devices.insert(device, span), span, at)
            }
            KernelTable::Table(table) => {
                let span = instance.routing_table.as_ref().map_or(name.span, |table| table.span);
                let message = format!("table {table} is that of two routing instances");
                (message, numbers.insert(table, span), span, "routing-table")
            }
        };
        if let Some(other) = other {
            faults.push(Fault::new(message, span, path(instance, at)).label("again here").other(other, "first here"));
        }
    }
}

/// Which instance lists each interface, and where.
type Listed<'a> = HashMap<&'a str, (&'a RoutingInstance, Span)>;

/// An interface is in one instance only; a longer pattern wins over a shorter one, so that those may overlap.
fn interfaces<'a>(model: &'a Model, faults: &mut Faults) -> Listed<'a> {
    let mut listed: Listed<'a> = HashMap::new();
    for instance in &model.routing_instances {
        for Spanned { value, span } in &instance.interfaces {
            if let Some((other, first)) = listed.get(value.as_str()) {
                let message = format!("interface `{value}` is in two routing instances");
                let fault = Fault::new(message, *span, path(instance, &format!("interface {value}")));
                faults.push(fault.label("again here").other(*first, format!("in `{}`", other.name())));
            } else {
                listed.insert(value, (instance, *span));
            }
        }
    }
    listed
}

/// The interface of a group is its instance's.
fn groups(model: &Model, listed: &Listed<'_>, faults: &mut Faults) {
    for (instance, group) in model.groups() {
        let included = group.interfaces.iter().filter(|interface| interface.exclude.is_none());
        for interface in included.filter(|interface| !interface.pattern.value.ends_with('*')) {
            let pattern = &interface.pattern;
            let at = format!("{} interface {}", instance.group_path(&group.name.value), pattern.value);
            let own = owner(listed, &pattern.value);
            if let Some((owner, span)) = own.filter(|(owner, _)| owner.name() != instance.name()) {
                let message = format!(
                    "interface `{}` is in routing instance `{}`, group `{}` in `{}`",
                    pattern.value,
                    owner.name(),
                    group.name.value,
                    instance.name()
                );
                faults.push(Fault::new(message, pattern.span, at).other(span, "it is listed here"));
            } else if own.is_none() && instance.routing_table.is_some() {
                let message = format!("interface `{}` is not in routing instance `{}`", pattern.value, instance.name());
                let fault = Fault::new(message, pattern.span, at);
                faults.push(fault.help(format!("`interface {}` in the instance puts it there", pattern.value)));
            }
        }
    }
}

/// The instance that lists an interface, by its name or by the longest pattern.
fn owner<'a>(listed: &Listed<'a>, name: &str) -> Option<(&'a RoutingInstance, Span)> {
    let mut starts = (0..=name.len()).rev().filter_map(|len| name.get(..len));
    listed.get(name).or_else(|| starts.find_map(|start| listed.get(format!("{start}*").as_str()))).copied()
}
