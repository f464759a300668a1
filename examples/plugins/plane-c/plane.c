/* A forwarding-plane driver in C that keeps its routes in memory and forwards nothing.
 *
 * Settings: `link NUMBER` says that an interface exists (none: all do), `foreign ADDRESS` that somebody else's route
 * stands there, `traffic PACKETS` how many packets of 1,000 octets each way each route pretends to have carried since
 * the last look.
 *
 * Build: cc -std=c11 -O2 -fPIC -fvisibility=hidden -shared -I plugins/native/include -o plane.so plane.c
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindery_plane.h"

/* Their number never changes, so that a dump can go on after a change: it tells whole chains. */
#define CHAINS 65536u
#define PACKET_OCTETS 1000u

struct node {
    struct node *next;
    struct bindery_plane_entry entry;
    uint64_t packets;
};

struct numbers {
    uint32_t *of;
    size_t count;
};

struct bindery_plane {
    const struct bindery_plane_host *host;
    struct node *chains[CHAINS];
    struct numbers links;
    /* Addresses, in the order of the network. */
    struct numbers foreign;
    uint64_t traffic;
};

static void say(const struct bindery_plane_host *host, uint32_t level, const char *what, const char *about)
{
    char text[256];
    int length = snprintf(text, sizeof text, "%s: %s", about, what);
    if (length > 0)
        host->log(host->context, level, text, strlen(text));
}

static int add(struct numbers *numbers, uint32_t number)
{
    uint32_t *of = realloc(numbers->of, (numbers->count + 1) * sizeof *of);
    if (of == NULL)
        return ENOMEM;
    of[numbers->count++] = number;
    numbers->of = of;
    return 0;
}

static int has(const struct numbers *numbers, uint32_t number)
{
    for (size_t at = 0; at < numbers->count; at++)
        if (numbers->of[at] == number)
            return 1;
    return 0;
}

/* Takes over a setting; an errno. */
static int take(struct bindery_plane *plane, const char *key, const char *value)
{
    char *end = NULL;
    errno = 0;
    unsigned long number = strtoul(value, &end, 10);
    int is_number = errno == 0 && end != value && *end == 0 && number <= UINT32_MAX && *value != '-';
    struct in_addr address;

    if (strcmp(key, "link") == 0 && is_number)
        return add(&plane->links, (uint32_t)number);
    if (strcmp(key, "foreign") == 0 && inet_pton(AF_INET, value, &address) == 1)
        return add(&plane->foreign, address.s_addr);
    if (strcmp(key, "traffic") == 0 && is_number) {
        plane->traffic = number;
        return 0;
    }
    say(plane->host, BINDERY_PLANE_LOG_ERROR, "no such setting, or not a value of it", key);
    return EINVAL;
}

static void destroy(struct bindery_plane *plane)
{
    for (size_t chain = 0; chain < CHAINS; chain++)
        while (plane->chains[chain] != NULL) {
            struct node *next = plane->chains[chain]->next;
            free(plane->chains[chain]);
            plane->chains[chain] = next;
        }
    free(plane->links.of);
    free(plane->foreign.of);
    free(plane);
}

static int32_t create(const struct bindery_plane_setting *settings, size_t count, const struct bindery_plane_host *host,
                      struct bindery_plane **instance)
{
    struct bindery_plane *plane = calloc(1, sizeof *plane);
    if (plane == NULL)
        return ENOMEM;
    plane->host = host;
    for (size_t at = 0; at < count; at++) {
        int status = take(plane, settings[at].key, settings[at].value);
        if (status != 0) {
            destroy(plane);
            return status;
        }
    }
    *instance = plane;
    return BINDERY_PLANE_OK;
}

static int is_at(const struct bindery_plane_entry *entry, const struct bindery_plane_key *key)
{
    return entry->instance == key->instance && entry->table == key->table && entry->dst_len == key->dst_len &&
           memcmp(entry->dst, key->dst, sizeof key->dst) == 0;
}

/* The link that holds the node of a destination, or the end of its chain. */
static struct node **find(struct bindery_plane *plane, const struct bindery_plane_key *key)
{
    uint32_t address;
    memcpy(&address, key->dst, sizeof address);
    uint32_t mixed = ntohl(address) ^ key->instance << 16 ^ key->table << 8 ^ key->dst_len;
    uint32_t chain = (mixed * 2654435761u) >> 16;
    struct node **place = &plane->chains[chain % CHAINS];
    while (*place != NULL && !is_at(&(*place)->entry, key))
        place = &(*place)->next;
    return place;
}

static struct bindery_plane_key key_of(const struct bindery_plane_entry *entry)
{
    struct bindery_plane_key key = {
        .instance = entry->instance, .family = entry->family, .dst_len = entry->dst_len, .table = entry->table};
    memcpy(key.dst, entry->dst, sizeof key.dst);
    return key;
}

static void clear(struct node **place)
{
    struct node *node = *place;
    if (node != NULL) {
        *place = node->next;
        free(node);
    }
}

static int32_t set(struct bindery_plane *plane, const struct bindery_plane_entry *entry)
{
    struct bindery_plane_key key = key_of(entry);
    struct node **place = find(plane, &key);
    int32_t result = BINDERY_PLANE_OK;
    uint32_t address;
    memcpy(&address, entry->dst, sizeof address);
    if (has(&plane->foreign, address))
        result = BINDERY_PLANE_FOREIGN;
    else if (plane->links.count != 0 && !has(&plane->links, entry->link))
        result = BINDERY_PLANE_LINK_DOWN;
    else if (*place == NULL && (*place = calloc(1, sizeof **place)) == NULL)
        result = ENOMEM;
    /* A failure leaves nothing of ours there. */
    if (result != BINDERY_PLANE_OK)
        clear(place);
    else
        (*place)->entry = *entry;
    return result;
}

static int32_t apply(struct bindery_plane *plane, const struct bindery_plane_op *ops, size_t count, int32_t *results)
{
    for (size_t at = 0; at < count; at++) {
        const struct bindery_plane_entry *entry = &ops[at].entry;
        if (entry->family != BINDERY_PLANE_IPV4 || entry->dst_len > 32) {
            results[at] = EAFNOSUPPORT;
        } else if (ops[at].kind == BINDERY_PLANE_SET) {
            results[at] = set(plane, entry);
        } else if (ops[at].kind == BINDERY_PLANE_REMOVE) {
            struct bindery_plane_key key = key_of(entry);
            clear(find(plane, &key));
            results[at] = BINDERY_PLANE_OK;
        } else {
            results[at] = EOPNOTSUPP;
        }
    }
    return BINDERY_PLANE_OK;
}

static int32_t read_counters(struct bindery_plane *plane, const struct bindery_plane_key *keys, size_t count,
                             struct bindery_plane_counters *counters)
{
    for (size_t at = 0; at < count; at++) {
        struct node *node = *find(plane, &keys[at]);
        if (node == NULL)
            continue;
        node->packets += plane->traffic;
        counters[at].flags = BINDERY_PLANE_COUNTED;
        counters[at].packets_in = counters[at].packets_out = node->packets;
        counters[at].octets_in = counters[at].octets_out = node->packets * PACKET_OCTETS;
    }
    return BINDERY_PLANE_OK;
}

static int32_t dump(struct bindery_plane *plane, uint64_t *cursor, struct bindery_plane_entry *entries, size_t capacity,
                    size_t *count)
{
    size_t told = 0;
    for (uint64_t chain = *cursor; chain < CHAINS; chain++) {
        size_t length = 0;
        for (struct node *node = plane->chains[chain]; node != NULL; node = node->next)
            length++;
        if (length > capacity)
            return E2BIG;
        if (told + length > capacity) {
            *count = told;
            *cursor = chain;
            return BINDERY_PLANE_OK;
        }
        for (struct node *node = plane->chains[chain]; node != NULL; node = node->next)
            entries[told++] = node->entry;
    }
    *count = told;
    *cursor = 0;
    return BINDERY_PLANE_OK;
}

const struct bindery_plane_driver bindery_plane_driver_v2 = {
    .magic = BINDERY_PLANE_MAGIC,
    .abi_major = BINDERY_PLANE_ABI_MAJOR,
    .abi_minor = BINDERY_PLANE_ABI_MINOR,
    .struct_size = sizeof(struct bindery_plane_driver),
    .name = "memory-c",
    .version = "0.1.0",
    .create = create,
    .destroy = destroy,
    .apply = apply,
    .read_counters = read_counters,
    .dump = dump,
};
