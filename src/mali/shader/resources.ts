/**
 * The resource tables: from a shader's handle to a descriptor, and what an environment is made of.
 *
 * The pointer to the table of tables has the number of its entries in its low six bits; each entry is 16 bytes and points
 * to a table of 32-byte descriptors. What lies beyond a table's end does not exist: buffers read as zero.
 * Source: Mesa 25.0.7 `src/panfrost/lib/genxml/{v10.xml,decode.c}`.
 */

import { EXCEPTION } from '../../abi/gpu/regs.ts';
import {
  BUFFER_TYPE,
  BufferDescriptor,
  DESCRIPTOR_STRIDE,
  DESCRIPTOR_TYPE,
  handleIndex,
  handleTable,
  LocalStorage,
  RESOURCE_COUNT_MASK,
  Resource,
  ShaderProgram,
  TABLES_TABLE,
} from '../../abi/gpu/shader-descriptors.ts';
import type { Infer } from '../../abi/layout.ts';
import { GpuFault, type VirtualMemory } from '../contract.ts';
import type { BufferRange, ResourceTables, ShaderEnvironment } from './contract.ts';

export class Tables implements ResourceTables {
  readonly address: number;
  readonly count: number;
  readonly #memory: VirtualMemory;
  readonly #tables: (Infer<typeof Resource> | undefined)[] = [];
  readonly #buffers = new Map<number, BufferRange | undefined>();

  /** `pointer`: address with the count in its low bits. */
  constructor(memory: VirtualMemory, pointer: number) {
    this.#memory = memory;
    this.count = pointer % (RESOURCE_COUNT_MASK + 1);
    this.address = pointer - this.count;
  }

  /** The entry for a table, if there is one. */
  table(table: number): Infer<typeof Resource> | undefined {
    if (table >= this.count) return undefined;
    let entry = this.#tables[table];
    if (!entry) {
      entry = this.#memory.descriptor(Resource, this.address + table * Resource.size);
      this.#tables[table] = entry;
    }
    return entry;
  }

  descriptor(table: number, index: number): number {
    const entry = this.table(table);
    if (!entry?.address || !entry.containsDescriptors) return 0;
    return (index + 1) * DESCRIPTOR_STRIDE <= entry.size ? entry.address + index * DESCRIPTOR_STRIDE : 0;
  }

  /** The buffer that a handle names: a buffer descriptor, a table entry that is itself a buffer, or a table as one. */
  buffer(handle: number): BufferRange | undefined {
    if (this.#buffers.has(handle)) return this.#buffers.get(handle);
    const buffer = this.#findBuffer(handle);
    this.#buffers.set(handle, buffer);
    return buffer;
  }

  #findBuffer(handle: number): BufferRange | undefined {
    const own = handleTable(handle) === TABLES_TABLE;
    const table = this.table(own ? handleIndex(handle) : handleTable(handle));
    if (table && (own || !table.containsDescriptors)) return { address: table.address, size: table.size, stride: 0 };
    const address = own ? 0 : this.descriptor(handleTable(handle), handleIndex(handle));
    if (!address) return undefined;
    const buffer = this.#memory.descriptor(BufferDescriptor, address);
    if (buffer.type === DESCRIPTOR_TYPE.NULL) return undefined;
    if (buffer.type !== DESCRIPTOR_TYPE.BUFFER) {
      throw new GpuFault(
        EXCEPTION.DATA_INVALID_FAULT,
        address,
        `descriptor at 0x${address.toString(16)}: type ${buffer.type} where a buffer is wanted`,
      );
    }
    if (buffer.bufferType !== BUFFER_TYPE.SIMPLE && buffer.bufferType !== BUFFER_TYPE.STRUCTURE) {
      throw new GpuFault(
        EXCEPTION.DATA_INVALID_FAULT,
        address,
        `buffer descriptor at 0x${address.toString(16)}: buffer type ${buffer.bufferType} is not modelled here`,
      );
    }
    const stride = buffer.bufferType === BUFFER_TYPE.STRUCTURE ? buffer.stride : 0;
    return { address: buffer.address, size: buffer.size, stride };
  }
}

/** Addresses of what an environment is made of, as registers and descriptors hold them. */
export interface EnvironmentPointers {
  /** Resource table, with its count in the low bits. */
  readonly resources: number;
  /** Shader program descriptor. */
  readonly shader: number;
  /** Local storage descriptor; 0: none. */
  readonly threadStorage: number;
  readonly fau: number;
  /** 64-bit words. */
  readonly fauCount: number;
  readonly attributeOffset: number;
}

const bad = ({ shader }: EnvironmentPointers, what: string): GpuFault =>
  new GpuFault(EXCEPTION.DATA_INVALID_FAULT, shader, `shader program descriptor at 0x${shader.toString(16)}: ${what}`);

/**
 * Reads an environment's descriptors; those that `other` has read already, of the same draw, are not read again. Throws GpuFault on a
 * program descriptor that is none.
 */
export function loadEnvironment(
  memory: VirtualMemory,
  pointers: EnvironmentPointers,
  job = 0,
  other?: ShaderEnvironment,
): ShaderEnvironment {
  const program = memory.descriptor(ShaderProgram, pointers.shader);
  if (program.type !== DESCRIPTOR_TYPE.SHADER) throw bad(pointers, `type ${program.type} is not a shader program`);
  if (program.suppressNan) throw bad(pointers, 'suppression of NaN is not modelled');
  if (program.suppressInf) throw bad(pointers, 'suppression of infinity is not modelled');
  const same = other && other.resources.address + other.resources.count === pointers.resources ? other : undefined;
  return {
    memory,
    program,
    fau: pointers.fau,
    fauWords: pointers.fauCount * 2,
    resources: same?.resources ?? new Tables(memory, pointers.resources),
    storage: pointers.threadStorage ? memory.descriptor(LocalStorage, pointers.threadStorage) : undefined,
    attributeOffset: pointers.attributeOffset,
    attributes: same?.attributes ?? new Map(),
    job,
  };
}
