/** For tests: a real browser without a window. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { type Browser, chromium, type Page } from 'playwright-core';
import { silent } from '../../board/log.ts';
import { type LaunchOptions, type LaunchResult, launch } from '../../host/launch.ts';
import { until } from './until.ts';

const PROGRAMS = ['chromium-headless-shell', 'chromium', 'google-chrome'].map((name) => `/usr/bin/${name}`);

/** Starts this host's Chromium, until the test's end. */
export async function openBrowser(t: TestContext): Promise<Browser> {
  const executablePath = PROGRAMS.find((path) => existsSync(path));
  assert.ok(executablePath, 'this host has no Chromium; install it with: apt install chromium-headless-shell');
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  t.after(() => browser.close());
  return browser;
}

export interface ShownProgram {
  readonly page: Page;
  /** Ends the program. */
  end(): Promise<LaunchResult>;
}

/** Runs a program, at the test's end no more, whose machine's screen a page shows. */
export async function showProgram(
  t: TestContext,
  options: Partial<LaunchOptions> & Pick<LaunchOptions, 'userland' | 'program' | 'args'>,
): Promise<ShownProgram> {
  const browser = await openBrowser(t);
  const ended = new AbortController();
  let link: string | undefined;
  const quiet = { stdout: () => {}, stderr: () => {}, log: silent };
  const run = launch({
    ...quiet,
    ...options,
    soleMode: true,
    signal: ended.signal,
    onScreen: (address) => {
      link = address.link;
    },
  });
  const end = (): Promise<LaunchResult> => {
    ended.abort();
    return run;
  };
  t.after(end);
  await until(
    () => link !== undefined,
    () => 'there is no screen',
  );
  const page = await browser.newPage({ viewport: { width: 700, height: 600 } });
  await page.goto(link!);
  await page.waitForSelector('#screenshot:enabled');
  return { page, end };
}
