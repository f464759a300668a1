//! A component that was built against the first frozen interfaces: it must load and work for ever.

use std::path::Path;

use bindery_engine::policy::{Admit, Lookup, Steer, Token};
use bindery_plugin_host::{
    ClientState, LoadReason, Outcome, Plugin, PluginSpec, Setting, ShapeMeta, Source, Stage, Stages,
};

use crate::exchange::Exchange;
use crate::stages::packet;
use crate::text;

fn spec(name: &str) -> PluginSpec {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    let mut spec = PluginSpec::new("frozen", Source::File(file));
    spec.stages = Stages::NONE.with(Stage::Admit).with(Stage::ShapeReply);
    let property = ("name".to_owned(), "value".to_owned());
    let one = Setting { name: "one".into(), arguments: vec!["1".into()], properties: vec![property], parent: None };
    spec.settings = vec![one, Setting { name: "two".into(), parent: Some(0), ..Setting::default() }];
    spec
}

fn load() -> Plugin {
    text::host().load(&spec("frozen-1.0.0.wasm")).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn shape_reply_1_0_0() {
    let mut plugin = load();
    let mut exchange = Exchange::new();
    assert_eq!(plugin.shape_reply(&mut exchange), Outcome::Continue);
    assert_eq!(exchange.reply_option(12), None);
    let told = String::from_utf8(exchange.reply_option(43).unwrap().to_vec()).unwrap();
    for part in [
        "address: Address::Ipv4(3221225994)",
        "state: ClientState::Renewing",
        "session-id: 99, lease-seconds: 3600",
        " residential eth0.7 Some(Address::Ipv4(3221225985)) Some([99, 105]) Some([114, 105, 100])",
        "name: \"two\"",
        "(\"name\", \"value\")",
    ] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    exchange.meta = ShapeMeta { reply_type: 6, state: ClientState::Other, ..exchange.meta };
    assert_eq!(plugin.shape_reply(&mut exchange), Outcome::Drop);
}

#[test]
fn admit_1_0_0() {
    let mut plugin = load();
    let ask = |plugin: &mut Plugin, kind, steer: Steer| {
        let bytes = packet(kind);
        let request = bindery_wire::v4::Packet::parse(&bytes, bindery_wire::v4::ParseRules::default()).unwrap();
        let token = Token { engine: 0, slot: 0, generation: 0 };
        let mut question = Admit {
            request: &request,
            unicast: false,
            group: "g",
            interface: "eth0",
            token,
            sessions: Lookup::NONE,
            steer,
        };
        (plugin.admit(&mut question), question.steer)
    };
    assert_eq!(ask(&mut plugin, 1, Steer::default()), (Outcome::Continue, Steer::default()));
    assert_eq!(ask(&mut plugin, 4, Steer::default()), (Outcome::Drop, Steer::default()));
    let before = Steer { pool: Some("p".into()), ..Steer::default() };
    let (outcome, steer) = ask(&mut plugin, 3, before);
    assert_eq!(outcome, Outcome::Continue, "{}", plugin.stats().last_failure);
    assert_eq!((steer.group.as_deref(), steer.pool.as_deref()), (Some("g-chosen"), Some("p-chosen")));
    let class = steer.class.unwrap();
    assert!(class.starts_with("eth0 Some(Address::Ipv4(3221225985)) Some([99, 105])"), "{class}");
}

#[test]
fn settings_1_0_0() {
    let mut spec = spec("frozen-1.0.0.wasm");
    spec.settings.push(Setting { name: "refuse".into(), ..Setting::default() });
    let error = text::host().load(&spec).map(|_| ()).unwrap_err();
    assert!(matches!(error.reason, LoadReason::Settings { setting: Some(2), .. }), "{error}");
}
