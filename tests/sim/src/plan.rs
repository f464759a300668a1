//! The site that is simulated: interfaces, relays, pools, and the configuration made of them.

use crate::{audit, random::Random, rules::Rules};
use bindery_engine::{
    config::{
        Attributes, Chains, Config, DelayOffer, DiscoverMatch, DuplicateClients, FailureAction, Group, Host, Instance,
        Interface, Lease, LeaseValidation, Overload, Overrides, PluginId, Pool, PoolMatch, Range, Reconfigure,
        RouteSuppression, Server, ShortCycle, Timer, Utilization, ViolationAction,
    },
    input::{Link, LinkAddress},
    policy::Stage,
    pool::{OptionMatch, RangeId},
};
use bindery_types::{GroupId, IfIndex, InstanceId, Ipv4Addr, MacAddr, PoolId, Prefix4};
use bindery_wire::v4::OptionCode;
use std::sync::Arc;

/// Option 54 where a pool sets it.
pub(crate) const SET_SERVER_ID: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// A relay agent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relay {
    pub(crate) giaddr: Ipv4Addr,
    /// The address of ours that it forwards to.
    pub(crate) server: Ipv4Addr,
    /// Link selection that it puts into option 82 (RFC 3527).
    pub(crate) selection: Option<Ipv4Addr>,
    /// Whether it inserts option 82.
    pub(crate) inserts: bool,
}

/// An interface of ours.
/// The VRF device of the second routing instance.
const VRF: &str = "vrf-other";

#[derive(Clone, Debug)]
pub(crate) struct Port {
    pub(crate) index: IfIndex,
    pub(crate) name: &'static str,
    pub(crate) instance: InstanceId,
    pub(crate) addresses: Vec<(Ipv4Addr, u8)>,
    pub(crate) up: bool,
    /// Not there at all.
    pub(crate) gone: bool,
}

impl Port {
    pub(crate) fn link(&self) -> Link {
        Link {
            index: self.index,
            name: self.name.into(),
            up: self.up,
            loopback: self.name == "lo",
            mac: Some(MacAddr([2, 0xfe, 0, 0, 0, self.index.0 as u8])),
            addresses: self.addresses.iter().map(|&(address, len)| LinkAddress { address, len }).collect(),
            vrf: (self.instance != InstanceId::default()).then(|| VRF.into()),
            table: None,
        }
    }
}

/// A pool: `low` and `high` are the last bytes of its only range.
#[derive(Clone, Debug)]
pub(crate) struct PlanPool {
    pub(crate) name: &'static str,
    pub(crate) instance: InstanceId,
    pub(crate) network: Prefix4,
    pub(crate) low: u8,
    pub(crate) high: u8,
    pub(crate) excluded: Option<u8>,
    pub(crate) host: Option<(MacAddr, u8)>,
    pub(crate) hold_down: bool,
    pub(crate) linked: bool,
    pub(crate) lease: u32,
    /// Not in the configuration now.
    pub(crate) absent: bool,
    pub(crate) server_id: Option<Ipv4Addr>,
}

/// Everything that an operator can set, and what the site is.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) ports: Vec<Port>,
    pub(crate) relays: Vec<Relay>,
    pub(crate) pools: Vec<PlanPool>,
    pub(crate) overrides: Overrides,
    pub(crate) plugins: bool,
    pub(crate) reconfigure: Option<Reconfigure>,
    /// Plugins are asked about RADIUS's wishes and about clients that answer no attempt.
    pub(crate) asks: bool,
    /// They choose routes, too.
    pub(crate) routes: bool,
    /// Newcomers wait for an authority.
    pub(crate) authenticate: bool,
    /// Accounting is told of sessions.
    pub(crate) account: bool,
    /// Relays insert remote-ids, and a session of another one ends.
    pub(crate) remote_ids: bool,
    pub(crate) rules: Rules,
}

/// The token that clients were configured with, where they use one.
pub(crate) const TOKEN: &[u8] = b"s3cret";

/// Lease lengths; `u32::MAX` is infinite.
pub(crate) const LEASES: [u32; 7] = [60, 90, 120, 300, 900, 3_600, u32::MAX];

fn ip(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

fn network(b: u8, c: u8) -> Prefix4 {
    // A length of 24 is no more than 32.
    Prefix4::containing(ip(10, b, c, 0), 24).unwrap_or_else(|| unreachable!())
}

impl Plan {
    pub(crate) fn new(random: &mut Random, clients: u64) -> Self {
        let port = |index: u32, name: &'static str, instance: u16, addresses: &[(Ipv4Addr, u8)]| Port {
            index: IfIndex(index),
            name,
            instance: InstanceId(instance),
            addresses: addresses.to_vec(),
            up: true,
            gone: false,
        };
        let ports = vec![
            port(1, "lo", 0, &[(ip(127, 0, 0, 1), 8), (ip(10, 3, 0, 1), 32)]),
            port(2, "eth0", 0, &[(ip(10, 0, 0, 1), 24)]),
            port(3, "eth1", 0, &[(ip(10, 0, 1, 1), 24)]),
            port(4, "eth2.10", 0, &[]),
            port(5, "eth2.11", 0, &[]),
            port(6, "vrf0", 1, &[(ip(10, 0, 0, 254), 24)]),
        ];
        let relay = |giaddr, selection, inserts| Relay { giaddr, server: ip(10, 0, 1, 1), selection, inserts };
        let relays = vec![
            relay(ip(10, 0, 1, 2), None, true),
            relay(ip(10, 2, 0, 1), None, random.chance(800)),
            relay(ip(10, 0, 1, 3), Some(ip(10, 2, 0, 0)), true),
        ];
        let pool = |random: &mut Random, name, instance, network: Prefix4| {
            let low = random.range(8, 12) as u8;
            let size = if random.chance(400) { random.range(1, 4) } else { random.range(4, clients + 8) };
            PlanPool {
                name,
                instance: InstanceId(instance),
                network,
                low,
                high: (u64::from(low) + size).min(250) as u8,
                excluded: random.chance(200).then_some(low + 1),
                host: random.chance(200).then(|| (client_mac(random.below(clients)), low)),
                hold_down: false,
                linked: false,
                lease: random.pick(&LEASES),
                absent: false,
                server_id: None,
            }
        };
        let mut pools = vec![
            pool(random, "direct", 0, network(0, 0)),
            pool(random, "relayed", 0, network(0, 1)),
            pool(random, "far", 0, network(2, 0)),
            pool(random, "unnumbered", 0, network(3, 0)),
            pool(random, "overflow", 0, network(5, 0)),
            pool(random, "vrf", 1, network(0, 0)),
        ];
        let authenticate = random.chance(450);
        pools[0].linked = random.chance(300);
        pools[0].server_id = random.chance(200).then_some(SET_SERVER_ID);
        Self {
            ports,
            relays,
            pools,
            overrides: random_overrides(random),
            plugins: random.chance(500),
            reconfigure: random_reconfigure(random),
            asks: random.chance(700),
            routes: false,
            remote_ids: false,
            rules: Rules::default(),
            authenticate,
            account: random.chance(if authenticate { 800 } else { 200 }),
        }
    }

    /// The engine's configuration.
    pub(crate) fn config(&self) -> Config {
        let mut chains = Chains::default();
        if self.plugins {
            chains.set(Stage::ShapeReply, vec![PluginId(0)]);
        }
        if self.asks {
            chains.set(Stage::ReconfigureExhausted, vec![PluginId(1)]);
            chains.set(Stage::Disconnect, vec![PluginId(1)]);
            if self.routes {
                chains.set(Stage::Route, vec![PluginId(1)]);
            }
        }
        let group = |name: &str, instance| Group {
            name: name.into(),
            instance: InstanceId(instance),
            overrides: self.answering(),
            chains: chains.clone(),
            reconfigure: self.reconfigure.clone(),
            allow_leasequery: false,
            authenticate: self.authenticate,
            account: self.account,
            short_cycle: self.short_cycle(),
            lease_validation: self.lease_validation(),
            remote_id_mismatch: self.remote_ids,
            liveness: self.rules.liveness,
            route_suppression: self.rules.suppression,
        };
        let interface = |pattern: &str, group| Interface {
            pattern: pattern.into(),
            group: GroupId(group),
            overrides: None,
            chains: Chains::default(),
            ..Interface::default()
        };
        let present: Vec<&PlanPool> = self.pools.iter().filter(|p| !p.absent).collect();
        let overflow = present.iter().position(|p| p.name == "overflow").map(|at| PoolId(at as u16));
        Config {
            groups: vec![group("access", 0), group("vrf", 1)],
            interfaces: vec![interface("eth*", 0), interface("vrf0", 1)],
            pools: present.iter().map(|p| p.pool(overflow, &self.rules)).collect(),
            reconfigure: self.reconfigure.clone(),
            instances: vec![
                Instance {
                    name: "default".into(),
                    server: self.server(),
                    linked_pool_aggregation: self.mark().is_multiple_of(2),
                    utilization: Some(Utilization { high: 80, abated: 60 }),
                    ..Instance::default()
                },
                Instance { name: "other".into(), vrf: Some(VRF.into()), ..Instance::default() },
            ],
            ..Config::default()
        }
    }

    /// A number that follows from the plan, for what needs no chance of its own.
    fn mark(&self) -> u8 {
        self.pools.iter().fold(0, |mark, pool| mark ^ pool.high)
    }

    /// The overrides, with offers that are held back and leases that are told shorter than they are.
    fn answering(&self) -> Overrides {
        let secs = self.mark() % 3 + 1;
        let delay = || Arc::new(DelayOffer { secs, based_on: Vec::new() });
        Overrides {
            delay_offer: self.mark().is_multiple_of(5).then(delay),
            asymmetric_lease_secs: self.mark().is_multiple_of(4).then_some(90).filter(|_| !self.rules.strict),
            address_probe: self.rules.probe,
            rapid_commit: self.rules.rapid,
            bootp_support: self.rules.bootp,
            client_discover_match: self.rules.discover_match,
            ..self.overrides.clone()
        }
    }

    /// Lockouts that nobody waits for in vain.
    fn short_cycle(&self) -> Option<ShortCycle> {
        let own = self.rules.lockout;
        own.or_else(|| {
            self.mark().is_multiple_of(3).then(|| ShortCycle { min_secs: 1, max_secs: u32::from(self.mark() % 10) + 1 })
        })
    }

    /// Leases that are too short are made longer; not where they are told shorter than they are.
    fn lease_validation(&self) -> Option<LeaseValidation> {
        let action = if self.rules.strict { ViolationAction::Strict } else { ViolationAction::OverrideLease };
        (self.rules.strict || self.mark() % 4 == 1).then_some(LeaseValidation { threshold_secs: 100, action })
    }

    /// What tells clients of one subnet apart; an edit of a pool may change it.
    pub(crate) fn duplicate_clients(&self) -> DuplicateClients {
        match self.mark() % 7 {
            0 | 1 => DuplicateClients::IncomingInterface,
            2 => DuplicateClients::Option82,
            _ => DuplicateClients::One,
        }
    }

    /// What follows from the mark, for the trace.
    pub(crate) fn rules(&self) -> String {
        let (server, overrides) = (self.server(), self.answering());
        format!(
            "clients {:?}, half-open {}, delay-offer {}, asymmetric {:?}, short-cycle {}",
            server.duplicate_clients,
            server.overload.half_open_limit,
            overrides.delay_offer.is_some(),
            overrides.asymmetric_lease_secs,
            self.short_cycle().is_some(),
        )
    }

    /// Few open offers, or the usual number.
    fn server(&self) -> Server {
        let half_open_limit = if self.mark().is_multiple_of(2) { 3 } else { Overload::DEFAULT.half_open_limit };
        Server {
            overload: Overload { half_open_limit, per_client: self.rules.per_client, ..Overload::DEFAULT },
            pool_match_order: self.rules.order.clone(),
            duplicate_clients: self.duplicate_clients(),
            ..Server::default()
        }
    }

    /// What the auditor may know: the operator's actions and the site.
    pub(crate) fn site(&self) -> audit::Site {
        let present: Vec<&PlanPool> = self.pools.iter().filter(|p| !p.absent).collect();
        let overflow = present.iter().position(|p| p.name == "overflow");
        audit::Site {
            links: self
                .ports
                .iter()
                .filter(|p| !p.gone)
                .map(|p| {
                    let (name, instance) = (p.name.to_owned(), p.instance);
                    (p.index, audit::SiteLink { name, instance, addresses: p.addresses.clone() })
                })
                .collect(),
            pools: present
                .iter()
                .map(|p| audit::SitePool {
                    name: p.name.to_owned(),
                    instance: p.instance,
                    network: p.network,
                    range: (p.address(p.low), p.address(p.high)),
                    excluded: p.excluded.map(|last| p.address(last)),
                    host: p.host.map(|(mac, last)| (mac, p.address(last))),
                    host_by_id: p.is_host_by_id(),
                    host_user: p.host_user(&self.rules),
                    circuits: p.circuits(&self.rules),
                    lease_secs: p.lease,
                    hold_down: p.hold_down,
                    drained: p.is_drained(),
                    grace_secs: p.grace_secs(),
                    overflow: if p.linked { overflow } else { None },
                })
                .collect(),
            set_server_id: Some(SET_SERVER_ID),
            renegotiates: self.overrides.delete_binding_on_renegotiation,
            client_limit: self.overrides.interface_client_limit,
            no_arp: self.overrides.no_arp,
            offers_lapse: self.server().overload.half_open_limit < Overload::DEFAULT.half_open_limit,
            remote_id_mismatch: self.remote_ids,
            lease_floor: self.lease_validation().map(|rule| rule.threshold_secs),
            delay_secs: self.answering().delay_offer.map_or(0, |delay| delay.secs),
            reconfigure: self.reconfigure.as_ref().map(|r| audit::SiteReconfigure {
                attempts: r.attempts,
                timeout_secs: r.timeout_secs,
                token: r.token.as_deref().map(<[u8]>::to_vec),
            }),
            asks_when_exhausted: self.asks,
            authenticates: self.authenticate,
            accounts: self.account,
            tells_apart: self.duplicate_clients() != DuplicateClients::One,
            probe: self.rules.probe.map(|probe| audit::SiteProbe { millis: u64::from(probe.timeout_millis) }),
            liveness: self.rules.liveness.map(|liveness| audit::SiteLiveness {
                retries: usize::from(liveness.retries),
                clears: liveness.action != FailureAction::LogOnly,
            }),
            no_routes: self.rules.suppression == Some(RouteSuppression::AccessInternal),
            no_neighbours: self.rules.suppression == Some(RouteSuppression::Destination),
            bootp: self.rules.bootp,
            asymmetric: self.answering().asymmetric_lease_secs.is_some(),
            rapid: self.rules.rapid,
            strict: self.rules.strict,
            strict_circuits: self.rules.order.contains(&PoolMatch::Option82Strict),
            discover_match: self.rules.discover_match.map(|rule| match rule {
                DiscoverMatch::Option60And82 => audit::SiteLine::Circuit,
                DiscoverMatch::IncomingInterface => audit::SiteLine::Interface,
            }),
            per_client: self.rules.per_client.map(|rate| (u64::from(rate.per_sec), u64::from(rate.burst))),
            lockout_secs: self.short_cycle().map(|rule| rule.min_secs),
        }
    }

    /// An operator edits something.
    pub(crate) fn edit(&mut self, random: &mut Random) -> String {
        let at = random.below(self.pools.len() as u64) as usize;
        let pool = &mut self.pools[at];
        match random.below(13) {
            0 => pool.high = pool.high.saturating_sub(random.range(1, 4) as u8).max(pool.low),
            1 => pool.high = pool.high.saturating_add(random.range(1, 6) as u8).min(250),
            2 => {
                let (low, size) = (random.range(8, 40) as u8, pool.high - pool.low);
                (pool.low, pool.high) = (low, low.saturating_add(size).min(250));
            }
            3 => pool.lease = random.pick(&LEASES),
            4 => pool.absent = !pool.absent,
            5 => pool.hold_down = !pool.hold_down,
            6 => pool.excluded = if pool.excluded.is_some() { None } else { Some(pool.low) },
            7 => self.overrides = random_overrides(random),
            8 => self.reconfigure = random_reconfigure(random),
            9 => self.asks = !self.asks,
            10 => self.authenticate = !self.authenticate,
            11 => self.account = !self.account,
            _ => self.plugins = !self.plugins,
        }
        let (pool, overrides) = (&self.pools[at], &self.overrides);
        let (plugins, access) = ((self.plugins, self.asks), (self.authenticate, self.account));
        format!("{pool:?}, {overrides:?}, {:?}, plugins: {plugins:?}, access: {access:?}", self.reconfigure)
    }
}

impl PlanPool {
    pub(crate) fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.network.address().to_bits() | u32::from(last))
    }

    /// Half of the pools that take nobody new send away who is there. It follows from the range, as the grace does.
    fn is_drained(&self) -> bool {
        self.hold_down && self.high % 2 == 1
    }

    /// Some clients are known by option 61.
    fn is_host_by_id(&self) -> bool {
        self.host.is_some_and(|(mac, _)| mac.0[5] % 3 == 0)
    }

    /// `grace-period`.
    fn grace_secs(&self) -> u32 {
        [0, 30, 200][usize::from(self.high % 3)]
    }

    /// The name of the user whom the host is for, where it is known by that.
    fn host_user(&self, rules: &Rules) -> Option<String> {
        self.host.filter(|_| rules.users).map(|(mac, _)| format!("user{}", mac.0[5] % 8))
    }

    /// Which halves of the range are for the clients behind which circuits: those of an odd number, of a number that is
    /// divisible by four, and nobody else.
    fn circuits(&self, rules: &Rules) -> Vec<(Vec<u8>, (Ipv4Addr, Ipv4Addr))> {
        let Some(middle) = self.middle(rules) else { return Vec::new() };
        let halves =
            [(self.address(self.low), self.address(middle)), (self.address(middle + 1), self.address(self.high))];
        let half = |n: u8| match n % 4 {
            1 | 3 => Some((vec![b'c', n], halves[0])),
            0 => Some((vec![b'c', n], halves[1])),
            _ => None,
        };
        (0..=u8::MAX).filter_map(half).collect()
    }

    /// Where the range is cut into two, where option 82 chooses one.
    fn middle(&self, rules: &Rules) -> Option<u8> {
        let narrows = rules.order.iter().any(|way| matches!(way, PoolMatch::Option82 | PoolMatch::Option82Strict));
        (narrows && self.high > self.low).then(|| self.low + (self.high - self.low) / 2)
    }

    fn pool(&self, overflow: Option<PoolId>, rules: &Rules) -> Pool {
        let range = |name: &str, low, high| Range { name: name.into(), low, high };
        let excluded = self.excluded.map(|last| self.address(last));
        let last = self.middle(rules).unwrap_or(self.high);
        let mut ranges = vec![range("r", self.address(self.low), self.address(last))];
        if last < self.high {
            ranges.push(range("s", self.address(last + 1), self.address(self.high)));
        }
        let mut option_match = OptionMatch::default();
        for (circuit, (low, _)) in self.circuits(rules) {
            option_match.circuit(&circuit, RangeId(u16::from(low != self.address(self.low))));
        }
        Pool {
            name: self.name.into(),
            instance: self.instance,
            network: self.network,
            ranges,
            option_match: Arc::new(option_match),
            hosts: self
                .host
                .map(|(mac, last)| {
                    let host = Host { name: "h".into(), ip_address: self.address(last), ..Host::default() };
                    match self.host_user(rules) {
                        Some(name) => Host { user_name: name.into(), ..host },
                        None if self.is_host_by_id() => {
                            Host { client_identifier: std::iter::once(1).chain(mac.0).collect(), ..host }
                        }
                        None => Host { hardware_address: Some(mac), ..host },
                    }
                })
                .into_iter()
                .collect(),
            host_table: None,
            excluded: excluded.map(|address| range("x", address, address)).into_iter().collect(),
            link: if self.linked { overflow } else { None },
            hold_down: self.hold_down,
            active_drain: self.is_drained(),
            attributes: Attributes {
                lease: if self.lease == u32::MAX { Lease::Infinite } else { Lease::Secs(self.lease) },
                grace_secs: self.grace_secs(),
                t1: Timer::Percent(50),
                t2: Timer::Percent(87),
                server_identifier: self.server_id,
                options: vec![(OptionCode::ROUTER, self.address(1).octets().into())],
                ..Attributes::default()
            },
        }
    }
}

fn random_overrides(random: &mut Random) -> Overrides {
    Overrides {
        interface_client_limit: random.chance(50).then(|| random.range(2, 12) as u32),
        no_arp: random.chance(300),
        process_inform: None,
        allow_no_end_option: random.chance(200),
        delete_binding_on_renegotiation: random.chance(150),
        nak_unknown_renew: random.chance(300),
        nak_unknown_rebind: random.chance(300),
        option_82_in_nak: random.chance(500),
        ..Overrides::default()
    }
}

fn random_reconfigure(random: &mut Random) -> Option<Reconfigure> {
    let token: Option<&[u8]> = random.pick(&[None, None, Some(TOKEN), Some(b"another")]);
    random.chance(850).then(|| Reconfigure {
        attempts: random.pick(&[1, 2, 3, 5, 8, 10]),
        timeout_secs: random.pick(&[1, 1, 2, 2, 5, 10]),
        token: token.map(Into::into),
        on_radius_disconnect: false,
    })
}

/// The MAC address of the `n`th client.
pub(crate) fn client_mac(n: u64) -> MacAddr {
    MacAddr([2, 0, 0, 0, (n >> 8) as u8, n as u8])
}
