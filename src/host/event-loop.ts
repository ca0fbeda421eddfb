/**
 * EventLoop: one epoll set, woken through Node's own event loop (koffi's poll handle on the epoll descriptor): no thread,
 * no polling.
 *
 * A batch is served in two passes: first the sources that only ever end (a file whose last descriptor was closed), then
 * those that ask for something. So an open that follows a close finds the file closed, and who serves a request that came
 * another way (mailbox.ts) calls `serveEnds` before.
 */
import koffi, { type node } from 'koffi';
import { EPOLLHUP } from '../abi/linux.ts';
import * as sys from './syscalls.ts';

/** Nanoseconds. */
const MILLISECOND = 1e6;

export interface Source {
  readonly fd: number;
  /** Served before the sources that are not `ends`. */
  readonly ends: boolean;
  ready(mask: number): void;
  /** The other side has hung up; what it sent before may wait still. */
  hungUp?(): void;
}

export class EventLoop {
  readonly #epoll = sys.epollCreate();
  readonly #sources = new Map<number, Source>();
  readonly #ids = new Map<Source, number>();
  readonly #handle: node.PollHandle;
  #nextId = 1;
  /** Nanoseconds for which sources have been served. */
  served = 0;
  #closed = false;

  constructor() {
    // Koffi's callback runs outside Node's callback scopes: promises that it settles would wait for the next event. An
    // immediate follows in the same turn of the loop, inside one.
    this.#handle = koffi.node.poll(this.#epoll, { readable: true }, () => setImmediate(() => this.serve()));
  }

  /** Is there something to serve? Asking serves nothing. */
  get pressed(): boolean {
    return !this.#closed && sys.epollAny(this.#epoll);
  }

  /** Number of descriptors that are watched. */
  get size(): number {
    return this.#sources.size;
  }

  /** Watches a source for `mask` (EPOLLIN, EPOLLOUT; errors and hang-ups always). */
  add(source: Source, mask: number): void {
    const id = this.#nextId++;
    sys.epollControl(this.#epoll, 'add', source.fd, mask, id);
    this.#sources.set(id, source);
    this.#ids.set(source, id);
  }

  /** Is it watched still? */
  has(source: Source): boolean {
    return this.#ids.has(source);
  }

  modify(source: Source, mask: number): void {
    sys.epollControl(this.#epoll, 'modify', source.fd, mask, this.#ids.get(source));
  }

  /** Watches it no longer; its descriptor stays open. */
  remove(source: Source): void {
    if (this.#forget(source)) sys.epollControl(this.#epoll, 'remove', source.fd);
  }

  /** Watches it no longer, and closes its descriptor, with which it leaves the set by itself: nobody else has it. */
  close(source: Source): void {
    this.#forget(source);
    sys.close(source.fd);
  }

  #forget(source: Source): boolean {
    const id = this.#ids.get(source);
    if (id === undefined) return false;
    this.#ids.delete(source);
    this.#sources.delete(id);
    return true;
  }

  end(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handle.close();
    this.#sources.clear();
    this.#ids.clear();
    sys.close(this.#epoll);
  }

  /** Serves the sources that have ended, and no others; tells those whose other side is gone. */
  serveEnds(): void {
    if (this.#closed) return;
    const count = sys.epollReady(this.#epoll);
    if (count === 0) return;
    this.#pass(count, true);
    for (let i = 0; i < count; i++) if (sys.readyMask(i) & EPOLLHUP) this.#sources.get(sys.readyId(i))?.hungUp?.();
  }

  /** Serves all that is ready. False: nothing was. */
  serve(): boolean {
    if (this.#closed) return false;
    const count = sys.epollReady(this.#epoll);
    if (count === 0) return false;
    const begin = performance.now();
    this.#pass(count, true);
    this.#pass(count, false);
    this.served += (performance.now() - begin) * MILLISECOND;
    return true;
  }

  #pass(count: number, ends: boolean): void {
    for (let i = 0; i < count; i++) {
      if (this.#closed) return;
      // A source may have been removed by one that was served before it.
      const source = this.#sources.get(sys.readyId(i));
      if (source?.ends === ends) source.ready(sys.readyMask(i));
    }
  }
}
