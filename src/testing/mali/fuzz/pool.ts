/**
 * What shaders of neighbouring seeds share: values, data, textures, attribute descriptors and draws. A pool belongs to a block of
 * seeds and follows from its number, so a seed alone still says all about its shader.
 *
 * Samplers, attribute fetches, blending and tests are emitted for each state. To make them all anew for each input would cost more
 * than the shaders themselves, and they are looked at by tests of their own.
 */
import { Random } from '../random.ts';
import { ATTRIBUTE_TABLES, attributeTable } from './descriptors.ts';
import { type DrawInput, drawInput } from './draw.ts';
import { DATA_AT, DATA_SIZE, textureTableAt } from './memory.ts';
import { TEXTURE_TABLES, type Textures, textures } from './texture.ts';
import { type Kind, values } from './values.ts';

/** Seeds of a block. */
const BLOCK = 1024;
const DRAWS = 24;
const DATA_WORDS = 2 ** 14;

export interface Pool {
  /** Words of each kind, VALUES of them. */
  readonly values: Readonly<Record<Kind, Uint32Array>>;
  /** Any words: inputs' data are parts of them. */
  readonly words: Uint32Array;
  readonly textures: readonly Textures[];
  readonly attributes: readonly Uint8Array[];
  readonly draws: readonly DrawInput[];
}

const times = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));

let last: { readonly block: number; readonly pool: Pool } | undefined;

/** The pool of a seed's block. */
export function poolOf(seed: number): Pool {
  const block = Math.floor(seed / BLOCK);
  if (last?.block !== block) last = { block, pool: make(new Random(~block)) };
  return last.pool;
}

function make(random: Random): Pool {
  const words = new Uint32Array(DATA_WORDS);
  for (let n = 0; n < words.length; n++) words[n] = random.word();
  return {
    values: { bits: values(random, 'bits'), single: values(random, 'single'), half: values(random, 'half') },
    words,
    textures: times(TEXTURE_TABLES, (n) => textures(random, textureTableAt(n), DATA_AT, DATA_SIZE)),
    attributes: times(ATTRIBUTE_TABLES, () => attributeTable(random)),
    draws: times(DRAWS, () => drawInput(random)),
  };
}

/** Bytes for an input's data: a part of the pool's words. */
export function dataOf(random: Random, { words }: Pool): Uint8Array {
  const first = random.below(DATA_WORDS - DATA_SIZE / 4);
  return new Uint8Array(words.buffer, first * 4, DATA_SIZE);
}
