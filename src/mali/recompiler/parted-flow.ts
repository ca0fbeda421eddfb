/**
 * The flow of lanes that may part: each has the number of the block where it goes on, those with the lowest run, and others join
 * them where they arrive. As long as all go the same way, blocks follow one another without a look at the lanes.
 */
import { FLOW_DISCARD, FLOW_END } from '../../abi/isa/encoding.ts';
import type { Label } from '../wasm/builder.ts';
import type { Block } from './flow.ts';
import { type Body, discard, type FlowCode, lanesOf } from './flow-code.ts';
import { FRAME, STATUS } from './frame.ts';
import type { Lanes } from './lanes.ts';

const NOWHERE = -1;
const VECTOR_BYTES = 16;

export class PartedFlow implements FlowCode {
  readonly masked: boolean;
  readonly whole = false;
  readonly #b: Body;
  /** Where each lane goes on. */
  readonly #next: readonly number[];
  readonly #vector: number;
  readonly #target: number;
  readonly #word: number;
  /** The least block at which lanes wait that do not run. */
  readonly #meet: number;
  #top: Label = { depth: 0 };
  #go: Label = { depth: 0 };
  #labels: Label[] = [];

  /** `masked`: lanes may part, or others of the warp live elsewhere. */
  constructor(body: Body, masked: boolean) {
    this.masked = masked;
    this.#b = body;
    const { code, lanes } = body;
    this.#next = code.locals('v128', lanes.vectors);
    this.#vector = code.local('v128');
    this.#target = code.local('i32');
    this.#word = code.local('i32');
    this.#meet = code.local('i32');
  }

  /** Fetches where each lane goes on. */
  load(): void {
    for (const [k, next] of this.#next.entries()) {
      this.#b.code
        .get(1)
        .memory('v128_load', FRAME.next + k * VECTOR_BYTES)
        .set(next);
    }
  }

  /** The lanes of the running vectors begin at the unit's entry, others nowhere. */
  begin(): void {
    const { code, lanes, unit, running } = this.#b;
    const first = lanes.words(unit.index.get(unit.entry)!);
    const nowhere = lanes.words(NOWHERE);
    for (const [k, next] of this.#next.entries()) {
      first(k);
      nowhere(k);
      code.get(running[k]!).op('i8x16_relaxed_laneselect').set(next);
    }
  }

  body(block: (n: number, block: Block) => void): void {
    const { code, unit } = this.#b;
    const { blocks } = unit;
    this.#top = code.loop();
    this.#schedule();
    this.#go = code.loop();
    this.#rest();
    const labels: Label[] = [];
    for (let n = blocks.length - 1; n >= 0; n--) labels[n] = code.block();
    this.#labels = labels;
    code.get(this.#target).brTable(labels, labels[0]!);
    for (const [n, one] of blocks.entries()) {
      code.end();
      block(n, one);
    }
    code.end();
    code.end();
    code.op('unreachable');
  }

  /** Picks the lanes that are furthest behind, and where they meet others. */
  #schedule(): void {
    const { code, lanes, bits, running } = this.#b;
    this.#least(this.#next.map((local) => () => code.get(local)));
    code.tee(this.#target).i32(NOWHERE).op('i32_eq');
    code.if();
    this.#b.ended();
    code.end();
    code.get(this.#target).op('i32x4_splat').set(this.#vector);
    for (const [k, next] of this.#next.entries()) {
      code.get(next).get(this.#vector).op('i32x4_eq').set(running[k]!);
    }
    lanes.bitmask((k) => code.get(running[k]!));
    code.set(bits);
    this.#least(
      this.#next.map((local, k) => () => {
        code.get(local).get(running[k]!).op('v128_or');
      }),
    );
    code.set(this.#meet);
  }

  /** Returns, if the slice is used up, with the running lanes at the target. */
  #rest(): void {
    const { code, fuel, running } = this.#b;
    code.get(fuel).i32(1).op('i32_lt_s');
    code.unlikely().if();
    for (const [k, next] of this.#next.entries()) {
      code.get(this.#target).op('i32x4_splat');
      code.get(next).get(running[k]!).op('i8x16_relaxed_laneselect').set(next);
    }
    this.#b.leave(STATUS.MORE);
    code.end();
  }

  /** Pushes the least of a warp's unsigned words. */
  #least(vectors: (() => void)[]): void {
    const { code } = this.#b;
    vectors[0]!();
    for (const vector of vectors.slice(1)) {
      vector();
      code.op('i32x4_min_u');
    }
    code.tee(this.#vector).get(this.#vector).get(this.#vector).shuffle32(2, 3, 0, 1).op('i32x4_min_u');
    code.tee(this.#vector).get(this.#vector).get(this.#vector).shuffle32(1, 0, 3, 2).op('i32x4_min_u');
    code.lane('i32x4_extract_lane', 0);
  }

  goto(from: number, pc: number, last: boolean): void {
    const { code, unit, running } = this.#b;
    const n = unit.index.get(pc)!;
    if (n <= from) {
      // With nobody waiting elsewhere there is nothing to schedule.
      code.get(this.#meet).i32(NOWHERE).op('i32_eq');
      code.if();
      code.i32(n).set(this.#target).br(this.#go);
      code.end();
      this.#park(n, running);
      code.br(this.#top);
      return;
    }
    if (this.masked) {
      code.get(this.#meet).i32(n).op('i32_le_u');
      code.if();
      this.#park(n, running);
      code.br(this.#top);
      code.end();
    }
    if (!last || n > from + 1) code.br(this.#labels[n]!);
  }

  #park(n: number, mask: readonly number[]): void {
    const { code, lanes } = this.#b;
    const where = lanes.words(n);
    for (const [k, next] of this.#next.entries()) {
      where(k);
      code.get(next).get(mask[k]!).op('i8x16_relaxed_laneselect').set(next);
    }
  }

  /** Lanes of `mask` go nowhere any more. */
  #end(mask: readonly number[]): void {
    for (const [k, next] of this.#next.entries()) {
      this.#b.code.get(next).get(mask[k]!).op('v128_or').set(next);
    }
  }

  after(flow: number): void {
    const body = this.#b;
    const { code, bits, live, running } = body;
    if (flow === FLOW_END) {
      this.#end(running);
      code.get(live).get(bits).i32(-1).op('i32_xor').op('i32_and').set(live);
      code.br(this.#top);
    } else if (flow === FLOW_DISCARD) {
      discard(body, this.#word, () => {
        for (const [k, next] of this.#next.entries()) {
          lanesOf(body, this.#word, k);
          code.get(running[k]!).op('v128_and').set(this.#vector);
          code.get(next).get(this.#vector).op('v128_or').set(next);
          code.get(running[k]!).get(this.#vector).op('v128_andnot').set(running[k]!);
        }
        code.get(bits).op('i32_eqz').brIf(this.#top);
      });
    }
  }

  branch(n: number, block: Block, flow: number, test: Lanes): void {
    const { code, lanes, unit, bits, live, running } = this.#b;
    const number = (pc: number): number => unit.index.get(pc)!;
    lanes.bitmask(test);
    code.get(bits).op('i32_and').tee(this.#word).get(bits).op('i32_eq');
    code.if();
    this.goto(n, block.target, false);
    code.end();
    code.get(this.#word);
    code.if();
    if (flow === FLOW_END) {
      this.#end(running);
      code.get(live).get(bits).get(this.#word).op('i32_xor').i32(-1).op('i32_xor').op('i32_and').set(live);
    } else this.#park(number(block.next), running);
    for (const [k, next] of this.#next.entries()) {
      lanes.words(number(block.target))(k);
      code.get(next);
      test(k);
      code.get(running[k]!).op('v128_and').op('i8x16_relaxed_laneselect').set(next);
    }
    lanes.release();
    code.br(this.#top);
    code.end();
  }

  hand(status: number, place: number): void {
    const { code, bits, running } = this.#b;
    code.get(1).get(bits).memory('i32_store', FRAME.mask);
    code.get(1).i32(place).memory('i32_store', FRAME.place);
    this.#end(running);
    this.#b.leave(status);
  }

  save(): void {
    for (const [k, next] of this.#next.entries()) {
      this.#b.code
        .get(1)
        .get(next)
        .memory('v128_store', FRAME.next + k * VECTOR_BYTES);
    }
  }
}
