/**
 * Mailboxes: pages that the machine shares with channels, so that requests and answers need no system call.
 *
 * Each is a sealed memfd of its own, mapped into one WebAssembly memory, where script can reach it; a guest has its own
 * channels' pages alone. What stands there is a guest's to change at any moment: a request is copied out once, and the copy
 * is judged. A guest that writes over an answer harms itself.
 */
import { SHIM_MAILBOX, ShimMailboxGuest, ShimMailboxMachine, ShimReply } from '../abi/shim.ts';
import * as sys from './syscalls.ts';

const { SIZE, GUEST, REQUEST, ANSWER } = SHIM_MAILBOX;
/** Pages of the WebAssembly memory, and mailboxes in it. More channels are served by their sockets alone. */
const PAGES = 64;
const MOST = (PAGES * 65536) / SIZE;
const REQUEST_MAX = ANSWER - REQUEST;
const ANSWER_MAX = SIZE - ANSWER - ShimReply.size;

/** What a guest wants: nothing new, that a packet be read, or what stands in the mailbox. */
export type Asked = 'nothing' | 'packet' | Uint8Array<ArrayBuffer>;

const WATCHING = ShimMailboxMachine.offset.watching / 4;
const PATIENCE = ShimMailboxMachine.offset.patience / 4;
const HOPE = ShimMailboxMachine.offset.hope / 4;
const TAKEN = ShimMailboxMachine.offset.taken / 4;
const TOLD = ShimMailboxMachine.offset.told / 4;
const ASKED = (GUEST + ShimMailboxGuest.offset.asked) / 4;
const LENGTH = (GUEST + ShimMailboxGuest.offset.size) / 4;

/** Microseconds for which guests should look before they sleep: for their request to be taken, and then for an answer. */
export interface GuestPatience {
  readonly untaken: number;
  readonly taken: number;
}

/** Where a request is copied to, good until the next one of any mailbox. */
const copy = new Uint8Array(new ArrayBuffer(REQUEST_MAX));
const copied = new Int32Array(copy.buffer);

export class Mailbox {
  /** The memory's descriptor, to be sent to the guest and closed. */
  readonly fd: number;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #free: () => void;
  /** The last request that is known of. */
  #seen = 0;
  /** The last answer that was put in: its request, and its length. */
  #answered = 0;
  #length = 0;

  constructor(fd: number, memory: WebAssembly.Memory, at: number, patience: GuestPatience, free: () => void) {
    this.fd = fd;
    this.#words = new Int32Array(memory.buffer, at, SIZE / 4);
    this.#bytes = new Uint8Array(memory.buffer, at, SIZE);
    this.#view = new DataView(memory.buffer, at, SIZE);
    this.#free = free;
    this.#words[PATIENCE] = patience.taken;
    this.#words[HOPE] = patience.untaken;
  }

  /** Tells the guest whether a request would be found here. */
  watch(on: boolean): void {
    Atomics.store(this.#words, WATCHING, on ? 1 : 0);
  }

  /** Is there a request that nobody knows of? */
  get waiting(): boolean {
    return this.#isNew(Atomics.load(this.#words, ASKED));
  }

  #isNew(serial: number): boolean {
    return ((serial - this.#seen) | 0) > 0;
  }

  /** Takes the next request: each once. A length that cannot be is that of no request. */
  take(): Asked {
    const serial = Atomics.load(this.#words, ASKED);
    if (!this.#isNew(serial)) return 'nothing';
    const length = this.#words[LENGTH]!;
    this.seen(serial);
    if (length === 0) return 'packet';
    if (length < 0 || length > REQUEST_MAX) return copy.subarray(0, 0);
    const from = REQUEST / 4;
    for (let i = 0; i * 4 < length; i++) copied[i] = this.#words[from + i]!;
    return copy.subarray(0, length);
  }

  /** A request with this number has come, here or as a packet. */
  seen(serial: number): void {
    if (!this.#isNew(serial)) return;
    this.#seen = serial | 0;
    Atomics.store(this.#words, TAKEN, this.#seen);
  }

  /** Answers a request here. False if the answer is too long. */
  answer(serial: number, reply: Uint8Array, arg: Uint8Array | undefined): boolean {
    const size = arg?.length ?? 0;
    if (size > ANSWER_MAX) return false;
    const bytes = this.#bytes;
    for (let i = 0; i < ShimReply.size; i++) bytes[ANSWER + i] = reply[i]!;
    const to = ANSWER + ShimReply.size;
    for (let i = 0; i < size; i++) bytes[to + i] = arg![i]!;
    this.#answered = serial | 0;
    this.#length = ShimReply.size + size;
    Atomics.store(this.#words, TOLD, serial);
    return true;
  }

  /** Tells that a packet has been sent about a request. */
  announce(serial: number): void {
    this.#view.setUint32(ANSWER + ShimReply.offset.kind, 0, true);
    Atomics.store(this.#words, TOLD, serial);
  }

  /** The answer to this request, if it was given here and is the last one. */
  answerTo(serial: number): Uint8Array | undefined {
    if (this.#answered !== (serial | 0) || serial === 0) return undefined;
    this.#answered = 0;
    return this.#bytes.slice(ANSWER, ANSWER + this.#length);
  }

  close(): void {
    this.watch(false);
    this.#free();
  }
}

export class Mailboxes {
  readonly #memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES, shared: true });
  readonly #base = sys.addressOf(new Uint8Array(this.#memory.buffer));
  readonly #free: number[] = [];
  readonly #patience: GuestPatience;
  #made = 0;

  constructor(patience: GuestPatience) {
    this.#patience = patience;
  }

  /** A new one; undefined if there is no room for it, here or on the host. */
  create(): Mailbox | undefined {
    const at = this.#free.pop() ?? (this.#made < MOST ? this.#made++ * SIZE : undefined);
    if (at === undefined) return undefined;
    const address = this.#base + BigInt(at);
    let fd: number;
    try {
      fd = sys.sealedMemory('tyr mailbox', SIZE);
    } catch (error) {
      this.#free.push(at);
      if (error instanceof sys.SystemError) return undefined;
      throw error;
    }
    try {
      sys.mapFixed(address, SIZE, fd);
    } catch (error) {
      sys.close(fd);
      this.#free.push(at);
      if (error instanceof sys.SystemError) return undefined;
      throw error;
    }
    return new Mailbox(fd, this.#memory, at, this.#patience, () => {
      sys.mapAnonymous(address, SIZE);
      this.#free.push(at);
    });
  }
}
