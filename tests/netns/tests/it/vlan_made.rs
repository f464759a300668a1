//! VLAN devices that the daemon makes: on the first packet of a tag, anew after a reboot, gone when nobody is left. In a
//! guest, as `vlan`.

use crate::access::database_is_kernel;
use anyhow::{Context, Result, ensure};
use bindery_netns::client::Options;
use bindery_netns::packet::{Envelope, Message, Sent, Tag, kind, mac_text};
use bindery_netns::raw::RawSocket;
use bindery_netns::{Capture, Client, ClientKind, Daemon, Lab, Namespace, uml, until};
use std::net::Ipv4Addr;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

const CONFIG: &str = r#"
interfaces s0 {
    auto-configure {
        vlan-ranges { ranges "100-199" "7" }
        stacked-vlan-ranges { ranges "200,any" }
        remove-when-no-subscribers
    }
}
system { services { dhcp-local-server { group access { interface "s0.*" } } } }
access { address-assignment { pool p { family inet {
    network "10.0.0.0/24"
    range r { low "10.0.0.10"; high "10.0.0.250" }
    dhcp-attributes { maximum-lease-time 600; router "10.0.0.1" }
} } } }
"#;

struct Scene {
    // Fields drop in this order: the daemon before its namespace, everything before the lab's folder.
    daemon: Daemon,
    wire: Capture,
    server: Namespace,
    trunk: Namespace,
    lab: Lab,
}

impl Scene {
    /// The server has no VLAN device, and its address on a loopback.
    fn new() -> Result<Option<Self>> {
        let Some(lab) = Lab::new(&["dhcpcd", "busybox"]) else {
            return Ok(None);
        };
        let (server, trunk) = (lab.namespace("srv")?, lab.namespace("cli")?);
        lab.veth((&server, "s0"), (&trunk, "c0"))?;
        server.address("lo", "10.0.0.1/32")?;
        for (lower, device, protocol, id) in [
            ("c0", "c0.100", "802.1Q", "100"),
            ("c0", "c0.200", "802.1ad", "200"),
            ("c0.200", "c0.200.7", "802.1Q", "7"),
        ] {
            trunk.ip(&["link", "add", "link", lower, "name", device, "type", "vlan", "proto", protocol, "id", id])?;
            trunk.ip(&["link", "set", device, "up"])?;
        }
        let wire = Capture::start(&lab, &trunk, "c0")?;
        let daemon = Daemon::start(&lab, &server, CONFIG)?;
        Ok(Some(Self { daemon, wire, server, trunk, lab }))
    }

    fn customer(&self, role: &str, device: &str) -> Result<Namespace> {
        let namespace = self.lab.namespace(role)?;
        self.trunk.ip(&["link", "set", device, "netns", namespace.name()])?;
        namespace.ip(&["link", "set", device, "up"])?;
        Ok(namespace)
    }

    /// What `ip` says of the server's device, if there is one.
    fn device(&self, name: &str) -> Option<String> {
        self.server.ip(&["-details", "link", "show", "dev", name]).ok()
    }

    fn is_there(&self, name: &str, protocol: &str, id: u16) -> Result<()> {
        let text = self.device(name).with_context(|| format!("there is no {name}"))?;
        ensure!(text.contains(&format!("vlan protocol {protocol} id {id} ")), "{text}");
        ensure!(text.contains("alias made by bindery"), "{text}");
        Ok(())
    }

    /// Packets, database and kernel agree that `address` is leased on `device` to whoever sent `tags`.
    fn agree(&self, device: &str, tags: &[Tag], address: Ipv4Addr, mac: [u8; 6]) -> Result<()> {
        let ack =
            self.wire.wait("an ACK", 0, |sent| sent.message.kind() == kind::ACK && sent.message.yiaddr == address)?;
        ensure!(ack.tags == tags && ack.message.chaddr == mac && ack.envelope.from == SERVER, "{ack:?}");
        let binding = self.daemon.wait_bound(address)?;
        ensure!(binding.interface == device && binding.mac == mac_text(mac), "{binding:?}");
        let route = until(&format!("a route to {address}"), || self.server.route(address).ok()?)?;
        ensure!(route.interface == device && route.scope == "link", "{route:?}");
        let there = until(&format!("a neighbour {address}"), || {
            let neighbours = self.server.neighbours(device).ok()?;
            neighbours.into_iter().find(|entry| entry.address == address.to_string())
        })?;
        ensure!(there.mac == mac_text(mac) && there.state == "PERMANENT", "{there:?}");
        Ok(())
    }
}

/// Sends one DISCOVER of a new client.
fn discover(cable: &RawSocket, tags: &[Tag], number: u8) -> Result<u32> {
    let (mac, xid) = ([2, 0, 0, 0, 9, number], 0x9000 + u32::from(number));
    let message = Message::request(kind::DISCOVER, mac, xid);
    cable.send(&Tag::put(tags, Envelope::client_broadcast(mac).frame(&message.encode())))?;
    Ok(xid)
}

#[test]
fn devices_are_made_for_clients_and_removed_after_them() -> Result<()> {
    let name = "vlan_made::devices_are_made_for_clients_and_removed_after_them";
    uml::run(name, &["ipv6", "veth", "8021q"], || {
        let Some(mut scene) = Scene::new()? else { return Ok(()) };
        let mac = scene.trunk.mac("c0")?;
        let cable = RawSocket::open(&scene.trunk, "c0")?;
        // Nobody's first, so that they have been looked at when the others are served.
        for (tags, number) in [(&[Tag::customer(300)][..], 1), (&[Tag::service(201), Tag::customer(7)], 2)] {
            discover(&cable, tags, number)?;
        }
        // One packet is enough: the first is answered.
        let xid = discover(&cable, &[Tag::customer(150)], 3)?;
        let offer = |sent: &Sent| sent.message.kind() == kind::OFFER && sent.message.xid == xid;
        let offer = scene.wire.wait("an OFFER to the first packet", 0, offer)?;
        ensure!(offer.tags == [Tag::customer(150)], "{offer:?}");
        scene.is_there("s0.150", "802.1Q", 150)?;
        ensure!(scene.device("s0.300").is_none() && scene.device("s0.201").is_none(), "a device outside of the ranges");

        let (one, two) = (scene.customer("one", "c0.100")?, scene.customer("two", "c0.200.7")?);
        let mut dhcpcd = Client::start(&scene.lab, ClientKind::Dhcpcd, &one, "c0.100", Options::default())?;
        let mut udhcpc = Client::start(&scene.lab, ClientKind::Udhcpc, &two, "c0.200.7", Options::default())?;
        let (single, double) = (dhcpcd.wait_address(&one)?, udhcpc.wait_address(&two)?);
        let stacked = [Tag::service(200), Tag::customer(7)];
        scene.is_there("s0.100", "802.1Q", 100)?;
        scene.is_there("s0.200", "802.1ad", 200)?;
        scene.is_there("s0.200.7", "802.1Q", 7)?;
        scene.agree("s0.100", &[Tag::customer(100)], single, mac)?;
        scene.agree("s0.200.7", &stacked, double, mac)?;

        // A reboot: the kernel has forgotten all devices, the database nothing.
        let kept = scene.daemon.folder().join("state/vlan-devices");
        until("the devices are written down", || {
            std::fs::read_to_string(&kept).ok().filter(|text| text.contains("s0.200.7 ") && text.contains("s0.100 "))
        })?;
        let shown = scene.daemon.script("show interfaces auto-configure")?;
        let row = shown.lines().find(|line| line.starts_with("s0.200.7 ")).unwrap_or_default();
        let words: Vec<&str> = row.split_whitespace().collect();
        ensure!(words == ["s0.200.7", "s0.200", "802.1Q", "7", "1", "present"], "{shown}");
        scene.daemon.kill();
        for device in ["s0.100", "s0.150", "s0.200.7", "s0.200"] {
            scene.server.ip(&["link", "delete", device])?;
        }
        scene.daemon.restart(&scene.server)?;
        scene.agree("s0.100", &[Tag::customer(100)], single, mac)?;
        scene.agree("s0.200.7", &stacked, double, mac)?;
        scene.is_there("s0.200", "802.1ad", 200)?;
        ensure!(scene.device("s0.150").is_none(), "a device that nobody had a lease on came back");

        // Nobody left: the device goes, and the one of its service VLAN after it. The other stays.
        udhcpc.release()?;
        scene.daemon.wait_unbound(double)?;
        until("s0.200.7 is removed", || scene.device("s0.200.7").is_none().then_some(()))?;
        until("s0.200 is removed", || scene.device("s0.200").is_none().then_some(()))?;
        scene.agree("s0.100", &[Tag::customer(100)], single, mac)?;
        database_is_kernel(&scene.daemon, &scene.server)?;
        scene.wire.judge("udp.srcport == 67")
    })
}

/// A daemon may be up before the card is, and a device may go without its doing: what sessions are on comes back.
#[test]
fn devices_come_back_with_the_interface_under_them() -> Result<()> {
    uml::run("vlan_made::devices_come_back_with_the_interface_under_them", &["ipv6", "veth", "8021q"], || {
        let Some(mut scene) = Scene::new()? else { return Ok(()) };
        let mac = scene.trunk.mac("c0")?;
        let one = scene.customer("one", "c0.100")?;
        let mut dhcpcd = Client::start(&scene.lab, ClientKind::Dhcpcd, &one, "c0.100", Options::default())?;
        let address = dhcpcd.wait_address(&one)?;
        let comes_back = |scene: &Scene| -> Result<()> {
            until("s0.100 is there again", || scene.device("s0.100").is_some().then_some(()))?;
            until("it is known as ours", || scene.is_there("s0.100", "802.1Q", 100).ok())?;
            scene.agree("s0.100", &[Tag::customer(100)], address, mac)
        };
        scene.server.ip(&["link", "delete", "s0.100"])?;
        comes_back(&scene)?;

        let kept = scene.daemon.folder().join("state/vlan-devices");
        let is_kept = || std::fs::read_to_string(&kept).ok().filter(|text| text.contains("s0.100 "));
        until("the device is written down", is_kept)?;
        scene.daemon.kill();
        scene.server.ip(&["link", "delete", "s0.100"])?;
        scene.server.ip(&["link", "set", "s0", "down"])?;
        scene.server.ip(&["link", "set", "s0", "name", "later"])?;
        scene.daemon.restart(&scene.server)?;
        scene.server.ip(&["link", "set", "later", "name", "s0"])?;
        scene.server.ip(&["link", "set", "s0", "up"])?;
        comes_back(&scene)?;
        database_is_kernel(&scene.daemon, &scene.server)
    })
}
