//! Statements of `dhcp-local-server` that choose a client's pool, and that say who a client is, or is another server's.

use super::{Apply, Statement, Type, Word};

/// `pool-match-order` of a server.
pub(super) const POOL_MATCH_ORDER: Statement = Statement::list(
    "pool-match-order",
    Type::Word(&[
        Word { name: "ip-address-first", built: true },
        Word { name: "option-82", built: true },
        Word { name: "option-82-strict", built: true },
        Word { name: "external-authority", built: true },
    ]),
    "ip-address-first option-82",
    "How the pool of a client is chosen, in this order. ip-address-first takes the pool whose network holds the link \
     selection or giaddr, or without a relay an address of the receiving interface. option-82 takes of that pool the range \
     that its option-match names for the client's circuit-id or remote-id, and the whole pool where none is named or the range \
     is full; option-82-strict takes nothing then. external-authority takes the pool that AAA names; in a list without it, \
     what AAA names comes first.",
)
.default("ip-address-first");

/// `duplicate-clients-in-subnet` of a server.
pub(super) const DUPLICATE_CLIENTS_IN_SUBNET: Statement = Statement::container(
    "duplicate-clients-in-subnet",
    &[
        Statement::flag("incoming-interface", "Clients on different interfaces are different clients."),
        Statement::flag(
            "option-82",
            "Clients with different circuit-id or remote-id are different clients; the rest of option 82 does not count.",
        )
        .source("RFC 3046 §3.1"),
    ],
    "Lets clients of one subnet have the same client identifier or hardware address. Each has its session then, and one that \
     moves begins a new one. Without it a client has one session in a subnet and takes it along. A commit that changes it \
     ends nobody.",
)
.one_of();

/// `duplicate-clients-on-interface` of a server.
pub(super) const DUPLICATE_CLIENTS_ON_INTERFACE: Statement = Statement::flag(
    "duplicate-clients-on-interface",
    "The older form of duplicate-clients-in-subnet incoming-interface; they exclude each other.",
);

/// `requested-ip-network-match` of a server.
pub(super) const REQUESTED_IP_NETWORK_MATCH: Statement = Statement::leaf(
    "requested-ip-network-match",
    Type::Integer(0, 31),
    "16",
    "How many leading bits the address that an unknown client remembers has to share with ours, or behind a relay with \
     giaddr: else the question is for another server, and there is no answer, not even a DHCPNAK. 0 takes all addresses; Junos has 8 where it is not written.",
)
.default("0")
.source("RFC 2131 §4.3.2")
.apply(Apply::Hot);

/// `requested-ip-interface-match` of a server.
pub(super) const REQUESTED_IP_INTERFACE_MATCH: Statement = Statement::flag(
    "requested-ip-interface-match",
    "As requested-ip-network-match, with as many bits as the network of the interface, or behind a relay of its pool, has; \
     they exclude each other.",
)
.source("RFC 2131 §4.3.2")
.apply(Apply::Hot);

/// `forward-snooped-clients` of a server.
pub(super) const FORWARD_SNOOPED_CLIENTS: Statement = Statement::leaf(
    "forward-snooped-clients",
    Type::Word(&[
        Word { name: "configured-interfaces", built: true },
        Word { name: "non-configured-interfaces", built: true },
        Word { name: "all-interfaces", built: true },
    ]),
    "configured-interfaces",
    "Which requests of clients to other servers, as renewals are, the router forwards: those that come in on interfaces of \
     a group of this server, those that come in on other interfaces, or all. What it does not forward is dropped by a table \
     of nftables, bindery-snooped. Without the statement the kernel's forwarding is left alone, unlike Junos, which drops \
     then. Not in a VRF.",
)
.apply(Apply::Hot);

/// `client-discover-match` of `overrides`.
pub(super) const CLIENT_DISCOVER_MATCH: Statement = Statement::container(
    "client-discover-match",
    &[
        Statement::flag("option60-and-option82", "The same vendor class, circuit-id and remote-id.").apply(Apply::Hot),
        Statement::flag("incoming-interface", "The same interface, for clients that come through no relay.")
            .apply(Apply::Hot),
    ],
    "Takes the DISCOVER of a client that is not known for that of a subscriber who has changed the device, where this is the \
     same: the session of the device before ends.",
)
.one_of()
.apply(Apply::Hot);

/// `subnet-selection` of `overrides`; no statement of Junos.
pub(super) const SUBNET_SELECTION: Statement = Statement::list(
    "subnet-selection",
    Type::Prefix4,
    "\"10.1.0.0/16\"",
    "Lets clients choose their subnet by option 118, of these networks and of their own. Another one gets no answer. Without \
     it the option is ignored.",
)
.source("RFC 3011 §2");
