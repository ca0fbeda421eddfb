/**
 * Vectors of up to four channels between staging registers and the units outside the core.
 *
 * Outside, every channel has 32 bits and stands channel by channel (`LaneVectors`); in registers the instruction's register
 * format says the type, and 16-bit channels share a register in pairs.
 */
import { scratch } from '../engine/scratch.ts';
import { LANES, type LaneType, type LaneVectors } from './contract.ts';
import { EncodingError, type Instruction } from './decode.ts';
import { F16_TO_F32, toHalf } from './float.ts';
import type { WarpState } from './warp.ts';

export class Vectors implements LaneVectors {
  readonly f32: Float32Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;

  /** `shared`: in scratch memory, where emitted code can fill them. */
  constructor(channels = 4, shared = false) {
    const words = channels * LANES;
    const buffer = shared ? scratch.buffer : new ArrayBuffer(words * 4);
    const at = shared ? scratch.owned(this, words * 4) : 0;
    this.f32 = new Float32Array(buffer, at, words);
    this.i32 = new Int32Array(buffer, at, words);
    this.u32 = new Uint32Array(buffer, at, words);
  }
}

export interface RegisterFormat {
  readonly type: LaneType;
  readonly bits: 16 | 32;
}

const FORMATS: Record<string, RegisterFormat> = {
  auto: { type: 'raw', bits: 32 },
  f32: { type: 'float', bits: 32 },
  f16: { type: 'float', bits: 16 },
  s32: { type: 'sint', bits: 32 },
  s16: { type: 'sint', bits: 16 },
  u32: { type: 'uint', bits: 32 },
  u16: { type: 'uint', bits: 16 },
};

export const registerFormat = (name: string): RegisterFormat => FORMATS[name]!;
/** Channels from the vecsize field's name. */
export const channelCount = (vecsize: string): number => (vecsize === 'none' ? 1 : Number(vecsize[1]));

/** Registers that a vector takes. */
export const registerCount = ({ bits }: RegisterFormat, channels: number): number =>
  bits === 16 ? Math.ceil(channels / 2) : channels;

const clamp = (x: number, low: number, high: number): number => Math.max(low, Math.min(high, x));

function check(i: Instruction, register: number, count: number): void {
  if (register + count > 64) throw new EncodingError(`${i.spec.name}: registers end beyond r63`);
}

/** Writes vectors to registers, narrowing to 16 bits where the format has them. Only lanes of the warp's mask. */
export function vectorWriter(
  i: Instruction,
  register: number,
  format: RegisterFormat,
  channels: number,
): (w: WarpState, from: LaneVectors) => void {
  const count = registerCount(format, channels);
  check(i, register, count);
  if (format.bits === 32) {
    return (w, from) => {
      for (let c = 0; c < channels; c++) {
        const out = w.ri[register + c]!;
        for (let n = 0; n < LANES; n++) if (w.mask & (1 << n)) out[n] = from.i32[c * LANES + n]!;
      }
    };
  }
  const narrow = (from: LaneVectors, at: number): number => {
    if (format.type === 'float') return toHalf(from.f32[at]!);
    if (format.type === 'sint') return clamp(from.i32[at]!, -0x8000, 0x7fff) & 0xffff;
    return clamp(from.u32[at]!, 0, 0xffff);
  };
  return (w, from) => {
    for (let n = 0; n < LANES; n++) {
      if (!(w.mask & (1 << n))) continue;
      for (let c = 0; c < channels; c++) {
        w.u16[((register + (c >> 1)) * LANES + n) * 2 + (c & 1)] = narrow(from, c * LANES + n);
      }
    }
  };
}

/** Reads vectors from registers, widening 16-bit channels. */
export function vectorReader(
  i: Instruction,
  register: number,
  format: RegisterFormat,
  channels: number,
): (w: WarpState, to: LaneVectors) => void {
  check(i, register, registerCount(format, channels));
  if (format.bits === 32) {
    return (w, to) => {
      for (let c = 0; c < channels; c++) to.i32.set(w.ri[register + c]!, c * LANES);
    };
  }
  return (w, to) => {
    for (let c = 0; c < channels; c++) {
      const words = w.ri[register + (c >> 1)]!;
      const shift = (c & 1) * 16;
      for (let n = 0; n < LANES; n++) {
        const bits = (words[n]! >>> shift) & 0xffff;
        if (format.type === 'float') to.f32[c * LANES + n] = F16_TO_F32[bits]!;
        else to.i32[c * LANES + n] = format.type === 'sint' ? (bits << 16) >> 16 : bits;
      }
    }
  };
}

/**
 * Puts a value that memory held into channel `at` as a register format wants it. `kind` is what the memory format holds;
 * conversions between signedness and from floats clamp, `raw` keeps the format's own kind.
 */
export function putValue(to: LaneVectors, at: number, value: number, type: LaneType, kind: string): void {
  const wanted = type === 'raw' ? (kind === 'uint' ? 'uint' : kind === 'sint' ? 'sint' : 'float') : type;
  if (wanted === 'float') to.f32[at] = value;
  else if (wanted === 'sint') to.i32[at] = clamp(Math.trunc(value), -0x80000000, 0x7fffffff);
  else to.u32[at] = clamp(Math.trunc(value), 0, 0xffffffff);
}
