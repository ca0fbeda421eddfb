/**
 * Guest tests: a root of the guest's own, by namespaces, and what becomes of it where the host denies them. These run where
 * the host allows them; elsewhere only the refusal is looked at.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { silent } from '../board/log.ts';
import { until } from '../testing/host/until.ts';
import { type LaunchOptions, launch } from './launch.ts';
import { command } from './userland/command.ts';
import { guestRoot } from './userland/guest-root.ts';
import { type Namespaces, namespacesRefused } from './userland/namespaces.ts';
import { ensureUserland, GUEST, hostArchitecture, type Userland } from './userland/userland.ts';

const refused = await namespacesRefused(hostArchitecture() === GUEST);
const skip = refused;
const folder = mkdtempSync(join(tmpdir(), 'tyr-root-'));
let userland: Userland;
let namespaces: Namespaces | undefined;

before(async () => {
  userland = await ensureUserland();
  if (!refused) namespaces = (await guestRoot({})).namespaces;
});
after(() => rmSync(folder, { recursive: true }));

/** Runs a script of the guest's shell; its exit code and what it prints. */
async function shell(script: string, options: Partial<LaunchOptions> = {}) {
  let text = '';
  const stdout = (more: string): void => {
    text += more;
  };
  const args = ['-c', script];
  const all = {
    userland,
    program: 'bash',
    args,
    log: silent,
    stdout,
    stderr: stdout,
    namespaces,
    cwd: folder,
    workers: 0,
  };
  const { exitCode, leaks, ...rest } = await launch({ ...all, ...options });
  assert.deepEqual(leaks, {});
  return { exitCode, lines: text.trim().split('\n'), ...rest };
}

test('a guest with a root of its own sees its packages, the machine’s devices, itself, and of the host what is shown', {
  skip,
}, async () => {
  writeFileSync(join(folder, 'mine'), 'read me');
  const script = `
    cat mine; echo
    for each in /usr/bin/kmscube /dev/dri/card0 /sys/class/drm/card0/device /sys/devices/system /run/udev/data "$HOME" "$XDG_RUNTIME_DIR"; do
      [ -e $each ] || echo no $each; done
    ls -d /boot /srv /home/* 2>/dev/null
    [ -e "$TYR_MACHINE/control" ] && echo control
    for each in /proc/[0-9]*; do read name < $each/comm; echo $name; done | sort -u | tr '\\n' ' '
    echo; readlink /proc/self/exe /bin`;
  const { exitCode, lines } = await shell(script);
  assert.equal(exitCode, 0);
  assert.equal(lines[0], 'read me');
  assert.match(lines[1]!, /^bash [a-z0-9-]+ sort tr|^bash /);
  assert.deepEqual(lines.slice(2), ['/usr/bin/readlink', 'usr/bin']);
});

test('libraries are indexed, letters beyond ASCII are letters, and the machine has a number, in either root', async () => {
  const script = `
    ldconfig -p | grep -c 'libEGL.so.1 .*=> /'
    printf 'é' | wc -m; ls -d ‹ 2>&1 | grep -c ‹
    cat /etc/machine-id`;
  for (const each of refused ? [undefined] : [namespaces, undefined]) {
    const { lines } = await shell(script, { namespaces: each });
    assert.deepEqual(lines.slice(0, 3), ['1', '1', '1']);
    assert.match(lines[3]!, /^[0-9a-f]{32}$/);
    assert.equal(`${lines[3]}\n`, readFileSync(join(userland.root, 'etc/machine-id'), 'utf8'));
  }
});

test('it writes what it likes in its root, which is forgotten, and nothing of the host’s', { skip }, async () => {
  const packages = readdirSync(join(userland.root, 'usr'));
  const shared = join(folder, 'shared');
  const script = `
    echo x > /usr/written && rm /usr/bin/kmscube && cat /usr/written
    echo x > mine || echo cwd
    echo x > ${userland.guest.library} || echo shim
    cat /proc/sys/kernel/core_pattern > /proc/sys/kernel/core_pattern || echo sysctl
    umount /proc/sys 2> /dev/null || echo umount
    echo x > ${shared}/from-guest`;
  await command('mkdir', ['-p', shared]);
  const shares = [shared];
  const { exitCode, lines } = await shell(script, { namespaces: { ...namespaces!, shares } });
  assert.equal(exitCode, 0);
  assert.deepEqual(
    lines.filter((line) => !line.includes('Read-only file system')),
    ['x', 'cwd', 'shim', 'sysctl', 'umount'],
  );
  assert.equal(readFileSync(join(shared, 'from-guest'), 'utf8'), 'x\n');
  // A folder within a shared one is shared, although it is where the guest is started.
  const inner = join(shared, 'inner');
  mkdirSync(inner);
  const there = await shell('pwd; echo y > here', { namespaces: { ...namespaces!, shares }, cwd: inner });
  assert.deepEqual([there.exitCode, there.lines], [0, [inner]]);
  assert.equal(readFileSync(join(inner, 'here'), 'utf8'), 'y\n');
  assert.deepEqual(readdirSync(join(userland.root, 'usr')), packages);
  assert.ok(existsSync(join(userland.root, 'usr/bin/kmscube')));
  assert.equal((await shell('[ -e /usr/written ]')).exitCode, 1);
});

test('what it writes is kept in a home that is given', { skip }, async () => {
  const home = join(folder, 'home');
  const run = async (script: string) => {
    const root = await guestRoot({ home });
    try {
      return await shell(script, { home: root.home, namespaces: root.namespaces });
    } finally {
      root.release();
    }
  };
  assert.equal((await run('echo a > /etc/kept; echo b > ~/file; rm /usr/bin/kmscube')).exitCode, 0);
  assert.equal(readFileSync(join(home, 'file'), 'utf8'), 'b\n');
  assert.deepEqual((await run('cat /etc/kept ~/file; [ -e /usr/bin/kmscube ] || echo gone')).lines, ['a', 'b', 'gone']);
});

test('a link that a guest has left in its home leads out of its root at the next start no more than then', {
  skip,
}, async () => {
  const home = join(folder, 'home-of-links');
  const victim = join(folder, 'victim');
  mkdirSync(join(home, '.tyr/layer/etc'), { recursive: true });
  for (const name of ['localtime', 'resolv.conf']) symlinkSync(victim, join(home, '.tyr/layer/etc', name));
  symlinkSync(folder, join(home, '.tyr/layer/root'));
  const root = await guestRoot({ home });
  // Nor does it see its layer, to put a link in its place.
  const { lines } = await shell('ls -A ~/.tyr; rmdir ~/.tyr 2> /dev/null || echo there', {
    ...{ home: root.home, namespaces: root.namespaces },
  });
  assert.deepEqual(lines, ['there']);
  assert.ok(!existsSync(victim));
  root.release();
  rmSync(join(home, '.tyr/layer'), { recursive: true });
  symlinkSync(folder, join(home, '.tyr/layer'));
  await assert.rejects(guestRoot({ home }), /layer is a link/);
});

test('it has users of its own, whom nobody of the host is, and set-user-ID programs are theirs', {
  skip,
}, async (t) => {
  const { users } = namespaces!;
  if (users.refused !== undefined) return t.skip(users.refused);
  const home = join(folder, 'home-of-several');
  const root = await guestRoot({ home });
  t.after(root.release);
  const script = `
    for each in /usr/bin/lent ~/lent; do
      cp /usr/bin/id $each && chown 7:8 $each && chmod 6755 $each && $each -u && $each -g; done
    cat /proc/self/uid_map | wc -l`;
  const { exitCode, lines } = await shell(script, { home: root.home, namespaces: root.namespaces });
  // In a folder of the host's nobody's rights are lent.
  assert.deepEqual([exitCode, ...lines], [0, '7', '8', '0', '0', '2']);
  const { uid, gid } = statSync(join(home, 'lent'));
  assert.ok(uid > 0xffff && gid > 0xffff, `${uid}:${gid} may be somebody’s of this host`);
});

test('its other users may draw, and have no display; a library that is preloaded for all is so for theirs', {
  skip,
}, async (t) => {
  if (namespaces!.users.refused !== undefined) return t.skip(namespaces!.users.refused);
  const { lines } = await shell(`
    echo $LD_PRELOAD > /etc/ld.so.preload
    cp /usr/bin/dd /usr/bin/other && chown 7:8 /usr/bin/other && chmod 6755 /usr/bin/other
    for each in renderD128 card0 card1; do other if=/dev/dri/$each count=0 2> /dev/null && echo $each; done`);
  assert.deepEqual(lines, ['renderD128']);
});

test('where no other numbers can be had, its root is its only user', { skip }, async () => {
  const one = { ...namespaces!, users: { words: [], refused: 'for this test' } };
  const { exitCode, lines } = await shell('id -u; chown 7:8 /tmp 2> /dev/null || echo one', { namespaces: one });
  assert.deepEqual([exitCode, ...lines], [0, '0', 'one']);
});

test('kmscube draws in it, programs start others by the kernel, and exit codes and signals are the program’s', {
  skip,
}, async () => {
  const { exitCode, frames, faults } = await launch({
    ...{
      userland,
      namespaces,
      log: silent,
      program: 'kmscube',
      frames: 2,
      stdout: () => {},
      refresh: 'unlimited',
      workers: 0,
    },
  });
  assert.deepEqual([exitCode, frames >= 2, faults], [0, true, 0]);
  assert.equal((await shell('exit 7')).exitCode, 7);
  assert.equal((await shell('kill -KILL $$')).exitCode, 128 + 9);
  const script =
    '/bin/sh -c "exit 3"; echo $?; env -i /usr/bin/uname -m; printf "#!/usr/bin/env bash\\necho script" > /tmp/s; chmod +x /tmp/s; /tmp/s';
  assert.deepEqual((await shell(script)).lines, ['3', 'aarch64', 'script']);
  const polite = await shell('trap "echo asked; exit 5" TERM; while :; do sleep 0.1; done', { timeout: 3 });
  assert.deepEqual([polite.ended, polite.lines.at(-1)], ['timeout', 'asked']);
});

test('a guest that has the host’s root writes to its home, to scratch folders and to shared ones alone', async (t) => {
  const shared = join(folder, 'shared-by-look-up');
  mkdirSync(shared);
  // What lies in /tmp is everybody's, so the host's file is another one.
  const mine = join(homedir(), `tyr-test-${process.pid}`);
  writeFileSync(mine, 'mine');
  t.after(() => rmSync(mine));
  const root = await guestRoot({ root: 'lookup', share: [shared] });
  if (!root.writeGuard) return t.skip(root.how);
  const script = `
    echo x > ${mine} || echo mine
    rm ${mine} || echo remove
    echo x > /usr/lib/written || echo usr
    echo x > ~/written && mkdir -p ~/folder && mv ~/written ~/folder/ && cat ~/folder/written && rm -r ~/folder
    echo x > ${shared}/from-guest; echo x > /dev/null
    bash -c 'echo x > ${mine}' || echo child; cat ${mine}`;
  const home = join(folder, 'home-by-look-up');
  const { lines } = await shell(script, { namespaces: undefined, writeGuard: root.writeGuard, home });
  const kept = lines.filter((line) => !/Permission denied/.test(line));
  assert.deepEqual(kept, ['mine', 'remove', 'usr', 'x', 'child', 'mine']);
  assert.equal(readFileSync(join(shared, 'from-guest'), 'utf8'), 'x\n');
  const { exitCode, frames, faults } = await launch({
    ...{
      userland,
      writeGuard: root.writeGuard,
      log: silent,
      program: 'kmscube',
      frames: 2,
      stdout: () => {},
      workers: 0,
    },
  });
  assert.deepEqual([exitCode, frames >= 2, faults], [0, true, 0]);
});

test('programs of packages of the host’s own architecture have a root of their own, too', { skip }, async (t) => {
  if (userland.host === userland.guest) return t.skip('here the guest is one');
  const { architecture, library, clients } = userland.host;
  const { tools } = namespaces!;
  const root = join(folder, 'native');
  for (const path of ['usr/bin', 'usr/lib', 'usr/lib64']) mkdirSync(join(root, path), { recursive: true });
  symlinkSync('usr/bin', join(root, 'bin'));
  symlinkSync('usr/lib', join(root, 'lib'));
  await command('cp', ['-r', join(tools.folder, tools.libraries), join(root, 'usr/lib')]);
  await command('cp', [join(tools.folder, tools.loader), join(root, 'usr/lib64')]);
  await command('cp', ['/usr/bin/env', join(root, 'usr/bin/env')]);
  await command('cp', [join(tools.folder, 'usr/bin/busybox'), join(root, 'usr/bin/sh')]);
  const script = `pwd; ls -d /home /srv 2> /dev/null; uname -m; echo x > /etc/written && cat /etc/written; ${clients.exec} show`;
  const { exitCode, lines } = await shell(script, {
    ...{ native: { root }, program: join(root, 'usr/bin/sh'), cwd: folder },
  });
  assert.deepEqual(
    [exitCode, ...lines.slice(0, 3)],
    [0, folder, architecture.debian === 'amd64' ? 'x86_64' : 'aarch64', 'x'],
  );
  assert.match(lines[3]!, /node=1$/, library);
  assert.ok(!existsSync(join(root, 'etc')));
});

const MAIN = fileURLToPath(new URL('../cli/main.ts', import.meta.url));

/** Processes with this word in their command line. */
const processes = (word: string): string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').includes(word);
    } catch {
      return false;
    }
  });

for (const root of ['namespaces', 'lookup']) {
  const no = root === 'namespaces' ? skip : undefined;
  test(`by ${root}: nothing of a run is left when tyr itself is killed`, { skip: no }, async (t) => {
    const seconds = `${4e6 + process.pid * 2 + (root === 'lookup' ? 1 : 0)}`;
    const script = `sleep ${seconds} & set -m; sleep ${seconds} & echo "$TYR_MACHINE"; wait`;
    const args = ['--disable-warning=ExperimentalWarning', MAIN, 'run', '--root', root, '--', 'bash', '-c', script];
    const tyr = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    t.after(() => tyr.kill());
    let text = '';
    tyr.stdout.setEncoding('utf8').on('data', (more) => {
      text += more;
    });
    const machine = () => /^\/.*\/tyr-\d+-\w{6}$/m.exec(text)?.[0];
    await until(
      () => machine() !== undefined && processes(seconds).length >= 2,
      () => `the guest does not start: ${text}`,
    );
    assert.ok(existsSync(machine()!));
    tyr.kill('SIGKILL');
    await until(
      () => processes(seconds).length === 0 && !existsSync(machine()!),
      () => `left: ${processes(seconds)} ${existsSync(machine()!) ? machine() : ''}`,
    );
  });
}

/** Runs a command where nobody can make a user namespace. */
const denied = (words: string[]) =>
  command('unshare', ['-Ur', 'sh', '-c', 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"', 'sh', ...words]);

test('where user namespaces are denied the guest’s files are looked up, and tyr says so', { skip }, async () => {
  const tyr = [process.execPath, '--disable-warning=ExperimentalWarning', MAIN];
  const way = await denied([...tyr, 'run', '--no-screen', '--', 'bash', '-c', 'echo "here: $TYR_GUEST"; exit 6']);
  assert.equal(way.code, 6, way.stderr);
  assert.match(
    way.stdout,
    /guest root: by look-up of paths: this host denies user namespaces \(unshare: .*\); (Landlock keeps it from writing|this host's files are open)/,
  );
  assert.match(way.stdout, /here: .*qemu-aarch64/);
  const wanted = await denied([...tyr, 'run', '--root', 'namespaces', '--', 'true']);
  assert.equal(wanted.code, 1);
  assert.match(wanted.stderr, /tyr: the guest cannot have a root of its own: this host denies user namespaces/);
  assert.match((await denied([...tyr, 'doctor'])).stdout, /note +guest root +by look-up of paths: this host denies/);
});

test('folders that cannot be shared are refused', async () => {
  for (const [share, why] of [
    ['/usr/share', /the guest has a folder of its own there/],
    ['/', /the guest has a folder of its own there/],
    [join(folder, 'nosuch'), /there is no folder/],
  ] as const)
    await assert.rejects(guestRoot({ share: [share] }), why);
  symlinkSync('/usr/share', join(folder, 'link'));
  await assert.rejects(guestRoot({ share: [join(folder, 'link')] }), /\/usr\/share cannot be shared/);
  await assert.rejects(guestRoot({ home: '/usr' }), /cannot be a guest's home/);
});
