/**
 * Colours of recompiled fragment shaders: BLEND by the draw's own descriptors, or by those that blend shaders bring.
 *
 * Code for lists of quads is made for what the draw does with its colours (draw-ways.ts), so it blends by itself where that is
 * fixed point of one sample (fragment/wasm/fixed-blend.ts). Else the draw's emitted blend function (fragment/wasm/blend.ts)
 * is called by its number in the record (frame.ts: BLEND_RECORD), quad after quad. Late tests come before (covered.ts). A descriptor
 * that the shader brings has a record of the instruction's own (frame.ts: TILE_RECORD). Where a blend shader is to be called, BLEND does
 * nothing. Everything else is the fragment stage's, by the interpreter's step.
 */
import { FixedBlend, type FixedBlendCode } from '../fragment/wasm/fixed-blend.ts';
import { floatToBits } from '../pack.ts';
import type { Instruction } from '../shader/decode.ts';
import type { Code, Label } from '../wasm/builder.ts';
import type { Around } from './access.ts';
import { type BlendSite, blendSite, channelsOf, targetsOf } from './blend-form.ts';
import { CoveredCode } from './covered.ts';
import { wayOf } from './draw-ways.ts';
import type { Unit } from './flow.ts';
import { BLEND_KIND, BLEND_RECORD, BLEND_RECORD_BYTES, FRAME, REFILL, STAGE, TILE_RECORD } from './frame.ts';
import type { Lanes } from './lanes.ts';
import type { LateCode } from './late.ts';
import { Lowering, type Operands } from './lowering.ts';
import { pushPixel, type QuadFeed } from './quad-feed.ts';
import { TileRecordCode } from './tile-load.ts';

const CHANNELS = 4;
const ALPHA = 3;

export class OutputCode {
  readonly #a: Around & Operands;
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
  readonly #records: TileRecordCode;

  /** `quads`: the list that warps come from. */
  constructor(around: Around & Operands, late: LateCode, unit: Unit, quads: QuadFeed | undefined) {
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
    this.#records = new TileRecordCode(around);
  }

  /**
   * BLEND. 'done': that is all of it; 'asked': leaves on the stack whether it is done, if not, the stage must do it; 'stage': it is
   * always the stage's; 'on': it does nothing, and a blend shader is called behind it.
   */
  blend(i: Instruction): 'done' | 'asked' | 'stage' | 'on' {
    const site = blendSite(i);
    if (!site) return 'stage';
    const { code, lanes } = this.#a;
    const channels = channelsOf(i, lanes, (index) => this.#a.register(index));
    if (site.rt < 0) return this.#brought(i, site, channels);
    if (this.#quads) return this.#listed(this.#quads, site, channels);
    code.i32(0).set(this.#done);
    const out = code.block();
    code.get(1).memory('i32_load', FRAME.stage).tee(this.#stage).op('i32_eqz').unlikely().brIf(out);
    const kind = (): Code => code.get(this.#stage).memory('i32_load', site.record + BLEND_RECORD.kind);
    kind().i32(BLEND_KIND.NOTHING).op('i32_eq').tee(this.#done).unlikely().brIf(out);
    kind().i32(BLEND_KIND.CALL).op('i32_ne').unlikely().brIf(out);
    this.#call(this.#ofTarget(site), site, channels, out);
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
      const bits = STAGE.blend + rt * BLEND_RECORD_BYTES + BLEND_RECORD.touch;
      this.#touch(
        () => code.get(this.#stage).memory('i32_load', bits),
        () => code.get(touched).op('v128_any_true'),
      );
    }
  }

  /** BLEND by a descriptor that the shader brings. */
  #brought(i: Instruction, site: BlendSite, channels: readonly Lanes[]): 'asked' {
    const { code, lanes } = this.#a;
    const descriptor = new Lowering(this.#a, i);
    code.i32(0).set(this.#done);
    const out = code.block();
    code.get(1).memory('i32_load', FRAME.stage).tee(this.#stage);
    code.op('i32_eqz').unlikely().brIf(out);
    const kind = REFILL.BLEND | (site.type << 4);
    const record = this.#records.find(kind, descriptor.raw(0, 0), descriptor.raw(0, 1), out);
    const field = (at: number): Code => code.get(this.#a.records).memory('i32_load', record + at);
    field(TILE_RECORD.kind).i32(BLEND_KIND.NOTHING).op('i32_eq').tee(this.#done).unlikely().brIf(out);
    field(TILE_RECORD.kind).i32(BLEND_KIND.CALL).op('i32_ne').unlikely().brIf(out);
    const { slot, words, bytes, touch } = TILE_RECORD;
    const fields = { slot, words, bytes, touch };
    const push = (name: keyof typeof fields): Code => field(fields[name]);
    this.#call(push, site, channels, out);
    code.i32(1).set(this.#done);
    code.end();
    code.get(this.#done);
    lanes.release();
    return 'asked';
  }

  #listed({ ways }: QuadFeed, site: BlendSite, channels: readonly Lanes[]): 'done' | 'asked' | 'stage' | 'on' {
    const { code, lanes } = this.#a;
    const { kind, forms } = wayOf(ways, site.rt);
    if (kind === BLEND_KIND.NOTHING) return 'done';
    if (kind === BLEND_KIND.SHADER) return 'on';
    const form = forms[site.type]!;
    if (form === 'stage') return 'stage';
    if (!ways.direct) code.i32(0).set(this.#done);
    const out = code.block();
    if (form === 'call') this.#call(this.#ofTarget(site), site, channels, out);
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

  /** Pushes what the record of a draw's own descriptor says. */
  #ofTarget({ record, type }: BlendSite): (name: 'slot' | 'words' | 'bytes' | 'touch') => Code {
    const { words, bytes, touch } = BLEND_RECORD;
    const fields = { slot: BLEND_RECORD.slots + 4 * type, words, bytes, touch };
    return (name) => this.#a.code.get(this.#stage).memory('i32_load', record + fields[name]);
  }

  /** Calls the function of a record; to `out` if there is none, or nobody here can test samples. */
  #call(
    push: (name: 'slot' | 'words' | 'bytes' | 'touch') => Code,
    { coverage, rt }: BlendSite,
    channels: readonly Lanes[],
    out: Label,
  ): void {
    const { code, lanes } = this.#a;
    push('slot').set(this.#slot);
    const touched = this.#touched.get(rt);
    // Code for lists has been made knowing that there is one for its target.
    if (touched === undefined) code.get(this.#slot).op('i32_eqz').unlikely().brIf(out);
    this.#covered.emit(coverage, this.#stage, out);
    if (touched === undefined) code.i32(0).set(this.#any);
    for (const [k, samples] of this.#covered.samples.entries()) {
      code.get(samples).op('v128_any_true').if();
      if (touched === undefined) code.i32(1).set(this.#any);
      else code.get(samples).get(touched).op('v128_or').set(touched);
      this.#pixel(k);
      push('bytes').op('i32_mul');
      push('words').op('i32_add');
      code.get(samples);
      for (const channel of channels) channel(k);
      code.get(this.#slot).callIndirect(this.#a.blendType);
      code.end();
    }
    if (touched === undefined)
      this.#touch(
        () => push('touch'),
        () => code.get(this.#any),
      );
    lanes.release();
  }

  /** Marks render targets, if `any` pushes that colours were written; `which` pushes their bits. */
  #touch(which: () => void, any: () => void): void {
    const { code } = this.#a;
    const flags = (): Code => code.get(this.#stage).memory('i32_load', STAGE.flags);
    any();
    code.if();
    flags();
    flags().memory('i32_load');
    which();
    code.op('i32_or').memory('i32_store');
    code.end();
  }

  #pixel(k: number): void {
    pushPixel(this.#a.code, this.#quads, this.#stage, k);
  }
}
