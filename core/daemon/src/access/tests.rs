use super::*;
use bindery_config::load;
use bindery_engine::{
    config::{Config, PluginId},
    input::RxMeta,
    policy::ShapeReply,
};
use bindery_radius::{client::Failure, config::NasConfig, shell::Settings};
use bindery_types::{EngineId, IfIndex, MacAddr};
use bindery_wire::v4::MessageBuilder;

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 7]);

/// Group `isp` asks RADIUS, `lax` takes whom RADIUS does not know, `free` asks nobody.
const TEXT: &str = r#"
system { services { dhcp-local-server {
    authentication { password Hush; username-include { user-prefix u; mac-address; interface-name } }
    group isp { interface eth0; access-profile isp }
    group lax { interface eth1; access-profile lax }
    group free { interface eth2 }
} } }
access {
    radius-server "127.0.0.1" { secret s; max-outstanding-requests 0 }
    profile isp {
        radius { authentication-server "127.0.0.1"; accounting-server "127.0.0.1" }
        accounting { accounting-stop-on-access-deny; accounting-stop-on-failure }
        session-options { client-session-timeout 3 }
    }
    profile lax { authentication-order radius none; radius { authentication-server "127.0.0.1" } }
}
"#;

/// Remembers what it is asked and changes what it is told to.
#[derive(Default)]
struct Plugin {
    asked: Vec<(Phase, String, Vec<Attribute>)>,
    change: Option<fn(&mut Authorize<'_>)>,
    hook: Option<Hook>,
}

impl Policy for Plugin {
    fn shape_reply(&mut self, _: Now, _: &[PluginId], _: &mut ShapeReply<'_>) -> Hook {
        Hook::Done(Verdict::Continue)
    }

    fn authorize(&mut self, _: Now, _: &[PluginId], stage: &mut Authorize<'_>) -> Hook {
        assert!(stage.sessions.is_available());
        self.asked.push((stage.phase, stage.username.to_string(), stage.attributes.clone()));
        if let Some(change) = self.change {
            change(stage);
        }
        self.hook.unwrap_or(Hook::Done(Verdict::Continue))
    }
}

struct World {
    access: Access,
    engine: Engine,
    now: Now,
    records: tokio::sync::mpsc::Receiver<crate::accounting::Fact>,
    _runtime: tokio::runtime::Runtime,
}

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // The task never runs: what it is told is all that counts.
        let radius = bindery_radius::shell::spawn(runtime.handle(), Settings::default(), |_| true).unwrap();
        let now = Now::default();
        let engine = Engine::new(EngineId(0), 1, now, Arc::new(Config::default()));
        let (feed, records) = Feed::new();
        Self { access: Access::new(radius, Self::aaa(), feed), engine, now, records, _runtime: runtime }
    }

    fn aaa() -> Arc<Aaa> {
        let loaded = load("f.kdl", TEXT).unwrap_or_else(|errors| panic!("{errors}"));
        Arc::new(Aaa::of(&loaded.model, NasConfig { identifier: "bng".into(), address: None }))
    }

    fn ask(&mut self, group: &str, chained: bool, policy: &mut Plugin) -> Option<Authorization> {
        let question = question(group, chained);
        self.access.ask(self.now, &self.engine, policy, question)
    }

    fn answer(&mut self, answer: Answer, policy: &mut Plugin) -> Option<Said> {
        self.access.answered(self.now, &self.engine, policy, 1, (answer, None))
    }
}

fn question(group: &str, chained: bool) -> AccessQuestion {
    let (src, dst) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST);
    AccessQuestion {
        tag: 1,
        instance: "default".into(),
        group: group.into(),
        interface: "eth9".into(),
        chain: if chained { [PluginId(0)].into() } else { Box::default() },
        meta: RxMeta { link: IfIndex(1), src, src_port: 68, dst, src_mac: None },
        request: MessageBuilder::discover(MAC)
            .relay_agent(&[(SubOption::CIRCUIT_ID, b"line 1"), (SubOption::REMOTE_ID, b"far")])
            .build()
            .into(),
    }
}

fn list(attributes: &[(Type, &[u8])]) -> AttributeList {
    let mut list = AttributeList::new();
    attributes.iter().for_each(|(kind, value)| list.push(*kind, value).unwrap());
    list
}

fn granted(said: Option<Said>) -> Grant {
    match said {
        Some(Said::Answer(Authorization::Accepted(grant), _)) => *grant,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_group_that_asks_nobody_lets_its_plugins_decide_at_once() {
    let mut world = World::new();
    let change: fn(&mut Authorize<'_>) = |stage| {
        stage.username = "alice".into();
        stage.steer.pool = Some("gold".into());
    };
    let mut plugin = Plugin { change: Some(change), ..Plugin::default() };
    let Some(Authorization::Accepted(grant)) = world.ask("free", true, &mut plugin) else { panic!() };
    assert_eq!((&*grant.subscriber.username, grant.steer.pool.as_deref()), ("alice", Some("gold")));
    assert_eq!(plugin.asked, [(Phase::After, String::new(), vec![])]);

    plugin.hook = Some(Hook::Done(Verdict::Drop));
    assert_eq!(world.ask("free", true, &mut plugin), Some(Authorization::Rejected));
    plugin.hook = Some(Hook::Pending { deadline: Mono(9) });
    assert_eq!(world.ask("free", true, &mut plugin), Some(Authorization::Unavailable));
}

#[test]
fn plugins_see_the_request_before_and_the_grant_after() {
    let mut world = World::new();
    let change: fn(&mut Authorize<'_>) = |stage| match stage.phase {
        Phase::Before => stage.username = "bob".into(),
        Phase::After => stage.attributes.retain(|attribute| attribute.code != Type::FRAMED_POOL.0),
    };
    let mut plugin = Plugin { change: Some(change), ..Plugin::default() };
    assert_eq!(world.ask("isp", true, &mut plugin), None, "RADIUS is asked");
    let (phase, username, attributes) = &plugin.asked[0];
    assert_eq!((*phase, username.as_str()), (Phase::Before, "u.0200.0000.0007.eth9"));
    let has =
        |vendor, code, value: &[u8]| attributes.iter().any(|a| (a.vendor, a.code, &*a.value) == (vendor, code, value));
    assert!(has(3561, 1, b"line 1") && has(3561, 2, b"far") && has(0, 87, b"eth9") && has(0, 32, b"bng"));
    assert!(attributes.iter().all(|a| a.vendor != 0 || a.code != 1), "the name is told apart");

    let accept = list(&[(Type::FRAMED_POOL, b"gold"), (Type::CLASS, b"c"), (Type::SESSION_TIMEOUT, &[0, 0, 0, 9])]);
    let grant = granted(world.answer(Answer::Accept(accept), &mut plugin));
    assert_eq!((&*grant.subscriber.username, grant.steer.pool, grant.session_secs), ("bob", None, Some(9)));
    assert_eq!(grant.subscriber.classes, [Box::from(*b"c")]);
    assert_eq!(plugin.asked[1].0, Phase::After);
    assert!(world.answer(Answer::Accept(AttributeList::new()), &mut plugin).is_none(), "it waits no more");
}

#[test]
fn what_radius_says_is_what_the_engine_hears() {
    let accept = list(&[(Type::USER_NAME, b"carol"), (Type::FRAMED_IP_ADDRESS, &[10, 0, 0, 9])]);
    let mut world = World::new();
    let mut nobody = Plugin::default();
    assert_eq!(world.ask("isp", false, &mut nobody), None);
    let grant = granted(world.answer(Answer::Accept(accept), &mut nobody));
    assert_eq!((&*grant.subscriber.username, grant.steer.address), ("carol", Some(Ipv4Addr::new(10, 0, 0, 9))));
    assert_eq!(grant.session_secs, Some(180), "of the profile");

    world.ask("isp", false, &mut nobody);
    let said = world.answer(Answer::Reject(AttributeList::new()), &mut nobody);
    assert!(matches!(said, Some(Said::Answer(Authorization::Rejected, None))));
    assert!(matches!(world.records.try_recv(), Ok(crate::accounting::Fact::Denied(denied)) if denied.tag == 1));
    world.ask("isp", false, &mut nobody);
    let said = world.answer(Answer::Failed(Failure::Timeout), &mut nobody);
    assert!(matches!(said, Some(Said::Answer(Authorization::Unavailable, None))));
    world.ask("lax", false, &mut nobody);
    let grant = granted(world.answer(Answer::Failed(Failure::Timeout), &mut nobody));
    assert_eq!(&*grant.subscriber.username, "u.0200.0000.0007.eth9");
    assert!(nobody.asked.is_empty());
    assert!(world.answer(Answer::Failed(Failure::Timeout), &mut nobody).is_none());
    let counted = Asked { requests: 4, accepts: 1, rejects: 1, failures: 3, refused: 0, late: 1 };
    assert_eq!(world.access.counted(), counted);
}

#[test]
fn what_is_granted_in_vain_has_a_record_ready() {
    let mut world = World::new();
    let mut nobody = Plugin::default();
    world.ask("isp", false, &mut nobody);
    let accept = list(&[(Type::USER_NAME, b"carol"), (Type::CLASS, b"c")]);
    let Some(Said::Answer(Authorization::Accepted(_), Some(ready))) = world.answer(Answer::Accept(accept), &mut nobody)
    else {
        panic!()
    };
    assert_eq!((&*ready.username, ready.classes.len(), ready.cause), ("carol", 1, TerminateCause::SERVICE_UNAVAILABLE));
    world.access.in_vain(world.now, *ready);
    assert!(world.records.try_recv().is_ok());
    world.ask("lax", false, &mut nobody);
    let said = world.answer(Answer::Accept(AttributeList::new()), &mut nobody);
    assert!(matches!(said, Some(Said::Answer(Authorization::Accepted(_), None))), "not asked for");
}

#[test]
fn after_a_commit_a_newcomer_is_judged_anew() {
    let mut world = World::new();
    let mut nobody = Plugin::default();
    world.ask("isp", false, &mut nobody);
    world.access.configure(World::aaa());
    let said = world.answer(Answer::Accept(AttributeList::new()), &mut nobody);
    assert!(matches!(said, Some(Said::Again(question)) if question.tag == 1));
}

#[test]
fn who_gets_no_answer_is_forgotten() {
    let mut world = World::new();
    let mut nobody = Plugin::default();
    world.ask("isp", false, &mut nobody);
    world.now.mono = world.now.mono.plus(PATIENCE);
    world.access.expire(world.now);
    assert!(world.access.waiting.is_empty() && world.access.deadlines.is_empty());
}

#[test]
fn attributes_come_back_as_they_were() {
    let mut made = list(&[(Type::CLASS, b"one"), (Type::CLASS, b"two"), (Type::VENDOR_SPECIFIC, &[0, 0, 0, 9, 1])]);
    made.push_vendor(3561, 1, b"line").unwrap();
    let mut again = AttributeList::new();
    push_all(&mut again, flat(&made).iter()).unwrap();
    assert_eq!(again, made);
}

#[test]
fn only_routes_via_the_client_are_taken() {
    let route = |text| framed_route(text, Some(Ipv4Addr::new(10, 0, 0, 9))).map(|r| format!("{}/{}", r.network, r.len));
    let good = [
        ("10.9.0.0/24 0.0.0.0 1", "10.9.0.0/24"),
        ("10.9.0.0/24 10.0.0.9 1 2", "10.9.0.0/24"),
        ("10.9.0.1/32", "10.9.0.1/32"),
        ("10.0.0.0 0.0.0.0", "10.0.0.0/8"),
        ("172.16.0.0 0.0.0.0 1", "172.16.0.0/16"),
        ("192.168.1.0 0.0.0.0 1", "192.168.1.0/24"),
    ];
    for (text, wanted) in good {
        assert_eq!(route(text).as_deref(), Some(wanted), "{text}");
    }
    for text in [
        "",
        "x",
        "10.9.0.0/24 10.0.0.1 1",
        "10.9.0.1/24 0.0.0.0 1",
        "0.0.0.0/0 0.0.0.0 1",
        "10.0.0.0/33",
        "224.0.0.0/8",
    ] {
        assert_eq!(route(text), None, "{text}");
    }
    let many: Vec<String> = (0..40).map(|n| format!("10.{n}.0.0/16 0.0.0.0 1")).collect();
    let mut accept = AttributeList::new();
    many.iter().for_each(|text| accept.push(Type::FRAMED_ROUTE, text.as_bytes()).unwrap());
    let grant = grant("u".into(), &accept, Steer::default(), None);
    assert_eq!(grant.subscriber.route.extra.len(), EXTRA_ROUTES_MAX);
}

#[test]
fn a_plugin_cannot_make_what_the_client_of_radius_makes() {
    let world = World::new();
    let question = question("isp", true);
    let packet = Packet::parse(&question.request, ParseRules { allow_no_end_option: true }).unwrap();
    let case = Case { engine: &world.engine, question: &question, packet: &packet, group: None };
    let change: fn(&mut Authorize<'_>) = |stage| {
        stage.username = "bob".into();
        for kind in [Type::USER_NAME, Type::USER_PASSWORD, Type::MESSAGE_AUTHENTICATOR, Type::CALLED_STATION_ID] {
            stage.attributes.push(Attribute { vendor: 0, code: kind.0, value: Box::from(*b"theirs") });
        }
    };
    let mut plugin = Plugin { change: Some(change), ..Plugin::default() };
    let (username, made, _) =
        before(world.now, &mut plugin, &case, "alice", list(&[(Type::USER_NAME, b"alice"), (Type::CLASS, b"c")]))
            .unwrap();
    assert_eq!(&*username, "bob");
    let wanted = list(&[(Type::USER_NAME, b"bob"), (Type::CLASS, b"c"), (Type::CALLED_STATION_ID, b"theirs")]);
    assert_eq!(made, wanted);
}
