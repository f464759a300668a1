//! What the engine counts and tells: one source for log lines, metric labels and `show ... statistics` rows.

use crate::{command::BindingView, config::PluginId, route::RouteError};
use alloc::boxed::Box;
use bindery_types::{HwAddr, IfIndex, Ipv4Addr, LeaseTime, MacAddr, SessionId, Xid};
use bindery_wire::v4::{DecodeError, MessageType};

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $label:literal;)*) => {
        /// Why a packet ended without an answer. Each has one counter in all, and one by interface (junos.md §11.4).
        ///
        /// Names and labels are Junos's where it has the reason. Those of its v4 server and service that have another
        /// name here: `authentication` is [`AccessRejected`](Self::AccessRejected) and
        /// [`AccessTimeout`](Self::AccessTimeout); `short-packet` is [`TooShort`](Self::TooShort), `recovery-in-progress`
        /// [`StoreFault`](Self::StoreFault), `no-mem` [`Overload`](Self::Overload). Those that cannot happen here, so that
        /// they have no counter: `option-60`, `relay-option` and `proxy-no-server-addr` are a relay's;
        /// `ttl-expired` the kernel drops; `inactive-vlan` is an interface without carrier, where nothing comes in;
        /// `dynamic-profile`, `license` and `load-balance-user-plane` are of parts that Bindery does not have.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum DropReason { $($(#[$doc])* $variant,)* }

        impl DropReason {
            /// All of them, in the order in which they are shown.
            pub const ALL: [Self; [$(Self::$variant),*].len()] = [$(Self::$variant),*];

            /// The counter's name in JSON and metrics.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The words of `show dhcp server statistics`.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }
        }
    };
}

drop_reasons! {
    /// hlen does not fit htype, or is over 16, or is 0 and there is no client identifier.
    BadHardware = "bad-hardware", "Bad hardware address";
    /// No option 53, and BOOTP is not served.
    BootpPacket = "bootp-packet", "Bootp packets";
    /// op is not BOOTREQUEST.
    BadBootpOpcode = "bad-bootp-opcode", "Bad opcode";
    /// A message type that a server does not take.
    BadDhcpOpcode = "bad-dhcp-opcode", "Bad DHCP opcode";
    /// An option runs past its area, has a wrong length, or option 255 is missing.
    BadOptions = "bad-options", "Bad options";
    /// No magic cookie.
    NoOptions = "no-options", "No options";
    /// Option 54 names another server.
    InvalidServerAddress = "invalid-server-address", "Invalid server address";
    /// No free address in the pools.
    NoAddresses = "no-addresses", "No available addresses";
    /// The kernel has told of no such interface.
    NoInterface = "no-interface", "No interface";
    /// The ingress interface is in no group.
    NoInterfaceCfg = "no-interface-cfg", "No interface match";
    /// No address of ours lets us answer on that interface.
    NoLocalAddress = "no-local-address", "No valid local address";
    /// No pool's network holds giaddr or the interface's address, AAA has named no pool where only it may, or option 118
    /// names a subnet that is not for the client.
    InvalidSubnet = "invalid-subnet", "Invalid subnet";
    /// `option-82-strict`, and no `option-match` of the pool names a range for the client's option 82.
    Option82 = "option-82", "Option 82";
    /// A client remembers an address that is not of our networks (`requested-ip-network-match`): the question is for
    /// another server.
    RequestedIp = "requested-ip-address-drop", "Requested IP address";
    /// Shorter than a DHCP message.
    TooShort = "too-short", "Packet too short";
    /// A length or checksum of the IP header, or the UDP length, is wrong.
    BadIpHeader = "bad-ip-header", "Bad IP header";
    /// The UDP checksum is wrong.
    BadUdpChecksum = "bad-udp-checksum", "Bad UDP checksum";
    /// A receive call failed.
    ReadError = "read-error", "Read error";
    /// The kernel's receive buffer was full.
    ReceiveOverflow = "receive-overflow", "Receive buffer full";
    /// hops is over 16 (RFC 1542 §4.1.1).
    HopLimit = "hop-limit", "Hop limit";
    /// giaddr is no address of a host.
    BadGiAddress = "bad-gi-address", "Bad gateway address";
    /// A request for a client or binding that we do not know.
    ClientLookup = "client-lookup", "Client lookup";
    /// The same request is being answered: the answer in flight serves both.
    Duplicate = "duplicate", "Duplicate in progress";
    /// `secs` is below `minimum-wait-time`.
    WaitTime = "wait-time", "Wait time";
    /// `interface-client-limit` reached.
    ClientLimit = "client-limit", "Client limit";
    /// DHCPINFORM without `process-inform`.
    InformNotProcessed = "inform-not-processed", "Inform not processed";
    /// DHCPLEASEQUERY, and no group of the routing instance has `allow-leasequery`.
    LeasequeryNotAllowed = "leasequery-not-allowed", "Leasequery not allowed";
    /// DHCPLEASEQUERY without giaddr: there is nowhere to answer to (RFC 4388 §6.4.3).
    LeasequeryNoGiaddr = "leasequery-no-giaddr", "Leasequery no gateway address";
    /// DHCPLEASEQUERY with none or several of ciaddr, hardware address and option 61 (RFC 4388 §6.3).
    LeasequeryMalformed = "leasequery-malformed", "Leasequery malformed";
    /// A plugin's verdict, or `on-failure drop`.
    Policy = "policy", "Policy";
    /// A deferred plugin did not answer in time.
    PolicyTimeout = "policy-timeout", "Policy timeout";
    /// RADIUS or a plugin of stage `authorize` has rejected the subscriber.
    AccessRejected = "access-rejected", "Access rejected";
    /// No RADIUS server answered.
    AccessTimeout = "access-timeout", "Access timeout";
    /// Other hosts answered for all the addresses that were probed for this DISCOVER.
    AddressInUse = "address-in-use", "Address in use";
    /// The session database cannot be written.
    StoreFault = "store-fault", "Session database fault";
    /// The route could not be programmed.
    RouteFault = "route-fault", "Route fault";
    /// Too many exchanges wait: DISCOVERs are shed before REQUESTs.
    Overload = "overload", "Overload";
    /// The client is locked out by `short-cycle-protection`.
    ShortCycleProtect = "short-cycle-protect", "Short cycle protection";
    /// `lease-time-validation`: the lease would be too short.
    LeaseTimeViolation = "lease-time-violations-drop", "Lease Time Violation";
    /// A DISCOVER with another remote-id than the client's session has: the session was ended.
    RemoteIdMismatch = "remote-id-mismatch", "Remote id mismatch";
    /// `overload per-interface`: too many packets of the interface.
    RateInterface = "rate-interface", "Interface rate";
    /// `overload per-client`: too many packets of the client.
    RateClient = "rate-client", "Client rate";
    /// `overload per-circuit`: too many packets of the circuit.
    RateCircuit = "rate-circuit", "Circuit rate";
    /// Too many offers wait for their REQUEST: DISCOVERs are shed.
    OfferLimit = "offer-limit", "Offer limit";
    /// The reply could not be encoded.
    EncodeError = "encode-error", "Encode error";
    /// The socket refused the reply.
    SendError = "send-error", "Send error";
}

impl From<&DecodeError> for DropReason {
    fn from(error: &DecodeError) -> Self {
        match error {
            DecodeError::TooShort => Self::TooShort,
            DecodeError::BadOpcode(_) => Self::BadBootpOpcode,
            DecodeError::BadHardware { .. } => Self::BadHardware,
            DecodeError::NoOptions => Self::NoOptions,
            DecodeError::BadOptions(_) => Self::BadOptions,
            DecodeError::BadMessageType(_) => Self::BadDhcpOpcode,
        }
    }
}

/// Message types that are counted: 1 to 18.
pub const MESSAGE_TYPES: usize = 19;

/// Everything counted since start or `clear dhcp server statistics`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counters {
    /// By [`DropReason`].
    pub dropped: [u64; DropReason::ALL.len()],
    /// By message type, of packets that parsed; index 0 counts BOOTP.
    pub received: [u64; MESSAGE_TYPES],
    /// By message type, handed to the socket; index 0 counts BOOTP.
    pub sent: [u64; MESSAGE_TYPES],
    /// Late plugin answers that found their exchange gone.
    pub late_policy_answers: u64,
    /// `delay-offer`.
    pub offer_delay: OfferDelay,
    /// Address probes, liveness detection, foreign servers.
    pub neighbours: crate::neighbour::NeighbourCounters,
}

/// DISCOVERs that were held back by `delay-offer`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OfferDelay {
    /// Those that were taken up when their time was over.
    pub delayed: u64,
    /// Those that are held back now.
    pub in_progress: u64,
    /// All of them, with those that the client withdrew by a REQUEST.
    pub total: u64,
}

impl OfferDelay {
    /// The rows of `Offer Delay:`, with their names in JSON and the words that are shown.
    pub const fn rows(&self) -> [(&'static str, &'static str, u64); 3] {
        [
            ("delayed", "DELAYED", self.delayed),
            ("inprogress", "INPROGRESS", self.in_progress),
            ("total", "TOTAL", self.total),
        ]
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            dropped: [0; DropReason::ALL.len()],
            received: [0; MESSAGE_TYPES],
            sent: [0; MESSAGE_TYPES],
            late_policy_answers: 0,
            offer_delay: OfferDelay::default(),
            neighbours: crate::neighbour::NeighbourCounters::default(),
        }
    }
}

impl Counters {
    /// Counts a dropped packet.
    pub fn drop(&mut self, reason: DropReason) {
        if let Some(count) = self.dropped.get_mut(reason as usize) {
            *count += 1;
        }
    }

    /// Counts packets that a shell dropped before the engine saw them.
    pub fn drop_many(&mut self, reason: DropReason, packets: u64) {
        if let Some(count) = self.dropped.get_mut(reason as usize) {
            *count = count.saturating_add(packets);
        }
    }

    /// Counts a received message; `None` is BOOTP.
    pub fn receive(&mut self, message: Option<MessageType>) {
        if let Some(count) = self.received.get_mut(message.map_or(0, |m| m as usize)) {
            *count += 1;
        }
    }

    /// Counts a sent message; `None` is BOOTP.
    pub fn send(&mut self, message: Option<MessageType>) {
        if let Some(count) = self.sent.get_mut(message.map_or(0, |m| m as usize)) {
            *count += 1;
        }
    }
}

/// In which exchange something happened: log lines, traces and the history name it by the same three.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExchangeId {
    /// Number of the exchange since the daemon's start.
    pub exchange: u64,
    /// The packet's xid; 0 where none was the cause.
    pub xid: Xid,
    /// The session; 0 for none yet.
    pub session: SessionId,
}

/// Things worth a log line or an alarm. Rare by design: a lease is no event of this kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Alarm: a subscriber's route could not be programmed; the exchange was silent.
    RouteFault {
        /// The session.
        session: SessionId,
        /// The address without a route, or the first address of the prefix.
        address: Ipv4Addr,
        /// Its length: 32 for an address.
        len: u8,
        /// Why.
        error: RouteError,
        /// When it was to be set.
        of: ExchangeId,
    },
    /// Alarm: a session wants a route via its client to a prefix that another session has, or to a subscriber's own
    /// address. It goes without, until it renews when the prefix is free.
    ExtraRouteRefused {
        /// The session.
        session: SessionId,
        /// The prefix.
        network: Ipv4Addr,
        /// Its length.
        len: u8,
    },
    /// A client found its address in use (DHCPDECLINE); the address is quarantined.
    Declined {
        /// Who said so.
        hw: HwAddr,
        /// The address.
        address: Ipv4Addr,
        /// End of the quarantine.
        until: LeaseTime,
        /// Of the exchange.
        of: ExchangeId,
    },
    /// A foreign host answered for an address that was to be offered; the address is quarantined.
    AddressInUse {
        /// Where.
        link: IfIndex,
        /// Who answered.
        mac: MacAddr,
        /// The address.
        address: Ipv4Addr,
        /// End of the quarantine.
        until: LeaseTime,
        /// Of the exchange.
        of: ExchangeId,
    },
    /// A bound client answered none of the requests of `liveness-detection`.
    LivenessFailed {
        /// The session.
        session: SessionId,
        /// The client.
        hw: HwAddr,
        /// Its address.
        address: Ipv4Addr,
        /// Whether its binding was ended.
        cleared: bool,
    },
    /// A foreign DHCP server on a served interface; told once an hour of each.
    RogueServer {
        /// Where.
        link: IfIndex,
        /// Option 54, or the source of its packets.
        server: Ipv4Addr,
        /// Its hardware address; `None` where a client named it.
        mac: Option<MacAddr>,
        /// What it offered; 0.0.0.0 for nothing.
        offered: Ipv4Addr,
    },
    /// Alarm: a write failed; the server is silent to new requests until the store is back.
    StoreFault {
        /// Writes undone in memory.
        undone: u32,
    },
    /// The store is back.
    StoreBack {
        /// Bindings written again.
        repaired: u32,
    },
    /// The wall clock stands before the last persisted time: no lease expires until it has caught up.
    ClockBehind {
        /// Seconds it is behind.
        secs: u64,
    },
    /// The wall clock has caught up; leases expire again.
    ClockCaughtUp,
    /// A pool has no free address left.
    PoolExhausted {
        /// The interface that asked.
        link: IfIndex,
        /// The DISCOVER.
        of: ExchangeId,
    },
    /// An interface has reached its `interface-client-limit`: newcomers are dropped. Once, until it is below it again.
    ClientLimitExceeded {
        /// The interface.
        link: IfIndex,
        /// Its limit.
        limit: u32,
    },
    /// An interface is below its `interface-client-limit` again.
    ClientLimitAbated {
        /// The interface.
        link: IfIndex,
        /// Clients on it.
        clients: u32,
    },
    /// `short-cycle-protection` locks a client out.
    LockedOut {
        /// The interface.
        link: IfIndex,
        /// The client.
        hw: HwAddr,
        /// For how long, seconds.
        secs: u64,
    },
    /// Leases were shorter than `lease-time-threshold`: told once in `ltv-syslog-interval`, with the last client.
    LeaseTimeViolation {
        /// The interface of the last request.
        link: IfIndex,
        /// Its client.
        hw: HwAddr,
        /// The lease that was too short, seconds.
        lease_secs: u32,
        /// Violations since the last time.
        count: u32,
    },
    /// A client came in with another remote-id than its session has: `remote-id-mismatch` has ended the session.
    RemoteIdMismatch {
        /// The session.
        session: SessionId,
        /// Its address.
        address: Ipv4Addr,
    },
    /// `client-discover-match`: a session ended because its line has another device now, or its client began anew as one
    /// of several that it was.
    Superseded {
        /// The session that ends.
        session: SessionId,
        /// Its address.
        address: Ipv4Addr,
        /// Who came in its place.
        by: HwAddr,
    },
    /// Alarm while it lasts: the use of a pool rose above `high-utilization`; its end: it fell under
    /// `abated-utilization`.
    PoolUtilization {
        /// The pool.
        pool: Box<str>,
        /// Whether it rose.
        high: bool,
        /// Its use, percent of its addresses, rounded down.
        percent: u8,
    },
    /// Addresses of live leases were excluded (`excluded-address`, `excluded-range`): the subscribers were logged out.
    ExcludedLoggedOut {
        /// How many.
        sessions: u32,
    },
    /// A session read at start does not fit (its address is in two live bindings): it was left out.
    RestoreConflict {
        /// The session left out.
        session: SessionId,
        /// Its address.
        address: Ipv4Addr,
    },
}

/// What happened to a session.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SessionChange {
    /// It is bound now.
    Bound,
    /// Its lease was extended.
    Renewed,
    /// A Change-of-Authorization was carried out (RFC 5176 §3.2).
    Reauthorized,
    /// Its client gave the address back.
    Released,
    /// Its lease ran out.
    Expired,
    /// It was ended by us: an operator, RADIUS, a refusal.
    Cleared,
    /// Its client found the address in use.
    Declined,
}

/// What happened to a session of a group that is observed: for accounting, and for plugins of stage `session-events`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionNews {
    /// What happened; it is on storage.
    pub change: SessionChange,
    /// Whether the group accounts.
    pub account: bool,
    /// Plugins that observe.
    pub observers: Box<[PluginId]>,
    /// Whether the client was moved away from its address.
    pub moved: bool,
    /// The session after it.
    pub session: Box<BindingView>,
}
