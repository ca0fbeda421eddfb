/**
 * Random image accesses and accesses to the tile buffer for the fuzzer: texels and elements that mostly are there, their addresses, and
 * loads and stores with conversion, there or anywhere.
 */
import { assembleLine } from '../../../mali/shader/assemble.ts';
import type { Random } from '../random.ts';
import {
  ADDRESSES,
  HANDLES,
  INDICES,
  RANGES,
  STAGED_WORDS,
  UNIFORM_HANDLES,
  UNIFORM_PIXEL,
  UNIFORM_PLACES,
} from './input.ts';
import { ATTRIBUTE_COUNT, ATTRIBUTE_TABLE } from './memory.ts';
import { DIMENSIONS, handlePair, TEXTURE_TABLE, TEXTURES } from './texture.ts';
import type { Kind } from './values.ts';

const FORMATS = ['f32', 'f16', 'u32', 'u16', 's32', 's16', 'auto'] as const;

const registers = (first: number, count: number): string =>
  Array.from({ length: count }, (_, n) => `r${first + n}`).join(':');

/** A run of registers of a kind. */
function staged(random: Random, kind: Kind, even = false): number {
  const [first, count] = RANGES[kind];
  const at = random.below(count - STAGED_WORDS);
  return first + (even ? at & ~1 : at);
}

const kindOf = (format: string): Kind =>
  format === 'f16' ? 'half' : format === 'f32' || format === 'auto' ? 'single' : 'bits';

const anyBits = (random: Random): string => `r${staged(random, 'bits')}`;

/** Where in an image: a pair of small numbers. Lines that make it, and the two words. */
function place(random: Random): { lines: string[]; xy: string; zw: string } {
  const zw = random.chance(75) ? '0x0' : random.chance(70) ? `r${INDICES[1]}` : anyBits(random);
  if (random.chance(50)) {
    const xy = anyBits(random);
    return { lines: [`MKVEC.v2i16 ${xy}, r${INDICES[0]}.h00, r${INDICES[1]}.h00`], xy, zw };
  }
  const xy = random.pick([`r${INDICES[0]}`, ...UNIFORM_PLACES.map((u) => `u${u}`), anyBits(random)]);
  return { lines: [], xy, zw };
}

/** What an instruction names: in its word, or by a handle. */
function named(random: Random, name: string): { head: string; tail: string } {
  const texture = name.endsWith('TEX');
  if (random.chance(60)) {
    const table = texture ? TEXTURE_TABLE : ATTRIBUTE_TABLE;
    const index = random.below((texture ? TEXTURES : ATTRIBUTE_COUNT) + (random.chance(3) ? 2 : 0));
    const [first, second] = [`table:${table}`, `index:${index}`];
    return { head: `${name}_IMM`, tail: name === 'LD_TEX' ? `${second}, ${first}` : `${first}, ${second}` };
  }
  if (random.chance(4)) return { head: name, tail: anyBits(random) };
  const uniform = texture ? handlePair(random.pick(DIMENSIONS), true) + 1 : UNIFORM_HANDLES + random.below(HANDLES);
  return { head: name, tail: `u${uniform}` };
}

/** A load or store with conversion: where the words from `address` on say, or anywhere in any format. */
function converted(random: Random, address: number, store: boolean): string {
  const format = random.pick(FORMATS);
  const size = 1 + random.below(4);
  // What is stored is looked at as bits.
  const data = registers(staged(random, store ? 'bits' : kindOf(format)), STAGED_WORDS);
  const [pair, word] = random.chance(90)
    ? [`r${address}`, `r${address + 2}`]
    : [`r${random.pick(ADDRESSES)}`, random.chance(50) ? anyBits(random) : `u${random.below(36)}`];
  const offset = random.chance(85) ? 0 : random.below(64);
  const name = store ? 'ST_CVT' : 'LD_CVT';
  return `${name}.slot0.${format}${size > 1 ? `.v${size}` : ''} @${data}, ${pair}, ${word}, offset:${offset}`;
}

/** Instructions that load a texel, or find where it or an element is and load or, if they may, store there. */
export function imageStatement(random: Random, stores: boolean): Uint32Array[] {
  const name = random.pick(['LD_TEX', 'LEA_TEX', 'LEA_ATTR']);
  const { head, tail } = named(random, name);
  const { lines, xy, zw } =
    name === 'LEA_ATTR' ? { lines: [], xy: `r${INDICES[0]}`, zw: `r${INDICES[1]}` } : place(random);
  if (name === 'LD_TEX') {
    const format = random.pick(FORMATS);
    const size = 1 + random.below(4);
    const to = registers(staged(random, kindOf(format)), STAGED_WORDS);
    lines.push(`${head}.${format}${size > 1 ? `.v${size}` : ''}.slot0 @${to}, ${xy}, ${zw}, ${tail}`);
  } else {
    const to = staged(random, 'bits', true);
    lines.push(`${head}.slot0 @${registers(to, 3)}, ${xy}, ${zw}, ${tail}`);
    if (random.chance(80)) lines.push(converted(random, to, stores && random.chance(60)));
  }
  return lines.map((line) => assembleLine(line));
}

/** A load from the tile buffer, or a store to it. */
export function tileStatement(random: Random): Uint32Array[] {
  const format = random.pick(FORMATS);
  const size = 1 + random.below(4);
  const data = registers(staged(random, kindOf(format)), STAGED_WORDS);
  const pixel = random.chance(96) ? `u${UNIFORM_PIXEL}` : anyBits(random);
  const coverage = random.pick(['r60', 'r60', anyBits(random), `u${random.below(36)}`]);
  const conversion = random.chance(96) ? `blend_descriptor_${random.below(2)}.w1` : anyBits(random);
  const name = random.pick(['LD_TILE', 'ST_TILE']);
  return [
    assembleLine(
      `${name}.${format}${size > 1 ? `.v${size}` : ''}.slot0 @${data}, ${pixel}, ${coverage}, ${conversion}`,
    ),
  ];
}
