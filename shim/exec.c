/*
 * The exec family. In a program of the guest, each turns into the command line that runs the file on this host (start.c);
 * in one of the host, into the kernel's call. The C library's own call the kernel inside, so all of them are here.
 *
 * Safe in a signal handler and between vfork and exec, as far as the C library's are: the stack alone, no lock.
 */
#include "tyr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

extern char **environ;

static int call_kernel(void *context, const char *file, char **argv, char **envp)
{
   (void)context;
   return syscall(SYS_execve, file, argv, envp);
}

static int run(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
   struct tyr_start start;

   if (!tyr_guest() || !path || (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)))
      return dirfd == AT_FDCWD && !flags ? syscall(SYS_execve, path, argv, envp)
                                         : syscall(SYS_execveat, dirfd, path, argv, envp, flags);
   int error = tyr_find_start(&start, dirfd, path, flags, argv && argv[0] ? argv[0] : "");
   if (error) {
      errno = error;
      return -1;
   }
   return tyr_with_start(&start, argv, envp, call_kernel, NULL);
}

int execve(const char *path, char *const argv[], char *const envp[]) { return run(AT_FDCWD, path, argv, envp, 0); }
int execv(const char *path, char *const argv[]) { return run(AT_FDCWD, path, argv, environ, 0); }
int fexecve(int fd, char *const argv[], char *const envp[])
{
   return run(fd, "", argv, envp, AT_EMPTY_PATH);
}
int execveat(int dirfd, const char *path, char *const argv[], char *const envp[], int flags)
{
   return run(dirfd, path, argv, envp, flags);
}

/* --- PATH --- */

HIDDEN int tyr_search(const char *file, int (*attempt)(void *context, const char *path), void *context)
{
   char path[TYR_PATH_MAX];
   size_t length = strlen(file);
   int denied = 0;

   if (!length)
      return ENOENT;
   if (strchr(file, '/'))
      return attempt(context, file);
   if (length > 255)
      return ENAMETOOLONG;
   const char *folder = getenv("PATH");
   if (!folder)
      folder = "/bin:/usr/bin"; /* confstr(_CS_PATH) */
   for (;; folder++) {
      size_t n = strcspn(folder, ":");
      if (n + 1 + length < sizeof path) {
         memcpy(path, folder, n);
         if (n)
            path[n++] = '/';
         strcpy(path + n, file);
         folder += strcspn(folder, ":");
         int error = attempt(context, path);
         if (error == EACCES)
            denied = 1;
         else if (error != ENOENT && error != ENOTDIR && error != ESTALE && error != ENODEV && error != ETIMEDOUT)
            return error;
      } else {
         folder += n;
      }
      if (!*folder)
         return denied ? EACCES : ENOENT;
   }
}

struct words {
   char *const *argv;
   char *const *envp;
};

static int try_exec(void *context, const char *path)
{
   struct words *words = context;
   run(AT_FDCWD, path, words->argv, words->envp, 0);
   if (errno != ENOEXEC)
      return errno;
   /* A file without a magic number is a shell's, as execvp(3) has it. */
   size_t n = 0;
   while (words->argv[n])
      n++;
   char *shell[n + 3];
   shell[0] = "/bin/sh";
   shell[1] = (char *)path;
   for (size_t i = 1; i < n; i++)
      shell[i + 1] = words->argv[i];
   shell[n > 1 ? n + 1 : 2] = NULL;
   run(AT_FDCWD, shell[0], shell, words->envp, 0);
   return errno;
}

int execvpe(const char *file, char *const argv[], char *const envp[])
{
   struct words words = { argv, envp };
   errno = tyr_search(file, try_exec, &words);
   return -1;
}

int execvp(const char *file, char *const argv[]) { return execvpe(file, argv, environ); }

/* --- words as arguments --- */

enum kind { BY_PATH, BY_NAME, WITH_ENVIRONMENT };

static size_t count_words(va_list list)
{
   size_t n = 1;
   while (va_arg(list, char *))
      n++;
   return n;
}

/* From `first`, `n` words, and an environment behind their NULL where there is one. */
static int run_list(enum kind kind, const char *path, const char *first, size_t n, va_list list)
{
   char *argv[n + 1];
   argv[0] = (char *)first;
   for (size_t i = 1; i <= n; i++)
      argv[i] = va_arg(list, char *);
   if (kind == BY_NAME)
      return execvp(path, argv);
   return run(AT_FDCWD, path, argv, kind == WITH_ENVIRONMENT ? va_arg(list, char **) : environ, 0);
}

#define RUN_LIST(kind) \
   va_list list; \
   va_start(list, first); \
   size_t n = count_words(list); \
   va_end(list); \
   va_start(list, first); \
   int r = run_list(kind, path, first, n, list); \
   va_end(list); \
   return r;

int execl(const char *path, const char *first, ...) { RUN_LIST(BY_PATH) }
int execlp(const char *path, const char *first, ...) { RUN_LIST(BY_NAME) }
int execle(const char *path, const char *first, ...) { RUN_LIST(WITH_ENVIRONMENT) }
