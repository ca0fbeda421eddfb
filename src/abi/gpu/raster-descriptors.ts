/**
 * Descriptors of the fixed-function graphics of architecture 10: what the tiler and the fragment front end read from
 * memory. Words are 32-bit; positions are given as (word, bit).
 *
 * Source: Mesa 25.0.7 `src/panfrost/lib/genxml/v10.xml`, `common.xml`.
 */
import { nameInternalFormat, namePixelFormat, nameSwizzle, nameWritebackFormat } from '../formats.ts';
import {
  address,
  bool,
  float,
  layout,
  log2,
  minusOne,
  named,
  nested,
  shifted,
  shown,
  sint,
  uint,
  word,
} from '../layout.ts';
import { BUFFER_TYPE, DESCRIPTOR_TYPE } from './shader-descriptors.ts';

// Enumerations.

export const DRAW_MODE = {
  NONE: 0,
  POINTS: 1,
  LINES: 2,
  LINE_STRIP: 4,
  LINE_LOOP: 6,
  TRIANGLES: 8,
  TRIANGLE_STRIP: 10,
  TRIANGLE_FAN: 12,
  POLYGON: 13,
  QUADS: 14,
} as const;
export const INDEX_TYPE = { NONE: 0, UINT8: 1, UINT16: 2, UINT32: 3 } as const;
export const POINT_SIZE_FORMAT = { NONE: 0, FP16: 2, FP32: 3 } as const;
export const FIFO_FORMAT = { AUTO: 0, BASIC: 1, EXTENDED: 2 } as const;
export const FUNC = {
  NEVER: 0,
  LESS: 1,
  EQUAL: 2,
  LEQUAL: 3,
  GREATER: 4,
  NOT_EQUAL: 5,
  GEQUAL: 6,
  ALWAYS: 7,
} as const;
export const STENCIL_OP = {
  KEEP: 0,
  REPLACE: 1,
  ZERO: 2,
  INVERT: 3,
  INCR_WRAP: 4,
  DECR_WRAP: 5,
  INCR_SAT: 6,
  DECR_SAT: 7,
} as const;
export const DEPTH_SOURCE = { MINIMUM: 0, MAXIMUM: 1, FIXED_FUNCTION: 2, SHADER: 3 } as const;
export const DEPTH_CLAMP_MODE = { ZERO_ONE: 1, BOUNDS: 2 } as const;
/** When depth and stencil kill a pixel, or are updated. */
export const PIXEL_KILL = { FORCE_EARLY: 0, STRONG_EARLY: 1, WEAK_EARLY: 2, FORCE_LATE: 3 } as const;
export const OCCLUSION_MODE = { DISABLED: 0, PREDICATE: 1, COUNTER: 3 } as const;
export const BLOCK_FORMAT = { NO_WRITE: 0, TILED_U_INTERLEAVED: 1, LINEAR: 2, AFBC: 12, AFBC_TILED: 13 } as const;
export const WRITEBACK_MODE = { COMPAT: 0, AFRC_RGB: 6, AFRC_YUV: 7 } as const;
export const MSAA = { SINGLE: 0, AVERAGE: 1, MULTIPLE: 2, LAYERED: 3 } as const;
export const SAMPLE_PATTERN = {
  SINGLE_SAMPLED: 0,
  ORDERED_4X_GRID: 1,
  ROTATED_4X_GRID: 2,
  D3D_8X_GRID: 3,
  D3D_16X_GRID: 4,
} as const;
/**
 * Where the samples of a pattern lie, [x, y] in 1/16 pixel from the pixel's centre.
 * Source: Mesa 25.0.7 `src/panfrost/lib/pan_samples.c`; the D3D grids are Direct3D 11's standard patterns.
 */
export const SAMPLE_GRIDS: Readonly<Record<number, readonly (readonly [x: number, y: number])[]>> = {
  [SAMPLE_PATTERN.SINGLE_SAMPLED]: [[0, 0]],
  [SAMPLE_PATTERN.ORDERED_4X_GRID]: [
    [-4, -4],
    [4, -4],
    [-4, 4],
    [4, 4],
  ],
  [SAMPLE_PATTERN.ROTATED_4X_GRID]: [
    [-2, -6],
    [6, -2],
    [-6, 2],
    [2, 6],
  ],
  [SAMPLE_PATTERN.D3D_8X_GRID]: [
    [1, -3],
    [-1, 3],
    [5, 1],
    [-3, -5],
    [-5, 5],
    [-7, -1],
    [3, 7],
    [7, -7],
  ],
  [SAMPLE_PATTERN.D3D_16X_GRID]: [
    [1, 1],
    [-1, -3],
    [-3, 2],
    [4, -1],
    [-5, -2],
    [2, 5],
    [5, 3],
    [3, -5],
    [-2, 6],
    [0, -7],
    [-4, -6],
    [-6, 4],
    [-8, 0],
    [7, -4],
    [6, 7],
    [-7, -8],
  ],
};
export const TIE_BREAK_RULE = {
  T0_IN_180_OUT: 0,
  T0_OUT_180_IN: 1,
  MINUS_180_IN_0_OUT: 2,
  MINUS_180_OUT_0_IN: 3,
  T90_IN_270_OUT: 4,
  T90_OUT_270_IN: 5,
  MINUS_90_IN_90_OUT: 6,
  MINUS_90_OUT_90_IN: 7,
} as const;
export const TILE_RENDER_ORDER = {
  Z_ORDER: 0,
  HORIZONTAL: 1,
  VERTICAL: 2,
  REVERSE_HORIZONTAL: 5,
  REVERSE_VERTICAL: 6,
} as const;
export const Z_INTERNAL_FORMAT = { D16: 0, D24: 1, D32: 2 } as const;
export const FRAME_SHADER_MODE = { NEVER: 0, ALWAYS: 1, INTERSECT: 2, EARLY_ZS_ALWAYS: 3 } as const;
export const ZS_FORMAT = { D16: 1, D24: 2, D24X8: 4, D24S8: 5, D32: 14 } as const;
export const S_FORMAT = { S8: 1, X24S8: 4 } as const;

/** Names the value of an enumeration above, for faults. */
export const nameOf = (values: Readonly<Record<string, number>>, value: number): string =>
  Object.keys(values).find((key) => values[key] === value) ?? `unknown value ${value}`;

// The tiler.

/** Low word of a draw's primitive state. The command stream keeps it in a register and ORs RUN_IDVS's override in. */
export const PrimitiveFlags = layout('Primitive Flags', 4, {
  drawMode: named(uint(0, 8), DRAW_MODE),
  indexType: named(uint(8, 3), INDEX_TYPE),
  pointSizeArrayFormat: named(uint(11, 2), POINT_SIZE_FORMAT),
  primitiveIndexEnable: bool(13),
  primitiveIndexWriteback: bool(14),
  allowRotatingPrimitives: bool(15),
  lowDepthCull: bool(16),
  highDepthCull: bool(17),
  secondaryShader: bool(18),
  primitiveRestart: bool(19),
  layerIndexEnable: bool(20),
  scissorArrayEnable: bool(21),
  positionFifoFormat: named(uint(22, 2), FIFO_FORMAT),
  viewMask: uint(24, 8),
});

/** Pixels that a draw may touch; all four ends belong to it. */
export const Scissor = layout('Scissor', 8, {
  minimumX: uint(word(0), 16),
  minimumY: uint(word(0, 16), 16),
  maximumX: uint(word(1), 16),
  maximumY: uint(word(1, 16), 16),
});

/** Point size or line width in pixels, or the array of per-vertex point sizes. */
export const PrimitiveSize = layout('Primitive Size', 8, { constant: float(word(0)) });

export const TilerContext = layout(
  'Tiler Context',
  128,
  {
    polygonList: address(word(0)),
    hierarchyMask: uint(word(2), 13),
    samplePattern: named(uint(word(2, 13), 3), SAMPLE_PATTERN),
    sampleTestDisable: bool(word(2, 17)),
    firstProvokingVertex: bool(word(2, 18)),
    fbWidth: minusOne(word(3), 16),
    fbHeight: minusOne(word(3, 16), 16),
    layerCount: minusOne(word(4), 8),
    layerOffset: sint(word(4, 8), 9),
    heap: address(word(6)),
    geometryBufferSize: shifted(word(8), 12, 12),
    geometryBuffer: shifted(word(8, 12), 52, 12),
    completedTop: address(word(10)),
    completedBottom: address(word(12)),
    /** Eight words that belong to the tiler. */
    private0: uint(word(24), 32),
    private1: uint(word(25), 32),
  },
  64,
);

export const TilerHeapDescriptor = layout(
  'Tiler Heap',
  32,
  {
    type: named(uint(word(0), 4), DESCRIPTOR_TYPE),
    bufferType: named(uint(word(0, 4), 4), BUFFER_TYPE),
    chunkSize: uint(word(0, 8), 2),
    partitioning: uint(word(0, 10), 2),
    size: uint(word(1), 32),
    base: address(word(2)),
    bottom: address(word(4)),
    top: address(word(6)),
  },
  32,
);

// The draw call descriptor (DCD).

const dcdFlags0 = (at: number) => ({
  allowForwardPixelToKill: bool(at),
  allowForwardPixelToBeKilled: bool(at + 1),
  pixelKillOperation: named(uint(at + 2, 2), PIXEL_KILL),
  zsUpdateOperation: named(uint(at + 4, 2), PIXEL_KILL),
  allowPrimitiveReorder: bool(at + 6),
  overdrawAlpha0: bool(at + 7),
  overdrawAlpha1: bool(at + 8),
  cleanFragmentWrite: bool(at + 9),
  primitiveBarrier: bool(at + 10),
  evaluatePerSample: bool(at + 11),
  singleSampledLines: bool(at + 13),
  occlusionQuery: named(uint(at + 14, 2), OCCLUSION_MODE),
  frontFaceCcw: bool(at + 16),
  cullFrontFace: bool(at + 17),
  cullBackFace: bool(at + 18),
  multisampleEnable: bool(at + 19),
  shaderModifiesCoverage: bool(at + 20),
  alphaToCoverageInvert: bool(at + 21),
  alphaToCoverage: bool(at + 22),
  scissorToBoundingBox: bool(at + 23),
});
const dcdFlags1 = (at: number) => ({
  sampleMask: uint(at, 16),
  renderTargetMask: uint(at + 16, 8),
});

export const DcdFlags0 = layout('DCD Flags 0', 4, dcdFlags0(0));
export const DcdFlags1 = layout('DCD Flags 1', 4, dcdFlags1(0));
export const DcdFlags2 = layout('DCD Flags 2', 4, { readMask: uint(0, 12), writeMask: uint(12, 12) });

/** What a shader sees besides its registers. `fauCount` in 64-bit words. */
export const ShaderEnvironment = layout(
  'Shader Environment',
  64,
  {
    attributeOffset: uint(word(0), 32),
    fauCount: uint(word(1), 8),
    /** Address of the resource table; its low six bits count the entries. */
    resources: address(word(8)),
    shader: address(word(10)),
    threadStorage: address(word(12)),
    fau: address(word(14)),
  },
  64,
);

/** `flags0`…`flags2` are the raw words of the flag fields, as the command stream keeps them in registers. */
export const Draw = layout(
  'Draw',
  128,
  {
    ...dcdFlags0(word(0)),
    ...dcdFlags1(word(1)),
    flags0: uint(word(0), 32),
    flags1: uint(word(1), 32),
    /** Vertex array: packets of `vertexPacketStride` bytes with `vertexAttributeStride` bytes of varyings each. */
    vertexPacket: bool(word(2)),
    vertexArray: shifted(word(2, 6), 47, 6),
    vertexPacketStride: uint(word(4), 16),
    vertexAttributeStride: uint(word(4, 16), 16),
    flags2: uint(word(5), 32),
    minimumZ: float(word(6)),
    maximumZ: float(word(7)),
    depthStencil: address(word(10)),
    blendCount: uint(word(12), 4),
    blend: shifted(word(12, 4), 49, 4),
    occlusion: address(word(14)),
    shader: nested(ShaderEnvironment, word(16)),
  },
  64,
);

export const DepthStencil = layout(
  'Depth/stencil',
  32,
  {
    type: named(uint(word(0), 4), DESCRIPTOR_TYPE),
    frontCompareFunction: named(uint(word(0, 4), 3), FUNC),
    frontStencilFail: named(uint(word(0, 7), 3), STENCIL_OP),
    frontDepthFail: named(uint(word(0, 10), 3), STENCIL_OP),
    frontDepthPass: named(uint(word(0, 13), 3), STENCIL_OP),
    backCompareFunction: named(uint(word(0, 16), 3), FUNC),
    backStencilFail: named(uint(word(0, 19), 3), STENCIL_OP),
    backDepthFail: named(uint(word(0, 22), 3), STENCIL_OP),
    backDepthPass: named(uint(word(0, 25), 3), STENCIL_OP),
    stencilFromShader: bool(word(0, 30)),
    stencilTestEnable: bool(word(0, 31)),
    frontWriteMask: uint(word(1), 8),
    backWriteMask: uint(word(1, 8), 8),
    frontValueMask: uint(word(1, 16), 8),
    backValueMask: uint(word(1, 24), 8),
    frontReferenceValue: uint(word(2), 8),
    backReferenceValue: uint(word(2, 8), 8),
    shaderReadOnlyZs: bool(word(4, 21)),
    depthCullEnable: bool(word(4, 22)),
    depthClampMode: named(uint(word(4, 23), 2), DEPTH_CLAMP_MODE),
    depthSource: named(uint(word(4, 25), 2), DEPTH_SOURCE),
    depthWriteEnable: bool(word(4, 27)),
    depthBiasEnable: bool(word(4, 28)),
    depthFunction: named(uint(word(4, 29), 3), FUNC),
    depthUnits: float(word(5)),
    depthFactor: float(word(6)),
    depthBiasClamp: float(word(7)),
  },
  32,
);

// Blending: colour = A + B × C for RGB and for alpha.

export const BLEND_A = { ZERO: 1, SRC: 2, DEST: 3 } as const;
export const BLEND_B = { SRC_MINUS_DEST: 0, SRC_PLUS_DEST: 1, SRC: 2, DEST: 3 } as const;
export const BLEND_C = {
  ZERO: 1,
  SRC: 2,
  DEST: 3,
  SRC_X_2: 4,
  SRC_ALPHA: 5,
  DEST_ALPHA: 6,
  CONSTANT: 7,
} as const;
export const BLEND_MODE = { SHADER: 0, OPAQUE: 1, FIXED_FUNCTION: 2, OFF: 3 } as const;
export const REGISTER_FORMAT = { F16: 0, F32: 1, I32: 2, U32: 3, I16: 4, U16: 5 } as const;

/** Twelve bits of a BlendEquation. */
export const BlendFunction = layout('Blend Function', 4, {
  a: named(uint(0, 2), BLEND_A),
  negateA: bool(3),
  b: named(uint(4, 2), BLEND_B),
  negateB: bool(7),
  c: named(uint(8, 3), BLEND_C),
  invertC: bool(11),
});

/** How pixels are kept in the tile buffer, as a shader instruction names it: a pixel format and registers' type. */
export const InternalConversion = layout('Internal Conversion', 4, {
  memoryFormat: shown(uint(0, 22), namePixelFormat),
  raw: bool(22),
  registerFormat: named(uint(24, 3), REGISTER_FORMAT),
});

export const Blend = layout(
  'Blend',
  16,
  {
    loadDestination: bool(word(0)),
    alphaToOne: bool(word(0, 8)),
    enable: bool(word(0, 9)),
    srgb: bool(word(0, 10)),
    roundToFbPrecision: bool(word(0, 11)),
    /** Constant colour, unsigned normalised in 16 bits. */
    constant: uint(word(0, 16), 16),
    rgb: uint(word(1), 12),
    alpha: uint(word(1, 12), 12),
    colorMask: uint(word(1, 28), 4),
    /** Words 2 and 3 as the shader reads them from its FAU. */
    internalLow: uint(word(2), 32),
    internalHigh: uint(word(3), 32),
    mode: named(uint(word(2), 2), BLEND_MODE),
    numComps: minusOne(word(2, 3), 2),
    rt: uint(word(2, 16), 4),
    /** Blend shader, low 32 bits of its address; the high half is the fragment shader's. */
    shaderPc: shifted(word(3, 4), 28, 4),
    conversion: nested(InternalConversion, word(3)),
  },
  16,
);

// The framebuffer.

export const FramebufferParameters = layout(
  'Framebuffer Parameters',
  64,
  {
    preFrame0: named(uint(word(0), 3), FRAME_SHADER_MODE),
    preFrame1: named(uint(word(0, 3), 3), FRAME_SHADER_MODE),
    postFrame: named(uint(word(0, 6), 3), FRAME_SHADER_MODE),
    downscaleGeometry: uint(word(0, 9), 2),
    internalLayerIndex: uint(word(0, 24), 8),
    frameArgumentLow: uint(word(2), 32),
    frameArgumentHigh: uint(word(3), 32),
    sampleLocations: address(word(4)),
    frameShaderDcds: address(word(6)),
    width: minusOne(word(8), 16),
    height: minusOne(word(8, 16), 16),
    boundMinX: uint(word(9), 16),
    boundMinY: uint(word(9, 16), 16),
    boundMaxX: uint(word(10), 16),
    boundMaxY: uint(word(10, 16), 16),
    sampleCount: log2(word(11), 3),
    samplePattern: named(uint(word(11, 3), 3), SAMPLE_PATTERN),
    tieBreakRule: named(uint(word(11, 6), 3), TIE_BREAK_RULE),
    /** Pixels in a tile. */
    effectiveTileSize: log2(word(11, 9), 4),
    firstProvokingVertex: bool(word(11, 14)),
    pointSpriteCoordOriginMaxY: bool(word(11, 15)),
    blendSuppressInf: bool(word(11, 16)),
    blendSuppressNan: bool(word(11, 17)),
    blendSuppressDenorm: bool(word(11, 18)),
    renderTargetCount: minusOne(word(11, 19), 4),
    colorBufferAllocation: shifted(word(11, 24), 8, 10),
    sClear: uint(word(12), 8),
    sWriteEnable: bool(word(12, 8)),
    sPreloadEnable: bool(word(12, 9)),
    sUnloadEnable: bool(word(12, 10)),
    zInternalFormat: named(uint(word(12, 16), 2), Z_INTERNAL_FORMAT),
    zWriteEnable: bool(word(12, 18)),
    zPreloadEnable: bool(word(12, 19)),
    zUnloadEnable: bool(word(12, 20)),
    hasZsCrcExtension: bool(word(12, 21)),
    emptyTileReadEnable: bool(word(12, 28)),
    emptyTileWriteEnable: bool(word(12, 29)),
    crcReadEnable: bool(word(12, 30)),
    crcWriteEnable: bool(word(12, 31)),
    zClear: float(word(13)),
    tiler: address(word(14)),
  },
  64,
);

/** Bytes from the framebuffer parameters to what follows them: the extension if present, then the render targets. */
export const FRAMEBUFFER_SIZE = 128;
export const MAX_RENDER_TARGETS = 8;

export const ZsCrcExtension = layout(
  'ZS CRC Extension',
  64,
  {
    zsWriteFormat: named(uint(word(0), 4), ZS_FORMAT),
    zsBlockFormat: named(uint(word(0, 4), 4), BLOCK_FORMAT),
    zsMsaa: named(uint(word(0, 8), 2), MSAA),
    crcRenderTarget: uint(word(0, 13), 4),
    sWriteFormat: named(uint(word(0, 16), 4), S_FORMAT),
    sBlockFormat: named(uint(word(0, 20), 4), BLOCK_FORMAT),
    sMsaa: named(uint(word(0, 24), 2), MSAA),
    afbcReverseIssueOrder: bool(word(0, 30)),
    zsCleanPixelWriteEnable: bool(word(0, 31)),
    crcRowStride: uint(word(1), 32),
    crcBase: address(word(4)),
    zsWritebackBase: address(word(8)),
    zsWritebackRowStride: uint(word(10), 32),
    zsWritebackSurfaceStride: uint(word(11), 32),
    zsAfbcBodyOffset: uint(word(11), 32),
    sWritebackBase: address(word(12)),
    sWritebackRowStride: uint(word(14), 32),
    sWritebackSurfaceStride: uint(word(15), 32),
  },
  64,
);

/** The members of the AFBC variant overlay those of the plain one. */
export const RenderTarget = layout(
  'Render Target',
  64,
  {
    writebackMode: named(uint(word(0), 4), WRITEBACK_MODE),
    internalBufferOffset: shifted(word(0, 4), 12, 4),
    yuvEnable: bool(word(0, 24)),
    ditheredClear: bool(word(0, 25)),
    internalFormat: shown(uint(word(0, 26), 6), nameInternalFormat),
    writeEnable: bool(word(1)),
    writebackFormat: shown(uint(word(1, 3), 5), nameWritebackFormat),
    writebackBlockFormat: named(uint(word(1, 8), 4), BLOCK_FORMAT),
    writebackMsaa: named(uint(word(1, 12), 2), MSAA),
    srgb: bool(word(1, 14)),
    ditheringEnable: bool(word(1, 15)),
    swizzle: shown(uint(word(1, 16), 12), nameSwizzle),
    cleanPixelWriteEnable: bool(word(1, 31)),
    afbcYuvTransform: bool(word(2)),
    afbcSplitBlock: bool(word(2, 1)),
    afbcWideBlock: bool(word(2, 2)),
    afbcReverseIssueOrder: bool(word(2, 3)),
    afbcFrontBuffer: bool(word(2, 4)),
    afbcAlphaHint: bool(word(2, 5)),
    afbcCompressionMode: uint(word(2, 10), 6),
    /** Pixels, or AFBC headers. */
    base: address(word(8)),
    rowStride: uint(word(10), 32),
    surfaceStride: uint(word(11), 32),
    afbcBodyOffset: uint(word(11), 32),
    clear0: uint(word(12), 32),
    clear1: uint(word(13), 32),
    clear2: uint(word(14), 32),
    clear3: uint(word(15), 32),
  },
  64,
);

/** Low six bits of the framebuffer address in RUN_FRAGMENT's register; the descriptor itself is 64-byte aligned. */
export const FramebufferPointer = layout('Framebuffer pointer', 8, {
  type: bool(0),
  zsCrcExtensionPresent: bool(1),
  renderTargetCount: minusOne(2, 4),
  pointer: shifted(6, 47, 6),
});

/** One sample position: x, y in 1/256 of a pixel from its top left corner. 32 of them, then the origin. */
export const SamplePosition = layout('Sample Position', 4, { x: uint(0, 16), y: uint(16, 16) });
