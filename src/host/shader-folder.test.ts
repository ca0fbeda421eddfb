/** Where shader programs are kept, and what comes of it where they cannot be. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ShaderFolder, shadersOf } from './shader-folder.ts';
import { Problem } from './userland/problem.ts';

const folder = mkdtempSync(join(tmpdir(), 'tyr-shaders-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('programs are kept once each', () => {
  const kept = join(folder, 'kept');
  const shaders = new ShaderFolder(kept, () => assert.fail());
  for (const words of [[1, 2], [3], [1, 2]]) shaders.keep(Uint32Array.from(words));
  const found = [...shadersOf(kept)].map(({ code }) => [...code]);
  assert.deepEqual(
    found.sort((a, b) => a.length - b.length),
    [[3], [1, 2]],
  );
});

test('what is no folder is told at once, and what goes wrong later once, but not to the GPU', () => {
  const file = join(folder, 'file');
  writeFileSync(file, '');
  assert.throws(() => new ShaderFolder(file, () => {}), Problem);
  const lines: string[] = [];
  const gone = join(folder, 'gone');
  const shaders = new ShaderFolder(gone, (level, _device, message) => lines.push(`${level}: ${message}`));
  rmSync(gone, { recursive: true });
  for (const word of [1, 2, 3]) shaders.keep(Uint32Array.of(word));
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /^error: no more shader programs are kept: ENOENT/);
});
