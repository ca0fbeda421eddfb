/**
 * What packages' own installation scripts and triggers would have done: indexes of what packages have brought, without which programs
 * find no icons, schemas or types of files, and libraries and fonts slowly; and the number by which a machine is known. Done once for each
 * folder of packages, by the programs that Debian's scripts call, where these and what they work on are there.
 */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { command } from './command.ts';
import { makeStacks } from './pam.ts';
import type { Report } from './progress.ts';
import { ARM64, guestStart, type Root } from './start.ts';

interface Step {
  /** What the progress display says. */
  title: string;
  /** The program and what it works on, both from the root. Without either there is nothing to do. */
  program: string;
  on: string;
  /** Arguments; `target` is where this host has what it works on, in `root`. Default: that alone. */
  args?(target: string, root: string): string[];
  /** Variables that it needs besides. */
  env?(target: string): Record<string, string>;
  /** It has no dynamic loader, so none can run it. */
  isStatic?: boolean;
  /** A file, from the root, that takes what the program prints. */
  output?: string;
  /** Once for each folder in `on` that has this file. */
  each?: string;
}

/** For a root whose libraries lie there. */
const steps = (libraries: string): Step[] => [
  {
    title: 'libraries',
    program: 'usr/sbin/ldconfig',
    on: 'usr/lib',
    args: (_, root) => ['-r', root],
    isStatic: true,
  },
  {
    title: 'settings schemas',
    program: `${libraries}/glib-2.0/glib-compile-schemas`,
    on: 'usr/share/glib-2.0/schemas',
  },
  {
    title: 'image loaders',
    program: `${libraries}/gdk-pixbuf-2.0/gdk-pixbuf-query-loaders`,
    on: `${libraries}/gdk-pixbuf-2.0/2.10.0/loaders`,
    args: () => [],
    // It looks where it was built for, which without an emulator is this host's own.
    env: (target) => ({ GDK_PIXBUF_MODULEDIR: target }),
    output: `${libraries}/gdk-pixbuf-2.0/2.10.0/loaders.cache`,
  },
  {
    title: 'input and output modules',
    program: `${libraries}/glib-2.0/gio-querymodules`,
    on: `${libraries}/gio/modules`,
  },
  { title: 'file types', program: 'usr/bin/update-mime-database', on: 'usr/share/mime' },
  { title: 'programs by file types', program: 'usr/bin/update-desktop-database', on: 'usr/share/applications' },
  {
    title: 'icons',
    program: 'usr/bin/gtk-update-icon-cache',
    on: 'usr/share/icons',
    args: (theme) => ['--force', '--quiet', theme],
    each: 'index.theme',
  },
  {
    title: 'fonts',
    program: 'usr/bin/fc-cache',
    on: 'usr/share/fonts',
    args: (_, root) => ['--system-only', '--sysroot', root],
  },
  {
    title: 'users and groups',
    program: 'usr/bin/systemd-sysusers',
    on: 'usr/lib/sysusers.d',
    args: (_, root) => [`--root=${root}`],
  },
];

/** Users that packages make in their installation scripts alone, not by systemd-sysusers: with the program whose they are, and their home. */
const SCRIPTS_USERS = [
  { name: 'colord', home: '/var/lib/colord', program: 'usr/libexec/colord' },
  { name: 'Debian-gdm', home: '/var/lib/gdm3', program: 'usr/sbin/gdm3' },
];
/** Tells systemd-sysusers of them. */
const TOLD = 'etc/sysusers.d/tyr.conf';

/** Which shells packages have brought. */
const SHELLS = 'usr/share/debianutils/shells';
const MORE_SHELLS = `${SHELLS}.d`;

/** Grows when a folder that was set up has to be set up again. */
const FORM = 3;
/** The same, of those without an emulator. */
const NATIVE_FORM = 4;
const DONE = '.set-up';

const doneFile = ({ root, qemu }: Root): string => join(root, `${DONE}-${qemu ? FORM : NATIVE_FORM}`);

/** Is there nothing left to do in this root? */
export const isSetUp = (where: Root): boolean => existsSync(doneFile(where));

/** Sets a root up. Throws where a program fails, which it does not in packages that fit each other. */
export async function setUp(where: Root, report: Report): Promise<void> {
  const { root, qemu, architecture = ARM64 } = where;
  await tellUsers(root);
  const all = steps(`usr/lib/${architecture.triplet}`);
  for (const [i, step] of all.entries()) {
    const { title, program, on, args = (target: string) => [target], output, each, isStatic, env: own } = step;
    if (!existsSync(join(root, program)) || !existsSync(join(root, on))) continue;
    report(i / all.length, title);
    const inside = each === undefined ? ['.'] : (await readdir(join(root, on))).sort();
    for (const name of inside.filter((folder) => each === undefined || existsSync(join(root, on, folder, each)))) {
      const path = join(root, program);
      const given = args(join(root, on, name), root);
      const plain = { PATH: '/usr/bin:/bin', LC_ALL: 'C', ...own?.(join(root, on)) };
      const start = guestStart(where, path, given, plain);
      const { file, args: words, env } = isStatic && !qemu ? { file: path, args: given, env: plain } : start;
      const { code, stdout, stderr } = await command(file, words, { env });
      if (code !== 0) throw new Error(`${program} on ${on} ended with ${code}: ${stderr.trim().slice(-2000)}`);
      if (output !== undefined) await writeFile(join(root, output), stdout.replaceAll(`${root}/`, '/'));
    }
  }
  await mkdir(join(root, 'etc'), { recursive: true });
  await makeStacks(root);
  await listShells(root);
  await lockUsers(root);
  // Of this copy alone, as an installed system's is: machine-id(5).
  await writeFile(join(root, 'etc/machine-id'), `${randomUUID().replaceAll('-', '')}\n`);
  await writeFile(doneFile(where), '');
}

async function tellUsers(root: string): Promise<void> {
  const users = SCRIPTS_USERS.filter(({ program }) => existsSync(join(root, program)));
  if (users.length === 0) return;
  await mkdir(join(root, dirname(TOLD)), { recursive: true });
  await writeFile(join(root, TOLD), users.map(({ name, home }) => `u ${name} - "${name}" ${home}\n`).join(''));
}

/** Shells that people may have, or they count as nobody: update-shells(8) of debianutils. */
async function listShells(root: string): Promise<void> {
  const names = [
    SHELLS,
    ...(existsSync(join(root, MORE_SHELLS)) ? await readdir(join(root, MORE_SHELLS)) : []).map((name) =>
      join(MORE_SHELLS, name),
    ),
  ].filter((name) => existsSync(join(root, name)));
  const texts = await Promise.all(names.map((name) => readFile(join(root, name), 'utf8')));
  const shells = texts.flatMap((text) => text.split('\n')).filter((line) => line.startsWith('/'));
  const there = [...new Set(shells)].filter((shell) => existsSync(join(root, shell)));
  if (there.length > 0) await writeFile(join(root, 'etc/shells'), there.map((shell) => `${shell}\n`).join(''));
}

/** A line in /etc/shadow for each user that has none, as pwconv(8) makes it: nobody is let in as one, but these are users. */
async function lockUsers(root: string): Promise<void> {
  const names = async (path: string): Promise<string[]> =>
    existsSync(join(root, path))
      ? (await readFile(join(root, path), 'utf8')).split('\n').flatMap((line) => line.split(':')[0] || [])
      : [];
  const there = await names('etc/shadow');
  const lines = (await names('etc/passwd')).filter((name) => !there.includes(name)).map((name) => `${name}:*:::::::\n`);
  await appendFile(join(root, 'etc/shadow'), lines.join(''), { mode: 0o640 });
}
