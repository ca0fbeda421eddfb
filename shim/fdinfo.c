/*
 * /proc/PID/fdinfo/N of a node's file: what the kernel would tell of it the machine tells.
 *
 * Descriptors of other processes are borrowed for the question (pidfd_getfd), which the kernel allows to whom it would show them.
 * What is not the machine's is left to the kernel.
 */
#include "tyr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The same numbers on all architectures. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

/* A number and nothing else, or -1. */
static long number(const char *text, char end)
{
   char *rest;
   if (text[0] < '0' || text[0] > '9')
      return -1;
   long value = strtol(text, &rest, 10);
   return *rest == end && value < 1 << 30 ? value : -1;
}

/* Takes "/proc/PID/FOLDER/N" apart. 0 if it is none. */
static int parse(const char *path, const char *folder, int *pid, int *fd)
{
   const char *rest = path + 6, *slash;
   if (strncmp(path, "/proc/", 6) != 0 || !(slash = strchr(rest, '/')))
      return 0;
   if (strncmp(rest, "self/", 5) == 0 || strncmp(rest, "thread-self/", 12) == 0)
      *pid = getpid();
   else if ((*pid = number(rest, '/')) < 0)
      return 0;
   size_t length = strlen(folder);
   if (strncmp(slash + 1, folder, length) != 0 || slash[1 + length] != '/')
      return 0;
   *fd = number(slash + 2 + length, 0);
   return *fd >= 0;
}

/* The same for a path that may be relative to an open folder of /proc. */
static int parse_at(int dirfd, const char *path, const char *folder, int *pid, int *fd)
{
   char link[32], name[64 + 16];
   if (path[0] == '/')
      return parse(path, folder, pid, fd);
   if (dirfd < 0 || number(path, 0) < 0)
      return 0;
   sprintf(link, "/proc/self/fd/%d", dirfd);
   ssize_t n = syscall(SYS_readlinkat, AT_FDCWD, link, name, 64);
   if (n <= 0 || n >= 64 || strlen(path) > 12)
      return 0;
   name[n] = '/';
   strcpy(name + n + 1, path);
   return parse(name, folder, pid, fd);
}

/* A descriptor of this process for one of another. -1 if there is none, or if it is not ours to see. */
static int borrow(int pid, int fd)
{
   if (pid == getpid())
      return fd;
   int process = syscall(SYS_pidfd_open, pid, 0);
   if (process < 0)
      return -1;
   int own = syscall(SYS_pidfd_getfd, process, fd, 0);
   close(process);
   return own;
}

static void give_back(int pid, int own)
{
   if (own >= 0 && pid != getpid())
      close(own);
}

HIDDEN int tyr_open_fdinfo(int dirfd, const char *path, int flags)
{
   int pid, fd, saved = errno, result = -1;
   if (!path || !tyr_enabled() || (flags & (O_ACCMODE | O_PATH)) != O_RDONLY || !parse_at(dirfd, path, "fdinfo", &pid, &fd))
      return -1;
   int own = borrow(pid, fd);
   if (own >= 0) {
      struct tyr_identity identity = tyr_identify(own);
      if (tyr_is_node(&identity)) {
         struct tyr_call call;
         tyr_about(&call, own, &identity);
         call.request.kind = TYR_REQUEST_FDINFO;
         if (tyr_call(&call) >= 0) {
            result = call.result_fd;
            if (result >= 0 && !(flags & O_CLOEXEC))
               fcntl(result, F_SETFD, 0);
         }
      }
   }
   give_back(pid, own);
   errno = saved;
   return result;
}

HIDDEN long tyr_foreign_node(int dirfd, const char *path)
{
   int pid, fd, saved = errno;
   long device = -1;
   if (!path || !tyr_enabled() || !parse_at(dirfd, path, "fd", &pid, &fd) || pid == getpid())
      return -1;
   int own = borrow(pid, fd);
   if (own >= 0) {
      struct tyr_identity identity = tyr_identify(own);
      if (tyr_is_node(&identity))
         device = identity.device;
   }
   give_back(pid, own);
   errno = saved;
   return device;
}
