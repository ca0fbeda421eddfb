/**
 * Users of a guest with a root of its own, beside its root, who is whoever starts it: numbers that nobody else on this host has, so that
 * no other user of it owns what they write.
 *
 * Root may take any: of those that systemd keeps for containers, which are given out from below, the last block. All others have the
 * ones that /etc/subuid and /etc/subgid grant them, by newuidmap(1) and newgidmap(1). Facts: user_namespaces(7), subuid(5), unshare(1);
 * systemd `docs/UIDS-GIDS.md`.
 */
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { command } from './command.ts';
import { type RootTools, toolStart } from './root-tools.ts';

/** Numbers that a guest has, its root's included. */
const NUMBERS = 0x10000;
/** The last block of those that systemd has containers for. */
const CONTAINERS_LAST = 0x6fff0000;

export interface Users {
  /** Arguments of unshare(1), beside --map-root-user. */
  words: readonly string[];
  /** Why there are none; undefined where there are. */
  refused: string | undefined;
}

/** What this host grants, as far as can be seen without trying. */
export function usersOf(uid = process.getuid!(), folders = (process.env.PATH ?? '').split(':'), etc = '/etc'): Users {
  if (uid === 0) {
    const range = `1:${CONTAINERS_LAST + 1}:${NUMBERS - 1}`;
    return { words: ['--map-users', range, '--map-groups', range], refused: undefined };
  }
  const refused =
    ['newuidmap', 'newgidmap'].map((name) => missing(name, folders)).find(Boolean) ??
    ['subuid', 'subgid'].map((name) => ungranted(join(etc, name), uid)).find(Boolean);
  return refused === undefined ? { words: ['--map-auto'], refused } : { words: [], refused };
}

/** The same, tried. */
export async function triedUsers(tools: RootTools): Promise<Users> {
  const users = usersOf();
  if (users.refused !== undefined) return users;
  const [file, ...args] = toolStart(tools, 'unshare', '--user', '--map-root-user', ...users.words, 'true');
  const { code, stderr } = await command(file!, args);
  return code === 0 ? users : { words: [], refused: `numbers of other users are denied (${stderr.trim()})` };
}

function missing(name: string, folders: string[]): string | undefined {
  const found = folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  return found ? undefined : `the program ${name} is missing; it comes with the package uidmap`;
}

function ungranted(file: string, uid: number): string | undefined {
  const names = [String(uid), nameOf(uid)];
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
  const mine = lines.map((line) => line.split(':')).find(([name]) => name && names.includes(name));
  if (!mine) return `${file} grants this user no numbers`;
  return Number(mine[2]) >= NUMBERS ? undefined : `${file} grants this user ${mine[2]} numbers, of ${NUMBERS}`;
}

/** Of this process's user, if it has one. */
function nameOf(uid: number): string | undefined {
  try {
    return uid === process.getuid!() ? userInfo().username : undefined;
  } catch {
    return undefined;
  }
}
