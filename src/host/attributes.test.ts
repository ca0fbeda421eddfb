/** What a guest writes into files of a device's folder in /sys. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { recorder } from '../board/log.ts';
import { DrmError } from '../drm/error.ts';
import { launched } from '../testing/host/launched.ts';
import { until } from '../testing/host/until.ts';
import { Attributes } from './attributes.ts';
import { ensureUserland } from './userland/userland.ts';

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

const PROFILING = '/sys/class/drm/renderD128/device/profiling';

for (const side of ['guest', 'host'] as const) {
  test(`${side}: what an attribute of /sys refuses, the write itself is told, and the file shows what holds`, async () => {
    const userland = await ensureUserland();
    const write = (text: string): string =>
      `echo ${text} | dd of=${PROFILING} conv=notrunc 2>&1 | grep -o 'Invalid argument'; cat ${PROFILING}`;
    const words = [
      write('3'),
      write('9'),
      write('nonsense'),
      `{ echo 8; } 2>/dev/null >${PROFILING} || echo refused; cat ${PROFILING}`,
      `{ echo 1; } >${PROFILING} && cat ${PROFILING}`,
      `ls -l ${PROFILING} | cut -c 1-10`,
    ].join('\n');
    const program = side === 'guest' ? 'sh' : '/bin/sh';
    const { stdout } = await launched({ userland, program, args: ['-c', words] });
    assert.deepEqual(stdout.trim().split('\n'), [
      '3',
      'Invalid argument',
      '3',
      'Invalid argument',
      '3',
      'refused',
      '3',
      '1',
      '-rw-r--r--',
    ]);
  });
}
