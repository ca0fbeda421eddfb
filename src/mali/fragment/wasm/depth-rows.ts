/**
 * Emitted WebAssembly that makes rows of memory's depth and stencil of the tile buffer's, for one pair of formats: as
 * fragment/depth-rows.ts does it.
 */
import { S_FORMAT, Z_INTERNAL_FORMAT, ZS_FORMAT } from '../../../abi/gpu/raster-descriptors.ts';
import type { Code, ModuleBuilder } from '../../wasm/builder.ts';
import { TILE_PIXELS } from '../raster.ts';
import { functions } from './modules.ts';

export interface DepthRowsCode {
  /** Z_INTERNAL_FORMAT. */
  readonly internal: number;
  /** ZS_FORMAT where there is depth, else S_FORMAT. */
  readonly format: number;
  /** Of a pixel. */
  readonly bytes: number;
  readonly depth: boolean;
  readonly stencil: boolean;
}

/** Addresses of 256 depths, of their stencils, and of the rows, which hold what memory has where a part of a word stays. */
export type DepthRows = (depth: number, stencil: number, rows: number) => void;

export const depthRows = ({ internal, format, bytes, depth, stencil }: DepthRowsCode): DepthRows =>
  functions<{ writeback_depth: DepthRows }>(`depth ${internal} ${format} ${bytes} ${depth} ${stencil}`, (m) =>
    emit(m, { internal, format, bytes, depth, stencil }),
  ).writeback_depth;

const unormOf = (format: number): number => (format === ZS_FORMAT.D16 ? 0xffff : 0xffffff);

function emit(m: ModuleBuilder, code: DepthRowsCode): void {
  const { format, bytes, depth, stencil, internal } = code;
  const f = m.function('writeback_depth', ['i32', 'i32', 'i32'], [], true);
  const [zAt, sAt, rows] = [0, 1, 2];
  const end = f.local('i32');
  const word = f.local('v128');
  const low = f.local('v128');
  const constant = (push: () => void): number => {
    const local = f.local('v128');
    push();
    f.set(local);
    return local;
  };
  const lower = constant(() => f.v128(0xffffff));
  const rounding = new Rounding(f, constant, internal, format);
  f.get(rows)
    .i32(TILE_PIXELS * bytes)
    .op('i32_add')
    .set(end);
  const again = f.loop();
  const keeps = bytes === 4 && (format === ZS_FORMAT.D24S8 || (!depth && format === S_FORMAT.X24S8));
  if (depth) {
    f.get(zAt).memory('v128_load').set(word);
    rounding.emit(word);
    f.set(word);
  }
  if (keeps) {
    // The word's other part is the stencil's or the depth's, or stays as memory has it.
    if (depth) f.get(word).get(lower).op('v128_and');
    else f.get(rows).memory('v128_load').get(lower).op('v128_and');
    if (stencil) {
      f.get(sAt).memory('v128_load32_zero').op('i16x8_extend_low_i8x16_u').op('i32x4_extend_low_i16x8_u');
      f.i32(24).op('i32x4_shl');
    } else f.get(rows).memory('v128_load').get(lower).op('v128_andnot');
    f.op('v128_or').set(word);
  }
  f.get(rows);
  if (bytes === 4) f.get(word).memory('v128_store');
  else if (bytes === 2) {
    f.get(word).get(word).op('i16x8_narrow_i32x4_u').lane('i64x2_extract_lane', 0).memory('i64_store');
  } else {
    // Three bytes of each: the next ones overwrite what is too much.
    f.get(word).get(low).shuffle(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 16, 16, 16, 16).memory('v128_store');
  }
  f.get(zAt).i32(16).op('i32_add').set(zAt);
  f.get(sAt).i32(4).op('i32_add').set(sAt);
  f.get(rows)
    .i32(4 * bytes)
    .op('i32_add')
    .tee(rows)
    .get(end)
    .op('i32_lt_u')
    .brIf(again)
    .end();
}

/** Depth as memory's format has it. */
class Rounding {
  readonly #f: Code;
  readonly #internal: number;
  readonly #format: number;
  readonly #from: number;
  readonly #max: number;
  readonly #one: number;
  readonly #half: number;
  readonly #zero: number;
  readonly #value: number;
  readonly #whole: number;
  readonly #rows: number[];

  constructor(f: Code, constant: (push: () => void) => number, internal: number, format: number) {
    this.#f = f;
    this.#internal = internal;
    this.#format = format;
    const double = (x: number) => constant(() => f.f64(x).op('f64x2_splat'));
    this.#from = double(internal === Z_INTERNAL_FORMAT.D16 ? 0xffff : 0xffffff);
    this.#max = double(unormOf(format));
    this.#one = double(1);
    this.#half = double(0.5);
    this.#zero = double(0);
    this.#value = f.local('v128');
    this.#whole = f.local('v128');
    this.#rows = [f.local('v128'), f.local('v128')];
  }

  /** Pushes what becomes of the four depths in a local. What the tile buffer has is within range, where hosts convert alike. */
  emit(z: number): void {
    const f = this.#f;
    const internal = this.#internal === Z_INTERNAL_FORMAT.D32 ? undefined : this.#internal;
    if (this.#format === ZS_FORMAT.D32) {
      if (internal === undefined) {
        f.get(z);
        return;
      }
      this.#halves(z, () => f.get(this.#from).op('f64x2_div').op('f32x4_demote_f64x2_zero'));
      f.shuffle32(0, 1, 4, 5);
      return;
    }
    if (internal !== undefined && unormOf(this.#format) === (internal === Z_INTERNAL_FORMAT.D16 ? 0xffff : 0xffffff)) {
      f.get(z).op('i32x4_relaxed_trunc_f32x4_s');
      return;
    }
    this.#halves(z, () => {
      if (internal === undefined) f.get(this.#one).op('f64x2_min');
      else f.get(this.#from).op('f64x2_div');
      this.#round();
      f.op('i32x4_trunc_sat_f64x2_u_zero');
    });
    f.shuffle32(0, 1, 4, 5);
  }

  /** Pushes both halves, as doubles, with `of` applied. */
  #halves(z: number, of: () => void): void {
    const f = this.#f;
    const [low, high] = this.#rows as [number, number];
    f.get(z).op('f64x2_promote_low_f32x4').set(low);
    f.get(z).get(z).shuffle32(2, 3, 2, 3).op('f64x2_promote_low_f32x4').set(high);
    for (const half of [low, high]) {
      f.get(half);
      of();
    }
  }

  /** Times max, rounded as Math.round does: up from one half on. What is not above zero is zero, also NaN. */
  #round(): void {
    const f = this.#f;
    f.get(this.#max).op('f64x2_mul').tee(this.#value).op('f64x2_floor').tee(this.#whole);
    f.get(this.#value).get(this.#whole).op('f64x2_sub').get(this.#half).op('f64x2_ge').get(this.#one).op('v128_and');
    f.op('f64x2_add').get(this.#value).get(this.#zero).op('f64x2_gt').op('v128_and');
  }
}
