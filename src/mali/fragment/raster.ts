/**
 * Triangle: which samples of a tile it covers, and what it has there. The rasteriser.
 *
 * Corners are in 1/256 pixel, so edge functions are integers; inside the guard band they stay below 2^53 and doubles hold them
 * exactly. A sample on an edge belongs to one of the two triangles that share it, as the framebuffer's tie-break rule says: mostly to
 * the one that has it as its left or top edge. Weights are linear in the window; dividing by the interpolated 1/w makes them perspective-correct.
 */
import type { PrimitiveRecord } from '../../abi/gpu/polygon-list.ts';
import { TIE_BREAK_RULE } from '../../abi/gpu/raster-descriptors.ts';
import type { Infer } from '../../abi/layout.ts';
import { PRIMITIVE, planeAt } from '../engine/quads.ts';
import { scratch } from '../engine/scratch.ts';
import { BLOCK, LARGE } from './wasm/block-words.ts';
import { COVERAGE } from './wasm/raster.ts';

/** Pixels along a side of a tile, and quads in it. */
export const TILE = 16;
export const TILE_PIXELS = TILE * TILE;
export const TILE_QUADS = TILE_PIXELS / 4;
/** Sub-pixel positions in a pixel. */
export const SUBPIXEL = 256;
/** Coordinates of corners lie within ± this: the tiler's guard band, and half a line or point more. */
export const MAX_CORNER = (65536 + 1024) * SUBPIXEL;

/** Sample positions in 1/256 pixel from the pixel's top left corner. */
export interface SamplePattern {
  readonly count: number;
  readonly x: Int32Array;
  readonly y: Int32Array;
}

export const CENTER: SamplePattern = { count: 1, x: Int32Array.of(128), y: Int32Array.of(128) };

/**
 * Which edges have the samples on them: those along which (dx, dy), with the triangle to the right of it as y points down, has a
 * product below zero with this direction.
 */
export interface TieBreak {
  readonly x: number;
  readonly y: number;
}

/** More than an edge is long: what it is multiplied by comes first, and the other direction decides where that is 0. */
const FIRST = 2 ** 26;
/**
 * By TIE_BREAK_RULE, which names the half turn of directions that are in, and which of its two ends. An edge's direction is its
 * angle to the left as one goes around the triangle the other way; so -180 is a top edge, -90 a left one, 0 a bottom edge.
 * MINUS_180_IN_0_OUT is what Gallium calls the top-left rule, MINUS_180_OUT_0_IN its bottom_edge_rule (Mesa's pipe_rasterizer_state).
 */
const TIE_BREAKS: Readonly<Record<number, TieBreak>> = {
  [TIE_BREAK_RULE.T0_IN_180_OUT]: { x: 1, y: -FIRST },
  [TIE_BREAK_RULE.T0_OUT_180_IN]: { x: -1, y: -FIRST },
  [TIE_BREAK_RULE.MINUS_180_IN_0_OUT]: { x: -1, y: FIRST },
  [TIE_BREAK_RULE.MINUS_180_OUT_0_IN]: { x: 1, y: FIRST },
  [TIE_BREAK_RULE.T90_IN_270_OUT]: { x: -FIRST, y: -1 },
  [TIE_BREAK_RULE.T90_OUT_270_IN]: { x: -FIRST, y: 1 },
  [TIE_BREAK_RULE.MINUS_90_IN_90_OUT]: { x: FIRST, y: 1 },
  [TIE_BREAK_RULE.MINUS_90_OUT_90_IN]: { x: FIRST, y: -1 },
};

/** `rule`: a TIE_BREAK_RULE; its three bits have no other values. */
export const tieBreakOf = (rule: number): TieBreak => TIE_BREAKS[rule]!;

/** Coverages that nobody uses, for the next job. */
const coverages: Coverage[] = [];

/** What of a tile a triangle covers: quads, and for each of their four pixels a mask of samples. Reused. */
export class Coverage {
  count = 0;
  /** In scratch memory, where emitted code finds it. */
  readonly at = scratch.owned(this, COVERAGE.size);
  /** Position of the quad's first pixel in the tile. */
  readonly x = new Uint8Array(scratch.buffer, this.at + COVERAGE.x, TILE_QUADS);
  readonly y = new Uint8Array(scratch.buffer, this.at + COVERAGE.y, TILE_QUADS);
  /** [quad * 4 + (x & 1) + 2 * (y & 1)] */
  readonly mask = new Uint16Array(scratch.buffer, this.at + COVERAGE.mask, TILE_QUADS * 4);

  static take(): Coverage {
    return coverages.pop() ?? new Coverage();
  }

  /** Gives one back that nobody uses any more. */
  close(): void {
    coverages.push(this);
  }
}

/** The quads between two pixels, in the order in which they are covered: block by block (LARGE), and row by row in a block. */
function* quadsOf(x0: number, y0: number, x1: number, y1: number): Generator<readonly [x: number, y: number]> {
  const start = x1 - x0 + (y1 - y0) >= LARGE ? -BLOCK : -2;
  for (let by = y0 & start; by <= y1; by += BLOCK) {
    for (let bx = x0 & start; bx <= x1; bx += BLOCK) {
      for (let y = by; y <= Math.min(by + BLOCK - 1, y1); y += 2) {
        for (let x = bx; x <= Math.min(bx + BLOCK - 1, x1); x += 2) yield [x, y];
      }
    }
  }
}

type Corner = Infer<typeof PrimitiveRecord>['corner0'];
type Corners = Pick<Infer<typeof PrimitiveRecord>, 'corner0' | 'corner1' | 'corner2'>;

/** A set-up primitive in scratch memory (engine/quads.ts): its corners become edges, depth and planes here. */
export class Triangle {
  /** Where the PRIMITIVE lies that is looked at. */
  at: number;

  constructor(at: number) {
    this.at = at;
  }

  #get(offset: number): number {
    return scratch.f64[(this.at + offset) / 8]!;
  }

  #put(offset: number, value: number): void {
    scratch.f64[(this.at + offset) / 8] = value;
  }

  /** Takes a primitive's corners. False if it has no area. */
  set({ corner0: p, corner1, corner2 }: Corners, tieBreak: TieBreak): boolean {
    let [q, r] = [corner1, corner2];
    let area = (q.x - p.x) * (r.y - p.y) - (r.x - p.x) * (q.y - p.y);
    if (area === 0) return false;
    if (area < 0) {
      [q, r] = [r, q];
      area = -area;
    }
    this.#edge(0, q, r, tieBreak);
    this.#edge(1, r, p, tieBreak);
    this.#edge(2, p, q, tieBreak);
    const z1 = q.z - p.z;
    const z2 = r.z - p.z;
    this.#put(PRIMITIVE.z, p.z);
    this.#put(PRIMITIVE.dzdx, (z1 * (r.y - p.y) - z2 * (q.y - p.y)) / area);
    this.#put(PRIMITIVE.dzdy, (z2 * (q.x - p.x) - z1 * (r.x - p.x)) / area);
    this.#put(PRIMITIVE.originX, p.x);
    this.#put(PRIMITIVE.originY, p.y);
    const corners = [p, q, r];
    this.#plane(0, corners, area, ({ inverseW }) => inverseW);
    this.#plane(1, corners, area, ({ inverseW, weight1 }) => inverseW * weight1);
    this.#plane(2, corners, area, ({ inverseW, weight2 }) => inverseW * weight2);
    return true;
  }

  /** Edge i lies opposite corner i. */
  #edge(i: number, from: Corner, to: Corner, tieBreak: TieBreak): void {
    const dx = to.x - from.x;
    const dy = to.y - from.y;
    const c = dy * from.x - dx * from.y;
    scratch.i32[(this.at + PRIMITIVE.a) / 4 + i] = -dy;
    scratch.i32[(this.at + PRIMITIVE.b) / 4 + i] = dx;
    this.#put(PRIMITIVE.limit + i * 8, tieBreak.x * dx + tieBreak.y * dy < 0 ? c : c - 1);
  }

  /** What edge i's function is made of. */
  #edgeAt(i: number): readonly [a: number, b: number, limit: number] {
    const { i32 } = scratch;
    const a = i32[(this.at + PRIMITIVE.a) / 4 + i]!;
    const b = i32[(this.at + PRIMITIVE.b) / 4 + i]!;
    return [a, b, this.#get(PRIMITIVE.limit + i * 8)];
  }

  #plane(n: number, corners: readonly Corner[], area: number, value: (corner: Corner) => number): void {
    let x = 0;
    let y = 0;
    corners.forEach((corner, i) => {
      const [a, b] = this.#edgeAt(i);
      x += a * value(corner);
      y += b * value(corner);
    });
    this.#put(planeAt(n, 0), value(corners[0]!));
    this.#put(planeAt(n, 1), x / area);
    this.#put(planeAt(n, 2), y / area);
    for (let i = 0; i < 4; i++) {
      const step = steps(x / area, y / area, (i & 1) * SUBPIXEL, (i >> 1) * SUBPIXEL);
      scratch.f32[(this.at + PRIMITIVE.steps) / 4 + n * 4 + i] = step;
    }
  }

  /** Largest change of depth from pixel to pixel. */
  get slope(): number {
    return Math.max(Math.abs(this.#get(PRIMITIVE.dzdx)), Math.abs(this.#get(PRIMITIVE.dzdy))) * SUBPIXEL;
  }

  /**
   * Collects what the triangle covers of the tile whose first pixel is (left, top), within its bounds, at the samples of
   * `pattern`.
   */
  cover(left: number, top: number, pattern: SamplePattern, out: Coverage): void {
    const { u16 } = scratch;
    out.count = 0;
    const x0 = Math.max(left, u16[(this.at + PRIMITIVE.minX) / 2]!);
    const y0 = Math.max(top, u16[(this.at + PRIMITIVE.minY) / 2]!);
    const x1 = Math.min(left + TILE - 1, u16[(this.at + PRIMITIVE.maxX) / 2]!);
    const y1 = Math.min(top + TILE - 1, u16[(this.at + PRIMITIVE.maxY) / 2]!);
    if (x0 > x1 || y0 > y1) return;
    const [[a0, b0, c0], [a1, b1, c1], [a2, b2, c2]] = [this.#edgeAt(0), this.#edgeAt(1), this.#edgeAt(2)];
    for (const [qx, qy] of quadsOf(x0, y0, x1, y1)) {
      let any = 0;
      const at = out.count * 4;
      for (let i = 0; i < 4; i++) {
        const px = qx + (i & 1);
        const py = qy + (i >> 1);
        let mask = 0;
        if (px >= x0 && px <= x1 && py >= y0 && py <= y1) {
          for (let s = 0; s < pattern.count; s++) {
            const x = px * SUBPIXEL + pattern.x[s]!;
            const y = py * SUBPIXEL + pattern.y[s]!;
            if (a0 * x + b0 * y + c0 >= 0 && a1 * x + b1 * y + c1 >= 0 && a2 * x + b2 * y + c2 >= 0) mask |= 1 << s;
          }
        }
        out.mask[at + i] = mask;
        any |= mask;
      }
      if (any !== 0) {
        out.x[out.count] = qx - left;
        out.y[out.count++] = qy - top;
      }
    }
  }

  /** Where a rectangle lies: 1 inside, 0 on an edge, -1 outside. */
  relation(x0: number, y0: number, x1: number, y1: number): number {
    let inside = 1;
    for (let i = 0; i < 3; i++) {
      const [a, b, c] = this.#edgeAt(i);
      if (a * (a > 0 ? x1 : x0) + b * (b > 0 ? y1 : y0) + c < 0) return -1;
      if (a * (a > 0 ? x0 : x1) + b * (b > 0 ? y0 : y1) + c < 0) inside = 0;
    }
    return inside;
  }

  /** Depth at a position in 1/256 pixel, a single: doubles up to the centre of its quad's first pixel, from there on singles. */
  depth(x: number, y: number): number {
    const centerX = centerOf(x);
    const centerY = centerOf(y);
    const [dzdx, dzdy] = [this.#get(PRIMITIVE.dzdx), this.#get(PRIMITIVE.dzdy)];
    const row = this.#get(PRIMITIVE.z) + dzdy * (centerY - this.#get(PRIMITIVE.originY));
    const base = Math.fround(row + dzdx * (centerX - this.#get(PRIMITIVE.originX)));
    return Math.fround(base + steps(dzdx, dzdy, x - centerX, y - centerY));
  }

  /** Depth at a sample of a pixel. A pattern of one sample has it for all. */
  depthAt(x: number, y: number, pattern: SamplePattern, sample: number): number {
    const s = pattern.count === 1 ? 0 : sample;
    return this.depth(x * SUBPIXEL + pattern.x[s]!, y * SUBPIXEL + pattern.y[s]!);
  }

  /** 1/w at a position, as a single. */
  inverseW(x: number, y: number): number {
    return this.#value(0, x, y);
  }

  /** Weights of vertices 1 and 2 at a position, perspective-correct, as singles: the same bits as recompiler/weights.ts. */
  weights(x: number, y: number, out: Float64Array): void {
    const w = Math.fround(1 / this.#value(0, x, y));
    out[0] = Math.fround(this.#value(1, x, y) * w);
    out[1] = Math.fround(this.#value(2, x, y) * w);
  }

  /** Plane n at a position: doubles up to the centre of its quad's first pixel, from there on singles. */
  #value(n: number, x: number, y: number): number {
    const centerX = centerOf(x);
    const centerY = centerOf(y);
    const [slopeX, slopeY] = [this.#get(planeAt(n, 1)), this.#get(planeAt(n, 2))];
    const dx = centerX - this.#get(PRIMITIVE.originX);
    const dy = centerY - this.#get(PRIMITIVE.originY);
    const base = Math.fround(this.#get(planeAt(n, 0)) + slopeX * dx + slopeY * dy);
    return Math.fround(base + steps(slopeX, slopeY, x - centerX, y - centerY));
  }
}

/** A quad's side in 1/256 pixel. */
const QUAD = 2 * SUBPIXEL;
/** What a plane with these slopes adds over so many 1/256 pixel, in singles. */
const steps = (slopeX: number, slopeY: number, x: number, y: number): number =>
  Math.fround(Math.fround(Math.fround(slopeX) * x) + Math.fround(Math.fround(slopeY) * y));
/** The centre of the first pixel of a quad, on one axis. */
const centerOf = (at: number): number => Math.floor(at / QUAD) * QUAD + SUBPIXEL / 2;
