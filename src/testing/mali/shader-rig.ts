/**
 * A rig for tests of shader code: flat memory, programs from text, and warps run to their end. Not part of the GPU.
 */
import { PAGE_SIZE } from '../../abi/gpu/lpae.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { DESCRIPTOR_TYPE, ShaderProgram } from '../../abi/gpu/shader-descriptors.ts';
import { type Layout, viewOf } from '../../abi/layout.ts';
import { Dram } from '../../board/dram.ts';
import { type Extent, PageFault, type VirtualMemory } from '../../mali/contract.ts';
import { defaultEngine, executorOf } from '../../mali/engine/engine.ts';
import { DescriptorCache } from '../../mali/mmu/descriptors.ts';
import { assemble } from '../../mali/shader/assemble.ts';
import { ALL_LANES, LANES, type ShaderRun, type Stage, type TextureUnit } from '../../mali/shader/contract.ts';
import { type MakeExecutor, openShader } from '../../mali/shader/core.ts';
import type { EnvironmentPointers } from '../../mali/shader/resources.ts';

const SIZE = 1 << 20;
let generations = 2 ** 31;

/** Memory, a megabyte if nothing else is said, in which addresses mean themselves; page 0 and what lies beyond fault. */
export class FlatMemory implements VirtualMemory {
  readonly dram: Dram;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly generation = ++generations;
  readonly descriptors: DescriptorCache;

  constructor(dram = new Dram(SIZE)) {
    this.dram = dram;
    this.descriptors = new DescriptorCache(dram);
    this.bytes = dram.u8;
    this.view = dram.view;
  }

  translate(va: number, access: 'read' | 'write' | 'execute' | 'atomic'): number {
    if (!(va >= PAGE_SIZE && va < this.dram.size)) {
      throw new PageFault(EXCEPTION.TRANSLATION_FAULT_3, va, access, `no page at 0x${va.toString(16)}`);
    }
    return va;
  }
  extent = (va: number): Extent | undefined =>
    this.probe(va, 1) ? { start: PAGE_SIZE, size: this.dram.size - PAGE_SIZE, physical: PAGE_SIZE } : undefined;
  probe = (va: number, size: number): boolean => va >= PAGE_SIZE && va + size <= this.dram.size;
  load8 = (va: number): number => this.view.getUint8(this.translate(va, 'read'));
  load16 = (va: number): number => this.view.getUint16(this.translate(va, 'read'), true);
  load32 = (va: number): number => this.view.getUint32(this.translate(va, 'read'), true);
  load64 = (va: number): number => Number(this.loadBig64(va));
  loadBig64 = (va: number): bigint => this.view.getBigUint64(this.translate(va, 'read'), true);
  store8 = (va: number, x: number): void => this.view.setUint8(this.translate(va, 'write'), x);
  store16 = (va: number, x: number): void => this.view.setUint16(this.translate(va, 'write'), x, true);
  store32 = (va: number, x: number): void => this.view.setUint32(this.translate(va, 'write'), x, true);
  store64 = (va: number, x: number): void => this.storeBig64(va, BigInt(x));
  storeBig64 = (va: number, x: bigint): void => this.view.setBigUint64(this.translate(va, 'write'), x, true);
  update32(va: number, change: (old: number) => number): number {
    const old = this.load32(va);
    this.store32(va, change(old) >>> 0);
    return old;
  }
  update64(va: number, change: (old: bigint) => bigint): bigint {
    const old = this.loadBig64(va);
    this.storeBig64(va, BigInt.asUintN(64, change(old)));
    return old;
  }
  read(va: number, size: number): Uint8Array {
    this.translate(va, 'read');
    if (size > 0) this.translate(va + size - 1, 'read');
    return this.bytes.slice(va, va + size);
  }
  write(va: number, data: Uint8Array): void {
    this.translate(va, 'write');
    if (data.length > 0) this.translate(va + data.length - 1, 'write');
    this.bytes.set(data, va);
  }
  /** As GpuMemory does: the same object for the same words. */
  descriptor<F extends Record<string, any>>(layout: Layout<F>, va: number): any {
    if (((va | layout.size) & 3) !== 0) return this.decode(layout, va);
    this.translate(va, 'read');
    return this.descriptors.read(layout, va);
  }

  decode<F extends Record<string, any>>(layout: Layout<F>, va: number): any {
    return layout.read(viewOf(this.read(va, layout.size)), 0);
  }
  encode(layout: Layout<any>, va: number, values: any): void {
    const bytes = this.read(va, layout.size);
    layout.write(viewOf(bytes), 0, values);
    this.write(va, bytes);
  }
}

export const PROGRAM_AT = 0x10000;
export const DESCRIPTOR_AT = 0x8000;
export const FAU_AT = 0x9000;

/** A texture unit that nobody should need. */
export const noTextures: TextureUnit = {
  execute: () => assertUnused(),
  call: () => undefined,
  image: () => undefined,
  imageLoad: () => undefined,
  texelAddress: () => assertUnused(),
  loadTexel: () => assertUnused(),
};
function assertUnused(): never {
  throw new Error('this test uses no textures');
}

export interface RunOptions {
  readonly memory?: FlatMemory;
  readonly stage?: Stage;
  readonly fau?: readonly number[];
  readonly flushToZero?: number;
  readonly requiresHelperThreads?: boolean;
  readonly live?: number;
  readonly helpers?: number;
  readonly pointers?: Partial<EnvironmentPointers>;
  readonly textures?: TextureUnit;
  readonly executor?: MakeExecutor;
  /** Initial registers: r[lane]. */
  readonly registers?: Readonly<Record<number, readonly number[]>>;
}

/** Puts a program into memory and opens it. */
export function open(text: string, options: RunOptions = {}): ShaderRun {
  const memory = options.memory ?? new FlatMemory();
  const code = assemble(text);
  memory.write(PROGRAM_AT, new Uint8Array(code.buffer));
  memory.encode(ShaderProgram, DESCRIPTOR_AT, {
    type: DESCRIPTOR_TYPE.SHADER,
    stage: 1,
    flushToZero: options.flushToZero ?? 0,
    requiresHelperThreads: options.requiresHelperThreads ?? false,
    binary: PROGRAM_AT,
  });
  const fau = options.fau ?? [];
  for (const [i, word] of fau.entries()) memory.store32(FAU_AT + i * 4, word >>> 0);
  const run = openShader(
    memory,
    {
      resources: 0,
      shader: DESCRIPTOR_AT,
      threadStorage: 0,
      fau: FAU_AT,
      fauCount: Math.ceil(fau.length / 2),
      attributeOffset: 0,
      ...options.pointers,
    },
    options.stage ?? { kind: 'compute', workgroupStorage: 0, threadSlot: 0 },
    options.textures ?? noTextures,
    0,
    options.executor ?? executorOf(defaultEngine()),
  );
  run.reset();
  for (const [register, lanes] of Object.entries(options.registers ?? {})) {
    for (const [lane, value] of lanes.entries()) run.warp.u32[Number(register) * LANES + lane] = value >>> 0;
  }
  run.start(options.live ?? ALL_LANES, options.helpers ?? 0);
  return run;
}

/** Runs a program to its end. */
export function execute(text: string, options: RunOptions = {}): ShaderRun {
  const run = open(text, options);
  for (let slices = 0; !run.resume(1000); slices++) {
    if (slices > 1000) throw new Error('the program does not end');
  }
  return run;
}

const words = new DataView(new ArrayBuffer(4));
/** The bits of a single. */
export function f32(x: number): number {
  words.setFloat32(0, x);
  return words.getUint32(0);
}
/** The bits of two halves. */
export function f16x2(low: number, high: number): number {
  words.setFloat16(0, high);
  words.setFloat16(2, low);
  return words.getUint32(0);
}

/** Values of a register, lane by lane. */
export const register = (run: ShaderRun, r: number): number[] => [...run.warp.u32.subarray(r * LANES, (r + 1) * LANES)];
export const lane0 = (run: ShaderRun, r: number): number => run.warp.u32[r * LANES]!;
