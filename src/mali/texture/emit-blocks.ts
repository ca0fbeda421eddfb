/**
 * Addresses of texels of compressed blocks, in emitted samplers: where the block lies in memory, for each lane, and from that
 * where its decoded texels lie in scratch memory (block-cache.ts).
 *
 * Blocks lie in rows, or in u-interleaved tiles of 4×4 blocks (board/image/u-interleaved.ts).
 */
import { U_ORDER, U_TILE } from '../../board/image/u-interleaved.ts';
import type { BlockLayout } from './emit-address.ts';
import { LEVEL, type SamplerCode } from './emit-code.ts';

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
  /** Locals: the address of the block that was looked for last, -1 before any; that of its texels; the next one's. */
  readonly #last: number;
  readonly #texels: number;
  readonly #next: number;

  constructor(c: SamplerCode, layout: BlockLayout) {
    this.#c = c;
    this.#layout = layout;
    const [last, texels, next] = c.f.locals('i32', 3);
    this.#last = last;
    this.#texels = texels;
    this.#next = next;
    c.f.before(() => c.f.i32(-1).set(last));
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
      // Neighbours mostly lie in one block.
      f.get(at).lane('i32x4_extract_lane', lane).tee(this.#next).get(this.#last).op('i32_ne').unlikely().if();
      f.get(this.#next).tee(this.#last).call(block!).set(this.#texels);
      f.end();
      if (lane === 0) f.get(this.#texels).op('i32x4_splat').set(found);
      else f.get(found).get(this.#texels).lane('i32x4_replace_lane', lane).set(found);
    }
    return this.#c.vector(() => {
      f.get(found).get(column.texel).op('i32x4_add').get(row.texel).op('i32x4_add');
    });
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
