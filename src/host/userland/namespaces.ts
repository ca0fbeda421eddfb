/**
 * A root of the guest's own, made of namespaces: what a program of the guest sees as `/` is the folder of its packages with a
 * layer over it for what it writes, and of this host only what is shown to it. The kernel then does paths, `exec` and what programs
 * start by themselves; the shim is left with nodes, ioctls and memory.
 *
 * A user and a mount namespace come first. In them binfmt_misc is mounted (user namespaces have one of their own since Linux
 * 6.7, fs/binfmt_misc.c) and told of the emulator, which is opened there and then, so the root need not have it. What
 * follows, in a PID namespace, is a script's (own-root.ts). All of it goes with its first process, and that goes when we do, however we
 * end.
 *
 * The guest's root is who starts it. Its other users are numbers that belong to nobody else on this host (users.ts), where these can be
 * had; a set-user-ID program then is one. A guest that is started by root has root's number towards the kernel, so /proc/sys would be open
 * to it: it is shown to read alone, and what could mount it anew (CAP_SYS_ADMIN) is taken from the guest. Facts: user_namespaces(7),
 * unshare(1), Linux Documentation/admin-guide/binfmt-misc.rst.
 */
import { existsSync, lstatSync, mkdirSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { basename, join, resolve, sep } from 'node:path';
import { SHIM_CPU, SHIM_SOCKET, SHIM_TREE } from '../../abi/shim.ts';
import { HOSTS_SYS } from '../guest-tree.ts';
import { command } from './command.ts';
import type { Architecture } from './compiler.ts';
import { type Mount, ownRootScript } from './own-root.ts';
import { numberedOwners } from './owners.ts';
import { Problem } from './problem.ts';
import { type RootTools, toolStart } from './root-tools.ts';
import type { Users } from './users.ts';

/** How guests get a root of their own on this host. */
export interface Namespaces {
  /** Programs that make one. */
  tools: RootTools;
  /** Does it have other users than its root? */
  users: Users;
  /** A folder that keeps what the guest writes outside its home (`layer`), and overlayfs's own (`work`); without: gone with the run. */
  layer?: string | undefined;
  /** Folders of the host in which guests may write. */
  shares: readonly string[];
}

/** What one program of a guest is started with. */
export interface RootedProgram {
  /** The guest's packages. */
  root: string;
  qemu: string | undefined;
  architecture: Architecture;
  /** The machine's folder. */
  machine: string;
  /** The folder of libtyr-drm.so. */
  shim: string;
  /** The guest's home, and its other folders to read alone, as the host has them. */
  home: string;
  shown: readonly string[];
  /** Where it is started. */
  cwd: string;
  /** A name that is looked for in PATH, or a path of the guest. */
  program: string;
  args: readonly string[];
  env: NodeJS.ProcessEnv;
}

/** In a PID namespace of its own, as the first process there: says what this host does not allow. */
const TRIAL = `
no() { echo "$1"; exit 1; }
mount -t proc proc /proc 2>/dev/null || no 'proc cannot be mounted in them (a container may hide parts of it)'
mount -t tmpfs tmpfs /tmp 2>/dev/null || no 'tmpfs cannot be mounted in them'
mkdir /tmp/l /tmp/u /tmp/w /tmp/m
mount -t overlay -o lowerdir=/tmp/l,upperdir=/tmp/u,workdir=/tmp/w,userxattr overlay /tmp/m 2>/dev/null ||
  no 'overlayfs cannot be mounted in them'
[ "$1" = native ] || mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc 2>/dev/null ||
  no "binfmt_misc cannot be mounted in them (Linux $(uname -r); it can since 6.7)"
`;

/** Why guests cannot have roots of their own on this host; undefined where they can. `native`: they need no emulator. */
export async function namespacesRefused(native: boolean): Promise<string | undefined> {
  const own = ['--user', '--map-root-user'];
  try {
    const { code, stderr } = await command('unshare', [...own, 'true']);
    if (code !== 0) return `this host denies user namespaces (${stderr.trim()})`;
    const more = ['--mount', '--pid', '--fork', '--', 'sh', '-c', TRIAL, 'sh', native ? 'native' : ''];
    const trial = await command('unshare', [...own, ...more]);
    if (trial.code === 0) return undefined;
    return `user namespaces are restricted here: ${trial.stdout.trim() || trial.stderr.trim()}`;
  } catch (error) {
    if (error instanceof Problem) return error.message;
    throw error;
  }
}

/** Folders that the guest has of its own, whatever the host has there, and those of them in which the host's may lie. */
const OWN = ['/bin', '/dev', '/etc', '/lib', '/lib64', '/proc', '/sbin', '/sys', '/usr'];
const OWN_AROUND = ['/', '/run', '/tmp', '/var', '/var/tmp'];

export const isWithin = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(`${folder}${sep}`);

/** Can this folder of the host be where it is in the guest, too? */
export function canBeShown(path: string): boolean {
  return !OWN_AROUND.includes(path) && !OWN.some((own) => isWithin(path, own));
}

/** Checks folders that the caller wants to share. Where links lead to them, they are where these lead. Throws Problem. */
export function sharedFolders(folders: readonly string[]): string[] {
  return folders.map((folder) => {
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
      throw new Problem(`there is no folder ${resolve(folder)} to share`);
    const path = realpathSync(folder);
    if (!canBeShown(path)) throw new Problem(`${path} cannot be shared: the guest has a folder of its own there`);
    return path;
  });
}

/**
 * Where what a guest writes is kept in its home, and `lock`, a file by which it is one guest's at a time. Throws Problem where a link leads
 * elsewhere: a guest cannot have made one, as it does not see this folder.
 */
export async function layerIn(home: string): Promise<{ folder: string; lock: string }> {
  const folder = join(realpathSync(home), '.tyr');
  for (const name of ['layer', 'work']) {
    await mkdir(join(folder, name), { recursive: true });
    if (!isItself(join(folder, name)))
      throw new Problem(`${join(folder, name)} is a link; no guest's layer can lie there`);
  }
  const lock = join(folder, 'lock');
  if (lstatSync(lock, { throwIfNoEntry: false })?.isSymbolicLink()) throw new Problem(`${lock} is a link`);
  return { folder, lock };
}

/** Is there no symbolic link on the way to this? */
const isItself = (path: string): boolean => realpathSync(path) === path;

/**
 * Tells the kernel of the emulator, and stays, since what the kernel knows goes with this mount namespace. SIGTERM to our process group
 * is the program's: our own end would be the guest's at once. `$1`: what binfmt_misc is told, or nothing.
 */
const ENTER = `
trap '' HUP INT TERM
if [ -n "$1" ]; then
  mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc && printf %s "$1" > /proc/sys/fs/binfmt_misc/register || exit 126
fi
shift
"$@"
`;
const SIGNALS = '--default-signal=HUP,INT,QUIT,TERM';

/** How a program is started in a root of its own. */
export function namespacesStart(
  { tools, users, layer, shares }: Namespaces,
  { root, qemu, architecture, machine, shim, home, shown, cwd, program, args, env }: RootedProgram,
): { file: string; args: string[]; env: NodeJS.ProcessEnv } {
  const folder = realpathSync(machine);
  const tree = join(folder, SHIM_TREE);
  const folders = new Map<string, boolean>();
  const writable = [...shares, home];
  for (const path of writable) folders.set(path, true);
  // The root itself is made in the machine's folder, and what holds that cannot be mounted in it.
  const around = (path: string): boolean => existsSync(path) && isWithin(folder, realpathSync(path));
  for (const path of shown)
    if (canBeShown(path) && !around(path) && !writable.some((folder) => isWithin(path, folder)))
      folders.set(path, false);
  const inOrder = [...folders].sort(([a], [b]) => a.length - b.length);
  const visible = inOrder.some(([path]) => isWithin(cwd, path));
  // What of the environment is the guest's alone: the host's programs come before it.
  const { LD_PRELOAD, LD_LIBRARY_PATH, PATH, ...rest } = env;
  const variables = Object.entries({ LD_PRELOAD, LD_LIBRARY_PATH, PATH }).flatMap(([name, value]) =>
    value ? [`${name}=${value}`] : [],
  );
  // env(1) takes what has an equals sign for a variable.
  const words = program.includes('=') ? ['sh', '-c', 'exec "$0" "$@"', program] : [program];
  const stage = join(folder, 'stage');
  mkdirSync(stage, { recursive: true });
  const script = ownRootScript({
    tools,
    stage,
    lower: realpathSync(root),
    keep: layer,
    hidden: layer && join(home, basename(layer)),
    mounts: [
      ...['/etc/resolv.conf', '/etc/localtime'].flatMap((path) => whereThere(path, path)),
      ...inOrder.flatMap(([path, open]) => whereThere(path, path, open)),
      ...whereThere(shim, shim),
      ...[SHIM_SOCKET, SHIM_TREE, 'runtime', 'mesa'].flatMap((name) => {
        return machines(join(folder, name), join(machine, name));
      }),
      ...['dev/dri', 'dev/input', 'run/udev'].flatMap((path) => machines(join(tree, path), `/${path}`)),
      ...sysMounts(tree, 'sys'),
    ],
    toolsInside: join(machine, 'tools'),
    cwd: visible ? cwd : '/',
    program: ['/usr/bin/env', SIGNALS, ...variables, ...words, ...args],
    owners: users.refused === undefined ? numberedOwners(root) : [],
  });
  const [file, ...unshare] = toolStart(tools, 'unshare') as [string, ...string[]];
  return {
    file,
    args: [
      ...unshare,
      ...['--user', '--map-root-user', ...users.words, '--mount', '--', 'sh', '-c', ENTER, 'sh'],
      qemu ? registration(qemu, architecture) : '',
      ...toolStart(tools, 'setpriv', '--pdeathsig', 'KILL'),
      ...toolStart(tools, 'unshare', '--mount', '--pid', '--fork', '--kill-child', '--', 'sh', '-c', script),
    ],
    env: { ...rest, PATH: process.env.PATH, QEMU_CPU: SHIM_CPU },
  };
}

/** A file or folder of the host's, by its path without links, if it is there. */
function whereThere(from: string, to: string, writable = false): Mount[] {
  return existsSync(from) ? [{ from: realpathSync(from), to, writable }] : [];
}

/** A file or folder of the machine's, if it is there. Earlier programs of the machine can write there, so links are not followed. */
function machines(from: string, to: string): Mount[] {
  return existsSync(from) && isItself(from) ? [{ from, to, writable: true }] : [];
}

/** What of /sys is the machine's, and what the host's. */
function sysMounts(tree: string, folder: string): Mount[] {
  return readdirSync(join(tree, folder)).flatMap((name) => {
    const path = join(folder, name);
    if (HOSTS_SYS.includes(path)) return whereThere(`/${path}`, `/${path}`);
    if (HOSTS_SYS.some((host) => isWithin(host, path))) return sysMounts(tree, path);
    return machines(join(tree, path), `/${path}`);
  });
}

/** Bytes of an ELF header that tell programs of an architecture: of any system, to be executed at a fixed place or anywhere. */
function registration(emulator: string, { elfMachine }: Architecture): string {
  const byte = (value: number) => `\\x${value.toString(16).padStart(2, '0')}`;
  const bytes = (...values: number[]) => values.map(byte).join('');
  const magic = bytes(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, ...Array(9).fill(0), 2, 0, elfMachine & 0xff, elfMachine >> 8);
  const mask = bytes(...Array(7).fill(0xff), 0, ...Array(8).fill(0xff), 0xfe, 0xff, 0xff, 0xff);
  const between = [...':|;,!#%'].find((each) => !emulator.includes(each));
  if (between === undefined) throw new Problem(`binfmt_misc cannot be told of ${emulator}`);
  // F: opened now. P: argv[0] is kept. O, C: programs that can only be executed, and set-user-ID ones.
  return ['', 'tyr', 'M', '', magic, mask, emulator, 'FPOC'].join(between);
}
