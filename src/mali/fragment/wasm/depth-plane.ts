/**
 * Emitted depths of a primitive at a quad's samples, as Triangle.depth (fragment/raster.ts) has them: the plane in doubles at the
 * centre of the quad's first pixel, and from there a vector of singles to each sample of the four pixels.
 */
import { PRIMITIVE } from '../../engine/quads.ts';
import { scratch } from '../../engine/scratch.ts';
import type { Code } from '../../wasm/builder.ts';
import { CENTER, SUBPIXEL, TILE } from '../raster.ts';

const CENTER_AT = CENTER.x[0]!;
const DOUBLE = 8;

/**
 * Doubles of a tile's pixels in 1/256 pixel. Loops load them, since a conversion waits for whatever the host did before with the
 * register that V8 converts by.
 */
const steps = scratch.fixed('depth steps', TILE * DOUBLE);
for (let n = 0; n < TILE; n++) scratch.f64[steps / DOUBLE + n] = n * SUBPIXEL;

/** Pushes how far a pixel of the tile, whose number on an axis `push` pushes, lies from the tile's first one: 1/256 pixel. */
export function pushStep(f: Code, push: () => void): Code {
  push();
  return f.i32(Math.log2(DOUBLE)).op('i32_shl').memory('f64_load', steps);
}

/** A local that holds four singles from the function's start on. */
export const singles = (f: Code, ...values: readonly number[]): number =>
  f.held(...new Int32Array(Float32Array.from(values).buffer));

/** Pushes what is added to the depth at the quad's place for the four samples at (x, y), in 1/256 pixel from pixels' corners. */
export function pushDepthSteps(f: Code, primitive: number, x: number, y: number): Code {
  const slope = (offset: number) => f.get(primitive).memory('f64_load', offset).op('f32_demote_f64').op('f32x4_splat');
  // Where the samples of the four pixels lie from the centre of the first one.
  const [left, top] = [x - CENTER_AT, y - CENTER_AT];
  const [right, down] = [left + SUBPIXEL, top + SUBPIXEL];
  slope(PRIMITIVE.dzdx)
    .get(singles(f, left, right, left, right))
    .op('f32x4_mul');
  slope(PRIMITIVE.dzdy)
    .get(singles(f, top, top, down, down))
    .op('f32x4_mul');
  return f.op('f32x4_add');
}

/** Makes a number of a pixel in the window, which is on the stack, its centre in 1/256 pixel, as a double. */
export const toCenter = (f: Code): Code => f.i32(8).op('i32_shl').i32(CENTER_AT).op('i32_or').op('f64_convert_i32_s');

/** Pushes the bias of a primitive as four singles. */
export const pushBias = (f: Code, primitive: number): Code =>
  f.get(primitive).memory('f64_load', PRIMITIVE.bias).op('f32_demote_f64').op('f32x4_splat');

/**
 * Pushes the depth at the place of a quad in four lanes. `pushX`, `pushY` push the centre of its first pixel in the window, in
 * 1/256 pixel, as doubles; the plane is added up by rows first.
 */
export function pushDepthBase(f: Code, primitive: number, pushX: () => void, pushY: () => void): Code {
  const at = (push: () => void, origin: number) => {
    push();
    f.get(primitive).memory('f64_load', origin).op('f64_sub');
  };
  f.get(primitive).memory('f64_load', PRIMITIVE.z).get(primitive).memory('f64_load', PRIMITIVE.dzdy);
  at(pushY, PRIMITIVE.originY);
  f.op('f64_mul').op('f64_add').get(primitive).memory('f64_load', PRIMITIVE.dzdx);
  at(pushX, PRIMITIVE.originX);
  return f.op('f64_mul').op('f64_add').op('f32_demote_f64').op('f32x4_splat');
}
