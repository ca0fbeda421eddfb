/** The launcher ./tyr, in a clone of its own with a node and an npm that only write down how they were called. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const LAUNCHER = fileURLToPath(new URL('../../tyr', import.meta.url));

let folder: string;
let clone: string;
let bin: string;
let calls: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tyr-launcher-'));
  clone = join(folder, 'a clone');
  bin = join(folder, 'bin');
  calls = join(folder, 'calls');
  mkdirSync(clone);
  mkdirSync(bin);
  cpSync(LAUNCHER, join(clone, 'tyr'));
  writeFileSync(join(clone, 'package-lock.json'), '{}');
  for (const name of ['readlink', 'dirname', 'find', 'flock', 'touch', 'mkdir', 'cp', 'sh']) {
    const found = ['/usr/bin', '/bin']
      .map((at) => join(at, name))
      .find((at) => spawnSync('test', ['-x', at]).status === 0);
    symlinkSync(found!, join(bin, name));
  }
  writeFileSync(calls, '');
});
afterEach(() => rmSync(folder, { recursive: true }));

function program(at: string, body: string): void {
  writeFileSync(at, `#!/bin/sh\n${body}\n`);
  chmodSync(at, 0o755);
}

/** A `node` that answers the launcher's question for its version and writes down what else it is asked to run. */
function fakeNode(at: string, fit: boolean): void {
  const name = at.endsWith('own-node') ? 'own' : 'system';
  program(at, `case "$1" in -e) exit ${fit ? 0 : 1};; esac\necho "${name} node $*" >>"${calls}"`);
}

/** An `npm` that installs: what every installation leaves, and the npm package node's own node. */
function fakeNpm(ownNode: boolean): void {
  const own = join(clone, 'node_modules/node/bin/node');
  if (ownNode) fakeNode(join(folder, 'own-node'), true);
  program(
    join(bin, 'npm'),
    [
      `echo "npm $* in $PWD" >>"${calls}"`,
      'mkdir -p node_modules/node/bin',
      'echo {} >node_modules/.package-lock.json',
      ownNode ? `cp "${join(folder, 'own-node')}" "${own}"` : '',
    ].join('\n'),
  );
}

function tyr(args: string[] = ['doctor']) {
  const { status, stderr } = spawnSync('/bin/sh', [join(clone, 'tyr'), ...args], {
    env: { PATH: bin },
    cwd: '/',
    encoding: 'utf8',
  });
  return { status, stderr, calls: readFileSync(calls, 'utf8').trim().split('\n') };
}

test('without Node, and without npm, it says how to get them', () => {
  assert.match(tyr().stderr, /^tyr: Node.js is missing; install it with: apt install nodejs npm\n$/);
  fakeNode(join(bin, 'node'), true);
  const { status, stderr } = tyr();
  assert.equal(status, 1);
  assert.match(stderr, /^tyr: npm is missing; install it with: apt install npm\n$/);
});

test('a fresh clone gets its packages in its own folder, then the command line starts with the arguments as they are', () => {
  fakeNode(join(bin, 'node'), true);
  fakeNpm(false);
  const { status, calls } = tyr(['run', '--', 'two words']);
  assert.equal(status, 0);
  assert.match(calls[0]!, /^npm install --no-save .* in .*\/a clone$/);
  assert.match(calls[1]!, /^system node .*\/a clone\/src\/cli\/main.ts run -- two words$/);
});

test('packages are installed again only when the lock file is newer', () => {
  fakeNode(join(bin, 'node'), true);
  fakeNpm(false);
  tyr();
  assert.equal(tyr().calls.filter((call) => call.startsWith('npm')).length, 1);
  const later = statSync(join(clone, 'node_modules/.package-lock.json')).mtimeMs / 1000 + 60;
  utimesSync(join(clone, 'package-lock.json'), later, later);
  assert.equal(tyr().calls.filter((call) => call.startsWith('npm')).length, 2);
});

test('where the system’s Node is too old, the npm package’s is used', () => {
  fakeNode(join(bin, 'node'), false);
  fakeNpm(true);
  assert.match(tyr().calls.at(-1)!, /^own node .*main.ts doctor$/);
});

test('a Node that npm did not bring is told in a sentence', () => {
  fakeNode(join(bin, 'node'), false);
  fakeNpm(false);
  const { status, stderr } = tyr();
  assert.equal(status, 1);
  assert.match(stderr, /no Node 24 or newer is here/);
});

test('a failed installation is told in a sentence and tried again the next time', () => {
  fakeNode(join(bin, 'node'), true);
  program(join(bin, 'npm'), `echo npm >>"${calls}"; exit 1`);
  assert.match(tyr().stderr, /the npm packages could not be installed/);
  assert.equal(tyr().calls.length, 2);
});

test('the lock file names no registry, so that npm takes the user’s own', () => {
  const lock = readFileSync(fileURLToPath(new URL('../../package-lock.json', import.meta.url)), 'utf8');
  const { packages } = JSON.parse(lock) as { packages: Record<string, { resolved?: string }> };
  assert.deepEqual(
    Object.entries(packages).filter(([, { resolved }]) => resolved !== undefined),
    [],
  );
});
