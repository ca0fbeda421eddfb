/**
 * The parts that early tests (depth.ts) and late ones (late.ts) have in common: what the tile buffer keeps of a depth, and the
 * stencil test.
 */
import { FUNC, STENCIL_OP, Z_INTERNAL_FORMAT } from '../../../abi/gpu/raster-descriptors.ts';
import type { Code } from '../../wasm/builder.ts';
import type { OpName } from '../../wasm/opcodes.ts';
import { depthScale, UNDER_HALF } from '../depth-stencil.ts';

/** What limits depth: 0…1, the draw's range; or which end of the range replaces it. */
export type DepthLimit = 'unit' | 'bounds' | 'low' | 'high';

/** Stencil state of one face. */
export interface StencilFace {
  readonly func: number;
  readonly reference: number;
  readonly valueMask: number;
  readonly writeMask: number;
  readonly fail: number;
  readonly depthFail: number;
  readonly depthPass: number;
}

/** The same for equal faces. */
export const faceKey = (f: StencilFace): string =>
  `${f.func} ${f.reference} ${f.valueMask} ${f.writeMask} ${f.fail} ${f.depthFail} ${f.depthPass}`;

const I32_COMPARE: Record<number, OpName> = {
  [FUNC.LESS]: 'i32x4_lt_s',
  [FUNC.EQUAL]: 'i32x4_eq',
  [FUNC.LEQUAL]: 'i32x4_le_s',
  [FUNC.GREATER]: 'i32x4_gt_s',
  [FUNC.NOT_EQUAL]: 'i32x4_ne',
  [FUNC.GEQUAL]: 'i32x4_ge_s',
};

/** Limits and rounding of depths in singles, as DepthStencilTest.final. */
export class DepthRounding {
  readonly #f: Code;
  readonly #limit: DepthLimit;
  readonly #fixed: boolean;
  readonly #low: number;
  readonly #high: number;
  readonly #zero: number;
  readonly #one: number;
  readonly #scale: number;
  readonly #underHalf: number;

  /** `format`: Z_INTERNAL_FORMAT. `low`, `high`: locals with the draw's depth range, four singles each. */
  constructor(f: Code, { limit, format }: { limit: DepthLimit; format: number }, low: number, high: number) {
    this.#f = f;
    this.#limit = limit;
    this.#fixed = format !== Z_INTERNAL_FORMAT.D32;
    this.#low = low;
    this.#high = high;
    const single = (x: number) => {
      const local = f.local('v128');
      f.f32(x).op('f32x4_splat').set(local);
      return local;
    };
    this.#zero = single(0);
    this.#one = single(1);
    this.#scale = single(depthScale(format));
    this.#underHalf = single(UNDER_HALF);
  }

  /** Four depths in a local, bias included, become what the tile buffer keeps. */
  round(z: number): void {
    const f = this.#f;
    // pmax(a, b) is a < b ? b : a, pmin(a, b) is b < a ? b : a: an instruction each. What is no number becomes zero if it is
    // the first one's second operand; else it stays, as in script, and a negative zero is made a positive one before.
    if (this.#limit === 'low') f.get(this.#low);
    else if (this.#limit === 'high') f.get(this.#high);
    else if (this.#limit === 'bounds') f.get(z).get(this.#low).op('f32x4_max').get(this.#high).op('f32x4_min');
    else if (this.#fixed) f.get(this.#zero).get(z).op('f32x4_pmax').get(this.#one).op('f32x4_pmin');
    else f.get(z).get(this.#zero).op('f32x4_add').get(this.#zero).op('f32x4_pmax').get(this.#one).op('f32x4_pmin');
    f.set(z);
    if (!this.#fixed) return;
    if (this.#limit !== 'unit') {
      // What is not above zero is zero, also NaN.
      f.get(this.#zero).get(z).op('f32x4_pmax').get(this.#one).op('f32x4_pmin').set(z);
    }
    f.get(z).get(this.#scale).op('f32x4_mul').get(this.#underHalf).op('f32x4_add').op('f32x4_floor').set(z);
  }
}

/** The stencil test of four pixels, and what it writes. */
export class Stencil {
  readonly #f: Code;
  readonly #face: StencilFace;
  /** A local: the face's own reference, or what the shader gives. */
  readonly #reference: number;
  readonly #valueMask: number;
  readonly #writeMask: number;
  readonly #one: number;
  readonly #bytes: number;
  readonly #stored: number;
  readonly #passes: number;
  readonly #word: number;
  readonly #at: number;

  /** `reference`: a local with the shader's, if it gives one. */
  constructor(f: Code, face: StencilFace, reference?: number) {
    this.#f = f;
    this.#face = face;
    this.#reference = reference ?? f.held(face.reference);
    this.#valueMask = f.held(face.valueMask);
    this.#writeMask = f.held(face.writeMask);
    this.#one = f.held(1);
    this.#bytes = f.held(255);
    this.#stored = f.local('v128');
    this.#passes = f.local('v128');
    this.#word = f.local('i32');
    this.#at = f.local('i32');
  }

  /** Takes pixels out of `passes`, which holds those that pass the depth test. Those of `alive` are updated. */
  test(pushAddress: () => Code, alive: number, passes: number, zero: number): void {
    const f = this.#f;
    const face = this.#face;
    pushAddress().tee(this.#at).memory('i32_load16_u').get(this.#at).memory('i32_load16_u', 16).i32(16).op('i32_shl');
    f.op('i32_or').op('i32x4_splat').op('i16x8_extend_low_i8x16_u').op('i32x4_extend_low_i16x8_u').set(this.#stored);
    if (face.func === FUNC.NEVER) f.get(zero);
    else if (face.func === FUNC.ALWAYS) f.get(zero).op('v128_not');
    else {
      f.get(this.#reference).get(this.#valueMask).op('v128_and');
      f.get(this.#stored).get(this.#valueMask).op('v128_and').op(I32_COMPARE[face.func]!);
    }
    f.set(this.#passes);
    const { KEEP } = STENCIL_OP;
    if (face.fail !== KEEP || face.depthFail !== KEEP || face.depthPass !== KEEP) {
      this.#operate(face.depthPass);
      this.#operate(face.depthFail);
      f.get(passes).op('v128_bitselect');
      this.#operate(face.fail);
      f.get(this.#passes).op('v128_bitselect');
      f.get(this.#stored).get(alive).op('v128_bitselect').set(this.#stored);
      f.get(this.#stored).get(this.#stored).op('i16x8_narrow_i32x4_u').tee(this.#stored);
      f.get(this.#stored).op('i8x16_narrow_i16x8_u').lane('i32x4_extract_lane', 0).set(this.#word);
      f.get(this.#at).get(this.#word).memory('i32_store16');
      f.get(this.#at).get(this.#word).i32(16).op('i32_shr_u').memory('i32_store16', 16);
    }
    f.get(passes).get(this.#passes).op('v128_and').set(passes);
  }

  /** Pushes what an operation makes of the stored value, with the write mask. */
  #operate(op: number): void {
    const f = this.#f;
    f.get(this.#stored);
    switch (op) {
      case STENCIL_OP.KEEP:
        return;
      case STENCIL_OP.REPLACE:
        f.op('drop').get(this.#reference);
        break;
      case STENCIL_OP.ZERO:
        f.get(this.#stored).op('v128_xor');
        break;
      case STENCIL_OP.INVERT:
        f.op('v128_not');
        break;
      case STENCIL_OP.INCR_WRAP:
      case STENCIL_OP.INCR_SAT:
        f.get(this.#one).op('i32x4_add');
        if (op === STENCIL_OP.INCR_SAT) f.get(this.#bytes).op('i32x4_min_s');
        break;
      default:
        f.get(this.#one).op('i32x4_sub');
        if (op === STENCIL_OP.DECR_SAT) f.get(this.#bytes).get(this.#bytes).op('v128_xor').op('i32x4_max_s');
    }
    // Bits beyond the eighth fall to the mask.
    f.get(this.#stored).get(this.#writeMask).op('v128_bitselect');
  }
}
