/*
 * Which paths belong to the machine or to the guest's root, and where they are.
 *
 * The tree (TYR_MACHINE/root) holds real files, folders and relative links, so that whatever is opened there behaves as a
 * file does. A device node in it is a placeholder: a regular file with the sticky bit, whose size is the node's number.
 * All of /sys that is about devices is the machine's: what it does not have is not there, whatever the host has.
 */
#include "tyr.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char machine[TYR_PATH_MAX];
static char root[TYR_PATH_MAX];
static size_t root_length;
static dev_t root_device;
/* The host's root folder, and the guest's. */
static struct {
   ino_t inode;
   dev_t device;
} roots[2];
static pthread_once_t once = PTHREAD_ONCE_INIT;

HIDDEN int tyr_stat(int dirfd, const char *path, struct stat *st, int flags)
{
   return syscall(SYS_newfstatat, dirfd, path, st, flags);
}

static void initialise(void)
{
   char folder[TYR_PATH_MAX - sizeof "/" TYR_TREE];
   struct stat st;
   if (!tyr_variable(TYR_ENVIRONMENT, folder, sizeof folder) || folder[0] != '/')
      return;
   strcpy(machine, folder);
   snprintf(root, sizeof root, "%s/%s", folder, TYR_TREE);
   root_length = strlen(root);
   if (tyr_stat(AT_FDCWD, root, &st, 0) == 0)
      root_device = st.st_dev;
   /* The host's by a name that qemu-user leaves alone. */
   const char *names[2] = { "/proc/self/root", tyr_guest() ? tyr_guest()->root : "/proc/self/root" };
   for (int i = 0; i < 2; i++)
      if (tyr_stat(AT_FDCWD, names[i], &st, 0) == 0) {
         roots[i].inode = st.st_ino;
         roots[i].device = st.st_dev;
      }
}

HIDDEN int tyr_enabled(void)
{
   pthread_once(&once, initialise);
   return root_length != 0;
}

HIDDEN int tyr_machine_path(const char *name, char *buffer, size_t size)
{
   if (!tyr_enabled() || strlen(machine) + strlen(name) + 2 > size)
      return 0;
   sprintf(buffer, "%s/%s", machine, name);
   return 1;
}

/* `path` without doubled slashes and "." parts; 0 if it does not fit. */
static int clean(const char *path, char *out, size_t size)
{
   size_t n = 0;
   while (*path) {
      size_t length = strcspn(path, "/");
      if (length && !(length == 1 && path[0] == '.')) {
         if (n + 1 + length + 1 > size)
            return 0;
         out[n++] = '/';
         memcpy(out + n, path, length);
         n += length;
      }
      path += length;
      path += strspn(path, "/");
   }
   out[n] = 0;
   return 1;
}

static int below(const char *path, const char *folder)
{
   size_t n = strlen(folder);
   return strncmp(path, folder, n) == 0 && (path[n] == 0 || path[n] == '/');
}

/* What of /sys says nothing about devices that a machine could have: it stays the host's. */
static int host_knows_better(const char *path)
{
   if (below(path, "/sys/kernel/debug"))
      return 0;
   static const char folders[5][24] = { "/sys/devices/system", "/sys/fs", "/sys/kernel", "/sys/module", "/sys/power" };
   for (int i = 0; i < 5; i++)
      if (below(path, folders[i]))
         return 1;
   return 0;
}

static int ours(const char *path)
{
   return below(path, "/dev/dri") || below(path, "/dev/input") || below(path, "/run/udev") || (below(path, "/sys") && !host_knows_better(path));
}

HIDDEN const char *tyr_redirect(const char *path, char buffer[TYR_PATH_MAX])
{
   char plain[TYR_PATH_MAX];
   if (!path || path[0] != '/')
      return path;
   const char *start = path + strspn(path, "/");
   if (strncmp(start, "dev", 3) != 0 && strncmp(start, "sys", 3) != 0 && strncmp(start, "run", 3) != 0)
      return tyr_guest() && !tyr_guest()->emulator[0] && *start && tyr_in_root(path, buffer) ? buffer : path;
   if (!tyr_enabled() || !clean(path, plain, sizeof plain) || !ours(plain))
      return path;
   if (root_length + strlen(plain) + 1 > TYR_PATH_MAX)
      return path;
   memcpy(buffer, root, root_length);
   strcpy(buffer + root_length, plain);
   return buffer;
}

HIDDEN const char *tyr_from_root(int *dirfd, const char *path, char buffer[TYR_PATH_MAX])
{
   struct stat st;
   if (!path || !path[0] || path[0] == '/' || *dirfd < 0 || !tyr_enabled() || strlen(path) + 2 > TYR_PATH_MAX)
      return path;
   if (tyr_stat(*dirfd, "", &st, AT_EMPTY_PATH) < 0)
      return path;
   for (int i = 0; i < 2; i++)
      if (st.st_ino == roots[i].inode && st.st_dev == roots[i].device) {
         buffer[0] = '/';
         strcpy(buffer + 1, path);
         *dirfd = AT_FDCWD;
         return buffer;
      }
   return path;
}

HIDDEN const char *tyr_redirect_all(const char *path, char buffer[TYR_PATH_MAX])
{
   const char *use = tyr_redirect(path, buffer);
   return use == path && path && path[0] == '/' && path[strspn(path, "/")] && tyr_in_root(path, buffer) ? buffer : use;
}

static size_t strip(char *path, size_t length, const char *folder, size_t folder_length)
{
   if (length <= folder_length || memcmp(path, folder, folder_length) != 0 || path[folder_length] != '/')
      return length;
   memmove(path, path + folder_length, length - folder_length);
   return length - folder_length;
}

HIDDEN size_t tyr_strip(char *path, size_t length)
{
   const struct tyr_guest *guest = tyr_guest();
   if (tyr_enabled())
      length = strip(path, length, root, root_length);
   return guest ? strip(path, length, guest->root, guest->root_length) : length;
}

HIDDEN int tyr_descriptor_path(const char *path)
{
   /* Arrays, not pointers: tcc 0.9.27 for arm64 leaves pointers in initialised data without a relocation. */
   static const char folders[3][24] = { "/proc/self/fd/", "/dev/fd/", "/proc/thread-self/fd/" };
   const char *number = NULL;
   char own[32];

   if (!path || path[0] != '/' || (path[1] != 'p' && path[1] != 'd'))
      return -1;
   for (int i = 0; i < 3; i++)
      if (strncmp(path, folders[i], strlen(folders[i])) == 0)
         number = path + strlen(folders[i]);
   if (!number && strncmp(path, "/proc/", 6) == 0 && path[6] >= '1' && path[6] <= '9') {
      int n = snprintf(own, sizeof own, "/proc/%d/fd/", (int)getpid());
      if (strncmp(path, own, n) == 0)
         number = path + n;
   }
   if (!number || number[0] < '0' || number[0] > '9')
      return -1;
   char *end;
   long fd = strtol(number, &end, 10);
   return *end == 0 && fd < 1 << 24 ? (int)fd : -1;
}

HIDDEN int tyr_placeholder(const struct stat *st)
{
   if (!S_ISREG(st->st_mode) || !(st->st_mode & S_ISVTX) || !tyr_enabled() || st->st_dev != root_device)
      return -1;
   return (int)st->st_size;
}

HIDDEN int tyr_marked(const struct stat *st)
{
   return S_ISREG(st->st_mode) && (st->st_mode & S_ISGID) && tyr_enabled() && st->st_dev == root_device;
}

HIDDEN int tyr_is_attribute(int fd)
{
   struct stat st;
   int saved = errno;
   int is = tyr_enabled() && tyr_stat(fd, "", &st, AT_EMPTY_PATH) == 0 && tyr_marked(&st);
   errno = saved;
   return is;
}

HIDDEN int tyr_in_sys(int fd)
{
   char link[32], name[TYR_PATH_MAX];
   struct stat st;
   if (!tyr_enabled() || tyr_stat(fd, "", &st, AT_EMPTY_PATH) < 0 || st.st_dev != root_device)
      return 0;
   sprintf(link, "/proc/self/fd/%d", fd);
   ssize_t n = syscall(SYS_readlinkat, AT_FDCWD, link, name, sizeof name - 1);
   if (n <= (ssize_t)root_length || memcmp(name, root, root_length) != 0)
      return 0;
   name[n] = 0;
   return below(name + root_length, "/sys");
}
