//! Dynamic reconfiguration of a client that obeys: FORCERENEW, the renewal, the NAK that it hears, another address.
//!
//! dhcpcd is the only client that obeys, in three ways: by the nonce of RFC 6704 (as it comes), without authentication,
//! and by a configuration token (RFC 3118 §4).

use crate::access::{Access, Config, SERVER};
use crate::relayed::{self, Scene};
use anyhow::{Context, Result, ensure};
use bindery_netns::client::Options;
use bindery_netns::packet::{Message, kind, mac_text, option};
use bindery_netns::process::Process;
use bindery_netns::{Capture, Client, ClientKind, Daemon, Namespace, Sent, relay, until};
use serde_json::Value;
use std::net::Ipv4Addr;

const TOKEN: &str = "a token";

/// What dhcpcd is told about authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Profile {
    /// Nothing: it takes the nonce of RFC 6704.
    Nonce,
    /// It obeys whoever asks.
    Plain,
    /// It knows [`TOKEN`].
    Token,
}

impl Profile {
    fn options(self) -> Options {
        let lines = match self {
            Self::Nonce => "",
            Self::Plain => "noauthrequired",
            Self::Token => "authprotocol token 0/0\nauthtoken 0 \"\" forever \"a token\"",
        };
        Options { lines, ..Options::default() }
    }

    /// The word of `reconfigure-capability`. dhcpcd offers the nonce also when it needs none.
    fn capability(self) -> &'static str {
        match self {
            Self::Nonce | Self::Plain => "nonce",
            Self::Token => "token",
        }
    }

    /// Option 90 of a FORCERENEW: head, replay value, and what it is authenticated by.
    fn check(self, force: &Message) -> Result<()> {
        let value = force.option(option::AUTHENTICATION).context("a FORCERENEW without option 90")?;
        match self {
            Self::Nonce | Self::Plain => {
                ensure!(value.starts_with(&[3, 1, 0]) && value.get(11) == Some(&2) && value.len() == 28, "{value:x?}");
            }
            Self::Token => {
                ensure!(value.starts_with(&[0, 0, 0]) && value.get(11..) == Some(TOKEN.as_bytes()), "{value:x?}");
            }
        }
        Ok(())
    }
}

/// A group's `reconfigure` block, beside its interface.
pub(crate) fn reconfigure(block: &str) -> Config {
    Config { group: format!("interface s0; reconfigure {{ {block} }}"), ..Config::default() }
}

/// The replay value of option 90: RFC 3118 §2.
fn replay(message: &Message) -> Option<u64> {
    Some(u64::from_be_bytes(message.option(option::AUTHENTICATION)?.get(3..11)?.try_into().ok()?))
}

/// What a binding says of its reconfiguration.
pub(crate) fn field(daemon: &Daemon, address: Ipv4Addr, key: &str) -> Result<Option<Value>> {
    Ok(daemon.binding(address)?.and_then(|binding| binding.all.get(key).cloned()))
}

/// Waits until a binding's `key` is `value`.
pub(crate) fn wait_field(daemon: &Daemon, address: Ipv4Addr, key: &str, value: &str) -> Result<()> {
    let mut last = None;
    until(&format!("{key} {value} of {address}"), || {
        last = field(daemon, address, key).ok()?;
        (last.as_ref()?.as_str() == Some(value)).then_some(())
    })
    .with_context(|| format!("the last was {last:?}"))
}

/// `request dhcp server reconfigure` for one client, which must begin.
pub(crate) fn request(daemon: &Daemon, words: &[&str]) -> Result<()> {
    let words = [&["request", "dhcp", "server", "reconfigure"], words].concat();
    let answer = daemon.cli(&words)?;
    ensure!(answer.get("started") == Some(&Value::from(1)), "{answer}");
    Ok(())
}

/// The first message of one type to or from a client, sent after another message.
pub(crate) fn after(capture: &Capture, what: &str, before: &Sent, wanted: impl Fn(&Sent) -> bool) -> Result<Sent> {
    capture.wait(what, 0, |sent| sent.at_nanos > before.at_nanos && wanted(sent))
}

/// One client at work, and what looks at it.
pub(crate) struct Subscriber<'a> {
    pub(crate) daemon: &'a Daemon,
    pub(crate) capture: &'a Capture,
    pub(crate) client: &'a Namespace,
    pub(crate) server: Ipv4Addr,
    pub(crate) mac: [u8; 6],
    pub(crate) address: Ipv4Addr,
}

impl<'a> Subscriber<'a> {
    pub(crate) fn direct(access: &'a Access, address: Ipv4Addr) -> Result<Self> {
        let Access { daemon, capture, client, .. } = access;
        Ok(Self { daemon, capture, client, server: SERVER, mac: client.mac("c0")?, address })
    }

    /// The ACK of the client's last exchange.
    fn last_ack(&self) -> Result<Sent> {
        let acks = |sent: &Sent| sent.message.kind() == kind::ACK && sent.message.chaddr == self.mac;
        self.capture.messages()?.into_iter().rfind(acks).context("no ACK")
    }

    /// The FORCERENEW that follows `before`, looked at from all sides.
    fn force(&self, before: &Sent) -> Result<Sent> {
        let force = after(self.capture, "a FORCERENEW", before, |sent| sent.message.kind() == kind::FORCERENEW)?;
        let (envelope, message) = (&force.envelope, &force.message);
        ensure!(envelope.to == self.address && envelope.to_port == 68, "{force:?}");
        ensure!(envelope.from == self.server && envelope.from_port == 67, "{force:?}");
        ensure!(message.op == 2 && message.hops == 0 && message.chaddr == self.mac, "{force:?}");
        ensure!(message.giaddr.is_unspecified() && message.yiaddr.is_unspecified(), "{force:?}");
        ensure!(message.address_option(option::SERVER) == Some(self.server), "{force:?}");
        Ok(force)
    }

    /// The client renews after `before`.
    pub(crate) fn renewal(&self, before: &Sent) -> Result<Sent> {
        after(self.capture, "a renewal", before, |sent| {
            sent.message.kind() == kind::REQUEST
                && sent.message.ciaddr == self.address
                && sent.envelope.to == self.server
                && sent.message.option(option::SERVER).is_none()
        })
    }

    /// The renewal is refused where the client listens, and the client comes back with another address.
    pub(crate) fn moves(&self, renewal: &Sent) -> Result<Ipv4Addr> {
        let nak = after(self.capture, "a NAK to the client's address", renewal, |sent| {
            sent.message.kind() == kind::NAK
                && sent.message.xid == renewal.message.xid
                && sent.envelope.to == self.address
                && sent.envelope.to_port == 68
        })?;
        self.comes_back(&nak)
    }

    /// After `nak` the client starts anew, and has another address at the end.
    fn comes_back(&self, nak: &Sent) -> Result<Ipv4Addr> {
        let discover = after(self.capture, "a DISCOVER", nak, |sent| sent.message.kind() == kind::DISCOVER)?;
        let ack = after(self.capture, "an ACK", &discover, |sent| sent.message.kind() == kind::ACK)?;
        let address = ack.message.yiaddr;
        ensure!(address != self.address, "{address} again:\n{}", self.capture.summary()?);
        until(&format!("the client to have {address}"), || {
            (self.client.addresses("c0").ok()? == [address]).then_some(())
        })?;
        let binding = self.daemon.wait_bound(address)?;
        ensure!(binding.mac == mac_text(self.mac), "{binding:?}");
        wait_field(self.daemon, address, "reconfigure-status", "none")?;
        self.daemon.wait_unbound(self.address)?;
        Ok(address)
    }

    /// From the operator's command to the other address.
    fn forced(&self, profile: Profile) -> Result<Ipv4Addr> {
        let ack = self.last_ack()?;
        request(self.daemon, &[&mac_text(self.mac)])?;
        let force = self.force(&ack)?;
        ensure!(force.message.xid == ack.message.xid, "the xid is not the last one's: {force:?} {ack:?}");
        profile.check(&force.message)?;
        let renewal = self.renewal(&force)?;
        let moved = self.moves(&renewal)?;
        self.census(moved, profile.capability())?;
        Ok(moved)
    }

    /// What is known of the client now: in its binding, and in the table of all.
    fn census(&self, address: Ipv4Addr, capability: &str) -> Result<()> {
        wait_field(self.daemon, address, "reconfigure-capability", capability)?;
        let all = self.daemon.cli(&["show", "dhcp", "server", "reconfigure", "capability"])?;
        let rows = all.get("capabilities").and_then(Value::as_array).context("no table")?;
        ensure!(rows.len() == 1 && rows[0].get(capability) == Some(&Value::from(1)), "{all}");
        Ok(())
    }
}

/// tshark finds no fault with what the daemon sent, and reads each FORCERENEW as one.
pub(crate) fn judge(capture: &Capture, sender: &str) -> Result<()> {
    capture.judge(sender)?;
    let sent = capture.messages()?.iter().filter(|sent| sent.message.kind() == kind::FORCERENEW).count();
    let read = capture.count(&format!("{sender} && dhcp.option.dhcp == 9 && dhcp.option.dhcp_server_id"))?;
    ensure!(sent == read, "tshark reads {read} of {sent}");
    Ok(())
}

/// A client that has its lease.
pub(crate) fn leased(
    kind_of_client: ClientKind,
    config: &Config,
    options: Options,
) -> Result<Option<(Access, Client, Ipv4Addr)>> {
    let Some(access) = Access::new(&[kind_of_client.programs(), &["nft"]].concat(), config)? else {
        return Ok(None);
    };
    let mut client = Client::start(&access.lab, kind_of_client, &access.client, "c0", options)?;
    let address = client.wait_address(&access.client)?;
    access.agree(address, access.client.mac("c0")?)?;
    Ok(Some((access, client, address)))
}

/// A direct client, with a token configured or not.
fn direct(profile: Profile, block: &str) -> Result<()> {
    let Some((mut access, _client, old)) = leased(ClientKind::Dhcpcd, &reconfigure(block), profile.options())? else {
        return Ok(());
    };
    let moved = Subscriber::direct(&access, old)?.forced(profile)?;
    access.gone(old)?;
    access.agree_also_after_a_restart(moved, access.client.mac("c0")?)?;
    access.database_is_kernel()?;
    judge(&access.capture, "udp.srcport == 67")
}

pub(crate) const QUICK: &str = "attempts 2; timeout 1";

#[test]
fn by_nonce() -> Result<()> {
    direct(Profile::Nonce, QUICK)
}

#[test]
fn without_authentication() -> Result<()> {
    direct(Profile::Plain, QUICK)
}

#[test]
fn by_token() -> Result<()> {
    direct(Profile::Token, "attempts 2; timeout 1; token \"a token\"")
}

/// A client that knows no token refuses answers with one, so it must get none; it is moved by its nonce as ever.
#[test]
fn by_nonce_where_a_token_is_configured() -> Result<()> {
    direct(Profile::Nonce, "attempts 2; timeout 1; token \"a token\"")
}

/// A client behind dhcrelay, with giaddr in the server's own subnet. Its REQUEST passes the relay by, so FORCERENEW and NAK
/// are routed to it.
struct Relayed {
    // Fields drop in this order.
    _client: Client,
    _relay: Process,
    scene: Scene,
    old: Ipv4Addr,
}

impl Relayed {
    const GIADDR: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 3);

    fn new(profile: Profile, block: &str, times: &str) -> Result<Option<Self>> {
        let config = Config {
            group: format!("interface s0; reconfigure {{ {block} }}"),
            pool: "network \"10.1.0.0/24\"; range r1 { low \"10.1.0.130\"; high \"10.1.0.250\" }".into(),
            attributes: format!("maximum-lease-time 600; {times}router \"{}\"", Self::GIADDR),
            ..Config::default()
        };
        let Some(scene) = Scene::new(&["dhcpcd", "dhcrelay", "nft"], &config)? else {
            return Ok(None);
        };
        scene.relay.address("r0", &format!("{}/32", Self::GIADDR))?;
        scene.relay.ip(&["route", "add", "10.1.0.128/25", "dev", "r0"])?;
        scene.relay.sysctl("net/ipv4/conf/r0/proxy_arp", "1")?;
        let relay = relay::dhcrelay(&scene.relay, "r0", "r1", relayed::SERVER)?;
        let mut client = Client::start(&scene.lab, ClientKind::Dhcpcd, &scene.client, "c0", profile.options())?;
        let old = client.wait_address(&scene.client)?;
        until("the route", || scene.server.route(old).ok()?)?;
        Ok(Some(Self { _client: client, _relay: relay, scene, old }))
    }

    fn subscriber(&self) -> Result<Subscriber<'_>> {
        let Scene { daemon, capture, client, .. } = &self.scene;
        Ok(Subscriber { daemon, capture, client, server: relayed::SERVER, mac: client.mac("c0")?, address: self.old })
    }

    /// The routes follow the client.
    fn check(&self, moved: Ipv4Addr) -> Result<()> {
        let Scene { daemon, capture, server, .. } = &self.scene;
        let route = until("the other route", || server.route(moved).ok()?)?;
        ensure!(route.via == Some(Self::GIADDR.to_string()), "{route:?}");
        until("the end of the old route", || server.route(self.old).ok()?.is_none().then_some(()))?;
        crate::access::database_is_kernel(daemon, server)?;
        judge(capture, "udp.srcport == 67 && ip.src == 10.1.0.1")
    }
}

fn behind_dhcrelay(profile: Profile, block: &str) -> Result<()> {
    let Some(relayed) = Relayed::new(profile, block, "")? else { return Ok(()) };
    let moved = relayed.subscriber()?.forced(profile)?;
    relayed.check(moved)
}

/// Nothing leads past the relay any more once the client's route is gone: it hears the NAK when it rebinds.
#[test]
fn the_first_nak_is_lost_behind_dhcrelay() -> Result<()> {
    let times = "t1-renewal-time 10; t2-rebinding-time 12; ";
    let Some(relayed) = Relayed::new(Profile::Nonce, QUICK, times)? else { return Ok(()) };
    let Scene { daemon, capture, client, .. } = &relayed.scene;
    let one = relayed.subscriber()?;
    client.lose_kind("c0", kind::NAK)?;
    let ack = one.last_ack()?;
    request(daemon, &[&relayed.old.to_string()])?;
    let renewal = one.renewal(&one.force(&ack)?)?;
    let lost =
        after(capture, "a NAK", &renewal, |sent| sent.message.kind() == kind::NAK && sent.envelope.to == relayed.old)?;
    daemon.wait_unbound(relayed.old)?;
    client.lose_nothing()?;
    let refused = after(capture, "a NAK by the relay", &lost, |sent| {
        sent.message.kind() == kind::NAK && sent.envelope.to == Relayed::GIADDR
    })?;
    let moved = one.comes_back(&refused)?;
    relayed.check(moved)
}

#[test]
fn by_nonce_behind_dhcrelay() -> Result<()> {
    behind_dhcrelay(Profile::Nonce, QUICK)
}

#[test]
fn without_authentication_behind_dhcrelay() -> Result<()> {
    behind_dhcrelay(Profile::Plain, QUICK)
}

#[test]
fn by_token_behind_dhcrelay() -> Result<()> {
    behind_dhcrelay(Profile::Token, "attempts 2; timeout 1; token \"a token\"")
}

/// The command was answered, so the reconfiguration is on storage; the daemon dies before the client has heard of it.
#[test]
fn a_kill_in_between() -> Result<()> {
    let Some((mut access, _client, old)) =
        leased(ClientKind::Dhcpcd, &reconfigure("attempts 4; timeout 1"), Profile::Nonce.options())?
    else {
        return Ok(());
    };
    access.client.lose_kind("c0", kind::FORCERENEW)?;
    let one = Subscriber::direct(&access, old)?;
    let ack = one.last_ack()?;
    request(&access.daemon, &[&old.to_string()])?;
    access.daemon.kill();
    access.client.lose_nothing()?;
    ensure!(access.client.addresses("c0")? == [old], "the client has left before its time");
    let mark = access.seen()?.last().cloned().context("no mark")?;
    access.daemon.restart(&access.server)?;
    let one = Subscriber::direct(&access, old)?;
    let force = one.force(&mark)?;
    ensure!(replay(&force.message) > replay(&ack.message), "{force:?}");
    let first = access.capture.wait("the first FORCERENEW", 0, |sent| sent.message.kind() == kind::FORCERENEW)?;
    ensure!(first.at_nanos == force.at_nanos || replay(&first.message) < replay(&force.message), "{first:?} {force:?}");
    let moved = one.moves(&one.renewal(&force)?)?;
    one.census(moved, "nonce")?;
    access.gone(old)?;
    access.agree(moved, one.mac)?;
    access.database_is_kernel()?;
    judge(&access.capture, "udp.srcport == 67")
}

/// The NAK is lost, the binding has ended: what is left of it refuses the client's next try as well.
fn the_first_nak_is_lost(access: &Access) -> Result<()> {
    let mut client = Client::start(&access.lab, ClientKind::Dhcpcd, &access.client, "c0", Profile::Nonce.options())?;
    let old = client.wait_address(&access.client)?;
    let one = Subscriber::direct(access, old)?;
    access.agree(old, one.mac)?;
    access.client.lose_kind("c0", kind::NAK)?;
    let ack = one.last_ack()?;
    request(&access.daemon, &[&old.to_string()])?;
    let renewal = one.renewal(&one.force(&ack)?)?;
    // One copy to all, one to the client's address.
    let lost =
        after(&access.capture, "a NAK", &renewal, |sent| sent.message.kind() == kind::NAK && sent.envelope.to == old)?;
    access.gone(old)?;
    ensure!(access.client.addresses("c0")? == [old], "the client has heard the NAK");
    access.client.lose_nothing()?;
    let again = one.renewal(&lost)?;
    let moved = one.moves(&again)?;
    access.agree(moved, one.mac)?;
    access.database_is_kernel()?;
    judge(&access.capture, "udp.srcport == 67")
}

#[test]
fn the_first_nak_is_lost_on_a_numbered_interface() -> Result<()> {
    let Some(access) = Access::new(&["dhcpcd", "nft"], &reconfigure(QUICK))? else { return Ok(()) };
    the_first_nak_is_lost(&access)
}

/// Without an address on the interface nothing leads to the client any more once its route is gone.
#[test]
fn the_first_nak_is_lost_on_an_unnumbered_interface() -> Result<()> {
    let Some(access) = Access::unnumbered(&["dhcpcd", "nft"], &reconfigure(QUICK))? else { return Ok(()) };
    the_first_nak_is_lost(&access)
}

/// New options for bound clients: the renewal is granted, and nobody moves.
#[test]
fn a_refresh() -> Result<()> {
    let options = Options { lines: "option domain_name, domain_name_servers", ..Options::default() };
    let Some((mut access, _client, address)) = leased(ClientKind::Dhcpcd, &reconfigure(QUICK), options)? else {
        return Ok(());
    };
    let mut config = reconfigure(QUICK);
    config.attributes.push_str("; domain-name \"after.example\"; name-server \"10.0.0.53\"");
    access.daemon.reload(&config.text())?;
    let one = Subscriber::direct(&access, address)?;
    let before = access.daemon.wait_bound(address)?;
    let ack = one.last_ack()?;
    ensure!(ack.message.option(option::DOMAIN_NAME).is_none(), "{ack:?}");
    request(&access.daemon, &["all", "refresh"])?;
    let renewal = one.renewal(&one.force(&ack)?)?;
    let ack = after(&access.capture, "an ACK", &renewal, |sent| sent.message.kind() == kind::ACK)?;
    ensure!(ack.message.yiaddr == address && ack.envelope.to == address, "{ack:?}");
    ensure!(ack.message.option(option::DOMAIN_NAME) == Some(b"after.example"), "{ack:?}");
    ensure!(ack.message.option(option::NAME_SERVERS) == Some(&[10, 0, 0, 53]), "{ack:?}");
    let after = access.daemon.wait_bound(address)?;
    ensure!(after.session == before.session, "a refresh keeps the session");
    wait_field(&access.daemon, address, "reconfigure-status", "none")?;
    one.census(address, "nonce")?;
    ensure!(access.client.addresses("c0")? == [address], "a refresh moves nobody");
    access.agree(address, one.mac)?;
    access.database_is_kernel()?;
    judge(&access.capture, "udp.srcport == 67")
}
