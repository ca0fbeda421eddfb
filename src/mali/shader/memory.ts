/**
 * Loads, stores and atomics.
 *
 * Addresses are 64 bits in a register pair. Pointers to thread storage carry a tag in their upper word and are turned into
 * the thread's own slot. Loads and stores through a buffer (LD_BUFFER) are checked against its size: bytes beyond it read
 * as zero. Lanes that are discarded store nothing, except to thread storage (`force`).
 * Source: Mesa 25.0.7 `src/panfrost/compiler/valhall/ISA.xml`, `va_pack.c`, `bifrost_compile.c` (bi_handle_segment),
 * `src/panfrost/lib/pan_scratch.c`.
 */

import { EXCEPTION } from '../../abi/gpu/regs.ts';
import {
  ADDRESS_MODE,
  PACKET_VERTICES,
  resourceHandle,
  TLS_MIN_SIZE,
  TLS_PACKED_SHIFT,
  unfoldTable,
  VERTEX_PACKET_TABLE,
} from '../../abi/gpu/shader-descriptors.ts';
import { MEMORY_SIZES } from '../../abi/isa/encoding.ts';
import { GpuFault, type VirtualMemory } from '../contract.ts';
import { scratch } from '../engine/scratch.ts';
import { FRAME } from '../recompiler/frame.ts';
import type { Compilers, Exec } from './compile.ts';
import { LANES } from './contract.ts';
import { EncodingError, type Instruction } from './decode.ts';
import { rawBits } from './operand.ts';
import { THREAD_LOCAL_TAG, type WarpState } from './warp.ts';

const HIGH = 2 ** 32;
/** Beyond all address spaces, and below pointers to thread storage: whoever uses it has a fault. */
export const NO_ADDRESS = 2 ** 48;

/** The address of thread storage at `offset` for a lane. */
function threadAddress(w: WarpState, lane: number, offset: number): number {
  const storage = w.run.environment.storage;
  const size = storage ? TLS_MIN_SIZE * 2 ** storage.tlsSize : 0;
  const base = storage
    ? storage.tlsBase * (storage.tlsAddressMode === ADDRESS_MODE.PACKED ? 2 ** TLS_PACKED_SHIFT : 1)
    : 0;
  if (!base || offset < 0 || offset >= size) {
    throw new GpuFault(
      EXCEPTION.ADDR_RANGE_FAULT,
      base + offset,
      `thread storage offset ${offset} of ${base ? size : 0} bytes, at pc 0x${w.pc.toString(16)}`,
    );
  }
  const first = scratch.u32[(w.frame + FRAME.lane) / 4]!;
  return base + (w.threadSlot + first + lane) * size + offset;
}

/** The address that a lane's pair of words names, plus an offset. */
export function laneAddress(w: WarpState, lane: number, low: number, high: number, offset: number): number {
  if (high >>> 0 >= THREAD_LOCAL_TAG) return threadAddress(w, lane, (low >>> 0) + offset);
  return (high >>> 0) * HIGH + (low >>> 0) + offset;
}

/** Where the loaded value goes: extension and place within 32-bit words. */
function placer(
  lane: string,
  bits: number,
  unsigned: boolean,
): { words: number; place: (out: Int32Array[], n: number, x: number) => void } {
  const extend = (x: number): number => (unsigned || bits >= 32 ? x : (x << (32 - bits)) >> (32 - bits));
  const small = bits === 8 ? 0xff : 0xffff;
  switch (lane) {
    case 'b0':
    case 'b1':
    case 'b2':
    case 'b3': {
      const shift = Number(lane[1]) * 8;
      return {
        words: 1,
        place: (out, n, x) => {
          out[0]![n] = (out[0]![n]! & ~(0xff << shift)) | ((x & 0xff) << shift);
        },
      };
    }
    case 'h0':
    case 'h1': {
      const shift = Number(lane[1]) * 16;
      return {
        words: 1,
        place: (out, n, x) => {
          const value = bits === 16 ? x & small : extend(x) & 0xffff;
          out[0]![n] = (out[0]![n]! & ~(0xffff << shift)) | (value << shift);
        },
      };
    }
    case 'd0':
      return {
        words: 2,
        place: (out, n, x) => {
          const value = extend(x) | 0;
          out[0]![n] = value;
          out[1]![n] = unsigned ? 0 : value >> 31;
        },
      };
    default:
      return {
        words: 1,
        place: (out, n, x) => {
          out[0]![n] = extend(x);
        },
      };
  }
}

/** Loads `bits` at `address` into lane n of the registers. */
type Load = (memory: VirtualMemory, address: number, out: Int32Array[], n: number) => void;

function loader(i: Instruction, bits: number): { load: Load; words: number } {
  const { place, words } = placer(i.modifiers.lane!, bits, i.modifiers.unsigned !== '');
  switch (bits) {
    case 8:
      return { words, load: (m, a, out, n) => place(out, n, m.load8(a)) };
    case 16:
      return { words, load: (m, a, out, n) => place(out, n, m.load16(a)) };
    case 24:
      return {
        words,
        load: (m, a, out, n) => {
          out[0]![n] = m.load16(a) | (m.load8(a + 2) << 16);
        },
      };
    case 32:
      return { words, load: (m, a, out, n) => place(out, n, m.load32(a)) };
    case 48:
      return {
        words: 2,
        load: (m, a, out, n) => {
          out[0]![n] = m.load32(a);
          out[1]![n] = m.load16(a + 4);
        },
      };
    default: {
      const count = bits / 32;
      return {
        words: count,
        load: (m, a, out, n) => {
          for (let k = 0; k < count; k++) out[k]![n] = m.load32(a + k * 4);
        },
      };
    }
  }
}

const sizeOf = (i: Instruction): number => Number(i.spec.type.slice(1));

/** The registers of a staging run, as views. */
export function stagingViews(i: Instruction, which: number, words: number): (w: WarpState) => Int32Array[] {
  const { register } = i.staging[which]!;
  if (register + words > 64) throw new EncodingError(`${i.spec.name}: registers end beyond r63`);
  return (w) => {
    let views = w.staging[register];
    if (!views) {
      views = w.ri.slice(register);
      w.staging[register] = views;
    }
    return views;
  };
}

function load(i: Instruction): Exec {
  const low = rawBits(i.sources[0]!, i.page, 0);
  const high = rawBits(i.sources[0]!, i.page, 1);
  const offset = i.immediates.offset!;
  const { load: read, words } = loader(i, sizeOf(i));
  const views = stagingViews(i, 0, words);
  // The address may lie in the registers that are loaded: it is taken first, lane by lane.
  return (w) => {
    const xl = low(w);
    const xh = high(w);
    const out = views(w);
    const { memory } = w.run.environment;
    for (let n = 0; n < LANES; n++) {
      if (w.mask & (1 << n)) read(memory, laneAddress(w, n, xl[n]!, xh[n]!, offset), out, n);
    }
  };
}

function loadBuffer(i: Instruction): Exec {
  const offset = rawBits(i.sources[0]!, i.page);
  const handle = rawBits(i.sources[1]!, i.page);
  const bits = sizeOf(i);
  const { load: read, words } = loader(i, bits);
  const views = stagingViews(i, 0, words);
  const at = new Float64Array(LANES);
  const room = new Float64Array(LANES);
  return (w) => {
    const x = offset(w);
    const h = handle(w);
    const { resources, memory } = w.run.environment;
    for (let n = 0; n < LANES; n++) {
      if (!(w.mask & (1 << n))) continue;
      const buffer = resources.buffer(h[n]! >>> 0);
      const place = x[n]! >>> 0;
      room[n] = buffer ? buffer.size - place : 0;
      if (buffer) at[n] = buffer.address + place;
    }
    const out = views(w);
    for (let n = 0; n < LANES; n++) {
      if (!(w.mask & (1 << n))) continue;
      if (room[n]! * 8 >= bits) read(memory, at[n]!, out, n);
      else for (let k = 0; k < words; k++) out[k]![n] = room[n]! >= (k + 1) * 4 ? memory.load32(at[n]! + k * 4) : 0;
    }
  };
}

/** Lanes that may change memory. */
const effective = (w: WarpState, force: boolean): number => (force ? w.mask : w.mask & ~w.discarded);

function store(i: Instruction): Exec {
  const low = rawBits(i.sources[0]!, i.page, 0);
  const high = rawBits(i.sources[0]!, i.page, 1);
  const offset = i.immediates.offset!;
  const bits = sizeOf(i);
  const force = i.modifiers.memoryAccess === 'force';
  const views = stagingViews(i, 0, Math.ceil(bits / 32));
  const words = Math.floor(bits / 32);
  return (w) => {
    const xl = low(w);
    const xh = high(w);
    const data = views(w);
    const { memory } = w.run.environment;
    const mask = effective(w, force);
    for (let n = 0; n < LANES; n++) {
      if (!(mask & (1 << n))) continue;
      const address = laneAddress(w, n, xl[n]!, xh[n]!, offset);
      for (let k = 0; k < words; k++) memory.store32(address + k * 4, data[k]![n]! >>> 0);
      if (bits === 8) memory.store8(address, data[0]![n]! & 0xff);
      else if (bits === 16) memory.store16(address, data[0]![n]! & 0xffff);
      else if (bits === 24) {
        memory.store16(address, data[0]![n]! & 0xffff);
        memory.store8(address + 2, (data[0]![n]! >>> 16) & 0xff);
      } else if (bits === 48) memory.store16(address + 4, data[1]![n]! & 0xffff);
    }
  };
}

// Atomics. Lanes follow one another; other threads and guests may change memory meanwhile.

const lesser = (a: bigint, b: bigint): bigint => {
  if (a < b) return a;
  return b;
};
const ATOMIC: Record<string, (old: bigint, value: bigint, bits: number) => bigint> = {
  aadd: (a, b) => a + b,
  asmin: (a, b, n) => (BigInt.asIntN(n, a) < BigInt.asIntN(n, b) ? a : b),
  asmax: (a, b, n) => (BigInt.asIntN(n, a) > BigInt.asIntN(n, b) ? a : b),
  aumin: (a, b) => lesser(a, b),
  aumax: (a, b) => (lesser(a, b) === a ? b : a),
  aand: (a, b) => a & b,
  aor: (a, b) => a | b,
  axor: (a, b) => a ^ b,
  axchg: (_, b) => b,
};
/** With an operand of one: the name of the operation that does the same. */
const WITH_ONE: Record<string, string> = { ainc: 'aadd', aumax1: 'aumax', asmax1: 'asmax', aor1: 'aor' };

function atomic(i: Instruction): Exec {
  const bits = sizeOf(i);
  const words = bits / 32;
  const low = rawBits(i.sources[0]!, i.page, 0);
  const high = rawBits(i.sources[0]!, i.page, 1);
  const offset = i.immediates.offset!;
  const name = i.modifiers.atomic!;
  const compare = i.modifiers.compare === 'compare';
  if (compare && name !== 'axchg') throw new EncodingError(`${i.spec.name}: compare goes with axchg alone`);
  const one = i.spec.base === 'ATOM1_RETURN';
  const operation = ATOMIC[one ? (WITH_ONE[name] ?? 'aadd') : name]!;
  const constant = name === 'adec' ? -1n : 1n;
  // ATOM_RETURN names the registers that it writes first, those that it reads second.
  const operands = one ? undefined : stagingViews(i, i.staging.length - 1, compare ? 2 * words : words);
  const returns = i.spec.base !== 'ATOM' && i.staging[0]!.count > 0;
  const results = returns ? stagingViews(i, 0, words) : undefined;
  return (w) => {
    const xl = low(w);
    const xh = high(w);
    const input = operands?.(w);
    const output = results?.(w);
    const { memory } = w.run.environment;
    const mask = effective(w, false);
    for (let n = 0; n < LANES; n++) {
      if (!(mask & (1 << n))) continue;
      const address = laneAddress(w, n, xl[n]!, xh[n]!, offset);
      const value = (k: number): bigint =>
        BigInt(input![k]![n]! >>> 0) + (words === 2 ? BigInt(input![k + 1]![n]! >>> 0) << 32n : 0n);
      // Compare and exchange: the new value comes first, what is expected second.
      const next = (old: bigint): bigint =>
        compare ? (old === value(words) ? value(0) : old) : operation(old, one ? constant : value(0), bits);
      const old =
        words === 2
          ? memory.update64(address, next)
          : BigInt(memory.update32(address, (word) => Number(BigInt.asUintN(32, next(BigInt(word))))));
      if (output) {
        output[0]![n] = Number(old & 0xffffffffn);
        if (words === 2) output[1]![n] = Number(old >> 32n);
      }
    }
  };
}

// Addresses.

const writeAddress = (out: Int32Array[], n: number, address: number): void => {
  out[0]![n] = address % HIGH;
  out[1]![n] = Math.floor(address / HIGH);
};

/**
 * LEA_BUFFER: address of a byte of a buffer; LEA_BUF: of an element. 0 where there is no such buffer. Nothing is checked: on
 * hardware a shader that must not go beyond the end compares by itself, as Mesa's do (`nir_lower_robust_access`).
 */
function leaBuffer(i: Instruction): Exec {
  const offset = rawBits(i.sources[0]!, i.page);
  const handle = rawBits(i.sources[1]!, i.page);
  const elements = i.spec.name === 'LEA_BUF';
  const views = stagingViews(i, 0, 2);
  const at = new Float64Array(LANES);
  return (w) => {
    const x = offset(w);
    const h = handle(w);
    for (let n = 0; n < LANES; n++) {
      if (!(w.mask & (1 << n))) continue;
      const buffer = w.run.environment.resources.buffer(h[n]! >>> 0);
      at[n] = buffer ? buffer.address + (x[n]! >>> 0) * (elements ? buffer.stride || 1 : 1) : 0;
    }
    const out = views(w);
    for (let n = 0; n < LANES; n++) if (w.mask & (1 << n)) writeAddress(out, n, at[n]!);
  };
}

/**
 * LEA_BUF_IMM: address of an element: of the vertex buffer in table 61, or of a structured buffer. Of an element that the vertex
 * buffer does not have (Mesa computes such ones and does not use them) it is NO_ADDRESS.
 */
function leaBufImmediate(i: Instruction): Exec {
  const id = rawBits(i.sources[0]!, i.page);
  const table = unfoldTable(i.immediates.table!);
  const index = i.immediates.index!;
  const views = stagingViews(i, 0, 2);
  const at = new Float64Array(LANES);
  return (w) => {
    const x = id(w);
    const { stage, environment } = w.run;
    const output = table === VERTEX_PACKET_TABLE && stage.kind === 'vertex' ? stage.output : undefined;
    const count = output && index === 0 ? output.count : 0;
    const buffer = output ? undefined : environment.resources.buffer(resourceHandle(table, index));
    for (let n = 0; n < LANES; n++) {
      if (!(w.mask & (1 << n))) continue;
      const element = x[n]! >>> 0;
      if (output) {
        const packet = Math.floor(element / PACKET_VERTICES);
        const slot = element % PACKET_VERTICES;
        const place = output.base + packet * output.packetStride + output.offset + slot * output.stride;
        at[n] = element < count ? place : NO_ADDRESS;
      } else at[n] = buffer ? buffer.address + element * (buffer.stride || 1) : 0;
    }
    const out = views(w);
    for (let n = 0; n < LANES; n++) if (w.mask & (1 << n)) writeAddress(out, n, at[n]!);
  };
}

const sized = (base: string, compiler: (i: Instruction) => Exec): Compilers =>
  Object.fromEntries(MEMORY_SIZES.map((bits) => [`${base}.i${bits}`, compiler]));
const both = (base: string): Compilers => ({ [`${base}.i32`]: atomic, [`${base}.i64`]: atomic });

export const MEMORY: Compilers = {
  ...sized('LOAD', load),
  ...sized('LD_BUFFER', loadBuffer),
  ...sized('STORE', store),
  ...both('ATOM'),
  ...both('ATOM_RETURN'),
  ...both('ATOM1_RETURN'),
  LEA_BUFFER: leaBuffer,
  LEA_BUF: leaBuffer,
  LEA_BUF_IMM: leaBufImmediate,
};
