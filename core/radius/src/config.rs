//! What this crate is told: servers, profiles, clients that may disconnect, options. Defaults and ranges are those of
//! `access radius-server`, `access profile`, `access radius-disconnect` and `access radius-options`.

use crate::packet::Secret;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// `access radius-server ADDRESS`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerConfig {
    /// Address of the server: what profiles name it by.
    pub address: IpAddr,
    /// `port`: where Access-Requests go.
    pub port: u16,
    /// `accounting-port`: where Accounting-Requests go.
    pub accounting_port: u16,
    /// `secret`.
    pub secret: Secret,
    /// `timeout`, seconds, 1 to 1000: how long an answer is waited for before the request goes out again.
    pub timeout: u16,
    /// `retry`, 1 to 100: how often a request is sent to this server, the first time included.
    pub retry: u8,
    /// `accounting-timeout`, seconds, 0 to 1000; 0: as `timeout`.
    pub accounting_timeout: u16,
    /// `accounting-retry`, 0 to 100; 0: as `retry`.
    pub accounting_retry: u8,
    /// `max-outstanding-requests`, 0 to 2000: requests that may wait for an answer of this server at once, authentication
    /// and accounting counted apart. 0 takes the server out of use.
    pub max_outstanding: u16,
    /// `source-address`: where requests come from; the kernel's choice where none.
    pub source_address: Option<IpAddr>,
    /// `no-message-authenticator`: answers without one are taken too. Without this statement an answer to an
    /// Access-Request must carry one, since MD5 alone is no proof of who wrote it.
    pub no_message_authenticator: bool,
    /// `dynamic-request-port`: the server may send Disconnect- and CoA-Requests to this port of ours.
    pub dynamic_request_port: Option<u16>,
}

impl ServerConfig {
    /// A server with all defaults.
    pub fn new(address: IpAddr, secret: Secret) -> Self {
        Self {
            address,
            port: 1812,
            accounting_port: 1813,
            secret,
            timeout: 3,
            retry: 3,
            accounting_timeout: 0,
            accounting_retry: 0,
            max_outstanding: 1000,
            source_address: None,
            no_message_authenticator: false,
            dynamic_request_port: None,
        }
    }
}

/// How a subscriber is judged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Method {
    /// RADIUS.
    Radius,
    /// Everybody is taken.
    None,
    /// Local passwords.
    Password,
}

/// `accounting statistics`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Statistics {
    /// Time only: no counter is read.
    #[default]
    Time,
    /// Time, bytes and packets.
    VolumeTime,
}

/// `access profile ... accounting`: when records are made. Read by whoever makes them; this crate only checks ranges.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AccountingConfig {
    /// `update-interval`, minutes, 10 to 1440: how often an Interim-Update is made; none where absent. An
    /// Acct-Interim-Interval of the Access-Accept wins.
    pub update_interval: Option<u16>,
    /// `statistics`.
    pub statistics: Statistics,
    /// `immediate-update`: an Interim-Update follows the Start at once.
    pub immediate_update: bool,
    /// `coa-immediate-update`: a CoA-Request that was obeyed makes an Interim-Update.
    pub coa_immediate_update: bool,
    /// `address-change-immediate-update`: another address makes an Interim-Update.
    pub address_change_immediate_update: bool,
    /// `accounting-stop-on-failure`: a Stop also for a session that was accepted and then could not be served.
    pub stop_on_failure: bool,
    /// `accounting-stop-on-access-deny`: a Stop also for a subscriber that was rejected.
    pub stop_on_access_deny: bool,
}

/// `access profile ... session-options`. Read by whoever ends sessions; this crate only checks ranges.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SessionConfig {
    /// `client-session-timeout`, minutes, 1 to 527040, where the Access-Accept has no Session-Timeout.
    pub client_session_timeout: Option<u32>,
    /// `client-idle-timeout`, minutes, 10 to 1440, where the Access-Accept has no Idle-Timeout.
    pub client_idle_timeout: Option<u16>,
}

/// An `access profile`. Servers come in the order in which they are asked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProfileConfig {
    /// Name of the profile, 1 to 63 characters.
    pub name: Arc<str>,
    /// `authentication-order`: the methods in turn, as long as one has no answer. Empty: RADIUS.
    pub authentication_order: Vec<Method>,
    /// `accounting`, but for its servers.
    pub records: AccountingConfig,
    /// `session-options`.
    pub session: SessionConfig,
    /// `radius authentication-server`.
    pub authentication: Vec<IpAddr>,
    /// `radius accounting-server`.
    pub accounting: Vec<IpAddr>,
}

/// `access radius-disconnect ADDRESS`: who may send Disconnect- and CoA-Requests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DisconnectClient {
    /// Source address of its packets.
    pub address: IpAddr,
    /// `secret`.
    pub secret: Secret,
}

/// `access radius-options`, and the bounds of this crate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// `revert-interval`, seconds, 0 to 604800: how long a dead server is left alone. 0: no server is ever dead.
    pub revert_interval: u32,
    /// `timeout-grace`, seconds, 0 to 30: a server that let a request time out is dead when another one times out this
    /// much later, with no answer in between. 0: the first one is enough.
    pub timeout_grace: u8,
    /// `request-rate`, 100 to 4000: packets a second to all servers together.
    pub request_rate: u16,
    /// `interim-rate`, 50 to 4000: Interim-Updates a second among them.
    pub interim_rate: u16,
    /// `interim-update-tolerance`, seconds, 1 to 600: how far an Interim-Update may be moved from its time, so that they
    /// spread. Read by whoever makes them.
    pub interim_update_tolerance: u16,
    /// Requests that the client holds, waiting ones included. When full, new ones are refused.
    pub queue_limit: usize,
    /// Accounting records that wait on disk. When full, the oldest Interim-Update is dropped, else the oldest record.
    pub accounting_limit: usize,
    /// How old or new an Event-Timestamp of a dynamic request may be, seconds (RFC 5176 §6.3).
    pub event_window: u32,
    /// Dynamic requests without Event-Timestamp are dropped.
    pub require_event_timestamp: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            revert_interval: 60,
            timeout_grace: 10,
            request_rate: 500,
            interim_rate: 500,
            interim_update_tolerance: 60,
            queue_limit: 8192,
            accounting_limit: 65_536,
            event_window: 300,
            require_event_timestamp: false,
        }
    }
}

/// Port for dynamic requests (RFC 5176 §2.3).
pub const DYNAMIC_PORT: u16 = 3799;

/// How this router names itself: in requests, and in dynamic requests that name a NAS.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NasConfig {
    /// NAS-Identifier, 1 to 253 bytes; none where empty.
    pub identifier: Arc<str>,
    /// NAS-IP-Address.
    pub address: Option<Ipv4Addr>,
}

/// All of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Config {
    /// Servers.
    pub servers: Vec<ServerConfig>,
    /// Profiles.
    pub profiles: Vec<ProfileConfig>,
    /// Who may send dynamic requests, beside servers with `dynamic-request-port`.
    pub clients: Vec<DisconnectClient>,
    /// Where dynamic requests are listened for.
    pub listen: Vec<SocketAddr>,
    /// Name and address of this router.
    pub nas: NasConfig,
    /// Options.
    pub options: Options,
}

/// What is wrong with a configuration.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConfigError {
    /// A number is out of its range.
    #[error("{statement} {value} is not in {low}..{high}")]
    Range {
        /// Name of the statement.
        statement: &'static str,
        /// What it says.
        value: u64,
        /// Smallest allowed.
        low: u64,
        /// Largest allowed.
        high: u64,
    },
    /// Two servers, clients or profiles with one name.
    #[error("{0} is there twice")]
    Twice(String),
    /// A profile names a server that is not there.
    #[error("profile {profile} names server {server}, which is not configured")]
    NoServer {
        /// The profile.
        profile: Arc<str>,
        /// The server.
        server: IpAddr,
    },
    /// A secret is empty (RFC 2865 §3).
    #[error("the secret of {0} is empty")]
    EmptySecret(IpAddr),
    /// A source address is of another family than the server.
    #[error("the source-address of {0} is of another family")]
    Family(IpAddr),
    /// A port is 0, or authentication and accounting share one.
    #[error("a port of {0} is 0, or two are the same")]
    Port(IpAddr),
}

impl Config {
    /// Checks ranges, names and references.
    ///
    /// # Errors
    /// The first fault.
    pub fn check(&self) -> Result<(), ConfigError> {
        let mut seen = BTreeSet::new();
        for server in &self.servers {
            server.check()?;
            once(&mut seen, server.address)?;
        }
        let mut names = BTreeSet::new();
        for profile in &self.profiles {
            profile.check()?;
            once(&mut names, profile.name.clone())?;
            for address in profile.authentication.iter().chain(&profile.accounting) {
                if !seen.contains(address) {
                    return Err(ConfigError::NoServer { profile: profile.name.clone(), server: *address });
                }
            }
        }
        let mut clients = BTreeSet::new();
        for client in &self.clients {
            once(&mut clients, client.address)?;
            if client.secret.is_empty() {
                return Err(ConfigError::EmptySecret(client.address));
            }
        }
        range("nas-identifier", self.nas.identifier.len() as u64, 0, 253)?;
        self.options.check()
    }

    /// Everybody who may send dynamic requests: `radius-disconnect` entries, then servers with `dynamic-request-port`.
    /// The first entry of an address holds.
    pub fn dynamic_clients(&self) -> Vec<DisconnectClient> {
        let servers = self.servers.iter().filter(|server| server.dynamic_request_port.is_some());
        let servers = servers.map(|s| DisconnectClient { address: s.address, secret: s.secret.clone() });
        let mut clients: Vec<DisconnectClient> = Vec::new();
        for client in self.clients.iter().cloned().chain(servers) {
            if clients.iter().all(|other| other.address != client.address) {
                clients.push(client);
            }
        }
        clients
    }
}

impl ServerConfig {
    fn check(&self) -> Result<(), ConfigError> {
        range("timeout", self.timeout.into(), 1, 1000)?;
        range("retry", self.retry.into(), 1, 100)?;
        range("accounting-timeout", self.accounting_timeout.into(), 0, 1000)?;
        range("accounting-retry", self.accounting_retry.into(), 0, 100)?;
        range("max-outstanding-requests", self.max_outstanding.into(), 0, 2000)?;
        if self.secret.is_empty() {
            return Err(ConfigError::EmptySecret(self.address));
        }
        if self.source_address.is_some_and(|source| source.is_ipv4() != self.address.is_ipv4()) {
            return Err(ConfigError::Family(self.address));
        }
        let shared = self.port == self.accounting_port;
        if shared || self.port == 0 || self.accounting_port == 0 || self.dynamic_request_port == Some(0) {
            return Err(ConfigError::Port(self.address));
        }
        Ok(())
    }
}

impl ProfileConfig {
    fn check(&self) -> Result<(), ConfigError> {
        range("profile", self.name.len() as u64, 1, 63)?;
        range("update-interval", self.records.update_interval.unwrap_or(10).into(), 10, 1440)?;
        range("client-session-timeout", self.session.client_session_timeout.unwrap_or(1).into(), 1, 527_040)?;
        range("client-idle-timeout", self.session.client_idle_timeout.unwrap_or(10).into(), 10, 1440)
    }
}

impl Options {
    fn check(&self) -> Result<(), ConfigError> {
        range("revert-interval", self.revert_interval.into(), 0, 604_800)?;
        range("timeout-grace", self.timeout_grace.into(), 0, 30)?;
        range("request-rate", self.request_rate.into(), 100, 4000)?;
        range("interim-rate", self.interim_rate.into(), 50, 4000)?;
        range("interim-update-tolerance", self.interim_update_tolerance.into(), 1, 600)?;
        range("queue-limit", self.queue_limit as u64, 1, 1_000_000)?;
        range("accounting-limit", self.accounting_limit as u64, 1, 1_000_000)
    }
}

fn range(statement: &'static str, value: u64, low: u64, high: u64) -> Result<(), ConfigError> {
    if (low..=high).contains(&value) { Ok(()) } else { Err(ConfigError::Range { statement, value, low, high }) }
}

fn once<T: Ord + ToString>(seen: &mut BTreeSet<T>, key: T) -> Result<(), ConfigError> {
    let name = key.to_string();
    if seen.insert(key) { Ok(()) } else { Err(ConfigError::Twice(name)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Config {
        let address = IpAddr::from([192, 0, 2, 1]);
        let profile = ProfileConfig {
            name: "p".into(),
            authentication: vec![address],
            accounting: vec![address],
            ..ProfileConfig::default()
        };
        let servers = vec![ServerConfig::new(address, "s".into())];
        Config { servers, profiles: vec![profile], ..Config::default() }
    }

    #[test]
    fn each_fault_is_found() {
        assert_eq!(good().check(), Ok(()));
        type Fault = (&'static str, fn(&mut Config));
        let faults: [Fault; 15] = [
            ("timeout 0 is not in 1..1000", |c| c.servers[0].timeout = 0),
            ("retry 101 is not in 1..100", |c| c.servers[0].retry = 101),
            ("accounting-timeout 1001 is not in 0..1000", |c| c.servers[0].accounting_timeout = 1001),
            ("max-outstanding-requests 2001 is not in 0..2000", |c| c.servers[0].max_outstanding = 2001),
            ("the secret of 192.0.2.1 is empty", |c| c.servers[0].secret = "".into()),
            ("a port of 192.0.2.1 is 0, or two are the same", |c| c.servers[0].port = 0),
            ("the source-address of 192.0.2.1 is of another family", |c| {
                c.servers[0].source_address = Some(IpAddr::from([0; 16]));
            }),
            ("192.0.2.1 is there twice", |c| c.servers.push(c.servers[0].clone())),
            ("p is there twice", |c| c.profiles.push(c.profiles[0].clone())),
            ("profile p names server 192.0.2.1, which is not configured", |c| c.servers.clear()),
            ("update-interval 9 is not in 10..1440", |c| c.profiles[0].records.update_interval = Some(9)),
            ("client-session-timeout 0 is not in 1..527040", |c| {
                c.profiles[0].session.client_session_timeout = Some(0);
            }),
            ("client-idle-timeout 1441 is not in 10..1440", |c| c.profiles[0].session.client_idle_timeout = Some(1441)),
            ("request-rate 99 is not in 100..4000", |c| c.options.request_rate = 99),
            ("revert-interval 604801 is not in 0..604800", |c| c.options.revert_interval = 604_801),
        ];
        for (text, fault) in faults {
            let mut config = good();
            fault(&mut config);
            assert_eq!(config.check().map_err(|fault| fault.to_string()), Err(text.to_string()));
        }
    }

    #[test]
    fn servers_with_a_dynamic_port_are_clients_and_an_own_entry_wins() {
        let mut config = good();
        assert!(config.dynamic_clients().is_empty());
        config.servers[0].dynamic_request_port = Some(DYNAMIC_PORT);
        assert_eq!(config.dynamic_clients()[0].secret, "s".into());
        config.clients.push(DisconnectClient { address: config.servers[0].address, secret: "own".into() });
        let clients = config.dynamic_clients();
        assert_eq!((clients.len(), &clients[0].secret), (1, &"own".into()));
    }
}
