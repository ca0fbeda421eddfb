/**
 * Buffer objects: creating them, mapping them into a client, naming them, and who may have them.
 *
 * An object that belongs to one VM alone cannot leave the file. CPU caches of this board are coherent with everything, so
 * there is nothing to do for BO_SYNC but to check. After Linux `drivers/gpu/drm/panthor/panthor_{gem,drv}.c`.
 */
import { PAGE_SIZE } from '../abi/gpu/lpae.ts';
import { LATEST_FLUSH_ID } from '../abi/gpu/regs.ts';
import {
  BO_EXTRA_FLAGS,
  BO_FLAGS,
  BO_FLAGS_KNOWN,
  BO_LABEL_MAX,
  BO_SYNC_TYPE,
  BoSyncOp,
  PANTHOR,
  PANTHOR_USER_FLUSH_ID_MMIO_OFFSET,
  PANTHOR_USER_MMIO_OFFSET_32BIT,
  PANTHOR_USER_MMIO_OFFSET_64BIT,
} from '../abi/panthor.ts';
import { OutOfMemory } from '../board/dram.ts';
import type { MmapTarget } from '../drm/device.ts';
import { DrmError, must } from '../drm/error.ts';
import { GemObject } from '../drm/gem.ts';
import { type IoctlEntry, ioctl } from '../drm/ioctl.ts';
import type { UserContext } from '../drm/user.ts';
import type { File, TyrFile } from './file.ts';
import { readObjects } from './user-object.ts';
import type { Vm } from './vm.ts';

/** What the driver knows of an object that it made. */
interface Buffer {
  readonly flags: number;
  /** The only VM that may map it. */
  readonly exclusiveVm: Vm | undefined;
  /** The process that asked for it, as `NAME/PID`. */
  readonly creator: string;
}

const buffers = new WeakMap<GemObject, Buffer>();

/** Throws EINVAL if `vm` may not map the object. */
export function checkMappable(object: GemObject, vm: Vm): void {
  const exclusive = buffers.get(object)?.exclusiveVm;
  must(!exclusive || exclusive === vm, 'EINVAL', 'the buffer belongs to another VM alone');
}

/** Throws EINVAL for an object that must not leave its file. */
export function checkExportable(object: GemObject): void {
  must(!buffers.get(object)?.exclusiveVm, 'EINVAL', 'the buffer belongs to one VM alone and cannot be shared');
}

/** Somebody else has made it, and it came as a dma-buf. */
export const isImported = (object: GemObject): boolean => !buffers.has(object);

/** The process that asked for the object, as `NAME/PID`, if this driver has made it. */
export const creatorOf = (object: GemObject): string | undefined => buffers.get(object)?.creator;

/** The process that has a file open, in the same form. */
export const processOf = ({ opener, pid }: File): string => `${opener.command || '<unknown>'}/${pid}`;

/** Device pages by mmap offset; undefined for offsets of buffers. Throws EINVAL. */
export function mmapDevicePage(file: File, offset: bigint, size: number, writable: boolean): MmapTarget | undefined {
  const { tyr, mmioOffset } = file.private;
  if (offset < mmioOffset) return undefined;
  must(offset - mmioOffset === PANTHOR_USER_FLUSH_ID_MMIO_OFFSET, 'EINVAL', 'no device page has this offset');
  must(size === PAGE_SIZE && !writable, 'EINVAL', 'the flush-id page is one page, read-only');
  const run = tyr.mmio.userPage?.(LATEST_FLUSH_ID.offset);
  must(run, 'EINVAL', 'this GPU shows no flush-id page');
  return { run, offset: 0, writable: false };
}

function create(file: File, size: bigint, flags: number, exclusiveVm: Vm | undefined): GemObject {
  const { dram } = file.private.tyr.context;
  must(size <= BigInt(dram.size), 'ENOMEM', () => `no ${size} bytes of memory`);
  const bytes = Math.ceil(Number(size) / PAGE_SIZE) * PAGE_SIZE;
  try {
    const object = new GemObject(dram, dram.allocShared('panthor-bo', bytes));
    buffers.set(object, { flags, exclusiveVm, creator: processOf(file) });
    return object;
  } catch (error) {
    if (error instanceof OutOfMemory) throw new DrmError('ENOMEM', error.message);
    throw error;
  }
}

/** Text up to its zero, read page by page so that it may end just before memory that is not there. */
function readString(user: UserContext, address: bigint, limit: number): string {
  const bytes: number[] = [];
  for (let at = address; bytes.length < limit; ) {
    const step = Math.min(limit - bytes.length, PAGE_SIZE - Number(at % BigInt(PAGE_SIZE)));
    const part = user.read(at, step);
    const end = part.indexOf(0);
    bytes.push(...(end < 0 ? part : part.subarray(0, end)));
    if (end >= 0) return new TextDecoder().decode(Uint8Array.from(bytes));
    at += BigInt(step);
  }
  throw new DrmError('E2BIG', `the text is longer than ${limit} bytes`);
}

const render = { render: true };

export const gemIoctls: readonly IoctlEntry<any, TyrFile>[] = [
  ioctl(PANTHOR.BO_CREATE, render, (file: File, arg) => {
    const { flags } = arg;
    must(arg.size !== 0n && arg.pad === 0, 'EINVAL', 'a buffer needs a size, and padding is zero');
    must((flags & ~BO_FLAGS_KNOWN) === 0, 'EINVAL', () => `unknown flags 0x${flags.toString(16)}`);
    must(
      (flags & BO_FLAGS.NO_MMAP) === 0 || (flags & BO_FLAGS.WB_MMAP) === 0,
      'EINVAL',
      'NO_MMAP and WB_MMAP exclude each other',
    );
    const vm = arg.exclusiveVmId === 0 ? undefined : file.private.vm(arg.exclusiveVmId);
    const object = create(file, arg.size, flags, vm);
    try {
      arg.handle = file.addHandle(object);
    } finally {
      object.put();
    }
    arg.size = BigInt(object.size);
  }),

  ioctl(PANTHOR.BO_MMAP_OFFSET, render, (file: File, arg) => {
    must(arg.pad === 0, 'EINVAL', 'padding is not zero');
    const object = file.object(arg.handle);
    const flags = buffers.get(object)?.flags ?? 0;
    must((flags & BO_FLAGS.NO_MMAP) === 0, 'EPERM', 'the buffer was made with NO_MMAP');
    arg.offset = file.mmapOffset(arg.handle);
  }),

  ioctl(PANTHOR.BO_SET_LABEL, render, (file: File, arg, user) => {
    must(arg.pad === 0, 'EINVAL', 'padding is not zero');
    const object = file.object(arg.handle);
    object.label = arg.label === 0n ? '' : readString(user, arg.label, BO_LABEL_MAX);
  }),

  ioctl(PANTHOR.SET_USER_MMIO_OFFSET, render, (file: File, arg) => {
    must(
      arg.offset === PANTHOR_USER_MMIO_OFFSET_32BIT || arg.offset === PANTHOR_USER_MMIO_OFFSET_64BIT,
      'EINVAL',
      () => `0x${arg.offset.toString(16)} is neither of the two offsets`,
    );
    file.private.mmioOffset = arg.offset;
  }),

  ioctl(PANTHOR.BO_SYNC, render, (file: File, arg, user) => {
    for (const op of readObjects(user, arg.ops, BoSyncOp)) {
      const object = file.object(op.handle);
      must(op.offset + op.size <= BigInt(object.size), 'EINVAL', 'the range leaves the buffer');
      must(buffers.has(object), 'EINVAL', 'imported buffers are not synchronised this way');
      const known = op.type === BO_SYNC_TYPE.CPU_CACHE_FLUSH || op.type === BO_SYNC_TYPE.CPU_CACHE_FLUSH_AND_INVALIDATE;
      must(known, 'EINVAL', () => `no sync type ${op.type}`);
    }
  }),

  ioctl(PANTHOR.BO_QUERY_INFO, render, (file: File, arg) => {
    const buffer = buffers.get(file.object(arg.handle));
    arg.pad = 0;
    arg.createFlags = buffer?.flags ?? 0;
    arg.extraFlags = buffer ? 0 : BO_EXTRA_FLAGS.IS_IMPORTED;
  }),
];
