import assert from 'node:assert/strict';
import { test } from 'node:test';
import { debianTarget, debootstrapMirror, osRelease } from './mirror.ts';

/** Lines as `apt-get indextargets --format TARGET_FORMAT` prints them. */
const fetched = [
  'Debian|Debian-Security|http://mirror.example/debian-security/|bookworm-security|main',
  'Debian Backports|Debian Backports|http://mirror.example/debian/|bookworm-backports|main',
  'Debian|Debian|http://mirror.example/debian/|bookworm|non-free-firmware',
  'Debian|Debian|http://mirror.example/debian/|bookworm|main',
].join('\n');

test('on Debian the mirror is that of the host’s own sources, not the security archive', () => {
  assert.equal(debianTarget(fetched, 'bookworm'), 'http://mirror.example/debian');
});

test('before the first apt update the mirror is that of the host’s own release', () => {
  const unread = [
    '||http://security.example/debian-security/|trixie-security|main',
    '$(ORIGIN)|$(LABEL)|http://other.example/repo/|stable|main',
    '||http://mirror.example/debian|trixie|main',
  ].join('\n');
  assert.equal(debianTarget(unread, 'trixie'), 'http://mirror.example/debian');
});

test('Ubuntu’s own archive is not taken for Debian’s', () => {
  const ubuntu = 'Ubuntu|Ubuntu|http://archive.example/ubuntu/|noble|main\n||http://archive.example/ubuntu/|noble|main';
  assert.equal(debianTarget(ubuntu, undefined), undefined);
  assert.equal(debianTarget('', undefined), undefined);
});

test('debootstrap’s default mirror is read from its script', () => {
  const script =
    'mirror_style release\nDEF_MIRROR="http://packages.example/debian"\nDEF_HTTPS="https://other.example/debian"';
  assert.equal(debootstrapMirror(script), 'http://packages.example/debian');
  assert.equal(debootstrapMirror('default_mirror http://packages.example/debian/\n'), 'http://packages.example/debian');
  assert.equal(debootstrapMirror('default_mirror http://archive.example/ubuntu'), undefined);
  assert.equal(debootstrapMirror('# see https://wiki.example/debian-policy'), undefined);
});

test('os-release is read with and without quotes', () => {
  assert.deepEqual(osRelease('NAME="Ubuntu"\nID=ubuntu\nVERSION_CODENAME=noble\n'), {
    id: 'ubuntu',
    codename: 'noble',
  });
  assert.deepEqual(osRelease('ID="debian"\n'), { id: 'debian', codename: undefined });
});
