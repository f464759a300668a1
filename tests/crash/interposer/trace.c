/* Records every change that a process makes below one directory, in order, with its data, and makes some of them fail.
 *
 * Loaded by LD_PRELOAD. One lock is held over each call and its record, so the log is the order in which things
 * happened. What it does not know of and could change a file (links, shared mappings) it records as UNKNOWN; and the
 * reader compares its picture of the directory with the directory itself, so that a call that goes around libc shows.
 *
 * BINDERY_TRACE_DIR   the directory, an absolute path without links
 * BINDERY_TRACE_LOG   where the log goes, outside of it
 * BINDERY_TRACE_ACK   what the process writes to this path is put into the log as it is
 * BINDERY_TRACE_FAULT rules KINDS:FROM:COUNT:ERRNO parted by commas. KINDS are letters: w write, s sync, c create and
 *                     all other changes of names and lengths. The calls of these kinds number FROM (from 0) and the
 *                     COUNT-1 next ones fail with ERRNO; ERRNO 0 makes a write fall short by half instead.
 *                     They are counted from the first line written to BINDERY_TRACE_ACK on.
 *
 * A record: op u8, fd i32, number i64, two lengths u32, then two strings of bytes. All in the machine's order.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum op { OPEN = 1, WRITE, TRUNCATE, SYNC, CLOSE, RENAME, UNLINK, MKDIR, RMDIR, ACK, UNKNOWN, DUP };
enum kind { OTHER = 0, INSIDE, ACKS };

#define FDS 4096
#define RULES 16

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned char fds[FDS];
static const char *root, *ack;
static size_t root_len;
static int log_fd = -1;
static struct rule { char kinds[8]; long from, count, error, seen; } rules[RULES];
static int rule_count, armed;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);
	if (!found) {
		fprintf(stderr, "trace: libc has no %s\n", name);
		abort();
	}
	return found;
}

__attribute__((constructor)) static void start(void)
{
	const char *log = getenv("BINDERY_TRACE_LOG");
	const char *fault = getenv("BINDERY_TRACE_FAULT");
	root = getenv("BINDERY_TRACE_DIR");
	ack = getenv("BINDERY_TRACE_ACK");
	if (!root || !log)
		return;
	root_len = strlen(root);
	log_fd = REAL(open)(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log_fd < 0) {
		perror("trace: the log");
		abort();
	}
	while (fault && *fault && rule_count < RULES) {
		struct rule *rule = &rules[rule_count++];
		int used = 0;
		if (sscanf(fault, "%7[wsc]:%ld:%ld:%ld%n", rule->kinds, &rule->from, &rule->count, &rule->error, &used) != 4) {
			fprintf(stderr, "trace: no fault rule: %s\n", fault);
			abort();
		}
		fault += used;
		if (*fault == ',')
			fault++;
	}
}

static void emit(const void *bytes, size_t len)
{
	while (len > 0) {
		ssize_t done = REAL(write)(log_fd, bytes, len);
		if (done < 0) {
			if (errno == EINTR)
				continue;
			perror("trace: the log");
			abort();
		}
		bytes = (const char *)bytes + done;
		len -= (size_t)done;
	}
}

static void record(enum op op, int fd, int64_t number, const void *one, size_t one_len, const void *two, size_t two_len)
{
	unsigned char head[21];
	int32_t fd32 = fd;
	uint32_t len1 = (uint32_t)one_len, len2 = (uint32_t)two_len;
	int saved = errno;
	head[0] = (unsigned char)op;
	memcpy(head + 1, &fd32, 4);
	memcpy(head + 5, &number, 8);
	memcpy(head + 13, &len1, 4);
	memcpy(head + 17, &len2, 4);
	emit(head, sizeof head);
	emit(one, one_len);
	emit(two, two_len);
	errno = saved;
}

static void record_path(enum op op, int fd, int64_t number, const char *path)
{
	record(op, fd, number, path, strlen(path), "", 0);
}

/* Whether a call of this kind shall fail: its errno; -1 for a short write; 0 to go on. */
static long fault(char kind)
{
	for (int i = 0; i < rule_count; i++) {
		struct rule *rule = &rules[i];
		long n;
		if (!armed || !strchr(rule->kinds, kind))
			continue;
		n = rule->seen++;
		if (n >= rule->from && n < rule->from + rule->count)
			return rule->error ? rule->error : -1;
	}
	return 0;
}

static int fails(char kind)
{
	long error = fault(kind);
	if (error > 0)
		errno = (int)error;
	return error > 0;
}

static enum kind kind_of(int fd)
{
	return log_fd >= 0 && fd >= 0 && fd < FDS ? fds[fd] : OTHER;
}

/* Makes `path` absolute, relative to `dir`. Returns whether it lies in the directory. */
static int inside(int dir, const char *path, char out[PATH_MAX])
{
	if (log_fd < 0 || !path)
		return 0;
	if (path[0] == '/') {
		snprintf(out, PATH_MAX, "%s", path);
	} else {
		char base[PATH_MAX], link[64];
		ssize_t len;
		snprintf(link, sizeof link, dir == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", dir);
		len = readlink(link, base, sizeof base - 1);
		if (len < 0)
			return 0;
		base[len] = 0;
		if (snprintf(out, PATH_MAX, "%s/%s", base, path) >= PATH_MAX)
			return 0;
	}
	return strncmp(out, root, root_len) == 0 && (out[root_len] == '/' || out[root_len] == 0);
}

static int open_at(int dir, const char *path, int flags, mode_t mode)
{
	char full[PATH_MAX];
	struct stat before;
	int within = inside(dir, path, full), is_ack = ack && path && strcmp(path, ack) == 0, created, fd;
	if (!within && !is_ack)
		return REAL(openat)(dir, path, flags, mode);
	pthread_mutex_lock(&lock);
	created = (flags & O_CREAT) && fstatat(dir, path, &before, 0) != 0;
	fd = within && created && fails('c') ? -1 : REAL(openat)(dir, path, flags, mode);
	if (fd >= FDS) {
		fprintf(stderr, "trace: too many open files\n");
		abort();
	}
	if (fd >= 0) {
		fds[fd] = is_ack ? ACKS : INSIDE;
		if (within) {
			record_path(OPEN, fd, created, full);
			if ((flags & O_TRUNC) && !created)
				record(TRUNCATE, fd, 0, "", 0, "", 0);
		}
	}
	pthread_mutex_unlock(&lock);
	return fd;
}

#define MODE(flags, last) \
	mode_t mode = 0; \
	if ((flags) & (O_CREAT | O_TMPFILE)) { \
		va_list list; \
		va_start(list, last); \
		mode = va_arg(list, mode_t); \
		va_end(list); \
	}

int open(const char *path, int flags, ...) { MODE(flags, flags) return open_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags, flags) return open_at(AT_FDCWD, path, flags, mode); }
int openat(int dir, const char *path, int flags, ...) { MODE(flags, flags) return open_at(dir, path, flags, mode); }
int openat64(int dir, const char *path, int flags, ...) { MODE(flags, flags) return open_at(dir, path, flags, mode); }

int creat(const char *path, mode_t mode) { return open_at(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int close(int fd)
{
	int result;
	if (kind_of(fd) == OTHER)
		return REAL(close)(fd);
	pthread_mutex_lock(&lock);
	if (fds[fd] == INSIDE)
		record(CLOSE, fd, 0, "", 0, "", 0);
	fds[fd] = OTHER;
	result = REAL(close)(fd);
	pthread_mutex_unlock(&lock);
	return result;
}

static int control(int fd, int command, void *argument)
{
	int result;
	if ((command != F_DUPFD && command != F_DUPFD_CLOEXEC) || kind_of(fd) == OTHER)
		return REAL(fcntl)(fd, command, argument);
	pthread_mutex_lock(&lock);
	result = REAL(fcntl)(fd, command, argument);
	if (result >= 0 && result < FDS) {
		fds[result] = fds[fd];
		if (fds[fd] == INSIDE)
			record(DUP, fd, result, "", 0, "", 0);
	}
	pthread_mutex_unlock(&lock);
	return result;
}

#define ARGUMENT(last) \
	va_list list; \
	void *argument; \
	va_start(list, last); \
	argument = va_arg(list, void *); \
	va_end(list);

int fcntl(int fd, int command, ...) { ARGUMENT(command) return control(fd, command, argument); }
int fcntl64(int fd, int command, ...) { ARGUMENT(command) return control(fd, command, argument); }

/* Writes one buffer; `offset` -1 is the file's own position. */
static ssize_t put(int fd, const void *bytes, size_t len, off_t offset)
{
	ssize_t done;
	long error = 0;
	pthread_mutex_lock(&lock);
	if (fds[fd] == ACKS) {
		armed = 1;
		record(ACK, fd, 0, bytes, len, "", 0);
		pthread_mutex_unlock(&lock);
		return (ssize_t)len;
	}
	error = fault('w');
	if (error > 0) {
		errno = (int)error;
		pthread_mutex_unlock(&lock);
		return -1;
	}
	if (error < 0 && len > 1)
		len /= 2;
	done = offset < 0 ? REAL(write)(fd, bytes, len) : REAL(pwrite)(fd, bytes, len, offset);
	if (done > 0) {
		/* After an append the position is the end, too. */
		off_t at = offset < 0 ? lseek(fd, 0, SEEK_CUR) - done : offset;
		record(WRITE, fd, at, bytes, (size_t)done, "", 0);
	}
	pthread_mutex_unlock(&lock);
	return done;
}

ssize_t write(int fd, const void *bytes, size_t len)
{
	return kind_of(fd) == OTHER ? REAL(write)(fd, bytes, len) : put(fd, bytes, len, -1);
}

ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	return kind_of(fd) == OTHER ? REAL(pwrite)(fd, bytes, len, offset) : put(fd, bytes, len, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t offset) { return pwrite(fd, bytes, len, offset); }

/* A vector is written buffer by buffer: the caller sees a short write at worst. */
static ssize_t put_vector(int fd, const struct iovec *vector, int count, off_t offset)
{
	ssize_t sum = 0;
	for (int i = 0; i < count; i++) {
		ssize_t done;
		if (vector[i].iov_len == 0)
			continue;
		done = put(fd, vector[i].iov_base, vector[i].iov_len, offset < 0 ? offset : offset + sum);
		if (done < 0)
			return sum > 0 ? sum : done;
		sum += done;
		if ((size_t)done < vector[i].iov_len)
			break;
	}
	return sum;
}

ssize_t writev(int fd, const struct iovec *vector, int count)
{
	return kind_of(fd) == OTHER ? REAL(writev)(fd, vector, count) : put_vector(fd, vector, count, -1);
}

ssize_t pwritev(int fd, const struct iovec *vector, int count, off_t offset)
{
	return kind_of(fd) == OTHER ? REAL(pwritev)(fd, vector, count, offset) : put_vector(fd, vector, count, offset);
}

ssize_t pwritev64(int fd, const struct iovec *vector, int count, off64_t offset)
{
	return pwritev(fd, vector, count, offset);
}

static int set_length(int fd, off_t len, int grow_only)
{
	struct stat now;
	int result;
	pthread_mutex_lock(&lock);
	if (fails('c')) {
		result = -1;
	} else if (grow_only && fstat(fd, &now) == 0 && now.st_size >= len) {
		result = 0;
	} else {
		result = REAL(ftruncate)(fd, len);
		if (result == 0)
			record(TRUNCATE, fd, len, "", 0, "", 0);
	}
	pthread_mutex_unlock(&lock);
	return result;
}

int ftruncate(int fd, off_t len) { return kind_of(fd) == OTHER ? REAL(ftruncate)(fd, len) : set_length(fd, len, 0); }
int ftruncate64(int fd, off64_t len) { return ftruncate(fd, len); }

int fallocate(int fd, int mode, off_t offset, off_t len)
{
	if (kind_of(fd) == OTHER)
		return REAL(fallocate)(fd, mode, offset, len);
	if (mode == 0)
		return set_length(fd, offset + len, 1);
	pthread_mutex_lock(&lock);
	record_path(UNKNOWN, fd, 0, "fallocate with a mode");
	pthread_mutex_unlock(&lock);
	return REAL(fallocate)(fd, mode, offset, len);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t len) { return fallocate(fd, mode, offset, len); }

int posix_fallocate(int fd, off_t offset, off_t len)
{
	if (kind_of(fd) == OTHER)
		return REAL(posix_fallocate)(fd, offset, len);
	return set_length(fd, offset + len, 1) ? errno : 0;
}

int posix_fallocate64(int fd, off64_t offset, off64_t len) { return posix_fallocate(fd, offset, len); }

/* The real sync is left out: what the log says is all that the reader goes by. */
static int sync_file(int fd)
{
	int failed;
	pthread_mutex_lock(&lock);
	failed = fails('s');
	record(SYNC, fd, failed, "", 0, "", 0);
	pthread_mutex_unlock(&lock);
	return failed ? -1 : 0;
}

int fsync(int fd) { return kind_of(fd) == INSIDE ? sync_file(fd) : REAL(fsync)(fd); }
int fdatasync(int fd) { return kind_of(fd) == INSIDE ? sync_file(fd) : REAL(fdatasync)(fd); }

static int rename_at(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	char one[PATH_MAX], two[PATH_MAX];
	int in_one = inside(from_dir, from, one), in_two = inside(to_dir, to, two), result;
	if (!in_one && !in_two)
		return REAL(renameat2)(from_dir, from, to_dir, to, flags);
	pthread_mutex_lock(&lock);
	result = fails('c') ? -1 : REAL(renameat2)(from_dir, from, to_dir, to, flags);
	if (result == 0 && (!in_one || !in_two || flags))
		record_path(UNKNOWN, -1, 0, "rename across the border or with flags");
	else if (result == 0)
		record(RENAME, -1, 0, one, strlen(one), two, strlen(two));
	pthread_mutex_unlock(&lock);
	return result;
}

int rename(const char *from, const char *to) { return rename_at(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int fd, const char *from, int td, const char *to) { return rename_at(fd, from, td, to, 0); }

int renameat2(int fd, const char *from, int td, const char *to, unsigned flags)
{
	return rename_at(fd, from, td, to, flags);
}

static int unlink_at(int dir, const char *path, int flags)
{
	char full[PATH_MAX];
	int result;
	if (!inside(dir, path, full))
		return REAL(unlinkat)(dir, path, flags);
	pthread_mutex_lock(&lock);
	result = fails('c') ? -1 : REAL(unlinkat)(dir, path, flags);
	if (result == 0)
		record_path(flags & AT_REMOVEDIR ? RMDIR : UNLINK, -1, 0, full);
	pthread_mutex_unlock(&lock);
	return result;
}

int unlink(const char *path) { return unlink_at(AT_FDCWD, path, 0); }
int unlinkat(int dir, const char *path, int flags) { return unlink_at(dir, path, flags); }
int rmdir(const char *path) { return unlink_at(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int dir, const char *path, mode_t mode)
{
	char full[PATH_MAX];
	int result;
	if (!inside(dir, path, full))
		return REAL(mkdirat)(dir, path, mode);
	pthread_mutex_lock(&lock);
	result = fails('c') ? -1 : REAL(mkdirat)(dir, path, mode);
	if (result == 0)
		record_path(MKDIR, -1, 0, full);
	pthread_mutex_unlock(&lock);
	return result;
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

static void unknown(const char *path, const char *what)
{
	char full[PATH_MAX];
	if (!inside(AT_FDCWD, path, full))
		return;
	pthread_mutex_lock(&lock);
	record_path(UNKNOWN, -1, 0, what);
	pthread_mutex_unlock(&lock);
}

int truncate(const char *path, off_t len) { unknown(path, "truncate"); return REAL(truncate)(path, len); }
int truncate64(const char *path, off64_t len) { return truncate(path, len); }
int link(const char *from, const char *to) { unknown(to, "link"); return REAL(link)(from, to); }
int symlink(const char *from, const char *to) { unknown(to, "symlink"); return REAL(symlink)(from, to); }

void *mmap(void *address, size_t len, int protection, int flags, int fd, off_t offset)
{
	if (kind_of(fd) == INSIDE && (flags & MAP_SHARED) && (protection & PROT_WRITE)) {
		pthread_mutex_lock(&lock);
		record_path(UNKNOWN, fd, 0, "shared mapping");
		pthread_mutex_unlock(&lock);
	}
	return REAL(mmap)(address, len, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t len, int protection, int flags, int fd, off64_t offset)
{
	return mmap(address, len, protection, flags, fd, offset);
}
