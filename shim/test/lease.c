/*
 * Leases drawn by lot: a master that lends objects of its display, lessees that use, pass on, close or die with what they were lent, and
 * revocations in between. Prints how many calls of each kind went well, then "holding", and keeps what it has until it is killed.
 * Usage: lease COUNT SEED
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* As include/uapi/drm/drm_mode.h has them. */
struct card_res {
   uint64_t fb_id_ptr, crtc_id_ptr, connector_id_ptr, encoder_id_ptr;
   uint32_t count_fbs, count_crtcs, count_connectors, count_encoders, min_width, max_width, min_height, max_height;
};
struct plane_res {
   uint64_t plane_id_ptr;
   uint32_t count_planes;
};
struct create_lease {
   uint64_t object_ids;
   uint32_t object_count, flags, lessee_id, fd;
};
struct list {
   uint32_t count, pad;
   uint64_t pointer;
};
struct revoke {
   uint32_t lessee_id;
};
struct client_cap {
   uint64_t capability, value;
};
#define GETRESOURCES _IOWR('d', 0xa0, struct card_res)
#define GETPLANERESOURCES _IOWR('d', 0xb5, struct plane_res)
#define SET_CLIENT_CAP _IOW('d', 0x0d, struct client_cap)
#define SET_MASTER _IO('d', 0x1e)
#define DROP_MASTER _IO('d', 0x1f)
#define CREATE_LEASE _IOWR('d', 0xc6, struct create_lease)
#define LIST_LESSEES _IOWR('d', 0xc7, struct list)
#define GET_LEASE _IOWR('d', 0xc8, struct list)
#define REVOKE_LEASE _IOWR('d', 0xc9, struct revoke)

#define MOST 8

static uint32_t state;
static unsigned lot(unsigned below)
{
   state = state * 1664525u + 1013904223u;
   return (unsigned)(((uint64_t)state * below) >> 32);
}

static uint32_t objects[64];
static unsigned known;

static void look(int fd)
{
   uint32_t crtcs[8], connectors[8], planes[16];
   struct card_res res;
   struct plane_res plane = { (uintptr_t)planes, 16 };
   memset(&res, 0, sizeof res);
   res.crtc_id_ptr = (uintptr_t)crtcs;
   res.connector_id_ptr = (uintptr_t)connectors;
   res.count_crtcs = res.count_connectors = 8;
   if (ioctl(fd, GETRESOURCES, &res) == 0) {
      for (unsigned i = 0; i < res.count_crtcs && i < 8; i++)
         objects[known++] = crtcs[i];
      for (unsigned i = 0; i < res.count_connectors && i < 8; i++)
         objects[known++] = connectors[i];
   }
   if (ioctl(fd, GETPLANERESOURCES, &plane) == 0)
      for (unsigned i = 0; i < plane.count_planes && i < 16; i++)
         objects[known++] = planes[i];
}

int main(int argc, char **argv)
{
   int count = argc > 1 ? atoi(argv[1]) : 100, card = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
   int lessee[MOST], made = 0, used = 0, revoked = 0, died = 0, refused = 0;
   uint32_t ids[MOST];
   struct client_cap universal = { 2, 1 };
   state = argc > 2 ? (uint32_t)atoi(argv[2]) : 1;
   for (int i = 0; i < MOST; i++)
      lessee[i] = -1, ids[i] = 0;
   if (card < 0 || ioctl(card, SET_CLIENT_CAP, &universal) < 0) {
      printf("open: %s\n", strerror(errno));
      return 1;
   }
   look(card);
   for (int n = 0; n < count; n++) {
      unsigned slot = lot(MOST);
      uint32_t list[64];
      switch (lot(8)) {
      case 0:
      case 1:
      case 2: { /* lend some objects, or nonsense */
         struct create_lease lease;
         memset(&lease, 0, sizeof lease);
         lease.object_count = lot(8) ? 1 + lot(known) : lot(64);
         for (unsigned i = 0; i < 64; i++)
            list[i] = lot(20) ? objects[(slot + i) % known] : lot(100);
         lease.object_ids = lot(30) ? (uintptr_t)list : lot(4096);
         lease.flags = lot(10) ? (lot(2) ? O_CLOEXEC : O_NONBLOCK) : lot(1 << 20);
         if (lessee[slot] >= 0)
            close(lessee[slot]);
         lessee[slot] = -1;
         if (ioctl(lot(6) || lessee[0] < 0 ? card : lessee[0], CREATE_LEASE, &lease) < 0)
            refused++;
         else
            made++, lessee[slot] = (int)lease.fd, ids[slot] = lease.lessee_id;
         break;
      }
      case 3: { /* a lessee looks at what it has */
         struct list has = { 64, 0, (uintptr_t)list };
         struct card_res res;
         memset(&res, 0, sizeof res);
         if (lessee[slot] >= 0 && ioctl(lessee[slot], GET_LEASE, &has) == 0 && ioctl(lessee[slot], GETRESOURCES, &res) == 0)
            used++;
         break;
      }
      case 4: { /* the lessor looks whom it has lent to */
         struct list has = { lot(64), 0, lot(20) ? (uintptr_t)list : lot(4096) };
         ioctl(card, LIST_LESSEES, &has);
         break;
      }
      case 5: {
         struct revoke one = { lot(4) ? ids[slot] : lot(50) };
         if (ioctl(card, REVOKE_LEASE, &one) == 0)
            revoked++;
         break;
      }
      case 6: { /* somebody else has it too, and is killed with it */
         pid_t child = lot(4) ? -1 : fork();
         if (child == 0) {
            if (lessee[slot] >= 0)
               ioctl(lessee[slot], lot(2) ? SET_MASTER : DROP_MASTER, 0);
            raise(SIGKILL);
         }
         if (child > 0 && waitpid(child, NULL, 0) == child)
            died++;
         break;
      }
      case 7:
         if (lessee[slot] >= 0)
            close(lessee[slot]);
         lessee[slot] = -1;
         if (lot(8) == 0)
            ioctl(card, DROP_MASTER, 0), ioctl(card, SET_MASTER, 0);
         break;
      }
   }
   printf("made %d, refused %d, used %d, revoked %d, died %d\nholding\n", made, refused, used, revoked, died);
   fflush(stdout);
   pause();
   return 0;
}
