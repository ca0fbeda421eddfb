import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tyr-main-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function tyr(args: string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

test('--help names every command, and each command has its own help', () => {
  const { status, stdout } = tyr(['--help']);
  assert.equal(status, 0);
  for (const command of [
    'run',
    'screen',
    'input',
    'setup',
    'doctor',
    'test',
    'bench',
    'fuzz',
    'conformance',
    'disasm',
    'asm',
    'decode',
  ]) {
    assert.match(stdout, new RegExp(`^  ${command} `, 'm'));
    assert.match(tyr([command, '--help']).stdout, new RegExp(`^Usage: tyr ${command} `));
  }
});

test('options that make no sense are refused with a sentence, before anything is set up', () => {
  const script = join(folder, 'script.txt');
  writeFileSync(script, '1 key a\n+1 key nokey\n');
  const cases: [string[], RegExp][] = [
    [['run'], /missing required argument 'program'/],
    [['run', '--frames', '0', 'x'], /--frames.*'0' is invalid.*above 0/],
    [['run', '--frames', '1.5', 'x'], /whole number/],
    [['run', '--timeout', 'soon', 'x'], /--timeout.*a number above 0/],
    [['run', '--mode', '1280', 'x'], /has to read like 1280x720@60/],
    [['run', '--refresh', 'fast', 'x'], /Allowed choices are mode, unlimited/],
    [['run', '--engine', 'jit', 'x'], /Allowed choices are wasm, interpreter/],
    [['run', '--gpu', 'g720', 'x'], /--gpu.*'g720' is invalid. Allowed choices are g310, g510, g610, g710/],
    [['vm', '--gpu', 'G610'], /Allowed choices are g310, g510, g610, g710/],
    [['run', '--workers', '-1', 'x'], /--workers.*there can be 0 to 31/],
    [['fuzz', 'drivers'], /Allowed choices are shaders, pixels/],
    [['fuzz', 'shaders', '--seed', '-1'], /a whole number below 2\^32/],
    [['run', '--guest', 'gnom', 'x'], /there is no guest gnom; there are weston/],
    [['run', '--packages', 'foo,--yes', 'x'], /"--yes" is no name of a Debian package/],
    [['run', '--llvmpipe', '--native', 'x'], /'--llvmpipe' cannot be used with option '--native'/],
    [['run', '--native', 'x'], /there is no Mesa .* `tyr mesa build` makes one/],
    [['run', '--mesa', '/no/such/folder', 'x'], /there is no folder \/no\/such\/folder/],
    [['setup', '--remove', 'gnome'], /there is no gnome in .*; tyr setup --list says what is/],
    [['run', '--root', 'lookup', 'gnome'], /gnome needs a root of its own: --root lookup/],
    [['run', '--env', 'NOVALUE', 'x'], /has to read like NAME=value/],
    [['run', '--no-such-option', 'x'], /unknown option '--no-such-option'/],
    [['conformance', 'nothing'], /there is no suite nothing; there are piglit/],
    [['conformance', 'piglit', '--shard', '3/2'], /has to read like 2\/5/],
    [['conformance', 'piglit', '--filter', '('], /--filter/],
    [['conformance', 'merge'], /merge takes the folders/],
    [['run', '--input', join(folder, 'nowhere'), 'x'], /the input script cannot be read: .*ENOENT/],
    [['run', '--input', script, 'x'], /script.txt, line 2: there is no key nokey/],
    [['input'], /missing required argument 'command'/],
    [['input', 'key', 'nokey'], /there is no key nokey/],
    [['input', '--machine', '1', 'moveby', '-5', '0'], /no machine runs in process 1/],
    [['walk'], /unknown command 'walk'/],
  ];
  for (const [args, message] of cases) {
    const { status, stdout, stderr } = tyr(args, { XDG_CACHE_HOME: join(folder, 'untouched') });
    assert.equal(status, 1, args.join(' '));
    assert.match(stderr, message);
    assert.equal(stdout, '');
  }
});

test('compiled code is kept in the cache folder, and where that is impossible a sentence says so', () => {
  const fuzz = ['fuzz', 'shaders', '--seconds', '0.1'];
  const cache = join(folder, 'kept');
  const first = tyr(fuzz, { XDG_CACHE_HOME: cache });
  assert.equal(first.stderr.includes('compiled code'), false, first.stderr);
  const [version] = readdirSync(join(cache, 'tyr', 'code'));
  assert.ok(readdirSync(join(cache, 'tyr', 'code', version!)).length > 100);
  const file = join(folder, 'file');
  writeFileSync(file, '');
  const other = tyr(fuzz, { XDG_CACHE_HOME: file });
  assert.equal(other.status, 0);
  assert.match(other.stderr, /^tyr: compiled code cannot be kept in .*file.tyr.code: /m);
});

test('fuzz shaders says what ran and was met, how many shaders, by which seeds, and how fast', () => {
  const { status, stdout } = tyr(['fuzz', 'shaders', '--seconds', '0.5', '--seed', '5']);
  const [runs, met, count, ...rest] = stdout.split('\n');
  assert.match(runs!, /^runs: .*fragment warps [1-9]\d* \(\d+ faulted\)/);
  assert.match(met!, /^instructions met: [1-9]\d*; never met: \w/);
  assert.match(
    count!,
    /^[1-9]\d* shaders, [1-9]\d* runs on both engines, in \d.*s \([1-9]\d* shaders a second\), seeds 5 to \d+, no finding$/,
  );
  assert.deepEqual(rest, ['']);
  assert.equal(status, 0);
});

test('fuzz shaders tries as many as it is told to, on as many threads', () => {
  const { status, stdout } = tyr(['fuzz', 'shaders', '--count', '25', '--seed', '7', '--jobs', '2']);
  assert.match(stdout, /^25 shaders, 75 runs on both engines, in .* seeds 7 to 31, no finding$/m);
  assert.equal(status, 0);
});

test('fuzz pixels says how many pictures it has drawn', () => {
  const { status, stdout } = tyr(['fuzz', 'pixels', '--count', '10', '--seed', '3']);
  assert.match(stdout, /^runs: pictures of 1 sample \d+ \(\d+ faulted\), pictures of 4 samples \d+/);
  assert.match(stdout, /^10 pictures, 10 runs on both engines, in .* seeds 3 to 12, no finding$/m);
  assert.equal(status, 0);
});

test('setup without network: one sentence, exit code 1', () => {
  const { status, stdout, stderr } = tyr(['setup'], {
    XDG_CACHE_HOME: join(folder, 'offline'),
    TYR_DEBIAN_MIRROR: 'http://127.0.0.1:9/debian',
    TYR_DEBIAN_KEYRING: '/dev/null',
  });
  assert.equal(status, 1);
  assert.equal(stdout, '');
  const sentences = stderr.split('\n').filter((line) => line.startsWith('tyr: packages'));
  assert.equal(sentences.length, 1);
  assert.match(
    sentences[0]!,
    /cannot be fetched from http:\/\/127\.0\.0\.1:9\/debian.*connect this machine to the network/,
  );
  assert.doesNotMatch(stderr, /^ +at /m);
});

test('setup without apt: one sentence that names it', () => {
  const { status, stderr } = tyr(['setup'], { XDG_CACHE_HOME: join(folder, 'bare'), PATH: '/nonexistent' });
  assert.equal(status, 1);
  assert.match(stderr, /tyr: the program apt-get is missing; it comes with the package apt/);
});

test('setup in a folder that cannot be written: one sentence', () => {
  const { status, stderr } = tyr(['setup'], { XDG_CACHE_HOME: '/dev/null' });
  assert.equal(status, 1);
  assert.match(stderr, /tyr: \/dev\/null\/tyr cannot be written; name a folder of your own in XDG_CACHE_HOME/);
});
