/**
 * TilerDraw: what a draw is made of, read once from the registers that RUN_IDVS finds and the tiler context that they name.
 *
 * What is not implemented is refused here, by name.
 * Sources: Mesa 25.0.7 `src/panfrost/lib/genxml/decode_csf.c` (pandecode_run_idvs), `src/gallium/drivers/panfrost/pan_csf.c`.
 */
import type { CsOperands } from '../../abi/gpu/cs.ts';
import { fauOf, pairOf, IDVS_REGISTERS as R } from '../../abi/gpu/cs-registers.ts';
import { DRAW_RECORD_MAGIC, DrawRecord } from '../../abi/gpu/polygon-list.ts';
import {
  DcdFlags0,
  type Draw,
  FIFO_FORMAT,
  INDEX_TYPE,
  nameOf,
  POINT_SIZE_FORMAT,
  PrimitiveFlags,
  Scissor,
  TilerContext,
} from '../../abi/gpu/raster-descriptors.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { PACKET_POSITION_STRIDE, PACKET_VARYINGS_OFFSET, PACKET_VERTICES } from '../../abi/gpu/shader-descriptors.ts';
import { TilerContextHeap, TilerHeapDescriptor } from '../../abi/gpu/tiler-heap.ts';
import type { Infer } from '../../abi/layout.ts';
import { GpuFault, type RunRequest, type VirtualMemory } from '../contract.ts';
import type { EnvironmentPointers } from '../shader/resources.ts';
import { type Arity, arityOf } from './assemble.ts';
import { MAX_BATCH_PACKETS } from './state.ts';

/** Shader instructions in a slice of about a millisecond. */
export const SLICE = 4000;

/** A batch's packets take at most so large a part of a chunk. */
const PACKETS_OF_A_CHUNK = 4;

export const fault = (message: string): GpuFault => new GpuFault(EXCEPTION.DATA_INVALID_FAULT, 0, message);

/** What is written of a draw. */
type DrawWords = Partial<Infer<typeof Draw>>;

const flagsWord = new DataView(new ArrayBuffer(PrimitiveFlags.size));

export class TilerDraw {
  readonly request: RunRequest<CsOperands<'RUN_IDVS'>>;
  readonly memory: VirtualMemory;
  readonly registers: Uint32Array;
  readonly flags: Infer<typeof PrimitiveFlags>;
  readonly culls: Infer<typeof DcdFlags0>;
  readonly scissor: Infer<typeof Scissor>;
  readonly context: Infer<typeof TilerContext>;
  readonly contextAddress: number;
  readonly arity: Arity;
  /** Each position has an extension, with point size and layer. */
  readonly extended: boolean;
  /**
   * The shader names a layer. With multiview it counts for nothing: Mesa's clear of the views 1 and 3 (vk_meta_clear.c) names layer 1 in both.
   */
  readonly layered: boolean;
  /** The layers that everything is drawn to, each with positions and varyings of its own: multiview's. Else layer 0 alone. */
  readonly views: readonly number[];
  /** A vertex has places for so many views: for those that the mask leaves out below its highest one as well. */
  readonly places: number;
  /** Bytes of a vertex's varyings, in one view. */
  readonly attributeStride: number;
  readonly minimumZ: number;
  readonly maximumZ: number;
  /** Of points and lines. */
  readonly size: number;
  /** Bytes of an index; 0: vertices are numbered. */
  readonly indexBytes: number;
  /** What of the slice is left, in shader instructions. */
  budget = SLICE;

  constructor(request: RunRequest<CsOperands<'RUN_IDVS'>>) {
    this.request = request;
    const { registers, operands, memory } = request;
    this.memory = memory;
    this.registers = registers;
    const words = new DataView(registers.buffer, registers.byteOffset);
    if (!operands.mallocEnable) throw fault('RUN_IDVS without memory allocation is not implemented');
    flagsWord.setUint32(0, registers[R.primitiveFlags]! | operands.flagsOverride, true);
    this.flags = PrimitiveFlags.read(flagsWord, 0);
    this.culls = DcdFlags0.read(words, R.dcdFlags0 * 4);
    this.scissor = Scissor.read(words, R.scissor * 4);
    this.minimumZ = words.getFloat32(R.lowDepthClamp * 4, true);
    this.maximumZ = words.getFloat32(R.highDepthClamp * 4, true);
    this.size = words.getFloat32(R.primitiveSize * 4, true);
    this.contextAddress = pairOf(registers, R.tilerContext);
    this.context = memory.descriptor(TilerContext, this.contextAddress);
    this.arity = arityOf(this.flags.drawMode);
    this.extended = this.flags.positionFifoFormat === FIFO_FORMAT.EXTENDED;
    this.views = layersOf(this.flags.viewMask);
    this.layered = this.flags.layerIndexEnable && this.flags.viewMask === 0;
    this.places = this.views.at(-1)! + 1;
    this.attributeStride = registers[R.varyingAllocation]!;
    this.indexBytes = indexBytes(this.flags.indexType);
  }

  /** Nothing is to be drawn. */
  get empty(): boolean {
    const { registers } = this;
    return registers[R.indexCount] === 0 || registers[R.instanceCount] === 0 || pairOf(registers, R.positionSpd) === 0;
  }

  /**
   * Lines are rectangles around the line between their ends, not columns or rows of pixels.
   * Source: Mesa 25.0.7 `src/gallium/drivers/panfrost/pan_csf.c` (csf_emit_draw_state), which asks so for several samples and
   * for smooth lines; it is how OpenGL ES 3.2, 13.6.4, wants multisampled lines.
   */
  get rectangularLines(): boolean {
    return this.culls.multisampleEnable && !this.culls.singleSampledLines;
  }

  /** How many entries of the position FIFO a vertex has: in each view a position, and perhaps an extension. */
  get fifoEntries(): number {
    return this.places * (this.extended ? 2 : 1);
  }

  /**
   * Place of vertex v in the position FIFO, or of its extension, in the draw's nth view. Four vertices are together: their positions in
   * view 0, the extensions of these, then those of view 1, also where the mask leaves it out.
   * Source: Mesa 25.0.7 `src/panfrost/compiler/bifrost_compile.c` (bi_emit_store_vary), which adds 4 and 8 to what r59 has; of the
   * mask 10 its shaders store to places 1 and 3.
   */
  positionId(v: number, n: number, extension = false): number {
    const run = this.extended ? 8 : 4;
    return (v - (v % 4)) * this.fifoEntries + this.views[n]! * run + (v % 4) + (extension ? 4 : 0);
  }

  /** Place of a vertex's varyings in the packets: of four vertices those of view 0, then those of view 1. */
  varyingId(v: number, n: number): number {
    return (v - (v % 4)) * this.places + this.views[n]! * 4 + (v % 4);
  }

  /** Bytes of the geometry buffer that the positions of so many vertices take. */
  positionBytes(vertices: number): number {
    return Math.ceil(vertices / 4) * 4 * PACKET_POSITION_STRIDE * this.fifoEntries;
  }

  /** Bytes from one vertex packet to the next. */
  get packetStride(): number {
    return PACKET_VARYINGS_OFFSET + PACKET_VERTICES * this.attributeStride;
  }

  /** Bytes of packets that hold so many vertices. */
  packetBytes(vertices: number): number {
    const entries = vertices === 0 ? 0 : this.varyingId(vertices - 1, this.views.length - 1) + 1;
    const full = Math.ceil(entries / PACKET_VERTICES) - 1;
    return (
      full * this.packetStride + PACKET_VARYINGS_OFFSET + this.attributeStride * (entries - full * PACKET_VERTICES)
    );
  }

  /** Bytes of the geometry buffer that a packet's positions take. */
  get #packetPositions(): number {
    return PACKET_VERTICES * PACKET_POSITION_STRIDE * (this.extended ? 2 : 1);
  }

  /** Vertices of a batch: whole packets, for which there is room in the geometry buffer, and in a part of the heap's chunks. */
  get batchVertices(): number {
    const heap = this.memory.load64(this.contextAddress + TilerContextHeap.offset.heap);
    const chunk = this.memory.load32(heap + TilerHeapDescriptor.offset.size);
    const fit = Math.min(
      Math.floor(this.context.geometryBufferSize / this.#packetPositions),
      Math.floor(chunk / PACKETS_OF_A_CHUNK / this.packetStride),
    );
    const entries = Math.min(Math.max(fit, 1), MAX_BATCH_PACKETS) * PACKET_VERTICES;
    return Math.floor(entries / this.places / 4) * 4;
  }

  get vertexOffset(): number {
    return this.registers[R.vertexOffset]!;
  }

  get instanceOffset(): number {
    return this.registers[R.instanceOffset]!;
  }

  get drawId(): number {
    const { operands } = this.request;
    return operands.drawIdRegisterEnable ? this.registers[operands.drawId]! : 0;
  }

  /** Refuses what is not implemented. */
  check(): void {
    const { pointSizeArrayFormat, primitiveIndexEnable, primitiveIndexWriteback, scissorArrayEnable } = this.flags;
    if (pointSizeArrayFormat !== POINT_SIZE_FORMAT.NONE && pointSizeArrayFormat !== POINT_SIZE_FORMAT.FP16) {
      const name = nameOf(POINT_SIZE_FORMAT, pointSizeArrayFormat);
      throw fault(`Primitive Flags: point size array format ${name} is not implemented`);
    }
    if (pointSizeArrayFormat !== POINT_SIZE_FORMAT.NONE && !this.extended) {
      throw fault('Primitive Flags: point sizes need the extended position FIFO format');
    }
    if (primitiveIndexEnable || primitiveIndexWriteback) {
      throw fault('Primitive Flags: primitive index arrays are not implemented');
    }
    if (scissorArrayEnable) throw fault('Primitive Flags: scissor arrays are not implemented');
    const need = this.#packetPositions;
    if (this.context.geometryBuffer === 0 || this.context.geometryBufferSize < need) {
      throw new GpuFault(
        EXCEPTION.DATA_INVALID_FAULT,
        this.contextAddress,
        `Tiler Context: geometry buffer of ${this.context.geometryBufferSize} bytes, ${need} are needed`,
      );
    }
    if (this.attributeStride > 0xffff) {
      throw fault(`RUN_IDVS: ${this.attributeStride} bytes of varyings for each vertex (at most 65535)`);
    }
  }

  addresses(which: 'position' | 'varying'): EnvironmentPointers {
    const { registers } = this;
    const { operands } = this.request;
    const varying = which === 'varying';
    const fau = fauOf(registers, varying && operands.varyingFauSelect ? R.varyingFau : R.positionFau);
    return {
      resources: pairOf(registers, varying && operands.varyingSrtSelect ? R.varyingSrt : R.positionSrt),
      shader: pairOf(registers, varying ? R.varyingSpd : R.positionSpd),
      threadStorage: pairOf(registers, varying && operands.varyingTsdSelect ? R.varyingTsd : R.positionTsd),
      fau: fau.address,
      fauCount: fau.count,
      attributeOffset: registers[R.globalAttributeOffset]!,
    };
  }

  /** What the polygon list says of the draw: a DrawRecord's bytes. */
  record(): Uint8Array {
    const { registers } = this;
    const { operands } = this.request;
    const fau = fauOf(registers, R.fragmentFau);
    const blend = pairOf(registers, R.blend);
    const { minimumX, minimumY, maximumX, maximumY } = this.scissor;
    const draw: DrawWords = {
      flags0: registers[R.dcdFlags0]!,
      flags1: registers[R.dcdFlags1]!,
      flags2: registers[R.dcdFlags2]!,
      vertexPacketStride: Math.min(0xffff, this.packetStride),
      vertexAttributeStride: this.attributeStride,
      minimumZ: this.minimumZ,
      maximumZ: this.maximumZ,
      depthStencil: pairOf(registers, R.depthStencil),
      blendCount: blend % 16,
      blend: blend - (blend % 16),
      occlusion: pairOf(registers, R.occlusion),
      shader: {
        attributeOffset: registers[R.globalAttributeOffset]!,
        fauCount: fau.count,
        resources: pairOf(registers, operands.fragmentSrtSelect ? R.fragmentSrt : R.positionSrt),
        shader: pairOf(registers, R.fragmentSpd),
        threadStorage: pairOf(registers, operands.fragmentTsdSelect ? R.fragmentTsd : R.positionTsd),
        fau: fau.address,
      },
    };
    return DrawRecord.pack({
      magic: DRAW_RECORD_MAGIC,
      scissorMinX: minimumX,
      scissorMinY: minimumY,
      scissorMaxX: maximumX,
      scissorMaxY: maximumY,
      // Fields that are left out are zero, or lie in words that are given whole.
      draw: draw as Infer<typeof Draw>,
    });
  }
}

/** The layers that a view mask names; without one, the first. */
export function layersOf(viewMask: number): readonly number[] {
  if (viewMask === 0) return FIRST_LAYER;
  return MASK_BITS.filter((layer) => (viewMask >>> layer) & 1);
}
const FIRST_LAYER = [0];
const MASK_BITS = Array.from({ length: PrimitiveFlags.fields.viewMask.width }, (_, layer) => layer);

function indexBytes(type: number): number {
  switch (type) {
    case INDEX_TYPE.NONE:
      return 0;
    case INDEX_TYPE.UINT8:
      return 1;
    case INDEX_TYPE.UINT16:
      return 2;
    case INDEX_TYPE.UINT32:
      return 4;
  }
  throw fault(`Primitive Flags: unknown index type ${type}`);
}
