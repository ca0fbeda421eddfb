/**
 * Which root a guest gets: one of its own by namespaces (namespaces.ts) where this host allows it, else the look-up of paths by
 * emulator and shim (start.ts), which needs nothing of the host and hides nothing of it. There Landlock (landlock.ts) keeps it from
 * writing to the host's files.
 */
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { landlockVersion, type WriteGuard } from './landlock.ts';
import { takeLock } from './lock.ts';
import { canBeShown, layerIn, type Namespaces, namespacesRefused, sharedFolders } from './namespaces.ts';
import { Problem } from './problem.ts';
import { type Progress, quiet } from './progress.ts';
import { toolStart } from './root-tools.ts';
import type { RootWay } from './root-ways.ts';
import { ensureRootTools, GUEST, hostArchitecture } from './userland.ts';
import { triedUsers, type Users } from './users.ts';

export interface RootChoice {
  /** Default: namespaces where they can be had. */
  root?: RootWay | undefined;
  /** The guest's home; with namespaces, all that it writes is kept there. */
  home?: string | undefined;
  /** Folders of the host in which it may write. */
  share?: string[] | undefined;
  /** Its programs are of this host's architecture, and need no emulator. */
  native?: boolean | undefined;
}

export interface GuestRoot {
  /** Undefined: by look-up. */
  namespaces: Namespaces | undefined;
  /** Without namespaces, where Landlock can be had. */
  writeGuard: WriteGuard | undefined;
  /** Undefined: the one in the cache. */
  home: string | undefined;
  /** Which it is, and why it is no other. */
  how: string;
  /** Lets others use the home. */
  release(): void;
}

/** Why a guest gets no root of its own, where this is wanted; undefined where it does. */
export async function ownRootRefused(root?: RootWay, native = false): Promise<string | undefined> {
  return root === 'lookup' ? '--root lookup' : namespacesRefused(native || hostArchitecture() === GUEST);
}

/** Throws Problem where the wanted way cannot be had, and for folders that cannot be used so. */
export async function guestRoot(
  { root, home, share = [], native }: RootChoice,
  progress: Progress = quiet,
): Promise<GuestRoot> {
  const shares = sharedFolders(share);
  const ownHome = home === undefined ? undefined : resolve(home);
  if (ownHome !== undefined && !canBeShown(ownHome))
    throw new Problem(`${ownHome} cannot be a guest's home: the guest has a folder of its own there`);
  const refusal = await ownRootRefused(root, native);
  if (root === 'namespaces' && refusal !== undefined)
    throw new Problem(`the guest cannot have a root of its own: ${refusal}`);
  const tools = await fetched(root, progress);
  const release = (): void => {};
  if (ownHome !== undefined) await makeHome(ownHome);
  const missing = tools instanceof Problem ? tools.message : undefined;
  if (refusal !== undefined || tools instanceof Problem) {
    const version = await landlockVersion();
    const guard =
      tools instanceof Problem || version === 0 ? undefined : { setpriv: toolStart(tools, 'setpriv'), version, shares };
    const writes = guard ? "Landlock keeps it from writing to this host's files" : "this host's files are open to it";
    const lacks = guard || refusal === undefined ? '' : ` (${missing ?? 'no Landlock'})`;
    const how = `by look-up of paths: ${refusal ?? missing}; ${writes}${lacks}`;
    return { namespaces: undefined, writeGuard: guard, home: ownHome, how, release };
  }
  const users = await triedUsers(tools);
  const common = { tools, users, shares };
  const found = { writeGuard: undefined, home: ownHome, how: ownRootIs(users) };
  if (ownHome === undefined) return { ...found, namespaces: common, release };
  const { folder: layer, lock } = await layerIn(ownHome);
  const unlock = await takeLock(lock, () => progress.note(`another machine uses ${ownHome}; waiting for its end`));
  return { ...found, namespaces: { ...common, layer }, release: unlock };
}

/** A root of the guest's own, in words. */
export const ownRootIs = ({ refused }: Users): string =>
  `its own, by namespaces, with ${refused === undefined ? 'users of its own' : `one user: ${refused}`}`;

/** What makes roots and guards, or what keeps it away, unless nothing else is wanted. */
async function fetched(
  root: RootChoice['root'],
  progress: Progress,
): Promise<Awaited<ReturnType<typeof ensureRootTools>> | Problem> {
  try {
    return await ensureRootTools({ progress });
  } catch (error) {
    if (root !== 'namespaces' && error instanceof Problem) return error;
    throw error;
  }
}

async function makeHome(home: string): Promise<void> {
  try {
    await mkdir(home, { recursive: true });
  } catch (error) {
    throw new Problem(`${home} cannot be a guest's home: ${(error as Error).message}`);
  }
}
