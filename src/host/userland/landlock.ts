/**
 * Keeps a guest that has the host's root from writing to the host's files, by Landlock: a program gives up rights for itself and all
 * that it starts, as any user may since Linux 5.13. setpriv(1) speaks to it.
 *
 * Facts: Linux Documentation/userspace-api/landlock.rst and include/uapi/linux/landlock.h, setpriv(1) of util-linux 2.41.
 */
import { existsSync } from 'node:fs';
import { LANDLOCK_CREATE_RULESET, LANDLOCK_CREATE_RULESET_VERSION } from '../../abi/linux.ts';
import type { Start } from './start.ts';

/** What changes files and folders, and the version of Landlock that knows it. */
const WRITING: readonly (readonly [access: string, since: number])[] = [
  ['write-file', 1],
  ['remove-dir', 1],
  ['remove-file', 1],
  ['make-char', 1],
  ['make-dir', 1],
  ['make-reg', 1],
  ['make-sock', 1],
  ['make-fifo', 1],
  ['make-block', 1],
  ['make-sym', 1],
  // Without it nothing can be moved to another folder, be it allowed there or not.
  ['refer', 2],
  ['truncate', 3],
];

/** Devices and scratch folders are everybody's. */
const EVERYBODYS = ['/dev', '/tmp', '/var/tmp'];

/** The version of Landlock that this host's kernel has, from 1 on; 0: none. */
export async function landlockVersion(): Promise<number> {
  const { default: koffi } = await import('koffi');
  const syscall = koffi.load(null).func('long syscall(long number, void *attributes, size_t size, uint32_t flags)');
  return Math.max(0, Number(syscall(LANDLOCK_CREATE_RULESET, null, 0, LANDLOCK_CREATE_RULESET_VERSION)));
}

/** How guests are kept from writing. */
export interface WriteGuard {
  /** The words that start setpriv. */
  setpriv: readonly string[];
  version: number;
  /** Folders of the host in which guests may write. */
  shares: readonly string[];
}

/** The same start, with the rights to write in these folders and in those that are shared alone. */
export function guardedStart(
  { setpriv, version, shares }: WriteGuard,
  folders: readonly string[],
  start: Start,
): Start {
  const accesses = WRITING.filter(([, since]) => since <= version).map(([access]) => access);
  const open = [...EVERYBODYS, ...folders, ...shares].filter((path) => existsSync(path));
  const { LD_PRELOAD, LD_LIBRARY_PATH, ...env } = start.env;
  const variables = Object.entries({ LD_PRELOAD, LD_LIBRARY_PATH }).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${value}`],
  );
  const [file, ...words] = setpriv as [string, ...string[]];
  return {
    file,
    args: [
      ...words,
      '--no-new-privs',
      ...accesses.flatMap((access) => ['--landlock-access', `fs:${access}`]),
      ...open.flatMap((path) => ['--landlock-rule', `path-beneath:${accesses}:${path}`]),
      ...['--', 'env', ...variables, start.file, ...start.args],
    ],
    env,
  };
}
