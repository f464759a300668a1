//! `authentication` and `access-profile` of a local server and its groups.

use super::later::word;
use super::{Statement, Type, Word};

/// `authentication` of DHCPv4.
pub(super) const AUTHENTICATION: Statement = Statement::container(
    "authentication",
    &[
        Statement::leaf(
            "password",
            Type::Secret(1, 64),
            "\"s3cret\"",
            "Password of Access-Requests: clients have none of their own.",
        ),
        Statement::container(
            "username-include",
            USERNAME,
            "What the user name is made of, in the order of these statements: user-prefix, mac-address, \
             logical-system-name, routing-instance-name, option-60, option-82, client-id, interface-name, \
             interface-description, circuit-type, vlan-tags, joined by the delimiter, then @ and domain-name. What a \
             client does not have is left out; without any part there is no user name.",
        ),
    ],
    "How clients are presented to RADIUS. In a group it takes the place of the server's.",
);

/// `access-profile`.
pub(super) const ACCESS_PROFILE: Statement = Statement::leaf(
    "access-profile",
    Type::Name(128),
    "isp",
    "The `access profile` of the clients; without one nobody is asked and nothing is accounted. In a group it takes \
     the place of the server's.",
);

const USERNAME: &[Statement] = &[
    Statement::leaf("user-prefix", Type::Text(1, 64), "dhcp", "This text."),
    Statement::flag("mac-address", "The client's hardware address, as aabb.ccdd.eeff."),
    Statement::flag("logical-system-name", "Name of the logical system."),
    Statement::flag("routing-instance-name", "Name of the routing instance."),
    Statement::flag("option-60", "The vendor class identifier.").source("RFC 2132 §9.13"),
    Statement::container(
        "option-82",
        &[
            Statement::flag("circuit-id", "Sub-option 1, agent circuit id.").source("RFC 3046 §3.1"),
            Statement::flag("remote-id", "Sub-option 2, agent remote id.").source("RFC 3046 §3.2"),
        ],
        "The relay agent information; the whole of it in hexadecimal digits where no sub-option is named.",
    ),
    Statement::container(
        "client-id",
        &[
            Statement::flag("exclude-headers", "Without the type byte.").source("RFC 2132 §9.14"),
            Statement::flag(
                "use-automatic-ascii-hex-encoding",
                "As text where all of it is printable; else, and without this statement, as hexadecimal digits.",
            ),
        ],
        "The client identifier.",
    ),
    Statement::flag("interface-name", "Name of the interface."),
    Statement::leaf(
        "interface-description",
        Type::Word(&[Word { name: "logical", built: true }, word("device")]),
        "logical",
        "Description of the interface (its alias in the kernel).",
    ),
    Statement::flag("circuit-type", "enet, vlan or svlan."),
    Statement::flag("vlan-tags", "The VLAN tags, as OUTER-INNER or VLAN."),
    Statement::leaf("domain-name", Type::Text(1, 64), "isp.example", "This text, behind an @."),
    Statement::leaf("delimiter", Type::Delimiter, "\"#\"", "What stands between the parts.").default("."),
];
