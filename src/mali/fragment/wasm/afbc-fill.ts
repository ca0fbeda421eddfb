/**
 * Emitted WebAssembly that gives superblocks beside one another the same header: tiles of an AFBC surface that nothing has drawn to.
 *
 * Headers of a row follow one another, or, in tiles of headers, go along a Z in each tile (board/image/afbc.ts: afbcHeaderIndex).
 */
import type { PhysicalMemory } from '../../../board/dram.ts';
import { AFBC_HEADER_BYTES, AFBC_TILE } from '../../../board/image/afbc.ts';
import type { Code, ModuleBuilder } from '../../wasm/builder.ts';
import { DRAM, functions } from './modules.ts';

/** `header`: scratch address. `row`: physical address of the row's first header. Columns [`from`, `end`). */
export type FillHeaders = (header: number, row: number, from: number, end: number) => void;

export const fillHeaders = (dram: PhysicalMemory, tiled: boolean): FillHeaders =>
  functions<{ writeback_headers: FillHeaders }>(`headers ${tiled}`, (m) => emit(m, tiled), dram).writeback_headers;

function emit(m: ModuleBuilder, tiled: boolean): void {
  const f = m.function('writeback_headers', ['i32', 'i32', 'i32', 'i32'], [], true);
  const [header, row, x, end] = [0, 1, 2, 3];
  const value = f.local('v128');
  f.get(header).memory('v128_load').set(value);
  const done = f.block();
  const next = f.loop();
  f.get(x).get(end).op('i32_ge_s').brIf(done);
  f.get(row);
  if (tiled) {
    const tile = AFBC_TILE;
    f.get(x).i32(-tile).op('i32_and').i32(tile).op('i32_mul');
    addSpread(f, x, 0);
  } else f.get(x);
  f.i32(AFBC_HEADER_BYTES).op('i32_mul').op('i32_add').get(value).memory('v128_store', 0, DRAM);
  f.get(x).i32(1).op('i32_add').set(x).br(next);
  f.end().end();
}

/** Adds to the number on the stack a column's (0) or row's (1) part of a header's place in its tile of 8×8: bits of both come by turns. */
export function addSpread(f: Code, local: number, axis: 0 | 1): void {
  for (let bit = 0; 1 << bit < AFBC_TILE; bit++) {
    f.get(local)
      .i32(1 << bit)
      .op('i32_and')
      .i32(bit + axis)
      .op('i32_shl')
      .op('i32_add');
  }
}
