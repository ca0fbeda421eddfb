import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Dram } from '../board/dram.ts';
import { GemObject } from './gem.ts';
import { GpuVm, type Mapping, type Operation } from './gpuvm.ts';

const dram = new Dram(1 << 24);
const buffer = (pages: number): GemObject => new GemObject(dram, dram.alloc(pages * 4096));
const vm = (): GpuVm<string> =>
  new GpuVm<string>({ start: 0, size: 2 ** 48, kernel: { start: 2 ** 47, size: 2 ** 20 } });
const mapping = (va: number, size: number, object: GemObject | undefined, offset = 0, data = ''): Mapping<string> => ({
  va,
  size,
  object,
  offset,
  data,
});

test('mapping into the middle of another leaves its two ends', () => {
  const space = vm();
  const [a, b] = [buffer(10), buffer(2)];
  space.commit(space.planMap(mapping(0x10000, 0xa000, a, 0, 'a')));
  assert.equal(a.references, 2);
  const plan = space.planMap(mapping(0x13000, 0x2000, b, 0, 'b'));
  assert.equal(space.count, 1, 'planning changes nothing');
  assert.deepEqual(
    plan.map(({ kind }) => kind),
    ['remap', 'map'],
  );
  const remap = plan[0]!;
  assert.ok(remap.kind === 'remap');
  assert.deepEqual(remap.hole, { va: 0x13000, size: 0x2000 });
  space.commit(plan);
  assert.deepEqual(
    space.mappings.map(({ va, size, offset, data }) => [va, size, offset, data]),
    [
      [0x10000, 0x3000, 0, 'a'],
      [0x13000, 0x2000, 0, 'b'],
      [0x15000, 0x5000, 0x5000, 'a'],
    ],
  );
  assert.equal(a.references, 3, 'one for each end');
  assert.equal(space.find(0x14fff)?.data, 'b');
  assert.equal(space.find(0x1a000), undefined);
});

test('unmapping cuts across mappings and drops their references', () => {
  const space = vm();
  const [a, b, c] = [buffer(4), buffer(4), buffer(4)];
  for (const [i, object] of [a, b, c].entries())
    space.commit(space.planMap(mapping(0x10000 + i * 0x4000, 0x4000, object)));
  const plan = space.planUnmap(0x12000, 0x8000);
  assert.deepEqual(
    plan.map(({ kind }) => kind),
    ['remap', 'unmap', 'remap'],
  );
  space.commit(plan);
  assert.deepEqual(
    [a, b, c].map((object) => object.references),
    [2, 1, 2],
  );
  assert.ok(space.isFree(0x12000, 0x8000));
  assert.ok(!space.isFree(0x12000, 0x8001));
  space.clear();
  assert.deepEqual(
    [a, b, c].map((object) => object.references),
    [1, 1, 1],
  );
});

test('mapping the same memory again where it was says that entries may stay', () => {
  const space = vm();
  const a = buffer(8);
  space.commit(space.planMap(mapping(0x10000, 0x4000, a, 0x1000)));
  const keeps = (plan: Operation<string>[]): boolean[] =>
    plan.flatMap((operation) => (operation.kind === 'unmap' ? [operation.keep] : []));
  const same = space.planMap(mapping(0x10000, 0x4000, a, 0x1000));
  assert.deepEqual(keeps(same), [true]);
  assert.deepEqual(keeps(space.planMap(mapping(0x10000, 0x4000, a, 0))), [false]);
  space.commit(same);
  assert.equal(a.references, 2);
});

test('a buffer lives as long as it is mapped', () => {
  const space = vm();
  const a = buffer(1);
  let freed = false;
  a.onRelease(() => {
    freed = true;
  });
  space.commit(space.planMap(mapping(0x10000, 0x1000, a)));
  a.put();
  assert.ok(!freed);
  space.commit(space.planMap(mapping(0x10000, 0x1000, a)));
  assert.ok(!freed, 'replaced by itself');
  space.commit(space.planUnmap(0x10000, 0x1000));
  assert.ok(freed);
});

test('ranges outside, across the driver’s own part, or not ranges at all are refused', () => {
  const space = vm();
  const bad: [number, number][] = [
    [2 ** 48, 0x1000],
    [2 ** 48 - 0x1000, 0x2000],
    [2 ** 47 - 0x1000, 0x2000],
    [2 ** 47 + 0x1000, 0x1000],
    [0, 0],
    [0, 2 ** 60],
    [Number.MAX_SAFE_INTEGER, 0x1000],
    [-0x1000, 0x1000],
    [Number.NaN, 0x1000],
  ];
  for (const [va, size] of bad) assert.throws(() => space.check(va, size), { errno: 'EINVAL' }, `${va}+${size}`);
  space.check(2 ** 47 - 0x1000, 0x1000);
  space.check(0, 0x1000);
});

test('thousands of random maps and unmaps agree with a page by page account', () => {
  const space = vm();
  const pages = new Map<number, string>();
  const object = buffer(512);
  let seed = 12345;
  const random = (n: number): number => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    return (seed >>> 8) % n;
  };
  for (let step = 0; step < 4000; step++) {
    const first = random(400);
    const count = 1 + random(12);
    if (random(3) > 0) {
      space.commit(space.planMap(mapping(first * 4096, count * 4096, object, first * 4096, `${step}`)));
      for (let i = 0; i < count; i++) pages.set(first + i, `${step}`);
    } else {
      space.commit(space.planUnmap(first * 4096, count * 4096));
      for (let i = 0; i < count; i++) pages.delete(first + i);
    }
  }
  for (let page = 0; page < 420; page++) {
    const found = space.find(page * 4096);
    assert.equal(found?.data, pages.get(page), `page ${page}`);
    if (found) assert.equal(found.offset + (page * 4096 - found.va), page * 4096, 'the memory stayed where it was');
  }
  assert.equal(object.references, 1 + space.count);
});
