/** The initial RAM disk: cpio(1) reads it, modules come in their order, and a script's words stay words. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Problem } from '../userland/problem.ts';
import { initScript, programScript } from './init.ts';
import { Initramfs } from './initramfs.ts';
import { keepModules, ModuleTree } from './modules.ts';

const folder = mkdtempSync(join(tmpdir(), 'tyr-vm-'));
after(() => rmSync(folder, { recursive: true }));

test('records are whole, aligned and in order, with the folders above each file', () => {
  const disk = new Initramfs().file('lib/firmware/a', 'abcde', 0o755).link('bin', 'usr/bin').folder('dev').pack();
  const text = Buffer.from(disk).toString('latin1');
  const found: [name: string, mode: number, data: string][] = [];
  let at = 0;
  while (at < text.length) {
    assert.equal(at % 4, 0);
    assert.equal(text.slice(at, at + 6), '070701');
    const field = (i: number) => Number.parseInt(text.slice(at + 6 + 8 * i, at + 14 + 8 * i), 16);
    const [mode, size, nameSize] = [field(1), field(6), field(11)];
    const name = text.slice(at + 110, at + 110 + nameSize - 1);
    const data = Math.ceil((at + 110 + nameSize) / 4) * 4;
    found.push([name, mode, text.slice(data, data + size)]);
    at = Math.ceil((data + size) / 4) * 4;
  }
  assert.deepEqual(found, [
    ['lib', 0o040755, ''],
    ['lib/firmware', 0o040755, ''],
    ['lib/firmware/a', 0o100755, 'abcde'],
    ['bin', 0o120777, 'usr/bin'],
    ['dev', 0o040755, ''],
    ['TRAILER!!!', 0, ''],
  ]);
});

test('a module comes after what it needs, compressed or not; what is built in does not come; what is missing is named', async () => {
  const modules = join(folder, 'modules');
  mkdirSync(join(modules, 'kernel/drm'), { recursive: true });
  const module = (depends: string) => `\x7fELF\0license=GPL\0depends=${depends}\0name=x\0`;
  writeFileSync(join(modules, 'kernel/drm/panthor.ko.gz'), gzipSync(module('drm,gpu-sched,built')));
  writeFileSync(join(modules, 'kernel/drm/gpu-sched.ko'), module('drm'));
  writeFileSync(join(modules, 'kernel/drm/drm.ko.xz'), 'packed');
  writeFileSync(join(modules, 'kernel/lost.ko'), module('nowhere'));
  writeFileSync(join(modules, 'modules.builtin'), 'kernel/lib/built.ko\n');
  const tree = await ModuleTree.open(modules, async () => Buffer.from(module('')));
  const names = (await tree.closure(['panthor', 'built'])).map(({ name }) => name);
  assert.deepEqual(names, ['drm', 'gpu_sched', 'panthor']);
  await assert.rejects(
    tree.closure(['lost']),
    (error) => error instanceof Problem && /nowhere, which lost/.test(error.message),
  );
});

test('what is kept of a kernel are the modules that were asked for, and of others those that it has', async () => {
  const kept = join(folder, 'kept');
  const unxz = async () => Buffer.from('\x7fELF\0depends=\0');
  await keepModules(join(folder, 'modules'), kept, ['gpu_sched'], ['panthor', 'tyr'], unxz);
  assert.deepEqual(readdirSync(kept).sort(), ['drm.ko', 'gpu_sched.ko', 'modules.builtin', 'panthor.ko']);
  const tree = await ModuleTree.open(kept, unxz);
  await assert.rejects(
    tree.closure(['tyr']),
    (error) => error instanceof Problem && /no module tyr/.test(error.message),
  );
});

test('init is a script that a shell can read, whatever it is to do', () => {
  for (const terminal of [false, true]) {
    for (const share of [false, true]) {
      const script = initScript({ modules: ['9p'], driver: ['drm', 'panthor'], expectGpu: true, terminal, share });
      execFileSync('sh', ['-n'], { input: script });
    }
  }
});

test('words and variables with quotes, blanks and newlines reach the program as they are', () => {
  const words = ['printf', '%s|', "it's", 'a  b', '$HOME', 'x\ny', ''];
  const script = programScript([...words, '$A'], { A: '\'quoted\' "twice"' }, '/');
  const shown = execFileSync('sh', ['-c', script], { encoding: 'utf8' });
  assert.equal(shown, "it's|a  b|$HOME|x\ny||$A|");
  assert.equal(
    execFileSync('sh', ['-c', programScript(['printenv', 'A'], { A: "'q'" }, '/')], { encoding: 'utf8' }),
    "'q'\n",
  );
});
