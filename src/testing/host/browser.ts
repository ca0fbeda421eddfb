/** For tests: a real browser without a window. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import type { TestContext } from 'node:test';
import { type Browser, chromium } from 'playwright-core';

const PROGRAMS = ['chromium-headless-shell', 'chromium', 'google-chrome'].map((name) => `/usr/bin/${name}`);

/** Starts this host's Chromium, until the test's end. */
export async function openBrowser(t: TestContext): Promise<Browser> {
  const executablePath = PROGRAMS.find((path) => existsSync(path));
  assert.ok(executablePath, 'this host has no Chromium; install it with: apt install chromium-headless-shell');
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  t.after(() => browser.close());
  return browser;
}
