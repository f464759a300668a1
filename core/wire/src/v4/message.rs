//! `op` and the DHCP message type.

use core::fmt;

/// The `op` field: who speaks (RFC 2131 §2, table 1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[repr(u8)]
pub enum Op {
    /// 1, client to server.
    #[default]
    BootRequest = 1,
    /// 2, server to client.
    BootReply = 2,
}

/// A DHCP message type: the value of option 53 (RFC 2132 §9.6 and the RFC named at each).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum MessageType {
    /// RFC 2131 §3.1 step 1.
    Discover = 1,
    /// RFC 2131 §3.1 step 2.
    Offer = 2,
    /// RFC 2131 §4.3.2.
    Request = 3,
    /// RFC 2131 §4.3.3.
    Decline = 4,
    /// RFC 2131 §3.1 step 4.
    Ack = 5,
    /// RFC 2131 §3.1 step 4.
    Nak = 6,
    /// RFC 2131 §4.3.4.
    Release = 7,
    /// RFC 2131 §4.3.5.
    Inform = 8,
    /// RFC 3203 §4.
    ForceRenew = 9,
    /// RFC 4388 §6.1.
    LeaseQuery = 10,
    /// RFC 4388 §6.1.
    LeaseUnassigned = 11,
    /// RFC 4388 §6.1.
    LeaseUnknown = 12,
    /// RFC 4388 §6.1.
    LeaseActive = 13,
    /// RFC 6926 §6.2.1.
    BulkLeaseQuery = 14,
    /// RFC 6926 §6.2.1.
    LeaseQueryDone = 15,
    /// RFC 7724 §5.2.1.
    ActiveLeaseQuery = 16,
    /// RFC 7724 §5.2.1.
    LeaseQueryStatus = 17,
    /// RFC 7724 §5.2.1.
    Tls = 18,
}

impl MessageType {
    /// Every type, in the order of the values.
    pub const ALL: [Self; 18] = [
        Self::Discover,
        Self::Offer,
        Self::Request,
        Self::Decline,
        Self::Ack,
        Self::Nak,
        Self::Release,
        Self::Inform,
        Self::ForceRenew,
        Self::LeaseQuery,
        Self::LeaseUnassigned,
        Self::LeaseUnknown,
        Self::LeaseActive,
        Self::BulkLeaseQuery,
        Self::LeaseQueryDone,
        Self::ActiveLeaseQuery,
        Self::LeaseQueryStatus,
        Self::Tls,
    ];

    /// The name in the RFCs, like `DHCPDISCOVER`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Discover => "DHCPDISCOVER",
            Self::Offer => "DHCPOFFER",
            Self::Request => "DHCPREQUEST",
            Self::Decline => "DHCPDECLINE",
            Self::Ack => "DHCPACK",
            Self::Nak => "DHCPNAK",
            Self::Release => "DHCPRELEASE",
            Self::Inform => "DHCPINFORM",
            Self::ForceRenew => "DHCPFORCERENEW",
            Self::LeaseQuery => "DHCPLEASEQUERY",
            Self::LeaseUnassigned => "DHCPLEASEUNASSIGNED",
            Self::LeaseUnknown => "DHCPLEASEUNKNOWN",
            Self::LeaseActive => "DHCPLEASEACTIVE",
            Self::BulkLeaseQuery => "DHCPBULKLEASEQUERY",
            Self::LeaseQueryDone => "DHCPLEASEQUERYDONE",
            Self::ActiveLeaseQuery => "DHCPACTIVELEASEQUERY",
            Self::LeaseQueryStatus => "DHCPLEASEQUERYSTATUS",
            Self::Tls => "DHCPTLS",
        }
    }

    /// The `op` of a message of this type. A FORCERENEW goes to the client, so it is a reply (RFC 3203 §4); the
    /// types of a requestor are requests (RFC 4388 §6.1, RFC 6926 §7.2, RFC 7724 §7.2).
    pub const fn op(self) -> Op {
        match self {
            Self::Discover
            | Self::Request
            | Self::Decline
            | Self::Release
            | Self::Inform
            | Self::LeaseQuery
            | Self::BulkLeaseQuery
            | Self::ActiveLeaseQuery
            | Self::Tls => Op::BootRequest,
            Self::Offer
            | Self::Ack
            | Self::Nak
            | Self::ForceRenew
            | Self::LeaseUnassigned
            | Self::LeaseUnknown
            | Self::LeaseActive
            | Self::LeaseQueryDone
            | Self::LeaseQueryStatus => Op::BootReply,
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The value is not that of a known message type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnknownMessageType(pub u8);

impl fmt::Display for UnknownMessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no DHCP message type", self.0)
    }
}

impl core::error::Error for UnknownMessageType {}

impl TryFrom<u8> for MessageType {
    type Error = UnknownMessageType;

    #[inline]
    fn try_from(value: u8) -> Result<Self, UnknownMessageType> {
        let index = usize::from(value).wrapping_sub(1);
        Self::ALL.get(index).copied().ok_or(UnknownMessageType(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_go_both_ways() {
        for value in 1..=18 {
            assert_eq!(MessageType::try_from(value).map(|kind| kind as u8), Ok(value));
        }
        for value in [0, 19, 255] {
            assert_eq!(MessageType::try_from(value), Err(UnknownMessageType(value)));
        }
    }
}
