/* A shim between a program and the C library that writes down what the program does to the files under one directory,
 * and makes one of those calls fail when asked to.
 *
 * Loaded with LD_PRELOAD; idle until trace_start(). What SQLite does is seen like anything else, since it reaches the
 * disk through the same calls. One record a call, in the order in which the calls took effect (a lock is held around
 * each): struct head, then two strings of bytes. tests/store/disk_model.py reads it.
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
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES 4096
#define REAL(name) ((__typeof__(real_##name))find_real(#name, (void **)&real_##name))
#define DECLARE(type, name, ...) static type (*real_##name)(__VA_ARGS__)

struct __attribute__((packed)) head {
    uint8_t kind;
    int32_t file;    /* the descriptor, or the flags of a directory's removal */
    int32_t flags;   /* of open */
    uint64_t offset; /* of a write; the size of a truncation */
    uint32_t first, second;
};

enum { FAIL = 0, TEAR = 1, FAIL_FROM = 2, FAIL_SYNC = 3 }; /* the last counts syncs alone */

DECLARE(int, open, const char *, int, ...);
DECLARE(int, openat, int, const char *, int, ...);
DECLARE(int, close, int);
DECLARE(ssize_t, write, int, const void *, size_t);
DECLARE(ssize_t, pwrite64, int, const void *, size_t, off64_t);
DECLARE(ssize_t, read, int, void *, size_t);
DECLARE(ssize_t, pread64, int, void *, size_t, off64_t);
DECLARE(int, ftruncate64, int, off64_t);
DECLARE(int, fsync, int);
DECLARE(int, fdatasync, int);
DECLARE(int, renameat, int, const char *, int, const char *);
DECLARE(int, unlinkat, int, const char *, int);
DECLARE(int, linkat, int, const char *, int, const char *, int);
DECLARE(int, mkdirat, int, const char *, mode_t);

static void *find_real(const char *name, void **known) {
    if (*known == NULL) *known = dlsym(RTLD_NEXT, name);
    return *known;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX];
static size_t root_length;
static int trace = -1;
static char tracked[FILES];
static long calls, syncs, fault_at = -1;
static int fault_kind, fault_error;
static char fault_name[64];
static char letters[1 << 16]; /* of every call that could fail: r(ead), w(rite), m(ore that needs room), o(ther) */

static void record(uint8_t kind, int file, int flags, uint64_t offset, const void *first, size_t n_first,
                   const void *second, size_t n_second) {
    if (trace < 0) return;
    struct head head = {kind, file, flags, offset, (uint32_t)n_first, (uint32_t)n_second};
    struct iovec parts[3] = {{&head, sizeof head}, {(void *)first, n_first}, {(void *)second, n_second}};
    ssize_t wanted = (ssize_t)(sizeof head + n_first + n_second);
    if (writev(trace, parts, 3) != wanted) abort(); /* a trace with a hole would prove nothing */
}

/* The absolute name of a path, when it lies under the directory that is traced; else NULL. */
static const char *inside(int folder, const char *path, char *room) {
    if (root_length == 0 || path == NULL) return NULL;
    if (path[0] != '/') {
        char link[64];
        if (folder == AT_FDCWD)
            snprintf(link, sizeof link, "/proc/self/cwd");
        else
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, room, PATH_MAX - 1);
        if (length < 0 || length + strlen(path) + 2 > PATH_MAX) return NULL;
        room[length] = '/';
        strcpy(room + length + 1, path);
        path = room;
    }
    if (strncmp(path, root, root_length) != 0 || (path[root_length] != '/' && path[root_length] != 0)) return NULL;
    size_t length = strlen(path); /* SQLite's shared memory is made anew after a crash and is no part of the disk */
    if (length > 4 && strcmp(path + length - 4, "-shm") == 0) return NULL;
    return path;
}

static int followed(int file) { return root_length > 0 && file >= 0 && file < FILES && tracked[file]; }

/* Whether this call is to fail now; counts the calls that could. A full disk fails only what asks for room. */
static int faulty(const char *name, int wants_room) {
    long number = fault_kind == FAIL_SYNC ? (calls++, strcmp(name, "sync") == 0 ? syncs++ : -1) : calls++;
    char letter = strcmp(name, "read") == 0 ? 'r' : strcmp(name, "write") == 0 ? 'w' : wants_room ? 'm' : 'o';
    if (calls < (long)sizeof letters) letters[calls - 1] = letter;
    if (fault_at < 0 || number < fault_at || (number > fault_at && fault_kind != FAIL_FROM)) return 0;
    if (!wants_room && (fault_error == ENOSPC || fault_error == EDQUOT)) return 0;
    if (number == fault_at) snprintf(fault_name, sizeof fault_name, "%s", name);
    errno = fault_error;
    return 1;
}

/* ---- what the tests call ---------------------------------------------------------------------------------------- */

void trace_start(const char *folder, const char *file) {
    pthread_mutex_lock(&lock);
    root_length = 0;
    if (trace >= 0) REAL(close)(trace);
    trace = file[0] ? REAL(open)(file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644) : -1;
    snprintf(root, sizeof root, "%s", folder);
    root_length = strlen(root);
    calls = syncs = 0;
    memset(letters, 0, sizeof letters);
    pthread_mutex_unlock(&lock);
}

void trace_mark(const char *text) {
    pthread_mutex_lock(&lock);
    record('M', 0, 0, 0, text, strlen(text), NULL, 0);
    pthread_mutex_unlock(&lock);
}

void trace_fault(long number, int kind, int error) {
    pthread_mutex_lock(&lock);
    fault_at = number;
    fault_kind = kind;
    fault_error = error;
    pthread_mutex_unlock(&lock);
}

long trace_calls(void) { return calls; }
const char *trace_letters(void) { return letters; }
const char *trace_fault_name(void) { return fault_name; }

/* ---- open and close --------------------------------------------------------------------------------------------- */

static int open_common(int folder, const char *path, int flags, mode_t mode) {
    char room[PATH_MAX];
    const char *name = inside(folder, path, room);
    if (name == NULL) {
        int other = REAL(openat)(folder, path, flags, mode);
        if (other >= 0 && other < FILES) tracked[other] = 0;
        return other;
    }
    pthread_mutex_lock(&lock);
    int file = -1;
    if (!faulty("open", flags & O_CREAT)) {
        file = REAL(openat)(folder, path, flags, mode);
        if (file >= 0 && file < FILES) {
            tracked[file] = 1;
            record('O', file, (flags & O_CREAT ? 1 : 0) | (flags & O_TRUNC ? 2 : 0), 0, name, strlen(name), NULL, 0);
        } else if (file >= FILES) {
            abort();
        }
    }
    pthread_mutex_unlock(&lock);
    return file;
}

#define MODE(flags)                                              \
    mode_t mode = 0;                                             \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                       \
        va_list rest;                                            \
        va_start(rest, flags);                                   \
        mode = (mode_t)va_arg(rest, int);                        \
        va_end(rest);                                            \
    }

int open(const char *path, int flags, ...) { MODE(flags) return open_common(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return open_common(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE(flags) return open_common(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE(flags) return open_common(folder, path, flags, mode); }
int __open_2(const char *path, int flags) { return open_common(AT_FDCWD, path, flags, 0); }
int __open64_2(const char *path, int flags) { return open_common(AT_FDCWD, path, flags, 0); }
int creat(const char *path, mode_t mode) { return open_common(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int close(int file) {
    if (!followed(file)) return REAL(close)(file);
    pthread_mutex_lock(&lock);
    tracked[file] = 0;
    record('C', file, 0, 0, NULL, 0, NULL, 0);
    int result = REAL(close)(file);
    pthread_mutex_unlock(&lock);
    return result;
}

/* ---- data ------------------------------------------------------------------------------------------------------- */

static ssize_t write_common(int file, const void *data, size_t size, off64_t offset, int placed) {
    pthread_mutex_lock(&lock);
    if (!placed) offset = lseek64(file, 0, (fcntl(file, F_GETFL) & O_APPEND) ? SEEK_END : SEEK_CUR);
    int fails = faulty("write", 1);
    size_t some = fails ? (fault_kind == TEAR ? size / 2 : 0) : size;
    ssize_t done = 0;
    if (some > 0 || !fails) {
        done = placed ? REAL(pwrite64)(file, data, some, offset) : REAL(write)(file, data, some);
        int error = errno;
        if (done > 0) record('W', file, 0, (uint64_t)offset, data, (size_t)done, NULL, 0);
        errno = error;
    }
    if (fails) {
        errno = fault_error;
        done = -1;
    }
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int file, const void *data, size_t size) {
    if (!followed(file)) return REAL(write)(file, data, size);
    return write_common(file, data, size, 0, 0);
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset) {
    if (!followed(file)) return REAL(pwrite64)(file, data, size, offset);
    return write_common(file, data, size, offset, 1);
}
ssize_t pwrite(int file, const void *data, size_t size, off_t offset) { return pwrite64(file, data, size, offset); }

ssize_t read(int file, void *data, size_t size) {
    if (followed(file)) {
        pthread_mutex_lock(&lock);
        int fails = faulty("read", 0);
        pthread_mutex_unlock(&lock);
        if (fails) return -1;
    }
    return REAL(read)(file, data, size);
}
ssize_t pread64(int file, void *data, size_t size, off64_t offset) {
    if (followed(file)) {
        pthread_mutex_lock(&lock);
        int fails = faulty("read", 0);
        pthread_mutex_unlock(&lock);
        if (fails) return -1;
    }
    return REAL(pread64)(file, data, size, offset);
}
ssize_t pread(int file, void *data, size_t size, off_t offset) { return pread64(file, data, size, offset); }

int ftruncate64(int file, off64_t size) {
    if (!followed(file)) return REAL(ftruncate64)(file, size);
    pthread_mutex_lock(&lock);
    int result = faulty("truncate", 0) ? -1 : REAL(ftruncate64)(file, size);
    if (result == 0) record('T', file, 0, (uint64_t)size, NULL, 0, NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}
int ftruncate(int file, off_t size) { return ftruncate64(file, size); }

static int sync_common(int file, int data_only) {
    pthread_mutex_lock(&lock);
    int result = faulty("sync", 1) ? -1 : data_only ? REAL(fdatasync)(file) : REAL(fsync)(file);
    int error = errno;
    record(result == 0 ? 'S' : 's', file, 0, 0, NULL, 0, NULL, 0);
    errno = error;
    pthread_mutex_unlock(&lock);
    return result;
}
int fsync(int file) { return followed(file) ? sync_common(file, 0) : REAL(fsync)(file); }
int fdatasync(int file) { return followed(file) ? sync_common(file, 1) : REAL(fdatasync)(file); }

/* ---- names ------------------------------------------------------------------------------------------------------ */

static int rename_common(int from, const char *old, int to, const char *new) {
    char room_old[PATH_MAX], room_new[PATH_MAX];
    const char *name_old = inside(from, old, room_old), *name_new = inside(to, new, room_new);
    if (name_old == NULL && name_new == NULL) return REAL(renameat)(from, old, to, new);
    if (name_old == NULL || name_new == NULL) abort(); /* into or out of what is traced: the model does not know it */
    pthread_mutex_lock(&lock);
    int result = faulty("rename", 1) ? -1 : REAL(renameat)(from, old, to, new);
    if (result == 0) record('R', 0, 0, 0, name_old, strlen(name_old), name_new, strlen(name_new));
    pthread_mutex_unlock(&lock);
    return result;
}
int rename(const char *old, const char *new) { return rename_common(AT_FDCWD, old, AT_FDCWD, new); }
int renameat(int from, const char *old, int to, const char *new) { return rename_common(from, old, to, new); }

static int unlink_common(int folder, const char *path, int flags) {
    char room[PATH_MAX];
    const char *name = inside(folder, path, room);
    if (name == NULL) return REAL(unlinkat)(folder, path, flags);
    pthread_mutex_lock(&lock);
    int result = faulty("unlink", 0) ? -1 : REAL(unlinkat)(folder, path, flags);
    int error = errno;
    if (result == 0) record('U', 0, 0, 0, name, strlen(name), NULL, 0);
    errno = error;
    pthread_mutex_unlock(&lock);
    return result;
}
int unlink(const char *path) { return unlink_common(AT_FDCWD, path, 0); }
int unlinkat(int folder, const char *path, int flags) { return unlink_common(folder, path, flags); }
int rmdir(const char *path) { return unlink_common(AT_FDCWD, path, AT_REMOVEDIR); }

static int link_common(int from, const char *old, int to, const char *new, int flags) {
    char room_old[PATH_MAX], room_new[PATH_MAX];
    const char *name_old = inside(from, old, room_old), *name_new = inside(to, new, room_new);
    if (name_old == NULL && name_new == NULL) return REAL(linkat)(from, old, to, new, flags);
    if (name_old == NULL || name_new == NULL) abort();
    pthread_mutex_lock(&lock);
    int result = faulty("link", 1) ? -1 : REAL(linkat)(from, old, to, new, flags);
    if (result == 0) record('L', 0, 0, 0, name_old, strlen(name_old), name_new, strlen(name_new));
    pthread_mutex_unlock(&lock);
    return result;
}
int link(const char *old, const char *new) { return link_common(AT_FDCWD, old, AT_FDCWD, new, 0); }
int linkat(int from, const char *old, int to, const char *new, int flags) {
    return link_common(from, old, to, new, flags);
}

static int mkdir_common(int folder, const char *path, mode_t mode) {
    char room[PATH_MAX];
    const char *name = inside(folder, path, room);
    if (name == NULL) return REAL(mkdirat)(folder, path, mode);
    pthread_mutex_lock(&lock);
    int result = faulty("mkdir", 1) ? -1 : REAL(mkdirat)(folder, path, mode);
    if (result == 0) record('D', 0, 0, 0, name, strlen(name), NULL, 0);
    pthread_mutex_unlock(&lock);
    return result;
}
int mkdir(const char *path, mode_t mode) { return mkdir_common(AT_FDCWD, path, mode); }
int mkdirat(int folder, const char *path, mode_t mode) { return mkdir_common(folder, path, mode); }
