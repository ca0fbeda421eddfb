/** What the function of a unit and the script around it tell each other. */

/** A warp's frame in scratch memory: byte offsets. */
export const FRAME = {
  /** Sixteen words: the number of the block where a lane goes on; all ones: none here. */
  next: 0,
  live: 64,
  discarded: 68,
  /** Instructions left of the slice. */
  fuel: 72,
  /** Lanes that the function has handed back, and the block at whose end. */
  mask: 76,
  place: 80,
  /** Scratch address of the fast-access uniforms. */
  fau: 84,
  /** What records of memory must be of: the address space's generation, the run's epoch. */
  generation: 88,
  epoch: 92,
  /** Scratch address of the fragment stage's part (STAGE), 0 without one. */
  stage: 96,
  /** 1: the warp begins; registers that nobody has preloaded are zero. */
  fresh: 100,
  /** Scratch address of a vertex stage's output buffer (OUTPUT), 0 without one. */
  output: 104,
  /** Scratch address of the list of threads that the run works off (engine/threads.ts); its next thread, and their number. */
  list: 108,
  thread: 112,
  threads: 116,
  /** Scratch address of the records of the unit in work. */
  records: 120,
  /** Which lane of its warp the first one in work is: code that takes fewer than a warp from a list has them all first. */
  lane: 124,
  /** Addresses that a load or store wants a record for: sixteen lower words, sixteen upper ones (or handles). */
  low: 128,
  high: 192,
  /** Weights of vertices 1 and 2 of the last varying load that asked to keep them: sixteen floats each. */
  weights: 256,
  /** Sixteen further words for who wants a record: handles. */
  third: 448,
  /** Address of the unit's first instruction (64 bits). */
  entry: 512,
} as const;
export const FRAME_BYTES = 576;

/** What a fragment stage tells recompiled shaders of its warp and primitive: byte offsets in scratch memory. */
export const STAGE = {
  /** Pixel of each lane, in the window. */
  x: 0,
  y: 64,
  /**
   * Scratch addresses of sixteen words each: the places of the lanes' pixels in the tile, which is where WARP begins
   * (fragment/wasm/raster.ts); samples that they stand for.
   */
  pixels: 240,
  coverage: 244,
  /** 1: depth and stencil have been tested before the shader runs, and what ATEST is given is what it leaves. */
  direct: 248,
  /** Scratch address of the tile's dirty bits, one a render target; behind them a word that is 1 for depth and stencil. */
  flags: 252,
  /** Scratch address of sixteen words: samples that the late test has left, all ones before it. */
  tested: 384,
  /** Scratch address of the list of quads (engine/quads.ts) that the run works off; its next warp, and the end of its warps. */
  list: 388,
  warp: 392,
  warps: 396,
  /** The tile's first pixel in the window. */
  left: 400,
  top: 404,
  /** The only sample that is shaded now, or -1. */
  sample: 408,
  /** 1: the program needs helper lanes. */
  helpers: 412,
  /** What is preloaded as FRAME_ARGUMENT. */
  argumentLow: 416,
  argumentHigh: 420,
  /** Scratch addresses of the primitives (engine/quads.ts) of the quads of the warp in work. */
  quads: 424,
  /** The next quad within the next warp: not 0 where code that takes fewer has stopped within a warp. */
  part: 440,
  /** Records of what BLEND does by the draw's own descriptor of each render target. */
  blend: 448,
  /**
   * Numbers of the emitted functions (engine/table.ts) that test after shading, before a colour, at ATEST and at ZS_EMIT
   * (fragment/wasm/late.ts: LateTest); 0 where the stage must be asked.
   */
  late: 704,
  alphaTest: 708,
  emit: 712,
  /** Scratch addresses of the tile's depth and stencil. */
  depth: 716,
  stencil: 720,
  /** 1: a draw that tests dirties them. That is the word behind `flags`. */
  touchDepth: 724,
  /** Samples that have passed such tests (64 bits). */
  passed: 728,
  /** The draw's depth range (doubles). */
  low: 736,
  high: 744,
  /** Number of the function that fills in a list's weights (list-weights.ts); 1: it has done so. */
  weigh: 752,
  weighed: 756,
} as const;
/**
 * kind; scratch address of the render target's words in the tile buffer; dirty bits to set; numbers of the emitted blend
 * functions for a quad (engine/table.ts) by BLEND_TYPES, 0 where there is none; bytes of a sample.
 */
export const BLEND_RECORD = { kind: 0, words: 4, touch: 8, slots: 12, bytes: 28 } as const;
export const BLEND_RECORD_BYTES = 32;
/** Kinds of numbers that BLEND sends. */
export const BLEND_TYPES = ['float', 'sint', 'uint', 'raw'] as const;
export const STAGE_BYTES = STAGE.weighed + 4;
/** A pixel's place in its tile: y << TILE_SHIFT | x. */
export const TILE_SHIFT = 4;

/**
 * STAGE: the fragment stage must be asked. NOTHING: the target is off. CALL: by the function of the record. SHADER: the program goes
 * on, to call a blend shader.
 */
export const BLEND_KIND = { STAGE: 0, NOTHING: 1, CALL: 2, SHADER: 3 } as const;

/**
 * What a load or store remembers: the generation or epoch that it is of, the extent's first address (or the buffer's
 * handle), its bytes, and its physical address.
 */
export const RECORD = { time: 0, high: 4, low: 8, size: 12, physical: 16 } as const;
export const RECORD_BYTES = 32;

/**
 * What a texture instruction remembers: the epoch that it is of, the two words of its source, the number of the emitted sampler
 * (0: there is none, the interpreter is asked) and the scratch address of its binding.
 */
export const TEXTURE_RECORD = { time: 0, high: 4, low: 8, slot: 12, binding: 16 } as const;

/**
 * What LD_TILE, or BLEND by a descriptor of the shader's own, remembers: the epoch that it is of, the two words that name format and
 * render target, the number of the emitted function (0: the interpreter is asked) and, as in BLEND_RECORD, where it works. BLEND: its kind.
 * LD_TILE: bytes from one sample to the next, where threads that stand for a sample load their own.
 */
export const TILE_RECORD = {
  ...{ time: 0, low: 4, high: 8, slot: 12, words: 16, bytes: 20, touch: 24, kind: 28, plane: 28 },
} as const;

/** Kinds of records. Behind those of TILE_LOAD and BLEND stands the kind of numbers (BLEND_TYPES), behind those of ATTRIBUTE, CONVERT_LOAD and CONVERT_STORE the shape of data. */
export const REFILL = {
  ...{
    READ: 0,
    WRITE: 1,
    BUFFER: 2,
    ADDRESS: 3,
    ATTRIBUTE: 4,
    ATOMIC: 5,
    TILE_LOAD: 6,
    BLEND: 7,
    TEXEL: 8,
    CONVERT_STORE: 9,
    TEXEL_LOAD: 10,
    CONVERT_LOAD: 11,
  },
} as const;

/**
 * What an address calculation remembers of its buffer: the epoch and handle that it is of, its address, the bytes of an
 * element, the last element whose place 32 bits can hold, and all ones if there is such a buffer. It takes one record.
 */
export const ADDRESS = { time: 0, handle: 4, low: 8, high: 12, stride: 16, last: 20, present: 24 } as const;

/**
 * What an attribute load remembers: the epoch and handle that it is of; the function that fetches (engine/table.ts); the first
 * element of the buffer and how many follow; the window of those that lie in one extent, and where in DRAM its first one
 * is; how elements are counted; and for LEA_ATTR, in place of the window, the address of element 0 and the format's word. It takes two records.
 */
export const ATTRIBUTE = {
  ...{ time: 0, handle: 4, slot: 8, first: 12, last: 16, low: 20, windowLast: 24, physical: 28, stride: 32 },
  ...{ offset: 36, divisorR: 40, divisorE: 44, divisorD: 48, baseLow: 52, baseHigh: 56, format: 60 },
} as const;
export const ATTRIBUTE_RECORDS = 2;

/**
 * What LEA_TEX remembers of an image: the epoch and handle that it is of; the function that finds addresses (texel-address.ts); the last
 * column, row, slice and layer; which layer the rest is of: the address of its first texel, and the bytes between rows (of tiles) and
 * between slices; and the format's word. It takes two records.
 */
export const TEXEL = {
  ...{ time: 0, handle: 4, slot: 8, lastX: 12, lastY: 16, lastZ: 20, lastLayer: 24, layer: 28, low: 32, high: 36 },
  ...{ rowStride: 40, sliceStride: 44, format: 48 },
} as const;
export const TEXEL_RECORDS = 2;

/**
 * What LD_TEX remembers of an image: the epoch and handle that it is of; the emitted sampler that fetches its texels (0: there is none,
 * the interpreter is asked) and its binding; and the bits of y and of the slice or sample that are not 0 out of bounds alone. Further
 * bounds are the sampler's.
 */
export const TEXEL_LOAD = { time: 0, handle: 4, slot: 8, binding: 12, y: 16, slice: 20 } as const;

/**
 * What a load or store with conversion remembers: the epoch and the format's word that it is of; the extent's first address, how many bytes
 * further the last texel may begin, and where in DRAM it lies; and the function that loads or stores (texel-load.ts, texel-store.ts).
 */
export const CONVERT = { time: 0, high: 4, low: 8, size: 12, physical: 16, format: 20, slot: 24 } as const;

/**
 * Where a vertex shader's results go, as OutputBuffer says (shader/contract.ts): address of the first element, bytes between
 * runs of 64 elements, bytes of one, and how many there are. Whoever fills it sees to it that 32 bits hold all offsets.
 */
export const OUTPUT = { low: 0, high: 4, packetStride: 8, stride: 12, count: 16 } as const;
export const OUTPUT_BYTES = 20;

/**
 * Why a function returned: no lane has anywhere to go, or the list is at its end; fuel is used up; lanes of `mask` were handed back;
 * or fuel is used up between two warps of a list.
 */
export const STATUS = { DONE: 0, MORE: 1, BARRIER: 2, INDIRECT: 3, LEAVE: 4, SLICE: 5 } as const;

/** What the interpreter's step says of the flow. */
export const STEP = { PLAIN: 0, IGNORE_FLOW: 1, TAKEN: 2 } as const;
