/**
 * The seam between the shader cores and the stages that feed them: what a program is given, what it asks for, and who
 * answers.
 *
 * A warp is 16 threads ("lanes") that run one program. Registers lie lane by lane behind one another (`reg * 16 + lane`),
 * masks are 16-bit integers, lane n is bit n. In fragment shaders lanes 4q…4q+3 are one quad: bit 0 of the lane is x,
 * bit 1 is y. A stage opens a `ShaderRun` for a draw or a job (core.ts: `openShader`), and then, warp by warp, writes the
 * preloaded registers, says `start`, and calls `resume` until it answers true. The fragment stage lists quads instead,
 * others threads (`beginThreads`), and they call `resumeList`.
 *
 * Registers that a stage preloads (Mesa 25.0.7 `src/panfrost/compiler/bifrost_compile.c`, `lib/pan_shader.h`):
 *
 * | stage    | register | value |
 * |----------|----------|-------|
 * | compute  | r55, r56 | local id: x | y << 16, z |
 * |          | r57…r59  | workgroup id x, y, z |
 * |          | r60…r62  | global id x, y, z |
 * | vertex   | r59      | linear id: the slot in the position FIFO or in the vertex packets that LEA_BUF_IMM takes |
 * |          | r60…r62  | vertex id (with the base vertex), instance id, draw id |
 * | fragment | r57      | primitive id |
 * |          | r58      | primitive flags; 0 means front facing |
 * |          | r59      | pixel: x | y << 16 |
 * |          | r60      | coverage: the samples that this thread stands for, changed by ATEST and ZS_EMIT |
 * |          | r61      | bits 0-15 covered samples, 16-23 sample id (source of LD_VAR) |
 * |          | r62      | bits 0-7 layer or view |
 *
 * Vertex shading by RUN_IDVS with memory allocation. A position shader stores, with LEA_BUF_IMM on table 61 entry 0 and
 * STORE.istream, 16 bytes of position (four floats: Mesa's shaders have applied the viewport, so window x, y, z and 1/w) at `address(r59)`, and in the extended FIFO format
 * a 16-bit float point size and the 8-bit layer at `address(r59 + 4)` + 0 and + 2. Elements are 16 bytes apart. So vertex v
 * of a basic FIFO has the linear id v, of an extended one (v & ~3) * 2 + (v & 3): four positions, then four extensions.
 * With n views the same holds per view: (v >> 2) * 4 * n * (extended ? 2 : 1) + (v & 3).
 *
 * A varying shader stores its outputs with STORE.estream at `address(r59)` + byte offset. Vertex packets hold 64 vertices:
 * 64 positions of 16 bytes, then from byte 1024 on 64 records of `attributeStride` bytes (r48 of RUN_IDVS); they lie
 * `packetStride` bytes apart, 64 * (16 + attributeStride). Fragment shaders read the same bytes: LD_VAR_BUF* by byte
 * offset in the record, LD_VAR* through attribute descriptors of type VERTEX_PACKET (offset counted from the packet's
 * start; PanVK writes 1024 + 16 * location there). `OutputBuffer` tells LEA_BUF_IMM where all this is.
 */

import type { AttributeDescriptor, LocalStorage, ShaderProgram } from '../../abi/gpu/shader-descriptors.ts';
import type { Infer } from '../../abi/layout.ts';
import type { VirtualMemory } from '../contract.ts';
import type { DrawWays } from '../recompiler/draw-ways.ts';

export const LANES = 16;
export const ALL_LANES = 0xffff;
export const QUADS = 4;

/** Which of the GPU's thread slots a stage's warps use for thread storage: works of different kinds never share one. */
export const THREAD_SLOT = { COMPUTE: 0, VERTEX: 1024, FRAGMENT: 1040 } as const;

/** All that a program sees besides its registers. core.ts: `loadEnvironment` makes it from descriptor addresses. */
export interface ShaderEnvironment {
  readonly memory: VirtualMemory;
  readonly program: Infer<typeof ShaderProgram>;
  /** The fast-access uniforms: their address, and how many 32-bit words there are, two for each FAU entry. */
  readonly fau: number;
  readonly fauWords: number;
  readonly resources: ResourceTables;
  readonly storage: Infer<typeof LocalStorage> | undefined;
  /** Added to the index of attributes that ask for it. */
  readonly attributeOffset: number;
  /**
   * What attribute loads and a texture unit have decoded through the tables. It lies here, and not in maps of theirs with
   * the environment as a weak key: such an entry is collected with V8's old generation alone, and keeps the whole run alive
   * until then.
   */
  readonly attributes: Map<number, Infer<typeof AttributeDescriptor> | undefined>;
  textures?: { readonly unit: TextureUnit };
  /** Number of the job that the run is a part of; 0: it is none that says so. */
  readonly job: number;
}

/** Descriptor lookup. A table or index out of range has no descriptor: loads through it read zero, stores vanish. */
export interface ResourceTables {
  /** Address of the table of tables. */
  readonly address: number;
  readonly count: number;
  /** Address of descriptor `index` of table `table`, or 0. Cached for the run. */
  descriptor(table: number, index: number): number;
  /** The buffer that a handle names, if there is one. Cached for the run. */
  buffer(handle: number): BufferRange | undefined;
}

/** A range of memory that a shader may touch. `stride` 0: bytes, not elements. */
export interface BufferRange {
  readonly address: number;
  readonly size: number;
  readonly stride: number;
}

/** A warp's state. Plain arrays, so that stages read and write registers without calls. */
export interface Warp {
  /** 64 registers * 16 lanes; the same bytes as numbers of three kinds. */
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly f32: Float32Array;
  /** Lanes that run the current instruction. */
  mask: number;
  /** Lanes that have not ended. */
  live: number;
  /** Live lanes without effect on memory or tile: helpers, and lanes that DISCARD hit. Subset of `live`. */
  discarded: number;
}

/** A program being run for one draw or job; reused warp after warp. */
export interface ShaderRun {
  readonly environment: ShaderEnvironment;
  readonly warp: Warp;
  /** Clears the registers. Call before writing preloads. */
  reset(): void;
  /** Begins at the program's first instruction. `helpers`: lanes that run only for the sake of derivatives. */
  start(live: number, helpers?: number): void;
  /**
   * Runs at most `budget` instructions. True: all lanes have ended; false: call again. Throws GpuFault (a bad encoding
   * names opcode and address), PageFault.
   */
  resume(budget: number): boolean;
  /** Vertex and compute shaders: `threads` threads whose preloaded registers lie at scratch address `list` (engine/threads.ts). */
  beginThreads(list: number, threads: number): void;
  /** How many of them have begun. */
  readonly begun: number;
  /**
   * Vertex and compute shaders: works off the threads that `beginThreads` has given. Fragment shaders: works off the warps that the stage's frame lists (recompiler/frame.ts: STAGE.list), from STAGE.warp on,
   * at most about `budget` instructions of them. True: all are done; false: call again. Throws as `resume` does.
   */
  resumeList(budget: number): boolean;
  /** Compiles what `resumeList` will want, so that it does not take long then. */
  prepare?(): void;
  /** How emitted code works off lists by itself, where it can, at most about `budget` instructions at a time. Good until `close`. */
  listCall?(budget: number): ListCall | undefined;
  /** The stage is done with the run and will not touch it again: its registers may serve another. */
  close(): void;
}

/**
 * How emitted code has a fragment shader work off the warps that the stage's frame lists, in place of `resumeList`. It writes `fuel`
 * into the warp's frame (recompiler/frame.ts: FRAME.fuel) and `called` where the recompiler looks for it (recompiler/outside.ts: CALLED), then calls.
 */
export interface ListCall {
  /** The function's number (engine/table.ts): (registers, frame) → STATUS. */
  readonly slot: number;
  readonly registers: number;
  readonly frame: number;
  readonly called: number;
  readonly fuel: number;
  /** Before the first call, and when translations have been dropped since the last. */
  renew(): void;
  /** A call was not done: from here on `resumeList` goes on with it. */
  returned(status: number): void;
}

/** Where LEA_BUF_IMM on table 61 points: address(id) = base + (id >> 6) * packetStride + offset + (id & 63) * stride. */
export interface OutputBuffer {
  base: number;
  /** Bytes between runs of 64 elements. */
  packetStride: number;
  /** Bytes from a run's start to its first element. */
  offset: number;
  /** Bytes of one element. */
  stride: number;
  /** Number of elements; those beyond have no address. */
  count: number;
}

/** What a vertex stage answers. */
export interface VertexStage {
  readonly kind: 'vertex';
  /** Where recompiled shaders find the output buffer in scratch memory (recompiler/frame.ts: OUTPUT); 0: they ask by calls. */
  readonly frame: number;
  readonly output: OutputBuffer;
}

/** What a compute stage answers. */
export interface ComputeStage {
  readonly kind: 'compute';
  /** Address of the workgroup's local storage, 0 if it has none. */
  workgroupStorage: number;
  /** First thread slot of the warp that is being run. */
  threadSlot: number;
}

/** The vertices that a quad's varyings are interpolated between. One object per primitive, shared by its quads. */
export interface PrimitiveVertices {
  /** 1 for points, 2 for lines, 3 for triangles. */
  readonly count: 1 | 2 | 3;
  /** Address of the vertex packet of each vertex, and the vertex's place in it (0…63). */
  readonly packets: readonly number[];
  readonly slots: readonly number[];
  /** Vertex numbers, for varyings that come from plain buffers (frame shaders); `slots` where absent. */
  readonly indices?: readonly number[];
  /** The vertex that flat varyings come from, 0…count - 1. */
  readonly provoking: number;
}

/** Where LD_VAR interpolates. Explicit: a position in the pixel, in 1/256 from its top left corner. */
export type SampleMode = 'center' | 'centroid' | 'sample' | 'explicit';

/** Colours, depth values: channel-major (`channel * 16 + lane`), 4 channels; both views are the same bytes. */
export interface LaneVectors {
  readonly f32: Float32Array;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
}

/** The kind of number in LaneVectors: floats (16-bit ones widened), or integers (16-bit ones extended); raw: undecided. */
export type LaneType = 'float' | 'sint' | 'uint' | 'raw';

/**
 * BLEND of one colour. What happens is the descriptor's to say: a blend shader's own BLEND carries mode OPAQUE and so
 * writes without blending.
 */
export interface BlendRequest {
  /** The 64-bit blend descriptor source: words 2 and 3 of a Blend descriptor. Its mode is never SHADER here. */
  descriptorLow: number;
  descriptorHigh: number;
  /** Samples that each lane writes. */
  coverage: Int32Array;
  colour: LaneVectors;
  type: LaneType;
  /** Width of the registers that the colour came from. */
  bits: 16 | 32;
  /** Number of channels sent. */
  channels: number;
}

/** LD_TILE and ST_TILE. */
export interface TileRequest {
  /** PixelIndices of each lane. */
  indices: Int32Array;
  coverage: Int32Array;
  /** InternalConversion of each lane; the same in all active lanes in practice. */
  conversion: Int32Array;
  values: LaneVectors;
  type: LaneType;
  bits: 16 | 32;
  channels: number;
  /** LD_TILE of depth or stencil, whichever the indices name. Conversions do not count then. */
  depthStencil: boolean;
}

/**
 * What the fragment front and back ends answer. Arrays of 16 are indexed by lane; only lanes of `mask` count. Requests and
 * their arrays are reused: take what you need during the call. Lanes in warp.discarded must have no effect.
 */
/**
 * Fills records (recompiler/frame.ts: TILE_RECORD) at scratch addresses: for LD_TILE by pixel indices and conversion, for BLEND by a
 * descriptor's two words.
 */
export interface TileRecords {
  load(record: number, indices: number, conversion: number, type: LaneType): void;
  blend(record: number, low: number, high: number, type: LaneType): void;
}

export interface FragmentStage {
  readonly kind: 'fragment';
  /** A number of its job alone, on its thread. What textures say that one draw has looked at, others take as it was. */
  readonly job?: number;
  /** Where recompiled shaders find the warp in scratch memory (recompiler/frame.ts: STAGE); 0: they ask by calls. */
  readonly frame: number;
  /** What recompiled code for lists of quads is made for, if the stage says so; else it asks by calls. */
  readonly ways?: DrawWays;
  /** Primitive of each of the four quads. */
  readonly primitives: (PrimitiveVertices | undefined)[];
  /** Bytes of a vertex's varyings (Draw: vertexAttributeStride); they begin at byte 1024 of a packet. */
  readonly attributeStride: number;
  /** FAU words: framebuffer_size (maximum x | maximum y << 16), address of the sample positions, atest_datum. */
  readonly framebufferSize: number;
  readonly samplePositions: number;
  readonly atestDatum: readonly [low: number, high: number];
  /** Words 2 and 3 of the draw's blend descriptors 0…7, two words each: the FAU's blend_descriptor_n. */
  readonly blendDescriptors: Uint32Array;
  /**
   * Weights of the primitive's vertices 1 and 2 where it has them, perspective-correct, at the place that `mode` asks for:
   * out[(v - 1) * 16 + lane].
   * `source` is LD_VAR's first source: bits 16-23 sample id; explicit: x | y << 16 in signed 8.8.
   */
  barycentrics(warp: Warp, mask: number, mode: SampleMode, source: Int32Array, out: Float32Array): void;
  /**
   * LD_VAR_SPECIAL: 'point' is gl_PointCoord (two channels), 'w' is gl_FragCoord.w (1 / w of clip space), 'z' the
   * fragment's depth.
   */
  special(
    warp: Warp,
    mask: number,
    what: 'point' | 'w' | 'z',
    mode: SampleMode,
    source: Int32Array,
    out: LaneVectors,
  ): void;
  /** ATEST: alpha to coverage, and depth and stencil where they come late. Writes the new coverage to `out`. */
  alphaTest(warp: Warp, mask: number, coverage: Int32Array, alpha: Float32Array, out: Int32Array): void;
  /** ZS_EMIT: depth and stencil from the shader, undefined if it does not write that one. New coverage to `out`. */
  emitDepthStencil(
    warp: Warp,
    mask: number,
    coverage: Int32Array,
    depth: Float32Array | undefined,
    stencil: Int32Array | undefined,
    out: Int32Array,
  ): void;
  /** BLEND by fixed function (opaque, fixed-function or off). */
  blend(warp: Warp, mask: number, request: BlendRequest): void;
  /** What recompiled code remembers of the tile buffer, where the stage knows of any. */
  readonly tileRecords?: TileRecords;
  /** LD_TILE: fills request.values as request.type asks. */
  loadTile(warp: Warp, mask: number, request: TileRequest): void;
  storeTile(warp: Warp, mask: number, request: TileRequest): void;
}

export type Stage = VertexStage | FragmentStage | ComputeStage;

// Textures.

export type TextureDimension = '1d' | '2d' | '3d' | 'cube';
export type LodMode = 'zero' | 'computed' | 'explicit' | 'computed_bias' | 'grdesc';

export type TextureOperation = 'single' | 'fetch' | 'gather' | 'gradient';

/** What a texture instruction asks for, whatever its operands are: together with the descriptors, all that the unit's code depends on. */
export interface TextureKind {
  readonly operation: TextureOperation;
  readonly dimension: TextureDimension;
  /** Which operands there are besides the coordinates. */
  readonly array: boolean;
  readonly shadow: boolean;
  readonly offset: boolean;
  readonly lodMode: LodMode;
  /** 'gather': channel 0…3. */
  readonly component: number;
  readonly integerCoordinates: boolean;
  /** 'gradient': sources are dx/dy pairs: ddx.x, ddy.x, ddx.y, … */
  readonly derivatives: boolean;
  readonly lodBiasDisable: boolean;
  readonly lodClampDisable: boolean;
}

/**
 * One texture instruction with its operands. Arrays of 16 by lane; absent operands are undefined. `texture` and `sampler`
 * are resource handles (table << 24 | index; abi/gpu/shader-descriptors.ts) per lane.
 */
export interface TextureRequest {
  readonly kind: TextureKind;
  /** The instruction's own name, for faults. */
  readonly name: string;
  readonly texture: Int32Array;
  readonly sampler: Int32Array;
  /** Coordinates: floats, or with `integerCoordinates` integers in the same bits. */
  x: Float32Array;
  y: Float32Array | undefined;
  z: Float32Array | undefined;
  /** Layer, unsigned integer. */
  array: Int32Array | undefined;
  /** Depth reference. */
  shadow: Float32Array | undefined;
  /** Bytes: offset x, y, then z or the sample index, then (fetch) the level. Signed offsets. */
  offset: Int32Array | undefined;
  /** Level or bias in signed 8.8 in bits 0-15 (bits 16-31: clamp). */
  lod: Int32Array | undefined;
  /** Result of 'gradient', two words. */
  gradient: readonly [Int32Array, Int32Array] | undefined;
  /** 'gradient' with derivatives: the pairs as they came. */
  deltas: readonly Float32Array[];
  /** Lanes without effect take texture and sampler from the first that has one; where none has, there is no result. */
  readonly skip: boolean;
  /** What the shader wants: floats, signed or unsigned integers; raw: what the texture has. */
  readonly type: LaneType;
  /** Set by the unit: what it has put into `out`, 32 bits each. The core narrows them. */
  result: 'float' | 'sint' | 'uint';
}

/** How emitted code samples with one texture and sampler: its number in the table of functions, and what it is given. */
export interface TextureCall {
  readonly slot: number;
  /** Scratch address of what it knows of texture and sampler. Good for the run, and for one generation of translations. */
  readonly record: number;
  readonly result: TextureRequest['result'];
}

/** Addressing of texels for image access: LEA_TEX, LD_TEX. */
export interface ImageRequest {
  name: string;
  texture: Int32Array;
  /** Texel coordinates, unsigned 16-bit. y, z, w as the dimension needs them. */
  x: Int32Array;
  y: Int32Array;
  z: Int32Array;
  w: Int32Array;
}

/** How texels that have addresses of their own lie. */
export interface TexelPlace {
  /** In u-interleaved tiles, not in rows. */
  readonly tiled: boolean;
  readonly bytes: number;
  /** Address of the first one. */
  readonly pointer: number;
  /** Bytes between rows, or rows of tiles, and between slices. */
  readonly rowStride: number;
  readonly sliceStride: number;
  /** No texel up to these coordinates begins further behind the first one. */
  furthest(x: number, y: number, slice: number): number;
}

/** Where an image's texels lie, for emitted code. */
export interface ImagePlane {
  /** The pixel format's word. */
  readonly format: number;
  /** The last column, row, slice or sample, and layer. */
  readonly lastX: number;
  readonly lastY: number;
  readonly lastZ: number;
  readonly lastLayer: number;
  /** Texels of one layer. */
  readonly place: TexelPlace;
}

/** How emitted code loads texels of an image: by what fetches them for TEX_FETCH. */
export interface ImageLoad {
  /** x, y, z, layer and offset as that has them; a sample's number stands where the offset has it. */
  readonly call: TextureCall;
  /** Any y but 0 is out of bounds, though the call does not look at it. */
  readonly flat: boolean;
  /** Bits of the slice or sample that are set out of bounds alone, which the call does not look at. */
  readonly slices: number;
}

/** The texture unit. Results are channel-major in `out`; 'gradient' puts its two words in channels 0 and 1. */
export interface TextureUnit {
  execute(environment: ShaderEnvironment, warp: Warp, mask: number, request: TextureRequest, out: LaneVectors): void;
  /**
   * The emitted function for instructions of this kind with this texture and sampler (handles), or undefined: then `execute` has
   * to be asked. May throw as `execute` does.
   */
  call(environment: ShaderEnvironment, kind: TextureKind, texture: number, sampler: number): TextureCall | undefined;
  /**
   * LEA_TEX: for each lane the address of the texel (low and high word, channels 0 and 1) and the conversion descriptor
   * (InternalConversion's memory format; channel 2) that ST_CVT uses. Out of bounds: address 0, for which ST_CVT stores
   * nothing.
   */
  texelAddress(environment: ShaderEnvironment, warp: Warp, mask: number, request: ImageRequest, out: LaneVectors): void;
  /**
   * The plane of the layer that two words of coordinates name (LEA_TEX's sources), or undefined where they lie out of bounds or
   * `texelAddress` has to be asked. May throw as that does.
   */
  image(environment: ShaderEnvironment, texture: number, xy: number, zw: number): ImagePlane | undefined;
  /** How LD_TEX's texels are fetched by emitted code; undefined where `loadTexel` has to be asked. May throw as that does. */
  imageLoad(environment: ShaderEnvironment, texture: number): ImageLoad | undefined;
  /** LD_TEX: the texel itself. Out of bounds: zeros. */
  loadTexel(
    environment: ShaderEnvironment,
    warp: Warp,
    mask: number,
    request: ImageRequest,
    type: LaneType,
    out: LaneVectors,
  ): void;
}
