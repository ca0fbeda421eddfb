/**
 * Vectors that emitted code loads from scratch memory: a load is cheaper than what a constant becomes in functions that are too
 * short to hoist it out of anything.
 *
 * Where one lies follows from its words, so it is the same on all threads (scratch.ts), but for two that want the same place.
 */
import { scratch } from './scratch.ts';

const VECTOR_BYTES = 16;
const WORDS = 4;
const PLACES_LOG2 = 12;
const PLACES = 1 << PLACES_LOG2;
/** Vectors that have a place. Whoever wants more of them makes constants. */
const MOST = PLACES / 2;
const FIRST = scratch.fixed('constants', PLACES * VECTOR_BYTES) / WORDS;
/** Places that are taken. */
const taken = new Uint8Array(PLACES);
let used = 0;

/** An odd number that spreads words over the places. */
const SPREAD = 0x9e3779b1;
const single = new Float32Array(1);
const bits = new Int32Array(single.buffer);

/** Scratch address of a vector of four words, or undefined where none is left. */
export function constantWords(a: number, b: number, c: number, d: number): number | undefined {
  const words = scratch.i32;
  let hash = 0;
  for (const word of [a, b, c, d]) hash = Math.imul(hash ^ (hash >>> 15) ^ word, SPREAD);
  for (let place = hash >>> (32 - PLACES_LOG2); ; place = (place + 1) % PLACES) {
    const at = FIRST + place * WORDS;
    if (!taken[place]) {
      if (used === MOST) return undefined;
      used++;
      taken[place] = 1;
      words.set([a, b, c, d], at);
      return at * WORDS;
    }
    if (words[at] === (a | 0) && words[at + 1] === (b | 0) && words[at + 2] === (c | 0) && words[at + 3] === (d | 0)) {
      return at * WORDS;
    }
  }
}

/** The same of a vector of four equal singles. */
export function constantVector(value: number): number | undefined {
  single[0] = value;
  const word = bits[0]!;
  return constantWords(word, word, word, word);
}
