/*
 * Fences that a program signals: a timeline of debugfs' sync/sw_sync, its fences as descriptors that can be polled, merged, looked into,
 * and left behind. Prints a line a step.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct create_fence {
   unsigned value;
   char name[32];
   int fence;
};
struct get_deadline {
   unsigned long long deadline_ns;
   unsigned pad;
   int fence_fd;
};
#define CREATE_FENCE _IOWR('W', 0, struct create_fence)
#define INC _IOW('W', 1, unsigned)
#define GET_DEADLINE _IOWR('W', 2, struct get_deadline)

static int fence(int timeline, unsigned value)
{
   struct create_fence data;
   memset(&data, 0, sizeof data);
   data.value = value;
   return ioctl(timeline, CREATE_FENCE, &data) < 0 ? -1 : data.fence;
}

static int readable(int fd)
{
   struct pollfd one = { fd, POLLIN, 0 };
   return poll(&one, 1, 0);
}

static int status(int fd)
{
   struct sync_file_info info;
   memset(&info, 0, sizeof info);
   return ioctl(fd, SYNC_IOC_FILE_INFO, &info) < 0 ? -errno : info.status;
}

static void inc(int timeline, unsigned by)
{
   if (ioctl(timeline, INC, &by) < 0)
      printf("inc: %s\n", strerror(errno));
}

int main(void)
{
   int timeline = open("/sys/kernel/debug/sync/sw_sync", O_RDWR);
   if (timeline < 0) {
      printf("open: %s\n", strerror(errno));
      return 1;
   }
   int one = fence(timeline, 1), two = fence(timeline, 2), late = fence(timeline, 9), past = fence(timeline, 0);
   printf("fresh %d %d %d\n", readable(one), readable(two), readable(past));
   inc(timeline, 1);
   printf("one %d %d, status %d %d\n", readable(one), readable(two), status(one), status(two));
   struct sync_merge_data merge = { "both", two, 0, 0, 0 };
   int merged = ioctl(one, SYNC_IOC_MERGE, &merge) < 0 ? -1 : merge.fence;
   struct get_deadline deadline = { 0, 0, two };
   int r = ioctl(timeline, GET_DEADLINE, &deadline);
   printf("deadline %d %s\n", r, r < 0 ? strerror(errno) : "");
   struct sync_set_deadline wish = { 12345, 0 };
   r = ioctl(two, SYNC_IOC_SET_DEADLINE, &wish);
   int s = ioctl(timeline, GET_DEADLINE, &deadline);
   printf("wish %d %d %llu\n", r, s, deadline.deadline_ns);
   printf("merged %d", readable(merged));
   inc(timeline, 1);
   printf(" %d\n", readable(merged));
   r = ioctl(timeline, _IO('W', 7), 0);
   printf("nonsense %d %s\n", r, strerror(errno));
   close(timeline);
   struct pollfd left = { late, POLLIN, 0 };
   printf("left %d, status %d\n", poll(&left, 1, 2000), status(late));
   return 0;
}
