/*
 * Runs calls that src/testing/machine/calls/ has taken apart: it knows no ioctl and no struct, only bytes of an arena, descriptors in
 * slots and mappings in slots. So one program makes the same calls under any kernel, and says what came of each.
 *
 * Usage: calls [-p] NODE [PROGRAM]; -p keeps the superuser's capabilities, which are given up otherwise. The program's lines, numbers
 * hexadecimal:
 *   s BYTES                  begin anew: close and unmap everything, clear so much of the arena; prints "s"
 *   o SLOT                   open the node                          c SLOT        close
 *   b AT HEX                 bytes into the arena
 *   w AT WIDTH FROM ADD      a number of 4 or 8 bytes: that at FROM, plus ADD
 *   p AT TARGET              the address of TARGET                  t AT NS       the monotonic clock, so much later
 *   f AT SLOT                a descriptor's number                  k SLOT FROM   the descriptor that FROM holds the number of
 *   i SLOT REQUEST AT SIZE   ioctl; prints the argument afterwards  d AT SIZE     print bytes of the arena
 *   m MAP SLOT FROM SIZE PROT  mmap with the offset at FROM         u MAP         munmap
 *   W MAP AT HEX             bytes into a mapping                   R MAP AT SIZE print some
 *   h MAP AT SIZE            print a hash (FNV-1a, 64 bits) of them z NS          sleep
 *   x NAME                   make the file NAME-PID.mark, and wait for the file NAME-PID.seen
 * All but b, w, p, t, f and W print a line: the value, errno (0 if the value is not negative), bytes or "-".
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define ARENA (1 << 20)
#define SLOTS 64
#define SECOND 1000000000ull
/* Seconds after which a call counts as one that never comes back. */
#define HUNG 120

static unsigned char arena[ARENA] __attribute__((aligned(4096)));
static int files[SLOTS];
static struct {
	unsigned char *at;
	uint64_t size;
} maps[SLOTS];
static const char *node;
static unsigned long line;
/* Where to go on when a mapping turns out not to be for this: it may have lost its memory. */
static sigjmp_buf fault;
static volatile sig_atomic_t touching;

static void give_up(const char *what)
{
	fflush(stdout);
	fprintf(stderr, "calls: line %lu: %s\n", line, what);
	_exit(2);
}

static void on_alarm(int signal)
{
	(void)signal;
	give_up("a call does not come back");
}

static void on_fault(int signal)
{
	if (touching)
		siglongjmp(fault, signal);
	give_up("the client itself faults");
}

/* The next number of the line. */
static uint64_t number(char **at)
{
	char *end;
	uint64_t value = strtoull(*at, &end, 16);

	if (end == *at)
		give_up("a number is missing");
	*at = end;
	return value;
}

static unsigned slot(char **at)
{
	uint64_t value = number(at);

	if (value >= SLOTS)
		give_up("there is no such slot");
	return value;
}

static unsigned char *place(char **at, uint64_t size)
{
	uint64_t value = number(at);

	if (value > ARENA || size > ARENA - value)
		give_up("it lies beyond the arena");
	return arena + value;
}

static int digit(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

static void put_bytes(char *hex, unsigned char *to, uint64_t room)
{
	uint64_t i;

	while (*hex == ' ')
		hex++;
	for (i = 0; hex[2 * i] > ' '; i++) {
		if (i >= room)
			give_up("there is no room for so many bytes");
		to[i] = digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]);
	}
}

static void say(int64_t value, const unsigned char *bytes, uint64_t size)
{
	static const char digits[] = "0123456789abcdef";
	int error = value < 0 ? errno : 0;
	uint64_t i;

	printf("%lld %d ", (long long)value, error);
	for (i = 0; i < size; i++) {
		putchar(digits[bytes[i] >> 4]);
		putchar(digits[bytes[i] & 15]);
	}
	puts(size ? "" : "-");
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * SECOND + time.tv_nsec;
}

static void forget(void)
{
	unsigned i;

	for (i = 0; i < SLOTS; i++) {
		if (maps[i].at)
			munmap(maps[i].at, maps[i].size);
		maps[i].at = 0;
		if (files[i] >= 0)
			close(files[i]);
		files[i] = -1;
	}
}

/* Part of a mapping, or nothing, said as an error. */
static unsigned char *part(unsigned map, uint64_t at, uint64_t size)
{
	if (maps[map].at && at <= maps[map].size && size <= maps[map].size - at)
		return maps[map].at + at;
	return 0;
}

static uint64_t hash(const unsigned char *bytes, uint64_t size)
{
	uint64_t value = 0xcbf29ce484222325ull, i;

	for (i = 0; i < size; i++)
		value = (value ^ bytes[i]) * 0x100000001b3ull;
	return value;
}

/* What is done with a mapping. It may be read-only, or have lost its memory: then that is said. */
static void touch(char what, char *text)
{
	static unsigned char copy[ARENA];
	unsigned map = slot(&text);
	uint64_t at = number(&text), size = what == 'W' ? 0 : number(&text);
	unsigned char *from = part(map, at, size);
	int failed = !from || size > ARENA;

	if (!failed) {
		if (sigsetjmp(fault, 1))
			failed = 1;
		else {
			touching = 1;
			if (what == 'W')
				put_bytes(text, from, maps[map].size - at);
			else
				memcpy(copy, from, size);
		}
		touching = 0;
	}
	if (what == 'W')
		return;
	if (!failed && what == 'h') {
		uint64_t value = hash(copy, size);

		memcpy(copy, &value, sizeof(value));
		size = sizeof(value);
	}
	errno = EFAULT;
	say(failed ? -1 : 0, copy, failed ? 0 : size);
}

static void run(char *text)
{
	char what = *text++;
	unsigned char *to, *from;
	uint64_t a, b, c;
	unsigned i;

	switch (what) {
	case 's':
		forget();
		memset(arena, 0, number(&text));
		puts("s");
		fflush(stdout);
		break;
	case 'o':
		i = slot(&text);
		files[i] = open(node, O_RDWR | O_CLOEXEC);
		say(files[i] < 0 ? -1 : 0, 0, 0);
		break;
	case 'c':
		i = slot(&text);
		say(close(files[i]), 0, 0);
		files[i] = -1;
		break;
	case 'b':
		to = place(&text, 0);
		put_bytes(text, to, arena + ARENA - to);
		break;
	case 'w':
		to = place(&text, 8);
		a = number(&text);
		from = place(&text, 8);
		b = 0;
		memcpy(&b, from, a);
		b += number(&text);
		memcpy(to, &b, a);
		break;
	case 'p':
		to = place(&text, 8);
		a = (uint64_t)(uintptr_t)place(&text, 0);
		memcpy(to, &a, 8);
		break;
	case 't':
		to = place(&text, 8);
		a = now() + number(&text);
		memcpy(to, &a, 8);
		break;
	case 'f':
		to = place(&text, 4);
		memcpy(to, &files[slot(&text)], 4);
		break;
	case 'k':
		i = slot(&text);
		memcpy(&files[i], place(&text, 4), 4);
		/* A call that failed has left nobody's number there. */
		if (files[i] <= 2)
			files[i] = -1;
		break;
	case 'i':
		i = slot(&text);
		a = number(&text);
		b = number(&text);
		c = number(&text);
		if (b > ARENA || c > ARENA - b)
			give_up("the argument lies beyond the arena");
		alarm(HUNG);
		say(ioctl(files[i], (unsigned long)a, arena + b), arena + b, c);
		alarm(0);
		break;
	case 'd':
		from = place(&text, 0);
		say(0, from, number(&text));
		break;
	case 'm':
		i = slot(&text);
		a = files[slot(&text)];
		memcpy(&c, place(&text, 8), 8);
		b = number(&text);
		from = mmap(0, b, (int)number(&text), MAP_SHARED, (int)a, (off_t)c);
		if (from != MAP_FAILED && !maps[i].at) {
			maps[i].at = from;
			maps[i].size = b;
		}
		say(from == MAP_FAILED ? -1 : 0, 0, 0);
		break;
	case 'u':
		i = slot(&text);
		if (maps[i].at)
			munmap(maps[i].at, maps[i].size);
		maps[i].at = 0;
		say(0, 0, 0);
		break;
	case 'W':
	case 'R':
	case 'h':
		touch(what, text);
		break;
	case 'z': {
		struct timespec time;

		a = number(&text);
		time.tv_sec = a / SECOND;
		time.tv_nsec = a % SECOND;
		nanosleep(&time, 0);
		say(0, 0, 0);
		break;
	}
	case 'x': {
		char name[200], seen[200];

		/* Nothing is ever taken away: a virtual machine's file system would mistake what comes after for what was there. */
		text += strspn(text, " ");
		text[strcspn(text, "\n")] = 0;
		snprintf(name, sizeof(name), "%s-%d.mark", text, (int)getpid());
		snprintf(seen, sizeof(seen), "%s-%d.seen", text, (int)getpid());
		i = creat(name, 0666);
		if ((int)i < 0)
			give_up("the mark cannot be made");
		close(i);
		while (access(seen, F_OK))
			usleep(20000);
		say(0, 0, 0);
		break;
	}
	default:
		give_up("nobody knows such a line");
	}
}

int main(int argc, char **argv)
{
	/* capset(2) with header version 3 and nothing left. */
	uint32_t header[2] = {0x20080522, 0}, none[6] = {0};
	static char text[1 << 17];
	unsigned i;

	if (argc > 1 && !strcmp(argv[1], "-p")) {
		argv++;
		argc--;
	} else if (syscall(SYS_capset, header, none)) {
		perror("calls: capset");
		return 2;
	}
	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: calls [-p] NODE [PROGRAM]\n");
		return 2;
	}
	node = argv[1];
	if (argc > 2 && !freopen(argv[2], "r", stdin)) {
		perror(argv[2]);
		return 2;
	}
	for (i = 0; i < SLOTS; i++)
		files[i] = -1;
	signal(SIGALRM, on_alarm);
	signal(SIGBUS, on_fault);
	signal(SIGSEGV, on_fault);
	while (fgets(text, sizeof(text), stdin)) {
		line++;
		if (*text != '\n')
			run(text);
	}
	forget();
	fflush(stdout);
	return 0;
}
