/**
 * Firefox's window on Weston, with a page of ours: what the page is, and that WebGL and WebRender draw by the GPU, is read off
 * the screen. Fetches the guest where it is missing (about 250 MB).
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silent } from '../board/log.ts';
import type { Picture } from '../display/index.ts';
import { launch } from './launch.ts';
import { guestRoot } from './userland/guest-root.ts';
import { commandOf } from './userland/guests.ts';
import { ensureUserland } from './userland/userland.ts';

/** Red, green and blue of the page where WebGL's renderer is a Mali, and where it is not. */
const MALI = [0, 96, 32];
const OTHER = [160, 0, 0];
const rgb = (color: readonly number[]): string => `rgb(${color})`;
/** Three colours, 100 pixels high each, as wide as the page. */
const BARS = [
  [255, 0, 0],
  [0, 255, 0],
  [0, 0, 255],
];

const PAGE = `<!doctype html><title>page</title><body style="margin:0">
${BARS.map((color) => `<div style="height:100px;background:${rgb(color)}"></div>`).join('')}
<script>
  const gl = document.createElement('canvas').getContext('webgl');
  const mali = gl && /Mali|Panfrost/.test(gl.getParameter(gl.RENDERER));
  document.body.style.background = mali ? '${rgb(MALI)}' : '${rgb(OTHER)}';
</script>`;

/** How many pixels have a colour. */
function count({ data }: Picture, [red, green, blue]: readonly number[]): number {
  let found = 0;
  for (let i = 0; i < data.length; i += 4)
    if (data[i] === red && data[i + 1] === green && data[i + 2] === blue) found++;
  return found;
}

test('Firefox shows a page by WebRender on the GPU, and its WebGL is a Mali’s', async (t) => {
  const cwd = mkdtempSync(join(tmpdir(), 'tyr-firefox-'));
  t.after(() => rmSync(cwd, { recursive: true }));
  writeFileSync(join(cwd, 'page.html'), PAGE);
  const { guest, program, args, env } = commandOf('firefox', ['page.html']);
  const userland = await ensureUserland({ guest });
  const root = await guestRoot({ home: join(cwd, 'home') });
  t.after(root.release);
  const ended = new AbortController();
  let seen: number[] = [];
  const { jobs, faults, leaks } = await launch({
    ...{ userland, program, args, env, cwd, home: root.home, namespaces: root.namespaces, log: silent },
    ...{ mode: '800x600@60', soleMode: true, signal: ended.signal, timeout: 2000, stdout: () => {}, stderr: () => {} },
    onFrame: (_, screenshot) => {
      const picture = screenshot();
      seen = [...BARS, MALI, OTHER].map((color) => count(picture, color));
      if (seen.slice(0, 3).every((pixels) => pixels > 700 * 95) && seen[3]! + seen[4]! > 700 * 50) ended.abort();
    },
  });
  t.diagnostic(`pixels of bars, Mali's and other's ground: ${seen}; ${jobs} jobs`);
  assert.ok(
    seen.slice(0, 3).every((pixels) => pixels > 700 * 95),
    `the page is not seen: ${seen}`,
  );
  assert.ok(seen[3]! > 700 * 50 && seen[4] === 0, `WebGL is not the GPU's: ${seen}`);
  assert.deepEqual([faults, leaks], [0, {}]);
});
