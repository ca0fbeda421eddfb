/** The benches of single instructions measure what they say: all threads run their programs to the end, as often as it is said. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALL_THREADS, ALU, aluProgram, data, job, MEMORY, memoryProgram, room } from './bench-shader.ts';

const UNTOUCHED = 0xdeadbeef;
const place = room();
/** What programs reach whose words are neighbours. */
const words = data(place).subarray(0, 2 ** 15);

for (const [name, line] of Object.entries(ALU)) {
  test(`bench alu: ${name}`, () => {
    const run = job(place, 'wasm', aluProgram(line, 16));
    for (let n = 0; n < 2; n++) {
      words.fill(UNTOUCHED);
      run();
      assert.equal(words.indexOf(UNTOUCHED), ALL_THREADS);
    }
  });
}

for (const [name, touched] of Object.entries({
  load_i32: 0,
  load_i128: 0,
  // The second access lies a workgroup further on.
  store_i32: ALL_THREADS + ALL_THREADS / 16,
  store_i128: 4 * (ALL_THREADS + ALL_THREADS / 16),
  atomic_add: ALL_THREADS,
  atomic_add_one_word: 1,
})) {
  test(`bench memory: ${name}`, () => {
    words.fill(UNTOUCHED);
    job(place, 'wasm', memoryProgram(MEMORY[name]!, 2))();
    const count = words.reduce((sum, word) => sum + (word === UNTOUCHED ? 0 : 1), 0);
    // Thread 0 adds nothing.
    assert.ok(touched - count <= 1 && count <= touched, `${count} of ${touched}`);
  });
}

test('bench memory: texels of an image', () => {
  const all = data(place);
  all.fill(UNTOUCHED);
  job(place, 'wasm', memoryProgram(MEMORY.image_store!, 2))();
  let count = 0;
  for (let at = 0; at < all.length; at++) if (all[at] !== UNTOUCHED) count++;
  assert.equal(count, 2 * ALL_THREADS);
});

test('bench memory: words that are far apart', () => {
  const all = data(place);
  all.fill(UNTOUCHED);
  job(place, 'wasm', memoryProgram(MEMORY.store_i32_far!, 1))();
  let count = 0;
  for (let at = 0; at < all.length; at++) if (all[at] !== UNTOUCHED) count++;
  assert.ok(count > ALL_THREADS * 0.99, `${count} of ${ALL_THREADS}`);
});
