/**
 * Varyings of recompiled fragment shaders: LD_VAR_BUF_IMM, LD_VAR, LD_VAR_FLAT and their forms with immediates.
 *
 * Vector k of a warp is quad k, so whatever its primitive gives is one value for the whole vector: STAGE.quads[k] says where that is
 * (engine/quads.ts: PRIMITIVE). Where the primitives are `simple` (triangles and lines, records that one extent holds) weights at pixels' centres
 * (weights.ts) and sums are computed here, in the same steps as fragment/interpolation.ts and shader/varying.ts; everywhere
 * else, and for places of samples where there are several, the interpreter's step does the instruction.
 *
 * A list has its weights computed before its first warp (list-weights.ts). Whoever else wants them (retrieving loads that are the interpreter's)
 * finds them in the frame, where they are put before it is called.
 */
import { PRIMITIVE, SIMPLE } from '../engine/quads.ts';
import { channelCount, registerCount, registerFormat } from '../shader/vector.ts';
import type { Code, Label } from '../wasm/builder.ts';
import { type Around, setRegister } from './access.ts';
import type { AttributeCode } from './attribute.ts';
import type { Site, Unit } from './flow.ts';
import { FRAME, STAGE } from './frame.ts';
import { type Lanes, WARP_VECTORS } from './lanes.ts';
import { LIST_WEIGHTS } from './list-weights.ts';
import { placeOf, type QuadFeed } from './quad-feed.ts';
import { VaryingSums } from './varying-sums.ts';
import { fromMemory, WeightCode } from './weights.ts';

const VECTOR_BYTES = 16;

/** Whether an instruction weighs vertices. */
const weighs = ({ instruction: { spec, modifiers } }: Site): boolean =>
  spec.base.startsWith('LD_VAR') && modifiers.sample !== undefined && spec.base !== 'LD_VAR_SPECIAL';

export class VaryingCode {
  readonly #a: Around;
  /** The list that warps come from; undefined: the stage says what the warp in work is. */
  readonly #feed: QuadFeed | undefined;
  #weightCode: WeightCode | undefined;
  readonly #sums: VaryingSums;
  readonly #stage: number;
  /** Of all quads' primitives weights can be computed. */
  readonly #weighable: number;
  readonly #primitive: number;
  readonly #attributes: () => AttributeCode;
  /** Whether any load interpolates here. */
  readonly #any: boolean;
  /** Whether all weights of the warp are those of the pixels' centres. */
  readonly #same: boolean;

  constructor(around: Around, unit: Unit, feed: QuadFeed | undefined, attributes: () => AttributeCode) {
    this.#a = around;
    this.#attributes = attributes;
    this.#feed = feed;
    const { code } = around;
    this.#stage = feed?.stage ?? code.local('i32');
    this.#weighable = code.local('i32');
    this.#primitive = code.local('i32');
    this.#sums = new VaryingSums(
      around,
      feed,
      () => this.#weights,
      (k) => this.#of(k),
    );
    const loads = unit.blocks.flatMap(({ sites }) => sites).filter(weighs);
    this.#any = loads.some(
      (site) => (this.#native(site) && !isFlat(site)) || (byDescriptor(site) && this.#centered(site)),
    );
    this.#same = loads.every((site) => isFlat(site) || this.#centered(site));
  }

  get #weights(): WeightCode {
    this.#weightCode ??= new WeightCode(this.#a.lanes);
    return this.#weightCode;
  }

  /** Whether a list's weights are computed before its first quad is shaded. */
  get #listed(): boolean {
    return this.#feed !== undefined && this.#any && this.#same;
  }

  /** Weights of all of a list, if it has not been begun before. */
  open(): void {
    if (!this.#listed) return;
    const { code } = this.#a;
    const stage = (field: number): Code => code.get(this.#stage).memory('i32_load', field);
    stage(STAGE.weighed).op('i32_eqz').if();
    code.get(this.#stage).i32(1).memory('i32_store', STAGE.weighed);
    stage(STAGE.list);
    stage(STAGE.warp).i32(2).op('i32_shl');
    stage(STAGE.warps).i32(2).op('i32_shl');
    stage(STAGE.left);
    stage(STAGE.top);
    stage(STAGE.weigh).callIndirect(this.#a.functionType(...LIST_WEIGHTS));
    code.end();
  }

  /** Weights of a list's warp: they mean something if its primitives can be weighed. */
  begin(): void {
    if (!this.#feed) return;
    this.#look();
    if (!this.#listed) return;
    const { code } = this.#a;
    this.#feed.pushWeights();
    code.set(this.#primitive);
    for (const [v, vectors] of this.#weights.weights.entries()) {
      for (const [k, local] of vectors.entries()) {
        code
          .get(this.#primitive)
          .memory('v128_load', this.#feed.weightsOf(k) + v * VECTOR_BYTES)
          .set(local);
      }
    }
  }

  /** Finds out whether all quads' primitives can be weighed. */
  #look(): void {
    const { code, lanes } = this.#a;
    for (let k = 0; k < lanes.vectors; k++) {
      this.#of(k);
      code.memory('i32_load', PRIMITIVE.simple);
      if (k > 0) code.op('i32_and');
    }
    code.i32(SIMPLE.WEIGHTS).op('i32_and').set(this.#weighable);
  }

  /** Pushes the scratch address of vector k's primitive. */
  #of(k: number): void {
    const { code } = this.#a;
    if (this.#feed) code.get(this.#feed.primitive[k]!);
    else code.get(this.#stage).memory('i32_load', STAGE.quads + 4 * k);
  }

  /** Whether a load may be of pixels' centres: it names them, or whatever it names may be them. */
  #centered(site: Site): boolean {
    return site.instruction.modifiers.sample !== 'explicit' && (!elsewhere(site) || !this.#feed?.ways.multisampled);
  }

  /** Whether this form of an instruction is done here, where primitives are simple. */
  #native(site: Site): boolean {
    const { instruction: i } = site;
    // Offsets in registers may differ from lane to lane.
    if (i.spec.base !== 'LD_VAR_BUF_IMM' || (!isFlat(site) && !this.#centered(site))) return false;
    // Flat words narrowed to 16 bits are clamped as integers: seldom, and the interpreter's.
    const source = i.modifiers.sourceFormat!;
    return !source.startsWith('src_flat') || (i.spec.type === 'f16') === source.endsWith('16');
  }

  /** Emits a varying load. False: this form is the interpreter's. */
  emit(site: Site): boolean {
    const { instruction: i } = site;
    const { code, lanes } = this.#a;
    if ((byDescriptor(site) && this.#centered(site)) || flatByDescriptor(site)) {
      this.#descriptor(site);
      return true;
    }
    if (!this.#native(site)) {
      if (weighs(site) && i.modifiers.update === 'retrieve') this.#keepIfSimple();
      return false;
    }
    const channels = i.modifiers.vecsize === 'none' ? 1 : Number(i.modifiers.vecsize![1]);
    const halfSource = i.modifiers.sourceFormat!.endsWith('16');
    const flat = isFlat(site);
    const half = i.spec.type === 'f16';
    const offset = i.immediates.index!;
    const bytes = channels * (halfSource ? 2 : 4);
    const { register } = i.staging[0]!;

    const done = code.block();
    const slow = code.block();
    if (!this.#feed) {
      code.get(1).memory('i32_load', FRAME.stage).tee(this.#stage).op('i32_eqz').unlikely().brIf(slow);
    }
    if (!flat) this.#atCenters(site, slow);
    // There are no bytes where primitives are not simple.
    for (let k = 0; k < lanes.vectors; k++) {
      this.#of(k);
      code
        .memory('i32_load', PRIMITIVE.varyingBytes)
        .i32(offset + bytes)
        .op('i32_lt_u')
        .unlikely()
        .brIf(slow);
    }
    if (!flat) this.#weighed(i);
    const at = Array.from({ length: channels }, (_, c) => offset + c * (halfSource ? 2 : 4));
    if (flat) this.#sums.provoked(at, halfSource);
    else this.#sums.weighted(at, halfSource);
    for (let k = 0; k < lanes.vectors; k++) {
      for (let c = 0; c < channels; c++) {
        if (!half) {
          code.get(this.#sums.value(k, c));
          setRegister(this.#a, register + c, k);
        } else if (c % 2 === 1 || c === channels - 1) this.#pair(register + (c >> 1), k, c, flat);
      }
    }
    code.br(done);
    code.end();
    if (i.modifiers.update === 'retrieve') this.#keepIfSimple();
    this.#a.interpret(site);
    if (half && !flat) this.#meet(register, channels, false);
    code.end();
    if (half && !flat) this.#meet(register, channels, true);
    return true;
  }

  /** Where no list says it: to `slow` unless the place that a load names is the pixel's centre. */
  #atCenters(site: Site, slow: Label): void {
    if (this.#feed || !elsewhere(site)) return;
    const { code, lanes } = this.#a;
    for (let k = 0; k < lanes.vectors; k++) {
      this.#of(k);
      code.memory('i32_load', PRIMITIVE.simple);
      if (k > 0) code.op('i32_and');
    }
    code.i32(SIMPLE.CENTERS).op('i32_and').op('i32_eqz').unlikely().brIf(slow);
  }

  /**
   * A load through an attribute's descriptor: the vertices' values are fetched like attributes, their numbers being their slots; so
   * frame shaders read their coordinates. It needs no records of the vertices.
   */
  #descriptor(site: Site): void {
    const { instruction: i } = site;
    const { code, lanes } = this.#a;
    const flat = flatByDescriptor(site);
    const channels = channelCount(i.modifiers.vecsize!);
    const { register } = i.staging[0]!;
    const half = !flat && i.modifiers.regfmt === 'f16';
    const vertex: Lanes = (k) => {
      this.#of(k);
      code.memory('v128_load', PRIMITIVE.slots);
    };
    const check = (slow: Label): void => {
      if (!this.#feed) {
        code.get(1).memory('i32_load', FRAME.stage).tee(this.#stage).op('i32_eqz').unlikely().brIf(slow);
        this.#look();
        if (!flat) this.#atCenters(site, slow);
      }
      code.get(this.#weighable).op('i32_eqz').unlikely().brIf(slow);
    };
    // What the interpreter's step retrieves must be there, should it be called.
    if (i.modifiers.update === 'retrieve') this.#keepIfSimple();
    const finish = (results: readonly (readonly number[])[]): void => {
      if (flat) {
        this.#flat(site, results);
        return;
      }
      this.#weighed(i);
      for (let k = 0; k < lanes.vectors; k++) {
        for (let c = 0; c < channels; c++) {
          const corners = results[c]![k]!;
          const steps = this.#sums.value(k, c);
          code.get(corners).get(corners).get(corners).shuffle32(0, 0, 0, 0).op('f32x4_sub').set(steps);
          this.#sums.push(k, (v) => {
            const of = v === 0 ? corners : steps;
            code.get(of).get(of).shuffle32(v, v, v, v);
          });
          if (!half) setRegister(this.#a, register + c, k);
          else {
            code.set(this.#sums.value(k, c));
            if (c % 2 === 1 || c === channels - 1) this.#pair(register + (c >> 1), k, c, false);
          }
        }
      }
    };
    this.#attributes().ofVertices({
      ...{ site, channels, vertex, check, finish },
      format: flat ? i.modifiers.regfmt! : 'f32',
      // LD_VAR has the place of a sample before its handle.
      source: i.spec.base.endsWith('_IMM') ? undefined : flat ? 0 : 1,
      interpreted: half ? () => this.#meet(register, channels, false) : undefined,
    });
    if (half) this.#meet(register, channels, true);
  }

  /** Writes what the provoking vertices have, as registers hold it. */
  #flat({ instruction: i }: Site, results: readonly (readonly number[])[]): void {
    const { code, lanes } = this.#a;
    const { register } = i.staging[0]!;
    const format = registerFormat(i.modifiers.regfmt!);
    const channels = channelCount(i.modifiers.vecsize!);
    const registers = registerCount(format, channels);
    for (let k = 0; k < lanes.vectors; k++) {
      for (let r = 0; r < registers; r++) {
        this.#provoking(k, results[r]![k]!);
        // The last of an odd number of 16-bit channels leaves the other half of its register.
        if (format.bits === 16 && channels % 2 === 1 && r === registers - 1) {
          const old = this.#a.locals(register + r)[k]!;
          lanes.and(() => code.get(old), lanes.words(0xffff0000))(k);
          code.op('v128_or');
        }
        setRegister(this.#a, register + r, k);
      }
    }
  }

  /** Pushes the provoking vertex's lane of a vector in all lanes. */
  #provoking(k: number, corners: number): void {
    const { code } = this.#a;
    const which = (): void => {
      this.#of(k);
      code.memory('i32_load', PRIMITIVE.provokingVertex);
    };
    const lane = (v: number): void => {
      code.get(corners).lane('i32x4_extract_lane', v);
    };
    lane(2);
    lane(1);
    which();
    code.i32(2).op('i32_eq').op('select');
    lane(0);
    which();
    code.op('select').op('i32x4_splat');
  }

  /** Sees to it that the weights are those that an instruction asks for. */
  #weighed(i: Site['instruction']): void {
    if (this.#feed && this.#same) return;
    if (i.modifiers.update === 'retrieve') this.#retrieve();
    else {
      this.#weigh();
      this.#keep();
    }
  }

  /** Makes what the fast way has remembered of halves known: the slow way widens them, then both have met. */
  #meet(register: number, channels: number, met: boolean): void {
    const { halves, vectors } = this.#a.lanes;
    for (let c = 0; c < channels; c++) {
      const locals = this.#a.locals(register + (c >> 1));
      if (met) halves.meet(locals, c % 2 === 1);
      else for (let k = 0; k < vectors; k++) halves.fill(locals, k, c % 2 === 1);
    }
    this.#a.lanes.release();
  }

  /** Writes one or two channels of 16 bits, the last of which is `channel`, to a register. */
  #pair(register: number, k: number, channel: number, flat: boolean): void {
    const { code, lanes } = this.#a;
    const both = channel % 2 === 1;
    const narrow = (local: number): Lanes => {
      const value: Lanes = () => code.get(local);
      return flat ? lanes.and(value, lanes.words(0xffff)) : lanes.narrow(value);
    };
    const low = narrow(this.#sums.value(k, both ? channel - 1 : channel));
    const old = this.#a.locals(register)[k]!;
    // Of one half alone the upper one stays.
    const word = both
      ? lanes.pair(low, narrow(this.#sums.value(k, channel)))
      : lanes.or(
          low,
          lanes.and(() => code.get(old), lanes.words(0xffff0000)),
        );
    word(k);
    setRegister(this.#a, register, k);
    if (!both) word.halves = { low: low.single, high: undefined };
    this.#a.shadow(register, word, k, both ? 'both' : 'low');
    lanes.release();
  }

  /** Weights at the pixels' centres. */
  #weigh(): void {
    for (let k = 0; k < this.#a.lanes.vectors; k++) {
      const place = placeOf(this.#a.code, this.#feed, this.#stage, k);
      this.#weights.emit(
        k,
        fromMemory(this.#a.code, () => this.#of(k), place('x'), place('y')),
      );
    }
  }

  #at(v: number, k: number): number {
    return FRAME.weights + (v * WARP_VECTORS + k) * VECTOR_BYTES;
  }

  /** Fetches the weights that an earlier load has kept. */
  #retrieve(): void {
    for (const [v, vectors] of this.#weights.weights.entries()) {
      for (const [k, local] of vectors.entries()) this.#a.code.get(1).memory('v128_load', this.#at(v, k)).set(local);
    }
  }

  /** Keeps the weights for instructions that retrieve them. */
  #keep(mask = this.#a.mask): void {
    const { code } = this.#a;
    for (const [v, vectors] of this.#weights.weights.entries()) {
      for (const [k, local] of vectors.entries()) {
        code.get(1).get(local);
        if (mask?.[k] !== undefined) code.get(1).memory('v128_load', this.#at(v, k)).get(mask[k]).op('v128_bitselect');
        code.memory('v128_store', this.#at(v, k));
      }
    }
  }

  /** For whoever takes a list's warp over, and may retrieve them. */
  save(): void {
    this.#keepIfSimple();
  }

  /** The same for an instruction of the interpreter's, where earlier loads have kept none as all have the same. */
  #keepIfSimple(): void {
    if (!this.#feed || !this.#any || !this.#same) return;
    const { code } = this.#a;
    code.get(this.#weighable);
    code.if();
    // They are those of all lanes, also of such as wait elsewhere.
    this.#keep([]);
    code.end();
  }
}

const isFlat = ({ instruction }: Site): boolean => instruction.modifiers.sourceFormat?.startsWith('src_flat') === true;

/** Whether a load names places that are a pixel's centre only where there are no samples. */
const elsewhere = ({ instruction: { modifiers } }: Site): boolean => modifiers.sample !== 'center';

const FLOATS: ReadonlySet<string> = new Set(['f32', 'f16', 'auto']);

/** Whether an instruction interpolates what a descriptor's buffer holds, in a form that is done here. */
const byDescriptor = ({ instruction: { spec, modifiers } }: Site): boolean =>
  (spec.base === 'LD_VAR_IMM' || spec.base === 'LD_VAR') &&
  modifiers.sample !== 'explicit' &&
  FLOATS.has(modifiers.regfmt!);

/** The same of one that takes the provoking vertex's. */
const flatByDescriptor = ({ instruction: { spec } }: Site): boolean =>
  spec.base === 'LD_VAR_FLAT_IMM' || spec.base === 'LD_VAR_FLAT';
