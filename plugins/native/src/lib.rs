//! Host of forwarding-plane drivers: a vendor's FIB in place of netlink, as a shared library behind a C ABI.
//!
//! [`Library::load`] opens a file and checks its descriptor before anything in it is called; [`Library::open`] makes
//! the [`NativePlane`] that the route thread owns. The interface itself is `bindery_plane_abi`; a guide for authors is
//! the README of this crate.
//!
//! What a driver can do to the daemon: it is trusted code in the same process. Its panics and exceptions stop in the
//! driver (the contract asks for it); one that does not catch them, or that crashes, ends the process, and the next
//! start recovers from the session database. A call that hangs holds the route thread and nothing else: the engine
//! goes on without it, and sheds when its route ring is full. What a driver answers is checked like any outside data.
//!
//! What this crate never does: it decides no route, starts no thread, and unloads no library.

mod context;
mod convert;
mod error;
mod library;
mod plane;

pub use context::{Level, Report};
pub use error::{Fault, LoadError, LoadReason};
pub use library::Library;
pub use plane::NativePlane;
