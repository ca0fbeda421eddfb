/**
 * Anisotropic filters: where a pixel's footprint is longer than it is wide, several samples along its longer side are averaged,
 * each at the level of detail of what is left of the length. Everything is computed in singles, as emitted samplers do it
 * (emit-footprint.ts).
 * Source: EXT_texture_filter_anisotropic; OpenGL 4.6 chapter 8.14.
 */
const { fround } = Math;

/** A footprint that is no wider than that counts as so wide: the square of a width in texels of level 0. */
export const LEAST_SQUARE = 2 ** -40;

/** How many samples a footprint needs, from the squares of its longer and shorter side. */
export function samplesOf(long: number, short: number, most: number): number {
  if (!(long > 1) || !Number.isFinite(long)) return 1;
  return Math.min(Math.ceil(fround(Math.sqrt(fround(long / Math.max(short, LEAST_SQUARE))))), most);
}

/** Where sample i of `samples` lies, in lengths of the footprint from its middle. */
export const placeOf = (i: number, samples: number): number => fround(fround((i + 0.5) / samples) - 0.5);
