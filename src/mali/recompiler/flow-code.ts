/**
 * Where lanes go on: the code between a unit's blocks.
 *
 * Lanes that may part have each the number of the block where they go on; those with the lowest number run, and others join
 * them where they arrive (parted-flow.ts). A unit of a list without conditional branches needs none of that: all lanes that live run,
 * block after block (straight-flow.ts).
 */
import type { Code, Label } from '../wasm/builder.ts';
import type { Block, Unit } from './flow.ts';
import type { LaneCode, Lanes } from './lanes.ts';

/** What the function around has for the code between blocks. */
export interface Body {
  readonly code: Code;
  readonly lanes: LaneCode;
  readonly unit: Unit;
  /** Locals: lanes that run, lanes that live, lanes without effect, instructions left. */
  readonly bits: number;
  readonly live: number;
  readonly discarded: number;
  readonly fuel: number;
  /** Vectors of the lanes that run. */
  readonly running: readonly number[];
  /** Returns with everything in memory. */
  leave(status: number): void;
  /** Returns between warps of a list: there is nothing to keep of registers. */
  quit(status: number): void;
  /** No lane of the warp has anywhere to go. */
  ended(): void;
}

/** Where a list's warps come from: quads (quad-feed.ts) or threads (thread-feed.ts). */
export interface Feed {
  /** Opens the list, at the function's start. */
  open(): void;
  /**
   * Takes the next lanes, or goes back to `again` if none of them lives. Returns at the list's end, and when the slice is used
   * up.
   */
  take(again: Label): void;
  /** What a register is preloaded with; undefined: nothing, it begins as zero. */
  preload(register: number): Lanes | undefined;
  /** Stores how far the list has been taken. */
  save(): void;
}

export interface FlowCode {
  /** Whether lanes may part, so that results go to those alone that run. */
  readonly masked: boolean;
  /** Whether lanes stop or are handed back at blocks' ends alone, so that within a block nobody looks at registers in memory. */
  readonly whole: boolean;
  /** Emits all blocks; `block` emits one. */
  body(block: (n: number, block: Block) => void): void;
  /** The running lanes go on at `pc`. `last`: nothing of the block follows, so that the next one is fallen into. */
  goto(from: number, pc: number, last: boolean): void;
  /** Lanes for which `test` holds go to the block's target, the others on; what follows is for warps of which none do. */
  branch(n: number, block: Block, flow: number, test: Lanes): void;
  /** What an instruction's flow field asks for once it is done. */
  after(flow: number): void;
  /** Returns for the running lanes, which this function cannot take further; `place` says at which block's end. */
  hand(status: number, place: number): void;
  /** Stores in the frame where each lane goes on. */
  save(): void;
}

/** Takes the lanes without effect out of those that run and live; `gone` is a local for them. `then`: if there are any. */
export function discard({ code, bits, live, discarded }: Body, gone: number, then: () => void): void {
  code.get(discarded).get(bits).op('i32_and').tee(gone);
  code.unlikely().if();
  for (const local of new Set([live, discarded, bits])) {
    code.get(local).get(gone).i32(-1).op('i32_xor').op('i32_and').set(local);
  }
  then();
  code.end();
}

/** Pushes a mask of the lanes of vector k that have a bit in a local. */
export function lanesOf({ code, lanes }: Body, bits: number, k: number): void {
  const own = lanes.words(...[0, 1, 2, 3].map((lane) => 1 << (4 * k + lane)));
  code.get(bits).op('i32x4_splat');
  own(k);
  code.op('v128_and');
  own(k);
  code.op('i32x4_eq');
}
