/**
 * Vectors of one number that emitted code loads from scratch memory: a load is cheaper than what a constant becomes in
 * functions that are too short to hoist it out of anything.
 */
import { scratch } from './scratch.ts';

const VECTOR_BYTES = 16;
/** Numbers that have a place. Whoever wants more of them makes constants. */
const MOST = 1024;
const places = new Map<number, number>();

/** Scratch address of a vector of four singles, or undefined where none is left. */
export function constantVector(value: number): number | undefined {
  let at = places.get(value);
  if (at === undefined && places.size < MOST) {
    at = scratch.alloc(VECTOR_BYTES);
    scratch.f32.fill(value, at / 4, at / 4 + VECTOR_BYTES / 4);
    places.set(value, at);
  }
  return at;
}
