/** The vertex bench measures what it says: every case leaves its primitives in the polygon list, also when it is drawn again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CASES, prepare } from './bench-vertex.ts';

for (const one of CASES) {
  test(`bench vertex: ${one.name}`, () => {
    const { draw, records } = prepare(one);
    for (let n = 0; n < 2; n++) {
      draw();
      assert.equal(records(), one.records);
    }
  });
}
