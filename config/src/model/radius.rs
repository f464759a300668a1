//! `access radius-server`, `access radius-options`, `access profile`, `access radius-disconnect`: defaults filled in.

use super::build::name;
use super::read::{At, Spanned};
use super::{Model, Secret};
use crate::tree::Span;
use crate::value::Typed;
use bindery_types::IpAddr;
use std::collections::BTreeSet;

/// `radius-server ADDRESS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RadiusServer {
    /// Address of the server: what profiles name it by.
    pub address: Spanned<IpAddr>,
    /// `secret`, 1 to 128 bytes.
    pub secret: Secret,
    /// `port`: where Access-Requests go.
    pub port: u16,
    /// `accounting-port`: where Accounting-Requests go.
    pub accounting_port: u16,
    /// `timeout`, seconds, 1 to 1000.
    pub timeout_secs: u16,
    /// `retry`, 1 to 100: how often a request is sent, the first time included.
    pub retry: u8,
    /// `accounting-timeout`, seconds, 0 to 1000; 0: as `timeout`.
    pub accounting_timeout_secs: u16,
    /// `accounting-retry`, 0 to 100; 0: as `retry`.
    pub accounting_retry: u8,
    /// `max-outstanding-requests`, 0 to 2000; 0 takes the server out of use.
    pub max_outstanding: u16,
    /// `source-address`, of the same family as the server; the kernel's choice where none.
    pub source_address: Option<Spanned<IpAddr>>,
    /// `no-message-authenticator`: answers without one are taken too.
    pub no_message_authenticator: bool,
    /// `dynamic-request-port`: the server may send Disconnect- and CoA-Requests to this port of ours.
    pub dynamic_request_port: Option<u16>,
}

/// `radius-options`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RadiusOptions {
    /// `revert-interval`, seconds, 0 to 604800; 0: no server is ever dead.
    pub revert_interval_secs: u32,
    /// `timeout-grace`, seconds, 0 to 30.
    pub timeout_grace_secs: u8,
    /// `request-rate`, packets a second, 100 to 4000.
    pub request_rate: u16,
    /// `interim-rate`, packets a second, 50 to 4000.
    pub interim_rate: u16,
    /// `interim-update-tolerance`, seconds, 1 to 600.
    pub interim_update_tolerance_secs: u16,
}

impl Default for RadiusOptions {
    fn default() -> Self {
        Self {
            revert_interval_secs: 60,
            timeout_grace_secs: 10,
            request_rate: 500,
            interim_rate: 500,
            interim_update_tolerance_secs: 60,
        }
    }
}

/// A method of `authentication-order`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthenticationMethod {
    /// RADIUS is asked.
    Radius,
    /// Everybody is taken.
    None,
}

/// `profile NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessProfile {
    /// Its name, 1 to 63 characters.
    pub name: Spanned<String>,
    /// `authentication-order`: the methods in turn, as long as one has no answer. Not empty, each once, `none` last.
    pub authentication_order: Vec<Spanned<AuthenticationMethod>>,
    /// `radius authentication-server`, in the order in which they are asked.
    pub authentication_servers: Vec<Spanned<IpAddr>>,
    /// `radius accounting-server`, in the order in which they are asked.
    pub accounting_servers: Vec<Spanned<IpAddr>>,
    /// `accounting`.
    pub accounting: Accounting,
    /// Place of `accounting`, where it is written.
    pub accounting_span: Option<Span>,
    /// `session-options client-session-timeout`, minutes, 1 to 527040, where the Access-Accept has no Session-Timeout.
    pub client_session_timeout_minutes: Option<u32>,
}

/// `accounting` of a profile: when records are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Accounting {
    /// `update-interval`, minutes, 10 to 1440: no Interim-Updates where absent.
    pub update_interval_minutes: Option<u16>,
    /// `statistics`.
    pub statistics: AccountingStatistics,
    /// `immediate-update`.
    pub immediate_update: bool,
    /// `coa-immediate-update`.
    pub coa_immediate_update: bool,
    /// `address-change-immediate-update`.
    pub address_change_immediate_update: bool,
    /// `accounting-stop-on-failure`.
    pub stop_on_failure: bool,
    /// `accounting-stop-on-access-deny`.
    pub stop_on_access_deny: bool,
}

/// `accounting statistics`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum AccountingStatistics {
    /// Time only.
    #[default]
    Time,
    /// Time, bytes and packets.
    VolumeTime,
}

/// `radius-disconnect ADDRESS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisconnectClient {
    /// Who it is.
    pub address: IpAddr,
    /// Place of the address.
    pub span: Span,
    /// The shared secret.
    pub secret: Secret,
}

impl AccessProfile {
    /// Whether a newcomer is held until RADIUS has answered.
    pub fn asks_radius(&self) -> bool {
        self.authentication_order.first().is_some_and(|method| method.value == AuthenticationMethod::Radius)
    }

    /// Whether everybody is taken where RADIUS has no answer: `none` stands behind `radius`.
    pub fn takes_without_answer(&self) -> bool {
        self.authentication_order.iter().any(|method| method.value == AuthenticationMethod::None)
    }

    /// Whether accounting records are made.
    pub fn accounts(&self) -> bool {
        !self.accounting_servers.is_empty()
    }
}

impl Model {
    /// Who may send Disconnect-Requests, and the port.
    pub fn radius_disconnect(&self) -> (&[DisconnectClient], u16) {
        const PORT: u16 = 3799;
        (&self.radius_disconnect, self.radius_disconnect_port.unwrap_or(PORT))
    }

    /// The UDP ports on which dynamic requests are taken, ascending: that of `radius-disconnect` clients, where there
    /// are any, and those of servers with `dynamic-request-port`.
    pub fn dynamic_request_ports(&self) -> Vec<u16> {
        let (clients, port) = self.radius_disconnect();
        let mut ports: BTreeSet<u16> =
            self.radius_servers.iter().filter_map(|server| server.dynamic_request_port).collect();
        ports.extend((!clients.is_empty()).then_some(port));
        ports.into_iter().collect()
    }

    /// The profile of this name.
    pub fn profile_named(&self, name: &str) -> Option<&AccessProfile> {
        self.access_profiles.iter().find(|profile| profile.name.value == name)
    }
}

/// The address that a statement was given.
pub(super) fn address_key(at: At<'_>) -> Option<Spanned<IpAddr>> {
    at.key()?.map(Typed::address)
}

pub(super) fn server(at: At<'_>) -> Option<RadiusServer> {
    let number = |name| at.leaf_or_default(name)?.integer::<u16>();
    let count = |name| at.leaf_or_default(name)?.integer::<u8>();
    let secs = |name| at.leaf_or_default(name)?.seconds().and_then(|secs| u16::try_from(secs).ok());
    Some(RadiusServer {
        address: address_key(at)?,
        secret: at.secret("secret")?,
        port: number("port")?,
        accounting_port: number("accounting-port")?,
        timeout_secs: secs("timeout")?,
        retry: count("retry")?,
        accounting_timeout_secs: secs("accounting-timeout")?,
        accounting_retry: count("accounting-retry")?,
        max_outstanding: number("max-outstanding-requests")?,
        source_address: at.leaf("source-address").and_then(|leaf| leaf.map(Typed::address)),
        no_message_authenticator: at.has("no-message-authenticator"),
        dynamic_request_port: at.leaf("dynamic-request-port").and_then(|leaf| leaf.value.integer()),
    })
}

pub(super) fn options(at: At<'_>) -> Option<RadiusOptions> {
    let number = |name| at.leaf_or_default(name)?.integer();
    let secs = |name| at.leaf_or_default(name)?.seconds();
    Some(RadiusOptions {
        revert_interval_secs: secs("revert-interval")?,
        timeout_grace_secs: u8::try_from(secs("timeout-grace")?).ok()?,
        request_rate: number("request-rate")?,
        interim_rate: number("interim-rate")?,
        interim_update_tolerance_secs: u16::try_from(secs("interim-update-tolerance")?).ok()?,
    })
}

pub(super) fn profile(at: At<'_>) -> Option<AccessProfile> {
    let servers = |list| -> Vec<Spanned<IpAddr>> {
        let values = at.child("radius").map(|at| at.list(list)).unwrap_or_default();
        values.into_iter().filter_map(|value| value.map(Typed::address)).collect()
    };
    let name = name(at)?;
    let mut order: Vec<_> =
        at.list("authentication-order").into_iter().filter_map(|method| method.map(authentication_method)).collect();
    if order.is_empty() {
        order.push(Spanned { value: AuthenticationMethod::Radius, span: name.span });
    }
    Some(AccessProfile {
        name,
        authentication_order: order,
        authentication_servers: servers("authentication-server"),
        accounting_servers: servers("accounting-server"),
        accounting: at.child("accounting").map(accounting).unwrap_or_default(),
        accounting_span: at.child("accounting").map(At::span),
        client_session_timeout_minutes: at
            .child("session-options")
            .and_then(|at| at.leaf("client-session-timeout"))
            .and_then(|leaf| leaf.value.integer()),
    })
}

fn authentication_method(word: Typed) -> Option<AuthenticationMethod> {
    match word.word()? {
        "radius" => Some(AuthenticationMethod::Radius),
        "none" => Some(AuthenticationMethod::None),
        _ => None,
    }
}

fn accounting(at: At<'_>) -> Accounting {
    let statistics = at.leaf_or_default("statistics").and_then(Typed::word);
    Accounting {
        update_interval_minutes: at.leaf("update-interval").and_then(|leaf| leaf.value.integer()),
        statistics: if statistics == Some("volume-time") {
            AccountingStatistics::VolumeTime
        } else {
            AccountingStatistics::Time
        },
        immediate_update: at.has("immediate-update"),
        coa_immediate_update: at.has("coa-immediate-update"),
        address_change_immediate_update: at.has("address-change-immediate-update"),
        stop_on_failure: at.has("accounting-stop-on-failure"),
        stop_on_access_deny: at.has("accounting-stop-on-access-deny"),
    }
}

pub(super) fn disconnect_client(at: At<'_>) -> Option<DisconnectClient> {
    let address = address_key(at)?;
    let secret = at.secret("secret")?;
    Some(DisconnectClient { address: address.value, span: address.span, secret })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;

    /// The model of what stands in `access`.
    fn access(text: &str) -> Model {
        load("f.kdl", &format!("access {{ {text} }}")).unwrap_or_else(|errors| panic!("{errors}")).model
    }

    #[test]
    fn options_that_are_not_written_are_those_of_the_table() {
        assert_eq!(access("").radius_options, access("radius-options").radius_options);
    }

    #[test]
    fn ports_of_clients_and_servers_are_taken_once() {
        let server = |port| format!("radius-server \"192.0.2.1\" {{ secret s; {port} }}");
        let client = "radius-disconnect \"192.0.2.2\" { secret t }";
        for (text, ports) in [
            (server(""), vec![]),
            (client.to_owned(), vec![3799]),
            (
                format!("{client}; radius-disconnect-port 1700; {}", server("dynamic-request-port 3799")),
                vec![1700, 3799],
            ),
            (format!("{client}; {}", server("dynamic-request-port 3799")), vec![3799]),
            ("radius-disconnect-port 1700".to_owned(), vec![]),
        ] {
            assert_eq!(access(&text).dynamic_request_ports(), ports, "{text}");
        }
    }

    #[test]
    fn a_server_that_is_a_client_too_has_the_same_secret() {
        let both = "radius-server \"192.0.2.1\" { secret s; dynamic-request-port 3799 }
                    radius-disconnect \"192.0.2.1\" { secret s }";
        assert_eq!(access(both).radius_disconnect().0.len(), 1);
    }
}
