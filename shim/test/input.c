/*
 * A guest program for src/host/input.test.ts: `input SCENARIO` does one thing with the machine's input devices and prints
 * what it saw, one `name value` per line. Lines on its standard input say when to go on.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAY(name, format, ...) (printf("%s " format "\n", name, __VA_ARGS__), fflush(stdout))
#define NEED(what) do { if (!(what)) { printf("failed line %d: %s: %s\n", __LINE__, #what, strerror(errno)); exit(1); } } while (0)

static const char *error(long r) { return r < 0 ? strerrorname_np(errno) : "0"; }

static int device(int number, int flags)
{
   char path[32];
   sprintf(path, "/dev/input/event%d", number);
   int fd = open(path, flags | O_CLOEXEC);
   NEED(fd >= 0);
   return fd;
}

static int ready(int fd, int timeout)
{
   struct pollfd one = { fd, POLLIN, 0 };
   NEED(poll(&one, 1, timeout) >= 0);
   return one.revents;
}

static void go_on(const char *why)
{
   char line[16];
   SAY("wait", "%s", why);
   NEED(fgets(line, sizeof line, stdin));
}

/* Prints what one read brings. */
static void take(int fd, unsigned most)
{
   struct input_event events[64];
   ssize_t n = read(fd, events, most * sizeof *events);
   if (n < 0) {
      SAY("read", "%s", error(n));
      return;
   }
   for (size_t i = 0; i < n / sizeof *events; i++)
      SAY("event", "%d %d %d", events[i].type, events[i].code, events[i].value);
}

static void text(const char *path)
{
   char line[200];
   FILE *file = fopen(path, "r");
   NEED(file);
   while (fgets(line, sizeof line, file)) {
      line[strcspn(line, "\n")] = 0;
      SAY(strrchr(path, '/') + 1, "%s", line);
   }
   fclose(file);
}

static void look(void)
{
   struct stat st;
   char name[40], link[100];
   struct dirent *entry;
   int fd = device(1, O_RDWR), nodes = 0;
   NEED(fstat(fd, &st) == 0);
   SAY("fstat", "%d %u:%u", S_ISCHR(st.st_mode), major(st.st_rdev), minor(st.st_rdev));
   sprintf(name, "/proc/self/fd/%d", fd);
   ssize_t n = readlink(name, link, sizeof link - 1);
   NEED(n > 0);
   link[n] = 0;
   SAY("link", "%s", link);
   DIR *dir = opendir("/dev/input");
   NEED(dir);
   while ((entry = readdir(dir)))
      nodes += entry->d_type == DT_CHR;
   closedir(dir);
   SAY("nodes", "%d", nodes);
   int folder = open("/dev/input", O_RDONLY | O_DIRECTORY), again = openat(folder, "event1", O_RDONLY);
   NEED(fstat(again, &st) == 0);
   SAY("relative", "%u:%u", major(st.st_rdev), minor(st.st_rdev));
   SAY("terminal", "%d %s", isatty(fd), error(-1));
   text("/sys/class/input/event0/device/name");
   text("/sys/class/input/input0/uevent");
   text("/sys/class/input/input3/capabilities/abs");
   text("/sys/dev/char/13:64/uevent");
   text("/run/udev/data/c13:64");
   text("/run/udev/data/+input:input4");
}

static void events(void)
{
   struct input_event pieces[2];
   struct iovec iov[2] = { { &pieces[0], sizeof *pieces }, { &pieces[1], sizeof *pieces } };
   char little[8];
   int waits = device(0, O_RDONLY), fast = device(0, O_RDONLY | O_NONBLOCK);
   SAY("ready", "%d", ready(fast, 0));
   take(fast, 4);
   SAY("short", "%s", error(read(fast, little, sizeof little)));
   SAY("wait", "%s", "key");
   take(waits, 64); /* sleeps until there is something */
   SAY("ready", "%d", ready(fast, 10000));
   take(fast, 1);
   SAY("left", "%d", ready(fast, 10000));
   SAY("pieces", "%d %d", (int)readv(fast, iov, 2), pieces[0].code);
   take(fast, 4);
   go_on("nowhere");
   SAY("ready", "%d", ready(fast, 10000));
   SAY("nowhere", "%s", error(read(fast, (void *)16, sizeof *pieces)));
}

static void clocks(void)
{
   struct timespec before, after;
   struct input_event event;
   int fds[2] = { device(0, O_RDONLY), device(0, O_RDONLY) };
   int clock[2] = { CLOCK_REALTIME, CLOCK_MONOTONIC };
   NEED(ioctl(fds[1], EVIOCSCLOCKID, &clock[1]) == 0);
   int wrong = CLOCK_PROCESS_CPUTIME_ID;
   SAY("wrong", "%s", error(ioctl(fds[0], EVIOCSCLOCKID, &wrong)));
   struct timespec start[2];
   for (int i = 0; i < 2; i++)
      clock_gettime(clock[i], &start[i]);
   go_on("key");
   for (int i = 0; i < 2; i++) {
      NEED(read(fds[i], &event, sizeof event) == sizeof event);
      before = start[i];
      clock_gettime(clock[i], &after);
      /* CLOCK_REALTIME may be told in milliseconds. */
      int64_t from = before.tv_sec * 1000000ll + before.tv_nsec / 1000 - 3000, to = after.tv_sec * 1000000ll + after.tv_nsec / 1000 + 3000;
      int64_t at = event.input_event_sec * 1000000ll + event.input_event_usec;
      SAY("between", "%d", from <= at && at <= to);
   }
}

static int bit(const unsigned char *bits, int n) { return bits[n / 8] >> n % 8 & 1; }

static void ioctls(void)
{
   int keyboard = device(0, O_RDWR), screen = device(3, O_RDWR), pad = device(4, O_RDWR), version, effects = -1;
   unsigned char bits[KEY_CNT / 8];
   char name[64];
   struct input_id id;
   struct input_absinfo axis;
   struct ff_effect effect;
   unsigned repeat[2];
   struct { uint32_t code; int32_t values[12]; } slots = { ABS_MT_TRACKING_ID };

   NEED(ioctl(keyboard, EVIOCGVERSION, &version) == 0);
   SAY("version", "%x", version);
   NEED(ioctl(keyboard, EVIOCGID, &id) == 0);
   SAY("bus", "%d", id.bustype);
   memset(name, 'x', sizeof name);
   int n = ioctl(keyboard, EVIOCGNAME(sizeof name), name);
   SAY("name", "%d %s %c", n, name, name[n]);
   SAY("uniq", "%s", error(ioctl(keyboard, EVIOCGUNIQ(sizeof name), name)));
   n = ioctl(keyboard, EVIOCGBIT(EV_KEY, sizeof bits), bits);
   SAY("keys", "%d %d %d", n, bit(bits, KEY_A), bit(bits, BTN_LEFT));
   NEED(ioctl(keyboard, EVIOCGREP, repeat) == 0);
   SAY("repeat", "%u %u", repeat[0], repeat[1]);
   SAY("state", "%d %d", ioctl(keyboard, EVIOCGKEY(sizeof bits), bits), bit(bits, KEY_LEFTSHIFT));
   NEED(ioctl(screen, EVIOCGABS(ABS_MT_POSITION_X), &axis) == 0);
   SAY("axis", "%d %d", axis.minimum, axis.maximum);
   NEED(ioctl(screen, EVIOCGMTSLOTS(sizeof slots), &slots) == 0);
   SAY("slots", "%d %d %d", slots.values[0], slots.values[1], slots.values[10]);
   SAY("effects", "%s %d", error(ioctl(pad, EVIOCGEFFECTS, &effects)), effects);
   SAY("effect", "%s", error(ioctl(pad, EVIOCSFF, &effect)));
   SAY("erase", "%s", error(ioctl(pad, EVIOCRMFF, (void *)1)));
   SAY("nowhere", "%s", error(ioctl(keyboard, EVIOCGID, (void *)16)));
   SAY("drm", "%s", error(ioctl(keyboard, _IO('d', 0x40), NULL)));
   int other = device(0, O_RDWR);
   SAY("grab", "%s", error(ioctl(keyboard, EVIOCGRAB, (void *)1)));
   SAY("grab", "%s", error(ioctl(other, EVIOCGRAB, (void *)1)));
   SAY("ungrab", "%s", error(ioctl(keyboard, EVIOCGRAB, (void *)0)));
   SAY("grab", "%s", error(ioctl(other, EVIOCGRAB, (void *)1)));

   unsigned char wanted[8] = { 0 };
   struct input_mask mask = { EV_LED, sizeof wanted, (uintptr_t)wanted };
   NEED(ioctl(keyboard, EVIOCSMASK, &mask) == 0);
   memset(wanted, 0x55, sizeof wanted);
   NEED(ioctl(keyboard, EVIOCGMASK, &mask) == 0);
   SAY("mask", "%d", wanted[0]);
   mask.codes_ptr = 16;
   SAY("mask", "%s", error(ioctl(keyboard, EVIOCSMASK, &mask)));
}

static void lights(void)
{
   struct input_event lit[2];
   unsigned char leds;
   int fd = device(0, O_RDWR | O_NONBLOCK);
   memset(lit, 0, sizeof lit);
   lit[0].type = EV_LED;
   lit[0].code = LED_CAPSL;
   lit[0].value = 1;
   SAY("write", "%d", (int)write(fd, lit, sizeof lit));
   SAY("short", "%s", error(write(fd, lit, 10)));
   SAY("nowhere", "%s", error(write(fd, (void *)16, sizeof lit)));
   SAY("ready", "%d", ready(fd, 10000));
   take(fd, 4);
   NEED(ioctl(fd, EVIOCGLED(sizeof leds), &leds) == 1);
   SAY("lit", "%d", leds);
   struct iovec iov[2] = { { &lit[0], sizeof *lit }, { &lit[1], sizeof *lit } };
   lit[0].value = 0;
   SAY("writev", "%d", (int)writev(fd, iov, 2));
   take(fd, 4);
}

static void revoked(void)
{
   int fd = device(2, O_RDONLY), same = dup(fd), other = device(2, O_RDONLY | O_NONBLOCK), version;
   NEED(ioctl(fd, EVIOCGRAB, (void *)1) == 0);
   SAY("revoke", "%s", error(ioctl(same, EVIOCREVOKE, (void *)1)));
   SAY("revoke", "%s", error(ioctl(same, EVIOCREVOKE, (void *)0)));
   SAY("poll", "%d", (ready(fd, 10000) & POLLHUP) != 0);
   take(fd, 1);
   SAY("ioctl", "%s", error(ioctl(fd, EVIOCGVERSION, &version)));
   SAY("write", "%s", error(write(fd, &version, 0)));
   go_on("move");
   SAY("other", "%d", ready(other, 10000));
   take(other, 8);
}

static void shared(void)
{
   int status, fd = device(0, O_RDONLY | O_NONBLOCK);
   go_on("keys");
   SAY("ready", "%d", ready(fd, 10000));
   if (fork() == 0) {
      take(fd, 2);
      exit(0);
   }
   NEED(wait(&status) >= 0);
   SAY("left", "%d", ready(fd, 10000));
   take(fd, 64);
   take(fd, 64);
   SAY("ready", "%d", ready(fd, 0));
}

static void slow(void)
{
   int fd = device(0, O_RDONLY | O_NONBLOCK);
   go_on("flood");
   SAY("ready", "%d", ready(fd, 10000));
   take(fd, 64);
}

static void hold(void)
{
   int fd = device(4, O_RDONLY);
   NEED(ioctl(fd, EVIOCGRAB, (void *)1) == 0);
   go_on("holding");
}

/* Prints what all devices tell, until Escape is let go. */
static void watch(void)
{
   struct pollfd all[5];
   struct input_event event;
   for (int i = 0; i < 5; i++) {
      all[i].fd = device(i, O_RDONLY | O_NONBLOCK);
      all[i].events = POLLIN;
   }
   SAY("watching", "%d", 5);
   for (;;) {
      NEED(poll(all, 5, -1) > 0);
      for (int i = 0; i < 5; i++)
         while ((all[i].revents & POLLIN) && read(all[i].fd, &event, sizeof event) == sizeof event) {
            if (event.type != EV_SYN && event.value != 2)
               SAY("event", "%d: %d %d %d", i, event.type, event.code, event.value);
            if (event.code == KEY_ESC && event.type == EV_KEY && event.value == 0)
               return;
         }
   }
}

int main(int argc, char **argv)
{
   /* No table: tcc 0.9.27 for arm64 leaves pointers in initialised data without a relocation. */
#define SCENARIO(name) if (argc == 2 && strcmp(argv[1], #name) == 0) return name(), 0
   SCENARIO(look);
   SCENARIO(events);
   SCENARIO(clocks);
   SCENARIO(ioctls);
   SCENARIO(lights);
   SCENARIO(revoked);
   SCENARIO(shared);
   SCENARIO(slow);
   SCENARIO(hold);
   SCENARIO(watch);
   return 2;
}
