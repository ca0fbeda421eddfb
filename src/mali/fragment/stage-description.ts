/**
 * StageDescription: what recompiled shaders are told of their draw (recompiler/frame.ts: STAGE), so that they
 * need not ask: how tests and colours are done for this draw.
 */
import { BLEND_MODE, MAX_RENDER_TARGETS } from '../../abi/gpu/raster-descriptors.ts';
import type { Engine } from '../engine/engine.ts';
import { scratch } from '../engine/scratch.ts';
import { functionTable, type Place } from '../engine/table.ts';
import { BLEND_KIND, BLEND_RECORD, BLEND_RECORD_BYTES, BLEND_TYPES, STAGE } from '../recompiler/frame.ts';
import type { BlendCodes } from './blend-code.ts';
import { blendView } from './descriptor-words.ts';
import type { DrawState } from './draw-state.ts';
import type { LateTests } from './late-tests.ts';
import type { StageWarp } from './stage-warp.ts';
import { isRgba8 } from './tile-codec.ts';
import { lateTests } from './wasm/late.ts';
import { WARP } from './wasm/raster.ts';

/** Recompiled shaders always hand over all channels. */
const CHANNELS = 4;

export class StageDescription {
  readonly #state: DrawState;
  readonly #codes: BlendCodes;
  readonly #at: number;
  /** Whose numbers the description holds. */
  readonly #held: (Place | KnownBlend)[] = [];

  constructor(state: DrawState, warp: StageWarp, late: LateTests, codes: BlendCodes, engine: Engine) {
    this.#state = state;
    this.#codes = codes;
    this.#at = warp.frame / 4;
    this.#places();
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
  #places(): void {
    const { framebuffer, tile } = this.#state;
    const words = scratch.u32;
    const at = this.#at;
    words[at + STAGE.flags / 4] = tile.dirtyAt;
    words[at + STAGE.pixels / 4] = tile.warpAt + WARP.pixel;
    words[at + STAGE.coverage / 4] = tile.warpAt + WARP.coverage;
    words[at + STAGE.tested / 4] = tile.warpAt + WARP.tested;
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
    words[at + STAGE.late / 4] = this.#number(late_left);
    words[at + STAGE.alphaTest / 4] = this.#number(late_alpha);
    words[at + STAGE.emit / 4] = this.#number(late_emit);
    words[at + STAGE.touchDepth / 4] = draw.cleanFragmentWrite ? 0 : 1;
    scratch.f64[(at * 4 + STAGE.low) / 8] = test.low;
    scratch.f64[(at * 4 + STAGE.high) / 8] = test.high;
  }

  /** The number of an emitted function, which keeps it as long as this draw lasts. */
  #number(fn: CallableFunction): number {
    const place = functionTable.place(fn);
    this.#held.push(place);
    return place.slot;
  }

  /** Tells what BLEND by the descriptor of render target `n` does. */
  #blend(n: number): void {
    const { tile, blendDescriptors, draw } = this.#state;
    const words = scratch.u32;
    const record = this.#at + (STAGE.blend + n * BLEND_RECORD_BYTES) / 4;
    const low = blendDescriptors[n * 2]!;
    if (low === BLEND_MODE.OFF) {
      words[record + BLEND_RECORD.kind / 4] = BLEND_KIND.NOTHING;
      return;
    }
    const known = this.#known(low, blendDescriptors[n * 2 + 1]!);
    words[record + BLEND_RECORD.kind / 4] = known.kind;
    if (known.places.length === 0) return;
    this.#held.push(known);
    words[record + BLEND_RECORD.words / 4] = tile.colorAt[known.rt]!;
    words[record + BLEND_RECORD.bytes / 4] = known.bytes;
    words[record + BLEND_RECORD.touch / 4] = draw.cleanFragmentWrite ? 0 : 1 << known.rt;
    for (let i = 0; i < BLEND_TYPES.length; i++) {
      words[record + BLEND_RECORD.slots / 4 + i] = known.places[i]?.slot ?? 0;
    }
  }

  /** What is known of a descriptor in this framebuffer. */
  #known(low: number, high: number): KnownBlend {
    const { framebuffer, blends } = this.#state;
    const { rt } = blendView(low, high);
    const target = framebuffer.targets[rt];
    const multisample = this.#state.alphaToOne(rt);
    const key = `${low} ${high} ${blends[rt]?.key} ${target?.internal.index} ${framebuffer.samples} ${multisample}`;
    let known = knownBlends.get(key);
    if (!known) {
      known = this.#describe(low, high);
      if (knownBlends.size >= MAX_KNOWN) knownBlends.clear();
      knownBlends.set(key, known);
    }
    return known;
  }

  #describe(low: number, high: number): KnownBlend {
    const { framebuffer } = this.#state;
    const codes = this.#codes;
    const { mode, rt, conversion } = blendView(low, high);
    const none = (kind: number): KnownBlend => ({ rt, kind, bytes: 0, places: [] });
    if (mode === BLEND_MODE.SHADER) return none(BLEND_KIND.STAGE);
    if (codes.vanishes(low, high)) return none(BLEND_KIND.NOTHING);
    if (!codes.known(conversion.memoryFormat, conversion.raw, rt)) return none(BLEND_KIND.STAGE);
    const plain =
      mode === BLEND_MODE.OPAQUE &&
      framebuffer.samples === 1 &&
      !this.#state.alphaToOne(rt) &&
      isRgba8(conversion.memoryFormat);
    const places = BLEND_TYPES.map((type) => {
      const call = codes.code(low, high, type, CHANNELS);
      return call && functionTable.place(call.blend_quad);
    });
    const kind = plain ? BLEND_KIND.STORE_RGBA8 : BLEND_KIND.CALL;
    return { rt, kind, bytes: framebuffer.targets[rt]!.words * 4, places };
  }
}

/** What a blend descriptor comes to, without what is a draw's own. */
interface KnownBlend {
  readonly rt: number;
  readonly kind: number;
  readonly bytes: number;
  /** Functions by BLEND_TYPES; none where there is nothing to call. */
  readonly places: readonly (Place | undefined)[];
}

const knownBlends = new Map<string, KnownBlend>();
/** Descriptors that are known before all are forgotten: they are a guest's. */
const MAX_KNOWN = 1024;
