//! What the engine works on: the packet, command or deadline that is the cause of what happens now.

use super::{Detail, Why};
use bindery_types::{HwAddr, IfIndex, Ipv4Addr, MacAddr, SessionId, Xid};

/// Who asks by a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Actor {
    /// The daemon itself, or nobody knows.
    #[default]
    Unknown,
    /// An operator, by user id.
    Operator(u32),
    /// A plugin.
    Plugin,
}

/// The cause of what happens: kept with what waits, so that its end is told of the same exchange.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// Number of the exchange; 0 where it is none yet.
    pub(crate) number: u64,
    /// The packet's interface; 0 for none.
    pub(crate) index: IfIndex,
    pub(crate) hw: Option<HwAddr>,
    /// Source of the frame, for a packet that says nothing of its client.
    pub(crate) src_mac: Option<MacAddr>,
    /// Hash of option 61.
    pub(crate) client: u64,
    pub(crate) xid: Xid,
    /// The address that it is about.
    pub(crate) address: Ipv4Addr,
    /// Message type; 0 for none.
    pub(crate) message: u8,
    /// The session that it is about; 0 for none.
    pub(crate) session: SessionId,
    pub(crate) why: Why,
    pub(crate) detail: Detail,
}

impl Default for Origin {
    fn default() -> Self {
        Self {
            number: 0,
            index: IfIndex(0),
            hw: None,
            src_mac: None,
            client: 0,
            xid: Xid(0),
            address: Ipv4Addr::UNSPECIFIED,
            message: 0,
            session: SessionId(0),
            why: Why::Unknown,
            detail: Detail(0),
        }
    }
}
