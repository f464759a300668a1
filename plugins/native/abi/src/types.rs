//! Constants and structs of the interface. The header has the same text.

use crate::describe::{CType, CValue, Constant, Described, Member};
use std::ffi::{c_char, c_void};

/// Name of the exported symbol; it has the major version in it.
pub const SYMBOL: &str = "bindery_plane_driver_v2";

abi_constants! {
    /// First member of the descriptor. It tells a driver from anything else that has such a symbol.
    MAGIC = "BINDERY_PLANE_MAGIC": u64 = 0x4249_4e44_504c_414e;
    /// Major version of this interface. The host refuses any other.
    ABI_MAJOR = "BINDERY_PLANE_ABI_MAJOR": u16 = 2;
    /// Minor version of this interface. The host takes older and newer ones.
    ABI_MINOR = "BINDERY_PLANE_ABI_MINOR": u16 = 0;

    /// Status of a call or result of an operation: done. Positive numbers are an errno.
    OK = "BINDERY_PLANE_OK": i32 = 0;
    /// Result of a SET: a route that is not ours stands there and stays.
    FOREIGN = "BINDERY_PLANE_FOREIGN": i32 = -1;
    /// Result of a SET: the interface is gone or down.
    LINK_DOWN = "BINDERY_PLANE_LINK_DOWN": i32 = -2;
    /// Status of a call: the driver caught a panic or an exception of its own.
    PANICKED = "BINDERY_PLANE_PANICKED": i32 = -3;
    /// What the host writes into each result before `apply`. A driver that leaves one so has broken the contract.
    UNANSWERED = "BINDERY_PLANE_UNANSWERED": i32 = i32::MIN;

    /// Operation: make exactly this entry stand, with its neighbour if it has one and without if not. Adds where
    /// nothing stands, replaces where something else of ours does, and is a success where the very same stands. Where
    /// it fails, nothing of ours may be left at that destination.
    SET = "BINDERY_PLANE_SET": u32 = 1;
    /// Operation: remove our route to this destination, with its neighbour. Nothing there is a success. Only
    /// instance, table, family, dst and dst_len of the entry count; the rest is 0.
    REMOVE = "BINDERY_PLANE_REMOVE": u32 = 2;

    /// Flag of an operation: an exchange with a client waits for it.
    URGENT = "BINDERY_PLANE_URGENT": u32 = 1;

    /// Family of an entry or key: IPv4. Addresses are in the first 4 octets, the rest is 0.
    IPV4 = "BINDERY_PLANE_IPV4": u32 = 4;
    /// Family of an entry or key: IPv6. No host of version 2.0 sends it.
    IPV6 = "BINDERY_PLANE_IPV6": u32 = 6;

    /// Flag of an entry: `via` is there.
    HAS_VIA = "BINDERY_PLANE_HAS_VIA": u32 = 1;
    /// Flag of an entry: `src` is there.
    HAS_SRC = "BINDERY_PLANE_HAS_SRC": u32 = 2;
    /// Flag of an entry: `mac` is there, and a permanent neighbour entry is to stand beside the route.
    HAS_NEIGHBOUR = "BINDERY_PLANE_HAS_NEIGHBOUR": u32 = 4;
    /// Flag of an entry: `via` is a neighbour on the link, whatever other routes say of its address.
    ON_LINK = "BINDERY_PLANE_ON_LINK": u32 = 8;
    /// Flag of an entry: `metric` is there; without it the driver's default holds.
    HAS_METRIC = "BINDERY_PLANE_HAS_METRIC": u32 = 16;
    /// Flag of an entry: `tag` is there. A driver without tags keeps it all the same and tells it in a dump.
    HAS_TAG = "BINDERY_PLANE_HAS_TAG": u32 = 32;

    /// Flag of counters: they are there. Without it the driver counts nothing for that key.
    COUNTED = "BINDERY_PLANE_COUNTED": u32 = 1;

    /// Level of a log line: something does not work.
    LOG_ERROR = "BINDERY_PLANE_LOG_ERROR": u32 = 1;
    /// Level of a log line: something is odd.
    LOG_WARN = "BINDERY_PLANE_LOG_WARN": u32 = 2;
    /// Level of a log line: for the operator to know.
    LOG_INFO = "BINDERY_PLANE_LOG_INFO": u32 = 3;
    /// Level of a log line: for the driver's author.
    LOG_DEBUG = "BINDERY_PLANE_LOG_DEBUG": u32 = 4;
}

/// An instance of a driver, of which the host knows the address only.
#[repr(C)]
pub struct Instance {
    _opaque: [u8; 0],
}

impl CType for Instance {
    fn declare(name: &str) -> String {
        format!("struct bindery_plane {name}")
    }
}

abi_struct! {
    /// A setting of the configuration. The same key may come several times. Valid during `create` only.
    struct Setting = "bindery_plane_setting" derive(Debug) {
        /// The key; UTF-8 without a 0 in it, ends with a 0.
        key: *const c_char,
        /// The value; UTF-8 without a 0 in it, ends with a 0.
        value: *const c_char,
    }
}

abi_struct! {
    /// A route, and the neighbour beside it: the host route of a subscriber, or one to a prefix via it. Instance, table,
    /// family, destination and its length name it. Numbers are in the order of the machine, addresses in that of the
    /// network.
    struct Entry = "bindery_plane_entry" derive(Debug, PartialEq, Eq, Hash, Default) {
        /// Routing instance; 0 is the default one. The other numbers hold for one run of the host: a restart may give
        /// them anew, and no name comes with them. What a driver keeps for a later run it dumps with the numbers that it
        /// was given; the host sets right what differs.
        instance: u32,
        /// Outgoing interface, its kernel index.
        link: u32,
        /// IPV4 or IPV6.
        family: u32,
        /// Length of the destination in bits, at most 32 for IPv4; the bits behind it are 0.
        dst_len: u32,
        /// HAS_VIA, HAS_SRC, HAS_NEIGHBOUR, ON_LINK, HAS_METRIC, HAS_TAG.
        flags: u32,
        /// Table in place of the instance's own; 0 for that.
        table: u32,
        /// Destination.
        dst: [u8; 16],
        /// Gateway; 0 without HAS_VIA, and the destination is on the link itself.
        via: [u8; 16],
        /// Preferred source address; 0 without HAS_SRC.
        src: [u8; 16],
        /// Ethernet address of the neighbour in the first 6 octets; 0 without HAS_NEIGHBOUR.
        mac: [u8; 8],
        /// Metric; 0 without HAS_METRIC.
        metric: u32,
        /// Tag; 0 without HAS_TAG.
        tag: u32,
    }
}

abi_struct! {
    /// One operation of a batch.
    struct Op = "bindery_plane_op" derive(Debug, PartialEq, Eq, Default) {
        /// SET or REMOVE. Answer others with EOPNOTSUPP.
        kind: u32,
        /// URGENT.
        flags: u32,
        /// What is to stand, or to go.
        entry: Entry,
    }
}

abi_struct! {
    /// What names an entry.
    struct Key = "bindery_plane_key" derive(Debug, PartialEq, Eq, Hash, Default) {
        /// Routing instance.
        instance: u32,
        /// IPV4 or IPV6.
        family: u32,
        /// Length of the destination in bits, at most 32 for IPv4.
        dst_len: u32,
        /// Table in place of the instance's own; 0 for that.
        table: u32,
        /// Destination.
        dst: [u8; 16],
    }
}

abi_struct! {
    /// What was counted for one key. The figures only grow while the route stands. In is what the subscriber sent.
    struct Counters = "bindery_plane_counters" derive(Debug, PartialEq, Eq, Default) {
        /// COUNTED. The host writes 0 before the call.
        flags: u32,
        /// Always 0.
        reserved: u32,
        /// Packets from the subscriber.
        packets_in: u64,
        /// Octets from the subscriber.
        octets_in: u64,
        /// Packets to the subscriber.
        packets_out: u64,
        /// Octets to the subscriber.
        octets_out: u64,
    }
}

abi_struct! {
    /// What a driver may call. Valid from `create` on for the life of the process, from any thread of the driver, also
    /// inside of a call of the host. Neither function blocks for long, and neither may be called where the driver
    /// holds a lock that its other functions need.
    struct Host = "bindery_plane_host" derive(Debug) {
        /// Size of this struct in octets, as the host knows it. A member beyond it is not there.
        struct_size: u32,
        /// Always 0.
        reserved: u32,
        /// To be handed to each function.
        context: *mut c_void,
    }
    functions {
        /// Writes a line to the daemon's log: UTF-8, `length` octets, cut off at 1,024. Many lines a second may be
        /// left out.
        fn log(context: *mut c_void, level: u32, text: *const c_char, length: usize);
        /// Says that what stood may stand no more: the hardware was reset, the connection to it broke. The host asks
        /// for `health`, makes a new instance where that is bad, and reconciles by `dump`. The text goes to the
        /// alarm; cut off at 1,024 octets.
        fn report_fault(context: *mut c_void, text: *const c_char, length: usize);
    }
}

abi_struct! {
    /// A driver. The exported symbol is a constant one; the host reads it once.
    ///
    /// The host calls at most one function of an instance at a time, not always from the same thread. There may be
    /// several instances at a time. A call that does not return holds up routes and nothing else; the host does not
    /// interrupt it.
    ///
    /// No panic and no exception may leave a function of the driver: catch it and answer PANICKED. `apply`,
    /// `create`, `read_counters`, `dump` and `health` answer OK, an errno, or PANICKED; after anything but OK the host
    /// believes nothing of what the call told, asks for `health`, makes a new instance where that is bad, reconciles
    /// by `dump`, and repeats what it wanted.
    ///
    /// A library stays loaded for the life of the process.
    struct Driver = "bindery_plane_driver" derive(Debug) {
        /// MAGIC.
        magic: u64,
        /// ABI_MAJOR of the header that the driver was built with.
        abi_major: u16,
        /// ABI_MINOR of the header that the driver was built with.
        abi_minor: u16,
        /// Size of this struct in octets, as the driver knows it.
        struct_size: u32,
        /// Name of the driver; UTF-8, ends with a 0, not empty.
        name: *const c_char,
        /// Version of the driver, in words of its own; UTF-8, ends with a 0.
        version: *const c_char,
    }
    functions {
        /// Makes an instance and writes its address, not null, to `instance`. It refuses settings that it does not
        /// know by EINVAL and says by `log` which. What stands from earlier instances and processes stays.
        fn create(
            settings: *const Setting,
            count: usize,
            host: *const Host,
            instance: *mut *mut Instance,
        ) -> i32;
        /// Ends an instance: none of its threads may call the host after this returns. What stands stays, as far as
        /// the hardware can.
        fn destroy(instance: *mut Instance);
        /// Carries out `count` operations in order and writes the result of each: OK, FOREIGN, LINK_DOWN, or an errno.
        /// The status is OK also where single operations failed.
        fn apply(instance: *mut Instance, ops: *const Op, count: usize, results: *mut i32) -> i32;
        /// Writes what was counted for each of `count` keys. May be null: nothing is counted.
        fn read_counters(instance: *mut Instance, keys: *const Key, count: usize, counters: *mut Counters) -> i32;
        /// Tells what of ours stands: writes up to `capacity` entries and their number. `cursor` is 0 at the start of a
        /// dump; the driver moves it as it likes and sets it to 0 when the dump is complete. An entry that stands
        /// unchanged from start to end of a dump is told exactly once; between two calls others of this instance may
        /// come. Entries that the driver did not make for us are never told.
        fn dump(
            instance: *mut Instance,
            cursor: *mut u64,
            entries: *mut Entry,
            capacity: usize,
            count: *mut usize,
        ) -> i32;
        /// Whether the instance works. May be null: it always does.
        fn health(instance: *mut Instance) -> i32;
    }
}

// SAFETY: the strings that it points to are constants, and nothing writes through its pointers.
#[allow(unsafe_code)]
unsafe impl Sync for Driver {}

pub(crate) fn structs() -> Vec<Described> {
    vec![
        Setting::describe(),
        Entry::describe(),
        Op::describe(),
        Key::describe(),
        Counters::describe(),
        Host::describe(),
        Driver::describe(),
    ]
}
