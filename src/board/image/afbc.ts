/**
 * AFBC, Arm's frame-buffer compression, as far as it is public: 16-byte headers, one a superblock of 16×16 or (wide) 32×8
 * pixels, and bodies.
 *
 * A header holds where its body starts (bytes from the first header; zero if there is none) and sixteen 6-bit sizes of
 * its 4×4-pixel subblocks. A first size of zero makes the superblock one colour, kept in the header's upper half. A size
 * of one means that the subblock is stored as it is. How other sizes are coded, and in which order the subblocks follow, is
 * not published: this board's GPU stores every superblock either as one colour or as sixteen plain subblocks, in rows
 * from the top left, pixels in rows inside them, before any colour transform. So its images are AFBC to every reader of sizes and
 * pointers, and only another maker's codec could tell. Reading one that has coded subblocks fails by name. Where a header of one
 * colour names a body, its pixels are there as well: so they are written here, and readers may take either.
 *
 * Headers lie in rows, or tiled: 8×8 headers together in Morton order. Sparse images keep the body of superblock i at
 * i times the plain size; packed ones wherever its header says.
 * Source: Mesa 25.0.7 `src/panfrost/lib/pan_afbc.c`, `pan_layout.c`, `src/gallium/drivers/panfrost/pan_mod_conv_cso.c`,
 * `pan_resource.c`; Linux `Documentation/gpu/afbc.rst`.
 */
import { layout, uint, viewOf } from '../../abi/layout.ts';

export const AFBC_BLOCK = 16;
/** Pixels of a superblock, whatever its shape. */
export const AFBC_PIXELS = AFBC_BLOCK * AFBC_BLOCK;
/** A wide superblock, in pixels. */
export const AFBC_WIDE = { width: 32, height: 8 } as const;
export const AFBC_HEADER_BYTES = 16;
/** A subblock's width and height. */
export const AFBC_SUBBLOCK = 4;
const SUBBLOCK = AFBC_SUBBLOCK;
const SUBBLOCKS = 16;
const SIZE_UNCOMPRESSED = 1;
/** Headers along a side of a tile of headers. */
export const AFBC_TILE = 8;
const TILE = AFBC_TILE;

const sizes = Object.fromEntries(Array.from({ length: SUBBLOCKS }, (_, i) => [`size${i}`, uint(32 + 6 * i, 6)]));
/** A superblock's header. `body`: bytes from the first header. */
export const AfbcHeader = layout('AFBC header', AFBC_HEADER_BYTES, {
  body: uint(0, 32),
  colorLow: uint(64, 32),
  colorHigh: uint(96, 32),
  size0: uint(32, 6),
});
const AfbcSizes = layout('AFBC sizes', AFBC_HEADER_BYTES, sizes);

export class AfbcError extends Error {}

const spread = (x: number): number => (x & 1) | ((x & 2) << 1) | ((x & 4) << 2);

/** Number of the header of superblock (x, y). `rowStride`: bytes between rows of headers, or of header tiles. */
export function afbcHeaderIndex(x: number, y: number, rowStride: number, tiled: boolean): number {
  const perRow = rowStride / AFBC_HEADER_BYTES;
  if (!tiled) return y * perRow + x;
  const inTile = spread(x % TILE) | (spread(y % TILE) << 1);
  return Math.floor(y / TILE) * perRow + Math.floor(x / TILE) * TILE * TILE + inTile;
}

/** Bytes of a superblock's body. */
export const afbcBodyBytes = (bytes: number): number => AFBC_PIXELS * bytes;

/** The header of a plain superblock: all sizes 1. Only its body pointer differs. */
const PLAIN = AfbcSizes.pack(
  Object.fromEntries(Array.from({ length: SUBBLOCKS }, (_, i) => [`size${i}`, SIZE_UNCOMPRESSED])),
);

/** The same as words. The first is the body's place. */
export const AFBC_PLAIN_WORDS: readonly number[] = [0, 4, 8, 12].map((at) => viewOf(PLAIN).getUint32(at, true));

/** Pixels of more bytes than that have no one-colour superblocks. */
export const AFBC_COLOUR_BYTES = 8;

/** Writes the header of a superblock that is one pixel's colour everywhere. */
export function afbcEncodeColour(pixel: Uint8Array, header: Uint8Array): void {
  header.fill(0);
  header.set(pixel, 8);
}

/**
 * Encodes a superblock of `bytes`-byte pixels in rows: writes its header and its body. `bodyOffset`: where the body goes, from the first header. `width`: pixels in a row.
 */
export function afbcEncode(
  pixels: Uint8Array,
  bytes: number,
  header: Uint8Array,
  body: Uint8Array,
  bodyOffset: number,
  width = AFBC_BLOCK,
): void {
  if (bytes <= AFBC_COLOUR_BYTES && isOneColour(pixels, bytes)) afbcEncodeColour(pixels.subarray(0, bytes), header);
  else header.set(PLAIN);
  AfbcHeader.fields.body.write(viewOf(header), 0, bodyOffset);
  reorder(pixels, body, bytes, width, true);
}

function isOneColour(pixels: Uint8Array, bytes: number): boolean {
  const size = afbcBodyBytes(bytes);
  for (let i = bytes; i < size; i++) if (pixels[i] !== pixels[i - bytes]) return false;
  return true;
}

/** Copies between rows of pixels and subblocks. */
function reorder(from: Uint8Array, to: Uint8Array, bytes: number, width: number, toSubblocks: boolean): void {
  const run = SUBBLOCK * bytes;
  let at = 0;
  for (let sy = 0; sy < AFBC_PIXELS / width; sy += SUBBLOCK) {
    for (let sx = 0; sx < width; sx += SUBBLOCK) {
      for (let y = 0; y < SUBBLOCK; y++) {
        const row = ((sy + y) * width + sx) * bytes;
        if (toSubblocks) for (let i = 0; i < run; i++) to[at + i] = from[row + i]!;
        else for (let i = 0; i < run; i++) to[row + i] = from[at + i]!;
        at += run;
      }
    }
  }
}

/**
 * Decodes the superblock of `header` into rows of `width` pixels. `read` fetches bytes at an offset from the first header. Throws
 * AfbcError for coded subblocks.
 */
export function afbcDecode(
  header: Uint8Array,
  bytes: number,
  read: (offset: number, size: number) => Uint8Array,
  pixels: Uint8Array,
  width = AFBC_BLOCK,
): void {
  const view = viewOf(header);
  const size = afbcBodyBytes(bytes);
  if (AfbcHeader.fields.size0.read(view, 0) === 0) {
    for (let i = 0; i < size; i++) pixels[i] = i % bytes < 8 ? header[8 + (i % bytes)]! : 0;
    return;
  }
  for (let i = 0; i < 12; i++) {
    if (header[4 + i] !== PLAIN[4 + i]) {
      const body = AfbcHeader.fields.body.read(view, 0);
      throw new AfbcError(`AFBC superblock with coded subblocks (body at ${body}): only plain ones are implemented`);
    }
  }
  reorder(read(AfbcHeader.fields.body.read(view, 0), size), pixels, bytes, width, false);
}
