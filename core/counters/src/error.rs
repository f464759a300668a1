//! Why nothing is counted.

use nix::errno::Errno;

/// The kernel does not count, or does not tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Error {
    /// The table may not be changed. The operator's fault.
    #[error(
        "counting by nftables needs CAP_NET_ADMIN: run as root, or give it by \
         `setcap cap_net_raw,cap_net_bind_service,cap_net_admin+ep` on the program"
    )]
    Privilege,
    /// The kernel has no nf_tables.
    #[error("counting by nftables needs Linux 5.7 or newer with nf_tables (`modprobe nf_tables`)")]
    Unsupported,
    /// A table of the same name has other sets or chains than ours, or cannot be changed.
    #[error("the nftables table of this name is not ours ({0}); remove it by `nft delete table ip NAME`")]
    Foreign(Errno),
    /// The table's name is empty, longer than 64 characters, or has others than letters, digits, `_` and `-`.
    #[error("not a name of an nftables table")]
    Name,
    /// The receive buffer was full, so that answers are lost.
    #[error("answers of nftables were lost")]
    AnswersLost,
    /// The kernel did not answer in ten seconds.
    #[error("the kernel does not answer about nftables")]
    Silent,
    /// Others change the table as fast as we do.
    #[error("the nftables table is changed by somebody else again and again")]
    Unsteady,
    /// A system call failed, or the kernel refused.
    #[error("nftables: {0}")]
    System(Errno),
}

impl Error {
    /// Whether a new socket may help: what was asked may have been done or not.
    pub(crate) const fn is_fault(self) -> bool {
        matches!(self, Self::AnswersLost | Self::Silent | Self::System(_))
    }
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::EPERM | Errno::EACCES => Self::Privilege,
            Errno::ENOBUFS => Self::AnswersLost,
            Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT | Errno::EOPNOTSUPP => Self::Unsupported,
            errno => Self::System(errno),
        }
    }
}

/// A request to the thread was not carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ThreadError {
    /// The kernel's part.
    #[error(transparent)]
    Plane(#[from] Error),
    /// More requests wait than the queue takes; this one was not taken.
    #[error("too much waits to be counted or read")]
    Full,
    /// The thread has ended.
    #[error("the thread of the counters has ended")]
    Ended,
}
