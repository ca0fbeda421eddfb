/**
 * What packages' own installation scripts and triggers would have done: indexes of what packages have brought, without which programs
 * find no icons, schemas or types of files. Done once for each folder of packages, by the programs that Debian's scripts call, where
 * these and what they work on are there.
 */
import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { command } from './command.ts';
import type { Report } from './progress.ts';
import { guestStart, type Root } from './start.ts';

interface Step {
  /** What the progress display says. */
  title: string;
  /** The program and what it works on, both from the root. Without either there is nothing to do. */
  program: string;
  on: string;
  /** Arguments; `target` is where this host has what it works on. Default: that alone. */
  args?(target: string): string[];
  /** A file, from the root, that takes what the program prints. */
  output?: string;
  /** Once for each folder in `on` that has this file. */
  each?: string;
}

const LIBRARIES = 'usr/lib/aarch64-linux-gnu';
const PIXBUF = `${LIBRARIES}/gdk-pixbuf-2.0`;

const STEPS: readonly Step[] = [
  {
    title: 'settings schemas',
    program: `${LIBRARIES}/glib-2.0/glib-compile-schemas`,
    on: 'usr/share/glib-2.0/schemas',
  },
  {
    title: 'image loaders',
    program: `${PIXBUF}/gdk-pixbuf-query-loaders`,
    on: `${PIXBUF}/2.10.0/loaders`,
    args: () => [],
    output: `${PIXBUF}/2.10.0/loaders.cache`,
  },
  {
    title: 'input and output modules',
    program: `${LIBRARIES}/glib-2.0/gio-querymodules`,
    on: `${LIBRARIES}/gio/modules`,
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
    title: 'users and groups',
    program: 'usr/bin/systemd-sysusers',
    on: 'usr/lib/sysusers.d',
    args: (folder) => [`--root=${folder.slice(0, -'usr/lib/sysusers.d'.length)}`],
  },
];

/** Grows when a folder that was set up has to be set up again. */
const FORM = 1;
const DONE = '.set-up';

/** Is there nothing left to do in this root? */
export const isSetUp = (root: string): boolean => existsSync(join(root, `${DONE}-${FORM}`));

/** Sets a root up. Throws where a program fails, which it does not in packages that fit each other. */
export async function setUp(where: Root, report: Report): Promise<void> {
  const { root } = where;
  for (const [i, { title, program, on, args = (target: string) => [target], output, each }] of STEPS.entries()) {
    if (!existsSync(join(root, program)) || !existsSync(join(root, on))) continue;
    report(i / STEPS.length, title);
    const inside = each === undefined ? ['.'] : (await readdir(join(root, on))).sort();
    for (const name of inside.filter((folder) => each === undefined || existsSync(join(root, on, folder, each)))) {
      const {
        file,
        args: words,
        env,
      } = guestStart(where, join(root, program), args(join(root, on, name)), {
        PATH: '/usr/bin:/bin',
        LC_ALL: 'C',
      });
      const { code, stdout, stderr } = await command(file, words, { env });
      if (code !== 0) throw new Error(`${program} on ${on} ended with ${code}: ${stderr.trim().slice(-2000)}`);
      if (output !== undefined) await writeFile(join(root, output), stdout);
    }
  }
  await writeFile(join(root, `${DONE}-${FORM}`), '');
}
