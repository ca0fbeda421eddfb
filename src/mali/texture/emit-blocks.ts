/**
 * Addresses of texels of compressed blocks, in emitted samplers: where the block lies in memory, for each lane, and from that
 * where its decoded texels lie in scratch memory (block-cache.ts).
 *
 * Blocks lie in rows, or in u-interleaved tiles of 4×4 blocks (board/image/u-interleaved.ts).
 */
import { U_ORDER, U_TILE } from '../../board/image/u-interleaved.ts';
import { ENTRY, pushDifferences, pushEntries } from './block-cache.ts';
import type { BlockLayout } from './emit-address.ts';
import { LEVEL, RECORD, type SamplerCode } from './emit-code.ts';

const WORD = 4;
/** Texels that an axis may have: an index divided by a block's side, 12 at most, is a product with so many more bits. */
export const MOST_TEXELS = 1 << 14;
const QUOTIENT_BITS = 18;
/** Blocks along a side of a tile, and in a tile. */
export const BLOCK_TILE = 4;
const TILE = BLOCK_TILE;
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

  /**
   * All blocks of the footprint are looked up at once, without a branch as long as all are there. Where two of them want one
   * place in the table the sampler fails. The texels are good until the next footprint.
   */
  footprint(columns: readonly number[], rows: readonly number[], plane: number | undefined): number[] {
    const { f, block, record } = this.#c;
    const across = columns.map((x) => this.#column(x));
    const down = rows.map((y) => this.#row(y, plane));
    const found = down.flatMap((row) => across.map((column) => ({ row, column, ...this.#lookUp(column, row) })));
    const differ = (): void => {
      const differences = this.#c.vector(() => {
        for (const [n, { at, entry }] of found.entries()) {
          pushDifferences(this.#c, this.#layout, at, entry);
          if (n > 0) f.op('v128_or');
        }
      });
      f.get(differences).op('v128_any_true');
    };
    differ();
    f.unlikely().if();
    for (const { at } of found) {
      for (const lane of [0, 1, 2, 3]) f.get(at).lane('i32x4_extract_lane', lane).call(block!);
    }
    differ();
    f.if();
    f.get(record).i32(1).memory('i32_store', RECORD.failed);
    f.end().end();
    return found.map(({ row, column, entry }) =>
      this.#c.vector(() => {
        f.get(entry).get(column.texel).op('i32x4_add').get(row.texel).op('i32x4_add');
        this.#c.words(ENTRY.texels).op('i32x4_add');
      }),
    );
  }

  #lookUp(column: Part, row: Part): { readonly at: number; readonly entry: number } {
    const { f } = this.#c;
    const at = this.#c.vector(() => {
      f.get(column.block).get(row.block).op('i32x4_add');
      if (column.order !== undefined) f.get(column.order).get(row.order!).op('v128_xor').op('i32x4_add');
    });
    return { at, entry: this.#c.vector(() => pushEntries(this.#c, this.#layout, at)) };
  }

  #column(x: number): Part {
    const { f } = this.#c;
    const { bytes, tiled, width, words } = this.#layout;
    const [number, place] = this.#parts(x, width);
    const block = this.#c.vector(() => {
      f.get(number);
      if (tiled) {
        f.i32(Math.log2(TILE)).op('i32x4_shr_u');
        this.#c.times(TILE_BLOCKS * bytes);
      } else this.#c.times(bytes);
    });
    return { block, order: tiled ? this.#order(number, 1) : undefined, texel: this.#times(place, WORD * words) };
  }

  #row(y: number, plane: number | undefined): Part {
    const { f } = this.#c;
    const { tiled, width, height, words } = this.#layout;
    const [number, place] = this.#parts(y, height);
    const block = this.#c.vector(() => {
      f.get(number);
      if (tiled) f.i32(Math.log2(TILE)).op('i32x4_shr_u');
      this.#c.field(LEVEL.rowStride).op('i32x4_mul');
      this.#c.field(LEVEL.base).op('i32x4_add');
      if (plane !== undefined) f.get(plane).op('i32x4_add');
    });
    const texel = this.#times(place, WORD * words * width);
    return { block, order: tiled ? this.#order(number, U_TILE) : undefined, texel };
  }

  /** Numbers of blocks, and places in them. */
  #parts(index: number, side: number): readonly [number: number, place: number] {
    const { f } = this.#c;
    const shift = Math.log2(side);
    if (Number.isInteger(shift)) {
      const place = this.#c.vector(() => {
        f.get(index);
        this.#c.words(side - 1).op('v128_and');
      });
      return [this.#c.vector(() => f.get(index).i32(shift).op('i32x4_shr_u')), place];
    }
    const number = this.#c.vector(() => {
      f.get(index);
      this.#c.times(Math.ceil(2 ** QUOTIENT_BITS / side));
      f.i32(QUOTIENT_BITS).op('i32x4_shr_u');
    });
    const place = this.#c.vector(() => {
      f.get(index).get(number);
      this.#c.times(side);
      f.op('i32x4_sub');
    });
    return [number, place];
  }

  /** Bytes that a column or row gives to a block's place in its tile: to be joined by exclusive or. */
  #order(number: number, step: number): number {
    return this.#c.vector(() => {
      this.#c.look(number, (i) => U_ORDER[(i % TILE) * step]!);
      this.#c.times(this.#layout.bytes);
    });
  }

  #times(index: number, bytes: number): number {
    return this.#c.vector(() => {
      this.#c.f.get(index);
      this.#c.times(bytes);
    });
  }
}
