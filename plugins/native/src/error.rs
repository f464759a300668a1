//! Why a driver is not used, and why one does not work.

use bindery_plane_abi as abi;
use std::path::PathBuf;

/// A driver is refused; nothing of it was called unless the reason says so.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub struct LoadError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: LoadReason,
}

/// Why a driver is refused.
#[derive(Debug, thiserror::Error)]
pub enum LoadReason {
    /// The file cannot be read.
    #[error("{0}")]
    File(std::io::Error),
    /// Others than root and the daemon's user may write it.
    #[error(
        "a driver is code with the daemon's rights: it must belong to root or to the daemon's user, and others must not be able to write it or its directory"
    )]
    Untrusted,
    /// Another file was loaded from this path before, and stays loaded.
    #[error(
        "this process has loaded another version of the file, and a library is never unloaded: give the new version a name of its own, or restart the daemon"
    )]
    Replaced,
    /// The dynamic linker refused it: it is no shared library of this machine, or it needs something that is not here.
    #[error("it is no library that can be loaded: {0}")]
    Link(String),
    /// It has no descriptor.
    #[error("it exports no {}: it is no forwarding-plane driver, or one for another major version", abi::SYMBOL)]
    NoSymbol,
    /// The descriptor begins with something else.
    #[error("its {} is no descriptor: the magic number is {found:#018x}, not {:#018x}", abi::SYMBOL, abi::MAGIC)]
    Magic {
        /// What is there.
        found: u64,
    },
    /// Built for another major version.
    #[error(
        "it was built for version {major}.{minor} of the interface, this daemon has {}.{}: build it with this daemon's header",
        abi::ABI_MAJOR,
        abi::ABI_MINOR
    )]
    Version {
        /// Its major version.
        major: u16,
        /// Its minor version.
        minor: u16,
    },
    /// The descriptor is shorter than any of this major version.
    #[error("its descriptor has {found} octets, the shortest of version {}.0 has {least}", abi::ABI_MAJOR)]
    Size {
        /// Its size.
        found: u32,
        /// The smallest possible.
        least: u32,
    },
    /// A function that must be there is null.
    #[error("its descriptor has no function {0}")]
    Missing(&'static str),
    /// Name or version is missing, empty or no UTF-8.
    #[error("its descriptor has no {0} that can be read")]
    Words(&'static str),
    /// A setting has a zero octet in it.
    #[error("the setting {0} has a zero octet in it")]
    Setting(String),
    /// `create` was called and failed.
    #[error(transparent)]
    Create(Fault),
}

/// A driver does not work; nothing of the last call is believed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// A call answered that it failed.
    #[error("the driver {driver} fails in {call}: {}", words(*status))]
    Failed {
        /// Its name.
        driver: String,
        /// The function.
        call: &'static str,
        /// Its status: an errno, or one of `bindery_plane_abi`.
        status: i32,
    },
    /// A call answered what the contract does not allow.
    #[error("the driver {driver} breaks the contract in {call}: {what}")]
    Breach {
        /// Its name.
        driver: String,
        /// The function.
        call: &'static str,
        /// What is wrong.
        what: &'static str,
    },
    /// There is no instance: the last try to make one failed.
    #[error("the driver {driver} is not running")]
    Absent {
        /// Its name.
        driver: String,
    },
}

fn words(status: i32) -> String {
    match status {
        abi::PANICKED => "it caught a panic of its own".into(),
        errno if errno > 0 => std::io::Error::from_raw_os_error(errno).to_string(),
        other => format!("status {other}"),
    }
}
