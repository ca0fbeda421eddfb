/**
 * Programs that start programs: shim/test/exec.c in every way that the C library has, Debian's shells and tools as scripts
 * use them, and what a child does with the descriptors that it got. What the host's own kernel does without a shim is the
 * reference for both the host's programs and the guest's.
 */
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { silent } from '../board/log.ts';
import { client, type TestMachine, testMachine } from '../testing/host/transport.ts';
import { type LaunchOptions, launch } from './launch.ts';
import { hostCompiler } from './userland/compiler.ts';
import { guestStart, programStart } from './userland/start.ts';
import { ensureUserland, type Userland } from './userland/userland.ts';

const SIDES = ['host', 'guest'] as const;
const scratch = mkdtempSync(join(tmpdir(), 'tyr-exec-'));
let userland: Userland;
let machine: TestMachine;

before(async () => {
  userland = await ensureUserland();
  machine = testMachine();
});
after(() => {
  machine.close();
  rmSync(scratch, { recursive: true });
});

/** The lines of a scenario of exec.c, in which its own path is SELF and its folder FOLDER. */
async function scenario(side: 'host' | 'guest', name: string, environment = machine.server.environment) {
  const self = userland[side].clients.exec!;
  const folder = mkdtempSync(join(scratch, name));
  const start = programStart(userland, self, [name, folder], environment);
  if (!environment.TYR_MACHINE) delete start.env.LD_PRELOAD;
  const child = client([start.file, ...start.args], start.env);
  assert.equal(await child.ended, 0, child.lines.join('\n'));
  return child.lines.map((line) => line.replaceAll(self, 'SELF').replaceAll(folder, 'FOLDER'));
}

/** Runs a program on a whole machine; what it printed, and its exit code. */
async function whole(program: string, args: string[], options: Partial<LaunchOptions> = {}) {
  let stdout = '';
  let stderr = '';
  const collect = {
    stdout: (text: string) => {
      stdout += text;
    },
    stderr: (text: string) => {
      stderr += text;
    },
  };
  const result = await launch({ userland, program, args, log: silent, timeout: 120, ...collect, ...options });
  return { stdout, stderr, result };
}

const sh = (script: string, ...args: string[]) => whole('sh', ['-c', script, 'sh', ...args]);

for (const [name, what] of [
  ['family', 'starts programs by every function of the C library'],
  ['shell', 'starts shell commands by system and popen'],
  ['scripts', 'starts scripts by their interpreters'],
  ['refused', 'gets the errors of what cannot be executed'],
] as const) {
  for (const side of SIDES) {
    test(`a ${side} program ${what}, as without Tyr`, async () => {
      const reference = await scenario('host', name, {});
      const lines = await scenario(side, name);
      const withoutNode = (line: string) => line.replace(/ node=\d/, '');
      assert.deepEqual(lines.map(withoutNode), reference.map(withoutNode));
      if (side === 'guest') assert(!lines.some((line) => line.includes('node=0')), 'every child has the machine');
    });
  }
}

/** Runs exec.c as on an arm64 host, but with the folder of the host's own tools as the guest's root. */
async function withoutEmulator(args: string[], folders: string[] = []) {
  const root = resolve(userland.qemu!, '../../..');
  const { rooted, clients, architecture } = userland.host;
  const where = { root, qemu: undefined, architecture, folders };
  const world = ['', root, dirname(rooted), ...folders].join(':');
  const env = { ...machine.server.environment, LD_PRELOAD: rooted, TYR_GUEST: world };
  const start = guestStart(where, clients.exec!, args, env);
  const child = client([start.file, ...start.args], start.env);
  assert.equal(await child.ended, 0, child.lines.join('\n'));
  return child.lines;
}

test('a guest without an emulator starts programs by their loader, and they know themselves', async (t) => {
  if (!userland.qemu) return t.skip('all the others show it here');
  const lines = await withoutEmulator(['family']);
  const reference = await scenario('host', 'family', {});
  assert.deepEqual(
    lines,
    reference.map((line) => line.replace('SELF', userland.host.clients.exec!).replace('node=0', 'node=1')),
  );
});

test('a guest without an emulator loads libraries of its root by their paths, and of other folders by name', async (t) => {
  if (!userland.qemu) return t.skip('here the guest is one');
  const root = resolve(userland.qemu, '../../..');
  const own = '/usr/lib/x86_64-linux-gnu/libutil.so.1';
  const other = join(scratch, 'folder');
  mkdirSync(other);
  writeFileSync(join(other, 'libother-7.so'), readFileSync(join(root, own)));
  const names = [own, 'libother-7.so', '/usr/lib/no-such.so'];
  const loaded = [join(root, own), join(other, 'libother-7.so'), 'none'];
  assert.deepEqual(await withoutEmulator(['load', ...names], [other]), [...loaded, ...loaded]);
});

test('a guest without an emulator finds libraries where its programs and their libraries say that they are', async (t) => {
  if (!userland.qemu) return t.skip('here the guest is one');
  const tools = resolve(userland.qemu, '../../..');
  const { architecture } = userland.host;
  const root = join(scratch, 'tree');
  const common = join(root, 'usr/lib', architecture.triplet);
  for (const folder of ['usr/bin', 'usr/lib/apart/deep']) mkdirSync(join(root, folder), { recursive: true });
  symlinkSync(join(tools, 'usr/lib', architecture.triplet), common);
  symlinkSync('/bin/sh', join(root, 'usr/bin/sh'));
  const compiler = hostCompiler(architecture, tools);
  const build = async (kind: 'library' | 'program', path: string, text: string, flags: string[]) => {
    const source = join(scratch, 'part.c');
    writeFileSync(source, text);
    await compiler.build(kind, [source], join(root, path), flags);
    return join(root, path);
  };
  const named = (folder: string) => [`-Wl,-rpath=${folder}`];
  const deep = await build('library', 'usr/lib/apart/deep/libdeep.so', 'int deep(void) { return 41; }', []);
  const apart = await build(
    'library',
    'usr/lib/apart/libapart.so',
    'int deep(void); int apart(void) { return deep() + 1; }',
    [deep, ...named('/usr/lib/apart/deep/:/usr/lib/none')],
  );
  const text = '#include <stdio.h>\nint apart(void); int main(void) { printf("%d\\n", apart()); return 0; }';
  const flags = [`-L${dirname(deep)}`, apart, ...named('/usr/lib/apart'), '-Wl,--enable-new-dtags'];
  const program = await build('program', 'usr/bin/apart', text, flags);
  const native = { root };
  assert.equal((await whole(program, [], { native })).stdout, '42\n');
  // And so does one that another program starts.
  assert.equal((await whole(join(root, 'usr/bin/sh'), ['-c', 'apart; true'], { native })).stdout, '42\n');
});

for (const side of SIDES) {
  test(`${side}: a wrapper that sets LD_LIBRARY_PATH loses neither the machine nor its own choice`, async () => {
    const self = userland[side].clients.exec!;
    const wrapper = 'export LD_LIBRARY_PATH=/nowhere; exec sh -c "echo \\$LD_LIBRARY_PATH; exec "$0" show"';
    const { stdout } = await whole(side === 'host' ? '/bin/sh' : 'sh', ['-c', wrapper, self]);
    assert.deepEqual(stdout.trim().split('\n'), ['/nowhere', `${self} exe=exec given=none node=1`]);
  });
}

test('guest: a child has the machine even when the whole environment is gone', async () => {
  assert.deepEqual(await scenario('guest', 'cleared'), ['cleared exe=exec given=none node=1']);
});

for (const side of SIDES) {
  test(`${side}: DRM files go to an executed program by inheritance and by SCM_RIGHTS, and come back; no other is open there`, async () => {
    assert.deepEqual(await scenario(side, 'pass'), [
      'open 40 41',
      'inherited panthor',
      'received panthor',
      'back rockchip',
    ]);
  });

  test(`${side}: dozens of children at once, forked and spawned by threads, each run jobs`, async () => {
    const { exec, 'mov-job': job } = userland[side].clients;
    const { stdout, result } = await whole(exec!, ['many', job!]);
    const lines = stdout.trim().split('\n');
    assert.deepEqual(
      lines.filter((line) => !line.startsWith('mov-job: 0xcafe')),
      ['forked 32', 'spawned 24'],
    );
    assert.equal(lines.length, 2 + 32 + 24);
    assert.equal(result.jobs, 32 * 3 + 24);
  });

  test(`${side}: a shell opens a node as descriptor 9, and the program that it starts submits a job on that`, async () => {
    const shell = side === 'host' ? '/bin/sh' : 'sh';
    const job = userland[side].clients['mov-job']!;
    const { stdout } = await whole(shell, ['-c', 'exec 9<>/dev/dri/renderD128; "$1" 9; echo end', 'sh', job]);
    assert.equal(stdout, 'mov-job: 0xcafe0000\nend\n');
  });
}

test('guest: a shell’s pipes, subshells and exit codes are those of the guest’s programs', async () => {
  const { stdout, result } = await sh(
    [
      'kmscube -h 2>&1 | grep -c "^Usage: kmscube"',
      'uname -m',
      'env -i /usr/bin/env | sed "s/=.*//" | sort | tr "\\n" " "; echo',
      'seq 20 | xargs -P 4 -n 1 echo | sort -n | tail -n 1',
      'find /dev/dri -name "card*" -exec basename {} ";" | sort | tr "\\n" " "; echo',
      'bash -c "read line < <(echo from bash); echo \\$line; exec sh -c \\"exec echo nested\\""',
      'readlink -f /proc/self/exe /bin/sh',
      'no-such-program 2>/dev/null || echo $?',
      'exit 3',
    ].join('\n'),
  );
  assert.deepEqual(stdout.trim().split('\n'), [
    '1',
    'aarch64',
    'LD_PRELOAD TYR_GUEST TYR_MACHINE ',
    '20',
    'card0 card1 ',
    'from bash',
    'nested',
    '/usr/bin/readlink',
    '/usr/bin/dash',
    '127',
  ]);
  assert.equal(result.exitCode, 3);
});

test('guest: files of its root are there for every call that asks for them', async () => {
  const file = '/usr/share/glmark2/models/horse.3ds';
  const script = [
    'cd "$(dirname "$1")" && /bin/pwd && test -r horse.3ds && echo readable', // chdir, getcwd
    'stat -c %n "$1"', // statx
    'test -r "$1" && echo access', // faccessat
    'ls "$1"', // statx, and extended attributes
    'echo "$(dirname "$1")"/horse*', // opendir
    'readlink -f "$1"',
    'cd / && /bin/pwd && echo /proc/[s]elf',
  ];
  const { stdout } = await sh(script.join('\n'), file);
  assert.deepEqual(stdout.trim().split('\n'), [
    dirname(file),
    'readable',
    file,
    'access',
    file,
    file,
    file,
    '/',
    '/proc/self',
  ]);
});

test('guest: a path of its root has a real path with a slash or dots at its end too', async () => {
  const models = '/usr/share/glmark2/models';
  const paths = [models, `${models}/`, `${models}/.`, `${models}/../models//`, `${models}/none/`];
  const { stdout } = await whole(userland.guest.clients.exec!, ['real', ...paths]);
  assert.deepEqual(stdout.trim().split('\n'), [models, models, models, models, 'ENOENT']);
});

test('guest: programs of the host run as they are, unless the guest has them; the host’s /usr is not the guest’s', async () => {
  const tools = join(scratch, 'tools');
  mkdirSync(tools);
  const script = join(tools, 'script');
  const self = userland.host.clients.exec!;
  writeFileSync(script, `#!${self} show\n`, { mode: 0o755 });
  const { stdout } = await sh('"$1" show x; "$2"; /usr/bin/apt-get 2>/dev/null || echo $?', self, script);
  const node = userland.qemu ? 0 : 1;
  assert.deepEqual(stdout.trim().split('\n'), [
    `${self} x exe=exec given=none node=${node}`,
    `${self} ${script} exe=exec given=none node=${node}`,
    '127',
  ]);
});

test('guest: a script is started as a program is', async () => {
  const script = join(scratch, 'a=script');
  writeFileSync(script, '#!/bin/bash -e\necho "$0 $1 $BASH_VERSION"; exit 5\n', { mode: 0o755 });
  const { stdout, result } = await whole(script, ['one two']);
  assert.match(stdout, /\/a=script one two 5\./);
  assert.equal(result.exitCode, 5);
});

test('guest: GStreamer, in kmscube’s first run, starts its plug-in scanner', async () => {
  const home = join(scratch, 'home');
  mkdirSync(home);
  const { stderr } = await whole('kmscube', ['-c', '1'], { env: { HOME: home }, refresh: 'unlimited' });
  assert.doesNotMatch(stderr, /plugin/i);
  assert(existsSync(join(home, '.cache/gstreamer-1.0')), readdirSync(home).join());
});
