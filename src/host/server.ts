/**
 * GuestServer: makes the machine's DRM nodes and input devices visible to Linux programs that run with the preload shim.
 *
 * Reading order: guest-tree.ts writes the files that stand for /dev/dri, /dev/input and /sys; event-loop.ts waits for what guests do;
 * channel.ts serves one connection (mailbox.ts, watch.ts: without system calls), ioctl-call.ts one ioctl of it; user-context.ts is what a handler sees of its caller;
 * ends.ts holds what guests have open; memfd-backing.ts puts shared files behind DRAM; syscalls.ts does what Node cannot.
 * The wire stands in src/abi/shim.ts, the other side of it in shim/.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ERRNO, type Errno } from '../abi/errno.ts';
import { INPUT_MAJOR } from '../abi/input/evdev.ts';
import { EPOLLIN, O_RDONLY } from '../abi/linux.ts';
import { DRM_MAJOR, deviceNumber, SHIM_ENVIRONMENT, SHIM_PLACE, SHIM_SOCKET, SHIM_TREE } from '../abi/shim.ts';
import type { Company } from '../board/clock.ts';
import { ErrnoError } from '../board/errno-error.ts';
import type { Log } from '../board/log.ts';
import { DrmError, must } from '../drm/error.ts';
import { type FdinfoLine, showFdinfo } from '../drm/fdinfo.ts';
import type { IoctlResult } from '../drm/ioctl.ts';
import { SwTimeline } from '../drm/sw-sync.ts';
import { abandon, type Descriptor, type UserContext } from '../drm/user.ts';
import type { EvdevClient } from '../input/client.ts';
import { evdevIoctl } from '../input/ioctl.ts';
import type { DeviceNode, InputNode } from '../machine/machine.ts';
import { Attributes } from './attributes.ts';
import { capable, mayUse } from './capabilities.ts';
import { Channel } from './channel.ts';
import { Ends, type Held } from './ends.ts';
import { EventLoop, type Source } from './event-loop.ts';
import { type ShownFile, SW_SYNC_DEVICE, SW_SYNC_PATH, shownFiles, writeGuestTree } from './guest-tree.ts';
import { type GuestPatience, type Mailbox, Mailboxes } from './mailbox.ts';
import { isEventfd, type MemfdBacking, MemfdFile } from './memfd-backing.ts';
import { openerOf } from './opener.ts';
import { closeSent, type Outgoing } from './replies.ts';
import * as sys from './syscalls.ts';
import type { Installation } from './user-context.ts';
import { Watch } from './watch.ts';

export interface GuestServerOptions {
  readonly nodes: readonly DeviceNode[];
  readonly inputNodes?: readonly InputNode[];
  /** The backing of the machine's DRAM. */
  readonly backing: MemfdBacking;
  readonly log: Log;
  /** An empty folder of the machine's own, made where it is missing; without one, a temporary folder. */
  readonly directory?: string;
  /** 'ask': never read the guests' memory directly, as where the host forbids it. */
  readonly memory?: 'direct' | 'ask';
  /** Has the machine other work than its guests' requests to do? */
  readonly working?: () => boolean;
  /** How long guests look before they sleep. */
  readonly patience?: GuestPatience;
}

const NOTHING = new Uint8Array();

/** What the kernel tells of any open file: it cannot be sought in, and was opened for reading and writing. */
const HEAD_OF_FDINFO: readonly FdinfoLine[] = [
  ['pos', '0'],
  ['flags', '02100002'],
  ['mnt_id', '0'],
];

/** Milliseconds after which a connection that has said nothing may be closed, if its descriptor is needed. */
const SILENCE = 1000;
/** A thread needs one while it is in an ioctl. */
const MOST_CHANNELS_PER_PROCESS = 1024;
/** Microseconds for which a guest looks before it sleeps, and for which the machine looks for requests. */
const GUEST_PATIENCE: GuestPatience = { untaken: 2000, taken: 150 };
const PATIENCE = 1000;
/** Nanoseconds. */
const MILLISECOND = 1e6;

export class GuestServer implements Company {
  readonly log: Log;
  readonly ends: Ends;
  /** The machine's folder: its socket, and the tree that guests see. */
  readonly directory: string;
  readonly #attributes: Attributes;
  /** Files whose text is made when they are opened. */
  readonly #shown: readonly ShownFile[];
  readonly directMemory: boolean;
  readonly watch: Watch;
  readonly #options: GuestServerOptions;
  readonly #loop = new EventLoop();
  readonly #channels = new Set<Channel>();
  /** Looking while the other side has no core to run on helps nobody. */
  readonly #mailboxes: Mailboxes | undefined;
  readonly #listener: Source;
  readonly #mostDescriptors = Math.floor(sys.limits().openFiles * 0.9) - 64;
  #closed = false;
  /** Is the listener left alone until a descriptor is free? */
  #paused = false;

  constructor(options: GuestServerOptions) {
    this.#options = options;
    this.log = options.log;
    const { patience = GUEST_PATIENCE } = options;
    this.#mailboxes = availableParallelism() > 1 ? new Mailboxes(patience) : undefined;
    this.watch = new Watch(PATIENCE / 1000, options.working ?? (() => false));
    this.directMemory = options.memory !== 'ask';
    if (options.directory) mkdirSync(options.directory, { recursive: true, mode: 0o700 });
    this.#attributes = new Attributes(options.log);
    this.directory = realpathSync(options.directory ?? mkdtempSync(join(tmpdir(), 'tyr-')));
    this.ends = new Ends(
      randomBytes(8).toString('hex'),
      this.#loop,
      options.log,
      () => this.#resume(),
      () => this.#hasRoom(),
    );
    this.#clean();
    this.#shown = shownFiles(options.nodes);
    writeGuestTree(join(this.directory, SHIM_TREE), options.nodes, options.inputNodes ?? [], this.#attributes);
    for (const { device } of options.nodes) device.onAttributes = () => this.#attributes.refresh();
    this.#listener = {
      fd: sys.listenAt(join(this.directory, SHIM_SOCKET)),
      ends: false,
      ready: () => this.#accept(),
    };
    if (process.getuid?.() === 0) this.#letOthersIn();
    this.#loop.add(this.#listener, EPOLLIN);
  }

  /** What a guest's environment needs, besides LD_PRELOAD. */
  get environment(): Record<string, string> {
    return { [SHIM_ENVIRONMENT]: this.directory };
  }

  /** Does a guest wait to be served? */
  waiting(): boolean {
    return this.watch.waiting || this.#loop.pressed;
  }

  /** Serves guests whose requests are in their mailboxes. */
  serve(): boolean {
    return this.watch.serve();
  }

  /** Serves all guests who wait. */
  receive(): boolean {
    const served = this.watch.serve();
    return this.#loop.serve() || served;
  }

  get served(): number {
    return this.#loop.served + this.watch.served * MILLISECOND;
  }

  /** What guests have of the machine right now. */
  get usage(): { channels: number; descriptors: number; files: number } {
    return { channels: this.#channels.size, descriptors: this.ends.size, files: this.#options.backing.files };
  }

  /** Ends all connections, closes all files. Guests see ENODEV from here on. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#loop.close(this.#listener);
    for (const channel of [...this.#channels]) channel.close();
    this.ends.close();
    this.#loop.end();
    for (const { device } of this.#options.nodes) device.onAttributes = () => {};
    this.#attributes.close();
    this.#clean();
    if (!this.#options.directory) rmSync(this.directory, { recursive: true, force: true });
  }

  // What a channel asks of the server.

  /** A mailbox, if there is one for it. */
  mailbox(): Mailbox | undefined {
    return this.#mailboxes?.create();
  }

  forget(channel: Channel): void {
    this.#channels.delete(channel);
    this.#resume();
  }

  /** Runs what may fail for the client's or the host's reasons, which then is the value: a negative errno. */
  attempt<T>(pid: number, run: () => T): T | number {
    try {
      return run();
    } catch (error) {
      const value = errorValue(error);
      // That there is nothing to read is no fault.
      if (value !== -ERRNO.EAGAIN) this.log('warn', 'host', `pid ${pid}: ${(error as Error).message}`);
      return value;
    }
  }

  /** Opens a node: a descriptor to send to the guest. `device`: its deviceNumber. */
  open(device: number, pid: number): number {
    if (device === SW_SYNC_DEVICE) return this.#openTimeline(pid);
    const shown = this.#shown.find((each) => each.device === device);
    if (shown) {
      must(
        mayUse(pid, join(this.directory, SHIM_TREE, shown.path)),
        'EACCES',
        () => `${shown.path} is not for pid ${pid}`,
      );
      return textFile(shown.file.name, `${shown.file.show()}\n`);
    }
    const { nodes, inputNodes = [] } = this.#options;
    const node = nodes.find(({ minor }) => deviceNumber(DRM_MAJOR, minor) === device);
    const input = inputNodes.find(({ minor }) => deviceNumber(INPUT_MAJOR, minor) === device);
    const found = node ?? input;
    must(found && !found.device.gone, 'ENODEV', () => `no node with number ${device}`);
    must(
      mayUse(pid, join(this.directory, SHIM_TREE, found.path)),
      'EACCES',
      () => `${found.path} is not for pid ${pid}`,
    );
    const superuser = capable(pid, 'SYS_ADMIN');
    const held: Held = node
      ? {
          kind: 'drm',
          file: node.device.open(node.kind, pid, superuser, openerOf(pid, node.minor)),
          minor: node.minor,
        }
      : { kind: 'input', client: input!.device.open(pid) };
    try {
      return this.ends.create(held, pid);
    } catch (error) {
      if (held.kind === 'drm') held.file.close();
      else held.client.close();
      throw error;
    }
  }

  inputIoctl(client: EvdevClient, request: number, arg: Uint8Array, user: UserContext): IoctlResult {
    try {
      return evdevIoctl(client, request, arg, user);
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      const name = `ioctl 0x${(request >>> 0).toString(16)}`;
      this.log('debug', client.device.name, `${name} of pid ${client.pid}: ${error.errno}: ${error.message}`);
      return { value: error.code, arg: NOTHING };
    }
  }

  #openTimeline(pid: number): number {
    const [{ device }] = this.#options.nodes as [DeviceNode];
    const allowed = mayUse(pid, join(this.directory, SHIM_TREE, SW_SYNC_PATH));
    must(allowed, 'EACCES', () => `${SW_SYNC_PATH} is not for pid ${pid}`);
    return this.ends.create({ kind: 'sw-sync', timeline: new SwTimeline(device.context.clock) }, pid);
  }

  /** Takes what a guest writes to an open file of /sys. Throws DrmError. */
  writeAttribute(fd: number, text: string): void {
    this.#attributes.write(fd, text);
  }

  /** A file with what /proc tells of a node's open file. Throws EBADF for what is none. */
  fdinfo(held: Held | undefined): number {
    must(held?.kind === 'drm' || held?.kind === 'input', 'EBADF', 'no file of a node');
    const lines = held.kind === 'drm' ? showFdinfo(held.file) : [];
    const text = [...HEAD_OF_FDINFO, ...lines].map(([key, value]) => `${key}:\t${value}\n`).join('');
    return textFile('fdinfo', text);
  }

  /** What a descriptor that a client sent means. Takes over `fd`. What has to be dropped again is noted. */
  describe(fd: number, note: { adopted: MemfdFile[]; eventfds: (() => void)[] }): Descriptor | Errno {
    const end = this.ends.find(fd);
    if (end) {
      sys.close(fd);
      return end.held.kind === 'input' || end.held.kind === 'sw-sync' ? 'EINVAL' : end.held;
    }
    if (isEventfd(fd)) {
      let open = true;
      const close = (): void => {
        if (open) sys.close(fd);
        open = false;
      };
      note.eventfds.push(close);
      return { kind: 'eventfd', signal: () => void (open && sys.signalEventfd(fd)), close };
    }
    try {
      return { kind: 'dma-buf', file: this.#adopt(fd, note.adopted) };
    } catch (error) {
      if (error instanceof DrmError) return error.errno;
      throw error;
    }
  }

  /** The buffer behind a descriptor that a client has sent along with a dma-buf ioctl; `fd` stays the caller's. */
  buffer(fd: number, adopted: MemfdFile[]): MemfdFile | undefined {
    const known = this.#options.backing.find(fd);
    if (known) return known;
    try {
      return this.#adopt(sys.duplicate(fd), adopted);
    } catch (error) {
      if (error instanceof DrmError || error instanceof sys.SystemError) return undefined;
      throw error;
    }
  }

  #adopt(fd: number, adopted: MemfdFile[]): MemfdFile {
    const { backing } = this.#options;
    const known = backing.find(fd);
    const file = backing.adopt(fd);
    if (!known) adopted.push(file);
    return file;
  }

  /** Makes, or finds, the descriptors that a handler gave to its caller. On failure there are none. */
  export(installations: readonly Installation[], pid: number): Outgoing[] {
    const out: Outgoing[] = [];
    try {
      for (const [i, { descriptor, at, cloexec, writable }] of installations.entries()) {
        const where = typeof at === 'number' ? SHIM_PLACE.ARGUMENT : SHIM_PLACE.MEMORY;
        try {
          const place = { where, cloexec: cloexec ? 1 : 0, at: BigInt(at) };
          out.push({ ...this.#export(descriptor, writable, pid), place });
        } catch (error) {
          for (const { descriptor: rest } of installations.slice(i)) abandon(rest);
          throw error;
        }
      }
      return out;
    } catch (error) {
      closeSent(out);
      throw error;
    }
  }

  #export(descriptor: Descriptor, writable: boolean, pid: number): { fd: number; kept: boolean } {
    switch (descriptor.kind) {
      case 'dma-buf':
        if (!(descriptor.file instanceof MemfdFile)) throw new Error('host: a dma-buf without a memfd');
        return descriptor.file.exported(writable);
      case 'sync-file':
      case 'syncobj':
        return { fd: this.ends.create(descriptor, pid), kept: false };
      case 'drm': {
        const { file } = descriptor;
        const node = this.#options.nodes.find((each) => each.device === file.device && each.kind === file.node);
        must(node, 'ENODEV', 'the file belongs to no node');
        return { fd: this.ends.create({ kind: 'drm', file, minor: node.minor }, pid), kept: false };
      }
      case 'eventfd':
        throw new Error('host: an eventfd is never given to a guest');
    }
  }

  /**
   * Programs of the superuser give up being it and keep their descriptors, which have to work on. Nodes are still opened
   * by their modes alone.
   */
  #letOthersIn(): void {
    chmodSync(this.directory, 0o711);
    chmodSync(join(this.directory, SHIM_SOCKET), 0o666);
  }

  #accept(): void {
    for (;;) {
      let fd: number | undefined;
      try {
        fd = sys.accept(this.#listener.fd);
      } catch (error) {
        if (!(error instanceof sys.SystemError)) throw error;
        if (this.#closeSilent()) continue;
        // Out of descriptors: whoever connects waits until there are some again.
        this.log('error', 'host', `cannot take another connection: ${error.message}`);
        this.#paused = true;
        this.#loop.modify(this.#listener, 0);
        return;
      }
      if (fd === undefined) return;
      const channel = new Channel(fd, this, this.#loop);
      const { pid } = channel;
      this.#channels.add(channel);
      this.#loop.add(channel, EPOLLIN);
      let own = 0;
      for (const each of this.#channels) if (each.pid === pid) own++;
      if (own <= MOST_CHANNELS_PER_PROCESS) continue;
      this.log('warn', 'host', `pid ${pid} has ${own} connections: the last one is closed`);
      channel.close();
    }
  }

  /** What the host allows us is not all taken: some descriptors are for requests under way, and for ourselves. */
  #hasRoom(): boolean {
    return this.#channels.size + this.ends.size + this.#options.backing.files < this.#mostDescriptors;
  }

  /** Closes connections whose guests have long said nothing. False if there are none. */
  #closeSilent(): boolean {
    const limit = performance.now() - SILENCE;
    const silent = [...this.#channels].filter((channel) => !channel.greeted && channel.opened < limit);
    for (const channel of silent) channel.close();
    if (silent.length > 0) this.log('warn', 'host', `${silent.length} connections without a greeting are closed`);
    return silent.length > 0;
  }

  #resume(): void {
    if (!this.#paused || this.#closed) return;
    this.#paused = false;
    this.#loop.modify(this.#listener, EPOLLIN);
  }

  #clean(): void {
    for (const name of [SHIM_SOCKET, SHIM_TREE]) rmSync(join(this.directory, name), { recursive: true, force: true });
  }
}

/** The result that a client sees for what a client or the host's limits caused. Anything else is a bug and passes on. */
function errorValue(error: unknown): number {
  if (error instanceof ErrnoError) return error.code;
  if (error instanceof sys.SystemError) return -error.errno;
  throw error;
}

/** A descriptor of a file that holds this text and can only be read. */
function textFile(name: string, text: string): number {
  const bytes = new TextEncoder().encode(text);
  const fd = sys.sealedMemory(`tyr-${name}`, bytes.length);
  try {
    writeSync(fd, bytes, 0, bytes.length, 0);
    return sys.reopen(fd, O_RDONLY);
  } finally {
    sys.close(fd);
  }
}
