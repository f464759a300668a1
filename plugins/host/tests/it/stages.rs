//! Every stage but `shape-reply`, by the guests that are built for it: good answers, bad ones, none.

use std::net::Ipv4Addr;

use bindery_engine::policy::{
    Admit, Attribute, Authorize, Disconnect, DisconnectCause, DisconnectVerdict, Exhausted, ExhaustedVerdict,
    ExtraRoute, Leasequery, LeasequeryVerdict, Lookup, Phase, QueryKey, RouteChoice, RouteQuestion, SelectAddress,
    Steer, Subject, Token,
};
use bindery_plugin_host::{Event, Failure, OnFailure, Outcome, Plugin, PluginStats, Stage, Stages};
use bindery_types::{HwAddr, MacAddr, SessionId};
use bindery_wire::v4::{MessageBuilder, MessageType, OptionCode, Packet, ParseRules};

use crate::guests::{Guest, guest};

pub(crate) const TOKEN: Token = Token { engine: 0, slot: 0, generation: 0 };

/// A request of a relayed client: DHCPDISCOVER for 1, DHCPDECLINE for 4, else DHCPREQUEST.
pub(crate) fn packet(kind: u8) -> Vec<u8> {
    let kind = match kind {
        1 => MessageType::Discover,
        4 => MessageType::Decline,
        _ => MessageType::Request,
    };
    let relayed = MessageBuilder::new(kind, MacAddr([2, 0, 0, 0, 0, 7])).giaddr(Ipv4Addr::new(192, 0, 2, 1));
    let classed = relayed.option(OptionCode(60), b"vendor");
    classed.option(OptionCode(82), &[1, 2, b'c', b'i', 2, 3, b'r', b'i', b'd']).build()
}

pub(crate) fn subject() -> Subject<'static> {
    Subject {
        session: SessionId(7),
        address: Ipv4Addr::new(192, 0, 2, 10),
        hw: HwAddr::from(MacAddr([2, 0, 0, 0, 0, 7])),
        group: "g",
        interface: "eth0",
        pool: "p",
        giaddr: Ipv4Addr::new(192, 0, 2, 1),
        client_id: &[1],
        relay_info: &[2, 3],
        vendor_class: &[],
        sessions: Lookup::NONE,
    }
}

impl Guest {
    /// The guest bound to these stages.
    fn bound(&self, stages: &[Stage], lines: &[&str]) -> Plugin {
        let mut guest = self.spec.clone();
        guest.stages = stages.iter().fold(Stages::NONE, |all, stage| all.with(*stage));
        guest.settings = lines.iter().map(|line| crate::guests::setting(line)).collect();
        self.host.load(&guest).unwrap_or_else(|error| panic!("{error}"))
    }

    fn answering(&self, word: &str) -> Plugin {
        let stages: Vec<Stage> = Stage::ALL.into_iter().filter(|stage| *stage != Stage::ShapeReply).collect();
        self.bound(&stages, &[&format!("answer {word}")])
    }
}

fn admit(plugin: &mut Plugin, steer: &mut Steer) -> Outcome {
    let bytes = packet(3);
    let request = Packet::parse(&bytes, ParseRules::default()).unwrap();
    let taken = std::mem::take(steer);
    let mut question = Admit {
        request: &request,
        unicast: false,
        group: "g",
        interface: "eth0",
        token: TOKEN,
        sessions: Lookup::NONE,
        steer: taken,
    };
    let outcome = plugin.admit(&mut question);
    *steer = question.steer;
    outcome
}

fn failed(failure: Failure) -> Outcome {
    Outcome::Failed(failure, OnFailure::Continue)
}

fn boxed(text: &str) -> Option<Box<str>> {
    Some(text.into())
}

#[test]
fn admit_chooses() {
    let Some(guest) = guest("fixture-stages") else { return };
    let mut steer = Steer::default();
    assert_eq!(admit(&mut guest.answering("nothing"), &mut steer), Outcome::Continue);
    assert_eq!(steer, Steer::default());
    assert_eq!(admit(&mut guest.answering("first"), &mut steer), Outcome::Continue);
    assert_eq!((&steer.group, &steer.class), (&boxed("first"), &boxed("gold")));
    // A later plugin replaces what it names and nothing else.
    assert_eq!(admit(&mut guest.answering("second"), &mut steer), Outcome::Continue);
    assert_eq!((&steer.group, &steer.class), (&boxed("second"), &boxed("gold")));
    let before = steer.clone();
    for (word, outcome) in [
        ("drop", Outcome::Drop),
        ("bad", failed(Failure::BadVerdict)),
        ("flood", failed(Failure::Output)),
        ("trap", failed(Failure::Trap)),
        ("spin", failed(Failure::Deadline)),
    ] {
        let mut plugin = guest.answering(word);
        assert_eq!(admit(&mut plugin, &mut steer), outcome, "{word}: {}", plugin.stats().last_failure);
        assert_eq!(steer, before, "{word}");
        let stats: PluginStats = plugin.stats();
        assert_eq!((stats.calls, stats.drops), (1, u64::from(word == "drop")));
        assert_eq!(stats.failed_total(), u64::from(word != "drop"));
    }
    let mut steer = Steer { pool: boxed("p"), lease_secs: Some(60), ..Steer::default() };
    assert_eq!(admit(&mut guest.answering("echo"), &mut steer), Outcome::Continue);
    assert_eq!(steer.group, boxed("ClientState::Rebinding 3"));
    let bytes = packet(3).len() - 240;
    assert_eq!(steer.class, boxed(&format!("g eth0 Some(\"ci\") Some(\"vendor\") Some(\"p\") Some(60) {bytes}")));
}

#[test]
fn select_address_chooses() {
    let Some(guest) = guest("fixture-stages") else { return };
    let bytes = packet(3);
    let request = Packet::parse(&bytes, ParseRules::default()).unwrap();
    let mut question = SelectAddress {
        request: &request,
        group: "g",
        interface: "eth0",
        pool: "p",
        proposed: Some(Ipv4Addr::new(192, 0, 2, 9)),
        token: TOKEN,
        sessions: Lookup::NONE,
        steer: Steer::default(),
    };
    let mut ask = |word: &str| (guest.answering(word).select_address(&mut question), question.steer.clone());
    let first = Steer { pool: boxed("first"), address: Some(Ipv4Addr::new(192, 0, 2, 1)), ..Steer::default() };
    assert_eq!(ask("first"), (Outcome::Continue, first.clone()));
    let second = Steer { pool: boxed("second"), lease_secs: Some(600), ..first };
    assert_eq!(ask("second"), (Outcome::Continue, second.clone()));
    assert_eq!(ask("nothing"), (Outcome::Continue, second.clone()));
    assert_eq!(ask("bad"), (failed(Failure::BadVerdict), second.clone()), "an IPv6 address");
    assert_eq!(ask("drop"), (Outcome::Drop, second.clone()));
    assert_eq!(ask("echo").1.pool, boxed("p Some(Address::Ipv4(3221225993))"));
}

#[test]
fn authorize_changes_name_and_attributes() {
    let Some(guest) = guest("fixture-stages") else { return };
    let bytes = packet(1);
    let request = Packet::parse(&bytes, ParseRules::default()).unwrap();
    let attribute = |vendor, value: &[u8]| Attribute { vendor, code: 1, value: value.into() };
    let mut question = Authorize {
        request: &request,
        group: "g",
        interface: "eth0",
        phase: Phase::After,
        username: "user".into(),
        attributes: vec![attribute(0, b"user")],
        token: TOKEN,
        sessions: Lookup::NONE,
        steer: Steer::default(),
    };
    for (word, outcome) in [
        ("nothing", Outcome::Continue),
        ("drop", Outcome::Drop),
        ("bad", failed(Failure::BadVerdict)),
        ("flood", failed(Failure::Output)),
    ] {
        assert_eq!(guest.answering(word).authorize(&mut question), outcome, "{word}");
        let same = &*question.username == "user" && question.attributes == [attribute(0, b"user")];
        assert!(same && question.steer == Steer::default(), "{word}: {question:?}");
    }
    assert_eq!(guest.answering("echo").authorize(&mut question), Outcome::Continue);
    assert!(question.username.starts_with("Phase::After user [\"0:1\"] g eth0 "), "{}", question.username);
    assert_eq!(guest.answering("first").authorize(&mut question), Outcome::Continue);
    assert_eq!((&*question.username, &question.attributes[..]), ("first", &[attribute(9, b"one")][..]));
    assert_eq!(question.steer.lease_secs, Some(60));
}

#[test]
fn disconnect_and_exhausted_pass_or_decide() {
    let Some(guest) = guest("fixture-stages") else { return };
    let attribute = Attribute { vendor: 0, code: 25, value: b"gold"[..].into() };
    let attributes = [attribute.clone(), attribute];
    let cause = DisconnectCause::Disconnect;
    let question = Disconnect { subject: subject(), cause, can_reconfigure: true, attributes: &attributes };
    let exhausted = Exhausted { subject: subject(), attempts: 8, has_nonce: true };
    for (word, disconnect, end) in [
        ("nothing", Ok(None), Ok(None)),
        ("first", Ok(Some(DisconnectVerdict::Clear)), Ok(Some(ExhaustedVerdict::Clear))),
        ("second", Ok(Some(DisconnectVerdict::Ignore)), Ok(Some(ExhaustedVerdict::Defer))),
        ("echo", Ok(Some(DisconnectVerdict::Reconfigure)), Ok(Some(ExhaustedVerdict::Restore))),
        ("trap", Err(Failure::Trap), Err(Failure::Trap)),
        ("spin", Err(Failure::Deadline), Err(Failure::Deadline)),
    ] {
        let mut plugin = guest.answering(word);
        assert_eq!(plugin.disconnect(&question), disconnect, "{word}");
        assert_eq!(plugin.reconfigure_exhausted(&exhausted), end, "{word}");
        // The third failure within the window opens the breaker for every stage.
        let third = plugin.disconnect(&question);
        let fourth = plugin.reconfigure_exhausted(&exhausted);
        if disconnect.is_err() {
            assert_eq!((third, fourth), (disconnect, Err(Failure::BreakerOpen)), "{word}");
        } else {
            assert_eq!((third, fourth), (disconnect, end), "{word}");
        }
    }
}

fn query(subject: Subject<'_>, requestor: Ipv4Addr) -> Leasequery<'_> {
    Leasequery { subject, requestor, source: requestor, key: QueryKey::Mac }
}

#[test]
fn leasequery_answers_or_refuses() {
    let Some(guest) = guest("fixture-stages") else { return };
    let question = query(subject(), Ipv4Addr::new(192, 0, 2, 1));
    for (word, verdict) in [
        ("nothing", Ok(LeasequeryVerdict::Answer)),
        ("echo", Ok(LeasequeryVerdict::Answer)),
        ("second", Ok(LeasequeryVerdict::Refuse)),
        ("trap", Err(Failure::Trap)),
    ] {
        assert_eq!(guest.answering(word).leasequery(&question), verdict, "{word}");
    }
}

#[test]
fn route_chooses() {
    let Some(guest) = guest("fixture-stages") else { return };
    let question = RouteQuestion { subject: subject() };
    let mut choice = RouteChoice::default();
    assert_eq!(guest.answering("nothing").route(&question, &mut choice), Ok(()));
    assert_eq!(choice, RouteChoice::default());
    assert_eq!(guest.answering("first").route(&question, &mut choice), Ok(()));
    assert_eq!(guest.answering("second").route(&question, &mut choice), Ok(()));
    let extra = |third| ExtraRoute { network: Ipv4Addr::new(10, 0, third, 0), len: 24 };
    let wanted = RouteChoice { metric: Some(2), table: Some(100), tag: None, extra: vec![extra(0), extra(1)] };
    assert_eq!(choice, wanted);
    for (word, failure) in [("bad", Failure::BadVerdict), ("flood", Failure::Output), ("trap", Failure::Trap)] {
        assert_eq!(guest.answering(word).route(&question, &mut choice), Err(failure), "{word}");
        assert_eq!(choice, wanted, "{word}");
    }
}

#[test]
fn session_events_are_told() {
    let Some(guest) = guest("fixture-stages") else { return };
    let mut good = guest.answering("nothing");
    for event in [Event::Bound, Event::Renewed, Event::Released, Event::Expired, Event::Cleared] {
        assert_eq!(good.observe(event, &subject()), Ok(()));
    }
    assert_eq!(good.stats().calls, 5);
    assert_eq!(guest.answering("trap").observe(Event::Bound, &subject()), Err(Failure::Trap));
}

#[test]
fn a_plugin_without_the_stage_changes_nothing() {
    let Some(guest) = guest("restricted-requestor") else { return };
    let mut plugin = guest.bound(&[Stage::Leasequery], &[]);
    let exhausted = Exhausted { subject: subject(), attempts: 8, has_nonce: true };
    assert_eq!(plugin.reconfigure_exhausted(&exhausted), Ok(None));
    let mut steer = Steer::default();
    assert_eq!((admit(&mut plugin, &mut steer), steer), (Outcome::Continue, Steer::default()));
    assert_eq!(plugin.stats().calls, 0);
}

#[test]
fn restricted_requestor() {
    let Some(guest) = guest("restricted-requestor") else { return };
    let mut plugin = guest.bound(&[Stage::Leasequery], &[]);
    let relay = Ipv4Addr::new(192, 0, 2, 1);
    assert_eq!(plugin.leasequery(&query(subject(), relay)), Ok(LeasequeryVerdict::Answer));
    let other = Ipv4Addr::new(192, 0, 2, 2);
    assert_eq!(plugin.leasequery(&query(subject(), other)), Ok(LeasequeryVerdict::Refuse));
    let direct = Subject { giaddr: Ipv4Addr::UNSPECIFIED, ..subject() };
    assert_eq!(plugin.leasequery(&query(direct, relay)), Ok(LeasequeryVerdict::Refuse));
}

#[test]
fn deferred_nak() {
    let Some(guest) = guest("deferred-nak") else { return };
    let exhausted = Exhausted { subject: subject(), attempts: 8, has_nonce: false };
    for (lines, verdict) in [
        (&[][..], ExhaustedVerdict::Defer),
        (&["action defer"], ExhaustedVerdict::Defer),
        (&["action clear"], ExhaustedVerdict::Clear),
        (&["action restore"], ExhaustedVerdict::Restore),
    ] {
        let mut plugin = guest.bound(&[Stage::ReconfigureExhausted], lines);
        assert_eq!(plugin.reconfigure_exhausted(&exhausted), Ok(Some(verdict)), "{lines:?}");
    }
    for wrong in [&["action"][..], &["action drop"], &["action clear x=1"], &["other clear"], &["action clear"; 2]] {
        guest.refused(wrong);
    }
}

#[test]
fn radius_disconnect() {
    let Some(guest) = guest("radius-disconnect") else { return };
    let ask = |lines: &[&str], attributes: &[(u32, u8, &[u8])]| {
        let mut plugin = guest.bound(&[Stage::Disconnect], lines);
        let made = attributes.iter().map(|(vendor, code, value)| Attribute {
            vendor: *vendor,
            code: *code,
            value: (*value).into(),
        });
        let attributes: Vec<Attribute> = made.collect();
        let cause = DisconnectCause::Disconnect;
        let question = Disconnect { subject: subject(), cause, can_reconfigure: true, attributes: &attributes };
        plugin.disconnect(&question).unwrap().unwrap()
    };
    assert_eq!(ask(&[], &[]), DisconnectVerdict::Clear);
    assert_eq!(ask(&["action reconfigure"], &[]), DisconnectVerdict::Reconfigure);
    let rules = [
        "when ignore class=gold",
        "when reconfigure 9:1=0x6c65617665 session-timeout=60",
        "when ignore nas-ip-address=192.0.2.1",
        "action clear",
    ];
    for (attributes, verdict) in [
        (&[(0, 25, &b"gold"[..])][..], DisconnectVerdict::Ignore),
        (&[(0, 25, b"silver")], DisconnectVerdict::Clear),
        (&[(1, 25, b"gold")], DisconnectVerdict::Clear),
        (&[(9, 1, b"leave")], DisconnectVerdict::Clear),
        (&[(9, 1, b"leave"), (0, 27, &[0, 0, 0, 60])], DisconnectVerdict::Reconfigure),
        (&[(0, 4, &[192, 0, 2, 1])], DisconnectVerdict::Ignore),
    ] {
        assert_eq!(ask(&rules, attributes), verdict, "{attributes:?}");
    }
    for wrong in ["action", "action drop", "action clear x=1", "when ignore", "when ignore x=1", "when ignore 1=0x1"] {
        guest.refused(&[wrong]);
    }
}
