/**
 * Tight encoding, without loss: one colour, a palette, or pixels as they are, compressed by zlib on Node's own threads.
 *
 * Each rectangle begins its zlib stream anew, which the encoding allows: so they are compressed beside each other, and
 * nothing has to be kept for a client.
 */
import { promisify } from 'node:util';
import { constants, deflate } from 'node:zlib';
import { TIGHT } from '../../abi/rfb.ts';
import type { Packer, Pixels } from './pixels.ts';
import type { Rectangle } from './surface.ts';

const compress = promisify<Uint8Array, object, Buffer>(deflate);
/** The viewer is near: time counts, not bytes. */
const OPTIONS = { level: 1, finishFlush: constants.Z_SYNC_FLUSH };
const MOST_COLOURS = 256;

/** A rectangle of the picture as it is now, without the rectangle's header. The picture may change before it resolves. */
export function tight(picture: Pixels, area: Rectangle, packer: Packer): Promise<Uint8Array[]> {
  const colours = new Palette(picture, area);
  if (colours.size === 0) return plain(packer.pack(picture, area));
  const palette = packer.pack({ width: colours.size, pixels: colours.pixels }, rowOf(colours.size));
  if (colours.size === 1) return Promise.resolve([Uint8Array.of(TIGHT.FILL), palette]);
  const head = Uint8Array.of(TIGHT.FILTER | TIGHT.RESET_STREAM_0, TIGHT.FILTER_PALETTE, colours.size - 1);
  const data = colours.size === 2 ? bits(colours.indices, area) : colours.indices;
  return body(data, [head, palette]);
}

const plain = (data: Uint8Array): Promise<Uint8Array[]> => body(data, [Uint8Array.of(TIGHT.RESET_STREAM_0)]);

async function body(data: Uint8Array, head: Uint8Array[]): Promise<Uint8Array[]> {
  if (data.length < TIGHT.PLAIN) return [...head, data];
  const compressed = await compress(data, OPTIONS);
  return [...head, compactLength(compressed.length), compressed];
}

/** Up to 22 bits in one to three bytes. */
function compactLength(length: number): Uint8Array {
  const low = length & 0x7f;
  const middle = (length >>> 7) & 0x7f;
  if (length < 0x80) return Uint8Array.of(low);
  if (length < 0x4000) return Uint8Array.of(low | 0x80, middle);
  return Uint8Array.of(low | 0x80, middle | 0x80, length >>> 14);
}

const rowOf = (width: number): Rectangle => ({ x: 0, y: 0, width, height: 1 });

/** The colours of a rectangle in order of appearance, and each pixel's number among them; `size` 0: too many. */
class Palette {
  size = 0;
  /** The colours as a picture of one row. */
  readonly pixels: Uint8Array;
  readonly indices: Uint8Array;

  constructor({ width, pixels }: Pixels, area: Rectangle) {
    const words = new Uint32Array(pixels.buffer, pixels.byteOffset, pixels.length / 4);
    const colours = new Map<number, number>();
    this.indices = new Uint8Array(area.width * area.height);
    this.pixels = new Uint8Array(4 * MOST_COLOURS);
    const out = new Uint32Array(this.pixels.buffer);
    let at = 0;
    let last = -1;
    let index = 0;
    for (let y = area.y; y < area.y + area.height; y++) {
      const row = y * width;
      for (let x = area.x; x < area.x + area.width; x++) {
        const word = words[row + x]!;
        if (word !== last) {
          last = word;
          const known = colours.get(word);
          if (known === undefined && colours.size === MOST_COLOURS) return;
          index = known ?? colours.size;
          if (known === undefined) {
            out[index] = word;
            colours.set(word, index);
          }
        }
        this.indices[at++] = index;
      }
    }
    this.size = colours.size;
  }
}

/** Numbers 0 and 1 as bits, the first of a row in the highest; rows begin with a byte. */
function bits(indices: Uint8Array, { width, height }: Rectangle): Uint8Array {
  const pitch = Math.ceil(width / 8);
  const out = new Uint8Array(pitch * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) if (indices[y * width + x]) out[y * pitch + (x >>> 3)]! |= 0x80 >>> (x & 7);
  return out;
}
