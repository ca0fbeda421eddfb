/**
 * A race of SuperTuxKart, driven by keyboard: the kart stands while nobody presses a key, and drives while Up is held by
 * `tyr input`. Judged by pixels: when it has come to rest, and the camera behind it, the picture stays as it is but for the clock; when
 * it drives, all of the track moves. Fetches the guest where it is missing (about 730 MB).
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { silent } from '../board/log.ts';
import type { Picture } from '../display/index.ts';
import { WITHOUT_EFFECTS } from '../testing/host/karts.ts';
import { launch } from './launch.ts';
import { mustRun } from './userland/command.ts';
import { commandOf } from './userland/guests.ts';
import { ensureUserland } from './userland/userland.ts';

/** Flips by which the race has surely begun: while it loads it draws 25. */
const BEGUN = 36;
/** Frames between pictures that are compared, and after which we give up. The game's clock goes on by 50 ms a frame at most. */
const STEP = 5;
const MOST = 150;
/** Shares of pixels that differ: at most where all stands, at least to where it stood, and at least from one picture to the next. */
const STANDS = 0.05;
const AWAY = 0.3;
const MOVES = 0.15;
/** Of 255: what counts as another colour. */
const ANOTHER = 24;

const MAIN = fileURLToPath(new URL('../cli/main.ts', import.meta.url));

/** The share of pixels that differ. */
function difference(a: Picture, b: Picture): number {
  let differing = 0;
  for (let i = 0; i < a.data.length; i += 4)
    if ([0, 1, 2].some((c) => Math.abs(a.data[i + c]! - b.data[i + c]!) > ANOTHER)) differing++;
  return (4 * differing) / a.data.length;
}

/** Presses Up when pictures have stayed the same twice, and sees the kart drive. */
class Driver {
  state: 'waits' | 'presses' | 'drives' | 'has driven' | 'gave up' = 'waits';
  /** What was measured: [frame, from the picture before, from where it stood]. */
  readonly seen: [number, number, number][] = [];
  #last: Picture | undefined;
  #stood: Picture | undefined;
  #still = 0;

  readonly #press: () => Promise<unknown>;

  constructor(press: () => Promise<unknown>) {
    this.#press = press;
  }

  frame(number: number, screenshot: () => Picture): void {
    if (number < BEGUN || number % STEP !== 0) return;
    const picture = screenshot();
    const moved = this.#last ? difference(this.#last, picture) : 1;
    const away = this.#stood ? difference(this.#stood, picture) : 0;
    this.seen.push([number, moved, away]);
    this.#last = picture;
    if (number > MOST) this.state = 'gave up';
    if (this.state === 'waits') {
      this.#still = moved < STANDS ? this.#still + 1 : 0;
      if (this.#still < 2) return;
      this.#stood = picture;
      this.state = 'presses';
      this.#press().then(
        () => {
          this.state = 'drives';
        },
        () => {
          this.state = 'gave up';
        },
      );
    } else if (this.state === 'drives' && away > AWAY && moved > MOVES) {
      this.state = 'has driven';
    }
  }
}

test('a kart stands until Up is pressed, then drives', async (t) => {
  const { guest, env, program, args } = commandOf('supertuxkart', [
    ...['--race-now', '--track=lighthouse', '--numkarts=1', '--screensize=320x240'],
    ...WITHOUT_EFFECTS,
  ]);
  const userland = await ensureUserland({ guest });
  const home = mkdtempSync(join(tmpdir(), 'tyr-karts-'));
  t.after(() => rmSync(home, { recursive: true }));
  const ended = new AbortController();
  const words = ['input', '--machine', `${process.pid}`, 'key', 'up', 'down'];
  const driver = new Driver(() => mustRun(process.execPath, [MAIN, ...words]));
  const { faults, leaks } = await launch({
    ...{ userland, program, args, home, log: silent, mode: '320x240@60', soleMode: true, refresh: 'unlimited' },
    // Textures that earlier runs have packed serve this one.
    env: { ...env, XDG_CACHE_HOME: join(userland.cache, 'home/.cache') },
    stdout: () => {},
    stderr: () => {},
    signal: ended.signal,
    onFrame: (frame, screenshot) => {
      driver.frame(frame, screenshot);
      if (driver.state === 'has driven' || driver.state === 'gave up') ended.abort();
    },
  });
  t.diagnostic(driver.seen.map(([frame, ...shares]) => `${frame}: ${shares.map((s) => s.toFixed(3))}`).join('; '));
  assert.equal(driver.state, 'has driven');
  assert.deepEqual([faults, leaks], [0, {}]);
});
