/** The ioctls of VMs and their tiler heaps. After Linux `drivers/gpu/drm/panthor/panthor_{drv,mmu}.c`. */
import { PAGE_SIZE } from '../abi/gpu/lpae.ts';
import type { Infer } from '../abi/layout.ts';
import {
  HeapHandle,
  PANTHOR,
  SyncOp,
  VM_BIND_ASYNC,
  VM_BIND_OP,
  VM_BIND_OP_MAP_FLAGS,
  VM_BIND_OP_TYPE,
  VM_BIND_OP_TYPE_SCALE,
  VM_STATE,
  VmBindOp,
} from '../abi/panthor.ts';
import { DrmError, must } from '../drm/error.ts';
import { type IoctlEntry, ioctl } from '../drm/ioctl.ts';
import type { UserContext } from '../drm/user.ts';
import type { File, TyrFile } from './file.ts';
import { checkMappable } from './gem.ts';
import { Submission, type SyncOperation } from './submission.ts';
import { readObjects } from './user-object.ts';
import { type BindOperation, Vm } from './vm.ts';

type BindOp = Infer<typeof VmBindOp.layout>;
const render = { render: true };

/** Checks one operation and looks its buffer up. Throws EINVAL. */
function decodeOperation(file: File, vm: Vm, op: BindOp): BindOperation {
  const flags = op.flags % VM_BIND_OP_TYPE_SCALE;
  const type = Math.floor(op.flags / VM_BIND_OP_TYPE_SCALE);
  const page = BigInt(PAGE_SIZE);
  const aligned = op.va % page === 0n && op.size % page === 0n && op.boOffset % page === 0n;
  must(aligned, 'EINVAL', 'address, size and offset are multiples of 4 KiB');
  const range = BigInt(vm.userRange);
  const within = op.va < range && op.va + op.size <= range;
  must(within, 'EINVAL', () => `0x${op.va.toString(16)} leaves the client's range`);
  const va = Number(op.va);
  const size = Number(op.size);
  if (type === VM_BIND_OP_TYPE.MAP) return decodeMap(file, vm, op, flags, va, size);
  must(flags === 0 && op.boHandle === 0 && op.boOffset === 0n, 'EINVAL', 'only a map has flags and a buffer');
  if (type === VM_BIND_OP_TYPE.UNMAP) return { kind: 'unmap', va, size };
  must(type === VM_BIND_OP_TYPE.SYNC_ONLY, 'EINVAL', () => `no operation type ${type}`);
  must(va === 0 && size === 0 && op.syncs.count > 0, 'EINVAL', 'a sync-only operation has syncs and nothing else');
  return { kind: 'sync' };
}

function decodeMap(file: File, vm: Vm, op: BindOp, flags: number, va: number, size: number): BindOperation {
  must((flags & ~VM_BIND_OP_MAP_FLAGS) === 0, 'EINVAL', () => `unknown map flags 0x${flags.toString(16)}`);
  const sparse = (flags & VM_BIND_OP.MAP_SPARSE) !== 0;
  const noExecute = (flags & VM_BIND_OP.MAP_NOEXEC) !== 0;
  const data = {
    readOnly: (flags & VM_BIND_OP.MAP_READONLY) !== 0,
    noExecute,
    cached: (flags & VM_BIND_OP.MAP_UNCACHED) === 0,
    sparse,
  };
  if (sparse) {
    must(noExecute, 'EINVAL', 'a sparse range is not executable');
    must(op.boHandle === 0 && op.boOffset === 0n, 'EINVAL', 'a sparse range has no buffer');
    return { kind: 'map', va, size, object: file.private.sparseObject(), offset: 0, data };
  }
  const object = file.handles.get(op.boHandle);
  must(object, 'EINVAL', () => `handle ${op.boHandle} names no buffer of this file`);
  must(op.boOffset + op.size <= BigInt(object.size), 'EINVAL', 'the range leaves the buffer');
  checkMappable(object, vm);
  return { kind: 'map', va, size, object, offset: Number(op.boOffset), data };
}

/** An operation's hold on its buffer while it waits; returns what ends it. */
function hold(operation: BindOperation): () => void {
  if (operation.kind !== 'map') return () => {};
  const object = operation.object.get();
  return () => object.put();
}

async function bindNow(file: File, vm: Vm, arg: { ops: { count: number } }, ops: readonly BindOp[]): Promise<void> {
  vm.get();
  try {
    for (const [index, op] of ops.entries()) {
      try {
        must(op.syncs.count === 0, 'EINVAL', 'syncs are for asynchronous binds');
        if (op.size === 0n) continue;
        const operation = decodeOperation(file, vm, op);
        const release = hold(operation);
        await vm.execute(operation).finally(release);
        await vm.rest();
      } catch (error) {
        // The client learns which operation failed.
        arg.ops.count = index;
        throw error;
      }
    }
  } finally {
    vm.put();
  }
}

function bindLater(file: File, vm: Vm, ops: readonly BindOp[], user: UserContext): void {
  must(!vm.destroyed && !vm.unusable, 'EINVAL', 'the VM is unusable');
  const submission = new Submission(file);
  // Operation by operation, as panthor: what is wrong with one comes before its syncs, and before what is wrong with the next.
  const syncs: SyncOperation[][] = [];
  const operations = ops.map((op) => {
    const operation = decodeOperation(file, vm, op);
    syncs.push(readObjects(user, op.syncs, SyncOp));
    return operation;
  });
  const holds: (() => void)[] = [];
  for (const [i, operation] of operations.entries()) {
    submission.add(vm.binds, syncs[i]!, { run: () => vm.run(operation), release: () => holds[i]!() });
  }
  for (const operation of operations) holds.push(hold(operation));
  try {
    submission.submit();
  } catch (error) {
    for (const release of holds) release();
    throw error;
  }
}

export const vmIoctls: readonly IoctlEntry<any, TyrFile>[] = [
  ioctl(PANTHOR.VM_CREATE, render, (file: File, arg) => {
    const { tyr, vms } = file.private;
    must(arg.flags === 0, 'EINVAL', () => `unknown flags 0x${arg.flags.toString(16)}`);
    must(vms.room > 0, 'EBUSY', 'the file has its most VMs');
    const vm = new Vm(tyr.vmResources, tyr.gpu.vaBits, arg.userVaRange);
    arg.id = vms.add(vm);
    arg.userVaRange = BigInt(vm.userRange);
  }),

  ioctl(PANTHOR.VM_DESTROY, render, (file: File, arg) => {
    must(arg.pad === 0, 'EINVAL', 'padding is not zero');
    const vm = file.private.vm(arg.id);
    file.private.vms.remove(arg.id);
    return vm.destroy();
  }),

  ioctl(PANTHOR.VM_BIND, render, (file: File, arg, user) => {
    const vm = file.private.vm(arg.vmId);
    const ops = readObjects(user, arg.ops, VmBindOp);
    if (arg.flags & VM_BIND_ASYNC) return bindLater(file, vm, ops, user);
    return bindNow(file, vm, arg, ops);
  }),

  ioctl(PANTHOR.VM_GET_STATE, render, (file: File, arg) => {
    arg.state = file.private.vm(arg.vmId).unusable ? VM_STATE.UNUSABLE : VM_STATE.USABLE;
  }),

  ioctl(PANTHOR.TILER_HEAP_CREATE, render, async (file: File, arg) => {
    const vm = file.private.vm(arg.vmId).get();
    try {
      const pool = await vm.heapPool();
      const heap = await pool.createHeap({
        initialChunks: arg.initialChunkCount,
        chunkSize: arg.chunkSize,
        maxChunks: arg.maxChunks,
        targetInFlight: arg.targetInFlight,
      });
      if (vm.destroyed) throw new DrmError('EINVAL', 'the VM was destroyed');
      arg.handle = arg.vmId * HeapHandle.scale + heap.id;
      arg.tilerHeapCtxGpuVa = BigInt(heap.context);
      arg.firstHeapChunkGpuVa = BigInt(heap.firstChunk);
    } finally {
      vm.put();
    }
  }),

  ioctl(PANTHOR.TILER_HEAP_DESTROY, render, (file: File, arg) => {
    must(arg.pad === 0, 'EINVAL', 'padding is not zero');
    const vm = file.private.vm(Math.floor(arg.handle / HeapHandle.scale));
    must(vm.heaps, 'ENOENT', 'the VM has no heaps');
    return vm.heaps.destroyHeap(arg.handle % HeapHandle.scale);
  }),
];
