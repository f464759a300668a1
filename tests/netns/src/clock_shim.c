/* Moves clocks of one process while it runs: the kernel has no namespace for that.
 *
 * Preloaded, it adds the whole seconds in the file that CLOCK_SHIM names (decimal text, may change at any time) to every
 * reading of CLOCK_REALTIME, and those in the file that BOOT_SHIM names to CLOCK_BOOTTIME, as a time of suspension does.
 * CLOCK_MONOTONIC, sleeps and timers stay true.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset(const char *variable) {
    const char *name = getenv(variable);
    char text[32] = {0};
    if (!name) return 0;
    int file = open(name, O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    return length > 0 ? atol(text) : 0;
}

int clock_gettime(clockid_t id, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, id, now);
    if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += offset("CLOCK_SHIM");
    if (result == 0 && id == CLOCK_BOOTTIME) now->tv_sec += offset("BOOT_SHIM");
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec read;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &read) != 0) return -1;
    now->tv_sec = read.tv_sec;
    now->tv_usec = read.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec read;
    if (clock_gettime(CLOCK_REALTIME, &read) != 0) return (time_t)-1;
    if (out) *out = read.tv_sec;
    return read.tv_sec;
}
