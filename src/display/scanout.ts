/**
 * Scanout: reads a frame out of DRAM as the controller does: windows scaled to their place (nearest pixel), blended from
 * the farthest to the nearest over black, then the gamma table.
 */
import { ALPHA_MODE, GAMMA_MAX } from '../abi/display/vop.ts';
import type { PixelFormat } from '../abi/fourcc.ts';
import type { Dram } from '../board/dram.ts';
import type { Scan, WindowScan } from './vop.ts';

/** Four bytes per pixel, rows without padding, alpha always 255. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array<ArrayBuffer>;
}

function blackPicture(width: number, height: number): Picture {
  const data = new Uint8Array(width * height * 4);
  for (let at = 3; at < data.length; at += 4) data[at] = 255;
  return { width, height, data };
}

/** Memory in which a scan's addresses lie: the board's, or a copy of what the windows show. */
export type ScanMemory = Pick<Dram, 'u16' | 'u32'>;

export function compose(dram: ScanMemory, scan: Scan): Picture {
  const picture = blackPicture(scan.width, scan.height);
  for (const window of scan.windows) blend(dram, picture, window);
  const { gamma } = scan;
  if (gamma) {
    const { data } = picture;
    const eight = (level: number): number => Math.round((level * 255) / GAMMA_MAX);
    for (let at = 0; at < data.length; at += 4) {
      data[at] = eight(gamma.red[data[at]!]!);
      data[at + 1] = eight(gamma.green[data[at + 1]!]!);
      data[at + 2] = eight(gamma.blue[data[at + 2]!]!);
    }
  }
  return picture;
}

/** Reads one channel of a pixel word as 0…255: narrow ones are widened evenly. */
function channel([bit, width]: readonly [bit: number, width: number]): (word: number) => number {
  const max = 2 ** width - 1;
  const table = Uint8Array.from({ length: max + 1 }, (_, i) => Math.round((i * 255) / max));
  return (word) => table[(word >>> bit) & max]!;
}

interface Reader {
  readonly red: (word: number) => number;
  readonly green: (word: number) => number;
  readonly blue: (word: number) => number;
  readonly alpha: ((word: number) => number) | undefined;
}
const readers = new Map<PixelFormat, Reader>();

function readerOf(format: PixelFormat): Reader {
  let reader = readers.get(format);
  if (!reader) {
    const { red, green, blue, alpha } = format;
    reader = { red: channel(red), green: channel(green), blue: channel(blue), alpha: alpha && channel(alpha) };
    readers.set(format, reader);
  }
  return reader;
}

function blend(dram: ScanMemory, { width, height, data }: Picture, window: WindowScan): void {
  const { format, dstX, dstY, dstW, dstH, srcX, srcY, srcW, srcH } = window;
  const { red, green, blue, alpha } = readerOf(format);
  const words = format.bytesPerPixel === 2 ? dram.u16 : dram.u32;
  const left = Math.max(0, dstX);
  const right = Math.min(width, dstX + dstW);
  const columns = new Uint32Array(Math.max(0, right - left));
  for (let i = 0; i < columns.length; i++)
    columns[i] = srcX + Math.min(srcW - 1, Math.floor(((left + i - dstX + 0.5) * srcW) / dstW));
  const ignoresAlpha = !alpha || window.alphaMode === ALPHA_MODE.ignore;
  const premultiplied = window.alphaMode === ALPHA_MODE.premultiplied;
  const opaque = ignoresAlpha && window.alpha === 0xffff;
  const plain = opaque && [format.red, format.green, format.blue].every(([, bits]) => bits === 8);
  const [redBit, greenBit, blueBit] = [format.red[0], format.green[0], format.blue[0]];
  const global = window.alpha / 0xffff;
  for (let y = Math.max(0, dstY); y < Math.min(height, dstY + dstH); y++) {
    const row = srcY + Math.min(srcH - 1, Math.floor(((y - dstY + 0.5) * srcH) / dstH));
    const base = (window.address + row * window.pitch) / format.bytesPerPixel;
    let at = (y * width + left) * 4;
    if (plain) {
      // The common picture, without a function call for each channel.
      for (let i = 0; i < columns.length; i++, at += 4) {
        const word = words[base + columns[i]!]!;
        data[at] = word >>> redBit;
        data[at + 1] = word >>> greenBit;
        data[at + 2] = word >>> blueBit;
      }
      continue;
    }
    for (let i = 0; i < columns.length; i++, at += 4) {
      const word = words[base + columns[i]!]!;
      if (opaque) {
        data[at] = red(word);
        data[at + 1] = green(word);
        data[at + 2] = blue(word);
        continue;
      }
      const pixel = ignoresAlpha ? 255 : alpha(word);
      const colour = premultiplied || ignoresAlpha ? global : (global * pixel) / 255;
      const below = 1 - (global * pixel) / 255;
      data[at] = mix(red(word), colour, data[at]!, below);
      data[at + 1] = mix(green(word), colour, data[at + 1]!, below);
      data[at + 2] = mix(blue(word), colour, data[at + 2]!, below);
    }
  }
}

const mix = (above: number, weight: number, under: number, rest: number): number =>
  Math.min(255, Math.round(above * weight + under * rest));
