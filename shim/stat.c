/*
 * /proc/PID/stat of this process. qemu-user makes it up, and says there that the process began when the emulator did; the kernel, and so
 * whoever looks at it from outside, says when it was forked. Programs tell processes from later ones of the same number by that (polkit),
 * so it has to be the same to all. The rest is the emulator's.
 *
 * Source: qemu `linux-user/syscall.c` (open_self_stat, maybe_do_fake_open: what is named from an open folder is the kernel's).
 */
#include "tyr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* proc_pid_stat(5): the start time is field 22, the 20th behind the name. */
#define START_TIME 20
#define ROOM 1024

static int is_own(const char *path)
{
   char own[32];
   sprintf(own, "/proc/%d/stat", getpid());
   return strcmp(path, "/proc/self/stat") == 0 || strcmp(path, own) == 0;
}

static int read_at(int dirfd, const char *path, char text[ROOM])
{
   int fd = syscall(SYS_openat, dirfd, path, O_RDONLY | O_CLOEXEC, 0);
   if (fd < 0)
      return 0;
   ssize_t n = read(fd, text, ROOM - 1);
   close(fd);
   text[n > 0 ? n : 0] = 0;
   return n > 0;
}

/* Its start time, and in *end where it ends; NULL if the text is none. The name may hold anything. */
static const char *start_time(const char *text, const char **end)
{
   const char *at = strrchr(text, ')');
   for (int i = 0; at && i < START_TIME; i++)
      if ((at = strchr(at, ' ')))
         at++;
   if (!at)
      return NULL;
   *end = at + strcspn(at, " \n");
   return at;
}

HIDDEN int tyr_open_stat(const char *path, int flags)
{
   char made_up[ROOM], true_one[ROOM], text[2 * ROOM];
   const char *begin, *end, *time, *time_end;
   int saved = errno, result = -1, folder;
   if (!path || strncmp(path, "/proc/", 6) != 0 || (flags & (O_ACCMODE | O_PATH)) != O_RDONLY || !is_own(path))
      return -1;
   folder = syscall(SYS_openat, AT_FDCWD, "/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
   if (folder >= 0 && read_at(AT_FDCWD, "/proc/self/stat", made_up) && read_at(folder, "stat", true_one) &&
       (begin = start_time(made_up, &end)) && (time = start_time(true_one, &time_end)) &&
       (end - begin != time_end - time || strncmp(begin, time, end - begin) != 0)) {
      int n = sprintf(text, "%.*s%.*s%s", (int)(begin - made_up), made_up, (int)(time_end - time), time, end);
      result = memfd_create("stat", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
      if (result >= 0 && (write(result, text, n) != n || lseek(result, 0, SEEK_SET) != 0)) {
         close(result);
         result = -1;
      }
   }
   if (folder >= 0)
      close(folder);
   errno = saved;
   return result;
}
