/**
 * A program without a process: it speaks the uAPI to the machine's devices by plain calls, for benches of what lies between
 * an ioctl and the GPU's work. Nothing of the guest or of the transport takes part.
 *
 * Arguments are packed once and sent again and again, so that what is measured is the machine and not its client.
 */
import type { IoctlDef } from '../abi/ioctl.ts';
import { type Infer, type Layout, packAll, type Values, viewOf } from '../abi/layout.ts';
import type { BackingFile } from '../board/dram.ts';
import type { DrmDevice, NodeKind } from '../drm/device.ts';
import { DrmError } from '../drm/error.ts';
import type { DrmFile } from '../drm/file.ts';
import type { IoctlResult } from '../drm/ioctl.ts';
import type { Capability, Descriptor, UserContext } from '../drm/user.ts';

/** Where the client's memory begins, and how much it has. */
const BASE = 0x10000n;
const SIZE = 1 << 16;

export class BenchProcess implements UserContext {
  readonly pid = process.pid;
  readonly #memory = new Uint8Array(SIZE);
  readonly #descriptors = new Map<number, Descriptor>();
  readonly #whenGone = new Set<() => void>();
  /** What the ioctl that runs has installed: a descriptor, and the byte of the argument where its number goes. */
  readonly installed: { readonly fd: number; readonly at: number }[] = [];
  #used = 0;
  #nextFd = 3;

  capable(_capability: Capability): boolean {
    return false;
  }

  read(address: bigint, size: number): Uint8Array {
    const at = this.#locate(address, size);
    return this.#memory.slice(at, at + size);
  }

  write(address: bigint, data: Uint8Array): void {
    this.#memory.set(data, this.#locate(address, data.length));
  }

  descriptor(fd: number): Descriptor {
    const found = this.#descriptors.get(fd);
    if (!found) throw new DrmError('EBADF', `descriptor ${fd} is not open`);
    return found;
  }

  install(descriptor: Descriptor, at: number | bigint): void {
    const fd = this.#nextFd++;
    this.#descriptors.set(fd, descriptor);
    if (typeof at !== 'number') throw new Error('a bench takes descriptors in its argument alone');
    this.installed.push({ fd, at });
  }

  /** The file behind a dma-buf's descriptor. */
  buffer(fd: number): BackingFile {
    const found = this.descriptor(fd);
    if (found.kind !== 'dma-buf') throw new Error(`descriptor ${fd} is a ${found.kind}`);
    return found.file;
  }

  closeAll(): void {
    this.#descriptors.clear();
  }

  onGone(fn: () => void): () => void {
    this.#whenGone.add(fn);
    return () => this.#whenGone.delete(fn);
  }

  /** Puts objects into the process's memory, as the uAPI's arrays want them. */
  objects<L extends Layout<any>>(
    layout: L,
    values: readonly Partial<Infer<L>>[],
  ): { stride: number; count: number; array: bigint } {
    return { stride: layout.size, count: values.length, array: this.put(packAll(layout, values)) };
  }

  put(data: Uint8Array): bigint {
    const at = this.#used;
    this.#used += Math.ceil(data.length / 8) * 8;
    if (this.#used > SIZE) throw new RangeError('a bench has used up its memory');
    this.#memory.set(data, at);
    return BASE + BigInt(at);
  }

  words(...values: number[]): bigint {
    return this.put(new Uint8Array(Uint32Array.from(values).buffer));
  }

  #locate(address: bigint, size: number): number {
    const at = address - BASE;
    if (at < 0n || at + BigInt(size) > SIZE) throw new DrmError('EFAULT', `0x${address.toString(16)} is not mapped`);
    return Number(at);
  }
}

/** Runs the ioctl `request` with an argument that lies in `arg`. */
type Run = (request: number, arg: Uint8Array) => IoctlResult | Promise<IoctlResult>;

/** One ioctl with an argument that stays, but for what the caller changes in it. */
export class Call {
  readonly #process: BenchProcess;
  readonly #def: IoctlDef;
  readonly #arg: Uint8Array;
  readonly #view: DataView;
  readonly #run: Run;

  constructor(process: BenchProcess, def: IoctlDef, values: Record<string, unknown>, run: Run) {
    this.#process = process;
    this.#def = def;
    this.#arg = def.arg?.pack(values) ?? new Uint8Array();
    this.#view = viewOf(this.#arg);
    this.#run = run;
  }

  /** A 32-bit field of the argument. */
  get(field: string): number {
    return this.#view.getUint32(this.#def.arg!.offset[field]!, true);
  }

  set(field: string, value: number): this {
    this.#view.setUint32(this.#def.arg!.offset[field]!, value, true);
    return this;
  }

  /** The whole argument. */
  get values(): Record<string, any> {
    return this.#def.arg?.read(this.#view, 0) ?? {};
  }

  /** Throws Error when it fails. */
  run(): void | Promise<void> {
    const result = this.#run(this.#def.request, this.#arg);
    return result instanceof Promise ? result.then(this.#check) : this.#check(result);
  }

  readonly #check = ({ value }: IoctlResult): void => {
    const { installed } = this.#process;
    for (const { fd, at } of installed) this.#view.setInt32(at, fd, true);
    installed.length = 0;
    if (value !== 0) throw new Error(`${this.#def.name} answered ${value}`);
  };
}

/** An open node. */
export class BenchFile {
  readonly process: BenchProcess;
  readonly file: DrmFile<any>;

  constructor(process: BenchProcess, device: DrmDevice<any>, node: NodeKind) {
    this.process = process;
    this.file = device.open(node, process.pid);
  }

  call<F extends Record<string, any>>(def: IoctlDef<F>, values: Partial<Values<F>>): Call {
    const { process, file } = this;
    return new Call(process, def, values, (request, arg) => file.device.ioctl(file, request, arg, process));
  }

  /** Runs an ioctl once; returns its argument afterwards. */
  async do<F extends Record<string, any>>(def: IoctlDef<F>, values: Partial<Values<F>>): Promise<Values<F>> {
    const call = this.call(def, values);
    await call.run();
    return call.values as Values<F>;
  }
}
