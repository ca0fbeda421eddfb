/*
 * A client that speaks to the machine without the shim, and badly: for src/host/rogue.test.ts. `rogue SCENARIO [N]`.
 *
 * It says "holding" when it has done its worst, and waits for the end of standard input.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "protocol.h"

#define NEED(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "rogue: line %d: %s: %s\n", __LINE__, #what, strerror(errno)); \
			exit(1); \
		} \
	} while (0)

/* VERSION of DRM: three numbers, and three texts that the machine writes to our memory. */
#define VERSION 0xc0406400u
#define VERSION_SIZE 64
#define GET_CAP 0xc010640cu
/* SYNCOBJ_FD_TO_HANDLE, whose argument names a descriptor. */
#define IMPORT 0xc01064c2u

/* Numbers of nodes: renderD128, and the keyboard. */
#define RENDER (TYR_DRM_MAJOR << TYR_MINOR_BITS | 128)
#define KEYBOARD (TYR_INPUT_MAJOR << TYR_MINOR_BITS | 64)
/* An ioctl of input devices: any size, any number. */
#define EVIOC(random) (((random) & 0xffff00ffu) | 'E' << 8)

/* Which node is opened next. */
static uint32_t node = RENDER;

static void hold(void)
{
	char byte;

	printf("holding\n");
	fflush(stdout);
	while (read(0, &byte, 1) > 0)
		;
}

static int dial(void)
{
	struct sockaddr_un address;
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	memset(&address, 0, sizeof(address));
	address.sun_family = AF_UNIX;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/" TYR_SOCKET, getenv(TYR_ENVIRONMENT));
	NEED(s >= 0);
	return connect(s, (struct sockaddr *)&address, sizeof(address)) == 0 ? s : -1;
}

static ssize_t ask(int s, uint32_t kind, uint32_t number, const void *data, size_t size, int fd)
{
	struct tyr_request request;
	char space[CMSG_SPACE(sizeof(fd))];
	struct iovec iov[2];
	struct msghdr msg;

	memset(&request, 0, sizeof(request));
	memset(&msg, 0, sizeof(msg));
	memset(space, 0, sizeof(space));
	request.kind = kind;
	request.number = number;
	request.named = -1;
	iov[0].iov_base = &request;
	iov[0].iov_len = sizeof(request);
	iov[1].iov_base = (void *)data;
	iov[1].iov_len = size;
	msg.msg_iov = iov;
	msg.msg_iovlen = size ? 2 : 1;
	if (fd >= 0) {
		msg.msg_control = space;
		msg.msg_controllen = sizeof(space);
		struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	}
	return sendmsg(s, &msg, MSG_NOSIGNAL);
}

/* The machine's number of a DRM file: the last part of its peer's name. */
static uint64_t number_of(int file)
{
	struct sockaddr_un peer;
	socklen_t size = sizeof(peer);

	memset(&peer, 0, sizeof(peer));
	NEED(getpeername(file, (struct sockaddr *)&peer, &size) == 0);
	return strtoull(strrchr(peer.sun_path + 1, '/') + 1, NULL, 10);
}

/* Receives an answer with a descriptor. */
static int receive(int s)
{
	struct tyr_reply reply;
	char rest[256], space[CMSG_SPACE(sizeof(int))];
	struct iovec iov[2] = { { &reply, sizeof(reply) }, { rest, sizeof(rest) } };
	struct msghdr msg;
	int fd;

	memset(&msg, 0, sizeof(msg));
	msg.msg_iov = iov;
	msg.msg_iovlen = 2;
	msg.msg_control = space;
	msg.msg_controllen = sizeof(space);
	NEED(recvmsg(s, &msg, 0) > 0);
	NEED(reply.kind == TYR_REPLY_DONE && reply.value == 0);
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* A channel that has greeted, and a node's file that was opened on it. */
static int begin(int *file)
{
	int s = dial();

	NEED(s >= 0);
	NEED(ask(s, TYR_REQUEST_HELLO, TYR_VERSION, NULL, 0, -1) > 0);
	NEED(ask(s, TYR_REQUEST_OPEN, node, NULL, 0, -1) > 0);
	*file = receive(s);
	return s;
}

/* The same, with a mailbox. */
static int begin_with_mailbox(int *file, char **box)
{
	struct tyr_request hello;
	int s = dial(), memory;

	NEED(s >= 0);
	memset(&hello, 0, sizeof(hello));
	hello.kind = TYR_REQUEST_HELLO;
	hello.number = TYR_VERSION;
	hello.flags = TYR_HELLO_MAILBOX;
	NEED(send(s, &hello, sizeof(hello), MSG_NOSIGNAL) > 0);
	memory = receive(s);
	NEED(ftruncate(memory, 0) < 0);
	*box = mmap(NULL, TYR_MAILBOX_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	NEED(*box != MAP_FAILED);
	close(memory);
	NEED(ask(s, TYR_REQUEST_OPEN, node, NULL, 0, -1) > 0);
	*file = receive(s);
	return s;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[2]) : 1, file, s, done = 0;
	char version[VERSION_SIZE];

	memset(version, 0, sizeof(version));
	if (!strcmp(what, "silent")) {
		/* Connections that never say a word. */
		while (done < n && dial() >= 0)
			done++;
	} else if (!strcmp(what, "deaf")) {
		/* Requests whose answers nobody reads. */
		s = begin(&file);
		while (done < n && ask(s, TYR_REQUEST_OPEN, node, NULL, 0, -1) > 0)
			done++;
	} else if (!strcmp(what, "mute")) {
		/* Ioctls that want our memory, which we never show. */
		for (; done < n; done++) {
			s = begin(&file);
			*(uint64_t *)(version + 16) = *(uint64_t *)(version + 32) = 64;
			*(uint64_t *)(version + 24) = *(uint64_t *)(version + 40) = 16;
			NEED(ask(s, TYR_REQUEST_IOCTL, VERSION, version, sizeof(version), file) > 0);
		}
	} else if (!strcmp(what, "endless")) {
		/* An answer to a question that was not asked, while one is open; then everything at once. */
		s = begin(&file);
		for (; done < n; done++) {
			if (ask(s, 1 + done % 9, VERSION, version, done % sizeof(version), done % 3 ? file : -1) < 0) {
				close(s);
				close(file);
				s = begin(&file);
			}
		}
	} else if (!strcmp(what, "thief")) {
		/* Ioctls on a file that the channel never had, called by its number; what is shown instead is another one. */
		int other, theirs = begin(&file);
		uint64_t number = number_of(file);

		for (; done < n; done++) {
			struct tyr_request request;
			struct tyr_reply reply;
			uint64_t cap[2] = { 5, 0 };

			s = begin(&other);
			memset(&request, 0, sizeof(request));
			request.kind = TYR_REQUEST_IOCTL;
			request.number = GET_CAP;
			request.end = number;
			request.named = -1;
			request.subject = 3;
			struct iovec iov[2] = { { &request, sizeof(request) }, { cap, sizeof(cap) } };
			NEED(writev(s, iov, 2) > 0);
			NEED(recv(s, &reply, sizeof(reply), 0) >= (ssize_t)sizeof(reply) && reply.kind == TYR_REPLY_TAKE);
			if (done % 2)
				NEED(ask(s, TYR_REQUEST_GIVE, 0, NULL, 0, other) > 0);
			else
				NEED(ask(s, TYR_REQUEST_GIVE, EBADF, NULL, 0, -1) > 0);
			NEED(recv(s, &reply, sizeof(reply), 0) >= (ssize_t)sizeof(reply) && reply.kind == TYR_REPLY_DONE);
			NEED(reply.value == -ENODEV);
			close(s);
			close(other);
		}
		NEED(theirs >= 0);
	} else if (!strcmp(what, "scrambled")) {
		/* Requests whose every field is drawn by lot, with none to three descriptors, as fast as they are taken. */
		unsigned seed = 1;

		s = begin(&file);
		for (; done < n; done++) {
			uint64_t numbers[] = { 0, number_of(file), number_of(file) + 1, ~0ull };
			int fds[3] = { file, 0, s }, count = rand_r(&seed) % 4;
			struct tyr_request request;
			char space[CMSG_SPACE(sizeof(fds))];
			struct iovec iov[2] = { { &request, sizeof(request) }, { version, rand_r(&seed) % 17 } };
			struct msghdr msg;

			for (size_t i = 0; i < sizeof(request); i++)
				((char *)&request)[i] = rand_r(&seed);
			request.kind = 1 + rand_r(&seed) % 10;
			request.number = node == KEYBOARD ? EVIOC((uint32_t)rand_r(&seed) << 1) : rand_r(&seed) % 2 ? GET_CAP : IMPORT;
			request.subject = rand_r(&seed) % 5 - 1;
			request.end = numbers[rand_r(&seed) % 4];
			request.named = rand_r(&seed) % 5 - 1;
			memset(&msg, 0, sizeof(msg));
			memset(space, 0, sizeof(space));
			msg.msg_iov = iov;
			msg.msg_iovlen = 2;
			if (count) {
				msg.msg_control = space;
				msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
				struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
				cmsg->cmsg_level = SOL_SOCKET;
				cmsg->cmsg_type = SCM_RIGHTS;
				cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
				memcpy(CMSG_DATA(cmsg), fds, count * sizeof(int));
			}
			if (sendmsg(s, &msg, MSG_NOSIGNAL) < 0) {
				close(s);
				close(file);
				node = done % 2 ? KEYBOARD : RENDER;
				s = begin(&file);
			}
		}
	} else if (!strcmp(what, "scribbler")) {
		/* A mailbox that changes while it is read: requests drawn by lot, lengths and numbers too, and packets between. */
		unsigned seed = 1;
		char *box, answer[4096];

		s = begin_with_mailbox(&file, &box);
		for (; done < n; done++) {
			struct tyr_mailbox_guest *guest = (void *)(box + TYR_MAILBOX_GUEST);
			struct tyr_request *request = (void *)(box + TYR_MAILBOX_REQUEST);
			int sent = 1;

			request->kind = rand_r(&seed) % 16 ? TYR_REQUEST_IOCTL : rand_r(&seed) % 10;
			request->number = rand_r(&seed) % 2 ? GET_CAP : VERSION;
			request->end = number_of(file) + !(rand_r(&seed) % 64);
			request->named = -1;
			request->serial = rand_r(&seed) % 2 ? guest->asked : (uint32_t)rand_r(&seed);
			guest->size = rand_r(&seed) % 8 ? sizeof(*request) + (request->number == VERSION ? VERSION_SIZE : 16)
			                                : (uint32_t)rand_r(&seed) % 3000;
			guest->asked += rand_r(&seed) % 16 ? 1 : (uint32_t)rand_r(&seed);
			if (rand_r(&seed) % 4 == 0)
				for (int i = 0; i < 1000; i++) {
					int at = rand_r(&seed) % TYR_MAILBOX_SIZE;

					/* The count goes on: who sets it back asks nothing. */
					if (at < TYR_MAILBOX_GUEST || at >= TYR_MAILBOX_REQUEST)
						box[at] = rand_r(&seed);
				}
			if (rand_r(&seed) % 4 == 0) {
				struct tyr_request sleep;

				memset(&sleep, 0, sizeof(sleep));
				sleep.kind = TYR_REQUEST_SLEEP;
				sleep.serial = guest->asked;
				sent = send(s, &sleep, sizeof(sleep), MSG_NOSIGNAL);
			}
			while (recv(s, answer, sizeof(answer), MSG_DONTWAIT) > 0)
				;
			if (rand_r(&seed) % 4 == 0)
				usleep(20);
			/* One that was asked something, and does not answer, is not served any more. */
			if (sent < 0 || rand_r(&seed) % 64 == 0) {
				close(s);
				close(file);
				munmap(box, TYR_MAILBOX_SIZE);
				s = begin_with_mailbox(&file, &box);
			}
		}
	} else {
		return 2;
	}
	printf("done %d\n", done);
	hold();
	return 0;
}
