/**
 * BlendCodes: the emitted blend functions (wasm/blend.ts) of a draw, by what a BLEND instruction hands over: its descriptor,
 * the kind of its numbers, how many channels it sends.
 */
import { type Channel, namePixelFormat } from '../../abi/formats.ts';
import { BLEND_MODE, MAX_RENDER_TARGETS } from '../../abi/gpu/raster-descriptors.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { GpuFault } from '../contract.ts';
import type { LaneType } from '../shader/contract.ts';
import { blendView } from './descriptor-words.ts';
import type { DrawState } from './draw-state.ts';
import { type TileCodec, targetCodec } from './tile-codec.ts';
import { type BlendCode, type BlendFunctions, blendFunctions } from './wasm/blend.ts';
import { storable } from './wasm/pixel-store.ts';

/** Blending by emitted code, and the render target that it is for. */
export interface BlendCall extends BlendFunctions {
  readonly rt: number;
  readonly code: BlendCode;
}

interface LastCall {
  readonly low: number;
  readonly high: number;
  readonly type: LaneType;
  readonly channels: number;
  readonly call: BlendCall | undefined;
}

export class BlendCodes {
  readonly #state: DrawState;
  /** By render target and pixel format. */
  readonly #codecs = new Map<number, TileCodec>();
  #last: LastCall | undefined;

  constructor(state: DrawState) {
    this.#state = state;
  }

  /** Whether a colour with this descriptor vanishes: its target is off, missing, or not enabled. */
  vanishes(low: number, high: number): boolean {
    const { framebuffer, blends } = this.#state;
    const { mode, rt } = blendView(low, high);
    const state = blends[rt];
    return (
      mode === BLEND_MODE.OFF ||
      !framebuffer.targets[rt] ||
      (mode === BLEND_MODE.FIXED_FUNCTION && state !== undefined && !state.enabled)
    );
  }

  /** Emitted code, or undefined where script is to do it. Remembers the last answer. Throws GpuFault. */
  code(low: number, high: number, type: LaneType, channels: number): BlendCall | undefined {
    const last = this.#last;
    if (last && last.low === low && last.high === high && last.type === type && last.channels === channels) {
      return last.call;
    }
    const call = this.vanishes(low, high) ? undefined : this.#make(low, high, type, channels);
    this.#last = { low, high, type, channels, call };
    return call;
  }

  #make(low: number, high: number, type: LaneType, channels: number): BlendCall | undefined {
    const { framebuffer, blends } = this.#state;
    const { mode, rt, conversion } = blendView(low, high);
    const { fixed, stored, kind } = this.codec(conversion.memoryFormat, conversion.raw, rt);
    const equation = mode === BLEND_MODE.FIXED_FUNCTION ? blends[rt]?.equation?.code : undefined;
    const common = { equation, channels, alphaToOne: this.#state.alphaToOne(rt), samples: framebuffer.samples };
    const { words: stride } = framebuffer.targets[rt]!;
    if (fixed) {
      if (stride !== 1 || (type !== 'float' && type !== 'raw')) return undefined;
      return made(rt, { ...common, ...fixed });
    }
    const numbers = type === 'raw' ? kind : type;
    if (!stored || equation || (kind === 'float') !== (numbers === 'float') || !storable(stored, numbers)) {
      return undefined;
    }
    const words = wordsOf(stored);
    return made(rt, { ...common, pixel: { channels: stored, words, stride, numbers } });
  }

  /** The codec of a conversion descriptor. Throws GpuFault where the render target cannot hold the format. */
  codec(format: number, raw: boolean, rt: number): TileCodec {
    const key = (format * 2 + (raw ? 1 : 0)) * MAX_RENDER_TARGETS * 2 + rt;
    let codec = this.#codecs.get(key);
    if (!codec) {
      if (raw) throw invalid('Internal Conversion: raw is not implemented');
      const { internal } = this.#state.framebuffer.targets[rt]!;
      codec = targetCodec(format, internal);
      if (!codec) {
        throw invalid(
          `Internal Conversion: memory format ${namePixelFormat(format)} does not fit render target ${rt} (${internal.name})`,
        );
      }
      this.#codecs.set(key, codec);
    }
    return codec;
  }

  /** Whether the codec of a conversion descriptor exists. */
  known(format: number, raw: boolean, rt: number): boolean {
    try {
      this.codec(format, raw, rt);
      return true;
    } catch (error) {
      if (error instanceof GpuFault) return false;
      throw error;
    }
  }
}

const made = (rt: number, code: BlendCode): BlendCall => ({ rt, code, ...blendFunctions(code) });

/** Words that a pixel takes. */
const wordsOf = (channels: readonly Channel[]): number =>
  Math.ceil(Math.max(...channels.map(({ at, bits }) => at + bits)) / 32);

const invalid = (message: string): GpuFault => new GpuFault(EXCEPTION.DATA_INVALID_FAULT, 0, message);
