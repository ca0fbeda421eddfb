/*
 * Reading events: a DRM file gives whole ones, as many as fit, and keeps the first that does not (Linux
 * drivers/gpu/drm/drm_file.c, drm_read). The socket has one event in each packet and would cut it to fit.
 *
 * Waiting is by poll, since an event that is left behind wakes everybody who waits. Input devices' events are asked for.
 */
#include "tyr.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

DECLARE_NEXT(read);
DECLARE_NEXT(readv);
DECLARE_NEXT(write);
DECLARE_NEXT(writev);

static ssize_t read_events(int fd, char *out, size_t size)
{
   size_t done = 0;
   for (;;) {
      /* The next event's length; 0 when the machine is gone. */
      ssize_t n = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
      if (n > 0 && (size_t)n > size - done)
         return done;
      if (n > 0)
         n = recv(fd, out + done, size - done, MSG_DONTWAIT);
      if (n > 0) {
         done += n;
         continue;
      }
      if (done || n == 0)
         return done;
      /* Nothing there: for an address that can be none, the kernel does not wait. */
      if (errno == EAGAIN)
         recv(fd, out, size, MSG_PEEK | MSG_DONTWAIT);
      if (errno != EAGAIN || (fcntl(fd, F_GETFL) & O_NONBLOCK))
         return -1;
      struct pollfd one = { fd, POLLIN, 0 };
      if (poll(&one, 1, -1) < 0)
         return -1;
   }
}

/*
 * An input device's events are the machine's to hand out. The packet that says that there are some goes first: if there are
 * more than fit, or new ones, the machine sends another.
 */
static ssize_t read_input(int fd, const struct tyr_identity *identity, char *out, size_t size)
{
   for (;;) {
      struct tyr_call call;
      char packet;
      recv(fd, &packet, 1, MSG_DONTWAIT);
      tyr_about(&call, fd, identity);
      call.request.kind = TYR_REQUEST_READ;
      call.out = out;
      call.out_size = call.request.number = size < TYR_CHUNK ? size : TYR_CHUNK;
      ssize_t n = tyr_run(&call);
      if (n >= 0 || errno != EAGAIN || (fcntl(fd, F_GETFL) & O_NONBLOCK))
         return n;
      if (size == 0)
         return 0;
      struct pollfd one = { fd, POLLIN, 0 };
      if (poll(&one, 1, -1) < 0)
         return -1;
   }
}

/* What is written to an input device, or to an attribute of /sys, the machine takes or refuses. */
static ssize_t write_taken(int fd, const struct tyr_identity *identity, const char *in, size_t size)
{
   struct tyr_call call;
   tyr_about(&call, fd, identity);
   call.request.kind = TYR_REQUEST_WRITE;
   call.in = in;
   call.in_size = call.request.number = size < TYR_CHUNK / 2 ? size : TYR_CHUNK / 2;
   return tyr_run(&call);
}

static ssize_t read_node(int fd, const struct tyr_identity *identity, char *out, size_t size)
{
   return identity->kind == TYR_INPUT ? read_input(fd, identity, out, size) : read_events(fd, out, size);
}

ssize_t read(int fd, void *out, size_t size)
{
   struct tyr_identity identity = tyr_identify(fd);
   return tyr_is_node(&identity) ? read_node(fd, &identity, out, size) : NEXT(read)(fd, out, size);
}

ssize_t __read_chk(int fd, void *out, size_t size, size_t room)
{
   if (size > room)
      abort();
   return read(fd, out, size);
}

ssize_t write(int fd, const void *in, size_t size)
{
   struct tyr_identity identity = tyr_identify(fd);
   if (identity.kind == TYR_INPUT || (identity.kind == TYR_NONE && tyr_is_attribute(fd)))
      return write_taken(fd, &identity, in, size);
   return NEXT(write)(fd, in, size);
}

/* One piece after the other, to the first that is not filled (fs/read_write.c, do_loop_readv_writev). */
static ssize_t each_piece(int fd, const struct tyr_identity *identity, const struct iovec *pieces, int count, int writes)
{
   ssize_t done = 0;
   for (int i = 0; i < count; i++) {
      void *at = pieces[i].iov_base;
      size_t size = pieces[i].iov_len;
      ssize_t n = writes ? write_taken(fd, identity, at, size) : read_node(fd, identity, at, size);
      if (n < 0)
         return done ? done : n;
      done += n;
      if ((size_t)n != size)
         break;
   }
   return done;
}

ssize_t readv(int fd, const struct iovec *pieces, int count)
{
   struct tyr_identity identity = tyr_identify(fd);
   if (count <= 0 || !tyr_is_node(&identity))
      return NEXT(readv)(fd, pieces, count);
   return each_piece(fd, &identity, pieces, count, 0);
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
   struct tyr_identity identity = tyr_identify(fd);
   if (count <= 0 || (identity.kind != TYR_INPUT && (identity.kind != TYR_NONE || !tyr_is_attribute(fd))))
      return NEXT(writev)(fd, pieces, count);
   return each_piece(fd, &identity, pieces, count, 1);
}
