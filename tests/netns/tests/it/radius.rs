//! RADIUS end to end: FreeRADIUS is asked about newcomers and told of sessions, radclient changes and ends them.
//!
//! Everything is looked at from four sides: the client's packets, the session database, the kernel's routes, and what
//! FreeRADIUS wrote down in its own words.

mod accounting;
mod coa;
mod dead;
mod disconnect;
mod kit;
mod newcomers;
mod volume;

use crate::access::{Access, SERVER};
use anyhow::{Context, Result, ensure};
use bindery_netns::freeradius::{PROGRAMS, Packet, SECRET, Wire, radclient};
use bindery_netns::packet::{Message, Sent, kind, mac_text, option};
use bindery_netns::simclient::SimClients;
use bindery_netns::{Capture, Daemon, FreeRadius, Lab, until};
use serde_json::Value;
use std::net::Ipv4Addr;

/// Where the servers listen, in the daemon's own namespace.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A configuration in parts, so that a test says only what is particular to it.
#[derive(Clone, Debug)]
struct Setup {
    /// Inside of the group, beside interface and profile.
    group: String,
    /// Inside of the group's `username-include`.
    username: String,
    /// Inside of `access`.
    access: String,
    /// Inside of the profile, beside its servers.
    profile: String,
    /// After everything else.
    rest: String,
    /// Inside of each `radius-server`.
    server: &'static str,
    /// The profile's `authentication-server` and `accounting-server`.
    servers: (&'static str, &'static str),
    /// FreeRADIUS's users file.
    users: String,
}

impl Setup {
    /// One server for everything; each client has a name of its own (see [`user`]).
    fn new(users: &[String]) -> Self {
        Self {
            group: String::new(),
            username: "user-prefix dhcp; mac-address; delimiter \"-\"; domain-name isp".into(),
            access: String::new(),
            profile: String::new(),
            rest: String::new(),
            server: "",
            servers: ("\"127.0.0.1\"", "\"127.0.0.1\""),
            users: users.concat(),
        }
    }

    /// The daemon's configuration. Both pools are behind one interface: clients reach the server through a default route.
    fn text(&self) -> String {
        let Self { group, username, access, profile, rest, server: more, servers: (ask, tell), .. } = self;
        let server = |address, port| {
            format!("radius-server \"{address}\" {{ secret {SECRET}; timeout 1; retry 2; {port}; {more} }}\n")
        };
        let pool = |name, network, low, high| {
            format!(
                "pool {name} {{ family inet {{ network \"{network}\"; range r1 {{ low \"{low}\"; high \"{high}\" }}\n\
                 dhcp-attributes {{ maximum-lease-time 600; router \"{SERVER}\" }} }} }}\n"
            )
        };
        format!(
            "system {{ services {{ dhcp-local-server {{ group access {{ interface s0; access-profile isp; {group}\n\
             authentication {{ password s3cret; username-include {{ {username} }} }} }} }} }} }}\n\
             access {{ {access}\n{}{}profile isp {{ radius {{ authentication-server {ask}; accounting-server {tell} }}\n\
             {profile} }}\naddress-assignment {{\n{}{}{} }} }}\n{rest}\n",
            server(FIRST, "dynamic-request-port 3799"),
            server(SECOND, "port 1812"),
            pool("p1", "10.0.0.0/22", "10.0.0.10", "10.0.3.250"),
            pool("gold", "10.0.8.0/24", "10.0.8.10", "10.0.8.100"),
            pool("plug", "192.0.2.0/24", "192.0.2.1", "192.0.2.9"),
        )
    }
}

/// The name that FreeRADIUS must see for a client.
fn user(mac: [u8; 6]) -> String {
    let [a, b, c, d, e, f] = mac;
    format!("dhcp-{a:02x}{b:02x}.{c:02x}{d:02x}.{e:02x}{f:02x}@isp")
}

/// A user who is accepted, with attributes of the Access-Accept.
fn accept(name: &str, reply: &[&str]) -> String {
    format!("{name} Cleartext-Password := \"s3cret\"\n\t{}\n\n", reply.join(",\n\t"))
}

/// Everybody who is not named is accepted as he is.
const OTHERS: &str = "DEFAULT User-Name =~ \"^dhcp-\", Cleartext-Password := \"s3cret\"\n\n";

/// A class, and how it comes back.
const CLASS: &str = "Class = 0x676f6c6400ff";

fn in_gold(address: Ipv4Addr) -> bool {
    address.octets().starts_with(&[10, 0, 8])
}

/// The scene of [`Access`] with FreeRADIUS in the daemon's namespace.
struct Scene {
    // Fields drop in this order.
    access: Access,
    radius: FreeRadius,
    wire: Wire,
}

impl Scene {
    fn new(programs: &[&str], setup: &Setup) -> Result<Option<Self>> {
        let Some(lab) = Lab::new(&[&PROGRAMS, programs].concat()) else {
            return Ok(None);
        };
        let (server, client) = (lab.namespace("srv")?, lab.namespace("cli")?);
        lab.veth((&server, "s0"), (&client, "c0"))?;
        server.address("s0", &format!("{SERVER}/16"))?;
        client.hardware_address("c0", REAL_TEXT)?;
        let wire = Wire::start(&lab, &server)?;
        let radius = FreeRadius::start(&lab, &server, FIRST, &setup.users)?;
        let capture = Capture::start(&lab, &server, "s0")?;
        let daemon = Daemon::start(&lab, &server, &setup.text())?;
        Ok(Some(Self { access: Access { daemon, capture, server, client, lab }, radius, wire }))
    }

    fn clients(&self) -> Result<SimClients> {
        SimClients::open(&self.access.client, "c0")
    }

    /// What radclient says of a request.
    fn radclient(&self, kind: &str, attributes: &[&str]) -> Result<String> {
        self.radclient_as(kind, attributes, SECRET)
    }

    /// As [`Scene::radclient`] with another secret. Two tries of a second: a silent server is silent soon.
    fn radclient_as(&self, kind: &str, attributes: &[&str], secret: &str) -> Result<String> {
        let Access { lab, server, .. } = &self.access;
        let packet = format!("{}\n", attributes.join("\n"));
        radclient(lab, server, &["-t", "1", "-r", "2"], (kind, &packet), secret)
    }

    /// Checks that a request is acknowledged.
    fn acknowledged(&self, kind: &str, attributes: &[&str]) -> Result<()> {
        let text = self.radclient(kind, attributes)?;
        let wanted = if kind == "coa" { "Received CoA-ACK" } else { "Received Disconnect-ACK" };
        ensure!(text.contains(wanted), "{attributes:?}: {text}");
        Ok(())
    }

    /// Checks that a request is refused for this reason.
    fn refused(&self, kind: &str, attributes: &[&str], cause: &str) -> Result<()> {
        let text = self.radclient(kind, attributes)?;
        let wanted = if kind == "coa" { "Received CoA-NAK" } else { "Received Disconnect-NAK" };
        ensure!(text.contains(wanted) && text.contains(&format!("Error-Cause = {cause}")), "{attributes:?}: {text}");
        Ok(())
    }

    /// Waits for a record of the session that a client has or had at `address`.
    fn record(&self, status: &str, address: Ipv4Addr) -> Result<Packet> {
        record(&self.radius, status, address)
    }

    /// Waits until a counter of dropped packets is at least `least`.
    fn wait_dropped(&self, name: &str, least: u64) -> Result<()> {
        let mut last = None;
        until(&format!("{name} {least}"), || {
            last = dropped(&self.access.daemon, name).ok();
            last.filter(|count| *count >= least).map(drop)
        })
        .with_context(|| format!("the last was {last:?}"))
    }

    /// Nothing was said to a client so far.
    fn silent(&self, mac: [u8; 6]) -> Result<()> {
        let seen = self.access.seen()?;
        let said = seen.iter().find(|sent| sent.message.op == 2 && sent.message.chaddr == mac);
        ensure!(said.is_none(), "{said:?}");
        Ok(())
    }

    /// Both captures are without fault.
    fn judge(&self) -> Result<()> {
        self.access.database_is_kernel()?;
        self.wire.judge()?;
        crate::reconfigure::judge(&self.access.capture, "udp.srcport == 67")
    }
}

/// The hardware address of real clients.
const REAL: [u8; 6] = [0x02, 0x0d, 0, 0, 0, 1];
const REAL_TEXT: &str = "02:0d:00:00:00:01";

/// See [`Scene::record`].
fn record(radius: &FreeRadius, status: &str, address: Ipv4Addr) -> Result<Packet> {
    radius.wait_accounted(&format!("{status} of {address}"), |packet| is_record(packet, status, address))
}

fn is_record(packet: &Packet, status: &str, address: Ipv4Addr) -> bool {
    packet.has("Acct-Status-Type", status) && packet.has("Framed-IP-Address", &address.to_string())
}

fn dropped(daemon: &Daemon, name: &str) -> Result<u64> {
    let all = daemon.cli(&["show", "dhcp", "server", "statistics"])?;
    let counters = all.get("packets-dropped").and_then(Value::as_array).context("no counters")?;
    let found = counters.iter().find(|counter| counter.get("name").and_then(Value::as_str) == Some(name));
    found.and_then(|counter| counter.get("count")?.as_u64()).with_context(|| format!("no counter {name}: {all}"))
}

/// Option 51.
fn lease_secs(sent: &Sent) -> Result<u32> {
    let value = sent.message.option(option::LEASE_TIME).context("no option 51")?;
    Ok(u32::from_be_bytes(value.try_into()?))
}

/// A client renews by broadcast; what it is told.
fn renew(clients: &SimClients, mac: [u8; 6], xid: u32, address: Ipv4Addr) -> Result<Sent> {
    let mut renewal = Message::request(kind::REQUEST, mac, xid);
    renewal.ciaddr = address;
    clients.exchange(&renewal)
}

/// `Calling-Station-Id` of a client.
fn station(mac: [u8; 6]) -> String {
    format!("Calling-Station-Id = \"{}\"", mac_text(mac))
}
