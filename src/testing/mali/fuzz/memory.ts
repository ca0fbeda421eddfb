/**
 * The memory that fuzzed shaders run in: a small DRAM behind the GPU's own page tables, so that both engines meet the faults,
 * page edges and physical breaks that real address spaces have.
 *
 * Data lies across the 4 GiB boundary, in three virtual pages of which the last is elsewhere in DRAM; behind them are a page
 * that may only be read, and nothing. Code and descriptors may not be written.
 */
import { PAGE_SIZE, PTE_AP, PTE_TYPE } from '../../../abi/gpu/lpae.ts';
import { AS_MODE } from '../../../abi/gpu/regs.ts';
import {
  ADDRESS_MODE,
  DESCRIPTOR_STRIDE,
  DESCRIPTOR_TYPE,
  LocalStorage,
  Resource,
  ShaderProgram,
} from '../../../abi/gpu/shader-descriptors.ts';
import { Dram } from '../../../board/dram.ts';
import type { VirtualMemory } from '../../../mali/contract.ts';
import { GpuMemory } from '../../../mali/mmu/memory.ts';
import { LANES } from '../../../mali/shader/contract.ts';
import type { EnvironmentPointers } from '../../../mali/shader/resources.ts';
import { Tables } from '../tables.ts';
import type { FragmentPlace } from './fragment.ts';
import { TEXTURE_BYTES, TEXTURE_TABLE, TEXTURE_TABLE_BYTES, TEXTURE_TABLES } from './texture.ts';
import { RESULTS_AT, RESULTS_SIZE } from './threads.ts';

const DRAM_SIZE = 2 ** 20;
const OUTPUT_BITS = 40;
const INPUT_BITS = 48;

export const CODE_AT = 0x70_0000_1000;
/** Room for 2,560 instructions. */
export const CODE_SIZE = 5 * PAGE_SIZE;
export const DATA_AT = 2 ** 32 - PAGE_SIZE;
export const DATA_SIZE = 3 * PAGE_SIZE;
/** Behind the data: a page that cannot be written. */
export const READ_ONLY_AT = DATA_AT + DATA_SIZE;
export const UNIFORM_WORDS = 80;

const DESCRIPTORS_AT = 0x2000;
const [PROGRAM, STORAGE, TABLE, DEPTH_STENCIL, UNIFORMS, BLENDS] = [0, 64, 128, 192, 256, 1024];
/** 16 << n bytes of thread storage for each lane; it is the end of the data. */
const STORAGE_LOG2 = 2;
const STORAGE_AT = DATA_AT + DATA_SIZE - (LANES << (STORAGE_LOG2 + 4));
/** Entry 0 of the resource table, a buffer: it ends within a page. */
const BUFFER_SIZE = PAGE_SIZE + 100;
const RESOURCES = 3;
/** Descriptors of textures have pages of their own, one table behind another. */
const TEXTURES_AT = DESCRIPTORS_AT + PAGE_SIZE;
const TEXTURES_STRIDE = Math.ceil(TEXTURE_BYTES / 64) * 64;
const TEXTURES_SIZE = Math.ceil((TEXTURE_TABLES * TEXTURES_STRIDE) / PAGE_SIZE) * PAGE_SIZE;
export const textureTableAt = (n: number): number => TEXTURES_AT + n * TEXTURES_STRIDE;
/** An entry of the resource table: attributes, and behind them buffers. */
export const ATTRIBUTE_TABLE = 2;
/** Attributes come first in their table. */
export const ATTRIBUTE_COUNT = 8;
export const BUFFER_COUNT = 3;
export const ATTRIBUTE_TABLE_BYTES = (ATTRIBUTE_COUNT + BUFFER_COUNT) * DESCRIPTOR_STRIDE;
const ATTRIBUTES_AT = 2048;
const ATTRIBUTES_STRIDE = 512;

export class FuzzMemory {
  readonly memory: VirtualMemory;
  readonly pointers: EnvironmentPointers = {
    resources: DESCRIPTORS_AT + TABLE + RESOURCES,
    shader: DESCRIPTORS_AT + PROGRAM,
    threadStorage: DESCRIPTORS_AT + STORAGE,
    fau: DESCRIPTORS_AT + UNIFORMS,
    fauCount: UNIFORM_WORDS / 2,
    attributeOffset: 3,
  };
  readonly #dram = new Dram(DRAM_SIZE);
  readonly #tables = new Tables(this.#dram);
  readonly #code: number;
  readonly #descriptors: number;
  readonly #textures: number;
  readonly #results: number;
  readonly #data: readonly [physical: number, size: number][];

  constructor() {
    const dram = this.#dram;
    this.#code = dram.alloc(CODE_SIZE).physical;
    this.#descriptors = dram.alloc(PAGE_SIZE).physical;
    this.#textures = dram.alloc(TEXTURES_SIZE).physical;
    const last = dram.alloc(PAGE_SIZE).physical;
    const readOnly = dram.alloc(PAGE_SIZE).physical;
    const results = dram.alloc(RESULTS_SIZE).physical;
    const first = dram.alloc(2 * PAGE_SIZE).physical;
    this.#results = results;
    this.#data = [
      [first, 2 * PAGE_SIZE],
      [last, PAGE_SIZE],
    ];
    this.#map(CODE_AT, this.#code, CODE_SIZE, false, true);
    this.#map(DESCRIPTORS_AT, this.#descriptors, PAGE_SIZE, false, false);
    this.#map(TEXTURES_AT, this.#textures, TEXTURES_SIZE, false, false);
    this.#map(DATA_AT, first, 2 * PAGE_SIZE, true, false);
    this.#map(DATA_AT + 2 * PAGE_SIZE, last, PAGE_SIZE, true, false);
    this.#map(RESULTS_AT, results, RESULTS_SIZE, true, false);
    this.#map(READ_ONLY_AT, readOnly, PAGE_SIZE, false, false);
    const memory = new GpuMemory(dram, OUTPUT_BITS);
    memory.attach({
      slot: 0,
      translation: {
        mode: AS_MODE.AARCH64_4K,
        table: this.#tables.root,
        inputBits: INPUT_BITS,
        accessFlagFaults: true,
        writeExecuteNever: false,
        attributes: [0],
      },
      fault: () => {},
    });
    this.memory = memory;
    const { view } = dram;
    const at = this.#descriptors;
    LocalStorage.write(view, at + STORAGE, {
      tlsSize: STORAGE_LOG2,
      tlsBase: STORAGE_AT,
      tlsAddressMode: ADDRESS_MODE.FLAT,
    });
    Resource.write(view, at + TABLE, { address: DATA_AT, containsDescriptors: false, size: BUFFER_SIZE });
  }

  #map(va: number, physical: number, size: number, write: boolean, execute: boolean): void {
    for (let offset = 0; offset < size; offset += PAGE_SIZE) {
      this.#tables.set(va + offset, {
        type: PTE_TYPE.PAGE,
        address: physical + offset,
        accessFlag: true,
        ap: write ? PTE_AP.UNPRIVILEGED_RW : PTE_AP.UNPRIVILEGED_RO,
        executeNever: !execute,
      });
    }
  }

  /** What the fragment stage needs of it. */
  get fragment(): FragmentPlace {
    const { memory } = this;
    return {
      memory,
      depthStencil: DESCRIPTORS_AT + DEPTH_STENCIL,
      blends: DESCRIPTORS_AT + BLENDS,
      setBlends: (bytes) => this.#dram.u8.set(bytes, this.#descriptors + BLENDS),
      setDepthStencil: (bytes) => this.#dram.u8.set(bytes, this.#descriptors + DEPTH_STENCIL),
    };
  }

  /** Puts a program in, with zeros behind it. */
  setProgram(code: Uint32Array): void {
    const { u32 } = this.#dram;
    const words = this.#code / 4;
    u32.fill(0, words + code.length, words + CODE_SIZE / 4);
    u32.set(code, words);
  }

  /** Says how the program is to be run. */
  setShader(flushToZero: number, requiresHelperThreads: boolean): void {
    ShaderProgram.write(this.#dram.view, this.#descriptors + PROGRAM, {
      type: DESCRIPTOR_TYPE.SHADER,
      stage: 1,
      flushToZero,
      requiresHelperThreads,
      binary: CODE_AT,
    });
  }

  /** Puts tables of textures in. */
  putTextures(tables: readonly Uint8Array[]): void {
    for (const [n, bytes] of tables.entries()) this.#dram.u8.set(bytes, this.#textures + n * TEXTURES_STRIDE);
  }

  /** Puts tables of attributes in. */
  putAttributes(tables: readonly Uint8Array[]): void {
    for (const [n, bytes] of tables.entries()) {
      this.#dram.u8.set(bytes, this.#descriptors + ATTRIBUTES_AT + n * ATTRIBUTES_STRIDE);
    }
  }

  /** Chooses of these tables. */
  setTables(textures: number, attributes: number): void {
    const { view } = this.#dram;
    const table = this.#descriptors + TABLE;
    Resource.write(view, table + TEXTURE_TABLE * Resource.size, {
      address: textureTableAt(textures),
      containsDescriptors: true,
      size: TEXTURE_TABLE_BYTES,
    });
    Resource.write(view, table + ATTRIBUTE_TABLE * Resource.size, {
      address: DESCRIPTORS_AT + ATTRIBUTES_AT + attributes * ATTRIBUTES_STRIDE,
      containsDescriptors: true,
      size: ATTRIBUTE_TABLE_BYTES,
    });
  }

  setUniforms(words: Uint32Array): void {
    this.#dram.u32.set(words, (this.#descriptors + UNIFORMS) / 4);
  }

  setData(bytes: Uint8Array): void {
    let done = 0;
    for (const [physical, size] of this.#data) {
      this.#dram.u8.set(bytes.subarray(done, done + size), physical);
      done += size;
    }
  }

  clearResults(): void {
    this.#dram.u8.fill(0, this.#results, this.#results + RESULTS_SIZE);
  }

  /** Copies what a list of threads has left. */
  results(to: Uint8Array): void {
    to.set(this.#dram.u8.subarray(this.#results, this.#results + RESULTS_SIZE));
  }

  /** Copies the data. */
  data(to: Uint8Array): void {
    let done = 0;
    for (const [physical, size] of this.#data) {
      to.set(this.#dram.u8.subarray(physical, physical + size), done);
      done += size;
    }
  }
}
