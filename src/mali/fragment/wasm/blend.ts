/**
 * Emitted WebAssembly for blending a warp's colours into fixed-point tile buffers, for one state.
 *
 * The same singles as BlendEquation and the fixed-point TileCodec compute, which are its definition. A quad's four pixels lie
 * in two rows of the tile; each sample's plane is done by itself.
 */
import type { Code, ModuleBuilder } from '../../wasm/builder.ts';
import { TILE, TILE_PIXELS } from '../raster.ts';
import { type BlendCommon, FixedBlend, type FixedCode } from './fixed-blend.ts';
import { functions } from './modules.ts';
import { type PixelStore, PixelWords } from './pixel-store.ts';
import { WARP } from './raster.ts';

/** A blendable tile layout; or a pixel format, whose colours only replace. */
export type BlendCode = BlendCommon & (FixedCode | { readonly pixel: PixelStore });

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

function emit(m: ModuleBuilder, code: BlendCode): void {
  const quad = m.function('blend_quad', [...BLEND_QUAD[0]], [], true);
  const one = 'pixel' in code && code.pixel.numbers !== 'float' ? 1 : ONE;
  const back = 'pixel' in code ? new Replacer(quad, code.pixel) : new FixedBlend(quad, code);
  emitQuad(quad, code, one, back);
  emitWarp(m, code, one, back.bytes, quad);
}

/** The bits of the single 1. */
const ONE = 0x3f800000;

interface Back {
  /** Bytes of a sample of the tile buffer. */
  readonly bytes: number;
  /** Before the samples of a quad, whose colours lie in four locals. */
  begin(source: readonly number[]): void;
  /** A sample of the quad whose first pixel is at the address in a local, for the pixels of `alive`. */
  sample(at: number, alive: number, source: readonly number[]): void;
}

/** The samples of a quad. Parameters: BlendQuad's. */
function emitQuad(f: Code, { samples, alphaToOne }: BlendCommon, one: number, back: Back): void {
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
function emitWarp(m: ModuleBuilder, { channels }: BlendCommon, one: number, bytes: number, quad: Code): void {
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
