/**
 * Makes a sequence's steps within this process, on a machine's GPU device: what shim/test/calls.c does as a program, without a shim or
 * an emulator. For tests, and for whoever makes many.
 */
import { ERRNO } from '../../../abi/errno.ts';
import { viewOf } from '../../../abi/layout.ts';
import { dmaBufIoctl } from '../../../drm/dma-buf-ioctl.ts';
import { DrmError } from '../../../drm/error.ts';
import type { IoctlResult } from '../../../drm/ioctl.ts';
import { syncFileIoctl } from '../../../drm/sync-file-ioctl.ts';
import { abandon } from '../../../drm/user.ts';
import { FakeUser } from '../../drm/client.ts';
import { type ClientMachine, until } from '../board.ts';
import type { CompiledSequence } from './compile.ts';
import { type Step, type StepResult, says } from './steps.ts';
import { type Told, transcribe } from './transcript.ts';

/** Of the machine's time: what a call waits for comes by then, or never. */
const PATIENCE = 120e9;
const READABLE = 1;
const WRITABLE = 2;
const FNV = { offset: 0xcbf29ce484222325n, prime: 0x100000001b3n } as const;
const silent = (): void => {};

const failed = (errno: keyof typeof ERRNO): StepResult => ({ value: -1, errno: ERRNO[errno], data: new Uint8Array() });
const done = (data = new Uint8Array()): StepResult => ({ value: 0, errno: 0, data });

class LocalClient {
  readonly #machine: ClientMachine;
  readonly #user = new FakeUser();
  /** Numbers of descriptors by slot. */
  readonly #files = new Map<number, number>();
  readonly #maps = new Map<number, { readonly bytes: Uint8Array; readonly protection: number }>();

  constructor(machine: ClientMachine) {
    this.#machine = machine;
  }

  async make(steps: readonly Step[]): Promise<StepResult[]> {
    const results: StepResult[] = [];
    try {
      for (const step of steps) {
        const result = await this.#step(step);
        if (says(step)) results.push(result);
      }
    } finally {
      this.#user.die();
      for (const slot of [...this.#files.keys()]) this.#close(slot);
    }
    return results;
  }

  async #step(step: Step): Promise<StepResult> {
    const { memory, base } = this.#user;
    const view = viewOf(memory);
    const { clock } = this.#machine;
    switch (step.op) {
      case 'begin':
        return done();
      case 'open': {
        const file = this.#machine.device.open('render', this.#user.pid);
        this.#files.set(step.slot, this.#user.addDescriptor({ kind: 'drm', file }));
        return done();
      }
      case 'close':
        return this.#close(step.slot) ? done() : failed('EBADF');
      case 'bytes':
        memory.set(step.data, step.at);
        return done();
      case 'copy': {
        const { width, at, from, add } = step;
        const value = width === 8 ? view.getBigUint64(from, true) : BigInt(view.getUint32(from, true));
        if (width === 8) view.setBigUint64(at, BigInt.asUintN(64, value + add), true);
        else view.setUint32(at, Number(BigInt.asUintN(32, value + add)), true);
        return done();
      }
      case 'address':
        view.setBigUint64(step.at, base + BigInt(step.target), true);
        return done();
      case 'time':
        view.setBigUint64(step.at, BigInt.asUintN(64, clock.monotonic() + step.after), true);
        return done();
      case 'number':
        view.setInt32(step.at, this.#files.get(step.slot) ?? -1, true);
        return done();
      case 'keep': {
        const fd = view.getInt32(step.from, true);
        if (this.#user.descriptors.has(fd)) this.#files.set(step.slot, fd);
        return done();
      }
      case 'ioctl':
        return this.#ioctl(step);
      case 'dump':
        return done(memory.slice(step.at, step.at + step.size));
      case 'mmap':
        return this.#mmap(step, view.getBigUint64(step.from, true));
      case 'mark':
        return done();
      case 'munmap':
        this.#maps.delete(step.map);
        return done();
      case 'write': {
        const map = this.#maps.get(step.map);
        if (map && map.protection & WRITABLE) map.bytes.set(step.data, step.at);
        return done();
      }
      case 'read':
      case 'hash': {
        const part = this.#maps.get(step.map)?.bytes.subarray(step.at, step.at + step.size);
        if (!part || part.length < step.size) return failed('EFAULT');
        return done(step.op === 'read' ? part.slice() : hash(part));
      }
      case 'sleep': {
        const end = clock.monotonic() + step.time;
        const slept = async (): Promise<void> => {
          while (clock.monotonic() < end) await new Promise((resolve) => setImmediate(resolve));
        };
        await until(clock, slept(), PATIENCE);
        return done();
      }
    }
  }

  async #ioctl({ slot, request, at, size }: Extract<Step, { op: 'ioctl' }>): Promise<StepResult> {
    const user = this.#user;
    const fd = this.#files.get(slot);
    const descriptor = fd === undefined ? undefined : user.descriptors.get(fd);
    if (!descriptor) return failed('EBADF');
    const arg = user.memory.slice(at, at + size);
    user.installed.clear();
    let result: IoctlResult | Promise<IoctlResult>;
    if (descriptor.kind === 'drm') result = descriptor.file.device.ioctl(descriptor.file, request, arg, user);
    else if (descriptor.kind === 'sync-file') result = syncFileIoctl(descriptor.syncFile, request, arg, user, silent);
    else if (descriptor.kind === 'dma-buf') result = dmaBufIoctl(descriptor.file, request, arg, user, silent);
    else return failed('ENOTTY');
    const { value, arg: after } = await until(this.#machine.clock, Promise.resolve(result), PATIENCE);
    user.memory.set(after.subarray(0, size), at);
    for (const [where, number] of user.installed) viewOf(user.memory).setInt32(at + where, number, true);
    const data = user.memory.slice(at, at + size);
    return value < 0 ? { value: -1, errno: -value, data } : { value, errno: 0, data };
  }

  #mmap({ map, slot, size, protection }: Extract<Step, { op: 'mmap' }>, offset: bigint): StepResult {
    const fd = this.#files.get(slot);
    const descriptor = fd === undefined ? undefined : this.#user.descriptors.get(fd);
    if (descriptor?.kind !== 'drm') return failed('EBADF');
    try {
      const target = descriptor.file.mmap(offset, size, (protection & WRITABLE) !== 0);
      const bytes = new Uint8Array(this.#machine.dram.buffer, target.run.physical + target.offset, size);
      if (protection & (READABLE | WRITABLE)) this.#maps.set(map, { bytes, protection });
      return done();
    } catch (error) {
      if (!(error instanceof DrmError)) throw error;
      return failed(error.errno);
    }
  }

  #close(slot: number): boolean {
    const fd = this.#files.get(slot);
    const descriptor = fd === undefined ? undefined : this.#user.descriptors.get(fd);
    this.#files.delete(slot);
    if (fd === undefined || !descriptor) return false;
    this.#user.descriptors.delete(fd);
    abandon(descriptor);
    return true;
  }
}

function hash(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  let value: bigint = FNV.offset;
  for (const byte of bytes) value = BigInt.asUintN(64, (value ^ BigInt(byte)) * FNV.prime);
  const data = new Uint8Array(8);
  viewOf(data).setBigUint64(0, value, true);
  return data;
}

/** Makes the calls of a sequence as one client of the machine, which is gone afterwards; says what came of each. */
export async function makeCalls(machine: ClientMachine, sequence: CompiledSequence): Promise<Told[]> {
  return transcribe(sequence, await new LocalClient(machine).make(sequence.steps));
}
