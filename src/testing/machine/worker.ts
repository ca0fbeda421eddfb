/**
 * Clients that work with command streams alone: programs that store, wait, count and never end, and a Worker that has a VM, a page
 * of data and room for such programs. What tests of groups, faults and power share.
 */
import assert from 'node:assert/strict';
import { DRM_IOCTL } from '../../abi/drm.ts';
import { CS_CONDITION, CS_SYNC_SCOPE, type CsLine } from '../../abi/gpu/cs.ts';
import { PANTHOR } from '../../abi/panthor.ts';
import { start } from '../drm/client.ts';
import { Client, type ClientMachine, DATA_FLAGS, type Sync, until } from './board.ts';

export const STREAM = 0x10000000n;
export const DATA = 0x20000000n;
export const PAGE = 4096n;

/** Many cheap instructions. */
const BODY: CsLine[] = Array.from({ length: 100 }, (_, i) => ['MOVE32', { destination: 8, immediate: i }]);
export const FOREVER: CsLine[] = [
  ...BODY,
  ['BRANCH', { condition: CS_CONDITION.always, value: 2, offset: -BODY.length - 1 }],
];
export const loop = (count: number): CsLine[] => [
  ['MOVE32', { destination: 2, immediate: count }],
  ...BODY,
  ['ADD_IMMEDIATE32', { destination: 2, source: 2, immediate: -1 }],
  ['BRANCH', { condition: CS_CONDITION.ne, value: 2, offset: -BODY.length - 2 }],
];

export const store = (offset: number, value: number): CsLine[] => [
  ['MOVE', { destination: 0, immediate: Number(DATA) + offset }],
  ['MOVE32', { destination: 2, immediate: value }],
  ['STORE_MULTIPLE', { address: 0, baseRegister: 2, mask: 1 }],
  ['WAIT', { waitMask: 0xff }],
];

/** Waits until the 32-bit object at `offset` of the data buffer is more than `value`. */
export const waitAbove = (offset: number, value: number): CsLine[] => [
  ['MOVE', { destination: 4, immediate: Number(DATA) + offset }],
  ['MOVE32', { destination: 6, immediate: value }],
  ['SYNC_WAIT32', { condition: CS_CONDITION.gt, address: 4, data: 6 }],
];

export const add = (offset: number): CsLine[] => [
  ['MOVE', { destination: 4, immediate: Number(DATA) + offset }],
  ['MOVE32', { destination: 6, immediate: 1 }],
  ['SYNC_ADD32', { scope: CS_SYNC_SCOPE.system, address: 4, data: 6 }],
];

/** One client with a VM, data in memory, and room for programs. */
export class Worker extends Client {
  vm = 0;
  data = 0;
  streamHandle = 0;
  #next = 0;

  static async create(machine: ClientMachine, share?: { from: Worker }): Promise<Worker> {
    const worker = new Worker(machine);
    worker.vm = await worker.createVm();
    worker.data = await worker.createBuffer(4096);
    worker.streamHandle = await worker.createBuffer(65536);
    await worker.bind(worker.vm, { handle: worker.streamHandle, va: STREAM, size: 16n * PAGE, flags: DATA_FLAGS });
    if (share) {
      // The same memory, as a dma-buf would bring it.
      const object = share.from.file.object(share.from.data);
      worker.data = worker.file.addHandle(object);
    }
    await worker.bind(worker.vm, { handle: worker.data, va: DATA, size: PAGE, flags: DATA_FLAGS });
    return worker;
  }

  word(offset: number): number {
    return this.memory(this.data).getUint32(offset, true);
  }

  /** Puts a program where no other is. */
  place(program: CsLine[]): { address: bigint; size: number } {
    const at = this.#next;
    const bytes = this.program(this.streamHandle, program, at);
    this.#next = at + Math.ceil(bytes / 64) * 64;
    return { address: STREAM + BigInt(at), size: bytes };
  }

  async start(group: number, program: CsLine[], options: { queue?: number; syncs?: Sync[] } = {}): Promise<number> {
    const done = await this.createSyncobj();
    const syncs = [...(options.syncs ?? []), { handle: done, signal: true }];
    const value = await this.submit(group, { ...this.place(program), queue: options.queue ?? 0, syncs });
    assert.equal(value, 0, this.machine.lines.at(-1) ?? '');
    return done;
  }

  /** As `wait`, on a host that takes a tenth of a second for a slice of a millisecond. */
  async waitSlowly(handle: number): Promise<void> {
    const values = { handles: this.user.putU32(handle), timeout_nsec: 2n ** 62n, count_handles: 1, flags: 0 };
    const wait = start(this.file, DRM_IOCTL.SYNCOBJ_WAIT, values as object, this.user);
    assert.equal((await until(this.machine.clock, wait, 2000e9, 1e8)).value, 0);
  }

  async state(groupHandle: number): Promise<number> {
    return (await this.do(PANTHOR.GROUP_GET_STATE, { groupHandle })).state;
  }
}
