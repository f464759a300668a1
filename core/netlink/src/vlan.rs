//! VLAN devices that are made and removed for clients.

use crate::{
    Fault, OpenError, PlaneSettings,
    links::read_one,
    socket::{Answer, RouteSocket, parse},
};
use bindery_engine::input::Link;
use bindery_types::IfIndex;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{InfoData, InfoKind, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, VlanProtocol},
};
use nix::errno::Errno;

/// What stands in the alias of a device that we made: it is how a later start knows them.
const ALIAS: &str = "made by bindery for its clients";

/// A VLAN device of the kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VlanDevice {
    /// Kernel index.
    pub index: IfIndex,
    /// Its name.
    pub name: Box<str>,
    /// The device under it.
    pub under: IfIndex,
    /// Tag protocol: 0x8100 for 802.1Q, 0x88a8 for 802.1ad.
    pub protocol: u16,
    /// The VLAN.
    pub id: u16,
    /// Whether [`VlanDevices::create`] made it, in this run or before.
    pub ours: bool,
}

/// Makes and removes VLAN devices, by a socket of its own.
pub struct VlanDevices {
    socket: RouteSocket,
}

impl VlanDevices {
    /// Works in the calling thread's network namespace.
    ///
    /// # Errors
    /// [`OpenError`]: no netlink socket.
    pub fn open() -> Result<Self, OpenError> {
        Ok(Self { socket: RouteSocket::open(0, PlaneSettings::default().receive_buffer)? })
    }

    /// All VLAN devices.
    ///
    /// # Errors
    /// The kernel cannot be asked.
    pub fn list(&mut self) -> Result<Vec<VlanDevice>, Fault> {
        let mut devices = Vec::new();
        self.socket.push(RouteNetlinkMessage::GetLink(LinkMessage::default()), NLM_F_DUMP, 0);
        self.socket.flush(|answer| {
            if let Answer::Message(_, bytes) = answer
                && let Some(RouteNetlinkMessage::NewLink(message)) = parse(bytes)
            {
                devices.extend(device_of(&message));
            }
        })?;
        Ok(devices)
    }

    /// The interface called `name`.
    ///
    /// # Errors
    /// The kernel cannot be asked. One that is not there is no error.
    pub fn find(&mut self, name: &str) -> Result<Option<IfIndex>, Fault> {
        let mut request = LinkMessage::default();
        request.attributes.push(LinkAttribute::IfName(name.to_owned()));
        self.socket.push(RouteNetlinkMessage::GetLink(request), 0, 0);
        let mut found = None;
        self.socket.flush(|answer| {
            if let Answer::Message(_, bytes) = answer
                && let Some(RouteNetlinkMessage::NewLink(message)) = parse(bytes)
            {
                found = Some(IfIndex(message.header.index));
            }
        })?;
        Ok(found)
    }

    /// Makes the device of VLAN `id` over `under` and sets it up; if it is there already under that name it stays what it
    /// is. Its whole state.
    ///
    /// # Errors
    /// The kernel refuses: `under` is down or gone, something else has the name, another device has the VLAN, or the
    /// privilege is missing.
    pub fn create(&mut self, name: &str, under: IfIndex, protocol: u16, id: u16) -> Result<Link, Fault> {
        let mut request = LinkMessage::default();
        request.header.flags = LinkFlags::Up;
        request.header.change_mask = LinkFlags::Up;
        request.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::Link(under.0),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Vlan),
                LinkInfo::Data(InfoData::Vlan(vec![
                    InfoVlan::Id(id),
                    InfoVlan::Protocol(VlanProtocol::from(protocol)),
                ])),
            ]),
        ];
        let made = self.request(RouteNetlinkMessage::NewLink(request), NLM_F_CREATE | NLM_F_EXCL);
        match made {
            Ok(()) | Err(Fault::System(Errno::EEXIST)) => {}
            Err(fault) => return Err(fault),
        }
        // Another name has the VLAN where there is none of this name.
        let index = self.find(name)?.ok_or(Fault::System(Errno::EEXIST))?;
        // What else has the name may be anybody's: clients of the VLAN are not there.
        if made.is_err() && self.read(index)?.is_none_or(|it| (it.under, it.protocol, it.id) != (under, protocol, id)) {
            return Err(Fault::System(Errno::EEXIST));
        }
        if made.is_ok() {
            let mut request = LinkMessage::default();
            request.header.index = index.0;
            request.attributes.push(LinkAttribute::IfAlias(ALIAS.to_owned()));
            self.request(RouteNetlinkMessage::SetLink(request), 0)?;
        }
        let (link, _) = read_one(&mut self.socket, index)?.ok_or(Fault::System(Errno::ENODEV))?;
        Ok(link)
    }

    /// Removes a device; one that is gone already is no error.
    ///
    /// # Errors
    /// The kernel refuses, or cannot be asked.
    pub fn remove(&mut self, index: IfIndex) -> Result<(), Fault> {
        let mut request = LinkMessage::default();
        request.header.index = index.0;
        match self.request(RouteNetlinkMessage::DelLink(request), 0) {
            Err(Fault::System(Errno::ENODEV)) => Ok(()),
            done => done,
        }
    }

    /// The VLAN device of an index; `None` where there is none or it is another kind of device.
    fn read(&mut self, index: IfIndex) -> Result<Option<VlanDevice>, Fault> {
        let mut request = LinkMessage::default();
        request.header.index = index.0;
        self.socket.push(RouteNetlinkMessage::GetLink(request), 0, 0);
        let mut device = None;
        self.socket.flush(|answer| {
            if let Answer::Message(_, bytes) = answer
                && let Some(RouteNetlinkMessage::NewLink(message)) = parse(bytes)
            {
                device = device_of(&message);
            }
        })?;
        Ok(device)
    }

    fn request(&mut self, message: RouteNetlinkMessage, flags: u16) -> Result<(), Fault> {
        let mut failed = None;
        self.socket.push(message, flags, 0);
        self.socket.flush(|answer| {
            if let Answer::Error(_, errno) = answer {
                failed = Some(errno);
            }
        })?;
        failed.map_or(Ok(()), |errno| Err(errno.into()))
    }
}

/// A VLAN device, if the link is one.
fn device_of(message: &LinkMessage) -> Option<VlanDevice> {
    let (mut name, mut under, mut ours) = (None, None, false);
    let (mut id, mut protocol) = (None, libc::ETH_P_8021Q as u16);
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = Some(text.as_str()),
            LinkAttribute::Link(index) => under = Some(IfIndex(*index)),
            LinkAttribute::IfAlias(alias) => ours = alias == ALIAS,
            LinkAttribute::LinkInfo(infos) => {
                let data = infos.iter().filter_map(|info| match info {
                    LinkInfo::Data(InfoData::Vlan(data)) => Some(data),
                    _ => None,
                });
                for info in data.flatten() {
                    match info {
                        InfoVlan::Id(vlan) => id = Some(*vlan),
                        InfoVlan::Protocol(tpid) => protocol = u16::from(*tpid),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Some(VlanDevice {
        index: IfIndex(message.header.index),
        name: name?.into(),
        under: under?,
        protocol,
        id: id?,
        ours,
    })
}
