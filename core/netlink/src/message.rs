//! The messages: our routes and neighbours as the kernel wants them, and what it has.

use bindery_engine::route::Route;
use bindery_types::{IfIndex, Ipv4Addr, MacAddr};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState},
    route::{RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteRealm, RouteScope, RouteType},
};

/// RTM_NEWROUTE of our route.
pub(crate) fn new_route(route: &Route, table: u32, protocol: u8) -> RouteNetlinkMessage {
    let mut message = route_to((route.dst, route.len), table, protocol);
    message.header.kind = RouteType::Unicast;
    message.header.scope = if route.via.is_some() { RouteScope::Universe } else { RouteScope::Link };
    message.attributes.push(RouteAttribute::Oif(route.link.0));
    if let Some(via) = route.via {
        message.attributes.push(RouteAttribute::Gateway(RouteAddress::Inet(via)));
    }
    if let Some(src) = route.src {
        message.attributes.push(RouteAttribute::PrefSource(RouteAddress::Inet(src)));
    }
    if route.on_link {
        message.header.flags |= RouteFlags::Onlink;
    }
    if let Some(metric) = route.metric {
        message.attributes.push(RouteAttribute::Priority(metric));
    }
    if let Some(tag) = route.tag {
        message.attributes.push(RouteAttribute::Realm(realm(tag)));
    }
    RouteNetlinkMessage::NewRoute(message)
}

/// A tag as the kernel's pair of realms: the lower half is that of the destination, as `ip route` shows it alone.
fn realm(tag: u32) -> RouteRealm {
    let [source, destination] = [tag >> 16, tag & 0xffff].map(|half| half as u16);
    RouteRealm { source, destination }
}

/// RTM_DELROUTE of whatever route of our protocol goes to `dst`; the kernel takes no other.
pub(crate) fn del_route(dst: (Ipv4Addr, u8), table: u32, protocol: u8) -> RouteNetlinkMessage {
    let mut message = route_to(dst, table, protocol);
    message.header.kind = RouteType::Unspec;
    message.header.scope = RouteScope::NoWhere;
    RouteNetlinkMessage::DelRoute(message)
}

fn route_to((dst, len): (Ipv4Addr, u8), table: u32, protocol: u8) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.destination_prefix_length = len;
    message.header.protocol = RouteProtocol::from(protocol);
    message.attributes.reserve(7);
    // A table number over 255 does not fit into the header.
    match u8::try_from(table) {
        Ok(table) => message.header.table = table,
        Err(_) => message.attributes.push(RouteAttribute::Table(table)),
    }
    message.attributes.push(RouteAttribute::Destination(RouteAddress::Inet(dst)));
    message
}

/// RTM_GETROUTE that dumps every IPv4 route of our protocol, in all tables.
pub(crate) fn dump_routes(protocol: u8) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.protocol = RouteProtocol::from(protocol);
    RouteNetlinkMessage::GetRoute(message)
}

/// RTM_DELROUTE of exactly the route that a dump or notification showed.
pub(crate) fn del_exactly(found: &FoundRoute) -> RouteNetlinkMessage {
    let mut message = found.message.clone();
    message.header.flags = Default::default();
    message.attributes.retain(|attribute| {
        matches!(
            attribute,
            RouteAttribute::Destination(_)
                | RouteAttribute::Table(_)
                | RouteAttribute::Priority(_)
                | RouteAttribute::Oif(_)
                | RouteAttribute::Gateway(_)
                | RouteAttribute::PrefSource(_)
        )
    });
    RouteNetlinkMessage::DelRoute(message)
}

/// A route that the kernel has.
pub(crate) struct FoundRoute {
    pub(crate) table: u32,
    pub(crate) protocol: u8,
    /// Destination; a default route's is 0.0.0.0.
    pub(crate) dst: Ipv4Addr,
    pub(crate) len: u8,
    link: Option<IfIndex>,
    via: Option<Ipv4Addr>,
    src: Option<Ipv4Addr>,
    on_link: bool,
    /// `None` for 0.
    pub(crate) metric: Option<u32>,
    tag: Option<u32>,
    /// It has attributes that ours never have: a TOS, several next hops.
    odd: bool,
    message: RouteMessage,
}

impl FoundRoute {
    /// Reads an IPv4 route.
    pub(crate) fn read(message: RouteMessage) -> Option<Self> {
        let header = &message.header;
        if header.address_family != AddressFamily::Inet {
            return None;
        }
        let mut found = Self {
            table: u32::from(header.table),
            protocol: u8::from(header.protocol),
            dst: Ipv4Addr::UNSPECIFIED,
            len: header.destination_prefix_length,
            link: None,
            via: None,
            src: None,
            on_link: header.flags.contains(RouteFlags::Onlink),
            metric: None,
            tag: None,
            odd: header.tos != 0 || header.kind != RouteType::Unicast,
            message: RouteMessage::default(),
        };
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Table(table) => found.table = *table,
                RouteAttribute::Destination(RouteAddress::Inet(dst)) => found.dst = *dst,
                RouteAttribute::Oif(link) => found.link = Some(IfIndex(*link)),
                RouteAttribute::Gateway(RouteAddress::Inet(via)) => found.via = Some(*via),
                RouteAttribute::PrefSource(RouteAddress::Inet(src)) => found.src = Some(*src),
                RouteAttribute::Priority(metric) => found.metric = Some(*metric).filter(|metric| *metric != 0),
                RouteAttribute::Realm(RouteRealm { source, destination }) => {
                    found.tag = Some(u32::from(*source) << 16 | u32::from(*destination));
                }
                RouteAttribute::CacheInfo(_) => {}
                _ => found.odd = true,
            }
        }
        let scope = if found.via.is_some() { RouteScope::Universe } else { RouteScope::Link };
        found.odd |= header.scope != scope;
        found.message = message;
        Some(found)
    }

    /// Whether it cannot be a route that we made.
    pub(crate) fn is_odd(&self) -> bool {
        self.odd
    }

    /// Whether this is exactly `route`, its neighbour aside. Table and protocol are the caller's to compare. A kernel
    /// without realms keeps no tag, and that is no reason to set the route again and again.
    pub(crate) fn is(&self, route: &Route) -> bool {
        !self.odd
            && self.len == route.len
            && self.dst == route.dst
            && self.on_link == route.on_link
            && self.metric == route.metric.filter(|metric| *metric != 0)
            && (self.tag.is_none() || self.tag == route.tag)
            && self.link == Some(route.link)
            && self.via == route.via
            && self.src == route.src
    }
}

/// RTM_NEWNEIGH of our permanent entry.
pub(crate) fn new_neighbour(dst: Ipv4Addr, link: IfIndex, mac: MacAddr, protocol: u8) -> RouteNetlinkMessage {
    let mut message = neighbour_at(dst, link);
    message.header.state = NeighbourState::Permanent;
    message.header.kind = RouteType::Unicast;
    message.attributes.push(NeighbourAttribute::LinkLayerAddress(mac.0.to_vec()));
    message.attributes.push(NeighbourAttribute::Protocol(RouteProtocol::from(protocol)));
    RouteNetlinkMessage::NewNeighbour(message)
}

/// RTM_DELNEIGH.
pub(crate) fn del_neighbour(dst: Ipv4Addr, link: IfIndex) -> RouteNetlinkMessage {
    RouteNetlinkMessage::DelNeighbour(neighbour_at(dst, link))
}

/// RTM_GETNEIGH of one entry.
pub(crate) fn get_neighbour(dst: Ipv4Addr, link: IfIndex) -> RouteNetlinkMessage {
    RouteNetlinkMessage::GetNeighbour(neighbour_at(dst, link))
}

/// RTM_GETNEIGH that dumps every IPv4 entry.
pub(crate) fn dump_neighbours() -> RouteNetlinkMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet;
    RouteNetlinkMessage::GetNeighbour(message)
}

fn neighbour_at(dst: Ipv4Addr, link: IfIndex) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.ifindex = link.0;
    message.attributes.reserve(3);
    message.attributes.push(NeighbourAttribute::Destination(NeighbourAddress::Inet(dst)));
    message
}

/// A neighbour entry that the kernel has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FoundNeighbour {
    pub(crate) dst: Ipv4Addr,
    pub(crate) link: IfIndex,
    pub(crate) mac: Option<MacAddr>,
    /// Who made it; 0 where nobody said.
    pub(crate) protocol: u8,
    /// Somebody configured it: the kernel does not age it.
    pub(crate) configured: bool,
}

impl FoundNeighbour {
    /// Reads an IPv4 entry.
    pub(crate) fn read(message: &NeighbourMessage) -> Option<Self> {
        let header = &message.header;
        let configured = matches!(header.state, NeighbourState::Permanent | NeighbourState::Noarp)
            || header.flags.contains(NeighbourFlags::ExtLearned);
        let mut dst = None;
        let mut mac = None;
        let mut protocol = 0;
        for attribute in &message.attributes {
            match attribute {
                NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => dst = Some(*address),
                NeighbourAttribute::LinkLayerAddress(bytes) => {
                    mac = bytes.as_slice().try_into().ok().map(MacAddr);
                }
                NeighbourAttribute::Protocol(number) => protocol = u8::from(*number),
                _ => {}
            }
        }
        Some(Self { dst: dst?, link: IfIndex(header.ifindex), mac, protocol, configured })
    }
}
