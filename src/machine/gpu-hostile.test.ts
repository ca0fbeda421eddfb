/** A client that sends anything: whatever it asks for, the machine stays up, and an honest client gets its work done. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DRM_IOCTL } from '../abi/drm.ts';
import type { IoctlDef } from '../abi/ioctl.ts';
import { viewOf } from '../abi/layout.ts';
import { PANTHOR, QueueCreate, QueueSubmit, VM_BIND_OP_TYPE_SCALE, VmBindOp } from '../abi/panthor.ts';
import { bootedMachine, Client, DATA_FLAGS, settle } from '../testing/machine/board.ts';

/** Numbers that look random and are the same on every run. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const INTERESTING = [
  0n,
  1n,
  2n,
  3n,
  4n,
  7n,
  8n,
  16n,
  31n,
  32n,
  40n,
  48n,
  63n,
  64n,
  4095n,
  4096n,
  8192n,
  65536n,
  1n << 20n,
];
const EXTREME = [
  1n << 21n,
  1n << 30n,
  1n << 31n,
  (1n << 32n) - 1n,
  1n << 46n,
  1n << 47n,
  1n << 48n,
  (1n << 63n) - 1n,
  (1n << 64n) - 4096n,
];

const DATA = 0x10000000n;

/** Calls as an honest client makes them; small numbers, so that handles and ids meet what exists. */
function honestCall(client: Client, random: (below: number) => number): [IoctlDef, Record<string, unknown>] {
  const id = (): number => 1 + random(3);
  const page = (): bigint => BigInt(random(64)) * 4096n;
  const syncs = (): unknown => {
    const list = Array.from({ length: random(3) }, () => ({
      handle: id(),
      signal: random(2) === 0,
      ...(random(3) === 0 ? { point: BigInt(1 + random(9)) } : {}),
    }));
    return client.syncs(list);
  };
  const bind = (): object => ({
    flags: (random(3) === 0 ? VM_BIND_OP_TYPE_SCALE : 0) + (random(4) === 0 ? 8 + 2 : random(4)),
    boHandle: random(3) === 0 ? 0 : id(),
    va: DATA + page(),
    size: page() + 4096n,
    syncs: random(2) === 0 ? client.syncs([]) : syncs(),
  });
  const job = (): object => ({ queueIndex: random(2), streamAddr: DATA + page(), streamSize: 64, syncs: syncs() });
  const some = <T>(make: () => T): T[] => Array.from({ length: 1 + random(3) }, make);
  const queue = { priority: 1, ringbufSize: 4096 };
  const group = {
    maxComputeCores: 1,
    maxFragmentCores: 1,
    maxTilerCores: 1,
    priority: random(2),
    computeCoreMask: 0x50005n,
    fragmentCoreMask: 5n,
    tilerCoreMask: 1n,
  };
  const heap = { initialChunkCount: 1 + random(2), chunkSize: 1 << 17, maxChunks: 4, targetInFlight: 2 };
  const calls: (() => [IoctlDef, Record<string, unknown>])[] = [
    () => [PANTHOR.DEV_QUERY, { type: random(5), size: 8 * (2 + random(16)), pointer: client.user.base }],
    () => [PANTHOR.VM_CREATE, { userVaRange: 2n ** 47n }],
    () => [
      PANTHOR.VM_BIND,
      { vmId: id(), flags: random(2), ops: client.objects(VmBindOp.layout, some(bind) as never) },
    ],
    () => [
      PANTHOR.VM_BIND,
      { vmId: id(), flags: random(2), ops: client.objects(VmBindOp.layout, some(bind) as never) },
    ],
    () => [PANTHOR.BO_CREATE, { size: page() + 4096n, exclusiveVmId: random(4) === 0 ? id() : 0 }],
    () => [PANTHOR.BO_MMAP_OFFSET, { handle: id() }],
    () => [PANTHOR.GROUP_CREATE, { ...group, vmId: id(), queues: client.objects(QueueCreate.layout, [queue, queue]) }],
    () => [
      PANTHOR.GROUP_SUBMIT,
      { groupHandle: id(), queueSubmits: client.objects(QueueSubmit.layout, some(job) as never) },
    ],
    () => [
      PANTHOR.GROUP_SUBMIT,
      { groupHandle: id(), queueSubmits: client.objects(QueueSubmit.layout, some(job) as never) },
    ],
    () => [PANTHOR.TILER_HEAP_CREATE, { ...heap, vmId: id() }],
    () => [DRM_IOCTL.SYNCOBJ_CREATE, { flags: random(2) }],
    () => [PANTHOR.GROUP_GET_STATE, { groupHandle: id() }],
    ...(random(4) > 0
      ? []
      : ([
          () => [PANTHOR.VM_DESTROY, { id: id() }],
          () => [PANTHOR.GROUP_DESTROY, { groupHandle: id() }],
          () => [PANTHOR.TILER_HEAP_DESTROY, { handle: id() * 65536 + random(2) }],
          () => [DRM_IOCTL.GEM_CLOSE, { handle: id() }],
        ] as (() => [IoctlDef, Record<string, unknown>])[])),
  ];
  return calls[random(calls.length)]!();
}

async function assault(seed: number, rounds: number): Promise<void> {
  const machine = await bootedMachine();
  const before = machine.dram.used;
  const random = generator(seed);
  const number = (): bigint => {
    const list = random(4) === 0 ? EXTREME : INTERESTING;
    return list[random(list.length)]!;
  };
  const succeeded = new Set<string>();
  let client = new Client(machine);
  for (let round = 0; round < rounds; round++) {
    const [def, values] = honestCall(client, random);
    const arg = def.arg!.pack(values);
    const view = viewOf(arg);
    // Every other call gets a number that does not belong there, in its argument or in what that points to.
    if (random(4) === 0) view.setUint32(random(arg.length / 4) * 4, Number(number() % 2n ** 32n), true);
    if (random(4) === 0) {
      const at = random(client.user.memory.length / 8 / 64) * 8;
      viewOf(client.user.memory).setBigUint64(at, number(), true);
    }
    const check = ({ value }: { value: number }): void => {
      if (value === 0) succeeded.add(def.name);
    };
    const result = machine.device.ioctl(client.file, def.request, arg, client.user);
    if (result instanceof Promise) await Promise.race([result.then(check), settle(machine.clock, 3)]);
    else check(result);
    for (const object of client.file.handles.values()) {
      // Streams of instructions with anything in them.
      const memory = new DataView(machine.dram.buffer, object.run.physical, object.size);
      memory.setBigUint64(random(object.size / 8) * 8, number() * 2n ** BigInt(random(40)), true);
      memory.setUint8(random(object.size / 8) * 8 + 7, random(54));
    }
    if (random(10) === 0) {
      machine.clock.advance(10 ** (4 + random(5)));
      await settle(machine.clock, 5);
    }
    if (round % 300 === 299) {
      client.file.close();
      client = new Client(machine);
    }
  }
  assert.ok(succeeded.size >= 12, `only ${[...succeeded]} ever succeeded`);
  client.file.close();
  for (let i = 0; i < 100; i++) {
    machine.clock.advance(1e7);
    await settle(machine.clock);
  }
  assert.equal(machine.dram.used, before, 'memory stays behind');
  const honest = new Client(machine);
  const vm = await honest.createVm();
  const stream = await honest.createBuffer(4096);
  await honest.bind(vm, { handle: stream, va: 0x10000000n, size: 4096n, flags: DATA_FLAGS });
  const size = honest.program(stream, [
    ['MOVE', { destination: 0, immediate: 0x10000800 }],
    ['MOVE32', { destination: 2, immediate: 42 }],
    ['STORE_MULTIPLE', { address: 0, baseRegister: 2, mask: 1 }],
    ['WAIT', { waitMask: 0xff }],
  ]);
  const done = await honest.createSyncobj();
  const group = await honest.createGroup(vm);
  assert.equal(await honest.submit(group, { address: 0x10000000n, size, syncs: [{ handle: done, signal: true }] }), 0);
  assert.equal(await honest.wait(done), 0, machine.lines.slice(-20).join('\n'));
  assert.equal(honest.memory(stream).getUint32(0x800, true), 42);
}

for (const seed of [1, 2, 3]) {
  test(`a client that sends anything does no harm (seed ${seed})`, () => assault(seed, 1500));
}
