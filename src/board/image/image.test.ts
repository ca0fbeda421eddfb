/** Image layouts: what is stored is what is read. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AFBC_HEADER_BYTES, AfbcError, afbcBodyBytes, afbcDecode, afbcEncode, afbcHeaderIndex } from './afbc.ts';
import { imageSize, readImage } from './image.ts';
import { U_ORDER, uInterleavedBlockOffset, uInterleavedOffset } from './u-interleaved.ts';

test('u-interleaved order: a space-filling U, each pixel once', () => {
  // The first quad, as Mesa's description draws it: right, then down and back.
  assert.deepEqual([U_ORDER[0], U_ORDER[1], U_ORDER[17], U_ORDER[16]], [0, 1, 2, 3]);
  assert.equal(new Set(U_ORDER).size, 256);
  // A few places worked out by hand from y3 (x3^y3) y2 (x2^y2) y1 (x1^y1) y0 (x0^y0).
  assert.equal(U_ORDER[0 * 16 + 15], 0b01010101);
  assert.equal(U_ORDER[15 * 16 + 15], 0b10101010);
  assert.equal(U_ORDER[15 * 16 + 0], 0b11111111);
  assert.equal(U_ORDER[4 * 16 + 2], 0b110100);
});

test('u-interleaved offsets step by tiles, and by blocks of compressed formats', () => {
  assert.equal(uInterleavedOffset(16, 0, 4, 9999), 1024);
  assert.equal(uInterleavedOffset(17, 33, 4, 10000), 2 * 10000 + 1024 + 2 * 4);
  assert.equal(uInterleavedBlockOffset(4, 0, 8, 9999), 128);
  assert.equal(uInterleavedBlockOffset(0, 4, 8, 5000), 5000);
  assert.equal(uInterleavedBlockOffset(3, 3, 8, 5000), U_ORDER[3 * 16 + 3]! * 8);
});

test('reading a u-interleaved image gives its rows, partial tiles included', () => {
  const [width, height, bytes, rowStride] = [21, 18, 3, 2 * 256 * 3];
  const memory = new Uint8Array(2 * rowStride);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) memory.set([x, y, x ^ y], uInterleavedOffset(x, y, bytes, rowStride));
  }
  const out = new Uint8Array(width * height * bytes);
  readImage({ layout: 'u-interleaved', width, height, bytes, rowStride }, memory, out);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * bytes;
      assert.deepEqual([...out.subarray(at, at + 3)], [x, y, x ^ y]);
    }
  }
});

function roundTrip(pixels: Uint8Array, bytes: number) {
  const header = new Uint8Array(AFBC_HEADER_BYTES);
  const store = new Uint8Array(afbcBodyBytes(bytes));
  afbcEncode(pixels, bytes, header, store, 4096);
  const out = new Uint8Array(afbcBodyBytes(bytes));
  const read = (offset: number, size: number) => {
    assert.ok(offset === 4096 && size === store.length);
    return store;
  };
  afbcDecode(header, bytes, read, out);
  return { out, body: store, header };
}

test('AFBC: decode(encode(x)) is x, for every pixel size', () => {
  for (const bytes of [1, 2, 3, 4, 8]) {
    const pixels = Uint8Array.from({ length: 256 * bytes }, (_, i) => (i * 37 + (i >> 4)) & 255);
    const { out } = roundTrip(pixels, bytes);
    assert.deepEqual(out, pixels);
  }
});

test('AFBC: one colour stands in header and body, and headers of zeros are zeros', () => {
  const pixels = new Uint8Array(1024);
  for (let i = 0; i < 256; i++) pixels.set([1, 2, 3, 4], i * 4);
  const { out, body, header } = roundTrip(pixels, 4);
  assert.deepEqual([...header.subarray(0, 12)], [0, 0x10, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]);
  assert.deepEqual(body, pixels);
  assert.deepEqual(out, pixels);
  const zero = new Uint8Array(1024).fill(9);
  afbcDecode(new Uint8Array(16), 4, () => assert.fail('no body to read'), zero);
  assert.ok(zero.every((x) => x === 0));
});

test('AFBC: the size fields of a plain superblock add up as Mesa adds them', () => {
  const pixels = Uint8Array.from({ length: 1024 }, (_, i) => i & 255);
  const { header } = roundTrip(pixels, 4);
  let bits = 0n;
  for (let i = 0; i < 16; i++) bits |= BigInt(header[i]!) << BigInt(8 * i);
  let size = 0;
  for (let i = 0; i < 16; i++) {
    const subblock = Number((bits >> BigInt(32 + 6 * i)) & 63n);
    size += subblock === 1 ? 64 : subblock;
  }
  assert.equal(size, 1024);
});

test('AFBC: coded subblocks are refused by name', () => {
  const header = new Uint8Array(16);
  header[0] = 64;
  header[4] = 20;
  assert.throws(
    () => afbcDecode(header, 4, () => new Uint8Array(1024), new Uint8Array(1024)),
    (error) => error instanceof AfbcError && /coded subblocks/.test(error.message),
  );
});

test('AFBC headers: in rows, or 8×8 tiles in Morton order', () => {
  assert.equal(afbcHeaderIndex(3, 2, 10 * 16, false), 23);
  // 16 superblocks wide: a row of tiles has 2 × 64 headers.
  const rowStride = 128 * 16;
  assert.equal(afbcHeaderIndex(1, 0, rowStride, true), 1);
  assert.equal(afbcHeaderIndex(0, 1, rowStride, true), 2);
  assert.equal(afbcHeaderIndex(7, 7, rowStride, true), 63);
  assert.equal(afbcHeaderIndex(8, 0, rowStride, true), 64);
  assert.equal(afbcHeaderIndex(2, 9, rowStride, true), 128 + 4 + 2);
  const seen = new Set<number>();
  for (let y = 0; y < 16; y++) for (let x = 0; x < 16; x++) seen.add(afbcHeaderIndex(x, y, rowStride, true));
  assert.equal(seen.size, 256);
  assert.equal(Math.max(...seen), 255);
});

test('an image that its memory does not hold is refused', () => {
  const out = new Uint8Array(64 * 64 * 4);
  const image = { layout: 'linear', width: 64, height: 64, bytes: 4, rowStride: 256 } as const;
  assert.equal(imageSize(image), 16384);
  assert.throws(() => readImage(image, new Uint8Array(16383), out), RangeError);
  const header = new Uint8Array(16 * 16);
  // All sizes 1, body far away.
  header.set([0, 0, 0, 127, 0x41, 0x10, 0x04, 0x41, 0x10, 0x04, 0x41, 0x10, 0x04, 0x41, 0x10, 0x04]);
  assert.throws(() => readImage({ ...image, layout: 'afbc', rowStride: 64 }, header, out), AfbcError);
});
