/**
 * Whether a level of AFBC superblocks is flat: the body of superblock i is there and lies at i times a body's size from the
 * first, as GPUs write them. Then texels have addresses that need no header (emit-afbc-flat.ts).
 *
 * Headers are looked at once for a binding, before any texel is; that is a few nanoseconds each.
 */
import type { PhysicalMemory } from '../../board/dram.ts';
import { AFBC_HEADER_BYTES, AFBC_PLAIN_WORDS, AFBC_TILE, afbcHeaderIndex } from '../../board/image/afbc.ts';
import { scratch } from '../engine/scratch.ts';
import { DRAM, functions } from '../fragment/wasm/modules.ts';
import type { ModuleBuilder } from '../wasm/builder.ts';

/** A level's headers: superblocks across and down, bytes from a row (tiled: a row of tiles) to the next. */
export interface Headers {
  readonly physical: number;
  readonly across: number;
  readonly down: number;
  readonly rowStride: number;
  readonly tiled: boolean;
}

/** By y and x in a tile: bytes to the header. */
const ORDER_AT = scratch.fixed('AFBC order', AFBC_TILE * AFBC_TILE * 4);
for (let y = 0; y < AFBC_TILE; y++) {
  for (let x = 0; x < AFBC_TILE; x++) {
    scratch.i32[ORDER_AT / 4 + y * AFBC_TILE + x] = afbcHeaderIndex(x, y, 0, true) * AFBC_HEADER_BYTES;
  }
}

/** Bytes from the first header to the first body, if the level is flat and all of it ends within `size`. */
export function flatBodies(dram: PhysicalMemory, headers: Headers, body: number, size: number): number | undefined {
  const { physical, across, down, rowStride, tiled } = headers;
  const first = dram.u32[physical / 4]!;
  // No header is beyond this one.
  const rows = tiled ? Math.ceil(down / AFBC_TILE) : down;
  const most =
    ((rows - 1) * rowStride) / AFBC_HEADER_BYTES + (tiled ? Math.ceil(across / AFBC_TILE) * AFBC_TILE ** 2 : across);
  if (physical % 4 !== 0 || first === 0 || first + most * body > size) return undefined;
  const { afbc_flat } = functions<{ afbc_flat: Check }>(`afbc flat ${tiled}`, (m) => emit(m, tiled), dram);
  return afbc_flat(physical, across, down, rowStride, body / AFBC_HEADER_BYTES) ? first : undefined;
}

/** `scale`: bytes of a body a byte of a header. */
type Check = (headers: number, across: number, down: number, rowStride: number, scale: number) => number;

/** The second word's first size: zero means one colour. */
const SIZE_MASK = 63;

function emit(m: ModuleBuilder, tiled: boolean): void {
  const f = m.function('afbc_flat', ['i32', 'i32', 'i32', 'i32', 'i32'], ['i32'], true);
  const [headers, across, down, rowStride, scale] = [0, 1, 2, 3, 4];
  const [x, y, row, place, first] = f.locals('i32', 5);
  const header = f.local('v128');
  f.get(headers).memory('i32_load', 0, DRAM).set(first);
  const rows = f.loop();
  f.get(y);
  if (tiled) f.i32(Math.log2(AFBC_TILE)).op('i32_shr_u');
  f.get(rowStride).op('i32_mul').set(row);
  f.i32(0).set(x);
  const columns = f.loop();
  f.get(row);
  if (tiled) {
    const [low, shift] = [AFBC_TILE - 1, Math.log2(AFBC_TILE)];
    f.get(x).i32(shift).op('i32_shr_u');
    f.i32(AFBC_TILE * AFBC_TILE * AFBC_HEADER_BYTES)
      .op('i32_mul')
      .op('i32_add');
    f.get(y).i32(low).op('i32_and').i32(shift).op('i32_shl').get(x).i32(low).op('i32_and').op('i32_or');
    f.i32(2).op('i32_shl').memory('i32_load', ORDER_AT).op('i32_add');
  } else f.get(x).i32(Math.log2(AFBC_HEADER_BYTES)).op('i32_shl').op('i32_add');
  f.tee(place).get(headers).op('i32_add').memory('v128_load', 0, DRAM).tee(header);
  f.lane('i32x4_extract_lane', 0).get(place).get(scale).op('i32_mul').get(first).op('i32_add').op('i32_ne').if();
  f.i32(0).op('return').end();
  f.get(header)
    .v128(0, ...AFBC_PLAIN_WORDS.slice(1))
    .op('v128_xor')
    .v128(0, -1, -1, -1)
    .op('v128_and')
    .op('v128_any_true');
  f.if();
  f.get(header).lane('i32x4_extract_lane', 1).i32(SIZE_MASK).op('i32_and').if();
  f.i32(0).op('return').end().end();
  f.get(x).i32(1).op('i32_add').tee(x).get(across).op('i32_lt_u').brIf(columns).end();
  f.get(y).i32(1).op('i32_add').tee(y).get(down).op('i32_lt_u').brIf(rows).end();
  f.i32(1);
}
