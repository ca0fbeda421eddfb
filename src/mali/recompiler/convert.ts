/**
 * Loads and stores with conversion in recompiled code: LD_CVT, ST_CVT, of texels whose addresses others have found (image.ts, attribute.ts).
 *
 * All lanes' texels have one format, and lie in one extent, or nowhere. What is moved is converted by a function for its format
 * (texel-load.ts, texel-store.ts), which is called by its number in a record. Where that does not serve (formats without an emitted form,
 * texels of other extents, a fault) the instruction is the interpreter's step, before anything has happened.
 */
import { FORMAT_MASK } from '../shader/attribute.ts';
import type { Instruction } from '../shader/decode.ts';
import { channelCount, registerCount, registerFormat } from '../shader/vector.ts';
import type { Label } from '../wasm/builder.ts';
import { type AccessCode, type Around, dataAddress, setRegister } from './access.ts';
import { attributeShape } from './attribute-record.ts';
import type { Site } from './flow.ts';
import { CONVERT, FRAME, REFILL } from './frame.ts';
import type { Lanes } from './lanes.ts';
import { Lowering, type Operands, readable } from './lowering.ts';
import { Remembered } from './remembered.ts';
import { loadType } from './texel-load.ts';
import { storeType } from './texel-store.ts';

const ALL_OF_VECTOR = 15;

export class ConvertCode {
  readonly #a: Around & Operands;
  readonly #access: AccessCode;
  readonly #remembered: Remembered;
  readonly #fits: readonly number[];

  constructor(around: Around & Operands, access: AccessCode) {
    this.#a = around;
    this.#access = access;
    this.#remembered = new Remembered(around);
    this.#fits = around.code.locals('v128', around.lanes.vectors);
  }

  /** Emits an instruction. False: this form is the interpreter's. */
  emit(site: Site): boolean {
    const i = site.instruction;
    if (!readable(i)) return false;
    const stores = i.spec.base === 'ST_CVT';
    const { code, lanes, bits, discarded, refill } = this.#a;
    const { active, relative } = this.#access;
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
      finish: (slow) => (stores ? this.#store(i, record) : this.#load(i, record, slow)),
    });
    return true;
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

  #load(i: Instruction, record: number, slow: Label): void {
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
        const register = i.staging[0]!.register + n;
        // The last of an odd number of halves leaves the other half of its register.
        if (form.bits === 16 && channels % 2 === 1 && n === count - 1) {
          lanes.and(this.#a.register(register), lanes.words(0xffff0000))(k);
          code.op('v128_or');
        }
        setRegister(this.#a, register, k);
      }
    }
  }

  #field(at: number): Lanes {
    return () => this.#a.code.get(this.#a.records).memory('v128_load32_splat', at);
  }
}
