/**
 * StageDescription: what recompiled shaders are told of their draw and primitive (recompiler/frame.ts: STAGE), so that they
 * need not ask: which colours they may store by themselves, and how to interpolate where it is simple.
 */
import { BLEND_MODE, MAX_RENDER_TARGETS } from '../../abi/gpu/raster-descriptors.ts';
import { PACKET_VARYINGS_OFFSET } from '../../abi/gpu/shader-descriptors.ts';
import type { Extent, VirtualMemory } from '../contract.ts';
import { scratch } from '../engine/scratch.ts';
import { functionTable } from '../engine/table.ts';
import { BLEND_KIND, BLEND_RECORD, BLEND_RECORD_BYTES, BLEND_TYPES, STAGE } from '../recompiler/frame.ts';
import type { PrimitiveVertices } from '../shader/contract.ts';
import type { BlendCodes } from './blend-code.ts';
import { blendView } from './descriptor-words.ts';
import type { DrawState } from './draw-state.ts';
import type { Triangle } from './raster.ts';
import type { StageWarp } from './stage-warp.ts';
import { isRgba8 } from './tile-codec.ts';

/** Recompiled shaders always hand over all channels. */
const CHANNELS = 4;

export class StageDescription {
  readonly #state: DrawState;
  readonly #codes: BlendCodes;
  readonly #memory: VirtualMemory;
  readonly #at: number;
  /** The triangle's planes. */
  readonly #planes: Float64Array;
  /** The vertex packet that was met last. */
  #packet = -1;
  #extent: Extent | undefined;
  #generation = -1;

  constructor(state: DrawState, warp: StageWarp, codes: BlendCodes, memory: VirtualMemory) {
    this.#state = state;
    this.#codes = codes;
    this.#memory = memory;
    this.#at = warp.frame / 4;
    this.#planes = new Float64Array(scratch.buffer, warp.frame + STAGE.planes, 11);
    this.#output(warp);
  }

  /** Tells which colours shaders may store by themselves. */
  #output({ pixel, coverage, tested }: StageWarp): void {
    const { early, merged, framebuffer, tile, byAlpha } = this.#state;
    const words = scratch.u32;
    const at = this.#at;
    words[at + STAGE.direct / 4] = early && !merged && !byAlpha ? 1 : 0;
    words[at + STAGE.flags / 4] = tile.dirtyAt;
    words[at + STAGE.pixels / 4] = pixel.byteOffset;
    words[at + STAGE.coverage / 4] = coverage.byteOffset;
    words[at + STAGE.tested / 4] = tested.byteOffset;
    words[at + STAGE.argumentLow / 4] = framebuffer.parameters.frameArgumentLow;
    words[at + STAGE.argumentHigh / 4] = framebuffer.parameters.frameArgumentHigh;
    for (let n = 0; n < MAX_RENDER_TARGETS; n++) this.#blend(n);
  }

  /** Tells what BLEND by the descriptor of render target `n` does. */
  #blend(n: number): void {
    const { framebuffer, tile, blendDescriptors, draw } = this.#state;
    const words = scratch.u32;
    const record = this.#at + (STAGE.blend + n * BLEND_RECORD_BYTES) / 4;
    const [low, high] = [blendDescriptors[n * 2]!, blendDescriptors[n * 2 + 1]!];
    const { mode, rt, conversion } = blendView(low, high);
    const shader = mode === BLEND_MODE.SHADER;
    const vanishes = !shader && this.#codes.vanishes(low, high);
    const known = !shader && !vanishes && this.#codes.known(conversion.memoryFormat, conversion.raw, rt);
    if (!known) {
      words[record + BLEND_RECORD.kind / 4] = vanishes ? BLEND_KIND.NOTHING : BLEND_KIND.STAGE;
      return;
    }
    const plain =
      mode === BLEND_MODE.OPAQUE &&
      framebuffer.samples === 1 &&
      !this.#state.alphaToOne(rt) &&
      isRgba8(conversion.memoryFormat);
    words[record + BLEND_RECORD.kind / 4] = plain ? BLEND_KIND.STORE_RGBA8 : BLEND_KIND.CALL;
    words[record + BLEND_RECORD.words / 4] = tile.colorAt[rt]!;
    words[record + BLEND_RECORD.touch / 4] = draw.cleanFragmentWrite ? 0 : 1 << rt;
    for (const [i, type] of BLEND_TYPES.entries()) {
      const call = this.#codes.code(low, high, type, CHANNELS);
      words[record + BLEND_RECORD.slots / 4 + i] = call ? functionTable.slotOf(call.run) : 0;
    }
  }

  /** Tells what is needed to interpolate, if the primitive is as simple as recompiled code wants it. */
  primitive(triangle: Triangle, { count, packets, slots, provoking }: PrimitiveVertices): void {
    const { framebuffer, draw } = this.#state;
    const words = scratch.u32;
    const at = this.#at;
    words[at + STAGE.simple / 4] = 0;
    if (count !== 3 || framebuffer.pattern.count !== 1) return;
    let limit = 2 ** 31;
    for (let v = 0; v < 3; v++) {
      const packet = packets[v]!;
      const extent = this.#extentOf(packet);
      if (!extent) return;
      const record = packet + PACKET_VARYINGS_OFFSET + slots[v]! * draw.vertexAttributeStride;
      limit = Math.min(limit, extent.start + extent.size - record);
      words[at + STAGE.vertices / 4 + v] = extent.physical + (record - extent.start);
    }
    if (limit <= 0) return;
    words[at + STAGE.provoking / 4] = words[at + STAGE.vertices / 4 + provoking]!;
    words[at + STAGE.limit / 4] = limit;
    words[at + STAGE.simple / 4] = 1;
    this.#planes.set(triangle.planes);
  }

  #extentOf(packet: number): Extent | undefined {
    const { generation } = this.#memory;
    if (packet !== this.#packet || generation !== this.#generation) {
      this.#packet = packet;
      this.#generation = generation;
      this.#extent = this.#memory.extent(packet, 'read');
    }
    return this.#extent;
  }
}
