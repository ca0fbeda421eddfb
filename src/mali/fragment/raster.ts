/**
 * Triangle: which samples of a tile it covers, and what it has there. The rasteriser.
 *
 * Corners are in 1/256 pixel, so edge functions are integers; inside the guard band they stay below 2^53 and doubles hold them
 * exactly. A sample on an edge belongs to the triangle that has it as its left or top edge, so triangles that share an
 * edge cover each sample once. Weights are linear in the window; dividing by the interpolated 1/w makes them perspective-correct.
 */
import type { PrimitiveRecord } from '../../abi/gpu/polygon-list.ts';
import type { Infer } from '../../abi/layout.ts';
import type { Engine } from '../engine/engine.ts';
import { scratch } from '../engine/scratch.ts';
import { COVERAGE, cover, NARROW, TRIANGLE } from './wasm/raster.ts';

/** Pixels along a side of a tile, and quads in it. */
export const TILE = 16;
export const TILE_PIXELS = TILE * TILE;
export const TILE_QUADS = TILE_PIXELS / 4;
/** Sub-pixel positions in a pixel. */
export const SUBPIXEL = 256;

/** Sample positions in 1/256 pixel from the pixel's top left corner. */
export interface SamplePattern {
  readonly count: number;
  readonly x: Int32Array;
  readonly y: Int32Array;
}

export const CENTER: SamplePattern = { count: 1, x: Int32Array.of(128), y: Int32Array.of(128) };

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
  readonly #left = new Uint32Array(scratch.buffer, this.at + COVERAGE.count, 1);

  /** Quads that emitted tests have left. */
  get left(): number {
    return this.#left[0]!;
  }
}

/** One corner's values: 1/w, weights of vertex 0 and 1. */
const VALUES = 3;

export class Triangle {
  /** Edges and depth in scratch memory, where emitted code finds them (wasm/raster.ts). */
  readonly at = scratch.owned(this, TRIANGLE.size);
  // Edge i lies opposite corner i: e = a * x + b * y + c.
  readonly #a = new Float64Array(scratch.buffer, this.at + TRIANGLE.a, 3);
  readonly #b = new Float64Array(scratch.buffer, this.at + TRIANGLE.b, 3);
  /** c, less one where a sample on the edge is outside. */
  readonly #limit = new Float64Array(scratch.buffer, this.at + TRIANGLE.limit, 3);
  /** z, dz/dx, dz/dy, x and y of corner 0. */
  readonly #place = new Float64Array(scratch.buffer, this.at + TRIANGLE.z, 5);
  /** Whether all edges keep to NARROW. */
  #narrow = false;
  readonly #engine: Engine;
  readonly #values = new Float64Array(3 * VALUES);
  #area = 0;
  #z = 0;
  #dzdx = 0;
  #dzdy = 0;
  #x0 = 0;
  #y0 = 0;
  /**
   * Planes of 1/w, and of the weights of vertices 0 and 1 times 1/w: the value at corner 0, and slopes by 1/256 pixel. With
   * the corner's position behind them, this is what recompiled shaders are given (recompiler/frame.ts: STAGE).
   */
  readonly planes = new Float64Array(3 * VALUES + 2);
  /** Largest change of depth from pixel to pixel. */
  slope = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Takes a primitive's corners. False if it has no area. */
  set(primitive: Infer<typeof PrimitiveRecord>): boolean {
    const p = primitive.corner0;
    let q = primitive.corner1;
    let r = primitive.corner2;
    let area = (q.x - p.x) * (r.y - p.y) - (r.x - p.x) * (q.y - p.y);
    if (area === 0) return false;
    if (area < 0) {
      [q, r] = [r, q];
      area = -area;
    }
    this.#area = area;
    this.#edge(0, q, r);
    this.#edge(1, r, p);
    this.#edge(2, p, q);
    this.#narrow = true;
    for (let i = 0; i < 3; i++) this.#narrow &&= Math.abs(this.#a[i]!) + Math.abs(this.#b[i]!) <= NARROW;
    this.#value(0, p);
    this.#value(1, q);
    this.#value(2, r);
    const z1 = q.z - p.z;
    const z2 = r.z - p.z;
    this.#z = p.z;
    this.#x0 = p.x;
    this.#y0 = p.y;
    this.#dzdx = (z1 * (r.y - p.y) - z2 * (q.y - p.y)) / area;
    this.#dzdy = (z2 * (q.x - p.x) - z1 * (r.x - p.x)) / area;
    this.#plane(0, (i) => this.#values[i * VALUES]!);
    this.#plane(1, (i) => this.#values[i * VALUES]! * this.#values[i * VALUES + 1]!);
    this.#plane(2, (i) => this.#values[i * VALUES]! * this.#values[i * VALUES + 2]!);
    this.planes[3 * VALUES] = p.x;
    this.planes[3 * VALUES + 1] = p.y;
    const place = this.#place;
    place[0] = this.#z;
    place[1] = this.#dzdx;
    place[2] = this.#dzdy;
    place[3] = this.#x0;
    place[4] = this.#y0;
    this.slope = Math.max(Math.abs(this.#dzdx), Math.abs(this.#dzdy)) * SUBPIXEL;
    return true;
  }

  #edge(i: number, from: { x: number; y: number }, to: { x: number; y: number }): void {
    const dx = to.x - from.x;
    const dy = to.y - from.y;
    this.#a[i] = -dy;
    this.#b[i] = dx;
    const c = dy * from.x - dx * from.y;
    this.#limit[i] = dy < 0 || (dy === 0 && dx > 0) ? c : c - 1;
  }

  #value(i: number, corner: { inverseW: number; weight0: number; weight1: number }): void {
    this.#values[i * VALUES] = corner.inverseW;
    this.#values[i * VALUES + 1] = corner.weight0;
    this.#values[i * VALUES + 2] = corner.weight1;
  }

  #plane(n: number, value: (corner: number) => number): void {
    let x = 0;
    let y = 0;
    for (let i = 0; i < 3; i++) {
      x += this.#a[i]! * value(i);
      y += this.#b[i]! * value(i);
    }
    this.planes[n * VALUES] = value(0);
    this.planes[n * VALUES + 1] = x / this.#area;
    this.planes[n * VALUES + 2] = y / this.#area;
  }

  /**
   * Collects what the triangle covers of the tile whose first pixel is (left, top), between the given pixels of the
   * window (inclusive), at the samples of `pattern`.
   */
  cover(
    left: number,
    top: number,
    minX: number,
    minY: number,
    maxX: number,
    maxY: number,
    pattern: SamplePattern,
    out: Coverage,
  ): void {
    out.count = 0;
    const x0 = Math.max(left, minX);
    const y0 = Math.max(top, minY);
    const x1 = Math.min(left + TILE - 1, maxX);
    const y1 = Math.min(top + TILE - 1, maxY);
    if (x0 > x1 || y0 > y1) return;
    const inside = this.#relation(x0 * SUBPIXEL, y0 * SUBPIXEL, (x1 + 1) * SUBPIXEL, (y1 + 1) * SUBPIXEL);
    if (inside < 0) return;
    if (this.#engine === 'wasm') {
      out.count = cover(pattern, this.#narrow)(this.at, out.at, left, top, x0, y0, x1, y1, inside);
      return;
    }
    const all = 2 ** pattern.count - 1;
    const [a0, a1, a2] = this.#a as unknown as [number, number, number];
    const [b0, b1, b2] = this.#b as unknown as [number, number, number];
    const c0 = this.#limit[0]!;
    const c1 = this.#limit[1]!;
    const c2 = this.#limit[2]!;
    for (let qy = y0 & ~1; qy <= y1; qy += 2) {
      for (let qx = x0 & ~1; qx <= x1; qx += 2) {
        let any = 0;
        const at = out.count * 4;
        for (let i = 0; i < 4; i++) {
          const px = qx + (i & 1);
          const py = qy + (i >> 1);
          let mask = 0;
          if (px >= x0 && px <= x1 && py >= y0 && py <= y1) {
            if (inside > 0) mask = all;
            else {
              for (let s = 0; s < pattern.count; s++) {
                const x = px * SUBPIXEL + pattern.x[s]!;
                const y = py * SUBPIXEL + pattern.y[s]!;
                if (a0 * x + b0 * y + c0 >= 0 && a1 * x + b1 * y + c1 >= 0 && a2 * x + b2 * y + c2 >= 0) mask |= 1 << s;
              }
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
  }

  /** Where a rectangle lies: 1 inside, 0 on an edge, -1 outside. */
  #relation(x0: number, y0: number, x1: number, y1: number): number {
    let inside = 1;
    for (let i = 0; i < 3; i++) {
      const a = this.#a[i]!;
      const b = this.#b[i]!;
      const c = this.#limit[i]!;
      if (a * (a > 0 ? x1 : x0) + b * (b > 0 ? y1 : y0) + c < 0) return -1;
      if (a * (a > 0 ? x0 : x1) + b * (b > 0 ? y0 : y1) + c < 0) inside = 0;
    }
    return inside;
  }

  /** Depth at a position in 1/256 pixel. */
  depth(x: number, y: number): number {
    return this.#z + this.#dzdx * (x - this.#x0) + this.#dzdy * (y - this.#y0);
  }

  /** 1/w at a position. */
  inverseW(x: number, y: number): number {
    return this.#at(0, x - this.#x0, y - this.#y0);
  }

  /** Weights of vertices 0 and 1 at a position, perspective-correct. */
  weights(x: number, y: number, out: Float64Array): void {
    const dx = x - this.#x0;
    const dy = y - this.#y0;
    const sum = this.#at(0, dx, dy);
    out[0] = this.#at(1, dx, dy) / sum;
    out[1] = this.#at(2, dx, dy) / sum;
  }

  /** Plane n, so far from corner 0. */
  #at(n: number, dx: number, dy: number): number {
    const at = n * VALUES;
    return this.planes[at]! + this.planes[at + 1]! * dx + this.planes[at + 2]! * dy;
  }
}
