//! Why the sockets cannot be opened, in words that say what to do.

use crate::privileges::PortOwner;
use nix::errno::Errno;

/// The sockets cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A capability is missing. The operator's fault.
    #[error(
        "{what} needs {capability}: run as root, or give it by \
         `setcap cap_net_raw,cap_net_bind_service,cap_net_admin+ep` on the program"
    )]
    Privilege {
        /// What was tried.
        what: &'static str,
        /// The capability's name, like `CAP_NET_RAW`.
        capability: &'static str,
    },
    /// Another process has the port. The operator's fault.
    #[error("UDP port {port} is in use{}: stop that program, or take DHCP service out of its configuration",
        owner.as_ref().map(|owner| format!(" by {owner}")).unwrap_or_default())]
    PortInUse {
        /// The port.
        port: u16,
        /// Who has it, where that can be seen.
        owner: Option<PortOwner>,
    },
    /// Some other system call failed.
    #[error("{what}: {errno}")]
    System {
        /// What was tried.
        what: &'static str,
        /// How it failed.
        errno: Errno,
    },
}

impl OpenError {
    pub(crate) fn system(what: &'static str) -> impl FnOnce(Errno) -> Self {
        move |errno| Self::System { what, errno }
    }

    /// Like [`OpenError::system`], but a refusal names the capability that is missing.
    pub(crate) fn privileged(what: &'static str, capability: &'static str) -> impl FnOnce(Errno) -> Self {
        move |errno| match errno {
            Errno::EPERM | Errno::EACCES => Self::Privilege { what, capability },
            errno => Self::System { what, errno },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_say_what_to_do() {
        let denied = OpenError::privileged("opening a packet socket", "CAP_NET_RAW")(Errno::EPERM);
        assert!(denied.to_string().starts_with("opening a packet socket needs CAP_NET_RAW: run as root, or"));
        let owner = PortOwner { pid: 812, command: "dnsmasq".into() };
        let taken = OpenError::PortInUse { port: 67, owner: Some(owner) };
        assert!(taken.to_string().starts_with("UDP port 67 is in use by dnsmasq (process 812): stop"));
        let unknown = OpenError::PortInUse { port: 67, owner: None };
        assert!(unknown.to_string().starts_with("UDP port 67 is in use: stop"));
    }
}
