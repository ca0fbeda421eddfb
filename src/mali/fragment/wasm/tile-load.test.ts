import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COMPONENT_ORDER, INTERNAL_FORMATS, PIXEL_FORMATS, TILE_PIXEL_FORMATS } from '../../../abi/formats.ts';
import { Random } from '../../../testing/mali/random.ts';
import { scratch } from '../../engine/scratch.ts';
import { functionTable, TABLE_IMPORT } from '../../engine/table.ts';
import { ModuleBuilder } from '../../wasm/builder.ts';
import { TILE } from '../raster.ts';
import { type TileCodec, targetCodec } from '../tile-codec.ts';
import { LOAD_QUAD, loadable, tileLoad } from './tile-load.ts';

const LANES = 4;
const CHANNELS = 4;

/** Calls a function by its number and stores what it answers at an address. */
const call = (() => {
  const m = new ModuleBuilder();
  m.importMemory('gpu', 'scratch', scratch.pages, scratch.pages);
  m.importTable(...TABLE_IMPORT);
  const f = m.function('call', ['i32', 'i32', 'i32'], [], true);
  const results = f.locals('v128', CHANNELS);
  f.get(0)
    .get(1)
    .callIndirect(m.functionType(...LOAD_QUAD));
  for (const local of results.toReversed()) f.set(local);
  for (const [n, local] of results.entries())
    f.get(2)
      .get(local)
      .memory('v128_store', 16 * n);
  const imports = { gpu: { scratch: scratch.memory, table: functionTable.table } };
  const instance = new WebAssembly.Instance(new WebAssembly.Module(m.build()), imports);
  return instance.exports.call as (at: number, slot: number, to: number) => void;
})();

test('colours are loaded from the tile buffer as script loads them, in every format that has code', () => {
  const random = new Random(3);
  const piece = scratch.take(TILE * 16 * 2 + CHANNELS * 16);
  const to = piece.at + TILE * 16 * 2;
  const rgba = new Float64Array(CHANNELS);
  const single = new Float32Array(1);
  const bits = new Uint32Array(single.buffer);
  let compared = 0;
  const without = new Set<string>();
  for (const internal of INTERNAL_FORMATS.values()) {
    const stride = Math.ceil(internal.bytes / 4);
    for (const format of [...PIXEL_FORMATS.keys(), ...TILE_PIXEL_FORMATS.keys()]) {
      for (const order of Object.keys(COMPONENT_ORDER)) {
        let codec: TileCodec | undefined;
        try {
          codec = targetCodec(Number(order) | (format << 12), internal);
        } catch {
          continue;
        }
        if (!codec) continue;
        const code = codec.fixed ?? (codec.loaded && { channels: codec.loaded, stride });
        if (!code) {
          // Of wider formats than the target's, channels that it holds a part of have none either.
          const { channels, bytes } = PIXEL_FORMATS.get(format)!;
          if (bytes > internal.bytes) continue;
          for (const channel of channels) if (!loadable(channel)) without.add(`${channel.type}${channel.bits}`);
          continue;
        }
        const place = functionTable.place(tileLoad(code));
        for (let round = 0; round < 3; round++) {
          const words = scratch.u32.subarray(piece.at / 4, to / 4);
          for (let i = 0; i < words.length; i++) words[i] = random.chance(10) ? random.pick(EXTREMES) : random.word();
          call(piece.at, place.slot, to);
          for (let lane = 0; lane < LANES; lane++) {
            const at = ((lane >> 1) * TILE + (lane & 1)) * stride;
            codec.load(words, at, rgba);
            for (const [c, value] of rgba.entries()) {
              single[0] = value;
              const raw = codec.singles.load.find(({ component }) => component === c);
              const wanted: number = raw ? words[at + raw.word]! : codec.kind === 'float' ? bits[0]! : value >>> 0;
              const got = scratch.u32[to / 4 + c * LANES + lane]!;
              assert.equal(got, wanted, `format ${format}, order ${order} in ${internal.name}, channel ${c}`);
              compared++;
            }
          }
        }
      }
    }
  }
  scratch.give(piece);
  assert.ok(compared > 100_000, `${compared} compared`);
  assert.deepEqual([...without].sort(), [
    'exponent5',
    'fixed32',
    'mantissa9',
    'snorm32',
    'uint0',
    'unorm24',
    'unorm32',
  ]);
});

/** Zeros, infinities, subnormals and NaN of halves and singles. */
const EXTREMES = [0, 0xffffffff, 0x7f800000, 0xff800001, 0x7c007c01, 0x80008001, 0x83ff03ff, 0x7fffffff];
