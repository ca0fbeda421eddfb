import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PIXEL_FORMATS, type PixelFormat } from '../../abi/formats.ts';
import { Random } from '../../testing/mali/random.ts';
import { execute, FlatMemory, register } from '../../testing/mali/shader-rig.ts';
import { executorOf } from '../engine/engine.ts';
import { leftOver } from '../engine/left-over.ts';
import { ENGINES } from '../engine/names.ts';
import { LANES } from '../shader/contract.ts';

const TEXELS = 0x20000;
/** Room for a texel, and what must stay as it is behind it. */
const STEP = 24;
const REGISTER_FORMATS = ['auto', 'f32', 'f16', 's32', 's16', 'u32', 'u16'];
const ORDERS = { RGBA: 0, GRBA: 2, BGRA: 4, ARGB: 8, ABGR: 12, RGB1: 16, '1RGB': 24, RRRR: 226, '000A': 229 };

/** What rounding, clamping and conversion may stumble over, as singles and as pairs of halves. */
const SPECIAL = [
  ...[0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000],
  ...[1, 0x80000001, 0x007fffff, 0x477fe000, 0x47800000, 0x38800000, 0x387fffff, 0x33800000, 0x33000000, 0x477fefff],
  ...[0x7fc00001, 0xffc12345, 0x7f800001, 0xff812345, 0x7fffffff, 0xffff7c01],
  ...[0x3c003c00, 0x7c007e00, 0xfe00fc00, 0x04000001, 0x83ff0000, 0x7bffbbff, 0x7f000000, 0x80007bff, 0xff000000],
];

/** Words for the lanes. */
const words = (random: Random, format: PixelFormat): number[] =>
  Array.from({ length: LANES }, () => word(random, format));

const view = new DataView(new ArrayBuffer(4));

function word(random: Random, format: PixelFormat): number {
  if (random.chance(30)) return random.pick(SPECIAL);
  if (random.chance(20)) return random.word();
  if (random.chance(30)) return random.below(512);
  // Near or at the middle between two of the channel's values.
  const { bits } = random.pick(format.channels);
  const most = 2 ** Math.min(bits, 23) - 1;
  view.setFloat32(0, ((random.below(most + 1) + 0.5) / most) * random.pick([1, 1, -1]));
  return view.getUint32(0);
}

/** What lanes 1 to 15 store of the same data on each engine, with what lies around it. */
function stored(format: number, to: string, size: number, data: readonly (readonly number[])[]): Uint8Array[] {
  return ENGINES.map((engine) => {
    const memory = new FlatMemory();
    memory.write(TEXELS, new Uint8Array(STEP * LANES).fill(0xa5));
    const at = Array.from({ length: LANES }, (_, lane) => (lane === 0 ? 0 : TEXELS + STEP * lane + (lane % 3)));
    execute(
      `ST_CVT.slot0.${to}${size > 1 ? `.v${size}` : ''}.wait0 @r0:r1:r2:r3, r8, r10, offset:0
      NOP.end`,
      {
        memory,
        executor: executorOf(engine),
        registers: { ...data, 8: at, 10: Array<number>(LANES).fill(format) },
      },
    );
    return memory.read(TEXELS, STEP * LANES);
  });
}

/** What the lanes load of the same bytes on each engine: lane 0 nowhere, lane 1 as lane 2. */
function loaded(format: number, to: string, size: number, bytes: Uint8Array, kept: readonly number[]): number[][][] {
  return ENGINES.map((engine) => {
    const memory = new FlatMemory();
    memory.write(TEXELS, bytes);
    // There is memory at address 0, too, of which nothing is loaded.
    memory.bytes.fill(0x5a, 0, STEP);
    memory.extent = () => ({ start: 0, size: memory.dram.size, physical: 0 });
    const at = Array.from({ length: LANES }, (_, lane) =>
      lane === 0 ? 0 : TEXELS + STEP * Math.max(lane, 2) + (lane % 3),
    );
    const run = execute(
      `LD_CVT.slot0.${to}${size > 1 ? `.v${size}` : ''}.wait0 @r0:r1:r2:r3, r8, r10, offset:0
      NOP.end`,
      {
        memory,
        executor: executorOf(engine),
        registers: { 0: kept, 1: kept, 8: at, 10: Array<number>(LANES).fill(format) },
      },
    );
    return [0, 1, 2, 3].map((r) => register(run, r));
  });
}

/** Formats of images and texel buffers, and registers that go with them. */
const USED: [string, string][] = [
  ['RGBA8 UNORM', 'f32'],
  ['RGBA8 SNORM', 'f16'],
  ['RGBA32F', 'f32'],
  ['RGBA16F', 'f16'],
  ['R32F', 'f32'],
  ['R11F G11F B10F', 'f32'],
  ['RGB10 A2 UNORM', 'f32'],
  ['RGB10 A2UI', 'u32'],
  ['RGBA16 UNORM', 'f32'],
  ['RGBA8UI', 'u32'],
  ['RGBA32I', 's32'],
  ['R32UI', 'u32'],
  ['R8I', 's16'],
];

const formats = [...PIXEL_FORMATS.values()].filter(({ bytes, kind }) => bytes > 0 && kind !== 'tile');
const scripts = (): number => leftOver().ST_CVT ?? 0;

for (const to of REGISTER_FORMATS) {
  test(`a texel is stored with the same bits by emitted code and by the interpreter: ${to}, all formats`, () => {
    const random = new Random(to.length * 100 + to.charCodeAt(0));
    for (const format of formats) {
      const data = Array.from({ length: 4 }, () => words(random, format));
      const [emitted, interpreted] = stored(format.index << 12, to, 4, data);
      assert.deepEqual(emitted, interpreted, format.name);
    }
  });
}

/** NaNs of any kind are one: neither JavaScript nor WebAssembly says more of them. */
function sameFloats(to: string, words: readonly (readonly number[])[]): number[][] {
  const half = (x: number): number => ((x & 0x7fff) > 0x7c00 ? 0x7e00 : x);
  const one = (x: number): number => {
    if (to === 'f16') return ((half(x >>> 16) << 16) | half(x & 0xffff)) >>> 0;
    return (x & 0x7fffffff) > 0x7f800000 ? 0x7fc00000 : x;
  };
  return words.map((lanes) => lanes.map(one));
}

for (const to of REGISTER_FORMATS) {
  test(`a texel is loaded with the same bits by emitted code and by the interpreter: ${to}, all formats`, () => {
    const random = new Random(to.length * 100 + to.charCodeAt(1));
    for (const format of formats) {
      const bytes = Uint8Array.from({ length: STEP * LANES }, () => random.below(256));
      const kept = Array.from({ length: LANES }, () => random.below(1000));
      const size = 1 + random.below(4);
      const [emitted, interpreted] = loaded(format.index << 12, to, size, bytes, kept);
      const floats = to.startsWith('f') || (to === 'auto' && format.kind === 'float');
      const same = (words: number[][]): number[][] => (floats ? sameFloats(to, words) : words);
      assert.deepEqual(same(emitted!), same(interpreted!), `${format.name}, ${size}`);
    }
  });
}

test('formats that programs use for texel buffers are loaded without script', () => {
  const random = new Random(8);
  const bytes = Uint8Array.from({ length: STEP * LANES }, () => random.below(256));
  for (const [name, to] of USED) {
    const format = formats.find((one) => one.name === name);
    assert.ok(format, name);
    const before = leftOver().LD_CVT ?? 0;
    loaded(format.index << 12, to, 4, bytes, [0]);
    assert.equal(leftOver().LD_CVT ?? 0, before, name);
  }
});

test('components are stored in their order, and those that the data lack are 0, alpha 1', () => {
  const random = new Random(5);
  const some = formats.filter(({ name }) =>
    ['RGBA8 UNORM', 'RGBA16F', 'RGB10 A2UI', 'RG32UI', 'R16I', 'RGB16 SNORM'].includes(name),
  );
  assert.equal(some.length, 6);
  for (const format of some) {
    for (const [name, order] of Object.entries(ORDERS)) {
      for (const size of [1, 2, 3, 4]) {
        const data = Array.from({ length: 4 }, () => words(random, format));
        const [emitted, interpreted] = stored((format.index << 12) | order, 'auto', size, data);
        assert.deepEqual(emitted, interpreted, `${format.name} ${name}, ${size}`);
      }
    }
  }
});

test('formats that programs use for images are stored without script', () => {
  const random = new Random(7);
  for (const [name, to] of USED) {
    const format = formats.find((one) => one.name === name);
    assert.ok(format, name);
    const before = scripts();
    stored(
      format.index << 12,
      to,
      4,
      [0, 1, 2, 3].map(() => words(random, format)),
    );
    assert.equal(scripts(), before, name);
  }
});
