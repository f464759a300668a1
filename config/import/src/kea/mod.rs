//! A configuration of Kea's DHCPv4 server.

mod definitions;
mod host;
mod json;
mod option;
mod subnet;

use crate::build::Built;
use crate::note::{Imported, Notes, Refused};
use crate::settle::settle;
use crate::value::read;
use bindery_config::schema::Type;
use bindery_config::tree::Value;
use definitions::Definitions;
use json::Json;
use option::OptionData;
use std::collections::{BTreeMap, HashSet};
use subnet::Subnet;

/// The group that all interfaces come into.
const GROUP: &str = "kea";

/// Statements that subnets inherit from their shared network and from the top.
const PARAMETERS: [&str; 11] = [
    "valid-lifetime",
    "min-valid-lifetime",
    "max-valid-lifetime",
    "renew-timer",
    "rebind-timer",
    "calculate-tee-times",
    "t1-percent",
    "t2-percent",
    "next-server",
    "server-hostname",
    "boot-file-name",
];

/// Takes over the configuration of Kea's DHCPv4 server, its `kea-dhcp4.conf`: subnets become pools `subnet-ID`, their
/// reservations become hosts, interfaces become the group `kea`. `name` is how messages call the text.
///
/// A pool with more than 1,000 reservations has them in a file of its own, which is in
/// [`Imported::files`]; its path starts at the folder of the configuration.
///
/// ```
/// let text = r#"{ "Dhcp4": { "subnet4": [ { "id": 1, "subnet": "192.0.2.0/24" } ] } }"#;
/// assert!(bindery_import::kea("kea-dhcp4.conf", text)?.kdl.contains("pool subnet-1"));
/// # Ok::<(), bindery_import::Refused>(())
/// ```
///
/// # Errors
/// The text is no JSON of this kind, or what comes of it is longer than a configuration may be.
pub fn kea(name: &str, text: &str) -> Result<Imported, Refused> {
    let mut notes = Notes::default();
    let json = json::parse(name, text, &mut notes)?;
    let Some(dhcp4) = json.member("Dhcp4") else {
        return Err(Refused::new(name, json.line, "there is no `Dhcp4` in it"));
    };
    for (member, value) in json.members().iter().filter(|(member, _)| member != "Dhcp4") {
        notes.add(value.line, member, "left out");
    }
    let definitions = Definitions::of(dhcp4.member("option-def"), "Dhcp4", &mut notes);
    let mut import = Import { notes: &mut notes, definitions, subnets: Vec::new(), ids: HashSet::new() };
    import.all(dhcp4);
    let mut root = Built::default();
    import.server(dhcp4, &mut root);
    let subnets = import.subnets;
    let mut files = Vec::new();
    for subnet in subnets {
        subnet.write(&mut root, &mut files, &mut notes);
    }
    let kdl = settle(name, root.into_tree(), &mut notes)?;
    Ok(Imported { name: name.to_owned(), kdl, notes: notes.finish(), files })
}

/// What holds in a place: its own and what is inherited.
#[derive(Clone, Default)]
struct Scope {
    options: BTreeMap<u8, OptionData>,
    parameters: BTreeMap<&'static str, Json>,
}

impl Scope {
    fn integer(&self, name: &str) -> Option<i64> {
        self.parameters.get(name)?.integer()
    }
}

struct Import<'a> {
    notes: &'a mut Notes,
    definitions: Definitions,
    subnets: Vec<Subnet>,
    /// Numbers of subnets that are taken.
    ids: HashSet<i64>,
}

impl Import<'_> {
    /// Subnets and shared networks, and reservations of the top.
    fn all(&mut self, dhcp4: &Json) {
        const HANDLED: [&str; 6] =
            ["subnet4", "shared-networks", "reservations", "interfaces-config", "option-def", "authoritative"];
        let scope = self.scope(&Scope::default(), dhcp4, "Dhcp4");
        self.rest(dhcp4, "Dhcp4", &HANDLED);
        let networks = dhcp4.member("shared-networks").map(Json::list).unwrap_or_default();
        let subnets = dhcp4.member("subnet4").map(Json::list).unwrap_or_default();
        let inner = networks.iter().filter_map(|network| network.member("subnet4")).flat_map(Json::list);
        for subnet in subnets.iter().chain(inner) {
            self.ids.extend(subnet.member("id").and_then(Json::integer));
        }
        for subnet in subnets {
            self.subnet(subnet, &scope, "Dhcp4", true);
        }
        for network in networks {
            self.shared(network, &scope);
        }
        for reservation in dhcp4.member("reservations").map(Json::list).unwrap_or_default() {
            self.reservation(reservation, None, "Dhcp4");
        }
    }

    /// A shared network: its subnets are linked.
    fn shared(&mut self, json: &Json, outer: &Scope) {
        let path = format!("Dhcp4 shared-networks {}", json.text_of("name").unwrap_or_default());
        let scope = self.scope(outer, json, &path);
        self.rest(json, &path, &["name", "subnet4", "client-class", "client-classes", "relay", "interface"]);
        let open = self.is_open(json, &path);
        let first = self.subnets.len();
        for subnet in json.member("subnet4").map(Json::list).unwrap_or_default() {
            self.subnet(subnet, &scope, &path, open);
        }
        let mut next: Option<String> = None;
        let mut links = 0;
        let linked = self.subnets.get_mut(first..).unwrap_or_default().iter_mut().rev();
        for subnet in linked.filter(|subnet| subnet.active) {
            subnet.link = next.replace(subnet.name.clone());
            links += usize::from(subnet.link.is_some());
        }
        if links > 0 {
            let text = "its pools are linked in their order: who is at a later one gets none of those before it";
            self.notes.add(json.line, path, text);
        }
    }

    /// Whether clients of every class may be there; what only some may have is kept inactive.
    fn is_open(&mut self, json: &Json, path: &str) -> bool {
        let mut open = true;
        for (name, value) in json.members() {
            let guards = match name.as_str() {
                "client-class" => value.text().is_some_and(|text| !text.is_empty()),
                "client-classes" => !value.list().is_empty(),
                _ => false,
            };
            if guards {
                open = false;
                self.notes.add(value.line, format!("{path} {name}"), "it is for some clients only: kept as (inactive)");
            }
        }
        open
    }

    /// Options and parameters of a place, with those around it.
    fn scope(&mut self, outer: &Scope, json: &Json, path: &str) -> Scope {
        let mut scope = outer.clone();
        for name in PARAMETERS {
            let Some(value) = json.member(name) else { continue };
            if matches!(name, "min-valid-lifetime" | "max-valid-lifetime") {
                let text = "here every client gets `valid-lifetime`, or less if it asks for less";
                self.notes.add(value.line, format!("{path} {name}"), text);
            }
            scope.parameters.insert(name, value.clone());
        }
        for option in json.member("option-data").map(Json::list).unwrap_or_default() {
            if let Some(option) = option::read(option, &self.definitions, path, self.notes) {
                scope.options.insert(option.code, option);
            }
        }
        scope
    }

    /// Tells of everything that is not `handled`.
    fn rest(&mut self, json: &Json, path: &str, handled: &[&str]) {
        const SILENT: [&str; 2] = ["comment", "option-data"];
        for (name, value) in json.members() {
            let name = name.as_str();
            if handled.contains(&name) || PARAMETERS.contains(&name) || SILENT.contains(&name) {
                continue;
            }
            let text = match name {
                "lease-database" => "not taken over; `bindery sessions import kea FILE` reads its leases".to_owned(),
                "hosts-database" | "hosts-databases" => "reservations in a database are left out".to_owned(),
                "client-classes" if path == "Dhcp4" => {
                    let names = value.list().iter().filter_map(|class| class.text_of("name"));
                    format!("classes are left out, with their options: {}", names.collect::<Vec<_>>().join(", "))
                }
                "hooks-libraries" => {
                    let names = value.list().iter().filter_map(|hook| hook.text_of("library"));
                    format!("left out: {}", names.collect::<Vec<_>>().join(", "))
                }
                _ => "left out".to_owned(),
            };
            self.notes.once(value.line, &format!("{path} {name}"), &text);
        }
    }

    /// The server: interfaces, and what it does with clients that it does not know.
    fn server(&mut self, dhcp4: &Json, root: &mut Built) {
        let authoritative = dhcp4.member("authoritative").filter(|value| value.boolean() == Some(true));
        let config = dhcp4.member("interfaces-config");
        let interfaces = config.and_then(|config| config.member("interfaces"));
        let mut names: Vec<(String, u32)> = Vec::new();
        for interface in interfaces.map(Json::list).unwrap_or_default() {
            let path = "Dhcp4 interfaces-config interfaces";
            let Some(text) = interface.text() else { continue };
            let (name, address) = text.split_once('/').map_or((text, None), |(name, address)| (name, Some(address)));
            if let Some(address) = address {
                let text = format!("{name}: not only at its address {address}, but at all of them");
                self.notes.add(interface.line, path, text);
            }
            match read(&Type::Interface, name) {
                Ok(_) if names.iter().any(|(known, _)| known == name) => {}
                Ok(_) => names.push((name.to_owned(), interface.line)),
                Err(why) => self.notes.add(interface.line, path, format!("`{name}` {why}: left out")),
            }
        }
        if let Some(config) = config {
            self.rest(config, "Dhcp4 interfaces-config", &["interfaces"]);
        }
        if names.is_empty() {
            let line = interfaces.or(config).map_or(dhcp4.line, |json| json.line);
            self.notes.add(
                line,
                "Dhcp4 interfaces-config",
                "there is no interface: nothing is served until a group has one",
            );
        }
        if names.is_empty() && authoritative.is_none() {
            return;
        }
        let line = config.map_or(dhcp4.line, |config| config.line);
        let server = root.block("system", line).block("services", line).block("dhcp-local-server", line);
        if let Some(value) = authoritative {
            let overrides = server.block("overrides", value.line);
            overrides.flag("nak-unknown-renew", value.line);
            overrides.flag("nak-unknown-rebind", value.line);
        }
        if !names.is_empty() {
            let group = server.named("group", &Value::Text(GROUP.to_owned()), line);
            for (name, line) in names {
                group.named("interface", &Value::Text(name), line);
            }
        }
    }
}
