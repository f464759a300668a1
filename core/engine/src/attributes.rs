//! `access protocol-attributes`: what a group's clients are told in place of what their pool says.

use crate::config::{Attributes, Config, Lease, Pool, Timer};
use crate::links::Served;
use alloc::{boxed::Box, vec::Vec};
use bindery_types::Ipv4Addr;
use bindery_wire::v4::{OptionCode, Packet};

/// `protocol-attributes NAME dhcp`: an attribute set over that of the pool. What is set here wins, one by one; what is
/// not, the pool says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProtocolAttributes {
    /// `maximum-lease-time`.
    pub lease: Option<Lease>,
    /// T1 (option 58).
    pub t1: Option<Timer>,
    /// T2 (option 59).
    pub t2: Option<Timer>,
    /// `server-identifier`.
    pub server_identifier: Option<Ipv4Addr>,
    /// `next-server`.
    pub next_server: Option<Ipv4Addr>,
    /// `boot-file`; at most 127 bytes.
    pub boot_file: Option<Box<[u8]>>,
    /// `boot-server`; at most 63 bytes.
    pub boot_server: Option<Box<[u8]>>,
    /// Options in their encoded form, codes ascending, each once.
    pub options: Vec<(OptionCode, Box<[u8]>)>,
}

/// The attributes of a client: those of its group over those of its pool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effective<'c> {
    over: Option<&'c ProtocolAttributes>,
    own: &'c Attributes,
}

impl<'c> Effective<'c> {
    /// What a client of `pool` is told that `served` serves.
    pub(crate) fn of(config: &'c Config, served: Served, pool: &'c Pool) -> Self {
        let over = served.overrides(config).and_then(|overrides| overrides.attributes.as_deref());
        Self { over, own: &pool.attributes }
    }

    /// The lease time.
    pub(crate) fn lease(&self) -> Lease {
        self.over.and_then(|over| over.lease).unwrap_or(self.own.lease)
    }

    /// T1.
    pub(crate) fn t1(&self) -> Timer {
        self.over.and_then(|over| over.t1).unwrap_or(self.own.t1)
    }

    /// T2.
    pub(crate) fn t2(&self) -> Timer {
        self.over.and_then(|over| over.t2).unwrap_or(self.own.t2)
    }

    /// T1 and T2 of a lease of `lease_secs` as its client is told them (RFC 2131 §4.4.5). `None` where it is told
    /// nothing: a lease without an end has neither, one that would be 0 or not come before the end is left out, and so are
    /// both where T1 would not come before T2. The client then works them out itself.
    pub(crate) fn timers(&self, lease_secs: u32) -> [Option<u32>; 2] {
        if lease_secs == u32::MAX {
            return [None; 2];
        }
        let secs_of = |timer: Timer| timer.secs_of(lease_secs).filter(|secs| (1..lease_secs).contains(secs));
        let [t1, t2] = [self.t1(), self.t2()].map(secs_of);
        let by_default = |timer: Timer| timer.secs_of(lease_secs).unwrap_or(lease_secs);
        let first = t1.unwrap_or_else(|| by_default(Timer::Eighths(4)));
        let second = t2.unwrap_or_else(|| by_default(Timer::Eighths(7)));
        if first < second { [t1, t2] } else { [None; 2] }
    }

    /// Option 54 in place of our address.
    pub(crate) fn server_identifier(&self) -> Option<Ipv4Addr> {
        self.over.and_then(|over| over.server_identifier).or(self.own.server_identifier)
    }

    /// `siaddr`.
    pub(crate) fn next_server(&self) -> Option<Ipv4Addr> {
        self.over.and_then(|over| over.next_server).or(self.own.next_server)
    }

    /// The `file` field.
    pub(crate) fn boot_file(&self) -> Option<&'c [u8]> {
        self.over.and_then(|over| over.boot_file.as_deref()).or(self.own.boot_file.as_deref())
    }

    /// The `sname` field.
    pub(crate) fn boot_server(&self) -> Option<&'c [u8]> {
        self.over.and_then(|over| over.boot_server.as_deref()).or(self.own.boot_server.as_deref())
    }

    /// An option of the set.
    pub(crate) fn option(&self, code: OptionCode) -> Option<&'c [u8]> {
        self.over.and_then(|over| find(&over.options, code)).or_else(|| find(&self.own.options, code))
    }

    /// An option that a client has asked for: also the boot fields, which some clients look for there alone
    /// (RFC 2132 §9.4 and RFC 2132 §9.5).
    pub(crate) fn asked_option(&self, code: OptionCode) -> Option<&'c [u8]> {
        self.option(code).or_else(|| match code {
            OptionCode::TFTP_SERVER_NAME => self.boot_server(),
            OptionCode::BOOTFILE_NAME => self.boot_file(),
            _ => None,
        })
    }

    /// All options of the set: the pool's, then the group's.
    pub(crate) fn options(&self) -> impl Iterator<Item = (OptionCode, &'c [u8])> + use<'c> {
        let over = self.over.map_or(&[][..], |over| &over.options);
        let own = self.own.options.iter().filter(|(code, _)| find(over, *code).is_none());
        own.chain(over).map(|(code, value)| (*code, &**value))
    }

    /// Whether a client of `other` would be sent the same options.
    pub(crate) fn same_options(&self, other: &Self) -> bool {
        if self.over.is_none() && other.over.is_none() {
            return self.own.options == other.own.options;
        }
        self.options().count() == other.options().count()
            && self.options().all(|(code, value)| other.option(code) == Some(value))
    }

    /// Whether a client of `other` would be sent the same boot fields.
    pub(crate) fn same_boot(&self, other: &Self) -> bool {
        self.next_server() == other.next_server()
            && self.boot_file() == other.boot_file()
            && self.boot_server() == other.boot_server()
    }

    /// V6ONLY_WAIT for a client that is able to go without IPv4 (RFC 8925 §3.3): the pool has option 108, and the
    /// client asks for it.
    pub(crate) fn prefers_ipv6(&self, packet: &Packet<'_>) -> bool {
        self.option(OptionCode::IPV6_ONLY_PREFERRED).is_some() && asks_for(packet, OptionCode::IPV6_ONLY_PREFERRED)
    }
}

/// Whether a client names `code` in its option 55 (RFC 2132 §9.8).
pub(crate) fn asks_for(packet: &Packet<'_>, code: OptionCode) -> bool {
    packet.option(OptionCode::PARAMETER_REQUEST_LIST).is_some_and(|asked| asked.contains(&code.0))
}

fn find(options: &[(OptionCode, Box<[u8]>)], code: OptionCode) -> Option<&[u8]> {
    let at = options.binary_search_by_key(&code, |(code, _)| *code).ok()?;
    options.get(at).map(|(_, value)| &**value)
}
