/*
 * Starts other programs in every way that the C library has. Each scenario prints what it sees; src/host/exec.test.ts
 * knows what that has to be.
 *
 * Usage: exec SCENARIO [ARGS…]
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drm/drm.h>

extern char **environ;

#define NODE "/dev/dri/renderD128"
#define NEED(condition) need(!!(condition), #condition, __LINE__)

static void need(int condition, const char *text, int line)
{
   if (condition)
      return;
   fprintf(stderr, "exec.c:%d: %s: %s\n", line, text, strerror(errno));
   exit(1);
}

static const char *self; /* this program's path */

static const char *error(int number)
{
   return number ? strerrorname_np(number) : "0";
}

/* What a child sees: how it was called, what it inherited, and whether the machine's node is before it. */
static void show(int argc, char **argv)
{
   struct stat st;
   printf("%s", argv[0]);
   for (int i = 2; i < argc; i++)
      printf(" %s", argv[i]);
   const char *given = getenv("GIVEN");
   char exe[4096];
   ssize_t n = readlink("/proc/self/exe", exe, sizeof exe);
   const char *name = memrchr(exe, '/', n > 0 ? n : 0);
   printf(" exe=%.*s", name ? (int)(exe + n - name - 1) : 0, name ? name + 1 : "");
   printf(" given=%s node=%d\n", given ? given : "none", stat(NODE, &st) == 0 && S_ISCHR(st.st_mode));
   fflush(stdout);
}

/* Runs `call` in a child made by fork and tells if it returned. */
#define CHILD(name, call) do { \
   fflush(stdout); \
   pid_t child = fork(); \
   if (child == 0) { \
      call; \
      printf("%s %s\n", name, error(errno)); \
      fflush(stdout); \
      _exit(1); \
   } \
   int status_; \
   NEED(waitpid(child, &status_, 0) == child); \
} while (0)

static void family(void)
{
   char *argv[4] = { NULL, "show", "x y", NULL };
   char *given[2] = { "GIVEN=1", NULL }, *nothing[1] = { NULL };
   char folder[4096], list[4200];
   int status;
   pid_t pid;

   strcpy(folder, self);
   *strrchr(folder, '/') = 0;
   snprintf(list, sizeof list, "/nowhere:%s", folder);
   setenv("PATH", list, 1);

   argv[0] = "execve"; CHILD("execve", execve(self, argv, given));
   argv[0] = "nothing"; CHILD("nothing", execve(self, argv, nothing));
   argv[0] = "execv"; CHILD("execv", execv(self, argv));
   argv[0] = "execvp"; CHILD("execvp", execvp("exec", argv));
   argv[0] = "execvpe"; CHILD("execvpe", execvpe("exec", argv, given));
   CHILD("execl", execl(self, "execl", "show", "1", "2", "3", "4", "5", "6", "7", "8", "9", NULL));
   CHILD("execlp", execlp("exec", "execlp", "show", NULL));
   CHILD("execle", execle(self, "execle", "show", "z", NULL, given));
   int fd = open(self, O_RDONLY), cloexec = open(self, O_RDONLY | O_CLOEXEC), dir = open(folder, O_PATH | O_CLOEXEC);
   NEED(fd >= 0 && cloexec >= 0 && dir >= 0);
   argv[0] = "fexecve"; CHILD("fexecve", fexecve(fd, argv, given));
   argv[0] = "fexecve-cloexec"; CHILD("fexecve-cloexec", fexecve(cloexec, argv, given));
   argv[0] = "execveat"; CHILD("execveat", execveat(dir, "exec", argv, given, 0));
   argv[0] = "execveat-empty"; CHILD("execveat-empty", execveat(cloexec, "", argv, given, AT_EMPTY_PATH));
   argv[0] = "relative"; CHILD("relative", NEED(chdir(folder) == 0); execve("./exec", argv, given));
   argv[0] = "here"; CHILD("here", NEED(chdir(folder) == 0); setenv("PATH", ":/nowhere", 1); execvp("exec", argv));

   /* A program in memory alone. */
   struct stat st;
   int memory = memfd_create("program", MFD_CLOEXEC);
   NEED(fstat(fd, &st) == 0);
   char *bytes = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
   NEED(memory >= 0 && write(memory, bytes, st.st_size) == st.st_size);
   argv[0] = "memfd"; CHILD("memfd", fexecve(memory, argv, given));

   fflush(stdout);
   argv[0] = "vfork";
   pid = vfork();
   if (pid == 0) {
      execve(self, argv, given);
      _exit(1);
   }
   NEED(waitpid(pid, &status, 0) == pid);

   argv[0] = "posix_spawn";
   NEED(posix_spawn(&pid, self, NULL, NULL, argv, given) == 0 && waitpid(pid, &status, 0) == pid);
   argv[0] = "posix_spawnp";
   NEED(posix_spawnp(&pid, "exec", NULL, NULL, argv, environ) == 0 && waitpid(pid, &status, 0) == pid);

   /* In another folder, and with its output elsewhere. */
   posix_spawn_file_actions_t actions;
   int ends[2];
   char line[200];
   NEED(pipe2(ends, O_CLOEXEC) == 0);
   posix_spawn_file_actions_init(&actions);
   posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
   posix_spawn_file_actions_addchdir_np(&actions, "/");
   posix_spawn_file_actions_addchdir_np(&actions, folder + 1);
   argv[0] = "spawn-elsewhere";
   int r = posix_spawn(&pid, "./exec", &actions, NULL, argv, given);
   if (r)
      printf("spawn-elsewhere %s\n", error(r));
   else
      NEED(waitpid(pid, &status, 0) == pid);
   close(ends[1]);
   ssize_t n = read(ends[0], line, sizeof line);
   printf("piped %.*s", (int)(n > 0 ? n : 0), line);
   posix_spawn_file_actions_destroy(&actions);
}

/* Where paths lead. */
static void real(char **paths)
{
   char out[4096];
   for (; *paths; paths++) {
      const char *path = realpath(*paths, out);
      printf("%s\n", path ? path : error(errno));
   }
}

/* Loads libraries by their names, and says which files they are; then the same in a child. */
static void load(char **names)
{
   char line[5000];
   for (char **name = names; *name; name++) {
      const char *file = strrchr(*name, '/') ? strrchr(*name, '/') + 1 : *name, *path = NULL;
      FILE *maps = dlopen(*name, RTLD_NOW) ? fopen("/proc/self/maps", "r") : NULL;
      while (maps && !path && fgets(line, sizeof line, maps)) {
         line[strcspn(line, "\n")] = 0;
         path = strrchr(line, '/') && !strcmp(strrchr(line, '/') + 1, file) ? strchr(line, '/') : NULL;
      }
      printf("%s\n", path ? path : "none");
      if (maps)
         fclose(maps);
   }
   fflush(stdout);
   if (getenv("LOADED"))
      return;
   setenv("LOADED", "yes", 1);
   execv(self, (char *[]) { (char *)self, "load", names[0], names[1], names[2], NULL });
   NEED(0);
}

static void shell(void)
{
   char command[5000], line[200];
   setenv("PATH", "/usr/bin:/bin", 1);
   snprintf(command, sizeof command, "exec '%s' show system", self);
   fflush(stdout);
   printf("system %d\n", system(command));
   printf("status %d\n", WEXITSTATUS(system("exit 7")));
   printf("signal %d\n", WTERMSIG(system("kill -9 $$")));
   printf("shell %d\n", system(NULL) != 0);

   snprintf(command, sizeof command, "'%s' show popen; exit 3", self);
   FILE *stream = popen(command, "re");
   NEED(stream && fgets(line, sizeof line, stream));
   printf("read %s", line);
   printf("closed %d\n", WEXITSTATUS(pclose(stream)));
   fflush(stdout);
   stream = popen("read line; echo \"wrote $line\"", "w");
   NEED(stream);
   fputs("hello\n", stream);
   printf("closed %d\n", WEXITSTATUS(pclose(stream)));
   printf("mode %s\n", popen("true", "x") ? "opened" : error(errno));
   fflush(stdout);
}

static void put(const char *path, const char *text, mode_t mode)
{
   int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
   NEED(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
   NEED(fchmod(fd, mode) == 0 && close(fd) == 0);
}

#define REFUSED(name, path) do { \
   char *argv_[2] = { "x", NULL }; \
   pid_t pid_; \
   CHILD(name, execve(path, argv_, environ)); \
   int r_ = posix_spawn(&pid_, path, NULL, NULL, argv_, environ), status_; \
   if (r_ == 0) \
      NEED(waitpid(pid_, &status_, 0) == pid_); \
   printf("%s spawn %s\n", name, error(r_)); \
} while (0)

/* In the folder `folder`: what cannot be executed, and why. */
static void refused(const char *folder)
{
   NEED(chdir(folder) == 0);
   put("text", "hello\n", 0755);
   put("plain", "#!/bin/sh\n", 0644);
   put("lost", "#!/no/such/interpreter\n", 0755);
   put("empty", "", 0755);
   put("loop", "#!./loop\n", 0755);
   put("bare", "#!  \n", 0755);
   put("elf", "\177ELF\002\001\001 and nothing that is true: neither its machine nor its size nor a header", 0755);
   NEED(symlink("nowhere", "dangling") == 0);
   REFUSED("missing", "./missing");
   REFUSED("missing-absolute", "/usr/bin/no-such-program");
   REFUSED("no-path", "");
   REFUSED("text", "./text");
   REFUSED("plain", "./plain");
   REFUSED("lost", "./lost");
   REFUSED("empty", "./empty");
   REFUSED("loop", "./loop");
   REFUSED("bare", "./bare");
   REFUSED("elf", "./elf");
   REFUSED("dangling", "./dangling");
   REFUSED("folder", ".");
   REFUSED("file-as-folder", "./text/x");
   char name[5000];
   memset(name, 'a', sizeof name - 1);
   name[sizeof name - 1] = 0;
   REFUSED("long-name", name);

   /* One word that is too long, and too many words. */
   size_t size = 200000;
   char *word = malloc(size + 1), *argv[4] = { "x", "show", word, NULL };
   memset(word, 'w', size);
   word[size] = 0;
   CHILD("long-word", execve(self, argv, environ));
   size_t count = 300000;
   char **many = calloc(count + 1, sizeof *many);
   for (size_t i = 0; i < count; i++)
      many[i] = "12345678";
   CHILD("many-words", execve(self, many, environ));

   put("calls", "echo \"shell $0 $1\"\n", 0755);
   char *words[3] = { "calls", "one", NULL };
   CHILD("calls", setenv("PATH", ".", 1); execvp("calls", words));
   put("denied", "x", 0644);
   CHILD("denied", setenv("PATH", ".:/usr/bin", 1); execlp("denied", "denied", NULL));
   CHILD("not-in-path", execlp("no-such-program", "x", NULL));
   CHILD("bad-descriptor", fexecve(77, words, environ));
}

/* In the folder `folder`: scripts by their interpreters. */
static void scripts(const char *folder)
{
   char text[5000], *argv[4] = { "called", "one", "two three", NULL };
   NEED(chdir(folder) == 0);
   put("shell", "#!/bin/sh\necho shell $# \"$0\" \"$1\" \"$2\"\n", 0755);
   put("option", "#! /bin/sh \t -e  \necho option $- | tr -d sB\nfalse\necho not reached\n", 0755);
   put("environment", "#!/usr/bin/env sh\necho environment \"$1\"\n", 0755);
   snprintf(text, sizeof text, "#!%s/shell first\n", folder);
   put("nested", text, 0755);
   put("unended", "#!/bin/echo", 0755);
   snprintf(text, sizeof text, "#!%s show\n", self);
   put("own", text, 0755);
   CHILD("shell", execve("./shell", argv, environ));
   CHILD("option", execve("./option", argv, environ));
   CHILD("environment", execve("./environment", argv, environ));
   CHILD("nested", execve("./nested", argv, environ));
   CHILD("unended", execve("./unended", argv, environ));
   CHILD("path", setenv("PATH", ".", 1); execvp("own", argv));
   int fd = open("./shell", O_RDONLY);
   NEED(fd >= 0 && dup2(fd, 30) == 30);
   CHILD("descriptor", fexecve(30, argv, environ));
   fcntl(30, F_SETFD, FD_CLOEXEC);
   CHILD("descriptor-cloexec", fexecve(30, argv, environ));
}

static void send_fd(int socket, int fd)
{
   char byte = 'f', control[CMSG_SPACE(sizeof fd)];
   struct iovec iov = { &byte, 1 };
   struct msghdr msg = { 0 };
   msg.msg_iov = &iov;
   msg.msg_iovlen = 1;
   msg.msg_control = control;
   msg.msg_controllen = sizeof control;
   struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
   cmsg->cmsg_level = SOL_SOCKET;
   cmsg->cmsg_type = SCM_RIGHTS;
   cmsg->cmsg_len = CMSG_LEN(sizeof fd);
   memcpy(CMSG_DATA(cmsg), &fd, sizeof fd);
   NEED(sendmsg(socket, &msg, 0) == 1);
}

static int receive_fd(int socket)
{
   char byte, control[CMSG_SPACE(sizeof(int))];
   struct iovec iov = { &byte, 1 };
   struct msghdr msg = { 0 };
   int fd;
   msg.msg_iov = &iov;
   msg.msg_iovlen = 1;
   msg.msg_control = control;
   msg.msg_controllen = sizeof control;
   NEED(recvmsg(socket, &msg, 0) == 1);
   memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof fd);
   return fd;
}

static const char *driver(int fd)
{
   static char name[20];
   struct drm_version version;
   memset(&version, 0, sizeof version);
   memset(name, 0, sizeof name);
   version.name = name;
   version.name_len = sizeof name - 1;
   return ioctl(fd, DRM_IOCTL_VERSION, &version) < 0 ? error(errno) : name;
}

/* Which descriptors are open from 3 to 99? */
static void descriptors(void)
{
   printf("open");
   for (int fd = 3; fd < 100; fd++)
      if (fcntl(fd, F_GETFD) >= 0)
         printf(" %d", fd);
   puts("");
   fflush(stdout);
}

/* A descriptor to a program that was executed, and one back. */
static void pass(void)
{
   int pair[2], fd = open(NODE, O_RDWR | O_CLOEXEC);
   NEED(fd >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
   NEED(dup2(pair[1], 40) == 40 && dup2(fd, 41) == 41 && fcntl(pair[0], F_SETFD, FD_CLOEXEC) == 0);
   close(pair[1]);
   fflush(stdout);
   pid_t pid = fork();
   if (pid == 0) {
      execl(self, self, "passed", NULL);
      _exit(1);
   }
   close(40);
   close(41);
   send_fd(pair[0], fd);
   int back = receive_fd(pair[0]), status;
   NEED(waitpid(pid, &status, 0) == pid && status == 0);
   printf("back %s\n", driver(back));
}

static void passed(void)
{
   descriptors();
   printf("inherited %s\n", driver(41));
   printf("received %s\n", driver(receive_fd(40)));
   fflush(stdout);
   send_fd(40, open("/dev/dri/card0", O_RDWR));
}

static void *spawner(void *program)
{
   char *argv[2] = { program, NULL };
   long good = 0;
   for (int i = 0; i < 6; i++) {
      pid_t pid;
      int status;
      if (posix_spawn(&pid, program, NULL, NULL, argv, environ) == 0 && waitpid(pid, &status, 0) == pid && status == 0)
         good++;
   }
   return (void *)good;
}

/* Dozens at once, by fork and from threads. */
static void many(const char *program)
{
   enum { CHILDREN = 32, THREADS = 4 };
   pid_t pids[CHILDREN];
   pthread_t threads[THREADS];
   int good = 0;
   fflush(stdout);
   for (int i = 0; i < CHILDREN; i++)
      if ((pids[i] = fork()) == 0) {
         execl(program, program, NODE, "3", NULL);
         _exit(1);
      }
   for (int i = 0; i < CHILDREN; i++) {
      int status;
      if (waitpid(pids[i], &status, 0) == pids[i] && status == 0)
         good++;
   }
   printf("forked %d\n", good);
   fflush(stdout);
   good = 0;
   for (int i = 0; i < THREADS; i++)
      NEED(pthread_create(&threads[i], NULL, spawner, (void *)program) == 0);
   for (int i = 0; i < THREADS; i++) {
      void *result;
      pthread_join(threads[i], &result);
      good += (long)result;
   }
   printf("spawned %d\n", good);
}

/* The environment is gone: what was there at the start has to do. */
static void cleared(void)
{
   clearenv();
   CHILD("cleared", execl(self, "cleared", "show", NULL));
}

int main(int argc, char **argv)
{
   if (argc < 2)
      return 2;
   const char *what = argv[1];
   self = argv[0];
   if (!strcmp(what, "show")) show(argc, argv);
   else if (!strcmp(what, "family")) family();
   else if (!strcmp(what, "real")) real(argv + 2);
   else if (!strcmp(what, "load")) load(argv + 2);
   else if (!strcmp(what, "shell")) shell();
   else if (!strcmp(what, "refused")) refused(argv[2]);
   else if (!strcmp(what, "scripts")) scripts(argv[2]);
   else if (!strcmp(what, "pass")) pass();
   else if (!strcmp(what, "passed")) passed();
   else if (!strcmp(what, "many")) many(argv[2]);
   else if (!strcmp(what, "cleared")) cleared();
   else return 2;
   fflush(stdout);
   return 0;
}
