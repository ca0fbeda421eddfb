import assert from 'node:assert/strict';
import fs, { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, mock, test } from 'node:test';
import { keepCompiledCode } from './code-cache.ts';

const folder = mkdtempSync(join(tmpdir(), 'tyr-code-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('a folder of compiled code is begun anew when it has too many files', () => {
  const old = join(folder, 'v1');
  mkdirSync(old);
  for (let n = 0; n < 4; n++) writeFileSync(join(old, `${n}`), '');
  assert.equal(keepCompiledCode(folder, 4), undefined);
  assert.ok(existsSync(join(old, '3')));
  assert.equal(keepCompiledCode(folder, 3), undefined);
  assert.ok(!existsSync(old));
});

test('a folder that another process fills or deletes meanwhile is left to it', () => {
  const old = join(folder, 'v1');
  mkdirSync(old, { recursive: true });
  for (let n = 0; n < 4; n++) writeFileSync(join(old, `${n}`), '');
  const busy = mock.method(fs, 'rmSync', () => {
    throw new Error('ENOTEMPTY');
  });
  const gone = mock.method(fs, 'renameSync', () => {
    throw new Error('ENOENT');
  });
  try {
    syncBuiltinESMExports();
    assert.equal(keepCompiledCode(folder, 3), undefined);
    gone.mock.restore();
    syncBuiltinESMExports();
    assert.equal(keepCompiledCode(folder, 3), undefined);
  } finally {
    busy.mock.restore();
    gone.mock.restore();
    syncBuiltinESMExports();
  }
});
