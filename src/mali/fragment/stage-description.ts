/**
 * StageDescription: what recompiled shaders are told of their draw (recompiler/frame.ts: STAGE), so that they
 * need not ask: how tests and colours are done for this draw.
 */
import { BLEND_C, BLEND_MODE, MAX_RENDER_TARGETS } from '../../abi/gpu/raster-descriptors.ts';
import type { Engine } from '../engine/engine.ts';
import { scratch } from '../engine/scratch.ts';
import { functionTable, type Place } from '../engine/table.ts';
import { type BlendForm, type BlendWay, blendWay, type DrawWays, UNKNOWN } from '../recompiler/draw-ways.ts';
import { BLEND_KIND, BLEND_RECORD, BLEND_RECORD_BYTES, BLEND_TYPES, STAGE } from '../recompiler/frame.ts';
import { listWeights } from '../recompiler/list-weights.ts';
import type { BlendCall, BlendCodes } from './blend-code.ts';
import { blendView } from './descriptor-words.ts';
import type { DrawState } from './draw-state.ts';
import type { LateTests } from './late-tests.ts';
import type { StageWarp } from './stage-warp.ts';
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
  /** What code for lists of quads is made for. */
  readonly ways: DrawWays;

  constructor(state: DrawState, warp: StageWarp, late: LateTests, codes: BlendCodes, engine: Engine) {
    this.#state = state;
    this.#codes = codes;
    this.#at = warp.frame / 4;
    this.#places();
    if (engine !== 'wasm') {
      this.ways = UNKNOWN;
      return;
    }
    scratch.u32[this.#at + STAGE.weigh / 4] = this.#number(listWeights());
    const direct = this.#tests(late);
    const blends = Array.from({ length: MAX_RENDER_TARGETS }, (_, n) => this.#blend(n));
    this.ways = { direct, multisampled: state.framebuffer.samples > 1, blends };
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
  #tests(late: LateTests): boolean {
    const { early, merged, byAlpha, draw, test } = this.#state;
    const words = scratch.u32;
    const at = this.#at;
    const direct = early && !merged && !byAlpha;
    words[at + STAGE.direct / 4] = direct ? 1 : 0;
    if (direct) return true;
    const { late_left, late_alpha, late_emit } = lateTests(late.emitted);
    words[at + STAGE.late / 4] = this.#number(late_left);
    words[at + STAGE.alphaTest / 4] = this.#number(late_alpha);
    words[at + STAGE.emit / 4] = this.#number(late_emit);
    words[at + STAGE.touchDepth / 4] = draw.cleanFragmentWrite ? 0 : 1;
    scratch.f64[(at * 4 + STAGE.low) / 8] = test.low;
    scratch.f64[(at * 4 + STAGE.high) / 8] = test.high;
    return false;
  }

  /** The number of an emitted function, which keeps it as long as this draw lasts. */
  #number(fn: CallableFunction): number {
    const place = functionTable.place(fn);
    this.#held.push(place);
    return place.slot;
  }

  /** Tells what BLEND by the descriptor of render target `n` does. */
  #blend(n: number): BlendWay {
    const { tile, blendDescriptors, draw } = this.#state;
    const words = scratch.u32;
    const record = this.#at + (STAGE.blend + n * BLEND_RECORD_BYTES) / 4;
    const low = blendDescriptors[n * 2]!;
    if (low === BLEND_MODE.OFF) {
      words[record + BLEND_RECORD.kind / 4] = BLEND_KIND.NOTHING;
      return NOTHING;
    }
    const known = this.#known(low, blendDescriptors[n * 2 + 1]!);
    words[record + BLEND_RECORD.kind / 4] = known.kind;
    if (known.places.length === 0) return known.way;
    this.#held.push(known);
    words[record + BLEND_RECORD.words / 4] = tile.colorAt[known.rt]!;
    words[record + BLEND_RECORD.bytes / 4] = known.bytes;
    words[record + BLEND_RECORD.touch / 4] = draw.cleanFragmentWrite ? 0 : 1 << known.rt;
    for (let i = 0; i < BLEND_TYPES.length; i++) {
      words[record + BLEND_RECORD.slots / 4 + i] = known.places[i]?.slot ?? 0;
    }
    return known.way;
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
    const none = (kind: number): KnownBlend => ({ rt, kind, bytes: 0, places: [], way: blendWay(kind, NO_FORMS) });
    if (mode === BLEND_MODE.SHADER) return none(BLEND_KIND.SHADER);
    if (codes.vanishes(low, high)) return none(BLEND_KIND.NOTHING);
    if (!codes.known(conversion.memoryFormat, conversion.raw, rt)) return none(BLEND_KIND.STAGE);
    const calls = BLEND_TYPES.map((type) => codes.code(low, high, type, CHANNELS));
    const places = calls.map((call) => call && functionTable.place(call.blend_quad));
    const way = blendWay(BLEND_KIND.CALL, calls.map(formOf));
    return { rt, kind: BLEND_KIND.CALL, bytes: framebuffer.targets[rt]!.words * 4, places, way };
  }
}

/** What a blend descriptor comes to, without what is a draw's own. */
interface KnownBlend {
  readonly rt: number;
  readonly kind: number;
  readonly bytes: number;
  /** Functions by BLEND_TYPES; none where there is nothing to call. */
  readonly places: readonly (Place | undefined)[];
  readonly way: BlendWay;
}

const NO_FORMS: readonly BlendForm[] = BLEND_TYPES.map(() => 'stage');
const NOTHING = blendWay(BLEND_KIND.NOTHING, NO_FORMS);

/** Whether shaders blend by code of their own, which is made anew for each state: so of states that seldom change. */
function formOf(call: BlendCall | undefined): BlendForm {
  if (!call) return 'stage';
  const { code } = call;
  if ('pixel' in code || code.samples > 1 || code.srgb) return 'call';
  const { equation } = code;
  if (!equation) return code;
  // A constant colour may be another one for each draw.
  if ([equation.rgb, equation.alpha].some(({ c }) => c === BLEND_C.CONSTANT)) return 'call';
  return { ...code, equation: { ...equation, constant: 0 } };
}

const knownBlends = new Map<string, KnownBlend>();
/** Descriptors that are known before all are forgotten: they are a guest's. */
const MAX_KNOWN = 1024;
