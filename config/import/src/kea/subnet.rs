//! Subnets, which become pools.

use super::host::Host;
use super::json::Json;
use super::{Import, Scope, option};
use crate::build::{Built, has_statement};
use crate::note::Notes;
use crate::value::read;
use bindery_config::schema::Type;
use bindery_config::tree::Value;
use std::collections::HashSet;
use std::net::Ipv4Addr;

/// Kea's lease time where none is written, seconds.
const LIFETIME: i64 = 7200;

/// A lease without end.
const INFINITE: i64 = 0xffff_ffff;

/// A subnet on its way to a pool.
pub(super) struct Subnet {
    /// Name of the pool.
    pub(super) name: String,
    pub(super) path: String,
    line: u32,
    network: String,
    pub(super) first: Ipv4Addr,
    pub(super) last: Ipv4Addr,
    len: u8,
    /// Whether clients of every class may be there.
    pub(super) active: bool,
    pub(super) link: Option<String>,
    annotation: Vec<String>,
    ranges: Vec<Range>,
    scope: Scope,
    pub(super) hosts: Vec<Host>,
    /// What tells hosts apart, and is taken.
    pub(super) names: HashSet<String>,
    pub(super) addresses: HashSet<Ipv4Addr>,
    pub(super) macs: HashSet<String>,
}

struct Range {
    low: Ipv4Addr,
    high: Ipv4Addr,
    line: u32,
    active: bool,
}

impl Import<'_> {
    /// Reads a subnet; `open` says whether clients of every class may be in the network around it.
    pub(super) fn subnet(&mut self, json: &Json, outer: &Scope, around: &str, open: bool) {
        const HANDLED: [&str; 8] =
            ["id", "subnet", "pools", "reservations", "relay", "interface", "client-class", "client-classes"];
        let written = json.text_of("subnet").unwrap_or_default();
        let path = format!("{around} subnet4 {written}");
        let network = match read(&Type::Prefix4, written) {
            Ok(network) => network,
            Err(why) => return self.notes.add(json.line, path, format!("`subnet` {why}: left out")),
        };
        if let Some(note) = &network.note {
            self.notes.add(json.line, &path, note);
        }
        let network = crate::build::plain(&network.value);
        let Some((first, last, len)) = ends(&network) else { return };
        let scope = self.scope(outer, json, &path);
        self.rest(json, &path, &HANDLED);
        let mut subnet = Subnet {
            name: format!("subnet-{}", self.id(json, &path)),
            line: json.line,
            network,
            first,
            last,
            len,
            active: self.is_open(json, &path) && open,
            link: None,
            annotation: json.text_of("comment").map(one_line).into_iter().collect(),
            ranges: Vec::new(),
            scope,
            hosts: Vec::new(),
            names: HashSet::new(),
            addresses: HashSet::new(),
            macs: HashSet::new(),
            path: path.clone(),
        };
        self.relay(json, &subnet);
        for pool in json.member("pools").map(Json::list).unwrap_or_default() {
            let range = self.pool(pool, &subnet);
            subnet.ranges.extend(range);
        }
        self.subnets.push(subnet);
        let at = self.subnets.len() - 1;
        for reservation in json.member("reservations").map(Json::list).unwrap_or_default() {
            self.reservation(reservation, Some(at), &path);
        }
    }

    /// The subnet's number, or like Kea the next one that is free.
    fn id(&mut self, json: &Json, path: &str) -> i64 {
        if let Some(id) = json.member("id").and_then(Json::integer).filter(|id| *id > 0) {
            if !self.subnets.iter().any(|other| other.name == format!("subnet-{id}")) {
                return id;
            }
            self.notes.add(json.line, path, format!("its id {id} stands twice; it gets another one"));
        }
        let id = (1..).find(|id| !self.ids.contains(id)).unwrap_or(1);
        self.ids.insert(id);
        id
    }

    /// What makes Kea choose the subnet, where it is not the network itself.
    fn relay(&mut self, json: &Json, subnet: &Subnet) {
        if let Some(interface) = json.member("interface").filter(|it| it.text().is_some_and(|text| !text.is_empty())) {
            let text = "a pool is chosen by giaddr or by an address of the interface, not by the interface's name";
            self.notes.add(interface.line, format!("{} interface", subnet.path), text);
        }
        let Some(relay) = json.member("relay") else { return };
        let one = relay.member("ip-address").into_iter();
        let all = one.chain(relay.member("ip-addresses").map(Json::list).unwrap_or_default());
        for address in all {
            let inside = address.text().and_then(|text| text.parse().ok()).is_some_and(|it| subnet.contains(it));
            if !inside {
                let text = format!(
                    "a pool is chosen by a giaddr in its network, and {} is not",
                    address.text().unwrap_or_default()
                );
                self.notes.add(address.line, format!("{} relay", subnet.path), text);
            }
        }
    }

    /// A range of addresses.
    fn pool(&mut self, json: &Json, subnet: &Subnet) -> Option<Range> {
        let written = json.text_of("pool").unwrap_or_default();
        let path = format!("{} pools {written}", subnet.path);
        let whole =
            |text: &str| text.split_once('/').and_then(|_| ends(&network_of(text)?)).map(|(low, high, _)| (low, high));
        let two = |text: &str| {
            let (low, high) = text.split_once('-')?;
            Some((low.trim().parse().ok()?, high.trim().parse().ok()?))
        };
        let Some((mut low, mut high)) = whole(written).or_else(|| two(written)) else {
            self.notes.add(json.line, path, "not like \"192.0.2.10 - 192.0.2.99\" or \"192.0.2.0/28\": left out");
            return None;
        };
        self.rest(json, &path, &["pool", "client-class", "client-classes"]);
        if json.member("option-data").is_some_and(|options| !options.list().is_empty()) {
            self.notes.add(json.line, format!("{path} option-data"), "options are those of the subnet: left out");
        }
        if subnet.len <= 30 && low < high {
            let inside = (low, high);
            if low == subnet.first {
                low = Ipv4Addr::from(u32::from(low).saturating_add(1));
            }
            if high == subnet.last {
                high = Ipv4Addr::from(u32::from(high).saturating_sub(1));
            }
            if (low, high) != inside {
                self.notes.add(json.line, &path, "without the network's own address and its broadcast address");
            }
        }
        Some(Range { low, high, line: json.line, active: self.is_open(json, &path) })
    }
}

/// First and last address and the length of a network.
fn ends(network: &str) -> Option<(Ipv4Addr, Ipv4Addr, u8)> {
    let (address, len) = network.split_once('/')?;
    let (address, len): (Ipv4Addr, u8) = (address.parse().ok()?, len.parse().ok()?);
    let host = u32::MAX.checked_shr(len.into()).unwrap_or(0);
    (len <= 32).then(|| (address, Ipv4Addr::from(u32::from(address) | host), len))
}

/// The network that a range in the form of a prefix covers.
fn network_of(text: &str) -> Option<String> {
    let (address, len) = text.split_once('/')?;
    let network = format!("{}/{}", address.trim(), len.trim());
    read(&Type::Prefix4, &network).ok().map(|network| crate::build::plain(&network.value))
}

/// A comment on one line.
fn one_line(comment: &str) -> String {
    comment.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn text(value: impl std::fmt::Display) -> Value {
    Value::Text(value.to_string())
}

impl Subnet {
    pub(super) fn contains(&self, address: Ipv4Addr) -> bool {
        (self.first..=self.last).contains(&address)
    }

    /// Whether a client takes the address for the network's own, or for broadcast.
    pub(super) fn is_end(&self, address: Ipv4Addr) -> bool {
        self.len <= 30 && (address == self.first || address == self.last)
    }

    /// Writes the pool.
    pub(super) fn write(self, root: &mut Built, files: &mut Vec<(String, String)>, notes: &mut Notes) {
        let assignment = root.block("access", self.line).block("address-assignment", self.line);
        let pool = assignment.named("pool", &text(&self.name), self.line);
        pool.annotation.clone_from(&self.annotation);
        pool.inactive = !self.active;
        if let Some(link) = &self.link {
            pool.leaf("link", [text(link)], self.line);
        }
        let inet = pool.named("family", &text("inet"), self.line);
        inet.leaf("network", [text(&self.network)], self.line);
        for (at, range) in self.ranges.iter().enumerate() {
            let built = inet.named("range", &text(format!("r{}", at + 1)), range.line);
            built.inactive = !range.active;
            built.leaf("low", [text(range.low)], range.line);
            built.leaf("high", [text(range.high)], range.line);
        }
        let attributes = inet.block("dhcp-attributes", self.line);
        self.lease(attributes, notes);
        self.boot(attributes);
        for option in self.scope.options.values() {
            option::write(option, attributes, &self.path, notes);
        }
        let table = has_statement(&["access", "address-assignment", "pool", "family", "inet", "host-table"]);
        super::host::write(&self, inet, table, files);
    }

    /// The lease time and when it is renewed.
    fn lease(&self, attributes: &mut Built, notes: &mut Notes) {
        let scope = &self.scope;
        let lifetime = scope.integer("valid-lifetime").filter(|seconds| *seconds > 0).unwrap_or(LIFETIME);
        let line = scope.parameters.get("valid-lifetime").map_or(self.line, |value| value.line);
        let infinite = lifetime >= INFINITE;
        let value = if infinite { text("infinite") } else { Value::Integer(lifetime.into()) };
        attributes.leaf("maximum-lease-time", [value], line);
        let timer = |name: &'static str| {
            let value = scope.parameters.get(name)?;
            Some((value.integer().filter(|seconds| *seconds > 0)?, value.line))
        };
        let mut end = lifetime;
        let mut seconds = false;
        // As in Kea, a timer that is not before what follows it is not sent.
        for (theirs, ours) in [("rebind-timer", "t2-rebinding-time"), ("renew-timer", "t1-renewal-time")] {
            let Some((timer, line)) = timer(theirs) else { continue };
            if timer < end {
                attributes.leaf(ours, [Value::Integer(timer.into())], line);
                (end, seconds) = (timer, true);
            } else {
                notes.once(line, &format!("{} {theirs}", self.path), "it is not before what follows it: left out");
            }
        }
        let calculates = scope.parameters.get("calculate-tee-times").and_then(Json::boolean) == Some(true);
        if seconds || !calculates {
            return;
        }
        for (theirs, ours) in [("t1-percent", "t1-percentage"), ("t2-percent", "t2-percentage")] {
            let Some(value) = scope.parameters.get(theirs) else { continue };
            let Some(share) = value.number().filter(|share| *share > 0.0 && *share < 1.0) else { continue };
            // What holds here where nothing is written.
            if (share - 0.875).abs() < 1e-9 && ours == "t2-percentage" {
                continue;
            }
            let percent = (1..100).min_by_key(|percent| ((f64::from(*percent) / 100.0 - share).abs() * 1e9) as u64);
            attributes.leaf(ours, percent.map(|percent: i32| Value::Integer(percent.into())), value.line);
        }
    }

    /// Where to boot from.
    fn boot(&self, attributes: &mut Built) {
        let names =
            [("next-server", "next-server"), ("server-hostname", "boot-server"), ("boot-file-name", "boot-file")];
        for (theirs, ours) in names {
            let Some(value) = self.scope.parameters.get(theirs) else { continue };
            if let Some(written) = value.text().filter(|text| !text.is_empty() && *text != "0.0.0.0") {
                attributes.leaf(ours, [text(written)], value.line);
            }
        }
    }
}
