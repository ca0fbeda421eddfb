/**
 * Texture instructions of recompiled code: the emitted sampler (mali/texture/emit.ts) is called from the shader's function.
 *
 * Each instruction has a record in scratch memory: texture and sampler handle as its source has them, the run's epoch, and the
 * sampler's number in the table of functions with its binding. It fits where all lanes that want a result bring those handles
 * in that epoch, which ends with the run and with each generation of translations. Where it does not fit, script looks the
 * sampler up (`refillTexture`). What constant handles name (texture-handles.ts) is known for a whole call of the function: they share a
 * record, which is looked at once, at the start. What has no emitted sampler, lanes with different handles, and what faults is the
 * interpreter's step.
 *
 * Operands go through a block in scratch memory, and the results come back there (mali/texture/operands.ts).
 */
import { CONSTANTS } from '../../abi/isa/encoding.ts';
import { scratch } from '../engine/scratch.ts';
import type { TextureKind } from '../shader/contract.ts';
import type { Instruction } from '../shader/decode.ts';
import { splitHandles, type TextureForm, textureForm } from '../shader/texture-ops.ts';
import type { WarpState } from '../shader/warp.ts';
import { CHANNEL_BYTES, OPERAND, OPERANDS_AT } from '../texture/operands.ts';
import type { Callable, Code, Label, TypeIndex } from '../wasm/builder.ts';
import { type Around, setRegister } from './access.ts';
import type { Site, Unit } from './flow.ts';
import { FRAME, TEXTURE_RECORD } from './frame.ts';
import type { Lanes } from './lanes.ts';
import { Remembered } from './remembered.ts';
import { constantHandles, type Handle } from './texture-handles.ts';
import { unlessFault } from './unless-fault.ts';

const VECTOR_BYTES = 16;

/** What the program around tells besides. */
export interface AroundTextures extends Around {
  readonly unit: Unit;
  /** bind(number of what is wanted, record, lanes that do not fit) → whether the record is a new one. */
  readonly bind: Callable;
  /** The type of samplers. */
  readonly sampler: TypeIndex;
  /** What is wanted, by number. */
  readonly wants: TextureWant[];
}

/** What a record is filled for. */
export interface TextureWant {
  readonly kind: TextureKind;
  readonly wide: boolean;
  /** 16-bit results are narrowed as floats, or as integers. Undefined: they are not narrowed. */
  readonly narrow: 'float' | 'integer' | undefined;
}
/** Fills a record for the handles of the first lane of `failing`. 0: the interpreter must see the instruction. */
export function refillTexture(w: WarpState, want: TextureWant, record: number, failing: number): number {
  const { kind, wide, narrow } = want;
  const words = scratch.i32;
  const lane = 31 - Math.clz32(failing & -failing);
  const low = words[(w.frame + FRAME.low) / 4 + lane]!;
  const high = words[(w.frame + FRAME.high) / 4 + lane]!;
  const { texture, sampler } = splitHandles(low, high, wide);
  const at = record / 4;
  words[at + TEXTURE_RECORD.time / 4] = w.run.epoch;
  words[at + TEXTURE_RECORD.low / 4] = low;
  words[at + TEXTURE_RECORD.high / 4] = high;
  words[at + TEXTURE_RECORD.slot / 4] = 0;
  const call = unlessFault(() => w.run.textures.call(w.run.environment, kind, texture, sampler));
  if (!call || (narrow && (call.result === 'float') !== (narrow === 'float'))) return 1;
  words[at + TEXTURE_RECORD.slot / 4] = call.slot;
  words[at + TEXTURE_RECORD.binding / 4] = call.record;
  return 1;
}

/** What is known of a constant handle: its record, and locals of the sampler's number (UNKNOWN: the record is not of this epoch) and binding. */
interface Fixed {
  readonly record: number;
  readonly slot: number;
  readonly binding: number;
}
const UNKNOWN = -1;

export class TextureCode {
  readonly #a: AroundTextures;
  readonly #constants: ReadonlyMap<Site, Handle>;
  readonly #fixed = new Map<string, Fixed>();
  readonly #wanted: number;
  readonly #remembered: Remembered;

  constructor(around: AroundTextures) {
    this.#a = around;
    const { code } = around;
    this.#constants = constantHandles(around.unit);
    this.#wanted = code.local('i32');
    this.#remembered = new Remembered(around);
  }

  /** Emits a texture instruction. False: this form is the interpreter's. */
  emit(site: Site): boolean {
    const i = site.instruction;
    const form = textureForm(i);
    if (!form || i.sources[0]!.kind === 'special') return false;
    const { code, bits, discarded } = this.#a;
    const wide = i.modifiers.wide_indices === 'wide_indices';
    const narrow = form.bits === 32 ? undefined : isInteger(form) ? 'integer' : 'float';
    const number = this.#numberOf({ kind: form.kind, wide, narrow });
    code.get(bits);
    if (form.skip) code.get(discarded).i32(-1).op('i32_xor').op('i32_and');
    code.tee(this.#wanted).likely().if();
    const handle = this.#constants.get(site);
    if (handle) this.#byConstant(site, form, number, handle);
    else this.#byLanes(site, form, number, wide);
    if (form.skip) {
      code.else();
      this.#meet(form, false);
    }
    code.end();
    this.#meet(form, true);
    return true;
  }

  /** Equal wants have one number. */
  #numberOf(want: TextureWant): number {
    const { wants } = this.#a;
    const same = ({ kind, wide, narrow }: TextureWant): boolean =>
      kind === want.kind && wide === want.wide && narrow === want.narrow;
    const known = wants.findIndex(same);
    return known < 0 ? wants.push(want) - 1 : known;
  }

  /** Where lanes bring handles. */
  #byLanes(site: Site, form: TextureForm, number: number, wide: boolean): void {
    const i = site.instruction;
    const { code, bind } = this.#a;
    const record = this.#a.record();
    this.#remembered.emit(site, {
      record,
      kind: number,
      refill: bind,
      inputs: [
        [this.#handle(i, 0), FRAME.low],
        [this.#handle(i, 1), FRAME.high],
      ],
      check: () => this.#check(i, record, wide),
      finish: (slow) => {
        const field = (at: number) => () => void code.get(this.#a.records).memory('i32_load', record + at);
        field(TEXTURE_RECORD.slot)();
        code.op('i32_eqz').brIf(slow);
        this.#call(form, field(TEXTURE_RECORD.binding), field(TEXTURE_RECORD.slot), slow);
      },
      interpreted: () => this.#meet(form, false),
    });
  }

  #byConstant(site: Site, form: TextureForm, number: number, handle: Handle): void {
    const { code, lanes, bind, records } = this.#a;
    const { record, slot, binding } = this.#fixedOf(number, handle);
    const done = code.block();
    const slow = code.block();
    code.get(slot).i32(UNKNOWN).op('i32_eq').unlikely().if();
    for (const [word, at] of [
      [handle.low, FRAME.low],
      [handle.high, FRAME.high],
    ] as const) {
      for (let k = 0; k < lanes.vectors; k++) {
        code.get(1);
        lanes.words(word)(k);
        code.memory('v128_store', at + VECTOR_BYTES * k);
      }
    }
    code.i32(number).get(records).i32(record).op('i32_add').get(this.#wanted).call(bind).op('drop');
    code
      .get(records)
      .memory('i32_load', record + TEXTURE_RECORD.slot)
      .set(slot);
    code
      .get(records)
      .memory('i32_load', record + TEXTURE_RECORD.binding)
      .set(binding);
    code.end();
    code.get(slot).op('i32_eqz').brIf(slow);
    this.#call(
      form,
      () => code.get(binding),
      () => code.get(slot),
      slow,
    );
    code.br(done);
    code.end();
    this.#a.interpret(site);
    this.#meet(form, false);
    code.end();
  }

  /** What is known of a constant handle for a kind of instruction; looked at when the function begins. */
  #fixedOf(number: number, { low, high }: Handle): Fixed {
    const key = `${number} ${low} ${high}`;
    const known = this.#fixed.get(key);
    if (known) return known;
    const { code } = this.#a;
    const [slot, binding] = code.locals('i32', 2);
    const record = this.#a.record();
    const frame = (at: number): Code => code.get(1).memory('i32_load', at);
    const field = (at: number): Code => frame(FRAME.records).memory('i32_load', record + at);
    code.before(() => {
      field(TEXTURE_RECORD.slot).i32(UNKNOWN);
      field(TEXTURE_RECORD.time);
      frame(FRAME.epoch).op('i32_eq').op('select').set(slot);
      field(TEXTURE_RECORD.binding).set(binding);
    });
    const fixed = { record, slot, binding };
    this.#fixed.set(key, fixed);
    return fixed;
  }

  /** Calls the sampler. */
  #call(form: TextureForm, binding: () => void, slot: () => void, slow: Label): void {
    const { code, bits, sampler } = this.#a;
    this.#operands(form);
    binding();
    code.i32(OPERANDS_AT).get(bits);
    slot();
    code.callIndirect(sampler).unlikely().brIf(slow);
    this.#results(form);
  }

  /** Whether the singles of 16-bit results are known beside their registers. */
  #remembers(form: TextureForm): boolean {
    return form.bits === 16 && !isInteger(form) && !this.#a.mask;
  }

  /** What the fast way has remembered of halves is made known where it has not been taken, and then behind both (`met`). */
  #meet(form: TextureForm, met: boolean): void {
    if (!this.#remembers(form)) return;
    const { halves, vectors } = this.#a.lanes;
    for (const n of form.channels.keys()) {
      const locals = this.#a.locals(form.result + (n >> 1));
      const high = n % 2 === 1;
      if (met) halves.meet(locals, high);
      else for (let k = 0; k < vectors; k++) halves.fill(locals, k, high);
    }
    this.#a.lanes.release();
  }

  /** A word of the source that names texture and sampler. */
  #handle(i: Instruction, word: number): Lanes {
    const { kind, index } = i.sources[0]!;
    if (kind === 'register') return this.#a.register(index + word);
    if (kind === 'uniform') return this.#a.uniform(index + word);
    return this.#a.lanes.words(word ? 0 : CONSTANTS[index]!);
  }

  /** Finds which lanes do not fit the record. */
  #check(i: Instruction, record: number, wide: boolean): void {
    const { code, lanes } = this.#a;
    const field = (at: number) => () => {
      code.get(this.#a.records).memory('v128_load32_splat', record + at);
    };
    const low = lanes.op('i32x4_eq', this.#handle(i, 0), field(TEXTURE_RECORD.low));
    const same = wide ? lanes.and(low, lanes.op('i32x4_eq', this.#handle(i, 1), field(TEXTURE_RECORD.high))) : low;
    if (i.sources[0]!.kind === 'register') lanes.bitmask(same);
    else {
      // All lanes have the same.
      code.i32(0);
      same(0);
      code.lane('i32x4_extract_lane', 0).op('i32_or');
    }
    this.#remembered.current(record + TEXTURE_RECORD.time, FRAME.epoch);
    code.i32(-1).op('i32_xor').get(this.#wanted).op('i32_and').set(this.#remembered.failing);
  }

  #operands({ x, y, z, array, shadow, offset, lod, gradient, deltas }: TextureForm): void {
    const { code } = this.#a;
    const places: (readonly [register: number, at: number])[] = [
      [x, OPERAND.x],
      [y, OPERAND.y],
      [z, OPERAND.z],
      [array, OPERAND.array],
      [shadow, OPERAND.shadow],
      [offset, OPERAND.offset],
      [lod, OPERAND.lod],
      [gradient, OPERAND.lod],
      ...deltas.map((register, n) => [register, n * CHANNEL_BYTES] as const),
    ];
    for (const [register, at] of places) {
      if (register < 0) continue;
      for (const [k, local] of this.#a.locals(register).entries()) {
        code
          .i32(OPERANDS_AT)
          .get(local)
          .memory('v128_store', at + VECTOR_BYTES * k);
      }
    }
  }

  /** Results into registers. */
  #results(form: TextureForm): void {
    const { code, lanes } = this.#a;
    const { channels, result } = form;
    const channel =
      (c: number): Lanes =>
      (k) =>
        code.i32(OPERANDS_AT).memory('v128_load', OPERAND.result + c * CHANNEL_BYTES + VECTOR_BYTES * k);
    const write = (register: number, value: Lanes, k: number): void => {
      value(k);
      setRegister(this.#a, register, k);
    };
    if (form.bits === 32) {
      for (const [n, c] of channels.entries()) {
        for (let k = 0; k < lanes.vectors; k++) write(result + n, channel(c), k);
      }
      return;
    }
    const narrow = (c: number): Lanes =>
      isInteger(form) ? lanes.and(channel(c), lanes.words(0xffff)) : lanes.narrow(channel(c));
    for (let n = 0; n < channels.length; n += 2) {
      const register = result + (n >> 1);
      const high = channels[n + 1];
      const old: Lanes = lanes.and(this.#a.register(register), lanes.words(0xffff0000));
      const low = narrow(channels[n]!);
      const word = high === undefined ? lanes.or(low, old) : lanes.pair(low, narrow(high));
      if (high === undefined) word.halves = { low: low.single, high: undefined };
      for (let k = 0; k < lanes.vectors; k++) {
        write(register, word, k);
        if (this.#remembers(form)) this.#a.shadow(register, word, k, high === undefined ? 'low' : 'both');
      }
      lanes.release();
    }
  }
}

const isInteger = ({ type }: TextureForm): boolean => type === 'sint' || type === 'uint';
