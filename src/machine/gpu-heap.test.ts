/** The tiler runs out of memory: the firmware asks, the driver gives a chunk, or none, and somebody goes on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CS_HEAP_OPERATION } from '../abi/gpu/cs.ts';
import { TilerContextHeap, TilerHeapDescriptor } from '../abi/gpu/tiler-heap.ts';
import { GROUP_STATE, PANTHOR } from '../abi/panthor.ts';
import type { Units } from '../mali/contract.ts';
import { TilerHeap } from '../mali/tiler-heap.ts';
import { bootedMachine, Client, DATA_FLAGS } from '../testing/machine/board.ts';

const STREAM = 0x10000000;
const DATA = 0x20000000;
const DESCRIPTOR = DATA + 0x400;
const CHUNK = 1 << 17;
const PIECE = 0x8000;

/** A tiler that takes `pieces` pieces of 32 KiB from its heap and does nothing with them. */
function greedyTiler(pieces: number): { units: Units; taken: number[] } {
  const taken: number[] = [];
  const idvs: Units['idvs'] = ({ memory, heapContext }) => ({
    step() {
      const heap = new TilerHeap(memory, DATA, heapContext);
      while (taken.length < pieces) {
        const at = heap.alloc(PIECE, 64);
        if (at === undefined) return 'oom';
        taken.push(at);
      }
      return 'done';
    },
  });
  return { units: { idvs } as unknown as Units, taken };
}

async function draw(pieces: number, maxChunks: number) {
  const { units, taken } = greedyTiler(pieces);
  const machine = await bootedMachine({ units });
  const client = new Client(machine);
  const vm = await client.createVm();
  const [stream, data] = [await client.createBuffer(4096), await client.createBuffer(4096)];
  await client.bind(vm, { handle: stream, va: BigInt(STREAM), size: 4096n, flags: DATA_FLAGS });
  await client.bind(vm, { handle: data, va: BigInt(DATA), size: 4096n, flags: DATA_FLAGS });
  const used = machine.dram.used;
  const heap = await client.do(PANTHOR.TILER_HEAP_CREATE, {
    vmId: vm,
    initialChunkCount: 1,
    chunkSize: CHUNK,
    maxChunks,
    targetInFlight: 4,
  });
  const first = Number(heap.firstHeapChunkGpuVa);
  TilerContextHeap.write(client.memory(data), 0, { heap: DESCRIPTOR });
  const descriptor = { size: CHUNK, base: first, bottom: first + 64, top: first + CHUNK };
  TilerHeapDescriptor.write(client.memory(data), DESCRIPTOR - DATA, descriptor);
  const group = await client.createGroup(vm);
  const size = client.program(stream, [
    ['MOVE', { destination: 72, immediate: Number(heap.tilerHeapCtxGpuVa) }],
    ['HEAP_SET', { address: 72 }],
    ['SET_SB_ENTRY', { endpointEntry: 2 }],
    ['MOVE', { destination: 40, immediate: DATA }],
    ['HEAP_OPERATION', { operation: CS_HEAP_OPERATION.vt_start }],
    ['RUN_IDVS', {}],
    ['WAIT', { waitMask: 0b100 }],
    ['HEAP_OPERATION', { operation: CS_HEAP_OPERATION.vt_end }],
  ]);
  const done = await client.createSyncobj();
  const job = { address: BigInt(STREAM), size, syncs: [{ handle: done, signal: true }] };
  assert.equal(await client.submit(group, job), 0);
  assert.equal(await client.wait(done), 0, machine.lines.join('\n'));
  const { state } = await client.do(PANTHOR.GROUP_GET_STATE, { groupHandle: group });
  const grown = machine.dram.used;
  await client.do(PANTHOR.GROUP_DESTROY, { groupHandle: group });
  await client.do(PANTHOR.TILER_HEAP_DESTROY, { handle: heap.handle });
  assert.ok(machine.dram.used < used + CHUNK, 'the chunks went with the heap');
  return { taken, state, grown: grown - used, lines: machine.lines };
}

test('a heap grows chunk by chunk while the tiler asks for more', async () => {
  const { taken, state, grown } = await draw(10, 8);
  assert.equal(state, 0);
  assert.equal(new Set(taken).size, 10);
  assert.ok(grown >= 4 * CHUNK, `${grown} bytes for 10 pieces, three to a chunk`);
});

test('a heap does not grow beyond its limit: without a handler for that the group fails', async () => {
  const { taken, state, lines } = await draw(10, 2);
  assert.equal(taken.length, 6);
  assert.ok(state === GROUP_STATE.FATAL_FAULT || /CS_FAULT/.test(lines.join('\n')), `state ${state}`);
});
