/** `tyr screen`: where the screens of running machines are seen. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runtimeFolders } from '../host/runtime-folder.ts';
import { parseAddress, SCREEN_FILE, type ScreenAddress } from '../host/screen/address.ts';
import { Problem } from '../host/userland/problem.ts';

/** The line that tells of a screen. */
export const screenLines = ({ link, vnc }: ScreenAddress): string =>
  `screen: ${link} (VNC: ${vnc.host}:${vnc.port}, password ${vnc.password})`;

export async function screen(pid?: number): Promise<number> {
  const found = await runningScreens();
  const wanted = found.filter((each) => pid === undefined || each.pid === pid);
  if (wanted.length === 0)
    throw new Problem(
      pid === undefined
        ? 'no machine with a screen is running; `tyr run` starts one'
        : `no machine runs in process ${pid}`,
    );
  for (const each of wanted) console.log(`${each.pid} ${each.title} ${screenLines(each)}`);
  return 0;
}

/** Machines of this user whose page answers. */
async function runningScreens(): Promise<ScreenAddress[]> {
  const addresses = runtimeFolders().map((folder) => {
    try {
      return parseAddress(readFileSync(join(folder, SCREEN_FILE), 'utf8'));
    } catch {
      return undefined;
    }
  });
  return addresses.filter((address) => address !== undefined);
}
