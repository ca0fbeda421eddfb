/** `tyr screen`: where the screens of running machines are seen. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runtimeFolders } from '../host/runtime-folder.ts';
import { parseAddress, SCREEN_FILE, type ScreenAddress } from '../host/screen/address.ts';
import { Problem } from '../host/userland/problem.ts';
import { openWindow } from './window.ts';

/** The line that tells of a screen. */
export const screenLine = ({ link, vnc }: ScreenAddress): string =>
  `screen: ${link} (VNC: ${vnc.host}:${vnc.port}, password ${vnc.password})`;

export async function screen(pid: number | undefined, { window }: { window?: boolean }): Promise<number> {
  const found = runningScreens();
  const wanted = found.filter((each) => pid === undefined || each.pid === pid);
  if (wanted.length === 0)
    throw new Problem(
      pid === undefined
        ? 'no machine with a screen is running; `tyr run` starts one'
        : `no machine runs in process ${pid}`,
    );
  for (const each of wanted) console.log(`${each.pid} ${each.title} ${screenLine(each)}`);
  if (!window) return 0;
  if (wanted.length > 1) throw new Problem('several machines are running; say which one by the number before it');
  const complain = (sentence: string): void => console.error(`tyr: ${sentence}`);
  const none = await openWindow(wanted[0]!, complain);
  if (none !== undefined) throw new Problem(none);
  return 0;
}

/** Of this user's machines. */
function runningScreens(): ScreenAddress[] {
  const addresses = runtimeFolders().map((folder) => {
    try {
      return parseAddress(readFileSync(join(folder, SCREEN_FILE), 'utf8'));
    } catch {
      return undefined;
    }
  });
  return addresses.filter((address) => address !== undefined);
}
