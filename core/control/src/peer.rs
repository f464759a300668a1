//! Who is at the other end of a connection.

use crate::limit::Limited;
use axum::{extract::connect_info::Connected, serve::IncomingStream};
use bindery_api::Permission;

/// The peer's user id, as the kernel tells it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    uid: Option<u32>,
}

impl Connected<IncomingStream<'_, Limited>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Limited>) -> Self {
        Self { uid: stream.io().stream().peer_cred().ok().map(|credentials| credentials.uid()) }
    }
}

impl Peer {
    /// What the peer may do: root and the daemon's own user everything, whoever else may open the socket only looks.
    pub(crate) fn may(self, permission: Permission) -> bool {
        let own = nix::unistd::geteuid().as_raw();
        permission == Permission::View || self.uid.is_some_and(|uid| uid == 0 || uid == own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_only_look() {
        let stranger = Peer { uid: Some(nix::unistd::geteuid().as_raw().wrapping_add(12_345)) };
        assert!(stranger.may(Permission::View));
        assert!(!stranger.may(Permission::Clear) && !stranger.may(Permission::Configure));
        assert!(!Peer { uid: None }.may(Permission::Clear));
        assert!(Peer { uid: Some(0) }.may(Permission::Configure));
    }
}
