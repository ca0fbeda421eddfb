/*
 * The C library's functions that take a path, looked up in the machine's tree where the path is the machine's; and stat,
 * which shows nodes and open files of theirs as the character devices that they stand for.
 *
 * qemu-user looks paths up in the guest's root for open, stat, readlink, statfs, inotify_add_watch and utimensat, and for
 * no other call (seen with 10.0). Of the others, those that only read do so here. Those that write do not: the guest's
 * root is the cache's.
 *
 * No header with their prototypes is used where these differ between C libraries (the __xstat family, the fortified ones).
 */
#include "tyr.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

DECLARE_NEXT(open);
DECLARE_NEXT(openat);
DECLARE_NEXT(fopen);
DECLARE_NEXT(freopen);
DECLARE_NEXT(opendir);
DECLARE_NEXT(readdir);
DECLARE_NEXT(scandir);
DECLARE_NEXT(scandirat);
DECLARE_NEXT(faccessat);
DECLARE_NEXT(fchmodat);
DECLARE_NEXT(readlinkat);
DECLARE_NEXT(realpath);
DECLARE_NEXT(statx);
DECLARE_NEXT(getxattr);
DECLARE_NEXT(lgetxattr);
DECLARE_NEXT(listxattr);
DECLARE_NEXT(llistxattr);
DECLARE_NEXT(getcwd);

/* --- open --- */

/* Could this relative path, met in one of the tree's folders, be a node? */
static int names_node(const char *path)
{
   const char *last = strrchr(path, '/');
   last = last ? last + 1 : path;
   return strncmp(last, "card", 4) == 0 || strncmp(last, "renderD", 7) == 0 || strncmp(last, "event", 5) == 0 ||
          strcmp(last, "gems") == 0 || strcmp(last, "gpuvas") == 0;
}

/*
 * The number of the node that opening this path would mean, else -1. *use becomes the path to open otherwise.
 */
static int node_of(int dirfd, const char *path, int flags, char buffer[TYR_PATH_MAX], const char **use)
{
   struct stat st;
   int fd, saved = errno, device = -1;

   *use = tyr_redirect(path, buffer);
   if (!path || (flags & O_PATH))
      return -1;
   if ((fd = tyr_descriptor_path(path)) >= 0) {
      struct tyr_identity identity = tyr_identify(fd);
      if (tyr_is_node(&identity))
         device = identity.device;
   } else if (*use != path || (path[0] != '/' && names_node(path))) {
      if (tyr_stat(dirfd, *use, &st, flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0) == 0)
         device = tyr_placeholder(&st);
   }
   errno = saved;
   return device;
}

static int open_node(unsigned device, int flags)
{
   if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL) || (flags & O_DIRECTORY)) {
      errno = flags & O_DIRECTORY ? ENOTDIR : EEXIST;
      return -1;
   }
   return tyr_open_node(device, flags);
}

/* Files of /proc of which the kernel, or the emulator, does not tell all. -1, and errno as it was, for all others. */
static int open_told(int dirfd, const char *path, int flags)
{
   int fd = tyr_open_fdinfo(dirfd, path, flags);
   return fd >= 0 ? fd : tyr_open_stat(path, flags);
}

#define MODE(last) \
   mode_t mode = 0; \
   if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE) { \
      va_list list; \
      va_start(list, last); \
      mode = va_arg(list, mode_t); \
      va_end(list); \
   }

static int do_open(const char *path, int flags, mode_t mode)
{
   char buffer[TYR_PATH_MAX];
   const char *use;
   int info = open_told(AT_FDCWD, path, flags);
   if (info >= 0)
      return info;
   int device = node_of(AT_FDCWD, path, flags, buffer, &use);
   return device >= 0 ? open_node(device, flags) : NEXT(open)(use, flags, mode);
}

static int do_openat(int dirfd, const char *path, int flags, mode_t mode)
{
   char buffer[TYR_PATH_MAX], absolute[TYR_PATH_MAX];
   const char *use;
   int info = open_told(dirfd, path, flags);
   if (info >= 0)
      return info;
   path = tyr_from_root(&dirfd, path, absolute);
   int device = node_of(dirfd, path, flags, buffer, &use);
   return device >= 0 ? open_node(device, flags) : NEXT(openat)(dirfd, use, flags, mode);
}

int open(const char *path, int flags, ...)
{
   MODE(flags)
   return do_open(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
   MODE(flags)
   return do_open(path, flags, mode);
}

int openat(int dirfd, const char *path, int flags, ...)
{
   MODE(flags)
   return do_openat(dirfd, path, flags, mode);
}

int openat64(int dirfd, const char *path, int flags, ...)
{
   MODE(flags)
   return do_openat(dirfd, path, flags, mode);
}

/* What the fortified headers turn open without a mode into. */
int __open_2(const char *path, int flags) { return do_open(path, flags, 0); }
int __open64_2(const char *path, int flags) { return do_open(path, flags, 0); }
int __openat_2(int dirfd, const char *path, int flags) { return do_openat(dirfd, path, flags, 0); }
int __openat64_2(int dirfd, const char *path, int flags) { return do_openat(dirfd, path, flags, 0); }

static FILE *do_fopen(const char *path, const char *mode)
{
   char buffer[TYR_PATH_MAX];
   const char *use;
   int info = mode[0] == 'r' && !strchr(mode, '+') ? open_told(AT_FDCWD, path, O_RDONLY | (strchr(mode, 'e') ? O_CLOEXEC : 0)) : -1;
   if (info >= 0)
      return fdopen(info, mode);
   int device = node_of(AT_FDCWD, path, 0, buffer, &use);
   if (device < 0)
      return NEXT(fopen)(use, mode);
   int fd = tyr_open_node(device, strchr(mode, 'e') ? O_CLOEXEC : 0);
   return fd < 0 ? NULL : fdopen(fd, mode);
}

FILE *fopen(const char *path, const char *mode) { return do_fopen(path, mode); }
FILE *fopen64(const char *path, const char *mode) { return do_fopen(path, mode); }

static FILE *do_freopen(const char *path, const char *mode, FILE *stream)
{
   char buffer[TYR_PATH_MAX];
   const char *use = NULL;
   if (path && node_of(AT_FDCWD, path, 0, buffer, &use) >= 0) {
      fclose(stream);
      errno = ENXIO; /* a stream cannot become a device */
      return NULL;
   }
   return NEXT(freopen)(use, mode, stream);
}

FILE *freopen(const char *path, const char *mode, FILE *stream) { return do_freopen(path, mode, stream); }
FILE *freopen64(const char *path, const char *mode, FILE *stream) { return do_freopen(path, mode, stream); }

/* --- stat --- */

/*
 * The path of a node. Linux numbers primary nodes from 0 and render nodes from 128 (drivers/gpu/drm/drm_drv.c), event devices
 * from 64 (drivers/input/evdev.c).
 */
static void node_name(unsigned device, char name[32])
{
   unsigned minor = device & ((1u << TYR_MINOR_BITS) - 1);
   if (device >> TYR_MINOR_BITS == TYR_INPUT_MAJOR)
      sprintf(name, "/dev/input/event%u", minor - 64);
   else
      sprintf(name, minor < 128 ? "/dev/dri/card%u" : "/dev/dri/renderD%u", minor);
}

/* Where the tree has it. */
static const char *placeholder_of(unsigned device, char buffer[TYR_PATH_MAX])
{
   char name[32];
   node_name(device, name);
   return tyr_redirect(name, buffer);
}

/* What a device node shows: the bits of `st` that are not the same for every file of the tree. Major 0 is of files of debugfs. */
static void as_device(struct stat *st, unsigned device)
{
   st->st_size = 0;
   st->st_blocks = 0;
   st->st_mode = (device >> TYR_MINOR_BITS ? S_IFCHR : S_IFREG) | (st->st_mode & 0777);
   st->st_nlink = 1;
   if (!(device >> TYR_MINOR_BITS))
      return;
   st->st_rdev = makedev(device >> TYR_MINOR_BITS, device & ((1u << TYR_MINOR_BITS) - 1));
}

/* The node's number if what was found is one, or `fd` (or -1) an open file of one. */
static int device_of(const struct stat *st, int fd)
{
   if (S_ISSOCK(st->st_mode) && fd >= 0) {
      struct tyr_identity identity = tyr_identify(fd);
      return tyr_is_node(&identity) ? (int)identity.device : -1;
   }
   return tyr_placeholder(st);
}

/* The descriptor that a path of the *at family means by itself, else -1. */
static int itself(int dirfd, const char *path, int flags)
{
   if ((flags & AT_EMPTY_PATH) && (!path || !*path))
      return dirfd;
   return flags & AT_SYMLINK_NOFOLLOW ? -1 : tyr_descriptor_path(path);
}

static int do_stat(int dirfd, const char *path, struct stat *st, int flags)
{
   char buffer[TYR_PATH_MAX], absolute[TYR_PATH_MAX];
   path = tyr_from_root(&dirfd, path, absolute);
   int r = tyr_stat(dirfd, tyr_redirect(path, buffer), st, flags);
   if (r == 0) {
      int own = itself(dirfd, path, flags), device = device_of(st, own);
      if (own < 0 && S_ISSOCK(st->st_mode) && !(flags & AT_SYMLINK_NOFOLLOW))
         device = (int)tyr_foreign_node(dirfd, path);
      if (device >= 0 && S_ISSOCK(st->st_mode))
         r = tyr_stat(AT_FDCWD, placeholder_of(device, buffer), st, 0);
      if (device >= 0)
         as_device(st, device);
      else if (tyr_marked(st))
         st->st_mode &= ~S_ISGID;
   }
   return r;
}

int stat(const char *path, struct stat *st) { return do_stat(AT_FDCWD, path, st, 0); }
int lstat(const char *path, struct stat *st) { return do_stat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW); }
int fstat(int fd, struct stat *st) { return do_stat(fd, "", st, AT_EMPTY_PATH); }
int fstatat(int dirfd, const char *path, struct stat *st, int flags) { return do_stat(dirfd, path, st, flags); }

/* On 64-bit Linux struct stat64 is struct stat. */
#undef stat64
#undef lstat64
#undef fstat64
#undef fstatat64
int stat64(const char *path, struct stat64 *st) { return stat(path, (struct stat *)st); }
int lstat64(const char *path, struct stat64 *st) { return lstat(path, (struct stat *)st); }
int fstat64(int fd, struct stat64 *st) { return fstat(fd, (struct stat *)st); }
int fstatat64(int dirfd, const char *path, struct stat64 *st, int flags)
{
   return fstatat(dirfd, path, (struct stat *)st, flags);
}

/* What programs built for a C library before 2.33 call. */
int __xstat(int version, const char *path, struct stat *st) { (void)version; return stat(path, st); }
int __lxstat(int version, const char *path, struct stat *st) { (void)version; return lstat(path, st); }
int __fxstat(int version, int fd, struct stat *st) { (void)version; return fstat(fd, st); }
int __fxstatat(int version, int dirfd, const char *path, struct stat *st, int flags)
{
   (void)version;
   return fstatat(dirfd, path, st, flags);
}
int __xstat64(int version, const char *path, struct stat64 *st) { (void)version; return stat64(path, st); }
int __lxstat64(int version, const char *path, struct stat64 *st) { (void)version; return lstat64(path, st); }
int __fxstat64(int version, int fd, struct stat64 *st) { (void)version; return fstat64(fd, st); }
int __fxstatat64(int version, int dirfd, const char *path, struct stat64 *st, int flags)
{
   (void)version;
   return fstatat64(dirfd, path, st, flags);
}

int statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *stx)
{
   char buffer[TYR_PATH_MAX], absolute[TYR_PATH_MAX];
   path = tyr_from_root(&dirfd, path, absolute);
   const char *use = tyr_redirect_all(path, buffer);
   int r = NEXT(statx)(dirfd, use, flags, mask, stx);
   int fd = r == 0 ? itself(dirfd, path, flags) : -1;
   int foreign = r == 0 && fd < 0 && S_ISSOCK(stx->stx_mode) && !(flags & AT_SYMLINK_NOFOLLOW) ? (int)tyr_foreign_node(dirfd, path) : -1;
   struct stat st;
   if (r == 0 && (use != path || fd >= 0 || foreign >= 0 || S_ISREG(stx->stx_mode)) && tyr_stat(dirfd, use, &st, flags & (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) == 0) {
      int device = foreign >= 0 ? foreign : device_of(&st, fd);
      if (tyr_marked(&st))
         stx->stx_mode &= ~S_ISGID;
      if (device >= 0 && S_ISSOCK(st.st_mode))
         r = NEXT(statx)(AT_FDCWD, placeholder_of(device, buffer), 0, mask, stx);
      if (device >= 0) {
         stx->stx_mode = (device >> TYR_MINOR_BITS ? S_IFCHR : S_IFREG) | (stx->stx_mode & 0777);
         stx->stx_nlink = 1;
         stx->stx_rdev_major = device >> TYR_MINOR_BITS;
         stx->stx_rdev_minor = device & ((1u << TYR_MINOR_BITS) - 1);
         stx->stx_size = 0;
         stx->stx_blocks = 0;
      }
   }
   return r;
}

/* --- statfs --- */

int fstatfs(int fd, struct statfs *st)
{
   int r = syscall(SYS_fstatfs, fd, st);
   if (r == 0 && tyr_in_sys(fd))
      st->f_type = SYSFS_MAGIC;
   return r;
}

int statfs(const char *path, struct statfs *st)
{
   char buffer[TYR_PATH_MAX];
   const char *use = tyr_redirect(path, buffer);
   if (use == path)
      return syscall(SYS_statfs, path, st);
   int fd = syscall(SYS_openat, AT_FDCWD, use, O_PATH | O_CLOEXEC);
   if (fd < 0)
      return -1;
   int r = fstatfs(fd, st), saved = errno;
   close(fd);
   errno = saved;
   return r;
}

#undef fstatfs64
#undef statfs64
int fstatfs64(int fd, struct statfs64 *st) { return fstatfs(fd, (struct statfs *)st); }
int statfs64(const char *path, struct statfs64 *st) { return statfs(path, (struct statfs *)st); }

/* --- chmod --- */

int fchmodat(int dirfd, const char *path, mode_t mode, int flags)
{
   char buffer[TYR_PATH_MAX], absolute[TYR_PATH_MAX];
   struct stat st;
   path = tyr_from_root(&dirfd, path, absolute);
   const char *use = tyr_redirect_all(path, buffer);
   /* A placeholder is known by its sticky bit. */
   if (use != path && tyr_stat(dirfd, use, &st, 0) == 0 && tyr_placeholder(&st) >= 0)
      mode |= S_ISVTX;
   return NEXT(fchmodat)(dirfd, use, mode, flags);
}

int chmod(const char *path, mode_t mode) { return fchmodat(AT_FDCWD, path, mode, 0); }

/* --- access --- */

static int do_access(int dirfd, const char *path, int mode, int flags)
{
   char buffer[TYR_PATH_MAX], absolute[TYR_PATH_MAX];
   path = tyr_from_root(&dirfd, path, absolute);
   return NEXT(faccessat)(dirfd, tyr_redirect_all(path, buffer), mode, flags);
}

int access(const char *path, int mode) { return do_access(AT_FDCWD, path, mode, 0); }
int euidaccess(const char *path, int mode) { return do_access(AT_FDCWD, path, mode, AT_EACCESS); }
int eaccess(const char *path, int mode) { return do_access(AT_FDCWD, path, mode, AT_EACCESS); }
int faccessat(int dirfd, const char *path, int mode, int flags) { return do_access(dirfd, path, mode, flags); }

/* --- links --- */

/* What /proc/self/fd/N says of a node's open file, else 0. */
static ssize_t device_link(const char *path, char *out, size_t size)
{
   char name[32];
   int fd = tyr_descriptor_path(path);
   struct tyr_identity identity = { TYR_NONE, 0, 0 };
   if (fd >= 0)
      identity = tyr_identify(fd);
   if (!tyr_is_node(&identity))
      return 0;
   node_name(identity.device, name);
   ssize_t n = strlen(name);
   if ((size_t)n > size)
      n = size;
   memcpy(out, name, n);
   return n;
}

static ssize_t do_readlink(int dirfd, const char *path, char *out, size_t size)
{
   char buffer[TYR_PATH_MAX], absolute[TYR_PATH_MAX];
   path = tyr_from_root(&dirfd, path, absolute);
   ssize_t n = device_link(path, out, size);
   if (n)
      return n;
   if (tyr_guest() && tyr_is_own_exe(path))
      n = tyr_own_exe(out, size);
   else
      n = NEXT(readlinkat)(dirfd, tyr_redirect(path, buffer), out, size);
   return n > 0 ? (ssize_t)tyr_strip(out, n) : n;
}

ssize_t readlink(const char *path, char *out, size_t size) { return do_readlink(AT_FDCWD, path, out, size); }
ssize_t readlinkat(int dirfd, const char *path, char *out, size_t size) { return do_readlink(dirfd, path, out, size); }
ssize_t __readlink_chk(const char *path, char *out, size_t size, size_t room)
{
   if (size > room)
      abort();
   return do_readlink(AT_FDCWD, path, out, size);
}
ssize_t __readlinkat_chk(int dirfd, const char *path, char *out, size_t size, size_t room)
{
   if (size > room)
      abort();
   return do_readlink(dirfd, path, out, size);
}

static char *do_realpath(const char *path, char *resolved)
{
   char buffer[TYR_PATH_MAX], link[40];
   ssize_t n = path ? device_link(path, link, sizeof link - 1) : 0;
   if (n) {
      link[n] = 0;
      return resolved ? strcpy(resolved, link) : strdup(link);
   }
   /* Whether what stands before a last slash, `.` or `..` is a folder, the C library asks by a call that qemu does not look up. */
   const char *use = tyr_redirect_all(path, buffer);
   if (path && tyr_guest() && tyr_is_own_exe(path) && (n = tyr_own_exe(buffer, sizeof buffer - 1)) > 0) {
      buffer[n] = 0;
      use = buffer;
   }
   char *result = NEXT(realpath)(use, resolved);
   if (result)
      result[tyr_strip(result, strlen(result))] = 0;
   return result;
}

char *realpath(const char *path, char *resolved) { return do_realpath(path, resolved); }
char *canonicalize_file_name(const char *path) { return do_realpath(path, NULL); }
char *__realpath_chk(const char *path, char *resolved, size_t room)
{
   if (resolved && room < PATH_MAX)
      abort();
   return do_realpath(path, resolved);
}

/* --- extended attributes --- */

ssize_t getxattr(const char *path, const char *name, void *value, size_t size)
{
   char buffer[TYR_PATH_MAX];
   return NEXT(getxattr)(tyr_redirect_all(path, buffer), name, value, size);
}

ssize_t lgetxattr(const char *path, const char *name, void *value, size_t size)
{
   char buffer[TYR_PATH_MAX];
   return NEXT(lgetxattr)(tyr_redirect_all(path, buffer), name, value, size);
}

ssize_t listxattr(const char *path, char *list, size_t size)
{
   char buffer[TYR_PATH_MAX];
   return NEXT(listxattr)(tyr_redirect_all(path, buffer), list, size);
}

ssize_t llistxattr(const char *path, char *list, size_t size)
{
   char buffer[TYR_PATH_MAX];
   return NEXT(llistxattr)(tyr_redirect_all(path, buffer), list, size);
}

/* --- the current folder --- */

int chdir(const char *path)
{
   char buffer[TYR_PATH_MAX];
   return syscall(SYS_chdir, tyr_redirect_all(path, buffer)); /* between fork and exec, too */
}

static char *do_getcwd(char *out, size_t size)
{
   char *result = NEXT(getcwd)(out, size);
   if (result)
      result[tyr_strip(result, strlen(result))] = 0;
   return result;
}

char *getcwd(char *out, size_t size) { return do_getcwd(out, size); }
char *__getcwd_chk(char *out, size_t size, size_t room)
{
   if (size > room)
      abort();
   return do_getcwd(out, size);
}

char *get_current_dir_name(void)
{
   const char *named = getenv("PWD");
   struct stat here, there;
   if (named && named[0] == '/' && stat(".", &here) == 0 && stat(named, &there) == 0 && here.st_dev == there.st_dev &&
       here.st_ino == there.st_ino)
      return strdup(named);
   return do_getcwd(NULL, 0);
}

/* --- folders --- */

DIR *opendir(const char *path)
{
   char buffer[TYR_PATH_MAX];
   return NEXT(opendir)(tyr_redirect(path, buffer));
}

/* A placeholder's entry says that it is a device. */
static struct dirent *as_node(DIR *dir, struct dirent *entry)
{
   struct stat st;
   int saved = errno;
   if (entry && entry->d_type == DT_REG && names_node(entry->d_name) &&
       tyr_stat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && tyr_placeholder(&st) >> TYR_MINOR_BITS > 0)
      entry->d_type = DT_CHR;
   errno = saved;
   return entry;
}

#undef readdir64
#undef scandir64
#undef scandirat64
struct dirent *readdir(DIR *dir) { return as_node(dir, NEXT(readdir)(dir)); }
struct dirent64 *readdir64(DIR *dir) { return (struct dirent64 *)readdir(dir); }

int scandir(const char *path, struct dirent ***list, int (*filter)(const struct dirent *),
            int (*compare)(const struct dirent **, const struct dirent **))
{
   char buffer[TYR_PATH_MAX];
   return NEXT(scandir)(tyr_redirect(path, buffer), list, filter, compare);
}

int scandir64(const char *path, struct dirent64 ***list, int (*filter)(const struct dirent64 *),
              int (*compare)(const struct dirent64 **, const struct dirent64 **))
{
   return scandir(path, (struct dirent ***)list, (int (*)(const struct dirent *))filter,
                  (int (*)(const struct dirent **, const struct dirent **))compare);
}

int scandirat(int dirfd, const char *path, struct dirent ***list, int (*filter)(const struct dirent *),
              int (*compare)(const struct dirent **, const struct dirent **))
{
   char buffer[TYR_PATH_MAX], absolute[TYR_PATH_MAX];
   path = tyr_from_root(&dirfd, path, absolute);
   return NEXT(scandirat)(dirfd, tyr_redirect(path, buffer), list, filter, compare);
}
