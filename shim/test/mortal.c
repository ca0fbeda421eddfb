/*
 * A client that is made to die: for src/host/death.test.ts. `mortal SCENARIO` takes hold of the GPU in some way, says
 * "holding" and waits for the end of standard input, or for its death.
 *
 * Each scenario has a VM with a bound buffer, a tiler heap, a group and a syncobj; most have a job in flight. Uses the
 * kernel's own headers and no library. Source of the encodings: Mesa src/panfrost/lib/genxml/v10.xml.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <drm/drm.h>
#include <drm/panthor_drm.h>

#define SIZE 65536
#define VA 0x1000000ull
#define NEVER 0x7fffffffffffffffll

/* Opcodes of the streams. */
enum { MOVE48 = 1, MOVE32 = 2, BRANCH = 22, SYNC_WAIT32 = 39 };
enum { CONDITION_ALWAYS = 6, CONDITION_GT = 1 };

#define NEED(what) \
	do { \
		if ((what) < 0) { \
			fprintf(stderr, "mortal: line %d: %s: %s\n", __LINE__, #what, strerror(errno)); \
			exit(1); \
		} \
	} while (0)

struct client {
	int fd;
	uint32_t vm, group, syncobj;
	uint64_t *map;
};

static void say(const char *text)
{
	printf("%s\n", text);
	fflush(stdout);
}

static void await_end(void)
{
	char byte;

	while (read(0, &byte, 1) > 0)
		;
}

static uint64_t instruction(unsigned opcode, unsigned destination, uint64_t immediate)
{
	return (uint64_t)opcode << 56 | (uint64_t)destination << 48 | immediate;
}

static struct client begin(void)
{
	struct client c;

	NEED(c.fd = open("/dev/dri/renderD128", O_RDWR | O_CLOEXEC));
	struct drm_panthor_vm_create vm = { 0 };
	NEED(ioctl(c.fd, DRM_IOCTL_PANTHOR_VM_CREATE, &vm));
	c.vm = vm.id;
	struct drm_panthor_bo_create bo = { 0 };
	bo.size = SIZE;
	NEED(ioctl(c.fd, DRM_IOCTL_PANTHOR_BO_CREATE, &bo));
	struct drm_panthor_bo_mmap_offset offset = { 0 };
	offset.handle = bo.handle;
	NEED(ioctl(c.fd, DRM_IOCTL_PANTHOR_BO_MMAP_OFFSET, &offset));
	c.map = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, c.fd, offset.offset);
	NEED(c.map == MAP_FAILED ? -1 : 0);
	struct drm_panthor_vm_bind_op op = { 0 };
	op.flags = DRM_PANTHOR_VM_BIND_OP_TYPE_MAP;
	op.bo_handle = bo.handle;
	op.va = VA;
	op.size = SIZE;
	struct drm_panthor_vm_bind bind = { 0 };
	bind.vm_id = c.vm;
	bind.ops.stride = sizeof(op);
	bind.ops.count = 1;
	bind.ops.array = (uintptr_t)&op;
	NEED(ioctl(c.fd, DRM_IOCTL_PANTHOR_VM_BIND, &bind));
	struct drm_panthor_tiler_heap_create heap = { 0 };
	heap.vm_id = c.vm;
	heap.initial_chunk_count = 3;
	heap.chunk_size = 1 << 20;
	heap.max_chunks = 8;
	heap.target_in_flight = 4;
	NEED(ioctl(c.fd, DRM_IOCTL_PANTHOR_TILER_HEAP_CREATE, &heap));
	struct drm_panthor_queue_create queues[2] = { { 0 } };
	queues[0].priority = queues[1].priority = 1;
	queues[0].ringbuf_size = queues[1].ringbuf_size = 4096;
	struct drm_panthor_group_create group = { 0 };
	group.queues.stride = sizeof(queues[0]);
	group.queues.count = 2;
	group.queues.array = (uintptr_t)queues;
	group.compute_core_mask = group.fragment_core_mask = group.tiler_core_mask = 1;
	group.max_compute_cores = group.max_fragment_cores = group.max_tiler_cores = 1;
	group.priority = PANTHOR_GROUP_PRIORITY_MEDIUM;
	group.vm_id = c.vm;
	NEED(ioctl(c.fd, DRM_IOCTL_PANTHOR_GROUP_CREATE, &group));
	c.group = group.group_handle;
	struct drm_syncobj_create done = { 0 };
	NEED(ioctl(c.fd, DRM_IOCTL_SYNCOBJ_CREATE, &done));
	c.syncobj = done.handle;
	return c;
}

static void submit(const struct client *c, unsigned queue, unsigned at, unsigned count)
{
	struct drm_panthor_sync_op sync = { 0 };
	sync.flags = DRM_PANTHOR_SYNC_OP_HANDLE_TYPE_SYNCOBJ | DRM_PANTHOR_SYNC_OP_SIGNAL;
	sync.handle = c->syncobj;
	struct drm_panthor_queue_submit job = { 0 };
	job.queue_index = queue;
	job.stream_size = count * 8;
	job.stream_addr = VA + at * 8;
	job.syncs.stride = sizeof(sync);
	job.syncs.count = 1;
	job.syncs.array = (uintptr_t)&sync;
	struct drm_panthor_group_submit all = { 0 };
	all.group_handle = c->group;
	all.queue_submits.stride = sizeof(job);
	all.queue_submits.count = 1;
	all.queue_submits.array = (uintptr_t)&job;
	NEED(ioctl(c->fd, DRM_IOCTL_PANTHOR_GROUP_SUBMIT, &all));
}

/* A stream that goes round for ever. */
static void spin(const struct client *c)
{
	c->map[0] = instruction(MOVE32, 2, 1);
	c->map[1] = instruction(BRANCH, 0, (uint64_t)CONDITION_ALWAYS << 28 | 0xffff);
	submit(c, 0, 0, 2);
}

/* A stream that waits for a number that nobody writes; then a job behind it. */
static void block(const struct client *c)
{
	c->map[8] = instruction(MOVE48, 4, VA + 4096);
	c->map[9] = instruction(MOVE32, 6, 0);
	c->map[10] = instruction(SYNC_WAIT32, 0, (uint64_t)4 << 40 | (uint64_t)6 << 32 | (uint64_t)CONDITION_GT << 28);
	submit(c, 1, 8, 3);
	submit(c, 1, 8, 3);
}

static void *waiter(void *argument)
{
	const struct client *c = argument;
	struct drm_syncobj_wait wait = { 0 };

	wait.handles = (uintptr_t)&c->syncobj;
	wait.count_handles = 1;
	wait.timeout_nsec = NEVER;
	wait.flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT;
	ioctl(c->fd, DRM_IOCTL_SYNCOBJ_WAIT, &wait);
	return NULL;
}

static void send_fds(int socket, const int *fds, int count)
{
	char byte = 0, space[CMSG_SPACE(sizeof(int) * 4)] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { 0 };

	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = space;
	msg.msg_controllen = CMSG_SPACE(sizeof(int) * count);
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int) * count);
	memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * count);
	NEED(sendmsg(socket, &msg, 0));
}

/* A dma-buf and a sync file of the client's. */
static void export(const struct client *c, int fds[2])
{
	struct drm_prime_handle prime = { 0 };
	struct drm_syncobj_handle sync = { 0 };

	prime.handle = 1;
	prime.flags = DRM_CLOEXEC | DRM_RDWR;
	NEED(ioctl(c->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime));
	sync.handle = c->syncobj;
	sync.flags = DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE;
	NEED(ioctl(c->fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &sync));
	fds[0] = prime.fd;
	fds[1] = sync.fd;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	pthread_t thread;
	int pair[2], fds[4];

	struct client c = begin();
	if (!strcmp(what, "idle")) {
		/* has everything, does nothing */
	} else if (!strcmp(what, "spin")) {
		spin(&c);
	} else if (!strcmp(what, "block")) {
		block(&c);
	} else if (!strcmp(what, "all")) {
		spin(&c);
		block(&c);
		export(&c, fds);
		NEED(-pthread_create(&thread, NULL, waiter, &c));
	} else if (!strcmp(what, "hoard")) {
		/* All memory that there is. */
		uint64_t sizes[] = { 1ull << 28, 1ull << 20, SIZE }, taken = 0;

		for (int i = 0; i < 3; i++) {
			struct drm_panthor_bo_create bo = { 0 };
			int r;

			do {
				memset(&bo, 0, sizeof(bo));
				bo.size = sizes[i];
				r = ioctl(c.fd, DRM_IOCTL_PANTHOR_BO_CREATE, &bo);
				taken += r == 0 ? sizes[i] : 0;
			} while (r == 0);
			NEED(errno == ENOMEM ? 0 : -1);
		}
		printf("taken %llu\n", (unsigned long long)taken);
	} else if (!strcmp(what, "close")) {
		/* The last descriptor goes while jobs are in flight; the mapping stays. */
		spin(&c);
		block(&c);
		close(c.fd);
		c.map[100] = 1;
	} else if (!strcmp(what, "fork")) {
		/* The child goes on with what it inherited; whoever asked for it kills the parent. */
		spin(&c);
		if (fork() == 0) {
			block(&c);
			printf("child %d\n", (int)getpid());
			fflush(stdout);
			for (;;)
				pause();
		}
	} else if (!strcmp(what, "flight")) {
		/* Everything is in flight in a socket that itself is in flight. */
		spin(&c);
		export(&c, fds);
		NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
		fds[2] = c.fd;
		fds[3] = pair[1];
		send_fds(pair[0], fds, 4);
		for (int i = 0; i < 4; i++)
			close(fds[i]);
	} else {
		return 2;
	}
	say("holding");
	await_end();
	return 0;
}
