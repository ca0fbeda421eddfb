/**
 * StageDescription: what recompiled shaders are told of their draw (recompiler/frame.ts: STAGE), so that they
 * need not ask: how tests and colours are done for this draw.
 */
import { BLEND_MODE, MAX_RENDER_TARGETS } from '../../abi/gpu/raster-descriptors.ts';
import type { Engine } from '../engine/engine.ts';
import { scratch } from '../engine/scratch.ts';
import { functionTable } from '../engine/table.ts';
import { BLEND_KIND, BLEND_RECORD, BLEND_RECORD_BYTES, BLEND_TYPES, STAGE } from '../recompiler/frame.ts';
import type { BlendCodes } from './blend-code.ts';
import { blendView } from './descriptor-words.ts';
import type { DrawState } from './draw-state.ts';
import type { LateTests } from './late-tests.ts';
import type { StageWarp } from './stage-warp.ts';
import { isRgba8 } from './tile-codec.ts';
import { lateTests } from './wasm/late.ts';

/** Recompiled shaders always hand over all channels. */
const CHANNELS = 4;

export class StageDescription {
  readonly #state: DrawState;
  readonly #codes: BlendCodes;
  readonly #at: number;

  constructor(state: DrawState, warp: StageWarp, late: LateTests, codes: BlendCodes, engine: Engine) {
    this.#state = state;
    this.#codes = codes;
    this.#at = warp.frame / 4;
    this.#places(warp);
    if (engine !== 'wasm') return;
    this.#tests(late);
    for (let n = 0; n < MAX_RENDER_TARGETS; n++) this.#blend(n);
  }

  /** Samples that tests after shading have let pass. */
  get passed(): number {
    const at = this.#at + STAGE.passed / 4;
    return scratch.u32[at]! + scratch.u32[at + 1]! * 2 ** 32;
  }

  set passed(samples: number) {
    const at = this.#at + STAGE.passed / 4;
    scratch.u32[at] = samples % 2 ** 32;
    scratch.u32[at + 1] = Math.floor(samples / 2 ** 32);
  }

  /** Tells where everything is. */
  #places({ pixel, coverage, tested }: StageWarp): void {
    const { framebuffer, tile } = this.#state;
    const words = scratch.u32;
    const at = this.#at;
    words[at + STAGE.flags / 4] = tile.dirtyAt;
    words[at + STAGE.pixels / 4] = pixel.byteOffset;
    words[at + STAGE.coverage / 4] = coverage.byteOffset;
    words[at + STAGE.tested / 4] = tested.byteOffset;
    words[at + STAGE.argumentLow / 4] = framebuffer.parameters.frameArgumentLow;
    words[at + STAGE.argumentHigh / 4] = framebuffer.parameters.frameArgumentHigh;
    words[at + STAGE.depth / 4] = tile.depthAt;
    words[at + STAGE.stencil / 4] = tile.stencilAt;
  }

  /** Tells whether tests have been made before shading, else by which functions they are made. */
  #tests(late: LateTests): void {
    const { early, merged, byAlpha, draw, test } = this.#state;
    const words = scratch.u32;
    const at = this.#at;
    const direct = early && !merged && !byAlpha;
    words[at + STAGE.direct / 4] = direct ? 1 : 0;
    if (direct) return;
    const { late_left, late_alpha, late_emit } = lateTests(late.emitted);
    words[at + STAGE.late / 4] = functionTable.slotOf(late_left);
    words[at + STAGE.alphaTest / 4] = functionTable.slotOf(late_alpha);
    words[at + STAGE.emit / 4] = functionTable.slotOf(late_emit);
    words[at + STAGE.touchDepth / 4] = draw.cleanFragmentWrite ? 0 : 1;
    scratch.f64[(at * 4 + STAGE.low) / 8] = test.low;
    scratch.f64[(at * 4 + STAGE.high) / 8] = test.high;
  }

  /** Tells what BLEND by the descriptor of render target `n` does. */
  #blend(n: number): void {
    const { framebuffer, tile, blendDescriptors, draw } = this.#state;
    const words = scratch.u32;
    const record = this.#at + (STAGE.blend + n * BLEND_RECORD_BYTES) / 4;
    const [low, high] = [blendDescriptors[n * 2]!, blendDescriptors[n * 2 + 1]!];
    const { mode, rt, conversion } = blendView(low, high);
    const shader = mode === BLEND_MODE.SHADER;
    const vanishes = !shader && this.#codes.vanishes(low, high);
    const known = !shader && !vanishes && this.#codes.known(conversion.memoryFormat, conversion.raw, rt);
    if (!known) {
      words[record + BLEND_RECORD.kind / 4] = vanishes ? BLEND_KIND.NOTHING : BLEND_KIND.STAGE;
      return;
    }
    const plain =
      mode === BLEND_MODE.OPAQUE &&
      framebuffer.samples === 1 &&
      !this.#state.alphaToOne(rt) &&
      isRgba8(conversion.memoryFormat);
    words[record + BLEND_RECORD.kind / 4] = plain ? BLEND_KIND.STORE_RGBA8 : BLEND_KIND.CALL;
    words[record + BLEND_RECORD.words / 4] = tile.colorAt[rt]!;
    words[record + BLEND_RECORD.bytes / 4] = framebuffer.targets[rt]!.words * 4;
    words[record + BLEND_RECORD.touch / 4] = draw.cleanFragmentWrite ? 0 : 1 << rt;
    for (const [i, type] of BLEND_TYPES.entries()) {
      const call = this.#codes.code(low, high, type, CHANNELS);
      words[record + BLEND_RECORD.slots / 4 + i] = call ? functionTable.slotOf(call.blend_quad) : 0;
    }
  }
}
