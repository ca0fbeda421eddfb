/**
 * What is typed into the page goes to a program of the guest: Weston's terminal shows it, and its shell does it. Fetches the guest
 * where it is missing (about 150 MB).
 */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { showProgram } from '../../testing/host/browser.ts';
import { until } from '../../testing/host/until.ts';
import { commandOf } from '../userland/guests.ts';
import { ensureUserland } from '../userland/userland.ts';

/** Seconds for Weston and its terminal to come up on a busy host. */
const COMES_UP = 300;
/** Sum of red, green and blue up to which the terminal's ground goes, and from which letters are bright. */
const DARK = 30;
const BRIGHT = 400;
/** Pixels that the terminal's ground and its title have at least. */
const GROUND = 64_000;
const TITLE = 5000;
/** Bright pixels that a letter has at least. */
const PER_LETTER = 8;
/** Nothing that takes Shift, which a browser that is driven by script does not press. */
const TYPED = 'mkdir typed';

test('keys that are typed in the page appear in weston-terminal, and its shell obeys', async (t) => {
  const { guest, program, args, env } = commandOf('weston', []);
  const userland = await ensureUserland({ guest });
  const cwd = mkdtempSync(join(tmpdir(), 'tyr-typed-'));
  t.after(() => rmSync(cwd, { recursive: true }));
  const { page, end } = await showProgram(t, { userland, program, args, env, cwd, mode: '640x480@60' });
  /** How many pixels are as dark as the terminal, and as bright as its letters. */
  const pixels = (): Promise<{ dark: number; bright: number }> =>
    page.evaluate(
      ([darkest, brightest]) => {
        const canvas = (globalThis as any).document.querySelector('#screen canvas');
        // Below Weston's panel, whose clock goes.
        const { data } = canvas.getContext('2d').getImageData(0, 40, canvas.width, canvas.height - 40);
        const count = { dark: 0, bright: 0 };
        for (let i = 0; i < data.length; i += 4) {
          const sum = data[i] + data[i + 1] + data[i + 2];
          if (sum <= darkest) count.dark++;
          if (sum >= brightest) count.bright++;
        }
        return count;
      },
      [DARK, BRIGHT] as const,
    );
  let seen = await pixels();
  const isTerminal = (): boolean => seen.dark >= GROUND && seen.bright >= TITLE;
  for (let i = 0; i < COMES_UP && !isTerminal(); i++) {
    await sleep(1000);
    seen = await pixels();
  }
  assert.ok(isTerminal(), `no terminal is seen: ${JSON.stringify(seen)}`);
  // Keys go nowhere until the window has the focus, and nobody shows them before the shell is there.
  const shown = async (text: string): Promise<boolean> => {
    const { bright } = await pixels();
    // Down and up at once: a terminal that is kept waiting for the latter repeats the key.
    for (const letter of text) {
      await page.keyboard.press(letter);
      await sleep(100);
    }
    for (let i = 0; i < 20; i++) {
      await sleep(500);
      if ((await pixels()).bright >= bright + PER_LETTER * text.length) return true;
    }
    return false;
  };
  let ready = false;
  for (let i = 0; i < COMES_UP / 10 && !ready; i++) ready = await shown('mmm');
  assert.ok(ready, 'letters that are typed do not appear');
  await page.keyboard.press('Control+u');
  await sleep(1000);
  assert.ok(await shown(TYPED), 'what is typed does not appear');
  await page.keyboard.press('Enter');
  await until(
    () => existsSync(join(cwd, 'typed')),
    () => 'the shell does not do what was typed',
  );
  const { faults, leaks } = await end();
  assert.deepEqual([faults, leaks], [0, {}]);
});
