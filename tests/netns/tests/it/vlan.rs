//! Clients in VLANs of one cable: untagged, a customer's tag, a service tag, both. The test needs VLAN devices, which many
//! kernels lack, so it runs in a guest with a kernel of its own.

use crate::access::database_is_kernel;
use anyhow::{Context, Result, ensure};
use bindery_netns::client::Options;
use bindery_netns::packet::{Envelope, Message, Sent, Tag, kind, mac_text, option};
use bindery_netns::raw::RawSocket;
use bindery_netns::simclient::SimClients;
use bindery_netns::{Capture, Client, ClientKind, Daemon, Lab, Namespace, Route, uml, until};
use std::net::Ipv4Addr;

/// A way of tagging, with an interface and a pool of its own.
struct Circuit {
    /// Follows the name of the parent.
    suffix: &'static str,
    tags: &'static [Tag],
    /// The third octet of its network.
    net: u8,
}

const UNTAGGED: Circuit = Circuit { suffix: "", tags: &[], net: 0 };
const CUSTOMER: Circuit = Circuit { suffix: ".100", tags: &[Tag::customer(100)], net: 1 };
const SERVICE: Circuit = Circuit { suffix: ".200", tags: &[Tag::service(200)], net: 2 };
const DOUBLE: Circuit = Circuit { suffix: ".200.7", tags: &[Tag::service(200), Tag::customer(7)], net: 3 };
const CIRCUITS: [Circuit; 4] = [UNTAGGED, CUSTOMER, SERVICE, DOUBLE];

impl Circuit {
    fn interface(&self, parent: &str) -> String {
        format!("{parent}{}", self.suffix)
    }

    fn server(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, self.net, 1)
    }

    fn holds(&self, address: Ipv4Addr) -> bool {
        address.octets()[..3] == [10, 0, self.net] && address != self.server()
    }
}

/// The VLAN devices of one end of the cable.
fn devices(namespace: &Namespace, parent: &str) -> Result<()> {
    let (service, double) = (SERVICE.interface(parent), DOUBLE.interface(parent));
    let customer = CUSTOMER.interface(parent);
    for (lower, device, protocol, id) in
        [(parent, &customer, "802.1Q", "100"), (parent, &service, "802.1ad", "200"), (&service, &double, "802.1Q", "7")]
    {
        namespace.ip(&["link", "add", "link", lower, "name", device, "type", "vlan", "proto", protocol, "id", id])?;
        namespace.ip(&["link", "set", device, "up"])?;
    }
    Ok(())
}

fn config() -> String {
    let interfaces: Vec<String> =
        CIRCUITS.iter().map(|circuit| format!("interface \"{}\"", circuit.interface("s0"))).collect();
    let pools: Vec<String> = CIRCUITS
        .iter()
        .map(|Circuit { net, .. }| {
            format!(
                "pool net{net} {{ family inet {{ network \"10.0.{net}.0/24\"\n\
                 range r {{ low \"10.0.{net}.10\"; high \"10.0.{net}.250\" }}\n\
                 dhcp-attributes {{ maximum-lease-time 600; router \"10.0.{net}.1\" }} }} }}"
            )
        })
        .collect();
    format!(
        "system {{ services {{ dhcp-local-server {{ group access {{ {} }} }} }} }}\n\
         access {{ address-assignment {{ {} }} }}\n",
        interfaces.join("; "),
        pools.join("; ")
    )
}

struct Scene {
    // Fields drop in this order: the daemon before its namespace, everything before the lab's folder.
    daemon: Daemon,
    /// At the clients' end of the cable: every tag is seen.
    wire: Capture,
    server: Namespace,
    /// The clients' end of the cable.
    trunk: Namespace,
    lab: Lab,
}

impl Scene {
    fn new() -> Result<Option<Self>> {
        let Some(lab) = Lab::new(&["dhclient", "dhcpcd", "busybox"]) else {
            return Ok(None);
        };
        let (server, trunk) = (lab.namespace("srv")?, lab.namespace("cli")?);
        lab.veth((&server, "s0"), (&trunk, "c0"))?;
        devices(&server, "s0")?;
        devices(&trunk, "c0")?;
        for circuit in &CIRCUITS {
            server.address(&circuit.interface("s0"), &format!("{}/24", circuit.server()))?;
        }
        let wire = Capture::start(&lab, &trunk, "c0")?;
        let daemon = Daemon::start(&lab, &server, &config())?;
        Ok(Some(Self { daemon, wire, server, trunk, lab }))
    }

    /// A namespace that has the trunk's device of `circuit`.
    fn customer(&self, role: &str, circuit: &Circuit) -> Result<Namespace> {
        let (namespace, device) = (self.lab.namespace(role)?, circuit.interface("c0"));
        self.trunk.ip(&["link", "set", &device, "netns", namespace.name()])?;
        namespace.ip(&["link", "set", &device, "up"])?;
        Ok(namespace)
    }

    /// Packets, database and kernel agree that `address` is leased in `circuit` and nowhere else.
    fn agree(&self, circuit: &Circuit, address: Ipv4Addr, mac: [u8; 6]) -> Result<()> {
        ensure!(circuit.holds(address), "{address} was leased in the VLAN '{}'", circuit.suffix);
        let ack =
            self.wire.wait("an ACK", 0, |sent| sent.message.kind() == kind::ACK && sent.message.yiaddr == address)?;
        ensure!(ack.tags == circuit.tags && ack.message.chaddr == mac, "{ack:?}");
        ensure!(ack.message.address_option(option::SERVER) == Some(circuit.server()), "{ack:?}");
        let (interface, binding) = (circuit.interface("s0"), self.daemon.wait_bound(address)?);
        ensure!(binding.interface == interface && binding.mac == mac_text(mac), "{binding:?}");
        let route = until(&format!("a route to {address}"), || self.server.route(address).ok()?)?;
        let expected = Route {
            destination: address.to_string(),
            interface: interface.clone(),
            via: None,
            source: Some(circuit.server().to_string()),
            scope: "link".into(),
            protocol: route.protocol.clone(),
        };
        ensure!(route == expected, "the route is {route:?}");
        let neighbours = self.server.neighbours(&interface)?;
        let entry = neighbours.iter().find(|entry| entry.address == address.to_string());
        let entry = entry.with_context(|| format!("no neighbour {address} on {interface}: {neighbours:?}"))?;
        ensure!(entry.mac == mac_text(mac) && entry.state == "PERMANENT", "the neighbour is {entry:?}");
        Ok(())
    }

    /// A renewal by unicast, which comes by the UDP socket and is answered by the kernel's routes.
    fn renew(&self, circuit: &Circuit, client: &Client, address: Ipv4Addr) -> Result<()> {
        let before = self.daemon.wait_bound(address)?;
        let mark = self.wire.mark()?;
        client.renew()?;
        let request = self
            .wire
            .wait("a renewal", mark, |sent| sent.message.kind() == kind::REQUEST && sent.message.ciaddr == address)?;
        ensure!(request.tags == circuit.tags && request.envelope.to == circuit.server(), "{request:?}");
        let ack = self.wire.wait("its ACK", mark, |sent| {
            sent.message.kind() == kind::ACK && sent.message.xid == request.message.xid
        })?;
        ensure!(ack.tags == circuit.tags && ack.envelope.to == address, "{ack:?}");
        let after = self.daemon.wait_bound(address)?;
        ensure!(before.session == after.session && after.interface == circuit.interface("s0"), "{after:?}");
        Ok(())
    }

    /// Every reply has the tags of its request and an address of that circuit.
    fn nothing_was_answered_elsewhere(&self) -> Result<()> {
        let messages = self.wire.messages()?;
        for reply in messages.iter().filter(|sent| sent.message.op == 2) {
            let asked = |sent: &&Sent| sent.message.op == 1 && sent.message.xid == reply.message.xid;
            let request = messages.iter().find(asked).with_context(|| format!("nobody asked for {reply:?}"))?;
            // A tag of VLAN 0 has a priority and nothing else.
            let vlans: Vec<Tag> = request.tags.iter().copied().filter(|tag| tag.vlan() != 0).map(Tag::plain).collect();
            ensure!(reply.tags == vlans, "asked with {:?}, answered with {:?}", request.tags, reply.tags);
            let circuit = CIRCUITS.iter().find(|circuit| circuit.tags == reply.tags);
            let circuit = circuit.with_context(|| format!("no interface has these tags: {reply:?}"))?;
            ensure!(circuit.holds(reply.message.yiaddr), "{} for {:?}", reply.message.yiaddr, reply.tags);
        }
        Ok(())
    }
}

#[test]
fn each_client_is_served_on_the_device_of_its_tags() -> Result<()> {
    let name = "vlan::each_client_is_served_on_the_device_of_its_tags";
    // A namespace has IPv6 variables to set, so that module too.
    uml::run(name, &["ipv6", "veth", "8021q"], || {
        let Some(mut scene) = Scene::new()? else { return Ok(()) };
        // All of the devices have the parent's hardware address: what tells these clients apart is the tags.
        let mac = scene.trunk.mac("c0")?;
        let (one, two) = (scene.customer("one", &CUSTOMER)?, scene.customer("two", &DOUBLE)?);
        let start = |kind, namespace, circuit: &Circuit| {
            Client::start(&scene.lab, kind, namespace, &circuit.interface("c0"), Options::default())
        };
        let mut dhcpcd = start(ClientKind::Dhcpcd, &one, &CUSTOMER)?;
        let mut udhcpc = start(ClientKind::Udhcpc, &two, &DOUBLE)?;
        let mut dhclient = start(ClientKind::Dhclient, &scene.trunk, &UNTAGGED)?;
        let service = SimClients::open(&scene.trunk, &SERVICE.interface("c0"))?.lease(mac, 0x10)?.address;
        let untagged = dhclient.wait_address(&scene.trunk)?;
        let (customer, double) = (dhcpcd.wait_address(&one)?, udhcpc.wait_address(&two)?);
        let leases = [(&UNTAGGED, untagged), (&CUSTOMER, customer), (&SERVICE, service), (&DOUBLE, double)];
        for (circuit, address) in leases {
            scene.agree(circuit, address, mac)?;
        }
        scene.renew(&CUSTOMER, &dhcpcd, customer)?;
        scene.renew(&DOUBLE, &udhcpc, double)?;
        scene.daemon.kill();
        scene.daemon.restart(&scene.server)?;
        for (circuit, address) in leases {
            scene.agree(circuit, address, mac)?;
        }
        let mut frames = Frames::open(&scene)?;
        frames_of_nobody(&scene, &mut frames)?;
        a_device_comes_anew(&scene, &mut frames, customer, mac)?;
        scene.renew(&CUSTOMER, &dhcpcd, customer)?;
        scene.nothing_was_answered_elsewhere()?;
        database_is_kernel(&scene.daemon, &scene.server)?;
        scene.wire.judge("udp.srcport == 67")
    })
}

/// Raw frames at the clients' end of the cable, each with an xid of its own.
struct Frames {
    cable: RawSocket,
    xid: u32,
}

impl Frames {
    fn open(scene: &Scene) -> Result<Self> {
        Ok(Self { cable: RawSocket::open(&scene.trunk, "c0")?, xid: 0x1000 })
    }

    /// A DISCOVER of a new client; its xid.
    fn discover(&mut self, tags: &[Tag]) -> Result<u32> {
        self.xid += 1;
        let mac = [2, 0, 0, 0, 1, self.xid.to_be_bytes()[3]];
        let message = Message::request(kind::DISCOVER, mac, self.xid);
        self.cable.send(&Tag::put(tags, Envelope::client_broadcast(mac).frame(&message.encode())))?;
        Ok(self.xid)
    }

    fn answered(&mut self, scene: &Scene, tags: &[Tag]) -> Result<()> {
        let xid = self.discover(tags)?;
        let offer = |sent: &Sent| sent.message.kind() == kind::OFFER && sent.message.xid == xid;
        scene.wire.wait("an OFFER", 0, offer).map(drop)
    }

    /// The daemon takes frames in their order: when a later one is answered, these have been looked at.
    fn unanswered(&mut self, scene: &Scene, frames: &[&[Tag]]) -> Result<()> {
        let xids = frames.iter().map(|tags| self.discover(tags)).collect::<Result<Vec<u32>>>()?;
        self.answered(scene, UNTAGGED.tags)?;
        let messages = scene.wire.messages()?;
        let answer = messages.iter().find(|sent| sent.message.op == 2 && xids.contains(&sent.message.xid));
        ensure!(answer.is_none(), "a frame of nobody was answered: {answer:?}");
        Ok(())
    }
}

/// Frames whose tags name no device are nobody's; a priority alone makes no VLAN.
fn frames_of_nobody(scene: &Scene, frames: &mut Frames) -> Result<()> {
    let urgent = 5 << 13;
    frames.answered(scene, &[Tag { protocol: 0x8100, control: urgent }])?;
    frames.answered(scene, &[Tag { protocol: 0x8100, control: urgent | 100 }])?;
    frames.unanswered(
        scene,
        &[
            &[Tag::customer(300)],
            &[Tag::service(100)],
            &[Tag::customer(200)],
            &[Tag::service(200), Tag::customer(8)],
            &[Tag::customer(100), Tag::customer(7)],
            &[Tag::customer(300), Tag::customer(100)],
        ],
    )
}

/// The server's device of a VLAN is deleted and made anew under a running daemon: meanwhile the VLAN is nobody's, and
/// afterwards its leases have their routes again.
fn a_device_comes_anew(scene: &Scene, frames: &mut Frames, address: Ipv4Addr, mac: [u8; 6]) -> Result<()> {
    let device = CUSTOMER.interface("s0");
    scene.server.ip(&["link", "delete", &device])?;
    ensure!(scene.server.route(address)?.is_none(), "a route by a device that is gone");
    frames.unanswered(scene, &[CUSTOMER.tags])?;
    ensure!(scene.daemon.wait_bound(address)?.interface == device, "the lease outlives the device");
    scene.server.ip(&["link", "add", "link", "s0", "name", &device, "type", "vlan", "id", "100"])?;
    scene.server.address(&device, &format!("{}/24", CUSTOMER.server()))?;
    scene.server.ip(&["link", "set", &device, "up"])?;
    until("the neighbour of the lease", || {
        let neighbours = scene.server.neighbours(&device).ok()?;
        neighbours.iter().any(|entry| entry.address == address.to_string()).then_some(())
    })?;
    scene.agree(&CUSTOMER, address, mac)?;
    frames.answered(scene, CUSTOMER.tags)
}
