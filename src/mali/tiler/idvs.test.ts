/** What a draw holds while it is worked off, and what of it is left. Its pictures are fragment/fragment.test.ts's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bench } from '../../testing/mali/stage-bench.ts';
import { IdvsWork, type OpenVertexShader } from './idvs.ts';

/** Starts a draw whose runs are counted, with vertices that `vertex` makes. */
function counted(vertex: Bench['vertex']) {
  const bench = new Bench(32, 32);
  bench.vertex = vertex;
  const counts = { opened: 0, closed: 0 };
  const open: OpenVertexShader = (memory, addresses, stage, slot) => {
    const run = bench.openVertex(memory, addresses, stage, slot);
    counts.opened++;
    return Object.assign(Object.create(run), {
      close: () => {
        counts.closed++;
        run.close();
      },
    });
  };
  // Sets the draw's registers.
  bench.idvs(300);
  return { work: new IdvsWork(bench.request({ mallocEnable: true, flagsOverride: 0 }), open, bench.engine), counts };
}

test('a draw closes its shader runs at its end', () => {
  const { work, counts } = counted((i) => ({ position: [(i * 7) % 32, (i * i) % 32, 0, 1], varyings: [] }));
  let state = work.step();
  while (state === 'more') state = work.step();
  assert.equal(state, 'done');
  assert.ok(counts.opened > 0);
  assert.equal(counts.closed, counts.opened);
  assert.equal(work.step(), 'done', 'and stays at its end');
  assert.equal(counts.closed, counts.opened);
});

test('a draw closes its shader runs when one of them fails', () => {
  const { work, counts } = counted((i) => {
    if (i > 100) throw new Error('a broken shader');
    return { position: [(i * 7) % 32, (i * i) % 32, 0, 1], varyings: [] };
  });
  assert.throws(() => {
    while (work.step() === 'more');
  }, /a broken shader/);
  assert.ok(counts.opened > 0);
  assert.equal(counts.closed, counts.opened);
});
