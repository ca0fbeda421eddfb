/** Pixel formats in the tile buffer: what is stored is what is loaded. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { INTERNAL_FORMATS, type InternalFormat, PIXEL_FORMATS } from '../../abi/formats.ts';
import { unsignedFloat } from '../format.ts';
import { floatToUnsigned, roundEven } from '../pack.ts';
import { targetCodec, tileCodec } from './tile-codec.ts';

const word = (index: number, order = 0, srgb = 0): number => (index << 12) | order | (srgb << 20);

function trip(format: number, rgba: readonly number[]): number[] {
  const words = new Uint32Array(4);
  const codec = tileCodec(format);
  codec.store(Float64Array.from(rgba), words, 0);
  const out = new Float64Array(4);
  codec.load(words, 0, out);
  return [...out];
}

test('every pixel format keeps 0 and 1, and its largest values', () => {
  for (const format of PIXEL_FORMATS.values()) {
    if (format.kind === 'constant') continue;
    const channels = format.kind === 'tile' ? 4 : format.channels.filter(({ type }) => type !== 'exponent').length;
    for (const value of [0, 1]) {
      const out = trip(word(format.index), [value, value, value, value]);
      const skip = format.name.startsWith('R5G6B5') ? 3 : channels;
      const from = format.channels[0]?.type === 'exponent' ? 1 : 0;
      for (let i = from; i < Math.min(skip + from, 4); i++) {
        const narrow = format.channels[i]?.type === 'sint' && format.channels[i]?.bits === 1;
        const absent = format.channels[i]?.bits === 0;
        if (!narrow && !absent) assert.equal(out[i], value, `${format.name} channel ${i}`);
      }
    }
  }
});

test('integers saturate, floats keep their precision', () => {
  assert.deepEqual(trip(word(155), [-5, 300, 7, 255]), [0, 255, 7, 255]);
  assert.deepEqual(trip(word(219), [-500, 300, -7, 127]), [-128, 127, -7, 127]);
  assert.deepEqual(trip(word(157), [4294967295, 2147483648, 1, 0]), [4294967295, 2147483648, 1, 0]);
  assert.deepEqual(
    trip(word(191), [Math.fround(0.1), -1e30, 0, 1].map(Math.fround)),
    [0.1, -1e30, 0, 1].map(Math.fround),
  );
});

test('component orders put channels where memory wants them', () => {
  const words = new Uint32Array(4);
  tileCodec(word(187, 4)).store(Float64Array.of(1, 0, 0.2, 1), words, 0);
  assert.equal(words[0], 0xffff0033, 'BGRA: blue in the lowest byte');
  assert.equal(trip(word(187, 16), [0.2, 0.2, 0.2, 0])[3], 1, 'RGB1: alpha reads one');
});

test('sRGB is applied both ways', () => {
  const words = new Uint32Array(4);
  tileCodec(word(237, 0, 1)).store(Float64Array.of(0.5, 0, 1, 0.5), words, 0);
  assert.equal(words[0], 0x80ff00bc);
  const [r, , , a] = trip(word(237, 0, 1), [0.5, 0, 1, 0.5]);
  assert.ok(Math.abs(r! - 0.5) < 0.003 && Math.abs(a! - 0.5) < 0.003);
});

test('bits of fraction are kept in AU forms and rounded away in PU forms', () => {
  const third = 10.25 / 31;
  assert.ok(Math.abs(trip(word(224), [third, 0, 0, 1])[0]! - third) < 1e-3);
  assert.equal(trip(word(225), [third, 0, 0, 1])[0], Math.fround(10 / 31));
});

test('the tile-buffer words are those of Mesa’s clear colours', () => {
  // 5:6:5 undithered: whole bits above five (four) bits of fraction; alpha has no whole bits.
  const words = new Uint32Array(4);
  tileCodec(word(227, 16)).store(Float64Array.of(1, 1, 1, 1), words, 0);
  assert.equal(words[0], (31 << 5) | ((63 << 4) << 10) | ((31 << 5) << 20));
});

test('a render target keeps what fits of a wider pixel format, and has no fixed point of another layout', () => {
  const [rgba8, raw16, raw64] = [INTERNAL_FORMATS.get(1)!, INTERNAL_FORMATS.get(33)!, INTERNAL_FORMATS.get(35)!];
  assert.ok(targetCodec(word(237), rgba8));
  assert.equal(targetCodec(word(237), raw64), undefined);
  assert.equal(targetCodec(word(223), raw64), tileCodec(word(223)));
  const kept = (format: number, internal: InternalFormat, rgba: number[]): [number[], number[]] => {
    const codec = targetCodec(word(format), internal)!;
    const words = new Uint32Array(4).fill(0xeeeeeeee);
    codec.store(Float64Array.from(rgba), words, 0);
    const out = new Float64Array(4);
    codec.load(words, 0, out);
    return [[...words], [...out]];
  };
  // RG16F: the second half is not there, what is behind the target's words is somebody else's.
  assert.deepEqual(kept(207, raw16, [1, -2, 0, 0]), [
    [0x3c00, 0xeeeeeeee, 0xeeeeeeee, 0xeeeeeeee],
    [1, 0, 0, 0],
  ]);
  assert.deepEqual(kept(157, raw64, [1, 2, 3, 4]), [
    [1, 2, 0xeeeeeeee, 0xeeeeeeee],
    [1, 2, 0, 0],
  ]);
  // RGB10 A2UI: six bits of green.
  assert.deepEqual(kept(71, raw16, [5, 0x3ff, 7, 3])[0]![0], 0xfc05);
});

test('small floats without sign, and rounding', () => {
  for (const value of [0, 1, 0.5, 65024, 2 ** -14, 3 * 2 ** -20])
    assert.equal(unsignedFloat(floatToUnsigned(value, 6), 6), value);
  assert.equal(floatToUnsigned(-1, 6), 0);
  assert.ok(Number.isNaN(unsignedFloat(floatToUnsigned(Number.NaN, 6), 6)));
  assert.deepEqual([0.5, 1.5, 2.5, -0.5, 0.49].map(roundEven), [0, 2, 2, 0, 0]);
});
