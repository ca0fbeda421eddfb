import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALPHA_MODE } from '../abi/display/vop.ts';
import {
  ABGR8888,
  ARGB8888,
  type PixelFormat,
  RGB565,
  XBGR8888,
  XBGR2101010,
  XRGB8888,
  XRGB2101010,
} from '../abi/fourcc.ts';
import { Dram } from '../board/dram.ts';
import { compose } from './scanout.ts';
import type { WindowScan } from './vop.ts';

function board() {
  const dram = new Dram(1 << 20);
  const { physical } = dram.alloc(65536);
  const window = (format: PixelFormat, change: Partial<WindowScan> = {}): WindowScan => ({
    format,
    address: physical,
    pitch: 64,
    srcX: 0,
    srcY: 0,
    srcW: 4,
    srcH: 4,
    dstX: 0,
    dstY: 0,
    dstW: 4,
    dstH: 4,
    alphaMode: ALPHA_MODE.premultiplied,
    alpha: 0xffff,
    ...change,
  });
  const show = (...windows: WindowScan[]) => compose(dram, { width: 4, height: 4, windows, gamma: undefined });
  return { dram, physical, window, show };
}

test('every format is read as it is laid out', () => {
  const { dram, physical, window, show } = board();
  const orange = [255, 128, 0, 255];
  const words: [PixelFormat, number][] = [
    [XRGB8888, 0x12_ff8000],
    [ARGB8888, 0xff_ff8000],
    [XBGR8888, 0x12_0080ff],
    [ABGR8888, 0xff_0080ff],
    [XRGB2101010, (1023 << 20) | (514 << 10)],
    [XBGR2101010, 1023 | (514 << 10)],
  ];
  for (const [format, word] of words) {
    dram.u32[physical / 4] = word;
    assert.deepEqual([...show(window(format)).data.subarray(0, 4)], orange, format.name);
  }
  dram.u16[physical / 2] = (31 << 11) | (32 << 5);
  assert.deepEqual([...show(window(RGB565)).data.subarray(0, 4)], [255, 130, 0, 255]);
});

test('windows that leave the screen on any side show what is left of them', () => {
  const { dram, physical, window, show } = board();
  for (let y = 0; y < 4; y++) for (let x = 0; x < 4; x++) dram.u32[(physical + y * 64) / 4 + x] = (y * 4 + x + 1) << 16;
  const reds = (change: Partial<WindowScan>): number[] => {
    const { data } = show(window(XRGB8888, change));
    return Array.from({ length: 16 }, (_, i) => data[i * 4]!);
  };
  assert.deepEqual(reds({ dstX: 2, dstY: 3 }), [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
  assert.deepEqual(reds({ dstX: -2, dstY: -2 }), [11, 12, 0, 0, 15, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual(reds({ dstX: 10 }), Array(16).fill(0));
  assert.deepEqual(reds({ dstX: -30000, dstW: 30001, dstH: 1 }).slice(0, 4), [12, 0, 0, 0]);
  assert.deepEqual(
    reds({ srcW: 2, srcH: 2, srcX: 1, srcY: 1 }),
    [6, 6, 7, 7, 6, 6, 7, 7, 10, 10, 11, 11, 10, 10, 11, 11],
  );
  assert.deepEqual(reds({ dstW: 2, dstH: 2 }).slice(0, 6), [6, 8, 0, 0, 14, 16]);
});
