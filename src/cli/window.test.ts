import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Stage } from '../testing/host/stage.ts';
import { openWindow } from './window.ts';

test('a browser is started with what leads to the page, but not with the token; none is told by a sentence', async (t) => {
  const { screen, directory } = await Stage.of(t);
  const { PATH } = process.env;
  t.after(() => {
    process.env.PATH = PATH;
  });
  process.env.PATH = directory;
  assert.match((await openWindow(screen.address, assert.fail)) ?? '', /no browser is installed here \(chromium, /);
  const seen = join(directory, 'seen');
  writeFileSync(join(directory, 'chromium'), `#!/bin/sh\necho "$@" > ${seen}.part && /bin/mv ${seen}.part ${seen}\n`, {
    mode: 0o755,
  });
  assert.equal(await openWindow(screen.address, assert.fail), undefined);
  for (let i = 0; i < 500 && !existsSync(seen); i++) await sleep(10);
  const url = /^--app=(http:\S+)\n$/.exec(readFileSync(seen, 'utf8'))?.[1] ?? assert.fail();
  const token = new URL(screen.address.link).pathname;
  assert.ok(!url.includes(token.slice(1, -1)), url);
  const page = await fetch(url);
  assert.equal(page.url, screen.address.link);
  assert.match(await page.text(), /<title>Tyr<\/title>/);
});
