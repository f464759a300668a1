//! What must hold between servers, profiles and those who name them.

use super::hint;
use crate::error::{Fault, Faults};
use crate::model::{
    AccessProfile, Authentication, AuthenticationMethod, Group, Model, RadiusServer, RoutingInstance, Spanned,
};
use crate::tree::Span;
use bindery_types::IpAddr;
use std::collections::{HashMap, HashSet};

/// Adds all faults of RADIUS.
pub(super) fn radius(model: &Model, faults: &mut Faults) {
    for server in &model.radius_servers {
        self::server(server, faults);
    }
    secrets(model, faults);
    let known: HashSet<IpAddr> = model.radius_server_addresses.iter().map(|address| address.value).collect();
    for profile in &model.access_profiles {
        order(profile, faults);
        servers(profile, &known, faults);
    }
    access_profiles(model, faults);
    model.instances().for_each(|instance| authentications(instance, faults));
}

fn server(server: &RadiusServer, faults: &mut Faults) {
    let address = &server.address;
    let path = format!("access radius-server {}", address.value);
    if server.port == server.accounting_port {
        let message = format!("`port` and `accounting-port` of the server are both {}", server.port);
        faults.push(Fault::new(message, address.span, &*path));
    }
    if let Some(source) = &server.source_address
        && source.value.is_ipv4() != address.value.is_ipv4()
    {
        let message = format!("{} and the server's {} are of two families", source.value, address.value);
        let fault = Fault::new(message, source.span, format!("{path} source-address"));
        faults.push(fault.other(address.span, "the server"));
    }
}

/// A sender of dynamic requests is known by its address alone, so it has one secret.
fn secrets(model: &Model, faults: &mut Faults) {
    let senders = model.radius_servers.iter().filter(|server| server.dynamic_request_port.is_some());
    let senders: HashMap<IpAddr, &RadiusServer> = senders.map(|server| (server.address.value, server)).collect();
    for client in &model.radius_disconnect {
        let Some(server) = senders.get(&client.address).filter(|server| server.secret != client.secret) else {
            continue;
        };
        let message = format!(
            "`radius-disconnect {}` has another secret than the server, which has `dynamic-request-port`",
            client.address
        );
        faults.push(
            Fault::new(message, client.span, format!("access radius-disconnect {}", client.address))
                .other(server.address.span, "the server")
                .help("who sends Disconnect-Requests is known by address: take one of them out, or make them the same"),
        );
    }
}

fn profile_path(profile: &AccessProfile) -> String {
    format!("access profile {}", profile.name.value)
}

/// Each method stands once; behind `none` nobody is asked; RADIUS has a server.
fn order(profile: &AccessProfile, faults: &mut Faults) {
    let path = format!("{} authentication-order", profile_path(profile));
    let mut before: Vec<&Spanned<AuthenticationMethod>> = Vec::new();
    for method in &profile.authentication_order {
        if let Some(first) = before.iter().find(|other| other.value == method.value) {
            let fault = Fault::new("a method stands twice in one order", method.span, &*path);
            faults.push(fault.label("again here").other(first.span, "first here"));
        } else if let Some(none) = before.iter().find(|other| other.value == AuthenticationMethod::None) {
            let fault = Fault::new("what stands behind `none` is never asked", method.span, &*path);
            faults.push(fault.other(none.span, "takes everybody").help("put `none` last"));
        }
        before.push(method);
    }
    let radius = profile.authentication_order.iter().find(|method| method.value == AuthenticationMethod::Radius);
    if let Some(radius) = radius.filter(|_| profile.authentication_servers.is_empty()) {
        let message = format!("profile `{}` asks RADIUS, but has no `authentication-server`", profile.name.value);
        faults.push(
            Fault::new(message, radius.span, profile_path(profile))
                .help("`radius { authentication-server ADDRESS }` names one; `authentication-order none` asks nobody"),
        );
    }
}

/// Each server that a profile names exists, and stands once in its list; who wants records names who gets them.
fn servers(profile: &AccessProfile, known: &HashSet<IpAddr>, faults: &mut Faults) {
    let path = profile_path(profile);
    let lists = [
        ("authentication-server", &profile.authentication_servers),
        ("accounting-server", &profile.accounting_servers),
    ];
    for (list, servers) in lists {
        let path = format!("{path} radius {list}");
        let mut first: HashMap<IpAddr, Span> = HashMap::new();
        for server in servers {
            if !known.contains(&server.value) {
                let message = format!("there is no radius-server {}", server.value);
                faults.push(Fault::new(message, server.span, &*path).help(format!(
                    "`access {{ radius-server \"{}\" {{ ... }} }}` defines it; an inactive one counts for nothing",
                    server.value
                )));
            }
            if let Some(span) = first.insert(server.value, server.span) {
                let message = format!("server {} stands twice in one list", server.value);
                faults.push(Fault::new(message, server.span, &*path).label("again here").other(span, "first here"));
            }
        }
    }
    if let Some(span) = profile.accounting_span.filter(|_| !profile.accounts()) {
        let message = format!("profile `{}` has no `accounting-server`", profile.name.value);
        faults.push(
            Fault::new(message, span, format!("{path} accounting"))
                .label("nobody to tell")
                .help("`radius { accounting-server ADDRESS }` names one"),
        );
    }
}

/// Every `access-profile` names a profile.
fn access_profiles(model: &Model, faults: &mut Faults) {
    let names: Vec<Spanned<String>> = model.access_profiles.iter().map(|profile| profile.name.clone()).collect();
    let known: HashSet<&str> = names.iter().map(|name| name.value.as_str()).collect();
    let named = model.instances().flat_map(|instance| {
        let server = instance.server.access_profile.iter().map(|name| (instance.server_path(), name));
        let groups = instance.server.groups.iter();
        server.chain(
            groups.filter_map(|group| Some((instance.group_path(&group.name.value), group.access_profile.as_ref()?))),
        )
    });
    for (path, name) in named.filter(|(_, name)| !known.contains(name.value.as_str())) {
        let help = match hint(&name.value, &names, faults) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`access { profile NAME { ... } }` defines it; an inactive one counts for nothing".to_owned(),
        };
        let message = format!("there is no access profile `{}`", name.value);
        faults.push(Fault::new(message, name.span, format!("{path} access-profile")).help(help));
    }
}

/// `authentication` is in effect somewhere, and a user name that is wanted can be made.
fn authentications(instance: &RoutingInstance, faults: &mut Faults) {
    let server = &instance.server;
    let has_profile = |group: &Group| group.access_profile.is_some() || server.access_profile.is_some();
    let inherits = |group: &Group| group.authentication.is_none() && has_profile(group);
    let used = server.access_profile.is_some() || server.groups.iter().any(inherits);
    let top = server.authentication.iter().map(|it| (instance.server_path(), it, used));
    let groups = server.groups.iter().filter_map(|group| {
        Some((instance.group_path(&group.name.value), group.authentication.as_ref()?, has_profile(group)))
    });
    for (path, authentication, used) in top.chain(groups) {
        let path = format!("{path} authentication");
        if !used {
            faults.push(
                Fault::new("`authentication` without `access-profile` asks nobody", authentication.span, &*path)
                    .help("`access-profile NAME` beside it says which profile asks whom"),
            );
        }
        domain_alone(authentication, &path, faults);
    }
}

fn domain_alone(authentication: &Authentication, path: &str, faults: &mut Faults) {
    let include = &authentication.include;
    if include.domain_name.is_some() && !include.has_parts() {
        faults.push(
            Fault::new("a `domain-name` alone makes no user name", include.span, format!("{path} username-include"))
                .help("include a part that tells clients apart, like `mac-address`"),
        );
    }
}
