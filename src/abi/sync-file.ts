/** Ioctls of sync file descriptors. Source: Linux `include/uapi/linux/sync_file.h`. */
import { iow, iowr } from './ioctl.ts';
import { bytes, s32, struct, u32, u64 } from './layout.ts';

/** Bytes of every name in these structs, with the closing zero. */
export const SYNC_NAME_SIZE = 32;

export const SyncMergeData = struct('sync_merge_data', {
  name: bytes(SYNC_NAME_SIZE),
  fd2: s32(),
  fence: s32(),
  flags: u32(),
  pad: u32(),
});
/** `status`: 1 signalled, 0 pending, negative errno: signalled with an error. */
export const SyncFenceInfo = struct('sync_fence_info', {
  obj_name: bytes(SYNC_NAME_SIZE),
  driver_name: bytes(SYNC_NAME_SIZE),
  status: s32(),
  flags: u32(),
  timestamp_ns: u64(),
});
export const SyncFileInfo = struct('sync_file_info', {
  name: bytes(SYNC_NAME_SIZE),
  status: s32(),
  flags: u32(),
  num_fences: u32(),
  pad: u32(),
  sync_fence_info: u64(),
});
export const SyncSetDeadline = struct('sync_set_deadline', { deadline_ns: u64(), pad: u64() });

const MAGIC = '>';

export const SYNC_IOC = {
  MERGE: iowr('SYNC_IOC_MERGE', MAGIC, 3, SyncMergeData),
  FILE_INFO: iowr('SYNC_IOC_FILE_INFO', MAGIC, 4, SyncFileInfo),
  SET_DEADLINE: iow('SYNC_IOC_SET_DEADLINE', MAGIC, 5, SyncSetDeadline),
} as const;
