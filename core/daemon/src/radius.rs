//! What the configuration says about RADIUS, in the words of the RADIUS crate, and the task that speaks it.

use crate::packet::{Inbox, Message};
use bindery_config::model::{
    self, AccessBinding, AccessProfile, AccountingStatistics, AuthenticationMethod, Model, RoutingInstance,
    UsernameInclude,
};
use bindery_radius::{
    config::{
        AccountingConfig, Config, ConfigError, Method, NasConfig, Options, ProfileConfig, ServerConfig, SessionConfig,
        Statistics,
    },
    packet::Secret,
    shell::{Event, Handle, Settings, SpawnError},
    username::{ClientId, Include, Option82},
};
use bindery_types::IpAddr;
use std::{
    collections::{BTreeSet, HashMap},
    io,
    net::UdpSocket,
    path::Path,
    sync::Arc,
    time::Duration,
};
use tokio::{runtime, sync::watch};

/// File of the accounting queue in the state directory.
const ACCOUNTING_FILE: &str = "accounting";

/// How long a configuration that the RADIUS task did not take waits until it is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Longest NAS-Identifier (RFC 2865 §5).
const NAME_MAX: usize = 253;

/// How subscribers are authenticated and accounted, by group. One configuration's; it never changes.
pub(crate) struct Aaa {
    /// What the RADIUS task is told.
    pub(crate) radius: Config,
    /// The forwarding plane counts: there is a driver.
    pub(crate) volume: bool,
    /// By routing instance and name.
    groups: HashMap<Box<str>, HashMap<Box<str>, GroupAccess>>,
}

/// A group with an `access-profile`. It has a password, so it has no `Debug`.
pub(crate) struct GroupAccess {
    /// The profile's name.
    pub(crate) profile: Arc<str>,
    /// Newcomers are asked about.
    pub(crate) asks_radius: bool,
    /// They are taken where RADIUS has no answer.
    pub(crate) takes_without_answer: bool,
    /// Records are made.
    pub(crate) accounts: bool,
    /// `authentication password`.
    pub(crate) password: Option<Box<[u8]>>,
    /// `authentication username-include`.
    pub(crate) include: Option<Include>,
    /// When records are made.
    pub(crate) records: AccountingConfig,
    /// `client-session-timeout`, seconds.
    pub(crate) session_secs: Option<u32>,
}

impl GroupAccess {
    /// Whether records tell packets and octets beside the time.
    pub(crate) fn counts(&self) -> bool {
        self.accounts && self.records.statistics == Statistics::VolumeTime
    }
}

/// An address of ours that requests cannot be sent from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RadiusError {
    /// The configuration crate lets nothing of this kind through.
    #[error("access: {0}")]
    Config(#[from] ConfigError),
    /// `source-address`.
    #[error("access radius-server source-address {address}: {source}: is it an address of this router?")]
    Source {
        /// The address.
        address: IpAddr,
        /// Why.
        source: io::Error,
    },
}

impl Aaa {
    /// What `model` says, of a router of this name.
    pub(crate) fn of(model: &Model, nas: NasConfig) -> Self {
        let radius = Config {
            servers: model.radius_servers.iter().map(server).collect(),
            profiles: model.access_profiles.iter().map(profile).collect(),
            // The daemon listens itself.
            clients: Vec::new(),
            listen: Vec::new(),
            nas,
            options: options(model),
        };
        let of_instance = |instance: &RoutingInstance| {
            let groups = instance.server.groups.iter().filter_map(|group| {
                let binding = model.access_binding(&instance.server, group)?;
                Some((group.name.value.as_str().into(), group_access(&binding)))
            });
            (instance.name().into(), groups.collect())
        };
        Self { radius, volume: model.driver.is_some(), groups: model.instances().map(of_instance).collect() }
    }

    /// The group of this name in a routing instance; `None` where it has no profile.
    pub(crate) fn group(&self, instance: &str, name: &str) -> Option<&GroupAccess> {
        self.groups.get(instance)?.get(name)
    }

    /// Whether some group accounts.
    pub(crate) fn accounts(&self) -> bool {
        self.groups.values().flat_map(HashMap::values).any(|group| group.accounts)
    }

    /// Whether packets and octets are to be counted and no driver does it.
    pub(crate) fn counts(&self) -> bool {
        !self.volume && self.groups.values().flat_map(HashMap::values).any(GroupAccess::counts)
    }

    /// Everything that could make the RADIUS task refuse it.
    ///
    /// # Errors
    /// It would.
    pub(crate) fn check(&self) -> Result<(), RadiusError> {
        self.radius.check()?;
        let sources: BTreeSet<IpAddr> = self.radius.servers.iter().filter_map(|server| server.source_address).collect();
        for address in sources {
            UdpSocket::bind((address, 0)).map_err(|source| RadiusError::Source { address, source })?;
        }
        Ok(())
    }
}

/// How this router names itself to RADIUS: by its host name.
pub(crate) fn nas() -> NasConfig {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    let name = if name.is_empty() || name.len() > NAME_MAX { "bindery" } else { name };
    NasConfig { identifier: name.into(), address: None }
}

fn server(server: &model::RadiusServer) -> ServerConfig {
    ServerConfig {
        port: server.port,
        accounting_port: server.accounting_port,
        timeout: server.timeout_secs,
        retry: server.retry,
        accounting_timeout: server.accounting_timeout_secs,
        accounting_retry: server.accounting_retry,
        max_outstanding: server.max_outstanding,
        source_address: server.source_address.as_ref().map(|address| address.value),
        no_message_authenticator: server.no_message_authenticator,
        dynamic_request_port: server.dynamic_request_port,
        ..ServerConfig::new(server.address.value, Secret::new(server.secret.as_bytes()))
    }
}

fn profile(profile: &AccessProfile) -> ProfileConfig {
    let method = |method: AuthenticationMethod| match method {
        AuthenticationMethod::Radius => Method::Radius,
        AuthenticationMethod::None => Method::None,
    };
    ProfileConfig {
        name: profile.name.value.as_str().into(),
        authentication_order: profile.authentication_order.iter().map(|spanned| method(spanned.value)).collect(),
        records: records(profile),
        session: SessionConfig {
            client_session_timeout: profile.client_session_timeout_minutes,
            client_idle_timeout: None,
        },
        authentication: profile.authentication_servers.iter().map(|server| server.value).collect(),
        accounting: profile.accounting_servers.iter().map(|server| server.value).collect(),
    }
}

fn records(profile: &AccessProfile) -> AccountingConfig {
    let accounting = &profile.accounting;
    AccountingConfig {
        update_interval: accounting.update_interval_minutes,
        statistics: match accounting.statistics {
            AccountingStatistics::Time => Statistics::Time,
            AccountingStatistics::VolumeTime => Statistics::VolumeTime,
        },
        immediate_update: accounting.immediate_update,
        coa_immediate_update: accounting.coa_immediate_update,
        address_change_immediate_update: accounting.address_change_immediate_update,
        stop_on_failure: accounting.stop_on_failure,
        stop_on_access_deny: accounting.stop_on_access_deny,
    }
}

fn options(model: &Model) -> Options {
    let options = &model.radius_options;
    Options {
        revert_interval: options.revert_interval_secs,
        timeout_grace: options.timeout_grace_secs,
        request_rate: options.request_rate,
        interim_rate: options.interim_rate,
        interim_update_tolerance: options.interim_update_tolerance_secs,
        ..Options::default()
    }
}

fn group_access(binding: &AccessBinding<'_>) -> GroupAccess {
    let profile = binding.profile;
    GroupAccess {
        profile: profile.name.value.as_str().into(),
        asks_radius: profile.asks_radius(),
        takes_without_answer: profile.takes_without_answer(),
        accounts: profile.accounts(),
        password: binding.password().map(|password| password.as_bytes().into()),
        include: binding.include().map(include),
        records: records(profile),
        session_secs: profile.client_session_timeout_minutes.map(|minutes| minutes.saturating_mul(60)),
    }
}

fn include(include: &UsernameInclude) -> Include {
    let text = |text: &Option<String>| text.as_deref().map(Box::from);
    Include {
        user_prefix: text(&include.user_prefix),
        mac_address: include.mac_address,
        logical_system_name: include.logical_system_name,
        routing_instance_name: include.routing_instance_name,
        option_60: include.option_60,
        option_82: include
            .option_82
            .map(|wanted| Option82 { circuit_id: wanted.circuit_id, remote_id: wanted.remote_id }),
        client_id: include
            .client_id
            .map(|wanted| ClientId { exclude_headers: wanted.exclude_headers, automatic: wanted.automatic }),
        interface_name: include.interface_name,
        interface_description: include.interface_description,
        circuit_type: include.circuit_type,
        vlan_tags: include.vlan_tags,
        domain_name: text(&include.domain_name),
        delimiter: include.delimiter,
    }
}

/// The RADIUS task, as commits see it.
pub(crate) struct Radius {
    handle: Handle,
    active: watch::Sender<Arc<Aaa>>,
}

impl Radius {
    /// Starts the task on `runtime`. Its answers come to `inbox`; one that finds it full is lost and counted.
    ///
    /// # Errors
    /// A socket or the accounting file cannot be opened.
    pub(crate) fn start(
        runtime: &runtime::Handle,
        aaa: Arc<Aaa>,
        state_dir: &Path,
        inbox: Inbox,
    ) -> Result<Self, SpawnError> {
        let settings = Settings { config: aaa.radius.clone(), accounting_file: Some(state_dir.join(ACCOUNTING_FILE)) };
        let handle = bindery_radius::shell::spawn(runtime, settings, move |event| told(event, &inbox))?;
        Ok(Self { handle, active: watch::Sender::new(aaa) })
    }

    /// Talks to the task.
    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// What is in effect, as it changes.
    pub(crate) fn active(&self) -> watch::Receiver<Arc<Aaa>> {
        self.active.subscribe()
    }

    /// Puts `aaa` into effect. It was checked; where the task cannot take it all the same, it goes on as before and is
    /// asked again until it can, or until there is another configuration.
    pub(crate) async fn apply(&self, aaa: Arc<Aaa>) {
        self.active.send_replace(Arc::clone(&aaa));
        let mut active = self.active.subscribe();
        if let Err(error) = self.handle.reconfigure(aaa.radius.clone()).await {
            tracing::error!("alarm: RADIUS goes on with the configuration of before: {error}; it is tried again");
            let handle = self.handle.clone();
            tokio::spawn(async move {
                while tokio::time::timeout(RETRY, active.changed()).await.is_err() {
                    match handle.reconfigure(aaa.radius.clone()).await {
                        Ok(()) => return tracing::info!("RADIUS has taken the active configuration"),
                        Err(error) => tracing::warn!("RADIUS still goes on with the configuration of before: {error}"),
                    }
                }
            });
        }
    }
}

/// What the RADIUS task tells; false where there is no room for it.
fn told(event: Event, inbox: &Inbox) -> bool {
    match event {
        Event::Access { tag, answer, server } => return inbox.try_send(Message::Access { tag, answer, server }),
        // The daemon listens itself.
        Event::Dynamic { .. } => return false,
        Event::AccountingFault(error) => {
            tracing::error!("alarm: the file of accounting records: {error}; records go on, but not through a restart");
        }
        Event::AccountingRestored => tracing::info!("the file of accounting records is written again"),
        Event::AccountingRecovered { records, torn, damaged } => {
            tracing::info!(records, torn, damaged, "accounting records of before wait for a server");
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
system { services { dhcp-local-server {
    access-profile isp
    authentication { password Open-Sesame; username-include { user-prefix u; mac-address; option-82 { circuit-id }; domain-name isp.net; delimiter "-" } }
    group home { interface eth0 }
    group free { interface eth1; access-profile free; authentication { username-include { option-60 } } }
} } }
access {
    radius-server "192.0.2.1" { secret s3cret; timeout 7; retry 2; source-address "127.0.0.1"; dynamic-request-port 3799 }
    radius-options { request-rate 1000 }
    profile isp {
        authentication-order radius none
        radius { authentication-server "192.0.2.1"; accounting-server "192.0.2.1" }
        accounting { update-interval 15; immediate-update; statistics volume-time }
        session-options { client-session-timeout 2 }
    }
    profile free { authentication-order none }
}
"#;

    fn aaa(text: &str) -> Aaa {
        let loaded = bindery_config::load("f.kdl", text).unwrap_or_else(|errors| panic!("{errors}"));
        Aaa::of(&loaded.model, NasConfig { identifier: "bng-1".into(), address: None })
    }

    #[test]
    fn the_configuration_is_said_in_radius_words() {
        let aaa = aaa(TEXT);
        assert!(aaa.check().is_ok() && aaa.accounts());
        let server = &aaa.radius.servers[0];
        assert_eq!((server.port, server.timeout, server.retry, server.max_outstanding), (1812, 7, 2, 1000));
        assert_eq!(server.secret, Secret::from("s3cret"));
        assert_eq!(aaa.radius.options.request_rate, 1000);
        assert_eq!(aaa.radius.profiles[0].accounting, [IpAddr::from([192, 0, 2, 1])]);

        let home = aaa.group("default", "home").unwrap();
        assert_eq!(
            (&*home.profile, home.asks_radius, home.takes_without_answer, home.accounts),
            ("isp", true, true, true)
        );
        assert_eq!(home.password.as_deref(), Some(&b"Open-Sesame"[..]));
        assert_eq!((home.records.update_interval, home.records.immediate_update), (Some(15), true));
        assert_eq!((home.records.statistics, home.session_secs), (Statistics::VolumeTime, Some(120)));
        assert!(home.counts() && aaa.counts(), "by nftables");
        let include = home.include.as_ref().unwrap();
        let wanted = Include {
            user_prefix: Some("u".into()),
            mac_address: true,
            option_82: Some(Option82 { circuit_id: true, remote_id: false }),
            domain_name: Some("isp.net".into()),
            delimiter: '-',
            ..Include::default()
        };
        assert_eq!(*include, wanted);

        let free = aaa.group("default", "free").unwrap();
        assert_eq!((free.asks_radius, free.takes_without_answer, free.accounts), (false, true, false));
        assert!(free.password.is_none() && free.include.as_ref().unwrap().option_60);
        assert!(aaa.group("default", "nobody").is_none());
        assert!(!self::aaa(&TEXT.replace("statistics volume-time", "statistics time")).counts(), "time only");
        let driven = format!("{TEXT}\nrouting-options {{ access-internal {{ driver {{ path \"plane.so\" }} }} }}\n");
        assert!(!self::aaa(&driven).counts(), "the driver counts");
    }

    #[test]
    fn a_source_address_that_is_not_ours_is_refused() {
        let refused = aaa(&TEXT.replace("127.0.0.1", "192.0.2.254")).check().unwrap_err().to_string();
        assert!(refused.contains("source-address 192.0.2.254"), "{refused}");
    }
}
