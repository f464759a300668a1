//! What a commit does to live sessions, what is forecast of it, and the sessions that it left without a place. Each
//! scenario makes the forecast, the commit and the renewal, and holds the one against the other.

use crate::{
    lab::{Heard, LEASE_SECS, LINK, Lab, SERVER, config, ip, link, mac},
    sim_found::Slow,
};
use bindery_engine::{
    Input,
    command::{Cursor, Filter, Reconfigured, Reply, Verb},
    config::{Config, Group, Host, Lease, Overrides, PluginId, Pool, Range, Reconfigure, Timer},
    event::DropReason,
    impact::{Impact, ImpactCounts, ImpactView, Prospect, Reason},
    policy::{PolicyAnswer, Stage, Verdict},
    reconfigure::Purpose,
    record::DurableState,
};
use bindery_types::{GroupId, IfIndex, Ipv4Addr};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode, authentication::token_head};
use std::{cell::RefCell, rc::Rc, sync::Arc};

/// All pages of a forecast, with the rows of all that are not kept.
pub(crate) fn forecast(lab: &mut Lab, prospect: Prospect) -> (ImpactCounts, Vec<ImpactView>) {
    let prospect = Arc::new(prospect);
    let (mut counts, mut views, mut at) = (ImpactCounts::default(), Vec::new(), Some(Cursor::START));
    while let Some(cursor) = at {
        let verb = Verb::Impact { prospect: Arc::clone(&prospect), cursor, rows: Some(Impact::Changed) };
        let Some(Reply::Impact { counts: page, rows, next }) = lab.command(verb) else { panic!("no answer") };
        counts.add(&page);
        views.extend(rows);
        at = next;
    }
    let [changed, moved, dropped] = [Impact::Changed, Impact::Moved, Impact::Dropped]
        .map(|impact| views.iter().filter(|view| view.impact == impact).count() as u64);
    assert_eq!((counts.changed, counts.moved, counts.dropped), (changed, moved, dropped));
    assert_eq!(counts.displaced, views.iter().filter(|view| view.displaced).count() as u64);
    (counts, views)
}

/// The only session's.
fn verdict(lab: &mut Lab, config: &Config) -> (Impact, Option<Reason>) {
    let (counts, views) = forecast(lab, Prospect::new(Arc::new(config.clone())));
    assert_eq!(counts.kept + counts.changed + counts.moved + counts.dropped, 1, "{counts:?}");
    views.first().map_or((Impact::Kept, None), |view| (view.impact, Some(view.reason)))
}

pub(crate) fn commit(lab: &mut Lab, config: &Config) {
    lab.input(Input::Configure(Arc::new(config.clone())));
}

/// An ACK without what differs between two equal ones.
pub(crate) fn values(ack: &Heard) -> Vec<u8> {
    let mut bytes = ack.bytes.clone();
    bytes[4..8].fill(0);
    bytes
}

/// What becomes of client 1 after a commit: it renews by what it had, and begins anew when it is refused.
fn outcome(lab: &mut Lab, address: Ipv4Addr, before: &Heard) -> Impact {
    lab.heard.clear();
    let Some(answer) = lab.renew(1, address) else { return Impact::Dropped };
    match answer.message() {
        MessageType::Ack if values(&answer) == values(before) => Impact::Kept,
        MessageType::Ack => Impact::Changed,
        _ => {
            assert_eq!(lab.state(address), Some(DurableState::Cleared));
            match lab.discover(1) {
                Some(offer) => {
                    assert_ne!(offer.yiaddr(), address);
                    Impact::Moved
                }
                None => Impact::Dropped,
            }
        }
    }
}

/// Client 1 binds under `old`; forecast and outcome of `new` are `wanted`.
fn check_from(old: Config, new: &Config, wanted: (Impact, Option<Reason>)) -> Lab {
    let mut lab = Lab::new(old);
    let address = lab.lease(1);
    let before = lab.renew(1, address).unwrap();
    assert_eq!(verdict(&mut lab, new), wanted);
    commit(&mut lab, new);
    assert_eq!(lab.state(address), Some(DurableState::Bound), "a commit ends nothing by itself");
    assert!(lab.heard.is_empty() && lab.kernel.contains_key(&address));
    assert_eq!(outcome(&mut lab, address, &before), wanted.0);
    lab
}

fn check(new: &Config, wanted: (Impact, Option<Reason>)) -> Lab {
    check_from(config(), new, wanted)
}

fn with(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = config();
    change(&mut config);
    config
}

/// Another group, without interfaces.
fn another_group(config: &mut Config) -> &mut Group {
    config.groups.push(Group { name: "other".into(), ..config.groups[0].clone() });
    config.groups.last_mut().unwrap()
}

fn range(low: u8, high: u8) -> Range {
    Range { name: "r".into(), low: ip(low), high: ip(high) }
}

/// A change of the pool and what it is to a client.
type Case<'a> = (&'a dyn Fn(&mut Pool), Reason);

const KEPT: (Impact, Option<Reason>) = (Impact::Kept, None);

#[test]
fn a_group_that_is_gone_leaves_its_clients_bound_and_unserved() {
    let gone = with(|c| {
        c.groups.clear();
        c.interfaces.clear();
    });
    let mut lab = check(&gone, (Impact::Dropped, Some(Reason::NoService)));
    assert_eq!(lab.dropped(DropReason::NoInterfaceCfg), 1);
    let address = ip(10);
    assert_eq!(lab.state(address), Some(DurableState::Bound));
    // Its place comes back.
    assert_eq!(verdict(&mut lab, &config()), (Impact::Changed, Some(Reason::PlaceAgain)));
    commit(&mut lab, &config());
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Ack);
    commit(&mut lab, &gone);
    lab.unicast(&MessageBuilder::release(mac(1), address, SERVER), address);
    assert_eq!(lab.state(address), Some(DurableState::Released), "a RELEASE is taken");
}

#[test]
fn without_a_group_the_lease_ends_in_its_time() {
    let gone = with(|c| {
        c.groups.clear();
        c.interfaces.clear();
    });
    let mut lab = check(&gone, (Impact::Dropped, Some(Reason::NoService)));
    lab.jump(u64::from(LEASE_SECS) - 10);
    assert_eq!(lab.state(ip(10)), Some(DurableState::Bound));
    lab.jump(20);
    assert_eq!(lab.state(ip(10)), Some(DurableState::Expired));
    assert!(lab.kernel.is_empty());
}

#[test]
fn an_interface_that_left_its_group_goes_on_by_the_groups_name() {
    let mut lab = check(&with(|c| c.interfaces.clear()), KEPT);
    assert!(lab.discover(2).is_none(), "no new clients there");
}

#[test]
fn an_interface_in_another_group_is_served_by_that() {
    let other = with(|c| {
        another_group(c);
        c.groups.remove(0);
    });
    let lab = check(&other, KEPT);
    let group = lab.identities.values().next().unwrap().group.clone();
    assert_eq!(&*group, "other");
}

#[test]
fn a_pool_that_is_gone() {
    let none = with(|c| c.pools.clear());
    check(&none, (Impact::Dropped, Some(Reason::NoOtherAddress)));
    let other = with(|c| {
        c.pools[0].name = "other".into();
        c.pools[0].ranges = vec![range(100, 120)];
    });
    check(&other, (Impact::Moved, Some(Reason::PoolGone)));
    let held = with(|c| {
        c.pools[0].ranges = vec![range(100, 120)];
        c.pools[0].hold_down = true;
    });
    check(&held, (Impact::Dropped, Some(Reason::NoOtherAddress)));
    // Another pool has the address: not even its name matters.
    check(&with(|c| c.pools[0].name = "other".into()), KEPT);
}

#[test]
fn an_address_that_is_gone_from_its_pool() {
    let moved = (Impact::Moved, Some(Reason::AddressGone));
    check(&with(|c| c.pools[0].ranges = vec![range(100, 120)]), moved);
    check(&with(|c| c.pools[0].excluded = vec![range(10, 10)]), (Impact::Moved, Some(Reason::Excluded)));
    let drained = with(|c| c.pools[0].active_drain = true);
    check(&drained, (Impact::Dropped, Some(Reason::NoOtherAddress)));
    let all = with(|c| c.pools[0].excluded = vec![range(1, 254)]);
    check(&all, (Impact::Dropped, Some(Reason::NoOtherAddress)));
    let reserved = with(|c| {
        c.pools[0].ranges = Vec::new();
        c.pools[0].hosts =
            vec![Host { name: "h".into(), hardware_address: Some(mac(1)), ip_address: ip(200), ..Host::default() }];
    });
    check(&reserved, moved);
}

#[test]
fn what_a_live_client_does_not_see() {
    let host =
        |last| Host { name: "h".into(), hardware_address: Some(mac(last)), ip_address: ip(10), ..Host::default() };
    let unseen: [fn(&mut Config); 8] = [
        |c| c.pools[0].hold_down = true,
        |c| c.pools[0].attributes.server_identifier = Some(ip(9)),
        |c| c.groups[0].overrides = Overrides { no_arp: true, ..Overrides::default() },
        |c| c.groups[0].overrides = Overrides { interface_client_limit: Some(0), ..Overrides::default() },
        |c| c.groups[0].reconfigure = Some(Reconfigure::default()),
        |c| c.groups[0].authenticate = true,
        |c| c.groups[0].chains.set(Stage::Route, vec![PluginId(0)]),
        |c| c.pools[0].ranges.push(range(50, 60)),
    ];
    for change in unseen {
        check(&with(change), KEPT);
    }
    check(&with(|c| c.pools[0].hosts = vec![host(1)]), KEPT);
    let mut lab = check(&with(|c| c.pools[0].hosts = vec![host(2)]), KEPT);
    assert_ne!(lab.discover(2).unwrap().yiaddr(), ip(10), "kept for another client, but held");
}

#[test]
fn other_values() {
    let dns = (OptionCode::DOMAIN_NAME_SERVER, Box::from([192, 0, 2, 54]));
    let cases: [Case<'_>; 9] = [
        (&|p| p.attributes.lease = Lease::Secs(1_200), Reason::LeaseTime),
        (&|p| p.attributes.lease = Lease::Infinite, Reason::LeaseTime),
        (&|p| p.network = "192.0.2.0/25".parse().unwrap(), Reason::SubnetMask),
        (&|p| p.attributes.options[1] = dns.clone(), Reason::Options),
        (&|p| p.attributes.options.clear(), Reason::Options),
        (&|p| p.attributes.t1 = Timer::Secs(60), Reason::Timers),
        (&|p| p.attributes.t2 = Timer::Percent(90), Reason::Timers),
        (&|p| p.attributes.next_server = Some(ip(9)), Reason::Boot),
        (&|p| p.attributes.boot_file = Some(Box::from(*b"x")), Reason::Boot),
    ];
    for (change, reason) in cases {
        check(&with(|c| change(&mut c.pools[0])), (Impact::Changed, Some(reason)));
    }
    // Timers that make the same of this lease are the same.
    check(&with(|c| c.pools[0].attributes.t1 = Timer::Secs(LEASE_SECS / 2)), KEPT);
}

#[test]
fn who_asked_for_less_than_either_lease_keeps_it() {
    let mut lab = Lab::new(config());
    let ask = |message: MessageBuilder| message.lease_time(600);
    let offer = lab.broadcast(&ask(MessageBuilder::discover(mac(1)))).unwrap();
    let address = offer.yiaddr();
    lab.broadcast(&ask(MessageBuilder::request_selecting(mac(1), address, SERVER))).unwrap();
    let renew = ask(MessageBuilder::request_renewing(mac(1), address));
    let before = lab.unicast(&renew, address).unwrap();
    for (secs, wanted) in [(7_200, KEPT), (601, KEPT), (300, (Impact::Changed, Some(Reason::LeaseTime)))] {
        let new = with(|c| c.pools[0].attributes.lease = Lease::Secs(secs));
        assert_eq!(verdict(&mut lab, &new), wanted, "{secs}");
        commit(&mut lab, &new);
        let after = lab.unicast(&renew, address).unwrap();
        assert_eq!(values(&after) == values(&before), wanted == KEPT, "{secs}");
        commit(&mut lab, &config());
        lab.unicast(&renew, address).unwrap();
    }
}

#[test]
fn another_token_is_seen_by_those_who_use_it() {
    let token = |token: &[u8]| {
        let reconfigure = Reconfigure { token: Some(token.into()), ..Reconfigure::default() };
        with(|c| c.groups[0].reconfigure = Some(reconfigure))
    };
    let mut lab = Lab::new(token(b"one"));
    lab.lease(1);
    assert_eq!(verdict(&mut lab, &token(b"two")), KEPT);
    let mut lab = Lab::new(token(b"one"));
    let value = [token_head(1).as_slice(), b"one"].concat();
    let sealed = |message: MessageBuilder| message.option(OptionCode::AUTHENTICATION, &value);
    let offer = lab.broadcast(&sealed(MessageBuilder::discover(mac(1)))).unwrap();
    lab.broadcast(&sealed(MessageBuilder::request_selecting(mac(1), offer.yiaddr(), SERVER))).unwrap();
    assert_eq!(verdict(&mut lab, &token(b"one")), KEPT);
    for other in [token(b"two"), config()] {
        assert_eq!(verdict(&mut lab, &other), (Impact::Changed, Some(Reason::Token)));
    }
}

#[test]
fn other_plugins() {
    let chain =
        |ids: &[u16]| with(|c| c.groups[0].chains.set(Stage::ShapeReply, ids.iter().map(|id| PluginId(*id)).collect()));
    let mut lab = Lab::new(chain(&[0, 1]));
    lab.lease(1);
    let mut ask = |new: Config, former: Option<Vec<Option<PluginId>>>| {
        let prospect = Prospect::new(Arc::new(new));
        let prospect = match former {
            Some(former) => prospect.with_plugins(former),
            None => prospect,
        };
        forecast(&mut lab, prospect).1.first().map(|view| view.reason)
    };
    assert_eq!(ask(chain(&[0, 1]), None), None);
    assert_eq!(ask(chain(&[1, 0]), None), Some(Reason::Plugins));
    assert_eq!(ask(chain(&[0]), None), Some(Reason::Plugins));
    // One was added before them: the numbers are others, the plugins are not.
    let shifted = vec![None, Some(PluginId(0)), Some(PluginId(1))];
    assert_eq!(ask(chain(&[1, 2]), Some(shifted.clone())), None);
    assert_eq!(ask(chain(&[0, 1]), Some(shifted)), Some(Reason::Plugins));
    assert_eq!(ask(chain(&[0, 1]), Some(vec![Some(PluginId(0)), None])), Some(Reason::Plugins), "other settings");
    let admit = |c: &mut Config| c.groups[0].chains.set(Stage::Admit, vec![PluginId(0)]);
    let mut both = chain(&[0, 1]);
    admit(&mut both);
    assert_eq!(ask(both, None), Some(Reason::Plugins));
}

#[test]
fn a_relayed_client_is_offered_what_fits_its_relay() {
    let relay = ip(2);
    let mut lab = Lab::new(config());
    let offer = lab.unicast(&MessageBuilder::discover(mac(1)).giaddr(relay), relay).unwrap();
    let request = MessageBuilder::request_selecting(mac(1), offer.yiaddr(), SERVER).giaddr(relay);
    lab.unicast(&request, relay).unwrap();
    let far = |network: &str, [a, b, c]: [u8; 3]| {
        with(|config| {
            config.pools[0].network = network.parse().unwrap();
            config.pools[0].ranges[0].low = [a, b, c, 10].into();
            config.pools[0].ranges[0].high = [a, b, c, 20].into();
        })
    };
    let elsewhere = far("198.51.100.0/24", [198, 51, 100]);
    assert_eq!(verdict(&mut lab, &elsewhere), (Impact::Dropped, Some(Reason::NoOtherAddress)));
    let wider = far("192.0.0.0/16", [192, 0, 99]);
    assert_eq!(verdict(&mut lab, &wider), (Impact::Moved, Some(Reason::AddressGone)));
}

#[test]
fn an_address_that_became_our_own_has_no_place_in_any_configuration() {
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    let before = lab.renew(1, address).unwrap();
    lab.input(Input::LinkSet(link(LINK, "eth1", &[(SERVER, 24), (address, 24)])));
    let shorter = with(|c| c.pools[0].attributes.lease = Lease::Secs(60));
    let (counts, _) = forecast(&mut lab, Prospect::new(Arc::new(shorter.clone())));
    assert_eq!(counts, ImpactCounts { moved: 1, displaced: 1, ..ImpactCounts::default() });
    commit(&mut lab, &shorter);
    assert_eq!(outcome(&mut lab, address, &before), Impact::Moved);
}

/// The interface's network gives way to another one.
fn renumbered() -> Config {
    with(|c| {
        c.pools[0].name = "new".into();
        c.pools[0].network = "198.51.100.0/24".parse().unwrap();
        c.pools[0].ranges[0].low = [198, 51, 100, 10].into();
        c.pools[0].ranges[0].high = [198, 51, 100, 20].into();
    })
}

fn in_both_networks(lab: &mut Lab) {
    lab.input(Input::LinkSet(link(LINK, "eth1", &[(SERVER, 24), ([198, 51, 100, 1].into(), 24)])));
}

#[test]
fn another_network_on_the_interface() {
    let mut lab = Lab::new(config());
    in_both_networks(&mut lab);
    let address = lab.lease(1);
    let before = lab.renew(1, address).unwrap();
    assert_eq!(verdict(&mut lab, &renumbered()), (Impact::Moved, Some(Reason::PoolGone)));
    commit(&mut lab, &renumbered());
    assert_eq!(outcome(&mut lab, address, &before), Impact::Moved);
}

#[test]
fn who_begins_anew_after_its_network_is_gone_leaves_nothing_behind() {
    let limited = |mut config: Config| {
        config.groups[0].overrides.interface_client_limit = Some(1);
        config
    };
    let mut lab = Lab::new(limited(config()));
    in_both_networks(&mut lab);
    let address = lab.lease(1);
    commit(&mut lab, &limited(renumbered()));
    // It rebooted: its old binding must not keep it out, nor stand until the lease ends.
    assert!(lab.discover(1).is_none(), "ends it first");
    assert_eq!(lab.state(address), Some(DurableState::Cleared));
    assert!(!lab.kernel.contains_key(&address));
    let offer = lab.discover(1).unwrap();
    assert_eq!(offer.yiaddr(), Ipv4Addr::new(198, 51, 100, 10));
    let other = MessageBuilder::request_selecting(mac(1), offer.yiaddr(), [198, 51, 100, 1].into());
    assert_eq!(lab.broadcast(&other).unwrap().message(), MessageType::Ack);
}

fn displaced(lab: &mut Lab) -> Vec<Ipv4Addr> {
    let verb = Verb::Bindings { filter: Filter::Displaced, cursor: Cursor::START };
    let Some(Reply::Bindings { rows, .. }) = lab.command(verb) else { panic!("no answer") };
    rows.iter().map(|row| row.address).collect()
}

fn renumber(lab: &mut Lab) -> Reconfigured {
    let verb =
        Verb::Reconfigure { filter: Filter::Displaced, cursor: Cursor::START, purpose: Purpose::Renumber, most: 256 };
    let Some(Reply::Reconfigured(done)) = lab.command(verb) else { panic!("no answer") };
    done
}

#[test]
fn those_without_a_place_are_found_and_told_to_move() {
    let enabled = |mut config: Config| {
        config.groups[0].reconfigure = Some(Reconfigure::default());
        config
    };
    let mut lab = Lab::new(enabled(config()));
    let [one, two] = [lab.lease(1), lab.lease(2)];
    assert!(displaced(&mut lab).is_empty());
    let mut new = enabled(config());
    new.pools[0].ranges = vec![range(11, 40)];
    commit(&mut lab, &new);
    assert_eq!((one, two), (ip(10), ip(11)));
    assert_eq!(displaced(&mut lab), [one]);
    let mut lab = lab.restart(new, 5);
    assert_eq!(displaced(&mut lab), [one], "a restart forgets nobody");
    lab.heard.clear();
    assert_eq!(renumber(&mut lab), Reconfigured { started: 1, ..Reconfigured::default() });
    assert_eq!(lab.heard.len(), 1);
    assert_eq!(renumber(&mut lab), Reconfigured { ignored: 1, ..Reconfigured::default() }, "it is on its way");
    assert_eq!(lab.renew(1, one).unwrap().message(), MessageType::Nak);
    lab.heard.clear();
    assert_ne!(lab.lease(1), one);
    assert!(displaced(&mut lab).is_empty());
    assert_eq!(renumber(&mut lab), Reconfigured::default());
}

#[test]
fn those_without_a_group_go_by_the_servers_settings() {
    let gone = |reconfigure| {
        with(|c| {
            c.groups.clear();
            c.interfaces.clear();
            c.reconfigure = reconfigure;
        })
    };
    let mut lab = Lab::new(config());
    let address = lab.lease(1);
    commit(&mut lab, &gone(None));
    assert_eq!(displaced(&mut lab), [address]);
    assert_eq!(renumber(&mut lab), Reconfigured { not_configured: 1, ..Reconfigured::default() });
    commit(&mut lab, &gone(Some(Reconfigure::default())));
    assert_eq!(renumber(&mut lab), Reconfigured { started: 1, ..Reconfigured::default() });
    let told = lab.heard.pop().unwrap();
    assert_eq!(told.message(), MessageType::ForceRenew);
    // Nobody serves it; but it was told to go.
    assert_eq!(lab.renew(1, address).unwrap().message(), MessageType::Nak);
    assert_eq!(lab.state(address), Some(DurableState::Cleared));
    assert!(!lab.kernel.contains_key(&address));
    assert!(lab.discover(1).is_none());
    assert!(displaced(&mut lab).is_empty());
}

#[test]
fn those_without_a_place_can_be_cleared() {
    let mut lab = Lab::new(config());
    let [one, two] = [lab.lease(1), lab.lease(2)];
    commit(&mut lab, &with(|c| c.pools[0].ranges = vec![range(11, 40)]));
    assert_eq!(lab.clear(Filter::Displaced), Some(Reply::ClearedBindings { count: 1, failed: false, next: None }));
    assert_eq!((lab.state(one), lab.state(two)), (Some(DurableState::Cleared), Some(DurableState::Bound)));
}

#[test]
fn the_next_commit_is_not_charged_with_what_an_earlier_one_did() {
    let mut lab = Lab::new(config());
    lab.lease(1);
    lab.lease(2);
    let new = with(|c| c.pools[0].ranges = vec![range(11, 40)]);
    let (counts, views) = forecast(&mut lab, Prospect::new(Arc::new(new.clone())));
    assert_eq!(counts, ImpactCounts { kept: 1, moved: 1, ..ImpactCounts::default() });
    assert_eq!(counts.displaces(), 1);
    assert_eq!((views[0].address, &*views[0].pool, &*views[0].interface), (ip(10), "pool", "eth1"));
    commit(&mut lab, &new);
    let counts = forecast(&mut lab, Prospect::new(Arc::new(new.clone()))).0;
    assert_eq!(counts, ImpactCounts { kept: 1, moved: 1, displaced: 1, ..ImpactCounts::default() });
    assert_eq!(counts.displaces(), 0);
    // But with this it would get no other address.
    let mut worse = new;
    worse.pools[0].hold_down = true;
    let counts = forecast(&mut lab, Prospect::new(Arc::new(worse))).0;
    assert_eq!((counts.kept, counts.dropped, counts.displaced, counts.displaces()), (1, 1, 0, 1));
}

#[test]
fn a_reconfiguration_that_runs_is_counted_where_its_rules_change() {
    let rules = |attempts| with(|c| c.groups[0].reconfigure = Some(Reconfigure { attempts, ..Reconfigure::default() }));
    let mut lab = Lab::new(rules(8));
    lab.lease(1);
    lab.lease(2);
    let verb =
        Verb::Reconfigure { filter: Filter::Mac(mac(1)), cursor: Cursor::START, purpose: Purpose::Renumber, most: 256 };
    lab.command(verb);
    for (new, disturbed) in [(rules(8), 0), (rules(3), 1), (config(), 1)] {
        let counts = forecast(&mut lab, Prospect::new(Arc::new(new))).0;
        assert_eq!(counts, ImpactCounts { kept: 2, reconfiguring: disturbed, ..ImpactCounts::default() });
    }
}

/// Client 1 renews, with a token that it offers; a commit comes while its plugin thinks. What it then hears.
fn renewal_over(old: &Config, new: &Config) -> Option<Heard> {
    let mut slow = old.clone();
    slow.groups[0].chains.set(Stage::ShapeReply, vec![PluginId(0)]);
    let mut lab = Lab::new(old.clone());
    let address = lab.lease(1);
    commit(&mut lab, &slow);
    let tokens = Rc::new(RefCell::new(Vec::new()));
    lab.policy = Box::new(Slow(Rc::clone(&tokens)));
    let value = [token_head(1).as_slice(), b"one"].concat();
    let renew = MessageBuilder::request_renewing(mac(1), address).option(OptionCode::AUTHENTICATION, &value);
    assert!(lab.unicast(&renew, address).is_none());
    commit(&mut lab, new);
    let token = tokens.borrow()[0];
    lab.input(Input::PolicyDone(PolicyAnswer { token, verdict: Verdict::Continue, edits: Vec::new() }));
    lab.heard.pop()
}

#[test]
fn a_reply_that_a_commit_overtakes_is_its_own_groups() {
    let token = |token: &[u8]| Some(Reconfigure { token: Some(token.into()), ..Reconfigure::default() });
    let old = with(|c| {
        c.groups[0].reconfigure = token(b"one");
        another_group(c).reconfigure = token(b"two");
    });
    let mut new = old.clone();
    new.groups.reverse();
    new.interfaces[0].group = GroupId(1);
    let told = |new: &Config| renewal_over(&old, new).and_then(|ack| ack.option(OptionCode::AUTHENTICATION));
    assert!(told(&new).unwrap().ends_with(b"one"));
    // Its group is gone: no other one's token.
    new.groups.pop();
    new.interfaces[0].group = GroupId(0);
    assert_eq!(told(&new), None);
}

#[test]
fn a_reply_that_a_commit_overtakes_does_not_grant_what_is_gone() {
    let token = Reconfigure { token: Some(Box::from(*b"one")), ..Reconfigure::default() };
    let old = with(|c| c.groups[0].reconfigure = Some(token));
    let mut new = old.clone();
    new.pools[0].ranges = vec![range(100, 120)];
    assert_eq!(renewal_over(&old, &old).map(|ack| ack.message()), Some(MessageType::Ack));
    assert!(renewal_over(&old, &new).is_none());
}

#[test]
fn pages_add_up_with_and_without_rows() {
    let big = |low| {
        with(|c| {
            c.pools[0].network = "10.0.0.0/16".parse().unwrap();
            c.pools[0].ranges[0].low = [10, 0, low, 0].into();
            c.pools[0].ranges[0].high = [10, 0, 255, 250].into();
        })
    };
    let mut lab = Lab::new(big(0));
    let gateway = Ipv4Addr::new(10, 0, 255, 254);
    lab.input(Input::LinkSet(link(IfIndex(8), "eth2", &[(gateway, 16)])));
    let all = [Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST];
    for client in 0..300u16 {
        let mut mac = mac(0);
        mac.0[4..].copy_from_slice(&client.to_be_bytes());
        let offer = lab.packet_on(IfIndex(8), &MessageBuilder::discover(mac), all[0], all[1]).unwrap();
        let request = MessageBuilder::request_selecting(mac, offer.yiaddr(), gateway);
        lab.packet_on(IfIndex(8), &request, all[0], all[1]).unwrap();
    }
    let prospect = Arc::new(Prospect::new(Arc::new(big(1))));
    let page = |lab: &mut Lab, cursor, rows| {
        let verb = Verb::Impact { prospect: Arc::clone(&prospect), cursor, rows };
        match lab.command(verb) {
            Some(Reply::Impact { counts, rows, next }) => (counts, rows.len(), next),
            other => panic!("{other:?}"),
        }
    };
    let wanted = ImpactCounts { kept: 45, moved: 255, ..ImpactCounts::default() };
    assert_eq!(page(&mut lab, Cursor::START, None), (wanted, 0, None));
    let (first, rows, next) = page(&mut lab, Cursor::START, Some(Impact::Moved));
    let (second, more, end) = page(&mut lab, next.unwrap(), Some(Impact::Moved));
    let mut sum = first;
    sum.add(&second);
    assert_eq!((sum, rows + more, end), (wanted, 255, None));
    assert_eq!(page(&mut lab, Cursor::START, Some(Impact::Dropped)).1, 0, "only rows that are hit so hard");
}

#[test]
fn patterns_find_what_the_engine_finds() {
    let mut names = config();
    names.interfaces.clear();
    another_group(&mut names);
    for (pattern, group) in [("*", 0), ("eth*", 1), ("eth1.*", 0), ("eth1.42", 1), ("wan0", 0)] {
        let interface = config().interfaces.remove(0);
        names.interfaces.push(bindery_engine::config::Interface {
            pattern: pattern.into(),
            group: GroupId(group),
            ..interface
        });
    }
    // Who is served by group `other` is seen by its token.
    names.groups[1].chains.set(Stage::ShapeReply, vec![PluginId(0)]);
    for (name, plugin) in [("lo9", false), ("eth7", true), ("eth1.7", false), ("eth1.42", true), ("wan0", false)] {
        let mut lab = Lab::new(with(|c| c.interfaces[0].pattern = "*".into()));
        lab.input(Input::LinkSet(link(LINK, name, &[(SERVER, 24)])));
        lab.lease(1);
        let wanted = if plugin { (Impact::Changed, Some(Reason::Plugins)) } else { KEPT };
        assert_eq!(verdict(&mut lab, &names), wanted, "{name}");
    }
}
