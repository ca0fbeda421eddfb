/**
 * `tyr vm` with a kernel of one's own. Debian's is taken for one: its image by a path, and a folder as lib/modules/VERSION is, with modules in
 * folders and packed. Run by `./tyr test --vm`.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { ensureUserland, ensureVm } from '../host/userland/userland.ts';
import { chooseKernel } from '../host/vm/kernel.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tyr-own-kernel-'));
const image = join(folder, 'Image');
const modules = join(folder, 'lib/modules/7.3.4-own');
let client: string;

before(async () => {
  const userland = await ensureUserland();
  client = userland.guest.clients['mov-job']!;
  const debian = await chooseKernel({ driver: 'panthor' }, userland, await ensureVm(), {});
  copyFileSync(debian.image, image);
  const from = join(dirname(debian.image), 'modules');
  const pack = [
    ['', (data: Buffer) => data],
    ['.gz', (data: Buffer) => gzipSync(data)],
    ['.zst', (data: Buffer) => zstdCompressSync(data)],
  ] as const;
  for (const [i, name] of readdirSync(from).entries()) {
    const [ending, packed] = name.endsWith('.ko') ? pack[i % pack.length]! : pack[0]!;
    const to = join(modules, name.endsWith('.ko') ? `kernel/part${i % 4}/${name}${ending}` : name);
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, packed(readFileSync(join(from, name))));
  }
});
after(() => rmSync(folder, { recursive: true, force: true }));

function vm(...args: string[]) {
  const words = [MAIN, 'vm', '--timeout', '400', ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  return { status, stdout, all: `${stdout}\n${stderr}` };
}

test('a kernel of one’s own boots by --kernel and --modules, and its panthor does a job', () => {
  const { status, stdout, all } = vm(
    '--json',
    '--kernel',
    image,
    '--modules',
    modules,
    '--',
    client,
    '/dev/dri/renderD128',
    '3',
  );
  assert.equal(status, 0, all);
  assert.match(all, /mov-job: 0xcafe0002/);
  const { kernel, driver, warnings, gpuSeconds } = JSON.parse(stdout.trim().split('\n').at(-1)!);
  assert.match(kernel, /^7\./);
  assert.equal(driver, 'panthor');
  assert.deepEqual(warnings, []);
  assert.ok(gpuSeconds > 0, all);
});

test('what such a kernel lacks is named, before anything is booted', () => {
  const cases: [string[], RegExp][] = [
    [
      ['--kernel', image, '--modules', modules, '--driver', 'tyr'],
      /has no module tyr, and the kernel has it not built in/,
    ],
    [['--kernel', image, '--modules', join(folder, 'none')], /the modules cannot be read: .*none/],
    [['--kernel', join(folder, 'none')], /the kernel cannot be read: .*none/],
    [['--kernel', client], /is no kernel for arm64, but an ELF file/],
    [['--modules', modules], /--modules are those of a --kernel/],
  ];
  for (const [args, sentence] of cases) {
    const { status, all } = vm(...args, '--', 'true');
    assert.equal(status, 1, all);
    assert.match(all, sentence);
  }
});
