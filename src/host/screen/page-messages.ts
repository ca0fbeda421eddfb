/** What the page says beside RFB, each a JSON array of a word and numbers, and what it is told. */
import type { Hands } from './hands.ts';

/** Once a second. */
export interface PageTold {
  /** Frames per second that came onto the machine's screen. */
  readonly fps: number;
  /** Pictures per second that were sent to viewers, or would have been to a fast one. */
  readonly shown: number;
}

const WORDS: Readonly<Record<string, { count: number; act: (hands: Hands, numbers: number[]) => void }>> = {
  /** A finger's number, and its place: 0..1. */
  touch: { count: 3, act: (hands, [id, x, y]) => hands.touch(id!, x!, y!) },
  release: { count: 1, act: (hands, [id]) => hands.release(id!) },
  /** Counts of a mouse. */
  move: { count: 2, act: (hands, [dx, dy]) => hands.moveBy(dx!, dy!) },
  /** ABS_* and -1..1. */
  axis: { count: 2, act: (hands, [code, value]) => hands.axis(code!, value!) },
  /** BTN_*, and 1 for down. */
  pad: { count: 2, act: (hands, [code, down]) => hands.padButton(code!, down === 1) },
};

/** What a message does; undefined: it is none. */
export function parsePageMessage(text: string): ((hands: Hands) => void) | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  const [name, ...numbers] = value;
  const word = typeof name === 'string' && Object.hasOwn(WORDS, name) ? WORDS[name] : undefined;
  if (!word || numbers.length !== word.count || !numbers.every(Number.isFinite)) return undefined;
  return (hands) => word.act(hands, numbers);
}
