/*
 * Offers: with the answer that tells a mmap offset comes the memory itself, since a driver maps it next as a rule. It waits
 * at the channel for the next call there, which takes it or makes it void: one round trip less for each buffer.
 */
#include "tyr.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

HIDDEN int tyr_is_still(int fd, uint64_t inode)
{
   struct stat st;
   int saved = errno;
   int ok = fd >= 0 && syscall(SYS_fstat, fd, &st) == 0 && st.st_ino == inode;
   errno = saved;
   return ok;
}

HIDDEN int tyr_takes_offer(struct tyr_offer *offer, struct tyr_call *call)
{
   const struct tyr_request *request = &call->request;
   int fd = offer->fd;

   offer->fd = -1;
   if (!tyr_is_still(fd, offer->inode))
      return 0;
   if (request->kind == TYR_REQUEST_MMAP && request->end == offer->end && request->address == offer->at &&
       request->size > 0 && request->size <= offer->size && (request->flags & MAP_TYPE) != MAP_PRIVATE) {
      call->result_fd = fd;
      return 1;
   }
   close(fd);
   return 0;
}
