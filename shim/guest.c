/*
 * The guest's root, as a process in it sees it: what TYR_GUEST says, and where a path of the guest is on this host.
 *
 * TYR_GUEST is "EMULATOR:ROOT:LIBRARY": the qemu-user program that runs the guest's programs (empty on a host that runs
 * them itself), the folder with the guest's files, and the folder with this library. Unset, as for programs of the host,
 * everything here stands aside.
 *
 * Everything here may be called in a signal handler and between vfork and exec: no locks, no heap, the kernel's calls.
 */
#include "tyr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define VARIABLE_MAX (3 * TYR_PATH_MAX)

static struct tyr_guest guest;
static char emulator[TYR_PATH_MAX], root[TYR_PATH_MAX], library[TYR_PATH_MAX];
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
   if (!third || second[1] != '/' || third[1] != '/' || strchr(third + 1, ':'))
      return;
   second++;
   third++;
   size_t lengths[3] = { second - 1 - value, third - 1 - second, strlen(third) };
   if (lengths[0] >= sizeof emulator || lengths[1] >= sizeof root || lengths[2] >= sizeof library)
      return;
   memcpy(emulator, value, lengths[0]);
   memcpy(root, second, lengths[1]);
   memcpy(library, third, lengths[2]);
   memcpy(variable, TYR_GUEST "=", sizeof TYR_GUEST);
   memcpy(variable + sizeof TYR_GUEST, value, strlen(value));
   guest.root_length = lengths[1];
   guest.emulator = emulator;
   guest.library = library;
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
