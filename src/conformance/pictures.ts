/**
 * Two pictures of the same scene, drawn by two renderers: how far they are apart, and whether that is too far.
 *
 * OpenGL leaves room: results of shaders are rounded, which moves a colour by one level; positions are rounded to sub-pixels, which
 * decides whether a pixel at an edge is covered; the level of detail of a texture has a freedom of its own (OpenGL ES 3.2, 2.3.5,
 * 13.8.1 and 8.14). So pixels may differ a little anywhere, and much in a few places. What a fault changes are many pixels, or all of
 * them a little more than rounding does.
 */
import { PNG } from 'pngjs';
import type { Picture } from '../display/index.ts';
import type { Picture as Shown } from './suite.ts';

/** What two pictures may be apart. Levels are of 255. */
export interface Tolerance {
  /** A pixel differs if a channel of it is further away than this. */
  readonly levels: number;
  /** Share of the pixels that may differ. */
  readonly share: number;
  /** Levels by which the channels of all pixels may be apart on average. */
  readonly mean: number;
}

export interface Distance {
  /** Share of the pixels that differ. */
  readonly share: number;
  /** Levels between channels, on average over all pixels, and at most. */
  readonly mean: number;
  readonly most: number;
}

const CHANNELS = 3;

/** How far two pictures of one size are apart. Alpha does not count: a display shows none. Throws an Error for pictures of two sizes. */
export function distance(got: Picture, expected: Picture, levels: number): Distance {
  const pixels = got.width * got.height;
  if (got.width !== expected.width || got.height !== expected.height) throw new Error('these pictures differ in size');
  let differ = 0;
  let sum = 0;
  let most = 0;
  for (let at = 0; at < pixels * 4; at += 4) {
    let furthest = 0;
    for (let channel = 0; channel < CHANNELS; channel++) {
      const apart = Math.abs(got.data[at + channel]! - expected.data[at + channel]!);
      sum += apart;
      if (apart > furthest) furthest = apart;
    }
    if (furthest > levels) differ++;
    if (furthest > most) most = furthest;
  }
  return { share: differ / pixels, mean: sum / (pixels * CHANNELS), most };
}

export interface Held {
  readonly alike: boolean;
  /** A sentence with the figures. */
  readonly note: string;
}

/** What came of holding one picture against the other. */
export function compare(got: Picture, expected: Picture, tolerance: Tolerance): Held {
  if (got.width !== expected.width || got.height !== expected.height) {
    const size = ({ width, height }: Picture) => `${width}x${height}`;
    return { alike: false, note: `the picture is ${size(got)}, expected was ${size(expected)}` };
  }
  const { share, mean, most } = distance(got, expected, tolerance.levels);
  const alike = share <= tolerance.share && mean <= tolerance.mean;
  const part = `${(share * 100).toFixed(3)} % of the pixels are more than ${tolerance.levels} levels apart`;
  return { alike, note: `${part} (at most ${most}), all of them ${mean.toFixed(4)} on average` };
}

/** Where all pixels are of one colour nothing was drawn, and two such pictures are no sign of anything. */
export function isPlain({ data }: Picture): boolean {
  for (let at = 4; at < data.length; at += 4) {
    for (let channel = 0; channel < CHANNELS; channel++) if (data[at + channel] !== data[channel]) return false;
  }
  return true;
}

/** How much brighter the difference is shown than it is: one level is to be seen. */
const STRONGER = 16;

/** Both pictures, and what lies between them, for the page. */
export function shown(got: Picture, expected: Picture | undefined): Shown[] {
  if (!expected) return [{ name: 'got', png: encoded(got) }];
  const pictures = [
    { name: 'got', png: encoded(got) },
    { name: 'expected (llvmpipe)', png: encoded(expected) },
  ];
  if (got.width !== expected.width || got.height !== expected.height) return pictures;
  const data = new Uint8Array(got.data.length);
  for (let at = 0; at < data.length; at++) {
    data[at] = at % 4 === CHANNELS ? 255 : Math.min(255, Math.abs(got.data[at]! - expected.data[at]!) * STRONGER);
  }
  return [...pictures, { name: `difference, ${STRONGER} times`, png: encoded({ ...got, data }) }];
}

function encoded({ width, height, data }: Picture): string {
  const png = new PNG({ width, height });
  png.data.set(data);
  return PNG.sync.write(png, { colorType: 2, inputHasAlpha: true }).toString('base64');
}
