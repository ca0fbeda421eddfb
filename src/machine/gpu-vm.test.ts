/** VMs and buffers: binds now and later, what is refused, what the GPU sees, and who frees what. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DRM_IOCTL } from '../abi/drm.ts';
import { ERRNO, type Errno } from '../abi/errno.ts';
import type { CsLine } from '../abi/gpu/cs.ts';
import { BO_FLAGS, PANTHOR, VM_BIND_ASYNC, VM_BIND_OP, VM_BIND_OP_TYPE, VM_STATE } from '../abi/panthor.ts';
import { bootedMachine, Client, DATA_FLAGS, settle } from '../testing/machine/board.ts';

const STREAM = 0x10000000n;
const RESULT = 0x20000000n;
const PAGE = 4096n;

const store = (address: bigint, value: number): CsLine[] => [
  ['MOVE', { destination: 0, immediate: Number(address) }],
  ['MOVE32', { destination: 2, immediate: value }],
  ['STORE_MULTIPLE', { address: 0, baseRegister: 2, mask: 1 }],
  ['WAIT', { waitMask: 0xff }],
];

/** A client with a VM, a group and a stream buffer, ready to run programs. */
async function ready() {
  const machine = await bootedMachine();
  const client = new Client(machine);
  const vm = await client.createVm();
  const stream = await client.createBuffer(4096);
  await client.bind(vm, { handle: stream, va: STREAM, size: PAGE, flags: DATA_FLAGS });
  let group = await client.createGroup(vm);
  const run = async (program: CsLine[]): Promise<number> => {
    const size = client.program(stream, program);
    const done = await client.createSyncobj();
    assert.equal(await client.submit(group, { address: STREAM, size, syncs: [{ handle: done, signal: true }] }), 0);
    assert.equal(await client.wait(done), 0, machine.lines.join('\n'));
    const { state } = await client.do(PANTHOR.GROUP_GET_STATE, { groupHandle: group });
    if (state !== 0) group = await client.createGroup(vm);
    return state;
  };
  return { machine, client, vm, run };
}

async function errno(client: Client, outcome: Promise<{ readonly value: number }>, name: Errno): Promise<void> {
  assert.equal((await outcome).value, -ERRNO[name], client.machine.lines.at(-1) ?? '');
}

test('a mapping that goes in over another takes its place, and the ends of the old one stay', async () => {
  const { client, vm, run } = await ready();
  const old = await client.createBuffer(4 * 4096);
  const fresh = await client.createBuffer(4096);
  await client.bind(vm, { handle: old, va: RESULT, size: 4n * PAGE, flags: DATA_FLAGS });
  await client.bind(vm, { handle: fresh, va: RESULT + PAGE, size: PAGE, flags: DATA_FLAGS });
  for (let i = 0; i < 4; i++) assert.equal(await run(store(RESULT + BigInt(i) * PAGE, 100 + i)), 0);
  const words = [0, 1, 2, 3].map((i) => client.memory(old).getUint32(i * 4096, true));
  assert.deepEqual(words, [100, 0, 102, 103]);
  assert.equal(client.memory(fresh).getUint32(0, true), 101);
});

test('a read-only mapping keeps the GPU from writing, and the group pays for it alone', async () => {
  const { machine, client, vm, run } = await ready();
  const result = await client.createBuffer(4096);
  await client.bind(vm, { handle: result, va: RESULT, size: PAGE, flags: DATA_FLAGS | VM_BIND_OP.MAP_READONLY });
  assert.notEqual(await run(store(RESULT, 7)), 0);
  assert.equal(client.memory(result).getUint32(0, true), 0);
  assert.match(
    machine.lines.join('\n'),
    /Unhandled Page fault in AS\d at VA 0x0000000020000000[\s\S]*PERM_FAULT_3[\s\S]*WRITE/,
  );
  await client.bind(vm, { handle: result, va: RESULT, size: PAGE, flags: DATA_FLAGS });
  assert.equal(await run(store(RESULT, 8)), 0, 'the VM lives on');
  assert.equal(client.memory(result).getUint32(0, true), 8);
});

test('what is unmapped is out of reach, and its memory comes back', async () => {
  const { machine, client, vm, run } = await ready();
  const used = machine.dram.used;
  const result = await client.createBuffer(1 << 20);
  await client.bind(vm, { handle: result, va: RESULT, size: 1n << 20n, flags: DATA_FLAGS });
  await client.do(DRM_IOCTL.GEM_CLOSE, { handle: result });
  assert.ok(machine.dram.used >= used + (1 << 20), 'a mapped buffer lives without its handle');
  assert.equal(await run(store(RESULT, 1)), 0);
  const ops = client.bindOps([{ type: VM_BIND_OP_TYPE.UNMAP, va: RESULT, size: 1n << 20n }]);
  await client.do(PANTHOR.VM_BIND, { vmId: vm, ops });
  assert.equal(machine.dram.used, used);
  assert.notEqual(await run(store(RESULT, 1)), 0);
});

test('queued binds wait for their syncobjs and signal a timeline', async () => {
  const { client, vm, run } = await ready();
  const result = await client.createBuffer(4096);
  const gate = await client.createSyncobj();
  const line = await client.createSyncobj();
  await client.do(DRM_IOCTL.SYNCOBJ_TIMELINE_SIGNAL, {
    handles: client.user.putU32(line),
    points: client.user.putU64(1n),
    count_handles: 1,
  } as object);
  const vmId = vm;
  const bind = { handle: result, va: RESULT, size: PAGE, flags: DATA_FLAGS };
  const missing = client.bindOps([{ ...bind, syncs: [{ handle: gate }] }]);
  await errno(client, client.run(PANTHOR.VM_BIND, { vmId, flags: VM_BIND_ASYNC, ops: missing }), 'EINVAL');
  const ops = client.bindOps([
    {
      ...bind,
      syncs: [
        { handle: line, point: 1n },
        { handle: gate, signal: true },
      ],
    },
    {
      type: VM_BIND_OP_TYPE.SYNC_ONLY,
      va: 0n,
      size: 0n,
      syncs: [{ handle: gate }, { handle: line, point: 2n, signal: true }],
    },
  ]);
  await client.do(PANTHOR.VM_BIND, { vmId, flags: VM_BIND_ASYNC, ops });
  assert.equal(await client.wait(gate), 0);
  assert.equal(await run(store(RESULT, 5)), 0);
  assert.equal(client.memory(result).getUint32(0, true), 5);
});

test('a sparse range takes writes anywhere and keeps them from other files', async () => {
  const { client, vm, run } = await ready();
  const flags = VM_BIND_OP.MAP_SPARSE | VM_BIND_OP.MAP_NOEXEC;
  await client.bind(vm, { va: 0x40000000n - PAGE, size: 1n << 30n, flags });
  assert.equal(await run(store(0x40000000n - PAGE, 1)), 0);
  assert.equal(await run(store(0x7ff00000n, 1)), 0);
  const ops = client.bindOps([{ va: 0x40000000n, size: PAGE, flags: VM_BIND_OP.MAP_SPARSE }]);
  await errno(client, client.run(PANTHOR.VM_BIND, { vmId: vm, ops }), 'EINVAL');
});

test('bad binds are refused, and the client learns which of several it was', async () => {
  const machine = await bootedMachine();
  const client = new Client(machine);
  const vmId = await client.createVm();
  const handle = await client.createBuffer(8192);
  const attempt = (op: Parameters<Client['bindOps']>[0][number]) =>
    client.run(PANTHOR.VM_BIND, { vmId, ops: client.bindOps([op]) });
  await errno(client, attempt({ handle, va: 0x1001n, size: PAGE }), 'EINVAL');
  await errno(client, attempt({ handle, va: 0x1000n, size: 3n * PAGE }), 'EINVAL');
  await errno(client, attempt({ handle, va: 0x1000n, size: PAGE, offset: 2n * PAGE }), 'EINVAL');
  await errno(client, attempt({ handle, va: 2n ** 47n, size: PAGE }), 'EINVAL');
  await errno(client, attempt({ handle, va: 2n ** 64n - PAGE, size: PAGE }), 'EINVAL');
  await errno(client, attempt({ handle: 99, va: 0x1000n, size: PAGE }), 'EINVAL');
  await errno(client, attempt({ handle, va: 0x1000n, size: PAGE, flags: 0x100 }), 'EINVAL');
  await errno(client, attempt({ handle, va: 0x1000n, size: PAGE, type: 5 }), 'EINVAL');
  const ops = client.bindOps([
    { handle, va: 0x1000n, size: PAGE },
    { handle: 99, va: 0x2000n, size: PAGE },
  ]);
  const { value, arg } = await client.run(PANTHOR.VM_BIND, { vmId, ops });
  assert.equal(value, -ERRNO.EINVAL);
  assert.equal(arg.ops.count, 1);
  assert.equal((await client.do(PANTHOR.VM_GET_STATE, { vmId })).state, VM_STATE.USABLE);
});

test('a buffer of one VM can neither be mapped in another nor leave the file', async () => {
  const client = new Client(await bootedMachine());
  const own = await client.createVm();
  const other = await client.createVm();
  const { handle } = await client.do(PANTHOR.BO_CREATE, { size: PAGE, exclusiveVmId: own });
  await client.bind(own, { handle, va: 0x1000n, size: PAGE });
  const ops = client.bindOps([{ handle, va: 0x1000n, size: PAGE }]);
  await errno(client, client.run(PANTHOR.VM_BIND, { vmId: other, ops }), 'EINVAL');
  await errno(client, client.run(DRM_IOCTL.PRIME_HANDLE_TO_FD, { handle } as object), 'EINVAL');
});

test('buffers: sizes, flags, labels and mmap offsets', async () => {
  const client = new Client(await bootedMachine());
  const rounded = await client.do(PANTHOR.BO_CREATE, { size: 5000n });
  assert.equal(rounded.size, 8192n);
  await errno(client, client.run(PANTHOR.BO_CREATE, { size: 0n }), 'EINVAL');
  await errno(client, client.run(PANTHOR.BO_CREATE, { size: 2n ** 60n }), 'ENOMEM');
  await errno(client, client.run(PANTHOR.BO_CREATE, { size: PAGE, flags: 3 }), 'EINVAL');
  await errno(client, client.run(PANTHOR.BO_CREATE, { size: PAGE, exclusiveVmId: 7 }), 'EINVAL');
  const hidden = await client.createBuffer(4096, BO_FLAGS.NO_MMAP);
  await errno(client, client.run(PANTHOR.BO_MMAP_OFFSET, { handle: hidden }), 'EPERM');
  const { offset } = await client.do(PANTHOR.BO_MMAP_OFFSET, { handle: rounded.handle });
  assert.equal(client.file.mmap(offset, 8192, true).run, client.file.object(rounded.handle).run);
  const label = client.user.put(new TextEncoder().encode('vertices\0'));
  await client.do(PANTHOR.BO_SET_LABEL, { handle: rounded.handle, label });
  assert.equal(client.file.object(rounded.handle).label, 'vertices');
  const info = await client.do(PANTHOR.BO_QUERY_INFO, { handle: hidden });
  assert.deepEqual([info.createFlags, info.extraFlags], [BO_FLAGS.NO_MMAP, 0]);
});

test('a client that goes away takes VMs, buffers, page tables and sparse memory with it', async () => {
  const machine = await bootedMachine();
  const before = { used: machine.dram.used, files: machine.backing.open.size };
  const client = new Client(machine);
  for (let i = 0; i < 5; i++) {
    const vm = await client.createVm();
    const handle = await client.createBuffer(1 << 20);
    await client.bind(vm, { handle, va: RESULT, size: 1n << 20n });
    await client.bind(vm, { va: 1n << 40n, size: 1n << 30n, flags: VM_BIND_OP.MAP_SPARSE | VM_BIND_OP.MAP_NOEXEC });
    await client.do(PANTHOR.TILER_HEAP_CREATE, {
      vmId: vm,
      initialChunkCount: 3,
      chunkSize: 1 << 20,
      maxChunks: 8,
      targetInFlight: 2,
    });
  }
  assert.ok(machine.dram.used > before.used + (20 << 20));
  client.file.close();
  await settle(machine.clock);
  assert.deepEqual({ used: machine.dram.used, files: machine.backing.open.size }, before);
});

test('tiler heaps: chunks are linked, limits are kept, handles name their VM', async () => {
  const machine = await bootedMachine();
  const client = new Client(machine);
  const vmId = await client.createVm();
  const good = { vmId, initialChunkCount: 2, chunkSize: 1 << 21, maxChunks: 8, targetInFlight: 2 };
  for (const bad of [
    { initialChunkCount: 0 },
    { maxChunks: 1 },
    { chunkSize: 4096 },
    { chunkSize: 1 << 24 },
    { vmId: 9 },
  ]) {
    await errno(client, client.run(PANTHOR.TILER_HEAP_CREATE, { ...good, ...bad }), 'EINVAL');
  }
  const heap = await client.do(PANTHOR.TILER_HEAP_CREATE, good);
  assert.equal(Math.floor(heap.handle / 65536), vmId);
  assert.ok(heap.firstHeapChunkGpuVa >= 2n ** 47n);
  const second = await client.do(PANTHOR.TILER_HEAP_CREATE, good);
  assert.equal(second.tilerHeapCtxGpuVa - heap.tilerHeapCtxGpuVa, 64n);
  await client.do(PANTHOR.TILER_HEAP_DESTROY, { handle: heap.handle });
  await errno(client, client.run(PANTHOR.TILER_HEAP_DESTROY, { handle: heap.handle }), 'EINVAL');
});
