/**
 * The registers of an emitted function: each that the unit touches has a local for each of its vectors, loaded where the
 * function takes a warp up and stored where it lets it go. What of their halves is known as singles is kept beside them
 * (half-lanes.ts).
 */
import { LANES } from '../shader/contract.ts';
import type { Code } from '../wasm/builder.ts';
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
  readonly #locals = new Map<number, readonly number[]>();
  /** Registers of whose halves the instruction in work has left the singles. */
  readonly #shadowed = new Set<number>();

  constructor(code: Code, lanes: LaneCode, unit: Unit) {
    this.#code = code;
    this.#lanes = lanes;
    const used = new Set<number>();
    const written = new Set<number>();
    for (const { sites } of unit.blocks) {
      for (const site of sites) {
        const { reads, writes } = site.effects;
        for (const r of reads) used.add(r);
        for (const r of writes) {
          used.add(r);
          written.add(r);
        }
      }
    }
    for (const r of used) this.#locals.set(r, code.locals('v128', lanes.vectors));
    this.used = used;
    this.written = written;
  }

  /** The locals of a register that is used. */
  locals(register: number): readonly number[] {
    return this.#locals.get(register)!;
  }

  load(register: number): void {
    for (const [k, local] of this.locals(register).entries()) {
      this.#code.get(0).memory('v128_load', place(register, k)).set(local);
    }
  }

  store(register: number): void {
    for (const [k, local] of this.locals(register).entries()) {
      this.#code.get(0).get(local).memory('v128_store', place(register, k));
    }
  }

  /** Gives a register that is used a value. */
  begin(register: number, value: Lanes): void {
    for (const [k, local] of this.locals(register).entries()) {
      value(k);
      this.#code.set(local);
    }
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
    if (this.#lanes.halves.remember(this.locals(register), value, k, part)) this.#shadowed.add(register);
  }

  /** An instruction is done: what is known of the halves that it has overwritten is no longer so. */
  settle({ effects }: Site): void {
    this.#lanes.release();
    for (const r of effects.writes) {
      if (!this.#shadowed.has(r)) this.#lanes.halves.forget(this.locals(r));
    }
    this.#shadowed.clear();
  }
}

const place = (register: number, k: number): number => register * REGISTER_BYTES + k * VECTOR_BYTES;
