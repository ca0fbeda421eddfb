/**
 * Emitted WebAssembly that lists quads (engine/quads.ts: QUAD_LIST), and what a front end and the script around it tell each
 * other.
 */
import { QUAD_LIST } from '../../engine/quads.ts';
import type { Code, Label } from '../../wasm/builder.ts';
import { TILE, TILE_QUADS } from '../raster.ts';
import { BLOCK } from './block-words.ts';
import type { CoveredQuad } from './raster.ts';

/** What a call of a front end is told, and tells: byte offsets in scratch memory. */
export const FRONT = {
  /** Next place in the bin, which holds addresses of primitives, and its end. */
  place: 0,
  end: 4,
  /** Primitives that are taken up at most; counts down. */
  limit: 8,
  /** The job's number of the draw: the first primitive of another one is left alone. */
  draw: 12,
  /** The tile's first pixel. */
  left: 16,
  top: 20,
  /** Scratch addresses: QUAD_LIST, depth and stencil of the tile. */
  list: 24,
  depth: 32,
  stencil: 36,
  /** The tile's greatest depths, block by block (TileBuffer.farthestAt). */
  farthest: 52,
  /** Quads in the list: before the call none, after it a multiple of four. */
  count: 40,
  /** Samples that have passed early tests, added up; whether any was tested. */
  passed: 44,
  tested: 48,
  /** Places of the tile (y * 4 + x / 2, both even) that the list's last, open warp has quads at: 64 bits, for script. */
  used: 56,
  /** The draw's depth range (doubles). */
  low: 64,
  high: 72,
  size: 80,
} as const;

/** Quads that must be free in the list before a primitive is taken up: all of a tile's, and padding. */
export const ROOM = TILE_QUADS + 4;
const TILE_SHIFT = Math.log2(TILE);
const BLOCK_QUADS = BLOCK ** 2 / 4;

/** Appends quads to the list: a place of the tile comes once in a warp, which is else closed before its time. */
export class Append {
  readonly #f: Code;
  readonly #quad: CoveredQuad;
  readonly #primitive: number;
  readonly #args: number;
  readonly #list: number;
  /** A local: quads in the list. */
  readonly count: number;
  readonly #used: number;
  readonly #at: number;
  readonly #splat: number;

  /** Locals: the primitive and FRONT; place and samples of the quad. */
  constructor(f: Code, primitive: number, args: number, quad: CoveredQuad) {
    this.#f = f;
    this.#primitive = primitive;
    this.#args = args;
    this.#quad = quad;
    this.#list = f.local('i32');
    this.count = f.local('i32');
    this.#used = f.local('i64');
    this.#at = f.local('i32');
    this.#splat = f.local('v128');
    f.get(this.#args).memory('i32_load', FRONT.list).set(this.#list);
    f.get(this.#args).memory('i32_load', FRONT.count).set(this.count);
  }

  /** Appends the quad if it has samples; a closed way back to `next` is for those that have not. */
  quad(next: Label): void {
    const f = this.#f;
    const at = this.#at;
    const { pixel, samples } = this.#quad;
    // Quads of one primitive lie at places of their own: only with those of others the open warp may have a place twice.
    f.get(this.#used).i64(0n).op('i64_ne').if();
    f.get(samples).op('v128_any_true').op('i32_eqz').brIf(next);
    this.#bit().get(this.#used).op('i64_and').i64(0n).op('i64_ne').unlikely().if();
    const again = f.loop();
    emitPadding(f, this.#list, this.count, this.#primitive);
    f.get(this.count).i32(3).op('i32_and').brIf(again).end();
    f.end();
    // A full warp has no open places.
    f.get(this.#used).i64(0n).get(this.count).i32(1).op('i32_add').i32(3).op('i32_and').op('select');
    f.i64(0n).get(this.count).i32(3).op('i32_and').op('select').set(this.#used);
    f.end();
    f.get(this.#list).get(this.count).i32(3).op('i32_shl').op('i32_add');
    f.get(samples).get(samples).op('i16x8_narrow_i32x4_u').storeHalf(0, QUAD_LIST.mask);
    f.get(this.#list).get(this.count).i32(2).op('i32_shl').op('i32_add');
    f.get(this.#primitive).memory('i32_store', QUAD_LIST.primitive);
    f.get(this.#list).get(this.count).op('i32_add').tee(at);
    f.get(pixel)
      .i32(TILE - 1)
      .op('i32_and')
      .memory('i32_store8', QUAD_LIST.x);
    f.get(at).get(pixel).i32(TILE_SHIFT).op('i32_shr_u').memory('i32_store8', QUAD_LIST.y);
    // One without samples is written over by the next.
    f.get(this.count).get(samples).op('v128_any_true').op('i32_add').set(this.count);
  }

  /** Takes a primitive up: looks up which places of the open warp are taken. */
  begin(): void {
    const f = this.#f;
    const at = this.#at;
    const places = f.local('i64');
    f.get(this.#list).get(this.count).i32(-4).op('i32_and').op('i32_add').tee(at).memory('i64_load32_u', QUAD_LIST.x);
    f.i64(1n)
      .op('i64_shr_u')
      .get(at)
      .memory('i64_load32_u', QUAD_LIST.y)
      .i64(2n)
      .op('i64_shl')
      .op('i64_or')
      .set(places);
    // Shifts take the lower six bits: those of a place.
    for (const n of [0, 1, 2]) {
      f.get(this.count).i32(3).op('i32_and').i32(n).op('i32_gt_u').op('i64_extend_i32_u').get(places);
      if (n > 0) f.i64(BigInt(8 * n)).op('i64_shr_u');
      f.op('i64_shl');
      if (n > 0) f.op('i64_or');
    }
    f.set(this.#used);
  }

  /** Pushes whether a whole block's quads can be listed as they are: whether no place of the open warp is another primitive's. */
  fresh(): Code {
    return this.#f.get(this.#used).op('i64_eqz');
  }

  /** All quads of the block at (x, y) with the same samples; after `fresh`. */
  block(x: number, y: number, samples: number): void {
    const f = this.#f;
    const at = this.#at;
    const vectors = (shift: number, count: number, offset: number, push: () => void) => {
      f.get(this.#list).get(this.count);
      if (shift > 0) f.i32(shift).op('i32_shl');
      f.op('i32_add').set(at);
      for (let n = 0; n < count; n++) {
        f.get(at);
        push();
        f.memory('v128_store', offset + n * 16);
      }
    };
    const masks = f.held(samples | (samples << 16));
    vectors(3, BLOCK_QUADS / 2, QUAD_LIST.mask, () => f.get(masks));
    f.get(this.#primitive).op('i32x4_splat').set(this.#splat);
    vectors(2, BLOCK_QUADS / 4, QUAD_LIST.primitive, () => f.get(this.#splat));
    const columns = f.held(...[0, 1, 2, 3].map(() => 0x06040200));
    const rows = f.held(0, 0x02020202, 0x04040404, 0x06060606);
    vectors(0, 1, QUAD_LIST.x, () => f.get(x).op('i8x16_splat').get(columns).op('i8x16_add'));
    vectors(0, 1, QUAD_LIST.y, () => f.get(y).op('i8x16_splat').get(rows).op('i8x16_add'));
    f.get(this.count).i32(BLOCK_QUADS).op('i32_add').set(this.count);
  }

  /**
   * Appends two neighbours, if they have samples, and counts them; after `fresh`. Locals: their place, all lanes of their
   * upper and of their lower pixels.
   */
  pair(x: number, y: number, upper: number, lower: number): void {
    const f = this.#f;
    const at = this.#at;
    const [masks, bits] = [this.#splat, f.local('i32')];
    const one = f.held(0x00010001);
    // Sixteen bits a pixel, row by row, then quad by quad.
    f.get(upper).get(lower).op('i16x8_narrow_i32x4_s').tee(masks).get(masks).shuffle32(0, 2, 1, 3);
    f.get(one).op('v128_and').set(masks);
    f.get(upper).get(lower).op('v128_or').op('i32x4_bitmask').set(bits);
    const place = (n: number) => {
      f.get(this.#list).get(this.count).i32(3).op('i32_shl').op('i32_add');
      f.get(masks).storeHalf(n, QUAD_LIST.mask);
      f.get(this.#list).get(this.count).i32(2).op('i32_shl').op('i32_add');
      f.get(this.#primitive).memory('i32_store', QUAD_LIST.primitive);
      f.get(this.#list).get(this.count).op('i32_add').tee(at).get(x);
      if (n > 0) f.i32(2).op('i32_add');
      f.memory('i32_store8', QUAD_LIST.x);
      f.get(at).get(y).memory('i32_store8', QUAD_LIST.y);
      f.get(this.count);
      f.get(bits)
        .i32(n > 0 ? 12 : 3)
        .op('i32_and')
        .i32(0)
        .op('i32_ne')
        .op('i32_add')
        .set(this.count);
    };
    place(0);
    place(1);
  }

  /** Pushes the bit of a quad's place: a place is at y * 4 + x / 2, as y and x are even. */
  #bit(): Code {
    const f = this.#f;
    const { pixel } = this.#quad;
    f.i64(1n);
    f.get(pixel).i32(2).op('i32_shr_u').i32(56).op('i32_and');
    f.get(pixel).i32(1).op('i32_shr_u').i32(7).op('i32_and').op('i32_or').op('i64_extend_i32_u');
    return f.op('i64_shl');
  }

  /** Fills the open warp with quads of nothing, whose primitive is the last one that has been listed. */
  finish(): void {
    const f = this.#f;
    const out = f.block();
    f.get(this.count).i32(3).op('i32_and').op('i32_eqz').brIf(out);
    f.get(this.#list).get(this.count).i32(2).op('i32_shl').op('i32_add').i32(4).op('i32_sub');
    f.memory('i32_load', QUAD_LIST.primitive).set(this.#primitive);
    const again = f.loop();
    emitPadding(f, this.#list, this.count, this.#primitive);
    f.get(this.count).i32(3).op('i32_and').brIf(again).end();
    f.end();
    f.get(this.#args).get(this.count).memory('i32_store', FRONT.count);
  }
}

/** One quad of nothing. */
export function emitPadding(f: Code, list: number, count: number, primitive: number): void {
  f.get(list).get(count).i32(3).op('i32_shl').op('i32_add').i64(0n).memory('i64_store', QUAD_LIST.mask);
  f.get(list).get(count).i32(2).op('i32_shl').op('i32_add').get(primitive).memory('i32_store', QUAD_LIST.primitive);
  f.get(list).get(count).op('i32_add').i32(0).memory('i32_store8', QUAD_LIST.x);
  f.get(list).get(count).op('i32_add').i32(0).memory('i32_store8', QUAD_LIST.y);
  f.get(count).i32(1).op('i32_add').set(count);
}
