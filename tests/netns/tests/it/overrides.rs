//! Who is answered when and how: BOOTP, rapid commit, offers that are held back, options that clients put into their
//! kernels, and sessions without routes.

use crate::access::{Access, Config, SERVER};
use crate::neighbour::rogue;
use anyhow::{Context, Result, ensure};
use bindery_netns::packet::{Message, kind, mac_text, option};
use bindery_netns::simclient::{SimClients, mac};
use bindery_netns::{Client, ClientKind, Daemon, client::Options, until};
use std::net::Ipv4Addr;

const RAPID_COMMIT: u8 = 80;
const IPV6_ONLY_PREFERRED: u8 = 108;
const CLASSLESS_ROUTES: u8 = 121;
const ROUTER: u8 = 3;

fn with(group: &str) -> Config {
    Config { group: format!("interface s0; {group}"), ..Config::default() }
}

/// A row of `Offer Delay:`.
fn offer_delay(daemon: &Daemon, name: &str) -> Result<u64> {
    let statistics = daemon.cli(&["show", "dhcp", "server", "statistics"])?;
    let rows = statistics["offer-delay"].as_array().with_context(|| format!("{statistics}"))?;
    let row = rows.iter().find(|row| row["name"] == name).with_context(|| format!("no {name}: {statistics}"))?;
    row["count"].as_u64().context("no count")
}

/// RFC 1534 §2: one message, one answer, a binding that never ends; a kill of the daemon changes nothing.
#[test]
fn a_bootp_client() -> Result<()> {
    let Some(mut access) = Access::new(&[], &with("overrides { bootp-support }"))? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let request = |xid| Message { options: Vec::new(), secs: 3, ..Message::request(0, mac(1), xid) };
    let reply = clients.exchange(&request(0x100))?.message;
    ensure!(reply.kind() == 0 && reply.siaddr == SERVER && reply.secs == 3, "{reply:?}");
    ensure!(reply.options.iter().all(|(code, _)| [1, 3].contains(code)), "nothing of DHCP: {reply:?}");
    let address = reply.yiaddr;
    for _ in 0..2 {
        let binding = access.daemon.wait_bound(address)?;
        ensure!(binding.mac == mac_text(mac(1)), "{binding:?}");
        ensure!(binding.all.get("lease-expires").is_none_or(serde_json::Value::is_null), "for ever: {}", binding.all);
        let route = until("a route", || access.server.route(address).ok()?)?;
        ensure!(route.interface == "s0" && route.scope == "link", "{route:?}");
        access.database_is_kernel()?;
        access.daemon.kill();
        access.daemon.restart(&access.server)?;
    }
    ensure!(clients.exchange(&request(0x101))?.message.yiaddr == address, "it boots again");
    // It comes to speak DHCP.
    let lease = clients.lease(mac(1), 0x200)?;
    ensure!(lease.address == address, "{lease:?}");
    let ends = |binding: &bindery_netns::daemon::Binding| binding.all["lease-expires"].is_u64();
    until("a lease that ends", || access.daemon.binding(address).ok()?.filter(ends))?;
    access.capture.judge("udp.srcport == 67")
}

/// RFC 4039 and RFC 3442 by a client that knows both: two messages, and the routes are in the client's kernel.
#[test]
fn dhcpcd_takes_rapid_commit_and_classless_routes() -> Result<()> {
    let config = Config {
        attributes: "maximum-lease-time 600; router \"10.0.0.1\"; \
                     static-route \"10.27.129.0/24\" { next-hop \"10.0.0.7\" }; \
                     static-route \"192.0.2.64/26\" { next-hop \"10.0.0.8\" }"
            .into(),
        ..with("overrides { rapid-commit }")
    };
    let Some(mut access) = Access::new(&["dhcpcd"], &config)? else { return Ok(()) };
    let options =
        Options { lines: "option rapid_commit\noption classless_static_routes, static_routes", ..Options::default() };
    let hardware = access.client.mac("c0")?;
    let mut client = Client::start(&access.lab, ClientKind::Dhcpcd, &access.client, "c0", options)?;
    let address = client.wait_address(&access.client)?;
    access.agree_also_after_a_restart(address, hardware)?;
    let seen = access.seen()?;
    let kinds: Vec<u8> = seen.iter().map(|sent| sent.message.kind()).filter(|kind| *kind != 0).collect();
    ensure!(!kinds.contains(&kind::OFFER) && !kinds.contains(&kind::REQUEST), "DISCOVER and ACK alone: {kinds:?}");
    let ack = seen.iter().find(|sent| sent.message.kind() == kind::ACK).context("no ACK")?;
    ensure!(ack.message.option(RAPID_COMMIT) == Some(&[]), "{ack:?}");
    let routes = [26, 192, 0, 2, 64, 10, 0, 0, 8, 24, 10, 27, 129, 10, 0, 0, 7, 0, 10, 0, 0, 1];
    ensure!(ack.message.option(CLASSLESS_ROUTES) == Some(&routes), "{ack:?}");
    ensure!(ack.message.option(ROUTER).is_none(), "RFC 3442: not both: {ack:?}");
    for (destination, gateway) in
        [("192.0.2.64/26", "10.0.0.8"), ("10.27.129.0/24", "10.0.0.7"), ("default", "10.0.0.1")]
    {
        until(&format!("the client's route to {destination}"), || {
            let routes = access.client.routes_of("dhcp").ok()?;
            routes.into_iter().find(|it| it.destination == destination && it.via.as_deref() == Some(gateway))
        })?;
    }
    access.capture.judge("udp.srcport == 67")
}

/// Two servers on a segment: where ours holds its offers back the other one wins, and where that falls silent ours serves.
#[test]
fn an_offer_is_held_back_for_another_server() -> Result<()> {
    let config = |secs: u8| with(&format!("overrides {{ delay-offer {{ delay-time {secs} }} }}"));
    let Some((mut access, segment)) = Access::on_segment(&["dnsmasq"], &config(30))? else { return Ok(()) };
    let other = access.lab.namespace("oth")?;
    access.lab.plug(&segment, "p-o", &other, "o0")?;
    other.address("o0", "10.0.0.66/24")?;
    let preferred = rogue(&other)?;
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 0x100)?;
    ensure!(lease.server == Ipv4Addr::new(10, 0, 0, 66), "{lease:?}");
    until("its REQUEST to withdraw our offer", || {
        (offer_delay(&access.daemon, "inprogress").ok()? == 0).then_some(())
    })?;
    ensure!(offer_delay(&access.daemon, "total")? == 1 && offer_delay(&access.daemon, "delayed")? == 0);
    ensure!(access.daemon.bindings()?.is_empty() && access.server.routes()?.is_empty(), "nothing is left of it");

    drop(preferred);
    access.daemon.reload(&config(1).text())?;
    let lease = clients.lease(mac(2), 0x200)?;
    ensure!(lease.server == SERVER, "{lease:?}");
    access.agree(lease.address, mac(2))?;
    ensure!(offer_delay(&access.daemon, "delayed")? >= 1);
    let text = access.daemon.script("show dhcp server statistics")?;
    ensure!(text.contains("Offer Delay:") && text.contains("INPROGRESS"), "{text}");
    access.capture.judge("udp.srcport == 67 && ip.src == 10.0.0.1")
}

/// RFC 8925 §3.3: no address for a client that can go without, and nothing of it in database or kernel.
#[test]
fn a_client_that_can_go_without_ipv4() -> Result<()> {
    let config = Config {
        attributes: "maximum-lease-time 600; ipv6-only-preferred 1800; captive-portal \"https://p.isp.example/\""
            .into(),
        ..Config::default()
    };
    let Some(access) = Access::new(&[], &config)? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let asks =
        |xid| Message::request(kind::DISCOVER, mac(1), xid).with(option::PARAMETERS, &[1, 3, IPV6_ONLY_PREFERRED, 114]);
    let offer = clients.exchange(&asks(0x100))?;
    ensure!(offer.message.kind() == kind::OFFER && offer.message.yiaddr.is_unspecified(), "{offer:?}");
    ensure!(offer.message.option(IPV6_ONLY_PREFERRED) == Some(&1_800u32.to_be_bytes()), "{offer:?}");
    ensure!(offer.message.option(114) == Some(b"https://p.isp.example/"), "{offer:?}");
    ensure!(offer.envelope.to_mac == mac(1) && offer.envelope.to == Ipv4Addr::BROADCAST, "{offer:?}");
    ensure!(access.daemon.bindings()?.is_empty() && access.server.routes()?.is_empty());
    // One that cannot is served as ever.
    let lease = clients.lease(mac(2), 0x200)?;
    ensure!(lease.ack.message.option(IPV6_ONLY_PREFERRED).is_none(), "{lease:?}");
    access.agree(lease.address, mac(2))?;
    access.capture.judge("udp.srcport == 67")
}

/// `route-suppression`: a commit sets and removes routes and neighbour entries of sessions that live.
#[test]
fn routes_follow_route_suppression() -> Result<()> {
    let Some(mut access) = Access::new(&[], &with("route-suppression { access-internal }"))? else { return Ok(()) };
    let clients = SimClients::open(&access.client, "c0")?;
    let lease = clients.lease(mac(1), 0x100)?;
    let binding = access.daemon.wait_bound(lease.address)?;
    ensure!(binding.all["route-state"] == "suppressed", "{}", binding.all);
    ensure!(access.server.routes()?.is_empty(), "a route in spite of it");
    let neighbour = |access: &Access| -> Result<bool> {
        let entries = access.server.neighbours("s0")?;
        Ok(entries.iter().any(|it| it.address == lease.address.to_string() && it.state == "PERMANENT"))
    };
    ensure!(!neighbour(&access)?, "a neighbour entry in spite of it");

    access.daemon.reload(&with("").text())?;
    access.agree(lease.address, mac(1))?;
    access.daemon.reload(&with("route-suppression { destination }").text())?;
    until("the neighbour entry to go", || (!neighbour(&access).ok()?).then_some(()))?;
    ensure!(access.server.route(lease.address)?.is_some(), "the route stays");
    access.daemon.reload(&with("route-suppression { access-internal }").text())?;
    until("the route to go", || access.server.route(lease.address).ok()?.is_none().then_some(()))?;
    ensure!(access.daemon.wait_bound(lease.address)?.session == binding.session, "the same session all the time");
    // A restart finds the same.
    access.daemon.kill();
    access.daemon.restart(&access.server)?;
    access.daemon.wait_bound(lease.address)?;
    let renewed = clients.lease(mac(1), 0x200)?;
    ensure!(renewed.address == lease.address && access.server.routes()?.is_empty());
    access.daemon.reload(&with("").text())?;
    access.agree(lease.address, mac(1))
}
