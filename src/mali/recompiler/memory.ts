/**
 * Loads and stores of recompiled code. Where memory is, access.ts says; here is what is moved, and where in a register it
 * stands.
 */
import type { Instruction } from '../shader/decode.ts';
import { type AccessCode, type Around, setRegister } from './access.ts';
import type { Site } from './flow.ts';
import { REFILL } from './frame.ts';
import type { Lanes } from './lanes.ts';
import { type Operands, readable } from './lowering.ts';

export class MemoryCode {
  readonly #a: Around & Operands;
  readonly #access: AccessCode;
  /** Locals of what is loaded: by word and vector. */
  readonly #results: number[][] = [];

  constructor(around: Around & Operands, access: AccessCode) {
    this.#a = around;
    this.#access = access;
  }

  /** Emits a load or store. False: it is another instruction, or reads what the interpreter has. */
  emit(site: Site): boolean {
    const i = site.instruction;
    if (!/^(LOAD|LD_BUFFER|STORE)$/.test(i.spec.base) || !readable(i)) return false;
    const bits = Number(i.spec.type.slice(1));
    const kind = { LOAD: REFILL.READ, LD_BUFFER: REFILL.BUFFER }[i.spec.base] ?? REFILL.WRITE;
    this.#access.checked(site, bits / 8, kind, () =>
      kind === REFILL.WRITE ? this.#store(i, bits) : this.#load(i, bits),
    );
    return true;
  }

  #load(i: Instruction, bits: number): void {
    const { code, dram } = this.#a;
    const { vectors } = this.#a.lanes;
    const { register } = i.staging[0]!;
    const { relative } = this.#access;
    const words = Math.ceil(bits / 32);
    for (let word = this.#results.length; word < words; word++) this.#results.push(code.locals('v128', vectors));
    if (bits % 32 === 0) {
      // Often all lanes read the same words.
      this.#same();
      code.if();
      for (let word = 0; word < words; word++) {
        code
          .get(relative[0]!)
          .lane('i32x4_extract_lane', 0)
          .memory('v128_load32_splat', 4 * word, dram);
        for (let k = 0; k < vectors; k++) {
          if (k < vectors - 1) code.tee(this.#results[word]![k]!);
          else code.set(this.#results[word]![k]!);
        }
      }
      code.else();
      for (let word = 0; word < words; word++) for (let k = 0; k < vectors; k++) this.#gather(k, word);
      code.end();
    } else {
      const signed = bits < 24 && i.modifiers.unsigned === '';
      for (let word = 0; word < words; word++) {
        const part = Math.min(32, bits - 32 * word);
        for (let k = 0; k < vectors; k++) {
          if (part === 32) this.#gather(k, word);
          else this.#narrow(k, word, part, signed);
        }
      }
    }
    for (const [word, value] of this.#placed(i, words).entries()) {
      for (let k = 0; k < vectors; k++) {
        value(k);
        setRegister(this.#a, register + word, k);
      }
    }
  }

  /** What the registers hold after a load: the words, or one of them within a word, or extended to two. */
  #placed(i: Instruction, words: number): Lanes[] {
    const { lanes } = this.#a;
    const loaded = this.#results.slice(0, words).map((locals) => lanes.local(locals));
    const [value] = loaded as [Lanes];
    const { lane } = i.modifiers;
    if (lane === 'd0') {
      return [value, i.modifiers.unsigned === '' ? lanes.shift('i32x4_shr_s', value, 31) : lanes.words(0)];
    }
    const place = /^([bh])(\d)$/.exec(lane!);
    if (!place) return loaded;
    const size = place[1] === 'b' ? 8 : 16;
    const mask = size === 8 ? 0xff : 0xffff;
    const up = size * Number(place[2]);
    const old = lanes.and(this.#a.register(i.staging[0]!.register), lanes.words(~(mask << up) >>> 0));
    return [lanes.or(old, lanes.shift('i32x4_shl', lanes.and(value, lanes.words(mask)), up))];
  }

  /** Loads less than a word: 8, 16 or 24 bits of word `word`, for vector k's lanes. */
  #narrow(k: number, word: number, bits: number, signed: boolean): void {
    const { code, dram } = this.#a;
    const name = bits === 8 ? (signed ? 'i32_load8_s' : 'i32_load8_u') : signed ? 'i32_load16_s' : 'i32_load16_u';
    const at = this.#access.relative[k]!;
    code.get(at);
    for (let lane = 0; lane < 4; lane++) {
      code
        .get(at)
        .lane('i32x4_extract_lane', lane)
        .memory(name, 4 * word, dram);
      if (bits === 24) {
        code
          .get(at)
          .lane('i32x4_extract_lane', lane)
          .memory('i32_load8_u', 4 * word + 2, dram);
        code.i32(16).op('i32_shl').op('i32_or');
      }
      code.lane('i32x4_replace_lane', lane);
    }
    code.set(this.#results[word]![k]!);
  }

  /** Pushes whether all lanes have the same address. */
  #same(): void {
    const { code } = this.#a;
    for (let k = 0; k < this.#a.lanes.vectors; k++) {
      code
        .get(this.#access.relative[k]!)
        .get(this.#access.relative[0]!)
        .lane('i32x4_extract_lane', 0)
        .op('i32x4_splat');
      code.op('i32x4_eq');
      if (k > 0) code.op('v128_and');
    }
    code.op('i32x4_all_true');
  }

  /** Loads word `word` of vector k's lanes. */
  #gather(k: number, word: number): void {
    const { code, dram } = this.#a;
    const out = this.#results[word]![k]!;
    code
      .get(this.#access.relative[k]!)
      .lane('i32x4_extract_lane', 0)
      .memory('v128_load32_splat', 4 * word, dram)
      .set(out);
    for (let lane = 1; lane < 4; lane++) {
      code.get(this.#access.relative[k]!).lane('i32x4_extract_lane', lane).get(out);
      code.memoryLane(false, lane, 4 * word, dram).set(out);
    }
  }

  #store(i: Instruction, bits: number): void {
    const { code, dram } = this.#a;
    const { register } = i.staging[0]!;
    for (let k = 0; k < this.#a.lanes.vectors; k++) {
      for (let lane = 0; lane < 4; lane++) {
        const address = (): void => {
          code.get(this.#access.relative[k]!).lane('i32x4_extract_lane', lane);
        };
        code
          .get(this.#access.active)
          .i32(1 << (4 * k + lane))
          .op('i32_and');
        code.if();
        for (let word = 0; 32 * word < bits; word++) {
          const part = Math.min(32, bits - 32 * word);
          const value = (): void => {
            code.get(this.#a.locals(register + word)[k]!).lane('i32x4_extract_lane', lane);
          };
          address();
          value();
          code.memory(part === 32 ? 'i32_store' : part === 8 ? 'i32_store8' : 'i32_store16', 4 * word, dram);
          if (part !== 24) continue;
          address();
          value();
          code
            .i32(16)
            .op('i32_shr_u')
            .memory('i32_store8', 4 * word + 2, dram);
        }
        code.end();
      }
    }
  }
}
