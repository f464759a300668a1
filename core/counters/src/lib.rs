//! What each subscriber sends and gets, counted by the kernel (RFC 2866 §5.3, §5.4, §5.8, §5.9).
//!
//! A [`Plane`] keeps an nftables table of its own, `table ip bindery`: two sets of addresses whose elements count, and
//! a chain at the forward hook with one rule for each set. Nothing else of nftables is ever touched. The elements
//! outlive the process, so that counting goes on over its crash; the next one says with [`Plane::retain`] whom it
//! still knows. A [`CounterThread`] is a plane on a thread of its own, for programs that must not block.
//!
//! What counts: IPv4 packets that this router forwards from or to the address, after the firewall (what a chain at
//! priority filter drops is not counted) and with the subscriber's own address (before source NAT, after its undoing).
//! Octets are those of IP packets, without the link's header. Where the kernel merges segments (GRO), a merged one is
//! one packet. Not counted: traffic with the router itself, and what a flowtable or hardware forwards past the hook.
//! The address is the whole key: two routing instances with the same subscriber address share its counters.
//!
//! A [`SnoopedFilter`] is a table beside it, which drops requests to other servers (`forward-snooped-clients`).
//!
//! ```text
//! table ip bindery {
//!     set subscribers_in  { type ipv4_addr; counter; }
//!     set subscribers_out { type ipv4_addr; counter; }
//!     chain forward {
//!         type filter hook forward priority filter + 5; policy accept;
//!         ip saddr @subscribers_in
//!         ip daddr @subscribers_out
//!     }
//! }
//! ```
//!
//! # Why netlink and not the program nft
//! The crate speaks nf_tables netlink itself, over netlink-sys, which the routes use already. Looked at before:
//! the program `nft` with JSON (also what the crate `nftables` runs): a program started by us has no privilege where the
//! daemon has it as a file capability (`setcap`), as is documented for routes; its JSON of Debian 12 cannot read single
//! elements, so that each end of a session would dump the whole set (50,000 elements: half a second of processor time);
//! and it does not tell what an element had counted when it was deleted, which the kernel does in the same transaction
//! (NLM_F_ECHO). `nftnl` needs the C libraries libnftnl and libmnl and has no counters of set elements; `rustables` is
//! under the GPL; `netlink-packet-netfilter` has no nf_tables; `netlink-bindings` has 20,000 generated lines for the
//! dozen messages that are needed here. The messages are the kernel's interface to user space and do not change.
//!
//! Needs Linux 5.7 or newer with nf_tables, and CAP_NET_ADMIN. Cost: `cargo run --release -p bindery-counters
//! --example scale` in a namespace of its own prints it.

mod attribute;
mod element;
mod error;
mod message;
mod plane;
mod snooped;
mod socket;
mod thread;

pub use error::{Error, ThreadError};
pub use plane::{Plane, PlaneSettings, Retained};
pub use snooped::SnoopedFilter;
pub use thread::{CounterThread, Handle};
