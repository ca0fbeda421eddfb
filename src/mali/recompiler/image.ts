/**
 * Images in recompiled code: LEA_TEX, LD_TEX.
 *
 * Addresses are found by a function for the image's order of texels (texel-address.ts), texels are loaded by the emitted sampler of TEX_FETCH
 * (mali/texture/emit.ts). Both are called by numbers in records, so a shader's code depends on no descriptor. Where a record does not
 * serve (another image or another layer in each lane, formats without an emitted form, a fault) the instruction is the interpreter's step,
 * before anything has happened.
 */
import type { Instruction } from '../shader/decode.ts';
import { channelCount, registerFormat } from '../shader/vector.ts';
import { CHANNEL_BYTES, OPERAND, OPERANDS_AT } from '../texture/operands.ts';
import type { Code } from '../wasm/builder.ts';
import { setRegister } from './access.ts';
import type { Site } from './flow.ts';
import { FRAME, REFILL, TEXEL, TEXEL_LOAD, TEXEL_RECORDS } from './frame.ts';
import type { Lanes, NumberKind } from './lanes.ts';
import { Lowering, type Operands, readable } from './lowering.ts';
import { leaveIfStale, named } from './named.ts';
import { Remembered } from './remembered.ts';
import { ADDRESS_TYPE } from './texel-address.ts';
import type { AroundTextures } from './texture.ts';

/** LEA_TEX's results: two words of address, and one that names the format. */
const ADDRESS_WORDS = 2;
const VECTOR_BYTES = 16;

export class ImageCode {
  readonly #a: AroundTextures & Operands;
  readonly #remembered: Remembered;
  readonly #found: readonly number[][];

  constructor(around: AroundTextures & Operands) {
    this.#a = around;
    const { code, lanes } = around;
    this.#remembered = new Remembered(around);
    this.#found = Array.from({ length: ADDRESS_WORDS }, () => code.locals('v128', lanes.vectors));
  }

  /** Emits an instruction. False: this form is the interpreter's. */
  emit(site: Site): boolean {
    const i = site.instruction;
    if (!readable(i)) return false;
    if (i.spec.base.startsWith('LD_')) this.#load(site);
    else this.#address(site);
    return true;
  }

  #load(site: Site): void {
    const { code, lanes, bits, refill, records, sampler } = this.#a;
    const i = site.instruction;
    const x = new Lowering(this.#a, i);
    const [xy, zw] = [x.raw(0), x.raw(1)];
    const what = named(x);
    const record = this.#a.record();
    const field = (at: number): Code => code.get(records).memory('i32_load', record + at);
    this.#remembered.emit(site, {
      record,
      kind: REFILL.TEXEL_LOAD,
      refill,
      inputs: [[what.handle, FRAME.third]],
      check: () => {
        const stale = code.block();
        code.get(bits).set(this.#remembered.failing);
        leaveIfStale(this.#a, { time: record + TEXEL_LOAD.time, known: record + TEXEL_LOAD.handle }, what, bits, stale);
        code.i32(0).set(this.#remembered.failing);
        code.end();
      },
      finish: (slow) => {
        field(TEXEL_LOAD.slot).op('i32_eqz').brIf(slow);
        const slice = lanes.and(zw, lanes.words(0xffff));
        const y = lanes.shift('i32x4_shr_u', xy, 16);
        const outside = lanes.or(
          lanes.and(y, this.#field(record + TEXEL_LOAD.y)),
          lanes.and(slice, this.#field(record + TEXEL_LOAD.slice)),
        );
        // No column has this number.
        const nowhere = lanes.op('i32x4_ne', outside, lanes.words(0));
        const operands: (readonly [value: Lanes, at: number])[] = [
          [lanes.or(lanes.and(xy, lanes.words(0xffff)), nowhere), OPERAND.x],
          [y, OPERAND.y],
          [slice, OPERAND.z],
          [lanes.shift('i32x4_shr_u', zw, 16), OPERAND.array],
          [lanes.shift('i32x4_shl', zw, 16), OPERAND.offset],
        ];
        for (const [value, at] of operands) {
          for (let k = 0; k < lanes.vectors; k++) {
            code.i32(OPERANDS_AT);
            value(k);
            code.memory('v128_store', at + VECTOR_BYTES * k);
          }
        }
        field(TEXEL_LOAD.binding).i32(OPERANDS_AT).get(bits);
        field(TEXEL_LOAD.slot).callIndirect(sampler).unlikely().brIf(slow);
        this.#loaded(i);
      },
    });
  }

  /** What a sampler has answered, as registers hold it. */
  #loaded(i: Instruction): void {
    const { code, lanes } = this.#a;
    const { register } = i.staging[0]!;
    const { type, bits } = registerFormat(i.modifiers.regfmt!);
    const channels = channelCount(i.modifiers.vecsize!);
    const channel =
      (c: number): Lanes =>
      (k) =>
        code.i32(OPERANDS_AT).memory('v128_load', OPERAND.result + c * CHANNEL_BYTES + VECTOR_BYTES * k);
    if (bits === 32) {
      for (let c = 0; c < channels; c++) this.#write(register + c, channel(c));
      return;
    }
    // What is not a float is taken as the register format says.
    const narrow = (c: number): Lanes => lanes.short(channel(c), type as NumberKind);
    for (let c = 0; c < channels; c += 2) {
      const word = register + (c >> 1);
      // The last of an odd number leaves the other half of its register.
      const kept = (): Lanes => lanes.and(this.#a.register(word), lanes.words(0xffff0000));
      this.#write(word, c + 1 < channels ? lanes.pair(narrow(c), narrow(c + 1)) : lanes.or(narrow(c), kept()));
    }
  }

  #address(site: Site): void {
    const { code, lanes, bits, refill } = this.#a;
    const { failing } = this.#remembered;
    const i = site.instruction;
    const x = new Lowering(this.#a, i);
    const [xy, zw] = [x.raw(0), x.raw(1)];
    const what = named(x);
    const record = this.#a.record();
    for (let n = 1; n < TEXEL_RECORDS; n++) this.#a.record();
    const { params, results } = ADDRESS_TYPE;
    const type = this.#a.functionType(params, results);
    this.#remembered.emit(site, {
      record,
      kind: REFILL.TEXEL,
      refill,
      inputs: [
        [xy, FRAME.low],
        [zw, FRAME.high],
        [what.handle, FRAME.third],
      ],
      check: () => {
        const stale = code.block();
        code.get(bits).set(failing);
        leaveIfStale(this.#a, { time: record + TEXEL.time, known: record + TEXEL.handle }, what, bits, stale);
        code.i32(0).set(failing);
        for (let k = 0; k < lanes.vectors; k++) {
          code.get(this.#a.records).i32(record).op('i32_add');
          xy(k);
          zw(k);
          code
            .get(this.#a.records)
            .memory('i32_load', record + TEXEL.slot)
            .callIndirect(type);
          code.op('v128_not').op('i32x4_bitmask');
          code
            .i32(4 * k)
            .op('i32_shl')
            .get(failing)
            .op('i32_or')
            .set(failing);
          for (let word = ADDRESS_WORDS - 1; word >= 0; word--) code.set(this.#found[word]![k]!);
        }
        code.get(failing).get(bits).op('i32_and').set(failing);
        code.end();
      },
      finish: () => {
        const { register } = i.staging[0]!;
        for (const [word, found] of this.#found.entries()) this.#write(register + word, lanes.local(found));
        this.#write(register + ADDRESS_WORDS, this.#field(record + TEXEL.format));
      },
    });
  }

  #field(at: number): Lanes {
    return () => this.#a.code.get(this.#a.records).memory('v128_load32_splat', at);
  }

  /** Writes a register of the lanes that run. */
  #write(register: number, value: Lanes): void {
    for (let k = 0; k < this.#a.lanes.vectors; k++) {
      value(k);
      setRegister(this.#a, register, k);
    }
  }
}
