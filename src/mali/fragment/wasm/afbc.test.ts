/** Emitted coding of superblocks against board/image/afbc.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dram } from '../../../board/dram.ts';
import { AFBC_HEADER_BYTES, AFBC_PIXELS, afbcEncode } from '../../../board/image/afbc.ts';
import { scratch } from '../../engine/scratch.ts';
import { encodeSuperblock } from './afbc.ts';

const from = scratch.alloc(AFBC_PIXELS * 16);
const [HEADER, BODY] = [8192, 16384];

test('superblocks of every pixel size and shape are coded as the reference codes them', () => {
  const dram = new Dram(1 << 20);
  for (const width of [16, 32]) {
    for (const bytes of [1, 2, 3, 4, 6, 8, 12, 16]) {
      const size = AFBC_PIXELS * bytes;
      const pixels = scratch.u8.subarray(from, from + size);
      // One colour; all of it but the last byte; any bytes.
      for (const kind of ['one', 'nearly', 'any'] as const) {
        for (let i = 0; i < size; i++) pixels[i] = kind === 'any' ? (i * 167 + (i >> 8)) & 255 : 200 + (i % bytes);
        if (kind === 'nearly') pixels[size - 1]! ^= 1;
        dram.u8.fill(7, HEADER, BODY + size + 16);
        const header = new Uint8Array(AFBC_HEADER_BYTES);
        const body = new Uint8Array(size).fill(7);
        afbcEncode(pixels.slice(), bytes, header, body, 0x1234500, width);
        encodeSuperblock(dram, bytes, width)(from, HEADER, BODY, 0x1234500);
        const name = `${kind}, ${bytes} bytes, ${width} wide`;
        assert.deepEqual(dram.u8.slice(HEADER, HEADER + AFBC_HEADER_BYTES), header, name);
        assert.deepEqual(dram.u8.slice(BODY, BODY + size), body, name);
        assert.equal(dram.u8[BODY + size], 7, name);
        assert.equal(dram.u8[HEADER + AFBC_HEADER_BYTES], 7, name);
      }
    }
  }
});
