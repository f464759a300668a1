//! The schema table against itself, and against what the model makes of it.

use crate::access::access;
use crate::expectations::{Tables, expect};
use bindery_config::schema::{Apply, Kind, ROOT, Statement, reference};
use bindery_config::{Loaded, load_with, model::Trace, tree};
use bindery_engine::{
    config::{ForwardSnooped, RouteSuppression},
    policy::Stage,
};
use std::collections::BTreeMap;
use std::path::Path;

/// Every built statement with the words that lead to it; a name stands for each instance.
fn built() -> Vec<(String, &'static Statement)> {
    fn walk(statement: &'static Statement, path: &str, found: &mut Vec<(String, &'static Statement)>) {
        // What stands in a group has been seen where it stands else.
        let children = if statement.partial { &[] } else { statement.children() };
        for child in children.iter().filter(|child| child.built) {
            let path = if path.is_empty() { child.name.to_owned() } else { format!("{path} {}", child.name) };
            found.push((path.clone(), child));
            walk(child, &path, found);
        }
    }
    let mut found = Vec::new();
    walk(&ROOT, "", &mut found);
    found
}

fn is_leaf(statement: &Statement) -> bool {
    matches!(statement.kind, Kind::Leaf(_) | Kind::LeafList(_) | Kind::Flag | Kind::Free)
}

#[test]
fn every_built_statement_has_help_and_every_leaf_an_example() {
    for (path, statement) in built() {
        assert!(statement.help.ends_with('.') && statement.help.len() > 5, "{path}: {:?}", statement.help);
        assert!(statement.help.is_ascii(), "{path}");
        let needs = matches!(statement.kind, Kind::Leaf(_) | Kind::LeafList(_));
        assert_eq!(needs, !statement.example.is_empty() && !matches!(statement.kind, Kind::Free), "{path}: example");
        assert!(statement.default.is_none() || needs, "{path}: only leaves have defaults");
        if !statement.source.is_empty() {
            assert!(
                statement.source.starts_with("RFC ") && statement.source.contains('§'),
                "{path}: {}",
                statement.source
            );
        }
    }
}

#[test]
fn names_are_unique_among_siblings() {
    fn walk(statement: &'static Statement, depth: usize) {
        let mut names: Vec<_> = statement.children().iter().map(|child| child.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count, "twice in `{}`: {names:?}", statement.name);
        assert!(depth < tree::DEPTH_MAX, "the table is deeper than a text may be");
        // Words of commands, and the member that names an instance in JSON.
        let taken = ["to", "before", "after"].into_iter().chain(statement.ordered.then_some("name"));
        taken.for_each(|word| assert!(statement.child(word).is_none(), "`{word}` in `{}`", statement.name));
        statement.children().iter().for_each(|child| walk(child, depth + 1));
    }
    walk(&ROOT, 0);
}

/// Who ends an instance ends all that is in it.
#[test]
fn an_instance_is_no_milder_than_what_is_in_it() {
    let rank = |statement: &Statement| match statement.apply {
        Apply::Hot => 0,
        Apply::NewSessionsOnly => 1,
        Apply::AffectsSessions => 2,
    };
    let all = built();
    for (path, statement) in all.iter().filter(|(_, it)| matches!(it.kind, Kind::Named(..)) && !it.partial) {
        let inner = all.iter().filter(|(other, it)| {
            !matches!(it.kind, Kind::Container(_) | Kind::Select(_)) && other.starts_with(&format!("{path} "))
        });
        for (other, it) in inner {
            assert!(rank(it) <= rank(statement), "{path} is {:?}, {other} is {:?}", statement.apply, it.apply);
        }
    }
}

#[test]
fn defaults_and_examples_fit_their_types() {
    for (path, statement) in built() {
        let (Kind::Leaf(ty) | Kind::LeafList(ty)) = &statement.kind else { continue };
        let example = tree::parse("example", &format!("x {}", statement.example)).unwrap();
        for argument in &example.nodes[0].arguments {
            assert!(bindery_config::value::typed(ty, &argument.value).is_ok(), "{path}: {}", statement.example);
        }
        if let Some(default) = statement.default {
            let value = default.parse().map_or_else(|_| tree::Value::Text(default.to_owned()), tree::Value::Integer);
            assert!(bindery_config::value::typed(ty, &value).is_ok(), "{path}: default {default}");
        }
    }
}

#[test]
fn the_reference_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference.md");
    expect(&file, &reference()).unwrap_or_else(|_| panic!("reference.md is out of date: UPDATE_EXPECT=1 writes it"));
}

/// A configuration with a place for every statement: `%PATH%` marks where the statements of a block go.
const BASE: &str = r#"
interfaces s0 { auto-configure {
    vlan-ranges { ranges "100-199" }; stacked-vlan-ranges { ranges "200,any" }; %interfaces auto-configure%
} }
system { login { class c0 { permissions view }; user u0 { class c0 } }
processes { dhcp-service {
    %system processes dhcp-service%
    ltv-syslog-interval { %system processes dhcp-service ltv-syslog-interval% }
    traceoptions {
        %system processes dhcp-service traceoptions%
        file all { %system processes dhcp-service traceoptions file% }
    }
    interface-traceoptions {
        %system processes dhcp-service interface-traceoptions%
        file some { %system processes dhcp-service interface-traceoptions file% }
    }
} }
@SERVER@ }
@INSTANCE@
access { %access%
protocol-attributes set { dhcp { option 224 { string set }; %access protocol-attributes dhcp% } }
radius-disconnect "192.0.2.9" { secret one }
radius-server "192.0.2.1" { secret first; %access radius-server% }
radius-server "192.0.2.2" { secret second }
radius-options { %access radius-options% }
profile p0 {
    %access profile%
    radius { authentication-server "192.0.2.1"; accounting-server "192.0.2.1" }
    accounting { %access profile accounting% }
}
profile p1 { radius { authentication-server "192.0.2.2" } }
@POOLS@ }
routing-options { access-internal {
    %routing-options access-internal%
    driver { path "plane.so"; %routing-options access-internal driver% }
} }
plugins {
    plugin a { path "a.wasm"; %plugins plugin% }
    plugin b { path "b.wasm" }
}
policy { %policy% }
"#;

/// The local server and the pools of the base: at the top, or all in a routing instance.
const BASE_SERVER: &str = r#"services { dhcp-local-server {
    %system services dhcp-local-server%
    traceoptions {
        %system services dhcp-local-server traceoptions%
        file own { %system services dhcp-local-server traceoptions file% }
    }
    interface-traceoptions {
        %system services dhcp-local-server interface-traceoptions%
        file own-some { %system services dhcp-local-server interface-traceoptions file% }
    }
    overrides { interface-client-limit 7; address-probe { %system services dhcp-local-server overrides address-probe% }; delay-offer { %system services dhcp-local-server overrides delay-offer% }; %system services dhcp-local-server overrides% }
    reconfigure { %system services dhcp-local-server reconfigure% }
    liveness-detection {
        %system services dhcp-local-server liveness-detection%
        method { layer2-liveness-detection {
            %system services dhcp-local-server liveness-detection method layer2-liveness-detection%
        } }
    }
    lease-time-validation { lease-time-threshold 611; %system services dhcp-local-server lease-time-validation% }
    short-cycle-protection { %system services dhcp-local-server short-cycle-protection% }
    overload {
        per-interface { rate 71; burst 72 }
        per-client { rate 73; burst 74 }
        per-circuit { rate 75; burst 76 }
        %system services dhcp-local-server overload%
    }
    access-profile p0
    authentication {
        %system services dhcp-local-server authentication%
        username-include { user-prefix one; %system services dhcp-local-server authentication username-include% }
    }
    group g0 {
        access-profile p1
        authentication {
            %system services dhcp-local-server group authentication%
            username-include {
                user-prefix two
                %system services dhcp-local-server group authentication username-include%
            }
        }
        lease-time-validation {
            lease-time-threshold 621
            %system services dhcp-local-server group lease-time-validation%
        }
        overrides { interface-client-limit 8; address-probe { %system services dhcp-local-server group overrides address-probe% }; delay-offer { %system services dhcp-local-server group overrides delay-offer% }; %system services dhcp-local-server group overrides% }
        reconfigure { %system services dhcp-local-server group reconfigure% }
        liveness-detection {
            %system services dhcp-local-server group liveness-detection%
            method { layer2-liveness-detection {
                %system services dhcp-local-server group liveness-detection method layer2-liveness-detection%
            } }
        }
        policy { %system services dhcp-local-server group policy% }
        short-cycle-protection { %system services dhcp-local-server group short-cycle-protection% }
        %system services dhcp-local-server group%
        interface eth0 {
            %system services dhcp-local-server group interface%
            overrides { interface-client-limit 9; address-probe { %system services dhcp-local-server group interface overrides address-probe% }; delay-offer { %system services dhcp-local-server group interface overrides delay-offer% }; %system services dhcp-local-server group interface overrides% }
            policy { %system services dhcp-local-server group interface policy% }
            short-cycle-protection { %system services dhcp-local-server group interface short-cycle-protection% }
        }
    }
    group g1 { interface eth1 { overrides { protocol-attributes set } } }
} }"#;
const BASE_POOLS: &str = r#"address-assignment {
    %access address-assignment%
    pool p0 {
        %access address-assignment pool%
        family inet {
            network "10.0.0.0/16"
            range r { low "10.0.1.10"; high "10.0.1.20" }
            excluded-range x { low "10.0.1.11"; high "10.0.1.12" }
            host h { hardware-address "02:00:00:00:00:01"; ip-address "10.0.2.1"; %access address-assignment pool family inet host% }
            %access address-assignment pool family inet%
            dhcp-attributes { %access address-assignment pool family inet dhcp-attributes% }
        }
    }
    pool p1 { family inet { network "10.1.0.0/16" } }
}"#;

/// The base with its server and pools in a routing instance, or at the top.
fn base(inside: bool) -> String {
    // The profile of the server hides the one of the instance.
    let server = BASE_SERVER.replacen("    access-profile p0\n", "", 1);
    let instance = format!(
        "routing-instances ri {{ access-profile p0; interface eth0; interface eth1; %{INSTANCE}%
         system {{ {server} }}; access {{ %access%\n{BASE_POOLS} }} }}"
    );
    let [server, pools, instance] =
        if inside { ["", "", instance.as_str()] } else { [BASE_SERVER, BASE_POOLS, "routing-instances ri"] };
    BASE.replace("@SERVER@", server).replace("@POOLS@", pools).replace("@INSTANCE@", instance)
}

const INSTANCE: &str = "routing-instances";

/// Where the leaf `path` is in the base: one of server and pools of a routing instance is that of the top, and the base
/// has them in an instance then.
fn place(path: &str) -> (&str, bool) {
    match path.strip_prefix("routing-instances ") {
        Some(inner) if inner.contains(' ') => (inner, true),
        Some(_) => (path, true),
        None => (path, false),
    }
}

/// What the daemon gets of the base with `statement` in the block `path`, or with `from` replaced by `to`.
fn effect(edit: &Edit, inside: bool) -> String {
    let mut text = base(inside);
    match edit {
        Edit::None => {}
        Edit::Put(path, statement) => {
            let mark = format!("%{path}%");
            assert!(text.contains(&mark), "no place for {path}");
            text = text.replace(&mark, statement);
        }
        Edit::Replace(from, to) => {
            assert_eq!(text.matches(from).count(), 1, "{from}");
            text = text.replace(from, to);
        }
    }
    let text: String =
        text.split('%').enumerate().map(|(index, part)| if index % 2 == 0 { part } else { "" }).collect();
    let loaded = load_with("base", &text, &Tables).unwrap_or_else(|errors| panic!("{errors}"));
    let plugins: Vec<_> = loaded
        .plugins
        .iter()
        .map(|plugin| {
            let settings = bindery_config::flatten(&plugin.settings);
            let settings: Vec<_> =
                settings.into_iter().map(|it| (it.parent, it.name, it.arguments, it.properties)).collect();
            format!(
                "{} {} {} {} {} {:?} {:?} {settings:?}",
                plugin.name,
                plugin.path,
                plugin.deadline_ms,
                plugin.memory_max,
                plugin.output_max,
                plugin.on_failure,
                plugin.grants
            )
        })
        .collect();
    let login = bindery_config::model::permission_of(&loaded.model.login, "u0");
    let (traces, vlans) = (traces(&loaded), &loaded.model.auto_configure);
    format!("{:?} {:?} {plugins:?} {} {login:?} {traces:?} {vlans:?}", loaded.engine, loaded.system, access(&loaded))
}

/// What is traced, without places in the text: those differ with any edit.
fn traces(loaded: &Loaded) -> Vec<String> {
    let servers = loaded.model.instances().map(|instance| &instance.server.traces);
    let all = std::iter::once(&loaded.model.traces).chain(servers).flat_map(|of| [&of.all, &of.interface]);
    let told = |it: &Trace| {
        let file = it.file.as_ref().map(|file| &file.value);
        let (size, files, readable) = (it.size, it.files, it.world_readable);
        let (matching, level, flags, clients) = (&it.matching, &it.level, &it.flags, &it.clients);
        format!("{file:?} {size} {files} {readable:?} {matching} {level} {flags:?} {clients:?}")
    };
    all.flatten().map(told).collect()
}

enum Edit {
    None,
    /// A statement in the block of this path.
    Put(String, String),
    /// One text of the base by another.
    Replace(&'static str, &'static str),
}

/// Statements that differ from what holds without them, by the path of the leaf.
#[derive(Default)]
struct Edits(BTreeMap<String, Edit>);

impl Edits {
    /// A statement for the block `path`; the leaf is the innermost statement of it.
    fn put(&mut self, path: &str, statement: &str) {
        let parsed = tree::parse("edit", statement).unwrap();
        let mut leaf = &parsed.nodes[0];
        let mut full = format!("{path} {}", leaf.name);
        while let [child] = leaf.children.as_slice() {
            full = format!("{full} {}", child.name);
            leaf = child;
        }
        self.0.insert(full, Edit::Put(path.to_owned(), statement.to_owned()));
    }

    fn traces(&mut self) {
        for (at, name) in ["system processes dhcp-service", SERVER]
            .into_iter()
            .flat_map(|at| ["traceoptions", "interface-traceoptions"].map(|name| (at, name)))
        {
            let path = format!("{at} {name}");
            for statement in ["level all", "flag packet state", "client \"02:00:00:00:00:01\""] {
                self.put(&path, statement);
            }
            let path = format!("{path} file");
            for statement in ["size 20000", "files 9", "world-readable", "no-world-readable", "match a"] {
                self.put(&path, statement);
            }
        }
        self.put("system services dhcp-local-server group interface", "trace");
    }

    fn vlans(&mut self) {
        self.put("interfaces auto-configure", "remove-when-no-subscribers");
        for (of, from, to) in [("vlan-ranges", "100-199", "100-198"), ("stacked-vlan-ranges", "200,any", "200,7")] {
            self.0.insert(format!("interfaces auto-configure {of} ranges"), Edit::Replace(from, to));
        }
    }

    fn instance(&mut self) {
        for statement in ["instance-type vrf", "vrf-device red", "routing-table 100"] {
            self.put(INSTANCE, statement);
        }
        let profile = Edit::Replace("access-profile p0", "access-profile p1");
        self.0.insert(format!("{INSTANCE} access-profile"), profile);
    }

    fn liveness(&mut self) {
        for level in ["", " group", " group interface"] {
            let probe = format!("{SERVER}{level} overrides address-probe");
            for statement in ["timeout 100", "attempts 2", "include-returning-clients"] {
                self.put(&probe, statement);
            }
        }
        for level in ["", " group"] {
            let liveness = format!("{SERVER}{level} liveness-detection");
            self.put(&liveness, "failure-action log-only");
            let method = format!("{liveness} method layer2-liveness-detection");
            self.put(&method, "transmit-interval 600");
            self.put(&method, "max-consecutive-retries 4");
        }
        self.put(SERVER, "no-rogue-server-detection");
    }

    fn overrides(&mut self) {
        for level in ["", " group", " group interface"] {
            let overrides = format!("{SERVER}{level} overrides");
            for statement in [
                "process-inform { pool p1 }",
                "no-arp",
                "allow-no-end-option",
                "delete-binding-on-renegotiation",
                "nak-unknown-renew",
                "nak-unknown-rebind",
                "include-option-82 { nak }",
                "include-option-82 { forcerenew }",
                "bootp-support",
                "rapid-commit",
                "minimum-wait-time 4",
                "asymmetric-lease-time 900",
                "protocol-attributes set",
                "client-discover-match { option60-and-option82 }",
                "client-discover-match { incoming-interface }",
                "subnet-selection \"10.1.0.0/16\"",
            ] {
                self.put(&overrides, statement);
            }
            let delay = format!("{overrides} delay-offer");
            self.put(&delay, "delay-time 5");
            for (option, test) in ["option-82", "option-60", "option-77"]
                .into_iter()
                .flat_map(|option| ["equals", "not-equals", "starts-with"].map(|test| (option, test)))
            {
                for values in ["ascii x", "hexadecimal \"0102\""] {
                    let filter = format!("{option} {{ {test} {{ {values} }} }}");
                    self.put(&delay, &format!("based-on {{ {filter} }}"));
                }
            }
        }
    }

    fn server(&mut self) {
        self.overrides();
        self.put(&format!("{SERVER} group"), "interface eth2.1 { upto eth2.9 }");
        self.put(&format!("{SERVER} group"), "interface eth9 { exclude }");
        for level in ["", " group"] {
            let reconfigure = format!("{SERVER}{level} reconfigure");
            for statement in [
                "attempts 3",
                "timeout 5",
                "token s3cret",
                "clear-on-abort",
                "defer-nack-on-abort",
                "trigger { radius-disconnect }",
            ] {
                self.put(&reconfigure, statement);
            }
        }
        for level in ["", " group"] {
            let authentication = format!("{SERVER}{level} authentication");
            self.put(&authentication, "password s3cret");
            for statement in [
                "mac-address",
                "logical-system-name",
                "routing-instance-name",
                "option-60",
                "option-82 { circuit-id }",
                "option-82 { remote-id }",
                "client-id { exclude-headers }",
                "client-id { use-automatic-ascii-hex-encoding }",
                "interface-name",
                "interface-description logical",
                "circuit-type",
                "vlan-tags",
                "domain-name isp.example",
                "delimiter \"#\"",
            ] {
                self.put(&format!("{authentication} username-include"), statement);
            }
        }
        self.liveness();
        self.rules();
        self.put(SERVER, "allow-leasequery { restricted-requestor }");
        for statement in [
            "pool-match-order external-authority",
            "duplicate-clients-in-subnet { incoming-interface }",
            "duplicate-clients-in-subnet { option-82 }",
            "duplicate-clients-on-interface",
            "requested-ip-network-match 12",
            "requested-ip-interface-match",
            "forward-snooped-clients configured-interfaces",
            "forward-snooped-clients non-configured-interfaces",
            "forward-snooped-clients all-interfaces",
        ] {
            self.put(SERVER, statement);
        }
        for stage in Stage::ALL {
            let statement = format!("{} b a", stage.name());
            self.put("policy", &statement);
            self.put(&format!("{SERVER} group policy"), &statement);
            self.put(&format!("{SERVER} group interface policy"), &statement);
        }
    }

    fn rules(&mut self) {
        for level in ["", " group", " group interface"] {
            let at = format!("{SERVER}{level} short-cycle-protection");
            self.put(&at, "lockout-min-time 9");
            self.put(&at, "lockout-max-time 900");
        }
        for level in ["", " group"] {
            let at = format!("{SERVER}{level}");
            self.put(&at, "remote-id-mismatch { disconnect }");
            self.put(&format!("{at} lease-time-validation"), "violation-action override-lease");
        }
        self.put("system processes dhcp-service ltv-syslog-interval", "syslog-interval 700");
        self.put(&format!("{SERVER} overload"), "half-open-limit 5");
        for (path, from, to) in [
            ("lease-time-validation lease-time-threshold", "threshold 611", "threshold 612"),
            ("group lease-time-validation lease-time-threshold", "threshold 621", "threshold 622"),
            ("overload per-interface rate", "rate 71", "rate 81"),
            ("overload per-interface burst", "burst 72", "burst 82"),
            ("overload per-client rate", "rate 73", "rate 83"),
            ("overload per-client burst", "burst 74", "burst 84"),
            ("overload per-circuit rate", "rate 75", "rate 85"),
            ("overload per-circuit burst", "burst 76", "burst 86"),
        ] {
            self.0.insert(format!("{SERVER} {path}"), Edit::Replace(from, to));
        }
    }

    fn pool(&mut self) {
        self.put("access address-assignment pool", "hold-down");
        self.put("access address-assignment pool", "link p1");
        self.put("access address-assignment pool", "active-drain");
        self.put("access address-assignment", "high-utilization 90");
        self.0.insert(
            "access address-assignment abated-utilization".to_owned(),
            Edit::Put("access address-assignment".to_owned(), "high-utilization 90; abated-utilization 50".to_owned()),
        );
        self.put("access", "linked-pool-aggregation");
        for key in ["client-identifier x", "user-name alice"] {
            self.put(&format!("{INET} host"), key);
        }
        for statement in [
            "grace-period 10",
            "valid-lifetime 60",
            "preferred-lifetime 60",
            "option-match { option-82 { circuit-id x { range r } } }",
            "option-match { option-82 { remote-id x { range r } } }",
        ] {
            self.put(&format!("{INET} dhcp-attributes"), statement);
        }
        for lifetime in ["valid-lifetime 60", "preferred-lifetime 60"] {
            self.put(SET, lifetime);
        }
        self.put(INET, "excluded-address \"10.0.1.15\"");
        self.put(INET, "host-table \"hosts.csv\"");
        for attributes in [format!("{INET} dhcp-attributes"), SET.to_owned()] {
            self.attributes(&attributes);
        }
    }

    fn attributes(&mut self, attributes: &str) {
        for statement in [
            "captive-portal x",
            "ipv6-only-preferred 1800",
            "static-route \"10.9.0.0/16\" { next-hop \"10.0.0.1\" }",
            "maximum-lease-time 60",
            "t1-percentage 40",
            "t2-percentage 80",
            "t1-renewal-time 60",
            "t2-rebinding-time 80000",
            "server-identifier \"10.0.0.2\"",
            "next-server \"10.0.0.2\"",
            "tftp-server \"10.0.0.2\"",
            "boot-file x",
            "boot-server x",
            "domain-name x",
            "name-server \"10.0.0.2\"",
            "wins-server \"10.0.0.2\"",
            "router \"10.0.0.2\"",
            "netbios-node-type h-node",
            "sip-server { name a.example }",
            "sip-server { ip-address \"10.0.0.2\" }",
        ] {
            self.put(attributes, statement);
        }
        for form in [
            "flag #true",
            "byte 1",
            "short 1",
            "unsigned-short 1",
            "integer 1",
            "unsigned-integer 1",
            "hex-string \"01\"",
            "string x",
            "ip-address \"10.0.0.2\"",
            "ipv6-address \"::1\"",
        ] {
            self.put(attributes, &format!("option 200 {{ {form} }}"));
            self.put(attributes, &format!("option 200 {{ array {{ {form} }} }}"));
        }
    }

    fn daemon(&mut self) {
        self.put("access", "radius-disconnect-port 1700");
        for statement in ["port 1645", "accounting-port 1646", "timeout 5", "retry 5", "accounting-timeout 5"] {
            self.put("access radius-server", statement);
        }
        for statement in ["accounting-retry 5", "max-outstanding-requests 0", "source-address \"192.0.2.7\""] {
            self.put("access radius-server", statement);
        }
        for statement in ["no-message-authenticator", "dynamic-request-port 1700"] {
            self.put("access radius-server", statement);
        }
        for statement in ["revert-interval 0", "timeout-grace 0", "request-rate 100", "interim-rate 50"] {
            self.put("access radius-options", statement);
        }
        self.put("access radius-options", "interim-update-tolerance 1");
        self.put("access profile", "authentication-order radius none");
        self.put("access profile", "session-options { client-session-timeout 60 }");
        for statement in [
            "update-interval 10",
            "statistics volume-time",
            "immediate-update",
            "coa-immediate-update",
            "address-change-immediate-update",
            "accounting-stop-on-failure",
            "accounting-stop-on-access-deny",
        ] {
            self.put("access profile accounting", statement);
        }
        self.put("routing-options access-internal", "protocol 77");
        self.put("routing-options access-internal", "reconcile-interval 5");
        self.put("routing-options access-internal driver", "alone");
        let settings = Edit::Put("routing-options access-internal driver".to_owned(), "settings { link x }".to_owned());
        self.0.insert("routing-options access-internal driver settings".to_owned(), settings);
        for statement in ["deadline-ms 7", "memory-max \"1MiB\"", "output-max 100", "on-failure drop"] {
            self.put("plugins plugin", statement);
        }
        self.put("plugins plugin", "grants kv");
        let settings = Edit::Put("plugins plugin".to_owned(), "settings { x 1 }".to_owned());
        self.0.insert("plugins plugin settings".to_owned(), settings);
    }

    /// Leaves that the base must have already.
    fn replaced(&mut self) {
        for (path, from, to) in [
            (format!("{SERVER} overrides interface-client-limit"), "limit 7", "limit 70"),
            (format!("{SERVER} group overrides interface-client-limit"), "limit 8", "limit 80"),
            (format!("{SERVER} group interface overrides interface-client-limit"), "limit 9", "limit 90"),
            (format!("{INET} network"), "10.0.0.0/16", "10.0.0.0/17"),
            (format!("{INET} range low"), "low \"10.0.1.10\"", "low \"10.0.1.9\""),
            (format!("{INET} range high"), "high \"10.0.1.20\"", "high \"10.0.1.21\""),
            (format!("{INET} excluded-range low"), "low \"10.0.1.11\"", "low \"10.0.1.10\""),
            (format!("{INET} excluded-range high"), "high \"10.0.1.12\"", "high \"10.0.1.13\""),
            (format!("{INET} host hardware-address"), "02:00:00:00:00:01", "02:00:00:00:00:02"),
            (format!("{INET} host ip-address"), "10.0.2.1", "10.0.2.2"),
            ("access radius-disconnect secret".to_owned(), "secret one", "secret two"),
            ("access radius-server secret".to_owned(), "secret first", "secret third"),
            (
                "access profile radius authentication-server".to_owned(),
                AUTHENTICATION_SERVER,
                "authentication-server \"192.0.2.2\"",
            ),
            (
                "access profile radius accounting-server".to_owned(),
                ACCOUNTING_SERVER,
                "accounting-server \"192.0.2.2\"",
            ),
            (format!("{SERVER} access-profile"), "access-profile p0", "access-profile p1"),
            (format!("{SERVER} group access-profile"), "access-profile p1", "access-profile p0"),
            (format!("{SERVER} authentication username-include user-prefix"), "user-prefix one", "user-prefix x"),
            (format!("{SERVER} group authentication username-include user-prefix"), "user-prefix two", "user-prefix x"),
            ("system login class permissions".to_owned(), "permissions view", "permissions clear view"),
            ("system login user class".to_owned(), "class c0 }", "class super-user }"),
            ("routing-options access-internal driver path".to_owned(), "plane.so", "other.so"),
            ("plugins plugin path".to_owned(), "a.wasm", "c.wasm"),
        ] {
            self.0.insert(path, Edit::Replace(from, to));
        }
    }
}

const SERVER: &str = "system services dhcp-local-server";
const AUTHENTICATION_SERVER: &str = "authentication-server \"192.0.2.1\"";
const ACCOUNTING_SERVER: &str = "accounting-server \"192.0.2.1\"";
const SET: &str = "access protocol-attributes dhcp";
const INET: &str = "access address-assignment pool family inet";

/// Leaves with only one value: nothing to change, but a default that must hold.
const SINGLE: [&str; 1] = ["access profile accounting order"];

#[test]
fn every_built_leaf_changes_what_the_daemon_gets() {
    let mut edits = Edits::default();
    edits.instance();
    edits.traces();
    edits.vlans();
    edits.server();
    edits.pool();
    edits.daemon();
    edits.replaced();
    let edits = edits.0;
    let bases = [effect(&Edit::None, false), effect(&Edit::None, true)];
    for (path, statement) in built() {
        let (place, inside) = place(&path);
        if !is_leaf(statement)
            || SINGLE.contains(&place)
            || place.contains(" route-suppression ")
            || is_misplaced(place)
            || (inside && place.ends_with(" forward-snooped-clients"))
        {
            continue;
        }
        let edit = edits.get(place).unwrap_or_else(|| panic!("no edit for `{path}`"));
        assert_ne!(effect(edit, inside), bases[usize::from(inside)], "`{path}` has no effect");
    }
}

/// What belongs to pools, and is at fault in a set of attributes.
fn is_misplaced(place: &str) -> bool {
    place.starts_with(SET) && (place.contains(" option-match ") || place.ends_with(" grace-period"))
}

/// The instance of the base is a VRF device, where `forward-snooped-clients` is at fault.
#[test]
fn forward_snooped_clients_of_an_instance_reaches_the_daemon() {
    let with = |word: &str| {
        let server = format!("system {{ services {{ dhcp-local-server {{ forward-snooped-clients {word} }} }} }}");
        let text = format!("routing-instances ri {{ routing-table 9; interface eth0; {server} }}");
        let loaded = load_with("base", &text, &Tables).unwrap_or_else(|errors| panic!("{errors}"));
        let rule = |at: usize| loaded.engine.instances[at].server.forward_snooped;
        (rule(0), rule(1))
    };
    assert_eq!(with("configured-interfaces"), (None, Some(ForwardSnooped::Configured)));
    assert_eq!(with("non-configured-interfaces"), (None, Some(ForwardSnooped::NonConfigured)));
    assert_eq!(with("all-interfaces"), (None, Some(ForwardSnooped::All)));
}

/// `route-suppression` goes not with the liveness detection of the base.
#[test]
fn route_suppression_changes_what_the_daemon_gets() {
    let with = |server: &str, group: &str| {
        let text = format!(
            "system {{ services {{ dhcp-local-server {{ {server}
             group g0 {{ interface eth0; {group} }}; group g1 {{ interface eth1; route-suppression {{ destination }} }}
             }} }} }}"
        );
        load_with("base", &text, &Tables).unwrap_or_else(|errors| panic!("{errors}")).engine
    };
    let of = |server, group| {
        let groups = with(server, group).groups.clone();
        (groups[0].route_suppression, groups[1].route_suppression)
    };
    let (internal, destination) = ("route-suppression { access-internal }", "route-suppression { destination }");
    let own = Some(RouteSuppression::Destination);
    assert_eq!(of("", ""), (None, own));
    assert_eq!(of(internal, ""), (Some(RouteSuppression::AccessInternal), own));
    assert_eq!(of(internal, destination), (own, own));
    assert_eq!(of(destination, internal), (Some(RouteSuppression::AccessInternal), own));
}

#[test]
fn a_default_that_is_written_changes_nothing() {
    let bases = [effect(&Edit::None, false), effect(&Edit::None, true)];
    for (path, statement) in built() {
        let (place, inside) = place(&path);
        // What a set does not say the pool says.
        let Some(default) = statement.default.filter(|_| !place.starts_with(SET)) else { continue };
        let (block, name) = place.rsplit_once(' ').unwrap();
        let value = if default.starts_with(|c: char| c.is_ascii_digit()) && default.parse::<u64>().is_err() {
            format!("\"{default}\"")
        } else {
            default.to_owned()
        };
        let edit = Edit::Put(block.to_owned(), format!("{name} {value}"));
        assert_eq!(effect(&edit, inside), bases[usize::from(inside)], "the default of `{path}` is not {default}");
    }
}

#[test]
fn users_may_do_what_their_class_says() {
    use bindery_config::model::{Permission, permission_of};
    let text = "system { login {
        class night { permissions clear }
        class all { permissions configure view }
        user a { class night }; user b { class all }; user c { class super-user }; user d { class operator }
        user e { class read-only }; user f { class unauthorized }
    } }";
    let login = bindery_config::load("login", text).unwrap().model.login;
    for (user, permission) in [
        ("a", Some(Permission::Clear)),
        ("b", Some(Permission::Configure)),
        ("c", Some(Permission::Configure)),
        ("d", Some(Permission::Clear)),
        ("e", Some(Permission::View)),
        ("f", None),
        ("nobody", Some(Permission::View)),
    ] {
        assert_eq!(permission_of(&login, user), permission, "{user}");
    }
}
