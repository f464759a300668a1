//! Requests of clients to another server, which pass through the router: `forward-snooped-clients`.

use anyhow::{Context, Result, ensure};
use bindery_netns::{Daemon, Lab, Namespace, until};
use std::cell::Cell;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

/// Another DHCP server, behind the router.
const OTHER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

fn config(statement: &str) -> String {
    format!("system {{ services {{ dhcp-local-server {{ {statement}; group access {{ interface \"s*\" }} }} }} }}\n")
}

/// A router between clients and another server.
struct Scene {
    daemon: Daemon,
    router: Namespace,
    _other: Namespace,
    /// The other server. Its socket, as the clients', is bound once: a child that another test has just forked may still
    /// hold one that was closed.
    receiver: UdpSocket,
    /// Tells what was sent at one look from what is late.
    looks: Cell<u8>,
    /// On an interface that a group serves, and on one that none does.
    served: Client,
    unserved: Client,
    lab: Lab,
}

struct Client {
    sender: UdpSocket,
    _namespace: Namespace,
}

/// A client on link `name` of the router, whose network is 10.`net`.0.0/24.
fn client(lab: &Lab, router: &Namespace, name: &str, net: u8) -> Result<Client> {
    let namespace = lab.namespace(&format!("c{name}"))?;
    lab.veth((router, name), (&namespace, "c0"))?;
    router.address(name, &format!("10.{net}.0.1/24"))?;
    let address = Ipv4Addr::new(10, net, 0, 2);
    namespace.address("c0", &format!("{address}/24"))?;
    namespace.ip(&["route", "add", "default", "via", &format!("10.{net}.0.1")])?;
    let sender = namespace.enter(move || UdpSocket::bind((address, 68)))?.context("client")?;
    Ok(Client { sender, _namespace: namespace })
}

impl Scene {
    fn new() -> Result<Option<Self>> {
        let Some(lab) = Lab::new(&["nft"]) else { return Ok(None) };
        let (router, other) = (lab.namespace("srv")?, lab.namespace("oth")?);
        router.sysctl("net/ipv4/ip_forward", "1")?;
        lab.veth((&router, "o0"), (&other, "c0"))?;
        router.address("o0", "198.51.100.1/24")?;
        other.address("c0", &format!("{OTHER}/24"))?;
        other.ip(&["route", "add", "default", "via", "198.51.100.1"])?;
        let (served, unserved) = (client(&lab, &router, "s0", 1)?, client(&lab, &router, "n0", 2)?);
        // An earlier run has left it.
        router.nft("table ip bindery-snooped { chain forward { type filter hook forward priority 0; drop; }; }")?;
        let receiver = other.enter(|| UdpSocket::bind((OTHER, 67)))?.context("server")?;
        receiver.set_read_timeout(Some(Duration::from_secs(30)))?;
        let daemon = Daemon::start(&lab, &router, &config("allow-leasequery"))?;
        Ok(Some(Self { daemon, router, _other: other, receiver, looks: Cell::default(), served, unserved, lab }))
    }

    /// Whether a request of a client arrives at the other server. What goes after it from the same socket is an answer by
    /// its first octet, and is never dropped.
    fn arrives(&self, client: &Client) -> Result<bool> {
        let look = self.looks.get().wrapping_add(1);
        self.looks.set(look);
        let mut buffer = [0; 300];
        for op in [1, 2] {
            buffer[..2].copy_from_slice(&[op, look]);
            client.sender.send_to(&buffer, (OTHER, 67))?;
        }
        let mut arrived = false;
        loop {
            self.receiver.recv(&mut buffer).context("the answer did not come")?;
            match buffer[..2] {
                [1, number] if number == look => arrived = true,
                [2, number] if number == look => return Ok(arrived),
                _ => {}
            }
        }
    }

    fn until(&self, what: &str, client: &Client, wanted: bool) -> Result<()> {
        until(what, || (self.arrives(client).ok()? == wanted).then_some(()))
    }

    fn has_table(&self) -> Result<bool> {
        let output = self.router.command("nft").args(["list", "tables"]).output()?;
        Ok(String::from_utf8(output.stdout)?.contains("bindery-snooped"))
    }
}

#[test]
fn requests_to_another_server_pass_where_the_statement_lets_them() -> Result<()> {
    let Some(mut scene) = Scene::new()? else { return Ok(()) };
    scene.until("the kernel forwards, as it did before", &scene.unserved, true)?;
    ensure!(scene.arrives(&scene.served)? && !scene.has_table()?);

    scene.daemon.reload(&config("forward-snooped-clients configured-interfaces"))?;
    scene.until("an interface of no group drops", &scene.unserved, false)?;
    ensure!(scene.arrives(&scene.served)?);

    scene.daemon.reload(&config("forward-snooped-clients non-configured-interfaces"))?;
    scene.until("an interface of a group drops", &scene.served, false)?;
    ensure!(scene.arrives(&scene.unserved)?);
    let later = client(&scene.lab, &scene.router, "s1", 3)?;
    scene.until("one that was made later drops", &later, false)?;

    scene.daemon.kill();
    ensure!(!scene.arrives(&scene.served)?, "a crash opens nothing");
    scene.daemon.restart(&scene.router)?;
    // Not before the table is the new run's.
    scene.router.ip(&["link", "set", "s1", "down"])?;
    scene.router.ip(&["link", "set", "s1", "name", "n1", "up"])?;
    scene.until("one that has left the group forwards", &later, true)?;
    ensure!(!scene.arrives(&scene.served)? && scene.arrives(&scene.unserved)?);

    scene.daemon.reload(&config("forward-snooped-clients all-interfaces"))?;
    scene.until("all forward", &scene.served, true)?;
    ensure!(scene.arrives(&scene.unserved)? && !scene.has_table()?);

    scene.daemon.reload(&config("forward-snooped-clients configured-interfaces"))?;
    scene.until("it drops again", &scene.unserved, false)?;
    scene.daemon.terminate()?;
    ensure!(scene.arrives(&scene.unserved)? && !scene.has_table()?, "an orderly end leaves no table");
    Ok(())
}
