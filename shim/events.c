/*
 * Reading events: a DRM file gives whole ones, as many as fit, and keeps the first that does not (Linux
 * drivers/gpu/drm/drm_file.c, drm_read). The socket has one event in each packet and would cut it to fit.
 *
 * Waiting is by poll, since an event that is left behind wakes everybody who waits.
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

ssize_t read(int fd, void *out, size_t size)
{
   return tyr_identify(fd).kind == TYR_FILE ? read_events(fd, out, size) : NEXT(read)(fd, out, size);
}

ssize_t __read_chk(int fd, void *out, size_t size, size_t room)
{
   if (size > room)
      abort();
   return read(fd, out, size);
}

/* One piece after the other, to the first that is not filled (fs/read_write.c, do_loop_readv_writev). */
ssize_t readv(int fd, const struct iovec *pieces, int count)
{
   if (count <= 0 || tyr_identify(fd).kind != TYR_FILE)
      return NEXT(readv)(fd, pieces, count);
   ssize_t done = 0;
   for (int i = 0; i < count; i++) {
      ssize_t n = read_events(fd, pieces[i].iov_base, pieces[i].iov_len);
      if (n < 0)
         return done ? done : n;
      done += n;
      if ((size_t)n != pieces[i].iov_len)
         break;
   }
   return done;
}
