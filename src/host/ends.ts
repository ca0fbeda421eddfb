/**
 * The machine's ends of what guests hold as descriptors: an open DRM file, an input device's, a sync file, a syncobj.
 *
 * Each is a socket pair. The guest's end goes to it by SCM_RIGHTS and may then be duplicated, inherited and passed on as it
 * likes; when the last copy is gone, by whatever death, our end hangs up. Our end is bound to an abstract address that
 * tells the shim, and us when the descriptor comes back with a request, what it is. No one else can take that address
 * while our end lives, and no number is used twice.
 */
import { randomInt } from 'node:crypto';
import { INPUT_MAJOR } from '../abi/input/evdev.ts';
import { EPOLLERR, EPOLLHUP, EPOLLOUT } from '../abi/linux.ts';
import { DRM_MAJOR, SHIM_ADDRESS_PREFIX, SHIM_ADDRESS_SYNC } from '../abi/shim.ts';
import type { Log } from '../board/log.ts';
import { must } from '../drm/error.ts';
import type { DrmFile } from '../drm/file.ts';
import type { SwTimeline } from '../drm/sw-sync.ts';
import type { SyncFile } from '../drm/sync-file.ts';
import type { Syncobj } from '../drm/syncobj.ts';
import type { EvdevClient } from '../input/client.ts';
import type { EventLoop, Source } from './event-loop.ts';
import * as sys from './syscalls.ts';

/** What one process may have made, whoever has it now. */
const MOST_PER_PROCESS = 4096;
/** Events that wait for a guest that does not read: then the oldest are lost. The socket itself holds some hundred. */
const MOST_EVENTS = 256;

export type Held =
  | { readonly kind: 'drm'; readonly file: DrmFile<any>; readonly minor: number }
  | { readonly kind: 'input'; readonly client: EvdevClient }
  | { readonly kind: 'sync-file'; readonly syncFile: SyncFile }
  | { readonly kind: 'sw-sync'; readonly timeline: SwTimeline }
  | { readonly kind: 'syncobj'; readonly syncobj: Syncobj };

export class End implements Source {
  readonly number: number;
  /** Its abstract address. */
  readonly address: Uint8Array;
  readonly fd: number;
  readonly ends = true;
  readonly held: Held;
  readonly #loop: EventLoop;
  readonly #gone: () => void;
  readonly #log: Log;
  #queue: Uint8Array[] = [];
  #lost = 0;
  #uses = 0;
  #closed = false;
  #undo: () => void = () => {};

  constructor(
    number: number,
    address: Uint8Array,
    fd: number,
    held: Held,
    loop: EventLoop,
    log: Log,
    gone: () => void,
  ) {
    this.number = number;
    this.address = address;
    this.fd = fd;
    this.held = held;
    this.#loop = loop;
    this.#log = log;
    this.#gone = gone;
    loop.add(this, 0);
    if (held.kind === 'drm') held.file.sendEvent = (event) => this.#send(event);
    else if (held.kind === 'input') {
      held.client.onReadable = () => this.tell();
      held.client.onHangUp = () => this.close();
    } else if (held.kind === 'sync-file') this.#undo = held.syncFile.onSignal(() => sys.shutdownWrite(fd));
  }

  ready(mask: number): void {
    if (mask & (EPOLLHUP | EPOLLERR)) this.#hungUp();
    else if (mask & EPOLLOUT) this.#flush();
  }

  /** An ioctl begins: until `done` the file stays, as with a descriptor of its own. */
  use(): this {
    this.#uses++;
    return this;
  }

  done(): void {
    if (--this.#uses === 0 && !this.#loop.has(this)) this.close();
  }

  /** The guest's last descriptor is gone. An ioctl that is still under way is finished first. */
  #hungUp(): void {
    if (this.#uses === 0) this.close();
    else this.#loop.remove(this);
  }

  /** The end of it, or of the machine. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#gone();
    this.#undo();
    this.#loop.close(this);
    if (this.held.kind === 'drm') this.held.file.close();
    else if (this.held.kind === 'input') this.held.client.close();
    else if (this.held.kind === 'sw-sync') this.held.timeline.close();
    else if (this.held.kind === 'syncobj') this.held.syncobj.put();
  }

  /** Sees to it that a packet waits for the guest while there are input events for it: so it can poll. */
  tell(): void {
    if (this.#closed || this.held.kind !== 'input' || !this.held.client.readable) return;
    if (!sys.isUnread(this.fd)) sys.sendPacket(this.fd, READABLE);
  }

  #send(event: Uint8Array): void {
    if (this.#queue.length === 0 && sys.sendPacket(this.fd, event) !== 'full') return;
    this.#queue.push(event.slice());
    if (this.#queue.length === 1) this.#loop.modify(this, EPOLLOUT);
    if (this.#queue.length <= MOST_EVENTS) return;
    this.#queue.shift();
    if (this.#lost++ === 0 && this.held.kind === 'drm')
      this.#log('warn', 'host', `pid ${this.held.file.pid} does not read its DRM events: the oldest are lost`);
  }

  #flush(): void {
    while (this.#queue.length > 0) {
      if (sys.sendPacket(this.fd, this.#queue[0]!) === 'full') return;
      this.#queue.shift();
    }
    this.#lost = 0;
    this.#loop.modify(this, 0);
  }
}

export class Ends {
  readonly #made = new Map<number, number>();
  readonly #most = Math.min(MOST_PER_PROCESS, Math.floor(sys.limits().openFiles / 8));
  readonly #machine: string;
  readonly #loop: EventLoop;
  readonly #log: Log;
  readonly #ends = new Map<number, End>();
  /** Guests name ends by their numbers: so no other machine, whose descriptors a guest may have too, has the same ones. */
  #next = randomInt(1, 2 ** 47);

  readonly #freed: () => void;
  readonly #room: () => boolean;

  /**
   * `machine`: a name that no other machine has. `freed` is told when a descriptor is no more; `room` says whether the host
   * lets us have another one.
   */
  constructor(machine: string, loop: EventLoop, log: Log, freed: () => void, room: () => boolean) {
    this.#freed = freed;
    this.#room = room;
    this.#machine = machine;
    this.#loop = loop;
    this.#log = log;
  }

  /** How many descriptors guests hold, copies not counted. */
  get size(): number {
    return this.#ends.size;
  }

  /**
   * Makes a descriptor for the guest process `pid`. It is ours to send and to close. Throws DrmError EMFILE when the
   * process has had its share, ENFILE when all have, SystemError when we may have no more.
   */
  create(held: Held, pid: number): number {
    const made = this.#made.get(pid) ?? 0;
    must(made < this.#most, 'EMFILE', () => `process ${pid} has made ${made} descriptors`);
    must(this.#room(), 'ENFILE', 'the host allows no more descriptors');
    const [ours, theirs] = sys.socketPair();
    const number = this.#next++;
    const gone = (): void => {
      this.#ends.delete(number);
      const left = this.#made.get(pid)! - 1;
      if (left > 0) this.#made.set(pid, left);
      else this.#made.delete(pid);
      this.#freed();
    };
    try {
      const address = this.#address(held, number);
      sys.bindAbstract(ours, address);
      this.#ends.set(number, new End(number, address, ours, held, this.#loop, this.#log, gone));
      this.#made.set(pid, made + 1);
      return theirs;
    } catch (error) {
      sys.close(ours);
      sys.close(theirs);
      throw error;
    }
  }

  /** The end with this number, while a guest has a descriptor of it. */
  get(number: number): End | undefined {
    return this.#ends.get(number);
  }

  /** What a descriptor that came from a guest is, if it is one of ours. */
  find(fd: number): End | undefined {
    const address = sys.peerAddress(fd);
    let number = 0;
    let unit = 1;
    for (let i = address.length - 1; i >= 0 && address[i] !== SLASH; i--, unit *= 10)
      number += (address[i]! - ZERO) * unit;
    const end = this.#ends.get(number);
    return end && same(end.address, address) ? end : undefined;
  }

  close(): void {
    for (const end of [...this.#ends.values()]) end.close();
  }

  #address(held: Held, number: number): Uint8Array {
    const what = nameOf(held);
    return encoder.encode(`${SHIM_ADDRESS_PREFIX}${this.#machine}/${what}/${number}`);
  }
}

function nameOf(held: Held): string {
  switch (held.kind) {
    case 'drm':
      return `${DRM_MAJOR}:${held.minor}`;
    case 'input':
      return `${INPUT_MAJOR}:${held.client.device.minor}`;
    // Both have ioctls, and no node that a program could see.
    case 'sync-file':
    case 'sw-sync':
      return SHIM_ADDRESS_SYNC;
    case 'syncobj':
      return held.kind;
  }
}

/** What a guest finds while there are input events for it. It says nothing. */
const READABLE = new Uint8Array(1);

const encoder = new TextEncoder();
const SLASH = 47;
const ZERO = 48;

function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
