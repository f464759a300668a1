//! Why netlink does not work.

use nix::errno::Errno;

/// The netlink socket cannot be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpenError {
    /// Routes may not be changed. The operator's fault.
    #[error(
        "changing routes needs CAP_NET_ADMIN: run as root, or give it by \
         `setcap cap_net_raw,cap_net_bind_service,cap_net_admin+ep` on the program"
    )]
    Privilege,
    /// A system call failed.
    #[error("{what}: {errno}")]
    System {
        /// What was tried.
        what: &'static str,
        /// How it failed.
        errno: Errno,
    },
}

impl OpenError {
    pub(crate) fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::System { what, errno: Errno::from_raw(error.raw_os_error().unwrap_or(0)) }
    }
}

/// The netlink socket is out of order; nothing of the last batch is known to stand. Open a new one and reconcile.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// The receive buffer was full, so that errors or acknowledgements are lost.
    #[error("netlink acknowledgements were lost")]
    AcksLost,
    /// The kernel did not answer in ten seconds.
    #[error("the kernel does not answer on netlink")]
    Silent,
    /// A system call failed.
    #[error("netlink: {0}")]
    System(Errno),
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::ENOBUFS => Self::AcksLost,
            errno => Self::System(errno),
        }
    }
}
