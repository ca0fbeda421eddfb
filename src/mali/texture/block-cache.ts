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

/** Texels of a block along x and y. */
export const BLOCK_SIDE = 4;
const TEXELS = BLOCK_SIDE * BLOCK_SIDE;
const MAX_BYTES = 16;
/** An entry: the block's bytes, the number of its codec, its texels in rows, a word each. */
const ENTRY = { source: 0, codec: 16, texels: 32, bytes: 32 + TEXELS * 4 } as const;
const ENTRIES = 1 << 15;

const codecs: BlockCodec[] = [];

/** The number of a codec whose blocks the table can hold, from 1 on; undefined for others. */
export function codecNumber(codec: BlockCodec): number | undefined {
  const { width, height, depth, texelWords } = codec;
  if (width !== BLOCK_SIDE || height !== BLOCK_SIDE || depth !== 1 || texelWords !== 1) return undefined;
  const known = codecs.indexOf(codec);
  return known < 0 ? codecs.push(codec) : known + 1;
}

let table: number | undefined;
const block = new Uint32Array(MAX_BYTES / 4);
const texels = new Uint32Array(TEXELS);

/** Decodes the block at a physical address into an entry. */
export type DecodeBlock = (codec: number, physical: number, entry: number) => void;
export const decodeBlock =
  ({ view }: PhysicalMemory): DecodeBlock =>
  (number, physical, entry) => {
    const codec = codecs[number - 1]!;
    block.fill(0);
    for (let at = 0; at < codec.bytes; at += 4) block[at / 4] = view.getUint32((physical >>> 0) + at, true);
    codec.decode(block, texels);
    scratch.u32.set(block, (entry + ENTRY.source) / 4);
    scratch.u32.set(texels, (entry + ENTRY.texels) / 4);
    scratch.u32[(entry + ENTRY.codec) / 4] = number;
  };

/** Emits a function from a block's physical address to the scratch address of its first texel. */
export function blockFunction(
  m: ModuleBuilder,
  { codec, bytes }: { codec: number; bytes: number },
  dram: number,
  decode: Callable,
): Code {
  table ??= scratch.alloc(ENTRIES * ENTRY.bytes);
  const f = m.function('texture_block', ['i32'], ['i32']);
  const at = 0;
  const source = f.local('v128');
  const entry = f.local('i32');
  f.get(at)
    .memory(bytes === MAX_BYTES ? 'v128_load' : 'v128_load64_zero', 0, dram)
    .set(source);
  f.get(at).i32(Math.log2(bytes)).op('i32_shr_u');
  f.i32(ENTRIES - 1)
    .op('i32_and')
    .i32(ENTRY.bytes)
    .op('i32_mul')
    .i32(table)
    .op('i32_add')
    .set(entry);
  f.get(entry).memory('v128_load', ENTRY.source).get(source).op('v128_xor').op('v128_any_true');
  f.get(entry).memory('i32_load', ENTRY.codec).i32(codec).op('i32_xor').op('i32_or');
  f.unlikely().if();
  f.i32(codec).get(at).get(entry).call(decode);
  f.end();
  f.get(entry).i32(ENTRY.texels).op('i32_add');
  return f;
}
