/*
 * Control channels: connections of this process to the machine, each used by one thread at a time.
 *
 * A slot's mutex is held for the whole of a call, and taken by trylock alone, so a signal handler that comes in between
 * simply finds another slot. A forked child starts with empty slots; one that was forked by a bare clone, behind the back
 * of the C library, finds `mark` wiped by the kernel and uses none.
 *
 * A program that closes what it does not know (closefrom) leaves channels alone: a call of another thread may be on its way there, and
 * what the machine has done cannot be asked for again. Who goes past the C library closes them; that is noticed by the inode before anything
 * is asked there, by socket or by mailbox.
 */
#include "tyr.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#define SLOTS 64
/* Channels live above the numbers that programs that count on low descriptors (select) use. */
#define LOWEST_FD 200
/* The connection was lost before (LOST) or after (GONE) the machine may have seen the request. */
#define LOST (-100000)
#define GONE (-100001)

struct channel {
   pthread_mutex_t lock;
   volatile int fd; /* another thread may move it to another number, even in the midst of a call */
   ino_t inode;
   void *box; /* its mailbox, or NULL */
   uint32_t serial; /* of the last request there */
   struct tyr_offer offer;
};

static struct channel slots[SLOTS];
/* No channel ever had a lower number. */
static volatile int lowest = LOWEST_FD;
static volatile pid_t owner;
/* Not zero in memory that is still its owner's; NULL where the kernel has no such memory. */
static volatile char *mark;
static uint64_t proof;
static pthread_once_t once = PTHREAD_ONCE_INIT;

HIDDEN void *tyr_next(void **cache, const char *name)
{
   if (!*cache)
      *cache = dlsym(RTLD_NEXT, name);
   return *cache;
}

static void reset(void)
{
   for (int i = 0; i < SLOTS; i++) {
      pthread_mutex_init(&slots[i].lock, NULL);
      slots[i].fd = slots[i].offer.fd = -1;
      slots[i].box = NULL;
   }
   owner = getpid();
   if (mark)
      *mark = 1;
   if (getrandom(&proof, sizeof proof, GRND_NONBLOCK) != sizeof proof)
      proof = (uint64_t)owner << 32 ^ (uintptr_t)&proof;
}

static void after_fork(void)
{
   for (int i = 0; i < SLOTS; i++) {
      if (tyr_is_still(slots[i].fd, slots[i].inode))
         tyr_close(slots[i].fd);
      if (tyr_is_still(slots[i].offer.fd, slots[i].offer.inode))
         close(slots[i].offer.fd);
      tyr_mailbox_unmap(slots[i].box);
   }
   reset();
}

static void initialise(void)
{
   void *page = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
   if (page != MAP_FAILED && madvise(page, sysconf(_SC_PAGESIZE), MADV_WIPEONFORK) == 0)
      mark = page;
   reset();
   /* The machine asks the kernel for it. */
   tyr_take_name();
   pthread_atfork(NULL, NULL, after_fork);
}

/* May these slots be used here? A child by vfork shares memory and descriptors with its parent, who waits: it may. */
static int is_own(void)
{
   return mark ? *mark : getpid() == owner;
}

union control {
   char bytes[CMSG_SPACE(sizeof(int) * TYR_MAX_FDS)];
   struct cmsghdr align;
};

/* Sends one packet, with as many of the two descriptors as there are. Returns its length, or -errno. */
static ssize_t send_packet(int channel, const struct tyr_request *request, const void *data, size_t size, int fd,
                           int second)
{
   int fds[2], count = 0;
   struct iovec iov[2];
   struct msghdr msg;
   union control control;

   memset(&msg, 0, sizeof msg);
   iov[0].iov_base = (void *)request;
   iov[0].iov_len = sizeof *request;
   iov[1].iov_base = (void *)data;
   iov[1].iov_len = size;
   msg.msg_iov = iov;
   msg.msg_iovlen = size ? 2 : 1;
   if (fd >= 0)
      fds[count++] = fd;
   if (second >= 0)
      fds[count++] = second;
   if (count) {
      memset(&control, 0, CMSG_SPACE(sizeof fds));
      msg.msg_control = control.bytes;
      msg.msg_controllen = CMSG_SPACE(count * sizeof *fds);
      struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
      cmsg->cmsg_level = SOL_SOCKET;
      cmsg->cmsg_type = SCM_RIGHTS;
      cmsg->cmsg_len = CMSG_LEN(count * sizeof *fds);
      memcpy(CMSG_DATA(cmsg), fds, count * sizeof *fds);
   }
   for (;;) {
      ssize_t n = sendmsg(channel, &msg, MSG_NOSIGNAL);
      if (n >= 0)
         return n;
      if (errno != EINTR)
         return -errno;
   }
}

static ssize_t send_answer(int channel, uint32_t kind, int error, const void *data, size_t size, int fd)
{
   struct tyr_request answer;
   memset(&answer, 0, sizeof answer);
   answer.kind = kind;
   answer.number = error;
   return send_packet(channel, &answer, data, size, fd, -1);
}

static int connect_machine(int mailbox)
{
   struct sockaddr_un address;
   memset(&address, 0, sizeof address);
   address.sun_family = AF_UNIX;
   if (!tyr_machine_path(TYR_SOCKET, address.sun_path, sizeof address.sun_path))
      return -1;
   int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
   if (fd < 0)
      return -1;
   int high = fcntl(fd, F_DUPFD_CLOEXEC, LOWEST_FD);
   if (high >= 0) {
      close(fd);
      fd = high;
   }
   int r;
   do
      r = connect(fd, (struct sockaddr *)&address, sizeof address);
   while (r < 0 && errno == EINTR);

   struct tyr_request hello;
   memset(&hello, 0, sizeof hello);
   hello.kind = TYR_REQUEST_HELLO;
   hello.number = TYR_VERSION;
   hello.address = (uintptr_t)&proof;
   hello.size = proof;
   hello.flags = mailbox ? TYR_HELLO_MAILBOX : 0;
   if (r < 0 || send_packet(fd, &hello, NULL, 0, -1, -1) != sizeof hello) {
      close(fd);
      return -1;
   }
   return fd;
}

/* Stores a number in the caller's memory, where the address may be bad: the kernel does the check. */
static int store(uint64_t address, int number)
{
   int ends[2], ok;
   if (pipe2(ends, O_CLOEXEC) < 0)
      return -EMFILE;
   ok = write(ends[1], &number, sizeof number) == sizeof number &&
        read(ends[0], (void *)(uintptr_t)address, sizeof number) == sizeof number;
   close(ends[0]);
   close(ends[1]);
   return ok ? 0 : -EFAULT;
}

/* The end of a call: puts the descriptors where they belong. */
static int64_t finish(struct tyr_call *call, const struct tyr_reply *reply, ssize_t size,
                      const struct tyr_place *places, const int *fds, unsigned count)
{
   int64_t value = reply->value;
   size_t whole = sizeof *reply + reply->argSize + reply->fds * sizeof *places;

   if ((size_t)size != whole)
      value = -EFAULT; /* the argument's memory cannot be written */
   else if (reply->fds > TYR_MAX_FDS || reply->size > reply->fds || reply->argSize > call->out_size || (reply->argSize != call->out_size && reply->fds))
      value = -EIO;
   else if (count < reply->fds - reply->size)
      value = -EMFILE; /* this process may not have as many */

   for (unsigned i = 0; i < count; i++) {
      int keep = value >= 0;
      if (keep && !places[i].cloexec)
         fcntl(fds[i], F_SETFD, 0);
      if (!keep) {
         /* falls through to close */
      } else if (places[i].where == TYR_PLACE_RESULT) {
         call->result_fd = fds[i];
      } else if (places[i].where == TYR_PLACE_OFFER && call->offer.fd < 0) {
         struct tyr_offer offer = { fds[i], places[i].inode, call->request.end, places[i].at, places[i].size };
         call->offer = offer;
      } else if (places[i].where == TYR_PLACE_ARGUMENT && places[i].at + sizeof(int) <= call->out_size) {
         memcpy((char *)call->out + places[i].at, &fds[i], sizeof(int));
      } else {
         int error = places[i].where == TYR_PLACE_MEMORY ? store(places[i].at, fds[i]) : -EIO;
         if (error) {
            value = error;
            keep = 0;
         }
      }
      if (!keep)
         close(fds[i]);
   }
   return value;
}

/* What comes by the socket until the call is over. Returns as `exchange`. */
static int64_t listen_to(const struct channel *slot, struct tyr_call *call, int *broken)
{
   for (;;) {
      struct tyr_reply reply;
      struct tyr_place places[TYR_MAX_FDS];
      union control control;
      struct iovec iov[3];
      struct msghdr msg;
      int fds[TYR_MAX_FDS];
      unsigned count = 0;
      ssize_t n;

      memset(&reply, 0, sizeof reply);
      memset(&msg, 0, sizeof msg);
      iov[0].iov_base = &reply;
      iov[0].iov_len = sizeof reply;
      iov[1].iov_base = call->out;
      iov[1].iov_len = call->out_size;
      iov[call->out_size ? 2 : 1].iov_base = places;
      iov[call->out_size ? 2 : 1].iov_len = sizeof places;
      msg.msg_iov = iov;
      msg.msg_iovlen = call->out_size ? 3 : 2;
      msg.msg_control = control.bytes;
      msg.msg_controllen = sizeof control.bytes;
      n = recvmsg(slot->fd, &msg, MSG_CMSG_CLOEXEC);
      if (n < 0 && errno == EINTR)
         continue;
      if (n < 0 && errno == EFAULT) {
         *broken = 1; /* the packet, and what rode on it, is gone */
         return -EFAULT;
      }
      if (n < (ssize_t)sizeof reply) {
         *broken = 1;
         return GONE;
      }
      for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg); cmsg; cmsg = CMSG_NXTHDR(&msg, cmsg)) {
         if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
            continue;
         unsigned here = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
         for (unsigned i = 0; i < here && count < TYR_MAX_FDS; i++, count++)
            memcpy(&fds[count], CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
      }

      void *address = (void *)(uintptr_t)reply.address;
      ssize_t r = 0;
      switch (reply.kind) {
      case TYR_REPLY_DONE:
         return finish(call, &reply, n, places, fds, count);
      case TYR_REPLY_READ:
         r = send_answer(slot->fd, TYR_REQUEST_DATA, 0, address, reply.size, -1);
         if (r == -EFAULT)
            r = send_answer(slot->fd, TYR_REQUEST_DATA, EFAULT, NULL, 0, -1);
         break;
      case TYR_REPLY_TAKE:
         if (fcntl((int)reply.value, F_GETFD) < 0)
            r = send_answer(slot->fd, TYR_REQUEST_GIVE, EBADF, NULL, 0, -1);
         else
            r = send_answer(slot->fd, TYR_REQUEST_GIVE, 0, NULL, 0, (int)reply.value);
         break;
      case TYR_REPLY_WRITE:
         r = send_answer(slot->fd, TYR_REQUEST_READY, 0, NULL, 0, -1);
         if (r < 0)
            break;
         do
            n = recv(slot->fd, address, reply.size, 0);
         while (n < 0 && errno == EINTR);
         if (n != (ssize_t)reply.size) {
            *broken = 1;
            return n < 0 && errno == EFAULT ? -EFAULT : GONE;
         }
         break;
      default:
         *broken = 1;
         return -EIO;
      }
      if (r < 0) {
         *broken = 1;
         return r == -EPIPE || r == -ECONNRESET ? GONE : r;
      }
   }
}

/* Sends the request as a packet. Returns 0, LOST or -errno. */
static int64_t send_request(int channel, struct tyr_call *call)
{
   struct tyr_request *request = &call->request;
   ssize_t sent = send_packet(channel, request, call->in, call->in_size, call->fd, request->named);
   if (sent == -EBADF && request->named >= 0) {
      request->named = -1; /* not a descriptor: the machine says what that means */
      sent = send_packet(channel, request, call->in, call->in_size, call->fd, -1);
   }
   if (sent == -EPIPE || sent == -ECONNRESET || sent == -ENOTCONN || sent == -ENOTSOCK)
      return LOST;
   return sent < 0 ? sent : 0;
}

/* A call by the socket alone. */
static int64_t exchange(const struct channel *slot, struct tyr_call *call, int *broken)
{
   call->request.serial = 0;
   int64_t sent = send_request(slot->fd, call);
   return sent < 0 ? sent : listen_to(slot, call, broken);
}

/* One call on one channel. Returns the value, -errno, LOST or GONE; sets *broken if the channel cannot be used again. */
static int64_t converse(struct channel *slot, struct tyr_call *call, int *broken)
{
   struct tyr_request sleep;
   struct tyr_reply reply;
   enum tyr_way way = tyr_mailbox_way(slot->box, call);

   /*
    * By mail, too: who waits for long, brings descriptors or reads memory answers by the socket, and once the machine has taken
    * the request nobody can ask for the same again.
    */
   if (!tyr_is_still(slot->fd, slot->inode))
      return LOST;
   if (way == TYR_BY_SOCKET)
      return exchange(slot, call, broken);
   if (++slot->serial == 0)
      slot->serial = 1;
   call->request.serial = slot->serial;
   if (way == TYR_BY_MAIL) {
      tyr_mailbox_ask(slot->box, call);
   } else {
      int64_t sent = send_request(slot->fd, call);
      if (sent < 0)
         return sent;
      tyr_mailbox_announce(slot->box, slot->serial);
   }
   switch (tyr_mailbox_wait(slot->box, call, &reply)) {
   case TYR_ANSWER:
      return finish(call, &reply, sizeof reply + reply.argSize, NULL, NULL, 0);
   case TYR_PACKET:
      if (tyr_is_still(slot->fd, slot->inode))
         return listen_to(slot, call, broken);
      break;
   default:
      memset(&sleep, 0, sizeof sleep);
      sleep.kind = TYR_REQUEST_SLEEP;
      sleep.serial = slot->serial;
      if (tyr_is_still(slot->fd, slot->inode) && send_packet(slot->fd, &sleep, NULL, 0, -1, -1) > 0)
         return listen_to(slot, call, broken);
   }
   *broken = 1;
   return way == TYR_BY_MAIL && !tyr_mailbox_taken(slot->box, slot->serial) ? LOST : GONE;
}

/* Forgets the channel; its descriptor, too, if it is still ours. */
static void drop(struct channel *slot)
{
   if (tyr_is_still(slot->fd, slot->inode))
      tyr_close(slot->fd);
   slot->fd = -1;
   tyr_mailbox_unmap(slot->box);
   slot->box = NULL;
}

static int revive(struct channel *slot, int mailbox)
{
   struct stat st;
   struct tyr_call hello;
   int broken = 0;

   slot->box = NULL;
   slot->serial = 0;
   int fd = connect_machine(mailbox);
   if (fd < 0)
      return 0;
   slot->inode = tyr_stat(fd, "", &st, AT_EMPTY_PATH) == 0 ? st.st_ino : 0;
   if (fd < lowest)
      lowest = fd;
   slot->fd = fd;
   if (!mailbox)
      return 1;
   memset(&hello, 0, sizeof hello);
   hello.result_fd = hello.offer.fd = -1;
   listen_to(slot, &hello, &broken); /* a channel that is lost already shows when it is used */
   if (hello.result_fd >= 0) {
      slot->box = tyr_mailbox_map(hello.result_fd);
      close(hello.result_fd);
   }
   return 1;
}

static int64_t run(struct channel *slot, struct tyr_call *call, int mailbox)
{
   int64_t value = LOST;
   int broken = 0;

   if (tyr_takes_offer(&slot->offer, call))
      return 0;
   if (slot->fd >= 0)
      value = converse(slot, call, &broken);
   if (value == LOST || broken)
      drop(slot);
   if (value == LOST && revive(slot, mailbox)) {
      broken = 0;
      value = converse(slot, call, &broken);
      if (value == LOST || broken)
         drop(slot);
   }
   slot->offer = call->offer;
   return value == LOST || value == GONE ? -ENODEV : value;
}

HIDDEN int64_t tyr_call(struct tyr_call *call)
{
   int cancel, saved = errno;
   int64_t value;
   struct channel *slot = NULL;

   pthread_once(&once, initialise);
   call->result_fd = call->offer.fd = -1;
   pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
   if (is_own())
      for (int i = 0; i < SLOTS && !slot; i++)
         if (pthread_mutex_trylock(&slots[i].lock) == 0)
            slot = &slots[i];
   if (slot) {
      value = run(slot, call, 1);
      pthread_mutex_unlock(&slot->lock);
   } else {
      struct channel once_only;
      once_only.fd = once_only.offer.fd = -1;
      once_only.box = NULL;
      value = run(&once_only, call, 0);
      if (once_only.fd >= 0)
         tyr_close(once_only.fd);
      if (once_only.offer.fd >= 0)
         close(once_only.offer.fd);
   }
   pthread_setcancelstate(cancel, NULL);
   errno = saved;
   return value;
}

/* --- What closes descriptors --- */

HIDDEN int tyr_close(int fd)
{
   return syscall(SYS_close, fd);
}

/* The channel that has this number, if it is one of this process's. */
static struct channel *channel_at(int fd)
{
   if (fd < lowest || owner == 0 || !is_own())
      return NULL;
   for (int i = 0; i < SLOTS; i++)
      if (slots[i].fd == fd && tyr_is_still(fd, slots[i].inode))
         return &slots[i];
   return NULL;
}

int close(int fd)
{
   return channel_at(fd) ? 0 : tyr_close(fd);
}

/* The least number from `first` on that a channel has, or one beyond them all. */
static unsigned next_channel(unsigned first)
{
   unsigned next = ~0u;
   for (int i = 0; i < SLOTS; i++) {
      int fd = slots[i].fd;
      if (fd >= 0 && (unsigned)fd >= first && (unsigned)fd < next && channel_at(fd))
         next = fd;
   }
   return next;
}

/* `flags` but for close_range's own are none of ours: the kernel refuses them. */
static int close_between(unsigned first, unsigned last, unsigned flags)
{
   for (;;) {
      unsigned channel = next_channel(first), to = channel <= last ? channel - 1 : last;
      if (channel != first && syscall(SYS_close_range, first, to, flags) < 0)
         return -1;
      if (channel >= last || channel == ~0u)
         return 0;
      first = channel + 1;
   }
}

int close_range(unsigned first, unsigned last, int flags)
{
   if (first > last) {
      errno = EINVAL;
      return -1;
   }
   return close_between(first, last, flags);
}

void closefrom(int first)
{
   struct rlimit limit;
   int saved = errno;
   unsigned from = first < 0 ? 0 : first;
   if (close_between(from, ~0u, 0) < 0) {
      /* A kernel before 5.9. */
      if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
         for (unsigned fd = from; fd < limit.rlim_cur; fd++)
            close(fd);
   }
   errno = saved;
}

/* A channel makes room for whoever wants its number. In a child by vfork the numbers are the child's, and the slots its parent's. */
static void make_room(int fd)
{
   struct channel *slot = channel_at(fd);
   if (!slot || getpid() != owner)
      return;
   int saved = errno, other = fcntl(fd, F_DUPFD_CLOEXEC, LOWEST_FD);
   if (other >= 0) {
      if (other < lowest)
         lowest = other;
      slot->fd = other;
   }
   errno = saved;
}

int dup3(int old, int new, int flags)
{
   if (old != new && fcntl(old, F_GETFD) >= 0)
      make_room(new);
   return syscall(SYS_dup3, old, new, flags);
}

int dup2(int old, int new)
{
   if (old == new)
      return fcntl(old, F_GETFD) < 0 ? -1 : new;
   return dup3(old, new, 0);
}
