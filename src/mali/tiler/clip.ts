/**
 * Clipper: from shaded positions to corners that can be rastered.
 *
 * The vertex shader has already divided by w and applied the viewport: a position is x, y in pixels, depth, and 1 / w with
 * its sign kept (Mesa 25.0.7 `src/compiler/nir/nir_lower_viewport_transform.c`). So clip space is won back by multiplying with w.
 * Only what cannot be rastered is cut away: w ≤ 0, and what lies outside a guard band of ±65536 pixels, inside which
 * 24.8 fixed-point edge functions are exact in doubles. Near and far planes are the fragment stage's, sample by sample.
 * Corners carry the weights of the primitive's vertices, which are linear in clip space; so varyings need no clipping.
 */

/** Numbers of one corner: x, y (pixels), z, 1 / w, weight of vertex 1, of vertex 2. */
export const CORNER = 6;
/** A plane leaves at most half as many corners again as there were, whatever numbers they are: 3, 4, 6, 9, 13, 19. */
export const MAX_CORNERS = 20;
/** Half the width of the guard band, in pixels. */
export const GUARD_BAND = 65536;
/** Smallest w kept. */
export const MINIMUM_W = 2 ** -20;
const PLANES = 5;

export class Clipper {
  /** Corners of the last polygon, CORNER numbers each. */
  corners = new Float64Array(MAX_CORNERS * CORNER);
  #other = new Float64Array(MAX_CORNERS * CORNER);
  #distance = new Float64Array(MAX_CORNERS);

  /**
   * Puts the visible part of a triangle in `corners` and answers how many there are (0: none). `positions`: x, y, z, 1 / w
   * for each vertex; a, b, c: their indices.
   */
  triangle(positions: Float32Array, a: number, b: number, c: number): number {
    let simple = true;
    for (let i = 0; i < 3; i++) {
      const from = (i === 0 ? a : i === 1 ? b : c) * 4;
      const to = i * CORNER;
      const x = positions[from]!;
      const y = positions[from + 1]!;
      const z = positions[from + 2]!;
      const inverseW = positions[from + 3]!;
      // One comparison each rejects NaN and infinity too.
      if (!(x - x === 0 && y - y === 0 && z - z === 0 && inverseW - inverseW === 0) || inverseW === 0) return 0;
      if (inverseW < 0 || Math.abs(x) > GUARD_BAND || Math.abs(y) > GUARD_BAND) simple = false;
      this.corners[to] = x;
      this.corners[to + 1] = y;
      this.corners[to + 2] = z;
      this.corners[to + 3] = inverseW;
      this.corners[to + 4] = i === 1 ? 1 : 0;
      this.corners[to + 5] = i === 2 ? 1 : 0;
    }
    return simple ? 3 : this.#clip(3);
  }

  /** The same for a line: corners are its two ends. */
  line(positions: Float32Array, a: number, b: number): number {
    const count = this.triangle(positions, a, b, b);
    if (count === 0) return 0;
    const { corners } = this;
    // A clipped degenerate triangle runs along the line and back: its two most distant corners are the ends.
    let low = 0;
    let high = 0;
    const along = (i: number): number => corners[i * CORNER + 4]! + corners[i * CORNER + 5]!;
    for (let i = 0; i < count; i++) {
      if (along(i) < along(low)) low = i;
      if (along(i) > along(high)) high = i;
    }
    const ends = this.#other;
    copy(corners, low * CORNER, ends, 0);
    copy(corners, high * CORNER, ends, CORNER);
    // Both vertices beside the first are the other end.
    for (const at of [4, CORNER + 4]) {
      ends[at] = ends[at]! + ends[at + 1]!;
      ends[at + 1] = 0;
    }
    copy(ends, 0, corners, 0);
    copy(ends, CORNER, corners, CORNER);
    return 2;
  }

  /** Clips the polygon in `corners`, of `count` corners. Answers the new count. */
  #clip(count: number): number {
    let from = this.corners;
    for (let i = 0; i < count; i++) {
      const at = i * CORNER;
      const w = 1 / from[at + 3]!;
      from[at] = from[at]! * w;
      from[at + 1] = from[at + 1]! * w;
      from[at + 2] = from[at + 2]! * w;
      from[at + 3] = w;
    }
    let to = this.#other;
    for (let plane = 0; plane < PLANES && count > 0; plane++) {
      let out = 0;
      for (let i = 0; i < count; i++) this.#distance[i] = distance(from, i * CORNER, plane);
      for (let i = 0; i < count; i++) {
        const j = i + 1 === count ? 0 : i + 1;
        const here = this.#distance[i]!;
        const there = this.#distance[j]!;
        if (here >= 0) copy(from, i * CORNER, to, out++ * CORNER);
        if (here >= 0 !== there >= 0) {
          const t = here / (here - there);
          for (let k = 0; k < CORNER; k++) {
            const a = from[i * CORNER + k]!;
            to[out * CORNER + k] = a + (from[j * CORNER + k]! - a) * t;
          }
          out++;
        }
      }
      count = out;
      [from, to] = [to, from];
    }
    this.corners = from;
    this.#other = to;
    for (let i = 0; i < count; i++) {
      const at = i * CORNER;
      const inverseW = 1 / from[at + 3]!;
      from[at] = limit(from[at]! * inverseW);
      from[at + 1] = limit(from[at + 1]! * inverseW);
      from[at + 2] = from[at + 2]! * inverseW;
      from[at + 3] = inverseW;
    }
    return count < 3 ? 0 : count;
  }
}

const limit = (x: number): number => Math.min(GUARD_BAND, Math.max(-GUARD_BAND, x));

function copy(from: Float64Array, at: number, to: Float64Array, where: number): void {
  for (let k = 0; k < CORNER; k++) to[where + k] = from[at + k]!;
}

/** How far inside a plane a corner (in clip space) lies; negative: outside. */
function distance(corners: Float64Array, at: number, plane: number): number {
  const w = corners[at + 3]!;
  switch (plane) {
    case 0:
      return w - MINIMUM_W;
    case 1:
      return w * GUARD_BAND + corners[at]!;
    case 2:
      return w * GUARD_BAND - corners[at]!;
    case 3:
      return w * GUARD_BAND + corners[at + 1]!;
    default:
      return w * GUARD_BAND - corners[at + 1]!;
  }
}
