/** Pixels of the screen's picture as an RFB client wants them. */
import type { RfbPixelFormatValues } from '../../abi/rfb.ts';
import type { Rectangle } from './surface.ts';

/** What clients get that ask for nothing else. */
export const DEFAULT_FORMAT: RfbPixelFormatValues = {
  bitsPerPixel: 32,
  depth: 24,
  bigEndian: 0,
  trueColour: 1,
  redMax: 255,
  greenMax: 255,
  blueMax: 255,
  redShift: 16,
  greenShift: 8,
  blueShift: 0,
  pad0: 0,
  pad1: 0,
};

/** The picture that rectangles are cut from: four bytes a pixel, of which the first three are red, green and blue. */
export interface Pixels {
  readonly width: number;
  readonly pixels: Uint8Array;
}

export interface Packer {
  /** Bytes of a pixel. */
  readonly bytes: number;
  /** Pixels of a rectangle, row by row. */
  pack(from: Pixels, area: Rectangle): Uint8Array;
}

/** Writes pixels in a client's format. Throws Error for one that cannot be. */
export function packerOf(format: RfbPixelFormatValues): Packer {
  const { bitsPerPixel, trueColour, bigEndian } = format;
  if (!trueColour) throw new Error('a pixel format with a colour map');
  if (![8, 16, 32].includes(bitsPerPixel)) throw new Error(`pixels of ${bitsPerPixel} bits`);
  const red = channel(format.redMax, format.redShift, bitsPerPixel);
  const green = channel(format.greenMax, format.greenShift, bitsPerPixel);
  const blue = channel(format.blueMax, format.blueShift, bitsPerPixel);
  const bytes = bitsPerPixel / 8;
  return {
    bytes,
    pack({ width, pixels }, area) {
      const out = new Uint8Array(area.width * area.height * bytes);
      let at = 0;
      for (let y = area.y; y < area.y + area.height; y++) {
        let from = (y * width + area.x) * 4;
        for (let x = 0; x < area.width; x++, from += 4) {
          const word = red[pixels[from]!]! | green[pixels[from + 1]!]! | blue[pixels[from + 2]!]!;
          for (let i = 0; i < bytes; i++) out[at++] = word >>> (8 * (bigEndian ? bytes - 1 - i : i));
        }
      }
      return out;
    },
  };
}

/** What 0…255 of a channel is within a pixel. */
function channel(max: number, shift: number, bits: number): Uint32Array {
  const width = Math.log2(max + 1);
  if (!Number.isInteger(width) || width === 0 || shift + width > bits)
    throw new Error(`a channel up to ${max} at bit ${shift} of ${bits}`);
  return Uint32Array.from({ length: 256 }, (_, level) => Math.round((level * max) / 255) << shift);
}

const THREE_BYTES: Packer = {
  bytes: 3,
  pack({ width, pixels }, area) {
    const out = new Uint8Array(area.width * area.height * 3);
    let at = 0;
    for (let y = area.y; y < area.y + area.height; y++) {
      let from = (y * width + area.x) * 4;
      for (let x = 0; x < area.width; x++, from += 4) {
        out[at++] = pixels[from]!;
        out[at++] = pixels[from + 1]!;
        out[at++] = pixels[from + 2]!;
      }
    }
    return out;
  },
};

/** Tight's pixels: three bytes where the format has eight bits of each colour, else the client's own. */
export function tightPackerOf(format: RfbPixelFormatValues): Packer {
  const { bitsPerPixel, depth, redMax, greenMax, blueMax } = format;
  const plain = bitsPerPixel === 32 && depth === 24 && redMax === 255 && greenMax === 255 && blueMax === 255;
  return plain ? THREE_BYTES : packerOf(format);
}
