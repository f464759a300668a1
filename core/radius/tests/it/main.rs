//! The task over loopback sockets: against a small server, FreeRADIUS and radclient.

mod freeradius;
mod radclient;
mod small;
mod support;
