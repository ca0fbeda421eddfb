/**
 * The registers of an emitted function: each that the unit touches has a local for each of its vectors, loaded where the
 * function takes a warp up and stored where it lets it go. What of their halves is known as singles is kept beside them
 * (half-lanes.ts).
 */
import { LANES } from '../shader/contract.ts';
import type { Code } from '../wasm/builder.ts';
import { REGISTERS } from './effects.ts';
import type { Site, Unit } from './flow.ts';
import type { Part } from './half-lanes.ts';
import type { LaneCode, Lanes } from './lanes.ts';

/** Of a register of all lanes, and of a vector, in memory. */
export const REGISTER_BYTES = LANES * 4;
const VECTOR_BYTES = 16;

export class RegisterFile {
  /** Registers that the unit reads or writes, and those that it writes. */
  readonly used: ReadonlySet<number>;
  readonly written: ReadonlySet<number>;
  readonly #code: Code;
  readonly #lanes: LaneCode;
  readonly #locals: (readonly number[])[] = [];
  /** Registers of whose halves the instruction in work has left the singles. */
  readonly #shadowed: number[] = [];

  constructor(code: Code, lanes: LaneCode, unit: Unit) {
    this.#code = code;
    this.#lanes = lanes;
    const used = new Set<number>();
    const written = new Set<number>();
    for (const { sites } of unit.blocks) {
      for (const { effects } of sites) {
        for (const r of effects.reads) used.add(r);
        for (const r of effects.writes) written.add(r);
      }
    }
    for (const r of written) used.add(r);
    for (const r of used) this.#locals[r] = code.locals('v128', lanes.vectors);
    this.used = used;
    this.written = written;
  }

  /** The locals of a register that is used. */
  locals(register: number): readonly number[] {
    return this.#locals[register]!;
  }

  load(register: number): void {
    const locals = this.locals(register);
    for (let k = 0; k < locals.length; k++) this.#code.get(0).memory('v128_load', place(register, k)).set(locals[k]!);
  }

  store(register: number): void {
    const locals = this.locals(register);
    for (let k = 0; k < locals.length; k++) this.#code.get(0).get(locals[k]!).memory('v128_store', place(register, k));
  }

  /** Gives a register that is used a value. */
  begin(register: number, value: Lanes): void {
    const locals = this.locals(register);
    for (let k = 0; k < locals.length; k++) {
      value(k);
      this.#code.set(locals[k]!);
    }
  }

  /** Clears all registers of all lanes in memory. */
  clear(): void {
    this.#code
      .get(0)
      .i32(0)
      .i32(REGISTERS * REGISTER_BYTES)
      .fill();
  }

  /** Stores what a register holds that has no locals. */
  storeUnused(register: number, value: Lanes): void {
    for (let k = 0; k < this.#lanes.vectors; k++) {
      this.#code.get(0);
      value(k);
      this.#code.memory('v128_store', place(register, k));
    }
  }

  /** Remembers the halves that vector k of a register has been given. */
  shadow(register: number, value: Lanes, k: number, part: Part): void {
    if (this.#lanes.halves.remember(this.locals(register), value, k, part)) this.#shadowed.push(register);
  }

  /** An instruction is done: what is known of the halves that it has overwritten is no longer so. */
  settle({ effects }: Site): void {
    this.#lanes.release();
    const shadowed = this.#shadowed;
    for (const r of effects.writes) if (!shadowed.includes(r)) this.#lanes.halves.forget(this.locals(r));
    while (shadowed.length > 0) shadowed.pop();
  }
}

const place = (register: number, k: number): number => register * REGISTER_BYTES + k * VECTOR_BYTES;
