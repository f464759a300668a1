//! Reservations, which become hosts or, if they are many, a file.

use super::Import;
use super::json::Json;
use super::subnet::Subnet;
use crate::build::Built;
use crate::value::mac;
use bindery_config::tree::Value;
use std::fmt::Write;
use std::net::Ipv4Addr;

/// Most reservations of a pool that are written as `host` statements: more are in a file of their own.
pub(crate) const HOSTS_MAX: usize = 1000;

/// A reservation that can be made.
pub(super) struct Host {
    name: String,
    mac: String,
    address: Ipv4Addr,
    line: u32,
}

impl Import<'_> {
    /// Reads a reservation, of the subnet `at` or of the top, where its address tells the subnet.
    pub(super) fn reservation(&mut self, json: &Json, at: Option<usize>, path: &str) {
        let path = format!("{path} reservations");
        let Some(hardware) = json.text_of("hw-address") else {
            let by = json.members().iter().map(|(name, _)| name.as_str());
            let by = by.into_iter().find(|name| matches!(*name, "client-id" | "duid" | "circuit-id" | "flex-id"));
            let text = format!("by {}, not by hardware address: left out", by.unwrap_or("nothing"));
            return self.notes.add(json.line, path, text);
        };
        let Some(mac) = mac(hardware) else {
            return self.notes.add(json.line, path, format!("`{hardware}` is no MAC address: left out"));
        };
        let Some(written) = json.text_of("ip-address") else {
            return self.notes.add(json.line, path, format!("{mac}: without an address: left out"));
        };
        let address = written.parse::<Ipv4Addr>().ok();
        let at = at.or_else(|| self.subnets.iter().position(|subnet| address.is_some_and(|it| subnet.contains(it))));
        let subnet = at.and_then(|at| self.subnets.get_mut(at));
        let (Some(address), Some(subnet)) = (address, subnet) else {
            return self.notes.add(json.line, path, format!("{mac}: {written} is in no subnet: left out"));
        };
        if !subnet.contains(address) || subnet.is_end(address) {
            let text = format!("{mac}: {address} is no address for a client of the subnet: left out");
            return self.notes.add(json.line, path, text);
        }
        if subnet.addresses.contains(&address) || subnet.macs.contains(&mac) {
            let text = format!("{mac}: it or {address} has a reservation in this subnet: left out");
            return self.notes.add(json.line, path, text);
        }
        subnet.addresses.insert(address);
        subnet.macs.insert(mac.clone());
        let good = |name: &&str| {
            name.len() <= 253 && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',' && byte != b'"')
        };
        let hostname = json.text_of("hostname").filter(good).filter(|name| !subnet.names.contains(*name));
        let name = hostname.map_or_else(|| format!("host-{}", mac.replace(':', "")), str::to_owned);
        subnet.names.insert(name.clone());
        subnet.hosts.push(Host { name, mac, address, line: json.line });
        if json.text_of("hostname").is_some() {
            let text = "host names of reservations only name the hosts: they are not sent";
            self.notes.once(json.line, &format!("{path} hostname"), text);
        }
        for (name, value) in json.members() {
            if matches!(name.as_str(), "hw-address" | "ip-address" | "hostname" | "comment") || value.is_empty() {
                continue;
            }
            self.notes.once(value.line, &format!("{path} {name}"), "left out of all reservations here");
        }
    }
}

impl Json {
    /// Whether it is an empty list, object or text.
    fn is_empty(&self) -> bool {
        use super::json::Value;
        match &self.value {
            Value::List(list) => list.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::Text(text) => text.is_empty(),
            _ => false,
        }
    }
}

/// Writes the hosts into `family inet`, or into a file if there are many and the configuration takes one.
pub(super) fn write(subnet: &Subnet, inet: &mut Built, table: bool, files: &mut Vec<(String, String)>) {
    let text = |value: &dyn std::fmt::Display| Value::Text(value.to_string());
    if table && subnet.hosts.len() > HOSTS_MAX {
        let name = format!("hosts-{}.csv", subnet.name);
        let mut content = "hardware-address,ip-address,name\n".to_owned();
        for host in &subnet.hosts {
            let _ = writeln!(content, "{},{},{}", host.mac, host.address, host.name);
        }
        inet.leaf("host-table", [text(&name)], subnet.hosts.first().map_or(1, |host| host.line));
        files.push((name, content));
        return;
    }
    for host in &subnet.hosts {
        let built = inet.named("host", &text(&host.name), host.line);
        built.leaf("hardware-address", [text(&host.mac)], host.line);
        built.leaf("ip-address", [text(&host.address)], host.line);
    }
}
