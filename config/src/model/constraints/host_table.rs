//! What must hold between a pool's `host-table` and the statements around it: every fault with the line of the file.

use crate::error::{Fault, Faults};
use crate::host_table::{HostTable, HostTableError, TABLE_FAULTS_MAX};
use crate::model::{Host, Model, Pool, PoolTable, RoutingInstance, Spanned};
use crate::sources::Sources;
use crate::tree::Span;
use bindery_types::{Ipv4Addr, Prefix4};

/// Reads every table that `model` names.
pub(crate) fn read_host_tables(model: &mut Model, sources: &dyn Sources, faults: &mut Faults) {
    let prefixes: Vec<String> = model.instances().map(|instance| instance.path("")).collect();
    let pools = model.instances_mut().zip(&prefixes);
    for (pool, prefix) in pools.flat_map(|(instance, prefix)| instance.pools.iter_mut().map(move |it| (it, prefix))) {
        let Some(PoolTable { path, .. }) = &pool.host_table else {
            continue;
        };
        let path = path.clone();
        let messages = match sources.host_table(&path.value) {
            Ok(table) => {
                pool.host_table = Some(PoolTable { path, table: Some(table) });
                continue;
            }
            Err(HostTableError::Unreadable(why)) => vec![format!("{}: {why}", path.value)],
            Err(HostTableError::Faulty(list)) => list.iter().map(|fault| format!("{} {fault}", path.value)).collect(),
        };
        messages.iter().for_each(|message| faults.push(fault(prefix, pool, path.span, message)));
    }
}

/// Adds the faults of all tables that were read.
pub(super) fn host_tables(instance: &RoutingInstance, faults: &mut Faults) {
    let tables: Vec<Check<'_>> = instance.pools.iter().filter_map(|pool| Check::of(instance, pool)).collect();
    if tables.is_empty() {
        return;
    }
    let mut hosts: Vec<(&Pool, &Host)> =
        instance.pools.iter().flat_map(|pool| pool.hosts.iter().map(move |host| (pool, host))).collect();
    hosts.sort_by_key(|(_, host)| host.ip_address.value);
    for check in &tables {
        let mut told = Told { faults, left: TABLE_FAULTS_MAX };
        check.network(&mut told);
        check.excluded(&mut told);
        check.hosts(&hosts, &mut told);
    }
    overlaps(tables, faults);
}

/// Two pools with one network, or with one in the other, keep no address both.
fn overlaps(mut tables: Vec<Check<'_>>, faults: &mut Faults) {
    tables.sort_by_key(|check| (check.network.address(), check.network.len()));
    // Sorted so, the networks around one form a stack.
    let mut around: Vec<Check<'_>> = Vec::new();
    for check in tables {
        while around.last().is_some_and(|outer| !outer.network.contains(check.network.address())) {
            around.pop();
        }
        for outer in &around {
            let (later, first) = if check.path.span < outer.path.span { (outer, &check) } else { (&check, outer) };
            let mut told = Told { faults, left: TABLE_FAULTS_MAX };
            for address in first.table.reservations().shared(later.table.reservations()).take(TABLE_FAULTS_MAX) {
                let line = first.table.line_of(address).unwrap_or_default();
                let message = format!("{address} is in line {line} of the table of pool `{}` too", first.name);
                later.tell_address(address, &message, Some((first.path.span, "the other table")), &mut told);
            }
        }
        around.push(check);
    }
}

/// So many faults of a table are told, and no more.
struct Told<'a> {
    faults: &'a mut Faults,
    left: usize,
}

/// A pool whose table was read.
struct Check<'a> {
    instance: &'a RoutingInstance,
    pool: &'a Pool,
    name: &'a str,
    network: Prefix4,
    network_span: Span,
    path: &'a Spanned<String>,
    table: &'a HostTable,
}

impl<'a> Check<'a> {
    fn of(instance: &'a RoutingInstance, pool: &'a Pool) -> Option<Self> {
        let PoolTable { path, table } = pool.host_table.as_ref()?;
        let network = pool.network.as_ref()?;
        Some(Self {
            instance,
            pool,
            name: &pool.name.value,
            network: network.value,
            network_span: network.span,
            path,
            table: table.as_deref()?,
        })
    }

    /// All addresses lie in the pool's network, and are neither its own nor its broadcast address.
    fn network(&self, told: &mut Told<'_>) {
        let reservations = self.table.reservations();
        let (first, last) = (self.network.address(), self.network.last());
        let inside = reservations.indexes(first, last);
        let network = Some((self.network_span, "the network"));
        for index in (0..inside.start).chain(inside.end..reservations.len() as u32) {
            if told.left == 0 {
                break;
            }
            let address = reservations.at(index).map_or(Ipv4Addr::UNSPECIFIED, |(address, _)| address);
            let message = format!("{address} is not in the pool's network {}", self.network);
            self.tell(index, &message, network, told);
        }
        if self.network.len() <= 30 {
            for (address, what) in [(first, "the network's own address"), (last, "the network's broadcast address")] {
                self.tell_address(address, &format!("{address} is {what}"), network, told);
            }
        }
    }

    /// No address is excluded.
    fn excluded(&self, told: &mut Told<'_>) {
        let addresses = self.pool.excluded_addresses.iter().map(|it| (it.value, it.value, it.span));
        let ranges = self.pool.excluded_ranges.iter().map(|it| (it.low.value, it.high.value, it.low.span));
        for (low, high, span) in addresses.chain(ranges) {
            for index in self.table.reservations().indexes(low, high) {
                if told.left == 0 {
                    return;
                }
                let address = self.table.reservations().at(index).map_or(low, |(address, _)| address);
                self.tell(index, &format!("{address} is excluded"), Some((span, "excluded here")), told);
            }
        }
    }

    /// No address is one of a `host`, of this pool or of another one; no hardware address is one of a `host` of this
    /// pool. `hosts` are those of all pools, by address.
    fn hosts(&self, hosts: &[(&Pool, &Host)], told: &mut Told<'_>) {
        for host in &self.pool.hosts {
            let Some(Spanned { value: mac, span }) = host.hardware_address else { continue };
            if let Some(index) = self.table.reservations().index_of_mac(mac) {
                let message = format!("{mac} has a `host`, `{}`", host.name.value);
                self.tell(index, &message, Some((span, "the host")), told);
            }
        }
        let within = {
            let from = hosts.partition_point(|(_, host)| host.ip_address.value < self.network.address());
            let to = hosts.partition_point(|(_, host)| host.ip_address.value <= self.network.last());
            from..to
        };
        for (pool, host) in hosts.get(within).unwrap_or_default() {
            let address = host.ip_address.value;
            let message = if pool.name.value == self.name {
                format!("{address} has a `host`, `{}`", host.name.value)
            } else {
                format!("{address} has a `host`, `{}` of pool `{}`", host.name.value, pool.name.value)
            };
            self.tell_address(address, &message, Some((host.ip_address.span, "the host")), told);
        }
    }

    /// Tells a fault of the reservation of `address`, if the table has it.
    fn tell_address(&self, address: Ipv4Addr, message: &str, other: Option<(Span, &str)>, told: &mut Told<'_>) {
        if let Some(index) = self.table.reservations().index_of(address) {
            self.tell(index, message, other, told);
        }
    }

    fn tell(&self, index: u32, message: &str, other: Option<(Span, &str)>, told: &mut Told<'_>) {
        if told.left == 0 {
            return;
        }
        told.left -= 1;
        let line = self.table.line(index).unwrap_or_default();
        let mut fault = {
            let message = format!("{} line {line}: {message}", self.path.value);
            fault(&self.instance.path(""), self.pool, self.path.span, &message)
        };
        if let Some((span, label)) = other {
            fault = fault.other(span, label);
        }
        told.faults.push(fault);
    }
}

/// A fault at the `host-table` of `pool` of the routing instance whose paths begin with `prefix`.
fn fault(prefix: &str, pool: &Pool, span: Span, message: &str) -> Fault {
    let path = format!("{prefix}access address-assignment pool {} family inet host-table", pool.name.value);
    Fault::new(message, span, path)
}
