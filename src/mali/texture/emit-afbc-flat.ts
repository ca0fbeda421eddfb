/**
 * Addresses of texels in flat levels of AFBC superblocks (afbc-flat.ts), in emitted samplers: a sum of what the column and what
 * the row give.
 */
import {
  AFBC_HEADER_BYTES,
  AFBC_PIXELS,
  AFBC_SUBBLOCK,
  AFBC_TILE,
  afbcBodyBytes,
  afbcHeaderIndex,
} from '../../board/image/afbc.ts';
import type { TexelLayout } from './emit-address.ts';
import { pushPlace } from './emit-afbc-place.ts';
import { LEVEL, LOOKED, type SamplerCode } from './emit-code.ts';

/** What bytes of headers a row has are that many of bodies: the level's row stride. */
export const flatRowStride = (rowStride: number, bytes: number): number =>
  (rowStride / AFBC_HEADER_BYTES) * afbcBodyBytes(bytes);

export class FlatAfbcEmitter {
  readonly #c: SamplerCode;
  readonly #layout: TexelLayout;

  constructor(c: SamplerCode, layout: TexelLayout) {
    this.#c = c;
    this.#layout = layout;
  }

  footprint(columns: readonly number[], rows: readonly number[], plane: number | undefined): number[] {
    const { f } = this.#c;
    const across = columns.map((x) => this.#c.vector(() => this.#column(x)));
    const down = rows.map((y) => this.#c.vector(() => this.#row(y, plane)));
    return down.flatMap((row) => across.map((column) => this.#c.vector(() => f.get(row).get(column).op('i32x4_add'))));
  }

  #column(x: number): void {
    const { f } = this.#c;
    const { superblock, tiledHeaders, bytes } = this.#layout;
    const body = afbcBodyBytes(bytes);
    pushPlace(this.#c, x, superblock, 1, AFBC_SUBBLOCK * AFBC_SUBBLOCK, bytes);
    const block = this.#c.vector(() => f.get(x).i32(Math.log2(superblock)).op('i32x4_shr_u'));
    if (!tiledHeaders) {
      f.get(block);
      this.#c.times(body);
      f.op('i32x4_add');
      return;
    }
    // Two tiles in one look-up.
    const tile = AFBC_TILE * AFBC_TILE;
    this.#c.look(block, (i) => afbcHeaderIndex(i % AFBC_TILE, 0, 0, true) + Math.floor(i / AFBC_TILE) * tile);
    this.#c.times(body);
    f.op('i32x4_add');
    f.get(block).i32(Math.log2(LOOKED)).op('i32x4_shr_u');
    this.#c.times((LOOKED / AFBC_TILE) * tile * body);
    f.op('i32x4_add');
  }

  #row(y: number, plane: number | undefined): void {
    const { f } = this.#c;
    const { superblock, tiledHeaders, bytes } = this.#layout;
    const height = AFBC_PIXELS / superblock;
    pushPlace(this.#c, y, height, AFBC_SUBBLOCK, superblock * AFBC_SUBBLOCK, bytes);
    this.#c.field(LEVEL.base).op('i32x4_add');
    if (plane !== undefined) f.get(plane).op('i32x4_add');
    const block = this.#c.vector(() => f.get(y).i32(Math.log2(height)).op('i32x4_shr_u'));
    if (tiledHeaders) {
      this.#c.look(block, (i) => afbcHeaderIndex(0, i % AFBC_TILE, 0, true));
      this.#c.times(afbcBodyBytes(bytes));
      f.op('i32x4_add');
      f.get(block).i32(Math.log2(AFBC_TILE)).op('i32x4_shr_u');
    } else f.get(block);
    this.#c.field(LEVEL.rowStride).op('i32x4_mul').op('i32x4_add');
  }
}
