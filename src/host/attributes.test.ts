/** What a guest writes into files of a device's folder in /sys. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { recorder } from '../board/log.ts';
import { DrmError } from '../drm/error.ts';
import { until } from '../testing/host/until.ts';
import { Attributes } from './attributes.ts';

const folder = mkdtempSync(join(tmpdir(), 'tyr-attributes-'));
after(() => rmSync(folder, { recursive: true }));

test('a file takes what it understands, shows what holds, and of one that grows without bound no more than a page is looked at', async () => {
  const { log, lines } = recorder();
  const attributes = new Attributes(log);
  let value = '1';
  let longest = 0;
  const path = join(folder, 'value');
  attributes.add(path, {
    path: 'value',
    show: () => value,
    store(text) {
      longest = Math.max(longest, text.length);
      if (text.length > 8) throw new DrmError('EINVAL', 'too long');
      value = text;
    },
  });
  try {
    writeFileSync(path, '2\n');
    await until(
      () => value === '2',
      () => 'it was not stored',
    );
    writeFileSync(path, 'x');
    truncateSync(path, 2 ** 28);
    await until(
      () => lines.some((line) => line.includes('too long')) && readFileSync(path, 'utf8') === `${value}\n`,
      () => lines.join('\n'),
    );
    assert.ok(longest <= 4096, `${longest} bytes were read`);
  } finally {
    attributes.close();
  }
});
