/** The registers that vertex warps start with, by emitted code. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VERTEX_PRELOAD as PRELOAD } from '../../abi/isa/preload.ts';
import { scratch } from '../engine/scratch.ts';
import { COLUMN_BYTES, THREAD_PRELOADS } from '../engine/threads.ts';
import { LANES } from '../shader/contract.ts';
import { Batch } from './batch.ts';
import { MAX_BATCH_VERTICES, TILER } from './state.ts';
import { preloader } from './wasm/preload.ts';

const { first, count } = THREAD_PRELOADS.vertex;
const REGISTERS = [PRELOAD.LINEAR_ID, PRELOAD.VERTEX_ID, PRELOAD.INSTANCE_ID, PRELOAD.DRAW_ID];

/** A batch of so many vertices, with a list of rubbish. */
function batchOf(vertices: number): Batch {
  const batch = Batch.take(MAX_BATCH_VERTICES);
  for (let v = 0; v < vertices; v++) assert.ok(batch.add(1, 1000 + 3 * v, 0, 0, v % 3, 0, v));
  scratch.u32.fill(0xdead, (batch.at + TILER.list) / 4, (batch.at + TILER.list) / 4 + MAX_BATCH_VERTICES * count);
  return batch;
}

/** A listed thread's registers. */
function listed(batch: Batch, thread: number): number[] {
  const warp = batch.at + TILER.list + Math.floor(thread / LANES) * count * COLUMN_BYTES;
  const at = (register: number) => (warp + (register - first) * COLUMN_BYTES) / 4 + (thread % LANES);
  return REGISTERS.map((register) => scratch.u32[at(register)]!);
}

test("a warp's lanes have their vertices, and lanes without one have zeros", () => {
  const batch = batchOf(122);
  for (const entries of [1, 2, 3, 16]) {
    preloader().list_all(batch.at, entries, -5, 7, 99);
    for (let v = 0; v < 128; v++) {
      const want = v < 122 ? [(v - (v % 4)) * entries + (v % 4), 995 + 3 * v, (v % 3) + 7, 99] : [0, 0, 0, 0];
      assert.deepEqual(listed(batch, v), want, `vertex ${v}`);
    }
  }
  Batch.give(batch);
});

test('vertices that are wanted are listed once', () => {
  const batch = batchOf(200);
  const wanted = Array.from({ length: 40 }, (_, n) => (n * 13) % 200).sort((a, b) => a - b);
  for (const v of wanted) batch.mark(v);
  assert.equal(preloader().list_wanted(batch.at, 1, -5, 7, 99), 40);
  for (let n = 0; n < 48; n++) {
    const v = wanted[n];
    const want = v === undefined ? [0, 0, 0, 0] : [v, 995 + 3 * v, (v % 3) + 7, 99];
    assert.deepEqual(listed(batch, n), want, `thread ${n}`);
  }
  batch.mark(wanted[3]!);
  assert.equal(preloader().list_wanted(batch.at, 1, 0, 0, 0), 0);
  batch.mark(1);
  assert.equal(preloader().list_wanted(batch.at, 1, 0, 0, 0), 1);
  assert.equal(listed(batch, 0)[0], 1);
  batch.clearMarks();
  batch.mark(wanted[3]!);
  assert.equal(preloader().list_wanted(batch.at, 1, 0, 0, 0), 1);
  batch.mark(118);
  assert.equal(preloader().list_wanted(batch.at, 3, 0, 0, 0), 1);
  assert.equal(listed(batch, 0)[0], 116 * 3 + 2, 'three views of four vertices are together');
  Batch.give(batch);
});
