//! What is asked of subscribers' segments and heard there: the ARP half that sends belongs to the packet thread, the half
//! that listens has a thread of its own. So a flood of ARP or of forged offers takes the packet thread no system call, and
//! one message is under way at most: what comes meanwhile fills the thread's own receive buffers, not the packet thread's
//! inbox.

use crate::packet::{Inbox, Message};
use bindery_engine::{
    Input,
    config::{Config, Overrides},
    input::RxMeta,
    neighbour::{Arp, Probe},
};
use bindery_net::{Neighbours as Sockets, Prober, Seen, Waker, Wanted};
use bindery_types::InstanceId;

/// Something that was heard.
pub(crate) enum Heard {
    /// An ARP packet.
    Arp(Arp),
    /// A message of a DHCP server to a client.
    ServerMessage(RxMeta, Box<[u8]>),
}

impl Heard {
    /// As the engine takes it.
    pub(crate) fn input(&self) -> Input<'_> {
        match self {
            Self::Arp(arp) => Input::Arp(*arp),
            Self::ServerMessage(meta, bytes) => Input::ServerMessage4 { meta: *meta, bytes },
        }
    }
}

/// The packet thread's half, and a handle to the other.
pub(crate) struct Neighbours {
    inbox: Inbox,
    wanted: Wanted,
    prober: Option<Prober>,
    /// Ends the listening thread.
    stop: Option<Waker>,
}

impl Neighbours {
    /// Neither asks nor listens until it is configured.
    pub(crate) fn new(inbox: Inbox) -> Self {
        Self { inbox, wanted: Wanted::default(), prober: None, stop: None }
    }

    /// Opens what a configuration needs, and closes what it does not. Where the sockets cannot be opened the server works
    /// without them: offers leave without an answer, nobody is found dead.
    pub(crate) fn configure(&mut self, config: &Config) {
        let wanted = wanted(config);
        if wanted == self.wanted && (self.stop.is_some() || !wanted.any()) {
            return;
        }
        self.end();
        self.wanted = wanted;
        if !wanted.any() {
            return;
        }
        match Sockets::open(wanted) {
            Ok((sockets, prober)) => {
                let (stop, inbox) = (sockets.waker(), self.inbox.clone());
                let listens = move || listen(sockets, &inbox);
                match std::thread::Builder::new().name("neighbours".to_owned()).spawn(listens) {
                    Ok(_) => (self.prober, self.stop) = (prober, Some(stop)),
                    Err(error) => tracing::error!(%error, "nobody listens to ARP and foreign DHCP servers"),
                }
            }
            Err(error) => tracing::error!(%error, "nobody listens to ARP and foreign DHCP servers"),
        }
    }

    /// Sends ARP requests.
    pub(crate) fn ask(&mut self, probes: &mut Vec<Probe>) {
        match &mut self.prober {
            Some(prober) if !probes.is_empty() => prober.send(probes),
            _ => probes.clear(),
        }
    }

    fn end(&mut self) {
        self.prober = None;
        if let Some(stop) = self.stop.take() {
            stop.wake();
        }
    }
}

impl Drop for Neighbours {
    fn drop(&mut self) {
        self.end();
    }
}

/// What a configuration needs.
fn wanted(config: &Config) -> Wanted {
    let probes = |overrides: &Overrides| overrides.address_probe.is_some();
    let groups = config.groups.iter();
    let arp = groups.clone().any(|group| group.liveness.is_some() || probes(&group.overrides))
        || config.interfaces.iter().filter_map(|interface| interface.overrides.as_ref()).any(probes);
    let looks = |instance: InstanceId| !config.server(instance).no_rogue_server_detection;
    Wanted { arp, servers: groups.clone().any(|group| looks(group.instance)) }
}

/// The listening thread: until it is woken.
fn listen(mut sockets: Sockets, inbox: &Inbox) {
    let mut heard = Vec::new();
    loop {
        let woken = sockets.wait(|seen| {
            heard.push(match seen {
                Seen::Arp(arp) => Heard::Arp(arp),
                Seen::ServerMessage { meta, bytes } => Heard::ServerMessage(meta, bytes.into()),
            });
        });
        match woken {
            Ok(true) => return,
            Ok(false) => {}
            Err(errno) => return tracing::error!(%errno, "nobody listens to ARP and foreign DHCP servers any more"),
        }
        if !heard.is_empty() {
            heard = hand_on(inbox, heard);
        }
    }
}

/// Gives the packet thread what was heard and waits until it has done with it; gives back the empty list. What finds a full
/// inbox is lost.
fn hand_on(inbox: &Inbox, heard: Vec<Heard>) -> Vec<Heard> {
    let (done, taken) = std::sync::mpsc::sync_channel(1);
    inbox.try_send(Message::Heard(heard, done));
    taken.recv().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bindery_engine::config::{AddressProbe, Group, Instance, Interface, Liveness, Server};

    /// A flood leaves the inbox to the others: the next message comes when the packet thread is done with the last.
    #[test]
    fn one_message_is_under_way() {
        let (sender, messages) = crossbeam_channel::bounded(1);
        let inbox = Inbox { sender, waker: bindery_net::Taps::new().unwrap().waker() };
        let arp = Arp {
            link: bindery_types::IfIndex(1),
            sender_ip: bindery_types::Ipv4Addr::UNSPECIFIED,
            sender_mac: bindery_types::MacAddr::default(),
            target_ip: bindery_types::Ipv4Addr::UNSPECIFIED,
        };
        let flood = std::thread::spawn(move || {
            (0..8).fold(Vec::new(), |mut heard: Vec<Heard>, _| {
                heard.push(Heard::Arp(arp));
                hand_on(&inbox, heard)
            })
        });
        let mut taken = 0;
        while let Ok(Message::Heard(mut heard, done)) = messages.recv() {
            taken += heard.drain(..).count();
            done.send(heard).unwrap();
        }
        assert!(flood.join().unwrap().is_empty());
        assert_eq!(taken, 8, "none found the inbox full");
    }

    #[test]
    fn only_what_a_group_needs_is_opened() {
        assert_eq!(wanted(&Config::default()), Wanted::default());
        let plain = Config { groups: vec![Group::default()], ..Config::default() };
        assert_eq!(wanted(&plain), Wanted { arp: false, servers: true });
        let server = Server { no_rogue_server_detection: true, ..Server::default() };
        let instances = vec![Instance { server, ..Instance::default() }];
        let silent = Config { instances, ..plain };
        assert_eq!(wanted(&silent), Wanted::default());
        let group = Group { liveness: Some(Liveness::default()), ..Group::default() };
        let watching = Config { groups: vec![group], ..silent.clone() };
        assert_eq!(wanted(&watching), Wanted { arp: true, servers: false });
        let overrides = Overrides { address_probe: Some(AddressProbe::default()), ..Overrides::default() };
        let interface = Interface { overrides: Some(overrides), ..Interface::default() };
        let probing = Config { interfaces: vec![interface], ..silent };
        assert_eq!(wanted(&probing), Wanted { arp: true, servers: false });
    }
}
