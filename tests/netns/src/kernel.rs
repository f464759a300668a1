//! What the kernel knows: routes, neighbours, addresses.

use crate::Namespace;
use anyhow::{Context, Result};
use serde_json::Value;
use std::net::Ipv4Addr;

/// The route protocol number of the daemon's routes unless a configuration says otherwise.
pub const PROTOCOL: &str = "201";

/// A route as `ip -j route` shows it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The destination: `10.0.0.5` for a host route, else with its length.
    pub destination: String,
    /// The outgoing interface.
    pub interface: String,
    /// The gateway, where there is one.
    pub via: Option<String>,
    /// The preferred source, where there is one.
    pub source: Option<String>,
    /// `link`, or `global` where the kernel prints none.
    pub scope: String,
    /// The protocol's name or number.
    pub protocol: String,
}

/// A neighbour as `ip -j neigh` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The protocol address.
    pub address: String,
    /// The interface.
    pub interface: String,
    /// The hardware address, in lower case.
    pub mac: String,
    /// `PERMANENT` and so on.
    pub state: String,
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).map(String::from)
}

impl Namespace {
    fn json(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let words: Vec<&str> = ["-4", "-j"].iter().chain(arguments).copied().collect();
        let output = self.ip(&words)?;
        if output.trim().is_empty() {
            return Ok(Vec::new());
        }
        serde_json::from_str(&output).with_context(|| format!("ip {words:?} printed {output}"))
    }

    /// The routes whose protocol is `protocol`, sorted.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn routes_of(&self, protocol: &str) -> Result<Vec<Route>> {
        let mut routes: Vec<Route> = self
            .json(&["route", "show", "table", "all", "proto", protocol])?
            .iter()
            .map(|value| Route {
                destination: text(value, "dst").unwrap_or_default(),
                interface: text(value, "dev").unwrap_or_default(),
                via: text(value, "gateway"),
                source: text(value, "prefsrc"),
                scope: text(value, "scope").unwrap_or_else(|| "global".into()),
                protocol: text(value, "protocol").unwrap_or_else(|| protocol.into()),
            })
            .collect();
        routes.sort();
        Ok(routes)
    }

    /// The daemon's routes.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn routes(&self) -> Result<Vec<Route>> {
        self.routes_of(PROTOCOL)
    }

    /// The daemon's route to one client, where there is one.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn route(&self, address: Ipv4Addr) -> Result<Option<Route>> {
        let wanted = address.to_string();
        Ok(self.routes()?.into_iter().find(|route| route.destination == wanted))
    }

    /// The neighbour entries of an interface.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn neighbours(&self, interface: &str) -> Result<Vec<Neighbour>> {
        let entries = self.json(&["neigh", "show", "dev", interface, "nud", "all"])?;
        Ok(entries
            .iter()
            .map(|value| Neighbour {
                address: text(value, "dst").unwrap_or_default(),
                interface: interface.to_string(),
                mac: text(value, "lladdr").unwrap_or_default(),
                state: value
                    .get("state")
                    .and_then(Value::as_array)
                    .and_then(|states| states.first())
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_string(),
            })
            .collect())
    }

    /// The IPv4 addresses of an interface, loopback and link-local ones left out.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn addresses(&self, interface: &str) -> Result<Vec<Ipv4Addr>> {
        let links = self.json(&["address", "show", "dev", interface])?;
        let infos = links.iter().filter_map(|link| link.get("addr_info").and_then(Value::as_array)).flatten();
        Ok(infos
            .filter_map(|info| text(info, "local")?.parse::<Ipv4Addr>().ok())
            .filter(|address| !address.is_loopback() && !address.is_link_local())
            .collect())
    }
}
