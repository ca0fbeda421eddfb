/**
 * The polygon list: what the tiler leaves in its heap for the fragment front end.
 *
 * The hardware's own format is not published; this one is ours. It lies in the same place, the chunks of the tiler heap, and
 * is found the same way, through TILER_CONTEXT.polygonList: zero, or the address of the list. A list is a chain of
 * blocks with primitives in drawing order; each primitive names its draw and the vertex packets of its vertices. Nothing
 * else than this repository's tiler and fragment front end knows it. Both take what they read for hostile.
 */
import { address, float, layout, nested, sint, uint, word } from '../layout.ts';
import { Draw } from './raster-descriptors.ts';

/** "PLST", "PBLK", "DRAW" in memory order. */
export const POLYGON_LIST_MAGIC = 0x54534c50;
export const POLYGON_BLOCK_MAGIC = 0x4b4c4250;
export const DRAW_RECORD_MAGIC = 0x57415244;

/** The list's head. `last` is where the tiler goes on. */
export const PolygonList = layout('PolygonList', 64, {
  magic: uint(word(0), 32),
  blocks: uint(word(1), 32),
  first: address(word(2)),
  last: address(word(4)),
});

/** Head of a block, followed by `count` ≤ `capacity` primitives. `sequence`: 0, 1, 2 … along the chain. */
export const PolygonBlock = layout('PolygonBlock', 64, {
  magic: uint(word(0), 32),
  sequence: uint(word(1), 32),
  count: uint(word(2), 32),
  capacity: uint(word(3), 32),
  next: address(word(4)),
});

/** What all primitives of a draw share: its descriptor as the fragment front end wants it, and what the tiler knows. */
export const DrawRecord = layout(
  'DrawRecord',
  192,
  {
    magic: uint(word(0), 32),
    scissorMinX: uint(word(4), 16),
    scissorMinY: uint(word(4, 16), 16),
    scissorMaxX: uint(word(5), 16),
    scissorMaxY: uint(word(5, 16), 16),
    draw: nested(Draw, word(16)),
  },
  64,
);

/**
 * A corner of what is rastered: window position in 1/256 pixel, depth, 1/w, and the weights there of the primitive's
 * second and third vertex (the first one's is the rest to 1). For a point the weights are gl_PointCoord instead.
 */
const corner = (at: number) => ({
  x: sint(at, 32),
  y: sint(at + 32, 32),
  z: float(at + 64),
  inverseW: float(at + 96),
  weight1: float(at + 128),
  weight2: float(at + 160),
});
export const Corner = layout('Corner', 24, corner(0));

export const PRIMITIVE_KIND = { POINT: 1, LINE: 2, TRIANGLE: 3 } as const;

/** One triangle to raster. Lines, points and clipped polygons are several, with the same `id`. */
export const PrimitiveRecord = layout('PrimitiveRecord', 128, {
  draw: address(word(0)),
  packet0: address(word(2)),
  packet1: address(word(4)),
  packet2: address(word(6)),
  slot0: uint(word(8), 6),
  slot1: uint(word(8, 6), 6),
  slot2: uint(word(8, 12), 6),
  /** Vertex of the primitive that flat varyings come from. */
  provoking: uint(word(8, 18), 2),
  kind: uint(word(8, 20), 2),
  backFacing: uint(word(8, 22), 1),
  layer: uint(word(8, 24), 8),
  id: uint(word(9), 32),
  corner0: nested(Corner, word(10)),
  corner1: nested(Corner, word(16)),
  corner2: nested(Corner, word(22)),
  /** Pixels that it may touch, inclusive. */
  minX: uint(word(28), 16),
  minY: uint(word(28, 16), 16),
  maxX: uint(word(29), 16),
  maxY: uint(word(29, 16), 16),
});

/** Most primitives that one list may hold; more is refused as nonsense. */
export const MAX_LIST_PRIMITIVES = 1 << 22;
export const MAX_BLOCK_PRIMITIVES = 256;
