//! `traceoptions` and `interface-traceoptions`, of the daemon and of a local server (junos.md §2.2, §4).

use super::{Apply, Statement, Type, Word, later};

/// `traceoptions` of the daemon.
pub(super) const TRACEOPTIONS: Statement = Statement::container(
    "traceoptions",
    &[later::flag("no-remote-trace"), FILE, LEVEL, flags(&FLAGS, FLAGS_HELP), CLIENT],
    "What is written into a trace file. A thread of its own writes; what comes faster than the disk takes it is lost, and \
     that is told in the file.",
)
.apply(Apply::Hot);

/// `interface-traceoptions` of the daemon.
pub(super) const INTERFACE_TRACEOPTIONS: Statement = Statement::container(
    "interface-traceoptions",
    &[later::flag("no-remote-trace"), FILE, LEVEL, flags(INTERFACE_FLAGS, SAME_FLAGS_HELP), CLIENT],
    "What is written into a trace file of the interfaces whose group says `interface NAME trace`.",
)
.apply(Apply::Hot);

/// `traceoptions` of a local server.
pub(super) const SERVER_TRACEOPTIONS: Statement = Statement::container(
    "traceoptions",
    &[later::flag("no-remote-trace"), SERVER_FILE, LEVEL, flags(&SERVER_FLAGS, SAME_FLAGS_HELP), CLIENT],
    "As `traceoptions` of `dhcp-service`, of the interfaces of this local server's routing instance, into a file of its own. \
     What is of no interface stands in that of `dhcp-service` alone.",
)
.apply(Apply::Hot);

/// `interface-traceoptions` of a local server.
pub(super) const SERVER_INTERFACE_TRACEOPTIONS: Statement = Statement::container(
    "interface-traceoptions",
    &[later::flag("no-remote-trace"), SERVER_FILE, LEVEL, flags(INTERFACE_FLAGS, SAME_FLAGS_HELP), CLIENT],
    "As `traceoptions` of this local server, of the interfaces whose group says `interface NAME trace`.",
)
.apply(Apply::Hot);

const fn flags(words: &'static [Word], help: &'static str) -> Statement {
    Statement::list("flag", Type::Word(words), "packet state", help).apply(Apply::Hot)
}

const FLAGS_HELP: &str = "What is traced. `state`: what becomes of sessions. `flow`: what is decided about packets. `packet`: each packet, \
     one line; `packet-option`: with its options. `database`: writes, by their watermark; `persistent`: whether they \
     succeed. `lockout-db`: clients that are locked out. `interface`: interfaces that come and go. `rtsock`: routes. \
     `io`: what sockets drop. `auth`: questions to an authority. `performance`: the time that turns of the packet \
     thread take. `statistics`: the counters, each minute. `all`: all of it.";
const SAME_FLAGS_HELP: &str = "What is traced: as the flag of the same name of `traceoptions` of `dhcp-service`.";

const FLAGS: [Word; 35] = concat(
    [
        built("state"),
        built("packet"),
        built("flow"),
        built("packet-option"),
        built("lockout-db"),
        built("all"),
        built("database"),
        built("persistent"),
        built("interface"),
        built("rtsock"),
        built("io"),
        built("auth"),
        built("performance"),
        built("statistics"),
    ],
    LATER_FLAGS,
);

/// Of these a local server knows whose they are.
const SERVER_FLAGS: [Word; 35] = concat(
    [
        built("state"),
        built("packet"),
        built("flow"),
        built("packet-option"),
        built("lockout-db"),
        built("all"),
        later::word("database"),
        later::word("persistent"),
        later::word("interface"),
        later::word("rtsock"),
        later::word("io"),
        later::word("auth"),
        later::word("performance"),
        later::word("statistics"),
    ],
    LATER_FLAGS,
);

const LATER_FLAGS: [Word; 21] = [
    later::word("dhcpv6-state"),
    later::word("dhcpv6-packet"),
    later::word("dhcpv6-packet-option"),
    later::word("dhcpv6-io"),
    later::word("dhcpv6-rpd"),
    later::word("dhcpv6-session-db"),
    later::word("dhcpv6-general"),
    later::word("flow-notify"),
    later::word("ha"),
    later::word("ui"),
    later::word("general"),
    later::word("fwd"),
    later::word("rpd"),
    later::word("profile"),
    later::word("session-db"),
    later::word("liveness-detection"),
    later::word("security-persistence"),
    later::word("mclag"),
    later::word("ra-guard"),
    later::word("era"),
    later::word("telemetry"),
];

const INTERFACE_FLAGS: &[Word] = &[
    built("state"),
    built("packet"),
    built("flow"),
    built("packet-option"),
    built("all"),
    later::word("dhcpv6-state"),
    later::word("dhcpv6-packet"),
    later::word("dhcpv6-packet-option"),
];

/// `trace` of an interface in a group.
pub(super) const TRACE: Statement =
    Statement::flag("trace", "`interface-traceoptions` is about this interface too.").apply(Apply::Hot);

const FILE: Statement = file(
    "The file; without a directory it is in /var/log. Where none is named it is `binderyd`, and `binderyd-interface` for \
     `interface-traceoptions`. Each trace has files of its own, those that it rolls to included.",
);

const SERVER_FILE: Statement = file(
    "The file; without a directory it is in /var/log. Each trace has files of its own, those that it rolls to included.",
)
.mandatory();

const fn file(help: &'static str) -> Statement {
    Statement::named("file", Type::Path, FILE_STATEMENTS, help).apply(Apply::Hot)
}

const FILE_STATEMENTS: &[Statement] = &[
    Statement::leaf(
        "size",
        Type::Size(10_240, 1_073_741_824),
        "\"1MiB\"",
        "How large it becomes before it is rolled: `NAME` becomes `NAME.0`, and so on.",
    )
    .default("131072")
    .apply(Apply::Hot),
    Statement::leaf("files", Type::Integer(2, 1000), "10", "How many are kept, the newest one counted.")
        .default("3")
        .apply(Apply::Hot),
    Statement::flag("world-readable", "Everybody may read it; else its owner alone.").apply(Apply::Hot),
    Statement::flag("no-world-readable", "Its owner alone may read it: the default.").apply(Apply::Hot),
    Statement::leaf(
        "match",
        Type::Text(1, 1024),
        "\"02:00:00:00:00:0[12]\"",
        "Only entries in which this regular expression is found are written.",
    )
    .apply(Apply::Hot),
];

const LEVEL: Statement = Statement::leaf(
    "level",
    Type::Word(&[
        built("error"),
        built("warning"),
        built("notice"),
        built("info"),
        built("verbose"),
        built("all"),
    ]),
    "all",
    "How much is traced, each with what is before it: error: faults of the environment; warning: packets that are dropped; \
     notice: refusals and ends of bindings; info: what goes well, and packets; verbose: times; all.",
)
.default("error")
.apply(Apply::Hot);

/// No statement of Junos.
const CLIENT: Statement = Statement::list(
    "client",
    Type::Mac,
    "\"02:00:00:00:00:01\"",
    "Of packets and sessions only those of these hardware addresses are traced.",
)
.apply(Apply::Hot);

const fn built(name: &'static str) -> Word {
    Word { name, built: true }
}

/// The words of both lists.
const fn concat(first: [Word; 14], rest: [Word; 21]) -> [Word; 35] {
    let mut all = [first[0]; 35];
    let (head, tail) = all.split_at_mut(first.len());
    head.copy_from_slice(&first);
    tail.copy_from_slice(&rest);
    all
}
