/**
 * IoctlCall: one ioctl of a guest, from its arrival to its answer.
 *
 * It runs the handler, perhaps again and again (see user-context.ts), asks the guest for what the handler lacks, then
 * writes what the handler gave into the guest's memory, then answers. What the guest brought and nothing keeps is dropped
 * at the end, however it ends.
 */
import { DMA_BUF_BASE } from '../abi/dma-buf.ts';
import { ERRNO } from '../abi/errno.ts';
import { SHIM_CHUNK, SHIM_PLACE, SHIM_READ_TOO, SHIM_REPLY, SHIM_REQUEST } from '../abi/shim.ts';
import { dmaBufIoctl } from '../drm/dma-buf-ioctl.ts';
import { decodeRequest, type IoctlResult } from '../drm/ioctl.ts';
import { swSyncIoctl } from '../drm/sw-sync.ts';
import { syncFileIoctl } from '../drm/sync-file-ioctl.ts';
import type { End } from './ends.ts';
import { MemfdFile } from './memfd-backing.ts';
import { NO_DESCRIPTORS, type Outgoing } from './replies.ts';
import type { GuestServer } from './server.ts';
import * as sys from './syscalls.ts';
import { type Question, RequestContext, Restart } from './user-context.ts';

/** Of an ioctl that other files than dma-bufs, which can be sealed, may not know. */
const DMA_BUF_TYPE = DMA_BUF_BASE.charCodeAt(0);
/** Ioctls that read their argument, whatever their number says. */
const READ_TOO: ReadonlySet<number> = new Set(SHIM_READ_TOO.map(([ioctl]) => ioctl));
const DIRECTION_WRITE = 1;
const DIRECTION_READ = 2;

/** What a guest sends that the protocol does not foresee. */
export class Violation extends Error {}

/** What a request is about. */
export interface Subject {
  /** A node's file that the guest has called by its number. */
  readonly end: End | undefined;
  /** A descriptor that came along instead, and one that the argument names; -1: none. Ours to close. */
  readonly fd: number;
  readonly named: number;
}

/** The channel that an ioctl came by. */
export interface Caller {
  readonly fd: number;
  readonly pid: number;
  /** Can the guest's memory be had without asking it? */
  readonly direct: boolean;
  readonly server: GuestServer;
  /** Asks the guest. */
  send(kind: number, value: bigint, address?: bigint, size?: number): void;
  /** Answers, and ends the ioctl. */
  done(value: number, arg: Uint8Array | undefined, outgoing?: readonly Outgoing[]): void;
  /** The guest cannot go on. */
  close(): void;
}

/** Something that the guest has to answer before the ioctl can go on. */
type Pending =
  | { readonly question: Question; readonly got: Uint8Array; have: number }
  | { readonly write: { address: bigint; data: Uint8Array } };

export class IoctlCall {
  /** Files that the client brought in; those that nothing has mapped are dropped at the end. */
  readonly adopted: MemfdFile[] = [];
  readonly eventfds: (() => void)[] = [];
  readonly #caller: Caller;
  readonly #context: RequestContext;
  /** Runs the handler from its start; undefined if the subject is none of ours. */
  readonly #handler: (() => IoctlResult | Promise<IoctlResult>) | undefined;
  readonly #type: number;
  readonly #returnsArgument: boolean;
  /** What the ioctl is about, held so that the file lives until the end. */
  readonly #end: End | undefined;
  readonly #fd: number;
  /** A descriptor that nobody has asked for yet, or -1. */
  #lent: number;
  #pending: Pending | undefined;
  #result: IoctlResult | undefined;
  #writes: { address: bigint; data: Uint8Array }[] | undefined;
  #over = false;

  /** Takes over the subject's descriptors. `given`: the argument's bytes; `named`: which descriptor came along. */
  constructor(caller: Caller, number: number, given: Uint8Array, subject: Subject, named: number) {
    const { size, direction, type } = decodeRequest(number);
    const wanted = direction & DIRECTION_WRITE || READ_TOO.has(number % 0x10000) ? size : 0;
    if (given.length > wanted) {
      closeIf(subject.fd);
      closeIf(subject.named);
      throw new Violation(`${given.length} bytes of argument for ioctl 0x${number.toString(16)}`);
    }
    this.#caller = caller;
    this.#type = type;
    this.#returnsArgument = (direction & DIRECTION_READ) !== 0 && size > 0;
    this.#end = subject.end?.use();
    this.#fd = subject.fd;
    this.#lent = subject.named;
    this.#context = new RequestContext(caller.pid, caller.direct);
    if (subject.named >= 0) this.#context.lend(named, () => this.#describeLent());
    // No handler changes it but by its end.
    const argument = wanted === size ? given.slice() : new Uint8Array(size);
    // The guest's memory ended before the argument did.
    const short = given.length < wanted;
    this.#handler = short ? () => ({ value: -ERRNO.EFAULT, arg: argument }) : this.#find(number, argument);
    if (short) this.#returnsArgument = false;
  }

  /** To be called once. */
  start(): void {
    if (this.#handler) this.#run();
    else this.#finish(this.#type === DMA_BUF_TYPE ? -ERRNO.ENOTTY : -ERRNO.ENODEV, undefined);
  }

  /** The guest is gone. */
  abandon(): void {
    this.#over = true;
    this.#context.gone();
    this.#discard(true);
    this.#release();
  }

  /** The guest's answer to what was asked. Takes over `fd` (-1: none came). */
  answer(kind: number, error: number, body: Uint8Array, fd: number): void {
    const refuse = (why: string): never => {
      closeIf(fd);
      throw new Violation(why);
    };
    const pending = this.#pending;
    if (!pending) {
      refuse(`request ${kind} while one is served`);
      return;
    }
    const caller = this.#caller;
    if ('write' in pending) {
      if (kind !== SHIM_REQUEST.READY || fd >= 0) refuse(`answer ${kind} to a write`);
      this.#pending = undefined;
      if (sys.sendPacket(caller.fd, pending.write.data) !== 'sent') {
        caller.close();
        return;
      }
      this.#write();
      return;
    }
    const { question } = pending;
    if (question.kind === 'memory') {
      if (kind !== SHIM_REQUEST.DATA || fd >= 0) refuse(`answer ${kind} to a read`);
      const wanted = Math.min(question.size - pending.have, SHIM_CHUNK);
      // Short: the guest's memory ends there.
      if (error !== 0 || body.length !== wanted) {
        this.#context.giveMemory(question.address, question.size, 'EFAULT');
      } else {
        pending.got.set(body, pending.have);
        pending.have += wanted;
        if (pending.have < question.size) {
          const left = Math.min(question.size - pending.have, SHIM_CHUNK);
          caller.send(SHIM_REPLY.READ, 0n, question.address + BigInt(pending.have), left);
          return;
        }
        this.#context.giveMemory(question.address, question.size, pending.got);
      }
    } else {
      if (kind !== SHIM_REQUEST.GIVE || (error === 0) !== fd >= 0)
        refuse(`answer ${kind} to a request for a descriptor`);
      this.#context.giveDescriptor(question.fd, fd < 0 ? 'EBADF' : caller.server.describe(fd, this));
    }
    this.#pending = undefined;
    this.#run();
  }

  /** How to serve the ioctl, undefined if its subject is not one of ours. */
  #find(number: number, argument: Uint8Array): (() => IoctlResult | Promise<IoctlResult>) | undefined {
    const { server } = this.#caller;
    const fd = this.#fd;
    const context = this.#context;
    const held = this.#end?.held ?? (fd < 0 ? undefined : server.ends.find(fd)?.held);
    if (held?.kind === 'drm') return () => held.file.device.ioctl(held.file, number, argument, context);
    if (held?.kind === 'input') return () => server.inputIoctl(held.client, number, argument, context);
    if (held?.kind === 'sw-sync') return () => swSyncIoctl(held.timeline, number, argument, context, server.log);
    if (held?.kind === 'sync-file') return () => syncFileIoctl(held.syncFile, number, argument, context, server.log);
    const buffer = held || fd < 0 ? undefined : server.buffer(fd, this.adopted);
    if (buffer) return () => dmaBufIoctl(buffer, number, argument, context, server.log);
    return undefined;
  }

  #describeLent(): ReturnType<GuestServer['describe']> {
    const fd = this.#lent;
    this.#lent = -1;
    return this.#caller.server.describe(fd, this);
  }

  #run(): void {
    this.#context.restart();
    try {
      const result = this.#handler!();
      if (result instanceof Promise)
        result.then(
          (value) => this.#settle(value),
          (error) => this.#restart(error),
        );
      else this.#settle(result);
    } catch (error) {
      this.#restart(error);
    }
  }

  #settle(result: IoctlResult): void {
    if (this.#over) {
      this.#discard(true);
      return;
    }
    this.#result = result;
    this.#writes = this.#context.takeWrites();
    this.#write();
  }

  #restart(error: unknown): void {
    if (error instanceof Restart) {
      if (!this.#over) this.#ask(error.question);
      return;
    }
    // A bug of ours: loud, and the end of this ioctl, but not of the machine.
    const { server, pid } = this.#caller;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    server.log('error', 'host', `the machine is at fault in an ioctl of pid ${pid}: ${text}`);
    this.#settle({ value: -ERRNO.EIO, arg: new Uint8Array() });
  }

  #ask(question: Question): void {
    if (question.kind === 'descriptor') {
      this.#pending = { question, got: new Uint8Array(), have: 0 };
      this.#caller.send(SHIM_REPLY.TAKE, BigInt(question.fd));
      return;
    }
    this.#pending = { question, got: new Uint8Array(question.size), have: 0 };
    this.#caller.send(SHIM_REPLY.READ, 0n, question.address, Math.min(question.size, SHIM_CHUNK));
  }

  /** Writes what the handler gave to the guest's memory, then answers. */
  #write(): void {
    const { direct, pid } = this.#caller;
    const writes = this.#writes;
    for (let next = writes?.shift(); next; next = writes?.shift()) {
      if (direct && sys.writeProcess(pid, next.address, next.data)) continue;
      const data = next.data.subarray(0, SHIM_CHUNK);
      if (data.length < next.data.length)
        writes?.unshift({
          address: next.address + BigInt(data.length),
          data: next.data.subarray(data.length),
        });
      this.#pending = { write: { address: next.address, data } };
      this.#caller.send(SHIM_REPLY.WRITE, 0n, next.address, data.length);
      return;
    }
    const { value, arg } = this.#result!;
    const installations = value < 0 ? undefined : this.#context.takeInstallations();
    if (!installations) {
      this.#finish(value, arg, value < 0 ? NO_DESCRIPTORS : this.#offer());
      return;
    }
    const { server } = this.#caller;
    const exported = server.attempt(pid, () => server.export(installations, pid));
    if (typeof exported === 'number') this.#finish(exported, arg);
    else this.#finish(value, arg, exported);
  }

  /** The memory whose mmap offset the handler has told, if it did: the guest will map it next. */
  #offer(): readonly Outgoing[] {
    const held = this.#end?.held;
    const told = held?.kind === 'drm' ? held.file.takeTold() : undefined;
    const file = told?.object.run.file;
    if (!told || !(file instanceof MemfdFile)) return NO_DESCRIPTORS;
    const { offset: at, object } = told;
    const place = { where: SHIM_PLACE.OFFER, cloexec: 1, at, size: BigInt(object.size), inode: file.inode };
    return [{ ...file.descriptor(true), place, offered: true }];
  }

  #finish(value: number, arg: Uint8Array | undefined, outgoing: readonly Outgoing[] = NO_DESCRIPTORS): void {
    this.#over = true;
    this.#discard(value < 0);
    this.#caller.done(value, this.#returnsArgument ? arg : undefined, outgoing);
    this.#release();
  }

  /** Drops what the client brought and the handler did not keep. */
  #discard(failed: boolean): void {
    this.#context.restart();
    closeIf(this.#lent);
    this.#lent = -1;
    for (const file of this.adopted) if (file.mappings === 0) file.close();
    if (failed) for (const close of this.eventfds) close();
  }

  /** To be called once. */
  #release(): void {
    closeIf(this.#fd);
    this.#end?.done();
  }
}

export const closeIf = (fd: number): void => void (fd >= 0 && sys.close(fd));
