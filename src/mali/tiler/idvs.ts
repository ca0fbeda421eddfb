/**
 * RUN_IDVS with memory allocation: index-driven vertex shading and tiling of one draw.
 *
 * The draw is worked off in batches of up to 64 vertices, which is what a vertex packet holds. For each batch: collect
 * primitives until the packet is full; shade positions (into the geometry buffer, which serves as the position FIFO);
 * assemble, clip and cull; if anything is left, take a packet from the tiler heap, shade the varyings of the vertices that
 * visible primitives use into it, and append the primitives to the polygon list. Vertices that several primitives share
 * are shaded once per batch.
 *
 * When the heap has no room the work answers 'oom'. Afterwards the list may have been drawn and dropped by the stream's handler;
 * then draw record and packet are gone too, and the batch goes on with new ones from the primitive that was due.
 * Sources: Mesa 25.0.7 `src/panfrost/lib/genxml/decode_csf.c` (pandecode_run_idvs), `src/gallium/drivers/panfrost/pan_csf.c`,
 * `src/panfrost/compiler/bifrost_compile.c`; the batch size and packet layout: shader/contract.ts.
 */
import type { CsOperands } from '../../abi/gpu/cs.ts';
import { fauOf, pairOf, IDVS_REGISTERS as R } from '../../abi/gpu/cs-registers.ts';
import { type DrawRecord, PRIMITIVE_KIND, type PrimitiveRecord } from '../../abi/gpu/polygon-list.ts';
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
import { type Infer, viewOf } from '../../abi/layout.ts';
import { GpuFault, type RunRequest, type Work, type WorkState } from '../contract.ts';
import { halfToFloat } from '../format.ts';
import { LANES, type ShaderRun, THREAD_SLOT, type VertexStage } from '../shader/contract.ts';
import { TilerHeap } from '../tiler-heap.ts';
import { type Arity, Assembler, arityOf } from './assemble.ts';
import { Clipper, CORNER } from './clip.ts';
import { PolygonListWriter } from './polygon-list.ts';

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

const PACKET_VERTICES = 64;
/** Bytes of positions at the start of a packet. */
const PACKET_HEADER = PACKET_VERTICES * 16;
const POSITION_BYTES = 16;
const MAX_BATCH_PRIMITIVES = 256;
/** Pixels: largest point, widest line. */
const MAX_SIZE = 2048;
/** Shader instructions in a slice of about a millisecond. */
const SLICE = 4000;
/** Cost of one index or primitive in instructions. */
const STEP_COST = 2;

type State = 'more' | 'oom';

export class IdvsWork implements Work {
  readonly #draw: IdvsDraw;
  readonly #steps: Generator<State, void>;

  constructor(request: RunRequest<CsOperands<'RUN_IDVS'>>, open: OpenVertexShader) {
    this.#draw = new IdvsDraw(request, open);
    this.#steps = this.#draw.run();
  }

  get progress(): number {
    return this.#draw.progress;
  }

  step(): WorkState {
    const next = this.#steps.next();
    return next.done ? 'done' : next.value;
  }
}

const fault = (message: string): GpuFault => new GpuFault(EXCEPTION.DATA_INVALID_FAULT, 0, message);

/** All that a draw's primitives keep from the registers, and the machinery of its batches. */
class IdvsDraw {
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

  // The batch: vertices (index and instance of each), and primitives as slots.
  readonly #vertices = new Map<number, number>();
  readonly #index = new Uint32Array(PACKET_VERTICES);
  readonly #instance = new Uint32Array(PACKET_VERTICES);
  readonly #slots = new Uint8Array(MAX_BATCH_PRIMITIVES * 4);
  readonly #ids = new Uint32Array(MAX_BATCH_PRIMITIVES);
  #primitives = 0;
  readonly #positions = new Float32Array(PACKET_VERTICES * 4);
  readonly #pointSize = new Float32Array(PACKET_VERTICES);
  readonly #layer = new Uint8Array(PACKET_VERTICES);
  #positionRun: ShaderRun | undefined;
  #varyingRun: ShaderRun | undefined;
  readonly #positionStage: VertexStage = {
    kind: 'vertex',
    output: { base: 0, packetStride: 0, offset: 0, stride: POSITION_BYTES, count: 0 },
  };
  readonly #varyingStage: VertexStage = {
    kind: 'vertex',
    output: { base: 0, packetStride: 0, offset: PACKET_HEADER, stride: 0, count: PACKET_VERTICES },
  };

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

  *run(): Generator<State, void> {
    const { registers, memory } = this.#request;
    const count = registers[R.indexCount]!;
    const instances = registers[R.instanceCount]!;
    if (count === 0 || instances === 0 || pairOf(registers, R.positionSpd) === 0) return;
    const assembler = new Assembler(this.#flags.drawMode, this.#context.firstProvokingVertex);
    const bytes = indexBytes(this.#flags.indexType);
    const restart = this.#flags.primitiveRestart && bytes > 0 ? 2 ** (bytes * 8) - 1 : -1;
    const indices = pairOf(registers, R.indices) + registers[R.indexOffset]! * bytes;
    const available = Math.floor(registers[R.indexArraySize]! / Math.max(1, bytes)) - registers[R.indexOffset]!;
    for (let instance = 0; instance < instances; instance++) {
      let id = 0;
      for (let i = 0; i < count; i++) {
        if (--this.#budget < 0) yield* this.#rest();
        const index = bytes === 0 ? i : i < available ? loadIndex(memory, indices + i * bytes, bytes) : 0;
        if (index === restart) {
          if (assembler.finish()) yield* this.#add(assembler, id++, instance);
          continue;
        }
        if (assembler.push(index)) yield* this.#add(assembler, id++, instance);
      }
      if (assembler.finish()) yield* this.#add(assembler, id, instance);
    }
    yield* this.#flush();
    this.#positionRun?.close();
    this.#varyingRun?.close();
  }

  *#rest(): Generator<State, void> {
    this.progress++;
    this.#budget = SLICE;
    yield 'more';
  }

  /** Adds the assembler's primitive to the batch, which is worked off first if it has no room. */
  *#add(assembler: Assembler, id: number, instance: number): Generator<State, void> {
    const arity = this.#arity;
    const { a, b, c } = assembler;
    if (arity === 3 && (a === b || b === c || a === c)) return;
    const base = instance * 2 ** 32;
    let fresh = 0;
    if (!this.#vertices.has(base + a)) fresh++;
    if (arity > 1 && !this.#vertices.has(base + b)) fresh++;
    if (arity > 2 && !this.#vertices.has(base + c)) fresh++;
    if (this.#vertices.size + fresh > PACKET_VERTICES || this.#primitives === MAX_BATCH_PRIMITIVES) {
      yield* this.#flush();
    }
    const at = this.#primitives * 4;
    this.#slots[at] = this.#slot(a, instance);
    if (arity > 1) this.#slots[at + 1] = this.#slot(b, instance);
    if (arity > 2) this.#slots[at + 2] = this.#slot(c, instance);
    this.#slots[at + 3] = assembler.provoking;
    this.#ids[this.#primitives++] = id;
  }

  #slot(index: number, instance: number): number {
    const key = instance * 2 ** 32 + index;
    let slot = this.#vertices.get(key);
    if (slot === undefined) {
      slot = this.#vertices.size;
      this.#vertices.set(key, slot);
      this.#index[slot] = index;
      this.#instance[slot] = instance;
    }
    return slot;
  }

  /** Works off the batch. */
  *#flush(): Generator<State, void> {
    if (this.#primitives === 0) return;
    yield* this.#shadePositions();
    this.#packet = 0;
    for (let p = 0; p < this.#primitives; p++) {
      this.#budget -= STEP_COST;
      yield* this.#primitive(p);
    }
    this.#vertices.clear();
    this.#primitives = 0;
  }

  // Shading.

  *#shadePositions(): Generator<State, void> {
    const { registers, memory } = this.#request;
    const count = this.#vertices.size;
    this.#positionRun ??= this.#open(memory, this.#addresses('position'), this.#positionStage, THREAD_SLOT.VERTEX);
    const { output } = this.#positionStage;
    output.base = this.#context.geometryBuffer;
    output.count = PACKET_VERTICES * (this.#extended ? 2 : 1);
    output.packetStride = PACKET_HEADER;
    yield* this.#shade(this.#positionRun, count, undefined, this.#extended);
    const base = output.base;
    const view = viewOf(
      memory.read(base, positionId(count - 1, this.#extended, true) * POSITION_BYTES + POSITION_BYTES),
    );
    const sizes = this.#flags.pointSizeArrayFormat !== POINT_SIZE_FORMAT.NONE;
    for (let v = 0; v < count; v++) {
      const at = positionId(v, this.#extended) * POSITION_BYTES;
      for (let i = 0; i < 4; i++) this.#positions[v * 4 + i] = view.getFloat32(at + i * 4, true);
      if (!this.#extended) continue;
      const extension = positionId(v, true, true) * POSITION_BYTES;
      this.#pointSize[v] = sizes ? halfToFloat(view.getUint16(extension, true)) : this.#size;
      this.#layer[v] = this.#flags.layerIndexEnable ? view.getUint8(extension + 2) : 0;
    }
    if (pairOf(registers, R.varyingSpd) === 0 && this.#flags.secondaryShader) {
      throw fault('RUN_IDVS: a secondary shader is enabled, its program is 0');
    }
  }

  *#shadeVaryings(): Generator<State, void> {
    const { memory } = this.#request;
    this.#varyingRun ??= this.#open(memory, this.#addresses('varying'), this.#varyingStage, THREAD_SLOT.VERTEX);
    const { output } = this.#varyingStage;
    output.base = this.#packet;
    output.stride = this.#attributeStride;
    output.packetStride = PACKET_VERTICES * (POSITION_BYTES + this.#attributeStride);
    yield* this.#shade(this.#varyingRun, this.#vertices.size, this.#used(), false);
  }

  /** Slots that a visible primitive uses. */
  #used(): Uint8Array {
    const used = new Uint8Array(PACKET_VERTICES);
    for (let p = 0; p < this.#primitives; p++) {
      for (let i = 0; i < this.#arity; i++) used[this.#slots[p * 4 + i]!] = 1;
    }
    return used;
  }

  *#shade(run: ShaderRun, count: number, used: Uint8Array | undefined, extended: boolean): Generator<State, void> {
    const { registers, operands } = this.#request;
    const vertexOffset = registers[R.vertexOffset]!;
    const instanceOffset = registers[R.instanceOffset]!;
    const drawId = operands.drawIdRegisterEnable ? registers[operands.drawId]! : 0;
    for (let first = 0; first < count; first += LANES) {
      let live = 0;
      run.reset();
      const { u32 } = run.warp;
      for (let lane = 0; lane < LANES && first + lane < count; lane++) {
        const v = first + lane;
        if (used && !used[v]) continue;
        live |= 1 << lane;
        u32[59 * LANES + lane] = positionId(v, extended);
        u32[60 * LANES + lane] = this.#index[v]! + vertexOffset;
        u32[61 * LANES + lane] = this.#instance[v]! + instanceOffset;
        u32[62 * LANES + lane] = drawId;
      }
      if (live === 0) continue;
      run.start(live);
      while (!run.resume(SLICE)) yield 'more';
      this.progress++;
      this.#budget -= SLICE / 16;
      if (this.#budget < 0) yield* this.#rest();
    }
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

  /** Clips, culls and appends primitive `p` of the batch. */
  *#primitive(p: number): Generator<State, void> {
    const a = this.#slots[p * 4]!;
    const b = this.#slots[p * 4 + 1]!;
    const c = this.#slots[p * 4 + 2]!;
    if (this.#arity === 3) {
      if (this.#depthCulled(a, b, c)) return;
      const corners = this.#clipper.triangle(this.#positions, a, b, c);
      if (corners < 3) return;
      const area = this.#area(corners);
      if (area === 0 || Number.isNaN(area)) return;
      const front = area < 0 === this.#culls.frontFaceCcw;
      if (front ? this.#culls.cullFrontFace : this.#culls.cullBackFace) return;
      for (let i = 2; i < corners; i++) yield* this.#emit(p, 0, i - 1, i, !front);
      return;
    }
    const shape = this.#arity === 2 ? this.#line(a, b) : this.#point(a);
    if (!shape) return;
    yield* this.#emit(p, 0, 1, 2, false);
    yield* this.#emit(p, 1, 3, 2, false);
  }

  /** Whether all vertices are beyond the same end of the depth range. */
  #depthCulled(a: number, b: number, c: number): boolean {
    const positions = this.#positions;
    const { lowDepthCull, highDepthCull } = this.#flags;
    if (!(positions[a * 4 + 3]! > 0 && positions[b * 4 + 3]! > 0 && positions[c * 4 + 3]! > 0)) return false;
    const za = positions[a * 4 + 2]!;
    const zb = positions[b * 4 + 2]!;
    const zc = positions[c * 4 + 2]!;
    const [low, high] = [this.#minimumZ, this.#maximumZ];
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
      const [first, second] = [i * 2 * CORNER, (i * 2 + 1) * CORNER];
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
    const [x, y, z, inverseW] = [0, 1, 2, 3].map((i) => positions[a * 4 + i]!) as [number, number, number, number];
    if (!(Number.isFinite(x + y + z) && inverseW > 0) || Math.abs(x) > 32768 || Math.abs(y) > 32768) return false;
    if (this.#depthCulled(a, a, a)) return false;
    const size = this.#extended ? this.#pointSize[a]! : this.#size;
    if (!(size > 0)) return false;
    const half = Math.min(size, MAX_SIZE) / 2;
    const { corners } = this.#clipper;
    for (let i = 0; i < 4; i++) {
      const right = i & 1;
      const low = i >> 1;
      corners.set([right ? x + half : x - half, low ? y + half : y - half, z, inverseW, right, low], i * CORNER);
    }
    return true;
  }

  /** Appends the triangle of corners i, j, k. */
  *#emit(p: number, i: number, j: number, k: number, backFacing: boolean): Generator<State, void> {
    const corner = [i, j, k].map((n) => {
      const at = n * CORNER;
      const [x, y, z, inverseW, weight0, weight1] = this.#clipper.corners.subarray(
        at,
        at + CORNER,
      ) as unknown as number[];
      return { x: snap(x!), y: snap(y!), z: z!, inverseW: inverseW!, weight0: weight0!, weight1: weight1! };
    }) as [Corner, Corner, Corner];
    const [one, two, three] = corner;
    const low = (v: 'x' | 'y') => Math.floor(Math.min(one[v], two[v], three[v]) / 256);
    const high = (v: 'x' | 'y') => Math.floor(Math.max(one[v], two[v], three[v]) / 256);
    const { minimumX, minimumY, maximumX, maximumY } = this.#scissor;
    const minX = Math.max(low('x'), minimumX, 0);
    const minY = Math.max(low('y'), minimumY, 0);
    const maxX = Math.min(high('x'), maximumX, this.#context.fbWidth - 1);
    const maxY = Math.min(high('y'), maximumY, this.#context.fbHeight - 1);
    if (minX > maxX || minY > maxY) return;
    const a = this.#slots[p * 4]!;
    const layer = this.#layerOf(p) + this.#context.layerOffset;
    if (layer < 0 || layer >= this.#context.layerCount) return;
    const slot = (n: number) => (n < this.#arity ? this.#slots[p * 4 + n]! : a);
    for (;;) {
      if (this.#draw === 0) {
        const draw = this.#list.draw(this.#drawRecord());
        if (draw === undefined) {
          yield* this.#outOfMemory();
          continue;
        }
        this.#draw = draw;
      }
      if (this.#packet === 0) {
        const packet = this.#heap.alloc(PACKET_HEADER + this.#attributeStride * this.#vertices.size, 64);
        if (packet === undefined) {
          yield* this.#outOfMemory();
          continue;
        }
        this.#packet = packet;
        if (this.#flags.secondaryShader) yield* this.#shadeVaryings();
      }
      const record: Partial<Infer<typeof PrimitiveRecord>> = {
        draw: this.#draw,
        packet0: this.#packet,
        packet1: this.#packet,
        packet2: this.#packet,
        slot0: slot(0),
        slot1: slot(1),
        slot2: slot(2),
        provoking: this.#slots[p * 4 + 3]!,
        kind:
          this.#arity === 3 ? PRIMITIVE_KIND.TRIANGLE : this.#arity === 2 ? PRIMITIVE_KIND.LINE : PRIMITIVE_KIND.POINT,
        backFacing: backFacing ? 1 : 0,
        layer,
        id: this.#ids[p]!,
        corner0: one,
        corner1: two,
        corner2: three,
        minX,
        minY,
        maxX,
        maxY,
      };
      if (this.#list.append(record)) return;
      yield* this.#outOfMemory();
    }
  }

  /** Waits for memory. If the list is gone afterwards, so are the draw's record and the batch's packet. */
  *#outOfMemory(): Generator<State, void> {
    yield 'oom';
    if (this.#list.list === 0) {
      this.#draw = 0;
      this.#packet = 0;
    }
  }

  #layerOf(p: number): number {
    return this.#extended ? this.#layer[this.#slots[p * 4 + this.#slots[p * 4 + 3]!]!]! : 0;
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

interface Corner {
  x: number;
  y: number;
  z: number;
  inverseW: number;
  weight0: number;
  weight1: number;
}

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
