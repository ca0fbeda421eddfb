/**
 * RUN_IDVS with memory allocation: index-driven vertex shading and tiling of one draw.
 *
 * The draw is worked off in batches of up to 64 vertices, which is what a vertex packet holds. For each batch: collect
 * primitives until the packet is full; shade positions (into the geometry buffer, which serves as the position FIFO);
 * assemble, clip and cull; if anything is left, take a packet from the tiler heap, shade the varyings of the vertices that
 * visible primitives use into it, and append the primitives to the polygon list. Vertices that several primitives share
 * are shaded once per batch.
 *
 * A step goes on where the last one stopped: `#phase`, and in it the place in the index stream, the warp, or the primitive and its
 * triangle. Nothing is allocated for a vertex, a primitive or a batch.
 *
 * When the heap has no room the work answers 'oom'. Afterwards the list may have been drawn and dropped by the stream's handler;
 * then draw record and packet are gone too, and the batch goes on with new ones from the primitive that was due.
 * Sources: Mesa 25.0.7 `src/panfrost/lib/genxml/decode_csf.c` (pandecode_run_idvs), `src/gallium/drivers/panfrost/pan_csf.c`,
 * `src/panfrost/compiler/bifrost_compile.c`; the batch size and packet layout: shader/contract.ts.
 */
import type { CsOperands } from '../../abi/gpu/cs.ts';
import { fauOf, pairOf, IDVS_REGISTERS as R } from '../../abi/gpu/cs-registers.ts';
import { type DrawRecord, PRIMITIVE_KIND } from '../../abi/gpu/polygon-list.ts';
import {
  DcdFlags0,
  Draw,
  FIFO_FORMAT,
  INDEX_TYPE,
  nameOf,
  POINT_SIZE_FORMAT,
  PrimitiveFlags,
  Scissor,
  TilerContext,
} from '../../abi/gpu/raster-descriptors.ts';
import { EXCEPTION } from '../../abi/gpu/regs.ts';
import { VERTEX_PRELOAD as PRELOAD } from '../../abi/isa/preload.ts';
import { type Infer, viewOf } from '../../abi/layout.ts';
import { GpuFault, type RunRequest, type Work, type WorkState } from '../contract.ts';
import { halfToFloat } from '../format.ts';
import { LANES, type ShaderRun, THREAD_SLOT, type VertexStage } from '../shader/contract.ts';
import { VertexOutput } from '../shader/vertex-output.ts';
import { TilerHeap } from '../tiler-heap.ts';
import { type Arity, Assembler, arityOf } from './assemble.ts';
import { Batch, PACKET_VERTICES } from './batch.ts';
import { Clipper, CORNER } from './clip.ts';
import { PolygonListWriter } from './polygon-list.ts';
import { PrimitiveWords } from './primitive-words.ts';

/** Addresses of a shader's environment, as a draw's registers or descriptors hold them. */
export interface ShaderAddresses {
  /** Resource table, with its count in the low bits. */
  readonly resources: number;
  readonly shader: number;
  readonly threadStorage: number;
  readonly fau: number;
  /** 64-bit entries. */
  readonly fauCount: number;
  readonly attributeOffset: number;
}

/** Opens a program for a run of vertex warps. Bound to the shader cores where the units are put together. */
export type OpenVertexShader = (
  memory: RunRequest<unknown>['memory'],
  addresses: ShaderAddresses,
  stage: VertexStage,
  threadSlot: number,
) => ShaderRun;

/** Bytes of positions at the start of a packet. */
const PACKET_HEADER = PACKET_VERTICES * 16;
const POSITION_BYTES = 16;
/** What a translation is good for. */
const PAGE = 4096;
/** Pixels: largest point, widest line. */
const MAX_SIZE = 2048;
/** Shader instructions in a slice of about a millisecond. */
const SLICE = 4000;
/** Cost of one index or primitive in instructions. */
const STEP_COST = 2;

/**
 * Where a draw stands: taking primitives from the index stream; shading their positions; binning them, with the varyings of
 * the batch when the first one is visible.
 */
const PHASE = { COLLECT: 0, POSITIONS: 1, BIN: 2, DONE: 3 } as const;

const fault = (message: string): GpuFault => new GpuFault(EXCEPTION.DATA_INVALID_FAULT, 0, message);

/** A draw: all that its primitives keep from the registers, and the machinery of its batches. */
export class IdvsWork implements Work {
  /** Warps that have ended, and slices of indices. */
  progress = 0;
  readonly #request: RunRequest<CsOperands<'RUN_IDVS'>>;
  readonly #open: OpenVertexShader;
  readonly #flags: Infer<typeof PrimitiveFlags>;
  readonly #culls: Infer<typeof DcdFlags0>;
  readonly #scissor: Infer<typeof Scissor>;
  readonly #context: Infer<typeof TilerContext>;
  readonly #arity: Arity;
  readonly #extended: boolean;
  readonly #attributeStride: number;
  readonly #heap: TilerHeap;
  readonly #list: PolygonListWriter;
  readonly #clipper = new Clipper();
  readonly #minimumZ: number;
  readonly #maximumZ: number;
  readonly #size: number;
  #draw = 0;
  #packet = 0;
  #budget = SLICE;

  #phase: number = PHASE.COLLECT;
  // The index stream.
  readonly #assembler: Assembler;
  readonly #indexBytes: number;
  readonly #restart: number;
  readonly #indices: number;
  readonly #available: number;
  #instance = 0;
  #next = 0;
  #id = 0;
  /** The assembler's primitive, of this instance, waits for the next batch; -1: none does. */
  #held = -1;
  // The batch.
  readonly #batch = new Batch();
  readonly #words = new PrimitiveWords();
  readonly #used = new Uint8Array(PACKET_VERTICES);
  /** First vertex of the warp that is being shaded, and whether it has begun. */
  #first = 0;
  #running = false;
  /** The packet's varyings are being shaded. */
  #shading = false;
  /** Primitive that is due, its triangles (0: not clipped yet), and the one of them that is due. */
  #due = 0;
  #triangles = 0;
  #triangle = 0;
  #backFacing = false;
  /** The last step answered 'oom'. */
  #starved = false;
  readonly #positions = new Float32Array(PACKET_VERTICES * 4);
  readonly #positionBits = new Uint32Array(this.#positions.buffer);
  readonly #pointSize = new Float32Array(PACKET_VERTICES);
  readonly #layer = new Uint8Array(PACKET_VERTICES);
  #positionRun: ShaderRun | undefined;
  #varyingRun: ShaderRun | undefined;
  readonly #positionOutput = new VertexOutput();
  readonly #varyingOutput = new VertexOutput();

  constructor(request: RunRequest<CsOperands<'RUN_IDVS'>>, open: OpenVertexShader) {
    this.#request = request;
    this.#open = open;
    const { registers, operands, memory } = request;
    const words = new DataView(registers.buffer, registers.byteOffset);
    if (!operands.mallocEnable) throw fault('RUN_IDVS without memory allocation is not implemented');
    const merged = new Uint32Array([registers[R.primitiveFlags]! | operands.flagsOverride]);
    this.#flags = PrimitiveFlags.read(new DataView(merged.buffer), 0);
    this.#culls = DcdFlags0.read(words, R.dcdFlags0 * 4);
    this.#scissor = Scissor.read(words, R.scissor * 4);
    this.#minimumZ = words.getFloat32(R.lowDepthClamp * 4, true);
    this.#maximumZ = words.getFloat32(R.highDepthClamp * 4, true);
    this.#size = words.getFloat32(R.primitiveSize * 4, true);
    const contextAddress = pairOf(registers, R.tilerContext);
    this.#context = memory.decode(TilerContext, contextAddress);
    this.#heap = new TilerHeap(memory, contextAddress, request.heapContext);
    this.#list = new PolygonListWriter(memory, this.#heap, contextAddress);
    const flags = this.#flags;
    this.#arity = arityOf(flags.drawMode);
    this.#extended = flags.positionFifoFormat === FIFO_FORMAT.EXTENDED;
    this.#attributeStride = registers[R.varyingAllocation]!;
    const bytes = indexBytes(flags.indexType);
    this.#assembler = new Assembler(flags.drawMode, this.#context.firstProvokingVertex);
    this.#indexBytes = bytes;
    this.#restart = flags.primitiveRestart && bytes > 0 ? 2 ** (bytes * 8) - 1 : -1;
    this.#indices = pairOf(registers, R.indices) + registers[R.indexOffset]! * bytes;
    this.#available = Math.floor(registers[R.indexArraySize]! / Math.max(1, bytes)) - registers[R.indexOffset]!;
    if (registers[R.indexCount] === 0 || registers[R.instanceCount] === 0 || pairOf(registers, R.positionSpd) === 0) {
      this.#phase = PHASE.DONE;
    }
    this.#check(contextAddress);
  }

  /** Refuses what is not implemented, by name. */
  #check(contextAddress: number): void {
    const { pointSizeArrayFormat, primitiveIndexEnable, primitiveIndexWriteback, scissorArrayEnable, viewMask } =
      this.#flags;
    if (pointSizeArrayFormat !== POINT_SIZE_FORMAT.NONE && pointSizeArrayFormat !== POINT_SIZE_FORMAT.FP16) {
      const name = nameOf(POINT_SIZE_FORMAT, pointSizeArrayFormat);
      throw fault(`Primitive Flags: point size array format ${name} is not implemented`);
    }
    if (pointSizeArrayFormat !== POINT_SIZE_FORMAT.NONE && !this.#extended) {
      throw fault('Primitive Flags: point sizes need the extended position FIFO format');
    }
    if (primitiveIndexEnable || primitiveIndexWriteback) {
      throw fault('Primitive Flags: primitive index arrays are not implemented');
    }
    if (scissorArrayEnable) throw fault('Primitive Flags: scissor arrays are not implemented');
    if (viewMask !== 0) throw fault(`Primitive Flags: view mask ${viewMask.toString(2)}: multiview is not implemented`);
    const need = PACKET_VERTICES * POSITION_BYTES * (this.#extended ? 2 : 1);
    if (this.#context.geometryBuffer === 0 || this.#context.geometryBufferSize < need) {
      throw new GpuFault(
        EXCEPTION.DATA_INVALID_FAULT,
        contextAddress,
        `Tiler Context: geometry buffer of ${this.#context.geometryBufferSize} bytes, ${need} are needed`,
      );
    }
    if (this.#attributeStride > 0xffff) {
      throw fault(`RUN_IDVS: ${this.#attributeStride} bytes of varyings for each vertex (at most 65535)`);
    }
  }

  step(): WorkState {
    try {
      const state = this.#step();
      if (state === 'done') this.#close();
      return state;
    } catch (error) {
      this.#close();
      throw error;
    }
  }

  abandon(): void {
    this.#close();
  }

  /** Gives the shader cores their registers back, also when the draw ends with a fault. */
  #close(): void {
    this.#positionRun?.close();
    this.#varyingRun?.close();
    this.#positionRun = undefined;
    this.#varyingRun = undefined;
    this.#phase = PHASE.DONE;
  }

  #step(): WorkState {
    if (this.#budget < 0) {
      this.progress++;
      this.#budget = SLICE;
    }
    for (;;) {
      switch (this.#phase) {
        case PHASE.COLLECT:
          if (!this.#collect()) return 'more';
          if (this.#batch.primitives === 0) return 'done';
          this.#phase = PHASE.POSITIONS;
          break;
        case PHASE.POSITIONS:
          if (!this.#shadePositions()) return 'more';
          this.#packet = 0;
          this.#due = 0;
          this.#phase = PHASE.BIN;
          break;
        case PHASE.BIN: {
          const state = this.#bin();
          if (state !== 'done') return state;
          this.#batch.clear();
          this.#phase = PHASE.COLLECT;
          break;
        }
        default:
          return 'done';
      }
    }
  }

  /** Fills the batch. True: it is full, or the stream is at its end; false: the slice is over. */
  #collect(): boolean {
    const { registers, memory } = this.#request;
    const assembler = this.#assembler;
    const bytes = this.#indexBytes;
    const count = registers[R.indexCount]!;
    const instances = registers[R.instanceCount]!;
    if (this.#held >= 0) {
      // An empty batch has room for any primitive.
      const instance = this.#held;
      this.#held = -1;
      this.#add(instance);
    }
    while (this.#instance < instances) {
      const instance = this.#instance;
      if (this.#next === count) {
        this.#instance++;
        this.#next = 0;
        if (assembler.finish() && !this.#add(instance)) return true;
        continue;
      }
      if (this.#next === 0) this.#id = 0;
      if (--this.#budget < 0) return false;
      const i = this.#next++;
      const index = bytes === 0 ? i : i < this.#available ? loadIndex(memory, this.#indices + i * bytes, bytes) : 0;
      if (index === this.#restart ? !assembler.finish() : !assembler.push(index)) continue;
      if (!this.#add(instance)) return true;
    }
    return true;
  }

  /** Adds the assembler's primitive to the batch. False: it has no room, the primitive is held. */
  #add(instance: number): boolean {
    const arity = this.#arity;
    const { a, b, c, provoking } = this.#assembler;
    // Primitives that have no area count, too.
    const degenerate = arity === 3 && (a === b || b === c || a === c);
    if (!degenerate && !this.#batch.add(arity, a, b, c, instance, provoking, this.#id)) {
      this.#held = instance;
      return false;
    }
    this.#id++;
    return true;
  }

  // Shading.

  /** Shades the batch's positions and takes them over. False: the slice is over. */
  #shadePositions(): boolean {
    const { registers, memory } = this.#request;
    const count = this.#batch.vertices;
    const output = this.#positionOutput;
    const entries = PACKET_VERTICES * (this.#extended ? 2 : 1);
    output.set(this.#context.geometryBuffer, PACKET_HEADER, 0, POSITION_BYTES, entries);
    this.#positionRun ??= this.#open(memory, this.#addresses('position'), stageOf(output), THREAD_SLOT.VERTEX);
    if (!this.#shade(this.#positionRun, undefined, this.#extended)) return false;
    const { view } = memory.dram;
    const { base } = output;
    const pageOffset = base - Math.floor(base / PAGE) * PAGE;
    const sizes = this.#flags.pointSizeArrayFormat !== POINT_SIZE_FORMAT.NONE;
    for (let v = 0; v < count; v++) {
      const at = positionId(v, this.#extended) * POSITION_BYTES;
      if ((pageOffset + at) % PAGE <= PAGE - POSITION_BYTES) {
        const physical = memory.translate(base + at, 'read');
        for (let i = 0; i < 4; i++) this.#positions[v * 4 + i] = view.getFloat32(physical + i * 4, true);
      } else {
        for (let i = 0; i < 4; i++) this.#positionBits[v * 4 + i] = memory.load32(base + at + i * 4);
      }
      if (!this.#extended) continue;
      const extension = base + positionId(v, true, true) * POSITION_BYTES;
      this.#pointSize[v] = sizes ? halfToFloat(memory.load16(extension)) : this.#size;
      this.#layer[v] = this.#flags.layerIndexEnable ? memory.load8(extension + 2) : 0;
    }
    if (pairOf(registers, R.varyingSpd) === 0 && this.#flags.secondaryShader) {
      throw fault('RUN_IDVS: a secondary shader is enabled, its program is 0');
    }
    return true;
  }

  /** Shades the varyings that the batch needs into its packet. False: the slice is over. */
  #shadeVaryings(): boolean {
    const { memory } = this.#request;
    const output = this.#varyingOutput;
    const stride = this.#attributeStride;
    output.set(this.#packet, PACKET_VERTICES * (POSITION_BYTES + stride), PACKET_HEADER, stride, PACKET_VERTICES);
    this.#varyingRun ??= this.#open(memory, this.#addresses('varying'), stageOf(output), THREAD_SLOT.VERTEX);
    return this.#shade(this.#varyingRun, this.#used, false);
  }

  /** Marks the slots that primitives use. */
  #markUsed(): void {
    const { slots, primitives } = this.#batch;
    this.#used.fill(0);
    for (let p = 0; p < primitives; p++) {
      for (let i = 0; i < this.#arity; i++) this.#used[slots[p * 4 + i]!] = 1;
    }
  }

  /** Shades the batch's vertices (those that are used) from `#first` on. False: the slice is over; call again. */
  #shade(run: ShaderRun, used: Uint8Array | undefined, extended: boolean): boolean {
    const count = this.#batch.vertices;
    while (this.#first < count) {
      if (!this.#running) {
        const live = this.#preload(run, used, extended);
        if (live === 0) {
          this.#first += LANES;
          continue;
        }
        run.start(live);
        this.#running = true;
      }
      if (!run.resume(SLICE)) return false;
      this.#running = false;
      this.#first += LANES;
      this.progress++;
      this.#budget -= SLICE / 16;
      if (this.#budget < 0) return false;
    }
    this.#first = 0;
    return true;
  }

  /** Fills the registers of the warp at `#first`. Answers its lanes. */
  #preload(run: ShaderRun, used: Uint8Array | undefined, extended: boolean): number {
    const { registers, operands } = this.#request;
    const { index, instance, vertices } = this.#batch;
    const vertexOffset = registers[R.vertexOffset]!;
    const instanceOffset = registers[R.instanceOffset]!;
    const drawId = operands.drawIdRegisterEnable ? registers[operands.drawId]! : 0;
    const first = this.#first;
    let live = 0;
    run.reset();
    const { u32 } = run.warp;
    for (let lane = 0; lane < LANES && first + lane < vertices; lane++) {
      const v = first + lane;
      if (used && !used[v]) continue;
      live |= 1 << lane;
      u32[PRELOAD.LINEAR_ID * LANES + lane] = positionId(v, extended);
      u32[PRELOAD.VERTEX_ID * LANES + lane] = index[v]! + vertexOffset;
      u32[PRELOAD.INSTANCE_ID * LANES + lane] = instance[v]! + instanceOffset;
      u32[PRELOAD.DRAW_ID * LANES + lane] = drawId;
    }
    return live;
  }

  #addresses(which: 'position' | 'varying'): ShaderAddresses {
    const { registers, operands } = this.#request;
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

  // Primitives.

  /** Clips, culls and appends the batch's primitives from `#due` on. Not 'done': call again. */
  #bin(): WorkState {
    const { primitives } = this.#batch;
    for (; this.#due < primitives; this.#due++) {
      if (this.#triangles === 0) {
        this.#budget -= STEP_COST;
        this.#triangles = this.#shape(this.#due);
        this.#triangle = 0;
      }
      for (; this.#triangle < this.#triangles; this.#triangle++) {
        const state = this.#emit(this.#due, this.#triangle);
        if (state !== 'done') return state;
      }
      this.#triangles = 0;
    }
    return 'done';
  }

  /** Puts the visible part of primitive `p` in the clipper's corners. Answers of how many triangles it is made. */
  #shape(p: number): number {
    const { slots } = this.#batch;
    const a = slots[p * 4]!;
    const b = slots[p * 4 + 1]!;
    const c = slots[p * 4 + 2]!;
    this.#backFacing = false;
    if (this.#arity < 3) return (this.#arity === 2 ? this.#line(a, b) : this.#point(a)) ? 2 : 0;
    if (this.#depthCulled(a, b, c)) return 0;
    const corners = this.#clipper.triangle(this.#positions, a, b, c);
    if (corners < 3) return 0;
    const area = this.#area(corners);
    if (area === 0 || Number.isNaN(area)) return 0;
    const front = area < 0 === this.#culls.frontFaceCcw;
    if (front ? this.#culls.cullFrontFace : this.#culls.cullBackFace) return 0;
    this.#backFacing = !front;
    return corners - 2;
  }

  /** Whether all vertices are beyond the same end of the depth range. */
  #depthCulled(a: number, b: number, c: number): boolean {
    const positions = this.#positions;
    const { lowDepthCull, highDepthCull } = this.#flags;
    if (!(positions[a * 4 + 3]! > 0 && positions[b * 4 + 3]! > 0 && positions[c * 4 + 3]! > 0)) return false;
    const za = positions[a * 4 + 2]!;
    const zb = positions[b * 4 + 2]!;
    const zc = positions[c * 4 + 2]!;
    const low = this.#minimumZ;
    const high = this.#maximumZ;
    return (lowDepthCull && za < low && zb < low && zc < low) || (highDepthCull && za > high && zb > high && zc > high);
  }

  /** Twice the area of the clipper's polygon in snapped coordinates; positive: clockwise on a screen with y down. */
  #area(count: number): number {
    const { corners } = this.#clipper;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const at = i * CORNER;
      const next = (i + 1 === count ? 0 : i + 1) * CORNER;
      sum += snap(corners[at]!) * snap(corners[next + 1]!) - snap(corners[next]!) * snap(corners[at + 1]!);
    }
    return sum;
  }

  /**
   * Makes a line's two ends four corners: moved by half its width up and down if it is more wide than high, else left and
   * right. So each column (row) of pixels gets `width` of them, as the APIs have it for lines without antialiasing.
   */
  #line(a: number, b: number): boolean {
    if (this.#depthCulled(a, b, b)) return false;
    if (this.#clipper.line(this.#positions, a, b) === 0) return false;
    const { corners } = this.#clipper;
    const dx = Math.abs(corners[CORNER]! - corners[0]!);
    const dy = Math.abs(corners[CORNER + 1]! - corners[1]!);
    const half = Math.min(Math.max(1, this.#size || 1), MAX_SIZE) / 2;
    for (let i = 1; i >= 0; i--) {
      const from = i * CORNER;
      for (let side = 1; side >= 0; side--) {
        const to = (i * 2 + side) * CORNER;
        corners.copyWithin(to, from, from + CORNER);
      }
      const first = i * 2 * CORNER;
      const second = first + CORNER;
      const along = dx >= dy ? 1 : 0;
      const middle = corners[first + along]!;
      corners[first + along] = middle - half;
      corners[second + along] = middle + half;
    }
    return dx > 0 || dy > 0;
  }

  /** Makes a point four corners whose weights are its coordinate, (0, 0) at the top left. */
  #point(a: number): boolean {
    const positions = this.#positions;
    const x = positions[a * 4]!;
    const y = positions[a * 4 + 1]!;
    const z = positions[a * 4 + 2]!;
    const inverseW = positions[a * 4 + 3]!;
    if (!(Number.isFinite(x + y + z) && inverseW > 0) || Math.abs(x) > 32768 || Math.abs(y) > 32768) return false;
    if (this.#depthCulled(a, a, a)) return false;
    const size = this.#extended ? this.#pointSize[a]! : this.#size;
    if (!(size > 0)) return false;
    const half = Math.min(size, MAX_SIZE) / 2;
    const { corners } = this.#clipper;
    for (let i = 0; i < 4; i++) {
      const right = i & 1;
      const low = i >> 1;
      const at = i * CORNER;
      corners[at] = right ? x + half : x - half;
      corners[at + 1] = low ? y + half : y - half;
      corners[at + 2] = z;
      corners[at + 3] = inverseW;
      corners[at + 4] = right;
      corners[at + 5] = low;
    }
    return true;
  }

  /** Appends triangle `t` of what `#shape` made: of a fan of corners, or of the four corners of a line or point. */
  #emit(p: number, t: number): WorkState {
    const fan = this.#arity === 3;
    const i = (fan || t === 0 ? 0 : 1) * CORNER;
    const j = (fan ? t + 1 : t === 0 ? 1 : 3) * CORNER;
    const k = (fan ? t + 2 : 2) * CORNER;
    const { corners } = this.#clipper;
    const x0 = snap(corners[i]!);
    const y0 = snap(corners[i + 1]!);
    const x1 = snap(corners[j]!);
    const y1 = snap(corners[j + 1]!);
    const x2 = snap(corners[k]!);
    const y2 = snap(corners[k + 1]!);
    const scissor = this.#scissor;
    const minX = Math.max(Math.min(x0, x1, x2) >> PIXEL, scissor.minimumX, 0);
    const minY = Math.max(Math.min(y0, y1, y2) >> PIXEL, scissor.minimumY, 0);
    const maxX = Math.min(Math.max(x0, x1, x2) >> PIXEL, scissor.maximumX, this.#context.fbWidth - 1);
    const maxY = Math.min(Math.max(y0, y1, y2) >> PIXEL, scissor.maximumY, this.#context.fbHeight - 1);
    if (minX > maxX || minY > maxY) return 'done';
    const layer = this.#layerOf(p) + this.#context.layerOffset;
    if (layer < 0 || layer >= this.#context.layerCount) return 'done';
    const room = this.#makeRoom();
    if (room !== 'done') return room;
    const { slots, ids } = this.#batch;
    const a = slots[p * 4]!;
    const b = this.#arity > 1 ? slots[p * 4 + 1]! : a;
    const c = this.#arity > 2 ? slots[p * 4 + 2]! : a;
    const words = this.#words;
    words.addresses(this.#draw, this.#packet);
    words.primitive(a, b, c, slots[p * 4 + 3]!, KINDS[this.#arity], this.#backFacing, layer, ids[p]!);
    words.corner(0, x0, y0, corners[i + 2]!, corners[i + 3]!, corners[i + 4]!, corners[i + 5]!);
    words.corner(1, x1, y1, corners[j + 2]!, corners[j + 3]!, corners[j + 4]!, corners[j + 5]!);
    words.corner(2, x2, y2, corners[k + 2]!, corners[k + 3]!, corners[k + 4]!, corners[k + 5]!);
    words.bounds(minX, minY, maxX, maxY);
    return this.#list.append(words.u32) ? 'done' : this.#outOfMemory();
  }

  /** Sees to it that the draw has its record and the batch its packet with varyings. */
  #makeRoom(): WorkState {
    if (this.#starved) {
      // If the list is gone since then, so are the draw's record and the batch's packet.
      this.#starved = false;
      if (this.#list.list === 0) {
        this.#draw = 0;
        this.#packet = 0;
      }
    }
    if (this.#draw === 0) {
      const draw = this.#list.draw(this.#drawRecord());
      if (draw === undefined) return this.#outOfMemory();
      this.#draw = draw;
    }
    if (this.#packet === 0) {
      const packet = this.#heap.alloc(PACKET_HEADER + this.#attributeStride * this.#batch.vertices, 64);
      if (packet === undefined) return this.#outOfMemory();
      this.#packet = packet;
      this.#shading = this.#flags.secondaryShader;
      if (this.#shading) this.#markUsed();
    }
    if (this.#shading) {
      if (!this.#shadeVaryings()) return 'more';
      this.#shading = false;
    }
    return 'done';
  }

  #outOfMemory(): WorkState {
    this.#starved = true;
    return 'oom';
  }

  #layerOf(p: number): number {
    const { slots } = this.#batch;
    return this.#extended ? this.#layer[slots[p * 4 + slots[p * 4 + 3]!]!]! : 0;
  }

  #drawRecord(): Partial<Infer<typeof DrawRecord>> {
    const { registers, operands } = this.#request;
    const fau = fauOf(registers, R.fragmentFau);
    const blend = pairOf(registers, R.blend);
    const { minimumX, minimumY, maximumX, maximumY } = this.#scissor;
    const raw = Draw.pack({
      flags0: registers[R.dcdFlags0]!,
      flags1: registers[R.dcdFlags1]!,
      flags2: registers[R.dcdFlags2]!,
      vertexPacketStride: Math.min(0xffff, PACKET_VERTICES * (POSITION_BYTES + this.#attributeStride)),
      vertexAttributeStride: this.#attributeStride,
      minimumZ: this.#minimumZ,
      maximumZ: this.#maximumZ,
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
    });
    return {
      scissorMinX: minimumX,
      scissorMinY: minimumY,
      scissorMaxX: maximumX,
      scissorMaxY: maximumY,
      draw: Draw.read(viewOf(raw), 0),
    };
  }
}

const stageOf = (output: VertexOutput): VertexStage => ({ kind: 'vertex', frame: output.frame, output });

/** By the number of vertices. */
const KINDS: Record<Arity, number> = { 1: PRIMITIVE_KIND.POINT, 2: PRIMITIVE_KIND.LINE, 3: PRIMITIVE_KIND.TRIANGLE };

/** Bits of a snapped coordinate below the pixel. */
const PIXEL = 8;

/** Window coordinates to 1/256 pixel. */
const snap = (x: number): number => Math.round(x * 256);

/** Place of vertex v in the position FIFO, or of its extension. */
function positionId(v: number, extended: boolean, extension = false): number {
  if (!extended) return v;
  return (v - (v % 4)) * 2 + (v % 4) + (extension ? 4 : 0);
}

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

function loadIndex(memory: RunRequest<unknown>['memory'], at: number, bytes: number): number {
  return bytes === 1 ? memory.load8(at) : bytes === 2 ? memory.load16(at) : memory.load32(at);
}
