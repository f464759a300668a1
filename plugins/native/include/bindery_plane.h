/* Forwarding-plane drivers of Bindery: the binary interface.
 *
 * Made from plugins/native/abi/src/types.rs; change it there, then run
 *     UPDATE_EXPECT=1 cargo test -p bindery-plane-abi
 * How to write a driver: plugins/native/README.md. Comments leave the prefix BINDERY_PLANE_ of constants out.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef BINDERY_PLANE_H
#define BINDERY_PLANE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define BINDERY_PLANE_ASSERT static_assert
#else
#define BINDERY_PLANE_ASSERT _Static_assert
#endif

/* First member of the descriptor. It tells a driver from anything else that has such a symbol. */
#define BINDERY_PLANE_MAGIC 0x42494e44504c414eull

/* Major version of this interface. The host refuses any other. */
#define BINDERY_PLANE_ABI_MAJOR 2

/* Minor version of this interface. The host takes older and newer ones. */
#define BINDERY_PLANE_ABI_MINOR 0

/* Status of a call or result of an operation: done. Positive numbers are an errno. */
#define BINDERY_PLANE_OK 0

/* Result of a SET: a route that is not ours stands there and stays. */
#define BINDERY_PLANE_FOREIGN (-1)

/* Result of a SET: the interface is gone or down. */
#define BINDERY_PLANE_LINK_DOWN (-2)

/* Status of a call: the driver caught a panic or an exception of its own. */
#define BINDERY_PLANE_PANICKED (-3)

/* What the host writes into each result before `apply`. A driver that leaves one so has broken the
 * contract. */
#define BINDERY_PLANE_UNANSWERED INT32_MIN

/* Operation: make exactly this entry stand, with its neighbour if it has one and without if not.
 * Adds where nothing stands, replaces where something else of ours does, and is a success where
 * the very same stands. Where it fails, nothing of ours may be left at that destination. */
#define BINDERY_PLANE_SET 1u

/* Operation: remove our route to this destination, with its neighbour. Nothing there is a success.
 * Only instance, table, family, dst and dst_len of the entry count; the rest is 0. */
#define BINDERY_PLANE_REMOVE 2u

/* Flag of an operation: an exchange with a client waits for it. */
#define BINDERY_PLANE_URGENT 1u

/* Family of an entry or key: IPv4. Addresses are in the first 4 octets, the rest is 0. */
#define BINDERY_PLANE_IPV4 4u

/* Family of an entry or key: IPv6. No host of version 2.0 sends it. */
#define BINDERY_PLANE_IPV6 6u

/* Flag of an entry: `via` is there. */
#define BINDERY_PLANE_HAS_VIA 1u

/* Flag of an entry: `src` is there. */
#define BINDERY_PLANE_HAS_SRC 2u

/* Flag of an entry: `mac` is there, and a permanent neighbour entry is to stand beside the route. */
#define BINDERY_PLANE_HAS_NEIGHBOUR 4u

/* Flag of an entry: `via` is a neighbour on the link, whatever other routes say of its address. */
#define BINDERY_PLANE_ON_LINK 8u

/* Flag of an entry: `metric` is there; without it the driver's default holds. */
#define BINDERY_PLANE_HAS_METRIC 16u

/* Flag of an entry: `tag` is there. A driver without tags keeps it all the same and tells it in a
 * dump. */
#define BINDERY_PLANE_HAS_TAG 32u

/* Flag of counters: they are there. Without it the driver counts nothing for that key. */
#define BINDERY_PLANE_COUNTED 1u

/* Level of a log line: something does not work. */
#define BINDERY_PLANE_LOG_ERROR 1u

/* Level of a log line: something is odd. */
#define BINDERY_PLANE_LOG_WARN 2u

/* Level of a log line: for the operator to know. */
#define BINDERY_PLANE_LOG_INFO 3u

/* Level of a log line: for the driver's author. */
#define BINDERY_PLANE_LOG_DEBUG 4u

/* An instance of a driver, of which the host knows the address only. */
struct bindery_plane;

/* A setting of the configuration. The same key may come several times. Valid during `create` only. */
struct bindery_plane_setting {
    /* The key; UTF-8 without a 0 in it, ends with a 0. */
    const char *key;
    /* The value; UTF-8 without a 0 in it, ends with a 0. */
    const char *value;
};

/* A route, and the neighbour beside it: the host route of a subscriber, or one to a prefix via it.
 * Instance, table, family, destination and its length name it. Numbers are in the order of the
 * machine, addresses in that of the network. */
struct bindery_plane_entry {
    /* Routing instance; 0 is the default one. The other numbers hold for one run of the host: a
     * restart may give them anew, and no name comes with them. What a driver keeps for a later run
     * it dumps with the numbers that it was given; the host sets right what differs. */
    uint32_t instance;
    /* Outgoing interface, its kernel index. */
    uint32_t link;
    /* IPV4 or IPV6. */
    uint32_t family;
    /* Length of the destination in bits, at most 32 for IPv4; the bits behind it are 0. */
    uint32_t dst_len;
    /* HAS_VIA, HAS_SRC, HAS_NEIGHBOUR, ON_LINK, HAS_METRIC, HAS_TAG. */
    uint32_t flags;
    /* Table in place of the instance's own; 0 for that. */
    uint32_t table;
    /* Destination. */
    uint8_t dst[16];
    /* Gateway; 0 without HAS_VIA, and the destination is on the link itself. */
    uint8_t via[16];
    /* Preferred source address; 0 without HAS_SRC. */
    uint8_t src[16];
    /* Ethernet address of the neighbour in the first 6 octets; 0 without HAS_NEIGHBOUR. */
    uint8_t mac[8];
    /* Metric; 0 without HAS_METRIC. */
    uint32_t metric;
    /* Tag; 0 without HAS_TAG. */
    uint32_t tag;
};

/* One operation of a batch. */
struct bindery_plane_op {
    /* SET or REMOVE. Answer others with EOPNOTSUPP. */
    uint32_t kind;
    /* URGENT. */
    uint32_t flags;
    /* What is to stand, or to go. */
    struct bindery_plane_entry entry;
};

/* What names an entry. */
struct bindery_plane_key {
    /* Routing instance. */
    uint32_t instance;
    /* IPV4 or IPV6. */
    uint32_t family;
    /* Length of the destination in bits, at most 32 for IPv4. */
    uint32_t dst_len;
    /* Table in place of the instance's own; 0 for that. */
    uint32_t table;
    /* Destination. */
    uint8_t dst[16];
};

/* What was counted for one key. The figures only grow while the route stands. In is what the
 * subscriber sent. */
struct bindery_plane_counters {
    /* COUNTED. The host writes 0 before the call. */
    uint32_t flags;
    /* Always 0. */
    uint32_t reserved;
    /* Packets from the subscriber. */
    uint64_t packets_in;
    /* Octets from the subscriber. */
    uint64_t octets_in;
    /* Packets to the subscriber. */
    uint64_t packets_out;
    /* Octets to the subscriber. */
    uint64_t octets_out;
};

/* What a driver may call. Valid from `create` on for the life of the process, from any thread of
 * the driver, also inside of a call of the host. Neither function blocks for long, and neither may
 * be called where the driver holds a lock that its other functions need. */
struct bindery_plane_host {
    /* Size of this struct in octets, as the host knows it. A member beyond it is not there. */
    uint32_t struct_size;
    /* Always 0. */
    uint32_t reserved;
    /* To be handed to each function. */
    void *context;
    /* Writes a line to the daemon's log: UTF-8, `length` octets, cut off at 1,024. Many lines a
     * second may be left out. */
    void (*log)(void *context, uint32_t level, const char *text, size_t length);
    /* Says that what stood may stand no more: the hardware was reset, the connection to it broke.
     * The host asks for `health`, makes a new instance where that is bad, and reconciles by
     * `dump`. The text goes to the alarm; cut off at 1,024 octets. */
    void (*report_fault)(void *context, const char *text, size_t length);
};

/* A driver. The exported symbol is a constant one; the host reads it once.
 *
 * The host calls at most one function of an instance at a time, not always from the same thread.
 * There may be several instances at a time. A call that does not return holds up routes and
 * nothing else; the host does not interrupt it.
 *
 * No panic and no exception may leave a function of the driver: catch it and answer PANICKED.
 * `apply`, `create`, `read_counters`, `dump` and `health` answer OK, an errno, or PANICKED; after
 * anything but OK the host believes nothing of what the call told, asks for `health`, makes a new
 * instance where that is bad, reconciles by `dump`, and repeats what it wanted.
 *
 * A library stays loaded for the life of the process. */
struct bindery_plane_driver {
    /* MAGIC. */
    uint64_t magic;
    /* ABI_MAJOR of the header that the driver was built with. */
    uint16_t abi_major;
    /* ABI_MINOR of the header that the driver was built with. */
    uint16_t abi_minor;
    /* Size of this struct in octets, as the driver knows it. */
    uint32_t struct_size;
    /* Name of the driver; UTF-8, ends with a 0, not empty. */
    const char *name;
    /* Version of the driver, in words of its own; UTF-8, ends with a 0. */
    const char *version;
    /* Makes an instance and writes its address, not null, to `instance`. It refuses settings that
     * it does not know by EINVAL and says by `log` which. What stands from earlier instances and
     * processes stays. */
    int32_t (*create)(const struct bindery_plane_setting *settings, size_t count, const struct bindery_plane_host *host, struct bindery_plane **instance);
    /* Ends an instance: none of its threads may call the host after this returns. What stands
     * stays, as far as the hardware can. */
    void (*destroy)(struct bindery_plane *instance);
    /* Carries out `count` operations in order and writes the result of each: OK, FOREIGN,
     * LINK_DOWN, or an errno. The status is OK also where single operations failed. */
    int32_t (*apply)(struct bindery_plane *instance, const struct bindery_plane_op *ops, size_t count, int32_t *results);
    /* Writes what was counted for each of `count` keys. May be null: nothing is counted. */
    int32_t (*read_counters)(struct bindery_plane *instance, const struct bindery_plane_key *keys, size_t count, struct bindery_plane_counters *counters);
    /* Tells what of ours stands: writes up to `capacity` entries and their number. `cursor` is 0
     * at the start of a dump; the driver moves it as it likes and sets it to 0 when the dump is
     * complete. An entry that stands unchanged from start to end of a dump is told exactly once;
     * between two calls others of this instance may come. Entries that the driver did not make for
     * us are never told. */
    int32_t (*dump)(struct bindery_plane *instance, uint64_t *cursor, struct bindery_plane_entry *entries, size_t capacity, size_t *count);
    /* Whether the instance works. May be null: it always does. */
    int32_t (*health)(struct bindery_plane *instance);
};

#if UINTPTR_MAX == UINT64_MAX
BINDERY_PLANE_ASSERT(sizeof(struct bindery_plane_setting) == 16, "layout of bindery_plane_setting");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_setting, key) == 0, "layout of bindery_plane_setting");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_setting, value) == 8, "layout of bindery_plane_setting");
BINDERY_PLANE_ASSERT(sizeof(struct bindery_plane_entry) == 88, "layout of bindery_plane_entry");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_entry, instance) == 0, "layout of bindery_plane_entry");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_entry, link) == 4, "layout of bindery_plane_entry");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_entry, family) == 8, "layout of bindery_plane_entry");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_entry, dst_len) == 12, "layout of bindery_plane_entry");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_entry, flags) == 16, "layout of bindery_plane_entry");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_entry, table) == 20, "layout of bindery_plane_entry");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_entry, dst) == 24, "layout of bindery_plane_entry");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_entry, via) == 40, "layout of bindery_plane_entry");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_entry, src) == 56, "layout of bindery_plane_entry");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_entry, mac) == 72, "layout of bindery_plane_entry");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_entry, metric) == 80, "layout of bindery_plane_entry");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_entry, tag) == 84, "layout of bindery_plane_entry");
BINDERY_PLANE_ASSERT(sizeof(struct bindery_plane_op) == 96, "layout of bindery_plane_op");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_op, kind) == 0, "layout of bindery_plane_op");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_op, flags) == 4, "layout of bindery_plane_op");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_op, entry) == 8, "layout of bindery_plane_op");
BINDERY_PLANE_ASSERT(sizeof(struct bindery_plane_key) == 32, "layout of bindery_plane_key");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_key, instance) == 0, "layout of bindery_plane_key");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_key, family) == 4, "layout of bindery_plane_key");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_key, dst_len) == 8, "layout of bindery_plane_key");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_key, table) == 12, "layout of bindery_plane_key");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_key, dst) == 16, "layout of bindery_plane_key");
BINDERY_PLANE_ASSERT(sizeof(struct bindery_plane_counters) == 40, "layout of bindery_plane_counters");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_counters, flags) == 0, "layout of bindery_plane_counters");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_counters, reserved) == 4, "layout of bindery_plane_counters");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_counters, packets_in) == 8, "layout of bindery_plane_counters");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_counters, octets_in) == 16, "layout of bindery_plane_counters");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_counters, packets_out) == 24, "layout of bindery_plane_counters");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_counters, octets_out) == 32, "layout of bindery_plane_counters");
BINDERY_PLANE_ASSERT(sizeof(struct bindery_plane_host) == 32, "layout of bindery_plane_host");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_host, struct_size) == 0, "layout of bindery_plane_host");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_host, reserved) == 4, "layout of bindery_plane_host");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_host, context) == 8, "layout of bindery_plane_host");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_host, log) == 16, "layout of bindery_plane_host");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_host, report_fault) == 24, "layout of bindery_plane_host");
BINDERY_PLANE_ASSERT(sizeof(struct bindery_plane_driver) == 80, "layout of bindery_plane_driver");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_driver, magic) == 0, "layout of bindery_plane_driver");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_driver, abi_major) == 8, "layout of bindery_plane_driver");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_driver, abi_minor) == 10, "layout of bindery_plane_driver");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_driver, struct_size) == 12, "layout of bindery_plane_driver");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_driver, name) == 16, "layout of bindery_plane_driver");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_driver, version) == 24, "layout of bindery_plane_driver");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_driver, create) == 32, "layout of bindery_plane_driver");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_driver, destroy) == 40, "layout of bindery_plane_driver");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_driver, apply) == 48, "layout of bindery_plane_driver");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_driver, read_counters) == 56, "layout of bindery_plane_driver");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_driver, dump) == 64, "layout of bindery_plane_driver");
BINDERY_PLANE_ASSERT(offsetof(struct bindery_plane_driver, health) == 72, "layout of bindery_plane_driver");
#endif

/* What a driver exports, and nothing else. */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
extern const struct bindery_plane_driver bindery_plane_driver_v2;

#ifdef __cplusplus
}
#endif

#endif
