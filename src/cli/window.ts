/**
 * Opens the screen's page in a browser of this host, as a window of its own where the browser can do that.
 *
 * Everybody on a host can read command lines, so the browser gets a ticket instead of the link: the screen's server leads it
 * to the link once.
 */
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { ScreenAddress } from '../host/screen/address.ts';

/** By program: its arguments. The first one that is installed is taken. */
const BROWSERS: readonly (readonly [program: string, args: (url: string) => string[]])[] = [
  ...['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'brave-browser', 'microsoft-edge'].map(
    (program) => [program, (url: string) => [`--app=${url}`]] as const,
  ),
  ...['firefox', 'firefox-esr'].map((program) => [program, (url: string) => ['--new-window', url]] as const),
  ['xdg-open', (url) => [url]],
];

/** Resolves when a browser was started, with a sentence if there is none. `complain` hears of one that ends with an error. */
export async function openWindow(
  { link }: ScreenAddress,
  complain: (sentence: string) => void,
): Promise<string | undefined> {
  const browser = BROWSERS.find(([program]) => isInstalled(program));
  if (!browser) return `no browser is installed here (${BROWSERS.map(([program]) => program).join(', ')})`;
  const [program, args] = browser;
  const response = await fetch(`${link}ticket`, { method: 'POST' });
  if (!response.ok) return `the machine's page answers ${response.status}`;
  const url = new URL(`/ticket/${await response.text()}`, link);
  const child = spawn(program, args(url.href), { detached: true, stdio: 'ignore' });
  child.once('error', ({ message }) => complain(`${program} cannot be started: ${message}`));
  child.once('exit', (code) => {
    if (code) complain(`${program} ended with code ${code}`);
  });
  child.unref();
  return undefined;
}

function isInstalled(program: string): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
