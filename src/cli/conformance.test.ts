/** The fixed selection of piglit, run as a user runs it: docs/conformance.md says how many tests that is and by which rule. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tyr-selection-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** As many as there are at least: the lists, or what the GPU offers, may change a little. */
const MANY = 100;

function tyr(args: string[]): Promise<{ code: number | null; stdout: string }> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
  let stdout = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, stdout })));
}

test('guest: the selection of piglit gives what is known of it', async () => {
  const out = join(folder, 'out');
  const { code, stdout } = await tyr(['conformance', 'piglit', '--selection', '--out', out]);
  assert.match(stdout, /^\d+ pass.*; 0 not as expected$/m, stdout);
  assert.equal(code, 0);
  assert.ok(Number(/^(\d+) pass/m.exec(stdout)?.[1]) >= MANY, stdout);
  // Joined with itself it is the same.
  const merged = await tyr(['conformance', 'merge', out, '--out', join(folder, 'whole')]);
  assert.equal(merged.stdout, stdout);
  assert.match(readFileSync(join(folder, 'whole/summary.md'), 'utf8'), /\| spec@glsl-1\.30 \|/);
});
