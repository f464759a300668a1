//! A router between a subscribers' network and a server, each in a network namespace of its own.
//!
//! A namespace is that of a thread which left the process's, so nothing needs cleaning up.

use anyhow::{Context, Result, ensure};
use bindery_counters::{Plane, PlaneSettings};
use bindery_engine::route::Counters;
use bindery_types::Ipv4Addr;
use nix::{
    sched::{CloneFlags, unshare},
    unistd::gettid,
};
use std::{
    net::{SocketAddrV4, UdpSocket},
    process::{self, Command},
    sync::mpsc,
    thread,
    time::Duration,
};

type Job = Box<dyn FnOnce() + Send>;

/// No test waits longer than this for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// The router as its subscribers see it.
pub(crate) const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 254);
const PORT: u16 = 4_000;
/// IPv4 and UDP headers.
const HEADERS: usize = 20 + 8;

/// A network namespace.
pub(crate) struct Space {
    jobs: mpsc::Sender<Job>,
    /// Where the kernel shows it.
    path: String,
}

impl Space {
    fn new() -> Result<Self, nix::Error> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (started, start) = mpsc::channel();
        thread::spawn(move || {
            let entered = unshare(CloneFlags::CLONE_NEWNET).map(|()| gettid());
            let stays = entered.is_ok();
            let _ = started.send(entered);
            if stays {
                inbox.iter().for_each(|job| job());
            }
        });
        let thread = start.recv().map_err(|_| nix::Error::ECANCELED)??;
        Ok(Self { jobs, path: format!("/proc/{}/task/{thread}/ns/net", process::id()) })
    }

    /// Runs `job` in the namespace; a panic in it is one here.
    pub(crate) fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, result) = mpsc::channel();
        self.jobs
            .send(Box::new(move || {
                let _ = done.send(job());
            }))
            .expect("the namespace's thread is there");
        result.recv().expect("the job did not panic")
    }

    /// Runs lines of shell in the namespace; they must succeed.
    pub(crate) fn sh(&self, lines: &str) -> String {
        let owned = format!("set -e\n{lines}");
        self.run(move || shell(&owned)).unwrap_or_else(|error| panic!("{error:#}"))
    }

    pub(crate) fn plane(&self) -> Plane {
        self.run(|| Plane::open(PlaneSettings::default())).expect("the plane opens")
    }
}

/// The three of them.
pub(crate) struct Lab {
    pub(crate) subscribers: Space,
    pub(crate) router: Space,
    pub(crate) server: Space,
}

impl Lab {
    /// `None`, and a line that says that `test` is skipped, without the privilege or without the program that judges.
    pub(crate) fn new(test: &str) -> Option<Self> {
        let spaces = (Space::new(), Space::new(), Space::new());
        let (Ok(subscribers), Ok(router), Ok(server)) = spaces else {
            println!("SKIP {test}: no network namespace; run as root");
            return None;
        };
        if Command::new("nft").arg("--version").output().is_err() {
            println!("SKIP {test}: no program nft (Debian's nftables), which judges the table");
            return None;
        }
        let (to_subscribers, to_server) = (&subscribers.path, &server.path);
        router.sh(&format!(
            "ip link set lo up
            ip link add sub0 type veth peer name sub1 netns {to_subscribers}
            ip link add core0 type veth peer name core1 netns {to_server}
            ip address add {ROUTER}/24 dev sub0; ip address add 192.0.2.1/24 dev core0
            ip link set sub0 up; ip link set core0 up
            echo 1 > /proc/sys/net/ipv4/ip_forward"
        ));
        subscribers.sh(&format!(
            "ip link set sub1 up
            for n in 1 2 3 4; do ip address add 10.1.0.$n/24 dev sub1; done
            ip route add default via {ROUTER}"
        ));
        server.sh(&format!(
            "ip address add {SERVER}/24 dev core1; ip link set core1 up; ip route add default via 192.0.2.1"
        ));
        Some(Self { subscribers, router, server })
    }

    /// Sends so many packets of so many octets (of IP) from a subscriber to the server, and sees them arrive.
    pub(crate) fn send_up(&self, from: Ipv4Addr, packets: u64, octets: usize) {
        transfer((&self.subscribers, from), (&self.server, SERVER), packets, octets);
    }

    /// Sends one packet of so many octets that does not arrive.
    pub(crate) fn send_in_vain(&self, from: Ipv4Addr, octets: usize) {
        let sender = self.subscribers.run(move || UdpSocket::bind(SocketAddrV4::new(from, 0))).expect("bound");
        sender.send_to(&vec![0; octets - HEADERS], SocketAddrV4::new(SERVER, PORT)).expect("it leaves");
    }

    /// As [`Lab::send_up`], the other way.
    pub(crate) fn send_down(&self, to: Ipv4Addr, packets: u64, octets: usize) {
        transfer((&self.server, SERVER), (&self.subscribers, to), packets, octets);
    }

    /// The table as the program nft shows it.
    pub(crate) fn table(&self, name: &str) -> String {
        self.router.sh(&format!("nft list table ip {name}"))
    }
}

/// UDP from one to the other, one packet on its way at a time, so that none is lost in a queue.
pub(crate) fn transfer(from: (&Space, Ipv4Addr), to: (&Space, Ipv4Addr), packets: u64, octets: usize) {
    // Any port: a process that is being started beside this test may still hold the socket of the last call.
    let place = SocketAddrV4::new(to.1, 0);
    let receiver = to.0.run(move || UdpSocket::bind(place)).expect("the address is there");
    let target = receiver.local_addr().expect("it is bound");
    receiver.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    let source = SocketAddrV4::new(from.1, 0);
    let sender = from.0.run(move || UdpSocket::bind(source)).expect("the address is there");
    let payload = vec![0; octets - HEADERS];
    let mut buffer = vec![0; octets];
    for _ in 0..packets {
        sender.send_to(&payload, target).expect("it leaves");
        assert_eq!(receiver.recv(&mut buffer).expect("it arrives"), payload.len());
    }
}

/// The `number`th subscriber; the first four are on the subscribers' link.
pub(crate) fn subscriber(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 1, 0, 0).to_bits() + number)
}

/// What was counted, as (packets, octets) from and to the subscriber.
pub(crate) fn counted(packets_in: u64, octets_in: u64, packets_out: u64, octets_out: u64) -> Option<Counters> {
    Some(Counters { packets_in, octets_in, packets_out, octets_out })
}

fn shell(lines: &str) -> Result<String> {
    let output = Command::new("sh").arg("-c").arg(lines).output().context("running sh")?;
    ensure!(output.status.success(), "{lines}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
