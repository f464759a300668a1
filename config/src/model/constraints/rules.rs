//! What must hold inside of `short-cycle-protection`.

use crate::error::{Fault, Faults};
use crate::model::{RoutingInstance, Rules};

/// Adds all faults of `instance`: a shortest lockout that is longer than the longest one.
pub(super) fn rules(instance: &RoutingInstance, faults: &mut Faults) {
    check(&instance.server.rules, &instance.server_path(), faults);
    for group in &instance.server.groups {
        let path = instance.group_path(&group.name.value);
        check(&group.rules, &path, faults);
        for interface in &group.interfaces {
            check(&interface.rules, &format!("{path} interface {}", interface.pattern.value), faults);
        }
    }
}

fn check(rules: &Rules, path: &str, faults: &mut Faults) {
    let Some(rule) = rules.short_cycle.as_ref().filter(|rule| rule.value.min_secs > rule.value.max_secs) else {
        return;
    };
    let (min, max) = (rule.value.min_secs, rule.value.max_secs);
    let message = format!("`lockout-min-time` of {min} s is longer than `lockout-max-time` of {max} s");
    let help = "lockouts begin with the first and double up to the second; without them it is 1 s and 300 s";
    faults.push(Fault::new(message, rule.span, format!("{path} short-cycle-protection")).help(help));
}
