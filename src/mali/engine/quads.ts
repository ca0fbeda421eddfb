/**
 * What the fragment front end hands to shaders: set-up primitives and lists of quads. Layouts in scratch memory, byte offsets.
 *
 * A quad names its primitive, so quads of many small primitives share warps: warp w of a list is quads 4w…4w+3, all of the same
 * draw, and vector k of a warp is quad k. A quad whose four masks are zero is padding; its primitive is a valid one all the same.
 * No two quads of a warp lie at the same place of the tile, so fragments of one pixel stay in drawing order whatever order a
 * warp does its things in.
 */

/** A primitive that is set up, kept for the job. */
export const PRIMITIVE = {
  /** Edge functions a * x + b * y + limit, three doubles each; the tie-break is in the limit: below zero is outside. */
  a: 0,
  b: 24,
  limit: 48,
  /** Depth at corner 0, its slopes by 1/256 pixel, and the corner (doubles). */
  z: 72,
  dzdx: 80,
  dzdy: 88,
  x0: 96,
  y0: 104,
  /**
   * Planes 0: 1/w, 1 and 2: the weights of vertex 0 and 1 times 1/w. Value at the origin, slopes by 1/256 pixel (doubles, at
   * `planeAt`).
   */
  planes: 112,
  /** The planes' origin in 1/256 pixel (doubles). */
  originX: 184,
  originY: 192,
  /** Depth bias of the draw for this primitive (double). */
  bias: 200,
  /** The shader's preloaded registers PRIMITIVE_ID and PRIMITIVE_FLAGS (1: back facing). */
  id: 208,
  flags: 212,
  /** PRIMITIVE_KIND: 1 point, 2 line, 3 triangle. */
  kind: 216,
  /** The job's number of the draw. */
  draw: 220,
  /** Pixels that it may touch, inclusive: within scissor and framebuffer. */
  minX: 224,
  minY: 228,
  maxX: 232,
  maxY: 236,
  /** SIMPLE: what recompiled code may do by itself. */
  simple: 240,
  /** Bytes of a vertex's varyings that can be read at the physical addresses below. */
  varyingBytes: 244,
  /** Physical addresses of the vertices' varyings: the provoking vertex's, then all three. */
  provoking: 248,
  vertices: 252,
  /** Virtual addresses of the vertex packets (three doubles), and the vertices' slots there. */
  packets: 264,
  slots: 288,
  /** Which vertex is the provoking one. */
  provokingVertex: 300,
  /** 1: all edges are short enough for 32-bit edge functions within a tile. */
  narrow: 304,
  /** What each plane adds from the first to all four pixels of a quad: four singles a plane. */
  steps: 320,
  size: 368,
} as const;

/** Where part k (value, x slope, y slope) of plane n is: those of the first two are neighbours. */
export const planeAt = (n: number, k: number): number => PRIMITIVE.planes + (n < 2 ? 16 * k + 8 * n : 48 + 8 * k);

/** WEIGHTS: a triangle, shaded at pixels' centres, whose weights it may compute; RECORDS: and whose varyings it may read. */
export const SIMPLE = { WEIGHTS: 1, RECORDS: 2 } as const;

/** Quads that a list holds. */
export const LIST_QUADS = 256;

/** A list of quads. */
export const QUAD_LIST = {
  /** Eight bytes a quad: u16 of samples for its pixels (0, 0), (1, 0), (0, 1), (1, 1). */
  mask: 0,
  /** u32 a quad: scratch address of its PRIMITIVE. */
  primitive: 2048,
  /** u8 a quad: the even place of its first pixel in the tile. */
  x: 3072,
  y: 3328,
  size: 3584,
} as const;
