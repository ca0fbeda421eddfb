/** The compute bench measures what it says: every case computes what it is named after. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client, liveMachine } from '../testing/machine/board.ts';
import { CASES, jobOf, THREADS } from './bench-compute.ts';

/** The words that a case leaves, each followed by a look at some. */
const WANTED: Readonly<Record<string, (words: Uint32Array, singles: Float32Array) => void>> = {
  saxpy: (_words, singles) => assert.equal(singles[1000], 3 * 0.5 + 4),
  exchange: (words) => assert.deepEqual([...words.subarray(640, 642)], [703, 702]),
  // The origin is within the set; the corner of the picture leaves it at once.
  mandelbrot: (words) => assert.deepEqual([words[256 * 512 + 341], words[0]], [0, 62]),
};

test('bench compute: what the jobs compute', async () => {
  const live = await liveMachine();
  try {
    for (const [name, one] of Object.entries(CASES)) {
      const client = new Client(live);
      const job = await jobOf(client, one);
      const { words } = job;
      const singles = new Float32Array(words.buffer, words.byteOffset, words.length);
      singles.fill(3, 0, THREADS);
      singles.fill(4, THREADS);
      await job.run();
      WANTED[name]!(words, singles);
      client.file.close();
    }
  } finally {
    live.machine.close();
  }
});
