//! What the thread of VLAN devices does.

use super::{
    Settings,
    memory::{Made, Memory},
};
use crate::packet::{Inbox, Message};
use bindery_config::model::AutoConfigure;
use bindery_engine::input::{Link, RxMeta};
use bindery_net::{Tagged, Taps, VlanTag};
use bindery_netlink::{Fault, RouteEvent, VlanDevice, VlanDevices};
use bindery_types::IfIndex;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::mpsc,
    time::{Duration, Instant},
};

/// How often the kernel's devices are looked through.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long a device has been without a session when it is removed.
const IDLE: Duration = Duration::from_secs(15);

/// Between two times that it is written down which devices were made.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// Most devices that exist by our doing: each costs the kernel some KiB.
const DEVICES_MAX: usize = 32_768;

/// Most devices made a second; a flood of tags waits, as its clients ask again.
const A_SECOND: u32 = 200;

/// First packets that are kept from one look at the taps to the next.
const FIRST_MAX: usize = 1_024;

/// Interfaces asked about in one message.
const PAGE: usize = 256;

/// Devices of a look that could not be made anew, after which it is left to the next look.
const FAILURES_MAX: usize = 16;

/// How long the packet thread may take to answer, before the question is put again at the next look.
const ANSWER: Duration = Duration::from_secs(10);

/// A VLAN: the device under it, tag protocol and number.
type Vlan = (IfIndex, u16, u16);

/// A first packet of a VLAN without a device.
struct First {
    outer: VlanTag,
    inner: Option<VlanTag>,
    meta: RxMeta,
    payload: Vec<u8>,
}

/// What could not be done, and to which interface.
struct Failed {
    of: Box<str>,
    fault: String,
}

impl From<Fault> for Failed {
    fn from(fault: Fault) -> Self {
        Self { of: "all".into(), fault: fault.to_string() }
    }
}

pub(super) struct Worker {
    taps: Taps,
    devices: VlanDevices,
    memory: Memory,
    inbox: Inbox,
    settings: Settings,
    /// The configured interfaces that are there, and which entry of the settings is theirs.
    parents: BTreeMap<IfIndex, usize>,
    known: HashMap<Vlan, VlanDevice>,
    /// Since when each of our devices has had no session.
    idle: HashMap<IfIndex, Instant>,
    looked: Option<Instant>,
    /// The second in which devices were tried to be made last, and how many.
    made: (u64, u32),
    /// Whether a device was made or removed since the memory was written, and when that was.
    changed: bool,
    written: Option<Instant>,
    started: Instant,
    /// Devices of ours that were there in a former run, or went away without our doing: they are made anew where sessions
    /// are on them, once the interface under them is there. `None` before the first look.
    missing: Option<Vec<Made>>,
    /// The fault that was told last: a lasting one is told once.
    fault: Option<String>,
}

impl Worker {
    pub(super) fn new(taps: Taps, devices: VlanDevices, memory: Memory, inbox: Inbox) -> Self {
        Self {
            taps,
            devices,
            memory,
            inbox,
            settings: Settings::default(),
            parents: BTreeMap::new(),
            known: HashMap::new(),
            idle: HashMap::new(),
            looked: None,
            made: (0, 0),
            changed: false,
            written: None,
            started: Instant::now(),
            missing: None,
            fault: None,
        }
    }

    /// Takes over settings, waits for packets, and does what is due.
    pub(super) fn turn(&mut self, settings: Option<Settings>) {
        if let Some(settings) = settings {
            // By the interfaces as they were called.
            let before = self.ours();
            self.missing.iter_mut().for_each(|missing| missing.extend_from_slice(&before));
            self.parents.clear();
            self.settings = settings;
            self.looked = None;
        }
        if self.settings.auto.is_empty() {
            self.listen();
        } else if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            let done = self.look();
            self.told(done);
        }
        self.remember();
        let timeout = match self.settings.auto.is_empty() {
            true => Duration::from_secs(3_600),
            false if self.changed => WRITE_EVERY,
            false => LOOK_EVERY,
        };
        let mut firsts = Vec::new();
        let (known, parents, auto) = (&self.known, &self.parents, &self.settings.auto);
        let waited = self.taps.wait(timeout, |tagged| {
            if firsts.len() < FIRST_MAX && is_new(known, parents, auto, &tagged) {
                let Tagged { outer, inner, meta, payload } = tagged;
                firsts.push(First { outer, inner, meta, payload: payload.to_vec() });
            }
        });
        if let Err(errno) = waited {
            tracing::error!(%errno, "poll failed");
        }
        for first in firsts {
            let done = self.first(first);
            self.told(done);
        }
        self.remember();
    }

    /// Writes down which devices we have made, not for each of them where there are many.
    fn remember(&mut self) {
        if !self.changed || self.written.is_some_and(|written| written.elapsed() < WRITE_EVERY) {
            return;
        }
        self.written = Some(Instant::now());
        self.changed = false;
        let mut made = self.ours();
        made.extend(self.missing.iter().flatten().cloned());
        if let Err(error) = self.memory.write(made) {
            tracing::warn!(%error, "which VLAN devices were made cannot be kept for the time after a reboot");
        }
    }

    /// A packet of a VLAN without a device: the device is made, and then the packet thread gets the packet.
    fn first(&mut self, first: First) -> Result<(), Failed> {
        let First { outer, inner, mut meta, payload } = first;
        let Some(name) = self.settings.name_of(&self.parents, meta.link, outer, inner) else { return Ok(()) };
        if !self.settings.served.contains(&name) || !self.has_room() {
            return Ok(());
        }
        let mut link = None;
        let mut under = meta.link;
        let mut path = self.settings.parent(&self.parents, meta.link).map(|auto| auto.interface.value.clone());
        for tag in std::iter::once(outer).chain(inner) {
            let Some(name) = path.map(|under| format!("{under}.{}", tag.id())) else { return Ok(()) };
            let device = self.device(&name, (under, tag.tpid, tag.id()))?;
            under = device.0;
            link = device.1.or(link);
            path = Some(name);
        }
        meta.link = under;
        if let Some(link) = link {
            self.inbox.try_send(Message::Route(RouteEvent::LinkSet(link)));
            self.inbox.try_send(Message::Datagram(meta, payload));
        }
        Ok(())
    }

    /// The device of a VLAN, and its state where it was made just now.
    fn device(&mut self, name: &str, vlan: Vlan) -> Result<(IfIndex, Option<Link>), Failed> {
        if let Some(device) = self.known.get(&vlan) {
            return Ok((device.index, None));
        }
        let (under, protocol, id) = vlan;
        // What fails is asked of the kernel no more often.
        self.made.1 += 1;
        let link = self
            .devices
            .create(name, under, protocol, id)
            .map_err(|fault| Failed { of: name.into(), ..fault.into() })?;
        self.changed = true;
        tracing::info!(device = name, protocol = format_args!("{protocol:04x}"), "VLAN device made for a client");
        let (index, name) = (link.index, name.into());
        self.known.insert(vlan, VlanDevice { index, name, under, protocol, id, ours: true });
        Ok((index, Some(link)))
    }

    /// Whether another device may be made now.
    fn has_room(&mut self) -> bool {
        let second = self.started.elapsed().as_secs();
        if self.made.0 != second {
            self.made = (second, 0);
        }
        let ours = self.known.values().filter(|device| device.ours);
        self.made.1 < A_SECOND && ours.count() < DEVICES_MAX
    }

    /// Looks through the kernel's devices: listens where it should, removes what nobody needs.
    fn look(&mut self) -> Result<(), Failed> {
        self.looked = Some(Instant::now());
        let before = self.ours();
        self.parents.clear();
        for (at, auto) in self.settings.auto.iter().enumerate() {
            if let Some(index) = self.devices.find(&auto.interface.value)? {
                self.parents.insert(index, at);
            }
        }
        self.listen();
        let listed = self.devices.list()?;
        self.known = listed.into_iter().map(|device| ((device.under, device.protocol, device.id), device)).collect();
        self.changed = true;
        let restored = self.restore(before);
        self.remove_idle().and(restored)
    }

    fn listen(&mut self) {
        let links: Vec<IfIndex> = match self.settings.auto.is_empty() {
            true => Vec::new(),
            false => self.parents.keys().copied().collect(),
        };
        if let Err((link, error)) = self.taps.listen(&links) {
            self.told(Err(Failed { of: format!("interface {}", link.0).into(), fault: error.to_string() }));
        }
    }

    /// Our devices that hang on a configured interface.
    fn ours(&self) -> Vec<Made> {
        let by_index: HashMap<IfIndex, &VlanDevice> = self.known.values().map(|d| (d.index, d)).collect();
        let under = |device: &VlanDevice| match self.settings.parent(&self.parents, device.under) {
            Some(auto) => Some(auto.interface.value.clone()),
            None => by_index.get(&device.under).map(|under| String::from(&*under.name)),
        };
        let ours = self.known.values().filter(|device| device.ours);
        let made = |device: &VlanDevice| {
            let (name, protocol, id) = (String::from(&*device.name), device.protocol, device.id);
            Some(Made { name, under: under(device)?, protocol, id })
        };
        ours.filter_map(made).collect()
    }

    /// Makes the devices that live sessions are on, and those under them, anew: after a reboot, and when the interface under
    /// them has gone and come back. `before` was there at the look before this one.
    fn restore(&mut self, before: Vec<Made>) -> Result<(), Failed> {
        let mut missing = match self.missing.take() {
            Some(missing) => missing,
            None => self.memory.read(),
        };
        missing.extend(before);
        let there: HashMap<&str, IfIndex> = self.known.values().map(|device| (&*device.name, device.index)).collect();
        let mut seen = HashSet::new();
        missing.retain(|made| {
            let name = made.name.as_str();
            !there.contains_key(name) && self.settings.covers(name) && seen.insert(name.to_owned())
        });
        missing.truncate(DEVICES_MAX);
        let names: Vec<Box<str>> = missing.iter().map(|device| device.name.as_str().into()).collect();
        let Some(live) = self.live_on(&names) else {
            self.missing = Some(missing);
            return Ok(());
        };
        let wanted = names.iter().zip(live).filter(|(_, live)| *live > 0).map(|(name, _)| &**name);
        // With the device of the service VLAN under each.
        let wanted: HashSet<&str> =
            wanted.flat_map(|name| [Some(name), name.rsplit_once('.').map(|(under, _)| under)]).flatten().collect();
        missing.retain(|device| wanted.contains(device.name.as_str()));
        // Those of service VLANs first: the others hang on them.
        missing.sort_by_key(|device| device.name.matches('.').count());
        let parents = self.parents.iter().filter_map(|(index, at)| Some((self.settings.auto.get(*at)?, *index)));
        let mut there: HashMap<String, IfIndex> =
            there.into_iter().map(|(name, index)| (name.to_owned(), index)).collect();
        there.extend(parents.map(|(auto, index)| (auto.interface.value.clone(), index)));
        let (mut waiting, mut failed, mut result) = (Vec::new(), Vec::new(), Ok(()));
        for made in missing {
            let under = there.get(&made.under).filter(|_| failed.len() < FAILURES_MAX);
            match under.map(|under| self.device(&made.name, (*under, made.protocol, made.id))) {
                None => waiting.push(made),
                Some(Ok((index, _))) => _ = there.insert(made.name, index),
                Some(Err(error)) => {
                    failed.push(made);
                    result = result.and(Err(error));
                }
            }
        }
        // What failed does not stand in the way of the others.
        waiting.append(&mut failed);
        self.missing = Some(waiting);
        result
    }

    /// Removes our devices that have been without a session for long enough, where the configuration says so.
    fn remove_idle(&mut self) -> Result<(), Failed> {
        let now = Instant::now();
        let under: HashMap<IfIndex, IfIndex> = self.known.values().map(|device| (device.index, device.under)).collect();
        let carries: HashSet<IfIndex> = under.values().copied().collect();
        let leaves: Vec<VlanDevice> = self
            .known
            .values()
            .filter(|device| device.ours && !carries.contains(&device.index) && self.is_removable(device, &under))
            .cloned()
            .collect();
        let indexes: HashSet<IfIndex> = leaves.iter().map(|device| device.index).collect();
        self.idle.retain(|index, _| indexes.contains(index));
        let names: Vec<Box<str>> = leaves.iter().map(|device| device.name.clone()).collect();
        let Some(live) = self.live_on(&names) else { return Ok(()) };
        let mut ours: HashMap<String, Made> = self.ours().into_iter().map(|made| (made.name.clone(), made)).collect();
        for (device, live) in leaves.into_iter().zip(live) {
            if live > 0 {
                self.idle.remove(&device.index);
                continue;
            }
            let since = *self.idle.entry(device.index).or_insert(now);
            if now.duration_since(since) >= IDLE {
                self.devices.remove(device.index)?;
                self.idle.remove(&device.index);
                self.known.remove(&(device.under, device.protocol, device.id));
                // A client may have been bound on it this very moment: the next look tells.
                self.missing.iter_mut().for_each(|missing| missing.extend(ours.remove(&*device.name)));
                tracing::info!(device = &*device.name, "VLAN device removed: no session is on it");
            }
        }
        Ok(())
    }

    /// Whether the configuration lets a device go; `under` has the device under each.
    fn is_removable(&self, device: &VlanDevice, under: &HashMap<IfIndex, IfIndex>) -> bool {
        let on = |index: &IfIndex| self.settings.parent(&self.parents, *index);
        let auto = on(&device.under).or_else(|| on(under.get(&device.under)?));
        auto.is_some_and(|auto| auto.remove_when_empty)
    }

    /// How many live sessions are on each; `None` where the packet thread does not say.
    fn live_on(&self, names: &[Box<str>]) -> Option<Vec<u32>> {
        let mut all = Vec::with_capacity(names.len());
        for page in names.chunks(PAGE) {
            let (reply, answer) = mpsc::sync_channel(1);
            if !self.inbox.try_send(Message::LiveOn(page.to_vec(), reply)) {
                return None;
            }
            all.extend(answer.recv_timeout(ANSWER).ok()?);
        }
        Some(all)
    }

    /// Tells a fault once, until another comes or it is over; of many interfaces with one fault the first.
    fn told(&mut self, done: Result<(), Failed>) {
        let Err(Failed { of, fault }) = done else {
            self.fault = None;
            return;
        };
        if self.fault.as_ref() != Some(&fault) {
            tracing::error!("VLAN devices: {of}: {fault}");
        }
        self.fault = Some(fault);
    }
}

impl Settings {
    /// Whether a device of this name would hang on a configured interface.
    fn covers(&self, name: &str) -> bool {
        let behind =
            |auto: &AutoConfigure| name.strip_prefix(&*auto.interface.value).is_some_and(|rest| rest.starts_with('.'));
        self.auto.iter().any(behind)
    }

    /// The entry of a configured interface that is there.
    fn parent(&self, parents: &BTreeMap<IfIndex, usize>, link: IfIndex) -> Option<&AutoConfigure> {
        self.auto.get(*parents.get(&link)?)
    }

    /// What the device of these tags is called, where they are to have one.
    fn name_of(
        &self,
        parents: &BTreeMap<IfIndex, usize>,
        link: IfIndex,
        outer: VlanTag,
        inner: Option<VlanTag>,
    ) -> Option<String> {
        let auto = self.parent(parents, link)?;
        let name = &auto.interface.value;
        match inner {
            None => auto.covers(&[outer.id()]).then(|| format!("{name}.{}", outer.id())),
            Some(inner) => {
                auto.covers(&[outer.id(), inner.id()]).then(|| format!("{name}.{}.{}", outer.id(), inner.id()))
            }
        }
    }
}

/// Whether the VLAN of a packet has no device and is to have one.
fn is_new(
    known: &HashMap<Vlan, VlanDevice>,
    parents: &BTreeMap<IfIndex, usize>,
    auto: &[AutoConfigure],
    tagged: &Tagged<'_>,
) -> bool {
    let link = tagged.meta.link;
    let Some(auto) = parents.get(&link).and_then(|at| auto.get(*at)) else { return false };
    let on = |under, tag: VlanTag| known.get(&(under, tag.tpid, tag.id())).map(|device| device.index);
    match tagged.inner {
        None => auto.covers(&[tagged.outer.id()]) && on(link, tagged.outer).is_none(),
        Some(inner) => {
            auto.covers(&[tagged.outer.id(), inner.id()])
                && on(link, tagged.outer).and_then(|under| on(under, inner)).is_none()
        }
    }
}
