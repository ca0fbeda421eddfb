/*
 * Descriptors that are the machine's: which they are, opening them, ioctl and mmap on them.
 *
 * The peer of such a descriptor is bound to the abstract address "tyr/MACHINE/MAJOR:MINOR/N" or "tyr/MACHINE/sync/N".
 */
#include "tyr.h"

#include <asm/ioctl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int ioctl(int fd, unsigned long request, ...);

DECLARE_NEXT(ioctl);
DECLARE_NEXT(mmap);

HIDDEN struct tyr_identity tyr_identify(int fd)
{
   static const size_t prefix = sizeof TYR_ADDRESS_PREFIX - 1;
   struct tyr_identity none = { TYR_NONE, 0, 0 }, identity = none;
   struct {
      struct sockaddr_un address;
      char zero;
   } peer;
   socklen_t size = sizeof peer.address;
   int saved = errno;

   memset(&peer, 0, sizeof peer);
   int r = getpeername(fd, (struct sockaddr *)&peer.address, &size);
   errno = saved;
   const char *name = peer.address.sun_path + 1;
   if (r < 0 || peer.address.sun_family != AF_UNIX || name[-1] != 0 || memcmp(name, TYR_ADDRESS_PREFIX, prefix) != 0)
      return none;
   /* Not before, since that itself reads files. */
   if (!tyr_enabled())
      return none;
   const char *what = strchr(name + prefix, '/');
   if (!what)
      return none;
   what++;
   if (strncmp(what, TYR_ADDRESS_SYNC "/", sizeof TYR_ADDRESS_SYNC) == 0) {
      identity.kind = TYR_SYNC;
   } else {
      char *end;
      unsigned major = strtoul(what, &end, 10);
      if ((major != TYR_DRM_MAJOR && major != TYR_INPUT_MAJOR) || *end != ':')
         return none;
      identity.device = major << TYR_MINOR_BITS | strtoul(end + 1, &end, 10);
      if (*end != '/')
         return none;
      identity.kind = major == TYR_INPUT_MAJOR ? TYR_INPUT : TYR_FILE;
      identity.end = strtoull(end + 1, NULL, 10);
   }
   return identity;
}

HIDDEN int64_t tyr_run(struct tyr_call *call)
{
   int64_t value = tyr_call(call);
   if (value >= 0)
      return value;
   errno = -value;
   return -1;
}

HIDDEN int tyr_open_node(unsigned device, int flags)
{
   struct tyr_call call;
   memset(&call, 0, sizeof call);
   call.request.kind = TYR_REQUEST_OPEN;
   call.request.number = device;
   call.request.flags = flags;
   call.request.named = -1;
   call.fd = -1;
   if (tyr_run(&call) < 0)
      return -1;
   if (!(flags & O_CLOEXEC))
      fcntl(call.result_fd, F_SETFD, 0);
   if (flags & O_NONBLOCK)
      fcntl(call.result_fd, F_SETFL, O_RDWR | O_NONBLOCK);
   return call.result_fd;
}

/* The descriptor that an ioctl's argument names, -1 if none. */
static int named(uint32_t request, const void *arg)
{
   static const unsigned rows[][2] = { TYR_NAMED };
   for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
      if (rows[i][0] == (request & 0xffff) && rows[i][1] + sizeof(int) <= _IOC_SIZE(request)) {
         const int *at = (const int *)((const char *)arg + rows[i][1]);
         return tyr_readable(at) ? *at : -1;
      }
   return -1;
}

/* A node's file is known by its number. */
HIDDEN void tyr_about(struct tyr_call *call, int fd, const struct tyr_identity *identity)
{
   memset(call, 0, sizeof *call);
   call->request.subject = fd;
   call->request.named = -1;
   call->request.end = tyr_is_node(identity) ? identity->end : 0;
   call->fd = tyr_is_node(identity) ? -1 : fd;
}

/* Is this ioctl one of the table's? */
static int listed(const unsigned rows[][1], size_t count, uint32_t request)
{
   for (size_t i = 0; i < count; i++)
      if (rows[i][0] == (request & 0xffff))
         return 1;
   return 0;
}

static int carry(int fd, const struct tyr_identity *identity, uint32_t request, void *arg)
{
   static const unsigned by_value[][1] = { TYR_BY_VALUE }, read_too[][1] = { TYR_READ_TOO };
   struct tyr_call call;
   int number = (int)(intptr_t)arg;
   tyr_about(&call, fd, identity);
   call.request.kind = TYR_REQUEST_IOCTL;
   call.request.number = request;
   if (listed(by_value, sizeof by_value / sizeof *by_value, request)) {
      call.in = &number;
      call.in_size = _IOC_SIZE(request) < sizeof number ? _IOC_SIZE(request) : sizeof number;
      return (int)tyr_run(&call);
   }
   call.request.named = named(request, arg);
   if ((_IOC_DIR(request) & _IOC_WRITE) || listed(read_too, sizeof read_too / sizeof *read_too, request)) {
      call.in = arg;
      call.in_size = _IOC_SIZE(request);
   }
   if (_IOC_DIR(request) & _IOC_READ) {
      call.out = arg;
      call.out_size = _IOC_SIZE(request);
   }
   return (int)tyr_run(&call);
}

/* A dma-buf is a memfd that cannot shrink; any other file has no such seal. */
static int is_buffer(int fd)
{
   int saved = errno;
   int seals = fcntl(fd, F_GET_SEALS);
   errno = saved;
   return seals >= 0 && (seals & F_SEAL_SHRINK);
}

int ioctl(int fd, unsigned long request, ...)
{
   va_list list;
   va_start(list, request);
   void *arg = va_arg(list, void *);
   va_end(list);
   struct tyr_identity identity = { TYR_NONE, 0, 0 };

   switch (_IOC_TYPE((uint32_t)request)) {
   case 'd': /* DRM */
   case 'E': /* input device */
   case '>': /* sync file */
   case 'W': /* sw_sync */
      identity = tyr_identify(fd);
      if (identity.kind != TYR_NONE)
         return carry(fd, &identity, request, arg);
      break;
   case 'b': /* dma-buf */
      if (tyr_enabled() && is_buffer(fd))
         return carry(fd, &identity, request, arg);
      break;
   default:
      return NEXT(ioctl)(fd, request, arg);
   }
   /* qemu-user refuses requests that it does not know before it looks at the descriptor. */
   if (tyr_enabled() && fcntl(fd, F_GETFD) < 0)
      return -1;
   return NEXT(ioctl)(fd, request, arg);
}

static void *map_node(void *at, size_t length, int prot, int flags, int fd, const struct tyr_identity *identity,
                      uint64_t offset)
{
   struct tyr_call call;
   tyr_about(&call, fd, identity);
   call.request.kind = TYR_REQUEST_MMAP;
   call.request.number = prot;
   call.request.flags = flags;
   call.request.address = offset;
   call.request.size = length;
   int64_t value = tyr_run(&call);
   if (value < 0)
      return MAP_FAILED;
   void *mapped = NEXT(mmap)(at, length, prot, flags, call.result_fd, value);
   int saved = errno;
   close(call.result_fd);
   errno = saved;
   return mapped;
}

void *mmap(void *at, size_t length, int prot, int flags, int fd, off_t offset)
{
   if (fd >= 0 && !(flags & MAP_ANONYMOUS)) {
      struct tyr_identity identity = tyr_identify(fd);
      if (identity.kind == TYR_FILE)
         return map_node(at, length, prot, flags, fd, &identity, offset);
   }
   return NEXT(mmap)(at, length, prot, flags, fd, offset);
}

#undef mmap64
void *mmap64(void *at, size_t length, int prot, int flags, int fd, off64_t offset)
{
   return mmap(at, length, prot, flags, fd, offset);
}
