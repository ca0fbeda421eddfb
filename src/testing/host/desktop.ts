/**
 * For tests: a desktop at work on a machine of its own, driven by `tyr input` as a person would and judged by what its screen
 * shows.
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { PNG } from 'pngjs';
import { recorder } from '../../board/log.ts';
import type { Picture } from '../../display/index.ts';
import type { Opener } from '../../drm/file.ts';
import { type LaunchResult, launch } from '../../host/launch.ts';
import { mustRun } from '../../host/userland/command.ts';
import { guestRoot } from '../../host/userland/guest-root.ts';
import type { Command } from '../../host/userland/guests.ts';
import { ensureUserland } from '../../host/userland/userland.ts';
import type { Machine } from '../../machine/machine.ts';

const MAIN = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
/** Milliseconds between looks at the screen, and after which nothing more is expected to happen, on a busy host. */
const LOOK = 1000;
const PATIENCE = 600_000;
/** So many lines of what was said are shown when something does not happen. */
const LAST = 60;

/** The guest's home within its folder. */
const HOME = '.home';

export class Desktop {
  /** A folder in which the guest may write, empty at first; where it is started. */
  readonly folder: string;
  /** What the programs and the machine's log have said. */
  readonly lines: readonly string[];
  readonly #ended = new AbortController();
  #machine: Machine | undefined;
  #run: Promise<LaunchResult> | undefined;

  private constructor(folder: string, lines: string[]) {
    this.folder = folder;
    this.lines = lines;
  }

  /** Runs a command in a home that has these texts by their names at first, in a root of its own where that can be had. */
  static async start(
    t: TestContext,
    { guest, program, args, env }: Command,
    mode = '640x480@60',
    files: Record<string, string> = {},
  ): Promise<Desktop> {
    const userland = await ensureUserland({ guest });
    const folder = mkdtempSync(join(tmpdir(), 'tyr-desktop-'));
    t.after(() => rmSync(folder, { recursive: true }));
    for (const [name, text] of Object.entries(files)) {
      const file = join(folder, HOME, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    const root = await guestRoot({ home: join(folder, HOME), share: [folder] });
    t.after(root.release);
    const { log, lines } = recorder();
    const desktop = new Desktop(folder, lines);
    const say = (text: string): void => void lines.push(...text.split('\n').filter(Boolean));
    desktop.#run = launch({
      ...{ userland, program, args, env, log, mode, cwd: folder, home: root.home },
      ...{ namespaces: root.namespaces, writeGuard: root.writeGuard, soleMode: true, stdout: say, stderr: say },
      signal: desktop.#ended.signal,
      onMachine: (machine) => {
        desktop.#machine = machine;
      },
    });
    t.after(async () => {
      desktop.#ended.abort();
      await desktop.#run;
    });
    return desktop;
  }

  /** The guest's home. */
  get home(): string {
    return join(this.folder, HOME);
  }

  /** Does what a person would: see `tyr input`. */
  async input(...words: string[]): Promise<void> {
    await mustRun(process.execPath, [MAIN, 'input', '--machine', `${process.pid}`, ...words]);
  }

  get picture(): Picture {
    assert.ok(this.#machine, 'the machine is on');
    return this.#machine.display.screenshot();
  }

  /** Who has opened its GPU or display: names of programs and numbers of users, as this host has them. */
  get openers(): Opener[] {
    const devices = new Set(this.#machine?.nodes.map(({ device }) => device));
    return [...devices].flatMap((device) => [...device.files].map(({ opener }) => opener));
  }

  /** Waits until something is so. False after so many milliseconds. */
  async sees(what: (desktop: Desktop) => boolean, patience: number): Promise<boolean> {
    for (const end = Date.now() + patience; Date.now() < end; ) {
      if (this.#machine && what(this)) return true;
      await sleep(LOOK);
    }
    return false;
  }

  /** The same, and fails with `otherwise`, what the screen shows, and what the programs have said. */
  async until(what: (desktop: Desktop) => boolean, otherwise: () => string): Promise<void> {
    if (await this.sees(what, PATIENCE)) return;
    assert.fail(`${otherwise()}${this.#kept()}\n${this.lines.slice(-LAST).join('\n')}`);
  }

  /** Says where a file with the screen's picture has been left for who looks into a failure. */
  #kept(): string {
    if (!this.#machine) return '';
    const { width, height, data } = this.picture;
    const png = new PNG({ width, height });
    png.data.set(data);
    const file = join(mkdtempSync(join(tmpdir(), 'tyr-seen-')), 'screen.png');
    writeFileSync(file, PNG.sync.write(png, { colorType: 2, inputHasAlpha: true }));
    return `; the screen is kept in ${file}`;
  }

  /** Ends it, as `tyr run` is ended by a person, and holds it to have left nothing. */
  async end(): Promise<LaunchResult> {
    this.#ended.abort();
    const result = await this.#run!;
    assert.deepEqual([result.faults, result.leaks], [0, {}]);
    return result;
  }
}

/** How many pixels fulfil a condition on their red, green and blue. */
export function count({ data }: Picture, is: (red: number, green: number, blue: number) => boolean): number {
  let found = 0;
  for (let i = 0; i < data.length; i += 4) if (is(data[i]!, data[i + 1]!, data[i + 2]!)) found++;
  return found;
}
