/**
 * The flow of a unit without conditional branches, run from a list: all lanes that live run, so neither masks nor block numbers are kept.
 * Blocks follow one another; a jump forward (BLEND to its target) leaves WebAssembly blocks. An indirect branch, a barrier
 * or the unit's edge hands all lanes back.
 */
import { FLOW_DISCARD, FLOW_END } from '../../abi/isa/encoding.ts';
import type { Label } from '../wasm/builder.ts';
import type { Block, Unit } from './flow.ts';
import { type Body, discard, type FlowCode, lanesOf } from './flow-code.ts';
import { FRAME } from './frame.ts';
import type { Lanes } from './lanes.ts';

const NOWHERE = -1;

/** Whether a unit can be run so. */
export const isStraight = ({ blocks, index }: Unit): boolean =>
  blocks.every(({ end, target, always }, n) => {
    const led = end === 'branch' ? always : end === 'blend' && index.has(target);
    return led !== undefined && (!led || index.get(target)! > n);
  });

export class StraightFlow implements FlowCode {
  readonly masked = false;
  readonly whole = true;
  readonly #b: Body;
  readonly #gone: number;
  #labels: Label[] = [];

  constructor(body: Body) {
    this.#b = body;
    this.#gone = body.code.local('i32');
  }

  body(block: (n: number, block: Block) => void): void {
    const { code, unit } = this.#b;
    const { blocks } = unit;
    const labels: Label[] = [];
    for (let n = blocks.length - 1; n > 0; n--) labels[n] = code.block();
    this.#labels = labels;
    for (const [n, one] of blocks.entries()) {
      if (n > 0) code.end();
      block(n, one);
    }
  }

  goto(from: number, pc: number, last: boolean): void {
    const n = this.#b.unit.index.get(pc)!;
    if (!last || n > from + 1) this.#b.code.br(this.#labels[n]!);
  }

  branch(_n: number, _block: Block, _flow: number, _test: Lanes): void {
    throw new Error('recompiler: a straight unit has no conditional branches');
  }

  after(flow: number): void {
    const body = this.#b;
    if (flow === FLOW_END) body.ended();
    else if (flow === FLOW_DISCARD) {
      discard(body, this.#gone, () => {
        const { code } = body;
        for (const [k, local] of body.running.entries()) {
          code.get(local);
          lanesOf(body, this.#gone, k);
          code.op('v128_andnot').set(local);
        }
        code.get(body.bits).op('i32_eqz');
        code.if();
        body.ended();
        code.end();
      });
    }
  }

  hand(status: number, place: number): void {
    const { code, bits } = this.#b;
    code.get(1).get(bits).memory('i32_store', FRAME.mask);
    code.get(1).i32(place).memory('i32_store', FRAME.place);
    this.#b.leave(status);
  }

  save(): void {
    // Whoever is handed back is named by FRAME.mask.
    const { code, lanes } = this.#b;
    const nowhere = lanes.words(NOWHERE);
    for (let k = 0; k < lanes.vectors; k++) {
      code.get(1);
      nowhere(k);
      code.memory('v128_store', FRAME.next + 16 * k);
    }
  }
}
