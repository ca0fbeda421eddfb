/**
 * Colours of recompiled fragment shaders: BLEND by the draw's own descriptors.
 *
 * Code for lists of quads is made for what the draw does with its colours (draw-ways.ts), so it blends by itself where that is
 * fixed point of one sample (fragment/wasm/fixed-blend.ts). Else the draw's emitted blend function (fragment/wasm/blend.ts)
 * is called by its number in the record (frame.ts: BLEND_RECORD), quad after quad. Late tests come before (covered.ts).
 * Everything else is the fragment stage's, by the interpreter's step.
 */
import { FixedBlend, type FixedBlendCode } from '../fragment/wasm/fixed-blend.ts';
import { WARP } from '../fragment/wasm/raster.ts';
import { floatToBits } from '../pack.ts';
import type { Instruction } from '../shader/decode.ts';
import type { Code, Label } from '../wasm/builder.ts';
import type { Around } from './access.ts';
import { type BlendSite, blendSite, channelsOf, targetsOf } from './blend-form.ts';
import { CoveredCode } from './covered.ts';
import { wayOf } from './draw-ways.ts';
import type { Unit } from './flow.ts';
import { BLEND_KIND, BLEND_RECORD, BLEND_RECORD_BYTES, FRAME, STAGE } from './frame.ts';
import type { Lanes } from './lanes.ts';
import type { LateCode } from './late.ts';
import type { QuadFeed } from './quad-feed.ts';

const CHANNELS = 4;
const ALPHA = 3;

export class OutputCode {
  readonly #a: Around;
  readonly #quads: QuadFeed | undefined;
  readonly #covered: CoveredCode;
  /** Render targets whose descriptors are named, and in a list's function the samples that have been written by each. */
  readonly #targets: readonly number[];
  readonly #touched = new Map<number, number>();
  /** What blends within the shader, by what it is made from. */
  readonly #fixed = new Map<FixedBlendCode, FixedBlend>();
  readonly #stage: number;
  readonly #done: number;
  readonly #slot: number;
  readonly #any: number;
  readonly #at: number;
  readonly #alive: number;
  readonly #source: readonly number[];

  /** `quads`: the list that warps come from. */
  constructor(around: Around, late: LateCode, unit: Unit, quads: QuadFeed | undefined) {
    this.#a = around;
    this.#quads = quads;
    this.#covered = new CoveredCode(around, late, unit, quads);
    this.#targets = targetsOf(unit);
    const { code } = around;
    if (quads) for (const rt of this.#targets) this.#touched.set(rt, code.local('v128'));
    this.#stage = quads?.stage ?? code.local('i32');
    this.#done = code.local('i32');
    this.#slot = code.local('i32');
    this.#any = code.local('i32');
    this.#at = code.local('i32');
    this.#alive = code.local('v128');
    this.#source = code.locals('v128', CHANNELS);
  }

  /**
   * BLEND by the descriptor of a render target. 'done': that is all of it; 'asked': leaves on the stack whether it is done, if
   * not, the stage must do it; 'stage': it is always the stage's.
   */
  blend(i: Instruction): 'done' | 'asked' | 'stage' {
    const site = blendSite(i);
    if (!site) return 'stage';
    const { code, lanes } = this.#a;
    const channels = channelsOf(i, lanes, (index) => this.#a.register(index));
    if (this.#quads) return this.#listed(this.#quads, site, channels);
    code.i32(0).set(this.#done);
    const out = code.block();
    code.get(1).memory('i32_load', FRAME.stage).tee(this.#stage).op('i32_eqz').unlikely().brIf(out);
    const kind = (): Code => code.get(this.#stage).memory('i32_load', site.record + BLEND_RECORD.kind);
    kind().i32(BLEND_KIND.NOTHING).op('i32_eq').tee(this.#done).unlikely().brIf(out);
    kind().i32(BLEND_KIND.STAGE).op('i32_eq').unlikely().brIf(out);
    this.#call(site, channels, out);
    code.i32(1).set(this.#done);
    code.end();
    code.get(this.#done);
    lanes.release();
    return 'asked';
  }

  /** At the end of a list's function: marks the render targets to which colours were written. */
  close(): void {
    const { code } = this.#a;
    for (const [rt, touched] of this.#touched) {
      this.#touch(STAGE.blend + rt * BLEND_RECORD_BYTES, () => code.get(touched).op('v128_any_true'));
    }
  }

  #listed({ ways }: QuadFeed, site: BlendSite, channels: readonly Lanes[]): 'done' | 'asked' | 'stage' {
    const { code, lanes } = this.#a;
    const { kind, forms } = wayOf(ways, site.rt);
    if (kind === BLEND_KIND.NOTHING) return 'done';
    const form = forms[site.type]!;
    if (form === 'stage') return 'stage';
    if (!ways.direct) code.i32(0).set(this.#done);
    const out = code.block();
    if (form === 'call') this.#call(site, channels, out);
    else this.#inline(site, form, channels, out);
    code.i32(1).set(this.#done);
    code.end();
    lanes.release();
    if (ways.direct) return 'done';
    code.get(this.#done);
    return 'asked';
  }

  /** Blends quad after quad. */
  #inline(site: BlendSite, form: FixedBlendCode, channels: readonly Lanes[], out: Label): void {
    const { code, lanes } = this.#a;
    const { samples } = this.#covered;
    this.#covered.emit(site.coverage, this.#stage, out);
    const touched = this.#touched.get(site.rt)!;
    for (let k = 0; k < lanes.vectors; k++) code.get(samples[k]!).get(touched).op('v128_or').set(touched);
    let fixed = this.#fixed.get(form);
    if (!fixed) {
      fixed = new FixedBlend(code, form, (value) => code.held(floatToBits(value)));
      this.#fixed.set(form, fixed);
    }
    for (let k = 0; k < lanes.vectors; k++) {
      code.get(this.#stage).memory('i32_load', site.record + BLEND_RECORD.words);
      this.#pixel(k);
      code.i32(2).op('i32_shl').op('i32_add').set(this.#at);
      code.get(samples[k]!);
      lanes.words(0)(k);
      // Samples are sixteen bits, no sign among them.
      code.op('i32x4_gt_s').set(this.#alive);
      for (const [c, local] of this.#source.entries()) {
        if (c === ALPHA && form.alphaToOne) lanes.single(1)(k);
        else channels[c]!(k);
        code.set(local);
      }
      fixed.begin(this.#source);
      fixed.sample(this.#at, this.#alive, this.#source);
    }
  }

  /** Calls the function of the record; to `out` if there is none, or nobody here can test samples. */
  #call({ record, type, coverage, rt }: BlendSite, channels: readonly Lanes[], out: Label): void {
    const { code, lanes } = this.#a;
    code
      .get(this.#stage)
      .memory('i32_load', record + BLEND_RECORD.slots + 4 * type)
      .set(this.#slot);
    // Code for lists has been made knowing that there is one.
    if (!this.#quads) code.get(this.#slot).op('i32_eqz').unlikely().brIf(out);
    this.#covered.emit(coverage, this.#stage, out);
    if (!this.#quads) code.i32(0).set(this.#any);
    const touched = this.#touched.get(rt);
    for (const [k, samples] of this.#covered.samples.entries()) {
      code.get(samples).op('v128_any_true').if();
      if (touched === undefined) code.i32(1).set(this.#any);
      else code.get(samples).get(touched).op('v128_or').set(touched);
      this.#pixel(k);
      code
        .get(this.#stage)
        .memory('i32_load', record + BLEND_RECORD.bytes)
        .op('i32_mul');
      code
        .get(this.#stage)
        .memory('i32_load', record + BLEND_RECORD.words)
        .op('i32_add');
      code.get(samples);
      for (const channel of channels) channel(k);
      code.get(this.#slot).callIndirect(this.#a.blendType);
      code.end();
    }
    if (!this.#quads) this.#touch(record, () => code.get(this.#any));
    lanes.release();
  }

  /** Marks the render target of a record, if `any` pushes that colours were written. */
  #touch(record: number, any: () => void): void {
    const { code } = this.#a;
    const flags = (): Code => code.get(this.#stage).memory('i32_load', STAGE.flags);
    any();
    code.if();
    flags();
    flags().memory('i32_load');
    code.get(this.#stage).memory('i32_load', record + BLEND_RECORD.touch);
    code.op('i32_or').memory('i32_store');
    code.end();
  }

  /** Pushes the number of the first pixel of vector k's quad in the tile. */
  #pixel(k: number): void {
    const { code } = this.#a;
    if (this.#quads) code.get(this.#quads.pixel[k]!);
    else {
      code
        .get(this.#stage)
        .memory('i32_load', STAGE.pixels)
        .memory('i32_load', WARP.pixel + 16 * k);
    }
  }
}
