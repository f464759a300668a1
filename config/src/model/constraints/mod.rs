//! What must hold between statements, checked at commit.

mod host_table;
mod login;
mod radius;

pub(crate) use host_table::read_host_tables;

use super::{Host, Model, Overrides, Pool, Range, Spanned, options};
use crate::error::{Fault, Faults};
use crate::nearest::nearest;
use crate::tree::Span;
use bindery_engine::config::{Lease, Timer};
use bindery_types::{Ipv4Addr, Prefix4};
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// Most groups, pools and plugins: they are numbered by 16 bits.
const NUMBERED_MAX: usize = 65_535;

/// Names that are compared with one that is unknown.
const HINT_NAMES_MAX: usize = 5000;

/// Adds all faults of `model` that no statement shows alone.
pub(crate) fn constraints(model: &Model, faults: &mut Faults) {
    numbers(model, faults);
    interfaces(model, faults);
    policies(model, faults);
    informs(model, faults);
    reconfigures(model, faults);
    radius::radius(model, faults);
    login::login(model, faults);
    for pool in &model.pools {
        let mut pool = PoolCheck { pool, path: pool_path(pool), faults };
        pool.ranges();
        pool.hosts();
        pool.timers();
        pool.options();
    }
    links(model, faults);
    networks(model, faults);
    host_table::host_tables(model, faults);
}

const SERVER: &str = "system services dhcp-local-server";

fn pool_path(pool: &Pool) -> String {
    format!("access address-assignment pool {}", pool.name.value)
}

fn numbers(model: &Model, faults: &mut Faults) {
    let counted = [
        ("groups", SERVER, model.groups.get(NUMBERED_MAX).map(|group| group.name.span)),
        ("pools", "access address-assignment", model.pool_names.get(NUMBERED_MAX).map(|name| name.span)),
        ("plugins", "plugins", model.plugin_names.get(NUMBERED_MAX).map(|name| name.span)),
    ];
    for (what, path, span) in counted {
        if let Some(span) = span {
            faults.push(Fault::new(format!("more than {NUMBERED_MAX} {what}"), span, path));
        }
    }
}

/// An interface is in one group only.
fn interfaces(model: &Model, faults: &mut Faults) {
    let mut seen: HashMap<&str, (&str, Span)> = HashMap::new();
    for group in &model.groups {
        for interface in &group.interfaces {
            let pattern = &interface.pattern;
            match seen.get(pattern.value.as_str()) {
                Some((other, span)) if *other != group.name.value => faults.push(
                    Fault::new(
                        format!("interface `{}` is in two groups", pattern.value),
                        pattern.span,
                        format!("{SERVER} group {} interface {}", group.name.value, pattern.value),
                    )
                    .label("again here")
                    .other(*span, format!("in group `{other}`")),
                ),
                Some(_) => {}
                None => {
                    seen.insert(&pattern.value, (&group.name.value, pattern.span));
                }
            }
        }
    }
}

/// Every plugin that a policy names exists, and stands once in its chain.
fn policies(model: &Model, faults: &mut Faults) {
    let known: HashSet<&str> = model.plugin_names.iter().map(|name| name.value.as_str()).collect();
    let top = model.policy.iter().map(|chain| (String::new(), chain));
    let groups = model.groups.iter().flat_map(|group| {
        let path = format!("{SERVER} group {} ", group.name.value);
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
fn reconfigures(model: &Model, faults: &mut Faults) {
    let top = model.reconfigure.iter().map(|reconfigure| (SERVER.to_owned(), reconfigure));
    let groups = model
        .groups
        .iter()
        .filter_map(|group| Some((format!("{SERVER} group {}", group.name.value), group.reconfigure.as_ref()?)));
    for (path, reconfigure) in top.chain(groups) {
        if reconfigure.clear_on_abort && reconfigure.defer_nack_on_abort {
            let message = "`clear-on-abort` and `defer-nack-on-abort` exclude each other";
            faults.push(Fault::new(message, reconfigure.span, format!("{path} reconfigure")).help("keep one of them"));
        }
    }
}

/// Every pool that `process-inform` names exists.
fn informs(model: &Model, faults: &mut Faults) {
    let server = model.overrides.iter().map(|overrides| (SERVER.to_owned(), overrides));
    let groups = model.groups.iter().flat_map(|group| {
        let path = format!("{SERVER} group {}", group.name.value);
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
        known_pool(model, pool, &format!("{path} overrides process-inform pool"), faults);
    }
}

fn known_pool(model: &Model, pool: &Spanned<String>, path: &str, faults: &mut Faults) {
    if model.pool_names.iter().any(|name| name.value == pool.value) {
        return;
    }
    let near = hint(&pool.value, &model.pool_names, faults);
    let fault = Fault::new(format!("there is no pool `{}`", pool.value), pool.span, path);
    faults.push(fault.maybe_help(near.map(|near| format!("did you mean `{near}`?"))));
}

/// The statements of one pool among themselves.
struct PoolCheck<'a> {
    pool: &'a Pool,
    path: String,
    faults: &'a mut Faults,
}

impl PoolCheck<'_> {
    fn fault(&mut self, at: &str, fault: impl FnOnce(String) -> Fault) {
        let fault = fault(format!("{} family inet {at}", self.path));
        self.faults.push(fault);
    }

    fn ranges(&mut self) {
        let pool = self.pool;
        for (kind, ranges) in [("range", &pool.ranges), ("excluded-range", &pool.excluded_ranges)] {
            for range in ranges {
                let at = format!("{kind} {}", range.name.value);
                if range.low.value > range.high.value {
                    self.fault(&at, |path| {
                        Fault::new(format!("`high` of {at} is below its `low`"), range.high.span, path)
                            .label("below")
                            .other(range.low.span, "this")
                    });
                    continue;
                }
                let inside = self.inside(&at, &range.low) && self.inside(&at, &range.high);
                if inside && kind == "range" {
                    self.no_broadcast(&at, range);
                }
            }
        }
        for address in &pool.excluded_addresses {
            self.inside("excluded-address", address);
        }
        let mut ordered: Vec<&Range> = pool.ranges.iter().filter(|range| range.low.value <= range.high.value).collect();
        ordered.sort_by_key(|range| range.low.value);
        let mut highest: Option<&Range> = None;
        for range in ordered {
            if let Some(before) = highest.filter(|before| before.high.value >= range.low.value) {
                self.fault(&format!("range {}", range.name.value), |path| {
                    let message = format!("range `{}` overlaps range `{}`", range.name.value, before.name.value);
                    Fault::new(message, range.low.span, path).other(before.high.span, "the other ends here")
                });
            }
            highest = highest.filter(|before| before.high.value >= range.high.value).or(Some(range));
        }
    }

    /// Whether `address` lies in the pool's network; tells if it does not.
    fn inside(&mut self, at: &str, address: &Spanned<Ipv4Addr>) -> bool {
        let Some(network) = &self.pool.network else {
            return true;
        };
        let inside = network.value.contains(address.value);
        if !inside {
            let message = format!("{} is not in the pool's network {}", address.value, network.value);
            let (span, network) = (address.span, network.span);
            self.fault(at, |path| Fault::new(message, span, path).other(network, "the network"));
        }
        inside
    }

    /// Clients take the first and the last address of a network for the network itself and for broadcast.
    fn no_broadcast(&mut self, at: &str, range: &Range) {
        let Some(network) = self.pool.network.as_ref().filter(|network| network.value.len() <= 30) else {
            return;
        };
        for (end, address, what) in [
            (&range.low, network.value.address(), "the network's own address"),
            (&range.high, network.value.last(), "the network's broadcast address"),
        ] {
            if end.value == address {
                let (message, span) = (format!("{address} is {what}"), end.span);
                self.fault(at, |path| Fault::new(message, span, path).help("leave it out of the range"));
            }
        }
    }

    fn hosts(&mut self) {
        let pool = self.pool;
        let mut addresses = HashMap::new();
        let mut macs = HashMap::new();
        for host in &pool.hosts {
            let at = format!("host {}", host.name.value);
            if self.inside(&at, &host.ip_address) {
                let ends =
                    Range { name: host.name.clone(), low: host.ip_address.clone(), high: host.ip_address.clone() };
                self.no_broadcast(&at, &ends);
            }
            self.unique(&at, host, &host.ip_address, &mut addresses);
            self.unique(&at, host, &host.hardware_address, &mut macs);
            let address = host.ip_address.value;
            let excluded =
                pool.excluded_addresses.iter().find(|excluded| excluded.value == address).map(|excluded| excluded.span);
            let in_range = |range: &&Range| range.low.value <= address && address <= range.high.value;
            let excluded = excluded.or_else(|| pool.excluded_ranges.iter().find(in_range).map(|range| range.low.span));
            if let Some(span) = excluded {
                let message = format!("{address} of host `{}` is excluded", host.name.value);
                self.fault(&at, |path| Fault::new(message, host.ip_address.span, path).other(span, "excluded here"));
            }
        }
    }

    fn unique<T: Copy + Eq + Hash + std::fmt::Display>(
        &mut self,
        at: &str,
        host: &Host,
        value: &Spanned<T>,
        seen: &mut HashMap<T, (String, Span)>,
    ) {
        match seen.get(&value.value).cloned() {
            Some((other, span)) => {
                let message = format!("{} belongs to two hosts, `{other}` and `{}`", value.value, host.name.value);
                self.fault(at, |path| {
                    Fault::new(message, value.span, path).label("again here").other(span, "first here")
                });
            }
            None => {
                seen.insert(value.value, (host.name.value.clone(), value.span));
            }
        }
    }

    /// T1 < T2 < lease (RFC 2131 §4.4.5), both in percent or both in seconds.
    fn timers(&mut self) {
        let attributes = &self.pool.attributes;
        let of = |percent: bool| {
            let mut timers = attributes.t1.iter().chain(&attributes.t2);
            timers.find(|timer| matches!(timer.value, Timer::Percent(_)) == percent)
        };
        if let (Some(percent), Some(seconds)) = (of(true), of(false)) {
            let spans = [percent.span.min(seconds.span), percent.span.max(seconds.span)];
            self.fault("dhcp-attributes", |path| {
                Fault::new("T1 and T2 are both in percent or both in seconds", spans[1], path)
                    .other(spans[0], "the other")
            });
            return;
        }
        let lease = attributes.lease.as_ref().map_or(Lease::Secs(86_400), |lease| lease.value);
        let (t1, t2) = (attributes.t1.first(), attributes.t2.first());
        let value = |timer: Option<&Spanned<Timer>>, default| timer.map_or(default, |timer| timer.value);
        let end = if let Lease::Secs(seconds) = lease { f64::from(seconds) } else { f64::from(u32::MAX) };
        let at = |timer: Timer| match (timer, lease) {
            (Timer::Secs(seconds), _) => f64::from(seconds),
            (Timer::Percent(percent), _) => end * f64::from(percent) / 100.0,
            (Timer::Eighths(eighths), _) => end * f64::from(eighths) / 8.0,
        };
        let (first, second) = (at(value(t1, Timer::Percent(50))), at(value(t2, Timer::Eighths(7))));
        let lease_span = attributes.lease.as_ref().map(|lease| lease.span);
        let orders = [
            (first >= second, t1.or(t2), t2.filter(|_| t1.is_some()).map(|t2| (t2.span, "T2")), "T1 is not before T2"),
            (second >= end, t2, lease_span.map(|span| (span, "the lease")), "T2 is not before the end of the lease"),
            (first >= end, t1, lease_span.map(|span| (span, "the lease")), "T1 is not before the end of the lease"),
        ];
        for (wrong, timer, other, message) in orders {
            let Some(timer) = timer.filter(|_| wrong) else {
                continue;
            };
            self.fault("dhcp-attributes", |path| {
                let mut fault = Fault::new(message, timer.span, path);
                fault.other = other.map(|(span, label)| Box::new((span, label.to_owned())));
                fault.help("T1 < T2 < lease; without a statement T1 is 50 %, T2 87 % and the lease 86400 seconds")
            });
        }
    }

    fn options(&mut self) {
        let pool = self.pool;
        let mut seen: HashMap<u8, (&str, Span)> = HashMap::new();
        for option in &pool.attributes.options {
            let at = format!("dhcp-attributes {}", option.statement);
            if let Some(why) = options::refusal(option.code) {
                let message = format!("option {} cannot be set: {why}", option.code.0);
                self.fault(&at, |path| Fault::new(message, option.span, path));
            }
            if let Err(message) = &option.value {
                self.fault(&at, |path| Fault::new(message.clone(), option.span, path));
            }
            match seen.get(&option.code.0).copied() {
                Some((other, _)) if other == option.statement => {}
                Some((other, span)) => {
                    let message = format!("option {} is set by `{other}` and by `{}`", option.code.0, option.statement);
                    self.fault(&at, |path| Fault::new(message, option.span, path).other(span, "the other"));
                }
                None => {
                    seen.insert(option.code.0, (&option.statement, option.span));
                }
            }
        }
        let total: usize = pool
            .attributes
            .options
            .iter()
            .filter_map(|option| option.value.as_ref().ok())
            .map(|value| value.len() + 2)
            .sum();
        if total > 4 * options::VALUE_MAX {
            let message =
                format!("the options have {total} bytes together; no more than {} are sent", 4 * options::VALUE_MAX);
            self.fault("dhcp-attributes", |path| Fault::new(message, pool.name.span, path));
        }
    }
}

/// Every `link` names another pool, and no chain of links comes back to itself.
fn links(model: &Model, faults: &mut Faults) {
    let by_name: HashMap<&str, &Pool> = model.pools.iter().map(|pool| (pool.name.value.as_str(), pool)).collect();
    // Each pool is walked over once: the number tells on which walk.
    let mut walked: HashMap<&str, usize> = HashMap::new();
    for (walk, start) in model.pools.iter().enumerate() {
        let mut path: Vec<&Pool> = Vec::new();
        let mut next = Some(start);
        while let Some(pool) = next {
            let name = pool.name.value.as_str();
            match walked.get(name) {
                Some(before) if *before == walk => circle(&path, pool, faults),
                Some(_) => {}
                None => {
                    walked.insert(name, walk);
                    path.push(pool);
                    next = pool.link.as_ref().and_then(|link| by_name.get(link.value.as_str()).copied());
                    continue;
                }
            }
            break;
        }
        if let Some(link) = &start.link {
            known_pool(model, link, &format!("{} link", pool_path(start)), faults);
        }
    }
}

/// Tells of the links that lead over `path` back to `pool`, at the first of them in the text.
fn circle(path: &[&Pool], pool: &Pool, faults: &mut Faults) {
    let circle = path.iter().skip_while(|step| step.name.value != pool.name.value);
    let links: Vec<_> = circle.filter_map(|step| Some((step, step.link.as_ref()?))).collect();
    let Some((first, link)) = links.iter().min_by_key(|(_, link)| link.span) else { return };
    let path = format!("{} link", pool_path(first));
    let message = if links.len() == 1 {
        format!("pool `{}` is linked to itself", pool.name.value)
    } else {
        let names: Vec<&str> = links.iter().map(|(step, _)| step.name.value.as_str()).collect();
        format!("the links of the pools go in a circle: {}, {}", names.join(", "), pool.name.value)
    };
    faults.push(Fault::new(message, link.span, path));
}

/// Networks of one instance do not overlap, unless their pools are linked.
fn networks(model: &Model, faults: &mut Faults) {
    let chains = chains(model);
    let mut ordered: Vec<(&Pool, &Spanned<Prefix4>)> =
        model.pools.iter().filter_map(|pool| Some((pool, pool.network.as_ref()?))).collect();
    ordered.sort_by_key(|(_, network)| (network.value.address(), network.value.len()));
    // Sorted so, the networks around one form a stack: each holds those above it.
    let mut around: Vec<(&Pool, &Spanned<Prefix4>)> = Vec::new();
    for (pool, network) in ordered {
        while around.last().is_some_and(|(_, outer)| !outer.value.contains(network.value.address())) {
            around.pop();
        }
        let chain = chains.get(pool.name.value.as_str());
        if let Some((other, outer)) =
            around.iter().rev().find(|(other, _)| chains.get(other.name.value.as_str()) != chain)
        {
            let (first, later) = if network.span < outer.span {
                ((pool, network), (other, outer))
            } else {
                ((*other, *outer), (&pool, &network))
            };
            faults.push(
                Fault::new(
                    format!(
                        "network {} of pool `{}` overlaps {} of pool `{}`",
                        later.1.value, later.0.name.value, first.1.value, first.0.name.value
                    ),
                    later.1.span,
                    format!("{} family inet network", pool_path(later.0)),
                )
                .other(first.1.span, "the other")
                .help("pools may share a network if `link` leads from one to the other"),
            );
        }
        let repeats = around.last().is_some_and(|(other, outer)| {
            outer.value == network.value && chains.get(other.name.value.as_str()) == chain
        });
        if !repeats {
            around.push((pool, network));
        }
    }
}

/// For each pool a number that it shares with the pools it is linked with, in either direction.
fn chains(model: &Model) -> HashMap<&str, usize> {
    let numbers: HashMap<&str, usize> =
        model.pools.iter().enumerate().map(|(number, pool)| (pool.name.value.as_str(), number)).collect();
    let mut above: Vec<usize> = (0..model.pools.len()).collect();
    for (number, pool) in model.pools.iter().enumerate() {
        let Some(other) = pool.link.as_ref().and_then(|link| numbers.get(link.value.as_str())) else { continue };
        let (a, b) = (top(&mut above, number), top(&mut above, *other));
        if let Some(slot) = above.get_mut(a.max(b)) {
            *slot = a.min(b);
        }
    }
    numbers.into_iter().map(|(name, number)| (name, top(&mut above, number))).collect()
}

/// The smallest number that `number` leads up to; the way there is made shorter for the next time.
fn top(above: &mut [usize], mut number: usize) -> usize {
    while let Some(next) = above.get(number).copied().filter(|next| *next != number) {
        let further = above.get(next).copied().unwrap_or(next);
        if let Some(slot) = above.get_mut(number) {
            *slot = further;
        }
        number = further;
    }
    number
}
