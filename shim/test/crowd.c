/*
 * A crowd: processes whose groups always have work for the GPU, and one client of high priority that asks for little and wants it soon.
 *
 * Usage: crowd NODE PROCESSES GROUPS SECONDS SAMPLES. Each process has a VM and so many groups of medium priority, each with WAITING jobs in
 * flight, all of one length (LOOPS). Prints, a line each:
 *   share N                  jobs of one process that ended within SECONDS, for each
 *   idle NS                  from GROUP_SUBMIT to its signal seen, of a job that stores a word, nobody else having work; one line a sample
 *   idle-again NS            the same, the next job submitted as soon as the last has ended
 *   loaded NS, loaded-again NS   both beside the crowd
 * Between two samples of the first kind the client rests for REST, as one does that draws now and then. Times are CLOCK_MONOTONIC's.
 * Uses the kernel's own headers and no library. Source of the encodings: Mesa src/panfrost/lib/genxml/v10.xml.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <drm/drm.h>
#include <drm/panthor_drm.h>

#define SIZE 65536
#define VA 0x1000000ull
#define RESULT 4096
#define MOST_PROCESSES 64
#define MOST_GROUPS 16
#define WAITING 3
#define LOOPS 400
#define BODY 100
#define SECOND 1000000000ll
#define REST 5000000
/* Nanoseconds for which the crowd works before anything is counted. */
#define BEFORE SECOND

enum { MOVE48 = 1, MOVE32 = 2, WAIT = 3, ADD_IMMEDIATE32 = 16, STORE_MULTIPLE = 21, BRANCH = 22 };
enum { CONDITION_NE = 3 };
enum { ADDRESS = 66, VALUE = 68 };

#define NEED(what) \
	do { \
		if ((what) < 0) { \
			fprintf(stderr, "crowd: line %d: %s: %s\n", __LINE__, #what, strerror(errno)); \
			exit(1); \
		} \
	} while (0)

/* What all processes see. */
struct board {
	/* 0: the crowd gets ready; 1: it works; 2: it ends. */
	volatile int stage;
	volatile char ready[MOST_PROCESSES];
	volatile uint64_t done[MOST_PROCESSES];
};

struct client {
	int fd;
	uint32_t vm;
	uint64_t *map;
	uint32_t cores, tilers;
};

static const char *node;
static struct board *board;

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * SECOND + time.tv_nsec;
}

static void rest(int64_t time)
{
	struct timespec spec = { time / SECOND, time % SECOND };

	while (nanosleep(&spec, &spec) < 0 && errno == EINTR)
		;
}

static int call(int fd, unsigned long request, void *argument)
{
	int result;

	do
		result = ioctl(fd, request, argument);
	while (result < 0 && (errno == EINTR || errno == EAGAIN));
	return result;
}

static uint64_t instruction(unsigned opcode, unsigned destination, uint64_t immediate)
{
	return (uint64_t)opcode << 56 | (uint64_t)destination << 48 | immediate;
}

static struct client begin(void)
{
	struct client c;
	struct drm_panthor_gpu_info gpu = { 0 };
	struct drm_panthor_dev_query query = { 0 };
	struct drm_panthor_vm_create vm = { 0 };
	struct drm_panthor_bo_create bo = { 0 };
	struct drm_panthor_bo_mmap_offset offset = { 0 };
	struct drm_panthor_vm_bind_op op = { 0 };
	struct drm_panthor_vm_bind bind = { 0 };

	NEED(c.fd = open(node, O_RDWR | O_CLOEXEC));
	query.type = DRM_PANTHOR_DEV_QUERY_GPU_INFO;
	query.size = sizeof(gpu);
	query.pointer = (uintptr_t)&gpu;
	NEED(call(c.fd, DRM_IOCTL_PANTHOR_DEV_QUERY, &query));
	c.cores = gpu.shader_present;
	c.tilers = gpu.tiler_present;
	NEED(call(c.fd, DRM_IOCTL_PANTHOR_VM_CREATE, &vm));
	c.vm = vm.id;
	bo.size = SIZE;
	bo.exclusive_vm_id = vm.id;
	NEED(call(c.fd, DRM_IOCTL_PANTHOR_BO_CREATE, &bo));
	offset.handle = bo.handle;
	NEED(call(c.fd, DRM_IOCTL_PANTHOR_BO_MMAP_OFFSET, &offset));
	c.map = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, c.fd, offset.offset);
	NEED(c.map == MAP_FAILED ? -1 : 0);
	op.bo_handle = bo.handle;
	op.va = VA;
	op.size = SIZE;
	bind.vm_id = c.vm;
	bind.ops.stride = sizeof(op);
	bind.ops.count = 1;
	bind.ops.array = (uintptr_t)&op;
	NEED(call(c.fd, DRM_IOCTL_PANTHOR_VM_BIND, &bind));
	return c;
}

static uint32_t new_group(const struct client *c, int priority)
{
	struct drm_panthor_queue_create queue = { 0 };
	struct drm_panthor_group_create group = { 0 };

	queue.priority = 1;
	queue.ringbuf_size = 4096;
	group.queues.stride = sizeof(queue);
	group.queues.count = 1;
	group.queues.array = (uintptr_t)&queue;
	group.compute_core_mask = group.fragment_core_mask = c->cores;
	group.tiler_core_mask = c->tilers;
	group.max_compute_cores = group.max_fragment_cores = group.max_tiler_cores = 1;
	group.priority = priority;
	group.vm_id = c->vm;
	NEED(call(c->fd, DRM_IOCTL_PANTHOR_GROUP_CREATE, &group));
	return group.group_handle;
}

static uint32_t new_syncobj(const struct client *c)
{
	struct drm_syncobj_create create = { 0 };

	NEED(call(c->fd, DRM_IOCTL_SYNCOBJ_CREATE, &create));
	return create.handle;
}

/* Submits the `count` instructions that the buffer begins with; the syncobj has `point` when they are done. */
static void submit(const struct client *c, uint32_t group, unsigned count, uint32_t syncobj, uint64_t point)
{
	struct drm_panthor_sync_op sync = { 0 };
	struct drm_panthor_queue_submit job = { 0 };
	struct drm_panthor_group_submit all = { 0 };

	sync.flags = DRM_PANTHOR_SYNC_OP_HANDLE_TYPE_TIMELINE_SYNCOBJ | (uint32_t)DRM_PANTHOR_SYNC_OP_SIGNAL;
	sync.handle = syncobj;
	sync.timeline_value = point;
	job.stream_size = count * 8;
	job.stream_addr = VA;
	job.syncs.stride = sizeof(sync);
	job.syncs.count = 1;
	job.syncs.array = (uintptr_t)&sync;
	all.group_handle = group;
	all.queue_submits.stride = sizeof(job);
	all.queue_submits.count = 1;
	all.queue_submits.array = (uintptr_t)&job;
	NEED(call(c->fd, DRM_IOCTL_PANTHOR_GROUP_SUBMIT, &all));
}

/* Waits until one of the syncobjs has reached its point. */
static void wait_any(const struct client *c, const uint32_t *handles, const uint64_t *points, unsigned count)
{
	struct drm_syncobj_timeline_wait wait = { 0 };

	wait.handles = (uintptr_t)handles;
	wait.points = (uintptr_t)points;
	wait.count_handles = count;
	wait.timeout_nsec = now() + 120 * SECOND;
	NEED(call(c->fd, DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, &wait));
}

static void one_of_many(int index, unsigned groups)
{
	struct client c = begin();
	uint32_t group[MOST_GROUPS], syncobj[MOST_GROUPS];
	uint64_t submitted[MOST_GROUPS] = { 0 }, reached[MOST_GROUPS] = { 0 }, next[MOST_GROUPS];
	unsigned i, length = 0;

	for (i = 0; i < groups; i++) {
		group[i] = new_group(&c, PANTHOR_GROUP_PRIORITY_MEDIUM);
		syncobj[i] = new_syncobj(&c);
	}
	c.map[length++] = instruction(MOVE32, 2, LOOPS);
	for (i = 0; i < BODY; i++)
		c.map[length++] = instruction(MOVE32, 8, i);
	c.map[length++] = instruction(ADD_IMMEDIATE32, 2, (uint64_t)2 << 40 | 0xffffffff);
	c.map[length++] = instruction(BRANCH, 0, (uint64_t)2 << 40 | (uint64_t)CONDITION_NE << 28 | (uint16_t)(-BODY - 2));
	board->ready[index] = 1;
	while (board->stage == 0)
		rest(2000000);
	while (board->stage == 1) {
		struct drm_syncobj_timeline_array query = { 0 };
		uint64_t sum = 0;

		for (i = 0; i < groups; i++) {
			for (; submitted[i] < reached[i] + WAITING; submitted[i]++)
				submit(&c, group[i], length, syncobj[i], submitted[i] + 1);
			next[i] = reached[i] + 1;
		}
		wait_any(&c, syncobj, next, groups);
		query.handles = (uintptr_t)syncobj;
		query.points = (uintptr_t)reached;
		query.count_handles = groups;
		NEED(call(c.fd, DRM_IOCTL_SYNCOBJ_QUERY, &query));
		for (i = 0; i < groups; i++)
			sum += reached[i];
		board->done[index] = sum;
	}
	_exit(0);
}

/* The client of high priority. */
struct urgent {
	struct client client;
	uint32_t group, syncobj;
	uint64_t point;
	unsigned length;
};

static struct urgent be_urgent(void)
{
	struct urgent u = { begin(), 0, 0, 0, 0 };

	u.group = new_group(&u.client, PANTHOR_GROUP_PRIORITY_HIGH);
	u.syncobj = new_syncobj(&u.client);
	u.client.map[u.length++] = instruction(MOVE48, ADDRESS, VA + RESULT);
	u.client.map[u.length++] = instruction(MOVE32, VALUE, 1);
	u.client.map[u.length++] = instruction(STORE_MULTIPLE, VALUE, (uint64_t)ADDRESS << 40 | 1 << 16);
	u.client.map[u.length++] = instruction(WAIT, 0, 1 << 16);
	return u;
}

static void sample(struct urgent *u, const char *name, int count, int64_t pause)
{
	int i;

	for (i = 0; i < count; i++) {
		int64_t begun = now();

		u->point++;
		submit(&u->client, u->group, u->length, u->syncobj, u->point);
		wait_any(&u->client, &u->syncobj, &u->point, 1);
		printf("%s %lld\n", name, (long long)(now() - begun));
		if (pause)
			rest(pause);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	uint64_t before[MOST_PROCESSES];
	int processes, groups, i;

	if (argc != 6)
		goto usage;
	node = argv[1];
	processes = atoi(argv[2]);
	groups = atoi(argv[3]);
	if (processes < 1 || processes > MOST_PROCESSES || groups < 1 || groups > MOST_GROUPS)
		goto usage;
	board = mmap(0, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	NEED(board == MAP_FAILED ? -1 : 0);
	for (i = 0; i < processes; i++) {
		pid_t child = fork();

		NEED(child);
		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			one_of_many(i, groups);
		}
	}
	/* A child that fails has said why. */
	for (i = 0; i < processes; i++) {
		while (!board->ready[i]) {
			if (waitpid(-1, 0, WNOHANG) > 0)
				return 1;
			rest(2000000);
		}
	}
	struct urgent urgent = be_urgent();

	sample(&urgent, "warm", atoi(argv[5]) / 4 + 1, REST);
	sample(&urgent, "idle", atoi(argv[5]), REST);
	sample(&urgent, "idle-again", atoi(argv[5]), 0);
	board->stage = 1;
	rest(BEFORE);
	for (i = 0; i < processes; i++)
		before[i] = board->done[i];
	rest(atoll(argv[4]) * SECOND);
	for (i = 0; i < processes; i++)
		printf("share %llu\n", (unsigned long long)(board->done[i] - before[i]));
	sample(&urgent, "loaded", atoi(argv[5]), REST);
	sample(&urgent, "loaded-again", atoi(argv[5]), 0);
	board->stage = 2;
	for (i = 0; i < processes; i++)
		NEED(waitpid(-1, 0, 0));
	return 0;
usage:
	fprintf(stderr, "usage: crowd NODE PROCESSES GROUPS SECONDS SAMPLES\n");
	return 2;
}
