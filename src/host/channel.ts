/**
 * Channel: one control connection of a guest process; it carries one request at a time.
 *
 * A request runs its handler, perhaps again and again (see user-context.ts), then writes what the handler gave into the
 * guest's memory, then answers. Whatever a guest sends that the protocol does not foresee closes its channel, and touches
 * no one else.
 */
import { ERRNO, type Errno } from '../abi/errno.ts';
import type { Infer } from '../abi/layout.ts';
import { MAP_PRIVATE, MAP_TYPE, O_RDONLY, O_RDWR, PROT_WRITE } from '../abi/linux.ts';
import {
  SHIM_CHUNK,
  SHIM_PLACE,
  SHIM_REPLY,
  SHIM_REQUEST,
  SHIM_VERSION,
  ShimPlace,
  ShimReply,
  ShimRequest,
} from '../abi/shim.ts';
import { PAGE } from '../board/dram.ts';
import { DrmError, must } from '../drm/error.ts';
import { decodeRequest, type IoctlResult } from '../drm/ioctl.ts';
import type { EventLoop, Source } from './event-loop.ts';
import { MemfdFile } from './memfd-backing.ts';
import type { GuestServer } from './server.ts';
import * as sys from './syscalls.ts';
import { type Question, RequestContext, Restart } from './user-context.ts';

const DIRECTION_WRITE = 1;
const DIRECTION_READ = 2;

type Request = Infer<typeof ShimRequest>;

/** One descriptor on its way to the guest. */
interface Outgoing {
  readonly fd: number;
  readonly place: Partial<Infer<typeof ShimPlace>>;
}

/** Something that the guest has to answer before the request can go on. */
type Pending =
  | { readonly question: Question; readonly got: Uint8Array; have: number }
  | { readonly write: { address: bigint; data: Uint8Array } };

/** One ioctl under way. */
interface Running {
  readonly context: RequestContext;
  /** Runs the handler from its start. */
  readonly handler: () => IoctlResult | Promise<IoctlResult>;
  /** Does the argument go back to the guest? */
  readonly returnsArgument: boolean;
  /** The descriptor that the ioctl is about, held so that the file lives until the end; -1 when let go. */
  fd: number;
  /** Files that the client brought in by this request; those that nothing has mapped are dropped at the end. */
  readonly adopted: MemfdFile[];
  readonly eventfds: (() => void)[];
  pending: Pending | undefined;
  result: IoctlResult | undefined;
  writes: { address: bigint; data: Uint8Array }[];
}

class Violation extends Error {}

export class Channel implements Source {
  readonly fd: number;
  readonly ends = false;
  readonly pid: number;
  readonly #server: GuestServer;
  readonly #loop: EventLoop;
  /** When it was opened, in milliseconds of this process. */
  readonly opened = performance.now();
  #greeted = false;
  #direct = false;
  #running: Running | undefined;
  #closed = false;

  constructor(fd: number, server: GuestServer, loop: EventLoop) {
    this.fd = fd;
    this.pid = sys.peerPid(fd);
    this.#server = server;
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
    try {
      if (packet.unaffordable && this.#greeted && !this.#running) {
        this.#done(-ERRNO.ENFILE, undefined, []);
        return;
      }
      if (packet.cut) throw new Violation('a packet too long, or with too many descriptors');
      if (packet.bytes.length < ShimRequest.size) throw new Violation(`a packet of ${packet.bytes.length} bytes`);
      const request = ShimRequest.read(packet.view, 0);
      const body = packet.bytes.subarray(ShimRequest.size);
      const fd = packet.fds[0] ?? -1;
      if (packet.fds.length > 1) throw new Violation('more than one descriptor');
      held = [];
      this.#serve(request, body, fd);
    } catch (error) {
      for (const fd of held) sys.close(fd);
      if (!(error instanceof Violation)) throw error;
      this.#server.log('warn', 'host', `pid ${this.pid} broke the protocol: ${error.message}; its channel is closed`);
      this.close();
    }
  }

  /** The guest is gone, or unwelcome. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#loop.remove(this);
    sys.close(this.fd);
    this.#server.forget(this);
    const running = this.#running;
    this.#running = undefined;
    if (!running) return;
    this.#release(running);
    running.context.gone();
    this.#discard(running, true);
  }

  /** Takes over `fd` (-1: none came). */
  #serve(request: Request, body: Uint8Array, fd: number): void {
    const refuse = (why: string): never => {
      if (fd >= 0) sys.close(fd);
      throw new Violation(why);
    };
    const alone = (): void => void (fd >= 0 && refuse('a descriptor where none belongs'));
    if (!this.#greeted) {
      alone();
      if (request.kind !== SHIM_REQUEST.HELLO || request.number !== SHIM_VERSION)
        refuse(`request ${request.kind}, version ${request.number} instead of a greeting of version ${SHIM_VERSION}`);
      this.#greeted = true;
      this.#direct = this.#server.directMemory && this.#proves(request);
      return;
    }
    if (this.#running) {
      const { pending } = this.#running;
      if (!pending) refuse(`request ${request.kind} while one is served`);
      this.#answer(this.#running, pending!, request, body, fd);
      return;
    }
    switch (request.kind) {
      case SHIM_REQUEST.OPEN:
        alone();
        this.#open(request.number);
        return;
      case SHIM_REQUEST.IOCTL:
        if (fd < 0) refuse('an ioctl without its descriptor');
        this.#ioctl(request, body.slice(), fd);
        return;
      case SHIM_REQUEST.MMAP:
        if (fd < 0) refuse('an mmap without its descriptor');
        this.#mmap(request, fd);
        return;
      default:
        refuse(`request ${request.kind}`);
        return;
    }
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

  // --- open and mmap: nothing to wait for ---

  #open(minor: number): void {
    let fd = -1;
    this.#finish(() => {
      fd = this.#server.open(minor, this.pid);
      return { value: 0, outgoing: [{ fd, place: { where: SHIM_PLACE.RESULT, cloexec: 1 } }] };
    });
  }

  #mmap({ number: prot, flags, address: offset, size }: Request, fd: number): void {
    this.#finish(() => {
      try {
        const held = this.#server.ends.find(fd);
        must(held?.kind === 'drm', 'ENODEV', 'mmap of a file that is closed');
        must((flags & MAP_TYPE) !== MAP_PRIVATE, 'EINVAL', 'a private mapping of device memory');
        must(
          size > 0n && size <= 2n ** 40n && offset < 2n ** 63n,
          'EINVAL',
          () => `mmap of ${size} bytes at ${offset}`,
        );
        const length = Math.ceil(Number(size) / PAGE) * PAGE;
        const writable = (prot & PROT_WRITE) !== 0;
        const target = held.file.mmap(offset, length, writable);
        must(target.writable || !writable, 'EACCES', 'a writable mapping of read-only memory');
        const { file } = target.run;
        must(file instanceof MemfdFile, 'ENODEV', 'this memory has no file behind it');
        const out = sys.reopen(file.fd, target.writable ? O_RDWR : O_RDONLY);
        return { value: target.offset, outgoing: [{ fd: out, place: { where: SHIM_PLACE.RESULT, cloexec: 1 } }] };
      } finally {
        sys.close(fd);
      }
    });
  }

  #finish(run: () => { value: number; outgoing: Outgoing[] }): void {
    const { value, outgoing } = this.#try(run, { value: 0, outgoing: [] });
    this.#done(value, undefined, outgoing);
  }

  /** Runs what may fail for the client's or the host's reasons, which then is the value. */
  #try<T extends { value: number }>(run: () => T, empty: T): T {
    try {
      return run();
    } catch (error) {
      const value = errorValue(error);
      this.#server.log('warn', 'host', `pid ${this.pid}: ${(error as Error).message}`);
      return { ...empty, value };
    }
  }

  // --- ioctl ---

  #ioctl({ number, address }: Request, given: Uint8Array, fd: number): void {
    const { size, direction, type } = decodeRequest(number);
    const wanted = direction & DIRECTION_WRITE ? size : 0;
    if (given.length > wanted) {
      sys.close(fd);
      throw new Violation(`${given.length} bytes of argument for ioctl 0x${number.toString(16)}`);
    }
    // The guest's memory ended before the argument did.
    if (given.length < wanted) {
      sys.close(fd);
      this.#done(-ERRNO.EFAULT, undefined, []);
      return;
    }
    const context = new RequestContext(this.pid, address, this.#direct);
    const adopted: MemfdFile[] = [];
    const argument = (): Uint8Array => {
      const bytes = new Uint8Array(size);
      bytes.set(given);
      return bytes;
    };
    const handler = this.#handler(number, fd, context, adopted, argument);
    if (!handler) {
      if (adopted.length === 0) sys.close(fd);
      for (const file of adopted) file.close();
      this.#done(type === 0x62 ? -ERRNO.ENOTTY : -ERRNO.ENODEV, undefined, []);
      return;
    }
    this.#running = {
      context,
      handler,
      returnsArgument: (direction & DIRECTION_READ) !== 0 && size > 0,
      fd,
      adopted,
      eventfds: [],
      pending: undefined,
      result: undefined,
      writes: [],
    };
    this.#run(this.#running);
  }

  #run(running: Running): void {
    running.context.restart();
    const settle = (result: IoctlResult): void => {
      if (this.#running !== running) {
        this.#discard(running, true);
        return;
      }
      running.result = result;
      running.writes = running.context.takeWrites();
      this.#write(running);
    };
    const restart = (error: unknown): void => {
      if (error instanceof Restart) {
        if (this.#running === running) this.#ask(running, error.question);
        return;
      }
      // A bug of ours: loud, and the end of this ioctl, but not of the machine.
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#server.log('error', 'host', `the machine is at fault in an ioctl of pid ${this.pid}: ${text}`);
      settle({ value: -ERRNO.EIO, arg: new Uint8Array() });
    };
    try {
      const result = running.handler();
      if (result instanceof Promise) result.then(settle, restart);
      else settle(result);
    } catch (error) {
      restart(error);
    }
  }

  #ask(running: Running, question: Question): void {
    if (question.kind === 'descriptor') {
      running.pending = { question, got: new Uint8Array(), have: 0 };
      this.#send(SHIM_REPLY.TAKE, { value: BigInt(question.fd) });
      return;
    }
    const pending = { question, got: new Uint8Array(question.size), have: 0 };
    running.pending = pending;
    this.#send(SHIM_REPLY.READ, { address: question.address, size: Math.min(question.size, SHIM_CHUNK) });
  }

  #answer(running: Running, pending: Pending, request: Request, body: Uint8Array, fd: number): void {
    const refuse = (why: string): never => {
      if (fd >= 0) sys.close(fd);
      throw new Violation(why);
    };
    if ('write' in pending) {
      if (request.kind !== SHIM_REQUEST.READY || fd >= 0) refuse(`answer ${request.kind} to a write`);
      running.pending = undefined;
      if (sys.sendPacket(this.fd, [pending.write.data]) !== 'sent') {
        this.close();
        return;
      }
      this.#write(running);
      return;
    }
    const { question } = pending;
    if (question.kind === 'memory') {
      if (request.kind !== SHIM_REQUEST.DATA || fd >= 0) refuse(`answer ${request.kind} to a read`);
      const wanted = Math.min(question.size - pending.have, SHIM_CHUNK);
      // Short: the guest's memory ends there.
      if (request.number !== 0 || body.length !== wanted) {
        running.context.giveMemory(question.address, question.size, 'EFAULT');
      } else {
        pending.got.set(body, pending.have);
        pending.have += wanted;
        if (pending.have < question.size) {
          const left = Math.min(question.size - pending.have, SHIM_CHUNK);
          this.#send(SHIM_REPLY.READ, { address: question.address + BigInt(pending.have), size: left });
          return;
        }
        running.context.giveMemory(question.address, question.size, pending.got);
      }
    } else {
      if (request.kind !== SHIM_REQUEST.GIVE || (request.number === 0) !== fd >= 0)
        refuse(`answer ${request.kind} to a request for a descriptor`);
      running.context.giveDescriptor(question.fd, fd < 0 ? 'EBADF' : this.#server.describe(fd, running));
    }
    running.pending = undefined;
    this.#run(running);
  }

  /** Writes what the handler gave to the guest's memory, then answers. */
  #write(running: Running): void {
    for (let next = running.writes.shift(); next; next = running.writes.shift()) {
      if (this.#direct && sys.writeProcess(this.pid, next.address, next.data)) continue;
      const data = next.data.subarray(0, SHIM_CHUNK);
      if (data.length < next.data.length)
        running.writes.unshift({
          address: next.address + BigInt(data.length),
          data: next.data.subarray(data.length),
        });
      running.pending = { write: { address: next.address, data } };
      this.#send(SHIM_REPLY.WRITE, { address: next.address, size: data.length });
      return;
    }
    this.#complete(running);
  }

  #complete(running: Running): void {
    const { context, result } = running;
    const { value, outgoing } = this.#try(
      () => {
        if (result!.value < 0) return { value: result!.value, outgoing: [] };
        return { value: result!.value, outgoing: this.#server.export(context.takeInstallations(), this.pid) };
      },
      { value: 0, outgoing: [] },
    );
    this.#running = undefined;
    this.#discard(running, value < 0);
    this.#done(value, running.returnsArgument ? result!.arg : undefined, outgoing);
    this.#release(running);
  }

  /** Drops what the client brought and the handler did not keep. */
  #discard(running: Running, failed: boolean): void {
    running.context.restart();
    for (const file of running.adopted) if (file.mappings === 0) file.close();
    if (failed) for (const close of running.eventfds) close();
  }

  #release(running: Running): void {
    if (running.fd >= 0) sys.close(running.fd);
    running.fd = -1;
  }

  /** How to serve an ioctl on this descriptor, undefined if it is not one of ours. */
  #handler(
    number: number,
    fd: number,
    context: RequestContext,
    adopted: MemfdFile[],
    argument: () => Uint8Array,
  ): (() => IoctlResult | Promise<IoctlResult>) | undefined {
    const held = this.#server.ends.find(fd);
    if (held?.kind === 'drm') return () => held.file.device.ioctl(held.file, number, argument(), context);
    if (held?.kind === 'sync-file') return () => this.#server.syncFileIoctl(held.syncFile, number, argument(), context);
    const buffer = held ? undefined : this.#server.buffer(fd, adopted);
    if (buffer) return () => this.#server.dmaBufIoctl(buffer, number, argument(), context);
    return undefined;
  }

  // --- answers ---

  #done(value: number, arg: Uint8Array | undefined, outgoing: readonly Outgoing[]): void {
    const places = outgoing.map(({ place }) => ShimPlace.pack(place));
    const reply = ShimReply.pack({
      kind: SHIM_REPLY.DONE,
      value: BigInt(value),
      argSize: arg?.length ?? 0,
      fds: outgoing.length,
    });
    const fds = outgoing.map(({ fd }) => fd);
    const sent = this.#closed
      ? 'gone'
      : sys.sendPacket(this.fd, arg ? [reply, arg, ...places] : [reply, ...places], fds);
    for (const fd of fds) sys.close(fd);
    if (sent === 'full' && fds.length > 0) this.#done(-ERRNO.EMFILE, arg, []);
    else if (sent !== 'sent') this.close();
  }

  #send(kind: number, values: Partial<Infer<typeof ShimReply>>): void {
    if (sys.sendPacket(this.fd, [ShimReply.pack({ kind, ...values })]) !== 'sent') this.close();
  }
}

/** The result that a client sees for what a client or the host's limits caused. Anything else is a bug and passes on. */
function errorValue(error: unknown): number {
  if (error instanceof DrmError) return error.code;
  if (error instanceof sys.SystemError) return -error.errno;
  throw error;
}

export type { Errno, Outgoing, Running };
