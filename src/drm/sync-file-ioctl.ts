/**
 * The ioctls of a sync file's descriptor: merge two, look inside, say by when it is wanted.
 * After Linux `drivers/dma-buf/sync_file.c`.
 */
import { viewOf } from '../abi/layout.ts';
import { SYNC_IOC, SYNC_NAME_SIZE, SyncFenceInfo } from '../abi/sync-file.ts';
import { type Log, silent } from '../board/log.ts';
import { must } from './error.ts';
import { fenceStatus } from './fence.ts';
import { leaves, mergeFences } from './fence-chain.ts';
import { type IoctlResult, ioctlOn, runOn } from './ioctl.ts';
import { SyncFile } from './sync-file.ts';
import { descriptorOf, type UserContext } from './user.ts';

/** Text as a name field holds it: cut to leave room for the closing zero. */
const name = (text: string): Uint8Array => new TextEncoder().encode(text).subarray(0, SYNC_NAME_SIZE - 1);

/** The text of a name field, at most as long as `name` makes it. */
function textOf(field: Uint8Array): string {
  const end = field.subarray(0, SYNC_NAME_SIZE - 1).indexOf(0);
  return new TextDecoder().decode(field.subarray(0, end < 0 ? SYNC_NAME_SIZE - 1 : end));
}

const ioctls = [
  ioctlOn(SYNC_IOC.MERGE, (syncFile: SyncFile, arg, user) => {
    must(arg.flags === 0 && arg.pad === 0, 'EINVAL', 'flags or padding are not zero');
    const other = descriptorOf(user, arg.fd2, 'sync-file', 'ENOENT').syncFile;
    const clock = syncFile.fence.clock;
    const merged = new SyncFile(textOf(arg.name), [mergeFences(clock, [...syncFile.fences, ...other.fences])]);
    user.install({ kind: 'sync-file', syncFile: merged }, SYNC_IOC.MERGE.arg!.offset.fence as number, {
      cloexec: true,
    });
  }),

  ioctlOn(SYNC_IOC.FILE_INFO, (syncFile: SyncFile, arg, user) => {
    must(arg.flags === 0 && arg.pad === 0, 'EINVAL', 'flags or padding are not zero');
    const { fence } = syncFile;
    const inside = [...leaves(fence)];
    if (arg.num_fences === 0) arg.status = fenceStatus(fence);
    else {
      must(arg.num_fences >= inside.length, 'EINVAL', () => `room for ${arg.num_fences} of ${inside.length} fences`);
      const infos = new Uint8Array(inside.length * SyncFenceInfo.size);
      let status = 1;
      for (const [i, leaf] of inside.entries()) {
        const own = fenceStatus(leaf);
        if (status > 0) status = own;
        SyncFenceInfo.write(viewOf(infos), i * SyncFenceInfo.size, {
          obj_name: name(leaf.timeline),
          driver_name: name(leaf.driver),
          status: own,
          timestamp_ns: leaf.timestamp,
        });
      }
      user.write(arg.sync_fence_info, infos);
      arg.status = status;
    }
    arg.name = name(syncFile.name || `${fence.driver}-${fence.timeline}${fence.context}-${fence.seqno}`);
    arg.num_fences = inside.length;
  }),

  ioctlOn(SYNC_IOC.SET_DEADLINE, (syncFile: SyncFile, arg) => {
    must(arg.pad === 0n, 'EINVAL', 'padding is not zero');
    syncFile.fence.setDeadline(arg.deadline_ns);
  }),
];

/** Runs one ioctl on a sync file's descriptor. `arg`: the struct's bytes, as many as `request` says. */
export function syncFileIoctl(
  syncFile: SyncFile,
  request: number,
  arg: Uint8Array,
  user: UserContext,
  log: Log = silent,
): IoctlResult | Promise<IoctlResult> {
  return runOn(ioctls, syncFile, 'sync_file', request, arg, user, log);
}
