/**
 * Stand-ins for tests of this floor and of those above: a client's process (`FakeUser`), files behind DRAM
 * (`FakeBacking`), and `call`, which runs one ioctl as a client would.
 */
import type { IoctlDef } from '../../abi/ioctl.ts';
import { type Values, viewOf } from '../../abi/layout.ts';
import { TestClock } from '../../board/clock.ts';
import { type Backing, type BackingFile, Dram } from '../../board/dram.ts';
import { recorder } from '../../board/log.ts';
import type { DeviceContext } from '../../drm/device.ts';
import { DrmError } from '../../drm/error.ts';
import type { DrmFile } from '../../drm/file.ts';
import type { Capability, Descriptor, UserContext } from '../../drm/user.ts';

/** Files that are nothing but an identity and a size: their pages are DRAM's own. */
export class FakeBacking implements Backing {
  /** Files that are held by the board. */
  readonly open = new Set<BackingFile>();

  #memory: WebAssembly.Memory | undefined;
  readonly #resident: boolean;

  /** `resident`: the host gives all pages of DRAM at once, so that no later call has to wait for them. */
  constructor(resident = false) {
    this.#resident = resident;
  }

  attach(memory: WebAssembly.Memory): void {
    this.#memory = memory;
    if (this.#resident) new Uint8Array(memory.buffer).fill(0);
  }

  create(_name: string, size: number): BackingFile {
    const file: BackingFile = { size, close: () => void this.open.delete(file) };
    this.open.add(file);
    return file;
  }

  map(file: BackingFile, physical: number): void {
    if (this.#memory) new Uint8Array(this.#memory.buffer).fill(0, physical, physical + file.size);
  }

  unmap(): void {}
}

/** A board with a clock that stands still, 64 MiB of DRAM (or `size` bytes) and a log that keeps its lines. */
export function testContext(size = 1 << 26): DeviceContext & {
  clock: TestClock;
  backing: FakeBacking;
  lines: string[];
} {
  const { log, lines } = recorder();
  const backing = new FakeBacking();
  return { clock: new TestClock(), dram: new Dram(size, backing), log, lines, backing };
}

/** One client process: a piece of memory at 0x10000 and a table of descriptors. */
export class FakeUser implements UserContext {
  readonly pid: number;
  readonly capabilities = new Set<Capability>();
  readonly memory = new Uint8Array(1 << 20);
  readonly base = 0x10000n;
  readonly descriptors = new Map<number, Descriptor>();
  /** Descriptors that the running ioctl installed in its argument, by byte offset. */
  readonly installed = new Map<number, number>();
  /** Options of the last `install`. */
  options: { cloexec?: boolean; writable?: boolean } | undefined;
  #brk = 0;
  #nextFd = 3;
  #gone = new Set<() => void>();

  constructor(pid = 100) {
    this.pid = pid;
  }

  capable(capability: Capability): boolean {
    return this.capabilities.has(capability);
  }

  read(address: bigint, size: number): Uint8Array {
    const at = this.#locate(address, size);
    return this.memory.slice(at, at + size);
  }

  write(address: bigint, data: Uint8Array): void {
    this.memory.set(data, this.#locate(address, data.length));
  }

  descriptor(fd: number): Descriptor {
    const found = this.descriptors.get(fd);
    if (!found) throw new DrmError('EBADF', `descriptor ${fd} is not open`);
    return found;
  }

  install(descriptor: Descriptor, at: number | bigint, options?: { cloexec?: boolean; writable?: boolean }): void {
    const fd = this.addDescriptor(descriptor);
    this.options = options;
    if (typeof at === 'number') this.installed.set(at, fd);
    else {
      const data = new Uint8Array(4);
      viewOf(data).setInt32(0, fd, true);
      this.write(at, data);
    }
  }

  onGone(fn: () => void): () => void {
    this.#gone.add(fn);
    return () => this.#gone.delete(fn);
  }

  // What a test does on the client's side.

  /** Puts bytes (or nothing but room) into the client's memory and returns their address. */
  put(data: Uint8Array | number): bigint {
    const size = typeof data === 'number' ? data : data.length;
    const at = this.#brk;
    this.#brk += Math.ceil(size / 8) * 8;
    if (this.#brk > this.memory.length) throw new Error('FakeUser: out of memory');
    if (typeof data !== 'number') this.memory.set(data, at);
    return this.base + BigInt(at);
  }

  putU32(...values: number[]): bigint {
    return this.put(new Uint8Array(Uint32Array.from(values).buffer));
  }

  putU64(...values: bigint[]): bigint {
    return this.put(new Uint8Array(BigUint64Array.from(values).buffer));
  }

  getU64(address: bigint, count: number): bigint[] {
    const data = viewOf(this.read(address, count * 8));
    return Array.from({ length: count }, (_, i) => data.getBigUint64(i * 8, true));
  }

  addDescriptor(descriptor: Descriptor): number {
    const fd = this.#nextFd++;
    this.descriptors.set(fd, descriptor);
    return fd;
  }

  /** The process is killed: ioctls that wait end. */
  die(): void {
    for (const fn of [...this.#gone]) fn();
  }

  /** How many ioctls hang on this process. */
  get waiting(): number {
    return this.#gone.size;
  }

  #locate(address: bigint, size: number): number {
    const at = address - this.base;
    if (at < 0n || at + BigInt(size) > BigInt(this.memory.length))
      throw new DrmError('EFAULT', `0x${address.toString(16)}+${size} is not mapped`);
    return Number(at);
  }
}

export interface Outcome<V> {
  /** The ioctl's return value, negative errno on failure. */
  readonly value: number;
  /** The argument after the call. */
  readonly arg: V;
}

/** Runs one ioctl whose argument holds `values` (all else zero). It may wait: then it is a promise. */
export function start<F extends Record<string, any>>(
  file: DrmFile<any>,
  def: IoctlDef<F>,
  values: Partial<Values<F>>,
  user: FakeUser,
): Outcome<Values<F>> | Promise<Outcome<Values<F>>> {
  const arg = def.arg ? def.arg.pack(values) : new Uint8Array();
  user.installed.clear();
  const result = file.device.ioctl(file, def.request, arg, user);
  const decode = ({ value, arg: after }: { value: number; arg: Uint8Array }): Outcome<Values<F>> => {
    const view = viewOf(after);
    for (const [at, fd] of user.installed) view.setInt32(at, fd, true);
    return { value, arg: def.arg ? def.arg.read(view, 0) : ({} as Values<F>) };
  };
  return result instanceof Promise ? result.then(decode) : decode(result);
}

/** Runs one ioctl that must not wait. */
export function call<F extends Record<string, any>>(
  file: DrmFile<any>,
  def: IoctlDef<F>,
  values: Partial<Values<F>>,
  user: FakeUser,
): Outcome<Values<F>> {
  const outcome = start(file, def, values, user);
  if (outcome instanceof Promise) throw new Error(`${def.name} waits`);
  return outcome;
}
