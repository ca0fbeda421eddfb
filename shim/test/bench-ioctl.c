/*
 * Prints how many nanoseconds one small ioctl takes, there and back, and how many it has made: DRM_IOCTL_GET_CAP on the
 * render node.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>

/* Linux include/uapi/drm/drm.h */
struct drm_get_cap {
   uint64_t capability;
   uint64_t value;
};
#define DRM_IOCTL_GET_CAP _IOWR('d', 0x0c, struct drm_get_cap)
#define DRM_CAP_PRIME 5

static double
now(void)
{
   struct timespec t;
   clock_gettime(CLOCK_MONOTONIC, &t);
   return t.tv_sec * 1e9 + t.tv_nsec;
}

int
main(void)
{
   int fd = open("/dev/dri/renderD128", O_RDWR);
   if (fd < 0) {
      perror("/dev/dri/renderD128");
      return 1;
   }
   double best = 1e18;
   const int rounds = 40, calls = 500;
   for (int round = 0; round < rounds; round++) {
      double begin = now();
      for (int i = 0; i < calls; i++) {
         struct drm_get_cap cap = {DRM_CAP_PRIME, 0};
         if (ioctl(fd, DRM_IOCTL_GET_CAP, &cap)) {
            perror("DRM_IOCTL_GET_CAP");
            return 1;
         }
      }
      double each = (now() - begin) / calls;
      if (each < best)
         best = each;
   }
   printf("%.0f %d\n", best, rounds * calls);
   return 0;
}
