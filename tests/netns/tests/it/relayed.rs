//! Behind relays that we did not write, with a renewal by unicast.

use crate::access::Config;
use anyhow::{Result, ensure};
use bindery_netns::client::Options;
use bindery_netns::packet::{kind, mac_text, option};
use bindery_netns::{Capture, Client, ClientKind, Daemon, Lab, Namespace, relay, until};
use std::net::Ipv4Addr;

/// The server's address towards the relay.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);

/// Server `s0` to relay `r1`, relay `r0` to client `c0`.
pub(crate) struct Scene {
    pub(crate) daemon: Daemon,
    pub(crate) capture: Capture,
    pub(crate) server: Namespace,
    pub(crate) relay: Namespace,
    pub(crate) client: Namespace,
    pub(crate) lab: Lab,
}

impl Scene {
    pub(crate) fn new(programs: &[&str], config: &Config) -> Result<Option<Self>> {
        let Some(lab) = Lab::new(programs) else {
            return Ok(None);
        };
        let (server, relay, client) = (lab.namespace("srv")?, lab.namespace("rel")?, lab.namespace("cli")?);
        lab.veth((&server, "s0"), (&relay, "r1"))?;
        lab.veth((&relay, "r0"), (&client, "c0"))?;
        relay.sysctl("net/ipv4/ip_forward", "1")?;
        server.address("s0", "10.1.0.1/24")?;
        relay.address("r1", "10.1.0.2/24")?;
        let capture = Capture::start(&lab, &server, "s0")?;
        let daemon = Daemon::start(&lab, &server, &config.text())?;
        Ok(Some(Self { daemon, capture, server, relay, client, lab }))
    }

    /// A lease through the relay, then a renewal past it; returns the address.
    fn lease_and_renew(&mut self, circuit: Option<&[u8]>) -> Result<Ipv4Addr> {
        let mac = self.client.mac("c0")?;
        let mut client = Client::start(&self.lab, ClientKind::Dhclient, &self.client, "c0", Options::default())?;
        let address = client.wait_address(&self.client)?;
        let ack = self.capture.wait("an ACK to the relay", 0, |sent| sent.message.kind() == kind::ACK)?;
        ensure!(ack.envelope.to == ack.message.giaddr && ack.envelope.to_port == 67, "{ack:?}");
        ensure!(ack.message.option(option::RELAY) == circuit, "option 82 comes back as it went: {ack:?}");
        let binding = self.daemon.wait_bound(address)?;
        ensure!(binding.mac == mac_text(mac), "{binding:?}");

        let mark = self.capture.mark()?;
        let request = self.capture.wait("a renewal past the relay", mark, |sent| {
            sent.message.kind() == kind::REQUEST
                && sent.message.ciaddr == address
                && sent.message.giaddr.is_unspecified()
        })?;
        ensure!(request.envelope.from == address && request.envelope.to == SERVER, "{request:?}");
        ensure!(request.message.option(option::RELAY).is_none(), "{request:?}");
        let answer = self.capture.wait("its ACK", mark, |sent| {
            sent.message.kind() == kind::ACK && sent.message.xid == request.message.xid
        })?;
        ensure!(answer.envelope.to == address && answer.message.giaddr.is_unspecified(), "{answer:?}");
        ensure!(answer.message.option(option::RELAY).is_none(), "nothing to echo: {answer:?}");

        // The absence of option 82 does not erase what is stored; a restart does not either.
        let renewed = self.daemon.wait_bound(address)?;
        ensure!(renewed.session == binding.session, "a renewal keeps its session");
        self.daemon.kill();
        self.daemon.restart(&self.server)?;
        let restarted = self.daemon.wait_bound(address)?;
        for key in ["option-82", "bootp-relay-address"] {
            ensure!(restarted.all.get(key) == binding.all.get(key), "{key}: {} became {}", binding.all, restarted.all);
        }
        self.capture.judge("udp.srcport == 67 && ip.src == 10.1.0.1")?;
        Ok(address)
    }
}

/// giaddr lies in the server's own subnet: the route goes via it.
#[test]
fn dhcrelay_with_option_82_and_an_on_link_giaddr() -> Result<()> {
    let config = Config {
        pool: "network \"10.1.0.0/24\"; range r1 { low \"10.1.0.130\"; high \"10.1.0.250\" }".into(),
        attributes: "maximum-lease-time 60; t1-renewal-time 4; t2-rebinding-time 50; router \"10.1.0.3\"".into(),
        ..Config::default()
    };
    let Some(mut scene) = Scene::new(&["dhclient", "dhcrelay"], &config)? else {
        return Ok(());
    };
    let giaddr = Ipv4Addr::new(10, 1, 0, 3);
    scene.relay.address("r0", &format!("{giaddr}/32"))?;
    scene.relay.ip(&["route", "add", "10.1.0.128/25", "dev", "r0"])?;
    // The client takes the server for a neighbour; the relay answers for it.
    scene.relay.sysctl("net/ipv4/conf/r0/proxy_arp", "1")?;
    let _relay = relay::dhcrelay(&scene.relay, "r0", "r1", SERVER)?;
    let address = scene.lease_and_renew(Some(&[1, 2, b'r', b'0']))?;
    let route = until("the route", || scene.server.route(address).ok()?)?;
    ensure!(route.via == Some(giaddr.to_string()) && route.interface == "s0", "{route:?}");
    Ok(())
}

/// giaddr is behind a router: its network has a route already, so the subscriber gets none of its own, and says so.
#[test]
fn dnsmasq_relay_with_a_distant_giaddr() -> Result<()> {
    let config = Config {
        pool: "network \"10.2.0.0/24\"; range r1 { low \"10.2.0.10\"; high \"10.2.0.250\" }".into(),
        attributes: "maximum-lease-time 60; t1-renewal-time 4; t2-rebinding-time 50; router \"10.2.0.1\"".into(),
        ..Config::default()
    };
    let Some(mut scene) = Scene::new(&["dhclient", "dnsmasq"], &config)? else {
        return Ok(());
    };
    scene.relay.address("r0", "10.2.0.1/24")?;
    scene.server.ip(&["route", "add", "10.2.0.0/24", "via", "10.1.0.2"])?;
    let _relay = relay::dnsmasq(&scene.relay, Ipv4Addr::new(10, 2, 0, 1), SERVER)?;
    let address = scene.lease_and_renew(None)?;
    ensure!(scene.server.route(address)?.is_none(), "a route to a distant client");
    let binding = scene.daemon.wait_bound(address)?;
    let state = binding.all.get("route-state").and_then(serde_json::Value::as_str);
    ensure!(state == Some("relay-not-on-link"), "the detail says why: {}", binding.all);
    Ok(())
}
