/**
 * Emitted WebAssembly for blending a warp's colours into fixed-point tile buffers, for one state.
 *
 * The same singles as BlendEquation and the fixed-point TileCodec compute, which are its definition. A quad's four pixels lie
 * in two rows of the tile; each sample's plane is done by itself.
 */
import type { TileLayout } from '../../../abi/formats.ts';
import { BLEND_A, BLEND_B, BLEND_C, type BlendFunction } from '../../../abi/gpu/raster-descriptors.ts';
import type { Infer } from '../../../abi/layout.ts';
import { constantVector } from '../../engine/constants.ts';
import { scratch } from '../../engine/scratch.ts';
import type { Code, ModuleBuilder } from '../../wasm/builder.ts';
import { TILE, TILE_PIXELS } from '../raster.ts';
import { functions } from './modules.ts';
import { type PixelStore, PixelWords } from './pixel-store.ts';
import { pushQuad, storeQuad } from './quad-rows.ts';
import { WARP } from './raster.ts';
import { SrgbCode } from './srgb.ts';

/** How colours get into the words of the tile buffer, besides what is blended. */
interface Common {
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

/** A blendable tile layout; or a pixel format, whose colours only replace. */
export type BlendCode = Common & (FixedCode | { readonly pixel: PixelStore });

export interface EquationCode {
  readonly rgb: Infer<typeof BlendFunction>;
  readonly alpha: Infer<typeof BlendFunction>;
  /** Bit 0 red … bit 3 alpha. */
  readonly mask: number;
  readonly constant: number;
}

/** `mask`: lanes that blend, with the samples at `coverage`. Colours: channel by channel, as LaneVectors. Whether any did. */
export type BlendWarp = (warp: number, coverage: number, colour: number, tile: number, mask: number) => number;

/**
 * Parameters and results of the function for a quad, which emitted code alone can call: address of its first pixel's first
 * sample, samples that blend, colours.
 */
export const BLEND_QUAD = [['i32', 'v128', 'v128', 'v128', 'v128', 'v128'], []] as const;

export interface BlendFunctions {
  readonly blend_warp: BlendWarp;
  readonly blend_quad: CallableFunction;
}

export const blendFunctions = (code: BlendCode): BlendFunctions =>
  functions<BlendFunctions>(`blend ${JSON.stringify(code)}`, (m) => emit(m, code));

/** What a byte is multiplied with. */
export const BYTE = Math.fround(1 / 255);

function emit(m: ModuleBuilder, code: BlendCode): void {
  const quad = m.function('blend_quad', [...BLEND_QUAD[0]], [], true);
  const one = 'pixel' in code && code.pixel.numbers !== 'float' ? 1 : ONE;
  const back = 'pixel' in code ? new Replacer(quad, code.pixel) : new Blender(quad, code);
  emitQuad(quad, code, one, back);
  emitWarp(m, code, one, back.bytes, quad);
}

/** The bits of the single 1. */
const ONE = 0x3f800000;

/** Scratch address of a vector that brings four pixels' bytes together which lie channel by channel. */
const PIXELS = scratch.alloc(16);
for (let i = 0; i < 16; i++) scratch.u8[PIXELS + i] = (i % 4) * 4 + (i >> 2);

interface Back {
  /** Bytes of a sample of the tile buffer. */
  readonly bytes: number;
  /** Before the samples of a quad, whose colours lie in four locals. */
  begin(source: readonly number[]): void;
  /** A sample of the quad whose first pixel is at the address in a local, for the pixels of `alive`. */
  sample(at: number, alive: number, source: readonly number[]): void;
}

/** The samples of a quad. Parameters: BlendQuad's. */
function emitQuad(f: Code, { samples, alphaToOne }: Common, one: number, back: Back): void {
  const [at, covered, ...source] = [0, 1, 2, 3, 4, 5] as const;
  const alive = f.local('v128');
  const zero = f.local('v128');
  if (alphaToOne) f.v128(one).set(source[3]);
  back.begin(source);
  for (let s = 0; s < samples; s++) {
    f.get(covered);
    if (samples > 1) {
      f.i32(1 << s)
        .op('i32x4_splat')
        .op('v128_and');
    }
    f.get(zero).op('i32x4_gt_s').set(alive);
    if (samples > 1) f.get(alive).op('v128_any_true').if();
    back.sample(at, alive, source);
    if (samples > 1) f.end();
    if (s < samples - 1) {
      f.get(at)
        .i32(TILE_PIXELS * back.bytes)
        .op('i32_add')
        .set(at);
    }
  }
}

/** The quads of a warp that script has laid out. Parameters: BlendWarp's. */
function emitWarp(m: ModuleBuilder, { channels }: Common, one: number, bytes: number, quad: Code): void {
  const f = m.function('blend_warp', ['i32', 'i32', 'i32', 'i32', 'i32'], ['i32'], true);
  const [warp, coverage, colour, tile, mask] = [0, 1, 2, 3, 4];
  const any = f.local('i32');
  const [covered, zero, bits] = [f.local('v128'), f.local('v128'), f.local('v128')];
  f.v128(1, 2, 4, 8).set(bits);
  const done = f.block();
  const again = f.loop();
  f.get(mask).op('i32_eqz').brIf(done);
  // Lanes of the mask, and their samples.
  f.get(mask).op('i32x4_splat').get(bits).op('v128_and');
  f.get(zero).op('i32x4_ne').get(coverage).memory('v128_load').op('v128_and').tee(covered);
  f.op('v128_any_true').if();
  f.i32(1).set(any);
  f.get(warp).memory('i32_load', WARP.pixel).i32(bytes).op('i32_mul').get(tile).op('i32_add').get(covered);
  for (let i = 0; i < 4; i++) {
    if (i < channels) f.get(colour).memory('v128_load', i * 64);
    else f.v128(i === 3 ? one : 0);
  }
  f.call(quad).end();
  for (const pointer of [warp, coverage, colour]) f.get(pointer).i32(16).op('i32_add').set(pointer);
  f.get(mask).i32(4).op('i32_shr_u').set(mask).br(again);
  f.end().end().get(any);
}

/** Colours replace what there was, in a pixel format. */
class Replacer implements Back {
  readonly bytes: number;
  readonly #words: PixelWords;

  constructor(f: Code, pixel: PixelStore) {
    this.bytes = pixel.stride * 4;
    this.#words = new PixelWords(f, pixel);
  }

  begin(source: readonly number[]): void {
    this.#words.make(source);
  }

  sample(at: number, alive: number): void {
    this.#words.write(at, alive, TILE * this.bytes);
  }
}

/** Fixed-point colours, blended by an equation or replaced. */
class Blender implements Back {
  readonly bytes = 4;
  readonly #f: Code;
  readonly #code: Common & FixedCode;
  readonly #word: number;
  readonly #old: number;
  readonly #dest: number[];
  readonly #zero: number;
  readonly #one: number;
  readonly #constants = new Map<number, number>();
  readonly #srgb: SrgbCode | undefined;

  constructor(f: Code, code: Common & FixedCode) {
    this.#f = f;
    this.#code = code;
    const v = () => f.local('v128');
    [this.#word, this.#old, this.#zero] = [v(), v(), v()];
    this.#dest = [v(), v(), v(), v()];
    this.#one = this.#float(1);
    this.#srgb = code.srgb ? new SrgbCode(f) : undefined;
  }

  /** A local that holds a float, made before the first use. */
  #float(value: number): number {
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

  sample(at: number, alive: number, source: readonly number[]): void {
    const f = this.#f;
    const { equation } = this.#code;
    pushQuad(f, at, 0, 4 * TILE).set(this.#old);
    if (equation) {
      this.#load();
      this.#blend(equation, source);
    }
    this.#store(equation ? this.#dest : source);
    f.get(this.#word).get(this.#old).get(alive).op('v128_bitselect').set(this.#word);
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
        f.get(this.#old)
          .i32(32 - bits - this.#shift(i))
          .op('i32x4_shl')
          .i32(32 - bits)
          .op('i32x4_shr_u');
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

  /** Whether four bytes are made of a blend's results, which are numbers and small: conversions to bytes limit them. */
  get #saturates(): boolean {
    const { equation, bytes, srgb, fraction, layout } = this.#code;
    const plain = layout.integer.every((bits, i) => bits === 8 && layout.fraction[i] === 0);
    return equation !== undefined && bytes && !srgb && !fraction && plain;
  }

  #pack(from: readonly number[]): void {
    const f = this.#f;
    for (const [i, local] of from.entries()) {
      f.get(local).get(this.#float(255)).op('f32x4_mul').get(this.#float(0.5)).op('f32x4_add');
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
