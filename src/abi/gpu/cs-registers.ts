/**
 * Which work register means what to the units that RUN_* instructions start.
 *
 * A stream fills its registers and then runs; the unit reads them at these indices. 64-bit values are a pair, low half
 * first. A FAU pointer keeps its count of 64-bit entries in the top byte of the pair.
 * Source: Mesa 25.0 `src/panfrost/lib/genxml/decode_csf.c` (pandecode_run_*), `src/gallium/drivers/panfrost/pan_csf.c`.
 */
import type { Infer } from '../layout.ts';
import { FauPointer } from './shader-descriptors.ts';

/** RUN_COMPUTE and RUN_COMPUTE_INDIRECT. The pointers are arrays that the instruction's selects index. */
export const COMPUTE_REGISTERS = {
  /** Shader resource table. */
  srt: [0, 2, 4, 6],
  /** Fast-access uniforms. */
  fau: [8, 10, 12, 14],
  /** Shader program descriptor. */
  spd: [16, 18, 20, 22],
  /** Thread storage descriptor (LOCAL_STORAGE). */
  tsd: [24, 26, 28, 30],
  globalAttributeOffset: 32,
  /** COMPUTE_SIZE_WORKGROUP, one word. */
  workgroupSize: 33,
  jobOffsetX: 34,
  jobOffsetY: 35,
  jobOffsetZ: 36,
  /** Counts of workgroups. */
  jobSizeX: 37,
  jobSizeY: 38,
  jobSizeZ: 39,
} as const;

/** RUN_IDVS, and RUN_TILING for the tiler's part of it. */
export const IDVS_REGISTERS = {
  positionSrt: 0,
  positionFau: 8,
  positionSpd: 16,
  positionTsd: 24,
  /** Used if the instruction selects them; otherwise the position shader's. */
  varyingSrt: 2,
  varyingFau: 10,
  varyingSpd: 18,
  varyingTsd: 26,
  fragmentSrt: 4,
  fragmentFau: 12,
  fragmentSpd: 20,
  fragmentTsd: 28,
  globalAttributeOffset: 32,
  indexCount: 33,
  instanceCount: 34,
  indexOffset: 35,
  /** Signed. */
  vertexOffset: 36,
  instanceOffset: 37,
  /** DCD_FLAGS_2. */
  dcdFlags2: 38,
  /** Bytes. */
  indexArraySize: 39,
  /** TILER_CONTEXT. */
  tilerContext: 40,
  /** SCISSOR, two words. */
  scissor: 42,
  lowDepthClamp: 44,
  highDepthClamp: 45,
  occlusion: 46,
  /** Bytes of varyings a vertex; RUN_TILING has the address of the positions here. */
  varyingAllocation: 48,
  /** Address of the blend descriptors, their count in the low four bits. */
  blend: 50,
  depthStencil: 52,
  indices: 54,
  /** PRIMITIVE_FLAGS, to which the instruction adds its flags override. */
  primitiveFlags: 56,
  dcdFlags0: 57,
  dcdFlags1: 58,
  vertexBounds: 59,
  /** PRIMITIVE_SIZE, a float or the address of an array. */
  primitiveSize: 60,
} as const;

/** RUN_FRAGMENT. */
export const FRAGMENT_REGISTERS = {
  /** Framebuffer pointer: address with flags in the low six bits. */
  framebuffer: 40,
  /** Bounding box in pixels, inclusive: minimum x, y as two halves of a word, then maximum. */
  boundMin: 42,
  boundMax: 43,
  tileEnableMap: 44,
  tileEnableMapRowStride: 46,
} as const;

/** RUN_FULLSCREEN reads these beside the Draw descriptor that it names. */
export const FULLSCREEN_REGISTERS = {
  tilerContext: 40,
  scissor: 42,
  primitiveFlags: 56,
} as const;

/** The pair at `index` as a number; GPU addresses lie below 2^48. */
export const pairOf = (registers: Uint32Array, index: number): number =>
  registers[index]! + registers[index + 1]! * 2 ** 32;

/** The FAU pointer at `index`, taken apart: address, and count of 64-bit entries. */
export const fauOf = (registers: Uint32Array, index: number): Infer<typeof FauPointer> =>
  FauPointer.read(new DataView(registers.buffer, registers.byteOffset), index * 4);
