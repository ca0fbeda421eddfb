/**
 * How recompiled code takes its next threads from a list (engine/threads.ts): a warp's sixteen at a time, or fewer, as the first lanes of a
 * warp. The same in script, which is the reference: shader/thread-list.ts.
 */
import { COLUMN_BYTES, type ThreadPreloads } from '../engine/threads.ts';
import type { Label } from '../wasm/builder.ts';
import type { Body, Feed } from './flow-code.ts';
import { FRAME, STATUS } from './frame.ts';
import { type Lanes, WARP_VECTORS } from './lanes.ts';
import { bringsAddresses } from './quadwise.ts';

const VECTOR_BYTES = 16;
const VECTOR_LANES = 4;
/** What taking four threads costs, in instructions. */
const VECTOR_COST = 2;

export class ThreadFeed implements Feed {
  readonly #b: Body;
  readonly #preloads: ThreadPreloads;
  /** The list; its next thread, and the number of all. */
  readonly #list: number;
  readonly #thread: number;
  readonly #threads: number;
  /** Where the first column of the lanes in work lies. */
  readonly #at: number;

  constructor(body: Body, preloads: ThreadPreloads) {
    this.#b = body;
    this.#preloads = preloads;
    const { code } = body;
    this.#list = code.local('i32');
    this.#thread = code.local('i32');
    this.#threads = code.local('i32');
    this.#at = code.local('i32');
  }

  open(): void {
    const { code } = this.#b;
    code.get(1).memory('i32_load', FRAME.list).set(this.#list);
    code.get(1).memory('i32_load', FRAME.thread).set(this.#thread);
    code.get(1).memory('i32_load', FRAME.threads).set(this.#threads);
  }

  take(_again: Label): void {
    const { code, lanes, bits, live, discarded, fuel, running } = this.#b;
    code.get(this.#thread).get(this.#threads).op('i32_ge_u').unlikely().if();
    this.#b.quit(STATUS.DONE);
    code.end();
    code.get(fuel).i32(1).op('i32_lt_s').unlikely().if();
    this.#b.quit(STATUS.SLICE);
    code.end();
    code
      .get(fuel)
      .i32(VECTOR_COST * lanes.vectors)
      .op('i32_sub')
      .set(fuel);
    for (let k = 0; k < lanes.vectors; k++) {
      code.get(this.#thread).op('i32x4_splat');
      lanes.words(...[0, 1, 2, 3].map((lane) => VECTOR_LANES * k + lane))(k);
      code.op('i32x4_add').get(this.#threads).op('i32x4_splat').op('i32x4_lt_s').set(running[k]!);
    }
    lanes.bitmask((k) => code.get(running[k]!));
    code.set(live).i32(0).set(discarded);
    if (bits !== live) code.get(live).set(bits);
    code.get(this.#thread).i32(4).op('i32_shr_u');
    code
      .i32(this.#preloads.count * COLUMN_BYTES)
      .op('i32_mul')
      .get(this.#list)
      .op('i32_add');
    code.get(this.#thread).i32(15).op('i32_and').i32(2).op('i32_shl').op('i32_add').set(this.#at);
    if (lanes.vectors < WARP_VECTORS && bringsAddresses(this.#b.unit)) {
      code.get(1).get(this.#thread).i32(15).op('i32_and').memory('i32_store', FRAME.lane);
    }
    code
      .get(this.#thread)
      .i32(VECTOR_LANES * lanes.vectors)
      .op('i32_add')
      .set(this.#thread);
  }

  preload(register: number): Lanes | undefined {
    const { first, count } = this.#preloads;
    const column = register - first;
    if (column < 0 || column >= count) return undefined;
    return (k) => this.#b.code.get(this.#at).memory('v128_load', column * COLUMN_BYTES + VECTOR_BYTES * k);
  }

  save(): void {
    this.#b.code.get(1).get(this.#thread).memory('i32_store', FRAME.thread);
  }
}
