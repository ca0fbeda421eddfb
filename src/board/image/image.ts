/**
 * Image: one surface in memory, and how it is read into plain rows. For whoever looks at pixels from outside the GPU: the
 * display controller's scanout, screenshots, tests.
 *
 * Source: Linux `include/uapi/drm/drm_fourcc.h` (Arm modifiers), Mesa 25.0.7 `src/panfrost/lib/pan_layout.c`.
 */
import { AFBC_BLOCK, AFBC_HEADER_BYTES, AfbcError, afbcDecode, afbcHeaderIndex } from './afbc.ts';
import { U_ORDER, U_TILE, U_TILE_PIXELS } from './u-interleaved.ts';

export type ImageLayout = 'linear' | 'u-interleaved' | 'afbc' | 'afbc-tiled';

export interface Image {
  readonly layout: ImageLayout;
  readonly width: number;
  readonly height: number;
  /** Bytes of a pixel. */
  readonly bytes: number;
  /** Bytes from row to row; of tiles if u-interleaved; of headers (or tiles of headers) if AFBC. */
  readonly rowStride: number;
}

/** Bytes that an image takes, from its first to its last. For AFBC: of its headers; bodies lie where those say. */
export function imageSize(image: Image): number {
  const rows =
    image.layout === 'linear'
      ? image.height
      : image.layout === 'u-interleaved'
        ? Math.ceil(image.height / U_TILE)
        : image.layout === 'afbc'
          ? Math.ceil(image.height / AFBC_BLOCK)
          : Math.ceil(image.height / AFBC_BLOCK / 8);
  return rows * image.rowStride;
}

/**
 * Copies an image into `out` as rows of width × bytes. `memory` starts at the image's first byte. Throws RangeError if the
 * image does not fit into it, AfbcError where AFBC cannot be decoded.
 */
export function readImage(image: Image, memory: Uint8Array, out: Uint8Array): void {
  const { width, height, bytes, rowStride } = image;
  const row = width * bytes;
  if (out.length < row * height) throw new RangeError(`image: ${out.length} bytes are too few for ${width}×${height}`);
  if (image.layout === 'linear') {
    check(memory, rowStride * (height - 1) + row);
    for (let y = 0; y < height; y++) out.set(memory.subarray(y * rowStride, y * rowStride + row), y * row);
  } else if (image.layout === 'u-interleaved') readUInterleaved(image, memory, out);
  else readAfbc(image, memory, out);
}

function check(memory: Uint8Array, size: number): void {
  if (memory.length < size) throw new RangeError(`image: it takes ${size} bytes, its memory has ${memory.length}`);
}

function readUInterleaved({ width, height, bytes, rowStride }: Image, memory: Uint8Array, out: Uint8Array): void {
  const tiles = Math.ceil(width / U_TILE);
  check(memory, rowStride * (Math.ceil(height / U_TILE) - 1) + tiles * U_TILE_PIXELS * bytes);
  let to = 0;
  for (let y = 0; y < height; y++) {
    const line = (y >>> 4) * rowStride;
    const order = (y & 15) << 4;
    for (let x = 0; x < width; x++) {
      const from = line + ((x >>> 4) * U_TILE_PIXELS + U_ORDER[order | (x & 15)]!) * bytes;
      for (let i = 0; i < bytes; i++) out[to++] = memory[from + i]!;
    }
  }
}

function readAfbc({ layout, width, height, bytes, rowStride }: Image, memory: Uint8Array, out: Uint8Array): void {
  const tiled = layout === 'afbc-tiled';
  const pixels = new Uint8Array(AFBC_BLOCK * AFBC_BLOCK * bytes);
  const read = (offset: number, size: number) => {
    if (offset + size > memory.length) throw new AfbcError(`AFBC body at ${offset} lies outside the image`);
    return memory.subarray(offset, offset + size);
  };
  for (let by = 0; by * AFBC_BLOCK < height; by++) {
    for (let bx = 0; bx * AFBC_BLOCK < width; bx++) {
      const at = afbcHeaderIndex(bx, by, rowStride, tiled) * AFBC_HEADER_BYTES;
      check(memory, at + AFBC_HEADER_BYTES);
      afbcDecode(memory.subarray(at, at + AFBC_HEADER_BYTES), bytes, read, pixels);
      const columns = Math.min(AFBC_BLOCK, width - bx * AFBC_BLOCK) * bytes;
      const rows = Math.min(AFBC_BLOCK, height - by * AFBC_BLOCK);
      for (let y = 0; y < rows; y++) {
        const from = y * AFBC_BLOCK * bytes;
        out.set(pixels.subarray(from, from + columns), ((by * AFBC_BLOCK + y) * width + bx * AFBC_BLOCK) * bytes);
      }
    }
  }
}
