/**
 * Addresses of texels in emitted samplers: rows, u-interleaved tiles and AFBC superblocks, four lanes at a time.
 *
 * U-interleaved order is linear over exclusive or (board/image/u-interleaved.ts): a texel's index in its tile is what its
 * column gives, xor what its row gives, so each is spread once for a footprint. A superblock of this board's AFBC is one colour
 * or plain, so its texels have addresses too, once its header has been read: one for the whole quad where its footprint lies in
 * one superblock, else one for each texel. Any other header makes the record say that the sampler has failed.
 * Source: Mesa 25.0.7 `src/panfrost/shared/pan_tiling.c`; board/image/afbc.ts.
 */
import {
  AFBC_HEADER_BYTES,
  AFBC_PIXELS,
  AFBC_PLAIN_WORDS,
  AFBC_SUBBLOCK,
  AFBC_TILE,
  afbcBodyBytes,
  afbcHeaderIndex,
} from '../../board/image/afbc.ts';
import { U_ORDER, U_TILE, U_TILE_PIXELS } from '../../board/image/u-interleaved.ts';
import type { Code, ModuleBuilder } from '../wasm/builder.ts';

export interface TexelLayout {
  readonly kind: 'linear' | 'tiled' | 'afbc';
  /** Of a texel. */
  readonly bytes: number;
  /** AFBC: width of a superblock, and whether headers lie in tiles. */
  readonly superblock: number;
  readonly tiledHeaders: boolean;
}

/** A texture and a sampler in scratch memory: bounds of levels of detail, then the levels. */
export const RECORD = {
  bias: 0,
  minimumLod: 4,
  maximumLod: 8,
  /** Of the last level. */
  lastLod: 12,
  /** Floats: what one is in texels of level 0. */
  scaleX: 16,
  scaleY: 20,
  /** Set when texels cannot be had: the script has to do it. */
  failed: 24,
  levels: 32,
} as const;
export const LEVEL = {
  base: 0,
  rowStride: 4,
  width: 8,
  height: 12,
  widthFloat: 16,
  heightFloat: 20,
  /** AFBC: bytes that bodies lie in. */
  size: 24,
  bytes: 32,
} as const;

/** The first size in a header's second word; zero means one colour. */
const SIZE_MASK = 63;
/** Where a header of one colour has it. */
const COLOUR = 8;

export class AddressEmitter {
  readonly #f: Code;
  readonly #layout: TexelLayout;
  readonly #level: number;
  readonly #record: number;
  readonly #header: Code | undefined;
  readonly #base: number;
  readonly #rowStride: number;

  /** `level` and `record`: locals. `header`: what `headerFunction` made, for AFBC. */
  constructor(f: Code, layout: TexelLayout, level: number, record: number, header: Code | undefined) {
    this.#f = f;
    this.#layout = layout;
    this.#level = level;
    this.#record = record;
    this.#header = header;
    this.#base = f.local('v128');
    this.#rowStride = f.local('v128');
    f.get(level).memory('v128_load32_splat', LEVEL.base).set(this.#base);
    f.get(level).memory('v128_load32_splat', LEVEL.rowStride).set(this.#rowStride);
  }

  /** Addresses of all texels of these columns and rows (indices inside the level), row by row. */
  footprint(columns: readonly number[], rows: readonly number[]): number[] {
    switch (this.#layout.kind) {
      case 'linear':
        return this.#linear(columns, rows);
      case 'tiled':
        return this.#tiled(columns, rows);
      case 'afbc':
        return this.#afbc(columns, rows);
    }
  }

  /** A new local of what `emit` leaves on the stack. */
  #vector(emit: () => void): number {
    const local = this.#f.local('v128');
    emit();
    this.#f.set(local);
    return local;
  }

  #times(factor: number): void {
    const shift = Math.log2(factor);
    if (Number.isInteger(shift)) {
      if (shift) this.#f.i32(shift).op('i32x4_shl');
    } else this.#f.v128(factor).op('i32x4_mul');
  }

  #linear(columns: readonly number[], rows: readonly number[]): number[] {
    const f = this.#f;
    const across = columns.map((x) =>
      this.#vector(() => {
        f.get(x);
        this.#times(this.#layout.bytes);
      }),
    );
    return rows
      .map((y) => this.#vector(() => this.#rowOf(y, 0)))
      .flatMap((row) => across.map((column) => this.#vector(() => f.get(row).get(column).op('i32x4_add'))));
  }

  /** The address of row `y >> shift`. */
  #rowOf(y: number, shift: number): void {
    const f = this.#f;
    f.get(y);
    if (shift) f.i32(shift).op('i32x4_shr_u');
    f.get(this.#rowStride).op('i32x4_mul').get(this.#base).op('i32x4_add');
  }

  /** `order` of the low four bits of indices: a look-up of bytes that are zero in all but each word's first. */
  #look(index: number, order: (i: number) => number): void {
    const table = [0, 1, 2, 3].map((word) =>
      [0, 1, 2, 3].reduce((sum, byte) => sum | (order(word * 4 + byte) << (byte * 8)), 0),
    );
    const f = this.#f;
    f.v128(...table)
      .get(index)
      .v128(15)
      .op('v128_and')
      .v128(0x80808000 | 0)
      .op('v128_or')
      .op('i8x16_swizzle');
  }

  #tiled(columns: readonly number[], rows: readonly number[]): number[] {
    const f = this.#f;
    const shift = Math.log2(U_TILE);
    const across = columns.map((x) =>
      this.#vector(() => {
        f.get(x).i32(shift).op('i32x4_shr_u');
        this.#times(U_TILE_PIXELS);
        this.#look(x, (i) => U_ORDER[i]!);
        f.op('v128_or');
      }),
    );
    const down = rows.map((y) => ({
      at: this.#vector(() => this.#rowOf(y, shift)),
      order: this.#vector(() => this.#look(y, (i) => U_ORDER[i * U_TILE]!)),
    }));
    return down.flatMap(({ at, order }) =>
      across.map((column) =>
        this.#vector(() => {
          f.get(column).get(order).op('v128_xor');
          this.#times(this.#layout.bytes);
          f.get(at).op('i32x4_add');
        }),
      ),
    );
  }

  /** AFBC: of a column, its part of the header's address and of the texel's place in the body, in bytes. */
  #afbcColumn(x: number): { at: number; offset: number } {
    const f = this.#f;
    const { superblock: width, tiledHeaders } = this.#layout;
    const block = this.#vector(() => f.get(x).i32(Math.log2(width)).op('i32x4_shr_u'));
    const at = this.#vector(() => {
      f.get(block);
      if (tiledHeaders) {
        f.i32(Math.log2(AFBC_TILE)).op('i32x4_shr_u');
        this.#times(AFBC_TILE * AFBC_TILE);
        this.#look(block, (i) => afbcHeaderIndex(i % AFBC_TILE, 0, 0, true));
        f.op('i32x4_add');
      }
      this.#times(AFBC_HEADER_BYTES);
    });
    return { at, offset: this.#offset(x, width, 1, AFBC_SUBBLOCK * AFBC_SUBBLOCK) };
  }

  #afbcRow(y: number): { at: number; offset: number } {
    const f = this.#f;
    const { superblock: width, tiledHeaders } = this.#layout;
    const height = AFBC_PIXELS / width;
    const block = this.#vector(() => f.get(y).i32(Math.log2(height)).op('i32x4_shr_u'));
    const at = this.#vector(() => {
      this.#rowOf(block, tiledHeaders ? Math.log2(AFBC_TILE) : 0);
      if (!tiledHeaders) return;
      this.#look(block, (i) => afbcHeaderIndex(0, i % AFBC_TILE, 0, true));
      this.#times(AFBC_HEADER_BYTES);
      f.op('i32x4_add');
    });
    return { at, offset: this.#offset(y, height, AFBC_SUBBLOCK, width * AFBC_SUBBLOCK) };
  }

  /** Bytes that an index adds to a texel's place in a superblock: so many texels a step, so many a subblock. */
  #offset(index: number, size: number, step: number, subblock: number): number {
    const f = this.#f;
    const low = AFBC_SUBBLOCK - 1;
    return this.#vector(() => {
      f.get(index).v128(low).op('v128_and');
      this.#times(step);
      f.get(index)
        .v128(size - 1 - low)
        .op('v128_and')
        .i32(Math.log2(AFBC_SUBBLOCK))
        .op('i32x4_shr_u');
      this.#times(subblock);
      f.op('i32x4_add');
      this.#times(this.#layout.bytes);
    });
  }

  #afbc(columns: readonly number[], rows: readonly number[]): number[] {
    const f = this.#f;
    const across = columns.map((x) => this.#afbcColumn(x));
    const down = rows.map((y) => this.#afbcRow(y));
    const [body, plain] = [f.local('i32'), f.local('i32')];
    // The header's address is on the stack.
    const look = (): void => {
      f.get(this.#level).get(this.#record).call(this.#header!).set(plain).set(body);
    };
    const places = down.flatMap((row) =>
      across.map((column) => ({
        header: this.#vector(() => f.get(column.at).get(row.at).op('i32x4_add')),
        offset: this.#vector(() => f.get(column.offset).get(row.offset).op('i32x4_add')),
        address: f.local('v128'),
      })),
    );
    const { header } = places[0]!;
    f.v128(0);
    for (const place of places) {
      f.get(header).lane('i32x4_extract_lane', 0).op('i32x4_splat').get(place.header).op('v128_xor').op('v128_or');
    }
    f.op('v128_any_true').op('i32_eqz').if();
    f.get(header).lane('i32x4_extract_lane', 0);
    look();
    for (const { offset, address } of places) {
      f.get(offset)
        .get(plain)
        .op('i32x4_splat')
        .op('v128_and')
        .get(body)
        .op('i32x4_splat')
        .op('i32x4_add')
        .set(address);
    }
    f.else();
    for (const { header: of, offset, address } of places) {
      for (const lane of [0, 1, 2, 3]) {
        f.get(of).lane('i32x4_extract_lane', lane);
        look();
        f.get(address).get(offset).lane('i32x4_extract_lane', lane).get(plain).op('i32_and').get(body).op('i32_add');
        f.lane('i32x4_replace_lane', lane).set(address);
      }
    }
    f.end();
    return places.map(({ address }) => address);
  }
}

/**
 * Reads the header at an address: answers the address of the superblock's first texel, and -1 as a mask for places in it, or 0
 * where there is one colour. After a header that is neither, the record says so, and the address is harmless.
 */
export function headerFunction(m: ModuleBuilder, { bytes }: TexelLayout, dram: number): Code {
  const f = m.function('texture_afbc', ['i32', 'i32', 'i32'], ['i32', 'i32']);
  const [at, level, record] = [0, 1, 2];
  const header = f.local('v128');
  const body = f.local('i32');
  f.get(at).memory('v128_load', 0, dram).tee(header);
  f.lane('i32x4_extract_lane', 1).i32(SIZE_MASK).op('i32_and').if();
  // The body must end inside the surface.
  f.get(header)
    .v128(0, ...AFBC_PLAIN_WORDS.slice(1))
    .op('v128_xor')
    .v128(0, -1, -1, -1)
    .op('v128_and');
  f.op('v128_any_true').op('i32_eqz').if();
  f.get(header).lane('i32x4_extract_lane', 0).tee(body);
  f.get(level).memory('i32_load', LEVEL.size).i32(afbcBodyBytes(bytes)).op('i32_sub').op('i32_le_u').if();
  f.get(level).memory('i32_load', LEVEL.base).get(body).op('i32_add').i32(-1).op('return');
  f.end().end();
  f.get(record).i32(1).memory('i32_store', RECORD.failed);
  f.end();
  f.get(at).i32(COLOUR).op('i32_add').i32(0);
  return f;
}
