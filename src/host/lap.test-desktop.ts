/**
 * A whole lap of SuperTuxKart, steered by keyboard as `tyr input` presses keys, by a driver that sees the race's map on the screen and nothing
 * else (testing/host/map-driver.ts). That the lap is one says the game: it writes a finished race into its list of high scores.
 * Fetches the guest where it is missing (about 730 MB).
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { silent } from '../board/log.ts';
import { courseOf, MapDriver } from '../testing/host/map-driver.ts';
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

test('a kart is driven through a whole lap by keyboard', async (t) => {
  const effects = ['bloom', 'dof', 'glow', 'light-shaft', 'mlaa', 'motion-blur', 'particles', 'ssao'];
  const without = effects.map((name) => `--disable-${name}`);
  // A time trial has nothing in the way; beginners' karts are the slowest.
  const race = ['--race-now', `--track=${TRACK}`, '--laps=1', '--mode=1', '--difficulty=0', '--numkarts=1'];
  const { guest, env, program, args } = commandOf('supertuxkart', [
    ...race,
    `--screensize=${WIDTH}x${HEIGHT}`,
    ...without,
  ]);
  const userland = await ensureUserland({ guest });
  const home = mkdtempSync(join(tmpdir(), 'tyr-lap-'));
  t.after(() => rmSync(home, { recursive: true }));
  const settings = join(home, '.config/supertuxkart/config-0.10');
  mkdirSync(settings, { recursive: true });
  writeFileSync(join(settings, 'config.xml'), SETTINGS);
  const scores = join(settings, 'highscore.xml');
  const score = (): string | undefined =>
    existsSync(scores) ? /<highscore [\s\S]*?<\/highscore>/.exec(readFileSync(scores, 'utf8'))?.[0] : undefined;

  const course = courseOf(join(userland.root, 'usr/share/games/supertuxkart/data/tracks', TRACK));
  const height = (MAP / 480) * HEIGHT;
  const map = { left: MARGIN, top: HEIGHT - MARGIN - height, height };
  let pressed: Promise<unknown> = Promise.resolve();
  const unheard: string[] = [];
  const driver = new MapDriver(course, map, (ICON / 480) * HEIGHT, (key, down) => {
    const machine = runtimeFolders().find((folder) => machineOf(folder) === process.pid)!;
    pressed = pressed
      .then(() => sendInput(machine, ['key', key, down ? 'down' : 'up']))
      .catch((error) => unheard.push(`${error}`));
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
