/**
 * The back end of recompiled fragment shaders: ATEST, and BLEND to the commonest render target.
 *
 * Where depth and stencil have been tested before the shader, and a pixel is one sample (STAGE.direct), ATEST only takes what is
 * left of the coverage, and a colour that replaces what an RGBA8 tile buffer holds is packed and stored here. Everything
 * else is the fragment stage's, by the interpreter's step. Packing is that of fragment/tile-codec.ts, in singles.
 */
import { SPECIALS } from '../../abi/isa/encoding.ts';
import type { Instruction } from '../shader/decode.ts';
import { BLEND_KIND, BLEND_RECORD, BLEND_RECORD_BYTES, FRAME, STAGE } from './frame.ts';
import type { Lanes } from './lanes.ts';
import type { Around } from './memory.ts';

const FIRST_BLEND = SPECIALS[0]!.indexOf('blend_descriptor_0');
const TARGETS = 8;

/** The render target whose own descriptor a BLEND names, or -1. */
export function targetOfBlend({ sources, page }: Instruction): number {
  const { kind, index } = sources[0]!;
  const rt = kind === 'special' && page === 0 ? (index >>> 1) - FIRST_BLEND : -1;
  return rt >= 0 && rt < TARGETS && (index & 1) === 0 ? rt : -1;
}

export class OutputCode {
  readonly #a: Around;
  readonly #stage: number;
  readonly #bits: number;
  readonly #value: number;
  readonly #at: number;

  constructor(around: Around) {
    this.#a = around;
    const { code } = around;
    this.#stage = code.local('i32');
    this.#bits = code.local('i32');
    this.#value = code.local('v128');
    this.#at = code.local('v128');
  }

  /** Pushes whether tests are done and pixels are single samples. */
  #direct(): void {
    const { code } = this.#a;
    code.get(1).memory('i32_load', FRAME.stage).tee(this.#stage);
    code.if('i32');
    code.get(this.#stage).memory('i32_load', STAGE.direct);
    code.else().i32(0).end();
  }

  #covered(coverage: Lanes): Lanes {
    const { code, lanes } = this.#a;
    return lanes.and(coverage, (k) =>
      code
        .get(this.#stage)
        .memory('i32_load', STAGE.coverage)
        .memory('v128_load', 16 * k),
    );
  }

  /** ATEST, where its coverage is in a register; `otherwise` where it is not so simple. */
  alphaTest(i: Instruction, otherwise: () => void): boolean {
    const { code, mask } = this.#a;
    const source = i.sources[0]!;
    if (source.kind !== 'register') return false;
    const covered = this.#covered(this.#a.register(source.index));
    const locals = this.#a.locals(i.staging[0]!.register);
    this.#direct();
    code.if();
    for (let k = 0; k < this.#a.lanes.vectors; k++) {
      covered(k);
      if (mask) code.get(locals[k]!).get(mask[k]!).op('v128_bitselect');
      code.set(locals[k]!);
    }
    code.else();
    otherwise();
    code.end();
    return true;
  }

  /**
   * BLEND to render target `rt`. Leaves on the stack whether it is done; if not, the stage must do it. False: nothing is
   * pushed, this form is always the stage's.
   */
  blend(i: Instruction): boolean {
    const { code, lanes } = this.#a;
    const rt = targetOfBlend(i);
    const format = i.modifiers.regfmt!;
    const coverage = i.sources[1]!;
    if (rt < 0 || (format !== 'f32' && format !== 'f16') || coverage.kind !== 'register') return false;
    const channels = i.modifiers.vecsize === 'none' ? 1 : Number(i.modifiers.vecsize![1]);
    const record = STAGE.blend + rt * BLEND_RECORD_BYTES;
    const { register } = i.staging[0]!;
    const channel = (c: number): Lanes => {
      if (c >= channels) return c === 3 ? lanes.single(1) : lanes.words(0);
      if (format === 'f32') return this.#a.register(register + c);
      const pair = this.#a.register(register + (c >> 1));
      return c & 1 ? lanes.widenHigh(pair) : lanes.widenLow(pair);
    };
    const byte = (c: number): Lanes => {
      const scaled = lanes.op('f32x4_add', lanes.op('f32x4_mul', channel(c), lanes.single(255)), lanes.single(0.5));
      const whole = lanes.op('i32x4_min_u', lanes.op('i32x4_trunc_sat_f32x4_u', scaled), lanes.words(255));
      return lanes.shift('i32x4_shl', whole, 8 * c);
    };
    const word = lanes.or(lanes.or(byte(0), byte(1)), lanes.or(byte(2), byte(3)));
    const covered = lanes.op('i32x4_ne', this.#covered(this.#a.register(coverage.index)), lanes.words(0));

    this.#direct();
    code.if('i32');
    code
      .get(this.#stage)
      .memory('i32_load', record + BLEND_RECORD.kind)
      .i32(BLEND_KIND.STORE_RGBA8)
      .op('i32_eq');
    code.if();
    lanes.bitmask(covered);
    code.get(this.#a.bits).op('i32_and').get(this.#a.discarded).i32(-1).op('i32_xor').op('i32_and').tee(this.#bits);
    code.if();
    for (let k = 0; k < this.#a.lanes.vectors; k++) {
      word(k);
      code.set(this.#value);
      code
        .get(this.#stage)
        .memory('i32_load', STAGE.pixels)
        .memory('v128_load', 16 * k)
        .i32(2)
        .op('i32x4_shl');
      code
        .get(this.#stage)
        .memory('v128_load32_splat', record + BLEND_RECORD.words)
        .op('i32x4_add')
        .set(this.#at);
      for (let lane = 0; lane < 4; lane++) {
        code
          .get(this.#bits)
          .i32(1 << (4 * k + lane))
          .op('i32_and');
        code.if();
        code.get(this.#at).lane('i32x4_extract_lane', lane);
        code.get(this.#value).lane('i32x4_extract_lane', lane).memory('i32_store');
        code.end();
      }
    }
    code.get(this.#stage).memory('i32_load', STAGE.flags);
    code.get(this.#stage).memory('i32_load', STAGE.flags).memory('i32_load');
    code
      .get(this.#stage)
      .memory('i32_load', record + BLEND_RECORD.touch)
      .op('i32_or')
      .memory('i32_store');
    code.end();
    code.end();
    code
      .get(this.#stage)
      .memory('i32_load', record + BLEND_RECORD.kind)
      .i32(BLEND_KIND.STAGE)
      .op('i32_ne');
    code.else().i32(0).end();
    lanes.release();
    return true;
  }
}
