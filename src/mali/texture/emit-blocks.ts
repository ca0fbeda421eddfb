/**
 * Addresses of texels of compressed blocks, in emitted samplers: where the block lies in memory, for each lane, and from that
 * where its decoded texels lie in scratch memory (block-cache.ts).
 *
 * Blocks lie in rows, or in u-interleaved tiles of 4×4 blocks (board/image/u-interleaved.ts).
 */
import { U_ORDER, U_TILE } from '../../board/image/u-interleaved.ts';
import { BLOCK_SIDE } from './block-cache.ts';
import type { BlockLayout } from './emit-address.ts';
import { LEVEL, type SamplerCode } from './emit-code.ts';

const SHIFT = Math.log2(BLOCK_SIDE);
const WORD = 4;
/** Blocks along a side of a tile, and in a tile. */
const TILE = 4;
const TILE_BLOCKS = TILE * TILE;

/** Of a column or row: bytes to its blocks, what its place in a tile gives, and bytes to its texels in a decoded block. */
interface Part {
  readonly block: number;
  readonly order: number | undefined;
  readonly texel: number;
}

export class BlockEmitter {
  readonly #c: SamplerCode;
  readonly #layout: BlockLayout;

  constructor(c: SamplerCode, layout: BlockLayout) {
    this.#c = c;
    this.#layout = layout;
  }

  footprint(columns: readonly number[], rows: readonly number[], plane: number | undefined): number[] {
    const across = columns.map((x) => this.#column(x));
    const down = rows.map((y) => this.#row(y, plane));
    return down.flatMap((row) => across.map((column) => this.#texel(column, row)));
  }

  #texel(column: Part, row: Part): number {
    const { f, block } = this.#c;
    const at = this.#c.vector(() => {
      f.get(column.block).get(row.block).op('i32x4_add');
      if (column.order !== undefined) f.get(column.order).get(row.order!).op('v128_xor').op('i32x4_add');
    });
    const found = f.local('v128');
    for (const lane of [0, 1, 2, 3]) {
      if (lane > 0) f.get(found);
      f.get(at).lane('i32x4_extract_lane', lane).call(block!);
      if (lane === 0) f.op('i32x4_splat').set(found);
      else f.lane('i32x4_replace_lane', lane).set(found);
    }
    return this.#c.vector(() => {
      f.get(found).get(column.texel).op('i32x4_add').get(row.texel).op('i32x4_add');
    });
  }

  #column(x: number): Part {
    const { f } = this.#c;
    const { bytes, tiled } = this.#layout;
    const number = this.#c.vector(() => f.get(x).i32(SHIFT).op('i32x4_shr_u'));
    const block = this.#c.vector(() => {
      f.get(number);
      if (tiled) {
        f.i32(Math.log2(TILE)).op('i32x4_shr_u');
        this.#c.times(TILE_BLOCKS * bytes);
      } else this.#c.times(bytes);
    });
    return { block, order: tiled ? this.#order(number, 1) : undefined, texel: this.#inBlock(x, WORD) };
  }

  #row(y: number, plane: number | undefined): Part {
    const { f } = this.#c;
    const { tiled } = this.#layout;
    const number = this.#c.vector(() => f.get(y).i32(SHIFT).op('i32x4_shr_u'));
    const block = this.#c.vector(() => {
      f.get(number);
      if (tiled) f.i32(Math.log2(TILE)).op('i32x4_shr_u');
      this.#c.field(LEVEL.rowStride).op('i32x4_mul');
      this.#c.field(LEVEL.base).op('i32x4_add');
      if (plane !== undefined) f.get(plane).op('i32x4_add');
    });
    return {
      block,
      order: tiled ? this.#order(number, U_TILE) : undefined,
      texel: this.#inBlock(y, WORD * BLOCK_SIDE),
    };
  }

  /** Bytes that a column or row gives to a block's place in its tile: to be joined by exclusive or. */
  #order(number: number, step: number): number {
    return this.#c.vector(() => {
      this.#c.look(number, (i) => U_ORDER[(i % TILE) * step]!);
      this.#c.times(this.#layout.bytes);
    });
  }

  #inBlock(index: number, bytes: number): number {
    return this.#c.vector(() => {
      this.#c.f.get(index);
      this.#c.words(BLOCK_SIDE - 1).op('v128_and');
      this.#c.times(bytes);
    });
  }
}
