/**
 * MessageStream: vfio-user's messages on a byte stream, one after the other, with their descriptors. It knows of headers and
 * lengths only. Whatever is no message ends the stream: after it nobody could say where the next one begins.
 */
import { EPOLLIN, EPOLLOUT } from '../../abi/linux.ts';
import { VFIO_USER_FLAG, VfioUserHeader } from '../../abi/vfio-user.ts';
import type { EventLoop, Source } from '../event-loop.ts';
import * as sys from '../syscalls.ts';

export interface Message {
  readonly command: number;
  readonly id: number;
  /** The client waits for no answer. */
  readonly silent: boolean;
  /** What follows the header; good until the next message. */
  readonly body: DataView<ArrayBuffer>;
  /** Ours to close. */
  readonly fds: readonly number[];
}

export interface MessageSink {
  message(message: Message): void;
  /** The stream has ended, by the peer or (`reason`) by what it sent. Called once. */
  ended(reason: string | undefined): void;
}

/** Bytes of a message's body at most. */
export const MOST_BODY = 65536 + 64;
/** Bytes of answers that may wait for a client that does not read. */
const MOST_WAITING = 2 ** 20;
const MOST_FDS = 16;
/** Messages that are served before others have their turn. */
const TURN = 64;

export class MessageStream implements Source {
  readonly fd: number;
  readonly ends = false;
  readonly #loop: EventLoop;
  readonly #sink: MessageSink;
  readonly #bytes = new Uint8Array(VfioUserHeader.size + MOST_BODY);
  readonly #view = new DataView(this.#bytes.buffer);
  /** How much of the message at hand is there, and how much it will be. */
  #filled = 0;
  #wanted = VfioUserHeader.size;
  #fds: number[] = [];
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #closed = false;
  /** The loop tells when the peer's queue has room again. */
  #full = false;

  /** Takes over `fd`. */
  constructor(fd: number, loop: EventLoop, sink: MessageSink) {
    this.fd = fd;
    this.#loop = loop;
    this.#sink = sink;
    loop.add(this, EPOLLIN);
  }

  ready(mask: number): void {
    if (mask & EPOLLOUT) this.#flush();
    for (let n = 0; n < TURN && !this.#closed; n++) if (!this.#receive()) return;
  }

  /** Sends an answer: the header's `size` and REPLY flag are filled in here. */
  reply(to: Pick<Message, 'id' | 'command'>, error: number, body: Uint8Array = NOTHING): void {
    if (this.#closed) return;
    const bytes = new Uint8Array(VfioUserHeader.size + body.length);
    VfioUserHeader.write(new DataView(bytes.buffer), 0, {
      id: to.id,
      command: to.command,
      size: bytes.length,
      flags: VFIO_USER_FLAG.REPLY | (error ? VFIO_USER_FLAG.ERROR : 0),
      error,
    });
    bytes.set(body, VfioUserHeader.size);
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > MOST_WAITING) this.end('it does not read its answers');
    else this.#flush();
  }

  /** Ends the stream; `reason` is what the client did wrong. */
  end(reason?: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#loop.close(this);
    for (const fd of this.#fds) sys.close(fd);
    this.#fds = [];
    this.#sink.ended(reason);
  }

  /** Takes what is there of the message at hand; false if that is not all of it. */
  #receive(): boolean {
    const got = sys.receiveBytes(this.fd, this.#bytes.subarray(this.#filled, this.#wanted));
    if (got === 'none') return false;
    if (got === 'gone') {
      this.end(this.#filled > 0 ? 'it ended in the middle of a message' : undefined);
      return false;
    }
    this.#filled += got.length;
    this.#fds.push(...got.fds);
    if (this.#fds.length > MOST_FDS) {
      this.end(`a message has more than ${MOST_FDS} descriptors`);
      return false;
    }
    if (this.#filled < this.#wanted) return true;
    if (this.#wanted === VfioUserHeader.size) {
      const { size, flags, command } = VfioUserHeader.read(this.#view, 0);
      if ((flags & VFIO_USER_FLAG.TYPE) !== 0) {
        this.end(`message ${command} is no request, and none was asked for`);
        return false;
      }
      if (size < VfioUserHeader.size || size > this.#bytes.length) {
        this.end(`message ${command} has ${size} bytes`);
        return false;
      }
      this.#wanted = size;
      if (size > VfioUserHeader.size) return true;
    }
    this.#deliver();
    return true;
  }

  #deliver(): void {
    const { id, command, flags } = VfioUserHeader.read(this.#view, 0);
    const body = new DataView(this.#bytes.buffer, VfioUserHeader.size, this.#wanted - VfioUserHeader.size);
    const fds = this.#fds;
    this.#fds = [];
    this.#filled = 0;
    this.#wanted = VfioUserHeader.size;
    this.#sink.message({ id, command, silent: (flags & VFIO_USER_FLAG.NO_REPLY) !== 0, body, fds });
  }

  #flush(): void {
    while (this.#waiting.length > 0 && !this.#closed) {
      const first = this.#waiting[0]!;
      const sent = sys.sendBytes(this.fd, first);
      if (sent < 0) {
        this.end();
        return;
      }
      this.#waitingBytes -= sent;
      if (sent === first.length) this.#waiting.shift();
      else this.#waiting[0] = first.subarray(sent);
      if (sent === 0) break;
    }
    const full = this.#waiting.length > 0;
    if (full === this.#full) return;
    this.#full = full;
    this.#loop.modify(this, full ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }
}

const NOTHING = new Uint8Array();
