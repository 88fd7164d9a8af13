/* Faults at a chosen step of a program. Counts what it writes, renames, syncs, cuts and removes under one folder, and at
   the Nth of them kills the process (or, in the other modes, lets the disk be full or read-only from there on).

   cc -shared -fPIC -O1 -o shim.so shim.c -ldl;  LD_PRELOAD=./shim.so FAULT_FOLDER=/tmp/x program
   The program arms it by calling fault_arm(n, mode). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { OFF, KILL_BEFORE, KILL_AMID, FULL, READ_ONLY };
static long left = 0, seen = 0;
static int mode = OFF;

void fault_arm(long n, int how) { left = n; mode = how; seen = 0; }
long fault_seen(void) { return seen; }

static void die(void) { kill(getpid(), SIGKILL); for (;;) pause(); }

static int inside(const char *path) {
    const char *folder = getenv("FAULT_FOLDER");
    return folder && path && strncmp(path, folder, strlen(folder)) == 0;
}

static int inside_fd(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    return inside(path);
}

/* Whether this step is the one; kills in the mode that kills before it. */
static int step(void) {
    if (mode == OFF) return 0;
    seen++;
    if (mode == READ_ONLY) return 1;
    if (--left > 0) return 0;
    if (mode == KILL_BEFORE) die();
    return left == 0 || mode == FULL;
}

#define REAL(name) static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    if (mode == OFF || mode == READ_ONLY || !inside_fd(fd) || !step()) return real(fd, data, size);
    if (mode == KILL_AMID) { real(fd, data, size / 2); die(); }
    errno = ENOSPC;
    return -1;
}

ssize_t sendfile(int out, int in, off_t *offset, size_t size) {
    REAL(sendfile);
    if (mode == OFF || mode == READ_ONLY || !inside_fd(out) || !step()) return real(out, in, offset, size);
    if (mode == KILL_AMID) { real(out, in, offset, size / 2); die(); }
    errno = ENOSPC;
    return -1;
}
ssize_t sendfile64(int out, int in, off_t *offset, size_t size) { return sendfile(out, in, offset, size); }

#define PLAIN(kind, name, call, args, path) \
    kind name args { \
        REAL(name); \
        if (mode == OFF || !(path)) return real call; \
        if (!step()) return real call; \
        if (mode == KILL_AMID) { real call; die(); } \
        if (mode == READ_ONLY) { errno = EROFS; return -1; } \
        return real call; \
    }

PLAIN(int, rename, (from, to), (const char *from, const char *to), inside(to) || inside(from))
PLAIN(int, unlink, (path), (const char *path), inside(path))
PLAIN(int, rmdir, (path), (const char *path), inside(path))
PLAIN(int, mkdir, (path, rights), (const char *path, mode_t rights), inside(path))
PLAIN(int, ftruncate, (fd, size), (int fd, off_t size), inside_fd(fd))
PLAIN(int, ftruncate64, (fd, size), (int fd, off_t size), inside_fd(fd))

/* Syncing changes nothing on a read-only disk. */
#define SYNC(name) \
    int name(int fd) { \
        REAL(name); \
        if (mode == OFF || mode == READ_ONLY || mode == FULL || !inside_fd(fd) || !step()) return real(fd); \
        real(fd); \
        die(); \
        return 0; \
    }
SYNC(fsync)
SYNC(fdatasync)

/* Opening for writing cuts a file short, and fails on a read-only disk. */
#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list rest; va_start(rest, flags); mode_t rights = va_arg(rest, mode_t); va_end(rest); \
        int writes = (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0; \
        if (mode == OFF || mode == FULL || !writes || !inside(path) || !step()) return real(path, flags, rights); \
        if (mode == READ_ONLY) { errno = EROFS; return -1; } \
        real(path, flags, rights); \
        die(); \
        return -1; \
    }
OPEN(open)
OPEN(open64)
