/*
 * Children that the C library starts by itself: posix_spawn, system, popen.
 *
 * It calls the kernel inside, so the command line is found before: posix_spawn gets the emulator's. That also makes its
 * errors right, which under qemu-user get lost (its vfork is a fork, so the child cannot tell the parent). A program of
 * the host gets the C library's own.
 */
#include "tyr.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

DECLARE_NEXT(posix_spawn);
DECLARE_NEXT(posix_spawnp);
DECLARE_NEXT(system);
DECLARE_NEXT(popen);
DECLARE_NEXT(pclose);

/*
 * A file action as the C library keeps it (glibc posix/spawn_int.h): nothing else tells where a child will be when its
 * program is looked up.
 */
enum { DO_CHDIR = 3, DO_FCHDIR = 4 };
struct action {
   int what;
   union {
      char *path;
      int fd;
      long rest[3];
   } to;
};

/* As the kernel finds it: the C library's chdir in the child is not looked up in the guest's root. */
static int open_folder(int folder, const char *path)
{
   static const char host[] = "/proc/self/root";
   char buffer[TYR_PATH_MAX];
   if (path[0] == '/') {
      if (strlen(path) + sizeof host > sizeof buffer) {
         errno = ENAMETOOLONG;
         return -1;
      }
      strcpy(buffer, host);
      path = strcat(buffer, path);
   }
   return syscall(SYS_openat, folder, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* The folder that the actions change to: a descriptor, AT_FDCWD if they do not, -1 and errno if they cannot. */
static int folder_after(const posix_spawn_file_actions_t *actions)
{
   const struct action *action = actions ? (const struct action *)actions->__actions : NULL;
   int folder = AT_FDCWD;
   for (int i = 0; actions && i < actions->__used && folder != -1; i++) {
      int next;
      if (action[i].what == DO_CHDIR)
         next = open_folder(folder, action[i].to.path);
      else if (action[i].what == DO_FCHDIR)
         next = fcntl(action[i].to.fd, F_DUPFD_CLOEXEC, 3);
      else
         continue;
      if (folder >= 0)
         close(folder);
      folder = next;
   }
   return folder;
}

struct spawn {
   pid_t *pid;
   int folder; /* where the program will be looked up */
   const posix_spawn_file_actions_t *actions;
   const posix_spawnattr_t *attributes;
   char *const *argv;
   char *const *envp;
};

static int call_spawn(void *context, const char *file, char **argv, char **envp)
{
   struct spawn *spawn = context;
   return NEXT(posix_spawn)(spawn->pid, file, spawn->actions, spawn->attributes, argv, envp);
}

/* Returns 0 or an errno. */
static int start_path(void *context, const char *path)
{
   struct spawn *spawn = context;
   struct tyr_start start;
   int saved = errno;
   const char *argv0 = spawn->argv && spawn->argv[0] ? spawn->argv[0] : "";
   int error = tyr_find_start(&start, spawn->folder, path, TYR_WILL_BE_THERE, argv0);
   if (!error) {
      error = tyr_with_start(&start, spawn->argv, spawn->envp, call_spawn, spawn);
      if (error < 0)
         error = errno;
   }
   errno = saved;
   return error;
}

static int start_name(void *context, const char *name)
{
   return tyr_search(name, start_path, context);
}

static int start(int (*how)(void *context, const char *what), pid_t *pid, const char *what,
                 const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attributes, char *const argv[],
                 char *const envp[])
{
   struct spawn spawn = { pid, folder_after(actions), actions, attributes, argv, envp };
   if (spawn.folder == -1)
      return errno;
   int error = how(&spawn, what);
   if (spawn.folder >= 0)
      close(spawn.folder);
   return error;
}

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
   if (!tyr_guest())
      return NEXT(posix_spawn)(pid, path, actions, attributes, argv, envp);
   return start(start_path, pid, path, actions, attributes, argv, envp);
}

int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, char *const argv[], char *const envp[])
{
   if (!tyr_guest())
      return NEXT(posix_spawnp)(pid, file, actions, attributes, argv, envp);
   return start(start_name, pid, file, actions, attributes, argv, envp);
}

static int spawn_shell(pid_t *pid, const char *command, const posix_spawn_file_actions_t *actions,
                       const posix_spawnattr_t *attributes)
{
   char *argv[4];
   argv[0] = "sh";
   argv[1] = "-c";
   argv[2] = (char *)command;
   argv[3] = NULL;
   return posix_spawn(pid, "/bin/sh", actions, attributes, argv, environ);
}

static pid_t wait_for(pid_t pid, int *status)
{
   pid_t r;
   do
      r = waitpid(pid, status, 0);
   while (r < 0 && errno == EINTR);
   return r;
}

/* --- system --- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int waiting; /* threads in system(): the first sets the signals aside, the last puts them back */
static struct sigaction old_interrupt, old_quit;

/* Not cancelled halfway: a cancellation waits for the command. */
int system(const char *command)
{
   struct sigaction ignore;
   posix_spawnattr_t attributes;
   sigset_t block, before, defaults;
   pid_t pid;
   int status = -1, cancel;

   if (!tyr_guest())
      return NEXT(system)(command);
   if (!command)
      return system("exit 0") == 0;

   pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
   memset(&ignore, 0, sizeof ignore);
   ignore.sa_handler = SIG_IGN;
   sigemptyset(&defaults);
   pthread_mutex_lock(&lock);
   if (waiting++ == 0) {
      sigaction(SIGINT, &ignore, &old_interrupt);
      sigaction(SIGQUIT, &ignore, &old_quit);
   }
   if (old_interrupt.sa_handler != SIG_IGN)
      sigaddset(&defaults, SIGINT);
   if (old_quit.sa_handler != SIG_IGN)
      sigaddset(&defaults, SIGQUIT);
   pthread_mutex_unlock(&lock);
   sigemptyset(&block);
   sigaddset(&block, SIGCHLD);
   pthread_sigmask(SIG_BLOCK, &block, &before);

   posix_spawnattr_init(&attributes);
   posix_spawnattr_setsigmask(&attributes, &before);
   posix_spawnattr_setsigdefault(&attributes, &defaults);
   posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
   int error = spawn_shell(&pid, command, NULL, &attributes);
   posix_spawnattr_destroy(&attributes);
   if (error)
      status = W_EXITCODE(127, 0);
   else if (wait_for(pid, &status) != pid)
      status = -1;

   pthread_mutex_lock(&lock);
   if (--waiting == 0) {
      sigaction(SIGINT, &old_interrupt, NULL);
      sigaction(SIGQUIT, &old_quit, NULL);
   }
   pthread_mutex_unlock(&lock);
   pthread_sigmask(SIG_SETMASK, &before, NULL);
   pthread_setcancelstate(cancel, NULL);
   if (error)
      errno = error;
   return status;
}

/* --- popen --- */

struct opened {
   struct opened *next;
   FILE *stream;
   int fd;
   pid_t pid;
};

static struct opened *streams;

static FILE *open_command(const char *command, int reads, int cloexec)
{
   posix_spawn_file_actions_t actions;
   int ends[2], mine = reads ? 0 : 1, error = 0;
   struct opened *opened = malloc(sizeof *opened);
   FILE *stream = NULL;

   if (!opened)
      return NULL;
   if (pipe2(ends, O_CLOEXEC) < 0) {
      free(opened);
      return NULL;
   }
   int theirs = ends[!mine];
   if (theirs == !mine) { /* where the child wants it, dup2 would leave it closed on exec */
      theirs = fcntl(theirs, F_DUPFD_CLOEXEC, 3);
      error = theirs < 0 ? errno : 0;
      close(ends[!mine]);
   }
   if (!error)
      stream = fdopen(ends[mine], reads ? "r" : "w");
   if (!error && !stream)
      error = errno;
   if (!error) {
      posix_spawn_file_actions_init(&actions);
      posix_spawn_file_actions_adddup2(&actions, theirs, reads ? 1 : 0);
      pthread_mutex_lock(&lock);
      for (struct opened *other = streams; other; other = other->next)
         if (other->fd != (reads ? 1 : 0))
            posix_spawn_file_actions_addclose(&actions, other->fd);
      error = spawn_shell(&opened->pid, command, &actions, NULL);
      if (!error) {
         opened->stream = stream;
         opened->fd = ends[mine];
         opened->next = streams;
         streams = opened;
      }
      pthread_mutex_unlock(&lock);
      posix_spawn_file_actions_destroy(&actions);
   }
   if (theirs >= 0)
      close(theirs);
   if (!error) {
      if (!cloexec)
         fcntl(ends[mine], F_SETFD, 0);
      return stream;
   }
   if (stream)
      fclose(stream);
   else
      close(ends[mine]);
   free(opened);
   errno = error;
   return NULL;
}

FILE *popen(const char *command, const char *mode)
{
   int reads = 0, writes = 0, cloexec = 0;

   if (!tyr_guest())
      return NEXT(popen)(command, mode);
   for (; *mode; mode++) {
      if (*mode == 'r' && !writes)
         reads = 1;
      else if (*mode == 'w' && !reads)
         writes = 1;
      else if (*mode == 'e')
         cloexec = 1;
      else
         reads = writes = 2;
   }
   if (reads + writes != 1) {
      errno = EINVAL;
      return NULL;
   }
   return open_command(command, reads, cloexec);
}

int pclose(FILE *stream)
{
   struct opened *found = NULL;
   int status;

   pthread_mutex_lock(&lock);
   for (struct opened **at = &streams; *at && !found; at = found ? at : &(*at)->next)
      if ((*at)->stream == stream) {
         found = *at;
         *at = found->next;
      }
   pthread_mutex_unlock(&lock);
   if (!found)
      return NEXT(pclose)(stream);
   pid_t pid = found->pid;
   free(found);
   fclose(stream);
   return wait_for(pid, &status) == pid ? status : -1;
}
