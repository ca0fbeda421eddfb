/**
 * Texture instructions of recompiled code: the emitted sampler (mali/texture/emit.ts) is called from the shader's function.
 *
 * Each instruction has a record in scratch memory: texture and sampler handle as its source has them, the run's epoch, and the
 * sampler's number in the table of functions with its binding. It fits where all lanes that want a result bring those handles
 * in that epoch, which ends with the run and with each generation of translations. Where it does not fit, script looks the
 * sampler up (`refillTexture`). What has no emitted sampler, lanes with different handles, and what faults is the
 * interpreter's step.
 *
 * Operands go through a block in scratch memory, and the results come back there (mali/texture/operands.ts).
 */
import { CONSTANTS } from '../../abi/isa/encoding.ts';
import { GpuFault } from '../contract.ts';
import { scratch } from '../engine/scratch.ts';
import type { TextureKind } from '../shader/contract.ts';
import type { Instruction } from '../shader/decode.ts';
import { splitHandles, type TextureForm, textureForm } from '../shader/texture-ops.ts';
import type { WarpState } from '../shader/warp.ts';
import { CHANNEL_BYTES, OPERAND, OPERANDS_AT } from '../texture/operands.ts';
import type { Callable, TypeIndex } from '../wasm/builder.ts';
import type { Around } from './access.ts';
import type { Site } from './flow.ts';
import { FRAME, TEXTURE_RECORD } from './frame.ts';
import type { Lanes } from './lanes.ts';
import { Remembered } from './remembered.ts';

const VECTOR_BYTES = 16;

/** What the program around tells besides. */
export interface AroundTextures extends Around {
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
  try {
    const call = w.run.textures.call(w.run.environment, kind, texture, sampler);
    if (!call || (narrow && (call.result === 'float') !== (narrow === 'float'))) return 1;
    words[at + TEXTURE_RECORD.slot / 4] = call.slot;
    words[at + TEXTURE_RECORD.binding / 4] = call.record;
  } catch (error) {
    // The interpreter meets it again, in the lane and at the place where it belongs.
    if (!(error instanceof GpuFault)) throw error;
  }
  return 1;
}

export class TextureCode {
  readonly #a: AroundTextures;
  readonly #wanted: number;
  readonly #remembered: Remembered;

  constructor(around: AroundTextures) {
    this.#a = around;
    const { code } = around;
    this.#wanted = code.local('i32');
    this.#remembered = new Remembered(around);
  }

  /** Emits a texture instruction. False: this form is the interpreter's. */
  emit(site: Site): boolean {
    const i = site.instruction;
    const form = textureForm(i);
    if (!form || i.sources[0]!.kind === 'special') return false;
    const { code, bits, discarded, bind, sampler } = this.#a;
    const record = this.#a.record();
    const wide = i.modifiers.wide_indices === 'wide_indices';
    const narrow = form.bits === 32 ? undefined : isInteger(form) ? 'integer' : 'float';
    const number = this.#a.wants.push({ kind: form.kind, wide, narrow }) - 1;
    code.get(bits);
    if (form.skip) code.get(discarded).i32(-1).op('i32_xor').op('i32_and');
    code.tee(this.#wanted).likely().if();
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
        code
          .get(this.#a.records)
          .memory('i32_load', record + TEXTURE_RECORD.slot)
          .op('i32_eqz')
          .brIf(slow);
        this.#operands(form);
        code
          .get(this.#a.records)
          .memory('i32_load', record + TEXTURE_RECORD.binding)
          .i32(OPERANDS_AT);
        code.get(bits);
        code
          .get(this.#a.records)
          .memory('i32_load', record + TEXTURE_RECORD.slot)
          .callIndirect(sampler)
          .brIf(slow);
        this.#results(form);
      },
      interpreted: () => this.#meet(form, false),
    });
    if (form.skip) {
      code.else();
      this.#meet(form, false);
    }
    code.end();
    this.#meet(form, true);
    return true;
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
    code
      .i32(0)
      .get(this.#a.records)
      .memory('i32_load', record + TEXTURE_RECORD.time)
      .get(1)
      .memory('i32_load', FRAME.epoch);
    code.op('i32_eq').op('i32_sub').op('i32_and').i32(-1).op('i32_xor');
    code.get(this.#wanted).op('i32_and').set(this.#remembered.failing);
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
    const { code, lanes, mask } = this.#a;
    const { channels, result } = form;
    const channel =
      (c: number): Lanes =>
      (k) =>
        code.i32(OPERANDS_AT).memory('v128_load', OPERAND.result + c * CHANNEL_BYTES + VECTOR_BYTES * k);
    const write = (register: number, value: Lanes, k: number): void => {
      const local = this.#a.locals(register)[k]!;
      value(k);
      if (mask) code.get(local).get(mask[k]!).op('v128_bitselect');
      code.set(local);
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
