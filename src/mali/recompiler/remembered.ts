/**
 * Remembered: how loads, attributes and textures go about what they remember of memory.
 *
 * A record in scratch memory serves all lanes, or script is asked for a new one, once; where that does not serve either, the
 * interpreter's step does the whole instruction, and nothing has happened before.
 */
import type { Callable, Code, Label } from '../wasm/builder.ts';
import type { Site } from './flow.ts';
import type { LaneCode, Lanes } from './lanes.ts';

const VECTOR_BYTES = 16;

interface Around {
  readonly code: Code;
  readonly lanes: LaneCode;
  /** A local: scratch address of the unit's first record. */
  readonly records: number;
  /** Calls the interpreter's step. */
  interpret(site: Site): void;
}

/** The search for a record. */
export interface Search {
  /** How far behind the unit's first it lies. */
  readonly record: number;
  /** Number that tells `refill` what kind of record is wanted. */
  readonly kind: number;
  readonly refill: Callable;
  /** What `refill` has to know of the lanes, and where in the frame it finds that. */
  readonly inputs: readonly (readonly [lanes: Lanes, at: number])[];
  /** Leaves in `failing` which lanes the record does not serve. */
  check(): void;
}

export interface Attempt extends Search {
  /** Before anything else; may give up. */
  begin?(slow: Label): void;
  /** Does it by a record that serves all; may still give up, as long as nothing has happened. */
  finish(slow: Label): void;
  /** After the interpreter's step. */
  interpreted?(): void;
}

export class Remembered {
  /** A local: lanes that the record does not serve. */
  readonly failing: number;
  readonly #around: Around;
  readonly #tried: number;

  constructor(around: Around) {
    this.#around = around;
    this.failing = around.code.local('i32');
    this.#tried = around.code.local('i32');
  }

  emit(site: Site, attempt: Attempt): void {
    const { code } = this.#around;
    const done = code.block();
    const slow = code.block();
    attempt.begin?.(slow);
    this.find(slow, attempt);
    attempt.finish(slow);
    code.br(done);
    code.end();
    this.#around.interpret(site);
    attempt.interpreted?.();
    code.end();
  }

  /**
   * Takes all lanes out of those on the stack unless a record is of this run, or of this generation: whether its word `time` is what
   * the frame has at `now`.
   */
  current(time: number, now: number): void {
    const { code, records } = this.#around;
    code.i32(0).get(records).memory('i32_load', time).get(1).memory('i32_load', now);
    code.op('i32_eq').op('i32_sub').op('i32_and');
  }

  /** Goes on with a record that serves all; to `slow` where there is none. */
  find(slow: Label, { record, kind, refill, inputs, check }: Search): void {
    const { code, lanes, records } = this.#around;
    code.i32(0).set(this.#tried);
    const again = code.loop();
    check();
    code.get(this.failing);
    code.unlikely().if();
    code.get(this.#tried).brIf(slow);
    code.i32(1).set(this.#tried);
    for (const [push, at] of inputs) {
      for (let k = 0; k < lanes.vectors; k++) {
        code.get(1);
        push(k);
        code.memory('v128_store', at + VECTOR_BYTES * k);
      }
    }
    code.i32(kind).get(records).i32(record).op('i32_add').get(this.failing).call(refill).brIf(again).br(slow);
    code.end();
    code.end();
  }
}
