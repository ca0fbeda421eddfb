/** The registers that vertex warps start with, by emitted code. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VERTEX_PRELOAD as PRELOAD } from '../../abi/isa/preload.ts';
import { scratch } from '../engine/scratch.ts';
import { LANES } from '../shader/contract.ts';
import { Batch } from './batch.ts';
import { positionId } from './shading.ts';
import { preloader } from './wasm/preload.ts';

test("a warp's lanes have their vertices, and lanes without one have zeros", () => {
  const batch = Batch.take();
  for (let v = 0; v < 42; v++) assert.ok(batch.add(1, 1000 + 3 * v, 0, 0, v % 3, 0, v));
  const registers = new Uint32Array(scratch.buffer, scratch.alloc(64 * LANES * 4), 64 * LANES);
  for (const extended of [false, true]) {
    for (const first of [0, 32]) {
      registers.fill(0xdead);
      preloader()(batch.at, registers.byteOffset, first, extended ? 1 : 0, -5, 7, 99);
      for (let lane = 0; lane < LANES; lane++) {
        const v = first + lane;
        const at = (register: number) => registers[register * LANES + lane]!;
        const want = v < 42 ? [positionId(v, extended), 995 + 3 * v, (v % 3) + 7, 99] : [0, 0, 0, 0];
        const got = [PRELOAD.LINEAR_ID, PRELOAD.VERTEX_ID, PRELOAD.INSTANCE_ID, PRELOAD.DRAW_ID].map(at);
        assert.deepEqual(got, want, `vertex ${v}`);
      }
    }
  }
  Batch.give(batch);
});
