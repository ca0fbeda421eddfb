/*
 * The guest's root, as a process in it sees it: what TYR_GUEST says, and where a path of the guest is on this host.
 *
 * TYR_GUEST is "EMULATOR:ROOT:LIBRARY": the qemu-user program that runs the guest's programs (empty on a host that runs
 * them itself), the folder with the guest's files, and the folder with this library. Where there is no emulator, folders may
 * follow in which the dynamic loader looks for libraries: ":A:B" first, "::C:D" last. Unset, as for programs of the host,
 * everything here stands aside.
 *
 * Everything here may be called in a signal handler and between vfork and exec: no locks, no heap, the kernel's calls.
 */
#include "tyr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VARIABLE_MAX (5 * TYR_PATH_MAX)

static struct tyr_guest guest;
static char emulator[TYR_PATH_MAX], root[TYR_PATH_MAX], library[TYR_PATH_MAX];
static char folders[TYR_PATH_MAX], behind[TYR_PATH_MAX];
static char variable[VARIABLE_MAX + sizeof TYR_GUEST], machine[TYR_PATH_MAX + sizeof TYR_ENVIRONMENT];
static volatile int known;

/* The value of `name` in the environment that this process was started with, even where it has cleared its own. */
HIDDEN const char *tyr_variable(const char *name, char *buffer, size_t size)
{
   const char *now = getenv(name);
   size_t length = strlen(name), at = 0, n = 0;
   int matches = 1, found = 0, saved = errno;
   char chunk[1024];
   ssize_t got;

   if (now)
      return strlen(now) < size ? strcpy(buffer, now) : NULL;
   int fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/environ", O_RDONLY | O_CLOEXEC);
   while (fd >= 0 && !found && (got = read(fd, chunk, sizeof chunk)) > 0) {
      for (ssize_t i = 0; i < got && !found; i++) {
         char c = chunk[i];
         if (at > length && matches && n < size) {
            buffer[n++] = c;
            found = c == 0;
         } else if (at > length || c != (at == length ? '=' : name[at])) {
            matches = 0;
         }
         at++;
         if (c == 0) { /* the next byte is the first of an assignment */
            at = n = 0;
            matches = 1;
         }
      }
   }
   if (fd >= 0)
      close(fd);
   errno = saved;
   return found ? buffer : NULL;
}

/* Threads that come here at once write the same bytes to the same places. */
static void initialise(void)
{
   char value[VARIABLE_MAX], folder[TYR_PATH_MAX];

   if (!tyr_variable(TYR_GUEST, value, sizeof value))
      return;
   const char *second = strchr(value, ':');
   const char *third = second ? strchr(second + 1, ':') : NULL;
   if (!third || second[1] != '/' || third[1] != '/')
      return;
   second++;
   third++;
   const char *fourth = third + strcspn(third, ":"), *last = strstr(fourth, "::");
   size_t lengths[4] = { second - 1 - value, third - 1 - second, fourth - third, last ? last - fourth : strlen(fourth) };
   if (lengths[0] >= sizeof emulator || lengths[1] >= sizeof root || lengths[2] >= sizeof library || lengths[3] >= sizeof folders)
      return;
   if (last && strlen(last + 2) >= sizeof behind)
      return;
   memcpy(emulator, value, lengths[0]);
   memcpy(root, second, lengths[1]);
   memcpy(library, third, lengths[2]);
   if (lengths[3])
      memcpy(folders, fourth + 1, lengths[3] - 1);
   if (last)
      strcpy(behind, last + 2);
   memcpy(variable, TYR_GUEST "=", sizeof TYR_GUEST);
   memcpy(variable + sizeof TYR_GUEST, value, strlen(value));
   guest.root_length = lengths[1];
   guest.emulator = emulator;
   guest.library = library;
   guest.folders = folders;
   guest.behind = behind;
   guest.variable = variable;
   if (tyr_variable(TYR_ENVIRONMENT, folder, sizeof folder)) {
      memcpy(machine, TYR_ENVIRONMENT "=", sizeof TYR_ENVIRONMENT);
      memcpy(machine + sizeof TYR_ENVIRONMENT, folder, strlen(folder));
      guest.machine = machine;
   }
   guest.root = root;
}

HIDDEN const struct tyr_guest *tyr_guest(void)
{
   if (!known) {
      initialise();
      known = 1;
   }
   return guest.root ? &guest : NULL;
}

/*
 * The host's kernel has named this process after the emulator, or after the dynamic loader; by its own name others know it (ps, gputop,
 * debugfs). Linux: fs/exec.c, begin_new_exec; fs/proc/base.c, comm_write: the name of the process is that of its first thread.
 */
HIDDEN void tyr_take_name(void)
{
   const char *name = program_invocation_short_name;
   int saved = errno;

   if (tyr_guest()) {
      int fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/comm", O_WRONLY | O_CLOEXEC);
      if (fd >= 0) {
         ssize_t written = write(fd, name, strlen(name));
         (void)written;
         close(fd);
      } else if (syscall(SYS_gettid) == getpid()) { /* a guest that may write to little */
         prctl(PR_SET_NAME, name);
      }
   }
   errno = saved;
}

HIDDEN int tyr_is_own_exe(const char *path)
{
   char own[32];
   if (!path || strncmp(path, "/proc/", 6) != 0)
      return 0;
   sprintf(own, "/proc/%d/exe", (int)getpid());
   return strcmp(path, "/proc/self/exe") == 0 || strcmp(path, "/proc/thread-self/exe") == 0 || strcmp(path, own) == 0;
}

/* The file that is mapped at `address`, out of /proc/self/maps. */
static ssize_t mapped_file(unsigned long address, char *out, size_t size)
{
   char chunk[1024];
   unsigned long ends[2] = { 0, 0 };
   int field = 0; /* 0, 1: the addresses; then what blanks separate; 6: the name */
   ssize_t got, n = 0;
   int fd = syscall(SYS_openat, AT_FDCWD, "/proc/self/maps", O_RDONLY | O_CLOEXEC), blank = 0, done = 0;
   while (fd >= 0 && !done && (got = read(fd, chunk, sizeof chunk)) > 0)
      for (ssize_t i = 0; i < got && !done; i++) {
         char c = chunk[i];
         if (c == '\n') {
            done = n > 0 && ends[0] <= address && address < ends[1];
            if (!done)
               ends[0] = ends[1] = field = n = blank = 0;
         } else if (field == 6) {
            if ((size_t)n < size)
               out[n++] = c;
         } else if (field == 0 && c == '-') {
            field = 1;
         } else if (c == ' ') {
            blank = 1;
         } else {
            if (blank && ++field == 6 && size)
               out[n++] = c;
            blank = 0;
            if (field < 2)
               ends[field] = ends[field] << 4 | (unsigned long)(c <= '9' ? c - '0' : c - 'a' + 10);
         }
      }
   if (fd >= 0)
      close(fd);
   return done ? n : -1;
}

HIDDEN ssize_t tyr_own_exe(char *out, size_t size)
{
   const struct tyr_guest *guest = tyr_guest();
   ssize_t n = -1;
   if (guest && !guest->emulator[0]) /* started by the guest's loader, which is what the kernel knows */
      n = mapped_file(getauxval(AT_ENTRY), out, size);
   return n > 0 ? n : syscall(SYS_readlinkat, AT_FDCWD, "/proc/self/exe", out, size);
}

HIDDEN int tyr_in_root(const char *path, char buffer[TYR_PATH_MAX])
{
   const struct tyr_guest *guest = tyr_guest();
   struct stat st;
   int saved = errno;

   if (!guest || !path || path[0] != '/' || guest->root_length + strlen(path) >= TYR_PATH_MAX)
      return 0;
   memcpy(buffer, guest->root, guest->root_length);
   strcpy(buffer + guest->root_length, path);
   int there = tyr_stat(AT_FDCWD, buffer, &st, AT_SYMLINK_NOFOLLOW) == 0;
   errno = saved;
   return there;
}

HIDDEN int tyr_of_the_guest(const char *path)
{
   static const char folders[5][8] = { "/usr", "/bin", "/sbin", "/lib", "/lib64" };
   for (int i = 0; i < 5; i++) {
      size_t n = strlen(folders[i]);
      if (strncmp(path, folders[i], n) == 0 && (path[n] == '/' || path[n] == 0))
         return 1;
   }
   return 0;
}
