import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { Problem } from './problem.ts';
import { quiet } from './progress.ts';
import { type Piece, Store } from './store.ts';

let folder: string;
let built: string[];

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'tyr-store-')), 'cache');
  built = [];
});
afterEach(() => rm(join(folder, '..'), { recursive: true }));

function piece(inputs: unknown, build: Piece['build'] = async () => {}): Piece {
  return {
    name: 'thing',
    title: 'a thing',
    inputs,
    async build(at, scratch) {
      built.push(JSON.stringify(inputs));
      await build(at, scratch);
      await writeFile(join(at, 'file'), 'whole');
    },
  };
}

async function ensure(what: Piece): Promise<string> {
  const store = new Store(folder, quiet);
  try {
    return await store.ensure(what);
  } finally {
    store.release();
  }
}

test('a piece is built once, and again when its inputs change', async () => {
  const first = await ensure(piece('a'));
  assert.equal(await ensure(piece('a')), first);
  const second = await ensure(piece('b'));
  assert.notEqual(second, first);
  assert.deepEqual(built, ['"a"', '"b"']);
  assert.equal(await readFile(join(first, 'file'), 'utf8'), 'whole');
});

test('an interrupted build leaves no finished piece, and the next run finds what it had downloaded', async () => {
  const interrupted = piece('a', async (at, scratch) => {
    await writeFile(join(at, 'half'), '');
    await writeFile(join(scratch, 'download'), 'bytes');
    throw new Error('interrupted');
  });
  await assert.rejects(ensure(interrupted), /interrupted/);
  assert.equal(new Store(folder, quiet).has(piece('a')), false);
  const path = await ensure(
    piece('a', async (_, scratch) => {
      assert.equal(await readFile(join(scratch, 'download'), 'utf8'), 'bytes');
    }),
  );
  assert.deepEqual(await readdir(path), ['file']);
  assert.equal(existsSync(`${path}.scratch`), false);
});

test('two setups at once build a piece once', async () => {
  const slow = piece('a', async () => {
    for (let i = 0; i < 20; i++) await readdir(folder);
  });
  const paths = await Promise.all([ensure(slow), ensure(slow), ensure(slow)]);
  assert.equal(new Set(paths).size, 1);
  assert.equal(built.length, 1);
});

test('pieces of older recipes go after a while, younger ones stay for other checkouts', async () => {
  const old = await ensure(piece('old'));
  // Packages date the folders that they bring.
  const young = await ensure({ ...piece('young'), build: (at) => utimes(at, 0, 0) });
  await utimes(old, 0, 0);
  await ensure(piece('new'));
  assert.equal(existsSync(old), false);
  assert.equal(existsSync(young), true);
});

test('a full disk and a folder that cannot be written are told in a sentence', async () => {
  const full = piece('a', async () => {
    throw Object.assign(new Error('write'), { code: 'ENOSPC' });
  });
  await assert.rejects(
    ensure(full),
    (error) => error instanceof Problem && /is full; free about 1 GB/.test(error.message),
  );
  const nowhere = new Store('/dev/null/tyr', quiet);
  await assert.rejects(
    nowhere.ensure(piece('a')),
    (error) => error instanceof Problem && /XDG_CACHE_HOME/.test(error.message),
  );
});

test('what is there can be listed and removed by name, whatever it was made from', async () => {
  const other = { ...piece('x'), name: 'guest.a+b-arm64' };
  const kept = await ensure(piece('a'));
  await ensure(other);
  await ensure({ ...other, inputs: 'y' });
  const begun = { ...piece('z', () => Promise.reject(new Error('interrupted'))), name: other.name };
  await assert.rejects(ensure(begun), /interrupted/);
  const store = new Store(folder, quiet);
  const names = (await store.contents()).map(({ name, complete }) => `${name} ${complete}`);
  assert.deepEqual(names.sort(), [
    'guest.a+b-arm64 false',
    'guest.a+b-arm64 false',
    'guest.a+b-arm64 true',
    'guest.a+b-arm64 true',
    'thing true',
  ]);
  assert.equal(await store.remove('guest.a'), 0);
  assert.equal(await store.remove(other.name), 4);
  store.release();
  assert.deepEqual((await readdir(folder)).sort(), ['lock', kept.slice(folder.length + 1)].sort());
});
