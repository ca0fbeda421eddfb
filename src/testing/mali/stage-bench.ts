/**
 * A bench for tests of the tiler and the fragment front end: flat memory, descriptors written by their layouts, and programs
 * that are functions instead of shader code. Not part of the GPU.
 */
import { FRAGMENT_REGISTERS, IDVS_REGISTERS } from '../../abi/gpu/cs-registers.ts';
import { PolygonBlock, PolygonList } from '../../abi/gpu/polygon-list.ts';
import {
  BLEND_MODE,
  BLOCK_FORMAT,
  Blend,
  BlendFunction,
  DepthStencil,
  DRAW_MODE,
  Draw,
  FIFO_FORMAT,
  FRAMEBUFFER_SIZE,
  FramebufferParameters,
  FUNC,
  PrimitiveFlags,
  RenderTarget,
  Scissor,
  TIE_BREAK_RULE,
  TilerContext,
  ZsCrcExtension,
} from '../../abi/gpu/raster-descriptors.ts';
import { DESCRIPTOR_TYPE, ShaderProgram } from '../../abi/gpu/shader-descriptors.ts';
import { chunkRef, HeapChunkHeader, TilerHeapDescriptor } from '../../abi/gpu/tiler-heap.ts';
import { type Infer, type Layout, viewOf } from '../../abi/layout.ts';
import { Dram, type PageRun } from '../../board/dram.ts';
import type { RunRequest, VirtualMemory, Work } from '../../mali/contract.ts';
import { defaultEngine } from '../../mali/engine/engine.ts';
import type { Engine } from '../../mali/engine/names.ts';
import { scratch } from '../../mali/engine/scratch.ts';
import { THREAD_PRELOADS } from '../../mali/engine/threads.ts';
import { FragmentWork, type OpenFragmentShader } from '../../mali/fragment/fragment.ts';
import { FRAME, FRAME_BYTES, STAGE } from '../../mali/recompiler/frame.ts';
import { assemble } from '../../mali/shader/assemble.ts';
import { type FragmentStage, LANES, type ShaderRun, type VertexStage, type Warp } from '../../mali/shader/contract.ts';
import { beginListed } from '../../mali/shader/quad-list.ts';
import type { EnvironmentPointers } from '../../mali/shader/resources.ts';
import { beginThreads } from '../../mali/shader/thread-list.ts';
import { layersOf } from '../../mali/tiler/draw.ts';
import { IdvsWork, type OpenVertexShader } from '../../mali/tiler/idvs.ts';
import { FlatMemory } from './shader-rig.ts';

/** A vertex program: position (window x, y, z, 1/w), point size, layer and varyings of a vertex, in a view of its draw. */
export type VertexProgram = (
  index: number,
  instance: number,
  view: number,
) => {
  position: readonly [number, number, number, number];
  pointSize?: number;
  layer?: number;
  varyings?: readonly number[];
};

/** A fragment program: does what it wants with the stage's functions. */
export type FragmentProgram = (stage: FragmentStage, warp: Warp, mask: number) => void;

const DRAM_SIZE = 32 << 20;
/** Addresses of programs: the bench's functions are named by them. */
const POSITION = 0x100;
const VARYING = 0x200;

export class Bench {
  readonly dram: Dram;
  readonly memory: FlatMemory;
  readonly registers = new Uint32Array(96);
  readonly width: number;
  readonly height: number;
  readonly context: number;
  readonly heap: number;
  /** Who tiles. */
  readonly engine: Engine;
  vertex: VertexProgram = () => ({ position: [0, 0, 0, 1] });
  /** By address of the program. */
  readonly fragments = new Map<number, FragmentProgram>();
  /** Fragment warps started. */
  warps = 0;
  #extended = false;
  #views: readonly number[] = layersOf(0);
  readonly #runs: PageRun[] = [];

  constructor(
    width: number,
    height: number,
    chunk = 256 << 10,
    engine = defaultEngine(),
    dram: Dram = new Dram(DRAM_SIZE),
  ) {
    this.engine = engine;
    this.dram = dram;
    this.memory = new FlatMemory(dram);
    this.width = width;
    this.height = height;
    this.context = this.alloc(TilerContext.size);
    this.heap = this.alloc(TilerHeapDescriptor.size);
    const base = this.alloc(chunk);
    this.put(TilerHeapDescriptor, this.heap, {
      size: chunk,
      base,
      bottom: base + HeapChunkHeader.size,
      top: base + chunk,
    });
    this.put(TilerContext, this.context, {
      fbWidth: width,
      fbHeight: height,
      heap: this.heap,
      layerCount: 1,
      geometryBuffer: this.alloc(65536),
      geometryBufferSize: 65536,
    });
    this.pair(IDVS_REGISTERS.tilerContext, this.context);
    this.depthStencil({});
    this.blend([{}]);
    this.state({});
    this.scissor(0, 0, width - 1, height - 1);
    this.float(IDVS_REGISTERS.highDepthClamp, 1);
    this.float(IDVS_REGISTERS.primitiveSize, 1);
    this.registers[IDVS_REGISTERS.positionSpd] = POSITION;
    this.registers[IDVS_REGISTERS.varyingSpd] = VARYING;
  }

  alloc(size: number): number {
    const run = this.dram.alloc(Math.max(size, 64));
    this.#runs.push(run);
    return run.physical;
  }

  /** Where the last of what it has allocated ends. */
  get end(): number {
    return this.#runs.reduce((end, { physical, size }) => Math.max(end, physical + size), 0);
  }

  /** Gives all that it has allocated back, for another bench with the same memory. */
  close(): void {
    for (const run of this.#runs) this.dram.free(run);
    this.#runs.length = 0;
  }

  put<F extends Record<string, any>>(layout: Layout<F>, at: number, values: Partial<Infer<Layout<F>>>): number {
    this.memory.write(at, layout.pack(values as any));
    return at;
  }

  float(register: number, value: number): void {
    new DataView(this.registers.buffer).setFloat32(register * 4, value, true);
  }

  pair(register: number, value: number): void {
    this.registers[register] = value % 2 ** 32;
    this.registers[register + 1] = Math.floor(value / 2 ** 32);
  }

  scissor(minimumX: number, minimumY: number, maximumX: number, maximumY: number): void {
    const words = new DataView(this.registers.buffer);
    Scissor.write(words, IDVS_REGISTERS.scissor * 4, { minimumX, minimumY, maximumX, maximumY });
  }

  depthStencil(values: Partial<Infer<typeof DepthStencil>>): void {
    const at = this.put(DepthStencil, this.alloc(DepthStencil.size), {
      type: DESCRIPTOR_TYPE.DEPTH_STENCIL,
      depthFunction: FUNC.ALWAYS,
      depthClampMode: 1,
      depthSource: 2,
      ...values,
    });
    this.pair(IDVS_REGISTERS.depthStencil, at);
  }

  /** One descriptor for each render target. */
  blend(descriptors: readonly Partial<Infer<typeof Blend>>[]): void {
    const at = this.alloc(Blend.size * descriptors.length);
    descriptors.forEach((values, i) => {
      this.put(Blend, at + i * Blend.size, { enable: true, mode: BLEND_MODE.OPAQUE, rt: i, colorMask: 15, ...values });
    });
    this.pair(IDVS_REGISTERS.blend, at + descriptors.length);
  }

  /** DCD flags; the fragment program is 1 unless 0 is said. */
  state(values: Partial<Infer<typeof Draw>>, program = 1): void {
    const raw = Draw.pack({ sampleMask: 0xffff, ...values });
    const view = viewOf(raw);
    this.registers[IDVS_REGISTERS.dcdFlags0] = view.getUint32(0, true);
    this.registers[IDVS_REGISTERS.dcdFlags1] = view.getUint32(4, true);
    this.pair(IDVS_REGISTERS.fragmentSpd, program);
  }

  /** Index buffer of 16-bit indices. */
  indices(list: readonly number[]): number {
    const at = this.alloc(list.length * 2);
    list.forEach((index, i) => {
      this.memory.store16(at + i * 2, index);
    });
    this.pair(IDVS_REGISTERS.indices, at);
    this.registers[IDVS_REGISTERS.indexArraySize] = list.length * 2;
    return at;
  }

  /** Starts a draw. */
  idvs(
    count: number,
    flags: Partial<Infer<typeof PrimitiveFlags>> = {},
    instances = 1,
    open: OpenVertexShader = this.openVertex,
  ): Work {
    this.registers[IDVS_REGISTERS.indexCount] = count;
    this.registers[IDVS_REGISTERS.instanceCount] = instances;
    this.#extended = flags.positionFifoFormat === FIFO_FORMAT.EXTENDED;
    this.#views = layersOf(flags.viewMask ?? 0);
    const word = PrimitiveFlags.pack({
      drawMode: DRAW_MODE.TRIANGLES,
      positionFifoFormat: FIFO_FORMAT.BASIC,
      ...flags,
    });
    this.registers[IDVS_REGISTERS.primitiveFlags] = viewOf(word).getUint32(0, true);
    return new IdvsWork(this.request({ mallocEnable: true, flagsOverride: 0 }), open, this.engine);
  }

  /** Records in the polygon list. */
  records(): number {
    const { memory } = this;
    const list = memory.load64(this.context + TilerContext.offset.polygonList);
    let records = 0;
    for (let at = list && memory.load64(list + PolygonList.offset.first); at !== 0; ) {
      records += memory.load32(at + PolygonBlock.offset.count);
      at = memory.load64(at + PolygonBlock.offset.next);
    }
    return records;
  }

  /** Draws to the end. */
  draw(count: number, flags: Partial<Infer<typeof PrimitiveFlags>> = {}, instances = 1): void {
    finish(this.idvs(count, flags, instances));
  }

  /** Window-space triangles from a list of [x, y, z = 0, 1/w = 1] vertices. */
  triangles(vertices: readonly (readonly number[])[], flags: Partial<Infer<typeof PrimitiveFlags>> = {}): void {
    this.vertex = (index) => {
      const [x = 0, y = 0, z = 0, w = 1, ...varyings] = vertices[index] ?? [];
      return { position: [x, y, z, w], varyings };
    };
    this.draw(vertices.length, flags);
  }

  request(operands: object): RunRequest<any> {
    return { memory: this.memory, registers: this.registers.slice(), operands, heapContext: 0 };
  }

  /** Writes a framebuffer with the given render targets and answers its pointer. */
  framebuffer(
    parameters: Partial<Infer<typeof FramebufferParameters>>,
    targets: readonly Partial<Infer<typeof RenderTarget>>[],
    zs?: Partial<Infer<typeof ZsCrcExtension>>,
  ): number {
    const at = this.alloc(FRAMEBUFFER_SIZE + 64 + targets.length * RenderTarget.size);
    this.put(FramebufferParameters, at, {
      width: this.width,
      height: this.height,
      boundMaxX: this.width - 1,
      boundMaxY: this.height - 1,
      sampleCount: 1,
      effectiveTileSize: 256,
      tieBreakRule: TIE_BREAK_RULE.MINUS_180_IN_0_OUT,
      renderTargetCount: targets.length,
      zInternalFormat: 1,
      hasZsCrcExtension: zs !== undefined,
      tiler: this.context,
      ...parameters,
    });
    let next = at + FRAMEBUFFER_SIZE;
    if (zs) {
      this.put(ZsCrcExtension, next, zs);
      next += ZsCrcExtension.size;
    }
    targets.forEach((target, i) => {
      this.put(RenderTarget, next + i * RenderTarget.size, target);
    });
    return at + 1;
  }

  /** A linear RGBA8 image as a render target, cleared. */
  rgba8(values: Partial<Infer<typeof RenderTarget>> = {}): Partial<Infer<typeof RenderTarget>> {
    return {
      internalFormat: 1,
      writebackFormat: 19,
      writebackBlockFormat: BLOCK_FORMAT.LINEAR,
      writeEnable: true,
      cleanPixelWriteEnable: true,
      swizzle: 0 | (1 << 3) | (2 << 6) | (3 << 9),
      base: this.alloc(this.width * this.height * 4),
      rowStride: this.width * 4,
      ...values,
    };
  }

  /** The address of a fragment program's descriptor, from its text; it runs by what shader cores open (`fragment`). */
  program(text: string): number {
    const fields = { type: DESCRIPTOR_TYPE.SHADER, stage: 2, binary: this.code(text) };
    return this.put(ShaderProgram, this.alloc(ShaderProgram.size), fields);
  }

  /** The address of assembled instructions. */
  code(text: string): number {
    const code = assemble(text);
    const at = this.alloc(code.byteLength);
    this.memory.write(at, new Uint8Array(code.buffer));
    return at;
  }

  /** Renders; `limit`: primitives that the job may keep at once; `open`: who runs fragment programs, if not the bench's functions. */
  fragment(pointer: number, limit?: number, open: OpenFragmentShader = this.openFragment): Work {
    // Draws use the same registers for other things.
    const registers = this.registers.slice();
    registers[FRAGMENT_REGISTERS.framebuffer] = pointer % 2 ** 32;
    registers[FRAGMENT_REGISTERS.framebuffer + 1] = Math.floor(pointer / 2 ** 32);
    registers[FRAGMENT_REGISTERS.boundMin] = 0;
    registers[FRAGMENT_REGISTERS.boundMax] = (this.width - 1) | ((this.height - 1) << 16);
    return new FragmentWork({ ...this.request({}), registers }, this.dram, open, this.engine, limit);
  }

  /** Renders what has been drawn into one RGBA8 image and answers its pixels. */
  render(
    target: Partial<Infer<typeof RenderTarget>> = this.rgba8(),
    parameters = {},
    zs = undefined as any,
  ): Uint32Array {
    finish(this.fragment(this.framebuffer(parameters, [target], zs)));
    return this.pixels(target);
  }

  pixels(target: Partial<Infer<typeof RenderTarget>>): Uint32Array {
    const bytes = this.memory.read(target.base!, this.width * this.height * 4);
    return new Uint32Array(bytes.buffer);
  }

  /** Enlarges the heap by a chunk that the "host" gives; answers its reference. */
  chunk(size = 256 << 10): number {
    return chunkRef(this.alloc(size), size);
  }

  readonly openVertex = (
    memory: VirtualMemory,
    addresses: EnvironmentPointers,
    stage: VertexStage,
    _slot: number,
  ): ShaderRun =>
    this.#run(memory, 0, (warp, mask) => {
      const { base, packetStride, offset, stride, count } = stage.output;
      const address = (id: number) => {
        if (id >= count) throw new Error(`LEA_BUF: id ${id} of ${count}`);
        return base + (id >> 6) * packetStride + offset + (id & 63) * stride;
      };
      const float = new DataView(new ArrayBuffer(4));
      const store = (at: number, value: number) => {
        float.setFloat32(0, value);
        memory.store32(at, float.getUint32(0));
      };
      for (let lane = 0; lane < LANES; lane++) {
        if (!(mask & (1 << lane))) continue;
        const first = warp.u32[59 * LANES + lane]!;
        for (const view of this.#views) {
          const out = this.vertex(warp.u32[60 * LANES + lane]!, warp.u32[61 * LANES + lane]!, view);
          // As Mesa's bi_emit_store_vary has it.
          if (addresses.shader === VARYING) {
            const id = first + view * 4;
            out.varyings?.forEach((value, i) => {
              store(address(id) + i * 4, value);
            });
            continue;
          }
          const id = first + view * (this.#extended ? 8 : 4);
          out.position.forEach((value, i) => {
            store(address(id) + i * 4, value);
          });
          if (!this.#extended) continue;
          float.setFloat16(0, out.pointSize ?? 1);
          memory.store16(address(id + 4), float.getUint16(0));
          memory.store8(address(id + 4) + 2, out.layer ?? 0);
        }
      }
    });

  readonly openFragment = (
    memory: VirtualMemory,
    addresses: EnvironmentPointers,
    stage: FragmentStage,
    _slot: number,
  ): ShaderRun =>
    this.#run(memory, stage.frame, (warp, mask) => {
      const program = this.fragments.get(addresses.shader);
      if (!program) throw new Error(`no fragment program at ${addresses.shader}`);
      this.warps++;
      program(stage, warp, mask);
    });

  #run(memory: VirtualMemory, frame: number, body: (warp: Warp, mask: number) => void): ShaderRun {
    const u32 = new Uint32Array(64 * LANES);
    const warp: Warp = {
      u32,
      i32: new Int32Array(u32.buffer),
      f32: new Float32Array(u32.buffer),
      mask: 0,
      live: 0,
      discarded: 0,
    };
    const program = ShaderProgram.read(viewOf(ShaderProgram.pack({ requiresHelperThreads: true })), 0);
    if (frame !== 0) scratch.u32[(frame + STAGE.helpers) / 4] = 1;
    const own = scratch.owned(warp, FRAME_BYTES);
    const run: ShaderRun = {
      environment: {
        memory,
        program,
        fau: 0,
        fauWords: 0,
        resources: { address: 0, count: 0, descriptor: () => 0, buffer: () => undefined },
        storage: undefined,
        attributeOffset: 0,
        attributes: new Map(),
        job: 0,
      },
      warp,
      reset: () => {
        u32.fill(0);
      },
      start: (live, helpers = 0) => {
        warp.live = live;
        warp.mask = live;
        warp.discarded = helpers;
      },
      resume: () => {
        body(warp, warp.live);
        return true;
      },
      beginThreads: (list, threads) => {
        scratch.u32[(own + FRAME.list) / 4] = list;
        scratch.u32[(own + FRAME.thread) / 4] = 0;
        scratch.u32[(own + FRAME.threads) / 4] = threads;
      },
      begun: 0,
      resumeList: () => {
        const next = (): boolean =>
          frame === 0 ? beginThreads(run, own, THREAD_PRELOADS.vertex) : beginListed(run, frame);
        while (next()) body(warp, warp.live);
        return true;
      },
      close: () => {},
    };
    return run;
  }
}

/** Works to the end; answers how many slices that took. */
export function finish(work: Work): number {
  for (let i = 0; i < 1_000_000; i++) {
    const state = work.step();
    if (state === 'done') return i;
    if (state === 'oom') throw new Error('the tiler heap is full');
  }
  throw new Error('the work does not end');
}

/** Pixel format word of RGBA8 in the tile buffer. */
export const RGBA8_TILE = 237 << 12;

/** A program that does ATEST and then blends a colour which `color` gives for each lane. */
export function shade(
  color: (lane: number, stage: FragmentStage, warp: Warp) => readonly [number, number, number, number],
  options: {
    readonly format?: number;
    readonly mode?: number;
    readonly discard?: (x: number, y: number) => boolean;
  } = {},
): FragmentProgram {
  return (stage, warp, mask) => {
    const coverage = new Int32Array(warp.u32.slice(60 * LANES, 61 * LANES));
    const alpha = new Float32Array(LANES);
    const colour = laneVectors();
    for (let lane = 0; lane < LANES; lane++) {
      if (!(mask & (1 << lane))) continue;
      const pixel = warp.u32[59 * LANES + lane]!;
      if (options.discard?.(pixel & 0xffff, pixel >>> 16)) warp.discarded |= 1 << lane;
      const rgba = color(lane, stage, warp);
      rgba.forEach((value, i) => {
        colour.f32[i * LANES + lane] = value;
      });
      alpha[lane] = rgba[3];
    }
    stage.alphaTest(warp, mask, coverage.slice(), alpha, coverage);
    const word = new DataView(Blend.pack({ mode: options.mode ?? BLEND_MODE.OPAQUE, rt: 0, numComps: 4 }).buffer);
    stage.blend(warp, mask, {
      descriptorLow: word.getUint32(8, true),
      descriptorHigh: options.format ?? RGBA8_TILE,
      coverage,
      colour,
      type: 'float',
      bits: 32,
      channels: 4,
    });
  };
}

export function laneVectors(): { f32: Float32Array; i32: Int32Array; u32: Uint32Array } {
  const u32 = new Uint32Array(4 * LANES);
  return { u32, i32: new Int32Array(u32.buffer), f32: new Float32Array(u32.buffer) };
}

/** The 12 bits of a blend function. */
export const blendBits = (values: Partial<Infer<typeof BlendFunction>>): number =>
  viewOf(BlendFunction.pack(values)).getUint32(0, true);
