/**
 * Files of packages that do not belong to root alone, or lend their owner's rights: set-user-ID and set-group-ID programs. The folder of a
 * guest's packages in the cache has neither: it is this user's, and nobody on this host shall get rights by it. So unpacking writes them
 * down, and a guest with users of its own gets them so (own-root.ts).
 *
 * What packages' installation scripts would change is said here, as these are not run.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Ownership {
  /** From the root. */
  path: string;
  user: string;
  group: string;
  /** With set-user-ID and set-group-ID bit. */
  mode: number;
}

/** Where it is written down, in the root. */
const KEPT = 'etc/tyr-owners';

/** By dpkg-statoverride(1) in the installation script of dbus-daemon. */
const BY_SCRIPTS: readonly Ownership[] = [
  { path: 'usr/lib/dbus-1.0/dbus-daemon-launch-helper', user: 'root', group: 'messagebus', mode: 0o4754 },
];

/** A line of tar's long listing: mode, user and group, size, date, time, path. */
const LINE = /^([d-])([r-][w-][xsS-][r-][w-][xsS-][r-][w-][xtT-]) (\S+)\/(\S+) +\d+ \S+ \S+ (?:\.?\/)?(.*?)\/?$/;

/** What of tar's long listing does not belong to root alone, or lends rights. */
export function ownershipsIn(listing: string): Ownership[] {
  return listing.split('\n').flatMap((line) => {
    const [, , letters, user, group, path] = LINE.exec(line) ?? [];
    if (letters === undefined || path === undefined) return [];
    const mode = modeOf(letters);
    return user === 'root' && group === 'root' && (mode & 0o6000) === 0
      ? []
      : [{ path, user: user!, group: group!, mode }];
  });
}

function modeOf(letters: string): number {
  const plain = [...letters].reduce((mode, letter) => mode * 2 + (/[-ST]/.test(letter) ? 0 : 1), 0);
  return (
    plain +
    (/s/i.test(letters[2]!) ? 0o4000 : 0) +
    (/s/i.test(letters[5]!) ? 0o2000 : 0) +
    (/t/i.test(letters[8]!) ? 0o1000 : 0)
  );
}

export async function keepOwnerships(root: string, ownerships: readonly Ownership[]): Promise<void> {
  await mkdir(join(root, 'etc'), { recursive: true });
  const lines = ownerships.map(({ path, user, group, mode }) => `${mode.toString(8)}\t${user}\t${group}\t${path}\n`);
  await writeFile(join(root, KEPT), lines.join(''));
}

/** A root's, with the numbers of its own users. Those of a user or group that it does not have are left as they are. */
export function numberedOwners(root: string): { path: string; owner: string; mode: string }[] {
  const read = (path: string): string[] =>
    existsSync(join(root, path)) ? readFileSync(join(root, path), 'utf8').split('\n').filter(Boolean) : [];
  const numbers = (path: string): Map<string, string> =>
    new Map(read(path).map((line) => [line.split(':')[0]!, line.split(':')[2]!]));
  const users = numbers('etc/passwd');
  const groups = numbers('etc/group');
  const unpacked = read(KEPT).map((line): Ownership => {
    const [mode, user, group, path] = line.split('\t') as [string, string, string, string];
    return { path, user, group, mode: Number.parseInt(mode, 8) };
  });
  return [...unpacked, ...BY_SCRIPTS].flatMap(({ path, user, group, mode }) => {
    if (!users.has(user) || !groups.has(group) || !existsSync(join(root, path))) return [];
    return [{ path: `/${path}`, owner: `${users.get(user)}:${groups.get(group)}`, mode: mode.toString(8) }];
  });
}
