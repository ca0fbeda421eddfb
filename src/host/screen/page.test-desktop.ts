/** The page in a real browser: needs a Chromium on this host (Debian's `chromium-headless-shell` or `chromium`). */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { openBrowser } from '../../testing/host/browser.ts';
import { Stage } from '../../testing/host/stage.ts';

test('a browser shows every pixel, and its keys, clicks and fingers arrive; a page of another origin gets nothing', async (t) => {
  const browser = await openBrowser(t);
  const stage = await Stage.of(t);
  const { link } = stage.screen.address;
  await stage.show((x, y) => ((x >> 3) * 0x050301 + (y >> 2) * 0x010203) & 0xffffff);

  const context = await browser.newContext({ viewport: { width: 640, height: 600 }, hasTouch: true });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', ({ message }) => errors.push(message));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.goto(link);
  await page.waitForSelector('#screenshot:enabled');
  assert.equal(await page.title(), 'stage');

  const { shown } = stage;
  const differing = (): Promise<number> =>
    page.evaluate(
      (want) => {
        const canvas = (globalThis as any).document.querySelector('#screen canvas');
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return want.filter((pixel, i) => pixel !== (data[4 * i] << 16) + (data[4 * i + 1] << 8) + data[4 * i + 2])
          .length;
      },
      [...shown],
    );
  for (let i = 0; i < 50 && (await differing()) > 0; i++) await page.waitForTimeout(100);
  assert.equal(await differing(), 0);

  const box = (await page.locator('#screen canvas').boundingBox())!;
  await page.mouse.click(box.x + box.width / 2, box.y + box.height / 4);
  await page.keyboard.press('k');
  await page.touchscreen.tap(box.x + box.width / 4, box.y + box.height / 2);
  const has = (name: string, ...args: unknown[]): boolean =>
    stage.calls.some((call) => JSON.stringify(call) === JSON.stringify([name, ...args]));
  for (let i = 0; i < 50 && !stage.calls.some(([name]) => name === 'release'); i++) await page.waitForTimeout(100);
  assert.ok(has('button', 0x110, true) && has('button', 0x110, false), JSON.stringify(stage.calls));
  assert.ok(has('key', 37, true) && has('key', 37, false), JSON.stringify(stage.calls));
  const touch = stage.calls.find(([name]) => name === 'touch')!;
  assert.ok(Math.abs(Number(touch[2]) - 0.25) < 0.01 && Math.abs(Number(touch[3]) - 0.5) < 0.01, JSON.stringify(touch));
  const place = stage.calls.find(([name]) => name === 'moveTo')!;
  assert.ok(Math.abs(Number(place[1]) - 0.5) < 0.01 && Math.abs(Number(place[2]) - 0.25) < 0.01, JSON.stringify(place));
  assert.deepEqual(errors, []);

  // Somebody else's page knows the whole link, and has it refused all the same.
  const elsewhere = createServer((_, response) => response.setHeader('Content-Type', 'text/html').end('<p>'));
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
  t.after(() => elsewhere.close());
  const foreign = await context.newPage();
  await foreign.goto(`http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`);
  const got = await foreign.evaluate(async (address) => {
    const fetched = await fetch(address).then(
      () => 'fetched',
      () => 'refused',
    );
    const socket = new WebSocket(`${address.replace('http', 'ws')}screen`);
    const opened = await new Promise((resolve) => {
      socket.onopen = () => resolve('opened');
      socket.onerror = () => resolve('refused');
    });
    return [fetched, opened];
  }, link);
  assert.deepEqual(got, ['refused', 'refused']);
});
