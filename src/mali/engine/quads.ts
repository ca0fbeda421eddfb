/**
 * What the fragment front end hands to shaders: set-up primitives and lists of quads. Layouts in scratch memory, byte offsets.
 *
 * A quad names its primitive, so quads of many small primitives share warps: warp w of a list is quads 4w…4w+3, all of the same
 * draw, and vector k of a warp is quad k. A quad whose four masks are zero is padding; its primitive is a valid one all the same.
 * No two quads of a warp lie at the same place of the tile, so fragments of one pixel stay in drawing order whatever order a
 * warp does its things in.
 */

/**
 * A primitive that is set up, kept for the job. What coverage asks of it is in one line of a cache, what depth asks in the next, what
 * recompiled shaders ask in that and the two behind it.
 */
export const PRIMITIVE = {
  /** Edge functions a * x + b * y + limit; the tie-break is in the limit: below zero is outside. Three words each, ... */
  a: 0,
  /** The job's number of the draw. */
  draw: 12,
  b: 16,
  /** The shader's preloaded register PRIMITIVE_FLAGS (1: back facing). */
  flags: 28,
  /** ... and three doubles. */
  limit: 32,
  /** Pixels that it may touch, inclusive: within scissor and framebuffer (16 bits each). */
  minX: 56,
  minY: 58,
  maxX: 60,
  maxY: 62,
  /** Depth at corner 0, and its slopes by 1/256 pixel (doubles). */
  z: 64,
  dzdx: 72,
  dzdy: 80,
  /** Depth bias of the draw for this primitive (double). */
  bias: 88,
  /** Corner 0 in 1/256 pixel (doubles): the origin of depth and planes. */
  originX: 96,
  originY: 104,
  /** Physical addresses of the vertices' varyings: the provoking vertex's, then all three. */
  provoking: 112,
  vertices: 116,
  /**
   * Planes 0: 1/w, 1 and 2: the weights of vertices 1 and 2 times 1/w (of a point its coordinate). Value at the origin, slopes by 1/256 pixel (doubles, at
   * `planeAt`).
   */
  planes: 128,
  /** SIMPLE: what recompiled code may do by itself. */
  simple: 200,
  /** Bytes of a vertex's varyings that can be read at the physical addresses. */
  varyingBytes: 204,
  /** What each plane adds from the first to all four pixels of a quad: four singles a plane. */
  steps: 208,
  /** The shader's preloaded register PRIMITIVE_ID. */
  id: 256,
  /** PRIMITIVE_KIND: 1 point, 2 line, 3 triangle. */
  kind: 260,
  /** Which vertex is the provoking one. */
  provokingVertex: 264,
  /** Virtual addresses of the vertex packets (three doubles), and the vertices' slots there. */
  packets: 272,
  slots: 296,
  size: 320,
} as const;

/** Where part k (value, x slope, y slope) of plane n is: those of the first two are neighbours. */
export const planeAt = (n: number, k: number): number => PRIMITIVE.planes + (n < 2 ? 16 * k + 8 * n : 48 + 8 * k);

/**
 * WEIGHTS: a triangle or line, whose weights at pixels' centres it may compute; RECORDS: and whose varyings it may read. CENTERS: whichever place
 * of a pixel a load names is its centre.
 */
export const SIMPLE = { WEIGHTS: 1, RECORDS: 2, CENTERS: 4 } as const;

/** Quads that a list holds. */
export const LIST_QUADS = 256;

/** Weights of a quad's vertices 1 and 2 at its pixels' centres: four singles each. */
export const WEIGHTS_BYTES = 32;

/** A list of quads. */
export const QUAD_LIST = {
  /** Eight bytes a quad: u16 of samples for its pixels (0, 0), (1, 0), (0, 1), (1, 1). */
  mask: 0,
  /** u32 a quad: scratch address of its PRIMITIVE. */
  primitive: 2048,
  /** u8 a quad: the even place of its first pixel in the tile. */
  x: 3072,
  y: 3328,
  /** WEIGHTS_BYTES a quad, made when a shader wants them (recompiler/list-weights.ts). */
  weights: 3584,
  size: 11776,
} as const;
