//! Network namespaces for tests: each is a thread that left the process's namespace, so nothing needs cleaning up.

use anyhow::{Context, Result, ensure};
use bindery_types::{IfIndex, MacAddr};
use nix::{
    net::if_::if_nametoindex,
    sched::{CloneFlags, unshare},
};
use std::{process::Command, sync::mpsc, thread};

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace with a thread in it; it is gone when the last thing in it is.
pub(crate) struct Namespace {
    jobs: mpsc::Sender<Job>,
    /// The thread's id, which names the namespace to `ip link set netns`.
    tid: i32,
}

impl Namespace {
    /// A fresh namespace with its loopback up; `None`, and a line that says that `test` is skipped, without the
    /// privilege.
    pub(crate) fn new(test: &str) -> Option<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (started, start) = mpsc::channel();
        thread::spawn(move || {
            let entered = unshare(CloneFlags::CLONE_NEWNET).map(|()| nix::unistd::gettid().as_raw());
            let stays = entered.is_ok();
            let _ = started.send(entered);
            if stays {
                inbox.iter().for_each(|job| job());
            }
        });
        match start.recv().ok()? {
            Ok(tid) => {
                let namespace = Self { jobs, tid };
                namespace.sh("ip link set lo up");
                Some(namespace)
            }
            Err(errno) => {
                println!("SKIP {test}: no network namespace ({errno}); run as root");
                None
            }
        }
    }

    /// Index of an interface.
    pub(crate) fn index(&self, name: &'static str) -> IfIndex {
        IfIndex(self.run(move || if_nametoindex(name)).expect("the interface is there"))
    }

    /// MAC address of an interface.
    pub(crate) fn mac(&self, name: &str) -> MacAddr {
        let text = self.sh(&format!("ip -o link show {name}"));
        let (_, rest) = text.split_once("link/ether ").expect("it is an Ethernet interface");
        rest.get(..17).and_then(|mac| mac.parse().ok()).expect("ip prints a MAC address")
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

    /// Runs a line of shell in the namespace; it must succeed.
    pub(crate) fn sh(&self, line: &str) -> String {
        let owned = line.to_owned();
        self.run(move || shell(&owned)).unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// A veth pair from here to `other`, both ends up.
    pub(crate) fn connect(&self, name: &str, other: &Self, other_name: &str) {
        self.sh(&format!("ip link add {name} type veth peer name {other_name}"));
        self.sh(&format!("ip link set {other_name} netns {}", other.tid));
        self.sh(&format!("ip link set {name} up"));
        other.sh(&format!("ip link set {other_name} up"));
    }
}

fn shell(line: &str) -> Result<String> {
    let output = Command::new("sh").arg("-c").arg(line).output().context("running sh")?;
    ensure!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
