//! The UDP sockets of VRFs: one for each VRF device that is a routing instance.
//!
//! A socket that is bound to no device takes what comes in outside of all VRFs (unless `net.ipv4.udp_l3mdev_accept` is
//! set), so each VRF has one that is bound to its device. Only datagrams are taken by it: the packet sockets see the
//! frames of every interface anyway, and what is sent names the VRF device by IP_PKTINFO, from the one socket of all.

use crate::{OpenError, Settings, Sockets, filter, sockets, sys, urgent};
use bindery_types::IfIndex;
use nix::{
    errno::Errno,
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        socket::{setsockopt, sockopt::BindToDevice},
    },
};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// VRFs that are read in one turn; the others come next.
const TURN: usize = 16;

/// The sockets of VRFs. One descriptor tells of all of them.
pub(crate) struct Vrfs {
    epoll: Epoll,
    sockets: BTreeMap<IfIndex, (Box<str>, OwnedFd)>,
    settings: Settings,
}

impl Vrfs {
    pub(crate) fn new(settings: &Settings) -> Result<Self, Errno> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        Ok(Self { epoll, sockets: BTreeMap::new(), settings: *settings })
    }

    /// The VRFs whose sockets have something, at most [`TURN`].
    pub(crate) fn ready(&self) -> Vec<IfIndex> {
        let mut events = [EpollEvent::empty(); TURN];
        let count = self.epoll.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
        events.iter().take(count).filter_map(|event| u32::try_from(event.data()).ok()).map(IfIndex).collect()
    }

    pub(crate) fn socket(&self, device: IfIndex) -> Option<&OwnedFd> {
        self.sockets.get(&device).map(|(_, socket)| socket)
    }

    fn serve(&mut self, device: IfIndex, name: &str) -> Result<(), OpenError> {
        let socket = sockets::unbound_udp(&self.settings, false)?;
        // It takes what is urgent too; it is not bound yet, so nothing is queued.
        sys::attach_filter(&socket, &mut filter::udp()).map_err(OpenError::system("setting the UDP filter"))?;
        urgent::share_port(&socket).map_err(OpenError::system("sharing the UDP port"))?;
        setsockopt(&socket, BindToDevice, &OsString::from(name))
            .map_err(OpenError::privileged("binding a socket to a VRF device", "CAP_NET_RAW"))?;
        sockets::bind_udp(&socket, self.settings.port)?;
        let event = EpollEvent::new(EpollFlags::EPOLLIN, u64::from(device.0));
        self.epoll.add(&socket, event).map_err(OpenError::system("waiting for the socket of a VRF"))?;
        self.sockets.insert(device, (name.into(), socket));
        Ok(())
    }
}

impl AsFd for Vrfs {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }
}

impl Sockets {
    /// Serves exactly these VRF devices, by index and name: the sockets of others are closed. Those that cannot be served,
    /// and why: call it again for another try.
    pub fn serve_vrfs<'a>(&mut self, devices: &[(IfIndex, &'a str)]) -> Vec<(&'a str, OpenError)> {
        let vrfs = &mut self.vrfs;
        // A closed socket leaves the epoll by itself. A device of another name is another one.
        vrfs.sockets.retain(|index, (name, _)| devices.iter().any(|(other, its)| other == index && **its == **name));
        let missing: Vec<_> = devices.iter().filter(|(index, _)| !vrfs.sockets.contains_key(index)).collect();
        let serve = |(index, name): &(IfIndex, &'a str)| Some((*name, vrfs.serve(*index, name).err()?));
        missing.into_iter().filter_map(serve).collect()
    }
}
