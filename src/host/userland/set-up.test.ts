/** What installation scripts would have done, with an emulator that writes down what it is told. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { isSetUp, setUp } from './set-up.ts';

const folder = mkdtempSync(join(tmpdir(), 'tyr-set-up-'));
after(() => rmSync(folder, { recursive: true }));

/** A root with these empty files, and an emulator for it. */
function makeRoot(name: string, files: string[]) {
  const root = join(folder, name);
  const calls = join(folder, `${name}.calls`);
  for (const file of files) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), '');
  }
  const qemu = join(folder, `${name}.sh`);
  const script = `#!/bin/sh
shift 6
echo "\${*#${root}/}" | sed 's|${root}/||g' >> ${calls}
case "$1" in */gdk-pixbuf-query-loaders) echo "$GDK_PIXBUF_MODULEDIR/png";; */update-mime-database) exit 3;; esac`;
  writeFileSync(qemu, script, { mode: 0o755 });
  return { root, qemu, calls: () => readFileSync(calls, 'utf8').trim().split('\n') };
}

test('indexes are made by the programs that are there, of what is there, once', async () => {
  const lib = 'usr/lib/aarch64-linux-gnu';
  const { root, qemu, calls } = makeRoot('whole', [
    'usr/sbin/ldconfig',
    'usr/bin/fc-cache',
    'usr/share/fonts/font.ttf',
    `${lib}/glib-2.0/glib-compile-schemas`,
    'usr/share/glib-2.0/schemas/a.gschema.xml',
    `${lib}/gdk-pixbuf-2.0/gdk-pixbuf-query-loaders`,
    `${lib}/gdk-pixbuf-2.0/2.10.0/loaders/png.so`,
    'usr/bin/gtk-update-icon-cache',
    'usr/share/icons/Adwaita/index.theme',
    'usr/share/icons/hicolor/index.theme',
    'usr/share/icons/none/file',
    'usr/bin/update-desktop-database',
  ]);
  assert.equal(isSetUp({ root, qemu }), false);
  const told: string[] = [];
  await setUp({ root, qemu }, (_, what) => told.push(what));
  assert.equal(isSetUp({ root, qemu }), true);
  assert.deepEqual(calls(), [
    `usr/sbin/ldconfig -r ${root}`,
    `${lib}/glib-2.0/glib-compile-schemas usr/share/glib-2.0/schemas`,
    `${lib}/gdk-pixbuf-2.0/gdk-pixbuf-query-loaders`,
    'usr/bin/gtk-update-icon-cache --force --quiet usr/share/icons/Adwaita',
    'usr/bin/gtk-update-icon-cache --force --quiet usr/share/icons/hicolor',
    `usr/bin/fc-cache --system-only --sysroot ${root}`,
  ]);
  assert.equal(
    readFileSync(join(root, lib, 'gdk-pixbuf-2.0/2.10.0/loaders.cache'), 'utf8'),
    `/${lib}/gdk-pixbuf-2.0/2.10.0/loaders/png\n`,
  );
  assert.deepEqual(told, ['libraries', 'settings schemas', 'image loaders', 'icons', 'fonts']);
  assert.match(readFileSync(join(root, 'etc/machine-id'), 'utf8'), /^[0-9a-f]{32}\n$/);
});

test('in a root of the host’s own architecture a program without a dynamic loader runs by itself', async () => {
  const { root, calls } = makeRoot('native', []);
  const script = `#!/bin/sh\necho "$@" >> ${folder}/native.calls`;
  mkdirSync(join(root, 'usr/sbin'), { recursive: true });
  mkdirSync(join(root, 'usr/lib'));
  writeFileSync(join(root, 'usr/sbin/ldconfig'), script, { mode: 0o755 });
  await setUp({ root, qemu: undefined }, () => {});
  assert.deepEqual(calls(), [`-r ${root}`]);
});

test('a root knows its people: shells, how passwords are asked for, and nobody who has none is let in', async () => {
  const { root, qemu, calls } = makeRoot('people', [
    'usr/bin/bash',
    'usr/bin/systemd-sysusers',
    'usr/lib/sysusers.d/basic.conf',
    'usr/sbin/gdm3',
  ]);
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const read = (path: string): string => readFileSync(join(root, path), 'utf8');
  write('etc/passwd', 'root:x:0:0::/root:/bin/sh\ndaemon:x:1:1::/:/usr/sbin/nologin\n');
  write('etc/shadow', 'daemon:!*:20000::::::\n');
  write('usr/share/debianutils/shells', '# comment\n/usr/bin/bash\n');
  write('usr/share/debianutils/shells.d/zsh', '/usr/bin/zsh\n');
  write('usr/share/pam/common-session', '$session_primary\nsession required pam_deny.so\n');
  write('usr/share/pam/common-session.md5sums', '0\n');
  write('usr/share/pam-configs/unix', 'Default: yes\n');
  await setUp({ root, qemu }, () => {});
  assert.equal(read('etc/shells'), '/usr/bin/bash\n');
  assert.equal(read('etc/shadow'), 'daemon:!*:20000::::::\nroot:*:::::::\n');
  assert.equal(read('etc/pam.d/common-session'), 'session\t[default=1]\tpam_permit.so\nsession required pam_deny.so\n');
  assert.ok(!existsSync(join(root, 'etc/pam.d/common-session.md5sums')));
  assert.equal(read('etc/sysusers.d/tyr.conf'), 'u Debian-gdm - "Debian-gdm" /var/lib/gdm3\n');
  assert.deepEqual(calls(), [`usr/bin/systemd-sysusers --root=${root}`]);
});

test('a program that fails is told, and the root counts as not set up', async () => {
  const { root, qemu } = makeRoot('failing', ['usr/bin/update-mime-database', 'usr/share/mime/packages/x.xml']);
  await assert.rejects(
    setUp({ root, qemu }, () => {}),
    /update-mime-database on usr\/share\/mime ended with 3/,
  );
  assert.equal(isSetUp({ root, qemu }), false);
  assert.ok(!existsSync(join(root, 'etc/machine-id')));
});
