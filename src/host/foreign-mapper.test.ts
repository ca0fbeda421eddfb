/** Memory of another owner: what is written through either mapping is there for both, and only where ranges say so. */
import assert from 'node:assert/strict';
import { openSync } from 'node:fs';
import { test } from 'node:test';
import { ForeignMemory } from '../board/foreign-memory.ts';
import { ForeignMapper } from './foreign-mapper.ts';
import * as sys from './syscalls.ts';

const MEGABYTE = 2 ** 20;

function memory(): ForeignMemory {
  return new ForeignMemory(0xffff0000, new ForeignMapper());
}

test('two ranges of one file show the same bytes, and a removed one shows none', () => {
  const dram = memory();
  const fd = sys.sealedMemory('test', 2 * MEGABYTE);
  dram.add(0x40000000, MEGABYTE, fd, MEGABYTE);
  dram.add(0x80000000, 2 * MEGABYTE, fd, 0);
  sys.close(fd);
  dram.view.setUint32(0x40000010, 0xcafe, true);
  assert.equal(dram.view.getUint32(0x80000010 + MEGABYTE, true), 0xcafe);
  assert.equal(dram.room(0x40000010), MEGABYTE - 0x10);
  assert.equal(dram.roomBefore(0x80000010), 0x10);
  assert.ok(dram.room(0x3ffffff0) <= 0);
  dram.remove(0x40000000, MEGABYTE);
  assert.ok(dram.room(0x40000010) <= 0);
  assert.equal(dram.view.getUint32(0x40000010, true), 0, 'nobody’s page');
  assert.equal(dram.view.getUint32(0x80000010 + MEGABYTE, true), 0xcafe, 'the owner’s stays as it is');
});

test('neighbours are one run, and a hole in the middle leaves two', () => {
  const dram = memory();
  const fd = sys.sealedMemory('test', 3 * MEGABYTE);
  for (let i = 0; i < 3; i++) dram.add(0x40000000 + i * MEGABYTE, MEGABYTE, fd, i * MEGABYTE);
  assert.deepEqual(dram.ranges.list, [[0x40000000, 0x40000000 + 3 * MEGABYTE]]);
  dram.remove(0x40000000 + MEGABYTE, MEGABYTE);
  assert.deepEqual(dram.ranges.list, [
    [0x40000000, 0x40000000 + MEGABYTE],
    [0x40000000 + 2 * MEGABYTE, 0x40000000 + 3 * MEGABYTE],
  ]);
  sys.close(fd);
});

test('what could fault under the machine, overlaps or is no whole pages is refused, and nothing is there', () => {
  const dram = memory();
  const fd = sys.sealedMemory('test', MEGABYTE);
  const refused: [physical: number, size: number, offset: number][] = [
    [0x40000000, 2 * MEGABYTE, 0],
    [0x40000000, MEGABYTE, 4096],
    [0x40000001, MEGABYTE, 0],
    [0x40000000, 100, 0],
    [0x40000000, 0, 0],
    [0xfff00000, MEGABYTE, 0],
    [0x40000000, 4096, -4096],
    [2 ** 40, 4096, 0],
  ];
  for (const [physical, size, offset] of refused) {
    assert.throws(() => dram.add(physical, size, fd, offset), RangeError, `${physical} ${size} ${offset}`);
  }
  assert.deepEqual(dram.ranges.list, []);
  dram.add(0x40000000, 4096, fd, 0);
  assert.throws(() => dram.add(0x40000000, MEGABYTE, fd, 0), /already/);
  sys.close(fd);
});

test('a file that cannot be sealed is no memory', () => {
  const dram = memory();
  const fd = openSync('/dev/zero', 'r+');
  assert.throws(() => dram.add(0x40000000, MEGABYTE, fd, 0), /sealed/);
  sys.close(fd);
});
