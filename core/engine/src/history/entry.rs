//! An entry of the history, and the words for what it says.

use crate::{event::DropReason, session::NameId};
use alloc::boxed::Box;
use bindery_types::{Ipv4Addr, MacAddr, SessionId, Xid};
use bindery_wire::v4::MessageType;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            /// All of them.
            pub const ALL: [Self; [$(Self::$variant),*].len()] = [$(Self::$variant),*];

            /// Its name in JSON.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The words that `show` prints.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

words! {
    /// What happened.
    What {
        /// A packet ended without an answer; [`HistoryView::dropped`] says why.
        #[default]
        Dropped = "dropped", "dropped";
        /// A DHCPOFFER left.
        Offered = "offered", "offered";
        /// An offer was not taken up.
        Lapsed = "lapsed", "offer lapsed";
        /// A first DHCPACK: its binding is on storage.
        Bound = "bound", "bound";
        /// The lease was extended; it is on storage.
        Renewed = "renewed", "renewed";
        /// A DHCPNAK left.
        Refused = "refused", "refused";
        /// A DHCPINFORM was answered.
        Informed = "informed", "informed";
        /// A DHCPFORCERENEW left.
        Reconfigured = "reconfigured", "told to renew";
        /// The client gave the lease back.
        Released = "released", "released";
        /// The lease ran out.
        Expired = "expired", "expired";
        /// We ended the binding.
        Cleared = "cleared", "cleared";
        /// The address was put into quarantine.
        Declined = "declined", "quarantined";
        /// The quarantine is over.
        Unquarantined = "unquarantined", "quarantine over";
        /// The binding was taken over from another server.
        Imported = "imported", "imported";
    }
}

words! {
    /// Why: the rule behind an offer, a refusal or the end of a binding.
    Why {
        /// Nothing more is known.
        #[default]
        Unknown = "", "";
        /// The client had this session, or this offer, already.
        OwnSession = "own-session", "the client's own";
        /// `host` keeps the address for the client.
        Reservation = "reservation", "reserved for the client";
        /// The client had the address last.
        FormerAddress = "former-address", "its former address";
        /// The client asked for it (option 50).
        RequestedAddress = "requested-address", "as requested";
        /// The next free one.
        NextFree = "next-free", "next free address";
        /// The next free one of the range that its option 82 names (`option-match`).
        NextInRange = "next-in-range", "next free address of its range";
        /// A plugin of stage `select-address` chose it.
        PluginChoice = "plugin-choice", "chosen by a plugin";
        /// RADIUS or a plugin of stage `authorize` named it.
        Granted = "granted", "granted by AAA";
        /// The client did it.
        Client = "client", "by the client";
        /// Its time was over.
        Time = "time", "time over";
        /// An operator's command; [`HistoryView::operator`] says whose.
        Operator = "operator", "by an operator";
        /// A request of RADIUS (RFC 5176).
        Radius = "radius", "by RADIUS";
        /// A plugin asked for it.
        Plugin = "plugin", "by a plugin";
        /// The address is of another network than the client's (RFC 2131 §4.3.2).
        WrongNetwork = "wrong-network", "address of another network";
        /// The client holds another address, or the address is another's.
        NotTheClients = "not-the-clients", "not the client's address";
        /// `nak-unknown-renew` or `nak-unknown-rebind`.
        UnknownBinding = "unknown-binding", "no such binding";
        /// The binding was ended by us before, and its promised time is not over (design §2.2).
        EndedBefore = "ended-before", "ended before";
        /// The client was told to renew, and is moved.
        Moved = "moved", "moved by a reconfiguration";
        /// No pool has the address any more.
        NoPool = "no-pool", "no pool has the address";
        /// The time that AAA has granted is over.
        ServiceOver = "service-over", "granted time over";
        /// `delete-binding-on-renegotiation`.
        Renegotiated = "renegotiated", "delete-binding-on-renegotiation";
        /// A DISCOVER in the middle of a reconfiguration (junos.md §8.4).
        DiscoverWhileMoved = "discover-while-moved", "DISCOVER during reconfiguration";
        /// A foreign route stands in the way of the address.
        ForeignRoute = "foreign-route", "foreign route in the way";
        /// The pool was exhausted, and the oldest quarantine was given up.
        PoolExhausted = "pool-exhausted", "pool exhausted";
        /// Another host has the address.
        AddressInUse = "address-in-use", "address in use";
        /// The client has answered no request of `liveness-detection`.
        Silent = "no-answer", "no answer to liveness detection";
        /// The client has answered no FORCERENEW.
        Exhausted = "reconfigure-exhausted", "no answer to the reconfiguration";
        /// A REQUEST took another server's offer (RFC 2131 §3.1 step 4).
        OtherServer = "other-server", "the client took another server's offer";
        /// Its address is excluded now.
        Excluded = "excluded", "its address is excluded";
        /// `option-82-strict`: the client's option 82 names another range, or none.
        OptionMatch = "option-match", "its option 82 names another range";
        /// `client-discover-match`: another device is on its line, or it began anew as one of several that it was.
        Superseded = "superseded", "another device on its line";
        /// `remote-id-mismatch`: the client came in with another remote-id than its session has.
        OtherLine = "other-line", "another remote-id than its session's";
    }
}

/// An entry as it is kept: 64 bytes, names by number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// Number of the exchange.
    pub(crate) number: u64,
    /// Wall clock, seconds since 1970.
    pub(crate) at: u64,
    pub(crate) session: u64,
    /// Hash of option 61; 0 for none.
    pub(crate) client: u64,
    pub(crate) address: Ipv4Addr,
    pub(crate) link: NameId,
    pub(crate) xid: Xid,
    pub(crate) revision: u32,
    /// A pool's or plugin's name, or a user id: see [`Engine::view_entry`](crate::Engine).
    pub(crate) detail: Detail,
    pub(crate) mac: MacAddr,
    /// How often it happened in a row.
    pub(crate) times: u16,
    /// Message type of the packet; 0 for none.
    pub(crate) message: u8,
    pub(crate) what: What,
    pub(crate) why: Why,
    /// Of [`What::Dropped`]; a position in [`DropReason::ALL`].
    pub(crate) dropped: u8,
}

const _: () = assert!(size_of::<Entry>() <= 64);

/// What `detail` of an entry means follows from the entry: a plugin for a drop by one, a user id for an operator's deed,
/// else a pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Detail(pub(crate) u32);

impl Entry {
    /// Whether `other` is the same drop again.
    pub(super) fn repeats(&self, other: &Self) -> bool {
        self.what == What::Dropped
            && other.what == What::Dropped
            && (self.session, self.client, self.address, self.link)
                == (other.session, other.client, other.address, other.link)
            && (self.mac, self.message, self.dropped, self.detail, self.revision)
                == (other.mac, other.message, other.dropped, other.detail, other.revision)
    }
}

/// An entry as an operator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryView {
    /// Number of the exchange since the daemon's start; the log names it too.
    pub exchange: u64,
    /// Wall clock, seconds since 1970.
    pub at: u64,
    /// What happened.
    pub what: What,
    /// Why.
    pub why: Why,
    /// Why a packet was dropped.
    pub dropped: Option<DropReason>,
    /// The packet's message type; `None` where no packet was the cause, or BOOTP.
    pub message: Option<MessageType>,
    /// How often in a row; `at`, `xid` and `exchange` are of the last time.
    pub times: u16,
    /// The session; `None` for a client without one.
    pub session: Option<SessionId>,
    /// Hardware address; zeros where it is no Ethernet address.
    pub mac: MacAddr,
    /// The address that it was about; 0.0.0.0 for none.
    pub address: Ipv4Addr,
    /// The packet's interface, or the session's.
    pub interface: Box<str>,
    /// The packet's xid.
    pub xid: Xid,
    /// Configuration revision then; 0 where it is not known.
    pub revision: u64,
    /// Pool of the address.
    pub pool: Box<str>,
    /// The plugin that decided.
    pub plugin: Box<str>,
    /// User id of the operator.
    pub operator: Option<u32>,
}

/// Whose history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum HistoryKey {
    /// Of a hardware address.
    Mac(MacAddr),
    /// Of an address.
    Address(Ipv4Addr),
    /// Of a session.
    Session(SessionId),
    /// Of a client identifier (option 61).
    ClientId(Box<[u8]>),
}

/// Where a paged query goes on. Opaque.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct HistoryCursor {
    pub(super) ring: u8,
    /// Number of the next entry of that ring.
    pub(super) next: u64,
}

impl core::fmt::Display for HistoryView {
    /// What happened and why, in words: a line of `show dhcp server history` or of a trace, without its time.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.what.label())?;
        if !self.address.is_unspecified() {
            write!(f, " {}", self.address)?;
        }
        if let Some(reason) = self.dropped {
            write!(f, ": {}", reason.label())?;
            if !self.plugin.is_empty() {
                write!(f, " (plugin {})", self.plugin)?;
            }
        }
        if self.why != Why::Unknown {
            write!(f, ", {}", self.why.label())?;
        }
        if let Some(uid) = self.operator {
            write!(f, " (uid {uid})")?;
        }
        if let Some(message) = self.message {
            write!(f, "; {}", message.name())?;
            if self.times > 1 {
                write!(f, " ({} times)", self.times)?;
            }
        }
        if !self.interface.is_empty() {
            write!(f, " on {}", self.interface)?;
        }
        if self.xid != Xid(0) {
            write!(f, ", xid 0x{:08x}", self.xid.0)?;
        }
        if !self.pool.is_empty() {
            write!(f, ", pool {}", self.pool)?;
        }
        if let Some(session) = self.session {
            write!(f, ", session {session}")?;
        }
        Ok(())
    }
}
