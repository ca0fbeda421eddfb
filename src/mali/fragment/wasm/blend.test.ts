/** Emitted blending against BlendEquation and TileCodec, with random equations, formats and colours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PIXEL_FORMAT, PIXEL_FORMATS, TILE_PIXEL_FORMATS } from '../../../abi/formats.ts';
import { Random } from '../../../testing/mali/random.ts';
import { blendBits } from '../../../testing/mali/stage-bench.ts';
import { scratch } from '../../engine/scratch.ts';
import { BlendEquation } from '../blend.ts';
import { TILE_PIXELS } from '../raster.ts';
import { tileCodec } from '../tile-codec.ts';
import { type BlendCode, blendFunctions } from './blend.ts';
import { storable } from './pixel-store.ts';
import { WARP } from './raster.ts';

const source = new Random(7);
const random = (n: number): number => source.below(n);
const flag = () => source.chance(50);
const equationBits = () =>
  blendBits({ a: 1 + random(3), negateA: flag(), b: random(4), negateB: flag(), c: 1 + random(7), invertC: flag() });

const blendWarp = (code: BlendCode) => blendFunctions(code).blend_warp;
const SRGB = 1 << 20;
const formats = [...TILE_PIXEL_FORMATS.keys(), PIXEL_FORMAT.RGBA8_TB | (SRGB >> 12)].map((index) =>
  tileCodec(index << 12),
);
const warp = scratch.alloc(WARP.size);
const SIZE = TILE_PIXELS * 4;
const tileAt = scratch.alloc(SIZE * 4);
const tile = new Uint32Array(scratch.buffer, tileAt, SIZE);
const words = (offset: number, count: number) => new Int32Array(scratch.buffer, warp + offset, count);
const colour = new Float32Array(scratch.buffer, warp + WARP.colour, 64);

/** Colours near and beyond the limits, of all signs, and some that are no numbers. */
const value = (): number =>
  [random(1000) / 999, random(256) / 255, random(8) - 3, Number.NaN][Math.min(random(12), 11) % 4]!;

test('the tile holds the same words', () => {
  for (let n = 0; n < 3000; n++) {
    const codec = formats[random(formats.length)]!;
    const equation = flag() ? new BlendEquation(equationBits(), equationBits(), random(16), random(65536)) : undefined;
    const samples = flag() ? 1 : 4;
    const channels = 1 + random(4);
    const alphaToOne = random(4) === 0;
    const mask = random(65536);
    for (let q = 0; q < 4; q++) {
      const corner = random(8) * 2 + random(8) * 32;
      for (let i = 0; i < 4; i++) words(WARP.pixel, 16)[q * 4 + i] = corner + (i & 1) + (i >> 1) * 16;
    }
    for (let lane = 0; lane < 16; lane++) words(WARP.blended, 16)[lane] = random(2 ** samples);
    for (let i = 0; i < 64; i++) colour[i] = value();
    for (let i = 0; i < SIZE; i++) tile[i] = random(2 ** 32);
    const expected = tile.slice();
    const rgba = new Float64Array(4);
    let any = 0;
    for (let lane = 0; lane < 16; lane++) {
      if (!(mask & (1 << lane))) continue;
      for (let s = 0; s < samples; s++) {
        if (!(words(WARP.blended, 16)[lane]! & (1 << s))) continue;
        any = 1;
        const source = Float64Array.from([0, 1, 2, 3], (i) =>
          i < channels ? colour[i * 16 + lane]! : i === 3 ? 1 : 0,
        );
        if (alphaToOne) source[3] = 1;
        const at = s * TILE_PIXELS + words(WARP.pixel, 16)[lane]!;
        if (equation) {
          for (let i = 0; i < 4; i++) source[i] = source[i]! > 0 ? Math.min(source[i]!, 1) : 0;
          codec.load(expected, at, rgba);
          equation.apply(source, rgba);
        }
        codec.store(equation ? rgba : source, expected, at);
      }
    }
    const run = blendWarp({ ...codec.fixed!, equation: equation?.code, channels, alphaToOne, samples });
    assert.equal(run(warp, warp + WARP.blended, warp + WARP.colour, tileAt, mask), any, `case ${n}`);
    assert.deepEqual(tile.slice(), expected, `case ${n}: ${JSON.stringify(codec.fixed)}`);
  }
});

test('colours of all other pixel formats are stored as the codec stores them', () => {
  const tested = new Set<string>();
  for (const [index, format] of PIXEL_FORMATS) {
    if (format.kind === 'tile' || format.kind === 'constant' || format.bytes > 16) continue;
    const codec = tileCodec(index << 12);
    const { stored, kind } = codec;
    for (const numbers of kind === 'float' ? (['float'] as const) : (['sint', 'uint'] as const)) {
      if (!storable(stored!, numbers)) continue;
      tested.add(format.name);
      const words32 = Math.ceil(format.bytes / 4);
      for (let n = 0; n < 30; n++) {
        const stride = words32 === 3 ? 4 : words32 + (words32 === 1 && flag() ? 1 : 0);
        words(WARP.pixel, 16)[0] = random(8) * 2 + random(8) * 32;
        const covered = random(16);
        for (let lane = 0; lane < 4; lane++) words(WARP.blended, 16)[lane] = (covered >> lane) & 1;
        const integers = words(WARP.colour, 64);
        for (let i = 0; i < 64; i++) {
          // Of single precision each NaN is kept, of halves none but one.
          if (numbers === 'float' && random(8) === 0) integers[i] = 0xfffefdfc - random(256);
          else if (numbers === 'float') colour[i] = flag() ? edge() : value();
          else integers[i] = flag() ? random(2 ** 32) : random(600) - 300;
        }
        for (let i = 0; i < SIZE; i++) tile[i] = i * 0x9e3779b9;
        const expected = tile.slice();
        for (let lane = 0; lane < 4; lane++) {
          if (!(covered & (1 << lane))) continue;
          const pixel = words(WARP.pixel, 16)[0]! + (lane & 1) + (lane >> 1) * 16;
          const rgba = Float64Array.from([0, 1, 2, 3], (c) => {
            const at = c * 16 + lane;
            return numbers === 'float' ? colour[at]! : numbers === 'sint' ? integers[at]! : integers[at]! >>> 0;
          });
          codec.store(rgba, expected, pixel * stride);
          for (const { component, word } of codec.singles.store) {
            expected[pixel * stride + word] = integers[component * 16 + lane]!;
          }
        }
        const pixel = { channels: stored!, words: words32, stride, numbers };
        const run = blendWarp({ pixel, equation: undefined, channels: 4, alphaToOne: false, samples: 1 });
        run(warp, warp + WARP.blended, warp + WARP.colour, tileAt, 0xf);
        assert.deepEqual(tile.slice(), expected, `${format.name} of ${numbers}`);
      }
    }
  }
  for (const name of [
    'R11F G11F B10F',
    'RGBA16F',
    'RGBA32F',
    'RGBA8UI',
    'RG16I',
    'RGB10 A2UI',
    'RGBA16 SNORM',
    'RGB565',
  ]) {
    assert.ok(tested.has(name), `${name} has emitted code`);
  }
});

/** Where formats end, and where they round. */
const EDGES = [
  2 ** -14,
  2 ** -24,
  2 ** -25,
  65504,
  65520,
  65536,
  1e30,
  -0,
  1 + 2 ** -11,
  1 + 3 * 2 ** -12,
  2 ** -149,
  0.5,
];
const edge = (): number =>
  [EDGES[random(EDGES.length)]!, -EDGES[random(EDGES.length)]!, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY][
    Math.min(random(12), 11) % 4
  ]!;
