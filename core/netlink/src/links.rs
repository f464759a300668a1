//! Links and addresses: what there is, and what changes.

use crate::{
    Fault, OpenError, PlaneSettings,
    fib::Fib,
    socket::{Answer, RouteSocket, parse},
};
use bindery_engine::input::{Link, LinkAddress};
use bindery_types::{IfIndex, Ipv4Addr, MacAddr};
use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressMessage},
    link::{InfoData, InfoPortKind, InfoVrf, LinkAttribute, LinkFlags, LinkInfo, LinkMessage},
    route::{RouteAddress, RouteAttribute, RouteMessage},
};
use socket2::{SockFilter, SockRef};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    num::NonZeroU32,
    os::fd::{AsFd, BorrowedFd},
};

/// Multicast groups of links, IPv4 addresses and IPv4 routes.
const GROUPS: u32 = (libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV4_ROUTE) as u32;

/// Notifications read in one go; the rest waits for the next.
const DATAGRAMS_MAX: usize = 256;

/// Something that concerns links or routes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum LinkEvent {
    /// An interface appeared or changed; the whole state of it, and whether it has come up.
    Set(Link, bool),
    /// An interface is gone, and its routes.
    Gone(IfIndex),
    /// An interface was down, if only for a moment: its routes and neighbours are gone.
    WasDown(IfIndex),
    /// An address was removed: routes with it as source are gone, and all of the interface with its last address.
    AddressLost(IfIndex, Ipv4Addr),
    /// An address was added.
    AddressAdded(IfIndex, Ipv4Addr),
    /// Somebody else removed or replaced a host route in this table, or removed another one of ours.
    RouteTouched(u32, Ipv4Addr, u8),
    /// Notifications were lost; everything may have changed. Links have been read again.
    Overrun,
}

/// Every link of the calling thread's network namespace with its addresses, by index.
///
/// # Errors
/// The kernel cannot be asked.
pub fn links() -> Result<Vec<Link>, OpenError> {
    let mut query = RouteSocket::open(0, PlaneSettings::default().receive_buffer)?;
    let read = read_all(&mut query).map_err(|fault| OpenError::System {
        what: "reading the interfaces",
        errno: match fault {
            Fault::System(errno) => errno,
            Fault::AcksLost => nix::errno::Errno::ENOBUFS,
            Fault::Silent => nix::errno::Errno::ETIMEDOUT,
        },
    })?;
    Ok(read.0.into_values().collect())
}

/// What notifications have said since links were last read.
#[derive(Default)]
struct Changes {
    /// Links that changed.
    stale: BTreeSet<IfIndex>,
    /// Links that were last seen down by the administrator: the next such notification is no news.
    down: BTreeSet<IfIndex>,
}

/// Listens to changes and keeps what is known of each link.
pub(crate) struct Links {
    notifications: RouteSocket,
    query: RouteSocket,
    known: BTreeMap<IfIndex, Link>,
    /// The VRF devices of the links that are in one.
    masters: BTreeMap<IfIndex, IfIndex>,
    changes: Changes,
    /// Notifications were lost.
    missed: bool,
}

impl Links {
    /// Starts to listen. What `plane` does to routes is not heard.
    pub(crate) fn open(plane: &impl Fib) -> Result<Self, OpenError> {
        let buffer = plane.receive_buffer();
        let notifications = RouteSocket::open(GROUPS, buffer)?;
        // Without a socket that changes routes, the one that never does stands for it.
        let (ours, protocol) = plane.port().unwrap_or((notifications.port(), 0));
        SockRef::from(&notifications)
            .attach_filter(&filter(ours, protocol))
            .map_err(OpenError::system("setting the notification filter"))?;
        Ok(Self {
            notifications,
            query: RouteSocket::open(0, buffer)?,
            known: BTreeMap::new(),
            masters: BTreeMap::new(),
            changes: Changes::default(),
            missed: false,
        })
    }

    /// Starts to listen anew after a fault, from what is known.
    pub(crate) fn reopen(&mut self, plane: &impl Fib) -> Result<Self, OpenError> {
        let mut links = Self::open(plane)?;
        links.known = std::mem::take(&mut self.known);
        links.masters = std::mem::take(&mut self.masters);
        // What was missed shows when each is read again.
        links.missed = true;
        Ok(links)
    }

    /// Whether a link can carry routes, as far as is known.
    pub(crate) fn is_up(&self, link: IfIndex) -> bool {
        self.known.get(&link).is_some_and(|link| link.up)
    }

    /// Whether a link has an IPv4 address.
    pub(crate) fn has_address(&self, link: IfIndex) -> bool {
        self.known.get(&link).is_some_and(|link| !link.addresses.is_empty())
    }

    /// Reads all links again; appends what changed.
    pub(crate) fn read_again(&mut self, events: &mut Vec<LinkEvent>) -> Result<(), Fault> {
        let (now, masters) = read_all(&mut self.query)?;
        self.changes.stale.clear();
        self.masters = masters;
        events.extend(self.known.keys().filter(|index| !now.contains_key(index)).map(|i| LinkEvent::Gone(*i)));
        for link in now.values() {
            self.note_state(link, events);
        }
        self.known = now;
        Ok(())
    }

    /// Appends what has changed, without waiting; whether more may be waiting.
    ///
    /// # Errors
    /// The socket is out of order.
    pub(crate) fn read(&mut self, events: &mut Vec<LinkEvent>) -> Result<bool, Fault> {
        let mut more = true;
        for _ in 0..DATAGRAMS_MAX {
            let changes = &mut self.changes;
            let read = self.notifications.read_notification(|bytes| {
                if let Some(message) = parse(bytes) {
                    changes.note(message, events);
                }
            });
            match read {
                Ok(true) => {}
                Ok(false) => {
                    more = false;
                    break;
                }
                Err(Fault::AcksLost) => self.missed = true,
                Err(fault) => return Err(fault),
            }
        }
        if self.missed {
            self.read_again(events)?;
            self.missed = false;
            events.push(LinkEvent::Overrun);
        }
        self.refresh(events)?;
        Ok(more)
    }

    /// Notes in which VRF a link is. Where the VRF device itself has changed, its links are read again: what they are in
    /// has another name, or is known only now.
    fn note_master(&mut self, link: &mut Link, master: Option<IfIndex>) {
        let of = |at: &IfIndex| self.known.get(at).filter(|device| device.table.is_some());
        link.vrf = master.as_ref().and_then(of).map(|device| device.name.clone());
        match master {
            Some(master) => self.masters.insert(link.index, master),
            None => self.masters.remove(&link.index),
        };
        let named = |link: &Link| (link.name.clone(), link.table);
        if link.table.is_some() && self.known.get(&link.index).map(named) != Some(named(link)) {
            let members = self.masters.iter().filter(|(_, master)| **master == link.index);
            self.changes.stale.extend(members.map(|(member, _)| *member));
        }
    }

    fn note_state(&self, link: &Link, events: &mut Vec<LinkEvent>) {
        let before = self.known.get(&link.index);
        if before != Some(link) {
            let came_up = link.up && !before.is_some_and(|before| before.up);
            events.push(LinkEvent::Set(link.clone(), came_up));
        }
    }

    /// Reads the links that changed.
    fn refresh(&mut self, events: &mut Vec<LinkEvent>) -> Result<(), Fault> {
        while let Some(index) = self.changes.stale.pop_first() {
            match read_one(&mut self.query, index)? {
                Some((mut link, master)) => {
                    self.note_master(&mut link, master);
                    self.note_state(&link, events);
                    self.known.insert(index, link);
                }
                None => {
                    self.masters.remove(&index);
                    if self.known.remove(&index).is_some() {
                        events.push(LinkEvent::Gone(index));
                    }
                }
            }
        }
        Ok(())
    }
}

impl AsFd for Links {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.notifications.as_fd()
    }
}

impl Changes {
    /// Takes from a notification what the state read afterwards will not show.
    fn note(&mut self, message: RouteNetlinkMessage, events: &mut Vec<LinkEvent>) {
        match message {
            RouteNetlinkMessage::NewLink(link) => {
                let index = IfIndex(link.header.index);
                self.stale.insert(index);
                if link.header.flags.contains(LinkFlags::Up) {
                    self.down.remove(&index);
                } else if self.down.insert(index) {
                    events.push(LinkEvent::WasDown(index));
                }
            }
            RouteNetlinkMessage::DelLink(link) => {
                // Also sent when a link leaves a bridge, with the family AF_BRIDGE; so it is read again, not believed.
                let index = IfIndex(link.header.index);
                self.stale.insert(index);
                self.down.remove(&index);
            }
            RouteNetlinkMessage::NewAddress(message) => {
                if let Some((index, address)) = local_address(&message) {
                    self.stale.insert(index);
                    events.push(LinkEvent::AddressAdded(index, address.address));
                }
            }
            RouteNetlinkMessage::DelAddress(message) => {
                if let Some((index, address)) = local_address(&message) {
                    self.stale.insert(index);
                    events.push(LinkEvent::AddressLost(index, address.address));
                }
            }
            RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route) => {
                let (table, dst, len) = destination(&route);
                events.push(LinkEvent::RouteTouched(table, dst, len));
            }
            _ => {}
        }
    }
}

fn destination(route: &RouteMessage) -> (u32, Ipv4Addr, u8) {
    let mut table = u32::from(route.header.table);
    // A default route has none.
    let mut dst = Ipv4Addr::UNSPECIFIED;
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Destination(RouteAddress::Inet(address)) => dst = *address,
            _ => {}
        }
    }
    (table, dst, route.header.destination_prefix_length)
}

/// Links, and the VRF devices of those that are in one.
type Read = (BTreeMap<IfIndex, Link>, BTreeMap<IfIndex, IfIndex>);

fn read_all(query: &mut RouteSocket) -> Result<Read, Fault> {
    let (mut links, mut masters) = (BTreeMap::new(), BTreeMap::new());
    query.push(RouteNetlinkMessage::GetLink(LinkMessage::default()), NLM_F_DUMP, 0);
    query.flush(|answer| {
        if let Answer::Message(_, bytes) = answer
            && let Some(RouteNetlinkMessage::NewLink(message)) = parse(bytes)
        {
            let (link, master) = link_of(&message);
            masters.extend(master.map(|master| (link.index, master)));
            links.insert(link.index, link);
        }
    })?;
    query.push(get_addresses(IfIndex(0)), NLM_F_DUMP, 0);
    query.flush(|answer| {
        if let Answer::Message(_, bytes) = answer
            && let Some(RouteNetlinkMessage::NewAddress(message)) = parse(bytes)
            && let Some((index, address)) = local_address(&message)
            && let Some(link) = links.get_mut(&index)
        {
            link.addresses.push(address);
        }
    })?;
    for (index, master) in &masters {
        let name = links.get(master).filter(|device: &&Link| device.table.is_some()).map(|device| device.name.clone());
        if let Some(link) = links.get_mut(index) {
            link.vrf = name;
        }
    }
    Ok((links, masters))
}

/// A link, and the VRF device that it is in: its name is not asked for.
pub(crate) fn read_one(query: &mut RouteSocket, index: IfIndex) -> Result<Option<(Link, Option<IfIndex>)>, Fault> {
    let mut request = LinkMessage::default();
    request.header.index = index.0;
    query.push(RouteNetlinkMessage::GetLink(request), 0, 0);
    let mut link = None;
    query.flush(|answer| {
        if let Answer::Message(_, bytes) = answer
            && let Some(RouteNetlinkMessage::NewLink(message)) = parse(bytes)
        {
            link = Some(link_of(&message));
        }
    })?;
    let Some((mut link, master)) = link else { return Ok(None) };
    query.push(get_addresses(index), NLM_F_DUMP, 0);
    query.flush(|answer| {
        if let Answer::Message(_, bytes) = answer
            && let Some(RouteNetlinkMessage::NewAddress(message)) = parse(bytes)
            && let Some((of, address)) = local_address(&message)
            && of == index
        {
            link.addresses.push(address);
        }
    })?;
    Ok(Some((link, master)))
}

/// RTM_GETADDR that dumps the IPv4 addresses of one link, or of all (0).
fn get_addresses(link: IfIndex) -> RouteNetlinkMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.index = link.0;
    RouteNetlinkMessage::GetAddress(message)
}

fn link_of(message: &LinkMessage) -> (Link, Option<IfIndex>) {
    let flags = message.header.flags;
    let loopback = flags.contains(LinkFlags::Loopback);
    let mut link = Link {
        index: IfIndex(message.header.index),
        name: "".into(),
        up: flags.contains(LinkFlags::Up | LinkFlags::LowerUp),
        loopback,
        mac: None,
        addresses: Vec::new(),
        vrf: None,
        table: None,
    };
    let (mut master, mut in_vrf) = (None, false);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::Controller(index) => master = Some(IfIndex(*index)),
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    match info {
                        LinkInfo::PortKind(kind) => in_vrf = *kind == InfoPortKind::Vrf,
                        LinkInfo::Data(InfoData::Vrf(data)) => link.table = data.iter().find_map(table_of),
                        _ => {}
                    }
                }
            }
            LinkAttribute::IfName(name) => link.name = name.as_str().into(),
            LinkAttribute::Address(bytes) if !loopback => {
                link.mac = bytes.as_slice().try_into().ok().map(MacAddr);
            }
            _ => {}
        }
    }
    (link, master.filter(|_| in_vrf))
}

fn table_of(info: &InfoVrf) -> Option<NonZeroU32> {
    match info {
        InfoVrf::TableId(table) => NonZeroU32::new(*table),
        _ => None,
    }
}

fn local_address(message: &AddressMessage) -> Option<(IfIndex, LinkAddress)> {
    if message.header.family != AddressFamily::Inet {
        return None;
    }
    // On a point-to-point link the address is the peer's, and the local one is ours.
    let mut address = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(IpAddr::V4(local)) => address = Some(*local),
            AddressAttribute::Address(IpAddr::V4(peer)) => address = address.or(Some(*peer)),
            _ => {}
        }
    }
    let address = LinkAddress { address: address?, len: message.header.prefix_len };
    Some((IfIndex(message.header.index), address))
}

/// A filter for the notification socket: links and addresses pass; of routes pass host routes and those of `protocol`
/// that somebody else than `port` removed or replaced. Without it a full rate of our own changes, or of somebody's
/// routing table, would overrun the socket.
fn filter(port: u32, protocol: u8) -> [SockFilter; 15] {
    const LOAD_WORD: u16 = 0x20;
    const LOAD_HALF: u16 = 0x28;
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_EQUAL: u16 = 0x15;
    const JUMP_ANY_BIT: u16 = 0x45;
    const RETURN: u16 = 0x06;
    // The filter loads in network byte order what netlink writes in the machine's.
    let new_route = u32::from(libc::RTM_NEWROUTE.to_be());
    let del_route = u32::from(libc::RTM_DELROUTE.to_be());
    let replace = u32::from((libc::NLM_F_REPLACE as u16).to_be());
    [
        SockFilter::new(LOAD_HALF, 0, 0, 4),
        SockFilter::new(JUMP_EQUAL, 2, 0, new_route),
        SockFilter::new(JUMP_EQUAL, 4, 0, del_route),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
        SockFilter::new(LOAD_HALF, 0, 0, 6),
        SockFilter::new(JUMP_ANY_BIT, 1, 0, replace),
        SockFilter::new(RETURN, 0, 0, 0),
        // The prefix length, behind the netlink header and the family.
        SockFilter::new(LOAD_BYTE, 0, 0, 17),
        SockFilter::new(JUMP_EQUAL, 2, 0, 32),
        // The protocol number.
        SockFilter::new(LOAD_BYTE, 0, 0, 21),
        SockFilter::new(JUMP_EQUAL, 0, 2, u32::from(protocol)),
        SockFilter::new(LOAD_WORD, 0, 0, 12),
        SockFilter::new(JUMP_EQUAL, 0, 1, port.to_be()),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
}
