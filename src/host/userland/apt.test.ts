import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Apt, amountOf, aptProblem, keepLinksInside, networkSettings } from './apt.ts';
import { Problem } from './problem.ts';

test('the host’s way to the network carries over, its choice of indexes and its trust do not', () => {
  const dump = [
    'APT::Architecture "amd64";',
    'Acquire "";',
    'Acquire::http::Proxy "http://proxy.example:3128";',
    'Acquire::Check-Valid-Until "false";',
    'Acquire::Languages:: "none";',
    'Acquire::GzipIndexes "true";',
    'Acquire::IndexTargets::deb::DEP-11::MetaKey "x";',
    'Acquire::AllowInsecureRepositories "1";',
    'DPkg::Post-Invoke:: "rm -f x";',
  ].join('\n');
  assert.deepEqual(networkSettings(dump), [
    'Acquire::http::Proxy "http://proxy.example:3128";',
    'Acquire::Check-Valid-Until "false";',
  ]);
});

test('no network: one sentence with the reason and what to do', () => {
  const stderr =
    'W: Failed to fetch http://mirror.example/debian/dists/trixie/InRelease  Temporary failure resolving mirror.example\n' +
    'W: Some index files failed to download.\n';
  const { message } = aptProblem(stderr, 'http://mirror.example/debian trixie');
  assert.match(message, /cannot be fetched from http:\/\/mirror\.example\/debian trixie .*Temporary failure resolving/);
  assert.match(message, /connect this machine to the network.*TYR_DEBIAN_MIRROR.*goes on where it stopped/);
  assert.equal(message.includes('\n'), false);
});

test('a full disk and unknown keys are told apart from a missing network', () => {
  const disk = "E: You don't have enough free space in /x/archives/.";
  assert.match(aptProblem(disk, 'm').message, /disk is full.*free about 1 GB/);
  const keys =
    'W: GPG error: http://m trixie InRelease: The following signatures could not be verified: NO_PUBKEY 0E98';
  assert.match(aptProblem(keys, 'm').message, /archive keys of this host.*NO_PUBKEY 0E98.*debian-archive-keyring/);
});

test('how much will be fetched is read from what apt prints beforehand', () => {
  const text = [
    'Reading package lists...',
    '0 upgraded, 2 newly installed, 0 to remove and 0 not upgraded.',
    'Need to get 1,500 kB of archives.',
    'After this operation, 4,321 kB of additional disk space will be used.',
    "'http://mirror/pool/h/hello_2.10_arm64.deb' hello_2.10_arm64.deb 1000000 SHA256:00",
    "'http://mirror/pool/l/libx_1%3a2_arm64.deb' libx_1%3a2_arm64.deb 500000 SHA256:11",
  ].join('\n');
  assert.deepEqual(amountOf(text), { packages: 2, download: 1_500_000, disk: '4,321 kB' });
  assert.deepEqual(amountOf('Reading package lists...\n'), { packages: 0, download: 0, disk: undefined });
});

test('a package that the suite has not is named, and is no missing network', () => {
  const { message } = aptProblem('E: Unable to locate package no-such-thing\n', 'http://m trixie');
  assert.match(message, /^http:\/\/m trixie has not all of these packages .*no-such-thing/);
});

test('a mirror that cannot be reached is a Problem, soon', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tyr-apt-'));
  const mirror = { uri: 'http://127.0.0.1:9/debian', keyring: '/dev/null' };
  const apt = new Apt({ folder, architecture: 'arm64', mirror, suite: 'trixie', components: ['main'] });
  await assert.rejects(
    apt.download(['hello'], () => {}),
    (error) => {
      assert(error instanceof Problem);
      assert.match(error.message, /packages cannot be fetched from http:\/\/127\.0\.0\.1:9\/debian trixie/);
      return true;
    },
  );
  await rm(folder, { recursive: true });
});

test('absolute links between the guest’s files stay in the guest; those that leave it are left alone', async () => {
  const root = await mkdtemp(join(tmpdir(), 'tyr-links-'));
  await mkdir(join(root, 'etc'));
  await mkdir(join(root, 'usr/lib'), { recursive: true });
  await symlink('usr/lib', join(root, 'lib'));
  await writeFile(join(root, 'etc/file'), 'text');
  await symlink('/etc/file', join(root, 'usr/lib/link'));
  await symlink('/usr/lib/link', join(root, 'etc/second'));
  await symlink('/proc/self/mounts', join(root, 'etc/mtab'));
  await keepLinksInside(root);
  assert.equal(await readFile(join(root, 'lib/link'), 'utf8'), 'text');
  assert.equal(await readFile(join(root, 'etc/second'), 'utf8'), 'text');
  assert.equal(await readlink(join(root, 'etc/mtab')), '/proc/self/mounts');
  await rm(root, { recursive: true });
});
