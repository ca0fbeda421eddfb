/** Layouts: what is read and written is the same however often, whatever the fields are made of. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as cs from './gpu/cs.ts';
import * as firmware from './gpu/firmware.ts';
import * as raster from './gpu/raster-descriptors.ts';
import * as shader from './gpu/shader-descriptors.ts';
import * as suspend from './gpu/suspend.ts';
import * as texture from './gpu/texture-descriptors.ts';
import * as kms from './kms-structs.ts';
import {
  address,
  array,
  bool,
  bytes,
  float,
  type Layout,
  layout,
  log2,
  minusOne,
  named,
  nested,
  printLayout,
  s32,
  s64,
  shifted,
  sint,
  struct,
  u8,
  u16,
  u32,
  u64,
  uint,
  viewOf,
} from './layout.ts';
import * as panthor from './panthor.ts';

const isLayout = (value: any): value is Layout<any> =>
  typeof value === 'object' && value !== null && 'fields' in value && 'pack' in value;

/** All layouts that are exported from these modules, also as part of a definition. */
function layoutsOf(...modules: object[]): Layout<any>[] {
  const found = new Set<Layout<any>>();
  for (const module of modules) {
    for (const value of Object.values(module)) {
      const parts = typeof value === 'object' && value !== null ? [value, ...Object.values(value)] : [];
      for (const part of parts) {
        if (isLayout(part)) found.add(part);
        else if (isLayout((part as any)?.arg)) found.add((part as any).arg);
        else if (isLayout((part as any)?.layout)) found.add((part as any).layout);
      }
    }
  }
  return [...found];
}

/** Each kind of field, at places that are awkward. */
const all = layout('all', 64, {
  low: uint(0, 5),
  middle: uint(5, 20),
  high: uint(25, 7),
  whole: uint(32, 32),
  across: uint(60 + 32, 12),
  wide: uint(128, 48),
  times: shifted(176, 10, 4),
  wideTimes: shifted(192, 40, 12),
  count: minusOne(232, 8),
  power: log2(240, 5),
  below: sint(248, 7),
  belowWhole: sint(256, 32),
  flag: bool(31 + 288),
  real: float(320),
  place: address(384),
  list: array(u16(), 3, 448),
});
const c = struct('c', {
  a: u8(),
  b: u16(),
  c: u32(),
  d: s32(),
  e: u64(),
  f: s64(),
  g: bytes(5),
  h: nested(struct('inner', { x: u32(), y: u64() })),
  i: array(u32(), 40),
  j: array(address(0), 3),
});
const layouts = [all, c, ...layoutsOf(kms, cs, firmware, raster, shader, suspend, texture, panthor)];

/** Numbers that look random and are the same on every run. */
let state = 1;
const random = (): number => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state;
};
const randomBytes = (size: number): Uint8Array => Uint8Array.from({ length: size }, () => random() >>> 24);

test('a layout reads as its fields do, the first time and the hundredth', () => {
  assert.ok(layouts.length > 100, `${layouts.length} layouts`);
  for (const one of layouts) {
    for (let i = 0; i < 20; i++) {
      const view = viewOf(randomBytes(one.size + 8));
      const wanted = Object.fromEntries(Object.entries<any>(one.fields).map(([key, f]) => [key, f.read(view, 4)]));
      assert.deepEqual(one.read(view, 4), wanted, one.name);
    }
  }
});

test('a layout writes as its fields do, leaves what is not given, and reads back what it wrote', () => {
  for (const one of layouts) {
    for (let i = 0; i < 20; i++) {
      const values: any = one.read(viewOf(randomBytes(one.size)), 0);
      for (const key of Object.keys(values)) if (random() % 3 === 0) values[key] = undefined;
      const background = randomBytes(one.size + 8);
      const [wanted, got] = [background.slice(), background.slice()];
      for (const [key, f] of Object.entries<any>(one.fields))
        if (values[key] !== undefined) f.write(viewOf(wanted), 4, values[key]);
      one.write(viewOf(got), 4, values);
      assert.deepEqual(got, wanted, one.name);
      const again: any = one.read(viewOf(got), 4);
      for (const key of Object.keys(one.fields))
        if (values[key] !== undefined && key !== 'real' && !Number.isNaN(values[key]))
          assert.deepEqual(again[key], values[key], `${one.name}.${key}`);
    }
  }
});

test('the printer shows every declared layout, whatever it holds', () => {
  for (const one of layouts) {
    for (let i = 0; i < 5; i++) {
      const view = viewOf(randomBytes(one.size + 8));
      const lines = printLayout(one, view, 4);
      for (const [key, f] of Object.entries<any>(one.fields)) {
        const line = lines.find((each) => each.startsWith(`${key}:`));
        assert.equal(line === undefined, f.read(view, 4) === false, `${one.name}.${key}: ${line}`);
      }
      assert.ok(!lines.some((line) => /undefined|\[object/.test(line)), `${one.name}: ${lines.join(' ')}`);
    }
  }
});

test('the printer writes names, addresses, large numbers, flags and inner layouts', () => {
  const inner = struct('inner', { x: u32(), y: u64() });
  const outer = layout('outer', 64, {
    mode: named(uint(0, 3), { OFF: 0, ON: 5 }),
    set: bool(3),
    clear: bool(4),
    small: sint(8, 8),
    large: uint(32, 32),
    place: address(64),
    real: float(128),
    list: array(u16(), 3, 160),
    raw: bytes(3, 208),
    within: nested(inner, 256),
  });
  const view = viewOf(
    outer.pack({
      mode: 5,
      set: true,
      small: -2,
      large: 0xabcd0123,
      place: 0x7fff00001000,
      real: 0.5,
      list: [1, 2, 3],
      raw: Uint8Array.of(1, 2, 255),
      within: { x: 7, y: 2n ** 40n },
    }),
  );
  assert.deepEqual(printLayout(outer, view, 0), [
    'mode: ON',
    'set: yes',
    'small: -2',
    'large: 0xabcd0123',
    'place: 0x7fff00001000',
    'real: 0.5',
    'list: [1, 2, 3]',
    'raw: 01 02 ff',
    'within:',
    '  x: 7',
    '  y: 0x10000000000',
  ]);
  outer.write(view, 0, { mode: 3 });
  assert.equal(printLayout(outer, view, 0)[0], 'mode: 3 (no name)');
  assert.deepEqual(
    printLayout(outer, view, 0, (name) => name !== 'small'),
    ['small: -2'],
  );
});
