/**
 * U-interleaved images: 16×16-pixel tiles, row after row of tiles, with a space-filling order inside each.
 *
 * The index of a pixel in its tile interleaves the bits of y with those of x xor y: … y1 (x1^y1) y0 (x0^y0), so the first four
 * pixels walk a "U". A row stride counts the bytes from one row of tiles to the next. Compressed formats use tiles of 4×4
 * blocks in the same order.
 * Source: Mesa 25.0.7 `src/panfrost/shared/pan_tiling.c`, `src/panfrost/lib/pan_layout.c`.
 */

export const U_TILE = 16;
export const U_TILE_PIXELS = U_TILE * U_TILE;

const spread = (x: number): number => (x & 1) | ((x & 2) << 1) | ((x & 4) << 2) | ((x & 8) << 3);

/** Index in a 16×16 tile of the pixel at [y * 16 + x]. Its upper left 4×4 corner is the order of a tile of 4×4 blocks. */
export const U_ORDER: Uint8Array = Uint8Array.from({ length: U_TILE_PIXELS }, (_, i) => {
  const x = i % U_TILE;
  const y = Math.floor(i / U_TILE);
  return spread(x ^ y) | (spread(y) << 1);
});

/** Byte offset of the pixel (x, y), of `bytes` bytes, from the start of an image. */
export function uInterleavedOffset(x: number, y: number, bytes: number, rowStride: number): number {
  return (y >>> 4) * rowStride + ((x >>> 4) * U_TILE_PIXELS + U_ORDER[((y & 15) << 4) | (x & 15)]!) * bytes;
}

/** The same for a format of 4×4-texel blocks; (x, y) and `bytes` are a block's. */
export function uInterleavedBlockOffset(x: number, y: number, bytes: number, rowStride: number): number {
  return (y >>> 2) * rowStride + ((x >>> 2) * 16 + U_ORDER[((y & 3) << 4) | (x & 3)]!) * bytes;
}
