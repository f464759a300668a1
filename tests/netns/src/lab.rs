//! One test's surroundings: namespaces with names of their own, and a folder.

use crate::namespace::{self, Namespace};
use crate::process::which;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// Every namespace of the kit starts so, followed by the process id of the test run.
pub(crate) const PREFIX: &str = "bnd-test-";

/// Everything that one test makes. Dropping it removes all of it.
#[derive(Debug)]
pub struct Lab {
    number: u32,
    folder: TempDir,
}

impl Lab {
    /// Makes a lab, or prints why this machine cannot run the test and returns `None`.
    ///
    /// `programs` are what the test needs beside `ip`, `tcpdump` and `tshark`; the line `SKIP netns-PROGRAM: ...` names the
    /// missing one.
    #[must_use]
    pub fn new(programs: &[&str]) -> Option<Self> {
        static SWEEP: Once = Once::new();
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        if !nix::unistd::geteuid().is_root() {
            println!("SKIP netns: needs root");
            return None;
        }
        for program in ["ip", "tcpdump", "tshark", "unshare", "nsenter"].iter().chain(programs) {
            if which(program).is_none() {
                println!("SKIP netns-{program}: {program} is not installed (cargo xtask setup)");
                return None;
            }
        }
        SWEEP.call_once(sweep);
        match tempfile::Builder::new().prefix("bindery-netns-").tempdir() {
            Ok(folder) => {
                // Programs that drop their privileges must still reach their files.
                let _ = open_folder(folder.path());
                Some(Self { number: COUNTER.fetch_add(1, Ordering::Relaxed), folder })
            }
            Err(error) => {
                println!("SKIP netns: no temporary folder: {error}");
                None
            }
        }
    }

    /// The lab's folder, removed with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into the lab's folder and returns its path.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn file(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder().join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Makes a namespace; `role` is a short word such as `srv`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn namespace(&self, role: &str) -> Result<Namespace> {
        Namespace::new(&format!("{PREFIX}{}-{}-{role}", std::process::id(), self.number))
    }

    /// Connects two namespaces by a pair of links, both up.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn veth(&self, one: (&Namespace, &str), two: (&Namespace, &str)) -> Result<()> {
        let mut command = Command::new("ip");
        command.args(["link", "add", "name", one.1, "netns", one.0.name(), "type", "veth"]);
        command.args(["peer", "name", two.1, "netns", two.0.name()]);
        crate::process::capture(&mut command)?;
        one.0.ip(&["link", "set", one.1, "up"])?;
        two.0.ip(&["link", "set", two.1, "up"])?;
        Ok(())
    }

    /// Makes a namespace with a bridge `br0`, to which [`Lab::plug`] connects others: one Ethernet segment.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn segment(&self, role: &str) -> Result<Namespace> {
        let segment = self.namespace(role)?;
        segment.ip(&["link", "add", "name", "br0", "type", "bridge", "forward_delay", "0"])?;
        segment.ip(&["link", "set", "br0", "up"])?;
        Ok(segment)
    }

    /// Connects interface `interface` of `namespace` to the bridge of `segment`; the bridge's port is called `port`.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn plug(&self, segment: &Namespace, port: &str, namespace: &Namespace, interface: &str) -> Result<()> {
        self.veth((segment, port), (namespace, interface))?;
        segment.ip(&["link", "set", port, "master", "br0"])?;
        Ok(())
    }
}

fn open_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

/// Removes the namespaces of test runs that no longer live, with what still runs in them.
fn sweep() {
    let Ok(names) = namespace::list() else { return };
    for name in names {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let owner = rest.split('-').next().unwrap_or_default();
        if !owner.is_empty() && !Path::new("/proc").join(owner).exists() {
            namespace::remove(&name);
        }
    }
}
