/** The tables of sRGB in emitted code against the formulas. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scratch } from '../../engine/scratch.ts';
import { functions } from './modules.ts';
import { linearOf, SrgbCode, srgbByte } from './srgb.ts';

const { to_byte, to_linear } = functions<Record<'to_byte' | 'to_linear', (at: number) => void>>('srgb test', (m) => {
  for (const name of ['to_byte', 'to_linear'] as const) {
    const f = m.function(name, ['i32'], [], true);
    const code = new SrgbCode(f);
    f.get(0).get(0).memory('v128_load');
    if (name === 'to_byte') code.toByte();
    else code.toLinear();
    f.memory('v128_store');
  }
});
const at = scratch.alloc(16);
const singles = new Float32Array(scratch.buffer, at, 4);
const words = new Uint32Array(scratch.buffer, at, 4);

test('bytes become linear and come back', () => {
  for (let byte = 0; byte < 256; byte += 4) {
    const bytes = [byte, byte + 1, byte + 2, byte + 3];
    words.set(bytes);
    to_linear(at);
    assert.deepEqual([...singles], bytes.map(linearOf));
    to_byte(at);
    assert.deepEqual([...words], bytes);
  }
});

test('each linear value has the byte of the formula, at every step and beside it', () => {
  const bits = new Uint32Array(1);
  const value = new Float32Array(bits.buffer);
  const check = (first: number) => {
    for (let i = 0; i < 4; i++) {
      bits[0] = first + i;
      singles[i] = value[0]!;
    }
    const expected = [...singles].map(srgbByte);
    to_byte(at);
    assert.deepEqual([...words], expected, `from 0x${first.toString(16)}`);
  };
  for (let byte = 0; byte < 255; byte++) {
    // The first single with the next byte, by halving.
    let [low, high] = [0, 0x3f800000];
    while (low < high) {
      const middle = (low + high) >>> 1;
      bits[0] = middle;
      if (srgbByte(value[0]!) > byte) high = middle;
      else low = middle + 1;
    }
    check(low - 2);
  }
  for (let first = 0; first < 0x3f800000; first += 0x1ffff) check(first);
  check(0x3f800000 - 3);
});
