/**
 * Depth and stencil tests of one sample, and what they write to the tile buffer.
 *
 * The tile buffer keeps depth as the internal format compares it: an integer of 16 or 24 bits, or a single-precision float. A
 * test answers whether the sample passes; with `update` it also writes depth and does the stencil operation.
 * Source: OpenGL ES 3.2 chapters 15.1.2 to 15.1.3, 13.7.2 (offset); Mesa 25.0.7 `src/panfrost/lib/genxml/v10.xml`.
 */
import {
  DEPTH_CLAMP_MODE,
  DEPTH_SOURCE,
  DepthStencil,
  FUNC,
  STENCIL_OP,
  Z_INTERNAL_FORMAT,
} from '../../abi/gpu/raster-descriptors.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { DESCRIPTOR_TYPE } from '../../abi/gpu/shader-descriptors.ts';
import type { Infer } from '../../abi/layout.ts';
import { GpuFault, type VirtualMemory } from '../contract.ts';
import { compare } from '../engine/compare.ts';
import type { FrontEndState } from './wasm/depth.ts';

/** A stencil operation. */
export function operate(op: number, stored: number, reference: number): number {
  switch (op) {
    case STENCIL_OP.REPLACE:
      return reference;
    case STENCIL_OP.ZERO:
      return 0;
    case STENCIL_OP.INVERT:
      return ~stored & 0xff;
    case STENCIL_OP.INCR_WRAP:
      return (stored + 1) & 0xff;
    case STENCIL_OP.DECR_WRAP:
      return (stored - 1) & 0xff;
    case STENCIL_OP.INCR_SAT:
      return Math.min(stored + 1, 0xff);
    case STENCIL_OP.DECR_SAT:
      return Math.max(stored - 1, 0);
    default:
      return stored;
  }
}

/**
 * Depth as an internal format keeps it: the nearest integer of a product of singles, and of two that are as near the upper one, whose
 * distance is the same everywhere: with ties to even, half of all depths would be as deep as those that a bias of one unit makes of them.
 */
export function quantize(format: number, z: number): number {
  const single = Math.fround(z);
  if (format === Z_INTERNAL_FORMAT.D32) return single;
  const scaled = Math.fround(Math.min(single, 1) * depthScale(format));
  return scaled > 0 ? Math.floor(Math.fround(scaled + UNDER_HALF)) : 0;
}

/** The number that a depth in the tile buffer stands for. */
export const depthOf = (format: number, stored: number): number =>
  format === Z_INTERNAL_FORMAT.D32 ? stored : Math.fround(stored / depthScale(format));

/** The largest value of a fixed-point format. */
export const depthScale = (format: number): number => (format === Z_INTERNAL_FORMAT.D16 ? 0xffff : 0xffffff);

/** The single below a half: a sum of singles with it lies below an integer if the other is less than half below that, and rounds to it if not. */
export const UNDER_HALF = 0.5 - 2 ** -25;

/** A triangle's depth with its bias. */
export const biasedDepth = (z: number, bias: number): number => Math.fround(z + Math.fround(bias));

/** The depth bias of a draw. */
export class DepthBias {
  readonly factor: number;
  /** What is added whatever the slope: as it is, or times the power of two that the triangle's depths have. */
  readonly constant: number;
  /** Whether depths are floats, whose differences are as fine as the greatest of them lets them be. */
  readonly floats: boolean;
  /** Limits the bias from above if it is positive, from below if it is negative. */
  readonly clamp: number;

  constructor({ depthFactor, depthUnits, depthBiasClamp }: Infer<typeof DepthStencil>, format: number) {
    this.factor = depthFactor;
    this.constant = depthUnits * unit(format);
    this.floats = format === Z_INTERNAL_FORMAT.D32;
    this.clamp = depthBiasClamp;
  }

  /** The bias of a triangle whose depth changes so much from pixel to pixel, and of whose depths none is farther from zero. */
  of(slope: number, farthest: number): number {
    const constant = this.floats ? this.constant * powerOf(farthest) : this.constant;
    const bias = this.factor * slope + constant;
    if (this.clamp > 0) return Math.min(bias, this.clamp);
    return this.clamp < 0 ? Math.max(bias, this.clamp) : bias;
  }
}

const double = new Float64Array(1);
const doubleWords = new Uint32Array(double.buffer);
const EXPONENT = 0x7ff00000;

/** The greatest power of two that is not greater than a depth; 0 of 0. */
function powerOf(depth: number): number {
  double[0] = depth;
  doubleWords[0] = 0;
  doubleWords[1]! &= EXPONENT;
  return double[0];
}

/**
 * What one unit is: as Vulkan has it (chapter Depth Bias), 2^-n of a fixed-point format of n bits, and 2^-23 of the depths' power of
 * two where they are floats. One such step does not always lead to another fixed-point number, as depths are singles and 2^n - 1
 * is their scale, so Mesa doubles OpenGL's units for these formats (panfrost_z_depth_offset).
 */
function unit(format: number): number {
  switch (format) {
    case Z_INTERNAL_FORMAT.D16:
      return 2 ** -16;
    case Z_INTERNAL_FORMAT.D24:
      return 2 ** -24;
    default:
      return 2 ** -23;
  }
}

/** Functions that let no depth pass that is greater than the stored one. */
const LOWERING: readonly number[] = [FUNC.NEVER, FUNC.LESS, FUNC.EQUAL, FUNC.LEQUAL];

/** A draw's depth and stencil descriptor. Throws GpuFault if there is none. */
export function loadDepthStencil(memory: VirtualMemory, at: number): Infer<typeof DepthStencil> {
  const state = memory.descriptor(DepthStencil, at);
  if (state.type !== DESCRIPTOR_TYPE.DEPTH_STENCIL) {
    throw new GpuFault(
      EXCEPTION.DATA_INVALID_FAULT,
      at,
      `Draw: depth/stencil at 0x${at.toString(16)} has descriptor type ${state.type}`,
    );
  }
  return state;
}

/** The state of a draw's tests. */
export class DepthStencilTest {
  /** Whether depth or stencil come from the shader, by ZS_EMIT: tests wait for it. */
  readonly fromShader: boolean;
  readonly stencilFromShader: boolean;
  /** Whether nothing is tested and nothing written. */
  readonly trivial: boolean;
  /** Whether samples outside the depth range are dropped. */
  readonly culls: boolean;
  /** Whether it may leave a sample with a greater depth than it had. */
  readonly raises: boolean;
  readonly #state: Infer<typeof DepthStencil>;
  readonly #format: number;
  /** The draw's depth range. */
  readonly low: number;
  readonly high: number;
  readonly #depth: Float32Array;
  readonly #stencil: Uint8Array;

  /** `minimumZ`, `maximumZ`: the draw's depth range. `depth`, `stencil`: the tile's. */
  constructor(
    state: Infer<typeof DepthStencil>,
    format: number,
    minimumZ: number,
    maximumZ: number,
    depth: Float32Array,
    stencil: Uint8Array,
  ) {
    this.#state = state;
    this.#format = format;
    this.low = Math.min(minimumZ, maximumZ);
    this.high = Math.max(minimumZ, maximumZ);
    this.#depth = depth;
    this.#stencil = stencil;
    this.stencilFromShader = state.stencilFromShader;
    this.fromShader = state.depthSource === DEPTH_SOURCE.SHADER || state.stencilFromShader;
    this.culls = state.depthCullEnable;
    this.raises = state.depthWriteEnable && !LOWERING.includes(state.depthFunction);
    this.trivial =
      !state.stencilTestEnable &&
      !state.depthWriteEnable &&
      state.depthFunction === FUNC.ALWAYS &&
      !state.depthCullEnable;
  }

  /** What emitted code for early tests of a face is made from. */
  emitted(back: boolean): Pick<FrontEndState, 'culls' | 'format' | 'func' | 'write' | 'limit' | 'stencil'> {
    const s = this.#state;
    let limit: FrontEndState['limit'] = s.depthClampMode === DEPTH_CLAMP_MODE.BOUNDS ? 'bounds' : 'unit';
    if (s.depthSource === DEPTH_SOURCE.MINIMUM) limit = 'low';
    else if (s.depthSource === DEPTH_SOURCE.MAXIMUM) limit = 'high';
    const face = back
      ? {
          func: s.backCompareFunction,
          reference: s.backReferenceValue,
          valueMask: s.backValueMask,
          writeMask: s.backWriteMask,
          fail: s.backStencilFail,
          depthFail: s.backDepthFail,
          depthPass: s.backDepthPass,
        }
      : {
          func: s.frontCompareFunction,
          reference: s.frontReferenceValue,
          valueMask: s.frontValueMask,
          writeMask: s.frontWriteMask,
          fail: s.frontStencilFail,
          depthFail: s.frontDepthFail,
          depthPass: s.frontDepthPass,
        };
    return {
      culls: s.depthCullEnable,
      format: this.#format,
      func: s.depthFunction,
      write: s.depthWriteEnable,
      limit,
      stencil: s.stencilTestEnable ? face : undefined,
    };
  }

  /** Whether a depth that comes from raster lies in the draw's range, which near and far clipping ask for. */
  inRange(z: number): boolean {
    return !this.#state.depthCullEnable || (z >= this.low && z <= this.high);
  }

  /** Limits a depth as the descriptor says and makes it what the tile buffer keeps. */
  final(z: number): number {
    const { depthClampMode, depthSource } = this.#state;
    if (depthSource === DEPTH_SOURCE.MINIMUM) z = this.low;
    else if (depthSource === DEPTH_SOURCE.MAXIMUM) z = this.high;
    else if (depthClampMode === DEPTH_CLAMP_MODE.BOUNDS) z = Math.min(Math.max(z, this.low), this.high);
    else z = Math.min(Math.max(z, 0), 1);
    return quantize(this.#format, z);
  }

  /**
   * Tests sample `at` of the tile. `z`: from `final`. `stencil`: the shader's reference, or -1. `update`: write the
   * results too.
   */
  test(at: number, z: number, back: boolean, stencil: number, update: boolean): boolean {
    const s = this.#state;
    const depthPasses = compare(s.depthFunction, z, this.#depth[at]!);
    if (s.stencilTestEnable) {
      const stored = this.#stencil[at]!;
      const reference =
        s.stencilFromShader && stencil >= 0 ? stencil & 0xff : back ? s.backReferenceValue : s.frontReferenceValue;
      const valueMask = back ? s.backValueMask : s.frontValueMask;
      const passes = compare(
        back ? s.backCompareFunction : s.frontCompareFunction,
        reference & valueMask,
        stored & valueMask,
      );
      if (update) {
        const op = !passes
          ? back
            ? s.backStencilFail
            : s.frontStencilFail
          : depthPasses
            ? back
              ? s.backDepthPass
              : s.frontDepthPass
            : back
              ? s.backDepthFail
              : s.frontDepthFail;
        if (op !== STENCIL_OP.KEEP) {
          const writeMask = back ? s.backWriteMask : s.frontWriteMask;
          this.#stencil[at] = (stored & ~writeMask) | (operate(op, stored, reference) & writeMask);
        }
      }
      if (!passes) return false;
    }
    if (!depthPasses) return false;
    if (update && s.depthWriteEnable) this.#depth[at] = z;
    return true;
  }
}
