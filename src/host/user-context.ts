/**
 * The host's UserContext: what a handler may do to the guest process whose ioctl it serves.
 *
 * Memory is read straight from the process where the host allows it. Where not (another user, a container, Yama), and for
 * descriptors always, the bytes have to be asked for over the channel, which takes time that a handler does not have: then
 * `read` or `descriptor` throws a Restart, the channel asks, and the handler runs again from its start with the answer in
 * place. What a handler gives (memory, descriptors) is kept until it has come to its end.
 */
import type { Errno } from '../abi/errno.ts';
import { SHIM_MAX_FDS } from '../abi/shim.ts';
import { DrmError, must } from '../drm/error.ts';
import { abandon, type Capability, type Descriptor, type UserContext } from '../drm/user.ts';
import { capable } from './capabilities.ts';
import * as sys from './syscalls.ts';

/** What one ioctl may move, in bytes each way, and ask for: beyond what any client needs. */
const MOST_BYTES = 1 << 26;
const MOST_QUESTIONS = 4096;

/** What has to be fetched from the guest before a handler can run. */
export type Question =
  | { readonly kind: 'memory'; readonly address: bigint; readonly size: number }
  | { readonly kind: 'descriptor'; readonly fd: number };

/** Ends a handler's run, not its ioctl. */
export class Restart extends Error {
  readonly question: Question;

  constructor(question: Question) {
    super('the handler needs something of the guest first');
    this.question = question;
  }
}

export interface Installation {
  readonly descriptor: Descriptor;
  readonly at: number | bigint;
  readonly cloexec: boolean;
  readonly writable: boolean;
}

export class RequestContext implements UserContext {
  readonly pid: number;
  /** May the process's memory be had directly? */
  readonly #direct: boolean;
  // Most ioctls need none of these: they are made when they are.
  #memory: Map<string, Uint8Array | Errno> | undefined;
  #descriptors: Map<number, Descriptor | Errno> | undefined;
  #lent: { readonly fd: number; readonly describe: () => Descriptor | Errno } | undefined;
  #writes: { address: bigint; data: Uint8Array }[] | undefined;
  #installations: Installation[] | undefined;
  #whenGone: Set<() => void> | undefined;
  #bytes = 0;
  #questions = 0;

  constructor(pid: number, direct: boolean) {
    this.pid = pid;
    this.#direct = direct;
  }

  capable(capability: Capability): boolean {
    return capable(this.pid, capability);
  }

  read(address: bigint, size: number): Uint8Array {
    if (size === 0) return new Uint8Array();
    must(Number.isSafeInteger(size) && size > 0 && size <= MOST_BYTES, 'ENOMEM', () => `a read of ${size} bytes`);
    const known = this.#memory?.get(`${address}+${size}`);
    if (known instanceof Uint8Array) return known.slice();
    if (known !== undefined) throw new DrmError(known, `0x${address.toString(16)}+${size} cannot be read`);
    this.#charge(size);
    if (this.#direct) {
      const bytes = new Uint8Array(size);
      if (sys.readProcess(this.pid, address, bytes)) return bytes;
    }
    throw this.#ask({ kind: 'memory', address, size });
  }

  write(address: bigint, data: Uint8Array): void {
    if (data.length === 0) return;
    this.#charge(data.length);
    this.#writes ??= [];
    this.#writes.push({ address, data: data.slice() });
  }

  descriptor(fd: number): Descriptor {
    let known = this.#descriptors?.get(fd);
    if (known === undefined && this.#lent?.fd === fd) {
      known = this.#lent.describe();
      this.giveDescriptor(fd, known);
    }
    if (typeof known === 'string') throw new DrmError(known, `descriptor ${fd} is of no kind that we know`);
    if (known) return known;
    throw this.#ask({ kind: 'descriptor', fd });
  }

  install(descriptor: Descriptor, at: number | bigint, options?: { cloexec?: boolean; writable?: boolean }): void {
    this.#installations ??= [];
    must(this.#installations.length < SHIM_MAX_FDS, 'EMFILE', `more than ${SHIM_MAX_FDS} descriptors`);
    const { cloexec = false, writable = true } = options ?? {};
    this.#installations.push({ descriptor, at, cloexec, writable });
  }

  onGone(fn: () => void): () => void {
    const own = (): void => fn();
    this.#whenGone ??= new Set();
    this.#whenGone.add(own);
    return () => this.#whenGone?.delete(own);
  }

  // The channel's side.

  /** The answer to a question about memory: the bytes, or why there are none. */
  giveMemory(address: bigint, size: number, answer: Uint8Array | Errno): void {
    this.#memory ??= new Map();
    this.#memory.set(`${address}+${size}`, answer);
  }

  giveDescriptor(fd: number, answer: Descriptor | Errno): void {
    this.#descriptors ??= new Map();
    this.#descriptors.set(fd, answer);
  }

  /** The guest has sent its descriptor `fd` along; `describe` says what it is, if the handler asks. */
  lend(fd: number, describe: () => Descriptor | Errno): void {
    this.#lent = { fd, describe };
  }

  /** A new run of the handler begins: what the last one gave is void. */
  restart(): void {
    this.#writes = undefined;
    if (this.#installations) for (const { descriptor } of this.#installations) abandon(descriptor);
    this.#installations = undefined;
    this.#bytes = 0;
  }

  /** What the handler wrote, if anything. */
  takeWrites(): { address: bigint; data: Uint8Array }[] | undefined {
    const writes = this.#writes;
    this.#writes = undefined;
    return writes;
  }

  takeInstallations(): Installation[] | undefined {
    const installations = this.#installations;
    this.#installations = undefined;
    return installations;
  }

  /** The guest died. */
  gone(): void {
    if (!this.#whenGone) return;
    for (const fn of [...this.#whenGone]) fn();
    this.#whenGone.clear();
  }

  #charge(size: number): void {
    this.#bytes += size;
    must(this.#bytes <= MOST_BYTES, 'ENOMEM', () => `an ioctl that moves ${this.#bytes} bytes`);
  }

  #ask(question: Question): Error {
    if (++this.#questions > MOST_QUESTIONS) return new DrmError('ENOMEM', 'an ioctl with too many inputs');
    return new Restart(question);
  }
}
