//! `access address-assignment pool`.

use super::build::name;
use super::read::{At, Spanned};
use super::{Attributes, Host, OptionMatch, Pool, PoolTable, Range, options};
use crate::value::Typed;
use bindery_engine::config::{Lease, Timer};

pub(super) fn pool(at: At<'_>) -> Option<Pool> {
    let inet = at.select("family", "inet")?;
    Some(Pool {
        name: name(at)?,
        hold_down: at.has("hold-down"),
        active_drain: at.has("active-drain"),
        link: at.leaf("link").and_then(|link| link.map(Typed::text)),
        network: inet.leaf("network").and_then(|network| network.map(Typed::prefix4)),
        ranges: inet.all("range").filter_map(range).collect(),
        excluded_ranges: inet.all("excluded-range").filter_map(range).collect(),
        excluded_addresses: inet
            .list("excluded-address")
            .into_iter()
            .filter_map(|it| it.map(Typed::address4))
            .collect(),
        hosts: inet.all("host").filter_map(host).collect(),
        host_table: inet
            .leaf("host-table")
            .and_then(|path| Some(PoolTable { path: path.map(Typed::text)?, table: None })),
        attributes: inet.child("dhcp-attributes").map(attributes).unwrap_or_default(),
    })
}

fn range(at: At<'_>) -> Option<Range> {
    Some(Range {
        name: name(at)?,
        low: at.leaf("low")?.map(Typed::address4)?,
        high: at.leaf("high")?.map(Typed::address4)?,
    })
}

fn host(at: At<'_>) -> Option<Host> {
    Some(Host {
        name: name(at)?,
        hardware_address: at.leaf("hardware-address").and_then(|leaf| leaf.map(Typed::mac)),
        client_identifier: at.leaf("client-identifier").and_then(|leaf| leaf.map(Typed::text)),
        user_name: at.leaf("user-name").and_then(|leaf| leaf.map(Typed::text)),
        is_known: ["hardware-address", "client-identifier", "user-name"].iter().any(|key| at.written(key).is_some()),
        ip_address: at.leaf("ip-address")?.map(Typed::address4)?,
    })
}

pub(super) fn attributes(at: At<'_>) -> Attributes {
    let address = |name| at.leaf(name).and_then(|leaf| leaf.value.address4());
    let lease = |name| at.leaf(name).and_then(|leaf| leaf.map(lease_time));
    let text = |name| at.leaf(name).and_then(|leaf| leaf.value.text());
    Attributes {
        lease: lease("maximum-lease-time"),
        valid_lifetime: lease("valid-lifetime"),
        preferred_lifetime: lease("preferred-lifetime"),
        grace_secs: at.leaf("grace-period").and_then(|leaf| leaf.value.seconds()),
        option_match: option_match(at),
        t1: timers(at, "t1-percentage", "t1-renewal-time"),
        t2: timers(at, "t2-percentage", "t2-rebinding-time"),
        server_identifier: address("server-identifier"),
        next_server: address("next-server"),
        boot_file: text("boot-file"),
        boot_server: text("boot-server"),
        options: options::options(at),
    }
}

fn option_match(at: At<'_>) -> Vec<OptionMatch> {
    let Some(option_82) = at.child("option-match").and_then(|at| at.child("option-82")) else { return Vec::new() };
    let entries = [("circuit-id", true), ("remote-id", false)].into_iter().flat_map(|(name, is_circuit)| {
        let entry = move |at: At<'_>| {
            let range = at.leaf("range")?.map(Typed::text)?;
            Some(OptionMatch { is_circuit, value: self::name(at)?, range })
        };
        option_82.all(name).filter_map(entry)
    });
    entries.collect()
}

fn lease_time(value: Typed) -> Option<Lease> {
    match value {
        Typed::Seconds(seconds) => Some(Lease::Secs(seconds)),
        Typed::Infinite => Some(Lease::Infinite),
        _ => None,
    }
}

fn timers(at: At<'_>, percent: &'static str, seconds: &'static str) -> Vec<Spanned<Timer>> {
    let percent = at.leaf(percent).and_then(|leaf| leaf.map(|value| value.integer().map(Timer::Percent)));
    let seconds = at.leaf(seconds).and_then(|leaf| leaf.map(|value| value.seconds().map(Timer::Secs)));
    percent.into_iter().chain(seconds).collect()
}
