//! The configuration database from outside: as the daemon uses it, over storage that fails and machines that stop.

mod boot;
mod commit;
mod edit;
mod faults;
mod random;
mod router;
mod session;
mod show;
mod window;
