import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { threadBytes } from '../../testing/mali/thread-bytes.ts';

/** Whatever needs a record, a table, or a number of its own. */
const PROGRAM = `
  LOAD.i32.unsigned.slot0.wait0 @r0, u0, offset:4
  LD_ATTR_IMM.v2.f32.slot0.wait0 @r4:r5, r1, r2, index:1, table:1
  TEX_SINGLE.slot0.f.16.rba.2d.array_enable.shadow.computed_bias.wait0 @r0:r1, @r4:r5:r6:r7:r8, u0
  TEX_FETCH.slot0.u.32.g.3d.wide_indices.texel_offset.wait0 @r2, @r4:r5:r6:r7, u2
  FSIN_TABLE.u6 r0, r1
  FMA.v2f16 r3, r0, r1, r2
  STORE.i32.slot0.wait0 @r3, u0, offset:0
  NOP.end`;
const OTHER = `
  TEX_GRADIENT.slot0.u.32.rg.2d.lod_bias_disable.lod_clamp_disable.derivative_enable.wait0 @r10:r11, @r4:r5:r6:r7, u0
  NOP.end`;

test('threads make the same bytes of the same shader, so that they are compiled once', async () => {
  const at = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
  const first = `import(${at('../engine/scratch.ts')}).then(({ scratch }) => scratch.alloc(100))`;
  const worker = new Worker(`${first}.then(() => import(${at('../../testing/mali/thread-bytes.ts')}))`, {
    eval: true,
    workerData: { program: PROGRAM, other: OTHER },
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  const [theirs] = await once(worker, 'message');
  assert.deepEqual(theirs, threadBytes(PROGRAM));
});
