/**
 * Address functions: where the texels lie that four lanes name.
 *
 *     address(record, x and y, slice and layer) → lower words, upper words, lanes that fit
 *
 * Coordinates are pairs of 16 bits. There is one for each order of texels and their bytes; what else an image's descriptor says stands in a
 * record in scratch memory (frame.ts: TEXEL). A lane fits if it names the record's layer, or nothing, whose address is 0. Addresses are
 * those of texture/unit.ts (texelAddress).
 */
import { U_ORDER, U_TILE, U_TILE_PIXELS } from '../../board/image/u-interleaved.ts';
import { scratch } from '../engine/scratch.ts';
import { functionTable, type Place } from '../engine/table.ts';
import { wordsOfBytes } from '../texture/emit-code.ts';
import { ModuleBuilder } from '../wasm/builder.ts';
import type { ValueType } from '../wasm/opcodes.ts';
import { TEXEL } from './frame.ts';
import { LaneCode, type Lanes } from './lanes.ts';

export const ADDRESS_TYPE: { params: ValueType[]; results: ValueType[] } = {
  params: ['i32', 'v128', 'v128'],
  results: ['v128', 'v128', 'v128'],
};

const U_SHIFT = Math.log2(U_TILE);

function emitAddress(tiled: boolean, bytes: number): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder();
  m.importMemory('gpu', 'scratch', scratch.pages, scratch.pages);
  const code = m.function(`texel_${tiled ? 'tiled' : 'linear'}_${bytes}`, ADDRESS_TYPE.params, ADDRESS_TYPE.results);
  m.exportFunction('address', code);
  const l = new LaneCode(code, false, 1);
  const argument = (n: number): Lanes => l.local([n]);
  const field =
    (at: number): Lanes =>
    () =>
      code.get(0).memory('v128_load32_splat', at);
  const lower = (word: Lanes): Lanes => l.keep(l.and(word, l.words(0xffff)));
  const upper = (word: Lanes): Lanes => l.keep(l.shift('i32x4_shr_u', word, 16));
  const [x, y, slice, layer] = [lower(argument(1)), upper(argument(1)), lower(argument(2)), upper(argument(2))];
  const within = (a: Lanes, last: number): Lanes => l.op('i32x4_le_u', a, field(last));
  const inside = l.keep(
    l.and(
      l.and(within(x, TEXEL.lastX), within(y, TEXEL.lastY)),
      l.and(within(slice, TEXEL.lastZ), within(layer, TEXEL.lastLayer)),
    ),
  );
  const times = (a: Lanes, factor: Lanes): Lanes => l.op('i32x4_mul', a, factor);
  const sum = (a: Lanes, b: Lanes): Lanes => l.op('i32x4_add', a, b);
  // A byte of a table for each lane: the upper bytes of its word look up the first one, which is 0.
  const look = (index: Lanes, table: (i: number) => number): Lanes =>
    l.op('i8x16_relaxed_swizzle', l.words(...wordsOfBytes(table)), l.and(index, l.words(U_TILE - 1)));
  const column = tiled
    ? l.xor(
        sum(
          times(l.shift('i32x4_shr_u', x, U_SHIFT), l.words(U_TILE_PIXELS)),
          look(x, (i) => U_ORDER[i]!),
        ),
        look(y, (i) => U_ORDER[i * U_TILE]!),
      )
    : x;
  const row = times(tiled ? l.shift('i32x4_shr_u', y, U_SHIFT) : y, field(TEXEL.rowStride));
  const offset = l.keep(sum(sum(times(column, l.words(bytes)), row), times(slice, field(TEXEL.sliceStride))));
  const low = l.keep(sum(offset, field(TEXEL.low)));
  // A comparison gives -1 for true: the carry.
  const high = l.op('i32x4_sub', field(TEXEL.high), l.op('i32x4_lt_u', low, offset));
  l.and(low, inside)(0);
  l.and(high, inside)(0);
  l.or(l.op('i32x4_eq', layer, field(TEXEL.layer)), l.not(inside))(0);
  return m.build();
}

const places = new Map<number, Place>();

/** The address function of images of such texels. There are few. */
export function addressPlace(tiled: boolean, bytes: number): Place {
  const key = bytes * 2 + (tiled ? 1 : 0);
  let place = places.get(key);
  if (!place) {
    const module = new WebAssembly.Module(emitAddress(tiled, bytes));
    const { address } = new WebAssembly.Instance(module, { gpu: { scratch: scratch.memory } }).exports;
    place = functionTable.place(address as CallableFunction);
    places.set(key, place);
  }
  return place;
}
