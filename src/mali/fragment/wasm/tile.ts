/**
 * Emitted WebAssembly for whole tiles: clearing, channel order, u-interleaving, and rows on their way to DRAM.
 *
 * All of it moves 256 pixels at a time between places of scratch memory; only `writeback_rows` touches DRAM.
 */
import type { PhysicalMemory } from '../../../board/dram.ts';
import { U_ORDER } from '../../../board/image/u-interleaved.ts';
import type { Code, ModuleBuilder } from '../../wasm/builder.ts';
import type { MemoryOpName } from '../../wasm/opcodes.ts';
import { TILE, TILE_PIXELS } from '../raster.ts';
import { DRAM, functions } from './modules.ts';

/** Fills `bytes` (a multiple of 64) from `to` on with four words. */
export type Fill = (to: number, bytes: number, w0: number, w1: number, w2: number, w3: number) => void;
/** Turns 256 pixels. */
export type Turn = (from: number, to: number) => void;
/** Copies `rows` rows of `size` bytes to DRAM; strides in bytes. */
export type CopyRows = (
  from: number,
  fromStride: number,
  physical: number,
  stride: number,
  size: number,
  rows: number,
) => void;

/** Fills `rows` rows of `size` bytes of DRAM with the sixteen bytes at `pattern`, whose period divides size and stride. */
export type FillRows = (pattern: number, physical: number, stride: number, size: number, rows: number) => void;

export const tileFill = (): Fill => functions<{ tile_fill: Fill }>('tile_fill', emitFill).tile_fill;

function emitFill(m: ModuleBuilder): void {
  const f = m.function('tile_fill', ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'], [], true);
  const [to, bytes] = [0, 1];
  const value = f.local('v128');
  const end = f.local('i32');
  f.get(2).op('i32x4_splat');
  for (const lane of [1, 2, 3]) f.get(2 + lane).lane('i32x4_replace_lane', lane);
  f.set(value).get(to).get(bytes).op('i32_add').set(end);
  fillLoop(f, value, to, end);
}

/** Fills from `to` up to `end` with a vector, 64 bytes at a time: locals. */
export function fillLoop(f: Code, value: number, to: number, end: number): void {
  const again = f.loop();
  for (const at of [0, 16, 32, 48]) f.get(to).get(value).memory('v128_store', at);
  f.get(to).i32(64).op('i32_add').tee(to).get(end).op('i32_lt_u').brIf(again).end();
}

/** Channels of RGBA8 in another order: `swizzle` names for each byte of memory a channel, 4 for zero, 5 for one. */
export const swizzle8888 = (swizzle: readonly number[]): Turn =>
  functions<{ writeback_swizzle: Turn }>(`swizzle ${swizzle.slice(0, 4)}`, (m) => emitSwizzle(m, swizzle))
    .writeback_swizzle;

function emitSwizzle(m: ModuleBuilder, swizzle: readonly number[]): void {
  const f = m.function('writeback_swizzle', ['i32', 'i32'], [], true);
  const [from, to] = [0, 1];
  const order = f.local('v128');
  const ones = f.local('v128');
  const end = f.local('i32');
  let one = 0;
  const words = [0, 0, 0, 0];
  for (let i = 0; i < 4; i++) {
    const channel = swizzle[i]!;
    if (channel === 5) one |= 255 << (8 * i);
    // A place beyond 15 gives zero.
    for (let p = 0; p < 4; p++) words[p]! |= (channel < 4 ? p * 4 + channel : 255) << (8 * i);
  }
  f.v128(...words)
    .set(order)
    .v128(one)
    .set(ones);
  f.get(from)
    .i32(TILE_PIXELS * 4)
    .op('i32_add')
    .set(end);
  const again = f.loop();
  for (let at = 0; at < 64; at += 16) {
    f.get(to).get(from).memory('v128_load', at).get(order).op('i8x16_swizzle');
    f.get(ones).op('v128_or').memory('v128_store', at);
  }
  f.get(to).i32(64).op('i32_add').set(to);
  f.get(from).i32(64).op('i32_add').tee(from).get(end).op('i32_lt_u').brIf(again).end();
}

/** Pixels of `bytes` bytes from rows into u-interleaved order. */
export const interleave = (bytes: number): Turn =>
  functions<{ writeback_interleave: Turn }>(`interleave ${bytes}`, (m) => emitInterleave(m, bytes))
    .writeback_interleave;

/** Loads and stores that together move so many bytes. */
export const PIECES: readonly (readonly [bytes: number, load: MemoryOpName, store: MemoryOpName])[] = [
  [16, 'v128_load', 'v128_store'],
  [8, 'i64_load', 'i64_store'],
  [4, 'i32_load', 'i32_store'],
  [2, 'i32_load16_u', 'i32_store16'],
  [1, 'i32_load8_u', 'i32_store8'],
];

function emitInterleave(m: ModuleBuilder, bytes: number): void {
  const f = m.function('writeback_interleave', ['i32', 'i32'], [], true);
  if (bytes === 4) {
    emitInterleave32(f);
    return;
  }
  for (let p = 0; p < TILE_PIXELS; p++) {
    let done = 0;
    for (const [size, load, store] of PIECES) {
      if (bytes - done < size) continue;
      f.get(1)
        .get(0)
        .memory(load, p * bytes + done)
        .memory(store, U_ORDER[p]! * bytes + done);
      done += size;
    }
  }
}

/** A quad is four neighbours in the block: (0, 0), (1, 0), (1, 1), (0, 1). */
function emitInterleave32(f: Code): void {
  const upper = f.local('v128');
  const lower = f.local('v128');
  for (let y = 0; y < TILE; y += 2) {
    for (let x = 0; x < TILE; x += 4) {
      const p = y * TILE + x;
      f.get(0)
        .memory('v128_load', p * 4)
        .set(upper);
      f.get(0)
        .memory('v128_load', (p + TILE) * 4)
        .set(lower);
      f.get(1).get(upper).get(lower);
      quad(f, p, 0).memory('v128_store', (U_ORDER[p]! & ~3) * 4);
      f.get(1).get(upper).get(lower);
      quad(f, p + 2, 2).memory('v128_store', (U_ORDER[p + 2]! & ~3) * 4);
    }
  }
}

/** The quad at pixel p, in the order that U_ORDER gives its pixels. */
function quad(f: Code, p: number, lane: number): Code {
  const lanes: [number, number, number, number] = [0, 0, 0, 0];
  for (const [at, source] of [
    [p, lane],
    [p + 1, lane + 1],
    [p + TILE, lane + 4],
    [p + TILE + 1, lane + 5],
  ] as const) {
    lanes[U_ORDER[at]! & 3] = source;
  }
  return f.shuffle32(...lanes);
}

export const copyRows = (dram: PhysicalMemory): CopyRows =>
  functions<{ writeback_rows: CopyRows }>('rows', emitRows, dram).writeback_rows;

function emitRows(m: ModuleBuilder): void {
  const f = m.function('writeback_rows', ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'], [], true);
  const [from, fromStride, physical, stride, size, rows] = [0, 1, 2, 3, 4, 5];
  const at = f.local('i32');
  const wide = f.local('i32');
  f.get(size).i32(-16).op('i32_and').set(wide);
  const done = f.block();
  const next = f.loop();
  f.get(rows).op('i32_eqz').brIf(done);
  f.i32(0).set(at);
  for (const [bytes, limit, load, store] of [
    [16, wide, 'v128_load', 'v128_store'],
    [1, size, 'i32_load8_u', 'i32_store8'],
  ] as const) {
    const out = f.block();
    const again = f.loop();
    f.get(at).get(limit).op('i32_ge_u').brIf(out);
    f.get(physical).get(at).op('i32_add');
    f.get(from).get(at).op('i32_add').memory(load).memory(store, 0, DRAM);
    f.get(at).i32(bytes).op('i32_add').set(at).br(again);
    f.end().end();
  }
  f.get(from).get(fromStride).op('i32_add').set(from);
  f.get(physical).get(stride).op('i32_add').set(physical);
  f.get(rows).i32(-1).op('i32_add').set(rows).br(next);
  f.end().end();
}

export const fillRows = (dram: PhysicalMemory): FillRows =>
  functions<{ writeback_fill: FillRows }>('fill rows', emitFillRows, dram).writeback_fill;

function emitFillRows(m: ModuleBuilder): void {
  const f = m.function('writeback_fill', ['i32', 'i32', 'i32', 'i32', 'i32'], [], true);
  const [pattern, physical, stride, size, rows] = [0, 1, 2, 3, 4];
  const [at, end] = [f.local('i32'), f.local('i32')];
  const value = f.local('v128');
  f.get(pattern).memory('v128_load').set(value);
  const done = f.block();
  const next = f.loop();
  f.get(rows).op('i32_eqz').brIf(done);
  f.get(physical).tee(at).get(size).op('i32_add').set(end);
  for (const step of [64, 16]) {
    const out = f.block();
    const again = f.loop();
    f.get(end).get(at).op('i32_sub').i32(step).op('i32_lt_u').brIf(out);
    for (let offset = 0; offset < step; offset += 16) f.get(at).get(value).memory('v128_store', offset, DRAM);
    f.get(at).i32(step).op('i32_add').set(at).br(again);
    f.end().end();
  }
  // What is less than a vector: byte by byte of the pattern.
  const out = f.block();
  const again = f.loop();
  f.get(at).get(end).op('i32_eq').brIf(out);
  f.get(at).get(pattern).get(at).get(physical).op('i32_sub').i32(15).op('i32_and').op('i32_add');
  f.memory('i32_load8_u').memory('i32_store8', 0, DRAM);
  f.get(at).i32(1).op('i32_add').set(at).br(again);
  f.end().end();
  f.get(physical).get(stride).op('i32_add').set(physical);
  f.get(rows).i32(-1).op('i32_add').set(rows).br(next);
  f.end().end();
}
