//! `interfaces`: VLAN devices that the daemon makes when a client of a VLAN asks.

use super::{Apply, Statement, Type, later};

/// The section.
pub(super) const INTERFACES: Statement = Statement::named(
    "interfaces",
    Type::Interface,
    &[
        Statement::container(
            "auto-configure",
            &[
                Statement::container(
                    "vlan-ranges",
                    &[Statement::list(
                        "ranges",
                        Type::Text(1, 32),
                        "\"100-199\"",
                        "VLANs of single-tagged clients, first and last, or any. The device is INTERFACE.VLAN; 802.1Q or \
                         802.1ad as the client's frames say.",
                    )
                    .apply(Apply::NewSessionsOnly)
                    .mandatory()],
                    "Single-tagged clients.",
                )
                .apply(Apply::NewSessionsOnly),
                Statement::container(
                    "stacked-vlan-ranges",
                    &[Statement::list(
                        "ranges",
                        Type::Text(1, 32),
                        "\"200-299,any\"",
                        "Service VLANs, a comma, customer VLANs. The device is INTERFACE.SERVICE.CUSTOMER, on a device \
                         of the service VLAN that comes and goes with it.",
                    )
                    .apply(Apply::NewSessionsOnly)
                    .mandatory()],
                    "Double-tagged clients.",
                )
                .apply(Apply::NewSessionsOnly),
                Statement::flag(
                    "remove-when-no-subscribers",
                    "Removes a device that the daemon has made when no session has been on it for a quarter of a minute.",
                )
                .apply(Apply::Hot),
            ],
            "VLAN devices are made on the first DHCP packet of a tag, one a VLAN, where a group serves their name (a \
             pattern like \"eth1.*\"). Without an address of their own they are unnumbered: an address on a loopback \
             serves them.",
        )
        .apply(Apply::NewSessionsOnly),
        later::any("unit"),
        later::any("description"),
    ],
    "A network interface.",
)
.apply(Apply::NewSessionsOnly);
