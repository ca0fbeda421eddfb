import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PixelFuzzer } from './pixels.ts';

/** Pictures of the short run; the long one is `tyr fuzz pixels`. */
const PICTURES = 100;

test('random pictures are the same by emitted code and by script', async () => {
  const fuzzer = new PixelFuzzer();
  for (let seed = 0; seed < PICTURES; seed++) {
    assert.equal(fuzzer.try(seed)?.report, undefined);
    // Lets scratch memory of what was collected come back.
    if (seed % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  const faults = [...fuzzer.coverage.faults.values()].reduce((sum, n) => sum + n, 0);
  assert.ok(faults < PICTURES / 10, `${faults} pictures were refused`);
});
