/**
 * A whole lap of SuperTuxKart, full screen, and its beginning in a window: steered by keyboard as `tyr input` presses keys, by a driver that
 * sees the race's map on the screen and nothing else (testing/host/map-driver.ts). That the lap is one says the game: it writes a
 * finished race into its list of high scores.
 * Fetches the guest where it is missing (about 840 MB).
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { silent } from '../board/log.ts';
import { WITHOUT_EFFECTS } from '../testing/host/karts.ts';
import { type Area, courseOf, findKart, MapDriver } from '../testing/host/map-driver.ts';
import { sendInput } from './control.ts';
import { launch } from './launch.ts';
import { machineOf, runtimeFolders } from './runtime-folder.ts';
import { commandOf } from './userland/guests.ts';
import { ensureUserland } from './userland/userland.ts';

/** Oliver's Math Class: 650 metres on one level, the shortest of the game's tracks. */
const TRACK = 'olivermath';
const [WIDTH, HEIGHT] = [320, 240];
/** The map as tall as half the screen, and the kart's picture on it: of the game's settings, which count a screen as 480 tall. */
const MAP = 240;
const ICON = 24;
const SETTINGS = `<?xml version="1.0"?>
<stkconfig version="8">
  <Minimap display="0" size="${MAP}" player-icon="${ICON}" ai-icon="16" />
</stkconfig>
`;
/** Pixels between the map and the screen's left and lower edges: 10 of those 480. */
const MARGIN = (10 / 480) * HEIGHT;
/** Flips by which the race is on the screen. */
const BEGUN = 36;
/** Frames in which a driver who is on his way passes another piece of road, and in which the game writes the score. */
const LOST = 400;

const ARGUMENTS = [
  // A time trial has nothing in the way; beginners' karts are the slowest.
  ...['--race-now', `--track=${TRACK}`, '--laps=1', '--mode=1', '--difficulty=0', '--numkarts=1'],
  `--screensize=${WIDTH}x${HEIGHT}`,
  ...WITHOUT_EFFECTS,
];

/** A home with the game's settings, and the folder of these. */
function settledHome(t: TestContext): { home: string; settings: string } {
  const home = mkdtempSync(join(tmpdir(), 'tyr-lap-'));
  t.after(() => rmSync(home, { recursive: true }));
  const settings = join(home, '.config/supertuxkart/config-0.10');
  mkdirSync(settings, { recursive: true });
  writeFileSync(join(settings, 'config.xml'), SETTINGS);
  return { home, settings };
}

/** Presses or releases a key of this process' machine. */
async function key(name: string, down: boolean): Promise<void> {
  const machine = runtimeFolders().find((folder) => machineOf(folder) === process.pid)!;
  await sendInput(machine, ['key', name, down ? 'down' : 'up']);
}

test('a kart is driven through a whole lap by keyboard', async (t) => {
  const { guest, env, program, args } = commandOf('supertuxkart', ARGUMENTS);
  const userland = await ensureUserland({ guest });
  const { home, settings } = settledHome(t);
  const scores = join(settings, 'highscore.xml');
  const score = (): string | undefined =>
    existsSync(scores) ? /<highscore [\s\S]*?<\/highscore>/.exec(readFileSync(scores, 'utf8'))?.[0] : undefined;

  const course = courseOf(join(userland.root, 'usr/share/games/supertuxkart/data/tracks', TRACK));
  const height = (MAP / 480) * HEIGHT;
  const map = { left: MARGIN, top: HEIGHT - MARGIN - height, height };
  let pressed: Promise<unknown> = Promise.resolve();
  const unheard: string[] = [];
  const driver = new MapDriver(course, map, (ICON / 480) * HEIGHT, (name, down) => {
    pressed = pressed.then(() => key(name, down)).catch((error) => unheard.push(`${error}`));
  });
  const ended = new AbortController();
  let farthest = 0;
  let since = 0;
  const way: string[] = [];
  const { faults, leaks } = await launch({
    ...{ userland, program, args, home, log: silent, mode: `${WIDTH}x${HEIGHT}@60`, soleMode: true },
    // Textures that earlier runs have packed serve this one.
    ...{ refresh: 'unlimited', env: { ...env, XDG_CACHE_HOME: join(userland.cache, 'home/.cache') } },
    stdout: () => {},
    stderr: () => {},
    signal: ended.signal,
    onFrame: (frame, screenshot) => {
      if (frame < BEGUN) return;
      driver.look(screenshot());
      if (driver.passed > farthest) {
        farthest = driver.passed;
        since = 0;
        way.push(`${frame}: ${farthest}`);
      } else since++;
      if (since > LOST || score() !== undefined) ended.abort();
    },
  });
  await pressed;
  t.diagnostic(
    `${unheard.length} keys unheard; ${way.join(', ')}; ${JSON.stringify(driver.frames)}, ${driver.rescues} rescues; ${score()}`,
  );
  assert.ok(farthest >= course.line.length, `${farthest} of ${course.line.length} pieces of road were passed`);
  assert.match(score() ?? 'no score', new RegExp(`track-name *="${TRACK}"[\\s\\S]*number-of-laps *="1"`));
  assert.deepEqual([faults, leaks], [0, {}]);
});

/** Looks for the kart on the map, wherever the window is: every so many frames until it stands at one place so often, then each frame near there. */
const LOOKS = 10;
const STANDS = 3;
const NEAR = 5;
/** Pixels on the map that the kart has to drive, frames in which it does, and flips after which nobody waits any longer for it to stand. */
const WAY = 8;
const DRIVES = 300;
const MOST = 3000;

test('in a window of Weston a kart stands until Up is pressed, then drives', async (t) => {
  const { guest, env, program, args } = commandOf('supertuxkart-window', ARGUMENTS);
  const userland = await ensureUserland({ guest });
  const { home } = settledHome(t);
  const [width, height] = [2 * WIDTH, 2 * HEIGHT];
  const ended = new AbortController();
  const places: string[] = [];
  let kart: readonly [number, number] | undefined;
  let stood: typeof kart;
  let stands = 0;
  let pressed = -1;
  let driven = 0;
  const { faults, leaks } = await launch({
    ...{ userland, program, args, home, log: silent, mode: `${width}x${height}@60`, soleMode: true },
    ...{ refresh: 'unlimited', env: { ...env, XDG_CACHE_HOME: join(userland.cache, 'home/.cache') } },
    stdout: () => {},
    stderr: () => {},
    signal: ended.signal,
    onFrame: (frame, screenshot) => {
      if (frame > MOST || (pressed >= 0 && frame > pressed + DRIVES)) ended.abort();
      if (stood === undefined && frame % LOOKS !== 0) return;
      const near: Area = kart
        ? [kart[0] - NEAR, kart[1] - NEAR, kart[0] + NEAR, kart[1] + NEAR]
        : [0, 0, width, height];
      const found = findKart(screenshot(), (ICON / 480) * HEIGHT, near);
      if (stood === undefined) {
        stands = found && kart && Math.hypot(found[0] - kart[0], found[1] - kart[1]) < 1 ? stands + 1 : 0;
        kart = found;
        if (stands < STANDS) return;
        stood = found;
        pressed = frame;
        key('up', true).catch((error) => places.push(`${error}`));
      } else if (found) {
        kart = found;
        driven = Math.hypot(found[0] - stood[0], found[1] - stood[1]);
        if (driven >= WAY) ended.abort();
      }
      places.push(`${frame}: ${kart?.map((at) => at.toFixed(1))}`);
    },
  });
  t.diagnostic(places.join('; '));
  assert.ok(stood, 'no kart was seen to stand');
  assert.ok(driven >= WAY, `the kart has driven ${driven} pixels of the map`);
  assert.deepEqual([faults, leaks], [0, {}]);
});
