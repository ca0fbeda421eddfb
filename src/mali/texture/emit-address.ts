/**
 * Addresses of texels in emitted samplers: rows and u-interleaved tiles, four lanes at a time. AFBC: emit-afbc.ts, emit-afbc-flat.ts;
 * compressed blocks: emit-blocks.ts.
 *
 * U-interleaved order is linear over exclusive or (board/image/u-interleaved.ts): a texel's index in its tile is what its
 * column gives, xor what its row gives, so each is spread once for a footprint.
 * Source: Mesa 25.0.7 `src/panfrost/shared/pan_tiling.c`.
 */
import { U_ORDER, U_TILE, U_TILE_PIXELS } from '../../board/image/u-interleaved.ts';
import type { BlockShape } from './block-cache.ts';
import { AfbcEmitter } from './emit-afbc.ts';
import { FlatAfbcEmitter } from './emit-afbc-flat.ts';
import { BlockEmitter } from './emit-blocks.ts';
import { LEVEL, type SamplerCode } from './emit-code.ts';
import { hasBlocks, touchBlock } from './emit-touch.ts';

export interface TexelLayout {
  readonly kind: 'linear' | 'tiled' | 'afbc' | 'flat' | 'blocks';
  /** Of a texel. */
  readonly bytes: number;
  /** AFBC, also flat: width of a superblock, and whether headers lie in tiles. */
  readonly superblock: number;
  readonly tiledHeaders: boolean;
  /** Compressed blocks, whose texels are had decoded. */
  readonly block?: BlockLayout;
}

export interface BlockLayout extends BlockShape {
  /** In u-interleaved tiles, not in rows. */
  readonly tiled: boolean;
}

export class AddressEmitter {
  readonly #c: SamplerCode;
  readonly #layout: TexelLayout;
  readonly #afbc: AfbcEmitter | undefined;
  readonly #flat: FlatAfbcEmitter;
  readonly #blocks: BlockEmitter | undefined;

  constructor(c: SamplerCode, layout: TexelLayout) {
    this.#c = c;
    this.#layout = layout;
    this.#blocks = layout.block && new BlockEmitter(c, layout.block);
    this.#flat = new FlatAfbcEmitter(c, layout);
    this.#afbc = layout.kind === 'afbc' ? new AfbcEmitter(c, layout) : undefined;
  }

  /** The level is another one now. */
  reset(): void {
    this.#afbc?.reset();
  }

  /**
   * Addresses of all texels of these columns and rows (indices inside the level), row by row. `plane`: bytes from the level's
   * address to the layer or slice, if there are any.
   */
  footprint(columns: readonly number[], rows: readonly number[], plane: number | undefined): number[] {
    const addresses = this.#addresses(columns, rows, plane);
    // The other quads lie next to the first one.
    if (this.#c.quad === 0 && plane === undefined && hasBlocks(this.#layout)) {
      touchBlock(this.#c, this.#layout, addresses[0]!);
    }
    return addresses;
  }

  #addresses(columns: readonly number[], rows: readonly number[], plane: number | undefined): number[] {
    if (this.#afbc) return this.#afbc.footprint(columns, rows, plane);
    if (this.#blocks) return this.#blocks.footprint(columns, rows, plane);
    if (this.#layout.kind === 'flat') return this.#flat.footprint(columns, rows, plane);
    return this.#layout.kind === 'linear' ? this.#linear(columns, rows, plane) : this.#tiled(columns, rows, plane);
  }

  #linear(columns: readonly number[], rows: readonly number[], plane: number | undefined): number[] {
    const { f } = this.#c;
    const across = columns.map((x) =>
      this.#c.vector(() => {
        f.get(x);
        this.#c.times(this.#layout.bytes);
      }),
    );
    return rows
      .map((y) => this.#c.vector(() => this.#rowOf(y, 0, plane)))
      .flatMap((row) => across.map((column) => this.#c.vector(() => f.get(row).get(column).op('i32x4_add'))));
  }

  /** The address of row `y >> shift`. */
  #rowOf(y: number, shift: number, plane: number | undefined): void {
    const { f } = this.#c;
    f.get(y);
    if (shift) f.i32(shift).op('i32x4_shr_u');
    this.#c.field(LEVEL.rowStride).op('i32x4_mul');
    this.#c.field(LEVEL.base).op('i32x4_add');
    if (plane !== undefined) f.get(plane).op('i32x4_add');
  }

  #tiled(columns: readonly number[], rows: readonly number[], plane: number | undefined): number[] {
    const { f } = this.#c;
    const shift = Math.log2(U_TILE);
    const across = columns.map((x) =>
      this.#c.vector(() => {
        f.get(x);
        this.#c.words(U_TILE - 1).op('v128_andnot');
        this.#c.times(U_TILE_PIXELS / U_TILE);
        this.#c.look(x, (i) => U_ORDER[i]!);
        f.op('v128_or');
      }),
    );
    const down = rows.map((y) => ({
      at: this.#c.vector(() => this.#rowOf(y, shift, plane)),
      order: this.#c.vector(() => this.#c.look(y, (i) => U_ORDER[i * U_TILE]!)),
    }));
    return down.flatMap(({ at, order }) =>
      across.map((column) =>
        this.#c.vector(() => {
          f.get(column).get(order).op('v128_xor');
          this.#c.times(this.#layout.bytes);
          f.get(at).op('i32x4_add');
        }),
      ),
    );
  }
}
