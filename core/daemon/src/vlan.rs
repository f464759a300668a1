//! VLAN devices for clients: made on the first packet of a tag, removed when no session is left on them.
//!
//! A thread of its own listens to tagged requests on the configured interfaces and talks to the kernel; the packet thread
//! learns of a device as of any other, and then gets the packet that was the first.

mod memory;
mod worker;

use crate::packet::{Inbox, Message};
use bindery_api::VlanDevice;
use bindery_config::model::AutoConfigure;
use bindery_engine::config::ServedNames;
use bindery_net::{Taps, Waker};
use bindery_netlink::VlanDevices;
use nix::net::if_::if_nametoindex;
use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
    time::Duration,
};

/// Tag protocol of the outer tag of two (IEEE 802.1ad).
const TPID_8021AD: u16 = 0x88a8;

/// Why the thread does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VlanError {
    /// No netlink socket.
    #[error(transparent)]
    Netlink(#[from] bindery_netlink::OpenError),
    /// No eventfd.
    #[error(transparent)]
    Net(#[from] bindery_net::OpenError),
    /// No thread.
    #[error("starting the thread of VLAN devices: {0}")]
    Thread(#[from] std::io::Error),
}

/// What the thread works by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// `interfaces NAME auto-configure`.
    pub(crate) auto: Vec<AutoConfigure>,
    /// Which names a group serves.
    pub(crate) served: Arc<ServedNames>,
}

impl Settings {
    pub(crate) fn of(loaded: &bindery_config::Loaded) -> Self {
        Self { auto: loaded.model.auto_configure.clone(), served: Arc::new(ServedNames::new(&loaded.engine)) }
    }
}

/// What the thread is told.
#[derive(Default)]
struct Told {
    settings: Option<Settings>,
    stop: bool,
}

/// Interfaces asked about in one message.
const PAGE: usize = 256;

/// How long the packet thread may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// The devices that were made, as far as they are written down, with what is on them; `None` where the packet thread does
/// not say. It waits for that thread.
pub(crate) fn list(state_dir: &Path, inbox: &Inbox) -> Option<Vec<VlanDevice>> {
    let made = memory::Memory::of(state_dir).read();
    let names: Vec<Box<str>> = made.iter().map(|device| device.name.as_str().into()).collect();
    let mut sessions = Vec::with_capacity(names.len());
    for page in names.chunks(PAGE) {
        let (reply, answer) = mpsc::sync_channel(1);
        inbox.send(Message::LiveOn(page.to_vec(), reply));
        sessions.extend(answer.recv_timeout(ANSWER).ok()?);
    }
    let device = |(device, sessions): (memory::Made, u32)| VlanDevice {
        state: if if_nametoindex(device.name.as_str()).is_ok() { "present" } else { "missing" }.to_owned(),
        interface_name: device.name,
        underlying_interface: device.under,
        protocol: if device.protocol == TPID_8021AD { "802.1ad" } else { "802.1Q" }.to_owned(),
        vlan_id: device.id,
        sessions,
    };
    Some(made.into_iter().zip(sessions).map(device).collect())
}

/// The thread. Dropping it ends the thread; the devices stay.
pub(crate) struct Vlans {
    told: Arc<Mutex<Told>>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Vlans {
    /// Starts the thread in the calling thread's network namespace. Devices of an earlier run are known by what they are
    /// called in the kernel; those that a reboot took away and that sessions are on are made anew from `state_dir`.
    ///
    /// # Errors
    /// [`VlanError`].
    pub(crate) fn start(settings: Settings, state_dir: &Path, inbox: &Inbox) -> Result<Self, VlanError> {
        let taps = Taps::new()?;
        let waker = taps.waker();
        let told = Arc::new(Mutex::new(Told { settings: Some(settings), stop: false }));
        let memory = memory::Memory::of(state_dir);
        let mut worker = worker::Worker::new(taps, VlanDevices::open()?, memory, inbox.clone());
        let listening = Arc::clone(&told);
        let thread = std::thread::Builder::new().name("vlans".to_owned()).spawn(move || {
            loop {
                let told = std::mem::take(&mut *listening.lock().unwrap_or_else(PoisonError::into_inner));
                if told.stop {
                    return;
                }
                worker.turn(told.settings);
            }
        })?;
        Ok(Self { told, waker, thread: Some(thread) })
    }

    /// Another configuration holds from now on.
    pub(crate) fn set(&self, settings: Settings) {
        self.tell(|told| told.settings = Some(settings));
    }

    fn tell(&self, with: impl FnOnce(&mut Told)) {
        with(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
        self.waker.wake();
    }
}

impl Drop for Vlans {
    fn drop(&mut self) {
        self.tell(|told| told.stop = true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
