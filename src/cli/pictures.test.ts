/** The selections of kmscube and glmark2, whose pictures are held against llvmpipe's (docs/conformance.md). */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { tyr } from '../testing/host/tyr.ts';

const folder = mkdtempSync(join(tmpdir(), 'tyr-pictures-'));
after(() => rmSync(folder, { recursive: true, force: true }));

for (const [suite, count] of [
  ['kmscube', 3],
  ['glmark2', 6],
] as const) {
  test(`guest: the selection of ${suite} looks as llvmpipe draws it`, async () => {
    const { code, stdout } = await tyr(['conformance', suite, '--selection', '--out', join(folder, suite)]);
    assert.equal(stdout, `${count} pass; 100.0 % of those run passed; 0 not as expected\n`);
    assert.equal(code, 0);
  });
}
