/**
 * Emitted code that blends the colours of a quad into the fixed-point words of a tile buffer, or has them replaced: for the
 * functions that are called for a quad (blend.ts), and for shaders themselves (recompiler/output.ts).
 *
 * The same singles as BlendEquation and the fixed-point TileCodec compute, which are its definition.
 */
import type { TileLayout } from '../../../abi/formats.ts';
import { BLEND_A, BLEND_B, BLEND_C, type BlendFunction } from '../../../abi/gpu/raster-descriptors.ts';
import type { Infer } from '../../../abi/layout.ts';
import { constantVector } from '../../engine/constants.ts';
import { scratch } from '../../engine/scratch.ts';
import type { Code } from '../../wasm/builder.ts';
import { TILE } from '../raster.ts';
import { pushQuad, storeQuad } from './quad-rows.ts';
import { SrgbCode } from './srgb.ts';

/** How colours get into the words of the tile buffer, besides what is blended. */
export interface BlendCommon {
  /** Absent: colours replace. */
  readonly equation: EquationCode | undefined;
  /** Channels that the shader sends; others are 0, 0, 0, 1. */
  readonly channels: number;
  readonly alphaToOne: boolean;
  readonly samples: number;
}

export interface FixedCode {
  readonly layout: TileLayout;
  /** Keep bits of fraction. */
  readonly fraction: boolean;
  /** Channels of one byte: read by a product, halves rounded up; else by a quotient, and to even. */
  readonly bytes: boolean;
  /** Alpha reads as one. */
  readonly opaque: boolean;
  /** Colours are kept as sRGB. */
  readonly srgb: boolean;
}

export interface EquationCode {
  readonly rgb: Infer<typeof BlendFunction>;
  readonly alpha: Infer<typeof BlendFunction>;
  /** Bit 0 red … bit 3 alpha. */
  readonly mask: number;
  readonly constant: number;
}

export type FixedBlendCode = BlendCommon & FixedCode;

/** What a byte is multiplied with. */
export const BYTE = Math.fround(1 / 255);

/** Scratch address of a vector that brings four pixels' bytes together which lie channel by channel. */
const PIXELS = scratch.fixed('blended bytes', 16);
for (let i = 0; i < 16; i++) scratch.u8[PIXELS + i] = (i % 4) * 4 + (i >> 2);

/** Fixed-point colours, blended by an equation or replaced. */
export class FixedBlend {
  readonly bytes = 4;
  readonly #f: Code;
  readonly #code: FixedBlendCode;
  readonly #word: number;
  readonly #old: number;
  readonly #dest: number[];
  readonly #zero: number;
  readonly #one: number;
  readonly #held: ((value: number) => number) | undefined;
  readonly #constants = new Map<number, number>();
  readonly #srgb: SrgbCode | undefined;

  /** `held`: makes a local that holds a single in all lanes from the function's start on; absent: made where it is used first. */
  constructor(f: Code, code: FixedBlendCode, held?: (value: number) => number) {
    this.#f = f;
    this.#code = code;
    this.#held = held;
    const v = () => f.local('v128');
    [this.#word, this.#old, this.#zero] = [v(), v(), v()];
    this.#dest = [v(), v(), v(), v()];
    this.#one = this.#float(1);
    this.#srgb = code.srgb ? new SrgbCode(f) : undefined;
  }

  /** A local that holds a float, made before the first use. */
  #float(value: number): number {
    if (this.#held) return this.#held(value);
    let local = this.#constants.get(value);
    if (local === undefined) {
      local = this.#f.local('v128');
      const at = constantVector(value);
      if (at === undefined) this.#f.f32x4(value, value, value, value).set(local);
      else this.#f.i32(at).memory('v128_load').set(local);
      this.#constants.set(value, local);
    }
    return local;
  }

  /** Before the samples of a quad, whose colours lie in four locals. */
  begin(source: readonly number[]): void {
    const { equation } = this.#code;
    // Whatever a sample may need is made before the first one.
    for (let i = 0; i < 4; i++) if (this.#scale(i) !== 0) this.#float(this.#scale(i));
    for (const value of this.#code.bytes ? [0.5, BYTE] : []) this.#float(value);
    if (!equation) return;
    for (const value of [equation.constant, 2]) this.#float(value);
    for (const local of source) {
      this.#f.get(local);
      this.#limit();
      this.#f.set(local);
    }
  }

  /** Locals of the colours of the quad whose first pixel is at the address in a local. */
  load(at: number): readonly number[] {
    for (let i = 0; i < 4; i++) if (this.#scale(i) !== 0) this.#float(this.#scale(i));
    if (this.#code.bytes) this.#float(BYTE);
    pushQuad(this.#f, at, 0, 4 * TILE).set(this.#old);
    this.#load();
    return this.#dest;
  }

  /** A sample of the quad whose first pixel is at the address in a local, for the pixels of `alive`. */
  sample(at: number, alive: number, source: readonly number[]): void {
    const f = this.#f;
    const { equation } = this.#code;
    pushQuad(f, at, 0, 4 * TILE).set(this.#old);
    if (equation) {
      this.#load();
      this.#blend(equation, source);
    }
    this.#store(equation ? this.#dest : source);
    f.get(this.#word).get(this.#old).get(alive).op('i32x4_relaxed_laneselect').set(this.#word);
    storeQuad(f, at, this.#word, 0, 4 * TILE);
  }

  /** To 0…1; NaN becomes 0. */
  #limit(): void {
    // pmax(a, b) is a < b ? b : a, pmin(a, b) is b < a ? b : a: an instruction each, as min and max are not.
    const f = this.#f;
    f.set(this.#word).get(this.#zero).get(this.#word).op('f32x4_pmax').get(this.#one).op('f32x4_pmin');
  }

  #bits(i: number): number {
    return this.#code.layout.integer[i]! + this.#code.layout.fraction[i]!;
  }

  #shift(i: number): number {
    let shift = 0;
    for (let k = 0; k < i; k++) shift += this.#bits(k);
    return shift;
  }

  #scale(i: number): number {
    return (2 ** this.#code.layout.integer[i]! - 1) * 2 ** this.#code.layout.fraction[i]!;
  }

  /** What the tile holds, as floats. */
  #load(): void {
    const f = this.#f;
    for (let i = 0; i < 4; i++) {
      if (this.#scale(i) === 0 || (i === 3 && this.#code.opaque)) f.get(this.#one);
      else {
        const bits = this.#bits(i);
        const above = 32 - bits - this.#shift(i);
        f.get(this.#old);
        if (above > 0) f.i32(above).op('i32x4_shl');
        f.i32(32 - bits).op('i32x4_shr_u');
        if (this.#srgb && i < 3) this.#srgb.toLinear();
        else if (this.#code.bytes) f.op('f32x4_convert_i32x4_s').get(this.#float(BYTE)).op('f32x4_mul');
        else {
          f.op('f32x4_convert_i32x4_s')
            .get(this.#float(this.#scale(i)))
            .op('f32x4_div');
        }
      }
      f.set(this.#dest[i]!);
    }
  }

  #blend({ rgb, alpha, mask, constant }: EquationCode, colours: readonly number[]): void {
    const f = this.#f;
    // Alpha is used by the others, so it changes last.
    for (let i = 0; i < 4; i++) {
      if (!(mask & (1 << i))) continue;
      const { a, negateA, b, negateB, c, invertC } = i === 3 ? alpha : rgb;
      const source = colours[i]!;
      const dest = this.#dest[i]!;
      f.get(a === BLEND_A.SRC ? source : a === BLEND_A.DEST ? dest : this.#zero);
      if (negateA) f.op('f32x4_neg');
      if (b === BLEND_B.SRC_MINUS_DEST) f.get(source).get(dest).op('f32x4_sub');
      else if (b === BLEND_B.SRC_PLUS_DEST) f.get(source).get(dest).op('f32x4_add');
      else f.get(b === BLEND_B.SRC ? source : dest);
      if (negateB) f.op('f32x4_neg');
      if (invertC) f.get(this.#one);
      if (c === BLEND_C.SRC) f.get(source);
      else if (c === BLEND_C.DEST) f.get(dest);
      else if (c === BLEND_C.SRC_X_2) f.get(source).get(this.#float(2)).op('f32x4_mul');
      else if (c === BLEND_C.SRC_ALPHA) f.get(colours[3]!);
      else if (c === BLEND_C.DEST_ALPHA) f.get(this.#dest[3]!);
      else if (c === BLEND_C.CONSTANT) f.get(this.#float(constant));
      else f.get(this.#zero);
      if (invertC) f.op('f32x4_sub');
      f.op('f32x4_mul').op('f32x4_add').set(dest);
    }
  }

  /** Whether all channels are whole bytes: conversions limit them. */
  get #saturates(): boolean {
    const { bytes, layout } = this.#code;
    return bytes && layout.integer.every((bits, i) => bits === 8 && layout.fraction[i] === 0);
  }

  #pack(from: readonly number[]): void {
    const f = this.#f;
    const { equation } = this.#code;
    for (const [i, local] of from.entries()) {
      f.get(local).get(this.#float(255)).op('f32x4_mul').get(this.#float(0.5)).op('f32x4_add');
      // A blend's results are numbers and small. NaN and what is far below zero become the least integer, or zero; nothing else may.
      if (!equation) f.get(this.#float(255)).op('f32x4_pmin');
      f.op('i32x4_relaxed_trunc_f32x4_s');
      if (i % 2 === 1) f.op('i16x8_narrow_i32x4_s');
    }
    f.op('i8x16_narrow_i16x8_u').i32(PIXELS).memory('v128_load').op('i8x16_relaxed_swizzle').set(this.#word);
  }

  /** Makes the tile's words of colours. All numbers are within range, where hosts convert alike. */
  #store(from: readonly number[]): void {
    const f = this.#f;
    if (this.#saturates) {
      this.#pack(from);
      return;
    }
    let first = true;
    for (let i = 0; i < 4; i++) {
      const scale = this.#scale(i);
      if (scale === 0) continue;
      const fraction = this.#code.fraction ? 0 : this.#code.layout.fraction[i]!;
      f.get(this.#zero).get(from[i]!).op('f32x4_pmax').get(this.#one).op('f32x4_pmin');
      if (this.#srgb && i < 3) {
        this.#srgb.toByte();
        if (this.#shift(i) > 0) f.i32(this.#shift(i)).op('i32x4_shl');
        if (!first) f.op('v128_or');
        first = false;
        continue;
      }
      f.get(this.#float(scale)).op('f32x4_mul');
      if (fraction > 0) {
        f.f32(2 ** -fraction)
          .op('f32x4_splat')
          .op('f32x4_mul');
      }
      if (this.#code.bytes) f.get(this.#float(0.5)).op('f32x4_add');
      else f.op('f32x4_nearest');
      f.op('i32x4_relaxed_trunc_f32x4_s');
      const shift = this.#shift(i) + fraction;
      if (shift > 0) f.i32(shift).op('i32x4_shl');
      if (!first) f.op('v128_or');
      first = false;
    }
    f.set(this.#word);
  }
}
