/**
 * StageDescription: what recompiled shaders are told of their draw and primitive (recompiler/frame.ts: STAGE), so that they
 * need not ask: which colours they may store by themselves, and how to interpolate where it is simple.
 */
import { BLEND_MODE, MAX_RENDER_TARGETS } from '../../abi/gpu/raster-descriptors.ts';
import { PRIMITIVE } from '../engine/quads.ts';
import { scratch } from '../engine/scratch.ts';
import { functionTable } from '../engine/table.ts';
import { BLEND_KIND, BLEND_RECORD, BLEND_RECORD_BYTES, BLEND_TYPES, STAGE } from '../recompiler/frame.ts';
import type { BlendCodes } from './blend-code.ts';
import { blendView } from './descriptor-words.ts';
import type { DrawState } from './draw-state.ts';
import type { StageWarp } from './stage-warp.ts';
import { isRgba8 } from './tile-codec.ts';

/** Recompiled shaders always hand over all channels. */
const CHANNELS = 4;

export class StageDescription {
  readonly #state: DrawState;
  readonly #codes: BlendCodes;
  readonly #at: number;

  constructor(state: DrawState, warp: StageWarp, codes: BlendCodes) {
    this.#state = state;
    this.#codes = codes;
    this.#at = warp.frame / 4;
    this.#output(warp);
  }

  /** Tells which colours shaders may store by themselves. */
  #output({ pixel, coverage, tested }: StageWarp): void {
    const { early, merged, framebuffer, tile, byAlpha } = this.#state;
    const words = scratch.u32;
    const at = this.#at;
    words[at + STAGE.direct / 4] = early && !merged && !byAlpha ? 1 : 0;
    words[at + STAGE.flags / 4] = tile.dirtyAt;
    words[at + STAGE.pixels / 4] = pixel.byteOffset;
    words[at + STAGE.coverage / 4] = coverage.byteOffset;
    words[at + STAGE.tested / 4] = tested.byteOffset;
    words[at + STAGE.argumentLow / 4] = framebuffer.parameters.frameArgumentLow;
    words[at + STAGE.argumentHigh / 4] = framebuffer.parameters.frameArgumentHigh;
    for (let n = 0; n < MAX_RENDER_TARGETS; n++) this.#blend(n);
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
    words[record + BLEND_RECORD.touch / 4] = draw.cleanFragmentWrite ? 0 : 1 << rt;
    for (const [i, type] of BLEND_TYPES.entries()) {
      const call = this.#codes.code(low, high, type, CHANNELS);
      words[record + BLEND_RECORD.slots / 4 + i] = call ? functionTable.slotOf(call.run) : 0;
    }
  }

  /** Tells what is needed to interpolate. */
  primitive(at: number): void {
    const { u32, f64 } = scratch;
    const to = this.#at;
    u32[to + STAGE.simple / 4] = u32[(at + PRIMITIVE.simple) / 4]!;
    u32[to + STAGE.limit / 4] = u32[(at + PRIMITIVE.varyingBytes) / 4]!;
    u32[to + STAGE.provoking / 4] = u32[(at + PRIMITIVE.provoking) / 4]!;
    for (let v = 0; v < 3; v++) u32[to + STAGE.vertices / 4 + v] = u32[(at + PRIMITIVE.vertices) / 4 + v]!;
    for (let i = 0; i < 11; i++) f64[to / 2 + STAGE.planes / 8 + i] = f64[(at + PRIMITIVE.planes) / 8 + i]!;
  }
}
