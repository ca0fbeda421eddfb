/*
 * Mailboxes: a page of memory that a channel shares with the machine, for requests and answers that need no system call.
 *
 * Each word has one writer. What a word announces is written before it, and read after it. Where the machine does not
 * watch, or an argument is at an address that may be bad, the socket is the way: there the kernel does the check.
 */
#include "tyr.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Looks between two questions for the time. */
#define LOOKS 64
#define PAGE 4096ull

#define MACHINE(box) ((volatile struct tyr_mailbox_machine *)(box))
#define GUEST(box) ((volatile struct tyr_mailbox_guest *)((char *)(box) + TYR_MAILBOX_GUEST))

/*
 * Keeps the loads and stores before it from those after it. tcc has no word for it: on a real arm64, a release and an
 * acquire after it are one. x86, and an emulated arm64 there, keep the order of stores, and that of loads, by themselves.
 */
static void fence(void)
{
#ifndef __x86_64__
   const struct tyr_guest *guest = tyr_guest();
   pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
   if (guest && guest->emulator[0])
      return;
   for (int i = 0; i < 2; i++) {
      pthread_mutex_lock(&mutex);
      pthread_mutex_unlock(&mutex);
   }
#endif
}

HIDDEN int tyr_readable(const void *at)
{
   int saved = errno;
   const int *word = (const int *)((uintptr_t)at & ~3ull);
   int ok = syscall(SYS_futex, word, FUTEX_CMP_REQUEUE_PRIVATE, 0, 0, word, 0) >= 0 || errno == EAGAIN;
   errno = saved;
   return ok;
}

/* The kernel adds no bits to the word. */
static int writable(void *at)
{
   int saved = errno;
   int *word = (int *)((uintptr_t)at & ~3ull);
   int ok = syscall(SYS_futex, word, FUTEX_WAKE_OP_PRIVATE, 0, 0, word, FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_EQ, 0)) >= 0;
   errno = saved;
   return ok;
}

/* May the whole of it, of less than a page, be used? Where this call's own frame lies, it may. */
static int usable(void *at, size_t size, int (*check)(void *))
{
   uintptr_t own = (uintptr_t)&check / PAGE, first = (uintptr_t)at / PAGE, last = ((uintptr_t)at + size - 1) / PAGE;
   return size == 0 || ((first == own || check(at)) && (last == own || last == first || check((char *)at + size - 1)));
}

static int readable(void *at)
{
   return tyr_readable(at);
}

HIDDEN void *tyr_mailbox_map(int fd)
{
   void *box = mmap(NULL, TYR_MAILBOX_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
   return box == MAP_FAILED ? NULL : box;
}

HIDDEN void tyr_mailbox_unmap(void *box)
{
   if (box)
      munmap(box, TYR_MAILBOX_SIZE);
}

HIDDEN enum tyr_way tyr_mailbox_way(void *box, const struct tyr_call *call)
{
   if (!box || !MACHINE(box)->watching ||
       call->out_size > TYR_MAILBOX_SIZE - TYR_MAILBOX_ANSWER - sizeof(struct tyr_reply) ||
       !usable(call->out, call->out_size, writable))
      return TYR_BY_SOCKET;
   if (call->fd >= 0 || call->request.named >= 0 ||
       call->in_size > TYR_MAILBOX_ANSWER - TYR_MAILBOX_REQUEST - sizeof call->request ||
       (call->in != call->out && !usable((void *)call->in, call->in_size, readable)))
      return TYR_BY_PACKET;
   return TYR_BY_MAIL;
}

HIDDEN void tyr_mailbox_ask(void *box, const struct tyr_call *call)
{
   char *to = (char *)box + TYR_MAILBOX_REQUEST;
   memcpy(to, &call->request, sizeof call->request);
   memcpy(to + sizeof call->request, call->in, call->in_size);
   GUEST(box)->size = sizeof call->request + call->in_size;
   fence();
   GUEST(box)->asked = call->request.serial;
}

HIDDEN void tyr_mailbox_announce(void *box, uint32_t serial)
{
   GUEST(box)->size = 0;
   fence();
   GUEST(box)->asked = serial;
}

static int64_t nanoseconds(void)
{
   struct timespec now;
   clock_gettime(CLOCK_MONOTONIC, &now);
   return now.tv_sec * 1000000000ll + now.tv_nsec;
}

HIDDEN enum tyr_told tyr_mailbox_wait(void *box, struct tyr_call *call, struct tyr_reply *reply)
{
   volatile struct tyr_mailbox_machine *machine = MACHINE(box);
   const uint32_t serial = call->request.serial;
   int64_t end = 0;
   int taken = 0;
   for (;;) {
      for (int i = 0; i < LOOKS; i++) {
         if (machine->told != serial)
            continue;
         fence();
         const char *answer = (const char *)box + TYR_MAILBOX_ANSWER;
         memcpy(reply, answer, sizeof *reply);
         if (reply->kind != TYR_REPLY_DONE)
            return TYR_PACKET;
         if (reply->argSize <= call->out_size)
            memcpy(call->out, answer + sizeof *reply, reply->argSize);
         return TYR_ANSWER;
      }
      int64_t now = nanoseconds();
      if (!taken && machine->taken == serial) {
         taken = 1;
         end = now + machine->patience * 1000ll;
      } else if (end == 0)
         end = now + machine->hope * 1000ll;
      else if (now >= end)
         return TYR_NOTHING;
      sched_yield(); /* the machine may have no other processor */
   }
}

HIDDEN int tyr_mailbox_taken(void *box, uint32_t serial)
{
   struct timespec moment = { 0, 1000000 };
   for (int i = 0; i < 1000 && MACHINE(box)->watching; i++)
      nanosleep(&moment, NULL);
   fence();
   return MACHINE(box)->taken == serial;
}
