//! DHCPLEASEQUERY (RFC 4388): ISC dhcpd and the daemon are asked the same, and their answers are compared field by field.
//!
//! Where they differ, and why:
//!
//! | | dhcpd | here | reason |
//! |---|---|---|---|
//! | option 55 | not looked at: 51, 58, 59, 60, 61, 82, 91, 92 | as asked; 54, 61 and 92 in any case | §6.4.2 |
//! | options of the pool, asked for | never | sent | §6.4.2 SHOULD |
//! | options in LEASEUNASSIGNED and LEASEUNKNOWN | those of the subnet | none but 53, 54 | §6.4, §6.4.2 MUST NOT |
//! | two keys | one is taken, ciaddr before option 61 before chaddr | silence, a counter | §6.3 MUST exactly one |
//! | no key, or a remote id (RFC 6148) | LEASEUNKNOWN | silence, a counter | §6.3, RFC 6148 §4 |
//! | op BOOTREPLY | answered | silence, a counter | RFC 2131 §2 |

use anyhow::{Context, Result, bail, ensure};
use bindery_netns::packet::{Message, kind, mac_text, option};
use bindery_netns::{Capture, DEADLINE, Daemon, Lab, Namespace, Process, process, until};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// The relay and requestor, in the server's subnet and in one behind it.
const NEAR: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const FAR: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 2);

const LEASE_SECS: u32 = 600;
const T1_SECS: u32 = 300;
const T2_SECS: u32 = 525;

/// Message types: RFC 4388 §6.1.
const LEASEQUERY: u8 = 10;
const LEASEUNASSIGNED: u8 = 11;
const LEASEUNKNOWN: u8 = 12;
const LEASEACTIVE: u8 = 13;

/// The first client: with client identifier and vendor class, and an address in each subnet.
const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const CLIENT_ID: &[u8] = b"\0client-1";
const IN_NEAR: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 105);
const IN_FAR: Ipv4Addr = Ipv4Addr::new(10, 78, 0, 107);
/// The second one: a hardware address and nothing else.
const PLAIN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const PLAIN: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 109);
/// Never leased.
const FREE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 140);
/// Option 82 with bytes that no text has.
const RELAY_INFO: &[u8] = b"\x01\x06\x00\xffport\x02\x02\x52\x5b";

/// All that both servers know to tell of a binding.
const ASKED: &[u8] = &[51, 58, 59, 60, 61, 82, 91, 92];

/// An answer, all of it but xid and times.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    op: u8,
    hops: u8,
    flags: u16,
    /// htype, hlen and chaddr.
    hardware: Vec<u8>,
    ciaddr: Ipv4Addr,
    yiaddr: Ipv4Addr,
    siaddr: Ipv4Addr,
    giaddr: Ipv4Addr,
    options: BTreeMap<u8, Vec<u8>>,
}

impl Answer {
    fn read(bytes: &[u8]) -> Result<(u32, Self)> {
        let message = Message::decode(bytes).context("no DHCP message")?;
        let head = [bytes.get(1..3), bytes.get(28..44)].map(|part| part.context("a short message"));
        let [types, chaddr] = head;
        let mut options = BTreeMap::new();
        for (code, content) in &message.options {
            ensure!(options.insert(*code, content.clone()).is_none(), "option {code} comes twice: {message:?}");
        }
        let answer = Self {
            op: message.op,
            hops: message.hops,
            flags: message.flags,
            hardware: [types?, chaddr?].concat(),
            ciaddr: message.ciaddr,
            yiaddr: message.yiaddr,
            siaddr: message.siaddr,
            giaddr: message.giaddr,
            options,
        };
        Ok((message.xid, answer))
    }

    fn kind(&self) -> u8 {
        self.options.get(&option::KIND).and_then(|content| content.first().copied()).unwrap_or(0)
    }

    fn codes(&self) -> Vec<u8> {
        self.options.keys().copied().collect()
    }

    fn secs(&self, code: u8) -> Option<u32> {
        Some(u32::from_be_bytes(self.options.get(&code)?.as_slice().try_into().ok()?))
    }

    /// The same with its times counted from the last transaction, where they do not depend on when it was asked:
    /// option 91 is the time since then, the others are what is left.
    fn at_the_last_transaction(mut self) -> Result<Self> {
        let ago = match self.secs(91) {
            Some(ago) => ago,
            None => return Ok(self),
        };
        ensure!(ago < 120, "option 91 counts seconds into the past: {ago}");
        for code in [51, 58, 59] {
            if let Some(left) = self.secs(code) {
                self.options.insert(code, (left + ago).to_be_bytes().to_vec());
            }
        }
        self.options.insert(91, vec![]);
        Ok(self)
    }

    /// The same without options but 53 and 54.
    fn bare(mut self) -> Self {
        self.options.retain(|code, _| matches!(*code, option::KIND | option::SERVER));
        self
    }
}

/// A query: what differs from one to the next.
#[derive(Clone, Debug)]
struct Query {
    ciaddr: Ipv4Addr,
    giaddr: Ipv4Addr,
    /// htype, hlen, chaddr.
    hardware: (u8, u8, [u8; 6]),
    op: u8,
    options: Vec<(u8, Vec<u8>)>,
}

impl Query {
    fn new() -> Self {
        let options = vec![(option::KIND, vec![LEASEQUERY])];
        Self { ciaddr: Ipv4Addr::UNSPECIFIED, giaddr: NEAR, hardware: (0, 0, [0; 6]), op: 1, options }
    }

    fn address(address: Ipv4Addr) -> Self {
        Self { ciaddr: address, ..Self::new() }
    }

    fn mac(mac: [u8; 6]) -> Self {
        Self { hardware: (1, 6, mac), ..Self::new() }
    }

    fn client_id(id: &[u8]) -> Self {
        Self::new().with(option::CLIENT_ID, id)
    }

    fn with(mut self, code: u8, content: &[u8]) -> Self {
        self.options.push((code, content.to_vec()));
        self
    }

    fn asking(self, codes: &[u8]) -> Self {
        self.with(option::PARAMETERS, codes)
    }

    fn through(mut self, giaddr: Ipv4Addr) -> Self {
        self.giaddr = giaddr;
        self
    }

    fn encode(&self, xid: u32) -> Vec<u8> {
        let (htype, hlen, chaddr) = self.hardware;
        let mut message = Message::request(LEASEQUERY, chaddr, xid);
        (message.op, message.ciaddr, message.giaddr) = (self.op, self.ciaddr, self.giaddr);
        message.options.clone_from(&self.options);
        let mut bytes = message.encode();
        if let Some(types) = bytes.get_mut(1..3) {
            types.copy_from_slice(&[htype, hlen]);
        }
        bytes
    }
}

/// The far end of the server's link: relay for the clients, and requestor.
struct Requestor {
    near: UdpSocket,
    far: UdpSocket,
    xid: Cell<u32>,
}

impl Requestor {
    fn open(namespace: &Namespace) -> Result<Self> {
        let open = move |address: Ipv4Addr| -> Result<UdpSocket> {
            let socket = UdpSocket::bind((address, 67)).with_context(|| format!("bind to {address}"))?;
            socket.set_read_timeout(Some(std::time::Duration::from_secs(2)))?;
            Ok(socket)
        };
        let (near, far) = namespace.enter(move || (open(NEAR), open(FAR)))?;
        Ok(Self { near: near?, far: far?, xid: Cell::new(100) })
    }

    fn next_xid(&self) -> u32 {
        self.xid.set(self.xid.get() + 1);
        self.xid.get()
    }

    /// Sends, again every two seconds, until the answer to `xid` comes to giaddr's port 67; all that came before it to
    /// the same address.
    fn exchange(&self, giaddr: Ipv4Addr, xid: u32, bytes: &[u8]) -> Result<(Answer, Vec<u32>)> {
        let socket = if giaddr == FAR { &self.far } else { &self.near };
        let mut others = Vec::new();
        let end = std::time::Instant::now() + DEADLINE;
        while std::time::Instant::now() < end {
            socket.send_to(bytes, (SERVER, 67))?;
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let (heard, answer) = Answer::read(buffer.get(..length).unwrap_or_default())?;
                ensure!(from == (SERVER, 67).into(), "an answer from {from}");
                if heard == xid {
                    return Ok((answer, others));
                }
                others.push(heard);
            }
        }
        bail!("no answer to {xid}")
    }

    fn ask(&self, query: &Query) -> Result<Answer> {
        let xid = self.next_xid();
        Ok(self.exchange(query.giaddr, xid, &query.encode(xid)).with_context(|| format!("{query:?}"))?.0)
    }

    /// Whether a query is answered. Servers answer in order, so the answer to a later one tells when to stop waiting.
    fn is_answered(&self, query: &Query) -> Result<bool> {
        let (xid, later) = (self.next_xid(), self.next_xid());
        self.near.send_to(&query.encode(xid), (SERVER, 67))?;
        let (_, others) = self.exchange(NEAR, later, &Query::address(FREE).encode(later))?;
        Ok(others.contains(&xid))
    }

    /// DORA for a client behind this relay, with the wish for one address.
    fn lease(&self, giaddr: Ipv4Addr, mac: [u8; 6], address: Ipv4Addr, extra: &[(u8, &[u8])]) -> Result<()> {
        for (kind, server) in [(kind::DISCOVER, None), (kind::REQUEST, Some(SERVER))] {
            let xid = self.next_xid();
            let mut message = Message::request(kind, mac, xid)
                .with(option::REQUESTED, &address.octets())
                .with(option::PARAMETERS, &[1, 3, 51, 54, 58, 59]);
            message.giaddr = giaddr;
            if let Some(server) = server {
                message = message.with(option::SERVER, &server.octets());
            }
            for (code, content) in extra {
                message = message.with(*code, content);
            }
            let message = message.with(option::RELAY, RELAY_INFO);
            let (answer, _) = self.exchange(giaddr, xid, &message.encode())?;
            ensure!(answer.yiaddr == address, "{answer:?}");
        }
        Ok(())
    }

    /// The clients of this file: the first one is in the far subnet at least a second after it was in the near one.
    fn fill(&self) -> Result<()> {
        let extra: [(u8, &[u8]); 2] = [(option::CLIENT_ID, CLIENT_ID), (60, b"cpe")];
        self.lease(NEAR, MAC, IN_NEAR, &extra)?;
        self.lease(NEAR, PLAIN_MAC, PLAIN, &[])?;
        until("a second since the first lease", || {
            let answer = self.ask(&Query::address(IN_NEAR).asking(&[91])).ok()?;
            answer.secs(91).filter(|ago| *ago >= 1)
        })?;
        self.lease(FAR, MAC, IN_FAR, &extra)
    }
}

/// A server's link with the requestor's end of it, before a server runs.
struct Scene {
    requestor: Requestor,
    capture: Capture,
    server: Namespace,
    _requestor: Namespace,
    lab: Lab,
}

impl Scene {
    fn new(programs: &[&str]) -> Result<Option<Self>> {
        let Some(lab) = Lab::new(programs) else {
            return Ok(None);
        };
        let (server, other) = (lab.namespace("srv")?, lab.namespace("req")?);
        lab.veth((&server, "s0"), (&other, "c0"))?;
        server.address("s0", &format!("{SERVER}/24"))?;
        other.address("c0", &format!("{NEAR}/24"))?;
        other.address("c0", &format!("{FAR}/24"))?;
        server.ip(&["route", "add", "10.78.0.0/24", "via", &NEAR.to_string()])?;
        let capture = Capture::start(&lab, &server, "s0")?;
        let requestor = Requestor::open(&other)?;
        Ok(Some(Self { requestor, capture, server, _requestor: other, lab }))
    }

    fn dhcpd(&self) -> Result<Process> {
        let subnet = |third: u8| {
            format!(
                "subnet 10.{third}.0.0 netmask 255.255.255.0 {{ range 10.{third}.0.100 10.{third}.0.150; \
                 option routers 10.{third}.0.1; }}\n"
            )
        };
        let config = format!(
            "authoritative; allow leasequery; ping-check off;\n\
             default-lease-time {LEASE_SECS}; max-lease-time {LEASE_SECS}; min-lease-time {LEASE_SECS};\n{}{}",
            subnet(77),
            subnet(78)
        );
        let config = self.lab.file("dhcpd.conf", &config)?.display().to_string();
        let leases = self.lab.file("dhcpd.leases", "")?.display().to_string();
        let pid = self.lab.folder().join("dhcpd.pid").display().to_string();
        let arguments =
            ["-4", "-f", "-d", "-user", "root", "-group", "root", "-cf", &config, "-lf", &leases, "-pf", &pid, "s0"];
        let mut server = self.server.spawn("dhcpd", &arguments)?;
        server.wait_line("Server starting service")?;
        Ok(server)
    }

    fn daemon(&self, allow: &str) -> Result<Daemon> {
        Daemon::start(&self.lab, &self.server, &config(allow))
    }
}

/// The daemon's configuration, of the same meaning as dhcpd's.
fn config(allow: &str) -> String {
    let pool = |third: u8| {
        format!(
            "pool p{third} {{ family inet {{ network \"10.{third}.0.0/24\"; \
             range r {{ low \"10.{third}.0.100\"; high \"10.{third}.0.150\" }}; \
             dhcp-attributes {{ maximum-lease-time {LEASE_SECS}; router \"10.{third}.0.1\" }} }} }}\n"
        )
    };
    format!(
        "system {{ services {{ dhcp-local-server {{ {allow}; group access {{ interface s0 }} }} }} }}\n\
         access {{ address-assignment {{\n{}{}}} }}\n",
        pool(77),
        pool(78)
    )
}

/// What both servers are asked, and the type of their answer.
fn questions() -> Vec<(&'static str, Query, u8)> {
    let zeros = Query { hardware: (1, 6, [0; 6]), ..Query::address(IN_NEAR) };
    vec![
        ("by address", Query::address(IN_NEAR), LEASEACTIVE),
        ("by its other address", Query::address(IN_FAR), LEASEACTIVE),
        ("by the address of a client without identifier", Query::address(PLAIN), LEASEACTIVE),
        ("by MAC", Query::mac(MAC), LEASEACTIVE),
        ("by MAC, one address", Query::mac(PLAIN_MAC), LEASEACTIVE),
        ("by client identifier", Query::client_id(CLIENT_ID), LEASEACTIVE),
        ("through another gateway", Query::address(IN_NEAR).through(FAR), LEASEACTIVE),
        ("by address, with type and length of no address", zeros, LEASEACTIVE),
        ("by address, with an option 82 of the requestor", Query::address(IN_NEAR).with(82, b"\x02\x01r"), LEASEACTIVE),
        ("a free address", Query::address(FREE), LEASEUNASSIGNED),
        ("an address in no range", Query::address(Ipv4Addr::new(10, 77, 0, 9)), LEASEUNKNOWN),
        ("a foreign address", Query::address(Ipv4Addr::new(10, 99, 0, 9)), LEASEUNKNOWN),
        ("an unknown MAC", Query::mac([2, 0, 0, 0, 0, 9]), LEASEUNKNOWN),
        ("an unknown identifier", Query::client_id(b"\0nobody"), LEASEUNKNOWN),
    ]
}

fn answers(requestor: &Requestor) -> Result<Vec<Answer>> {
    questions().into_iter().map(|(_, query, _)| requestor.ask(&query.asking(ASKED))).collect()
}

/// Without dhcpd's own ways: see the table above.
fn compare(what: &str, kind: u8, theirs: Answer, ours: Answer) -> Result<()> {
    ensure!((theirs.kind(), ours.kind()) == (kind, kind), "{what}: {theirs:?}\n{ours:?}");
    let (theirs, ours) = (theirs.at_the_last_transaction()?, ours.at_the_last_transaction()?);
    if kind == LEASEACTIVE {
        ensure!(ours == theirs, "{what}:\nours   {ours:?}\ntheirs {theirs:?}");
        let times = [51, 58, 59].map(|code| ours.secs(code));
        ensure!(times == [LEASE_SECS, T1_SECS, T2_SECS].map(Some), "{what}: {ours:?}");
        return Ok(());
    }
    ensure!(ours.codes() == [option::KIND, option::SERVER], "{what}: {ours:?}");
    ensure!(theirs.codes().contains(&3), "{what}: dhcpd has mended its ways: {theirs:?}");
    ensure!(ours == theirs.clone().bare(), "{what}:\nours   {ours:?}\ntheirs {theirs:?}");
    Ok(())
}

/// The same queries to dhcpd and to the daemon, then to the daemon after a `kill -9`: the same answers.
#[test]
fn dhcpd_and_the_daemon_answer_alike() -> Result<()> {
    let Some(other) = Scene::new(&["dhcpd"])? else { return Ok(()) };
    let Some(scene) = Scene::new(&[])? else { return Ok(()) };
    let _dhcpd = other.dhcpd()?;
    let mut daemon = scene.daemon("allow-leasequery")?;
    other.requestor.fill()?;
    scene.requestor.fill()?;
    let theirs = answers(&other.requestor)?;
    let ours = answers(&scene.requestor)?;
    for (((what, _, kind), theirs), ours) in questions().into_iter().zip(theirs).zip(&ours) {
        compare(what, kind, theirs, ours.clone())?;
    }
    let by_mac = ours.get(3).context("the query by MAC")?;
    ensure!(by_mac.ciaddr == IN_FAR && by_mac.options.get(&92) == Some(&IN_NEAR.octets().to_vec()), "{by_mac:?}");
    ensure!(by_mac.options.get(&option::RELAY).map(Vec::as_slice) == Some(RELAY_INFO), "{by_mac:?}");

    daemon.kill();
    daemon.restart(&scene.server)?;
    let before = ours.into_iter().map(Answer::at_the_last_transaction).collect::<Result<Vec<_>>>()?;
    let after =
        answers(&scene.requestor)?.into_iter().map(Answer::at_the_last_transaction).collect::<Result<Vec<_>>>()?;
    // What the kill may have kept from storage counts as promised: a lease is told for twice its time then.
    let told =
        |answer: &Answer| answer.options.get(&51).and_then(|secs| Some(u32::from_be_bytes(secs[..].try_into().ok()?)));
    for (before, after) in before.iter().zip(&after) {
        ensure!(told(before).map(|secs| 2 * secs) == told(after), "before the kill {before:?}\nafter it {after:?}");
    }
    let without_times = |answers: Vec<Answer>| -> Vec<Answer> {
        let bare = |mut answer: Answer| {
            answer.options.retain(|code, _| ![51, 58, 59].contains(code));
            answer
        };
        answers.into_iter().map(bare).collect()
    };
    let (before, after) = (without_times(before), without_times(after));
    ensure!(before == after, "before the kill {before:?}\nafter it {after:?}");
    scene.capture.judge("udp.srcport == 67 && ip.src == 10.77.0.1")?;
    dissects(&scene)
}

/// tshark reads the types and options as we mean them.
fn dissects(scene: &Scene) -> Result<()> {
    let file = scene.lab.folder().join(format!("{}-s0.pcap", scene.server.name()));
    let read = |filter: &str, field: &str| -> Result<Vec<String>> {
        let mut command = Command::new("tshark");
        command.env("HOME", "/nonexistent").arg("-r").arg(&file).args(["-T", "fields", "-e", field, "-Y"]);
        command.arg(format!("ip.src == {SERVER} && udp.dstport == 67 && {filter}"));
        Ok(process::capture(&mut command)?.lines().map(String::from).collect())
    };
    for (kind, of_kind) in questions().into_iter().map(|(_, _, kind)| (kind, format!("dhcp.option.dhcp == {kind}"))) {
        let giaddrs = read(&of_kind, "dhcp.ip.relay")?;
        ensure!(!giaddrs.is_empty() && giaddrs.iter().all(|giaddr| *giaddr != "0.0.0.0"), "{kind}: {giaddrs:?}");
    }
    let by_client = format!("dhcp.option.dhcp == {LEASEACTIVE} && dhcp.option.type == 92");
    let rows = [
        ("dhcp.ip.client", IN_FAR.to_string()),
        ("dhcp.hw.mac_addr", mac_text(MAC)),
        ("dhcp.option.associated_ip_option", IN_NEAR.to_string()),
        ("dhcp.option.agent_information_option.agent_circuit_id", "00ff706f7274".into()),
        ("dhcp.option.agent_information_option.agent_remote_id", "525b".into()),
        ("dhcp.option.dhcp_server_id", SERVER.to_string()),
    ];
    for (field, value) in rows {
        let found = read(&by_client, field)?;
        ensure!(!found.is_empty() && found.iter().all(|found| *found == value), "{field}: {found:?}");
    }
    for ago in read(&by_client, "dhcp.option.client_last_transaction_time")? {
        ensure!(ago.parse::<u32>()? < 120, "option 91: {ago}");
    }
    Ok(())
}

/// Where the two differ, each as it is: dhcpd's side is here so that a new release of it is noticed.
#[test]
fn documented_differences_from_dhcpd() -> Result<()> {
    let Some(other) = Scene::new(&["dhcpd"])? else { return Ok(()) };
    let Some(scene) = Scene::new(&[])? else { return Ok(()) };
    let _dhcpd = other.dhcpd()?;
    let daemon = scene.daemon("allow-leasequery")?;
    other.requestor.fill()?;
    scene.requestor.fill()?;
    let all: &[u8] = &[51, 53, 54, 58, 59, 60, 61, 82, 91, 92];
    let with_pool: &[u8] = &[1, 3, 51, 53, 54, 58, 59, 61, 82, 91, 92];
    let rows: [(Query, &[u8]); 5] = [
        (Query::mac(MAC).asking(&[82]), &[53, 54, 61, 82, 92]),
        (Query::mac(MAC).asking(&[51]), &[51, 53, 54, 61, 92]),
        (Query::mac(MAC).asking(&[1, 3, 12, 43]), &[1, 3, 53, 54, 61, 92]),
        (Query::mac(MAC).asking(&[]), &[53, 54, 61, 92]),
        (Query::mac(MAC), with_pool),
    ];
    for (query, codes) in rows {
        let (theirs, ours) = (other.requestor.ask(&query)?, scene.requestor.ask(&query)?);
        ensure!(ours.kind() == LEASEACTIVE && ours.codes() == codes, "{query:?}: {ours:?}");
        ensure!(theirs.codes() == all, "{query:?}: dhcpd: {theirs:?}");
        for (code, content) in &ours.options {
            let same = !theirs.options.contains_key(code) || matches!(*code, 51 | 58 | 59 | 91);
            ensure!(same || theirs.options.get(code) == Some(content), "{query:?}: {ours:?} {theirs:?}");
        }
    }
    let silent = [
        ("no giaddr", Query::address(IN_NEAR).through(Ipv4Addr::UNSPECIFIED), false, "leasequery-no-giaddr"),
        ("address and MAC", Query { ciaddr: IN_NEAR, ..Query::mac(MAC) }, true, "leasequery-malformed"),
        ("MAC and identifier", Query::mac(MAC).with(option::CLIENT_ID, CLIENT_ID), true, "leasequery-malformed"),
        ("no key", Query::new(), true, "leasequery-malformed"),
        ("a remote id", Query::new().with(82, b"\x02\x01r"), true, "leasequery-malformed"),
        ("a reply", Query { op: 2, ..Query::address(IN_NEAR) }, true, "bad-bootp-opcode"),
    ];
    for (what, query, dhcpd_answers, counter) in silent {
        let query = query.asking(ASKED);
        ensure!(other.requestor.is_answered(&query)? == dhcpd_answers, "{what}: dhcpd");
        let before = dropped(&daemon, counter)?;
        ensure!(!scene.requestor.is_answered(&query)?, "{what}: answered");
        ensure!(dropped(&daemon, counter)? == before + 1, "{what}: {counter} was {before}");
    }
    scene.capture.judge("udp.srcport == 67 && ip.src == 10.77.0.1")
}

/// A row of `show dhcp server statistics`.
fn dropped(daemon: &Daemon, name: &str) -> Result<u64> {
    let shown = daemon.cli(&["show", "dhcp", "server", "statistics"])?;
    let rows = shown.get("packets-dropped").and_then(serde_json::Value::as_array).context("no rows")?;
    let row = rows.iter().find(|row| row.get("name").and_then(serde_json::Value::as_str) == Some(name));
    row.and_then(|row| row.get("count")?.as_u64()).with_context(|| format!("no counter {name} in {shown}"))
}

/// Not enabled is silence, and a commit enables and disables it.
#[test]
fn silence_until_it_is_allowed() -> Result<()> {
    let Some(scene) = Scene::new(&[])? else { return Ok(()) };
    let mut daemon = scene.daemon("allow-leasequery")?;
    scene.requestor.fill()?;
    daemon.reload(&config("overrides { no-arp }"))?;
    for query in [Query::address(IN_NEAR), Query::mac(MAC), Query::client_id(CLIENT_ID)] {
        scene.requestor.near.send_to(&query.encode(1), (SERVER, 67))?;
    }
    until("three counted queries", || (dropped(&daemon, "leasequery-not-allowed").ok()? == 3).then_some(()))?;
    daemon.reload(&config("allow-leasequery"))?;
    // The daemon answers in order: what it says first is to this query.
    let xid = scene.requestor.next_xid();
    let (answer, others) = scene.requestor.exchange(NEAR, xid, &Query::mac(MAC).encode(xid))?;
    ensure!(answer.kind() == LEASEACTIVE && others.is_empty(), "{answer:?} after {others:?}");
    Ok(())
}

/// `restricted-requestor`: a gateway is told of what came through it; to it, all else does not exist (junos.md §9.2).
#[test]
fn a_restricted_requestor_sees_its_own() -> Result<()> {
    let Some(scene) = Scene::new(&[])? else { return Ok(()) };
    let mut daemon = match scene.daemon("allow-leasequery { restricted-requestor }") {
        Err(error) if process::which("wasm-ld-19").is_none() => {
            println!("SKIP netns-plugins: no shipped policies without lld-19 (cargo xtask setup): {error}");
            return Ok(());
        }
        started => started?,
    };
    scene.requestor.fill()?;
    let none = Ipv4Addr::UNSPECIFIED;
    let rows = [
        ("its own, by address", Query::address(IN_NEAR), LEASEACTIVE, IN_NEAR),
        ("another's, by address", Query::address(IN_FAR), LEASEUNKNOWN, IN_FAR),
        ("another's, by its gateway", Query::address(IN_FAR).through(FAR), LEASEACTIVE, IN_FAR),
        ("a free address", Query::address(FREE), LEASEUNASSIGNED, FREE),
        ("the older of two", Query::mac(MAC), LEASEACTIVE, IN_NEAR),
        ("the younger of two", Query::client_id(CLIENT_ID).through(FAR), LEASEACTIVE, IN_FAR),
        ("a client of another gateway", Query::mac(PLAIN_MAC).through(FAR), LEASEUNKNOWN, none),
    ];
    for restarted in [false, true] {
        if restarted {
            daemon.kill();
            daemon.restart(&scene.server)?;
        }
        for (what, query, kind, ciaddr) in &rows {
            let answer = scene.requestor.ask(&query.clone().asking(ASKED))?;
            ensure!((answer.kind(), answer.ciaddr) == (*kind, *ciaddr), "{what}: {answer:?}");
            ensure!(!answer.options.contains_key(&92), "{what}: {answer:?}");
            let bare = answer.codes() == [option::KIND, option::SERVER];
            ensure!(bare == (*kind != LEASEACTIVE), "{what}: {answer:?}");
        }
    }
    scene.capture.judge("udp.srcport == 67 && ip.src == 10.77.0.1")
}
