/*
 * The MOV job: the smallest piece of work that a CSF GPU can do, from open() to a value in memory.
 *
 * Creates a VM, binds a buffer, submits a command stream that moves a constant into a register and stores it, waits for
 * the job's syncobj and looks for the constant in the buffer. Prints "mov-job: 0x<value>" and exits 0 if it is there.
 * Uses the kernel's own headers and no library. Source of the encodings: Mesa src/panfrost/lib/genxml/v10.xml.
 *
 * Usage: mov-job [node [rounds]]; a number instead of a node is a descriptor that it was started with.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <drm/drm.h>
#include <drm/panthor_drm.h>

#define SIZE 4096
#define VA 0x1000000ull
#define RESULT_OFFSET 2048
#define CONSTANT 0xcafe0000u

/* Opcodes and register numbers of the stream. */
enum { MOVE48 = 1, MOVE32 = 2, WAIT = 3, STORE_MULTIPLE = 21 };
enum { ADDRESS = 66, VALUE = 68 };

static void fail(const char *what)
{
	fprintf(stderr, "mov-job: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void call(int fd, unsigned long request, void *argument, const char *name)
{
	int result;

	do
		result = ioctl(fd, request, argument);
	while (result < 0 && (errno == EINTR || errno == EAGAIN));
	if (result < 0)
		fail(name);
}

static uint64_t instruction(unsigned opcode, unsigned destination, uint64_t immediate)
{
	return (uint64_t)opcode << 56 | (uint64_t)destination << 48 | immediate;
}

int main(int argc, char **argv)
{
	const char *node = argc > 1 ? argv[1] : "/dev/dri/renderD128";
	unsigned rounds = argc > 2 ? atoi(argv[2]) : 1;
	int fd = node[0] == '/' ? open(node, O_RDWR | O_CLOEXEC) : atoi(node);

	if (fd < 0)
		fail(node);

	struct drm_panthor_gpu_info gpu;
	struct drm_panthor_dev_query query;
	memset(&query, 0, sizeof(query));
	query.type = DRM_PANTHOR_DEV_QUERY_GPU_INFO;
	query.size = sizeof(gpu);
	query.pointer = (uint64_t)(uintptr_t)&gpu;
	call(fd, DRM_IOCTL_PANTHOR_DEV_QUERY, &query, "DEV_QUERY");

	struct drm_panthor_vm_create vm;
	memset(&vm, 0, sizeof(vm));
	call(fd, DRM_IOCTL_PANTHOR_VM_CREATE, &vm, "VM_CREATE");

	struct drm_panthor_bo_create bo;
	memset(&bo, 0, sizeof(bo));
	bo.size = SIZE;
	bo.exclusive_vm_id = vm.id;
	call(fd, DRM_IOCTL_PANTHOR_BO_CREATE, &bo, "BO_CREATE");

	struct drm_panthor_bo_mmap_offset offset;
	memset(&offset, 0, sizeof(offset));
	offset.handle = bo.handle;
	call(fd, DRM_IOCTL_PANTHOR_BO_MMAP_OFFSET, &offset, "BO_MMAP_OFFSET");
	unsigned char *map = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset.offset);
	if (map == MAP_FAILED)
		fail("mmap");

	struct drm_panthor_vm_bind_op op;
	memset(&op, 0, sizeof(op));
	op.flags = DRM_PANTHOR_VM_BIND_OP_TYPE_MAP;
	op.bo_handle = bo.handle;
	op.va = VA;
	op.size = SIZE;
	struct drm_panthor_vm_bind bind;
	memset(&bind, 0, sizeof(bind));
	bind.vm_id = vm.id;
	bind.ops.stride = sizeof(op);
	bind.ops.count = 1;
	bind.ops.array = (uint64_t)(uintptr_t)&op;
	call(fd, DRM_IOCTL_PANTHOR_VM_BIND, &bind, "VM_BIND");

	struct drm_panthor_queue_create queue;
	memset(&queue, 0, sizeof(queue));
	queue.priority = 1;
	queue.ringbuf_size = 64 * 1024;
	struct drm_panthor_group_create group;
	memset(&group, 0, sizeof(group));
	group.queues.stride = sizeof(queue);
	group.queues.count = 1;
	group.queues.array = (uint64_t)(uintptr_t)&queue;
	group.compute_core_mask = gpu.shader_present;
	group.fragment_core_mask = gpu.shader_present;
	group.tiler_core_mask = gpu.tiler_present;
	group.max_compute_cores = 1;
	group.max_fragment_cores = 1;
	group.max_tiler_cores = 1;
	group.priority = PANTHOR_GROUP_PRIORITY_MEDIUM;
	group.vm_id = vm.id;
	call(fd, DRM_IOCTL_PANTHOR_GROUP_CREATE, &group, "GROUP_CREATE");

	struct drm_syncobj_create done;
	memset(&done, 0, sizeof(done));
	call(fd, DRM_IOCTL_SYNCOBJ_CREATE, &done, "SYNCOBJ_CREATE");

	volatile uint32_t *result = (volatile uint32_t *)(map + RESULT_OFFSET);
	uint64_t *stream = (uint64_t *)map;
	for (unsigned round = 0; round < rounds; round++) {
		uint32_t constant = CONSTANT + round;

		stream[0] = instruction(MOVE48, ADDRESS, VA + RESULT_OFFSET);
		stream[1] = instruction(MOVE32, VALUE, constant);
		stream[2] = instruction(STORE_MULTIPLE, VALUE, (uint64_t)ADDRESS << 40 | 1 << 16);
		stream[3] = instruction(WAIT, 0, 1 << 16);
		*result = 0;

		struct drm_panthor_sync_op sync;
		memset(&sync, 0, sizeof(sync));
		sync.flags = DRM_PANTHOR_SYNC_OP_HANDLE_TYPE_SYNCOBJ | DRM_PANTHOR_SYNC_OP_SIGNAL;
		sync.handle = done.handle;
		struct drm_panthor_queue_submit submit;
		memset(&submit, 0, sizeof(submit));
		submit.stream_size = 4 * sizeof(*stream);
		submit.stream_addr = VA;
		submit.syncs.stride = sizeof(sync);
		submit.syncs.count = 1;
		submit.syncs.array = (uint64_t)(uintptr_t)&sync;
		struct drm_panthor_group_submit all;
		memset(&all, 0, sizeof(all));
		all.group_handle = group.group_handle;
		all.queue_submits.stride = sizeof(submit);
		all.queue_submits.count = 1;
		all.queue_submits.array = (uint64_t)(uintptr_t)&submit;
		call(fd, DRM_IOCTL_PANTHOR_GROUP_SUBMIT, &all, "GROUP_SUBMIT");

		struct timespec now;
		clock_gettime(CLOCK_MONOTONIC, &now);
		struct drm_syncobj_wait wait;
		memset(&wait, 0, sizeof(wait));
		wait.handles = (uint64_t)(uintptr_t)&done.handle;
		wait.count_handles = 1;
		wait.timeout_nsec = ((int64_t)now.tv_sec + 60) * 1000000000ll + now.tv_nsec;
		call(fd, DRM_IOCTL_SYNCOBJ_WAIT, &wait, "SYNCOBJ_WAIT");

		if (*result != constant) {
			fprintf(stderr, "mov-job: round %u: memory holds 0x%x instead of 0x%x\n", round, *result, constant);
			return 1;
		}
		struct drm_syncobj_array reset;
		memset(&reset, 0, sizeof(reset));
		reset.handles = (uint64_t)(uintptr_t)&done.handle;
		reset.count_handles = 1;
		call(fd, DRM_IOCTL_SYNCOBJ_RESET, &reset, "SYNCOBJ_RESET");
	}
	printf("mov-job: 0x%x\n", *result);
	return 0;
}
