/**
 * Shaper: what is left of a primitive to be rastered, as corners: triangles clipped and culled, lines and points widened.
 *
 * It reads positions where the vertex shader has left them, in the geometry buffer. For ordinary triangles emitted code does the
 * same (wasm/bin.ts).
 */
import { PAGE_SIZE } from '../../abi/gpu/lpae.ts';
import { POINT_SIZE_FORMAT } from '../../abi/gpu/raster-descriptors.ts';
import { PACKET_POSITION_STRIDE as POSITION_BYTES } from '../../abi/gpu/shader-descriptors.ts';
import { halfToFloat } from '../format.ts';
import type { Batch } from './batch.ts';
import { Clipper, CORNER } from './clip.ts';
import type { TilerDraw } from './draw.ts';

/**
 * Pixels: largest point, widest line; how far out a point may be.
 * Source: Mesa 25.0.7 `src/panfrost/vulkan/panvk_physical_device.c` (pointSizeRange), `src/gallium/drivers/panfrost/pan_screen.c`.
 */
export const MAX_SIZE = 4095.9375;
export const MAX_POINT = 32768;

export class Shaper {
  /** The view that primitives are looked at in. */
  view = 0;
  /** Whether the last primitive is a triangle that shows its back. */
  backFacing = false;
  readonly #draw: TilerDraw;
  readonly #batch: Batch;
  readonly #clipper = new Clipper();
  /** Of the primitive's vertices. */
  readonly #positions = new Float32Array(3 * 4);
  readonly #positionBits = new Uint32Array(this.#positions.buffer);
  readonly #pointSize = new Float32Array(3);
  readonly #layer = new Uint8Array(3);

  constructor(draw: TilerDraw, batch: Batch) {
    this.#draw = draw;
    this.#batch = batch;
  }

  /** Corners of the last primitive, CORNER numbers each. */
  get corners(): Float64Array {
    return this.#clipper.corners;
  }

  /** Reads what the vertex shader has said of vertex `slot`, as the primitive's vertex `n`. */
  #take(n: number, slot: number): void {
    const { memory, context, extended, layered, flags, size } = this.#draw;
    const { view } = memory.dram;
    const at = context.geometryBuffer + this.#draw.positionId(slot, this.view) * POSITION_BYTES;
    if (at % PAGE_SIZE <= PAGE_SIZE - POSITION_BYTES) {
      const physical = memory.translate(at, 'read');
      for (let i = 0; i < 4; i++) this.#positions[n * 4 + i] = view.getFloat32(physical + i * 4, true);
    } else {
      for (let i = 0; i < 4; i++) this.#positionBits[n * 4 + i] = memory.load32(at + i * 4);
    }
    if (!extended) return;
    const extension = context.geometryBuffer + this.#draw.positionId(slot, this.view, true) * POSITION_BYTES;
    const sizes = flags.pointSizeArrayFormat !== POINT_SIZE_FORMAT.NONE;
    this.#pointSize[n] = sizes ? halfToFloat(memory.load16(extension)) : size;
    this.#layer[n] = layered ? memory.load8(extension + 2) : 0;
  }

  /** The layer that the provoking vertex of the last primitive, `p`, names. */
  layer(p: number): number {
    return this.#draw.extended ? this.#layer[this.#batch.slots[p * 4 + 3]!]! : 0;
  }

  /** Puts the visible part of primitive `p` in the clipper's corners. Answers of how many triangles it is made. */
  shape(p: number): number {
    const { slots } = this.#batch;
    const { arity, culls } = this.#draw;
    for (let n = 0; n < arity; n++) this.#take(n, slots[p * 4 + n]!);
    this.backFacing = false;
    if (arity < 3) return (arity === 2 ? this.#line() : this.#point()) ? 2 : 0;
    if (this.#depthCulled(0, 1, 2)) return 0;
    const corners = this.#clipper.triangle(this.#positions, 0, 1, 2);
    if (corners < 3) return 0;
    const area = this.#area(corners);
    if (area === 0 || Number.isNaN(area)) return 0;
    const front = area < 0 === culls.frontFaceCcw;
    if (front ? culls.cullFrontFace : culls.cullBackFace) return 0;
    this.backFacing = !front;
    return corners - 2;
  }

  /** Whether all vertices are beyond the same end of the depth range. */
  #depthCulled(a: number, b: number, c: number): boolean {
    const positions = this.#positions;
    const { flags, minimumZ: low, maximumZ: high } = this.#draw;
    const { lowDepthCull, highDepthCull } = flags;
    if (!(positions[a * 4 + 3]! > 0 && positions[b * 4 + 3]! > 0 && positions[c * 4 + 3]! > 0)) return false;
    const za = positions[a * 4 + 2]!;
    const zb = positions[b * 4 + 2]!;
    const zc = positions[c * 4 + 2]!;
    return (lowDepthCull && za < low && zb < low && zc < low) || (highDepthCull && za > high && zb > high && zc > high);
  }

  /** Twice the area of the clipper's polygon in snapped coordinates; positive: clockwise on a screen with y down. */
  #area(count: number): number {
    const { corners } = this.#clipper;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const at = i * CORNER;
      const next = (i + 1 === count ? 0 : i + 1) * CORNER;
      sum += snap(corners[at]!) * snap(corners[next + 1]!) - snap(corners[next]!) * snap(corners[at + 1]!);
    }
    return sum;
  }

  /**
   * Makes a line's two ends four corners: moved by half its width up and down if it is more wide than high, else left and
   * right. So each column (row) of pixels gets `width` of them, as the APIs have it for lines of one sample. Lines of several
   * samples, and smooth ones, are rectangles: their ends are moved across the line.
   */
  #line(): boolean {
    if (this.#depthCulled(0, 1, 1)) return false;
    if (this.#clipper.line(this.#positions, 0, 1) === 0) return false;
    const { corners } = this.#clipper;
    const dx = corners[CORNER]! - corners[0]!;
    const dy = corners[CORNER + 1]! - corners[1]!;
    const half = halfWidth(this.#draw.size);
    let x = 0;
    let y = 0;
    if (this.#draw.rectangularLines) {
      const scale = half / Math.sqrt(dx * dx + dy * dy);
      x = -dy * scale;
      y = dx * scale;
    } else if (Math.abs(dx) >= Math.abs(dy)) y = half;
    else x = half;
    for (let i = 1; i >= 0; i--) {
      const from = i * CORNER;
      for (let side = 1; side >= 0; side--) {
        const to = (i * 2 + side) * CORNER;
        corners.copyWithin(to, from, from + CORNER);
      }
      const first = i * 2 * CORNER;
      const second = first + CORNER;
      const [middleX, middleY] = [corners[first]!, corners[first + 1]!];
      corners[first] = middleX - x;
      corners[first + 1] = middleY - y;
      corners[second] = middleX + x;
      corners[second + 1] = middleY + y;
    }
    return Math.abs(dx) > 0 || Math.abs(dy) > 0;
  }

  /** Makes a point four corners whose weights are its coordinate, (0, 0) at the top left. */
  #point(): boolean {
    const [x, y, z, inverseW] = this.#positions as unknown as [number, number, number, number];
    if (!(Number.isFinite(x + y + z) && inverseW > 0) || Math.abs(x) > MAX_POINT || Math.abs(y) > MAX_POINT)
      return false;
    if (this.#depthCulled(0, 0, 0)) return false;
    const size = this.#draw.extended ? this.#pointSize[0]! : this.#draw.size;
    if (!(size > 0)) return false;
    const half = halfSize(size);
    const { corners } = this.#clipper;
    for (let i = 0; i < 4; i++) {
      const right = i & 1;
      const low = i >> 1;
      const at = i * CORNER;
      corners[at] = right ? x + half : x - half;
      corners[at + 1] = low ? y + half : y - half;
      corners[at + 2] = z;
      corners[at + 3] = inverseW;
      corners[at + 4] = right;
      corners[at + 5] = low;
    }
    return true;
  }
}

/** Bits of a snapped coordinate below the pixel. */
export const PIXEL = 8;

export const SUBPIXEL = 2 ** PIXEL;

/** Window coordinates to 1/256 pixel. */
export const snap = (x: number): number => Math.floor(x * SUBPIXEL + 0.5);

/** Of a line, and of a point. */
export const halfWidth = (size: number): number => Math.min(Math.max(1, size || 1), MAX_SIZE) / 2;
export const halfSize = (size: number): number => Math.min(size, MAX_SIZE) / 2;
