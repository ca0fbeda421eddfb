/**
 * Lists of threads: what the vertex and the compute front end hand to shaders, so that one call works off all warps of a batch or
 * of workgroups.
 *
 * A list is a column for each preloaded register of each warp, in scratch memory: the warp's sixteen words of the first
 * register, then those of the next one, as they lie in a register file. Warps follow one another; all are full but the last. So
 * word `lane` of register r of warp w is at
 *
 *     list + ((w * count + r - first) * 16 + lane) * 4
 *
 * with `first` and `count` of THREAD_PRELOADS. ShaderRun.beginThreads says how many threads there are.
 */
import { COMPUTE_PRELOAD, VERTEX_PRELOAD } from '../../abi/isa/preload.ts';

const LANES = 16;
export const COLUMN_BYTES = LANES * 4;

/** Which registers a list has, by kind of stage. */
export const THREAD_PRELOADS = {
  /** r59…r62: linear id, vertex id, instance id, draw id. */
  vertex: { first: VERTEX_PRELOAD.LINEAR_ID, count: VERTEX_PRELOAD.DRAW_ID - VERTEX_PRELOAD.LINEAR_ID + 1 },
  /** r55…r62: local id (two words), workgroup id, global id. */
  compute: { first: COMPUTE_PRELOAD.LOCAL_ID_XY, count: COMPUTE_PRELOAD.GLOBAL_ID + 3 - COMPUTE_PRELOAD.LOCAL_ID_XY },
} as const;

export type ThreadPreloads = (typeof THREAD_PRELOADS)[keyof typeof THREAD_PRELOADS];

/** Bytes of a list of so many threads. */
export const threadListBytes = ({ count }: ThreadPreloads, threads: number): number =>
  Math.ceil(threads / LANES) * count * COLUMN_BYTES;
