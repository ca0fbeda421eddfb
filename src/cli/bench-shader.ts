/**
 * What single instructions of shaders cost, in process, with nothing of a driver.
 *
 * `tyr bench alu`: nanoseconds a thread that an instruction takes, by the difference of two programs of which one has more of them.
 * There are eight chains of them, as compilers interleave them, so some of the latency shows. `tyr bench memory`: nanoseconds a thread
 * of loads, stores and atomics, of neighbouring words and of words that nearly all have a page of their own, and of texels of an image.
 *
 * A compute job of one workgroup after the other runs them, on one thread.
 */
import { PIXEL_FORMATS } from '../abi/formats.ts';
import { COMPUTE_REGISTERS } from '../abi/gpu/cs-registers.ts';
import { PAGE_SIZE } from '../abi/gpu/lpae.ts';
import {
  ComputeSizeWorkgroup,
  DESCRIPTOR_TYPE,
  LocalStorage,
  Resource,
  ShaderProgram,
} from '../abi/gpu/shader-descriptors.ts';
import {
  CLUMP_FORMAT,
  CLUMP_ORDERING,
  PLANE_TYPE,
  Plane,
  TEXTURE_DIMENSION,
  Texture,
} from '../abi/gpu/texture-descriptors.ts';
import { viewOf } from '../abi/layout.ts';
import { U_TILE } from '../board/image/u-interleaved.ts';
import { Problem } from '../host/userland/problem.ts';
import { compute } from '../mali/compute.ts';
import { executorOf } from '../mali/engine/engine.ts';
import type { Engine } from '../mali/engine/names.ts';
import { assemble } from '../mali/shader/assemble.ts';
import { TexturePipe } from '../mali/texture/unit.ts';
import { type Place, place } from './bench-place.ts';
import type { Bench } from './bench-programs.ts';
import { shortestRun } from './shortest-run.ts';

const THREADS = 256;
const GROUPS = 16;
export const ALL_THREADS = THREADS * GROUPS;
/** What lies where in the place: descriptors, code, and from here on data. */
const AT = {
  ...{ program: 0, storage: 0x100, uniforms: 0x200, resources: 0x300, image: 0x340, plane: 0x380 },
  ...{ code: PAGE_SIZE, data: 0x20000 },
} as const;
const DATA_BYTES = 2 ** 26;

/** Where a bench's programs and data are. */
export const room = (): Place => place(AT.data + DATA_BYTES + BEHIND);

/** The words of the data. */
export const data = ({ dram, at }: Place): Uint32Array =>
  dram.u32.subarray((at + AT.data) / 4, (at + AT.data + DATA_BYTES) / 4);

/** A job over all threads that can be run again and again. */
export function job({ dram, memory, at }: Place, engine: Engine, lines: readonly string[]): () => void {
  const code = assemble([...lines, 'NOP.end'].join('\n'));
  if (code.byteLength > AT.data - AT.code) throw new Error('bench: the program is too long for its place');
  dram.u32.set(code, (at + AT.code) / 4);
  const { view } = dram;
  ShaderProgram.write(view, at + AT.program, { type: DESCRIPTOR_TYPE.SHADER, stage: 1, binary: at + AT.code });
  LocalStorage.write(view, at + AT.storage, {});
  describeImage(view, at);
  const registers = new Uint32Array(96);
  const r = COMPUTE_REGISTERS;
  registers[r.spd[0]] = at + AT.program;
  registers[r.tsd[0]] = at + AT.storage;
  // One table.
  registers[r.srt[0]] = (at + AT.resources) | 1;
  registers[r.fau[0]] = at + AT.uniforms;
  registers[r.fau[0] + 1] = (UNIFORMS.length / 2) << 24;
  registers[r.workgroupSize] = viewOf(ComputeSizeWorkgroup.pack({ x: THREADS, y: 1, z: 1 })).getUint32(0, true);
  registers[r.jobSizeX] = GROUPS;
  registers[r.jobSizeY] = 1;
  registers[r.jobSizeZ] = 1;
  dram.u32.set(UNIFORMS, (at + AT.uniforms) / 4);
  dram.u32[(at + AT.uniforms) / 4] = at + AT.data;
  const operands = { srtSelect: 0, spdSelect: 0, tsdSelect: 0, fauSelect: 0 } as const;
  const executor = executorOf(engine);
  const textures = new TexturePipe(engine);
  return () => {
    const work = compute({ memory, registers, operands }, textures, executor);
    while (work.step() !== 'done');
  };
}

/** An image of words in u-interleaved tiles where the data are, a column a thread. */
function describeImage(view: DataView, at: number): void {
  Resource.write(view, at + AT.resources, { address: at + AT.image, containsDescriptors: true, size: Texture.size });
  Texture.write(view, at + AT.image, {
    type: DESCRIPTOR_TYPE.TEXTURE,
    dimension: TEXTURE_DIMENSION.D2,
    format: R32UI << 12,
    width: ALL_THREADS,
    height: ACCESSES,
    swizzle: 0o3210,
    levels: 1,
    sampleCount: 1,
    arraySize: 1,
    depth: 1,
    surfaces: at + AT.plane,
  });
  Plane.write(view, at + AT.plane, {
    type: DESCRIPTOR_TYPE.PLANE,
    planeType: PLANE_TYPE.GENERIC,
    clumpOrdering: CLUMP_ORDERING.TILED_U_INTERLEAVED,
    clumpFormat: CLUMP_FORMAT.RAW32,
    pointer: at + AT.data,
    rowStride: ALL_THREADS * U_TILE * 4,
    size: ALL_THREADS * U_TILE * 4,
  });
}
const R32UI = [...PIXEL_FORMATS.values()].find(({ name }) => name === 'R32UI')!.index;

/** Bits of single-precision numbers. */
const single = (x: number): number => new Uint32Array(Float32Array.of(x).buffer)[0]!;
/** u0, u1: where the data are; u2…u9: operands that keep values near one, or near one in each half. */
const UNIFORMS = Uint32Array.of(0, 0, single(0.999), single(0.001), 0x3bfe3bfe, 0x14191419, 0x12345, 7, single(1), 1);

const CHAINS = 8;
/** Instructions of the shorter program, and of the longer one, which is about as long as real ones are. */
const LENGTHS = [64, 320] as const;

/** D: destination and first source, a register of a chain; u: one of the uniforms above. */
export const ALU: Readonly<Record<string, string>> = {
  fma_f32: 'FMA.f32 D, D, u2, u3',
  fadd_f32: 'FADD.f32 D, D, u3',
  fmax_f32: 'FMAX.f32 D, D, u2',
  fma_v2f16: 'FMA.v2f16 D, D, u4, u5',
  fadd_v2f16: 'FADD.v2f16 D, D, u5',
  frcp_f32: 'FRCP.f32 D, D',
  frsq_f32: 'FRSQ.f32 D, D',
  flogd_f32: 'FLOGD.f32 D, D',
  f32_to_s32: 'F32_TO_S32.rtz D, D',
  s32_to_f32: 'S32_TO_F32 D, D',
  v2f32_to_v2f16: 'V2F32_TO_V2F16 D, D, u2',
  iadd_u32: 'IADD.u32 D, D, u6',
  imul_i32: 'IMUL.i32 D, D, u6',
  lshift_and: 'LSHIFT_AND.i32 D, D, 0x03020100.b11, u6',
  csel_f32: 'CSEL.f32.lt D, D, u2, D, u8',
  mux_i32: 'MUX.i32.bit D, D, u6, u7',
  clper_i32: 'CLPER.i32.subgroup4.xor D, D, 0x03020100.b11',
};

export function aluProgram(line: string, length: number): string[] {
  // Chains of the same values would be one.
  const begin = Array.from({ length: CHAINS }, (_, n) => [
    `IADD.u32 r${n}, u8, r60`,
    `IADD_IMM.i32 r${n}, r${n}, #${n}`,
  ]);
  const body = Array.from({ length }, (_, n) => line.replaceAll(/\bD\b/g, `r${n % CHAINS}`));
  // Whatever nobody needs would not be computed.
  const end = Array.from({ length: CHAINS - 1 }, (_, n) => `IADD.u32 r0, r0, r${n + 1}`);
  return [...begin.flat(), ...body, ...end, 'SHADDX.u64 r2, u0, r60.w0, shift:2', 'STORE.i32.slot0 @r0, r2, offset:0'];
}

/** A word's place by thread: next to its neighbours', or somewhere among the data. */
const NEIGHBOURS = ['SHADDX.u64 r2, u0, r60.w0, shift:2'];
/** Multiples of an odd number, in words, of which so many bits are kept. */
const FAR = [
  'IMUL.i32 r1, r60, u6',
  `IADD_IMM.i32 r0, 0x0, #${DATA_BYTES / 4 - 1}`,
  'LSHIFT_AND.i32 r1, r1, 0x0.b00, r0',
  'SHADDX.u64 r2, u0, r1.w0, shift:2',
];
/** A texel of the thread's column. */
const ROW = 'IADD_IMM.i32 R3, r60, #N\n';
const SIXTEENS = ['SHADDX.u64 r2, u0, r60.w0, shift:4'];
const ONE_PLACE = ['MOV.i32 r2, u0', 'MOV.i32 r3, u1'];
/** Beside one another at distances that fit the offset of an instruction. */
const ACCESSES = 8;
/** Behind the data: the last word's further accesses. */
const BEHIND = 2 ** 16;

interface Access {
  /** Puts the address into r2 and r3. */
  readonly place: readonly string[];
  /** N: where it is, behind the address, or an image's row; R0…R3: registers that it has for itself. */
  readonly access: string;
  /** How far behind one another a thread's accesses are. */
  readonly stride: number;
}
export const MEMORY: Readonly<Record<string, Access>> = {
  load_i32: { place: NEIGHBOURS, access: 'LOAD.i32.unsigned.slot0 @R0, r2, offset:N', stride: THREADS * 4 },
  load_i32_far: { place: FAR, access: 'LOAD.i32.unsigned.slot0 @R0, r2, offset:N', stride: 256 },
  load_i128: { place: SIXTEENS, access: 'LOAD.i128.unsigned.slot0 @R0:R1:R2:R3, r2, offset:N', stride: THREADS * 16 },
  store_i32: { place: NEIGHBOURS, access: 'STORE.i32.slot0 @r60, r2, offset:N', stride: THREADS * 4 },
  store_i32_far: { place: FAR, access: 'STORE.i32.slot0 @r60, r2, offset:N', stride: 256 },
  store_i128: { place: SIXTEENS, access: 'STORE.i128.slot0 @r56:r57:r58:r59, r2, offset:N', stride: THREADS * 16 },
  image_load: {
    place: [],
    access: `${ROW}LD_TEX_IMM.u32.slot0.wait0 @R0, R3, 0x0, index:0, table:0`,
    stride: 2 ** 16,
  },
  image_store: {
    place: [],
    access: `${ROW}LEA_TEX_IMM.slot0.wait0 @R0:R1:R2, R3, 0x0, table:0, index:0\nST_CVT.slot0.u32 @r60, R0, R2, offset:0`,
    stride: 2 ** 16,
  },
  atomic_add: { place: NEIGHBOURS, access: 'ATOM.i32.slot0.aadd @r60, r2, offset:0', stride: 0 },
  atomic_add_one_word: { place: ONE_PLACE, access: 'ATOM.i32.slot0.aadd @r60, r2, offset:0', stride: 0 },
};

const FIRST_LOADED = 4;
const LOADED = 4;

export function memoryProgram({ place, access, stride }: Access, accesses: number): string[] {
  const body = Array.from({ length: accesses }, (_, n) =>
    access
      .replaceAll(/R(\d)/g, (_, r) => `r${FIRST_LOADED + ((n % CHAINS) * LOADED + Number(r))}`)
      .replace('N', `${n * stride}`),
  );
  return [...place, ...body];
}

export const alu: Bench = async (_userland, { vs, engine = 'wasm' }) => {
  if (vs) throw new Problem(`there is nothing in alu that ${vs} could do`);
  const where = room();
  return Object.entries(ALU).map(([metric, line]) => {
    const [short, long] = LENGTHS.map((length) => shortestRun(job(where, engine, aluProgram(line, length))));
    return { metric, value: nanoseconds(long! - short!, LENGTHS[1] - LENGTHS[0]), unit: 'ns' };
  });
};

export const memory: Bench = async (_userland, { vs, engine = 'wasm' }) => {
  if (vs) throw new Problem(`there is nothing in memory that ${vs} could do`);
  const where = room();
  return Object.entries(MEMORY).map(([metric, access]) => {
    const [none, all] = [0, ACCESSES].map((count) => shortestRun(job(where, engine, memoryProgram(access, count))));
    return { metric, value: nanoseconds(all! - none!, ACCESSES), unit: 'ns' };
  });
};

/** A thread's share of so many milliseconds for so many instructions. */
const nanoseconds = (milliseconds: number, instructions: number): number =>
  (milliseconds * 1e6) / (instructions * ALL_THREADS);
