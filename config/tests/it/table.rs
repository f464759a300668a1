//! The schema table against itself, and against what the model makes of it.

use crate::access::access;
use crate::expectations::{Tables, expect};
use bindery_config::schema::{Apply, Kind, ROOT, Statement, reference};
use bindery_config::{load_with, tree};
use bindery_engine::policy::Stage;
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
system { login { class c0 { permissions view }; user u0 { class c0 } }
services { dhcp-local-server {
    %system services dhcp-local-server%
    overrides { interface-client-limit 7; %system services dhcp-local-server overrides% }
    reconfigure { %system services dhcp-local-server reconfigure% }
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
        overrides { interface-client-limit 8; %system services dhcp-local-server group overrides% }
        reconfigure { %system services dhcp-local-server group reconfigure% }
        policy { %system services dhcp-local-server group policy% }
        interface eth0 {
            overrides { interface-client-limit 9; %system services dhcp-local-server group interface overrides% }
            policy { %system services dhcp-local-server group interface policy% }
        }
    }
    group g1 { interface eth1 }
} } }
access { %access%
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
address-assignment {
    pool p0 {
        %access address-assignment pool%
        family inet {
            network "10.0.0.0/16"
            range r { low "10.0.1.10"; high "10.0.1.20" }
            excluded-range x { low "10.0.1.11"; high "10.0.1.12" }
            host h { hardware-address "02:00:00:00:00:01"; ip-address "10.0.2.1" }
            %access address-assignment pool family inet%
            dhcp-attributes { %access address-assignment pool family inet dhcp-attributes% }
        }
    }
    pool p1 { family inet { network "10.1.0.0/16" } }
} }
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

/// What the daemon gets of the base with `statement` in the block `path`, or with `from` replaced by `to`.
fn effect(edit: &Edit) -> String {
    let mut text = BASE.to_owned();
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
    format!("{:?} {:?} {plugins:?} {} {login:?}", loaded.engine, loaded.system, access(&loaded))
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

    fn server(&mut self) {
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
            ] {
                self.put(&overrides, statement);
            }
        }
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
        self.put(SERVER, "allow-leasequery { restricted-requestor }");
        for stage in Stage::ALL {
            let statement = format!("{} b a", stage.name());
            self.put("policy", &statement);
            self.put(&format!("{SERVER} group policy"), &statement);
            self.put(&format!("{SERVER} group interface policy"), &statement);
        }
    }

    fn pool(&mut self) {
        self.put("access address-assignment pool", "hold-down");
        self.put("access address-assignment pool", "link p1");
        self.put(INET, "excluded-address \"10.0.1.15\"");
        self.put(INET, "host-table \"hosts.csv\"");
        let attributes = format!("{INET} dhcp-attributes");
        for statement in [
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
            self.put(&attributes, statement);
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
            self.put(&attributes, &format!("option 200 {{ {form} }}"));
            self.put(&attributes, &format!("option 200 {{ array {{ {form} }} }}"));
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
const INET: &str = "access address-assignment pool family inet";

/// Leaves with only one value: nothing to change, but a default that must hold.
const SINGLE: [&str; 2] = ["system services dhcp-local-server pool-match-order", "access profile accounting order"];

#[test]
fn every_built_leaf_changes_what_the_daemon_gets() {
    let mut edits = Edits::default();
    edits.server();
    edits.pool();
    edits.daemon();
    edits.replaced();
    let edits = edits.0;
    let base = effect(&Edit::None);
    for (path, statement) in built() {
        if !is_leaf(statement) || SINGLE.contains(&path.as_str()) {
            continue;
        }
        let edit = edits.get(&path).unwrap_or_else(|| panic!("no edit for `{path}`"));
        assert_ne!(effect(edit), base, "`{path}` has no effect");
    }
}

#[test]
fn a_default_that_is_written_changes_nothing() {
    let base = effect(&Edit::None);
    for (path, statement) in built() {
        let Some(default) = statement.default else { continue };
        let (block, name) = path.rsplit_once(' ').unwrap();
        let value = if default.starts_with(|c: char| c.is_ascii_digit()) && default.parse::<u64>().is_err() {
            format!("\"{default}\"")
        } else {
            default.to_owned()
        };
        let edit = Edit::Put(block.to_owned(), format!("{name} {value}"));
        assert_eq!(effect(&edit), base, "the default of `{path}` is not {default}");
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
