/**
 * A block in scratch memory by which emitted samplers get their operands and give their results: sixteen words each, by lane.
 * Whoever calls fills what the kind of instruction has; the rest is not read.
 */
import { scratch } from '../engine/scratch.ts';
import { LANES } from '../shader/contract.ts';

const LANE_BYTES = LANES * 4;

/** Byte offsets. */
export const OPERAND = {
  x: 0,
  y: LANE_BYTES,
  z: 2 * LANE_BYTES,
  array: 3 * LANE_BYTES,
  shadow: 4 * LANE_BYTES,
  offset: 5 * LANE_BYTES,
  /** Level of detail, bias, or the first word of a gradient. */
  lod: 6 * LANE_BYTES,
  /** Four channels, or the two words of a gradient. */
  result: 7 * LANE_BYTES,
} as const;
export const OPERAND_BYTES = 11 * LANE_BYTES;
export const CHANNEL_BYTES = LANE_BYTES;

/** This thread's block: an instruction is done with it before the next begins. */
export const OPERANDS_AT = scratch.fixed('operands', OPERAND_BYTES);
