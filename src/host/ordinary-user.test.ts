/**
 * Guest tests: kmscube draws for root and for an ordinary user, with user namespaces and where they are denied, and whoever runs it,
 * nothing of it is left. Root can try all four; others have what they are in the rest of the tests.
 *
 * The ordinary user is nobody, who has a copy of the cache's pieces, and shims and test clients of their own making. Where namespaces are denied, the kernel's own limit does it: a
 * namespace in which all numbers mean what they mean outside lets no other be made in it (namespaces(7), max_user_namespaces).
 */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SHADERS_VARIABLE } from './shader-folder.ts';
import { command, mustRun } from './userland/command.ts';
import { namespacesRefused } from './userland/namespaces.ts';
import { type RootTools, toolStart } from './userland/root-tools.ts';
import { ensureRootTools, ensureUserland, GUEST, hostArchitecture, type Userland } from './userland/userland.ts';

const MAIN = fileURLToPath(new URL('../cli/main.ts', import.meta.url));
const NOBODY = 65534;
const refused = await namespacesRefused(hostArchitecture() === GUEST);
const skip = refused ?? (process.getuid!() === 0 ? undefined : 'only root can be somebody else');
/** Nobody's, and root's own: in a namespace root has no rights to what others keep to themselves. */
const folder = mkdtempSync(join(tmpdir(), 'tyr-ordinary-'));
const roots = mkdtempSync(join(tmpdir(), 'tyr-ordinary-'));
let userland: Userland;
let tools: RootTools;

before(async () => {
  if (skip) return;
  userland = await ensureUserland();
  tools = await ensureRootTools();
  const cache = join(folder, 'cache/tyr');
  mkdirSync(cache, { recursive: true });
  const pieces = [userland.root, tools.folder, userland.qemu]
    .filter((path) => path !== undefined)
    .map((path) => relative(userland.cache, path).split(sep)[0]!);
  for (const name of new Set(pieces)) await mustRun('cp', ['-a', join(userland.cache, name), cache]);
  for (const path of ['runtime', 'home']) mkdirSync(join(folder, path), { mode: 0o700 });
  await mustRun('chown', ['-R', '--no-dereference', `${NOBODY}:${NOBODY}`, folder]);
});
after(() => {
  for (const each of [folder, roots]) rmSync(each, { recursive: true });
});

const IDENTITY = ['--map-root-user', '--map-users', '1:1:65535', '--map-groups', '1:1:65535'];
const DENY = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"';
const denied = (words: string[]): string[] =>
  toolStart(tools, 'unshare', '--user', ...IDENTITY, 'sh', '-c', DENY, 'sh', ...words);
const asNobody = (words: string[]): string[] =>
  toolStart(tools, 'setpriv', `--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', ...words);
const same = (words: string[]): string[] => words;

/** Processes whose machine lies in this folder. */
async function guestsOf(runtime: string): Promise<string> {
  const { stdout } = await command('sh', ['-c', 'grep -lsF -e "TYR_MACHINE=$0/" /proc/[0-9]*/environ', runtime]);
  return stdout.trim();
}

const OF_ROOT = { XDG_RUNTIME_DIR: roots };
const OF_NOBODY = {
  HOME: join(folder, 'home'),
  XDG_CACHE_HOME: join(folder, 'cache'),
  XDG_RUNTIME_DIR: join(folder, 'runtime'),
};

for (const [who, be, own] of [
  ['root', same, OF_ROOT],
  ['an ordinary user', asNobody, OF_NOBODY],
] as const)
  for (const [how, deny, root] of [
    ['with user namespaces', same, /^guest root: its own, by namespaces, with (users of its own|one user: .*)$/m],
    [
      'where user namespaces are denied',
      denied,
      /^guest root: by look-up of paths: this host denies user namespaces \(unshare: .*\)/m,
    ],
  ] as const)
    test(`${who}, ${how}: kmscube draws, and nothing is left`, { skip }, async (t) => {
      // Root's folder of shader programs is not for others to write in.
      const env = { ...process.env, ...own, [SHADERS_VARIABLE]: '' };
      const readable = await command(...start(be(['test', '-r', MAIN, '-a', '-x', process.execPath])));
      if (readable.code !== 0) return t.skip('an ordinary user cannot read this clone, or not its Node');
      const tyr = [process.execPath, '--disable-warning=ExperimentalWarning', MAIN];
      const run = ['run', '--verbose', '--json', '--no-screen', '--frames', '3', '--refresh', 'unlimited', 'kmscube'];
      const { code, stdout, stderr } = await command(...start(deny(be([...tyr, ...run]))), {
        env,
        cwd: own.XDG_RUNTIME_DIR,
      });
      assert.equal(code, 0, stderr);
      assert.match(stderr, root);
      assert.match(stderr, /renderer: "Mali-G610 \(Panfrost\)"/);
      assert.doesNotMatch(stderr, /WARNING/);
      const { frames, jobs, faults } = JSON.parse(stdout);
      assert.ok(frames >= 3 && jobs >= 3 && faults === 0, stdout);
      assert.equal(await guestsOf(own.XDG_RUNTIME_DIR), '');
      assert.deepEqual(readdirSync(own.XDG_RUNTIME_DIR), []);
    });

const start = ([file, ...args]: string[]): [string, string[]] => [file!, args];
