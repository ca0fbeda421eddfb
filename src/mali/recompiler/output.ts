/**
 * Colours of recompiled fragment shaders: BLEND by the draw's own descriptors.
 *
 * A colour that replaces what an RGBA8 tile buffer holds is packed and stored here, quad after quad; all others are
 * handed to the draw's emitted blend function (fragment/wasm/blend.ts), which is called by its number in the record
 * (frame.ts: BLEND_RECORD). Late tests come before (late.ts). Everything else is the fragment stage's, by the interpreter's
 * step. Packing is that of fragment/tile-codec.ts, in singles.
 */
import { SPECIALS } from '../../abi/isa/encoding.ts';
import { pushQuad, storeQuad } from '../fragment/wasm/quad-rows.ts';
import { WARP } from '../fragment/wasm/raster.ts';
import type { Instruction } from '../shader/decode.ts';
import { channelCount } from '../shader/vector.ts';
import type { Code, Label } from '../wasm/builder.ts';
import type { Around } from './access.ts';
import type { Site, Unit } from './flow.ts';
import { BLEND_KIND, BLEND_RECORD, BLEND_RECORD_BYTES, BLEND_TYPES, FRAME, STAGE, TILE_SHIFT } from './frame.ts';
import type { Lanes } from './lanes.ts';
import type { LateCode } from './late.ts';
import type { QuadFeed } from './quad-feed.ts';

const FIRST_BLEND = SPECIALS[0]!.indexOf('blend_descriptor_0');
const TARGETS = 8;

/** The render target whose own descriptor a BLEND names, or -1. */
export function targetOfBlend({ sources, page }: Instruction): number {
  const { kind, index } = sources[0]!;
  const rt = kind === 'special' && page === 0 ? (index >>> 1) - FIRST_BLEND : -1;
  return rt >= 0 && rt < TARGETS && (index & 1) === 0 ? rt : -1;
}

/** Register formats, and the kind of number that they are: raw ones are what the render target has. */
const TYPES: Readonly<Record<string, (typeof BLEND_TYPES)[number]>> = {
  auto: 'raw',
  f32: 'float',
  f16: 'float',
  s32: 'sint',
  s16: 'sint',
  u32: 'uint',
  u16: 'uint',
};

/** A BLEND that has code: its render target, the kind of its numbers, the register of its coverage, and where its record is. */
interface Form {
  readonly rt: number;
  readonly type: number;
  readonly coverage: number;
  readonly record: number;
}

function formOf(i: Instruction): Form | undefined {
  if (i.spec.name !== 'BLEND') return undefined;
  const rt = targetOfBlend(i);
  const { kind, index } = i.sources[1]!;
  const type = BLEND_TYPES.indexOf(TYPES[i.modifiers.regfmt!]!);
  if (rt < 0 || type < 0 || kind !== 'register') return undefined;
  // What a raw channel that is not sent holds is the target's to say.
  if (BLEND_TYPES[type] === 'raw' && channelCount(i.modifiers.vecsize!) < 4) return undefined;
  return { rt, type, coverage: index, record: STAGE.blend + rt * BLEND_RECORD_BYTES };
}

/** Whether its numbers may be stored as bytes. */
const isStored = ({ type }: Form): boolean => BLEND_TYPES[type] === 'float' || BLEND_TYPES[type] === 'raw';

export class OutputCode {
  readonly #a: Around;
  readonly #late: LateCode;
  readonly #quads: QuadFeed | undefined;
  /** Lanes may come to nothing on their way. */
  readonly #discards: boolean;
  /** By render target, in a list's function: whether its colours are stored here; where its words lie. */
  readonly #stored: (readonly [stored: number, words: number] | undefined)[] = [];
  readonly #stage: number;
  readonly #done: number;
  readonly #lanes: number;
  readonly #kind: number;
  readonly #any: number;
  readonly #at: number;
  readonly #old: number;
  readonly #value: number;
  readonly #covered: number[];
  readonly #sites: readonly Site[];

  /** `quads`: the list that warps come from. */
  constructor(around: Around, late: LateCode, { blocks }: Unit, quads: QuadFeed | undefined) {
    this.#a = around;
    this.#late = late;
    this.#quads = quads;
    this.#sites = blocks.flatMap((block) => block.sites);
    this.#discards = this.#sites.some(({ instruction }) => instruction.spec.base === 'DISCARD');
    const { code } = around;
    this.#stage = code.local('i32');
    this.#done = code.local('i32');
    this.#lanes = code.local('i32');
    this.#kind = code.local('i32');
    this.#any = code.local('i32');
    this.#at = code.local('i32');
    this.#old = code.local('v128');
    this.#value = code.local('v128');
    this.#covered = code.locals('v128', around.lanes.vectors);
  }

  /** At the start of a list's function, what is the same for all its warps. */
  open(): void {
    if (!this.#quads) return;
    const { code } = this.#a;
    const { stage } = this.#quads;
    for (const { instruction } of this.#sites) {
      const form = formOf(instruction);
      if (!form || !isStored(form) || this.#stored[form.rt]) continue;
      const [stored, words] = [code.local('i32'), code.local('i32')];
      this.#stored[form.rt] = [stored, words];
      code
        .get(stage)
        .memory('i32_load', form.record + BLEND_RECORD.kind)
        .i32(BLEND_KIND.STORE_RGBA8)
        .op('i32_eq');
      code.get(stage).memory('i32_load', STAGE.direct).op('i32_and').set(stored);
      code
        .get(stage)
        .memory('i32_load', form.record + BLEND_RECORD.words)
        .set(words);
    }
  }

  /**
   * BLEND by the descriptor of a render target. Leaves on the stack whether it is done; if not, the stage must do it. False:
   * nothing is pushed, this form is always the stage's.
   */
  blend(i: Instruction): boolean {
    const { code } = this.#a;
    const form = formOf(i);
    if (!form) return false;
    const { rt, type, coverage, record } = form;
    const channels = this.#channels(i);
    code.i32(0).set(this.#done);
    const out = code.block();
    const stored = isStored(form) ? this.#stored[rt] : undefined;
    if (stored && this.#quads) {
      // What is stored is not asked for again.
      const [yes, words] = stored;
      code.get(this.#quads.stage).set(this.#stage);
      code.get(yes).likely().if();
      this.#direct(coverage);
      this.#store(() => code.get(words), channels);
      this.#touch(record);
      code.br(out).end();
    } else code.get(1).memory('i32_load', FRAME.stage).tee(this.#stage).op('i32_eqz').unlikely().brIf(out);
    code
      .get(this.#stage)
      .memory('i32_load', record + BLEND_RECORD.kind)
      .tee(this.#kind);
    code.i32(BLEND_KIND.NOTHING).op('i32_eq').tee(this.#done).unlikely().brIf(out);
    code.get(this.#kind).i32(BLEND_KIND.STAGE).op('i32_eq').unlikely().brIf(out);
    if (isStored(form) && !stored) {
      code.get(this.#kind).i32(BLEND_KIND.STORE_RGBA8).op('i32_eq').if();
      this.#samples(coverage, out);
      this.#store(() => code.get(this.#stage).memory('i32_load', record + BLEND_RECORD.words), channels);
      code.else();
      this.#call(record, type, coverage, channels, out);
      code.end();
    } else this.#call(record, type, coverage, channels, out);
    this.#touch(record);
    code.end();
    code.get(this.#done);
    this.#a.lanes.release();
    return true;
  }

  /** Marks the render target, if colours were written (#any); BLEND is done. */
  #touch(record: number): void {
    const { code } = this.#a;
    const flags = (): Code => code.get(this.#stage).memory('i32_load', STAGE.flags);
    code.get(this.#any).if();
    flags();
    flags().memory('i32_load');
    code.get(this.#stage).memory('i32_load', record + BLEND_RECORD.touch);
    code.op('i32_or').memory('i32_store');
    code.end();
    code.i32(1).set(this.#done);
  }

  /** Fills #covered where all tests have been made: lanes without effect have no samples in a list's warp. */
  #direct(register: number): void {
    const { code, lanes, mask } = this.#a;
    const coverage = this.#a.register(register);
    for (let k = 0; k < lanes.vectors; k++) {
      coverage(k);
      this.#late.own(this.#stage, k);
      code.op('v128_and').set(this.#covered[k]!);
    }
    if (mask || this.#discards || !this.#quads) this.#effective();
  }

  /** Fills #covered with the samples of lanes that have an effect; to `out` if nobody here can test them. */
  #samples(register: number, out: Label): void {
    const { code, lanes } = this.#a;
    if (this.#quads) this.#quads.pushDirect();
    else code.get(this.#stage).memory('i32_load', STAGE.direct);
    code.likely().if();
    this.#direct(register);
    code.else();
    this.#effect();
    this.#late.left(this.#stage, this.#a.register(register), this.#lanes);
    code.op('i32_eqz').brIf(out);
    for (let k = 0; k < lanes.vectors; k++) {
      code
        .get(this.#stage)
        .memory('i32_load', STAGE.pixels)
        .memory('v128_load', WARP.blended + 16 * k)
        .set(this.#covered[k]!);
    }
    this.#masked();
    code.end();
  }

  /** Fills #lanes with those that run and do not come to nothing. */
  #effect(): void {
    const { code } = this.#a;
    code.get(this.#a.bits).get(this.#a.discarded).i32(-1).op('i32_xor').op('i32_and').set(this.#lanes);
  }

  /** Takes lanes out of #covered that do not run, or come to nothing. */
  #effective(): void {
    this.#effect();
    this.#masked();
  }

  /** Leaves the lanes of #lanes in #covered. */
  #masked(): void {
    const { code, lanes } = this.#a;
    for (let k = 0; k < lanes.vectors; k++) {
      const bits = lanes.words(...[0, 1, 2, 3].map((lane) => 1 << (4 * k + lane)));
      code.get(this.#lanes).op('i32x4_splat');
      bits(k);
      code.op('v128_and');
      bits(k);
      code.op('i32x4_eq').get(this.#covered[k]!).op('v128_and').set(this.#covered[k]!);
    }
  }

  /** The four channels that are sent: as singles, or as integers of 32 bits. Those that are not are 0, 0, 0, 1. */
  #channels(i: Instruction): Lanes[] {
    const { lanes } = this.#a;
    const format = i.modifiers.regfmt!;
    const { register } = i.staging[0]!;
    const count = channelCount(i.modifiers.vecsize!);
    return Array.from({ length: 4 }, (_, c) => {
      if (c >= count) return c < 3 ? lanes.words(0) : TYPES[format] === 'float' ? lanes.single(1) : lanes.words(1);
      if (format.endsWith('32') || format === 'auto') return this.#a.register(register + c);
      const pair = this.#a.register(register + (c >> 1));
      if (format === 'f16') return c & 1 ? lanes.widenHigh(pair) : lanes.widenLow(pair);
      if (format === 'u16') {
        return c & 1 ? lanes.shift('i32x4_shr_u', pair, 16) : lanes.and(pair, lanes.words(0xffff));
      }
      return lanes.shift('i32x4_shr_s', c & 1 ? pair : lanes.shift('i32x4_shl', pair, 16), 16);
    });
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

  /** Stores colours of one byte a channel, quad after quad: four pixels in two rows. #any: whether there were any. */
  #store(words: () => void, channels: readonly Lanes[]): void {
    const { code, lanes } = this.#a;
    const byte = (c: number): Lanes => {
      const scaled = lanes.op('f32x4_add', lanes.op('f32x4_mul', channels[c]!, lanes.single(255)), lanes.single(0.5));
      // NaN becomes 0. Within the range of a byte all hosts convert alike.
      const limited = lanes.op('f32x4_pmin', lanes.op('f32x4_pmax', lanes.words(0), scaled), lanes.single(255));
      return lanes.shift('i32x4_shl', lanes.op('i32x4_relaxed_trunc_f32x4_s', limited), 8 * c);
    };
    const word = lanes.or(lanes.or(byte(0), byte(1)), lanes.or(byte(2), byte(3)));
    code.i32(0).set(this.#any);
    for (let k = 0; k < this.#a.lanes.vectors; k++) {
      code.get(this.#covered[k]!).op('v128_any_true').if();
      code.i32(1).set(this.#any);
      words();
      this.#pixel(k);
      code.i32(2).op('i32_shl').op('i32_add').set(this.#at);
      pushQuad(code, this.#at, 0, 4 << TILE_SHIFT).set(this.#old);
      word(k);
      code.get(this.#old).get(this.#covered[k]!);
      lanes.words(0)(k);
      // Samples are sixteen bits, no sign among them.
      code.op('i32x4_gt_s').op('v128_bitselect').set(this.#value);
      storeQuad(code, this.#at, this.#value, 0, 4 << TILE_SHIFT);
      code.end();
    }
  }

  /** Calls the function of the record; to `out` if there is none. #any: whether a colour has been written. */
  #call(record: number, type: number, coverage: number, channels: readonly Lanes[], out: Label): void {
    const { code, lanes } = this.#a;
    code
      .get(this.#stage)
      .memory('i32_load', record + BLEND_RECORD.slots + 4 * type)
      .tee(this.#kind)
      .op('i32_eqz')
      .brIf(out);
    this.#samples(coverage, out);
    code.i32(0).set(this.#any);
    for (let k = 0; k < lanes.vectors; k++) {
      code.get(this.#covered[k]!).op('v128_any_true').if();
      code.i32(1).set(this.#any);
      this.#pixel(k);
      code
        .get(this.#stage)
        .memory('i32_load', record + BLEND_RECORD.bytes)
        .op('i32_mul');
      code
        .get(this.#stage)
        .memory('i32_load', record + BLEND_RECORD.words)
        .op('i32_add');
      code.get(this.#covered[k]!);
      for (const channel of channels) channel(k);
      code.get(this.#kind).callIndirect(this.#a.blendType);
      code.end();
    }
  }
}
