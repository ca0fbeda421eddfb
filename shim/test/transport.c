/*
 * A guest program for src/host/server.test.ts: `transport SCENARIO [ARGUMENT]` does one thing with the machine's nodes and
 * prints what it saw, one `name value` per line. The ioctls 0x40… are those of the test's own driver.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The test driver's ioctls (src/testing/host/transport.ts). */
struct echo { uint64_t value; uint64_t result; };
struct copy { uint64_t from; uint64_t to; uint32_t size; uint32_t pad; };
struct create { uint64_t size; uint32_t handle; uint32_t pad; uint64_t offset; };
struct give { uint32_t what; int32_t fd; uint64_t at; };
struct peek { uint32_t handle; uint32_t offset; uint32_t value; uint32_t pad; };
#define ECHO _IOWR('d', 0x40, struct echo)
#define COPY _IOW('d', 0x41, struct copy)
#define CREATE _IOWR('d', 0x42, struct create)
#define GIVE _IOWR('d', 0x43, struct give)    /* 0: sync file, 1: sync file to *at, 2: signals all of them */
#define TAKE _IOWR('d', 0x44, struct give)    /* fd's kind into `what`; an eventfd is signalled */
#define PEEK _IOWR('d', 0x45, struct peek)
#define WAIT _IO('d', 0x46)                   /* until something signals the fence */
#define STALL _IO('d', 0x48)                  /* keeps the machine busy for a while */
#define MASTER _IO('d', 0x49)                 /* is the file DRM master? */
#define EVENT _IOW('d', 0x47, struct echo)    /* sends `value` events */
struct prime { uint32_t handle, flags; int32_t fd; };
#define PRIME_TO_FD _IOWR('d', 0x2d, struct prime)
#define FD_TO_HANDLE _IOWR('d', 0x2e, struct prime)

#define SAY(name, format, ...) (printf("%s " format "\n", name, __VA_ARGS__), fflush(stdout))
#define NEED(what) do { if (!(what)) { printf("failed line %d: %s: %s\n", __LINE__, #what, strerror(errno)); exit(1); } } while (0)

static const char *error(int r) { return r < 0 ? strerrorname_np(errno) : "0"; }

static int node(void)
{
   int fd = open("/dev/dri/renderD128", O_RDWR | O_CLOEXEC);
   NEED(fd >= 0);
   return fd;
}

static uint64_t echo(int fd, uint64_t value)
{
   struct echo arg = { value, 0 };
   return ioctl(fd, ECHO, &arg) < 0 ? (uint64_t)-errno : arg.result;
}

static struct create create(int fd, uint64_t size)
{
   struct create arg = { size, 0, 0, 0 };
   NEED(ioctl(fd, CREATE, &arg) == 0);
   return arg;
}

static void look(const char *path)
{
   struct stat st;
   if (stat(path, &st) < 0)
      SAY("stat", "%s %s", path, error(-1));
   else
      SAY("stat", "%s %c %u:%u", path, S_ISCHR(st.st_mode) ? 'c' : S_ISDIR(st.st_mode) ? 'd' : '-', major(st.st_rdev),
          minor(st.st_rdev));
}

static void text(const char *path)
{
   char line[200];
   FILE *f = fopen(path, "r");
   NEED(f);
   while (fgets(line, sizeof line, f))
      printf("text %s %s", strrchr(path, '/') + 1, line);
   fclose(f);
}

static void discover(void)
{
   char path[300], out[4096];
   struct dirent *entry;
   DIR *dir = opendir("/dev/dri");
   NEED(dir);
   while ((entry = readdir(dir)))
      if (entry->d_name[0] != '.')
         SAY("entry", "%s %s", entry->d_name, entry->d_type == DT_CHR ? "chr" : entry->d_type == DT_DIR ? "dir" : "other");
   closedir(dir);
   look("/dev/dri");
   look("/dev/dri/card0");
   look("/dev//dri/./renderD128");
   look("/dev/dri/card9");
   look("/sys/dev/char/226:128/device/drm");
   look("/sys/dev/char/226:77/device/drm");
   look("/sys/class/drm");
   text("/sys/dev/char/226:128/uevent");
   text("/sys/dev/char/226:128/device/uevent");
   ssize_t n = readlink("/sys/dev/char/226:128/device/subsystem", out, sizeof out - 1);
   NEED(n > 0);
   out[n] = 0;
   SAY("subsystem", "%s", strrchr(out, '/'));
   NEED(realpath("/sys/dev/char/226:128/device", out));
   SAY("realpath", "%s", out);
   NEED(realpath("/dev/dri/by-path/platform-fb000000.gpu-render", out));
   SAY("by-path", "%s", out);
   SAY("access", "%d", access("/dev/dri/renderD128", R_OK | W_OK));
   SAY("access", "%d", access("/dev/dri/renderD129", F_OK));
   int fd = node();
   struct stat st;
   NEED(fstat(fd, &st) == 0);
   SAY("fstat", "%d %u:%u", S_ISCHR(st.st_mode), major(st.st_rdev), minor(st.st_rdev));
   struct stat named;
   NEED(stat("/dev/dri/renderD128", &named) == 0);
   SAY("same", "%d", st.st_dev == named.st_dev && st.st_ino == named.st_ino && st.st_mode == named.st_mode);
   NEED(chmod("/dev/dri/renderD128", 0640) == 0 && fstat(fd, &st) == 0);
   SAY("mode", "%o %d", st.st_mode & 07777, S_ISCHR(st.st_mode));
   NEED(chmod("/dev/dri/renderD128", named.st_mode & 07777) == 0);
   struct statx stx;
   NEED(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) == 0);
   SAY("statx", "%d %u:%u", S_ISCHR(stx.stx_mode), stx.stx_rdev_major, stx.stx_rdev_minor);
   sprintf(path, "/proc/self/fd/%d", fd);
   n = readlink(path, out, sizeof out - 1);
   NEED(n > 0);
   out[n] = 0;
   SAY("link", "%s", out);
   int again = open(path, O_RDWR);
   SAY("reopened", "%d", echo(again, 5) == 6);
   int folder = open("/dev/dri", O_RDONLY | O_DIRECTORY);
   NEED(folder >= 0);
   int relative = openat(folder, "card0", O_RDWR);
   SAY("relative", "%d", fcntl(relative, F_GETFD));
   NEED(fstat(relative, &st) == 0);
   SAY("relative", "%u:%u", major(st.st_rdev), minor(st.st_rdev));
   SAY("other", "%s", error(open("/dev/dri/card9", O_RDWR)));
}

static void calls(void)
{
   int fd = node();
   SAY("echo", "%llu", (unsigned long long)echo(fd, 41));
   struct echo arg = { 1, 0 };
   SAY("unknown", "%s", error(ioctl(fd, _IO('d', 0x9f), &arg)));
   SAY("terminal", "%s", error(ioctl(fd, 0x5401, &arg)));
   SAY("bad-argument", "%s", error(ioctl(fd, ECHO, (void *)16)));
   SAY("half-argument", "%s", ({
      char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      munmap(page + 4096, 4096);
      error(ioctl(fd, ECHO, page + 4096 - 8));
   }));
   SAY("read-only-argument", "%s", ({
      char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      error(ioctl(fd, ECHO, page));
   }));
   SAY("after", "%llu", (unsigned long long)echo(fd, 1));

   size_t size = 300000;
   unsigned char *from = malloc(size), *to = malloc(size);
   for (size_t i = 0; i < size; i++)
      from[i] = i * 7 + (i >> 9);
   struct copy copy = { (uintptr_t)from, (uintptr_t)to, size, 0 };
   SAY("copy", "%s", error(ioctl(fd, COPY, &copy)));
   SAY("same", "%d", memcmp(from, to, size) == 0);
   copy.from = 16;
   SAY("copy-from-nowhere", "%s", error(ioctl(fd, COPY, &copy)));
   copy.from = (uintptr_t)from;
   copy.to = 16;
   SAY("copy-to-nowhere", "%s", error(ioctl(fd, COPY, &copy)));
   copy.size = 0xffffffff;
   SAY("copy-too-much", "%s", error(ioctl(fd, COPY, &copy)));
   SAY("closed", "%s", ({ close(fd); error(ioctl(fd, ECHO, &arg)); }));
}

static void buffers(void)
{
   int fd = node(), other = node();
   struct create bo = create(fd, 8192);
   uint32_t *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, bo.offset);
   NEED(map != MAP_FAILED);
   map[1025] = 0xcafe;
   struct peek peek = { bo.handle, 4100, 0, 0 };
   NEED(ioctl(fd, PEEK, &peek) == 0);
   SAY("machine-sees", "%x", peek.value);
   SAY("private", "%s", error(mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, bo.offset) == MAP_FAILED ? -1 : 0));
   SAY("too-long", "%s", error(mmap(NULL, 12288, PROT_READ, MAP_SHARED, fd, bo.offset) == MAP_FAILED ? -1 : 0));
   SAY("not-his", "%s", error(mmap(NULL, 8192, PROT_READ, MAP_SHARED, other, bo.offset) == MAP_FAILED ? -1 : 0));

   struct prime prime = { bo.handle, O_CLOEXEC | O_RDWR, -1 };
   NEED(ioctl(fd, PRIME_TO_FD, &prime) == 0);
   SAY("cloexec", "%d", fcntl(prime.fd, F_GETFD));
   SAY("size", "%ld", (long)lseek(prime.fd, 0, SEEK_END));
   SAY("shrink", "%s", error(ftruncate(prime.fd, 4096)));
   uint32_t *same = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, prime.fd, 0);
   NEED(same != MAP_FAILED);
   SAY("same-memory", "%x", same[1025]);
   struct prime back = { 0, 0, prime.fd };
   NEED(ioctl(other, FD_TO_HANDLE, &back) == 0);
   peek.handle = back.handle;
   same[1025] = 0xbeef;
   NEED(ioctl(other, PEEK, &peek) == 0);
   SAY("imported", "%x", peek.value);

   struct prime fixed = { bo.handle, O_CLOEXEC, -1 };
   NEED(ioctl(fd, PRIME_TO_FD, &fixed) == 0);
   SAY("read-only", "%s", error(mmap(NULL, 8192, PROT_WRITE, MAP_SHARED, fixed.fd, 0) == MAP_FAILED ? -1 : 0));

   uint32_t *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 1ull << 40);
   NEED(page != MAP_FAILED);
   SAY("driver-page", "%u", page[0]);
   SAY("driver-page-write", "%s",
       error(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 1ull << 40) == MAP_FAILED ? -1 : 0));
   SAY("driver-page-upgrade", "%s", error(mprotect(page, 4096, PROT_READ | PROT_WRITE)));

   /* Memory of our own: a memfd that cannot shrink is welcome, any other is not. */
   int own = memfd_create("own", MFD_CLOEXEC | MFD_ALLOW_SEALING);
   NEED(ftruncate(own, 4096) == 0);
   struct prime foreign = { 0, 0, own };
   SAY("unsealed", "%s", error(ioctl(fd, FD_TO_HANDLE, &foreign)));
   NEED(fcntl(own, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
   uint32_t *mine = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0);
   mine[0] = 0x1234;
   SAY("sealed", "%s", error(ioctl(fd, FD_TO_HANDLE, &foreign)));
   peek.handle = foreign.handle;
   peek.offset = 0;
   NEED(ioctl(fd, PEEK, &peek) == 0);
   SAY("sealed-sees", "%x", peek.value);
   foreign.fd = open("/dev/null", O_RDWR);
   SAY("null", "%s", error(ioctl(fd, FD_TO_HANDLE, &foreign)));
   foreign.fd = 999;
   SAY("bad-fd", "%s", error(ioctl(fd, FD_TO_HANDLE, &foreign)));
}

static int ready(int fd, int timeout)
{
   struct pollfd p = { fd, POLLIN, 0 };
   return poll(&p, 1, timeout) == 1 && (p.revents & POLLIN);
}

static void syncs(void)
{
   int fd = node();
   struct give give = { 0, -1, 0 };
   NEED(ioctl(fd, GIVE, &give) == 0);
   int32_t second = -1;
   struct give elsewhere = { 1, -1, (uintptr_t)&second };
   NEED(ioctl(fd, GIVE, &elsewhere) == 0);
   SAY("given", "%d %d", give.fd > 2, second > 2 && second != give.fd);
   struct give nowhere = { 1, -1, 16 };
   SAY("nowhere", "%s", error(ioctl(fd, GIVE, &nowhere)));
   SAY("ready", "%d", ready(give.fd, 0));
   struct give take = { 0, give.fd, 0 };
   NEED(ioctl(fd, TAKE, &take) == 0);
   SAY("take", "%u", take.what);
   int memory = memfd_create("memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);
   NEED(ftruncate(memory, 4096) == 0 && fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK) == 0);
   take.fd = memory;
   NEED(ioctl(fd, TAKE, &take) == 0);
   SAY("memory", "%u", take.what);
   struct { uint64_t flags; } access = { 3 };
   SAY("begin-access", "%s", error(ioctl(memory, _IOW('b', 0, access), &access)));
   SAY("no-dma-buf", "%s", error(ioctl(fd, _IOW('b', 0, access), &access)));
   SAY("no-file", "%s", error(ioctl(-1, _IOW('b', 0, access), &access)));
   int event = eventfd(0, EFD_CLOEXEC);
   take.fd = event;
   NEED(ioctl(fd, TAKE, &take) == 0);
   uint64_t count = 0;
   NEED(read(event, &count, 8) == 8);
   SAY("eventfd", "%u %llu", take.what, (unsigned long long)count);
   take.fd = fd;
   NEED(ioctl(fd, TAKE, &take) == 0);
   SAY("drm", "%u", take.what);
   take.fd = 777;
   SAY("bad-fd", "%s", error(ioctl(fd, TAKE, &take)));

   int epoll = epoll_create1(0);
   struct epoll_event e = { EPOLLIN, { 0 } };
   NEED(epoll_ctl(epoll, EPOLL_CTL_ADD, second, &e) == 0);
   struct give signal = { 2, -1, 0 };
   NEED(ioctl(fd, GIVE, &signal) == 0);
   SAY("signalled", "%d %d", ready(give.fd, 2000), epoll_wait(epoll, &e, 1, 2000));
   close(give.fd);
   close(second);
}

static void *waiter(void *fd)
{
   return (void *)(intptr_t)(ioctl((int)(intptr_t)fd, WAIT) < 0 ? errno : 0);
}

static volatile sig_atomic_t signals;
static void on_signal(int number) { signals += number != 0; }

/* More than the shim keeps channels for. */
#define THREADS 70

static void threads(void)
{
   int fd = node();
   pthread_t all[THREADS];
   void *result;
   int good = 0;
   struct sigaction action = { .sa_handler = on_signal };
   sigaction(SIGUSR1, &action, NULL);
   for (int i = 0; i < THREADS; i++)
      NEED(pthread_create(&all[i], NULL, waiter, (void *)(intptr_t)fd) == 0);
   usleep(50000);
   pthread_kill(all[0], SIGUSR1);
   usleep(20000);
   SAY("echo-meanwhile", "%llu", (unsigned long long)echo(fd, 1));
   struct give signal = { 2, -1, 0 };
   NEED(ioctl(fd, GIVE, &signal) == 0);
   for (int i = 0; i < THREADS; i++) {
      /* One that a busy host has kept from its ioctl until now waits for the next signal. */
      while (pthread_tryjoin_np(all[i], &result)) {
         usleep(10000);
         NEED(ioctl(fd, GIVE, &signal) == 0);
      }
      good += result == NULL;
   }
   SAY("woken", "%d", good);
   SAY("signals", "%d", (int)signals);
}

static void *read_too_little(void *fd)
{
   char buffer[4];
   return (void *)(intptr_t)read(*(int *)fd, buffer, 1);
}

static void events(void)
{
   int fd = node();
   char buffer[1024];
   SAY("ready", "%d", ready(fd, 0));
   SAY("nowhere", "%s", error(read(fd, (void *)-1, 4096)));
   struct echo two = { 2, 0 };
   NEED(ioctl(fd, EVENT, &two) == 0);
   SAY("ready", "%d", ready(fd, 2000));
   /* Whole events alone: one that does not fit stays. */
   SAY("short", "%ld", (long)read(fd, buffer, 3));
   for (int i = 0; i < 2; i++) {
      ssize_t n = read(fd, buffer, 6);
      SAY("event", "%ld %u", (long)n, *(uint32_t *)buffer);
   }
   struct echo five = { 5, 0 };
   NEED(ioctl(fd, EVENT, &five) == 0);
   ssize_t all = read(fd, buffer, 9);
   SAY("two", "%ld %u", (long)all, *(uint32_t *)(buffer + 4));
   struct iovec pieces[2] = { { buffer, 4 }, { buffer + 4, 100 } };
   all = readv(fd, pieces, 2);
   SAY("pieces", "%ld %u", (long)all, *(uint32_t *)(buffer + 8));

   /* All who wait are woken by an event that none of them takes. */
   pthread_t waiting[3];
   for (int i = 0; i < 3; i++)
      NEED(pthread_create(&waiting[i], NULL, read_too_little, &fd) == 0);
   usleep(20000);
   struct echo one = { 1, 0 };
   NEED(ioctl(fd, EVENT, &one) == 0);
   int woken = 0;
   for (int i = 0; i < 3; i++) {
      void *nothing;
      NEED(pthread_join(waiting[i], &nothing) == 0);
      woken += nothing == NULL;
   }
   SAY("woken", "%d %ld", woken, (long)read(fd, buffer, sizeof buffer));
   NEED(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
   SAY("empty", "%s", error(read(fd, buffer, sizeof buffer)));
   struct echo many = { 2000, 0 };
   NEED(ioctl(fd, EVENT, &many) == 0);
   int got = 0, last = -1;
   ssize_t n;
   while (ready(fd, 100) && (n = read(fd, buffer, sizeof buffer)) > 0) {
      last = *(uint32_t *)(buffer + n - 4);
      got += n / 4;
   }
   SAY("kept", "%d %d", got > 200 && got < 2000, last);
}

static void send_fd(int socket, int fd)
{
   char byte = 0, space[CMSG_SPACE(sizeof fd)] = { 0 };
   struct iovec iov = { &byte, 1 };
   struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space };
   struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
   cmsg->cmsg_level = SOL_SOCKET;
   cmsg->cmsg_type = SCM_RIGHTS;
   cmsg->cmsg_len = CMSG_LEN(sizeof fd);
   memcpy(CMSG_DATA(cmsg), &fd, sizeof fd);
   NEED(sendmsg(socket, &msg, 0) == 1);
}

static int receive_fd(int socket)
{
   char byte, space[CMSG_SPACE(sizeof(int))];
   struct iovec iov = { &byte, 1 };
   struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space };
   int fd;
   NEED(recvmsg(socket, &msg, 0) == 1);
   memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof fd);
   return fd;
}

static void processes(char *self)
{
   int fd = node(), pair[2], status;
   struct create bo = create(fd, 4096);
   uint32_t *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, bo.offset);
   NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
   fflush(stdout);
   if (fork() == 0) {
      /* A forked child goes on with the parent's file, and opens its own. */
      map[0] = 77;
      SAY("child-echo", "%llu", (unsigned long long)echo(fd, 9));
      int own = node();
      struct prime prime = { create(own, 4096).handle, O_RDWR, -1 };
      NEED(ioctl(own, PRIME_TO_FD, &prime) == 0);
      uint32_t *mine = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, prime.fd, 0);
      mine[3] = 99;
      send_fd(pair[1], prime.fd);
      send_fd(pair[1], own);
      _exit(0);
   }
   int buffer = receive_fd(pair[0]);
   int passed = receive_fd(pair[0]);
   wait(&status);
   SAY("child-wrote", "%u", map[0]);
   /* The child is dead, what it passed lives. */
   uint32_t *theirs = mmap(NULL, 4096, PROT_READ, MAP_SHARED, buffer, 0);
   SAY("passed-memory", "%u", theirs[3]);
   SAY("passed-file", "%llu", (unsigned long long)echo(passed, 10));
   int copy = dup(passed);
   close(passed);
   SAY("dup", "%llu", (unsigned long long)echo(copy, 11));

   fcntl(fd, F_SETFD, 0);
   fflush(stdout);
   if (fork() == 0) {
      char number[16];
      sprintf(number, "%d", fd);
      execl(self, self, "inherited", number, NULL);
      SAY("inherited", "%s", error(-1));
      _exit(1);
   }
   wait(&status);
   if (vfork() == 0)
      _exit(echo(fd, 1) == 2 ? 0 : 1);
   wait(&status);
   SAY("vfork", "%d", status);
   /* Forked where no pthread_atfork handler sees it, parent and child speak at the same time. */
   int good = 0, child = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
   for (int i = 0; i < 200; i++)
      good += echo(fd, i) == (uint64_t)i + 1;
   if (child == 0)
      _exit(good == 200 ? 0 : 1);
   wait(&status);
   SAY("clone", "%d %d", status, good);
   for (int i = 3; i < 1024; i++)
      if (i != fd)
         syscall(SYS_close, i); /* our channel, too */
   int pipes[2];
   NEED(pipe(pipes) == 0);
   NEED(dup2(pipes[1], 200) == 200 && dup2(pipes[1], 201) == 201);
   SAY("after-closing-all", "%llu", (unsigned long long)echo(fd, 12));
}

/* Takes its channels' numbers away, while their sockets live on elsewhere, as in a child that has yet to execute its program. */
static void lose_channels(void)
{
   for (int fd = 200; fd < 300; fd++) {
      int kind;
      socklen_t size = sizeof kind;
      if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &size) == 0 && kind == SOCK_SEQPACKET)
         NEED(fcntl(fd, F_DUPFD_CLOEXEC, 500) >= 0 && syscall(SYS_close, fd) == 0);
   }
}

static void *signaller(void *unused)
{
   struct give give = { 2, -1, 0 };
   int fd = node();
   getchar();
   NEED(ioctl(fd, GIVE, &give) == 0);
   return unused;
}

static void lost(void)
{
   int fd = node();
   pthread_t other;
   struct give give = { 0, -1, 0 };
   unsigned char from[4] = { 1, 2, 3, 4 }, to[4] = { 0 };
   struct copy copy = { (uintptr_t)from, (uintptr_t)to, sizeof to, 0 };
   echo(fd, 1);
   lose_channels();
   SAY("descriptor", "%s %d", error(ioctl(fd, GIVE, &give)), give.fd > 2);
   echo(fd, 1);
   lose_channels();
   SAY("memory", "%s %d", error(ioctl(fd, COPY, &copy)), to[3]);
   struct create bo = create(fd, 4096);
   echo(fd, 1);
   lose_channels();
   SAY("map", "%s", error(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, bo.offset) == MAP_FAILED ? -1 : 0));
   echo(fd, 1);
   lose_channels();
   NEED(pthread_create(&other, NULL, signaller, NULL) == 0);
   SAY("wait", "%s", error(ioctl(fd, WAIT)));
   pthread_join(other, NULL);
}

static int open_descriptors(void)
{
   int n = 0;
   DIR *dir = opendir("/proc/self/fd");
   NEED(dir);
   while (readdir(dir))
      n++;
   closedir(dir);
   return n;
}

static volatile int over;

/* Closes again and again what a careful program closes: all that it does not know, in every way that the C library has. */
static void *tidy(void *unused)
{
   while (!over) {
      close_range(200, ~0u, 0);
      closefrom(200);
      for (int fd = 200; fd < 240; fd++)
         close(fd);
   }
   return unused;
}

/* Calls of every kind, while another thread closes everything. */
static void tidied(void)
{
   int fd = node(), failed = 0, pipes[2];
   pthread_t other;
   unsigned char from[4] = { 1, 2, 3, 4 }, to[4] = { 0 };
   struct copy copy = { (uintptr_t)from, (uintptr_t)to, sizeof to, 0 };
   struct give give = { 0, -1, 0 };
   echo(fd, 1);
   closefrom(200); /* what was inherited */
   int before = open_descriptors();
   NEED(pthread_create(&other, NULL, tidy, NULL) == 0);
   for (int i = 0; i < 300; i++) {
      failed += echo(fd, i) != (uint64_t)i + 1;
      from[3] = i;
      failed += ioctl(fd, COPY, &copy) != 0 || to[3] != (unsigned char)i;
      failed += ioctl(fd, GIVE, &give) != 0 || close(give.fd) != 0;
   }
   over = 1;
   pthread_join(other, NULL);
   SAY("failed", "%d", failed);
   SAY("kept", "%d", open_descriptors() - before);
   /* Who wants a channel's number gets it. */
   NEED(pipe(pipes) == 0);
   for (int number = 200; number < 204; number++)
      NEED(dup2(pipes[1], number) == number && fcntl(number, F_GETFD) == 0 && write(number, "x", 1) == 1);
   SAY("moved", "%llu", (unsigned long long)echo(fd, 7));
   for (int number = 200; number < 204; number++)
      NEED(close(number) == 0 && fcntl(number, F_GETFD) < 0 && errno == EBADF);
   SAY("refused", "%s", error(close(203)));
   SAY("whole", "%d", open_descriptors() - before - 2);
}

/* Comes to a device as libudev does: from the root folder, a name at a time; and asks what udev wrote about it. */
static void walk(void)
{
   static const char names[4][8] = { "sys", "class", "drm", "card0" };
   struct statfs kind;
   char line[100];
   int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
   for (int i = 0; i < 4; i++) {
      NEED(fd >= 0);
      int next = openat(fd, names[i], O_PATH | O_NOFOLLOW | O_CLOEXEC);
      close(fd);
      fd = next;
   }
   ssize_t n = readlinkat(fd, "", line, sizeof line);
   SAY("link", "%.*s", (int)n, line);
   SAY("access", "%d", faccessat(open("/sys/class/drm", O_PATH), "card0/uevent", R_OK, 0));
   SAY("sysfs", "%d", fstatfs(open("/sys/class/drm/card0", O_PATH), &kind) == 0 && kind.f_type == SYSFS_MAGIC);
   SAY("sysfs", "%d", statfs("/sys/class/drm/card0/uevent", &kind) == 0 && kind.f_type == SYSFS_MAGIC);
   SAY("sysfs", "%d", statfs("/dev", &kind) == 0 && kind.f_type == SYSFS_MAGIC);
   DIR *classes = opendir("/sys/class");
   NEED(classes);
   for (struct dirent *entry; (entry = readdir(classes));)
      if (entry->d_name[0] != '.')
         SAY("class", "%s", entry->d_name);
   SAY("processors", "%d", access("/sys/devices/system/cpu/online", R_OK));
   FILE *database = fopen("/run/udev/data/c226:0", "r");
   NEED(database && fgets(line, sizeof line, database));
   printf("udev %s", line);
}

/* Holds one of everything until it is killed. */
static void hold(void)
{
   int fd = node();
   struct create bo = create(fd, 1 << 20);
   struct prime prime = { bo.handle, O_RDWR, -1 };
   struct give give = { 0, -1, 0 };
   pthread_t thread;
   NEED(mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, bo.offset) != MAP_FAILED);
   NEED(ioctl(fd, PRIME_TO_FD, &prime) == 0);
   NEED(ioctl(fd, GIVE, &give) == 0);
   NEED(pthread_create(&thread, NULL, waiter, (void *)(intptr_t)fd) == 0);
   usleep(50000);
   SAY("holding", "%d", 1);
   pause();
}

/* Goes on after the machine is gone: reads a line, then tries. */
static void outlive(void)
{
   int fd = node();
   pthread_t thread;
   void *result;
   struct echo arg = { 1, 0 };
   SAY("echo", "%llu", (unsigned long long)echo(fd, 1));
   NEED(pthread_create(&thread, NULL, waiter, (void *)(intptr_t)fd) == 0);
   usleep(20000);
   SAY("waiting", "%d", 1);
   getchar();
   pthread_join(thread, &result);
   SAY("wait", "%s", strerrorname_np((int)(intptr_t)result));
   SAY("ioctl", "%s", error(ioctl(fd, ECHO, &arg)));
   SAY("mmap", "%s", error(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0));
   struct pollfd p = { fd, POLLIN, 0 };
   SAY("poll", "%d", poll(&p, 1, 1000));
}

/* The memory comes with the answer that tells its offset, and waits for the mmap that follows; or is dropped. */
static void offers(void)
{
   int fd = node(), pipes[2];
   struct peek peek = { 0, 0, 0, 0 };
   uint32_t *map, *again;
   char byte = 7;
   echo(fd, 1);
   int before = open_descriptors();
   struct create bo = create(fd, 8192);
   SAY("waits", "%d", open_descriptors() - before);
   map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, bo.offset);
   NEED(map != MAP_FAILED);
   SAY("taken", "%d", open_descriptors() - before);
   again = mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, bo.offset);
   NEED(again != MAP_FAILED);
   map[1024] = 0xabc;
   SAY("again", "%x", again[1024]);
   bo = create(fd, 4096);
   SAY("beyond", "%s", error(mmap(NULL, 8192, PROT_READ, MAP_SHARED, fd, bo.offset) == MAP_FAILED ? -1 : 0));
   bo = create(fd, 4096);
   echo(fd, 1);
   SAY("void", "%d", open_descriptors() - before);
   bo = create(fd, 4096);
   for (int i = 3; i < 1024; i++)
      if (i != fd)
         syscall(SYS_close, i); /* the offer and our channel, too */
   NEED(pipe(pipes) == 0);
   map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, bo.offset);
   NEED(map != MAP_FAILED);
   map[0] = 0xdef;
   peek.handle = bo.handle;
   NEED(ioctl(fd, PEEK, &peek) == 0);
   SAY("machine-sees", "%x", peek.value);
   SAY("pipe", "%d", write(pipes[1], &byte, 1) == 1 && read(pipes[0], &byte, 1) == 1 && byte == 7);
}

/* Closes a file in which a thread still waits: the file stays until that thread has come out. */
static void part(void)
{
   int fd = node();
   pthread_t thread;
   void *result;
   NEED(pthread_create(&thread, NULL, waiter, (void *)(intptr_t)fd) == 0);
   getchar();
   close(fd);
   SAY("closed", "%d", 1);
   pthread_join(thread, &result);
   SAY("wait", "%s", strerrorname_np((int)(intptr_t)result));
   pause();
}

/* Writes nonsense to the machine's socket, in every shape that comes to mind. */
static void junk(void)
{
   struct sockaddr_un address = { .sun_family = AF_UNIX };
   snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", getenv("TYR_MACHINE"));
   unsigned seed = 1;
   int good = node();
   for (int round = 0; round < 300; round++) {
      int s = socket(AF_UNIX, SOCK_SEQPACKET, 0);
      NEED(connect(s, (struct sockaddr *)&address, sizeof address) == 0);
      uint32_t packet[64] = { 0 };
      if (round % 3) { /* a proper greeting first */
         packet[0] = 1;
         packet[1] = 1;
         send(s, packet, 32, MSG_NOSIGNAL);
      }
      for (int i = 0; i < 64; i++)
         packet[i] = (seed = seed * 1103515245 + 12345) >> 16 & (round % 2 ? 7 : 0xffff);
      if (round % 5 == 0)
         packet[0] = 3, packet[1] = ECHO;
      char space[CMSG_SPACE(sizeof(int) * 8)] = { 0 };
      struct iovec iov = { packet, seed % sizeof packet };
      struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
      int fds = round % 4;
      if (fds) {
         msg.msg_control = space;
         msg.msg_controllen = CMSG_SPACE(sizeof(int) * fds);
         struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
         cmsg->cmsg_level = SOL_SOCKET;
         cmsg->cmsg_type = SCM_RIGHTS;
         cmsg->cmsg_len = CMSG_LEN(sizeof(int) * fds);
         for (int i = 0; i < fds; i++)
            ((int *)CMSG_DATA(cmsg))[i] = round % 8 < 4 ? good : s;
      }
      sendmsg(s, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
      send(s, packet, 100, MSG_NOSIGNAL | MSG_DONTWAIT);
      send(good, packet, 100, MSG_NOSIGNAL | MSG_DONTWAIT);
      close(s);
   }
   static char large[150000];
   int s = socket(AF_UNIX, SOCK_SEQPACKET, 0);
   NEED(connect(s, (struct sockaddr *)&address, sizeof address) == 0);
   send(s, large, sizeof large, MSG_NOSIGNAL);
   SAY("still-there", "%llu", (unsigned long long)echo(good, 1));
   shutdown(good, SHUT_RDWR);
   usleep(20000);
   SAY("shut-down", "%lld", (long long)echo(good, 1));
   int next = node();
   SAY("another", "%llu", (unsigned long long)echo(next, 1));
}

static void *staller(void *fd)
{
   ioctl((int)(intptr_t)fd, STALL);
   return NULL;
}

/* A close and an open that the machine sees at once must come in their order: the second file finds no other master. */
static void reopen(void)
{
   int fd = node(), masters = 0;
   int card = open("/dev/dri/card1", O_RDWR);
   SAY("master", "%d", ioctl(card, MASTER));
   for (int i = 0; i < 3; i++) {
      pthread_t thread;
      NEED(pthread_create(&thread, NULL, staller, (void *)(intptr_t)fd) == 0);
      usleep(5000);
      close(card);
      card = open("/dev/dri/card1", O_RDWR);
      masters += ioctl(card, MASTER);
      pthread_join(thread, NULL);
   }
   SAY("masters", "%d", masters);
}

/* Takes buffers until there are no more, then files. */
static void greed(void)
{
   int fd = node(), r;
   long buffers = 0, files = 0;
   struct create arg;
   do {
      memset(&arg, 0, sizeof arg);
      arg.size = 4096;
      r = ioctl(fd, CREATE, &arg);
   } while (r == 0 && ++buffers < 1000000);
   SAY("buffers", "%s %d", error(r), buffers > 10);
   while (files < 100000 && open("/dev/dri/renderD128", O_RDWR) >= 0)
      files++;
   SAY("files", "%s %d", error(-1), files > 10);
   SAY("echo", "%llu", (unsigned long long)echo(fd, 1));
}

/* How often the thread goes to sleep in twenty calls, each of which the machine comes to late. */
static void late(void)
{
   int fd = node();
   struct rusage before, after;
   echo(fd, 1);
   SAY("ready", "%d", 0);
   getchar();
   echo(fd, 2);
   NEED(getrusage(RUSAGE_THREAD, &before) == 0);
   for (int i = 0; i < 20; i++)
      NEED(echo(fd, i) == (uint64_t)i + 1);
   NEED(getrusage(RUSAGE_THREAD, &after) == 0);
   SAY("sleeps", "%ld", after.ru_nvcsw - before.ru_nvcsw);
}

static void bench(int n)
{
   int fd = node();
   struct timespec a, b;
   echo(fd, 1);
   clock_gettime(CLOCK_MONOTONIC, &a);
   for (int i = 0; i < n; i++)
      echo(fd, i);
   clock_gettime(CLOCK_MONOTONIC, &b);
   SAY("us", "%.2f", ((b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec)) / n / 1e3);
}

int main(int argc, char **argv)
{
   const char *what = argc > 1 ? argv[1] : "";
   if (!strcmp(what, "discover")) discover();
   else if (!strcmp(what, "calls")) calls();
   else if (!strcmp(what, "buffers")) buffers();
   else if (!strcmp(what, "syncs")) syncs();
   else if (!strcmp(what, "threads")) threads();
   else if (!strcmp(what, "events")) events();
   else if (!strcmp(what, "processes")) processes(argv[0]);
   else if (!strcmp(what, "lost")) lost();
   else if (!strcmp(what, "tidied")) tidied();
   else if (!strcmp(what, "inherited")) SAY("inherited", "%llu", (unsigned long long)echo(atoi(argv[2]), 20));
   else if (!strcmp(what, "walk")) walk();
   else if (!strcmp(what, "hold")) hold();
   else if (!strcmp(what, "outlive")) outlive();
   else if (!strcmp(what, "offers")) offers();
   else if (!strcmp(what, "part")) part();
   else if (!strcmp(what, "junk")) junk();
   else if (!strcmp(what, "greed")) greed();
   else if (!strcmp(what, "reopen")) reopen();
   else if (!strcmp(what, "late")) late();
   else if (!strcmp(what, "bench")) bench(argc > 2 ? atoi(argv[2]) : 20000);
   else return 2;
   return 0;
}
