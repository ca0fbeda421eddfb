/** Ioctls of debugfs' `sync/sw_sync`: fences that a program signals. Source: Linux `drivers/dma-buf/sw_sync.c`. */
import { iow, iowr } from './ioctl.ts';
import { bytes, s32, struct, u32, u64 } from './layout.ts';

export const SwSyncCreateFence = struct('sw_sync_create_fence_data', { value: u32(), name: bytes(32), fence: s32() });
export const SwSyncGetDeadline = struct('sw_sync_get_deadline', { deadline_ns: u64(), pad: u32(), fence_fd: s32() });
export const SwSyncInc = struct('sw_sync_inc', { value: u32() });

const MAGIC = 'W';

export const SW_SYNC_IOC = {
  CREATE_FENCE: iowr('SW_SYNC_IOC_CREATE_FENCE', MAGIC, 0, SwSyncCreateFence),
  INC: iow('SW_SYNC_IOC_INC', MAGIC, 1, SwSyncInc),
  GET_DEADLINE: iowr('SW_SYNC_GET_DEADLINE', MAGIC, 2, SwSyncGetDeadline),
} as const;
