//! The commands of operational mode.

use super::table::{Action, Argument, Entry, Foreign, Tail, Value, bare, flag, named, plain};
use bindery_api::{RescueAction, Verb};

const LEVEL: [Argument; 2] = [flag("brief", "One line each").of(9), flag("detail", "All that is known of each").of(9)];

const KEY: [Argument; 3] = [
    bare("key", Value::Key, "Address, MAC address or session id").of(1),
    named("interface", Value::Interface, "Clients of an interface; `*` at the end stands for any rest").of(1),
    named("pool", Value::Pool, "Clients with an address of a pool").of(1),
];

const ALL: Argument = flag("all", "All clients").of(1);

const INSTANCE: Argument =
    named("routing-instance", Value::Text, "Clients of a routing instance, or of `all`; without it the default one");

const SUMMARY: Argument = flag("summary", "The sums alone");

const INTERFACE: Argument = named("interface", Value::Interface, "One interface");

const LOCKOUTS: [Argument; 2] =
    [flag("all", "All of them").of(1), named("index", Value::Number, "The one with this number").of(1)];

const REFRESH: Argument = flag("refresh", "Clients keep their address and get new options");

const PACE: Argument = named("pace", Value::Number, "Sessions a second");

/// What operators type at `user@host>`.
pub(crate) const OPERATIONAL: &[Entry] = &[
    plain("show dhcp server binding", Action::Ask(Verb::Bindings), "Bound clients of the local server").takes(&[
        KEY[0],
        KEY[1],
        KEY[2],
        INSTANCE,
        flag("lease-time-violation", "Clients whose lease was too short for lease-time-validation").of(1),
        LEVEL[0],
        LEVEL[1],
        flag("summary", "Clients by state").of(9),
    ]),
    plain("show dhcp server statistics", Action::Ask(Verb::Statistics), "Packets dropped by reason, messages by type")
        .takes(&[SUMMARY]),
    plain("show dhcp statistics", Action::Ask(Verb::DhcpStatistics), "The same of all roles, or of one interface")
        .takes(&[SUMMARY, INTERFACE]),
    plain(
        "show dhcp server history",
        Action::Ask(Verb::History),
        "What happened to a client since the daemon's start, when and why",
    )
    .takes(&[KEY[0], named("client-id", Value::Text, "Option 61 in hexadecimal digits").of(1)])
    .needs(1),
    plain("show metrics", Action::Ask(Verb::Metrics), "Numbers for Prometheus"),
    plain(
        "show dhcp server reconfigure capability",
        Action::Ask(Verb::ReconfigureCapability),
        "How clients answer a FORCERENEW, by vendor class",
    ),
    plain("show network-access address-assignment pool", Action::Ask(Verb::Pools), "Addresses in use by pool")
        .takes(&[bare("pool", Value::Pool, "One pool")]),
    plain(
        "show dhcp server lockout-entries",
        Action::Ask(Verb::Lockouts),
        "Clients that short-cycle-protection locks out or watches",
    )
    .takes(&LOCKOUTS)
    .needs(1),
    plain(
        "show dhcp server rogue-servers",
        Action::Ask(Verb::RogueServers),
        "Foreign DHCP servers seen on served interfaces",
    ),
    plain(
        "show system subscriber-management dhcpv4-liveness-detection",
        Action::Ask(Verb::Liveness),
        "Clients that have not answered liveness-detection",
    ),
    plain("show interfaces auto-configure", Action::Ask(Verb::VlanDevices), "VLAN devices made for clients"),
    plain(
        "show network-access aaa radius-servers",
        Action::Ask(Verb::RadiusServers),
        "RADIUS servers, whether they answer, what was asked of them",
    )
    .takes(&LEVEL),
    plain(
        "show network-access aaa statistics",
        Action::Ask(Verb::AaaStatistics),
        "Authentication, accounting and dynamic requests",
    ),
    plain("show route", Action::Ask(Verb::Routes), "Routes of subscribers").takes(&[
        flag("protocol", "Routes of one protocol"),
        flag("access-internal", "Routes to the addresses of subscribers").of(1).with("protocol"),
        flag("access", "Routes via subscribers").of(1).with("protocol"),
    ]),
    plain("show plugins", Action::Ask(Verb::Plugins), "Plugins and their counters").takes(&[bare(
        "plugin",
        Value::Plugin,
        "One plugin",
    )]),
    plain("show configuration", Action::ShowConfiguration, "The active configuration").tail(Tail::Statement),
    plain("show system commit", Action::Ask(Verb::CommitHistory), "Commits, newest first"),
    plain("show system commit progress", Action::Ask(Verb::CommitProgress), "How far a paced renumbering is"),
    plain("show commit progress", Action::Ask(Verb::CommitProgress), "How far a paced renumbering is"),
    plain("show system rollback", Action::ShowRollback, "A configuration before, or how it differs from another")
        .takes(&[
            bare("rollback", Value::Rollback, "Number of the configuration; 0 is the active one").of(1),
            named("compare", Value::Rollback, "The older one that it is compared with"),
        ])
        .needs(1),
    plain("show system configuration rescue", Action::ShowRescue, "The rescue configuration"),
    plain("show system configuration database status", Action::Status, "Who edits the configuration"),
    plain("show version", Action::Ask(Verb::Version), "Release and configuration revision"),
    plain("show cli", Action::ShowCli, "What the shell does"),
    plain(
        "clear dhcp server binding",
        Action::Ask(Verb::ClearBindings),
        "Ends bindings; the clients get a NAK when they renew",
    )
    .takes(&[KEY[0], KEY[1], KEY[2], ALL, INSTANCE])
    .needs(1),
    plain(
        "clear dhcp server lockout-entries",
        Action::Ask(Verb::ClearLockouts),
        "Forgets clients of short-cycle-protection: they are locked out no longer",
    )
    .takes(&LOCKOUTS)
    .needs(1),
    plain(
        "clear dhcp server rogue-servers",
        Action::Ask(Verb::ClearRogueServers),
        "Forgets the foreign DHCP servers seen so far",
    ),
    plain("clear dhcp server statistics", Action::Ask(Verb::ClearStatistics), "Sets the counters to zero"),
    plain(
        "clear dhcp statistics",
        Action::Ask(Verb::ClearDhcpStatistics),
        "Sets the counters to zero, or those of one interface",
    )
    .takes(&[INTERFACE]),
    plain("clear system commit", Action::Ask(Verb::CommitClear), "Drops the commit that waits for its time"),
    plain(
        "request dhcp server reconfigure",
        Action::Ask(Verb::Reconfigure),
        "Moves clients to other addresses, or (refresh) tells them new options; N a second",
    )
    .takes(&[KEY[0], KEY[1], KEY[2], ALL, INSTANCE, REFRESH, PACE])
    .needs(1),
    plain(
        "request system configuration rescue save",
        Action::Rescue(RescueAction::Save),
        "The active configuration becomes the rescue configuration",
    ),
    plain(
        "request system configuration rescue delete",
        Action::Rescue(RescueAction::Delete),
        "The rescue configuration goes",
    ),
    plain("request system commit stop", Action::Ask(Verb::CommitStop), "Ends a paced renumbering"),
    plain(
        "request system reload",
        Action::Ask(Verb::Reload),
        "Loads the changed configuration file; refused where live sessions would lose what they have",
    )
    .takes(&[flag("force", "Also where live sessions lose their address or their server")]),
    plain(
        "request system shutdown",
        Action::Ask(Verb::Shutdown),
        "Ends the daemon; bindings stay, and routes unless withdrawn",
    )
    .takes(&[flag("withdraw-routes", "All routes and neighbours of ours go first")]),
    plain("monitor dhcp server", Action::Monitor, "Events of the local server as they happen; Ctrl-C ends it").takes(
        &[
            named("interface", Value::Interface, "Clients of an interface").of(1),
            named("mac", Value::Mac, "One client").of(1),
            named("address", Value::Address, "One address").of(1),
            named("pool", Value::Pool, "Addresses of a pool").of(1),
            named("routing-instance", Value::Text, "Clients of one routing instance; without it of all"),
        ],
    ),
    plain("configure", Action::Configure, "Edits the configuration").takes(&[
        flag("exclusive", "Nobody else edits; what is not committed is gone at the end").of(1),
        flag("private", "A copy of one's own, merged at commit").of(1),
    ]),
    plain(
        "config import junos",
        Action::ImportConfiguration(Foreign::Junos),
        "DHCP server and pools of a Junos configuration, as KDL",
    )
    .takes(&IMPORT)
    .needs(1),
    plain(
        "config import kea",
        Action::ImportConfiguration(Foreign::Kea),
        "Subnets, pools and reservations of a Kea configuration, as KDL",
    )
    .takes(&IMPORT)
    .needs(1),
    plain("sessions import kea", Action::ImportSessions, "Takes over the leases of a Kea lease file")
        .takes(&[bare("file", Value::File, "Kea's kea-leases4.csv").of(1)])
        .needs(1),
    plain("set cli screen-length", Action::ScreenLength, "Lines of a page; 0 never stops")
        .takes(&[bare("lines", Value::Number, "Lines").of(1)])
        .needs(1),
    plain("help", Action::Help, "All commands"),
    plain("exit", Action::Exit, "Leaves the shell"),
    plain("quit", Action::Exit, "Leaves the shell"),
];

const IMPORT: [Argument; 2] = [
    bare("file", Value::File, "The file").of(1),
    named("output", Value::File, "Where the KDL goes; else it is printed"),
];
