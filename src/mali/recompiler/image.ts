/**
 * Images in recompiled code, and loads and stores with conversion: LEA_TEX, LD_TEX, LD_CVT, ST_CVT.
 *
 * Addresses are found by a function for the image's order of texels (texel-address.ts), what is converted is loaded and stored by functions
 * for its format (texel-load.ts, texel-store.ts), and LD_TEX's texels by the emitted sampler of TEX_FETCH (mali/texture/emit.ts). All are
 * called by numbers in records, so a shader's code depends on no descriptor. Where a record does not serve (another image or another
 * layer in each lane, formats without an emitted form, texels of other extents, a fault) the instruction is the interpreter's step, before
 * anything has happened.
 */
import { resourceHandle, unfoldTable } from '../../abi/gpu/shader-descriptors.ts';
import { FORMAT_MASK } from '../shader/attribute.ts';
import type { Instruction } from '../shader/decode.ts';
import { channelCount, registerCount, registerFormat } from '../shader/vector.ts';
import { CHANNEL_BYTES, OPERAND, OPERANDS_AT } from '../texture/operands.ts';
import type { Code, Label } from '../wasm/builder.ts';
import { type AccessCode, dataAddress } from './access.ts';
import { attributeShape } from './attribute-record.ts';
import type { Site } from './flow.ts';
import { CONVERT, FRAME, REFILL, TEXEL, TEXEL_LOAD, TEXEL_RECORDS } from './frame.ts';
import type { Lanes } from './lanes.ts';
import { Lowering, type Operands, readable } from './lowering.ts';
import { Remembered } from './remembered.ts';
import { ADDRESS_TYPE } from './texel-address.ts';
import { loadType } from './texel-load.ts';
import { storeType } from './texel-store.ts';
import type { AroundTextures } from './texture.ts';

/** LEA_TEX's results: two words of address, and one that names the format. */
const ADDRESS_WORDS = 2;
const ALL_OF_VECTOR = 15;
const VECTOR_BYTES = 16;

export class ImageCode {
  readonly #a: AroundTextures & Operands;
  readonly #access: AccessCode;
  readonly #remembered: Remembered;
  readonly #found: readonly number[][];
  readonly #fits: readonly number[];

  constructor(around: AroundTextures & Operands, access: AccessCode) {
    this.#a = around;
    this.#access = access;
    const { code, lanes } = around;
    this.#remembered = new Remembered(around);
    this.#fits = code.locals('v128', lanes.vectors);
    this.#found = Array.from({ length: ADDRESS_WORDS }, () => code.locals('v128', lanes.vectors));
  }

  /** Emits an instruction. False: this form is the interpreter's. */
  emit(site: Site): boolean {
    const i = site.instruction;
    if (!readable(i)) return false;
    if (i.spec.base === 'ST_CVT') this.#convert(site, true);
    else if (i.spec.base === 'LD_CVT') this.#convert(site, false);
    else if (i.spec.base.startsWith('LD_')) this.#load(site);
    else this.#address(site);
    return true;
  }

  /** What an instruction names: the same for all lanes, or a handle for each. */
  #image(x: Lowering): { handle: Lanes; indirect: boolean } {
    const { i } = x;
    if (i.sources.length > 2) return { handle: x.raw(2), indirect: true };
    const handle = resourceHandle(unfoldTable(i.immediates.table!), i.immediates.index!) >>> 0;
    return { handle: this.#a.lanes.words(handle), indirect: false };
  }

  /** Branches to `stale` where a record is not of this epoch, or of another image than a lane names. */
  #named(time: number, known: number, handle: Lanes, indirect: boolean, stale: Label): void {
    const { code, lanes, bits } = this.#a;
    code.get(this.#a.records).memory('i32_load', time);
    code.get(1).memory('i32_load', FRAME.epoch).op('i32_ne').brIf(stale);
    if (!indirect) return;
    lanes.bitmask(lanes.op('i32x4_ne', handle, this.#field(known)));
    code.get(bits).op('i32_and').brIf(stale);
  }

  #load(site: Site): void {
    const { code, lanes, bits, refill, records, sampler } = this.#a;
    const i = site.instruction;
    const x = new Lowering(this.#a, i);
    const [xy, zw] = [x.raw(0), x.raw(1)];
    const { handle, indirect } = this.#image(x);
    const record = this.#a.record();
    const field = (at: number): Code => code.get(records).memory('i32_load', record + at);
    this.#remembered.emit(site, {
      record,
      kind: REFILL.TEXEL_LOAD,
      refill,
      inputs: [[handle, FRAME.third]],
      check: () => {
        const stale = code.block();
        code.get(bits).set(this.#remembered.failing);
        this.#named(record + TEXEL_LOAD.time, record + TEXEL_LOAD.handle, handle, indirect, stale);
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
    const narrow = (c: number): Lanes => {
      if (type === 'float') return lanes.narrow(channel(c));
      if (type === 'uint') return lanes.op('i32x4_min_u', channel(c), lanes.words(0xffff));
      const short = lanes.op('i32x4_max_s', channel(c), lanes.words(-0x8000));
      return lanes.and(lanes.op('i32x4_min_s', short, lanes.words(0x7fff)), lanes.words(0xffff));
    };
    for (let c = 0; c < channels; c += 2) {
      const word = register + (c >> 1);
      // The last of an odd number leaves the other half of its register.
      const upper =
        c + 1 < channels
          ? lanes.shift('i32x4_shl', narrow(c + 1), 16)
          : lanes.and(this.#a.register(word), lanes.words(0xffff0000));
      this.#write(word, lanes.or(narrow(c), upper));
    }
  }

  #address(site: Site): void {
    const { code, lanes, bits, refill } = this.#a;
    const { failing } = this.#remembered;
    const i = site.instruction;
    const x = new Lowering(this.#a, i);
    const [xy, zw] = [x.raw(0), x.raw(1)];
    const { handle, indirect } = this.#image(x);
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
        [handle, FRAME.third],
      ],
      check: () => {
        const stale = code.block();
        code.get(bits).set(failing);
        this.#named(record + TEXEL.time, record + TEXEL.handle, handle, indirect, stale);
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

  /** LD_CVT and ST_CVT: all lanes' texels have one format, and lie in one extent, or nowhere. */
  #convert(site: Site, stores: boolean): void {
    const { code, lanes, bits, discarded, refill } = this.#a;
    const { active, relative } = this.#access;
    const i = site.instruction;
    const format = i.modifiers.regfmt!;
    const channels = channelCount(i.modifiers.vecsize!);
    const x = new Lowering(this.#a, i);
    const { low, high } = dataAddress(x);
    const descriptor = lanes.and(x.raw(1), lanes.words(FORMAT_MASK));
    const record = this.#a.record();
    const { failing } = this.#remembered;
    // Address 0 is where nothing is.
    const somewhere = (a: Lanes, b: Lanes): Lanes => lanes.op('i32x4_ne', lanes.or(a, b), lanes.words(0));
    lanes.bitmask(somewhere(x.raw(0, 0), x.raw(0, 1)));
    code.get(bits).op('i32_and');
    if (stores) code.get(discarded).i32(-1).op('i32_xor').op('i32_and');
    code.set(active);
    this.#remembered.emit(site, {
      record,
      kind: (stores ? REFILL.CONVERT_STORE : REFILL.CONVERT_LOAD) + 16 * attributeShape(format, channels),
      refill,
      inputs: [
        [low, FRAME.low],
        [high, FRAME.high],
        [descriptor, FRAME.third],
      ],
      check: () => {
        lanes.bitmask((k) => {
          low(k);
          this.#field(record + CONVERT.low)(k);
          code.op('i32x4_sub').tee(relative[k]!);
          this.#field(record + CONVERT.size)(k);
          code.op('i32x4_le_u');
          lanes.op('i32x4_eq', high, this.#field(record + CONVERT.high))(k);
          lanes.op('i32x4_eq', descriptor, this.#field(record + CONVERT.format))(k);
          code.op('v128_and').op('v128_and');
          if (stores) return;
          // So nothing is loaded there, even where there is memory.
          lanes.and(somewhere(x.raw(0, 0), x.raw(0, 1)), somewhere(low, high))(k);
          code.op('v128_and').tee(this.#fits[k]!);
        });
        this.#remembered.current(record + CONVERT.time, FRAME.epoch);
        code.i32(-1).op('i32_xor').get(active).op('i32_and').set(failing);
      },
      finish: (slow) => (stores ? this.#store(i, record) : this.#converted(i, record, slow)),
    });
  }

  #store(i: Instruction, record: number): void {
    const { code, lanes } = this.#a;
    const { active, relative } = this.#access;
    const count = registerCount(registerFormat(i.modifiers.regfmt!), channelCount(i.modifiers.vecsize!));
    const { params, results } = storeType(count);
    const type = this.#a.functionType(params, results);
    for (let k = 0; k < lanes.vectors; k++) {
      const storing = (): void => {
        code.get(active);
        if (k > 0) code.i32(4 * k).op('i32_shr_u');
        code.i32(ALL_OF_VECTOR).op('i32_and');
      };
      storing();
      code.if();
      code.get(relative[k]!);
      this.#field(record + CONVERT.physical)(k);
      code.op('i32x4_add');
      storing();
      for (let n = 0; n < count; n++) code.get(this.#a.locals(i.staging[0]!.register + n)[k]!);
      code
        .get(this.#a.records)
        .memory('i32_load', record + CONVERT.slot)
        .callIndirect(type);
      code.end();
    }
  }

  #converted(i: Instruction, record: number, slow: Label): void {
    const { code, lanes } = this.#a;
    const { active, relative } = this.#access;
    const channels = channelCount(i.modifiers.vecsize!);
    const form = registerFormat(i.modifiers.regfmt!);
    const count = registerCount(form, channels);
    const { params, results } = loadType(count);
    const type = this.#a.functionType(params, results);
    // Where no lane has an address, nobody has looked whether the record is one.
    code.get(active).op('i32_eqz').brIf(slow);
    for (let k = 0; k < lanes.vectors; k++) {
      code.get(relative[k]!).get(this.#fits[k]!).op('v128_and');
      this.#field(record + CONVERT.physical)(k);
      code.op('i32x4_add').get(this.#fits[k]!);
      code
        .get(this.#a.records)
        .memory('i32_load', record + CONVERT.slot)
        .callIndirect(type);
      for (let n = count - 1; n >= 0; n--) {
        const local = this.#a.locals(i.staging[0]!.register + n)[k]!;
        // The last of an odd number of halves leaves the other half of its register.
        if (form.bits === 16 && channels % 2 === 1 && n === count - 1) {
          code.get(local);
          lanes.words(0xffff0000)(k);
          code.op('v128_and').op('v128_or');
        }
        if (this.#a.mask) code.get(local).get(this.#a.mask[k]!).op('i8x16_relaxed_laneselect');
        code.set(local);
      }
    }
  }

  #field(at: number): Lanes {
    return () => this.#a.code.get(this.#a.records).memory('v128_load32_splat', at);
  }

  /** Writes a register of the lanes that run. */
  #write(register: number, value: Lanes): void {
    const { code, mask, lanes } = this.#a;
    const locals = this.#a.locals(register);
    for (let k = 0; k < lanes.vectors; k++) {
      value(k);
      if (mask) code.get(locals[k]!).get(mask[k]!).op('i8x16_relaxed_laneselect');
      code.set(locals[k]!);
    }
  }
}
