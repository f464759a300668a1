//! What must hold between `overrides`, `route-suppression`, `liveness-detection` and sets of attributes (junos.md §2.6).

use super::{HINT_NAMES_MAX, nearest, pools};
use crate::error::{Fault, Faults};
use crate::model::{Attributes, ProtocolAttributes, RoutingInstance, Spanned};
use crate::tree::Span;
use bindery_engine::config::Timer;
use bindery_wire::v4::OptionCode;

/// The shortest time that a client goes without IPv4, seconds (RFC 8925 §3.4).
const MIN_V6ONLY_WAIT: u32 = 300;

/// Adds all faults of `instance`; the sets that `common` has may be named too.
pub(super) fn overrides(instance: &RoutingInstance, common: &[ProtocolAttributes], faults: &mut Faults) {
    for (path, overrides) in instance.all_overrides() {
        let answering = &overrides.answering;
        for filter in &answering.empty_filters {
            let message = format!("a filter of `{}` without values matches nobody", filter.value);
            let path = format!("{path} overrides delay-offer based-on {}", filter.value);
            let help = "give it values: `equals { ascii docsis }`";
            faults.push(Fault::new(message, filter.span, path).help(help));
        }
        if let Some(named) = &answering.protocol_attributes {
            known_set(instance, common, named, &path, faults);
        }
    }
    suppressions(instance, faults);
    for set in &instance.protocol_attributes {
        let path = format!("{} {} dhcp", instance.path("access protocol-attributes"), set.name.value);
        set_of_attributes(set, &path, faults);
    }
    for pool in &instance.pools {
        let path = format!("{} family inet dhcp-attributes", instance.pool_path(pool));
        ipv6_only(&pool.attributes, &path, faults);
    }
}

fn known_set(
    instance: &RoutingInstance,
    common: &[ProtocolAttributes],
    named: &Spanned<String>,
    path: &str,
    faults: &mut Faults,
) {
    let names = || instance.protocol_attributes.iter().chain(common).map(|set| set.name.value.as_str());
    if names().any(|name| name == named.value) {
        return;
    }
    let near = faults.wants_hints().then(|| nearest(&named.value, names().take(HINT_NAMES_MAX))).flatten();
    let help = near.map_or_else(
        || "`access { protocol-attributes NAME { dhcp { ... } } }` defines it".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    let message = format!("there are no protocol attributes `{}`", named.value);
    faults.push(Fault::new(message, named.span, format!("{path} overrides protocol-attributes")).help(help));
}

/// `route-suppression` goes neither with `no-arp` nor with liveness detection by ARP, at any level where both hold.
fn suppressions(instance: &RoutingInstance, faults: &mut Faults) {
    let server = &instance.server;
    for (at, suppression) in server.suppressions() {
        let group = at.and_then(|at| server.groups.get(at));
        let path = group.map_or_else(|| instance.server_path(), |group| instance.group_path(&group.name.value));
        let own = group.and_then(|group| group.overrides.as_ref()).or(server.overrides.as_ref());
        let of_interfaces = group.into_iter().flat_map(|group| &group.interfaces);
        let of_interfaces = of_interfaces.filter_map(|interface| interface.overrides.as_ref());
        let no_arp = own.into_iter().chain(of_interfaces).find_map(|overrides| overrides.no_arp_at);
        let liveness = group.and_then(|group| group.liveness.as_ref()).or(server.liveness.as_ref());
        let beside: [(&str, Option<Span>); 2] =
            [("overrides no-arp", no_arp), ("layer2-liveness-detection", liveness.map(|liveness| liveness.span))];
        for (what, span) in beside {
            let Some(span) = span else { continue };
            let message = format!("`{what}` and `route-suppression` exclude each other");
            let fault = Fault::new(message, suppression.span, format!("{path} route-suppression"));
            faults.push(fault.label("it holds here").other(span, "beside this").help("keep one of them"));
        }
    }
}

fn set_of_attributes(set: &ProtocolAttributes, path: &str, faults: &mut Faults) {
    for misplaced in &set.misplaced {
        let message = format!("`{}` is a pool's: it says nothing of clients of several pools", misplaced.value);
        faults.push(Fault::new(message, misplaced.span, format!("{path} {}", misplaced.value)));
    }
    let timers = || set.attributes.t1.iter().chain(&set.attributes.t2);
    let of = |percent: bool| timers().find(|timer| matches!(timer.value, Timer::Percent(_)) == percent);
    if let (Some(percent), Some(seconds)) = (of(true), of(false)) {
        let spans = [percent.span.min(seconds.span), percent.span.max(seconds.span)];
        let fault = Fault::new("T1 and T2 are both in percent or both in seconds", spans[1], path);
        faults.push(fault.other(spans[0], "the other"));
    }
    pools::attribute_options(&set.attributes, set.name.span, path, faults);
    ipv6_only(&set.attributes, path, faults);
}

fn ipv6_only(attributes: &Attributes, path: &str, faults: &mut Faults) {
    let found = attributes.options.iter().filter(|option| option.statement == "ipv6-only-preferred");
    for option in found.filter(|option| option.code == OptionCode::IPV6_ONLY_PREFERRED) {
        let secs =
            option.value.as_ref().ok().and_then(|value| Some(u32::from_be_bytes(value.as_slice().try_into().ok()?)));
        if secs.is_some_and(|secs| (1..MIN_V6ONLY_WAIT).contains(&secs)) {
            let message = format!("a client goes without IPv4 for {MIN_V6ONLY_WAIT} seconds at least (RFC 8925 §3.4)");
            let path = format!("{path} ipv6-only-preferred");
            faults.push(Fault::new(message, option.span, path).help("or 0, for the client's own time"));
        }
    }
}
