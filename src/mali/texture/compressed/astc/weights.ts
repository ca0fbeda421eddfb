/**
 * ASTC's weights: a coarse grid of them is stretched over the block's texels.
 * Source: Khronos Data Format Specification 1.3 section 23.18 (weight infill).
 */
import type { AstcBlockMode } from '../../../../abi/blocks/astc.ts';

/** Which grid weights a texel mixes, and how much of each, in sixteenths. */
export interface Infill {
  /** Four grid indices a texel. */
  readonly from: Uint8Array;
  /** Their shares. */
  readonly share: Uint8Array;
}
const TERMS = 4;
const ONE = 16;

/** A texel's place along an axis of the grid, in sixteenths. */
function gridPlace(texel: number, size: number, grid: number): number {
  const step = Math.floor((1024 + Math.floor(size / 2)) / (size - 1));
  return (step * texel * (grid - 1) + 32) >> 6;
}

/** The mixture of every texel of a block for one size of the grid. */
export function infill(width: number, height: number, depth: number, grid: AstcBlockMode): Infill {
  const texels = width * height * depth;
  const from = new Uint8Array(texels * TERMS);
  const share = new Uint8Array(texels * TERMS);
  const stride = [1, grid.width, grid.width * grid.height];
  let at = 0;
  /** A term without a share may lie outside the grid. */
  const term = (index: number, part: number): void => {
    from[at] = part ? index : 0;
    share[at] = part;
    at++;
  };
  for (let z = 0; z < depth; z++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const place = [
          gridPlace(x, width, grid.width),
          gridPlace(y, height, grid.height),
          depth > 1 ? gridPlace(z, depth, grid.depth) : 0,
        ];
        const whole = place.map((p) => Math.floor(p / ONE));
        const part = place.map((p) => p % ONE);
        const origin = whole.reduce((sum, p, axis) => sum + p * stride[axis]!, 0);
        if (depth === 1) {
          const both = (part[0]! * part[1]! + ONE / 2) >> 4;
          term(origin, ONE - part[0]! - part[1]! + both);
          term(origin + 1, part[0]! - both);
          term(origin + grid.width, part[1]! - both);
          term(origin + grid.width + 1, both);
        } else {
          // Through the corners of a tetrahedron: one step along the axis of the largest part first, and so on.
          const axes = [0, 1, 2].sort((a, b) => part[b]! - part[a]!);
          let corner = origin;
          let left = ONE;
          for (const axis of axes) {
            term(corner, left - part[axis]!);
            left = part[axis]!;
            corner += stride[axis]!;
          }
          term(corner, left);
        }
      }
    }
  }
  return { from, share };
}

/** The weight of texel `i`, 0…64, from the grid's. `step` and `first` pick a plane of interleaved grids. */
export function texelWeight({ from, share }: Infill, i: number, grid: Uint8Array, step: number, first: number): number {
  let sum = ONE / 2;
  for (let at = i * TERMS; at < (i + 1) * TERMS; at++) sum += grid[from[at]! * step + first]! * share[at]!;
  return sum >> 4;
}
