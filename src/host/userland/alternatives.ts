/**
 * Programs that several packages bring under one name: `awk` is mawk or gawk, `which` is which.debianutils. Packages say so in their
 * installation scripts, by update-alternatives(1), which are not run here; so these calls are read from them, and of each name the
 * alternative with the highest priority that is there gets the link. Calls whose words a shell would have to work out are left alone.
 */
import { existsSync, lstatSync } from 'node:fs';
import { mkdir, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { command } from './command.ts';

/** All paths are the guest's, absolute. */
export interface Alternative {
  link: string;
  path: string;
  priority: number;
  /** Links that go with it, manual pages mostly. */
  slaves: { link: string; path: string }[];
}

const CALL = /\bupdate-alternatives((?:[^\S\n]|\\\n|[^\n;&|\\])*)/g;
/** What a shell takes as it is. */
const PLAIN = /^[A-Za-z0-9_./+@:,%-]+$/;

/** Those that an installation script installs. */
export function alternativesOf(script: string): Alternative[] {
  return [...script.matchAll(CALL)].flatMap(([, text]) => {
    const words = text!.replaceAll('\\\n', ' ').split(/\s+/).filter(Boolean);
    const at = words.indexOf('--install');
    const [link, , path, priority] = words.slice(at + 1);
    if (at < 0 || !words.every((word) => PLAIN.test(word)) || !link?.startsWith('/') || !path?.startsWith('/'))
      return [];
    const slaves = words.flatMap((word, i) =>
      word === '--slave' ? [{ link: words[i + 1] ?? '', path: words[i + 3] ?? '' }] : [],
    );
    return [{ link, path, priority: Number(priority), slaves }];
  });
}

/** Makes the links of these packages in a root that they have been unpacked into. What is there stays. */
export async function linkAlternatives(debs: readonly string[], root: string): Promise<void> {
  const all: Alternative[] = [];
  for (const deb of debs) {
    const { code, stdout } = await command('dpkg-deb', ['--info', deb, 'postinst']);
    if (code === 0) all.push(...alternativesOf(stdout));
  }
  all.sort((a, b) => b.priority - a.priority);
  for (const { link, path, slaves } of all) {
    if (!existsSync(join(root, path)) || !(await makeLink(root, link, path))) continue;
    for (const slave of slaves) if (existsSync(join(root, slave.path))) await makeLink(root, slave.link, slave.path);
  }
}

/** A relative link, good wherever the root lies. False where something has its place. */
async function makeLink(root: string, link: string, path: string): Promise<boolean> {
  if (lstatSync(join(root, link), { throwIfNoEntry: false })) return false;
  await mkdir(join(root, dirname(link)), { recursive: true });
  await symlink(relative(dirname(link), path), join(root, link));
  return true;
}
