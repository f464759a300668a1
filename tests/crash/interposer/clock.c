/* Shifts the wall clock of one process by BINDERY_CLOCK_OFFSET seconds; the result is never before 1970.
 *
 * Loaded by LD_PRELOAD. The monotonic clock is left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long long offset;

__attribute__((constructor)) static void start(void)
{
	const char *text = getenv("BINDERY_CLOCK_OFFSET");
	offset = text ? atoll(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
	int (*next)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
	int result;
	if (!next) {
		errno = ENOSYS;
		return -1;
	}
	result = next(clock, out);
	if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
		long long secs = (long long)out->tv_sec + offset;
		out->tv_sec = (time_t)(secs > 0 ? secs : 0);
	}
	return result;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
	struct timespec now;
	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return -1;
	out->tv_sec = now.tv_sec;
	out->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *out)
{
	struct timespec now;
	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return (time_t)-1;
	if (out)
		*out = now.tv_sec;
	return now.tv_sec;
}
