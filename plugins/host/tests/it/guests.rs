//! The real guests, built by `bindery-plugin build --all`; `BINDERY_GUESTS` names the directory.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use bindery_plugin_host::{
    Failure, Host, HostConfig, LoadError, LoadReason, OnFailure, Outcome, Plugin, PluginSpec, Setting, Source, Stage,
    Stages, v4,
};
use tempfile::TempDir;

use crate::exchange::Exchange;

/// A guest that has been built, with a host that compiles it once.
pub(crate) struct Guest {
    pub(crate) spec: PluginSpec,
    pub(crate) host: Host,
    _cache: TempDir,
}

/// The guest; none, said aloud, if guests have not been built.
pub(crate) fn guest(name: &str) -> Option<Guest> {
    let Some(dir) = std::env::var_os("BINDERY_GUESTS") else {
        // Not by `eprintln!`, which is shown for failed tests only.
        let _ = writeln!(std::io::stderr(), "SKIP guest {name}: BINDERY_GUESTS names no directory of built guests");
        return None;
    };
    let path = PathBuf::from(dir).join(name).with_extension("wasm");
    let mut spec = PluginSpec::new(name, Source::File(path));
    spec.stages = Stages::NONE.with(Stage::ShapeReply);
    let cache = tempfile::tempdir().unwrap();
    let config = HostConfig {
        cache_dir: Some(cache.path().join("cache")),
        start_deadline: Duration::from_millis(500),
        ..HostConfig::default()
    };
    Some(Guest { spec, host: Host::new(config).unwrap(), _cache: cache })
}

impl Guest {
    fn load(&self, lines: &[&str]) -> Result<Plugin, LoadError> {
        let settings = lines.iter().map(|line| setting(line)).collect();
        self.host.load(&PluginSpec { settings, ..self.spec.clone() })
    }

    pub(crate) fn refused(&self, lines: &[&str]) -> LoadError {
        self.load(lines).map(|_| ()).unwrap_err()
    }

    /// The reply after a good call with these settings.
    fn shaped(&self, lines: &[&str], mut exchange: Exchange) -> Exchange {
        let mut plugin = self.load(lines).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(plugin.shape_reply(&mut exchange), Outcome::Continue);
        exchange
    }
}

/// `name arguments... name=value...`, words apart by blanks; `_` stands for one in a word.
pub(crate) fn setting(line: &str) -> Setting {
    let (parent, line) = match line.split_once('>') {
        Some((parent, line)) => (Some(parent.parse().unwrap()), line),
        None => (None, line),
    };
    let mut words = line.split_whitespace().map(|word| word.replace('_', " "));
    let mut setting = Setting { parent, name: words.next().unwrap(), ..Setting::default() };
    for word in words {
        match word.split_once('=') {
            Some((name, value)) => setting.properties.push((name.into(), value.into())),
            None => setting.arguments.push(word),
        }
    }
    setting
}

#[test]
fn option_insert_knows_every_type() {
    let Some(guest) = guest("option-insert") else {
        return;
    };
    let cases: [(&str, &[u8]); 20] = [
        ("option 43 hex=0104c0000201", &[1, 4, 192, 0, 2, 1]),
        ("option 43 hex-string=AbCd", &[0xab, 0xcd]),
        ("option 43 hex=", &[]),
        ("option 43 string=isp.example", b"isp.example"),
        ("option 43 ip-address=10.0.0.42", &[10, 0, 0, 42]),
        ("option 43 ip-address=10.0.0.42 ip-address=10.0.0.43", &[10, 0, 0, 42, 10, 0, 0, 43]),
        ("option 43 ip-address 10.0.0.42 10.0.0.43", &[10, 0, 0, 42, 10, 0, 0, 43]),
        ("option 43 ipv6-address=2001:db8::1", &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ("option 43 byte=255", &[255]),
        ("option 43 short=-2", &[255, 254]),
        ("option 43 unsigned-short=1400", &[5, 120]),
        ("option 43 integer=-2", &[255, 255, 255, 254]),
        ("option 43 unsigned-integer=4294967295", &[255, 255, 255, 255]),
        ("option 43 unsigned-integer 1 2", &[0, 0, 0, 1, 0, 0, 0, 2]),
        ("option 43 flag=true", &[1]),
        ("option 43 flag=off", &[0]),
        ("option 43 byte=1 mode=replace", &[1]),
        ("option 43 byte=1 mode=insert", &[1]),
        ("option 1 byte=1", &[1]),
        ("option 254 byte=1", &[1]),
    ];
    for (line, wanted) in cases {
        let code = setting(line).arguments[0].parse().unwrap();
        let exchange = guest.shaped(&[line], Exchange::new());
        assert_eq!(exchange.reply_option(code), Some(wanted), "{line}");
    }
    let spaced = guest.shaped(&["option 15 string=a_b"], Exchange::new());
    assert_eq!(spaced.reply_option(15), Some(&b"a b"[..]));
}

#[test]
fn option_insert_inserts_replaces_and_removes() {
    let Some(guest) = guest("option-insert") else {
        return;
    };
    let lines = ["option 12 string=other mode=insert", "option 1 hex=ffff0000", "option 42 byte=1", "remove 43"];
    let mut exchange = Exchange::new();
    exchange.reply.push((43, vec![1]));
    let exchange = guest.shaped(&lines, exchange);
    assert_eq!(exchange.reply_option(12), Some(&b"host"[..]), "insert keeps what is there");
    assert_eq!(exchange.reply_option(1), Some(&[255, 255, 0, 0][..]));
    assert_eq!(exchange.reply_option(42), Some(&[1][..]));
    assert_eq!(exchange.reply_option(43), None);
    assert_eq!(exchange.reply_option(51), Some(&[0, 0, 14, 16][..]), "the rest is untouched");
    assert_eq!(guest.shaped(&[], Exchange::new()).reply, Exchange::new().reply);
}

#[test]
fn option_insert_settings_of_a_group_go_first() {
    let Some(guest) = guest("option-insert") else {
        return;
    };
    let lines = [
        "option 15 string=common",
        "group residential",
        "1>option 15 string=home",
        "1>remove 12",
        "group business",
        "4>option 26 unsigned-short=1400",
        "option 42 byte=1",
    ];
    let of = |group: &str| {
        let mut exchange = Exchange::new();
        exchange.group = group.into();
        let exchange = guest.shaped(&lines, exchange);
        [15, 12, 26, 42].map(|code| exchange.reply_option(code).map(<[u8]>::to_vec))
    };
    let (common, one, host) = (Some(b"common".to_vec()), Some(vec![1]), Some(b"host".to_vec()));
    assert_eq!(of("residential"), [Some(b"home".to_vec()), None, None, one.clone()]);
    assert_eq!(of("business"), [common.clone(), host.clone(), Some(vec![5, 120]), one.clone()]);
    assert_eq!(of(""), [common, host, None, one]);
}

#[test]
fn option_insert_looks_at_the_message() {
    let Some(guest) = guest("option-insert") else {
        return;
    };
    for (messages, changed) in [
        ("messages offer ack", [true, true, false]),
        ("messages nak", [false, false, true]),
        ("messages ack", [false, true, false]),
    ] {
        let seen = [2, 5, 6].map(|reply_type| {
            let mut exchange = Exchange::new();
            exchange.meta.reply_type = reply_type;
            guest.shaped(&[messages, "option 43 byte=1"], exchange).reply_option(43).is_some()
        });
        assert_eq!(seen, changed, "{messages}");
    }
}

/// Settings, the index of the one at fault, and words of the message.
const REFUSED: [(&[&str], usize, &str); 36] = [
    (&["option"], 0, "needs a code"),
    (&["option 43"], 0, "has no value"),
    (&["option 43 mode=insert"], 0, "has no value"),
    (&["option 43 hex=012"], 0, "even number"),
    (&["option 43 hex=0x"], 0, "even number"),
    (&["option 43 hex=+1"], 0, "even number"),
    (&["option 300 byte=1"], 0, "from 1 to 254"),
    (&["option 255 byte=1"], 0, "from 1 to 254"),
    (&["option 0 byte=1"], 0, "from 1 to 254"),
    (&["option -1 byte=1"], 0, "from 1 to 254"),
    (&["option x byte=1"], 0, "from 1 to 254"),
    (&["option 53 byte=1"], 0, "option 53 belongs to the server"),
    (&["option 43 byte=256"], 0, "from 0 to 255"),
    (&["option 43 byte=-1"], 0, "from 0 to 255"),
    (&["option 43 short=32768"], 0, "from -32768 to 32767"),
    (&["option 43 unsigned-short=65536"], 0, "from 0 to 65535"),
    (&["option 43 integer=x"], 0, "from -2147483648"),
    (&["option 43 unsigned-integer=4294967296"], 0, "from 0 to 4294967295"),
    (&["option 43 flag=maybe"], 0, "true or false"),
    (&["option 43 ip-address=10.0.0.256"], 0, "an IPv4 address"),
    (&["option 43 ipv6-address=10.0.0.1"], 0, "an IPv6 address"),
    (&["option 43 string="], 0, "empty string"),
    (&["option 43 colour=red"], 0, "unknown property \"colour\""),
    (&["option 43 byte"], 0, "needs a value"),
    (&["option 43 byte=1 mode=append"], 0, "unknown mode \"append\""),
    (&["option 43 byte=1 string=a"], 0, "more than one type"),
    (&["option 43 byte=1", "option 43 byte=2"], 1, "twice"),
    (&["option 43 byte=1", "remove 43"], 1, "twice"),
    (&["remove"], 0, "an option code"),
    (&["remove 12 13"], 0, "an option code"),
    (&["remove 12 quietly=true"], 0, "no property"),
    (&["messages ack", "messages offer"], 1, "twice"),
    (&["messages request"], 0, "unknown message \"request\""),
    (&["insert 43 byte=1"], 0, "unknown statement \"insert\""),
    (&["group residential", "0>group inner"], 1, "cannot stand in a group"),
    (&["option 43 byte=1", "0>option 44 byte=1"], 1, "at the top or in a group"),
];

#[test]
fn option_insert_refuses_wrong_settings() {
    let Some(guest) = guest("option-insert") else {
        return;
    };
    let long = format!("option 43 hex={}", "00".repeat(256));
    for (lines, index, words) in REFUSED.into_iter().chain([(&[long.as_str()][..], 0, "256 bytes are more than 255")]) {
        let error = guest.refused(lines);
        assert!(error.to_string().starts_with("plugin option-insert: settings: "), "{error}");
        match error.reason {
            LoadReason::Settings { setting, message } => {
                assert_eq!(setting, Some(index), "{lines:?}");
                assert!(message.contains(words), "{lines:?}: {message}");
            }
            other => panic!("{other}"),
        }
    }
}

#[test]
fn option_insert_and_host_forbid_the_same_options() {
    let Some(guest) = guest("option-insert") else {
        return;
    };
    for code in 0..=256 {
        let line = format!("remove {code}");
        let refused = guest.load(&[&line]).is_err();
        assert_eq!(refused, v4::is_forbidden(code), "{code}");
    }
}

#[test]
fn a_guest_is_told_everything() {
    let Some(guest) = guest("fixture-behave") else {
        return;
    };
    let mut plugin = guest.load(&["behave echo"]).unwrap();
    let mut exchange = Exchange::new();
    assert_eq!(plugin.shape_reply(&mut exchange), Outcome::Continue, "{}", plugin.stats().last_failure);
    let told = String::from_utf8(exchange.reply_option(43).unwrap().to_vec()).unwrap();
    let wanted = "Meta { address: Address::Ipv4(3221225994), request-type: 3, reply-type: 5, \
         state: ClientState::Renewing, mac: (2, 0, 0, 0, 0, 7), transaction-id: 305419896, session-id: 99, \
         lease-seconds: 3600 } residential eth0.7 Some(Address::Ipv4(3221225985)) Some(\"ci\") Some(\"rid\") \
         Some(\"vendor\") None [53, 1, 3, 55, 3, 1, 3, 6, 60, 3, 118, 101, 110, 60, 3, 100, 111, 114, 82, 9, 1, 2, \
         99, 105, 2, 3, 114, 105, 100]";
    assert_eq!(told, wanted);
}

#[test]
fn misbehaviour_is_contained() {
    let Some(mut guest) = guest("fixture-behave") else {
        return;
    };
    // Growing to 16 MiB takes longer than 5 ms on a loaded machine.
    guest.spec.deadline = Duration::from_millis(300);
    let failed = |failure| Outcome::Failed(failure, OnFailure::Continue);
    for (line, outcome) in [
        ("behave good", Outcome::Continue),
        ("behave cost", Outcome::Continue),
        ("behave drop", Outcome::Drop),
        ("behave spin", failed(Failure::Deadline)),
        ("behave trap", failed(Failure::Trap)),
        ("behave grow", failed(Failure::Memory)),
        ("behave flood", failed(Failure::Output)),
        ("behave huge", failed(Failure::Output)),
        ("behave forbidden code=53", failed(Failure::BadVerdict)),
        ("behave forbidden code=54", failed(Failure::BadVerdict)),
        ("behave forbidden code=300", failed(Failure::BadVerdict)),
    ] {
        let mut plugin = guest.load(&[line]).unwrap();
        for _ in 0..2 {
            let mut exchange = Exchange::new();
            assert_eq!(plugin.shape_reply(&mut exchange), outcome, "{line}: {}", plugin.stats().last_failure);
            assert_eq!(exchange.reply == Exchange::new().reply, outcome != Outcome::Continue, "{line}");
        }
    }
    for (line, wanted) in [
        ("behave spin-at-start", Failure::Deadline),
        ("behave trap-at-start", Failure::Trap),
        ("behave grow-at-start", Failure::Memory),
    ] {
        let reason = guest.refused(&[line]).reason;
        assert!(matches!(reason, LoadReason::Start { failure, .. } if failure == wanted), "{line}: {reason}");
    }
}

#[test]
fn a_restarted_guest_has_its_settings_and_no_memory_of_the_past() {
    let Some(guest) = guest("fixture-behave") else {
        return;
    };
    let mut plugin = guest.load(&["behave trap"]).unwrap();
    for _ in 0..2 {
        let outcome = plugin.shape_reply(&mut Exchange::new());
        assert_eq!(outcome, Outcome::Failed(Failure::Trap, OnFailure::Continue));
    }
    assert_eq!(plugin.stats().restarts, 1);
}

#[test]
fn guests_that_cannot_be_bound() {
    if let Some(guest) = guest("fixture-wrong-version") {
        let error = guest.refused(&[]);
        let wanted = "plugin fixture-wrong-version: it needs bindery:shape-reply@2.0.0, this version has \
                      bindery:shape-reply@1.0.0: build it for that, or upgrade";
        assert_eq!(error.to_string(), wanted);
    }
    if let Some(guest) = guest("fixture-missing-export") {
        let error = guest.refused(&[]);
        let wanted = "plugin fixture-missing-export: it has no hook for stage shape-reply: it must export \
                      bindery:shape-reply/hook, or be bound elsewhere";
        assert_eq!(error.to_string(), wanted);
    }
}
