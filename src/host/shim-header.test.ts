import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SHIM_HEADER, shimHeader } from './shim-header.ts';

test('the shim is compiled against the wire that the machine speaks', () => {
  assert.equal(readFileSync(SHIM_HEADER, 'utf8'), shimHeader(), 'run node src/host/shim-header.ts');
});
