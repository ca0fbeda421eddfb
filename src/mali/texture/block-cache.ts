/**
 * Decoded blocks of compressed textures, for emitted samplers: a table in this thread's scratch memory.
 *
 * A block's place in the table follows from its address, but what makes an entry right is the block's own bytes, which stand in it:
 * emitted code compares them with memory at every look-up, so nobody needs to know when a texture changes. What is not there
 * is decoded by script (compressed/codec.ts).
 */
import type { PhysicalMemory } from '../../board/dram.ts';
import { scratch } from '../engine/scratch.ts';
import type { Callable, Code, ModuleBuilder } from '../wasm/builder.ts';
import type { BlockCodec } from './compressed/codec.ts';
import type { SamplerCode } from './emit-code.ts';

const MAX_BYTES = 16;
const WORD = 4;
/** An entry: the block's bytes, the number of its codec, its texels in rows. */
export const ENTRY = { source: 0, codec: 16, texels: 32 } as const;
/** Bytes that a table may have; there is one for each size of decoded blocks. */
const TABLE_BYTES = 1 << 22;

/** What of a codec's blocks emitted code depends on. */
export interface BlockShape {
  readonly codec: number;
  /** Of a block. */
  readonly bytes: number;
  /** Texels along x and y, and words of one. */
  readonly width: number;
  readonly height: number;
  readonly words: number;
}

const codecs: BlockCodec[] = [];

/** The shape of a codec's blocks; undefined where they are deep. */
export function blockShape(codec: BlockCodec): BlockShape | undefined {
  const { width, height, depth, bytes, texelWords: words } = codec;
  if (depth !== 1) return undefined;
  const known = codecs.indexOf(codec);
  return { codec: known < 0 ? codecs.push(codec) : known + 1, bytes, width, height, words };
}

/** Tables by their entries' sizes: where they are, and how many entries they have, a power of two. */
const tables = new Map<number, readonly [at: number, entries: number]>();

function tableOf(size: number): readonly [at: number, entries: number] {
  let table = tables.get(size);
  if (!table) {
    const entries = 2 ** Math.floor(Math.log2(TABLE_BYTES / size));
    table = [scratch.alloc(entries * size), entries];
    tables.set(size, table);
  }
  return table;
}

/** Bytes of an entry for blocks of this shape. */
const entryBytes = ({ width, height, words }: BlockShape): number => ENTRY.texels + width * height * words * WORD;

/** Pushes the entries' scratch addresses for the physical addresses of four blocks. */
export function pushEntries(c: SamplerCode, shape: BlockShape, addresses: number): void {
  const size = entryBytes(shape);
  const [table, entries] = tableOf(size);
  c.f.get(addresses).i32(Math.log2(shape.bytes)).op('i32x4_shr_u');
  c.words(entries - 1).op('v128_and');
  c.times(size);
  c.words(table).op('i32x4_add');
}

/** Pushes what in four blocks' entries is not theirs: all zero if everything is. */
export function pushDifferences(
  c: SamplerCode,
  { codec, bytes }: BlockShape,
  addresses: number,
  entries: number,
): void {
  const { f } = c;
  f.get(c.gather(entries, ENTRY.codec, 0));
  c.words(codec).op('v128_xor');
  for (const lane of [0, 1, 2, 3]) {
    f.get(addresses).lane('i32x4_extract_lane', lane);
    f.memory(bytes === MAX_BYTES ? 'v128_load' : 'v128_load64_zero', 0, c.dram);
    f.get(entries).lane('i32x4_extract_lane', lane).memory('v128_load', ENTRY.source);
    f.op('v128_xor').op('v128_or');
  }
}

const block = new Uint32Array(MAX_BYTES / WORD);
/** Decoded texels, by their words. */
const decoded = new Map<number, Uint32Array>();

/** Decodes the block at a physical address into an entry. */
export type DecodeBlock = (codec: number, physical: number, entry: number) => void;
export const decodeBlock =
  ({ view }: PhysicalMemory): DecodeBlock =>
  (number, physical, entry) => {
    const codec = codecs[number - 1]!;
    block.fill(0);
    for (let at = 0; at < codec.bytes; at += WORD) block[at / WORD] = view.getUint32((physical >>> 0) + at, true);
    const words = codec.width * codec.height * codec.texelWords;
    const texels = decoded.get(words) ?? new Uint32Array(words);
    decoded.set(words, texels);
    codec.decode(block, texels);
    scratch.u32.set(block, (entry + ENTRY.source) / 4);
    scratch.u32.set(texels, (entry + ENTRY.texels) / 4);
    scratch.u32[(entry + ENTRY.codec) / 4] = number;
  };

/** Emits a function that sees to it that the block at a physical address is in the table. */
export function blockFunction(m: ModuleBuilder, shape: BlockShape, dram: number, decode: Callable): Code {
  const { codec, bytes } = shape;
  const size = entryBytes(shape);
  const [table, entries] = tableOf(size);
  const f = m.function('texture_block', ['i32'], []);
  const at = 0;
  const source = f.local('v128');
  const entry = f.local('i32');
  f.get(at)
    .memory(bytes === MAX_BYTES ? 'v128_load' : 'v128_load64_zero', 0, dram)
    .set(source);
  f.get(at).i32(Math.log2(bytes)).op('i32_shr_u');
  f.i32(entries - 1)
    .op('i32_and')
    .i32(size)
    .op('i32_mul')
    .i32(table)
    .op('i32_add')
    .set(entry);
  f.get(entry).memory('v128_load', ENTRY.source).get(source).op('v128_xor').op('v128_any_true');
  f.get(entry).memory('i32_load', ENTRY.codec).i32(codec).op('i32_xor').op('i32_or');
  f.if();
  f.i32(codec).get(at).get(entry).call(decode);
  f.end();
  return f;
}
