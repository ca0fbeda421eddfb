/**
 * Session services without a desktop: what a program finds in its session, and how the session ends. Fetches GNOME's guest where it is
 * missing (about 280 MB).
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { recorder } from '../board/log.ts';
import { launch } from './launch.ts';
import { guestRoot } from './userland/guest-root.ts';
import { commandOf } from './userland/guests.ts';
import { namespacesRefused } from './userland/namespaces.ts';
import { inSession } from './userland/session.ts';
import { ensureUserland, GUEST, hostArchitecture } from './userland/userland.ts';

const skip = await namespacesRefused(hostArchitecture() === GUEST);
const home = mkdtempSync(join(tmpdir(), 'tyr-session-'));
after(() => rmSync(home, { recursive: true }));

/** Runs a script of the guest's shell in a session of its own. */
async function session(script: string) {
  const { guest } = commandOf('gnome', []);
  const userland = await ensureUserland({ guest });
  const root = await guestRoot({ root: 'namespaces', home });
  const [program, ...args] = inSession({ desktop: 'TEST' }, 'sh', '-c', script) as [string, ...string[]];
  let stdout = '';
  const { log, lines } = recorder();
  try {
    const { exitCode, leaks } = await launch({
      ...{ userland, program, args, log, workers: 0, timeout: 600, home: root.home, namespaces: root.namespaces },
      stdout: (text) => {
        stdout += text;
      },
      stderr: (text) => lines.push(text),
    });
    assert.deepEqual(leaks, {});
    return { exitCode, stdout, said: () => `${stdout}\n${lines.join('\n')}` };
  } finally {
    root.release();
  }
}

const call = (name: string, path: string, method: string, ...args: string[]): string =>
  `gdbus call --system --dest ${name} --object-path ${path} --method ${method} ${args.join(' ')}`;
const LOGIN = ['org.freedesktop.login1', '/org/freedesktop/login1'] as const;

test('a program finds its session, its buses and their services, and its exit code is the session’s', {
  skip,
}, async () => {
  const { exitCode, stdout, said } = await session(`
    echo $XDG_SESSION_ID $XDG_SEAT $XDG_CURRENT_DESKTOP $XDG_RUNTIME_DIR
    stat -c %a $XDG_RUNTIME_DIR
    gdbus call --session --dest org.freedesktop.DBus --object-path / --method org.freedesktop.DBus.GetId > /dev/null && echo bus
    ${call(...LOGIN, 'org.freedesktop.login1.Manager.GetSession', '$XDG_SESSION_ID')}
    ${call('org.freedesktop.PolicyKit1', '/org/freedesktop/PolicyKit1/Authority', 'org.freedesktop.PolicyKit1.Authority.EnumerateActions', 'en')} | grep -o org.freedesktop.login1.reboot | head -n 1
    ${call('org.freedesktop.Accounts', '/org/freedesktop/Accounts', 'org.freedesktop.Accounts.FindUserById', "'int64 0'")}
    ${call('org.freedesktop.UPower', '/org/freedesktop/UPower', 'org.freedesktop.UPower.GetCriticalAction')}
    ${call('org.freedesktop.systemd1', '/org/freedesktop/systemd1', 'org.freedesktop.systemd1.Manager.StartUnit', 'nosuch.service', 'replace')} 2>&1 | grep -o NoSuchUnit
    exit 7`);
  assert.equal(exitCode, 7, said());
  const [where, mode, bus, id, reboot, user, power, refused] = stdout.split('\n');
  assert.deepEqual([where, mode, bus], ['c1 seat0 TEST /run/user/0', '700', 'bus'], said());
  assert.match(id!, /objectpath '\/org\/freedesktop\/login1\/session\/c1'/);
  assert.equal(reboot, 'org.freedesktop.login1.reboot');
  assert.match(user!, /objectpath '\/org\/freedesktop\/Accounts\/User0'/);
  assert.match(power!, /^\('\w+',\)$/);
  assert.equal(refused, 'NoSuchUnit');
});

test('a session ends when it is told to, or its machine is switched off', { skip }, async () => {
  for (const [method, ...args] of [
    ['TerminateSession', '$XDG_SESSION_ID'],
    ['PowerOff', 'false'],
  ]) {
    const { exitCode, said } = await session(
      `${call(...LOGIN, `org.freedesktop.login1.Manager.${method}`, ...args)}; exec sleep 500`,
    );
    assert.equal(exitCode, 128 + 15, said());
  }
});
