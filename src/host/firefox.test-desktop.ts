/**
 * Firefox's window on Weston, with pages of ours: what a page is, that WebGL and WebRender draw by the GPU, and that a film is played, is
 * read off the screen. Fetches the guest where it is missing (about 250 MB).
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { silent } from '../board/log.ts';
import type { Picture } from '../display/index.ts';
import { Desktop } from '../testing/host/desktop.ts';
import { Marionette } from '../testing/host/marionette.ts';
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

/** Milliseconds in which about:support has asked all that it tells. */
const TELLS = 300_000;

/** How many pixels have a colour. */
function count({ data }: Picture, [red, green, blue]: readonly number[]): number {
  let found = 0;
  for (let i = 0; i < data.length; i += 4)
    if (data[i] === red && data[i + 1] === green && data[i + 2] === blue) found++;
  return found;
}

/** Runs Firefox with a page until `done` is content with how many pixels have each of these colours. */
async function show(
  t: TestContext,
  page: string,
  colors: readonly (readonly number[])[],
  done: (pixels: number[]) => boolean,
) {
  const cwd = mkdtempSync(join(tmpdir(), 'tyr-firefox-'));
  t.after(() => rmSync(cwd, { recursive: true }));
  writeFileSync(join(cwd, 'page.html'), page);
  const { guest, program, args, env } = commandOf('firefox', ['page.html']);
  const userland = await ensureUserland({ guest });
  const root = await guestRoot({ home: join(cwd, 'home') });
  t.after(root.release);
  const ended = new AbortController();
  let seen: number[] = colors.map(() => 0);
  const { jobs, faults, leaks } = await launch({
    ...{ userland, program, args, env, cwd, home: root.home, namespaces: root.namespaces, log: silent },
    ...{ mode: '800x600@60', soleMode: true, signal: ended.signal, timeout: 2000, stdout: () => {}, stderr: () => {} },
    onFrame: (_, screenshot) => {
      const picture = screenshot();
      seen = colors.map((color) => count(picture, color));
      if (done(seen)) ended.abort();
    },
  });
  t.diagnostic(`pixels of each colour: ${seen}; ${jobs} jobs`);
  assert.deepEqual([faults, leaks], [0, {}]);
  return seen;
}

test('Firefox shows a page by WebRender on the GPU, and its WebGL is a Mali’s', async (t) => {
  const drawn = (seen: number[]) => seen.slice(0, 3).every((pixels) => pixels > 700 * 95);
  const seen = await show(
    t,
    PAGE,
    [...BARS, MALI, OTHER],
    (pixels) => drawn(pixels) && pixels[3]! + pixels[4]! > 700 * 50,
  );
  assert.ok(drawn(seen), `the page is not seen: ${seen}`);
  assert.ok(seen[3]! > 700 * 50 && seen[4] === 0, `WebGL is not the GPU's: ${seen}`);
});

/** A ground for each state of the page that plays: what was played was as it was drawn, or was not, and what went wrong before. */
const PLAYED = [0, 96, 64];
const WRONG = [160, 0, 32];
const FAILED = [96, 0, 160];

/**
 * A page that has Firefox encode what a canvas shows, first red, then blue, as WebM, and plays the file: the video's own pixels have to be
 * red, and blue later.
 */
const FILM = `<!doctype html><title>film</title><body style="margin:0">
<video width=320 height=240 muted></video>
<script>
  const ground = (color) => { document.body.style.background = color; };
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const canvas = (readable) => {
    const made = Object.assign(document.createElement('canvas'), { width: 320, height: 240 });
    return [made, made.getContext('2d', { willReadFrequently: readable })];
  };
  const record = async () => {
    const [drawn, context] = canvas(false);
    const recorder = new MediaRecorder(drawn.captureStream(10), { mimeType: 'video/webm;codecs=vp8' });
    const parts = [];
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const stopped = new Promise((resolve) => { recorder.onstop = resolve; });
    recorder.start();
    for (let i = 0; i < 40; i++) {
      context.fillStyle = i < 20 ? '#f00' : '#00f';
      context.fillRect(0, 0, 320, 240);
      await sleep(100);
    }
    recorder.stop();
    await stopped;
    return new Blob(parts, { type: 'video/webm' });
  };
  const play = async (film) => {
    const video = document.querySelector('video');
    const [, context] = canvas(true);
    const seen = [];
    const look = () => {
      context.drawImage(video, 0, 0, 320, 240);
      const [red, , blue] = context.getImageData(160, 120, 1, 1).data;
      const color = red > 180 && blue < 80 ? 'red' : blue > 180 && red < 80 ? 'blue' : 'other';
      if (video.currentTime > 0 && seen.at(-1) !== color) seen.push(color);
    };
    video.src = URL.createObjectURL(film);
    await video.play();
    while (!video.ended) { look(); await sleep(50); }
    look();
    return seen.filter((color) => color !== 'other').join();
  };
  record().then(play).then(
    (seen) => ground(seen === 'red,blue' ? '${rgb(PLAYED)}' : '${rgb(WRONG)}'),
    () => ground('${rgb(FAILED)}'),
  );
</script>`;

test('Firefox encodes a WebM film and plays it', async (t) => {
  const enough = 200_000;
  const [played, wrong, failed] = await show(t, FILM, [PLAYED, WRONG, FAILED], (pixels) =>
    pixels.some((count) => count > enough),
  );
  assert.ok(played! > enough, `the film is not as it was drawn (${wrong}), or could not be made or played (${failed})`);
});

test('about:support tells of WebRender and WebGL on the GPU', async (t) => {
  const profile = '.mozilla/tyr';
  // Any port that is free; Firefox writes down which.
  const files = { [join(profile, 'prefs.js')]: 'user_pref("marionette.port", 0);\n' };
  // No page may go there, but whoever starts Firefox; nor may one read it, but who is let into Firefox itself.
  const command = commandOf('firefox', ['--marionette', '--remote-allow-system-access', 'about:support']);
  const desktop = await Desktop.start(t, command, '1024x768@60', files);
  const file = join(desktop.home, profile, 'MarionetteActivePort');
  const port = (): number => (existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0);
  await desktop.until(
    () => port() > 0,
    () => 'Firefox does not say where it listens',
  );
  const firefox = await Marionette.of(port());
  t.after(() => firefox.close());
  await firefox.call('Marionette:SetContext', { value: 'chrome' });
  const read = 'return gBrowser.selectedBrowser.contentDocument?.body?.innerText';
  let text = '';
  for (const end = Date.now() + TELLS; !/^WebGL 2 Extensions\s/m.test(text) && Date.now() < end; )
    text = String(await firefox.evaluate(read));
  const told = text.split('\n').filter((line) => /^(Compositing|Description|WebGL \d Driver Renderer)\t/.test(line));
  t.diagnostic(told.join('; '));
  assert.match(text, /^Compositing\s+WebRender$/m);
  assert.match(text, /^WebGL 1 Driver Renderer\s.*Mali-G610/m);
  assert.match(text, /^WebGL 2 Driver Renderer\s.*Mali-G610/m);
  assert.match(text, /^Description\s+Mali-G610/m);
  await desktop.end();
});
