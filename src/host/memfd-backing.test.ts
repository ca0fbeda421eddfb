import assert from 'node:assert/strict';
import { closeSync, ftruncateSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { O_RDONLY } from '../abi/linux.ts';
import { Dram, OutOfMemory } from '../board/dram.ts';
import { DrmError } from '../drm/error.ts';
import { MemfdBacking, type MemfdFile } from './memfd-backing.ts';
import * as sys from './syscalls.ts';

const board = (size = 1 << 20): { dram: Dram; backing: MemfdBacking } => {
  const backing = new MemfdBacking();
  return { dram: new Dram(size, backing), backing };
};

const refused = (error: unknown): boolean => error instanceof DrmError && error.errno === 'EINVAL';

test("a buffer's pages are its file's, both ways, and are zero again when it is freed", () => {
  const { dram, backing } = board();
  const run = dram.allocShared('bo', 8192);
  const file = run.file as MemfdFile;
  dram.u8[run.physical + 5000] = 42;
  const byte = new Uint8Array(1);
  readSync(file.fd, byte, 0, 1, 5000);
  assert.equal(byte[0], 42);
  writeSync(file.fd, Uint8Array.of(43), 0, 1, 5001);
  assert.equal(dram.u8[run.physical + 5001], 43);
  dram.free(run);
  assert.equal(dram.u8[run.physical + 5000], 0);
  assert.equal(backing.files, 0);
});

test('memory that only the driver and the GPU see goes back to the host, too', () => {
  const { dram } = board(1 << 26);
  const own = (): number => process.memoryUsage.rss();
  const before = own();
  const run = dram.alloc(1 << 25);
  dram.u8.fill(1, run.physical, run.physical + run.size);
  assert.ok(own() - before > 1 << 24);
  dram.free(run);
  assert.ok(own() - before < 1 << 24);
  assert.equal(dram.u8[run.physical + 5000], 0);
});

test('nobody can change the size of a buffer', () => {
  const { dram } = board();
  const { fd } = dram.allocShared('bo', 4096).file as MemfdFile;
  assert.throws(() => ftruncateSync(fd, 0), { code: 'EPERM' });
  assert.throws(() => ftruncateSync(fd, 8192), { code: 'EPERM' });
});

test('the same memory comes back as the same file, whichever descriptor it comes by', () => {
  const { dram, backing } = board();
  const run = dram.allocShared('bo', 4096);
  const file = run.file as MemfdFile;
  assert.equal(backing.adopt(sys.duplicate(file.fd)), file);
  assert.equal(backing.adopt(sys.reopen(file.fd, O_RDONLY)), file);
  assert.equal(backing.files, 1);
});

test('a file mapped by two runs lives until both are freed', () => {
  const { dram, backing } = board();
  const first = dram.allocShared('bo', 4096);
  const second = dram.adopt(first.file!);
  dram.u8[first.physical] = 7;
  assert.equal(dram.u8[second.physical], 7);
  dram.free(first);
  assert.equal(backing.files, 1);
  assert.equal(dram.u8[second.physical], 7);
  dram.free(second);
  assert.equal(backing.files, 0);
});

test('an adoption that finds no room leaves a file that is in use alone', () => {
  const { dram, backing } = board(1 << 16);
  const run = dram.allocShared('bo', 1 << 15);
  assert.throws(() => dram.adopt(run.file!), OutOfMemory);
  assert.equal(backing.files, 1);
  dram.u8[run.physical] = 1;
  dram.free(run);
  assert.equal(backing.files, 0);
});

test("a dma-buf that came back for reading alone is still the GPU's to write", () => {
  const { dram, backing } = board();
  const own = sys.sealedMemory('lent', 4096);
  const run = dram.adopt(backing.adopt(sys.reopen(own, O_RDONLY)));
  dram.u8[run.physical] = 9;
  const byte = new Uint8Array(1);
  readSync(own, byte, 0, 1, 0);
  assert.equal(byte[0], 9);
  dram.free(run);
  closeSync(own);
  assert.equal(backing.files, 0);
});

test('memory that could vanish under the machine is refused', () => {
  const { backing } = board();
  const path = join(tmpdir(), `tyr-test-${process.pid}`);
  const file = openSync(path, 'w+');
  ftruncateSync(file, 4096);
  assert.throws(() => backing.adopt(sys.duplicate(file)), refused, 'a plain file');
  closeSync(file);
  rmSync(path);
  const odd = sys.sealedMemory('odd', 100);
  assert.throws(() => backing.adopt(odd), refused, 'no whole pages');
  assert.equal(backing.files, 0);
});
