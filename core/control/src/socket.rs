//! The control socket: its file, and the listener on it.

use crate::{backend::Requestor, listener::Listener};
use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt, PermissionsExt},
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
};

/// Why the control socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another daemon answers on it.
    #[error("{}: another daemon listens there: stop it, or choose another socket by --control", path.display())]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is no socket has the name.
    #[error("{}: is no socket: move it away, or choose another path by --control", path.display())]
    Foreign {
        /// The path.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{}: {source}: choose a path that the daemon can write by --control", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// How it failed.
        source: io::Error,
    },
}

/// The open control socket. Its file goes when this is dropped, unless it was served: the next start replaces it then.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    state: State,
}

#[derive(Debug)]
enum State {
    Open(UnixListener),
    Served(tokio::net::UnixListener),
    /// On its way from one to the other, or failed there.
    Closed,
}

impl Socket {
    /// Opens the socket, mode 0660, and makes its directory if need be. A socket file that a killed daemon left is
    /// replaced; one that answers is not.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn open(path: &Path) -> Result<Self, ControlError> {
        let io = |source| ControlError::Io { path: path.into(), source };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io)?;
        }
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(ControlError::Foreign { path: path.into() });
            }
            Ok(_) if UnixStream::connect(path).is_ok() => return Err(ControlError::InUse { path: path.into() }),
            Ok(_) => fs::remove_file(path).map_err(io)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io(error)),
        }
        let listener = UnixListener::bind(path).map_err(io)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o660)).map_err(io)?;
        listener.set_nonblocking(true).map_err(io)?;
        Ok(Self { path: path.into(), state: State::Open(listener) })
    }
}

impl Listener for Socket {
    type Connection = tokio::net::UnixStream;

    fn start(&mut self) -> io::Result<()> {
        if let State::Open(listener) = std::mem::replace(&mut self.state, State::Closed) {
            self.state = State::Served(tokio::net::UnixListener::from_std(listener)?);
        }
        Ok(())
    }

    async fn accept(&mut self) -> io::Result<(Self::Connection, Requestor)> {
        let State::Served(listener) = &self.state else { return Err(io::ErrorKind::NotConnected.into()) };
        let (stream, _) = listener.accept().await?;
        let requestor = stream.peer_cred().map(|it| Requestor { uid: Some(it.uid()), pid: it.pid() });
        Ok((stream, requestor.unwrap_or_default()))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if matches!(self.state, State::Open(_)) {
            // It may be gone already.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_socket_is_replaced_a_live_one_is_not_and_a_file_is_never() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/control.sock");
        let first = Socket::open(&path).unwrap();
        assert!(matches!(Socket::open(&path), Err(ControlError::InUse { .. })));
        drop(first);
        assert!(!path.exists());
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "as a killed daemon leaves it");
        drop(Socket::open(&path).unwrap());
        fs::write(&path, "precious").unwrap();
        assert!(matches!(Socket::open(&path), Err(ControlError::Foreign { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
