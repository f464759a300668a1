//! The common scene: a server and its clients on one link, with the daemon and a capture running.

use anyhow::{Context, Result, bail, ensure};
use bindery_netns::packet::{Envelope, Message, Sent, kind, mac_text};
use bindery_netns::raw::RawSocket;
use bindery_netns::{Capture, Daemon, Lab, Namespace, Route, until};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

/// The server's address on `s0`.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// A configuration text in parts, so that a test says only what is particular to it.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Inside of `group access`.
    pub(crate) group: String,
    /// Inside of the pool's `family inet`.
    pub(crate) pool: String,
    /// Inside of the pool's `dhcp-attributes`.
    pub(crate) attributes: String,
    /// Inside of `access`, beside the pool.
    pub(crate) access: String,
    /// After everything else.
    pub(crate) rest: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            group: "interface s0".into(),
            pool: "network \"10.0.0.0/24\"; range r1 { low \"10.0.0.10\"; high \"10.0.0.250\" }".into(),
            attributes: "maximum-lease-time 600; router \"10.0.0.1\"".into(),
            access: String::new(),
            rest: String::new(),
        }
    }
}

impl Config {
    /// Leases of a minute that are renewed after 4 seconds and rebound after 9.
    pub(crate) fn quick() -> Self {
        let attributes = "maximum-lease-time 60; t1-renewal-time 4; t2-rebinding-time 9; router \"10.0.0.1\"".into();
        Self { attributes, ..Self::default() }
    }

    /// The range of the pool, in place of the default one.
    pub(crate) fn range(mut self, low: &str, high: &str) -> Self {
        self.pool = format!("network \"10.0.0.0/24\"; range r1 {{ low \"{low}\"; high \"{high}\" }}");
        self
    }

    /// The text for the daemon.
    pub(crate) fn text(&self) -> String {
        let Self { group, pool, attributes, access, rest } = self;
        format!(
            "system {{ services {{ dhcp-local-server {{ group access {{ {group} }} }} }} }}\n\
             access {{ {access}\n address-assignment {{ pool p1 {{ family inet {{ {pool}; dhcp-attributes {{ {attributes} }} }} }} }} }}\n\
             {rest}\n"
        )
    }
}

/// The scene.
#[derive(Debug)]
pub(crate) struct Access {
    // Fields drop in this order: the daemon before its namespace, everything before the lab's folder.
    pub(crate) daemon: Daemon,
    pub(crate) capture: Capture,
    pub(crate) server: Namespace,
    pub(crate) client: Namespace,
    pub(crate) lab: Lab,
}

impl Access {
    /// A link `s0` to `c0`, the daemon on `s0`; `None` where this machine cannot run the test.
    pub(crate) fn new(programs: &[&str], config: &Config) -> Result<Option<Self>> {
        let Some(lab) = Lab::new(programs) else {
            return Ok(None);
        };
        let (server, client) = (lab.namespace("srv")?, lab.namespace("cli")?);
        lab.veth((&server, "s0"), (&client, "c0"))?;
        server.address("s0", &format!("{SERVER}/24"))?;
        Self::start(lab, server, client, config).map(Some)
    }

    /// As [`Access::new`] with the server's address on `lo` instead of `s0`.
    pub(crate) fn unnumbered(programs: &[&str], config: &Config) -> Result<Option<Self>> {
        let Some(lab) = Lab::new(programs) else {
            return Ok(None);
        };
        let (server, client) = (lab.namespace("srv")?, lab.namespace("cli")?);
        lab.veth((&server, "s0"), (&client, "c0"))?;
        server.address("lo", &format!("{SERVER}/32"))?;
        Self::start(lab, server, client, config).map(Some)
    }

    /// As [`Access::new`] on an Ethernet segment, with room for others on it.
    pub(crate) fn on_segment(programs: &[&str], config: &Config) -> Result<Option<(Self, Namespace)>> {
        let Some(lab) = Lab::new(programs) else {
            return Ok(None);
        };
        let segment = lab.segment("seg")?;
        let (server, client) = (lab.namespace("srv")?, lab.namespace("cli")?);
        lab.plug(&segment, "p-s", &server, "s0")?;
        lab.plug(&segment, "p-c", &client, "c0")?;
        server.address("s0", &format!("{SERVER}/24"))?;
        Ok(Some((Self::start(lab, server, client, config)?, segment)))
    }

    /// The scene in namespaces that are there.
    pub(crate) fn start(lab: Lab, server: Namespace, client: Namespace, config: &Config) -> Result<Self> {
        let capture = Capture::start(&lab, &server, "s0")?;
        let daemon = Daemon::start(&lab, &server, &config.text())?;
        Ok(Self { daemon, capture, server, client, lab })
    }

    /// The three views of a direct client's lease agree: packet, database, kernel.
    pub(crate) fn agree(&self, address: Ipv4Addr, mac: [u8; 6]) -> Result<()> {
        self.capture.wait("an ACK", 0, |sent| {
            sent.message.kind() == kind::ACK && sent.message.yiaddr == address && sent.message.chaddr == mac
        })?;
        let binding = self.daemon.wait_bound(address)?;
        ensure!(binding.mac == mac_text(mac), "{address} is bound to {}, not to {}", binding.mac, mac_text(mac));
        let route = until(&format!("a route to {address}"), || self.server.route(address).ok()?)?;
        let expected = Route {
            destination: address.to_string(),
            interface: "s0".into(),
            via: None,
            source: Some(SERVER.to_string()),
            scope: "link".into(),
            protocol: route.protocol.clone(),
        };
        ensure!(route == expected, "the route is {route:?}");
        let entry = self.server.neighbours("s0")?.into_iter().find(|entry| entry.address == address.to_string());
        let entry = entry.with_context(|| format!("no neighbour {address}"))?;
        ensure!(entry.mac == mac_text(mac) && entry.state == "PERMANENT", "the neighbour is {entry:?}");
        Ok(())
    }

    /// As [`Access::agree`] now and after a `kill -9` and a new start.
    pub(crate) fn agree_also_after_a_restart(&mut self, address: Ipv4Addr, mac: [u8; 6]) -> Result<()> {
        self.agree(address, mac)?;
        let before = self.daemon.wait_bound(address)?;
        self.daemon.kill();
        ensure!(self.server.route(address)?.is_some(), "the route went with the daemon");
        self.daemon.restart(&self.server)?;
        self.agree(address, mac)?;
        let after = self.daemon.wait_bound(address)?;
        ensure!(before.session == after.session, "session {} became {}", before.session, after.session);
        Ok(())
    }

    /// All that was on the link until now, which may be more than the capture has written down yet.
    pub(crate) fn seen(&self) -> Result<Vec<Sent>> {
        static MARKS: AtomicU32 = AtomicU32::new(0xfeed_0000);
        let xid = MARKS.fetch_add(1, Ordering::Relaxed);
        let mark = Message::request(0, [2, 0, 0, 0, 0, 1], xid);
        // From a server's port to a client's: the daemon does not look at it.
        let envelope = Envelope { from_port: 67, to_port: 68, ..Envelope::client_broadcast(mark.chaddr) };
        RawSocket::open(&self.client, "c0")?.send(&envelope.frame(&mark.encode()))?;
        self.capture.wait("the mark", 0, |sent| sent.message.xid == xid)?;
        self.capture.messages()
    }

    /// Nothing is left of a lease: no binding, no route, no neighbour.
    pub(crate) fn gone(&self, address: Ipv4Addr) -> Result<()> {
        self.daemon.wait_unbound(address)?;
        until(&format!("the end of the route to {address}"), || {
            self.server.route(address).ok()?.is_none().then_some(())
        })?;
        until(&format!("the end of the neighbour {address}"), || {
            let entries = self.server.neighbours("s0").ok()?;
            let left = entries.iter().any(|entry| entry.address == address.to_string() && entry.state == "PERMANENT");
            (!left).then_some(())
        })
    }

    /// Bound addresses in the database and host routes in the kernel are the same set.
    pub(crate) fn database_is_kernel(&self) -> Result<()> {
        database_is_kernel(&self.daemon, &self.server)
    }
}

/// See [`Access::database_is_kernel`].
pub(crate) fn database_is_kernel(daemon: &Daemon, server: &Namespace) -> Result<()> {
    let mut last = String::new();
    until("database and routes to be the same", || {
        let mut bound: Vec<String> =
            daemon.bindings().ok()?.iter().filter(|b| b.is_bound()).map(|b| b.address.to_string()).collect();
        let mut routed: Vec<String> = server.routes().ok()?.into_iter().map(|route| route.destination).collect();
        bound.sort();
        routed.sort();
        last = format!("bound {bound:?}\nrouted {routed:?}");
        (bound == routed).then_some(())
    })
    .with_context(|| last.clone())
}

/// Every address of `acked` is bound in the database; otherwise one of the misses is named.
pub(crate) fn all_bound(daemon: &Daemon, acked: &[Ipv4Addr]) -> Result<()> {
    let bound: Vec<Ipv4Addr> = daemon.bindings()?.iter().filter(|b| b.is_bound()).map(|b| b.address).collect();
    for address in acked {
        if !bound.contains(address) {
            bail!("{address} was acknowledged and is not in the database ({} are)", bound.len());
        }
    }
    Ok(())
}
