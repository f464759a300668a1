//! Random configurations, one after the other: what is forecast of each session is what its next renewal gets.

use crate::{
    impact::{commit, forecast, values},
    lab::{Heard, LINK, Lab, SERVER, config, ip, link, mac},
};
use bindery_engine::{
    Input,
    command::{Cursor, Filter, Reply, Verb},
    config::{Attributes, Chains, Config, Group, Host, Interface, Lease, Overrides, PluginId, Pool, Range, Timer},
    impact::{Impact, Prospect},
    policy::{Hook, Policy, ShapeReply, Stage, Verdict},
};
use bindery_types::{GroupId, IfIndex, Ipv4Addr, Now, PoolId};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode, SubOption};
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::Arc};

const FAR: IfIndex = IfIndex(8);
const FAR_SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const RELAY: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
const CLIENTS: u8 = 10;

/// Writes its chain into each reply.
struct Mark;

impl Policy for Mark {
    fn shape_reply(&mut self, _: Now, chain: &[PluginId], reply: &mut ShapeReply<'_>) -> Hook {
        let numbers: Vec<u8> = chain.iter().map(|id| id.0 as u8).collect();
        reply.set_option(OptionCode(224), &numbers).unwrap();
        Hook::Done(Verdict::Continue)
    }
}

/// Choices, one byte each.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn below(&mut self, n: u8) -> u8 {
        self.0.next().copied().unwrap_or(0) % n
    }

    fn one_in(&mut self, n: u8) -> bool {
        self.below(n) == n - 1
    }
}

const CHOICES: usize = 64;

fn attributes(c: &mut Choices<'_>) -> Attributes {
    let base = config().pools.remove(0).attributes;
    let mut options = base.options.clone();
    if c.one_in(4) {
        options[1].1 = [192, 0, 2, 50 + c.below(2)].into();
    }
    Attributes {
        lease: [Lease::Secs(3_600), Lease::Secs(1_200), Lease::Secs(600), Lease::Infinite][usize::from(c.below(4))],
        t1: [Timer::Percent(50), Timer::Percent(40), Timer::Secs(600)][usize::from(c.below(3))],
        server_identifier: c.one_in(5).then_some(ip(9)),
        boot_file: c.one_in(5).then(|| Box::from(*b"boot")),
        options,
        ..base
    }
}

fn pool(c: &mut Choices<'_>, name: &str, network: [u8; 3]) -> Pool {
    let [x, y, z] = network;
    let at = |last| Ipv4Addr::new(x, y, z, last);
    let range = |low, high| Range { name: "r".into(), low: at(low), high: at(high) };
    let low = 5 + c.below(30);
    let mut ranges = vec![range(low, low + 30 + c.below(40))];
    if c.one_in(8) {
        ranges.clear();
    }
    let host = |c: &mut Choices<'_>| Host {
        name: "h".into(),
        hardware_address: Some(mac(1 + c.below(CLIENTS))),
        ip_address: at(3 + c.below(50)),
        ..Host::default()
    };
    let hosts = if c.one_in(3) { vec![host(c)] } else { Vec::new() };
    let excluded = match c.below(8) {
        6 => vec![range(low, low + c.below(5))],
        7 => vec![range(1, 254)],
        _ => Vec::new(),
    };
    let len = if c.one_in(6) { 25 } else { 24 };
    Pool {
        name: if c.one_in(6) { format!("{name}-renamed").into() } else { name.into() },
        network: format!("{}/{len}", at(0)).parse().unwrap(),
        ranges,
        hosts,
        excluded,
        hold_down: c.one_in(8),
        active_drain: c.one_in(8),
        attributes: attributes(c),
        ..config().pools.remove(0)
    }
}

fn build(choices: &[u8]) -> Config {
    let mut c = Choices(choices.iter());
    let c = &mut c;
    let chain = |c: &mut Choices<'_>| -> Chains {
        let mut chains = Chains::default();
        let ids: &[u16] = [&[][..], &[], &[], &[0], &[0, 1]][usize::from(c.below(5))];
        if !ids.is_empty() {
            chains.set(Stage::ShapeReply, ids.iter().map(|id| PluginId(*id)).collect());
        }
        chains
    };
    let mut names = vec!["a", "b"];
    if c.one_in(2) {
        names.reverse();
    }
    names.truncate(2 - usize::from(c.one_in(4)) - usize::from(c.one_in(8)));
    let base = config().groups.remove(0);
    let groups: Vec<Group> = names
        .into_iter()
        .map(|name| Group {
            name: name.into(),
            overrides: Overrides { nak_unknown_renew: c.one_in(4), no_arp: c.one_in(4), ..Overrides::default() },
            chains: chain(c),
            ..base.clone()
        })
        .collect();
    let mut interfaces = Vec::new();
    for pattern in ["eth1", "eth2", "eth*"] {
        let group = u16::from(c.below(3));
        let chains = chain(c);
        if usize::from(group) < groups.len() {
            interfaces.push(Interface {
                pattern: pattern.into(),
                group: GroupId(group),
                overrides: None,
                chains,
                ..Interface::default()
            });
        }
    }
    let mut pools = Vec::new();
    for (name, network) in [("near", [192, 0, 2]), ("next", [198, 51, 100]), ("far", [203, 0, 113])] {
        let pool = pool(c, name, network);
        if !c.one_in(5) {
            pools.push(pool);
        }
    }
    if c.one_in(3) && pools.len() > 1 {
        pools[0].link = Some(PoolId(1));
    }
    Config { groups, interfaces, pools, ..Config::default() }
}

/// Where a client is, and what it sends.
#[derive(Clone, Copy)]
struct Client(u8);

impl Client {
    fn link(self) -> (IfIndex, Ipv4Addr) {
        if self.0 <= 5 { (LINK, SERVER) } else { (FAR, FAR_SERVER) }
    }

    fn relayed(self) -> bool {
        self.0 >= 8
    }

    fn dressed(self, message: MessageBuilder) -> MessageBuilder {
        match self.0 {
            4 => message.parameter_request_list(&[OptionCode::ROUTER]),
            5 => message.lease_time(900),
            _ => message,
        }
    }

    /// Without an address: broadcast, or through its relay.
    fn asks(self, lab: &mut Lab, message: MessageBuilder) -> Option<Heard> {
        let (on, server) = self.link();
        let message = self.dressed(message);
        if !self.relayed() {
            return lab.packet_on(on, &message, Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
        }
        let selected = Ipv4Addr::new(198, 51, 100, 9).octets();
        let message = match self.0 {
            9 => message.giaddr(RELAY).relay_agent(&[(SubOption::LINK_SELECTION, &selected)]),
            _ => message.giaddr(RELAY),
        };
        lab.packet_on(on, &message, RELAY, server)
    }

    fn discovers(self, lab: &mut Lab) -> Option<Heard> {
        self.asks(lab, MessageBuilder::discover(mac(self.0)))
    }

    fn binds(self, lab: &mut Lab) -> Option<Ipv4Addr> {
        let offer = self.discovers(lab)?;
        let server = offer.option(OptionCode::SERVER_IDENTIFIER)?;
        let server: [u8; 4] = server.try_into().ok()?;
        let request = MessageBuilder::request_selecting(mac(self.0), offer.yiaddr(), server.into());
        Some(self.asks(lab, request)?.yiaddr())
    }

    fn renews(self, lab: &mut Lab, address: Ipv4Addr) -> Option<Heard> {
        let (on, server) = self.link();
        let renew = self.dressed(MessageBuilder::request_renewing(mac(self.0), address));
        lab.packet_on(on, &renew, address, server)
    }

    fn outcome(self, lab: &mut Lab, address: Ipv4Addr, before: &Heard) -> Impact {
        lab.heard.clear();
        let Some(answer) = self.renews(lab, address) else { return Impact::Dropped };
        lab.heard.clear();
        match answer.message() {
            MessageType::Ack if values(&answer) == values(before) => Impact::Kept,
            MessageType::Ack => Impact::Changed,
            _ => match self.discovers(lab) {
                Some(_) => Impact::Moved,
                None => Impact::Dropped,
            },
        }
    }
}

fn displaced(lab: &mut Lab) -> Vec<Ipv4Addr> {
    let verb = Verb::Bindings { filter: Filter::Displaced, cursor: Cursor::START };
    let Some(Reply::Bindings { rows, .. }) = lab.command(verb) else { panic!("no answer") };
    let mut found: Vec<Ipv4Addr> = rows.iter().map(|row| row.address).collect();
    found.sort_unstable();
    found
}

/// Binds all clients that can be under `old`, commits `new`, and holds what was forecast against what happens. Returns
/// what happened.
fn run(old: &Config, new: &Config) -> [u64; 4] {
    let mut lab = Lab::new(old.clone());
    lab.policy = Box::new(Mark);
    lab.input(Input::LinkSet(link(LINK, "eth1", &[(SERVER, 24), ([198, 51, 100, 1].into(), 24)])));
    lab.input(Input::LinkSet(link(FAR, "eth2", &[(FAR_SERVER, 24)])));
    let mut bound = BTreeMap::new();
    for client in (1..=CLIENTS).map(Client) {
        if let Some(address) = client.binds(&mut lab) {
            let before = client.renews(&mut lab, address).expect("a bound client renews");
            bound.insert(client.0, (address, before));
        }
    }
    lab.heard.clear();
    let (counts, views) = forecast(&mut lab, Prospect::new(Arc::new(new.clone())));
    assert_eq!(counts.kept + counts.changed + counts.moved + counts.dropped, bound.len() as u64);
    assert_eq!(counts.displaced, 0, "all have just renewed");
    commit(&mut lab, new);
    assert!(lab.heard.is_empty());
    let mut without_place: Vec<Ipv4Addr> =
        views.iter().filter(|view| view.impact >= Impact::Moved).map(|view| view.address).collect();
    without_place.sort_unstable();
    assert_eq!(displaced(&mut lab), without_place);
    let mut seen = [0; 4];
    for (number, (address, before)) in bound {
        let said = views.iter().find(|view| view.address == address);
        let forecast = said.map_or(Impact::Kept, |view| view.impact);
        let outcome = Client(number).outcome(&mut lab, address, &before);
        seen[outcome as usize] += 1;
        // Client 4 asks for few options, and may not see what is another.
        let unseen = number == 4 && (forecast, outcome) == (Impact::Changed, Impact::Kept);
        // The one address that is kept for it may be another's that keeps it.
        let reserved =
            new.pools.iter().flat_map(|pool| &pool.hosts).any(|host| host.hardware_address == Some(mac(number)));
        let taken = reserved && (forecast, outcome) == (Impact::Moved, Impact::Dropped);
        let why = said.map(|view| view.reason);
        assert!(forecast == outcome || unseen || taken, "client {number}: {outcome:?}, not {forecast:?}: {why:?}");
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_forecast_happens(
        old in prop::collection::vec(any::<u8>(), CHOICES),
        edits in prop::collection::vec((0..CHOICES, any::<u8>()), 0..6),
    ) {
        let mut new = old.clone();
        edits.into_iter().for_each(|(at, byte)| new[at] = byte);
        run(&build(&old), &build(&new));
    }

    #[test]
    fn what_is_forecast_of_quite_another_configuration_happens(
        old in prop::collection::vec(any::<u8>(), CHOICES),
        new in prop::collection::vec(any::<u8>(), CHOICES),
    ) {
        run(&build(&old), &build(&new));
    }
}

/// The random configurations bring about everything that there is.
#[test]
fn all_impacts_come_up() {
    let mut seen = [0; 4];
    for seed in 0..300u64 {
        let bytes = |seed: u64| -> Vec<u8> {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let step = |_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 24) as u8
            };
            (0..CHOICES).map(step).collect()
        };
        let (old, mut new) = (bytes(seed + 1), bytes(seed + 1));
        let other = bytes(seed + 1_000);
        (0..4).for_each(|n| new[usize::from(other[n]) % CHOICES] = other[n + 4]);
        for (sum, more) in seen.iter_mut().zip(run(&build(&old), &build(&new))) {
            *sum += more;
        }
    }
    assert!(seen.iter().all(|count| *count >= 20), "{seen:?}");
}
