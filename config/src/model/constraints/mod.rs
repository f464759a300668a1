//! What must hold between statements, checked at commit.

mod host_table;
mod instances;
mod interfaces;
mod login;
mod overrides;
mod pools;
mod radius;
mod rules;
mod trace;
mod vlan;

pub(crate) use host_table::read_host_tables;

use super::{Model, Overrides, RoutingInstance, Spanned, choosing};
use crate::error::{Fault, Faults};
use crate::nearest::nearest;
use crate::tree::Span;
use std::collections::{HashMap, HashSet};

/// Most groups, pools and plugins: they are numbered by 16 bits.
const NUMBERED_MAX: usize = 65_535;

/// Names that are compared with one that is unknown.
const HINT_NAMES_MAX: usize = 5000;

/// Adds all faults of `model` that no statement shows alone.
pub(crate) fn constraints(model: &Model, faults: &mut Faults) {
    numbers(model, faults);
    instances::instances(model, faults);
    interfaces::interfaces(model, faults);
    policies(model, faults);
    radius::radius(model, faults);
    login::login(model, faults);
    trace::traces(model, faults);
    vlan::vlans(model, faults);
    for instance in model.instances() {
        choosing::check(instance, faults);
        informs(instance, faults);
        reconfigures(instance, faults);
        rules::rules(instance, faults);
        overrides::overrides(instance, &model.default_instance.protocol_attributes, faults);
        pools::pools(instance, faults);
        host_table::host_tables(instance, faults);
    }
}

fn numbers(model: &Model, faults: &mut Faults) {
    let pool_names = model.instances().flat_map(|instance| &instance.pool_names);
    let group = model.groups().nth(NUMBERED_MAX);
    let counted = [
        ("groups", "system services dhcp-local-server", group.map(|(_, group)| group.name.span)),
        ("pools", "access address-assignment", pool_names.map(|name| name.span).nth(NUMBERED_MAX)),
        ("plugins", "plugins", model.plugin_names.get(NUMBERED_MAX).map(|name| name.span)),
    ];
    for (what, path, span) in counted {
        if let Some(span) = span {
            faults.push(Fault::new(format!("more than {NUMBERED_MAX} {what}"), span, path));
        }
    }
}

/// Every plugin that a policy names exists, and stands once in its chain.
fn policies(model: &Model, faults: &mut Faults) {
    let known: HashSet<&str> = model.plugin_names.iter().map(|name| name.value.as_str()).collect();
    let top = model.policy.iter().map(|chain| (String::new(), chain));
    let groups = model.groups().flat_map(|(instance, group)| {
        let path = format!("{} ", instance.group_path(&group.name.value));
        let interfaces = group.interfaces.iter().flat_map({
            let path = path.clone();
            move |interface| {
                let path = format!("{path}interface {} ", interface.pattern.value);
                interface.policy.iter().map(move |chain| (path.clone(), chain))
            }
        });
        group.policy.iter().map(move |chain| (path.clone(), chain)).chain(interfaces)
    });
    for (path, (stage, chain)) in top.chain(groups) {
        let path = format!("{path}policy {}", stage.name());
        let mut first: HashMap<&str, Span> = HashMap::new();
        for plugin in chain {
            if !known.contains(plugin.value.as_str()) {
                let near = hint(&plugin.value, &model.plugin_names, faults);
                let help = near.map_or_else(
                    || {
                        "`plugins { plugin NAME { path ... } }` defines it; an inactive one counts for nothing"
                            .to_owned()
                    },
                    |near| format!("did you mean `{near}`?"),
                );
                faults
                    .push(Fault::new(format!("there is no plugin `{}`", plugin.value), plugin.span, &*path).help(help));
            }
            if let Some(span) = first.insert(&plugin.value, plugin.span) {
                let message = format!("plugin `{}` stands twice in one chain", plugin.value);
                faults.push(Fault::new(message, plugin.span, &*path).label("again here").other(span, "first here"));
            }
        }
    }
}

/// The name that was meant, while it would still be shown.
fn hint<'a>(name: &str, names: &'a [Spanned<String>], faults: &Faults) -> Option<&'a str> {
    if !faults.wants_hints() {
        return None;
    }
    nearest(name, names.iter().take(HINT_NAMES_MAX).map(|name| name.value.as_str()))
}

/// A client that answered no attempt can be ended or refused later, not both (junos.md §8.3).
fn reconfigures(instance: &RoutingInstance, faults: &mut Faults) {
    let top = instance.server.reconfigure.iter().map(|reconfigure| (instance.server_path(), reconfigure));
    let groups = instance.server.groups.iter();
    let groups = groups.filter_map(|group| Some((instance.group_path(&group.name.value), group.reconfigure.as_ref()?)));
    for (path, reconfigure) in top.chain(groups) {
        if reconfigure.clear_on_abort && reconfigure.defer_nack_on_abort {
            let message = "`clear-on-abort` and `defer-nack-on-abort` exclude each other";
            faults.push(Fault::new(message, reconfigure.span, format!("{path} reconfigure")).help("keep one of them"));
        }
    }
}

/// Every pool that `process-inform` names exists.
fn informs(instance: &RoutingInstance, faults: &mut Faults) {
    let server = instance.server.overrides.iter().map(|overrides| (instance.server_path(), overrides));
    let groups = instance.server.groups.iter().flat_map(|group| {
        let path = instance.group_path(&group.name.value);
        let interfaces = group.interfaces.iter().filter_map({
            let path = path.clone();
            move |interface| {
                Some((format!("{path} interface {}", interface.pattern.value), interface.overrides.as_ref()?))
            }
        });
        group.overrides.iter().map(move |overrides| (path.clone(), overrides)).chain(interfaces)
    });
    for (path, overrides) in server.chain(groups) {
        let Overrides { process_inform: Some(Some(pool)), .. } = overrides else {
            continue;
        };
        known_pool(instance, pool, &format!("{path} overrides process-inform pool"), faults);
    }
}

/// Tells where no pool of `instance` has the name `pool`.
fn known_pool(instance: &RoutingInstance, pool: &Spanned<String>, path: &str, faults: &mut Faults) {
    if instance.pool_names.iter().any(|name| name.value == pool.value) {
        return;
    }
    let near = hint(&pool.value, &instance.pool_names, faults);
    let fault = Fault::new(format!("there is no pool `{}`", pool.value), pool.span, path);
    faults.push(fault.maybe_help(near.map(|near| format!("did you mean `{near}`?"))));
}
