/**
 * Set-up of primitives: from a record of the polygon list to a PRIMITIVE in scratch memory (engine/quads.ts). Done once a job.
 *
 * This is the script: the reference, and what the interpreter's engine uses. Emitted code (wasm/setup.ts) makes the same bytes.
 * Physical addresses in primitives are good for one generation of the address space's translations: `locate` renews them.
 */
import { PRIMITIVE_KIND, type PrimitiveRecord } from '../../abi/gpu/polygon-list.ts';
import { PACKET_VARYINGS_OFFSET } from '../../abi/gpu/shader-descriptors.ts';
import type { Infer } from '../../abi/layout.ts';
import type { Extent, VirtualMemory } from '../contract.ts';
import { PRIMITIVE, SIMPLE } from '../engine/quads.ts';
import { scratch } from '../engine/scratch.ts';
import type { DepthBias } from './depth-stencil.ts';
import { type SamplePattern, SUBPIXEL, type TieBreak, Triangle } from './raster.ts';

/** Pixels, inclusive. */
export interface Bounds {
  readonly minX: number;
  readonly minY: number;
  readonly maxX: number;
  readonly maxY: number;
}

/** What set-up needs of a draw. */
export interface DrawSetup {
  /** The job's number of the draw, which its primitives carry. */
  readonly number: number;
  /** Scissor and framebuffer. */
  readonly bounds: Bounds;
  readonly pattern: SamplePattern;
  readonly tieBreak: TieBreak;
  readonly bias: DepthBias | undefined;
  /** Bytes of a vertex's varyings. */
  readonly attributeStride: number;
  /** There is one sample: whichever place of a pixel a shader names, it is the centre. */
  readonly centers: boolean;
}

/** The bytes of a vertex's varyings that a primitive can vouch for at most. */
export const MAX_VARYING_BYTES = 2 ** 31 - 1;

/** Samples of a pattern that lie farthest out, in 1/256 pixel from a pixel's corner. */
export const reach = ({ x, y }: SamplePattern): Bounds => ({
  minX: Math.min(...x),
  minY: Math.min(...y),
  maxX: Math.max(...x),
  maxY: Math.max(...y),
});

export class Setup {
  readonly #memory: VirtualMemory;
  readonly #triangle = new Triangle(0);
  /** The extent that was met last. */
  #extent: Extent | undefined;
  #generation = -1;
  readonly #physical = new Float64Array(3);

  constructor(memory: VirtualMemory) {
    this.#memory = memory;
  }

  /** Makes a PRIMITIVE at `at`. False if it cannot cover any sample. */
  set(at: number, record: Infer<typeof PrimitiveRecord>, draw: DrawSetup): boolean {
    const { u16 } = scratch;
    const { bounds, pattern } = draw;
    const { corner0, corner1, corner2 } = record;
    const out = reach(pattern);
    // A pixel's samples lie between its corner and what `out` says.
    const first = (low: number, sample: number) => Math.ceil((low - sample) / SUBPIXEL);
    const last = (high: number, sample: number) => Math.floor((high - sample) / SUBPIXEL);
    const xs = [corner0.x, corner1.x, corner2.x];
    const ys = [corner0.y, corner1.y, corner2.y];
    const minX = Math.max(record.minX, bounds.minX, first(Math.min(...xs), out.maxX));
    const minY = Math.max(record.minY, bounds.minY, first(Math.min(...ys), out.maxY));
    const maxX = Math.min(record.maxX, bounds.maxX, last(Math.max(...xs), out.minX));
    const maxY = Math.min(record.maxY, bounds.maxY, last(Math.max(...ys), out.minY));
    if (minX > maxX || minY > maxY || !this.fill(at, record, draw)) return false;
    u16[(at + PRIMITIVE.minX) / 2] = minX;
    u16[(at + PRIMITIVE.minY) / 2] = minY;
    u16[(at + PRIMITIVE.maxX) / 2] = maxX;
    u16[(at + PRIMITIVE.maxY) / 2] = maxY;
    return true;
  }

  /** Makes all of it but the bounds. False if it has no area. */
  fill(at: number, record: Infer<typeof PrimitiveRecord>, draw: DrawSetup): boolean {
    const { u32, f64 } = scratch;
    const triangle = this.#triangle;
    triangle.at = at;
    if (!triangle.set(record, draw.tieBreak)) return false;
    const { bias } = draw;
    f64[(at + PRIMITIVE.bias) / 8] = bias ? bias.of(triangle.slope, farthest(record)) : 0;
    u32[(at + PRIMITIVE.id) / 4] = record.id;
    u32[(at + PRIMITIVE.flags) / 4] = record.backFacing;
    u32[(at + PRIMITIVE.kind) / 4] = record.kind;
    u32[(at + PRIMITIVE.draw) / 4] = draw.number;
    const packets = (at + PRIMITIVE.packets) / 8;
    f64[packets] = record.packet0;
    f64[packets + 1] = record.packet1;
    f64[packets + 2] = record.packet2;
    const slots = (at + PRIMITIVE.slots) / 4;
    u32[slots] = record.slot0;
    u32[slots + 1] = record.slot1;
    u32[slots + 2] = record.slot2;
    u32[(at + PRIMITIVE.provokingVertex) / 4] = record.provoking;
    this.locate(at, draw);
    return true;
  }

  /** Finds where in DRAM a primitive's varyings lie now, if that is as simple as recompiled code wants it. */
  locate(at: number, draw: DrawSetup): void {
    const { u32, f64 } = scratch;
    const to = (at + PRIMITIVE.simple) / 4;
    u32[to] = 0;
    u32[(at + PRIMITIVE.varyingBytes) / 4] = 0;
    // The provoking vertex, and all three.
    u32.fill(0, (at + PRIMITIVE.provoking) / 4, (at + PRIMITIVE.provoking) / 4 + 4);
    // A line's third vertex is its first.
    if (u32[(at + PRIMITIVE.kind) / 4] === PRIMITIVE_KIND.POINT) return;
    u32[to] = SIMPLE.WEIGHTS | (draw.centers ? SIMPLE.CENTERS : 0);
    const physical = this.#physical;
    let limit = MAX_VARYING_BYTES;
    for (let v = 0; v < 3; v++) {
      const packet = f64[(at + PRIMITIVE.packets) / 8 + v]!;
      const extent = this.#extentOf(packet);
      if (!extent) return;
      const slot = u32[(at + PRIMITIVE.slots) / 4 + v]!;
      const record = packet + PACKET_VARYINGS_OFFSET + slot * draw.attributeStride;
      limit = Math.min(limit, extent.start + extent.size - record);
      physical[v] = extent.physical + (record - extent.start);
    }
    if (limit <= 0) return;
    u32[to]! |= SIMPLE.RECORDS;
    u32[(at + PRIMITIVE.varyingBytes) / 4] = limit;
    u32[(at + PRIMITIVE.provoking) / 4] = physical[u32[(at + PRIMITIVE.provokingVertex) / 4]!]!;
    for (let v = 0; v < 3; v++) u32[(at + PRIMITIVE.vertices) / 4 + v] = physical[v]!;
  }

  /** The same for a row of primitives. */
  renew(from: number, to: number, draws: { at(number: number): DrawSetup }): void {
    for (let at = from; at < to; at += PRIMITIVE.size) {
      this.locate(at, draws.at(scratch.u32[(at + PRIMITIVE.draw) / 4]!));
    }
  }

  #extentOf(packet: number): Extent | undefined {
    const { generation } = this.#memory;
    const known = this.#extent;
    if (known && generation === this.#generation && packet >= known.start && packet < known.start + known.size) {
      return known;
    }
    this.#generation = generation;
    this.#extent = this.#memory.extent(packet, 'read');
    return this.#extent;
  }
}

/** The depth of a corner that is farthest from zero. */
const farthest = ({ corner0, corner1, corner2 }: Infer<typeof PrimitiveRecord>): number =>
  Math.max(Math.abs(corner0.z), Math.abs(corner1.z), Math.abs(corner2.z));
