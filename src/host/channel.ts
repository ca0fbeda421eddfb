/**
 * Channel: one control connection of a guest process; it carries one request at a time.
 *
 * A request is about a descriptor. That of a node's file is not sent with each request: a channel that has shown it once says its
 * number. What a process had it could have kept, so this gives nobody more than he had.
 *
 * How an ioctl goes on from there stands in ioctl-call.ts. Whatever a guest sends that the protocol does not foresee closes
 * its channel, and touches no one else.
 */
import { ERRNO } from '../abi/errno.ts';
import { type Infer, viewOf } from '../abi/layout.ts';
import { MAP_PRIVATE, MAP_TYPE, PROT_WRITE } from '../abi/linux.ts';
import { SHIM_HELLO, SHIM_PLACE, SHIM_REPLY, SHIM_REQUEST, SHIM_VERSION, ShimRequest } from '../abi/shim.ts';
import { must } from '../drm/error.ts';
import type { End, Held } from './ends.ts';
import type { EventLoop, Source } from './event-loop.ts';
import { type Caller, closeIf, IoctlCall, type Subject, Violation } from './ioctl-call.ts';
import type { Mailbox } from './mailbox.ts';
import { MemfdFile } from './memfd-backing.ts';
import { closeSent, doneHead, NO_DESCRIPTORS, type Outgoing, sendDone, sendQuestion } from './replies.ts';
import type { GuestServer } from './server.ts';
import * as sys from './syscalls.ts';
import type { Watched } from './watch.ts';

type Request = Infer<typeof ShimRequest>;

/** A request that waits for its subject to be shown. */
interface Unshown {
  readonly request: Request;
  readonly body: Uint8Array;
  readonly named: number;
}

/** Files that a channel is known to have; more are forgotten once they are closed. */
const KNOWN_MOST = 64;

export class Channel implements Source, Caller, Watched {
  readonly fd: number;
  readonly ends = false;
  readonly pid: number;
  readonly server: GuestServer;
  readonly #loop: EventLoop;
  /** When it was opened, in milliseconds of this process. */
  readonly opened = performance.now();
  #greeted = false;
  #direct = false;
  #running: IoctlCall | undefined;
  #unshown: Unshown | undefined;
  /** Numbers of the files that it has shown. */
  readonly #shown = new Set<number>();
  #mailbox: Mailbox | undefined;
  /** The request for whose answer the guest looks into the mailbox; 0: it listens to its socket. */
  #serial = 0;
  #closed = false;

  constructor(fd: number, server: GuestServer, loop: EventLoop) {
    this.fd = fd;
    this.pid = sys.peerPid(fd);
    this.server = server;
    this.#loop = loop;
  }

  get greeted(): boolean {
    return this.#greeted;
  }

  /** Can the guest's memory be had without asking it? */
  get direct(): boolean {
    return this.#direct;
  }

  ready(): void {
    const packet = sys.receivePacket(this.fd);
    if (packet === 'none') return;
    if (packet === 'gone') {
      this.close();
      return;
    }
    let held: readonly number[] = packet.fds;
    this.#obey(() => {
      try {
        if (packet.unaffordable && this.#greeted && !this.#running && !this.#unshown) {
          for (const fd of held) sys.close(fd);
          held = [];
          this.done(-ERRNO.ENFILE, undefined);
          return;
        }
        if (packet.cut) throw new Violation('a packet too long, or with too many descriptors');
        if (packet.bytes.length < ShimRequest.size) throw new Violation(`a packet of ${packet.bytes.length} bytes`);
        const request = ShimRequest.read(packet.view, 0);
        const body = packet.bytes.subarray(ShimRequest.size);
        held = [];
        if (this.#greeted && request.kind === SHIM_REQUEST.SLEEP) this.#sleep(request.serial, packet.fds);
        else this.#serve(request, body, packet.fds);
      } catch (error) {
        for (const fd of held) sys.close(fd);
        throw error;
      }
    });
    if (this.#mailbox && !this.#closed) this.server.watch.touch(this);
  }

  // --- the mailbox ---

  /** What is in the mailbox of a guest that has no socket any more is not served: it will ask again on another channel. */
  hungUp(): void {
    if (this.#mailbox) this.close();
  }

  get waiting(): boolean {
    // One request at a time.
    return this.#mailbox !== undefined && !this.#running && !this.#unshown && this.#mailbox.waiting;
  }

  watch(on: boolean): void {
    this.#mailbox?.watch(on);
  }

  look(): void {
    this.#loop.serveEnds();
    const asked = this.#mailbox?.take() ?? 'nothing';
    if (asked === 'packet') this.ready();
    else if (asked !== 'nothing') this.#mail(asked);
  }

  /** Serves a request that was in the mailbox. */
  #mail(asked: Uint8Array): void {
    this.#obey(() => {
      if (asked.length < ShimRequest.size) throw new Violation(`a request of ${asked.length} bytes in the mailbox`);
      const request = ShimRequest.read(viewOf(asked), 0);
      this.#serve(request, asked.subarray(ShimRequest.size), NO_FDS);
    });
    if (!this.#closed) this.server.watch.touch(this);
  }

  /** The guest has looked for the answer to a request for long enough, and goes to sleep. */
  #sleep(serial: number, fds: readonly number[]): void {
    for (const fd of fds) sys.close(fd);
    const mailbox = this.#mailbox;
    if (!mailbox || fds.length > 0) throw new Violation('a sleeping guest without a mailbox, or with descriptors');
    if (this.waiting) {
      // A packet would have come before this one.
      const asked = mailbox.take();
      if (typeof asked !== 'string') this.#mail(asked);
      if (this.#closed) return;
    }
    if (this.#serial === serial) {
      this.#serial = 0;
      return;
    }
    const answer = mailbox.answerTo(serial);
    if (answer && sys.sendPacket(this.fd, answer) !== 'sent') this.close();
  }

  /** Runs what a guest wants. What the protocol does not foresee closes the channel. */
  #obey(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.server.log('warn', 'host', `pid ${this.pid} broke the protocol: ${error.message}; its channel is closed`);
      this.close();
    }
  }

  /** The guest is gone, or unwelcome. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#loop.close(this);
    this.server.forget(this);
    this.server.watch.forget(this);
    this.#mailbox?.close();
    this.#mailbox = undefined;
    if (this.#unshown) closeIf(this.#unshown.named);
    this.#unshown = undefined;
    const running = this.#running;
    this.#running = undefined;
    running?.abandon();
  }

  /** Takes over the descriptors. */
  #serve(request: Request, body: Uint8Array, fds: readonly number[]): void {
    const refuse = (why: string): never => {
      for (const fd of fds) sys.close(fd);
      throw new Violation(why);
    };
    const count = (least: number, most = least): void => {
      if (fds.length < least || fds.length > most) refuse(`${fds.length} descriptors with request ${request.kind}`);
    };
    if (!this.#greeted) {
      count(0);
      if (request.kind !== SHIM_REQUEST.HELLO || request.number !== SHIM_VERSION)
        refuse(`request ${request.kind}, version ${request.number} instead of a greeting of version ${SHIM_VERSION}`);
      this.#greeted = true;
      this.#direct = this.server.directMemory && this.#proves(request);
      if (request.flags & SHIM_HELLO.MAILBOX) this.#giveMailbox();
      return;
    }
    if (this.#unshown) {
      if (request.kind !== SHIM_REQUEST.GIVE) refuse(`answer ${request.kind} to a request for a descriptor`);
      count(request.number === 0 ? 1 : 0);
      this.#show(this.#unshown, fds[0] ?? -1);
      return;
    }
    if (this.#running) {
      count(0, 1);
      this.#running.answer(request.kind, request.number, body, fds[0] ?? -1);
      return;
    }
    if (this.#mailbox && request.serial !== 0) {
      this.#serial = request.serial;
      this.#mailbox.seen(request.serial);
    }
    switch (request.kind) {
      case SHIM_REQUEST.OPEN:
        count(0);
        this.#open(request.number);
        return;
      case SHIM_REQUEST.IOCTL: {
        const own = request.end === 0n ? 1 : 0;
        const named = request.named >= 0 ? 1 : 0;
        count(own + named);
        this.#about(request, body, own ? fds[0]! : -1, named ? fds[own]! : -1);
        return;
      }
      case SHIM_REQUEST.WRITE: {
        // To an input device, or to a file of /sys that comes along.
        const own = request.end === 0n ? 1 : 0;
        count(own);
        this.#about(request, body, own ? fds[0]! : -1, -1);
        return;
      }
      case SHIM_REQUEST.MMAP:
      case SHIM_REQUEST.READ:
      case SHIM_REQUEST.FDINFO:
        count(0);
        this.#about(request, body, -1, -1);
        return;
      default:
        refuse(`request ${request.kind}`);
        return;
    }
  }

  /** Finds out what a request is about: what came along, a file that was shown, or one that has to be shown now. */
  #about(request: Request, body: Uint8Array, fd: number, named: number): void {
    const number = Number(request.end);
    if (number === 0) this.#begin(request, body, { end: undefined, fd, named });
    else if (this.#shown.has(number)) this.#begin(request, body, { end: this.server.ends.get(number), fd, named });
    else {
      this.#unshown = { request, body: body.slice(), named };
      this.send(SHIM_REPLY.TAKE, BigInt(request.subject));
    }
  }

  /** The descriptor `fd` (-1: there is none) has come for a request that waited for it. Takes it over. */
  #show({ request, body, named }: Unshown, fd: number): void {
    this.#unshown = undefined;
    let end = fd < 0 ? undefined : this.server.ends.find(fd);
    closeIf(fd);
    const node = end?.held.kind === 'drm' || end?.held.kind === 'input';
    if (!end || !node || end.number !== Number(request.end)) end = undefined;
    else this.#know(end.number);
    this.#begin(request, body, { end, fd: -1, named });
  }

  #know(number: number): void {
    const { ends } = this.server;
    if (this.#shown.size >= KNOWN_MOST) for (const each of this.#shown) if (!ends.get(each)) this.#shown.delete(each);
    this.#shown.add(number);
  }

  #begin(request: Request, body: Uint8Array, subject: Subject): void {
    if (request.kind === SHIM_REQUEST.MMAP) {
      this.#mmap(request, subject.end?.held);
      return;
    }
    if (request.kind === SHIM_REQUEST.READ) {
      this.#read(request, subject.end);
      return;
    }
    if (request.kind === SHIM_REQUEST.FDINFO) {
      const { end } = subject;
      this.#finish(() => ({ value: 0, outgoing: result({ fd: this.server.fdinfo(end?.held), kept: false }) }));
      return;
    }
    if (request.kind === SHIM_REQUEST.WRITE) {
      if (request.end !== 0n) this.#write(request, body, subject.end?.held);
      else this.#writeAttribute(request, body, subject.fd);
      return;
    }
    this.#running = new IoctlCall(this, request.number, body, subject, request.named);
    this.#running.start();
  }

  /** Does the guest's memory, read directly, hold what the guest says it does? Not so under an emulator that moves it. */
  #proves({ address, size }: Request): boolean {
    const bytes = new Uint8Array(8);
    return (
      this.pid > 0 &&
      sys.readProcess(this.pid, address, bytes) &&
      new DataView(bytes.buffer).getBigUint64(0, true) === size
    );
  }

  #giveMailbox(): void {
    const mailbox = this.server.mailbox();
    const outgoing = mailbox ? [result({ fd: mailbox.fd, kept: false })] : NO_DESCRIPTORS;
    this.done(0, undefined, outgoing);
    if (this.#closed) mailbox?.close();
    else this.#mailbox = mailbox;
  }

  // --- open, mmap, read and write: nothing to wait for ---

  #open(device: number): void {
    this.#finish(() => ({ value: 0, outgoing: result({ fd: this.server.open(device, this.pid), kept: false }) }));
  }

  /** The guest has taken off the packet that said that there is something: while there is, another has to be there. */
  #read({ number: size }: Request, end: End | undefined): void {
    const held = end?.held;
    const bytes = this.server.attempt(this.pid, () => {
      must(held?.kind === 'input', 'ENODEV', 'a read of a file that is closed');
      return held.client.read(size);
    });
    if (typeof bytes === 'number') this.done(bytes, undefined);
    else this.done(bytes.length, bytes);
    end?.tell();
  }

  #write({ number: size }: Request, body: Uint8Array, held: Held | undefined): void {
    const taken = this.server.attempt(this.pid, () => {
      must(held?.kind === 'input', 'ENODEV', 'a write to a file that is closed');
      must(body.length === size, 'EFAULT', 'the bytes cannot be read');
      return held.client.write(body);
    });
    this.done(taken, undefined);
  }

  /** Takes over `fd`. */
  #writeAttribute({ number: size }: Request, body: Uint8Array, fd: number): void {
    const taken = this.server.attempt(this.pid, () => {
      must(body.length === size, 'EFAULT', 'the bytes cannot be read');
      this.server.writeAttribute(fd, new TextDecoder().decode(body));
      return size;
    });
    sys.close(fd);
    this.done(taken, undefined);
  }

  #mmap({ number: prot, flags, address: offset, size }: Request, held: Held | undefined): void {
    this.#finish(() => {
      must(held?.kind === 'drm', 'ENODEV', 'mmap of a file that is closed');
      must((flags & MAP_TYPE) !== MAP_PRIVATE, 'EINVAL', 'a private mapping of device memory');
      const writable = (prot & PROT_WRITE) !== 0;
      const target = held.file.mmap(offset, Number(size), writable);
      must(target.writable || !writable, 'EACCES', 'a writable mapping of read-only memory');
      const { file } = target.run;
      must(file instanceof MemfdFile, 'ENODEV', 'this memory has no file behind it');
      return { value: target.offset, outgoing: result(file.descriptor(target.writable)) };
    });
  }

  #finish(run: () => { value: number; outgoing: Outgoing }): void {
    const result = this.server.attempt(this.pid, run);
    if (typeof result === 'number') this.done(result, undefined);
    else this.done(result.value, undefined, [result.outgoing]);
  }

  // --- answers ---

  done(value: number, arg: Uint8Array | undefined, outgoing: readonly Outgoing[] = NO_DESCRIPTORS): void {
    this.#running = undefined;
    const serial = this.#serial;
    const mailbox = serial === 0 ? undefined : this.#mailbox;
    this.#serial = 0;
    if (mailbox && outgoing.length === 0 && mailbox.answer(serial, doneHead(value, arg), arg)) return;
    const sent = this.#closed ? 'gone' : sendDone(this.fd, value, arg, outgoing);
    closeSent(outgoing);
    const needed = outgoing.filter(({ offered }) => !offered);
    if (sent === 'full' && needed.length < outgoing.length) this.done(value, arg, needed);
    else if (sent === 'full' && outgoing.length > 0) this.done(-ERRNO.EMFILE, arg);
    else if (sent !== 'sent') this.close();
    else mailbox?.announce(serial);
  }

  send(kind: number, value: bigint, address = 0n, size = 0): void {
    if (!sendQuestion(this.fd, kind, value, address, size)) this.close();
    if (this.#serial !== 0) this.#mailbox?.announce(this.#serial);
    this.#serial = 0;
  }
}

const NO_FDS: readonly number[] = [];

/** A descriptor that is the result of a call. */
const result = (descriptor: { fd: number; kept: boolean }): Outgoing => ({
  ...descriptor,
  place: { where: SHIM_PLACE.RESULT, cloexec: 1 },
});
