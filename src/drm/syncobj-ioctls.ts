/**
 * The ioctls of sync objects, binary and timeline.
 * After Linux `drivers/gpu/drm/drm_syncobj.c`, with its errors and their order.
 */
import { DRM_IOCTL, DRM_SYNCOBJ_CREATE, DRM_SYNCOBJ_FD, DRM_SYNCOBJ_QUERY, DRM_SYNCOBJ_WAIT } from '../abi/drm.ts';
import { DrmError, must } from './error.ts';
import { type Fence, signaledFence } from './fence.ts';
import { mergeFences } from './fence-chain.ts';
import { type DrmFile, FILE_LIMITS } from './file.ts';
import { type IoctlEntry, ioctl } from './ioctl.ts';
import { SyncFile } from './sync-file.ts';
import { findAll, findFence, Syncobj } from './syncobj.ts';
import { timeLeft } from './timeout.ts';
import { descriptorOf, readArray, type UserContext } from './user.ts';
import { waitUntil } from './wait.ts';

const WAIT = DRM_SYNCOBJ_WAIT;
/** How long TRANSFER waits for a submission, in nanoseconds. */
const SUBMIT_TIMEOUT = 5_000_000_000n;
/** Syncobjs that one ioctl takes. */
const MOST_SYNCOBJS = 1 << 14;
/** `first_signaled` where none is to be told. */
const NONE = 0xffffffff;

const supported = (file: DrmFile<any>): void =>
  must(file.device.driver.features.syncobj, 'EOPNOTSUPP', 'the device has no sync objects');
const onlyFlags = (flags: number, known: number): void =>
  must((flags & ~known) === 0, 'EINVAL', () => `flags 0x${flags.toString(16)} beyond 0x${known.toString(16)}`);
const noPad = (pad: number): void => must(pad === 0, 'EINVAL', 'padding is not zero');

/** The syncobjs behind an array of handles in the caller's memory. */
function syncobjsAt(file: DrmFile<any>, user: UserContext, address: bigint, count: number): Syncobj[] {
  const data = readArray(user, address, count, 4, MOST_SYNCOBJS);
  const syncobjs: Syncobj[] = [];
  for (let i = 0; i < count; i++) syncobjs.push(file.syncobj(data.getUint32(i * 4, true)));
  return syncobjs;
}

function pointsAt(user: UserContext, address: bigint, count: number): bigint[] {
  const data = readArray(user, address, count, 8, MOST_SYNCOBJS);
  return Array.from({ length: count }, (_, i) => data.getBigUint64(i * 8, true));
}

interface Waiting {
  readonly timeout_nsec: bigint;
  readonly flags: number;
  readonly deadline_nsec: bigint;
  first_signaled: number;
}

/** WAIT and TIMELINE_WAIT on syncobjs[i] at points[i]. */
function wait(
  file: DrmFile<any>,
  user: UserContext,
  syncobjs: Syncobj[],
  points: bigint[],
  arg: Waiting,
): void | Promise<void> {
  const all = (arg.flags & WAIT.ALL) !== 0;
  const available = (arg.flags & WAIT.AVAILABLE) !== 0;
  const patient = (arg.flags & (WAIT.FOR_SUBMIT | WAIT.AVAILABLE)) !== 0;
  const fences = findAll(syncobjs, points);
  let first = NONE;
  let signaled = 0;
  for (const [i, fence] of fences.entries()) {
    must(fence || patient, 'EINVAL', () => `nothing was submitted to syncobj ${i} of the wait for point ${points[i]}`);
    if (!fence || !(available || fence.signaled)) continue;
    if (signaled++ === 0) first = i;
  }
  if (signaled === syncobjs.length || (signaled > 0 && !all)) {
    arg.first_signaled = first;
    return;
  }
  const hint = (fence: Fence): void => {
    if (arg.flags & WAIT.DEADLINE) fence.setDeadline(arg.deadline_nsec);
  };
  for (const fence of fences) if (fence) hint(fence);
  const left = timeLeft(file.device.context.clock, arg.timeout_nsec);
  if (left === undefined) throw new DrmError('ETIME', 'not yet');
  const begin = (done: (i: number) => void): (() => void) => {
    const [only] = fences;
    if (only && fences.length === 1 && !available) return only.onSignal(() => done(all ? first : 0));
    let missing = all ? syncobjs.length : 1;
    const undo: (() => void)[] = [];
    const one = (i: number): void => {
      if (--missing === 0) done(all ? first : i);
    };
    const watch = (fence: Fence, i: number): void => {
      if (available) one(i);
      else undo.push(fence.onSignal(() => one(i)));
    };
    for (const [i, syncobj] of syncobjs.entries()) {
      const fence = fences[i];
      if (fence) watch(fence, i);
      else {
        undo.push(
          syncobj.onAvailable(points[i]!, (late) => {
            hint(late);
            watch(late, i);
          }),
        );
      }
    }
    return () => {
      for (const off of undo) off();
    };
  };
  return waitUntil<number>(file, user, arg.timeout_nsec, begin, syncobjs.length, left).then((i) => {
    arg.first_signaled = i;
  });
}

/** Signals `eventfd` once `point` of the syncobj is done (or only submitted). */
function notifyEventfd(
  file: DrmFile<any>,
  syncobj: Syncobj,
  point: bigint,
  submitted: boolean,
  eventfd: { signal(): void; close(): void },
): void {
  const waiting = eventfds.get(file) ?? 0;
  if (waiting >= FILE_LIMITS.eventfds) {
    eventfd.close();
    throw new DrmError('ENOMEM', `${waiting} eventfds of the file wait already`);
  }
  eventfds.set(file, waiting + 1);
  let ended = false;
  const undo: (() => void)[] = [];
  const hold = (off: () => void): void => {
    if (ended) off();
    else undo.push(off);
  };
  const end = (signal: boolean): void => {
    if (ended) return;
    ended = true;
    for (const off of undo) off();
    eventfds.set(file, (eventfds.get(file) ?? 1) - 1);
    if (signal) eventfd.signal();
    eventfd.close();
  };
  hold(file.onClose(() => end(false)));
  // Without the syncobj nothing can be submitted to it any more; what has been submitted is still waited for.
  const offRelease = syncobj.onRelease(() => end(false));
  hold(offRelease);
  hold(
    syncobj.onAvailable(point, (fence) => {
      offRelease();
      if (submitted) end(true);
      else hold(fence.onSignal(() => end(true)));
    }),
  );
}
const eventfds = new WeakMap<DrmFile<any>, number>();

/** The fence for a point, waiting for its submission where `flags` ask for that. */
function fenceFor(
  file: DrmFile<any>,
  user: UserContext,
  handle: number,
  point: bigint,
  flags: number,
): Fence | Promise<Fence> {
  const syncobj = file.syncobj(handle);
  onlyFlags(flags, WAIT.FOR_SUBMIT);
  const fence = syncobj.find(point);
  if (fence) return fence;
  if (!(flags & WAIT.FOR_SUBMIT)) return findFence(file, handle, point);
  const { clock } = file.device.context;
  return waitUntil<Fence>(file, user, clock.monotonic() + SUBMIT_TIMEOUT, (done) => syncobj.onAvailable(point, done));
}

const render = { render: true } as const;

export const syncobjIoctls: readonly IoctlEntry[] = [
  ioctl(DRM_IOCTL.SYNCOBJ_CREATE, render, (file, arg) => {
    supported(file);
    onlyFlags(arg.flags, DRM_SYNCOBJ_CREATE.SIGNALED);
    const { clock } = file.device.context;
    const fence = arg.flags & DRM_SYNCOBJ_CREATE.SIGNALED ? signaledFence(clock) : undefined;
    arg.handle = file.syncobjs.add(new Syncobj(clock, fence));
  }),

  ioctl(DRM_IOCTL.SYNCOBJ_DESTROY, render, (file, arg) => {
    supported(file);
    noPad(arg.pad);
    const syncobj = file.syncobjs.remove(arg.handle);
    must(syncobj, 'EINVAL', () => `syncobj ${arg.handle} does not exist`);
    syncobj.put();
  }),

  ioctl(DRM_IOCTL.SYNCOBJ_HANDLE_TO_FD, render, (file, arg, user) => {
    supported(file);
    noPad(arg.pad);
    onlyFlags(arg.flags, DRM_SYNCOBJ_FD.SYNC_FILE | DRM_SYNCOBJ_FD.TIMELINE);
    const point = arg.flags & DRM_SYNCOBJ_FD.TIMELINE ? arg.point : 0n;
    const at = DRM_IOCTL.SYNCOBJ_HANDLE_TO_FD.arg!.offset.fd as number;
    if (arg.flags & DRM_SYNCOBJ_FD.SYNC_FILE) {
      const fence = findFence(file, arg.handle, point);
      user.install({ kind: 'sync-file', syncFile: new SyncFile('', [fence]) }, at, { cloexec: true });
      return;
    }
    must(arg.point === 0n, 'EINVAL', 'a syncobj as such is exported without a point');
    const syncobj = file.syncobjs.get(arg.handle);
    must(syncobj, 'EINVAL', () => `syncobj ${arg.handle} does not exist`);
    user.install({ kind: 'syncobj', syncobj: syncobj.get() }, at, { cloexec: true });
  }),

  ioctl(DRM_IOCTL.SYNCOBJ_FD_TO_HANDLE, render, (file, arg, user) => {
    supported(file);
    noPad(arg.pad);
    onlyFlags(arg.flags, DRM_SYNCOBJ_FD.SYNC_FILE | DRM_SYNCOBJ_FD.TIMELINE);
    const point = arg.flags & DRM_SYNCOBJ_FD.TIMELINE ? arg.point : 0n;
    if (arg.flags & DRM_SYNCOBJ_FD.SYNC_FILE) {
      const { syncFile } = descriptorOf(user, arg.fd, 'sync-file', 'EINVAL');
      const syncobj = file.syncobj(arg.handle);
      if (point) syncobj.addPoint(syncFile.fence, point);
      else syncobj.replaceFence(syncFile.fence);
      return;
    }
    must(arg.point === 0n, 'EINVAL', 'a syncobj as such is imported without a point');
    const { syncobj } = descriptorOf(user, arg.fd, 'syncobj', 'EINVAL');
    must(file.syncobjs.room > 0, 'ENOMEM', 'the file has no room for another syncobj');
    arg.handle = file.syncobjs.add(syncobj.get());
  }),

  ioctl(DRM_IOCTL.SYNCOBJ_TRANSFER, render, (file, arg, user) => {
    supported(file);
    noPad(arg.pad);
    const target = file.syncobj(arg.dst_handle);
    const { clock } = file.device.context;
    const move = (fence: Fence): void => {
      if (arg.dst_point) target.addPoint(mergeFences(clock, [fence]), arg.dst_point);
      else target.replaceFence(fence);
    };
    const fence = fenceFor(file, user, arg.src_handle, arg.src_point, arg.flags);
    return fence instanceof Promise ? fence.then(move) : move(fence);
  }),

  ioctl(DRM_IOCTL.SYNCOBJ_WAIT, render, (file, arg, user) => {
    supported(file);
    onlyFlags(arg.flags, WAIT.ALL | WAIT.FOR_SUBMIT | WAIT.DEADLINE);
    if (arg.count_handles === 0) return;
    const syncobjs = syncobjsAt(file, user, arg.handles, arg.count_handles);
    const points = new Array<bigint>(syncobjs.length).fill(0n);
    return wait(file, user, syncobjs, points, arg);
  }),

  ioctl(DRM_IOCTL.SYNCOBJ_TIMELINE_WAIT, render, (file, arg, user) => {
    supported(file);
    onlyFlags(arg.flags, WAIT.ALL | WAIT.FOR_SUBMIT | WAIT.AVAILABLE | WAIT.DEADLINE);
    if (arg.count_handles === 0) return;
    const syncobjs = syncobjsAt(file, user, arg.handles, arg.count_handles);
    const points =
      arg.points === 0n ? new Array<bigint>(syncobjs.length).fill(0n) : pointsAt(user, arg.points, arg.count_handles);
    return wait(file, user, syncobjs, points, arg);
  }),

  ioctl(DRM_IOCTL.SYNCOBJ_EVENTFD, render, (file, arg, user) => {
    supported(file);
    onlyFlags(arg.flags, WAIT.AVAILABLE);
    noPad(arg.pad);
    const syncobj = file.syncobj(arg.handle);
    const eventfd = descriptorOf(user, arg.fd, 'eventfd');
    notifyEventfd(file, syncobj, arg.point, (arg.flags & WAIT.AVAILABLE) !== 0, eventfd);
  }),

  ioctl(DRM_IOCTL.SYNCOBJ_RESET, render, (file, arg, user) => {
    supported(file);
    noPad(arg.pad);
    must(arg.count_handles > 0, 'EINVAL', 'no handles');
    for (const syncobj of syncobjsAt(file, user, arg.handles, arg.count_handles)) syncobj.replaceFence(undefined);
  }),

  ioctl(DRM_IOCTL.SYNCOBJ_SIGNAL, render, (file, arg, user) => {
    supported(file);
    noPad(arg.pad);
    must(arg.count_handles > 0, 'EINVAL', 'no handles');
    for (const syncobj of syncobjsAt(file, user, arg.handles, arg.count_handles)) syncobj.signal();
  }),

  ioctl(DRM_IOCTL.SYNCOBJ_TIMELINE_SIGNAL, render, (file, arg, user) => {
    supported(file);
    onlyFlags(arg.flags, 0);
    must(arg.count_handles > 0, 'EINVAL', 'no handles');
    const syncobjs = syncobjsAt(file, user, arg.handles, arg.count_handles);
    const points = arg.points === 0n ? undefined : pointsAt(user, arg.points, arg.count_handles);
    const fence = signaledFence(file.device.context.clock);
    for (const syncobj of syncobjs) syncobj.checkRoom();
    for (const [i, syncobj] of syncobjs.entries()) syncobj.addPoint(fence, points?.[i] ?? 0n);
  }),

  ioctl(DRM_IOCTL.SYNCOBJ_QUERY, render, (file, arg, user) => {
    supported(file);
    onlyFlags(arg.flags, DRM_SYNCOBJ_QUERY.LAST_SUBMITTED);
    must(arg.count_handles > 0, 'EINVAL', 'no handles');
    const which = arg.flags & DRM_SYNCOBJ_QUERY.LAST_SUBMITTED ? 'submitted' : 'signaled';
    // One may be named often, and its timeline be long.
    const known = new Map<Syncobj, bigint>();
    const points = syncobjsAt(file, user, arg.handles, arg.count_handles).map((syncobj) => {
      const point = known.get(syncobj) ?? syncobj.query(which);
      known.set(syncobj, point);
      return point;
    });
    user.write(arg.points, new Uint8Array(BigUint64Array.from(points).buffer));
  }),
];
