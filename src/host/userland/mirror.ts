/**
 * Where Debian's packages come from: the mirror that this host's own apt already uses.
 *
 * No mirror is named here. On Debian it is the one of the host's apt sources (apt-get indextargets). On Ubuntu and other
 * relatives it is the default one that Debian's debootstrap carries, which their own archive has as a package, together
 * with Debian's archive keys. TYR_DEBIAN_MIRROR and TYR_DEBIAN_KEYRING overrule both.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { aptProblem } from './apt.ts';
import { command, mustRun } from './command.ts';
import { Problem } from './problem.ts';

export interface Mirror {
  /** URI of the archive's root, without a closing slash. */
  uri: string;
  /** File with the keys that may sign its releases. */
  keyring: string;
}

/** One line of `apt-get indextargets` in TARGET_FORMAT. */
export const TARGET_FORMAT = '$(ORIGIN)|$(LABEL)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)';

/**
 * The Debian archive among apt's index targets, or undefined. Origin and label are known only for lists that have been
 * fetched; before that (a fresh container) `codename`, this Debian's own release, tells which target is its main archive.
 */
export function debianTarget(targets: string, codename: string | undefined): string | undefined {
  const rows = targets
    .split('\n')
    .map((line) => line.split('|'))
    .filter((row) => row[4] === 'main')
    .map(([origin, label, uri, release]) => ({ origin, label, uri: uri!.replace(/\/+$/, ''), release }));
  const known = rows.find((row) => row.origin === 'Debian' && row.label === 'Debian');
  const unread = rows.find((row) => !row.origin?.replace(/^\$\(.*\)$/, '') && codename && row.release === codename);
  return (known ?? unread)?.uri;
}

/** The default mirror that a debootstrap script names: its first URI that ends in /debian. */
export function debootstrapMirror(script: string): string | undefined {
  return /https?:\/\/[A-Za-z0-9.-]+(?:\/[^\s"';]*)?\/debian\/?(?=["'\s;]|$)/.exec(script)?.[0].replace(/\/$/, '');
}

/** ID and VERSION_CODENAME of os-release. */
export function osRelease(text: string): { id: string; codename: string | undefined } {
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]*)"?$`, 'm').exec(text)?.[1];
  return { id: field('ID') ?? 'unknown', codename: field('VERSION_CODENAME') };
}

const KEYRINGS = [
  '/usr/share/keyrings/debian-archive-keyring.pgp',
  '/usr/share/keyrings/debian-archive-keyring.gpg',
  '/etc/apt/trusted.gpg.d/debian-archive-keyring.gpg',
];

/** What this host itself says: its environment, its apt sources, its keyrings. Downloads nothing. */
export async function hostMirror(env: NodeJS.ProcessEnv = process.env): Promise<Partial<Mirror>> {
  const keyring = env.TYR_DEBIAN_KEYRING ?? KEYRINGS.find((file) => existsSync(file));
  if (env.TYR_DEBIAN_MIRROR) return { uri: env.TYR_DEBIAN_MIRROR.replace(/\/+$/, ''), keyring };
  const os = osRelease(await readFile('/etc/os-release', 'utf8').catch(() => ''));
  const targets = await mustRun('apt-get', ['indextargets', '--format', TARGET_FORMAT]);
  return { uri: debianTarget(targets, os.id === 'debian' ? os.codename : undefined), keyring };
}

/**
 * Finds mirror and keyring. `scratch` is a folder for what may have to be fetched from the host's own archive. Throws
 * Problem when this host has neither.
 */
export async function findMirror(scratch: string, env: NodeJS.ProcessEnv = process.env): Promise<Mirror> {
  let { uri, keyring } = await hostMirror(env);
  if (uri && keyring) return { uri, keyring };
  const own = await fromOwnArchive(scratch);
  uri ??= own.uri;
  keyring ??= own.keyring;
  if (uri && keyring) return { uri, keyring };
  throw new Problem(
    uri
      ? "this host has no keys of Debian's archive; install its package debian-archive-keyring, or name such a file in TYR_DEBIAN_KEYRING"
      : "this host's apt sources name no Debian archive; name a mirror of it in TYR_DEBIAN_MIRROR, for example the one that another machine's /etc/apt/sources.list has",
  );
}

/** debootstrap's default mirror and Debian's archive keys, from packages of the host's own archive. */
async function fromOwnArchive(scratch: string): Promise<Partial<Mirror>> {
  const folder = join(scratch, 'own-archive');
  const state = join(folder, 'apt');
  await mkdir(join(state, 'lists', 'partial'), { recursive: true });
  await mkdir(join(state, 'archives', 'partial'), { recursive: true });
  const options = [
    `-oDir::State::lists=${join(state, 'lists')}`,
    `-oDir::Cache=${state}`,
    '-oDebug::NoLocking=true',
    '-oAPT::Sandbox::User=root',
  ];
  const root = join(folder, 'root');
  await mkdir(root, { recursive: true });
  for (const step of [['update'], ['download', 'debian-archive-keyring', 'debootstrap']]) {
    const { code, stderr } = await command('apt-get', ['-q', ...options, ...step], { cwd: state });
    if (code !== 0) throw aptProblem(stderr, "this host's own archive");
  }
  for (const file of await readdir(state)) {
    if (file.endsWith('.deb')) await mustRun('dpkg', ['-x', join(state, file), root]);
  }
  const keyring = KEYRINGS.map((file) => join(root, file)).find((file) => existsSync(file));
  let uri: string | undefined;
  for (const script of ['usr/share/debootstrap/scripts/sid', 'usr/sbin/debootstrap']) {
    uri ??= debootstrapMirror(await readFile(join(root, script), 'utf8').catch(() => ''));
  }
  return { uri, keyring };
}
