//! What must hold between the statements of pools of one routing instance.

use super::known_pool;
use crate::error::{Fault, Faults};
use crate::model::{Attributes, Host, Pool, Range, RoutingInstance, Spanned, client_value, options};
use crate::nearest::nearest;
use crate::tree::Span;
use bindery_engine::config::{Lease, Timer};
use bindery_types::{Ipv4Addr, Prefix4};
use std::collections::HashMap;
use std::hash::Hash;

/// Adds all faults of the pools of `instance`.
pub(super) fn pools(instance: &RoutingInstance, faults: &mut Faults) {
    for pool in &instance.pools {
        let mut pool = PoolCheck { pool, path: instance.pool_path(pool), faults };
        pool.ranges();
        pool.hosts();
        pool.lifetimes();
        pool.option_match();
        pool.timers();
        pool.options();
    }
    utilization(instance, faults);
    links(instance, faults);
    networks(instance, faults);
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
        let (mut macs, mut ids, mut users) = (HashMap::new(), HashMap::new(), HashMap::new());
        for host in &pool.hosts {
            let at = format!("host {}", host.name.value);
            if self.inside(&at, &host.ip_address) {
                let ends =
                    Range { name: host.name.clone(), low: host.ip_address.clone(), high: host.ip_address.clone() };
                self.no_broadcast(&at, &ends);
            }
            self.unique(&at, host, &host.ip_address, &mut addresses);
            self.known(&at, host, &mut ids);
            if let Some(mac) = &host.hardware_address {
                self.unique(&at, host, mac, &mut macs);
            }
            if let Some(user) = &host.user_name {
                self.unique(&at, host, user, &mut users);
            }
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

    /// A host is known by something, and its `client-identifier` means bytes that no other has.
    fn known(&mut self, at: &str, host: &Host, seen: &mut HashMap<Vec<u8>, (String, Span)>) {
        if !host.is_known {
            let message = format!("nothing says whom host `{}` keeps its address for", host.name.value);
            self.fault(at, |path| {
                Fault::new(message, host.name.span, path).help("write hardware-address, client-identifier or user-name")
            });
        }
        let Some(id) = &host.client_identifier else { return };
        match client_value::bytes(&id.value) {
            Err(message) => self.fault(at, |path| Fault::new(message, id.span, path)),
            Ok(bytes) => match seen.get(&bytes).cloned() {
                Some((other, span)) => {
                    let message = format!(
                        "client-identifier {} belongs to two hosts, `{other}` and `{}`",
                        id.value, host.name.value
                    );
                    self.fault(at, |path| {
                        Fault::new(message, id.span, path).label("again here").other(span, "first here")
                    });
                }
                None => {
                    seen.insert(bytes, (host.name.value.clone(), id.span));
                }
            },
        }
    }

    /// `valid-lifetime` and `preferred-lifetime` exclude `maximum-lease-time` (junos.md §5.1); the preferred one ends
    /// no later than the lease.
    fn lifetimes(&mut self) {
        let attributes = &self.pool.attributes;
        if let Some(lease) = &attributes.lease {
            let others = [
                ("valid-lifetime", &attributes.valid_lifetime),
                ("preferred-lifetime", &attributes.preferred_lifetime),
            ];
            for (name, other) in others {
                let Some(other) = other else { continue };
                let message = format!("`{name}` does not go together with `maximum-lease-time`");
                self.fault("dhcp-attributes", |path| {
                    Fault::new(message, other.span, path).other(lease.span, "the other")
                });
            }
            return;
        }
        let Some(preferred) = &attributes.preferred_lifetime else { return };
        let secs = |lease: Lease| if let Lease::Secs(secs) = lease { secs } else { u32::MAX };
        let lease = attributes.lease().map_or(Lease::Secs(86_400), |lease| lease.value);
        if secs(preferred.value) > secs(lease) {
            self.fault("dhcp-attributes", |path| {
                let mut fault = Fault::new("`preferred-lifetime` is longer than the lease", preferred.span, path);
                fault.other = attributes.valid_lifetime.as_ref().map(|it| Box::new((it.span, "the lease".to_owned())));
                fault.help("without valid-lifetime the lease is 86400 seconds")
            });
        }
    }

    /// `option-match` names ranges of the pool, and no value twice.
    fn option_match(&mut self) {
        let pool = self.pool;
        let mut seen: HashMap<(bool, Vec<u8>), Span> = HashMap::new();
        for entry in &pool.attributes.option_match {
            let kind = if entry.is_circuit { "circuit-id" } else { "remote-id" };
            let at = format!("dhcp-attributes option-match option-82 {kind} {}", entry.value.value);
            match client_value::bytes(&entry.value.value) {
                Err(message) => self.fault(&at, |path| Fault::new(message, entry.value.span, path)),
                Ok(bytes) => {
                    if let Some(span) = seen.insert((entry.is_circuit, bytes), entry.value.span) {
                        let message = format!("{kind} {} is the same as one before", entry.value.value);
                        self.fault(&at, |path| Fault::new(message, entry.value.span, path).other(span, "the other"));
                    }
                }
            }
            if !pool.ranges.iter().any(|range| range.name.value == entry.range.value) {
                let message = format!("pool `{}` has no range `{}`", pool.name.value, entry.range.value);
                let names = pool.ranges.iter().map(|range| range.name.value.as_str());
                let near = nearest(&entry.range.value, names).map(|near| format!("did you mean `{near}`?"));
                self.fault(&at, |path| {
                    let fault = Fault::new(message, entry.range.span, path);
                    if let Some(near) = near { fault.help(near) } else { fault }
                });
            }
        }
    }

    fn unique<T: Clone + Eq + Hash + std::fmt::Display>(
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
                seen.insert(value.value.clone(), (host.name.value.clone(), value.span));
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
        let lease = attributes.lease().map_or(Lease::Secs(86_400), |lease| lease.value);
        let (t1, t2) = (attributes.t1.first(), attributes.t2.first());
        let value = |timer: Option<&Spanned<Timer>>, default| timer.map_or(default, |timer| timer.value);
        let end = if let Lease::Secs(seconds) = lease { f64::from(seconds) } else { f64::from(u32::MAX) };
        let at = |timer: Timer| match (timer, lease) {
            (Timer::Secs(seconds), _) => f64::from(seconds),
            (Timer::Percent(percent), _) => end * f64::from(percent) / 100.0,
            (Timer::Eighths(eighths), _) => end * f64::from(eighths) / 8.0,
        };
        let (first, second) = (at(value(t1, Timer::Percent(50))), at(value(t2, Timer::Eighths(7))));
        let lease_span = attributes.lease().map(|lease| lease.span);
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
        let path = format!("{} family inet dhcp-attributes", self.path);
        attribute_options(&self.pool.attributes, self.pool.name.span, &path, self.faults);
    }
}

/// Every option of a set may be set, once, and there is room for all; `place` and `path` are those of the set.
pub(super) fn attribute_options(attributes: &Attributes, place: Span, path: &str, faults: &mut Faults) {
    let mut seen: HashMap<u8, (&str, Span)> = HashMap::new();
    for option in &attributes.options {
        let path = format!("{path} {}", option.statement);
        if let Some(why) = options::refusal(option.code) {
            let message = format!("option {} cannot be set: {why}", option.code.0);
            faults.push(Fault::new(message, option.span, path.clone()));
        }
        if let Err(message) = &option.value {
            faults.push(Fault::new(message.clone(), option.span, path.clone()));
        }
        match seen.get(&option.code.0).copied() {
            Some((other, _)) if other == option.statement => {}
            Some((other, span)) => {
                let message = format!("option {} is set by `{other}` and by `{}`", option.code.0, option.statement);
                faults.push(Fault::new(message, option.span, path).other(span, "the other"));
            }
            None => {
                seen.insert(option.code.0, (&option.statement, option.span));
            }
        }
    }
    let encoded = attributes.options.iter().filter_map(|option| option.value.as_ref().ok());
    let total: usize = encoded.map(|value| value.len() + 2).sum();
    if total > 4 * options::VALUE_MAX {
        let message =
            format!("the options have {total} bytes together; no more than {} are sent", 4 * options::VALUE_MAX);
        faults.push(Fault::new(message, place, path));
    }
}

/// `high-utilization` exceeds `abated-utilization` (junos.md §5.1), which says nothing alone.
fn utilization(instance: &RoutingInstance, faults: &mut Faults) {
    let Some(abated) = &instance.abated_utilization else { return };
    let path = format!("{} abated-utilization", instance.assignment_path());
    match &instance.high_utilization {
        None => faults.push(
            Fault::new("`abated-utilization` without `high-utilization` tells nothing", abated.span, path)
                .help("write high-utilization beside it"),
        ),
        Some(high) if high.value <= abated.value => faults.push(
            Fault::new("`high-utilization` does not exceed `abated-utilization`", abated.span, path)
                .other(high.span, "the other"),
        ),
        Some(_) => {}
    }
}

/// Every `link` names another pool, and no chain of links comes back to itself.
fn links(instance: &RoutingInstance, faults: &mut Faults) {
    let by_name: HashMap<&str, &Pool> = instance.pools.iter().map(|pool| (pool.name.value.as_str(), pool)).collect();
    // Each pool is walked over once: the number tells on which walk.
    let mut walked: HashMap<&str, usize> = HashMap::new();
    for (walk, start) in instance.pools.iter().enumerate() {
        let mut path: Vec<&Pool> = Vec::new();
        let mut next = Some(start);
        while let Some(pool) = next {
            let name = pool.name.value.as_str();
            match walked.get(name) {
                Some(before) if *before == walk => circle(instance, &path, pool, faults),
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
            known_pool(instance, link, &format!("{} link", instance.pool_path(start)), faults);
        }
    }
}

/// Tells of the links that lead over `path` back to `pool`, at the first of them in the text.
fn circle(instance: &RoutingInstance, path: &[&Pool], pool: &Pool, faults: &mut Faults) {
    let circle = path.iter().skip_while(|step| step.name.value != pool.name.value);
    let links: Vec<_> = circle.filter_map(|step| Some((step, step.link.as_ref()?))).collect();
    let Some((first, link)) = links.iter().min_by_key(|(_, link)| link.span) else { return };
    let path = format!("{} link", instance.pool_path(first));
    let message = if links.len() == 1 {
        format!("pool `{}` is linked to itself", pool.name.value)
    } else {
        let names: Vec<&str> = links.iter().map(|(step, _)| step.name.value.as_str()).collect();
        format!("the links of the pools go in a circle: {}, {}", names.join(", "), pool.name.value)
    };
    faults.push(Fault::new(message, link.span, path));
}

/// Networks of one instance do not overlap, unless their pools are linked.
fn networks(instance: &RoutingInstance, faults: &mut Faults) {
    let chains = chains(instance);
    let mut ordered: Vec<(&Pool, &Spanned<Prefix4>)> =
        instance.pools.iter().filter_map(|pool| Some((pool, pool.network.as_ref()?))).collect();
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
                    format!("{} family inet network", instance.pool_path(later.0)),
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
fn chains(instance: &RoutingInstance) -> HashMap<&str, usize> {
    let numbers: HashMap<&str, usize> =
        instance.pools.iter().enumerate().map(|(number, pool)| (pool.name.value.as_str(), number)).collect();
    let mut above: Vec<usize> = (0..instance.pools.len()).collect();
    for (number, pool) in instance.pools.iter().enumerate() {
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
